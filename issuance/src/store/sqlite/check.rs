//! What a file must pass before it is written to.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::rows::{self, damaged};
use super::schema::definitions;
use super::{APPLICATION_ID, SCHEMA_VERSION, checkpoint, engine_error};
use crate::journal::{ChainError, Entity, Head, PublicKey, Record};
use crate::store::{ForeignFile, Place, StoreError};

/// What passed.
pub(super) struct Checked {
    pub(super) version: u32,
    pub(super) head: Head,
}

/// Checks identity, tables, pages, the chain, epochs and what is open: behind the last checkpoint by a trusted key, or,
/// without one, all of it.
pub(super) fn check(connection: &Connection, path: &Path, trusted: &[PublicKey]) -> Result<Checked, StoreError> {
    let version = identity(connection, path)?;
    schema(connection, path, version)?;
    if version > 1
        && let Some(checkpoint) = checkpoint::last_trusted(connection, path, trusted)?
    {
        return behind(connection, path, version, checkpoint.head);
    }
    whole(connection, path, version, |_| ())
}

/// Checks everything; `each` is shown every record of the chain.
pub(super) fn whole(
    connection: &Connection,
    path: &Path,
    version: u32,
    each: impl FnMut(&Record),
) -> Result<Checked, StoreError> {
    pages(connection, path)?;
    let rows::Verified { head, last_epoch, marks } = rows::verified(connection, path, Head::GENESIS, each)?;
    epochs(connection, path, last_epoch)?;
    if version > 1 {
        listed(connection, path, &marks)?;
        let open = marks.values().filter(|open| **open).count();
        let listed = rows::open_entities(connection, path, "")?;
        if let Some(entity) = listed.iter().find(|entity| !marks.contains_key(entity)) {
            return Err(damaged(path, Place::File, &format!("{entity} is listed as open and was never opened")));
        }
        if listed.len() != open {
            let finding = format!("{} entities are listed as open, where {open} are", listed.len());
            return Err(damaged(path, Place::File, &finding));
        }
    }
    Ok(Checked { version, head })
}

/// Checks what follows a record that somebody vouched for.
fn behind(connection: &Connection, path: &Path, version: u32, signed: Head) -> Result<Checked, StoreError> {
    let broken = |problem| StoreError::BrokenChain { path: path.to_owned(), problem };
    let before = signed.seq.saturating_sub(1);
    let (records, _) = rows::records(connection, path, before, 1)?;
    match records.first() {
        Some(record) if record.seq == signed.seq && record.computed_hash() == signed.hash => {}
        Some(record) if record.seq == signed.seq && record.hash == signed.hash => {
            return Err(broken(ChainError::Changed { seq: signed.seq }));
        }
        Some(record) if record.seq == signed.seq => {
            return Err(broken(ChainError::Remade { first: 1, seq: signed.seq }));
        }
        _ => {
            let last = rows::head(connection, path)?.seq;
            let seq = if last < signed.seq { last.saturating_add(1) } else { signed.seq };
            return Err(broken(ChainError::Missing { seq }));
        }
    }
    let rows::Verified { head, last_epoch, marks } = rows::verified(connection, path, signed, |_| ())?;
    epochs(connection, path, last_epoch)?;
    listed(connection, path, &marks)?;
    Ok(Checked { version, head })
}

/// What the marks say of an entity is what the table says.
fn listed(connection: &Connection, path: &Path, marks: &BTreeMap<Entity, bool>) -> Result<(), StoreError> {
    for (entity, open) in marks {
        match (open, rows::is_open(connection, path, entity)?) {
            (true, false) => {
                return Err(damaged(path, Place::File, &format!("{entity} is open and is not listed as open")));
            }
            (false, true) => {
                return Err(damaged(path, Place::File, &format!("{entity} is listed as open and is closed")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The next epoch is one more than the last, which is that of no record.
fn epochs(connection: &Connection, path: &Path, last_epoch: u64) -> Result<(), StoreError> {
    let failed = |error| engine_error(path, "checking the epochs", error);
    let runs: i64 =
        connection.query_row("SELECT coalesce(max(epoch), 0) FROM run", (), |row| row.get(0)).map_err(failed)?;
    if u64::try_from(runs).is_ok_and(|runs| (last_epoch..i64::MAX as u64).contains(&runs)) {
        return Ok(());
    }
    let finding = format!("the last run counted is {runs}, where records have the epoch {last_epoch}");
    Err(damaged(path, Place::File, &finding))
}

/// Application id and schema version as the connection sees them; gives the version.
pub(super) fn identity(connection: &Connection, path: &Path) -> Result<u32, StoreError> {
    let number = |name| {
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        value.map(i32::cast_unsigned).map_err(|error| engine_error(path, "reading the header", error))
    };
    let path = path.to_owned();
    match (number("application_id")?, number("user_version")?) {
        (APPLICATION_ID, version @ 1..=SCHEMA_VERSION) => Ok(version),
        (APPLICATION_ID, found) if found > SCHEMA_VERSION => {
            Err(StoreError::NewerSchema { path, found, supported: SCHEMA_VERSION })
        }
        (APPLICATION_ID, found) => Err(damaged(&path, Place::Byte { offset: 60 }, &format!("schema version {found}"))),
        (found, _) => {
            let found = ForeignFile::ApplicationId { found, expected: APPLICATION_ID };
            Err(StoreError::Foreign { path, found })
        }
    }
}

/// The tables and indexes are those of this version and no others: no trigger, no view.
pub(super) fn schema(connection: &Connection, path: &Path, version: u32) -> Result<(), StoreError> {
    let expected = definitions(version).unwrap_or_default();
    let failed = |error| engine_error(path, "reading the tables' definitions", error);
    let mut select = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
        .map_err(failed)?;
    let found = select.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
    let found: Vec<(String, String)> = found.collect::<Result<_, _>>().map_err(failed)?;
    match found.iter().zip(expected).find(|((name, sql), expected)| (name.as_str(), sql.as_str()) != **expected) {
        Some((_, (name, _))) => Err(damaged(path, Place::File, &format!("the definition of {name} is another one"))),
        None if found.len() != expected.len() => {
            let finding = format!("{} tables and indexes, where there are {}", found.len(), expected.len());
            Err(damaged(path, Place::File, &finding))
        }
        None => Ok(()),
    }
}

/// SQLite's own check, with the indexes: through one that lacks a row, a record would be passed over.
fn pages(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let finding: String = connection
        .query_row("PRAGMA integrity_check(1)", (), |row| row.get(0))
        .map_err(|error| engine_error(path, "checking the pages", error))?;
    if finding == "ok" { Ok(()) } else { Err(damaged(path, Place::File, &finding)) }
}
