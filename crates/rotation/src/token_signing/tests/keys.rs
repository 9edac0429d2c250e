//! Keys that were made here, on their way to Entra. Of numbers up to 9 every read shows the certificate.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::memory::FreshKey;
use crate::policy::KeySource;
use crate::reason::Cause;
use crate::sample::key_id;
use crate::token_signing::begin::begin;
use crate::token_signing::own_key::{bring, claim};

const NOW: i64 = 100;
/// Three reads that span LATE.
const READS: [i64; 3] = [NOW - 15, NOW - 8, NOW];
/// Two moments ago and now: enough where nothing valid can be lost.
const HURRIED: [i64; 3] = [NOW - 1, NOW, NOW];

fn own_link(n: u8) -> String {
    data_encoding::BASE64.encode(thumbprint(n).as_bytes())
}

/// The private half of the key `n` as it is listed, without its certificate.
fn private(n: u8) -> Value {
    let mut half = sign(n, 0, LASTING);
    (half["keyId"], half["customKeyIdentifier"]) = (json!(key_id(n + 20)), json!(own_link(n)));
    half
}

fn public(n: u8) -> Value {
    let mut half = sign(n, 0, LASTING);
    (half["usage"], half["customKeyIdentifier"]) = (json!("Verify"), json!(own_link(n)));
    half
}

/// An entry whose key was made here.
fn brought(n: u8, r#use: Use, kind: OpKind, minute: i64, outcome: Option<Outcome>) -> Entry {
    let signing = Signing { custom_key_identifier: Some(own_link(n)), ..certificate(n, r#use).signing().unwrap().clone() };
    let entry = Entry { key_ids: BTreeSet::from([key_id(n), key_id(n + 20)]), ..signing_entry(u32::from(n), r#use, signing) };
    licensed(entry, kind, minute, outcome, "")
}

fn with_key(mut scene: Scene, n: u8) -> Scene {
    let fresh = FreshKey { entry: EntryId::derive(UID, u32::from(n)), thumbprint: thumbprint(n), not_after: at(LASTING) };
    scene.memory.generated(fresh);
    scene
}

fn by(has_proof: bool) -> impl FnOnce(&mut SigningPolicy) {
    move |signing| signing.key_source = KeySource::Operator { has_proof }
}

fn hopeless(scene: Scene) -> Scene {
    scene.remembers(|memory| [0, 10, 15].into_iter().for_each(|minute| memory.proof_was_refused(at(minute))))
}

fn step(scene: &Scene, n: u8) -> String {
    scene.told(bring(&scene.case(), scene.entry(n), thumbprint(n)))
}

#[rstest]
#[case::with_a_proof(true, false, OpKind::AddSigningKey)]
#[case::with_a_proof_that_is_refused(true, true, OpKind::AddSigningByUpdate)]
#[case::without_one(false, false, OpKind::AddSigningByUpdate)]
fn a_key_is_claimed_and_sent_with_a_proof_where_there_is_one(#[case] has_proof: bool, #[case] refused: bool, #[case] kind: OpKind) {
    let prepared = |scene: Scene| if refused { hopeless(scene) } else { scene };
    let listed = &lasting(&[1]);
    let first = prepared(with_key(scene(NOW, [certificate(1, Use::Current)]), 10)).reads(&READS, listed, &name(1));
    let directory = first.memory.history().latest().unwrap();
    let Err(Halt::Step(claimed)) = claim(&first.case(), directory, Cause::Schedule, has_proof) else { panic!("nothing is claimed") };
    let Step::Note(Fact::Claimed(claimed)) = *claimed else { panic!("{claimed:?}") };
    assert_eq!((claimed.op, claimed.key_ids.len()), (Some(kind), if kind == OpKind::AddSigningKey { 0 } else { 2 }));
    let crate::ledger::Detail::TokenSigning(signing) = claimed.detail else { panic!("{:?}", claimed.detail) };
    assert_eq!(signing.display_name, Some(format!("CN=payroll-{}", claimed.id)));
    assert_eq!((signing.thumbprint, signing.custom_key_identifier), (Some(thumbprint(10)), Some(own_link(10))));

    let next = brought(2, Use::Next, OpKind::AddSigningKey, NOW, Some(Outcome::Refused));
    let scene = prepared(with_key(scene(NOW, [certificate(1, Use::Current), next]), 2)).asks(by(has_proof));
    assert_eq!(step(&scene.reads(&READS, listed, &name(1)), 2), format!("license {kind:?} of 2"));
}

#[rstest]
#[case::refused(Some(Outcome::Refused), NOW, &READS, "give 2 up")]
#[case::applied(Some(Outcome::Applied), NOW - 19, &READS, "Replicating for 60 s")]
#[case::applied_long_ago(Some(Outcome::Applied), NOW - 20, &READS, "give 2 up")]
#[case::applied_long_ago_and_not_read_often_enough(Some(Outcome::Applied), NOW - 20, &READS[1..], "Replicating for 60 s")]
#[case::applied_long_ago_and_read_before(Some(Outcome::Applied), NOW - 20, &[NOW - 40, NOW - 30, NOW], "Replicating for 60 s")]
#[case::open(None, NOW - 19, &READS, "Replicating for 60 s")]
#[case::over(None, NOW - 20, &READS, "give 2 up")]
fn a_key_that_no_process_has_is_given_up_unless_it_may_appear(
    #[case] outcome: Option<Outcome>,
    #[case] minute: i64,
    #[case] reads: &[i64],
    #[case] expected: &str,
) {
    let next = brought(2, Use::Next, OpKind::AddSigningKey, minute, outcome);
    let scene = scene(NOW, [certificate(1, Use::Current), next]).reads(reads, &lasting(&[1]), &name(1));
    assert_eq!(step(&scene, 2), expected);
}

#[rstest]
#[case::a_write_is_open(2, OpKind::AddSigningKey, NOW - 19, None, "Settling for 60 s")]
#[case::just_added(2, OpKind::AddSigningKey, NOW - 1, Some(Outcome::Applied), "license AddVerifyByUpdate of 2")]
#[case::it_may_not_show_yet(2, OpKind::AddVerifyByUpdate, NOW - 19, Some(Outcome::Applied), "Replicating for 60 s")]
#[case::it_would_show(2, OpKind::AddVerifyByUpdate, NOW - 20, Some(Outcome::Applied), "license AddVerifyByUpdate of 2")]
#[case::another_process_may_have_it(12, OpKind::AddSigningKey, NOW - 19, Some(Outcome::Applied), "Replicating for 60 s")]
#[case::nobody_has_it(12, OpKind::AddSigningKey, NOW - 20, Some(Outcome::Applied), "give 12 up")]
fn the_public_half_is_added_as_long_as_somebody_has_the_certificate(
    #[case] n: u8,
    #[case] kind: OpKind,
    #[case] minute: i64,
    #[case] outcome: Option<Outcome>,
    #[case] expected: &str,
) {
    let scene = scene(NOW, [certificate(1, Use::Current), brought(n, Use::Next, kind, minute, outcome)]);
    let scene = scene.reads(&READS, &[sign(1, 0, LASTING), private(n)], &name(1));
    assert_eq!(step(&scene, n), expected);
}

#[test]
fn the_key_in_memory_is_enough_to_add_its_public_half() {
    let next = brought(12, Use::Next, OpKind::AddSigningKey, NOW - 20, Some(Outcome::Applied));
    let scene = with_key(scene(NOW, [certificate(1, Use::Current), next]), 12);
    assert_eq!(step(&scene.reads(&READS, &[sign(1, 0, LASTING), private(12)], &name(1)), 12), "license AddVerifyByUpdate of 12");
}

#[rstest]
#[case::both_halves(&[private(2), public(2)], "nothing")]
#[case::somebody_elses_public_half(&[private(2), public(3)], "license AddVerifyByUpdate of 2")]
fn a_key_is_there_when_both_of_its_halves_are(#[case] keys: &[Value], #[case] expected: &str) {
    let next = brought(2, Use::Next, OpKind::AddSigningKey, NOW - 30, Some(Outcome::Applied));
    assert_eq!(step(&scene(NOW, [next]).reads(&READS, keys, ""), 2), expected);
}

#[test]
fn a_key_that_came_to_its_activation_is_brought_no_more() {
    let next = brought(2, Use::Next, OpKind::Activate, NOW - 30, Some(Outcome::Applied));
    assert_eq!(step(&scene(NOW, [next]).reads(&READS, &[private(2)], ""), 2), "nothing");
}

#[test]
fn names_that_the_ledger_does_not_hold_are_learnt_first() {
    let next = Entry { key_ids: BTreeSet::new(), ..brought(2, Use::Next, OpKind::AddSigningKey, NOW, Some(Outcome::Applied)) };
    assert_eq!(step(&scene(NOW, [next]).reads(&READS, &[private(2)], ""), 2), "identify 2");
}

#[rstest]
#[case::nothing_else(&[private(2)], "license AddVerifyByUpdate of 2")]
#[case::an_expired_one(&[private(2), sign(3, 0, NOW)], "license AddVerifyByUpdate of 2")]
#[case::a_valid_one(&[private(2), sign(3, 0, LASTING)], "Quieting for 300 s")]
fn a_list_is_not_waited_for_where_nothing_else_can_sign(#[case] keys: &[Value], #[case] expected: &str) {
    let next = brought(2, Use::Next, OpKind::AddSigningKey, NOW - 20, Some(Outcome::Applied));
    let told = step(&scene(NOW, [next]).reads(&HURRIED, keys, ""), 2);
    assert_eq!(told.split(' ').next(), expected.split(' ').next(), "{told}");
}

#[rstest]
#[case::a_private_half_that_was_given_up(12, &[private(12)], "claim for AddTokenSigningCertificate")]
#[case::a_private_half_of_somebody_else(13, &[private(12)], "SeveralPossibleSigners for 900 s")]
#[case::a_whole_certificate_that_was_given_up(2, &[private(2), public(2)], "license Activate of 2")]
fn a_private_half_that_was_given_up_is_nobody_who_signs(#[case] abandoned: u8, #[case] keys: &[Value], #[case] expected: &str) {
    let gone = brought(abandoned, Use::Abandoned, OpKind::AddSigningKey, NOW - 60, Some(Outcome::Applied));
    let scene = scene(NOW, [certificate(1, Use::Current), gone]).reads(&READS, keys, "");
    let directory = scene.memory.history().latest().unwrap();
    assert_eq!(scene.told(begin(&scene.case(), directory, Cause::CredentialGone)), expected);
}
