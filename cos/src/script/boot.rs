use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use cardwright_apdu::ByteCount;
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use super::{Action, AtrPattern, Probe, Script, ScriptStep, StepClass, SwPattern};
use crate::profile::line_of;
use crate::template::{CommandTemplate, Fields, TemplateError};

/// How an operating system gets into a blank chip: the commands of its boot loader, as data.
///
/// ```toml
/// [boot-loader]
/// name = "fm12xx"
/// block = 128
/// checksum = "sum16"
/// erase = "F0 0E 00 00"
/// write = "F0 D6 {address:2} {data}"
/// verify = "F0 D8 {address:2} {length} {checksum:2}"
/// start = "F0 A0 00 00"
/// ```
///
/// A download that was torn begins at the first block again; what the loader then answers decides, and not what was recorded.
#[derive(Clone, Debug)]
pub struct BootLoader {
    name: String,
    block: usize,
    checksum: Checksum,
    identity: Option<CommandTemplate>,
    erase: Option<CommandTemplate>,
    write: CommandTemplate,
    verify: Option<CommandTemplate>,
    start: CommandTemplate,
    before: Option<AtrPattern>,
    after: Option<AtrPattern>,
}

/// What a boot loader computes over a block.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Checksum {
    /// Sum of the bytes, 16 bits.
    Sum16,
    /// CRC of ISO/IEC 13239, initial value FFFF, result not inverted (CRC-16/CCITT-FALSE).
    Crc16,
}

/// No boot loader, or an image that it does not take.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BootError {
    /// What is not TOML, an unknown field, or a value that a field does not take.
    #[error("{what}")]
    Toml {
        /// Where and what, in the words of the reader.
        what: String,
    },
    /// A template that no command can be made of.
    #[error("line {line}, {command}: {source}")]
    Template {
        /// Line, from 1.
        line: usize,
        /// The command.
        command: &'static str,
        /// Why.
        source: TemplateError,
    },
    /// A line that says nothing that can be done.
    #[error("line {line}: {what}")]
    Line {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The image is empty, or longer than the loader can address.
    #[error("an image has 1 to {limit} bytes, this one has {}", ByteCount(*actual))]
    Image {
        /// Length, in bytes.
        actual: usize,
        /// The most, in bytes.
        limit: usize,
    },
    /// A command cannot be made.
    #[error("block at {address:04X}: {what}")]
    Command {
        /// Where the block goes.
        address: usize,
        /// Why.
        what: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    boot_loader: Raw,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    block: Spanned<usize>,
    checksum: Checksum,
    identity: Option<Spanned<String>>,
    erase: Option<Spanned<String>>,
    write: Spanned<String>,
    verify: Option<Spanned<String>>,
    start: Spanned<String>,
    before: Option<Spanned<String>>,
    after: Option<Spanned<String>>,
}

const FIELDS: &[&str] = &["address", "data", "length", "checksum", "blocks"];

impl BootLoader {
    /// Reads a boot loader from TOML.
    ///
    /// # Errors
    /// [`BootError`] names the line.
    pub fn read_toml(text: &str) -> Result<Self, BootError> {
        let File { boot_loader: raw } =
            toml::from_str(text).map_err(|error| BootError::Toml { what: error.to_string() })?;
        let template = |command: &'static str, place: &Spanned<String>| {
            CommandTemplate::parse(place.get_ref(), FIELDS).map_err(|source| BootError::Template {
                line: line_of(text, place),
                command,
                source,
            })
        };
        let atr = |place: &Option<Spanned<String>>| {
            let Some(place) = place else { return Ok(None) };
            let bytes = super::file::hexadecimal(place.get_ref());
            let bytes = bytes.map_err(|what| BootError::Line { line: line_of(text, place), what })?;
            Ok(Some(AtrPattern(bytes.to_vec())))
        };
        if !(1..=240).contains(raw.block.get_ref()) {
            let what = format!("block is {}, 1 to 240 will do", raw.block.get_ref());
            return Err(BootError::Line { line: line_of(text, &raw.block), what });
        }
        let name = raw.name;
        super::file::check_name(&name).map_err(|what| BootError::Line { line: 1, what: what.into() })?;
        Ok(Self {
            name,
            block: raw.block.into_inner(),
            checksum: raw.checksum,
            identity: raw.identity.as_ref().map(|place| template("identity", place)).transpose()?,
            erase: raw.erase.as_ref().map(|place| template("erase", place)).transpose()?,
            write: template("write", &raw.write)?,
            verify: raw.verify.as_ref().map(|place| template("verify", place)).transpose()?,
            start: template("start", &raw.start)?,
            before: atr(&raw.before)?,
            after: atr(&raw.after)?,
        })
    }

    /// The script that downloads this image: erase, then each block written and verified, then start. It can always begin anew, as
    /// long as the chip answers as a blank one.
    ///
    /// # Errors
    /// [`BootError::Image`], [`BootError::Command`].
    pub fn script(&self, image: &[u8]) -> Result<Script, BootError> {
        const LIMIT: usize = 0x1_0000;
        if !(1..=LIMIT).contains(&image.len()) {
            return Err(BootError::Image { actual: image.len(), limit: LIMIT });
        }
        let blocks = u16::try_from(image.len().div_ceil(self.block)).unwrap_or(u16::MAX);
        let whole = Fields::new().with("blocks", blocks.to_be_bytes()).with("checksum", self.checksum.of(image));
        let mut steps = Vec::new();
        if let Some(erase) = &self.erase {
            steps.push(step("erase", 0, erase, &whole)?);
        }
        for (n, block) in image.chunks(self.block).enumerate() {
            let address = n * self.block;
            // Blocks and images are short: neither number is cut.
            let fields = Fields::new()
                .with("address", (address as u16).to_be_bytes())
                .with("data", block)
                .byte("length", block.len() as u8)
                .with("checksum", self.checksum.of(block));
            steps.push(step(&format!("block {:04X}", address), address, &self.write, &fields)?);
            if let Some(verify) = &self.verify {
                steps.push(step(&format!("verify {:04X}", address), address, verify, &fields)?);
            }
        }
        steps.push(step("start", 0, &self.start, &whole)?);
        Ok(Script {
            name: format!("boot {}", self.name).chars().take(60).collect(),
            about: format!("image of {}", ByteCount(image.len())),
            profile: String::new(),
            restart: Some(Vec::new()),
            before: self.before.clone(),
            after: self.after.clone(),
            steps,
        })
    }

    /// The command that tells one blank chip from another, where the loader has one.
    #[must_use]
    pub fn identity(&self) -> Option<cardwright_apdu::CommandApdu> {
        self.identity.as_ref().and_then(|template| template.build(&Fields::new()).ok())
    }
}

/// What is begun and not known to be done makes the whole download begin anew, so that no step is asked for by itself.
fn step(name: &str, address: usize, template: &CommandTemplate, fields: &Fields) -> Result<ScriptStep, BootError> {
    let command = template.build(fields).map_err(|error| BootError::Command { address, what: error.to_string() })?;
    Ok(ScriptStep {
        name: name.into(),
        action: Action::Apdu(command),
        expected: Vec::from([SwPattern::OK]),
        found: Vec::new(),
        may_exist: false,
        secret: Vec::new(),
        class: StepClass::Compare,
        probe: Probe::None,
        proof: None,
    })
}

impl Checksum {
    fn of(self, data: &[u8]) -> [u8; 2] {
        match self {
            Self::Sum16 => data.iter().fold(0_u16, |sum, byte| sum.wrapping_add((*byte).into())),
            Self::Crc16 => {
                data.iter().fold(0xFFFF_u16, |crc, byte| {
                    (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
                        if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
                    })
                })
            }
        }
        .to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        [boot-loader]
        name = "chip"
        block = 16
        checksum = "crc16"
        before = "3B 00"
        erase = "F0 0E 00 00"
        write = "F0 D6 {address:2} {data}"
        verify = "F0 D8 {address:2} {length} {checksum:2}"
        start = "F0 A0 {blocks:2}"
        "#;

    #[test]
    fn an_image_becomes_blocks_with_verify_and_start() {
        let loader = BootLoader::read_toml(TEXT).unwrap();
        let script = loader.script(&[0x31; 33]).unwrap();
        let commands: Vec<_> = script
            .steps
            .iter()
            .map(|step| match &step.action {
                Action::Apdu(command) => hex::encode_upper(command.to_bytes().unwrap()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(commands.len(), 1 + 3 * 2 + 1);
        assert_eq!(commands[0], "F00E0000");
        assert_eq!(commands[1], format!("F0D6000010{}", "31".repeat(16)));
        assert!(commands[4].starts_with("F0D800100310"), "{}", commands[4]);
        assert_eq!(commands[5], "F0D600200131");
        assert_eq!(commands[7], "F0A00003");
        assert!(script.restart.is_some() && script.before.is_some());
    }

    #[test]
    fn checksums_as_published() {
        assert_eq!(Checksum::Crc16.of(b"123456789"), [0x29, 0xB1]);
        assert_eq!(Checksum::Sum16.of(&[0xFF; 0x102]), (0xFF_u32 * 0x102).to_be_bytes()[2..]);
    }

    #[test]
    fn images_and_loaders_that_do_not_fit_are_refused() {
        let loader = BootLoader::read_toml(TEXT).unwrap();
        assert_eq!(loader.script(&[]).unwrap_err(), BootError::Image { actual: 0, limit: 0x1_0000 });
        assert!(loader.script(&vec![0; 0x1_0001]).is_err());
        for (from, to, said) in [
            ("block = 16", "block = 0", "line 4: block is 0"),
            ("{address:2} {data}", "{adress:2} {data}", "line 8, write: there is no field \"adress\""),
            ("F0 A0 {blocks:2}", "F0 A0 {blocks}", "line 10, start: CLA INS P1 P2 have four bytes"),
            ("crc16", "crc32", "line 5"),
            ("3B 00", "3B 0", "line 6"),
            ("start", "begin", "begin"),
        ] {
            let error = BootLoader::read_toml(&TEXT.replace(from, to)).map(drop).unwrap_err().to_string();
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}
