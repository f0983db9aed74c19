//! A disk under SQLite that writes down every write and every sync, so that a test can say what a power cut at any point may have
//! left of the files.
//!
//! SQLite's own files system layer stays in place; five methods of its files are led past a recorder, which also counts what is read. Nothing in the program
//! under test knows of it.

mod layer;
mod replay;

pub use layer::Disk;
pub use replay::{Files, Left, Recording};

/// What happened to a file, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Write {
        file: String,
        offset: u64,
        bytes: Vec<u8>,
    },
    Truncate {
        file: String,
        length: u64,
    },
    Sync {
        file: String,
    },
    Delete {
        file: String,
    },
    /// The program under test was told that so much is durable.
    Acknowledged(u64),
}
