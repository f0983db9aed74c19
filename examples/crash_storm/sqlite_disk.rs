//! The embedded store upon files that are recorded write by write: a power cut leaves them as a disk might have them.

use std::fs;
use std::path::{Path, PathBuf};

use cardwright::issuance::store::{Durable, Fault, Journal, MemoryStore, SqliteStore, Store, StoreError, Transaction};
use cardwright_faultdisk::{Disk as Recorder, Left, Recording};
use tempfile::TempDir;

use crate::chance::Chance;
use crate::disk::Stable;

const JOURNAL: &str = "issue.journal";

pub(crate) struct SqliteDisk {
    folder: TempDir,
    /// `None` while the power is off.
    store: Option<SqliteStore>,
    recorder: Recorder,
    syncs: bool,
    /// Answers while the power is off; it has no records.
    nothing: MemoryStore,
}

impl SqliteDisk {
    /// One world at a time: the recorder is below all of SQLite.
    pub(crate) fn new(syncs: bool) -> Self {
        // The recorder knows what a disk would have lost, so the files can be in memory.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = folder.expect("a folder for files");
        let recorder = Recorder::under(folder.path());
        // The file gets its name by a rename, of which the recorder hears nothing.
        drop(SqliteStore::open(folder.path().join(JOURNAL)).expect("a new journal"));
        let mut disk = Self { folder, store: None, recorder, syncs, nothing: MemoryStore::new() };
        disk.restart().expect("the journal that was just made");
        disk
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(JOURNAL)
    }

    /// The power goes after so many operations of the recording.
    fn cut(&mut self, operations: usize, left: Left) {
        let recording = self.recorder.recorded();
        // What the store does when it is closed comes after the end.
        self.store = None;
        self.put(&recording, operations, left);
    }

    fn put(&self, recording: &Recording, operations: usize, left: Left) {
        for found in fs::read_dir(self.folder.path()).expect("the folder is there") {
            fs::remove_file(found.expect("an entry").path()).expect("a file of this world");
        }
        Recording::put(&recording.cut(operations, left), self.folder.path());
    }
}

/// What becomes of the writes that were not synced.
fn left(chance: &mut Chance) -> Left {
    match chance.dice.below(4) {
        0 => Left::Nothing,
        1 => Left::Everything,
        _ => Left::Torn(chance.dice.next()),
    }
}

impl Stable for SqliteDisk {
    fn journal(&self) -> &dyn Journal {
        self.store.as_ref().map_or(&self.nothing, |store| store)
    }

    fn commit(
        &mut self,
        transaction: Transaction,
        time_ms: u64,
        fault: Option<Fault>,
        chance: &mut Chance,
    ) -> Result<Durable, StoreError> {
        let store = self.store.as_mut().ok_or(StoreError::Crashed)?;
        let before = self.recorder.operations();
        let result = match fault {
            Some(Fault::DiskFull) => {
                self.recorder.set_quota(Some(0));
                let result = store.commit(transaction, time_ms);
                self.recorder.set_quota(None);
                return result;
            }
            Some(Fault::CrashBeforeWrite) => Err(StoreError::Crashed),
            _ => store.commit(transaction, time_ms),
        };
        let after = self.recorder.operations();
        let at = match fault {
            None => return result,
            // Somewhere among its writes, before the last of them is safe.
            Some(Fault::CrashAfterWrite) if after > before => before + chance.dice.below(after - before),
            _ => after,
        };
        let left = left(chance);
        self.cut(at, left);
        Err(StoreError::Crashed)
    }

    fn power_cut(&mut self, chance: &mut Chance) {
        let left = left(chance);
        self.cut(self.recorder.operations(), left);
    }

    fn restart(&mut self) -> Result<(), StoreError> {
        if self.store.is_some() {
            // A program that was killed: the system has all that it wrote, and nothing was closed.
            self.cut(self.recorder.operations(), Left::Everything);
        }
        self.recorder.record();
        self.store = Some(SqliteStore::open(self.path())?);
        if !self.syncs {
            self.recorder.pragma("PRAGMA synchronous = OFF");
        }
        Ok(())
    }
}
