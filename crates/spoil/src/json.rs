use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

/// The most edits of one input.
const EDITS: usize = 4;
/// The longest text or list that repetition makes.
const MOST: usize = 20_000;
/// Marks a value that is to go.
const GONE: &str = "\u{0}gone";

/// One way to damage a JSON value. The place is the so manieth node, counted from the root.
#[derive(Clone, Debug)]
enum Edit {
    Replace(Index, Value),
    Remove(Index),
    Swap(Index, Index),
    Add(Index, String, Value),
    Repeat(Index, usize),
    Wrap(Index),
    /// A character of a text.
    Letter(Index, Index, char),
    Cut(Index, Index),
    /// A number, made so many times as large.
    Scale(Index, i64),
}

/// `samples` with up to four edits: fields missing, added, repeated, of other types, out of range, in each other's places.
///
/// # Panics
/// Without samples.
pub fn json(samples: Vec<Value>) -> BoxedStrategy<Value> {
    assert!(!samples.is_empty(), "there is nothing to spoil");
    (prop::sample::select(samples), prop::collection::vec(edit(), 0..=EDITS))
        .prop_map(|(sample, edits)| edits.iter().fold(sample, |value, edit| edit.apply(value)))
        .boxed()
}

/// So many lists, one in another, as text: deeper than any reader should follow.
pub fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (any::<Index>(), hostile()).prop_map(|(at, value)| Edit::Replace(at, value)),
        3 => any::<Index>().prop_map(Edit::Remove),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Edit::Swap(one, other)),
        1 => (any::<Index>(), "[a-zA-Z@.]{0,12}", hostile()).prop_map(|(at, name, value)| Edit::Add(at, name, value)),
        1 => (any::<Index>(), 2..40_usize).prop_map(|(at, times)| Edit::Repeat(at, times)),
        1 => any::<Index>().prop_map(Edit::Wrap),
        3 => (any::<Index>(), any::<Index>(), any::<char>()).prop_map(|(at, place, letter)| Edit::Letter(at, place, letter)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(at, place)| Edit::Cut(at, place)),
        2 => (any::<Index>(), prop::sample::select(vec![-1, 0, 1_000, 1_000_000_007, i64::MAX])).prop_map(|(at, times)| Edit::Scale(at, times)),
    ]
}

/// Values at the ends of what types can hold, and such as want to be mistaken for something.
fn hostile() -> impl Strategy<Value = Value> {
    let numbers = [
        json!(0),
        json!(-1),
        json!(1),
        json!(1.5),
        json!(i32::MAX),
        json!(2_147_483_648_u64),
        json!(u32::MAX),
        json!(4_294_967_296_u64),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e308),
    ];
    let times = [
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "+262142-12-31T23:59:59Z",
        "-262143-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-06-30T23:59:60Z",
        "1970-01-01",
        "PT9999999H",
        "P9223372036854775807D",
    ];
    let texts = [
        "",
        " ",
        "null",
        "0",
        "../../x",
        "\u{0}",
        "\u{202e}x",
        "\u{1f600}",
        "${x}",
        "<x/>",
        "00000000-0000-0000-0000-000000000000",
        "33333333-3333-4333-8333-333333333333",
        "DA20FCA696C4F83E8A9AED59BE33368ED421F3C1",
        "eyJhbGciOiJub25lIn0.e30.",
    ];
    let texts = times.into_iter().chain(texts).map(Value::from);
    let containers = [Value::Null, json!(true), json!([]), json!({}), json!([null]), json!([[]]), json!({"": null}), json!([{}, {}])];
    let long = [json!("x".repeat(5_000)), json!("ü".repeat(5_000)), json!(vec![0; 2_000]), json!("9".repeat(400))];
    prop::sample::select(numbers.into_iter().chain(texts).chain(containers).chain(long).collect::<Vec<_>>())
}

impl Edit {
    fn apply(&self, mut value: Value) -> Value {
        let count = nodes(&value);
        let find = |index: &Index| index.index(count);
        match self {
            Self::Replace(at, new) => change(&mut value, find(at), &mut |node| *node = new.clone()),
            Self::Remove(at) => {
                change(&mut value, find(at), &mut |node| *node = json!(GONE));
                prune(&mut value);
            }
            Self::Swap(one, other) => {
                let (mut first, mut second) = (Value::Null, Value::Null);
                change(&mut value, find(one), &mut |node| first = node.clone());
                change(&mut value, find(other), &mut |node| second = std::mem::replace(node, first.clone()));
                if find(one) < nodes(&value) {
                    change(&mut value, find(one), &mut |node| *node = second.clone());
                }
            }
            Self::Add(at, name, new) => change(&mut value, find(at), &mut |node| match node {
                Value::Object(map) => drop(map.insert(name.clone(), new.clone())),
                Value::Array(list) => list.push(new.clone()),
                _ => {}
            }),
            Self::Repeat(at, times) => change(&mut value, find(at), &mut |node| match node {
                Value::Array(list) => *list = list.iter().cycle().take((list.len() * times).min(MOST)).cloned().collect(),
                Value::String(text) => *text = text.chars().cycle().take((text.len() * times).min(MOST)).collect(),
                _ => {}
            }),
            Self::Wrap(at) => change(&mut value, find(at), &mut |node| *node = json!([node.take()])),
            Self::Letter(at, place, letter) => {
                change(&mut value, find(at), &mut |node| edit_text(node, place, |text, at| text[at] = *letter));
            }
            Self::Cut(at, place) => change(&mut value, find(at), &mut |node| edit_text(node, place, std::vec::Vec::truncate)),
            Self::Scale(at, times) => change(&mut value, find(at), &mut |node| {
                if let Some(number) = node.as_i64() {
                    *node = json!(number.saturating_mul(*times));
                }
            }),
        }
        value
    }
}

fn edit_text(node: &mut Value, place: &Index, edit: impl FnOnce(&mut Vec<char>, usize)) {
    if let Value::String(text) = node {
        let mut letters: Vec<char> = text.chars().collect();
        if !letters.is_empty() {
            let at = place.index(letters.len());
            edit(&mut letters, at);
            *text = letters.into_iter().collect();
        }
    }
}

/// Takes out what was marked as gone; the root itself becomes null.
fn prune(value: &mut Value) {
    let is_gone = |value: &Value| value.as_str() == Some(GONE);
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !is_gone(value));
            map.values_mut().for_each(prune);
        }
        Value::Array(list) => {
            list.retain(|value| !is_gone(value));
            list.iter_mut().for_each(prune);
        }
        value if is_gone(value) => *value = Value::Null,
        _ => {}
    }
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Object(map) => map.values().map(nodes).sum(),
        Value::Array(list) => list.iter().map(nodes).sum(),
        _ => 0,
    }
}

/// Changes the so manieth node, in the order in which [`nodes`] counts.
fn change(value: &mut Value, at: usize, how: &mut dyn FnMut(&mut Value)) {
    if at == 0 {
        return how(value);
    }
    let mut left = at - 1;
    let children: Box<dyn Iterator<Item = &mut Value>> = match value {
        Value::Object(map) => Box::new(map.values_mut()),
        Value::Array(list) => Box::new(list.iter_mut()),
        _ => return,
    };
    for child in children {
        let size = nodes(child);
        if left < size {
            return change(child, left, how);
        }
        left -= size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_can_be_reached() {
        let value = json!({"a": [1, {"b": 2}], "c": "x"});
        assert_eq!(nodes(&value), 6);
        for at in 0..6 {
            let mut spoilt = value.clone();
            change(&mut spoilt, at, &mut |node| *node = json!("here"));
            assert!(spoilt.to_string().contains("here"), "{at}");
        }
    }

    #[test]
    fn what_is_removed_is_gone_from_its_parent() {
        for (gone, left) in [(json!({"a": GONE, "b": [GONE, 1]}), json!({"b": [1]})), (json!(GONE), Value::Null)] {
            let mut value = gone;
            prune(&mut value);
            assert_eq!(value, left);
        }
    }

    #[test]
    fn lists_in_lists_are_as_deep_as_asked() {
        assert_eq!(nested(3), "[[[]]]");
    }
}
