//! Statuses as a person, a backup or a fault may leave them: what is read of one is what it says, or nothing is.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::v1alpha1::{Lenient, ServicePrincipalCredential};

const KINDS: [CredentialKind; 3] =
    [CredentialKind::ClientSecret, CredentialKind::ClientCertificate, CredentialKind::TokenSigningCertificate];
/// The longest problem that is told.
const LONGEST: usize = 600;

fn corpus() -> Vec<Value> {
    let samples = spoil::corpus(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/status"));
    samples.iter().map(|sample| serde_json::from_slice(&sample.content).unwrap()).collect()
}

/// The ledger of a status as it comes from the API server, or what is told of it.
fn read(status: &Value, kind: CredentialKind) -> Result<Ledger, String> {
    let status: Lenient<ServicePrincipalCredentialStatus> = serde_json::from_value(status.clone()).unwrap();
    let status = status.into_read().map_err(|unreadable| unreadable.to_string())?;
    ledger(&status, kind).map_err(|unreadable| unreadable.to_string())
}

fn written(ledger: &Ledger) -> Value {
    let mut status = ServicePrincipalCredentialStatus::default();
    write(ledger, &mut status);
    serde_json::to_value(status).unwrap()
}

/// The fields of a status on which decisions rest. The others are written anew in every pass.
const RECORDED: [&str; 4] = ["nextSeq", "target", "credentials", "rotation"];

/// What the status says and the ledger that was read of it does not.
fn lost(status: &Value, kept: &Value, kind: CredentialKind) -> Vec<String> {
    let mut lost = Vec::new();
    for field in RECORDED {
        compare(&status[field], &kept[field], field, &mut lost);
    }
    lost.retain(|path| !may_be_lost(path, kind));
    lost
}

fn compare(said: &Value, kept: &Value, path: &str, lost: &mut Vec<String>) {
    match (said, kept) {
        (Value::Null, _) => {}
        (Value::Object(said), _) => said.iter().for_each(|(name, said)| compare(said, &kept[name], &format!("{path}.{name}"), lost)),
        (Value::Array(said), Value::Array(kept)) if is_set(path) && said.len() == kept.len() => {
            let (said, kept) = (sorted(said), sorted(kept));
            said.iter().zip(&kept).filter(|(said, kept)| said != kept).for_each(|_| lost.push(format!("{path}[]")));
        }
        (Value::Array(said), Value::Array(kept)) if said.len() == kept.len() => {
            said.iter().zip(kept).for_each(|(said, kept)| compare(said, kept, &format!("{path}[]"), lost));
        }
        (Value::Array(said), Value::Null) if said.is_empty() => {}
        (Value::String(said), Value::String(kept)) if is_same(said, kept) => {}
        (said, kept) if said == kept => {}
        (Value::Number(said), Value::Null) if said.as_u64() == Some(0) => {}
        _ => lost.push(path.to_owned()),
    }
}

/// Whether the order is not kept.
fn is_set(path: &str) -> bool {
    path.ends_with(".keyIDs") || path.ends_with(".kept")
}

fn sorted(ids: &[Value]) -> Vec<String> {
    let mut ids: Vec<String> = ids.iter().map(|id| id.as_str().map_or_else(|| id.to_string(), plain)).collect();
    ids.sort_unstable();
    ids
}

fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// Ids, thumbprints and times may be written in several ways.
fn is_same(said: &str, kept: &str) -> bool {
    let instant = |text: &str| serde_json::from_value::<Timestamp>(json!(text)).ok();
    said == kept || plain(said) == plain(kept) || instant(said).is_some_and(|at| Some(at) == instant(kept))
}

/// What another kind of credential would hold, what is for people only, and fields that nobody knows.
fn may_be_lost(path: &str, kind: CredentialKind) -> bool {
    let field = path.rsplit('.').next().unwrap_or_default();
    let known = [
        "id",
        "seq",
        "origin",
        "use",
        "issuedAt",
        "notAfter",
        "publishedAt",
        "adoptedAt",
        "keyIDs",
        "keyIDs[]",
        "op",
        "kind",
        "nonce",
        "at",
        "outcome",
        "from",
        "kept",
        "kept[]",
    ];
    let own: &[&str] = match kind {
        CredentialKind::ClientSecret => &["displayName", "slot"],
        CredentialKind::ClientCertificate => &["thumbprint", "slot"],
        CredentialKind::TokenSigningCertificate => &["displayName", "thumbprint", "endDateTime", "customKeyIdentifier", "announcedAt"],
    };
    match path.split(['.', '[']).next() {
        Some("credentials") => path != "credentials" && path != "credentials[]" && !known.contains(&field) && !own.contains(&field),
        Some("target") => !["target", "tenantID", "object", "objectID", "clientID"].contains(&field),
        Some("rotation") => {
            !["rotation", "reason", "startedAt", "approvedAt", "failures", "nextAttempt"].contains(&field) || path.contains("lastFailure")
        }
        _ => false,
    }
}

fn check(status: &Value, kind: CredentialKind) -> Result<(), TestCaseError> {
    let ledger = match read(status, kind) {
        Ok(ledger) => ledger,
        Err(problem) => {
            prop_assert!(problem.chars().count() <= LONGEST, "a problem of {} characters", problem.chars().count());
            return Ok(());
        }
    };
    let kept = written(&ledger);
    prop_assert_eq!(lost(status, &kept, kind), Vec::<String>::new(), "{:?} became {}", kind, kept);
    prop_assert_eq!(read(&kept, kind), Ok(ledger));
    Ok(())
}

proptest! {
    #![proptest_config(spoil::config(2048))]

    #[test]
    fn nothing_is_guessed_or_dropped_of_a_damaged_status(status in spoil::json(corpus())) {
        for kind in KINDS {
            check(&status, kind)?;
        }
    }

    #[test]
    fn no_status_keeps_the_object_from_being_read(status in spoil::json(corpus())) {
        let object = json!({
            "apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential", "metadata": {"name": "payroll"},
            "spec": {"target": {"clientID": "c"}, "clientCertificate": {}, "secretName": "payroll"}, "status": status,
        });
        let read: Result<ServicePrincipalCredential, _> = serde_json::from_value(object);
        prop_assert!(read.is_ok(), "{:?}", read);
    }
}

#[test]
fn every_sample_is_the_ledger_of_some_kind() {
    for status in corpus() {
        let whole = KINDS.iter().any(|kind| read(&status, *kind).is_ok_and(|ledger| lost(&status, &written(&ledger), *kind).is_empty()));
        assert!(whole, "{status}");
    }
}

#[test]
fn a_status_beyond_every_bound_is_refused_in_few_words() {
    let entry =
        |seq: usize| json!({"id": "cvajp6x4o7", "seq": seq, "origin": "Made", "use": "Abandoned", "issuedAt": "2026-01-01T00:00:00Z"});
    let long = "x".repeat(1_000_000);
    let mut op = entry(0);
    op["op"] = json!({"kind": long, "nonce": "n", "at": "2026-01-01T00:00:00Z"});
    let mut kept = entry(0);
    let id = "33333333-3333-4333-8333-333333333333";
    kept["op"] = json!({"kind": "RemoveKey", "nonce": "n", "at": "2026-01-01T00:00:00Z", "kept": vec![id; 1025]});
    let mut keys = entry(0);
    keys["keyIDs"] = json!(vec![id; 20_000]);
    for (status, named) in [
        (json!({"nextSeq": 100_000, "credentials": (0..20_000).map(entry).collect::<Vec<_>>()}), "status.credentials: "),
        (json!({"nextSeq": 1, "credentials": [op]}), "status.credentials[cvajp6x4o7].op.kind: "),
        (json!({"nextSeq": 1, "credentials": [kept]}), "status.credentials[cvajp6x4o7].op.kept: "),
        (json!({"nextSeq": 1, "credentials": [keys]}), "status.credentials[cvajp6x4o7].keyIDs: "),
        (json!({"nextSeq": 2_147_483_648_u32}), "status.nextSeq: "),
        (json!({"rotation": {"failures": 4_294_967_295_u32}}), "status.rotation.failures: "),
    ] {
        let problem = read(&status, CredentialKind::ClientSecret).unwrap_err();
        assert!(problem.starts_with(named) && problem.chars().count() <= LONGEST, "{}", problem.chars().take(800).collect::<String>());
    }
}

#[test]
fn a_time_that_no_calendar_of_ours_reaches_is_refused() {
    for time in ["+262142-12-31T23:59:59Z", "-262143-01-01T00:00:00Z", "+10000-01-01T00:00:00Z", "-0001-12-31T23:59:59Z"] {
        let entry = json!({"id": "cvajp6x4o7", "seq": 0, "origin": "Made", "use": "Current", "issuedAt": time});
        let problem = read(&json!({"nextSeq": 1, "credentials": [entry]}), CredentialKind::ClientSecret).unwrap_err();
        assert!(problem.starts_with("credentials[0].issuedAt: "), "{problem}");
    }
}
