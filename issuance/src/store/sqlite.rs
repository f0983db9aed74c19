//! The embedded store: one SQLite file, which `docs/journal.md` describes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::{Durable, Journal, Store, StoreError, Transaction};
use crate::journal::{ChainError, Checkpoint, Entity, Head, Label, Record};

mod append;
mod audit;
mod check;
mod checkpoint;
mod create;
mod file;
mod look;
mod migrate;
mod options;
mod reader;
mod readers;
mod rows;
mod schema;
mod writer;

pub(crate) use audit::{audit, checkpoints};
pub use options::SqliteOptions;
pub use reader::SqliteReader;
pub use schema::SCHEMA_VERSION;

/// "CWJL" in the file's header.
const APPLICATION_ID: u32 = 0x4357_4A4C;

/// How long a writer waits for another one.
const BUSY: Duration = Duration::from_secs(10);

/// A journal in an SQLite file: write-ahead log, every commit synced.
///
/// A clone is another handle to the same opening: any number of threads, each with its own, commit and read at once. One
/// writes for all of them; what waits while a sync is under way is committed together by the next one, and what
/// comes alone is committed alone, at once and without delay. Reading waits for no writer. The last handle to go closes the file.
///
/// Several openings and several programs may have one file open; each commit takes its place at the end of the chain
/// inside a transaction that shuts the others out.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    opening: Arc<Opening>,
    actor: Label,
}

/// What the handles of one opening share. Dropped in this order: the connection that is closed last brings the log home,
/// and only the writer's can.
#[derive(Debug)]
struct Opening {
    path: PathBuf,
    epoch: u64,
    readers: readers::Readers,
    writer: writer::Writer,
    _open: file::Open,
}

impl SqliteStore {
    /// Opens the journal at `path` as [`SqliteOptions::open`] does, without particulars.
    ///
    /// # Errors
    ///
    /// As [`SqliteOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOptions::new().open(path)
    }

    /// Opens the journal at `path` for reading what is readable of it, as [`SqliteReader::open`] does.
    ///
    /// # Errors
    ///
    /// As [`SqliteReader::open`].
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<SqliteReader, StoreError> {
        SqliteReader::open(path)
    }

    /// Has the chain signed up to its last record now; `None` when it has none. `time_ms` is the wall clock.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSigner`]; [`StoreError::NotSigned`]; [`StoreError::BrokenChain`] when another program wrote what does
    /// not follow; storage errors.
    pub fn checkpoint(&self, time_ms: u64) -> Result<Option<Checkpoint>, StoreError> {
        self.opening.writer.checkpoint(time_ms)
    }

    fn open_with(path: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let path = file::locate(path)?;
        let open = file::open(&path, || {
            create::where_empty(&path)?;
            file::inspect(&path)
        })?;
        let SqliteOptions { actor, max_pages, signing, trusted } = options;
        let checked = look::look(&path, look::Purpose::Check, |connection| check::check(connection, &path, &trusted))?;
        if checked.version < SCHEMA_VERSION {
            migrate::to_present(&path)?;
        }
        let mut connection = connect(&path)?;
        if let Some(pages) = max_pages {
            connection
                .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
                .map_err(|error| engine_error(&path, "limiting the file", error))?;
        }
        let epoch = begin_epoch(&mut connection, &path)?;
        let writer = writer::Writer::start(connection, &path, epoch, checked.head, signing)?;
        let opening = Opening { readers: readers::Readers::new(&path), path, epoch, writer, _open: open };
        Ok(Self { opening: Arc::new(opening), actor })
    }

    /// Names who writes through this handle and its clones to come, where a transaction names nobody.
    #[must_use]
    pub fn acting_as(mut self, actor: Label) -> Self {
        self.actor = actor;
        self
    }

    /// The epoch of this opening.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.opening.epoch
    }

    /// Reads with a connection of its own, unless a commit is in doubt.
    fn read<T>(&self, read: impl FnOnce(&Connection, &Path) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.opening.writer.alive()?;
        self.opening.readers.read(read)
    }

    /// Lets no record through that was changed since the file was opened.
    fn genuine(&self, records: Vec<Record>) -> Result<Vec<Record>, StoreError> {
        match records.iter().find(|record| record.hash != record.computed_hash()) {
            Some(record) => {
                let problem = ChainError::Changed { seq: record.seq };
                Err(StoreError::BrokenChain { path: self.opening.path.clone(), problem })
            }
            None => Ok(records),
        }
    }
}

impl Journal for SqliteStore {
    fn history(&self, entity: &Entity) -> Result<Vec<Record>, StoreError> {
        self.genuine(self.read(|connection, path| rows::history(connection, path, entity))?)
    }

    fn records(&self, after_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        match self.read(|connection, path| rows::records(connection, path, after_seq, limit))? {
            (records, None) => self.genuine(records),
            (_, Some(error)) => Err(error),
        }
    }

    fn entities(&self, prefix: &str) -> Result<Vec<Entity>, StoreError> {
        self.read(|connection, path| rows::entities(connection, path, prefix))
    }

    fn open_entities(&self, prefix: &str) -> Result<Vec<Entity>, StoreError> {
        self.read(|connection, path| rows::open_entities(connection, path, prefix))
    }

    fn head(&self) -> Result<Head, StoreError> {
        self.read(rows::head)
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, transaction: Transaction, time_ms: u64) -> Result<Durable, StoreError> {
        transaction.check(time_ms)?;
        let transaction = match self.actor.is_empty() || !transaction.actor.is_empty() {
            true => transaction,
            false => transaction.by(self.actor.clone()),
        };
        self.opening.writer.commit(transaction, time_ms)
    }
}

/// Opens a file that was looked at for writing.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    let failed = |error| engine_error(path, "opening the file", error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    settle(&connection).map_err(failed)?;
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(failed)?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).map_err(failed)?;
    if mode != "wal" || synchronous != 2 {
        let finding = format!("journal mode {mode}, synchronous {synchronous}, where wal and 2 are needed");
        return Err(StoreError::Damaged { path: path.to_owned(), place: super::Place::File, finding });
    }
    Ok(connection)
}

/// Settings of a connection that writes. `fullfsync` matters where a plain fsync stops at the drive's cache.
fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    keep_plans(connection)
}

/// Plans do not depend on what is bound. Else SQLite plans a look-up by number anew for each number: a fifth of what a commit
/// costs besides its sync.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

fn begin_epoch(connection: &mut Connection, path: &Path) -> Result<u64, StoreError> {
    let failed = |error| engine_error(path, "beginning an epoch", error);
    let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    // Another program may have brought the file to a newer schema since it was looked at.
    check::identity(&writing, path)?;
    writing.execute("INSERT INTO run (epoch) SELECT coalesce(max(epoch), 0) + 1 FROM run", ()).map_err(failed)?;
    let epoch = writing.last_insert_rowid();
    writing.commit().map_err(failed)?;
    u64::try_from(epoch).map_err(|_| rows::damaged(path, super::Place::File, "the table of runs holds no legal epoch"))
}

/// Sorts what the engine says.
fn engine_error(path: &Path, doing: &'static str, error: rusqlite::Error) -> StoreError {
    use rusqlite::Error as E;
    let damaged = |error: &E| rows::damaged(path, super::Place::File, &error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { doing },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(&error),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            StoreError::NoPermission { path: path.to_owned(), doing }
        }
        Some(_) => StoreError::Engine { doing, source: error.into() },
        None => match error {
            E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..)
            | E::InvalidColumnType(..)
            | E::Utf8Error(..)
            | E::QueryReturnedNoRows => damaged(&error),
            _ => StoreError::Engine { doing, source: error.into() },
        },
    }
}

#[cfg(test)]
mod tests;
