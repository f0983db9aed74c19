//! A store in memory that fails where it is told to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Durable, Journal, Run, Store, StoreError, Transaction};
use crate::journal::{Entity, Head, Label, Record, apply_mark, verify};

mod faults;
mod log;

pub use faults::{Fault, MemoryFaults};

/// A store whose stable storage is a log of bytes in memory.
///
/// Each transaction is one frame of the log. A commit appends its frame to the volatile tail and then syncs, which
/// makes the tail stable; a crash loses the tail or tears it. After a crash every call answers
/// [`StoreError::Crashed`] until [`MemoryStore::reopen`].
#[derive(Debug)]
pub struct MemoryStore {
    log: Vec<u8>,
    /// Bytes of the log that survive a crash.
    synced: usize,
    epoch: u64,
    crashed: bool,
    faults: MemoryFaults,
    records: Vec<Record>,
    by_entity: BTreeMap<Entity, Vec<usize>>,
    marks: BTreeMap<Entity, bool>,
    actor: Label,
    /// Clock of this run: it follows the times given and never goes back.
    uptime_ms: u64,
    last_time_ms: Option<u64>,
}

impl MemoryStore {
    /// An empty store without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::with_faults(MemoryFaults::none())
    }

    /// An empty store that fails as told.
    #[must_use]
    pub fn with_faults(faults: MemoryFaults) -> Self {
        let mut store = Self::blank(Vec::new(), 0, faults);
        store.begin_epoch();
        store
    }

    /// Reads a log back: the whole frames from its beginning on; a torn end is dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when a whole frame holds no records, [`StoreError::BrokenChain`] when the records are
    /// no chain.
    pub fn from_log(log: Vec<u8>, faults: MemoryFaults) -> Result<Self, StoreError> {
        let synced = log.len();
        Self::recover(log, synced, faults)
    }

    /// Names who writes, where a transaction names nobody.
    #[must_use]
    pub fn acting_as(mut self, actor: Label) -> Self {
        self.actor = actor;
        self
    }

    /// The log as a crash right now would leave at best.
    #[must_use]
    pub fn log(&self) -> &[u8] {
        &self.log
    }

    /// The epoch of this opening.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Replaces the faults that are still to come.
    pub fn set_faults(&mut self, faults: MemoryFaults) {
        self.faults = faults;
    }

    /// Cuts the power: what was not synced is lost or torn.
    pub fn crash(&mut self) {
        if !self.crashed {
            self.crashed = true;
            self.faults.tear(&mut self.log, self.synced);
        }
    }

    /// Starts the next run on what is in the log, after a crash or without one.
    ///
    /// # Errors
    ///
    /// As [`MemoryStore::from_log`]; and [`StoreError::Damaged`] when synced bytes are gone, which is a mistake of
    /// this store.
    pub fn reopen(self) -> Result<Self, StoreError> {
        let Self { log, synced, faults, crashed, actor, .. } = self;
        // A run that ended without a power cut leaves its unsynced bytes to the system, which may still lose them.
        let store = Self::recover(log, synced, faults)?.acting_as(actor);
        if store.synced < synced {
            return Err(log::damaged(store.synced, "bytes that were synced are not there"));
        }
        Ok(if crashed { Self { synced: store.log.len(), ..store } } else { store })
    }

    fn blank(log: Vec<u8>, synced: usize, faults: MemoryFaults) -> Self {
        Self {
            log,
            synced,
            epoch: 0,
            crashed: false,
            faults,
            records: Vec::new(),
            by_entity: BTreeMap::new(),
            marks: BTreeMap::new(),
            actor: Label::default(),
            uptime_ms: 0,
            last_time_ms: None,
        }
    }

    fn recover(log: Vec<u8>, synced: usize, faults: MemoryFaults) -> Result<Self, StoreError> {
        let log::Recovered { epoch, records, length } = log::read(&log)?;
        verify(&records).map_err(|problem| StoreError::BrokenChain { path: PathBuf::from(log::NAME), problem })?;
        let mut store = Self::blank(log, synced.min(length), faults);
        store.log.truncate(length);
        store.epoch = epoch;
        records.into_iter().for_each(|record| store.index(record));
        store.begin_epoch();
        Ok(store)
    }

    fn begin_epoch(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
        let stable = self.synced == self.log.len();
        log::append(&mut self.log, self.epoch, &[]);
        if stable {
            self.synced = self.log.len();
        }
    }

    fn index(&mut self, record: Record) {
        apply_mark(&mut self.marks, &record);
        self.by_entity.entry(record.entity.clone()).or_default().push(self.records.len());
        self.records.push(record);
    }

    fn last_head(&self) -> Head {
        self.records.last().map_or(Head::GENESIS, Record::head)
    }

    fn last_seq_of(&self, entity: &Entity) -> u64 {
        let last = self.by_entity.get(entity).and_then(|places| places.last());
        last.and_then(|&place| self.records.get(place)).map_or(0, |record| record.seq)
    }

    fn alive(&self) -> Result<(), StoreError> {
        if self.crashed { Err(StoreError::Crashed) } else { Ok(()) }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Journal for MemoryStore {
    fn history(&self, entity: &Entity) -> Result<Vec<Record>, StoreError> {
        self.alive()?;
        let places = self.by_entity.get(entity).map_or(&[][..], Vec::as_slice);
        Ok(places.iter().filter_map(|&place| self.records.get(place)).cloned().collect())
    }

    fn records(&self, after_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.alive()?;
        let skip = usize::try_from(after_seq).unwrap_or(usize::MAX);
        Ok(self.records.iter().skip(skip).take(limit).cloned().collect())
    }

    fn entities(&self, prefix: &str) -> Result<Vec<Entity>, StoreError> {
        self.alive()?;
        Ok(self.by_entity.keys().filter(|entity| entity.as_str().starts_with(prefix)).cloned().collect())
    }

    fn open_entities(&self, prefix: &str) -> Result<Vec<Entity>, StoreError> {
        self.alive()?;
        let open = self.marks.iter().filter(|(entity, open)| **open && entity.as_str().starts_with(prefix));
        Ok(open.map(|(entity, _)| entity.clone()).collect())
    }

    fn head(&self) -> Result<Head, StoreError> {
        self.alive()?;
        Ok(self.last_head())
    }
}

impl Store for MemoryStore {
    fn commit(&mut self, transaction: Transaction, time_ms: u64) -> Result<Durable, StoreError> {
        self.alive()?;
        transaction.check(time_ms)?;
        for (entity, expected) in &transaction.expect {
            let (actual, expected) = (self.last_seq_of(entity), *expected);
            if actual != expected {
                return Err(StoreError::Conflict { entity: entity.clone(), expected, actual });
            }
        }
        self.uptime_ms += time_ms.saturating_sub(self.last_time_ms.unwrap_or(time_ms));
        self.last_time_ms = Some(time_ms);
        let head = self.last_head();
        let first_seq = head.seq + 1;
        let run = Run { epoch: self.epoch, uptime_ms: self.uptime_ms, actor: &self.actor };
        let records = transaction.records(head, &run, time_ms);

        let fault = self.faults.poll();
        match fault {
            Some(Fault::DiskFull) => return Err(StoreError::Full),
            Some(Fault::CrashBeforeWrite) => {
                self.crash();
                return Err(StoreError::Crashed);
            }
            Some(Fault::CrashAfterWrite | Fault::CrashAfterSync) | None => {}
        }
        log::append(&mut self.log, self.epoch, &records);
        if fault == Some(Fault::CrashAfterWrite) {
            self.crash();
            return Err(StoreError::Crashed);
        }
        if self.faults.syncs() {
            self.synced = self.log.len();
        }
        if fault == Some(Fault::CrashAfterSync) {
            self.crash();
            return Err(StoreError::Crashed);
        }
        records.into_iter().for_each(|record| self.index(record));
        Ok(Durable { first_seq, last_seq: self.last_head().seq })
    }
}

#[cfg(test)]
mod tests;
