//! Runs cargo on the planted tree, and finds which mutants do not compile.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Failed;

/// What the compiler found wrong: in a file, at a byte, with what it says of it.
pub(crate) struct Complaint {
    /// The places that it names, the one that it is about first.
    pub(crate) places: Vec<(String, usize)>,
    pub(crate) said: String,
}

/// A binary with tests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Binary {
    pub(crate) path: PathBuf,
    /// Where its tests expect to be started.
    pub(crate) folder: PathBuf,
}

/// Builds the tests, or says what keeps them from being compiled.
pub(crate) fn tests(tree: &Path, options: &[String]) -> Result<Result<Vec<Binary>, Vec<Complaint>>, Failed> {
    let (messages, success) = cargo(tree, "test", &["--no-run", "--lib", "--tests"], options)?;
    let complaints: Vec<Complaint> = messages.iter().filter_map(complaint).collect();
    if !success && complaints.is_empty() {
        return Err(Failed("the tests cannot be built; what cargo said of it stands above".to_owned()));
    }
    Ok(if success { Ok(messages.iter().filter_map(binary).collect()) } else { Err(complaints) })
}

fn cargo(tree: &Path, command: &str, what: &[&str], options: &[String]) -> Result<(Vec<Value>, bool), Failed> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo.arg(command).args(what).args(options).arg("--message-format=json").current_dir(tree).stderr(Stdio::inherit());
    let output = cargo.output().map_err(|error| Failed(format!("cannot run cargo {command}: {error}")))?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(), output.status.success()))
}

fn complaint(message: &Value) -> Option<Complaint> {
    let message = &message["message"];
    if message["level"] != "error" {
        return None;
    }
    let mut spans: Vec<&Value> = message["spans"].as_array()?.iter().collect();
    spans.sort_by_key(|span| span["is_primary"] != true);
    let places = spans.into_iter().flat_map(places).collect();
    let said = message["rendered"].as_str().unwrap_or_default().to_owned();
    Some(Complaint { places, said })
}

/// A span, and from which macro calls it comes.
fn places(span: &Value) -> Vec<(String, usize)> {
    let spans = std::iter::successors(Some(span), |span| Some(&span["expansion"]["span"]).filter(|span| span.is_object()));
    let place = |span: &Value| Some((span["file_name"].as_str()?.to_owned(), usize::try_from(span["byte_start"].as_u64()?).ok()?));
    spans.filter_map(place).collect()
}

fn binary(message: &Value) -> Option<Binary> {
    let path = PathBuf::from(message["executable"].as_str()?);
    let is_test = message["profile"]["test"] == true;
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    is_test.then_some(Binary { path, folder })
}

/// The mutants that a complaint is about: the one in whose text it lies, else all of the innermost place around it.
pub(crate) fn blamed(text: &str, at: usize) -> BTreeSet<usize> {
    let one = innermost(text, at, "<", ">");
    if one.is_empty() { innermost(text, at, "[", "]") } else { one }
}

fn innermost(text: &str, at: usize, open: &str, close: &str) -> BTreeSet<usize> {
    let mut around: Vec<&str> = Vec::new();
    let start = format!("/*{open}");
    let end = format!("{close}*/");
    let mut rest = 0;
    while let Some(found) = text[rest..].find("/*").map(|found| rest + found).filter(|found| *found <= at) {
        let stop = text[found..].find("*/").map_or(text.len(), |stop| found + stop + 2);
        let comment = &text[found..stop];
        if let Some(numbers) = comment.strip_prefix(&start).and_then(|numbers| numbers.strip_suffix("*/")) {
            around.push(numbers);
        } else if comment.ends_with(&end) {
            around.pop();
        }
        rest = stop;
    }
    around.last().map(|numbers| numbers.split(',').filter_map(|number| number.parse().ok()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TEXT: &str = "a /*[1,2*/(old + /*[3*//*<3*/x/*3>*//*3]*/ else /*<1*/one/*1>*/ /*<2*/two/*2>*/)/*1,2]*/ z";

    #[rstest]
    #[case::one_mutant("one", &[1])]
    #[case::another("two", &[2])]
    #[case::one_within_the_old_text("x/", &[3])]
    #[case::the_old_text("old", &[1, 2])]
    #[case::what_nobody_planted("z", &[])]
    fn a_complaint_is_about_the_innermost_text_around_it(#[case] at: &str, #[case] expected: &[usize]) {
        assert_eq!(blamed(TEXT, TEXT.find(at).unwrap()).into_iter().collect::<Vec<_>>(), expected);
    }
}
