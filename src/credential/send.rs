//! Sends one licensed Graph write, once.

use std::sync::Arc;
use std::time::Duration;

use entra::{Address, Category, Failure, Graph, NewPassword, NewSigning, Permission, Proof as GraphProof, SigningKey, certificate_entry};
use entra_types::{CredentialList, KeyId, Thumbprint};
use keys::Certificate;
use rotation::{Answer, Entry, EntryId, Made, Mutation, Op, OpKind, Proof, Removal, SigningAnswer, SlotName};
use tracing::info;

use super::issue;
use super::keyring::{ClientSecret, KeyPair};
use super::pass::Pass;
use super::trouble::Upset;

/// A licence is good for this long.
const LICENCE: Duration = Duration::from_secs(10);

impl Pass<'_> {
    /// Rule 1: the compare-and-swap is done; what is left is the key for the proof, the live Lease, and the age of the licence.
    pub(super) async fn send(&mut self, id: &EntryId, mutation: &Mutation) -> Result<(), Upset> {
        let Some((entry, op)) = self.ledger.entry(id).and_then(|entry| Some((entry.clone(), entry.op.clone()?))) else { return Ok(()) };
        let call = match self.prepare(&entry, mutation).await {
            Ok(Some(call)) => call,
            Ok(None) => return self.void(&op, Ok(())),
            Err(upset) => return self.void(&op, Err(upset)),
        };
        let sender = self.sender(call.proof())?;
        // A token may take half a minute: it is fetched before the Lease is read, not after.
        if let Err(failure) = sender.identity().await {
            return self.void(&op, Err(Upset::Entra(failure)));
        }
        if let Err(error) = self.context.election.confirm().await {
            info!(error = %error, "not sent: the Lease is not ours");
            return self.void(&op, Err(Upset::NotLeader));
        }
        let permission = self.permission(&op);
        if !permission.holds() {
            return self.void(&op, Ok(()));
        }
        let address = self.granted()?.address;
        self.desk.memory.answered(&op.nonce, Answer::Unknown);
        info!(entry = %id, write = op.kind.as_str(), "sending");
        let answer = call.transmit(&sender.only_while(permission.clone()), &address).await;
        if is_unsent(&answer) && !permission.holds() {
            info!(entry = %id, write = op.kind.as_str(), "not sent: it took too long to get so far");
            return self.void(&op, Ok(()));
        }
        self.conclude(id, &op, answer)
    }

    /// Nothing was sent: the licence lapses.
    fn void(&mut self, op: &Op, outcome: Result<(), Upset>) -> Result<(), Upset> {
        self.desk.memory.answered(&op.nonce, Answer::Unsent);
        self.is_in_vain = true;
        outcome
    }

    /// Holds while the licence is fresh by both clocks, as one of them may have stood still or been set, and while we can rely on the Lease: until the
    /// request goes out, for which a token may have to be fetched and a connection made.
    fn permission(&self, op: &Op) -> Permission {
        let licensed = self.desk.licence.as_ref().filter(|(nonce, _)| *nonce == op.nonce).map(|(_, at)| *at);
        let (clock, election, dated) = (Arc::clone(&self.context.seams.clock), self.context.election.clone(), op.at);
        Permission::new(move || {
            let is_fresh = licensed.is_some_and(|at| at.elapsed() <= LICENCE);
            let is_fresh_by_date = (clock.now() - dated).to_std().map_or(true, |age| age <= LICENCE);
            is_fresh && is_fresh_by_date && election.holds().is_ok()
        })
    }

    fn conclude(&mut self, id: &EntryId, op: &Op, answer: Result<Told, Failure>) -> Result<(), Upset> {
        let failure = match answer {
            Ok(told) => {
                let made = told.made();
                if let (Told::Key(key_id), Some(thumbprint)) = (&told, self.ledger.entry(id).and_then(Entry::thumbprint)) {
                    self.desk.told.insert(thumbprint, *key_id);
                }
                if let Told::Password(secret) = told {
                    self.desk.keyring.keep_secret(id.clone(), secret);
                }
                self.desk.memory.answered(&op.nonce, Answer::Applied(made));
                return Ok(());
            }
            Err(failure) => failure,
        };
        let answer = match (failure.settled, failure.status) {
            (true, None) => Answer::Unsent,
            (true, Some(_)) => Answer::Refused,
            (false, _) => Answer::Unknown,
        };
        self.desk.memory.answered(&op.nonce, answer);
        if failure.category == Category::ProofRefused {
            self.desk.memory.proof_was_refused(self.context.now());
        }
        Err(Upset::Entra(failure))
    }

    /// Everything that the request needs, fetched before the licence is checked for the last time. `None`: a key is not where it was, and the rules look for
    /// another way once they have seen that.
    async fn prepare(&mut self, entry: &Entry, mutation: &Mutation) -> Result<Option<Call>, Upset> {
        Ok(match mutation {
            Mutation::AddKey(proof) => {
                let proof = self.proof(proof).await?;
                self.own_certificate(entry).await?.zip(proof).map(|(certificate, proof)| Call::AddKey(certificate, proof))
            }
            Mutation::AddByUpdate => {
                let certificate = self.own_certificate(entry).await?;
                certificate.and_then(|certificate| self.lists_with(entry, &certificate))
            }
            Mutation::AddPassword => entry.not_after.map(|end| {
                let end_date_time = end.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
                Call::AddPassword(NewPassword { display_name: entry.id.password_name(&self.policy.uid), end_date_time })
            }),
            Mutation::AddSigningKey(proof) => {
                let proof = self.proof(proof).await?;
                self.own_signing_key(entry)?.zip(proof).map(|((_, key), proof)| Call::AddSigningKey(key, proof))
            }
            Mutation::AddSigningByUpdate => {
                self.own_signing_key(entry)?.and_then(|(certificate, key)| self.lists_with_signing(entry, &certificate, &key))
            }
            Mutation::AddVerifyByUpdate => self.lists_with_verify(entry),
            Mutation::SetNotificationAddresses(addresses) => Some(Call::Notify(addresses.iter().cloned().collect())),
            Mutation::AddTokenSigningCertificate => entry.signing().and_then(|signing| {
                let (display_name, end_date_time) = (signing.display_name.clone()?, signing.end_date_time.clone()?);
                Some(Call::AddSigning(NewSigning { display_name, end_date_time }))
            }),
            Mutation::Activate(thumbprint) => Some(Call::Prefer(*thumbprint)),
            Mutation::Remove(removal, _) if removal.kind() == OpKind::RemovePassword => {
                removal.key_ids().first().copied().map(Call::RemovePassword)
            }
            Mutation::Remove(removal, None) => self.lists_without(removal),
            Mutation::Remove(removal, Some(proof)) => {
                let key_id = removal.key_ids().first().copied();
                key_id.zip(self.proof(proof).await?).map(|(key_id, proof)| Call::RemoveKey(key_id, proof))
            }
        })
    }

    async fn own_certificate(&mut self, entry: &Entry) -> Result<Option<Certificate>, Upset> {
        let pair = self.key_pair(&entry.id).await?;
        if pair.is_none() {
            self.desk.memory.forget_fresh_key();
        }
        Ok(pair.map(|pair| pair.certificate))
    }

    async fn proof(&mut self, proof: &Proof) -> Result<Option<GraphProof>, Upset> {
        let pair = match proof {
            Proof::Slot(entry, slot) => self.staged(entry, *slot).await?,
            Proof::Output => self.key_pair_of_output().await?,
            Proof::Sibling => Some(self.sibling().await?),
        };
        let object_id = self.ledger.target.as_ref().map(|target| target.object_id);
        Ok(pair.zip(object_id).map(|(pair, object_id)| GraphProof { object_id, key: pair.key, certificate: pair.certificate }))
    }

    async fn staged(&mut self, entry: &EntryId, slot: SlotName) -> Result<Option<KeyPair>, Upset> {
        if self.desk.keyring.get(entry).is_none() {
            self.read_slot(slot).await?;
        }
        let found = self.desk.keyring.get(entry).cloned();
        if found.is_none() {
            self.desk.memory.saw_slot(slot, None, self.context.now());
        }
        Ok(found)
    }

    /// The list as read, with the entry's certificate under the keyId that the ledger holds.
    fn lists_with(&self, entry: &Entry, certificate: &Certificate) -> Option<Call> {
        let directory = self.desk.memory.history().latest()?;
        let name = format!("entra-rotator/{}/{}", self.policy.uid, entry.id);
        Some(Call::Replace(directory.keys.with(certificate_entry(*entry.key_ids.first()?, &name, certificate)), None))
    }

    /// The key that signs, while this process still has it.
    fn own_signing_key(&mut self, entry: &Entry) -> Result<Option<(Certificate, SigningKey)>, Upset> {
        let Some(pair) = self.desk.keyring.get(&entry.id) else {
            self.desk.memory.forget_fresh_key();
            return Ok(None);
        };
        let key = issue::signing_key(self, pair).map_err(Upset::Key)?;
        Ok(Some((pair.certificate.clone(), key)))
    }

    fn lists_with_signing(&self, entry: &Entry, certificate: &Certificate, key: &SigningKey) -> Option<Call> {
        let directory = self.desk.memory.history().latest()?;
        let (sign, verify) = (entry.id.key_id(&self.policy.uid), entry.id.verify_key_id(&self.policy.uid));
        let name = entry.signing()?.display_name.clone().unwrap_or_default();
        let (keys, password) = entra::signing_entries(sign, verify, &name, certificate, key);
        Some(Call::Replace(directory.keys.with_all(keys), Some(directory.passwords.with(password))))
    }

    /// The certificate of a key that signs, under the keyId that the ledger holds for it.
    fn lists_with_verify(&self, entry: &Entry) -> Option<Call> {
        let history = self.desk.memory.history();
        let facts = history.certificate_by(entry.thumbprint()?).map(|facts| facts.der.clone());
        let pair = self.desk.keyring.get(&entry.id).map(|pair| pair.certificate.der().to_vec());
        let certificate = Certificate::from_der(&pair.or(facts)?).ok()?;
        let (signing, directory) = (entry.signing()?, history.latest()?);
        let (link, name) = (signing.custom_key_identifier.as_deref()?, signing.display_name.as_deref().unwrap_or_default());
        let verify = entra::verify_entry(entry.id.verify_key_id(&self.policy.uid), link, name, &certificate);
        Some(Call::Replace(directory.keys.with(verify), None))
    }

    fn lists_without(&self, removal: &Removal) -> Option<Call> {
        let directory = self.desk.memory.history().latest()?;
        let passwords = self.policy.is_signing().then(|| directory.passwords.without(removal.key_ids()));
        Some(Call::Replace(directory.keys.without(removal.key_ids()), passwords))
    }
}

/// Whether the request did not go out at all.
fn is_unsent(answer: &Result<Told, Failure>) -> bool {
    answer.as_ref().is_err_and(|failure| failure.settled && failure.status.is_none())
}

/// One request to Graph with everything it needs.
enum Call {
    AddKey(Certificate, GraphProof),
    AddSigningKey(SigningKey, GraphProof),
    AddPassword(NewPassword),
    AddSigning(NewSigning),
    Prefer(Thumbprint),
    RemoveKey(KeyId, GraphProof),
    RemovePassword(KeyId),
    Notify(Vec<String>),
    Replace(CredentialList, Option<CredentialList>),
}

/// What Graph told beyond "done".
enum Told {
    Nothing,
    Key(KeyId),
    Signing(SigningAnswer),
    Password(ClientSecret),
}

impl Told {
    fn made(&self) -> Option<Made> {
        match self {
            Self::Nothing => None,
            Self::Key(key_id) => Some(Made::Key(*key_id)),
            Self::Signing(answer) => Some(Made::SigningCertificate(answer.clone())),
            Self::Password(secret) => Some(Made::Password(secret.key_id)),
        }
    }
}

impl Call {
    fn proof(&self) -> Option<&GraphProof> {
        match self {
            Self::AddKey(_, proof) | Self::AddSigningKey(_, proof) | Self::RemoveKey(_, proof) => Some(proof),
            _ => None,
        }
    }

    async fn transmit(&self, graph: &Graph, address: &Address) -> Result<Told, Failure> {
        match self {
            Self::AddSigningKey(key, proof) => {
                return Ok(graph.add_signing_key(address, key, proof).await?.map_or(Told::Nothing, Told::Key));
            }
            Self::AddKey(certificate, proof) => {
                return Ok(graph.add_key(address, certificate, proof).await?.map_or(Told::Nothing, Told::Key));
            }
            Self::AddPassword(new) => {
                let answer = graph.add_password(address, new).await?;
                let secret = answer.map(|answer| ClientSecret { key_id: answer.key_id, value: answer.secret });
                return Ok(secret.map_or(Told::Nothing, Told::Password));
            }
            Self::RemovePassword(key_id) => graph.remove_password(address, *key_id).await?,
            Self::Notify(addresses) => graph.set_notification_addresses(address, addresses).await?,
            Self::Prefer(thumbprint) => graph.set_preferred_thumbprint(address, *thumbprint).await?,
            Self::RemoveKey(key_id, proof) => graph.remove_key(address, *key_id, proof).await?,
            Self::Replace(keys, passwords) => graph.replace_credentials(address, Some(keys), passwords.as_ref()).await?,
            Self::AddSigning(new) => {
                let answer = graph.add_token_signing_certificate(address, new).await?;
                let known = |answer: entra::SigningAnswer| SigningAnswer {
                    key_id: answer.key_id,
                    custom_key_identifier: answer.custom_key_identifier,
                    thumbprint: answer.thumbprint,
                };
                return Ok(answer.map(known).map_or(Told::Nothing, Told::Signing));
            }
        }
        Ok(Told::Nothing)
    }
}
