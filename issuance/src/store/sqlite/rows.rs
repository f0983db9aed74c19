//! Rows as records.

use std::path::Path;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::engine_error;
use crate::journal::{Entity, Head, Record, verify};
use crate::store::{Place, StoreError};

/// A record whose entity is not there shows up with NULL as its name, not as a gap.
macro_rules! select_records {
    ($rest:literal) => {
        concat!(
            "SELECT record.seq, time_ms, epoch, entity.name, body, prev_hash, hash ",
            "FROM record LEFT JOIN entity ON entity.id = record.entity ",
            $rest
        )
    };
}

const READING: &str = "reading records";

pub(super) fn history(connection: &Connection, path: &Path, entity: &Entity) -> Result<Vec<Record>, StoreError> {
    let sql = select_records!("WHERE record.entity = (SELECT id FROM entity WHERE name = ?1) ORDER BY record.seq");
    let (records, error) = collect(connection, path, sql, [entity.as_str()])?;
    error.map_or(Ok(records), Err)
}

/// Records up to the first that cannot be read, and why that is so; an error when that is the first one.
pub(super) fn records(
    connection: &Connection,
    path: &Path,
    after_seq: u64,
    limit: usize,
) -> Result<(Vec<Record>, Option<StoreError>), StoreError> {
    let (after, limit) = (i64::try_from(after_seq).unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX));
    let sql = select_records!("WHERE record.seq > ?1 ORDER BY record.seq LIMIT ?2");
    match collect(connection, path, sql, (after, limit))? {
        (records, Some(error)) if records.is_empty() => Err(error),
        found => Ok(found),
    }
}

pub(super) fn entities(connection: &Connection, path: &Path, prefix: &str) -> Result<Vec<Entity>, StoreError> {
    let failed = |error| engine_error(path, "reading entities", error);
    let mut select = connection
        .prepare_cached(
            "SELECT name FROM entity WHERE name >= ?1 AND name < ?2 \
             AND EXISTS (SELECT 1 FROM record WHERE record.entity = entity.id) ORDER BY name",
        )
        .map_err(failed)?;
    // Names are printable ASCII, so all that begin with the prefix come before the prefix with 7F behind it.
    let names = select.query_map([prefix, &format!("{prefix}\x7F")], |row| row.get::<_, String>(0)).map_err(failed)?;
    names
        .map(|name| Entity::new(&name.map_err(failed)?).map_err(|error| damaged(path, Place::File, &error.to_string())))
        .collect()
}

pub(super) fn head(connection: &Connection, path: &Path) -> Result<Head, StoreError> {
    let failed = |error| engine_error(path, "reading the last record", error);
    let mut select =
        connection.prepare_cached("SELECT seq, hash FROM record ORDER BY seq DESC LIMIT 1").map_err(failed)?;
    let head = select
        .query_row((), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)))
        .optional()
        .map_err(failed)?;
    match head {
        None => Ok(Head::GENESIS),
        Some((seq, hash)) => match u64::try_from(seq) {
            Ok(seq) if seq > 0 => Ok(Head { seq, hash }),
            _ => Err(damaged(path, Place::File, &format!("the last record has the number {seq}"))),
        },
    }
}

/// Verifies the whole chain; gives its head and the greatest epoch in it.
pub(super) fn verified(connection: &Connection, path: &Path) -> Result<(Head, u64), StoreError> {
    let failed = |error| engine_error(path, READING, error);
    let mut select = connection.prepare(select_records!("ORDER BY record.seq")).map_err(failed)?;
    let mut rows = select.query(()).map_err(failed)?;
    let (mut unreadable, mut last_epoch) = (None, 0);
    let records = std::iter::from_fn(|| match next(&mut rows, path) {
        Ok(record) => {
            last_epoch = record.as_ref().map_or(last_epoch, |record| record.epoch.max(last_epoch));
            record
        }
        Err(error) => {
            unreadable = Some(error);
            None
        }
    });
    let verdict = verify(records);
    match (verdict, unreadable) {
        (Ok(head), None) => Ok((head, last_epoch)),
        // The chain holds up to the record that cannot be read; a break before it is the first thing that is wrong.
        (Ok(_), Some(error)) => Err(error),
        (Err(problem), _) => Err(StoreError::BrokenChain { path: path.to_owned(), problem }),
    }
}

pub(super) fn damaged(path: &Path, place: Place, finding: &str) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), place, finding: finding.to_owned() }
}

fn collect(
    connection: &Connection,
    path: &Path,
    sql: &str,
    params: impl Params,
) -> Result<(Vec<Record>, Option<StoreError>), StoreError> {
    let failed = |error| engine_error(path, READING, error);
    let mut select = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = select.query(params).map_err(failed)?;
    let mut records = Vec::new();
    loop {
        match next(&mut rows, path) {
            Ok(Some(record)) => records.push(record),
            Ok(None) => return Ok((records, None)),
            Err(error) => return Ok((records, Some(error))),
        }
    }
}

fn next(rows: &mut rusqlite::Rows<'_>, path: &Path) -> Result<Option<Record>, StoreError> {
    match rows.next().map_err(|error| engine_error(path, READING, error))? {
        Some(row) => record(row, path).map(Some),
        None => Ok(None),
    }
}

fn record(row: &Row<'_>, path: &Path) -> Result<Record, StoreError> {
    let seq = row.get::<_, i64>(0).map_err(|error| engine_error(path, READING, error))?;
    let Ok(seq) = u64::try_from(seq) else {
        return Err(damaged(path, Place::File, &format!("a record has the number {seq}")));
    };
    let place = Place::Record { seq };
    let number = |column| {
        let value: i64 = field(row, column, path, place)?;
        u64::try_from(value).map_err(|_| damaged(path, place, "a time or an epoch is negative"))
    };
    Ok(Record {
        seq,
        time_ms: number(1)?,
        epoch: number(2)?,
        entity: Entity::new(&field::<String>(row, 3, path, place)?)
            .map_err(|error| damaged(path, place, &error.to_string()))?,
        body: field(row, 4, path, place)?,
        prev_hash: field(row, 5, path, place)?,
        hash: field(row, 6, path, place)?,
    })
}

fn field<T: FromSql>(row: &Row<'_>, column: usize, path: &Path, place: Place) -> Result<T, StoreError> {
    row.get(column).map_err(|error| damaged(path, place, &error.to_string()))
}
