//! What the person who runs the operator sets.

use std::path::PathBuf;
use std::time::Duration;

use entra_types::ClientId;
use kube::runtime::watcher;
use rotation::Lateness;

pub use crate::reach::{OutputName, Reach};

/// Shorter than the idle timeouts of the proxies that stand before API servers.
pub const WATCH_TIMEOUT: Duration = Duration::from_secs(290);

/// The operator's settings, as parsed from arguments and environment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The operator's own namespace: its Lease, and the Secrets that EntraTenants sign in with.
    pub namespace: String,
    /// This replica's name in the Lease.
    pub identity: String,
    /// The Lease's name.
    pub lease_name: String,
    /// How long a replica that went silent keeps the Lease.
    pub lease_duration: Duration,
    /// Which outputs and staging Secrets may be read and written.
    pub reach: Reach,
    /// LATE.
    pub late: Lateness,
    /// How long the API server keeps a watch open before it is taken up again; [`WATCH_TIMEOUT`] but in simulations.
    pub watch_timeout: Duration,
    /// Whether EntraTenants with `cloud: Custom` are served.
    pub allow_custom_endpoints: bool,
    /// What the operator's own pod and node offer to sign in with.
    pub ambient: Ambient,
}

/// What the operator's own pod and node offer to sign in with, without a Secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ambient {
    /// The application or managed identity that workload identity signs in as, where an EntraTenant names none.
    pub client_id: Option<ClientId>,
    /// The file in which the kubelet keeps the token of the operator's service account that Entra takes.
    pub federated_token_file: Option<PathBuf>,
    /// The root of the instance metadata service.
    pub instance_metadata: String,
}

impl Default for Ambient {
    fn default() -> Self {
        Self { client_id: None, federated_token_file: None, instance_metadata: entra::INSTANCE_METADATA.to_owned() }
    }
}

impl Settings {
    /// How the operator watches.
    pub(crate) fn watch(&self) -> watcher::Config {
        watcher::Config::default().timeout(u32::try_from(self.watch_timeout.as_secs()).unwrap_or(u32::MAX))
    }
}
