//! Which kinds of resources there are, and which of them share an application.

use std::collections::BTreeSet;

use entra_types::ObjectKind;
use rotation::{KeySource, Kind, Metadata, Policy};

use crate::{certificate, secret, self_rolled, signing_with};

/// A kind of resource, as finely as it matters for what is written.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Sort {
    /// A client secret.
    Secret,
    /// A client certificate on the application.
    Certificate,
    /// A client certificate on the service principal.
    PrincipalCertificate,
    /// A client certificate that the application rolls itself.
    SelfRolled,
    /// A signing certificate that Entra makes.
    Signing,
    /// A signing certificate that the operator makes and sends with a proof.
    SigningByProof,
    /// A signing certificate that the operator makes and sends by list updates.
    SigningByUpdate,
}

use Sort::{Certificate, PrincipalCertificate, Secret, SelfRolled, Signing, SigningByProof, SigningByUpdate};

/// The resources of one application and its service principal, in turn.
const LAYOUTS: &[&[Sort]] = &[
    &[Secret],
    &[Certificate],
    &[Signing],
    &[SigningByUpdate],
    &[SigningByProof, Certificate],
    &[SelfRolled],
    &[Secret, Certificate],
    &[Signing, PrincipalCertificate],
    &[Secret, Secret],
    &[Certificate, Certificate],
    &[Secret, Certificate, Signing],
    &[SigningByUpdate, PrincipalCertificate, Secret],
    &[SelfRolled, Secret],
    &[SigningByProof, PrincipalCertificate],
];

/// As many sites as so many resources need.
pub(super) fn sites(sorts: &[Sort], resources: u32) -> Vec<Vec<Sort>> {
    let asked: Vec<Vec<Sort>> = LAYOUTS.iter().map(|layout| layout.iter().copied().filter(|sort| sorts.contains(sort)).collect()).collect();
    let mut met = BTreeSet::new();
    let layouts: Vec<_> = asked.into_iter().filter(|layout| !layout.is_empty() && met.insert(layout.clone())).collect();
    let mut left = if layouts.is_empty() { 0 } else { resources as usize };
    let mut sites = vec![];
    for layout in layouts.iter().cycle() {
        if left == 0 {
            break;
        }
        let site: Vec<Sort> = layout.iter().copied().take(left).collect();
        left -= site.len();
        sites.push(site);
    }
    sites
}

impl Sort {
    /// Every kind.
    pub const ALL: [Self; 7] = [Secret, Certificate, PrincipalCertificate, SelfRolled, Signing, SigningByProof, SigningByUpdate];

    /// Its name on the command line and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Secret => "secret",
            Certificate => "certificate",
            PrincipalCertificate => "principal-certificate",
            SelfRolled => "self-rolled",
            Signing => "signing",
            SigningByProof => "signing-by-proof",
            SigningByUpdate => "signing-by-update",
        }
    }

    /// What such a resource asks for, with credentials that live for so many days.
    pub(super) fn policy(self, days: i64) -> Policy {
        let mut policy = match self {
            Secret => secret(days),
            Certificate | PrincipalCertificate => certificate(days),
            SelfRolled => self_rolled(days),
            Signing | SigningByProof | SigningByUpdate => signing_with(days, Metadata::Observe),
        };
        if self == PrincipalCertificate {
            policy.object = ObjectKind::ServicePrincipal;
        }
        if let (Kind::TokenSigning(signing), SigningByProof | SigningByUpdate) = (&mut policy.kind, self) {
            signing.key_source = KeySource::Operator { has_proof: self == SigningByProof };
        }
        policy
    }
}
