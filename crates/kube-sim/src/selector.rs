//! Label and field selectors.

use serde_json::Value;

use crate::{checks, failure::Failure, jsonpath::Path, kind::Kind, request::Query};

/// Which objects a list or watch is about.
#[derive(Default)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(Path, bool, String)>,
}

/// One term of a label selector.
#[derive(Debug, PartialEq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    Above(String, i64),
    Below(String, i64),
}

impl Selector {
    /// From the query parameters labelSelector and fieldSelector, and a name in the path.
    pub(crate) fn read(kind: &Kind, name: Option<&str>, query: &Query) -> Result<Self, Failure> {
        let labels = terms(query.text("labelSelector").unwrap_or_default()).into_iter();
        let fields = terms(query.text("fieldSelector").unwrap_or_default()).into_iter();
        let mut fields: Vec<_> = fields.map(|term| field(kind, &term)).collect::<Result<_, _>>()?;
        if let Some(name) = name {
            fields.push((Path::parse(".metadata.name"), true, name.to_owned()));
        }
        Ok(Self { labels: labels.map(|term| Requirement::read(&term)).collect::<Result<_, _>>()?, fields })
    }

    /// Refuses what cannot be read whatever the kind.
    pub(crate) fn check_syntax(query: &Query) -> Result<(), Failure> {
        let text = |name| terms(query.text(name).unwrap_or_default());
        text("labelSelector").iter().try_for_each(|term| Requirement::read(term).map(drop))?;
        text("fieldSelector").iter().try_for_each(|term| comparison(term).map(drop))
    }

    /// Whether it matches an object, given as it is stored.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|requirement| requirement.matches(labels))
            && self.fields.iter().all(|(path, equal, wanted)| {
                let found = path.first(object).map(text).unwrap_or_default();
                (found == *wanted) == *equal
            })
    }
}

impl Requirement {
    fn read(term: &str) -> Result<Self, Failure> {
        let term = term.trim();
        if let Some((key, values)) = set(term, " notin ") {
            return Ok(Self::NotIn(key, values));
        }
        if let Some((key, values)) = set(term, " in ") {
            return Ok(Self::In(key, values));
        }
        let of = |key: &str, value: &str| (key.trim().to_owned(), vec![value.trim().to_owned()]);
        let requirement = if let Some((key, value)) = term.split_once("!=") {
            let (key, values) = of(key, value);
            Self::NotIn(key, values)
        } else if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            let (key, values) = of(key, value);
            Self::In(key, values)
        } else if let Some((key, value)) = term.split_once('>') {
            Self::Above(key.trim().to_owned(), number(value)?)
        } else if let Some((key, value)) = term.split_once('<') {
            Self::Below(key.trim().to_owned(), number(value)?)
        } else if let Some(key) = term.strip_prefix('!') {
            Self::Absent(key.trim().to_owned())
        } else {
            Self::Exists(term.to_owned())
        };
        let values: &[String] = match &requirement {
            Self::In(_, values) | Self::NotIn(_, values) => values,
            _ => &[],
        };
        let mut wrong = Vec::new();
        checks::qualified("<nil>", requirement.key(), &mut wrong);
        values.iter().for_each(|value| checks::label_value("values", value, &mut wrong));
        match wrong.first() {
            Some(wrong) => Err(Failure::bad_request(format!("unable to parse requirement: {wrong}"))),
            None => Ok(requirement),
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::In(key, _) | Self::NotIn(key, _) => key,
            Self::Exists(key) | Self::Absent(key) | Self::Above(key, _) | Self::Below(key, _) => key,
        }
    }

    fn matches(&self, labels: &Value) -> bool {
        let label = labels[self.key()].as_str();
        match self {
            Self::In(_, values) => label.is_some_and(|label| values.iter().any(|value| value == label)),
            Self::NotIn(_, values) => label.is_none_or(|label| values.iter().all(|value| value != label)),
            Self::Above(_, bound) => label.and_then(|label| label.parse::<i64>().ok()).is_some_and(|label| label > *bound),
            Self::Below(_, bound) => label.and_then(|label| label.parse::<i64>().ok()).is_some_and(|label| label < *bound),
            Self::Exists(_) => label.is_some(),
            Self::Absent(_) => label.is_none(),
        }
    }
}

fn number(text: &str) -> Result<i64, Failure> {
    let text = text.trim();
    let refused = || {
        Failure::bad_request(format!(
            "unable to parse requirement: values[0]: Invalid value: {text:?}: for 'Gt', 'Lt' operators, the value must be an integer"
        ))
    };
    text.parse().map_err(|_| refused())
}

fn set(term: &str, operator: &str) -> Option<(String, Vec<String>)> {
    let (key, values) = term.split_once(operator)?;
    let values = values.trim().strip_prefix('(')?.strip_suffix(')')?;
    Some((key.trim().to_owned(), values.split(',').map(|value| value.trim().to_owned()).collect()))
}

/// Splits at the commas that stand outside parentheses.
fn terms(selector: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut depth = 0_i32;
    for char in selector.chars() {
        depth += i32::from(char == '(') - i32::from(char == ')');
        match (char, terms.last_mut()) {
            (',', _) if depth == 0 => terms.push(String::new()),
            (_, Some(term)) => term.push(char),
            (_, None) => {}
        }
    }
    terms.retain(|term| !term.trim().is_empty());
    terms
}

fn field(kind: &Kind, term: &str) -> Result<(Path, bool, String), Failure> {
    let ((name, value), equal) = comparison(term)?;
    let value = value.trim().to_owned();
    match name.trim() {
        "metadata.name" => Ok((Path::parse(".metadata.name"), equal, value)),
        "metadata.namespace" if kind.namespaced => Ok((Path::parse(".metadata.namespace"), equal, value)),
        name => match kind.selectable.iter().find(|(selectable, _)| selectable == name) {
            Some((_, path)) => Ok((path.clone(), equal, value)),
            None => Err(Failure::bad_request(format!("field label not supported: {name}"))),
        },
    }
}

/// A name and a value, and whether they are to be equal.
fn comparison(term: &str) -> Result<((&str, &str), bool), Failure> {
    let unequal = term.split_once("!=").map(|parts| (parts, false));
    let equal = || term.split_once("==").or_else(|| term.split_once('=')).map(|parts| (parts, true));
    unequal.or_else(equal).ok_or_else(|| Failure::bad_request(format!("invalid selector: '{term}'; can't understand '{term}'")))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn matches(selector: &str) -> bool {
        let labels = json!({"app": "a", "tier": "web"});
        terms(selector).iter().all(|term| Requirement::read(term).unwrap().matches(&labels))
    }

    #[test]
    fn label_selectors_match_as_documented() {
        for selector in ["", "app=a", "app==a,tier=web", "app in (a, b),tier", "app notin (c)", "app!=b", "!gone", "gone!=x"] {
            assert!(matches(selector), "{selector}");
        }
        for selector in ["app=b", "app in (b,c)", "app notin (a,b)", "!app", "gone", "gone=x"] {
            assert!(!matches(selector), "{selector}");
        }
    }

    #[test]
    fn a_selector_without_a_key_is_refused() {
        assert!(Requirement::read("=x").is_err());
        assert!(Requirement::read("!").is_err());
    }
}
