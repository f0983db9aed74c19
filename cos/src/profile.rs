//! Card profiles: the commands of a kind of native card, as data.
//!
//! Native cards mean the same by PBOC's terms and say it in other bytes. A profile holds the bytes: a template for each command,
//! what stands in front of a key, the MAC suite, the types of files and keys, the meaning of status words. Profiles in common use
//! are built in ([`CardProfile::BUILT_IN`]); others are read from a TOML file ([`CardProfile::read_toml`]), which says only what is
//! different from the one that it is `like`:
//!
//! ```toml
//! [profile.my-card]
//! like = "fmcos-2.0"
//! about = "answers a challenge of 8 bytes only"
//! challenge = 8
//! [profile.my-card.commands]
//! erase-directory = "80 0E 00 01"
//! ```

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use cardwright_apdu::{CommandApdu, StatusWord};
use cardwright_keys::pboc::MacSuite;
use thiserror::Error;

use crate::template::{BuildError, CommandTemplate, Fields, RecordTemplate};

#[cfg(feature = "std")]
mod file;
mod names;

#[cfg(feature = "std")]
pub use file::ProfileError;
#[cfg(feature = "std")]
pub(crate) use file::line_of;
pub use names::{FileType, KeyUse, Meaning, Operation};

/// What a kind of native card is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CardProfile {
    /// Its name, which traces and journals show.
    pub name: String,
    /// For people: which cards it is for, and how that was found out.
    pub about: String,
    /// How its MACs are computed.
    pub mac: MacSuite,
    /// Length of the challenge that is the initial value of a MAC, in bytes: 4 or 8.
    pub challenge: u8,
    /// Length of the challenge of EXTERNAL AUTHENTICATE, in bytes: 4, 8 or 16.
    pub authentication_challenge: u8,
    /// Longest data field of a command, in bytes.
    pub max_data: usize,
    /// Whether the card tells a retry counter when VERIFY and EXTERNAL AUTHENTICATE come without data.
    pub tells_tries: bool,
    /// What is added to the identifier of a key for its SM4 twin.
    pub sm4_twin: u8,
    /// Where the card's identity is.
    pub identity: IdentityRule,
    commands: BTreeMap<Operation, CommandTemplate>,
    files: BTreeMap<FileType, u8>,
    file_protection: Protections,
    keys: BTreeMap<KeyUse, KeyRule>,
    key_protection: Protections,
    status: BTreeMap<u16, Meaning>,
}

/// What is set in a type byte for protection: of a file or of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protections {
    /// With MAC.
    pub mac: u8,
    /// Enciphered, with MAC.
    pub enciphered: u8,
}

/// How writing is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Safeguard {
    /// Not.
    #[default]
    None,
    /// By a MAC.
    Mac,
    /// Enciphered, with a MAC.
    EncipheredMac,
}

/// Where a card tells which one it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IdentityRule {
    /// Nowhere.
    #[default]
    None,
    /// In the historical bytes of its answer to reset (ISO 7816-4 8.1.1), from here, so long.
    Historical {
        /// First byte, from 0.
        offset: usize,
        /// How many.
        length: usize,
    },
    /// In the answer to [`Operation::ReadIdentity`].
    Command,
}

/// A kind of key on a kind of card.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyRule {
    code: u8,
    header: RecordTemplate,
    /// Where it is another than in plain.
    enciphered_header: Option<RecordTemplate>,
}

/// The profile cannot say this.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The card has no such command.
    #[error("{profile}: there is no {operation}")]
    NoCommand {
        /// The profile.
        profile: String,
        /// The command.
        operation: Operation,
    },
    /// The card has no such file.
    #[error("{profile}: there is no file type {file}")]
    NoFile {
        /// The profile.
        profile: String,
        /// The type.
        file: FileType,
    },
    /// The card has no such key.
    #[error("{profile}: there is no key type {key}")]
    NoKey {
        /// The profile.
        profile: String,
        /// The type.
        key: KeyUse,
    },
    /// The fields do not fit the template.
    #[error("{profile}, {operation}: {source}")]
    Build {
        /// The profile.
        profile: String,
        /// The command.
        operation: Operation,
        /// What does not fit.
        source: BuildError,
    },
}

impl CardProfile {
    /// A command of this kind of card.
    ///
    /// # Errors
    /// [`CommandError::NoCommand`]; [`CommandError::Build`] when a field is missing or does not fit, or the data are longer than
    /// the card takes.
    pub fn command(&self, operation: Operation, fields: &Fields) -> Result<CommandApdu, CommandError> {
        let template = self.commands.get(&operation);
        let template = template.ok_or_else(|| CommandError::NoCommand { profile: self.name.clone(), operation })?;
        let wrong = |source| CommandError::Build { profile: self.name.clone(), operation, source };
        let command = template.build(fields).map_err(wrong)?;
        if command.nc() > self.max_data {
            return Err(wrong(BuildError::DataLength { actual: command.nc(), limit: self.max_data }));
        }
        Ok(command)
    }

    /// Whether the card has this command.
    #[must_use]
    pub fn has(&self, operation: Operation) -> bool {
        self.commands.contains_key(&operation)
    }

    /// Which command this is, as far as its class, without the bit for secure messaging, and its instruction say.
    #[must_use]
    pub fn operation_of(&self, command: &CommandApdu) -> Option<Operation> {
        let found = (command.class().0 & !0x04, command.instruction().0);
        let mut fitting = self.commands.iter().filter_map(|(operation, template)| {
            let (cla, ins) = template.instruction()?;
            ((cla & !0x04, ins) == found).then_some(*operation)
        });
        fitting.next()
    }

    /// The type byte of a file.
    ///
    /// # Errors
    /// [`CommandError::NoFile`].
    pub fn file_type(&self, file: FileType, safeguard: Safeguard) -> Result<u8, CommandError> {
        let code = self.files.get(&file).ok_or_else(|| CommandError::NoFile { profile: self.name.clone(), file })?;
        Ok(code | self.file_protection.of(safeguard))
    }

    /// The type byte of a key, with the protection of its later changes.
    ///
    /// # Errors
    /// [`CommandError::NoKey`].
    pub fn key_type(&self, key: KeyUse, safeguard: Safeguard) -> Result<u8, CommandError> {
        Ok(self.key_rule(key)?.code | self.key_protection.of(safeguard))
    }

    /// The kind of key that has this type byte.
    #[must_use]
    pub fn key_use(&self, key_type: u8) -> Option<KeyUse> {
        let protection = self.key_protection.mac | self.key_protection.enciphered;
        self.keys.iter().find(|(_, rule)| rule.code == key_type & !protection).map(|(key, _)| *key)
    }

    /// What stands in front of a key in its record. Fields: `id`, `use`, `change`, `next`, `counter`, `version`, `algorithm`,
    /// `header`, as far as the card has them; `type` is added.
    ///
    /// # Errors
    /// [`CommandError::NoKey`], [`CommandError::Build`].
    pub fn key_header(
        &self,
        key: KeyUse,
        later: Safeguard,
        sent: Safeguard,
        fields: Fields,
    ) -> Result<Vec<u8>, CommandError> {
        let fields = fields.byte("type", self.key_type(key, later)?);
        let rule = self.key_rule(key)?;
        let header =
            rule.enciphered_header.as_ref().filter(|_| sent == Safeguard::EncipheredMac).unwrap_or(&rule.header);
        let wrong = |source| CommandError::Build { profile: self.name.clone(), operation: Operation::AddKey, source };
        header.build(&fields).map_err(wrong)
    }

    fn key_rule(&self, key: KeyUse) -> Result<&KeyRule, CommandError> {
        self.keys.get(&key).ok_or_else(|| CommandError::NoKey { profile: self.name.clone(), key })
    }

    /// What a status word means on this card, where the profile says it.
    #[must_use]
    pub fn meaning(&self, sw: StatusWord) -> Option<Meaning> {
        if sw.is_ok() {
            return Some(Meaning::Done);
        }
        if sw.tries_left().is_some() {
            return Some(Meaning::WrongSecret);
        }
        self.status.get(&sw.0).copied()
    }

    /// The status words that mean this on this card, where the profile says it.
    #[cfg(feature = "std")]
    pub(crate) fn words_for(&self, meaning: Meaning) -> impl Iterator<Item = StatusWord> {
        self.status.iter().filter(move |(_, said)| **said == meaning).map(|(sw, _)| StatusWord(*sw))
    }

    /// The card's identity in its answer to reset, where the profile has it there.
    #[must_use]
    pub fn identity_in(&self, atr: &[u8]) -> Option<Vec<u8>> {
        let IdentityRule::Historical { offset, length } = self.identity else { return None };
        historical_bytes(atr)?.get(offset..offset.checked_add(length)?).map(<[u8]>::to_vec)
    }
}

impl Protections {
    fn of(self, safeguard: Safeguard) -> u8 {
        match safeguard {
            Safeguard::None => 0,
            Safeguard::Mac => self.mac,
            Safeguard::EncipheredMac => self.enciphered,
        }
    }
}

/// The historical bytes of an answer to reset (ISO 7816-3 8.2); `None` when it is cut short.
#[must_use]
pub fn historical_bytes(atr: &[u8]) -> Option<&[u8]> {
    let format = *atr.get(1)?;
    let count = usize::from(format & 0x0F);
    let mut indicators = format >> 4;
    let mut at = 2;
    while indicators != 0 {
        at += (indicators & 0x07).count_ones() as usize;
        if indicators & 0x08 == 0 {
            break;
        }
        indicators = atr.get(at)? >> 4;
        at += 1;
    }
    atr.get(at..at + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn historical_bytes_lie_behind_the_interface_bytes() {
        let of = |atr: &str| historical_bytes(&hex::decode(atr).unwrap()).map(hex::encode_upper);
        assert_eq!(of("3B8B80012090001122334455667788AB").as_deref(), Some("2090001122334455667788"));
        assert_eq!(of("3B85 01 464D434F53 D0".replace(' ', "").as_str()).as_deref(), Some("464D434F53"));
        assert_eq!(of("3B02 1450".replace(' ', "").as_str()).as_deref(), Some("1450"));
        assert_eq!(of("3B021450").as_deref(), Some("1450"));
        assert_eq!(of("3B8B8001209000"), None);
        assert_eq!(of("3BFF"), None);
        assert_eq!(of("3B"), None);
    }
}
