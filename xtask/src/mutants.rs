//! `cargo xtask mutants`: whether the tests of the rotation protocol notice a change of any of its functions.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{BufRead as _, BufReader, ErrorKind},
    path::{Path, PathBuf},
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

/// Survivors that no test can notice or need notice: each group of lines under the reason why.
const EXPLAINED: &str = ".cargo/mutants-explained.txt";

/// Tries the mutants of crates/rotation that these arguments of cargo-mutants choose, in a copy of the tree, and prints how many were caught.
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let (quick, arguments): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|argument| **argument == QUICK);
    let program = installed::program("cargo-mutants", VERSION, "about three minutes")?;
    let place = Place::prepare()?;
    let mut list = place.cargo_mutants(&program, &arguments);
    if arguments.contains(&"--list") {
        return crate::run(&mut list);
    }
    let output = list.args(["--list", "--json"]).output().map_err(|error| format!("cannot run cargo-mutants: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo-mutants ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()));
    }
    fs::write(place.output.join("list.json"), output.stdout).map_err(|error| format!("cannot write the list of mutants: {error}"))?;
    crate::run(&mut place.all_at_once(!quick.is_empty()))?;
    place.one_by_one(&program, !quick.is_empty())?;
    let folders = [place.output.clone(), place.output.join("mutants.out")];
    println!("\n{}", table(&folders));
    judge(&folders)
}

/// Where mutants are tried.
struct Place {
    tree: PathBuf,
    build: PathBuf,
    output: PathBuf,
}

impl Place {
    fn prepare() -> Result<Self, String> {
        let tree = fresh_tree()?;
        let (build, output) = (tree.with_file_name("build"), tree.with_file_name("out"));
        // What an earlier run found is not what this one does.
        let emptied = fs::remove_dir_all(&output).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) });
        emptied.and_then(|()| fs::create_dir_all(&output)).map_err(|error| format!("cannot empty {}: {error}", output.display()))?;
        Ok(Self { tree, build, output })
    }

    fn cargo_mutants(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(["mutants", "--package", "rotation", "--dir"]).arg(&self.tree).args(arguments).current_dir(&self.tree);
        command
    }

    /// All that can be chosen between when a test runs.
    fn all_at_once(&self, quick: bool) -> Command {
        let mut command = crate::cargo(&["run", "--quiet", "--package", "mutation", "--", "--package", "crates/rotation", "--tree"]);
        command.arg(&self.tree).arg("--list").arg(self.output.join("list.json")).arg("--output").arg(&self.output);
        if quick {
            command.args(LONG.iter().flat_map(|part| ["--without", part]));
        }
        command.args(["--", "--package", "rotation", "--profile", "mutants", "--target-dir"]).arg(&self.build);
        command
    }

    /// The few others, each built anew by cargo-mutants.
    fn one_by_one(&self, program: &Path, quick: bool) -> Result<(), String> {
        let left = fs::read_to_string(self.output.join("left.txt")).unwrap_or_default();
        if left.is_empty() {
            return Ok(());
        }
        eprintln!("{} are built one by one", left.lines().count());
        fresh_tree()?;
        let mut command = self.cargo_mutants(program, &["--in-place", "--output"]);
        command.arg(&self.output).env("CARGO_TARGET_DIR", &self.build);
        command.arg(format!("--cargo-arg=--config={}", runner(quick)?));
        command.args(left.lines().flat_map(|name| ["--re".to_owned(), exactly(name)]));
        // Expressions that leave out a field are chosen by their file alone.
        let files: BTreeSet<&str> = left.lines().filter_map(|name| name.split(':').next()).collect();
        command.args(files.into_iter().flat_map(|file| ["--file", file]));
        // Survivors are told below.
        drop(crate::run(&mut command));
        keep_only(&left.lines().collect(), &self.output.join("mutants.out"))
    }
}

/// Takes every mutant out of the outcomes that was not asked for.
fn keep_only(names: &BTreeSet<&str>, folder: &Path) -> Result<(), String> {
    for file in OUTCOMES.map(|(_, name)| folder.join(name)) {
        let kept: String = lines(&file).into_iter().filter(|line| names.contains(line.as_str())).map(|line| line + "\n").collect();
        fs::write(&file, kept).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    Ok(())
}

fn fresh_tree() -> Result<PathBuf, String> {
    let tree = tree::copy("mutants")?;
    spell_out(&tree.join("crates/rotation/src")).map_err(|error| format!("cannot change the copy of the tree: {error}"))?;
    Ok(tree)
}

/// The regular expression of one name.
fn exactly(name: &str) -> String {
    // Before < and > a backslash asks for the edge of a word.
    let is_special = |c: char| c.is_ascii_punctuation() && !"<>_".contains(c);
    let escaped: String = name.chars().flat_map(|c| [Some('\\').filter(|_| is_special(c)), Some(c)]).flatten().collect();
    format!("^{escaped}$")
}

/// Names the survivors that nothing explains.
fn judge(folders: &[PathBuf]) -> Result<(), String> {
    let text = fs::read_to_string(crate::root().join(EXPLAINED)).map_err(|error| format!("cannot read {EXPLAINED}: {error}"))?;
    let explained: BTreeSet<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let survivors: Vec<String> = folders.iter().flat_map(|folder| lines(&folder.join("missed.txt"))).collect();
    let unexplained: Vec<&String> = survivors.iter().filter(|name| !explained.contains(without_place(name).as_str())).collect();
    println!("\n{} survived, of which {EXPLAINED} explains {}.", survivors.len(), survivors.len() - unexplained.len());
    unexplained.iter().for_each(|name| println!("{name}"));
    if unexplained.is_empty() { Ok(()) } else { Err(format!("{} mutants survived that nothing explains", unexplained.len())) }
}

/// A mutant's name without line and column, which change with everything above it.
fn without_place(name: &str) -> String {
    let mut parts = name.splitn(4, ':');
    let (file, change) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
    format!("{file}:{change}")
}

fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
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
fn table(folders: &[PathBuf]) -> String {
    let mut counts: BTreeMap<String, [usize; OUTCOMES.len()]> = BTreeMap::new();
    for (column, (_, name)) in OUTCOMES.iter().enumerate() {
        for mutant in folders.iter().flat_map(|folder| lines(&folder.join(name))) {
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
    use std::{collections::BTreeSet, fs};

    use super::{as_results, exactly, keep_only, table, without_place};

    #[test]
    fn what_a_rule_answers_is_spelt_out() {
        let source = "type Rule = fn() -> Check;\nfn a() -> Check {\n}\nfn b() -> Check<Option<Projection>> {\n}\n";
        let spelt = "type Rule = fn() -> Check;\nfn a() -> Result<(), crate::check::Halt> {\n}\nfn b() -> Result<Option<Projection>, crate::check::Halt> {\n}\n";
        assert_eq!(as_results(source), spelt);
    }

    #[test]
    fn a_mutant_is_explained_wherever_it_stands_in_its_file() {
        let name = "crates/rotation/src/op.rs:31:9: replace <impl Fn for Op>::call -> bool with true";
        assert_eq!(without_place(name), "crates/rotation/src/op.rs: replace <impl Fn for Op>::call -> bool with true");
    }

    #[test]
    fn a_name_is_found_by_itself_alone() {
        assert_eq!(exactly("a.rs:1: && with || in A<_>"), r"^a\.rs\:1\: \&\& with \|\| in A<_>$");
    }

    #[test]
    fn of_what_is_built_one_by_one_only_what_was_asked_for_counts() {
        let folder = std::env::temp_dir().join(format!("xtask-mutants-asked-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("missed.txt"), "src/op.rs:1:2: replace a\nsrc/id.rs:1:2: delete field b\n").unwrap();
        keep_only(&BTreeSet::from(["src/op.rs:1:2: replace a"]), &folder).unwrap();
        let left = fs::read_to_string(folder.join("missed.txt")).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(left, "src/op.rs:1:2: replace a\n");
    }

    #[test]
    fn the_table_counts_the_mutants_of_each_file_by_their_end() {
        let folder = std::env::temp_dir().join(format!("xtask-mutants-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("caught.txt"), "src/op.rs:1:2: replace a\nsrc/id.rs:1:2: replace b\nsrc/op.rs:3:2: replace c\n").unwrap();
        fs::write(folder.join("missed.txt"), "src/op.rs:9:9: replace d\n").unwrap();
        let table = table(std::slice::from_ref(&folder));
        fs::remove_dir_all(&folder).unwrap();
        let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(rows, [["src/id.rs", "1", "0", "0", "0"], ["src/op.rs", "2", "1", "0", "0"], ["total", "3", "1", "0", "0"]]);
    }
}
