//! The search: every state that can be reached, each once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::check::Broken;
use crate::event::Event;
use crate::world::World;
use rotation::Time;

const SHARDS: usize = 64;

/// How far a search may go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// So many states at most.
    pub states: u64,
    /// So many workers.
    pub workers: usize,
}

/// What a search has found so far, or in the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// States met.
    pub states: u64,
    /// Transitions taken.
    pub transitions: u64,
    /// Ends of runs.
    pub ends: u64,
    /// States known and not yet looked at.
    pub open: u64,
    /// The longest way from the start.
    pub depth: u64,
    /// How long it took.
    pub took: Duration,
}

/// How a search ended.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it saw.
    pub figures: Figures,
    /// Whether every state was looked at.
    pub is_full: bool,
    /// The way to a broken promise.
    pub violation: Option<(Broken, Vec<Event>)>,
}

/// A state to look at, and the way to it.
struct Open {
    world: World,
    way: Option<Arc<Way>>,
    depth: u64,
}

struct Way {
    event: Event,
    digest: u128,
    now: Time,
    before: Option<Arc<Self>>,
}

impl Way {
    /// Whether the way comes back to where it was at this instant.
    fn is_a_circle(&self) -> bool {
        let mut before = self.before.as_ref();
        while let Some(way) = before.filter(|way| way.now == self.now) {
            if way.digest == self.digest {
                return true;
            }
            before = way.before.as_ref();
        }
        false
    }
}

impl Drop for Way {
    /// Not by recursion: ways are long.
    fn drop(&mut self) {
        let mut before = self.before.take();
        while let Some(way) = before {
            before = Arc::into_inner(way).and_then(|mut way| way.before.take());
        }
    }
}

/// What the workers share.
struct Shared {
    seen: Vec<Mutex<HashSet<u128>>>,
    open: Mutex<(Vec<Open>, usize)>,
    more: Condvar,
    stop: AtomicBool,
    transitions: AtomicU64,
    states: AtomicU64,
    ends: AtomicU64,
    depth: AtomicU64,
    violation: Mutex<Option<(Broken, Vec<Event>)>>,
    limits: Limits,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at every state that can be reached from `start`, and tells `progress` about it now and then.
pub fn search(start: World, limits: Limits, progress: impl Fn(&Figures)) -> Found {
    let began = Instant::now();
    let shared = Shared {
        seen: (0..SHARDS).map(|_| Mutex::new(HashSet::new())).collect(),
        open: Mutex::new((vec![], 0)),
        more: Condvar::new(),
        stop: AtomicBool::new(false),
        transitions: AtomicU64::new(0),
        states: AtomicU64::new(0),
        ends: AtomicU64::new(0),
        depth: AtomicU64::new(0),
        violation: Mutex::new(None),
        limits,
    };
    lock(&shared.seen[(start.digest() >> 64) as usize % SHARDS]).insert(start.digest());
    shared.states.store(1, Ordering::Relaxed);
    lock(&shared.open).0.push(Open { world: start, way: None, depth: 0 });
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..limits.workers.max(1)).map(|_| scope.spawn(|| shared.work())).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::park_timeout(Duration::from_millis(50));
            progress(&shared.figures(began));
        }
    });
    let figures = shared.figures(began);
    let violation = lock(&shared.violation).take();
    let is_full = violation.is_none() && !shared.stop.load(Ordering::Relaxed);
    Found { figures, is_full, violation }
}

impl Shared {
    fn figures(&self, began: Instant) -> Figures {
        Figures {
            states: self.states.load(Ordering::Relaxed),
            transitions: self.transitions.load(Ordering::Relaxed),
            ends: self.ends.load(Ordering::Relaxed),
            open: lock(&self.open).0.len() as u64,
            depth: self.depth.load(Ordering::Relaxed),
            took: began.elapsed(),
        }
    }

    /// Notes a state; it is to be looked at if it is new.
    fn meet(&self, world: World, way: Arc<Way>, depth: u64) -> Option<Open> {
        let is_new = lock(&self.seen[(way.digest >> 64) as usize % SHARDS]).insert(way.digest);
        if !is_new {
            return None;
        }
        let states = self.states.fetch_add(1, Ordering::Relaxed) + 1;
        self.depth.fetch_max(depth, Ordering::Relaxed);
        if states >= self.limits.states {
            self.stop.store(true, Ordering::Relaxed);
        }
        Some(Open { world, way: Some(way), depth })
    }

    /// Each worker goes deep first, and shares what it has when others have nothing.
    fn work(&self) {
        let mut own: Vec<Open> = Vec::new();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                self.more.notify_all();
                return;
            }
            let Some(open) = own.pop().or_else(|| self.wait_for_one()) else { return };
            self.look(&open, &mut own);
            self.share(&mut own);
        }
    }

    fn wait_for_one(&self) -> Option<Open> {
        let mut open = lock(&self.open);
        open.1 += 1;
        loop {
            if let Some(found) = open.0.pop() {
                open.1 -= 1;
                return Some(found);
            }
            if open.1 == self.limits.workers.max(1) || self.stop.load(Ordering::Relaxed) {
                self.more.notify_all();
                return None;
            }
            open = self.more.wait_timeout(open, Duration::from_millis(100)).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn share(&self, own: &mut Vec<Open>) {
        if own.len() < 2 {
            return;
        }
        let Ok(mut open) = self.open.try_lock() else { return };
        if open.1 > 0 && open.0.is_empty() {
            // The oldest has most below it.
            open.0.push(own.remove(0));
            self.more.notify_one();
        }
    }

    fn look(&self, open: &Open, own: &mut Vec<Open>) {
        let events = open.world.events();
        if events.is_empty() {
            self.ends.fetch_add(1, Ordering::Relaxed);
            return;
        }
        for event in events {
            self.transitions.fetch_add(1, Ordering::Relaxed);
            let met = open.world.after(event).and_then(|world| {
                let way = Arc::new(Way { event, digest: world.digest(), now: world.now, before: open.way.clone() });
                if way.is_a_circle() { Err(Broken::new("L1: the same state again and again")) } else { Ok((world, way)) }
            });
            match met {
                Ok((world, way)) => own.extend(self.meet(world, way, open.depth + 1)),
                Err(broken) => {
                    let way = Arc::new(Way { event, digest: 0, now: open.world.now, before: open.way.clone() });
                    self.stop.store(true, Ordering::Relaxed);
                    lock(&self.violation).get_or_insert_with(|| (broken, events_of(&way)));
                    return;
                }
            }
        }
    }
}

fn events_of(way: &Arc<Way>) -> Vec<Event> {
    let mut events = Vec::new();
    let mut at = Some(way);
    while let Some(way) = at {
        events.push(way.event);
        at = way.before.as_ref();
    }
    events.reverse();
    events
}

/// The shortest way to a broken promise within so many states, by looking at near states first.
pub fn shortest(start: &World, states: usize) -> Option<(Broken, Vec<Event>)> {
    let mut seen: HashSet<u128> = HashSet::from([start.digest()]);
    let mut level: Vec<(World, Option<Arc<Way>>)> = vec![(start.clone(), None)];
    while !level.is_empty() && seen.len() < states {
        let mut next = Vec::new();
        for (world, before) in level {
            for event in world.events() {
                let way = Arc::new(Way { event, digest: 0, now: world.now, before: before.clone() });
                match world.after(event) {
                    Ok(after) if seen.insert(after.digest()) => next.push((after, Some(way))),
                    Ok(_) => {}
                    Err(broken) => return Some((broken, events_of(&way))),
                }
            }
        }
        level = next;
    }
    None
}

/// How often each kind of event was taken on a way.
pub fn tally(way: &[Event]) -> HashMap<&'static str, usize> {
    let mut tally = HashMap::new();
    for kind in way.iter().filter_map(|event| event.disturbance()) {
        *tally.entry(kind.as_str()).or_default() += 1;
    }
    tally
}
