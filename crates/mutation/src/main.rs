//! Whether the tests of a crate notice a change of any of its functions.
//!
//! The changes are those that cargo-mutants lists. It builds the crate anew for each; here all of them are planted at once, each behind a question
//! that a process answers by a variable of its environment. So the crate is built once, and for each change only those tests are run that come by it.

mod compile;
mod list;
mod plant;
mod sites;
mod suite;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, fs};

use clap::Parser;
use rayon::prelude::*;

use self::list::Mutant;
use self::sites::{Fixed, Sites};
use self::suite::{End, Suite};

/// Plants the mutants of a list in a copy of the tree, and runs for each the tests that come by it.
#[derive(Parser)]
struct Arguments {
    /// The copy of the tree, which is changed.
    #[arg(long)]
    tree: PathBuf,
    /// The folder of the crate in it.
    #[arg(long)]
    package: PathBuf,
    /// What `cargo mutants --list --json` printed.
    #[arg(long)]
    list: PathBuf,
    /// An empty folder for what came of them: caught.txt, missed.txt, timeout.txt, unviable.txt, and left.txt with those that cannot be planted.
    #[arg(long)]
    output: PathBuf,
    /// Leaves out tests whose names contain this.
    #[arg(long)]
    without: Vec<String>,
    /// Options of cargo.
    #[arg(last = true)]
    options: Vec<String>,
}

/// Why it came to no end.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What came of a mutant, by the file that it is told in.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Outcome {
    Caught,
    Missed,
    Endless,
    Unviable,
    /// To be built alone.
    Left,
}

fn main() -> ExitCode {
    match carry_out(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(arguments: &Arguments) -> Result<(), Failed> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| Failed(format!("cannot read {}: {error}", path.display())));
    let mutants = list::read(&read(&arguments.list)?).map_err(|error| Failed(error.to_string()))?;
    let log = Log::new(&arguments.output);
    let mut field = Field::read(arguments, &mutants)?;
    let (fixed, binaries) = field.plant_all(arguments)?;
    for (number, why) in &fixed {
        log.note(&mutants[number - 1], if *why == Fixed::BesideLet { Outcome::Unviable } else { Outcome::Left }, "")?;
    }
    for (number, outcome) in &field.dropped {
        log.note(&mutants[number - 1], *outcome, "")?;
    }
    let suite = Suite::record(binaries, &arguments.without, &arguments.output)?;
    let left: BTreeSet<usize> = fixed.into_iter().map(|(number, _)| number).chain(field.dropped.keys().copied()).collect();
    try_all(&mutants, &(1..=mutants.len()).filter(|number| !left.contains(number)).collect::<Vec<_>>(), &suite, &log)
}

/// The text of each file.
type Texts<'a> = BTreeMap<&'a str, String>;
/// Mutants by their numbers, each with what keeps it from being chosen when a test runs.
type Unplantable = Vec<(usize, Fixed)>;

/// The sources, and which mutants are not to be planted.
struct Field<'a> {
    mutants: &'a [Mutant],
    sources: BTreeMap<&'a str, (String, Sites)>,
    dropped: BTreeMap<usize, Outcome>,
}

impl<'a> Field<'a> {
    fn read(arguments: &Arguments, mutants: &'a [Mutant]) -> Result<Self, Failed> {
        let mut sources = BTreeMap::new();
        for mutant in mutants {
            if !sources.contains_key(mutant.file.as_str()) {
                let path = arguments.tree.join(&mutant.file);
                let source = fs::read_to_string(&path).map_err(|error| Failed(format!("cannot read {}: {error}", path.display())))?;
                let sites = sites::find(&source).map_err(|error| Failed(format!("cannot parse {}: {error}", path.display())))?;
                sources.insert(mutant.file.as_str(), (source, sites));
            }
        }
        Ok(Self { mutants, sources, dropped: BTreeMap::new() })
    }

    /// Plants, and leaves out what does not compile, until the rest does.
    fn plant_all(&mut self, arguments: &Arguments) -> Result<(Unplantable, Vec<compile::Binary>), Failed> {
        let root = arguments.package.join("src/lib.rs");
        let pristine =
            fs::read_to_string(arguments.tree.join(&root)).map_err(|error| Failed(format!("cannot read {}: {error}", root.display())))?;
        loop {
            let (texts, fixed) = self.planted()?;
            let mut texts: BTreeMap<String, String> = texts.into_iter().map(|(file, text)| (file.to_owned(), text)).collect();
            let text = texts.entry(root.display().to_string()).or_insert_with(|| pristine.clone());
            *text += &plant::switch(self.mutants.len());
            for (file, text) in &texts {
                let path = arguments.tree.join(file);
                fs::write(&path, text).map_err(|error| Failed(format!("cannot write {}: {error}", path.display())))?;
            }
            let complaints = match compile::tests(&arguments.tree, &arguments.options)? {
                Ok(binaries) => return Ok((fixed, binaries)),
                Err(complaints) => complaints,
            };
            let before = self.dropped.len();
            for complaint in &complaints {
                self.blame(&texts, complaint);
            }
            eprintln!("{} of {} do not compile", self.dropped.len(), self.mutants.len());
            if self.dropped.len() == before {
                return Err(Failed(format!("none of the mutants explains this:\n{}", complaints[0].said)));
            }
        }
    }

    fn planted(&self) -> Result<(Texts<'a>, Unplantable), Failed> {
        let (mut texts, mut fixed) = (BTreeMap::new(), Vec::new());
        for (file, (source, sites)) in &self.sources {
            let numbered = self.mutants.iter().enumerate().map(|(at, mutant)| (at + 1, mutant));
            let own: Vec<_> = numbered.filter(|(number, mutant)| mutant.file == *file && !self.dropped.contains_key(number)).collect();
            let planted = plant::plant(source, sites, &own).map_err(|name| Failed(format!("no place for {name}")))?;
            texts.insert(*file, planted.text);
            fixed.extend(planted.fixed);
        }
        Ok((texts, fixed))
    }

    /// A mutant whose own text is wrong would not compile alone either. Where the text around it is, that is not known.
    fn blame(&mut self, texts: &BTreeMap<String, String>, complaint: &compile::Complaint) {
        let blamed =
            complaint.places.iter().find_map(|(file, at)| Some(compile::blamed(texts.get(file)?, *at)).filter(|found| !found.is_empty()));
        let blamed = blamed.unwrap_or_default();
        let outcome = if blamed.len() == 1 { Outcome::Unviable } else { Outcome::Left };
        for number in blamed {
            self.dropped.entry(number).or_insert(outcome);
        }
    }
}

/// Tries every mutant with its quickest tests, then those that survive with the next group of theirs, until no test is left.
fn try_all(mutants: &[Mutant], numbers: &[usize], suite: &Suite, log: &Log) -> Result<(), Failed> {
    let mut open: Vec<usize> = numbers.to_vec();
    let mut round = 0;
    while !open.is_empty() {
        eprintln!("round {}: {} of {} are open", round + 1, open.len(), numbers.len());
        open = try_round(mutants, &open, round, suite, log)?;
        round += 1;
    }
    Ok(())
}

/// One group of tests for each; who survived it with tests to come. Tells every few seconds how far it is.
fn try_round(mutants: &[Mutant], numbers: &[usize], round: usize, suite: &Suite, log: &Log) -> Result<Vec<usize>, Failed> {
    let (start, done, open) = (Instant::now(), AtomicUsize::new(0), AtomicUsize::new(0));
    let told = Mutex::new(Instant::now());
    let survives = |number: &usize| {
        let survived = try_group(mutants, *number, round, suite, log)?;
        open.fetch_add(usize::from(survived), Ordering::Relaxed);
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        let mut told = held(&told);
        if told.elapsed() >= Duration::from_secs(10) || done == numbers.len() {
            *told = Instant::now();
            let seconds = start.elapsed().as_secs_f64();
            let left = seconds / done as f64 * (numbers.len() - done) as f64 / 60.0;
            eprintln!("{done} of {}, {} of them open, {seconds:.0} s, {left:.0} min left", numbers.len(), open.load(Ordering::Relaxed));
        }
        Ok(survived.then_some(*number))
    };
    let tried = numbers.par_iter().map(survives).collect::<Result<Vec<_>, _>>()?;
    Ok(tried.into_iter().flatten().collect())
}

/// Whether a mutant survived this group, and has more of them.
fn try_group(mutants: &[Mutant], number: usize, round: usize, suite: &Suite, log: &Log) -> Result<bool, Failed> {
    let groups = suite.groups_of(number);
    let end = groups.get(round).map_or(Ok(End::Passed), |group| suite.try_mutant(number, group))?;
    let (outcome, how) = match end {
        End::Passed if round + 1 < groups.len() => return Ok(true),
        End::Passed => (Outcome::Missed, format!("although {} tests come by it", groups.concat().len())),
        End::Failed(test) => (Outcome::Caught, format!("by {test}")),
        End::Endless => (Outcome::Endless, String::new()),
    };
    log.note(&mutants[number - 1], outcome, &how)?;
    Ok(false)
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What came of the mutants, told at once: a run may be stopped.
struct Log {
    folder: PathBuf,
    turn: Mutex<()>,
}

impl Log {
    fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), turn: Mutex::new(()) }
    }

    fn note(&self, mutant: &Mutant, outcome: Outcome, how: &str) -> Result<(), Failed> {
        let file = match outcome {
            Outcome::Caught => "caught.txt",
            Outcome::Missed => "missed.txt",
            Outcome::Endless => "timeout.txt",
            Outcome::Unviable => "unviable.txt",
            Outcome::Left => "left.txt",
        };
        let _turn = held(&self.turn);
        self.append(file, &mutant.name)?;
        self.append("log.txt", &format!("{outcome:?} {} {how}", mutant.name))
    }

    fn append(&self, file: &str, line: &str) -> Result<(), Failed> {
        let path = self.folder.join(file);
        let opened = fs::OpenOptions::new().create(true).append(true).open(&path);
        opened
            .and_then(|mut opened| writeln!(opened, "{line}"))
            .map_err(|error| Failed(format!("cannot write {}: {error}", path.display())))
    }
}
