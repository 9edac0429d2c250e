//! `cargo xtask model`: the search over the rotation rules, with optimisation.

use std::process::Command;

/// The search, as a command. It says itself what it does with its arguments.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = crate::cargo(&["run", "--release", "--quiet", "--package", "model", "--"]);
    command.args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn the_search_runs_optimised_with_the_arguments_as_given() {
        let command = command(&["--scenario", "pins"]);
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
        assert_eq!(arguments, ["run", "--release", "--quiet", "--package", "model", "--", "--scenario", "pins"]);
    }
}
