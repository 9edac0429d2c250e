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

    /// Who signs.
    pub fn signer(&self, now: Time) -> Signer {
        let mut able: Vec<Group> = self.groups().into_iter().filter(|group| group.can_sign_at(now)).collect();
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
