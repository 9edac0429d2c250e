//! Tenants and sign-in Secrets as nobody should have written them: they are refused in few words, and none of those is secret.

use k8s_openapi::ByteString;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::settings;
use crate::api::v1alpha1::{EntraTenant, SecretKeyRef, SecretRef};
use crate::tenant::declared::{Declared, Stored, StoredKind, endpoints};
use crate::tenant::namespaces::selects;
use crate::tenant::reason::Trouble;
use crate::tenant::secret::Contents;

/// The longest refusal.
const LONGEST: usize = 600;
const SECRET: &str = "c4n4ry~Secret.Value-that_is~never.shown0";

fn corpus() -> Vec<Value> {
    let samples = spoil::corpus(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/tenant"));
    samples.iter().map(|sample| serde_json::from_slice(&sample.content).unwrap()).collect()
}

fn told(trouble: &Trouble) -> Result<(), TestCaseError> {
    let length = trouble.message.chars().count();
    prop_assert!(length <= LONGEST, "a refusal of {} characters", length);
    Ok(())
}

fn check(value: Value) -> Result<(), TestCaseError> {
    let Ok(tenant) = serde_json::from_value::<EntraTenant>(value) else { return Ok(()) };
    for allowed in [false, true] {
        if let Err(trouble) = Declared::read(&tenant.spec, &settings(allowed)) {
            told(&trouble)?;
        }
    }
    if let Err(error) = endpoints(&tenant.spec) {
        prop_assert!(error.to_string().chars().count() <= LONGEST, "{}", error);
    }
    let labels = [("team".to_owned(), "crm".to_owned()), ("stage".to_owned(), "test".to_owned())].into();
    for selector in tenant.spec.grants.iter().filter_map(|grant| grant.namespace_selector.as_ref()) {
        selects(selector, &labels);
    }
    Ok(())
}

/// What the Secret holds, one of its values damaged.
fn contents() -> impl Strategy<Value = [Vec<u8>; 3]> {
    let key = keys::fixtures::key(0).to_pkcs8_pem().expose().clone().into_bytes();
    let sound = [SECRET.into(), super::world::certificate_pem(0).into_bytes(), key];
    (0..3_usize, spoil::bytes(sound.to_vec())).prop_map(move |(which, damaged)| {
        let mut contents = sound.clone();
        contents[which] = damaged;
        contents
    })
}

fn stored(kind: StoredKind) -> Stored {
    Stored { client_id: "22222222-2222-4222-8222-222222222222".parse().unwrap(), kind }
}

fn check_sign_in([secret, certificate, key]: [Vec<u8>; 3]) -> Result<(), TestCaseError> {
    let data = [("value", &secret), ("tls.crt", &certificate), ("tls.key", &key)];
    let data = data.map(|(name, value)| (name.to_owned(), ByteString(value.clone())));
    // The first and last lines of a key are in any text.
    let sound = keys::fixtures::key(0).to_pkcs8_pem().expose().clone();
    let canaries = sound.lines().filter(|line| !line.starts_with("-----")).chain([SECRET]).map(str::as_bytes).collect::<Vec<_>>();
    let name = "sign-in".to_owned();
    let by_secret = StoredKind::ClientSecret(SecretKeyRef { name: name.clone(), key: "value".to_owned() });
    for kind in [by_secret, StoredKind::ClientCertificate(SecretRef { name })] {
        let (told, refused) = match Contents(data.clone().into()).sign_in(&stored(kind)) {
            Ok(sign_in) => (format!("{sign_in:?}"), false),
            Err(why) => (why, true),
        };
        prop_assert!(!refused || told.chars().count() <= LONGEST, "{}", told);
        prop_assert!(!canaries.iter().any(|canary| keys::quotes(&told, canary)), "a secret is shown: {}", told);
    }
    Ok(())
}

proptest! {
    #![proptest_config(spoil::config(2048))]

    #[test]
    fn a_damaged_tenant_is_refused_in_few_words_or_understood(tenant in spoil::json(corpus())) {
        check(tenant)?;
    }

    #[test]
    fn a_damaged_sign_in_secret_is_refused_without_a_word_of_it(contents in contents()) {
        check_sign_in(contents)?;
    }
}

#[test]
fn every_sample_is_understood() {
    for mut sample in corpus() {
        sample["status"] = json!({});
        let tenant: EntraTenant = serde_json::from_value(sample).unwrap();
        assert!(endpoints(&tenant.spec).is_ok());
    }
}
