//! One plan, carried out and judged.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entra_emulator::Lag;
use serde_json::{Value, json};

use crate::edit;
use crate::effects::{self, Effects, Turn};
use crate::hands::Hands;
use crate::happening::Happening;
use crate::oracle::{self, Oracle};
use crate::plan::{Disturbance, Plan};
use crate::setup::{Kind, Replicas, Setup};
use crate::workflow::{self, Workflow};
use crate::world::{NAMESPACE, OUTPUT, World, credentials};

/// What came of a plan that kept every promise.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The effects of the course by name, in order.
    pub effects: Vec<String>,
    /// How the world looks in the end, without ids and times.
    pub end: Value,
    /// Writes to Graph.
    pub graph_writes: usize,
    /// From the end of the last disturbance, or from the beginning, to the end of the course.
    pub settled_after: TimeDelta,
}

impl Outcome {
    /// What of a plan was done: the other turns name effects that never came.
    pub fn taken<'a>(&self, plan: &'a Plan) -> impl Iterator<Item = &'a (usize, Disturbance)> {
        let effects = self.effects.len();
        plan.turns.iter().filter(move |(at, _)| *at < effects)
    }
}

/// Why a plan did not keep its promises.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broken(pub String);

/// After the course nothing may be written for so long.
const SILENCE: Duration = Duration::from_secs(3 * 3_600);

/// What nobody tells the operator it finds within so long: an audit every six hours, and what follows from it.
const AUDIT: Duration = Duration::from_secs(9 * 3_600);

/// How often the world is judged while nothing happens.
const PACE: Duration = Duration::from_secs(300);

/// Carries out a plan in a world of its own.
///
/// # Errors
/// With what is wrong, where a promise is broken.
pub fn run(plan: &Plan) -> Result<Outcome, Broken> {
    told(plan).0
}

/// The same, with every effect of the course, however it ended, for people to read.
pub fn told(plan: &Plan) -> (Result<Outcome, Broken>, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (effects, first) = (Effects::default(), Arc::default());
    let attempt = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(carry_out(plan, &effects, &first))));
    let story = effects.story(first.load(Ordering::SeqCst));
    (attempt.map_err(|panic| Broken(words_of(panic.as_ref()))), story)
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "a panic without words".to_owned())
}

async fn carry_out(plan: &Plan, effects: &Effects, first: &AtomicUsize) -> Outcome {
    let workflow = workflow::find(plan.workflow).expect("a known workflow");
    let world = World::empty(&Setup { more_replicas: plan.replicas, effects: effects.clone(), ..workflow.setup() }).await;
    world.drive(PACE, course(&world, workflow, plan, first)).await
}

async fn course(world: &World, workflow: &Workflow, plan: &Plan, begin: &AtomicUsize) -> Outcome {
    let oracle = Oracle::watch(world);
    workflow.prepare(world).await;
    // What is there by then has reached every replica.
    tokio::time::sleep(minutes(plan.lag)).await;
    let (first, before) = (world.effects.count(), written(world, plan));
    begin.store(first, Ordering::SeqCst);
    let ends = script(world, &oracle, plan, first);
    world.entra.set_lag(lag(plan));
    let began = world.now();
    workflow.run(world, &oracle).await;
    let settled_at = world.now();
    let effects = world.effects.record().split_off(first);
    let last = *ends.lock().unwrap();
    settle(world, workflow, plan, &oracle, last).await;
    Outcome { end: end(world), graph_writes: written(world, plan) - before, settled_after: settled_at - last.unwrap_or(began), effects }
}

/// A proof asks some of the instances that sign in: of those few know a new credential before all do.
fn lag(plan: &Plan) -> Lag {
    let lags = |late: usize| std::iter::once(Duration::ZERO).chain(std::iter::repeat_n(minutes(plan.lag), late)).collect();
    Lag { graph: lags(1), sign_in: lags(7), metadata: lags(1) }
}

fn minutes(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 60)
}

/// When the last disturbance so far is over.
type Ends = Arc<std::sync::Mutex<Option<DateTime<Utc>>>>;

/// Writes down what is to happen at which effect.
fn script(world: &World, oracle: &Oracle, plan: &Plan, first: usize) -> Ends {
    let hands = Hands::on(world, oracle.strangers());
    hands.back_up();
    let ends = Ends::default();
    for (at, what) in &plan.turns {
        let at = first + at;
        let (ended, entra) = (Arc::clone(&ends), world.entra.clone());
        let span = match what {
            Disturbance::Fault(fault) => fault.lasts(),
            Disturbance::Happening(happening) => happening.lasts(),
            Disturbance::Edit(_) => edit::STANDS,
        };
        let note = move || {
            let mut last = ended.lock().unwrap();
            *last = last.max(Some(entra.now() + span));
        };
        world.effects.at(at, Turn::Call(Box::new(note)));
        let turn = match *what {
            Disturbance::Fault(fault) => Turn::Fault(fault),
            Disturbance::Happening(happening) => {
                let hands = hands.clone();
                Turn::Call(Box::new(move || hands.happen(happening)))
            }
            Disturbance::Edit(edit) => {
                let hands = hands.clone();
                Turn::Call(Box::new(move || hands.edit_for_a_while(edit)))
            }
        };
        world.effects.at(at, turn);
    }
    ends
}

/// Everything that lasts comes to its end; then the world has settled, and nothing more is done.
async fn settle(world: &World, workflow: &Workflow, plan: &Plan, oracle: &Oracle, last: Option<DateTime<Utc>>) {
    world.effects.disarm();
    world.entra.set_lag(Lag::default());
    let left = last.map_or(TimeDelta::zero(), |last| last - world.now()).max(TimeDelta::zero());
    // To a new process three audits have to show that a certificate is gone, before it leaves the bundle.
    let is_short = workflow.kind() != Kind::Signing || workflow.ends_withdrawn() || plan.has(Happening::AnotherSigns);
    let audits = if is_short { 1 } else { 4 };
    tokio::time::sleep(left.to_std().unwrap() + AUDIT * audits).await;
    if workflow.ends_with_nothing() {
        // What a restored status has forgotten carries our mark and is in no ledger: it is never removed. Nor is what somebody asked to retain.
        if !plan.has(Happening::StatusRestored) && !plan.retains() {
            nothing_is_left(world, oracle);
        }
    } else {
        let awaits_a_person = |world: &World| plan.takes_away() && (world.awaits_a_person() || workflow.ends_withdrawn());
        let is_over = |world: &World| world.is_at_rest() || workflow.ends_withdrawn() || awaits_a_person(world);
        let limit = if workflow.rolls_itself() { workflow::LIFE } else { TimeDelta::days(4) };
        world.wait_until(limit, "rest in the end", is_over).await;
        // What nobody approves ends.
        if workflow.ends_withdrawn() {
            pass_the_end(world).await;
        }
        let has_ended = workflow.ends_withdrawn() && world.condition("Ready") == "False/Expired";
        if !awaits_a_person(world) && !has_ended {
            oracle.has_settled(world);
        }
    }
    nothing_more_is_written(world, workflow, plan).await;
    oracle.check("the end");
}

/// The end of what is published is no silence: where it is near, it is awaited.
async fn pass_the_end(world: &World) {
    let end: Option<DateTime<Utc>> = world.current()["notAfter"].as_str().and_then(|end| end.parse().ok());
    let left = end.and_then(|end| (end - world.now()).to_std().ok());
    if let Some(left) = left.filter(|left| *left <= SILENCE) {
        tokio::time::sleep(left + AUDIT).await;
    }
}

/// Writes to Entra so far. Of two clusters of the same uids one is refused every hour, which changes nothing: there only what was applied counts.
fn written(world: &World, plan: &Plan) -> usize {
    let applied = || world.entra.mutations_of(world.object).iter().filter(|mutation| mutation.caller.is_some()).count();
    if plan.replicas == Replicas::Clone { applied() } else { world.writes().len() }
}

async fn nothing_more_is_written(world: &World, workflow: &Workflow, plan: &Plan) {
    let (before, written_before) = (world.effects.count(), written(world, plan));
    let awaits_approval = world.find_resource().is_some() && world.condition("Rotating") == "True/AwaitingApproval";
    tokio::time::sleep(SILENCE).await;
    // What another cluster does is news: to the count of foreign credentials, and to the bundle of those that can sign.
    let is_news = |name: &str| name.ends_with("/status") || (workflow.kind() == Kind::Signing && name.contains(OUTPUT));
    // Two clusters of the same uids choose the same keyId. Entra gives it once: whoever comes second is refused, says so, and asks again every hour.
    let refused = plan.replicas == Replicas::Clone && written(world, plan) == written_before;
    let is_refused = |name: &str| refused && name.starts_with("PATCH v1.0/");
    // What somebody chose is good for three days, and its successor may be due by now.
    // Whoever waits for an approval is told as the deadline comes nearer.
    let is_warned = |name: &str| awaits_approval && name.ends_with("/status");
    let is_told = |name: &str| {
        plan.has(Happening::AnotherSigns) || (plan.replicas.are_two_clusters() && is_news(name)) || is_refused(name) || is_warned(name)
    };
    let since = world.effects.record().split_off(before).into_iter();
    let since: Vec<String> = since.filter(|name| !effects::is_beside(name) && !is_told(name)).collect();
    assert!(since.is_empty(), "written at rest: {since:#?}");
}

/// After a deletion only what signs may stay, and it is named on the EntraTenant.
fn nothing_is_left(world: &World, oracle: &Oracle) {
    let signer = world.entra.signer(world.object);
    let abandoned = world.tenant_status()["abandoned"].as_array().cloned().unwrap_or_default();
    let listed = |one: &Value, names: &str| one[names].as_array().cloned().unwrap_or_default();
    let named: Vec<Value> = abandoned.iter().flat_map(|one| [listed(one, "keyIDs"), listed(one, "marks")].concat()).collect();
    let left = oracle.ours();
    let is_named = |entry: &Value| ["keyId", "customKeyIdentifier", "displayName"].iter().any(|name| named.contains(&entry[name]));
    assert!(left.iter().all(is_named), "left and not named: {left:#?}, named: {named:#?}");
    assert!(left.is_empty() || signer.is_some() || !named.is_empty(), "only a signer may stay: {left:#?}");
}

/// The end of the world without ids and times: what two runs of one workflow have in common.
fn end(world: &World) -> Value {
    let resource = world.find_resource().unwrap_or_default();
    let conditions: BTreeMap<String, String> = resource["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| (string(&one["type"]), format!("{}/{}", string(&one["status"]), string(&one["reason"]))))
        .collect();
    let entries: Vec<Value> = oracle::entries(&resource)
        .iter()
        .map(|entry| json!({"use": entry["use"], "origin": entry["origin"], "keyIDs": count(&entry["keyIDs"])}))
        .collect();
    let secrets: Vec<Value> = world.cluster.list("secrets", Some(NAMESPACE)).iter().map(shape).collect();
    let listed = world.entra.object(world.object).map(|object| credentials(&object).len());
    json!({"conditions": conditions, "entries": entries, "secrets": secrets, "listed": listed,
        "finalizers": resource["metadata"]["finalizers"]})
}

/// Which Secret it is, slots without their letter, and which keys and labels it has.
fn shape(secret: &Value) -> Value {
    let name = string(&secret["metadata"]["name"]);
    let slot = ["-entra-a", "-entra-b"].iter().find_map(|end| name.strip_suffix(end)).map(|of| format!("a slot of {of}"));
    let name = slot.unwrap_or(name);
    // What a person wrote for an adoption goes with whatever replaces their Secret.
    let is_ours = |key: &&String| !key.ends_with("/adopt-by");
    let keys = |value: &Value| value.as_object().map(|map| map.keys().filter(is_ours).cloned().collect::<Vec<_>>());
    json!({"name": name, "type": secret["type"], "keys": keys(&secret["data"]), "labels": keys(&secret["metadata"]["labels"]),
        "annotations": keys(&secret["metadata"]["annotations"]), "is the output": name == OUTPUT})
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn count(value: &Value) -> usize {
    value.as_array().map_or(0, Vec::len)
}
