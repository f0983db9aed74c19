//! What a test may look at that no host can: keys, counters, the log.

use std::fmt;

use cardwright_apdu::Aid;

use crate::application::Installed;
use crate::card::{JavaCard, LogEntry};
use crate::config::SecureChannelProtocol;
use crate::keys::KeySet;
use crate::pboc::PbocApplication;

impl JavaCard {
    /// AID of the issuer security domain.
    #[must_use]
    pub fn isd_aid(&self) -> Aid {
        self.memory.isd
    }

    /// Secure channel protocol.
    #[must_use]
    pub fn protocol(&self) -> SecureChannelProtocol {
        self.memory.config.protocol
    }

    /// Card life cycle state (GPCS table 11-6).
    #[must_use]
    pub fn life_cycle(&self) -> u8 {
        self.memory.life_cycle
    }

    /// Card production life cycle data, without tag and length.
    #[must_use]
    pub fn cplc(&self) -> [u8; 42] {
        self.memory.config.cplc
    }

    /// Key diversification data.
    #[must_use]
    pub fn key_diversification(&self) -> [u8; 10] {
        self.memory.config.key_diversification
    }

    /// The key sets of the issuer security domain, with the keys.
    #[must_use]
    pub fn key_sets(&self) -> &[KeySet] {
        &self.memory.keys.sets
    }

    /// The key sets of a supplementary security domain, with the keys.
    #[must_use]
    pub fn domain_key_sets(&self, domain: &Aid) -> &[KeySet] {
        self.memory.keys_of(Some(*domain)).map_or(&[], |keys| &keys.sets)
    }

    /// The key set with this version.
    #[must_use]
    pub fn key_set(&self, version: u8) -> Option<&KeySet> {
        self.memory.keys.set(version)
    }

    /// Life cycle state of an application.
    #[must_use]
    pub fn application_life_cycle(&self, aid: &Aid) -> Option<u8> {
        self.memory.applications.iter().find(|entry| entry.aid == *aid).map(|entry| entry.life_cycle)
    }

    /// The built-in PBOC application behind an instance, when it is one.
    #[must_use]
    pub fn pboc_application(&self, aid: &Aid) -> Option<&PbocApplication> {
        match &self.memory.applications.iter().find(|entry| entry.aid == *aid)?.installed {
            Installed::Pboc(application) => Some(application),
            Installed::Inert | Installed::SecurityDomain(_) => None,
        }
    }

    /// Memory not taken by load files and applications, in bytes.
    #[must_use]
    pub fn free_memory(&self) -> u32 {
        self.memory.free()
    }

    /// How many commands the card has executed since it was made or loaded, GET RESPONSE included.
    #[must_use]
    pub fn executed(&self) -> u64 {
        self.executed
    }

    /// The commands executed since the card was made or loaded; empty when the log is off.
    #[must_use]
    pub fn log(&self) -> &[LogEntry] {
        self.log.as_deref().unwrap_or_default()
    }

    /// Takes what the log holds.
    pub fn take_log(&mut self) -> Vec<LogEntry> {
        self.log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Switches the log on (as it is at first) or off, and empties it.
    pub fn set_log(&mut self, on: bool) {
        self.log = on.then(Vec::new);
    }
}

impl fmt::Debug for JavaCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JavaCard({}, {} commands)", self.memory.isd, self.executed)
    }
}

impl fmt::Debug for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogEntry({} bytes, {} bytes)", self.command.len(), self.response.len())
    }
}
