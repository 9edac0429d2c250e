//! Programs that come from crates.io, each in one version, in the user's cache folder.

use std::{env, path::PathBuf};

/// The program of this crate; where it is missing, it is first installed, which takes so long, once.
pub(crate) fn program(name: &str, version: &str, so_long: &str) -> Result<PathBuf, String> {
    let folder = cache()?.join(format!("{name}-{version}"));
    let program = folder.join("bin").join(name);
    if !program.exists() {
        eprintln!("    installing {name} {version} into {}: {so_long}, once", folder.display());
        let mut install = crate::cargo(&["install", "--quiet", "--locked", name, "--version", version, "--root"]);
        crate::run(install.arg(&folder))?;
    }
    Ok(program)
}

/// The folder that hack/tools/build uses too.
pub(crate) fn cache() -> Result<PathBuf, String> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    cache.map(|cache| cache.join("entra-rotator")).ok_or_else(|| "neither HOME nor XDG_CACHE_HOME is set".to_owned())
}
