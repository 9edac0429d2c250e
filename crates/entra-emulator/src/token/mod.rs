//! The token endpoint: client credentials by secret or by signed assertion.

mod assertion;
mod error;
mod federated;
mod managed;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ids::{ClientId, ObjectKind, TenantId};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use keys::Certificate;
use serde_json::json;
use uuid::Uuid;

pub(crate) use error::TokenError;
pub use federated::Federated;
pub use managed::AssignedIdentity;
pub(crate) use managed::{Machine, answer as managed_identity};

use crate::answer::{Answer, Visit};
use crate::cloud::Place;
use crate::credentials::{Entry as _, KeyEntry, PasswordEntry};
use crate::directory::{Address, Object};
use crate::issuer::{Grant, Proven};
use crate::route::Inbound;
use crate::world::World;

const BY_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

type Form = BTreeMap<String, String>;

/// Answers a sign-in.
pub(crate) fn answer(world: &mut World, inbound: &Inbound, visit: &mut Visit, tenant: &str) -> Answer {
    let answer = sign_in(world, inbound, visit, tenant).unwrap_or_else(|error| error.answer(visit));
    answer.with_login_headers(visit)
}

fn sign_in(world: &mut World, inbound: &Inbound, visit: &mut Visit, tenant: &str) -> Result<Answer, TokenError> {
    let tenant_id = tenant.parse().ok().filter(|id| world.directory.has_tenant(*id)).ok_or_else(|| TokenError::tenant(tenant))?;
    let form = form(inbound)?;
    let client = client(&form)?;
    visit.caller = Some(client);
    let audience = audience(world, inbound, &form)?;
    let identity = Identity::find(world, tenant_id, client, visit.now, visit.lag)?;
    visit.object = Some((ObjectKind::ServicePrincipal, identity.service_principal.id));
    let proven = prove(world, &identity, inbound, &form, visit, tenant)?;
    let (token, seconds) = issue(world, tenant_id, &identity, audience, proven, visit.now)?;
    let body = json!({"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token});
    Ok(Answer::json(StatusCode::OK, &body))
}

/// An access token and its life in seconds.
fn issue(
    world: &mut World,
    tenant: TenantId,
    identity: &Identity,
    audience: String,
    proven: Proven,
    now: DateTime<Utc>,
) -> Result<(String, i64), TokenError> {
    let grant = Grant {
        tenant,
        client: identity.client,
        service_principal: identity.service_principal.id,
        audience,
        roles: identity.service_principal.roles.iter().cloned().collect(),
        proven,
        id: Uuid::from_u128(u128::from(world.random.next())).simple().to_string(),
    };
    let lifetime = i64::try_from(world.behaviour.token_lifetime.as_secs()).unwrap_or(i64::MAX);
    let token = world.issuer.issue(&grant, now, lifetime).map_err(|_| TokenError::server())?;
    Ok((token, lifetime))
}

fn form(inbound: &Inbound) -> Result<Form, TokenError> {
    let media = inbound.header(CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    let body = if media.starts_with("application/x-www-form-urlencoded") { &inbound.body[..] } else { &[] };
    let form: Form = form_urlencoded::parse(body).into_owned().collect();
    match form.get("grant_type").map(String::as_str) {
        None | Some("") => Err(TokenError::missing("grant_type")),
        Some("client_credentials") => Ok(form),
        Some(other) => Err(TokenError::grant(other)),
    }
}

fn client(form: &Form) -> Result<ClientId, TokenError> {
    let text = form.get("client_id").filter(|text| !text.is_empty()).ok_or_else(|| TokenError::missing("client_id"))?;
    match text.parse::<ClientId>() {
        Ok(client) if client.as_uuid().is_nil() => Err(TokenError::identifier(text)),
        Ok(client) => Ok(client),
        Err(_) => Err(TokenError::application(text, "")),
    }
}

/// Scopes about people, which MSAL for Go sends with every request; they mean nothing to a client that signs in as itself.
const OF_PEOPLE: [&str; 4] = ["openid", "profile", "offline_access", "email"];

/// The resource that the scope names: the Graph root of this cloud, or this host.
fn audience(world: &World, inbound: &Inbound, form: &Form) -> Result<String, TokenError> {
    let scope = form.get("scope").map(|scope| scope.trim()).filter(|scope| !scope.is_empty());
    let scope = scope.ok_or_else(|| TokenError::missing("scope"))?;
    let mut wanted = scope.split_whitespace().filter(|part| !OF_PEOPLE.contains(part));
    let only = wanted.next().filter(|_| wanted.next().is_none());
    let resource = only.and_then(|only| only.strip_suffix("/.default")).ok_or_else(|| TokenError::scope(scope))?;
    audience_of(world, inbound, resource).ok_or_else(|| TokenError::resource(resource))
}

/// The audience of a token for a resource, if it is a Graph that the emulator knows.
fn audience_of(world: &World, inbound: &Inbound, resource: &str) -> Option<String> {
    let here = format!("https://{}", inbound.host);
    let here = (world.profile().place(&inbound.host) == Place::Anything).then_some(here.as_str());
    let root = world.profile().graph_root();
    let known = |root: &str| root.trim_end_matches('/').eq_ignore_ascii_case(resource.trim_end_matches('/'));
    let graph = crate::graph::GRAPH_APP_ID;
    let is_known = here.into_iter().chain([root.as_str(), graph]).any(known) || world.behaviour.audiences.iter().any(|root| known(root));
    is_known.then(|| resource.to_owned())
}

fn prove(world: &World, identity: &Identity, inbound: &Inbound, form: &Form, visit: &Visit, tenant: &str) -> Result<Proven, TokenError> {
    if let Some(assertion) = form.get("client_assertion") {
        return match form.get("client_assertion_type").map(String::as_str) {
            None => Err(TokenError::missing("client_assertion_type")),
            Some(BY_ASSERTION) => assertion::check(world, identity, inbound, assertion, visit, tenant).map(|()| Proven::Certificate),
            Some(other) => Err(TokenError::malformed_request(other)),
        };
    }
    let secret = form.get("client_secret").filter(|secret| !secret.is_empty()).ok_or_else(TokenError::unproven)?;
    identity.check_secret(secret, visit.now).map(|()| Proven::Secret)
}

/// What can sign in as a client: the credentials of its application and of its service principal.
pub(crate) struct Identity {
    pub(crate) client: ClientId,
    pub(crate) service_principal: Arc<Object>,
    application: Option<Arc<Object>>,
}

impl Identity {
    /// Finds a client as a sign-in service sees it that is `lag` behind.
    pub(crate) fn find(world: &World, tenant: TenantId, client: ClientId, now: DateTime<Utc>, lag: TimeDelta) -> Result<Self, TokenError> {
        let application = world.directory.registration(client, now, lag).cloned();
        let found = world.directory.find(tenant, ObjectKind::ServicePrincipal, Address::AppId(client), now, lag).cloned();
        match (found, application) {
            (Some(service_principal), application) => Ok(Self { client, service_principal, application }),
            (None, Some(_)) => Err(TokenError::service_principal(client, tenant)),
            (None, None) => Err(TokenError::application(&client.to_string(), &tenant.to_string())),
        }
    }

    fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.application.iter().chain([&self.service_principal])
    }

    /// Certificates that may sign assertions.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &KeyEntry> {
        self.objects().flat_map(|object| object.keys.iter()).filter(|entry| entry.is_verify())
    }

    /// Issuers that the application trusts.
    pub(crate) fn federated(&self) -> impl Iterator<Item = &Federated> {
        self.objects().flat_map(|object| object.federated.iter())
    }

    fn secrets(&self) -> impl Iterator<Item = &PasswordEntry> {
        self.objects().flat_map(|object| object.passwords.iter())
    }

    /// Whether the key of this certificate signs in.
    pub(crate) fn accepts(&self, certificate: &Certificate, now: DateTime<Utc>) -> bool {
        self.certificates().any(|entry| entry.certificate.as_ref() == Some(certificate) && entry.is_valid(now))
    }

    pub(crate) fn check_secret(&self, text: &str, now: DateTime<Utc>) -> Result<(), TokenError> {
        let matching: Vec<_> = self.secrets().filter(|entry| entry.accepts(text)).collect();
        match matching.as_slice() {
            entries if entries.iter().any(|entry| entry.is_valid(now)) => Ok(()),
            entries if entries.iter().any(|entry| entry.is_expired(now)) => Err(TokenError::expired_secret(self.client)),
            _ => Err(TokenError::secret(self.client)),
        }
    }
}
