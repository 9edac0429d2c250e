//! What a report tells beside its conditions: what happens next, for how long credentials live, and what threatens.

use chrono::TimeDelta;
use rotation::*;
use rstest::rstest;

use crate::world::{World, certificate, secret, self_rolled, signing};

fn resting(policy: Policy) -> World {
    let mut world = World::new(policy);
    world.run_for(TimeDelta::hours(1));
    world
}

fn action(world: &World) -> Option<(Time, String)> {
    world.report(None).next_action
}

#[rstest]
fn at_rest_a_successor_comes_next(#[values(secret(6), certificate(6), signing(6))] policy: Policy) {
    let world = resting(policy);
    let (id, due) = (&world.ledger.current().unwrap().id, world.report(None).renewal_time.unwrap());
    assert_eq!(action(&world), Some((due, format!("Issue the successor of credential {id}."))));
}

#[rstest]
fn after_a_publication_the_previous_credential_goes_next(#[values(secret(6), certificate(6), signing(6))] policy: Policy) {
    let mut world = resting(policy);
    world.run_until(|world, _| world.ledger.first(Use::Previous).is_some() && world.ledger.current().unwrap().published_at.is_some());
    let (id, published) = (&world.ledger.first(Use::Previous).unwrap().id, world.ledger.current().unwrap().published_at.unwrap());
    assert_eq!(action(&world), Some((published + world.policy.durations.overlap, format!("Remove the previous credential {id}."))));
}

#[rstest]
#[case::suspended(|world: &mut World| world.policy.suspend = true)]
#[case::refused(|world: &mut World| world.policy.refusal = Some(Refusal::new(Reason::TenantNotReady, "It does not sign in.")))]
#[case::pinned(|world: &mut World| {
    let pinned = world.ledger.current().and_then(Entry::thumbprint);
    let Kind::TokenSigning(signing) = &mut world.policy.kind else { unreachable!() };
    signing.pinned = pinned;
})]
#[case::something_is_being_removed(|world: &mut World| {
    world.run_until(|world, _| world.ledger.first(Use::Retiring).is_some());
})]
fn nothing_is_announced_while_nobody_knows_when(#[case] hold: fn(&mut World)) {
    let mut world = resting(signing(6));
    assert!(action(&world).is_some());
    hold(&mut world);
    assert_eq!(action(&world), None);
}

fn limited(days: i64) -> Limits {
    Limits { certificate_life: Some(TimeDelta::days(days)), policy: Some("Short lives".to_owned()), ..Limits::default() }
}

#[test]
fn until_app_management_policies_were_read_nobody_knows_what_they_cut() {
    let world = World::new(certificate(90));
    let report = world.report(None);
    assert_eq!((report.clamp, report.durations), (Clamp::Unknown, world.policy.durations));
}

#[rstest]
#[case::nobody_may_read_them(None)]
#[case::they_say_nothing(Some(Limits::default()))]
#[case::they_allow_more(Some(limited(400)))]
fn what_is_not_cut_lives_as_asked(#[case] limits: Option<Limits>) {
    let mut world = World::new(certificate(90));
    world.limits = limits;
    world.look(&Look::AppPolicy);
    let report = world.report(None);
    assert_eq!((report.clamp, report.durations), (Clamp::Unneeded, world.policy.durations));
}

#[test]
fn what_is_cut_is_told_with_the_policy_that_cuts_it() {
    let mut world = World::new(certificate(90));
    world.limits = Some(limited(30));
    world.look(&Look::AppPolicy);
    let report = world.report(None);
    let Clamp::Cut(text) = report.clamp else { panic!("{report:?}") };
    assert!(text.contains("2160h") && text.contains("Short lives"), "{text}");
    assert_eq!(report.durations, Durations { validity: TimeDelta::days(30) - TimeDelta::minutes(10), ..world.policy.durations });
}

fn risk(world: &World) -> Option<String> {
    let at_risk = |condition: &Condition| condition.r#type == "RotationAtRisk" && condition.status;
    world.report(None).conditions.into_iter().find(at_risk).map(|condition| condition.reason)
}

/// An application that rolls itself, with the certificate that was handed over.
fn seeded() -> World {
    let mut world = World::new(self_rolled(30));
    let facts = world.make_certificate(world.now + TimeDelta::days(30), vec![]);
    world.somebody_uploads(&facts, "77777777-0000-4000-8000-000000000001");
    world.hold_in_output(&facts);
    world.run_for(TimeDelta::hours(1));
    world
}

#[rstest]
#[case::nothing_is_due_and_nothing_failed(seeded(), false, false, None)]
#[case::nothing_is_due(seeded(), false, true, None)]
#[case::nothing_failed(seeded(), true, false, None)]
#[case::it_is_due_and_failed(seeded(), true, true, Some("SelfCredentialExpired"))]
#[case::the_operator_can_always_help(resting(certificate(30)), true, true, None)]
fn one_failure_of_an_application_that_rolls_itself_is_a_risk_once_it_is_due(
    #[case] mut world: World,
    #[case] is_due: bool,
    #[case] failed: bool,
    #[case] expected: Option<&str>,
) {
    if is_due {
        world.now = world.report(None).renewal_time.unwrap();
    }
    if failed {
        world.note(&Fact::Failed(Trouble { reason: Reason::Unavailable, message: "It did not work.".to_owned(), wait: None }));
    }
    assert_eq!(risk(&world).as_deref(), expected);
}

#[rstest]
fn a_successor_that_is_asked_for_early_and_suspended_is_a_risk(#[values(certificate(6), signing(6))] policy: Policy) {
    let mut world = resting(policy);
    world.policy.suspend = true;
    assert_eq!(risk(&world), None);
    world.policy.not_issued_before = Some(world.now);
    assert_eq!(risk(&world).as_deref(), Some("Suspended"));
}
