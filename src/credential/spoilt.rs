//! Resources as nobody should have written them: they are refused in few words, or decided on without harm.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use entra_types::TenantId;
use kube::ResourceExt as _;
use proptest::prelude::*;
use rotation::{
    Application, Case, Directory, Lateness, Ledger, Look, Memory, Output, Policy, Reason, Refusal, SignInResult, Stamp, Step, Time,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::grants::Wanted;
use super::layout::{Layout, Object};
use super::policy::{Surroundings, policy};
use super::record;
use crate::api::v1alpha1::ServicePrincipalCredential;
use crate::settings::{Ambient, Reach, Settings, WATCH_TIMEOUT};

/// The longest refusal, and the longest message of a condition that is not one.
const LONGEST: usize = 1_300;
/// More looks than any first pass needs.
const STEPS: usize = 60;

fn corpus(kind: &str) -> Vec<Value> {
    let samples = spoil::corpus(format!("{}/tests/corpus/{kind}", env!("CARGO_MANIFEST_DIR")));
    samples.iter().map(|sample| serde_json::from_slice(&sample.content).unwrap()).collect()
}

/// A resource, its spec or its status or both damaged.
fn resources() -> impl Strategy<Value = Value> {
    let specs = prop_oneof![spoil::json(corpus("credential")), prop::sample::select(corpus("credential"))];
    let statuses = prop_oneof![spoil::json(corpus("status")), prop::sample::select(corpus("status")), Just(Value::Null)];
    (specs, statuses).prop_map(|(mut resource, status)| {
        if resource.is_object() {
            resource["status"] = status;
        }
        resource
    })
}

fn settings() -> Settings {
    Settings {
        namespace: "entra-rotator".to_owned(),
        identity: "test".to_owned(),
        lease_name: "entra-rotator".to_owned(),
        lease_duration: Duration::from_secs(15),
        reach: Reach::Cluster,
        late: Lateness::default(),
        watch_timeout: WATCH_TIMEOUT,
        allow_custom_endpoints: false,
        ambient: Ambient::default(),
    }
}

fn now() -> Time {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn check(value: Value) -> Result<(), TestCaseError> {
    // What the API server's schema refuses never gets here; what it lets through is read.
    let Ok(resource) = serde_json::from_value::<ServicePrincipalCredential>(value) else { return Ok(()) };
    let object = json!(k8s_openapi::api::core::v1::Secret::default());
    Layout::of(&resource, None).inspect(&Object::Secret(serde_json::from_value(object).unwrap()));
    let wanted = match Wanted::of(&resource) {
        Ok(wanted) => wanted,
        Err(error) => return told(&error.to_string()),
    };
    let status = resource.status.as_ref().map(|status| status.read().map_err(ToString::to_string));
    let none = Default::default();
    let ledger = match status.unwrap_or(Ok(&none)).map(|status| record::ledger(status, wanted.kind)) {
        Err(problem) => return told(&problem),
        Ok(Err(problem)) => return told(&problem.to_string()),
        Ok(Ok(ledger)) => ledger,
    };
    let refusal = Refusal::new(Reason::NotGranted, "nothing is granted");
    let settings = settings();
    let surroundings = Surroundings { settings: &settings, now: now() };
    let mut policy = policy(&resource, &wanted, None, TenantId::new(Uuid::nil()), Err(&refusal), &surroundings);
    decide(&policy, ledger.clone())?;
    policy.refusal = None;
    decide(&policy, ledger)
}

fn told(problem: &str) -> Result<(), TestCaseError> {
    let length = problem.chars().count();
    prop_assert!(length <= LONGEST, "a problem of {length} characters");
    Ok(())
}

/// Decides as the first pass of a process does, in a world in which nothing is there yet.
fn decide(policy: &Policy, mut ledger: Ledger) -> Result<(), TestCaseError> {
    let (mut memory, application) = (Memory::new(now() - TimeDelta::hours(1)), Application::default());
    memory.begin_pass();
    for number in 0..STEPS {
        let case = Case { policy, ledger: &ledger, memory: &memory, application: &application, now: now() };
        match rotation::next(&case) {
            Step::Look(look) => see(&look, &mut memory, &ledger),
            Step::Note(fact) => ledger = ledger.apply(&fact, &Stamp { now: now(), nonce: number.to_string() }, policy, &memory),
            Step::Act(_) => return describe(&case, None),
            Step::Rest(rest) => {
                prop_assert!(rest.until >= now() - TimeDelta::days(1), "rests until {}", rest.until);
                return describe(&case, Some(&rest.why));
            }
        }
    }
    Ok(())
}

fn describe(case: &Case<'_>, wait: Option<&rotation::Wait>) -> Result<(), TestCaseError> {
    let report = rotation::report(case, wait);
    report
        .conditions
        .iter()
        .map(|condition| &condition.message)
        .chain(report.next_action.iter().map(|(_, what)| what))
        .try_for_each(|message| told(message))
}

fn see(look: &Look, memory: &mut Memory, ledger: &Ledger) {
    let id = |number: u128| Uuid::from_u128(number);
    match look {
        Look::Output => memory.saw_output(Output::Absent, vec![], now()),
        Look::Slot(slot) => memory.saw_slot(*slot, None, now()),
        Look::SignIn(entry) => memory.saw_sign_in(entry, SignInResult::Refused, now()),
        Look::Metadata => memory.saw_metadata(BTreeSet::new(), now()),
        Look::AppPolicy => memory.saw_limits(None, now()),
        Look::FreshKey(_) => memory.forget_fresh_key(),
        Look::Directory(detail) => {
            let target = ledger.target.as_ref();
            let directory = Directory {
                object_id: target.map_or_else(|| entra_types::ObjectId::new(id(1)), |target| target.object_id),
                client_id: target.map_or_else(|| entra_types::ClientId::new(id(2)), |target| target.client_id),
                display_name: "payroll".to_owned(),
                preferred: None,
                keys: serde_json::from_value(json!([])).unwrap(),
                passwords: serde_json::from_value(json!([])).unwrap(),
                notification_addresses: BTreeSet::new(),
            };
            memory.saw_directory(directory, BTreeMap::new(), *detail, Some(now()), now());
        }
    }
}

proptest! {
    #![proptest_config(spoil::config(2048))]

    #[test]
    fn a_damaged_resource_is_refused_in_few_words_or_decided_on(resource in resources()) {
        check(resource)?;
    }
}

#[test]
fn every_sample_is_read() {
    for sample in corpus("credential") {
        let resource: ServicePrincipalCredential = serde_json::from_value(sample).unwrap();
        assert!(Wanted::of(&resource).is_ok(), "{}", resource.name_any());
        check(serde_json::to_value(&resource).unwrap()).unwrap();
    }
}
