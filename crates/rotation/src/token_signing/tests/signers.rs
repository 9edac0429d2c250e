//! What an outside change means for the ledger, and what the output shows of whoever could sign.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::sample::key_id;
use crate::token_signing::{is_confirmed_signer, projection, watch_signer};

const NOW: i64 = 100;
/// Three reads that span LATE.
const READS: [i64; 3] = [NOW - 15, NOW - 8, NOW];

fn current() -> Entry {
    certificate(1, Use::Current)
}

#[rstest]
#[case::as_recorded(&[current()], &name(1), "nothing")]
#[case::its_successor(&[current(), certificate(2, Use::Next)], &name(2), "nothing")]
#[case::nothing_valid(&[current()], "F00D", "nothing")]
#[case::somebody_elses(&[current()], &name(3), "record the signer")]
#[case::somebody_elses_beside_the_first_one(&[certificate(2, Use::Next)], &name(3), "record the signer")]
#[case::before_there_is_any(&[certificate(4, Use::Abandoned)], &name(3), "nothing")]
#[case::the_previous_one(&[current(), certificate(3, Use::Previous)], &name(3), "reinstate 3")]
#[case::one_that_is_going(&[current(), certificate(3, Use::Retiring)], &name(3), "SignerContested for 900 s")]
fn an_outside_change_is_recorded_and_nothing_comes_back_from_retiring(
    #[case] entries: &[Entry],
    #[case] preferred: &str,
    #[case] expected: &str,
) {
    let scene = scene(NOW, entries.to_vec()).reads(&READS, &lasting(&[1, 2, 3]), preferred);
    assert_eq!(scene.told(watch_signer(&scene.case())), expected);
}

#[test]
fn an_outside_change_counts_by_three_reads_that_span_late() {
    let scene = scene(NOW, [current()]).reads(&READS[..2], &lasting(&[1, 3]), &name(1)).reads(&[NOW], &lasting(&[1, 3]), &name(3));
    assert_eq!(scene.told(watch_signer(&scene.case())), "Settling for 300 s");
}

#[rstest]
#[case::current(1, "nothing")]
#[case::another(2, "record the signer")]
fn what_is_pinned_and_current_is_the_pins_to_keep(#[case] pinned: u8, #[case] expected: &str) {
    let scene = scene(NOW, [current()]).asks(|signing| signing.pinned = Some(thumbprint(pinned)));
    let scene = scene.reads(&READS, &lasting(&[1, 2, 3]), &name(3));
    assert_eq!(scene.told(watch_signer(&scene.case())), expected);
}

#[test]
fn one_that_is_going_signs_on_where_current_is_gone() {
    let scene = scene(NOW, [current(), certificate(3, Use::Retiring)]).reads(&READS, &lasting(&[3]), &name(3));
    assert_eq!(scene.told(watch_signer(&scene.case())), "nothing");
}

#[rstest]
#[case::preferred(&[1, 2], &name(1), 2, "nothing")]
#[case::the_only_one(&[1], "", 2, "nothing")]
#[case::one_of_several(&[1, 2], "", 2, "Settling for 300 s")]
#[case::not_preferred(&[1, 2, 3], &name(3), 2, "Settling for 300 s")]
#[case::what_leaves_signs(&[1, 2], &name(2), 2, "Settling for 300 s")]
#[case::what_leaves_is_current_by_its_bytes(&[1], &name(1), 1, "Settling for 300 s")]
fn nothing_passes_the_door_unless_current_alone_signs(
    #[case] listed: &[u8],
    #[case] preferred: &str,
    #[case] leaving: u8,
    #[case] expected: &str,
) {
    let leaving = Entry { seq: 5, ..certificate(leaving, Use::Previous) };
    let scene = scene(NOW, [current(), leaving.clone()]).reads(&READS, &lasting(listed), preferred);
    assert_eq!(scene.told(is_confirmed_signer(&scene.case(), scene.entry(1), &leaving)), expected);
}

fn shown(scene: &Scene) -> Option<Projection> {
    projection(&scene.case(), scene.entry(1)).unwrap()
}

fn bundle(scene: &Scene) -> BTreeSet<entra_types::Thumbprint> {
    shown(scene).unwrap().bundle
}

/// Another one's Sign entry, the certificate of which no read shows.
fn unread() -> Value {
    let mut entry = sign(9, 0, LASTING);
    entry["keyId"] = json!(key_id(30));
    entry
}

fn verify(n: u8) -> Value {
    let mut entry = sign(n, 0, LASTING);
    entry["usage"] = json!("Verify");
    entry
}

#[rstest]
#[case::one_read_misses_it(&READS[2..], &lasting(&[1]), true)]
#[case::three_reads_miss_it(&READS, &lasting(&[1]), false)]
#[case::it_is_listed_without_a_private_half(&READS, &[sign(1, 0, LASTING), verify(3)], true)]
#[case::it_may_be_behind_an_entry_that_shows_no_certificate(&READS, &[sign(1, 0, LASTING), unread()], true)]
#[case::it_is_not_behind_an_entry_whose_other_half_is_read(&READS, &[sign(1, 0, LASTING), unread(), verify(9)], false)]
#[case::nothing_was_read(&[], &[], true)]
fn one_leaves_the_bundle_only_when_it_is_sure_to_be_gone(#[case] reads: &[i64], #[case] keys: &[Value], #[case] stays: bool) {
    let scene = scene(NOW, [current()]).reads(&[0], &lasting(&[1, 3]), &name(1)).shows(1, None, &[1, 3]);
    let scene = if reads.is_empty() { scene } else { scene.reads(reads, keys, &name(1)) };
    assert_eq!(bundle(&scene).contains(&thumbprint(3)), stays);
}

#[test]
fn one_leaves_the_bundle_as_it_expires() {
    let at_minute = |minute| scene(minute, [current()]).reads(&[0], &[sign(1, 0, LASTING)], &name(1)).shows(1, None, &[1, 3]);
    assert!(bundle(&at_minute(99_999)).contains(&thumbprint(3)));
    assert!(!bundle(&at_minute(100_000)).contains(&thumbprint(3)));
}

#[test]
fn what_was_shown_before_this_process_read_anything_stays() {
    let scene = scene(NOW, [current()]).shows(1, None, &[1, 3]);
    assert_eq!(bundle(&scene), thumbprints(&[1, 3]));
}

#[test]
fn of_a_certificate_that_no_read_shows_nothing_is_published() {
    let entries = [current(), certificate(12, Use::Next), certificate(13, Use::Previous)];
    let scene = scene(NOW, entries).reads(&READS, &lasting(&[1]), &name(1));
    let known = shown(&scene).unwrap();
    assert_eq!((known.bundle, known.next, known.previous), (thumbprints(&[1]), None, None));
    let unread = scene.remembers(Memory::begin_pass);
    assert_eq!(unread.told(projection(&unread.case(), unread.entry(1)).map(drop)), "read the object");
}

#[test]
fn a_current_certificate_that_no_read_shows_is_not_published() {
    let mut scene = scene(NOW, []).reads(&READS, &[], "");
    scene.ledger.entries.push(certificate(12, Use::Current));
    assert_eq!(projection(&scene.case(), scene.entry(12)).unwrap(), None);
}

#[test]
fn a_key_on_its_way_costs_no_reads_before_it_is_there() {
    let next = licensed(certificate(12, Use::Next), OpKind::AddSigningKey, NOW, None, "");
    let scene = scene(NOW, [current(), next]).reads(&READS, &lasting(&[1]), &name(1)).remembers(Memory::begin_pass);
    assert_eq!((bundle(&scene), shown(&scene).unwrap().next), (thumbprints(&[1]), None));
}

#[test]
fn the_successor_the_previous_one_and_the_one_that_is_going_are_shown() {
    let entries = [current(), certificate(2, Use::Next), certificate(3, Use::Previous), certificate(4, Use::Retiring)];
    let scene = scene(NOW, entries).reads(&READS, &lasting(&[1, 5]), &name(1));
    let all = shown(&scene).unwrap();
    assert_eq!((all.next, all.previous, all.bundle), (Some(thumbprint(2)), Some(thumbprint(4)), thumbprints(&[1, 2, 3, 4, 5])));
}

#[test]
fn what_was_made_for_an_entry_is_shown_once_the_ledger_knows_it() {
    let asked = Signing::named("CN=2".to_owned(), at(LASTING).to_rfc3339());
    let next = licensed(signing_entry(2, Use::Next, asked), OpKind::AddTokenSigningCertificate, NOW, None, "");
    let scene = scene(NOW, [current(), next]).reads(&READS, &lasting(&[1, 2]), &name(1));
    assert_eq!(bundle(&scene), thumbprints(&[1]));
}

#[test]
fn what_signs_and_was_not_read_yet_is_looked_for_again_before_long() {
    let mut scene = scene(NOW, [certificate(10, Use::Current)]).reads(&[NOW], &lasting(&[1]), &name(1));
    scene.memory.saw_output(Output::Absent, vec![], at(NOW));
    let Step::Rest(rest) = crate::next(&scene.case()) else { panic!("{:?}", crate::next(&scene.case())) };
    assert_eq!((rest.until, rest.why), (at(NOW + 5), Wait::Replicating));
}
