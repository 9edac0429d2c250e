//! What the operator and the teams may do: the rendered roles in files that a person can read, and the answers of the API server's own
//! authorizer in one table.

/// The roles as the chart renders them.
mod rendered;
/// Who asks, what, and how the answers are drawn.
mod table;

use std::{collections::BTreeSet, env, fs, path::PathBuf, time::Duration};

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::{Api, Client, runtime::wait::await_condition};
use tokio::time::timeout;

use super::CHART;
use crate::control_plane::ControlPlane;
use table::{Answers, OURS, Place, Question, Subject};

/// The modes of the chart, each with the values that choose it for a release of this name.
const MODES: [(&str, &[&str]); 4] = [
    ("default", &[]),
    ("namespaced", &["--set", "rbac.namespaces={rights-namespaced-tenant}"]),
    ("named", &["--set", "rbac.mode=Named", "--set", "rbac.outputs.rights-named-tenant={payroll-api}"]),
    ("cluster", &["--set", "rbac.mode=Cluster"]),
];

#[tokio::test]
async fn nobody_may_do_more_or_less_than_the_committed_table_says() {
    let cluster = ControlPlane::shared().await.unwrap();
    let client = cluster.client().await.unwrap();
    let mut page = String::from(table::HEAD);
    for (mode, values) in MODES {
        install(cluster, mode, values).await;
        let operator = Subject::operator(mode);
        let answers = Answers::of(&client, &operator, mode, &table::questions()).await;
        answers.assert_harmless(&operator, mode);
        page += &answers.draw(&format!("The operator, {}", title(mode)));
    }
    for role in ["view", "edit"] {
        let user = Subject::user(&format!("rights-our-{role}"));
        bind(cluster, &format!("rights-default-entra-rotator-{role}"), &user).await;
        let answers = Answers::of(&client, &user, "default", &table::questions()).await;
        answers.assert_harmless(&user, "default");
        page += &answers.draw(&format!("Somebody with our role `{role}` in the namespace tenant"));
    }
    let nobody = Subject::user("rights-nobody");
    page += &Answers::of(&client, &nobody, "default", &table::questions()).await.draw("Somebody without a role");
    compare("can-i.md", &page);
}

#[tokio::test]
async fn the_clusters_own_roles_cover_declaring_credentials_but_no_tenant_and_no_status() {
    let cluster = ControlPlane::shared().await.unwrap();
    let client = cluster.client().await.unwrap();
    install(cluster, "teams", &[]).await;
    for (role, verb) in [("view", "watch"), ("edit", "deletecollection"), ("admin", "deletecollection")] {
        until_aggregated(&client, role, verb).await;
    }
    let ours: Vec<_> = table::questions().into_iter().filter(|question| question.resource.starts_with(OURS)).collect();
    for role in ["view", "edit", "admin"] {
        let user = Subject::user(&format!("rights-{role}"));
        cluster.kubectl(&binding(role, role, &user, "rights-teams-tenant")).await.unwrap();
        let answers = Answers::of(&client, &user, "teams", &ours).await;
        let reading = BTreeSet::from(["get", "list", "watch"]);
        let writing = BTreeSet::from(["create", "update", "patch", "delete", "deletecollection"]);
        for (question, allowed) in answers.allowed() {
            let is_theirs = question.resource == format!("{OURS}/serviceprincipalcredentials") && question.place == Place::Tenant;
            let covered = is_theirs && (reading.contains(question.verb) || (role != "view" && writing.contains(question.verb)));
            assert_eq!(allowed, covered, "{role}: {question}");
        }
    }
}

#[tokio::test]
async fn the_roles_of_each_mode_are_those_in_the_committed_files() {
    let cluster = ControlPlane::shared().await.unwrap();
    for (mode, values) in MODES {
        let values: Vec<_> = values
            .iter()
            .map(|value| value.replace("rights-named-tenant", "payroll").replace("rights-namespaced-tenant", "payroll"))
            .collect();
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        let template = ["template", "entra-rotator", CHART, "-n", "entra-rotator"];
        let rendered = cluster.helm(&[&template[..], &values].concat()).await.unwrap();
        compare(&format!("{mode}.yaml"), &rendered::roles(&rendered));
    }
}

fn title(mode: &str) -> &'static str {
    match mode {
        "default" => "by the chart's defaults: `rbac.mode: Namespaced`, its own namespace only",
        "namespaced" => "`rbac.mode: Namespaced`, `rbac.namespaces: [tenant]`",
        "named" => "`rbac.mode: Named`, `rbac.outputs: {tenant: [payroll-api]}`",
        "cluster" => "`rbac.mode: Cluster`",
        unknown => panic!("{unknown}"),
    }
}

/// Compares a page with the committed one; with `UPDATE_RIGHTS=1` in the environment it is written first.
fn compare(name: &str, page: &str) {
    let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/real_api_server/rights")).join(name);
    if env::var_os("UPDATE_RIGHTS").is_some_and(|value| value == "1") {
        fs::write(&file, page).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let differing: Vec<_> = page.lines().filter(|line| !committed.lines().any(|known| known == *line)).collect();
    assert!(
        committed == page,
        "rights/{name} is not what is so. Run the test with UPDATE_RIGHTS=1, and read the difference in what anybody may do before you commit it. New or changed lines:\n{}",
        differing.join("\n")
    );
}

/// Installs the chart as the release `rights-<mode>` in the namespace `rights-<mode>-operator`.
async fn install(cluster: &ControlPlane, mode: &str, values: &[&str]) {
    for role in ["operator", "tenant", "elsewhere"] {
        cluster.kubectl(&["create", "namespace", &format!("rights-{mode}-{role}")]).await.unwrap();
    }
    let (release, namespace) = (format!("rights-{mode}"), format!("rights-{mode}-operator"));
    let install = ["install", &release, CHART, "-n", &namespace, "--set", "crds.enabled=false"];
    cluster.helm(&[&install, values].concat()).await.unwrap();
}

async fn bind(cluster: &ControlPlane, role: &str, user: &Subject) {
    cluster.kubectl(&binding(role, role, user, "rights-default-tenant")).await.unwrap();
}

fn binding<'a>(name: &'a str, role: &str, user: &Subject, namespace: &'a str) -> [&'a str; 7] {
    let (role, user) = (format!("--clusterrole={role}"), format!("--user={}", user.name()));
    ["create", "rolebinding", name, String::leak(role), String::leak(user), "-n", namespace]
}

/// A controller adds to the cluster's roles what the chart offers them, soon after it is installed.
async fn until_aggregated(client: &Client, role: &str, verb: &str) {
    let ours = |rule: &PolicyRule| {
        let mut groups = rule.api_groups.iter().flatten();
        groups.any(|group| group == OURS) && rule.verbs.iter().any(|known| known == verb)
    };
    let aggregated = |role: Option<&ClusterRole>| role.is_some_and(|role| role.rules.iter().flatten().any(ours));
    let wait = await_condition(Api::<ClusterRole>::all(client.clone()), role, aggregated);
    timeout(Duration::from_secs(60), wait).await.expect("the role is aggregated within a minute").unwrap();
}

/// A question is asked in the form that the API server's authorizer sees.
#[test]
fn a_question_reads_as_it_is_asked() {
    let question =
        Question { verb: "get", resource: "core/secrets".to_owned(), name: Some("payroll-api".to_owned()), place: Place::Tenant };
    assert_eq!(question.to_string(), "get core/secrets `payroll-api` in tenant");
}
