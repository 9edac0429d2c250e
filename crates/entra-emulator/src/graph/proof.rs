//! The proof of possession that addKey and removeKey ask for.

use entra_types::ids::KeyId;
use serde_json::{Map, Value};

use super::access::GRAPH;
use crate::answer::Visit;
use crate::behaviour::ProofRules;
use crate::credentials::{Entry as _, KeyEntry};
use crate::directory::Object;
use crate::jwt::Jwt;
use crate::refusal::Refusal;
use crate::world::World;

/// The old Azure AD Graph, which the proof is addressed to in every cloud.
const AUDIENCE: &str = "00000002-0000-0000-c000-000000000000";

/// A proof that holds.
pub(super) struct Proof {
    /// The entry whose key signed it.
    pub(super) signer: Option<KeyId>,
}

impl Proof {
    /// Checks the `proof` of a body: a token for the old directory, issued in the name of the object itself, signed by one of its valid certificates.
    pub(super) fn check(world: &World, object: &Object, body: &Map<String, Value>, visit: &Visit) -> Result<Self, Refusal> {
        let token = body.get("proof").and_then(Value::as_str).and_then(Jwt::parse).ok_or_else(Refusal::proof)?;
        let rules = &world.behaviour.proof;
        if !says_what_it_must(&token, object, rules) || !is_in_time(&token, rules, visit) {
            return Err(Refusal::proof());
        }
        let signer = signer(&token, object, visit).ok_or_else(Refusal::proof)?;
        Ok(Self { signer: signer.key_id() })
    }
}

fn says_what_it_must(token: &Jwt, object: &Object, rules: &ProofRules) -> bool {
    let algorithm = token.header("alg").is_some_and(|alg| alg == "RS256" || alg == "PS256" && rules.ps256);
    let audience = token.claim("aud").is_some_and(|aud| aud == AUDIENCE || aud == GRAPH && rules.graph_audience);
    algorithm && audience && token.claim("iss").is_some_and(|iss| iss.eq_ignore_ascii_case(&object.id.to_string()))
}

fn is_in_time(token: &Jwt, rules: &ProofRules, visit: &Visit) -> bool {
    let (now, skew) = (visit.arrived.timestamp_millis() as f64 / 1000.0, rules.skew.as_secs_f64());
    let start = token.date("nbf").or_else(|| (!rules.not_before_required).then_some(now));
    let (Some(start), Some(end)) = (start, token.date("exp")) else { return false };
    end - start <= rules.max_lifetime.as_secs_f64() && start <= now + skew && now < end + skew
}

/// The entry that signed: the one that the header names, else any that fits.
fn signer<'a>(token: &Jwt, object: &'a Object, visit: &Visit) -> Option<&'a KeyEntry> {
    let valid = |entry: &&KeyEntry| entry.is_valid(visit.arrived);
    let signed = |entry: &&KeyEntry| {
        entry.certificate.as_ref().is_some_and(|certificate| token.names(certificate) != Some(false) && token.is_signed_by(certificate))
    };
    object.keys.iter().filter(valid).find(signed)
}
