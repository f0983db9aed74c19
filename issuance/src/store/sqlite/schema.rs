//! The definitions of every version, to the letter: they are compared when a file is opened.

/// Newest schema version that this release reads and the one it writes.
pub const SCHEMA_VERSION: u32 = 2;

/// Name and definition of a table or an index.
pub(super) type Definition = (&'static str, &'static str);

const ENTITY: Definition = ("entity", "CREATE TABLE entity (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT");
const RECORD_ENTITY: Definition = ("record_entity", "CREATE INDEX record_entity ON record (entity)");
const RUN: Definition = ("run", "CREATE TABLE run (epoch INTEGER PRIMARY KEY) STRICT");

/// Schema 1, in the order of the names.
const FIRST: [Definition; 4] = [
    ENTITY,
    (
        "record",
        "CREATE TABLE record (seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, epoch INTEGER NOT NULL, \
         entity INTEGER NOT NULL, body BLOB NOT NULL, prev_hash BLOB NOT NULL, hash BLOB NOT NULL) STRICT",
    ),
    RECORD_ENTITY,
    RUN,
];

/// Schema 2. The columns behind `hash` read as `ALTER TABLE` leaves them, so that a migrated file is like a new one.
pub(super) const PRESENT: [Definition; 6] = [
    (
        "checkpoint",
        "CREATE TABLE checkpoint (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, time_ms INTEGER NOT NULL, \
         hash BLOB NOT NULL, key BLOB NOT NULL, signature BLOB NOT NULL) STRICT",
    ),
    ENTITY,
    ("open", "CREATE TABLE open (entity INTEGER PRIMARY KEY) STRICT"),
    (
        "record",
        "CREATE TABLE record (seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, epoch INTEGER NOT NULL, \
         entity INTEGER NOT NULL, body BLOB NOT NULL, prev_hash BLOB NOT NULL, hash BLOB NOT NULL, \
         actor TEXT, machine TEXT, uptime_ms INTEGER, mark INTEGER) STRICT",
    ),
    RECORD_ENTITY,
    RUN,
];

/// What a migration from schema 1 adds to `record`.
pub(super) const ADDED_COLUMNS: [&str; 4] = ["actor TEXT", "machine TEXT", "uptime_ms INTEGER", "mark INTEGER"];

/// The definitions of a version, in the order of their names.
pub(super) fn definitions(version: u32) -> Option<&'static [Definition]> {
    match version {
        1 => Some(&FIRST),
        SCHEMA_VERSION => Some(&PRESENT),
        _ => None,
    }
}
