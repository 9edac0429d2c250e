//! From a request line to what is meant.

use bytes::Bytes;
use entra_types::ids::ObjectKind;
use http::{HeaderMap, Method, Request, header};
use serde::{Deserialize, Serialize};

use crate::directory::Address;

/// What a request does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// GET of one object.
    Get,
    /// GET of a collection, or of what has changed in it.
    List,
    /// PATCH of one object.
    Patch,
    /// POST addKey.
    AddKey,
    /// POST removeKey.
    RemoveKey,
    /// POST addPassword.
    AddPassword,
    /// POST removePassword.
    RemovePassword,
    /// POST addTokenSigningCertificate.
    AddTokenSigningCertificate,
    /// POST to a token endpoint, or GET of a managed identity's token.
    Token,
    /// GET of federation metadata.
    Metadata,
    /// GET of OpenID or instance discovery, or of the keys that sign tokens.
    Discovery,
    /// GET of federated identity credentials.
    ReadFederated,
    /// A change of them.
    WriteFederated,
    /// GET of an application management policy, or of those of an object.
    ReadPolicy,
    /// A change of an application management policy, or of whom it is assigned to.
    WritePolicy,
    /// POST of a batch; the requests in it are on record by themselves.
    Batch,
    /// Anything else.
    Unknown,
    /// A change through the admin API, the seed or Rust.
    Administration,
}

impl Operation {
    /// Whether it changes the directory.
    pub const fn is_write(self) -> bool {
        matches!(
            self,
            Self::Patch
                | Self::AddKey
                | Self::RemoveKey
                | Self::AddPassword
                | Self::RemovePassword
                | Self::AddTokenSigningCertificate
                | Self::WriteFederated
                | Self::Administration
        )
    }
}

/// Where a request goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Route {
    /// One object; the address is `Err` with the text where it is none.
    Object {
        kind: ObjectKind,
        address: Result<Address, String>,
        action: Option<Operation>,
    },
    /// The federated credentials of an application, or one of them by id or name.
    Federated {
        address: Result<Address, String>,
        named: Option<String>,
    },
    Collection(ObjectKind),
    /// `delta` of a collection.
    Delta(ObjectKind),
    Batch,
    Policy(PolicyPath),
    Token {
        tenant: String,
    },
    Metadata {
        tenant: String,
    },
    OpenId {
        tenant: String,
    },
    SigningKeys,
    Instance,
    ManagedIdentity,
    /// A path under `/v1.0` that names nothing; the segment that fails.
    Segment(String),
    /// Anything else.
    Nowhere,
}

/// What of the application management policies is meant; ids are as written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PolicyPath {
    /// `policies/defaultAppManagementPolicy`
    Default,
    /// `policies/appManagementPolicies`
    All,
    /// `policies/appManagementPolicies/{id}`
    One(String),
    /// `policies/appManagementPolicies/{id}/appliesTo`
    AppliesTo(String),
    /// `{collection}/{id}/appManagementPolicies`, with `/$ref` or not.
    Of { kind: ObjectKind, address: Result<Address, String>, reference: bool },
    /// `{collection}/{id}/appManagementPolicies/{policy}/$ref`
    Assigned { kind: ObjectKind, address: Result<Address, String>, policy: String },
}

impl Route {
    /// Whether the path is one of Graph's.
    pub(crate) const fn is_graph(&self) -> bool {
        matches!(
            self,
            Self::Object { .. }
                | Self::Federated { .. }
                | Self::Collection(_)
                | Self::Delta(_)
                | Self::Batch
                | Self::Policy(_)
                | Self::Segment(_)
        )
    }
}

/// A request, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Inbound {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) raw_query: String,
    /// Host and port that the caller believes to talk to.
    pub(crate) host: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) route: Route,
}

impl Inbound {
    pub(crate) fn parse(request: Request<Bytes>) -> Self {
        let (head, body) = request.into_parts();
        let path = decode(head.uri.path());
        let query = head.uri.query().unwrap_or_default();
        let host = head.uri.authority().map(ToString::to_string);
        let named = || head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
        Self {
            route: route(&path),
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            raw_query: query.to_owned(),
            host: host.unwrap_or_else(named).to_ascii_lowercase(),
            method: head.method,
            path,
            headers: head.headers,
            body,
        }
    }

    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// What the request does; `Unknown` where the method does not fit the path.
    pub(crate) fn operation(&self) -> Operation {
        let (get, post) = (self.method == Method::GET, self.method == Method::POST);
        match &self.route {
            Route::Object { action: None, .. } if get => Operation::Get,
            Route::Object { action: None, .. } if self.method == Method::PATCH => Operation::Patch,
            Route::Object { action: Some(action), .. } if post => *action,
            Route::Collection(_) | Route::Delta(_) if get => Operation::List,
            Route::Batch if post => Operation::Batch,
            Route::Federated { .. } if get => Operation::ReadFederated,
            Route::Federated { .. } => Operation::WriteFederated,
            Route::Policy(_) if get => Operation::ReadPolicy,
            Route::Policy(_) => Operation::WritePolicy,
            Route::Token { .. } if post => Operation::Token,
            Route::ManagedIdentity if get => Operation::Token,
            Route::Metadata { .. } if get => Operation::Metadata,
            Route::OpenId { .. } | Route::SigningKeys | Route::Instance if get => Operation::Discovery,
            _ => Operation::Unknown,
        }
    }
}

fn decode(path: &str) -> String {
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}

fn route(path: &str) -> Route {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["v1.0", rest @ ..] => graph_route(rest),
        [tenant, "oauth2", "v2.0", "token"] => Route::Token { tenant: (*tenant).to_owned() },
        [tenant, "federationmetadata", "2007-06", "federationmetadata.xml"] => Route::Metadata { tenant: (*tenant).to_owned() },
        [tenant, "v2.0", ".well-known", "openid-configuration"] => Route::OpenId { tenant: (*tenant).to_owned() },
        [_, "discovery", "v2.0", "keys"] => Route::SigningKeys,
        ["metadata", "identity", "oauth2", "token"] => Route::ManagedIdentity,
        ["common", "discovery", "instance"] => Route::Instance,
        _ => Route::Nowhere,
    }
}

/// Collections and actions are compared without regard to case, as Graph does: its own samples write `/serviceprincipals`.
fn graph_route(segments: &[&str]) -> Route {
    if let [first, rest @ ..] = segments
        && first.eq_ignore_ascii_case("policies")
    {
        return policy_route(rest);
    }
    if segments == ["$batch"] {
        return Route::Batch;
    }
    let (kind, by_app_id, rest) = match segments {
        [] | [""] => return Route::Segment(String::new()),
        [first, rest @ ..] => {
            let (name, key) = first.split_once('(').map_or((*first, None), |(name, key)| (name, Some(key)));
            let Some(kind) = collection(name) else { return Route::Segment((*first).to_owned()) };
            (kind, key, rest)
        }
    };
    let (address, rest) = match (by_app_id, rest) {
        (Some(key), rest) => (app_id(key), rest),
        (None, []) => return Route::Collection(kind),
        (None, [name]) if is_delta(name) => return Route::Delta(kind),
        (None, [id, rest @ ..]) => (id.parse().map(Address::Id).map_err(|_| (*id).to_owned()), rest),
    };
    member(kind, address, rest)
}

/// What follows the address of an object.
fn member(kind: ObjectKind, address: Result<Address, String>, rest: &[&str]) -> Route {
    match rest {
        [] => Route::Object { kind, address, action: None },
        [name, named @ ..] if kind == ObjectKind::Application && named.len() < 2 && name.eq_ignore_ascii_case(FEDERATED) => {
            Route::Federated { address, named: named.first().map(|named| (*named).to_owned()) }
        }
        [name] if name.eq_ignore_ascii_case(APP_POLICIES) => Route::Policy(PolicyPath::Of { kind, address, reference: false }),
        [action] => match named_action(kind, action) {
            Some(action) => Route::Object { kind, address, action: Some(action) },
            None => Route::Segment((*action).to_owned()),
        },
        [name, rest @ ..] if name.eq_ignore_ascii_case(APP_POLICIES) => match rest {
            ["$ref"] => Route::Policy(PolicyPath::Of { kind, address, reference: true }),
            [policy, "$ref"] => Route::Policy(PolicyPath::Assigned { kind, address, policy: (*policy).to_owned() }),
            _ => Route::Segment(rest.concat()),
        },
        [_, more, ..] => Route::Segment((*more).to_owned()),
    }
}

fn is_delta(segment: &str) -> bool {
    let name = segment.strip_prefix("microsoft.graph.").unwrap_or(segment);
    name.strip_suffix("()").unwrap_or(name).eq_ignore_ascii_case("delta")
}

const FEDERATED: &str = "federatedIdentityCredentials";
const APP_POLICIES: &str = "appManagementPolicies";

fn policy_route(segments: &[&str]) -> Route {
    let named = |name: &str, known: &str| name.eq_ignore_ascii_case(known);
    Route::Policy(match segments {
        [name] if named(name, "defaultAppManagementPolicy") => PolicyPath::Default,
        [name] if named(name, APP_POLICIES) => PolicyPath::All,
        [name, id] if named(name, APP_POLICIES) => PolicyPath::One((*id).to_owned()),
        [name, id, last] if named(name, APP_POLICIES) && named(last, "appliesTo") => PolicyPath::AppliesTo((*id).to_owned()),
        other => return Route::Segment(other.first().copied().unwrap_or_default().to_owned()),
    })
}

fn collection(name: &str) -> Option<ObjectKind> {
    [ObjectKind::Application, ObjectKind::ServicePrincipal].into_iter().find(|kind| kind.collection().eq_ignore_ascii_case(name))
}

/// `appId='…')`, the rest of `applications(appId='…')`.
fn app_id(key: &str) -> Result<Address, String> {
    let quoted = key.strip_suffix(')').and_then(|key| key.split_once('=')).filter(|(name, _)| name.eq_ignore_ascii_case("appId"));
    let id = quoted.and_then(|(_, value)| value.strip_prefix('\'')?.strip_suffix('\''));
    id.and_then(|id| id.parse().ok()).map(Address::AppId).ok_or_else(|| key.to_owned())
}

fn named_action(kind: ObjectKind, segment: &str) -> Option<Operation> {
    const ACTIONS: [(&str, Operation); 5] = [
        ("addKey", Operation::AddKey),
        ("removeKey", Operation::RemoveKey),
        ("addPassword", Operation::AddPassword),
        ("removePassword", Operation::RemovePassword),
        ("addTokenSigningCertificate", Operation::AddTokenSigningCertificate),
    ];
    let name = segment.strip_prefix("microsoft.graph.").unwrap_or(segment);
    let (_, action) = ACTIONS.into_iter().find(|(action, _)| action.eq_ignore_ascii_case(name))?;
    (kind == ObjectKind::ServicePrincipal || action != Operation::AddTokenSigningCertificate).then_some(action)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ID: &str = "8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10";

    #[test]
    fn an_object_is_named_by_id_or_by_app_id_and_an_action_plainly_or_qualified() {
        let action = Some(Operation::AddKey);
        let object = |address, action| Route::Object { kind: ObjectKind::Application, address: Ok(address), action };
        assert_eq!(route(&format!("/v1.0/applications/{ID}")), object(Address::Id(ID.parse().unwrap()), None));
        assert_eq!(route(&format!("/v1.0/applications(appId='{ID}')/addKey")), object(Address::AppId(ID.parse().unwrap()), action));
        assert_eq!(route(&format!("/v1.0/applications/{ID}/microsoft.graph.addKey")), object(Address::Id(ID.parse().unwrap()), action));
    }

    #[test]
    fn signing_certificates_are_added_to_service_principals_only() {
        let path = |collection| format!("/v1.0/{collection}/{ID}/addTokenSigningCertificate");
        assert!(matches!(route(&path("serviceprincipals")), Route::Object { .. }));
        assert!(matches!(route(&path("applications")), Route::Segment(_)));
    }

    #[test]
    fn a_strange_path_names_nothing() {
        for path in ["/", "", "/v1.0", "/v1.0/users", "/beta/applications", "/v1.0/applications/x/y/z", "//", "/v1.0/applications(x"] {
            let found = route(path);
            let nothing = matches!(&found, Route::Nowhere | Route::Segment(_) | Route::Object { address: Err(_), .. });
            assert!(nothing, "{path}: {found:?}");
        }
    }
}
