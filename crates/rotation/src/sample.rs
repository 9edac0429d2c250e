//! Samples for unit tests.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod desk;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta};
use entra_types::{KeyId, ObjectKind, Thumbprint};
use serde_json::{Value, json};

use crate::history::{CertificateFacts, Directory};
use crate::id::EntryId;
use crate::ledger::{Detail, Entry, Op, OpKind, Origin, Outcome, Signing, Target, Use};
use crate::policy::{Durations, KeySource, Kind, Metadata, OnDeadline, Policy, SignInAs, SigningPolicy, Wish};
use crate::time::Time;

pub(crate) use self::desk::*;

pub(crate) const UID: &str = "0c5a7c1e-6f64-4d3c-9b57-6a0d0d0c9a11";

pub(crate) fn time(text: &str) -> Time {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// 2026-01-01, and so many minutes.
pub(crate) fn at(minutes: i64) -> Time {
    time("2026-01-01T00:00:00Z") + TimeDelta::minutes(minutes)
}

pub(crate) fn thumbprint(n: u8) -> Thumbprint {
    Thumbprint::new([n; 20])
}

pub(crate) fn key_id(n: u8) -> KeyId {
    format!("eeeeeeee-0000-4000-8000-{n:012}").parse().unwrap()
}

pub(crate) fn policy(kind: Kind) -> Policy {
    let signing = matches!(kind, Kind::TokenSigning(_));
    let durations = Durations::resolve(&kind, &Wish::default(), TimeDelta::hours(1)).unwrap();
    let object = if signing { ObjectKind::ServicePrincipal } else { ObjectKind::Application };
    Policy::plain(UID, "cccccccc-0000-4000-8000-000000000001".parse().unwrap(), object, kind, durations)
}

pub(crate) fn certificate() -> Policy {
    policy(Kind::ClientCertificate { key_bits: 2048, sign_in_as: SignInAs::Operator })
}

pub(crate) fn secret() -> Policy {
    policy(Kind::ClientSecret)
}

pub(crate) fn self_rolled() -> Policy {
    policy(Kind::ClientCertificate { key_bits: 2048, sign_in_as: SignInAs::Itself })
}

pub(crate) fn signing() -> Policy {
    policy(Kind::TokenSigning(SigningPolicy {
        display_name: "CN=payroll".to_owned(),
        metadata: Metadata::Ignore,
        needs_approval: false,
        on_deadline: OnDeadline::Activate,
        pinned: None,
        notification_addresses: None,
        key_source: KeySource::Entra,
    }))
}

pub(crate) fn target() -> Target {
    Target {
        tenant_id: "cccccccc-0000-4000-8000-000000000001".parse().unwrap(),
        object: ObjectKind::Application,
        object_id: "aaaaaaaa-0000-4000-8000-000000000001".parse().unwrap(),
        client_id: "bbbbbbbb-0000-4000-8000-000000000001".parse().unwrap(),
        display_name: "Payroll".to_owned(),
    }
}

/// The `seq`-th client certificate, issued at 2026-01-01 for ten days.
pub(crate) fn entry(seq: u32, r#use: Use) -> Entry {
    let n = u8::try_from(seq).unwrap();
    Entry {
        seq,
        id: EntryId::derive(UID, seq),
        origin: Origin::Made,
        r#use,
        issued_at: at(0),
        not_after: Some(at(0) + TimeDelta::days(10)),
        published_at: None,
        adopted_at: None,
        key_ids: BTreeSet::from([key_id(n)]),
        detail: Detail::ClientCertificate { thumbprint: thumbprint(n), slot: None },
        op: None,
    }
}

pub(crate) fn signing_entry(seq: u32, r#use: Use, signing: Signing) -> Entry {
    Entry { detail: Detail::TokenSigning(signing), ..entry(seq, r#use) }
}

pub(crate) fn op(kind: OpKind, at: Time, outcome: Option<Outcome>) -> Op {
    Op { kind, nonce: "nonce".to_owned(), at, outcome, kept: BTreeSet::new(), from: None }
}

pub(crate) fn directory(keys: &[Value], preferred: Option<&str>) -> Directory {
    Directory {
        object_id: target().object_id,
        client_id: target().client_id,
        display_name: "Payroll".to_owned(),
        preferred: preferred.map(str::to_owned),
        keys: serde_json::from_value(json!(keys)).unwrap(),
        passwords: serde_json::from_value(json!([])).unwrap(),
        notification_addresses: BTreeSet::new(),
    }
}

/// A listed credential without a certificate that was read.
pub(crate) fn listed(n: u8) -> Value {
    json!({"keyId": key_id(n), "usage": "Verify", "key": null})
}

/// The Sign entry of a certificate that is valid from and until so many minutes.
pub(crate) fn sign(n: u8, from: i64, until: i64) -> Value {
    json!({"keyId": key_id(n), "usage": "Sign", "customKeyIdentifier": format!("link-{n}"), "displayName": format!("CN={n}"),
        "startDateTime": at(from), "endDateTime": at(until), "key": null})
}

pub(crate) fn facts(numbers: impl IntoIterator<Item = u8>) -> BTreeMap<KeyId, CertificateFacts> {
    let of = |n| (key_id(n), CertificateFacts { thumbprint: thumbprint(n), not_after: at(100_000), der: vec![] });
    numbers.into_iter().map(of).collect()
}
