//! Up to the moment in which the successor signs.

use rstest::rstest;

use super::*;
use crate::token_signing::activate::activate;
use crate::token_signing::is_chosen;

/// How far the last licensed write is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Unsent,
    Refused,
    /// By the record of an earlier process.
    Applied,
    /// As this process was told.
    Told,
    Open,
    Over,
}

/// Certificate 1 is Current and 2 its successor, whose activation, licensed in place of `from`, has come so far.
fn activating(minute: i64, state: State, from: &str) -> Scene {
    scene_with(certificate(1, Use::Current), minute, OpKind::Activate, state, from)
}

fn scene_with(current: Entry, minute: i64, kind: OpKind, state: State, from: &str) -> Scene {
    let outcome = match state {
        State::Refused => Some(Outcome::Refused),
        State::Applied => Some(Outcome::Applied),
        _ => None,
    };
    let since = match state {
        State::Unsent => minute,
        State::Over => minute - 20,
        _ => minute - 19,
    };
    let next = licensed(certificate(2, Use::Next), kind, since, outcome, from);
    scene(minute, [current, next.clone()]).remembers(|memory| match state {
        State::Unsent => memory.licensing(&nonce(&next)),
        State::Told => answered(memory, &next, Answer::Applied(None)),
        _ => {}
    })
}

fn step(scene: &Scene) -> String {
    let next = scene.entry(2);
    scene.told(activate(&scene.case(), next, next.signing().unwrap(), thumbprint(2)))
}

#[rstest]
#[case::before_its_activation(OpKind::AddTokenSigningCertificate, State::Applied, 1, false)]
#[case::not_sent(OpKind::Activate, State::Unsent, 1, false)]
#[case::refused(OpKind::Activate, State::Refused, 1, false)]
#[case::applied(OpKind::Activate, State::Applied, 1, true)]
#[case::open(OpKind::Activate, State::Open, 1, true)]
#[case::over(OpKind::Activate, State::Over, 1, true)]
#[case::somebody_elses_doing(OpKind::AddTokenSigningCertificate, State::Applied, 2, true)]
#[case::refused_and_preferred(OpKind::Activate, State::Refused, 2, true)]
fn a_successor_may_sign_already_where_its_activation_may_have_had_its_effect(
    #[case] kind: OpKind,
    #[case] state: State,
    #[case] preferred: u8,
    #[case] chosen: bool,
) {
    let scene = scene_with(certificate(1, Use::Current), 60, kind, state, "").reads(&[60], &lasting(&[1, 2]), &name(preferred));
    assert_eq!(is_chosen(&scene.case(), scene.entry(2)), chosen);
}

/// After half of its life Current is due.
const DUE: i64 = 9_000;

#[rstest]
#[case::by_a_newer_one(foreign(3, Use::Current), State::Applied, 60, true)]
#[case::by_an_older_one(foreign(1, Use::Current), State::Applied, 60, false)]
#[case::by_one_of_ours(certificate(3, Use::Current), State::Applied, 60, false)]
#[case::while_a_write_is_open(foreign(3, Use::Current), State::Open, 60, false)]
#[case::by_one_that_needs_a_successor(foreign(3, Use::Current), State::Applied, DUE, false)]
fn a_successor_is_given_up_where_somebody_elses_newer_certificate_took_its_place(
    #[case] current: Entry,
    #[case] state: State,
    #[case] minute: i64,
    #[case] overtaken: bool,
) {
    let preferred = current.thumbprint().unwrap().to_string();
    let scene = scene_with(current, minute, OpKind::AddTokenSigningCertificate, state, "");
    let scene = scene.reads(&[minute], &lasting(&[1, 2, 3]), &preferred);
    assert_eq!(step(&scene) == "give 2 up", overtaken, "{}", step(&scene));
}

/// Everything that an activation waits for has passed.
fn ready() -> Scene {
    scene(SOAKED + 1, [certificate(1, Use::Current), certificate(2, Use::Next)])
}

/// The ledger holds it past its end.
fn expired_current() -> Scene {
    let current = Entry { not_after: Some(at(SOAKED)), ..certificate(1, Use::Current) };
    scene(SOAKED + 1, [current, certificate(2, Use::Next)])
}

fn first_one() -> Scene {
    scene(SOAKED + 1, [certificate(2, Use::Next)])
}

fn as_read(scene: Scene, preferred: &str) -> Scene {
    let minute = scene.minute;
    scene.reads(&[minute], &lasting(&[1, 2, 3]), preferred)
}

#[rstest]
#[case::the_output_shows_it(as_read(ready().shows(1, Some(2), &[1, 2]), &name(1)), "license Activate of 2")]
#[case::the_output_does_not_show_it(as_read(ready().shows(1, None, &[1]), &name(1)), "Soaking for 15 s")]
#[case::the_output_shows_another(as_read(ready().shows(1, Some(3), &[1, 3]), &name(1)), "Soaking for 15 s")]
#[case::the_output_was_deleted(as_read(ready().remembers(|memory| memory.saw_output(Output::Absent, vec![], at(SOAKED + 1))), &name(1)), "license Activate of 2")]
#[case::current_has_expired(as_read(expired_current().shows(1, None, &[1]), ""), "license Activate of 2")]
#[case::nothing_is_published_yet(as_read(first_one(), ""), "license Activate of 2")]
#[case::the_output_was_not_read_in_this_pass(
    as_read(ready().shows(1, Some(2), &[1, 2]).remembers(Memory::begin_pass), &name(1)), "look at Output")]
#[case::somebody_elses_is_preferred(as_read(ready().shows(1, Some(2), &[1, 2]), &name(3)), "Settling for 300 s")]
fn an_activation_replaces_what_the_ledger_knows_by_what_the_output_shows(#[case] scene: Scene, #[case] expected: &str) {
    assert_eq!(step(&scene), expected);
}

#[test]
fn what_is_preferred_by_the_time_of_another_licence_is_promoted() {
    let scene = activating(SOAKED + 1, State::Refused, &name(1)).shows(1, Some(2), &[1, 2]);
    assert_eq!(step(&as_read(scene, &name(2))), "promote 2");
}

#[rstest]
#[case::listed_but_expired(&[SOAKED + 1], &[sign(1, 0, LASTING), sign(2, 0, SOAKED)], "Replicating for 60 s")]
#[case::not_listed(&[SOAKED + 1], &[sign(1, 0, LASTING)], "Settling for 300 s")]
#[case::not_listed_by_three_reads(&[SOAKED - 14, SOAKED, SOAKED + 1], &[sign(1, 0, LASTING)], "give 2 up")]
fn what_entra_cannot_sign_with_is_not_activated(#[case] minutes: &[i64], #[case] keys: &[Value], #[case] expected: &str) {
    let scene = ready().shows(1, Some(2), &[1, 2]).reads(minutes, keys, &name(1));
    assert_eq!(step(&scene), expected);
}

#[test]
fn what_is_listed_by_its_name_and_whose_certificate_nobody_could_read_is_not_activated() {
    let scene = scene(SOAKED + 1, [certificate(1, Use::Current), certificate(12, Use::Next)]).shows(1, Some(12), &[1, 12]);
    let scene = scene.reads(&[SOAKED + 1], &lasting(&[1, 12]), &name(1));
    let next = scene.entry(12);
    assert_eq!(scene.told(activate(&scene.case(), next, next.signing().unwrap(), thumbprint(12))), "Replicating for 60 s");
}

/// A successor that no output has shown: relying parties have not begun to learn of it.
fn unannounced() -> Entry {
    let signing = Signing { announced_at: None, ..certificate(2, Use::Next).signing().unwrap().clone() };
    signing_entry(2, Use::Next, signing)
}

#[rstest]
#[case::by_one_read(&[60], unannounced(), "Settling for 300 s")]
#[case::by_three_reads(&[44, 50, 60], unannounced(), "give 2 up")]
#[case::while_it_soaks(&[44, 50, 60], certificate(2, Use::Next), "give 2 up")]
fn a_successor_that_somebody_took_away_is_given_up_before_its_soak_is_over(
    #[case] minutes: &[i64],
    #[case] next: Entry,
    #[case] expected: &str,
) {
    let scene = scene(60, [certificate(1, Use::Current), next]).shows(1, None, &[1]).reads(minutes, &lasting(&[1]), &name(1));
    assert_eq!(step(&scene), expected);
}

#[rstest]
#[case::an_earlier_process_was_told(State::Applied, &[60], "Settling for 300 s")]
#[case::an_earlier_process_was_told_and_it_stays(State::Applied, &[45, 50, 60], "promote 2")]
#[case::this_process_was_told(State::Told, &[60], "promote 2")]
#[case::nobody_was_told(State::Open, &[60], "Settling for 300 s")]
#[case::nobody_was_told_and_it_stays(State::Open, &[45, 50, 60], "promote 2")]
#[case::nobody_was_told_and_it_is_over(State::Over, &[45, 50, 60], "promote 2")]
fn one_read_is_enough_only_after_the_answer(#[case] state: State, #[case] minutes: &[i64], #[case] expected: &str) {
    let scene = activating(60, state, &name(1)).reads(minutes, &lasting(&[1, 2]), &name(2));
    assert_eq!(step(&scene), expected);
}

#[test]
fn what_was_read_before_the_answer_says_nothing_of_it() {
    let scene = activating(60, State::Open, &name(1)).reads(&[60], &lasting(&[1, 2]), &name(2));
    let next = scene.entry(2).clone();
    let scene = scene.remembers(|memory| answered(memory, &next, Answer::Applied(None)));
    assert_eq!(step(&scene), "read the object");
}

#[rstest]
#[case::one_read(&[60], "Settling for 300 s")]
#[case::three_that_span_late(&[45, 50, 60], "promote 2")]
fn what_somebody_else_activated_is_promoted_once_that_is_sure(#[case] minutes: &[i64], #[case] expected: &str) {
    let scene = scene(60, [certificate(1, Use::Current), certificate(2, Use::Next)]).reads(minutes, &lasting(&[1, 2]), &name(2));
    assert_eq!(step(&scene), expected);
}

#[rstest]
#[case::over_what_was_recorded_since(State::Over, &name(3), &name(1), "license Activate of 2")]
#[case::over_what_it_was_licensed_against(State::Over, &name(1), &name(1), "license Activate of 2")]
#[case::over_what_nothing_can_sign_by(State::Over, &name(1), "F00D", "license Activate of 2")]
#[case::not_over_somebodys_choice(State::Over, &name(1), &name(3), "Replicating for 60 s")]
#[case::not_while_it_is_open(State::Open, &name(1), &name(1), "Replicating for 60 s")]
#[case::not_over_a_void_value_while_it_is_open(State::Open, &name(1), "F00D", "Replicating for 60 s")]
fn an_activation_without_an_effect_is_repeated_when_it_is_over(
    #[case] state: State,
    #[case] from: &str,
    #[case] preferred: &str,
    #[case] expected: &str,
) {
    let scene = activating(SOAKED + 1, state, from).shows(1, Some(2), &[1, 2]);
    assert_eq!(step(&as_read(scene, preferred)), expected);
}

#[test]
fn while_it_is_open_the_object_is_read_every_minute() {
    let scene = |read| activating(60, State::Open, &name(1)).reads(&[read], &lasting(&[1, 2]), &name(1));
    assert_eq!(step(&scene(60)), "Replicating for 60 s");
    assert_eq!(step(&scene(59)), "read the object");
}

/// Somebody removed Current while 4 was going, which is the only one that can sign now.
fn bridged(state: State, from: &str) -> Scene {
    let mut scene = activating(SOAKED + 1, state, from).shows(1, Some(2), &[1, 2, 4]);
    scene.ledger.entries.push(certificate(4, Use::Retiring));
    scene.reads(&[SOAKED - 14, SOAKED, SOAKED + 1], &lasting(&[2, 4]), &name(4))
}

#[rstest]
#[case::first(State::Refused, "")]
#[case::again(State::Over, &name(4))]
fn what_is_going_and_signs_for_want_of_another_is_replaced(#[case] state: State, #[case] from: &str) {
    assert_eq!(step(&bridged(state, from)), "license Activate of 2");
}
