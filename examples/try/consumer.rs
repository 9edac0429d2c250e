//! Those for whom all this is done. They know nothing of the operator: they read the published Secrets as any pod could, and use them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use entra::{Environment, Graph, SignIn, Wire, WireError};
use entra_rotator::seams::Seams;
use entra_types::{ClientId, Endpoints};
use k8s_openapi::api::core::v1::Secret;
use keys::{Certificate, PrivateKey, Sensitive};
use kube::Api;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::manifests::TEAM_NAMESPACE;
use crate::sightings::{Reporter, Sample, Seen};
use crate::stage::Stage;

/// How often a consumer uses what it has.
const EVERY: Duration = Duration::from_secs(1);
/// How old what it has may be: a mounted Secret is not up to date at once. Shorter than soak and overlap.
const PICKUP: Duration = Duration::from_secs(4);

/// Put on the consumers' sign-ins, to tell them from the operator's in the emulator's record.
pub(crate) const MARK: &str = "by=consumer";

/// What came of one use.
pub(crate) struct Check {
    pub(crate) sample: Sample,
    /// Why it failed, if it did: a gap.
    pub(crate) gap: Option<String>,
}

/// Uses the published Secret of a sample from its first publication on, until dropped.
pub(crate) async fn consume(sample: Sample, stage: Arc<Stage>, secrets: Api<Secret>, wire: Wire, reporter: Reporter) {
    let mut held: VecDeque<(Instant, Held)> = VecDeque::new();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match read(sample, &secrets).await {
            Ok(Some(fresh)) => held.push_back((Instant::now(), fresh)),
            Ok(None) if held.is_empty() => continue,
            Ok(None) => reporter.report(gap(sample, format!("Secret {TEAM_NAMESPACE}/{} is gone", sample.name()))),
            Err(why) => reporter.report(gap(sample, why)),
        }
        held.retain(|(read, _)| read.elapsed() <= PICKUP);
        for (age, used) in oldest_and_newest(&held) {
            let outcome = used.try_on(&stage, &wire).await;
            let gap = outcome.err().map(|why| format!("{why}; read from the Secret {} s before", age.as_secs()));
            reporter.report(Seen::Checked(Check { sample, gap }));
        }
    }
}

fn gap(sample: Sample, why: String) -> Seen {
    Seen::Checked(Check { sample, gap: Some(why) })
}

/// Both ends of what consumers may have at this moment; one if they are the same.
fn oldest_and_newest(held: &VecDeque<(Instant, Held)>) -> Vec<(Duration, &Held)> {
    let (Some((read, oldest)), Some((now, newest))) = (held.front(), held.back()) else { return Vec::new() };
    let both = [(now.elapsed(), newest), (read.elapsed(), oldest)];
    both.into_iter().take(if oldest.is_like(newest) { 1 } else { 2 }).collect()
}

/// What a consumer has from a Secret.
enum Held {
    /// A workload's credential, and where the Secret says that it signs in.
    Credential { sign_in: Box<SignIn>, authority: String, tenant: String },
    /// The certificates that a relying party trusts.
    Bundle(Vec<Certificate>),
}

async fn read(sample: Sample, secrets: &Api<Secret>) -> Result<Option<Held>, String> {
    let place = format!("{TEAM_NAMESPACE}/{}", sample.name());
    let secret = secrets.get_opt(sample.name()).await.map_err(|error| format!("cannot read Secret {place}: {error}"))?;
    let Some(secret) = secret else { return Ok(None) };
    let text = |key: &str| {
        let bytes = &secret.data.as_ref()?.get(key)?.0;
        String::from_utf8(bytes.clone()).ok()
    };
    let held = match sample {
        Sample::ClientSecret => Held::credential(&text, client_secret),
        Sample::ClientCertificate => Held::credential(&text, client_certificate),
        Sample::TokenSigning => text("signing-bundle.crt").map(|pem| Held::Bundle(certificates(&pem))),
    };
    held.map(Some).ok_or_else(|| format!("Secret {place} does not hold what it should"))
}

fn certificates(pem: &str) -> Vec<Certificate> {
    let blocks = pem.split_inclusive("-----END CERTIFICATE-----").map(str::trim_start);
    blocks.filter_map(|block| Certificate::from_pem(block).ok()).collect()
}

impl Held {
    fn credential<T: Fn(&str) -> Option<String>>(text: &T, sign_in: impl FnOnce(&T, ClientId) -> Option<SignIn>) -> Option<Self> {
        let sign_in = sign_in(text, text("AZURE_CLIENT_ID")?.parse().ok()?)?;
        Some(Self::Credential { sign_in: Box::new(sign_in), authority: text("AZURE_AUTHORITY_HOST")?, tenant: text("AZURE_TENANT_ID")? })
    }

    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Credential { sign_in: one, .. }, Self::Credential { sign_in: two, .. }) => is_same(one, two),
            (Self::Bundle(one), Self::Bundle(two)) => one == two,
            _ => false,
        }
    }

    /// Signs in with it, or sees whether it trusts whom Entra signs with.
    async fn try_on(&self, stage: &Stage, wire: &Wire) -> Result<(), String> {
        match self {
            Self::Credential { sign_in, authority, tenant } => {
                let endpoints = Endpoints::custom(authority, &stage.entra).map_err(|error| error.to_string())?;
                let tenant = tenant.parse().map_err(|_| format!("{tenant:?} is no tenant id"))?;
                let Seams { clock, ids, .. } = Seams::real();
                let graph = Graph::new(wire.clone(), endpoints, tenant, (**sign_in).clone(), Environment::new(clock, ids));
                graph.sign_in(sign_in).await.map(drop).map_err(|failure| failure.to_string())
            }
            Self::Bundle(trusted) => {
                let signer = stage.emulator.signer(stage.directory.saml.service_principal);
                let signer = signer.ok_or_else(|| "Entra signs with no certificate".to_owned())?;
                let is_trusted = trusted.iter().any(|certificate| certificate.thumbprint() == signer.thumbprint());
                is_trusted.then_some(()).ok_or_else(|| format!("Entra signs with {}, which is not in the bundle", signer.thumbprint()))
            }
        }
    }
}

fn client_secret(text: &impl Fn(&str) -> Option<String>, client_id: ClientId) -> Option<SignIn> {
    Some(SignIn::ClientSecret { client_id, secret: Sensitive::new(text("AZURE_CLIENT_SECRET")?) })
}

fn client_certificate(text: &impl Fn(&str) -> Option<String>, client_id: ClientId) -> Option<SignIn> {
    let key = PrivateKey::from_pkcs8_pem(&text("tls.key")?).ok()?;
    Some(SignIn::ClientCertificate { client_id, key, certificate: Certificate::from_pem(&text("tls.crt")?).ok()? })
}

fn is_same(one: &SignIn, two: &SignIn) -> bool {
    match (one, two) {
        (SignIn::ClientSecret { secret: one, .. }, SignIn::ClientSecret { secret: two, .. }) => one.expose() == two.expose(),
        (SignIn::ClientCertificate { certificate: one, .. }, SignIn::ClientCertificate { certificate: two, .. }) => one == two,
        _ => false,
    }
}

/// HTTPS to the emulator, past any proxy that the environment names: it is on this machine.
pub(crate) fn wire(ca: &str) -> Result<Wire, String> {
    let said = |error: reqwest::Error| format!("cannot set up HTTPS: {error}");
    let authorities = reqwest::Certificate::from_pem_bundle(ca.as_bytes()).map_err(said)?;
    let client = reqwest::Client::builder().no_proxy().https_only(true).tls_certs_only(authorities).timeout(Duration::from_secs(10));
    let client = client.build().map_err(said)?;
    let exchange = tower::service_fn(move |request| exchange(client.clone(), request));
    Ok(BoxCloneSyncService::new(exchange.map_request(marked)))
}

fn marked(mut request: http::Request<Bytes>) -> http::Request<Bytes> {
    if let Ok(uri) = format!("{}?{MARK}", request.uri()).parse() {
        *request.uri_mut() = uri;
    }
    request
}

async fn exchange(client: reqwest::Client, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, WireError> {
    let request = request.try_into().map_err(|error: reqwest::Error| WireError::Connect(error.to_string()))?;
    let answer = client.execute(request).await.map_err(|error| WireError::Cut(error.to_string()))?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await.map_err(|error| WireError::Body(status, error.to_string()))?;
    let mut whole = http::Response::new(body);
    (*whole.status_mut(), *whole.headers_mut()) = (status, headers);
    Ok(whole)
}
