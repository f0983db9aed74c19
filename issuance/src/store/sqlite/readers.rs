//! Connections that read beside the writer.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};

use super::{BUSY, engine_error, keep_plans};
use crate::store::StoreError;

/// Connections kept for the next reader; more are opened when more read at once.
const IDLE: usize = 8;

/// The readers of one opening. In a write-ahead log a reader sees what was committed when it began and waits for nobody.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::default() }
    }

    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection, &Path) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // Whoever panicked held a whole list.
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let connection = match kept {
            Some(connection) => connection,
            None => connect(&self.path).map_err(|error| engine_error(&self.path, "opening a reader", error))?,
        };
        let answer = read(&connection, &self.path);
        let mut idle = idle();
        if idle.len() < IDLE {
            idle.push(connection);
        }
        answer
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    keep_plans(&connection)?;
    Ok(connection)
}
