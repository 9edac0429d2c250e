//! Many callers against a server that counts strictly: no more than the quota in any period, whenever a request arrives on its way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use proptest::prelude::*;

use super::*;

const QUOTA: usize = 3000;
const PERIOD: i64 = 150_000;

/// Numbers that look random and are the same in every run.
struct Noise(u64);

impl Noise {
    fn up_to(&mut self, most: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap() % (most + 1)
    }
}

/// What a caller does at a time: asks for leave, or has its answer.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Event {
    Asks,
    Answered,
}

/// Callers that each send one write after another, come again when they were told (a second later at the least, up to half a second late), and wait
/// 50 to 400 ms for each answer.
struct World {
    pacing: Pacing,
    noise: Noise,
    events: BinaryHeap<Reverse<(i64, usize, Event)>>,
    callers: Vec<Caller>,
    /// When the server counted a request.
    counted: Vec<i64>,
    /// Whether it says so when much of its quota is used, and what it counted lately.
    says_so: bool,
    recent: VecDeque<i64>,
}

struct Caller {
    share: Share,
    asking_since: i64,
    left: usize,
    longest_wait: i64,
    sent: usize,
}

impl World {
    fn new(says_so: bool) -> Self {
        Self {
            pacing: Pacing::default(),
            noise: Noise(7),
            events: BinaryHeap::new(),
            callers: Vec::new(),
            counted: Vec::new(),
            says_so,
            recent: VecDeque::new(),
        }
    }

    /// So many callers of a share, who begin within a second and have so many writes each.
    fn join(&mut self, name: &str, callers: usize, writes: usize, from: i64) {
        for _ in 0..callers {
            let at = from + self.noise.up_to(1000);
            self.events.push(Reverse((at, self.callers.len(), Event::Asks)));
            self.callers.push(Caller { share: share(name), asking_since: at, left: writes, longest_wait: 0, sent: 0 });
        }
    }

    fn run(&mut self, until: i64) {
        while let Some(Reverse((now, number, event))) = self.events.pop() {
            if now >= until {
                break;
            }
            match event {
                Event::Asks => self.ask(now, number),
                Event::Answered => self.answer(now, number),
            }
        }
    }

    fn ask(&mut self, now: i64, number: usize) {
        let caller = &mut self.callers[number];
        let next = match self.pacing.take(Lane::Write, &caller.share, after(now)) {
            Ok(()) => {
                caller.longest_wait = caller.longest_wait.max(now - caller.asking_since);
                caller.sent += 1;
                caller.left -= 1;
                let latency = 50 + self.noise.up_to(350);
                self.counted.push(now + self.noise.up_to(latency));
                (now + latency, number, Event::Answered)
            }
            Err(ready) => {
                let told = (ready - start()).num_milliseconds().max(now + 1000);
                (told + self.noise.up_to(500), number, Event::Asks)
            }
        };
        self.events.push(Reverse(next));
    }

    fn answer(&mut self, now: i64, number: usize) {
        let caller = &mut self.callers[number];
        self.pacing.done(Lane::Write, &caller.share, after(now));
        self.recent.push_back(now);
        while self.recent.pop_front_if(|at| *at <= now - PERIOD).is_some() {}
        if self.says_so {
            self.pacing.strain(self.recent.len() as f64 / QUOTA as f64, after(now));
        }
        caller.asking_since = now;
        if caller.left > 0 {
            self.events.push(Reverse((now, number, Event::Asks)));
        }
    }

    /// The most that any period of the server's held.
    fn most(&mut self) -> usize {
        self.counted.sort_unstable();
        most_in_a_period(&self.counted, PERIOD)
    }

    /// The least part of the quota that had been used at any time after `from`. To be called after [`most`](Self::most), which sorts.
    fn least_used(&self, from: i64) -> f64 {
        let quota = |until: i64| QUOTA as f64 * until as f64 / PERIOD as f64;
        let late = self.counted.iter().enumerate().filter(|(_, at)| **at >= from);
        late.map(|(before, at)| before as f64 / quota(*at)).fold(f64::INFINITY, f64::min)
    }

    fn of(&self, name: &str) -> impl Iterator<Item = &Caller> {
        self.callers.iter().filter(move |caller| &*caller.share == name)
    }
}

fn most_in_a_period(counted: &[i64], period: i64) -> usize {
    let within = |(first, at): (usize, &i64)| counted[first..].partition_point(|other| *other < at + period);
    counted.iter().enumerate().map(within).max().unwrap_or(0)
}

#[test]
fn a_sustained_burst_uses_95_percent_of_the_quota_without_one_request_too_many() {
    let three = &["payroll", "billing", "crm"][..];
    let cases = [
        ("one share", &["payroll"][..], false),
        ("three shares", three, false),
        ("no share", &[""], false),
        ("three shares of a server that tells how much is used", three, true),
    ];
    for (name, shares, says_so) in cases {
        let mut world = World::new(says_so);
        for share in shares {
            world.join(share, 4000 / shares.len(), usize::MAX, 0);
        }
        world.run(6 * PERIOD);
        let (most, used) = (world.most(), world.least_used(2 * PERIOD));
        println!("{name}: at least {:.1} % of the quota used at any time; at most {most} of {QUOTA} in any period", used * 100.0);
        assert!(most <= QUOTA, "{name}: {most}");
        assert!(used >= 0.95, "{name}: {used}");
    }
}

#[test]
fn a_namespace_with_a_thousand_credentials_due_does_not_keep_others_waiting() {
    let mut world = World::new(true);
    world.join("thousands", 3000, usize::MAX, 0);
    world.run(2 * PERIOD);
    for newcomer in ["a", "b", "c"] {
        world.join(newcomer, 20, 3, 2 * PERIOD);
    }
    world.run(4 * PERIOD);
    for newcomer in ["a", "b", "c"] {
        let (unsent, slowest) = world.of(newcomer).fold((0, 0), |(left, wait), caller| (left + caller.left, wait.max(caller.longest_wait)));
        println!("{newcomer}: the slowest of 60 writes waited {slowest} ms");
        assert!(unsent == 0 && slowest <= 15_000, "{newcomer}: {unsent} left, {slowest} ms");
    }
    assert!(world.most() <= QUOTA);
}

#[test]
fn namespaces_that_all_want_everything_get_the_same() {
    let mut world = World::new(true);
    for (name, callers) in [("a", 2000), ("b", 1000), ("c", 500)] {
        world.join(name, callers, usize::MAX, 0);
    }
    world.run(6 * PERIOD);
    let sent: BTreeMap<_, usize> = ["a", "b", "c"].into_iter().map(|name| (name, world.of(name).map(|caller| caller.sent).sum())).collect();
    println!("{sent:?}");
    let (least, most) = (sent.values().min().unwrap(), sent.values().max().unwrap());
    assert!(*least as f64 >= 0.8 * *most as f64, "{sent:?}");
    assert!(world.most() <= QUOTA);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Whoever asks, whenever, however late the answers come and in whatever order.
    #[test]
    fn no_period_ever_holds_more_than_the_quota(
        asks in prop::collection::vec((0..400_i64, 0..4_usize, 0..20_000_i64, 0..=100_i64), 500..1500),
    ) {
        let mut pacing = Pacing::default();
        let mut answers = BinaryHeap::new();
        let (mut now, mut counted) = (0, Vec::new());
        for (pause, number, latency, way) in asks {
            now += pause;
            while let Some(Reverse((at, number))) = answers.peek().copied().filter(|Reverse((at, _))| *at <= now) {
                answers.pop();
                pacing.done(Lane::ReadWithKeys, &share(["", "a", "b", "c"][number]), after(at));
            }
            if pacing.take(Lane::ReadWithKeys, &share(["", "a", "b", "c"][number]), after(now)).is_ok() {
                counted.push(now + latency * way / 100);
                answers.push(Reverse((now + latency, number)));
            }
        }
        counted.sort_unstable();
        prop_assert!(most_in_a_period(&counted, 60_000) <= 150);
    }
}
