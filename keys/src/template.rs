use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::KeyPurpose;

/// The most elements of a template.
const MAX_ELEMENTS: usize = 48;

/// A derivation in words, for schemes that have no name: what is enciphered or authenticated under the master key.
///
/// Elements, with spaces between them: two hexadecimal digits are a byte; `kdd` are all ten bytes of the key diversification data,
/// `kdd[4]` one of them, `kdd[4..10]` those from the first number to before the second; `k` is the number of the key (01 Key-ENC,
/// 02 Key-MAC, 03 Key-DEK); `i` counts the blocks of the derived key from 01.
///
/// Under a triple DES master key the 16 bytes are enciphered with ECB. Under an AES master key CMACs over the bytes are put one after
/// the other until the key is full; a key of more than 16 bytes needs an `i`.
///
/// ```
/// use cardwright_keys::Template;
///
/// let emv: Template = "kdd[4..10] F0 k kdd[4..10] 0F k".parse()?;
/// assert_eq!(emv.to_string(), "kdd[4..10] F0 k kdd[4..10] 0F k");
/// assert!("kdd[4..11]".parse::<Template>().is_err());
/// # Ok::<(), cardwright_keys::TemplateError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Template {
    elements: [Element; MAX_ELEMENTS],
    count: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Element {
    Byte(u8),
    /// Bytes of the key diversification data, from and to before.
    Data(u8, u8),
    Key,
    Block,
}

/// A text is no template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the template has {what} at offset {offset}: bytes in hexadecimal, kdd, kdd[4], kdd[4..10], k and i are known")]
pub struct TemplateError {
    /// What is there.
    pub what: &'static str,
    /// Where, in bytes from the start of the text.
    pub offset: usize,
}

impl Template {
    /// The bytes for one key; `block` counts from 1.
    pub(crate) fn data(&self, kdd: &[u8; 10], purpose: KeyPurpose, block: u8) -> alloc::vec::Vec<u8> {
        let mut out = alloc::vec::Vec::new();
        for element in &self.elements[..self.count] {
            match element {
                Element::Byte(byte) => out.push(*byte),
                Element::Data(from, to) => out.extend_from_slice(&kdd[usize::from(*from)..usize::from(*to)]),
                Element::Key => out.push(purpose as u8),
                Element::Block => out.push(block),
            }
        }
        out
    }

    /// Whether the blocks of a derived key differ.
    pub(crate) fn counts_blocks(&self) -> bool {
        self.elements[..self.count].contains(&Element::Block)
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut template = Self { elements: [Element::Key; MAX_ELEMENTS], count: 0 };
        let mut offset = 0;
        for word in text.split(' ') {
            let at = offset;
            offset += word.len() + 1;
            if word.is_empty() {
                continue;
            }
            let wrong = |what| TemplateError { what, offset: at };
            let element = match word {
                "k" => Element::Key,
                "i" => Element::Block,
                "kdd" => Element::Data(0, 10),
                _ => match word.strip_prefix("kdd[").and_then(|rest| rest.strip_suffix(']')) {
                    Some(range) => range_of(range).ok_or_else(|| wrong("bytes that the ten of kdd are not"))?,
                    None => Element::Byte(byte(word).ok_or_else(|| wrong("an unknown word"))?),
                },
            };
            let place = template.elements.get_mut(template.count).ok_or_else(|| wrong("too many elements"))?;
            *place = element;
            template.count += 1;
        }
        match template.count {
            0 => Err(TemplateError { what: "nothing", offset: 0 }),
            _ => Ok(template),
        }
    }
}

fn byte(word: &str) -> Option<u8> {
    let is_hex = word.len() == 2 && word.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_hex { u8::from_str_radix(word, 16).ok() } else { None }
}

fn range_of(range: &str) -> Option<Element> {
    let number =
        |text: &str| if text.bytes().all(|digit| digit.is_ascii_digit()) { text.parse::<u8>().ok() } else { None };
    let (from, to) = match range.split_once("..") {
        Some((from, to)) => (number(from)?, number(to)?),
        None => (number(range)?, number(range)?.checked_add(1)?),
    };
    (from < to && to <= 10).then_some(Element::Data(from, to))
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, element) in self.elements[..self.count].iter().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            match element {
                Element::Byte(byte) => write!(f, "{byte:02X}")?,
                Element::Data(0, 10) => f.write_str("kdd")?,
                Element::Data(from, to) if from + 1 == *to => write!(f, "kdd[{from}]")?,
                Element::Data(from, to) => write!(f, "kdd[{from}..{to}]")?,
                Element::Key => f.write_str("k")?,
                Element::Block => f.write_str("i")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Diversification, KeyValue};
    use alloc::string::ToString;

    #[test]
    fn what_is_no_template_is_refused_with_the_place() {
        for (text, offset) in [
            ("", 0),
            ("kdd[0..10] G0", 11),
            ("F0 kdd[3..3]", 3),
            ("F0  kdd[9..11]", 4),
            ("kdd[+1]", 0),
            ("F", 0),
            ("+F", 0),
            ("kdd[1..2", 0),
        ] {
            assert_eq!(text.parse::<Template>().unwrap_err().offset, offset, "{text:?}");
        }
        assert!("00 ".repeat(49).parse::<Template>().is_err());
        assert!("00 ".repeat(48).parse::<Template>().is_ok());
    }

    #[test]
    fn the_named_schemes_can_be_said_as_templates() {
        let kdd = [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09];
        let (tdes, aes) = (KeyValue::new(&[0x4A; 16]).unwrap(), KeyValue::new(&[0x4B; 32]).unwrap());
        for purpose in [KeyPurpose::Enc, KeyPurpose::Mac, KeyPurpose::Dek] {
            for (text, named, master) in [
                ("kdd[4..10] F0 k kdd[4..10] 0F k", Diversification::Emv { kdd, purpose }, &tdes),
                ("kdd[0..2] kdd[4..8] F0 k kdd[0..2] kdd[4..8] 0F k", Diversification::Visa2 { kdd, purpose }, &tdes),
                (
                    "kdd[0..4] kdd[8..10] F0 k kdd[0..4] kdd[8] kdd[9] 0F k",
                    Diversification::Visa { kdd, purpose },
                    &tdes,
                ),
                ("i 00 00 00 k 00 kdd", Diversification::Kdf3 { kdd, purpose }, &aes),
            ] {
                let template: Template = text.parse().unwrap();
                assert_eq!(template.to_string().parse::<Template>().unwrap(), template);
                let kind = named.kind();
                let said = Diversification::Template { template, kind, kdd, purpose };
                assert!(said.apply(master).unwrap().is_equal(&named.apply(master).unwrap()), "{text} {purpose:?}");
            }
        }
    }

    #[test]
    fn a_template_that_does_not_fill_the_key_is_refused() {
        let (kdd, purpose) = ([1; 10], KeyPurpose::Enc);
        let apply = |text: &str, kind, master: &[u8]| {
            let template = text.parse().unwrap();
            Diversification::Template { template, kind, kdd, purpose }.apply(&KeyValue::new(master).unwrap())
        };
        use crate::KeyKind::{Aes, Tdes};
        assert!(apply("kdd F0 k", Tdes, &[7; 16]).is_err(), "12 bytes");
        assert!(apply("kdd F0 k F0 F0 F0 F0", Tdes, &[7; 8]).is_err(), "a single DES key");
        assert!(apply("kdd k", Aes, &[7; 24]).is_err(), "two equal blocks");
        assert!(apply("kdd k", Aes, &[7; 16]).is_ok());
    }
}
