use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Everything that is left to chance in one world: the same seed, the same world.
#[derive(Clone)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `end`; 0 when `end` is 0. The bias does not matter to a storm.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Whether something happens that happens `rate` times in 10 000.
    pub(crate) fn happens(&mut self, rate: u32) -> bool {
        rate > 0 && self.below(10_000) < rate as usize
    }

    pub(crate) fn bytes(&mut self) -> [u8; 8] {
        self.next().to_be_bytes()
    }
}

/// Seed of one world of a run: worlds do not depend on each other, nor on how many there are.
pub(crate) fn world_seed(run: u64, index: u64) -> u64 {
    let mut dice = Dice::new(run ^ index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    dice.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worlds_of_a_run_have_seeds_of_their_own() {
        let seeds: std::collections::BTreeSet<_> = (0..1000).map(|index| world_seed(1, index)).collect();
        assert_eq!(seeds.len(), 1000);
        assert_ne!(world_seed(1, 0), world_seed(2, 0));
    }
}
