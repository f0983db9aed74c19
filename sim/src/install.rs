//! INSTALL, LOAD and DELETE: card content management (GPCS 9.3, 9.4, 9.5, 11.2, 11.5, 11.6).

use cardwright_apdu::tlv::{Reader, Tag};
use cardwright_apdu::{Aid, CommandApdu, StatusWord};

use crate::application::Installed;
use crate::card::{Answer, JavaCard, done};
use crate::registry::{Application, CARD_RESET, INSTALLED, Privileges, SELECTABLE, kept};

mod authority;
mod delete;
mod fields;
mod load;
mod registry_update;

use authority::fields;
use fields::Fields;
pub(crate) use load::LoadProcess;

const FOR_LOAD: u8 = 0x02;
const FOR_INSTALL: u8 = 0x04;
const FOR_MAKE_SELECTABLE: u8 = 0x08;
const FOR_EXTRADITION: u8 = 0x10;
const FOR_PERSONALIZATION: u8 = 0x20;
const FOR_REGISTRY_UPDATE: u8 = 0x40;

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
            FOR_LOAD => self.install_for_load(command),
            FOR_INSTALL => self.install_application(command, false),
            INSTALL_AND_MAKE_SELECTABLE => self.install_application(command, true),
            FOR_MAKE_SELECTABLE => self.make_selectable(command),
            FOR_EXTRADITION => self.extradite(command),
            FOR_PERSONALIZATION => self.personalize(command.data()),
            FOR_REGISTRY_UPDATE => self.update_registry(command),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    /// INSTALL [for install], with [for make selectable] or without (GPCS 9.3.6, 11.5.2.3.2).
    fn install_application(&mut self, command: &CommandApdu, selectable: bool) -> Answer {
        let mut data = Fields::new(command.data());
        let (load_file, module, aid) = (data.optional_aid()?, data.optional_aid()?, data.aid()?);
        let given = privileges(data.short()?)?;
        let parameters = data.peek_long()?;
        let signed = data.signed(command)?;
        let authority = self.authorize(&signed)?;
        let parameters = Reader::new(parameters).collect::<Result<Vec<_>, _>>().map_err(|_| StatusWord::WRONG_DATA)?;
        // C9 is mandatory, even when it is empty (GPCS table 11-49).
        let parameter = |tag| parameters.iter().find(|object| object.tag == Tag(tag)).map(|object| object.value);
        let specific = parameter(0xC9).ok_or(StatusWord::WRONG_DATA)?;
        let quota = [0xC8, 0xD8].into_iter().filter_map(parameter).map(memory_size).collect::<Option<Vec<_>>>();
        let quota = quota.ok_or(StatusWord::WRONG_DATA)?.into_iter().max().unwrap_or(0);

        let module = module.ok_or(StatusWord::WRONG_DATA)?;
        let mut files = self.memory.load_files.iter();
        let file = files.find(|file| load_file.is_none_or(|aid| aid == file.aid) && file.modules.contains(&module));
        let file = file.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        // An application inherits the association of its load file (GPCS 9.3.6); that of security domains is everybody's.
        let is_domain = module == crate::domain::MODULE;
        let domain = if is_domain { self.domain() } else { file.domain() };
        let load_file = file.aid;
        if !is_domain && !self.may_manage(&load_file) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if self.memory.knows(aid.as_bytes()) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if !Privileges(given).are_assignable(is_domain) || (given[0] & CARD_RESET != 0 && !selectable) {
            return Err(StatusWord::WRONG_DATA);
        }
        self.check_card_reset(given[0])?;
        let size = quota.max(256);
        if size > self.memory.free() {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        let installed = Installed::new(&module, specific, &self.memory);
        let life_cycle = if selectable { SELECTABLE } else { INSTALLED };
        let (privileges, domain) = (given, kept(domain));
        self.memory.applications.push(Application {
            aid,
            load_file,
            module,
            life_cycle,
            privileges,
            size,
            installed,
            domain,
        });
        self.confirm(&authority, &fields([load_file.as_bytes(), aid.as_bytes()]))
    }

    /// INSTALL [for make selectable] (GPCS 9.3.7, 11.5.2.3.3).
    fn make_selectable(&mut self, command: &CommandApdu) -> Answer {
        let mut data = Fields::new(command.data());
        data.empty()?;
        data.empty()?;
        let aid = data.aid()?;
        // Only Card Reset counts here; the others are ignored.
        let card_reset = privileges(data.short()?)?[0] & CARD_RESET;
        let signed = data.signed(command)?;
        let authority = self.authorize(&signed)?;
        let at = self.memory.applications.iter().position(|application| application.aid == aid);
        let at = at.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        if self.memory.applications[at].life_cycle != INSTALLED {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if !self.may_manage(&aid) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        self.check_card_reset(card_reset)?;
        let entry = &mut self.memory.applications[at];
        entry.life_cycle = SELECTABLE;
        entry.privileges[0] |= card_reset;
        let load_file = entry.load_file;
        self.confirm(&authority, &fields([load_file.as_bytes(), aid.as_bytes()]))
    }

    /// INSTALL [for personalization]: the STORE DATA commands that follow are for this application (GPCS 7.3.2, 11.5.2.3.6).
    fn personalize(&mut self, data: &[u8]) -> Answer {
        let mut data = Fields::new(data);
        data.empty()?;
        data.empty()?;
        let aid = data.aid()?;
        // Privileges, parameters and token.
        for _ in 0..3 {
            data.empty()?;
        }
        data.end()?;
        let entry = self.memory.applications.iter().find(|entry| entry.aid == aid);
        let entry = entry.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        if !entry.is_selectable() || entry.domain() != self.domain() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        self.session.personalized = Some(aid);
        no_data()
    }

    /// One application at a time has Card Reset (GPCS 6.6.2).
    fn check_card_reset(&self, privileges: u8) -> Result<(), StatusWord> {
        let taken = self.memory.applications.iter().any(|application| application.privileges[0] & CARD_RESET != 0);
        if privileges & CARD_RESET != 0 && taken { Err(StatusWord::CONDITIONS_NOT_SATISFIED) } else { Ok(()) }
    }
}

/// One byte, which gives a security domain Trusted Path as well, or three (GPCS 11.1.2, table 6-2).
fn privileges(field: &[u8]) -> Result<[u8; 3], StatusWord> {
    match *field {
        [first @ 0x80..=0xFF] => Ok([first, 0x80, 0]),
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

/// An AID that must be one.
fn whole_aid(bytes: &[u8]) -> Result<Aid, StatusWord> {
    Aid::new(bytes).map_err(|_| StatusWord::WRONG_DATA)
}
