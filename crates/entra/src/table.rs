//! The one table from what Graph and the token endpoint answer to what it means.
//!
//! Sources: Microsoft Graph "Error responses and resource types", "Throttling guidance", the pages of addKey and removeKey and their troubleshooting
//! sections, "Microsoft Entra authentication and authorization error codes", and public issue threads where those pages are silent.

use crate::category::Category::{self, *};
use std::time::Duration;

use crate::failure::Retry::{self, After, Backoff, OnChange};
use crate::operation::Operation;

/// Whose answers a row is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    /// Graph, without a proof of possession.
    Graph,
    /// addKey and removeKey, which carry a proof.
    WithProof,
    /// The token endpoint, for ourselves.
    OwnToken,
    /// The token endpoint, with a credential that is being tried.
    Trial,
    /// Federation metadata.
    Metadata,
    /// The instance metadata service, for ourselves.
    InstanceMetadata,
}

use Asked::{Graph, InstanceMetadata, Metadata, OwnToken, Trial, WithProof};

const ALL: &[Asked] = &[Graph, WithProof, OwnToken, Trial, Metadata, InstanceMetadata];
const GRAPH: &[Asked] = &[Graph, WithProof];
const LOGIN: &[Asked] = &[OwnToken, Trial];

enum Code {
    Any,
    /// Any code at all: the answer is Entra's own, not a proxy's.
    Present,
    Is(&'static str),
    Begins(&'static str),
    /// No code tells the case; the message does.
    Says(&'static str),
}

use Code::{Any, Begins, Is, Present, Says};

struct Row {
    asked: &'static [Asked],
    status: std::ops::RangeInclusive<u16>,
    code: Code,
    category: Category,
    retry: Retry,
}

const fn row(asked: &'static [Asked], status: std::ops::RangeInclusive<u16>, code: Code, category: Category, retry: Retry) -> Row {
    Row { asked, status, code, category, retry }
}

const EVERY: std::ops::RangeInclusive<u16> = 0..=999;

/// First match wins.
static TABLE: &[Row] = &[
    // Not now.
    row(ALL, 429..=429, Any, Throttled, Backoff),
    row(GRAPH, EVERY, Begins("Request_Throttled"), Throttled, Backoff),
    row(LOGIN, EVERY, Is("AADSTS50196"), Throttled, Backoff),
    row(LOGIN, EVERY, Is("AADSTS90055"), Throttled, Backoff),
    row(LOGIN, EVERY, Is("AADSTS90033"), Unavailable, Backoff),
    row(LOGIN, EVERY, Is("temporarily_unavailable"), Unavailable, Backoff),
    // It is being updated, which takes 70 seconds at most.
    row(&[InstanceMetadata], 410..=410, Any, Unavailable, After(Duration::from_secs(70))),
    row(&[InstanceMetadata], 404..=404, Any, Unavailable, Backoff),
    row(ALL, 500..=599, Any, Unavailable, Backoff),
    row(ALL, 408..=408, Any, Unavailable, Backoff),
    row(ALL, 424..=425, Any, Unavailable, Backoff),
    // Graph.
    row(GRAPH, 409..=409, Any, Conflict, Backoff),
    row(GRAPH, 412..=412, Any, Conflict, Backoff),
    row(GRAPH, EVERY, Is("Directory_ConcurrencyViolation"), Conflict, Backoff),
    // 401 with this code is about the proof, where there is one (addKey: "Access Token missing or malformed.").
    row(&[WithProof], EVERY, Is("Authentication_MissingOrMalformed"), ProofRefused, Backoff),
    row(GRAPH, 401..=401, Any, Unauthorized, Backoff),
    row(GRAPH, EVERY, Begins("CannotUpdateLockedServicePrincipalProperty"), PropertyLocked, OnChange),
    row(GRAPH, EVERY, Is("CredentialTypeNotAllowedAsPerAppPolicy"), PolicyForbidsType, OnChange),
    row(GRAPH, EVERY, Is("CredentialInvalidLifetimeAsPerAppPolicy"), PolicyForbidsLifetime, OnChange),
    row(GRAPH, EVERY, Is("Directory_ResourceSizeExceeded"), ObjectFull, OnChange),
    row(GRAPH, EVERY, Is("Directory_QuotaExceeded"), ObjectFull, OnChange),
    row(GRAPH, 400..=400, Says("maximum of 2 encrypted credentials"), ObjectFull, OnChange),
    // Also said of a secret that has not reached the replica yet. The object itself is there.
    row(&[Graph], 400..=404, Says("No password credential found with keyId"), InvalidRequest, Backoff),
    row(GRAPH, 404..=404, Present, TargetNotFound, Backoff),
    row(GRAPH, EVERY, Is("Request_ResourceNotFound"), TargetNotFound, Backoff),
    row(GRAPH, 403..=403, Present, PermissionDenied, OnChange),
    row(GRAPH, 400..=499, Present, InvalidRequest, OnChange),
    // The token endpoint, whoever signs in.
    row(LOGIN, EVERY, Is("AADSTS90002"), TenantNotFound, OnChange),
    row(LOGIN, EVERY, Is("AADSTS900023"), TenantNotFound, OnChange),
    row(LOGIN, EVERY, Is("AADSTS700024"), ClockSkew, Backoff),
    // Our own sign-in. A new secret or certificate is refused for seconds to minutes, so these are tried again.
    row(&[OwnToken], EVERY, Is("AADSTS700016"), TenantNotFound, OnChange),
    row(&[OwnToken], EVERY, Is("AADSTS7000215"), TokenRefused, Backoff),
    row(&[OwnToken], EVERY, Is("AADSTS700027"), TokenRefused, Backoff),
    row(&[OwnToken], EVERY, Is("AADSTS7000222"), TokenRefused, OnChange),
    // No federated credential for this issuer, subject and audience; a new one is unknown for minutes.
    row(LOGIN, EVERY, Is("AADSTS70021"), FederationRefused, Backoff),
    row(LOGIN, EVERY, Is("AADSTS700211"), FederationRefused, Backoff),
    row(LOGIN, EVERY, Is("AADSTS700212"), FederationRefused, Backoff),
    row(LOGIN, EVERY, Is("AADSTS700213"), FederationRefused, Backoff),
    row(LOGIN, EVERY, Is("AADSTS7002138"), FederationRefused, Backoff),
    // A token of an algorithm that Entra does not take.
    row(LOGIN, EVERY, Is("AADSTS5002738"), FederationRefused, OnChange),
    row(&[OwnToken], EVERY, Is("AADSTS500011"), InvalidRequest, OnChange),
    row(&[OwnToken], EVERY, Is("AADSTS70011"), InvalidRequest, OnChange),
    row(&[OwnToken], EVERY, Is("AADSTS1002012"), InvalidRequest, OnChange),
    row(&[OwnToken], EVERY, Present, TokenRefused, Backoff),
    // No such identity on this machine, or a request that came through a proxy.
    row(&[InstanceMetadata], 400..=499, Present, TokenRefused, OnChange),
    // A credential on trial. Only these three are about the credential.
    row(&[Trial], EVERY, Is("AADSTS7000215"), CredentialRefused, Backoff),
    row(&[Trial], EVERY, Is("AADSTS700027"), CredentialRefused, Backoff),
    row(&[Trial], EVERY, Is("AADSTS7000222"), CredentialRefused, OnChange),
    row(&[Trial], EVERY, Present, CannotProve, Backoff),
    // Federation metadata has no error codes.
    row(&[Metadata], 404..=404, Any, TargetNotFound, Backoff),
    row(ALL, EVERY, Any, InvalidAnswer, Backoff),
];

/// What an answer that is no success means, and when to try again (before any Retry-After).
pub(crate) fn classify(asked: Asked, status: u16, code: Option<&str>, message: &str) -> (Category, Retry) {
    let matches = |row: &&Row| row.asked.contains(&asked) && row.status.contains(&status) && row.code.matches(code, message);
    TABLE.iter().find(matches).map_or((InvalidAnswer, Backoff), |row| (row.category, row.retry))
}

impl Code {
    fn matches(&self, code: Option<&str>, message: &str) -> bool {
        match self {
            Any => true,
            Present => code.is_some(),
            Is(expected) => code == Some(expected),
            Begins(prefix) => code.is_some_and(|code| code.starts_with(prefix)),
            Says(words) => message.contains(words),
        }
    }
}

/// Whom an operation asks, as a rule.
pub(crate) const fn asked(operation: Operation) -> Asked {
    match operation {
        Operation::GetToken => OwnToken,
        Operation::SignIn => Trial,
        Operation::ReadMetadata => Metadata,
        Operation::AddKey | Operation::RemoveKey => WithProof,
        Operation::Read
        | Operation::ReadWithKeys
        | Operation::ReadPolicies
        | Operation::AddTokenSigningCertificate
        | Operation::ReplaceCredentials
        | Operation::AddPassword
        | Operation::RemovePassword
        | Operation::SetPreferredThumbprint
        | Operation::SetNotificationAddresses => Graph,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::operation::Operation::*;

    #[rstest]
    #[case::no_role(Read, 403, "Authorization_RequestDenied", PermissionDenied, OnChange)]
    #[case::secret_without_role(AddPassword, 403, "Authorization_RequestDenied", PermissionDenied, OnChange)]
    #[case::secret_forbidden(AddPassword, 400, "CredentialTypeNotAllowedAsPerAppPolicy", PolicyForbidsType, OnChange)]
    #[case::full_of_secrets(AddPassword, 403, "Directory_ResourceSizeExceeded", ObjectFull, OnChange)]
    #[case::locked_secrets(RemovePassword, 400, "CannotUpdateLockedServicePrincipalProperty", PropertyLocked, OnChange)]
    #[case::removal_of_a_signing_password(RemovePassword, 500, "Service_InternalServerError", Unavailable, Backoff)]
    #[case::full(ReplaceCredentials, 403, "Directory_ResourceSizeExceeded", ObjectFull, OnChange)]
    #[case::quota(ReplaceCredentials, 403, "Directory_QuotaExceeded", ObjectFull, OnChange)]
    #[case::unknown_object(Read, 404, "Request_ResourceNotFound", TargetNotFound, Backoff)]
    #[case::bad_proof(AddKey, 401, "Authentication_MissingOrMalformed", ProofRefused, Backoff)]
    #[case::bad_proof_of_removal(RemoveKey, 401, "Authentication_MissingOrMalformed", ProofRefused, Backoff)]
    #[case::no_proof_in_a_read(Read, 401, "Authentication_MissingOrMalformed", Unauthorized, Backoff)]
    #[case::bad_token(AddKey, 401, "InvalidAuthenticationToken", Unauthorized, Backoff)]
    #[case::locked(AddTokenSigningCertificate, 400, "CannotUpdateLockedServicePrincipalProperty", PropertyLocked, OnChange)]
    #[case::locked_variant(
        ReplaceCredentials,
        400,
        "CannotUpdateLockedServicePrincipalPropertyWithEnforcementScope",
        PropertyLocked,
        OnChange
    )]
    #[case::type_policy(ReplaceCredentials, 400, "CredentialTypeNotAllowedAsPerAppPolicy", PolicyForbidsType, OnChange)]
    #[case::life_policy(AddKey, 400, "CredentialInvalidLifetimeAsPerAppPolicy", PolicyForbidsLifetime, OnChange)]
    #[case::bad_request(RemoveKey, 400, "Request_BadRequest", InvalidRequest, OnChange)]
    #[case::bad_schema(ReplaceCredentials, 400, "BadRequest", InvalidRequest, OnChange)]
    #[case::bad_end(ReplaceCredentials, 400, "KeyCredentialsInvalidEndDate", InvalidRequest, OnChange)]
    #[case::bad_method(AddKey, 405, "Request_BadRequest", InvalidRequest, OnChange)]
    #[case::conflict(ReplaceCredentials, 409, "Directory_ConcurrencyViolation", Conflict, Backoff)]
    #[case::throttled(AddKey, 429, "TooManyRequests", Throttled, Backoff)]
    #[case::throttled_by_the_directory(AddKey, 400, "Request_ThrottledTemporarily", Throttled, Backoff)]
    #[case::server_error(RemoveKey, 500, "Service_InternalServerError", Unavailable, Backoff)]
    #[case::unavailable(Read, 503, "ServiceUnavailable", Unavailable, Backoff)]
    #[case::gateway_timeout(Read, 504, "UnknownError", Unavailable, Backoff)]
    #[case::own_secret_wrong(GetToken, 401, "AADSTS7000215", TokenRefused, Backoff)]
    #[case::own_secret_expired(GetToken, 401, "AADSTS7000222", TokenRefused, OnChange)]
    #[case::own_certificate_unknown(GetToken, 401, "AADSTS700027", TokenRefused, Backoff)]
    #[case::no_federated_credential(GetToken, 401, "AADSTS70021", FederationRefused, Backoff)]
    #[case::no_federated_issuer(GetToken, 401, "AADSTS700211", FederationRefused, Backoff)]
    #[case::no_federated_audience(GetToken, 400, "AADSTS700212", FederationRefused, Backoff)]
    #[case::no_federated_subject(GetToken, 400, "AADSTS700213", FederationRefused, Backoff)]
    #[case::no_federated_match(GetToken, 400, "AADSTS7002138", FederationRefused, Backoff)]
    #[case::federated_curve(GetToken, 401, "AADSTS5002738", FederationRefused, OnChange)]
    #[case::own_clock(GetToken, 401, "AADSTS700024", ClockSkew, Backoff)]
    #[case::own_application_elsewhere(GetToken, 400, "AADSTS700016", TenantNotFound, OnChange)]
    #[case::no_tenant(GetToken, 400, "AADSTS90002", TenantNotFound, OnChange)]
    #[case::own_without_principal(GetToken, 400, "AADSTS7000229", TokenRefused, Backoff)]
    #[case::wrong_cloud(GetToken, 400, "AADSTS500011", InvalidRequest, OnChange)]
    #[case::secret_wrong(SignIn, 401, "AADSTS7000215", CredentialRefused, Backoff)]
    #[case::secret_expired(SignIn, 401, "AADSTS7000222", CredentialRefused, OnChange)]
    #[case::certificate_unknown(SignIn, 401, "AADSTS700027", CredentialRefused, Backoff)]
    #[case::clock(SignIn, 401, "AADSTS700024", ClockSkew, Backoff)]
    #[case::without_principal(SignIn, 400, "AADSTS7000229", CannotProve, Backoff)]
    #[case::not_in_the_directory(SignIn, 400, "AADSTS700016", CannotProve, Backoff)]
    #[case::conditional_access(SignIn, 400, "AADSTS53003", CannotProve, Backoff)]
    #[case::not_assigned(SignIn, 400, "AADSTS50105", CannotProve, Backoff)]
    #[case::never_seen(SignIn, 400, "AADSTS999999999", CannotProve, Backoff)]
    #[case::throttled_sign_in(SignIn, 429, "AADSTS50196", Throttled, Backoff)]
    #[case::token_endpoint_down(SignIn, 503, "AADSTS90033", Unavailable, Backoff)]
    #[case::no_metadata(ReadMetadata, 404, "", TargetNotFound, Backoff)]
    #[case::metadata_down(ReadMetadata, 502, "", Unavailable, Backoff)]
    #[case::metadata_refused(ReadMetadata, 400, "", InvalidAnswer, Backoff)]
    #[case::proxy_denies(AddKey, 403, "", InvalidAnswer, Backoff)]
    #[case::proxy_finds_nothing(Read, 404, "", InvalidAnswer, Backoff)]
    #[case::proxy_before_login(GetToken, 403, "", InvalidAnswer, Backoff)]
    #[case::redirect(Read, 302, "", InvalidAnswer, Backoff)]
    #[case::bare_401(Read, 401, "", Unauthorized, Backoff)]
    fn an_answer_means(
        #[case] operation: Operation,
        #[case] status: u16,
        #[case] code: &str,
        #[case] category: Category,
        #[case] retry: Retry,
    ) {
        let code = (!code.is_empty()).then_some(code);
        assert_eq!(classify(asked(operation), status, code, "some text"), (category, retry));
    }

    #[rstest]
    #[case::not_assigned(400, "invalid_request", TokenRefused, OnChange)]
    #[case::through_a_proxy(403, "forbidden", TokenRefused, OnChange)]
    #[case::updating(404, "not_found", Unavailable, Backoff)]
    #[case::updating_silently(404, "", Unavailable, Backoff)]
    #[case::gone_for_a_moment(410, "", Unavailable, After(Duration::from_secs(70)))]
    #[case::throttled(429, "", Throttled, Backoff)]
    #[case::failing(500, "", Unavailable, Backoff)]
    #[case::not_azure(400, "", InvalidAnswer, Backoff)]
    fn the_instance_metadata_service_means(#[case] status: u16, #[case] code: &str, #[case] category: Category, #[case] retry: Retry) {
        let code = (!code.is_empty()).then_some(code);
        assert_eq!(classify(InstanceMetadata, status, code, "some text"), (category, retry));
    }

    #[test]
    fn the_limit_of_two_secrets_is_told_by_its_message_alone() {
        let message = "You can only add a maximum of 2 encrypted credentials. If you would like to add more, delete one.";
        for operation in [ReplaceCredentials, AddPassword] {
            assert_eq!(classify(asked(operation), 400, Some("Request_BadRequest"), message), (ObjectFull, OnChange));
        }
    }

    #[test]
    fn a_secret_that_is_not_there_is_not_an_object_that_is_not_there() {
        let message = "No password credential found with keyId '8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10'.";
        assert_eq!(classify(asked(RemovePassword), 400, Some("Request_BadRequest"), message), (InvalidRequest, Backoff));
        assert_eq!(classify(asked(RemovePassword), 404, Some("Request_ResourceNotFound"), message), (InvalidRequest, Backoff));
        assert_eq!(
            classify(asked(RemovePassword), 404, Some("Request_ResourceNotFound"), "Resource does not exist"),
            (TargetNotFound, Backoff)
        );
    }

    #[test]
    fn no_status_is_without_a_meaning() {
        for operation in Operation::ALL {
            for status in 0..=999 {
                classify(asked(operation), status, None, "");
            }
        }
    }
}
