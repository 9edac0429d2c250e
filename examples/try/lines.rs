//! One line of the timeline.

use std::fmt;
use std::time::Duration;

use anstyle::Style;

use crate::paint::{BAD, BOLD, DIM, GOOD, WARN, colour, painted};
use crate::sightings::Sample;

/// Something that happened, in words.
pub(crate) struct Line {
    pub(crate) at: Duration,
    pub(crate) sample: Option<Sample>,
    /// Its number among those of the sample, and its id.
    pub(crate) credential: Option<(usize, String)>,
    pub(crate) tone: Tone,
    pub(crate) text: String,
    /// Said in passing.
    pub(crate) aside: String,
}

/// How it is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Published,
    Removed,
    Settled,
    Warning,
    Bad,
}

impl Tone {
    const fn glyph(self) -> &'static str {
        match self {
            Self::Plain => "·",
            Self::Good => "✓",
            Self::Published => "●",
            Self::Removed => "−",
            Self::Settled => "○",
            Self::Warning => "!",
            Self::Bad => "✗",
        }
    }

    const fn style(self) -> Style {
        match self {
            Self::Plain | Self::Removed => Style::new(),
            Self::Good => GOOD,
            Self::Published => BOLD,
            Self::Settled => DIM,
            Self::Warning => WARN,
            Self::Bad => BAD,
        }
    }
}

/// The first characters of an id: enough to tell two apart.
pub(crate) fn short(id: &str) -> &str {
    id.get(..6).unwrap_or(id)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = painted(DIM, format!("{:>6.1} s", self.at.as_secs_f64()));
        let sample = painted(BOLD, format!("{:<12}", self.sample.map_or("", Sample::name)));
        let credential =
            self.credential.as_ref().map_or_else(|| " ".repeat(6), |(number, id)| painted(colour(*number), format!("{:<6}", short(id))));
        let text = painted(self.tone.style(), format!("{} {}", self.tone.glyph(), self.text));
        write!(f, "{time}  {sample}  {credential}  {text}")?;
        if self.aside.is_empty() { Ok(()) } else { write!(f, "  {}", painted(DIM, format!("({})", self.aside))) }
    }
}
