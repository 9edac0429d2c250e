//! The two JWTs that the client signs: the assertion that it signs in with, and the proof that addKey and removeKey want.

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use entra_types::{ClientId, ObjectId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use keys::{Certificate, PrivateKey};
use serde::Serialize;
use uuid::Uuid;

/// The audience of proofs in every cloud: Azure AD Graph's id, as a bare string. Graph's own id is refused (Microsoft Graph, "Generate proof of
/// possession tokens for rolling keys").
const PROOF_AUDIENCE: &str = "00000002-0000-0000-c000-000000000000";

/// The longest life of a proof on that page, and of an assertion on "Certificate credentials".
const LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// Entra's clock may be a little behind ours.
const TOLERANCE: TimeDelta = TimeDelta::seconds(10);

/// What proves possession of a certificate that the object already holds.
#[derive(Clone, Debug)]
pub struct Proof {
    /// `id` of the object that the action is called on; not its `appId`.
    pub object_id: ObjectId,
    /// The private key of that certificate.
    pub key: PrivateKey,
    /// The certificate: valid now and registered on that object.
    pub certificate: Certificate,
}

#[derive(Serialize)]
struct ProofClaims {
    aud: &'static str,
    iss: ObjectId,
    nbf: i64,
    exp: i64,
}

impl Proof {
    /// The proof as a compact JWT of ten minutes.
    pub(crate) fn sign(&self, now: DateTime<Utc>) -> Result<String, SignError> {
        let nbf = now - TOLERANCE;
        let claims = ProofClaims { aud: PROOF_AUDIENCE, iss: self.object_id, nbf: nbf.timestamp(), exp: (nbf + LIFETIME).timestamp() };
        let thumbprint = self.certificate.thumbprint();
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(thumbprint.to_string());
        header.x5t = Some(BASE64URL_NOPAD.encode(thumbprint.as_bytes()));
        sign(&header, &claims, &self.key)
    }
}

#[derive(Serialize)]
struct AssertionClaims<'a> {
    aud: &'a str,
    iss: ClientId,
    sub: ClientId,
    jti: Uuid,
    nbf: i64,
    iat: i64,
    exp: i64,
}

/// The assertion that signs a client in at a token endpoint (Microsoft identity platform, "Certificate credentials").
pub(crate) fn assertion(
    client_id: ClientId,
    key: &PrivateKey,
    certificate: &Certificate,
    token_url: &str,
    now: DateTime<Utc>,
    jti: Uuid,
) -> Result<String, SignError> {
    let nbf = now - TOLERANCE;
    let exp = (nbf + LIFETIME).timestamp();
    let claims = AssertionClaims { aud: token_url, iss: client_id, sub: client_id, jti, nbf: nbf.timestamp(), iat: now.timestamp(), exp };
    let mut header = Header::new(Algorithm::PS256);
    header.x5t_s256 = Some(BASE64URL_NOPAD.encode(&certificate.thumbprint_sha256()));
    sign(&header, &claims, key)
}

/// Signing failed before anything was sent.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign a JWT with the private key: {0}")]
pub(crate) struct SignError(String);

fn sign(header: &Header, claims: &impl Serialize, key: &PrivateKey) -> Result<String, SignError> {
    let der = key.to_pkcs1_der().map_err(|error| SignError(error.to_string()))?;
    jsonwebtoken::encode(header, claims, &EncodingKey::from_rsa_der(der.expose())).map_err(|error| SignError(error.to_string()))
}
