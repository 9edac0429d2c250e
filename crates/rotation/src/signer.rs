//! Who signs SAML responses: the preferred certificate if it is valid, else any valid one with a Sign entry (Entra picks by itself).

use std::collections::{BTreeMap, BTreeSet};

use entra_types::{KeyId, Thumbprint};

use crate::history::{Directory, History};
use crate::ledger::Entry;
use crate::time::{TOLERATED_SKEW, Time};

/// A signing certificate as Entra lists it: a Sign entry, a Verify entry and a password that share a `customKeyIdentifier`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Group {
    /// Links the entries. Opaque.
    pub custom_key_identifier: String,
    /// By the certificate's bytes.
    pub thumbprint: Option<Thumbprint>,
    /// Of all its entries, in both lists.
    pub key_ids: BTreeSet<KeyId>,
    /// As made.
    pub display_name: Option<String>,
    /// As listed.
    pub start: Option<Time>,
    /// As listed.
    pub end: Option<Time>,
    signs: bool,
}

/// Who signs, as far as a read tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Signer {
    /// Nobody: no valid certificate with a Sign entry.
    Nobody,
    /// The preferred certificate, and it is valid.
    Preferred(Group),
    /// None is preferred or valid, but there is exactly one that Entra can use.
    Only(Group),
    /// None is preferred or valid, and Entra can use several.
    Several(Vec<Thumbprint>),
}

impl Group {
    /// Whether Entra could sign with it.
    pub fn can_sign_at(&self, now: Time) -> bool {
        self.signs && self.start.is_none_or(|start| start <= now + TOLERATED_SKEW) && self.end.is_none_or(|end| now < end)
    }

    /// Whether it is what addTokenSigningCertificate made for this entry, by two of the three marks that were sent or timed.
    pub(crate) fn is_made_for(&self, entry: &Entry, appeared: (Time, Time)) -> bool {
        let Some(signing) = entry.signing() else { return false };
        let named = signing.display_name.is_some() && signing.display_name == self.display_name;
        let asked_end = signing.end_date_time.as_deref().and_then(|text| text.parse::<Time>().ok());
        let ended = asked_end.is_some() && asked_end == self.end;
        let timed = self.start.is_some_and(|start| appeared.0 <= start && start <= appeared.1);
        self.signs && [named, ended, timed].iter().filter(|mark| **mark).count() >= 2
    }
}

impl History {
    /// The signing certificates of the latest read.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for entry in self.entries() {
            let (Some(link), Some(id)) = (&entry.custom_key_identifier, entry.key_id) else { continue };
            let group = groups.entry(link.clone()).or_insert_with(|| Group { custom_key_identifier: link.clone(), ..Group::default() });
            group.key_ids.insert(id);
            group.signs |= entry.is_sign();
            if entry.is_sign() || entry.is_verify() {
                group.thumbprint = group.thumbprint.or_else(|| self.certificate(&id).map(|facts| facts.thumbprint));
                group.display_name = group.display_name.take().or_else(|| entry.display_name.clone());
                group.start = group.start.max(entry.start);
                group.end = [group.end, entry.end].into_iter().flatten().min();
            }
        }
        groups.into_values().filter(|group| group.signs).collect()
    }

    /// The signing certificate with this thumbprint.
    pub fn group(&self, thumbprint: Thumbprint) -> Option<Group> {
        self.groups().into_iter().find(|group| group.thumbprint == Some(thumbprint))
    }

    /// Everything that Entra may sign with.
    pub(crate) fn possible_signers(&self, now: Time) -> Vec<Thumbprint> {
        match self.signer(now) {
            Signer::Nobody => vec![],
            Signer::Preferred(group) | Signer::Only(group) => group.thumbprint.into_iter().collect(),
            Signer::Several(several) => several,
        }
    }

    /// Who signs.
    pub fn signer(&self, now: Time) -> Signer {
        self.signer_among(now, |_| true)
    }

    /// Who signs, where only these count.
    pub(crate) fn signer_among(&self, now: Time, counts: impl Fn(&Group) -> bool) -> Signer {
        let mut able: Vec<Group> = self.groups().into_iter().filter(|group| group.can_sign_at(now) && counts(group)).collect();
        let preferred = self.latest().and_then(Directory::preferred_thumbprint);
        if let Some(index) = able.iter().position(|group| preferred.is_some() && group.thumbprint == preferred) {
            return Signer::Preferred(able.swap_remove(index));
        }
        match able.len() {
            0 => Signer::Nobody,
            1 => Signer::Only(able.swap_remove(0)),
            _ => Signer::Several(able.iter().filter_map(|group| group.thumbprint).collect()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::history::Detail;
    use crate::ledger::{Signing, Use};
    use crate::sample::{at, directory, facts, key_id, listed, sign, signing_entry, thumbprint};

    fn history(keys: &[Value], preferred: Option<&str>) -> History {
        let mut history = History::default();
        history.record(directory(keys, preferred), facts(1..=9), Detail::WithKeys, 1, at(0));
        history
    }

    /// The signer by numbers: preferred, the only one, several.
    fn signs(keys: &[Value], preferred: Option<u8>) -> (Option<u8>, Option<u8>, Vec<u8>) {
        let preferred = preferred.map(|n| thumbprint(n).to_string());
        let number = |t: Thumbprint| (1..=9).find(|n| thumbprint(*n) == t).unwrap();
        match history(keys, preferred.as_deref()).signer(at(60)) {
            Signer::Nobody => (None, None, vec![]),
            Signer::Preferred(group) => (group.thumbprint.map(number), None, vec![]),
            Signer::Only(group) => (None, group.thumbprint.map(number), vec![]),
            Signer::Several(several) => (None, None, several.into_iter().map(number).collect()),
        }
    }

    const END: i64 = 90_000;

    #[rstest]
    #[case::an_empty_object(&[], None, (None, None, vec![]))]
    #[case::only_verify(&[listed(1)], None, (None, None, vec![]))]
    #[case::the_preferred_one(&[sign(1, 0, END), sign(2, 0, END)], Some(2), (Some(2), None, vec![]))]
    #[case::null_and_one(&[sign(1, 0, END)], None, (None, Some(1), vec![]))]
    #[case::null_and_several(&[sign(1, 0, END), sign(2, 0, END)], None, (None, None, vec![1, 2]))]
    #[case::null_and_one_valid(&[sign(1, 0, END), sign(2, 0, 60)], None, (None, Some(1), vec![]))]
    #[case::null_and_all_expired(&[sign(1, 0, 59), sign(2, 0, 60)], None, (None, None, vec![]))]
    #[case::expired_preferred_and_one(&[sign(1, 0, END), sign(2, 0, 60)], Some(2), (None, Some(1), vec![]))]
    #[case::expired_preferred_and_several(&[sign(1, 0, END), sign(2, 0, 60), sign(3, 0, END)], Some(2), (None, None, vec![1, 3]))]
    #[case::expired_preferred_and_none(&[sign(2, 0, 60)], Some(2), (None, None, vec![]))]
    #[case::preferred_not_listed(&[sign(1, 0, END)], Some(9), (None, Some(1), vec![]))]
    #[case::preferred_not_valid_yet(&[sign(1, 0, END), sign(2, 63, END)], Some(2), (None, Some(1), vec![]))]
    #[case::preferred_valid_but_for_the_clocks(&[sign(1, 0, END), sign(2, 62, END)], Some(2), (Some(2), None, vec![]))]
    #[case::another_not_valid_yet(&[sign(1, 0, END), sign(2, 63, END)], None, (None, Some(1), vec![]))]
    fn who_signs(#[case] keys: &[Value], #[case] preferred: Option<u8>, #[case] expected: (Option<u8>, Option<u8>, Vec<u8>)) {
        assert_eq!(signs(keys, preferred), expected);
    }

    #[rstest]
    #[case::as_entra_writes_it("ABABABABABABABABABABABABABABABABABABABAB", true)]
    #[case::in_lower_case("abababababababababababababababababababab", true)]
    #[case::no_thumbprint("CN=payroll", false)]
    #[case::empty("", false)]
    fn the_preferred_value_is_whatever_somebody_wrote(#[case] text: &str, #[case] understood: bool) {
        let mut history = History::default();
        let mut certificates = facts([1, 2]);
        certificates.get_mut(&key_id(1)).unwrap().thumbprint = Thumbprint::new([0xab; 20]);
        history.record(directory(&[sign(1, 0, END), sign(2, 0, END)], Some(text)), certificates, Detail::WithKeys, 1, at(0));
        assert_eq!(matches!(history.signer(at(60)), Signer::Preferred(_)), understood);
    }

    #[test]
    fn the_entries_of_one_certificate_are_one_group_which_ends_with_the_first_of_them() {
        let mut verify = sign(2, 1, 50);
        (verify["usage"], verify["customKeyIdentifier"]) = (json!("Verify"), json!("link-1"));
        let groups = history(&[sign(1, 0, END), verify], None).groups();
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].key_ids, BTreeSet::from([key_id(1), key_id(2)]));
        assert_eq!((groups[0].start, groups[0].end), (Some(at(1)), Some(at(50))));
    }

    #[rstest]
    #[case::all_three_marks("CN=1", 500, 5, true)]
    #[case::name_and_end("CN=1", 500, 90, true)]
    #[case::name_and_time("CN=1", 501, 5, true)]
    #[case::end_and_time("CN=other", 500, 5, true)]
    #[case::only_the_name("CN=1", 501, 90, false)]
    #[case::only_the_end("CN=other", 500, 90, false)]
    #[case::only_the_time("CN=other", 501, 5, false)]
    #[case::none("CN=other", 501, 90, false)]
    fn two_of_three_marks_tell_what_was_made_for_an_entry(#[case] name: &str, #[case] end: i64, #[case] start: i64, #[case] made: bool) {
        let asked = Signing { display_name: Some(name.to_owned()), end_date_time: Some(at(end).to_rfc3339()), ..Signing::default() };
        let group = history(&[sign(1, start, 500)], None).groups().remove(0);
        assert_eq!(group.is_made_for(&signing_entry(1, Use::Next, asked), (at(-2), at(15))), made);
    }

    #[test]
    fn a_certificate_whose_bytes_were_never_read_cannot_be_the_preferred_one() {
        let mut history = History::default();
        let preferred = thumbprint(1).to_string();
        history.record(directory(&[sign(1, 0, END)], Some(&preferred)), BTreeMap::new(), Detail::Plain, 1, at(0));
        assert!(matches!(history.signer(at(60)), Signer::Only(_)));
    }
}
