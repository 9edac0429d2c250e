//! From what was seen to what is told: the life of every credential, and a line for each thing that happens to one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use data_encoding::BASE64;
use entra_emulator::{Emulator, Mutation, Operation};
use entra_rotator::api::v1alpha1::{CredentialEntry, CredentialOrigin, CredentialUse, NextAction, ServicePrincipalCredential};
use entra_types::{ClientId, ObjectId};
use keys::Certificate;
use kube_sim::Verb;
use serde_json::Value;

use crate::consumer::{Check, MARK};
use crate::foreign::{Foreign, entries};
use crate::lines::{Line, Tone};
use crate::manifests::{OVERLAP, SOAK};
use crate::operator::LATE;
use crate::sightings::{Sample, Seen, Sighting};
use crate::stage::Stage;

/// When things happened to a credential, since the start.
pub(crate) struct Life {
    pub(crate) id: String,
    /// In Entra.
    pub(crate) added: Option<Duration>,
    /// Shown to work, or to those who must trust it.
    pub(crate) proven: Option<Duration>,
    /// In the output as the current one.
    pub(crate) published: Option<Duration>,
    /// Its successor was published.
    pub(crate) superseded: Option<Duration>,
    /// Not in Entra any more.
    pub(crate) removed: Option<Duration>,
    /// When it was added, by the clock on the wall.
    added_at: Option<DateTime<Utc>>,
    thumbprint: Option<String>,
}

/// All that happened to one sample.
pub(crate) struct Chapter {
    pub(crate) sample: Sample,
    pub(crate) lives: Vec<Life>,
    /// When consumers used the output, and whether they could.
    pub(crate) checks: Vec<(Duration, bool)>,
    /// Applied changes of the object in Entra.
    pub(crate) writes: usize,
    /// Whether every foreign credential was the same after each of them.
    pub(crate) is_foreign_untouched: bool,
    pub(crate) foreign: Foreign,
    pub(crate) object: ObjectId,
    /// As the status last had it.
    pub(crate) ledger: Vec<CredentialEntry>,
    pub(crate) next: Option<NextAction>,
    client: ClientId,
    shown: Option<String>,
    /// Whose a keyId or a staging Secret is, by the number of the life.
    belongings: BTreeMap<String, usize>,
}

/// Everything that happened so far.
pub(crate) struct Story {
    started: Instant,
    pub(crate) chapters: [Chapter; 3],
    emulator: Emulator,
    tenant: Option<String>,
}

impl Story {
    pub(crate) fn begin(stage: &Stage, started: Instant) -> Self {
        let directory = &stage.directory;
        let chapter = |sample, object, client| Chapter {
            sample,
            lives: Vec::new(),
            checks: Vec::new(),
            writes: 0,
            is_foreign_untouched: true,
            foreign: Foreign::remember(&stage.emulator, object),
            object,
            ledger: Vec::new(),
            next: None,
            client,
            shown: None,
            belongings: BTreeMap::new(),
        };
        let chapters = [
            chapter(Sample::ClientSecret, directory.job.application, directory.job.client_id),
            chapter(Sample::ClientCertificate, directory.api.application, directory.api.client_id),
            chapter(Sample::TokenSigning, directory.saml.service_principal, directory.saml.client_id),
        ];
        Self { started, chapters, emulator: stage.emulator.clone(), tenant: None }
    }

    /// How long it has been going on.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Takes in what was seen, and says what to tell.
    pub(crate) fn take(&mut self, sighting: Sighting) -> Vec<Line> {
        let at = sighting.at.saturating_duration_since(self.started);
        let general = |tone, text: String| vec![Line { at, sample: None, credential: None, tone, text, aside: String::new() }];
        match sighting.seen {
            Seen::Lease => general(Tone::Plain, "The operator holds the Lease: it leads.".to_owned()),
            Seen::Tenant(tenant) => self.tenant(&tenant).map(|(tone, text)| general(tone, text)).unwrap_or_default(),
            Seen::Warning(text) => general(Tone::Warning, text),
            Seen::Status(sample, object) => self.of(sample, at).status(object),
            Seen::Output(sample, secret) => self.of(sample, at).output(&secret),
            Seen::Slot(sample, name, verb) => self.of(sample, at).slot(name, verb),
            Seen::Checked(check) => self.of(check.sample, at).checked(check),
            Seen::Changed(mutation) => match self.chapters.iter().find(|chapter| chapter.object == mutation.object) {
                Some(chapter) if mutation.caller.is_some() => self.of(chapter.sample, at).changed(&mutation),
                _ => Vec::new(),
            },
        }
    }

    fn of(&mut self, sample: Sample, at: Duration) -> Page<'_> {
        let [secret, certificate, signing] = &mut self.chapters;
        let chapter = match sample {
            Sample::ClientSecret => secret,
            Sample::ClientCertificate => certificate,
            Sample::TokenSigning => signing,
        };
        Page { at, chapter, emulator: &self.emulator }
    }

    fn tenant(&mut self, tenant: &Value) -> Option<(Tone, String)> {
        let ready = tenant["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == "Ready")?;
        let roles = tenant["status"]["identity"]["roles"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let (tone, text) = match ready["status"].as_str() {
            Some("True") => (
                Tone::Plain,
                format!("The operator has signed in to the tenant, with the permission {}.", roles.collect::<Vec<_>>().join(", ")),
            ),
            _ => (Tone::Warning, format!("EntraTenant default: {}", ready["message"].as_str().unwrap_or_default())),
        };
        (self.tenant.replace(text.clone()).as_ref() != Some(&text)).then_some((tone, text))
    }
}

/// The place in a chapter at which something is written down.
struct Page<'a> {
    at: Duration,
    chapter: &'a mut Chapter,
    emulator: &'a Emulator,
}

impl Page<'_> {
    fn line(&self, credential: Option<usize>, tone: Tone, text: impl Into<String>) -> Line {
        let credential = credential.map(|number| (number, self.chapter.lives[number].id.clone()));
        Line { at: self.at, sample: Some(self.chapter.sample), credential, tone, text: text.into(), aside: String::new() }
    }

    /// The number of the credential with this id, which is written down if it is new.
    fn life(&mut self, id: &str) -> usize {
        let lives = &mut self.chapter.lives;
        lives.iter().position(|life| life.id == id).unwrap_or_else(|| {
            lives.push(Life {
                id: id.to_owned(),
                added: None,
                proven: None,
                published: None,
                superseded: None,
                removed: None,
                added_at: None,
                thumbprint: None,
            });
            lives.len() - 1
        })
    }

    fn status(&mut self, object: Value) -> Vec<Line> {
        let Ok(resource) = serde_json::from_value::<ServicePrincipalCredential>(object) else { return Vec::new() };
        let Some(status) = resource.status.and_then(|status| status.into_read().ok()) else { return Vec::new() };
        self.chapter.next = status.next_action;
        let before = std::mem::replace(&mut self.chapter.ledger, status.credentials.clone());
        let mut lines = Vec::new();
        for entry in &status.credentials {
            lines.extend(self.entry(before.iter().find(|old| old.id == entry.id), entry));
        }
        for old in before.iter().filter(|old| status.credentials.iter().all(|entry| entry.id != old.id)) {
            let life = self.life(&old.id);
            lines.push(self.line(
                Some(life),
                Tone::Settled,
                format!("gone for good: absent in three reads that span {LATE} s, and dropped"),
            ));
        }
        lines
    }

    fn entry(&mut self, before: Option<&CredentialEntry>, entry: &CredentialEntry) -> Option<Line> {
        let life = self.life(&entry.id);
        let Some(before) = before else { return Some(self.claimed(life, entry)) };
        if before.announced_at.is_none() && entry.announced_at.is_some() {
            self.chapter.lives[life].proven = Some(self.at);
            return Some(self.line(Some(life), Tone::Good, format!("announced as the next one: whoever trusts the bundle has {SOAK} s")));
        }
        match (before.usage, entry.usage) {
            (old, new) if old == new => None,
            (_, CredentialUse::Current) => Some(self.promoted(life)),
            (_, CredentialUse::Retiring) => {
                Some(self.line(Some(life), Tone::Plain, format!("may go: the overlap of {OVERLAP} s is over, and its successor works")))
            }
            (_, CredentialUse::Abandoned) => Some(self.line(Some(life), Tone::Warning, "given up before it was used")),
            _ => None,
        }
    }

    fn claimed(&self, life: usize, entry: &CredentialEntry) -> Line {
        let what = match (entry.origin, self.chapter.sample) {
            (CredentialOrigin::Foreign, _) => "recorded: somebody else's certificate signs",
            (_, Sample::ClientCertificate) => "claimed: a key pair is made and noted in status, and Entra knows nothing yet",
            (_, Sample::ClientSecret | Sample::TokenSigning) => "claimed: noted in status before Entra is asked for it",
        };
        self.line(Some(life), Tone::Plain, what)
    }

    fn promoted(&mut self, life: usize) -> Line {
        let (at, seen) = (self.at, &mut self.chapter.lives[life]);
        seen.proven.get_or_insert(at);
        let text = match self.chapter.sample {
            Sample::ClientSecret | Sample::ClientCertificate => self.proof(life),
            Sample::TokenSigning => "promoted: Entra confirms that it signs".to_owned(),
        };
        self.line(Some(life), Tone::Good, text)
    }

    /// The operator's sign-ins with a new credential, as the emulator counted them.
    fn proof(&self, life: usize) -> String {
        let since = self.chapter.lives[life].added_at.unwrap_or_else(Utc::now);
        let calls = self.emulator.calls();
        let tries = calls.iter().filter(|call| {
            call.operation == Operation::Token && call.caller == Some(self.chapter.client) && call.query != MARK && call.at >= since
        });
        let (accepted, refused): (Vec<_>, Vec<_>) = tries.partition(|call| call.is_applied());
        let spread = accepted.last().zip(accepted.first()).map_or(0, |(last, first)| (last.at - first.at).num_milliseconds());
        let refusals = match refused.len() {
            0 => String::new(),
            1 => "; refused once before, by an instance that did not know it yet".to_owned(),
            some => format!("; refused {some} times before, by instances that did not know it yet"),
        };
        format!("proven ×{}: sign-ins over {:.1} s; promoted{refusals}", accepted.len(), spread as f64 / 1000.0)
    }

    fn output(&mut self, secret: &Value) -> Vec<Line> {
        let Some(id) = secret["metadata"]["annotations"]["entra-rotator.io/entry"].as_str() else { return Vec::new() };
        let Some(before) = self.replace_shown(id) else { return Vec::new() };
        let (life, at) = (self.life(id), self.at);
        self.chapter.lives[life].published = Some(at);
        let mut line = self.line(Some(life), Tone::Published, format!("published in Secret {}", self.chapter.sample.name()));
        if let Some(old) = before {
            let old = self.life(&old);
            self.chapter.lives[old].superseded = Some(at);
            line.aside = format!("the old one stays for {OVERLAP} s");
        }
        vec![line]
    }

    /// `None` if the output shows the same credential as before, else the one before.
    fn replace_shown(&mut self, id: &str) -> Option<Option<String>> {
        let before = self.chapter.shown.replace(id.to_owned());
        (before.as_deref() != Some(id)).then_some(before)
    }

    fn slot(&mut self, name: String, verb: Verb) -> Vec<Line> {
        match verb {
            Verb::Create => {
                let Some(newest) = self.chapter.lives.len().checked_sub(1) else { return Vec::new() };
                let line = self.line(Some(newest), Tone::Plain, format!("staged: safe in Secret {name}"));
                self.chapter.belongings.insert(name, newest);
                vec![line]
            }
            Verb::Delete => {
                let owner = self.chapter.belongings.remove(&name);
                vec![self.line(owner, Tone::Settled, format!("its staging Secret {name} is not needed any more and deleted"))]
            }
            _ => Vec::new(),
        }
    }

    fn changed(&mut self, mutation: &Mutation) -> Vec<Line> {
        let (Some(before), Some(after)) = (mutation.before(), mutation.after()) else { return Vec::new() };
        self.chapter.writes += 1;
        let mut lines = Vec::new();
        if !mutation.keys_added.is_empty() {
            lines.extend(self.added(mutation, &after));
        }
        lines.extend(self.removed(mutation));
        if before["preferredTokenSigningKeyThumbprint"] != after["preferredTokenSigningKeyThumbprint"] {
            lines.push(self.activated(&after));
        }
        self.look_at_foreign(&after, &mut lines);
        lines
    }

    /// After every write: is all that is not ours as it was?
    fn look_at_foreign(&mut self, after: &Value, lines: &mut Vec<Line>) {
        let untouched = self.chapter.foreign.is_untouched_in(after);
        let was_untouched = self.chapter.is_foreign_untouched;
        self.chapter.is_foreign_untouched &= untouched;
        match lines.first_mut().filter(|_| untouched) {
            Some(line) => line.aside = format!("{} foreign untouched", self.chapter.foreign.count()),
            None if untouched || !was_untouched => {}
            None => lines.push(self.line(None, Tone::Bad, "A FOREIGN CREDENTIAL IS NOT WHAT IT WAS after this write")),
        }
    }

    fn added(&mut self, mutation: &Mutation, after: &Value) -> Option<Line> {
        let ids: Vec<_> = mutation.keys_added.iter().map(ToString::to_string).collect();
        let new: Vec<_> = entries(after).filter(|entry| ids.iter().any(|id| entry["keyId"] == *id)).collect();
        let certificate = new.iter().find_map(|entry| certificate(entry));
        let id = mark(self.chapter.sample, certificate.as_ref(), new.first()?)?;
        let life = self.life(&id);
        for key in ids {
            self.chapter.belongings.insert(key, life);
        }
        let seen = &mut self.chapter.lives[life];
        (seen.added, seen.added_at) = (Some(self.at), Some(mutation.at));
        seen.thumbprint = certificate.map(|certificate| certificate.thumbprint().to_string());
        let how = match mutation.operation {
            Operation::AddKey => "added in Entra by addKey; the proof is signed with the current key",
            Operation::AddPassword => "made by Entra, addPassword, which tells it once",
            Operation::AddTokenSigningCertificate => "made by Entra, addTokenSigningCertificate; it does not sign yet",
            _ => "added in Entra by an update: there is no key yet to sign a proof with",
        };
        Some(self.line(Some(life), Tone::Plain, how))
    }

    fn removed(&mut self, mutation: &Mutation) -> Vec<Line> {
        let mut gone: Vec<_> = mutation.keys_removed.iter().filter_map(|key| self.chapter.belongings.remove(&key.to_string())).collect();
        gone.sort_unstable();
        gone.dedup();
        let how = match mutation.operation {
            Operation::RemovePassword => "removed from Entra by removePassword".to_owned(),
            Operation::RemoveKey => "removed from Entra by removeKey; the proof is signed with its successor".to_owned(),
            _ => format!("removed from Entra by an update of both lists, quiet for {LATE} s"),
        };
        gone.iter().for_each(|life| self.chapter.lives[*life].removed = Some(self.at));
        gone.into_iter().map(|life| self.line(Some(life), Tone::Removed, how.clone())).collect()
    }

    fn activated(&self, after: &Value) -> Line {
        let preferred = after["preferredTokenSigningKeyThumbprint"].as_str().unwrap_or_default();
        let life = self.chapter.lives.iter().position(|life| life.thumbprint.as_deref() == Some(preferred));
        self.line(life, Tone::Plain, "activated: Entra signs with it from now on")
    }

    /// Nothing is said while all goes well, nor again while a gap lasts.
    fn checked(&mut self, check: Check) -> Vec<Line> {
        let worked = self.chapter.checks.last().is_none_or(|(_, worked)| *worked);
        self.chapter.checks.push((self.at, check.gap.is_none()));
        match check.gap {
            Some(why) if worked => vec![self.line(None, Tone::Bad, format!("GAP: {why}"))],
            None if !worked => vec![self.line(None, Tone::Good, "what is published works again")],
            _ => Vec::new(),
        }
    }
}

fn certificate(entry: &Value) -> Option<Certificate> {
    Certificate::from_der(&BASE64.decode(entry["key"].as_str()?.as_bytes()).ok()?).ok()
}

/// The id that a credential of ours bears in Entra.
fn mark(sample: Sample, certificate: Option<&Certificate>, entry: &Value) -> Option<String> {
    match sample {
        Sample::ClientSecret => entry["displayName"].as_str()?.rsplit('/').next().map(str::to_owned),
        Sample::ClientCertificate => certificate?.san_uris().first()?.rsplit(':').next().map(str::to_owned),
        Sample::TokenSigning => entry["displayName"].as_str()?.rsplit('-').next().map(str::to_owned),
    }
}
