//! What a file must pass before it is written to.

use std::path::Path;

use rusqlite::Connection;

use super::rows::{self, damaged};
use super::{APPLICATION_ID, SCHEMA, SCHEMA_VERSION, engine_error};
use crate::journal::Head;
use crate::store::{ForeignFile, Place, StoreError};

/// Checks identity, tables, pages, epochs and the chain; gives the head.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<Head, StoreError> {
    identity(connection, path)?;
    schema(connection, path)?;
    pages(connection, path)?;
    let (head, last_epoch) = rows::verified(connection, path)?;
    let failed = |error| engine_error(path, "checking the epochs", error);
    let runs: i64 =
        connection.query_row("SELECT coalesce(max(epoch), 0) FROM run", (), |row| row.get(0)).map_err(failed)?;
    // The next epoch is one more than the last.
    if !u64::try_from(runs).is_ok_and(|runs| (last_epoch..i64::MAX as u64).contains(&runs)) {
        let finding = format!("the last run counted is {runs}, where records have the epoch {last_epoch}");
        return Err(damaged(path, Place::File, &finding));
    }
    Ok(head)
}

/// Application id and schema version as the connection sees them.
pub(super) fn identity(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let number = |name| {
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        value.map(i32::cast_unsigned).map_err(|error| engine_error(path, "reading the header", error))
    };
    let path = path.to_owned();
    match (number("application_id")?, number("user_version")?) {
        (APPLICATION_ID, SCHEMA_VERSION) => Ok(()),
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
fn schema(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |error| engine_error(path, "reading the tables' definitions", error);
    let mut select = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
        .map_err(failed)?;
    let found = select.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
    let found: Vec<(String, String)> = found.collect::<Result<_, _>>().map_err(failed)?;
    match found.iter().zip(SCHEMA).find(|((name, sql), expected)| (name.as_str(), sql.as_str()) != *expected) {
        Some((_, (name, _))) => Err(damaged(path, Place::File, &format!("the definition of {name} is another one"))),
        None if found.len() != SCHEMA.len() => {
            let finding = format!("{} tables and indexes, where there are {}", found.len(), SCHEMA.len());
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
