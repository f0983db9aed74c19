//! CREATE FILE and ERASE DF (special manual 1.1, 1.3).

use cardwright_apdu::StatusWord;

use super::memory::{Content, Directory, File, HEADER, KeyFile, LEVELS, Lock, MF};
use super::purse::Purse;
use super::select::PAYMENT_SYSTEM;
use super::{Command, CpuCard};
use crate::card::{Answer, done};

/// File types, without the two upper bits for protection.
const DIRECTORY: u8 = 0x38;
const BINARY: u8 = 0x28;
const FIXED: u8 = 0x2A;
const VARIABLE: u8 = 0x2C;
const CYCLIC: u8 = 0x2E;
const PURSE: u8 = 0x2F;
const KEYS: u8 = 0x3F;

/// Longest record, in bytes (general manual 4.1.3).
const LONGEST_RECORD: u8 = 248;

impl CpuCard {
    pub(super) fn create(&mut self, command: &Command<'_>) -> Answer {
        let identifier = u16::from_be_bytes([command.apdu.p1, command.apdu.p2]);
        let Some((file_type, body)) = command.data().split_first() else { return Err(StatusWord::WRONG_LENGTH) };
        if self.memory.directories.is_empty() {
            return if identifier == MF {
                self.create_mf(*file_type, body)
            } else {
                Err(StatusWord::FUNCTION_NOT_SUPPORTED)
            };
        }
        let current = self.memory.directory(self.session.directory)?;
        if !self.allows(current.create) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        let exists = identifier == MF
            || current.file(identifier).is_ok()
            || current.keys.as_ref().is_some_and(|keys| keys.identifier == identifier)
            || self.memory.children(current.number).any(|inner| inner.identifier == identifier);
        if exists {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        match *file_type {
            DIRECTORY => self.create_directory(identifier, body),
            KEYS => self.create_key_file(identifier, body),
            _ => self.create_file(identifier, *file_type, body),
        }
    }

    /// `38 ‖ FFFF ‖ create ‖ erase ‖ file told by SELECT ‖ transport code`.
    fn create_mf(&mut self, file_type: u8, body: &[u8]) -> Answer {
        let [size_high, size_low, create, erase, told, code @ ..] = body else { return Err(StatusWord::WRONG_LENGTH) };
        if file_type != DIRECTORY {
            return Err(StatusWord::WRONG_DATA);
        }
        let expected = self.memory.config.transport_code;
        if !matches!(code.len(), 7 | 8) {
            return Err(StatusWord::WRONG_LENGTH);
        }
        if !expected.starts_with(code) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        let mf = Directory {
            number: 0,
            parent: 0,
            identifier: MF,
            name: PAYMENT_SYSTEM.to_vec(),
            space: u16::from_be_bytes([*size_high, *size_low]),
            create: *create,
            erase: *erase,
            told: *told,
            keys: None,
            files: Vec::new(),
            lock: Lock::Open,
        };
        self.power.whole()?;
        self.memory.directories.push(mf);
        self.enter(0);
        done(Vec::new())
    }

    /// `38 ‖ size ‖ create ‖ erase ‖ file told by SELECT ‖ FFFF ‖ name`.
    fn create_directory(&mut self, identifier: u16, body: &[u8]) -> Answer {
        let [size_high, size_low, create, erase, told, 0xFF, 0xFF, name @ ..] = body else {
            return Err(if body.len() < 7 { StatusWord::WRONG_LENGTH } else { StatusWord::WRONG_DATA });
        };
        if !(5..=16).contains(&name.len()) {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let parent = self.session.directory;
        if self.memory.level(parent) >= LEVELS {
            return Err(StatusWord::WRONG_DATA);
        }
        let directory = Directory {
            number: self.memory.next_number(),
            parent,
            identifier,
            name: name.to_vec(),
            space: u16::from_be_bytes([*size_high, *size_low]),
            create: *create,
            erase: *erase,
            told: *told,
            keys: None,
            files: Vec::new(),
            lock: Lock::Open,
        };
        self.expect_space(directory.own_space())?;
        self.power.whole()?;
        self.memory.directories.push(directory);
        done(Vec::new())
    }

    /// `3F ‖ size ‖ short identifier of the directory ‖ right to add ‖ FFFF`; before all other files (general manual 4.1.3).
    fn create_key_file(&mut self, identifier: u16, body: &[u8]) -> Answer {
        let [size_high, size_low, _, add, 0xFF, 0xFF] = *body else {
            return Err(if body.len() == 6 { StatusWord::WRONG_DATA } else { StatusWord::WRONG_LENGTH });
        };
        if !self.memory.directory(self.session.directory)?.is_empty() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let space = u16::from_be_bytes([size_high, size_low]);
        self.expect_space(HEADER + u64::from(space))?;
        self.power.whole()?;
        let directory = self.memory.directory_mut(self.session.directory)?;
        directory.keys = Some(KeyFile { identifier, space, add, keys: Vec::new() });
        done(Vec::new())
    }

    /// `type ‖ size ‖ read ‖ write ‖ FF ‖ line protection keys`, for a purse
    /// `2F ‖ 0208 ‖ use ‖ 00 ‖ FF ‖ short identifier of the log`.
    fn create_file(&mut self, identifier: u16, file_type: u8, body: &[u8]) -> Answer {
        let [high, low, read, write, _, last] = *body else { return Err(StatusWord::WRONG_LENGTH) };
        let space = u16::from_be_bytes([high, low]);
        let content = match file_type & 0x3F {
            BINARY => Content::Binary(vec![0xFF; usize::from(space)]),
            FIXED | CYCLIC if high < 2 || low == 0 || low > LONGEST_RECORD => return Err(StatusWord::WRONG_DATA),
            FIXED => Content::Fixed { count: high, length: low, records: Vec::new() },
            CYCLIC => Content::Cyclic { count: high, length: low, records: Vec::new() },
            VARIABLE => Content::Variable { space, records: Vec::new() },
            PURSE if (high, low) == (0x02, 0x08) => Content::Purse(Purse::default()),
            _ => return Err(StatusWord::WRONG_DATA),
        };
        let file = File { identifier, protection: file_type & 0xC0, read, write, last, sound: false, content };
        self.expect_space(file.space())?;
        self.power.whole()?;
        self.memory.directory_mut(self.session.directory)?.files.push(file);
        done(Vec::new())
    }

    fn expect_space(&self, bytes: u64) -> Result<(), StatusWord> {
        let mf = self.memory.directories.first().ok_or(StatusWord::FUNCTION_NOT_SUPPORTED)?;
        let fits = |number, space: u64| self.memory.taken(number) + bytes <= space;
        let current = self.memory.directory(self.session.directory)?;
        // Size FFFF of an MF: all that there is.
        let limited = self.memory.config.directory_space && current.space != 0xFFFF;
        if !fits(mf.number, u64::from(self.memory.config.memory))
            || (limited && !fits(current.number, u64::from(current.space)))
        {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        Ok(())
    }

    /// ERASE DF: all files and directories in the current directory, one after the other, the key file last.
    pub(super) fn erase(&mut self, command: &Command<'_>) -> Answer {
        command.expect_parameters(0x00, 0x00)?;
        if !command.data().is_empty() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let current = self.memory.directory(self.session.directory)?;
        if !self.allows(current.erase) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        let number = current.number;
        for inner in self.memory.below(number).into_iter().skip(1).rev() {
            self.power.whole()?;
            self.memory.directories.retain(|directory| directory.number != inner);
        }
        let directory = self.memory.directory_mut(number)?;
        while !directory.files.is_empty() {
            self.power.whole()?;
            directory.files.pop();
        }
        if directory.keys.is_some() {
            self.power.whole()?;
            directory.keys = None;
        }
        self.session.file = None;
        self.session.free = true;
        done(Vec::new())
    }
}
