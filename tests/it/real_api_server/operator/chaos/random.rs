/// SplitMix64: the same seed gives the same choices.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 1 to `most`, all equally likely.
    pub(super) fn up_to(&mut self, most: u64) -> u64 {
        self.next() % most.max(1) + 1
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.up_to(choices.len() as u64) - 1).unwrap()]
    }
}

#[test]
fn a_seed_repeats_its_choices() {
    let drawn = |seed| {
        let mut random = Random::new(seed);
        (0..100).map(|_| random.up_to(10)).collect::<Vec<_>>()
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    assert!(drawn(3).iter().all(|number| (1..=10).contains(number)));
}
