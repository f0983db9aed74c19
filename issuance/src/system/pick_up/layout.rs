//! A student's fields as a card holds them: fields of fixed length in a stated order and encoding, filled up with zeros.
//!
//! | field | bytes |
//! |---|---|
//! | version of the layout: 01 UTF-8, 02 GBK | 1 |
//! | province | 24 |
//! | school | 64 |
//! | class | 24 |
//! | name | 48 |
//! | student number | 32 |
//!
//! The card's own number is not in it: it is the card's, and is read first.

use encoding_rs::GBK;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::system::pick_up::application::{Field, StudentFields};

/// Length of the file, in bytes.
pub const LENGTH: usize = 1 + 24 + 64 + 24 + 48 + 32;

/// How text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Version 01.
    Utf8,
    /// Version 02, for terminals that know no other.
    Gbk,
}

/// A field that cannot be written to a card, or a file that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// It does not fit.
    #[error("{field:?} has {length} bytes in this encoding; the card has room for {room}")]
    TooLong {
        /// Which.
        field: Field,
        /// Its length.
        length: usize,
        /// What there is room for.
        room: usize,
    },
    /// A character that the encoding does not have.
    #[error("{field:?} has a character that the encoding does not have")]
    Character {
        /// Which.
        field: Field,
    },
    /// Not the length of the file.
    #[error("{length} bytes where the file has {LENGTH}")]
    Length {
        /// How many there are.
        length: usize,
    },
    /// A version that is not known.
    #[error("version {version:02X} of the layout is not known")]
    Version {
        /// Which.
        version: u8,
    },
    /// Bytes that are no text in the encoding.
    #[error("{field:?} is no text in this encoding")]
    Text {
        /// Which.
        field: Field,
    },
}

fn room(field: Field) -> usize {
    match field {
        Field::Province | Field::Class => 24,
        Field::School => 64,
        Field::Name => 48,
        Field::Number => 32,
    }
}

/// The bytes of the file.
///
/// # Errors
/// [`LayoutError`] names the first field that cannot be written; nothing is cut off.
pub fn encode(fields: &StudentFields, encoding: Encoding) -> Result<Zeroizing<Vec<u8>>, LayoutError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH));
    bytes.push(match encoding {
        Encoding::Utf8 => 1,
        Encoding::Gbk => 2,
    });
    for field in Field::ALL {
        let text = fields.get(field);
        let written = match encoding {
            Encoding::Utf8 => Zeroizing::new(text.as_bytes().to_vec()),
            Encoding::Gbk => {
                let (written, _, replaced) = GBK.encode(text);
                let written = Zeroizing::new(written.into_owned());
                if replaced {
                    return Err(LayoutError::Character { field });
                }
                written
            }
        };
        let (length, room) = (written.len(), room(field));
        // A zero is what ends a field.
        if written.contains(&0) {
            return Err(LayoutError::Character { field });
        }
        if length > room {
            return Err(LayoutError::TooLong { field, length, room });
        }
        bytes.extend_from_slice(&written);
        let filled = bytes.len() + room - length;
        bytes.resize(filled, 0);
    }
    Ok(bytes)
}

/// Reads the file back.
///
/// # Errors
/// [`LayoutError`].
pub fn decode(bytes: &[u8]) -> Result<StudentFields, LayoutError> {
    let length = bytes.len();
    let [version, rest @ ..] = bytes else { return Err(LayoutError::Length { length }) };
    if length != LENGTH {
        return Err(LayoutError::Length { length });
    }
    let is_gbk = match version {
        1 => false,
        2 => true,
        version => return Err(LayoutError::Version { version: *version }),
    };
    let mut rest = rest;
    let mut next = |field| {
        let (cell, after) = rest.split_at(room(field));
        rest = after;
        let text = &cell[..cell.iter().position(|byte| *byte == 0).unwrap_or(cell.len())];
        let text = if is_gbk {
            GBK.decode_without_bom_handling_and_without_replacement(text).map(|text| text.into_owned())
        } else {
            std::str::from_utf8(text).ok().map(String::from)
        };
        text.ok_or(LayoutError::Text { field })
    };
    Ok(StudentFields {
        province: next(Field::Province)?,
        school: next(Field::School)?,
        class: next(Field::Class)?,
        name: next(Field::Name)?,
        number: next(Field::Number)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields() -> StudentFields {
        let [province, school, class, name, number] =
            ["浙江", "第一中学", "3-2", "王小明", "20260017"].map(String::from);
        StudentFields { province, school, class, name, number }
    }

    #[test]
    fn fields_stand_where_the_table_says() {
        for (encoding, version, name) in [
            (Encoding::Utf8, 1, "王小明".as_bytes()),
            // GB 2312: 王 CDF5, 小 D0A1, 明 C3F7.
            (Encoding::Gbk, 2, &[0xCD, 0xF5, 0xD0, 0xA1, 0xC3, 0xF7]),
        ] {
            let bytes = encode(&fields(), encoding).unwrap();
            assert_eq!((bytes.len(), bytes[0]), (LENGTH, version));
            let cell = &bytes[1 + 24 + 64 + 24..][..48];
            assert_eq!((&cell[..name.len()], cell[name.len()]), (name, 0));
            assert_eq!(decode(&bytes).unwrap(), fields());
        }
    }

    #[test]
    fn nothing_is_cut_off_or_replaced() {
        let mut long = fields();
        long.name = "王".repeat(17);
        let too_long = LayoutError::TooLong { field: Field::Name, length: 51, room: 48 };
        assert_eq!(encode(&long, Encoding::Utf8).unwrap_err(), too_long);
        assert!(encode(&long, Encoding::Gbk).is_ok());
        let mut strange = fields();
        strange.class = "😀".into();
        assert_eq!(encode(&strange, Encoding::Gbk).unwrap_err(), LayoutError::Character { field: Field::Class });
        strange.class = "a\0b".into();
        assert_eq!(encode(&strange, Encoding::Utf8).unwrap_err(), LayoutError::Character { field: Field::Class });
    }

    #[test]
    fn a_file_that_is_none_is_told() {
        let good = encode(&fields(), Encoding::Utf8).unwrap();
        assert_eq!(decode(&[]).unwrap_err(), LayoutError::Length { length: 0 });
        assert_eq!(decode(&good[1..]).unwrap_err(), LayoutError::Length { length: LENGTH - 1 });
        let mut bytes = good.to_vec();
        bytes[0] = 3;
        assert_eq!(decode(&bytes).unwrap_err(), LayoutError::Version { version: 3 });
        (bytes[0], bytes[1]) = (1, 0xFF);
        assert_eq!(decode(&bytes).unwrap_err(), LayoutError::Text { field: Field::Province });
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(version in 0_u8..4, bytes in prop::collection::vec(any::<u8>(), LENGTH - 1)) {
            let _ = decode(&[&[version][..], &bytes].concat());
        }
    }
}
