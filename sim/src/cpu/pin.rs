//! VERIFY, CHANGE PIN, RELOAD PIN and PIN UNBLOCK (general manual 7.10, 8.4 to 8.6).

use cardwright_apdu::StatusWord;

use super::key::{PIN, RELOAD, UNBLOCK};
use super::line::MAC;
use super::{Command, CpuCard};
use crate::card::{Answer, done};
use crate::crypto::same;

/// Lengths of a PIN that a command brings, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=6;

impl CpuCard {
    pub(super) fn verify(&mut self, command: &Command<'_>) -> Answer {
        if command.apdu.p1 != 0x00 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        // The special manual has PINs of up to 8 bytes.
        if !(2..=8).contains(&command.data().len()) {
            return Err(StatusWord::WRONG_LENGTH);
        }
        self.present(command.apdu.p2, command.data())?;
        let next = self.pin(command.apdu.p2)?.next_state();
        self.set_state(next);
        done(Vec::new())
    }

    pub(super) fn reload_or_change_pin(&mut self, command: &Command<'_>) -> Answer {
        match command.apdu.p1 {
            0x00 => self.reload_pin(command),
            0x01 => self.change_pin(command),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    /// `old PIN ‖ FF ‖ new PIN`.
    fn change_pin(&mut self, command: &Command<'_>) -> Answer {
        let mut parts = command.data().splitn(2, |byte| *byte == 0xFF);
        let (Some(old), Some(new)) = (parts.next(), parts.next()) else { return Err(StatusWord::WRONG_LENGTH) };
        if !LENGTHS.contains(&old.len()) || !LENGTHS.contains(&new.len()) {
            return Err(StatusWord::WRONG_LENGTH);
        }
        self.present(command.apdu.p2, old)?;
        self.power.whole()?;
        self.key_mut(PIN, command.apdu.p2)?.set_value(new);
        done(Vec::new())
    }

    /// `new PIN ‖ MAC`: the MAC is over the PIN alone, with the halves of the reload key xor each other.
    fn reload_pin(&mut self, command: &Command<'_>) -> Answer {
        let (new, mac) = command
            .data()
            .split_at_checked(command.data().len().wrapping_sub(MAC))
            .filter(|(new, _)| LENGTHS.contains(&new.len()))
            .ok_or(StatusWord::WRONG_LENGTH)?;
        let sm4 = self.memory.config.sm4;
        self.pin(command.apdu.p2)?;
        let reload = self.usable(RELOAD, 0x00).map_err(no_key)?;
        if reload.is_locked() {
            return Err(StatusWord::AUTHENTICATION_BLOCKED);
        }
        let expected = reload.cipher(sm4)?.folded().mac(&[], new, self.memory.config.fill_aligned);
        if !same(&expected, mac) {
            self.power.whole()?;
            self.key_mut(RELOAD, 0x00)?.count_failure();
            return Err(StatusWord::MAC_INVALID);
        }
        self.power.whole()?;
        self.key_mut(RELOAD, 0x00)?.reset_tries();
        let pin = self.key_mut(PIN, command.apdu.p2)?;
        pin.set_value(new);
        pin.reset_tries();
        done(Vec::new())
    }

    /// The PIN as it is, enciphered under the unlock key, and a MAC. The table of 8.4.2 has the identifier of the PIN in
    /// P1 and 00 in P2, the example 00 and 01, and a note says that it is always 00: both forms are taken.
    pub(super) fn unblock_pin(&mut self, command: Command<'_>) -> Answer {
        let identifier = match (command.apdu.p1, command.apdu.p2) {
            (identifier, 0x00) => identifier,
            (0x00, 0x01) => 0x00,
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        self.pin(identifier)?;
        let unwrapped = self.unwrap(&command, UNBLOCK, 0x00, StatusWord::SECURE_MESSAGING_INCORRECT).map_err(no_key)?;
        let plain = unwrapped.deciphered()?;
        self.note_plain(&command, &plain);
        self.power.whole()?;
        let pin = self.key_mut(PIN, identifier)?;
        if !pin.is_pin(&plain) {
            return Err(StatusWord::WRONG_DATA);
        }
        pin.reset_tries();
        done(Vec::new())
    }

    /// Compares a PIN; the try is counted before.
    fn present(&mut self, identifier: u8, given: &[u8]) -> Result<(), StatusWord> {
        let pin = self.pin(identifier)?;
        if !self.holds(pin.use_right()) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        if pin.is_locked() {
            return Err(StatusWord::AUTHENTICATION_BLOCKED);
        }
        self.power.whole()?;
        let pin = self.key_mut(PIN, identifier)?;
        let left = pin.count_failure();
        if !pin.is_pin(given) {
            return Err(StatusWord(0x63C0 | u16::from(left)));
        }
        self.power.whole()?;
        self.key_mut(PIN, identifier)?.reset_tries();
        Ok(())
    }

    fn pin(&self, identifier: u8) -> Result<&super::key::Key, StatusWord> {
        let directory = self.memory.directory(self.session.directory)?;
        if directory.keys.is_none() {
            return Err(StatusWord::FILE_NOT_FOUND);
        }
        directory.key(PIN, identifier).ok_or(StatusWord::KEY_INDEX_NOT_SUPPORTED)
    }
}

/// The commands of PBOC say 9403 where those of ISO say 6A88.
fn no_key(sw: StatusWord) -> StatusWord {
    if sw == StatusWord::REFERENCED_DATA_NOT_FOUND { StatusWord::KEY_INDEX_NOT_SUPPORTED } else { sw }
}
