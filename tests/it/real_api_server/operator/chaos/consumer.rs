use std::{
    cell::RefCell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use keys::Certificate;
use tokio::time::{MissedTickBehavior, interval};

use super::world::{Declared, Kind, SOAK, World};
use crate::real_api_server::operator::published::Published;

const EVERY: Duration = Duration::from_secs(1);
/// Of all outputs so many are used in earnest each time, by a sign-in; the others are compared with what Entra accepts.
const IN_EARNEST: usize = 8;

/// Whoever uses what is published: it reads every output every second, or goes on with what it has while the cluster cannot be reached, as
/// a pod does with what is mounted.
pub(super) struct Consumer {
    overlap: Duration,
    seen: RefCell<Seen>,
}

/// An output, and since when it is known to have been like that.
struct Copy {
    read: Instant,
    output: Published,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) uses: usize,
    pub(super) sign_ins: usize,
    /// Seconds during which an output could not be used, by kind, over all outputs.
    pub(super) gaps: BTreeMap<Kind, f64>,
    /// What went wrong first.
    pub(super) first: Option<String>,
}

impl Seen {
    pub(super) fn gap(&self) -> f64 {
        self.gaps.values().fold(0.0, |sum, gap| sum + gap)
    }
}

impl Consumer {
    /// For credentials whose predecessors stay for so long.
    pub(super) fn new(overlap: &str) -> Self {
        Self { overlap: overlap.parse::<kube::core::Duration>().unwrap().into(), seen: RefCell::default() }
    }

    /// Never ends.
    pub(super) async fn use_outputs(&self, world: &World) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut held = BTreeMap::new();
        let mut turn = 0;
        let mut last = Instant::now();
        loop {
            ticks.tick().await;
            let read = Instant::now();
            if let Ok(Ok(outputs)) = tokio::time::timeout(EVERY, world.outputs()).await {
                held.extend(outputs.into_iter().map(|(name, output)| (name, Copy { read, output })));
            }
            self.use_all(world, &held, turn, last.elapsed().as_secs_f64()).await;
            last = Instant::now();
            turn += 1;
        }
    }

    async fn use_all(&self, world: &World, held: &BTreeMap<String, Copy>, turn: usize, since: f64) {
        let published: Vec<_> = world.resources.iter().filter_map(|resource| Some((resource, held.get(&resource.name)?))).collect();
        let begin = if published.is_empty() { 0 } else { turn * IN_EARNEST % published.len() };
        for (at, (resource, copy)) in published.iter().enumerate() {
            let in_earnest = (begin..begin + IN_EARNEST).contains(&at);
            let outcome = self.judge(world, resource, copy, in_earnest).await;
            self.note(resource, outcome, in_earnest, since);
            // Others have work as well.
            tokio::task::yield_now().await;
        }
    }

    /// Who is so slow that a copy is older than a predecessor lives reads again: what was published since is what counts.
    async fn judge(&self, world: &World, resource: &Declared, copy: &Copy, in_earnest: bool) -> Result<(), String> {
        let bound = if resource.kind == Kind::Signing { SOAK } else { self.overlap };
        let mut outcome = use_one(world, resource, &copy.output, in_earnest).await;
        let mut read = copy.read;
        while outcome.is_err() && read.elapsed() >= bound {
            let again = Instant::now();
            let Some(output) = world.try_output(&resource.name).await else { break };
            outcome = use_one(world, resource, &output, in_earnest).await;
            read = again;
        }
        outcome
    }

    fn note(&self, resource: &Declared, outcome: Result<(), String>, in_earnest: bool, since: f64) {
        let mut seen = self.seen.borrow_mut();
        seen.uses += 1;
        seen.sign_ins += usize::from(in_earnest && resource.kind != Kind::Signing);
        if let Err(why) = outcome {
            *seen.gaps.entry(resource.kind).or_default() += since;
            seen.first.get_or_insert_with(|| format!("{}: {why}", resource.name));
        }
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Leaves out the gaps of this kind so far: for those that nobody can prevent.
    pub(super) fn forgive(&self, kind: Kind) {
        self.seen.borrow_mut().gaps.remove(&kind);
    }
}

/// Whether what is published is good for what it is for.
pub(super) async fn use_one(world: &World, resource: &Declared, output: &Published, in_earnest: bool) -> Result<(), String> {
    let emulator = world.entra.emulator();
    let client = resource.target.client_id;
    if resource.kind == Kind::Signing {
        let signer = emulator.signer(resource.target.service_principal).ok_or("nothing signs")?.thumbprint();
        let trusted = output.thumbprints("signing-bundle.crt");
        return if trusted.contains(&signer) { Ok(()) } else { Err(format!("{signer} signs, and the bundle holds {trusted:?}")) };
    }
    if in_earnest {
        return output.sign_in_for(&world.entra, &world.way_to_graph()).await.map_err(|failure| failure.to_string());
    }
    let is_accepted = match resource.kind {
        Kind::Secret => emulator.accepts_secret_everywhere(client, output.text("AZURE_CLIENT_SECRET")),
        _ => emulator.accepts_certificate_everywhere(client, &Certificate::from_pem(output.text("tls.crt")).unwrap()),
    };
    if is_accepted { Ok(()) } else { Err("Entra does not accept it".to_owned()) }
}
