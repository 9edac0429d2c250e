//! The token endpoint: documented requests and answers.

use chrono::TimeDelta;
use data_encoding::BASE64URL_NOPAD;
use entra_emulator::NewSecret;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    CASES,
    Source::{self, Documented, Seen},
};
use crate::stage::{LOGIN, Reply, Stage, TENANT, sign};

const BY_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const SECRET: &str = "own~secret+/=";

/// What is wrong with a request, and the number that says so; 0 where nothing is.
const ROWS: [(&str, Source, u16, &str, u64); 16] = [
    ("nothing, by secret", Documented, 200, "", 0),
    ("nothing, by certificate", Documented, 200, "", 0),
    ("a wrong secret", Seen, 401, "invalid_client", 7_000_215),
    ("an expired secret", Seen, 401, "invalid_client", 7_000_222),
    ("a certificate that is not registered", Seen, 401, "invalid_client", 700_027),
    ("an assertion that has expired", Seen, 401, "invalid_client", 700_024),
    ("an unknown client", Seen, 400, "unauthorized_client", 700_016),
    ("no client", Seen, 400, "unauthorized_client", 700_038),
    ("neither secret nor assertion", Seen, 401, "invalid_client", 7_000_218),
    ("an unknown tenant", Seen, 400, "invalid_request", 90_002),
    ("an assertion that is no token", Seen, 400, "invalid_request", 50_027),
    ("another grant", Seen, 400, "unsupported_grant_type", 70_003),
    ("no grant", Seen, 400, "invalid_request", 900_144),
    ("a scope of one permission", Seen, 400, "invalid_scope", 1_002_012),
    ("an unknown resource", Seen, 400, "invalid_resource", 500_011),
    ("nothing, with what libraries add", Seen, 200, "", 0),
];

/// What is said not to matter.
#[derive(Clone, Debug)]
struct Surroundings {
    on_principal: bool,
    others: usize,
    sha256: bool,
    float: bool,
    without_nbf: bool,
    extra: bool,
    client: u128,
    wrong: String,
}

fn surroundings() -> impl Strategy<Value = Surroundings> {
    (any::<[bool; 5]>(), 0..4_usize, any::<u128>(), "[A-Za-z0-9~._-]{1,40}").prop_map(
        |([on_principal, sha256, float, without_nbf, extra], others, client, wrong)| Surroundings {
            on_principal,
            others,
            sha256,
            float,
            without_nbf,
            extra,
            client,
            wrong,
        },
    )
}

async fn ask(row: &str, around: &Surroundings, stage: &Stage) -> Reply {
    let target = if around.on_principal { stage.target.service_principal } else { stage.target.application };
    let end = stage.now() + TimeDelta::hours(2);
    stage.emulator.add_secret(target, NewSecret { text: SECRET.to_owned(), display_name: None, start: None, end }).unwrap();
    for number in 0..around.others {
        stage.secret(target, &format!("another~{number}"));
    }
    let (key, own) = stage.certificate(1);
    stage.emulator.add_certificate(target, &own).unwrap();
    let (stranger, strange) = stage.certificate(2);
    if row == "an expired secret" {
        stage.emulator.advance(TimeDelta::hours(3));
    }
    let client = stage.target.client_id.to_string();
    let assertion = |key: &keys::PrivateKey, certificate: &keys::Certificate, age: i64| {
        let header = if around.sha256 {
            json!({"alg": "PS256", "typ": "JWT", "x5t#S256": BASE64URL_NOPAD.encode(&certificate.thumbprint_sha256())})
        } else {
            json!({"alg": "RS256", "typ": "JWT", "x5t": BASE64URL_NOPAD.encode(certificate.thumbprint().as_bytes())})
        };
        sign(key, &header, &around.claims(&client, stage.now().timestamp() - age))
    };
    let mut form: Vec<(&str, String)> = vec![
        ("client_id", client.clone()),
        ("scope", "https://graph.microsoft.com/.default".to_owned()),
        ("grant_type", "client_credentials".to_owned()),
    ];
    let mut set = |name: &'static str, value: String| {
        form.retain(|(known, _)| *known != name);
        form.push((name, value));
    };
    let asserted = |text: String| [("client_assertion_type", BY_ASSERTION.to_owned()), ("client_assertion", text)];
    match row {
        "nothing, by certificate" => asserted(assertion(&key, &own, 0)).into_iter().for_each(|(name, value)| set(name, value)),
        "a certificate that is not registered" => {
            asserted(assertion(&stranger, &strange, 0)).into_iter().for_each(|(name, value)| set(name, value));
        }
        "an assertion that has expired" => asserted(assertion(&key, &own, 7200)).into_iter().for_each(|(name, value)| set(name, value)),
        "an assertion that is no token" => asserted(around.wrong.replace('.', "")).into_iter().for_each(|(name, value)| set(name, value)),
        "neither secret nor assertion" => {}
        "a wrong secret" => set("client_secret", around.wrong.clone()),
        _ => set("client_secret", SECRET.to_owned()),
    }
    match row {
        "an unknown client" => set("client_id", uuid::Uuid::from_u128(around.client | 1).to_string()),
        "no client" => set("client_id", uuid::Uuid::nil().to_string()),
        "another grant" => set("grant_type", "urn:ietf:params:oauth:grant-type:device_code".to_owned()),
        "no grant" => form.retain(|(name, _)| *name != "grant_type"),
        "a scope of one permission" => set("scope", "https://graph.microsoft.com/Application.Read.All".to_owned()),
        "an unknown resource" => set("scope", "https://unknown.example.com/.default".to_owned()),
        _ => {}
    }
    if around.extra || row.contains("libraries") {
        form.extend([("client_info", "1".to_owned()), ("claims", "{\"access_token\":{}}".to_owned()), ("x-client-SKU", "x".to_owned())]);
    }
    let tenant = if row == "an unknown tenant" { uuid::Uuid::from_u128(around.client | 1).to_string() } else { TENANT.to_owned() };
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    stage.post_form(&format!("/{tenant}/oauth2/v2.0/token"), &form).await
}

impl Surroundings {
    fn claims(&self, client: &str, now: i64) -> Value {
        let date = |seconds: i64| if self.float { json!(seconds as f64 + 0.25) } else { json!(seconds) };
        let mut claims = json!({"aud": format!("{LOGIN}/{TENANT}/oauth2/v2.0/token"), "iss": client, "sub": client, "jti": self.wrong, "exp": date(now + 300)});
        if !self.without_nbf {
            claims["nbf"] = date(now - 5);
            claims["iat"] = date(now - 5);
        }
        claims
    }
}

fn check(reply: &Reply, (what, source, status, error, number): (&str, Source, u16, &str, u64)) -> Result<(), TestCaseError> {
    let body = reply.json();
    let context = format!("{what} ({source:?}): {} {body}", reply.status);
    prop_assert_eq!(reply.status, status, "{}", context);
    let fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    if status == 200 {
        prop_assert_eq!(fields, ["access_token", "expires_in", "ext_expires_in", "token_type"]);
        prop_assert_eq!((&body["token_type"], body["expires_in"].is_number()), (&json!("Bearer"), true));
        return Ok(());
    }
    prop_assert_eq!((&body["error"], &body["error_codes"]), (&json!(error), &json!([number])), "{}", context);
    let described = body["error_description"].as_str().unwrap();
    prop_assert!(described.starts_with(&format!("AADSTS{number}: ")), "{}", context);
    for (label, field) in [("Trace ID", "trace_id"), ("Correlation ID", "correlation_id"), ("Timestamp", "timestamp")] {
        prop_assert!(described.contains(&format!("{label}: {}", body[field].as_str().unwrap())), "{}", context);
    }
    Ok(())
}

proptest! {
    #![proptest_config(spoil::config(CASES))]

    #[test]
    fn the_token_endpoint_answers_as_is_written_down_whatever_surrounds_the_request(row in prop::sample::select(ROWS.to_vec()), around in surroundings()) {
        let reply = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let stage = Stage::new().await;
            ask(row.0, &around, &stage).await
        });
        check(&reply, row)?;
    }
}
