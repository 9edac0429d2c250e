use rstest::rstest;

use super::{
    course::{CERTIFICATE, SECRET},
    installed::Language::Python,
    user::{Environment, User},
    verdict,
};

const MSAL_PEM: User = certificate("msal-pem", Environment::Empty);
const IDENTITY_PEM: User = certificate("identity-pem", Environment::Empty);
const FOLLOWING: User = certificate("identity-following", Environment::Empty);
const ENVIRONMENT_PEM: User = certificate("identity-environment", Environment::WithPath);
const MSAL_PFX: User = User { credential: "keystore.p12", ..certificate("msal-pfx", Environment::Empty) };
const IDENTITY_PFX: User = User { credential: "keystore.p12", ..certificate("identity-pfx", Environment::Empty) };
const ENVIRONMENT_PFX: User = User { credential: "keystore.p12", ..ENVIRONMENT_PEM };

const MSAL_SECRET: User = secret("msal-secret", Environment::Empty);
const IDENTITY_SECRET: User = secret("identity-secret", Environment::Empty);
const RESTARTED: User = secret("identity-default", Environment::Restarted);
const KEPT: User = secret("identity-environment", Environment::Kept);

const MSAL_ONCE: User = certificate("msal-pem-once", Environment::Empty);
const IDENTITY_ONCE: User = certificate("identity-pem-once", Environment::Empty);

/// All that are tested here.
pub(super) const USERS: [User; 13] = [
    MSAL_PEM,
    MSAL_PFX,
    MSAL_SECRET,
    MSAL_ONCE,
    IDENTITY_PEM,
    IDENTITY_PFX,
    IDENTITY_SECRET,
    IDENTITY_ONCE,
    FOLLOWING,
    ENVIRONMENT_PEM,
    ENVIRONMENT_PFX,
    RESTARTED,
    KEPT,
];

const fn secret(way: &'static str, environment: Environment) -> User {
    User { language: Python, way, output: SECRET, credential: "AZURE_CLIENT_SECRET", environment }
}

const fn certificate(way: &'static str, environment: Environment) -> User {
    User { language: Python, way, output: CERTIFICATE, credential: "tls-combined.pem", environment }
}

#[rstest]
#[case::msal_with_a_pem(MSAL_PEM)]
#[case::azure_identity_with_a_pem(IDENTITY_PEM)]
#[case::azure_identity_with_a_pem_that_the_environment_names(ENVIRONMENT_PEM)]
#[case::azure_identity_with_a_credential_that_follows_the_folder(FOLLOWING)]
#[case::msal_with_a_pfx(MSAL_PFX)]
#[case::azure_identity_with_a_pfx(IDENTITY_PFX)]
#[case::azure_identity_with_a_pfx_that_the_environment_names(ENVIRONMENT_PFX)]
#[case::msal_with_a_secret(MSAL_SECRET)]
#[case::azure_identity_with_a_secret(IDENTITY_SECRET)]
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

#[rstest]
#[case::msal(MSAL_ONCE)]
#[case::azure_identity(IDENTITY_ONCE)]
fn a_client_that_is_made_once_works_until_the_overlap_is_over(#[case] user: User) {
    verdict::assert_works_until_the_overlap_is_over(user, verdict::UNKNOWN_CERTIFICATE);
}

#[rstest]
#[case::with_a_certificate(CERTIFICATE)]
#[case::with_a_secret(SECRET)]
fn every_sign_in_was_answered_by_entra_and_none_by_a_cache(#[case] output: &str) {
    verdict::assert_no_cache_answered(output);
}
