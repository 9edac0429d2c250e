//! What happens to a site from outside, and for how long.

use std::collections::BTreeSet;
use std::mem::take;

use chrono::TimeDelta;
use rotation::{Lateness, SlotName, Time};

use super::{Coming, STRANGERS, Site};
use crate::endure::disturbance::Disturbance;
use crate::endure::layout::Sort;
use crate::{Outage, OutageKind};

impl Site {
    /// Chooses what happens from outside, and when: at once, in seconds, or within the hour.
    pub(super) fn disturb(&mut self, now: Time) {
        let disturbance = Disturbance::pick(&mut self.dice);
        let delay = match self.dice.below(3) {
            0 => TimeDelta::zero(),
            1 => TimeDelta::seconds(self.dice.between(1, 60)),
            _ => TimeDelta::seconds(self.dice.between(1, 3_600)),
        };
        self.coming.push((now + delay, Coming::Begins(disturbance)));
    }

    pub(super) fn let_happen(&mut self, now: Time) {
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
