//! A plan: one course of events, and what disturbs it where. As text it is one line, which replays it.

use std::fmt;
use std::str::FromStr;

use crate::edit::Edit;
use crate::fault::Fault;
use crate::happening::Happening;
use crate::setup::{Kind, Replicas};
use crate::workflow::{self, Workflow};

/// What disturbs a course at one effect.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Disturbance {
    /// Something goes wrong with the request.
    Fault(Fault),
    /// Something happens right before it is served.
    Happening(Happening),
    /// A person edits the resource right before it is served, and takes that back after an hour.
    Edit(Edit),
}

/// One course of events, disturbed.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Plan {
    /// The name of the workflow.
    pub workflow: &'static str,
    /// By how many minutes the slowest replica of Graph and of the token endpoint is behind.
    pub lag: u32,
    /// A second replica from the start: none, one that stands by, or one that leads as well.
    pub replicas: Replicas,
    /// What disturbs it at the effect of which number.
    pub turns: Vec<(usize, Disturbance)>,
}

/// Why a line is not a plan.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// Without a workflow.
    #[error("a plan begins with the name of a workflow: --list shows them")]
    NameNothing,
    /// There is none of this name.
    #[error("there is no workflow {0}: --list shows them")]
    NameWorkflow(String),
    /// A word that is neither an option nor a disturbance.
    #[error(
        "{0} is neither lag=MINUTES, replicas=standing-by, replicas=unelected nor a disturbance and an effect such as crash-after@14: --list shows all disturbances"
    )]
    ReadWord(String),
}

impl Disturbance {
    /// How a plan names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.name(),
            Self::Happening(happening) => happening.name(),
            Self::Edit(edit) => edit.name(),
        }
    }

    /// Everything that can disturb a course.
    pub fn all() -> impl Iterator<Item = Self> {
        Fault::ALL.into_iter().map(Self::Fault).chain(Happening::ALL.into_iter().map(Self::Happening)).chain(Edit::all().map(Self::Edit))
    }

    /// Everything that can disturb a course of a resource of this kind.
    pub fn of(kind: Kind) -> impl Iterator<Item = Self> {
        Self::all().filter(move |what| match what {
            Self::Edit(edit) => edit.suits(kind),
            Self::Fault(_) | Self::Happening(_) => true,
        })
    }
}

impl Plan {
    /// Nothing disturbs it.
    pub fn undisturbed(workflow: &Workflow) -> Self {
        Self { workflow: workflow.name, lag: 0, replicas: Replicas::None, turns: Vec::new() }
    }

    /// The same, disturbed at one effect more.
    #[must_use]
    pub fn and(mut self, at: usize, what: Disturbance) -> Self {
        self.turns.push((at, what));
        self
    }
}

impl Plan {
    /// Whether this is to happen at any effect.
    pub fn has(&self, what: Happening) -> bool {
        self.turns.iter().any(|(_, turn)| *turn == Disturbance::Happening(what))
    }

    /// Whether somebody asks for what was made to stay in Entra.
    pub(crate) fn retains(&self) -> bool {
        self.turns.iter().any(|(_, what)| matches!(what, Disturbance::Edit(edit) if edit.patch()["deletionPolicy"] == "Retain"))
    }

    /// Whether somebody takes away what nobody but a person can bring back: what signs, or the only key of an application that rolls itself. Between two
    /// clusters a successor may be what signs.
    pub fn takes_away(&self) -> bool {
        let by_two = self.replicas.are_two_clusters() && self.has(Happening::NextRemoved);
        self.has(Happening::OursRemoved) || self.has(Happening::SecretsDeleted) || by_two
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.workflow)?;
        if self.lag > 0 {
            write!(f, " lag={}", self.lag)?;
        }
        if let Some(name) = self.replicas.name() {
            write!(f, " replicas={name}")?;
        }
        self.turns.iter().try_for_each(|(at, what)| write!(f, " {}@{at}", what.name()))
    }
}

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(line: &str) -> Result<Self, PlanError> {
        let mut words = line.split_whitespace();
        let name = words.next().ok_or(PlanError::NameNothing)?;
        let workflow = workflow::find(name).ok_or_else(|| PlanError::NameWorkflow(name.to_owned()))?;
        words.try_fold(Self::undisturbed(workflow), |plan, word| plan.with_word(word).ok_or_else(|| PlanError::ReadWord(word.to_owned())))
    }
}

impl Plan {
    fn with_word(mut self, word: &str) -> Option<Self> {
        if let Some((what, at)) = word.split_once('@') {
            let what = Disturbance::all().find(|one| one.name() == what)?;
            return Some(self.and(at.parse().ok()?, what));
        }
        match word.split_once('=')? {
            ("lag", minutes) => self.lag = minutes.parse().ok()?,
            ("replicas", name) => self.replicas = Replicas::ALL.into_iter().find(|one| one.name() == Some(name))?,
            _ => return None,
        }
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("secret.rotation")]
    #[case("signing.rotation lag=5 crash-after@14 answer-lost@17")]
    #[case("certificate.first-issue replicas=unelected paused-before@3 stranger-adds@0")]
    fn a_plan_is_read_as_it_is_written(#[case] line: &str) {
        assert_eq!(line.parse::<Plan>().unwrap().to_string(), line);
    }

    #[rstest]
    #[case("", PlanError::NameNothing)]
    #[case("nothing", PlanError::NameWorkflow("nothing".to_owned()))]
    #[case("secret.rotation crash-after", PlanError::ReadWord("crash-after".to_owned()))]
    #[case("secret.rotation crash-after@first", PlanError::ReadWord("crash-after@first".to_owned()))]
    #[case("secret.rotation replicas=three", PlanError::ReadWord("replicas=three".to_owned()))]
    fn what_is_not_a_plan_is_named(#[case] line: &str, #[case] expected: PlanError) {
        assert_eq!(line.parse::<Plan>(), Err(expected));
    }
}
