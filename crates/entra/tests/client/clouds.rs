//! The four national clouds: the same course of events in each, and nothing of one is good in another.

use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;
use entra::{
    Address, Category, Detail, Environment, Graph, INSTANCE_METADATA, InstanceMetadata, NewPassword, NewSigning, SignIn, Wire, in_process,
};
use entra_emulator::{Emulator, Federated, NewSecret, Registered, Registration, TokioTime};
use entra_types::{Cloud, Endpoints, ObjectKind};
use http::Request;
use keys::Sensitive;
use rstest::rstest;
use tower::ServiceExt as _;
use tower::util::service_fn;

use crate::emulator::World;
use crate::identities::{File, ISSUER, SUBJECT, published_keys, service_account_token};
use crate::stand_in::{TENANT, start};

const SECRET: &str = "0p3rator~secret.with_40-characters-in-it";

/// One cloud with the operator and an application that it owns. The same ids and keys in each.
struct Place {
    cloud: Cloud,
    emulator: Emulator,
    operator: Registered,
    payroll: Registered,
}

impl Place {
    fn of(cloud: Cloud) -> Self {
        let emulator = Emulator::builder().cloud(cloud).time(TokioTime::starting_at(start())).build().unwrap();
        let tenant = TENANT.parse().unwrap();
        emulator.add_tenant(tenant);
        let operator = emulator.register(tenant, &Registration::named("operator").role("Application.ReadWrite.OwnedBy")).unwrap();
        let payroll = emulator.register(tenant, &Registration::named("payroll").owner(operator.service_principal)).unwrap();
        let secret = NewSecret { text: SECRET.to_owned(), display_name: None, start: None, end: start() + TimeDelta::days(365) };
        emulator.add_secret(operator.application, secret).unwrap();
        Self { cloud, emulator, operator, payroll }
    }

    fn graph_over(&self, wire: Wire, endpoints: Endpoints, sign_in: SignIn) -> Graph {
        let world = || Arc::new(World::of(&self.emulator));
        Graph::new(wire, endpoints, TENANT.parse().unwrap(), sign_in, Environment::new(world(), world()))
    }

    fn graph(&self, sign_in: SignIn) -> Graph {
        self.graph_over(in_process(self.emulator.service()), self.cloud.endpoints(), sign_in)
    }

    fn secret(&self) -> SignIn {
        SignIn::ClientSecret { client_id: self.operator.client_id, secret: Sensitive::new(SECRET.to_owned()) }
    }

    fn application(&self) -> Address {
        Address::by_id(ObjectKind::Application, self.payroll.application)
    }

    fn service_principal(&self) -> Address {
        Address::by_client(ObjectKind::ServicePrincipal, self.payroll.client_id)
    }
}

#[rstest]
#[case(Cloud::Global)]
#[case(Cloud::UsGovernmentL4)]
#[case(Cloud::UsGovernmentL5)]
#[case(Cloud::China)]
#[tokio::test(start_paused = true)]
async fn a_secret_and_a_signing_certificate_live_their_lives_in_each_cloud(#[case] cloud: Cloud) {
    let place = Place::of(cloud);
    let graph = place.graph(place.secret());
    assert_eq!(graph.identity().await.unwrap().object_id, Some(place.operator.service_principal));

    let new = NewPassword { display_name: "one".to_owned(), end_date_time: "2026-11-18T10:00:00Z".to_owned() };
    let made = graph.add_password(&place.application(), &new).await.unwrap().unwrap();
    let client_id = place.payroll.client_id;
    graph.sign_in(&SignIn::ClientSecret { client_id, secret: made.secret.clone() }).await.unwrap();
    graph.remove_password(&place.application(), made.key_id).await.unwrap();
    assert!(graph.read(&place.application(), Detail::WithKeys).await.unwrap().object.passwords.entries().is_empty());

    let new = NewSigning { display_name: "CN=two".to_owned(), end_date_time: "2029-08-20T09:55:00Z".to_owned() };
    let made = graph.add_token_signing_certificate(&place.service_principal(), &new).await.unwrap().unwrap();
    graph.set_preferred_thumbprint(&place.service_principal(), made.thumbprint).await.unwrap();
    assert_eq!(graph.metadata(client_id).await.unwrap(), [made.certificate.unwrap()]);
}

#[rstest]
#[case(Cloud::Global)]
#[case(Cloud::UsGovernmentL4)]
#[case(Cloud::UsGovernmentL5)]
#[case(Cloud::China)]
#[tokio::test(start_paused = true)]
async fn workloads_and_machines_sign_in_with_the_audience_of_their_cloud_and_no_other(#[case] cloud: Cloud) {
    let place = Place::of(cloud);
    let login = cloud.endpoints().login().to_owned();
    place.emulator.set_issuer(ISSUER, published_keys(&place.emulator, &login).await);
    let audiences = vec![cloud.exchange_audience().to_owned()];
    let federated = Federated { name: "cluster".to_owned(), issuer: ISSUER.to_owned(), subject: SUBJECT.to_owned(), audiences };
    place.emulator.add_federated(place.operator.application, federated).unwrap();
    for other in Cloud::ALL {
        let token = service_account_token(&place.emulator, SUBJECT, other.exchange_audience());
        let sign_in = SignIn::WorkloadIdentity { client_id: place.operator.client_id, assertions: Arc::new(File::holding(&token)) };
        let result = place.graph(sign_in).read(&place.application(), Detail::Plain).await.map(drop).map_err(|failure| failure.category);
        let fits = other.exchange_audience() == cloud.exchange_audience();
        assert_eq!(result, if fits { Ok(()) } else { Err(Category::FederationRefused) }, "{other:?}");
    }
    place.emulator.set_managed_identity(Some(place.operator.client_id));
    let service = InstanceMetadata::new(in_process(place.emulator.service()), INSTANCE_METADATA);
    let machine = place.graph(SignIn::ManagedIdentity { client_id: None, service });
    machine.read(&place.application(), Detail::Plain).await.unwrap();
}

/// Requests to the Graph of one cloud arrive at that of another.
fn astray(at: &Place, other: &Place) -> Wire {
    let (here, there) = (at.emulator.service(), other.emulator.service());
    let (from, to) = (at.cloud.endpoints().graph().to_owned(), other.cloud.endpoints().graph().to_owned());
    in_process(service_fn(move |request: Request<Bytes>| {
        let (here, there) = (here.clone(), there.clone());
        let elsewhere = request.uri().to_string().strip_prefix(&from).map(|path| format!("{to}{path}"));
        async move {
            let Some(uri) = elsewhere else { return here.oneshot(request).await };
            let (mut head, body) = request.into_parts();
            head.uri = uri.parse().unwrap();
            there.oneshot(Request::from_parts(head, body)).await
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn a_token_of_one_cloud_is_refused_by_the_graph_of_another() {
    for cloud in Cloud::ALL {
        for other in Cloud::ALL.into_iter().filter(|other| *other != cloud) {
            let (here, there) = (Place::of(cloud), Place::of(other));
            let graph = here.graph_over(astray(&here, &there), cloud.endpoints(), here.secret());
            let failure = graph.read(&here.application(), Detail::Plain).await.unwrap_err();
            let expected = (Category::Unauthorized, Some(401), Some("InvalidAuthenticationToken"));
            assert_eq!((failure.category, failure.status, failure.code.as_deref()), expected, "{cloud:?} {other:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_cloud_gives_a_token_for_the_graph_of_another() {
    for cloud in Cloud::ALL {
        for other in Cloud::ALL.into_iter().filter(|other| *other != cloud) {
            let here = Place::of(cloud);
            let mixed = Endpoints::custom(cloud.endpoints().login(), other.endpoints().graph()).unwrap();
            let failure = here.graph_over(in_process(here.emulator.service()), mixed, here.secret()).identity().await.unwrap_err();
            assert_eq!(
                (failure.category, failure.code.as_deref()),
                (Category::InvalidRequest, Some("AADSTS500011")),
                "{cloud:?} {other:?}"
            );
        }
    }
}
