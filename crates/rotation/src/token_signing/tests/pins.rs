//! A person pinned a certificate; and whom Entra mails meanwhile.

use rstest::rstest;

use super::*;
use crate::token_signing::{notify, obey_pin};

const NOW: i64 = 100;
/// Three reads that span LATE.
const READS: [i64; 3] = [NOW - 15, NOW - 8, NOW];

fn pinning(n: u8, entries: impl IntoIterator<Item = Entry>) -> Scene {
    scene(NOW, entries).asks(|signing| signing.pinned = Some(thumbprint(n))).shows(1, None, &[1, 2, 3])
}

fn step(scene: &Scene) -> String {
    scene.told(obey_pin(&scene.case()))
}

fn current() -> Entry {
    certificate(1, Use::Current)
}

#[rstest]
#[case::that_is_the_pinned_one(2, "identify 2")]
#[case::that_is_another(3, "record what was found")]
fn what_was_made_for_an_entry_gets_its_names_before_it_is_taken_for_somebody_elses(#[case] pinned: u8, #[case] expected: &str) {
    let made = Signing::named("CN=2".to_owned(), at(LASTING).to_rfc3339());
    let next = licensed(signing_entry(2, Use::Next, made), OpKind::AddTokenSigningCertificate, NOW, None, "");
    assert_eq!(step(&pinning(pinned, [current(), next]).reads(&READS, &lasting(&[1, 2, 3]), &name(1))), expected);
}

#[rstest]
#[case::preferred_at_first_contact(pinning(3, []).reads(&READS, &lasting(&[3]), &name(3)), "record the signer")]
#[case::at_first_contact(pinning(3, []).reads(&READS, &lasting(&[3, 4]), &name(4)), "record what was found")]
#[case::preferred_beside_current(pinning(3, [current()]).reads(&READS, &lasting(&[1, 3]), &name(3)), "record what was found")]
#[case::not_listed(pinning(3, [current()]).reads(&READS, &lasting(&[1]), &name(1)), "PinNotUsable for 900 s")]
#[case::expired(pinning(3, [current()]).reads(&READS, &[sign(1, 0, LASTING), sign(3, 0, NOW)], &name(1)), "PinNotUsable for 900 s")]
fn a_pinned_certificate_that_is_in_no_ledger_is_recorded_if_it_can_sign(#[case] scene: Scene, #[case] expected: &str) {
    assert_eq!(step(&scene), expected);
}

#[rstest]
#[case::it_began_then(50, "record what was found")]
#[case::it_began_before(51, "PinNotUsable for 900 s")]
#[case::in_a_moment(NOW + 1, "record what was found")]
#[case::now(NOW, "PinNotUsable for 900 s")]
fn a_pinned_certificate_that_began_before_what_is_revoked_is_not_usable(#[case] bound: i64, #[case] expected: &str) {
    let mut scene = pinning(3, [current()]).reads(&READS, &[sign(1, 0, LASTING), sign(3, 50, LASTING)], &name(1));
    scene.policy.revoke_issued_before = Some(at(bound));
    assert_eq!(step(&scene), expected);
}

#[rstest]
#[case::which_signs(&READS, &name(1), "nothing")]
#[case::which_one_read_does_not_prefer(&READS[2..], &name(3), "Settling for 300 s")]
#[case::which_three_reads_do_not_prefer(&READS, &name(3), "license Activate of 1")]
#[case::before_any_read(&[], "", "nothing")]
fn a_pinned_current_certificate_is_set_again_where_that_is_sure(#[case] reads: &[i64], #[case] preferred: &str, #[case] expected: &str) {
    let scene = pinning(1, [current()]).reads(reads, &lasting(&[1, 3]), preferred);
    assert_eq!(step(&scene), expected);
}

#[test]
fn a_pin_on_current_ends_the_rotation() {
    assert_eq!(step(&pinning(1, [current(), certificate(2, Use::Next)])), "reinstate 1");
}

fn previous(kind: OpKind, minute: i64, outcome: Option<Outcome>, from: &str) -> Entry {
    licensed(certificate(2, Use::Previous), kind, minute, outcome, from)
}

#[rstest]
#[case::an_earlier_process_was_told(previous(OpKind::Activate, NOW, Some(Outcome::Applied), ""), false, "Settling for 300 s")]
#[case::this_process_was_told(previous(OpKind::Activate, NOW, None, ""), true, "reinstate 2")]
#[case::this_process_was_told_of_another_write(previous(OpKind::SetNotificationAddresses, NOW, None, ""), true, "Settling for 300 s")]
#[case::nothing_was_written(certificate(2, Use::Previous), false, "Settling for 300 s")]
fn a_pinned_certificate_that_one_read_prefers_is_current_if_we_were_told(
    #[case] previous: Entry,
    #[case] told: bool,
    #[case] expected: &str,
) {
    let scene = pinning(2, [current(), previous.clone()]).remembers(|memory| {
        if told {
            answered(memory, &previous, Answer::Applied(None));
        }
    });
    assert_eq!(step(&scene.reads(&[NOW], &lasting(&[1, 2]), &name(2))), expected);
}

fn ended(entry: Entry) -> Entry {
    Entry { not_after: Some(at(NOW)), ..entry }
}

#[rstest]
#[case::it_can_sign(certificate(2, Use::Previous), &READS, &lasting(&[1, 2]), "license Activate of 2")]
#[case::by_the_ledger_it_has_ended(ended(certificate(2, Use::Previous)), &READS, &lasting(&[1, 2]), "PinNotUsable for 900 s")]
#[case::by_the_object_it_has_ended(
    certificate(2, Use::Previous), &READS, &[sign(1, 0, LASTING), sign(2, 0, NOW)], "PinNotUsable for 900 s")]
#[case::one_read_misses_it(certificate(2, Use::Previous), &READS[2..], &lasting(&[1]), "Replicating for 300 s")]
#[case::three_reads_miss_it(certificate(2, Use::Previous), &READS, &lasting(&[1]), "PinNotUsable for 900 s")]
#[case::it_is_listed_under_other_names(
    Entry { key_ids: BTreeSet::from([crate::sample::key_id(8)]), ..certificate(2, Use::Previous) },
    &READS, &lasting(&[1, 2]), "license Activate of 2")]
fn a_pinned_certificate_of_the_ledger_is_made_to_sign_if_it_can(
    #[case] previous: Entry,
    #[case] reads: &[i64],
    #[case] keys: &[Value],
    #[case] expected: &str,
) {
    assert_eq!(step(&pinning(2, [current(), previous]).reads(reads, keys, &name(1))), expected);
}

#[rstest]
#[case::it_is_open(previous(OpKind::Activate, NOW - 19, None, &name(1)), "Replicating for 60 s")]
#[case::another_write_is_open(previous(OpKind::AddVerifyByUpdate, NOW - 19, None, ""), "Settling for 60 s")]
#[case::it_may_not_show_yet(previous(OpKind::Activate, NOW - 19, Some(Outcome::Applied), &name(1)), "Replicating for 60 s")]
#[case::it_was_set_and_changed(previous(OpKind::Activate, NOW - 20, Some(Outcome::Applied), &name(1)), "SignerContested for 900 s")]
#[case::it_is_over_without_an_effect(previous(OpKind::Activate, NOW - 20, None, &name(1)), "license Activate of 2")]
#[case::it_is_over_and_something_else_was_chosen(previous(OpKind::Activate, NOW - 20, None, &name(3)), "SignerContested for 900 s")]
#[case::it_was_refused(previous(OpKind::Activate, NOW - 1, Some(Outcome::Refused), &name(3)), "license Activate of 2")]
#[case::another_write_was_done(previous(OpKind::AddVerifyByUpdate, NOW - 1, Some(Outcome::Applied), ""), "license Activate of 2")]
fn a_pinned_certificate_is_set_once_and_again_only_where_that_had_no_effect(#[case] previous: Entry, #[case] expected: &str) {
    assert_eq!(step(&pinning(2, [current(), previous]).reads(&READS, &lasting(&[1, 2, 3]), &name(1))), expected);
}

#[rstest]
#[case::before_current_was_published(Some(NOW - 20), "license Activate of 2")]
#[case::after_it(Some(NOW - 21), "SignerContested for 900 s")]
#[case::while_current_is_being_published(None, "license Activate of 2")]
fn a_pin_is_contested_by_what_changed_since_current_was_published(#[case] published: Option<i64>, #[case] expected: &str) {
    let current = Entry { published_at: published.map(at), ..current() };
    let entries = [current, previous(OpKind::Activate, NOW - 20, Some(Outcome::Applied), &name(1))];
    assert_eq!(step(&pinning(2, entries).reads(&READS, &lasting(&[1, 2, 3]), &name(1))), expected);
}

#[rstest]
#[case::an_activation(OpKind::Activate, "Busy for 60 s")]
#[case::another_write(OpKind::SetNotificationAddresses, "license Activate of 2")]
fn an_open_activation_of_another_certificate_is_waited_for(#[case] kind: OpKind, #[case] expected: &str) {
    let entries = [licensed(current(), kind, NOW - 19, None, ""), certificate(2, Use::Previous)];
    assert_eq!(step(&pinning(2, entries).reads(&READS, &lasting(&[1, 2]), &name(1))), expected);
}

#[rstest]
#[case::shown(pinning(2, [current(), certificate(2, Use::Previous)]), "license Activate of 2")]
#[case::not_shown(pinning(2, [current(), certificate(2, Use::Previous)]).shows(1, None, &[1]), "Busy for 15 s")]
#[case::not_looked_at(pinning(2, [current(), certificate(2, Use::Previous)]).remembers(Memory::begin_pass), "look at Output")]
#[case::nothing_is_published(pinning(2, [certificate(2, Use::Previous)]).remembers(Memory::begin_pass), "license Activate of 2")]
fn a_pinned_certificate_signs_once_the_output_is_seen_to_show_it(#[case] scene: Scene, #[case] expected: &str) {
    assert_eq!(step(&scene.reads(&READS, &lasting(&[1, 2]), &name(1))), expected);
}

#[rstest]
#[case::the_one_that_signs(Some(1), "license SetNotificationAddresses of 1")]
#[case::another_one(Some(3), "nothing")]
#[case::none(None, "license SetNotificationAddresses of 1")]
fn addresses_are_set_unless_the_record_of_a_pin_is_still_needed(#[case] pinned: Option<u8>, #[case] expected: &str) {
    let mailing = |signing: &mut SigningPolicy| {
        signing.pinned = pinned.map(thumbprint);
        signing.notification_addresses = Some(BTreeSet::from(["a@example.org".to_owned()]));
    };
    let scene = scene(NOW, [current()]).asks(mailing).reads(&READS, &lasting(&[1, 3]), &name(1));
    assert_eq!(scene.told(notify(&scene.case())), expected);
}

#[rstest]
#[case::an_activation_that_may_not_show_yet(OpKind::Activate, NOW - 19, Some(Outcome::Applied), "Settling for 60 s")]
#[case::an_activation_that_shows(OpKind::Activate, NOW - 20, Some(Outcome::Applied), "license SetNotificationAddresses of 1")]
#[case::an_activation_that_was_refused(OpKind::Activate, NOW - 1, Some(Outcome::Refused), "license SetNotificationAddresses of 1")]
#[case::an_update_that_may_not_show_yet(OpKind::SetNotificationAddresses, NOW - 19, Some(Outcome::Applied), "nothing")]
#[case::an_update_that_would_show(OpKind::SetNotificationAddresses, NOW - 20, Some(Outcome::Applied), "license SetNotificationAddresses of 1")]
#[case::an_update_that_is_open(OpKind::SetNotificationAddresses, NOW - 19, None, "nothing")]
#[case::an_update_that_was_refused(OpKind::SetNotificationAddresses, NOW - 1, Some(Outcome::Refused), "license SetNotificationAddresses of 1")]
fn addresses_are_set_when_the_last_write_shows_or_was_refused(
    #[case] kind: OpKind,
    #[case] minute: i64,
    #[case] outcome: Option<Outcome>,
    #[case] expected: &str,
) {
    let mailing = |signing: &mut SigningPolicy| signing.notification_addresses = Some(BTreeSet::from(["a@example.org".to_owned()]));
    let scene = scene(NOW, [licensed(current(), kind, minute, outcome, "")]).asks(mailing).reads(&READS, &lasting(&[1]), &name(1));
    assert_eq!(scene.told(notify(&scene.case())), expected);
}
