//! kube-apiserver takes the custom resource definitions, and judges as the table in `crds::cases` says.

use std::path::Path;

use entra_rotator::api::{self, v1alpha1::ServicePrincipalCredential};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    control_plane::ControlPlane,
    crds::{
        self,
        cases::{Case, Verdict, cases},
    },
};

const NAMESPACE: &str = "crds";

/// The shared control plane, with a namespace for the tests here.
async fn cluster() -> &'static ControlPlane {
    static CLUSTER: OnceCell<&ControlPlane> = OnceCell::const_new();
    CLUSTER.get_or_init(start).await
}

async fn start() -> &'static ControlPlane {
    let cluster = ControlPlane::shared().await.unwrap();
    cluster.kubectl(&["create", "namespace", NAMESPACE]).await.unwrap();
    cluster
}

#[tokio::test]
async fn kube_apiserver_has_no_warning_about_the_definitions() {
    let cluster = cluster().await;
    for crd in api::crds() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("crds/{}.yaml", crd.spec.names.plural));
        let arguments = ["replace", "--dry-run=server", "--warnings-as-errors", "--validate=strict", "-f", file.to_str().unwrap()];
        cluster.kubectl(&arguments).await.unwrap();
    }
}

#[tokio::test]
async fn kube_apiserver_gives_every_case_its_verdict() {
    let client = cluster().await.client().await.unwrap();
    let mut wrong = Vec::new();
    for case in cases() {
        let answer = submit(&client, &case).await.map_err(|error| error.to_string());
        if !is_verdict(&case.verdict, &answer) {
            wrong.push(format!("{}: {answer:?} instead of {:?}", case.name, case.verdict));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn kube_apiserver_keeps_every_bound_and_no_narrower_one() {
    let client = cluster().await.client().await.unwrap();
    let discard = PostParams { dry_run: true, ..PostParams::default() };
    let mut wrong = Vec::new();
    // What the other tests keep for a moment has other names.
    let named = |object: Value| dynamic(&crds::renamed(object, "bound"));
    for bound in crds::bounds::bounds() {
        let objects = objects(&client, bound.kind);
        for object in bound.accepted() {
            let answer = objects.create(&discard, &named(object)).await;
            let answer = answer.and_then(|answer| crds::read(bound.kind, json!(answer)).map_err(kube::Error::SerdeError));
            wrong.extend(answer.err().map(|error| format!("{} refuses too much: {error}", bound.title())));
        }
        match objects.create(&discard, &named(bound.refused())).await {
            Ok(_) => wrong.push(format!("{} refuses nothing", bound.title())),
            Err(error) if bound.is_named_in(&error.to_string()) => {}
            Err(error) => wrong.push(format!("{} is not what is said: {error}", bound.title())),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The API server reckons up what the rules may cost at most before it takes a definition, and stops them when they cost more.
#[tokio::test]
async fn the_largest_objects_there_can_be_are_admitted_and_kept() {
    let client = cluster().await.client().await.unwrap();
    for (kind, object) in crds::bounds::largest() {
        let objects = objects(&client, kind);
        let object = dynamic(&object);
        let kept = objects.create(&PostParams::default(), &object).await.unwrap();
        crds::read(kind, json!(kept)).unwrap();
        // A change runs the rules that compare it with what was there.
        let mut changed = kept.clone();
        changed.metadata.labels = Some([("changed".to_owned(), "yes".to_owned())].into());
        objects.replace(&kept.name_any(), &PostParams::default(), &changed).await.unwrap();
        objects.delete(&kept.name_any(), &DeleteParams::default()).await.unwrap();
    }
}

/// Creates or changes the object of a case without keeping it, and reads the answer by its type.
async fn submit(client: &Client, case: &Case) -> kube::Result<Value> {
    let objects = objects(client, case.kind);
    let (keep, discard) = (PostParams::default(), PostParams { dry_run: true, ..PostParams::default() });
    let mut object = dynamic(&case.object);
    let Some(before) = &case.before else {
        return objects.create(&discard, &object).await.and_then(|answer| read(case, &answer));
    };
    let before = objects.create(&keep, &dynamic(before)).await.unwrap();
    object.metadata.resource_version = before.resource_version();
    let answer = objects.replace(&before.name_any(), &discard, &object).await;
    objects.delete(&before.name_any(), &DeleteParams::default()).await.unwrap();
    answer.and_then(|answer| read(case, &answer))
}

fn read(case: &Case, answer: &DynamicObject) -> kube::Result<Value> {
    let answer = json!(answer);
    crds::read(case.kind, answer.clone()).map_err(kube::Error::SerdeError)?;
    Ok(answer)
}

fn objects(client: &Client, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("entra-rotator.io", "v1alpha1", kind));
    match kind {
        "EntraTenant" => Api::all_with(client.clone(), &resource),
        _ => Api::namespaced_with(client.clone(), NAMESPACE, &resource),
    }
}

fn dynamic(object: &Value) -> DynamicObject {
    serde_json::from_value(object.clone()).unwrap()
}

fn is_verdict(verdict: &Verdict, answer: &Result<Value, String>) -> bool {
    match (*verdict, answer) {
        (Verdict::Accepted, answer) => answer.is_ok(),
        // Nothing else refuses it: several errors would stand in brackets.
        (Verdict::RefusedByRule { path, message }, Err(said)) => {
            let field = if path.is_empty() { "<nil>" } else { path };
            said.contains(&format!("is invalid: {field}: ")) && said.contains(&format!(": {message}"))
        }
        (Verdict::RefusedBySchema { path, says }, Err(said)) => said.contains(&format!("{path}: ")) && said.contains(says),
        (Verdict::RefusedByRule { .. } | Verdict::RefusedBySchema { .. }, Ok(_)) => false,
    }
}

#[tokio::test]
async fn what_is_left_out_or_null_gets_its_default() {
    let client = cluster().await.client().await.unwrap();
    let discard = PostParams { dry_run: true, ..PostParams::default() };
    let credential = json!({
        "apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential", "metadata": {"name": "defaults"},
        "spec": {
            "target": {"clientID": crds::cases::CLIENT_ID, "objectID": null},
            "tokenSigningCertificate": {"displayName": null, "activation": null},
            "clientCertificate": null, "tenantRef": null, "rotation": {"validity": null}, "secretName": "defaults",
        },
    });
    let credential = json!(objects(&client, "ServicePrincipalCredential").create(&discard, &dynamic(&credential)).await.unwrap());
    assert_eq!(
        credential["spec"],
        json!({
            "target": {"clientID": crds::cases::CLIENT_ID}, "tokenSigningCertificate": {
                "keySource": "Entra", "activation": {"metadata": "Observe", "approval": "NotRequired", "onDeadline": "Activate"},
            },
            "tenantRef": {"name": "default"}, "rotation": {}, "secretName": "defaults", "deletionPolicy": "Retain",
        })
    );
    assert_eq!(credential["status"], json!({"observedGeneration": -1}));

    let tenant = json!({
        "apiVersion": "entra-rotator.io/v1alpha1", "kind": "EntraTenant", "metadata": {"name": "defaults"},
        "spec": {
            "tenantID": crds::cases::CLIENT_ID, "cloud": null, "endpoints": null,
            "signIn": {"clientSecret": {"clientID": crds::cases::CLIENT_ID, "secretRef": {"name": "operator"}}},
        },
    });
    let tenant = json!(objects(&client, "EntraTenant").create(&discard, &dynamic(&tenant)).await.unwrap());
    assert_eq!(tenant["spec"]["cloud"], "Global");
    assert_eq!(tenant["spec"]["minimumValidity"], "24h");
    assert_eq!(tenant["spec"]["signIn"]["clientSecret"]["secretRef"]["key"], "AZURE_CLIENT_SECRET");
    assert_eq!(tenant["status"], json!({"observedGeneration": -1}));
}

#[tokio::test]
async fn a_status_with_every_field_there_is_comes_back_as_it_was_applied() {
    let client = cluster().await.client().await.unwrap();
    let apply = PatchParams::apply("entra-rotator/status").force().validation_strict();
    for (kind, status) in crds::full_statuses() {
        let objects = objects(&client, kind);
        let object = cases().into_iter().find(|case| case.kind == kind && case.verdict == Verdict::Accepted).unwrap().object;
        let object = crds::renamed(object, "full-status");
        objects.create(&PostParams::default(), &dynamic(&object)).await.unwrap();
        let patch = json!({"apiVersion": object["apiVersion"], "kind": kind, "status": status});
        let answer = objects.patch_status("full-status", &apply, &Patch::Apply(patch)).await.unwrap();
        assert_eq!(json!(answer)["status"], status, "{kind}");
        assert_eq!(json!(objects.get("full-status").await.unwrap())["status"], status, "{kind}");
    }
}

#[tokio::test]
async fn two_managers_hold_conditions_of_different_types_side_by_side() {
    let client = cluster().await.client().await.unwrap();
    let objects = Api::<ServicePrincipalCredential>::namespaced(client, NAMESPACE);
    let object = crds::renamed(cases().remove(0).object, "two-managers");
    objects.create(&PostParams::default(), &serde_json::from_value(object.clone()).unwrap()).await.unwrap();
    for (manager, type_) in [("one", "Ready"), ("two", "Rotating"), ("one", "Ready")] {
        let condition = json!({
            "type": type_, "status": "True", "reason": "Because", "message": "", "lastTransitionTime": "2026-11-20T08:30:00Z",
        });
        let patch = json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "status": {"conditions": [condition]}});
        objects.patch_status("two-managers", &PatchParams::apply(manager), &Patch::Apply(patch)).await.unwrap();
    }
    let status = objects.get("two-managers").await.unwrap().status.unwrap().into_read().unwrap();
    let types = status.conditions.iter().map(|condition| condition.type_.as_str()).collect::<Vec<_>>();
    assert_eq!(types, ["Ready", "Rotating"]);
}

#[tokio::test]
async fn kubectl_lists_selects_and_explains_the_resources() {
    let cluster = cluster().await;
    let [(kind, status), _] = crds::full_statuses();
    let object = crds::renamed(cases().into_iter().find(|case| case.kind == kind).unwrap().object, "listed");
    cluster.kubectl(&["create", "namespace", "listed"]).await.unwrap();
    cluster.kubectl_with_input(&["create", "-n", "listed", "-f", "-"], &object.to_string()).await.unwrap();
    let patch = json!({"status": status}).to_string();
    let arguments = ["patch", "spcred", "listed", "-n", "listed", "--subresource=status", "--type=merge", "-p", &patch];
    cluster.kubectl(&arguments).await.unwrap();

    let narrow = cluster.kubectl(&["get", "spcred", "-n", "listed"]).await.unwrap();
    assert_eq!(cells(&narrow, 0), ["NAME", "READY", "SECRET", "EXPIRES", "RENEWS", "STAGE", "AGE"]);
    assert_eq!(cells(&narrow, 1)[..6], ["listed", "True", "payroll", "2027-05-19T08:30:00Z", "2027-04-19T08:30:00Z", "Soaking"]);
    let wide = cluster.kubectl(&["get", "spcred", "-n", "listed", "-o", "wide"]).await.unwrap();
    assert_eq!(cells(&wide, 0)[6..], ["NEXT", "CLIENT ID", "STATUS", "AGE"]);
    let category = cluster.kubectl(&["get", "entra", "-n", "listed", "-o", "name"]).await.unwrap();
    assert!(category.contains("serviceprincipalcredential.entra-rotator.io/listed"), "{category}");

    for (selector, found) in [("spec.target.clientID=11111111-2222-3333-4444-555555555555", 1), ("spec.tenantRef.name=other", 0)] {
        let names = cluster.kubectl(&["get", "spcred", "-n", "listed", "-o", "name", "--field-selector", selector]).await.unwrap();
        assert_eq!(names.lines().count(), found, "{selector}");
    }
    let explained = cluster.kubectl(&["explain", "spcred.spec.rotation.overlap"]).await.unwrap();
    assert!(explained.contains("How long an old credential stays valid after its successor was"), "{explained}");
}

/// By what kubectl reads for `kubectl explain`. apiVersion, kind and metadata are explained by the API server itself.
#[tokio::test]
async fn kubectl_can_explain_every_field_in_sentences() {
    let cluster = cluster().await;
    let document = cluster.kubectl(&["get", "--raw", "/openapi/v3/apis/entra-rotator.io/v1alpha1"]).await.unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    for kind in ["EntraTenant", "ServicePrincipalCredential"] {
        let schema = &document["components"]["schemas"][format!("io.entra-rotator.v1alpha1.{kind}")];
        let mut wordless = Vec::new();
        let parts = ["spec", "status"].map(|part| explain(part, &schema["properties"][part], &mut wordless));
        assert!(parts.iter().sum::<usize>() > 30 && wordless.is_empty(), "{wordless:#?}");
    }
}

/// How many fields are explained; the others are put on the list.
fn explain(path: &str, schema: &Value, wordless: &mut Vec<String>) -> usize {
    let text = schema["description"].as_str().unwrap_or_default();
    if !text.starts_with(char::is_uppercase) || !text.contains(' ') || !text.trim_end().ends_with('.') {
        wordless.push(format!("{path}: {text}"));
    }
    let fields = [&schema["properties"], &schema["items"]["properties"]].into_iter().filter_map(Value::as_object).flatten();
    fields.map(|(name, schema)| 1 + explain(&format!("{path}.{name}"), schema, wordless)).sum()
}

/// The cells of a line of a table of kubectl's, which puts three spaces between two columns.
fn cells(table: &str, line: usize) -> Vec<&str> {
    table.lines().nth(line).unwrap().split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}
