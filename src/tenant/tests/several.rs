//! Several tenants in one operator.

use entra_emulator::{Effect, Fault, Match, NewSecret, Registered, Registration};
use entra_types::TenantId;
use serde_json::{Value, json};

use super::world::{CANARY, NAMESPACE, World, pass};
use crate::tenant::{Access, Reason};

const OTHER: &str = "7b8e2c41-9f0a-4b1c-9d2e-3f4a5b6c7d8e";

impl World {
    /// Registers an operator in another tenant, with a secret of its own, and answers the spec of an EntraTenant for it.
    fn other_tenant(&self) -> (Registered, Value) {
        let tenant: TenantId = OTHER.parse().unwrap();
        self.emulator.add_tenant(tenant);
        let operator = self.emulator.register(tenant, &Registration::named("operator")).unwrap();
        let end = self.emulator.now() + chrono::TimeDelta::days(365);
        let secret = NewSecret { text: "other-secret-of-the-operator".to_owned(), display_name: None, start: None, end };
        self.emulator.add_secret(operator.application, secret).unwrap();
        let data = data_encoding::BASE64.encode(b"other-secret-of-the-operator");
        self.sim.put(json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": "other", "namespace": NAMESPACE}, "data": {"AZURE_CLIENT_SECRET": data}}));
        let sign_in = json!({"clientSecret": {"clientID": operator.client_id, "secretRef": {"name": "other"}}});
        (operator, json!({"tenantID": OTHER, "signIn": sign_in}))
    }

    fn signed_in_as(&self, name: &str) -> Result<entra_types::ClientId, Reason> {
        match self.tenants.get(name).unwrap().access {
            Access::Ready(signed_in) => Ok(signed_in.client_id),
            Access::NotReady { reason, .. } => Err(reason),
            Access::Unknown => panic!("{name} was not tried"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_tenant_is_signed_in_to_with_its_own_secret_over_its_own_client() {
    let world = World::new();
    let (operator, spec) = world.other_tenant();
    world.declare(&world.spec()).await;
    world.declare_as("other", &spec).await;
    assert_eq!(world.signed_in_as("default"), Ok(world.operator.client_id));
    assert_eq!(world.signed_in_as("other"), Ok(operator.client_id));
    assert_eq!(world.net.opened(), 2);
    world.assert_discreet(&[CANARY, "other-secret-of-the-operator"]);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_throttled_for_an_hour_holds_up_no_other() {
    let world = World::new();
    let (operator, spec) = world.other_tenant();
    world.emulator.inject(Fault::always(Match::any().client(operator.client_id), Effect::throttled(Some("3600"))));
    world.declare_as("other", &spec).await;
    world.declare(&world.spec()).await;
    assert_eq!(world.signed_in_as("other"), Err(Reason::Throttled));
    assert_eq!(world.signed_in_as("default"), Ok(world.operator.client_id));
    world.forget_requests();
    // A changed Secret is tried at once in one tenant, while the other waits as long as it was asked to.
    world.put_secret(&json!({"AZURE_CLIENT_SECRET": "wrong"}));
    pass(600).await;
    assert_eq!(world.signed_in_as("default"), Err(Reason::SignInRefused));
    assert!(world.net.sent().iter().all(|(_, url)| !url.contains(OTHER)), "{:?}", world.net.sent());
    world.put_secret(&json!({"AZURE_CLIENT_SECRET": CANARY}));
    pass(1).await;
    assert_eq!(world.signed_in_as("default"), Ok(world.operator.client_id));
}

#[tokio::test(start_paused = true)]
async fn two_objects_for_one_tenant_share_its_budget_and_not_their_tokens() {
    let world = World::new();
    world.declare(&world.spec()).await;
    world.declare_as("same", &world.spec()).await;
    assert_eq!((world.net.opened(), world.token_requests()), (1, 2));
    assert_eq!(world.signed_in_as("same"), Ok(world.operator.client_id));
}
