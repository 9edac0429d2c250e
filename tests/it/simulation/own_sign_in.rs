//! The one case in which the operator's own application is a target: the Secret that it signs in with.

use chrono::TimeDelta;
use entra_types::{ClientId, ObjectKind, TenantId};
use serde_json::{Value, json};

use simulator::effects::Effects;
use simulator::world::World;

const HOME: &str = "entra-rotator";
const NAME: &str = "own-sign-in";

fn tenant(world: &World) -> Value {
    world.cluster.get("entratenants.entra-rotator.io", "", "default").unwrap()
}

/// The operator may rotate its own secrets: it owns its application, and a grant lets its namespace have them. A resource asks for them in
/// this output.
async fn world(output: &str) -> World {
    let world = World::new(&json!({"clientCertificate": {}}), Effects::default()).await;
    let mut tenant = tenant(&world);
    let client: ClientId = tenant["spec"]["signIn"]["clientSecret"]["clientID"].as_str().unwrap().parse().unwrap();
    let id: TenantId = tenant["spec"]["tenantID"].as_str().unwrap().parse().unwrap();
    let object = |kind| world.entra.find(id, kind, client).unwrap();
    world.entra.add_owner(object(ObjectKind::Application), object(ObjectKind::ServicePrincipal)).unwrap();
    let own = json!({"name": "own", "namespaces": [HOME], "clientIDs": [client], "credentials": ["ClientSecret"]});
    tenant["spec"]["grants"].as_array_mut().unwrap().push(own);
    world.cluster.put(tenant);
    let mut secret = world.cluster.get("secrets", HOME, "sign-in").unwrap();
    secret["metadata"]["annotations"] = json!({"entra-rotator.io/adopt-by": NAME});
    world.cluster.put(secret);
    let spec = json!({"target": {"clientID": client}, "clientSecret": {}, "secretName": output,
        "rotation": {"validity": "96h", "renewBefore": "48h", "overlap": "2h"}});
    world
        .create(json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
            "metadata": {"name": NAME, "namespace": HOME}, "spec": spec}))
        .await;
    world
}

fn own(world: &World) -> Value {
    world.cluster.get("serviceprincipalcredentials.entra-rotator.io", HOME, NAME).unwrap()["status"].clone()
}

fn condition(status: &Value, r#type: &str) -> String {
    let found = status["conditions"].as_array().into_iter().flatten().find(|condition| condition["type"] == r#type);
    found.map(|found| format!("{}/{}", found["status"].as_str().unwrap(), found["reason"].as_str().unwrap())).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn the_operator_rotates_the_secret_that_it_signs_in_with_and_stays_signed_in() {
    let world = world("sign-in").await;
    let before = world.cluster.get("secrets", HOME, "sign-in").unwrap()["data"].clone();
    world.run_for(TimeDelta::days(12)).await;
    let status = own(&world);
    assert_eq!(condition(&status, "Ready"), "True/Published", "{status:#}");
    assert!(status["nextSeq"].as_i64().unwrap() >= 4, "{status:#}");
    let after = world.cluster.get("secrets", HOME, "sign-in").unwrap()["data"].clone();
    assert_ne!(before["AZURE_CLIENT_SECRET"], after["AZURE_CLIENT_SECRET"]);
    assert_eq!(condition(&tenant(&world)["status"], "Ready"), "True/SignedIn");
    let refused = world.entra.calls().iter().filter(|call| call.path.ends_with("/token") && call.answered != Some(200)).count();
    assert_eq!(refused, 0, "a sign-in was refused");
    let other = &world.resource()["status"];
    assert_eq!(condition(other, "Ready"), "True/Published", "{other:#}");
}

#[tokio::test(start_paused = true)]
async fn with_another_output_the_operators_own_application_is_refused() {
    let world = world("elsewhere").await;
    world.run_for(TimeDelta::days(1)).await;
    let status = own(&world);
    assert_eq!(condition(&status, "Stalled"), "True/OwnIdentity", "{status:#}");
    assert!(world.cluster.get("secrets", HOME, "elsewhere").is_none());
}
