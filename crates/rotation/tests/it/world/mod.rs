//! A world small enough to enumerate: one object in Entra, one output, two slots, one operator, and faults at any effect.

mod check;
mod entra;
mod operator;
mod signing;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, TimeDelta};
pub use entra::Entra;
use entra_types::{KeyId, ObjectKind, Thumbprint};
use rotation::*;

pub const UID: &str = "0c5a7c1e-6f64-4d3c-9b57-6a0d0d0c9a11";
const TENANT: &str = "cccccccc-0000-4000-8000-000000000001";

/// What goes wrong at one effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    CrashBefore,
    CrashAfter,
    AnswerLost,
    /// Graph writes only: the answer is lost, and the write is applied fourteen minutes later.
    AppliedLate,
}

type Event = Box<dyn FnOnce(&mut World)>;

pub struct World {
    pub now: Time,
    pub policy: Policy,
    pub ledger: Ledger,
    pub memory: Memory,
    pub application: Application,
    pub entra: Entra,
    pub output: Option<Projection>,
    /// Somebody edited the output: it does not hold what belongs together.
    pub edited: bool,
    pub slots: BTreeMap<SlotName, Slot>,
    pub certificates: BTreeMap<String, CertificateFacts>,
    pub effects: Vec<String>,
    pub faults: Vec<(usize, Fault)>,
    /// A read shows the object as it was at some moment within this time.
    pub lag: TimeDelta,
    pub sign_in_lag: TimeDelta,
    /// Every sign-in ends so, if set.
    pub sign_in: Option<SignInResult>,
    /// Graph denies every write in this time.
    pub denied: Option<(Time, Time)>,
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
    /// The keyIds that addKey told.
    told: BTreeMap<Thumbprint, KeyId>,
    /// What app management policies allow, if they may be read.
    pub limits: Option<Limits>,
    /// Graph refuses the proof of a sibling in this time.
    pub proofs_refused: Option<(Time, Time)>,
    /// addKey adds the public half of a signing key as well.
    pub add_key_is_whole: bool,
    /// What was left in Entra when the resource was let go.
    pub let_go: Option<BTreeSet<KeyId>>,
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
    course: check::Course,
}

pub fn time(text: &str) -> Time {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

pub fn text(at: Time) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub fn policy(kind: Kind, wish: &Wish) -> Policy {
    let signing = matches!(kind, Kind::TokenSigning(_));
    let durations = Durations::resolve(&kind, wish, TimeDelta::hours(1)).unwrap();
    Policy {
        uid: UID.to_owned(),
        tenant_id: TENANT.parse().unwrap(),
        object: if signing { ObjectKind::ServicePrincipal } else { ObjectKind::Application },
        kind,
        durations,
        not_issued_before: None,
        suspend: false,
        revoke_issued_before: None,
        windows: Windows::default(),
        deleted_at: None,
        revoke_on_delete: false,
        has_finalizer: false,
        approved: None,
        adopt: BTreeSet::new(),
        may_adopt: false,
        generation: 1,
        observed_generation: Some(1),
        own_client: None,
        late: Lateness::default(),
        refusal: None,
    }
}

/// A client certificate that lives for so many days.
pub fn certificate(days: i64) -> Policy {
    policy(
        Kind::ClientCertificate { key_bits: 2048, sign_in_as: SignInAs::Operator },
        &Wish { validity: Some(TimeDelta::days(days)), ..Wish::default() },
    )
}

/// A client secret that lives for so many days.
pub fn secret(days: i64) -> Policy {
    policy(Kind::ClientSecret, &Wish { validity: Some(TimeDelta::days(days)), ..Wish::default() })
}

/// A client certificate that the application rolls itself.
pub fn self_rolled(days: i64) -> Policy {
    let kind = Kind::ClientCertificate { key_bits: 2048, sign_in_as: SignInAs::Itself };
    policy(kind, &Wish { validity: Some(TimeDelta::days(days)), ..Wish::default() })
}

/// A signing certificate that lives for so many days.
pub fn signing(days: i64) -> Policy {
    signing_with(days, Metadata::Observe)
}

pub fn signing_with(days: i64, metadata: Metadata) -> Policy {
    let kind = Kind::TokenSigning(SigningPolicy {
        display_name: "CN=payroll".to_owned(),
        metadata,
        needs_approval: false,
        on_deadline: OnDeadline::Activate,
        pinned: None,
        notification_addresses: None,
        key_source: KeySource::Entra,
    });
    policy(kind, &Wish { validity: Some(TimeDelta::days(days)), ..Wish::default() })
}

impl World {
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
            lag: TimeDelta::zero(),
            sign_in_lag: TimeDelta::zero(),
            sign_in: None,
            denied: None,
            down: None,
            gap_excused: false,
            skew: TimeDelta::zero(),
            metadata: None,
            answers_are_unreadable: false,
            seed: None,
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
            self.happen();
            self.check();
            let until = match self.pass(&wanted) {
                Ok(until) => until,
                Err(step) => return Some(*step),
            };
            assert!(until > self.now, "a rest that is no rest at {}", self.now);
            let event = self.events.iter().map(|(at, _)| *at).min().unwrap_or(end);
            self.now = until.min(end).min(event.max(self.now + TimeDelta::seconds(1)));
        }
        None
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
        for _ in 0..64 {
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
        for _ in 0..64 {
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
        }
        panic!("no rest after 64 steps at {}: {:?}, next {:?}", self.now, self.last_effects(), self.next());
    }

    pub fn next(&self) -> Step {
        next(&self.case())
    }

    pub fn report(&self, wait: Option<&Wait>) -> Report {
        report(&self.case(), wait)
    }

    fn case(&self) -> Case<'_> {
        Case { policy: &self.policy, ledger: &self.ledger, memory: &self.memory, application: &self.application, now: self.now }
    }

    fn last_effects(&self) -> &[String] {
        &self.effects[self.effects.len().saturating_sub(12)..]
    }

    fn fault_at(&self, effect: usize) -> Option<Fault> {
        self.faults.iter().find(|(at, _)| *at == effect).map(|(_, fault)| *fault)
    }
}
