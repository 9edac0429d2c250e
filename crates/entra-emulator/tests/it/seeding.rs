//! Seeds and the admin API.

use bytes::Bytes;
use entra_emulator::{Emulator, Operation, Seed};
use entra_types::ids::ObjectKind;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::stage::{Reply, Stage, TENANT};

const EXAMPLE: &str = include_str!("../../examples/seed.yaml");
const PAYROLL: &str = "1d5d1c6e-7c0e-4a0e-9a55-5b9d0c3f7a02";
const GUARDED: &str = "9a8b7c6d-5e4f-4a3b-8c2d-1e0f9a8b7c6d";
const EXPENSES: &str = "3b7c8d9e-1234-4abc-8def-0123456789ab";

async fn admin(stage: &Stage, method: Method, path: &str, body: Value) -> Reply {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    stage.send(Request::builder().method(method).uri(format!("https://localhost/_emulator/{path}")).body(body).unwrap()).await
}

#[test]
fn the_example_seed_is_loaded_with_all_that_it_says() {
    let emulator = Emulator::builder().build().unwrap();
    assert_eq!(emulator.load(Seed::parse(EXAMPLE).unwrap()).unwrap().len(), 5);
    let tenant = TENANT.parse().unwrap();
    assert!(emulator.accepts_secret(PAYROLL.parse().unwrap(), "payroll~secret"));
    let application = emulator.find(tenant, ObjectKind::Application, PAYROLL.parse().unwrap()).unwrap();
    assert_eq!(application.to_string(), "2a6b7c8d-0000-4000-8000-000000000001");
    let shown = emulator.object(application).unwrap();
    assert_eq!((&shown["signInAudience"], &shown["keyCredentials"][0]["displayName"]), (&json!("AzureADMyOrg"), &json!("made by hand")));
    let expenses = emulator.find(tenant, ObjectKind::ServicePrincipal, EXPENSES.parse().unwrap()).unwrap();
    assert_eq!(emulator.signer(expenses).unwrap().subject(), "CN=expenses 1");
    assert_eq!(emulator.metadata_certificates(expenses).len(), 2);
    let passwords = emulator.object(expenses).unwrap()["passwordCredentials"].as_array().unwrap().clone();
    assert_eq!(passwords[0]["startDateTime"], "2019-05-05T18:38:51.8100763Z");
    let state = emulator.state();
    let owned = state["tenants"][0]["objects"].as_array().unwrap().iter().filter(|object| object["owners"] != json!([]));
    assert_eq!(owned.count(), 4);
    assert_eq!(emulator.faults().len(), 1);
}

#[test]
fn a_seed_keeps_its_secrets_out_of_its_debug_form() {
    let text = format!(
        "tenants: [{{id: {TENANT}, applications: [{{displayName: x, application: {{secrets: [{{secretText: hidden~1}}], passwordCredentials: [{{secretText: hidden~2}}]}}}}]}}]"
    );
    let shown = format!("{:?}", Seed::parse(&text).unwrap());
    assert!(shown.contains(TENANT) && !shown.contains("hidden"), "{shown}");
}

#[tokio::test]
async fn the_example_seed_sets_policies_locks_machine_and_issuers_too() {
    let emulator = Emulator::builder().build().unwrap();
    emulator.load(Seed::parse(EXAMPLE).unwrap()).unwrap();
    let ask = async |path: &str| {
        let request = Request::get(format!("https://localhost{path}")).header("metadata", "true").body(Bytes::new()).unwrap();
        let answer = tower::ServiceExt::oneshot(emulator.service(), request).await.unwrap().into_body();
        serde_json::from_slice::<Value>(&answer).unwrap()
    };
    let policies = ask(&format!("/_emulator/policies/{TENANT}")).await;
    assert_eq!(policies["default"]["applicationRestrictions"]["passwordCredentials"][0]["maxLifetime"], "P800D");
    let guarded = emulator.find(TENANT.parse().unwrap(), ObjectKind::Application, GUARDED.parse().unwrap()).unwrap();
    assert_eq!(policies["appManagementPolicies"][0]["appliesTo"], json!([guarded]));
    assert_eq!(emulator.object(guarded).unwrap()["keyCredentials"][0]["colour"], "red");
    let url = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com";
    assert_eq!(ask(url).await["client_id"], "6e5d4c3b-2a19-4807-b6c5-d4e3f2a1b0c9");
    assert_eq!(ask(&format!("{url}&client_id={PAYROLL}")).await["client_id"], PAYROLL);
}

#[test]
fn the_example_seed_names_every_field_that_a_seed_can_have() {
    let fields = "cloud time tenants issuers managedIdentity assignedIdentities behaviour lag faults id defaultPolicy applications displayName \
        appId application servicePrincipal roles owners properties secrets certificates federated policy signingCertificates keyCredentials \
        passwordCredentials secretText pem preferred issuer subject audiences name resourceId graph signIn metadata matching effect";
    for field in fields.split_whitespace() {
        let named = |line: &str| {
            line.trim_start_matches(['#', ' ', '-']).starts_with(&format!("{field}:")) || line.contains(&format!("{{{field}:"))
        };
        assert!(EXAMPLE.lines().any(named), "{field}");
    }
}

#[test]
fn a_seed_that_makes_no_sense_is_refused_by_name() {
    let load = |text: &str| Emulator::builder().build().unwrap().load(Seed::parse(text)?).map(drop);
    let tenant = format!("tenants: [{{id: {TENANT}, applications: [{{displayName: x");
    let cases = [
        ("tenants: 7".to_owned(), "cannot read the seed"),
        ("colour: red".to_owned(), "unknown field"),
        (format!("{tenant}, servicePrincipal: {{roles: [Everything]}}}}]}}]"), "cannot grant role \"Everything\""),
        (format!("{tenant}, application: {{owners: [nobody]}}}}]}}]"), "cannot make nobody an owner"),
        (format!("{tenant}, application: {{certificates: [{{pem: none}}]}}}}]}}]"), "KeyCredentialsInvalidValue"),
        (format!("{tenant}, servicePrincipal: {{signingCertificates: [{{displayName: none}}]}}}}]}}]"), "must start with 'CN='"),
    ];
    for (text, reason) in cases {
        let error = load(&text).unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[tokio::test]
async fn the_admin_api_makes_and_changes_applications() {
    let stage = Stage::new().await;
    assert_eq!(admin(&stage, Method::GET, "health", Value::Null).await.json(), json!({"status": "ok"}));
    let new = json!({"tenant": TENANT, "displayName": "made", "servicePrincipal": {"roles": ["Application.Read.All"]}});
    let made = admin(&stage, Method::POST, "applications", new).await.json();
    let path = format!("objects/{}", made["application"].as_str().unwrap());
    let secret = admin(&stage, Method::POST, &format!("{path}/secrets"), json!({"secretText": "made~secret"})).await.json();
    let question = json!({"appId": made["appId"], "secret": "made~secret"});
    assert_eq!(admin(&stage, Method::POST, "accepts", question.clone()).await.json(), json!({"accepted": true, "everywhere": true}));
    let (_, certificate) = stage.certificate(1);
    let added = admin(&stage, Method::POST, &format!("{path}/certificates"), json!({"pem": certificate.pem()})).await;
    assert_eq!(added.status, 200);
    let about = json!({"appId": made["appId"], "certificate": certificate.pem()});
    assert_eq!(admin(&stage, Method::POST, "accepts", about).await.json()["accepted"], json!(true));
    let gone = admin(&stage, Method::DELETE, &format!("{path}/credentials/{}", secret["keyId"].as_str().unwrap()), Value::Null).await;
    assert_eq!(gone.status, 204);
    assert_eq!(admin(&stage, Method::POST, "accepts", question).await.json()["accepted"], json!(false));
    let change = json!({"properties": {"notes": "x"}, "owners": [stage.operator.client_id.to_string()]});
    assert_eq!(admin(&stage, Method::PATCH, &path, change).await.json()["notes"], "x");
    assert_eq!(admin(&stage, Method::DELETE, &path, Value::Null).await.status, 204);
    assert_eq!(admin(&stage, Method::GET, &path, Value::Null).await.status, 404);
}

#[tokio::test]
async fn the_admin_api_shows_who_signs() {
    let stage = Stage::new().await;
    let path = format!("objects/{}", stage.target.service_principal);
    for (name, preferred) in [("CN=a", true), ("CN=b", false)] {
        let body = json!({"displayName": name, "preferred": preferred});
        assert_eq!(admin(&stage, Method::POST, &format!("{path}/signingCertificates"), body).await.status, 200);
    }
    let signer = admin(&stage, Method::GET, &format!("{path}/signer"), Value::Null).await.json();
    assert_eq!(signer["possible"], json!([signer["signer"]]));
    assert_eq!(signer["metadata"].as_array().unwrap().len(), 2);
    assert_eq!(admin(&stage, Method::GET, &format!("{path}/mutations"), Value::Null).await.json().as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_admin_api_sets_faults_lag_switches_and_the_clock() {
    let stage = Stage::new().await;
    let fault = json!({"matching": {"operations": ["get"]}, "effect": {"application": "never", "answer": {"failure": {"status": 503}}}});
    let id = admin(&stage, Method::POST, "faults", fault).await.json()["id"].clone();
    assert_eq!(stage.get(&stage.application()).await.status, 503);
    assert_eq!(admin(&stage, Method::GET, "faults", Value::Null).await.json()[0]["hit"], 1);
    assert_eq!(admin(&stage, Method::DELETE, &format!("faults/{id}"), Value::Null).await.status, 204);
    assert_eq!(admin(&stage, Method::DELETE, &format!("faults/{id}"), Value::Null).await.status, 404);
    assert_eq!(admin(&stage, Method::PUT, "lag", json!({"graph": [0, 1.5]})).await.status, 204);
    assert_eq!(admin(&stage, Method::GET, "lag", Value::Null).await.json()["graph"], json!([0.0, 1.5]));
    let changed =
        admin(&stage, Method::PATCH, "behaviour", json!({"policy": {"secretsBlocked": true}, "addKeyBody": "contextOnly"})).await.json();
    assert_eq!((&changed["policy"]["secretsBlocked"], &changed["strictEcho"]), (&json!(true), &json!(true)));
    assert_eq!(admin(&stage, Method::PATCH, "behaviour", json!({"mood": "good"})).await.status, 400);
    let now = admin(&stage, Method::POST, "clock", json!({"advance": 60})).await.json();
    assert_eq!(now["now"], "2026-11-21T10:01:00.123456700Z");
    let now = admin(&stage, Method::POST, "clock", json!({"set": "2030-01-01T00:00:00Z"})).await.json();
    assert_eq!(now["now"], "2030-01-01T00:00:00Z");
}

#[test]
fn the_pages_name_every_switch_every_operation_and_the_rust_sample_as_it_is() {
    let (switches, faults) = (include_str!("../../docs/switches.md"), include_str!("../../docs/faults.md"));
    for name in serde_json::to_value(entra_emulator::Behaviour::default()).unwrap().as_object().unwrap().keys() {
        assert!(switches.contains(&format!("`{name}`")), "{name}");
    }
    let reads = [Operation::Get, Operation::List, Operation::Token, Operation::Metadata, Operation::Discovery, Operation::ReadPolicy];
    let writes = [Operation::Patch, Operation::AddKey, Operation::RemoveKey, Operation::AddPassword, Operation::RemovePassword];
    let others = [
        Operation::AddTokenSigningCertificate,
        Operation::WritePolicy,
        Operation::ReadFederated,
        Operation::WriteFederated,
        Operation::Batch,
        Operation::Unknown,
    ];
    for operation in reads.into_iter().chain(writes).chain(others) {
        let name = json!(operation);
        assert!(faults.contains(&format!("`{}`", name.as_str().unwrap())), "{name}");
    }
    assert!(include_str!("../../README.md").contains(include_str!("../../examples/sign_in.rs").trim_end()));
}

#[tokio::test]
async fn every_request_of_the_admin_page_is_one_that_the_admin_api_knows() {
    let page = include_str!("../../docs/admin-api.md");
    let cells = page.lines().filter(|line| line.starts_with("| `")).map(|line| line.split(" | ").next().unwrap());
    let requests: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(requests.len() > 35, "{}", requests.len());
    let ids = json!({"id": TENANT, "advance": 1, "policy": null});
    for request in requests {
        let stage = Stage::new().await;
        let (method, path) = request.split_once(' ').unwrap();
        let path = path.replace("{tenant}", TENANT).replace("{policy}", TENANT).replace("{keyId}", TENANT);
        let id = if path.starts_with("faults") { "1".to_owned() } else { stage.target.application.to_string() };
        let reply = admin(&stage, method.parse().unwrap(), &path.replace("{id}", &id), ids.clone()).await;
        let text = reply.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(!text.contains("/_emulator/") || path.starts_with("faults/"), "{request}: {text}");
    }
}

#[test]
fn the_faults_in_the_pages_are_faults() {
    let page = include_str!("../../docs/faults.md");
    let samples: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.split('`').nth(1)).collect();
    assert!(samples.len() >= 6);
    for sample in samples {
        let fault: Result<entra_emulator::Fault, _> = serde_json::from_str(sample);
        assert!(fault.is_ok(), "{sample}: {fault:?}");
    }
}

#[tokio::test]
async fn a_clock_at_either_end_of_time_breaks_nothing() {
    let stage = Stage::new().await;
    stage.emulator.adjust(|behaviour| (behaviour.date_skew, behaviour.token_lifetime) = (i64::MAX, std::time::Duration::MAX));
    for change in [
        json!({"advance": 1e300}),
        json!({"advance": -1e300}),
        json!({"set": "+262142-12-31T23:59:59Z"}),
        json!({"set": "-200000-01-01T00:00:00Z"}),
    ] {
        assert_eq!(admin(&stage, Method::POST, "clock", change).await.status, 200);
        stage.secret(stage.target.application, "own~secret");
        stage.token_of(&stage.target, "own~secret").await;
        let reply = admin(
            &stage,
            Method::POST,
            &format!("objects/{}/signingCertificates", stage.target.service_principal),
            json!({"displayName": "CN=x"}),
        )
        .await;
        assert_eq!(reply.status, 200);
        assert!((200..500).contains(&stage.get(&stage.application()).await.status));
    }
}

#[tokio::test]
async fn the_admin_api_shows_calls_but_is_none() {
    let stage = Stage::new().await;
    stage.get(&stage.application()).await;
    stage.post(&format!("{}/addPassword", stage.application()), &json!({})).await;
    let calls = admin(&stage, Method::GET, "calls", Value::Null).await.json();
    let operations: Vec<_> = calls.as_array().unwrap().iter().map(|call| call["operation"].clone()).collect();
    assert_eq!(operations, [json!(Operation::Get), json!("addPassword")]);
    let last = calls[0]["sequence"].as_u64().unwrap();
    assert_eq!(admin(&stage, Method::GET, &format!("calls?after={last}"), Value::Null).await.json().as_array().unwrap().len(), 1);
    let mutations = admin(&stage, Method::GET, "mutations?after=3", Value::Null).await.json();
    assert!(mutations.as_array().unwrap().iter().any(|mutation| mutation["operation"] == "addPassword"));
    assert_eq!(admin(&stage, Method::DELETE, "calls", Value::Null).await.status, 204);
    assert_eq!(admin(&stage, Method::GET, "calls", Value::Null).await.json(), json!([]));
}

#[tokio::test]
async fn the_admin_api_says_what_is_wrong_with_a_request() {
    let stage = Stage::new().await;
    let nobody = "objects/11111111-2222-3333-4444-555555555555";
    let cases = [
        (Method::GET, "nothing", Value::Null, 404),
        (Method::GET, nobody, Value::Null, 404),
        (Method::DELETE, nobody, Value::Null, 404),
        (Method::GET, "objects/x", Value::Null, 400),
        (Method::POST, "applications", json!({"tenant": "11111111-2222-3333-4444-555555555555"}), 400),
        (Method::POST, "faults", json!({"effect": {"answer": "sing"}}), 400),
        (Method::POST, "seed", json!({"colour": "red"}), 400),
        (Method::POST, "accepts", json!({"appId": stage.target.client_id.to_string()}), 400),
        (Method::POST, "clock", json!({"stop": 1}), 400),
    ];
    for (method, path, body, status) in cases {
        let reply = admin(&stage, method, path, body).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.json());
        assert!(reply.json()["error"].is_string());
    }
}
