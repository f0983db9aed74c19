//! What a test may look at that no host can.

use super::Usim;
use super::memory::{ADF, Content};
use super::vendor::Purpose;
use crate::card::LogEntry;

impl Usim {
    /// Ki and OPc as they are now; of SJA2, those for 3G.
    #[must_use]
    pub fn ki_and_opc(&self) -> ([u8; 16], [u8; 16]) {
        self.subscriber_key(Purpose::Usim)
    }

    /// Contents of a transparent file by the identifiers of its directory and its own; 7FFF is ADF.USIM.
    #[must_use]
    pub fn transparent(&self, directory: u16, identifier: u16) -> Option<&[u8]> {
        self.memory.transparent(directory, identifier)
    }

    /// A record of a file, from 1 on.
    #[must_use]
    pub fn record(&self, directory: u16, identifier: u16, number: usize) -> Option<&[u8]> {
        let at = self.memory.directories.iter().position(|found| found.identifier == directory)?;
        let entry = self.memory.entry(at, |entry| entry.identifier == identifier)?;
        match &self.memory.file(entry)?.content {
            Content::Records(records) => records.get(number.checked_sub(1)?).map(|record| &record[..]),
            Content::Transparent(_) => None,
        }
    }

    /// How often a code may still be tried, by its reference.
    #[must_use]
    pub fn tries_left(&self, reference: u8) -> Option<u8> {
        self.memory.secret(reference).map(|secret| secret.tries)
    }

    /// PIN and PUK.
    #[must_use]
    pub fn pin_and_puk(&self) -> Option<([u8; 8], [u8; 8])> {
        let pin = self.memory.secret(0x01)?;
        Some((pin.value, pin.unblock.as_ref()?.value))
    }

    /// AID of the USIM application.
    #[must_use]
    pub fn application(&self) -> Option<&[u8]> {
        self.memory.directories.iter().find(|found| found.identifier == ADF).map(|found| &found.aid[..])
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
}
