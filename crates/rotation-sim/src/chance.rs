//! Chance that can be repeated: everything follows from a seed.

use crate::Fault;

/// A source of numbers that look random and are the same for the same seed (SplitMix64).
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

/// Faults at effects, each by its number alone: asking twice gives the same answer.
#[derive(Clone, Copy, Debug)]
pub struct Chance {
    /// What everything follows from.
    pub seed: u64,
    /// Of so many effects in a million something goes wrong.
    pub in_a_million: u64,
}

impl Dice {
    /// The numbers of one of many streams that share a seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(mix(seed ^ mix(stream)))
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.below((to - from).unsigned_abs() + 1)).unwrap_or(0)
    }

    /// Whether something happens that happens so often in a million times.
    pub fn happens(&mut self, in_a_million: u64) -> bool {
        self.below(1_000_000) < in_a_million
    }
}

impl Chance {
    pub(crate) fn fault_at(self, effect: usize) -> Option<Fault> {
        let mut dice = Dice::new(self.seed, effect as u64);
        dice.happens(self.in_a_million).then(|| match dice.below(4) {
            0 => Fault::CrashBefore,
            1 => Fault::CrashAfter,
            2 => Fault::AnswerLost,
            _ => Fault::AppliedLate,
        })
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
