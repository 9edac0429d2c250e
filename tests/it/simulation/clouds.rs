//! The same course of events in each of the four clouds, against an emulator that answers under that cloud's hosts only and refuses a token for any other Graph.

use bytes::Bytes;
use chrono::TimeDelta;
use data_encoding::BASE64;
use entra_emulator::Operation;
use entra_types::Cloud;
use http::Request;
use rstest::rstest;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use simulator::oracle::{Oracle, certificates, text};
use simulator::world::{Setup, TENANT, World};

const CLIENT_SECRET: &str = "clientSecret";
const CLIENT_CERTIFICATE: &str = "clientCertificate";
const SIGNING: &str = "tokenSigningCertificate";

fn short(kind: &str) -> Value {
    let mut spec = json!({"rotation": {"validity": "96h", "renewBefore": "48h", "overlap": "2h"}});
    spec[kind] = json!({});
    spec
}

async fn in_cloud(cloud: Cloud, kind: &str) -> World {
    // It may read policies, so that nothing at all is refused where cloud and tenant belong together.
    World::begin(Setup { cloud: Some(cloud), roles: &["Policy.Read.All"], ..Setup::of(short(kind)) }).await
}

/// An EntraTenant whose cloud is this one; nothing has run yet, as it cannot be changed later.
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
        (Cloud::Global, "https://login.microsoftonline.com", "https://sts.windows.net"),
        (Cloud::UsGovernmentL4, "https://login.microsoftonline.us", "https://sts.windows.net"),
        (Cloud::UsGovernmentL5, "https://login.microsoftonline.us", "https://sts.windows.net"),
        (Cloud::China, "https://login.partner.microsoftonline.cn", "https://sts.chinacloudapi.cn")
    )]
    (cloud, login, issuer): (Cloud, &str, &str),
) {
    let world = in_cloud(cloud, kind).await;
    let oracle = Oracle::watch(&world);
    world.run_for(TimeDelta::days(8)).await;
    oracle.has_settled(&world);
    assert!(world.resource()["status"]["nextSeq"].as_i64().unwrap() >= 3, "{:#}", world.resource()["status"]);
    assert_eq!(tenant_says(&world, "Ready").0, "True/SignedIn");
    let output = world.output().unwrap();
    match kind {
        SIGNING => leads_to(&output, &world, login, issuer).await,
        _ => assert_eq!(text(&output, "AZURE_AUTHORITY_HOST"), format!("{login}/")),
    }
    let refused: Vec<_> = world.entra.calls().into_iter().filter(|call| call.answered.is_some_and(|status| status >= 400)).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Where a service provider of SAML is sent: to that cloud, whose own metadata say the same of themselves.
async fn leads_to(output: &Value, world: &World, login: &str, issuer: &str) {
    let path = format!("/{TENANT}/federationmetadata/2007-06/federationmetadata.xml?appid={}", world.target.client_id);
    assert_eq!(text(output, "metadata-url"), format!("{login}{path}"));
    assert_eq!(text(output, "sso-url"), format!("{login}/{TENANT}/saml2"));
    assert_eq!(text(output, "entity-id"), format!("{issuer}/{TENANT}/"));
    let request = Request::get(text(output, "metadata-url")).body(Bytes::new()).unwrap();
    let metadata = world.entra.service().oneshot(request).await.unwrap();
    assert_eq!(metadata.status(), 200);
    let metadata = String::from_utf8(metadata.into_body().to_vec()).unwrap();
    let certificate = certificates(&text(output, "signing.crt")).remove(0);
    let entity = format!("entityID=\"{}\"", text(output, "entity-id"));
    let location = format!("Location=\"{}\"", text(output, "sso-url"));
    for part in [entity, location, BASE64.encode(certificate.der())] {
        assert!(metadata.contains(&part), "{part} is not in {metadata}");
    }
}

#[rstest]
#[case::their_sign_in_does_not_know_it(Cloud::Global, &["USGovernmentL4", "USGovernmentL5", "China"], "TenantUnknown", "AADSTS90002")]
#[case::likewise_in_china(Cloud::China, &["Global", "USGovernmentL4", "USGovernmentL5"], "TenantUnknown", "AADSTS90002")]
#[case::likewise_in_the_us_government(Cloud::UsGovernmentL4, &["Global", "China"], "TenantUnknown", "AADSTS90002")]
#[case::and_in_its_defence(Cloud::UsGovernmentL5, &["Global", "China"], "TenantUnknown", "AADSTS90002")]
#[case::one_sign_in_and_another_graph(Cloud::UsGovernmentL4, &["USGovernmentL5"], "RequestRefused", "https://dod-graph.microsoft.us")]
#[case::and_the_other_way_round(Cloud::UsGovernmentL5, &["USGovernmentL4"], "RequestRefused", "https://graph.microsoft.us")]
#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_declared_in_another_cloud_than_its_own_is_told_so_and_no_graph_is_asked(
    #[case] actual: Cloud,
    #[case] others: &[&str],
    #[case] reason: &str,
    #[case] met: &str,
) {
    for declared in others {
        let world = in_cloud(actual, CLIENT_SECRET).await;
        declare(&world, declared);
        world.run_for(TimeDelta::hours(2)).await;
        let (stalled, message) = tenant_says(&world, "Stalled");
        assert_eq!(stalled, format!("True/{reason}"), "{declared}: {message}");
        assert!(message.contains(met) && message.contains("cloud"), "{declared}: {message}");
        assert_eq!(world.condition("Stalled"), "True/TenantNotReady");
        assert!(world.message("Stalled").contains(&message), "{declared}: {}", world.message("Stalled"));
        assert!(world.entra.calls().iter().all(|call| call.operation == Operation::Token), "{declared}: {:#?}", world.entra.calls());
        assert!(world.output().is_none());
    }
}

/// The two clouds of the US government have one sign-in, which may well give out a token for either Graph.
#[tokio::test(start_paused = true)]
async fn a_token_of_one_cloud_is_refused_by_the_graph_of_another_and_nothing_is_written() {
    let world = in_cloud(Cloud::UsGovernmentL5, CLIENT_SECRET).await;
    world.entra.adjust(|behaviour| behaviour.audiences.push("https://graph.microsoft.us".to_owned()));
    let before = world.listed();
    declare(&world, "USGovernmentL4");
    world.run_for(TimeDelta::hours(24)).await;
    assert_eq!(tenant_says(&world, "Ready").0, "True/SignedIn");
    assert_eq!((&*world.condition("Stalled"), &*world.condition("Ready")), ("True/Unauthorized", "False/Unauthorized"));
    let message = world.message("Stalled");
    assert!(message.contains("Invalid audience") && message.contains("Check that the tenant, the cloud"), "{message}");
    assert_eq!((world.writes(), world.listed(), world.entries()), (vec![], before, vec![]));
    assert!(world.output().is_none());
    let calls = world.entra.calls();
    let refused = calls.iter().filter(|call| call.operation != Operation::Token).map(|call| call.answered);
    assert!(refused.clone().count() > 0 && refused.clone().all(|status| status == Some(401)), "{calls:#?}");
    // Once an hour in the end, each time with a token that was asked for anew.
    assert!(refused.count() <= 2 * (24 + 10), "{} reads in a day", calls.len());
}
