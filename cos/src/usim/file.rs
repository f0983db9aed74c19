use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use cardwright_apdu::tlv::{self, Tag};

use super::error::SimError;
use super::field::FieldError;

/// Where a file is: identifiers from the master file on, which itself is left out. `7FFF` is the application that was selected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FilePath(Vec<u16>);

impl FilePath {
    /// The master file.
    pub(crate) const MASTER_FILE: u16 = 0x3F00;
    /// The application that was selected.
    pub(crate) const APPLICATION: u16 = 0x7FFF;

    /// A file by the identifiers on the way to it.
    #[must_use]
    pub fn new(identifiers: &[u16]) -> Self {
        let rest = identifiers.strip_prefix(&[Self::MASTER_FILE]).unwrap_or(identifiers);
        Self(rest.to_vec())
    }

    /// The identifiers.
    #[must_use]
    pub fn identifiers(&self) -> &[u16] {
        &self.0
    }

    /// The directory and the file in it; the master file has none.
    pub(crate) fn split(&self) -> (&[u16], Option<u16>) {
        match self.0.split_last() {
            Some((file, directory)) => (directory, Some(*file)),
            None => (&[], None),
        }
    }

    /// Whether it is in the application that was selected.
    #[must_use]
    pub fn is_in_application(&self) -> bool {
        self.0.first() == Some(&Self::APPLICATION)
    }
}

impl FromStr for FilePath {
    type Err = FieldError;

    /// Identifiers of four hexadecimal digits, `/` between them: `3F00/7F20/6F07` or `7F20/6F07`. Four at most.
    fn from_str(text: &str) -> Result<Self, FieldError> {
        let mut identifiers = Vec::new();
        let mut offset = 0;
        for part in text.split('/') {
            let is_hex = part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            let identifier = u16::from_str_radix(part, 16).ok().filter(|_| is_hex);
            identifiers
                .push(identifier.ok_or_else(|| FieldError::character("path", "a file identifier as 6F07", offset))?);
            offset += part.chars().count() + 1;
        }
        let path = Self::new(&identifiers);
        if path.0.is_empty() || path.0.len() > 4 || path.0.contains(&Self::MASTER_FILE) {
            return Err(FieldError::length("path", "one to four files below the master file", path.0.len()));
        }
        Ok(path)
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_in_application() {
            f.write_str("3F00")?;
        }
        for (n, identifier) in self.0.iter().enumerate() {
            let slash = if n == 0 && self.is_in_application() { "" } else { "/" };
            write!(f, "{slash}{identifier:04X}")?;
        }
        Ok(())
    }
}

/// How a file is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// MF, DF or ADF.
    Directory,
    /// A sequence of bytes.
    Transparent {
        /// Length, in bytes.
        size: usize,
    },
    /// Records of the same length.
    LinearFixed {
        /// Length of each, in bytes.
        record: usize,
        /// How many there are.
        count: usize,
    },
    /// Records of the same length, the newest first.
    Cyclic {
        /// Length of each, in bytes.
        record: usize,
        /// How many there are.
        count: usize,
    },
}

/// What a card says of a file when it is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileInformation {
    /// Its identifier, where the card tells it.
    pub identifier: Option<u16>,
    /// How it is made up.
    pub structure: Structure,
}

const SELECT: &str = "SELECT";

impl FileInformation {
    /// Takes file control parameters of a UICC (TS 102 221 11.1.1.3): `62 { 82 descriptor, 80 size, 83 identifier .. }`, or file
    /// control information with the same objects in it (`6F`, ISO 7816-4 7.4.3). Where a file of records does not say how many there
    /// are, its size does.
    ///
    /// # Errors
    /// [`SimError::Answer`] names what is missing and where.
    pub fn parse_fcp(fcp: &[u8]) -> Result<Self, SimError> {
        let wrong = |expected, offset| SimError::Answer { command: SELECT, expected, offset, actual: fcp.len() };
        let template = tlv::Reader::new(fcp).read().ok().flatten();
        let template = template.filter(|object| matches!(object.tag, Tag(0x62 | 0x6F)));
        let template = template.ok_or_else(|| wrong("an FCP template (62)", 0))?;
        let find = |tag| {
            let object = template.children().find(Tag(tag));
            object.map_err(|error| wrong("whole data objects", error.offset()))
        };
        let descriptor = find(0x82)?.ok_or_else(|| wrong("a file descriptor (82)", template.offset))?;
        let at = descriptor.offset;
        let identifier = find(0x83)?.map(|object| object.value);
        let identifier = match identifier {
            None => None,
            Some(&[hi, lo]) => Some(u16::from_be_bytes([hi, lo])),
            Some(_) => return Err(wrong("a file identifier of 2 bytes (83)", at)),
        };
        let size = || {
            let object = find(0x80)?.ok_or_else(|| wrong("a file size (80)", template.offset))?;
            match object.value {
                [] => Err(wrong("a file size of 1 to 4 bytes (80)", object.offset)),
                value if value.len() > 4 => Err(wrong("a file size of 1 to 4 bytes (80)", object.offset)),
                value => Ok(value.iter().fold(0, |size: usize, byte| size << 8 | usize::from(*byte))),
            }
        };
        // Length of a record in one byte or two, and their number in none, one or two (ISO 7816-4, table 12).
        let records = || {
            let two = |hi: u8, lo: u8| usize::from(u16::from_be_bytes([hi, lo]));
            let (record, count) = match *descriptor.value {
                [_, _, record] => (usize::from(record), None),
                [_, _, hi, lo] => (two(hi, lo), None),
                [_, _, hi, lo, count] => (two(hi, lo), Some(usize::from(count))),
                [_, _, hi, lo, count_hi, count_lo] => (two(hi, lo), Some(two(count_hi, count_lo))),
                _ => return Err(wrong("a file descriptor with the length of a record (82)", at)),
            };
            let count = match count {
                _ if record == 0 => 0,
                Some(count) => count,
                None => size()? / record,
            };
            if count == 0 { Err(wrong("records that have a length (82)", at)) } else { Ok((record, count)) }
        };
        // Bits 1 to 3 tell the structure, 4 to 6 the type (TS 102 221 11.1.1.4.3).
        let structure = match descriptor.value.first() {
            None => return Err(wrong("a file descriptor (82)", at)),
            Some(byte) if byte & 0xBF == 0x38 => Structure::Directory,
            Some(byte) => match byte & 0x07 {
                1 => Structure::Transparent { size: size()? },
                2 => records().map(|(record, count)| Structure::LinearFixed { record, count })?,
                6 => records().map(|(record, count)| Structure::Cyclic { record, count })?,
                _ => return Err(wrong("a structure that the standard knows (82)", at)),
            },
        };
        Ok(Self { identifier, structure })
    }

    /// Takes the response data of a SIM to SELECT (TS 51.011 9.2.1): size at 2, identifier at 4, type at 6, structure at 13, record
    /// length at 14. A UICC that takes the class of a SIM may answer as a UICC.
    ///
    /// # Errors
    /// [`SimError::Answer`] names what is missing and where.
    pub fn parse_gsm(answer: &[u8]) -> Result<Self, SimError> {
        if let Some(0x62 | 0x6F) = answer.first() {
            return Self::parse_fcp(answer);
        }
        let wrong =
            |expected, offset| SimError::Answer { command: "GET RESPONSE", expected, offset, actual: answer.len() };
        let &[_, _, size_hi, size_lo, id_hi, id_lo, kind, ..] = answer else {
            return Err(wrong("what a SIM says of a file", answer.len()));
        };
        let identifier = Some(u16::from_be_bytes([id_hi, id_lo]));
        let size = usize::from(u16::from_be_bytes([size_hi, size_lo]));
        let structure = match kind {
            1 | 2 => return Ok(Self { identifier, structure: Structure::Directory }),
            4 => *answer.get(13).ok_or_else(|| wrong("the structure of the file", 13))?,
            _ => return Err(wrong("a type of file that the standard knows", 6)),
        };
        let records = || match usize::from(answer.get(14).copied().unwrap_or(0)) {
            0 => Err(wrong("the length of a record", 14)),
            record if size % record != 0 || size == 0 => Err(wrong("a size of whole records", 2)),
            record => Ok((record, size / record)),
        };
        let structure = match structure {
            0 => Structure::Transparent { size },
            1 => records().map(|(record, count)| Structure::LinearFixed { record, count })?,
            3 => records().map(|(record, count)| Structure::Cyclic { record, count })?,
            _ => return Err(wrong("a structure that the standard knows", 13)),
        };
        Ok(Self { identifier, structure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn fcp(digits: &str) -> Result<FileInformation, SimError> {
        FileInformation::parse_fcp(&hex::decode(digits).unwrap())
    }

    #[test]
    fn paths_are_written_as_the_standard_does() {
        let path: FilePath = "3F00/7F20/6F07".parse().unwrap();
        assert_eq!((path.to_string(), path.identifiers()), ("3F00/7F20/6F07".into(), &[0x7F20, 0x6F07][..]));
        assert_eq!("7FFF/6F07".parse::<FilePath>().unwrap().to_string(), "7FFF/6F07");
        for wrong in ["", "3F00", "7F20/", "7F2", "7F20/6F0G", "+F20", "7F20/3F00", "1/2", "0001/0002/0003/0004/0005"] {
            assert!(wrong.parse::<FilePath>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_uicc_tells_structure_and_lengths() {
        let imsi = fcp("62148202412183026F07A503C001008A010580020009").unwrap();
        assert_eq!((imsi.identifier, imsi.structure), (Some(0x6F07), Structure::Transparent { size: 9 }));
        let msisdn = fcp("620F82054221001A0383026F408002004E").unwrap();
        assert_eq!(msisdn.structure, Structure::LinearFixed { record: 26, count: 3 });
        assert_eq!(fcp("62088202782183027F20").unwrap().structure, Structure::Directory);
        for wrong in ["", "62", "6F00", "6200", "62028200", "620482024121", "620782054221000003", "6206820241218000"] {
            assert!(matches!(fcp(wrong), Err(SimError::Answer { .. })), "{wrong}");
        }
    }

    #[test]
    fn a_sim_tells_them_at_fixed_places() {
        let answer = |digits: &str| FileInformation::parse_gsm(&hex::decode(digits).unwrap());
        let msisdn = answer("0000004E6F40040011F0220102011A").unwrap();
        assert_eq!(
            (msisdn.identifier, msisdn.structure),
            (Some(0x6F40), Structure::LinearFixed { record: 26, count: 3 })
        );
        assert_eq!(answer("000000096F07040014F01401020000").unwrap().structure, Structure::Transparent { size: 9 });
        assert_eq!(answer("000000007F2002").unwrap().structure, Structure::Directory);
        for wrong in ["", "000000096F0704", "000000096F07040014F0140102011A", "000000096F070900"] {
            assert!(answer(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn reading_is_total(answer in prop::collection::vec(any::<u8>(), 0..40), text in ".{0,24}") {
            let _ = FileInformation::parse_fcp(&answer);
            let _ = FileInformation::parse_gsm(&answer);
            let mut template = alloc::vec![0x62, answer.len() as u8];
            template.extend_from_slice(&answer);
            let _ = FileInformation::parse_fcp(&template);
            let _ = text.parse::<FilePath>();
        }
    }
}
