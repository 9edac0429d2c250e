//! Workload identity: assertions of another issuer that the application trusts by a federated credential.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::assertion::check_dates;
use super::{Identity, TokenError};
use crate::cloud::Profile;
use crate::jwt::Jwt;
use crate::world::World;

/// A federated identity credential of an application: whose tokens it trusts, for whom and for what.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Federated {
    /// Names it within the application.
    pub name: String,
    /// `iss` of the tokens, compared exactly.
    pub issuer: String,
    /// `sub` of the tokens, compared exactly.
    pub subject: String,
    /// `aud` of the tokens, compared exactly; one of these. Absent: what the cloud expects, `api://AzureADTokenExchange` in the global one.
    #[serde(default)]
    pub audiences: Vec<String>,
}

impl Federated {
    /// Names the audience that the cloud expects, where none is named.
    pub(crate) fn completed(self, profile: &Profile) -> Self {
        let audiences = if self.audiences.is_empty() { vec![profile.exchange.to_owned()] } else { self.audiences };
        Self { audiences, ..self }
    }
}

/// Whether an assertion is another issuer's rather than the client's own.
pub(super) fn is_foreign(token: &Jwt) -> bool {
    token.claim("iss").is_some_and(|issuer| issuer.starts_with("https://"))
}

/// Checks a token of another issuer: who it is from and for, and that the issuer's published key signed it.
pub(super) fn check(world: &World, identity: &Identity, token: &Jwt, arrived: DateTime<Utc>) -> Result<(), TokenError> {
    let (issuer, subject) = (token.claim("iss").unwrap_or_default(), token.claim("sub").unwrap_or_default());
    let of_issuer: Vec<&Federated> = identity.federated().filter(|trusted| trusted.issuer == issuer).collect();
    if of_issuer.is_empty() {
        return Err(TokenError::federated(700_211, "issuer", issuer));
    }
    let of_subject: Vec<_> = of_issuer.into_iter().filter(|trusted| trusted.subject == subject).collect();
    if of_subject.is_empty() {
        let is_close = identity.federated().any(|trusted| trusted.issuer == issuer && trusted.subject.eq_ignore_ascii_case(subject));
        return Err(if is_close { TokenError::federated_case(subject) } else { TokenError::federated(700_213, "subject", subject) });
    }
    let audiences = audiences(token);
    if !of_subject.iter().any(|trusted| trusted.audiences.iter().any(|known| audiences.contains(&known.as_str()))) {
        return Err(TokenError::federated(700_212, "audience", &audiences.join(" ")));
    }
    check_dates(token, world, arrived)?;
    check_signature(world, token, issuer)
}

/// `aud` is a text, or a list of which Kubernetes writes one element.
fn audiences(token: &Jwt) -> Vec<&str> {
    match token.claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn check_signature(world: &World, token: &Jwt, issuer: &str) -> Result<(), TokenError> {
    let algorithm = token.header("alg").unwrap_or_default();
    if !["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].contains(&algorithm) {
        return Err(TokenError::algorithm(algorithm));
    }
    let keys = world.issuers.get(issuer).and_then(|keys| keys.get("keys")?.as_array()).map(Vec::as_slice).unwrap_or_default();
    let named = |key: &&Value| token.header("kid").is_none() || key.get("kid").and_then(Value::as_str) == token.header("kid");
    if keys.iter().filter(named).any(|key| token.is_signed_by_jwk(key)) { Ok(()) } else { Err(TokenError::signature()) }
}
