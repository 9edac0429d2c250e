//! Everything that the operator changes, counted, and what is to happen at each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::{Method, Request};
use tokio::time::Instant;

use crate::fault::Fault;

/// The effects of a run, in order. Clones share one record.
#[derive(Clone, Default)]
pub struct Effects(Arc<Inner>);

#[derive(Default)]
struct Inner {
    record: Mutex<Vec<(Instant, String)>>,
    turns: Mutex<BTreeMap<usize, Vec<Turn>>>,
    outages: Mutex<BTreeMap<Side, Outage>>,
    watcher: Mutex<Option<Arc<Watcher>>>,
    faults_found: Mutex<Vec<String>>,
}

/// What happens at an effect.
pub enum Turn {
    /// Something goes wrong with its request.
    Fault(Fault),
    /// Something happens in the world right before it is served.
    Call(Box<dyn FnOnce() + Send>),
}

/// Called before and after each write, with its name. What it finds fault with ends the test: not by a panic, which would be the operator's to survive.
pub type Watcher = dyn Fn(Moment, &str) -> Result<(), String> + Send + Sync;

/// The most effects of a run; the longest undisturbed course has a few hundred. With more, the operator goes round in circles, maybe without any time going
/// by: then nobody serves it any more, so that time does.
const MOST: usize = 20_000;

/// The name of an effect that is none: time goes by.
pub const TIME: &str = "some time";

/// Which side of an effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// Before it is served.
    Before,
    /// After it was served, before the answer arrives.
    After,
}

/// Whom a request is sent to.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Side {
    /// The Kubernetes API server.
    Cluster,
    /// Microsoft Graph.
    Graph,
    /// The token endpoint and the federation metadata.
    Login,
}

/// Until when nobody answers, and how that is noticed.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// Its end.
    pub until: Instant,
    /// Whether requests hang until then; else they are refused at once.
    pub is_silent: bool,
}

impl Effects {
    /// Has something happen at the effect of this number.
    pub fn at(&self, number: usize, turn: Turn) {
        self.0.turns.lock().unwrap().entry(number).or_default().push(turn);
    }

    /// Nothing more is to happen.
    pub fn disarm(&self) {
        self.0.turns.lock().unwrap().clear();
    }

    /// The end: whatever watches or waits for an effect holds these effects in turn, and with them a whole world.
    pub(crate) fn let_go(&self) {
        self.disarm();
        *self.0.watcher.lock().unwrap() = None;
    }

    /// All effects so far by name, in order. The number of an effect is its place here.
    pub fn record(&self) -> Vec<String> {
        self.0.record.lock().unwrap().iter().map(|(_, name)| name.clone()).collect()
    }

    /// All effects so far with their numbers, from the one of number `first` on, and the time since that one, for people to read.
    pub fn story(&self, first: usize) -> Vec<String> {
        let record = self.0.record.lock().unwrap();
        let effects = record.get(first..).unwrap_or_default();
        let line = |(number, (at, name)): (usize, &(Instant, String))| {
            let seconds = at.duration_since(effects[0].0).as_secs();
            format!("{number:>4} {:>4}:{:02}:{:02} {name}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
        };
        effects.iter().enumerate().map(line).collect()
    }

    /// How many effects there were so far.
    pub fn count(&self) -> usize {
        self.0.record.lock().unwrap().len()
    }

    /// The writes of resources, Secrets and credentials among the effects.
    pub fn log(&self) -> Vec<String> {
        self.record().into_iter().filter(|name| !is_beside(name)).collect()
    }

    /// Nobody on this side answers for a while.
    pub fn cut_off(&self, side: Side, outage: Outage) {
        self.0.outages.lock().unwrap().insert(side, outage);
    }

    pub(crate) fn outage(&self, side: Side) -> Option<Outage> {
        self.0.outages.lock().unwrap().get(&side).copied().filter(|outage| Instant::now() < outage.until)
    }

    /// Whether there were so many effects that nothing is served any more.
    pub(crate) fn is_over(&self) -> bool {
        self.count() >= MOST
    }

    /// Has every write watched from now on.
    pub fn watch(&self, watcher: impl Fn(Moment, &str) -> Result<(), String> + Send + Sync + 'static) {
        *self.0.watcher.lock().unwrap() = Some(Arc::new(watcher));
    }

    /// Nobody looks any more.
    pub fn look_away(&self) {
        *self.0.watcher.lock().unwrap() = None;
    }

    /// # Panics
    /// If a watcher found fault with anything so far.
    pub fn assert_faultless(&self) {
        let found = self.0.faults_found.lock().unwrap();
        assert!(found.is_empty(), "{} faults; the first: {}", found.len(), found[0]);
    }

    /// Remembers what was found to be wrong.
    pub fn find_fault(&self, what: String) {
        self.0.faults_found.lock().unwrap().push(what);
    }

    pub(crate) fn begin(&self, name: &str) -> Option<Fault> {
        if !is_beside(name) {
            self.tell(Moment::Before, name);
        }
        let number = {
            let mut record = self.0.record.lock().unwrap();
            record.push((Instant::now(), name.to_owned()));
            record.len() - 1
        };
        if number + 1 == MOST {
            self.find_fault(format!("{MOST} effects, and no end of them; the last was {name}"));
        }
        let turns = self.0.turns.lock().unwrap().remove(&number).unwrap_or_default();
        let mut fault = None;
        for turn in turns {
            match turn {
                Turn::Fault(its) => fault = Some(its),
                Turn::Call(call) => call(),
            }
        }
        fault
    }

    pub(crate) fn end(&self, name: &str) {
        if !is_beside(name) {
            self.tell(Moment::After, name);
        }
    }

    /// Tells the watcher.
    pub fn tell(&self, moment: Moment, name: &str) {
        let watcher = self.0.watcher.lock().unwrap().clone();
        let fault = watcher.and_then(|watcher| watcher(moment, name).err());
        self.0.faults_found.lock().unwrap().extend(fault);
    }
}

/// The name of a request that changes something, or signs in; none for a read.
pub(crate) fn name<Q>(request: &Request<Q>) -> Option<String> {
    let path = request.uri().path();
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let mut parts = path.rsplit('/');
    let last = parts.next().unwrap_or_default();
    let before = parts.next().unwrap_or_default();
    let before = if last == "token" { "login" } else { before };
    Some(format!("{} {before}/{last}", request.method()))
}

/// Sign-ins, events, the Lease and the EntraTenant: neither ledger, output nor credential.
pub fn is_beside(name: &str) -> bool {
    let beside = ["login/token", "/events", " events/", " leases/", "/leases", " default/status"];
    beside.iter().any(|part| name.contains(part))
}

pub(crate) fn side<Q>(request: &Request<Q>) -> Side {
    let path = request.uri().path();
    match () {
        () if path.starts_with("/api") => Side::Cluster,
        () if path.starts_with("/v1.0/") || path.starts_with("/beta/") => Side::Graph,
        () => Side::Login,
    }
}
