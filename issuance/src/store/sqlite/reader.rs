//! Reading for diagnosis and audit.

use std::path::{Path, PathBuf};

use super::look::{Purpose, look};
use super::{check, file, rows};
use crate::journal::{Entity, Head, Record};
use crate::store::{Journal, StoreError};

/// A journal file opened for reading what is readable, even when it is damaged or its chain is broken.
///
/// Each call looks at the file anew. Records come as they stand in the file: [`SqliteReader::finding`] says what is
/// wrong with it, and [`verify`](crate::journal::verify) which of the records given out are the ones written.
#[derive(Debug)]
pub struct SqliteReader {
    path: PathBuf,
    finding: Option<StoreError>,
}

impl SqliteReader {
    /// Opens the journal at `path` without writing to it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoFile`], [`StoreError::Foreign`], [`StoreError::NewerSchema`], and storage errors when the
    /// system does not do its part. Damage is no error here, it is [`SqliteReader::finding`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = file::locate(path.as_ref())?;
        let checked = file::open(&path, || file::inspect(&path)).and_then(|_open| {
            // The guard is held for the look.
            look(&path, Purpose::Check, |connection| check::check(connection, &path, &[]))
        });
        match checked {
            Ok(_) => Ok(Self { path, finding: None }),
            Err(
                finding @ (StoreError::Truncated { .. } | StoreError::Damaged { .. } | StoreError::BrokenChain { .. }),
            ) => Ok(Self { path, finding: Some(finding) }),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn into_finding(self) -> Option<StoreError> {
        self.finding
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What was wrong with the file when it was opened; with a finding, it cannot be opened for writing.
    #[must_use]
    pub fn finding(&self) -> Option<&StoreError> {
        self.finding.as_ref()
    }
}

impl Journal for SqliteReader {
    fn history(&self, entity: &Entity) -> Result<Vec<Record>, StoreError> {
        look(&self.path, Purpose::Salvage, |connection| rows::history(connection, &self.path, entity))
    }

    /// As [`Journal::records`]; stops before a record that cannot be read, which is the error of the call that begins
    /// there. Reading goes on behind it with its number as `after_seq`.
    fn records(&self, after_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        look(&self.path, Purpose::Salvage, |connection| {
            rows::records(connection, &self.path, after_seq, limit).map(|(records, _)| records)
        })
    }

    fn entities(&self, prefix: &str) -> Result<Vec<Entity>, StoreError> {
        look(&self.path, Purpose::Salvage, |connection| rows::entities(connection, &self.path, prefix))
    }

    fn open_entities(&self, prefix: &str) -> Result<Vec<Entity>, StoreError> {
        look(&self.path, Purpose::Salvage, |connection| rows::open_entities(connection, &self.path, prefix))
    }

    fn head(&self) -> Result<Head, StoreError> {
        look(&self.path, Purpose::Salvage, |connection| rows::head(connection, &self.path))
    }
}
