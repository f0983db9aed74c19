//! SELECT (general manual 7.4).

use cardwright_apdu::tlv::{self, Tag};
use cardwright_apdu::{Aid, StatusWord};

use super::memory::{Content, Directory, Lock, MF};
use super::{Command, CpuCard, Session};
use crate::application::fci;
use crate::card::{Answer, done};

/// Name of an MF that none was given (general manual 4.3).
pub(super) const PAYMENT_SYSTEM: &[u8] = b"1PAY.SYS.DDF01";

impl CpuCard {
    pub(super) fn select(&mut self, command: &Command<'_>) -> Answer {
        match (command.apdu.p1, command.apdu.p2) {
            (0x00, 0x00) => match *command.data() {
                [] => self.select_directory(self.mf()?),
                [high, low] => self.select_by_identifier(u16::from_be_bytes([high, low])),
                _ => Err(StatusWord::WRONG_LENGTH),
            },
            (0x04, 0x00) => self.select_by_name(command.data()),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    fn mf(&self) -> Result<u32, StatusWord> {
        self.memory.directories.first().map(|mf| mf.number).ok_or(StatusWord::FUNCTION_NOT_SUPPORTED)
    }

    /// The MF from anywhere, else a directory or a file in the current directory.
    fn select_by_identifier(&mut self, identifier: u16) -> Answer {
        if identifier == MF {
            return self.select_directory(self.mf()?);
        }
        let current = self.memory.directory(self.session.directory)?;
        let inner = self.memory.children(current.number).find(|inner| inner.identifier == identifier);
        if let Some(inner) = inner.map(|inner| inner.number) {
            return self.select_directory(inner);
        }
        let is_key_file = current.keys.as_ref().is_some_and(|keys| keys.identifier == identifier);
        if current.lock != Lock::Open {
            return Err(StatusWord::FUNCTION_NOT_SUPPORTED);
        }
        if !is_key_file && current.file(identifier).is_err() {
            return Err(StatusWord::FILE_NOT_FOUND);
        }
        self.session.file = Some(identifier);
        done(Vec::new())
    }

    /// The MF, the current directory, its neighbours and what is in it.
    fn select_by_name(&mut self, name: &[u8]) -> Answer {
        if name.is_empty() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let current = self.memory.directory(self.session.directory)?;
        let mf = self.mf()?;
        let near = |directory: &&Directory| {
            directory.number == mf
                || directory.number == current.number
                || directory.parent == current.number
                || (current.number != mf && directory.parent == current.parent)
        };
        let found = self.memory.directories.iter().filter(near).find(|directory| directory.name == name);
        self.select_directory(found.ok_or(StatusWord::FILE_NOT_FOUND)?.number)
    }

    fn select_directory(&mut self, number: u32) -> Answer {
        self.enter(number);
        let directory = self.memory.directory(number)?;
        if directory.lock != Lock::Open {
            return Err(StatusWord::FUNCTION_NOT_SUPPORTED);
        }
        let mut proprietary = Vec::new();
        match directory.told & 0xE0 {
            0x80 => {
                let file = directory.file(u16::from(directory.told & 0x1F)).ok();
                if let Some(Content::Binary(data)) = file.map(|file| &file.content) {
                    tlv::push(&mut proprietary, Tag(0x9F0C), data);
                }
            }
            _ => tlv::push(&mut proprietary, Tag(0x88), &[directory.told & 0x1F]),
        }
        // CREATE FILE takes names of 5 to 16 bytes only.
        let name = Aid::new(&directory.name).map_err(|_| StatusWord::UNKNOWN_ERROR)?;
        done(fci(&name, &proprietary))
    }

    /// Makes a directory the current one. Its security state is 0, that of the MF stays (general manual 5.1, 7.4).
    pub(super) fn enter(&mut self, number: u32) {
        let mf_state = self.session.mf_state;
        let is_mf = self.memory.directories.first().is_some_and(|mf| mf.number == number);
        let free = self.memory.directory(number).is_ok_and(Directory::is_empty);
        let state = if is_mf { mf_state } else { 0 };
        let plain = self.session.plain.take();
        self.session = Session { directory: number, state, mf_state, free, plain, ..Session::default() };
    }
}
