//! A generated world of several teams, tenants and applications, whose resources name each other's things.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use entra_emulator::{Emulator, NewSecret, Registered, Registration};
use entra_types::TenantId;
use serde_json::{Value, json};

use super::chance::Chance;
use super::judge::HOME;

/// The teams.
pub(super) const TEAMS: [&str; 3] = ["red", "green", "blue"];
const KINDS: [&str; 3] = ["ClientSecret", "ClientCertificate", "TokenSigningCertificate"];
/// Names of resources and outputs: few, so that they collide.
const NAMES: [&str; 4] = ["api", "job", "saml", "web"];
/// Secrets that are there before anybody asks for them.
pub(super) const FOREIGN: &str = "foreign";
const TENANTS: [&str; 2] = ["aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"];

/// What is in Entra, and what is to be declared.
pub(super) struct Estate {
    /// The identities that the operator has, each of one EntraTenant.
    pub(super) identities: Vec<Identity>,
    pub(super) applications: Vec<Application>,
    pub(super) namespaces: Vec<Value>,
    pub(super) tenants: Vec<Value>,
    pub(super) resources: Vec<Value>,
    grants: Grants,
}

/// Who is let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Grants {
    /// Whoever chance lets in.
    ByChance,
    /// Everybody, to everything.
    Generous,
}

/// The operator in one tenant.
pub(super) struct Identity {
    /// The EntraTenant.
    pub(super) name: &'static str,
    pub(super) tenant: &'static str,
    pub(super) registered: Registered,
    pub(super) secret: String,
}

/// A target, and the credentials that somebody else put there.
pub(super) struct Application {
    pub(super) registered: Registered,
    pub(super) foreign: Vec<String>,
}

impl Estate {
    /// Fills Entra, and says what the cluster is to hold.
    pub(super) fn generate(chance: &mut Chance, entra: &Emulator, grants: Grants) -> Self {
        TENANTS.iter().for_each(|tenant| entra.add_tenant(tenant.parse().unwrap()));
        let identities: Vec<_> =
            [("default", 0), ("second", 1), ("third", 0)].map(|(name, tenant)| identity(chance, entra, name, TENANTS[tenant])).into();
        let applications: Vec<_> = (0..6).map(|number| application(chance, entra, &identities, TENANTS[number % 2], number)).collect();
        let namespaces = TEAMS.iter().chain([&HOME]).map(|name| namespace(name, &labels(chance))).collect();
        let mut estate = Self { identities, applications, namespaces, tenants: vec![], resources: vec![], grants };
        estate.tenants = estate.identities.iter().map(|identity| estate.tenant(chance, identity)).collect();
        let count = 3 + chance.below(6) + if grants == Grants::Generous { 4 } else { 0 };
        estate.resources = (0..count).map(|_| estate.resource(chance)).collect();
        estate
    }

    fn targets(&self) -> Vec<Registered> {
        self.applications
            .iter()
            .map(|application| application.registered)
            .chain(self.identities.iter().map(|identity| identity.registered))
            .collect()
    }

    fn tenant(&self, chance: &mut Chance, identity: &Identity) -> Value {
        let sign_in = json!({"clientSecret": {"clientID": identity.registered.client_id, "secretRef": {"name": format!("sign-in-{}", identity.name)}}});
        json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "EntraTenant", "metadata": {"name": identity.name}, "spec": {
            "tenantID": identity.tenant, "cloud": "Custom", "minimumValidity": "1h",
            "endpoints": {"login": "https://entra.example", "graph": "https://entra.example"},
            "signIn": sign_in, "grants": self.grants(chance)}})
    }

    /// Grants that name anything at all, in whatever tenant it is.
    pub(super) fn grants(&self, chance: &mut Chance) -> Value {
        if self.grants == Grants::Generous {
            let clients: Vec<_> = self.targets().iter().map(|target| target.client_id.to_string()).collect();
            let objects: Vec<_> = self
                .targets()
                .iter()
                .flat_map(|target| [target.application, target.service_principal])
                .map(|object| object.to_string())
                .collect();
            return json!([{"name": "everything", "namespaces": ["red", "green", "blue", HOME], "credentials": KINDS, "clientIDs": clients,
                "objectIDs": objects, "allowAdoption": "Always"}]);
        }
        (0..chance.below(8)).map(|number| self.grant(chance, number)).collect()
    }

    fn grant(&self, chance: &mut Chance, number: usize) -> Value {
        let targets = self.targets();
        let clients: Vec<_> = chance.some(&targets).iter().map(|target| target.client_id.to_string()).collect();
        let objects: Vec<_> = chance
            .some(&targets)
            .iter()
            .flat_map(|target| [target.application, target.service_principal])
            .map(|object| object.to_string())
            .collect();
        let kinds: BTreeSet<_> = chance.some(&KINDS).into_iter().chain([*chance.pick(&KINDS)]).collect();
        let mut grant = json!({"name": format!("grant-{number}"), "credentials": kinds, "allowAdoption": if chance.one_in(3) { "Always" } else { "Never" }});
        for (ids, list) in [("clientIDs", clients), ("objectIDs", objects)] {
            if !list.is_empty() {
                grant[ids] = json!(list);
            }
        }
        if grant.get("clientIDs").is_none() && grant.get("objectIDs").is_none() {
            grant["clientIDs"] = json!([chance.pick(&targets).client_id]);
        }
        if chance.one_in(3) {
            grant["namespaceSelector"] = json!({"matchLabels": {"team": chance.pick(&TEAMS)}});
        } else {
            let some = [chance.some(&TEAMS), chance.some(&TEAMS), chance.some(&[HOME])].concat();
            let some: BTreeSet<_> = some.into_iter().chain([*chance.pick(&TEAMS)]).collect();
            grant["namespaces"] = json!(some);
        }
        grant
    }

    /// A resource that asks for anything at all: others' targets, outputs, credentials and proofs.
    pub(super) fn resource(&self, chance: &mut Chance) -> Value {
        let namespace = if chance.one_in(8) { HOME } else { *chance.pick(&TEAMS) };
        let mut spec = kind(chance);
        spec["tenantRef"] = json!({"name": chance.pick(&["default", "default", "second", "third", "missing"])});
        spec["target"] = self.target(chance, &spec);
        spec["secretName"] = json!(self.output(chance, namespace));
        if spec.get("tokenSigningCertificate").is_some() && chance.one_in(3) {
            let output = spec.as_object_mut().unwrap().remove("secretName");
            spec["configMapName"] = json!(output);
        }
        spec["rotation"] = json!({"validity": "96h", "renewBefore": "48h", "overlap": "1m"});
        if spec.get("clientCertificate").is_some() && chance.one_in(2) {
            spec["template"] = json!({"additionalFormats": ["PKCS12"]});
        }
        if chance.one_in(3) {
            spec["deletionPolicy"] = json!("Revoke");
        }
        if chance.one_in(3) {
            let keys: Vec<_> = self.applications.iter().flat_map(|application| application.foreign.clone()).collect();
            spec["adoptKeyIDs"] = json!([chance.pick(&keys)]);
        }
        json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
            "metadata": {"name": chance.pick(&NAMES), "namespace": namespace}, "spec": spec})
    }

    fn target(&self, chance: &mut Chance, spec: &Value) -> Value {
        let tenant =
            self.identities.iter().find(|identity| spec["tenantRef"]["name"] == identity.name).map(|identity| identity.registered.tenant);
        let near: Vec<_> =
            self.applications.iter().map(|application| application.registered).filter(|target| Some(target.tenant) == tenant).collect();
        let target = match chance.below(10) {
            0 => chance.pick(&self.identities).registered,
            1 => chance.pick(&self.applications).registered,
            _ if near.is_empty() => chance.pick(&self.applications).registered,
            _ => *chance.pick(&near),
        };
        if chance.one_in(3) {
            let is_signing = spec.get("tokenSigningCertificate").is_some();
            return if is_signing {
                json!({"objectID": target.service_principal, "object": "ServicePrincipal"})
            } else {
                json!({"objectID": target.application, "object": "Application"})
            };
        }
        json!({"clientID": target.client_id})
    }

    fn output(&self, chance: &mut Chance, namespace: &str) -> String {
        match chance.below(10) {
            0 => FOREIGN.to_owned(),
            1 if namespace == HOME => format!("sign-in-{}", chance.pick(&self.identities).name),
            _ => (*chance.pick(&NAMES)).to_owned(),
        }
    }
}

fn kind(chance: &mut Chance) -> Value {
    match chance.below(6) {
        0 | 1 => json!({"clientSecret": {}}),
        2 => json!({"clientCertificate": {}}),
        3 => json!({"clientCertificate": {"signInAs": "Self"}}),
        4 => json!({"tokenSigningCertificate": {"activation": {"soak": "1m"}}}),
        _ => {
            let mut signing = json!({"activation": {"soak": "1m"}, "keySource": "Operator"});
            if chance.one_in(2) {
                signing["proofFrom"] = json!({"name": chance.pick(&NAMES)});
            }
            json!({"tokenSigningCertificate": signing})
        }
    }
}

fn identity(chance: &mut Chance, entra: &Emulator, name: &'static str, tenant: &'static str) -> Identity {
    let id: TenantId = tenant.parse().unwrap();
    let registration = Registration::named(name);
    let registration = if chance.one_in(8) { registration } else { registration.role("Application.ReadWrite.OwnedBy") };
    let registered = entra.register(id, &registration).unwrap();
    let secret = format!("sign-in-secret-of-{name}-0123456789~");
    entra
        .add_secret(registered.application, NewSecret { text: secret.clone(), display_name: None, start: None, end: later(entra.now()) })
        .unwrap();
    if chance.one_in(2) {
        entra.add_owner(registered.application, registered.service_principal).unwrap();
    }
    Identity { name, tenant, registered, secret }
}

fn application(chance: &mut Chance, entra: &Emulator, identities: &[Identity], tenant: &str, number: usize) -> Application {
    let owners = identities.iter().filter(|identity| identity.tenant == tenant);
    let registration = owners.fold(Registration::named(&format!("Application {number}")), |registration, identity| {
        if chance.one_in(4) { registration } else { registration.owner(identity.registered.service_principal) }
    });
    let registered = entra.register(tenant.parse().unwrap(), &registration).unwrap();
    let secret =
        || NewSecret { text: format!("somebody-elses-secret-{number}-abcdefgh"), display_name: None, start: None, end: later(entra.now()) };
    let foreign =
        [registered.application, registered.service_principal].map(|object| entra.add_secret(object, secret()).unwrap().to_string());
    Application { registered, foreign: foreign.into() }
}

fn later(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::days(300)
}

/// The labels of a namespace.
pub(super) fn labels(chance: &mut Chance) -> Value {
    if chance.one_in(2) { json!({"team": chance.pick(&TEAMS)}) } else { json!({}) }
}

pub(super) fn namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}
