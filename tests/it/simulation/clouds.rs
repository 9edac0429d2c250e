//! The same course of events in each of the four clouds, against an emulator that answers under that cloud's hosts only and refuses a token for any other Graph.

use chrono::TimeDelta;
use entra_emulator::Operation;
use entra_types::Cloud;
use rstest::rstest;
use serde_json::{Value, json};

use super::oracle::{Oracle, text};
use super::world::{Setup, TENANT, World};

const CLIENT_SECRET: &str = "clientSecret";
const CLIENT_CERTIFICATE: &str = "clientCertificate";
const SIGNING: &str = "tokenSigningCertificate";

fn short(kind: &str) -> Value {
    let mut spec = json!({"rotation": {"validity": "96h", "renewBefore": "48h", "overlap": "2h"}});
    spec[kind] = json!({});
    spec
}

async fn in_cloud(cloud: Cloud, kind: &str) -> World {
    World::begin(Setup { cloud: Some(cloud), ..Setup::of(short(kind)) }).await
}

/// Another cloud in the EntraTenant than the one that its tenant is in: a new EntraTenant, as this one could not be edited so.
fn declare(world: &World, cloud: &str) {
    let mut tenant = world.cluster.get("entratenants.entra-rotator.io", "", "default").unwrap();
    tenant["spec"]["cloud"] = json!(cloud);
    world.cluster.put(tenant);
}

/// A condition of the EntraTenant as `True/Reason`, and what it says.
fn tenant_says(world: &World, name: &str) -> (String, String) {
    let status = world.tenant_status();
    let found = status["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == name).unwrap().clone();
    let word = |key: &str| found[key].as_str().unwrap().to_owned();
    (format!("{}/{}", word("status"), word("reason")), word("message"))
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn every_kind_is_issued_and_rotated_in_each_cloud_and_says_where_to_sign_in(
    #[values(CLIENT_SECRET, CLIENT_CERTIFICATE, SIGNING)] kind: &str,
    #[values(
        (Cloud::Global, "https://login.microsoftonline.com"),
        (Cloud::UsGovernmentL4, "https://login.microsoftonline.us"),
        (Cloud::UsGovernmentL5, "https://login.microsoftonline.us"),
        (Cloud::China, "https://login.partner.microsoftonline.cn")
    )]
    (cloud, login): (Cloud, &str),
) {
    let world = in_cloud(cloud, kind).await;
    let oracle = Oracle::watch(&world);
    world.run_for(TimeDelta::days(8)).await;
    oracle.has_settled(&world);
    assert!(world.resource()["status"]["nextSeq"].as_i64().unwrap() >= 3, "{:#}", world.resource()["status"]);
    assert_eq!(tenant_says(&world, "Ready").0, "True/SignedIn");
    let output = world.output().unwrap();
    if kind == SIGNING { leads_to(&output, &world, login) } else { assert_eq!(text(&output, "AZURE_AUTHORITY_HOST"), format!("{login}/")) }
    let refused: Vec<_> = world.entra.calls().into_iter().filter(|call| call.answered.is_some_and(|status| status >= 400)).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Where a service provider of SAML is sent.
fn leads_to(output: &Value, world: &World, login: &str) {
    let metadata = format!("{login}/{TENANT}/federationmetadata/2007-06/federationmetadata.xml?appid={}", world.target.client_id);
    assert_eq!(text(output, "metadata-url"), metadata);
    assert_eq!(text(output, "sso-url"), format!("{login}/{TENANT}/saml2"));
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_looked_for_in_another_cloud_than_its_own_is_told_so_and_nothing_is_asked_of_any_graph(
    #[values(Cloud::Global, Cloud::UsGovernmentL4, Cloud::UsGovernmentL5, Cloud::China)] actual: Cloud,
    #[values("Global", "USGovernmentL4", "USGovernmentL5", "China")] declared: &str,
) {
    let world = in_cloud(actual, CLIENT_SECRET).await;
    declare(&world, declared);
    world.run_for(TimeDelta::hours(2)).await;
    println!("{actual:?} {declared} {:?} {:?}", tenant_says(&world, "Stalled"), world.message("Stalled"));
    let signed_in = world.entra.calls().iter().any(|call| call.operation != Operation::Token);
    println!("{signed_in}");
}

/// The two clouds of the US government have one sign-in, which gives out tokens for either Graph.
#[tokio::test(start_paused = true)]
async fn a_token_of_one_cloud_is_refused_by_the_graph_of_another() {
    let world = in_cloud(Cloud::UsGovernmentL5, CLIENT_SECRET).await;
    world.entra.adjust(|behaviour| behaviour.audiences.push("https://graph.microsoft.us".to_owned()));
    declare(&world, "USGovernmentL4");
    world.run_for(TimeDelta::hours(2)).await;
    assert_eq!(tenant_says(&world, "Ready").0, "True/SignedIn");
    println!("{:#}", world.resource()["status"]);
    println!("{:#?}", world.entra.calls().iter().map(|call| (call.operation, call.answered)).collect::<Vec<_>>());
}
