//! Who signs must be known before a successor is begun.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rstest::rstest;

use super::*;
use crate::case::{Claim, Licence};
use crate::policy::KeySource;
use crate::reason::Cause;
use crate::token_signing::begin::begin;

const NOW: i64 = 8_000;
/// Three reads that span LATE.
const READS: [i64; 3] = [NOW - 15, NOW - 8, NOW];

fn begun(scene: &Scene) -> Check {
    begin(&scene.case(), scene.memory.history().latest().unwrap(), Cause::Schedule)
}

fn step(scene: &Scene) -> String {
    scene.told(begun(scene))
}

fn claimed(scene: &Scene) -> Claim {
    match begun(scene) {
        Err(Halt::Step(step)) => match *step {
            Step::Note(Fact::Claimed(claim)) => claim,
            Step::Note(Fact::ForeignSigner(claim)) => *claim,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn licence(scene: &Scene) -> Licence {
    match begun(scene) {
        Err(Halt::Step(step)) => match *step {
            Step::Note(Fact::Licensed(_, licence)) => licence,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn current() -> Entry {
    certificate(1, Use::Current)
}

#[rstest]
#[case::ours(&[current()], &[1, 3], &name(1), "claim for AddTokenSigningCertificate")]
#[case::nobody(&[current()], &[], "", "claim for AddTokenSigningCertificate")]
#[case::somebody_elses_at_first_contact(&[], &[1, 3], &name(3), "record the signer")]
#[case::somebody_elses_by_now(&[current()], &[1, 3], &name(3), "nothing")]
#[case::one_that_is_going(&[current(), certificate(4, Use::Retiring)], &[1, 4], &name(4), "nothing")]
#[case::somebody_elses_where_current_is_gone(&[current(), certificate(4, Use::Retiring)], &[3], &name(3), "nothing")]
#[case::one_that_is_going_where_current_is_gone(
    &[current(), certificate(4, Use::Retiring)], &[4], &name(4), "claim for AddTokenSigningCertificate")]
fn a_successor_is_begun_beside_a_preferred_certificate_that_the_ledger_knows(
    #[case] entries: &[Entry],
    #[case] listed: &[u8],
    #[case] preferred: &str,
    #[case] expected: &str,
) {
    assert_eq!(step(&scene(NOW, entries.to_vec()).reads(&READS, &lasting(listed), preferred)), expected);
}

#[test]
fn a_certificate_of_somebody_else_is_recorded_by_its_names() {
    let claim = claimed(&scene(NOW, []).reads(&READS, &lasting(&[3]), &name(3)));
    let signing = match claim.detail {
        crate::ledger::Detail::TokenSigning(signing) => signing,
        other => panic!("{other:?}"),
    };
    assert_eq!(signing.display_name.as_deref(), Some("CN=3"));
    assert_eq!(signing.custom_key_identifier.as_deref(), Some("link-3"));
    assert_eq!((signing.thumbprint, claim.issued_at, claim.not_after), (Some(thumbprint(3)), Some(at(0)), Some(at(LASTING))));
}

/// By how much less it lives than asked, in seconds, for many resources.
fn taken_off(asked: TimeDelta) -> Vec<i64> {
    let one = |uid: u32| {
        let mut scene = scene(NOW, []).reads(&READS, &[], "");
        (scene.policy.uid, scene.policy.durations.validity) = (uid.to_string(), asked);
        (scene.now() + asked - claimed(&scene).not_after.unwrap()).num_seconds()
    };
    (0..100).map(one).collect()
}

#[rstest]
#[case::three_years(TimeDelta::days(1_095), 300, 86_399)]
#[case::two_days(TimeDelta::hours(48), 300, 86_399)]
#[case::just_less(TimeDelta::hours(48) - TimeDelta::seconds(20), 0, 8_638)]
#[case::an_hour(TimeDelta::hours(1), 0, 179)]
#[case::ten_seconds(TimeDelta::seconds(10), 0, 0)]
fn a_certificate_is_asked_for_with_an_end_of_its_own_that_takes_little_of_its_life(
    #[case] asked: TimeDelta,
    #[case] least: i64,
    #[case] most: i64,
) {
    let off = taken_off(asked);
    assert!(off.iter().all(|off| (least..=most).contains(off)), "{off:?}");
    assert!(off.iter().any(|off| *off > most / 2) || most == 0, "they spread: {off:?}");
}

/// One valid certificate, and a value preferred that says nothing.
fn only(entries: impl IntoIterator<Item = Entry>, n: u8) -> Scene {
    scene(NOW, entries).reads(&READS, &lasting(&[n]), "F00D")
}

fn expired() -> Entry {
    Entry { not_after: Some(at(NOW)), ..current() }
}

#[rstest]
#[case::at_first_contact(only([], 1), "record the signer")]
#[case::current(only([current()], 1), "license Activate of 1")]
#[case::the_previous_one(only([current(), certificate(2, Use::Previous)], 2), "license Activate of 2")]
#[case::one_that_was_given_up(only([current(), certificate(2, Use::Abandoned)], 2), "license Activate of 2")]
#[case::one_that_nobody_approved(
    only([current(), certificate(2, Use::Abandoned)], 2).asks_approval(OnDeadline::Withdraw), "SeveralPossibleSigners for 900 s")]
#[case::one_that_is_going(only([current(), certificate(2, Use::Retiring)], 2), "license Activate of 2")]
#[case::somebody_elses(only([expired()], 3), "record the signer")]
#[case::somebody_elses_where_current_is_gone(only([current()], 3), "record the signer")]
fn the_only_one_that_can_sign_is_made_the_preferred_one_or_recorded(#[case] scene: Scene, #[case] expected: &str) {
    assert_eq!(step(&scene), expected);
}

#[rstest]
#[case::which_is_somebody_elses(certificate(2, Use::Previous), 3, "nothing")]
#[case::which_is_going(certificate(2, Use::Retiring), 2, "SeveralPossibleSigners for 900 s")]
fn the_only_one_that_can_sign_waits_where_current_was_there_a_moment_ago(#[case] other: Entry, #[case] signs: u8, #[case] expected: &str) {
    let scene = scene(NOW, [current(), other]).reads(&[NOW - 20], &lasting(&[1, signs]), "F00D");
    // Replicas lag: the latest read alone misses Current.
    assert_eq!(step(&scene.reads(&READS[1..], &lasting(&[signs]), "F00D")), expected);
}

#[rstest]
#[case::the_only_one(&[1])]
#[case::of_several_the_current_one(&[1, 2])]
fn nothing_is_made_the_preferred_one_before_it_is_sure_that_nothing_valid_is(#[case] listed: &[u8]) {
    let scene = scene(NOW, [current(), certificate(2, Use::Previous)]).reads(&READS[..2], &lasting(listed), "F00E");
    assert_eq!(step(&scene.reads(&READS[2..], &lasting(listed), "F00D")), "Settling for 300 s");
}

#[test]
fn an_activation_names_what_it_replaces_as_far_as_the_ledger_holds_it() {
    assert_eq!(licence(&only([current()], 1)).from.as_deref(), Some("F00D"));
    let long = "x".repeat(50);
    let scene = scene(NOW, [current()]).reads(&READS, &lasting(&[1]), &long);
    assert_eq!(licence(&scene).from.as_deref(), Some(&long[..40]));
}

fn tried(kind: OpKind, minute: i64, outcome: Option<Outcome>) -> Entry {
    licensed(current(), kind, minute, outcome, "")
}

#[rstest]
#[case::it_is_open(tried(OpKind::Activate, NOW - 19, None), "Settling for 60 s")]
#[case::another_write_is_open(tried(OpKind::SetNotificationAddresses, NOW - 19, None), "Settling for 60 s")]
#[case::it_may_not_show_yet(tried(OpKind::Activate, NOW - 19, Some(Outcome::Applied)), "Replicating for 60 s")]
#[case::it_would_show(tried(OpKind::Activate, NOW - 20, Some(Outcome::Applied)), "license Activate of 1")]
#[case::another_write_was_done(tried(OpKind::AddSigningKey, NOW - 1, Some(Outcome::Applied)), "license Activate of 1")]
#[case::it_was_refused(tried(OpKind::Activate, NOW - 1, Some(Outcome::Refused)), "license Activate of 1")]
fn the_only_one_is_made_the_preferred_one_again_once_the_last_try_can_have_no_effect(#[case] current: Entry, #[case] expected: &str) {
    assert_eq!(step(&only([current], 1)), expected);
}

#[test]
fn a_certificate_that_no_read_shows_cannot_be_published() {
    let mut scene = scene(NOW, [current()]);
    let read = directory(&lasting(&[3]), None);
    scene.memory.saw_directory(read, BTreeMap::new(), Detail::WithKeys, None, at(NOW));
    assert_eq!(step(&scene), "SeveralPossibleSigners for 900 s");
}

#[rstest]
#[case::current_before_the_one_published_later(1, 9, "license Activate of 1")]
#[case::of_the_others_the_one_published_last(5, 9, "license Activate of 3")]
#[case::somebody_elses_among_them(1, 2, "SeveralPossibleSigners for 900 s")]
fn of_several_that_are_ours_the_one_that_is_meant_is_preferred(#[case] first: u8, #[case] foreign: u8, #[case] expected: &str) {
    let published = |n: u8, minute| Entry { published_at: Some(at(minute)), ..certificate(n, Use::Previous) };
    let mut entries = vec![certificate(1, Use::Current), published(2, 10), published(3, 20), certificate(5, Use::Abandoned)];
    entries.iter_mut().filter(|entry| entry.seq == u32::from(foreign)).for_each(|entry| entry.origin = Origin::Foreign);
    let scene = scene(NOW, entries).reads(&READS, &lasting(&[first, 2, 3]), "");
    assert_eq!(step(&scene), expected);
}

#[rstest]
#[case::entra(KeySource::Entra, "claim for AddTokenSigningCertificate")]
#[case::the_operator(KeySource::Operator { has_proof: false }, "look at FreshKey")]
fn the_key_comes_from_where_it_is_asked_to(#[case] source: KeySource, #[case] expected: &str) {
    let scene = scene(NOW, [current()]).asks(|signing| signing.key_source = source).reads(&READS, &lasting(&[1]), &name(1));
    assert!(step(&scene).starts_with(expected), "{}", step(&scene));
}
