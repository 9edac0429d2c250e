//! The two servers that live in this process, and what Entra holds before the operator comes.

use chrono::{TimeDelta, Utc};
use entra_emulator::{Authority, Emulator, KeySource, Lag, NewSecret, Registered, Registration};
use entra_types::TenantId;
use keys::{Certificate, CertificateRequest, KeyError, KeySize, PrivateKey};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::cluster::{Cluster, ClusterError, listen};

/// Why the stage could not be set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    #[error("cannot listen on 127.0.0.1: {0}")]
    Listen(#[from] std::io::Error),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("cannot make the emulated Entra: {0}")]
    Emulate(#[from] entra_emulator::BuildError),
    #[error("cannot make a certificate authority for it: {0}")]
    MakeAuthority(#[from] entra_emulator::AuthorityError),
    #[error("cannot register an application in it: {0}")]
    Register(#[from] entra_emulator::AdministrationError),
    #[error("cannot make the key of a foreign credential: {0}")]
    MakeKey(#[from] KeyError),
    #[error("cannot make a foreign certificate: {0}")]
    MakeCertificate(#[from] keys::CertificateError),
}

/// Everything around the operator. The servers end with it.
pub(crate) struct Stage {
    /// The API server.
    pub(crate) cluster: Cluster,
    /// The emulated Entra.
    pub(crate) emulator: Emulator,
    /// Where its sign-in and Graph listen: HTTPS.
    pub(crate) entra: String,
    /// PEM of the only authority that vouches for it.
    pub(crate) ca: String,
    /// What is registered in it.
    pub(crate) directory: Directory,
    _servers: JoinSet<()>,
}

/// What Entra holds before the operator comes.
pub(crate) struct Directory {
    pub(crate) tenant: TenantId,
    /// The operator's own application: may write what it owns.
    pub(crate) operator: Registered,
    /// What it signs in with.
    pub(crate) operator_secret: String,
    /// Whose client secret is kept.
    pub(crate) job: Registered,
    /// Whose client certificate is kept.
    pub(crate) api: Registered,
    /// A client secret of it that somebody else made.
    pub(crate) foreign_secret: String,
    /// Whose token signing certificate is kept.
    pub(crate) saml: Registered,
}

impl Stage {
    /// Starts the servers on free ports, and registers. With a context, the cluster is the one that it names.
    pub(crate) async fn set(context: Option<&str>) -> Result<Self, StageError> {
        let (seed, other_seed) = Uuid::new_v4().as_u64_pair();
        let mut servers = JoinSet::new();
        let cluster = match context {
            Some(context) => Cluster::of_context(context).await?,
            None => Cluster::simulate(seed, &mut servers).await?,
        };
        let emulator = Emulator::builder().seed(other_seed).keys(FreshKeys).build()?;
        let directory = Directory::register_long_ago(&emulator)?;
        emulator.set_lag(lag());
        let authority = Authority::new(&["localhost".to_owned()])?;
        let (listener, address) = listen().await?;
        let (server, ca) = (emulator.clone(), authority.ca_pem().to_owned());
        servers.spawn(async move { drop(server.serve(listener, &authority).await) });
        let entra = format!("https://localhost:{}", address.port());
        Ok(Self { cluster, emulator, entra, ca, directory, _servers: servers })
    }
}

/// Entra has many instances, and what one was told the others learn a moment later: a new credential is refused here and accepted there.
fn lag() -> Lag {
    let instances = || [0, 100, 250].map(std::time::Duration::from_millis).to_vec();
    Lag { graph: instances(), sign_in: instances(), metadata: instances() }
}

/// A new key for every signing certificate.
struct FreshKeys;

impl KeySource for FreshKeys {
    fn key(&self, _: usize) -> Result<PrivateKey, KeyError> {
        PrivateKey::generate(KeySize::Rsa2048)
    }
}

impl Directory {
    /// An hour before, so that every instance of Entra knows.
    fn register_long_ago(emulator: &Emulator) -> Result<Self, StageError> {
        emulator.advance(-TimeDelta::hours(1));
        let registered = Self::register(emulator);
        emulator.advance(TimeDelta::hours(1));
        registered
    }

    fn register(emulator: &Emulator) -> Result<Self, StageError> {
        let tenant = TenantId::new(Uuid::new_v4());
        emulator.add_tenant(tenant);
        let operator = emulator.register(tenant, &Registration::named("entra-rotator").role("Application.ReadWrite.OwnedBy"))?;
        let owned = |name: &str| emulator.register(tenant, &Registration::named(name).owner(operator.service_principal));
        let (job, api, saml) = (owned("payroll-job")?, owned("payroll-api")?, owned("payroll-saml")?);
        let (operator_secret, foreign_secret) = (random_text(), random_text());
        emulator.add_secret(operator.application, secret(&operator_secret, "of the operator"))?;
        emulator.add_secret(api.application, secret(&foreign_secret, "of the nightly job"))?;
        emulator.add_secret(job.application, secret(&random_text(), "of the report"))?;
        emulator.add_certificate(api.application, &foreign_certificate("build server")?)?;
        emulator.add_certificate(saml.service_principal, &foreign_certificate("old gateway")?)?;
        emulator.add_raw(saml.service_principal, false, leftover())?;
        emulator.set_property(saml.service_principal, "preferredSingleSignOnMode", json!("saml"))?;
        Ok(Self { tenant, operator, operator_secret, job, api, foreign_secret, saml })
    }
}

fn random_text() -> String {
    format!("{}~{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn secret(text: &str, name: &str) -> NewSecret {
    NewSecret { text: text.to_owned(), display_name: Some(name.to_owned()), start: None, end: Utc::now() + TimeDelta::days(90) }
}

fn foreign_certificate(name: &str) -> Result<Certificate, StageError> {
    let key = PrivateKey::generate(KeySize::Rsa2048)?;
    let request = CertificateRequest {
        common_name: name.to_owned(),
        san_uris: Vec::new(),
        not_before: Utc::now() - TimeDelta::days(30),
        not_after: Utc::now() + TimeDelta::days(60),
        serial: [7; 16],
    };
    Ok(Certificate::self_signed(&key, &request)?)
}

/// An entry as years ago a portal left it: with fractions of a second, and expired.
fn leftover() -> serde_json::Map<String, Value> {
    let entry = json!({
        "customKeyIdentifier": null, "displayName": "made long ago", "hint": "abc", "keyId": Uuid::new_v4(),
        "startDateTime": "2019-05-05T18:38:51.8100763Z", "endDateTime": "2020-05-05T00:00:00Z",
    });
    entry.as_object().cloned().unwrap_or_default()
}
