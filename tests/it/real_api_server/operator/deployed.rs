use std::{path::Path, process::Command};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Container, EnvVar, PodSpec},
};
use kube::{Api, Client};

/// How the Deployment says that the operator is to be run.
#[derive(Debug, PartialEq)]
pub(super) struct Deployed {
    namespace: String,
    service_account: String,
    arguments: Vec<String>,
    environment: Vec<EnvVar>,
}

impl Deployed {
    /// Reads the Deployment from the cluster.
    pub(super) async fn read(client: Client, namespace: &str, name: &str) -> Self {
        let deployment = Api::<Deployment>::namespaced(client, namespace).get(name).await.unwrap();
        let PodSpec { containers, service_account_name, .. } = deployment.spec.unwrap().template.spec.unwrap();
        let [Container { args, env, .. }] = <[_; 1]>::try_from(containers).unwrap();
        Self {
            namespace: namespace.to_owned(),
            service_account: service_account_name.unwrap(),
            arguments: args.unwrap(),
            environment: env.unwrap(),
        }
    }

    /// As whom the pod runs, in the Deployment's namespace.
    pub(super) fn service_account(&self) -> &str {
        &self.service_account
    }

    /// What kubelet would run in a pod of this name. Only two things differ: the way to the API server, which kubelet puts into
    /// the pod, and the address to listen at, as the pods of this machine share one network.
    pub(super) fn command(&self, pod: &str, kubeconfig: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entra-rotator"));
        command.args(&self.arguments).arg("--listen=127.0.0.1:0").env_clear();
        command.envs(self.environment.iter().map(|variable| (&variable.name, self.resolve(variable, pod))));
        command.env("KUBECONFIG", kubeconfig);
        command
    }

    fn resolve(&self, variable: &EnvVar, pod: &str) -> String {
        let field = variable.value_from.as_ref().map(|source| source.field_ref.as_ref().unwrap().field_path.as_str());
        match field {
            None => variable.value.clone().unwrap(),
            Some("metadata.name") => pod.to_owned(),
            Some("metadata.namespace") => self.namespace.clone(),
            Some(unknown) => panic!("the test does not know what kubelet puts in place of {unknown}"),
        }
    }
}
