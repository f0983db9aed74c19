//! The embedded store: one SQLite file, which `docs/journal.md` describes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use super::{Durable, Journal, Store, StoreError, Transaction};
use crate::journal::{ChainError, Entity, Head, Record};

mod check;
mod create;
mod file;
mod look;
mod reader;
mod rows;

pub use reader::SqliteReader;

/// Newest schema version that this release reads and the one it writes.
pub const SCHEMA_VERSION: u32 = 1;

/// "CWJL" in the file's header.
const APPLICATION_ID: u32 = 0x4357_4A4C;

/// Tables and indexes, in the order of their names; the text is compared when a file is opened.
const SCHEMA: [(&str, &str); 4] = [
    ("entity", "CREATE TABLE entity (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT"),
    (
        "record",
        "CREATE TABLE record (seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, epoch INTEGER NOT NULL, \
         entity INTEGER NOT NULL, body BLOB NOT NULL, prev_hash BLOB NOT NULL, hash BLOB NOT NULL) STRICT",
    ),
    ("record_entity", "CREATE INDEX record_entity ON record (entity)"),
    ("run", "CREATE TABLE run (epoch INTEGER PRIMARY KEY) STRICT"),
];

/// How long a writer waits for another one.
const BUSY: Duration = Duration::from_secs(10);

/// A journal in an SQLite file: write-ahead log, every commit synced.
///
/// Several handles and several programs may have one file open; each commit takes its place at the end of the chain
/// inside a transaction that shuts the others out.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    path: PathBuf,
    epoch: u64,
    poisoned: bool,
    // Dropped after the connection.
    _open: file::Open,
}

impl SqliteStore {
    /// Opens the journal at `path`; where no file or an empty one is, it makes one.
    ///
    /// Before anything is written, the file is looked at: header, pages, tables and the whole chain.
    ///
    /// # Errors
    ///
    /// [`StoreError`] of the groups place and file; such a file is left as it was. Storage errors when the system
    /// does not do its part.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = file::locate(path.as_ref())?;
        let open = file::open(&path, || {
            create::where_empty(&path)?;
            file::inspect(&path)
        })?;
        look::look(&path, look::Purpose::Check, |connection| check::check(connection, &path))?;
        let mut connection = connect(&path)?;
        let epoch = begin_epoch(&mut connection, &path)?;
        Ok(Self { connection, path, epoch, poisoned: false, _open: open })
    }

    /// Opens the journal at `path` for reading what is readable of it, as [`SqliteReader::open`] does.
    ///
    /// # Errors
    ///
    /// As [`SqliteReader::open`].
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<SqliteReader, StoreError> {
        SqliteReader::open(path)
    }

    /// The epoch of this opening.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    fn alive(&self) -> Result<(), StoreError> {
        if self.poisoned { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    /// Lets no record through that was changed since the file was opened.
    fn genuine(&self, records: Vec<Record>) -> Result<Vec<Record>, StoreError> {
        match records.iter().find(|record| record.hash != record.computed_hash()) {
            Some(record) => {
                let problem = ChainError::Changed { seq: record.seq };
                Err(StoreError::BrokenChain { path: self.path.clone(), problem })
            }
            None => Ok(records),
        }
    }
}

impl Journal for SqliteStore {
    fn history(&self, entity: &Entity) -> Result<Vec<Record>, StoreError> {
        self.alive()?;
        self.genuine(rows::history(&self.connection, &self.path, entity)?)
    }

    fn records(&self, after_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.alive()?;
        match rows::records(&self.connection, &self.path, after_seq, limit)? {
            (records, None) => self.genuine(records),
            (_, Some(error)) => Err(error),
        }
    }

    fn entities(&self, prefix: &str) -> Result<Vec<Entity>, StoreError> {
        self.alive()?;
        rows::entities(&self.connection, &self.path, prefix)
    }

    fn head(&self) -> Result<Head, StoreError> {
        self.alive()?;
        rows::head(&self.connection, &self.path)
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, transaction: Transaction, time_ms: u64) -> Result<Durable, StoreError> {
        self.alive()?;
        transaction.check(time_ms)?;
        let (path, epoch) = (&self.path, self.epoch);
        let writing = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| engine_error(path, "beginning a transaction", error))?;
        let durable = append(&writing, path, epoch, transaction, time_ms)?;
        match writing.commit() {
            Ok(()) => Ok(durable),
            // These come before the last page of the transaction is written.
            Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy)) => {
                Err(engine_error(path, "committing", error))
            }
            Err(error) => {
                self.poisoned = true;
                Err(StoreError::InDoubt { source: error.into() })
            }
        }
    }
}

/// Writes the records of one transaction behind the last one there is. The caller begins and commits.
fn append(
    writing: &Connection,
    path: &Path,
    epoch: u64,
    transaction: Transaction,
    time_ms: u64,
) -> Result<Durable, StoreError> {
    let failed = |error| engine_error(path, "writing records", error);
    for (entity, expected) in transaction.expect {
        let actual = match entity_id(writing, &entity).map_err(failed)? {
            Some(id) => last_seq_of(writing, id).map_err(failed)?,
            None => 0,
        };
        if i64::try_from(expected) != Ok(actual) {
            let actual = u64::try_from(actual).unwrap_or(0);
            return Err(StoreError::Conflict { entity, expected, actual });
        }
    }
    let mut insert = writing
        .prepare_cached(
            "INSERT INTO record (seq, time_ms, epoch, entity, body, prev_hash, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .map_err(failed)?;
    let mut head = rows::head(writing, path)?;
    let first_seq = head.seq.saturating_add(1);
    for entry in transaction.entries {
        let id = match entity_id(writing, &entry.entity).map_err(failed)? {
            Some(id) => id,
            None => writing
                .prepare_cached("INSERT INTO entity (name) VALUES (?1)")
                .and_then(|mut insert| insert.insert([entry.entity.as_str()]))
                .map_err(failed)?,
        };
        let record = head.record(epoch, time_ms, entry);
        let signed = |number: u64| {
            i64::try_from(number).map_err(|error| failed(rusqlite::Error::ToSqlConversionFailure(error.into())))
        };
        insert
            .execute((
                signed(record.seq)?,
                signed(record.time_ms)?,
                signed(record.epoch)?,
                id,
                &record.body,
                record.prev_hash,
                record.hash,
            ))
            .map_err(failed)?;
        head = record.head();
    }
    Ok(Durable { first_seq, last_seq: head.seq })
}

fn entity_id(connection: &Connection, entity: &Entity) -> rusqlite::Result<Option<i64>> {
    let mut select = connection.prepare_cached("SELECT id FROM entity WHERE name = ?1")?;
    select.query_row([entity.as_str()], |row| row.get(0)).optional()
}

fn last_seq_of(connection: &Connection, id: i64) -> rusqlite::Result<i64> {
    let mut select = connection.prepare_cached("SELECT seq FROM record WHERE entity = ?1 ORDER BY seq DESC LIMIT 1")?;
    Ok(select.query_row([id], |row| row.get(0)).optional()?.unwrap_or(0))
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
    connection.pragma_update(None, "cell_size_check", true)
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
