//! The key that signs access tokens, and what is in them.

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use entra_types::Cloud;
use entra_types::ids::{ClientId, ObjectId, TenantId};
use keys::{Certificate, CertificateError, CertificateRequest, KeyError, PrivateKey};
use serde_json::{Value, json};

use crate::cloud::Profile;
use crate::jwt::{self, Jwt};

/// Signs access tokens and recognises them.
pub(crate) struct Issuer {
    key: PrivateKey,
    certificate: Certificate,
    cloud: Cloud,
}

/// How a client proved who it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Proven {
    Secret,
    Certificate,
}

/// What a token says.
pub(crate) struct Grant {
    pub(crate) tenant: TenantId,
    pub(crate) client: ClientId,
    pub(crate) service_principal: ObjectId,
    pub(crate) audience: String,
    pub(crate) roles: Vec<String>,
    pub(crate) proven: Proven,
    pub(crate) id: String,
}

impl Issuer {
    /// An issuer with its own self-signed certificate.
    pub(crate) fn new(key: PrivateKey, cloud: Cloud) -> Result<Self, CertificateError> {
        let certificate = certificate(&key, cloud)?;
        Ok(Self { key, certificate, cloud })
    }

    /// Moves it to another cloud: tokens that were issued before are not known any more.
    pub(crate) fn move_to(&mut self, cloud: Cloud) -> Result<(), CertificateError> {
        self.certificate = certificate(&self.key, cloud)?;
        self.cloud = cloud;
        Ok(())
    }

    pub(crate) fn cloud(&self) -> Cloud {
        self.cloud
    }

    /// An access token as Graph's are: version 1.0. `lifetime` is in seconds.
    pub(crate) fn issue(&self, grant: &Grant, now: DateTime<Utc>, lifetime: i64) -> Result<String, KeyError> {
        let name = BASE64URL_NOPAD.encode(self.certificate.thumbprint().as_bytes());
        let header = json!({"typ": "JWT", "alg": "RS256", "x5t": name, "kid": name});
        let input = jwt::signing_input(&header, &self.claims(grant, now, lifetime));
        let signature = self.key.sign_rs256(input.as_bytes())?;
        Ok(format!("{input}.{}", BASE64URL_NOPAD.encode(&signature)))
    }

    fn claims(&self, grant: &Grant, now: DateTime<Utc>, lifetime: i64) -> Value {
        let tenant = grant.tenant.to_string();
        let issuer = Profile::of(self.cloud()).issuer(&grant.tenant);
        json!({
            "aud": grant.audience, "iss": issuer, "idp": issuer, "tid": tenant, "ver": "1.0", "idtyp": "app",
            "iat": now.timestamp(), "nbf": now.timestamp(), "exp": now.timestamp().saturating_add(lifetime),
            "appid": grant.client.to_string(), "appidacr": if grant.proven == Proven::Secret { "1" } else { "2" },
            "oid": grant.service_principal.to_string(), "sub": grant.service_principal.to_string(),
            "roles": grant.roles, "uti": grant.id,
        })
    }

    /// Whether this issuer signed it. Two clouds may share a fixture key, but not the name of it.
    pub(crate) fn signed(&self, token: &Jwt) -> bool {
        let name = BASE64URL_NOPAD.encode(self.certificate.thumbprint().as_bytes());
        token.header("alg") == Some("RS256") && token.header("kid") == Some(&name) && token.is_signed_by(&self.certificate)
    }

    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The public key as a JSON Web Key Set.
    pub(crate) fn key_set(&self) -> Value {
        let name = BASE64URL_NOPAD.encode(self.certificate.thumbprint().as_bytes());
        let mut key = json!({"kty": "RSA", "use": "sig", "kid": name, "x5t": name, "x5c": [BASE64.encode(self.certificate.der())]});
        let private = self.key.to_pkcs1_der().ok();
        if let Some((modulus, exponent)) = private.as_ref().and_then(|der| public_numbers(der.expose())) {
            key["n"] = BASE64URL_NOPAD.encode(modulus).into();
            key["e"] = BASE64URL_NOPAD.encode(exponent).into();
        }
        json!({"keys": [key]})
    }
}

/// Each cloud has a certificate of its own.
fn certificate(key: &PrivateKey, cloud: Cloud) -> Result<Certificate, CertificateError> {
    let place = Cloud::ALL.into_iter().position(|known| known == cloud).unwrap_or(0);
    let request = CertificateRequest {
        common_name: "accounts.accesscontrol.windows.net".to_owned(),
        san_uris: Vec::new(),
        not_before: DateTime::UNIX_EPOCH,
        not_after: DateTime::UNIX_EPOCH + TimeDelta::days(365 * 79),
        serial: [u8::try_from(place).unwrap_or(0) + 1; 16],
    };
    Certificate::self_signed(key, &request)
}

/// Modulus and exponent of a PKCS#1 private key: the second and third integers of its sequence.
fn public_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = element(der)?;
    let (_version, rest) = element(sequence)?;
    let (modulus, rest) = element(rest)?;
    let (exponent, _) = element(rest)?;
    Some((modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent))
}

/// Content of the first DER element, and what follows it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.get(1..)?.split_first()?;
    let digits = usize::from(first & 0x7f);
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(digits).filter(|_| digits <= 4)?;
        (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    rest.split_at_checked(length)
}
