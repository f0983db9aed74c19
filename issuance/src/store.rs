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

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::journal::{ChainError, Entity, Entry, Head, MAX_BODY, Record};

mod memory;
mod sqlite;
#[cfg(test)]
mod suite;

pub use memory::{Fault, MemoryFaults, MemoryStore};
pub use sqlite::{SCHEMA_VERSION, SqliteReader, SqliteStore};

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
}

impl Transaction {
    /// Appends `entries` whatever others have written.
    #[must_use]
    pub fn new(entries: impl Into<Vec<Entry>>) -> Self {
        Self { entries: entries.into(), expect: Vec::new() }
    }

    /// Demands that `last_seq` still is the number of the last record of `entity`.
    #[must_use]
    pub fn expecting(mut self, entity: Entity, last_seq: u64) -> Self {
        self.expect.push((entity, last_seq));
        self
    }

    /// Refuses what no store takes.
    fn check(&self, time_ms: u64) -> Result<(), StoreError> {
        if self.entries.is_empty() {
            return Err(StoreError::NothingToWrite);
        }
        if i64::try_from(time_ms).is_err() {
            return Err(StoreError::TimeOutOfRange { time_ms });
        }
        match self.entries.iter().find(|entry| entry.body.len() > MAX_BODY) {
            Some(Entry { entity, body }) => {
                Err(StoreError::BodyTooLong { entity: entity.clone(), length: body.len(), limit: MAX_BODY })
            }
            None => Ok(()),
        }
    }
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
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => out.write_str("the file"),
            Self::Byte { offset } => write!(out, "byte {offset}"),
            Self::Record { seq } => write!(out, "record {seq}"),
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
