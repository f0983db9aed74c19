//! Reading a file without leaving a trace: nothing is written to it, and no file appears beside it.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::file::{self, beside, length};
use super::{BUSY, engine_error};
use crate::store::StoreError;

/// What the look is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A file that does not hold together is refused.
    Check,
    /// What can be read of a truncated file is read.
    Salvage,
}

/// Times a look begins anew because another program began to write meanwhile.
const ATTEMPTS: usize = 16;

/// Lets `read` look at the file.
pub(super) fn look<T>(
    path: &Path,
    purpose: Purpose,
    read: impl Fn(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    const DOING: &str = "looking at the file";
    let _open = file::open(path, || Ok(()))?;
    for _ in 0..ATTEMPTS {
        let before = Footprint::of(path);
        let connection = connect(path, purpose, &before).map_err(|error| engine_error(path, DOING, error))?;
        let answer = read(&connection);
        drop(connection);
        if before.in_use || before == Footprint::of(path) {
            return answer;
        }
    }
    Err(StoreError::Busy { doing: DOING })
}

/// Tells whether a file was written while it was read without locks.
#[derive(PartialEq, Eq)]
struct Footprint {
    /// Others have the file open, or had it open when they crashed.
    in_use: bool,
    length: u64,
    modified: Option<SystemTime>,
}

impl Footprint {
    fn of(path: &Path) -> Self {
        let modified = fs::metadata(path).and_then(|found| found.modified()).ok();
        let log = beside(path, "-wal");
        let in_use = length(&log) > 0 || log.exists() && beside(path, "-shm").exists();
        Self { in_use, length: length(path), modified }
    }
}

fn connect(path: &Path, purpose: Purpose, footprint: &Footprint) -> rusqlite::Result<Connection> {
    let connection = if !footprint.in_use && cfg!(unix) {
        // Without a write-ahead log the file is complete; SQLite would make one, unless it is told that nobody writes.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        Connection::open_with_flags(immutable_uri(path), flags)?
    } else if beside(path, "-shm").exists() || !footprint.in_use {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(path, flags)?
    } else {
        // A log without its index: in exclusive mode SQLite keeps the index in memory and makes no file for it.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
        connection
    };
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    if purpose == Purpose::Salvage {
        // With this, SQLite reads a file that is shorter than its header says.
        connection.pragma_update(None, "writable_schema", true)?;
    }
    Ok(connection)
}

fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1"
}
