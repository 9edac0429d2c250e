use super::{
    client::Attempt,
    course::{Course, History, ROTATIONS},
    user::User,
};

/// Far fewer than there are: three with each credential.
const ENOUGH: usize = 3 * (ROTATIONS + 1);
/// How long Entra still accepts what was removed, in seconds: longer than its instances lag.
const LINGERING: f64 = 1.0;

/// How Entra refuses a secret that it does not know, or not any more.
pub(super) const UNKNOWN_SECRET: &str = "AADSTS7000215";
/// Likewise of a certificate.
pub(super) const UNKNOWN_CERTIFICATE: &str = "AADSTS700027";

/// Every attempt got a token, through all rotations and with every credential that was published.
pub(super) fn assert_never_refused(user: User) {
    let (attempts, history) = Course::shared().of(user);
    let refused: Vec<_> = attempts.iter().filter(|attempt| !attempt.ok).collect();
    assert!(refused.is_empty(), "{} of {} attempts failed: {refused:#?}", refused.len(), attempts.len());
    assert!(attempts.len() >= ENOUGH, "there were {} attempts only", attempts.len());
    assert!(history.removals.len() >= ROTATIONS, "there were {} removals only", history.removals.len());
    let published: Vec<_> = history.versions.iter().map(|version| version.fingerprint(user.credential)).collect();
    assert!(published.len() > ROTATIONS, "there were {} publications only", published.len());
    assert_eq!(used(attempts), published);
}

/// Until the overlap was over every attempt got a token, and after it none.
pub(super) fn assert_works_until_the_overlap_is_over(user: User, refusal: &str) {
    let (attempts, history) = Course::shared().of(user);
    let end = removal(history, 0);
    let before: Vec<_> = attempts.iter().filter(|attempt| attempt.ended <= end).collect();
    let after: Vec<_> = attempts.iter().filter(|attempt| attempt.began > end + LINGERING).collect();
    assert!(before.iter().all(|attempt| attempt.ok), "refused before the removal at {end}: {before:#?}");
    assert!(before.len() > 3 && after.len() > 3, "{} attempts before the removal, {} after", before.len(), after.len());
    let is_refused = |attempt: &Attempt| attempt.error.as_ref().is_some_and(|error| error.contains(refusal));
    assert!(after.iter().all(|attempt| is_refused(attempt)), "not refused by {refusal} after the removal at {end}: {after:#?}");
}

/// Entra gave a token for every attempt: no library had one left from before.
pub(super) fn assert_no_cache_answered(output: &str) {
    let (attempts, history) = Course::shared().of_output(output);
    let answered = attempts.iter().filter(|attempt| attempt.ok).count();
    assert!(answered > 0 && history.tokens >= answered, "{answered} tokens, of which Entra gave {}", history.tokens);
}

/// Credentials in the order of their first use.
fn used(attempts: &[Attempt]) -> Vec<String> {
    let mut used: Vec<String> = Vec::new();
    for credential in attempts.iter().filter_map(|attempt| attempt.credential.as_ref()) {
        if !used.contains(credential) {
            used.push(credential.clone());
        }
    }
    used
}

/// When a published credential went from Entra, in seconds.
fn removal(history: &History, version: usize) -> f64 {
    let key = &history.versions[version].key_id;
    let (_, at) = history.removals.iter().find(|(removed, _)| removed.to_string() == *key).expect("it was removed");
    at.timestamp_micros() as f64 / 1e6
}
