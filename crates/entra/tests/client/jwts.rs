//! The assertion and the proof, as the other side sees them.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::stand_in::{CLIENT, KEY, OBJECT, StandIn, TENANT, application, certificate, certificate_sign_in, proof, start};

struct Jwt {
    header: Value,
    claims: Value,
    signed: String,
    signature: Vec<u8>,
}

/// Decodes strictly: three parts, unpadded base64url.
fn decode(text: &str) -> Jwt {
    let parts: Vec<_> = text.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts: {text}") };
    let part = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
    let json = |text: &str| serde_json::from_slice(&part(text)).unwrap();
    Jwt { header: json(header), claims: json(claims), signed: format!("{header}.{claims}"), signature: part(signature) }
}

#[tokio::test]
async fn an_assertion_is_what_the_page_on_certificate_credentials_asks_for() {
    let stand_in = StandIn::default();
    stand_in.graph_as(certificate_sign_in(2)).identity().await.unwrap();
    let asked = &stand_in.token_requests()[0];
    assert_eq!(asked.form("client_assertion_type").unwrap(), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert_eq!((asked.form("client_id").unwrap().as_str(), asked.form("client_secret")), (CLIENT, None));

    let jwt = decode(&asked.form("client_assertion").unwrap());
    let thumbprint = BASE64URL_NOPAD.encode(&certificate(2).thumbprint_sha256());
    assert_eq!(jwt.header, json!({"typ": "JWT", "alg": "PS256", "x5t#S256": thumbprint}));
    let now = start().timestamp();
    assert_eq!(
        jwt.claims,
        json!({
            "aud": format!("https://login.example/{TENANT}/oauth2/v2.0/token"), "iss": CLIENT, "sub": CLIENT,
            "jti": "00000000-0000-0000-0000-000000000001", "nbf": now - 10, "iat": now, "exp": now + 590,
        })
    );
    assert!(certificate(2).verify_ps256(jwt.signed.as_bytes(), &jwt.signature));
    assert!(!certificate(3).verify_ps256(jwt.signed.as_bytes(), &jwt.signature));
}

#[tokio::test]
async fn each_assertion_has_an_id_of_its_own() {
    let stand_in = StandIn::default();
    let graph = stand_in.graph();
    graph.sign_in(&certificate_sign_in(0)).await.unwrap();
    graph.sign_in(&certificate_sign_in(0)).await.unwrap();
    let ids: Vec<_> =
        stand_in.token_requests().iter().map(|seen| decode(&seen.form("client_assertion").unwrap()).claims["jti"].clone()).collect();
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_proof_is_what_the_page_on_rolling_keys_asks_for() {
    let stand_in = StandIn::default();
    let graph = stand_in.graph();
    graph.add_key(&application(), &certificate(1), &proof()).await.unwrap();
    graph.remove_key(&application(), KEY.parse().unwrap(), &proof()).await.unwrap();
    for seen in stand_in.graph_requests() {
        let jwt = decode(seen.json()["proof"].as_str().unwrap());
        let thumbprint = certificate(0).thumbprint();
        let x5t = BASE64URL_NOPAD.encode(thumbprint.as_bytes());
        assert_eq!(jwt.header, json!({"typ": "JWT", "alg": "RS256", "kid": thumbprint.to_string(), "x5t": x5t}));
        let nbf = start().timestamp() - 10;
        assert_eq!(jwt.claims, json!({"aud": "00000002-0000-0000-c000-000000000000", "iss": OBJECT, "nbf": nbf, "exp": nbf + 600}));
        assert!(certificate(0).verify_rs256(jwt.signed.as_bytes(), &jwt.signature));
    }
}
