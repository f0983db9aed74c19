//! What goes wrong, and when: the same for the same seed.

use std::collections::BTreeMap;

/// A failure of one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power goes before anything is written.
    CrashBeforeWrite,
    /// The power goes after the write, before the sync: the records may be there, in part or whole, or not.
    CrashAfterWrite,
    /// The power goes after the sync, before the answer: the records are there, and nobody was told.
    CrashAfterSync,
    /// There is no room; nothing is written.
    DiskFull,
}

/// The failures of a [`MemoryStore`](super::MemoryStore), drawn from a seed or planned one by one.
#[derive(Clone, Debug)]
pub struct MemoryFaults {
    random: SplitMix64,
    /// One commit in so many fails; 0 for none.
    one_in: u64,
    planned: BTreeMap<u64, Fault>,
    commits: u64,
    sync: bool,
}

impl MemoryFaults {
    /// No failures.
    #[must_use]
    pub fn none() -> Self {
        Self::seeded(0, 0)
    }

    /// About one commit in `one_in` fails, in one of the four ways; `one_in` 0 stands for never.
    #[must_use]
    pub fn seeded(seed: u64, one_in: u32) -> Self {
        Self { random: SplitMix64(seed), one_in: one_in.into(), planned: BTreeMap::new(), commits: 0, sync: true }
    }

    /// Makes the commit number `commit` (from 1, counted over reopenings, refused ones left out) fail in this way.
    #[must_use]
    pub fn at(mut self, commit: u64, fault: Fault) -> Self {
        self.planned.insert(commit, fault);
        self
    }

    /// Sabotage: report durability without syncing, so that tests can show that it is found.
    #[must_use]
    pub fn sync(mut self, sync: bool) -> Self {
        self.sync = sync;
        self
    }

    pub(super) fn syncs(&self) -> bool {
        self.sync
    }

    /// What happens to the next commit.
    pub(super) fn poll(&mut self) -> Option<Fault> {
        self.commits += 1;
        if let Some(fault) = self.planned.remove(&self.commits) {
            return Some(fault);
        }
        if self.one_in == 0 || self.random.below(self.one_in) != 0 {
            return None;
        }
        Some(match self.random.below(4) {
            0 => Fault::CrashBeforeWrite,
            1 => Fault::CrashAfterWrite,
            2 => Fault::CrashAfterSync,
            _ => Fault::DiskFull,
        })
    }

    /// Loses what lies behind `synced`, keeps it or cuts it at any byte, and now and then leaves a hole in what remains of it, as a disk
    /// does that wrote later sectors first.
    pub(super) fn tear(&mut self, log: &mut Vec<u8>, synced: usize) {
        let volatile = log.len().saturating_sub(synced);
        let kept = match self.random.below(4) {
            0 => 0,
            1 => volatile,
            _ => self.random.up_to(volatile),
        };
        log.truncate(synced + kept);
        if kept > 0 && self.random.below(4) == 0 {
            let (one, other) = (self.random.up_to(kept), self.random.up_to(kept));
            log[synced + one.min(other)..synced + one.max(other)].fill(0);
        }
    }
}

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014.
#[derive(Clone, Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0; the bias does not matter to faults.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A number from 0 to `last`.
    fn up_to(&mut self, last: usize) -> usize {
        usize::try_from(self.below(last as u64 + 1)).unwrap_or(last)
    }
}
