//! The tenants as this process knows them, for whoever works in one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entra::{Failure, Graph, Operation};
use entra_types::{ClientId, Endpoints, ObjectId, TenantId};
use futures::{Stream, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;
use tokio::sync::watch;
use tokio::time::Instant;

use super::abandon::Books;
use super::attempt::Opened;
use super::declared::Address;
use super::namespaces::{Labels, Namespaces, selects};
use super::reason::{Reason, Trouble, Way};
use super::standing::Standing;
use crate::api::v1alpha1::{EntraTenant, EntraTenantSpec, NamespaceSelector, SignIn};
use crate::last_word::LastWord;
use crate::settings::Ambient;

/// A Secret without its contents.
pub(super) type SecretMeta = PartialObjectMeta<Secret>;

/// A tenant, and whether it can be worked in.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The name of the EntraTenant.
    pub name: String,
    /// Its spec, as the watch shows it.
    pub spec: Arc<EntraTenantSpec>,
    /// The tenant's id; `None` where `spec.tenantID` is none.
    pub tenant_id: Option<TenantId>,
    /// Whether the operator is signed in there.
    pub access: Access,
    /// The namespaces that grants select.
    pub namespaces: Namespaces,
}

/// Whether the operator is signed in to a tenant.
#[derive(Clone, Debug)]
pub enum Access {
    /// It is.
    Ready(Arc<SignedIn>),
    /// It is not.
    NotReady {
        /// Why.
        reason: Reason,
        /// The same with object, attempt, cause and remedy. Holds no secret.
        message: String,
    },
    /// This process has not tried yet; it is about to.
    Unknown,
}

/// A client of a tenant that Entra has accepted.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The client.
    pub graph: Graph,
    /// As whom it is signed in.
    pub client_id: ClientId,
    /// The object ID of that service principal; absent where the token is opaque.
    pub object_id: Option<ObjectId>,
    /// The application permissions in the token; empty also where it is opaque.
    pub roles: Vec<String>,
    /// Where the tenant is.
    pub endpoints: Endpoints,
    /// Which tenant it is.
    pub tenant_id: TenantId,
}

impl SignedIn {
    /// The same on behalf of a share of the tenant's budget, such as a namespace.
    pub(crate) fn for_share(&self, share: &str) -> Self {
        Self { graph: self.graph.for_share(share), ..self.clone() }
    }
}

/// The tenants of this process. Clones share them.
#[derive(Clone, Default)]
pub struct Tenants(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// What the watch of EntraTenants shows.
    objects: Mutex<Option<Store<EntraTenant>>>,
    is_listed: watch::Sender<bool>,
    /// What the watch of the Secrets to sign in with shows.
    secrets: Mutex<Option<(String, Store<SecretMeta>)>>,
    standings: Mutex<HashMap<String, Standing>>,
    /// Those of which the watch shows what this version cannot read: at which generation, and what is wrong.
    unreadable: Mutex<HashMap<String, (i64, Trouble)>>,
    namespaces: Namespaces,
    books: Mutex<Option<Books>>,
    suspicions: watch::Sender<()>,
    changes: watch::Sender<()>,
}

impl Tenants {
    /// The tenant of an EntraTenant; `None` where there is none of that name that can be read, or before [`Self::listed`].
    pub fn get(&self, name: &str) -> Option<Tenant> {
        let object = self.object(name)?;
        let unreadable = lock(&self.0.unreadable).get(name).map(|(_, trouble)| trouble.clone());
        let standings = self.standings();
        let standing = standings.get(name).filter(|standing| standing.is_of(&object));
        Some(Tenant {
            name: name.to_owned(),
            spec: standing.map_or_else(|| Arc::new(object.spec.clone()), |standing| standing.spec_of(&object)),
            tenant_id: object.spec.tenant_id.parse().ok(),
            access: unreadable.map_or_else(|| standing.map_or(Access::Unknown, Standing::access), Access::from),
            namespaces: self.0.namespaces.clone(),
        })
    }

    /// Why the EntraTenant of this name cannot be read, if it cannot: with the remedy.
    pub fn unreadable(&self, name: &str) -> Option<String> {
        lock(&self.0.unreadable).get(name).map(|(_, trouble)| trouble.message.clone())
    }

    /// Waits until the EntraTenants have been listed once: for ever, where no controller runs.
    pub async fn listed(&self) {
        // An error means that nobody is left to list them, which cannot be while we hold the other end.
        self.0.is_listed.subscribe().wait_for(|is_listed| *is_listed).await.ok();
    }

    /// Takes notice that the token endpoint refused the operator's own sign-in. The tenant counts as not ready from here on, and is
    /// signed in to again soon. Nothing changes by failures of anything but getting a token, by those that pass by themselves, and by
    /// those of a tenant that is not ready.
    pub fn suspect(&self, name: &str, failure: &Failure) {
        let Some(way) = self.object(name).map(|object| Way::of(&object.spec.sign_in)) else { return };
        let trouble = Trouble::of(failure, way, None);
        if failure.operation != Operation::GetToken || !trouble.reason.is_refusal() {
            return;
        }
        let is_news = self.standings().get_mut(name).is_some_and(|standing| standing.suspect(trouble, Instant::now()));
        if is_news {
            self.0.suspicions.send_replace(());
            self.0.changes.send_replace(());
        }
    }

    /// An item for each time that a tenant became ready or stopped being so, or that its grants may have come to select other namespaces,
    /// from now on. Several changes may come as one item.
    pub fn changes(&self) -> impl Stream<Item = ()> + Send + use<> {
        signals(self.0.changes.subscribe())
    }

    pub(super) fn suspicions(&self) -> impl Stream<Item = ()> + Send + use<> {
        signals(self.0.suspicions.subscribe())
    }

    /// Takes the tenants from this store from now on.
    pub(super) fn follow(&self, store: Store<EntraTenant>) {
        self.0.is_listed.send_replace(false);
        *lock(&self.0.objects) = Some(store);
    }

    /// The store holds them all.
    pub(super) fn complete(&self) {
        self.0.is_listed.send_replace(true);
    }

    /// Writes with these from now on.
    pub(super) fn keep_books(&self, books: Books) {
        *lock(&self.0.books) = Some(books);
    }

    /// What it takes to write.
    pub(super) fn books(&self) -> Option<Books> {
        lock(&self.0.books).clone()
    }

    /// The namespaces that grants select.
    pub(super) fn namespaces(&self) -> &Namespaces {
        &self.0.namespaces
    }

    /// Takes notice of what the store holds now: namespaces are watched while a grant selects any.
    pub(super) fn notice_selectors(&self) {
        let is_wanted = lock(&self.0.objects).iter().any(|store| store.find(|tenant| selectors(tenant).next().is_some()).is_some());
        self.0.namespaces.want(is_wanted);
    }

    /// Says so, if a grant selects a namespace with these labels and not with those, or if all of them have just been listed.
    pub(super) fn labels_changed(&self, labels: Option<(&Labels, &Labels)>) {
        let concerns = |tenant: &EntraTenant| match labels {
            Some((old, new)) => selectors(tenant).any(|selector| selects(selector, old) != selects(selector, new)),
            None => true,
        };
        if lock(&self.0.objects).iter().any(|store| store.find(concerns).is_some()) {
            self.0.changes.send_replace(());
        }
    }

    /// Takes notice that the watch shows an EntraTenant that this version cannot read. False if that is known of this generation.
    pub(super) fn cannot_read(&self, name: &str, generation: i64, trouble: Trouble) -> bool {
        let before = lock(&self.0.unreadable).insert(name.to_owned(), (generation, trouble));
        let is_news = before.is_none_or(|(before, _)| before != generation);
        if is_news {
            self.0.changes.send_replace(());
        }
        is_news
    }

    /// Takes notice of what the watch shows and this version can read.
    pub(super) fn can_read(&self, event: &Event<EntraTenant>) {
        let mut unreadable = lock(&self.0.unreadable);
        match event {
            Event::Apply(tenant) | Event::InitApply(tenant) | Event::Delete(tenant) => drop(unreadable.remove(&tenant.name_any())),
            // Those that are still there are about to be met again.
            Event::Init => unreadable.clear(),
            Event::InitDone => {}
        }
    }

    /// Takes the versions of Secrets from this store of that namespace from now on.
    pub(super) fn follow_secrets(&self, namespace: &str, store: Store<SecretMeta>) {
        *lock(&self.0.secrets) = Some((namespace.to_owned(), store));
    }

    /// The version of the tenant's Secret that the watch shows.
    pub(super) fn secret_version(&self, tenant: &EntraTenant) -> Option<String> {
        let name = secret_name(&tenant.spec)?;
        let secrets = lock(&self.0.secrets);
        let (namespace, store) = secrets.as_ref()?;
        store.get(&ObjectRef::new(name).within(namespace))?.metadata.resource_version.clone()
    }

    /// Whether a tenant signs in with the Secret of this name.
    pub(super) fn needs_secret(&self, name: &str) -> bool {
        lock(&self.0.objects).iter().any(|store| store.find(|tenant| secret_name(&tenant.spec) == Some(name)).is_some())
    }

    /// How a tenant stands.
    pub(super) fn standing(&self, name: &str, tenant: &EntraTenant) -> Standing {
        let known = self.standings().get(name).filter(|standing| standing.is_of(tenant)).cloned();
        known.unwrap_or_else(|| Standing::unseen(tenant, Instant::now()))
    }

    /// A client of the tenant at this address, whichever EntraTenant it was opened for.
    pub(super) fn opened(&self, address: &Address) -> Option<Opened> {
        let standings = self.standings();
        standings.values().filter_map(|standing| standing.opened.as_ref()).find(|opened| opened.is_at(address)).cloned()
    }

    /// Keeps how a tenant stands now.
    pub(super) fn keep(&self, name: &str, standing: Standing) {
        let access = standing.access();
        let before = self.standings().insert(name.to_owned(), standing).map(|standing| standing.access());
        if before.is_none_or(|before| !before.is_like(&access)) {
            self.0.changes.send_replace(());
        }
    }

    /// Remembers what this process wrote of a tenant.
    pub(super) fn said(&self, name: &str, word: LastWord) {
        if let Some(standing) = self.standings().get_mut(name) {
            standing.last_word = word;
        }
    }

    /// Forgets a tenant whose EntraTenant is gone.
    pub(super) fn forget(&self, name: &str) {
        self.standings().remove(name);
    }

    fn object(&self, name: &str) -> Option<Arc<EntraTenant>> {
        lock(&self.0.objects).as_ref()?.get(&ObjectRef::new(name))
    }

    fn standings(&self) -> MutexGuard<'_, HashMap<String, Standing>> {
        lock(&self.0.standings)
    }
}

impl From<Trouble> for Access {
    fn from(trouble: Trouble) -> Self {
        Self::NotReady { reason: trouble.reason, message: trouble.message }
    }
}

impl Access {
    /// Whether nobody needs to be told of the difference.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ready(_), Self::Ready(_)) | (Self::Unknown, Self::Unknown) => true,
            (Self::NotReady { reason, .. }, Self::NotReady { reason: other, .. }) => reason == other,
            _ => false,
        }
    }
}

pub(super) fn selectors(tenant: &EntraTenant) -> impl Iterator<Item = &NamespaceSelector> {
    tenant.spec.grants.iter().filter_map(|grant| grant.namespace_selector.as_ref())
}

fn secret_name(spec: &EntraTenantSpec) -> Option<&str> {
    let by_secret = spec.sign_in.client_secret.as_ref().map(|sign_in| &sign_in.secret_ref.name);
    let by_certificate = spec.sign_in.client_certificate.as_ref().map(|sign_in| &sign_in.secret_ref.name);
    by_secret.or(by_certificate).map(String::as_str)
}

/// As whom a spec signs in, as far as that is known before.
pub(super) fn client_id(spec: &EntraTenantSpec, ambient: &Ambient) -> Option<String> {
    let SignIn { workload_identity, managed_identity, client_certificate, client_secret } = &spec.sign_in;
    let by_secret = client_secret.as_ref().map(|sign_in| sign_in.client_id.clone());
    let by_certificate = client_certificate.as_ref().map(|sign_in| sign_in.client_id.clone());
    let by_workload = workload_identity.as_ref().and_then(|sign_in| {
        let declared = sign_in.client_id.clone();
        declared.or_else(|| ambient.client_id.map(|client_id| client_id.to_string()))
    });
    let by_machine = managed_identity.as_ref().and_then(|sign_in| sign_in.client_id.clone());
    by_secret.or(by_certificate).or(by_workload).or(by_machine)
}

fn signals(receiver: watch::Receiver<()>) -> impl Stream<Item = ()> + Send {
    stream::unfold(receiver, |mut receiver| async move { receiver.changed().await.ok().map(|()| ((), receiver)) })
}

/// What these locks guard is whole after every statement, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
