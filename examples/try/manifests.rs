//! What a platform team and an application team write, and its way into the cluster.

use anstyle::{AnsiColor, Style};
use data_encoding::BASE64;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::Value;

use crate::paint::{DIM, painted};
use crate::stage::{Directory, Stage};

/// Where the operator runs.
pub(crate) const OPERATOR_NAMESPACE: &str = "entra-rotator";
/// Where the team works.
pub(crate) const TEAM_NAMESPACE: &str = "payroll";
/// How long a signing certificate is published before it signs. Long beside what consumers need to read a Secret again.
pub(crate) const SOAK: u64 = 8;
/// How long a replaced credential stays.
pub(crate) const OVERLAP: u64 = 12;

/// Why a manifest did not get into the cluster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("cannot read a manifest of the demonstration: {0}")]
    Parse(String),
    #[error("cannot apply {kind} {name}: {source}")]
    Apply { kind: String, name: String, source: Box<kube::Error> },
}

/// What the administrators of the cluster have done before: namespaces, and the secret that the operator signs in with.
pub(crate) fn beforehand(secret: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Namespace
metadata: {{name: {OPERATOR_NAMESPACE}}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: {TEAM_NAMESPACE}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: entra-sign-in, namespace: {OPERATOR_NAMESPACE}}}
stringData: {{AZURE_CLIENT_SECRET: {secret}}}
"
    )
}

/// How the operator signs in, and who may have what rotated.
pub(crate) fn tenant(stage: &Stage) -> String {
    let Directory { tenant, operator, job, api, saml, .. } = &stage.directory;
    format!(
        "\
apiVersion: entra-rotator.io/v1alpha1
kind: EntraTenant                       # by the platform team
metadata: {{name: default}}
spec:
  tenantID: {tenant}
  cloud: Custom                         # the emulator, instead of Global
  endpoints:
    login: {entra}
    graph: {entra}
    caBundle: {ca}
  signIn:
    clientSecret:
      clientID: {operator}
      secretRef: {{name: entra-sign-in}}
  minimumValidity: 1m                   # 24h, unless you are in a hurry
  grants:
  - name: payroll
    namespaces: [{TEAM_NAMESPACE}]
    clientIDs: [{job}, {api}, {saml}]
    credentials: [ClientSecret, ClientCertificate, TokenSigningCertificate]
",
        entra = stage.entra,
        ca = BASE64.encode(stage.ca.as_bytes()),
        operator = operator.client_id,
        job = job.client_id,
        api = api.client_id,
        saml = saml.client_id,
    )
}

/// The credentials that are kept.
pub(crate) fn credentials(stage: &Stage) -> String {
    format!(
        "\
apiVersion: entra-rotator.io/v1alpha1
kind: ServicePrincipalCredential        # by the application team
metadata: {{name: payroll-job, namespace: {TEAM_NAMESPACE}}}
spec:
  target: {{clientID: {job}}}
  clientSecret: {{}}
  rotation: {{validity: 2m, renewBefore: 1m, overlap: {OVERLAP}s}}
  secretName: payroll-job
---
apiVersion: entra-rotator.io/v1alpha1
kind: ServicePrincipalCredential
metadata: {{name: payroll-api, namespace: {TEAM_NAMESPACE}}}
spec:
  target: {{clientID: {api}}}
  clientCertificate: {{}}
  rotation: {{validity: 2m, renewBefore: 1m, overlap: {OVERLAP}s}}
  secretName: payroll-api
---
apiVersion: entra-rotator.io/v1alpha1
kind: ServicePrincipalCredential
metadata: {{name: payroll-saml, namespace: {TEAM_NAMESPACE}}}
spec:
  target: {{clientID: {saml}}}
  tokenSigningCertificate:
    activation: {{soak: {SOAK}s}}
  rotation: {{validity: 2m, renewBefore: 1m, overlap: {OVERLAP}s}}
  secretName: payroll-saml
",
        job = stage.directory.job.client_id,
        api = stage.directory.api.client_id,
        saml = stage.directory.saml.client_id,
    )
}

/// Applies every document of a text, as `kubectl apply --server-side` would.
pub(crate) async fn apply(client: &Client, yaml: &str) -> Result<(), ManifestError> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).map_err(|error| ManifestError::Parse(error.to_string()))?;
    for document in documents {
        apply_one(client, &document).await?;
    }
    Ok(())
}

async fn apply_one(client: &Client, document: &Value) -> Result<(), ManifestError> {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, name) = (text("/kind"), text("/metadata/name"));
    let (group, version) = match text("/apiVersion").split_once('/') {
        Some((group, version)) => (group.to_owned(), version.to_owned()),
        None => (String::new(), text("/apiVersion")),
    };
    let resource = ApiResource::from_gvk(&GroupVersionKind { group, version, kind: kind.clone() });
    let api: Api<DynamicObject> = match text("/metadata/namespace").as_str() {
        "" => Api::all_with(client.clone(), &resource),
        namespace => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let applied = api.patch(&name, &PatchParams::apply("kubectl"), &Patch::Apply(document)).await;
    applied.map(drop).map_err(|source| ManifestError::Apply { kind, name, source: Box::new(source) })
}

/// The text for people: keys coloured, comments dim, and what is long cut.
pub(crate) fn shown(yaml: &str) -> String {
    yaml.lines().map(|line| format!("    {}\n", shown_line(line))).collect()
}

fn shown_line(line: &str) -> String {
    let (code, comment) = line.split_once('#').map_or((line, String::new()), |(code, comment)| (code, painted(DIM, format!("#{comment}"))));
    let Some((key, value)) = code.split_once(':') else { return painted(DIM, code) + &comment };
    let cut = if value.len() > WIDTH { format!("{}…", &value[..24]) } else { value.to_owned() };
    format!("{}:{cut}{comment}", painted(KEY, key))
}

const KEY: Style = AnsiColor::Blue.on_default();
const WIDTH: usize = 160;
