//! What each situation reports, and what kstatus makes of it.

use chrono::TimeDelta;
use rotation::*;
use rstest::rstest;

use crate::world::{World, certificate, signing};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Current,
    InProgress,
    Failed,
}
use Verdict::{Current, Failed, InProgress};

/// The rules of kstatus for a resource that it does not know.
fn kstatus(generation: i64, observed: i64, conditions: &[(&str, bool)]) -> Verdict {
    let is = |name, status| conditions.contains(&(name, status));
    if observed != generation {
        InProgress
    } else if is("Stalled", true) {
        Failed
    } else if is("Reconciling", true) || is("Ready", false) {
        InProgress
    } else {
        Current
    }
}

#[rstest]
#[case::not_yet_seen(-1, &[], InProgress)]
#[case::edited_since(1, &[("Ready", true)], InProgress)]
#[case::stalled(2, &[("Ready", true), ("Stalled", true)], Failed)]
#[case::reconciling(2, &[("Ready", true), ("Reconciling", true)], InProgress)]
#[case::not_ready(2, &[("Ready", false)], InProgress)]
#[case::ready(2, &[("Ready", true), ("Reconciling", false), ("Stalled", false), ("RotationAtRisk", true)], Current)]
fn kstatus_says(#[case] observed: i64, #[case] conditions: &[(&str, bool)], #[case] expected: Verdict) {
    assert_eq!(kstatus(2, observed, conditions), expected);
}

/// The conditions that matter, as `Type=Status/Reason`, with the verdict.
fn described(world: &World, wait: Option<&Wait>) -> (String, Verdict) {
    let report = world.report(wait);
    let types: Vec<_> = report.conditions.iter().map(|condition| condition.r#type).collect();
    assert_eq!(types, ["Ready", "RotationAtRisk", "Rotating", "Stalled", "Reconciling"]);
    let flags: Vec<_> = report.conditions.iter().map(|condition| (condition.r#type, condition.status)).collect();
    assert!(!(flags.contains(&("Stalled", true)) && flags.contains(&("Reconciling", true))), "{report:?}");
    assert!(report.conditions.iter().all(|condition| !condition.message.is_empty() && condition.reason.is_ascii()));
    let told =
        report.conditions.iter().filter(|condition| condition.status || condition.r#type == "Ready" || condition.reason == "Suspended");
    let text: Vec<_> = told.map(|c| format!("{}={}/{}", c.r#type, if c.status { "True" } else { "False" }, c.reason)).collect();
    (text.join(" "), kstatus(1, 1, &flags))
}

fn fail(world: &mut World, reason: Reason) {
    world.note(&Fact::Failed(Trouble { reason, message: "It did not work.".to_owned(), wait: None }));
}

fn resting(policy: Policy) -> World {
    let mut world = World::new(policy);
    world.run_for(TimeDelta::hours(1));
    world
}

fn rotating(policy: Policy, wanted: fn(&Step) -> bool) -> World {
    let mut world = resting(policy);
    world.run_until(|_, step| wanted(step));
    world
}

#[rstest]
fn the_first_issue_is_in_progress(#[values(certificate(6), signing(6))] policy: Policy) {
    let mut world = World::new(policy);
    assert_eq!(described(&world, None), ("Ready=False/Issuing Reconciling=True/Issuing".to_owned(), InProgress));
    fail(&mut world, Reason::Unavailable);
    assert_eq!(described(&world, None), ("Ready=False/Issuing Reconciling=True/Retrying".to_owned(), InProgress));
}

#[rstest]
fn at_rest_it_is_current(#[values(certificate(6), signing(6))] policy: Policy) {
    let world = resting(policy);
    assert_eq!(described(&world, Some(&Wait::AtRest)), ("Ready=True/Published".to_owned(), Current));
    let report = world.report(None);
    assert_eq!(report.not_after, world.ledger.current().unwrap().not_after);
    assert!(report.renewal_time.is_some() && report.next_action.is_some());
}

fn proves(step: &Step) -> bool {
    matches!(step, Step::Look(Look::SignIn(_)))
}

fn announces(step: &Step) -> bool {
    matches!(step, Step::Note(Fact::Announced(_)))
}

fn identifies(step: &Step) -> bool {
    matches!(step, Step::Note(Fact::Identified(..)))
}

fn soaks(step: &Step) -> bool {
    matches!(step, Step::Rest(Rest { why: Wait::Soaking, .. }))
}

fn activates(step: &Step) -> bool {
    matches!(step, Step::Act(Act::Send(_, Mutation::Activate(_))))
}

fn overlaps(step: &Step) -> bool {
    matches!(step, Step::Rest(Rest { why: Wait::Overlapping, .. }))
}

#[rstest]
#[case::creating(certificate(6), proves, None, "Creating")]
#[case::creating_for_saml(signing(6), identifies, None, "Creating")]
#[case::not_announced_yet(signing(6), announces, None, "Creating")]
#[case::soaking(signing(6), soaks, Some(Wait::Soaking), "Soaking")]
#[case::awaiting_metadata(signing(6), soaks, Some(Wait::AwaitingMetadata), "AwaitingMetadata")]
#[case::activating(signing(6), activates, None, "Proving")]
#[case::overlapping(certificate(6), overlaps, Some(Wait::Overlapping), "Overlapping")]
#[case::overlapping_for_saml(signing(6), overlaps, Some(Wait::Overlapping), "Overlapping")]
fn a_scheduled_rotation_stays_current(
    #[case] policy: Policy,
    #[case] moment: fn(&Step) -> bool,
    #[case] wait: Option<Wait>,
    #[case] stage: &str,
) {
    let world = rotating(policy, moment);
    assert_eq!(described(&world, wait.as_ref()), (format!("Ready=True/Published Rotating=True/{stage}"), Current));
}

#[rstest]
fn a_rotation_that_is_retried_stays_current(#[values(certificate(6), signing(6))] policy: Policy) {
    let mut world = rotating(policy, |step| matches!(step, Step::Act(Act::Send(..))));
    fail(&mut world, Reason::Unavailable);
    assert_eq!(described(&world, None), ("Ready=True/Published Rotating=True/Retrying".to_owned(), Current));
    for _ in 0..5 {
        fail(&mut world, Reason::Unavailable);
    }
    let expected = "Ready=True/Published RotationAtRisk=True/Unavailable Rotating=True/Retrying";
    assert_eq!(described(&world, None), (expected.to_owned(), Current));
}

#[rstest]
fn an_edit_that_asks_for_a_new_credential_is_in_progress_until_it_is_published(#[values(certificate(6), signing(6))] policy: Policy) {
    let mut world = resting(policy);
    let old = world.ledger.current().unwrap().id.clone();
    world.policy.not_issued_before = Some(world.now);
    let published = |world: &World| world.ledger.current().is_some_and(|current| current.id != old && current.published_at.is_some());
    world.run_until(|world, _| {
        let (text, verdict) = described(world, None);
        let done = published(world);
        assert_eq!(text.contains("Reconciling=True/SpecChanged"), !done, "{text}");
        assert_eq!(verdict, if done { Current } else { InProgress }, "{text}");
        done
    });
}

#[rstest]
fn a_refusal_while_the_credential_is_valid_is_a_risk(#[values(certificate(6), signing(6))] policy: Policy) {
    let mut world = rotating(policy, |step| matches!(step, Step::Act(Act::Send(..))));
    fail(&mut world, Reason::PermissionDenied);
    let expected = "Ready=True/Published RotationAtRisk=True/PermissionDenied Rotating=True/Retrying";
    assert_eq!(described(&world, None), (expected.to_owned(), Current));
}

#[rstest]
fn a_due_rotation_that_is_suspended_is_a_risk(#[values(certificate(6), signing(6))] policy: Policy) {
    let mut world = resting(policy);
    world.policy.suspend = true;
    assert_eq!(described(&world, None), ("Ready=True/Published Rotating=False/Suspended".to_owned(), Current));
    world.now = world.report(None).renewal_time.unwrap();
    let expected = "Ready=True/Published RotationAtRisk=True/Suspended Rotating=False/Suspended";
    assert_eq!(described(&world, None), (expected.to_owned(), Current));
}

#[rstest]
fn a_refusal_with_nothing_valid_is_a_failure(#[values(certificate(6), signing(6))] policy: Policy) {
    for reason in Reason::ALL.iter().copied().filter(|reason| reason.is_refusal()) {
        let mut world = World::new(policy.clone());
        world.policy.refusal = Some(Refusal::new(reason, "It may not."));
        assert_eq!(described(&world, None), (format!("Ready=False/{reason} Stalled=True/{reason}"), Failed));
    }
}

#[rstest]
fn a_refused_edit_is_a_failure_though_the_old_credential_works(#[values(certificate(6), signing(6))] policy: Policy) {
    let mut world = resting(policy);
    world.policy.not_issued_before = Some(world.now);
    fail(&mut world, Reason::PermissionDenied);
    assert_eq!(described(&world, None), ("Ready=True/Published Stalled=True/PermissionDenied".to_owned(), Failed));
}

#[rstest]
fn an_edit_that_cannot_be_realised_is_a_failure_though_the_old_credential_works(
    #[values(
        Reason::InvalidPolicy,
        Reason::InvalidSchedule,
        Reason::ValidityTooShort,
        Reason::PinNotUsable,
        Reason::AdoptionNotGranted,
        Reason::UnknownVariant
    )]
    reason: Reason,
) {
    let mut world = resting(certificate(6));
    world.policy.refusal = Some(Refusal::new(reason, "It contradicts itself."));
    assert_eq!(described(&world, None), (format!("Ready=True/Published Stalled=True/{reason}"), Failed));
    let stalled = world.report(None).conditions.into_iter().find(|condition| condition.r#type == "Stalled").unwrap();
    assert_eq!(stalled.message, format!("It contradicts itself. {}", reason.remedy()));
}

#[test]
fn a_failure_that_does_not_count_any_more_is_not_told() {
    let mut world = resting(certificate(6));
    fail(&mut world, Reason::PermissionDenied);
    world.ledger.rotation.failures = 0;
    assert_eq!(described(&world, None), ("Ready=True/Published".to_owned(), Current));
}

#[test]
fn what_is_being_revoked_says_so_and_what_stands_in_its_way() {
    let mut world = resting(Policy { revoke_on_delete: true, has_finalizer: true, ..certificate(6) });
    world.policy.deleted_at = Some(world.now);
    assert_eq!(described(&world, None), ("Ready=False/Revoking Reconciling=True/Revoking".to_owned(), InProgress));
    fail(&mut world, Reason::PermissionDenied);
    assert_eq!(described(&world, None), ("Ready=False/RevocationBlocked Reconciling=True/Revoking".to_owned(), InProgress));
    let ready = world.report(None).conditions.swap_remove(0);
    assert!(ready.message.contains("It did not work.") && ready.message.contains(Reason::PermissionDenied.remedy()), "{ready:?}");
}

#[rstest]
#[case::edited_once(true, None, "Ready=True/Published", Current)]
#[case::edited_again_and_again(true, Some(Reason::OutputContested), "Ready=False/OutputContested Stalled=True/OutputContested", Failed)]
#[case::edited_while_something_else_is_refused(
    true,
    Some(Reason::TenantNotReady),
    "Ready=True/Published RotationAtRisk=True/TenantNotReady",
    Current
)]
#[case::whole_for_now(false, Some(Reason::OutputContested), "Ready=True/Published RotationAtRisk=True/OutputContested", Current)]
fn an_output_that_is_edited_is_a_failure_where_it_is_edited_again_and_again(
    #[case] edited: bool,
    #[case] reason: Option<Reason>,
    #[case] expected: &str,
    #[case] verdict: Verdict,
) {
    let mut world = resting(certificate(6));
    world.edited = edited;
    world.look(&Look::Output);
    let wait = reason.map(|reason| Wait::Refused(Refusal::new(reason, "It is so.")));
    assert_eq!(described(&world, wait.as_ref()), (expected.to_owned(), verdict));
}

#[rstest]
fn what_expired_is_issued_anew(#[values(certificate(6), signing(6))] policy: Policy) {
    let mut world = resting(policy);
    world.now = world.ledger.current().unwrap().not_after.unwrap();
    assert_eq!(described(&world, None), ("Ready=False/Expired Reconciling=True/Reissuing".to_owned(), InProgress));
    fail(&mut world, Reason::PermissionDenied);
    assert_eq!(described(&world, None).1, Failed);
}

#[rstest]
fn what_was_removed_in_entra_is_issued_anew(#[values(certificate(6), signing(6))] policy: Policy) {
    let mut world = resting(policy);
    world.entra.keys.truncate(1);
    world.gap_excused = true;
    world.run_until_note(|fact| matches!(fact, Fact::Claimed(Claim { cause: Cause::CredentialGone, .. })));
    assert_eq!(described(&world, None), ("Ready=False/CredentialGone Reconciling=True/Reissuing".to_owned(), InProgress));
}

#[rstest]
fn a_deleted_output_is_in_progress_until_it_is_written_again(#[values(certificate(6), signing(6))] policy: Policy) {
    let mut world = resting(policy);
    (world.output, world.edited) = (None, false);
    world.look(&Look::Output);
    assert_eq!(described(&world, None), ("Ready=False/OutputMissing Reconciling=True/Republishing".to_owned(), InProgress));
}

#[rstest]
fn an_output_that_somebody_took_over_is_a_failure() {
    let mut world = resting(certificate(6));
    world.memory.saw_output(Output::Foreign("It belongs to payroll.".to_owned()), vec![], world.now);
    let Step::Rest(rest) = world.next() else { panic!("{:?}", world.next()) };
    let expected = "Ready=False/OutputNotOurs Stalled=True/OutputNotOurs";
    assert_eq!(described(&world, Some(&rest.why)), (expected.to_owned(), Failed));
}
