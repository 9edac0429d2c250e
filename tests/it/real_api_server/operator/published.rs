use std::collections::BTreeMap;

use entra::{Environment, Graph, SignIn, in_process};
use entra_rotator::seams::Seams;
use entra_types::{Endpoints, Thumbprint};
use k8s_openapi::api::core::v1::Secret;
use keys::{Certificate, PrivateKey, Sensitive};
use kube::ResourceExt as _;
use serde_json::Value;

use super::entra::Entra;

/// A published Secret.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Published {
    pub(super) secret: Secret,
}

impl Published {
    pub(super) fn new(secret: Secret) -> Self {
        Self { secret }
    }

    /// As a watch shows it.
    pub(super) fn read(object: &Value) -> Self {
        Self::new(serde_json::from_value(object.clone()).unwrap())
    }

    pub(super) fn data(&self) -> BTreeMap<&str, &str> {
        let data = self.secret.data.iter().flatten();
        data.map(|(key, value)| (key.as_str(), std::str::from_utf8(&value.0).unwrap())).collect()
    }

    pub(super) fn text(&self, key: &str) -> &str {
        self.data().get(key).copied().unwrap_or_else(|| panic!("the output lacks {key}"))
    }

    /// The certificate under a key.
    pub(super) fn certificate(&self, key: &str) -> Certificate {
        Certificate::from_pem(self.text(key)).unwrap()
    }

    /// The thumbprints of the certificates under a key, in order.
    pub(super) fn thumbprints(&self, key: &str) -> Vec<Thumbprint> {
        let blocks = self.text(key).split_inclusive("-----END CERTIFICATE-----").filter(|block| block.contains("BEGIN"));
        blocks.map(|block| Certificate::from_pem(block).unwrap().thumbprint()).collect()
    }

    pub(super) fn uid(&self) -> String {
        self.secret.uid().unwrap()
    }

    pub(super) fn annotation(&self, name: &str) -> &str {
        self.secret.annotations().get(&format!("entra-rotator.io/{name}")).map_or("", String::as_str)
    }

    /// Signs in with nothing but what stands in the Secret, as a workload does.
    pub(super) async fn sign_in(&self, entra: &Entra) -> Result<(), entra::Failure> {
        self.sign_in_for(entra, &entra.url()).await
    }

    /// The same, to use Graph at this root.
    pub(super) async fn sign_in_for(&self, entra: &Entra, graph: &str) -> Result<(), entra::Failure> {
        let credential = self.credential();
        let endpoints = Endpoints::custom(self.text("AZURE_AUTHORITY_HOST"), graph).unwrap();
        let seams = Seams::real();
        let wire = in_process(entra.emulator().service());
        let tenant = self.text("AZURE_TENANT_ID").parse().unwrap();
        Graph::new(wire, endpoints, tenant, credential, Environment::new(seams.clock, seams.ids)).identity().await.map(drop)
    }

    fn credential(&self) -> SignIn {
        let client_id = self.text("AZURE_CLIENT_ID").parse().unwrap();
        if let Some(secret) = self.data().get("AZURE_CLIENT_SECRET") {
            return SignIn::ClientSecret { client_id, secret: Sensitive::new((*secret).to_owned()) };
        }
        let [key, certificate] = self.text("tls-combined.pem").split_inclusive("-----END PRIVATE KEY-----\n").collect::<Vec<_>>()[..]
        else {
            panic!("tls-combined.pem holds a key and a certificate")
        };
        SignIn::ClientCertificate {
            client_id,
            key: PrivateKey::from_pkcs8_pem(key).unwrap(),
            certificate: Certificate::from_pem(certificate).unwrap(),
        }
    }
}
