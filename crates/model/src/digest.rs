//! A digest of 128 bits, by which a state is known again. Two lanes of folded multiplication, each with keys of its own: made to tell states apart, not to
//! withstand anybody.

use std::hash::{Hash, Hasher};

const KEYS: [u64; 4] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93, 0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db];

/// Collects what a state consists of.
#[derive(Clone, Debug)]
pub struct Digest {
    lanes: [u64; 2],
}

impl Default for Digest {
    fn default() -> Self {
        Self { lanes: [KEYS[2], KEYS[3]] }
    }
}

impl Digest {
    /// Of one thing.
    pub fn of(thing: &impl Hash) -> u128 {
        let mut digest = Self::default();
        thing.hash(&mut digest);
        digest.value()
    }

    /// What it comes to.
    pub fn value(&self) -> u128 {
        let mut last = self.clone();
        last.write_u64(0x51);
        last.write_u64(0x52);
        u128::from(last.lanes[0]) << 64 | u128::from(last.lanes[1])
    }
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let [high, low] = [(product >> 64) as u64, product as u64];
    high ^ low
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.value() as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
        self.write_u64(bytes.len() as u64);
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        let [a, b] = self.lanes;
        self.lanes = [fold(a ^ value, KEYS[0]) ^ b.rotate_left(23), fold(b.rotate_left(17) ^ value, KEYS[1]).wrapping_add(a)];
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_i64(&mut self, value: i64) {
        self.write_u64(value as u64);
    }

    fn write_i32(&mut self, value: i32) {
        self.write_u64(value as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn neighbouring_states_have_different_digests_in_both_halves() {
        let digests: Vec<u128> = (0..200_000u32).map(|n| Digest::of(&(n / 1_000, n % 1_000, "state"))).collect();
        let high: HashSet<u64> = digests.iter().map(|digest| (digest >> 64) as u64).collect();
        let low: HashSet<u64> = digests.iter().map(|digest| *digest as u64).collect();
        assert_eq!((high.len(), low.len()), (digests.len(), digests.len()));
    }

    #[test]
    fn where_one_part_ends_and_the_next_begins_matters() {
        assert_ne!(Digest::of(&("ab", "c")), Digest::of(&("a", "bc")));
        assert_ne!(Digest::of(&[vec![1u8], vec![]]), Digest::of(&[vec![], vec![1u8]]));
    }
}
