//! Graph: what is asked of it, and what is written down of the answer.

use chrono::TimeDelta;
use data_encoding::BASE64;
use http::Method;
use keys::Certificate;
use serde_json::{Value, json};

use super::{
    Source::{self, Documented, Seen},
    surroundings::Surroundings,
};
use crate::stage::{Stage, entry, pfx, proof_header, sign, stamp};

/// What is asked, in which world, and what is to come of it.
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) source: Source,
    /// Method, path below the version, and body.
    pub(super) request: fn(&Given<'_>) -> (Method, String, Value),
    pub(super) status: u16,
    /// The error's code; nothing where none is written down.
    pub(super) code: &'static str,
    /// What the message or the answer holds.
    pub(super) text: &'static str,
}

/// The world that a request is made for.
pub(super) struct Given<'a> {
    pub(super) stage: &'a Stage,
    pub(super) around: &'a Surroundings,
    pub(super) old: (keys::PrivateKey, Certificate, String),
    pub(super) new: Certificate,
}

impl Given<'_> {
    fn action(&self, name: &str, body: Value) -> (Method, String, Value) {
        (Method::POST, self.around.action(self.stage, name), body)
    }

    fn patch(&self, body: Value) -> (Method, String, Value) {
        (Method::PATCH, self.around.path(self.stage), body)
    }

    fn on_principal(&self, name: &str, body: Value) -> (Method, String, Value) {
        let around = self.around.about(true);
        (Method::POST, around.action(self.stage, name), body)
    }

    fn patch_principal(&self, body: Value) -> (Method, String, Value) {
        (Method::PATCH, self.around.about(true).path(self.stage), body)
    }

    /// A signing certificate that Entra made, as the action describes it.
    fn signing(&self) -> Value {
        self.stage.emulator.add_signing_certificate(self.stage.target.service_principal, "CN=made before", None).unwrap()
    }

    fn claims(&self) -> Value {
        self.stage.proof_claims(self.around.target(self.stage))
    }

    fn proof(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.claims();
        change(&mut claims);
        sign(&self.old.0, &proof_header(&self.old.1), &claims)
    }

    #[allow(clippy::needless_pass_by_value)] // Each row makes its own.
    fn add_key(&self, proof: String) -> (Method, String, Value) {
        self.action("addKey", json!({"keyCredential": entry(&self.new), "passwordCredential": null, "proof": proof}))
    }

    /// The list as it is kept, without key material: what a careful client sends back.
    fn keys(&self) -> Vec<Value> {
        let object = self.stage.emulator.object(self.around.target(self.stage)).unwrap();
        let mut keys = object["keyCredentials"].as_array().unwrap().clone();
        keys.iter_mut().for_each(|key| key["key"] = Value::Null);
        keys
    }

    fn passwords(&self) -> Vec<Value> {
        let object = self.stage.emulator.object(self.around.target(self.stage)).unwrap();
        let mut passwords = object["passwordCredentials"].as_array().unwrap().clone();
        passwords.iter_mut().for_each(|password| password["secretText"] = Value::Null);
        passwords
    }

    fn keys_with(&self, new: Value) -> (Method, String, Value) {
        let mut keys = self.keys();
        keys.push(new);
        self.patch(json!({"keyCredentials": keys}))
    }

    fn changed_key(&self, change: impl FnOnce(&mut Value)) -> (Method, String, Value) {
        let mut keys = self.keys();
        let own = keys.iter_mut().find(|key| key["keyId"] == self.old.2.as_str()).unwrap();
        change(own);
        self.patch(json!({"keyCredentials": keys}))
    }
}

const UNKNOWN: &str = "99999999-9999-4999-8999-999999999999";
const BAD: &str = "Request_BadRequest";
const NO_PROOF: &str = "Authentication_MissingOrMalformed";
const MALFORMED: &str = "Access Token missing or malformed.";

macro_rules! row {
    ($source:ident, $what:literal, $status:literal $code:expr, $text:expr, $request:expr) => {
        Row { what: $what, source: $source, request: $request, status: $status, code: $code, text: $text }
    };
}

pub(super) fn rows() -> Vec<Row> {
    [secrets(), keys(), signing_certificates(), lists(), signers(), reads()].into_iter().flatten().collect()
}

fn secrets() -> Vec<Row> {
    vec![
        row!(Documented, "a secret", 200 "", "$metadata#microsoft.graph.passwordCredential", |given| {
            let end = stamp(given.stage.now() + TimeDelta::days(90));
            given.action("addPassword", json!({"passwordCredential": given.around.with_name(json!({"endDateTime": end}))}))
        }),
        row!(Seen, "a secret of nothing but defaults", 200 "", "secretText", |given| given.action("addPassword", json!({}))),
        row!(Seen, "a secret that is not there", 400 BAD, "No password credential found with keyId", |given| given.action("removePassword", json!({"keyId": UNKNOWN}))),
    ]
}

fn keys() -> Vec<Row> {
    vec![
        row!(Documented, "a key with a proof", 200 "", "$metadata#microsoft.graph.keyCredential", |given| given.add_key(given.proof(|_| ()))),
        row!(Documented, "a key removed with a proof", 204 "", "", |given| given.action("removeKey", json!({"keyId": given.old.2, "proof": given.proof(|_| ())}))),
        row!(Seen, "Graph's own id as audience of the proof", 401 NO_PROOF, MALFORMED, |given| given.add_key(given.proof(|claims| claims["aud"] = json!("00000003-0000-0000-c000-000000000000")))),
        row!(Seen, "the client id as issuer of the proof", 401 NO_PROOF, MALFORMED, |given| given.add_key(given.proof(|claims| claims["iss"] = json!(given.stage.target.client_id.to_string())))),
        row!(Seen, "a proof that has long expired", 401 NO_PROOF, MALFORMED, |given| given.add_key(given.proof(|claims| {
            let now = given.stage.now().timestamp();
            claims["nbf"] = json!(now - 7200);
            claims["exp"] = json!(now - 6600);
        }))),
        row!(Documented, "a proof with padding", 401 NO_PROOF, MALFORMED, |given| given.add_key(given.proof(|_| ()) + "=")),
        row!(Seen, "a proof by a stranger's key", 401 NO_PROOF, MALFORMED, |given| {
            let (stranger, _) = given.stage.certificate(2);
            given.add_key(sign(&stranger, &proof_header(&given.old.1), &given.claims()))
        }),
        row!(Seen, "no proof", 401 NO_PROOF, MALFORMED, |given| given.action("removeKey", json!({"keyId": given.old.2, "proof": ""}))),
    ]
}

fn signing_certificates() -> Vec<Row> {
    vec![
        row!(Documented, "a signing certificate", 200 "", "$metadata#microsoft.graph.selfSignedCertificate", |given| {
            let end = stamp(given.stage.now() + TimeDelta::days(1000));
            given.on_principal("addTokenSigningCertificate", json!({"displayName": "CN=payroll", "endDateTime": end}))
        }),
        row!(Seen, "a signing certificate of nothing but defaults", 200 "", "CN=Microsoft Azure Federated SSO Certificate", |given| given.on_principal("addTokenSigningCertificate", json!({}))),
        row!(Documented, "a signing certificate of more than three years", 400 "", "", |given| {
            let end = stamp(given.stage.now() + TimeDelta::days(1110));
            given.on_principal("addTokenSigningCertificate", json!({"displayName": "CN=payroll", "endDateTime": end}))
        }),
        row!(Documented, "a signing certificate whose name is no name", 400 "", "", |given| given.on_principal("addTokenSigningCertificate", json!({"displayName": "payroll"}))),
    ]
}

fn lists() -> Vec<Row> {
    vec![
        row!(Documented, "another certificate in the list", 204 "", "", |given| given.keys_with(entry(&given.new))),
        row!(Documented, "an empty list", 204 "", "", |given| given.patch(json!({"keyCredentials": []}))),
        row!(Seen, "a certificate as base64 of PEM", 204 "", "", |given| {
            let mut new = entry(&given.new);
            new["key"] = json!(BASE64.encode(given.new.pem().as_bytes()));
            given.keys_with(new)
        }),
        row!(Seen, "a kept entry with a digit less", 400 BAD, "is not allowed.", |given| given.changed_key(|key| {
            let start = key["startDateTime"].as_str().unwrap().replace('Z', "0Z");
            key["startDateTime"] = json!(if start.contains('.') { start } else { start.replace("0Z", ".5Z") });
        })),
        row!(Seen, "a kept entry with its material", 400 BAD, "must be sent back with null value.", |given| given.changed_key(|key| key["key"] = json!(BASE64.encode(given.old.1.der())))),
        row!(Seen, "a new secret in the list", 400 BAD, "New password credentials must be generated using service actions.", |given| {
            let mut passwords = given.passwords();
            passwords.push(json!({"displayName": "mine", "secretText": "chosen~by-me"}));
            given.patch(json!({"passwordCredentials": passwords}))
        }),
        row!(Seen, "an object in place of the list", 400 "BadRequest", "Property keyCredentials in payload has a value that does not match schema.", |given| given.patch(json!({"keyCredentials": entry(&given.new)}))),
        row!(Seen, "an end beyond the certificate's", 400 "KeyCredentialsInvalidEndDate", "Key credential end date is invalid.", |given| {
            let mut new = entry(&given.new);
            new["endDateTime"] = json!(stamp(given.new.not_after() + TimeDelta::days(1)));
            given.keys_with(new)
        }),
        row!(Seen, "bytes that are no certificate", 400 "KeyCredentialsInvalidValue", "", |given| {
            given.keys_with(json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": BASE64.encode(b"no certificate")}))
        }),
        row!(Seen, "a certificate that is to sign", 400 BAD, "Acceptable values are Sign, Verify.", |given| {
            let mut new = entry(&given.new);
            new["usage"] = json!("Sign");
            given.keys_with(new)
        }),
        row!(Seen, "an identifier of 33 bytes", 400 BAD, "", |given| {
            let mut new = entry(&given.new);
            new["customKeyIdentifier"] = json!(BASE64.encode(&[7; 33]));
            given.keys_with(new)
        }),
        row!(Documented, "a name of more than 90 characters", 204 "", "", |given| {
            let mut new = entry(&given.new);
            new["displayName"] = json!("n".repeat(120));
            given.keys_with(new)
        }),
        row!(Seen, "a PFX without its password", 400 "", "", |given| {
            let key = pfx(&given.old.0, &given.old.1, "password");
            given.action("addKey", json!({"keyCredential": {"type": "X509CertAndPassword", "usage": "Sign", "key": key}, "passwordCredential": null, "proof": given.proof(|_| ())}))
        }),
    ]
}

fn signers() -> Vec<Row> {
    vec![
        row!(Documented, "the choice of a signing certificate", 204 "", "", |given| {
            let made = given.signing();
            given.patch_principal(json!({"preferredTokenSigningKeyThumbprint": made["thumbprint"]}))
        }),
        row!(Seen, "the choice of a signing certificate that is none", 204 "", "", |given| {
            given.patch_principal(json!({"preferredTokenSigningKeyThumbprint": "DA20FCA696C4F83E8A9AED59BE33368ED421F3C1"}))
        }),
        row!(Seen, "no choice of a signing certificate any more", 204 "", "", |given| given.patch_principal(json!({"preferredTokenSigningKeyThumbprint": null}))),
        row!(Seen, "the key of a signing certificate removed by action", 500 "", "", |given| {
            let made = given.signing();
            let around = given.around.about(true);
            let proof = given.stage.proof(around.target(given.stage), &given.old.0, &given.old.1);
            // On whichever object the proof holds; where it does not, the service principal has its own certificate.
            if !given.around.principal {
                given.stage.emulator.add_certificate(around.target(given.stage), &given.old.1).unwrap();
            }
            given.on_principal("removeKey", json!({"keyId": made["keyId"], "proof": proof}))
        }),
        row!(Seen, "the password of a signing certificate removed by action", 500 "", "", |given| {
            let made = given.signing();
            given.on_principal("removePassword", json!({"keyId": made["keyId"]}))
        }),
        row!(Seen, "a signing certificate removed from both lists at once", 204 "", "", |given| {
            let made = given.signing();
            let object = given.stage.emulator.object(given.stage.target.service_principal).unwrap();
            let kept = |list: &str, material: &str| -> Vec<Value> {
                let entries = object[list].as_array().unwrap().iter().filter(|entry| entry["customKeyIdentifier"] != made["customKeyIdentifier"]);
                entries.cloned().map(|mut entry| { entry[material] = Value::Null; entry }).collect()
            };
            given.patch_principal(json!({"keyCredentials": kept("keyCredentials", "key"), "passwordCredentials": kept("passwordCredentials", "secretText")}))
        }),
        row!(Seen, "a secret removed from the list", 204 "", "", |given| given.patch(json!({"passwordCredentials": []}))),
    ]
}

fn reads() -> Vec<Row> {
    vec![
        row!(Documented, "a read of all", 200 "", "\"key\":null", |given| {
            let collection = if given.around.principal { "servicePrincipals" } else { "applications" };
            (Method::GET, format!("/{collection}?$select=id,keyCredentials"), Value::Null)
        }),
        row!(Seen, "parameters that the page does not have", 400 "", "", |given| given.on_principal("addTokenSigningCertificate", json!({"displayName": "CN=payroll", "type": "", "usage": ""}))),
        row!(Documented, "a read", 200 "", "$metadata#", |given| (Method::GET, given.around.path(given.stage), Value::Null)),
        row!(Documented, "a read of the keys", 200 "", "\"key\":\"", |given| (Method::GET, given.around.path(given.stage) + "?$select=id,keyCredentials", Value::Null)),
        row!(Documented, "an object that is not there", 404 "Request_ResourceNotFound", "does not exist or one of its queried reference-property objects are not present.", |given| {
            let path = given.around.path(given.stage);
            let collection = path.trim_start_matches('/').split(['/', '(']).next().unwrap();
            (Method::GET, format!("/{collection}/{UNKNOWN}"), Value::Null)
        }),
        row!(Seen, "a method that is not there", 405 BAD, "Specified HTTP method is not allowed for the request target.", |given| (Method::GET, given.around.action(given.stage, "addPassword"), Value::Null)),
    ]
}
