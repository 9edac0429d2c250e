//! Who calls, and what they may do to an object.

use std::collections::BTreeSet;

use entra_types::ids::{ClientId, ObjectId, ObjectKind, TenantId};
use http::header::AUTHORIZATION;

use crate::answer::Visit;
use crate::cloud::Place;
use crate::directory::Object;
use crate::jwt::Jwt;
use crate::refusal::Refusal;
use crate::route::{Inbound, Operation};
use crate::throttle::Asker;
use crate::world::World;

/// Graph's own appId, which is an audience of its tokens too.
pub(crate) const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

const WRITE_ALL: [&str; 2] = ["Application.ReadWrite.All", "Directory.ReadWrite.All"];
const READ_ALL: [&str; 2] = ["Application.Read.All", "Directory.Read.All"];
const WRITE_POLICIES: &str = "Policy.ReadWrite.ApplicationConfiguration";
const READ_POLICIES: [&str; 3] = ["Policy.Read.All", "Policy.Read.ApplicationConfiguration", WRITE_POLICIES];
const OWNED: &str = "Application.ReadWrite.OwnedBy";

/// Whether the emulator knows an application permission of Graph.
pub(crate) fn known_role(role: &str) -> bool {
    role == OWNED || WRITE_ALL.contains(&role) || READ_ALL.contains(&role) || READ_POLICIES.contains(&role)
}

/// An application that carries a good access token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    pub(crate) client: ClientId,
    service_principal: Option<ObjectId>,
    roles: BTreeSet<String>,
}

impl Caller {
    /// Believes the token of a request, or says why not.
    pub(crate) fn of(world: &World, inbound: &Inbound, visit: &Visit) -> Result<Self, Refusal> {
        let header = inbound.header(AUTHORIZATION).unwrap_or_default();
        let scheme = header.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
        let text = scheme.and_then(|_| header.get(7..)).map(str::trim).filter(|text| !text.is_empty());
        let token = text.ok_or_else(|| Refusal::token("Access token is empty."))?;
        let malformed = || {
            Refusal::token(
                "IDX14100: JWT is not well formed, there are no dots (.).\nThe token needs to be in JWS or JWE Compact Serialization Format. (JWS): 'EncodedHeader.EndcodedPayload.EncodedSignature'. (JWE): 'EncodedProtectedHeader.EncodedEncryptedKey.EncodedInitializationVector.EncodedCiphertext.EncodedAuthenticationTag'.",
            )
        };
        let token = Jwt::parse(token).ok_or_else(malformed)?;
        if !world.issuer.signed(&token) {
            return Err(Refusal::token("Access token validation failure. Invalid signature."));
        }
        check_lifetime(&token, visit)?;
        check_audience(world, &token, inbound)?;
        Self::claimed(world, &token).ok_or_else(|| Refusal::token("Access token validation failure. Invalid issuer."))
    }

    fn claimed(world: &World, token: &Jwt) -> Option<Self> {
        let tenant: TenantId = token.claim("tid")?.parse().ok()?;
        let issued_here = token.claim("iss") == Some(&world.profile().issuer(&tenant));
        let roles = token.claims.get("roles").and_then(|roles| roles.as_array()).cloned().unwrap_or_default();
        (issued_here && world.directory.has_tenant(tenant)).then_some(Self {
            tenant,
            client: token.claim("appid")?.parse().ok()?,
            service_principal: token.claim("oid").and_then(|id| id.parse().ok()),
            roles: roles.iter().filter_map(|role| role.as_str().map(str::to_owned)).collect(),
        })
    }

    /// This caller, for the limits that it counts against.
    pub(crate) fn asks(&self, visit: &Visit) -> Asker {
        Asker { tenant: self.tenant, client: self.client, now: visit.now }
    }

    /// Whether it may do this to an object. Adding and removing keys of its own application object needs no permission at all.
    pub(crate) fn may(&self, operation: Operation, object: &Object) -> bool {
        let owns = || self.service_principal.is_some_and(|id| object.owners.contains(&id));
        let own_application = object.kind == ObjectKind::Application && object.app_id == self.client;
        let rolls = matches!(operation, Operation::AddKey | Operation::RemoveKey);
        let reads = matches!(operation, Operation::Get | Operation::ReadFederated);
        self.has(&WRITE_ALL) || reads && self.has(&READ_ALL) || self.has(&[OWNED]) && owns() || rolls && own_application
    }

    /// Whether it learns that an object does not exist. Without any role it only hears that it may not.
    pub(crate) fn may_search(&self) -> bool {
        self.may_list() || self.has(&[OWNED])
    }

    /// Whether it may list whole collections. Ownership is not enough for that.
    pub(crate) fn may_list(&self) -> bool {
        self.has(&WRITE_ALL) || self.has(&READ_ALL)
    }

    /// Whether it may read application management policies.
    pub(crate) fn may_read_policies(&self) -> bool {
        self.has(&READ_POLICIES)
    }

    /// Whether it may change them. Assigning one needs the right to read applications besides, which is not asked for here.
    pub(crate) fn may_write_policies(&self) -> bool {
        self.has(&[WRITE_POLICIES])
    }

    fn has(&self, roles: &[&str]) -> bool {
        roles.iter().any(|role| self.roles.contains(*role))
    }
}

fn check_lifetime(token: &Jwt, visit: &Visit) -> Result<(), Refusal> {
    let arrived = visit.arrived.timestamp_millis() as f64 / 1000.0;
    let expired = token.date("exp").is_none_or(|end| end <= arrived);
    if expired { Err(Refusal::token("Lifetime validation failed, the token is expired.")) } else { Ok(()) }
}

/// A token is for the Graph that was called: one for another cloud's Graph is refused. Under a name of the tester's own this cloud's root will do.
fn check_audience(world: &World, token: &Jwt, inbound: &Inbound) -> Result<(), Refusal> {
    let audience = token.claim("aud").unwrap_or_default().trim_end_matches('/');
    let (root, place) = (world.profile().graph_root(), world.profile().place(&inbound.host));
    let here = if place == Place::Anything { format!("https://{}", inbound.host) } else { root.clone() };
    let is_own = || [&root, &here].into_iter().any(|known| known.eq_ignore_ascii_case(audience));
    let extra = || world.behaviour.audiences.iter().any(|known| known.trim_end_matches('/') == audience);
    if place != Place::Elsewhere && (audience == GRAPH || is_own() || extra()) {
        return Ok(());
    }
    Err(Refusal::token("Access token validation failure. Invalid audience."))
}
