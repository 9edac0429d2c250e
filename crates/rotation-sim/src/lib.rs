//! The rotation protocol against a world small enough to enumerate: one object in Entra, one output, two slots, one operator, and faults at any effect.
//!
//! It runs the same `next` as production, and takes its steps as the operator's shell does. Time is a number that only the world advances.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod chance;
mod check;
pub mod endure;
mod entra;
mod gap;
mod object;
mod operator;
mod outage;
mod policies;
mod signing;

use std::collections::{BTreeMap, BTreeSet};

pub use chance::{Chance, Dice};
use chrono::{DateTime, SecondsFormat, TimeDelta};
pub use entra::Entra;
use entra_types::{KeyId, ObjectId, Thumbprint};
pub use object::Object;
pub use outage::{Outage, OutageKind};
pub use policies::{certificate, policy, secret, self_rolled, signing, signing_with};
use rotation::*;

/// The uid of the resource, unless a policy says otherwise.
pub const UID: &str = "0c5a7c1e-6f64-4d3c-9b57-6a0d0d0c9a11";
const OBJECT: &str = "aaaaaaaa-0000-4000-8000-000000000001";

/// What goes wrong at one effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The process dies before the effect takes place.
    CrashBefore,
    /// The process dies after it took place.
    CrashAfter,
    /// It took place, and nobody is told.
    AnswerLost,
    /// Graph writes only: the answer is lost, and the write is applied fourteen minutes later.
    AppliedLate,
}

type Event = Box<dyn FnOnce(&mut World)>;

/// Steps of one pass beyond which it has gone astray.
const STEPS: usize = 64;

/// Effects that a bounded world remembers at least.
const REMEMBERED: usize = 64;

/// One resource, its operator, its cluster and its object in Entra.
pub struct World {
    /// Now, by the operator's clock.
    pub now: Time,
    /// What the resource asks for.
    pub policy: Policy,
    /// Its status.
    pub ledger: Ledger,
    /// What the running process has seen.
    pub memory: Memory,
    /// What other resources do on the same application.
    pub application: Application,
    /// The object in Entra, as every replica will show it.
    pub entra: Entra,
    /// What the published Secret or ConfigMap shows.
    pub output: Option<Projection>,
    /// Somebody edited the output: it does not hold what belongs together.
    pub edited: bool,
    /// The staging Secrets.
    pub slots: BTreeMap<SlotName, Slot>,
    /// Every certificate that was made, by its thumbprint.
    pub certificates: BTreeMap<String, CertificateFacts>,
    /// What was done, each with its time; the latest ones only where the world [is bounded](Self::is_bounded).
    pub effects: Vec<String>,
    /// What goes wrong at which effect.
    pub faults: Vec<(usize, Fault)>,
    /// What else goes wrong, by chance.
    pub chance: Option<Chance>,
    /// Old effects and expired certificates are forgotten, so that a world can live for many years.
    pub is_bounded: bool,
    /// How often each thing happened: Graph writes that were sent, and faults at effects.
    pub counts: BTreeMap<(&'static str, &'static str), u64>,
    /// The object's own id in Entra.
    pub object_id: ObjectId,
    /// A read shows the object as it was at some moment within this time.
    pub lag: TimeDelta,
    /// A new credential is accepted at sign-in after this long.
    pub sign_in_lag: TimeDelta,
    /// Every sign-in ends so, if set.
    pub sign_in: Option<SignInResult>,
    /// Graph denies every write in this time.
    pub denied: Option<(Time, Time)>,
    /// Neither Graph nor the token endpoint answers as it should.
    pub outage: Option<Outage>,
    /// The operator does not run in this time.
    pub down: Option<(Time, Time)>,
    /// What the promises allow for: nobody can renew while nothing runs.
    pub gap_excused: bool,
    /// How far Graph's clock is ahead of ours.
    pub skew: TimeDelta,
    /// What the federation metadata list; everything valid, if not set.
    pub metadata: Option<BTreeSet<Thumbprint>>,
    /// Graph's answers arrive and say nothing.
    pub answers_are_unreadable: bool,
    /// The certificate in the output that was handed over.
    seed: Option<Thumbprint>,
    /// What Entra never told a name of, and is left to expire.
    pub left_to_expire: BTreeSet<Thumbprint>,
    /// The keyIds that addKey told.
    told: BTreeMap<Thumbprint, KeyId>,
    /// What app management policies allow, if they may be read.
    pub limits: Option<Limits>,
    /// Graph refuses the proof of a sibling in this time.
    pub proofs_refused: Option<(Time, Time)>,
    /// addKey adds the public half of a signing key as well.
    pub add_key_is_whole: bool,
    /// What was left in Entra when the resource was let go.
    pub let_go: Option<Left>,
    past: Vec<(Time, Entra)>,
    events: Vec<(Time, Event)>,
    foreign: Vec<serde_json::Value>,
    /// When each credential was first listed, by thumbprint or keyId.
    listed_at: BTreeMap<String, Time>,
    made: u64,
    reads: u64,
    key_in_memory: Option<EntryId>,
    /// The secret that addPassword answered to this process.
    password_in_memory: Option<(EntryId, KeyId)>,
    held: BTreeSet<Thumbprint>,
    /// What the last read was answered.
    answered: Option<(Entra, Directory)>,
    /// Effects that are not remembered any more.
    forgotten: usize,
    /// The pass ends early: nothing is decided before this time.
    cut: Option<Time>,
    /// Something was published once.
    is_published: bool,
    /// Up to when gaps were counted.
    accounted: Time,
    course: check::Course,
}

/// An RFC 3339 time.
pub fn time(text: &str) -> Time {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// The time as Graph writes it.
pub fn text(at: Time) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:#?} {:#?} {:#?}", self.now, self.policy, self.ledger, self.entra)
    }
}

impl World {
    /// A resource that nothing was done for, beside one foreign credential.
    pub fn new(policy: Policy) -> Self {
        let now = time("2026-01-01T00:00:00Z");
        let mut world = Self {
            now,
            policy,
            ledger: Ledger::default(),
            memory: Memory::new(now),
            application: Application::default(),
            entra: Entra::default(),
            output: None,
            edited: false,
            slots: BTreeMap::new(),
            certificates: BTreeMap::new(),
            effects: vec![],
            faults: vec![],
            chance: None,
            is_bounded: false,
            counts: BTreeMap::new(),
            object_id: OBJECT.parse().unwrap(),
            lag: TimeDelta::zero(),
            sign_in_lag: TimeDelta::zero(),
            sign_in: None,
            denied: None,
            outage: None,
            down: None,
            gap_excused: false,
            skew: TimeDelta::zero(),
            metadata: None,
            answers_are_unreadable: false,
            seed: None,
            left_to_expire: BTreeSet::new(),
            told: BTreeMap::new(),
            limits: None,
            proofs_refused: None,
            add_key_is_whole: false,
            let_go: None,
            past: vec![],
            events: vec![],
            foreign: vec![],
            listed_at: BTreeMap::new(),
            made: 0,
            reads: 0,
            key_in_memory: None,
            password_in_memory: None,
            held: BTreeSet::new(),
            answered: None,
            forgotten: 0,
            cut: None,
            is_published: false,
            accounted: now,
            course: check::Course::default(),
        };
        world.somebody_adds("Zm9yZWlnbg==");
        world
    }

    /// Something that happens at a time of its own.
    pub fn at(&mut self, at: Time, event: impl FnOnce(&mut Self) + 'static) {
        self.events.push((at, Box::new(event)));
    }

    /// Somebody handed over a Secret with this certificate and its key.
    pub fn hold_in_output(&mut self, facts: &CertificateFacts) {
        self.seed = Some(facts.thumbprint);
    }

    /// How many times the object was read.
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// Runs until that time, or panics where a promise is broken or the operator does not come to rest.
    pub fn run_for(&mut self, span: TimeDelta) {
        self.run(span, |_, _| false);
    }

    /// Runs until the operator wants to do this, and leaves it undone.
    pub fn run_until(&mut self, wanted: impl Fn(&Self, &Step) -> bool) -> Step {
        self.run(TimeDelta::days(2_000), wanted).expect("the step was never taken")
    }

    /// Runs until the operator wants to note this.
    pub fn run_until_note(&mut self, wanted: impl Fn(&Fact) -> bool) {
        self.run_until(|_, step| matches!(step, Step::Note(fact) if wanted(fact)));
    }

    fn run(&mut self, span: TimeDelta, wanted: impl Fn(&Self, &Step) -> bool) -> Option<Step> {
        let end = self.now + span;
        while self.now < end {
            match self.turn(&wanted) {
                Ok(next) => self.now = next.min(end),
                Err(step) => return Some(*step),
            }
        }
        None
    }

    /// What happens now, then one pass; when to come back, or the wanted step.
    fn turn(&mut self, wanted: &impl Fn(&Self, &Step) -> bool) -> Result<Time, Box<Step>> {
        self.happen();
        self.check();
        let until = self.pass(wanted)?;
        assert!(until > self.now, "a rest that is no rest at {}", self.now);
        let event = self.next_event().map_or(until, |event| event.max(self.now + TimeDelta::seconds(1)));
        Ok(until.min(event))
    }

    /// When something happens of its own.
    fn next_event(&self) -> Option<Time> {
        self.events.iter().map(|(at, _)| *at).min()
    }

    fn happen(&mut self) {
        if let Some((from, until)) = self.down
            && from <= self.now
            && self.now < until
        {
            (self.now, self.down) = (until, None);
            self.restart();
        }
        let (due, later) = std::mem::take(&mut self.events).into_iter().partition(|(at, _)| *at <= self.now);
        self.events = later;
        let due: Vec<(Time, Event)> = due;
        for (_, event) in due {
            event(self);
            self.remember();
        }
        self.remember();
    }

    /// A new process.
    pub fn restart(&mut self) {
        self.memory = Memory::new(self.now);
        self.memory.begin_pass();
        self.course.begin_pass();
        self.key_in_memory = None;
        self.password_in_memory = None;
    }

    /// The process lives on without the keys that it made.
    pub fn lose_keys(&mut self) {
        self.key_in_memory = None;
        self.password_in_memory = None;
    }

    /// One pass, and the rest that it ends in.
    pub fn rest(&mut self) -> Rest {
        self.memory.begin_pass();
        self.course.begin_pass();
        for _ in 0..STEPS {
            match self.next() {
                Step::Rest(rest) => return rest,
                step => self.take(step),
            }
        }
        panic!("the pass never ends");
    }

    /// One pass that ends in a rest, or before the wanted step.
    pub fn pass(&mut self, wanted: &impl Fn(&Self, &Step) -> bool) -> Result<Time, Box<Step>> {
        self.memory.begin_pass();
        self.course.begin_pass();
        for _ in 0..STEPS {
            let step = self.next();
            if wanted(self, &step) {
                return Err(Box::new(step));
            }
            if let Step::Rest(rest) = step {
                self.policy.observed_generation = Some(self.policy.generation);
                self.check_healed(&rest);
                return Ok(rest.until);
            }
            self.take(step);
            self.check();
            if let Some(until) = self.cut.take() {
                return Ok(until);
            }
        }
        panic!("no rest after {STEPS} steps at {}: {:?}, next {:?}", self.now, self.last_effects(), self.next());
    }

    /// What the protocol wants to do now.
    pub fn next(&self) -> Step {
        next(&self.case())
    }

    /// What the protocol reports.
    pub fn report(&self, wait: Option<&Wait>) -> Report {
        report(&self.case(), wait)
    }

    fn case(&self) -> Case<'_> {
        Case { policy: &self.policy, ledger: &self.ledger, memory: &self.memory, application: &self.application, now: self.now }
    }

    fn last_effects(&self) -> &[String] {
        &self.effects[self.effects.len().saturating_sub(12)..]
    }

    /// The number of the next effect.
    fn next_effect(&self) -> usize {
        self.forgotten + self.effects.len()
    }

    fn record(&mut self, effect: &str) {
        if self.is_bounded && self.effects.len() >= 2 * REMEMBERED {
            self.effects.drain(..REMEMBERED);
            self.forgotten += REMEMBERED;
        }
        self.effects.push(format!("{} {effect}", text(self.now)));
    }

    fn count(&mut self, what: &'static str, which: &'static str) {
        *self.counts.entry((what, which)).or_default() += 1;
    }

    fn fault_at(&self, effect: usize) -> Option<Fault> {
        let planned = || self.faults.iter().find(|(at, _)| *at == effect).map(|(_, fault)| *fault);
        self.chance.and_then(|chance| chance.fault_at(effect)).or_else(planned)
    }
}
