//! An application, its service principal, and the resources that share them.

use std::collections::BTreeSet;
use std::mem::take;

use chrono::TimeDelta;
use rotation::{Application, Lateness, Ledger, SlotName, Time};

use super::disturbance::Disturbance;
use super::layout::Sort;
use super::member::Member;
use super::tally::{Failure, Tally};
use super::{Plan, oracle};
use crate::{Chance, Dice, Object, Outage, OutageKind, World, time};

/// Effects and passes of one rotation, about: what turns faults for each rotation into a chance for each of them.
const EFFECTS: f64 = 11.0;
const PASSES: f64 = 45.0;

/// Nothing happens from outside for so long before the end, so that everything can settle.
const CALM: TimeDelta = TimeDelta::days(2);

/// Foreign credentials on one object, at most.
const STRANGERS: usize = 5;

/// Something that is due at a time of its own.
enum Coming {
    Begins(Disturbance),
    Ends(Disturbance),
}

/// An application, its service principal, and the resources that share them.
pub struct Site {
    number: u32,
    dice: Dice,
    objects: [Object; 2],
    members: Vec<Member>,
    coming: Vec<(Time, Coming)>,
    /// Of so many passes in a million something from outside is the companion.
    restless: u64,
    longest_outage: TimeDelta,
    life: TimeDelta,
    /// The operator does not run before.
    down_until: Option<Time>,
    /// No outage begins before.
    steady_until: Time,
    /// Lag must not begin before: what a stranger did meanwhile could be lost (section 7 of the protocol).
    visible_until: Time,
    calm_from: Time,
    lasting: Vec<(Disturbance, Time)>,
    tally: Tally,
    failed: bool,
}

impl Site {
    /// The site of this number.
    pub fn new(plan: &Plan, number: u32, sorts: &[Sort]) -> Self {
        let start = time("2026-01-01T00:00:00Z");
        let mut dice = Dice::new(plan.seed, u64::from(number));
        let half = plan.faults / 2.0;
        let in_a_million = |among: f64| (half / among * 1_000_000.0) as u64;
        let mut site = Self {
            number,
            dice,
            objects: [Object::default(), Object::default()],
            members: vec![],
            coming: vec![],
            restless: in_a_million(PASSES),
            longest_outage: plan.longest_outage(),
            life: plan.life(),
            down_until: None,
            steady_until: start + plan.life(),
            visible_until: start,
            calm_from: start + plan.span - CALM.min(plan.span / 4),
            lasting: vec![],
            tally: Tally::default(),
            failed: false,
        };
        for (i, sort) in (0..).zip(sorts) {
            let chance = Chance { seed: dice.roll(), in_a_million: in_a_million(EFFECTS) };
            site.add(*sort, plan.validity, i, chance);
        }
        site.dice = dice;
        site
    }

    fn add(&mut self, sort: Sort, validity: i64, i: u64, chance: Chance) {
        let mut policy = sort.policy(validity);
        let object = usize::from(policy.object == entra_types::ObjectKind::ServicePrincipal);
        policy.uid = format!("0c5a7c1e-6f64-4d3c-9b57-{:06x}{i:06x}", self.number);
        let mut world = World::new(policy);
        (world.is_bounded, world.gap_excused) = (true, true);
        world.chance = (chance.in_a_million > 0).then_some(chance);
        if object == 1 {
            world.object_id = "aaaaaaaa-0000-4000-8000-000000000002".parse().expect("an id");
        }
        if self.members.iter().all(|member| member.object != object) {
            world.exchange(&mut self.objects[object]);
            self.objects[object].made = 1 + 1_000_000_000 * object as u64;
        }
        if sort == Sort::SelfRolled {
            world.exchange(&mut self.objects[object]);
            let facts = world.make_certificate(world.now + self.life, vec![]);
            world.somebody_uploads(&facts, &format!("77777777-0000-4000-8000-{i:012}"));
            world.hold_in_output(&facts);
            world.exchange(&mut self.objects[object]);
        }
        let wake = world.now + TimeDelta::minutes(i64::try_from(i).unwrap_or(0));
        self.members.push(Member::new(world, sort, object, wake));
    }

    /// Lives until then.
    pub fn advance(&mut self, until: Time) {
        while !self.failed {
            let coming = self.coming.iter().map(|(at, _)| *at).min();
            let (i, wake) = self.first_to_wake();
            match coming.filter(|at| *at <= wake) {
                Some(at) if at < until => self.let_happen(at),
                None if wake < until => self.take_turn(i, wake),
                _ => break,
            }
        }
        for member in &mut self.members {
            member.world.exchange(&mut self.objects[member.object]);
            member.world.forget_the_expired(self.life * 4);
            member.world.exchange(&mut self.objects[member.object]);
        }
    }

    /// Its end: everything has settled.
    pub fn finish(&mut self) {
        if self.failed {
            return;
        }
        self.examine_all();
        for i in 0..self.members.len() {
            let member = &mut self.members[i];
            member.world.exchange(&mut self.objects[member.object]);
            let settled = oracle::settled(member);
            member.world.exchange(&mut self.objects[member.object]);
            if let Err(what) = settled {
                self.fail(&what);
            }
        }
    }

    /// Something broke a promise here: the site is not lived on.
    pub fn fail(&mut self, what: &str) {
        self.failed = true;
        let lived = |member: &Member| {
            format!("{} {:#?}\n{:#?}\n{}\n", member.sort.as_str(), member.world.ledger, member.world.effects, member.world.now)
        };
        let lives: Vec<String> = self.members.iter().map(lived).collect();
        self.tally.failures.push(Failure { site: self.number, what: format!("{what}\n{}", lives.join("\n")) });
    }

    /// Successors published so far.
    pub fn rotations(&self) -> u64 {
        self.members.iter().map(|member| member.tally.rotations).sum()
    }

    /// What was counted.
    pub fn tally(mut self) -> Tally {
        let mut tally = take(&mut self.tally);
        for member in self.members {
            let mut counted = member.tally;
            counted.resources = 1;
            counted.counts = member.world.counts;
            tally.sorts.entry(member.sort).or_default().add(&counted);
        }
        tally
    }

    fn first_to_wake(&self) -> (usize, Time) {
        (0..).zip(&self.members).map(|(i, member)| (i, member.wake)).min_by_key(|(_, at)| *at).expect("a site has members")
    }

    fn account(&mut self, object: usize, now: Time) {
        for i in 0..self.members.len() {
            let member = &mut self.members[i];
            if member.object != object {
                continue;
            }
            let gap = member.account(&mut self.objects[object], now);
            if gap > TimeDelta::zero() {
                let what = format!("a gap of {} s up to {now} of a {}", gap.as_seconds_f64(), member.sort.as_str());
                return self.fail(&what);
            }
        }
    }

    fn take_turn(&mut self, i: usize, now: Time) {
        let object = self.members[i].object;
        self.account(object, now);
        if let Some(until) = self.down_until.filter(|until| now < *until) {
            return self.idle(i, now, until);
        }
        self.tally.passes += 1;
        self.tell_of_siblings(i, now);
        let member = &mut self.members[i];
        let before = member.world.next_effect();
        member.world.exchange(&mut self.objects[object]);
        member.world.now = now;
        let turn = member.world.turn(&|_, _| false);
        member.world.exchange(&mut self.objects[object]);
        member.wake = turn.unwrap_or(now + TimeDelta::seconds(1));
        member.observe();
        if member.world.next_effect() != before {
            self.examine(object);
        }
        if now < self.calm_from && self.dice.happens(self.restless) {
            self.disturb(now);
        }
    }

    /// The operator does not run; what was sent before is applied all the same.
    fn idle(&mut self, i: usize, now: Time, until: Time) {
        let member = &mut self.members[i];
        member.world.exchange(&mut self.objects[member.object]);
        member.world.now = now;
        member.world.happen();
        member.wake = member.world.next_event().map_or(until, |event| event.max(now + TimeDelta::seconds(1))).min(until);
        member.world.exchange(&mut self.objects[member.object]);
    }

    fn tell_of_siblings(&mut self, i: usize, now: Time) {
        if self.members.len() == 1 {
            return;
        }
        let object = self.members[i].world.ledger.target.as_ref().map(|target| target.object_id);
        let others = (0..).zip(&self.members).filter(|(other, _)| *other != i).map(|(_, member)| &member.world.ledger);
        let application = Application::of(others.collect::<Vec<&Ledger>>(), None, object, Lateness::default(), now);
        let world = &mut self.members[i].world;
        world.memory.others_own(application.named());
        world.application = application;
    }

    fn examine_all(&mut self) {
        (0..self.objects.len()).for_each(|object| self.examine(object));
    }

    fn examine(&mut self, object: usize) {
        let members: Vec<&Member> = self.members.iter().filter(|member| member.object == object).collect();
        match oracle::recorded(&self.objects[object], &members) {
            Err(what) => self.fail(&what),
            Ok(live) => {
                for (member, live) in self.members.iter_mut().filter(|member| member.object == object).zip(live) {
                    member.measure(live);
                }
            }
        }
    }

    /// Chooses what happens from outside, and when: at once, in seconds, or within the hour.
    fn disturb(&mut self, now: Time) {
        let disturbance = Disturbance::pick(&mut self.dice);
        let delay = match self.dice.below(3) {
            0 => TimeDelta::zero(),
            1 => TimeDelta::seconds(self.dice.between(1, 60)),
            _ => TimeDelta::seconds(self.dice.between(1, 3_600)),
        };
        self.coming.push((now + delay, Coming::Begins(disturbance)));
    }

    fn let_happen(&mut self, now: Time) {
        (0..self.objects.len()).for_each(|object| self.account(object, now));
        if self.failed {
            return;
        }
        let (due, later) = take(&mut self.coming).into_iter().partition(|(at, _)| *at <= now);
        self.coming = later;
        let due: Vec<(Time, Coming)> = due;
        for (_, coming) in due {
            match coming {
                Coming::Begins(disturbance) => self.begin(disturbance, now),
                Coming::Ends(disturbance) => self.end(disturbance, now),
            }
        }
    }

    fn begin(&mut self, disturbance: Disturbance, now: Time) {
        if now >= self.calm_from || !self.may_begin(disturbance, now) {
            return;
        }
        let i = self.dice.below(self.members.len() as u64) as usize;
        if !self.apply(disturbance, i, now) {
            return;
        }
        self.tell_of(disturbance, "begins", now);
        *self.tally.disturbances.entry(disturbance.as_str()).or_default() += 1;
    }

    fn may_begin(&self, disturbance: Disturbance, now: Time) -> bool {
        let lasts = |other: Disturbance| self.lasting.iter().any(|(lasting, _)| *lasting == other);
        let rolls_itself = self.members.iter().any(|member| member.sort == Sort::SelfRolled);
        match disturbance {
            _ if lasts(disturbance) => false,
            Disturbance::ReplicaLag => self.visible_until <= now,
            // Section 7: what strangers write shortly before a whole-list update is sent or while it is open can be lost.
            Disturbance::ForeignAdded | Disturbance::ForeignRemoved => !lasts(Disturbance::ReplicaLag) && !self.replaces_a_list(now),
            // Nobody but a person can let an application in again that rolls itself and was locked out.
            Disturbance::DownPastExpiry | Disturbance::ObjectRemade | Disturbance::CredentialRemoved => {
                !rolls_itself && self.steady_until <= now && now + self.life * 2 < self.calm_from
            }
            _ if disturbance.blocks() => self.steady_until <= now,
            _ => true,
        }
    }

    fn replaces_a_list(&self, now: Time) -> bool {
        let ops = self.members.iter().flat_map(|member| &member.world.ledger.entries).filter_map(|entry| entry.op.as_ref());
        let late = Lateness::default();
        ops.into_iter().any(|op| op.kind.is_whole_list() && now < op.at + late.open())
    }

    /// Does it to one member, or to all; `false` where there is nothing to do it to.
    fn apply(&mut self, disturbance: Disturbance, i: usize, now: Time) -> bool {
        match disturbance {
            Disturbance::Restart => self.restart_at(now),
            Disturbance::Down => {
                let until = self.last(disturbance, now);
                self.down_until = Some(until);
            }
            Disturbance::DownPastExpiry => {
                let until = now + self.life + TimeDelta::hours(self.dice.between(1, 48));
                self.blocked_until(until, now);
                self.down_until = Some(until);
                self.coming.push((until, Coming::Ends(disturbance)));
                self.members.iter_mut().for_each(|member| member.excuse(now, until));
            }
            Disturbance::OutputDeleted | Disturbance::OutputEdited => return self.spoil_output(disturbance, i, now),
            Disturbance::SlotDeleted => return self.delete_slot(i, now),
            Disturbance::ForeignAdded | Disturbance::ForeignRemoved => return self.meddle(disturbance, i, now),
            Disturbance::AskedAnew | Disturbance::Revoked => {
                let policy = &mut self.members[i].world.policy;
                let bound =
                    if disturbance == Disturbance::Revoked { &mut policy.revoke_issued_before } else { &mut policy.not_issued_before };
                *bound = Some(now);
                policy.generation += 1;
                self.members[i].wake = now;
            }
            Disturbance::CredentialRemoved => return self.remove_by_hand(i, now),
            Disturbance::ObjectRemade => self.remake(i, now),
            _ => {
                let until = self.last(disturbance, now);
                self.set_weather(disturbance, now, Some(until));
            }
        }
        true
    }

    /// How long it lasts.
    fn last(&mut self, disturbance: Disturbance, now: Time) -> Time {
        let until = now + TimeDelta::seconds(self.dice.between(600, self.longest_outage.num_seconds().max(601)));
        if disturbance.blocks() {
            self.blocked_until(until, now);
        }
        self.lasting.push((disturbance, until));
        self.coming.push((until, Coming::Ends(disturbance)));
        until
    }

    /// After an outage it is steady for twice as long.
    fn blocked_until(&mut self, until: Time, from: Time) {
        self.steady_until = until + (until - from) * 2;
    }

    fn set_weather(&mut self, disturbance: Disturbance, now: Time, until: Option<Time>) {
        let lag = TimeDelta::seconds(self.dice.between(10, 14 * 60));
        let skew = TimeDelta::seconds(self.dice.between(121, 300)) * if self.dice.happens(500_000) { 1 } else { -1 };
        let slow = TimeDelta::seconds(self.dice.between(10, 30 * 60));
        let span = until.map(|until| (now, until));
        for member in &mut self.members {
            let world = &mut member.world;
            match disturbance {
                Disturbance::Denied => world.denied = span,
                Disturbance::Throttled | Disturbance::Unreachable => {
                    let kind = if disturbance == Disturbance::Throttled { OutageKind::Throttled } else { OutageKind::Unreachable };
                    world.outage = until.map(|until| Outage { kind, from: now, until });
                }
                Disturbance::ClockSkew => world.skew = if until.is_some() { skew } else { TimeDelta::zero() },
                Disturbance::Suspended => (world.policy.suspend, world.policy.generation) = (until.is_some(), world.policy.generation + 1),
                Disturbance::ReplicaLag => world.lag = if until.is_some() { lag } else { TimeDelta::zero() },
                Disturbance::SignInLag => world.sign_in_lag = if until.is_some() { slow } else { TimeDelta::zero() },
                Disturbance::UnreadableAnswers => world.answers_are_unreadable = until.is_some(),
                Disturbance::ProofsRefused => world.proofs_refused = span,
                Disturbance::MetadataEmpty => world.metadata = until.map(|_| BTreeSet::new()),
                _ => {}
            }
            if disturbance == Disturbance::Suspended {
                member.wake = now;
            }
        }
    }

    /// Whoever reads what led to a failure finds it among the effects.
    fn tell_of(&mut self, disturbance: Disturbance, what: &str, now: Time) {
        for member in &mut self.members {
            member.world.now = now;
            member.world.record(&format!("-- {} {what}", disturbance.as_str()));
        }
    }

    fn end(&mut self, disturbance: Disturbance, now: Time) {
        self.tell_of(disturbance, "ends", now);
        self.lasting.retain(|(lasting, _)| *lasting != disturbance);
        if matches!(disturbance, Disturbance::Down | Disturbance::DownPastExpiry) {
            self.down_until = None;
            return self.restart_at(now);
        }
        self.set_weather(disturbance, now, None);
    }

    fn restart_at(&mut self, now: Time) {
        for member in &mut self.members {
            member.world.now = now;
            member.world.restart();
            member.wake = now;
        }
    }

    fn spoil_output(&mut self, disturbance: Disturbance, i: usize, now: Time) -> bool {
        let member = &mut self.members[i];
        if member.world.output.is_none() {
            return false;
        }
        if disturbance == Disturbance::OutputDeleted {
            (member.world.output, member.world.edited, member.world.seed) = (None, false, None);
        } else {
            member.world.edited = true;
        }
        member.world.memory.forget_output();
        member.excuse(now, now);
        member.wake = now;
        true
    }

    fn delete_slot(&mut self, i: usize, now: Time) -> bool {
        let member = &mut self.members[i];
        let name = SlotName::ALL[self.dice.below(2) as usize];
        if member.sort == Sort::SelfRolled || member.world.slots.remove(&name).is_none() {
            return false;
        }
        member.world.memory.forget_slot(name);
        member.wake = now;
        true
    }

    fn meddle(&mut self, disturbance: Disturbance, i: usize, now: Time) -> bool {
        let member = &mut self.members[i];
        let object = &mut self.objects[member.object];
        let adds = disturbance == Disturbance::ForeignAdded;
        if object.foreign.len() >= STRANGERS && adds || object.foreign.is_empty() && !adds {
            return false;
        }
        member.world.exchange(object);
        member.world.now = now;
        if adds {
            member.world.somebody_adds("bmV3Y29tZXI=");
        } else {
            member.world.somebody_removes_the_last_foreign_one();
        }
        member.world.exchange(object);
        self.visible_until = now + Lateness::default().settled();
        true
    }

    fn remove_by_hand(&mut self, i: usize, now: Time) -> bool {
        let member = &mut self.members[i];
        let Some(current) = member.world.ledger.current().filter(|current| current.published_at.is_some()) else { return false };
        let goes: Vec<String> = current.key_ids.iter().map(ToString::to_string).collect();
        let stays = |entry: &serde_json::Value| entry["keyId"].as_str().is_none_or(|id| !goes.iter().any(|gone| gone == id));
        let object = &mut self.objects[member.object];
        object.entra.keys.retain(stays);
        object.entra.passwords.retain(stays);
        member.excuse(now, now);
        true
    }

    fn remake(&mut self, i: usize, now: Time) {
        let object = self.members[i].object;
        self.members[i].world.exchange(&mut self.objects[object]);
        self.members[i].world.remake_the_object();
        self.members[i].world.exchange(&mut self.objects[object]);
        self.members.iter_mut().filter(|member| member.object == object).for_each(|member| member.excuse(now, now));
    }
}
