//! Sound inputs, spoilt in the ways that inputs get spoilt: for tests of everything that reads what others write.
//!
//! [`corpus`] reads sound inputs from files; [`bytes`] and [`json`] are proptest strategies that damage them, the one blindly, the other with a
//! knowledge of what JSON is. An input that once did harm becomes a file of the corpus.
#![allow(clippy::expect_used)]

mod bytes;
mod json;

use std::{env, fs, path::Path};

pub use bytes::bytes;
pub use json::{json, nested};
use proptest::test_runner::{Config, RngSeed};

/// A run of so many inputs, or of as many as `PROPTEST_CASES` says, by the seed `PROPTEST_RNG_SEED`: without it the same inputs every time, so that a change is
/// judged by what it changes.
pub fn config(inputs: u32) -> Config {
    let seed = number("PROPTEST_RNG_SEED").unwrap_or(1);
    let cases = number("PROPTEST_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(inputs);
    println!("repeat this run with PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases}");
    Config { failure_persistence: None, rng_seed: RngSeed::Fixed(seed), cases, ..Config::default() }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}")))
}

/// A file of a corpus.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The file's name.
    pub name: String,
    /// What it holds.
    pub content: Vec<u8>,
}

/// The files of a folder, by name.
///
/// # Panics
/// If the folder cannot be read, or is empty: a test without samples would show nothing.
pub fn corpus(folder: impl AsRef<Path>) -> Vec<Sample> {
    let folder = folder.as_ref();
    let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot read the corpus {}: {error}", folder.display()));
    let read = |path: &Path| Sample {
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        content: fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display())),
    };
    let mut samples: Vec<_> = files.map(|file| read(&file.expect("a folder that was opened can be read").path())).collect();
    assert!(!samples.is_empty(), "the corpus {} is empty", folder.display());
    samples.sort_by(|one, other| one.name.cmp(&other.name));
    samples
}
