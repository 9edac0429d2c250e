use rstest::rstest;

use super::{
    course::{CERTIFICATE, SECRET},
    installed::Language::Node,
    user::{Environment, User},
    verdict,
};

const PEM: User = certificate("pem", Environment::Empty);
const FOLLOWING: User = certificate("following", Environment::Empty);
const ENVIRONMENT_PEM: User = certificate("environment", Environment::WithPath);
const FILE_SECRET: User = secret("secret", Environment::Empty);
const RESTARTED: User = secret("environment", Environment::Restarted);
const KEPT: User = secret("environment", Environment::Kept);
const ONCE: User = certificate("pem-once", Environment::Empty);

/// All that are tested here.
pub(super) const USERS: [User; 7] = [PEM, ENVIRONMENT_PEM, FILE_SECRET, RESTARTED, KEPT, ONCE, FOLLOWING];

const fn secret(way: &'static str, environment: Environment) -> User {
    User { language: Node, way, output: SECRET, credential: "AZURE_CLIENT_SECRET", environment }
}

const fn certificate(way: &'static str, environment: Environment) -> User {
    User { language: Node, way, output: CERTIFICATE, credential: "tls-combined.pem", environment }
}

#[rstest]
#[case::with_a_pem(PEM)]
#[case::with_a_pem_that_the_environment_names(ENVIRONMENT_PEM)]
#[case::with_a_credential_that_follows_the_folder(FOLLOWING)]
#[case::with_a_secret(FILE_SECRET)]
fn a_process_that_goes_on_is_never_refused_through_three_rotations(#[case] user: User) {
    verdict::assert_never_refused(user);
}

#[test]
fn processes_that_are_restarted_with_a_new_environment_are_never_refused_through_three_rotations() {
    verdict::assert_never_refused(RESTARTED);
}

#[test]
fn a_process_that_keeps_its_environment_works_until_the_overlap_is_over() {
    verdict::assert_works_until_the_overlap_is_over(KEPT, verdict::UNKNOWN_SECRET);
}

#[test]
fn a_client_that_is_made_once_works_until_the_overlap_is_over() {
    verdict::assert_works_until_the_overlap_is_over(ONCE, verdict::UNKNOWN_CERTIFICATE);
}
