//! What people make by hand: credentials to be adopted, and a certificate with which an application is to roll itself from then on.

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64;
use entra_emulator::NewSecret;
use keys::{Certificate, CertificateRequest};
use serde_json::{Value, json};

use crate::setup::Kind;
use crate::world::{NAME, NAMESPACE, OUTPUT, World};

/// Which of the fixed keys people use.
const KEY: usize = 7;

/// Somebody makes a credential of the world's kind, for a hundred days. Gives the keyId by which it is called.
pub fn credential(world: &World) -> String {
    let end = world.now() + TimeDelta::days(100);
    match world.kind {
        Kind::ClientSecret => {
            let secret = NewSecret { text: "made by hand".to_owned(), display_name: Some("old".to_owned()), start: None, end };
            world.entra.add_secret(world.object, secret).unwrap().to_string()
        }
        Kind::ClientCertificate => world.entra.add_certificate(world.object, &self_signed(world.now(), end)).unwrap().to_string(),
        Kind::Signing => {
            let made = world.entra.add_signing_certificate(world.object, "CN=old", Some(end)).unwrap();
            made["keyId"].as_str().unwrap().to_owned()
        }
    }
}

/// A certificate of somebody who has never heard of this operator.
pub fn self_signed(now: DateTime<Utc>, not_after: DateTime<Utc>) -> Certificate {
    let name = "made by hand".to_owned();
    let request = CertificateRequest { common_name: name, san_uris: vec![], not_before: now, not_after, serial: [9; 16] };
    Certificate::self_signed(&keys::fixtures::key(KEY), &request).unwrap()
}

/// Somebody puts a certificate of this life on the application and into the Secret, and declares with this spec that it rolls itself from here on.
pub async fn hand_over(world: &World, life: TimeDelta, spec: &Value) -> Certificate {
    let seed = self_signed(world.now(), world.now() + life);
    world.entra.add_certificate(world.object, &seed).unwrap();
    let encoded = |text: &str| BASE64.encode(text.as_bytes());
    let key = keys::fixtures::key(KEY).to_pkcs8_pem();
    world.cluster.put(json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": OUTPUT, "namespace": NAMESPACE, "annotations": {"entra-rotator.io/adopt-by": NAME}},
        "data": {"tls.crt": encoded(&seed.pem()), "tls.key": encoded(key.expose()),
            "AZURE_CLIENT_ID": encoded(&world.target.client_id.to_string())}}));
    let mut spec = spec.clone();
    spec["clientCertificate"]["signInAs"] = json!("Self");
    spec["target"] = json!({"objectID": world.target.application.to_string(), "object": "Application"});
    world.declare(&spec).await;
    seed
}
