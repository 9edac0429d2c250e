//! The chart installs what it says, and only that.

use serde_json::{Value, json};

use super::{CHART, objects};
use crate::control_plane::ControlPlane;

#[tokio::test]
async fn the_chart_installs_by_its_defaults_and_uninstalling_keeps_what_people_declared() {
    let cluster = ControlPlane::start().await.unwrap();
    let printed = cluster.helm(&["install", "entra-rotator", CHART, "-n", "operator", "--create-namespace"]).await.unwrap();
    assert!(printed.contains("in this namespace only: operator.\nThat is where the chart is installed."), "{printed}");
    let established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
    cluster.kubectl(&established).await.unwrap();
    let tenant = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples/tenant.yaml");
    cluster.kubectl(&["apply", "-f", tenant]).await.unwrap();

    cluster.helm(&["upgrade", "entra-rotator", CHART, "-n", "operator", "--set", "rbac.mode=Cluster"]).await.unwrap();
    cluster.kubectl(&["get", "clusterrolebinding", "entra-rotator-secrets"]).await.unwrap();
    cluster.helm(&["uninstall", "entra-rotator", "-n", "operator", "--wait"]).await.unwrap();

    assert_eq!(cluster.kubectl(&["get", "entratenants", "-o", "name"]).await.unwrap(), "entratenant.entra-rotator.io/default\n");
    let left = ["get", "deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings", "-A"];
    let selector = ["-l", "app.kubernetes.io/name=entra-rotator", "-o", "name"];
    assert_eq!(cluster.kubectl(&[&left[..], &selector[..]].concat()).await.unwrap(), "");
}

#[tokio::test]
async fn the_pod_meets_the_restricted_pod_security_standard() {
    let cluster = ControlPlane::shared().await.unwrap();
    cluster.kubectl(&["create", "namespace", "chart-pod"]).await.unwrap();
    cluster.kubectl(&["label", "namespace", "chart-pod", "pod-security.kubernetes.io/enforce=restricted"]).await.unwrap();
    cluster.helm(&["install", "chart-pod", CHART, "-n", "chart-pod", "--set", "crds.enabled=false"]).await.unwrap();
    let create = ["create", "-f", "-", "-n", "chart-pod", "--dry-run=server"];

    let mut pod = pod(cluster).await;
    cluster.kubectl_with_input(&create, &pod.to_string()).await.unwrap();

    // The standard is enforced here at all.
    pod["spec"]["containers"][0].as_object_mut().unwrap().remove("securityContext").unwrap();
    let refused = cluster.kubectl_with_input(&create, &pod.to_string()).await.unwrap_err();
    assert!(refused.to_string().contains("violates PodSecurity"), "{refused}");
}

/// The image holds one static binary and nothing else (`cargo xtask binary` looks at it), so nothing here may ask for a shell or for a place to write.
#[tokio::test]
async fn whatever_is_set_the_pod_writes_nowhere_runs_no_shell_and_gains_nothing() {
    let cluster = ControlPlane::shared().await.unwrap();
    for values in [
        "replicas=2",
        "rbac.mode=Cluster",
        "rbac.mode=Named,rbac.outputs.a={b}",
        "workloadIdentity.enabled=true,workloadIdentity.webhook=false",
    ] {
        let rendered = objects(&render(cluster, &["--set", values]).await);
        let pod = &of_kind(&rendered, "Deployment")["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
        assert_eq!(pod["initContainers"], Value::Null);
        assert_eq!(container["command"], Value::Null, "the image's own");
        let hardened = json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
        assert_eq!(container["securityContext"], hardened);
        let user = json!({"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}});
        assert_eq!(pod["securityContext"], user);
        for forbidden in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"] {
            assert_eq!(pod[forbidden], Value::Null);
        }
        let writable = pod["volumes"].as_array().into_iter().flatten().filter(|volume| volume["projected"].is_null()).count();
        let mounts = container["volumeMounts"].as_array().into_iter().flatten();
        assert!(writable == 0 && mounts.into_iter().all(|mount| mount["readOnly"] == true), "{values}: {pod:#}");
        for probe in ["livenessProbe", "readinessProbe"] {
            assert!(container[probe]["httpGet"].is_object() && container[probe]["exec"].is_null());
        }
    }
}

#[tokio::test]
async fn the_service_for_metrics_selects_the_pod_at_a_port_that_it_has() {
    let cluster = ControlPlane::shared().await.unwrap();
    let rendered = objects(&render(cluster, &["--set", "metrics.serviceMonitor.enabled=true"]).await);
    let (deployment, service) = (of_kind(&rendered, "Deployment"), of_kind(&rendered, "Service"));
    let labels = deployment["spec"]["template"]["metadata"]["labels"].as_object().unwrap();
    for (label, value) in service["spec"]["selector"].as_object().unwrap() {
        assert_eq!(labels.get(label), Some(value));
    }
    let ports = &deployment["spec"]["template"]["spec"]["containers"][0]["ports"];
    assert_eq!(service["spec"]["ports"][0]["targetPort"], ports[0]["name"]);
    let monitor = of_kind(&rendered, "ServiceMonitor");
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
    for (label, value) in monitor["spec"]["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(service["metadata"]["labels"].get(label), Some(value));
    }
}

#[tokio::test]
async fn several_replicas_prefer_different_nodes_and_are_not_drained_at_once() {
    let cluster = ControlPlane::shared().await.unwrap();
    let rendered = objects(&render(cluster, &["--set", "replicas=2"]).await);
    let (deployment, budget) = (of_kind(&rendered, "Deployment"), of_kind(&rendered, "PodDisruptionBudget"));
    assert_eq!((&deployment["spec"]["replicas"], &budget["spec"]["maxUnavailable"]), (&json!(2), &json!(1)));
    let pod = &deployment["spec"]["template"];
    let preferred = &pod["spec"]["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"];
    assert_eq!(preferred["topologyKey"], "kubernetes.io/hostname");
    for selector in [&budget["spec"]["selector"], &preferred["labelSelector"], &deployment["spec"]["selector"]] {
        for (label, value) in selector["matchLabels"].as_object().unwrap() {
            assert_eq!(pod["metadata"]["labels"].get(label), Some(value));
        }
    }
    cluster.kubectl(&["create", "namespace", "chart-two"]).await.unwrap();
    let install = ["install", "chart-two", CHART, "-n", "chart-two", "--set", "crds.enabled=false,replicas=2", "--dry-run=server"];
    cluster.helm(&install).await.unwrap();
}

#[tokio::test]
async fn one_replica_can_be_drained_and_what_people_say_about_nodes_comes_first() {
    let cluster = ControlPlane::shared().await.unwrap();
    for values in ["replicas=1", "replicas=2,podDisruptionBudget.enabled=false"] {
        let rendered = objects(&render(cluster, &["--set", values]).await);
        assert!(rendered.iter().all(|object| object["kind"] != "PodDisruptionBudget"), "{values}");
    }
    let own = ["--set", "replicas=2,priorityClassName=high", "--set-json"];
    let values = r#"affinity={"nodeAffinity":{}},topologySpreadConstraints=[{"maxSkew":1}]"#;
    let rendered = objects(&render(cluster, &[&own[..], &[values]].concat()).await);
    let pod = &of_kind(&rendered, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["affinity"], json!({"nodeAffinity": {}}));
    assert_eq!((&pod["topologySpreadConstraints"][0]["maxSkew"], &pod["priorityClassName"]), (&json!(1), &json!("high")));
}

#[tokio::test]
async fn values_reach_the_operators_arguments() {
    let cluster = ControlPlane::shared().await.unwrap();
    assert_eq!(arguments(cluster, &[]).await, json!(["--lease-name=chart-entra-rotator", "--watch-namespace=operator"]));
    let namespaces = ["--set", "rbac.namespaces={payroll,crm}"];
    let expected = json!(["--lease-name=chart-entra-rotator", "--watch-namespace=payroll", "--watch-namespace=crm"]);
    assert_eq!(arguments(cluster, &namespaces).await, expected);
    let named = ["--set", "rbac.mode=Named,rbac.outputs.payroll={api,saml},rbac.outputs.crm={sync}"];
    let expected =
        ["--lease-name=chart-entra-rotator", "--watch-output=crm/sync", "--watch-output=payroll/api", "--watch-output=payroll/saml"];
    assert_eq!(arguments(cluster, &named).await, json!(expected));
    let cluster_wide = ["--set", "rbac.mode=Cluster,allowCustomEndpoints=true", "--set", "extraArgs={--late=20m}"];
    let expected = json!(["--lease-name=chart-entra-rotator", "--allow-custom-endpoints", "--late=20m"]);
    assert_eq!(arguments(cluster, &cluster_wide).await, expected);
}

#[tokio::test]
async fn with_the_webhook_the_pod_asks_for_its_token_and_without_it_the_chart_mounts_one() {
    const CLIENT: &str = "11111111-2222-3333-4444-555555555555";
    let cluster = ControlPlane::shared().await.unwrap();
    let client = format!("workloadIdentity.enabled=true,workloadIdentity.clientID={CLIENT}");
    let rendered = objects(&render(cluster, &["--set", &client]).await);
    let annotations = &of_kind(&rendered, "ServiceAccount")["metadata"]["annotations"];
    assert_eq!(annotations["azure.workload.identity/client-id"], CLIENT);
    let pod = &of_kind(&rendered, "Deployment")["spec"]["template"];
    assert_eq!(pod["metadata"]["labels"]["azure.workload.identity/use"], "true");
    assert_eq!((&pod["spec"]["volumes"], variable(pod, "AZURE_FEDERATED_TOKEN_FILE")), (&Value::Null, None));

    let alone = format!("{client},workloadIdentity.webhook=false");
    let rendered = objects(&render(cluster, &["--set", &alone]).await);
    assert_eq!(of_kind(&rendered, "ServiceAccount")["metadata"]["annotations"], Value::Null);
    let pod = &of_kind(&rendered, "Deployment")["spec"]["template"];
    assert_eq!(pod["metadata"]["labels"]["azure.workload.identity/use"], Value::Null);
    let (token, mount) = (&pod["spec"]["volumes"][0], &pod["spec"]["containers"][0]["volumeMounts"][0]);
    let source = &token["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!((&source["audience"], &token["name"]), (&json!("api://AzureADTokenExchange"), &mount["name"]));
    let file = format!("{}/{}", mount["mountPath"].as_str().unwrap(), source["path"].as_str().unwrap());
    assert_eq!(variable(pod, "AZURE_FEDERATED_TOKEN_FILE"), Some(file));
    assert_eq!(variable(pod, "AZURE_CLIENT_ID").as_deref(), Some(CLIENT));
}

#[tokio::test]
async fn the_mounted_token_has_the_audience_of_its_cloud() {
    let cluster = ControlPlane::shared().await.unwrap();
    let audiences = [
        ("cloud=USGovernmentL4", "api://AzureADTokenExchangeUSGov"),
        ("cloud=USGovernmentL5", "api://AzureADTokenExchangeUSGov"),
        ("cloud=China", "api://AzureADTokenExchangeChina"),
        ("audience=api://own", "api://own"),
    ];
    for (value, audience) in audiences {
        let value = format!("workloadIdentity.enabled=true,workloadIdentity.webhook=false,workloadIdentity.{value}");
        let rendered = objects(&render(cluster, &["--set", &value]).await);
        let token = &of_kind(&rendered, "Deployment")["spec"]["template"]["spec"]["volumes"][0];
        assert_eq!(token["projected"]["sources"][0]["serviceAccountToken"]["audience"], audience);
    }
}

/// The value of an environment variable of the pod.
fn variable(pod: &Value, name: &str) -> Option<String> {
    let variables = pod["spec"]["containers"][0]["env"].as_array().unwrap();
    let found = variables.iter().find(|variable| variable["name"] == name)?;
    found["value"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_value_that_would_do_nothing_is_refused() {
    let cluster = ControlPlane::shared().await.unwrap();
    for wrong in [
        "rbac.mode=Everything",
        "rbac.mode=Named,rbac.outputs.payroll={Api}",
        "rbac.mode=Named,rbac.outputs.Payroll={api}",
        "rbac.mode=Named,rbac.outputs.payroll={}",
        "replicaCount=2",
        "image.digest=sha256:short",
        "rbac.namespaces={Payroll}",
        "logLevel=",
        "workloadIdentity.cloud=Mars",
    ] {
        let refused = cluster.helm(&["template", "chart", CHART, "--set", wrong]).await.unwrap_err();
        assert!(refused.to_string().contains("values don't meet the specifications of the schema"), "{wrong}: {refused}");
    }
    for (wrong, remedy) in [
        ("serviceAccount.create=false", "name an existing service account in serviceAccount.name"),
        ("rbac.mode=Named", "list the outputs in rbac.outputs, by namespace"),
        ("rbac.mode=Named,rbac.outputs.a={b},rbac.namespaces={a}", "rbac.namespaces does nothing: list the outputs in rbac.outputs"),
        ("rbac.outputs.a={b}", "rbac.outputs does nothing: set rbac.mode: Named"),
    ] {
        let refused = cluster.helm(&["template", "chart", CHART, "--set", wrong]).await.unwrap_err();
        assert!(refused.to_string().contains(remedy), "{wrong}: {refused}");
    }
}

async fn arguments(cluster: &ControlPlane, more: &[&str]) -> Value {
    let rendered = objects(&render(cluster, more).await);
    of_kind(&rendered, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"].clone()
}

async fn render(cluster: &ControlPlane, more: &[&str]) -> String {
    cluster.helm(&[&["template", "chart", CHART, "-n", "operator"], more].concat()).await.unwrap()
}

async fn pod(cluster: &ControlPlane) -> Value {
    let deployment = cluster.kubectl(&["get", "deployment", "-n", "chart-pod", "-o", "json"]).await.unwrap();
    let deployments: Value = serde_json::from_str(&deployment).unwrap();
    let spec = &deployments["items"][0]["spec"]["template"]["spec"];
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "operator"}, "spec": spec})
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap()
}
