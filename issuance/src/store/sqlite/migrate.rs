//! Files of earlier schemas, brought to the present one.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::schema::{ADDED_COLUMNS, PRESENT, SCHEMA_VERSION, definitions};
use super::{check, connect, engine_error};
use crate::store::StoreError;

/// How long to wait until nobody else has the file open.
const ALONE: Duration = Duration::from_secs(1);

const DOING: &str = "bringing the file to the present schema";

/// Migrates a file that was checked, in one transaction; no record is changed. Nobody else may have it open: a program that
/// knows the earlier schema alone would write past what the new one adds.
pub(super) fn to_present(path: &Path) -> Result<(), StoreError> {
    let failed = |error| engine_error(path, DOING, error);
    let mut connection = connect(path)?;
    connection.busy_timeout(ALONE).map_err(failed)?;
    connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(())).map_err(failed)?;
    let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    // Somebody may have been faster.
    if check::identity(&writing, path)? == 1 {
        from_first(&writing).map_err(failed)?;
        check::schema(&writing, path, SCHEMA_VERSION)?;
    }
    writing.commit().map_err(failed)?;
    // The version stands in the file itself before anything is recorded.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))
}

fn from_first(writing: &Connection) -> rusqlite::Result<()> {
    for column in ADDED_COLUMNS {
        writing.execute(&format!("ALTER TABLE record ADD COLUMN {column}"), ())?;
    }
    let before = definitions(1).unwrap_or_default();
    for (_, sql) in PRESENT.iter().filter(|(name, _)| !before.iter().any(|(known, _)| known == name)) {
        writing.execute(sql, ())?;
    }
    // Schema 1 does not say what is open.
    writing.execute("INSERT INTO open (entity) SELECT DISTINCT entity FROM record", ())?;
    writing.pragma_update(None, "user_version", SCHEMA_VERSION)
}
