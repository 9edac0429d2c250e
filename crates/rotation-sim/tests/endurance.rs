//! What `cargo xtask endure` runs for ten years of a thousand resources, for as long as there is time in every test run.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use chrono::TimeDelta;
use rotation_sim::endure::{Plan, Sort, Tally, run};

fn plan(seed: u64) -> Plan {
    Plan { resources: 28, span: TimeDelta::days(100), validity: 7, seed, sorts: Sort::ALL.to_vec(), faults: 2.0, threads: 2, only: None }
}

fn told(tally: &Tally) -> String {
    let total = tally.total();
    let failures: Vec<_> = tally.failures.iter().map(|failure| format!("application {}: {}", failure.site, failure.what)).collect();
    format!("{} rotations, gap {}, {:?}\n{}", total.rotations, total.gap, tally.disturbances, failures.join("\n"))
}

#[test]
fn a_season_of_weekly_credentials_amid_disturbances_has_no_gap_and_leaves_nothing_unrecorded() {
    let tally = run(&plan(1), |_| {});
    assert!(tally.holds(), "seed 1: {}", told(&tally));
    assert!(tally.total().rotations > 500, "{}", told(&tally));
    assert_eq!(tally.sorts.len(), Sort::ALL.len());
    assert!(tally.disturbances.len() > 15, "{}", told(&tally));
    assert!(tally.total().counts.iter().filter(|((what, _), _)| *what == "fault").count() == 4, "{}", told(&tally));
}

#[test]
fn the_same_seed_gives_the_same_run_and_one_application_alone_the_same_as_among_others() {
    let short = Plan { resources: 12, span: TimeDelta::days(30), ..plan(2) };
    let of = |plan: &Plan| told(&run(plan, |_| {}));
    assert_eq!(of(&short), of(&Plan { threads: 1, ..short.clone() }));
    let sites = u32::try_from(short.sites().len()).unwrap();
    let rotations = |plan: &Plan| run(plan, |_| {}).total().rotations;
    let alone: u64 = (0..sites).map(|site| rotations(&Plan { only: Some(site), ..short.clone() })).sum();
    assert_eq!(alone, rotations(&short));
}

#[test]
fn without_disturbances_each_rotation_takes_the_promised_graph_writes() {
    let tally = run(&Plan { faults: 0.0, ..plan(3) }, |_| {});
    assert!(tally.holds(), "{}", told(&tally));
    for (sort, tally) in &tally.sorts {
        // What is not a rotation is a first issue, and the rotation under way at the end.
        let promised = match sort {
            Sort::Secret | Sort::Certificate | Sort::PrincipalCertificate | Sort::SelfRolled => 2,
            Sort::Signing | Sort::SigningByUpdate => 3,
            Sort::SigningByProof => 4,
        };
        let bounds = promised * (tally.rotations - tally.resources)..=promised * (tally.rotations + 2 * tally.resources);
        assert!(bounds.contains(&tally.graph_writes()), "{}: {} writes, {bounds:?}", sort.as_str(), tally.graph_writes());
    }
}
