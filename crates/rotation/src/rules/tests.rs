use super::*;
use crate::ledger::Signing;
use crate::policy::Policy;
use crate::sample::*;

/// Nothing is published, and replicas list nothing yet.
fn unpublished(policy: Policy, current: Entry) -> Desk {
    let mut desk = Desk::new(policy, vec![current]);
    desk.lists(&[]);
    desk.memory.saw_output(Output::Absent, vec![], at(0));
    desk
}

#[test]
fn a_current_signing_certificate_that_no_read_shows_yet_is_looked_for_again_after_a_third_of_late() {
    let known = Signing { thumbprint: Some(thumbprint(1)), ..Signing::default() };
    let desk = unpublished(signing(), signing_entry(1, Use::Current, known));
    assert_eq!(desk.says(keep_published), rest(5, Wait::Replicating));
}

#[test]
fn a_secret_that_is_nowhere_any_more_holds_up_nothing() {
    let desk = unpublished(secret(), secret_entry(1, Use::Current));
    assert_eq!(desk.says(keep_published), None);
}
