//! What a world begins with: who is registered in Entra, what others have there, and how the operator is started.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entra_emulator::{Emulator, NewSecret, Registered, Registration};
use entra_rotator::settings::Settings;
use entra_types::{Cloud, TenantId};
use rotation::Lateness;
use serde_json::{Value, json};

use crate::effects::Effects;
use crate::world::{SECRET, TENANT};

/// What is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `clientCertificate`.
    ClientCertificate,
    /// `clientSecret`.
    ClientSecret,
    /// `tokenSigningCertificate`.
    Signing,
}

/// What a world begins with, besides its resource.
#[derive(Clone, Default)]
pub struct Setup {
    /// The spec of the resource, without target and output.
    pub spec: Value,
    /// Where effects are counted, and where it stands what is to happen at each.
    pub effects: Effects,
    /// How many replicas there are besides the first, and whether they compete for its Lease.
    pub more_replicas: Replicas,
    /// The grant allows adoption.
    pub allow_adoption: bool,
    /// More roles of the operator's.
    pub roles: &'static [&'static str],
    /// Neither the operator nor the application may do anything in Graph.
    pub powerless: bool,
    /// The cloud in which everything is, and which the EntraTenant names; none is a stand-in with endpoints of its own.
    pub cloud: Option<Cloud>,
}

/// Processes besides the first.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Replicas {
    /// None: nobody takes over for hours.
    #[default]
    None,
    /// One that stands by: the Lease is silent for ten minutes before it takes over.
    StandingBy,
    /// One that leads as well, as if there were no Lease.
    Unelected,
    /// The operator of another cluster, where somebody declared the same resource.
    OtherCluster,
    /// The operator of a clone of the cluster: there the resource has the same uid, and its credentials the same marks.
    Clone,
}

impl Replicas {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::None, Self::StandingBy, Self::Unelected, Self::OtherCluster, Self::Clone];

    /// Whether two clusters have the resource.
    pub fn are_two_clusters(self) -> bool {
        matches!(self, Self::OtherCluster | Self::Clone)
    }

    /// How a plan names it.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::StandingBy => Some("standing-by"),
            Self::Unelected => Some("unelected"),
            Self::OtherCluster => Some("other-cluster"),
            Self::Clone => Some("clone"),
        }
    }
}

impl Setup {
    /// A world with this resource, and nothing special else.
    pub fn of(spec: Value) -> Self {
        Self { spec, ..Self::default() }
    }

    /// The settings of each replica.
    pub(crate) fn replicas(&self) -> Vec<Settings> {
        let named = |identity: &str, lease_name: &str, lease_duration| Settings {
            identity: identity.to_owned(),
            lease_name: lease_name.to_owned(),
            lease_duration,
            ..settings()
        };
        match self.more_replicas {
            Replicas::None | Replicas::OtherCluster | Replicas::Clone => vec![settings()],
            Replicas::StandingBy => ["operator-0", "operator-1"].map(|identity| named(identity, "entra-rotator", TEN_MINUTES)).into(),
            Replicas::Unelected => {
                [("operator-0", "entra-rotator"), ("operator-1", "another")].map(|(me, lease)| named(me, lease, SIX_HOURS)).into()
            }
        }
    }
}

impl Kind {
    /// The kind that a spec asks for.
    pub fn of(spec: &Value) -> Self {
        match () {
            () if spec.get("tokenSigningCertificate").is_some() => Self::Signing,
            () if spec.get("clientSecret").is_some() => Self::ClientSecret,
            () => Self::ClientCertificate,
        }
    }
}

/// The operator and its target, with credentials of somebody else's on both of the target's objects.
pub fn register(entra: &Emulator, now: DateTime<Utc>, setup: &Setup) -> (Registered, Registered) {
    let tenant: TenantId = TENANT.parse().unwrap();
    entra.add_tenant(tenant);
    let own = if setup.powerless { &[][..] } else { &["Application.ReadWrite.OwnedBy"] };
    let roles = own.iter().chain(setup.roles);
    let operator = entra.register(tenant, &roles.fold(Registration::named("operator"), |it, role| it.role(role))).unwrap();
    let secret = NewSecret { text: SECRET.to_owned(), display_name: None, start: None, end: now + TimeDelta::days(20_000) };
    entra.add_secret(operator.application, secret).unwrap();
    let target = Registration::named("Payroll");
    let target = if setup.powerless { target } else { target.owner(operator.service_principal) };
    let target = entra.register(tenant, &target).unwrap();
    for object in [target.application, target.service_principal] {
        entra.add_raw(object, true, foreign_certificate()).unwrap();
        entra.add_raw(object, false, foreign_secret()).unwrap();
    }
    (operator, target)
}

const TEN_MINUTES: Duration = Duration::from_secs(600);
const SIX_HOURS: Duration = Duration::from_secs(6 * 3_600);

fn settings() -> Settings {
    Settings {
        namespace: "entra-rotator".to_owned(),
        identity: "operator-0".to_owned(),
        lease_name: "entra-rotator".to_owned(),
        lease_duration: SIX_HOURS,
        reach: entra_rotator::settings::Reach::Cluster,
        late: Lateness::default(),
        watch_timeout: Duration::from_secs(10 * 86_400),
        allow_custom_endpoints: true,
        ambient: entra_rotator::settings::Ambient::default(),
    }
}

/// Where a tenant is, in the spec of its EntraTenant.
pub fn place(cloud: Option<Cloud>) -> serde_json::Map<String, Value> {
    let place = match cloud {
        None => json!({"cloud": "Custom", "endpoints": {"login": "https://entra.example", "graph": "https://entra.example"}}),
        Some(Cloud::Global) => json!({"cloud": "Global"}),
        Some(Cloud::UsGovernmentL4) => json!({"cloud": "USGovernmentL4"}),
        Some(Cloud::UsGovernmentL5) => json!({"cloud": "USGovernmentL5"}),
        Some(Cloud::China) => json!({"cloud": "China"}),
    };
    place.as_object().unwrap().clone()
}

/// Somebody else's certificate, with a field that this version has never heard of.
fn foreign_certificate() -> serde_json::Map<String, Value> {
    let entry = json!({"customKeyIdentifier": "Zm9yZWlnbg==", "displayName": "CN=foreign", "endDateTime": "2099-01-01T00:00:00Z", "key": null,
        "keyId": "dddddddd-0000-4000-8000-000000000001", "startDateTime": "2025-05-05T18:38:51.8100763Z", "type": "AsymmetricX509Cert",
        "usage": "Verify", "hint": {"new": [1.50, null]}});
    entry.as_object().unwrap().clone()
}

/// Somebody else's secret, likewise.
fn foreign_secret() -> serde_json::Map<String, Value> {
    let entry = json!({"customKeyIdentifier": null, "displayName": "made by hand", "endDateTime": "2098-01-01T00:00:00.1234567Z",
        "hint": "abc", "keyId": "dddddddd-0000-4000-8000-000000000002", "startDateTime": "2025-05-05T18:38:51.8100763Z",
        "new": {"field": [1.50, null]}});
    entry.as_object().unwrap().clone()
}
