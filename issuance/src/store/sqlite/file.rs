//! The file as bytes, before SQLite is let at it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{APPLICATION_ID, SCHEMA_VERSION, rows::damaged};
use crate::store::{ForeignFile, Place, StoreError};

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER: usize = 100;

/// The files that this process has open through SQLite, with the number of handles.
///
/// POSIX drops all locks of a process on a file when it closes any descriptor of it. So the bytes of a file are read
/// past SQLite only while no handle has it open, and nobody opens it meanwhile.
static OPEN: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());

/// A file counted in [`OPEN`].
#[derive(Debug)]
pub(super) struct Open(PathBuf);

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = handles();
        if let Some(count) = open.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.0);
            }
        }
    }
}

fn handles() -> MutexGuard<'static, BTreeMap<PathBuf, usize>> {
    // The map is changed in one step, so a panic elsewhere leaves it whole.
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a handle; `first` runs before, when there is no other one in this process.
pub(super) fn open(path: &Path, first: impl FnOnce() -> Result<(), StoreError>) -> Result<Open, StoreError> {
    let mut open = handles();
    if !open.contains_key(path) {
        first()?;
    }
    *open.entry(path.to_owned()).or_default() += 1;
    Ok(Open(path.to_owned()))
}

/// The absolute path of a file that is there or can be made there.
pub(super) fn locate(path: &Path) -> Result<PathBuf, StoreError> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => fs::canonicalize(path).map_err(io_error(path, "looking at the file")),
        Ok(_) => Err(StoreError::NotAFile { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or_else(|| StoreError::NotAFile { path: path.to_owned() })?;
            let folder = folder_of(path);
            match fs::canonicalize(folder) {
                Ok(folder) => Ok(folder.join(name)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Err(StoreError::NoFolder { path: folder.to_owned() })
                }
                Err(error) => Err(io_error(folder, "looking at the folder")(error)),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(StoreError::NoFolder { path: folder_of(path).to_owned() })
        }
        Err(error) => Err(io_error(path, "looking at the file")(error)),
    }
}

pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The file that SQLite keeps beside another one.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Bytes of the file, 0 when there is none.
pub(super) fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// Reads the header of a file (SQLite file format 1.3) that is there and refuses what is not a journal of ours.
pub(super) fn inspect(path: &Path) -> Result<(), StoreError> {
    let foreign = |found| Err(StoreError::Foreign { path: path.to_owned(), found });
    let at = |offset, finding: &str| Err(damaged(path, Place::Byte { offset }, finding));
    let read = io_error(path, "reading the file");

    let file = File::open(path).map_err(&read)?;
    let actual = file.metadata().map_err(&read)?.len();
    let mut header = Vec::with_capacity(HEADER);
    file.take(HEADER as u64).read_to_end(&mut header).map_err(&read)?;
    if !header.starts_with(MAGIC) {
        return foreign(ForeignFile::NotSqlite);
    }
    let Some(header) = header.first_chunk::<HEADER>() else {
        return Err(StoreError::Truncated { path: path.to_owned(), expected: HEADER as u64, actual });
    };
    let number = |offset: usize| u32::from_be_bytes(core::array::from_fn(|n| header[offset + n]));
    let found = number(68);
    if found != APPLICATION_ID {
        return foreign(ForeignFile::ApplicationId { found, expected: APPLICATION_ID });
    }
    match number(60) {
        0 => return at(60, "schema version 0"),
        found if found > SCHEMA_VERSION => {
            return Err(StoreError::NewerSchema { path: path.to_owned(), found, supported: SCHEMA_VERSION });
        }
        _ => {}
    }
    if header[18..20] != [2, 2] {
        return at(18, "not in the mode with a write-ahead log");
    }
    if length(&beside(path, "-journal")) > 0 {
        return Err(damaged(path, Place::File, "a rollback journal lies beside it, which no journal of ours has"));
    }
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65536,
        page if page >= 512 && page.is_power_of_two() => u64::from(page),
        _ => return at(16, "no legal page size"),
    };
    // With a write-ahead log, pages of the file may still be in there.
    if length(&beside(path, "-wal")) == 0 {
        let counted = number(24) == number(92) && number(28) > 0;
        let expected = if counted { u64::from(number(28)) * page } else { actual.next_multiple_of(page) };
        if actual < expected {
            return Err(StoreError::Truncated { path: path.to_owned(), expected, actual });
        }
    }
    Ok(())
}

/// Sorts what the system says.
pub(super) fn io_error<'a>(path: &'a Path, doing: &'static str) -> impl Fn(io::Error) -> StoreError + 'a {
    move |source| match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::NoPermission { path: path.to_owned(), doing }
        }
        io::ErrorKind::NotFound => StoreError::NoFile { path: path.to_owned() },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Io { doing, source },
    }
}
