//! What resources ask for.

use chrono::TimeDelta;
use entra_types::ObjectKind;
use rotation::*;

use crate::UID;

const TENANT: &str = "cccccccc-0000-4000-8000-000000000001";

/// A policy with every default of its kind.
pub fn policy(kind: Kind, wish: &Wish) -> Policy {
    let signing = matches!(kind, Kind::TokenSigning(_));
    let durations = Durations::resolve(&kind, wish, TimeDelta::hours(1)).unwrap();
    let object = if signing { ObjectKind::ServicePrincipal } else { ObjectKind::Application };
    Policy::plain(UID, TENANT.parse().unwrap(), object, kind, durations)
}

/// A client certificate that lives for so many days.
pub fn certificate(days: i64) -> Policy {
    policy(
        Kind::ClientCertificate { key_bits: 2048, sign_in_as: SignInAs::Operator },
        &Wish { validity: Some(TimeDelta::days(days)), ..Wish::default() },
    )
}

/// A client secret that lives for so many days.
pub fn secret(days: i64) -> Policy {
    policy(Kind::ClientSecret, &Wish { validity: Some(TimeDelta::days(days)), ..Wish::default() })
}

/// A client certificate that the application rolls itself.
pub fn self_rolled(days: i64) -> Policy {
    let kind = Kind::ClientCertificate { key_bits: 2048, sign_in_as: SignInAs::Itself };
    policy(kind, &Wish { validity: Some(TimeDelta::days(days)), ..Wish::default() })
}

/// A signing certificate that lives for so many days.
pub fn signing(days: i64) -> Policy {
    signing_with(days, Metadata::Observe)
}

/// A signing certificate that lives for so many days, and what the metadata must show before it signs.
pub fn signing_with(days: i64, metadata: Metadata) -> Policy {
    let kind = Kind::TokenSigning(SigningPolicy {
        display_name: "CN=payroll".to_owned(),
        metadata,
        needs_approval: false,
        on_deadline: OnDeadline::Activate,
        pinned: None,
        notification_addresses: None,
        key_source: KeySource::Entra,
    });
    policy(kind, &Wish { validity: Some(TimeDelta::days(days)), ..Wish::default() })
}
