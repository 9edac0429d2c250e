//! `cargo xtask defects`: whether the oracles see. Each patch in `defects/` plants one defect, and the plan that it names must fail by it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::tree;

const FOLDER: &str = "defects";
/// Seconds of processor time for one process of a plan: a defect may make it run for ever.
const PATIENCE: u32 = 900;
/// What a defect of the operator changes is built anew for each: not optimised, that takes half as long.
const UNOPTIMISED: [&str; 2] = ["entra", "entra-rotator"];
/// Of what an oracle said, the table shows so much.
const SAID: usize = 100;

/// One patch.
struct Defect {
    name: String,
    patch: PathBuf,
    /// What is wrong.
    what: String,
    /// The arguments of cargo that run the plan.
    plan: Vec<String>,
}

/// How a plan ended.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// Nothing failed.
    Passed,
    /// This test failed and said this.
    Failed { test: String, said: String },
    /// There was nothing to run, and this is why.
    Broken(String),
}

struct Row {
    name: String,
    verdict: Verdict,
    took: Duration,
}

/// Plants the defects whose names contain one of these words, or all, one after the other in a copy of the tree.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let mut defects = all(&crate::root())?;
    defects.retain(|defect| words.is_empty() || words.iter().any(|word| defect.name.contains(word)));
    if defects.is_empty() {
        return Err(format!("no defect in {FOLDER}/ has a name with {}", words.join(" or ")));
    }
    undisturbed(&defects)?;
    let mut rows = Vec::new();
    for (number, defect) in defects.iter().enumerate() {
        eprintln!("[{}/{}] {}: {}", number + 1, defects.len(), defect.name, defect.what);
        let row = plant(defect)?;
        eprintln!("        {} in {:.0} s", row.verdict, row.took.as_secs_f32());
        rows.push(row);
    }
    tree::copy(FOLDER)?;
    println!("{}", table(&rows));
    let unseen: Vec<&str> = rows.iter().filter(|row| !row.is_caught()).map(|row| row.name.as_str()).collect();
    println!("\n{} of {} planted defects were caught.", rows.len() - unseen.len(), rows.len());
    if unseen.is_empty() { Ok(()) } else { Err(format!("not caught: {}", unseen.join(", "))) }
}

/// A plan that fails anyway shows nothing. Plans that differ only in the tests that they choose are carried out together.
fn undisturbed(defects: &[Defect]) -> Result<(), String> {
    let tree = tree::copy(FOLDER)?;
    let mut plans: BTreeMap<&[String], BTreeSet<&String>> = BTreeMap::new();
    for defect in defects {
        let (command, tests) =
            defect.plan.split_at(defect.plan.iter().position(|word| word == "--").map_or(defect.plan.len(), |at| at + 1));
        plans.entry(command).or_default().extend(tests);
    }
    for (number, (command, tests)) in plans.iter().enumerate() {
        let (start, plan) = (Instant::now(), command.iter().chain(tests.iter().copied()).cloned().collect::<Vec<_>>());
        eprintln!("[{}/{}] undisturbed: cargo {}", number + 1, plans.len(), plan.join(" "));
        match carry_out(&tree, &plan)? {
            Verdict::Passed => eprintln!("        passed in {:.0} s", start.elapsed().as_secs_f32()),
            verdict => return Err(format!("without any defect, cargo {} {verdict}", plan.join(" "))),
        }
    }
    Ok(())
}

fn plant(defect: &Defect) -> Result<Row, String> {
    let start = Instant::now();
    let tree = tree::copy(FOLDER)?;
    apply(&tree, &defect.patch, &[])?;
    let verdict = carry_out(&tree, &defect.plan)?;
    Ok(Row { name: defect.name.clone(), verdict, took: start.elapsed() })
}

/// Outside of any repository, as git would leave out what a patch changes elsewhere in one.
fn apply(tree: &Path, patch: &Path, options: &[&str]) -> Result<(), String> {
    let mut git = Command::new("git");
    git.arg("apply").args(options).arg(patch).current_dir(tree).env("GIT_CEILING_DIRECTORIES", tree.parent().unwrap_or(tree));
    let output = git.output().map_err(|error| format!("cannot run git: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{} does not apply: {}", patch.display(), String::from_utf8_lossy(&output.stderr).trim()))
}

/// Runs a plan up to its first test that fails.
fn carry_out(tree: &Path, plan: &[String]) -> Result<Verdict, String> {
    let limited = format!("ulimit -t {PATIENCE} && exec \"$0\" \"$@\" 2>&1");
    let mut command = Command::new("sh");
    command.args(["-c", &limited, "cargo"]).current_dir(tree).stdout(Stdio::piped()).process_group(0);
    command.args(UNOPTIMISED.iter().flat_map(|package| ["--config".to_owned(), format!("profile.dev.package.{package}.opt-level=0")]));
    command.args(plan);
    command.env("CARGO_TARGET_DIR", tree.with_file_name("build")).env("CARGO_TERM_COLOR", "never").env("RUST_TEST_NOCAPTURE", "1");
    let mut child = command.spawn().map_err(|error| format!("cannot run cargo: {error}"))?;
    let lines = child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines().map_while(Result::ok));
    let mut told = Told::default();
    for line in lines {
        told.hear(&line);
        if told.failed.is_some() {
            end(&child)?;
            break;
        }
    }
    let status = child.wait().map_err(|error| format!("cannot wait for cargo: {error}"))?;
    Ok(told.verdict(status.success()))
}

/// Ends a plan with everything that it started.
fn end(plan: &Child) -> Result<(), String> {
    crate::run(Command::new("kill").args(["-KILL", "--", &format!("-{}", plan.id())]))
}

/// What a plan has said of itself so far.
#[derive(Default)]
struct Told {
    ran: bool,
    error: Option<String>,
    said: Option<String>,
    failed: Option<String>,
    panics: bool,
}

impl Told {
    fn hear(&mut self, line: &str) {
        self.ran |= line.starts_with("running ") && !line.starts_with("running 0 ");
        if self.error.is_none() && line.starts_with("error") {
            self.error = Some(line.to_owned());
        }
        if self.panics && self.said.is_none() {
            self.said = Some(line.chars().take(SAID).collect());
        }
        self.panics = line.contains(" panicked at ");
        self.failed = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED")).map(str::to_owned);
    }

    /// A defect counts as caught by a test that failed, not by code that does not build.
    fn verdict(self, success: bool) -> Verdict {
        match self.failed {
            Some(test) => Verdict::Failed { test, said: self.said.unwrap_or_default() },
            None if success && self.ran => Verdict::Passed,
            None if success => Verdict::Broken("ran no test".to_owned()),
            None => Verdict::Broken(format!("did not come to a test: {}", self.error.as_deref().unwrap_or("it was stopped"))),
        }
    }
}

/// The patches, in the order of their numbers.
fn all(root: &Path) -> Result<Vec<Defect>, String> {
    let folder = root.join(FOLDER);
    let listed = fs::read_dir(&folder).map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    let mut patches: Vec<PathBuf> = listed.filter_map(|entry| Some(entry.ok()?.path())).collect();
    patches.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
    patches.sort();
    patches.iter().map(|patch| read(patch)).collect()
}

fn read(patch: &Path) -> Result<Defect, String> {
    let patch = patch.canonicalize().map_err(|error| format!("cannot find {}: {error}", patch.display()))?;
    let text = fs::read_to_string(&patch).map_err(|error| format!("cannot read {}: {error}", patch.display()))?;
    let head = |word: &str| {
        let line = text.lines().take_while(|line| !line.starts_with("diff ")).find_map(|line| line.strip_prefix(word));
        line.map(|line| line.trim().to_owned()).ok_or_else(|| format!("{} has no head line {word}", patch.display()))
    };
    head("Breaks:")?;
    let plan = head("Plan:")?;
    let Some(plan) = plan.strip_prefix("cargo ") else { return Err(format!("{}: a plan is a command of cargo", patch.display())) };
    let name = patch.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Defect { name, what: head("What:")?, plan: plan.split_whitespace().map(str::to_owned).collect(), patch })
}

impl Row {
    fn is_caught(&self) -> bool {
        matches!(self.verdict, Verdict::Failed { .. })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => write!(f, "NOT CAUGHT: the plan passed"),
            Self::Failed { test, said } => write!(f, "caught by {test}: {said}"),
            Self::Broken(why) => write!(f, "NOT CAUGHT: the plan {why}"),
        }
    }
}

fn table(rows: &[Row]) -> String {
    let caught_by = |row: &Row| match &row.verdict {
        Verdict::Failed { test, .. } => test.clone(),
        Verdict::Passed | Verdict::Broken(_) => "NOT CAUGHT".to_owned(),
    };
    let said = |row: &Row| match &row.verdict {
        Verdict::Failed { said, .. } => said.clone(),
        verdict => verdict.to_string(),
    };
    let width = |column: &dyn Fn(&Row) -> String, title: &str| rows.iter().map(|row| column(row).len()).max().unwrap_or(0).max(title.len());
    let (names, tests) = (width(&|row| row.name.clone(), "defect"), width(&caught_by, "caught by"));
    let line = |row: &Row| format!("\n{:names$}  {:>7.1}  {:tests$}  {}", row.name, row.took.as_secs_f32(), caught_by(row), said(row));
    let rows: String = rows.iter().map(line).collect();
    format!("\n{:names$}  seconds  {:tests$}  what the oracle said{rows}", "defect", "caught by")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_applies_to_the_tree_and_says_what_it_breaks() {
        let root = crate::root().canonicalize().unwrap();
        let defects = all(&root).unwrap();
        assert!(defects.len() >= 30, "{} defects", defects.len());
        let drifted: Vec<String> = defects.iter().filter_map(|defect| apply(&root, &defect.patch, &["--check"]).err()).collect();
        assert!(drifted.is_empty(), "{}", drifted.join("\n"));
    }

    fn judge(success: bool, text: &str) -> Verdict {
        let mut told = Told::default();
        for line in text.lines() {
            if told.failed.is_none() {
                told.hear(line);
            }
        }
        told.verdict(success)
    }

    #[test]
    fn a_defect_is_caught_by_a_test_that_fails() {
        let text = "running 2 tests\ntest a::b ... ok\nthread 'a::c' (7) panicked at t.rs:1:2:\na gap at noon\ntest a::c ... FAILED\n";
        let caught = Verdict::Failed { test: "a::c".to_owned(), said: "a gap at noon".to_owned() };
        assert_eq!(judge(false, text), caught);
    }

    #[test]
    fn a_defect_that_does_not_build_is_not_caught() {
        let verdict = judge(false, "   Compiling rotation\nerror[E0425]: cannot find value\nerror: could not compile `rotation`\n");
        assert_eq!(verdict, Verdict::Broken("did not come to a test: error[E0425]: cannot find value".to_owned()));
    }

    #[test]
    fn a_plan_without_a_test_shows_nothing() {
        assert_eq!(judge(true, "running 0 tests\n"), Verdict::Broken("ran no test".to_owned()));
        assert_eq!(judge(true, "running 0 tests\n\nrunning 3 tests\n"), Verdict::Passed);
    }
}
