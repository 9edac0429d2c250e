//! Secrets where they do not belong: everything that the operator does, and much that fails, while it logs all it can; then every place that anybody could look at is searched.

use std::{fs, time::Duration};

use chrono::{TimeDelta, Utc};
use data_encoding::BASE64;
use entra_emulator::{Effect, Fault, Match, Operation, Registered, Sent};
use keys::{Certificate, CertificateRequest};
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams, PostParams},
    discovery::{Discovery, verbs},
};
use serde_json::{Value, json};

use super::{
    process::Operator,
    scene::{Scene, assert_promises, client_certificate, client_secret, core, is_settled, token_signing},
    stage::{EVERYTHING, OPERATOR, Stage, TEAM},
    witness::{Witness, condition, message},
};
use crate::canary::Canaries;

const VALUES: &[&str] = &["--set", "rbac.namespaces={payroll,crm,entra-rotator}", "--set", EVERYTHING, "--set", "extraArgs={--late=3s}"];

/// Refuses Secrets whose name begins so, and quotes them.
const REFUSED: &str = "leaks-refused";

#[tokio::test]
async fn no_secret_shows_in_logs_objects_metrics_or_on_the_command_line() {
    let stage = Stage::own(VALUES).await;
    let operator = stage.operator("entra-rotator-0").await;
    let scene = Scene::new(&stage, "leaks").await;
    let canaries = scene.leaks(&[]);
    let secrets = [
        Witness::of(scene.client.clone(), &core("Secret", TEAM), "").await,
        Witness::of(scene.client.clone(), &core("Secret", OPERATOR), "").await,
    ];
    quote_what_is_refused(&scene).await;

    every_kind(&scene, &canaries).await;
    what_fails(&scene, &canaries, &operator).await;

    secrets.iter().flat_map(Witness::all).filter(|secret| !secret.is_null()).for_each(|secret| canaries.secret_object(&secret));
    assert!(canaries.count() > 20, "{} secrets", canaries.count());
    let objects = search_everywhere(&scene, &canaries, &operator).await;
    println!(
        "{} secrets were looked for in {objects} objects, {} kB of log, and the process",
        canaries.count(),
        operator.log().len() / 1_000
    );
}

/// A secret, a certificate with a keystore, signing certificates of both makers, one that rolls itself, the operator's own, and one that is revoked.
async fn every_kind(scene: &Scene<'_>, canaries: &Canaries) {
    let [secret, certificate, saml, own_key, itself, revoked] =
        ["secret", "certificate", "saml", "own-key", "itself", "revoked"].map(|name| scene.application(name));
    let own = scene.tenant.operator;
    scene.entra().emulator().add_owner(own.application, own.service_principal).unwrap();
    let mut tenant = scene.tenant_spec(&[&secret, &certificate, &saml, &own_key, &itself, &revoked]);
    tenant["grants"][0]["objectIDs"] = json!([itself.application]);
    let home = json!({"name": "own", "namespaces": [OPERATOR], "clientIDs": [own.client_id], "credentials": ["ClientSecret"]});
    tenant["grants"].as_array_mut().unwrap().push(home);
    scene.create_tenant(tenant).await;

    let mut keystore = client_certificate();
    keystore["template"] = json!({"additionalFormats": ["PKCS12"]});
    let mut to_revoke = client_secret();
    to_revoke["deletionPolicy"] = json!("Revoke");
    let mut resources = vec![
        ("leaks-secret", scene.declare("leaks-secret", &secret, client_secret()).await),
        ("leaks-certificate", scene.declare("leaks-certificate", &certificate, keystore).await),
        ("leaks-saml", scene.declare("leaks-saml", &saml, token_signing()).await),
        ("leaks-itself", declare_itself(scene, &itself, canaries).await),
        ("leaks-revoked", scene.declare("leaks-revoked", &revoked, to_revoke).await),
    ];
    let of_service_principal = json!({"clientID": own_key.client_id, "object": "ServicePrincipal"});
    resources.push(("leaks-proof", scene.declare_in(TEAM, "leaks-proof", of_service_principal, client_certificate()).await));
    for (name, resource) in &mut resources {
        let issued = resource.until("its first credential", is_settled).await;
        if *name != "leaks-proof" {
            scene.renew(name, &issued).await;
        }
    }
    let mut signing = token_signing();
    signing["tokenSigningCertificate"]["keySource"] = json!("Operator");
    signing["tokenSigningCertificate"]["proofFrom"] = json!({"name": "leaks-proof"});
    resources.push(("leaks-own-key", scene.declare("leaks-own-key", &own_key, signing).await));
    let mut own = declare_own_sign_in(scene).await;
    for (name, resource) in &mut resources {
        let wanted = if ["leaks-proof", "leaks-own-key"].contains(name) { 1 } else { 2 };
        let is_published = |state: &Value| is_settled(state) || (*name == "leaks-itself" && condition(state, "Ready") == "True/Published");
        resource.until("its last credential", |state| is_published(state) && state["status"]["nextSeq"].as_u64() >= Some(wanted)).await;
    }
    own.until("the operator's own", is_settled).await;
    scene.delete("leaks-revoked").await;
    resources.iter_mut().find(|(name, _)| *name == "leaks-revoked").unwrap().1.until("its end", Value::is_null).await;
    assert_promises(scene, &resources.iter().map(|(_, resource)| resource).collect::<Vec<_>>());
}

/// An application that has a certificate to begin with.
async fn declare_itself(scene: &Scene<'_>, target: &Registered, canaries: &Canaries) -> Witness {
    let (not_before, not_after) = (Utc::now() - TimeDelta::minutes(5), Utc::now() + TimeDelta::hours(1));
    let request = CertificateRequest { common_name: "by hand".to_owned(), san_uris: vec![], not_before, not_after, serial: [7; 16] };
    let certificate = Certificate::self_signed(&keys::fixtures::key(6), &request).unwrap();
    scene.entra().emulator().add_certificate(target.application, &certificate).unwrap();
    let key = keys::fixtures::key(6).to_pkcs8_pem();
    canaries.private_key("a key made by hand", key.expose());
    let encoded = |text: &str| BASE64.encode(text.as_bytes());
    let secret = json!({"type": "kubernetes.io/tls", "metadata": {"name": "leaks-itself", "annotations": {"entra-rotator.io/adopt-by": "leaks-itself"}},
        "data": {"tls.crt": encoded(&certificate.pem()), "tls.key": encoded(key.expose()), "AZURE_CLIENT_ID": encoded(&target.client_id.to_string())}});
    scene.secrets().create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    let mut spec = client_certificate();
    spec["clientCertificate"]["signInAs"] = json!("Self");
    scene.declare_in(TEAM, "leaks-itself", json!({"objectID": target.application, "object": "Application"}), spec).await
}

async fn declare_own_sign_in(scene: &Scene<'_>) -> Witness {
    let secret = format!("sign-in-{}", scene.name);
    let annotate = ["annotate", "secret", &secret, "-n", OPERATOR, "entra-rotator.io/adopt-by=leaks-own"];
    scene.stage.cluster.kubectl(&annotate).await.unwrap();
    let mut spec = client_secret();
    spec["secretName"] = json!(secret);
    scene.declare_in(OPERATOR, "leaks-own", json!({"clientID": scene.tenant.operator.client_id}), spec).await
}

/// An admission policy that quotes what it refuses.
async fn quote_what_is_refused(scene: &Scene<'_>) {
    let all = "object.data.map(key, string(object.data[key])).join(', ')";
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "quoting"}, "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]}]},
        "validations": [{"expression": format!("!object.metadata.name.startsWith('{REFUSED}')"), "messageExpression": format!("'none of this: ' + {all}")}]}});
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "quoting"},
        "spec": {"policyName": "quoting", "validationActions": ["Deny"]}});
    for object in [policy, binding] {
        scene.stage.cluster.kubectl_with_input(&["apply", "-f", "-"], &object.to_string()).await.unwrap();
    }
    // It takes a moment until the API server obeys.
    let create = [
        "create",
        "secret",
        "generic",
        &format!("{REFUSED}-probe"),
        "-n",
        TEAM,
        "--dry-run=server",
        "--from-literal=value=quoted-by-the-policy",
    ];
    let is_quoted = async {
        loop {
            match scene.stage.cluster.kubectl(&create).await {
                Err(refused) if refused.to_string().contains("quoted-by-the-policy") => break,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), is_quoted).await.expect("the policy quotes what it refuses");
}

/// A write that is refused with its own words, an answer that is lost, one that makes no sense, refusals by Graph and by the token endpoint, and a host that nobody vouches for.
async fn what_fails(scene: &Scene<'_>, canaries: &Canaries, operator: &Operator) {
    let [refused, lost, senseless, denied] = ["refused", "lost", "senseless", "denied"].map(|name| scene.application(name));
    let emulator = scene.entra().emulator();
    let made = "m4de-by.entra~and_told-wrongly.0123456789";
    canaries.text("a secret in an answer that makes no sense", made);
    let body = json!({"keyId": [made], "secretText": {"value": made}, "hint": made}).to_string();
    let raw = Sent::Raw { status: 200, content_type: "application/json".to_owned(), body };
    let add_password = |target: &Registered| Match::operation(Operation::AddPassword).client(target.client_id);
    emulator.inject(Fault::once(add_password(&lost), Effect::answer_lost()));
    emulator.inject(Fault::once(add_password(&senseless), Effect::answering(raw)));
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJlLW9mLW5vYm9keS1hdC1hbGwtMTIzNDU2Nzg5MA";
    canaries.token("a token that Graph repeats", token);
    let invalid = Sent::Failure {
        status: 401,
        code: Some("InvalidAuthenticationToken".to_owned()),
        message: Some(format!("not with {token}")),
        retry_after: None,
    };
    emulator.inject(Fault::once(add_password(&denied), Effect::answering(invalid)));
    let mut grants = scene.tenants().get(scene.name).await.unwrap().data["spec"]["grants"].clone();
    grants.as_array_mut().unwrap().push(scene.tenant_spec(&[&refused, &lost, &senseless, &denied])["grants"][0].clone());
    grants[2]["name"] = json!("failures");
    scene.edit_tenant(json!({"grants": grants})).await;

    let mut stuck = scene.declare(REFUSED, &refused, client_secret()).await;
    let is_refused = |state: &Value| state["status"]["conditions"].to_string().contains("with words that quote it");
    let mut others = Vec::new();
    for (name, target) in [("leaks-lost", &lost), ("leaks-senseless", &senseless), ("leaks-denied", &denied)] {
        others.push(scene.declare(name, target, client_secret()).await);
    }
    stuck.until("the refusal", is_refused).await;
    for other in &mut others {
        other.until("a credential after all", is_settled).await;
    }
    tenants_that_fail(scene).await;
    assert!(operator.is_running());
}

/// The token endpoint repeats the secret; and somebody answers in its place.
async fn tenants_that_fail(scene: &Scene<'_>) {
    let echoing = Scene::new(scene.stage, "leaks-echo").await;
    let body = json!({"error": "invalid_client", "error_description": format!("AADSTS7000215: {} is wrong", echoing.tenant.secret), "error_codes": [7_000_215]});
    let raw = Sent::Raw { status: 401, content_type: "application/json".to_owned(), body: body.to_string() };
    let asks = Match::operation(Operation::Token).client(echoing.tenant.operator.client_id);
    scene.entra().emulator().inject(Fault::always(asks, Effect::answering(raw)));
    let mut tenant = echoing.watch_tenant().await;
    echoing.admit(&[]).await;
    let state = tenant.until("the refusal", |tenant| condition(tenant, "Ready") == "False/SignInRefused").await;
    assert!(message(&state, "Ready").contains("[redacted]"), "{state:#}");

    let distrusted = Scene::new(scene.stage, "leaks-tls").await;
    let mut spec = distrusted.tenant_spec(&[]);
    let other = entra_emulator::Authority::new(&["localhost".to_owned()]).unwrap();
    spec["endpoints"]["caBundle"] = json!(BASE64.encode(other.ca_pem().as_bytes()));
    let mut tenant = distrusted.watch_tenant().await;
    distrusted.create_tenant(spec).await;
    tenant.until("the refusal", |tenant| condition(tenant, "Ready") == "False/Unreachable").await;
}

/// Answers how many objects there were.
async fn search_everywhere(scene: &Scene<'_>, canaries: &Canaries, operator: &Operator) -> usize {
    canaries.assert_none_in("the log", operator.log());
    canaries.assert_none_in("the metrics", operator.page("/metrics").await);
    let process = format!("/proc/{}", operator.id().as_raw_nonzero());
    canaries.assert_none_in("the command line", fs::read(format!("{process}/cmdline")).unwrap());
    canaries.assert_none_in("the environment", fs::read(format!("{process}/environ")).unwrap());
    let objects = everything(&scene.client).await;
    for object in &objects {
        let metadata = &object["metadata"];
        canaries.assert_none_in(&format!("{} {}/{}", object["kind"], metadata["namespace"], metadata["name"]), object.to_string());
    }
    objects.len()
}

/// Every object of every kind that the API server lists, managed fields included; of Secrets all but what they are for.
async fn everything(client: &Client) -> Vec<Value> {
    let mut objects = Vec::new();
    let discovery = Discovery::new(client.clone()).run().await.unwrap();
    for (resource, capabilities) in discovery.groups().flat_map(kube::discovery::ApiGroup::recommended_resources) {
        if !capabilities.supports_operation(verbs::LIST) {
            continue;
        }
        let listed = Api::<DynamicObject>::all_with(client.clone(), &resource).list(&ListParams::default()).await.unwrap();
        objects.extend(listed.items.into_iter().map(|object| {
            let mut object = json!(object);
            object["kind"] = json!(resource.kind);
            if resource.kind == "Secret" {
                object.as_object_mut().unwrap().remove("data");
            }
            object
        }));
    }
    for kind in ["Secret", "Event", "Lease", "EntraTenant", "ServicePrincipalCredential"] {
        assert!(objects.iter().any(|object| object["kind"] == kind), "no {kind} was listed");
    }
    objects
}
