//! The programs of the control plane, built by `hack/tools/build`.

use std::{
    io::Read as _,
    process::{Child, Command, Stdio},
};

/// A build under way. It ends when this is dropped.
pub(crate) struct Tools(Child);

impl Tools {
    /// Starts to build what is missing, at low priority; progress goes to our standard error.
    pub(crate) fn build_in_background() -> Result<Self, String> {
        let mut command = Command::new("nice");
        command.args(["-n", "10"]).arg(crate::root().join("hack/tools/build"));
        let build = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        build.map(Self).map_err(|error| format!("cannot run hack/tools/build: {error}"))
    }

    /// Waits for the build and returns the folder of the programs.
    pub(crate) fn folder(mut self) -> Result<String, String> {
        let mut folder = String::new();
        let read = self.0.stdout.take().map(|mut stdout| stdout.read_to_string(&mut folder)).transpose();
        read.map_err(|error| format!("cannot read what hack/tools/build prints: {error}"))?;
        let status = self.0.wait().map_err(|error| format!("cannot wait for hack/tools/build: {error}"))?;
        if status.success() { Ok(folder.trim_end().to_owned()) } else { Err(format!("hack/tools/build ended with {status}")) }
    }
}

impl Drop for Tools {
    /// Asks the script to end, so that it ends its compiler too; a kill would not let it.
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let asked = Command::new("kill").arg(self.0.id().to_string()).status();
            drop(asked.and_then(|_| self.0.wait()));
        }
    }
}
