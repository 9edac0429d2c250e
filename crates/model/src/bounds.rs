//! How often each kind of disturbance may happen in one run.

use std::fmt;
use std::str::FromStr;

macro_rules! disturbances {
    ($($(#[$doc:meta])* $name:ident $word:literal,)*) => {
        /// What may go wrong, or be done by people.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Disturbance { $($(#[$doc])* $name,)* }

        impl Disturbance {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its word on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

disturbances! {
    /// An operator process ends anywhere, and a new one begins at once with an empty memory.
    Crash "crash",
    /// An operator process stands still before its next effect, while time goes on.
    Pause "pause",
    /// The Lease goes to the other process.
    Lease "lease",
    /// Another process acts between two steps of a pass. Not counted with the others.
    Preempted "preempted",
    /// A Graph write is applied, and its answer is lost.
    LostAnswer "lost-answer",
    /// The answer to a Graph write is lost; the write is applied at any moment within LATE, or never.
    Floating "floating",
    /// Graph refuses a write.
    Refusal "refusal",
    /// A status write is applied, and its answer is lost.
    LostStatus "lost-status",
    /// A read of the object, or a sign-in, sees it as it was up to LATE ago.
    StaleRead "stale-read",
    /// A pass begins with an old copy of its resource, and does not see that its output changed.
    StaleCache "stale-cache",
    /// A user deletes the output.
    OutputDeleted "output-deleted",
    /// A user deletes a staging Secret.
    SlotDeleted "slot-deleted",
    /// A person adds a credential in the portal.
    Added "added",
    /// A person removes a credential in the portal: one of their own, or one of ours that is not in use.
    Removed "removed",
    /// A person makes another certificate the preferred one.
    Activated "activated",
    /// A person pins another certificate, or takes the pin away.
    Pinned "pinned",
}

/// How often at most.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Bounds {
    /// Each kind.
    each: [u8; Disturbance::ALL.len()],
    /// All together, but for what processes do between the steps of others.
    pub total: u8,
}

impl Bounds {
    /// So many of these kinds, and so many in all.
    pub fn of(total: u8, each: &[(Disturbance, u8)]) -> Self {
        let mut bounds = Self { total, ..Self::default() };
        each.iter().for_each(|(kind, count)| bounds.set(*kind, *count));
        bounds
    }

    /// How many of this kind may come.
    pub fn left(&self, kind: Disturbance) -> u8 {
        let left = self.each[kind as usize];
        if kind == Disturbance::Preempted { left } else { left.min(self.total) }
    }

    /// Changes the bound of one kind.
    pub fn set(&mut self, kind: Disturbance, count: u8) {
        self.each[kind as usize] = count;
    }

    /// Whether nothing of any kind may come any more.
    pub fn is_spent(&self) -> bool {
        let preempted = Disturbance::Preempted as usize;
        self.total == 0 || self.each.iter().enumerate().all(|(kind, count)| *count == 0 || kind == preempted)
    }

    /// One of this kind has come.
    #[must_use]
    pub fn without(mut self, kind: Disturbance) -> Self {
        let left = &mut self.each[kind as usize];
        *left = left.saturating_sub(1);
        if kind != Disturbance::Preempted {
            self.total = self.total.saturating_sub(1);
        }
        self
    }

    /// The same with another total.
    #[must_use]
    pub fn with_total(self, total: u8) -> Self {
        Self { total, ..self }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = Disturbance::ALL.iter().filter(|kind| self.left(**kind) > 0);
        let words: Vec<String> = some.map(|kind| format!("{}={}", kind.as_str(), self.left(*kind))).collect();
        write!(f, "total={}", self.total)?;
        words.iter().try_for_each(|word| write!(f, " {word}"))
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Disturbance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
        let known = Self::ALL.iter().copied().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| format!("there is no disturbance {text:?}; there are {}", words.join(", ")))
    }
}
