//! The list of what was left in Entra, in the status of the EntraTenant.

use chrono::{DateTime, Utc};
use entra_types::{KeyId, ObjectId};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Client, Resource as _};
use serde_json::{Value, json};

use super::call::{CallError, within_deadline};
use super::registry::Tenants;
use crate::api::v1alpha1::{self, EntraTenant, ServicePrincipalCredential};

/// Others write the status a few times an hour, so no more than one or two conflicts are to be expected.
const ATTEMPTS: u32 = 8;

/// Credentials that stay in Entra although their ServicePrincipalCredential goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Abandoned {
    /// The namespace of the ServicePrincipalCredential.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The object in Entra.
    pub object_id: ObjectId,
    /// The credentials on it. Only the last sixteen are listed.
    pub key_ids: Vec<KeyId>,
    /// What those are recognised by whose key IDs are not known: they may be on it, or appear there still. Only the last sixteen are listed.
    pub marks: Vec<String>,
    /// When they were let go.
    pub since: DateTime<Utc>,
}

/// Why nothing was listed.
#[derive(Debug, thiserror::Error)]
pub enum AbandonError {
    /// The EntraTenant does not exist, so there is nowhere to list it.
    #[error("cannot list abandoned credentials in the status of EntraTenant {0}: it does not exist")]
    Find(String),
    /// The reconciler of EntraTenant does not run.
    #[error("cannot list abandoned credentials in the status of EntraTenant {0}: its reconciler does not run")]
    Begin(String),
    /// The status could not be read or written; conflicts were met by reading it again.
    #[error("cannot list abandoned credentials in the status of EntraTenant {tenant}: {source}")]
    Write {
        /// The name of the EntraTenant.
        tenant: String,
        /// What the API server said.
        source: CallError,
    },
}

/// What it takes to write.
#[derive(Clone)]
pub(super) struct Books {
    pub(super) client: Client,
    pub(super) recorder: Recorder,
}

impl Tenants {
    /// Lists credentials in `status.abandoned` of an EntraTenant, and says so by an event. What is listed already is not listed again: the
    /// same namespace, name and object make one item. Of more than 256 items the oldest go.
    ///
    /// # Errors
    /// When the EntraTenant does not exist, or its status cannot be written; then it is not listed.
    pub async fn abandon(&self, tenant: &str, abandoned: &Abandoned) -> Result<(), AbandonError> {
        let books = self.books().ok_or_else(|| AbandonError::Begin(tenant.to_owned()))?;
        let mut attempt = 1;
        loop {
            match books.list(tenant, abandoned).await {
                Ok(()) => return Ok(()),
                Err(error) if error.status() == Some(409) && attempt < ATTEMPTS => attempt += 1,
                Err(error) if error.status() == Some(404) => return Err(AbandonError::Find(tenant.to_owned())),
                Err(source) => return Err(AbandonError::Write { tenant: tenant.to_owned(), source }),
            }
        }
    }
}

impl Books {
    /// One attempt, from a fresh read whose version guards the write.
    async fn list(&self, tenant: &str, abandoned: &Abandoned) -> Result<(), CallError> {
        // Untyped, so that nothing else in the object can stand in the way.
        let resource = ApiResource::erase::<EntraTenant>(&());
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let object = within_deadline(api.get(tenant)).await?;
        let Some(list) = extended(readable(&object.data["status"]), abandoned) else { return Ok(()) };
        let patch = json!({"metadata": {"resourceVersion": object.metadata.resource_version}, "status": {"abandoned": list}});
        within_deadline(api.patch_status(tenant, &PatchParams::default(), &Patch::Merge(&patch))).await?;
        self.announce(&object, &resource, abandoned).await;
        Ok(())
    }

    /// An event that is lost is no reason to do anything again.
    async fn announce(&self, object: &DynamicObject, resource: &ApiResource, abandoned: &Abandoned) {
        let event = Event {
            type_: EventType::Warning,
            reason: "CredentialAbandoned".to_owned(),
            note: Some(note(abandoned)),
            action: "LetGo".to_owned(),
            // It also keeps the notes of several resources apart: events that are alike are merged under the first note.
            secondary: Some(resource_reference(abandoned)),
        };
        if let Err(error) = within_deadline(self.recorder.publish(&event, &object.object_ref(resource))).await {
            tracing::warn!(%error, "event not published");
        }
    }
}

fn resource_reference(abandoned: &Abandoned) -> ObjectReference {
    ObjectReference {
        api_version: Some(ServicePrincipalCredential::api_version(&()).into_owned()),
        kind: Some(ServicePrincipalCredential::kind(&()).into_owned()),
        namespace: Some(abandoned.namespace.clone()),
        name: Some(abandoned.name.clone()),
        ..ObjectReference::default()
    }
}

fn note(abandoned: &Abandoned) -> String {
    let Abandoned { namespace, name, object_id, key_ids, marks, .. } = abandoned;
    let stay = (!key_ids.is_empty()).then(|| format!("credentials stay: {}", listed(key_ids)));
    let may =
        (!marks.is_empty()).then(|| format!("there may be, or appear still, credentials with the thumbprint or name {}", listed(marks)));
    let which = stay.into_iter().chain(may).collect::<Vec<_>>().join("; ");
    format!(
        "ServicePrincipalCredential {namespace}/{name} went, but on object {object_id} in Entra {which}. Remove them there, and then \
         from status.abandoned."
    )
}

fn listed<T: ToString>(names: &[T]) -> String {
    names.iter().take(v1alpha1::Abandoned::NAMES_MAX).map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The items in a status that can be understood, whatever else stands in it.
pub(super) fn readable(status: &Value) -> Vec<v1alpha1::Abandoned> {
    let items = status["abandoned"].as_array().into_iter().flatten();
    items.filter_map(|item| serde_json::from_value(item.clone()).ok()).collect()
}

/// The list with this in it; `None` where it is in it already.
fn extended(mut list: Vec<v1alpha1::Abandoned>, abandoned: &Abandoned) -> Option<Vec<v1alpha1::Abandoned>> {
    let new = v1alpha1::Abandoned::from(abandoned);
    let is_same =
        |item: &v1alpha1::Abandoned| (&item.namespace, &item.name, &item.object_id) == (&new.namespace, &new.name, &new.object_id);
    match list.iter_mut().find(|item| is_same(item)) {
        Some(item) => {
            let (key_ids, marks) = (joined(&item.key_ids, new.key_ids), joined(&item.marks, new.marks));
            if (&key_ids, &marks) == (&item.key_ids, &item.marks) {
                return None;
            }
            (item.key_ids, item.marks) = (key_ids, marks);
        }
        None => list.push(new),
    }
    Some(last(list, v1alpha1::Abandoned::LIST_MAX))
}

fn joined(names: &[String], others: Vec<String>) -> Vec<String> {
    let news = others.into_iter().filter(|name| !names.contains(name));
    last(names.iter().cloned().chain(news).collect(), v1alpha1::Abandoned::NAMES_MAX)
}

/// As many of the last items as there may be.
fn last<T>(mut items: Vec<T>, most: usize) -> Vec<T> {
    items.drain(..items.len().saturating_sub(most));
    items
}

impl From<&Abandoned> for v1alpha1::Abandoned {
    fn from(abandoned: &Abandoned) -> Self {
        let key_ids = abandoned.key_ids.iter().map(ToString::to_string).collect();
        Self {
            namespace: Some(abandoned.namespace.clone()),
            name: Some(abandoned.name.clone()),
            object_id: Some(abandoned.object_id.to_string()),
            key_ids: last(key_ids, Self::NAMES_MAX),
            marks: last(abandoned.marks.clone(), Self::NAMES_MAX),
            since: Some(abandoned.since.into()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn abandoned(name: &str, keys: std::ops::Range<u128>) -> Abandoned {
        Abandoned {
            namespace: "payroll".to_owned(),
            name: name.to_owned(),
            object_id: ObjectId::new(Uuid::from_u128(7)),
            key_ids: keys.map(|key| KeyId::new(Uuid::from_u128(key))).collect(),
            marks: Vec::new(),
            since: "2026-11-21T10:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn what_is_listed_is_not_listed_again_and_more_of_it_joins_it() {
        let list = extended(Vec::new(), &abandoned("api", 1..3)).unwrap();
        assert_eq!(extended(list.clone(), &abandoned("api", 2..3)), None);
        let list = extended(list, &abandoned("api", 2..4)).unwrap();
        assert_eq!((list.len(), list[0].key_ids.len()), (1, 3));
        assert_eq!(extended(list, &abandoned("other", 1..3)).unwrap().len(), 2);
    }

    #[test]
    fn what_it_is_recognised_by_joins_what_is_listed_once() {
        let unnamed = |mark: &str| Abandoned { marks: vec![mark.to_owned()], ..abandoned("api", 0..0) };
        let list = extended(Vec::new(), &abandoned("api", 1..2)).unwrap();
        let list = extended(list, &unnamed("entra-rotator/uid/first")).unwrap();
        assert_eq!(extended(list.clone(), &unnamed("entra-rotator/uid/first")), None);
        let list = extended(list, &unnamed("entra-rotator/uid/second")).unwrap();
        assert_eq!((list.len(), list[0].key_ids.len()), (1, 1));
        assert_eq!(list[0].marks, ["entra-rotator/uid/first", "entra-rotator/uid/second"]);
    }

    #[test]
    fn the_oldest_go_where_there_are_too_many() {
        let names: Vec<String> = (0..300).map(|number| format!("api-{number}")).collect();
        let list = names.iter().fold(Vec::new(), |list, name| extended(list, &abandoned(name, 1..2)).unwrap());
        assert_eq!(list.len(), 256);
        assert_eq!((list[0].name.as_deref(), list[255].name.as_deref()), (Some("api-44"), Some("api-299")));
    }

    #[test]
    fn the_oldest_key_ids_go_where_there_are_too_many() {
        let list = extended(Vec::new(), &abandoned("api", 0..10)).unwrap();
        let list = extended(list, &abandoned("api", 10..40)).unwrap();
        assert_eq!(list[0].key_ids.len(), 16);
        assert!(list[0].key_ids.contains(&Uuid::from_u128(39).to_string()));
    }

    #[test]
    fn an_item_that_nobody_understands_keeps_no_other_from_being_read() {
        let status = json!({"abandoned": [{"name": "api"}, {"name": 7}, "text"], "conditions": "none"});
        assert_eq!(readable(&status).len(), 1);
        assert_eq!(readable(&json!(null)), []);
    }
}
