//! What a test may look at, and arrange, that no host can.

use cardwright_apdu::StatusWord;

use super::memory::{Content, Directory, Lock};
use super::{CpuCard, CpuKey};
use crate::card::LogEntry;

impl CpuCard {
    /// Bytes that the card gives out in the place of random ones, the next time it needs that many: published test
    /// vectors name them.
    pub fn plan_random(&mut self, bytes: &[u8]) {
        self.planned.push_back(bytes.to_vec());
    }

    /// A key by its directory, from the MF's identifier 3F00 on, its type and its identifier.
    #[must_use]
    pub fn key(&self, path: &[u16], key_type: u8, identifier: u8) -> Option<&CpuKey> {
        self.at(path)?.key(key_type, identifier)
    }

    /// Contents of a binary file by its path.
    #[must_use]
    pub fn binary(&self, path: &[u16]) -> Option<&[u8]> {
        match &self.file(path)?.content {
            Content::Binary(data) => Some(data),
            _ => None,
        }
    }

    /// Records of a file by its path: by number, of a cyclic file the newest first.
    #[must_use]
    pub fn records(&self, path: &[u16]) -> Option<Vec<&[u8]>> {
        match &self.file(path)?.content {
            Content::Fixed { records, .. } | Content::Variable { records, .. } | Content::Cyclic { records, .. } => {
                Some(records.iter().map(|record| &record[..]).collect())
            }
            Content::Binary(_) | Content::Purse(_) => None,
        }
    }

    /// Balance of a purse by its path: file 0001 is the deposit, with its overdraft limit, 0002 the purse.
    #[must_use]
    pub fn balance(&self, path: &[u16]) -> Option<u32> {
        match &self.file(path)?.content {
            Content::Purse(purse) => Some(purse.balance),
            _ => None,
        }
    }

    /// Whether a directory is locked for good, by APPLICATION BLOCK or by wrong MACs.
    #[must_use]
    pub fn is_locked(&self, path: &[u16]) -> bool {
        self.at(path).is_some_and(|directory| directory.lock == Lock::Permanent)
    }

    /// Whether CARD BLOCK was executed.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.memory.blocked
    }

    /// Security state of the current directory.
    #[must_use]
    pub fn security_state(&self) -> u8 {
        self.session.state
    }

    /// How many commands the card has executed since it was made or loaded, GET RESPONSE included.
    #[must_use]
    pub fn executed(&self) -> u64 {
        self.recorder.executed()
    }

    /// The commands executed since the card was made or loaded; empty when the log is off.
    #[must_use]
    pub fn log(&self) -> &[LogEntry] {
        self.recorder.log()
    }

    fn at(&self, path: &[u16]) -> Option<&Directory> {
        let (mf, rest) = path.split_first()?;
        let start = self.memory.directories.first().filter(|directory| directory.identifier == *mf)?;
        rest.iter().try_fold(start, |outer, identifier| {
            self.memory.children(outer.number).find(|inner| inner.identifier == *identifier)
        })
    }

    fn file(&self, path: &[u16]) -> Option<&super::memory::File> {
        let (identifier, path) = path.split_last()?;
        let found: Result<_, StatusWord> = self.at(path)?.file(*identifier);
        found.ok()
    }
}
