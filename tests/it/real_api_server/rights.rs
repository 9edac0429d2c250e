//! What the operator and the teams may do, asked of the API server's own authorizer.

use std::time::Duration;

use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    rbac::v1::{ClusterRole, PolicyRule},
};
use kube::{Api, Client, api::PostParams, runtime::wait::await_condition};
use tokio::time::timeout;

use super::CHART;
use crate::control_plane::ControlPlane;

/// Everywhere and always.
const COMMON: &str = "
    yes list   entra-rotator.io/serviceprincipalcredentials         *
    yes watch  entra-rotator.io/serviceprincipalcredentials         *
    yes patch  entra-rotator.io/serviceprincipalcredentials/status  elsewhere
    yes update entra-rotator.io/serviceprincipalcredentials/status  elsewhere
    yes get    entra-rotator.io/entratenants                        *
    yes patch  entra-rotator.io/entratenants/status                 *
    yes create events.k8s.io/events                                 default
    yes patch  events.k8s.io/events                                 tenant
    yes create coordination.k8s.io/leases                           operator
    yes update coordination.k8s.io/leases=rights-entra-rotator      operator
    yes get    core/secrets                                         operator
    yes watch  core/secrets                                         operator
    no  update coordination.k8s.io/leases=another                   operator
    no  delete coordination.k8s.io/leases=rights-entra-rotator      operator
    no  create coordination.k8s.io/leases                           tenant
    yes patch  entra-rotator.io/serviceprincipalcredentials         tenant
    yes update entra-rotator.io/serviceprincipalcredentials/finalizers elsewhere
    yes list   core/namespaces                                      *
    yes watch  core/namespaces                                      *
    no  update entra-rotator.io/serviceprincipalcredentials         tenant
    no  revoke entra-rotator.io/serviceprincipalcredentials         tenant
    no  approve entra-rotator.io/serviceprincipalcredentials        tenant
    no  create entra-rotator.io/serviceprincipalcredentials         tenant
    no  delete entra-rotator.io/serviceprincipalcredentials         tenant
    no  patch  entra-rotator.io/entratenants                        *
    no  create core/serviceaccounts/token                           operator
    no  create core/pods                                            operator
    no  create core/pods/exec                                       tenant
    no  get    core/namespaces                                      *
    no  patch  core/namespaces                                      *
    no  impersonate core/users                                      *
    no  impersonate core/serviceaccounts                            operator
    no  escalate rbac.authorization.k8s.io/roles                    operator
    no  bind   rbac.authorization.k8s.io/clusterroles               *
    no  patch  apiextensions.k8s.io/customresourcedefinitions       *
    no  deletecollection core/secrets                               tenant
    no  update core/secrets                                         tenant
    no  deletecollection core/configmaps                            tenant
    no  update core/configmaps                                      tenant
";

#[tokio::test]
async fn by_default_the_operator_reaches_secrets_in_its_own_namespace_only() {
    let rights = "
        yes create core/secrets operator
        yes delete core/secrets operator
        yes create core/configmaps operator
        no  get    core/secrets tenant
        no  get    core/configmaps tenant
        no  list   core/secrets *
        no  list   core/configmaps *
    ";
    assert_rights("rights-default", &[], &[COMMON, rights]).await;
}

#[tokio::test]
async fn in_mode_namespaced_the_operator_reaches_secrets_where_listed_only() {
    let rights = "
        yes create core/secrets tenant
        yes delete core/secrets tenant
        yes get    core/secrets tenant
        yes list   core/secrets tenant
        yes patch  core/secrets tenant
        yes watch  core/secrets tenant
        yes create core/configmaps tenant
        yes delete core/configmaps tenant
        yes get    core/configmaps tenant
        yes list   core/configmaps tenant
        yes patch  core/configmaps tenant
        yes watch  core/configmaps tenant
        no  get    core/secrets elsewhere
        no  get    core/configmaps elsewhere
        no  list   core/secrets *
        no  create core/secrets operator
        no  patch  core/secrets operator
        no  get    core/configmaps operator
    ";
    assert_rights("rights-namespaced", &["--set", "rbac.namespaces={rights-namespaced-tenant}"], &[COMMON, rights]).await;
}

#[tokio::test]
async fn in_mode_cluster_the_operator_reaches_secrets_everywhere() {
    let rights = "
        yes list   core/secrets *
        yes watch  core/secrets *
        yes create core/secrets elsewhere
        yes delete core/secrets tenant
        yes watch  core/configmaps *
        yes patch  core/configmaps elsewhere
    ";
    assert_rights("rights-cluster", &["--set", "rbac.mode=Cluster"], &[COMMON, rights]).await;
}

#[tokio::test]
async fn teams_may_declare_credentials_but_not_tenants_nor_any_status() {
    let cluster = ControlPlane::shared().await.unwrap();
    install(cluster, "rights-teams", &[]).await;
    for role in ["view", "edit", "admin"] {
        let (role_flag, user_flag) = (format!("--clusterrole={role}"), format!("--user=rights-{role}"));
        let create = ["create", "rolebinding", role, &role_flag, &user_flag, "-n", "rights-teams-tenant"];
        cluster.kubectl(&create).await.unwrap();
    }
    let client = cluster.client().await.unwrap();
    for (role, verb) in [("view", "watch"), ("edit", "deletecollection"), ("admin", "deletecollection")] {
        until_aggregated(&client, role, verb).await;
    }

    let reading = "yes list entra-rotator.io/serviceprincipalcredentials tenant";
    let writing = ["create", "update", "patch", "delete", "deletecollection"];
    let writing = |answer| writing.map(|verb| format!("{answer} {verb} entra-rotator.io/serviceprincipalcredentials tenant")).join("\n");
    let never = "
        no patch  entra-rotator.io/serviceprincipalcredentials/status tenant
        no update entra-rotator.io/serviceprincipalcredentials/status tenant
        no get    entra-rotator.io/entratenants *
        no create entra-rotator.io/entratenants *
        no list   entra-rotator.io/serviceprincipalcredentials elsewhere
    ";
    assert_answers(&client, "rights-view", "rights-teams", &[reading, &writing("no"), never]).await;
    assert_answers(&client, "rights-edit", "rights-teams", &[reading, &writing("yes"), never]).await;
    assert_answers(&client, "rights-admin", "rights-teams", &[reading, &writing("yes"), never]).await;
}

/// A controller adds to the cluster's roles what the chart offers them, soon after it is installed.
async fn until_aggregated(client: &Client, role: &str, verb: &str) {
    let ours = |rule: &PolicyRule| {
        let mut groups = rule.api_groups.iter().flatten();
        groups.any(|group| group == "entra-rotator.io") && rule.verbs.iter().any(|known| known == verb)
    };
    let aggregated = |role: Option<&ClusterRole>| role.is_some_and(|role| role.rules.iter().flatten().any(ours));
    let wait = await_condition(Api::<ClusterRole>::all(client.clone()), role, aggregated);
    timeout(Duration::from_secs(60), wait).await.expect("the role is aggregated within a minute").unwrap();
}

/// Installs the chart as the release `<prefix>` in the namespace `<prefix>-operator` and compares the operator's rights.
async fn assert_rights(prefix: &str, values: &[&str], tables: &[&str]) {
    let cluster = ControlPlane::shared().await.unwrap();
    install(cluster, prefix, values).await;
    let user = format!("system:serviceaccount:{prefix}-operator:{prefix}-entra-rotator");
    let tables: Vec<_> = tables.iter().map(|table| table.replace("=rights-", &format!("={prefix}-"))).collect();
    let tables: Vec<_> = tables.iter().map(String::as_str).collect();
    assert_answers(&cluster.client().await.unwrap(), &user, prefix, &tables).await;
}

async fn install(cluster: &ControlPlane, prefix: &str, values: &[&str]) {
    for role in ["operator", "tenant", "elsewhere"] {
        cluster.kubectl(&["create", "namespace", &format!("{prefix}-{role}")]).await.unwrap();
    }
    let namespace = format!("{prefix}-operator");
    let install = ["install", prefix, CHART, "-n", &namespace, "--set", "crds.enabled=false"];
    cluster.helm(&[&install, values].concat()).await.unwrap();
}

/// Asks the API server about each line, `answer verb group/resource[/subresource][=name] namespace`.
async fn assert_answers(client: &Client, user: &str, prefix: &str, tables: &[&str]) {
    let lines = tables.iter().flat_map(|table| table.lines()).map(str::trim).filter(|line| !line.is_empty());
    let mut wrong = Vec::new();
    for line in lines {
        let (expected, question) = line.split_once(' ').unwrap();
        let allowed = ask(client, user, attributes(question, prefix)).await;
        if allowed != (expected == "yes") {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "{user}: these answers are the other way round: {wrong:#?}");
}

async fn ask(client: &Client, user: &str, attributes: ResourceAttributes) -> bool {
    let spec = SubjectAccessReviewSpec {
        user: Some(user.to_owned()),
        resource_attributes: Some(attributes),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await.unwrap();
    answer.status.unwrap().allowed
}

fn attributes(question: &str, prefix: &str) -> ResourceAttributes {
    let [verb, what, namespace] = question.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{question}") };
    let (what, name) = what.split_once('=').map_or((what, None), |(what, name)| (what, Some(name)));
    let (group, resource) = what.split_once('/').unwrap();
    let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(r, sub)| (r, Some(sub)));
    let namespace = match namespace {
        "*" => String::new(),
        "default" => namespace.to_owned(),
        role => format!("{prefix}-{role}"),
    };
    ResourceAttributes {
        group: Some(if group == "core" { String::new() } else { group.to_owned() }),
        name: name.map(str::to_owned),
        namespace: Some(namespace),
        resource: Some(resource.to_owned()),
        subresource: subresource.map(str::to_owned),
        verb: Some(verb.to_owned()),
        ..ResourceAttributes::default()
    }
}
