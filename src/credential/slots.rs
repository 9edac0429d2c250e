//! The two staging Secrets of a resource.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use keys::Sensitive;
use kube::api::ObjectMeta;
use kube::{Resource as _, ResourceExt as _};
use rotation::{EntryId, Slot, SlotName};

use super::keyring::{ClientSecret, KeyPair};
use super::layout::{Data, ENTRY, client_certificate};
use crate::api::v1alpha1::ServicePrincipalCredential;

const SLOT_LABEL: &str = "entra-rotator.io/slot";
const VALUE: &str = "value";
const KEY_ID: &str = "keyID";
const OWNER_UID: &str = "entra-rotator.io/owner-uid";

/// The name of a slot.
pub(super) fn name(output: &str, slot: SlotName) -> String {
    format!("{output}-entra-{}", slot.as_str())
}

/// The contents of a slot that stages a key pair.
pub(super) fn of_pair(pair: &KeyPair) -> Data {
    client_certificate::staged(&pair.key, &pair.certificate)
}

/// The contents of a slot that stages a client secret.
pub(super) fn of_secret(secret: &ClientSecret) -> Data {
    let value = secret.value.expose().clone().into_bytes();
    [(VALUE.to_owned(), value), (KEY_ID.to_owned(), secret.key_id.to_string().into_bytes())].into()
}

/// The Secret that stages a key. Immutable, and owned by the resource so that it goes with it.
pub(super) fn secret(resource: &ServicePrincipalCredential, slot: SlotName, entry: &EntryId, data: Data) -> Secret {
    let uid = resource.uid().unwrap_or_default();
    let owner = resource.owner_ref(&()).map(|owner| OwnerReference { block_owner_deletion: None, controller: None, ..owner });
    let annotations = [(OWNER_UID, uid.clone()), (ENTRY, entry.to_string())];
    Secret {
        metadata: ObjectMeta {
            name: Some(name(resource.spec.output().name(), slot)),
            namespace: resource.namespace(),
            owner_references: owner.map(|owner| vec![owner]),
            labels: Some([(SLOT_LABEL.to_owned(), uid)].into()),
            annotations: Some(annotations.map(|(key, value)| (key.to_owned(), value)).into()),
            ..ObjectMeta::default()
        },
        data: Some(data.into_iter().map(|(key, value)| (key, ByteString(value))).collect()),
        immutable: Some(true),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

/// What a slot says of itself.
pub(super) fn view(secret: &Secret) -> Slot {
    Slot {
        uid: secret.uid().unwrap_or_default(),
        entry: secret.annotations().get(ENTRY).and_then(|id| id.parse().ok()),
        owner: secret.annotations().get(OWNER_UID).cloned(),
        secret: client_secret(secret).map(|secret| secret.staged()),
    }
}

/// The client secret that a slot stages.
pub(super) fn client_secret(secret: &Secret) -> Option<ClientSecret> {
    let text = |key: &str| std::str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok().map(str::to_owned);
    Some(ClientSecret { key_id: text(KEY_ID)?.parse().ok()?, value: Sensitive::new(text(VALUE)?) })
}

/// The key pair that a slot stages.
pub(super) fn key_pair(secret: &Secret) -> Option<KeyPair> {
    let data: Data = secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    client_certificate::key_pair(&data).map(|(key, certificate)| KeyPair { key, certificate })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod spoilt;
