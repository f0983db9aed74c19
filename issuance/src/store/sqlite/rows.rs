//! Rows as records.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::engine_error;
use crate::journal::{Entity, Head, Label, Mark, Origin, Record, apply_mark, verify_from};
use crate::store::{Place, StoreError};

/// A record whose entity is not there shows up with NULL as its name, not as a gap.
macro_rules! select_records {
    ($connection:expr, $rest:literal) => {
        match version($connection)? {
            1 => concat!(
                "SELECT record.seq, time_ms, epoch, entity.name, body, prev_hash, hash, NULL, NULL, NULL, NULL ",
                "FROM record LEFT JOIN entity ON entity.id = record.entity ",
                $rest
            ),
            _ => concat!(
                "SELECT record.seq, time_ms, epoch, entity.name, body, prev_hash, hash, actor, machine, uptime_ms, mark ",
                "FROM record LEFT JOIN entity ON entity.id = record.entity ",
                $rest
            ),
        }
    };
}

const READING: &str = "reading records";

pub(super) fn history(connection: &Connection, path: &Path, entity: &Entity) -> Result<Vec<Record>, StoreError> {
    let sql = select_records!(
        connection,
        "WHERE record.entity = (SELECT id FROM entity WHERE name = ?1) ORDER BY record.seq"
    );
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
    let sql = select_records!(connection, "WHERE record.seq > ?1 ORDER BY record.seq LIMIT ?2");
    match collect(connection, path, sql, (after, limit))? {
        (records, Some(error)) if records.is_empty() => Err(error),
        found => Ok(found),
    }
}

pub(super) fn entities(connection: &Connection, path: &Path, prefix: &str) -> Result<Vec<Entity>, StoreError> {
    let sql = "SELECT name FROM entity WHERE name >= ?1 AND name < ?2 \
               AND EXISTS (SELECT 1 FROM record WHERE record.entity = entity.id) ORDER BY name";
    names(connection, path, sql, prefix)
}

/// What was left open; in a file of schema 1, which does not say it, everything.
pub(super) fn open_entities(connection: &Connection, path: &Path, prefix: &str) -> Result<Vec<Entity>, StoreError> {
    if version(connection)? == 1 {
        return entities(connection, path, prefix);
    }
    // CROSS JOIN keeps the order of the tables: the cost is that of the open ones.
    let sql = "SELECT name FROM open CROSS JOIN entity ON entity.id = open.entity WHERE name >= ?1 AND name < ?2 \
               ORDER BY name";
    names(connection, path, sql, prefix)
}

/// Whether an entity is listed as open.
pub(super) fn is_open(connection: &Connection, path: &Path, entity: &Entity) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM open WHERE entity = (SELECT id FROM entity WHERE name = ?1))";
    let mut select = connection.prepare_cached(sql).map_err(|error| engine_error(path, "reading entities", error))?;
    select.query_row([entity.as_str()], |row| row.get(0)).map_err(|error| engine_error(path, "reading entities", error))
}

fn names(connection: &Connection, path: &Path, sql: &str, prefix: &str) -> Result<Vec<Entity>, StoreError> {
    let failed = |error| engine_error(path, "reading entities", error);
    let mut select = connection.prepare_cached(sql).map_err(failed)?;
    // Names are printable ASCII, so all that begin with the prefix come before the prefix with 7F behind it.
    let names = select.query_map([prefix, &format!("{prefix}\x7F")], |row| row.get::<_, String>(0)).map_err(failed)?;
    names
        .map(|name| Entity::new(&name.map_err(failed)?).map_err(|error| damaged(path, Place::File, &error.to_string())))
        .collect()
}

/// The schema version, read anew with every call: another program may have migrated the file.
fn version(connection: &Connection) -> Result<u32, StoreError> {
    let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0));
    version.map(i32::cast_unsigned).map_err(|error| engine_error(Path::new(""), "reading the header", error))
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

/// What a pass over the chain has found.
pub(super) struct Verified {
    pub(super) head: Head,
    pub(super) last_epoch: u64,
    /// What the records say of their entities: open or not.
    pub(super) marks: BTreeMap<Entity, bool>,
}

/// Verifies the chain behind `from`; `each` is shown every record of it.
pub(super) fn verified(
    connection: &Connection,
    path: &Path,
    from: Head,
    mut each: impl FnMut(&Record),
) -> Result<Verified, StoreError> {
    let failed = |error| engine_error(path, READING, error);
    // From the beginning on, numbers below 1 are looked at too.
    let after = if from.seq == 0 { i64::MIN } else { i64::try_from(from.seq).unwrap_or(i64::MAX) };
    let sql = select_records!(connection, "WHERE record.seq > ?1 ORDER BY record.seq");
    let mut select = connection.prepare(sql).map_err(failed)?;
    let mut rows = select.query([after]).map_err(failed)?;
    let (mut unreadable, mut last_epoch, mut marks) = (None, 0, BTreeMap::new());
    let records = std::iter::from_fn(|| match next(&mut rows, path) {
        Ok(record) => {
            if let Some(record) = &record {
                last_epoch = record.epoch.max(last_epoch);
                apply_mark(&mut marks, record);
                each(record);
            }
            record
        }
        Err(error) => {
            unreadable = Some(error);
            None
        }
    });
    let verdict = verify_from(from, records);
    match (verdict, unreadable) {
        (Ok(head), None) => Ok(Verified { head, last_epoch, marks }),
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
        origin: origin(row, path, place)?,
    })
}

/// The last four columns: all of them are there, or none in a record of schema 1.
fn origin(row: &Row<'_>, path: &Path, place: Place) -> Result<Option<Origin>, StoreError> {
    let wrong = |finding: &str| damaged(path, place, finding);
    let label = |name: String| Label::new(&name).map_err(|error| wrong(&error.to_string()));
    let actor: Option<String> = field(row, 7, path, place)?;
    let machine: Option<String> = field(row, 8, path, place)?;
    let uptime_ms: Option<i64> = field(row, 9, path, place)?;
    let mark: Option<i64> = field(row, 10, path, place)?;
    match (actor, machine, uptime_ms, mark) {
        (None, None, None, None) => Ok(None),
        (Some(actor), Some(machine), Some(uptime_ms), Some(mark)) => Ok(Some(Origin {
            actor: label(actor)?,
            machine: label(machine)?,
            uptime_ms: u64::try_from(uptime_ms).map_err(|_| wrong("a time since the begin of a run is negative"))?,
            mark: Mark::of(mark).ok_or_else(|| wrong("an unknown mark"))?,
        })),
        _ => Err(wrong("the origin is there in part")),
    }
}

fn field<T: FromSql>(row: &Row<'_>, column: usize, path: &Path, place: Place) -> Result<T, StoreError> {
    row.get(column).map_err(|error| damaged(path, place, &error.to_string()))
}
