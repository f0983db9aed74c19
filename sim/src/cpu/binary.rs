//! READ BINARY and UPDATE BINARY (general manual 7.5, 7.7).

use cardwright_apdu::{Ne, StatusWord};

use super::memory::{Content, File};
use super::{Command, CpuCard, read_out};
use crate::card::{Answer, done};

/// Longest data field, in bytes (general manual 6.1).
pub(super) const LONGEST: usize = 239;

impl CpuCard {
    pub(super) fn read_binary(&mut self, command: Command<'_>) -> Answer {
        let (identifier, offset) = self.addressed(&command)?;
        let file = self.memory.directory(self.session.directory)?.file(identifier)?;
        let Content::Binary(data) = &file.content else { return Err(StatusWord::INCOMPATIBLE_FILE) };
        if !self.allows(file.read) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        let rest = data.get(offset..).filter(|rest| !rest.is_empty()).ok_or(StatusWord::WRONG_P1_P2)?.to_vec();
        let (sound, rules) = (file.sound, file.read_rules());
        self.session.file = Some(identifier);
        let unwrapped = self.read_protection(&command, &rules)?;
        match &unwrapped {
            None => read_out(portion(&rest, command.apdu.ne)?.to_vec(), sound),
            // The enciphered data field is the number of bytes to read (example 3), which ends with the file.
            Some(unwrapped) if rules.protection & 0x40 != 0 => {
                let wanted = unwrapped.deciphered_length()?;
                let wanted = if wanted == 0 { LONGEST } else { usize::from(wanted) };
                read_out(unwrapped.wrap(&rest[..wanted.min(rest.len())], true), sound)
            }
            Some(unwrapped) => {
                if !unwrapped.data.is_empty() {
                    return Err(StatusWord::WRONG_LENGTH);
                }
                read_out(unwrapped.wrap(portion(&rest, command.apdu.ne)?, false), sound)
            }
        }
    }

    pub(super) fn update_binary(&mut self, command: Command<'_>) -> Answer {
        let (identifier, offset) = self.addressed(&command)?;
        let (protection, key) = self.writable(identifier, |content| matches!(content, Content::Binary(_)))?;
        self.session.file = Some(identifier);
        let data = self.written(&command, protection, key)?;
        if data.is_empty() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let file = self.memory.directory_mut(self.session.directory)?.file_mut(identifier)?;
        let Content::Binary(content) = &mut file.content else { return Err(StatusWord::INCOMPATIBLE_FILE) };
        let target = content.get_mut(offset..offset + data.len()).ok_or(StatusWord::WRONG_P1_P2)?;
        if self.power.is_on() {
            file.sound = false;
        }
        self.power.write(target, &data)?;
        file.sound = true;
        done(Vec::new())
    }

    /// File and offset that P1 and P2 name.
    fn addressed(&self, command: &Command<'_>) -> Result<(u16, usize), StatusWord> {
        let (p1, p2) = (command.apdu.p1, command.apdu.p2);
        match p1 >> 5 {
            0b100 => Ok((u16::from(p1 & 0x1F), usize::from(p2))),
            _ if p1 & 0x80 != 0 => Err(StatusWord::INCORRECT_P1_P2),
            _ => {
                let file = self.session.file.ok_or(StatusWord::FILE_NOT_FOUND)?;
                Ok((file, usize::from(u16::from_be_bytes([p1, p2]))))
            }
        }
    }

    /// Protection and line key of a file that may be written.
    pub(super) fn writable(&self, identifier: u16, fits: impl Fn(&Content) -> bool) -> Result<(u8, u8), StatusWord> {
        let file: &File = self.memory.directory(self.session.directory)?.file(identifier)?;
        if !fits(&file.content) {
            return Err(StatusWord::INCOMPATIBLE_FILE);
        }
        if !self.allows(file.write) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        Ok((file.protection, file.line_key(false)))
    }
}

/// What Le asks for.
pub(super) fn portion(data: &[u8], ne: Ne) -> Result<&[u8], StatusWord> {
    match ne.get() as usize {
        0 => Err(StatusWord::WRONG_LENGTH),
        256 => Ok(&data[..data.len().min(LONGEST)]),
        wanted if wanted > LONGEST => Err(StatusWord::WRONG_LENGTH),
        wanted => data.get(..wanted).ok_or(StatusWord(0x6C00 | data.len().min(LONGEST) as u16)),
    }
}
