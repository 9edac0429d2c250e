//! kube's watcher and Controller over the server, under tokio's paused clock.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, TryStreamExt as _};
use kube::{
    Resource as _, ResourceExt as _,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    runtime::{
        Controller,
        controller::Action,
        events::{self, EventType, Recorder},
        watcher::{self, Event},
    },
};
use kube_sim::{KubeSim, Verb};
use serde_json::json;

use crate::world::{start, widget, widget_resource, widgets};

const DAY: Duration = Duration::from_secs(86_400);

fn count(sim: &KubeSim, verb: Verb, resource: &str) -> u64 {
    sim.tally().get(&(verb, resource.to_owned())).copied().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_watcher_sees_what_is_there_and_every_change() {
    let sim = start();
    let api = widgets(&sim);
    api.create(&PostParams::default(), &widget("a", &json!({"owner": "me"}))).await.unwrap();
    let mut events = pin!(watcher::watcher(api.clone(), watcher::Config::default()));
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(Event::InitDone)) {
        seen.push(events.try_next().await.unwrap().unwrap());
    }
    assert!(matches!(&seen[1], Event::InitApply(object) if object.name_any() == "a"), "{seen:?}");
    api.patch("a", &PatchParams::default(), &Patch::Merge(json!({"spec": {"color": "blue"}}))).await.unwrap();
    let next = events.try_next().await.unwrap().unwrap();
    assert!(matches!(&next, Event::Apply(object) if object.data["spec"]["color"] == "blue"), "{next:?}");
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let next = events.try_next().await.unwrap().unwrap();
    assert!(matches!(&next, Event::Delete(object) if object.name_any() == "a"), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_lists_again_once_its_version_is_too_old() {
    let sim = start();
    let api = widgets(&sim);
    let mut events = pin!(watcher::watcher(api.clone(), watcher::Config::default()));
    while !matches!(events.try_next().await.unwrap(), Some(Event::InitDone)) {}
    // The watch is cut, something changes, and what changed is forgotten.
    sim.hold_watches(true);
    api.create(&PostParams::default(), &widget("a", &json!({"owner": "me"}))).await.unwrap();
    sim.cut_watches();
    sim.expire_history();
    sim.hold_watches(false);
    let mut names = Vec::new();
    while names.is_empty() {
        // A 410 reaches the user of a watcher as an error; the next item goes on.
        if let Some(Ok(Event::InitApply(object) | Event::Apply(object))) = events.next().await {
            names.push(object.name_any());
        }
    }
    assert_eq!(names, ["a"]);
    assert_eq!(count(&sim, Verb::List, "widgets"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_streams_its_lists_sees_the_same() {
    let sim = start();
    let api = widgets(&sim);
    api.create(&PostParams::default(), &widget("a", &json!({"owner": "me"}))).await.unwrap();
    let mut events = pin!(watcher::watcher(api, watcher::Config::default().streaming_lists()));
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(Event::InitDone)) {
        seen.push(events.try_next().await.unwrap().unwrap());
    }
    assert!(matches!(&seen[..], [Event::Init, Event::InitApply(_), Event::InitDone]), "{seen:?}");
    assert_eq!(count(&sim, Verb::List, "widgets"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_held_shows_changes_only_once_released() {
    let sim = start();
    let api = widgets(&sim);
    let mut events = pin!(watcher::watcher(api.clone(), watcher::Config::default()));
    while !matches!(events.try_next().await.unwrap(), Some(Event::InitDone)) {}
    sim.hold_watches(true);
    api.create(&PostParams::default(), &widget("a", &json!({"owner": "me"}))).await.unwrap();
    assert!(tokio::time::timeout(DAY, events.try_next()).await.is_err());
    sim.hold_watches(false);
    assert!(matches!(events.try_next().await.unwrap(), Some(Event::Apply(_))));
}

#[tokio::test(start_paused = true)]
async fn a_controller_runs_for_a_month_and_only_reconnects_its_watches() {
    let sim = start();
    let api = widgets(&sim);
    api.create(&PostParams::default(), &widget("a", &json!({"owner": "me"}))).await.unwrap();
    let runs = Arc::new(AtomicU64::new(0));
    let reconcile = |_: Arc<DynamicObject>, runs: Arc<AtomicU64>| async move {
        runs.fetch_add(1, Ordering::Relaxed);
        Ok::<_, std::io::Error>(Action::requeue(DAY))
    };
    let on_error = |_: Arc<DynamicObject>, _: &std::io::Error, _: Arc<AtomicU64>| Action::requeue(DAY);
    let controller = Controller::new_with(api, watcher::Config::default(), widget_resource());
    let run = controller.run(reconcile, on_error, runs.clone()).for_each(|done| async move {
        done.unwrap();
    });
    assert!(tokio::time::timeout(30 * DAY, run).await.is_err(), "a controller does not end");
    assert_eq!(runs.load(Ordering::Relaxed), 30);
    assert_eq!(count(&sim, Verb::List, "widgets"), 1);
    // kube asks for watches of 290 seconds.
    assert_eq!(count(&sim, Verb::Watch, "widgets"), (30 * 86_400_u64).div_ceil(290));
    assert_eq!(sim.tally().len(), 3, "create, list and watch: {:?}", sim.tally());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_published_twice_becomes_a_series() {
    let sim = start();
    let about = widgets(&sim).create(&PostParams::default(), &widget("a", &json!({"owner": "me"}))).await.unwrap();
    let recorder = Recorder::new(sim.client(), "test.example/operator".into());
    let event = events::Event {
        type_: EventType::Normal,
        reason: "Issued".into(),
        note: Some("a credential was issued".into()),
        action: "Issue".into(),
        secondary: None,
    };
    for _ in 0..2 {
        recorder.publish(&event, &about.object_ref(&widget_resource())).await.unwrap();
    }
    let kept = sim.list("events", Some("default"));
    assert_eq!(kept.len(), 1);
    assert_eq!((&kept[0]["message"], &kept[0]["series"]["count"]), (&json!("a credential was issued"), &json!(2)));
}
