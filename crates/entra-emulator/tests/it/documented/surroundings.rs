//! What is said not to matter for an answer.

use chrono::TimeDelta;
use entra_emulator::NewSecret;
use entra_types::ids::ObjectId;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::stage::{Stage, certificate};

#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    /// Whether the target is the service principal.
    pub(super) principal: bool,
    by_client: bool,
    qualified: bool,
    days: i64,
    secrets: usize,
    certificates: usize,
    signing: bool,
    strange: bool,
    pub(super) request_id: Option<u128>,
    pub(super) name: String,
}

pub(super) fn surroundings() -> impl Strategy<Value = Surroundings> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (flags, 0..2000_i64, 0..4_usize, 0..3_usize, prop::option::of(any::<u128>()), "[a-zA-Z0-9 ü/-]{0,40}").prop_map(
        |((principal, by_client, qualified, signing, strange), days, secrets, certificates, request_id, name)| Surroundings {
            principal,
            by_client,
            qualified,
            days,
            secrets,
            certificates,
            signing,
            strange,
            request_id,
            name,
        },
    )
}

impl Surroundings {
    /// A stage on that day, with those credentials on the target.
    pub(super) async fn stage(&self) -> Stage {
        let stage = Stage::new().await;
        let target = self.target(&stage);
        // A token of the operator lasts an hour only; the stage signs in anew.
        stage.emulator.advance(TimeDelta::days(self.days % 300));
        for number in 0..self.secrets {
            let end = stage.now() + TimeDelta::days(30 + self.days);
            let secret = NewSecret { text: format!("foreign~secret~{number}"), display_name: Some(self.name.clone()), start: None, end };
            stage.emulator.add_secret(target, secret).unwrap();
        }
        for number in 0..self.certificates {
            let (_, foreign) = certificate(4 + number, stage.now() - TimeDelta::days(1), stage.now() + TimeDelta::days(400));
            stage.emulator.add_certificate(target, &foreign).unwrap();
        }
        if self.signing {
            stage.emulator.add_signing_certificate(stage.target.service_principal, "CN=foreign", None).unwrap();
        }
        if self.strange {
            let entry = json!({"keyId": "11111111-2222-3333-4444-555555555555", "displayName": self.name, "futureProperty": {"a": [1, 2.5]}, "secretText": null});
            stage.emulator.add_raw(target, false, entry.as_object().unwrap().clone()).unwrap();
        }
        stage
    }

    /// The same about the service principal, or about the application.
    pub(super) fn about(&self, principal: bool) -> Self {
        Self { principal, ..self.clone() }
    }

    pub(super) fn target(&self, stage: &Stage) -> ObjectId {
        if self.principal { stage.target.service_principal } else { stage.target.application }
    }

    /// Path of the target, by one of its two names.
    pub(super) fn path(&self, stage: &Stage) -> String {
        let collection = if self.principal { "servicePrincipals" } else { "applications" };
        if self.by_client {
            format!("/{collection}(appId='{}')", stage.target.client_id)
        } else {
            format!("/{collection}/{}", self.target(stage))
        }
    }

    /// Path of an action on the target.
    pub(super) fn action(&self, stage: &Stage, action: &str) -> String {
        let qualified = if self.qualified { "microsoft.graph." } else { "" };
        format!("{}/{qualified}{action}", self.path(stage))
    }

    pub(super) fn with_name(&self, mut credential: Value) -> Value {
        if !self.name.is_empty() {
            credential["displayName"] = json!(self.name);
        }
        credential
    }
}
