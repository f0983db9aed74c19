//! WRITE KEY (special manual 1.2).

use cardwright_apdu::StatusWord;

use super::key::{EXTERNAL_AUTHENTICATION, Key, TWIN, WITH_MAC};
use super::{Command, CpuCard};
use crate::card::{Answer, done};

/// P1 of a command that adds a key; else P1 is the type of the key to change.
const ADD: u8 = 0x01;

impl CpuCard {
    pub(super) fn write_key(&mut self, command: Command<'_>) -> Answer {
        let directory = self.memory.directory(self.session.directory)?;
        let keys = directory.keys.as_ref().ok_or(StatusWord::FILE_NOT_FOUND)?;
        let (kind, identifier) = (command.apdu.p1, command.apdu.p2);
        if kind == ADD {
            return if self.allows(keys.add) {
                self.add_key(&command)
            } else {
                Err(StatusWord::SECURITY_NOT_SATISFIED)
            };
        }
        let before = directory.key(kind, identifier).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?.clone();
        if !self.holds(before.change_right()) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        self.change_key(&command, &before)
    }

    /// In plain, or enciphered with a MAC.
    fn add_key(&mut self, command: &Command<'_>) -> Answer {
        let record = if command.is_protected() { self.enciphered(command)? } else { command.data().to_vec() };
        let key = Key::parse(command.apdu.p2, &record)?;
        let keys = self.memory.directory(self.session.directory)?.keys.as_ref().ok_or(StatusWord::FILE_NOT_FOUND)?;
        if keys.keys.iter().any(|other| other.is(key.kind(), command.apdu.p2)) {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let taken: u64 = keys.keys.iter().map(Key::space).sum();
        if taken + key.space() > u64::from(keys.space) {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        self.power.whole()?;
        if let Some(keys) = &mut self.memory.directory_mut(self.session.directory)?.keys {
            keys.keys.push(key);
        }
        done(Vec::new())
    }

    /// The way that the key as it is asks for, or enciphered with a MAC. The record replaces header and value, with the
    /// error counter: the manual says that it does not change, and its own example 2 changes it.
    fn change_key(&mut self, command: &Command<'_>, before: &Key) -> Answer {
        let record = match (command.is_protected(), before.protection()) {
            (false, 0x00) => command.data().to_vec(),
            (false, _) => return Err(StatusWord::SECURE_MESSAGING_MISSING),
            (true, WITH_MAC) => {
                let record = self.protected(command)?.data;
                self.note_plain(command, &record);
                record
            }
            (true, _) => self.enciphered(command)?,
        };
        let key = Key::parse(command.apdu.p2, &record)?;
        if key.kind() != before.kind() {
            return Err(StatusWord::WRONG_DATA);
        }
        if key.value().len() != before.value().len() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        self.power.whole()?;
        *self.key_mut(before.kind(), command.apdu.p2)? = key;
        done(Vec::new())
    }

    fn enciphered(&mut self, command: &Command<'_>) -> Result<Vec<u8>, StatusWord> {
        let plain = self.protected(command)?.deciphered().map_err(|_| StatusWord::WRONG_DATA)?;
        self.note_plain(command, &plain);
        Ok(plain)
    }

    /// Encipherment and MAC are under the master key as it is before the command: external authentication key 00, for an
    /// SM4 twin 40 where there is one.
    fn protected(&mut self, command: &Command<'_>) -> Result<super::line::Unwrapped, StatusWord> {
        let directory = self.memory.directory(self.session.directory)?;
        let twin = self.memory.config.sm4 && command.apdu.p2 >= TWIN;
        let is_there = directory.key(EXTERNAL_AUTHENTICATION, TWIN).is_some();
        let master = if twin && is_there { TWIN } else { 0x00 };
        self.unwrap(command, EXTERNAL_AUTHENTICATION, master, StatusWord::MAC_INVALID)
    }
}
