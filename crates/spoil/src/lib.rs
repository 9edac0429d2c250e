//! Sound inputs, spoilt in the ways that inputs get spoilt: for tests of everything that reads what others write.
//!
//! [`corpus`] reads sound inputs from files; [`bytes`] and [`json`] are proptest strategies that damage them, the one blindly, the other with a
//! knowledge of what JSON is. An input that once did harm becomes a file of the corpus.
#![allow(clippy::expect_used)]

mod bytes;
mod json;

use std::{fs, path::Path};

pub use bytes::bytes;
pub use json::{json, nested};

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
