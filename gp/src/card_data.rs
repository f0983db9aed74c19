//! What a card says of itself: CPLC, card recognition data, key information, FCI. Parsers keep what they can read.

use alloc::vec::Vec;
use core::fmt;

use cardwright_apdu::Aid;
use cardwright_apdu::tlv::{self, DataObject, Reader, Tag};

/// Tag of the Card Production Life Cycle data.
pub const CPLC: Tag = Tag(0x9F7F);
/// Tag of the card recognition data (GPCS 2.3.1 H.2).
pub const CARD_RECOGNITION_DATA: Tag = Tag(0x66);
/// Tag of the issuer identification number (GPCS 2.3.1 H.1).
pub const IIN: Tag = Tag(0x42);
/// Tag of the card image number (GPCS 2.3.1 H.1).
pub const CIN: Tag = Tag(0x45);
/// Tag of the key information template (GPCS 2.3.1 11.3.3.1).
pub const KEY_INFORMATION: Tag = Tag(0xE0);

/// Card Production Life Cycle data: 42 bytes that the makers of chip and card wrote. Dates are as the makers left them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cplc([u8; 42]);

impl Cplc {
    /// Takes the answer to GET DATA 9F7F, with its tag or without.
    #[must_use]
    pub fn parse(answer: &[u8]) -> Option<Self> {
        let value = tlv::find(answer, CPLC).map_or(answer, |object| object.value);
        value.first_chunk().copied().map(Self)
    }

    fn number(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.0[at], self.0[at + 1]])
    }

    /// IC fabricator.
    #[must_use]
    pub fn ic_fabricator(&self) -> u16 {
        self.number(0)
    }

    /// IC type.
    #[must_use]
    pub fn ic_type(&self) -> u16 {
        self.number(2)
    }

    /// Operating system.
    #[must_use]
    pub fn operating_system(&self) -> u16 {
        self.number(4)
    }

    /// Release date of the operating system, as its maker coded it.
    #[must_use]
    pub fn operating_system_date(&self) -> u16 {
        self.number(6)
    }

    /// Release level of the operating system.
    #[must_use]
    pub fn operating_system_level(&self) -> u16 {
        self.number(8)
    }

    /// Fabrication date of the IC: usually the last digit of the year and the day in it.
    #[must_use]
    pub fn ic_fabrication_date(&self) -> u16 {
        self.number(10)
    }

    /// Serial number of the IC; unique together with batch, date and type.
    #[must_use]
    pub fn ic_serial(&self) -> [u8; 4] {
        [self.0[12], self.0[13], self.0[14], self.0[15]]
    }

    /// Batch of the IC.
    #[must_use]
    pub fn ic_batch(&self) -> u16 {
        self.number(16)
    }

    /// What tells this chip from all others: fabricator, type, date, serial number and batch. `None` when the serial
    /// number was left blank, all 00 or all FF.
    #[must_use]
    pub fn identity(&self) -> Option<[u8; 12]> {
        let mut identity = [0; 12];
        identity[..4].copy_from_slice(&self.0[..4]);
        identity[4..].copy_from_slice(&self.0[10..18]);
        (self.ic_serial() != [0; 4] && self.ic_serial() != [0xFF; 4]).then_some(identity)
    }

    /// All 42 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 42] {
        &self.0
    }
}

impl fmt::Debug for Cplc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cplc({:04X} {:04X}, serial {:02X?})", self.ic_fabricator(), self.ic_type(), self.ic_serial())
    }
}

/// Card recognition data (GPCS 2.3.1 H.2): GlobalPlatform version and secure channel protocols.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardRecognitionData {
    /// GlobalPlatform version, as the numbers of its object identifier: `[2, 3, 1]`.
    pub version: Vec<u8>,
    /// Secure channel protocols and their `i`: `(0x03, 0x70)`.
    pub protocols: Vec<(u8, u8)>,
    /// The answer as it came.
    pub raw: Vec<u8>,
}

/// Object identifiers of GlobalPlatform begin with 1.2.840.114283.
const GP_OID: [u8; 6] = [0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B];

impl CardRecognitionData {
    /// Takes the answer to GET DATA 66: templates 66 and 73 in any nesting up to four, or none. What cannot be read is
    /// left out; the raw bytes are kept.
    #[must_use]
    pub fn parse(answer: &[u8]) -> Self {
        let mut data = Self { raw: answer.to_vec(), ..Self::default() };
        let mut level = answer;
        for _ in 0..4 {
            // Inside, tag 66 is the card configuration: only the first data object is a wrapper.
            match Reader::new(level).read() {
                Ok(Some(template)) if matches!(template.tag.0, 0x66 | 0x73) => level = template.value,
                _ => break,
            }
        }
        for object in Reader::new(level).map_while(Result::ok) {
            let Some(oid) = tlv::find(object.value, Tag(0x06)).and_then(|oid| gp_oid(oid.value)) else { continue };
            match (object.tag.0, oid) {
                (0x60, [0x02, version @ ..]) => data.version = version.to_vec(),
                (0x64, [0x04, protocol, i]) => data.protocols.push((*protocol, *i)),
                _ => {}
            }
        }
        data
    }

    /// `i` of a protocol.
    #[must_use]
    pub fn i_of(&self, protocol: u8) -> Option<u8> {
        self.protocols.iter().find(|(found, _)| *found == protocol).map(|(_, i)| *i)
    }
}

/// What follows the root of GlobalPlatform in an object identifier.
fn gp_oid(oid: &[u8]) -> Option<&[u8]> {
    oid.strip_prefix(&GP_OID)
}

/// One key as the key information template shows it (GPCS 2.3.1 table 11-30).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInformation {
    /// Key identifier.
    pub kid: u8,
    /// Key version number.
    pub kvn: u8,
    /// Components: type and length in bytes (`0x80` DES, `0x88` AES).
    pub components: Vec<(u8, u16)>,
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
    loop {
        match rest {
            // Extended format: FF, type and a length of two bytes (GPCS 2.3.1 table 11-31).
            [0xFF, kind, hi, lo, next @ ..] => {
                components.push((*kind, u16::from_be_bytes([*hi, *lo])));
                rest = next;
            }
            [kind, length, next @ ..] => {
                components.push((*kind, (*length).into()));
                rest = next;
            }
            _ => break,
        }
    }
    Some(KeyInformation { kid: *kid, kvn: *kvn, components })
}

/// What a security domain says when it is selected: its file control information (GPCS 2.3.1 11.9.3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileControlInformation {
    /// AID, from tag 84.
    pub aid: Option<Aid>,
    /// Longest command data field that the card takes, from tag 9F65; at most 255 counts.
    pub max_command_data: Option<usize>,
    /// The proprietary data, value of tag A5.
    pub proprietary: Vec<u8>,
    /// The answer as it came.
    pub raw: Vec<u8>,
}

impl FileControlInformation {
    /// Takes the answer to SELECT; what cannot be read is left out.
    #[must_use]
    pub fn parse(answer: &[u8]) -> Self {
        let level = tlv::find(answer, Tag(0x6F)).map_or(answer, |object| object.value);
        let proprietary = tlv::find(level, Tag(0xA5)).map_or(&[][..], |object| object.value);
        let max = tlv::find(proprietary, Tag(0x9F65)).filter(|object| !object.value.is_empty());
        Self {
            aid: tlv::find(level, Tag(0x84)).and_then(|object| Aid::new(object.value).ok()),
            // 0100 is seen on cards whose short commands still end at 255; zero says nothing.
            max_command_data: max
                .map(|object| object.value.iter().fold(0usize, |n, byte| n.saturating_mul(256) + usize::from(*byte)))
                .filter(|n| *n > 0),
            proprietary: proprietary.to_vec(),
            raw: answer.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(text: &str) -> Vec<u8> {
        hex::decode(text).unwrap()
    }

    #[test]
    fn card_recognition_data_with_and_without_templates() {
        let whole = bytes(
            "664C734A06072A864886FC6B01600C060A2A864886FC6B02020101630906072A864886FC6B03640B06092A864886FC6B040215650B06092B8510864864020103660C060A2B060104012A026E0102",
        );
        let data = CardRecognitionData::parse(&whole);
        assert_eq!((data.version.as_slice(), data.i_of(2), data.i_of(3)), (&[2, 1, 1][..], Some(0x15), None));
        assert_eq!(CardRecognitionData::parse(&whole[4..]).protocols, [(2, 0x15)]);
        let doubled = [&[0x66, 0x4E][..], &whole].concat();
        assert_eq!(CardRecognitionData::parse(&doubled).protocols, [(2, 0x15)]);
    }

    #[test]
    fn key_information_with_several_components() {
        let keys =
            KeyInformation::parse(&bytes("E020C00401018820C00402018820C00403018820C0060170A180A003C00401718010"));
        assert_eq!(keys.len(), 5);
        assert_eq!(
            (keys[0].kind(), keys[3].kvn, keys[3].components.as_slice()),
            ("AES", 0x70, &[(0xA1, 128), (0xA0, 3)][..])
        );
        assert_eq!(KeyInformation::parse(&bytes("C0060102FF880010")).first().unwrap().components, [(0x88, 16)]);
    }

    #[test]
    fn production_life_cycle() {
        let answer =
            bytes("9F7F2A409019154090004501008301A8186827A822000000000000000000000000000000000000000000000000");
        let cplc = Cplc::parse(&answer).unwrap();
        assert_eq!((cplc.ic_fabricator(), cplc.ic_type(), cplc.ic_batch()), (0x4090, 0x1915, 0xA822));
        assert_eq!(cplc.ic_serial(), [0xA8, 0x18, 0x68, 0x27]);
        assert_eq!(Cplc::parse(&answer[3..]), Some(cplc));
        assert_eq!(Cplc::parse(&answer[..20]), None);
        assert_eq!(Cplc([0; 42]).identity(), None);
        assert_eq!(Cplc([0xFF; 42]).identity(), None);
    }

    #[test]
    fn file_control_information() {
        let fci = FileControlInformation::parse(&bytes("6F108408A000000151000000A5049F6501FF"));
        assert_eq!((fci.aid, fci.max_command_data), (Some("A000000151000000".parse().unwrap()), Some(255)));
        let fci = FileControlInformation::parse(&bytes("6F118408A000000151000000A5059F65020100"));
        assert_eq!(fci.max_command_data, Some(256));
        assert_eq!(FileControlInformation::parse(&[]).aid, None);
    }

    proptest! {
        #[test]
        fn parsers_are_total(answer in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = (Cplc::parse(&answer), CardRecognitionData::parse(&answer));
            let _ = (KeyInformation::parse(&answer), FileControlInformation::parse(&answer));
        }
    }
}
