//! Audit: the whole journal verified, and exported so that anybody can verify it.
//!
//! ```
//! use cardwright_issuance::audit::{self, Trust};
//! use cardwright_issuance::event::Event;
//! use cardwright_issuance::journal::{CheckpointSigner, Entity, SoftwareSigner};
//! use cardwright_issuance::store::{SqliteOptions, Store, Transaction};
//! use std::time::Duration;
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("issue.journal");
//! let signer = SoftwareSigner::new(&[7; 32]); // A test key; a real one is random.
//! let key = signer.public_key();
//! let mut store = SqliteOptions::new().signer(Box::new(signer), 1000, Duration::from_secs(60)).open(&path)?;
//! let card = Entity::new("card/cplc-479050a72071000100000001")?;
//! let _durable = store.commit(Transaction::new([Event::KeyAttempt.entry(&card)]), 1_700_000_000_000)?;
//! drop(store);
//!
//! let report = audit::verify(&path, &Trust { keys: vec![key], head: None })?;
//! assert_eq!((report.head.seq, report.signed_up_to), (1, Some(1)));
//! let mut lines = Vec::new();
//! audit::export(&path, &mut lines)?;
//! assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 4); // begin, record, checkpoint, end
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::path::Path;

use crate::journal::{Head, PublicKey};
use crate::store::{self, StoreError};

mod export;

pub use export::{ExportError, export};

/// By what an audit goes besides the chain itself.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Keys whose checkpoints count; one that names such a key and is not signed with it is an error.
    pub keys: Vec<PublicKey>,
    /// Number and hash of a record, kept elsewhere.
    pub head: Option<Head>,
}

/// A journal that was found in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Schema version of the file.
    pub schema: u32,
    /// The last record: keep it elsewhere, and a later audit can be asked to look for it.
    pub head: Head,
    /// Checkpoints signed by a trusted key.
    pub trusted_checkpoints: u64,
    /// Checkpoints by other keys: their hashes fit, their signatures were not looked at.
    pub other_checkpoints: u64,
    /// The last record that a trusted key has signed for. Who can write the file can make anew what follows it.
    pub signed_up_to: Option<u64>,
}

/// Verifies a journal file whole, whatever was signed: header, pages, tables, every record, every checkpoint, what is
/// listed as open. The file is not written to.
///
/// # Errors
///
/// [`StoreError::BrokenChain`] names the first record that was changed, removed, inserted or moved;
/// [`StoreError::Damaged`] and [`StoreError::Truncated`] the place that cannot be read. Errors of the groups place and file
/// when it is no journal.
pub fn verify(path: impl AsRef<Path>, trust: &Trust) -> Result<Report, StoreError> {
    store::audit(path.as_ref(), trust)
}

#[cfg(test)]
mod tests;
