//! The bounds of the schemas: for each the values next to it, on both sides. Only the API server judges by them.

mod credential;
mod tenant;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::schema;

/// One bound at one field, and what lies on either side of it.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) kind: &'static str,
    /// The field as a JSON pointer: `0` is any item, `*` any key of a map.
    at: String,
    keyword: &'static str,
    /// An object in which the field may stand.
    within: Value,
    accepted: Vec<Value>,
    /// Null takes the field away.
    refused: Value,
}

impl Bound {
    /// Objects that the API server must take.
    pub(crate) fn accepted(&self) -> impl Iterator<Item = Value> {
        self.accepted.iter().map(|value| self.object(value))
    }

    /// One that it must refuse.
    pub(crate) fn refused(&self) -> Value {
        self.object(&self.refused)
    }

    /// Whether an answer names the field and the bound.
    pub(crate) fn is_named_in(&self, answer: &str) -> bool {
        answer.contains(&self.field()) && answer.contains(self.says())
    }

    pub(crate) fn title(&self) -> String {
        format!("{} of {} in {}", self.keyword, self.field(), self.kind)
    }

    fn object(&self, value: &Value) -> Value {
        let mut object = self.within.clone();
        set(&mut object, &self.at, value);
        object
    }

    /// As answers write it. Of a map they name the key.
    fn field(&self) -> String {
        let steps = self.at.trim_start_matches('/').split('/');
        let steps = steps.map(|step| if step == "0" { "[0]".to_owned() } else { format!(".{}", step.replace('*', KEY)) });
        steps.collect::<String>().trim_start_matches('.').to_owned()
    }

    fn says(&self) -> &'static str {
        match self.keyword {
            "maxLength" => "Too long",
            "minLength" => "chars long",
            "pattern" => "should match",
            "enum" => "Unsupported value",
            "required" => "Required value",
            "unique" => "Duplicate value",
            "maxItems" | "maxProperties" => "at most",
            "minItems" | "minProperties" => "at least",
            "format" => "must be of type",
            other => panic!("no case knows {other}"),
        }
    }

    /// Whether the values stand as close to the bound as can be.
    fn is_tight(&self, bound: &Value) -> bool {
        let sizes: Vec<_> = self.accepted.iter().map(size).collect();
        let (reached, refused) = (|size: usize| sizes.contains(&size), size(&self.refused));
        let bound = usize::try_from(bound.as_u64().unwrap_or_default()).unwrap();
        match self.keyword {
            "maxLength" | "maxProperties" => reached(bound) && refused == bound + 1,
            // A set of few words cannot be filled.
            "maxItems" => (reached(bound) || self.at.ends_with("additionalFormats")) && refused == bound + 1,
            "minLength" | "minItems" | "minProperties" => reached(bound) && refused + 1 == bound,
            _ => true,
        }
    }
}

const KEY: &str = "x";

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    }
}

/// Sets a field, making what it stands in; null takes it away.
fn set(object: &mut Value, pointer: &str, value: &Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let mut place = object;
    for step in parent.split('/').skip(1) {
        place = into(place, step);
    }
    if value.is_null() {
        place.as_object_mut().unwrap().remove(name);
    } else {
        *into(place, name) = value.clone();
    }
}

fn into<'a>(place: &'a mut Value, step: &str) -> &'a mut Value {
    if step != "0" {
        return &mut place[step.replace('*', KEY)];
    }
    if place.is_null() {
        *place = json!([null]);
    }
    &mut place[0]
}

/// Every bound of both kinds.
pub(crate) fn bounds() -> Vec<Bound> {
    [credential::bounds(), tenant::bounds()].concat()
}

/// For each kind of credential, and for tenants, an object that is about as large as can be.
pub(crate) fn largest() -> Vec<(&'static str, Value)> {
    let credentials = credential::largest().into_iter().map(|object| ("ServicePrincipalCredential", object));
    credentials.chain([("EntraTenant", tenant::largest())]).collect()
}

/// A maker of bounds within one object.
struct Within(&'static str, Value);

impl Within {
    fn bound(&self, at: &str, keyword: &'static str, accepted: Value, refused: Value) -> Vec<Bound> {
        self.choice(at, keyword, vec![accepted], refused)
    }

    fn choice(&self, at: &str, keyword: &'static str, accepted: Vec<Value>, refused: Value) -> Vec<Bound> {
        vec![Bound { kind: self.0, at: format!("/spec/{at}"), keyword, within: self.1.clone(), accepted, refused }]
    }

    /// One of several words.
    fn word(&self, at: &str, words: &[&str]) -> Vec<Bound> {
        self.choice(at, "enum", words.iter().map(|word| json!(word)).collect(), json!("Whatever"))
    }

    fn required(&self, at: &str, value: Value) -> Vec<Bound> {
        self.bound(at, "required", value, Value::Null)
    }

    /// A text of anything, from `least` characters on.
    fn text(&self, at: &str, least: usize, most: usize) -> Vec<Bound> {
        let of = |length: usize| json!("a".repeat(length));
        let long = self.bound(at, "maxLength", of(most), of(most + 1));
        let short = if least == 0 { vec![] } else { self.bound(at, "minLength", of(least), of(least - 1)) };
        [long, short].concat()
    }

    fn uuid(&self, at: &str) -> Vec<Bound> {
        let id = uuid(7);
        let long = self.bound(at, "maxLength", json!(id), json!(format!("{id}0")));
        [long, self.bound(at, "pattern", json!(id.to_uppercase()), json!(id.replace('-', "0")))].concat()
    }

    /// A duration of this length, and that with a part more.
    fn duration(&self, at: &str) -> Vec<Bound> {
        self.bound(at, "maxLength", json!(LONG_HOUR), json!(format!("{LONG_HOUR}s")))
    }

    /// A list of at most so many different items.
    fn set(&self, at: &str, item: impl Fn(usize) -> Value, least: usize, most: usize) -> Vec<Bound> {
        let of = |count: usize| (0..count).map(&item).collect::<Value>();
        let long = self.bound(at, "maxItems", of(most), of(most + 1));
        let short = if least == 0 { vec![] } else { self.bound(at, "minItems", of(least), of(least - 1)) };
        [long, short].concat()
    }

    fn unique(&self, at: &str, item: &Value) -> Vec<Bound> {
        self.bound(at, "unique", json!([item]), json!([item, item]))
    }
}

/// One hour in 18 characters.
const LONG_HOUR: &str = "00000h00059m00060s";

fn uuid(number: usize) -> String {
    format!("aaaaaaaa-bbbb-cccc-dddd-{number:012}")
}

#[test]
fn every_bound_of_the_schemas_is_tried_on_both_sides_and_closely() {
    let bounds = bounds();
    for kind in ["EntraTenant", "ServicePrincipalCredential"] {
        let mut declared = BTreeMap::new();
        collect("/spec", &schema(kind)["properties"]["spec"], &mut declared);
        let tried = |at: &str, keyword: &str| bounds.iter().any(|bound| (bound.kind, &*bound.at, bound.keyword) == (kind, at, keyword));
        let missing: Vec<_> = declared.keys().filter(|(at, keyword)| !tried(at, keyword)).collect();
        assert!(missing.is_empty(), "{kind}: no case tries {missing:#?}");
        for bound in bounds.iter().filter(|bound| bound.kind == kind) {
            let declared = declared.get(&(bound.at.clone(), bound.keyword));
            assert!(declared.is_some_and(|declared| bound.is_tight(declared)), "{} is {declared:?}", bound.title());
        }
    }
}

#[test]
fn every_word_that_a_field_may_hold_is_tried() {
    let bounds = bounds();
    for kind in ["EntraTenant", "ServicePrincipalCredential"] {
        let mut declared = BTreeMap::new();
        collect("/spec", &schema(kind)["properties"]["spec"], &mut declared);
        for ((at, _), words) in declared.iter().filter(|((_, keyword), _)| *keyword == "enum") {
            let here = bounds.iter().filter(|bound| (bound.kind, &bound.at, bound.keyword) == (kind, at, "enum"));
            let tried: BTreeSet<_> = here.flat_map(|bound| &bound.accepted).map(Value::to_string).collect();
            assert_eq!(tried, words.as_array().unwrap().iter().map(Value::to_string).collect(), "{kind}: {at}");
        }
    }
}

/// The bounds that a schema declares, by field and keyword.
fn collect(at: &str, schema: &Value, found: &mut BTreeMap<(String, &'static str), Value>) {
    let lengths = ["minLength", "maxLength", "pattern", "enum", "minItems", "maxItems", "minProperties", "maxProperties"];
    for keyword in lengths.into_iter().filter(|keyword| schema.get(keyword).is_some()) {
        found.insert((at.to_owned(), keyword), schema[keyword].clone());
    }
    if ["set", "map"].contains(&schema["x-kubernetes-list-type"].as_str().unwrap_or_default()) {
        found.insert((at.to_owned(), "unique"), Value::Null);
    }
    if ["date-time", "byte"].contains(&schema["format"].as_str().unwrap_or_default()) {
        found.insert((at.to_owned(), "format"), Value::Null);
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        found.insert((format!("{at}/{}", name.as_str().unwrap()), "required"), Value::Null);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        collect(&format!("{at}/{name}"), property, found);
    }
    for (step, inner) in [("0", &schema["items"]), ("*", &schema["additionalProperties"])] {
        if inner.is_object() {
            collect(&format!("{at}/{step}"), inner, found);
        }
    }
}
