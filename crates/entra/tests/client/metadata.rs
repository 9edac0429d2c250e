//! Federation metadata.

use data_encoding::BASE64;
use entra::{Category, Operation};
use keys::Certificate;
use rstest::rstest;

use crate::stand_in::{CLIENT, StandIn, TENANT, certificate, reply};

fn key(used: &str, certificate: &Certificate) -> String {
    let wrapped: Vec<_> =
        BASE64.encode(certificate.der()).as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!(
        r#"<KeyDescriptor {used}><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>
        {}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"#,
        wrapped.join("\n")
    )
}

fn document(roles: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><EntityDescriptor ID="_1" entityID="https://sts.windows.net/{TENANT}/" xmlns="urn:oasis:names:tc:SAML:2.0:metadata">
        <Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><KeyInfo><X509Data><X509Certificate>{}</X509Certificate></X509Data></KeyInfo></Signature>
        {roles}</EntityDescriptor>"#,
        BASE64.encode(certificate(7).der())
    )
}

async fn listed(body: String) -> Vec<Certificate> {
    StandIn::answering([reply(200, body)]).graph().metadata(CLIENT.parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_applications_own_document_is_fetched_without_a_token() {
    let stand_in = StandIn::answering([reply(200, document(""))]);
    assert_eq!(stand_in.graph().metadata(CLIENT.parse().unwrap()).await, Ok(vec![]));
    let [sent] = &stand_in.seen()[..] else { panic!("one request") };
    assert_eq!(sent.uri, format!("https://login.example/{TENANT}/federationmetadata/2007-06/federationmetadata.xml?appid={CLIENT}"));
    assert_eq!(sent.header("authorization"), "");
}

#[tokio::test]
async fn every_role_lists_its_signing_keys_and_each_certificate_counts_once() {
    let roles = format!(
        r#"<RoleDescriptor xmlns:fed="http://docs.oasis-open.org/wsfed/federation/200706">{}{}{}</RoleDescriptor><IDPSSODescriptor>{}{}{}</IDPSSODescriptor>"#,
        key(r#"use="signing""#, &certificate(0)),
        key(r#"use="signing""#, &certificate(4)),
        key(r#"use="encryption""#, &certificate(3)),
        key(r#"use="signing""#, &certificate(0)),
        key(r#"use="signing""#, &certificate(1)),
        key("", &certificate(2)),
    );
    assert_eq!(listed(document(&roles)).await, [certificate(0), certificate(4), certificate(1), certificate(2)]);
    assert_eq!(listed(format!("\u{feff}{}", document(&roles))).await.len(), 4);
}

#[tokio::test]
async fn what_is_no_certificate_is_left_out() {
    let broken = r#"<KeyDescriptor use="signing"><X509Certificate>%%%</X509Certificate><X509Certificate/><X509Certificate>QUJD</X509Certificate></KeyDescriptor>"#;
    let roles = format!("<IDPSSODescriptor>{broken}{}</IDPSSODescriptor>", key(r#"use="signing""#, &certificate(1)));
    assert_eq!(listed(document(&roles)).await, [certificate(1)]);
}

#[rstest]
#[case::empty(String::new())]
#[case::html("<!DOCTYPE html><html><body>sign in</body></html>".to_owned())]
#[case::other_xml("<feed/>".to_owned())]
#[case::cut(document("<IDPSSODescriptor>")[..200].to_owned())]
#[case::billion_laughs(r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><EntityDescriptor>&b;</EntityDescriptor>"#.to_owned())]
#[case::deep("<a>".repeat(90_000))]
#[case::too_many_nodes(document(&"<a/>".repeat(120_000)))]
#[case::not_utf8(String::from_utf8_lossy(&[b'<', 0xff]).into_owned())]
#[tokio::test]
async fn what_is_no_metadata_is_no_answer(#[case] body: String) {
    let failure = StandIn::answering([reply(200, body)]).graph().metadata(CLIENT.parse().unwrap()).await.unwrap_err();
    assert_eq!((failure.category, failure.operation), (Category::InvalidAnswer, Operation::ReadMetadata));
}

#[rstest]
#[case(404, Category::TargetNotFound)]
#[case(400, Category::InvalidAnswer)]
#[case(429, Category::Throttled)]
#[case(503, Category::Unavailable)]
#[tokio::test]
async fn a_refusal_is_told_by_its_status(#[case] status: u16, #[case] category: Category) {
    let failure = StandIn::answering([reply(status, "<html>")]).graph().metadata(CLIENT.parse().unwrap()).await.unwrap_err();
    assert_eq!(failure.category, category);
}
