//! CARD BLOCK, APPLICATION BLOCK and APPLICATION UNBLOCK (general manual 8.1 to 8.3).

use cardwright_apdu::StatusWord;

use super::key::LINE_PROTECTION;
use super::memory::Lock;
use super::{Command, CpuCard};
use crate::card::{Answer, done};

impl CpuCard {
    /// All later commands get 6A81.
    pub(super) fn card_block(&mut self, command: Command<'_>) -> Answer {
        command.expect_parameters(0x00, 0x00)?;
        self.with_mac_alone(&command)?;
        self.power.whole()?;
        self.memory.blocked = true;
        done(Vec::new())
    }

    pub(super) fn application_block(&mut self, command: Command<'_>) -> Answer {
        let lock = match (command.apdu.p1, command.apdu.p2) {
            (0x00, 0x00) => Lock::Temporary,
            (0x00, 0x01) => Lock::Permanent,
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        self.with_mac_alone(&command)?;
        self.power.whole()?;
        let directory = self.memory.directory_mut(self.session.directory)?;
        if directory.lock != Lock::Permanent {
            directory.lock = lock;
        }
        done(Vec::new())
    }

    pub(super) fn application_unblock(&mut self, command: Command<'_>) -> Answer {
        command.expect_parameters(0x00, 0x00)?;
        if self.memory.directory(self.session.directory)?.lock == Lock::Permanent {
            return Err(StatusWord::APPLICATION_LOCKED);
        }
        self.with_mac_alone(&command)?;
        self.power.whole()?;
        self.memory.directory_mut(self.session.directory)?.lock = Lock::Open;
        done(Vec::new())
    }

    fn with_mac_alone(&mut self, command: &Command<'_>) -> Result<(), StatusWord> {
        if command.data().len() > super::line::MAC {
            return Err(StatusWord::WRONG_LENGTH);
        }
        self.unwrap(command, LINE_PROTECTION, 0x00, StatusWord::SECURE_MESSAGING_INCORRECT)?;
        self.note_plain(command, &[]);
        Ok(())
    }
}
