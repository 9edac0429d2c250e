//! What `deny.toml` says about the packages we build with, checked by cargo-deny.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::installed;

/// The cargo-deny that is installed where there is none.
const VERSION: &str = "0.20.2";

/// Checks bans, licences and sources, which needs no network; where cargo-deny is missing, it is first installed.
pub(crate) fn check() -> Result<(), String> {
    let mut deny = Command::new(cargo_deny()?);
    deny.args(["--workspace", "check", "bans", "licenses", "sources"]).current_dir(crate::root());
    crate::run(&mut deny)
}

fn cargo_deny() -> Result<PathBuf, String> {
    if answers("cargo-deny") { Ok("cargo-deny".into()) } else { installed::program("cargo-deny", VERSION, "about three minutes") }
}

fn answers(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
