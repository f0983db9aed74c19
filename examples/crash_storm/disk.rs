//! The journal of a world, on a disk that loses what was not synced.

use cardwright::issuance::journal::{Entity, Record};
use cardwright::issuance::store::{Durable, Fault, Journal, StoreError, Transaction};

use crate::chance::Chance;
use crate::memory_disk::MemoryDisk;
use crate::options::StoreKind;
use crate::sqlite_disk::SqliteDisk;
use crate::weather::Hazard;

/// A store upon a disk whose power can be cut.
pub(crate) trait Stable {
    fn journal(&self) -> &dyn Journal;
    /// Writes a transaction; with a fault that cuts the power, the answer is [`StoreError::Crashed`].
    fn commit(
        &mut self,
        transaction: Transaction,
        time_ms: u64,
        fault: Option<Fault>,
        chance: &mut Chance,
    ) -> Result<Durable, StoreError>;
    /// Cuts the power between two writes.
    fn power_cut(&mut self, chance: &mut Chance);
    /// Opens the journal again, after a power cut or as a program does that starts anew.
    fn restart(&mut self) -> Result<(), StoreError>;
}

pub(crate) struct Disk {
    stable: Box<dyn Stable>,
    is_down: bool,
    commits: u64,
    last_seq: u64,
}

impl Disk {
    /// `syncs`: without it, sabotage, the store says that records are durable and does not sync them.
    pub(crate) fn new(kind: StoreKind, syncs: bool) -> Self {
        let stable: Box<dyn Stable> = match kind {
            StoreKind::Memory => Box::new(MemoryDisk::new(syncs)),
            StoreKind::Sqlite => Box::new(SqliteDisk::new(syncs)),
        };
        Self { stable, is_down: false, commits: 0, last_seq: 0 }
    }

    /// Whether the power is off: nothing answers until [`Disk::restart`].
    pub(crate) fn is_down(&self) -> bool {
        self.is_down
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits
    }

    /// Number of the last record that was reported as durable, or found when the journal was opened.
    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// What a person looks at.
    pub(crate) fn journal(&self) -> &dyn Journal {
        self.stable.journal()
    }

    pub(crate) fn history(&self, entity: &Entity) -> Result<Vec<Record>, StoreError> {
        if self.is_down { Err(StoreError::Crashed) } else { self.journal().history(entity) }
    }

    pub(crate) fn commit(
        &mut self,
        transaction: Transaction,
        time_ms: u64,
        chance: &mut Chance,
    ) -> Result<Durable, StoreError> {
        self.commits += 1;
        let fault = [
            (Hazard::DiskFull, Fault::DiskFull),
            (Hazard::PowerBeforeWrite, Fault::CrashBeforeWrite),
            (Hazard::PowerAfterWrite, Fault::CrashAfterWrite),
            (Hazard::PowerAfterSync, Fault::CrashAfterSync),
        ]
        .into_iter()
        .find_map(|(hazard, fault)| chance.strikes(hazard).then_some(fault));
        if self.is_down {
            return Err(StoreError::Crashed);
        }
        let result = self.stable.commit(transaction, time_ms, fault, chance);
        if let Ok(durable) = &result {
            self.last_seq = durable.last_seq();
        }
        self.is_down |= matches!(result, Err(StoreError::Crashed));
        result
    }

    pub(crate) fn power_cut(&mut self, chance: &mut Chance) {
        self.stable.power_cut(chance);
        self.is_down = true;
    }

    pub(crate) fn restart(&mut self) -> Result<(), StoreError> {
        self.stable.restart()?;
        self.last_seq = self.journal().head()?.seq;
        self.is_down = false;
        Ok(())
    }

    /// All records, for whoever checks them.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.journal().records(0, usize::MAX).unwrap_or_default()
    }
}
