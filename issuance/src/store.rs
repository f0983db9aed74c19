//! Stores: journals that tell when a record is on stable storage.
//!
//! ```
//! use cardwright_issuance::journal::{Entity, Entry};
//! use cardwright_issuance::store::{Journal, MemoryStore, Store, Transaction};
//!
//! let mut store = MemoryStore::new();
//! let card = Entity::new("card/8900010000000000017")?;
//! let intent = Transaction::new([Entry { entity: card.clone(), body: vec![0x01] }]).expecting(card.clone(), 0);
//! let durable = store.commit(intent, 1_700_000_000_000)?;
//! assert_eq!(durable.last_seq(), 1);
//! assert_eq!(store.history(&card)?.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::journal::{ChainError, Entity, Entry, Head, Label, MAX_BODY, Mark, Origin, Record};

mod memory;
mod sqlite;
#[cfg(test)]
mod suite;

pub use memory::{Fault, MemoryFaults, MemoryStore};
pub use sqlite::{SCHEMA_VERSION, SqliteOptions, SqliteReader, SqliteStore};
pub(crate) use sqlite::{audit, checkpoints};

/// A journal that can be read.
pub trait Journal {
    /// All records of one entity, in order.
    ///
    /// # Errors
    ///
    /// [`StoreError`] of the storage group.
    fn history(&self, entity: &Entity) -> Result<Vec<Record>, StoreError>;

    /// Up to `limit` records that follow the one numbered `after_seq`, in order; none when there are no more.
    ///
    /// # Errors
    ///
    /// [`StoreError`] of the storage group.
    fn records(&self, after_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError>;

    /// The entities that have records and whose names begin with `prefix`, in the order of their bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError`] of the storage group.
    fn entities(&self, prefix: &str) -> Result<Vec<Entity>, StoreError>;

    /// The entities whose names begin with `prefix` and that were left open ([`Transaction::opening`]), in the order of
    /// their bytes. What a program has to look at when it starts; the cost is linear in their number.
    ///
    /// # Errors
    ///
    /// [`StoreError`] of the storage group.
    fn open_entities(&self, prefix: &str) -> Result<Vec<Entity>, StoreError>;

    /// Number and hash of the last record.
    ///
    /// # Errors
    ///
    /// [`StoreError`] of the storage group.
    fn head(&self) -> Result<Head, StoreError>;
}

/// A journal that can be written.
pub trait Store: Journal + Send {
    /// Appends all entries, in order, or none; `time_ms` is the wall clock in milliseconds since 1970-01-01 UTC.
    ///
    /// `Ok` means that the records are on stable storage.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing was written, unless [`StoreError::is_in_doubt`] says that this cannot be told.
    fn commit(&mut self, transaction: Transaction, time_ms: u64) -> Result<Durable, StoreError>;
}

/// What is written together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// What is appended, in this order; at least one.
    pub entries: Vec<Entry>,
    /// Entities with the number of the last record of theirs that the writer has seen, 0 for none. When another one
    /// has been written since, nothing is written.
    pub expect: Vec<(Entity, u64)>,
    /// Entities that are open, or no longer, once this is written. Each has an entry in the transaction.
    pub marks: Vec<(Entity, Mark)>,
    /// Who has it written; empty: the one whom the store was opened for.
    pub actor: Label,
    /// The state machine that decided it.
    pub machine: Label,
}

impl Transaction {
    /// Appends `entries` whatever others have written.
    #[must_use]
    pub fn new(entries: impl Into<Vec<Entry>>) -> Self {
        Self { entries: entries.into(), ..Self::default() }
    }

    /// Demands that `last_seq` still is the number of the last record of `entity`.
    #[must_use]
    pub fn expecting(mut self, entity: Entity, last_seq: u64) -> Self {
        self.expect.push((entity, last_seq));
        self
    }

    /// Marks `entity` as open: after a crash it has to be looked at before anything new is done with it.
    #[must_use]
    pub fn opening(mut self, entity: Entity) -> Self {
        self.marks.push((entity, Mark::Open));
        self
    }

    /// Marks `entity` as having nothing open any more.
    #[must_use]
    pub fn closing(mut self, entity: Entity) -> Self {
        self.marks.push((entity, Mark::Closed));
        self
    }

    /// Names who has it written.
    #[must_use]
    pub fn by(mut self, actor: Label) -> Self {
        self.actor = actor;
        self
    }

    /// Names the state machine that decided it.
    #[must_use]
    pub fn of(mut self, machine: Label) -> Self {
        self.machine = machine;
        self
    }

    /// The records that continue `head` in this run of a program.
    fn records(&self, mut head: Head, run: &Run<'_>, time_ms: u64) -> Vec<Record> {
        let actor = if self.actor.is_empty() { run.actor } else { &self.actor };
        // The mark stands in the last record of its entity.
        let mut marks: BTreeMap<&Entity, (Mark, usize)> =
            self.marks.iter().map(|(entity, mark)| (entity, (*mark, 0))).collect();
        for (place, entry) in self.entries.iter().enumerate() {
            marks.entry(&entry.entity).and_modify(|mark| mark.1 = place);
        }
        let records = self.entries.iter().enumerate().map(|(place, entry)| {
            let mark = marks.get(&entry.entity).filter(|(_, last)| *last == place);
            let mark = mark.map_or(Mark::Unchanged, |(mark, _)| *mark);
            let (actor, machine) = (actor.clone(), self.machine.clone());
            let origin = Origin { actor, machine, uptime_ms: run.uptime_ms, mark };
            let record = head.record_from(origin, run.epoch, time_ms, entry.clone());
            head = record.head();
            record
        });
        records.collect()
    }

    /// Refuses what no store takes.
    fn check(&self, time_ms: u64) -> Result<(), StoreError> {
        if self.entries.is_empty() {
            return Err(StoreError::NothingToWrite);
        }
        if i64::try_from(time_ms).is_err() {
            return Err(StoreError::TimeOutOfRange { time_ms });
        }
        if !self.marks.is_empty() {
            let written: BTreeSet<&Entity> = self.entries.iter().map(|entry| &entry.entity).collect();
            if let Some((entity, _)) = self.marks.iter().find(|(entity, _)| !written.contains(entity)) {
                return Err(StoreError::MarkWithoutEntry { entity: entity.clone() });
            }
        }
        match self.entries.iter().find(|entry| entry.body.len() > MAX_BODY) {
            Some(Entry { entity, body }) => {
                Err(StoreError::BodyTooLong { entity: entity.clone(), length: body.len(), limit: MAX_BODY })
            }
            None => Ok(()),
        }
    }
}

/// The run of a program that writes.
struct Run<'a> {
    epoch: u64,
    uptime_ms: u64,
    /// Who writes when a transaction names nobody.
    actor: &'a Label,
}

/// Proof that records are on stable storage. A store makes it; it cannot be copied, so that one proof lets one
/// thing happen.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what waits for durability goes on with this"]
pub struct Durable {
    first_seq: u64,
    last_seq: u64,
}

impl Durable {
    /// For a store outside this crate: all records of `transaction` are on stable storage, numbered on from `first_seq`.
    ///
    /// Whoever calls this vouches for it; commands that cannot be undone are sent because of it.
    pub fn vouched_for(transaction: &Transaction, first_seq: u64) -> Self {
        let more = transaction.entries.len().saturating_sub(1) as u64;
        Self { first_seq, last_seq: first_seq.saturating_add(more) }
    }

    /// Number of the transaction's first record; its entries are numbered on from there.
    #[must_use]
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// Number of the transaction's last record.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }
}

/// Where in a store something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The file as a whole, or a page that its finding names.
    File,
    /// A byte of the file, counted from 0.
    Byte {
        /// Its offset.
        offset: u64,
    },
    /// A record.
    Record {
        /// Its number.
        seq: u64,
    },
    /// A signed checkpoint.
    Checkpoint {
        /// Number of the record that it covers the chain up to.
        seq: u64,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => out.write_str("the file"),
            Self::Byte { offset } => write!(out, "byte {offset}"),
            Self::Record { seq } => write!(out, "record {seq}"),
            Self::Checkpoint { seq } => write!(out, "the checkpoint of record {seq}"),
        }
    }
}

/// Why a file is not a journal of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignFile {
    /// It does not begin as an SQLite database does.
    #[error("it is not an SQLite database")]
    NotSqlite,
    /// It is an SQLite database of another program.
    #[error("it is an SQLite database with the application id {found:08X}, not {expected:08X}")]
    ApplicationId {
        /// What stands in the file.
        found: u32,
        /// What a journal has.
        expected: u32,
    },
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    // The caller.
    /// Another record of the entity was written since the caller looked.
    #[error("{entity} has record {actual}, not {expected}, as its last: read its history and decide anew")]
    Conflict {
        /// Whose records.
        entity: Entity,
        /// Last record the caller has seen, 0 for none.
        expected: u64,
        /// Last record there is, 0 for none.
        actual: u64,
    },
    /// The same, of a store that does not say what its last record is.
    #[error("another record of {entity} was written since: read its history and decide anew")]
    Superseded {
        /// Whose records.
        entity: Entity,
    },
    /// A transaction without entries.
    #[error("a transaction without entries proves nothing: add one")]
    NothingToWrite,
    /// An entity is to be marked as open or closed, and the transaction has no entry for it.
    #[error("{entity} cannot be opened or closed without an entry: the mark stands in a record")]
    MarkWithoutEntry {
        /// Which.
        entity: Entity,
    },
    /// A body that is too long for a record.
    #[error("a body for {entity} has {length} bytes, more than {limit}: keep it elsewhere and record its hash")]
    BodyTooLong {
        /// Whose record.
        entity: Entity,
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A time of more than 63 bits.
    #[error("{time_ms} is no time in milliseconds since 1970: check the clock")]
    TimeOutOfRange {
        /// The time given.
        time_ms: u64,
    },

    // The place.
    /// The folder in which the file is to be does not exist.
    #[error("{path}: there is no such folder: create it first", path = path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// There is no file to read.
    #[error("{path}: there is no such file", path = path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// A folder, a device or the like stands where the file should be.
    #[error("{path}: this is not a file: name a file in it or elsewhere", path = path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// The system does not let this program at the file.
    #[error("{path}: no permission while {doing}: check the owner and the mode of file and folder", path = path.display())]
    NoPermission {
        /// File or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
    },

    // The file.
    /// The file is something else; it was not touched.
    #[error("{path}: not a journal: {found}; name another file", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: ForeignFile,
    },
    /// The file was written by a newer release; it was not touched.
    #[error("{path}: schema version {found}, this release knows up to {supported}: use a newer release", path = path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest that this release knows.
        supported: u32,
    },
    /// The file is shorter than it says; it was not touched.
    #[error("{path}: truncated: {actual} bytes of {expected}: restore a copy, or open it read-only", path = path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes the file should have.
        expected: u64,
        /// Bytes it has.
        actual: u64,
    },
    /// The file does not hold together; it was not touched.
    #[error("{path}: damaged at {place}: {finding}; restore a copy, or open it read-only", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        place: Place,
        /// What is wrong there, in the words of the check.
        finding: String,
    },
    /// The records are not the chain that was written; the file was not touched.
    #[error("{path}: {problem}", path = path.display())]
    BrokenChain {
        /// The file.
        path: PathBuf,
        /// The first record that is wrong, and how.
        problem: ChainError,
    },

    // The signer.
    /// A checkpoint is to be signed, and the store was opened without a signer.
    #[error("no signer: open the store with one")]
    NoSigner,
    /// The signer did not sign; the records are there, and a later checkpoint covers them.
    #[error("the checkpoint was not signed: try again")]
    NotSigned {
        /// What the signer said.
        source: Box<dyn Error + Send + Sync>,
    },

    // Storage.
    /// No room; nothing was written.
    #[error("no room for the records: free some and try again")]
    Full,
    /// Others kept the file locked for too long; nothing was written.
    #[error("others kept the store locked while {doing}: try again")]
    Busy {
        /// What was tried.
        doing: &'static str,
    },
    /// The system failed; nothing was written.
    #[error("the system failed while {doing}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The database engine failed; nothing was written.
    #[error("the database engine failed while {doing}")]
    Engine {
        /// What was tried.
        doing: &'static str,
        /// What the engine said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The system failed at a point where it cannot be told whether the records are on stable storage.
    #[error("whether the records were written is not known: open the store again and read the history")]
    InDoubt {
        /// What the engine said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// An earlier commit is in doubt, so this store answers no more.
    #[error("an earlier commit is in doubt: open the store again")]
    Poisoned,
    /// Whoever drives the machine answered another question than the one to the store.
    #[error("the driver did not answer for the store")]
    WrongAnswer,
    /// The store in memory was made to crash.
    #[error("the store has crashed: reopen it")]
    Crashed,
}

impl StoreError {
    /// Whether the records of the failed commit may have been written all the same.
    ///
    /// When it is true, open the store again and read the history before anything is decided.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::InDoubt { .. } | Self::Crashed)
    }
}
