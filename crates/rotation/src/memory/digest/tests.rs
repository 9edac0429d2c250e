//! States that may go on in different ways have different digests, and states that cannot have the same.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::DefaultHasher;

use rstest::rstest;

use super::*;
use crate::id::EntryId;
use crate::ledger::SlotName;
use crate::memory::{Answer, Output, SignInResult};
use crate::policy::Limits;
use crate::sample::{UID, at, certificate, directory, facts, key_id, listed, policy};

/// LATE is a quarter of an hour; what was read more than seventy minutes before is as good as never told apart.
const NOW: i64 = 1_000;

/// Of keyIds only those below five can still be met.
fn digest_of(memory: &Memory, policy: &Policy, is_in_pass: bool) -> u64 {
    let mut state = DefaultHasher::new();
    let lives = |id: &KeyId| (0..5).any(|n| key_id(n) == *id);
    memory.digest(policy, at(NOW), is_in_pass, ["nonce"], lives, &mut state);
    state.finish()
}

fn digest(change: impl FnOnce(&mut Memory)) -> u64 {
    digest_of(&having(change), &certificate(), false)
}

fn having(change: impl FnOnce(&mut Memory)) -> Memory {
    let mut memory = Memory::new(at(0));
    change(&mut memory);
    memory
}

/// A read of these keyIds at that minute.
fn read(memory: &mut Memory, detail: Detail, minute: i64, ids: &[u8]) {
    read_at(memory, detail, at(minute), ids);
}

fn read_at(memory: &mut Memory, detail: Detail, now: Time, ids: &[u8]) {
    let keys: Vec<_> = ids.iter().map(|n| listed(*n)).collect();
    let certificates = if detail == Detail::WithKeys { facts(ids.iter().copied()) } else { BTreeMap::new() };
    memory.saw_directory(directory(&keys, None), certificates, detail, None, now);
}

fn id() -> EntryId {
    EntryId::derive(UID, 1)
}

type See = fn(&mut Memory);

#[rstest]
#[case::the_object(|memory: &mut Memory| read(memory, Detail::WithKeys, 990, &[1]))]
#[case::the_output(|memory: &mut Memory| memory.saw_output(Output::Absent, vec![], at(990)))]
#[case::a_slot(|memory: &mut Memory| memory.saw_slot(SlotName::A, None, at(990)))]
#[case::a_sign_in(|memory: &mut Memory| memory.saw_sign_in(&id(), SignInResult::Accepted, at(990)))]
#[case::the_metadata(|memory: &mut Memory| memory.saw_metadata(BTreeSet::new(), at(990)))]
fn what_was_seen_in_this_pass_is_told_from_what_was_seen_before_as_long_as_the_pass_goes_on(#[case] see: See) {
    let before = having(|memory| {
        see(memory);
        memory.begin_pass();
    });
    let within = having(|memory| {
        memory.begin_pass();
        see(memory);
    });
    let of = |memory, is_in_pass| digest_of(memory, &certificate(), is_in_pass);
    assert_ne!(of(&before, true), of(&within, true));
    assert_eq!(of(&before, false), of(&within, false));
    assert_eq!(of(&before, true), of(&before, false), "a pass begins with nothing live");
}

#[rstest]
#[case::never_read(None, [false, false])]
#[case::read_without_the_certificates(Some(Detail::Plain), [true, false])]
#[case::audited(Some(Detail::WithKeys), [true, true])]
fn the_time_of_birth_is_told_until_the_first_audit(#[case] detail: Option<Detail>, #[case] same: [bool; 2]) {
    let born = |minute| {
        let mut memory = Memory::new(at(minute));
        detail.into_iter().for_each(|detail| read(&mut memory, detail, 990, &[1]));
        memory
    };
    let is_same = |policy: Policy| digest_of(&born(0), &policy, false) == digest_of(&born(5), &policy, false);
    assert_eq!([policy(Kind::ClientSecret), certificate()].map(is_same), same, "of a secret, of a certificate");
}

fn accepted(memory: &mut Memory, seconds_ago: impl IntoIterator<Item = i64>) {
    signed_in(memory, SignInResult::Accepted, seconds_ago);
}

fn signed_in(memory: &mut Memory, result: SignInResult, seconds_ago: impl IntoIterator<Item = i64>) {
    let now = at(NOW);
    seconds_ago.into_iter().for_each(|ago| memory.saw_sign_in(&id(), result, now - TimeDelta::seconds(ago)));
}

fn limited(memory: &mut Memory, hours_ago: i64) {
    memory.saw_limits(Some(Limits::default()), at(NOW) - TimeDelta::hours(hours_ago));
}

fn applied(memory: &mut Memory) {
    memory.answered("nonce", Answer::Applied(None));
}

#[rstest]
#[case::when_it_was_read(|memory: &mut Memory| read(memory, Detail::Plain, 950, &[1]), |memory: &mut Memory| read(memory, Detail::Plain, 960, &[1]))]
#[case::what_was_read(|memory: &mut Memory| read(memory, Detail::Plain, 990, &[7]), |memory: &mut Memory| read(memory, Detail::Plain, 990, &[8]))]
#[case::that_something_was_read(|memory: &mut Memory| read(memory, Detail::Plain, 990, &[7]), |_: &mut Memory| {})]
#[case::a_recent_write_of_the_output(|memory: &mut Memory| memory.publishing(at(NOW - 59)), |_: &mut Memory| {})]
#[case::limits_that_must_be_read_again(|memory: &mut Memory| limited(memory, 23), |memory: &mut Memory| limited(memory, 24))]
#[case::an_answer(applied, |_: &mut Memory| {})]
#[case::a_licence(|memory: &mut Memory| memory.licensing("nonce"), |_: &mut Memory| {})]
#[case::a_read_after_an_answer(
    |memory: &mut Memory| {
        applied(memory);
        read(memory, Detail::Plain, 990, &[1]);
    },
    |memory: &mut Memory| {
        read(memory, Detail::Plain, 990, &[1]);
        applied(memory);
    }
)]
#[case::how_much_a_read_after_an_answer_shows(
    |memory: &mut Memory| {
        read(memory, Detail::WithKeys, 990, &[1]);
        applied(memory);
        read(memory, Detail::Plain, 990, &[1]);
    },
    |memory: &mut Memory| {
        read(memory, Detail::WithKeys, 990, &[1]);
        applied(memory);
        read(memory, Detail::WithKeys, 990, &[1]);
    }
)]
#[case::whose_a_credential_is(|memory: &mut Memory| memory.others_own(BTreeSet::from([key_id(1)])), |_: &mut Memory| {})]
#[case::how_the_last_sign_in_ended(
    |memory: &mut Memory| signed_in(memory, SignInResult::Refused, [60]),
    |memory: &mut Memory| accepted(memory, [60])
)]
#[case::when_an_unfinished_proof_began(|memory: &mut Memory| accepted(memory, [200, 60]), |memory: &mut Memory| accepted(memory, [300, 60]))]
#[case::when_the_last_sign_in_was(|memory: &mut Memory| accepted(memory, [60]), |memory: &mut Memory| accepted(memory, [90]))]
fn what_a_decision_can_depend_on_is_told(#[case] one: See, #[case] other: See) {
    assert_ne!(digest(one), digest(other));
}

#[rstest]
#[case::when_it_was_read_long_ago(
    |memory: &mut Memory| read(memory, Detail::WithKeys, 800, &[1]),
    |memory: &mut Memory| read(memory, Detail::WithKeys, 900, &[1])
)]
#[case::an_old_write_of_the_output(|memory: &mut Memory| memory.publishing(at(NOW - 60)), |_: &mut Memory| {})]
#[case::when_limits_were_read(|memory: &mut Memory| limited(memory, 1), |memory: &mut Memory| limited(memory, 23))]
#[case::when_limits_must_be_read_again(|memory: &mut Memory| limited(memory, 24), |memory: &mut Memory| limited(memory, 25))]
#[case::an_answer_that_no_ledger_names(|memory: &mut Memory| memory.answered("another", Answer::Refused), |_: &mut Memory| {})]
#[case::whose_a_credential_was_that_never_comes_back(
    |memory: &mut Memory| memory.others_own(BTreeSet::from([key_id(9)])),
    |_: &mut Memory| {}
)]
#[case::how_it_was_proven(
    |memory: &mut Memory| accepted(memory, [300, 240, 180, 120, 60]),
    |memory: &mut Memory| accepted(memory, [290, 250, 180, 120, 60])
)]
#[case::when_it_was_proven_long_ago(
    |memory: &mut Memory| accepted(memory, (0..5).map(|n| 9_000 - 60 * n)),
    |memory: &mut Memory| accepted(memory, (0..5).map(|n| 5_000 - 60 * n))
)]
fn what_no_decision_depends_on_is_not_told(#[case] one: See, #[case] other: See) {
    assert_eq!(digest(one), digest(other));
}

/// Reads as minute and whether the list is the one that is read at last; before them, another list or another one.
#[rstest]
#[case::three_that_span_late(&[950, 960, 970], true)]
#[case::two_that_do(&[950, 970], false)]
#[case::three_that_do_not(&[956, 960, 970], false)]
fn what_was_read_before_three_equal_reads_that_span_late_is_not_told(#[case] reads: &[i64], #[case] same: bool) {
    let after = |first: u8| {
        digest(|memory| {
            read(memory, Detail::Plain, 940, &[first]);
            reads.iter().for_each(|minute| read(memory, Detail::Plain, *minute, &[1]));
        })
    };
    assert_eq!(after(7) == after(8), same);
}

/// The list alternates until the first reads of it are forgotten; a keyId came to it that many seconds before the first of those that are not.
fn first_met(seconds: i64) -> u64 {
    digest(|memory| {
        let start = at(960);
        read(memory, Detail::Plain, 950, &[1]);
        read_at(memory, Detail::Plain, start - TimeDelta::seconds(seconds), &[1, 2]);
        for n in 0..20 {
            let ids: &[u8] = if n % 2 == 0 { &[1, 2, 3] } else { &[1, 2] };
            read_at(memory, Detail::Plain, start + TimeDelta::seconds(n), ids);
        }
    })
}

#[test]
fn when_a_keyid_was_first_met_is_told_for_as_long_as_it_is_news() {
    assert_ne!(first_met(30), first_met(60));
    let known_for = |minutes: i64| {
        digest(|memory| {
            read(memory, Detail::Plain, 970 - minutes, &[1]);
            [950, 960, 970].into_iter().for_each(|minute| read(memory, Detail::Plain, minute, &[1, 3]));
        })
    };
    assert_eq!(known_for(30), known_for(35));
}
