use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use tokio::process::Command;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// The language of a client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Language {
    Python,
    Node,
}

/// The libraries, and the scripts that use them.
pub(super) struct Installed {
    python: PathBuf,
    node_script: PathBuf,
}

impl Installed {
    /// Finds the libraries, and copies what Node needs beside them into `folder`: it looks for modules from where its script is.
    pub(super) fn find(folder: &Path) -> Self {
        let installed = env::var_os("ENTRA_ROTATOR_CLIENTS").map(PathBuf::from).filter(|folder| folder.is_dir());
        let installed =
            installed.expect("set ENTRA_ROTATOR_CLIENTS to the folder that `cargo xtask clients` prints; `cargo xtask test` does so");
        for script in ["sign-in.mjs", "following.mjs"] {
            fs::copy(Path::new(SCRIPTS).join("node").join(script), folder.join(script)).unwrap();
        }
        symlink(installed.join("node/node_modules"), folder.join("node_modules")).unwrap();
        Self { python: installed.join("python/bin/python"), node_script: folder.join("sign-in.mjs") }
    }

    /// The script in that language, with an environment that has nothing of ours but the way to programs and `ca` to trust.
    pub(super) fn script(&self, language: Language, ca: &Path) -> Command {
        let (program, script, trust) = match language {
            Language::Python => (self.python.as_path(), Path::new(SCRIPTS).join("python/sign_in.py"), "REQUESTS_CA_BUNDLE"),
            Language::Node => (Path::new("node"), self.node_script.clone(), "NODE_EXTRA_CA_CERTS"),
        };
        let mut command = Command::new(program);
        command.env_clear().env("PATH", env::var_os("PATH").unwrap()).env(trust, ca).arg(script);
        // Nothing is written beside the scripts.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}
