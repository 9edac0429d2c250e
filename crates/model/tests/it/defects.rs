//! A world that is wrong on purpose: the checks must see it, or they see nothing.

use model::bounds::{Bounds, Disturbance as D};
use model::check::Broken;
use model::defect::Defect;
use model::scenario::Options;
use model::search::{Limits, search};
use rstest::rstest;

use crate::scenarios::scenario;

fn broken(name: &str, bounds: Bounds, defect: Option<Defect>) -> Option<Broken> {
    let world = match scenario(name).world(bounds, Options { defect, ..Options::default() }) {
        Ok(world) => world,
        Err(broken) => return Some(broken),
    };
    search(world, Limits { states: 400_000, workers: 1 }, |_| ()).violation.map(|(broken, _)| broken)
}

#[rstest]
#[case::an_api_server_that_takes_stale_statuses("two-rotations", &[(D::Preempted, 1)], Defect::StaleStatusAccepted)]
#[case::an_update_that_leaves_others_out("removal-by-update", &[(D::Added, 1)], Defect::ForeignEntryForgotten)]
#[case::a_secret_that_comes_long_after_late("secrets", &[(D::Floating, 1)], Defect::LaterThanLate)]
#[case::a_person_who_takes_the_published_one("twice-listed", &[], Defect::CurrentRemoved)]
#[case::an_entra_that_does_nothing("twice-listed", &[], Defect::NothingIsApplied)]
#[case::an_answer_without_the_deed("certificate-siblings", &[], Defect::NothingIsApplied)]
fn a_defect_of_the_world_is_seen(#[case] name: &str, #[case] each: &[(D, u8)], #[case] defect: Defect) {
    let bounds = Bounds::of(1, each);
    assert_eq!(broken(name, bounds, None), None, "without the defect");
    let found = broken(name, bounds, Some(defect));
    println!("{name} {defect}: {found:?}");
    assert!(found.is_some(), "{defect} is not seen within {bounds}");
}
