use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Commitment, SealedStore, SubjectId};
use crate::store::{ForeignFile, StoreError};

/// The file says whose it is: "CWSD" in its header.
const APPLICATION_ID: i32 = 0x4357_5344;
const SCHEMA_VERSION: u32 = 1;
const SCHEMA: &str = "
CREATE TABLE data_key (subject BLOB PRIMARY KEY, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE sealed (subject BLOB NOT NULL, commitment BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (subject, commitment)) STRICT, WITHOUT ROWID;
";

/// A sealed store in a file of its own, beside the journal's.
///
/// Each change is on stable storage when it returns (`synchronous = EXTRA`: the rollback journal's end as well). What is
/// erased is overwritten in the file (`secure_delete`), and the rollback journal, which had it, is overwritten with zeros before it is
/// removed. What a disk keeps beneath its file system is beyond a program: the keys there are wrapped under the master key.
#[derive(Debug)]
pub struct SqliteSealedStore {
    connection: Connection,
}

impl SqliteSealedStore {
    /// Opens a file, or makes it.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] and [`StoreError::NewerSchema`] of a file that is something else, which stays as it is;
    /// [`StoreError::Engine`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path).map_err(engine("opening the sealed store"))?;
        let doing = engine("looking at the sealed store");
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let (application, version) = number("application_id")
            .and_then(|application| Ok((application, number("user_version")?)))
            .map_err(|error| foreign_or(path, error, &doing))?;
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))
            .map_err(|error| foreign_or(path, error, &doing))?;
        let fresh = tables == 0 && application == 0 && version == 0;
        if !fresh && application != i64::from(APPLICATION_ID) {
            let (found, expected) = (application as u32, APPLICATION_ID as u32);
            return Err(StoreError::Foreign {
                path: path.into(),
                found: ForeignFile::ApplicationId { found, expected },
            });
        }
        if version > i64::from(SCHEMA_VERSION) {
            let (found, supported) = (u32::try_from(version).unwrap_or(u32::MAX), SCHEMA_VERSION);
            return Err(StoreError::NewerSchema { path: path.into(), found, supported });
        }
        let setting = engine("setting the sealed store up");
        connection
            .execute_batch("PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; PRAGMA fullfsync = 1; PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;")
            .map_err(&setting)?;
        if fresh {
            connection
                .execute_batch(&format!(
                    "BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                ))
                .map_err(&setting)?;
        }
        Ok(Self { connection })
    }
}

impl SealedStore for SqliteSealedStore {
    fn put_key(&mut self, subject: SubjectId, wrapped: &[u8]) -> Result<bool, StoreError> {
        let kept = self.connection.execute(
            "INSERT INTO data_key (subject, wrapped) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![subject.as_bytes(), wrapped],
        );
        kept.map(|rows| rows == 1).map_err(engine("keeping a data key"))
    }

    fn key(&self, subject: SubjectId) -> Result<Option<Vec<u8>>, StoreError> {
        let query = "SELECT wrapped FROM data_key WHERE subject = ?1";
        let key = self.connection.query_row(query, params![subject.as_bytes()], |row| row.get(0));
        key.optional().map_err(engine("reading a data key"))
    }

    fn erase(&mut self, subject: SubjectId) -> Result<(), StoreError> {
        let doing = engine("erasing personal data");
        let transaction = self.connection.transaction().map_err(&doing)?;
        for statement in ["DELETE FROM data_key WHERE subject = ?1", "DELETE FROM sealed WHERE subject = ?1"] {
            transaction.execute(statement, params![subject.as_bytes()]).map_err(&doing)?;
        }
        transaction.commit().map_err(doing)
    }

    fn put(&mut self, subject: SubjectId, commitment: Commitment, sealed: &[u8]) -> Result<(), StoreError> {
        let kept = self.connection.execute(
            "INSERT INTO sealed (subject, commitment, data) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET data = excluded.data",
            params![subject.as_bytes(), commitment.as_bytes(), sealed],
        );
        kept.map(drop).map_err(engine("keeping sealed data"))
    }

    fn get(&self, subject: SubjectId, commitment: Commitment) -> Result<Option<Vec<u8>>, StoreError> {
        let query = "SELECT data FROM sealed WHERE subject = ?1 AND commitment = ?2";
        let data =
            self.connection.query_row(query, params![subject.as_bytes(), commitment.as_bytes()], |row| row.get(0));
        data.optional().map_err(engine("reading sealed data"))
    }
}

fn engine(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => StoreError::Busy { doing },
        _ => StoreError::Engine { doing, source: Box::new(error) },
    }
}

fn foreign_or(path: &Path, error: rusqlite::Error, other: impl Fn(rusqlite::Error) -> StoreError) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            StoreError::Foreign { path: path.into(), found: ForeignFile::NotSqlite }
        }
        _ => other(error),
    }
}
