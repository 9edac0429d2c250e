//! The object in Entra: what a read shows, what a write changes, and what people do to it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use entra_types::{CredentialList, KeyId, ObjectId, Thumbprint};
use rotation::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::signing::{certificate_of, shows_its_certificate};
use super::{World, text, time};

const CLIENT: &str = "bbbbbbbb-0000-4000-8000-000000000001";

/// What the object holds at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entra {
    /// `keyCredentials`.
    pub keys: Vec<Value>,
    /// `passwordCredentials`.
    pub passwords: Vec<Value>,
    /// `preferredTokenSigningKeyThumbprint`.
    pub preferred: Option<String>,
    /// `notificationEmailAddresses`.
    pub notification_addresses: BTreeSet<String>,
    /// The object was deleted and made anew so many times.
    pub remade: u8,
}

type Change = Box<dyn FnOnce(&mut World) -> Answer>;

impl Entra {
    /// The id of the object that was first made with this one: another one each time that it is made anew.
    pub fn id_now(&self, id: ObjectId) -> ObjectId {
        ObjectId::new(Uuid::from_u128(id.as_uuid().as_u128() + (u128::from(self.remade) << 80)))
    }

    fn directory(&self, id: ObjectId) -> Directory {
        let list = |entries: &[Value]| -> CredentialList { serde_json::from_value(json!(entries)).unwrap() };
        Directory {
            object_id: self.id_now(id),
            client_id: CLIENT.parse().unwrap(),
            display_name: "Payroll".to_owned(),
            preferred: self.preferred.clone(),
            keys: list(&self.keys),
            passwords: list(&self.passwords),
            notification_addresses: self.notification_addresses.clone(),
        }
    }
}

impl World {
    /// Reads one replica: some are behind, and not always the same.
    pub(super) fn read(&mut self, detail: Detail) {
        self.reads += 1;
        if self.is_cut_off() {
            return;
        }
        let seen = if self.policy.is_self_rolled() { self.what_is_accepted() } else { self.replica().clone() };
        let known = |entry: &Value| {
            let facts = self.certificates.get(&certificate_of(entry)?.to_string()).filter(|_| shows_its_certificate(entry))?;
            Some((entry["keyId"].as_str()?.parse::<KeyId>().ok()?, facts.clone()))
        };
        let certificates = if detail == Detail::WithKeys { seen.keys.iter().filter_map(known).collect() } else { BTreeMap::new() };
        let directory = self.answer(seen);
        self.memory.saw_directory(directory, certificates, detail, Some(self.now + self.skew), self.now);
    }

    /// The object as Graph writes it; most reads are answered alike.
    fn answer(&mut self, seen: Entra) -> Directory {
        match &self.answered {
            Some((last, directory)) if *last == seen => directory.clone(),
            _ => {
                let directory = seen.directory(self.object_id);
                self.answered = Some((seen, directory.clone()));
                directory
            }
        }
    }

    /// Who rolls its own certificate sees no lists, only which of its certificates are accepted, and knows the names that addKey told.
    fn what_is_accepted(&self) -> Entra {
        let staged = self.ledger.entries.iter().filter_map(|entry| Some((entry.id.clone(), entry.thumbprint()?)));
        let held = self.output.as_ref().and_then(|shown| Some((shown.entry.clone(), shown.current.thumbprint()?)));
        let listed = |(id, thumbprint): (EntryId, Thumbprint)| {
            let accepted = self.lists(thumbprint) && self.listed_at[&thumbprint.to_string()] + self.sign_in_lag <= self.now;
            let key_id = self.told.get(&thumbprint).copied().unwrap_or_else(|| id.key_id(&self.policy.uid));
            accepted.then(|| (thumbprint, json!({"keyId": key_id, "usage": "Verify", "customKeyIdentifier": thumbprint.to_string()})))
        };
        let seed =
            self.seed.filter(|_| self.ledger.entries.is_empty()).map(|seed| (self.ledger.next_id(&self.policy.uid, &self.memory), seed));
        let held = held.or(seed);
        let keys: BTreeMap<_, _> = held.into_iter().chain(staged).filter_map(listed).collect();
        Entra { keys: keys.into_values().collect(), remade: self.entra.remade, ..Entra::default() }
    }

    fn replica(&self) -> &Entra {
        let behind = match self.lag.num_seconds() {
            0 => return &self.entra,
            lag => i64::try_from(self.reads.wrapping_mul(2_654_435_761) >> 7).unwrap() % (lag + 1),
        };
        let at = self.now - TimeDelta::seconds(behind);
        self.past.iter().rev().find(|(since, _)| *since <= at).map_or(&self.entra, |(_, state)| state)
    }

    pub(super) fn remember(&mut self) {
        if self.past.last().is_none_or(|(_, state)| *state != self.entra) {
            self.past.push((self.now, self.entra.clone()));
        }
        let bound = self.now - self.lag;
        while self.past.get(1).is_some_and(|(since, _)| *since <= bound) {
            self.past.remove(0);
        }
    }

    /// The write as it is sent: a list is the one that was read, whatever happens to it meanwhile.
    pub(super) fn graph_write(&mut self, id: &EntryId, mutation: Mutation) -> Change {
        let entry = self.ledger.entry(id).unwrap().clone();
        match mutation {
            Mutation::AddKey(_) => {
                self.made += 1;
                let key_id = format!("eeeeeeee-0000-4000-8000-{:012}", self.made);
                Box::new(move |world| {
                    world.list_certificate(entry.thumbprint().unwrap(), &key_id);
                    if world.answers_are_unreadable {
                        return Answer::Applied(None);
                    }
                    world.told.insert(entry.thumbprint().unwrap(), key_id.parse().unwrap());
                    Answer::Applied(Some(Made::Key(key_id.parse().unwrap())))
                })
            }
            Mutation::AddByUpdate => {
                let key_id = entry.key_ids.first().unwrap().to_string();
                let (keys, passwords) = self.lists_as_read();
                Box::new(move |world| {
                    world.replace(keys, passwords);
                    world.list_certificate(entry.thumbprint().unwrap(), &key_id)
                })
            }
            Mutation::AddTokenSigningCertificate => {
                let asked = entry.signing().unwrap().clone();
                Box::new(move |world| Answer::Applied(Some(Made::SigningCertificate(world.make_signing(&asked)))))
            }
            Mutation::AddPassword => {
                let end = entry.not_after.unwrap();
                Box::new(move |world| Answer::Applied(Some(Made::Password(world.make_password(&entry.id, end)))))
            }
            Mutation::AddSigningKey(_) => {
                self.own_key(&entry);
                Box::new(move |world| world.add_signing_key(&entry))
            }
            Mutation::AddSigningByUpdate => {
                self.own_key(&entry);
                let (keys, passwords) = self.lists_as_read();
                Box::new(move |world| {
                    world.replace(keys, passwords);
                    world.add_signing_by_update(&entry)
                })
            }
            Mutation::AddVerifyByUpdate => {
                let (keys, passwords) = self.lists_as_read();
                Box::new(move |world| {
                    world.replace(keys, passwords);
                    world.add_verify_by_update(&entry)
                })
            }
            Mutation::SetNotificationAddresses(addresses) => Box::new(move |world| {
                world.entra.notification_addresses = addresses;
                Answer::Applied(None)
            }),
            Mutation::Activate(thumbprint) => Box::new(move |world| {
                world.entra.preferred = Some(thumbprint.to_string());
                Answer::Applied(None)
            }),
            Mutation::Remove(removal, _) => self.removal(&entry, &removal),
        }
    }

    fn removal(&mut self, entry: &Entry, removal: &Removal) -> Change {
        assert_eq!(entry.r#use, Use::Retiring, "removed without passing the one-way door");
        let named = self.policy.deleted_at.is_none().then_some(&entry.id);
        assert!(named.is_none() || named != self.output.as_ref().map(|shown| &shown.entry), "removes what the output names");
        let (gone, kind) = (removal.key_ids().clone(), removal.kind());
        let goes = move |entry: &Value| entry["keyId"].as_str().and_then(|id| id.parse().ok()).is_some_and(|id: KeyId| gone.contains(&id));
        let (mut keys, mut passwords) = self.lists_as_read();
        if !removal.kind().is_whole_list() {
            assert_eq!(removal.key_ids().len(), 1, "one write removes one");
            return Box::new(move |world| {
                let list = if kind == OpKind::RemovePassword { &mut world.entra.passwords } else { &mut world.entra.keys };
                list.retain(|entry| !goes(entry));
                Answer::Applied(None)
            });
        }
        keys.retain(|entry| !goes(entry));
        passwords.retain(|entry| !goes(entry));
        Box::new(move |world| {
            world.replace(keys, passwords);
            Answer::Applied(None)
        })
    }

    fn lists_as_read(&self) -> (Vec<Value>, Vec<Value>) {
        let read = self.memory.history().latest().unwrap();
        let list = |list: &CredentialList| serde_json::from_value(serde_json::to_value(list).unwrap()).unwrap();
        (list(&read.keys), list(&read.passwords))
    }

    fn replace(&mut self, keys: Vec<Value>, passwords: Vec<Value>) {
        (self.entra.keys, self.entra.passwords) = (keys, passwords);
    }

    /// A certificate that nobody lists yet.
    pub fn make_certificate(&mut self, not_after: Time, der: Vec<u8>) -> CertificateFacts {
        self.made += 1;
        let mut digest = [7; 20];
        digest[12..].copy_from_slice(&self.made.to_be_bytes());
        let facts = CertificateFacts { thumbprint: Thumbprint::new(digest), not_after, der };
        self.certificates.insert(facts.thumbprint.to_string(), facts.clone());
        facts
    }

    fn list_certificate(&mut self, thumbprint: Thumbprint, key_id: &str) -> Answer {
        let end = self.certificates[&thumbprint.to_string()].not_after;
        if !self.entra.keys.iter().any(|key| key["keyId"] == json!(key_id)) {
            self.listed_at.entry(thumbprint.to_string()).or_insert(self.now);
            self.entra.keys.push(json!({"keyId": key_id, "usage": "Verify", "customKeyIdentifier": thumbprint.to_string(),
                "startDateTime": text(self.now), "endDateTime": text(end), "key": null}));
        }
        Answer::Applied(None)
    }

    /// What addPassword does: whoever asked holds the secret if the answer arrives.
    fn make_password(&mut self, id: &EntryId, end: Time) -> KeyId {
        self.made += 1;
        let key_id = format!("99999999-0000-4000-8000-{:012}", self.made);
        self.entra.passwords.push(json!({"keyId": key_id, "displayName": id.password_name(&self.policy.uid), "hint": "abc",
            "startDateTime": text(self.now), "endDateTime": text(end), "secretText": null}));
        self.listed_at.insert(key_id.clone(), self.now);
        key_id.parse().unwrap()
    }

    /// What addTokenSigningCertificate does: three linked entries.
    pub fn make_signing(&mut self, asked: &Signing) -> SigningAnswer {
        let end = asked.end_date_time.clone().unwrap();
        let facts = self.make_certificate(time(&end), vec![]);
        let link = facts.thumbprint.to_string();
        let ids = [0, 1].map(|n| format!("ffffffff-000{n}-4000-8000-{:012}", self.made));
        let entry = |id: &str, usage: Option<&str>| {
            json!({"keyId": id, "usage": usage, "customKeyIdentifier": link,
                "displayName": asked.display_name, "startDateTime": text(self.now), "endDateTime": end, "key": null})
        };
        let (sign, verify, password) = (entry(&ids[0], Some("Sign")), entry(&ids[1], Some("Verify")), entry(&ids[0], None));
        self.entra.keys.extend([sign, verify]);
        self.entra.passwords.push(password);
        SigningAnswer { key_id: ids[0].parse().unwrap(), custom_key_identifier: link, thumbprint: facts.thumbprint }
    }

    /// A credential that has nothing to do with us.
    pub fn somebody_adds(&mut self, link: &str) {
        self.made += 1;
        let entry = json!({"keyId": format!("dddddddd-0000-4000-8000-{:012}", self.made), "usage": "Verify", "type": "AsymmetricX509Cert",
            "customKeyIdentifier": link, "startDateTime": "2025-05-05T18:38:51.8100763Z", "endDateTime": "2036-01-01T00:00:00Z", "key": null});
        self.entra.keys.push(entry.clone());
        self.foreign.push(entry);
        self.remember();
    }

    /// A client certificate that somebody made by hand, and does not mind losing.
    pub fn somebody_uploads(&mut self, facts: &CertificateFacts, key_id: &str) {
        self.list_certificate(facts.thumbprint, key_id);
        self.remember();
    }

    /// What was foreign may be removed from here on.
    pub fn hand_over(&mut self, thumbprint: Thumbprint) {
        self.foreign.retain(|entry| entry["customKeyIdentifier"] != json!(thumbprint.to_string()));
    }

    /// The certificates that the object lists.
    pub fn certificates_listed(&self) -> Vec<Thumbprint> {
        self.entra.keys.iter().filter_map(|key| key["customKeyIdentifier"].as_str()?.parse().ok()).collect()
    }

    /// Whoever added a credential of their own last takes it away.
    pub fn somebody_removes_the_last_foreign_one(&mut self) {
        let entry = self.foreign.pop().unwrap();
        self.entra.keys.retain(|key| *key != entry);
        self.entra.passwords.retain(|password| *password != entry);
        self.remember();
    }

    /// A person removes everything that the object lists besides what is not ours and what these entries of the ledger hold.
    pub fn somebody_removes_all_but(&mut self, kept: &[EntryId]) {
        let ids: Vec<_> = self.ledger.entries.iter().filter(|entry| kept.contains(&entry.id)).flat_map(|entry| &entry.key_ids).collect();
        let ids: Vec<_> = ids.into_iter().map(|id| json!(id.to_string())).collect();
        let foreign = self.foreign.clone();
        let stays = |entry: &Value| foreign.contains(entry) || ids.contains(&entry["keyId"]);
        self.entra.keys.retain(stays);
        self.entra.passwords.retain(stays);
        self.remember();
    }

    /// A signing certificate that somebody else uploads.
    pub fn somebody_adds_a_signing_certificate(&mut self, end: Time) -> Thumbprint {
        let asked = Signing { display_name: Some("CN=by hand".to_owned()), end_date_time: Some(text(end)), ..Signing::default() };
        let made = self.make_signing(&asked);
        let link = made.custom_key_identifier;
        self.foreign.extend(self.entra.keys.iter().filter(|key| key["customKeyIdentifier"] == json!(link)).cloned());
        self.remember();
        made.thumbprint
    }

    /// The object is deleted and made anew under the same client id.
    pub fn remake_the_object(&mut self) {
        self.entra = Entra { remade: self.entra.remade + 1, ..Entra::default() };
        self.foreign.clear();
        self.remember();
    }
}
