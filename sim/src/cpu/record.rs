//! READ RECORD, UPDATE RECORD and APPEND RECORD (general manual 7.6, 7.8, 7.9).

use cardwright_apdu::StatusWord;

use super::binary::portion;
use super::memory::Content;
use super::{Command, CpuCard, read_out};
use crate::card::{Answer, done};
use crate::power::Power;

/// Longest record, in bytes (general manual 4.1.3).
const LONGEST: usize = 248;

/// What the lower three bits of P2 say about P1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference {
    /// P1 is a record number.
    Number(u8),
    /// P1 is the tag of a record.
    Tag(u8),
    /// A new record.
    New,
}

impl CpuCard {
    pub(super) fn read_record(&mut self, command: Command<'_>) -> Answer {
        let (identifier, reference) = self.record(&command)?;
        let file = self.memory.directory(self.session.directory)?.file(identifier)?;
        let records = match &file.content {
            Content::Fixed { records, .. } | Content::Cyclic { records, .. } | Content::Variable { records, .. } => {
                records
            }
            Content::Binary(_) | Content::Purse(_) => return Err(StatusWord::INCOMPATIBLE_FILE),
        };
        if !self.allows(file.read) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        let found = match reference {
            Reference::Number(number) => usize::from(number).checked_sub(1).and_then(|at| records.get(at)),
            Reference::Tag(tag) if matches!(file.content, Content::Variable { .. }) => {
                records.iter().find(|record| record.first() == Some(&tag))
            }
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        let record = found.ok_or(StatusWord::RECORD_NOT_FOUND)?.to_vec();
        let (sound, rules) = (file.sound, file.read_rules());
        self.session.file = Some(identifier);
        let unwrapped = self.read_protection(&command, &rules)?;
        match &unwrapped {
            None => read_out(portion(&record, command.apdu.ne)?.to_vec(), sound),
            Some(unwrapped) if rules.protection & 0x40 != 0 => read_out(unwrapped.wrap(&record, true), sound),
            Some(unwrapped) => read_out(unwrapped.wrap(portion(&record, command.apdu.ne)?, false), sound),
        }
    }

    pub(super) fn update_record(&mut self, command: Command<'_>) -> Answer {
        let (identifier, reference) = self.record(&command)?;
        self.write_record(&command, identifier, reference)
    }

    pub(super) fn append_record(&mut self, command: Command<'_>) -> Answer {
        let (identifier, reference) = self.record(&command)?;
        // Table 7.6 has 100 in the lower bits of P2, the script of the special manual 000.
        if !matches!(reference, Reference::Number(0) | Reference::Tag(0)) {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        self.write_record(&command, identifier, Reference::New)
    }

    fn write_record(&mut self, command: &Command<'_>, identifier: u16, reference: Reference) -> Answer {
        let is_records = |content: &Content| !matches!(content, Content::Binary(_) | Content::Purse(_));
        let (protection, key) = self.writable(identifier, is_records)?;
        self.session.file = Some(identifier);
        let data = self.written(command, protection, key)?;
        let file = self.memory.directory_mut(self.session.directory)?.file_mut(identifier)?;
        let reference = next_or(&file.content, reference);
        check(&file.content, reference, &data)?;
        if self.power.is_on() {
            file.sound = false;
        }
        store(&mut file.content, reference, &data, &mut self.power)?;
        file.sound = true;
        done(Vec::new())
    }

    /// File and record that P1 and P2 name.
    pub(super) fn record(&self, command: &Command<'_>) -> Result<(u16, Reference), StatusWord> {
        let (p1, p2) = (command.apdu.p1, command.apdu.p2);
        let identifier = match p2 >> 3 {
            0 => self.session.file.ok_or(StatusWord::FILE_NOT_FOUND)?,
            0x1F => return Err(StatusWord::INCORRECT_P1_P2),
            short => u16::from(short),
        };
        match p2 & 0x07 {
            0b100 => Ok((identifier, Reference::Number(p1))),
            0b000 => Ok((identifier, Reference::Tag(p1))),
            0b010 | 0b011 => Ok((identifier, Reference::New)),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }
}

/// The record after the last one of a file of fixed records is a new one.
fn next_or(content: &Content, reference: Reference) -> Reference {
    match (content, reference) {
        (Content::Fixed { count, records, .. }, Reference::Number(number))
            if number <= *count && usize::from(number) == records.len() + 1 =>
        {
            Reference::New
        }
        _ => reference,
    }
}

/// Whether these data can be stored there.
pub(super) fn check(content: &Content, reference: Reference, data: &[u8]) -> Result<(), StatusWord> {
    match (content, reference) {
        (Content::Fixed { length, .. } | Content::Cyclic { length, .. }, _) if data.len() != usize::from(*length) => {
            Err(StatusWord::WRONG_LENGTH)
        }
        (Content::Cyclic { .. }, Reference::New) => Ok(()),
        (Content::Cyclic { .. }, _) => Err(StatusWord::INCORRECT_P1_P2),
        (Content::Fixed { records, .. }, Reference::Number(number)) => {
            let exists = (1..=records.len()).contains(&usize::from(number));
            if exists { Ok(()) } else { Err(StatusWord::RECORD_NOT_FOUND) }
        }
        (Content::Fixed { count, records, .. }, Reference::New) => {
            if records.len() < usize::from(*count) {
                Ok(())
            } else {
                Err(StatusWord::NOT_ENOUGH_MEMORY)
            }
        }
        (Content::Variable { space, records }, reference) => {
            let is_record = data.len() >= 2 && data.len() <= LONGEST && usize::from(data[1]) == data.len() - 2;
            if !is_record {
                return Err(StatusWord::WRONG_DATA);
            }
            let before = match reference {
                Reference::New => {
                    let taken: usize = records.iter().map(|record| record.len()).sum();
                    let fits = taken + data.len() <= usize::from(*space);
                    return if fits { Ok(()) } else { Err(StatusWord::NOT_ENOUGH_MEMORY) };
                }
                _ => position(content, reference).and_then(|at| records.get(at)),
            };
            match before {
                Some(before) if before.len() == data.len() => Ok(()),
                Some(_) => Err(StatusWord::WRONG_LENGTH),
                None => Err(StatusWord::RECORD_NOT_FOUND),
            }
        }
        _ => Err(StatusWord::INCORRECT_P1_P2),
    }
}

/// Stores what [`check`] allowed. A new record counts once all of it is written; in a cyclic file it takes the place of the
/// oldest one, which is spoilt by then.
pub(super) fn store(
    content: &mut Content,
    reference: Reference,
    data: &[u8],
    power: &mut Power,
) -> Result<(), StatusWord> {
    let at = position(content, reference);
    match content {
        Content::Fixed { records, .. } | Content::Variable { records, .. } => match at {
            Some(at) => {
                let record = records.get_mut(at).ok_or(StatusWord::RECORD_NOT_FOUND)?;
                power.write(record, data)
            }
            None => {
                power.write(&mut data.to_vec(), data)?;
                records.push(data.to_vec().into());
                Ok(())
            }
        },
        Content::Cyclic { count, records, .. } => {
            if records.len() >= usize::from(*count)
                && let Some(oldest) = records.last_mut()
            {
                power.write(oldest, data)?;
                records.pop();
            } else {
                power.write(&mut data.to_vec(), data)?;
            }
            records.insert(0, data.to_vec().into());
            Ok(())
        }
        Content::Binary(_) | Content::Purse(_) => Err(StatusWord::INCOMPATIBLE_FILE),
    }
}

fn position(content: &Content, reference: Reference) -> Option<usize> {
    match (content, reference) {
        (Content::Variable { records, .. }, Reference::Tag(tag)) => {
            records.iter().position(|record| record.first() == Some(&tag))
        }
        (_, Reference::Number(number)) => usize::from(number).checked_sub(1),
        _ => None,
    }
}
