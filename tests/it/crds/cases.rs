//! The table: objects, and what the API server must say to each.

pub(super) mod credential;
pub(super) mod tenant;

use serde_json::Value;

/// An object to be created, or one to be changed, and what becomes of that.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The verdict in a sentence.
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// The object as it stands before it is changed; none where it is created.
    pub(crate) before: Option<Value>,
    pub(crate) object: Value,
    pub(crate) verdict: Verdict,
}

/// What the API server says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Accepted,
    /// One rule, and no other, refuses it, with this message at this field.
    RefusedByRule {
        path: &'static str,
        message: &'static str,
    },
    /// A bound, a pattern or an enumeration refuses it; the answer names the field and says this.
    RefusedBySchema {
        path: &'static str,
        says: &'static str,
    },
}

impl Verdict {
    /// The field and the message of the rule that refuses.
    pub(crate) fn rule(&self) -> Option<(&'static str, &'static str)> {
        match *self {
            Self::RefusedByRule { path, message } => Some((path, message)),
            Self::Accepted | Self::RefusedBySchema { .. } => None,
        }
    }
}

/// Every case there is.
pub(crate) fn cases() -> Vec<Case> {
    [credential::cases(), tenant::cases()].concat()
}

pub(crate) const CLIENT_ID: &str = "11111111-2222-3333-4444-555555555555";
const OBJECT_ID: &str = "AAAAAAAA-bbbb-CCCC-dddd-EEEEEEEEEEEE";

/// Refused by the rule with this message, at this field; a rule at the root of the object names none.
const fn refused(path: &'static str, message: &'static str) -> Verdict {
    Verdict::RefusedByRule { path, message }
}

/// Refused by the schema, which names this field and says this.
const fn malformed(path: &'static str, says: &'static str) -> Verdict {
    Verdict::RefusedBySchema { path, says }
}

/// `base` with `change` merged into it; a null takes a field away.
fn with(mut base: Value, change: Value) -> Value {
    merge(&mut base, change, false);
    base
}

/// Both changes in one: a null stays, to take a field away later.
fn and(mut first: Value, second: Value) -> Value {
    merge(&mut first, second, true);
    first
}

fn merge(base: &mut Value, change: Value, keeps_null: bool) {
    let change = match change {
        Value::Object(change) if base.is_object() => change,
        change => {
            *base = change;
            return;
        }
    };
    for (name, value) in change {
        if value.is_null() && !keeps_null {
            base.as_object_mut().unwrap().remove(&name);
        } else {
            merge(&mut base[name], value, keeps_null);
        }
    }
}
