//! INSTALL, LOAD and DELETE: card content management (GPCS 9.3, 9.5, 11.2, 11.5, 11.6).

use cardwright_apdu::tlv::{Reader, Tag};
use cardwright_apdu::{Aid, CommandApdu, StatusWord};

use crate::application::Installed;
use crate::card::{Answer, JavaCard, done};
use crate::registry::{Application, CARD_RESET, INSTALLED, SELECTABLE};

mod delete;
mod fields;
mod load;

use fields::Fields;
pub(crate) use load::LoadProcess;

const FOR_LOAD: u8 = 0x02;
const FOR_INSTALL: u8 = 0x04;
const FOR_MAKE_SELECTABLE: u8 = 0x08;

/// Privileges that an application of this card may have, byte 1: Card Lock, Card Terminate, Card Reset, CVM Management.
/// There are no further security domains, so none that only they have.
pub(crate) const ASSIGNABLE_PRIVILEGES: u8 = 0x1E;

/// A single byte 00: no further data (GPCS 11.5.3.1).
pub(crate) fn no_data() -> Answer {
    done([0x00])
}

impl JavaCard {
    /// INSTALL.
    pub(crate) fn install(&mut self, command: &CommandApdu) -> Answer {
        if command.p2() != 0x00 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        const INSTALL_AND_MAKE_SELECTABLE: u8 = FOR_INSTALL | FOR_MAKE_SELECTABLE;
        match command.p1() {
            FOR_LOAD => self.install_for_load(command.data()),
            FOR_INSTALL => self.install_application(command.data(), false),
            INSTALL_AND_MAKE_SELECTABLE => self.install_application(command.data(), true),
            FOR_MAKE_SELECTABLE => self.make_selectable(command.data()),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    /// INSTALL [for install], with [for make selectable] or without (GPCS 9.3.6, 11.5.2.3.2).
    fn install_application(&mut self, data: &[u8], selectable: bool) -> Answer {
        let mut fields = Fields::new(data);
        let (load_file, module, aid) = (fields.optional_aid()?, fields.optional_aid()?, fields.aid()?);
        let privileges = privileges(fields.short()?)?;
        let (parameters, token) = (fields.long()?, fields.long()?);
        fields.end()?;
        refuse_token(token)?;
        let parameters = Reader::new(parameters).collect::<Result<Vec<_>, _>>().map_err(|_| StatusWord::WRONG_DATA)?;
        // C9 is mandatory, even when it is empty (GPCS table 11-49).
        let parameter = |tag| parameters.iter().find(|object| object.tag == Tag(tag)).map(|object| object.value);
        let specific = parameter(0xC9).ok_or(StatusWord::WRONG_DATA)?;
        let quota = [0xC8, 0xD8].into_iter().filter_map(parameter).map(memory_size).collect::<Option<Vec<_>>>();
        let quota = quota.ok_or(StatusWord::WRONG_DATA)?.into_iter().max().unwrap_or(0);

        let module = module.ok_or(StatusWord::WRONG_DATA)?;
        let mut files = self.memory.load_files.iter();
        let file = files.find(|file| load_file.is_none_or(|aid| aid == file.aid) && file.modules.contains(&module));
        let load_file = file.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?.aid;
        if self.memory.knows(aid.as_bytes()) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if privileges[0] & !ASSIGNABLE_PRIVILEGES != 0 || privileges[1..] != [0, 0] {
            return Err(StatusWord::WRONG_DATA);
        }
        if privileges[0] & CARD_RESET != 0 && !selectable {
            return Err(StatusWord::WRONG_DATA);
        }
        self.check_card_reset(privileges[0])?;
        let size = quota.max(256);
        if size > self.memory.free() {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        let installed = Installed::new(&module, specific, &self.memory);
        let life_cycle = if selectable { SELECTABLE } else { INSTALLED };
        self.memory.applications.push(Application { aid, load_file, module, life_cycle, privileges, size, installed });
        no_data()
    }

    /// INSTALL [for make selectable] (GPCS 9.3.7, 11.5.2.3.3).
    fn make_selectable(&mut self, data: &[u8]) -> Answer {
        let mut fields = Fields::new(data);
        if !(fields.short()?.is_empty() && fields.short()?.is_empty()) {
            return Err(StatusWord::WRONG_DATA);
        }
        let aid = fields.aid()?;
        // Only Card Reset counts here; the others are ignored.
        let card_reset = privileges(fields.short()?)?[0] & CARD_RESET;
        let (_parameters, token) = (fields.long()?, fields.long()?);
        fields.end()?;
        refuse_token(token)?;
        let at = self.memory.applications.iter().position(|application| application.aid == aid);
        let at = at.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        if self.memory.applications[at].life_cycle != INSTALLED {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        self.check_card_reset(card_reset)?;
        self.memory.applications[at].life_cycle = SELECTABLE;
        self.memory.applications[at].privileges[0] |= card_reset;
        no_data()
    }

    /// One application at a time has Card Reset (GPCS 6.6.2).
    fn check_card_reset(&self, privileges: u8) -> Result<(), StatusWord> {
        let taken = self.memory.applications.iter().any(|application| application.privileges[0] & CARD_RESET != 0);
        if privileges & CARD_RESET != 0 && taken { Err(StatusWord::CONDITIONS_NOT_SATISFIED) } else { Ok(()) }
    }
}

/// One byte, or three (GPCS 11.1.2).
fn privileges(field: &[u8]) -> Result<[u8; 3], StatusWord> {
    match *field {
        [first] => Ok([first, 0, 0]),
        [first, second, third] => Ok([first, second, third]),
        _ => Err(StatusWord::WRONG_DATA),
    }
}

/// A memory management data object: 2 or 4 bytes (GPCS 11.5.2.3.7).
fn memory_size(value: &[u8]) -> Option<u32> {
    match *value {
        [high, low] => Some(u16::from_be_bytes([high, low]).into()),
        [a, b, c, d] => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    }
}

/// The issuer security domain needs no token, so one is an error (GPCS 11.5.2.3.1).
fn refuse_token(token: &[u8]) -> Result<(), StatusWord> {
    if token.is_empty() { Ok(()) } else { Err(StatusWord::WRONG_DATA) }
}

/// An AID that must be one.
fn whole_aid(bytes: &[u8]) -> Result<Aid, StatusWord> {
    Aid::new(bytes).map_err(|_| StatusWord::WRONG_DATA)
}
