//! What is published: no gap, nothing that does not belong together, nothing that ends sooner than what it replaces.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64;
use entra_types::Thumbprint;
use keys::{Certificate, PrivateKey};
use serde_json::Value;

use super::{Oracle, annotation, entries};
use crate::setup::Kind;

/// What was published last, and what was before it.
#[derive(Default)]
pub(super) struct Shown {
    now: Option<Value>,
    before: Option<Before>,
    /// The resourceVersion of the output whose parts were found to belong together: that costs more than all else, and does not change by itself.
    whole: Option<Value>,
    /// The certificate that Entra preferred and signed with.
    signer: Option<Thumbprint>,
}

/// What was published before, which consumers may hold still.
#[derive(Clone)]
struct Before {
    output: Value,
    /// When something else was published.
    replaced: DateTime<Utc>,
    /// Through the shortest overlap that anybody asked for since.
    until: DateTime<Utc>,
}

/// Entries of a use that is never published.
const UNPUBLISHED: [&str; 2] = ["Next", "Abandoned"];

impl Oracle {
    /// S1, S2 and S10.
    pub(super) fn is_published_well(&self) -> Result<(), String> {
        self.neighbours_works()?;
        let Some(output) = self.published() else { return Ok(()) };
        self.is_whole(&output)?;
        self.is_promoted(&output)?;
        self.note(&output)?;
        match self.works(&output) {
            Ok(()) => self.strangers.excuse(self.strangers.is_excused() && !self.is_mended(&output)),
            Err(_) if self.strangers.is_removed(annotation(&output, "key-id")) => return Ok(()),
            Err(_) if self.strangers.is_excused() || (self.neighbour.is_some() && self.kind == Kind::Signing) => return Ok(()),
            Err(gap) => return Err(gap),
        }
        self.replaced_one_works()
    }

    /// S1 for the other cluster. Who announces a signing certificate in one cluster does not announce it in another: there nobody can promise anything.
    fn neighbours_works(&self) -> Result<(), String> {
        let output = self.neighbour.as_ref().and_then(super::published_in).filter(|_| self.kind != Kind::Signing);
        output.map_or(Ok(()), |output| self.works(&output).map_err(|gap| format!("in the other cluster: {gap}")))
    }

    fn is_whole(&self, output: &Value) -> Result<(), String> {
        let version = &output["metadata"]["resourceVersion"];
        if self.shown.lock().unwrap().whole.as_ref() != Some(version) {
            belongs_together(output, self.kind)?;
            self.shown.lock().unwrap().whole = Some(version.clone());
        }
        Ok(())
    }

    /// Whether Entra accepts what is published, or signs with nothing else.
    fn works(&self, output: &Value) -> Result<(), String> {
        let client = self.target.client_id;
        let accepted = match self.kind {
            Kind::ClientCertificate => {
                let certificate = Certificate::from_pem(&text(output, "tls.crt")).map_err(|error| error.to_string())?;
                self.entra.accepts_certificate_everywhere(client, &certificate)
            }
            Kind::ClientSecret => self.entra.accepts_secret_everywhere(client, &text(output, "AZURE_CLIENT_SECRET")),
            Kind::Signing => return self.trusts_all_signers(output),
        };
        if accepted { Ok(()) } else { Err("what is published is not accepted everywhere".to_owned()) }
    }

    fn trusts_all_signers(&self, output: &Value) -> Result<(), String> {
        let signers: BTreeSet<Thumbprint> = self.entra.possible_signers(self.object).iter().map(Certificate::thumbprint).collect();
        let resource = self.resource().unwrap_or_default();
        let may_end = resource["spec"]["tokenSigningCertificate"]["activation"]["onDeadline"] == "Withdraw";
        if signers.is_empty() && !may_end {
            return Err("Entra signs with nothing".to_owned());
        }
        // Nobody approved a successor in time. What is made then is the only one there is, and signs before it can be shown.
        if may_end && not_after(output).is_some_and(|end| end <= self.entra.now()) {
            return Ok(());
        }
        let trusted: BTreeSet<Thumbprint> = certificates(&text(output, "signing-bundle.crt")).iter().map(Certificate::thumbprint).collect();
        if signers.is_subset(&trusted) {
            return Ok(());
        }
        Err(format!("Entra may sign with {signers:?}, the output shows {trusted:?}"))
    }

    /// Published is what the ledger calls Current, or called so a moment ago.
    fn is_promoted(&self, output: &Value) -> Result<(), String> {
        let resource = self.resource().unwrap_or_default();
        let id = annotation(output, "entry");
        match entries(&resource).iter().find(|entry| entry["id"] == *id) {
            Some(entry) if UNPUBLISHED.iter().any(|name| entry["use"] == *name) => Err(format!("{} is published", entry["use"])),
            _ => Ok(()),
        }
    }

    /// After a person took away what was published: something else is there.
    fn is_mended(&self, output: &Value) -> bool {
        let told = annotation(output, "thumbprint");
        let signs = || self.entra.signer(self.object).is_some_and(|signer| *told == signer.thumbprint().to_string());
        self.is_current(output) && (self.kind != Kind::Signing || signs())
    }

    fn is_current(&self, output: &Value) -> bool {
        let id = annotation(output, "entry");
        entries(&self.resource().unwrap_or_default()).iter().any(|entry| entry["id"] == *id && entry["use"] == "Current")
    }

    /// Remembers what is published. What consumers hold still is accepted through the overlap, and its successor ends later, unless somebody asked for less.
    fn note(&self, output: &Value) -> Result<(), String> {
        let mut shown = self.shown.lock().unwrap();
        let entry = |output: &Value| annotation(output, "entry").clone();
        let Some(now) = shown.now.take().filter(|now| entry(now) != entry(output)) else {
            shown.now = Some(output.clone());
            return Ok(());
        };
        let (old, new) = (not_after(&now), not_after(output));
        shown.now = Some(output.clone());
        let at = self.entra.now();
        // Those who ask for revocation have the old one go at once; whoever has another one sign asks for its end.
        let resource = self.resource().unwrap_or_default();
        let is_asked_for = !resource["spec"]["rotation"]["revokeIssuedBefore"].is_null()
            || self.kind == Kind::Signing
            || self.strangers.is_excused()
            || self.strangers.is_shortened();
        shown.before = old.filter(|_| !is_asked_for).map(|end| Before { output: now, replaced: at, until: end });
        match (old, new) {
            (Some(old), Some(new)) if new < old && !is_asked_for => {
                Err(format!("what is published ends at {new}, what it replaces at {old}"))
            }
            _ => Ok(()),
        }
    }

    fn replaced_one_works(&self) -> Result<(), String> {
        let resource = self.resource().unwrap_or_default();
        let overlap = resource["status"]["policy"]["overlap"].as_str().and_then(hours).unwrap_or_default();
        let before = {
            let mut shown = self.shown.lock().unwrap();
            let now = self.entra.now();
            // The ledger counts in whole seconds.
            let shortened =
                |before: Before| Before { until: before.until.min(before.replaced + overlap - TimeDelta::seconds(1)), ..before };
            shown.before = shown.before.take().map(shortened).filter(|before| now < before.until && !self.strangers.is_excused());
            shown.before.clone()
        };
        let Some(Before { output, until, .. }) = before else { return Ok(()) };
        if self.strangers.is_removed(annotation(&output, "key-id")) {
            return Ok(());
        }
        self.works(&output).map_err(|gap| format!("within the overlap, until {until}, of what was published before: {gap}"))
    }

    /// S3: the certificate that signs stays, as long as Entra prefers it and it is valid.
    pub(super) fn signer_stays(&self) -> Result<(), String> {
        let signer = self.entra.signer(self.object).filter(|_| self.kind == Kind::Signing);
        let mut shown = self.shown.lock().unwrap();
        let before = std::mem::replace(&mut shown.signer, signer.as_ref().map(Certificate::thumbprint));
        let preferred = self.entra.object(self.object).unwrap_or_default()["preferredTokenSigningKeyThumbprint"].clone();
        match before {
            Some(before)
                if signer.is_none() && preferred == before.to_string() && self.still_valid(before) && !self.strangers.is_excused() =>
            {
                Err(format!("the certificate {before}, which signed, is gone"))
            }
            _ => Ok(()),
        }
    }

    fn still_valid(&self, thumbprint: Thumbprint) -> bool {
        let Some(output) = self.published() else { return false };
        let bundle = certificates(&text(&output, "signing-bundle.crt"));
        bundle.iter().any(|one| one.thumbprint() == thumbprint && self.entra.now() < one.not_after())
    }
}

/// S2: key, certificate and annotations are of one credential.
fn belongs_together(output: &Value, kind: Kind) -> Result<(), String> {
    if kind != Kind::ClientCertificate {
        return Ok(());
    }
    let certificate = Certificate::from_pem(&text(output, "tls.crt")).map_err(|error| error.to_string())?;
    let key = PrivateKey::from_pkcs8_pem(&text(output, "tls.key")).map_err(|error| error.to_string())?;
    let told = annotation(output, "thumbprint");
    if !key.matches(&certificate) {
        return Err("the published key is not that of the published certificate".to_owned());
    }
    if *told != certificate.thumbprint().to_string() {
        return Err(format!("the annotation tells {told}, the certificate is {}", certificate.thumbprint()));
    }
    Ok(())
}

fn not_after(output: &Value) -> Option<DateTime<Utc>> {
    annotation(output, "not-after").as_str()?.parse().ok()
}

/// Of a duration in whole hours, as the worlds here have them.
fn hours(duration: &str) -> Option<TimeDelta> {
    Some(TimeDelta::hours(duration.split('h').next()?.parse().ok()?))
}

/// A value of a Secret or a ConfigMap.
pub fn text(output: &Value, key: &str) -> String {
    let value = output["data"][key].as_str().unwrap_or_default();
    if output["kind"] == "ConfigMap" { value.to_owned() } else { String::from_utf8(BASE64.decode(value.as_bytes()).unwrap()).unwrap() }
}

/// The certificates of a bundle.
pub fn certificates(pem: &str) -> Vec<Certificate> {
    pem.split_inclusive("-----END CERTIFICATE-----")
        .filter(|block| block.contains("BEGIN"))
        .map(|block| Certificate::from_pem(block).unwrap())
        .collect()
}
