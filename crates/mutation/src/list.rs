//! The list of mutants that cargo-mutants makes: `cargo mutants --list --json`.

use serde_json::Value;

/// One change of the code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mutant {
    /// File, place and change, as cargo-mutants names it.
    pub(crate) name: String,
    /// From the root of the workspace.
    pub(crate) file: String,
    pub(crate) genre: Genre,
    /// Where what is replaced begins: line and column, both from 1 on.
    pub(crate) start: (usize, usize),
    /// What comes in its place.
    pub(crate) replacement: String,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Genre {
    /// A function answers this at once.
    Body,
    /// Another operator between two operands.
    Binary,
    /// Without the operator before an operand.
    Unary,
    /// The guard of a match arm is always true, or never.
    Guard,
    /// Without an arm that a wildcard stands in for.
    Arm,
    /// Without a field, so that the base of the struct expression gives it.
    Field,
}

/// Why the list cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error("cannot read the list of mutants: {0}")]
    Read(#[from] serde_json::Error),
    #[error("cannot understand a mutant of the list, which another version of cargo-mutants may have made: {0}")]
    Understand(Value),
}

/// Reads the list.
pub(crate) fn read(json: &str) -> Result<Vec<Mutant>, ListError> {
    let all: Vec<Value> = serde_json::from_str(json)?;
    all.into_iter().map(|one| mutant(&one).ok_or(ListError::Understand(one))).collect()
}

fn mutant(one: &Value) -> Option<Mutant> {
    let text = |field: &str| one[field].as_str().map(str::to_owned);
    let number = |field: &str| one["span"]["start"][field].as_u64().and_then(|number| usize::try_from(number).ok());
    let genre = match one["genre"].as_str()? {
        "FnValue" => Genre::Body,
        "BinaryOperator" => Genre::Binary,
        "UnaryOperator" => Genre::Unary,
        "MatchArmGuard" => Genre::Guard,
        "MatchArm" => Genre::Arm,
        "StructField" => Genre::Field,
        _ => return None,
    };
    let start = (number("line")?, number("column")?);
    Some(Mutant { name: text("name")?, file: text("file")?, genre, start, replacement: text("replacement")? })
}
