//! `cargo xtask mutants`: whether the tests of the rotation protocol notice a change of any of its functions.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use crate::{installed, tree};

const VERSION: &str = "27.1.0";

/// Tests that go through every fault at every effect, or every moment, of a course, by parts of their names: they come last.
const LONG: [&str; 11] = [
    "every_fault",
    "every_pair",
    "any_two",
    "any_moment",
    "whims::",
    "properties::",
    "lose_nothing",
    "faults_are_survived",
    "year",
    "outage_past",
    "a_lost_",
];

/// Leaves the long ones out: a change that survives the others is one to look at, and may still be noticed by these.
const QUICK: &str = "--quick";

/// Seconds of processor time after which a mutant is stopped that makes a test run for ever; the tests take a tenth of that.
const PATIENCE: u32 = 900;

const OUTCOMES: [(&str, &str); 4] =
    [("caught", "caught.txt"), ("survived", "missed.txt"), ("endless", "timeout.txt"), ("unviable", "unviable.txt")];

/// Runs cargo-mutants with `.cargo/mutants.toml` and these arguments on a copy of the tree, and prints how many mutants were caught.
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let (quick, arguments): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|argument| **argument == QUICK);
    let program = installed::program("cargo-mutants", VERSION, "about three minutes")?;
    let tree = tree::copy("mutants")?;
    spell_out(&tree.join("crates/rotation/src")).map_err(|error| format!("cannot change the copy of the tree: {error}"))?;
    let output = tree.with_file_name("out");
    fs::create_dir_all(&output).map_err(|error| format!("cannot make {}: {error}", output.display()))?;
    let mut command = Command::new(program);
    command.args(["mutants", "--in-place", "--package", "rotation", "--dir"]).arg(&tree).arg("--output").arg(&output);
    command.arg(format!("--cargo-arg=--config={}", runner(!quick.is_empty())?)).args(arguments);
    command.env("CARGO_TARGET_DIR", tree.with_file_name("build")).current_dir(&tree);
    let done = crate::run(&mut command);
    println!("\n{}", table(&output.join("mutants.out")));
    done
}

/// cargo-mutants knows a `Result` by that name only: without it no rule would ever be skipped.
fn spell_out(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            spell_out(&path)?;
        } else {
            fs::write(&path, as_results(&fs::read_to_string(&path)?))?;
        }
    }
    Ok(())
}

/// `-> Check<T>` as the type that it stands for.
fn as_results(source: &str) -> String {
    let mut parts = source.split("-> Check");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let of = part.find(" {").map_or("", |end| &part[..end]);
        match (of, of.strip_prefix('<').and_then(|of| of.strip_suffix('>'))) {
            ("", _) if part.starts_with(" {") => text += &format!("-> Result<(), crate::check::Halt>{part}"),
            (_, Some(inner)) => text += &format!("-> Result<{inner}, crate::check::Halt>{}", &part[of.len()..]),
            _ => text += &format!("-> Check{part}"),
        }
    }
    text
}

/// Lets this program run the tests, so that it can stop at the first that fails.
fn runner(quick: bool) -> Result<String, String> {
    let own = env::current_exe().map_err(|error| format!("cannot find myself: {error}"))?;
    let how = if quick { QUICK } else { "--all" };
    Ok(format!("target.'cfg(all())'.runner=[{:?}, \"until-failure\", {how:?}]", own.display().to_string()))
}

/// Runs the tests of a binary, the long ones last or not at all, up to the first that fails.
pub(crate) fn until_failure(arguments: &[&str]) -> Result<(), String> {
    let [how, binary, arguments @ ..] = arguments else { return Err("until-failure needs the binary with the tests".to_owned()) };
    let short: Vec<&str> = LONG.iter().flat_map(|part| ["--skip", part]).collect();
    test(binary, arguments, &short)?;
    if *how == QUICK { Ok(()) } else { test(binary, arguments, &LONG) }
}

fn test(binary: &str, arguments: &[&str], selection: &[&str]) -> Result<(), String> {
    let limited = format!("ulimit -t {PATIENCE} && exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limited, binary]).args(arguments).args(selection).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot run {binary}: {error}"))?;
    let lines = child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines().map_while(Result::ok));
    for line in lines {
        println!("{line}");
        if line.ends_with("... FAILED") {
            child.kill().and_then(|()| child.wait()).map_err(|error| format!("cannot stop {binary}: {error}"))?;
            return Err(format!("{binary}: {line}"));
        }
    }
    let status = child.wait().map_err(|error| format!("cannot wait for {binary}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{binary} ended with {status}")) }
}

/// How many mutants of each file ended in which way.
fn table(folder: &Path) -> String {
    let mut counts: BTreeMap<String, [usize; OUTCOMES.len()]> = BTreeMap::new();
    for (column, (_, name)) in OUTCOMES.iter().enumerate() {
        for mutant in fs::read_to_string(folder.join(name)).unwrap_or_default().lines() {
            let file = mutant.split(':').next().unwrap_or_default();
            for row in [file, "total"] {
                counts.entry(row.to_owned()).or_default()[column] += 1;
            }
        }
    }
    let width = counts.keys().map(String::len).max().unwrap_or(0);
    let head = OUTCOMES.map(|(title, _)| format!("{title:>9}")).concat();
    let (files, total): (Vec<_>, Vec<_>) = counts.iter().partition(|(file, _)| *file != "total");
    let row = |(file, counts): &(&String, &[usize; OUTCOMES.len()])| {
        format!("\n{file:width$}{}", counts.map(|count| format!("{count:>9}")).concat())
    };
    let rows: String = files.iter().chain(&total).map(row).collect();
    format!("{:width$}{head}{rows}", "file")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::{as_results, table};

    #[test]
    fn what_a_rule_answers_is_spelt_out() {
        let source = "type Rule = fn() -> Check;\nfn a() -> Check {\n}\nfn b() -> Check<Option<Projection>> {\n}\n";
        let spelt = "type Rule = fn() -> Check;\nfn a() -> Result<(), crate::check::Halt> {\n}\nfn b() -> Result<Option<Projection>, crate::check::Halt> {\n}\n";
        assert_eq!(as_results(source), spelt);
    }

    #[test]
    fn the_table_counts_the_mutants_of_each_file_by_their_end() {
        let folder = std::env::temp_dir().join(format!("xtask-mutants-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("caught.txt"), "src/op.rs:1:2: replace a\nsrc/id.rs:1:2: replace b\nsrc/op.rs:3:2: replace c\n").unwrap();
        fs::write(folder.join("missed.txt"), "src/op.rs:9:9: replace d\n").unwrap();
        let table = table(&folder);
        fs::remove_dir_all(&folder).unwrap();
        let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(rows, [["src/id.rs", "1", "0", "0", "0"], ["src/op.rs", "2", "1", "0", "0"], ["total", "3", "1", "0", "0"]]);
    }
}
