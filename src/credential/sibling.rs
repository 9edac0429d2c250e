//! `proofFrom`: the client certificate of another resource proves possession for a signing key.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::runtime::reflector::ObjectRef;

use super::cluster::ask;
use super::keyring::KeyPair;
use super::pass::Pass;
use super::slots;
use super::trouble::Upset;
use crate::api::v1alpha1::{CredentialKind, ServicePrincipalCredential};

impl Pass<'_> {
    /// The key pair that the other resource publishes. Whether it belongs to the same object is Entra's to say: a proof by any other is refused.
    pub(super) async fn sibling(&mut self) -> Result<KeyPair, Upset> {
        let named = self.resource.spec.token_signing_certificate.as_ref().and_then(|signing| signing.proof_from.as_ref());
        let name = named.map(|named| named.name.clone()).unwrap_or_default();
        let unusable =
            |why: &str| Upset::Proof(format!("ServicePrincipalCredential {name} of spec.tokenSigningCertificate.proofFrom {why}."));
        let sibling = self.context.store.get(&ObjectRef::<ServicePrincipalCredential>::new(&name).within(&self.namespace()));
        let sibling = sibling.ok_or_else(|| unusable("does not exist"))?;
        if sibling.spec.kind() != CredentialKind::ClientCertificate {
            return Err(unusable("keeps no client certificate"));
        }
        let output = sibling.spec.output().name().to_owned();
        let secrets = self.context.secrets(&self.namespace());
        let found = ask(format!("read Secret {output}"), secrets.get_opt(&output)).await.map_err(Upset::Cluster)?;
        let pair = found.filter(|secret| is_output_of(secret, &sibling)).and_then(|secret| slots::key_pair(&secret));
        pair.ok_or_else(|| unusable("has not published its certificate"))
    }
}

fn is_output_of(secret: &Secret, sibling: &ServicePrincipalCredential) -> bool {
    secret.labels().get(super::layout::OUTPUT_LABEL) == sibling.metadata.uid.as_ref()
}
