//! A spec that changes, and specs that are not served.

use entra_types::Cloud;
use serde_json::json;

use super::world::{World, pass, settings};
use crate::tenant::{Access, Reason};

#[tokio::test(start_paused = true)]
async fn a_changed_spec_is_observed_at_once() {
    let world = World::new();
    world.declare(&world.spec()).await;
    world.forget_requests();
    world
        .change(&json!({"spec": {"grants": [
            {"name": "payroll", "namespaces": ["payroll"], "clientIDs": ["11111111-1111-4111-8111-111111111111"],
             "credentials": ["ClientCertificate"]}
        ]}}))
        .await;
    let status = world.status();
    assert_eq!(status["observedGeneration"], 2);
    assert_eq!(status["conditions"][0]["observedGeneration"], 2);
    assert_eq!(status["conditions"][0]["lastTransitionTime"], "2026-11-21T10:00:00Z");
    assert_eq!(world.tenants.get("default").unwrap().spec.grants.len(), 1);
    assert_eq!((world.token_requests(), world.status_writes()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn another_sign_in_that_is_refused_leaves_nothing_of_the_former_identity() {
    let world = World::new();
    world.declare(&world.spec()).await;
    world.change(&json!({"spec": {"signIn": {"clientSecret": {"clientID": "77777777-0b1e-4c55-9d0e-6a2f6c1e7b10"}}}})).await;
    assert_eq!(world.condition("Ready"), ("False".to_owned(), "ApplicationUnknown".to_owned()));
    assert!(world.status()["identity"].is_null(), "{}", world.status());
}

#[tokio::test(start_paused = true)]
async fn custom_endpoints_are_refused_without_the_operators_leave() {
    let world = World::new();
    world.declare(&custom(&world)).await;
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "CustomEndpointsNotAllowed".to_owned()));
    assert_eq!(
        world.message("Ready"),
        "Cannot sign in to tenant 8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10: spec.cloud is Custom, which this operator does not serve. Start \
         the operator with --allow-custom-endpoints, or choose one of the national clouds in another EntraTenant."
    );
    pass(3600).await;
    assert_eq!((world.token_requests(), world.net.opened(), world.status_writes()), (0, 0, 1));
    assert!(!world.kube_requests().contains(&"get secrets".to_owned()), "the Secret is not even read");
}

#[tokio::test(start_paused = true)]
async fn custom_endpoints_are_used_with_the_operators_leave() {
    let world = World::with(true);
    world.declare(&custom(&world)).await;
    assert_eq!(world.condition("Ready"), ("True".to_owned(), "SignedIn".to_owned()), "{}", world.status());
    let urls: Vec<String> = world.net.sent().into_iter().map(|(_, url)| url).collect();
    assert_eq!(urls, ["https://entra.example/8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10/oauth2/v2.0/token"]);
}

#[tokio::test(start_paused = true)]
async fn a_ca_bundle_that_holds_no_certificate_is_refused_and_a_corrected_one_is_taken() {
    let world = World::with(true);
    let mut spec = custom(&world);
    spec["endpoints"]["caBundle"] = json!("bm90aGluZw==");
    world.declare(&spec).await;
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "InvalidCABundle".to_owned()));
    assert_eq!(
        world.message("Ready"),
        "Cannot use spec.endpoints.caBundle: it holds no certificate. Put one or more certificates in PEM (base64 once more, as in any \
         Kubernetes object) into spec.endpoints.caBundle."
    );
    world.change(&json!({"spec": {"endpoints": {"caBundle": null}}})).await;
    assert_eq!(world.condition("Ready"), ("True".to_owned(), "SignedIn".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn each_national_cloud_is_asked_at_its_own_address() {
    let hosts = [
        (Cloud::Global, "Global", "https://login.microsoftonline.com/"),
        (Cloud::UsGovernmentL4, "USGovernmentL4", "https://login.microsoftonline.us/"),
        (Cloud::UsGovernmentL5, "USGovernmentL5", "https://login.microsoftonline.us/"),
        (Cloud::China, "China", "https://login.partner.microsoftonline.cn/"),
    ];
    for (cloud, name, host) in hosts {
        let world = World::in_cloud(cloud, settings(false));
        let mut spec = world.spec();
        spec["cloud"] = json!(name);
        world.declare(&spec).await;
        assert!(world.net.sent()[0].1.starts_with(host), "{name}: {:?}", world.net.sent());
        assert_eq!(world.condition("Ready").1, "SignedIn", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_the_schema_should_have_refused_is_named() {
    let world = World::new();
    let mut object = json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "EntraTenant",
        "metadata": {"name": "default", "generation": 1}, "spec": world.spec()});
    object["spec"]["tenantID"] = json!("../common");
    world.sim.put(object);
    pass(1).await;
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "InvalidSpec".to_owned()));
    assert!(
        world.message("Ready").starts_with("Cannot sign in as the spec says: tenantID \"../common\" is not"),
        "{}",
        world.message("Ready")
    );
    assert_eq!(world.tenants.get("default").unwrap().tenant_id, None);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_cannot_be_read_is_told_so_and_does_not_keep_the_others_from_their_work() {
    let world = World::new();
    let mut spec = world.spec();
    spec["cloud"] = json!("Mars");
    world.sim.put(json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "EntraTenant", "metadata": {"name": "broken"}, "spec": spec}));
    world.declare(&world.spec()).await;
    assert_eq!(world.condition("Ready").1, "SignedIn");
    assert!(world.tenants.get("broken").is_none());
    let why = world.tenants.unreadable("broken").unwrap();
    assert!(why.starts_with("This version of the operator cannot read EntraTenant broken: ") && why.contains("Mars"), "{why}");
    let mut object = world.sim.get("entratenants.entra-rotator.io", "", "broken").unwrap();
    assert_eq!(object["status"]["conditions"][2]["reason"], "UnknownVariant", "{object:#}");
    assert_eq!(object["status"]["conditions"][2]["message"], why);
    world.forget_requests();
    pass(3600).await;
    assert_eq!(world.kube_requests(), Vec::<String>::new());

    object["spec"]["cloud"] = json!("Global");
    world.sim.put(object);
    pass(1).await;
    assert!(matches!(world.tenants.get("broken").unwrap().access, Access::Ready(_)));
    assert_eq!(world.tenants.unreadable("broken"), None);
    let object = world.sim.get("entratenants.entra-rotator.io", "", "broken").unwrap();
    assert_eq!((&object["status"]["conditions"][0]["reason"], object["status"]["conditions"][3].is_null()), (&json!("SignedIn"), true));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_changed_to_what_nobody_understands_is_not_worked_in_any_more() {
    let world = World::new();
    world.declare(&world.spec()).await;
    let mut object = world.sim.get("entratenants.entra-rotator.io", "", "default").unwrap();
    object["spec"]["grants"] = json!([{"name": "new", "credentials": ["Passkey"], "namespaces": ["payroll"], "clientIDs": []}]);
    object["metadata"]["generation"] = json!(2);
    world.sim.put(object.clone());
    pass(1).await;
    let Access::NotReady { reason, .. } = world.tenants.get("default").unwrap().access else { panic!("ready") };
    assert_eq!(reason, Reason::UnknownVariant);
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "UnknownVariant".to_owned()));
    world.forget_requests();
    world.put_secret(&json!({"AZURE_CLIENT_SECRET": "wrong"}));
    pass(8 * 3600).await;
    assert_eq!((world.kube_requests(), world.token_requests()), (Vec::<String>::new(), 0));
    world.put_secret(&json!({"AZURE_CLIENT_SECRET": super::world::CANARY}));
    object["spec"]["grants"] = json!([]);
    object["metadata"]["generation"] = json!(3);
    world.sim.put(object);
    pass(1).await;
    assert!(matches!(world.tenants.get("default").unwrap().access, Access::Ready(_)));
    assert_eq!(world.condition("Ready").1, "SignedIn");
}

fn custom(world: &World) -> serde_json::Value {
    let mut spec = world.spec();
    spec["cloud"] = json!("Custom");
    spec["endpoints"] = json!({"login": "https://entra.example", "graph": "https://entra.example"});
    spec
}
