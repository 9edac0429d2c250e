//! `cargo xtask chaos`: the release binary among the troubles of a cluster.

use crate::{cargo, run as run_command, tools::Tools};

/// What the test reads its arguments from, one a line.
const ARGUMENTS: &str = "ENTRA_ROTATOR_CHAOS";
const TEST: &str = "real_api_server::operator::chaos::campaign";

/// Builds what is needed, and hands the arguments on.
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let tools = Tools::build_in_background()?;
    run_command(&mut cargo(&["build", "--release", "--package", "entra-rotator", "--bin", "entra-rotator"]))?;
    let folder = tools.folder()?;
    let operator = crate::root().join("target/release/entra-rotator");
    let mut given: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    given.push(format!("--operator={}", operator.display()));
    let mut test = cargo(&["test", "--workspace", "--test", "it", "--", "--ignored", "--exact", "--nocapture", TEST]);
    run_command(test.env(ARGUMENTS, given.join("\n")).env("KUBEBUILDER_ASSETS", folder))
}
