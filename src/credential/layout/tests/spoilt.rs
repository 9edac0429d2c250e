//! Outputs as other hands leave them: a damaged one is never taken for what was published, and nothing that it holds is told.

use proptest::prelude::*;

use super::*;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/outputs");
const LONGEST: usize = 400;

/// An output of the corpus, and the layout that wrote it.
#[derive(Clone, Debug)]
struct Sample {
    layout: Layout,
    object: Value,
}

/// The layouts of the corpus, by the names of their files.
fn layouts() -> [(&'static str, Layout); 5] {
    let target = json!({"clientID": "22222222-2222-4222-8222-222222222222"});
    [
        ("client-secret", layout("clientSecret", Value::Null)),
        ("client-certificate", layout("clientCertificate", Value::Null)),
        ("keystore", layout("clientCertificate", json!({"additionalFormats": ["PKCS12"]}))),
        ("signing", layout("tokenSigningCertificate", json!({"keys": [{"name": "idp.pem", "from": "Certificate"}]}))),
        ("signing-map", layout_of(&json!({"target": target, "tokenSigningCertificate": {}, "configMapName": "out"}))),
    ]
}

fn samples() -> Vec<Sample> {
    let read = |name: &str| std::fs::read(format!("{CORPUS}/{name}.json")).unwrap();
    layouts().map(|(name, layout)| Sample { layout, object: serde_json::from_slice(&read(name)).unwrap() }).into()
}

fn object(sample: &Sample, value: Value) -> Option<Object> {
    if sample.layout.is_config_map {
        return serde_json::from_value(value).ok().map(Object::ConfigMap);
    }
    serde_json::from_value(value).ok().map(Object::Secret)
}

/// One of the samples, damaged as an object or in what one key holds.
fn damaged() -> impl Strategy<Value = (Sample, Object)> {
    let sample = || prop::sample::select(samples());
    let whole = sample().prop_flat_map(|sample| (Just(sample.clone()), spoil::json(vec![sample.object])));
    let whole = whole.prop_filter_map("no object", |(sample, value)| Some((sample.clone(), object(&sample, value)?)));
    prop_oneof![whole, sample().prop_flat_map(with_one_value_spoilt)]
}

fn with_one_value_spoilt(sample: Sample) -> impl Strategy<Value = (Sample, Object)> {
    let sound = object(&sample, sample.object.clone()).unwrap();
    let values: Vec<_> = sound.data().into_iter().collect();
    let all: Vec<_> = values.iter().map(|(_, value)| value.clone()).collect();
    let others = prop::collection::vec(prop::sample::select(all), 0..2);
    let one = (prop::sample::select(values), others)
        .prop_flat_map(|((key, value), others)| (Just(key), spoil::bytes([vec![value.clone(), value.clone(), value], others].concat())));
    one.prop_map(move |(key, value)| (sample.clone(), with(sound.clone(), key, value)))
}

fn with(mut object: Object, key: String, value: Vec<u8>) -> Object {
    match &mut object {
        Object::Secret(secret) => drop(secret.data.get_or_insert_default().insert(key, ByteString(value))),
        Object::ConfigMap(map) => {
            let text = String::from_utf8_lossy(&value).into_owned();
            map.data.get_or_insert_default().insert(key, text);
        }
    }
    object
}

fn secrets_of(sample: &Sample) -> Vec<Vec<u8>> {
    let data = object(sample, sample.object.clone()).unwrap().data();
    let is_secret = |key: &str| ["AZURE_CLIENT_SECRET", "tls.key", "keystore.password"].contains(&key);
    data.into_iter().filter(|(key, _)| is_secret(key)).map(|(_, value)| value).collect()
}

/// Nothing but what a keystore is made of may differ.
fn plain(sample: &Sample, object: &Object) -> Data {
    let data = object.data();
    sample.layout.without_keystore(&data).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn check(sample: &Sample, damaged: &Object) -> Result<(), TestCaseError> {
    let sound = object(sample, sample.object.clone()).unwrap();
    let (before, after) = (sample.layout.inspect(&sound), sample.layout.inspect(damaged));
    let shows = |inspected: &Inspected| match &inspected.output {
        Output::Ours { shows, .. } => shows.clone(),
        _ => None,
    };
    if shows(&before) == shows(&after) {
        prop_assert_eq!(plain(sample, damaged), plain(sample, &sound));
    }
    if let Output::Foreign(why) = &after.output {
        prop_assert!(damaged.title().chars().count() > 300 || why.chars().count() <= LONGEST, "{}", why);
    }
    let told = format!("{:?} {:?}", after.output, after.password);
    for secret in secrets_of(sample) {
        prop_assert!(!keys::quotes(&told, &secret), "a secret is shown: {}", told);
    }
    Ok(())
}

proptest! {
    #![proptest_config(spoil::config(1024))]

    #[test]
    fn a_damaged_output_never_passes_for_what_was_published((sample, damaged) in damaged()) {
        check(&sample, &damaged)?;
    }
}

#[test]
fn every_sample_is_whole() {
    for sample in samples() {
        let sound = object(&sample, sample.object.clone()).unwrap();
        assert!(shows(&sample.layout, &sound), "{}", sample.object);
        assert_eq!(secrets_of(&sample).is_empty(), sample.layout.kind == CredentialKind::TokenSigningCertificate);
    }
}

#[test]
fn the_owner_that_an_output_names_is_told_in_few_words() {
    let sample = samples().into_iter().next().unwrap();
    let mut output = object(&sample, sample.object.clone()).unwrap();
    let owner = format!("other\n{}", "x".repeat(200_000));
    output.metadata_mut().annotations.get_or_insert_default().insert(OWNER.to_owned(), owner);
    let Output::Foreign(why) = sample.layout.inspect(&output).output else { panic!("it names another owner") };
    assert!(why.starts_with("Secret out is the output of ServicePrincipalCredential other\\nxxx") && why.len() <= LONGEST, "{why}");
}

#[test]
fn a_bundle_of_more_certificates_than_an_object_holds_is_not_read_to_its_end() {
    let sample = samples().into_iter().find(|sample| sample.layout.is_config_map).unwrap();
    let block = pair(0).1.pem();
    let bundle = with(object(&sample, sample.object.clone()).unwrap(), "signing-bundle.crt".to_owned(), block.repeat(700).into_bytes());
    let inspected = sample.layout.inspect(&bundle);
    assert!(matches!(inspected.output, Output::Ours { shows: None, .. }));
    assert!(inspected.certificates.len() <= 256);
}

#[test]
#[ignore = "writes the corpus anew, for when a layout has changed on purpose"]
fn the_corpus_is_written() {
    for (name, layout) in layouts() {
        let object = match written(&layout) {
            Object::Secret(secret) => json!(secret),
            Object::ConfigMap(map) => json!(map),
        };
        std::fs::write(format!("{CORPUS}/{name}.json"), serde_json::to_string_pretty(&object).unwrap() + "\n").unwrap();
    }
}
