use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Everything that is left to chance: the same seed, the same run.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `end`, which is not 0. The bias does not matter here.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end.max(1) as u64) as usize
    }

    /// Whether something happens that happens in so many of 100 cases.
    pub(crate) fn percent(&mut self, rate: usize) -> bool {
        self.below(100) < rate
    }

    pub(crate) fn bytes(&mut self) -> [u8; 8] {
        self.0.next_u64().to_be_bytes()
    }
}
