//! Whatever bytes come back: an answer or a failure, never a panic, and nothing without bounds.

use bytes::Bytes;
use entra::{Detail, Failure, INSTANCE_METADATA, InstanceMetadata, NewPassword, NewSigning, SignIn};
use http::Response;
use proptest::prelude::*;
use serde_json::json;

use crate::signing_keys::signing_key;
use crate::stand_in::{CLIENT, KEY, OBJECT, StandIn, application, certificate, object, proof, secret, service_principal};

/// Sound answers, to be spoilt.
fn sound() -> Vec<Vec<u8>> {
    let certificate = data_encoding::BASE64.encode(certificate(1).der());
    let metadata = format!(
        "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\"><IDPSSODescriptor><KeyDescriptor use=\"signing\"><X509Data>\
         <X509Certificate>{certificate}</X509Certificate></X509Data></KeyDescriptor></IDPSSODescriptor></EntityDescriptor>"
    );
    let entry = json!({"keyId": KEY, "customKeyIdentifier": "AA==", "key": certificate, "endDateTime": "2026-08-20T10:00:00.1234567Z"});
    let mut listing = object();
    listing["keyCredentials"] = json!([entry]);
    listing["notificationEmailAddresses"] = json!(["a@example.com"]);
    let restriction = json!({"restrictionType": "passwordLifetime", "state": "enabled", "maxLifetime": "P90D"});
    let restrictions = json!({"passwordCredentials": [restriction], "keyCredentials": []});
    let texts = [
        listing.to_string(),
        json!({"value": [{"id": KEY, "isEnabled": true, "restrictions": restrictions}]}).to_string(),
        json!({"keyId": KEY, "secretText": "s~ecret", "endDateTime": "2026-08-20T10:00:00Z"}).to_string(),
        json!({"access_token": "e30.e30.x", "expires_in": "3599", "client_id": CLIENT}).to_string(),
        json!({"error": {"code": "X", "message": "No.", "details": [{"message": "No."}], "innerError": {"request-id": "r"}}}).to_string(),
        json!({"error": "invalid_client", "error_description": "AADSTS7000215: No.", "error_codes": [7_000_215]}).to_string(),
        metadata,
    ];
    texts.map(String::into_bytes).to_vec()
}

/// Random bytes, or a sound answer with some of it overwritten, cut out or repeated.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let spoil = |mut body: Vec<u8>, at: prop::sample::Index, length: usize, with: Vec<u8>| {
        let start = at.index(body.len() + 1);
        let end = (start + length).min(body.len());
        body.splice(start..end, with);
        body
    };
    let spoilt = (prop::sample::select(sound()), any::<prop::sample::Index>(), 0..40_usize, prop::collection::vec(any::<u8>(), 0..40));
    prop_oneof![prop::collection::vec(any::<u8>(), 0..300), spoilt.prop_map(move |(body, at, length, with)| spoil(body, at, length, with)),]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let names = ["date", "retry-after", "request-id", "x-ms-throttle-limit-percentage", "content-type"];
    prop::collection::vec(
        (
            prop::sample::select(names.to_vec()),
            prop::collection::vec((32..=255_u8).prop_filter("no header can hold it", |byte| *byte != 127), 0..40),
        ),
        0..4,
    )
}

/// Every call there is, each answered with this.
pub(crate) async fn every_call(answer: impl Fn() -> Response<Bytes>) -> Vec<Failure> {
    let stand_in = || StandIn::answering((0..4).map(|_| Ok(answer())));
    let (application, principal, end) = (application(), service_principal(), "2026-12-20T09:55:00Z".to_owned());
    let login = StandIn::default();
    login.answers_tokens([Ok(answer()), Ok(answer())]);
    let machine = InstanceMetadata::new(stand_in().wire(), INSTANCE_METADATA);
    let failures = [
        stand_in().graph().read(&application, Detail::Plain).await.err(),
        stand_in().graph().read(&principal, Detail::WithKeys).await.err(),
        stand_in().graph().app_management_policy(&application).await.err(),
        stand_in().graph().metadata(CLIENT.parse().unwrap()).await.err(),
        stand_in().graph().add_key(&application, &certificate(1), &proof()).await.err(),
        stand_in().graph().add_signing_key(&principal, &signing_key(4), &proof()).await.err(),
        stand_in().graph().remove_key(&application, KEY.parse().unwrap(), &proof()).await.err(),
        stand_in().graph().remove_password(&application, KEY.parse().unwrap()).await.err(),
        stand_in().graph().set_notification_addresses(&principal, &[]).await.err(),
        stand_in().graph().add_password(&application, &NewPassword { display_name: OBJECT.into(), end_date_time: end.clone() }).await.err(),
        stand_in()
            .graph()
            .add_token_signing_certificate(&principal, &NewSigning { display_name: "CN=x".into(), end_date_time: end })
            .await
            .err(),
        login.graph().identity().await.err(),
        login.graph().sign_in(&secret("x")).await.err(),
        login.graph_as(SignIn::ManagedIdentity { client_id: None, service: machine }).identity().await.err(),
    ];
    failures.into_iter().flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_makes_the_client_panic_or_talk_without_end(
        body in bodies(),
        headers in headers(),
        status in prop::sample::select(vec![200_u16, 204, 302, 400, 401, 403, 404, 409, 410, 429, 500, 503, 999]),
    ) {
        let answer = || {
            let mut response = Response::builder().status(status);
            for (name, value) in &headers {
                response = response.header(*name, value.as_slice());
            }
            response.body(Bytes::from(body.clone())).unwrap()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for failure in runtime.block_on(every_call(answer)) {
            let shown = failure.to_string();
            prop_assert!(shown.chars().count() < 1200 && !shown.chars().any(char::is_control), "{shown}");
        }
    }
}
