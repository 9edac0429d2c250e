//! What `deny.toml` says about the packages we build with, checked by cargo-deny.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

/// The cargo-deny that is installed where there is none.
const VERSION: &str = "0.20.2";

/// Checks bans, licences and sources, which needs no network; where cargo-deny is missing, it is first installed into the
/// user's cache folder, which takes about three minutes, once.
pub(crate) fn check() -> Result<(), String> {
    let mut deny = Command::new(cargo_deny()?);
    deny.args(["--workspace", "check", "bans", "licenses", "sources"]).current_dir(crate::root());
    crate::run(&mut deny)
}

fn cargo_deny() -> Result<PathBuf, String> {
    if answers("cargo-deny") {
        return Ok("cargo-deny".into());
    }
    let folder = cache()?.join(format!("cargo-deny-{VERSION}"));
    let program = folder.join("bin/cargo-deny");
    if !program.exists() {
        eprintln!("    installing cargo-deny {VERSION} into {}: about three minutes, once", folder.display());
        let mut install = crate::cargo(&["install", "--quiet", "--locked", "cargo-deny", "--version", VERSION, "--root"]);
        crate::run(install.arg(&folder))?;
    }
    Ok(program)
}

fn answers(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The folder that hack/tools/build uses too.
pub(crate) fn cache() -> Result<PathBuf, String> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    cache.map(|cache| cache.join("entra-rotator")).ok_or_else(|| "neither HOME nor XDG_CACHE_HOME is set".to_owned())
}
