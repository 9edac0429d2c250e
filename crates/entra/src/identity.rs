//! Who an access token says we are.

use data_encoding::BASE64URL_NOPAD;
use entra_types::{ClientId, ObjectId};
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
    /// Application permissions such as `Application.ReadWrite.OwnedBy`. At most 128.
    pub roles: Vec<String>,
}

impl Identity {
    /// What the token says beside who signed in.
    pub(crate) fn of_token(client_id: ClientId, token: &str) -> Self {
        let claims = claims(token).unwrap_or_default();
        let object_id = claims["oid"].as_str().and_then(|id| id.parse().ok());
        let roles = claims["roles"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Self { client_id, object_id, roles: roles.take(MAX_ROLES).map(|role| clean(role, 128)).collect() }
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
        Identity::of_token(GUID.parse().unwrap(), &format!("e30.{}.c2ln", BASE64URL_NOPAD.encode(claims.as_bytes())))
    }

    #[test]
    fn object_and_roles_are_read_from_the_claims() {
        let read = identity(&format!(r#"{{"oid":"{GUID}","roles":["Application.ReadWrite.OwnedBy", 7]}}"#));
        assert_eq!((read.object_id, read.roles), (Some(GUID.parse().unwrap()), vec!["Application.ReadWrite.OwnedBy".to_owned()]));
    }

    #[test]
    fn roles_are_bounded_in_number_and_length() {
        let roles = vec![format!("\"{}\"", "r".repeat(1000)); 1000].join(",");
        let read = identity(&format!(r#"{{"roles":[{roles}]}}"#)).roles;
        assert_eq!((read.len(), read.iter().map(String::len).max()), (128, Some(128)));
    }

    #[test]
    fn an_opaque_token_says_nothing_and_breaks_nothing() {
        for token in ["opaque", "", "a.b.c", "..", "e30.%%%.x", "e30.W10.x"] {
            let read = Identity::of_token(GUID.parse().unwrap(), token);
            assert_eq!((read.object_id, read.roles), (None, vec![]), "{token}");
        }
    }
}
