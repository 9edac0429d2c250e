//! A world small enough to enumerate: one object in Entra, one output, two slots, one operator, and a fault at any effect.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, TimeDelta};
use entra_types::{CredentialList, KeyId, ObjectKind, Thumbprint};
use rotation::*;
use serde_json::{Value, json};

pub const UID: &str = "0c5a7c1e-6f64-4d3c-9b57-6a0d0d0c9a11";
const OBJECT: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const CLIENT: &str = "bbbbbbbb-0000-4000-8000-000000000001";
const TENANT: &str = "cccccccc-0000-4000-8000-000000000001";

/// What goes wrong at one effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    CrashBefore,
    CrashAfter,
    AnswerLost,
}

pub struct World {
    pub now: Time,
    pub policy: Policy,
    pub ledger: Ledger,
    pub memory: Memory,
    pub keys: Vec<Value>,
    pub passwords: Vec<Value>,
    pub preferred: Option<String>,
    pub output: Option<Projection>,
    pub slots: BTreeMap<SlotName, Slot>,
    pub certificates: BTreeMap<String, CertificateFacts>,
    pub effects: Vec<String>,
    pub fault: Option<(usize, Fault)>,
    pub sign_in_lag: TimeDelta,
    foreign: Vec<Value>,
    made: u64,
    key_in_memory: Option<EntryId>,
    held: BTreeSet<Thumbprint>,
}

pub fn time(text: &str) -> Time {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

pub fn policy(kind: Kind, wish: &Wish) -> Policy {
    let signing = matches!(kind, Kind::TokenSigning { .. });
    Policy {
        uid: UID.to_owned(),
        tenant_id: TENANT.parse().unwrap(),
        object: if signing { ObjectKind::ServicePrincipal } else { ObjectKind::Application },
        kind,
        durations: Durations::resolve(signing, wish, TimeDelta::hours(1)).unwrap(),
        not_issued_before: None,
        suspend: false,
        deleting: false,
        generation: 1,
        observed_generation: Some(1),
        own_client: None,
        late: Lateness::default(),
        refusal: None,
    }
}

pub fn certificate() -> Policy {
    policy(Kind::ClientCertificate { key_bits: 2048 }, &Wish { validity: Some(TimeDelta::days(60)), ..Wish::default() })
}

pub fn signing() -> Policy {
    let kind = Kind::TokenSigning { display_name: "CN=payroll".to_owned(), metadata: Metadata::Observe };
    policy(kind, &Wish { validity: Some(TimeDelta::days(120)), soak: Some(TimeDelta::hours(72)), ..Wish::default() })
}

impl World {
    pub fn new(policy: Policy) -> Self {
        let now = time("2026-01-01T00:00:00Z");
        let foreign = vec![json!({"keyId": "dddddddd-0000-4000-8000-000000000001", "usage": "Verify", "type": "AsymmetricX509Cert",
            "customKeyIdentifier": "Zm9yZWlnbg==", "startDateTime": "2025-05-05T18:38:51.8100763Z", "endDateTime": "2036-01-01T00:00:00Z", "key": null})];
        Self {
            now,
            policy,
            ledger: Ledger::default(),
            memory: Memory::new(now),
            keys: foreign.clone(),
            passwords: vec![],
            preferred: None,
            output: None,
            slots: BTreeMap::new(),
            certificates: BTreeMap::new(),
            effects: vec![],
            fault: None,
            sign_in_lag: TimeDelta::zero(),
            foreign,
            made: 0,
            key_in_memory: None,
            held: BTreeSet::new(),
        }
    }

    /// Runs until that time, or panics where a promise is broken or the operator does not come to rest.
    pub fn run_for(&mut self, span: TimeDelta) {
        let end = self.now + span;
        while self.now < end {
            let until = self.pass();
            assert!(until > self.now, "a rest that is no rest at {}", self.now);
            self.now = until.min(end);
        }
    }

    fn pass(&mut self) -> Time {
        self.memory.begin_pass();
        for _ in 0..64 {
            let application = Application::default();
            let case = Case { policy: &self.policy, ledger: &self.ledger, memory: &self.memory, application: &application, now: self.now };
            match next(&case) {
                Step::Rest(rest) => return rest.until,
                Step::Look(look) => self.look(&look),
                Step::Note(fact) => self.note(&fact),
                Step::Act(act) => self.act(act),
            }
            self.check();
        }
        panic!("no rest after 64 steps at {}: {:?}", self.now, &self.effects[self.effects.len().saturating_sub(8)..]);
    }

    fn look(&mut self, look: &Look) {
        match look {
            Look::Directory(detail) => self.read(*detail),
            Look::Output => self.memory.saw_output(self.output_view(), vec![], self.now),
            Look::Slot(name) => self.memory.saw_slot(*name, self.slots.get(name).cloned(), self.now),
            Look::SignIn(id) => {
                let entry = self.ledger.entry(id).unwrap();
                let visible = entry.issued_at + self.sign_in_lag <= self.now;
                let accepted = visible && self.lists(entry.thumbprint().unwrap());
                self.memory.saw_sign_in(id, if accepted { SignInResult::Accepted } else { SignInResult::Refused }, self.now);
            }
            Look::Metadata => {
                let listed = self.certificates.values().map(|facts| facts.thumbprint).filter(|t| self.lists(*t)).collect();
                self.memory.saw_metadata(listed, self.now);
            }
            Look::FreshKey(id) => {
                let facts = self.make_certificate(self.now + self.policy.durations.validity);
                self.memory.generated(FreshKey { entry: id.clone(), thumbprint: facts.thumbprint, not_after: facts.not_after });
                self.key_in_memory = Some(id.clone());
            }
        }
    }

    fn read(&mut self, detail: Detail) {
        let list = |entries: &[Value]| -> CredentialList { serde_json::from_value(json!(entries)).unwrap() };
        let directory = Directory {
            object_id: OBJECT.parse().unwrap(),
            client_id: CLIENT.parse().unwrap(),
            display_name: "Payroll".to_owned(),
            preferred: self.preferred.clone(),
            keys: list(&self.keys),
            passwords: list(&self.passwords),
        };
        let known = |entry: &Value| {
            let facts = self.certificates.get(entry["customKeyIdentifier"].as_str()?)?;
            Some((entry["keyId"].as_str()?.parse::<KeyId>().ok()?, facts.clone()))
        };
        let certificates = if detail == Detail::WithKeys { self.keys.iter().filter_map(known).collect() } else { BTreeMap::new() };
        self.memory.saw_directory(directory, certificates, detail, Some(self.now), self.now);
    }

    fn output_view(&self) -> Output {
        let held = |shown: &Projection| {
            let facts = self.certificates.values().find(|facts| facts.thumbprint == shown.current)?;
            self.held.contains(&shown.current).then_some(HeldKey { thumbprint: shown.current, not_after: facts.not_after, bits: 2048 })
        };
        match &self.output {
            None => Output::Absent,
            Some(shown) => Output::Ours { shows: Some(shown.clone()), holds: held(shown) },
        }
    }

    fn note(&mut self, fact: &Fact) {
        let nonce = format!("n{}", self.effects.len());
        self.memory.licensing(&nonce);
        let ledger = self.ledger.apply(fact, &Stamp { now: self.now, nonce }, &self.policy, &self.memory);
        let name = format!("{fact:?}").split(['(', ' ']).next().unwrap().to_owned();
        self.effect(&format!("status {name}"), |world| {
            world.ledger = ledger;
            world.memory.settle(&world.ledger);
        });
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::PostSlot(id, name) => {
                assert_eq!(self.key_in_memory.as_ref(), Some(&id), "the key is gone");
                if let Some(taken) = self.slots.get(&name) {
                    return self.memory.saw_slot(name, Some(taken.clone()), self.now);
                }
                let slot = Slot { uid: format!("uid-{}", self.effects.len()), entry: Some(id), owner: Some(UID.to_owned()) };
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
        }
    }

    fn publish(&mut self, projection: Projection) {
        let staged = self.slots.values().any(|slot| slot.entry.as_ref() == Some(&projection.entry));
        if !self.policy.is_signing() && !staged && self.key_in_memory.as_ref() != Some(&projection.entry) {
            return self.memory.output_is_unhealable();
        }
        let now = self.now;
        self.effect("write output", |world| {
            if !world.policy.is_signing() {
                world.held.insert(projection.current);
            }
            world.output = Some(projection);
            let view = world.output_view();
            world.memory.saw_output(view, vec![], now);
        });
    }

    fn send(&mut self, id: &EntryId, mutation: Mutation) {
        let op = self.ledger.entry(id).and_then(|entry| entry.op.clone()).expect("an entry with a licence");
        assert!(op.outcome.is_none() && self.now - op.at <= TimeDelta::seconds(10), "sent without a licence: {op:?}");
        let (nonce, id) = (op.nonce, id.clone());
        let name = format!("Graph {:?}", op.kind);
        let applied = std::rc::Rc::new(std::cell::Cell::new(None));
        let seen = applied.clone();
        self.memory.answered(&nonce, Answer::Unknown);
        self.effect(&name, move |world| seen.set(world.mutate(&id, mutation).into()));
        let crashed_or_lost = self.fault_now(self.effects.len() - 1).is_some();
        if !crashed_or_lost && let Some(answer) = applied.take() {
            self.memory.answered(&nonce, answer);
        }
    }

    fn mutate(&mut self, id: &EntryId, mutation: Mutation) -> Answer {
        let entry = self.ledger.entry(id).unwrap().clone();
        match mutation {
            Mutation::AddKey(proof) => {
                if let Proof::Slot(_, name) = proof {
                    assert!(self.slots.contains_key(&name), "the proof's slot is gone");
                }
                self.made += 1;
                let key_id = format!("eeeeeeee-0000-4000-8000-{:012}", self.made);
                self.list_certificate(entry.thumbprint().unwrap(), &key_id);
                Answer::Applied(None)
            }
            Mutation::AddByUpdate => {
                let key_id = entry.key_ids.first().unwrap().to_string();
                if !self.keys.iter().any(|key| key["keyId"] == json!(key_id)) {
                    self.list_certificate(entry.thumbprint().unwrap(), &key_id);
                }
                Answer::Applied(None)
            }
            Mutation::AddTokenSigningCertificate => Answer::Applied(Some(self.make_signing(entry.signing().unwrap()))),
            Mutation::Activate(thumbprint) => {
                self.preferred = Some(thumbprint.to_string());
                Answer::Applied(None)
            }
            Mutation::Remove(removal, _) => {
                let goes = |entry: &Value| {
                    entry["keyId"].as_str().and_then(|id| id.parse().ok()).is_some_and(|id: KeyId| removal.key_ids().contains(&id))
                };
                let shown = self.output.as_ref().map(|shown| shown.current);
                assert_ne!(self.ledger.entry(id).and_then(Entry::thumbprint), shown, "removes what the output names");
                self.keys.retain(|entry| !goes(entry));
                self.passwords.retain(|entry| !goes(entry));
                Answer::Applied(None)
            }
        }
    }

    fn make_certificate(&mut self, not_after: Time) -> CertificateFacts {
        self.made += 1;
        let mut digest = [7; 20];
        digest[12..].copy_from_slice(&self.made.to_be_bytes());
        let facts = CertificateFacts { thumbprint: Thumbprint::new(digest), not_after, der: vec![] };
        self.certificates.insert(facts.thumbprint.to_string(), facts.clone());
        facts
    }

    fn list_certificate(&mut self, thumbprint: Thumbprint, key_id: &str) {
        let end = self.certificates[&thumbprint.to_string()].not_after;
        self.keys.push(json!({"keyId": key_id, "usage": "Verify", "customKeyIdentifier": thumbprint.to_string(),
            "startDateTime": text(self.now), "endDateTime": text(end), "key": null}));
    }

    /// What addTokenSigningCertificate does: three linked entries.
    pub fn make_signing(&mut self, asked: &Signing) -> SigningAnswer {
        let end = asked.end_date_time.clone().unwrap();
        let facts = self.make_certificate(time(&end));
        let link = facts.thumbprint.to_string();
        let ids = [0, 1].map(|n| format!("ffffffff-000{n}-4000-8000-{:012}", self.made));
        let entry = |id: &str, usage: Option<&str>| {
            json!({"keyId": id, "usage": usage, "customKeyIdentifier": link,
            "displayName": asked.display_name, "startDateTime": text(self.now), "endDateTime": end, "key": null})
        };
        let (sign, verify, password) = (entry(&ids[0], Some("Sign")), entry(&ids[1], Some("Verify")), entry(&ids[0], None));
        self.keys.extend([sign, verify]);
        self.passwords.push(password);
        SigningAnswer { key_id: ids[0].parse().unwrap(), custom_key_identifier: link, thumbprint: facts.thumbprint }
    }

    fn effect(&mut self, name: &str, apply: impl FnOnce(&mut Self)) {
        let fault = self.fault_now(self.effects.len());
        self.effects.push(format!("{} {name}", text(self.now)));
        if fault != Some(Fault::CrashBefore) {
            apply(self);
        }
        match fault {
            Some(Fault::CrashBefore | Fault::CrashAfter) => {
                self.memory = Memory::new(self.now);
                self.memory.begin_pass();
                self.key_in_memory = None;
            }
            Some(Fault::AnswerLost) => {
                self.memory.forget_output();
                SlotName::ALL.into_iter().for_each(|name| self.memory.forget_slot(name));
            }
            None => {}
        }
    }

    fn fault_now(&self, effect: usize) -> Option<Fault> {
        self.fault.filter(|(at, _)| *at == effect).map(|(_, fault)| fault)
    }

    fn lists(&self, thumbprint: Thumbprint) -> bool {
        let valid = self.certificates.values().any(|facts| facts.thumbprint == thumbprint && self.now < facts.not_after);
        valid && self.keys.iter().any(|key| key["customKeyIdentifier"] == json!(thumbprint.to_string()))
    }

    /// Who signs: the preferred certificate if valid, else any valid one.
    pub fn signers(&self) -> Vec<Thumbprint> {
        let able: Vec<_> = self.certificates.values().map(|facts| facts.thumbprint).filter(|t| self.lists(*t)).collect();
        let preferred = able.iter().copied().find(|t| self.preferred == Some(t.to_string()));
        preferred.map_or(able, |preferred| vec![preferred])
    }

    /// The promises, after every step.
    fn check(&self) {
        for entry in &self.foreign {
            assert!(self.keys.contains(entry), "a foreign entry changed at {}", self.now);
        }
        let Some(shown) = &self.output else { return };
        let context = || format!("at {} after {:?}", self.now, self.effects.last());
        if self.policy.is_signing() {
            let trusted = self.signers().iter().all(|signer| shown.bundle.contains(signer));
            assert!(trusted, "Entra signs with what the output does not show, {}", context());
        } else {
            assert!(self.lists(shown.current), "a gap {}", context());
        }
    }

    pub fn live(&self) -> usize {
        self.keys.len() - self.foreign.len()
    }
}

fn text(at: Time) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
