//! `status` as a ledger and back. What cannot be parsed stalls the resource and has no effect.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use entra_types::{KeyId, ObjectKind};
use rotation::{
    Cause, Entry, EntryDetail, Failure, Foreign, Ledger, Op, OpKind, Origin, Outcome, Reason, Rotation, Signing, SlotName, Target, Use,
};

use crate::api::v1alpha1::{
    CredentialEntry, CredentialKind, CredentialOp, CredentialOrigin, CredentialUse, Failure as FailureStatus, ForeignCredentials,
    MESSAGE_MAX, OpOutcome, ResolvedTarget, RotationProgress, ServicePrincipalCredentialStatus, Slot, Timestamp,
};
use bounds::{clamped, cut, items, number, optional, quoted, text};

mod bounds;

/// The protocol that this version speaks. One that meets a higher number in a status does nothing.
pub(crate) const PROTOCOL: u32 = 1;

/// A field of the status that does not say what it must.
#[derive(Debug, thiserror::Error)]
#[error("status.{field}: {problem}")]
pub(crate) struct Unreadable {
    field: String,
    problem: String,
}

fn unreadable(field: impl Display, problem: impl Display) -> Unreadable {
    Unreadable { field: field.to_string(), problem: problem.to_string() }
}

fn parse<T: FromStr<Err: Display>>(field: impl Display, text: &str) -> Result<T, Unreadable> {
    text.parse().map_err(|error: T::Err| unreadable(field, format!("{} {error}", quoted(text))))
}

fn instant(at: Option<Timestamp>) -> Option<DateTime<Utc>> {
    at.map(Into::into)
}

/// Reads the ledger out of a status. What an entry must hold depends on the kind of credential, which never changes.
pub(crate) fn ledger(status: &ServicePrincipalCredentialStatus, kind: CredentialKind) -> Result<Ledger, Unreadable> {
    let recorded = items("credentials", &status.credentials, ServicePrincipalCredentialStatus::CREDENTIALS_MAX)?;
    let entries = recorded.iter().map(|entry| read_entry(entry, kind)).collect::<Result<Vec<_>, _>>()?;
    let next_seq = number("nextSeq", status.next_seq.unwrap_or(0))?;
    if let Some(entry) = entries.iter().find(|entry| entry.seq >= next_seq) {
        return Err(unreadable("nextSeq", format!("is {next_seq}, but credential {} has the number {}", entry.id, entry.seq)));
    }
    if entries.iter().filter(|entry| entry.r#use == Use::Current).count() > 1 {
        return Err(unreadable("credentials", "hold more than one Current"));
    }
    Ok(Ledger {
        target: status.target.as_ref().map(read_target).transpose()?,
        next_seq,
        entries,
        rotation: status.rotation.as_ref().map(read_rotation).transpose()?.unwrap_or_default(),
        foreign: status.foreign_credentials.as_ref().map(read_foreign),
    })
}

/// Counted anew at the next read: what is too much or no id is left out.
fn read_foreign(foreign: &ForeignCredentials) -> Foreign {
    Foreign {
        count: clamped(foreign.count.unwrap_or_default()),
        soonest_expiry: instant(foreign.soonest_expiry),
        unrecorded: foreign.unrecorded.iter().take(ForeignCredentials::UNRECORDED_MAX).filter_map(|id| id.parse().ok()).collect(),
    }
}

fn read_target(target: &ResolvedTarget) -> Result<Target, Unreadable> {
    fn field<T: FromStr<Err: Display>>(name: &str, text: &Option<String>) -> Result<T, Unreadable> {
        let field = format!("target.{name}");
        parse(&field, text.as_deref().ok_or_else(|| unreadable(&field, "is missing"))?)
    }
    Ok(Target {
        tenant_id: field("tenantID", &target.tenant_id)?,
        object: field::<ObjectKind>("object", &target.object)?,
        object_id: field("objectID", &target.object_id)?,
        client_id: field("clientID", &target.client_id)?,
        display_name: cut(target.display_name.as_deref(), ResolvedTarget::DISPLAY_NAME_MAX),
    })
}

fn read_entry(entry: &CredentialEntry, kind: CredentialKind) -> Result<Entry, Unreadable> {
    let field = |name: &str| format!("credentials[{}].{name}", entry.id.chars().take(16).collect::<String>());
    Ok(Entry {
        seq: number(field("seq"), entry.seq)?,
        id: parse(field("id"), &entry.id)?,
        origin: match entry.origin {
            CredentialOrigin::Made => Origin::Made,
            CredentialOrigin::Foreign => Origin::Foreign,
            CredentialOrigin::Adopted => Origin::Adopted,
        },
        r#use: read_use(entry.usage),
        issued_at: entry.issued_at.into(),
        not_after: instant(entry.not_after),
        published_at: instant(entry.published_at),
        key_ids: read_key_ids(&field("keyIDs"), &entry.key_ids, CredentialEntry::KEY_IDS_MAX)?,
        adopted_at: instant(entry.adopted_at),
        detail: read_detail(entry, kind, &field)?,
        op: entry.op.as_ref().map(|op| read_op(op, &field)).transpose()?,
    })
}

fn read_key_ids(field: &str, ids: &[String], most: usize) -> Result<BTreeSet<KeyId>, Unreadable> {
    items(field, ids, most)?.iter().map(|id| parse(field, id)).collect()
}

fn read_use(usage: CredentialUse) -> Use {
    match usage {
        CredentialUse::Next => Use::Next,
        CredentialUse::Current => Use::Current,
        CredentialUse::Previous => Use::Previous,
        CredentialUse::Retiring => Use::Retiring,
        CredentialUse::Abandoned => Use::Abandoned,
    }
}

fn read_detail(entry: &CredentialEntry, kind: CredentialKind, field: &impl Fn(&str) -> String) -> Result<EntryDetail, Unreadable> {
    let thumbprint = entry.thumbprint.as_deref().map(|text| parse(field("thumbprint"), text)).transpose()?;
    let slot = entry.slot.map(|slot| match slot {
        Slot::A => SlotName::A,
        Slot::B => SlotName::B,
    });
    let display_name = optional(field("displayName"), entry.display_name.as_ref(), CredentialEntry::DISPLAY_NAME_MAX)?;
    match kind {
        CredentialKind::ClientSecret => Ok(EntryDetail::ClientSecret { display_name, slot }),
        CredentialKind::ClientCertificate => {
            let thumbprint = thumbprint.ok_or_else(|| unreadable(field("thumbprint"), "is missing"))?;
            Ok(EntryDetail::ClientCertificate { thumbprint, slot })
        }
        CredentialKind::TokenSigningCertificate => Ok(EntryDetail::TokenSigning(Signing {
            display_name,
            end_date_time: optional(field("endDateTime"), entry.end_date_time.as_ref(), CredentialEntry::END_DATE_TIME_MAX)?,
            custom_key_identifier: optional(
                field("customKeyIdentifier"),
                entry.custom_key_identifier.as_ref(),
                CredentialEntry::CUSTOM_KEY_IDENTIFIER_MAX,
            )?,
            thumbprint,
            announced_at: instant(entry.announced_at),
        })),
    }
}

fn read_op(op: &CredentialOp, field: &impl Fn(&str) -> String) -> Result<Op, Unreadable> {
    let known = OpKind::ALL.into_iter().find(|kind| kind.as_str() == op.kind);
    Ok(Op {
        kind: known.ok_or_else(|| unreadable(field("op.kind"), format!("{} is none that this version knows", quoted(&op.kind))))?,
        nonce: text(field("op.nonce"), &op.nonce, CredentialOp::NONCE_MAX)?,
        at: op.at.into(),
        outcome: op.outcome.map(|outcome| match outcome {
            OpOutcome::Applied => Outcome::Applied,
            OpOutcome::Refused => Outcome::Refused,
        }),
        kept: read_key_ids(&field("op.kept"), &op.kept, CredentialOp::KEPT_MAX)?,
        from: optional(field("op.from"), op.from.as_ref(), CredentialOp::FROM_MAX)?,
    })
}

fn read_rotation(rotation: &RotationProgress) -> Result<Rotation, Unreadable> {
    Ok(Rotation {
        reason: rotation.reason.as_deref().map(|text| parse::<Cause>("rotation.reason", text)).transpose()?,
        started_at: instant(rotation.started_at),
        approved_at: instant(rotation.approved_at),
        failures: number("rotation.failures", rotation.failures.unwrap_or_default())?,
        next_attempt: instant(rotation.next_attempt),
        last_failure: rotation.last_failure.as_ref().map(read_failure).transpose()?,
    })
}

fn read_failure(failure: &FailureStatus) -> Result<Failure, Unreadable> {
    let reason = failure.reason.as_deref().unwrap_or_default();
    Ok(Failure {
        time: instant(failure.time).unwrap_or_default(),
        reason: parse::<Reason>("rotation.lastFailure.reason", reason)?,
        message: cut(failure.message.as_deref(), MESSAGE_MAX),
    })
}

/// Writes the ledger into a status; conditions and columns are the report's.
pub(crate) fn write(ledger: &Ledger, status: &mut ServicePrincipalCredentialStatus) {
    status.protocol = Some(PROTOCOL);
    status.next_seq = Some(ledger.next_seq);
    status.target = ledger.target.as_ref().map(write_target);
    status.credentials = ledger.entries.iter().map(write_entry).collect();
    status.rotation = (ledger.rotation != Rotation::default()).then(|| write_rotation(&ledger.rotation));
    status.foreign_credentials = ledger.foreign.as_ref().map(|foreign| ForeignCredentials {
        count: Some(foreign.count),
        soonest_expiry: foreign.soonest_expiry.map(Into::into),
        unrecorded: foreign.unrecorded.iter().map(ToString::to_string).collect(),
    });
}

fn write_target(target: &Target) -> ResolvedTarget {
    ResolvedTarget {
        tenant_id: Some(target.tenant_id.to_string()),
        object: Some(target.object.to_string()),
        object_id: Some(target.object_id.to_string()),
        client_id: Some(target.client_id.to_string()),
        display_name: Some(target.display_name.clone()).filter(|name| !name.is_empty()),
    }
}

fn write_entry(entry: &Entry) -> CredentialEntry {
    let signing = entry.signing();
    CredentialEntry {
        id: entry.id.to_string(),
        seq: entry.seq,
        origin: match entry.origin {
            Origin::Made => CredentialOrigin::Made,
            Origin::Adopted => CredentialOrigin::Adopted,
            Origin::Foreign => CredentialOrigin::Foreign,
        },
        usage: match entry.r#use {
            Use::Next => CredentialUse::Next,
            Use::Current => CredentialUse::Current,
            Use::Previous => CredentialUse::Previous,
            Use::Retiring => CredentialUse::Retiring,
            Use::Abandoned => CredentialUse::Abandoned,
        },
        issued_at: entry.issued_at.into(),
        not_after: entry.not_after.map(Into::into),
        published_at: entry.published_at.map(Into::into),
        adopted_at: entry.adopted_at.map(Into::into),
        announced_at: signing.and_then(|signing| signing.announced_at).map(Into::into),
        key_ids: entry.key_ids.iter().map(ToString::to_string).collect(),
        thumbprint: entry.thumbprint().map(|thumbprint| thumbprint.to_string()),
        custom_key_identifier: signing.and_then(|signing| signing.custom_key_identifier.clone()),
        display_name: display_name(entry),
        end_date_time: signing.and_then(|signing| signing.end_date_time.clone()),
        slot: entry.slot().map(|slot| match slot {
            SlotName::A => Slot::A,
            SlotName::B => Slot::B,
        }),
        op: entry.op.as_ref().map(write_op),
    }
}

fn display_name(entry: &Entry) -> Option<String> {
    match &entry.detail {
        EntryDetail::ClientSecret { display_name, .. } => display_name.clone(),
        EntryDetail::ClientCertificate { .. } => None,
        EntryDetail::TokenSigning(signing) => signing.display_name.clone(),
    }
}

fn write_op(op: &Op) -> CredentialOp {
    CredentialOp {
        kind: op.kind.as_str().to_owned(),
        nonce: op.nonce.clone(),
        at: op.at.into(),
        outcome: op.outcome.map(|outcome| match outcome {
            Outcome::Applied => OpOutcome::Applied,
            Outcome::Refused => OpOutcome::Refused,
        }),
        from: op.from.clone(),
        kept: op.kept.iter().map(ToString::to_string).collect(),
    }
}

fn write_rotation(rotation: &Rotation) -> RotationProgress {
    RotationProgress {
        reason: rotation.reason.map(|cause| cause.to_string()),
        started_at: rotation.started_at.map(Into::into),
        approved_at: rotation.approved_at.map(Into::into),
        failures: (rotation.failures > 0).then_some(rotation.failures),
        next_attempt: rotation.next_attempt.map(Into::into),
        last_failure: rotation.last_failure.as_ref().map(|failure| FailureStatus {
            time: Some(failure.time.into()),
            reason: Some(failure.reason.to_string()),
            message: Some(failure.message.clone()),
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod spoilt;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KIND: CredentialKind = CredentialKind::ClientCertificate;

    fn status(json: serde_json::Value) -> ServicePrincipalCredentialStatus {
        serde_json::from_value(json).unwrap()
    }

    fn entry() -> serde_json::Value {
        serde_json::json!({"id": "cvajp6x4o7", "seq": 0, "origin": "Made", "use": "Current", "issuedAt": "2026-01-01T00:00:00Z",
            "thumbprint": "DA20FCA696C4F83E8A9AED59BE33368ED421F3C1", "slot": "b", "keyIDs": ["11111111-1111-4111-8111-111111111111"],
            "op": {"kind": "AddKey", "nonce": "n", "at": "2026-01-01T00:00:00Z", "outcome": "Applied"}})
    }

    #[test]
    fn a_ledger_is_read_back_as_it_was_written() {
        let before = status(serde_json::json!({"nextSeq": 1, "credentials": [entry()], "foreignCredentials": {"count": 2},
            "target": {"tenantID": "11111111-1111-4111-8111-111111111111", "object": "Application",
                "objectID": "22222222-2222-4222-8222-222222222222", "clientID": "33333333-3333-4333-8333-333333333333"},
            "rotation": {"reason": "Schedule", "failures": 2, "lastFailure": {"time": "2026-01-01T00:00:00Z", "reason": "Conflict", "message": "m"}}}));
        let mut after = ServicePrincipalCredentialStatus::default();
        write(&ledger(&before, KIND).unwrap(), &mut after);
        assert_eq!(ledger(&after, KIND).unwrap(), ledger(&before, KIND).unwrap());
        assert_eq!(after.credentials, before.credentials);
        assert_eq!(after.rotation, before.rotation);
    }

    #[test]
    fn a_corrupt_field_is_named_and_nothing_is_guessed() {
        let broken = |path: &str, value: serde_json::Value| {
            let mut entry = entry();
            *entry.pointer_mut(path).unwrap() = value;
            ledger(&status(serde_json::json!({"nextSeq": 1, "credentials": [entry]})), KIND).unwrap_err().to_string()
        };
        assert!(broken("/id", "../../x".into()).starts_with("status.credentials[../../x].id: "));
        assert!(broken("/thumbprint", "zz".into()).contains(".thumbprint: "));
        assert!(broken("/keyIDs/0", "not-an-id".into()).contains(".keyIDs: "));
        assert!(broken("/op/kind", "FormatDisk".into()).contains("none that this version knows"));
        assert!(broken("/seq", 7.into()).starts_with("status.nextSeq: "));
    }
}
