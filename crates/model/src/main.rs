//! `cargo xtask model`.
use model::search::{Limits, search};
use model::scenario::{Options, all};

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let total: u8 = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or(0);
    if std::env::var("DBG").is_ok() {
        use std::collections::BTreeMap;
        let s = all().into_iter().find(|s| s.name == wanted).unwrap();
        let w = s.world(s.bounds.with_total(0), Options::default()).unwrap();
        let mut seen = std::collections::HashSet::new();
        let mut stack = vec![w]; let mut by: BTreeMap<String, usize> = BTreeMap::new(); let mut n = 0;
        while let Some(w) = stack.pop() {
            if n > 60000 { break; }
            if !seen.insert(w.digest()) { continue; }
            n += 1;
            *by.entry(format!("{} {:?}", w.now, w.operators.iter().map(|o| o.pass.is_some()).collect::<Vec<_>>())).or_default() += 1;
            let ev = w.events();
            for e in ev { if let Ok(x) = w.after(e) { stack.push(x); } }
        }
        for (k, v) in by { println!("{k} {v}"); }
        return;
    }
    for scenario in all().into_iter().filter(|s| wanted.is_empty() || s.name == wanted) {
        for total in 0..=total {
            let world = match scenario.world(scenario.bounds.with_total(total), Options::default()) {
                Ok(world) => world,
                Err(broken) => { println!("{} start: {}", scenario.name, broken.0); break }
            };
            let found = search(world.clone(), Limits { states: 20_000_000, workers: 1 }, |f| if f.took.as_millis() % 10000 < 50 && f.took.as_millis() > 1000 { println!("{f:?}") });
            println!("{} {total}: full {} {:?}", scenario.name, found.is_full, found.figures);
            if let Some((broken, way)) = found.violation {
                println!("  {}", broken.0);
                let mut world = world;
                for event in way {
                    let step = |w: &model::world::World| format!("{:?}", w.operators.iter().map(|o| o.pass.as_ref().map(|p| format!("r{} {:?}", p.resource, p.step))).collect::<Vec<_>>());
                    println!("  {} {event}   {}", world.now, step(&world).chars().take(400).collect::<String>());
                    match world.after(event) { Ok(next) => world = next, Err(e) => { println!("  => {}", e.0); break } }
                }
                break;
            }
        }
    }
}
