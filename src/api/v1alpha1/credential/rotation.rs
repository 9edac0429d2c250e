//! When a credential is replaced.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct, as public as it is, inside a function")]

use chrono::{DateTime, Utc};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::super::duration::GoDuration;
use super::super::{rules, schema};

/// When a credential is replaced.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::validity(), validation = rules::renew_before(), validation = rules::some_renew_before(), validation = rules::overlap())]
pub struct Rotation {
    /// How long a new credential is valid. Left out, it is 26280h for a token signing certificate, 4320h for a
    /// client certificate and 2160h for a client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity: Option<GoDuration>,

    /// How long before the end of a credential its successor is made. Left out, it is a third of validity, at most
    /// 1440h for a token signing certificate and 720h for everything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_before: Option<GoDuration>,

    /// How long an old credential stays valid after its successor was published. Left out, it is half of renewBefore,
    /// at most 168h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<GoDuration>,

    /// When a successor may take over. Left out, at any time; one that cannot wait for the next window without the old credential expiring does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub windows: Vec<Window>,

    /// Replaces, with the usual overlap, a credential that was issued before this time. A time in the future does
    /// nothing until it has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub not_issued_before: Option<DateTime<Utc>>,

    /// Replaces a credential that was issued before this time at once, waiting for no window, soak, approval or overlap, and removes it from Entra as soon
    /// as its successor is published and accepted. A time in the future does nothing until it has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub revoke_issued_before: Option<DateTime<Utc>>,
}

/// A time at which a successor may take over.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::window())]
pub struct Window {
    /// When the window opens, as five cron fields: minute, hour, day of the month, month, day of the week.
    #[schemars(length(min = 9, max = 128), regex(pattern = r"^\S+( \S+){4}$"))]
    pub schedule: String,

    /// The time zone of the schedule by its IANA name, such as Europe/Berlin.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,

    /// How long the window stays open, at least 15m.
    pub duration: GoDuration,
}

fn utc() -> String {
    "Etc/UTC".to_owned()
}
