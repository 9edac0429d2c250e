//! One case put together by hand, and what a rule says to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{UID, at, directory, facts, key_id, listed, target, thumbprint};
use crate::application::Application;
use crate::case::{Case, Projection, Rest, Step, Wait};
use crate::check::{Check, Halt};
use crate::history::Detail;
use crate::id::EntryId;
use crate::ledger::{Detail as EntryDetail, Entry, Ledger, SlotName, Use};
use crate::memory::{Fingerprint, Held, HeldKey, Material, Memory, Output, SignInResult, Slot, StagedSecret};
use crate::policy::{Kind, Policy};
use crate::time::Time;

pub(crate) struct Desk {
    pub(crate) policy: Policy,
    pub(crate) ledger: Ledger,
    pub(crate) memory: Memory,
    pub(crate) application: Application,
    pub(crate) now: Time,
}

/// The id of the entry with this number.
pub(crate) fn id(n: u8) -> EntryId {
    EntryId::derive(UID, u32::from(n))
}

/// A rest until so many minutes.
pub(crate) fn rest(minutes: i64, why: Wait) -> Option<Step> {
    Some(Step::Rest(Rest { until: at(minutes), why }))
}

/// A client secret without a slot.
pub(crate) fn secret_entry(seq: u32, r#use: Use) -> Entry {
    Entry { detail: EntryDetail::ClientSecret { display_name: None, slot: None }, ..super::entry(seq, r#use) }
}

/// What a rule says: nothing where it lets the next one speak.
pub(crate) fn said(check: Check) -> Option<Step> {
    match check {
        Ok(()) => None,
        Err(Halt::Step(step)) => Some(*step),
        Err(Halt::Stop(rest) | Halt::Wait(rest)) => Some(Step::Rest(rest)),
    }
}

impl Desk {
    pub(crate) fn new(policy: Policy, entries: Vec<Entry>) -> Self {
        let ledger = Ledger { target: Some(target()), next_seq: 9, entries, ..Ledger::default() };
        Self { policy, ledger, memory: Memory::new(at(0)), application: Application::default(), now: at(0) }
    }

    pub(crate) fn case(&self) -> Case<'_> {
        Case { policy: &self.policy, ledger: &self.ledger, memory: &self.memory, application: &self.application, now: self.now }
    }

    pub(crate) fn says(&self, rule: fn(&Case<'_>) -> Check) -> Option<Step> {
        said(rule(&self.case()))
    }

    /// What a rule says to the entry with this number.
    pub(crate) fn says_of(&self, n: u8, rule: fn(&Case<'_>, &Entry) -> Check) -> Option<Step> {
        said(rule(&self.case(), self.ledger.entry(&id(n)).unwrap()))
    }

    pub(crate) fn entry(&mut self, n: u8) -> &mut Entry {
        self.ledger.entries.iter_mut().find(|entry| entry.id == id(n)).unwrap()
    }

    /// A pass begins.
    pub(crate) fn begin(&mut self, minutes: i64) {
        self.now = at(minutes);
        self.memory.begin_pass();
    }

    /// A read of the object shows certificates, or secrets with our marks, of these numbers.
    pub(crate) fn lists(&mut self, numbers: &[u8]) {
        let mut read = directory(&[], None);
        let named = |n: &u8| json!({"keyId": key_id(*n), "displayName": id(*n).password_name(UID), "endDateTime": at(100_000)});
        let is_secret = self.policy.kind == Kind::ClientSecret;
        let entries: Vec<_> = numbers.iter().map(|n| if is_secret { named(n) } else { listed(*n) }).collect();
        let list = if is_secret { &mut read.passwords } else { &mut read.keys };
        *list = serde_json::from_value(json!(entries)).unwrap();
        let (certificates, detail) =
            if is_secret { (BTreeMap::new(), Detail::Plain) } else { (facts(numbers.iter().copied()), Detail::WithKeys) };
        self.memory.saw_directory(read, certificates, detail, None, self.now);
    }

    /// Passes in these minutes, each with a read that shows these numbers; now is the last of them.
    pub(crate) fn listed_in(&mut self, minutes: &[i64], numbers: &[u8]) {
        for minute in minutes {
            self.begin(*minute);
            self.lists(numbers);
        }
    }

    /// A read of the output shows this entry, and holds what it needs to sign in.
    pub(crate) fn shows(&mut self, n: u8) {
        let is_secret = self.policy.kind == Kind::ClientSecret;
        let (secret, thumbprint) = (Fingerprint::of(&[n]), thumbprint(n));
        let key = HeldKey { thumbprint, not_after: at(100_000), bits: 2048 };
        let current = if is_secret { Material::Secret(secret) } else { Material::Certificate(thumbprint) };
        let shown = Projection { entry: id(n), current, next: None, previous: None, bundle: BTreeSet::new() };
        let held = if is_secret { Held::Secret(secret) } else { Held::Key(key) };
        self.memory.saw_output(Output::Ours { shows: Some(shown), holds: Some(held) }, vec![], self.now);
    }

    /// A read of a slot shows what belongs to this entry.
    pub(crate) fn stages(&mut self, name: SlotName, n: u8) {
        let secret = StagedSecret { fingerprint: Fingerprint::of(&[n]), key_id: key_id(n) };
        let slot = Slot { uid: format!("slot-of-{n}"), entry: Some(id(n)), owner: Some(UID.to_owned()), secret: Some(secret) };
        self.memory.saw_slot(name, Some(slot), self.now);
    }

    pub(crate) fn signs_in(&mut self, n: u8, result: SignInResult) {
        self.memory.saw_sign_in(&id(n), result, self.now);
    }
}
