//! A tenant with an operator that may do everything and an application that it looks after.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXUPPER};
use entra_emulator::{Behaviour, Emulator, NewSecret, Registered, Registration, TimeSource};
use entra_types::ids::{KeyId, ObjectId, TenantId};
use http::{HeaderMap, Method, Request};
use keys::{Certificate, CertificateRequest, PrivateKey, fixtures};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const TENANT: &str = "8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10";
pub(crate) const LOGIN: &str = "https://login.microsoftonline.com";
pub(crate) const GRAPH: &str = "https://graph.microsoft.com";
pub(crate) const PROOF_AUDIENCE: &str = "00000002-0000-0000-c000-000000000000";
const OPERATOR_SECRET: &str = "operator~secret";

/// Time that only moves when it is told to.
struct Still(DateTime<Utc>);

impl TimeSource for Still {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Status and code of a refusal, or the status alone.
    pub(crate) fn verdict(&self) -> (u16, String) {
        (self.status, self.code())
    }
}

pub(crate) fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

pub(crate) struct Stage {
    pub(crate) emulator: Emulator,
    pub(crate) tenant: TenantId,
    pub(crate) operator: Registered,
    pub(crate) target: Registered,
    token: String,
}

pub(crate) fn start() -> DateTime<Utc> {
    "2026-11-21T10:00:00.1234567Z".parse().unwrap()
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::behaving(Behaviour::default()).await
    }

    pub(crate) async fn behaving(behaviour: Behaviour) -> Self {
        let emulator = Emulator::builder().time(Still(start())).behaviour(behaviour).build().unwrap();
        let tenant = TENANT.parse().unwrap();
        emulator.add_tenant(tenant);
        let operator = emulator.register(tenant, &Registration::named("operator").role("Application.ReadWrite.All")).unwrap();
        let target = emulator.register(tenant, &Registration::named("payroll")).unwrap();
        let mut stage = Self { emulator, tenant, operator, target, token: String::new() };
        stage.secret(operator.application, OPERATOR_SECRET);
        stage.token = stage.token_of(&operator, OPERATOR_SECRET).await;
        stage.emulator.clear_calls();
        stage
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.emulator.now()
    }

    /// Gives an object a secret of a year.
    pub(crate) fn secret(&self, object: ObjectId, text: &str) -> KeyId {
        let end = self.now() + TimeDelta::days(365);
        self.emulator.add_secret(object, NewSecret { text: text.to_owned(), display_name: None, start: None, end }).unwrap()
    }

    /// Signs in by secret and gives the access token.
    pub(crate) async fn token_of(&self, client: &Registered, secret: &str) -> String {
        let reply = self.sign_in(&[("client_id", &client.client_id.to_string()), ("client_secret", secret)]).await;
        assert_eq!(reply.status, 200, "{:?}", reply.json());
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Registers another client with the roles, and gives its token.
    pub(crate) async fn client(&self, roles: &[&str]) -> (Registered, String) {
        let registration = roles.iter().fold(Registration::named("other"), |registration, role| registration.role(role));
        let client = self.emulator.register(self.tenant, &registration).unwrap();
        self.secret(client.application, "other~secret");
        let token = self.token_of(&client, "other~secret").await;
        (client, token)
    }

    /// A token request for Graph with these fields besides.
    pub(crate) async fn sign_in(&self, fields: &[(&str, &str)]) -> Reply {
        let fixed = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
        let fixed = fixed.into_iter().filter(|(name, _)| !fields.iter().any(|(given, _)| given == name));
        self.post_form(&format!("/{TENANT}/oauth2/v2.0/token"), &fixed.chain(fields.iter().copied()).collect::<Vec<_>>()).await
    }

    pub(crate) async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(format!("{LOGIN}{path}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(body))
            .unwrap();
        self.send(request).await
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Reply {
        self.try_send(request).await.unwrap()
    }

    pub(crate) async fn try_send(&self, request: Request<Bytes>) -> std::io::Result<Reply> {
        let (head, body) = self.emulator.service().oneshot(request).await?.into_parts();
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// A request to Graph in the operator's name.
    pub(crate) fn request(&self, method: Method, path: &str, body: &Value) -> Request<Bytes> {
        self.request_with(&self.token, method, path, body)
    }

    pub(crate) fn request_with(&self, token: &str, method: Method, path: &str, body: &Value) -> Request<Bytes> {
        let builder =
            Request::builder().method(method).uri(format!("{GRAPH}/v1.0{path}")).header("authorization", format!("Bearer {token}"));
        match body {
            Value::Null => builder.body(Bytes::new()).unwrap(),
            body => builder.header("content-type", "application/json").body(Bytes::from(body.to_string())).unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path, &Value::Null)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::POST, path, body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::PATCH, path, body)).await
    }

    /// Path of the target's application.
    pub(crate) fn application(&self) -> String {
        format!("/applications/{}", self.target.application)
    }

    /// Path of the target's service principal.
    pub(crate) fn principal(&self) -> String {
        format!("/servicePrincipals/{}", self.target.service_principal)
    }

    /// One list of an object, as a plain GET shows it.
    pub(crate) async fn list(&self, path: &str, list: &str) -> Vec<Value> {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{:?}", reply.json());
        reply.json()[list].as_array().unwrap().clone()
    }

    /// A certificate of a year for a fixture key.
    pub(crate) fn certificate(&self, number: usize) -> (PrivateKey, Certificate) {
        let start = self.now() - TimeDelta::minutes(5);
        certificate(number, start, start + TimeDelta::days(365))
    }

    /// Signs a proof for an object.
    pub(crate) fn proof(&self, object: ObjectId, key: &PrivateKey, certificate: &Certificate) -> String {
        sign(key, &proof_header(certificate), &self.proof_claims(object))
    }

    pub(crate) fn proof_claims(&self, object: ObjectId) -> Value {
        let now = self.now().timestamp();
        json!({"aud": PROOF_AUDIENCE, "iss": object.to_string(), "nbf": now, "exp": now + 600})
    }
}

pub(crate) fn certificate(number: usize, not_before: DateTime<Utc>, not_after: DateTime<Utc>) -> (PrivateKey, Certificate) {
    let key = fixtures::key(number);
    let common_name = format!("client {number}");
    let request = CertificateRequest { common_name, san_uris: Vec::new(), not_before, not_after, serial: [7; 16] };
    let certificate = Certificate::self_signed(&key, &request).unwrap();
    (key, certificate)
}

/// A new entry for PATCH or addKey.
pub(crate) fn entry(certificate: &Certificate) -> Value {
    json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": BASE64.encode(certificate.der())})
}

/// A PFX of a key and a certificate.
pub(crate) fn pfx(key: &PrivateKey, certificate: &Certificate, password: &str) -> String {
    let chain = [p12_keystore::Certificate::from_der(certificate.der()).unwrap()];
    let private = p12_keystore::PrivateKey::from_der(key.to_pkcs8_der().expose()).unwrap();
    let mut store = p12_keystore::KeyStore::new();
    let entry = p12_keystore::PrivateKeyChain::new(vec![1_u8], private, chain);
    store.add_entry("signing", p12_keystore::KeyStoreEntry::PrivateKeyChain(entry));
    BASE64.encode(&store.writer(password).encryption_iterations(10).mac_iterations(10).write().unwrap())
}

pub(crate) fn proof_header(certificate: &Certificate) -> Value {
    let thumbprint = certificate.thumbprint();
    json!({"alg": "RS256", "typ": "JWT", "kid": HEXUPPER.encode(thumbprint.as_bytes()), "x5t": BASE64URL_NOPAD.encode(thumbprint.as_bytes())})
}

/// A compact JWS, by the algorithm in its header.
pub(crate) fn sign(key: &PrivateKey, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let input = format!("{}.{}", part(header), part(claims));
    let signature = match header["alg"].as_str() {
        Some("PS256") => key.sign_ps256(input.as_bytes()),
        _ => key.sign_rs256(input.as_bytes()),
    };
    format!("{input}.{}", BASE64URL_NOPAD.encode(&signature.unwrap()))
}

/// An instant as callers write it.
pub(crate) fn stamp(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Collects what observers are told.
pub(crate) fn watch(emulator: &Emulator) -> Arc<std::sync::Mutex<Vec<entra_emulator::Mutation>>> {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    emulator.observe(move |mutation| log.lock().unwrap().push(mutation.clone()));
    seen
}
