//! UPDATE CAPP DATA CACHE: a record that a compound purchase writes together with the purse (general manual 8.9.2).

use cardwright_apdu::StatusWord;

use super::record::{Reference, check};
use super::transaction::Kind;
use super::{Command, CpuCard};
use crate::card::{Answer, done};

/// A record that waits for DEBIT FOR CAPP PURCHASE.
pub(super) struct CappUpdate {
    pub(super) file: u16,
    pub(super) reference: Reference,
    pub(super) data: Vec<u8>,
}

impl CpuCard {
    pub(super) fn update_capp_data_cache(&mut self, mut command: Command<'_>) -> Answer {
        let mut pending = command.pending.take().ok_or(StatusWord::INVALID_STATE)?;
        if pending.kind != Kind::Capp {
            return Err(StatusWord::INVALID_STATE);
        }
        let (identifier, reference) = self.record(&command)?;
        let is_file = |content: &_| check(content, reference, command.data()) != Err(StatusWord::INCORRECT_P1_P2);
        let (protection, _) = self.writable(identifier, is_file)?;
        if protection != 0 {
            return Err(StatusWord::SECURE_MESSAGING_MISSING);
        }
        let file = self.memory.directory(self.session.directory)?.file(identifier)?;
        check(&file.content, reference, command.data())?;
        pending.capp = Some(CappUpdate { file: identifier, reference, data: command.data().to_vec() });
        self.session.pending = Some(pending);
        done(Vec::new())
    }
}
