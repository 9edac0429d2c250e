//! Whether the judge sees.

use entra_emulator::{Registered, Registration};
use rstest::rstest;
use serde_json::json;

use super::super::stage::cluster;
use super::*;

const TENANT_ID: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const OTHER_TENANT_ID: &str = "aaaaaaaa-0000-4000-8000-000000000002";

struct AnyTime;

impl entra::Clock for AnyTime {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
}

/// A team red that may have client secrets of one application, and a resource of each team that wants one.
struct Scene {
    judge: Judge,
    operator: Registered,
    target: Registered,
    other: Registered,
}

impl Scene {
    fn new() -> Self {
        let (cluster, entra) = (cluster(AnyTime), Emulator::builder().build().unwrap());
        let tenant = TENANT_ID.parse().unwrap();
        entra.add_tenant(tenant);
        let [operator, target, other] =
            ["operator", "target", "other"].map(|name| entra.register(tenant, &Registration::named(name)).unwrap());
        cluster.put(json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "EntraTenant", "metadata": {"name": "default"}, "spec": {
            "tenantID": TENANT_ID, "signIn": {"clientSecret": {"clientID": operator.client_id, "secretRef": {"name": "sign-in"}}},
            "grants": [{"name": "g", "namespaces": ["red"], "credentials": ["ClientSecret"], "clientIDs": [target.client_id]}]}}));
        let judge = Judge::new(&cluster, &entra);
        for namespace in ["red", "blue"] {
            cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {}}}));
            let resource = json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
                "metadata": {"name": "api", "namespace": namespace},
                "spec": {"target": {"clientID": target.client_id}, "clientSecret": {}, "secretName": "out"}});
            judge.declared(&resource);
            cluster.put(resource);
        }
        Self { judge, operator, target, other }
    }

    fn of_entra(&self, team: &str, path: &str, bearer: Registered, tenant: &str) -> Result<(), String> {
        let bearer = Some((bearer.client_id.to_string(), tenant.to_owned()));
        let called = Called { method: "POST".to_owned(), path: path.to_owned(), query: String::new(), bearer, client: None };
        self.judge.of_entra(Some(&actor(team)), &called)
    }

    fn token(&self, actor: Option<&Actor>, tenant: &str, client: Registered) -> Result<(), String> {
        let (path, client) = (format!("/{tenant}/oauth2/v2.0/token"), Some(client.client_id.to_string()));
        self.judge.of_entra(actor, &Called { method: "POST".to_owned(), path, query: String::new(), bearer: None, client })
    }
}

fn actor(namespace: &str) -> Actor {
    Actor { namespace: namespace.to_owned(), name: "api".to_owned() }
}

fn asked(verb: Verb, resource: &str, namespace: &str, name: &str) -> Asked {
    Asked {
        verb,
        resource: resource.to_owned(),
        subresource: None,
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        regarding: None,
    }
}

#[test]
fn what_a_grant_covers_is_fine_and_nothing_else_is() {
    let scene = Scene::new();
    let (operator, target, other) = (scene.operator, scene.target, scene.other);
    let add = |client: Registered| format!("/v1.0/applications(appId='{}')/addPassword", client.client_id);
    assert_eq!(scene.of_entra("red", &add(target), operator, TENANT_ID), Ok(()));
    assert_eq!(scene.token(Some(&actor("red")), TENANT_ID, target), Ok(()));
    assert_eq!(scene.token(None, TENANT_ID, operator), Ok(()));
    let wrong = [
        scene.of_entra("blue", &add(target), operator, TENANT_ID),
        scene.of_entra("red", &add(other), operator, TENANT_ID),
        scene.of_entra("red", &format!("/v1.0/applications/{}/addPassword", target.application), operator, TENANT_ID),
        scene.of_entra("red", &format!("/v1.0/servicePrincipals(appId='{}')", target.client_id), operator, TENANT_ID),
        scene.of_entra("red", "/v1.0/applications", operator, TENANT_ID),
        scene.of_entra("red", &add(target), other, TENANT_ID),
        scene.of_entra("red", &add(target), target, TENANT_ID),
        scene.of_entra("red", &add(target), operator, OTHER_TENANT_ID),
        scene.token(Some(&actor("blue")), TENANT_ID, operator),
        scene.token(Some(&actor("red")), OTHER_TENANT_ID, target),
        scene.token(Some(&actor("red")), TENANT_ID, other),
        scene.token(None, TENANT_ID, target),
    ];
    assert!(wrong.iter().all(Result::is_err), "{wrong:#?}");
}

#[test]
fn what_was_granted_a_moment_ago_may_be_under_way() {
    let scene = Scene::new();
    let path = format!("/v1.0/applications(appId='{}')/addPassword", scene.target.client_id);
    scene.judge.about_to_change();
    let mut tenant = scene.judge.cluster.get(TENANT, "", "default").unwrap();
    tenant["spec"]["grants"] = json!([]);
    scene.judge.cluster.put(tenant);
    assert_eq!(scene.of_entra("red", &path, scene.operator, TENANT_ID), Ok(()));
    scene.judge.entra.advance(TimeDelta::seconds(3));
    assert!(scene.of_entra("red", &path, scene.operator, TENANT_ID).is_err());
}

#[rstest]
#[case::its_output(Verb::Patch, "secrets", "red", "out")]
#[case::its_slot(Verb::Delete, "secrets", "red", "out-entra-a")]
#[case::its_status(Verb::Update, "serviceprincipalcredentials", "red", "api")]
#[case::the_lease(Verb::Get, "leases", HOME, "entra-rotator")]
fn what_is_its_own_is_fine(#[case] verb: Verb, #[case] resource: &str, #[case] namespace: &str, #[case] name: &str) {
    assert_eq!(Scene::new().judge.of_cluster(Some(&actor("red")), &asked(verb, resource, namespace, name)), Ok(()));
}

#[test]
fn of_its_tenant_it_may_tell_what_is_left_there_and_of_no_other() {
    let judge = Scene::new().judge;
    let event = |tenant: &str| Asked {
        regarding: Some(["EntraTenant", "", tenant].map(str::to_owned)),
        ..asked(Verb::Create, "events", "default", "e")
    };
    assert_eq!(judge.of_cluster(Some(&actor("red")), &event("default")), Ok(()));
    assert!(judge.of_cluster(Some(&actor("red")), &event("second")).is_err());
}

#[rstest]
#[case::an_output_of_the_same_name_elsewhere(Verb::Get, "secrets", "blue", "out")]
#[case::another_secret(Verb::Get, "secrets", "red", "another")]
#[case::a_list_of_secrets(Verb::List, "secrets", "red", "")]
#[case::the_deletion_of_its_output(Verb::Delete, "secrets", "red", "out")]
#[case::a_change_of_its_slot(Verb::Patch, "secrets", "red", "out-entra-a")]
#[case::a_config_map(Verb::Get, "configmaps", "red", "out")]
#[case::what_the_operator_signs_in_with(Verb::Get, "secrets", HOME, "sign-in")]
#[case::the_resource_of_another_team(Verb::Update, "serviceprincipalcredentials", "blue", "api")]
#[case::another_resource(Verb::Get, "serviceprincipalcredentials", "red", "job")]
#[case::the_lease(Verb::Update, "leases", HOME, "entra-rotator")]
#[case::a_tenant_that_it_does_not_name(Verb::Get, "entratenants", "", "second")]
#[case::an_event_of_its_own_hand(Verb::Create, "events", "red", "e")]
#[case::anything_else(Verb::Get, "pods", "red", "p")]
fn what_is_not_its_own_is_a_fault(#[case] verb: Verb, #[case] resource: &str, #[case] namespace: &str, #[case] name: &str) {
    assert!(Scene::new().judge.of_cluster(Some(&actor("red")), &asked(verb, resource, namespace, name)).is_err());
}

#[test]
fn beside_the_passes_only_what_belongs_to_nobody_is_fine() {
    let judge = Scene::new().judge;
    assert_eq!(judge.of_cluster(None, &asked(Verb::Get, "secrets", HOME, "sign-in")), Ok(()));
    assert_eq!(judge.of_cluster(None, &asked(Verb::Watch, "secrets", "red", "")), Ok(()));
    for wrong in [
        asked(Verb::Get, "secrets", HOME, "out"),
        asked(Verb::Get, "secrets", "red", "sign-in"),
        asked(Verb::Patch, "secrets", "red", "out"),
    ] {
        assert!(judge.of_cluster(None, &wrong).is_err(), "{wrong:?}");
    }
    let event = |namespace: &str| Asked {
        regarding: Some(["ServicePrincipalCredential", "red", "api"].map(str::to_owned)),
        ..asked(Verb::Create, "events", namespace, "e")
    };
    assert_eq!(judge.of_cluster(None, &event("red")), Ok(()));
    assert!(judge.of_cluster(None, &event("blue")).is_err());
}
