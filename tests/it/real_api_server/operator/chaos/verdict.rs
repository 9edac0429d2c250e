use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use entra_types::ObjectId;
use serde_json::Value;

use super::{
    consumer::{Seen, use_one},
    supervisor::Record,
    world::{Declared, Kind, World},
};
use crate::real_api_server::operator::{published::Published, witness::condition};

/// A disturbance that catches a resource at work costs it at most so many writes to Entra: another credential in place of one that is lost, and
/// the removal of that.
const EXPLAINED: usize = 2;

/// How a resource ends, as far as it must be the same in every run.
#[derive(Clone, Debug, Eq, PartialEq)]
struct End {
    ready: String,
    stage: String,
    ledger: Vec<String>,
    /// Credentials of this resource that Entra holds; what one call makes counts as one.
    live: usize,
    /// Those that carry our mark and are in no ledger.
    unrecorded: usize,
    slots: usize,
}

impl End {
    /// As it is where nothing ever went wrong.
    fn undisturbed(kind: Kind) -> Self {
        Self {
            ready: "True/Published".to_owned(),
            stage: "False/AtRest".to_owned(),
            ledger: vec!["Made Current".to_owned()],
            live: 1,
            unrecorded: 0,
            slots: usize::from(kind != Kind::Signing),
        }
    }

    fn read(world: &World, resource: &Declared, state: &Value, outputs: &BTreeMap<String, Published>) -> Self {
        let entries = state["status"]["credentials"].as_array().cloned().unwrap_or_default();
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let recorded = recorded(state);
        let live = world.entra.entries(resource.object()).into_iter().filter(|entry| recorded.contains(&text(entry, "keyId")));
        let one = |entry: Value| entry["customKeyIdentifier"].as_str().map_or_else(|| text(&entry, "keyId"), str::to_owned);
        Self {
            ready: condition(state, "Ready"),
            stage: condition(state, "Rotating"),
            ledger: entries.iter().map(|entry| format!("{} {}", text(entry, "origin"), text(entry, "use"))).collect(),
            live: live.map(one).collect::<BTreeSet<_>>().len(),
            unrecorded: state["status"]["foreignCredentials"]["unrecorded"].as_array().map_or(0, Vec::len),
            slots: ["a", "b"].iter().filter(|slot| outputs.contains_key(&format!("{}-entra-{slot}", resource.name))).count(),
        }
    }
}

fn recorded(state: &Value) -> BTreeSet<String> {
    let entries = state["status"]["credentials"].as_array().into_iter().flatten();
    let ids = entries.flat_map(|entry| entry["keyIDs"].as_array().into_iter().flatten());
    ids.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What must be true of the world when everything has come to rest; empty where it is.
pub(super) async fn faults_of(world: &World) -> Vec<String> {
    let (states, outputs) = (world.states_at_last().await, world.outputs().await.unwrap());
    let mut faults = Vec::new();
    for resource in &world.resources {
        let end = End::read(world, resource, &states[&resource.name], &outputs);
        if end != End::undisturbed(resource.kind) {
            faults.push(format!("{} ends otherwise than where nothing goes wrong: {end:?}", resource.name));
        }
        let Some(output) = outputs.get(&resource.name) else {
            faults.push(format!("{} is not published", resource.name));
            continue;
        };
        if let Err(why) = use_one(world, resource, output, true).await {
            faults.push(format!("what {} publishes is of no use: {why}", resource.name));
        }
    }
    let ledgers: BTreeSet<_> = states.values().flat_map(recorded).collect();
    faults.extend(world.foreign.iter().flat_map(|(object, foreign)| strangers(world, *object, foreign, &ledgers)));
    faults.extend(world.entra.harm().into_iter().map(|harm| format!("a foreign credential was changed: {harm}")));
    faults
}

/// What is on an object beside what ledgers hold must be what was there from the beginning, to the last byte.
fn strangers(world: &World, object: ObjectId, foreign: &[Value], ledgers: &BTreeSet<String>) -> Option<String> {
    let is_stranger = |entry: &Value| !entry["keyId"].as_str().is_some_and(|id| ledgers.contains(id));
    let now: Vec<_> = world.entra.entries(object).into_iter().filter(is_stranger).collect();
    (now != foreign).then(|| format!("of nobody's on {object}: {foreign:#?} became {now:#?}"))
}

/// What a run was like.
pub(super) struct Run {
    pub(super) scenario: &'static str,
    pub(super) resources: usize,
    pub(super) rotations: usize,
    pub(super) seconds: f64,
    /// What was done to it.
    pub(super) disturbances: usize,
    pub(super) record: Record,
    pub(super) seen: Seen,
    pub(super) writes: BTreeMap<String, usize>,
    pub(super) expected: BTreeMap<String, usize>,
    pub(super) faults: Vec<String>,
}

/// What the credentials of a kind cost in writes to Entra: the first one, and each one after it (section 8 of the protocol).
fn promised(kind: Kind) -> (usize, usize) {
    match kind {
        Kind::Secret | Kind::Certificate => (1, 2),
        Kind::Signing => (2, 3),
    }
}

/// `is_overlapping`: nothing has been removed yet.
pub(super) fn expected(world: &World, rotations: usize, is_overlapping: bool) -> BTreeMap<String, usize> {
    let of = |resource: &Declared| {
        let (first, next) = promised(resource.kind);
        (resource.name.clone(), first + rotations * (next - usize::from(is_overlapping)))
    };
    world.resources.iter().map(of).collect()
}

impl Run {
    fn allowed(&self, name: &str) -> usize {
        self.expected[name] + EXPLAINED * self.record.hits.get(name).copied().unwrap_or_default()
    }

    fn hits(&self) -> usize {
        self.record.hits.values().sum()
    }

    /// Everything that is not as promised; empty where all is.
    pub(super) fn broken_promises(&self) -> Vec<String> {
        let excess = self.writes.iter().filter(|(name, writes)| **writes > self.allowed(name)).map(|(name, writes)| {
            let hits = self.record.hits.get(name).copied().unwrap_or_default();
            format!(
                "{name} cost {writes} writes to Entra, {} where nothing goes wrong, and was caught at work {hits} times",
                self.expected[name]
            )
        });
        let deficit = self.writes.iter().filter(|(name, writes)| **writes < self.expected[*name]);
        let deficit =
            deficit.map(|(name, writes)| format!("{name} cost {writes} writes: it cannot have done its work, or they are not counted"));
        let exits = self.record.exits.keys().filter(|code| !matches!(code, None | Some(0 | 1)));
        let exits = exits.map(|code| format!("the operator ended with {code:?}"));
        let gaps = (self.seen.gap() > 0.0).then(|| {
            format!(
                "published credentials were of no use for {:.1} s, first {}",
                self.seen.gap(),
                self.seen.first.as_deref().unwrap_or_default()
            )
        });
        let used = (self.seen.uses == 0).then(|| "nobody used what was published".to_owned());
        let defects = self.record.defects.iter().cloned();
        self.faults.iter().cloned().chain(excess).chain(deficit).chain(exits).chain(gaps).chain(used).chain(defects).collect()
    }
}

/// The figures of all runs.
pub(super) fn table(runs: &[Run]) -> String {
    let mut table = format!(
        "{:14} {:>9} {:>9} {:>7} {:>12} {:>6} {:>13} {:>11} {:>6} {:>9} {:>7} {:>8} {:>5}\n",
        "scenario",
        "resources",
        "rotations",
        "seconds",
        "disturbances",
        "exits",
        "caught at work",
        "undisturbed",
        "writes",
        "explained",
        "uses",
        "sign-ins",
        "gap s"
    );
    for run in runs {
        let sum = |map: &BTreeMap<String, usize>| map.values().sum::<usize>();
        let allowed: usize = run.writes.keys().map(|name| run.allowed(name)).sum();
        let exits: usize = run.record.exits.values().sum();
        writeln!(
            table,
            "{:14} {:>9} {:>9} {:>7.0} {:>12} {:>6} {:>14} {:>11} {:>6} {:>9} {:>7} {:>8} {:>5.1}",
            run.scenario,
            run.resources,
            run.rotations,
            run.seconds,
            run.disturbances,
            exits,
            run.hits(),
            sum(&run.expected),
            sum(&run.writes),
            format!("≤{allowed}"),
            run.seen.uses,
            run.seen.sign_ins,
            run.seen.gap()
        )
        .unwrap();
    }
    table
}
