//! Signed checkpoints in the file.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Row};

use super::engine_error;
use super::rows::damaged;
use crate::journal::{Checkpoint, CheckpointSigner, Head, PublicKey};
use crate::store::{Place, StoreError};

const READING: &str = "reading the checkpoints";

/// Who signs, and when.
pub(super) struct Signing {
    pub(super) signer: Box<dyn CheckpointSigner>,
    pub(super) every_records: u64,
    pub(super) every: Duration,
    /// The first record that no checkpoint of this opening covers, and when it was written.
    since: Option<(u64, Instant)>,
}

impl Signing {
    pub(super) fn new(signer: Box<dyn CheckpointSigner>, every_records: u64, every: Duration) -> Self {
        Self { signer, every_records: every_records.max(1), every, since: None }
    }

    pub(super) fn wrote(&mut self, first_seq: u64) {
        self.since.get_or_insert_with(|| (first_seq, Instant::now()));
    }

    pub(super) fn signed(&mut self) {
        self.since = None;
    }

    /// How long until a checkpoint is due by time.
    pub(super) fn due_in(&self) -> Option<Duration> {
        self.since.map(|(_, begun)| self.every.saturating_sub(begun.elapsed()))
    }

    pub(super) fn is_due(&self, head: Head) -> bool {
        self.since.is_some_and(|(first, begun)| {
            head.seq.saturating_sub(first) + 1 >= self.every_records || begun.elapsed() >= self.every
        })
    }
}

impl fmt::Debug for Signing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Signing").field("key", &self.signer.public_key()).finish_non_exhaustive()
    }
}

pub(super) fn insert(writing: &Connection, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    let signed =
        |number: u64| i64::try_from(number).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()));
    let Checkpoint { head, time_ms, key, signature } = checkpoint;
    writing
        .prepare_cached("INSERT INTO checkpoint (seq, time_ms, hash, key, signature) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute((signed(head.seq)?, signed(*time_ms)?, head.hash, key, signature))?;
    Ok(())
}

/// The latest checkpoint by one of these keys. One that says so and is not signed is an error.
pub(super) fn last_trusted(
    connection: &Connection,
    path: &Path,
    keys: &[PublicKey],
) -> Result<Option<Checkpoint>, StoreError> {
    let failed = |error| engine_error(path, READING, error);
    let mut last: Option<Checkpoint> = None;
    for key in keys {
        let found = connection
            .prepare_cached(
                "SELECT seq, time_ms, hash, key, signature FROM checkpoint WHERE key = ?1 ORDER BY id DESC LIMIT 1",
            )
            .map_err(failed)?
            .query_row([key.as_bytes()], |row| Ok(checkpoint(row, path)))
            .optional()
            .map_err(failed)?
            .transpose()?;
        let Some(found) = found else { continue };
        if !found.is_signed_by(*key) {
            return Err(not_signed(path, &found));
        }
        if last.as_ref().is_none_or(|last| last.head.seq < found.head.seq) {
            last = Some(found);
        }
    }
    Ok(last)
}

/// All checkpoints, in the order of what they cover.
pub(super) fn all(connection: &Connection, path: &Path) -> Result<Vec<Checkpoint>, StoreError> {
    let failed = |error| engine_error(path, READING, error);
    let mut select = connection
        .prepare("SELECT seq, time_ms, hash, key, signature FROM checkpoint ORDER BY seq, id")
        .map_err(failed)?;
    let mut rows = select.query(()).map_err(failed)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        all.push(checkpoint(row, path)?);
    }
    Ok(all)
}

pub(super) fn not_signed(path: &Path, checkpoint: &Checkpoint) -> StoreError {
    let place = Place::Checkpoint { seq: checkpoint.head.seq };
    damaged(path, place, "the signature is not that of the key it names")
}

fn checkpoint(row: &Row<'_>, path: &Path) -> Result<Checkpoint, StoreError> {
    let wrong = |finding: &str| damaged(path, Place::File, &format!("a checkpoint cannot be read: {finding}"));
    let number = |column| {
        let number: i64 = row.get(column).map_err(|error| wrong(&error.to_string()))?;
        u64::try_from(number).map_err(|_| wrong("a number is negative"))
    };
    let failed = |error: rusqlite::Error| wrong(&error.to_string());
    Ok(Checkpoint {
        head: Head { seq: number(0)?, hash: row.get(2).map_err(failed)? },
        time_ms: number(1)?,
        key: row.get(3).map_err(failed)?,
        signature: row.get(4).map_err(failed)?,
    })
}
