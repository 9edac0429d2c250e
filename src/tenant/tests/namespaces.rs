//! Grants by selector need the labels of the namespaces.

use futures::{FutureExt as _, StreamExt as _};
use kube_sim::{Failure, RequestInfo, Verb, Verdict};
use serde_json::{Value, json};

use super::world::{World, pass};
use crate::tenant::Selection;

impl World {
    fn put_namespace(&self, name: &str, labels: &Value) {
        self.sim.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}));
    }

    /// Whether the first grant selects the namespace.
    fn selects(&self, namespace: &str) -> Selection {
        let tenant = self.tenants.get("default").unwrap();
        tenant.namespaces.select(tenant.spec.grants[0].namespace_selector.as_ref().unwrap(), namespace)
    }

    fn namespace_requests(&self, verb: Verb) -> usize {
        let requests = self.sim.requests().into_iter().map(|recorded| recorded.request);
        requests.filter(|request| request.resource == "namespaces" && request.verb == verb).count()
    }
}

/// A tenant that lets the namespaces of the team in.
fn by_team(world: &World) -> Value {
    let client = world.operator.client_id;
    let selector = json!({"matchLabels": {"team": "payroll"}});
    let mut spec = world.spec();
    spec["grants"] = json!([{"name": "team", "namespaceSelector": selector, "clientIDs": [client], "credentials": ["ClientSecret"]}]);
    spec
}

fn of_namespaces(request: &RequestInfo) -> bool {
    request.resource == "namespaces" && matches!(request.verb, Verb::List | Verb::Watch)
}

#[tokio::test(start_paused = true)]
async fn namespaces_are_watched_only_while_a_grant_selects_any() {
    let world = World::new();
    world.declare(&world.spec()).await;
    pass(600).await;
    assert_eq!((world.namespace_requests(Verb::List), world.namespace_requests(Verb::Watch)), (0, 0));
    world.change(&json!({"spec": by_team(&world)})).await;
    assert_eq!((world.namespace_requests(Verb::List), world.namespace_requests(Verb::Watch)), (1, 1));
    assert_eq!(world.selects("elsewhere"), Selection::NotSelected);
    let namespaces = world.tenants.get("default").unwrap().namespaces;
    let selector = world.tenants.get("default").unwrap().spec.grants[0].namespace_selector.clone().unwrap();
    world.change(&json!({"spec": {"grants": null}})).await;
    world.forget_requests();
    pass(600).await;
    assert_eq!((world.namespace_requests(Verb::List), world.namespace_requests(Verb::Watch)), (0, 0));
    assert_eq!(namespaces.select(&selector, "elsewhere"), Selection::Unlisted);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_labels_is_told_where_it_changes_what_a_grant_selects_and_only_there() {
    let world = World::new();
    world.put_namespace("payroll", &json!({"team": "payroll"}));
    world.put_namespace("crm", &json!({"team": "crm"}));
    world.declare(&by_team(&world)).await;
    assert_eq!((world.selects("payroll"), world.selects("crm")), (Selection::Selected, Selection::NotSelected));
    let mut changes = world.tenants.changes().boxed();
    let mut told = || changes.next().now_or_never().is_some();

    world.put_namespace("crm", &json!({"team": "crm", "stage": "test"}));
    pass(1).await;
    assert!(!told());
    world.put_namespace("crm", &json!({"team": "payroll"}));
    pass(1).await;
    assert!(told());
    assert_eq!(world.selects("crm"), Selection::Selected);
    world.put_namespace("crm", &json!({}));
    pass(1).await;
    assert!(told());
    assert_eq!(world.selects("crm"), Selection::NotSelected);
    world.put_namespace("new", &json!({"team": "payroll"}));
    pass(1).await;
    assert!(told());
    world.sim.delete("namespaces", "", "new");
    pass(1).await;
    assert!(told());
    assert_eq!(world.selects("new"), Selection::NotSelected);
}

#[tokio::test(start_paused = true)]
async fn until_namespaces_are_listed_nothing_is_decided_and_then_everybody_hears_of_it() {
    let world = World::new();
    world.put_namespace("payroll", &json!({"team": "payroll"}));
    world.sim.intercept(
        |request: &RequestInfo| {
            if of_namespaces(request) { Verdict::Fail(Failure::service_unavailable()) } else { Verdict::Pass }
        },
    );
    world.declare(&by_team(&world)).await;
    pass(60).await;
    assert_eq!(world.selects("payroll"), Selection::Unlisted);
    let mut changes = world.tenants.changes().boxed();
    world.sim.stop_intercepting();
    pass(60).await;
    assert_eq!(world.selects("payroll"), Selection::Selected);
    assert!(changes.next().now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn an_outage_leaves_what_was_listed_in_force_and_a_denial_does_not() {
    let world = World::new();
    world.put_namespace("payroll", &json!({"team": "payroll"}));
    world.declare(&by_team(&world)).await;
    world.sim.intercept(
        |request: &RequestInfo| {
            if of_namespaces(request) { Verdict::Fail(Failure::service_unavailable()) } else { Verdict::Pass }
        },
    );
    world.sim.cut_watches();
    pass(3600).await;
    assert_eq!(world.selects("payroll"), Selection::Selected);
    world.sim.intercept(
        |request: &RequestInfo| {
            if of_namespaces(request) { Verdict::Fail(Failure::forbidden("namespaces is forbidden")) } else { Verdict::Pass }
        },
    );
    pass(600).await;
    assert_eq!(world.selects("payroll"), Selection::Denied("namespaces is forbidden".to_owned()));
    assert!(
        world.message("Ready").contains("as the operator cannot list the namespaces: namespaces is forbidden. Give"),
        "{}",
        world.status()
    );
    assert_eq!(world.condition("Ready"), ("True".to_owned(), "SignedIn".to_owned()));
    world.forget_requests();
    pass(3600).await;
    assert!((60..=121).contains(&world.namespace_requests(Verb::List)), "{}", world.namespace_requests(Verb::List));
    world.sim.stop_intercepting();
    pass(300).await;
    assert_eq!(world.selects("payroll"), Selection::Selected);
    assert!(!world.message("Ready").contains("namespaces"), "{}", world.status());
}

#[tokio::test(start_paused = true)]
async fn a_label_taken_off_while_the_watch_was_cut_is_noticed() {
    let world = World::new();
    world.put_namespace("payroll", &json!({"team": "payroll"}));
    world.declare(&by_team(&world)).await;
    world.sim.hold_watches(true);
    world.put_namespace("payroll", &json!({}));
    world.sim.expire_history();
    world.sim.cut_watches();
    world.sim.hold_watches(false);
    pass(60).await;
    assert_eq!(world.selects("payroll"), Selection::NotSelected);
}
