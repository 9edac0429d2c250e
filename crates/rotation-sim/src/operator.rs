//! What the shell around the rules does with a step.

use std::cell::Cell;
use std::rc::Rc;

use chrono::TimeDelta;
use rotation::*;

use super::check::Looked;
use super::{Fault, World};

impl World {
    /// Does one step.
    pub fn take(&mut self, step: Step) {
        match step {
            Step::Rest(_) => {}
            Step::Look(look) => self.look(&look),
            Step::Note(fact) => {
                self.check_fact(&fact);
                let licensed = self.licensed();
                self.note(&fact);
                self.check_licences(&licensed);
            }
            Step::Act(act) => self.act(act),
        }
    }

    /// Reads one thing.
    pub fn look(&mut self, look: &Look) {
        match look {
            Look::Directory(_) => self.course.looks(Looked::Directory),
            Look::Output => self.course.looks(Looked::Output),
            _ => {}
        }
        match look {
            Look::Directory(detail) => self.read(*detail),
            Look::Output => self.memory.saw_output(self.output_view(), vec![], self.now),
            Look::Slot(name) => self.memory.saw_slot(*name, self.slots.get(name).cloned(), self.now),
            Look::SignIn(id) => self.sign_in(id),
            Look::Metadata => {
                let valid = || self.certificates.values().map(|facts| facts.thumbprint).filter(|t| self.lists(*t)).collect();
                self.memory.saw_metadata(self.metadata.clone().unwrap_or_else(valid), self.now);
            }
            Look::AppPolicy => self.memory.saw_limits(self.limits.clone(), self.now),
            Look::FreshKey(id) => {
                let facts = self.make_certificate(self.now + self.policy.durations.validity, id.san_uri(&self.policy.uid).into_bytes());
                self.memory.generated(FreshKey { entry: id.clone(), thumbprint: facts.thumbprint, not_after: facts.not_after });
                self.key_in_memory = Some(id.clone());
            }
        }
    }

    /// What is recorded as somebody else's is theirs, and be it one of ours that was applied late to an object made anew.
    fn leave_to_others(&mut self, id: &EntryId) {
        let of_others = |entry: &&Entry| entry.origin == Origin::Foreign;
        let link =
            self.ledger.entry(id).filter(of_others).and_then(Entry::signing).and_then(|signing| signing.custom_key_identifier.clone());
        let Some(link) = link else { return };
        let listed = self.entra.keys.iter().chain(&self.entra.passwords).filter(|one| one["customKeyIdentifier"] == link.as_str());
        let theirs: Vec<_> = listed.filter(|one| !self.foreign.contains(one)).cloned().collect();
        self.foreign.extend(theirs);
    }

    fn sign_in(&mut self, id: &EntryId) {
        if self.is_cut_off() {
            return;
        }
        let result = match self.name_of(id) {
            None => SignInResult::CannotProve,
            Some(name) => {
                let known = self.listed_at.get(&name).is_some_and(|at| *at + self.sign_in_lag <= self.now);
                if known && self.accepts(&name) { SignInResult::Accepted } else { SignInResult::Refused }
            }
        };
        self.memory.saw_sign_in(id, self.sign_in.unwrap_or(result), self.now);
    }

    /// The thumbprint or keyId of the key or secret that this process can sign in with for an entry.
    pub(super) fn name_of(&self, id: &EntryId) -> Option<String> {
        let entry = self.ledger.entry(id)?;
        if let Some(thumbprint) = entry.thumbprint() {
            return Some(thumbprint.to_string());
        }
        let staged = self.slots.values().find(|slot| slot.entry.as_ref() == Some(id)).and_then(|slot| slot.secret);
        let shown = || self.output.as_ref().filter(|shown| shown.entry == *id && !self.edited).and_then(|_| entry.key_ids.first().copied());
        staged.map(|secret| secret.key_id).or_else(shown).map(|id| id.to_string())
    }

    pub(super) fn output_view(&self) -> Output {
        let held = |shown: &Projection| {
            let thumbprint = match shown.current {
                Material::Secret(fingerprint) => return Some(Held::Secret(fingerprint)),
                Material::Certificate(thumbprint) => thumbprint,
            };
            let facts = self.certificates.values().find(|facts| facts.thumbprint == thumbprint)?;
            let held = HeldKey { thumbprint, not_after: facts.not_after, bits: 2048 };
            self.held.contains(&thumbprint).then_some(Held::Key(held))
        };
        match &self.output {
            None => match self.seed.map(|seed| &self.certificates[&seed.to_string()]) {
                Some(facts) => {
                    let held = HeldKey { thumbprint: facts.thumbprint, not_after: facts.not_after, bits: 2048 };
                    Output::Ours { shows: None, holds: Some(Held::Key(held)) }
                }
                None => Output::Absent,
            },
            Some(_) if self.edited => Output::Ours { shows: None, holds: None },
            Some(shown) => Output::Ours { shows: Some(shown.clone()), holds: held(shown) },
        }
    }

    /// Changes the ledger, licensed or not.
    pub fn note(&mut self, fact: &Fact) {
        let nonce = self.course.nonce();
        self.memory.licensing(&nonce);
        let ledger = self.ledger.apply(fact, &Stamp { now: self.now, nonce }, &self.policy, &self.memory);
        let name = format!("{fact:?}").split(['(', ' ']).next().unwrap().to_owned();
        let left = if let Fact::LeftToExpire(_, thumbprint) = fact { *thumbprint } else { None };
        if let Fact::Dropped(id) = fact {
            self.leave_to_others(id);
        }
        self.effect(&format!("status {name}"), |world| {
            world.left_to_expire.extend(left);
            world.ledger = ledger;
            world.memory.settle(&world.ledger);
            world.policy.observed_generation = Some(world.policy.generation);
        });
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::PostSlot(id, name) => {
                let secret = self.secret_to_stage(&id);
                let shown = self.output.as_ref().is_some_and(|shown| shown.entry == id && !self.edited);
                assert!(self.key_in_memory.as_ref() == Some(&id) || secret.is_some() || shown, "the key is gone");
                if let Some(taken) = self.slots.get(&name) {
                    return self.memory.saw_slot(name, Some(taken.clone()), self.now);
                }
                let slot =
                    Slot { uid: format!("uid-{}", self.next_effect()), entry: Some(id), owner: Some(self.policy.uid.clone()), secret };
                let now = self.now;
                self.effect("POST slot", |world| {
                    world.slots.insert(name, slot.clone());
                    world.memory.saw_slot(name, Some(slot), now);
                });
            }
            Act::DeleteSlot(name, uid) => {
                let now = self.now;
                self.effect("DELETE slot", |world| {
                    if world.slots.get(&name).is_some_and(|slot| slot.uid == uid) {
                        world.slots.remove(&name);
                    }
                    world.memory.saw_slot(name, None, now);
                });
            }
            Act::Publish(projection) => self.publish(projection),
            Act::Send(id, mutation) => self.send(&id, mutation),
            Act::SetFinalizer(set) => self.effect("set finalizer", |world| world.policy.has_finalizer = set),
            Act::LetGo(left) => self.effect("let go", |world| {
                world.policy.has_finalizer = false;
                world.let_go = Some(left);
            }),
        }
    }

    /// The secret that a slot of this entry gets: as answered, or as the output shows it.
    fn secret_to_stage(&self, id: &EntryId) -> Option<StagedSecret> {
        let answered = self.password_in_memory.as_ref().filter(|(entry, _)| entry == id).map(|(_, key_id)| *key_id);
        let shown = || self.ledger.entry(id).filter(|entry| entry.thumbprint().is_none()).and_then(|entry| entry.key_ids.first().copied());
        let key_id = answered.or_else(shown)?;
        Some(StagedSecret { fingerprint: Fingerprint::of(key_id.to_string().as_bytes()), key_id })
    }

    fn publish(&mut self, projection: Projection) {
        let staged = self.slots.values().any(|slot| slot.entry.as_ref() == Some(&projection.entry));
        let seeded = self.seed.is_some() && self.seed == projection.current.thumbprint();
        if !self.policy.is_signing() && !staged && !seeded && self.key_in_memory.as_ref() != Some(&projection.entry) {
            return self.memory.output_is_unhealable(projection.entry.clone());
        }
        let now = self.now;
        self.effect("write output", |world| {
            if let (Material::Certificate(thumbprint), false) = (projection.current, world.policy.is_signing()) {
                world.held.insert(thumbprint);
            }
            (world.output, world.edited, world.is_published) = (Some(projection), false, true);
            world.course.looks(Looked::Output);
            let view = world.output_view();
            world.memory.saw_output(view, vec![], now);
        });
    }

    fn send(&mut self, id: &EntryId, mutation: Mutation) {
        let op = self.ledger.entry(id).and_then(|entry| entry.op.clone()).expect("an entry with a licence");
        assert!(op.outcome.is_none() && self.now - op.at <= TimeDelta::seconds(10), "sent without a licence: {op:?}");
        assert!(!self.policy.suspend && self.policy.refusal.is_none(), "sent although nothing may be");
        assert!(self.skew.abs() <= TimeDelta::minutes(2), "sent although the clocks differ");
        if self.denied.is_some_and(|(from, until)| from <= self.now && self.now < until) {
            return self.denied(&op);
        }
        if self.refuses_proof(&mutation) {
            return self.proof_refused(&op);
        }
        if let Mutation::AddKey(Proof::Slot(_, name)) | Mutation::Remove(_, Some(Proof::Slot(_, name))) = &mutation
            && !self.slots.contains_key(name)
        {
            self.memory.saw_slot(*name, None, self.now);
            return self.memory.answered(&op.nonce, Answer::Unsent);
        }
        if self.is_cut_off_from_writing(&op) {
            return;
        }
        self.course.sends(id, &op);
        self.check_activation(&mutation);
        let effect = self.next_effect();
        let change = self.graph_write(id, mutation);
        let name = format!("Graph {:?}", op.kind);
        self.memory.answered(&op.nonce, Answer::Unknown);
        if self.fault_at(effect) == Some(Fault::AppliedLate) {
            self.count("fault", "applied late");
            self.count("Graph", op.kind.as_str());
            self.record(&format!("{name}, late"));
            return self.at(self.now + TimeDelta::minutes(14), move |world| drop(change(world)));
        }
        let answer = Rc::new(Cell::new(None));
        let told = Rc::clone(&answer);
        self.count("Graph", op.kind.as_str());
        self.effect(&name, move |world| told.set(Some(change(world))));
        if self.fault_at(effect).is_none()
            && let Some(answer) = answer.take()
        {
            let answer = if self.answers_are_unreadable { Answer::Applied(None) } else { answer };
            if let Answer::Applied(Some(Made::Password(key_id))) = &answer {
                self.password_in_memory = Some((id.clone(), *key_id));
            }
            self.memory.answered(&op.nonce, answer);
        }
    }

    fn denied(&mut self, op: &Op) {
        self.count("Graph denies", op.kind.as_str());
        self.record(&format!("Graph denies {:?}", op.kind));
        self.memory.answered(&op.nonce, Answer::Refused);
        self.note(&Fact::Failed(Trouble { reason: Reason::PermissionDenied, message: "Graph denied it.".to_owned(), wait: None }));
    }

    fn effect(&mut self, name: &str, apply: impl FnOnce(&mut Self)) {
        let fault = self.fault_at(self.next_effect());
        self.record(name);
        if fault != Some(Fault::CrashBefore) {
            apply(self);
            self.remember();
        }
        match fault {
            Some(Fault::CrashBefore | Fault::CrashAfter) => {
                self.count("fault", if fault == Some(Fault::CrashBefore) { "crash before" } else { "crash after" });
                self.restart();
            }
            Some(Fault::AnswerLost) => {
                self.count("fault", "answer lost");
                self.memory.forget_output();
                SlotName::ALL.into_iter().for_each(|name| self.memory.forget_slot(name));
            }
            Some(Fault::AppliedLate) | None => {}
        }
    }
}
