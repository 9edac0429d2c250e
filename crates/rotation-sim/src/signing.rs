//! Signing certificates whose key the operator made, and who is mailed.

use entra_types::{KeyId, Thumbprint};
use rotation::*;
use serde_json::{Value, json};

use super::{World, text};

/// The certificate that a link names, in either of the two ways in which it is written.
pub(super) fn certificate_of(entry: &Value) -> Option<Thumbprint> {
    Thumbprint::from_custom_key_identifier(entry["customKeyIdentifier"].as_str()?)
}

/// Entra never shows the key of a private half that somebody sent.
pub(super) fn shows_its_certificate(entry: &Value) -> bool {
    entry["usage"] != "Sign" || entry["customKeyIdentifier"].as_str().is_some_and(|link| link.len() == 40)
}

impl World {
    /// Whether Graph refuses the proof of possession now.
    pub(super) fn refuses_proof(&self, mutation: &Mutation) -> bool {
        let refused = self.proofs_refused.is_some_and(|(from, until)| from <= self.now && self.now < until);
        refused && matches!(mutation, Mutation::AddSigningKey(_))
    }

    pub(super) fn proof_refused(&mut self, op: &Op) {
        self.record("Graph refuses the proof");
        self.memory.answered(&op.nonce, Answer::Refused);
        self.memory.proof_was_refused(self.now);
        self.note(&Fact::Failed(Trouble { reason: Reason::ProofRefused, message: "Graph refused the proof.".to_owned(), wait: None }));
    }

    /// The key that is sent is the one in memory, and the ledger knows it by then.
    pub(super) fn own_key(&self, entry: &Entry) -> Thumbprint {
        assert_eq!(self.key_in_memory.as_ref(), Some(&entry.id), "the key is gone");
        let thumbprint = entry.thumbprint().expect("known at claim time");
        let link = entry.signing().and_then(|signing| signing.custom_key_identifier.as_deref());
        assert_eq!(link.and_then(Thumbprint::from_custom_key_identifier), Some(thumbprint));
        thumbprint
    }

    /// What addKey does: the private half and its password under a keyId of Entra's choice, and not always the public half.
    pub(super) fn add_signing_key(&mut self, entry: &Entry) -> Answer {
        self.made += 1;
        let id: KeyId = format!("cccccccc-0000-4000-8000-{:012}", self.made).parse().unwrap();
        self.list_own(entry, "Sign", id);
        if self.add_key_is_whole {
            self.made += 1;
            self.list_own(entry, "Verify", format!("cccccccc-0000-4000-8000-{:012}", self.made).parse().unwrap());
        }
        if self.answers_are_unreadable { Answer::Applied(None) } else { Answer::Applied(Some(Made::Key(id))) }
    }

    pub(super) fn add_signing_by_update(&mut self, entry: &Entry) -> Answer {
        let ids = [entry.id.key_id(&self.policy.uid), entry.id.verify_key_id(&self.policy.uid)];
        assert!(ids.iter().all(|id| entry.key_ids.contains(id)), "both keyIds are in the ledger: {entry:?}");
        self.list_own(entry, "Sign", ids[0]);
        self.list_own(entry, "Verify", ids[1]);
        Answer::Applied(None)
    }

    pub(super) fn add_verify_by_update(&mut self, entry: &Entry) -> Answer {
        let id = entry.id.verify_key_id(&self.policy.uid);
        assert!(entry.key_ids.contains(&id), "the keyId is in the ledger: {entry:?}");
        self.list_own(entry, "Verify", id);
        Answer::Applied(None)
    }

    fn list_own(&mut self, entry: &Entry, usage: &str, id: KeyId) {
        let signing = entry.signing().unwrap();
        let end = self.certificates[&signing.thumbprint.unwrap().to_string()].not_after;
        let listed = |usage: Option<&str>| {
            json!({"keyId": id, "usage": usage, "customKeyIdentifier": signing.custom_key_identifier, "displayName": signing.display_name,
                "startDateTime": text(self.now), "endDateTime": text(end), "key": null})
        };
        let (key, password) = (listed(Some(usage)), listed(None));
        if self.entra.keys.iter().all(|key| key["keyId"] != json!(id)) {
            self.entra.keys.push(key);
        }
        if usage == "Sign" && self.entra.passwords.iter().all(|password| password["keyId"] != json!(id)) {
            self.entra.passwords.push(password);
        }
    }
}
