use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::HEXLOWER;
use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt as _,
    runtime::{WatchStreamExt as _, watcher},
};
use sha2::{Digest as _, Sha256};
use tokio::{sync::watch, task::JoinHandle, time::sleep};

use super::mount::Mount;

/// How long a change takes to get from the API server into a pod. Kubelet takes a minute or so.
const DELAY: Duration = Duration::from_secs(2);

/// One state of an output, as it got into pods.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Version {
    pub(super) key_id: String,
    pub(super) data: BTreeMap<String, Vec<u8>>,
}

impl Version {
    fn read(secret: &Secret) -> Self {
        let annotation = |name: &str| secret.annotations().get(&format!("entra-rotator.io/{name}")).cloned();
        let data = secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect();
        Self { key_id: annotation("key-id").unwrap(), data }
    }

    pub(super) fn text(&self, key: &str) -> &str {
        std::str::from_utf8(&self.data[key]).unwrap()
    }

    /// As clients tell which credential they used.
    pub(super) fn fingerprint(&self, key: &str) -> String {
        HEXLOWER.encode(&Sha256::digest(&self.data[key]))[..12].to_owned()
    }

    /// The keys that can be names of variables, as `envFrom` takes them over.
    pub(super) fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_name = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        self.data.keys().map(String::as_str).filter(move |key| is_name(key)).map(|key| (key, self.text(key)))
    }
}

/// A published Secret on its way into pods.
pub(super) struct Output {
    pub(super) folder: PathBuf,
    pub(super) versions: watch::Receiver<Vec<Version>>,
    task: JoinHandle<()>,
}

impl Output {
    /// Follows the Secret of that name from its first publication on, into a folder of that name.
    pub(super) fn follow(secrets: Api<Secret>, name: &str, parent: &Path) -> Self {
        let mount = Mount::new(parent.join(name));
        let (sender, versions) = watch::channel(Vec::new());
        let folder = mount.folder().to_owned();
        let task = tokio::spawn(bring(secrets, format!("metadata.name={name}"), mount, sender));
        Self { folder, versions, task }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn bring(secrets: Api<Secret>, fields: String, mut mount: Mount, versions: watch::Sender<Vec<Version>>) {
    let states = watcher(secrets, watcher::Config::default().fields(&fields)).default_backoff().applied_objects();
    pin_mut!(states);
    while let Some(state) = states.next().await {
        let version = Version::read(&state.unwrap());
        if versions.borrow().last() != Some(&version) {
            sleep(DELAY).await;
            mount.project(&version.data);
            versions.send_modify(|versions| versions.push(version));
        }
    }
}
