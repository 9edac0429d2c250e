//! What a template adds to an output, ConfigMaps, and objects that were there before.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use keys::{Sensitive, pfx};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    published::Published,
    scene::{Scene, assert_never_interrupted, assert_promises, client_certificate, is_settled, token_signing},
    stage::TEAM,
    witness::Place,
};

fn with(mut spec: Value, more: &Value) -> Value {
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

/// The names of the labels, annotations and keys, without the annotations that are always there.
fn worn(output: &Value) -> [Vec<String>; 3] {
    let always = ["entry", "key-id", "not-after", "owner", "seal", "thumbprint"].map(|name| format!("entra-rotator.io/{name}"));
    let names = |map: &Value| map.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let mut annotations = names(&output["metadata"]["annotations"]);
    annotations.retain(|name| !always.contains(name));
    [names(&output["metadata"]["labels"]), annotations, names(&output["data"])]
}

const STANDARD: [&str; 6] = ["AZURE_AUTHORITY_HOST", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "tls-combined.pem", "tls.crt", "tls.key"];

/// The first thing that the operator ever does to an output is a create, whose fields no later apply takes away by leaving them out.
#[tokio::test]
async fn what_a_template_puts_on_comes_off_again_when_the_template_changes() {
    let scene = Scene::shared("template").await;
    let target = scene.application("Template");
    scene.admit(&[&target]).await;
    let name = "template-payroll";
    let mut outputs = scene.watch_secret(name).await;
    let template = json!({
        "labels": {"team": "payroll", "kept": "yes"}, "annotations": {"reloader.stakater.com/match": "true"},
        "keys": [{"name": "client", "from": "ClientID"}], "additionalFormats": ["PKCS12"],
    });
    let spec = with(client_certificate(), &json!({"template": template}));
    let mut resource = scene.declare(name, &target, spec).await;
    let issued = resource.until("its first credential", is_settled).await;
    let first = scene.secrets().get(name).await.unwrap();
    let data = first.data.as_ref().unwrap();
    let keys: Vec<_> = data.keys().map(String::as_str).collect();
    assert_eq!(keys, [&STANDARD[..3], &["client", "keystore.p12", "keystore.password"], &STANDARD[3..]].concat());
    let password = Sensitive::new(String::from_utf8(data["keystore.password"].0.clone()).unwrap());
    let (key, certificate) = pfx::decode(&data["keystore.p12"].0, &password).unwrap();
    assert!(key.matches(&certificate) && certificate.pem().into_bytes() == data["tls.crt"].0);
    let asked = scene.entra().calls(&target).len();

    let by_somebody = json!({"metadata": {"labels": {"somebody": "else"}, "annotations": {"somebody": "else"}}});
    scene.secrets().patch(name, &PatchParams::default(), &Patch::Merge(by_somebody)).await.unwrap();
    scene.edit(name, json!({"template": {"labels": {"team": null}, "annotations": null, "keys": [], "additionalFormats": []}})).await;
    let label = "entra-rotator.io/output";
    let fewer = [vec![label, "kept", "somebody"], vec!["entra-rotator.io/template", "somebody"], STANDARD.to_vec()];
    outputs.until("what is left of the template", |output| worn(output) == fewer.clone().map(owned)).await;
    scene.edit(name, json!({"template": null})).await;
    let bare = [vec![label, "somebody"], vec!["somebody"], STANDARD.to_vec()];
    let last = outputs.until("nothing of a template", |output| worn(output) == bare.clone().map(owned)).await;

    resource.until("the last edit as done", |state| state["status"]["observedGeneration"] == 3 && is_settled(state)).await;
    assert_eq!(Published::read(&last).text("tls.crt").as_bytes(), data["tls.crt"].0);
    assert_eq!(scene.entra().calls(&target).len(), asked, "a template is nothing that Entra is asked about");
    assert_eq!(
        outputs.all().len(),
        4,
        "one write of the operator per edit: {:#?}",
        outputs.all().iter().map(|output| worn(output)).collect::<Vec<_>>()
    );
    assert_promises(&scene, &[&resource]);
    assert_never_interrupted(&resource, &issued);
}

fn owned(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_signing_certificate_in_a_config_map_is_kept_like_one_in_a_secret() {
    let scene = Scene::shared("config-map").await;
    let target = scene.application("ConfigMap");
    scene.admit(&[&target]).await;
    let name = "config-map-saml";
    let maps = Api::<ConfigMap>::namespaced(scene.client.clone(), TEAM);
    let place = Place { group: "", version: "v1", kind: "ConfigMap", namespace: Some(TEAM) };
    let mut outputs = super::witness::Witness::of(scene.client.clone(), &place, &format!("metadata.name={name}")).await;
    let spec = with(token_signing(), &json!({"secretName": null, "configMapName": name}));
    let mut resource = scene.declare(name, &target, spec).await;
    let issued = resource.until("its first certificate", is_settled).await;
    let first = maps.get(name).await.unwrap();
    assert!(scene.secrets().get_opt(name).await.unwrap().is_none());
    let signer = scene.entra().emulator().signer(target.service_principal).unwrap();
    assert_eq!(first.data.as_ref().unwrap()["signing.crt"], signer.pem());
    let writes = scene.entra().writes(&target).len();

    let bytes = json!({"data": {"thumbprint": null, "sso-url": "https://elsewhere.example", "more": "text"},
        "binaryData": {"thumbprint": "AA==", "bytes": "AA=="}, "metadata": {"annotations": {"entra-rotator.io/not-after": "never"}}});
    maps.patch(name, &PatchParams::default(), &Patch::Merge(bytes)).await.unwrap();
    outputs.until("the edit", |output| output["data"]["more"] == "text").await;
    let mended = outputs.until("it as it was", |output| output["data"] == json!(first.data) && output["binaryData"].is_null()).await;
    assert_eq!(mended["metadata"]["annotations"], json!(first.annotations()));
    maps.delete(name, &kube::api::DeleteParams::default()).await.unwrap();
    outputs.until("its deletion", Value::is_null).await;
    outputs.until("it again", |output| output["data"] == json!(first.data)).await;
    assert_eq!(scene.entra().writes(&target).len(), writes);

    resource.until("rest", is_settled).await;
    scene.renew(name, &issued).await;
    let turned = outputs
        .until("its successor", |output| {
            output["data"]["signing-previous.crt"] == json!(first.data.as_ref().unwrap()["signing.crt"])
                && output["data"]["signing.crt"] != output["data"]["signing-previous.crt"]
        })
        .await;
    let signer = scene.entra().emulator().signer(target.service_principal).unwrap();
    assert_eq!(turned["data"]["signing.crt"], signer.pem());
    assert_promises(&scene, &[&resource]);
}

#[tokio::test]
async fn an_existing_secret_is_taken_over_once_it_names_the_resource() {
    let scene = Scene::shared("handed-over").await;
    let target = scene.application("HandedOver");
    scene.admit(&[&target]).await;
    let name = "handed-over-payroll";
    let existing = json!({
        "metadata": {"name": name, "labels": {"somebody": "else"}}, "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": "old", "tls.key": "old", "ca.crt": "old"},
    });
    scene.secrets().create(&PostParams::default(), &serde_json::from_value::<Secret>(existing).unwrap()).await.unwrap();
    let mut outputs = scene.watch_secret(name).await;
    let mut resource = scene.declare(name, &target, client_certificate()).await;
    resource.until("the refusal", |state| super::witness::condition(state, "Stalled") == "True/OutputNotOurs").await;
    assert_eq!(scene.entra().writes(&target).len(), 0);
    assert_eq!(outputs.all().len(), 1, "what belongs to somebody else is not touched");

    let adopt = json!({"metadata": {"annotations": {"entra-rotator.io/adopt-by": name}}});
    scene.secrets().patch(name, &PatchParams::default(), &Patch::Merge(adopt)).await.unwrap();
    resource.until("its first credential", is_settled).await;
    let bare = [owned(vec!["entra-rotator.io/output", "somebody"]), owned(vec!["entra-rotator.io/adopt-by"]), owned(STANDARD.to_vec())];
    let taken = outputs.until("the first credential", |output| worn(output) == bare).await;
    Published::read(&taken).sign_in(scene.entra()).await.unwrap();
    assert_eq!(outputs.all().len(), 3, "one change, from the old credential to the new one");
    assert_promises(&scene, &[&resource]);
}
