//! Moments that a course of events seldom comes to: a ledger, what was read, and the next step.

mod activation;
mod beginning;
mod creation;
mod gating;
mod keys;
mod pins;
mod signers;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::application::Application;
use crate::case::{Act, Case, Fact, Look, Step, Wait};
use crate::check::{Check, Halt};
use crate::history::Detail;
use crate::id::EntryId;
use crate::ledger::{Entry, Ledger, Op, OpKind, Origin, Outcome, Signing, Use};
use crate::memory::{Answer, Material, Memory, Output, Projection};
use crate::policy::{OnDeadline, Policy, SigningPolicy};
use crate::sample::{UID, at, directory, facts, op, sign, signing, signing_entry, target, thumbprint};

/// The end of certificates that last, in minutes; those of the ledger end after ten days.
const LASTING: i64 = 90_000;
const END: i64 = 14_400;
/// A day before that.
const DEADLINE: i64 = 12_960;
/// Announced in minute 0, a certificate has soaked for its 72 hours.
const SOAKED: i64 = 4_320;

/// One resource at one minute.
struct Scene {
    policy: Policy,
    ledger: Ledger,
    memory: Memory,
    application: Application,
    minute: i64,
}

fn scene(minute: i64, entries: impl IntoIterator<Item = Entry>) -> Scene {
    let ledger = Ledger { target: Some(target()), next_seq: 10, entries: entries.into_iter().collect(), ..Ledger::default() };
    Scene { policy: signing(), ledger, memory: Memory::new(at(0)), application: Application::default(), minute }
}

impl Scene {
    fn asks(mut self, ask: impl FnOnce(&mut SigningPolicy)) -> Self {
        let crate::policy::Kind::TokenSigning(signing) = &mut self.policy.kind else { unreachable!() };
        ask(signing);
        self
    }

    fn asks_approval(self, on_deadline: OnDeadline) -> Self {
        self.asks(|signing| (signing.needs_approval, signing.on_deadline) = (true, on_deadline))
    }

    /// The object was read in these minutes, and listed and preferred the same each time.
    fn reads(mut self, minutes: &[i64], keys: &[Value], preferred: &str) -> Self {
        let preferred = Some(preferred).filter(|preferred| !preferred.is_empty());
        for minute in minutes {
            let read = directory(keys, preferred);
            self.memory.saw_directory(read, facts(1..=9), Detail::WithKeys, Some(at(*minute)), at(*minute));
        }
        self
    }

    /// The output shows this as the current, the next, and all that could sign.
    fn shows(mut self, current: u8, next: Option<u8>, bundle: &[u8]) -> Self {
        let shown = Projection {
            entry: EntryId::derive(UID, u32::from(current)),
            current: Material::Certificate(thumbprint(current)),
            next: next.map(thumbprint),
            previous: None,
            bundle: bundle.iter().copied().map(thumbprint).collect(),
        };
        self.memory.saw_output(Output::Ours { shows: Some(shown), holds: None }, vec![], self.now());
        self
    }

    fn remembers(mut self, what: impl FnOnce(&mut Memory)) -> Self {
        what(&mut self.memory);
        self
    }

    fn now(&self) -> crate::Time {
        at(self.minute)
    }

    fn case(&self) -> Case<'_> {
        let Self { policy, ledger, memory, application, .. } = self;
        Case { policy, ledger, memory, application, now: self.now() }
    }

    fn entry(&self, n: u8) -> &Entry {
        self.ledger.entries.iter().find(|entry| entry.seq == u32::from(n)).unwrap()
    }

    /// What is done next, in a few words.
    fn told(&self, check: Check) -> String {
        match check {
            Ok(()) => "nothing".to_owned(),
            Err(Halt::Step(step)) => done(&step),
            Err(Halt::Wait(rest) | Halt::Stop(rest)) => {
                let why = match rest.why {
                    Wait::Refused(refusal) => format!("{:?}", refusal.reason),
                    why => format!("{why:?}"),
                };
                format!("{why} for {} s", (rest.until - self.now()).num_seconds())
            }
        }
    }
}

fn done(step: &Step) -> String {
    let number = |id: &EntryId| (0..20).find(|seq| EntryId::derive(UID, *seq) == *id).unwrap();
    match step {
        Step::Look(Look::Directory(_)) => "read the object".to_owned(),
        Step::Look(look) => format!("look at {look:?}"),
        Step::Act(Act::Send(id, mutation)) => format!("send {mutation:?} for {}", number(id)),
        Step::Note(Fact::Licensed(id, licence)) => format!("license {:?} of {}", licence.kind, number(id)),
        Step::Note(Fact::Promoted(id, _)) => format!("promote {}", number(id)),
        Step::Note(Fact::Abandoned(id)) => format!("give {} up", number(id)),
        Step::Note(Fact::Reinstated(id)) => format!("reinstate {}", number(id)),
        Step::Note(Fact::Identified(id, _)) => format!("identify {}", number(id)),
        Step::Note(Fact::Claimed(claim)) => format!("claim for {:?}", claim.op.unwrap()),
        Step::Note(Fact::ForeignSigner(_)) => "record the signer".to_owned(),
        Step::Note(Fact::ForeignFound(_)) => "record what was found".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The `n`-th certificate, known and announced since minute 0.
fn certificate(n: u8, r#use: Use) -> Entry {
    let signing = Signing {
        display_name: Some(format!("CN={n}")),
        custom_key_identifier: Some(format!("link-{n}")),
        thumbprint: Some(thumbprint(n)),
        announced_at: Some(at(0)),
        ..Signing::default()
    };
    let published_at = matches!(r#use, Use::Current | Use::Previous).then(|| at(0));
    Entry { published_at, ..signing_entry(u32::from(n), r#use, signing) }
}

/// The same of somebody else.
fn foreign(n: u8, r#use: Use) -> Entry {
    Entry { origin: Origin::Foreign, ..certificate(n, r#use) }
}

/// The entry with a write that was licensed then, in place of this value.
fn licensed(entry: Entry, kind: OpKind, minute: i64, outcome: Option<Outcome>, from: &str) -> Entry {
    let nonce = nonce(&entry);
    Entry { op: Some(Op { nonce, from: Some(from.to_owned()), ..op(kind, at(minute), outcome) }), ..entry }
}

fn nonce(entry: &Entry) -> String {
    format!("nonce-{}", entry.seq)
}

/// How a write was answered to this process.
fn answered(memory: &mut Memory, entry: &Entry, answer: Answer) {
    memory.answered(&nonce(entry), answer);
}

/// A preferred value: this certificate's.
fn name(n: u8) -> String {
    thumbprint(n).to_string()
}

/// Sign entries of certificates that last.
fn lasting(numbers: &[u8]) -> Vec<Value> {
    numbers.iter().map(|n| sign(*n, 0, LASTING)).collect()
}

fn thumbprints(numbers: &[u8]) -> BTreeSet<entra_types::Thumbprint> {
    numbers.iter().copied().map(thumbprint).collect()
}
