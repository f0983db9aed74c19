//! The journal of a world, on a disk that loses what was not synced.

use cardwright::issuance::journal::{Entity, Record};
use cardwright::issuance::store::{Durable, Fault, Journal, MemoryFaults, MemoryStore, Store, StoreError, Transaction};

use crate::chance::Chance;
use crate::weather::Hazard;

pub(crate) struct Disk {
    store: MemoryStore,
    /// Sabotage: says that records are durable and does not sync.
    syncs: bool,
    is_down: bool,
    commits: u64,
    last_seq: u64,
}

impl Disk {
    pub(crate) fn new(syncs: bool) -> Self {
        let store = MemoryStore::with_faults(MemoryFaults::none().sync(syncs));
        Self { store, syncs, is_down: false, commits: 0, last_seq: 0 }
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
    pub(crate) fn journal(&self) -> &MemoryStore {
        &self.store
    }

    pub(crate) fn history(&self, entity: &Entity) -> Result<Vec<Record>, StoreError> {
        self.store.history(entity)
    }

    pub(crate) fn commit(
        &mut self,
        transaction: Transaction,
        time_ms: u64,
        chance: &mut Chance,
    ) -> Result<Durable, StoreError> {
        let fault = [
            (Hazard::DiskFull, Fault::DiskFull),
            (Hazard::PowerBeforeWrite, Fault::CrashBeforeWrite),
            (Hazard::PowerAfterWrite, Fault::CrashAfterWrite),
            (Hazard::PowerAfterSync, Fault::CrashAfterSync),
        ]
        .into_iter()
        .find_map(|(hazard, fault)| chance.strikes(hazard).then_some(fault));
        if let Some(fault) = fault {
            self.store.set_faults(MemoryFaults::seeded(chance.dice.next(), 0).at(1, fault).sync(self.syncs));
        }
        let result = self.store.commit(transaction, time_ms);
        self.commits += 1;
        if let Ok(durable) = &result {
            self.last_seq = durable.last_seq();
        }
        self.is_down |= matches!(result, Err(StoreError::Crashed));
        result
    }

    /// Cuts the power between two writes.
    pub(crate) fn power_cut(&mut self, chance: &mut Chance) {
        self.store.set_faults(MemoryFaults::seeded(chance.dice.next(), 0).sync(self.syncs));
        self.store.crash();
        self.is_down = true;
    }

    /// Opens the journal again, after a power cut or as a program does that starts anew.
    pub(crate) fn restart(&mut self) -> Result<(), StoreError> {
        self.store = std::mem::take(&mut self.store).reopen()?;
        self.store.set_faults(MemoryFaults::none().sync(self.syncs));
        self.last_seq = self.store.head()?.seq;
        self.is_down = false;
        Ok(())
    }

    /// All records, for whoever checks them.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.store.records(0, usize::MAX).unwrap_or_default()
    }
}
