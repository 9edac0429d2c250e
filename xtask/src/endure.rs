//! `cargo xtask endure`: ten years of a thousand resources.

use std::process::Command;

use crate::cargo;

/// The program, built for speed, with these arguments.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = cargo(&["run", "--release", "--quiet", "--package", "rotation-sim", "--bin", "endure", "--"]);
    command.args(arguments);
    command
}
