use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::Error;

/// The folder with etcd, kube-apiserver, kube-controller-manager, kubectl and helm.
#[derive(Clone)]
pub(super) struct Tools(PathBuf);

impl Tools {
    /// Asks `hack/tools/build`, which honours `KUBEBUILDER_ASSETS`, where the programs are; it builds nothing when asked so.
    pub(super) fn find() -> Result<Self, Error> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/tools/build");
        let output = Command::new(script).arg("--where").output();
        let output = output.map_err(|source| Error::Spawn { program: "hack/tools/build", source })?;
        let folder = String::from_utf8_lossy(&output.stdout);
        if output.status.success() { Ok(Self(folder.trim_end().into())) } else { Err(Error::FindTools) }
    }

    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.0.join(program)
    }
}
