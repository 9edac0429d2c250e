//! An application, its service principal, and the resources that share them.

mod happenings;

use std::mem::take;

use chrono::TimeDelta;
use rotation::{Application, Lateness, Ledger, Time};

use super::disturbance::Disturbance;
use super::layout::Sort;
use super::member::Member;
use super::tally::{Failure, Tally};
use super::{Plan, oracle};
use crate::{Chance, Dice, Object, World, time};

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
}
