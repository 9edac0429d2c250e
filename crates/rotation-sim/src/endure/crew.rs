//! The sites on several threads, in step at every tenth of the time.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::scope;
use std::time::Duration;

use super::layout::Sort;
use super::{Plan, Site, Tally};
use crate::time;

/// The time is lived through in so many parts, each by all sites before the next.
const TENTHS: i32 = 10;
/// A part is lived through in so many pieces, each by one site at a time.
const PIECES: i32 = 12;
const PARTS: i32 = TENTHS * PIECES;

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Whole tenths of the time that every site has lived through.
    pub tenths: i32,
    /// Whether this is the moment at which a tenth ended: all sites are at rest.
    pub tenth_ended: bool,
    /// The part of all that was done, in a thousand.
    pub per_mille: u64,
    /// Successors published so far.
    pub rotations: u64,
}

#[derive(Default)]
struct Counters {
    pieces: AtomicU64,
    rotations: AtomicU64,
}

/// Runs the plan, tells how far it is about once a second and at every tenth, and answers what was counted.
pub fn run(plan: &Plan, mut tell: impl FnMut(Progress)) -> Tally {
    let sites = plan.sites();
    let threads = plan.threads.clamp(1, sites.len().max(1));
    let (counters, barrier) = (Counters::default(), Barrier::new(threads + 1));
    let hook = take_hook();
    set_hook(Box::new(|info| PANIC.with(|told| *told.borrow_mut() = Some(info.to_string()))));
    let tally = scope(|scope| {
        let (ended, tenths) = channel();
        let share = |n: usize| sites.iter().skip(n).step_by(threads).cloned().collect::<Vec<_>>();
        let workers: Vec<_> = (0..threads)
            .map(|n| {
                let (mine, ended, counters, barrier) = (share(n), ended.clone(), &counters, &barrier);
                scope.spawn(move || work(plan, &mine, counters, barrier, &ended))
            })
            .collect();
        watch(&counters, sites.len() as u64 * u64::from(PARTS.unsigned_abs()), threads, &tenths, &barrier, &mut tell);
        let mut tally = Tally::default();
        workers.into_iter().for_each(|worker| tally.add(&worker.join().expect("a worker ends by itself")));
        tally
    });
    set_hook(hook);
    tally
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn watch(counters: &Counters, pieces: u64, threads: usize, ended: &Receiver<()>, barrier: &Barrier, tell: &mut impl FnMut(Progress)) {
    let mut progress = |tenths, tenth_ended| {
        let per_mille = counters.pieces.load(Ordering::Relaxed) * 1_000 / pieces.max(1);
        tell(Progress { tenths, tenth_ended, per_mille, rotations: counters.rotations.load(Ordering::Relaxed) });
    };
    for tenth in 1..=TENTHS {
        let mut waiting = 0;
        while waiting < threads {
            match ended.recv_timeout(Duration::from_secs(1)) {
                Ok(()) => waiting += 1,
                Err(RecvTimeoutError::Timeout) => progress(tenth - 1, false),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        progress(tenth, true);
        barrier.wait();
    }
}

fn work(plan: &Plan, mine: &[(u32, Vec<Sort>)], counters: &Counters, barrier: &Barrier, ended: &Sender<()>) -> Tally {
    let start = time("2026-01-01T00:00:00Z");
    let mut sites: Vec<(Site, u64)> = mine.iter().map(|(number, sorts)| (Site::new(plan, *number, sorts), 0)).collect();
    for tenth in 0..TENTHS {
        for piece in 1..=PIECES {
            let until = start + plan.span / PARTS * (tenth * PIECES + piece);
            for (site, rotations) in &mut sites {
                guarded(site, |site| site.advance(until));
                counters.rotations.fetch_add(site.rotations() - *rotations, Ordering::Relaxed);
                *rotations = site.rotations();
                counters.pieces.fetch_add(1, Ordering::Relaxed);
            }
        }
        ended.send(()).expect("somebody watches");
        barrier.wait();
    }
    let mut tally = Tally::default();
    for (mut site, _) in sites {
        guarded(&mut site, Site::finish);
        tally.add(&site.tally());
    }
    tally
}

/// A broken promise that panics ends this site, not the run.
fn guarded(site: &mut Site, live: impl FnOnce(&mut Site)) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| live(site))) else { return };
    let told = PANIC.with(|told| told.borrow_mut().take());
    site.fail(&told.unwrap_or_else(|| text(panic.as_ref())));
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic").to_owned()
}
