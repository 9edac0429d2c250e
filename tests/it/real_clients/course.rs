use std::{collections::BTreeMap, sync::OnceLock, thread};

use chrono::{DateTime, Utc};
use entra_emulator::Registered;
use entra_types::KeyId;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::{Barrier, watch};

use super::{
    client::Attempt,
    installed::Installed,
    node,
    output::{Output, Version},
    python,
    stage::Stage,
    user::{User, Workplace},
};

/// How often everything is replaced while clients are at work.
pub(super) const ROTATIONS: usize = 3;

/// The output with a client certificate.
pub(super) const CERTIFICATE: &str = "payroll-api";
/// The output with a client secret.
pub(super) const SECRET: &str = "payroll-job";

/// What is declared, by the name of its output.
fn declared() -> [(&'static str, Value); 2] {
    [(CERTIFICATE, json!({"clientCertificate": {}, "template": {"additionalFormats": ["PKCS12"]}})), (SECRET, json!({"clientSecret": {}}))]
}

/// What was seen from the first publication to the end of the last rotation.
pub(super) struct Course {
    uses: Vec<(User, Vec<Attempt>)>,
    outputs: BTreeMap<&'static str, History>,
}

/// What became of one output.
pub(super) struct History {
    /// As they got into pods, in order.
    pub(super) versions: Vec<Version>,
    /// What went from Entra, and when.
    pub(super) removals: Vec<(KeyId, DateTime<Utc>)>,
    /// How many tokens its application got.
    pub(super) tokens: usize,
}

impl Course {
    /// The one course that all tests judge. The first of them runs it; what fails in it is told once.
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<Option<Course>> = OnceLock::new();
        let run = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(run());
        let course = SHARED.get_or_init(|| thread::spawn(run).join().ok());
        course.as_ref().expect("the course comes to its end; its own panic tells why it did not")
    }

    /// What a user did, and what became of the output meanwhile.
    pub(super) fn of(&self, user: User) -> (&[Attempt], &History) {
        let (_, attempts) = self.uses.iter().find(|(other, _)| *other == user).expect("the user took part");
        (attempts, &self.outputs[user.output])
    }

    /// What all users of an output did, and what became of it.
    pub(super) fn of_output(&self, output: &str) -> (Vec<&Attempt>, &History) {
        let attempts = self.uses.iter().filter(|(user, _)| user.output == output).flat_map(|(_, attempts)| attempts);
        (attempts.collect(), &self.outputs[output])
    }
}

async fn run() -> Course {
    let mut stage = Stage::set().await;
    let targets: BTreeMap<_, _> = declared().into_iter().map(|(name, _)| (name, stage.application(name))).collect();
    stage.admit(&targets.values().collect::<Vec<_>>()).await;
    let mut outputs = BTreeMap::new();
    for (name, _) in declared() {
        outputs.insert(name, stage.follow(name));
    }
    let uses = use_and_rotate(&stage, &targets, &outputs).await;
    assert!(stage.is_operated(), "the operator ended; it said:\n{}", stage.log());
    let history = |(name, output): (&'static str, Output)| {
        let (versions, target) = (output.versions.borrow().clone(), &targets[name]);
        (name, History { versions, removals: stage.removals(target), tokens: stage.tokens(target) })
    };
    Course { uses, outputs: outputs.into_iter().map(history).collect() }
}

/// Lets everybody work, rotates when each has signed in, and ends when the last rotation has.
async fn use_and_rotate(
    stage: &Stage,
    targets: &BTreeMap<&'static str, Registered>,
    outputs: &BTreeMap<&'static str, Output>,
) -> Vec<(User, Vec<Attempt>)> {
    let users: Vec<User> = python::USERS.into_iter().chain(node::USERS).collect();
    let (installed, ca, begun) = (Installed::find(stage.folder.path()), stage.ca(), Barrier::new(users.len() + outputs.len()));
    let (stop, over) = watch::channel(false);
    let workplace = Workplace { installed: &installed, folder: stage.folder.path(), ca: &ca, begun: &begun, over };
    let work = join_all(users.iter().map(|user| user.work(&outputs[user.output], &workplace)));
    let rotate = async {
        join_all(declared().iter().map(|(name, kind)| rotate(stage, name, &targets[name], kind, &begun))).await;
        stop.send_replace(true);
    };
    let (attempts, ()) = tokio::join!(work, rotate);
    for (user, attempts) in users.iter().zip(&attempts) {
        let tokens = attempts.iter().filter(|attempt| attempt.ok).count();
        println!("{user}: {tokens} tokens in {} attempts", attempts.len());
    }
    users.into_iter().zip(attempts).collect()
}

/// Has it issued, and replaced once all have begun.
async fn rotate(stage: &Stage, name: &str, target: &Registered, kind: &Value, begun: &Barrier) {
    stage.declare(name, target, kind).await;
    begun.wait().await;
    for _ in 0..ROTATIONS {
        stage.rotate(name, target, kind).await;
    }
}
