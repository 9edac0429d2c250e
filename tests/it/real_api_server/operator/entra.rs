use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex, mpsc},
    thread,
};

use chrono::{TimeDelta, Utc};
use entra_emulator::{Authority, Call, Emulator, Mutation, NewSecret, Registered, Registration, default_hosts};
use entra_types::{ClientId, KeyId, ObjectId, TenantId};
use keys::{Certificate, CertificateRequest};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

/// The emulator over HTTPS, with an authority of its own.
pub(super) struct Entra {
    emulator: Emulator,
    address: SocketAddr,
    authority: Authority,
    harm: Arc<Mutex<Vec<String>>>,
}

impl Entra {
    /// Serves from a thread of its own: the runtimes of the tests come and go.
    pub(super) fn start() -> Self {
        let emulator = Emulator::builder().build().unwrap();
        let authority = Authority::new(&default_hosts([127, 0, 0, 1].into())).unwrap();
        let (sender, address) = mpsc::channel();
        let served = (emulator.clone(), authority.clone());
        thread::spawn(move || serve(&served.0, &served.1, &sender));
        let harm = Arc::default();
        let bystander = Bystander::new(Arc::clone(&harm));
        emulator.observe(move |mutation| bystander.judge(mutation));
        Self { emulator, address: address.recv().unwrap(), authority, harm }
    }

    pub(super) fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Where it answers, as Graph and as the login service.
    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// What clients must trust, in PEM.
    pub(super) fn authority(&self) -> &str {
        self.authority.ca_pem()
    }

    /// A tenant in which the operator is registered, with a client secret.
    pub(super) fn tenant(&self) -> Tenant {
        let id = TenantId::new(Uuid::new_v4());
        self.emulator.add_tenant(id);
        let operator = Registration::named("entra-rotator").role("Application.ReadWrite.OwnedBy");
        let operator = self.emulator.register(id, &operator).unwrap();
        let secret = format!("{}~{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let end = Utc::now() + TimeDelta::days(1);
        let new = NewSecret { text: secret.clone(), display_name: None, start: None, end };
        self.emulator.add_secret(operator.application, new).unwrap();
        Tenant { id, operator, secret }
    }

    /// An application that the operator owns, and on whose two objects somebody else has put a certificate and a secret.
    pub(super) fn application(&self, tenant: &Tenant, name: &str) -> Registered {
        let owned = Registration::named(name).owner(tenant.operator.service_principal);
        let registered = self.emulator.register(tenant.id, &owned).unwrap();
        for object in [registered.application, registered.service_principal] {
            self.emulator.add_certificate(object, &foreign_certificate()).unwrap();
            self.emulator.add_secret(object, foreign_secret()).unwrap();
            self.emulator.add_raw(object, true, novelty()).unwrap();
        }
        registered
    }

    /// The entries of both lists as they are stored.
    pub(super) fn entries(&self, object: ObjectId) -> Vec<Value> {
        entries(&self.emulator.object(object).unwrap())
    }

    /// What was asked of Entra about this client; the operator's own tokens are not.
    pub(super) fn calls(&self, target: &Registered) -> Vec<Call> {
        let about = |call: &Call| {
            let object = [target.application, target.service_principal].map(Some).contains(&call.object);
            object || call.path.contains(&target.client_id.to_string())
        };
        self.emulator.calls().into_iter().filter(about).collect()
    }

    /// The changes that the operator made to the objects of this client.
    pub(super) fn writes(&self, target: &Registered) -> Vec<Call> {
        self.calls(target).into_iter().filter(|call| call.operation.is_write()).collect()
    }

    /// What the operator changed on the objects of this client, oldest first.
    pub(super) fn changes(&self, target: &Registered) -> Vec<Mutation> {
        let by_operator = |change: &Mutation| change.caller.is_some() && change.client_id == target.client_id;
        self.emulator.mutations().into_iter().filter(by_operator).collect()
    }

    /// What the operator did to entries that it had not made.
    pub(super) fn harm(&self) -> Vec<String> {
        self.harm.lock().unwrap().clone()
    }
}

/// A tenant of the emulator, and the operator in it.
pub(super) struct Tenant {
    pub(super) id: TenantId,
    pub(super) operator: Registered,
    pub(super) secret: String,
}

fn serve(emulator: &Emulator, authority: &Authority, address: &mpsc::Sender<SocketAddr>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        address.send(listener.local_addr().unwrap()).unwrap();
        emulator.serve(listener, authority).await.unwrap();
    });
}

fn foreign_certificate() -> Certificate {
    let (not_before, not_after) = (Utc::now() - TimeDelta::days(1), Utc::now() + TimeDelta::days(90));
    let name = "made by hand".to_owned();
    let request = CertificateRequest { common_name: name, san_uris: Vec::new(), not_before, not_after, serial: *Uuid::new_v4().as_bytes() };
    Certificate::self_signed(&keys::fixtures::key(7), &request).unwrap()
}

fn foreign_secret() -> NewSecret {
    let text = Uuid::new_v4().to_string();
    NewSecret { text, display_name: Some("made by hand".to_owned()), start: None, end: Utc::now() + TimeDelta::days(90) }
}

/// An entry with a field, and with numbers and times, that this version has never heard of.
fn novelty() -> serde_json::Map<String, Value> {
    let entry = json!({
        "customKeyIdentifier": "Zm9yZWlnbg==", "displayName": "CN=novelty", "key": null, "keyId": Uuid::new_v4(), "type": "AsymmetricX509Cert",
        "usage": "Verify", "startDateTime": "2025-05-05T18:38:51.8100763Z", "endDateTime": "2099-01-01T00:00:00Z", "hint": {"new": [1.5, null]},
    });
    entry.as_object().unwrap().clone()
}

fn entries(object: &Value) -> Vec<Value> {
    ["keyCredentials", "passwordCredentials"].iter().flat_map(|list| object[list].as_array().cloned().unwrap_or_default()).collect()
}

/// Compares what the operator had not made before and after each of its changes.
struct Bystander {
    harm: Arc<Mutex<Vec<String>>>,
    made: Mutex<BTreeSet<KeyId>>,
}

impl Bystander {
    fn new(harm: Arc<Mutex<Vec<String>>>) -> Self {
        Self { harm, made: Mutex::default() }
    }

    /// Whatever anybody but the operator does is foreign.
    fn judge(&self, mutation: &Mutation) {
        let Some(caller) = mutation.caller else { return };
        let mut made = self.made.lock().unwrap();
        let foreign = |object: Option<Value>| -> Vec<Value> {
            let is_made = |entry: &Value| entry["keyId"].as_str().and_then(|id| id.parse().ok()).is_some_and(|id| made.contains(&id));
            object.iter().flat_map(entries).filter(|entry| !is_made(entry)).collect()
        };
        let (before, after) = (foreign(mutation.before()), foreign(mutation.after()));
        if !before.iter().all(|entry| after.contains(entry)) {
            self.harm.lock().unwrap().push(format!("{:?} by {caller}: {before:#?} became {after:#?}", mutation.operation));
        }
        made.extend(&mutation.keys_added);
    }
}

/// Where in the directory an application is, for the spec of a resource.
pub(super) fn by_client(client: ClientId) -> Value {
    json!({"clientID": client})
}

#[tokio::test]
async fn a_change_to_an_entry_of_somebody_else_is_noticed() {
    let entra = Entra::start();
    let tenant = entra.tenant();
    let target = entra.application(&tenant, "Target");
    let sign_in = entra::SignIn::ClientSecret { client_id: tenant.operator.client_id, secret: keys::Sensitive::new(tenant.secret.clone()) };
    let endpoints = entra_types::Endpoints::custom(&entra.url(), &entra.url()).unwrap();
    let seams = entra_rotator::seams::Seams::real();
    let environment = entra::Environment::new(seams.clock, seams.ids);
    let options = entra::NetworkOptions { ca: Some(entra.authority().to_owned()), ..entra::NetworkOptions::default() };
    let graph = entra::Graph::new(entra::network(&options).unwrap(), endpoints, tenant.id, sign_in, environment);
    let address = entra::Address::by_client(entra_types::ObjectKind::Application, target.client_id);
    let read = graph.read(&address, entra::Detail::Plain).await.unwrap().object;

    graph.replace_credentials(&address, Some(&read.keys), None).await.unwrap();
    assert!(entra.harm().is_empty());
    let first = read.keys.views().next().unwrap().key_id.unwrap();
    graph.replace_credentials(&address, Some(&read.keys.without(&[first].into())), None).await.unwrap();
    assert_eq!(entra.harm().len(), 1);
    assert_eq!(entra.writes(&target).len(), 2);
}
