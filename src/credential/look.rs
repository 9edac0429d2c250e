//! Reads one thing and records it.

use std::collections::BTreeMap;

use entra::{Category, Detail as GraphDetail, SignIn};
use entra_types::KeyId;
use k8s_openapi::api::core::v1::Secret;
use rotation::history::{CertificateFacts, Directory};
use rotation::{Detail, EntryId, FreshKey, Kind, Limits, Look, Output, SignInResult, SlotName};
use tokio::time::Instant;

use super::cluster::ask;
use super::desk::OutputVersion;
use super::grants::Granted;
use super::keyring::{ClientSecret, KeyPair};
use super::layout::{Data, Layout, Object, client_certificate, client_secret, facts};
use super::pass::Pass;
use super::trouble::Upset;
use super::{issue, slots};
use crate::api::v1alpha1::OutputRef;

type Looked = Result<(), Upset>;

impl Pass<'_> {
    pub(super) async fn look(&mut self, look: &Look) -> Looked {
        match look {
            Look::Directory(detail) => self.read_directory(*detail).await,
            Look::Output => self.read_output().await,
            Look::Slot(name) => self.read_slot(*name).await,
            Look::SignIn(entry) => self.sign_in(entry).await,
            Look::Metadata => self.read_metadata().await,
            Look::FreshKey(entry) => self.make_key(entry).await,
            Look::AppPolicy => self.read_app_policy().await,
        }
    }

    /// Looks at Entra are asked for only while no refusal stands, and without a refusal there is a grant.
    pub(super) fn granted(&self) -> Result<&Granted, Upset> {
        self.granted.as_ref().ok_or_else(|| Upset::Key("No grant covers this resource.".to_owned()))
    }

    async fn read_directory(&mut self, detail: Detail) -> Looked {
        if self.policy.is_self_rolled() {
            return self.read_accepted(detail).await;
        }
        let graph_detail = match detail {
            Detail::Plain => GraphDetail::Plain,
            Detail::WithKeys => GraphDetail::WithKeys,
        };
        let granted = self.granted()?;
        let reading = granted.signed_in.graph.read(&granted.address, graph_detail).await.map_err(Upset::Entra)?;
        let certificates = certificates(&reading.object);
        let directory = Directory {
            object_id: reading.object.id,
            client_id: reading.object.client_id,
            display_name: reading.object.display_name,
            preferred: reading.object.preferred_raw,
            keys: reading.object.keys,
            passwords: reading.object.passwords,
            notification_addresses: reading.object.notification_addresses.into_iter().collect(),
        };
        let now = self.context.now();
        self.desk.memory.saw_directory(directory, certificates, detail, reading.date, now);
        self.learn_names();
        Ok(())
    }

    /// The output of a target named by objectID can be built once its clientID is known.
    pub(super) fn learn_names(&mut self) {
        if self.names.is_none() {
            self.names = super::reconcile::names(&self.context.tenants, &self.resource, self.policy.tenant_id, self.client());
        }
    }

    pub(super) async fn read_output(&mut self) -> Looked {
        self.data_of_output().await.map(drop)
    }

    /// How the output looks.
    pub(super) fn layout(&self) -> Layout {
        Layout::of(&self.resource, self.names.clone())
    }

    /// Records the output as read or as answered to a write.
    pub(super) fn see_output(&mut self, object: Option<&Object>) {
        let now = self.context.now();
        let Some(object) = object else {
            self.desk.output = None;
            return self.desk.memory.saw_output(Output::Absent, vec![], now);
        };
        let layout = self.layout();
        let inspected = layout.inspect(object);
        let version = object.metadata().uid.clone().zip(object.metadata().resource_version.clone());
        let superfluous = inspected.superfluous;
        self.desk.keystore_password = inspected.password.or_else(|| self.desk.keystore_password.take());
        let at = Instant::now();
        self.desk.output = version.map(|(uid, resource_version)| OutputVersion { uid, resource_version, superfluous, layout, at });
        self.desk.memory.saw_output(inspected.output, inspected.certificates, now);
    }

    pub(super) async fn read_slot(&mut self, name: SlotName) -> Looked {
        let secret = slots::name(self.resource.spec.output().name(), name);
        let secrets = self.context.secrets(&self.namespace());
        let found = ask(format!("read Secret {secret}"), secrets.get_opt(&secret)).await.map_err(Upset::Cluster)?;
        self.is_confirmed = false;
        self.see_slot(name, found.as_ref());
        Ok(())
    }

    /// Records a slot and takes its key up for this pass, if it is the one that the ledger expects.
    pub(super) fn see_slot(&mut self, name: SlotName, secret: Option<&Secret>) {
        let slot = secret.map(slots::view);
        let entry = slot.as_ref().and_then(|slot| slot.entry.clone());
        if let Some(pair) = secret.and_then(slots::key_pair)
            && let Some(entry) = entry.and_then(|id| self.ledger.entry(&id))
            && entry.thumbprint() == Some(pair.certificate.thumbprint())
        {
            self.desk.keyring.keep(entry.id.clone(), pair);
        }
        if let Some(staged) = secret.and_then(slots::client_secret)
            && let Some(id) = slot.as_ref().and_then(|slot| slot.entry.clone()).filter(|id| self.ledger.entry(id).is_some())
        {
            self.desk.keyring.keep_secret(id, staged);
        }
        self.desk.memory.saw_slot(name, slot, self.context.now());
    }

    /// The client secret of an entry: from memory, from its slot, or from the output if that shows it.
    pub(super) async fn client_secret(&mut self, id: &EntryId) -> Result<Option<ClientSecret>, Upset> {
        if self.desk.keyring.secret(id).is_none()
            && let Some(slot) = self.ledger.entry(id).and_then(rotation::Entry::slot)
        {
            self.read_slot(slot).await?;
        }
        match self.desk.keyring.secret(id) {
            Some(secret) => Ok(Some(secret.clone())),
            None => self.secret_of_output(id).await,
        }
    }

    /// The client secret that the output holds, if it is the one of this entry.
    pub(super) async fn secret_of_output(&mut self, id: &EntryId) -> Result<Option<ClientSecret>, Upset> {
        let data = self.data_of_output().await?;
        let shown = self.desk.memory.shown().is_some_and(|shown| shown.entry == *id);
        let key_id = self.ledger.entry(id).and_then(|entry| entry.key_ids.first().copied()).filter(|_| shown);
        let value = data.as_ref().and_then(client_secret::value);
        Ok(key_id.zip(value).map(|(key_id, value)| ClientSecret { key_id, value }))
    }

    pub(super) async fn data_of_output(&mut self) -> Result<Option<Data>, Upset> {
        let resource = std::sync::Arc::clone(&self.resource);
        let namespace = self.namespace();
        let found = match resource.spec.output() {
            OutputRef::Secret(name) => {
                let secrets = self.context.secrets(&namespace);
                ask(format!("read Secret {name}"), secrets.get_opt(name)).await.map(|found| found.map(Object::Secret))
            }
            OutputRef::ConfigMap(name) => {
                let maps = self.context.config_maps(&namespace);
                ask(format!("read ConfigMap {name}"), maps.get_opt(name)).await.map(|found| found.map(Object::ConfigMap))
            }
        };
        let found = found.map_err(Upset::Cluster)?;
        self.is_confirmed = false;
        self.see_output(found.as_ref());
        Ok(found.map(|object| object.data()))
    }

    /// The key pair of an entry: from memory, from its slot, or from the output if that holds it.
    pub(super) async fn key_pair(&mut self, id: &EntryId) -> Result<Option<KeyPair>, Upset> {
        if self.desk.keyring.get(id).is_none()
            && let Some(slot) = self.ledger.entry(id).and_then(rotation::Entry::slot)
        {
            self.read_slot(slot).await?;
        }
        if let Some(pair) = self.desk.keyring.get(id) {
            return Ok(Some(pair.clone()));
        }
        let thumbprint = self.ledger.entry(id).and_then(rotation::Entry::thumbprint);
        let held = self.desk.memory.output().and_then(Output::held_key);
        if held.is_none_or(|held| Some(held.thumbprint) != thumbprint) {
            return Ok(None);
        }
        Ok(self.key_pair_of_output().await?.filter(|pair| Some(pair.certificate.thumbprint()) == thumbprint))
    }

    /// The key pair that the output holds.
    pub(super) async fn key_pair_of_output(&mut self) -> Result<Option<KeyPair>, Upset> {
        let data = self.data_of_output().await?;
        Ok(data.and_then(|data| client_certificate::key_pair(&data)).map(|(key, certificate)| KeyPair { key, certificate }))
    }

    async fn sign_in(&mut self, id: &EntryId) -> Looked {
        let Some(credential) = self.credential(id).await? else {
            // Without the key nothing can be shown; the rules treat that like a sign-in that proves nothing.
            self.desk.memory.saw_sign_in(id, SignInResult::CannotProve, self.context.now());
            return Ok(());
        };
        let answer = self.granted()?.signed_in.graph.sign_in(&credential).await;
        let result = match answer {
            Ok(_) => SignInResult::Accepted,
            Err(failure) => match failure.category {
                Category::CredentialRefused => SignInResult::Refused,
                Category::CannotProve => SignInResult::CannotProve,
                _ => return Err(Upset::Entra(failure)),
            },
        };
        self.desk.memory.saw_sign_in(id, result, self.context.now());
        Ok(())
    }

    async fn credential(&mut self, id: &EntryId) -> Result<Option<SignIn>, Upset> {
        let Some(client_id) = self.client() else { return Ok(None) };
        if self.policy.kind == Kind::ClientSecret {
            let secret = self.client_secret(id).await?;
            return Ok(secret.map(|secret| SignIn::ClientSecret { client_id, secret: secret.value }));
        }
        let pair = self.key_pair(id).await?;
        Ok(pair.map(|pair| pair.sign_in(client_id)))
    }

    /// Unreadable metadata lists nothing: the gate decides how long that matters.
    async fn read_metadata(&mut self) -> Looked {
        let Some(client_id) = self.client() else { return Ok(()) };
        let listed = match self.granted()?.signed_in.graph.metadata(client_id).await {
            Ok(certificates) => certificates.iter().map(keys::Certificate::thumbprint).collect(),
            Err(failure) => {
                tracing::warn!(error = %failure, "the federation metadata cannot be read");
                std::collections::BTreeSet::new()
            }
        };
        self.desk.memory.saw_metadata(listed, self.context.now());
        Ok(())
    }

    /// What app management policies allow. Where they cannot be read, Graph's refusal is soon enough: nothing waits for them, and they are asked for again soon.
    async fn read_app_policy(&mut self) -> Looked {
        let granted = self.granted()?;
        let now = self.context.now();
        let (limits, at) = match granted.signed_in.graph.app_management_policy(&granted.address).await {
            Ok(limits) => (limits, now),
            Err(failure) if failure.operation == entra::Operation::ReadPolicies && failure.category != Category::Throttled => {
                tracing::warn!(error = %failure, "the app management policies cannot be read");
                (None, now - chrono::TimeDelta::hours(23))
            }
            Err(failure) => return Err(Upset::Entra(failure)),
        };
        let known = |limits: entra::Limits| Limits {
            forbids_secrets: limits.passwords_forbidden,
            secret_life: limits.max_password_lifetime,
            certificate_life: limits.max_key_lifetime,
            policy: limits.policy,
        };
        self.desk.memory.saw_limits(limits.map(known), at);
        Ok(())
    }

    async fn make_key(&mut self, id: &EntryId) -> Looked {
        let pair = issue::key_pair(self, id).await.map_err(Upset::Key)?;
        let fresh = FreshKey { entry: id.clone(), thumbprint: pair.certificate.thumbprint(), not_after: pair.certificate.not_after() };
        self.desk.keyring.keep(id.clone(), pair);
        self.desk.memory.generated(fresh);
        Ok(())
    }
}

fn certificates(object: &entra::DirectoryObject) -> BTreeMap<KeyId, CertificateFacts> {
    let read = |view: entra_types::Credential| Some((view.key_id?, facts(&keys::Certificate::from_der(&view.der?).ok()?)));
    object.keys.views().filter_map(read).collect()
}
