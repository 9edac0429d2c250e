//! The scenarios: which resources, which processes, and what may happen to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use entra_types::ObjectKind;
use rotation::{Durations, KeySource, Kind, Metadata, OnDeadline, Policy, SignInAs, SigningPolicy, Time, Wish};

use crate::bounds::{Bounds, Disturbance as D};
use crate::check::Broken;
use crate::defect::Defect;
use crate::entra::Entra;
use crate::event::Event;
use crate::world::{Chronicle, Operator, Record, Resource, Setup, World};

const TENANT: &str = "cccccccc-0000-4000-8000-000000000001";

/// One of them.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// The kinds of credential, one resource each, all on one object.
    pub kinds: Vec<Kind>,
    /// How many processes.
    pub operators: usize,
    /// Whether all of them act, lease or not.
    pub all_lead: bool,
    /// How many credentials each resource issues.
    pub issues: u32,
    /// Whether the search begins with the first credential in use.
    pub settled: bool,
    /// What may happen.
    pub bounds: Bounds,
    /// Smaller bounds, for every run of the tests.
    pub small: Bounds,
}

/// What the command line may change.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Others may act between any two reads.
    pub between_reads: bool,
    /// States are told apart by how many passes and steps an instant has seen.
    pub counted: bool,
    /// Something is wrong with the world.
    pub defect: Option<Defect>,
}

/// When every run begins.
pub fn start() -> Time {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default()
}

fn certificate() -> Kind {
    Kind::ClientCertificate { key_bits: 2048, sign_in_as: SignInAs::Operator }
}

fn signing() -> Kind {
    Kind::TokenSigning(SigningPolicy {
        display_name: "CN=payroll".to_owned(),
        metadata: Metadata::Ignore,
        needs_approval: false,
        on_deadline: OnDeadline::Activate,
        pinned: None,
        notification_addresses: None,
        key_source: KeySource::Entra,
    })
}

/// What may happen to any process.
const FAULTS: [(D, u8); 9] = [
    (D::Crash, 2),
    (D::Pause, 1),
    (D::LostAnswer, 2),
    (D::Floating, 2),
    (D::LostStatus, 1),
    (D::Refusal, 1),
    (D::StaleRead, 2),
    (D::StaleCache, 2),
    (D::Preempted, 2),
];

/// All of them.
pub fn all() -> Vec<Scenario> {
    let base = Scenario {
        name: "",
        about: "",
        kinds: vec![],
        operators: 1,
        all_lead: false,
        issues: 2,
        settled: true,
        bounds: Bounds::default(),
        small: Bounds::default(),
    };
    [of_one_rotation(&base), of_two_rotations(), of_siblings(&base)].concat()
}

fn of_one_rotation(base: &Scenario) -> Vec<Scenario> {
    vec![
        Scenario {
            name: "twice-listed",
            about: "A client certificate that Entra lists under two keyIds, as addKey is repeated; one process.",
            kinds: vec![certificate()],
            bounds: Bounds::of(
                2,
                &[(D::Floating, 2), (D::StaleRead, 2), (D::Crash, 2), (D::LostAnswer, 2), (D::Pause, 1), (D::LostStatus, 1)],
            ),
            small: Bounds::of(1, &[(D::Floating, 1), (D::StaleRead, 1), (D::Crash, 1), (D::LostAnswer, 1)]),
            ..base.clone()
        },
        Scenario {
            name: "removal-by-update",
            about: "A signing certificate that is removed by one PATCH of both lists, beside a person who adds and removes; one process.",
            kinds: vec![signing()],
            bounds: Bounds::of(
                2,
                &[(D::Added, 2), (D::Removed, 1), (D::Floating, 2), (D::LostAnswer, 1), (D::StaleRead, 2), (D::Crash, 2)],
            ),
            small: Bounds::of(1, &[(D::Added, 1), (D::Removed, 1), (D::Floating, 1), (D::LostAnswer, 1), (D::StaleRead, 1), (D::Crash, 1)]),
            ..base.clone()
        },
        Scenario {
            name: "person-beside-two",
            about: "A client certificate and a person who adds and removes, beside two processes that both believe they lead.",
            kinds: vec![certificate()],
            operators: 2,
            all_lead: true,
            bounds: Bounds::of(
                2,
                &[(D::Added, 1), (D::Removed, 2), (D::Floating, 1), (D::LostAnswer, 1), (D::Pause, 1), (D::Crash, 1), (D::Preempted, 2)],
            ),
            small: Bounds::of(1, &[(D::Removed, 1)]),
            ..base.clone()
        },
        Scenario {
            name: "pins",
            about: "A signing certificate, and a person who pins, takes the pin away, and activates; one process.",
            kinds: vec![signing()],
            bounds: Bounds::of(2, &[(D::Pinned, 2), (D::Activated, 1), (D::Crash, 1), (D::Floating, 1), (D::LostAnswer, 1)]),
            small: Bounds::of(1, &[(D::Pinned, 1), (D::Activated, 1), (D::Floating, 1)]),
            ..base.clone()
        },
        Scenario {
            name: "signer",
            about: "Who signs: a signing certificate, two processes that both believe they lead, an admin who adds and activates.",
            kinds: vec![signing()],
            operators: 2,
            all_lead: true,
            bounds: Bounds::of(
                2,
                &[(D::Added, 1), (D::Activated, 2), (D::Pause, 1), (D::Floating, 1), (D::LostAnswer, 1), (D::Preempted, 2)],
            ),
            small: Bounds::of(1, &[(D::Activated, 1)]),
            ..base.clone()
        },
    ]
}

fn of_two_rotations() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "two-rotations",
            about: "A client certificate from its first issue over two rotations; two processes that both believe they lead.",
            kinds: vec![certificate()],
            operators: 2,
            all_lead: true,
            issues: 3,
            settled: false,
            bounds: Bounds::of(1, &FAULTS),
            small: Bounds::of(0, &[(D::Preempted, 1)]),
        },
        Scenario {
            name: "secrets",
            about: "A client secret from its first issue over two rotations; two processes that both believe they lead, a user who deletes Secrets.",
            kinds: vec![Kind::ClientSecret],
            operators: 2,
            all_lead: true,
            issues: 3,
            settled: false,
            bounds: Bounds::of(2, &[FAULTS.as_slice(), &[(D::OutputDeleted, 1), (D::SlotDeleted, 1)]].concat()),
            small: Bounds::of(0, &[(D::Preempted, 1)]),
        },
    ]
}

fn of_siblings(base: &Scenario) -> Vec<Scenario> {
    vec![
        Scenario {
            name: "siblings",
            about: "A client certificate beside a signing certificate on one object, by addKey and by PATCH; two processes and changes of the Lease, a person.",
            kinds: vec![certificate(), signing()],
            operators: 2,
            settled: false,
            bounds: Bounds::of(1, &[FAULTS.as_slice(), &[(D::Lease, 2), (D::Added, 1), (D::Removed, 1)]].concat()),
            small: Bounds::of(1, &[(D::Lease, 1)]),
            ..base.clone()
        },
        Scenario {
            name: "certificate-siblings",
            about: "Two client certificates on one object, one process; the first of them begins by PATCH.",
            kinds: vec![certificate(), certificate()],
            settled: false,
            bounds: Bounds::of(1, &[FAULTS.as_slice(), &[(D::Added, 1), (D::Removed, 1)]].concat()),
            small: Bounds::of(1, &[(D::Floating, 1)]),
            ..base.clone()
        },
    ]
}

impl Scenario {
    /// Where the search begins.
    ///
    /// # Errors
    /// When the undisturbed run up to there breaks a promise.
    pub fn world(&self, bounds: Bounds, options: Options) -> Result<World, Broken> {
        let uids: Vec<String> = (1..=self.kinds.len()).map(|n| format!("0c5a7c1e-6f64-4d3c-9b57-6a0d0d0c9a1{n}")).collect();
        let policies: Vec<Policy> = self.kinds.iter().zip(&uids).map(|(kind, uid)| policy(kind, uid)).collect();
        let issues = if self.settled { 1 } else { self.issues };
        let setup = Setup {
            operators: self.operators,
            all_lead: self.all_lead,
            grid: TimeDelta::minutes(5),
            issues,
            horizon: TimeDelta::hours(72) * i32::try_from(self.issues).unwrap_or(1),
            between_reads: options.between_reads,
            counted: options.counted,
            defect: options.defect,
            uids,
            policies,
        };
        let mut world = begin(setup);
        if self.settled {
            world = settle(world)?;
            let mut setup = Setup::clone(&world.setup);
            setup.issues = self.issues;
            world.setup = Arc::new(setup);
            world.chronicle = Chronicle::default();
            world.operators = (0..self.operators).map(|_| Operator::new(&world.resources, world.now)).collect();
        }
        world.bounds = bounds;
        Ok(world)
    }
}

/// The life of a credential is short, so that a rotation takes few instants; the waits of the protocol are those of production.
fn policy(kind: &Kind, uid: &str) -> Policy {
    let (hours, half) = (|h| Some(TimeDelta::hours(h)), || Some(TimeDelta::minutes(30)));
    let signing = matches!(kind, Kind::TokenSigning(_));
    let wish = Wish { validity: hours(24), renew_before: hours(12), overlap: half(), soak: half().filter(|_| signing) };
    let durations = Durations::resolve(kind, &wish, TimeDelta::hours(1)).unwrap_or_else(|_| unreachable!("they agree"));
    let tenant_id = TENANT.parse().unwrap_or_else(|_| unreachable!("a constant"));
    Policy::plain(uid, tenant_id, ObjectKind::ServicePrincipal, kind.clone(), durations)
}

fn begin(setup: Setup) -> World {
    let records = setup.policies.iter().map(|policy| Record { version: 0, policy: policy.clone(), ledger: rotation::Ledger::default() });
    let resources: Vec<Arc<Resource>> = records
        .map(|record| Arc::new(Resource { record: Arc::new(record), output: None, slots: BTreeMap::new(), made: BTreeMap::new() }))
        .collect();
    let now = start();
    let operators = (0..setup.operators).map(|_| Operator::new(&resources, now)).collect();
    World {
        setup: Arc::new(setup),
        now,
        entra: Arc::new(Entra::default()),
        past: vec![],
        floating: vec![],
        resources,
        operators,
        leader: 0,
        active: None,
        bounds: Bounds::default(),
        names: 0,
        chronicle: Chronicle::default(),
    }
}

/// The undisturbed run up to where everything has settled.
fn settle(mut world: World) -> Result<World, Broken> {
    while !world.is_over() {
        let event = world.events().first().copied().unwrap_or(Event::Advance);
        world = world.after(event)?;
    }
    Ok(world)
}
