//! GET CHALLENGE, EXTERNAL and INTERNAL AUTHENTICATE (general manual 7.1 to 7.3).

use cardwright_apdu::StatusWord;

use super::key::{EXTERNAL_AUTHENTICATION, INTERNAL, INTERNAL_DECRYPT, INTERNAL_MAC, Key, TAC};
use super::suite::fill;
use super::{Command, CpuCard};
use crate::card::{Answer, done};
use crate::crypto::same;

impl CpuCard {
    /// 4 or 8 random bytes; 16 where the card knows SM4.
    pub(super) fn get_challenge(&mut self, command: &Command<'_>) -> Answer {
        command.expect_parameters(0x00, 0x00)?;
        let length = command.apdu.ne.get() as usize;
        if !command.data().is_empty() || !(matches!(length, 4 | 8) || (length == 16 && self.memory.config.sm4)) {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let challenge = self.random(length);
        self.session.challenge = Some(challenge.clone());
        done(challenge)
    }

    pub(super) fn external_authenticate(&mut self, command: &Command<'_>) -> Answer {
        if command.apdu.p1 != 0x00 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let given: [u8; 8] = command.array()?;
        let sm4 = self.memory.config.sm4;
        let key = self.usable(EXTERNAL_AUTHENTICATION, command.apdu.p2)?;
        if key.is_locked() {
            return Err(StatusWord::AUTHENTICATION_BLOCKED);
        }
        let (cipher, next) = (key.cipher(sm4)?, key.next_state());
        let challenge = command.challenge.as_ref().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        // The try is counted before the answer is looked at: pulling the card out does not win one.
        self.power.whole()?;
        let key = self.key_mut(EXTERNAL_AUTHENTICATION, command.apdu.p2)?;
        let left = key.count_failure();
        if !same(&cipher.authenticator(challenge), &given) {
            return Err(StatusWord(0x63C0 | u16::from(left)));
        }
        self.power.whole()?;
        self.key_mut(EXTERNAL_AUTHENTICATION, command.apdu.p2)?.reset_tries();
        self.set_state(next);
        done(Vec::new())
    }

    /// P1 00 enciphers with a key of type 30, 01 deciphers with 31, 02 computes a MAC with 32. The special manual knows
    /// type 30 alone, which does all three here where there is no other, and a TAC key (34) proves itself under P1 00 and
    /// 02.
    pub(super) fn internal_authenticate(&mut self, command: &Command<'_>) -> Answer {
        let kinds = match command.apdu.p1 {
            0x00 => &[INTERNAL, TAC][..],
            0x01 => &[INTERNAL_DECRYPT, INTERNAL],
            0x02 => &[INTERNAL_MAC, INTERNAL, TAC],
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        if command.data().is_empty() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let directory = self.memory.directory(self.session.directory)?;
        if directory.keys.is_none() {
            return Err(StatusWord::FILE_NOT_FOUND);
        }
        let key = kinds.iter().find_map(|kind| directory.key(*kind, command.apdu.p2));
        let key = key.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        if !self.holds(key.use_right()) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        let cipher = key.cipher(self.memory.config.sm4)?;
        if command.apdu.p1 == 0x02 {
            return done(cipher.mac(&[], command.data(), self.memory.config.fill_aligned));
        }
        let mut data = command.data().to_vec();
        if !data.len().is_multiple_of(cipher.block()) {
            fill(&mut data, cipher.block());
        }
        if command.apdu.p1 == 0x00 {
            cipher.encrypt(&mut data)
        } else {
            cipher.decrypt(&mut data)
        }
        done(data)
    }

    /// A key of the current directory whose use right is met.
    pub(super) fn usable(&self, kind: u8, identifier: u8) -> Result<&Key, StatusWord> {
        let directory = self.memory.directory(self.session.directory)?;
        if directory.keys.is_none() {
            return Err(StatusWord::FILE_NOT_FOUND);
        }
        let key = directory.key(kind, identifier).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        if self.holds(key.use_right()) { Ok(key) } else { Err(StatusWord::SECURITY_NOT_SATISFIED) }
    }

    pub(super) fn key_mut(&mut self, kind: u8, identifier: u8) -> Result<&mut Key, StatusWord> {
        let directory = self.memory.directory_mut(self.session.directory)?;
        directory.key_mut(kind, identifier).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)
    }
}
