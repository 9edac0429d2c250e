//! What can happen next, and what it makes of the world.

use std::fmt;

use chrono::TimeDelta;
use entra_types::{KeyId, Thumbprint};
use rotation::{Act, Look, Mutation, SlotName, Step, Time, Use};

use crate::bounds::Disturbance;
use crate::check::{self, Broken};
use crate::defect::Defect;
use crate::entra::Entra;
use crate::pass::Course;
use crate::world::{Operator, World};

/// A process stands still for no longer than until the next thing that is due after this.
const PAUSE: TimeDelta = TimeDelta::hours(2);

/// What a person chose is obeyed by then, or refused for good.
const PATIENCE: TimeDelta = TimeDelta::hours(4);

/// One transition.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Event {
    /// A process begins a pass over a resource; with what it has in its cache, if so.
    Begin(usize, usize, bool),
    /// A process takes the step that it decided on.
    Go(usize, Course),
    /// A process ends, and another begins.
    Crash(usize),
    /// A process stands still.
    Pause(usize),
    /// And goes on.
    Resume(usize),
    /// The Lease goes to this process.
    Lead(usize),
    /// A write whose answer was lost is applied.
    Land(usize),
    /// Time goes on to the next thing that is due.
    Advance,
    /// A user deletes the output of a resource.
    DeleteOutput(usize),
    /// A user deletes a staging Secret.
    DeleteSlot(usize, SlotName),
    /// A person adds a credential.
    Add,
    /// A person removes a credential, with all parts of it.
    Remove(KeyId),
    /// A person chooses the preferred certificate.
    Activate(Thumbprint),
    /// A person pins a certificate of a resource, or none.
    Pin(usize, Option<Thumbprint>),
}

impl World {
    /// Everything that can happen next. Nothing at the end of a run.
    pub fn events(&self) -> Vec<Event> {
        if self.is_over() {
            return vec![];
        }
        let mut events = self.courses();
        let must_go_on = self.operators.iter().any(|process| process.paused.is_some_and(|since| since + PAUSE <= self.now));
        if !self.is_anybody_about() && !must_go_on {
            events.extend(self.next_time().map(|_| Event::Advance));
        }
        events.extend((0..self.floating.len()).map(Event::Land));
        events.extend(self.resumptions());
        self.disturbances(&mut events);
        events
    }

    /// What the processes do by themselves.
    fn courses(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for (operator, process) in self.operators.iter().enumerate() {
            if process.paused.is_some() || !self.serves(operator) || (self.comes_between(operator) && !self.may(Disturbance::Preempted)) {
                continue;
            }
            if let Some(pass) = &process.pass {
                self.courses_of(operator, &pass.step, &mut events);
                continue;
            }
            for (resource, desk) in process.desks.iter().enumerate().filter(|(_, desk)| desk.wake <= self.now) {
                events.push(Event::Begin(operator, resource, false));
                let actual = &self.resources[resource];
                let lags =
                    desk.known.version != actual.record.version || desk.output != actual.output.as_ref().map(|output| output.version);
                if lags && self.may(Disturbance::StaleCache) {
                    events.push(Event::Begin(operator, resource, true));
                }
            }
        }
        events
    }

    /// Whether another process is in the middle of a pass.
    fn comes_between(&self, operator: usize) -> bool {
        self.active.is_some_and(|active| active != operator)
    }

    fn courses_of(&self, operator: usize, step: &Step, events: &mut Vec<Event>) {
        let mut may = |kind, course| {
            if self.may(kind) {
                events.push(Event::Go(operator, course));
            }
        };
        match step {
            Step::Act(Act::Send(_, mutation)) => {
                may(Disturbance::LostAnswer, Course::AnswerLost);
                may(Disturbance::Floating, Course::Floats);
                if !matches!(mutation, Mutation::Activate(_)) {
                    may(Disturbance::Refusal, Course::Refused);
                }
            }
            Step::Note(_) => may(Disturbance::LostStatus, Course::AnswerLost),
            Step::Look(Look::Directory(_) | Look::SignIn(_)) => {
                (1..=self.past.len()).for_each(|versions| may(Disturbance::StaleRead, Course::Behind(versions)));
            }
            _ => {}
        }
        events.insert(0, Event::Go(operator, Course::Well));
    }

    fn may(&self, kind: Disturbance) -> bool {
        self.bounds.left(kind) > 0
    }

    /// Whether some process has something to do at this instant.
    fn is_anybody_about(&self) -> bool {
        self.operators.iter().enumerate().any(|(operator, process)| {
            let due = || process.desks.iter().any(|desk| desk.wake <= self.now);
            process.paused.is_none() && self.serves(operator) && (process.pass.is_some() || due())
        })
    }

    fn resumptions(&self) -> impl Iterator<Item = Event> {
        let stands = |process: &Operator| process.paused.is_some_and(|since| since < self.now);
        let standing = self.operators.iter().enumerate().filter(move |(_, process)| stands(process));
        standing.map(|(operator, _)| Event::Resume(operator))
    }

    /// The next time at which something is due, on the grid.
    fn next_time(&self) -> Option<Time> {
        let awake = self.operators.iter().enumerate().filter(|(operator, process)| process.paused.is_none() && self.serves(*operator));
        let wakes = awake.flat_map(|(_, process)| process.desks.iter().map(|desk| desk.wake));
        let floating = self.floating.iter().map(|floating| floating.until);
        let held_up = self.operators.iter().filter_map(|process| process.paused).filter(|since| *since == self.now);
        let next = wakes.chain(floating.filter(|until| *until > self.now)).chain(held_up.map(|since| since + self.setup.grid)).min()?;
        Some(self.on_grid(next).max(self.now + self.setup.grid))
    }

    fn disturbances(&self, events: &mut Vec<Event>) {
        if self.bounds.is_spent() {
            return;
        }
        for operator in (0..self.operators.len()).filter(|operator| self.serves(*operator)) {
            let process = &self.operators[operator];
            if self.may(Disturbance::Crash) {
                events.push(Event::Crash(operator));
            }
            if self.may(Disturbance::Pause) && process.pass.is_some() && process.paused.is_none() {
                events.push(Event::Pause(operator));
            }
        }
        if self.may(Disturbance::Lease) && !self.setup.all_lead {
            events.extend((0..self.operators.len()).filter(|other| *other != self.leader).map(Event::Lead));
        }
        for (resource, found) in self.resources.iter().enumerate() {
            if self.may(Disturbance::OutputDeleted) && found.output.is_some() {
                events.push(Event::DeleteOutput(resource));
            }
            if self.may(Disturbance::SlotDeleted) {
                events.extend(found.slots.keys().map(|name| Event::DeleteSlot(resource, *name)));
            }
            if self.may(Disturbance::Pinned) && found.record.policy.is_signing() {
                events.extend(self.pins(resource));
            }
        }
        if self.may(Disturbance::Added) {
            events.push(Event::Add);
        }
        if self.may(Disturbance::Removed) {
            events.extend(self.removable_by_a_person().into_iter().map(Event::Remove));
        }
        if self.may(Disturbance::Activated) {
            events.extend(self.activatable_by_a_person().into_iter().map(Event::Activate));
        }
    }

    /// Whether the run has come to its end: every resource has issued what it should, and had settled.
    pub fn is_over(&self) -> bool {
        let idle = self.operators.iter().all(|process| process.pass.is_none());
        idle && self.floating.is_empty() && self.chronicle.done.len() == self.resources.len()
    }

    /// Whether everything of a resource is issued, published, and settled. What is pinned issues nothing more.
    pub fn is_settled(&self, resource: usize) -> bool {
        let found = &self.resources[resource];
        let ledger = &found.record.ledger;
        let is_pinned = found.record.policy.signing().is_some_and(|signing| signing.pinned.is_some());
        if is_pinned {
            return self.chronicle.chosen.is_none_or(|chosen| chosen + PATIENCE <= self.now);
        }
        let remains = |entry: &rotation::Entry| match entry.r#use {
            Use::Current => true,
            Use::Previous => entry.origin == rotation::Origin::Foreign,
            Use::Next | Use::Retiring | Use::Abandoned => false,
        };
        let Some(current) = ledger.current().filter(|current| current.published_at.is_some()) else { return false };
        if self.chronicle.robbed.contains(&current.id) {
            return false;
        }
        let healed = found.output.as_ref().is_some_and(|output| output.shows.entry == current.id);
        let issued = ledger.next_seq >= self.setup.issues || current.origin == rotation::Origin::Foreign;
        healed && issued && ledger.entries.iter().all(remains)
    }

    /// The world after an event.
    pub fn after(&self, event: Event) -> Result<Self, Broken> {
        let mut world = self.clone();
        world.happen(event)?;
        check::state(&world)?;
        if world.is_over() {
            check::end(&world)?;
        }
        Ok(world)
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        if let Some(kind) = event.disturbance() {
            self.bounds = self.bounds.without(kind);
        }
        if let Event::Begin(operator, ..) | Event::Go(operator, _) = event {
            if self.comes_between(operator) {
                self.bounds = self.bounds.without(Disturbance::Preempted);
            }
            self.active = Some(operator);
        }
        let done = self.take_place(event);
        let goes_on = |active: &usize| self.operators[*active].pass.is_some() && self.operators[*active].paused.is_none();
        self.active = self.active.filter(goes_on);
        let settled: Vec<usize> = (0..self.resources.len()).filter(|resource| self.is_settled(*resource)).collect();
        self.chronicle.done.extend(settled);
        done
    }

    fn take_place(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Begin(operator, resource, stale) => return self.begin(operator, resource, stale),
            Event::Go(operator, course) => return self.step(operator, course),
            Event::Crash(operator) => return self.stand_down(operator),
            Event::Pause(operator) => self.operators[operator].paused = Some(self.now),
            Event::Resume(operator) => self.operators[operator].paused = None,
            Event::Lead(operator) => {
                self.leader = operator;
                return self.stand_down(operator);
            }
            Event::Land(index) => {
                let floating = self.floating.remove(index);
                // Nobody hears the answer.
                return self.apply(&floating.change).map(drop);
            }
            Event::Advance => return self.advance(),
            Event::DeleteOutput(resource) => {
                self.resource_mut(resource).output = None;
                self.chronicle.bereft.insert(resource);
                self.wake_others(usize::MAX, resource, self.now);
            }
            Event::DeleteSlot(resource, name) => {
                self.resource_mut(resource).slots.remove(&name);
            }
            Event::Add => self.add(),
            Event::Remove(key_id) => self.remove(key_id),
            Event::Activate(thumbprint) => {
                let preferred = Some(thumbprint);
                self.become_(Entra { preferred, ..Entra::clone(&self.entra) });
                self.chronicle.chosen = Some(self.now);
            }
            Event::Pin(resource, pin) => self.pin(resource, pin),
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<(), Broken> {
        let Some(next) = self.next_time() else { return Ok(()) };
        if next - crate::scenario::start() > self.setup.horizon {
            return Err(Broken::new(format!("L1: no rest within {} h", self.setup.horizon.num_hours())));
        }
        self.now = next;
        let lag = if self.setup.defect == Some(Defect::ReplicasLagLonger) { self.late() * 4 } else { self.late() };
        self.past.retain(|(until, _)| next < *until + lag);
        let patience = if self.setup.defect == Some(Defect::LaterThanLate) { self.late() * 4 } else { TimeDelta::zero() };
        self.floating.retain(|floating| next <= floating.until + patience);
        let overlaps: Vec<TimeDelta> = self.resources.iter().map(|found| found.record.policy.durations.overlap).collect();
        self.chronicle.shown.retain(|(resource, _), (until, _)| next < *until + overlaps[*resource]);
        let window = self.late() * 4;
        self.chronicle.touched.retain(|_, touched| next < *touched + window);
        let recorded = |id: &rotation::EntryId| self.resources.iter().any(|found| found.record.ledger.entry(id).is_some());
        self.chronicle.asked.retain(recorded);
        self.chronicle.robbed.retain(recorded);
        for process in &mut self.operators {
            process.passes = 0;
        }
        Ok(())
    }
}

impl Event {
    /// What it uses up.
    pub fn disturbance(self) -> Option<Disturbance> {
        Some(match self {
            Self::Begin(_, _, false) | Self::Go(_, Course::Well) | Self::Resume(_) | Self::Land(_) | Self::Advance => return None,
            Self::Begin(_, _, true) => Disturbance::StaleCache,
            Self::Go(_, Course::AnswerLost) => Disturbance::LostAnswer,
            Self::Go(_, Course::Floats) => Disturbance::Floating,
            Self::Go(_, Course::Refused) => Disturbance::Refusal,
            Self::Go(_, Course::Behind(_)) => Disturbance::StaleRead,
            Self::Crash(_) => Disturbance::Crash,
            Self::Pause(_) => Disturbance::Pause,
            Self::Lead(_) => Disturbance::Lease,
            Self::DeleteOutput(_) => Disturbance::OutputDeleted,
            Self::DeleteSlot(..) => Disturbance::SlotDeleted,
            Self::Add => Disturbance::Added,
            Self::Remove(_) => Disturbance::Removed,
            Self::Activate(_) => Disturbance::Activated,
            Self::Pin(..) => Disturbance::Pinned,
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
