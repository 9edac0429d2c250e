//! What `deny.toml` says about the packages we build with, checked by cargo-deny.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::installed;

/// The cargo-deny that is installed where there is none.
const VERSION: &str = "0.20.2";

/// Checks bans, licences and sources, which needs no network (advisories do, and are a step of their own); where cargo-deny is missing, it is first
/// installed.
pub(crate) fn check() -> Result<(), String> {
    let mut deny = Command::new(cargo_deny()?);
    deny.args(["--workspace", "check", "bans", "licenses", "sources"]).current_dir(crate::root());
    crate::run(&mut deny)
}

/// What became of a look at known vulnerabilities.
#[derive(Debug, PartialEq)]
pub(crate) enum Advisories {
    /// None is known of any package, and none is abandoned or yanked.
    Clean,
    /// The database of RustSec, which is on GitHub, can neither be fetched nor is it here.
    Unknown,
}

/// Checks the packages against the advisories of RustSec, fetched anew if they can be.
pub(crate) fn advisories() -> Result<Advisories, String> {
    let deny = cargo_deny()?;
    let fetched = Command::new(&deny).args(["fetch", "db"]).current_dir(crate::root()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_fresh = fetched.is_ok_and(|status| status.success());
    if !is_fresh && !is_database_here() {
        return Ok(Advisories::Unknown);
    }
    if !is_fresh {
        eprintln!("    the advisories cannot be fetched: those of an earlier run are used");
    }
    let mut check = Command::new(deny);
    check.args(["--workspace", "check", "--disable-fetch", "advisories"]).current_dir(crate::root());
    crate::run(&mut check).map(|()| Advisories::Clean)
}

/// Where cargo-deny keeps it.
fn is_database_here() -> bool {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let folder = home.map(|home| home.join("advisory-dbs")).and_then(|folder| folder.read_dir().ok());
    folder.into_iter().flatten().flatten().any(|entry| entry.path().join("crates").is_dir())
}

fn cargo_deny() -> Result<PathBuf, String> {
    if answers("cargo-deny") { Ok("cargo-deny".into()) } else { installed::program("cargo-deny", VERSION, "about three minutes") }
}

fn answers(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
