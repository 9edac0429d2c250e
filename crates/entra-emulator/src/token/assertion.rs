//! Client assertions: tokens that a client signs with the key of one of its certificates.

use chrono::{DateTime, Utc};
use data_encoding::HEXUPPER;

use super::{Identity, TokenError, federated};
use crate::answer::Visit;
use crate::clock::with_seven_digits;
use crate::credentials::{Entry as _, KeyEntry};
use crate::jwt::{self, Jwt};
use crate::route::Inbound;
use crate::world::World;

/// Accepts what client libraries really send: RS256 or PS256, thumbprints in any base64, fractional dates, no nbf, jti or iat.
pub(super) fn check(
    world: &World,
    identity: &Identity,
    inbound: &Inbound,
    assertion: &str,
    visit: &Visit,
    tenant: &str,
) -> Result<(), TokenError> {
    let token = Jwt::parse(assertion).ok_or_else(TokenError::jwt)?;
    if federated::is_foreign(&token) {
        return federated::check(world, identity, &token, visit.arrived);
    }
    if !matches!(token.header("alg"), Some("RS256" | "PS256")) {
        return Err(TokenError::key("Invalid JWT token. Unsupported asymmetric signing algorithm."));
    }
    check_names(&token, identity, inbound, tenant)?;
    check_dates(&token, world, visit.arrived)?;
    check_signature(&token, identity, visit.now)
}

/// Issuer and subject are the client; the audience is this token endpoint, or the tenant's issuer as older libraries have it.
fn check_names(token: &Jwt, identity: &Identity, inbound: &Inbound, tenant: &str) -> Result<(), TokenError> {
    let client = identity.client.to_string();
    let is_client = |name| token.claim(name).is_some_and(|value| value.eq_ignore_ascii_case(&client));
    if !is_client("iss") || !is_client("sub") {
        return Err(TokenError::assertion_client(&client));
    }
    let endpoint = format!("https://{}/{tenant}/oauth2/v2.0/token", inbound.host);
    let issuer = format!("https://{}/{tenant}/v2.0", inbound.host);
    let audience = token.claim("aud").unwrap_or_default();
    let fits = [endpoint, issuer].iter().any(|known| known.eq_ignore_ascii_case(audience));
    if fits { Ok(()) } else { Err(TokenError::assertion_audience(audience)) }
}

pub(super) fn check_dates(token: &Jwt, world: &World, arrived: DateTime<Utc>) -> Result<(), TokenError> {
    let (now, skew) = (arrived.timestamp_millis() as f64 / 1000.0, world.behaviour.assertion_skew.as_secs_f64());
    let (start, end) = (token.date("nbf").unwrap_or(0.0), token.date("exp").unwrap_or(0.0));
    if start <= now + skew && now < end + skew {
        return Ok(());
    }
    let printed = |seconds: f64| DateTime::from_timestamp(seconds as i64, 0).map(with_seven_digits).unwrap_or_default();
    Err(TokenError::assertion_time(&with_seven_digits(arrived), &printed(start), &printed(end)))
}

fn check_signature(token: &Jwt, identity: &Identity, now: DateTime<Utc>) -> Result<(), TokenError> {
    let named = |entry: &&KeyEntry| entry.certificate.as_ref().is_some_and(|certificate| token.names(certificate) == Some(true));
    let entries: Vec<_> = identity.certificates().filter(named).collect();
    let Some(any) = entries.first() else { return Err(TokenError::unregistered(&used(token), "The key was not found.", identity.client)) };
    let Some(valid) = entries.iter().find(|entry| entry.is_valid(now)) else {
        let reason = if any.is_expired(now) { "The key used is expired." } else { "The key used is not yet valid." };
        return Err(TokenError::unregistered(&used(token), reason, identity.client));
    };
    let signed = valid.certificate.as_ref().is_some_and(|certificate| token.is_signed_by(certificate));
    let reason = "Client assertion contains an invalid signature. [Reason - The key was found, but its signature does not verify.]";
    if signed { Ok(()) } else { Err(TokenError::key(reason)) }
}

/// The thumbprint that the client named, as hex.
fn used(token: &Jwt) -> String {
    let named = ["x5t#S256", "x5t", "kid"].into_iter().find_map(|name| token.header(name));
    named.and_then(jwt::decode).map(|bytes| HEXUPPER.encode(&bytes)).unwrap_or_default()
}
