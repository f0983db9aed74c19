//! The log of a card.

use crate::card::LogEntry;

/// Counts what a card executed, and keeps it while the log is on.
pub(crate) struct Recorder {
    executed: u64,
    log: Option<Vec<LogEntry>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { executed: 0, log: Some(Vec::new()) }
    }
}

impl Recorder {
    /// Notes a command; `plain_command` is what it meant without secure messaging, where it had any.
    pub(crate) fn note(&mut self, command: &[u8], response: &[u8], plain_command: Option<Vec<u8>>) {
        self.executed += 1;
        if let Some(log) = &mut self.log {
            log.push(LogEntry {
                command: command.to_vec(),
                response: response.to_vec(),
                plain_command: plain_command.unwrap_or_else(|| command.to_vec()),
                plain_response: response.to_vec(),
            });
        }
    }

    pub(crate) fn executed(&self) -> u64 {
        self.executed
    }

    pub(crate) fn log(&self) -> &[LogEntry] {
        self.log.as_deref().unwrap_or_default()
    }

    pub(crate) fn take(&mut self) -> Vec<LogEntry> {
        self.log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn set(&mut self, on: bool) {
        self.log = on.then(Vec::new);
    }
}
