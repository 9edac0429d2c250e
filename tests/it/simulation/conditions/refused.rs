//! Everything that a person must mend: brought about, told so that it can be mended, and over once it is.

use chrono::TimeDelta;
use entra_emulator::{Effect, Fault, Match, Operation};
use kube_sim::{Failure, Interceptor, KubeSim, RequestInfo, Verb, Verdict as Answer};
use rotation::Reason;
use serde_json::{Value, json};

use super::course::{Course, summaries};
use super::kstatus::{Verdict, condition, verdict};
use simulator::world::{OUTPUT, Setup};

/// Those of this page.
const HERE: &[Reason] = &[
    Reason::NotGranted,
    Reason::TenantNotFound,
    Reason::TenantNotReady,
    Reason::PermissionDenied,
    Reason::PropertyLocked,
    Reason::PolicyForbidsType,
    Reason::PolicyForbidsLifetime,
    Reason::ValidityTooShort,
    Reason::ObjectFull,
    Reason::OutputContested,
    Reason::AdoptionNotGranted,
    Reason::InvalidSchedule,
    Reason::InvalidPolicy,
    Reason::UnknownVariant,
    Reason::SelfCredentialExpired,
    Reason::SeveralPossibleSigners,
    Reason::PinNotUsable,
    Reason::ProofNotUsable,
    Reason::NewerProtocol,
    Reason::ClusterDenied,
    Reason::InvalidRequest,
    Reason::Unauthorized,
];

/// Those that other pages bring about, and where.
const ELSEWHERE: &[(Reason, &str)] = &[
    (Reason::TargetNotFound, "simulation::refusals::a_target_that_does_not_exist_is_named"),
    (Reason::TargetClaimed, "real_api_server::operator::refusals::of_two_that_want_to_choose_the_signing_certificate_the_older_one_does"),
    (Reason::OwnIdentity, "real_api_server::operator::refusals"),
    (Reason::OutputNotOurs, "simulation::refusals::a_secret_of_somebody_else_stays_as_it_is_until_it_is_gone"),
    (Reason::ClockSkew, "simulation::refusals::nothing_is_written_while_the_clocks_differ"),
    (Reason::UnreadableStatus, "simulation::refusals::a_status_that_cannot_be_read_stalls_the_resource_and_has_no_effect"),
    (Reason::SignerContested, "the tests of crates/rotation, signing::pins"),
];

#[test]
fn every_refusal_is_brought_about_somewhere() {
    let told = |reason: &&Reason| HERE.contains(reason) || ELSEWHERE.iter().any(|(elsewhere, _)| elsewhere == *reason);
    let untold: Vec<_> = Reason::ALL.iter().filter(|reason| reason.is_refusal()).filter(|reason| !told(reason)).collect();
    assert_eq!(untold, Vec::<&Reason>::new());
}

fn secret() -> Value {
    json!({"clientSecret": {}})
}

fn certificate() -> Value {
    json!({"clientCertificate": {}})
}

fn signing(more: &Value) -> Value {
    json!({"tokenSigningCertificate": more})
}

fn hours(h: i64) -> TimeDelta {
    TimeDelta::hours(h)
}

/// The resource is stalled for this reason, says what is the matter in these words and what to do, and nothing was written to Entra.
async fn refused(course: &Course, reason: Reason, words: &[&str]) {
    assert!(HERE.contains(&reason), "{reason} is not listed");
    course.run(hours(1)).await;
    let state = course.world.resource();
    let stalled = condition(&state, "Stalled").cloned().unwrap_or_default();
    let context = || format!("{stalled:#} {:#?}", summaries(&course.states()));
    assert_eq!((&stalled["status"], &stalled["reason"]), (&json!("True"), &json!(reason.as_str())), "{}", context());
    let message = stalled["message"].as_str().unwrap();
    assert!(message.ends_with(reason.remedy()), "no remedy: {message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
    assert_eq!(verdict(&state), Verdict::Failed, "{}", context());
}

/// After what the remedy says, the resource comes to rest by itself.
async fn recovers(course: &Course, within: i64) {
    course.run(hours(within)).await;
    let state = course.world.resource();
    assert_eq!(verdict(&state), Verdict::Current, "{:#?} {:#}", summaries(&course.states()), state["status"]);
}

fn wrote_nothing(course: &Course) {
    let written = course.world.entra.mutations_of(course.world.object).into_iter().filter(|mutation| mutation.caller.is_some());
    assert_eq!(written.map(|mutation| mutation.operation).collect::<Vec<_>>(), []);
}

#[tokio::test(start_paused = true)]
async fn without_a_grant_somebody_must_give_one() {
    let course = Course::of(secret()).await;
    let tenant = course.world.cluster.get("entratenants.entra-rotator.io", "", "default").unwrap();
    course.edit_tenant(json!({"spec": {"grants": []}})).await;
    refused(&course, Reason::NotGranted, &["EntraTenant default", "payroll", "ClientSecret"]).await;
    wrote_nothing(&course);
    course.edit_tenant(json!({"spec": {"grants": tenant["spec"]["grants"]}})).await;
    recovers(&course, 1).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_tenant_somebody_must_create_it() {
    let course = Course::of(secret()).await;
    let mut tenant = course.world.cluster.get("entratenants.entra-rotator.io", "", "default").unwrap();
    course.world.cluster.delete("entratenants.entra-rotator.io", "", "default");
    refused(&course, Reason::TenantNotFound, &["EntraTenant default does not exist"]).await;
    wrote_nothing(&course);
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        tenant["metadata"].as_object_mut().unwrap().remove(field);
    }
    course.world.cluster.put(tenant);
    recovers(&course, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_cannot_sign_in_points_to_its_own_condition() {
    let course = Course::of(secret()).await;
    let sign_in = course.world.cluster.get("secrets", "entra-rotator", "sign-in").unwrap();
    course.world.cluster.delete("secrets", "entra-rotator", "sign-in");
    refused(&course, Reason::TenantNotReady, &["EntraTenant default is not ready", "sign-in"]).await;
    wrote_nothing(&course);
    course.world.cluster.put(sign_in);
    recovers(&course, 1).await;
}

/// Graph refuses writes in one of its documented ways until somebody mends that.
async fn graph_refuses(spec: Value, effect: Effect, reason: Reason, words: &[&str]) {
    let course = Course::of(spec).await;
    course.world.entra.inject(Fault::always(Match::writes(), effect));
    refused(&course, reason, words).await;
    course.world.entra.withdraw_all();
    recovers(&course, 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_entra_does_not_take_is_quoted() {
    graph_refuses(secret(), Effect::failing(400), Reason::InvalidRequest, &["Cannot add", "400"]).await;
}

#[tokio::test(start_paused = true)]
async fn rights_that_are_missing_are_named() {
    graph_refuses(secret(), Effect::failing(403), Reason::PermissionDenied, &["Cannot add", "403", "Authorization_RequestDenied"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_graph_refuses_is_told() {
    graph_refuses(secret(), Effect::failing(401), Reason::Unauthorized, &["Cannot", "401"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_on_the_service_principal_is_named() {
    let mut spec = secret();
    spec["target"] = json!({"object": "ServicePrincipal"});
    let course = Course::of(spec).await;
    let lock = |enabled: bool| json!({"isEnabled": enabled, "allProperties": true});
    let application = course.world.target.application;
    course.world.entra.set_property(application, "servicePrincipalLockConfiguration", lock(true)).unwrap();
    refused(&course, Reason::PropertyLocked, &["Cannot add", "CannotUpdateLockedServicePrincipalProperty"]).await;
    wrote_nothing(&course);
    course.world.entra.set_property(application, "servicePrincipalLockConfiguration", lock(false)).unwrap();
    recovers(&course, 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_forbids_secrets_is_named() {
    let course = Course::of(secret()).await;
    course.world.entra.adjust(|behaviour| behaviour.policy.secrets_blocked = true);
    refused(&course, Reason::PolicyForbidsType, &["CredentialTypeNotAllowedAsPerAppPolicy"]).await;
    wrote_nothing(&course);
    course.world.entra.adjust(|behaviour| behaviour.policy.secrets_blocked = false);
    recovers(&course, 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_forbids_the_lifetime_is_named_and_an_edit_is_enough() {
    let course = Course::of(secret()).await;
    course.world.entra.adjust(|behaviour| behaviour.policy.max_secret_lifetime = Some(std::time::Duration::from_secs(30 * 86_400)));
    refused(&course, Reason::PolicyForbidsLifetime, &["CredentialInvalidLifetimeAsPerAppPolicy"]).await;
    wrote_nothing(&course);
    course.world.edit(json!({"spec": {"rotation": {"validity": "480h"}}})).await;
    recovers(&course, 1).await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_full_is_told() {
    let course = Course::of(secret()).await;
    course.world.entra.adjust(|behaviour| behaviour.max_credentials = 1);
    refused(&course, Reason::ObjectFull, &["Cannot add"]).await;
    course.world.entra.adjust(|behaviour| behaviour.max_credentials = 1000);
    recovers(&course, 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_validity_below_the_tenants_minimum_names_both() {
    let course = Course::of(json!({"clientSecret": {}, "rotation": {"validity": "2h"}})).await;
    refused(&course, Reason::ValidityTooShort, &["2h", "24h"]).await;
    wrote_nothing(&course);
    course.world.edit(json!({"spec": {"rotation": {"validity": "48h"}}})).await;
    recovers(&course, 1).await;
}

#[tokio::test(start_paused = true)]
async fn durations_that_contradict_a_default_are_named() {
    let course = Course::of(json!({"clientSecret": {}, "rotation": {"validity": "96h", "overlap": "200h"}})).await;
    refused(&course, Reason::InvalidPolicy, &["overlap", "200h", "renewBefore", "32h"]).await;
    wrote_nothing(&course);
    course.world.edit(json!({"spec": {"rotation": {"overlap": "8h"}}})).await;
    recovers(&course, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_never_comes_is_quoted() {
    let never = json!([{"schedule": "0 0 30 2 *", "duration": "1h"}]);
    let course = Course::of(json!({"clientSecret": {}, "rotation": {"windows": never}})).await;
    refused(&course, Reason::InvalidSchedule, &["0 0 30 2 *"]).await;
    wrote_nothing(&course);
    course.world.edit(json!({"spec": {"rotation": {"windows": [{"schedule": "0 0 1 2 *", "duration": "1h"}]}}})).await;
    recovers(&course, 1).await;
}

#[tokio::test(start_paused = true)]
async fn an_adoption_that_nobody_granted_is_told_and_rotation_goes_on() {
    let foreign = "dddddddd-0000-4000-8000-000000000001";
    let mut spec = certificate();
    spec["adoptKeyIDs"] = json!([foreign]);
    let course = Course::of(spec).await;
    refused(&course, Reason::AdoptionNotGranted, &[foreign, "no grant"]).await;
    assert!(course.world.condition("Ready").starts_with("True"), "{:#}", course.world.resource()["status"]);
    course.world.edit(json!({"spec": {"adoptKeyIDs": null}})).await;
    recovers(&course, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_variant_of_a_newer_version_stalls_its_own_resource_only() {
    let course = Course::of(signing(&json!({}))).await;
    let mut other = course.world.resource();
    other["metadata"] = json!({"name": "newer", "namespace": "payroll", "generation": 1});
    other["spec"]["tokenSigningCertificate"]["activation"]["metadata"] = json!("Strict");
    other["spec"]["secretName"] = json!("newer");
    course.world.cluster.put(other);
    course.run(hours(1)).await;
    let newer = course.world.cluster.get("serviceprincipalcredentials.entra-rotator.io", "payroll", "newer").unwrap();
    let stalled = condition(&newer, "Stalled").cloned().unwrap_or_default();
    assert_eq!((&stalled["status"], &stalled["reason"]), (&json!("True"), &json!("UnknownVariant")), "{newer:#}");
    assert!(stalled["message"].as_str().unwrap().contains("Strict"), "{stalled:#}");
    assert_eq!(verdict(&newer), Verdict::Failed, "{newer:#}");
    assert_eq!(verdict(&course.world.resource()), Verdict::Current, "the other resource is as well as ever");
}

#[tokio::test(start_paused = true)]
async fn an_application_without_a_certificate_cannot_roll_itself() {
    let course = Course::begin(Setup { powerless: true, ..Setup::of(json!({"clientCertificate": {"signInAs": "Self"}})) }).await;
    refused(&course, Reason::SelfCredentialExpired, &["The output holds no certificate"]).await;
    wrote_nothing(&course);
}

#[tokio::test(start_paused = true)]
async fn where_several_certificates_may_sign_somebody_must_choose() {
    let course = Course::of(signing(&json!({}))).await;
    let end = course.world.now() + TimeDelta::days(900);
    let made: Vec<_> = (0..2)
        .map(|number| course.world.entra.add_signing_certificate(course.world.object, &format!("CN=by-hand-{number}"), Some(end)).unwrap())
        .collect();
    let thumbprint = made[0]["thumbprint"].as_str().unwrap().to_owned();
    refused(&course, Reason::SeveralPossibleSigners, &[&thumbprint]).await;
    course.world.edit(json!({"spec": {"tokenSigningCertificate": {"pinnedThumbprint": thumbprint}}})).await;
    recovers(&course, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_pin_on_nothing_is_told_and_nothing_is_changed() {
    let course = Course::of(signing(&json!({}))).await;
    course.settle().await;
    let writes = course.world.entra.mutations_of(course.world.object).len();
    let unknown = "00112233445566778899AABBCCDDEEFF00112233";
    course.world.edit(json!({"spec": {"tokenSigningCertificate": {"pinnedThumbprint": unknown}}})).await;
    refused(&course, Reason::PinNotUsable, &[unknown]).await;
    assert_eq!(course.world.entra.mutations_of(course.world.object).len(), writes);
    course.world.edit(json!({"spec": {"tokenSigningCertificate": {"pinnedThumbprint": null}}})).await;
    recovers(&course, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_proof_from_a_resource_that_is_not_there_is_told() {
    let course = Course::of(signing(&json!({"keySource": "Operator", "proofFrom": {"name": "nobody"}}))).await;
    refused(&course, Reason::ProofNotUsable, &["ServicePrincipalCredential nobody", "does not exist"]).await;
    wrote_nothing(&course);
    course.world.edit(json!({"spec": {"tokenSigningCertificate": {"proofFrom": null}}})).await;
    recovers(&course, 3).await;
}

#[tokio::test(start_paused = true)]
async fn the_record_of_a_newer_operator_is_left_alone() {
    let course = Course::of(certificate()).await;
    course.settle().await;
    let mut newer = course.world.resource();
    newer["status"]["protocol"] = json!(99);
    let before = course.world.cluster.put(newer);
    course.run(hours(24)).await;
    assert_eq!(course.world.resource()["status"], before["status"], "{}", Reason::NewerProtocol);
}

#[tokio::test(start_paused = true)]
async fn rights_in_the_cluster_that_are_missing_are_named() {
    let course = Course::of(secret()).await;
    course.world.cluster.intercept(|request: &RequestInfo| {
        let denied = request.verb == Verb::Create && request.resource == "secrets";
        if denied { Answer::Fail(Failure::forbidden("secrets is forbidden")) } else { Answer::Pass }
    });
    refused(&course, Reason::ClusterDenied, &["Cannot create Secret payroll-credential-entra-"]).await;
    course.world.cluster.stop_intercepting();
    recovers(&course, 10).await;
}

/// Changes the output as soon as it was written.
struct Rival(KubeSim);

impl Interceptor for Rival {
    fn before(&self, _: &RequestInfo) -> Answer {
        Answer::Pass
    }

    fn after(&self, request: &RequestInfo, status: u16) {
        let writes = request.resource == "secrets" && matches!(request.verb, Verb::Patch | Verb::Create) && status < 300;
        if writes && let Some(mut output) = self.0.get("secrets", "payroll", OUTPUT) {
            output["data"]["AZURE_TENANT_ID"] = json!("cml2YWw=");
            self.0.put(output);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_output_that_somebody_goes_on_changing_is_left_alone_for_a_while() {
    let course = Course::of(secret()).await;
    course.settle().await;
    course.world.cluster.intercept(Rival(course.world.cluster.clone()));
    let mut edited = course.world.output().unwrap();
    edited["data"]["AZURE_TENANT_ID"] = json!("cml2YWw=");
    course.world.cluster.put(edited);
    course.world.cluster.forget_requests();
    refused(&course, Reason::OutputContested, &["Somebody else goes on changing the output"]).await;
    let writes = course
        .world
        .cluster
        .tally()
        .iter()
        .filter(|((verb, resource), _)| *verb == Verb::Patch && resource == "secrets")
        .map(|(_, n)| n)
        .sum::<u64>();
    assert!(writes <= 24, "{writes} writes in an hour");
    course.world.cluster.stop_intercepting();
    recovers(&course, 1).await;
    assert_eq!(course.world.entra.calls().iter().filter(|call| call.operation == Operation::AddPassword).count(), 1);
}
