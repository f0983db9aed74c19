use std::collections::BTreeMap;

use cardwright_apdu::{Aid, Class};
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use super::{AdmAccess, KeyProof, Numbering, Part, SecretWrite, SimProfile, Target};
use crate::usim::{Dialect, FilePath, IccidPlan, TonNpi};

/// A text is no file of SIM profiles.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SimProfileError {
    /// What is not TOML, an unknown field, or a value that a field does not take.
    #[error("{what}")]
    Toml {
        /// Where and what, in the words of the reader.
        what: String,
    },
    /// A value that makes no sense.
    #[error("line {line}, profile {name:?}: {field} {reason}")]
    Value {
        /// Number of the line, from 1.
        line: usize,
        /// The profile.
        name: String,
        /// The field.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    profile: BTreeMap<String, Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    about: String,
    commands: Commands,
    application: Option<Spanned<String>>,
    adm: Option<Adm>,
    #[serde(default = "yes")]
    iccid_rewritable: bool,
    numbering: Option<RawNumbering>,
    #[serde(default)]
    pin: Vec<RawWrite>,
    #[serde(default)]
    puk: Vec<RawWrite>,
    #[serde(default)]
    keys: Vec<RawWrite>,
    proof: Option<Proof>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Commands {
    Gsm,
    Uicc,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Adm {
    reference: Spanned<u8>,
    #[serde(default)]
    tells_tries: bool,
    commands: Option<Commands>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNumbering {
    iccid: Option<RawIccid>,
    #[serde(default)]
    networks: Vec<Spanned<String>>,
    national: Option<Spanned<u8>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIccid {
    prefix: Spanned<String>,
    lengths: Spanned<Vec<usize>>,
    letters: Option<Spanned<String>>,
    check_digit: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWrite {
    file: Option<Spanned<String>>,
    offset: Option<usize>,
    record: Option<u8>,
    command: Option<Spanned<String>>,
    content: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Proof {
    Gsm,
    UsimGsm,
    UsimStale,
}

fn yes() -> bool {
    true
}

impl From<Commands> for Dialect {
    fn from(commands: Commands) -> Self {
        match commands {
            Commands::Gsm => Self::Gsm,
            Commands::Uicc => Self::Uicc,
        }
    }
}

impl SimProfile {
    /// The profiles that come with the crate, as text: an example of the format.
    pub const BUILT_IN: &str = include_str!("../../../profiles/sim.toml");

    /// A profile that comes with the crate.
    ///
    /// # Errors
    /// [`SimProfileError`] when there is none of this name; it names those that there are.
    pub fn built_in(name: &str) -> Result<Self, SimProfileError> {
        let profiles = Self::read_toml(Self::BUILT_IN)?;
        let names: Vec<_> = profiles.iter().map(|profile| profile.name.clone()).collect();
        profiles.into_iter().find(|profile| profile.name == name).ok_or_else(|| SimProfileError::Toml {
            what: format!("there is no SIM profile {name:?}; there are {}", names.join(", ")),
        })
    }

    /// Reads profiles from TOML: a table `[profile.NAME]` each, with the fields of [`SimProfile`].
    ///
    /// The content of what is written is in words: hexadecimal bytes, and `K`, `OP`, `OPC`, `PIN`, `PUK`, `ICCID`, `IMSI`.
    ///
    /// # Errors
    /// [`SimProfileError`] names the line.
    pub fn read_toml(text: &str) -> Result<Vec<Self>, SimProfileError> {
        let file: File = toml::from_str(text).map_err(|error| SimProfileError::Toml { what: error.to_string() })?;
        file.profile.into_iter().map(|(name, raw)| Reader { text, name: &name }.profile(raw)).collect()
    }
}

/// Where in the text a profile is read.
struct Reader<'a> {
    text: &'a str,
    name: &'a str,
}

impl Reader<'_> {
    fn wrong<T>(&self, value: &Spanned<T>, field: &'static str, reason: impl Into<String>) -> SimProfileError {
        let before = self.text.get(..value.span().start).unwrap_or_default();
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        SimProfileError::Value { line, name: self.name.into(), field, reason: reason.into() }
    }

    fn profile(&self, raw: Raw) -> Result<SimProfile, SimProfileError> {
        let dialect = raw.commands.into();
        let application = match &raw.application {
            None => None,
            Some(text) => {
                let aid = text.get_ref().parse::<Aid>();
                Some(aid.map_err(|error| self.wrong(text, "application", error.to_string()))?)
            }
        };
        let adm = raw.adm.as_ref().map(|adm| self.adm(adm, dialect)).transpose()?;
        let writes = |field, raw: &[RawWrite]| {
            raw.iter().map(|write| self.write(field, write, application.is_some())).collect::<Result<Vec<_>, _>>()
        };
        Ok(SimProfile {
            about: raw.about,
            application,
            adm,
            iccid_rewritable: raw.iccid_rewritable,
            numbering: raw
                .numbering
                .as_ref()
                .map(|numbering| self.numbering(numbering))
                .transpose()?
                .unwrap_or_default(),
            pin: writes("pin", &raw.pin)?,
            puk: writes("puk", &raw.puk)?,
            keys: writes("keys", &raw.keys)?,
            proof: raw.proof.map(|proof| match proof {
                Proof::Gsm => KeyProof::Gsm,
                Proof::UsimGsm => KeyProof::UsimGsm,
                Proof::UsimStale => KeyProof::UsimStale,
            }),
            ..SimProfile::new(self.name, dialect)
        })
    }

    fn adm(&self, adm: &Adm, dialect: Dialect) -> Result<AdmAccess, SimProfileError> {
        let reference = *adm.reference.get_ref();
        // 01 to 08 and 81 to 88 are the subscriber's own codes (TS 102 221 9.5.1).
        if matches!(reference & 0x7F, 0..=8) {
            return Err(self.wrong(
                &adm.reference,
                "adm.reference",
                "names no ADM key, which are 09 to 1F and 89 to 9F",
            ));
        }
        let class: Class = adm.commands.map_or(dialect, Into::into).class();
        Ok(AdmAccess { class, reference, tells_tries: adm.tells_tries })
    }

    fn numbering(&self, raw: &RawNumbering) -> Result<Numbering, SimProfileError> {
        let mut numbering = Numbering::default();
        if let Some(iccid) = &raw.iccid {
            let letters = iccid.letters.as_ref().map(|letters| letters.get_ref().clone()).unwrap_or_default();
            if let Some(letter) = iccid.letters.as_ref().filter(|_| letters.chars().any(|c| !('A'..='F').contains(&c)))
            {
                return Err(self.wrong(letter, "numbering.iccid.letters", "are of A to F"));
            }
            let lengths = iccid.lengths.get_ref().clone();
            if lengths.is_empty() || lengths.iter().any(|length| !(10..=20).contains(length)) {
                return Err(self.wrong(&iccid.lengths, "numbering.iccid.lengths", "are 10 to 20 characters"));
            }
            if iccid.check_digit && !letters.is_empty() {
                return Err(self.wrong(
                    &iccid.lengths,
                    "numbering.iccid",
                    "has a check digit over letters, which there is none of",
                ));
            }
            let prefix = iccid.prefix.get_ref().clone();
            if !prefix.chars().all(|c| c.is_ascii_digit() || letters.contains(c)) {
                return Err(self.wrong(
                    &iccid.prefix,
                    "numbering.iccid.prefix",
                    "holds what the plan's numbers do not",
                ));
            }
            numbering.iccid = IccidPlan { prefix, lengths, letters, check_digit: iccid.check_digit };
        }
        for network in &raw.networks {
            let digits = network.get_ref();
            if !matches!(digits.len(), 5 | 6) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(self.wrong(network, "numbering.networks", "are MCC and MNC, 5 or 6 digits"));
            }
            numbering.networks.push(digits.clone());
        }
        if let Some(national) = &raw.national {
            let known = TonNpi::new(*national.get_ref());
            numbering.national =
                known.ok_or_else(|| self.wrong(national, "numbering.national", "is 0x81, 0x91, 0xA1 or 0xB1"))?;
        }
        Ok(numbering)
    }

    fn write(&self, field: &'static str, raw: &RawWrite, usim: bool) -> Result<SecretWrite, SimProfileError> {
        let content = self.content(field, &raw.content)?;
        let target = match (&raw.file, &raw.command) {
            (Some(file), None) => {
                let path: FilePath = file
                    .get_ref()
                    .parse()
                    .map_err(|error| self.wrong(file, field, format!("names no file: {error}")))?;
                if path.is_in_application() && !usim {
                    return Err(self.wrong(file, field, "is in an application, and the profile names none"));
                }
                match (raw.record, raw.offset) {
                    (None, offset) => Target::Binary { path, offset: offset.unwrap_or(0) },
                    (Some(number), None) if number > 0 => Target::Record { path, number },
                    _ => return Err(self.wrong(file, field, "has a record from 1 on, or an offset, not both")),
                }
            }
            (None, Some(command)) => {
                let header = bytes(command.get_ref()).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
                let header =
                    header.ok_or_else(|| self.wrong(command, field, "has a command that is not CLA INS P1 P2"))?;
                if raw.record.is_some() || raw.offset.is_some() {
                    return Err(self.wrong(command, field, "has a command, which takes neither record nor offset"));
                }
                Target::Command { header }
            }
            _ => return Err(self.wrong(&raw.content, field, "goes into a file or by a command: name one of them")),
        };
        Ok(SecretWrite { target, content })
    }

    fn content(&self, field: &'static str, raw: &Spanned<String>) -> Result<Vec<Part>, SimProfileError> {
        let mut parts = Vec::new();
        let mut length = 0;
        for word in raw.get_ref().split_whitespace() {
            let (part, count) = match word {
                "K" => (Part::K, 16),
                "OP" => (Part::Op, 16),
                "OPC" => (Part::Opc, 16),
                "PIN" => (Part::Pin, 8),
                "PUK" => (Part::Puk, 8),
                "ICCID" => (Part::Iccid, 10),
                "IMSI" => (Part::Imsi, 9),
                _ => match bytes(word) {
                    Some(bytes) => (Part::Bytes(bytes.clone()), bytes.len()),
                    None => {
                        return Err(self.wrong(
                            raw,
                            field,
                            format!("has content {word:?}, which is no word and no bytes"),
                        ));
                    }
                },
            };
            length += count;
            parts.push(part);
        }
        if parts.is_empty() || length > 255 {
            return Err(self.wrong(raw, field, format!("has {length} bytes of content: one command takes 1 to 255")));
        }
        let keys = parts.iter().any(|part| matches!(part, Part::K | Part::Op | Part::Opc));
        if keys != (field == "keys") {
            return Err(self.wrong(
                raw,
                field,
                "is not where K, OP or OPC belong: they are of `keys`, and nothing else is",
            ));
        }
        Ok(parts)
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    (rest.is_empty() && !pairs.is_empty()).then(|| pairs.iter().map(|[hi, lo]| hi << 4 | lo).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_profiles_that_come_with_the_crate_are_read() {
        let profiles = SimProfile::read_toml(SimProfile::BUILT_IN).unwrap();
        assert!(profiles.len() >= 9);
        for profile in &profiles {
            assert!(!profile.about.is_empty(), "{}", profile.name);
            let is_milenage =
                |write: &SecretWrite| write.content.iter().any(|part| matches!(part, Part::Op | Part::Opc));
            assert_eq!(profile.proof.is_some(), profile.keys.iter().any(is_milenage), "{}", profile.name);
        }
        let gr1 = SimProfile::built_in("sysmousim-gr1").unwrap();
        let [write] = &gr1.keys[..] else { panic!() };
        assert_eq!(write.target, Target::Command { header: [0x00, 0x99, 0x00, 0x00] });
        assert_eq!(write.content, [Part::K, Part::Opc, Part::Iccid, Part::Imsi]);
        assert!(!SimProfile::built_in("sysmoisim-sja2").unwrap().iccid_rewritable);
        assert!(SimProfile::built_in("none").unwrap_err().to_string().contains("sysmousim-sjs1"));
    }

    #[test]
    fn a_file_that_is_none_is_refused_with_line_and_reason() {
        let said = |text: &str| SimProfile::read_toml(text).unwrap_err().to_string();
        let with = |line: &str| format!("[profile.x]\nabout = \"\"\ncommands = \"uicc\"\n{line}\n");
        let unknown = said(&with("colour = 1"));
        assert!(unknown.contains("line 4") && unknown.contains("colour"), "{unknown}");
        for (line, reason) in [
            ("adm = { reference = 1 }", "names no ADM key"),
            ("adm = { reference = 300 }", "u8"),
            ("puk = [{ file = \"7F20\" }]", "content"),
            ("puk = [{ content = \"PUK\" }]", "name one of them"),
            ("puk = [{ file = \"7F2G\", content = \"PUK\" }]", "names no file"),
            ("puk = [{ file = \"7FFF/6F01\", content = \"PUK\" }]", "names none"),
            ("puk = [{ file = \"6F01\", record = 0, content = \"PUK\" }]", "record from 1 on"),
            ("puk = [{ file = \"6F01\", record = 1, offset = 1, content = \"PUK\" }]", "not both"),
            ("puk = [{ file = \"6F01\", command = \"A0D43B01\", content = \"PUK\" }]", "name one of them"),
            ("puk = [{ command = \"A0D43B\", content = \"PUK\" }]", "not CLA INS P1 P2"),
            ("puk = [{ command = \"A0D43B01\", offset = 1, content = \"PUK\" }]", "neither record nor offset"),
            ("puk = [{ command = \"A0D43B01\", content = \"PUK PUC\" }]", "\"PUC\""),
            ("puk = [{ command = \"A0D43B01\", content = \"\" }]", "0 bytes"),
            ("puk = [{ command = \"A0D43B01\", content = \"K\" }]", "`keys`"),
            ("keys = [{ command = \"A0D43B01\", content = \"01\" }]", "`keys`"),
            ("numbering = { networks = [\"4600\"] }", "MCC and MNC"),
            ("numbering = { national = 0x92 }", "0x81"),
            ("numbering = { iccid = { prefix = \"89\", lengths = [21], check_digit = true } }", "10 to 20"),
            ("numbering = { iccid = { prefix = \"8G\", lengths = [20], check_digit = true } }", "prefix"),
            ("application = \"A0\"", "application"),
        ] {
            let words = said(&with(line));
            assert!(words.contains(reason) && words.contains("line 4"), "{line}: {words}");
        }
    }

    proptest! {
        #[test]
        fn reading_is_total(line in ".{0,60}") {
            let _ = SimProfile::read_toml(&format!("[profile.x]\nabout = \"\"\ncommands = \"gsm\"\n{line}"));
        }
    }
}
