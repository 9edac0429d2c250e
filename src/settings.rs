//! What the person who runs the operator sets.

use std::time::Duration;

use rotation::Lateness;

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
    /// The namespaces whose Secrets may be read and written; empty for all.
    pub watch_namespaces: Vec<String>,
    /// LATE.
    pub late: Lateness,
    /// Whether EntraTenants with `cloud: Custom` are served.
    pub allow_custom_endpoints: bool,
}
