//! What this process has read of a directory object, and what may be concluded from it. One contradicting read is nothing: absence, change and quiet count after
//! three equal reads that span LATE.

mod digest;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use entra_types::{ClientId, Credential, CredentialList, KeyId, ObjectId, Thumbprint};

use crate::id::EntryId;
use crate::time::{FRESH, Time};

const RUNS: usize = 16;
const READS: usize = 3;
/// More reads of one run than that are thinned out.
const READS_REMEMBERED: usize = 24;
/// Of more keyIds than that, and more than twice as many as are listed, those go that no remembered read lists.
const REMEMBERED: usize = 64;

/// How much a read asks for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Detail {
    /// Names and identifiers only.
    Plain,
    /// With the certificates. Limited to 150 a minute and tenant.
    WithKeys,
}

/// One read of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Directory {
    /// `id`.
    pub object_id: ObjectId,
    /// `appId`.
    pub client_id: ClientId,
    /// `displayName`.
    pub display_name: String,
    /// `preferredTokenSigningKeyThumbprint` as read. Graph does not check it and may answer in another case.
    pub preferred: Option<String>,
    /// `keyCredentials`.
    pub keys: CredentialList,
    /// `passwordCredentials`.
    pub passwords: CredentialList,
    /// `notificationEmailAddresses`, of a service principal.
    pub notification_addresses: BTreeSet<String>,
}

/// What a certificate says of itself. A keyId never changes its certificate, so these stay known.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CertificateFacts {
    /// SHA-1 over the DER: the only identity that Entra and we agree on.
    pub thumbprint: Thumbprint,
    /// End of validity.
    pub not_after: Time,
    /// The certificate.
    pub der: Vec<u8>,
}

/// Equal reads in a row.
#[derive(Clone, Debug)]
struct Run {
    reads: Reads,
    directory: Directory,
    views: Vec<Credential>,
}

/// When equal reads were made: the first, the latest, and enough in between.
#[derive(Clone, Debug)]
struct Reads(Vec<Time>);

/// What may be concluded of a statement about the object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Conclusion {
    /// The latest read contradicts it.
    Denied,
    /// Three equal reads that span long enough say so.
    Confirmed,
    /// So far it seems so; read again then.
    LookAgain(Time),
}

/// The reads of one object by this process.
#[derive(Clone, Debug, Default)]
pub struct History {
    runs: Vec<Run>,
    certificates: BTreeMap<KeyId, CertificateFacts>,
    shown: BTreeMap<Thumbprint, CertificateFacts>,
    first_seen: BTreeMap<KeyId, Time>,
    last_tick: u64,
    last_tick_with_keys: u64,
    last_with_keys: Option<Time>,
}

impl CertificateFacts {
    /// Whether this text stands anywhere in the certificate, as a SAN URI does.
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.der.windows(text.len()).any(|part| part == text.as_bytes())
    }
}

impl Directory {
    /// The preferred thumbprint, if it is one.
    pub fn preferred_thumbprint(&self) -> Option<Thumbprint> {
        self.preferred.as_deref()?.parse().ok()
    }
}

impl Reads {
    fn last(&self) -> Option<Time> {
        self.0.last().copied()
    }

    /// Of many, every second one of the older half goes: what is left spans as much.
    fn add(&mut self, at: Time) {
        self.0.push(at);
        if self.0.len() > READS_REMEMBERED {
            let mut n = 0..;
            self.0.retain(|_| n.next().is_none_or(|n| n >= READS_REMEMBERED / 2 || n % 2 == 0));
        }
    }
}

impl History {
    pub(crate) fn record(
        &mut self,
        directory: Directory,
        certificates: BTreeMap<KeyId, CertificateFacts>,
        detail: Detail,
        tick: u64,
        now: Time,
    ) {
        self.last_tick = tick;
        if detail == Detail::WithKeys {
            (self.last_tick_with_keys, self.last_with_keys) = (tick, Some(now));
        }
        for id in directory.keys.key_ids().union(&directory.passwords.key_ids()) {
            self.first_seen.entry(*id).or_insert(now);
        }
        self.certificates.extend(certificates);
        self.extend(directory, now);
        self.forget_the_oldest();
    }

    fn extend(&mut self, directory: Directory, now: Time) {
        match self.runs.last_mut() {
            Some(run) if run.directory == directory => run.reads.add(now),
            _ => {
                let views = directory.keys.views().chain(directory.passwords.views()).collect();
                self.runs.push(Run { reads: Reads(vec![now]), directory, views });
            }
        }
    }

    fn forget_the_oldest(&mut self) {
        let excess = self.runs.len().saturating_sub(RUNS);
        self.runs.drain(..excess);
        if self.first_seen.len().max(self.certificates.len()) > REMEMBERED.max(2 * self.entries().len()) {
            let present: BTreeSet<KeyId> = self.runs.iter().flat_map(|run| run.views.iter().filter_map(|view| view.key_id)).collect();
            self.first_seen.retain(|id, _| present.contains(id));
            self.certificates.retain(|id, _| present.contains(id));
        }
    }

    pub(crate) fn learn(&mut self, shown: Vec<CertificateFacts>) {
        self.shown = shown.into_iter().map(|facts| (facts.thumbprint, facts)).collect();
    }

    /// The latest read.
    pub fn latest(&self) -> Option<&Directory> {
        self.runs.last().map(|run| &run.directory)
    }

    /// When that was.
    pub fn read_at(&self) -> Option<Time> {
        self.runs.last().and_then(|run| run.reads.last())
    }

    /// When the certificates were last read.
    pub fn audited_at(&self) -> Option<Time> {
        self.last_with_keys
    }

    pub(crate) fn tick(&self, detail: Detail) -> u64 {
        match detail {
            Detail::Plain => self.last_tick,
            Detail::WithKeys => self.last_tick_with_keys,
        }
    }

    /// The entries of the latest read, keys and passwords.
    pub fn entries(&self) -> &[Credential] {
        self.runs.last().map_or(&[], |run| &run.views)
    }

    /// What is known of the certificate behind a keyId.
    pub fn certificate(&self, id: &KeyId) -> Option<&CertificateFacts> {
        self.certificates.get(id)
    }

    /// A certificate by its thumbprint, wherever it was seen.
    pub fn certificate_by(&self, thumbprint: Thumbprint) -> Option<&CertificateFacts> {
        self.certificates.values().find(|facts| facts.thumbprint == thumbprint).or_else(|| self.shown.get(&thumbprint))
    }

    /// Whether a listed credential carries the mark of this entry: in its name, or in its certificate.
    pub(crate) fn bears(&self, listed: &Credential, uid: &str, id: &EntryId) -> bool {
        let name = listed.display_name.as_deref().unwrap_or_default();
        let uri = id.san_uri(uid);
        let certificate = || self.certificate(listed.key_id.as_ref()?);
        name == id.password_name(uid)
            || name.strip_suffix(id.as_str()).is_some_and(|rest| rest.ends_with('-'))
            || certificate().is_some_and(|facts| facts.contains(&uri))
    }

    /// The keyIds of the latest read that hold this certificate, by its bytes.
    pub fn holders(&self, thumbprint: Thumbprint) -> BTreeSet<KeyId> {
        let holds = |id: &KeyId| self.certificate(id).is_some_and(|facts| facts.thumbprint == thumbprint);
        self.entries().iter().filter_map(|entry| entry.key_id).filter(holds).collect()
    }

    /// Every keyId that was ever seen to hold this certificate.
    pub fn key_ids_of(&self, thumbprint: Thumbprint) -> BTreeSet<KeyId> {
        self.certificates.iter().filter(|(_, facts)| facts.thumbprint == thumbprint).map(|(id, _)| *id).collect()
    }

    /// Whether the statement holds in three reads in a row that span `span`, the latest included.
    pub fn conclude(&self, span: TimeDelta, holds: impl Fn(&Directory, &[Credential]) -> bool) -> Conclusion {
        self.conclude_since(Time::MIN_UTC, span, holds)
    }

    /// The same from the reads after a moment alone: what was read before something was made says nothing about it.
    pub fn conclude_since(&self, since: Time, span: TimeDelta, holds: impl Fn(&Directory, &[Credential]) -> bool) -> Conclusion {
        let agreeing = self.runs.iter().rev().take_while(|run| holds(&run.directory, &run.views));
        let reads: Vec<Time> = agreeing.flat_map(|run| &run.reads.0).copied().filter(|at| *at > since).collect();
        self.judge(span, reads.len(), reads.into_iter().min())
    }

    /// Whether the whole object was the same in three reads that span `span`, the last of them at most five seconds old.
    pub fn quiet(&self, span: TimeDelta, now: Time) -> Conclusion {
        let Some(run) = self.runs.last() else { return Conclusion::Denied };
        match self.judge(span, run.reads.0.len(), run.reads.0.first().copied()) {
            Conclusion::Confirmed if run.reads.last().is_none_or(|last| now - last > FRESH) => Conclusion::LookAgain(now),
            other => other,
        }
    }

    fn judge(&self, span: TimeDelta, count: usize, first: Option<Time>) -> Conclusion {
        let (Some(first), Some(last)) = (first, self.read_at()) else { return Conclusion::Denied };
        if count >= READS && last - first >= span {
            return Conclusion::Confirmed;
        }
        Conclusion::LookAgain(if count < READS - 1 { last + span / 3 } else { (first + span).max(last + span / 60) })
    }

    /// The keyIds of the latest read that this process met for the first time after `since`.
    pub fn newcomers(&self, since: Time) -> bool {
        let new = |id: &KeyId| self.first_seen.get(id).is_none_or(|seen| *seen > since);
        self.entries().iter().filter_map(|entry| entry.key_id).any(|id| new(&id))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::sample::{at, directory, facts, key_id, listed, thumbprint};

    const LATE: TimeDelta = TimeDelta::minutes(15);

    /// Reads as `minute:keyId,keyId`.
    fn history(reads: &str) -> History {
        let mut history = History::default();
        for (tick, read) in (1..).zip(reads.split_whitespace()) {
            let (minute, ids) = read.split_once(':').unwrap();
            let entries: Vec<_> = ids.split(',').map(|n| listed(n.parse().unwrap())).collect();
            history.record(directory(&entries, None), BTreeMap::new(), Detail::Plain, tick, at(minute.parse().unwrap()));
        }
        history
    }

    fn lacks(n: u8) -> impl Fn(&Directory, &[Credential]) -> bool {
        move |_, views| views.iter().all(|view| view.key_id != Some(key_id(n)))
    }

    #[rstest]
    #[case::never_read("", Conclusion::Denied)]
    #[case::one_read("0:1", Conclusion::LookAgain(at(5)))]
    #[case::two_reads("0:1 5:1", Conclusion::LookAgain(at(15)))]
    #[case::three_in_a_hurry("0:1 1:1 2:1", Conclusion::LookAgain(at(15)))]
    #[case::two_that_span_late("0:1 15:1", Conclusion::LookAgain(at(15) + TimeDelta::seconds(15)))]
    #[case::three_that_span_late("0:1 5:1 15:1", Conclusion::Confirmed)]
    #[case::whatever_else_changes("0:1 5:1,3 15:3", Conclusion::Confirmed)]
    #[case::contradicted_at_last("0:1 5:1 15:1 16:1,2", Conclusion::Denied)]
    #[case::contradicted_in_between("0:1 5:2 15:1", Conclusion::LookAgain(at(20)))]
    fn absence_takes_three_reads_in_a_row_that_span_late(#[case] reads: &str, #[case] expected: Conclusion) {
        assert_eq!(history(reads).conclude(LATE, lacks(2)), expected);
    }

    #[rstest]
    #[case::three_equal_ones("0:1 5:1 15:1", 15 * 60, Conclusion::Confirmed)]
    #[case::in_another_order("0:1,2 5:2,1 15:1,2", 15 * 60, Conclusion::Confirmed)]
    #[case::five_seconds_old("0:1 5:1 15:1", 15 * 60 + 5, Conclusion::Confirmed)]
    #[case::six_seconds_old("0:1 5:1 15:1", 15 * 60 + 6, Conclusion::LookAgain(at(15) + TimeDelta::seconds(6)))]
    #[case::another_list_in_between("0:1 5:1,2 15:1", 15 * 60, Conclusion::LookAgain(at(20)))]
    #[case::never_read("", 0, Conclusion::Denied)]
    fn a_list_is_quiet_when_three_equal_reads_span_late_and_the_last_is_fresh(
        #[case] reads: &str,
        #[case] seconds: i64,
        #[case] expected: Conclusion,
    ) {
        assert_eq!(history(reads).quiet(LATE, at(0) + TimeDelta::seconds(seconds)), expected);
    }

    #[rstest]
    #[case::none("0:1 5:1 15:1", Conclusion::Denied)]
    #[case::one("0:1 5:1 15:1 21:1", Conclusion::LookAgain(at(26)))]
    #[case::two_that_span_late("0:1 5:1 15:1 21:1 36:1", Conclusion::LookAgain(at(36) + TimeDelta::seconds(15)))]
    #[case::three_that_do_not("0:1 5:1 15:1 21:1 22:1 35:1", Conclusion::LookAgain(at(36)))]
    #[case::three_that_do("0:1 5:1 15:1 21:1 22:1 36:1", Conclusion::Confirmed)]
    #[case::in_several_runs("0:1 15:1 21:1,3 22:1 36:1,3", Conclusion::Confirmed)]
    #[case::of_that_very_moment("20:1 28:1 36:1", Conclusion::LookAgain(at(43)))]
    fn reads_from_before_something_was_made_say_nothing_about_it(#[case] reads: &str, #[case] expected: Conclusion) {
        assert_eq!(history(reads).conclude_since(at(20), LATE, lacks(2)), expected);
    }

    #[test]
    fn of_many_reads_the_first_and_the_latest_stay_known_and_enough_in_between() {
        let mut reads = Reads(vec![at(0)]);
        (1..=10_000).for_each(|minute| reads.add(at(minute)));
        assert!(reads.0.len() <= READS_REMEMBERED && reads.0.is_sorted(), "{reads:?}");
        assert_eq!((reads.0[0], reads.last()), (at(0), Some(at(10_000))));
        assert!(reads.0.iter().filter(|read| **read > at(10_000) - LATE).count() >= READS, "{reads:?}");
        assert!(reads.0.ends_with(&(9_989..=10_000).map(at).collect::<Vec<_>>()), "the older ones are thinned out, {reads:?}");
    }

    #[test]
    fn of_the_older_half_of_many_reads_every_second_one_stays() {
        let mut reads = Reads(vec![at(0)]);
        (1..25).for_each(|minute| reads.add(at(minute)));
        assert_eq!(reads.0, (0..12).step_by(2).chain(12..25).map(at).collect::<Vec<_>>());
    }

    #[test]
    fn what_comes_back_after_many_other_lists_is_no_newcomer() {
        let others: Vec<_> = (0..20).map(|n| format!("{n}:{}", 10 + n)).collect();
        assert!(!history(&format!("0:1 {} 20:1", others.join(" "))).newcomers(at(0)));
    }

    #[test]
    fn newcomers_are_keyids_first_met_after_a_moment_however_often_they_vanish() {
        let history = history("0:1 5:1,2 6:1 20:1,2");
        assert!(history.newcomers(at(4)));
        assert!(!history.newcomers(at(5)));
        assert!(history.newcomers(at(0) - LATE), "the first read of a process is news too");
    }

    #[test]
    fn certificates_stay_known_and_are_found_by_the_keyids_that_are_listed_now() {
        let mut history = History::default();
        history.record(directory(&[listed(1), listed(2)], None), facts([1, 2]), Detail::WithKeys, 1, at(0));
        history.record(directory(&[listed(1)], None), BTreeMap::new(), Detail::Plain, 2, at(1));
        assert_eq!(history.holders(thumbprint(1)), BTreeSet::from([key_id(1)]));
        assert_eq!(history.holders(thumbprint(2)), BTreeSet::new());
        assert_eq!(history.key_ids_of(thumbprint(2)), BTreeSet::from([key_id(2)]));
        assert_eq!((history.audited_at(), history.read_at()), (Some(at(0)), Some(at(1))));
        assert_eq!((history.tick(Detail::WithKeys), history.tick(Detail::Plain)), (1, 2));
    }

    #[rstest]
    fn memory_is_bounded_however_the_lists_change(#[values(1, 3)] length: u32) {
        let mut history = History::default();
        let listed = |n: u32| serde_json::json!({"keyId": format!("eeeeeeee-0000-4000-8000-{n:012}")});
        for n in 0..10_000u32 {
            let entries: Vec<_> = (length * n..length * (n + 1)).map(listed).collect();
            history.record(directory(&entries, None), BTreeMap::new(), Detail::Plain, u64::from(n), at(i64::from(n)));
        }
        assert!(history.runs.len() <= RUNS && history.first_seen.len() <= REMEMBERED + length as usize);
    }

    #[test]
    fn an_object_that_lists_more_than_is_usually_remembered_is_known_whole() {
        let mut history = History::default();
        let listed = |n: u32| serde_json::json!({"keyId": format!("eeeeeeee-0000-4000-8000-{n:012}")});
        for removed in 0..200 {
            let entries: Vec<_> = (removed..removed + 1_000).map(listed).collect();
            history.record(directory(&entries, None), BTreeMap::new(), Detail::Plain, u64::from(removed), at(i64::from(removed)));
        }
        assert!(!history.newcomers(at(199)) && history.newcomers(at(198)));
        assert!((1_000..2_000).contains(&history.first_seen.len()));
    }
}
