//! The GlobalPlatform Registry as GET STATUS shows it (GPCS 2.3.1 11.4.3).

mod legacy;

use alloc::vec::Vec;
use core::fmt;

use cardwright_apdu::Aid;
use cardwright_apdu::tlv::{DataObject, Reader, Tag};

use crate::command::{ImplicitSelection, Scope};
use crate::error::CardFault;
pub use crate::privileges::Privileges;

/// Life cycle state byte (GPCS 2.3.1 tables 11-3 to 11-6). What a value means depends on what it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LifeCycle(pub u8);

impl LifeCycle {
    /// Card: OP_READY. Load file: LOADED.
    pub const OP_READY: Self = Self(0x01);
    /// Application: INSTALLED.
    pub const INSTALLED: Self = Self(0x03);
    /// Application: SELECTABLE. Card: INITIALIZED.
    pub const SELECTABLE: Self = Self(0x07);
    /// Security domain, and by custom application: PERSONALIZED. Card: SECURED.
    pub const PERSONALIZED: Self = Self(0x0F);
    /// Card: CARD_LOCKED.
    pub const CARD_LOCKED: Self = Self(0x7F);
    /// Card: TERMINATED.
    pub const TERMINATED: Self = Self(0xFF);

    /// Whether an application or security domain is locked (bit 8).
    #[must_use]
    pub fn is_locked(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// Whether an application can be selected.
    #[must_use]
    pub fn is_selectable(self) -> bool {
        !self.is_locked() && self.0 & 0x07 == 0x07
    }

    /// Whether an application has gone beyond SELECTABLE into a state of its own, as personalized ones do; also while it
    /// is locked.
    #[must_use]
    pub fn is_personalized(self) -> bool {
        self.0 & 0x07 == 0x07 && self.0 & 0x78 != 0
    }

    /// The state's name for an object of this scope.
    #[must_use]
    pub fn name(self, scope: Scope) -> &'static str {
        match (scope, self.0) {
            (Scope::IssuerSecurityDomain, 0x01) => "OP_READY",
            (Scope::IssuerSecurityDomain, 0x07) => "INITIALIZED",
            (Scope::IssuerSecurityDomain, 0x0F) => "SECURED",
            (Scope::IssuerSecurityDomain, 0x7F) => "CARD_LOCKED",
            (Scope::IssuerSecurityDomain, 0xFF) => "TERMINATED",
            (Scope::Applications, 0x03) => "INSTALLED",
            (Scope::Applications, 0x07) => "SELECTABLE",
            (Scope::Applications, 0x0F) => "PERSONALIZED",
            (Scope::Applications, state) if state & 0x80 != 0 => "LOCKED",
            (Scope::Applications, state) if state & 0x07 == 0x07 => "application state",
            (Scope::LoadFiles | Scope::LoadFilesAndModules, 0x01) => "LOADED",
            _ => "unknown state",
        }
    }
}

impl fmt::Debug for LifeCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LifeCycle({:02X})", self.0)
    }
}

/// One entry of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryEntry {
    /// Which part of the registry it was found in.
    pub scope: Scope,
    /// AID.
    pub aid: Aid,
    /// Life cycle state; a card may give none.
    pub life_cycle: Option<LifeCycle>,
    /// Privileges, of applications.
    pub privileges: Privileges,
    /// Where it is selected without a SELECT, of applications.
    pub implicit_selection: Vec<ImplicitSelection>,
    /// Executable load file of an application, where the card says it.
    pub load_file: Option<Aid>,
    /// Security domain that it belongs to, where the card says it.
    pub security_domain: Option<Aid>,
    /// Version of a load file, where the card says it: major, minor.
    pub version: Option<(u8, u8)>,
    /// Modules of a load file.
    pub modules: Vec<Aid>,
}

impl RegistryEntry {
    pub(crate) fn new(scope: Scope, aid: Aid) -> Self {
        Self {
            scope,
            aid,
            life_cycle: None,
            privileges: Privileges::NONE,
            implicit_selection: Vec::new(),
            load_file: None,
            security_domain: None,
            version: None,
            modules: Vec::new(),
        }
    }
}

/// What GET STATUS showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// The entries, in the card's order within each scope.
    pub entries: Vec<RegistryEntry>,
    /// Parts that the card does not list, or not to their end. What is not in them may be on the card all the same.
    pub untold: Vec<Scope>,
}

impl Registry {
    /// The issuer security domain.
    #[must_use]
    pub fn issuer_security_domain(&self) -> Option<&RegistryEntry> {
        self.entries.iter().find(|entry| entry.scope == Scope::IssuerSecurityDomain)
    }

    /// Whether the card has told its applications and supplementary security domains.
    #[must_use]
    pub fn tells_applications(&self) -> bool {
        !self.untold.contains(&Scope::Applications)
    }

    /// Whether the card has told its executable load files.
    #[must_use]
    pub fn tells_load_files(&self) -> bool {
        !self.untold.contains(&Scope::LoadFiles)
    }

    /// Applications and supplementary security domains.
    pub fn applications(&self) -> impl Iterator<Item = &RegistryEntry> {
        self.entries.iter().filter(|entry| entry.scope == Scope::Applications)
    }

    /// Executable load files.
    pub fn load_files(&self) -> impl Iterator<Item = &RegistryEntry> {
        self.entries.iter().filter(|entry| matches!(entry.scope, Scope::LoadFiles | Scope::LoadFilesAndModules))
    }

    /// The application with this AID.
    #[must_use]
    pub fn application(&self, aid: &Aid) -> Option<&RegistryEntry> {
        self.applications().find(|entry| entry.aid == *aid)
    }

    /// The load file with this AID.
    #[must_use]
    pub fn load_file(&self, aid: &Aid) -> Option<&RegistryEntry> {
        self.load_files().find(|entry| entry.aid == *aid)
    }

    /// What would be lost or left behind if the object with this AID were deleted: the applications of a load file, and
    /// whatever belongs to a security domain.
    ///
    /// An application whose load file the card does not tell counts when its AID is, or begins with, that of one of the
    /// load file's modules.
    #[must_use]
    pub fn dependants(&self, aid: &Aid) -> Vec<Aid> {
        let modules = self.load_file(aid).map(|file| &file.modules[..]).unwrap_or_default();
        self.entries
            .iter()
            .filter(|entry| entry.aid != *aid && entry.scope != Scope::IssuerSecurityDomain)
            .filter(|entry| {
                let made_of = match entry.load_file {
                    Some(load_file) => load_file == *aid,
                    None if entry.scope == Scope::Applications => {
                        modules.iter().any(|module| entry.aid.as_bytes().starts_with(module.as_bytes()))
                    }
                    None => false,
                };
                made_of || entry.security_domain == Some(*aid)
            })
            .map(|entry| entry.aid)
            .collect()
    }

    /// Adds the entries of one scope, from all its pages joined.
    ///
    /// # Errors
    /// [`CardFault`] with the offset in the joined answer. The whole entries in front of it were added: of a page that a reader
    /// or card cut off, they are what can be known, and the scope is not told to its end.
    pub fn extend(&mut self, scope: Scope, answer: &[u8]) -> Result<(), CardFault> {
        for object in Reader::new(answer) {
            let object = object?;
            // A card may put other templates beside the entries.
            if object.tag == Tag(0xE3) {
                self.entries.push(entry(scope, object)?);
            }
        }
        Ok(())
    }
}

fn entry(scope: Scope, template: DataObject<'_>) -> Result<RegistryEntry, CardFault> {
    let mut entry = RegistryEntry::new(scope, NO_AID);
    let mut named = false;
    for object in template.children() {
        let object = object?;
        match object.tag.0 {
            0x4F => {
                entry.aid = aid(object)?;
                named = true;
            }
            // The second byte that some cards send belongs to the contactless state (Amd C).
            0x9F70 => entry.life_cycle = object.value.first().copied().map(LifeCycle),
            0xC5 => {
                let mut bytes = [0; 3];
                let given = object.value.len().min(3);
                bytes[..given].copy_from_slice(&object.value[..given]);
                entry.privileges = Privileges(bytes);
            }
            0xCF => entry.implicit_selection.extend(object.value.iter().copied().map(ImplicitSelection)),
            0xC4 => entry.load_file = aid(object).ok(),
            0xCC => entry.security_domain = aid(object).ok(),
            0xCE => {
                if let [major, minor] = object.value {
                    entry.version = Some((*major, *minor));
                }
            }
            0x84 => entry.modules.push(aid(object)?),
            _ => {}
        }
    }
    if named { Ok(entry) } else { Err(CardFault::Missing { tag: Tag(0x4F), offset: template.offset }) }
}

const NO_AID: Aid = match Aid::new(&[0; 5]) {
    Ok(aid) => aid,
    Err(_) => panic!("five bytes are an AID"),
};

fn aid(object: DataObject<'_>) -> Result<Aid, CardFault> {
    Aid::new(object.value).map_err(|_| CardFault::Length {
        what: "AID",
        offset: object.offset,
        expected: "5 to 16 bytes",
        actual: object.value.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_entries_and_dependants() {
        let mut registry = Registry::default();
        let files = hex::decode("E31B4F07A00000000362029F700101CE0201008408A000000003620201").unwrap();
        registry.extend(Scope::LoadFilesAndModules, &files).unwrap();
        let applications =
            hex::decode("E3114F08A0000000036202019F70010FC50100E3114F08A0000000049999019F700107C50180").unwrap();
        registry.extend(Scope::Applications, &applications).unwrap();
        let file: Aid = "A0000000036202".parse().unwrap();
        let application: Aid = "A000000003620201".parse().unwrap();
        assert_eq!(registry.load_file(&file).unwrap().version, Some((1, 0)));
        assert_eq!(registry.dependants(&file), [application]);
        assert!(registry.application(&application).unwrap().life_cycle.unwrap().is_personalized());
        assert!(registry.dependants(&application).is_empty());
    }

    #[test]
    fn whole_entries_in_front_of_a_cut_are_kept() {
        let mut registry = Registry::default();
        let page = hex::decode("E3114F08A0000000036202019F70010FC50100E3114F08A00000000499").unwrap();
        let fault = registry.extend(Scope::Applications, &page).unwrap_err();
        assert!(matches!(fault, CardFault::Tlv(error) if error.offset() == 19), "{fault:?}");
        assert_eq!(registry.entries.len(), 1);
    }

    #[test]
    fn names_the_place_of_what_is_wrong() {
        let read = |text: &str| Registry::default().extend(Scope::Applications, &hex::decode(text).unwrap());
        assert_eq!(read("E3039F7000"), Err(CardFault::Missing { tag: Tag(0x4F), offset: 0 }));
        let short = CardFault::Length { what: "AID", offset: 2, expected: "5 to 16 bytes", actual: 4 };
        assert_eq!(read("E3064F0401020304"), Err(short));
        assert!(matches!(read("E30A4F05A000000003"), Err(CardFault::Tlv(_))));
        assert_eq!(read("FF2103818100"), Ok(()));
    }
}
