//! `spec` and its surroundings as the policy that the protocol obeys.

use chrono::TimeDelta;
use entra_types::TenantId;
use kube::ResourceExt as _;
use rotation::{
    Durations, KeySource, Kind, Metadata, OnDeadline, Policy, Reason, Refusal, SignInAs, SigningPolicy, Time, Window, WindowError, Windows,
    Wish,
};

use super::grants::{Granted, Wanted, own_client};
use super::{departure, status};
use crate::api::v1alpha1::{self as api, DeletionPolicy, GoDuration, MetadataGate, ServicePrincipalCredential, TokenSigningCertificate};
use crate::settings::Settings;
use crate::tenant::Tenant;

/// By this annotation a person approves the ledger entry that it names.
const APPROVE: &str = "entra-rotator.io/approve";

/// Characters of the resource's name that go into a signing certificate's: with `CN=`, a hyphen and the entry id it stays below Graph's limit.
const NAME_IN_COMMON_NAME: usize = 45;

/// Builds the policy. `refusal` is what tenant and grants say; that and a contradiction in the spec stop everything that would touch Entra.
pub(crate) fn policy(
    resource: &ServicePrincipalCredential,
    wanted: &Wanted,
    tenant: Option<&Tenant>,
    tenant_id: TenantId,
    granted: Result<&Granted, &Refusal>,
    surroundings: &Surroundings<'_>,
) -> Policy {
    let kind = kind(resource);
    let resolved = Durations::resolve(&kind, &wish(resource), tenant.map(|tenant| delta(tenant.spec.minimum_validity)).unwrap_or_default());
    let (durations, invalid) = match resolved {
        Ok(durations) => (durations, None),
        Err(refusal) => (defaults(&kind), Some(refusal)),
    };
    let (windows, unscheduled) = match windows(resource, surroundings.now) {
        Ok(windows) => (windows, None),
        Err(refusal) => (Windows::default(), Some(refusal)),
    };
    let status = resource.status.as_ref().and_then(|status| status.read().ok());
    let rotation = resource.spec.rotation.as_ref();
    Policy {
        uid: resource.uid().unwrap_or_default(),
        tenant_id,
        object: wanted.address.kind,
        kind,
        durations,
        not_issued_before: rotation.and_then(|rotation| rotation.not_issued_before),
        revoke_issued_before: rotation.and_then(|rotation| rotation.revoke_issued_before),
        windows,
        suspend: resource.spec.suspend.unwrap_or(false),
        deleted_at: status::deleted(resource),
        revoke_on_delete: resource.spec.deletion_policy == DeletionPolicy::Revoke,
        has_finalizer: resource.finalizers().iter().any(|name| name == departure::FINALIZER),
        approved: resource.annotations().get(APPROVE).and_then(|id| id.parse().ok()),
        adopt: resource.spec.adopt_key_ids.iter().filter_map(|id| id.parse().ok()).collect(),
        may_adopt: granted.is_ok_and(|granted| granted.allow_adoption),
        generation: resource.metadata.generation.unwrap_or_default(),
        observed_generation: status.and_then(|status| status.observed_generation),
        own_client: tenant.and_then(|tenant| own_client(resource, tenant, &surroundings.settings.namespace)),
        late: surroundings.settings.late,
        // Where and how it would be published does not matter any more once it goes.
        refusal: granted.err().cloned().or_else(|| {
            let unreachable = surroundings.settings.reach.refusal(resource);
            unreachable.or(invalid).or(unscheduled).filter(|_| status::deleted(resource).is_none())
        }),
    }
}

/// What a policy depends on besides resource and tenant.
pub(crate) struct Surroundings<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) now: Time,
}

fn windows(resource: &ServicePrincipalCredential, now: Time) -> Result<Windows, Refusal> {
    let declared = resource.spec.rotation.iter().flat_map(|rotation| &rotation.windows);
    let parsed = declared.map(|window| Window::parse(&window.schedule, &window.time_zone, delta(window.duration), now));
    let refused =
        |error: WindowError| Refusal::new(Reason::InvalidSchedule, format!("A window of spec.rotation.windows is none: {error}."));
    parsed.collect::<Result<Vec<_>, _>>().map(Windows::new).map_err(refused)
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
    let spec = &resource.spec;
    match (&spec.token_signing_certificate, &spec.client_certificate) {
        (Some(signing), _) => Kind::TokenSigning(signing_policy(resource, signing)),
        (None, Some(certificate)) => Kind::ClientCertificate {
            key_bits: u32::try_from(i32::from(certificate.key_size())).unwrap_or(2048),
            sign_in_as: match certificate.sign_in_as {
                api::SignInAs::Operator => SignInAs::Operator,
                api::SignInAs::Itself => SignInAs::Itself,
            },
        },
        (None, None) => Kind::ClientSecret,
    }
}

fn signing_policy(resource: &ServicePrincipalCredential, signing: &TokenSigningCertificate) -> SigningPolicy {
    let activation = &signing.activation;
    SigningPolicy {
        display_name: display_name(resource, signing),
        metadata: match activation.metadata {
            MetadataGate::Ignore => Metadata::Ignore,
            MetadataGate::Observe => Metadata::Observe,
            MetadataGate::Require => Metadata::Require,
        },
        needs_approval: activation.approval == api::Approval::Required,
        on_deadline: match activation.on_deadline {
            api::OnDeadline::Activate => OnDeadline::Activate,
            api::OnDeadline::Withdraw => OnDeadline::Withdraw,
        },
        pinned: signing.pinned_thumbprint.as_ref().and_then(|thumbprint| thumbprint.parse().ok()),
        notification_addresses: signing.notification_email_addresses.as_ref().map(|addresses| addresses.iter().cloned().collect()),
        key_source: match signing.key_source {
            api::KeySource::Entra => KeySource::Entra,
            api::KeySource::Operator => KeySource::Operator { has_proof: signing.proof_from.is_some() },
        },
    }
}

fn display_name(resource: &ServicePrincipalCredential, signing: &TokenSigningCertificate) -> String {
    let default = || format!("CN={}", resource.name_any().chars().take(NAME_IN_COMMON_NAME).collect::<String>());
    signing.display_name.clone().unwrap_or_else(default)
}
