//! Whether it worked: when enough was seen, and what it comes to.

use std::fmt;

use data_encoding::BASE64;
use entra_emulator::Emulator;
use entra_rotator::api::v1alpha1::CredentialUse;

use crate::cluster::Kind;
use crate::paint::{BAD, BOLD, GOOD, painted};
use crate::stage::Stage;
use crate::story::{Chapter, Story};

/// How often each credential is to be replaced.
const ROTATIONS: usize = 2;

impl Chapter {
    /// The successors that were published.
    fn rotations(&self) -> usize {
        self.published().saturating_sub(1)
    }

    fn published(&self) -> usize {
        self.lives.iter().filter(|life| life.published.is_some()).count()
    }

    fn removed(&self) -> usize {
        self.lives.iter().filter(|life| life.removed.is_some()).count()
    }

    /// Uses that failed.
    pub(crate) fn gaps(&self) -> usize {
        self.checks.iter().filter(|(_, worked)| !worked).count()
    }

    /// What has not been seen yet.
    fn missing(&self) -> Option<String> {
        let (rotations, removed) = (self.rotations(), self.removed());
        (rotations < ROTATIONS || removed < ROTATIONS).then(|| {
            format!(
                "{}: {rotations} of {ROTATIONS} successors published, {removed} of {ROTATIONS} predecessors removed from Entra",
                self.sample.name()
            )
        })
    }
}

impl Story {
    /// What has to be seen before the demonstration can end.
    pub(crate) fn missing(&self) -> Vec<String> {
        self.chapters.iter().filter_map(Chapter::missing).collect()
    }
}

/// One thing that was to be so, and whether it is.
struct Finding {
    holds: bool,
    text: String,
}

/// All findings.
pub(crate) struct Verdict(Vec<Finding>);

impl Verdict {
    /// Looks at what happened, and at what is in Entra now.
    pub(crate) async fn reach(story: &Story, stage: &Stage, foreign_secret_works: bool, log: &str) -> Self {
        let mut findings: Vec<_> = story.chapters.iter().flat_map(|chapter| findings(chapter, &stage.emulator)).collect();
        findings.push(silence(stage, log).await);
        findings.push(Finding {
            holds: foreign_secret_works,
            text: "payroll-api: the client secret of somebody else still signs in".to_owned(),
        });
        let missing = story.missing();
        findings.extend(missing.into_iter().map(|text| Finding { holds: false, text }));
        Self(findings)
    }

    /// Whether all is well.
    pub(crate) fn holds(&self) -> bool {
        self.0.iter().all(|finding| finding.holds)
    }
}

fn findings(chapter: &Chapter, emulator: &Emulator) -> [Finding; 3] {
    let (name, uses, gaps) = (chapter.sample.name(), chapter.checks.len(), chapter.gaps());
    let object = emulator.object(chapter.object).unwrap_or_default();
    let ours = chapter.foreign.others_in(&object);
    let foreign = match chapter.foreign.count() {
        1 => "one foreign credential".to_owned(),
        count => format!("{count} foreign credentials"),
    };
    let writes = chapter.writes;
    [
        Finding {
            holds: gaps == 0 && uses > 0,
            text: format!("{name}: consumers used what was published {uses} times, and {gaps} times it failed them"),
        },
        Finding {
            holds: chapter.is_foreign_untouched && chapter.foreign.is_untouched_in(&object),
            text: format!("{name}: {foreign}, byte for byte the same after each of {writes} writes"),
        },
        Finding { holds: ours == chapter.recorded(), text: format!("{name}: beside them Entra holds {}", chapter.compare(ours.len())) },
    ]
}

/// Whether no secret is where it does not belong.
async fn silence(stage: &Stage, log: &str) -> Finding {
    let mut said = Vec::new();
    for kind in [Kind::CREDENTIALS, Kind::TENANTS, Kind::EVENTS, Kind::EVENTS_OF_TENANTS] {
        said.extend(stage.cluster.list(kind).await.unwrap_or_default().iter().map(ToString::to_string));
    }
    let secrets = secrets(stage).await;
    let leaks = |text: &str| secrets.iter().any(|secret| text.contains(secret));
    let (lines, objects) = (log.lines().count(), said.len());
    Finding {
        holds: secrets.len() > 3 && objects > 2 && !leaks(log) && !said.iter().any(|text| leaks(text)),
        text: format!("no secret and no line of a private key in {lines} lines of log and {objects} statuses and events"),
    }
}

/// What must not be seen: the operator's secret, and every client secret and line of a private key in Secrets.
async fn secrets(stage: &Stage) -> Vec<String> {
    let held = stage.cluster.list(Kind::SECRETS).await.unwrap_or_default();
    let values = held.iter().flat_map(|secret| ["tls.key", "AZURE_CLIENT_SECRET", "value"].map(|key| secret["data"][key].as_str()));
    let values = values.flatten().filter_map(|value| BASE64.decode(value.as_bytes()).ok());
    let texts: Vec<_> = values.filter_map(|value| String::from_utf8(value).ok()).collect();
    let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with("-----")).map(str::to_owned);
    lines.chain([stage.directory.operator_secret.clone()]).collect()
}

impl Chapter {
    /// The keyIds that the ledger says are in Entra.
    fn recorded(&self) -> Vec<String> {
        let there = |usage| matches!(usage, CredentialUse::Next | CredentialUse::Current | CredentialUse::Previous);
        let mut ids: Vec<_> = self.ledger.iter().filter(|entry| there(entry.usage)).flat_map(|entry| entry.key_ids.clone()).collect();
        ids.sort_unstable();
        ids
    }

    fn compare(&self, held: usize) -> String {
        let recorded = self.recorded().len();
        let keys = |count| if count == 1 { "one keyId".to_owned() } else { format!("{count} keyIds") };
        if held == recorded {
            format!("{} of ours, and its status names no other", keys(held))
        } else {
            format!("{} of ours, but its status names {}", keys(held), keys(recorded))
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { holds, text } in &self.0 {
            let mark = if *holds { painted(GOOD, "✓") } else { painted(BAD, "✗") };
            writeln!(f, "        {mark} {text}")?;
        }
        Ok(())
    }
}

/// A row of figures for each sample.
pub(crate) fn table(story: &Story) -> String {
    let head = ["", "published", "rotations", "removed", "writes to Entra", "uses by consumers", "gaps"];
    let row = |chapter: &Chapter| {
        let counts = [chapter.published(), chapter.rotations(), chapter.removed(), chapter.writes, chapter.checks.len(), chapter.gaps()];
        [chapter.sample.label().to_owned()].into_iter().chain(counts.map(|count| count.to_string())).collect::<Vec<_>>()
    };
    let aligned = |cells: Vec<String>| {
        let padded = cells.iter().zip(head).enumerate().map(|(column, (cell, title))| match column {
            0 => format!("{cell:<20}"),
            _ => format!("{cell:>width$}", width = title.len() + 2),
        });
        format!("        {}", padded.collect::<String>())
    };
    let rows = story.chapters.iter().map(|chapter| aligned(row(chapter)));
    let head = painted(BOLD, aligned(head.map(str::to_owned).to_vec()));
    [head].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}
