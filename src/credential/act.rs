//! Does one thing in the cluster or in Entra.

use std::fmt::Debug;

use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Resource, ResourceExt as _};
use rotation::{Act, Answer, EntryId, Kind, OpKind, Output, Projection, SlotName};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cluster::{ask, ask_with};
use super::keyring::KeyPair;
use super::layout::{Data, Names, Object, client_secret, token_signing};
use super::pass::Pass;
use super::trouble::{ClusterError, Upset};
use super::{issue, slots};

/// Owns every field of the outputs.
const FIELD_MANAGER: &str = "entra-rotator";

type Acted = Result<(), Upset>;

impl Pass<'_> {
    pub(super) async fn act(&mut self, act: &Act) -> Acted {
        // A secret that Entra has told once is put away however late it is: there may be no other pass.
        if !self.has_time_for_an_act() && !matches!(act, Act::PostSlot(..)) {
            return Err(Upset::OutOfTime);
        }
        match act {
            Act::PostSlot(entry, slot) => self.post_slot(entry, *slot).await,
            Act::DeleteSlot(slot, uid) => self.delete_slot(*slot, uid).await,
            Act::Publish(projection) => self.publish(projection).await,
            Act::Send(entry, mutation) => self.send(entry, mutation).await,
            Act::SetFinalizer(set) => self.set_finalizer(*set).await,
            Act::LetGo(left) => self.let_go(left).await,
        }
    }

    /// A slot that exists already is only looked at: whose it is decides what comes next.
    async fn post_slot(&mut self, entry: &EntryId, slot: SlotName) -> Acted {
        let Some(data) = self.what_to_stage(entry).await? else {
            // The process lost the key between two passes; the rules see an empty slot and give the entry up.
            self.desk.memory.forget_fresh_key();
            self.forget_answer(entry);
            return self.read_slot(slot).await;
        };
        let secret = slots::secret(&self.resource, slot, entry, data.clone());
        let secrets = self.context.secrets(&self.namespace());
        self.desk.memory.forget_slot(slot);
        let attempt = format!("create Secret {}", secret.name_any());
        match ask_with(&data, attempt, secrets.create(&PostParams::default(), &secret)).await {
            Ok(created) => {
                self.desk.memory.saw_slot(slot, Some(slots::view(&created)), self.context.now());
                Ok(())
            }
            Err(error) if error.is_conflict() => self.read_slot(slot).await,
            Err(error) => Err(Upset::Cluster(error)),
        }
    }

    /// What the slot of this entry shall hold. A secret that is published already comes from the output.
    async fn what_to_stage(&mut self, entry: &EntryId) -> Result<Option<Data>, Upset> {
        if self.policy.kind != Kind::ClientSecret {
            return Ok(self.key_pair_to_stage(entry).await?.as_ref().map(slots::of_pair));
        }
        if self.desk.keyring.secret(entry).is_none() && self.ledger.current().is_some_and(|current| current.id == *entry) {
            return Ok(self.secret_of_output(entry).await?.as_ref().map(slots::of_secret));
        }
        Ok(self.desk.keyring.secret(entry).map(slots::of_secret))
    }

    /// The key of a coming entry is in memory or nowhere; that of the one in use is in the output too.
    async fn key_pair_to_stage(&mut self, entry: &EntryId) -> Result<Option<KeyPair>, Upset> {
        if self.ledger.current().is_some_and(|current| current.id == *entry) {
            return self.key_pair(entry).await;
        }
        Ok(self.desk.keyring.get(entry).cloned())
    }

    /// The secret that addPassword answered is gone from memory: the answer counts as lost.
    fn forget_answer(&mut self, entry: &EntryId) {
        if let Some(op) = self.ledger.entry(entry).and_then(|entry| entry.op.as_ref())
            && op.kind == OpKind::AddPassword
        {
            self.desk.memory.answered(&op.nonce, Answer::Applied(None));
        }
    }

    async fn delete_slot(&mut self, slot: SlotName, uid: &str) -> Acted {
        self.confirm().await?;
        let name = slots::name(self.resource.spec.output().name(), slot);
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let secrets = self.context.secrets(&self.namespace());
        self.desk.memory.forget_slot(slot);
        match ask(format!("delete Secret {name}"), secrets.delete(&name, &params)).await {
            Ok(_) => {}
            Err(error) if error.code() == Some(404) => {}
            // Another Secret of this name by now: it is looked at before anything else.
            Err(error) if error.is_conflict() => return self.read_slot(slot).await,
            Err(error) => return Err(Upset::Cluster(error)),
        }
        self.desk.memory.saw_slot(slot, None, self.context.now());
        Ok(())
    }

    async fn publish(&mut self, projection: &Projection) -> Acted {
        self.desk.memory.publishing(self.context.now());
        let Some(data) = self.contents(projection).await? else {
            self.desk.memory.output_is_unhealable(projection.entry.clone());
            return Ok(());
        };
        let Some(entry) = self.ledger.entry(&projection.entry) else { return Ok(()) };
        let object = self.layout().object(entry, data);
        self.confirm().await?;
        match self.write_output(object).await {
            Ok(written) => {
                self.see_output(Some(&written));
                Ok(())
            }
            // The precondition is the guard: somebody was faster, which costs one read.
            Err(error) if matches!(error.code(), Some(409 | 422 | 404)) => self.read_output().await,
            Err(error) => {
                self.desk.memory.forget_output();
                Err(Upset::Cluster(error))
            }
        }
    }

    async fn write_output(&self, object: Object) -> Result<Object, ClusterError> {
        let data = object.data();
        match object {
            Object::Secret(secret) => self.write_as(self.context.secrets(&self.namespace()), secret, &data).await.map(Object::Secret),
            Object::ConfigMap(map) => self.write_as(self.context.config_maps(&self.namespace()), map, &data).await.map(Object::ConfigMap),
        }
    }

    /// The first publication is a POST, later ones are applied under the uid and resourceVersion that were seen last.
    async fn write_as<K>(&self, api: Api<K>, mut object: K, data: &Data) -> Result<K, ClusterError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug,
    {
        let (name, title) = (object.name_any(), format!("{} {}", K::kind(&()), object.name_any()));
        let Some(version) = self.desk.output.clone().filter(|_| !matches!(self.desk.memory.output(), Some(Output::Absent))) else {
            let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
            return ask_with(data, format!("create {title}"), api.create(&params, &object)).await;
        };
        object.meta_mut().uid = Some(version.uid);
        object.meta_mut().resource_version = Some(version.resource_version);
        if version.superfluous.is_empty() {
            let params = PatchParams::apply(FIELD_MANAGER).force();
            return ask_with(data, format!("update {title}"), api.patch(&name, &params, &Patch::Apply(&object))).await;
        }
        // What others put there belongs to them by its managed fields, and goes only when it is named.
        let mut patch = serde_json::to_value(&object).unwrap_or_default();
        version.superfluous.take_out(&mut patch);
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        ask_with(data, format!("update {title}"), api.patch(&name, &params, &Patch::Merge(&patch))).await
    }

    /// What the output shall hold; `None` when the key for it is nowhere any more.
    async fn contents(&mut self, projection: &Projection) -> Result<Option<Data>, Upset> {
        let Some(names) = self.names.clone() else {
            return Err(Upset::Key("The clientID of the target is not known yet.".to_owned()));
        };
        match self.policy.kind {
            Kind::ClientSecret => {
                let secret = self.client_secret(&projection.entry).await?;
                Ok(secret.map(|secret| client_secret::build(&names, &secret.value)))
            }
            Kind::ClientCertificate { .. } => {
                let pair = self.key_pair(&projection.entry).await?;
                let password = self.desk.keystore_password.clone().unwrap_or_else(|| issue::password(self));
                Ok(pair.and_then(|pair| self.layout().of_key_pair(&pair.key, &pair.certificate, &password)))
            }
            Kind::TokenSigning(_) => Ok(self.signing_contents(&names, projection)),
        }
    }

    fn signing_contents(&self, names: &Names, projection: &Projection) -> Option<Data> {
        let history = self.desk.memory.history();
        let read = |thumbprint: &entra_types::Thumbprint| {
            let facts = history.certificate_by(*thumbprint)?;
            Some((*thumbprint, keys::Certificate::from_der(&facts.der).ok()?))
        };
        let current = projection.current.thumbprint();
        let wanted = projection.bundle.iter().chain(&current).chain(&projection.next).chain(&projection.previous);
        token_signing::build(names, projection, &wanted.filter_map(read).collect())
    }
}
