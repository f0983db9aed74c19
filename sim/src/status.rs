//! GET STATUS and SET STATUS (GPCS 11.4, 11.10).

use cardwright_apdu::tlv::{self, Reader, Tag};
use cardwright_apdu::{Aid, CommandApdu, ResponseApdu, StatusWord};

use crate::card::{Answer, JavaCard, done};
use crate::registry::{
    CARD_LOCKED, CARD_RESET, EntryKind, INITIALIZED, ISD_PRIVILEGES, LOADED, LOCKED, OP_READY, Privileges,
    RegistryEntry, SECURED, TERMINATED,
};

const ISD: u8 = 0x80;
const APPLICATIONS: u8 = 0x40;
const LOAD_FILES: u8 = 0x20;
const MODULES: u8 = 0x10;

/// What GET STATUS has still to give.
pub(crate) struct Listing {
    p1: u8,
    rest: Vec<u8>,
}

impl JavaCard {
    /// GET STATUS, at most `longest` bytes at a time.
    pub(crate) fn get_status(&mut self, command: &CommandApdu, longest: usize) -> Answer {
        let (p1, next) = (command.p1(), command.p2() & 0x01 != 0);
        if !matches!(p1, ISD | APPLICATIONS | LOAD_FILES | MODULES) {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let rest = if next {
            // Next occurrences without first ones (GPCS 11.4.2.2).
            let listing = self.session.listing.take().filter(|listing| listing.p1 == p1);
            listing.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?.rest
        } else {
            self.session.listing = None;
            self.list(p1, command.p2() & 0x02 != 0, command.data())?
        };
        if rest.is_empty() {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
        }
        let page = usize::from(self.memory.config.page).min(longest);
        let mut data = rest;
        let sw = if data.len() > page {
            let rest = data.split_off(page);
            self.session.listing = Some(Listing { p1, rest });
            StatusWord::MORE_DATA
        } else {
            StatusWord::OK
        };
        Ok(ResponseApdu::new(data, sw))
    }

    fn list(&self, p1: u8, as_tlv: bool, criteria: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let mut objects = Reader::new(criteria);
        let mut read = || objects.read().map_err(|_| StatusWord::WRONG_DATA);
        let first = read()?.filter(|object| object.tag == Tag(0x4F) && object.value.len() <= 16);
        let prefix = first.ok_or(StatusWord::WRONG_DATA)?.value;
        let mut tags = None;
        while let Some(object) = read()? {
            if object.tag == Tag(0x5C) {
                tags = Some(object.value);
            }
        }
        let kind = match p1 {
            ISD => EntryKind::IssuerSecurityDomain,
            APPLICATIONS => EntryKind::Application,
            _ => EntryKind::LoadFile,
        };
        let matching = self
            .registry()
            .into_iter()
            .filter(|entry| entry.kind == kind && (p1 == ISD || entry.aid.as_bytes().starts_with(prefix)))
            .filter(|entry| self.sees(&entry.aid));
        let with_modules = p1 == MODULES;
        Ok(matching
            .flat_map(
                |entry| {
                    if as_tlv { self.entry_tlv(&entry, with_modules, tags) } else { entry_old(&entry, with_modules) }
                },
            )
            .collect())
    }

    /// `E3 { 4F, 9F70, C5, C4 | CE, 84.., CC }` (GPCS tables 11-36, 11-37); what is not in the tag list is left out.
    fn entry_tlv(&self, entry: &RegistryEntry, with_modules: bool, tags: Option<&[u8]>) -> Vec<u8> {
        let mut objects: Vec<(u32, Vec<u8>)> =
            vec![(0x4F, entry.aid.as_bytes().to_vec()), (0x9F70, vec![entry.life_cycle])];
        if entry.kind == EntryKind::LoadFile {
            let file = self.memory.load_files.iter().find(|file| file.aid == entry.aid);
            objects.extend(file.map(|file| (0xCE, file.version.to_vec())));
            if with_modules {
                objects.extend(entry.modules.iter().map(|aid| (0x84, aid.as_bytes().to_vec())));
            }
        } else {
            objects.push((0xC5, entry.privileges.to_vec()));
            objects.extend(entry.load_file.map(|aid| (0xC4, aid.as_bytes().to_vec())));
        }
        objects.push((0xCC, entry.domain.as_bytes().to_vec()));
        let mut inner = Vec::new();
        for (tag, value) in objects {
            if tags.is_none_or(|tags| tag_list_has(tags, tag)) {
                tlv::push(&mut inner, Tag(tag), &value);
            }
        }
        let mut bytes = Vec::new();
        tlv::push(&mut bytes, Tag(0xE3), &inner);
        bytes
    }

    /// Whether the selected security domain is told of an entry: of itself and what is in its hands, with Global Registry of all.
    fn sees(&self, aid: &Aid) -> bool {
        let domain = self.domain();
        self.memory.privileges_of(domain).has(Privileges::GLOBAL_REGISTRY)
            || domain == Some(*aid)
            || self.may_manage(aid)
    }

    /// The registry: issuer security domain, applications, load files.
    #[must_use]
    pub fn registry(&self) -> Vec<RegistryEntry> {
        let memory = &self.memory;
        let mut privileges = ISD_PRIVILEGES;
        if memory.applications.iter().any(|application| application.privileges[0] & CARD_RESET != 0) {
            privileges[0] &= !CARD_RESET;
        }
        let isd = RegistryEntry {
            kind: EntryKind::IssuerSecurityDomain,
            aid: memory.isd,
            life_cycle: memory.life_cycle,
            privileges,
            load_file: None,
            modules: Vec::new(),
            domain: memory.isd,
        };
        let applications = memory.applications.iter().map(|application| RegistryEntry {
            kind: EntryKind::Application,
            aid: application.aid,
            life_cycle: application.life_cycle,
            privileges: application.privileges,
            load_file: Some(application.load_file),
            modules: vec![application.module],
            domain: memory.aid_of(application.domain()),
        });
        let load_files = memory.load_files.iter().map(|file| RegistryEntry {
            kind: EntryKind::LoadFile,
            aid: file.aid,
            life_cycle: LOADED,
            privileges: [0; 3],
            load_file: None,
            modules: file.modules.clone(),
            domain: memory.aid_of(file.domain()),
        });
        std::iter::once(isd).chain(applications).chain(load_files).collect()
    }

    /// SET STATUS of the card, or of an application (GPCS 11.10, 5.1.2, 5.3.1.6).
    pub(crate) fn set_status(&mut self, command: &CommandApdu) -> Answer {
        match command.p1() & 0xE0 {
            // No supplementary security domain of this card locks or terminates it in this way.
            0x80 if self.domain().is_some() => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
            0x80 => self.set_card_state(command.p2()),
            0x40 => self.lock_application(command.data(), command.p2() & LOCKED != 0),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    fn set_card_state(&mut self, state: u8) -> Answer {
        if !matches!(state, OP_READY | INITIALIZED | SECURED | CARD_LOCKED | TERMINATED) {
            return Err(StatusWord::WRONG_DATA);
        }
        match (self.memory.life_cycle, state) {
            (TERMINATED, _) => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
            (OP_READY, INITIALIZED)
            | (INITIALIZED | CARD_LOCKED, SECURED)
            | (SECURED, CARD_LOCKED)
            | (_, TERMINATED) => {
                self.memory.life_cycle = state;
                done(Vec::new())
            }
            _ => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
        }
    }

    fn lock_application(&mut self, aid: &[u8], lock: bool) -> Answer {
        let aid = Aid::new(aid).map_err(|_| StatusWord::WRONG_DATA)?;
        let has_global_lock = self.memory.privileges_of(self.domain()).has(Privileges::GLOBAL_LOCK);
        let application = self.memory.applications.iter().position(|application| application.aid == aid);
        if application.is_some() && !has_global_lock && !self.may_manage(&aid) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let application = application.map(|at| &mut self.memory.applications[at]);
        let application = application.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        if (application.life_cycle & LOCKED != 0) == lock {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        application.life_cycle ^= LOCKED;
        done(Vec::new())
    }
}

/// The deprecated format: `length, AID, state, privileges`, and the modules behind them (GPCS 2.2.1 tables 11-35,
/// 11-37).
fn entry_old(entry: &RegistryEntry, with_modules: bool) -> Vec<u8> {
    let aid = |aid: &Aid| [&[aid.as_bytes().len() as u8], aid.as_bytes()].concat();
    let mut bytes = aid(&entry.aid);
    bytes.extend_from_slice(&[entry.life_cycle, entry.privileges[0]]);
    if with_modules {
        bytes.push(entry.modules.len() as u8);
        bytes.extend(entry.modules.iter().flat_map(aid));
    }
    bytes
}

/// Whether the concatenated tags of a tag list hold this one.
fn tag_list_has(list: &[u8], wanted: u32) -> bool {
    let mut bytes = list.iter();
    while let Some(first) = bytes.next() {
        let mut tag = u32::from(*first);
        if first & 0x1F == 0x1F {
            for byte in bytes.by_ref() {
                tag = tag << 8 | u32::from(*byte);
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        if tag == wanted {
            return true;
        }
    }
    false
}
