//! The records of one transaction, behind the last one there is.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::engine_error;
use crate::journal::{Entity, Head, Mark, Record};
use crate::store::{Durable, Run, StoreError, Transaction};

/// Looks whether the transaction may be written: nothing of its entities was written that the writer has not seen.
pub(super) fn expectations(
    writing: &Connection,
    path: &Path,
    transaction: &Transaction,
) -> Result<Result<(), StoreError>, StoreError> {
    let failed = |error| engine_error(path, "looking at the last records", error);
    for (entity, expected) in &transaction.expect {
        let actual = match entity_id(writing, entity).map_err(failed)? {
            Some(id) => last_seq_of(writing, id).map_err(failed)?,
            None => 0,
        };
        if i64::try_from(*expected) != Ok(actual) {
            let actual = u64::try_from(actual).unwrap_or(0);
            return Ok(Err(StoreError::Conflict { entity: entity.clone(), expected: *expected, actual }));
        }
    }
    Ok(Ok(()))
}

/// Writes the records behind `head`, which is moved on. Whoever called begins and commits.
pub(super) fn append(
    writing: &Connection,
    path: &Path,
    head: &mut Head,
    transaction: &Transaction,
    run: &Run<'_>,
    time_ms: u64,
) -> Result<Durable, StoreError> {
    let failed = |error| engine_error(path, "writing records", error);
    let first_seq = head.seq.saturating_add(1);
    let mut last: Option<(Entity, i64)> = None;
    for record in transaction.records(*head, run, time_ms) {
        let id = match &last {
            Some((entity, id)) if *entity == record.entity => *id,
            _ => id_of(writing, &record.entity).map_err(failed)?,
        };
        insert(writing, id, &record).map_err(failed)?;
        *head = record.head();
        last = Some((record.entity, id));
    }
    Ok(Durable { first_seq, last_seq: head.seq })
}

fn insert(writing: &Connection, id: i64, record: &Record) -> rusqlite::Result<()> {
    let signed =
        |number: u64| i64::try_from(number).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()));
    let origin = record.origin.as_ref();
    let uptime_ms = origin.map(|origin| signed(origin.uptime_ms)).transpose()?;
    let mark = origin.map(|origin| origin.mark);
    writing
        .prepare_cached(
            "INSERT INTO record (seq, time_ms, epoch, entity, body, prev_hash, hash, actor, machine, uptime_ms, mark) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute((
            signed(record.seq)?,
            signed(record.time_ms)?,
            signed(record.epoch)?,
            id,
            &record.body,
            record.prev_hash,
            record.hash,
            origin.map(|origin| origin.actor.as_str()),
            origin.map(|origin| origin.machine.as_str()),
            uptime_ms,
            mark.map(Mark::number),
        ))?;
    match mark {
        Some(Mark::Open) => {
            writing.prepare_cached("INSERT OR IGNORE INTO open (entity) VALUES (?1)")?.execute([id])?;
        }
        Some(Mark::Closed) => {
            writing.prepare_cached("DELETE FROM open WHERE entity = ?1")?.execute([id])?;
        }
        Some(Mark::Unchanged) | None => {}
    }
    Ok(())
}

fn id_of(writing: &Connection, entity: &Entity) -> rusqlite::Result<i64> {
    match entity_id(writing, entity)? {
        Some(id) => Ok(id),
        None => writing.prepare_cached("INSERT INTO entity (name) VALUES (?1)")?.insert([entity.as_str()]),
    }
}

fn entity_id(connection: &Connection, entity: &Entity) -> rusqlite::Result<Option<i64>> {
    let mut select = connection.prepare_cached("SELECT id FROM entity WHERE name = ?1")?;
    select.query_row([entity.as_str()], |row| row.get(0)).optional()
}

fn last_seq_of(connection: &Connection, id: i64) -> rusqlite::Result<i64> {
    let mut select = connection.prepare_cached("SELECT seq FROM record WHERE entity = ?1 ORDER BY seq DESC LIMIT 1")?;
    Ok(select.query_row([id], |row| row.get(0)).optional()?.unwrap_or(0))
}
