use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::sleep;

use super::world::World;
use crate::{control_plane::Issuer, real_api_server::operator::process::Operator};

const POLL: Duration = Duration::from_millis(10);

/// What kubelet does: starts a replica again that ended, whatever ended it.
pub(super) struct Supervisor<'a> {
    world: &'a World,
    replicas: RefCell<Vec<(String, Rc<Operator>)>>,
    /// Which authority those that start from here on trust.
    pub(super) issuer: Cell<Issuer>,
    record: RefCell<Record>,
}

/// What became of the replicas.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// By exit code; `None` where a signal ended it.
    pub(super) exits: BTreeMap<Option<i32>, usize>,
    /// How often a resource was caught with something under way.
    pub(super) hits: BTreeMap<String, usize>,
    /// What no log may say.
    pub(super) defects: Vec<String>,
    /// What logs of those that ended said of their connections.
    complaints: BTreeSet<Complaint>,
}

/// Why a replica may end that is cut off for another reason than a busy machine.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Complaint {
    /// The API server does not accept its token.
    Unauthorized,
    /// It does not accept the API server's certificate.
    Untrusted,
}

impl Complaint {
    const ALL: [Self; 2] = [Self::Unauthorized, Self::Untrusted];

    fn is_in(self, log: &str) -> bool {
        log.contains(match self {
            Self::Unauthorized => "Unauthorized",
            Self::Untrusted => "invalid peer certificate",
        })
    }
}

impl<'a> Supervisor<'a> {
    /// Starts these replicas.
    pub(super) async fn start(world: &'a World, pods: &[&str]) -> Self {
        let supervisor = Self { world, replicas: RefCell::default(), issuer: Cell::new(Issuer::First), record: RefCell::default() };
        for pod in pods {
            supervisor.begin(pod).await;
        }
        supervisor
    }

    async fn begin(&self, pod: &str) {
        // One for each that was started before.
        let turn = self.exits() + self.replicas.borrow().len();
        let operator = self.world.operator(pod, self.issuer.get(), turn).await;
        self.replicas.borrow_mut().push((pod.to_owned(), Rc::new(operator)));
    }

    /// Never ends.
    pub(super) async fn watch(&self) {
        loop {
            let ended = self.replicas.borrow().iter().position(|(_, operator)| !operator.is_running());
            match ended {
                Some(at) => self.replace(at).await,
                None => sleep(POLL).await,
            }
        }
    }

    async fn replace(&self, at: usize) {
        let (pod, operator) = self.replicas.borrow_mut().remove(at);
        // A trap must not hit whoever gets its process id next.
        self.world.api.disarm();
        self.world.graph.disarm();
        self.bury(&operator).await;
        self.autopsy().await;
        self.begin(&pod).await;
    }

    async fn bury(&self, operator: &Operator) {
        let code = operator.exit_code().await;
        let mut record = self.record.borrow_mut();
        *record.exits.entry(code).or_default() += 1;
        let log = operator.log();
        record.defects.extend(defects(&log));
        record.complaints.extend(Complaint::ALL.into_iter().filter(|complaint| complaint.is_in(&log)));
    }

    /// Notes what is under way, as whatever just happened may cost it writes.
    pub(super) async fn autopsy(&self) {
        let Some(states) = self.world.try_states().await else { return };
        let mut record = self.record.borrow_mut();
        for (name, _) in states.iter().filter(|(_, state)| is_under_way(state)) {
            *record.hits.entry(name.clone()).or_default() += 1;
        }
    }

    /// Whether any replica, running or ended, has said so.
    pub(super) fn has_heard(&self, complaint: Complaint) -> bool {
        self.record.borrow().complaints.contains(&complaint) || self.all().iter().any(|operator| complaint.is_in(&operator.log()))
    }

    pub(super) fn exits(&self) -> usize {
        self.record.borrow().exits.values().sum()
    }

    /// The replica of this pod, as long as it runs.
    pub(super) fn replica(&self, pod: &str) -> Option<Rc<Operator>> {
        let replicas = self.replicas.borrow();
        replicas.iter().find(|(name, _)| name == pod).map(|(_, operator)| Rc::clone(operator))
    }

    pub(super) fn all(&self) -> Vec<Rc<Operator>> {
        self.replicas.borrow().iter().map(|(_, operator)| Rc::clone(operator)).collect()
    }

    /// Tells all to stop, and what became of them.
    pub(super) async fn end(self) -> Record {
        let replicas = self.replicas.take();
        for (_, operator) in &replicas {
            operator.send(Signal::TERM);
        }
        for (_, operator) in &replicas {
            self.bury(operator).await;
        }
        self.record.into_inner()
    }
}

/// Signals a process, for a trap: it may be gone already.
pub(super) fn signal(id: Pid, signal: Signal) -> impl FnOnce() + Send + 'static {
    move || {
        let _ = kill_process(id, signal);
    }
}

/// A credential is coming, or a write to Entra was licensed of which the ledger does not say how it ended.
fn is_under_way(state: &Value) -> bool {
    let is_open = |entry: &Value| entry["use"] == "Next" || (!entry["op"].is_null() && entry["op"]["outcome"].is_null());
    state["status"]["credentials"].as_array().is_some_and(|entries| entries.iter().any(is_open))
}

fn defects(log: &str) -> Vec<String> {
    let is_defect = |line: &&str| line.contains("defect of the operator") || line.contains("panicked");
    log.lines().filter(is_defect).map(str::to_owned).collect()
}
