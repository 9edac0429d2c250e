//! Who an access token says we are.

use data_encoding::BASE64URL_NOPAD;
use entra_types::{ClientId, ObjectId, TenantId};
use serde_json::Value;

use crate::text::clean;

const MAX_ROLES: usize = 128;

/// Who Entra takes us for. Read from the access token without checking it: it came from the token endpoint over TLS, and only explains things to people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The client that signed in.
    pub client_id: ClientId,
    /// `id` of its service principal. Absent where the token cannot be read: Graph's tokens are opaque by contract.
    pub object_id: Option<ObjectId>,
    /// The tenant that the token is for: a managed identity's own, whichever is wanted. Absent where the token cannot be read.
    pub tenant_id: Option<TenantId>,
    /// Application permissions such as `Application.ReadWrite.OwnedBy`. At most 128.
    pub roles: Vec<String>,
}

impl Identity {
    /// What the token says. Who signed in is asked of it only where it is not known.
    ///
    /// Fails when nobody knows who signed in.
    pub(crate) fn of_token(client_id: Option<ClientId>, token: &str) -> Result<Self, String> {
        let claims = claims(token).unwrap_or_default();
        let claimed = || claims["appid"].as_str().and_then(|id| id.parse().ok());
        let client_id =
            client_id.or_else(claimed).ok_or("it does not say for which client it is: name the managed identity by its client ID")?;
        let object_id = claims["oid"].as_str().and_then(|id| id.parse().ok());
        let tenant_id = claims["tid"].as_str().and_then(|id| id.parse().ok());
        let roles = claims["roles"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(Self { client_id, object_id, tenant_id, roles: roles.take(MAX_ROLES).map(|role| clean(role, 128)).collect() })
    }
}

fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    let bytes = BASE64URL_NOPAD.decode(payload.trim_end_matches('=').as_bytes()).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const GUID: &str = "8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10";

    fn identity(claims: &str) -> Identity {
        Identity::of_token(GUID.parse().ok(), &token(claims)).unwrap()
    }

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", BASE64URL_NOPAD.encode(claims.as_bytes()))
    }

    #[test]
    fn object_tenant_and_roles_are_read_from_the_claims() {
        let read = identity(&format!(r#"{{"oid":"{GUID}","tid":"{GUID}","roles":["Application.ReadWrite.OwnedBy", 7]}}"#));
        assert_eq!(read.tenant_id, Some(GUID.parse().unwrap()));
        assert_eq!((read.object_id, read.roles), (Some(GUID.parse().unwrap()), vec!["Application.ReadWrite.OwnedBy".to_owned()]));
    }

    #[test]
    fn roles_are_bounded_in_number_and_length() {
        let roles = vec![format!("\"{}\"", "r".repeat(1000)); 1000].join(",");
        let read = identity(&format!(r#"{{"roles":[{roles}]}}"#)).roles;
        assert_eq!((read.len(), read.iter().map(String::len).max()), (128, Some(128)));
    }

    #[test]
    fn who_signed_in_is_read_from_the_token_where_it_is_not_known() {
        let read = Identity::of_token(None, &token(&format!(r#"{{"appid":"{GUID}"}}"#))).unwrap();
        assert_eq!(read.client_id.to_string(), GUID);
        for unknown in ["opaque".to_owned(), token("{}"), token(r#"{"appid":"none"}"#)] {
            assert!(Identity::of_token(None, &unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn an_opaque_token_says_nothing_and_breaks_nothing() {
        for token in ["opaque", "", "a.b.c", "..", "e30.%%%.x", "e30.W10.x"] {
            let read = Identity::of_token(GUID.parse().ok(), token).unwrap();
            assert_eq!((read.object_id, read.tenant_id, read.roles), (None, None, vec![]), "{token}");
        }
    }
}
