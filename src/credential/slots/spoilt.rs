//! Staging Secrets as other hands leave them: what is taken out of one belongs together, and nothing of it is told.

use entra_types::KeyId;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/slots");

fn samples() -> Vec<Value> {
    spoil::corpus(CORPUS).iter().map(|sample| serde_json::from_slice(&sample.content).unwrap()).collect()
}

fn secret_of(sample: &Value) -> Secret {
    serde_json::from_value(sample.clone()).unwrap()
}

fn values(sample: &Value) -> Vec<(String, Vec<u8>)> {
    secret_of(sample).data.into_iter().flatten().map(|(key, value)| (key, value.0)).collect()
}

/// A slot of the corpus and the same damaged, as an object or in what one key holds.
fn damaged() -> impl Strategy<Value = (Value, Secret)> {
    let sample = || prop::sample::select(samples());
    let whole = sample().prop_flat_map(|sample| (Just(sample.clone()), spoil::json(vec![sample])));
    let whole = whole.prop_filter_map("no Secret", |(sample, value)| Some((sample, serde_json::from_value(value).ok()?)));
    let one = sample().prop_flat_map(|sample| {
        let value = prop::sample::select(values(&sample)).prop_flat_map(|(key, value)| (Just(key), spoil::bytes(vec![value])));
        (Just(sample), value)
    });
    let one = one.prop_map(|(sample, (key, value))| {
        let mut secret = secret_of(&sample);
        secret.data.get_or_insert_default().insert(key, ByteString(value));
        (sample, secret)
    });
    prop_oneof![whole, one]
}

proptest! {
    #![proptest_config(spoil::config(1024))]

    #[test]
    fn a_damaged_slot_stages_nothing_or_what_belongs_together_and_never_tells_it((sample, damaged) in damaged()) {
        let (slot, secret, pair) = (view(&damaged), client_secret(&damaged), key_pair(&damaged));
        if let Some(pair) = &pair {
            prop_assert!(pair.key.matches(&pair.certificate));
        }
        if let Some(secret) = &secret {
            prop_assert_eq!(slot.secret.as_ref().map(|staged| staged.key_id), Some(secret.key_id));
            prop_assert_eq!(damaged.data.as_ref().and_then(|data| data.get(VALUE)).map(|value| value.0.as_slice()), Some(secret.value.expose().as_bytes()));
        }
        let told = format!("{slot:?} {secret:?} {pair:?}");
        for (_, value) in values(&sample).into_iter().filter(|(key, _)| [VALUE, "tls.key"].contains(&key.as_str())) {
            prop_assert!(!keys::quotes(&told, &value), "a secret is shown: {}", told);
        }
    }
}

#[test]
fn every_sample_stages_something() {
    for sample in samples() {
        let secret = secret_of(&sample);
        assert!(client_secret(&secret).is_some() != key_pair(&secret).is_some(), "{sample}");
        assert!(view(&secret).entry.is_some() && view(&secret).owner.is_some(), "{sample}");
    }
}

#[test]
#[ignore = "writes the corpus anew, for when what is staged has changed on purpose"]
fn the_corpus_is_written() {
    let resource = serde_json::from_value(json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
        "metadata": {"name": "payroll-api", "namespace": "payroll", "uid": "0c5a7c1e-6f64-4d3c-9b57-6a0d0d0c9a11"},
        "spec": {"target": {"clientID": "22222222-2222-4222-8222-222222222222"}, "clientSecret": {}, "secretName": "out"}}));
    let resource = resource.unwrap();
    let key_id: KeyId = "33333333-3333-4333-8333-333333333333".parse().unwrap();
    let staged = of_secret(&ClientSecret { key_id, value: Sensitive::new("q~8Q~c4n4ry.value".to_owned()) });
    let key = keys::fixtures::key(0);
    let start = chrono::DateTime::UNIX_EPOCH;
    let request = keys::CertificateRequest {
        common_name: "payroll".to_owned(),
        san_uris: vec![],
        not_before: start,
        not_after: start + chrono::TimeDelta::days(9),
        serial: [1; 16],
    };
    let certificate = keys::Certificate::self_signed(&key, &request).unwrap();
    let pair = of_pair(&KeyPair { key, certificate });
    for (name, data) in [("client-secret", staged), ("client-certificate", pair)] {
        let slot = secret(&resource, SlotName::A, &EntryId::derive("0c5a7c1e-6f64-4d3c-9b57-6a0d0d0c9a11", 0), data);
        std::fs::write(format!("{CORPUS}/{name}.json"), serde_json::to_string_pretty(&slot).unwrap() + "\n").unwrap();
    }
}
