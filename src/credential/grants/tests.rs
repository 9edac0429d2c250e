#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use chrono::{DateTime, Utc};
use entra::{Category, Detail, Environment, Graph, SignIn};
use entra_types::{Cloud, ObjectId};
use keys::Sensitive;
use rstest::rstest;
use serde_json::{Value, json};
use tower::util::{BoxCloneSyncService, service_fn};
use uuid::Uuid;

use super::*;
use crate::tenant::Namespaces;

const CLIENT: &str = "11111111-1111-4111-8111-111111111111";
const OBJECT: &str = "22222222-2222-4222-8222-222222222222";
const OPERATOR: &str = "33333333-3333-4333-8333-333333333333";
const HOME: &str = "entra-rotator";

fn resource(target: &Value) -> ServicePrincipalCredential {
    in_namespace("payroll", target, "out")
}

fn in_namespace(namespace: &str, target: &Value, output: &str) -> ServicePrincipalCredential {
    let spec = json!({"target": target, "clientCertificate": {}, "secretName": output});
    serde_json::from_value(json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
        "metadata": {"name": "x", "namespace": namespace}, "spec": spec}))
    .unwrap()
}

/// A tenant with these grants to which the operator is signed in.
fn tenant(grants: &Value, namespaces: Namespaces) -> Tenant {
    let sign_in = json!({"clientCertificate": {"clientID": OPERATOR, "secretRef": {"name": "sign-in"}}});
    let spec = serde_json::from_value(json!({"tenantID": OBJECT, "signIn": sign_in, "grants": grants})).unwrap();
    let access = Access::Ready(Arc::new(signed_in()));
    Tenant { name: "default".to_owned(), spec: Arc::new(spec), tenant_id: OBJECT.parse().ok(), access, namespaces }
}

fn signed_in() -> SignedIn {
    let (client_id, tenant_id) = (OPERATOR.parse().unwrap(), OBJECT.parse().unwrap());
    let sign_in = SignIn::ClientSecret { client_id, secret: Sensitive::new("secret".to_owned()) };
    let empty = service_fn(answer);
    let environment = Environment::new(Arc::new(Nothing), Arc::new(Nothing));
    let endpoints = Cloud::Global.endpoints();
    let graph = Graph::new(BoxCloneSyncService::new(empty), endpoints.clone(), tenant_id, sign_in, environment);
    SignedIn { graph, client_id, object_id: Some(ObjectId::new(Uuid::from_u128(9))), roles: Vec::new(), endpoints, tenant_id }
}

/// A directory in which there is nothing.
async fn answer(request: http::Request<Bytes>) -> Result<http::Response<Bytes>, entra::WireError> {
    let is_token = request.uri().path().ends_with("/token");
    let (status, body) = if is_token {
        (200, r#"{"access_token": "token", "expires_in": 3599}"#)
    } else {
        (404, r#"{"error": {"code": "Request_ResourceNotFound", "message": "not there"}}"#)
    };
    Ok(http::Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap())
}

struct Nothing;

impl entra::Clock for Nothing {
    fn now(&self) -> DateTime<Utc> {
        DateTime::default()
    }
}

impl entra::Ids for Nothing {
    fn uuid(&self) -> Uuid {
        Uuid::nil()
    }
}

fn ask(resource: &ServicePrincipalCredential, tenant: &Tenant) -> Result<Granted, Refusal> {
    resolve(resource, &Wanted::of(resource).unwrap(), tenant, HOME)
}

fn reason(resource: &ServicePrincipalCredential, tenant: &Tenant) -> Option<Reason> {
    ask(resource, tenant).err().map(|refusal| refusal.reason)
}

/// A grant of client certificates of the client to payroll, with a change.
fn grant(change: &Value) -> Value {
    let mut grant = json!({"name": "g", "namespaces": ["payroll"], "clientIDs": [CLIENT], "credentials": ["ClientCertificate"]});
    for (field, value) in change.as_object().unwrap() {
        grant[field] = value.clone();
    }
    grant
}

#[rstest]
#[case::exact(json!({}), true)]
#[case::another_case_of_letters(json!({"clientIDs": [CLIENT.to_uppercase()]}), true)]
#[case::another_namespace(json!({"namespaces": ["payroll2"]}), false)]
#[case::another_kind(json!({"credentials": ["TokenSigningCertificate", "ClientSecret"]}), false)]
#[case::another_target(json!({"clientIDs": [OBJECT]}), false)]
#[case::the_same_guid_as_object(json!({"clientIDs": [], "objectIDs": [CLIENT]}), false)]
#[case::by_selector(json!({"namespaces": [], "namespaceSelector": {"matchLabels": {"team": "payroll"}}}), true)]
#[case::by_another_selector(json!({"namespaces": [], "namespaceSelector": {"matchLabels": {"team": "crm"}}}), false)]
#[case::by_name_although_not_by_selector(json!({"namespaceSelector": {"matchLabels": {"team": "crm"}}}), true)]
#[case::by_selector_of_another_kind(json!({"namespaces": [], "namespaceSelector": {"matchLabels": {"team": "payroll"}}, "credentials": ["ClientSecret"]}), false)]
fn a_grant_covers_exactly_what_it_names(#[case] change: Value, #[case] expected: bool) {
    let tenant = tenant(&json!([grant(&change)]), Namespaces::with("payroll", &[("team", "payroll")]));
    let reason = reason(&resource(&json!({"clientID": CLIENT})), &tenant);
    assert_eq!(reason, (!expected).then_some(Reason::NotGranted));
}

#[test]
fn a_grant_by_object_covers_only_targets_named_by_object() {
    let by_object = grant(&json!({"clientIDs": [], "objectIDs": [OBJECT]}));
    let tenant = tenant(&json!([by_object]), Namespaces::default());
    assert_eq!(reason(&resource(&json!({"objectID": OBJECT, "object": "Application"})), &tenant), None);
    assert_eq!(reason(&resource(&json!({"clientID": OBJECT})), &tenant), Some(Reason::NotGranted));
}

#[test]
fn credentials_of_others_may_be_taken_over_where_one_of_the_covering_grants_allows_it() {
    let adopting = grant(&json!({"name": "adopting", "allowAdoption": "Always"}));
    let elsewhere = grant(&json!({"name": "elsewhere", "allowAdoption": "Always", "namespaces": ["crm"]}));
    let resource = resource(&json!({"clientID": CLIENT}));
    for (grants, expected) in
        [(json!([grant(&json!({}))]), false), (json!([grant(&json!({})), adopting]), true), (json!([grant(&json!({})), elsewhere]), false)]
    {
        assert_eq!(ask(&resource, &tenant(&grants, Namespaces::default())).unwrap().allow_adoption, expected, "{grants}");
    }
}

#[tokio::test]
async fn a_namespace_that_has_used_up_its_share_leaves_another_its_own() {
    let tenant = tenant(&json!([grant(&json!({"namespaces": ["payroll", "crm"]}))]), Namespaces::default());
    let target = json!({"clientID": CLIENT});
    let payroll = ask(&in_namespace("payroll", &target, "out"), &tenant).unwrap();
    let crm = ask(&in_namespace("crm", &target, "out"), &tenant).unwrap();
    assert_eq!(categories(&payroll, 31).await, [[Category::TargetNotFound; 30].as_slice(), &[Category::Throttled]].concat());
    assert_eq!(categories(&crm, 1).await, [Category::TargetNotFound]);
    let again = ask(&in_namespace("payroll", &target, "another"), &tenant).unwrap();
    assert_eq!(categories(&again, 1).await, [Category::Throttled], "another resource of the namespace has the same share");
}

/// What so many reads of the target come to, of the kind that Graph allows few of.
async fn categories(granted: &Granted, count: usize) -> Vec<Category> {
    let mut categories = Vec::new();
    for _ in 0..count {
        categories.push(granted.signed_in.graph.read(&granted.address, Detail::WithKeys).await.unwrap_err().category);
    }
    categories
}

#[test]
fn while_namespaces_are_unlisted_only_what_takes_them_is_undecided() {
    let selecting = grant(&json!({"namespaces": [], "namespaceSelector": {"matchLabels": {"team": "payroll"}}}));
    let resource = resource(&json!({"clientID": CLIENT}));
    let open = |grants: Value, namespaces| is_undecided(&resource, &Wanted::of(&resource).unwrap(), &tenant(&grants, namespaces));
    assert!(open(json!([selecting]), Namespaces::default()));
    assert!(!open(json!([selecting, grant(&json!({}))]), Namespaces::default()));
    assert!(!open(json!([]), Namespaces::default()));
    assert!(!open(json!([selecting]), Namespaces::with("crm", &[])));
    let other_kind =
        grant(&json!({"namespaces": [], "namespaceSelector": selecting["namespaceSelector"], "credentials": ["ClientSecret"]}));
    assert!(!open(json!([other_kind]), Namespaces::default()));
}

#[test]
fn a_refusal_says_that_namespaces_cannot_be_listed() {
    let selecting = grant(&json!({"namespaces": [], "namespaceSelector": {"matchLabels": {"team": "payroll"}}}));
    let tenant = tenant(&json!([selecting]), Namespaces::denied("namespaces is forbidden"));
    let resource = resource(&json!({"clientID": CLIENT}));
    assert!(!is_undecided(&resource, &Wanted::of(&resource).unwrap(), &tenant));
    let refusal = ask(&resource, &tenant).err().unwrap();
    assert_eq!(refusal.reason, Reason::NotGranted);
    assert!(refusal.message.ends_with("as the operator cannot list the namespaces: namespaces is forbidden."), "{}", refusal.message);
}

#[rstest]
#[case::of_a_team("payroll", "sign-in", true)]
#[case::another_output("entra-rotator", "out", true)]
#[case::its_own_sign_in("entra-rotator", "sign-in", false)]
fn the_operators_own_application_is_refused_but_for_its_own_sign_in(
    #[case] namespace: &str,
    #[case] output: &str,
    #[case] is_refused: bool,
) {
    let own = grant(&json!({"namespaces": ["payroll", HOME], "clientIDs": [OPERATOR]}));
    let tenant = tenant(&json!([own]), Namespaces::default());
    let resource = in_namespace(namespace, &json!({"clientID": OPERATOR}), output);
    assert_eq!(own_client(&resource, &tenant, HOME), is_refused.then(|| OPERATOR.parse().unwrap()));
    assert_eq!(reason(&resource, &tenant), is_refused.then_some(Reason::OwnIdentity));
}

#[test]
fn the_operators_own_service_principal_is_refused_by_object_as_well() {
    let id = Uuid::from_u128(9).to_string();
    let tenant = tenant(&json!([grant(&json!({"clientIDs": [], "objectIDs": [id]}))]), Namespaces::default());
    let resource = resource(&json!({"objectID": id, "object": "ServicePrincipal"}));
    assert_eq!(reason(&resource, &tenant), Some(Reason::OwnIdentity));
}

#[test]
fn another_kind_than_the_sign_in_holds_is_no_exception() {
    let certificate_spec = json!([grant(&json!({}))]);
    let tenant = tenant(&certificate_spec, Namespaces::default());
    let mut resource = in_namespace(HOME, &json!({"clientID": OPERATOR}), "sign-in");
    resource.spec.client_certificate = None;
    resource.spec.token_signing_certificate = serde_json::from_value(json!({})).ok();
    assert!(resource.spec.token_signing_certificate.is_some());
    assert!(own_client(&resource, &tenant, HOME).is_some());
}

#[test]
fn a_target_without_a_proper_id_is_refused() {
    assert!(Wanted::of(&resource(&json!({}))).is_err());
    assert!(Wanted::of(&resource(&json!({"clientID": "../users"}))).is_err());
}
