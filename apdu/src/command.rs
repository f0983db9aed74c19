use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;
use zeroize::Zeroize;

use crate::{Class, Instruction};

/// Ne: the greatest number of data bytes that the sender of a command expects, 0 to 65536 (ISO 7816-4 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ne(u32);

impl Ne {
    /// No response data is expected: the Le field is absent.
    pub const NONE: Self = Self(0);
    /// 256, the most that a short Le field can say.
    pub const MAX_SHORT: Self = Self(256);
    /// 65536, the most that an extended Le field can say.
    pub const MAX_EXTENDED: Self = Self(65536);

    /// Takes 0 to 65536; `None` for anything greater.
    #[must_use]
    pub const fn new(ne: u32) -> Option<Self> {
        if ne <= 65536 { Some(Self(ne)) } else { None }
    }

    /// The number, in bytes.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Whether Lc and Le are coded in one byte or in two (ISO 7816-4 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum LengthForm {
    /// Short where the lengths allow it, extended otherwise.
    #[default]
    Shortest,
    /// Extended even where short would do.
    Extended,
}

/// Bytes that are no command APDU, or a command that cannot be coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Fewer than the four bytes CLA INS P1 P2.
    #[error("a command has at least 4 bytes, this one has {actual}")]
    TooShort {
        /// Number of bytes given.
        actual: usize,
    },
    /// The length fields do not agree with the number of bytes.
    #[error("the length field at offset {offset} wants {expected} bytes in all, there are {actual}")]
    Length {
        /// Where the length field begins, in bytes.
        offset: usize,
        /// Total length that it asks for, without or with Le.
        expected: usize,
        /// Number of bytes given.
        actual: usize,
    },
    /// An extended Lc of zero in front of data.
    #[error("the extended length field at offset 4 says that there is no data, {actual} bytes follow")]
    ZeroLc {
        /// Number of bytes after the length field.
        actual: usize,
    },
    /// More data than an extended Lc can say.
    #[error("a command carries at most 65535 bytes of data, not {actual}")]
    TooMuchData {
        /// Nc, in bytes.
        actual: usize,
    },
    /// The output buffer is too small; nothing was written.
    #[error("the command takes {needed} bytes, the buffer has {available}")]
    BufferTooSmall {
        /// Length of the coded command.
        needed: usize,
        /// Length of the buffer.
        available: usize,
    },
}

/// A command APDU that owns its data (ISO 7816-4 5.1).
///
/// `Debug` shows header and lengths, never the data.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandApdu {
    cla: Class,
    ins: Instruction,
    p1: u8,
    p2: u8,
    data: Vec<u8>,
    ne: Ne,
    form: LengthForm,
}

/// A command APDU whose data lies elsewhere; parsing and encoding it allocate nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CommandApduRef<'a> {
    /// CLA.
    pub cla: Class,
    /// INS.
    pub ins: Instruction,
    /// P1.
    pub p1: u8,
    /// P2.
    pub p2: u8,
    /// The command data field; its length is Nc.
    pub data: &'a [u8],
    /// Ne.
    pub ne: Ne,
    /// How the lengths are coded.
    pub form: LengthForm,
}

impl CommandApdu {
    /// A command without data that expects none (case 1).
    #[must_use]
    pub fn new(cla: impl Into<Class>, ins: impl Into<Instruction>, p1: u8, p2: u8) -> Self {
        Self { cla: cla.into(), ins: ins.into(), p1, p2, data: Vec::new(), ne: Ne::NONE, form: LengthForm::Shortest }
    }

    /// The same command with this data field.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data.zeroize();
        self.data = data.into();
        self
    }

    /// The same command with this Ne.
    #[must_use]
    pub fn with_ne(mut self, ne: Ne) -> Self {
        self.ne = ne;
        self
    }

    /// The same command in another class.
    #[must_use]
    pub fn with_class(mut self, cla: impl Into<Class>) -> Self {
        self.cla = cla.into();
        self
    }

    /// Reads a command from its bytes; see [`CommandApduRef::parse`].
    ///
    /// # Errors
    /// As [`CommandApduRef::parse`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CommandError> {
        CommandApduRef::parse(bytes).map(|command| command.to_owned())
    }

    /// CLA.
    #[must_use]
    pub fn class(&self) -> Class {
        self.cla
    }

    /// INS.
    #[must_use]
    pub fn instruction(&self) -> Instruction {
        self.ins
    }

    /// P1.
    #[must_use]
    pub fn p1(&self) -> u8 {
        self.p1
    }

    /// P2.
    #[must_use]
    pub fn p2(&self) -> u8 {
        self.p2
    }

    /// The command data field.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Nc: the number of data bytes.
    #[must_use]
    pub fn nc(&self) -> usize {
        self.data.len()
    }

    /// Ne.
    #[must_use]
    pub fn ne(&self) -> Ne {
        self.ne
    }

    /// The standards' name of the command; see [`CommandApduRef::name`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.as_ref().name()
    }

    /// The command with its data borrowed.
    #[must_use]
    pub fn as_ref(&self) -> CommandApduRef<'_> {
        CommandApduRef {
            cla: self.cla,
            ins: self.ins,
            p1: self.p1,
            p2: self.p2,
            data: &self.data,
            ne: self.ne,
            form: self.form,
        }
    }

    /// The command's bytes.
    ///
    /// # Errors
    /// [`CommandError::TooMuchData`] for more than 65535 bytes of data.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CommandError> {
        self.as_ref().to_bytes()
    }
}

impl Drop for CommandApdu {
    // A plain key command carries a key until it has been sent.
    fn drop(&mut self) {
        self.data.zeroize();
    }
}

impl fmt::Debug for CommandApdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl<'a> CommandApduRef<'a> {
    /// Reads a command of any of the cases 1 to 4, short or extended.
    ///
    /// `encode` of the result gives the same bytes back.
    ///
    /// # Errors
    /// [`CommandError::TooShort`], [`CommandError::Length`] or [`CommandError::ZeroLc`] when the bytes are no command.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CommandError> {
        let [cla, ins, p1, p2, body @ ..] = bytes else {
            return Err(CommandError::TooShort { actual: bytes.len() });
        };
        let (data, ne, form): (&[u8], u32, _) = match body {
            [] => (&[], 0, LengthForm::Shortest),
            [le] => (&[], short_ne(*le), LengthForm::Shortest),
            [0, hi, lo] => (&[], extended_ne(*hi, *lo), LengthForm::Extended),
            [0, hi, lo, rest @ ..] => {
                let nc = usize::from(u16::from_be_bytes([*hi, *lo]));
                if nc == 0 {
                    return Err(CommandError::ZeroLc { actual: rest.len() });
                }
                match rest.split_at_checked(nc) {
                    Some((data, [])) => (data, 0, LengthForm::Extended),
                    Some((data, [hi, lo])) => (data, extended_ne(*hi, *lo), LengthForm::Extended),
                    _ => return Err(CommandError::Length { offset: 4, expected: 7 + nc, actual: bytes.len() }),
                }
            }
            [lc, rest @ ..] => {
                let nc = usize::from(*lc);
                match rest.split_at_checked(nc) {
                    // 00 in front of one byte only: neither Lc nor an extended Le.
                    _ if nc == 0 => {
                        return Err(CommandError::Length { offset: 4, expected: 7, actual: bytes.len() });
                    }
                    Some((data, [])) => (data, 0, LengthForm::Shortest),
                    Some((data, [le])) => (data, short_ne(*le), LengthForm::Shortest),
                    _ => return Err(CommandError::Length { offset: 4, expected: 5 + nc, actual: bytes.len() }),
                }
            }
        };
        let form = match form {
            LengthForm::Extended if data.len() > 255 || ne > 256 => LengthForm::Shortest,
            other => other,
        };
        Ok(Self { cla: Class(*cla), ins: Instruction(*ins), p1: *p1, p2: *p2, data, ne: Ne(ne), form })
    }

    /// The standards' name of the command, with the purpose of an INSTALL; "command" where the code has no name here.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match (self.ins, self.p1) {
            (Instruction::INSTALL, 0x02) => "INSTALL [for load]",
            (Instruction::INSTALL, 0x04) => "INSTALL [for install]",
            (Instruction::INSTALL, 0x08) => "INSTALL [for make selectable]",
            (Instruction::INSTALL, 0x0C) => "INSTALL [for install and make selectable]",
            (Instruction::INSTALL, 0x0E) => "INSTALL [for load, install and make selectable]",
            (Instruction::INSTALL, 0x10) => "INSTALL [for extradition]",
            (Instruction::INSTALL, 0x20) => "INSTALL [for personalization]",
            (Instruction::INSTALL, 0x40) => "INSTALL [for registry update]",
            (ins, _) => ins.name(),
        }
    }

    /// A copy that owns its data.
    #[must_use]
    pub fn to_owned(&self) -> CommandApdu {
        CommandApdu {
            cla: self.cla,
            ins: self.ins,
            p1: self.p1,
            p2: self.p2,
            data: self.data.to_vec(),
            ne: self.ne,
            form: self.form,
        }
    }

    /// Whether the lengths need, or ask for, extended length fields.
    #[must_use]
    pub fn is_extended(&self) -> bool {
        self.form == LengthForm::Extended && (!self.data.is_empty() || self.ne != Ne::NONE)
            || self.data.len() > 255
            || self.ne.0 > 256
    }

    /// Length of the coded command, in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let (lc, le) = match (self.is_extended(), self.data.is_empty(), self.ne == Ne::NONE) {
            (_, true, true) => (0, 0),
            (false, true, false) => (0, 1),
            (false, false, no_le) => (1, usize::from(!no_le)),
            (true, true, false) => (0, 3),
            (true, false, no_le) => (3, if no_le { 0 } else { 2 }),
        };
        4 + lc + self.data.len() + le
    }

    /// Writes the command to the front of `out` and returns its length. Allocates nothing.
    ///
    /// # Errors
    /// [`CommandError::TooMuchData`], or [`CommandError::BufferTooSmall`] with the length needed; `out` is then untouched.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, CommandError> {
        if self.data.len() > 65535 {
            return Err(CommandError::TooMuchData { actual: self.data.len() });
        }
        let needed = self.encoded_len();
        let available = out.len();
        let Some(out) = out.get_mut(..needed) else {
            return Err(CommandError::BufferTooSmall { needed, available });
        };
        out[..4].copy_from_slice(&[self.cla.0, self.ins.0, self.p1, self.p2]);
        let extended = self.is_extended();
        let nc = self.data.len();
        let mut at = 4;
        if nc > 0 {
            if extended {
                out[4] = 0;
                out[5..7].copy_from_slice(&(nc as u16).to_be_bytes());
                at = 7;
            } else {
                out[4] = nc as u8;
                at = 5;
            }
            out[at..at + nc].copy_from_slice(self.data);
            at += nc;
        }
        // The greatest Ne is coded as zero, which the truncating casts give.
        match &mut out[at..] {
            [] => {}
            [le] => *le = self.ne.0 as u8,
            [hi, lo] => [*hi, *lo] = (self.ne.0 as u16).to_be_bytes(),
            [zero, le @ ..] => {
                *zero = 0;
                le.copy_from_slice(&(self.ne.0 as u16).to_be_bytes());
            }
        }
        Ok(needed)
    }

    /// The command's bytes.
    ///
    /// # Errors
    /// [`CommandError::TooMuchData`] for more than 65535 bytes of data.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CommandError> {
        let mut bytes = alloc::vec![0; self.encoded_len()];
        self.encode(&mut bytes)?;
        Ok(bytes)
    }
}

impl fmt::Debug for CommandApduRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CommandApdu({:02X} {:02X} {:02X} {:02X}, Nc {}, Ne {})",
            self.cla.0,
            self.ins.0,
            self.p1,
            self.p2,
            self.data.len(),
            self.ne.0
        )
    }
}

fn short_ne(le: u8) -> u32 {
    if le == 0 { 256 } else { le.into() }
}

fn extended_ne(hi: u8, lo: u8) -> u32 {
    match u16::from_be_bytes([hi, lo]) {
        0 => 65536,
        le => le.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec;
    use proptest::prelude::*;

    fn bytes(command: CommandApdu) -> Vec<u8> {
        command.to_bytes().unwrap()
    }

    #[test]
    fn codes_the_four_cases_short() {
        let c = || CommandApdu::new(0x80, 0xCA, 0x9F, 0x7F);
        assert_eq!(bytes(c()), [0x80, 0xCA, 0x9F, 0x7F]);
        assert_eq!(bytes(c().with_ne(Ne::MAX_SHORT)), [0x80, 0xCA, 0x9F, 0x7F, 0]);
        assert_eq!(bytes(c().with_data([1, 2])), [0x80, 0xCA, 0x9F, 0x7F, 2, 1, 2]);
        assert_eq!(bytes(c().with_data([1]).with_ne(Ne(5))), [0x80, 0xCA, 0x9F, 0x7F, 1, 1, 5]);
    }

    #[test]
    fn codes_the_four_cases_extended() {
        let c = || CommandApdu::new(0, 0xB0, 0, 0);
        assert_eq!(bytes(c().with_ne(Ne::MAX_EXTENDED)), [0, 0xB0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes(c().with_ne(Ne(257))), [0, 0xB0, 0, 0, 0, 1, 1]);
        let long = bytes(c().with_data(vec![7; 256]).with_ne(Ne(1)));
        assert_eq!(long[..7], [0, 0xB0, 0, 0, 0, 1, 0]);
        assert_eq!(long[263..], [0, 1]);
    }

    #[test]
    fn refuses_lengths_that_do_not_add_up() {
        use CommandError::*;
        let parse = |b: &[u8]| CommandApdu::parse(b).unwrap_err();
        assert_eq!(parse(&[0, 1, 2]), TooShort { actual: 3 });
        assert_eq!(parse(&[0, 1, 2, 3, 4, 5]), Length { offset: 4, expected: 9, actual: 6 });
        assert_eq!(parse(&[0, 1, 2, 3, 0, 5]), Length { offset: 4, expected: 7, actual: 6 });
        assert_eq!(parse(&[0, 1, 2, 3, 0, 0, 0, 9]), ZeroLc { actual: 1 });
        assert_eq!(parse(&[0, 1, 2, 3, 0, 1, 0, 9]), Length { offset: 4, expected: 263, actual: 8 });
        assert_eq!(parse(&[0, 1, 2, 3, 1, 5, 6, 7]), Length { offset: 4, expected: 6, actual: 8 });
        let huge = CommandApdu::new(0, 0, 0, 0).with_data(vec![0; 65536]);
        assert_eq!(huge.to_bytes(), Err(TooMuchData { actual: 65536 }));
    }

    #[test]
    fn a_small_buffer_is_left_alone() {
        let mut out = [0xEE; 5];
        let error = CommandApdu::new(1, 2, 3, 4).with_data([9, 9]).as_ref().encode(&mut out).unwrap_err();
        assert_eq!(error, CommandError::BufferTooSmall { needed: 7, available: 5 });
        assert_eq!(out, [0xEE; 5]);
    }

    #[test]
    fn debug_shows_no_data() {
        let text = format!("{:?}", CommandApdu::new(0x84, 0xD4, 1, 0).with_data([0xAB; 16]));
        assert_eq!(text, "CommandApdu(84 D4 01 00, Nc 16, Ne 0)");
    }

    proptest! {
        #[test]
        fn what_is_coded_is_read_back(
            head: [u8; 4], data in prop::collection::vec(any::<u8>(), 0..600), ne in 0u32..=65536, extended: bool,
        ) {
            let [cla, ins, p1, p2] = head;
            let form = if extended { LengthForm::Extended } else { LengthForm::Shortest };
            let command = CommandApduRef {
                cla: Class(cla), ins: Instruction(ins), p1, p2, data: &data, ne: Ne(ne), form,
            };
            let coded = command.to_bytes().unwrap();
            prop_assert_eq!(coded.len(), command.encoded_len());
            let read = CommandApduRef::parse(&coded).unwrap();
            prop_assert_eq!((read.data, read.ne, read.is_extended()), (&data[..], Ne(ne), command.is_extended()));
            prop_assert_eq!(read.to_bytes().unwrap(), coded);
        }

        #[test]
        fn what_is_read_is_coded_back(coded in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(command) = CommandApduRef::parse(&coded) {
                prop_assert_eq!(command.to_bytes().unwrap(), coded);
            }
        }
    }
}
