//! The handle that tests and the binary hold.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use entra_types::Cloud;
use entra_types::ids::{ClientId, ObjectId, ObjectKind, TenantId};
use http::{Request, Response};
use keys::{Certificate, CertificateError, KeyError};
use serde_json::{Value, json};

use crate::admin;
use crate::behaviour::Behaviour;
use crate::clock::{Clock, SystemTime, TimeSource};
use crate::delivery::{self, Delivery};
use crate::directory::{Address, Object};
use crate::faults::{Armed, Fault};
use crate::issuer::Issuer;
use crate::metadata;
use crate::random::Random;
use crate::record::{Call, Mutation};
use crate::replicas::Lag;
use crate::route::Inbound;
use crate::service::EmulatorService;
use crate::signer;
use crate::token::Identity;
use crate::world::{FixtureKeys, KeySource, World};

/// Called after each change of an object that was applied.
pub type Observer = Arc<dyn Fn(&Mutation) + Send + Sync>;

/// Why an emulator could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No key to sign access tokens with.
    #[error("cannot make the key that signs access tokens: {0}")]
    MakeKey(#[from] KeyError),
    /// No certificate for that key.
    #[error("cannot make the certificate that access tokens are verified with: {0}")]
    MakeCertificate(#[from] CertificateError),
}

/// How an emulator is put together. The default runs on the machine's time, with seed 0, fixture keys and the strictest behaviour.
pub struct Builder {
    time: Arc<dyn TimeSource>,
    keys: Arc<dyn KeySource>,
    behaviour: Behaviour,
    cloud: Cloud,
    seed: u64,
}

impl Builder {
    /// Where time comes from.
    #[must_use]
    pub fn time(self, source: impl TimeSource + 'static) -> Self {
        Self { time: Arc::new(source), ..self }
    }

    /// Where the keys of signing certificates come from; key 0 signs the access tokens.
    #[must_use]
    pub fn keys(self, source: impl KeySource + 'static) -> Self {
        Self { keys: Arc::new(source), ..self }
    }

    /// Switches.
    #[must_use]
    pub fn behaviour(self, behaviour: Behaviour) -> Self {
        Self { behaviour, ..self }
    }

    /// Which national cloud it is: hosts, audiences and signing key follow. Default [`Cloud::Global`].
    #[must_use]
    pub fn cloud(self, cloud: Cloud) -> Self {
        Self { cloud, ..self }
    }

    /// The seed of ids, secrets and choices.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Puts it together.
    ///
    /// # Errors
    /// When there is no key to sign access tokens with.
    pub fn build(self) -> Result<Emulator, BuildError> {
        let issuer = Issuer::new(self.keys.key(0)?, self.cloud)?;
        let world = World::new(Clock::new(self.time), Random::new(self.seed), self.behaviour, self.keys, issuer);
        Ok(Emulator(Arc::new(Shared { world: Mutex::new(world), observers: Mutex::default() })))
    }
}

/// A stand-in for Graph, the token endpoint and federation metadata. Clones share one world.
#[derive(Clone)]
pub struct Emulator(Arc<Shared>);

struct Shared {
    world: Mutex<World>,
    observers: Mutex<Vec<Observer>>,
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").finish_non_exhaustive()
    }
}

impl Emulator {
    /// A builder.
    pub fn builder() -> Builder {
        Builder { time: Arc::new(SystemTime), keys: Arc::new(FixtureKeys), behaviour: Behaviour::default(), cloud: Cloud::Global, seed: 0 }
    }

    /// The emulator as a tower service from `http::Request<Bytes>` to `http::Response<Bytes>`. The real host names of its cloud answer as the real
    /// ones do: Graph under one, sign-in under the others. Hosts of other clouds are refused as a foreign cloud would. Under any other name
    /// everything answers.
    pub fn service(&self) -> EmulatorService {
        EmulatorService(self.clone())
    }

    /// Works on the world, then tells the observers what changed. They are called without the lock, so they may ask the emulator.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let observers = self.0.observers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (result, fresh) = {
            let mut world = self.0.world.lock().unwrap_or_else(PoisonError::into_inner);
            let last = world.record.last_mutation();
            delivery::settle(&mut world);
            let result = act(&mut world);
            let fresh: Vec<Mutation> =
                if observers.is_empty() { Vec::new() } else { world.record.mutations_after(last).cloned().collect() };
            (result, fresh)
        };
        for mutation in &fresh {
            observers.iter().for_each(|observer| observer(mutation));
        }
        result
    }

    pub(crate) async fn exchange(&self, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        let inbound = Inbound::parse(request);
        if admin::is_for(&inbound) {
            return Ok(admin::answer(self, &inbound).into_response());
        }
        let delivery = self.with(|world| Delivery::begin(world, inbound));
        pause(delivery.held()).await;
        let answer = self.with(|world| delivery.answer(world));
        pause(delivery.answer_held()).await;
        self.with(|world| delivery.finish(world, answer))
    }

    /// The emulator's time.
    pub fn now(&self) -> DateTime<Utc> {
        self.with(|world| world.clock.now())
    }

    /// Moves its clock; a negative step moves it back.
    pub fn advance(&self, step: TimeDelta) {
        self.with(|world| world.clock.advance(step));
    }

    /// Sets its clock, which runs on from there.
    pub fn set_time(&self, time: DateTime<Utc>) {
        self.with(|world| world.clock.set(time));
    }

    /// Which national cloud it is.
    pub fn cloud(&self) -> Cloud {
        self.with(|world| world.issuer.cloud())
    }

    /// The switches.
    pub fn behaviour(&self) -> Behaviour {
        self.with(|world| world.behaviour.clone())
    }

    /// Changes switches.
    pub fn adjust(&self, change: impl FnOnce(&mut Behaviour)) {
        self.with(|world| change(&mut world.behaviour));
    }

    /// Lets go of every observer. One that holds the emulator in turn keeps both for ever.
    pub fn dismiss_observers(&self) {
        self.0.observers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Calls `observer` after every applied change of an object, before the answer to it goes out.
    pub fn observe(&self, observer: impl Fn(&Mutation) + Send + Sync + 'static) {
        self.0.observers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(observer));
    }

    /// All calls on record, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.with(|world| world.record.calls().cloned().collect())
    }

    /// Forgets the calls on record.
    pub fn clear_calls(&self) {
        self.with(|world| world.record.clear_calls());
    }

    /// All changes on record, oldest first.
    pub fn mutations(&self) -> Vec<Mutation> {
        self.with(|world| world.record.mutations_after(0).cloned().collect())
    }

    /// All changes of one object on record, oldest first.
    pub fn mutations_of(&self, object: ObjectId) -> Vec<Mutation> {
        self.with(|world| world.record.mutations_after(0).filter(|mutation| mutation.object == object).cloned().collect())
    }

    /// An object as now stored, whatever replicas show: raw entries, the bytes of certificates included.
    pub fn object(&self, id: ObjectId) -> Option<Value> {
        self.with(|world| world.directory.stored(id).map(|object| Value::Object(object.to_json(true))))
    }

    /// All tenants and objects as now stored, with owners and roles.
    pub fn state(&self) -> Value {
        self.with(|world| {
            let now = world.clock.now();
            let shown = |object: &Arc<Object>| {
                json!({"kind": object.kind, "owners": object.owners, "roles": object.roles, "federated": object.federated, "object": object.to_json(true)})
            };
            let tenant = |id| {
                let objects = world.directory.all_seen(id, now, TimeDelta::zero()).map(shown).collect::<Vec<_>>();
                json!({"id": id, "objects": objects})
            };
            json!({"now": now, "tenants": world.directory.tenants().map(tenant).collect::<Vec<_>>()})
        })
    }

    /// The id of a client's application or service principal.
    pub fn find(&self, tenant: TenantId, kind: ObjectKind, client: ClientId) -> Option<ObjectId> {
        let address = Address::AppId(client);
        self.with(|world| world.directory.find(tenant, kind, address, world.clock.now(), TimeDelta::zero()).map(|object| object.id))
    }

    /// Puts a fault in force and gives its id.
    pub fn inject(&self, fault: Fault) -> u64 {
        self.with(|world| world.faults.arm(fault))
    }

    /// Takes a fault back. Whether it was there.
    pub fn withdraw(&self, id: u64) -> bool {
        self.with(|world| world.faults.disarm(id))
    }

    /// Takes all faults back. Requests that are already held or late stay so.
    pub fn withdraw_all(&self) {
        self.with(|world| world.faults.clear());
    }

    /// The faults in force, with how often they hit. A spent one stays on the list.
    pub fn faults(&self) -> Vec<Armed> {
        self.with(|world| world.faults.armed().to_vec())
    }

    /// Makes reads and sign-ins lag behind writes.
    pub fn set_lag(&self, lag: Lag) {
        self.with(|world| world.lag = lag);
    }

    /// How far they lag.
    pub fn lag(&self) -> Lag {
        self.with(|world| world.lag.clone())
    }

    /// Requests that were received and are still to be carried out: a fault made them late.
    pub fn pending(&self) -> usize {
        self.with(|world| world.pending.len())
    }

    /// Whether this secret signs the client in now, whatever the lag.
    pub fn accepts_secret(&self, client: ClientId, secret: &str) -> bool {
        self.with(|world| accepted(world, client, &[TimeDelta::zero()], |identity, now| identity.check_secret(secret, now).is_ok()))
    }

    /// Whether this secret signs the client in now at every instance of the sign-in service.
    pub fn accepts_secret_everywhere(&self, client: ClientId, secret: &str) -> bool {
        self.with(|world| accepted(world, client, &world.lag.sign_ins(), |identity, now| identity.check_secret(secret, now).is_ok()))
    }

    /// Whether this certificate's key signs the client in now, whatever the lag.
    pub fn accepts_certificate(&self, client: ClientId, certificate: &Certificate) -> bool {
        self.with(|world| accepted(world, client, &[TimeDelta::zero()], |identity, now| identity.accepts(certificate, now)))
    }

    /// Whether this certificate's key signs the client in now at every instance of the sign-in service.
    pub fn accepts_certificate_everywhere(&self, client: ClientId, certificate: &Certificate) -> bool {
        self.with(|world| accepted(world, client, &world.lag.sign_ins(), |identity, now| identity.accepts(certificate, now)))
    }

    /// The certificate that signs SAML responses of a service principal now.
    pub fn signer(&self, service_principal: ObjectId) -> Option<Certificate> {
        self.with(|world| signer::signer(world, world.directory.stored(service_principal)?, world.clock.now()))
    }

    /// Every certificate that could sign now: the preferred one if it is valid, else all valid ones.
    pub fn possible_signers(&self, service_principal: ObjectId) -> Vec<Certificate> {
        self.with(|world| {
            let object = world.directory.stored(service_principal);
            object.map(|object| signer::possible(world, object, world.clock.now())).unwrap_or_default()
        })
    }

    /// The certificates that the federation metadata of a service principal lists now, the active one first.
    pub fn metadata_certificates(&self, service_principal: ObjectId) -> Vec<Certificate> {
        self.with(|world| {
            let object = world.directory.stored(service_principal);
            object.map(|object| metadata::listed(world, object, world.clock.now())).unwrap_or_default()
        })
    }
}

/// Whether each of the sign-in instances, which lag so far, accepts the client in some tenant.
fn accepted(world: &World, client: ClientId, lags: &[TimeDelta], accepts: impl Fn(&Identity, DateTime<Utc>) -> bool) -> bool {
    let now = world.clock.now();
    let identity = |tenant, lag| Identity::find(world, tenant, client, now, lag).ok();
    lags.iter().all(|lag| world.directory.tenants().filter_map(|tenant| identity(tenant, *lag)).any(|identity| accepts(&identity, now)))
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
