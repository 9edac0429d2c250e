//! `cargo xtask chaos`: the release binary among the troubles of a cluster.

use std::path::{Path, PathBuf};

use crate::{cargo, run as run_command, tools::Tools, tree};

/// What the test reads its arguments from, one a line.
const ARGUMENTS: &str = "ENTRA_ROTATOR_CHAOS";
const TEST: &str = "real_api_server::operator::chaos::campaign";

/// Builds what is needed, and hands the arguments on.
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let tools = Tools::build_in_background()?;
    let (previous, mut given) = without_previous(arguments)?;
    given.push(format!("--operator={}", release(&crate::root())?.display()));
    if let Some(revision) = previous {
        given.push(format!("--previous={}", release(&tree::checkout("previous", &revision)?)?.display()));
    }
    let folder = tools.folder()?;
    let mut test = cargo(&["test", "--workspace", "--test", "it", "--", "--ignored", "--exact", "--nocapture", TEST]);
    run_command(test.env(ARGUMENTS, given.join("\n")).env("KUBEBUILDER_ASSETS", folder))
}

/// The revision that `--previous` names, and the other arguments.
fn without_previous(arguments: &[&str]) -> Result<(Option<String>, Vec<String>), String> {
    let (mut revision, mut others) = (None, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix("--previous") {
            Some("") => revision = Some((*arguments.next().ok_or("--previous needs a revision of git")?).to_owned()),
            Some(value) if value.starts_with('=') => revision = Some(value[1..].to_owned()),
            _ => others.push((*argument).to_owned()),
        }
    }
    Ok((revision, others))
}

/// Builds the operator of a tree, and answers where the binary is.
fn release(tree: &Path) -> Result<PathBuf, String> {
    let tree = tree.canonicalize().map_err(|error| format!("cannot find {}: {error}", tree.display()))?;
    let target = tree.join("target");
    let mut build = cargo(&["build", "--release", "--package", "entra-rotator", "--bin", "entra-rotator"]);
    run_command(build.current_dir(&tree).env("CARGO_TARGET_DIR", &target))?;
    Ok(target.join("release/entra-rotator"))
}
