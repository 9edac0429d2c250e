//! The project's commands: `cargo xtask --help`. No dependencies, so that it starts at once on a clean clone.

mod chaos;
mod clients;
mod defects;
mod dependencies;
mod endure;
mod image;
mod installed;
mod model;
mod mutants;
mod report;
mod test;
mod tools;
mod tree;

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

const HELP: &str = "\
The commands of the project.

cargo xtask test [--fast] [--no-try]
    Runs every test there is: format, lints, tests, each pure crate on its own, documentation, dependencies, then the tests
    against a real Kubernetes API server, those with Microsoft's client libraries, and the demonstration. The first run also
    builds the API server from its sources with Go, which takes about ten minutes, installs cargo-deny if you have none, and
    the client libraries from PyPI and the npm registry; later runs find all of it in your cache folder. Stops at the first
    step that fails and says how to repeat that step alone.
        --fast     leaves out the real API server and the client libraries, and so needs no Go, Python or Node.
        --no-try   leaves out the demonstration, which takes about three minutes.

cargo xtask try [ARGUMENTS]
    Starts a Kubernetes API server and a Microsoft Entra that both live in this process, runs the operator against them, and
    shows how credentials are rotated every minute or so. Needs nothing but Rust and a C compiler. With --context NAME it takes
    place in your own cluster. Try `--help` for its arguments.

cargo xtask sim [ARGUMENTS]
    Runs the real reconcilers through everything that they do, in a simulated cluster against a simulated Entra, and has everything
    go wrong that can: without arguments two disturbances at every effect of every workflow, with --singles all of them, with --pairs
    two faults at a time, with --mixed an outage or an act of people and a fault, with --seeds N so many plans at random. What breaks
    a promise is made as small as it still does, and printed with the command that repeats it. Try `--help` for its arguments.

cargo xtask endure [ARGUMENTS]
    Lets the rotation protocol live through ten years of a thousand resources with credentials of seven days, amid random faults
    and disturbances, checks its promises at every step, and prints what was counted. Takes less than ten minutes on two cores.
    Fails if a promise was broken, and prints the command that runs just that part again. Try `--help` for its arguments.

cargo xtask chaos [--kills N] [--resources N] [--seed N] [--scenario NAME]... [--previous REVISION]
    Builds the release binary and runs it on a real Kubernetes API server against an emulated Entra, through relays that it steers:
    killed at 100 random moments of a roll-out of 200 credentials, stopped for longer than its Lease while another replica takes over,
    its connections cut or swallowed, etcd killed or put back, the certificates of the API server and its own tokens replaced. After each
    scenario everything must be as if nothing had happened. Prints figures, and how to repeat a run. Takes about half an hour.
        --kills N        how often the operator is killed; 100 if not given.
        --resources N    how many credentials are rolled out; 200 if not given, and at most 60 but for the kills.
        --seed N         chooses the moments; printed if not given.
        --scenario NAME  undisturbed, kills, renewals, upgrades, pauses, cuts, holes, etcd, restored, certificates or tokens; all if not given.
        --previous REVISION
                         builds the operator of this revision of git as well: in `upgrades`, which is left out without it, one takes the
                         place of the other by turns.

cargo xtask model [ARGUMENTS]
    Searches every state that the rotation rules can reach in a small world of two processes, people, lost answers and lagging
    replicas, within bounds that it states, and checks the promises in each of them. The first run builds it with optimisation,
    which takes about two minutes. Try `--help` for its arguments, and `--list` for the scenarios.

cargo xtask tools
    Builds etcd, kube-apiserver, kube-controller-manager, kubectl and helm if they are missing, and prints their folder.
    Where the variable KUBEBUILDER_ASSETS names a folder, programs are taken from there.

cargo xtask advisories
    Checks the dependencies against the advisories of RustSec. Unlike the same step of cargo xtask test, this fails where the database cannot be
    fetched from github.com.

cargo xtask binary
    Builds the binary as the image holds it, for x86_64-unknown-linux-musl, and checks that it needs nothing beside it: no interpreter, no shared
    library, no executable stack. Needs that target (rustup target add) and a C compiler for musl: install musl-gcc, or name another by the
    variables CC_x86_64_unknown_linux_musl and CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER.

cargo xtask clients
    Installs msal, azure-identity and @azure/identity if they are missing, and prints their folder. Needs Python 3.11 with venv,
    and Node 20 with npm. To run the tests with them: ENTRA_ROTATOR_CLIENTS=$(cargo xtask clients) cargo test --test it real_clients::

cargo xtask defects [WORDS]
    Plants the defects that lie as patches in defects/, one after the other in a copy of the tree, and shows that the plan that
    each of them names fails by it. Prints what caught each defect, and fails if one is not caught. With WORDS, plants those
    whose names contain one of them.

cargo xtask mutants [ARGUMENTS]
    Changes every function of crates/rotation in every way that cargo-mutants knows, in a copy of the tree, and shows for which
    changes no test fails. All changes are built in at once and chosen when a test runs, and each is tried with the tests that
    come by it only; the few for which that cannot be done are built one by one. Prints a table by file and the survivors, and
    fails if one of them is not explained in .cargo/mutants-explained.txt. The first run installs cargo-mutants into your cache
    folder, which takes about three minutes. The arguments are those of `cargo mutants` that choose among the changes:
    `--file 'crates/rotation/src/removal.rs'` takes those of one file, `--shard 0/8` an eighth of all, `--list` only names them;
    what is left out, and why, stands in .cargo/mutants.toml. With `--quick` as well, the tests that go through every fault of a
    course are left out.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        []
        | ["help" | "--help" | "-h", ..]
        | ["test" | "chaos" | "tools" | "clients" | "defects" | "mutants" | "advisories" | "binary", "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        ["test", options @ ..] => test::Options::parse(options).and_then(|options| test::run(&options)),
        ["chaos", arguments @ ..] => chaos::run(arguments),
        ["tools"] => tools::Tools::build_in_background().and_then(tools::Tools::folder).map(|folder| println!("{folder}")),
        ["advisories"] => dependencies::advisories().and_then(|found| match found {
            dependencies::Advisories::Clean => Ok(()),
            dependencies::Advisories::Unknown => Err("the advisory database can neither be fetched nor is it here".to_owned()),
        }),
        ["binary"] => image::check(),
        ["clients"] => clients::install().map(|folder| println!("{}", folder.display())),
        ["sim", arguments @ ..] => run(cargo(&["run", "--package", "simulator", "--"]).args(arguments)),
        ["endure", arguments @ ..] => run(&mut endure::command(arguments)),
        ["defects", words @ ..] => defects::run(words),
        ["mutants", arguments @ ..] => mutants::run(arguments),
        ["until-failure", arguments @ ..] => mutants::until_failure(arguments),
        ["model", arguments @ ..] => run(&mut model::command(arguments)),
        ["try", arguments @ ..] => run(&mut try_command(arguments)),
        [unknown, ..] => Err(format!("there is no command {unknown}, or not with these arguments: see cargo xtask --help")),
    };
    let Err(why) = done else { return ExitCode::SUCCESS };
    eprintln!("xtask: {why}");
    ExitCode::FAILURE
}

/// The demonstration, as a command.
fn try_command(arguments: &[&str]) -> Command {
    let mut command = cargo(&["run", "--package", "entra-rotator", "--example", "try", "--"]);
    command.args(arguments);
    command
}

/// Cargo, in the root of the workspace.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command to its end; what it says goes where ours goes.
fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| format!("cannot run {program}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} ended with {status}")) }
}

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
