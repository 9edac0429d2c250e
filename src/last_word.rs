//! What this process wrote of an object last: two processes that describe the same differently, and that no Lease keeps apart, would otherwise wake each other
//! without end.

use std::hash::{DefaultHasher, Hasher as _};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// For how long the other process has the last word.
const TURN: Duration = Duration::from_secs(60);

/// A digest of what was written, and when.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LastWord(Option<(u64, Instant)>);

impl LastWord {
    /// This process has just written it.
    pub(crate) fn had(words: &impl Serialize) -> Self {
        Self(Some((digest(words), Instant::now())))
    }

    /// How long to leave what is shown as it is, because somebody put it in the place of what this process wrote a moment ago.
    pub(crate) fn left_to_another(&self, shown: &impl Serialize) -> Option<Duration> {
        let (own, at) = self.0?;
        let left = TURN.saturating_sub(at.elapsed());
        Some(left).filter(|left| !left.is_zero() && own != digest(shown))
    }
}

fn digest(words: &impl Serialize) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(&serde_json::to_vec(words).unwrap_or_default());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn another_one_has_the_last_word_for_a_minute_after_ours() {
        let word = LastWord::had(&"ours");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(word.left_to_another(&"theirs"), Some(Duration::from_secs(40)));
        assert_eq!(word.left_to_another(&"ours"), None);
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(word.left_to_another(&"theirs"), None);
        assert_eq!(LastWord::default().left_to_another(&"theirs"), None);
    }
}
