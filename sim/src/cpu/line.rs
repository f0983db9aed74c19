//! Line protection: MACs over commands and responses, enciphered data (general manual 9).

use cardwright_apdu::StatusWord;

use super::key::{LINE_PROTECTION, TWIN};
use super::memory::Lock;
use super::suite::Cipher;
use super::{Command, CpuCard};

/// Length of a MAC, in bytes.
pub(super) const MAC: usize = 4;

/// A command whose MAC was right.
pub(super) struct Unwrapped {
    /// The data without the MAC.
    pub(super) data: Vec<u8>,
    cipher: Cipher,
    challenge: Vec<u8>,
    fill_aligned: bool,
}

impl Unwrapped {
    /// Data that came enciphered.
    pub(super) fn deciphered(&self) -> Result<Vec<u8>, StatusWord> {
        self.cipher.decipher(&self.data).ok_or(StatusWord::SECURE_MESSAGING_INCORRECT)
    }

    /// The number of bytes to read: `Le ‖ 80 00 ..`, enciphered without a length byte (general manual 7.5, example 3).
    pub(super) fn deciphered_length(&self) -> Result<u8, StatusWord> {
        let mut plain = self.data.clone();
        if plain.len() != self.cipher.block() {
            return Err(StatusWord::SECURE_MESSAGING_INCORRECT);
        }
        self.cipher.decrypt(&mut plain);
        match &plain[..] {
            [length, 0x80, zeros @ ..] if zeros.iter().all(|byte| *byte == 0) => Ok(*length),
            _ => Err(StatusWord::SECURE_MESSAGING_INCORRECT),
        }
    }

    /// Response data, enciphered where the file asks for it, and their MAC with the challenge of the command as initial
    /// value. The manual shows such a response and does not say what its MAC covers.
    pub(super) fn wrap(&self, data: &[u8], enciphered: bool) -> Vec<u8> {
        let mut data = if enciphered { self.cipher.encipher(data) } else { data.to_vec() };
        let mac = self.cipher.mac(&self.challenge, &data, self.fill_aligned);
        data.extend_from_slice(&mac);
        data
    }
}

impl CpuCard {
    /// Checks the MAC at the end of a command under a key of the current directory, or its SM4 twin.
    ///
    /// A wrong one counts on the key and gives `wrong`; the last one of a line protection key locks the application for
    /// good.
    pub(super) fn unwrap(
        &mut self,
        command: &Command<'_>,
        kind: u8,
        identifier: u8,
        wrong: StatusWord,
    ) -> Result<Unwrapped, StatusWord> {
        let data = command.data();
        let (data, mac) =
            data.split_at_checked(data.len().wrapping_sub(MAC)).ok_or(StatusWord::SECURE_MESSAGING_MISSING)?;
        let is_line_key = kind == LINE_PROTECTION;
        let locked = if is_line_key { StatusWord::APPLICATION_LOCKED } else { StatusWord::AUTHENTICATION_BLOCKED };
        let sm4 = self.memory.config.sm4;
        let fill_aligned = self.memory.config.fill_aligned;
        let directory = self.memory.directory(self.session.directory)?;
        let twin = identifier.checked_add(TWIN).filter(|_| sm4 && identifier < TWIN);
        let candidates: Vec<_> = [Some(identifier), twin]
            .into_iter()
            .flatten()
            .filter_map(|identifier| directory.key(kind, identifier).map(|key| (identifier, key)))
            .collect();
        let &(first, key) = candidates.first().ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        if !self.holds(key.use_right()) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        let challenge = command.challenge.clone().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let covered = [&command.header()[..], data].concat();
        let mut right = None;
        let mut usable = false;
        for (identifier, key) in candidates {
            if key.is_locked() {
                continue;
            }
            usable = true;
            let cipher = key.cipher(sm4)?;
            if cipher.mac(&challenge, &covered, fill_aligned) == mac {
                right = Some((identifier, cipher));
                break;
            }
        }
        if !usable {
            return Err(locked);
        }
        let directory = self.memory.directory_mut(self.session.directory)?;
        match right {
            Some((identifier, cipher)) => {
                if let Some(key) = directory.key_mut(kind, identifier).filter(|key| key.has_failures()) {
                    self.power.whole()?;
                    key.reset_tries();
                }
                Ok(Unwrapped { data: data.to_vec(), cipher, challenge, fill_aligned })
            }
            None => {
                self.power.whole()?;
                let left = directory.key_mut(kind, first).map_or(0, |key| key.count_failure());
                if left == 0 && is_line_key {
                    directory.lock = Lock::Permanent;
                    return Err(StatusWord::APPLICATION_LOCKED);
                }
                Err(wrong)
            }
        }
    }

    /// The data of a command that writes a file, without what its protection (80 MAC, 40 enciphered) added.
    pub(super) fn written(&mut self, command: &Command<'_>, protection: u8, key: u8) -> Result<Vec<u8>, StatusWord> {
        match (protection, command.is_protected()) {
            (0x00, false) => return Ok(command.data().to_vec()),
            (0x00, true) => return Err(StatusWord(0x6900)),
            (_, false) => return Err(StatusWord::SECURE_MESSAGING_MISSING),
            _ => {}
        }
        let plain = if protection & 0x80 != 0 {
            let unwrapped = self.unwrap(command, LINE_PROTECTION, key, StatusWord::SECURE_MESSAGING_INCORRECT)?;
            if protection & 0x40 != 0 { unwrapped.deciphered()? } else { unwrapped.data }
        } else {
            let directory = self.memory.directory(self.session.directory)?;
            let key = directory.key(LINE_PROTECTION, key).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
            let plain = key.cipher(self.memory.config.sm4)?.decipher(command.data());
            plain.ok_or(StatusWord::SECURE_MESSAGING_INCORRECT)?
        };
        self.note_plain(command, &plain);
        Ok(plain)
    }

    /// Notes for the log what a protected command means.
    pub(super) fn note_plain(&mut self, command: &Command<'_>, plain: &[u8]) {
        let [cla, ins, p1, p2, _] = command.header();
        self.session.plain = Some([&[cla & !0x04, ins, p1, p2, plain.len() as u8][..], plain].concat());
    }

    /// What reading with line protection needs: `None` for a command without.
    pub(super) fn read_protection(
        &mut self,
        command: &Command<'_>,
        file: &ReadRules,
    ) -> Result<Option<Unwrapped>, StatusWord> {
        match (command.is_protected(), file.must_be_protected) {
            (false, true) => Err(StatusWord::SECURE_MESSAGING_MISSING),
            (false, false) if !command.data().is_empty() => Err(StatusWord::WRONG_LENGTH),
            (false, false) => Ok(None),
            (true, _) if file.protection == 0 => Err(StatusWord(0x6900)),
            (true, _) => {
                self.unwrap(command, LINE_PROTECTION, file.key, StatusWord::SECURE_MESSAGING_INCORRECT).map(Some)
            }
        }
    }
}

/// How a file may be read.
pub(super) struct ReadRules {
    pub(super) protection: u8,
    pub(super) key: u8,
    pub(super) must_be_protected: bool,
}

impl super::memory::File {
    pub(super) fn read_rules(&self) -> ReadRules {
        ReadRules {
            protection: self.protection,
            key: self.line_key(true),
            must_be_protected: self.protection != 0 && self.last & 0x80 == 0,
        }
    }
}
