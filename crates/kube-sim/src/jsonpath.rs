//! The part of Kubernetes' JSONPath that printer columns and selectable fields use.

use serde_json::Value;

/// A path such as `.status.conditions[?(@.type=="Ready")].status`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Path(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Field(String),
    Index(usize),
    Every,
    Where {
        field: Path,
        equals: Value,
    },
    /// Something that is not understood: finds nothing.
    Nothing,
}

impl Path {
    pub(crate) fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        let mut rest = text.trim().trim_start_matches('$');
        while !rest.is_empty() {
            let (step, tail) = next_step(rest);
            steps.push(step);
            rest = tail;
        }
        Self(steps)
    }

    /// Everything the path leads to.
    pub(crate) fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        self.0.iter().fold(vec![value], |found, step| found.into_iter().flat_map(|value| step.apply(value)).collect())
    }

    /// The first thing the path leads to.
    pub(crate) fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.find(value).into_iter().next()
    }
}

impl Step {
    fn apply<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Field(name), Value::Object(map)) => map.get(name).into_iter().collect(),
            (Self::Index(index), Value::Array(list)) => list.get(*index).into_iter().collect(),
            (Self::Every, Value::Array(list)) => list.iter().collect(),
            (Self::Every, Value::Object(map)) => map.values().collect(),
            (Self::Where { field, equals }, Value::Array(list)) => list.iter().filter(|item| field.first(item) == Some(equals)).collect(),
            _ => Vec::new(),
        }
    }
}

fn next_step(text: &str) -> (Step, &str) {
    if let Some(rest) = text.strip_prefix('.') {
        return field(rest);
    }
    match text.strip_prefix('[').map(split_bracket) {
        Some(Some((inside, rest))) => (bracket(inside), rest),
        Some(None) => (Step::Nothing, ""),
        None => field(text),
    }
}

/// Up to the next dot or bracket; a dot behind a backslash belongs to the name.
fn field(text: &str) -> (Step, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '.' | '[' => return (named(name), &text[at..]),
            '\\' => name.extend(chars.next().map(|(_, char)| char)),
            other => name.push(other),
        }
    }
    (named(name), "")
}

fn named(name: String) -> Step {
    if name == "*" { Step::Every } else { Step::Field(name) }
}

/// What stands before the bracket that closes this one, and what follows.
fn split_bracket(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (at, char) in text.char_indices() {
        match char {
            '[' => depth += 1,
            ']' if depth == 0 => return Some((&text[..at], &text[at + 1..])),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn bracket(inside: &str) -> Step {
    if inside == "*" {
        return Step::Every;
    }
    if let Some(filter) = inside.strip_prefix("?(").and_then(|rest| rest.strip_suffix(')')) {
        return condition(filter).unwrap_or(Step::Nothing);
    }
    match inside.parse() {
        Ok(index) => Step::Index(index),
        Err(_) => unquote(inside).map_or(Step::Nothing, Step::Field),
    }
}

fn condition(filter: &str) -> Option<Step> {
    let (left, right) = filter.split_once("==")?;
    let field = Path::parse(left.trim().strip_prefix('@')?);
    let right = right.trim();
    let equals = match unquote(right) {
        Some(text) => Value::String(text),
        None => serde_json::from_str(right).ok()?,
    };
    Some(Step::Where { field, equals })
}

fn unquote(text: &str) -> Option<String> {
    let quotes = [('"', '"'), ('\'', '\'')];
    quotes.iter().find_map(|(open, close)| Some(text.strip_prefix(*open)?.strip_suffix(*close)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(path: &str) -> Vec<Value> {
        let value = json!({
            "a": {"b.c": 1, "list": [{"n": "x", "v": 2}, {"n": "y", "v": 3}]},
        });
        Path::parse(path).find(&value).into_iter().cloned().collect()
    }

    #[test]
    fn a_path_walks_fields_lists_and_filters() {
        assert_eq!(found(".a.list[1].v"), [json!(3)]);
        assert_eq!(found(".a.list[*].v"), [json!(2), json!(3)]);
        assert_eq!(found(r#".a.list[?(@.n=="y")].v"#), [json!(3)]);
        assert_eq!(found(".a.list[?(@.v==2)].n"), [json!("x")]);
        assert_eq!(found(r".a.b\.c"), [json!(1)]);
        assert_eq!(found(".a['b.c']"), [json!(1)]);
    }

    #[test]
    fn a_path_into_nothing_finds_nothing() {
        for path in [".x", ".a.list[7]", ".a.list[?(@.n==\"z\")].v", ".a[?(broken", ".a.list[?(n)]", "["] {
            assert_eq!(found(path), Vec::<Value>::new(), "{path}");
        }
    }
}
