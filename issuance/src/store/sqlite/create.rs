//! A new journal appears whole or not at all: it is made under another name, synced, and renamed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::file::{beside, folder_of, io_error, length};
use super::{APPLICATION_ID, SCHEMA_VERSION, engine_error, rows::damaged, schema::PRESENT};
use crate::store::{Place, StoreError};

/// Makes a journal where there is no file or an empty one; leaves any other file alone.
pub(super) fn where_empty(path: &Path) -> Result<(), StoreError> {
    if length(path) > 0 {
        return Ok(());
    }
    if length(&beside(path, "-wal")) > 0 || length(&beside(path, "-journal")) > 0 {
        let finding = "missing or empty, but the log of a database lies beside it";
        return Err(damaged(path, Place::File, finding));
    }
    // The empty file is what those who make the same journal at the same time wait for.
    let failed = io_error(path, "creating the file");
    let empty = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(&failed)?;
    match empty.lock() {
        Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(failed(error)),
        _ => {}
    }
    if length(path) > 0 {
        return Ok(());
    }
    let new = beside(path, "-new");
    let made = remove(&new).map_err(&failed).and_then(|()| {
        write(&new).map_err(|error| engine_error(path, "creating the file", error))?;
        publish(&new, path, &empty).map_err(&failed)
    });
    if made.is_err() {
        // What is wrong is said by the first error.
        let _ = remove(&new);
    }
    made
}

/// Writes the tables, then switches to the write-ahead log, so that the header of the file itself is complete.
fn write(path: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "page_size", 4096)?;
    super::settle(&connection)?;
    let writing = connection.transaction()?;
    writing.pragma_update(None, "application_id", APPLICATION_ID)?;
    writing.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    for (_, sql) in PRESENT {
        writing.execute(sql, ())?;
    }
    writing.commit()?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)
}

fn publish(new: &Path, path: &Path, empty: &File) -> io::Result<()> {
    fs::set_permissions(new, empty.metadata()?.permissions())?;
    File::options().read(true).write(true).open(new)?.sync_all()?;
    fs::rename(new, path)?;
    sync_folder(folder_of(path))
}

/// Makes the name durable. Elsewhere than on Unix a folder cannot be synced.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn remove(new: &Path) -> io::Result<()> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        match fs::remove_file(beside(new, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
