#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::convert::Infallible;

use http::{Method, Request, Response};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams};
use kube::client::ClientBuilder;
use kube_sim::KubeSim;
use rstest::rstest;
use serde_json::json;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::*;
use crate::api::v1alpha1::CredentialKind;

/// The value of a series, by its name and labels as they are printed.
fn value(metrics: &Metrics, series: &str) -> Option<f64> {
    let page = metrics.encode();
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

fn count(metrics: &Metrics, prefix: &str) -> usize {
    metrics.encode().lines().filter(|line| line.starts_with(prefix)).count()
}

fn sample(name: &str) -> CredentialSample {
    CredentialSample {
        namespace: "payroll".to_owned(),
        name: name.to_owned(),
        kind: "ClientCertificate",
        not_after: Some(1_800_000_000),
        renewal: Some(1_790_000_000),
        ready: true,
        at_risk: false,
        foreign: Some(2),
        foreign_expiry: Some(1_795_000_000),
    }
}

#[test]
fn every_counter_exists_at_zero_from_the_start() {
    let metrics = Metrics::new();
    assert_eq!(count(&metrics, "entra_rotator_rotations_total{"), KINDS.len() * Cause::ALL.len());
    assert_eq!(count(&metrics, "entra_rotator_failures_total{"), Reason::ALL.len());
    assert_eq!(count(&metrics, "entra_rotator_graph_requests_total{"), Operation::ALL.len() * (Category::ALL.len() + 2));
    assert_eq!(count(&metrics, "entra_rotator_kube_requests_total{"), 7);
    assert_eq!(count(&metrics, "entra_rotator_reconcile_seconds_count{"), RESOURCES.len());
    for line in metrics.encode().lines().filter(|line| line.contains("_total")) {
        assert!(line.ends_with(" 0"), "{line}");
    }
}

#[test]
fn counters_count_by_their_labels() {
    let metrics = Metrics::new();
    metrics.rotated("ClientCertificate", Cause::Schedule);
    metrics.failed(Reason::Throttled);
    metrics.failed(Reason::Throttled);
    let other = metrics.clone();
    other.request(Operation::AddKey, Outcome::Failed(Category::Conflict));
    other.request(Operation::AddKey, Outcome::Success);
    assert_eq!(value(&metrics, r#"entra_rotator_rotations_total{kind="ClientCertificate",cause="Schedule"}"#), Some(1.0));
    assert_eq!(value(&metrics, r#"entra_rotator_failures_total{reason="Throttled"}"#), Some(2.0));
    assert_eq!(value(&metrics, r#"entra_rotator_graph_requests_total{operation="add_key",outcome="Conflict"}"#), Some(1.0));
    assert_eq!(value(&metrics, r#"entra_rotator_graph_requests_total{operation="add_key",outcome="Success"}"#), Some(1.0));
}

#[test]
fn a_credential_shows_what_is_known_of_it_and_nothing_else() {
    let metrics = Metrics::new();
    metrics.describe(&sample("api"));
    let labels = r#"{namespace="payroll",name="api",kind="ClientCertificate"}"#;
    let show = |gauge: &str| value(&metrics, &format!("entra_rotator_{gauge}{labels}"));
    assert_eq!(show("credential_not_after_timestamp_seconds"), Some(1_800_000_000.0));
    assert_eq!(show("credential_renewal_timestamp_seconds"), Some(1_790_000_000.0));
    assert_eq!(show("credential_ready"), Some(1.0));
    assert_eq!(show("credential_at_risk"), Some(0.0));
    assert_eq!(show("foreign_credentials"), Some(2.0));
    assert_eq!(show("foreign_credentials_soonest_expiry_timestamp_seconds"), Some(1_795_000_000.0));

    metrics.describe(&CredentialSample {
        not_after: None,
        foreign: None,
        foreign_expiry: None,
        ready: false,
        at_risk: true,
        ..sample("api")
    });
    assert_eq!(show("credential_not_after_timestamp_seconds"), None);
    assert_eq!(show("credential_ready"), Some(0.0));
    assert_eq!(show("credential_at_risk"), Some(1.0));
    assert_eq!(show("foreign_credentials"), None);
    assert_eq!(show("foreign_credentials_soonest_expiry_timestamp_seconds"), None);
}

#[test]
fn a_credential_that_is_gone_or_of_another_kind_now_leaves_no_series_behind() {
    let metrics = Metrics::new();
    metrics.describe(&sample("api"));
    metrics.describe(&CredentialSample { kind: "TokenSigningCertificate", ..sample("api") });
    metrics.describe(&sample("web"));
    assert_eq!(count(&metrics, "entra_rotator_credential_ready{"), 2);
    assert_eq!(count(&metrics, r#"entra_rotator_credential_ready{namespace="payroll",name="api",kind="ClientCertificate"}"#), 0);
    metrics.forget("payroll", "api");
    metrics.forget("payroll", "never there");
    assert_eq!(count(&metrics, "entra_rotator_credential_ready{"), 1);
}

#[test]
fn a_tenant_is_shown_until_it_is_deleted() {
    let metrics = Metrics::new();
    let show = || value(&metrics, r#"entra_rotator_tenant_ready{tenant="default"}"#);
    metrics.tenant("default", Some(true));
    assert_eq!(show(), Some(1.0));
    metrics.tenant("default", Some(false));
    assert_eq!(show(), Some(0.0));
    metrics.tenant("default", None);
    assert_eq!(show(), None);
}

#[test]
fn the_page_names_the_leader_the_version_and_how_long_passes_took() {
    let metrics = Metrics::new();
    assert_eq!(value(&metrics, "entra_rotator_leader"), Some(0.0));
    metrics.leader(true);
    metrics.reconciled("EntraTenant", Duration::from_millis(300));
    assert_eq!(value(&metrics, "entra_rotator_leader"), Some(1.0));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(value(&metrics, &format!("entra_rotator_build_info{{version=\"{version}\"}}")), Some(1.0));
    assert_eq!(value(&metrics, r#"entra_rotator_reconcile_seconds_sum{resource="EntraTenant"}"#), Some(0.3));
    assert_eq!(value(&metrics, r#"entra_rotator_reconcile_seconds_bucket{le="0.25",resource="EntraTenant"}"#), Some(0.0));
    assert_eq!(value(&metrics, r#"entra_rotator_reconcile_seconds_bucket{le="0.5",resource="EntraTenant"}"#), Some(1.0));
}

#[test]
fn every_metric_has_one_description() {
    let metrics = Metrics::new();
    metrics.describe(&sample("api"));
    metrics.tenant("default", Some(true));
    let page = metrics.encode();
    let described: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert_eq!(
        described,
        [
            "entra_rotator_rotations counter",
            "entra_rotator_failures counter",
            "entra_rotator_graph_requests counter",
            "entra_rotator_kube_requests counter",
            "entra_rotator_reconcile_seconds histogram",
            "entra_rotator_tenant_ready gauge",
            "entra_rotator_leader gauge",
            "entra_rotator_build info",
            "entra_rotator_credential_not_after_timestamp_seconds gauge",
            "entra_rotator_credential_renewal_timestamp_seconds gauge",
            "entra_rotator_credential_ready gauge",
            "entra_rotator_credential_at_risk gauge",
            "entra_rotator_foreign_credentials gauge",
            "entra_rotator_foreign_credentials_soonest_expiry_timestamp_seconds gauge",
        ]
    );
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn the_kinds_are_those_of_the_api() {
    for kind in [CredentialKind::ClientCertificate, CredentialKind::ClientSecret, CredentialKind::TokenSigningCertificate] {
        // Exhaustive, so that a new kind is added here as well.
        match kind {
            CredentialKind::ClientCertificate | CredentialKind::ClientSecret | CredentialKind::TokenSigningCertificate => {}
        }
        let word = serde_json::to_value(kind).unwrap();
        assert!(KINDS.contains(&word.as_str().unwrap()), "{word}");
    }
}

#[rstest]
#[case("GET", "/api/v1/namespaces/a/secrets/s", "get")]
#[case("GET", "/api/v1/namespaces/a/secrets", "list")]
#[case("GET", "/api/v1/secrets?limit=500", "list")]
#[case("GET", "/api/v1/namespaces", "list")]
#[case("GET", "/api/v1/namespaces/a", "get")]
#[case("GET", "/apis/entra-rotator.io/v1alpha1/entratenants", "list")]
#[case("GET", "/apis/entra-rotator.io/v1alpha1/entratenants/default", "get")]
#[case("GET", "/apis/entra-rotator.io/v1alpha1/namespaces/a/serviceprincipalcredentials?&watch=true&timeoutSeconds=290", "watch")]
#[case("GET", "/apis/entra-rotator.io/v1alpha1/namespaces/a/serviceprincipalcredentials?watch=false", "list")]
#[case("GET", "/version", "get")]
#[case("POST", "/apis/events.k8s.io/v1/namespaces/a/events", "create")]
#[case("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/l", "update")]
#[case("PATCH", "/apis/entra-rotator.io/v1alpha1/entratenants/default/status", "patch")]
#[case("DELETE", "/api/v1/namespaces/a/secrets/s", "delete")]
#[tokio::test]
async fn a_request_is_counted_by_its_verb(#[case] method: Method, #[case] uri: &str, #[case] verb: &str) {
    let metrics = Metrics::new();
    let service = CountRequests::new(metrics.clone()).layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) }));
    service.oneshot(Request::builder().method(method).uri(uri).body(()).unwrap()).await.unwrap();
    for each in Verb::ALL {
        let expected = if each.label() == verb { 1.0 } else { 0.0 };
        assert_eq!(value(&metrics, &format!("entra_rotator_kube_requests_total{{verb=\"{}\"}}", each.label())), Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_kube_client_asks_is_counted_as_the_server_understands_it() {
    let metrics = Metrics::new();
    let sim = KubeSim::builder().build().unwrap();
    let builder = ClientBuilder::new(sim.service(), "default").with_layer(&CountRequests::new(metrics.clone()));
    let secrets: Api<Secret> = Api::default_namespaced(builder.build());
    let secret: Secret = serde_json::from_value(json!({"metadata": {"name": "s"}})).unwrap();
    let made = secrets.create(&PostParams::default(), &secret).await.unwrap();
    secrets.get("s").await.unwrap();
    secrets.list(&ListParams::default()).await.unwrap();
    secrets.replace("s", &PostParams::default(), &made).await.unwrap();
    secrets.patch("s", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}}))).await.unwrap();
    drop(secrets.watch(&WatchParams::default(), "0").await.unwrap());
    secrets.delete("s", &DeleteParams::default()).await.unwrap();
    for verb in Verb::ALL {
        assert_eq!(value(&metrics, &format!("entra_rotator_kube_requests_total{{verb=\"{}\"}}", verb.label())), Some(1.0), "{verb:?}");
    }
    assert_eq!(sim.tally().len(), 7, "{:?}", sim.tally());
}
