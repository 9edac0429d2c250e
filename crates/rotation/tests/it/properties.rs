//! What holds for every case, however odd: well-formed ledgers, and memories built by what a process may have met.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entra_types::{KeyId, Thumbprint};
use proptest::prelude::*;
use rotation::*;
use serde_json::json;

use crate::world::{UID, World, certificate, signing_with, text};

/// A source of choices that shrinks towards the first of each.
struct Tape(Vec<u8>, usize);

impl Tape {
    fn pick(&mut self, among: usize) -> usize {
        self.1 += 1;
        usize::from(self.0.get(self.1 - 1).copied().unwrap_or(0)) % among
    }

    fn chance(&mut self, in_256: usize) -> bool {
        self.pick(256) >= 256 - in_256
    }

    fn choose<T: Clone>(&mut self, among: &[T]) -> T {
        among[self.pick(among.len())].clone()
    }

    /// A moment up to so many days away, more often near than far.
    fn around(&mut self, now: Time) -> Time {
        let spans = [0, 5, 60, 600, 900, 1_200, 2_100, 86_400, 864_000];
        let span = TimeDelta::seconds(self.choose(&spans));
        if self.chance(128) { now + span } else { now - span }
    }
}

fn a_policy(tape: &mut Tape, now: Time) -> Policy {
    let metadata = tape.choose(&[Metadata::Ignore, Metadata::Observe, Metadata::Require]);
    let mut policy = if tape.chance(128) { signing_with(6, metadata) } else { certificate(6) };
    if let Kind::TokenSigning(signing) = &mut policy.kind {
        ask_of_signing(tape, signing);
    }
    policy.approved = tape.chance(64).then(|| EntryId::derive(UID, u32::try_from(tape.pick(4)).unwrap()));
    policy.revoke_issued_before = tape.chance(32).then(|| tape.around(now));
    let window = || Window::parse("0 3 * * *", "Etc/UTC", TimeDelta::hours(1), now).unwrap();
    policy.windows = Windows::new(if tape.chance(48) { vec![window()] } else { vec![] });
    policy.suspend = tape.chance(24);
    policy.deleted_at = tape.chance(8).then_some(now);
    policy.generation = 1 + i64::from(tape.chance(64));
    policy.not_issued_before = tape.chance(64).then(|| tape.around(now));
    let reason = tape.choose(Reason::ALL);
    policy.refusal = tape.chance(24).then(|| Refusal::new(reason, "It is refused."));
    policy
}

fn ask_of_signing(tape: &mut Tape, signing: &mut SigningPolicy) {
    signing.needs_approval = tape.chance(96);
    signing.on_deadline = tape.choose(&[OnDeadline::Activate, OnDeadline::Withdraw]);
    signing.key_source =
        tape.choose(&[KeySource::Entra, KeySource::Operator { has_proof: false }, KeySource::Operator { has_proof: true }]);
    signing.notification_addresses = tape.chance(96).then(|| BTreeSet::from(["a@example.org".to_owned()]));
    // The world counts its certificates.
    let mut digest = [7; 20];
    digest[12..].copy_from_slice(&(2 + tape.pick(5) as u64).to_be_bytes());
    signing.pinned = tape.chance(64).then(|| Thumbprint::new(digest));
}

/// The keyIds of an entry: its own, and sometimes one that another claims too.
fn key_ids(tape: &mut Tape, seq: u32) -> BTreeSet<KeyId> {
    let id = |n: u32| -> KeyId { format!("eeeeeeee-0000-4000-8000-{n:012}").parse().unwrap() };
    match tape.pick(6) {
        0 => BTreeSet::new(),
        1 => BTreeSet::from([id(seq), id(u32::try_from(tape.pick(6)).unwrap())]),
        _ => BTreeSet::from([id(seq)]),
    }
}

fn an_entry(tape: &mut Tape, world: &mut World, seq: u32, r#use: Use) -> Entry {
    let now = world.now;
    let not_after = tape.around(now) + TimeDelta::days(1);
    let id = EntryId::derive(UID, seq);
    let facts = world.make_certificate(not_after, id.san_uri(UID).into_bytes());
    let thumbprint = facts.thumbprint;
    let found = world.policy.is_signing() && matches!(r#use, Use::Current | Use::Previous);
    let origin = if found && tape.chance(48) { Origin::Foreign } else { Origin::Made };
    let detail = if world.policy.is_signing() {
        EntryDetail::TokenSigning(Signing {
            display_name: Some(format!("CN=payroll-{id}")),
            end_date_time: Some(text(not_after)),
            custom_key_identifier: tape.chance(220).then(|| thumbprint.to_string()),
            thumbprint: tape.chance(220).then_some(thumbprint),
            announced_at: tape.chance(128).then(|| tape.around(now)),
        })
    } else {
        EntryDetail::ClientCertificate { thumbprint, slot: tape.choose(&[None, Some(SlotName::A), Some(SlotName::B)]) }
    };
    Entry {
        seq,
        id,
        origin,
        r#use,
        issued_at: now - TimeDelta::days(1),
        not_after: tape.chance(240).then_some(not_after),
        adopted_at: None,
        published_at: tape.chance(128).then(|| now - TimeDelta::seconds(600)),
        key_ids: key_ids(tape, seq),
        detail,
        op: tape.chance(160).then(|| an_op(tape, now, seq)),
    }
}

fn an_op(tape: &mut Tape, now: Time, seq: u32) -> Op {
    Op {
        kind: tape.choose(&OpKind::ALL),
        nonce: format!("nonce-{seq}"),
        at: tape.around(now),
        outcome: tape.choose(&[None, None, Some(Outcome::Applied), Some(Outcome::Refused)]),
        kept: BTreeSet::new(),
        from: tape.choose(&[None, Some(String::new()), Some(Thumbprint::new([7; 20]).to_string())]),
    }
}

fn a_ledger(tape: &mut Tape, world: &mut World) -> Ledger {
    let mut uses = vec![];
    for r#use in [Use::Current, Use::Next] {
        if tape.chance(170) {
            uses.push(r#use);
        }
    }
    for _ in 0..tape.pick(4) {
        uses.push(tape.choose(&[Use::Previous, Use::Retiring, Use::Abandoned]));
    }
    let entries: Vec<_> = (0..).zip(uses).map(|(seq, r#use)| an_entry(tape, world, seq, r#use)).collect();
    let failed = tape.chance(48);
    let failure = Failure { time: tape.around(world.now), reason: tape.choose(Reason::ALL), message: "It failed.".to_owned() };
    Ledger {
        target: (!entries.is_empty()).then(a_target),
        next_seq: 6,
        entries,
        rotation: Rotation {
            reason: Some(tape.choose(Cause::ALL)),
            started_at: Some(tape.around(world.now)),
            approved_at: None,
            failures: u32::from(failed),
            next_attempt: failed.then(|| tape.around(world.now)),
            last_failure: failed.then_some(failure),
        },
        foreign: None,
    }
}

fn a_target() -> Target {
    let mut world = World::new(certificate(6));
    world.run_until(|world, _| world.ledger.target.is_some());
    world.ledger.target.unwrap()
}

/// Lists what the ledger says, more or less.
fn populate(tape: &mut Tape, world: &mut World) {
    let entries = world.ledger.entries.clone();
    for entry in entries {
        let Some(thumbprint) = entry.thumbprint().filter(|_| tape.chance(190)) else { continue };
        let end = world.certificates[&thumbprint.to_string()].not_after;
        let usage = if world.policy.is_signing() { "Sign" } else { "Verify" };
        for id in &entry.key_ids {
            if world.entra.keys.iter().any(|key| key["keyId"] == json!(id)) {
                // Graph lists a keyId once, whatever a ledger says.
                continue;
            }
            world.entra.keys.push(json!({"keyId": id, "usage": usage, "customKeyIdentifier": thumbprint.to_string(),
                "startDateTime": "2025-01-01T00:00:00Z", "endDateTime": text(end), "key": null}));
        }
        if tape.chance(96) {
            world.entra.preferred = Some(thumbprint.to_string());
        }
    }
    world.output = world.ledger.entries.first().filter(|_| tape.chance(200)).and_then(|entry| {
        let current = entry.thumbprint()?;
        let bundle = BTreeSet::from([current]);
        Some(Projection { entry: entry.id.clone(), current: Material::Certificate(current), next: None, previous: None, bundle })
    });
    for name in SlotName::ALL {
        if tape.chance(128) {
            continue;
        }
        let entry = world.ledger.entries.iter().map(|entry| entry.id.clone()).nth(tape.pick(4));
        world.slots.insert(name, Slot { uid: "uid".to_owned(), entry, owner: Some(UID.to_owned()), secret: None });
    }
}

/// What the process has met so far.
fn live_through(tape: &mut Tape, world: &mut World) {
    for _ in 0..tape.pick(12) {
        let entry = world.ledger.entries.get(tape.pick(5)).cloned();
        match (tape.pick(9), entry) {
            (0..=2, _) => world.look(&Look::Directory(tape.choose(&[Detail::Plain, Detail::WithKeys]))),
            (3, _) => world.look(&Look::Output),
            (4, _) => world.look(&Look::Slot(tape.choose(&SlotName::ALL))),
            (5, Some(entry)) => {
                let result = tape.choose(&[SignInResult::Accepted, SignInResult::Refused, SignInResult::CannotProve]);
                world.memory.saw_sign_in(&entry.id, result, world.now);
            }
            (6, Some(Entry { op: Some(op), .. })) => {
                let answer = tape.choose(&[Answer::Applied(None), Answer::Refused, Answer::Unknown, Answer::Unsent]);
                if tape.chance(128) { world.memory.licensing(&op.nonce) } else { world.memory.answered(&op.nonce, answer) }
            }
            (7, _) => world.memory.begin_pass(),
            _ => world.now += TimeDelta::seconds(tape.choose(&[1, 7, 300, 900])),
        }
    }
}

fn a_world(tape: Vec<u8>) -> (World, Ledger, Tape) {
    let mut tape = Tape(tape, 0);
    let mut world = World::new(certificate(6));
    world.policy = a_policy(&mut tape, world.now);
    world.gap_excused = true;
    world.ledger = a_ledger(&mut tape, &mut world);
    populate(&mut tape, &mut world);
    world.skew = TimeDelta::seconds(tape.choose(&[0, 0, 0, 119, -119, 121, -300]));
    live_through(&mut tape, &mut world);
    let other = if tape.chance(48) { a_ledger(&mut tape, &mut world) } else { Ledger::default() };
    let object = world.ledger.target.as_ref().map(|target| target.object_id);
    world.application = Application::of([&other], None, object, world.policy.late, world.now);
    (world, other, tape)
}

fn worlds() -> impl Strategy<Value = (World, Ledger, Tape)> {
    prop::collection::vec(any::<u8>(), 0..200).prop_map(a_world)
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Whether another resource's whole-list update is open, as its ledger says.
fn frozen(world: &World, other: &Ledger) -> bool {
    let open = |op: &Op| op.kind.is_whole_list() && op.outcome.is_none() && world.now < op.at + world.policy.late.open();
    other.entries.iter().filter_map(|entry| entry.op.as_ref()).any(open)
}

fn may_send(world: &World, other: &Ledger, id: &EntryId, mutation: &Mutation) -> Result<(), String> {
    let entry = world.ledger.entry(id).ok_or("an entry that is not there")?;
    let op = entry.op.as_ref().ok_or("no licence")?;
    let checks = [
        (!world.policy.suspend, "suspended"),
        (world.policy.deleted_at.is_none(), "being deleted"),
        (world.policy.refusal.is_none(), "refused"),
        (world.memory.skew().is_none_or(|skew| skew.abs() <= TimeDelta::minutes(2)), "the clocks differ"),
        (world.now - op.at <= TimeDelta::seconds(10), "the licence is old"),
        (op.outcome.is_none(), "the licence is used"),
        (!frozen(world, other), "the application is frozen"),
    ];
    if let Some((_, why)) = checks.iter().find(|(holds, _)| !holds) {
        return Err((*why).to_owned());
    }
    match mutation {
        Mutation::Remove(removal, _) => may_remove(world, entry, removal),
        Mutation::Activate(thumbprint) => may_activate(world, entry, *thumbprint),
        _ => Ok(()),
    }
}

/// Graph accepts any thumbprint: only what the last read lists, and nothing but what is pinned.
fn may_activate(world: &World, entry: &Entry, thumbprint: Thumbprint) -> Result<(), String> {
    let pinned = world.policy.signing().and_then(|signing| signing.pinned);
    let able = |group: &rotation::signer::Group| group.thumbprint == Some(thumbprint) && group.can_sign_at(world.now);
    let groups = world.memory.history().groups();
    let listed = groups.iter().any(able);
    let alone = groups.iter().filter(|group| group.can_sign_at(world.now)).count() == 1;
    let checks = [
        (listed, "activates what cannot sign"),
        (entry.thumbprint() == Some(thumbprint), "activates another certificate than the licensed one"),
        (pinned.is_none_or(|pinned| pinned == thumbprint), "activates something else than what is pinned"),
        (pinned.is_some() || alone || !matches!(entry.r#use, Use::Retiring), "activates what is being removed"),
    ];
    checks.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, why)| Err((*why).to_owned()))
}

fn may_remove(world: &World, entry: &Entry, removal: &Removal) -> Result<(), String> {
    let spared = |other: &&Entry| matches!(other.r#use, Use::Current | Use::Next) || other.origin == Origin::Foreign;
    let names = |other: &Entry| removal.key_ids().iter().any(|id| other.key_ids.contains(id));
    if let Some(other) = world.ledger.entries.iter().filter(spared).find(|other| names(other)) {
        return Err(format!("removes a keyId of {:?} {:?}", other.origin, other.r#use));
    }
    if entry.r#use != Use::Retiring || !removal.key_ids().is_subset(&entry.key_ids) || removal.key_ids().is_empty() {
        return Err("removes what it may not".to_owned());
    }
    let shown = world.memory.shown().and_then(|shown| shown.current.thumbprint());
    if shown.is_some() && shown == entry.thumbprint() { Err("removes what the output shows".to_owned()) } else { Ok(()) }
}

/// Takes steps until a rest.
fn drive(world: &mut World, other: &Ledger) -> Result<Time, TestCaseError> {
    world.memory.begin_pass();
    let mut trail = vec![];
    for _ in 0..64 {
        let step = world.next();
        match &step {
            Step::Rest(rest) => {
                prop_assert!(rest.until > world.now, "{rest:?} at {}", world.now);
                return Ok(rest.until);
            }
            Step::Note(Fact::Claimed(_)) => {
                prop_assert!(world.policy.signing().is_none_or(|signing| signing.pinned.is_none()), "begins something new under a pin");
            }
            Step::Act(Act::Send(id, mutation)) => {
                let allowed = may_send(world, other, id, mutation);
                prop_assert!(allowed.is_ok(), "{allowed:?}: {step:?}");
            }
            _ => {}
        }
        trail.push(format!("{step:?}"));
        world.take(step);
    }
    Err(TestCaseError::fail(format!("no rest after 64 steps: {:#?}", &trail[60..])))
}

fn check_report(world: &World, wait: Option<&Wait>) -> Result<(), TestCaseError> {
    let report = world.report(wait);
    prop_assert_eq!(&report, &world.report(wait));
    let is = |name| report.conditions.iter().any(|condition| condition.r#type == name && condition.status);
    prop_assert!(!(is("Stalled") && is("Reconciling")), "{:?}", report.conditions);
    Ok(())
}

fn a_fact(tape: &mut Tape, world: &World) -> Fact {
    let id = EntryId::derive(UID, u32::try_from(tape.pick(8)).unwrap());
    let licence = Licence { kind: tape.choose(&OpKind::ALL), kept: BTreeSet::new(), from: None };
    let key_ids = key_ids(tape, 1);
    let claim = Claim {
        id: if tape.chance(200) { world.ledger.next_id(UID, &world.memory) } else { id.clone() },
        target: a_target(),
        cause: tape.choose(Cause::ALL),
        detail: EntryDetail::ClientCertificate { thumbprint: Thumbprint::new([9; 20]), slot: None },
        key_ids: key_ids.clone(),
        issued_at: None,
        not_after: Some(tape.around(world.now)),
        op: tape.chance(128).then_some(licence.kind),
    };
    let trouble = Trouble { reason: tape.choose(Reason::ALL), message: "It failed.".to_owned(), wait: None };
    match tape.pick(15) {
        12 => Fact::ForeignFound(Box::new(claim)),
        13 => Fact::Reinstated(id),
        14 => Fact::Approved(id),
        0 => Fact::Claimed(claim),
        1 => Fact::ForeignSigner(Box::new(claim)),
        2 => Fact::Licensed(id, licence),
        3 => Fact::Announced(id),
        4 => Fact::Promoted(id, key_ids),
        5 => Fact::Published(id),
        6 => Fact::Retired(id, tape.chance(128).then_some(licence)),
        7 => Fact::Abandoned(id),
        8 => Fact::Dropped(id),
        9 => Fact::Retargeted,
        10 => Fact::Failed(trouble),
        _ => Fact::Recovered,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_pass_ends_in_a_rest_and_sends_only_what_it_may((mut world, other, _) in worlds()) {
        for _ in 0..12 {
            world.now = drive(&mut world, &other)?;
        }
    }

    #[test]
    fn a_report_is_a_function_of_the_case_and_never_says_both_stalled_and_reconciling((mut world, _, _) in worlds()) {
        check_report(&world, None)?;
        if let Step::Rest(rest) = world.next() {
            check_report(&world, Some(&rest.why))?;
        }
        world.memory.begin_pass();
        check_report(&world, Some(&Wait::AtRest))?;
    }

    #[test]
    fn whatever_is_noted_a_ledger_stays_well_formed((mut world, _, mut tape) in worlds()) {
        for _ in 0..12 {
            let fact = a_fact(&mut tape, &world);
            let before = world.ledger.clone();
            world.note(&fact);
            let ledger = &world.ledger;
            prop_assert!(ledger.all(Use::Current).count() <= 1 && ledger.all(Use::Next).count() <= 1, "{fact:?}");
            prop_assert!(ledger.entries.iter().all(|entry| entry.seq < ledger.next_seq), "{fact:?}");
            let ids: BTreeSet<_> = ledger.entries.iter().map(|entry| &entry.id).collect();
            prop_assert_eq!(ids.len(), ledger.entries.len());
            let mut retiring = before.all(Use::Retiring).filter_map(|entry| ledger.entry(&entry.id));
            prop_assert!(retiring.all(|entry| entry.r#use == Use::Retiring), "{fact:?}");
        }
    }
}
