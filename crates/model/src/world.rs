//! The state of the whole: Entra, the cluster, the operator processes, and how often something may still go wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use chrono::TimeDelta;
use entra_types::{KeyId, Thumbprint};
use rotation::{
    Application, Case, EntryDetail, EntryId, Fingerprint, Held, HeldKey, Ledger, Material, Memory, Output, Policy, Projection, Slot,
    SlotName, StagedSecret, Step, Time, Trouble,
};

use crate::bounds::Bounds;
use crate::defect::Defect;
use crate::entra::{Entra, Maker};

mod known_again;

/// What does not change in a run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What the resources ask for at first; all of them live on one object.
    pub policies: Vec<Policy>,
    /// Their uids.
    pub uids: Vec<String>,
    /// How many operator processes there are.
    pub operators: usize,
    /// Whether all of them act at once, or only the holder of the Lease.
    pub all_lead: bool,
    /// Everything happens at multiples of this.
    pub grid: TimeDelta,
    /// A run ends when every resource has issued so many credentials and everything has settled.
    pub issues: u32,
    /// Without that by then it is a dead end.
    pub horizon: TimeDelta,
    /// Whether others may act between any two reads of a pass, or only between its effects.
    pub between_reads: bool,
    /// Whether states that differ only in how many passes and steps an instant has seen are told apart: then no state is ever met again on the way from it, and
    /// a circle shows as an instant without end.
    pub counted: bool,
    /// What is wrong with the world on purpose.
    pub defect: Option<Defect>,
}

/// A state.
#[derive(Clone, Debug)]
pub struct World {
    /// What does not change.
    pub setup: Arc<Setup>,
    /// Now.
    pub now: Time,
    /// The object as it is.
    pub entra: Arc<Entra>,
    /// As it was, and until when, within LATE: what a replica may still show.
    pub past: Vec<(Time, Arc<Entra>)>,
    /// Writes whose answer was lost and that may still be applied.
    pub floating: Vec<Floating>,
    /// The custom resources with their Secrets.
    pub resources: Vec<Arc<Resource>>,
    /// The operator processes.
    pub operators: Vec<Operator>,
    /// Who holds the Lease.
    pub leader: usize,
    /// Who took the last step, and is in the middle of a pass.
    pub active: Option<usize>,
    /// What may still happen.
    pub bounds: Bounds,
    /// Names for nonces, uids and versions: only whether two are equal matters.
    pub names: u32,
    /// What the promises are checked against.
    pub chronicle: Chronicle,
}

/// A Graph write that may be applied until then, or never.
#[derive(Clone, Debug, Hash)]
pub struct Floating {
    /// No later.
    pub until: Time,
    /// What it does.
    pub change: Change,
}

/// What a Graph write does when it is applied.
#[derive(Clone, Debug, Hash)]
pub struct Change {
    /// For which resource.
    pub resource: usize,
    /// For which entry.
    pub entry: EntryId,
    /// When it was sent.
    pub sent: Time,
    /// What it does.
    pub kind: ChangeKind,
}

/// What a Graph write does.
#[derive(Clone, Debug, Hash)]
pub enum ChangeKind {
    /// addKey: the certificate under a name of Entra's choice.
    AddKey(Thumbprint, Time),
    /// addPassword.
    AddPassword(Time),
    /// addTokenSigningCertificate.
    AddSigning(String, Time),
    /// One PATCH of all lists: what was read, and what was made of it.
    Replace(Arc<Entra>, Arc<Entra>),
    /// removeKey or removePassword.
    Remove(KeyId),
    /// preferredTokenSigningKeyThumbprint.
    Activate(Thumbprint),
}

/// A custom resource as the API server has it, with its Secrets.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Spec and status.
    pub record: Arc<Record>,
    /// The published Secret or ConfigMap.
    pub output: Option<Published>,
    /// The staging Secrets.
    pub slots: BTreeMap<SlotName, Staged>,
    /// How many names Entra gave what was made for an entry.
    pub made: BTreeMap<EntryId, u8>,
}

/// Spec and status of a resource at one version.
#[derive(Clone, Debug)]
pub struct Record {
    /// Changes with every write.
    pub version: u32,
    /// What is asked for.
    pub policy: Policy,
    /// What is recorded.
    pub ledger: Ledger,
}

/// The output.
#[derive(Clone, Debug)]
pub struct Published {
    /// Changes with every write.
    pub version: u32,
    /// What it shows.
    pub shows: Projection,
    /// What it holds to sign in with.
    pub holds: Option<Key>,
}

/// A staging Secret.
#[derive(Clone, Debug)]
pub struct Staged {
    /// Its uid.
    pub uid: u32,
    /// The entry that it says to belong to.
    pub entry: EntryId,
    /// What it holds.
    pub key: Key,
}

/// What one can sign in with.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Key {
    /// A private key and its certificate.
    Pair(Thumbprint, Time),
    /// A client secret, known by its name in Entra.
    Secret(KeyId),
}

/// An operator process.
#[derive(Clone, Debug)]
pub struct Operator {
    /// What it keeps for each resource.
    pub desks: Vec<Arc<Desk>>,
    /// The pass under way.
    pub pass: Option<Pass>,
    /// Since when it stands still.
    pub paused: Option<Time>,
    /// Passes begun at this instant.
    pub passes: u8,
}

/// What a process keeps for one resource.
#[derive(Clone, Debug)]
pub struct Desk {
    /// What it has seen.
    pub memory: Memory,
    /// The resource as it knows it.
    pub known: Arc<Record>,
    /// Keys and secrets in memory.
    pub keyring: BTreeMap<EntryId, Key>,
    /// The version of the output that it saw last.
    pub output: Option<u32>,
    /// Whether it wrote the resource, or read it live, since it looked at the output or a slot.
    pub is_confirmed: bool,
    /// When its next pass is due.
    pub wake: Time,
}

/// A pass before its next step.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Over which resource.
    pub resource: usize,
    /// What it is about to do.
    pub step: Step,
    /// When that was decided.
    pub decided: Time,
    /// Steps so far.
    pub steps: u8,
    /// What failed just now, to be noted before the pass ends.
    pub trouble: Option<Trouble>,
}

/// What the promises are checked against.
#[derive(Clone, Debug, Default, Hash)]
pub struct Chronicle {
    /// Until when the output of a resource showed a credential, and when that ends.
    pub shown: BTreeMap<(usize, Name), (Time, Time)>,
    /// When a person last changed something about a credential.
    pub touched: BTreeMap<KeyId, Time>,
    /// When a person last chose the preferred certificate.
    pub chosen: Option<Time>,
    /// Resources whose output, or whose credential, was taken away by somebody, and is not replaced yet.
    pub bereft: BTreeSet<usize>,
    /// Entries whose credential somebody took away in the portal.
    pub robbed: BTreeSet<EntryId>,
    /// Entries for which addPassword was sent.
    pub asked: BTreeSet<EntryId>,
    /// Resources that have issued what they should, and had settled once.
    pub done: BTreeSet<usize>,
    /// How many credentials people added.
    pub added: u8,
}

/// A credential as consumers know it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Name {
    /// A certificate.
    Certificate(Thumbprint),
    /// A secret.
    Secret(KeyId),
}

impl Key {
    /// How consumers know it.
    pub fn name(&self) -> Name {
        match self {
            Self::Pair(thumbprint, _) => Name::Certificate(*thumbprint),
            Self::Secret(key_id) => Name::Secret(*key_id),
        }
    }

    /// What the output shows of it.
    pub fn material(&self) -> Material {
        match self {
            Self::Pair(thumbprint, _) => Material::Certificate(*thumbprint),
            Self::Secret(key_id) => Material::Secret(fingerprint(*key_id)),
        }
    }

    /// What a slot says of it.
    fn staged(&self) -> Option<StagedSecret> {
        match self {
            Self::Pair(..) => None,
            Self::Secret(key_id) => Some(StagedSecret { fingerprint: fingerprint(*key_id), key_id: *key_id }),
        }
    }

    fn held(&self) -> Held {
        match self {
            Self::Pair(thumbprint, not_after) => Held::Key(HeldKey { thumbprint: *thumbprint, not_after: *not_after, bits: 2048 }),
            Self::Secret(key_id) => Held::Secret(fingerprint(*key_id)),
        }
    }
}

/// The secret of this name; no two are alike.
pub fn fingerprint(key_id: KeyId) -> Fingerprint {
    Fingerprint::of(key_id.as_uuid().as_bytes())
}

impl Resource {
    /// The output as somebody reads it.
    pub fn view(&self) -> Output {
        match &self.output {
            None => Output::Absent,
            Some(output) => Output::Ours { shows: Some(output.shows.clone()), holds: output.holds.as_ref().map(Key::held) },
        }
    }

    /// A slot as somebody reads it.
    pub fn slot(&self, name: SlotName) -> Option<Slot> {
        self.slots.get(&name).map(|staged| Slot {
            uid: staged.uid.to_string(),
            entry: Some(staged.entry.clone()),
            owner: Some(self.record.policy.uid.clone()),
            secret: staged.key.staged(),
        })
    }
}

impl Desk {
    /// Of a process that has just begun, or has just heard of the resource.
    pub fn new(known: Arc<Record>, now: Time) -> Self {
        Self { memory: Memory::new(now), known, keyring: BTreeMap::new(), output: None, is_confirmed: false, wake: now }
    }
}

impl Operator {
    /// A process that has just begun.
    pub fn new(resources: &[Arc<Resource>], now: Time) -> Self {
        let desks = resources.iter().map(|resource| Arc::new(Desk::new(Arc::clone(&resource.record), now))).collect();
        Self { desks, pass: None, paused: None, passes: 0 }
    }

    /// What the other resources do on the application, as this process knows it.
    pub fn application(&self, resource: usize, now: Time) -> Application {
        let others = self.desks.iter().enumerate().filter(|(other, _)| *other != resource).map(|(_, desk)| &desk.known.ledger);
        let Some(me) = self.desks.get(resource).map(|desk| &desk.known) else { return Application::default() };
        let object = me.ledger.target.as_ref().map(|target| target.object_id);
        Application::of(others, None, object, me.policy.late, now)
    }

    /// What this process would do next for a resource.
    pub fn decide(&self, resource: usize, now: Time) -> Step {
        let application = self.application(resource, now);
        let desk = &self.desks[resource];
        rotation::next(&Case {
            policy: &desk.known.policy,
            ledger: &desk.known.ledger,
            memory: &desk.memory,
            application: &application,
            now,
        })
    }
}

impl World {
    /// LATE.
    pub fn late(&self) -> TimeDelta {
        self.setup.policies[0].late.late()
    }

    /// The first moment of the grid that is not before.
    pub fn on_grid(&self, at: Time) -> Time {
        let grid = self.setup.grid.num_seconds();
        let seconds = at.timestamp() + i64::from(at.timestamp_subsec_nanos() > 0);
        Time::from_timestamp((seconds + grid - 1).div_euclid(grid) * grid, 0).unwrap_or(at)
    }

    /// A name that was never given before.
    pub fn name(&mut self) -> u32 {
        self.names += 1;
        self.names
    }

    /// Whether this process acts.
    pub fn serves(&self, operator: usize) -> bool {
        self.setup.all_lead || self.leader == operator || self.operators[operator].pass.is_some()
    }

    /// A thumbprint for a new key of an entry: the first that nobody has.
    pub fn new_thumbprint(&self, resource: usize, id: &EntryId) -> Thumbprint {
        let known = self.operators.iter().map(|operator| &operator.desks[resource]);
        let kept =
            known.clone().flat_map(|desk| desk.keyring.values()).chain(self.resources[resource].slots.values().map(|staged| &staged.key));
        let kept = kept.filter_map(|key| if let Key::Pair(thumbprint, _) = key { Some(*thumbprint) } else { None });
        let ledgers = known.map(|desk| &desk.known).chain([&self.resources[resource].record]);
        let recorded = ledgers.flat_map(|record| record.ledger.entries.iter().filter_map(rotation::Entry::thumbprint));
        let listed = self.entra.listed.iter().filter_map(|listed| listed.thumbprint);
        let taken: BTreeSet<Thumbprint> = kept.chain(recorded).chain(listed).collect();
        (0..=u8::MAX).map(|count| crate::names::thumbprint(id, count)).find(|new| !taken.contains(new)).unwrap_or(Thumbprint::new([0; 20]))
    }
}

/// The slot that the entry of a ledger names.
pub fn slot_of(detail: &EntryDetail) -> Option<SlotName> {
    match detail {
        EntryDetail::ClientSecret { slot, .. } | EntryDetail::ClientCertificate { slot, .. } => *slot,
        EntryDetail::TokenSigning(_) => None,
    }
}

/// Whose mark an entry carries.
pub fn made_by(maker: &Maker) -> Option<(usize, &EntryId)> {
    match maker {
        Maker::Operator(resource, id) => Some((*resource, id)),
        Maker::Person => None,
    }
}
