//! `signInAs: Self`: what Entra accepts of the application's own certificates stands in for what its object lists, as the application may not read itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entra::{Category, Graph, Name, Proof as GraphProof};
use entra_types::{ClientId, CredentialList, KeyId, ObjectId};
use rotation::{Detail, Directory, EntryId, Origin};
use serde_json::json;

use super::keyring::KeyPair;
use super::layout::facts;
use super::pass::Pass;
use super::trouble::Upset;

impl Pass<'_> {
    /// Signs in with every certificate of the ledger whose key is at hand; before there is a ledger, with the one that the output holds. The token endpoint tells
    /// the time as Graph does for others.
    pub(super) async fn read_accepted(&mut self, detail: Detail) -> Result<(), Upset> {
        let Some(client_id) = self.own_client_id().await? else {
            return Err(Upset::Own("its clientID is neither in spec.target nor under AZURE_CLIENT_ID in the output".to_owned()));
        };
        let (mut listed, mut certificates) = (Vec::new(), BTreeMap::new());
        let (mut readable, mut date) = (None, None);
        for (id, pair) in self.own_pairs().await? {
            let accepted = self.accepted(client_id, &pair).await?;
            date = accepted.flatten().or(date);
            if accepted.is_none() {
                continue;
            }
            let key_id = self.own_key_id(&id, &pair);
            listed.push(json!({"keyId": key_id, "type": "AsymmetricX509Cert", "usage": "Verify"}));
            certificates.insert(key_id, facts(&pair.certificate));
            readable = Some(pair);
        }
        let directory = Directory {
            object_id: self.own_object_id(client_id, readable).await?,
            client_id,
            display_name: String::new(),
            preferred: None,
            keys: serde_json::from_value(json!(listed)).unwrap_or_default(),
            passwords: CredentialList::default(),
            notification_addresses: std::collections::BTreeSet::new(),
        };
        let now = self.context.now();
        self.desk.memory.saw_directory(directory, certificates, detail, date, now);
        self.learn_names();
        Ok(())
    }

    async fn own_pairs(&mut self) -> Result<Vec<(EntryId, KeyPair)>, Upset> {
        let ids: Vec<EntryId> = self.ledger.entries.iter().map(|entry| entry.id.clone()).collect();
        let mut pairs = Vec::with_capacity(ids.len() + 1);
        for id in ids {
            pairs.extend(self.key_pair(&id).await?.map(|pair| (id, pair)));
        }
        if let Some(id) = self.unrecorded_output() {
            pairs.extend(self.key_pair_of_output().await?.map(|pair| (id, pair)));
        }
        Ok(pairs)
    }

    /// By which id the output's key goes, if no entry has it: it is the one to begin with, or a restored status has forgotten it.
    fn unrecorded_output(&self) -> Option<EntryId> {
        let forgotten = || Some(&self.desk.memory.shown()?.entry).filter(|id| self.ledger.is_ahead(id, &self.policy.uid)).cloned();
        let first = || self.ledger.entries.is_empty().then(|| self.ledger.next_id(&self.policy.uid, &self.desk.memory));
        forgotten().or_else(first)
    }

    /// `None` if it is refused, else the time that the answer tells.
    async fn accepted(&self, client_id: ClientId, pair: &KeyPair) -> Result<Option<Option<DateTime<Utc>>>, Upset> {
        let credential = pair.sign_in(client_id);
        match self.granted()?.signed_in.graph.sign_in(&credential).await {
            Ok(date) => Ok(Some(date)),
            Err(failure) if failure.category == Category::CredentialRefused => Ok(None),
            Err(failure) => Err(Upset::Entra(failure)),
        }
    }

    /// As the ledger holds it, or as addKey told it, or as it was handed over; else one of our own making, which stands for "not known". What another process
    /// recorded as not known stays so: under any other name it would look as if it were gone.
    fn own_key_id(&self, id: &EntryId, pair: &KeyPair) -> KeyId {
        let entry = self.ledger.entry(id);
        let recorded = entry.and_then(|entry| entry.key_ids.first().copied());
        let told = || self.desk.told.get(&pair.certificate.thumbprint()).copied();
        let is_seed = entry.is_none_or(|entry| entry.origin == Origin::Adopted);
        let handed_over =
            || self.policy.adopt.first().copied().filter(|_| is_seed && self.policy.may_adopt && self.policy.adopt.len() == 1);
        recorded.or_else(told).or_else(handed_over).unwrap_or_else(|| id.key_id(&self.policy.uid))
    }

    async fn own_client_id(&mut self) -> Result<Option<ClientId>, Upset> {
        let declared = self.resource.spec.target.client_id.as_deref().and_then(|id| id.parse().ok());
        match self.client().or(declared) {
            Some(client_id) => Ok(Some(client_id)),
            None => {
                let data = self.data_of_output().await?.unwrap_or_default();
                Ok(data.get("AZURE_CLIENT_ID").and_then(|id| std::str::from_utf8(id).ok()?.trim().parse().ok()))
            }
        }
    }

    /// A proof names the object. Where `spec` does not, the application is asked about itself, which it may be allowed to answer.
    async fn own_object_id(&self, client_id: ClientId, readable: Option<KeyPair>) -> Result<ObjectId, Upset> {
        let recorded = self.ledger.target.as_ref().map(|target| target.object_id);
        let granted = self.granted()?;
        match (granted.address.name, recorded, readable) {
            (Name::ById(object_id), ..) | (_, Some(object_id), _) => Ok(object_id),
            (Name::ByClient(_), None, Some(pair)) => {
                let graph = granted.signed_in.graph.signed_in_as(pair.sign_in(client_id));
                let reading = graph.read(&granted.address, entra::Detail::Plain).await;
                reading.map(|reading| reading.object.id).map_err(|failure| match failure.category {
                    Category::PermissionDenied => {
                        Upset::Own("it may not read its own object id: name it in spec.target.objectID".to_owned())
                    }
                    _ => Upset::Entra(failure),
                })
            }
            (Name::ByClient(_), None, None) => Err(Upset::Own("no certificate in the output is accepted".to_owned())),
        }
    }

    /// The client that sends a write: the operator's, or one that signs in with the key of the proof.
    pub(super) fn sender(&self, proof: Option<&GraphProof>) -> Result<Graph, Upset> {
        let graph = &self.granted()?.signed_in.graph;
        Ok(match (self.policy.is_self_rolled(), proof, self.client()) {
            (true, Some(proof), Some(client_id)) => {
                let pair = KeyPair { key: proof.key.clone(), certificate: proof.certificate.clone() };
                graph.signed_in_as(pair.sign_in(client_id))
            }
            _ => graph.clone(),
        })
    }
}
