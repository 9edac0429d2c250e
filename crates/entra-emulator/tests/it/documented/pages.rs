//! The example requests of the three reference pages, sent as they stand there: method, spelling of the path, names of the headers, white space of the
//! body. What a page leaves out with dots is filled in.

use bytes::Bytes;
use data_encoding::BASE64;
use http::Request;
use keys::Certificate;
use serde_json::{Value, json};

use crate::stage::{GRAPH, PROOF_AUDIENCE, Reply, Stage, pfx, proof_header, sign};

/// An example of a page: the place of the action, and the body, with what is left out there between braces.
struct Example {
    page: &'static str,
    path: &'static str,
    body: &'static str,
    /// The context of the documented answer.
    context: &'static str,
}

const CERTIFICATE: &str = r#"{
    "keyCredential": {
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "key": "{certificate}"
    },
    "passwordCredential": null,
    "proof":"{proof}"
}"#;
const WITH_PASSWORD: &str = r#"{
    "keyCredential": {
        "type": "X509CertAndPassword",
        "usage": "Sign",
        "key": "{pfx}"
    },
    "passwordCredential": {
        "secretText": "MKTr0w1..."
    },
    "proof":"{proof}"
}"#;
const SIGNING: &str = r#"{
    "displayName":"CN=customDisplayName",
    "endDateTime":"{end}"
}"#;
const KEY: &str = "https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.keyCredential";
const SELF_SIGNED: &str = "https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.selfSignedCertificate";

const EXAMPLES: [Example; 10] = [
    Example { page: "application: addKey, example 1", path: "/applications/{id}/addKey", body: CERTIFICATE, context: KEY },
    Example { page: "application: addKey, example 2", path: "/applications/{id}/addKey", body: WITH_PASSWORD, context: KEY },
    Example { page: "application: addKey, by appId", path: "/applications(appId='{appId}')/addKey", body: CERTIFICATE, context: KEY },
    Example { page: "servicePrincipal: addKey, example 1", path: "/servicePrincipals/{id}/addKey", body: CERTIFICATE, context: KEY },
    Example { page: "servicePrincipal: addKey, example 2", path: "/servicePrincipals/{id}/addKey", body: WITH_PASSWORD, context: KEY },
    Example { page: "servicePrincipal: addKey, HTTP request", path: "/serviceprincipals/{id}/addKey", body: CERTIFICATE, context: KEY },
    Example {
        page: "servicePrincipal: addKey, by appId",
        path: "/servicePrincipals(appId='{appId}')/addKey",
        body: CERTIFICATE,
        context: KEY,
    },
    Example {
        page: "addTokenSigningCertificate, example",
        path: "/servicePrincipals/{id}/addTokenSigningCertificate",
        body: SIGNING,
        context: SELF_SIGNED,
    },
    Example {
        page: "addTokenSigningCertificate, by appId",
        path: "/servicePrincipals(appId='{appId}')/addTokenSigningCertificate",
        body: SIGNING,
        context: SELF_SIGNED,
    },
    Example {
        page: "addTokenSigningCertificate, defaults",
        path: "/servicePrincipals/{id}/addTokenSigningCertificate",
        body: r#"{"displayName":"CN=customDisplayName"}"#,
        context: SELF_SIGNED,
    },
];

/// Fills the page's braces in.
async fn send(stage: &Stage, example: &Example) -> Reply {
    let object = if example.path.starts_with("/app") { stage.target.application } else { stage.target.service_principal };
    let (old_key, old) = stage.certificate(1);
    stage.emulator.add_certificate(object, &old).unwrap();
    let (new_key, new) = stage.certificate(2);
    let now = stage.now().timestamp();
    let claims = json!({"aud": PROOF_AUDIENCE, "iss": object.to_string(), "nbf": now, "exp": now + 600});
    let fill = |text: &str| {
        text.replace("{id}", &object.to_string())
            .replace("{appId}", &stage.target.client_id.to_string())
            .replace("{certificate}", &BASE64.encode(new.der()))
            .replace("{pfx}", &pfx(&new_key, &new, "MKTr0w1..."))
            .replace("{proof}", &sign(&old_key, &proof_header(&old), &claims))
            .replace("{end}", &(stage.now() + chrono::TimeDelta::days(993)).format("%Y-%m-%dT00:00:00Z").to_string())
    };
    let (_, token) = stage.client(&["Application.ReadWrite.All"]).await;
    let request = Request::post(format!("{GRAPH}/v1.0{}", fill(example.path)));
    let request = request.header("Authorization", format!("Bearer {token}")).header("Content-type", "application/json");
    stage.send(request.body(Bytes::from(fill(example.body))).unwrap()).await
}

#[tokio::test]
async fn the_examples_of_the_reference_pages_are_answered_as_the_pages_say() {
    for example in EXAMPLES {
        let stage = Stage::new().await;
        let reply = send(&stage, &example).await;
        assert_eq!(reply.status, 200, "{}: {}", example.page, reply.json());
        let kind = reply.headers["content-type"].to_str().unwrap();
        assert!(kind.starts_with("application/json"), "{}: {kind}", example.page);
        assert_eq!(reply.json()["@odata.context"], example.context, "{}", example.page);
    }
}

fn entries(stage: &Stage, list: &str) -> Vec<Value> {
    stage.emulator.object(stage.target.service_principal).unwrap()[list].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_signing_certificate_leaves_what_its_page_describes() {
    let stage = Stage::new().await;
    let (before, asked) = (entries(&stage, "keyCredentials").len(), stage.now());
    let made = send(&stage, &EXAMPLES[9]).await.json();
    let link = |entry: &&Value| entry["customKeyIdentifier"] == made["customKeyIdentifier"];
    let keys = entries(&stage, "keyCredentials");
    // The client certificate that every example registers comes besides.
    assert_eq!(keys.len(), before + 3);
    let by_usage = |usage: &str| keys.iter().filter(link).find(|key| key["usage"] == usage).unwrap().clone();
    let (private, public) = (by_usage("Sign"), by_usage("Verify"));
    let passwords = entries(&stage, "passwordCredentials");
    let password = passwords.iter().find(link).unwrap();
    assert_eq!(password["keyId"], private["keyId"], "the password opens the PFX of this key");
    assert_ne!(public["keyId"], private["keyId"]);
    assert_eq!(made["keyId"], private["keyId"], "seen by others: the answer names the private key");
    let certificate = Certificate::from_der(&BASE64.decode(made["key"].as_str().unwrap().as_bytes()).unwrap()).unwrap();
    assert!(certificate.subject().contains("customDisplayName"), "{}", certificate.subject());
    let instant = |field: &str| made[field].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!((instant("startDateTime") - asked).num_seconds().abs() <= 1, "it starts when it is made");
    let end = asked.checked_add_months(chrono::Months::new(36)).unwrap();
    assert!((instant("endDateTime") - end).num_seconds().abs() <= 1, "without an end it lives three years");
}

#[tokio::test]
async fn an_object_without_a_valid_certificate_cannot_use_add_key() {
    for path in ["/applications/{id}/addKey", "/servicePrincipals/{id}/addKey"] {
        let stage = Stage::new().await;
        let object = if path.starts_with("/app") { stage.target.application } else { stage.target.service_principal };
        let (key, own) = stage.certificate(1);
        let proof = stage.proof(object, &key, &own);
        let body = json!({"keyCredential": crate::stage::entry(&own), "passwordCredential": null, "proof": proof});
        let reply = stage.post(&path.replace("{id}", &object.to_string()), &body).await;
        assert_eq!(reply.verdict(), crate::stage::refused(401, "Authentication_MissingOrMalformed"), "{path}");
    }
}
