use cardwright::issuance::store::{Durable, Fault, Journal, MemoryFaults, MemoryStore, Store, StoreError, Transaction};

use crate::chance::Chance;
use crate::disk::Stable;

/// The store in memory, whose log loses what was not synced.
pub(crate) struct MemoryDisk {
    store: MemoryStore,
    syncs: bool,
}

impl MemoryDisk {
    pub(crate) fn new(syncs: bool) -> Self {
        Self { store: MemoryStore::with_faults(MemoryFaults::none().sync(syncs)), syncs }
    }
}

impl Stable for MemoryDisk {
    fn journal(&self) -> &dyn Journal {
        &self.store
    }

    fn commit(
        &mut self,
        transaction: Transaction,
        time_ms: u64,
        fault: Option<Fault>,
        chance: &mut Chance,
    ) -> Result<Durable, StoreError> {
        if let Some(fault) = fault {
            self.store.set_faults(MemoryFaults::seeded(chance.dice.next(), 0).at(1, fault).sync(self.syncs));
        }
        self.store.commit(transaction, time_ms)
    }

    fn power_cut(&mut self, chance: &mut Chance) {
        self.store.set_faults(MemoryFaults::seeded(chance.dice.next(), 0).sync(self.syncs));
        self.store.crash();
    }

    fn restart(&mut self) -> Result<(), StoreError> {
        self.store = std::mem::take(&mut self.store).reopen()?;
        self.store.set_faults(MemoryFaults::none().sync(self.syncs));
        Ok(())
    }
}
