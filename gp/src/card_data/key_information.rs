use alloc::vec::Vec;

use cardwright_apdu::tlv::{self, DataObject, Reader, Tag};

use super::KEY_INFORMATION;

/// One key as the key information template shows it (GPCS 2.3.1 tables 11-28 and 11-29).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInformation {
    /// Key identifier.
    pub kid: u8,
    /// Key version number.
    pub kvn: u8,
    /// Components: type and length in bytes (`0x80` DES, `0x88` AES). Length 0 is 256 or more, or not told; of an ECC parameter
    /// reference (`0xF0`) it is the reference.
    pub components: Vec<(u8, u16)>,
    /// Key usage qualifier (GPCS 2.3.1 11.1.9), where the card tells it.
    pub usage: Option<u8>,
    /// Key access (GPCS 2.3.1 11.1.10), where the card tells it.
    pub access: Option<u8>,
}

impl KeyInformation {
    /// Takes the answer to GET DATA E0; keys that cannot be read are left out.
    #[must_use]
    pub fn parse(answer: &[u8]) -> Vec<Self> {
        let level = tlv::find(answer, KEY_INFORMATION).map_or(answer, |object| object.value);
        Reader::new(level).map_while(Result::ok).filter(|object| object.tag == Tag(0xC0)).filter_map(key).collect()
    }

    /// Type of the first component in words.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.components.first() {
            Some((0x80..=0x84, _)) => "DES",
            Some((0x88, _)) => "AES",
            Some((0xA0..=0xA8, _)) => "RSA",
            Some((0xB0..=0xB8, _)) => "EC",
            _ => "other",
        }
    }
}

fn key(object: DataObject<'_>) -> Option<KeyInformation> {
    let [kid, kvn, rest @ ..] = object.value else { return None };
    let mut rest = rest;
    let mut components = Vec::new();
    // Extended format: types and lengths of two bytes, then usage and access (GPCS 2.3.1 table 11-29).
    while let [0xFF, kind, high, low, next @ ..] = rest {
        components.push((*kind, u16::from_be_bytes([*high, *low])));
        rest = next;
    }
    let (mut usage, mut access) = (None, None);
    if components.is_empty() {
        while let [kind, length, next @ ..] = rest {
            components.push((*kind, (*length).into()));
            rest = next;
        }
    } else {
        for field in [&mut usage, &mut access] {
            let Some((length, next)) = rest.split_first() else { break };
            let Some((value, next)) = next.split_at_checked((*length).into()) else { break };
            *field = value.first().copied();
            rest = next;
        }
    }
    Some(KeyInformation { kid: *kid, kvn: *kvn, components, usage, access })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<KeyInformation> {
        KeyInformation::parse(&hex::decode(text).unwrap())
    }

    #[test]
    fn keys_with_several_components() {
        let keys = parse("E020C00401018820C00402018820C00403018820C0060170A180A003C00401718010");
        assert_eq!(keys.len(), 5);
        assert_eq!(
            (keys[0].kind(), keys[3].kvn, keys[3].components.as_slice()),
            ("AES", 0x70, &[(0xA1, 128), (0xA0, 3)][..])
        );
    }

    #[test]
    fn the_extended_format_ends_with_usage_and_access() {
        let of = |text: &str| {
            let keys = parse(text);
            (keys[0].components.clone(), keys[0].usage, keys[0].access)
        };
        assert_eq!(of("C0060102FF880010"), (alloc::vec![(0x88, 16)], None, None));
        assert_eq!(of("C00A0102FF88001001180100"), (alloc::vec![(0x88, 16)], Some(0x18), Some(0x00)));
        assert_eq!(of("C00C0173FFA10100FFA000030000"), (alloc::vec![(0xA1, 256), (0xA0, 3)], None, None));
        assert_eq!(of("C0080173FFB000400101"), (alloc::vec![(0xB0, 64)], Some(0x01), None));
    }

    #[test]
    fn empty_templates_and_zero_lengths_are_read() {
        assert!(parse("E000").is_empty() && parse("").is_empty() && parse("E003C00101").is_empty());
        assert_eq!(parse("E004C0020101")[0].components, []);
        assert_eq!(parse("E006C0040170A100")[0].components, [(0xA1, 0)]);
        // A type without its length.
        assert_eq!(parse("E007C0050101801088")[0].components, [(0x80, 16)]);
    }
}
