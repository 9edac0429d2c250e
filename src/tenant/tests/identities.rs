//! Signing in without a Secret: by the token of the operator's service account, and as the machine that it runs on.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use entra_emulator::Federated;
use entra_types::Cloud;
use http::{Request, Response};
use keys::fixtures;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::world::{TENANT, World, pass, settings};
use crate::settings::{Ambient, Settings};

const ISSUER: &str = "https://oidc.example/cluster";
const SUBJECT: &str = "system:serviceaccount:entra-rotator:entra-rotator";

/// A world whose operator has a token file, which does not exist yet.
struct Pod {
    world: World,
    folder: TempDir,
}

impl Pod {
    async fn new(ambient: impl FnOnce(PathBuf) -> Ambient) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ambient = ambient(folder.path().join("token"));
        let world = World::in_cloud(Cloud::Global, Settings { ambient, ..settings(false) });
        let keys = Request::get(format!("https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys")).body(Bytes::new()).unwrap();
        let keys = world.emulator.service().oneshot(keys).await.unwrap();
        world.emulator.set_issuer(ISSUER, serde_json::from_slice(keys.body()).unwrap());
        Self { world, folder }
    }

    /// The operator's environment names the token file.
    async fn with_file() -> Self {
        Self::new(|file| Ambient { federated_token_file: Some(file), ..Ambient::default() }).await
    }

    fn trust(&self, subject: &str) {
        let (name, audiences) = ("cluster".to_owned(), vec!["api://AzureADTokenExchange".to_owned()]);
        let federated = Federated { name, issuer: ISSUER.to_owned(), subject: subject.to_owned(), audiences };
        self.world.emulator.add_federated(self.world.operator.application, federated).unwrap();
    }

    fn put(&self, token: &str) {
        fs::write(self.folder.path().join("token"), token).unwrap();
    }

    /// A token for the operator's service account that lives an hour.
    fn token(&self) -> String {
        let now = self.world.emulator.now().timestamp();
        let claims = json!({"iss": ISSUER, "sub": SUBJECT, "aud": ["api://AzureADTokenExchange"], "nbf": now, "exp": now + 3600});
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&json!({"alg": "RS256"})), part(&claims));
        let signature = fixtures::key(0).sign_rs256(signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    fn spec(&self) -> Value {
        json!({"tenantID": TENANT, "signIn": {"workloadIdentity": {"clientID": self.world.operator.client_id}}})
    }

    fn refused(&self, reason: &str, why: &str) {
        assert_eq!(self.world.condition("Stalled"), ("True".to_owned(), reason.to_owned()), "{}", self.world.status());
        assert!(self.world.message("Ready").contains(why), "{}", self.world.message("Ready"));
    }

    fn is_ready(&self) -> bool {
        self.world.condition("Ready") == ("True".to_owned(), "SignedIn".to_owned())
    }
}

#[tokio::test(start_paused = true)]
async fn the_token_of_the_service_account_signs_in_and_is_nowhere_to_be_seen() {
    let pod = Pod::with_file().await;
    pod.trust(SUBJECT);
    let token = pod.token();
    pod.put(&format!("{token}\n"));
    pod.world.declare(&pod.spec()).await;
    assert!(pod.is_ready(), "{}", pod.world.status());
    assert_eq!(pod.world.status()["identity"]["clientID"], pod.world.operator.client_id.to_string());
    pod.world.assert_discreet(&[&token]);
}

#[tokio::test(start_paused = true)]
async fn without_a_client_the_remedy_is_to_name_one() {
    let pod = Pod::with_file().await;
    pod.world.declare(&json!({"tenantID": TENANT, "signIn": {"workloadIdentity": {}}})).await;
    pod.refused("ClientIDMissing", "neither spec.signIn.workloadIdentity.clientID nor AZURE_CLIENT_ID says as which client");
    assert_eq!(pod.world.token_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_client_is_that_of_the_environment_where_none_is_declared() {
    let client_id = "11111111-2222-4333-8444-555555555555".parse().ok();
    let pod = Pod::new(|file| Ambient { client_id, federated_token_file: Some(file), ..Ambient::default() }).await;
    pod.put(&pod.token());
    pod.world.declare(&json!({"tenantID": TENANT, "signIn": {"workloadIdentity": {}}})).await;
    pod.refused("ApplicationUnknown", "as client 11111111-2222-4333-8444-555555555555");
}

#[tokio::test(start_paused = true)]
async fn the_file_is_read_anew_for_each_sign_in() {
    let pod = Pod::with_file().await;
    pod.trust(SUBJECT);
    pod.put(&pod.token());
    pod.world.declare(&pod.spec()).await;
    // The first one is long expired at the next sign-in.
    pass(6 * 3600 - 60).await;
    pod.put(&pod.token());
    pod.world.forget_requests();
    pass(120).await;
    assert_eq!(pod.world.token_requests(), 1);
    assert!(pod.is_ready(), "{}", pod.world.status());
    // And with a file that nobody renewed it ends.
    pass(6 * 3600 + 600).await;
    assert!(!pod.is_ready(), "{}", pod.world.status());
}

#[tokio::test(start_paused = true)]
async fn without_a_token_the_remedy_is_named_and_nothing_sent() {
    let pod = Pod::new(|_| Ambient::default()).await;
    pod.world.declare(&pod.spec()).await;
    pod.refused("FederatedTokenMissing", "the operator's environment has no AZURE_FEDERATED_TOKEN_FILE");

    for (content, why) in
        [(None, "No such file"), (Some(" \n".to_owned()), "it is empty"), (Some("x".repeat(70_000)), "longer than any token")]
    {
        let pod = Pod::with_file().await;
        if let Some(content) = content {
            pod.put(&content);
        }
        pod.world.declare(&pod.spec()).await;
        pod.refused("FederatedTokenMissing", why);
        assert!(pod.world.message("Ready").contains(pod.folder.path().to_str().unwrap()), "{}", pod.world.message("Ready"));
        assert_eq!(pod.world.token_requests(), 0);
        pod.trust(SUBJECT);
        pass(600).await;
        pod.put(&pod.token());
        pass(300).await;
        assert!(pod.is_ready(), "{}", pod.world.status());
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_federated_credential_the_remedy_is_to_add_one_and_it_is_taken_up() {
    let pod = Pod::with_file().await;
    pod.put(&pod.token());
    pod.world.declare(&pod.spec()).await;
    pod.refused("FederationRefused", "AADSTS70021");
    pod.trust("system:serviceaccount:entra-rotator:default");
    pass(300).await;
    pod.refused("FederationRefused", "exactly the issuer, subject and audience");
    pod.trust(SUBJECT);
    pass(300).await;
    assert!(pod.is_ready(), "{}", pod.world.status());
}

/// The spec of a tenant that is signed in to as the machine.
fn as_machine(client_id: Option<&str>) -> Value {
    json!({"tenantID": TENANT, "signIn": {"managedIdentity": client_id.map_or_else(|| json!({}), |id| json!({"clientID": id}))}})
}

#[tokio::test(start_paused = true)]
async fn the_only_identity_of_the_machine_signs_in_and_says_as_whom() {
    let world = World::new();
    world.emulator.set_managed_identity(Some(world.operator.client_id));
    world.declare(&as_machine(None)).await;
    assert_eq!(world.condition("Ready").1, "SignedIn", "{}", world.status());
    assert_eq!(world.status()["identity"]["clientID"], world.operator.client_id.to_string());
    let urls: Vec<String> = world.net.sent().into_iter().map(|(_, url)| url).collect();
    let [url] = urls.as_slice() else { panic!("{urls:?}") };
    assert!(url.starts_with("http://169.254.169.254/metadata/identity/oauth2/token?"), "{url}");
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_the_machine_does_not_have_needs_a_person() {
    let world = World::new();
    world.declare(&as_machine(None)).await;
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "IdentityNotAssigned".to_owned()), "{}", world.status());
    assert!(world.message("Ready").contains("Identity not found"), "{}", world.message("Ready"));
    world.emulator.set_managed_identity(Some(world.operator.client_id));
    pass(300).await;
    assert_eq!(world.condition("Ready").1, "SignedIn", "{}", world.status());
}

#[tokio::test(start_paused = true)]
async fn a_graph_that_is_not_of_the_machines_cloud_is_no_matter_of_its_identity() {
    let world = World::new();
    world.emulator.set_managed_identity(Some(world.operator.client_id));
    let mut spec = as_machine(None);
    spec["cloud"] = json!("China");
    world.declare(&spec).await;
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "RequestRefused".to_owned()), "{}", world.status());
    assert!(world.message("Ready").contains("Check that tenant, cloud and endpoints belong together"), "{}", world.message("Ready"));
}

#[tokio::test(start_paused = true)]
async fn an_identity_of_another_tenant_is_not_worked_with() {
    let world = World::new();
    world.emulator.set_managed_identity(Some(world.operator.client_id));
    let mut spec = as_machine(None);
    spec["tenantID"] = json!("7b8e2c41-9f0a-4b1c-9d2e-3f4a5b6c7d8e");
    world.declare(&spec).await;
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "AnotherTenant".to_owned()), "{}", world.status());
    assert!(world.message("Ready").contains(&format!("the access token is for tenant {TENANT}")), "{}", world.message("Ready"));
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_the_metadata_service_is_reported_as_such() {
    let world = World::new();
    world.emulator.set_managed_identity(Some(world.operator.client_id));
    world.net.down(true);
    world.declare(&as_machine(Some(&world.operator.client_id.to_string()))).await;
    assert_eq!(world.condition("Ready"), ("False".to_owned(), "InstanceMetadataUnavailable".to_owned()));
    assert_eq!(world.condition("Reconciling"), ("True".to_owned(), "Retrying".to_owned()));
    world.net.down(false);
    world.net.answer(Response::builder().status(200).body(Bytes::from_static(b"<html>another cloud</html>")).unwrap());
    pass(15).await;
    assert_eq!(world.condition("Ready").1, "InstanceMetadataUnavailable");
    pass(60).await;
    assert_eq!(world.condition("Ready").1, "SignedIn", "{}", world.status());
}
