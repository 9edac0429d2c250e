//! What is published, and how it is kept that way.

use chrono::TimeDelta;
use data_encoding::BASE64;
use keys::Sensitive;
use rstest::rstest;
use serde_json::{Value, json};

use simulator::effects::Moment;
use simulator::scenario::{at_rest, at_rest_in, certificate, secret, signing};
use simulator::world::{NAMESPACE, OUTPUT, Setup};

fn with_template(mut spec: Value, from: &str) -> Value {
    spec["template"] = json!({
        "labels": {"team": "payroll"}, "annotations": {"reloader": "yes"},
        "keys": [{"name": "client-id", "from": "ClientID"}, {"name": "the-thing", "from": from}],
    });
    spec
}

#[rstest]
#[case::a_secret(secret(), "ClientSecret", "AZURE_CLIENT_SECRET")]
#[case::a_certificate(certificate(), "CombinedPEM", "tls-combined.pem")]
#[case::signing(signing(), "SigningBundleBase64", "signing-bundle.b64")]
#[tokio::test(start_paused = true)]
async fn a_template_adds_labels_annotations_and_keys_and_takes_them_away(#[case] spec: Value, #[case] from: &str, #[case] like: &str) {
    let (world, oracle) = at_rest(with_template(spec, from)).await;
    let metadata = |name: &str| world.output().unwrap()["metadata"][name].clone();
    assert_eq!((&metadata("labels")["team"], &metadata("annotations")["reloader"]), (&json!("payroll"), &json!("yes")));
    assert_eq!(world.text("client-id"), world.target.client_id.to_string());
    assert_eq!(world.text("the-thing"), world.text(like));
    let (entry, writes) = (world.current()["id"].clone(), world.writes().len());
    world.edit(json!({"spec": {"template": {"labels": {"team": "crm"}, "annotations": null, "keys": null}}})).await;
    world.run_for(TimeDelta::minutes(5)).await;
    assert_eq!(metadata("labels")["team"], "crm");
    assert!(metadata("annotations")["reloader"].is_null());
    assert!(world.output().unwrap()["data"]["the-thing"].is_null());
    assert_eq!((&world.current()["id"], world.writes().len()), (&entry, writes), "no new credential for that");
    oracle.has_settled(&world);
}

#[tokio::test(start_paused = true)]
async fn a_keystore_opens_with_its_password_and_keeps_it_through_a_rotation() {
    let mut spec = certificate();
    spec["template"] = json!({"additionalFormats": ["PKCS12"]});
    let (world, oracle) = at_rest(spec).await;
    let opened = || {
        let output = world.output().unwrap();
        let file = BASE64.decode(output["data"]["keystore.p12"].as_str().unwrap().as_bytes()).unwrap();
        keys::pfx::decode(&file, &Sensitive::new(world.text("keystore.password"))).unwrap().1.pem()
    };
    assert_eq!(opened(), world.text("tls.crt"));
    let (first, password) = (opened(), world.text("keystore.password"));
    world.run_until(TimeDelta::days(6), "the successor", |world| world.text("tls.crt") != first).await;
    assert_eq!(opened(), world.text("tls.crt"));
    assert_eq!(world.text("keystore.password"), password);
    world.run_to_rest(TimeDelta::hours(6)).await;
    oracle.has_settled(&world);
}

#[tokio::test(start_paused = true)]
async fn signing_certificates_may_go_into_a_config_map_and_are_kept_there() {
    let mut spec = signing();
    spec["configMapName"] = json!(OUTPUT);
    let (world, oracle) = at_rest_in(Setup::of(spec)).await;
    assert!(world.cluster.get("secrets", NAMESPACE, OUTPUT).is_none());
    let before = world.output().unwrap()["data"].clone();
    assert!(before["metadata-url"].as_str().unwrap().starts_with("https://"));
    world.delete_output();
    world.run_for(TimeDelta::minutes(5)).await;
    assert_eq!(world.output().unwrap()["data"], before);
    let mut edited = world.output().unwrap();
    edited["data"]["thumbprint"] = json!("edited");
    world.cluster.put(edited);
    world.run_for(TimeDelta::minutes(5)).await;
    assert_eq!(world.output().unwrap()["data"], before);
    world.run_until(TimeDelta::days(6), "a successor", |world| world.text("signing.crt") != before["signing.crt"]).await;
    world.run_to_rest(TimeDelta::hours(8)).await;
    oracle.has_settled(&world);
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[case::signing(signing())]
#[tokio::test(start_paused = true)]
async fn an_output_that_somebody_goes_on_changing_is_left_alone_for_a_while_and_mended_in_the_end(#[case] spec: Value) {
    let (world, oracle) = at_rest(spec).await;
    let before = world.output().unwrap()["data"].clone();
    let (cluster, writes) = (world.cluster.clone(), world.writes().len());
    world.effects.watch(move |moment, name| {
        if moment == Moment::After && name.ends_with(OUTPUT) {
            let mut edited = cluster.get("secrets", NAMESPACE, OUTPUT).unwrap();
            edited["data"] = json!({"theirs": "dGhlaXJz"});
            cluster.put(edited);
        }
        Ok(())
    });
    let effects = world.effects.log().len();
    let mut edited = world.output().unwrap();
    edited["data"] = json!({"theirs": "dGhlaXJz"});
    world.cluster.put(edited);
    world.run_for(TimeDelta::hours(3)).await;
    assert_eq!(world.condition("Stalled"), "True/OutputContested", "{:#}", world.resource()["status"]);
    let written = world.effects.log().split_off(effects).into_iter().filter(|name| name.ends_with(OUTPUT)).count();
    assert!((3..=60).contains(&written), "written {written} times in three hours");
    assert_eq!(world.writes().len(), writes, "a new credential would not help");
    world.effects.look_away();
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(world.output().unwrap()["data"], before);
    oracle.has_settled(&world);
    assert_eq!(world.condition("Ready"), "True/Published");
}
