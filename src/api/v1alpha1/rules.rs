//! The rules, in CEL, that a schema alone cannot say, each with the message that tells what to write instead.
//!
//! Rules about several durations first ask whether each has the right form: the API server runs every rule, and
//! `duration()` of another text is an error that would hide the message about the form.

use kube::core::Rule;

/// A rule and its message.
pub(super) type Said = (&'static str, &'static str);

pub(super) const DURATION: Said = (
    "self.matches('^([0-9]{1,5}(h|m|s)){1,3}$') && duration(self) <= duration('26280h')",
    "write hours, minutes and seconds, at most 26280h (three years): 720h is 30 days",
);

// ServicePrincipalCredential

pub(super) const NAME: Said = ("self.metadata.name.size() <= 200", "the name may have at most 200 characters");

pub(super) const TENANT_REF_FIXED: Said = ("self == oldSelf", "tenantRef cannot change: make another ServicePrincipalCredential");

pub(super) const TARGET_BY_ONE_ID: Said =
    ("has(self.clientID) != has(self.objectID)", "name the application by clientID or the object by objectID");

pub(super) const OBJECT_ID_SAYS_WHICH: Said =
    ("!has(self.objectID) || has(self.object)", "with objectID say which object it is: Application or ServicePrincipal");

pub(super) const TARGET_FIXED: Said = ("self == oldSelf", "target cannot change: make another ServicePrincipalCredential");

pub(super) const DISPLAY_NAME: Said = ("self.startsWith('CN=') && self.size() > 3", "displayName must start with CN=, such as CN=payroll");

const VALIDITY: Said = (
    "!(has(self.validity) && self.validity.matches('^([0-9]{1,5}(h|m|s)){1,3}$')) || duration(self.validity) >= duration('1m')",
    "validity must be at least 1m",
);

const RENEW_BEFORE: Said = (
    "!(has(self.validity) && has(self.renewBefore) && (self.validity + self.renewBefore).matches('^([0-9]{1,5}(h|m|s)){2,6}$')) || duration(self.renewBefore) < duration(self.validity)",
    "renewBefore must be shorter than validity",
);

const SOME_RENEW_BEFORE: Said = (
    "!(has(self.renewBefore) && self.renewBefore.matches('^([0-9]{1,5}(h|m|s)){1,3}$')) || duration(self.renewBefore) > duration('0s')",
    "renewBefore must be longer than zero, or there is no time for a successor",
);

const OVERLAP: Said = (
    "!(has(self.overlap) && has(self.renewBefore) && (self.overlap + self.renewBefore).matches('^([0-9]{1,5}(h|m|s)){2,6}$')) || duration(self.overlap) <= duration(self.renewBefore)",
    "overlap must fit in renewBefore, or the old credential expires within its overlap",
);

/// `validity` is long enough to be of use.
pub(super) fn validity() -> Rule {
    Rule::from(VALIDITY).field_path(".validity")
}

/// `renewBefore` lies within `validity`.
pub(super) fn renew_before() -> Rule {
    Rule::from(RENEW_BEFORE).field_path(".renewBefore")
}

/// `renewBefore` leaves time for a successor.
pub(super) fn some_renew_before() -> Rule {
    Rule::from(SOME_RENEW_BEFORE).field_path(".renewBefore")
}

/// `overlap` lies within `renewBefore`.
pub(super) fn overlap() -> Rule {
    Rule::from(OVERLAP).field_path(".overlap")
}

pub(super) const ONE_KIND: Said = (
    "[has(self.tokenSigningCertificate), has(self.clientCertificate), has(self.clientSecret)].filter(x, x).size() == 1",
    "choose one of tokenSigningCertificate, clientCertificate, clientSecret ({} takes the defaults)",
);

pub(super) const KIND_FIXED: Said = (
    "has(self.tokenSigningCertificate) == has(oldSelf.tokenSigningCertificate) && has(self.clientCertificate) == has(oldSelf.clientCertificate) && has(self.clientSecret) == has(oldSelf.clientSecret)",
    "the kind of credential cannot change: make another ServicePrincipalCredential",
);

pub(super) const ONE_OUTPUT: Said =
    ("[has(self.secretName), has(self.configMapName)].filter(x, x).size() == 1", "choose where to publish: secretName or configMapName");

pub(super) const NOT_A_STAGING_NAME: Said = (
    "!has(self.secretName) || !self.secretName.matches('-entra-[ab]$')",
    "names ending in -entra-a or -entra-b are kept for staging: choose another secretName",
);

pub(super) const CONFIG_MAP_IS_PUBLIC: Said = (
    "!has(self.configMapName) || has(self.tokenSigningCertificate)",
    "only a token signing certificate, being public, may go into a ConfigMap: use secretName",
);

pub(super) const OUTPUT_FIXED: Said = (
    "has(self.secretName) == has(oldSelf.secretName) && (!has(self.secretName) || self.secretName == oldSelf.secretName) && (!has(self.configMapName) || self.configMapName == oldSelf.configMapName)",
    "where to publish cannot change: make another ServicePrincipalCredential",
);

pub(super) const SELF_ON_APPLICATION: Said = (
    "!has(self.clientCertificate) || !has(self.clientCertificate.signInAs) || self.clientCertificate.signInAs == 'Operator' || !has(self.target.object) || self.target.object == 'Application'",
    "signInAs: Self works on the application object only",
);

pub(super) const PROOF_FOR_OWN_KEYS: Said = (
    "!has(self.tokenSigningCertificate) || !has(self.tokenSigningCertificate.proofFrom) || self.tokenSigningCertificate.keySource == 'Operator'",
    "proofFrom goes with keySource: Operator; Entra needs no proof for a key that it makes",
);

pub(super) const SECRET_OF_A_SECRET: Said = (
    "!has(self.template) || !has(self.template.keys) || !self.template.keys.exists(k, k.from == 'ClientSecret') || has(self.clientSecret)",
    "only a clientSecret has a ClientSecret to publish",
);

const WINDOW: Said = (
    "!self.duration.matches('^([0-9]{1,5}(h|m|s)){1,3}$') || duration(self.duration) >= duration('15m')",
    "a window must be open for at least 15m",
);

/// A window is open long enough to be met.
pub(super) fn window() -> Rule {
    Rule::from(WINDOW).field_path(".duration")
}

pub(super) const TEMPLATE_KEY_LENGTH: Said = ("self.all(k, k.size() <= 317)", "a key may have at most 317 characters");

/// What Kubernetes takes: else the output could not be written. A key that is too long is left to the rule about that.
pub(super) const TEMPLATE_KEY_FORM: Said = (
    "self.all(k, k.size() > 317 || (k.indexOf('/') <= 253 && k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')))",
    "write keys as Kubernetes takes them: at most 63 letters, digits, dashes, underscores and dots, after a prefix such as example.com/ or without one",
);

pub(super) const TEMPLATE_KEY_RESERVED: Said = (
    "self.all(k, !k.matches('^(([^/]*[.])?(argoproj[.]io|fluxcd[.]io|helm[.]sh)|entra-rotator[.]io|(kubectl[.])?kubernetes[.]io)/|^app[.]kubernetes[.]io/(instance|managed-by)$'))",
    "keys of Argo CD, Flux, Helm, Kubernetes and this operator would let another tool prune or take over the output: leave them out",
);

pub(super) const SIGNING_ON_SERVICE_PRINCIPAL: Said = (
    "!has(self.tokenSigningCertificate) || !has(self.target.object) || self.target.object == 'ServicePrincipal'",
    "a token signing certificate lives on the service principal: leave target.object out",
);

pub(super) const SOAK_FITS: Said = (
    "!has(self.tokenSigningCertificate) || !has(self.tokenSigningCertificate.activation.soak) || !has(self.rotation) || !has(self.rotation.renewBefore) || !(self.tokenSigningCertificate.activation.soak + self.rotation.renewBefore + (has(self.rotation.overlap) ? self.rotation.overlap : '0s')).matches('^([0-9]{1,5}(h|m|s)){3,9}$') || duration(self.tokenSigningCertificate.activation.soak) + (has(self.rotation.overlap) ? duration(self.rotation.overlap) : duration('0s')) < duration(self.rotation.renewBefore)",
    "soak and overlap together must be shorter than renewBefore",
);

// EntraTenant

pub(super) const TENANT_ID_FIXED: Said = ("self == oldSelf", "tenantID cannot change: make another EntraTenant");

pub(super) const CLOUD_FIXED: Said = ("self == oldSelf", "cloud cannot change: make another EntraTenant");

pub(super) const HTTPS_URL: Said = (
    "isURL(self) && url(self).getScheme() == 'https' && url(self).getQuery().size() == 0 && !self.contains('@')",
    "give an https URL without user or query, such as https://login.example",
);

pub(super) const ENDPOINTS_OF_CUSTOM: Said =
    ("(self.cloud == 'Custom') == has(self.endpoints)", "endpoints go with cloud: Custom, and only with it");

pub(super) const ENDPOINTS_FIXED: Said = (
    "has(self.endpoints) == has(oldSelf.endpoints) && (!has(self.endpoints) || (self.endpoints.login == oldSelf.endpoints.login && self.endpoints.graph == oldSelf.endpoints.graph))",
    "endpoints cannot change: make another EntraTenant",
);

pub(super) const ONE_SIGN_IN: Said = (
    "[has(self.workloadIdentity), has(self.managedIdentity), has(self.clientCertificate), has(self.clientSecret)].filter(x, x).size() == 1",
    "choose one of workloadIdentity, managedIdentity, clientCertificate, clientSecret",
);

pub(super) const GRANT_SAYS_WHO: Said =
    ("has(self.namespaces) || has(self.namespaceSelector)", "say who: namespaces, namespaceSelector, or both (either suffices)");

pub(super) const GRANT_SAYS_WHAT: Said = ("has(self.clientIDs) || has(self.objectIDs)", "say what: clientIDs, objectIDs, or both");

pub(super) const LABEL_VALUES: Said = (
    "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
    "In and NotIn need values; Exists and DoesNotExist take none",
);
