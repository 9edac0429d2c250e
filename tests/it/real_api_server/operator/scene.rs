use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use entra_emulator::Registered;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::canary::Canaries;

use super::{
    entra::{Entra, Tenant, by_client},
    process::Operator,
    published::Published,
    stage::{OPERATOR, Stage, TEAM},
    witness::{Place, Witness, assert_sound, condition, kstatus},
};

/// Our resources in a namespace.
pub(super) const fn credentials(namespace: &str) -> Place<'_> {
    Place { group: "entra-rotator.io", version: "v1alpha1", kind: "ServicePrincipalCredential", namespace: Some(namespace) }
}

const TENANTS: Place<'_> = Place { group: "entra-rotator.io", version: "v1alpha1", kind: "EntraTenant", namespace: None };

pub(super) const fn core<'a>(kind: &'a str, namespace: &'a str) -> Place<'a> {
    Place { group: "", version: "v1", kind, namespace: Some(namespace) }
}

/// A client certificate whose predecessor goes two seconds after it is published.
pub(super) fn client_certificate() -> Value {
    json!({"clientCertificate": {}, "rotation": {"validity": "1h", "renewBefore": "20m", "overlap": "2s"}})
}

/// A client secret whose predecessor goes two seconds after it is published.
pub(super) fn client_secret() -> Value {
    json!({"clientSecret": {}, "rotation": {"validity": "1h", "renewBefore": "20m", "overlap": "2s"}})
}

/// A signing certificate that is published two seconds before it signs, and whose predecessor goes two seconds after.
pub(super) fn token_signing() -> Value {
    let rotation = json!({"validity": "1h", "renewBefore": "20m", "overlap": "2s"});
    json!({"tokenSigningCertificate": {"activation": {"soak": "2s"}}, "rotation": rotation})
}

/// A credential is published, and nothing of an earlier one is left but what somebody else made.
pub(super) fn is_settled(state: &Value) -> bool {
    let alone = state["status"]["credentials"].as_array().is_some_and(|entries| entries.len() == 1);
    alone && condition(state, "Ready") == "True/Published" && condition(state, "Rotating") == "False/AtRest"
}

/// The successor is published, and the credential before it is still accepted.
pub(super) fn is_overlapping(state: &Value) -> bool {
    let entries = state["status"]["credentials"].as_array();
    let published = |entry: &Value| entry["use"] == "Current" && !entry["publishedAt"].is_null();
    condition(state, "Rotating") == "True/Overlapping" && entries.is_some_and(|entries| entries.iter().any(published))
}

/// A tenant of its own for one test: in Entra, and as an EntraTenant of the test's name.
pub(super) struct Scene<'a> {
    pub(super) name: &'static str,
    pub(super) stage: &'a Stage,
    pub(super) client: Client,
    pub(super) tenant: Tenant,
    operator: Option<&'static Operator>,
}

impl Scene<'static> {
    /// A scene on the stage that most tests share. What is declared in it has names that begin with its own.
    pub(super) async fn shared(name: &'static str) -> Self {
        let (stage, operator) = Stage::shared().await;
        let mut scene = Self::new(stage, name).await;
        scene.operator = Some(operator);
        scene
    }

    pub(super) fn operator(&self) -> &'static Operator {
        self.operator.unwrap()
    }
}

impl<'a> Scene<'a> {
    /// Makes the tenant in Entra, and the Secret that the operator signs in with; the EntraTenant is made by [`admit`](Self::admit).
    pub(super) async fn new(stage: &'a Stage, name: &'static str) -> Self {
        let client = stage.cluster.client().await.unwrap();
        let tenant = stage.entra.tenant();
        let secret = json!({"metadata": {"name": format!("sign-in-{name}")}, "stringData": {"AZURE_CLIENT_SECRET": tenant.secret}});
        let secrets = Api::<Secret>::namespaced(client.clone(), OPERATOR);
        secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
        Self { name, stage, client, tenant, operator: None }
    }

    pub(super) fn entra(&self) -> &'a Entra {
        &self.stage.entra
    }

    /// An application that the operator owns, with credentials of somebody else.
    pub(super) fn application(&self, name: &str) -> Registered {
        self.entra().application(&self.tenant, name)
    }

    /// Lets the team have any credential of these applications.
    pub(super) async fn admit(&self, targets: &[&Registered]) {
        self.create_tenant(self.tenant_spec(targets)).await;
    }

    pub(super) async fn create_tenant(&self, spec: Value) {
        create(&self.client, &TENANTS, self.name, spec).await;
    }

    pub(super) fn tenant_spec(&self, targets: &[&Registered]) -> Value {
        let clients: Vec<_> = targets.iter().map(|target| target.client_id.to_string()).collect();
        let grant = json!({
            "name": "team", "namespaces": [TEAM], "clientIDs": clients, "credentials": ["ClientCertificate", "ClientSecret", "TokenSigningCertificate"],
        });
        json!({
            "tenantID": self.tenant.id, "cloud": "Custom", "minimumValidity": "1m",
            "endpoints": {
                "login": self.entra().url(), "graph": self.entra().url(),
                "caBundle": data_encoding::BASE64.encode(self.entra().authority().as_bytes()),
            },
            "signIn": {"clientSecret": {
                "clientID": self.tenant.operator.client_id, "secretRef": {"name": format!("sign-in-{}", self.name)},
            }},
            "grants": if clients.is_empty() { json!([]) } else { json!([grant]) },
        })
    }

    pub(super) fn tenants(&self) -> Api<DynamicObject> {
        TENANTS.api(self.client.clone())
    }

    /// Edits the EntraTenant.
    pub(super) async fn edit_tenant(&self, spec: Value) {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.tenants().patch(self.name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// What a watch shows of the EntraTenant from now on.
    pub(super) async fn watch_tenant(&self) -> Witness {
        Witness::of(self.client.clone(), &TENANTS, &format!("metadata.name={}", self.name)).await
    }

    /// Declares a credential of this target in the team's namespace, published under its own name, and watches it.
    pub(super) async fn declare(&self, name: &str, target: &Registered, more: Value) -> Witness {
        self.declare_in(TEAM, name, by_client(target.client_id), more).await
    }

    pub(super) async fn declare_in(&self, namespace: &str, name: &str, target: Value, more: Value) -> Witness {
        let witness = Witness::of(self.client.clone(), &credentials(namespace), &format!("metadata.name={name}")).await;
        let mut spec = json!({"tenantRef": {"name": self.name}, "target": target, "secretName": name});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        create(&self.client, &credentials(namespace), name, spec).await;
        witness
    }

    /// Edits a resource of the team as a user would.
    pub(super) async fn edit(&self, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({"spec": spec}));
        credentials(TEAM).api(self.client.clone()).patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Asks for the successor of the credential that this state shows: now, which is not within the second of its issue, as times
    /// have whole seconds.
    pub(super) async fn renew(&self, name: &str, state: &Value) {
        let issued: DateTime<Utc> = state["status"]["notBefore"].as_str().unwrap().parse().unwrap();
        let bound = issued + TimeDelta::seconds(1);
        sleep_until(bound).await;
        self.edit(name, json!({"rotation": {"notIssuedBefore": bound.to_rfc3339_opts(SecondsFormat::Secs, true)}})).await;
    }

    pub(super) async fn delete(&self, name: &str) {
        credentials(TEAM).api(self.client.clone()).delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Deletes the EntraTenant and these resources, for the next test on this stage.
    pub(super) async fn leave(&self, names: &[&str]) {
        for name in names {
            self.delete(name).await;
        }
        self.tenants().delete(self.name, &DeleteParams::default()).await.unwrap();
    }

    pub(super) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), TEAM)
    }

    /// The output of that name.
    pub(super) async fn published(&self, name: &str) -> Published {
        Published::new(self.secrets().get(name).await.unwrap())
    }

    /// What a watch shows of a Secret of the team from now on.
    pub(super) async fn watch_secret(&self, name: &str) -> Witness {
        Witness::of(self.client.clone(), &core("Secret", TEAM), &format!("metadata.name={name}")).await
    }

    /// Waits until there is an event about the resource for each of these reasons, and tells what all events say.
    pub(super) async fn events(&self, name: &str, reasons: &[&str]) -> String {
        let fields = format!("involvedObject.kind=ServicePrincipalCredential,involvedObject.name={name}");
        let mut events = Witness::of(self.client.clone(), &core("Event", TEAM), &fields).await;
        for reason in reasons {
            events.rewind();
            events.until(&format!("an event {reason}"), |event| event["reason"] == *reason).await;
        }
        events.all().iter().map(ToString::to_string).collect()
    }

    /// What the operator and its Secrets know and nobody else may.
    pub(super) fn leaks(&self, published: &[&Published]) -> Canaries {
        let token = std::fs::read_to_string(&self.stage.kubeconfig).unwrap();
        let token: Value = serde_json::from_str(&token).unwrap();
        let token = token["users"][0]["user"]["token"].as_str().unwrap();
        let canaries = Canaries::default();
        canaries.text("the operator's client secret", &self.tenant.secret);
        canaries.token("the operator's own token", token);
        published.iter().for_each(|published| canaries.secret_object(&json!(published.secret)));
        canaries
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        if let Some(operator) = self.operator.filter(|_| std::thread::panicking()) {
            eprintln!("what the operator logged of {}:\n{}", self.name, operator.last_lines(self.name));
            eprintln!("and last:\n{}", operator.last_lines(""));
        }
    }
}

/// Lets this time come.
pub(super) async fn sleep_until(time: DateTime<Utc>) {
    tokio::time::sleep((time - Utc::now()).to_std().unwrap_or_default()).await;
}

async fn create(client: &Client, place: &Place<'_>, name: &str, spec: Value) {
    let object = json!({
        "apiVersion": format!("{}/{}", place.group, place.version), "kind": place.kind, "metadata": {"name": name}, "spec": spec,
    });
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    place.api(client.clone()).create(&PostParams::default(), &object).await.unwrap();
}

/// What must be true of every state that was seen, of Entra, and of the operator that most tests share.
pub(super) fn assert_promises(scene: &Scene<'_>, witnesses: &[&Witness]) {
    witnesses.iter().for_each(|witness| assert_sound(&witness.all()));
    let harm = scene.entra().harm();
    assert!(harm.is_empty(), "foreign credentials were changed: {harm:#?}");
    if let Some(operator) = scene.operator {
        assert!(operator.is_running());
        let log = operator.log();
        let defects: Vec<_> = log.lines().filter(|line| line.contains("defect of the operator") || line.contains("panicked")).collect();
        assert!(defects.is_empty(), "{defects:#?}");
    }
}

/// From this state on the resource was ready, and no tool took it for a failure.
pub(super) fn assert_never_interrupted(resource: &Witness, since: &Value) {
    for state in resource.all().iter().skip_while(|state| ***state != *since) {
        assert_eq!(condition(state, "Ready"), "True/Published", "{state:#}");
        assert_ne!(kstatus(state), "Failed", "{state:#}");
    }
}
