//! What the shell around the rules does with a step: one pass of one process over one resource, as `src/credential` does it.

use std::sync::Arc;

use chrono::TimeDelta;
use entra_types::KeyId;
use rotation::{Act, EntryId, Fact, Kind, Look, Projection, Reason, Rest, SlotName, Stamp, Step, Time, Trouble};

use crate::check::{self, Broken};
use crate::defect::Defect;
use crate::world::{Desk, Key, Pass, Published, Record, Resource, Staged, World};

/// More than any pass takes, and more passes than any instant sees.
const STEPS: u8 = 96;
const PASSES: u8 = 24;

/// How the next step of a pass goes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Course {
    /// As it should.
    Well,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// The answer is lost, and whether it is done is open.
    Floats,
    /// It is refused.
    Refused,
    /// What it reads is so many versions old.
    Behind(usize),
}

impl World {
    /// A process begins a pass over a resource; `stale`: by the copy that it has, and without a look at what was watched.
    pub fn begin(&mut self, operator: usize, resource: usize, stale: bool) -> Result<(), Broken> {
        let actual = Arc::clone(&self.resources[resource]);
        let process = &mut self.operators[operator];
        process.passes += 1;
        if process.passes > PASSES {
            return Err(Broken::new("the resource does not come to rest at one instant"));
        }
        let desk = Arc::make_mut(&mut process.desks[resource]);
        desk.memory.begin_pass();
        desk.is_confirmed = false;
        if !stale {
            desk.known = Arc::clone(&actual.record);
        }
        let known = Arc::clone(&desk.known);
        desk.keyring.retain(|id, key| match (known.ledger.entry(id), &key) {
            (Some(entry), Key::Pair(thumbprint, _)) => entry.thumbprint() == Some(*thumbprint),
            _ => true,
        });
        if !stale && desk.output.is_some() && desk.output != actual.output.as_ref().map(|output| output.version) {
            desk.memory.forget_output();
            desk.output = None;
        }
        self.go_on(operator, resource, 0)
    }

    /// The next step of the pass under way, and what follows up to the next decision.
    pub fn step(&mut self, operator: usize, course: Course) -> Result<(), Broken> {
        let Some(pass) = self.operators[operator].pass.take() else { return Ok(()) };
        let Pass { resource, step, steps, trouble, .. } = pass;
        let ends = match step {
            Step::Note(fact) => !self.note(operator, resource, &fact, course) || trouble.is_some(),
            Step::Look(look) => {
                self.look(operator, resource, &look, course)?;
                false
            }
            Step::Act(act) => match self.act(operator, resource, act, course)? {
                Done::Well => false,
                Done::NotLeader => return self.stand_down(operator),
                Done::Overtaken => {
                    self.desk_mut(operator, resource).known = Arc::clone(&self.resources[resource].record);
                    self.end_pass(operator, resource, self.now);
                    return Ok(());
                }
                Done::Failed(trouble) => {
                    let step = Step::Note(Fact::Failed(trouble.clone()));
                    self.operators[operator].pass = Some(Pass { resource, step, decided: self.now, steps, trouble: Some(trouble) });
                    return Ok(());
                }
            },
            Step::Rest(_) => true,
        };
        if ends {
            let again = self.desk(operator, resource).known.ledger.rotation.next_attempt.filter(|_| trouble.is_some());
            self.end_pass(operator, resource, again.unwrap_or(self.now));
            return Ok(());
        }
        self.go_on(operator, resource, steps)
    }

    fn go_on(&mut self, operator: usize, resource: usize, mut steps: u8) -> Result<(), Broken> {
        steps += 1;
        for _ in 0..STEPS {
            match self.operators[operator].decide(resource, self.now) {
                Step::Rest(rest) => return self.rest(operator, resource, &rest),
                Step::Look(look) if !self.is_open(&look) => self.look(operator, resource, &look, Course::Well)?,
                step => {
                    if steps > STEPS {
                        break;
                    }
                    self.operators[operator].pass = Some(Pass { resource, step, decided: self.now, steps, trouble: None });
                    return Ok(());
                }
            }
        }
        Err(Broken::new("a pass does not come to an end"))
    }

    /// Whether something may come in between before this is read, or it may be read in more than one way.
    fn is_open(&self, look: &Look) -> bool {
        let local = matches!(look, Look::FreshKey(_) | Look::AppPolicy | Look::Metadata);
        let lagging = matches!(look, Look::Directory(_) | Look::SignIn(_)) && self.may_lag();
        !local && (self.setup.between_reads || lagging)
    }

    /// Whether a replica could be behind now.
    pub fn may_lag(&self) -> bool {
        !self.past.is_empty() && self.bounds.left(crate::bounds::Disturbance::StaleRead) > 0
    }

    fn rest(&mut self, operator: usize, resource: usize, rest: &Rest) -> Result<(), Broken> {
        check::rests(self, operator, resource, rest)?;
        // The report at the end of a pass says which generation was observed.
        let known = Arc::clone(&self.desk(operator, resource).known);
        if known.policy.is_edited() && known.version == self.resources[resource].record.version {
            let mut policy = known.policy.clone();
            policy.observed_generation = Some(policy.generation);
            self.write_record(operator, resource, Record { version: 0, policy, ledger: known.ledger.clone() });
        }
        // Timers do not see a node that sleeps: never longer than an hour, which only means another pass that finds nothing to do.
        self.end_pass(operator, resource, rest.until.max(self.now + TimeDelta::milliseconds(5)));
        Ok(())
    }

    fn end_pass(&mut self, operator: usize, resource: usize, wake: Time) {
        if !self.setup.all_lead && self.leader != operator {
            // Its last pass: whoever leads has begun long ago.
            let _ = self.stand_down(operator);
            return;
        }
        let desk = self.desk_mut(operator, resource);
        desk.is_confirmed = false;
        desk.wake = wake;
        let ledger = &desk.known.ledger;
        let wanted = ledger.upcoming().or_else(|| ledger.current().filter(|current| current.published_at.is_none()));
        let wanted = wanted.map_or_else(|| ledger.next_id(&desk.known.policy.uid, &desk.memory), |entry| entry.id.clone());
        desk.keyring.retain(|entry, _| *entry == wanted);
    }

    /// Without the Lease a process ends. A new one waits for the Lease, and knows nothing.
    pub fn stand_down(&mut self, operator: usize) -> Result<(), Broken> {
        self.operators[operator] = crate::world::Operator::new(&self.resources, self.now);
        Ok(())
    }

    pub(crate) fn desk(&self, operator: usize, resource: usize) -> &Desk {
        &self.operators[operator].desks[resource]
    }

    pub(crate) fn desk_mut(&mut self, operator: usize, resource: usize) -> &mut Desk {
        Arc::make_mut(&mut self.operators[operator].desks[resource])
    }

    pub(crate) fn resource_mut(&mut self, resource: usize) -> &mut Resource {
        Arc::make_mut(&mut self.resources[resource])
    }

    /// One compare-and-swap. Whether the pass may go on.
    fn note(&mut self, operator: usize, resource: usize, fact: &Fact, course: Course) -> bool {
        let nonce = format!("n{}", self.name());
        let stamp = Stamp { now: self.now, nonce: nonce.clone() };
        let desk = self.desk_mut(operator, resource);
        let known = Arc::clone(&desk.known);
        let ledger = known.ledger.apply(fact, &stamp, &known.policy, &desk.memory);
        desk.memory.licensing(&nonce);
        let is_stale = known.version != self.resources[resource].record.version;
        if is_stale && self.setup.defect != Some(Defect::StaleStatusAccepted) {
            return false;
        }
        let mut policy = known.policy.clone();
        policy.observed_generation = Some(policy.generation);
        let written = self.write_record(operator, resource, Record { version: 0, policy, ledger });
        if course == Course::AnswerLost {
            self.desk_mut(operator, resource).known = known;
            return false;
        }
        let desk = self.desk_mut(operator, resource);
        desk.memory.settle(&written.ledger);
        desk.is_confirmed = true;
        true
    }

    fn write_record(&mut self, operator: usize, resource: usize, record: Record) -> Arc<Record> {
        let record = Arc::new(Record { version: self.name(), ..record });
        let now = self.now;
        let actual = self.resource_mut(resource);
        actual.record = Arc::clone(&record);
        actual.made.retain(|id, _| record.ledger.entry(id).is_some() || EntryId::derive(&record.policy.uid, record.ledger.next_seq) == *id);
        self.desk_mut(operator, resource).known = Arc::clone(&record);
        self.wake_others(operator, resource, now);
        record
    }

    /// The watch tells the other processes.
    pub(crate) fn wake_others(&mut self, but: usize, resource: usize, now: Time) {
        for (operator, process) in self.operators.iter_mut().enumerate() {
            if operator != but && process.desks[resource].wake > now {
                Arc::make_mut(&mut process.desks[resource]).wake = now;
            }
        }
    }

    fn act(&mut self, operator: usize, resource: usize, act: Act, course: Course) -> Result<Done, Broken> {
        match act {
            Act::PostSlot(entry, name) => self.post_slot(operator, resource, &entry, name),
            Act::DeleteSlot(..) | Act::Publish(_) if !self.confirm(operator, resource) => return Ok(Done::Overtaken),
            Act::DeleteSlot(name, uid) => self.delete_slot(operator, resource, name, &uid),
            Act::Publish(projection) => self.publish(operator, resource, &projection)?,
            Act::Send(entry, mutation) => return self.send(operator, resource, &entry, &mutation, course),
            Act::SetFinalizer(_) | Act::LetGo(_) => return Err(Broken::new("no resource of this world is deleted")),
        }
        Ok(Done::Well)
    }

    /// The resource is looked at after the output and the slots, unless it was written since.
    fn confirm(&mut self, operator: usize, resource: usize) -> bool {
        let actual = self.resources[resource].record.version;
        let desk = self.desk_mut(operator, resource);
        desk.is_confirmed |= desk.known.version == actual;
        desk.is_confirmed
    }

    fn post_slot(&mut self, operator: usize, resource: usize, entry: &EntryId, name: SlotName) {
        let current = self.desk(operator, resource).known.ledger.current().is_some_and(|current| current.id == *entry);
        let key =
            if current { self.credential(operator, resource, entry) } else { self.desk(operator, resource).keyring.get(entry).cloned() };
        let Some(key) = key else {
            self.desk_mut(operator, resource).memory.forget_fresh_key();
            self.forget_answer(operator, resource, entry);
            return self.read_slot(operator, resource, name);
        };
        if self.resources[resource].slots.contains_key(&name) {
            return self.read_slot(operator, resource, name);
        }
        let uid = self.name();
        self.resource_mut(resource).slots.insert(name, Staged { uid, entry: entry.clone(), key });
        let (slot, now) = (self.resources[resource].slot(name), self.now);
        self.desk_mut(operator, resource).memory.saw_slot(name, slot, now);
    }

    fn forget_answer(&mut self, operator: usize, resource: usize, entry: &EntryId) {
        let desk = self.desk_mut(operator, resource);
        if let Some(op) = desk.known.ledger.entry(entry).and_then(|entry| entry.op.clone())
            && op.kind == rotation::OpKind::AddPassword
        {
            desk.memory.answered(&op.nonce, rotation::Answer::Applied(None));
        }
    }

    fn delete_slot(&mut self, operator: usize, resource: usize, name: SlotName, uid: &str) {
        let there = self.resources[resource].slots.get(&name).map(|staged| staged.uid.to_string());
        if there.as_deref().is_some_and(|there| there != uid) {
            return self.read_slot(operator, resource, name);
        }
        self.resource_mut(resource).slots.remove(&name);
        let now = self.now;
        self.desk_mut(operator, resource).memory.saw_slot(name, None, now);
    }

    fn publish(&mut self, operator: usize, resource: usize, projection: &Projection) -> Result<(), Broken> {
        let now = self.now;
        self.desk_mut(operator, resource).memory.publishing(now);
        let is_signing = matches!(self.desk(operator, resource).known.policy.kind, Kind::TokenSigning(_));
        let holds = if is_signing { None } else { self.credential(operator, resource, &projection.entry) };
        if holds.is_none() && !is_signing {
            self.desk_mut(operator, resource).memory.output_is_unhealable(projection.entry.clone());
            return Ok(());
        }
        // The first is a POST, later ones are applied under the version that was seen last.
        let seen = self.desk(operator, resource).output;
        let actual = self.resources[resource].output.as_ref().map(|output| output.version);
        if seen != actual && self.setup.defect != Some(Defect::OutputOverwritten) {
            self.read_output(operator, resource);
            return Ok(());
        }
        let mut shows = projection.clone();
        if let Some(key) = &holds {
            shows.current = key.material();
            shows.bundle = shows.current.thumbprint().into_iter().collect();
        }
        let version = self.name();
        check::published(self, resource, holds.as_ref(), &shows)?;
        self.resource_mut(resource).output = Some(Published { version, shows, holds });
        self.read_output(operator, resource);
        self.wake_others(operator, resource, now);
        Ok(())
    }
}

/// How an effect ended.
pub(crate) enum Done {
    /// The pass goes on.
    Well,
    /// The Lease is somebody else's.
    NotLeader,
    /// The resource is not what the pass works with.
    Overtaken,
    /// It is to be noted, and the pass ends.
    Failed(Trouble),
}

impl Done {
    pub(crate) fn failed(reason: Reason) -> Self {
        Self::Failed(Trouble { reason, message: "Graph did not do it.".to_owned(), wait: None })
    }
}

/// One name out of a set, for messages.
pub(crate) fn first(ids: &std::collections::BTreeSet<KeyId>) -> Option<KeyId> {
    ids.first().copied()
}
