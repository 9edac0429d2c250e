//! What a resource may ask for: an opinion of its own on grants and namespaces, that shares no code with the operator's.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use entra_emulator::Emulator;
use kube_sim::{KubeSim, Verb};
use serde_json::Value;

use super::recorder::{Actor, Asked, Called};

mod tests;

/// The operator's namespace.
pub(super) const HOME: &str = "entra-rotator";
/// How long after a change of grants or labels a request may still be on its way by what was so before, by the simulated clock.
const UNDER_WAY: TimeDelta = TimeDelta::seconds(2);

const RESOURCE: &str = "serviceprincipalcredentials.entra-rotator.io";
const TENANT: &str = "entratenants.entra-rotator.io";

/// Knows the world, and what was declared in it.
#[derive(Clone)]
pub(super) struct Judge {
    cluster: KubeSim,
    entra: Emulator,
    history: Arc<Mutex<History>>,
}

#[derive(Default)]
struct History {
    /// Every resource as it was ever declared.
    declared: Vec<Value>,
    /// What was so before the last change of tenants and namespaces, and when that was.
    before: Option<(DateTime<Utc>, Rules)>,
}

/// The EntraTenants and namespaces at one moment.
#[derive(Clone, Debug)]
struct Rules {
    tenants: Vec<Value>,
    namespaces: Vec<Value>,
}

/// What a grant lets a resource do.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Cover {
    tenant: String,
    operator: String,
    /// The paths by which Graph knows the target, as the resource names it.
    address: String,
    client: String,
    rolls_itself: bool,
    adopts: bool,
}

impl Judge {
    pub(super) fn new(cluster: &KubeSim, entra: &Emulator) -> Self {
        Self { cluster: cluster.clone(), entra: entra.clone(), history: Arc::default() }
    }

    /// Remembers a resource, which may be gone when its last requests are made.
    pub(super) fn declared(&self, resource: &Value) {
        self.history.lock().unwrap().declared.push(resource.clone());
    }

    /// To be called right before grants or labels change.
    pub(super) fn about_to_change(&self) {
        let before = (self.entra.now(), self.rules());
        self.history.lock().unwrap().before = Some(before);
    }

    fn rules(&self) -> Rules {
        Rules { tenants: self.cluster.list(TENANT, None), namespaces: self.cluster.list("namespaces", None) }
    }

    fn specs(&self, actor: &Actor) -> Vec<Value> {
        let history = self.history.lock().unwrap();
        let theirs = |resource: &&Value| resource["metadata"]["namespace"] == actor.namespace && resource["metadata"]["name"] == actor.name;
        history.declared.iter().filter(theirs).map(|resource| resource["spec"].clone()).collect()
    }

    /// A request to the API server: within the namespace of the pass and about what is its own, or one of the few that belong to no pass.
    pub(super) fn of_cluster(&self, actor: Option<&Actor>, asked: &Asked) -> Result<(), String> {
        let is_fine = match actor {
            Some(actor) => self.belongs_to(actor, asked),
            None => self.belongs_to_nobody(asked),
        };
        if is_fine { Ok(()) } else { Err(format!("{actor:?} asked the cluster for {asked:?}")) }
    }

    fn belongs_to(&self, actor: &Actor, asked: &Asked) -> bool {
        let name = asked.name.as_deref().unwrap_or_default();
        let is_here = asked.namespace.as_deref() == Some(&actor.namespace);
        match (asked.resource.as_str(), asked.subresource.as_deref()) {
            ("serviceprincipalcredentials", None | Some("status")) => {
                is_here && name == actor.name && matches!(asked.verb, Verb::Get | Verb::Patch | Verb::Update)
            }
            ("secrets" | "configmaps", None) => is_here && self.is_output_or_slot(actor, asked, name),
            ("leases", None) => asked.namespace.as_deref() == Some(HOME) && asked.verb == Verb::Get,
            ("entratenants", None | Some("status")) => self.names_tenant(actor, name),
            // What had to be left in Entra is told of the tenant.
            ("events", None) => {
                asked.regarding.as_ref().is_some_and(|[kind, _, name]| kind == "EntraTenant" && self.names_tenant(actor, name))
            }
            _ => false,
        }
    }

    fn names_tenant(&self, actor: &Actor, name: &str) -> bool {
        self.specs(actor).iter().any(|spec| tenant_of(spec) == name)
    }

    fn is_output_or_slot(&self, actor: &Actor, asked: &Asked, name: &str) -> bool {
        let specs = self.specs(actor);
        let is_secret = asked.resource == "secrets";
        let output = |spec: &Value| if is_secret { spec["secretName"].clone() } else { spec["configMapName"].clone() };
        let is_output = specs.iter().any(|spec| output(spec) == name);
        let base = name.strip_suffix("-entra-a").or_else(|| name.strip_suffix("-entra-b"));
        let is_slot = is_secret && base.is_some_and(|base| specs.iter().any(|spec| output(spec) == base));
        let proves = |spec: &Value| {
            let sibling = Actor {
                name: spec["tokenSigningCertificate"]["proofFrom"]["name"].as_str().unwrap_or_default().to_owned(),
                ..actor.clone()
            };
            self.specs(&sibling).iter().any(|spec| output(spec) == name)
        };
        match asked.verb {
            Verb::Get => is_output || is_slot || specs.iter().any(proves),
            Verb::Create => is_output || is_slot,
            Verb::Patch => is_output,
            Verb::Delete => is_slot,
            _ => false,
        }
    }

    fn belongs_to_nobody(&self, asked: &Asked) -> bool {
        let is_home = asked.namespace.as_deref() == Some(HOME);
        let name = asked.name.as_deref().unwrap_or_default();
        match (asked.resource.as_str(), asked.subresource.as_deref(), asked.verb) {
            ("entratenants" | "serviceprincipalcredentials" | "namespaces" | "secrets" | "configmaps", None, Verb::List | Verb::Watch) => {
                true
            }
            ("leases", None, _) => is_home && asked.verb != Verb::Delete,
            ("entratenants", Some("status"), Verb::Patch | Verb::Update) => true,
            ("secrets", None, Verb::Get) => is_home && self.rules().tenants.iter().any(|tenant| signs_in_with(tenant, name)),
            ("events", None, Verb::Create | Verb::Patch) => asked.regarding.as_ref().is_none_or(|[kind, namespace, _]| {
                let here = asked.namespace.as_deref();
                here == Some(namespace) || (kind == "EntraTenant" && here == Some("default"))
            }),
            _ => false,
        }
    }

    /// A request to Entra: about the target, by the identity of its tenant, and covered by a grant.
    pub(super) fn of_entra(&self, actor: Option<&Actor>, called: &Called) -> Result<(), String> {
        let rules = self.rules_in_force();
        let is_fine = match actor {
            Some(actor) => {
                let covers = self.covers(actor, &rules);
                if covers.is_empty() {
                    return Err(format!("{actor:?} asked Entra without a grant: {called:?}"));
                }
                covers.iter().any(|cover| cover.allows(called))
            }
            None => rules.iter().flat_map(|rules| &rules.tenants).any(|tenant| is_sign_in(called, tenant)),
        };
        if is_fine { Ok(()) } else { Err(format!("{actor:?} asked Entra for {called:?}")) }
    }

    /// Whether a credential of somebody else's may be removed: a resource of its object asks to adopt it, and a grant allows that.
    pub(super) fn may_adopt(&self, client: &str, key: &str) -> bool {
        let rules = [vec![self.rules()], self.history.lock().unwrap().before.iter().map(|(_, rules)| rules.clone()).collect()].concat();
        let declared = self.history.lock().unwrap().declared.clone();
        declared.iter().any(|resource| {
            let wants = resource["spec"]["adoptKeyIDs"].as_array().is_some_and(|ids| ids.iter().any(|id| id == key));
            let covers = rules.iter().flat_map(|rules| self.covers_of(resource, rules));
            wants && covers.into_iter().any(|cover| cover.adopts && cover.client == client)
        })
    }

    fn rules_in_force(&self) -> Vec<Rules> {
        let before = self.history.lock().unwrap().before.clone().filter(|(at, _)| self.entra.now() - *at <= UNDER_WAY);
        [Some(self.rules()), before.map(|(_, rules)| rules)].into_iter().flatten().collect()
    }

    fn covers(&self, actor: &Actor, rules: &[Rules]) -> Vec<Cover> {
        let stored = self.cluster.get(RESOURCE, &actor.namespace, &actor.name);
        stored.iter().flat_map(|resource| rules.iter().flat_map(|rules| self.covers_of(resource, rules))).collect()
    }

    fn covers_of(&self, resource: &Value, rules: &Rules) -> Vec<Cover> {
        let (spec, namespace) = (&resource["spec"], &resource["metadata"]["namespace"]);
        let labels =
            rules.namespaces.iter().find(|known| known["metadata"]["name"] == *namespace).map(|known| &known["metadata"]["labels"]);
        let tenant = rules.tenants.iter().find(|tenant| tenant["metadata"]["name"] == tenant_of(spec));
        let grants =
            tenant.iter().flat_map(|tenant| tenant["spec"]["grants"].as_array().into_iter().flatten().map(move |grant| (*tenant, grant)));
        let covering = grants.filter(|(_, grant)| {
            let by_label = labels.is_some_and(|labels| selects(&grant["namespaceSelector"], labels));
            (holds(&grant["namespaces"], namespace) || by_label)
                && holds(&grant["credentials"], &kind(spec).into())
                && (holds(&grant["clientIDs"], &spec["target"]["clientID"]) || holds(&grant["objectIDs"], &spec["target"]["objectID"]))
        });
        covering.filter_map(|(tenant, grant)| self.cover(spec, tenant, grant)).collect()
    }

    fn cover(&self, spec: &Value, tenant: &Value, grant: &Value) -> Option<Cover> {
        let is_service_principal = match spec["target"]["object"].as_str() {
            Some(object) => object == "ServicePrincipal",
            None => kind(spec) == "TokenSigningCertificate",
        };
        let collection = if is_service_principal { "servicePrincipals" } else { "applications" };
        let (address, client) = match (spec["target"]["clientID"].as_str(), spec["target"]["objectID"].as_str()) {
            (Some(client), _) => (format!("/v1.0/{collection}(appId='{client}')"), client.to_owned()),
            (None, Some(object)) => {
                let client = self.entra.object(object.parse().ok()?)?["appId"].as_str()?.to_owned();
                (format!("/v1.0/{collection}/{object}"), client)
            }
            (None, None) => return None,
        };
        Some(Cover {
            tenant: tenant["spec"]["tenantID"].as_str()?.to_owned(),
            operator: tenant["spec"]["signIn"]["clientSecret"]["clientID"].as_str()?.to_owned(),
            address,
            client,
            rolls_itself: spec["clientCertificate"]["signInAs"] == "Self",
            adopts: grant["allowAdoption"] == "Always",
        })
    }
}

impl Cover {
    fn allows(&self, called: &Called) -> bool {
        if called.path.starts_with("/v1.0/") {
            let rest = called.path.strip_prefix(&self.address);
            let is_target = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            let is_policy = called.path == "/v1.0/policies/defaultAppManagementPolicy" && called.method == "GET";
            let caller = called.bearer.as_ref().map(|(client, tenant)| (client.as_str(), tenant.as_str()));
            let as_operator = caller == Some((&self.operator, &self.tenant));
            let as_itself = self.rolls_itself && caller == Some((&self.client, &self.tenant));
            return (is_target || is_policy) && (as_operator || as_itself);
        }
        let of_tenant = called.path.strip_prefix(&format!("/{}/", self.tenant));
        match of_tenant {
            Some("oauth2/v2.0/token") => called.client.as_ref() == Some(&self.operator) || called.client.as_ref() == Some(&self.client),
            Some(path) => path.to_lowercase().starts_with("federationmetadata/") && called.query.contains(&self.client),
            None => false,
        }
    }
}

fn is_sign_in(called: &Called, tenant: &Value) -> bool {
    let expected = format!("/{}/oauth2/v2.0/token", tenant["spec"]["tenantID"].as_str().unwrap_or_default());
    let client = tenant["spec"]["signIn"]["clientSecret"]["clientID"].as_str();
    called.path == expected && called.client.as_deref() == client
}

fn signs_in_with(tenant: &Value, secret: &str) -> bool {
    tenant["spec"]["signIn"]["clientSecret"]["secretRef"]["name"] == secret
}

fn tenant_of(spec: &Value) -> &str {
    spec["tenantRef"]["name"].as_str().unwrap_or("default")
}

fn kind(spec: &Value) -> &'static str {
    match () {
        () if spec.get("clientSecret").is_some() => "ClientSecret",
        () if spec.get("clientCertificate").is_some() => "ClientCertificate",
        () => "TokenSigningCertificate",
    }
}

fn holds(list: &Value, item: &Value) -> bool {
    !item.is_null() && list.as_array().is_some_and(|list| list.contains(item))
}

/// Only `matchLabels`, which is all that is generated. An empty selector selects nothing.
fn selects(selector: &Value, labels: &Value) -> bool {
    selector["matchLabels"].as_object().is_some_and(|wanted| !wanted.is_empty() && wanted.iter().all(|(key, value)| labels[key] == *value))
}
