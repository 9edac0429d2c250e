//! Whether it worked: when enough was seen, and what it comes to.

use std::fmt;

use entra_emulator::Emulator;
use entra_rotator::api::v1alpha1::CredentialUse;

use crate::paint::{BAD, BOLD, GOOD, painted};
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

    fn gaps(&self) -> usize {
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
    pub(crate) fn reach(story: &Story, emulator: &Emulator, foreign_secret_works: bool) -> Self {
        let mut findings: Vec<_> = story.chapters.iter().flat_map(|chapter| findings(chapter, emulator)).collect();
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
    let (foreign, writes) = (chapter.foreign.count(), chapter.writes);
    [
        Finding {
            holds: gaps == 0 && uses > 0,
            text: format!("{name}: consumers used what is published {uses} times; {gaps} of them failed"),
        },
        Finding {
            holds: chapter.is_foreign_untouched && chapter.foreign.is_untouched_in(&object),
            text: format!("{name}: {foreign} foreign credentials, byte for byte the same after each of {writes} writes"),
        },
        Finding { holds: ours == chapter.recorded(), text: format!("{name}: beside them Entra holds {}", chapter.describe(ours.len())) },
    ]
}

impl Chapter {
    /// The keyIds that the ledger says are in Entra.
    fn recorded(&self) -> Vec<String> {
        let there = |usage| matches!(usage, CredentialUse::Next | CredentialUse::Current | CredentialUse::Previous);
        let mut ids: Vec<_> = self.ledger.iter().filter(|entry| there(entry.usage)).flat_map(|entry| entry.key_ids.clone()).collect();
        ids.sort_unstable();
        ids
    }

    fn describe(&self, entries: usize) -> String {
        let recorded = self.recorded().len();
        if entries == recorded {
            format!("{entries} entries of ours, exactly those that the status records")
        } else {
            format!("{entries} entries of ours, but the status records {recorded}")
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
