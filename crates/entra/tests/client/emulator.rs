//! The client against the emulator, which shares no code with it beyond ids and keys: what one writes wrongly, the other does not read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entra::{
    Address, Category, Clock, Detail, Environment, Failure, Graph, Ids, NewSigning, Proof, Retry, SignIn, certificate_entry, in_process,
};
use entra_emulator::{AddKeyBody, Emulator, NewSecret, Operation, Registered, Registration, TokioTime};
use entra_types::{Endpoints, KeyId, ObjectKind, TenantId};
use keys::{Certificate, CertificateRequest, Sensitive, fixtures};
use uuid::Uuid;

use crate::stand_in::{TENANT, start};

/// The emulator's clock and a counter: the client's only sources of time and ids.
pub(crate) struct World(Emulator, std::sync::atomic::AtomicU64);

impl World {
    pub(crate) fn of(emulator: &Emulator) -> Self {
        Self(emulator.clone(), 0.into())
    }
}

impl Clock for World {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }
}

impl Ids for World {
    fn uuid(&self) -> Uuid {
        Uuid::from_u64_pair(7, self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }
}

/// A tenant with the operator's application, and one to rotate that it owns.
pub(crate) struct Tenant {
    pub(crate) emulator: Emulator,
    pub(crate) graph: Graph,
    pub(crate) operator: Registered,
    pub(crate) payroll: Registered,
}

const OPERATOR_SECRET: &str = "0p3rator~secret.with_40-characters-in-it";

pub(crate) fn tenant() -> Tenant {
    let emulator = Emulator::builder().time(TokioTime::starting_at(start())).build().unwrap();
    let tenant: TenantId = TENANT.parse().unwrap();
    emulator.add_tenant(tenant);
    let operator = emulator.register(tenant, &Registration::named("operator").role("Application.ReadWrite.OwnedBy")).unwrap();
    let payroll = emulator.register(tenant, &Registration::named("Payroll").owner(operator.service_principal)).unwrap();
    let end = start() + TimeDelta::days(365);
    let secret = NewSecret { text: OPERATOR_SECRET.to_owned(), display_name: None, start: None, end };
    emulator.add_secret(operator.application, secret).unwrap();
    let graph = graph(&emulator, secret_of(operator, OPERATOR_SECRET));
    Tenant { emulator, graph, operator, payroll }
}

pub(crate) fn graph(emulator: &Emulator, sign_in: SignIn) -> Graph {
    graph_at(World::of(emulator), emulator, sign_in)
}

fn graph_at(clock: impl Clock + 'static, emulator: &Emulator, sign_in: SignIn) -> Graph {
    let environment = Environment::new(Arc::new(clock), Arc::new(World::of(emulator)));
    let endpoints = Endpoints::custom("https://entra.example", "https://entra.example").unwrap();
    Graph::new(in_process(emulator.service()), endpoints, TENANT.parse().unwrap(), sign_in, environment)
}

pub(crate) fn secret_of(application: Registered, secret: &str) -> SignIn {
    SignIn::ClientSecret { client_id: application.client_id, secret: Sensitive::new(secret.to_owned()) }
}

fn certificate_of(application: Registered, number: usize) -> SignIn {
    SignIn::ClientCertificate { client_id: application.client_id, key: fixtures::key(number), certificate: certificate(number) }
}

pub(crate) fn certificate(number: usize) -> Certificate {
    let request = CertificateRequest {
        common_name: format!("payroll-{number}"),
        san_uris: vec![],
        not_before: start() - TimeDelta::hours(1),
        not_after: start() + TimeDelta::days(180),
        serial: [number as u8 + 1; 16],
    };
    Certificate::self_signed(&fixtures::key(number), &request).unwrap()
}

impl Tenant {
    pub(crate) fn application(&self) -> Address {
        Address::by_id(ObjectKind::Application, self.payroll.application)
    }

    pub(crate) fn service_principal(&self) -> Address {
        Address::by_client(ObjectKind::ServicePrincipal, self.payroll.client_id)
    }

    /// A proof by the key with this number.
    pub(crate) fn proof(&self, number: usize) -> Proof {
        Proof { object_id: self.payroll.application, key: fixtures::key(number), certificate: certificate(number) }
    }

    async fn key_id_of(&self, certificate: &Certificate) -> Option<KeyId> {
        let read = self.graph.read(&self.application(), Detail::WithKeys).await.unwrap().object;
        read.keys.views().find(|entry| entry.der.as_deref() == Some(certificate.der())).and_then(|entry| entry.key_id)
    }

    fn writes(&self) -> usize {
        self.emulator.calls().iter().filter(|call| call.operation.is_write()).count()
    }
}

#[tokio::test(start_paused = true)]
async fn the_operator_is_recognised_with_its_roles() {
    let tenant = tenant();
    let identity = tenant.graph.identity().await.unwrap();
    assert_eq!((identity.client_id, identity.object_id), (tenant.operator.client_id, Some(tenant.operator.service_principal)));
    assert_eq!(identity.roles, ["Application.ReadWrite.OwnedBy"]);
}

#[tokio::test(start_paused = true)]
async fn an_application_is_found_by_both_names_and_shows_key_material_only_when_asked() {
    let tenant = tenant();
    tenant.emulator.add_certificate(tenant.payroll.application, &certificate(0)).unwrap();
    for name in [tenant.application(), Address::by_client(ObjectKind::Application, tenant.payroll.client_id)] {
        let plain = tenant.graph.read(&name, Detail::Plain).await.unwrap();
        let with_keys = tenant.graph.read(&name, Detail::WithKeys).await.unwrap();
        assert_eq!((plain.object.id, plain.object.display_name.as_str()), (tenant.payroll.application, "Payroll"));
        assert_eq!(plain.date, Some(start()));
        assert!(plain.object.keys.views().all(|entry| entry.der.is_none()));
        assert_eq!(with_keys.object.keys.views().next().unwrap().der.as_deref(), Some(certificate(0).der()));
        assert_eq!(plain.object.keys, with_keys.object.keys);
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_put_in_place_rolled_proven_and_removed() {
    for body in [AddKeyBody::Full, AddKeyBody::ContextOnly] {
        let tenant = tenant();
        tenant.emulator.adjust(|behaviour| behaviour.add_key_body = body);
        let (graph, application) = (&tenant.graph, tenant.application());

        let first: KeyId = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa".parse().unwrap();
        let read = graph.read(&application, Detail::Plain).await.unwrap().object;
        graph
            .replace_credentials(&application, Some(&read.keys.with(certificate_entry(first, "first", &certificate(0)))), None)
            .await
            .unwrap();
        assert_eq!(tenant.key_id_of(&certificate(0)).await, Some(first));
        graph.sign_in(&certificate_of(tenant.payroll, 0)).await.unwrap();

        graph.add_key(&application, &certificate(1), &tenant.proof(0)).await.unwrap();
        graph.sign_in(&certificate_of(tenant.payroll, 1)).await.unwrap();
        graph.remove_key(&application, first, &tenant.proof(1)).await.unwrap();
        assert_eq!(tenant.key_id_of(&certificate(0)).await, None);
        let failure = graph.sign_in(&certificate_of(tenant.payroll, 0)).await.unwrap_err();
        assert_eq!((failure.category, failure.code.as_deref()), (Category::CredentialRefused, Some("AADSTS700027")));
        assert_eq!(tenant.writes(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_without_any_role_rolls_its_own_key() {
    let tenant = tenant();
    tenant.emulator.add_certificate(tenant.payroll.application, &certificate(0)).unwrap();
    let own = tenant.graph.signed_in_as(certificate_of(tenant.payroll, 0));
    own.add_key(&tenant.application(), &certificate(1), &tenant.proof(0)).await.unwrap();
    assert!(tenant.emulator.accepts_certificate(tenant.payroll.client_id, &certificate(1)));
}

#[tokio::test(start_paused = true)]
async fn a_proof_by_a_foreign_key_or_for_another_object_is_refused_and_nothing_changes() {
    let tenant = tenant();
    tenant.emulator.add_certificate(tenant.payroll.application, &certificate(0)).unwrap();
    let misdirected = Proof { object_id: tenant.payroll.service_principal, ..tenant.proof(0) };
    for proof in [tenant.proof(1), misdirected] {
        let failure = tenant.graph.add_key(&tenant.application(), &certificate(2), &proof).await.unwrap_err();
        assert_eq!((failure.category, failure.settled, failure.status), (Category::ProofRefused, true, Some(401)));
    }
    assert!(!tenant.emulator.accepts_certificate(tenant.payroll.client_id, &certificate(2)));
    let tokens = tenant.emulator.calls().iter().filter(|call| call.operation == Operation::Token).count();
    assert_eq!(tokens, 1);
}

#[tokio::test(start_paused = true)]
async fn a_signing_certificate_is_made_chosen_listed_and_removed_with_its_whole_group() {
    let tenant = tenant();
    let (graph, principal) = (&tenant.graph, tenant.service_principal());
    tenant.emulator.add_certificate(tenant.payroll.service_principal, &certificate(5)).unwrap();
    let new = NewSigning { display_name: "CN=payroll-abc".to_owned(), end_date_time: "2029-08-20T09:55:00Z".to_owned() };
    let made = graph.add_token_signing_certificate(&principal, &new).await.unwrap().unwrap();
    assert_eq!(made.end.unwrap().to_rfc3339(), "2029-08-20T09:55:00+00:00");
    let signer = made.certificate.unwrap();
    assert_eq!(signer.thumbprint(), made.thumbprint);

    graph.set_preferred_thumbprint(&principal, made.thumbprint).await.unwrap();
    let read = graph.read(&principal, Detail::WithKeys).await.unwrap().object;
    assert_eq!(read.preferred_thumbprint, Some(made.thumbprint));
    assert_eq!(tenant.emulator.signer(tenant.payroll.service_principal), Some(signer.clone()));
    assert!(graph.metadata(tenant.payroll.client_id).await.unwrap().contains(&signer));

    let of_group = |entry: &entra_types::Credential| entry.custom_key_identifier.as_deref() == Some(made.custom_key_identifier.as_str());
    let (keys, passwords): (Vec<_>, Vec<_>) =
        (read.keys.views().filter(of_group).collect(), read.passwords.views().filter(of_group).collect());
    assert_eq!((keys.len(), passwords.len()), (2, 1));
    assert!(keys.iter().any(|entry| entry.is_sign() && entry.key_id == Some(made.key_id)));

    let gone: BTreeSet<_> = keys.iter().chain(&passwords).filter_map(|entry| entry.key_id).collect();
    graph.replace_credentials(&principal, Some(&read.keys.without(&gone)), Some(&read.passwords.without(&gone))).await.unwrap();
    let after = graph.read(&principal, Detail::WithKeys).await.unwrap().object;
    assert_eq!((after.keys.entries().len(), after.passwords.entries().len()), (1, 0));
    assert_eq!(after.keys.views().next().unwrap().der.as_deref(), Some(certificate(5).der()));
}

#[tokio::test(start_paused = true)]
async fn an_update_that_echoes_what_was_read_changes_nothing() {
    let tenant = tenant();
    let principal = tenant.service_principal();
    for number in 0..3 {
        tenant.emulator.add_certificate(tenant.payroll.service_principal, &certificate(number)).unwrap();
    }
    tenant.emulator.add_signing_certificate(tenant.payroll.service_principal, "CN=foreign", None).unwrap();
    tenant.emulator.adjust(|behaviour| {
        behaviour.require_null_key = true;
        behaviour.shuffled_lists = true;
    });
    for detail in [Detail::Plain, Detail::WithKeys] {
        let before = tenant.graph.read(&principal, detail).await.unwrap().object;
        let none = BTreeSet::new();
        tenant
            .graph
            .replace_credentials(&principal, Some(&before.keys.without(&none)), Some(&before.passwords.without(&none)))
            .await
            .unwrap();
        let after = tenant.graph.read(&principal, detail).await.unwrap().object;
        assert_eq!((before.keys, before.passwords), (after.keys, after.passwords));
    }
}

#[tokio::test(start_paused = true)]
async fn removing_a_signing_entry_by_its_key_id_fails_open() {
    let tenant = tenant();
    tenant.emulator.add_certificate(tenant.payroll.service_principal, &certificate(0)).unwrap();
    let new = NewSigning { display_name: "CN=x".to_owned(), end_date_time: "2027-08-20T09:55:00Z".to_owned() };
    let made = tenant.graph.add_token_signing_certificate(&tenant.service_principal(), &new).await.unwrap().unwrap();
    let proof = Proof { object_id: tenant.payroll.service_principal, ..tenant.proof(0) };
    let failure = tenant.graph.remove_key(&tenant.service_principal(), made.key_id, &proof).await.unwrap_err();
    assert_eq!((failure.category, failure.status, failure.settled), (Category::Unavailable, Some(500), false));
}

async fn read_of(tenant: &Tenant, address: Address) -> Failure {
    tenant.graph.read(&address, Detail::Plain).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn an_unknown_object_is_not_found_and_a_foreign_one_is_denied() {
    let tenant = tenant();
    let unknown = Address::by_id(ObjectKind::Application, "99999999-9999-4999-8999-999999999999".parse().unwrap());
    let failure = read_of(&tenant, unknown).await;
    assert_eq!((failure.category, failure.status, failure.retry), (Category::TargetNotFound, Some(404), Retry::Backoff));
    assert!(failure.request_id.is_some() && failure.date == Some(start()));

    let foreign = tenant.emulator.register(TENANT.parse().unwrap(), &Registration::named("foreign")).unwrap();
    let address = Address::by_id(ObjectKind::ServicePrincipal, foreign.service_principal);
    let failure = tenant.graph.set_preferred_thumbprint(&address, certificate(0).thumbprint()).await.unwrap_err();
    assert_eq!((failure.category, failure.status, failure.settled), (Category::PermissionDenied, Some(403), true));
    assert_eq!(failure.retry, Retry::OnChange);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_an_expired_and_a_future_credential_are_refused_for_their_own_reasons() {
    let tenant = tenant();
    let wrong = graph(&tenant.emulator, secret_of(tenant.operator, "wrong"));
    let failure = wrong.identity().await.unwrap_err();
    assert_eq!((failure.category, failure.code.as_deref()), (Category::TokenRefused, Some("AADSTS7000215")));

    let old = NewSecret {
        text: "old~secret".to_owned(),
        display_name: None,
        start: Some(start() - TimeDelta::days(9)),
        end: start() - TimeDelta::days(1),
    };
    tenant.emulator.add_secret(tenant.payroll.application, old).unwrap();
    let failure = tenant.graph.sign_in(&secret_of(tenant.payroll, "old~secret")).await.unwrap_err();
    assert_eq!((failure.category, failure.code.as_deref()), (Category::CredentialRefused, Some("AADSTS7000222")));

    let stranger = Registered { client_id: "99999999-9999-4999-8999-999999999999".parse().unwrap(), ..tenant.payroll };
    let failure = tenant.graph.sign_in(&secret_of(stranger, "x")).await.unwrap_err();
    assert_eq!((failure.category, failure.code.as_deref()), (Category::CannotProve, Some("AADSTS700016")));
    let failure = graph(&tenant.emulator, secret_of(stranger, "x")).identity().await.unwrap_err();
    assert_eq!(failure.category, Category::TenantNotFound);
}

/// A clock of our own, wherever Entra's is.
struct Stopped(DateTime<Utc>);

impl Clock for Stopped {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_an_hour_off_is_told_as_such() {
    let tenant = tenant();
    tenant.emulator.add_certificate(tenant.operator.application, &certificate(3)).unwrap();
    let late = graph_at(Stopped(start() - TimeDelta::hours(1)), &tenant.emulator, certificate_of(tenant.operator, 3));
    let failure = late.identity().await.unwrap_err();
    assert_eq!((failure.category, failure.code.as_deref()), (Category::ClockSkew, Some("AADSTS700024")));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_run_out_by_entras_clock_alone_is_replaced_within_the_read() {
    let tenant = tenant();
    let graph = graph_at(Stopped(start()), &tenant.emulator, secret_of(tenant.operator, OPERATOR_SECRET));
    graph.read(&tenant.application(), Detail::Plain).await.unwrap();
    tenant.emulator.advance(TimeDelta::hours(2));
    graph.read(&tenant.application(), Detail::Plain).await.unwrap();
    let answered: Vec<_> = tenant.emulator.calls().iter().map(|call| (call.operation, call.answered)).collect();
    let (token, get) = (Operation::Token, Operation::Get);
    assert_eq!(answered, [(token, Some(200)), (get, Some(200)), (get, Some(401)), (token, Some(200)), (get, Some(200))]);
}

#[tokio::test(start_paused = true)]
async fn our_budget_keeps_us_below_graphs_throttle() {
    let tenant = tenant();
    let mut held_back = 0;
    for _ in 0..200 {
        match tenant.graph.read(&tenant.application(), Detail::WithKeys).await {
            Ok(_) => {}
            Err(failure) => {
                assert_eq!((failure.category, failure.status), (Category::Throttled, None));
                held_back += 1;
            }
        }
    }
    assert_eq!(held_back, 50);
}

#[tokio::test(start_paused = true)]
async fn more_writes_than_the_quota_holds_are_sent_over_time_without_one_refusal() {
    const WRITES: usize = 6500;
    let tenant = tenant();
    let shares = ["", "payroll", "billing"].map(|name| tenant.graph.for_share(name));
    let (mut held_back, begin) = (0, tokio::time::Instant::now());
    for number in 0..WRITES {
        while let Err(failure) = shares[number % 3].set_notification_addresses(&tenant.service_principal(), &[]).await {
            assert_eq!((failure.category, failure.status), (Category::Throttled, None), "{failure}");
            let Retry::After(wait) = failure.retry else { panic!("{failure:?}") };
            tokio::time::advance(wait).await;
            held_back += 1;
        }
    }
    let refused = tenant.emulator.calls().iter().filter(|call| call.answered == Some(429)).count();
    println!("{WRITES} writes in {:?}, held back {held_back} times, refused {refused} times", begin.elapsed());
    assert_eq!((refused, tenant.writes()), (0, WRITES));
    assert!(held_back > 0);
}

#[tokio::test(start_paused = true)]
async fn graphs_own_throttle_is_obeyed() {
    let tenant = tenant();
    tenant.emulator.adjust(|behaviour| behaviour.key_reads_per_minute = 1);
    tenant.graph.read(&tenant.application(), Detail::WithKeys).await.unwrap();
    let failure = tenant.graph.read(&tenant.application(), Detail::WithKeys).await.unwrap_err();
    assert_eq!((failure.category, failure.status), (Category::Throttled, Some(429)));
    let Retry::After(pause) = failure.retry else { panic!("{failure:?}") };
    let calls = tenant.emulator.calls().len();
    tenant.graph.read(&tenant.application(), Detail::WithKeys).await.unwrap_err();
    assert_eq!(tenant.emulator.calls().len(), calls, "held back");
    tokio::time::advance(pause).await;
    tenant.graph.read(&tenant.application(), Detail::WithKeys).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_object_and_overlapping_writes_are_told_apart() {
    let tenant = tenant();
    tenant.emulator.add_certificate(tenant.payroll.application, &certificate(0)).unwrap();
    tenant.emulator.adjust(|behaviour| behaviour.max_credentials = 1);
    let failure = tenant.graph.add_key(&tenant.application(), &certificate(1), &tenant.proof(0)).await.unwrap_err();
    assert_eq!((failure.category, failure.settled, failure.retry), (Category::ObjectFull, true, Retry::OnChange));

    tenant.emulator.adjust(|behaviour| {
        behaviour.max_credentials = 1000;
        behaviour.conflict_window = Duration::from_secs(10);
    });
    tenant.graph.add_key(&tenant.application(), &certificate(1), &tenant.proof(0)).await.unwrap();
    let failure = tenant.graph.add_key(&tenant.application(), &certificate(2), &tenant.proof(0)).await.unwrap_err();
    assert_eq!((failure.category, failure.settled, failure.status), (Category::Conflict, false, Some(409)));
}
