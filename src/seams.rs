//! What the operator takes from outside: time, randomness, keys and the way to Entra. Simulations hand in others than production.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entra::{Clock, Ids, NetworkError, NetworkOptions, Wire};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use keys::{KeyError, KeySize, PrivateKey};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Everything that is not the cluster.
#[derive(Clone)]
pub struct Seams {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness, as version 4 UUIDs: nonces, serial numbers, request ids.
    pub ids: Arc<dyn Ids>,
    /// Where RSA keys come from.
    pub keys: Arc<dyn KeySource>,
    /// The way to Graph and the token endpoint.
    pub wires: Arc<dyn Wires>,
}

/// Makes RSA keys.
pub trait KeySource: Send + Sync {
    /// A new key. Takes 50 ms to several seconds of CPU in production.
    fn generate(&self, size: KeySize) -> BoxFuture<'static, Result<PrivateKey, KeyError>>;
}

/// Opens the way to a tenant's endpoints.
pub trait Wires: Send + Sync {
    /// A wire that trusts these authorities.
    ///
    /// # Errors
    /// When the certificate bundle cannot be used.
    fn open(&self, options: &NetworkOptions) -> Result<Wire, NetworkError>;
}

impl Seams {
    /// The real ones.
    pub fn real() -> Self {
        Self { clock: Arc::new(SystemClock), ids: Arc::new(RandomIds), keys: Arc::new(Generated::default()), wires: Arc::new(Network) }
    }
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

struct RandomIds;

impl Ids for RandomIds {
    fn uuid(&self) -> Uuid {
        Uuid::new_v4()
    }
}

/// Generates keys one at a time beside the async threads: two at once would starve everything else under a small CPU limit.
struct Generated {
    turn: Arc<Semaphore>,
}

impl Default for Generated {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)) }
    }
}

impl KeySource for Generated {
    fn generate(&self, size: KeySize) -> BoxFuture<'static, Result<PrivateKey, KeyError>> {
        let turn = Arc::clone(&self.turn);
        async move {
            let _turn = turn.acquire_owned().await;
            match tokio::task::spawn_blocking(move || PrivateKey::generate(size)).await {
                Ok(key) => key,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        .boxed()
    }
}

struct Network;

impl Wires for Network {
    fn open(&self, options: &NetworkOptions) -> Result<Wire, NetworkError> {
        entra::network(options)
    }
}
