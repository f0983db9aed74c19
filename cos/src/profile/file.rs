use std::collections::BTreeMap;
use std::sync::OnceLock;

use cardwright_keys::pboc::{MacAlgorithm, MacPadding, MacSuite};
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use super::{CardProfile, FileType, IdentityRule, KeyRule, KeyUse, Meaning, Operation, Protections};
use crate::template::{CommandTemplate, RecordTemplate, TemplateError};

/// A text is no file of card profiles.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// What is not TOML, an unknown field, or a value that a field does not take.
    #[error("{what}")]
    Toml {
        /// Where and what, in the words of the reader.
        what: String,
    },
    /// A profile of this name is built in.
    #[error("profile {name:?} is built in: give yours another name")]
    BuiltIn {
        /// The name.
        name: String,
    },
    /// A profile that it is to be like does not exist, or only further on.
    #[error("line {line}, profile {name:?}: there is no profile {like:?} before it")]
    Like {
        /// Line, from 1.
        line: usize,
        /// The profile.
        name: String,
        /// What it wants to be like.
        like: String,
    },
    /// A name that there is not.
    #[error("line {line}, profile {name:?}: {found:?} is no {what}")]
    Name {
        /// Line, from 1.
        line: usize,
        /// The profile.
        name: String,
        /// What is there.
        found: String,
        /// What is wanted there.
        what: &'static str,
    },
    /// A template that no command can be made of.
    #[error("line {line}, profile {name:?}, {command}: {source}")]
    Template {
        /// Line, from 1.
        line: usize,
        /// The profile.
        name: String,
        /// The command, or key.
        command: String,
        /// Why.
        source: TemplateError,
    },
    /// A number that makes no sense.
    #[error("line {line}, profile {name:?}: {field} is {actual}, {expected}")]
    Value {
        /// Line, from 1.
        line: usize,
        /// The profile.
        name: String,
        /// The field.
        field: &'static str,
        /// What is there.
        actual: u64,
        /// What would do.
        expected: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    profile: BTreeMap<Spanned<String>, Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    like: Option<Spanned<String>>,
    about: Option<String>,
    mac: Option<Mac>,
    padding: Option<Padding>,
    challenge: Option<Spanned<u64>>,
    authentication_challenge: Option<Spanned<u64>>,
    max_data: Option<Spanned<u64>>,
    tells_tries: Option<bool>,
    sm4_twin: Option<u8>,
    identity: Option<Identity>,
    #[serde(default)]
    commands: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    files: BTreeMap<Spanned<String>, u8>,
    file_protection: Option<Protection>,
    #[serde(default)]
    keys: BTreeMap<Spanned<String>, Key>,
    key_protection: Option<Protection>,
    #[serde(default)]
    status: BTreeMap<Spanned<String>, Spanned<String>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mac {
    Des,
    Sm4,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Padding {
    Always,
    WhenUnaligned,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Protection {
    mac: u8,
    enciphered: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Identity {
    None,
    Command,
    Historical { offset: usize, length: usize },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Key {
    code: u8,
    header: Spanned<String>,
    enciphered_header: Option<Spanned<String>>,
}

const KEY_FIELDS: &[&str] = &["type", "id", "use", "change", "next", "counter", "version", "algorithm", "header"];

impl CardProfile {
    /// Names of the profiles that are built in.
    pub const BUILT_IN: [&str; 6] =
        ["fmcos-2.0", "gd-3des", "tianyu-etc-3des", "tianyu-etc-sm4", "watchdata", "xh-3des"];

    /// A profile that is built in.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        static ALL: OnceLock<Vec<CardProfile>> = OnceLock::new();
        let all = ALL.get_or_init(|| read(include_str!("../../data/profiles.toml"), &[]).unwrap_or_default());
        all.iter().find(|profile| profile.name == name).cloned()
    }

    /// Reads profiles from TOML: a table `[profile.NAME]` each. One that is `like` another one, built in or of a name that comes
    /// before in the alphabet, says only what is different.
    ///
    /// # Errors
    /// [`ProfileError`] names the line.
    pub fn read_toml(text: &str) -> Result<Vec<Self>, ProfileError> {
        let built_in: Vec<_> = Self::BUILT_IN.iter().filter_map(|name| Self::built_in(name)).collect();
        read(text, &built_in)
    }
}

fn read(text: &str, built_in: &[CardProfile]) -> Result<Vec<CardProfile>, ProfileError> {
    let file: File = toml::from_str(text).map_err(|error| ProfileError::Toml { what: error.to_string() })?;
    let mut profiles: Vec<CardProfile> = Vec::new();
    for (name, raw) in file.profile {
        let name = name.into_inner();
        if built_in.iter().any(|profile| profile.name == name) {
            return Err(ProfileError::BuiltIn { name });
        }
        let base = match &raw.like {
            None => CardProfile::blank(),
            Some(like) => {
                built_in.iter().chain(&profiles).find(|profile| profile.name == *like.get_ref()).cloned().ok_or_else(
                    || ProfileError::Like {
                        line: line_of(text, like),
                        name: name.clone(),
                        like: like.get_ref().clone(),
                    },
                )?
            }
        };
        profiles.push(Reader { text, name }.apply(base, raw)?);
    }
    Ok(profiles)
}

struct Reader<'t> {
    text: &'t str,
    name: String,
}

impl Reader<'_> {
    fn apply(self, mut to: CardProfile, raw: Raw) -> Result<CardProfile, ProfileError> {
        to.about = raw.about.unwrap_or(to.about);
        to.mac.algorithm = raw.mac.map_or(to.mac.algorithm, |mac| match mac {
            Mac::Des => MacAlgorithm::Tdes,
            Mac::Sm4 => MacAlgorithm::Sm4,
        });
        to.mac.padding = raw.padding.map_or(to.mac.padding, |padding| match padding {
            Padding::Always => MacPadding::Always,
            Padding::WhenUnaligned => MacPadding::WhenUnaligned,
        });
        if let Some(value) = raw.challenge {
            to.challenge = self.number("challenge", &value, &[4, 8], "4 or 8 will do")?;
        }
        if let Some(value) = raw.authentication_challenge {
            let field = "authentication-challenge";
            to.authentication_challenge = self.number(field, &value, &[4, 8, 16], "4, 8 or 16 will do")?;
        }
        if let Some(value) = raw.max_data {
            let limit = usize::try_from(*value.get_ref()).ok().filter(|limit| (32..=255).contains(limit));
            to.max_data = limit.ok_or_else(|| self.value("max-data", &value, "32 to 255 will do"))?;
        }
        to.tells_tries = raw.tells_tries.unwrap_or(to.tells_tries);
        to.sm4_twin = raw.sm4_twin.unwrap_or(to.sm4_twin);
        to.identity = raw.identity.map_or(to.identity, |identity| match identity {
            Identity::None => IdentityRule::None,
            Identity::Command => IdentityRule::Command,
            Identity::Historical { offset, length } => IdentityRule::Historical { offset, length },
        });
        for (key, template) in &raw.commands {
            let operation = self.named(key, Operation::by_name, "command")?;
            if template.get_ref() == "none" {
                to.commands.remove(&operation);
                continue;
            }
            let wrong = |source| self.template(template, operation.name(), source);
            let template = CommandTemplate::parse(template.get_ref(), operation.fields()).map_err(wrong)?;
            to.commands.insert(operation, template);
        }
        for (key, code) in &raw.files {
            to.files.insert(self.named(key, FileType::by_name, "file type")?, *code);
        }
        to.file_protection = raw.file_protection.map_or(to.file_protection, Protection::into);
        for (name, key) in &raw.keys {
            let of = |text: &Spanned<String>| {
                RecordTemplate::parse(text.get_ref(), KEY_FIELDS)
                    .map_err(|source| self.template(text, name.get_ref(), source))
            };
            let rule = KeyRule {
                code: key.code,
                header: of(&key.header)?,
                enciphered_header: key.enciphered_header.as_ref().map(of).transpose()?,
            };
            to.keys.insert(self.named(name, KeyUse::by_name, "key type")?, rule);
        }
        to.key_protection = raw.key_protection.map_or(to.key_protection, Protection::into);
        for (sw, meaning) in &raw.status {
            let digits = sw.get_ref();
            let word = u16::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 4);
            let word = word.ok_or_else(|| self.name_error(sw, "status word of four hexadecimal digits"))?;
            to.status.insert(word, self.named(meaning, Meaning::by_name, "meaning of a status word")?);
        }
        to.name = self.name;
        Ok(to)
    }

    fn number(
        &self,
        field: &'static str,
        value: &Spanned<u64>,
        possible: &[u8],
        expected: &'static str,
    ) -> Result<u8, ProfileError> {
        let found = possible.iter().copied().find(|number| u64::from(*number) == *value.get_ref());
        found.ok_or_else(|| self.value(field, value, expected))
    }

    fn value(&self, field: &'static str, value: &Spanned<u64>, expected: &'static str) -> ProfileError {
        let (line, name, actual) = (line_of(self.text, value), self.name.clone(), *value.get_ref());
        ProfileError::Value { line, name, field, actual, expected }
    }

    fn named<T>(
        &self,
        name: &Spanned<String>,
        find: impl Fn(&str) -> Option<T>,
        what: &'static str,
    ) -> Result<T, ProfileError> {
        find(name.get_ref()).ok_or_else(|| self.name_error(name, what))
    }

    fn name_error(&self, found: &Spanned<String>, what: &'static str) -> ProfileError {
        let (line, name) = (line_of(self.text, found), self.name.clone());
        ProfileError::Name { line, name, found: found.get_ref().clone(), what }
    }

    fn template(&self, place: &Spanned<String>, command: &str, source: TemplateError) -> ProfileError {
        let (line, name) = (line_of(self.text, place), self.name.clone());
        ProfileError::Template { line, name, command: command.into(), source }
    }
}

impl CardProfile {
    fn blank() -> Self {
        Self {
            name: String::new(),
            about: String::new(),
            mac: MacSuite::default(),
            challenge: 4,
            authentication_challenge: 8,
            max_data: 255,
            tells_tries: false,
            sm4_twin: 0x40,
            identity: IdentityRule::None,
            commands: BTreeMap::new(),
            files: BTreeMap::new(),
            file_protection: Protections::default(),
            keys: BTreeMap::new(),
            key_protection: Protections::default(),
            status: BTreeMap::new(),
        }
    }
}

impl From<Protection> for Protections {
    fn from(raw: Protection) -> Self {
        Self { mac: raw.mac, enciphered: raw.enciphered }
    }
}

/// Line of a value, from 1.
pub(crate) fn line_of<T>(text: &str, value: &Spanned<T>) -> usize {
    text.get(..value.span().start).unwrap_or_default().matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Safeguard;
    use crate::template::Fields;

    #[test]
    fn what_is_built_in_can_be_read() {
        let all = read(include_str!("../../data/profiles.toml"), &[]).unwrap();
        let names: Vec<_> = all.iter().map(|profile| profile.name.as_str()).collect();
        assert_eq!(names, CardProfile::BUILT_IN);
        assert!(all.iter().all(|profile| !profile.about.is_empty() && profile.has(Operation::ExternalAuthenticate)));
    }

    #[test]
    fn a_dialect_needs_no_program() {
        let text = r#"
            [profile.mine]
            like = "fmcos-2.0"
            about = "another instruction, and no PIN UNBLOCK"
            padding = "when-unaligned"
            challenge = 8
            [profile.mine.commands]
            erase-directory = "80 0F 00 00"
            unblock-pin = "none"
            [profile.mine.keys.load]
            code = 0x21
            header = "{type} {version} {id}"
            [profile.mine.status]
            9302 = "not-found"
            "#;
        let mine = &CardProfile::read_toml(text).unwrap()[0];
        let erase = mine.command(Operation::EraseDirectory, &Fields::new()).unwrap();
        assert_eq!(erase.to_bytes().unwrap(), [0x80, 0x0F, 0, 0]);
        assert!(mine.command(Operation::UnblockPin, &Fields::new()).is_err());
        assert_eq!((mine.challenge, mine.mac.padding), (8, MacPadding::WhenUnaligned));
        let fields = Fields::new().byte("version", 7).byte("id", 2);
        let header = mine.key_header(KeyUse::Load, Safeguard::EncipheredMac, Safeguard::None, fields).unwrap();
        assert_eq!(header, [0xE1, 7, 2]);
        assert_eq!(mine.meaning(cardwright_apdu::StatusWord(0x9302)), Some(Meaning::NotFound));
        assert!(mine.has(Operation::UpdateBinary));
    }

    #[test]
    fn a_file_that_is_none_is_refused_with_line_and_reason() {
        for (text, said) in [
            ("[profile.a]\nlike = \"fmcos-2.0\"\nchalenge = 4", "line 3"),
            ("[profile.a]\nlike = \"fmcos-3\"", "line 2, profile \"a\": there is no profile \"fmcos-3\""),
            ("[profile.a]\nchallenge = 5", "line 2, profile \"a\": challenge is 5, 4 or 8 will do"),
            ("[profile.a]\nmax-data = 300", "max-data is 300, 32 to 255 will do"),
            (
                "[profile.a.commands]\nverify = \"00 20 00\"",
                "line 2, profile \"a\", verify: CLA INS P1 P2 have four bytes",
            ),
            ("[profile.a.commands]\n\nverify = \"00 20 00 {pin:2}\"", "line 3, profile \"a\", verify: CLA INS P1 P2"),
            ("[profile.a.commands]\nverify = \"00 20 00 {key}\"", "no field \"key\" here; there are id, pin"),
            ("[profile.a.commands]\nverfy = \"00 20 00 00\"", "line 2, profile \"a\": \"verfy\" is no command"),
            ("[profile.a.status]\n9302 = \"bad\"", "line 2, profile \"a\": \"bad\" is no meaning"),
            ("[profile.a.status]\n930 = \"dead\"", "\"930\" is no status word"),
            (
                "[profile.a.keys.load]\ncode = 1\nheader = \"{typ}\"",
                "line 3, profile \"a\", load: there is no field \"typ\"",
            ),
            ("[profile.a.keys.loda]\ncode = 1\nheader = \"\"", "\"loda\" is no key type"),
            ("[profile.a.files]\nbinary = 300", "line 2"),
            ("[profile.a.identity.historical]\noffset = 1", "line 1"),
            ("[profile.watchdata]", "is built in"),
            ("[profiles.a]", "profiles"),
            ("[profile.a", "line 1"),
        ] {
            let error = CardProfile::read_toml(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }
}
