use chrono::{TimeDelta, Utc};
use entra_emulator::{NewSecret, Registered};
use entra_types::KeyId;
use serde_json::json;
use tokio::time::sleep;
use uuid::Uuid;

use super::stage::{OVERLAP, Stage, TEAM};

impl Stage {
    /// Publishes a client secret as the operator would.
    pub(super) async fn publish_secret(&self, name: &str, target: &Registered) -> KeyId {
        let text = format!("{}~{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let new = NewSecret { text: text.clone(), display_name: None, start: None, end: Utc::now() + TimeDelta::hours(1) };
        let key = self.emulator.add_secret(target.application, new).unwrap();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": name, "namespace": TEAM, "annotations": {"entra-rotator.io/key-id": key}},
            "stringData": {
                "AZURE_CLIENT_ID": target.client_id, "AZURE_TENANT_ID": target.tenant, "AZURE_CLIENT_SECRET": text,
                "AZURE_AUTHORITY_HOST": format!("{}/", self.entra),
            },
        });
        self.apply(&secret).await;
        key
    }

    /// Replaces it, and removes it after the overlap.
    pub(super) async fn replace_secret(&self, name: &str, target: &Registered, key: KeyId) -> KeyId {
        let successor = self.publish_secret(name, target).await;
        sleep(OVERLAP).await;
        self.emulator.remove_credential(target.application, key).unwrap();
        successor
    }
}
