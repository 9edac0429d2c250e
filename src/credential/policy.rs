//! `spec` and its surroundings as the policy that the protocol obeys.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entra_types::TenantId;
use kube::ResourceExt as _;
use rotation::{Durations, KeySource, Kind, Metadata, OnDeadline, Policy, Refusal, SignInAs, SigningPolicy, Windows, Wish};

use super::grants::{Wanted, own_client};
use super::{departure, status};
use crate::api::v1alpha1::{GoDuration, MetadataGate, ServicePrincipalCredential, TokenSigningCertificate};
use crate::settings::Settings;
use crate::tenant::Tenant;

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
    let kind = kind(resource);
    let resolved = Durations::resolve(&kind, &wish(resource), tenant.map(|tenant| delta(tenant.spec.minimum_validity)).unwrap_or_default());
    let (durations, invalid) = match resolved {
        Ok(durations) => (durations, None),
        Err(refusal) => (defaults(&kind), Some(refusal)),
    };
    let status = resource.status.as_ref().and_then(|status| status.read().ok());
    Policy {
        uid: resource.uid().unwrap_or_default(),
        tenant_id,
        object: wanted.address.kind,
        kind,
        durations,
        not_issued_before: resource.spec.rotation.as_ref().and_then(|rotation| rotation.not_issued_before),
        suspend: resource.spec.suspend.unwrap_or(false),
        revoke_issued_before: None,
        windows: Windows::default(),
        deleted_at: status::deleted(resource),
        revoke_on_delete: false,
        has_finalizer: resource.finalizers().iter().any(|name| name == departure::FINALIZER),
        approved: None,
        adopt: BTreeSet::new(),
        may_adopt: false,
        generation: resource.metadata.generation.unwrap_or_default(),
        observed_generation: status.and_then(|status| status.observed_generation),
        own_client: tenant.and_then(|tenant| own_client(resource, tenant, &settings.namespace)),
        late: settings.late,
        refusal: refusal.cloned().or(invalid),
    }
}

/// Only for the report while the declared ones contradict each other: nothing is done by them.
fn defaults(kind: &Kind) -> Durations {
    let zero = TimeDelta::zero();
    Durations::resolve(kind, &Wish::default(), zero).unwrap_or(Durations { validity: zero, renew_before: zero, overlap: zero, soak: zero })
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
        (Some(signing), _) => Kind::TokenSigning(SigningPolicy {
            display_name: display_name(resource, signing),
            metadata: match signing.activation.metadata {
                MetadataGate::Ignore => Metadata::Ignore,
                MetadataGate::Observe => Metadata::Observe,
                MetadataGate::Require => Metadata::Require,
            },
            needs_approval: false,
            on_deadline: OnDeadline::Activate,
            pinned: None,
            notification_addresses: None,
            key_source: KeySource::Entra,
        }),
        (None, certificate) => {
            let bits = certificate.as_ref().map(|certificate| i32::from(certificate.key_size()));
            let key_bits = bits.and_then(|bits| u32::try_from(bits).ok()).unwrap_or(2048);
            Kind::ClientCertificate { key_bits, sign_in_as: SignInAs::Operator }
        }
    }
}

fn display_name(resource: &ServicePrincipalCredential, signing: &TokenSigningCertificate) -> String {
    let default = || format!("CN={}", resource.name_any().chars().take(NAME_IN_COMMON_NAME).collect::<String>());
    signing.display_name.clone().unwrap_or_else(default)
}
