//! `cargo xtask test`: every test there is.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command},
};

use crate::{cargo, clients, dependencies, report::Report, run as run_command, tools::Tools, try_command};

/// The tests against a real API server are those whose path starts so.
const REAL_API_SERVER: &str = "real_api_server::";
/// Those with client libraries of others, likewise.
const REAL_CLIENTS: &str = "real_clients::";

/// What to leave out.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    fast: bool,
    no_try: bool,
}

impl Options {
    /// Reads the arguments after `test`.
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        for argument in arguments {
            match *argument {
                "--fast" => options.fast = true,
                "--no-try" => options.no_try = true,
                unknown => return Err(format!("test does not know {unknown}: see cargo xtask --help")),
            }
        }
        Ok(options)
    }
}

/// Runs the steps up to the first that fails, and prints how long each took.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let mut report = Report::default();
    let done = steps(options, &mut report);
    eprintln!("{report}\n");
    done
}

fn steps(options: &Options, report: &mut Report) -> Result<(), String> {
    // Go compiles while Rust does; what it makes is needed last.
    let tools = if options.fast { None } else { Some(Tools::build_in_background()?) };
    for (step, arguments) in CARGO_STEPS {
        report.run(step, || told(&mut cargo(arguments)))?;
    }
    report.run("documentation", || told(cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings")))?;
    report.run("dependencies", dependencies::check)?;
    report.run("advisories", look_for_advisories)?;
    // Most of it is waiting, and so is most of what follows.
    let demonstration = if options.no_try { None } else { Some(Demonstration::begin()?) };
    if let Some(tools) = tools {
        let mut folder = String::new();
        report.run("wait for the control plane", || tools.folder().map(|built| folder = built))?;
        report.run("real API server", || integration(REAL_API_SERVER, "KUBEBUILDER_ASSETS", &folder))?;
        report.run("install clients", || clients::install().map(|installed| folder = installed.display().to_string()))?;
        report.run("real clients", || integration(REAL_CLIENTS, "ENTRA_ROTATOR_CLIENTS", &folder))?;
    }
    if let Some(demonstration) = demonstration {
        report.run("wait for the demonstration", || demonstration.end())?;
    }
    Ok(())
}

/// `cargo xtask try`, which goes on beside other steps and tells its story at the end. Given up with them, should they fail.
struct Demonstration {
    process: Child,
    story: PathBuf,
}

impl Demonstration {
    fn begin() -> Result<Self, String> {
        let story = crate::root().join("target/demonstration.log");
        let file = File::create(&story).map_err(|error| format!("cannot write {}: {error}", story.display()))?;
        let errors = file.try_clone().map_err(|error| format!("cannot write {}: {error}", story.display()))?;
        let process = try_command(&[]).stdout(file).stderr(errors).spawn();
        Ok(Self { process: process.map_err(|error| format!("cannot run cargo: {error}"))?, story })
    }

    fn end(mut self) -> Result<(), String> {
        let status = self.process.wait().map_err(|error| format!("cannot wait for cargo: {error}"))?;
        eprintln!("{}", fs::read_to_string(&self.story).unwrap_or_default());
        if status.success() { Ok(()) } else { Err(format!("cargo ended with {status}. To repeat it: cargo xtask try")) }
    }
}

impl Drop for Demonstration {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

const CARGO_STEPS: [(&str, &[&str]); 5] = [
    ("format", &["fmt", "--all", "--check"]),
    ("lint", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    ("test", &["test", "--workspace", "--", "--skip", REAL_API_SERVER, "--skip", REAL_CLIENTS]),
    ("rotation alone", &["check", "--package", "rotation"]),
    ("entra alone", &["check", "--package", "entra"]),
];

/// Where the advisories cannot be had, that is said and the rest goes on: no change of ours could mend it.
fn look_for_advisories() -> Result<(), String> {
    if dependencies::advisories()? == dependencies::Advisories::Unknown {
        eprintln!(
            "    NOT CHECKED: the database of known vulnerabilities on github.com cannot be fetched. Run cargo xtask advisories where it can be."
        );
    }
    Ok(())
}

/// Runs the tests whose path starts so, which find what they need by a variable.
fn integration(tests: &str, variable: &str, folder: &str) -> Result<(), String> {
    // Of the whole workspace, as before: another choice of packages has other features, and everything would be built anew.
    let mut command = cargo(&["test", "--workspace", "--", tests]);
    told(command.env(variable, folder))
}

/// Says what it runs first: whoever sees it fail can repeat it alone.
fn told(command: &mut Command) -> Result<(), String> {
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let variables = variables.map(|(name, value)| format!("{}={:?} ", name.display(), value));
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    let line = format!("{}cargo {}", variables.collect::<String>(), arguments.join(" "));
    eprintln!("    {line}");
    run_command(command).map_err(|why| format!("{why}. To repeat it: {line}"))
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn options_say_what_to_leave_out() {
        assert_eq!(Options::parse(&[]), Ok(Options::default()));
        assert_eq!(Options::parse(&["--no-try", "--fast"]), Ok(Options { fast: true, no_try: true }));
    }

    #[test]
    fn an_unknown_option_is_refused() {
        let why = Options::parse(&["--quick"]).err();
        assert_eq!(why.as_deref(), Some("test does not know --quick: see cargo xtask --help"));
    }
}
