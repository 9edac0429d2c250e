//! Creation, change and deletion through `kube::Api`.

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::json;

use crate::world::{start, widget, widgets};

#[tokio::test(start_paused = true)]
async fn a_created_object_has_metadata_defaults_and_the_default_status() {
    let sim = start();
    let mut sent = widget("a", &json!({"owner": "me", "unknown": 1}));
    sent.data["status"] = json!({"observedGeneration": 7});
    let made = widgets(&sim).create(&PostParams::default(), &sent).await.unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    assert_eq!(made.metadata.uid.as_ref().unwrap().len(), 36);
    assert_eq!(serde_json::to_value(&made.metadata.creation_timestamp).unwrap(), json!("2026-01-01T00:00:00Z"));
    assert_eq!(made.data["spec"], json!({"owner": "me", "color": "red", "policy": {"mode": "Soft"}}));
    assert_eq!(made.data["status"], json!({"observedGeneration": -1}));
    assert_eq!(widgets(&sim).get("a").await.unwrap(), made);
}

#[tokio::test(start_paused = true)]
async fn a_second_creation_is_refused_with_already_exists() {
    let sim = start();
    let sent = widget("a", &json!({"owner": "me"}));
    widgets(&sim).create(&PostParams::default(), &sent).await.unwrap();
    let refused = widgets(&sim).create(&PostParams::default(), &sent).await.unwrap_err();
    let kube::Error::Api(status) = refused else { panic!("{refused}") };
    assert_eq!((status.code, status.reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(status.message, "widgets.test.example \"a\" already exists");
}

#[tokio::test(start_paused = true)]
async fn a_status_is_replaced_only_through_its_subresource_and_with_the_right_version() {
    let sim = start();
    let api = widgets(&sim);
    let made = api.create(&PostParams::default(), &widget("a", &json!({"owner": "me"}))).await.unwrap();
    let mut next = made.clone();
    next.data["status"] = json!({"observedGeneration": 1});
    next.data["spec"]["color"] = json!("blue");
    next.metadata.labels = Some([("x".to_owned(), "y".to_owned())].into());
    let after = api.replace_status("a", &PostParams::default(), &next).await.unwrap();
    assert_eq!(after.data["status"], json!({"observedGeneration": 1}));
    assert_eq!(after.data["spec"]["color"], "red");
    assert_eq!(after.metadata.labels, None);
    assert_eq!(after.metadata.generation, Some(1));
    let stale = api.replace_status("a", &PostParams::default(), &next).await.unwrap_err();
    let kube::Error::Api(status) = stale else { panic!("{stale}") };
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
}

#[tokio::test(start_paused = true)]
async fn a_patch_that_changes_nothing_leaves_the_version_alone() {
    let sim = start();
    let api = widgets(&sim);
    api.create(&PostParams::default(), &widget("a", &json!({"owner": "me"}))).await.unwrap();
    let same = Patch::Merge(json!({"spec": {"color": "red"}}));
    // The first change after creation writes the default status, see scenarios/found/default-status.yaml.
    let made = api.patch("a", &PatchParams::default(), &same).await.unwrap();
    let after = api.patch("a", &PatchParams::default(), &same).await.unwrap();
    assert_eq!(after.metadata.resource_version, made.metadata.resource_version);
    let other = Patch::Merge(json!({"spec": {"color": "green"}}));
    let after = api.patch("a", &PatchParams::default(), &other).await.unwrap();
    assert_eq!(after.metadata.generation, Some(2));
    assert_ne!(after.metadata.resource_version, made.metadata.resource_version);
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_deleted_only_if_it_is_the_one_that_was_meant() {
    let sim = start();
    let api: Api<Secret> = Api::namespaced(sim.client(), "default");
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"name": "s"}, "immutable": true, "stringData": {"value": "open"},
    }))
    .unwrap();
    let made = api.create(&PostParams::default(), &secret).await.unwrap();
    assert_eq!(made.data.as_ref().unwrap()["value"].0, b"open");
    assert_eq!(made.type_.as_deref(), Some("Opaque"));
    let by_uid = |uid: &str| DeleteParams {
        preconditions: Some(Preconditions { uid: Some(uid.into()), resource_version: None }),
        ..DeleteParams::default()
    };
    let refused = api.delete("s", &by_uid("other")).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 409));
    let changed = Patch::Merge(json!({"data": {"value": "eA=="}}));
    let refused = api.patch("s", &PatchParams::default(), &changed).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 422));
    api.delete("s", &by_uid(&made.metadata.uid.unwrap())).await.unwrap();
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items, []);
}
