use std::path::Path;
use std::time::Duration;

use super::SqliteStore;
use super::checkpoint::Signing;
use crate::journal::{CheckpointSigner, Label, PublicKey};
use crate::store::StoreError;

/// How a journal file is opened for writing.
///
/// ```
/// use cardwright_issuance::journal::Label;
/// use cardwright_issuance::store::SqliteOptions;
///
/// let folder = tempfile::tempdir()?;
/// let store = SqliteOptions::new().actor(Label::new("desk-3")?).open(folder.path().join("issue.journal"))?;
/// assert_eq!(store.epoch(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct SqliteOptions {
    pub(super) actor: Label,
    pub(super) max_pages: Option<u32>,
    pub(super) signing: Option<Signing>,
    pub(super) trusted: Vec<PublicKey>,
}

impl SqliteOptions {
    /// No particulars.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Who writes, where a transaction names nobody.
    #[must_use]
    pub fn actor(mut self, actor: Label) -> Self {
        self.actor = actor;
        self
    }

    /// Limits the file to so many pages of 4096 bytes; a commit that needs more is refused with [`StoreError::Full`].
    #[must_use]
    pub fn max_pages(mut self, pages: u32) -> Self {
        self.max_pages = Some(pages);
        self
    }

    /// Has checkpoints signed: when `every_records` records have been written since the last one, when the first of these is
    /// `every` old, and when the store is closed. The signer's own key is trusted.
    #[must_use]
    pub fn signer(mut self, signer: Box<dyn CheckpointSigner>, every_records: u64, every: Duration) -> Self {
        self.trusted.push(signer.public_key());
        self.signing = Some(Signing::new(signer, every_records, every));
        self
    }

    /// Trusts checkpoints that are signed with this key: opening verifies from the last of them on.
    #[must_use]
    pub fn trust(mut self, key: PublicKey) -> Self {
        self.trusted.push(key);
        self
    }

    /// Opens the journal at `path`; where no file or an empty one is, it makes one. A file of an earlier schema is
    /// brought to the present one; nobody else may have it open then.
    ///
    /// Before anything is written, the file is looked at: header, pages, tables and the whole chain. With a trusted
    /// checkpoint, header, tables and the chain behind the checkpoint: the cost does not grow with the journal then, and
    /// [`audit::verify`](crate::audit::verify) verifies all.
    ///
    /// # Errors
    ///
    /// [`StoreError`] of the groups place and file; such a file is left as it was. Storage errors when the system
    /// does not do its part.
    pub fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_with(path.as_ref(), self)
    }
}
