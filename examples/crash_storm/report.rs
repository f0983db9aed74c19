//! What came of a world, and of all worlds together.

use cardwright::issuance::journal::Record;
use sha2::{Digest, Sha256};

use crate::weather::Counts;
use crate::world::{Job, Standing, World};

/// What came of one world.
pub(crate) struct WorldReport {
    pub(crate) seed: u64,
    pub(crate) totals: Totals,
    pub(crate) violations: Vec<String>,
    /// Over the journal and the steps: two runs with the same one were the same run.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) trace: String,
}

#[derive(Clone, Default)]
pub(crate) struct Totals {
    pub(crate) worlds: u64,
    pub(crate) cards: u64,
    pub(crate) finished: u64,
    pub(crate) quarantined: u64,
    pub(crate) sessions: u64,
    pub(crate) commands: u64,
    pub(crate) commits: u64,
    pub(crate) records: u64,
    pub(crate) hazards: Counts,
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.cards += other.cards;
        self.finished += other.finished;
        self.quarantined += other.quarantined;
        self.sessions += other.sessions;
        self.commands += other.commands;
        self.commits += other.commits;
        self.records += other.records;
        self.hazards.add(&other.hazards);
    }
}

/// Sums a world up; `commands` is how many its cards have executed.
pub(crate) fn of<J: Job>(world: World<J>, seed: u64, commands: u64, records: &[Record]) -> WorldReport {
    let count = |standing| world.standings.iter().filter(|other| **other == standing).count() as u64;
    let totals = Totals {
        worlds: 1,
        cards: world.standings.len() as u64,
        finished: count(Standing::Finished),
        quarantined: count(Standing::Quarantined),
        sessions: world.begun,
        commands,
        commits: world.disk.commits(),
        records: records.len() as u64,
        hazards: world.chance.counts.clone(),
    };
    // Without the time since the program began, which is the machine's.
    let mut fingerprint = Sha256::new();
    for record in records {
        fingerprint.update(record.time_ms.to_be_bytes());
        fingerprint.update(record.entity.as_str());
        fingerprint.update(&record.body);
    }
    for number in [seed, totals.records, world.chance.steps(), commands, totals.commits, totals.sessions] {
        fingerprint.update(number.to_be_bytes());
    }
    let violations = world.violations;
    WorldReport {
        seed,
        totals,
        violations,
        fingerprint: fingerprint.finalize().into(),
        trace: world.chance.into_trace(),
    }
}
