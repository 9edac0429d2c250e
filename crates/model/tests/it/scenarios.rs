//! Each scenario within its small bounds: every state is looked at, and no promise is broken.

use model::bounds::Bounds;
use model::scenario::{Options, Scenario, all};
use model::search::{Found, Limits, search};
use model::tell;
use rstest::rstest;

pub fn scenario(name: &str) -> Scenario {
    all().into_iter().find(|scenario| scenario.name == name).unwrap()
}

pub fn run(scenario: &Scenario, bounds: Bounds, options: Options) -> Found {
    let world = scenario.world(bounds, options).unwrap();
    search(world, Limits { states: 400_000, workers: 1 }, |_| ())
}

/// The number of states is asserted: fewer would mean that the search does not go where it went, and nobody would notice.
#[rstest]
#[case("twice-listed", 858)]
#[case("removal-by-update", 1541)]
#[case("person-beside-two", 7234)]
#[case("pins", 1144)]
#[case("two-rotations", 25741)]
#[case("secrets", 15662)]
#[case("siblings", 13921)]
#[case("certificate-siblings", 6534)]
#[case("signer", 3288)]
fn within_small_bounds_every_state_keeps_every_promise(#[case] name: &str, #[case] states: u64) {
    let scenario = scenario(name);
    let found = run(&scenario, scenario.small, Options::default());
    if let Some((broken, way)) = &found.violation {
        let world = scenario.world(scenario.small, Options::default()).unwrap();
        panic!("{}", tell::story(&world, broken, way));
    }
    assert!(found.is_full && found.figures.ends > 0, "{:?}", found.figures);
    assert_eq!(found.figures.states, states, "{name}");
}

#[test]
fn every_scenario_is_in_the_table_above_and_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<&str> = all().iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), 9);
    assert_eq!(names.len(), all().len());
}

#[rstest]
fn an_undisturbed_run_comes_to_its_end_in_one_way(#[values("twice-listed", "removal-by-update", "pins")] name: &str) {
    let found = run(&scenario(name), Bounds::default(), Options::default());
    assert_eq!((found.figures.ends, found.violation), (1, None));
}

#[rstest]
fn states_that_count_passes_and_steps_show_that_no_instant_goes_in_circles(
    #[values("twice-listed", "removal-by-update", "pins")] name: &str,
) {
    let scenario = scenario(name);
    let found = run(&scenario, scenario.small, Options { counted: true, ..Options::default() });
    assert!(found.is_full, "{:?}", found.violation);
}

#[rstest]
fn others_may_act_between_any_two_reads(#[values("twice-listed", "removal-by-update")] name: &str) {
    let scenario = scenario(name);
    let few = run(&scenario, scenario.small, Options::default()).figures.states;
    let found = run(&scenario, scenario.small, Options { between_reads: true, ..Options::default() });
    assert!(found.is_full && found.figures.states > few, "{:?}", found.violation);
}

#[test]
fn two_workers_find_as_many_states_as_one() {
    let scenario = scenario("twice-listed");
    let world = |total: u8| scenario.world(scenario.small.with_total(total), Options::default()).unwrap();
    let alone = search(world(1), Limits { states: 400_000, workers: 1 }, |_| ()).figures;
    let together = search(world(1), Limits { states: 400_000, workers: 2 }, |_| ()).figures;
    assert_eq!((alone.states, alone.transitions, alone.ends), (together.states, together.transitions, together.ends));
}
