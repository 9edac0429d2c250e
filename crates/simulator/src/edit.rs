//! Every field of `spec` that may change, changed for an hour: to something else, to its bounds, and away.

use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::setup::Kind;

/// A change of `spec`, taken back after an hour.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Edit(usize);

struct Row {
    name: &'static str,
    kinds: &'static [Kind],
    /// As a merge patch.
    patch: &'static str,
}

/// How long an edit stands.
pub(crate) const STANDS: TimeDelta = TimeDelta::hours(1);

const ROWS: &[Row] = &[
    Row {
        name: "edit-validity-shortest",
        kinds: &[Kind::ClientCertificate, Kind::ClientSecret],
        patch: r#"{"rotation": {"validity": "1h", "renewBefore": "30m", "overlap": "0s"}}"#,
    },
    of(
        Kind::Signing,
        "edit-validity-short",
        r#"{"rotation": {"validity": "12h", "renewBefore": "6h", "overlap": "1h"}, "tokenSigningCertificate": {"activation": {"soak": "1h"}}}"#,
    ),
    every("edit-validity-longest", r#"{"rotation": {"validity": "26280h", "renewBefore": "26279h"}}"#),
    every("edit-rotation-absent", r#"{"rotation": {"validity": null, "renewBefore": null, "overlap": null}}"#),
    every("edit-overlap-none", r#"{"rotation": {"overlap": "0s"}}"#),
    every("edit-overlap-long", r#"{"rotation": {"overlap": "100h"}}"#),
    every("edit-not-issued-before-long-ago", r#"{"rotation": {"notIssuedBefore": "1970-01-01T00:00:00Z"}}"#),
    every("edit-not-issued-before-in-years", r#"{"rotation": {"notIssuedBefore": "2030-01-01T00:00:00.5+01:00"}}"#),
    every("edit-revoke-issued-before-long-ago", r#"{"rotation": {"revokeIssuedBefore": "1970-01-01T00:00:00Z"}}"#),
    every("edit-revoke-issued-before-the-beginning", r#"{"rotation": {"revokeIssuedBefore": "2026-01-01T00:00:00Z"}}"#),
    every("edit-windows-none", r#"{"rotation": {"windows": []}}"#),
    every(
        "edit-windows-elsewhere",
        r#"{"rotation": {"windows": [{"schedule": "0 3 29 2 *", "duration": "15m", "timeZone": "Pacific/Kiritimati"}]}}"#,
    ),
    every("edit-suspend", r#"{"suspend": true}"#),
    every("edit-deletion-retains", r#"{"deletionPolicy": "Retain"}"#),
    every("edit-deletion-revokes", r#"{"deletionPolicy": "Revoke"}"#),
    every("edit-adopts-nothing", r#"{"adoptKeyIDs": []}"#),
    every("edit-adopts-the-unknown", r#"{"adoptKeyIDs": ["99999999-0000-4000-8000-000000000009"]}"#),
    every("edit-labels", r#"{"template": {"labels": {"team": "payroll"}}}"#),
    every("edit-annotations", r#"{"template": {"annotations": {"example.com/reload": ""}}}"#),
    every("edit-keys", r#"{"template": {"keys": [{"name": "client-id", "from": "ClientID"}, {"name": "tenant-id", "from": "TenantID"}]}}"#),
    of(Kind::ClientCertificate, "edit-formats", r#"{"template": {"additionalFormats": ["PKCS12"]}}"#),
    of(Kind::ClientCertificate, "edit-size", r#"{"clientCertificate": {"privateKey": {"size": 3072}}}"#),
    of(Kind::ClientCertificate, "edit-signs-in-as-itself", r#"{"clientCertificate": {"signInAs": "Self"}}"#),
    of(Kind::Signing, "edit-approval", r#"{"tokenSigningCertificate": {"activation": {"approval": "Required"}}}"#),
    of(
        Kind::Signing,
        "edit-withdraws",
        r#"{"tokenSigningCertificate": {"activation": {"approval": "Required", "onDeadline": "Withdraw"}}}"#,
    ),
    of(Kind::Signing, "edit-metadata-required", r#"{"tokenSigningCertificate": {"activation": {"metadata": "Require"}}}"#),
    of(Kind::Signing, "edit-metadata-ignored", r#"{"tokenSigningCertificate": {"activation": {"metadata": "Ignore"}}}"#),
    of(Kind::Signing, "edit-soak-none", r#"{"tokenSigningCertificate": {"activation": {"soak": "0s"}}}"#),
    of(Kind::Signing, "edit-soak-long", r#"{"tokenSigningCertificate": {"activation": {"soak": "90h"}}}"#),
    of(Kind::Signing, "edit-display-name", r#"{"tokenSigningCertificate": {"displayName": "CN=another name"}}"#),
    of(Kind::Signing, "edit-key-source-operator", r#"{"tokenSigningCertificate": {"keySource": "Operator", "proofFrom": null}}"#),
    of(Kind::Signing, "edit-key-source-entra", r#"{"tokenSigningCertificate": {"keySource": "Entra", "proofFrom": null}}"#),
    of(
        Kind::Signing,
        "edit-proof-from-nobody",
        r#"{"tokenSigningCertificate": {"keySource": "Operator", "proofFrom": {"name": "nobody"}}}"#,
    ),
    of(Kind::Signing, "edit-notification", r#"{"tokenSigningCertificate": {"notificationEmailAddresses": ["a@example.com"]}}"#),
    of(
        Kind::Signing,
        "edit-pins-the-unknown",
        r#"{"tokenSigningCertificate": {"pinnedThumbprint": "0123456789ABCDEF0123456789ABCDEF01234567"}}"#,
    ),
];

const fn every(name: &'static str, patch: &'static str) -> Row {
    Row { name, kinds: &[Kind::ClientCertificate, Kind::ClientSecret, Kind::Signing], patch }
}

const fn of(kind: Kind, name: &'static str, patch: &'static str) -> Row {
    let kinds: &[Kind] = match kind {
        Kind::ClientCertificate => &[Kind::ClientCertificate],
        Kind::ClientSecret => &[Kind::ClientSecret],
        Kind::Signing => &[Kind::Signing],
    };
    Row { name, kinds, patch }
}

impl Edit {
    /// All there are.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ROWS.len()).map(Self)
    }

    /// Whether a resource of this kind takes it.
    pub fn suits(self, kind: Kind) -> bool {
        self.row().kinds.contains(&kind)
    }

    /// How a plan names it.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// As `kubectl patch --type=merge` takes it, of `spec`.
    pub fn patch(self) -> Value {
        serde_json::from_str(self.row().patch).unwrap()
    }

    /// What brings the fields back that it changed in this `spec`, unless somebody changed them since.
    pub fn back(self, before: &Value, now: &Value) -> Value {
        back(&self.patch(), before, now)
    }

    /// Whether what is made meanwhile ends sooner than what it replaces, or what it replaces goes sooner.
    pub(crate) fn shortens(self) -> bool {
        let rotation = &self.patch()["rotation"];
        ["validity", "overlap", "revokeIssuedBefore"].iter().any(|field| rotation.get(field).is_some())
    }

    fn row(self) -> &'static Row {
        &ROWS[self.0]
    }
}

/// For every field of the patch what stood there before; null where it was absent.
fn back(patch: &Value, before: &Value, now: &Value) -> Value {
    match (patch, now) {
        (Value::Object(_), Value::Object(now)) if before.is_null() && now.keys().all(|name| patch.get(name).is_some()) => Value::Null,
        (Value::Object(fields), Value::Object(_)) => {
            fields.iter().map(|(name, value)| (name.clone(), back(value, &before[name], &now[name]))).collect()
        }
        _ if patch == now => before.clone(),
        _ => now.clone(),
    }
}

/// Until when an edit of the spec stands, and what there would be without it.
#[derive(Default)]
pub(crate) struct Edited(Mutex<Option<(DateTime<Utc>, Value)>>);

impl Edited {
    /// One more edit of this spec stands from now on.
    pub(crate) fn begin(&self, now: DateTime<Utc>, spec: &Value) {
        let mut edited = self.0.lock().unwrap();
        let standing = edited.take().filter(|(until, _)| now <= *until);
        *edited = Some((now + STANDS, standing.map_or_else(|| spec.clone(), |(_, before)| before)));
    }

    /// What would stand in the spec if nobody had edited it.
    pub(crate) fn before(&self) -> Value {
        self.0.lock().unwrap().as_ref().map(|(_, before)| before.clone()).unwrap_or_default()
    }

    /// What the course itself changes stays when an edit is taken back, also where that had said the same.
    pub(crate) fn course_goes_on(&self, changes: &Value) {
        if let Some((_, before)) = self.0.lock().unwrap().as_mut() {
            json_patch::merge(before, changes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use entra_rotator::api;
    use serde_json::json;

    use super::*;
    use crate::workflow;
    use crate::world::World;

    /// Which no edit can change: rules of the definition say so.
    const FIXED: [&str; 4] = ["configMapName", "secretName", "target", "tenantRef"];

    fn leaves(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
        match schema["properties"].as_object().filter(|fields| !fields.is_empty()) {
            Some(fields) => fields.iter().for_each(|(name, of)| leaves(of, &format!("{path}.{name}"), found)),
            None => drop(found.insert(path.to_owned())),
        }
    }

    fn touched(patch: &Value, path: &str, found: &mut BTreeSet<String>) {
        found.insert(path.to_owned());
        for (name, value) in patch.as_object().into_iter().flatten() {
            touched(value, &format!("{path}.{name}"), found);
        }
    }

    #[test]
    fn every_field_that_may_change_is_changed_by_some_edit() {
        let crds = api::crds();
        let crd = json!(crds.iter().find(|crd| crd.spec.names.kind == "ServicePrincipalCredential").unwrap());
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let (mut fields, mut edited) = (BTreeSet::new(), BTreeSet::new());
        leaves(schema, "", &mut fields);
        fields.retain(|field| !FIXED.iter().any(|fixed| field.starts_with(&format!(".{fixed}"))));
        // There is nothing in it; the kind cannot change.
        fields.remove(".clientSecret");
        Edit::all().for_each(|edit| touched(&edit.patch(), "", &mut edited));
        let missed: Vec<_> = fields.difference(&edited).collect();
        assert!(missed.is_empty() && !fields.is_empty(), "no edit changes {missed:?}");
    }

    #[test]
    fn what_was_edited_comes_back_and_nothing_else_changes() {
        let before = json!({"suspend": false, "rotation": {"overlap": "2h"}, "clientSecret": {}});
        for edit in Edit::all() {
            let mut spec = before.clone();
            json_patch::merge(&mut spec, &edit.patch());
            spec["other"] = json!("changed meanwhile");
            let mut expected = before.clone();
            expected["other"] = json!("changed meanwhile");
            let back = edit.back(&before, &spec);
            json_patch::merge(&mut spec, &back);
            assert_eq!(without_empty(spec), without_empty(expected), "{}", edit.name());
        }
    }

    /// A merge patch leaves the objects behind whose fields it takes away.
    fn without_empty(value: Value) -> Value {
        let Value::Object(fields) = value else { return value };
        fields.into_iter().map(|(name, value)| (name, without_empty(value))).filter(|(_, value)| *value != json!({})).collect()
    }

    #[test]
    fn what_somebody_changed_since_stays() {
        let edit = Edit::all().find(|edit| edit.name() == "edit-overlap-none").unwrap();
        let (before, now) = (json!({"rotation": {"overlap": "2h"}}), json!({"rotation": {"overlap": "3h"}}));
        assert_eq!(edit.back(&before, &now), now);
    }

    #[tokio::test(start_paused = true)]
    async fn the_api_server_takes_every_edit_of_every_workflow() {
        for workflow in workflow::ALL {
            for edit in Edit::all().filter(|edit| edit.suits(workflow.kind())) {
                println!("{} {}", workflow.name, edit.name());
                let world = World::begin(workflow.setup()).await;
                let before = world.resource()["spec"].clone();
                world.edit(json!({"spec": edit.patch()})).await;
                world.edit(json!({"spec": edit.back(&before, &world.resource()["spec"])})).await;
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = Edit::all().map(Edit::name).collect();
        assert_eq!(names.len(), ROWS.len());
    }
}
