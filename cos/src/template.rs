//! Commands as templates: bytes, and places for what changes.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use cardwright_apdu::{CommandApdu, Ne};
use thiserror::Error;
use zeroize::Zeroize;

/// A command with places for what changes from call to call, as text:
///
/// ```text
/// 00 B2 {record} {sfi<<3|04} -> {length}
/// ```
///
/// Hexadecimal digits stand for themselves, spaces for nothing. `{name}` is one byte in the header and any number of bytes in
/// the data field; `{name:2}` is two bytes. In the header a byte can be shifted and have bits set. Behind `->` stands the
/// number of bytes expected, `00` for all there are. Lc is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandTemplate {
    header: Vec<Item>,
    data: RecordTemplate,
    ne: NeRule,
}

/// A data field, or a part of one, with places for what changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordTemplate(Vec<Item>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Byte(u8),
    Field { name: String, length: Option<usize>, shift: u32, set: u8 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum NeRule {
    None,
    Number(u16),
    Field(String),
}

/// A text is no template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// Something that is neither hexadecimal nor a place.
    #[error("{found:?} at character {at} is neither two hexadecimal digits nor a {{place}}")]
    Text {
        /// Position, from 1.
        at: usize,
        /// What stands there.
        found: String,
    },
    /// A place for something that this command does not have.
    #[error("there is no field {name:?} here; there are {known}")]
    UnknownField {
        /// The name.
        name: String,
        /// Names that would do.
        known: String,
    },
    /// CLA, INS, P1 and P2 do not come to four bytes.
    #[error("CLA INS P1 P2 have four bytes, here are {actual}")]
    Header {
        /// How many there are.
        actual: usize,
    },
    /// More data than a command takes.
    #[error("the data field has {actual} bytes at least, {limit} fit")]
    DataLength {
        /// Fewest bytes.
        actual: usize,
        /// The most that fit.
        limit: usize,
    },
}

/// A command could not be made of a template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A field that the template needs was not given.
    #[error("field {field:?} is missing")]
    Missing {
        /// Its name.
        field: String,
    },
    /// A field has another length than the template has room for.
    #[error("field {field:?} has {actual} bytes, {expected} are needed")]
    Length {
        /// Its name.
        field: String,
        /// What the template wants, in bytes.
        expected: usize,
        /// What was given, in bytes.
        actual: usize,
    },
    /// A number does not fit into its place in the header.
    #[error("field {field:?}: {value:02X} does not fit")]
    Range {
        /// Its name.
        field: String,
        /// The number.
        value: u8,
    },
    /// The data field is longer than the card takes.
    #[error("{actual} bytes of data, the card takes {limit}")]
    DataLength {
        /// Length, in bytes.
        actual: usize,
        /// The most, in bytes.
        limit: usize,
    },
}

/// What goes into the places of a template, by name. Wiped on drop, since keys and PINs are among it.
#[derive(Clone, Default)]
pub struct Fields(BTreeMap<String, Vec<u8>>);

impl Fields {
    /// No fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With this field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let Some(mut before) = self.0.insert(name.to_owned(), value.as_ref().to_vec()) {
            before.zeroize();
        }
        self
    }

    /// With this field of one byte.
    #[must_use]
    pub fn byte(self, name: &str, value: u8) -> Self {
        self.with(name, [value])
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What they are, in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    fn find(&self, name: &str) -> Result<&[u8], BuildError> {
        self.0.get(name).map(Vec::as_slice).ok_or_else(|| BuildError::Missing { field: name.to_owned() })
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        self.0.values_mut().for_each(Zeroize::zeroize);
    }
}

impl core::fmt::Debug for Fields {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl CommandTemplate {
    /// Reads a template whose places have to be among these fields.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn parse(text: &str, fields: &[&str]) -> Result<Self, TemplateError> {
        let (command, expected) = match text.split_once("->") {
            Some((command, expected)) => (command, Some((command.chars().count() + 2, expected))),
            None => (text, None),
        };
        let mut items = parse_items(command, 0, fields)?;
        let mut taken = 0;
        let mut count = 0;
        for item in &mut items {
            if taken >= 4 {
                break;
            }
            if let Item::Field { length: length @ None, .. } = item {
                *length = Some(1);
            }
            taken += item.least();
            count += 1;
        }
        if taken != 4 {
            return Err(TemplateError::Header { actual: taken });
        }
        let data = RecordTemplate(items.split_off(count));
        let actual = data.0.iter().map(Item::least).sum();
        if actual > 255 {
            return Err(TemplateError::DataLength { actual, limit: 255 });
        }
        let ne = match expected {
            None => NeRule::None,
            Some((from, expected)) => match &parse_items(expected, from, fields)?[..] {
                [Item::Byte(0)] => NeRule::Number(256),
                [Item::Byte(number)] => NeRule::Number((*number).into()),
                [Item::Field { name, length: None, shift: 0, set: 0 }] => NeRule::Field(name.clone()),
                _ => return Err(TemplateError::Text { at: from + 1, found: expected.trim().into() }),
            },
        };
        Ok(Self { header: items, data, ne })
    }

    /// The command with these fields. Fields that the template has no place for are left out.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(&self, fields: &Fields) -> Result<CommandApdu, BuildError> {
        let mut header = [0; 4];
        let mut bytes = Vec::new();
        for item in &self.header {
            item.put(fields, &mut bytes)?;
        }
        for (to, from) in header.iter_mut().zip(&bytes) {
            *to = *from;
        }
        let data = self.data.build(fields)?;
        if data.len() > 255 {
            return Err(BuildError::DataLength { actual: data.len(), limit: 255 });
        }
        let ne = match &self.ne {
            NeRule::None => 0,
            NeRule::Number(number) => *number,
            NeRule::Field(name) => match fields.find(name)? {
                [0] => 256,
                [number] => (*number).into(),
                other => return Err(BuildError::Length { field: name.clone(), expected: 1, actual: other.len() }),
            },
        };
        let [cla, ins, p1, p2] = header;
        Ok(CommandApdu::new(cla, ins, p1, p2).with_data(data).with_ne(Ne::new(ne.into()).unwrap_or_default()))
    }

    /// CLA and INS, where both are fixed.
    #[must_use]
    pub fn instruction(&self) -> Option<(u8, u8)> {
        match self.header[..] {
            [Item::Byte(cla), Item::Byte(ins), ..] => Some((cla, ins)),
            _ => None,
        }
    }
}

impl RecordTemplate {
    /// Reads a template whose places have to be among these fields.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn parse(text: &str, fields: &[&str]) -> Result<Self, TemplateError> {
        parse_items(text, 0, fields).map(Self)
    }

    /// The bytes with these fields.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(&self, fields: &Fields) -> Result<Vec<u8>, BuildError> {
        // A PIN or key is not copied about while the data grow.
        let mut bytes = Vec::with_capacity(256);
        for item in &self.0 {
            item.put(fields, &mut bytes)?;
        }
        Ok(bytes)
    }
}

impl Item {
    fn least(&self) -> usize {
        match self {
            Self::Byte(_) => 1,
            Self::Field { length, .. } => length.unwrap_or(0),
        }
    }

    fn put(&self, fields: &Fields, to: &mut Vec<u8>) -> Result<(), BuildError> {
        let (name, length, shift, set) = match self {
            Self::Byte(byte) => {
                to.push(*byte);
                return Ok(());
            }
            Self::Field { name, length, shift, set } => (name, length, *shift, *set),
        };
        let value = fields.find(name)?;
        if let Some(expected) = *length
            && value.len() != expected
        {
            return Err(BuildError::Length { field: name.clone(), expected, actual: value.len() });
        }
        if shift == 0 && set == 0 {
            to.extend_from_slice(value);
            return Ok(());
        }
        for byte in value {
            let shifted = byte << shift;
            if shifted >> shift != *byte || shifted & set != 0 {
                return Err(BuildError::Range { field: name.clone(), value: *byte });
            }
            to.push(shifted | set);
        }
        Ok(())
    }
}

fn parse_items(text: &str, from: usize, fields: &[&str]) -> Result<Vec<Item>, TemplateError> {
    let characters: Vec<char> = text.chars().collect();
    let mut items = Vec::new();
    let mut at = 0;
    while let Some(character) = characters.get(at) {
        let wrong = |end: usize| TemplateError::Text {
            at: from + at + 1,
            found: characters.get(at..end.min(characters.len())).unwrap_or_default().iter().collect(),
        };
        match character {
            ' ' => at += 1,
            '{' => {
                let end = characters[at..].iter().position(|c| *c == '}').ok_or_else(|| wrong(usize::MAX))? + at;
                let place: String = characters[at + 1..end].iter().collect();
                items.push(place_of(&place, fields).map_err(|error| error.unwrap_or_else(|| wrong(end + 1)))?);
                at = end + 1;
            }
            _ => {
                let digit =
                    |at: usize| characters.get(at).and_then(|c| c.to_digit(16)).and_then(|d| u8::try_from(d).ok());
                let (Some(high), Some(low)) = (digit(at), digit(at + 1)) else { return Err(wrong(at + 2)) };
                items.push(Item::Byte(high << 4 | low));
                at += 2;
            }
        }
    }
    Ok(items)
}

/// `name`, `name:2`, `name<<3|04`. No error text means that it is none of these.
fn place_of(place: &str, fields: &[&str]) -> Result<Item, Option<TemplateError>> {
    let (rest, set) = match place.split_once('|') {
        Some((rest, set)) => (rest, u8::from_str_radix(set, 16).map_err(|_| None)?),
        None => (place, 0),
    };
    let (rest, shift) = match rest.split_once("<<") {
        Some((rest, shift)) => (rest, shift.parse().ok().filter(|shift| *shift < 8).ok_or(None)?),
        None => (rest, 0),
    };
    let (name, length) = match rest.split_once(':') {
        Some((name, length)) => (name, Some(length.parse().ok().filter(|n| (1..=255).contains(n)).ok_or(None)?)),
        None => (rest, if shift > 0 || set > 0 { Some(1) } else { None }),
    };
    if !fields.contains(&name) {
        return Err(Some(TemplateError::UnknownField { name: name.to_owned(), known: fields.join(", ") }));
    }
    Ok(Item::Field { name: name.to_owned(), length, shift, set })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    const FIELDS: [&str; 4] = ["sfi", "record", "data", "length"];

    fn bytes(text: &str, fields: &Fields) -> String {
        hex::encode_upper(CommandTemplate::parse(text, &FIELDS).unwrap().build(fields).unwrap().to_bytes().unwrap())
    }

    #[test]
    fn places_are_filled_and_lengths_computed() {
        let fields = Fields::new().byte("sfi", 0x15).byte("record", 2).byte("length", 0).with("data", [1, 2, 3]);
        assert_eq!(bytes("00B0 {sfi|80} 00 -> {length}", &fields), "00B0950000");
        assert_eq!(bytes("00 B2 {record} {sfi<<3|04} -> 10", &fields), "00B202AC10");
        assert_eq!(bytes("00 D6 {sfi|80} 00 {data} FF", &fields), "00D6950004010203FF");
        assert_eq!(bytes("80 0E 00 00", &fields), "800E0000");
        assert_eq!(bytes("80 0E 00 00 -> 00", &fields), "800E000000");
    }

    #[test]
    fn what_is_no_template_is_refused_with_the_place() {
        for (text, said) in [
            ("00 B0 0", "\"0\" at character 7"),
            ("00 B0 00 0G", "\"0G\" at character 10"),
            ("00 B0 00 {sfi", "character 10"),
            ("00 B0 00 {sfi<<9}", "\"{sfi<<9}\" at character 10"),
            ("00 B0 00 {nothing}", "no field \"nothing\" here; there are sfi, record, data, length"),
            ("00 B0 00", "four bytes, here are 3"),
            ("00 B0 00 {sfi:2}", "four bytes, here are 5"),
            ("00 B0 00 00 -> 00 00", "character 15"),
            ("00 B0 00 00 {data:200} {data:200}", "400 bytes at least"),
        ] {
            let error = CommandTemplate::parse(text, &FIELDS).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let template = CommandTemplate::parse("00 B2 {record} {sfi<<3|04} {data:2}", &FIELDS).unwrap();
        let build = |fields: &Fields| template.build(fields).unwrap_err().to_string();
        let fields = Fields::new().byte("record", 1);
        assert!(build(&fields).contains("\"sfi\" is missing"));
        assert!(build(&fields.clone().byte("sfi", 0x20)).contains("20 does not fit"));
        let fields = fields.byte("sfi", 0x1F);
        assert!(build(&fields.clone().with("data", [1])).contains("has 1 bytes, 2 are needed"));
        let long = CommandTemplate::parse("00 D6 00 00 {data}", &FIELDS).unwrap();
        let error = long.build(&Fields::new().with("data", [0; 256])).unwrap_err();
        assert_eq!(error, BuildError::DataLength { actual: 256, limit: 255 });
        assert!(!alloc::format!("{fields:?}").contains("31"));
    }

    proptest! {
        #[test]
        fn reading_is_total(text in "[0-9A-F{}<|: a-z>-]{0,40}", data in prop::collection::vec(any::<u8>(), 0..5)) {
            if let Ok(template) = CommandTemplate::parse(&text, &FIELDS) {
                let _ = template.build(&Fields::new().with("data", &data).byte("sfi", 1));
            }
        }
    }
}
