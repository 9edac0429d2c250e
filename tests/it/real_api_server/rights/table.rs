use std::{collections::BTreeMap, fmt};

use futures::{StreamExt as _, stream};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};

/// Our own group.
pub(super) const OURS: &str = "entra-rotator.io";

/// What stands above the tables.
pub(super) const HEAD: &str = "\
# Who may do what

Asked of kube-apiserver's authorizer, question by question, by the tests in `rights.rs`; `UPDATE_RIGHTS=1` writes this page anew. `x` is a yes, `·` a no.
Namespaces: *operator* is where the chart is installed, *tenant* is one that `rbac.namespaces` or `rbac.outputs` names, *elsewhere* one that nothing names, *all* is a
request across namespaces or for an object without one.
";

const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// Where a question is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Place {
    Operator,
    Tenant,
    Elsewhere,
    Default,
    All,
}

use Place::{All, Default as DefaultNamespace, Elsewhere, Operator, Tenant};

impl Place {
    const fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Tenant => "tenant",
            Self::Elsewhere => "elsewhere",
            Self::Default => "default",
            Self::All => "all",
        }
    }

    fn namespace(self, mode: &str) -> String {
        match self {
            Self::All => String::new(),
            Self::Default => "default".to_owned(),
            other => format!("rights-{mode}-{}", other.word()),
        }
    }
}

/// One question, with a name or without.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Question {
    /// `group/resource` or `group/resource/subresource`.
    pub(super) resource: String,
    pub(super) place: Place,
    pub(super) name: Option<String>,
    pub(super) verb: &'static str,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
        write!(f, "{} {}{name} in {}", self.verb, self.resource, self.place.word())
    }
}

/// Resources with every verb, by place and name; a `%` in a name stands for the release.
const RESOURCES: &[(&str, Place, &[&str])] = &[
    ("entra-rotator.io/serviceprincipalcredentials", Tenant, &[""]),
    ("entra-rotator.io/serviceprincipalcredentials", Elsewhere, &[""]),
    ("entra-rotator.io/serviceprincipalcredentials", All, &[""]),
    ("entra-rotator.io/serviceprincipalcredentials/status", Tenant, &[""]),
    ("entra-rotator.io/serviceprincipalcredentials/status", Elsewhere, &[""]),
    ("entra-rotator.io/serviceprincipalcredentials/finalizers", Tenant, &[""]),
    ("entra-rotator.io/entratenants", All, &["", "default"]),
    ("entra-rotator.io/entratenants/status", All, &[""]),
    ("entra-rotator.io/entratenants/finalizers", All, &[""]),
    ("core/secrets", Operator, &["", "entra-sign-in"]),
    ("core/secrets", Tenant, &["", "payroll-api", "payroll-api-entra-a", "payroll-api-entra-b", "another"]),
    ("core/secrets", Elsewhere, &["", "payroll-api", "payroll-api-entra-a"]),
    ("core/secrets", All, &[""]),
    ("core/configmaps", Operator, &[""]),
    ("core/configmaps", Tenant, &["", "payroll-api", "payroll-api-entra-a", "another"]),
    ("core/configmaps", Elsewhere, &["", "payroll-api"]),
    ("core/configmaps", All, &[""]),
    ("coordination.k8s.io/leases", Operator, &["", "%-entra-rotator", "another"]),
    ("coordination.k8s.io/leases", Tenant, &[""]),
    ("events.k8s.io/events", Tenant, &[""]),
    ("events.k8s.io/events", DefaultNamespace, &[""]),
    ("core/events", Tenant, &[""]),
    ("core/namespaces", All, &["", "payroll"]),
    ("core/serviceaccounts", Operator, &[""]),
    ("core/serviceaccounts", Tenant, &[""]),
    ("core/serviceaccounts/token", Operator, &["", "%-entra-rotator"]),
    ("core/serviceaccounts/token", Tenant, &[""]),
    ("core/pods", Operator, &[""]),
    ("core/pods", Tenant, &[""]),
    ("core/pods/exec", Operator, &[""]),
    ("core/pods/exec", Tenant, &[""]),
    ("core/pods/attach", Tenant, &[""]),
    ("core/pods/portforward", Tenant, &[""]),
    ("core/pods/ephemeralcontainers", Tenant, &[""]),
    ("core/pods/log", Tenant, &[""]),
    ("core/nodes", All, &[""]),
    ("core/nodes/proxy", All, &[""]),
    ("apps/deployments", Operator, &["", "%-entra-rotator"]),
    ("apps/deployments", Tenant, &[""]),
    ("rbac.authorization.k8s.io/roles", Tenant, &[""]),
    ("rbac.authorization.k8s.io/rolebindings", Tenant, &[""]),
    ("rbac.authorization.k8s.io/clusterroles", All, &[""]),
    ("rbac.authorization.k8s.io/clusterrolebindings", All, &[""]),
    ("apiextensions.k8s.io/customresourcedefinitions", All, &["", "entratenants.entra-rotator.io"]),
    ("admissionregistration.k8s.io/validatingwebhookconfigurations", All, &[""]),
    ("admissionregistration.k8s.io/mutatingwebhookconfigurations", All, &[""]),
    ("admissionregistration.k8s.io/validatingadmissionpolicies", All, &[""]),
    ("apiregistration.k8s.io/apiservices", All, &[""]),
    ("certificates.k8s.io/certificatesigningrequests/approval", All, &[""]),
];

/// Verbs that only some resources have.
const SPECIAL: &[(&str, &str, Place)] = &[
    ("impersonate", "core/users", All),
    ("impersonate", "core/groups", All),
    ("impersonate", "core/serviceaccounts", Operator),
    ("impersonate", "core/serviceaccounts", Tenant),
    ("impersonate", "authentication.k8s.io/uids", All),
    ("escalate", "rbac.authorization.k8s.io/roles", Tenant),
    ("escalate", "rbac.authorization.k8s.io/roles", Operator),
    ("escalate", "rbac.authorization.k8s.io/clusterroles", All),
    ("bind", "rbac.authorization.k8s.io/roles", Tenant),
    ("bind", "rbac.authorization.k8s.io/clusterroles", All),
    ("sign", "certificates.k8s.io/signers", All),
    ("approve", "certificates.k8s.io/signers", All),
    ("revoke", "entra-rotator.io/serviceprincipalcredentials", Tenant),
    ("approve", "entra-rotator.io/serviceprincipalcredentials", Tenant),
    ("*", "*/*", All),
    ("*", "core/secrets", Tenant),
    ("*", "entra-rotator.io/entratenants", All),
];

/// What must be a no for everybody of ours, whatever the committed table says.
const NEVER: &[&str] = &[
    "impersonate ",
    "escalate ",
    "bind ",
    "sign ",
    "* ",
    "create core/serviceaccounts/token ",
    "create core/pods",
    "get core/pods/exec ",
    "patch core/namespaces ",
    "create rbac.authorization.k8s.io/",
    "update rbac.authorization.k8s.io/",
    "patch rbac.authorization.k8s.io/",
    "create admissionregistration.k8s.io/",
    "patch apiextensions.k8s.io/",
    "create entra-rotator.io/entratenants ",
    "update entra-rotator.io/entratenants ",
    "patch entra-rotator.io/entratenants ",
    "delete entra-rotator.io/entratenants ",
    "deletecollection core/",
    "update core/secrets",
];

/// Every question of the tables.
pub(super) fn questions() -> Vec<Question> {
    let named = |name: &&str| (!name.is_empty()).then(|| (*name).to_owned());
    let rows = RESOURCES.iter().flat_map(|(resource, place, names)| names.iter().map(move |name| (*resource, *place, named(name))));
    let common = rows.flat_map(|(resource, place, name)| {
        VERBS.map(|verb| Question { resource: resource.to_owned(), place, name: name.clone(), verb }).into_iter()
    });
    let special =
        SPECIAL.iter().map(|(verb, resource, place)| Question { resource: (*resource).to_owned(), place: *place, name: None, verb });
    common.chain(special).collect()
}

/// Who asks.
pub(super) struct Subject {
    user: String,
    groups: Vec<String>,
}

impl Subject {
    /// The service account that the release of this mode made.
    pub(super) fn operator(mode: &str) -> Self {
        let namespace = format!("rights-{mode}-operator");
        let groups =
            ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}"), "system:authenticated".to_owned()];
        Self { user: format!("system:serviceaccount:{namespace}:rights-{mode}-entra-rotator"), groups: groups.to_vec() }
    }

    pub(super) fn user(name: &str) -> Self {
        Self { user: name.to_owned(), groups: vec!["system:authenticated".to_owned()] }
    }

    pub(super) fn name(&self) -> &str {
        &self.user
    }
}

/// What the authorizer said to each question.
pub(super) struct Answers(Vec<(Question, bool)>);

impl Answers {
    pub(super) async fn of(client: &Client, subject: &Subject, mode: &str, questions: &[Question]) -> Self {
        let asked = questions.iter().map(|question| async move { (question.clone(), ask(client, subject, mode, question).await) });
        Self(stream::iter(asked).buffered(16).collect().await)
    }

    pub(super) fn allowed(&self) -> impl Iterator<Item = (&Question, bool)> {
        self.0.iter().map(|(question, allowed)| (question, *allowed))
    }

    /// Nothing by which its holder could get more rights, and no Secret beyond those that the mode is for.
    pub(super) fn assert_harmless(&self, subject: &Subject, mode: &str) {
        for (question, _) in self.allowed().filter(|(_, allowed)| *allowed) {
            let text = question.to_string();
            assert!(!NEVER.iter().any(|never| text.starts_with(never)), "{} may {text}", subject.user);
            let is_content = question.resource == "core/secrets" || question.resource == "core/configmaps";
            let is_beyond = match (mode, question.place) {
                ("cluster", _) | (_, Operator | DefaultNamespace) => false,
                ("default", _) | (_, Elsewhere | All) => true,
                // Creating cannot be limited by name.
                ("named", Tenant) => {
                    question.verb != "create" && !question.name.as_deref().is_some_and(|name| name.starts_with("payroll-api"))
                }
                (_, Tenant) => false,
            };
            assert!(!(is_content && is_beyond), "{} may {text}", subject.user);
        }
    }

    /// One row for each resource, place and name, one column for each verb.
    pub(super) fn draw(&self, title: &str) -> String {
        let mut page = format!(
            "\n## {title}\n\n| resource | namespace | name | {} |\n|---|---|---|{}\n",
            VERBS.join(" | "),
            ":-:|".repeat(VERBS.len())
        );
        let answers: BTreeMap<&Question, bool> = self.allowed().collect();
        for (resource, place, name) in
            RESOURCES.iter().flat_map(|(resource, place, names)| names.iter().map(move |name| (resource, place, name)))
        {
            let question = |verb| Question {
                resource: (*resource).to_owned(),
                place: *place,
                name: (!name.is_empty()).then(|| (*name).to_owned()),
                verb,
            };
            let cells = VERBS.map(|verb| mark(answers[&question(verb)])).join(" | ");
            page += &format!("| {resource} | {} | {} | {cells} |\n", place.word(), name.replace('%', "*release*"));
        }
        page += "\n| verb | resource | namespace | |\n|---|---|---|:-:|\n";
        for (verb, resource, place) in SPECIAL {
            let question = Question { resource: (*resource).to_owned(), place: *place, name: None, verb };
            page += &format!(
                "| {} | {} | {} | {} |\n",
                verb.replace('*', "any"),
                resource.replace('*', "any"),
                place.word(),
                mark(answers[&question])
            );
        }
        page
    }
}

const fn mark(allowed: bool) -> &'static str {
    if allowed { "x" } else { "·" }
}

async fn ask(client: &Client, subject: &Subject, mode: &str, question: &Question) -> bool {
    let spec = SubjectAccessReviewSpec {
        user: Some(subject.user.clone()),
        groups: Some(subject.groups.clone()),
        resource_attributes: Some(attributes(question, mode)),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await.unwrap();
    answer.status.unwrap().allowed
}

fn attributes(question: &Question, mode: &str) -> ResourceAttributes {
    let (group, resource) = question.resource.split_once('/').unwrap();
    let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(resource, sub)| (resource, Some(sub)));
    ResourceAttributes {
        group: Some(if group == "core" { String::new() } else { group.to_owned() }),
        name: question.name.as_ref().map(|name| name.replace('%', &format!("rights-{mode}"))),
        namespace: Some(question.place.namespace(mode)),
        resource: Some(resource.to_owned()),
        subresource: subresource.map(str::to_owned),
        verb: Some(question.verb.to_owned()),
        ..ResourceAttributes::default()
    }
}
