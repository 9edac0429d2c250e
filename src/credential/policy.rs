//! `spec` and its surroundings as the policy that the protocol obeys.

use chrono::TimeDelta;
use entra_types::TenantId;
use kube::ResourceExt as _;
use rotation::{Durations, Kind, Metadata, Policy, Refusal, Wish};

use super::grants::Wanted;
use crate::api::v1alpha1::{CredentialKind, GoDuration, MetadataGate, ServicePrincipalCredential, TokenSigningCertificate};
use crate::settings::Settings;
use crate::tenant::{Access, Tenant};

/// Characters of the resource's name that go into a signing certificate's: with `CN=`, a hyphen and the entry id it stays below Graph's limit.
const NAME_IN_COMMON_NAME: usize = 45;

/// Builds the policy. `refusal` is what tenant and grants say; that and a contradiction in the durations stop everything that would touch Entra.
pub(crate) fn policy(
    resource: &ServicePrincipalCredential,
    wanted: &Wanted,
    tenant: Option<&Tenant>,
    tenant_id: TenantId,
    refusal: Option<&Refusal>,
    settings: &Settings,
) -> Policy {
    let signing = wanted.kind == CredentialKind::TokenSigningCertificate;
    let resolved =
        Durations::resolve(signing, &wish(resource), tenant.map(|tenant| delta(tenant.spec.minimum_validity)).unwrap_or_default());
    let (durations, invalid) = match resolved {
        Ok(durations) => (durations, None),
        Err(refusal) => (defaults(signing), Some(refusal)),
    };
    let status = resource.status.as_ref().and_then(|status| status.read().ok());
    Policy {
        uid: resource.uid().unwrap_or_default(),
        tenant_id,
        object: wanted.address.kind,
        kind: kind(resource),
        durations,
        not_issued_before: resource.spec.rotation.as_ref().and_then(|rotation| rotation.not_issued_before),
        suspend: resource.spec.suspend.unwrap_or(false),
        deleting: resource.metadata.deletion_timestamp.is_some(),
        generation: resource.metadata.generation.unwrap_or_default(),
        observed_generation: status.and_then(|status| status.observed_generation),
        own_client: tenant.and_then(|tenant| match &tenant.access {
            Access::Ready(signed_in) => Some(signed_in.client_id),
            Access::NotReady { .. } | Access::Unknown => None,
        }),
        late: settings.late,
        refusal: refusal.cloned().or(invalid),
    }
}

/// Only for the report while the declared ones contradict each other: nothing is done by them.
fn defaults(signing: bool) -> Durations {
    let zero = TimeDelta::zero();
    Durations::resolve(signing, &Wish::default(), zero).unwrap_or(Durations {
        validity: zero,
        renew_before: zero,
        overlap: zero,
        soak: zero,
    })
}

fn wish(resource: &ServicePrincipalCredential) -> Wish {
    let rotation = resource.spec.rotation.as_ref();
    let signing = resource.spec.token_signing_certificate.as_ref();
    Wish {
        validity: rotation.and_then(|rotation| rotation.validity).map(delta),
        renew_before: rotation.and_then(|rotation| rotation.renew_before).map(delta),
        overlap: rotation.and_then(|rotation| rotation.overlap).map(delta),
        soak: signing.and_then(|signing| signing.activation.soak).map(delta),
    }
}

fn delta(duration: GoDuration) -> TimeDelta {
    duration.into()
}

fn kind(resource: &ServicePrincipalCredential) -> Kind {
    match (&resource.spec.token_signing_certificate, &resource.spec.client_certificate) {
        (Some(signing), _) => Kind::TokenSigning {
            display_name: display_name(resource, signing),
            metadata: match signing.activation.metadata {
                MetadataGate::Ignore => Metadata::Ignore,
                MetadataGate::Observe => Metadata::Observe,
                MetadataGate::Require => Metadata::Require,
            },
        },
        (None, certificate) => {
            let bits = certificate.as_ref().map(|certificate| i32::from(certificate.key_size()));
            Kind::ClientCertificate { key_bits: bits.and_then(|bits| u32::try_from(bits).ok()).unwrap_or(2048) }
        }
    }
}

fn display_name(resource: &ServicePrincipalCredential, signing: &TokenSigningCertificate) -> String {
    let default = || format!("CN={}", resource.name_any().chars().take(NAME_IN_COMMON_NAME).collect::<String>());
    signing.display_name.clone().unwrap_or_else(default)
}
