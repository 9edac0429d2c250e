//! What can be made wrong with the world on purpose, to show that the checks see it.

use std::fmt;
use std::str::FromStr;

macro_rules! defects {
    ($($(#[$doc:meta])* $name:ident $word:literal,)*) => {
        /// A defect.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Defect { $($(#[$doc])* $name,)* }

        impl Defect {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its word on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

defects! {
    /// The API server takes a status that was made from an old version.
    StaleStatusAccepted "stale-status-accepted",
    /// The output is written whatever version it has by now.
    OutputOverwritten "output-overwritten",
    /// A whole-list update leaves out what other people added.
    ForeignEntryForgotten "foreign-entry-forgotten",
    /// A licence is good for ever.
    LicenceNeverLapses "licence-never-lapses",
    /// Replicas lag for longer than LATE.
    ReplicasLagLonger "replicas-lag-longer",
    /// A write may be applied long after LATE.
    LaterThanLate "later-than-late",
    /// Entra answers every write with success, and does nothing.
    NothingIsApplied "nothing-is-applied",
    /// Every write to Entra takes the published credential away.
    CurrentRemoved "current-removed",
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Defect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = Self::ALL.iter().map(|defect| defect.as_str()).collect();
        let known = Self::ALL.iter().copied().find(|defect| defect.as_str() == text);
        known.ok_or_else(|| format!("there is no defect {text:?}; there are {}", words.join(", ")))
    }
}
