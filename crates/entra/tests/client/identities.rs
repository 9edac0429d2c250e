//! Signing in without a secret of one's own: workload identity and managed identity.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use entra::{
    AssertionError, Assertions, Category, Graph, INSTANCE_METADATA, InstanceMetadata, Operation, Retry, SignIn, TokenFile, in_process,
};
use entra_emulator::{Emulator, Federated};
use http::Request;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use keys::{Sensitive, fixtures};
use rstest::rstest;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::emulator::{Tenant, graph, tenant};
use crate::stand_in::{CLIENT, OBJECT, Reply, StandIn, TENANT, login_refusal, reply, reply_with, token};

pub(crate) const ISSUER: &str = "https://oidc.example/cluster";
pub(crate) const SUBJECT: &str = "system:serviceaccount:entra-rotator:entra-rotator";

/// What lies in the token file; an error where there is none.
#[derive(Clone, Default)]
pub(crate) struct File(Arc<Mutex<Option<String>>>);

impl File {
    pub(crate) fn holding(text: &str) -> Self {
        Self(Arc::new(Mutex::new(Some(text.to_owned()))))
    }

    fn write(&self, text: Option<String>) {
        *self.0.lock().unwrap() = text;
    }

    pub(crate) fn sign_in(&self) -> SignIn {
        SignIn::WorkloadIdentity { client_id: CLIENT.parse().unwrap(), assertions: Arc::new(self.clone()) }
    }
}

impl Assertions for File {
    fn assertion(&self) -> Pin<Box<dyn Future<Output = Result<Sensitive<String>, AssertionError>> + Send + '_>> {
        Box::pin(async {
            let text = self.0.lock().unwrap().clone();
            text.map(Sensitive::new).ok_or_else(|| AssertionError::new("cannot read the federated token in /var/run/t: no such file"))
        })
    }
}

#[tokio::test]
async fn the_token_of_the_file_goes_out_as_it_is_and_is_read_anew_for_each_request() {
    let stand_in = StandIn::default();
    let file = File::holding("eyJhbGciOi.first.c2ln");
    let graph = stand_in.graph_as(file.sign_in());
    graph.identity().await.unwrap();
    file.write(Some("eyJhbGciOi.second.c2ln".to_owned()));
    stand_in.advance(TimeDelta::hours(1));
    graph.identity().await.unwrap();
    let asked = stand_in.token_requests();
    let sent: Vec<_> = asked.iter().map(|seen| seen.form("client_assertion").unwrap()).collect();
    assert_eq!(sent, ["eyJhbGciOi.first.c2ln", "eyJhbGciOi.second.c2ln"]);
    let fields = ["grant_type", "client_id", "client_assertion_type", "scope"].map(|name| asked[0].form(name).unwrap());
    let bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    assert_eq!(fields, ["client_credentials", CLIENT, bearer, "https://graph.example/.default"]);
    assert_eq!(asked[0].form("client_secret"), None);
}

#[tokio::test]
async fn a_missing_file_is_told_and_looked_for_again() {
    let stand_in = StandIn::default();
    let file = File::default();
    let graph = stand_in.graph_as(file.sign_in());
    let failure = graph.identity().await.unwrap_err();
    assert_eq!((failure.operation, failure.category, failure.retry), (Operation::GetToken, Category::FederationRefused, Retry::Backoff));
    assert_eq!(
        failure.to_string(),
        format!(
            "cannot get an access token as client {CLIENT} of tenant {TENANT}: cannot read the federated token in /var/run/t: no such file"
        )
    );
    assert!(stand_in.seen().is_empty() && failure.settled);
    file.write(Some("a.b.c".to_owned()));
    assert!(graph.identity().await.is_ok());
}

#[tokio::test]
async fn a_federated_token_that_comes_back_is_not_kept_and_never_printed() {
    const CANARY: &str = "c4n4ry-not.even-a.jwt";
    let stand_in = StandIn::default();
    stand_in.answers_tokens([reply(401, json!({"error": "x", "error_description": format!("bad {CANARY}!")}).to_string())]);
    let sign_in = File::holding(CANARY).sign_in();
    let graph = stand_in.graph_as(sign_in.clone());
    let failure = graph.identity().await.unwrap_err();
    let shown = format!("{sign_in:?} {graph:?} {failure} {failure:?}");
    assert!(!shown.contains("c4n4ry"), "{shown}");
}

#[tokio::test]
async fn a_token_file_is_read_as_it_is_now() {
    let folder = std::env::temp_dir().join(format!("entra-token-file-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("token");
    let file = TokenFile::new(&path);
    let told = file.assertion().await.unwrap_err().to_string();
    assert!(told.starts_with(&format!("cannot read the federated token in {}: ", path.display())), "{told}");
    for (content, expected) in
        [(b"a.b.c\n".to_vec(), Some("a.b.c")), (b" \n".to_vec(), None), (vec![b'x'; 70_000], None), (vec![0xff], None)]
    {
        std::fs::write(&path, &content).unwrap();
        let read = file.assertion().await;
        assert_eq!(read.as_ref().ok().map(|token| token.expose().as_str()), expected);
        let shown = format!("{read:?}");
        assert!(!shown.contains("a.b.c") && !shown.contains("xxx"), "{shown}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The keys that the emulator publishes: those of the first fixture key, which signs for our cluster too.
pub(crate) async fn published_keys(emulator: &Emulator, login: &str) -> Value {
    let url = format!("{login}/{TENANT}/discovery/v2.0/keys");
    let answer = emulator.service().oneshot(Request::get(url).body(bytes::Bytes::new()).unwrap()).await.unwrap();
    serde_json::from_slice(answer.body()).unwrap()
}

pub(crate) fn service_account_token(emulator: &Emulator, subject: &str, audience: &str) -> String {
    let now = emulator.now().timestamp();
    let claims = json!({"iss": ISSUER, "sub": subject, "aud": [audience], "nbf": now, "exp": now + 3600});
    let key = fixtures::key(0).to_pkcs1_der().unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &EncodingKey::from_rsa_der(key.expose())).unwrap()
}

async fn federated(audience: &str) -> Tenant {
    let tenant = tenant();
    tenant.emulator.set_issuer(ISSUER, published_keys(&tenant.emulator, "https://entra.example").await);
    let audiences = vec![audience.to_owned()];
    let federated = Federated { name: "cluster".to_owned(), issuer: ISSUER.to_owned(), subject: SUBJECT.to_owned(), audiences };
    tenant.emulator.add_federated(tenant.payroll.application, federated).unwrap();
    tenant
}

fn as_workload(tenant: &Tenant, token: &str) -> Graph {
    let assertions = Arc::new(File::holding(token));
    graph(&tenant.emulator, SignIn::WorkloadIdentity { client_id: tenant.payroll.client_id, assertions })
}

#[tokio::test(start_paused = true)]
async fn the_emulator_signs_a_workload_in_and_tells_what_does_not_fit() {
    const AUDIENCE: &str = "api://AzureADTokenExchange";
    let tenant = federated(AUDIENCE).await;
    let identity = as_workload(&tenant, &service_account_token(&tenant.emulator, SUBJECT, AUDIENCE)).identity().await.unwrap();
    assert_eq!((identity.client_id, identity.object_id), (tenant.payroll.client_id, Some(tenant.payroll.service_principal)));
    assert_eq!(identity.tenant_id, Some(TENANT.parse().unwrap()));
    for (subject, audience, code) in [("system:other", AUDIENCE, "AADSTS700213"), (SUBJECT, "api://other", "AADSTS700212")] {
        let failure = as_workload(&tenant, &service_account_token(&tenant.emulator, subject, audience)).identity().await.unwrap_err();
        let expected = (Category::FederationRefused, Retry::Backoff, Some(code));
        assert_eq!((failure.category, failure.retry, failure.code.as_deref()), expected);
    }
}

/// A service that gives these answers, in order.
fn metadata_service(stand_in: &StandIn, client_id: Option<&str>) -> SignIn {
    SignIn::ManagedIdentity {
        client_id: client_id.map(|id| id.parse().unwrap()),
        service: InstanceMetadata::new(stand_in.wire(), INSTANCE_METADATA),
    }
}

fn managed_token(value: &str) -> Reply {
    let body =
        json!({"access_token": value, "client_id": CLIENT, "expires_in": "3599", "expires_on": "1787223599", "token_type": "Bearer"});
    reply(200, body.to_string())
}

#[tokio::test]
async fn a_managed_identity_asks_the_machine_as_documented() {
    let machine = StandIn::answering([managed_token("opaque"), managed_token("opaque")]);
    let entra = StandIn::default();
    let graph = entra.graph_as(metadata_service(&machine, None));
    assert_eq!(graph.identity().await.unwrap().client_id.to_string(), CLIENT);
    entra.graph_as(metadata_service(&machine, Some(OBJECT))).identity().await.unwrap();
    let [own, named] = &machine.seen()[..] else { panic!("two requests") };
    let url = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fgraph.example";
    assert_eq!((own.method.as_str(), own.uri.as_str(), own.header("metadata"), own.body.as_str()), ("GET", url, "true", ""));
    assert_eq!(named.uri, format!("{url}&client_id={OBJECT}"));
    assert!(entra.seen().is_empty(), "Entra's own wire is not used");
}

#[tokio::test]
async fn the_token_of_a_managed_identity_is_held_as_long_as_it_says() {
    let machine = StandIn::answering([managed_token("first"), managed_token("second")]);
    let entra = StandIn::default();
    let graph = entra.graph_as(metadata_service(&machine, None));
    for (step, asked) in [(0, 1), (3298, 1), (1, 2)] {
        entra.advance(TimeDelta::seconds(step));
        graph.identity().await.unwrap();
        assert_eq!(machine.seen().len(), asked, "after {step} s more");
    }
}

#[tokio::test]
async fn a_token_that_does_not_say_for_whom_it_is_asks_for_the_client_id() {
    let machine = StandIn::answering([token("opaque", 3599), token("opaque", 3599)]);
    let entra = StandIn::default();
    let failure = entra.graph_as(metadata_service(&machine, None)).identity().await.unwrap_err();
    assert_eq!(failure.category, Category::InvalidAnswer);
    assert!(failure.message.contains("name the managed identity by its client ID"), "{failure}");
    assert!(entra.graph_as(metadata_service(&machine, Some(CLIENT))).identity().await.is_ok());
}

#[rstest]
#[case::not_assigned(
    reply(400, r#"{"error":"invalid_request","error_description":"Identity not found"}"#),
    Category::TokenRefused,
    Retry::OnChange
)]
#[case::updating(reply(404, ""), Category::Unavailable, Retry::Backoff)]
#[case::gone_for_a_moment(reply(410, ""), Category::Unavailable, Retry::After(Duration::from_secs(70)))]
#[case::throttled(reply_with(429, "retry-after", "7", ""), Category::Throttled, Retry::After(Duration::from_secs(7)))]
#[case::failing(reply(500, "{}"), Category::Unavailable, Retry::Backoff)]
#[case::not_azure(reply(200, "<html>router</html>"), Category::InvalidAnswer, Retry::Backoff)]
#[case::silent(Err(std::io::ErrorKind::ConnectionReset.into()), Category::Unavailable, Retry::Backoff)]
#[tokio::test]
async fn the_machines_refusals_are_told_apart(#[case] answer: Reply, #[case] category: Category, #[case] retry: Retry) {
    let machine = StandIn::answering([answer]);
    let failure = StandIn::default().graph_as(metadata_service(&machine, None)).identity().await.unwrap_err();
    assert_eq!((failure.operation, failure.category, failure.retry, failure.settled), (Operation::GetToken, category, retry, true));
    let act = format!("cannot get an access token as this machine's managed identity of tenant {TENANT}: ");
    assert!(failure.to_string().starts_with(&act), "{failure}");
}

#[tokio::test]
async fn a_refused_federated_token_is_told_by_a_category_of_its_own() {
    let stand_in = StandIn::default();
    stand_in.answers_tokens([login_refusal(400, 7_002_138)]);
    let failure = stand_in.graph_as(File::holding("a.b.c").sign_in()).identity().await.unwrap_err();
    assert_eq!((failure.category, failure.retry), (Category::FederationRefused, Retry::Backoff));
}

#[tokio::test(start_paused = true)]
async fn the_emulator_gives_a_managed_identity_its_token() {
    let tenant = tenant();
    // The machine's service does not share Graph's host, and knows the real Graphs only.
    tenant.emulator.adjust(|behaviour| behaviour.audiences = vec!["https://entra.example".to_owned()]);
    let service = || InstanceMetadata::new(in_process(tenant.emulator.service()), INSTANCE_METADATA);
    let managed = |client_id| graph(&tenant.emulator, SignIn::ManagedIdentity { client_id, service: service() });
    let failure = managed(None).identity().await.unwrap_err();
    assert_eq!((failure.category, failure.status), (Category::TokenRefused, Some(400)));
    tenant.emulator.set_managed_identity(Some(tenant.operator.client_id));
    let identity = managed(None).identity().await.unwrap();
    assert_eq!((identity.client_id, identity.roles), (tenant.operator.client_id, vec!["Application.ReadWrite.OwnedBy".to_owned()]));
    let read = managed(Some(tenant.operator.client_id)).read(&tenant.application(), entra::Detail::Plain).await.unwrap();
    assert_eq!(read.object.id, tenant.payroll.application);
}
