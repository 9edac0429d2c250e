//! Whatever Entra and the cluster answer, no secret shows where none may be.

use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use entra_rotator::settings::Reach;
use entra_rotator::telemetry;
use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt as _;

use super::chance::Chance;
use super::estate::Grants;
use super::listen;
use super::recorder::Passes;
use super::stage::{FIXTURES, Stage};
use super::tap::{PANIC, Tap};
use crate::canary::Canaries;

/// Worlds in an ordinary run; `CANARY_WORLDS` asks for more.
const WORLDS: u64 = 12;

/// What was logged.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_secret_shows_in_logs_objects_or_metrics_whatever_is_answered() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let first = number("CANARY_SEED");
    let count = first.map_or_else(|| number("CANARY_WORLDS").unwrap_or(WORLDS), |_| 1);
    let (mut secrets, mut echoes, mut searched) = (0, 0, 0);
    for seed in first.unwrap_or(1)..first.unwrap_or(1) + count {
        let canaries = Canaries::default();
        let (tap, places) = run(seed, &canaries);
        for (place, text) in places {
            let leaks: Vec<_> = canaries.find(&text).iter().map(ToString::to_string).collect();
            let where_from = if leaks.is_empty() { String::new() } else { first_line_with_a_leak(&canaries, &text) };
            assert!(
                leaks.is_empty(),
                "world {seed}: {place} shows {leaks:#?}{where_from}\nTo see it again: CANARY_SEED={seed} cargo test --test it canaries"
            );
            searched += text.len();
        }
        (secrets, echoes) = (secrets + canaries.count(), echoes + tap.echoes());
    }
    println!("{count} worlds: {secrets} secrets, {echoes} answers that repeat what they heard, {} kB searched", searched / 1_000);
    if count >= WORLDS {
        assert!(secrets as u64 > count * 20 && echoes as u64 > count * 3, "{secrets} secrets, {echoes} echoes");
    }
}

/// The process that panics is this test, started again by itself: what a panic logs is set for a whole process.
#[test]
fn a_panic_within_a_pass_shows_no_secret_and_ends_that_pass_only() {
    const CHILD: &str = "PANIC_WITHIN_A_PASS";
    if std::env::var_os(CHILD).is_some() {
        telemetry::init(&"trace".parse().unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        return runtime.block_on(async {
            let tap = Tap::new(&Canaries::default(), 1).panicking();
            let stage = Stage::of(&mut Chance::of(1), Grants::Generous, Reach::Cluster, Some(tap)).await;
            stage.run_for(TimeDelta::minutes(30).to_std().unwrap()).await;
        });
    }
    let test = std::thread::current().name().unwrap().to_owned();
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", &test, "--nocapture"]).env(CHILD, "1").output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "the operator goes on");
    let panics = log.lines().filter(|line| line.contains("a pass ended by a defect of the operator")).count();
    assert!(panics > 0 && log.contains("a panic, which is a defect of the operator"), "nothing panicked");
    let canaries = Canaries::default();
    canaries.text("what the panic said", PANIC);
    (0..FIXTURES).for_each(|number| canaries.private_key("a private key", keys::fixtures::key(number).to_pkcs8_pem().expose()));
    canaries.assert_none_in("the log", &log);
    canaries.assert_none_in("what else is printed", [b"x".as_slice(), &output.stdout].concat());
}

/// Where a line of the log came from, without what it says.
fn first_line_with_a_leak(canaries: &Canaries, text: &[u8]) -> String {
    let found = text.split(|byte| *byte == b'\n').find(|line| !canaries.find(line).is_empty());
    let line: Value = found.and_then(|line| serde_json::from_slice(line).ok()).unwrap_or_default();
    let fields: Vec<_> = line["fields"].as_object().into_iter().flatten().map(|(name, _)| name).collect();
    format!(", first at {} {} with the fields {fields:?}", line["level"], line["target"])
}

/// The places where no secret may be, and what stands there at the end.
fn run(seed: u64, canaries: &Canaries) -> (Tap, Vec<(String, Vec<u8>)>) {
    let page = Page::default();
    let writer = page.clone();
    let everything = "trace,kube=trace,hyper=trace,tower=trace".parse().unwrap();
    let _listening = listen(telemetry::subscriber(&everything, move || writer.clone()).with(Passes));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (mut chance, tap) = (Chance::of(seed), Tap::new(canaries, seed));
        let stage = Stage::of(&mut chance, Grants::Generous, Reach::Cluster, Some(tap.clone())).await;
        for _ in 0..3 {
            stage.run_for(TimeDelta::minutes(30).to_std().unwrap()).await;
            stage.change(&mut chance).await;
        }
        stage.register_with(canaries);
        let mut places =
            vec![("the log".to_owned(), page.0.lock().unwrap().clone()), ("the metrics".to_owned(), stage.metrics.encode().into_bytes())];
        for object in stage.whole_cluster() {
            let place = format!("{} {}/{}", object["kind"], object["metadata"]["namespace"], object["metadata"]["name"]);
            places.push((place, object.to_string().into_bytes()));
        }
        (tap, places)
    })
}
