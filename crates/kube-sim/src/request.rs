//! What a request asks for, read from its method, path, query and headers.

use std::{collections::BTreeMap, fmt, sync::Arc};

use http::{HeaderMap, Method, Uri, header};
use serde_json::Value;

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Verb {
    Create,
    Delete,
    DeleteCollection,
    Get,
    List,
    Patch,
    Update,
    Watch,
}

/// A request for a resource.
#[derive(Clone)]
pub struct RequestInfo {
    /// What is done.
    pub verb: Verb,
    /// The API group; empty for the core group.
    pub group: String,
    /// The API version, such as `v1`.
    pub version: String,
    /// The plural, such as `secrets`.
    pub resource: String,
    /// `status`, for example.
    pub subresource: Option<String>,
    /// The namespace; none for cluster-scoped objects and for requests across all namespaces.
    pub namespace: Option<String>,
    /// The object's name, on creation as far as the body gives one.
    pub name: Option<String>,
    /// The query parameter fieldManager.
    pub manager: Option<String>,
    /// The header User-Agent.
    pub user_agent: Option<String>,
    /// Whether the path names the object.
    pub(crate) in_path: bool,
    pub(crate) body: Option<Arc<Value>>,
}

/// The answer to the path alone: a resource, or something that describes the API.
pub(crate) enum Route {
    Resource(RequestInfo),
    Description(Vec<String>),
}

/// The query parameters that the server understands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl RequestInfo {
    /// What was sent: an object, a patch or delete options. May hold secrets: never log it. Not kept in the record.
    pub fn body(&self) -> Option<&Value> {
        self.body.as_deref()
    }

    /// Whether it asks for changes of the given resource (its plural).
    pub fn changes(&self, resource: &str) -> bool {
        self.resource == resource && !matches!(self.verb, Verb::Get | Verb::List | Verb::Watch)
    }
}

/// As in `patch default/serviceprincipalcredentials/a/status`.
impl fmt::Display for RequestInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = format!("{:?}", self.verb).to_lowercase();
        let parts = [&self.namespace, &Some(self.resource.clone()), &self.name, &self.subresource];
        let path: Vec<_> = parts.into_iter().flatten().map(String::as_str).collect();
        write!(f, "{verb} {}", path.join("/"))
    }
}

impl fmt::Debug for RequestInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Route {
    pub(crate) fn read(method: &Method, uri: &Uri, headers: &HeaderMap, query: &Query) -> Self {
        let segments: Vec<String> = uri.path().split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
            _ => return Self::Description(segments),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() && !is_part_of_namespace(rest) => {
                (Some((*namespace).to_owned()), rest)
            }
            rest => (None, rest),
        };
        let owned = |index: usize| rest.get(index).map(|part| (*part).to_owned());
        let name = owned(1);
        let text = |name: header::HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
        Self::Resource(RequestInfo {
            verb: verb(method, name.is_some(), query),
            group: group.to_owned(),
            version: version.to_owned(),
            resource: owned(0).unwrap_or_default(),
            subresource: owned(2),
            namespace,
            in_path: name.is_some(),
            name,
            manager: query.text("fieldManager").map(str::to_owned),
            user_agent: text(header::USER_AGENT),
            body: None,
        })
    }
}

fn is_part_of_namespace(rest: &[&str]) -> bool {
    matches!(rest, ["status"] | ["finalize"])
}

fn verb(method: &Method, named: bool, query: &Query) -> Verb {
    match (method.as_str(), named) {
        ("POST", _) => Verb::Create,
        ("PUT", _) => Verb::Update,
        ("PATCH", _) => Verb::Patch,
        ("DELETE", true) => Verb::Delete,
        ("DELETE", false) => Verb::DeleteCollection,
        _ if query.flag("watch") => Verb::Watch,
        (_, true) => Verb::Get,
        (_, false) => Verb::List,
    }
}

impl Query {
    pub(crate) fn read(uri: &Uri) -> Self {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// A parameter that is there and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| !matches!(text.to_lowercase().as_str(), "false" | "0"))
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    pub(crate) fn dry_run(&self) -> bool {
        self.text("dryRun") == Some("All")
    }
}

/// Percent-decoding of one segment of a path.
fn decode(segment: &str) -> String {
    let literal = segment.replace('+', "%2B");
    let mut pairs = form_urlencoded::parse(literal.as_bytes());
    pairs.next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}
