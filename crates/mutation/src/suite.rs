//! The tests: how long each takes, and which mutants it comes by.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rayon::prelude::*;

use crate::Failed;
use crate::compile::Binary;

/// Kilobytes of memory for one process: a mutant may make a test allocate without end.
const MEMORY: u32 = 4_000_000;

/// One test.
pub(crate) struct Test {
    pub(crate) binary: usize,
    pub(crate) name: String,
    pub(crate) takes: Duration,
}

/// All tests, the quickest first.
pub(crate) struct Suite {
    pub(crate) binaries: Vec<Binary>,
    pub(crate) tests: Vec<Test>,
    /// The tests that come by a mutant, by its number; each by its place in `tests`.
    pub(crate) reach: BTreeMap<usize, Vec<usize>>,
}

/// How a process with tests ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Passed,
    /// This test failed, or the process ended within it.
    Failed(String),
    /// It was stopped after its time.
    Endless,
}

impl Suite {
    /// Runs every test alone. Leaves out those whose names contain one of these words.
    pub(crate) fn record(binaries: Vec<Binary>, without: &[String], scratch: &Path) -> Result<Self, Failed> {
        let mut names = Vec::new();
        for (number, binary) in binaries.iter().enumerate() {
            names.extend(list(binary)?.into_iter().map(|name| (number, name)));
        }
        names.retain(|(_, name)| !without.iter().any(|word| name.contains(word.as_str())));
        eprintln!("{} tests are run one by one, to see how long each takes and what it comes by", names.len());
        let run = |(at, (binary, name)): (usize, &(usize, String))| {
            let (takes, reached) = record(&binaries[*binary], name, &scratch.join(at.to_string()))?;
            Ok((Test { binary: *binary, name: name.clone(), takes }, reached))
        };
        let mut recorded = names.par_iter().enumerate().map(run).collect::<Result<Vec<_>, Failed>>()?;
        recorded.sort_by_key(|(test, _)| test.takes);
        let mut reach: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, (_, reached)) in recorded.iter().enumerate() {
            reached.iter().for_each(|number| reach.entry(*number).or_default().push(at));
        }
        Ok(Self { binaries, tests: recorded.into_iter().map(|(test, _)| test).collect(), reach })
    }

    /// The tests that come by a mutant, in the groups in which they are run with it.
    pub(crate) fn groups_of(&self, number: usize) -> Vec<&[usize]> {
        let tests = self.reach.get(&number).map(Vec::as_slice).unwrap_or_default();
        groups(tests, |test| self.tests[*test].takes)
    }

    /// Runs a group of tests with a mutant, up to the first that fails.
    pub(crate) fn try_mutant(&self, number: usize, group: &[usize]) -> Result<End, Failed> {
        for (at, binary) in self.binaries.iter().enumerate() {
            let own: Vec<&Test> = group.iter().map(|test| &self.tests[*test]).filter(|test| test.binary == at).collect();
            let names: Vec<&str> = own.iter().map(|test| test.name.as_str()).collect();
            let takes: Duration = own.iter().map(|test| test.takes).sum();
            match if names.is_empty() { End::Passed } else { run(binary, &names, number, takes)? } {
                End::Passed => {}
                end => return Ok(end),
            }
        }
        Ok(End::Passed)
    }
}

/// Each group takes several times as long as the ones before it: most mutants fail by the first.
fn groups<T>(tests: &[T], takes: impl Fn(&T) -> Duration) -> Vec<&[T]> {
    let (mut groups, mut rest, mut budget) = (Vec::new(), tests, Duration::from_millis(200));
    while !rest.is_empty() {
        let mut spent = Duration::ZERO;
        let mut fits = |test: &T| {
            spent += takes(test);
            spent <= budget
        };
        let count = rest.iter().map_while(|test| fits(test).then_some(())).count().max(1);
        let (group, others) = rest.split_at(count);
        groups.push(group);
        (rest, budget) = (others, budget * 5);
    }
    groups
}

fn list(binary: &Binary) -> Result<Vec<String>, Failed> {
    let mut command = Command::new(&binary.path);
    let output = command.args(["--list", "--format", "terse"]).current_dir(&binary.folder).output();
    let output = output.map_err(|error| Failed(format!("cannot run {}: {error}", binary.path.display())))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

/// The processor time that a test takes, as others may keep the machine busy, and what it comes by.
fn record(binary: &Binary, name: &str, file: &Path) -> Result<(Duration, Vec<usize>), Failed> {
    let mut command = Command::new("sh");
    command.args(["-c", "\"$0\" \"$@\" 2>&1; ended=$?; times >&2; exit $ended"]).arg(&binary.path).args(["--exact", name]);
    command.current_dir(&binary.folder).env("MUTANT_RECORD", file).env_remove("MUTANT");
    let output = command.output().map_err(|error| Failed(format!("cannot run {}: {error}", binary.path.display())))?;
    if !output.status.success() {
        return Err(Failed(format!("even undisturbed, {name} fails:\n{}", String::from_utf8_lossy(&output.stdout))));
    }
    let text = fs::read_to_string(file).unwrap_or_default();
    let range = |line: &str| {
        let (first, last) = line.split_once(' ')?;
        Some(first.parse::<usize>().ok()?..=last.parse().ok()?)
    };
    let takes = processor_time(&String::from_utf8_lossy(&output.stderr));
    Ok((takes, text.lines().filter_map(range).flatten().collect()))
}

/// What `times` of the shell says of the processes that it started: user and system time, in its second line.
fn processor_time(times: &str) -> Duration {
    let seconds = |word: &str| {
        let (minutes, seconds) = word.trim_end_matches('s').split_once('m')?;
        Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
    };
    let words = times.lines().nth(1).unwrap_or_default().split_whitespace();
    Duration::try_from_secs_f64(words.filter_map(seconds).sum()).unwrap_or_default()
}

/// Ends at the first test that fails.
fn run(binary: &Binary, names: &[&str], number: usize, takes: Duration) -> Result<End, Failed> {
    let limits = format!("ulimit -t {}; ulimit -v {MEMORY}; exec \"$0\" \"$@\"", takes.as_secs() * 10 + 5);
    let mut command = Command::new("sh");
    command.args(["-c", &limits]).arg(&binary.path).args(["--exact", "--test-threads=1"]).args(names);
    command.current_dir(&binary.folder).env("MUTANT", number.to_string()).env("RUST_BACKTRACE", "0");
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let error = |error: std::io::Error| Failed(format!("cannot run {}: {error}", binary.path.display()));
    let mut child = command.spawn().map_err(error)?;
    let lines = child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines().map_while(Result::ok));
    let mut last = String::new();
    for line in lines {
        if let Some(name) = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED")) {
            child.kill().and_then(|()| child.wait()).map_err(error)?;
            return Ok(End::Failed(name.to_owned()));
        }
        last = line;
    }
    let status = child.wait().map_err(error)?;
    Ok(match status.signal() {
        _ if status.success() => End::Passed,
        Some(9 | 24) => End::Endless,
        _ => End::Failed(last.strip_prefix("test ").and_then(|line| line.split(" ...").next()).unwrap_or("a test").to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_tells_the_processor_time_of_what_it_started() {
        assert_eq!(processor_time("0m0.002s 0m0.001s\n1m2.500s 0m0.250s\n"), Duration::from_millis(62_750));
    }

    #[test]
    fn tests_come_in_groups_of_which_each_may_take_five_times_the_one_before() {
        let takes = [50, 100, 100, 800, 100, 4_000, 60_000, 1];
        let found = groups(&takes, |takes| Duration::from_millis(*takes));
        assert_eq!(found, [&[50, 100][..], &[100, 800, 100][..], &[4_000], &[60_000], &[1]]);
    }
}
