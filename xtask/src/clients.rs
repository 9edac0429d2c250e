//! The client libraries with which the tests sign in, as the lock files under `tests/clients` pin them.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::{Command, Stdio, id},
};

/// What the libraries ask for, and what this was tried with.
const PYTHON: (u32, u32) = (3, 11);
const NODE: u32 = 20;

const PYTHON_VERSION: &str = "import sys, ensurepip, venv; print('%d.%d.%d' % sys.version_info[:3])";

/// Installs what is missing into the user's cache folder, from PyPI and the npm registry, and returns the folder of these very
/// versions: `python` is a virtual environment, `node/node_modules` what Node finds.
pub(crate) fn install() -> Result<PathBuf, String> {
    let versions = [python()?, node()?];
    let folder = crate::installed::cache()?.join("clients").join(fingerprint(&versions)?);
    if !folder.is_dir() {
        eprintln!("    installing the client libraries into {}: under a minute, once", folder.display());
        // Elsewhere first: what has the right name is whole.
        let unfinished = folder.with_extension(id().to_string());
        let installed = install_python(&unfinished.join("python")).and_then(|()| install_node(&unfinished.join("node")));
        let moved = installed.and_then(|()| adopt(&unfinished, &folder));
        // It is gone if it was moved.
        let _ = fs::remove_dir_all(&unfinished);
        moved?;
    }
    Ok(folder)
}

/// Another run may have been faster.
fn adopt(unfinished: &Path, folder: &Path) -> Result<(), String> {
    match fs::rename(unfinished, folder) {
        Err(error) if !folder.is_dir() => Err(format!("cannot rename {} to {}: {error}", unfinished.display(), folder.display())),
        _ => Ok(()),
    }
}

fn python() -> Result<String, String> {
    let remedy = format!("install Python {}.{} or newer with venv (python3-venv where that is apart)", PYTHON.0, PYTHON.1);
    let version =
        said("python3", &["-c", PYTHON_VERSION]).ok_or_else(|| format!("cannot run python3 with ensurepip and venv: {remedy}"))?;
    let is_fit = numbers(&version).is_some_and(|found| found >= PYTHON);
    if is_fit { Ok(version) } else { Err(format!("python3 is {version}: {remedy}")) }
}

fn node() -> Result<String, String> {
    let remedy = format!("install Node.js {NODE} or newer, and npm");
    let version = said("node", &["--version"]).ok_or_else(|| format!("cannot run node: {remedy}"))?;
    said("npm", &["--version"]).ok_or_else(|| format!("cannot run npm: {remedy}"))?;
    let is_fit = numbers(version.trim_start_matches('v')).is_some_and(|(major, _)| major >= NODE);
    if is_fit { Ok(version) } else { Err(format!("node is {version}: {remedy}")) }
}

/// Major and minor.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// What a program prints, if it ends well.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

const LOCKS: [&str; 2] = ["python/requirements.txt", "node/package-lock.json"];

/// Differs when what is to be installed does, or what it is installed for.
fn fingerprint(versions: &[String]) -> Result<String, String> {
    let mut hasher = DefaultHasher::new();
    (versions, env::consts::ARCH).hash(&mut hasher);
    for lock in LOCKS {
        let path = pins().join(lock);
        fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn pins() -> PathBuf {
    crate::root().join("tests/clients")
}

fn install_python(folder: &Path) -> Result<(), String> {
    crate::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let mut install = Command::new(folder.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "--requirement"]);
    crate::run(install.arg(pins().join(LOCKS[0])))
}

fn install_node(folder: &Path) -> Result<(), String> {
    let copied = fs::create_dir_all(folder).and_then(|()| {
        ["package.json", "package-lock.json"]
            .iter()
            .try_for_each(|file| fs::copy(pins().join("node").join(file), folder.join(file)).map(drop))
    });
    copied.map_err(|error| format!("cannot copy package.json and its lock into {}: {error}", folder.display()))?;
    crate::run(Command::new("npm").args(["ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder))
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(numbers("3.11.7"), Some((3, 11)));
        assert!(numbers("3.9.18") < numbers("3.11.0"));
        assert_eq!(numbers("v20"), None);
    }

    #[test]
    fn the_lock_files_name_no_registry_and_check_every_package() {
        let read = |lock: &str| std::fs::read_to_string(super::pins().join(lock)).unwrap();
        let (python, node) = (read(super::LOCKS[0]), read(super::LOCKS[1]));
        assert!(!python.contains("://") && !node.contains("\"resolved\""));
        let packages = python.lines().filter(|line| line.contains("==") && !line.starts_with('#'));
        assert!(packages.clone().count() > 5 && packages.clone().all(|line| line.ends_with('\\')));
        assert_eq!(node.matches("\"node_modules/").count(), node.matches("\"integrity\": \"sha512-").count());
    }
}
