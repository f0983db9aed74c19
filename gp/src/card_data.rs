//! What a card says of itself: CPLC, card recognition data, key information, FCI. Parsers keep what they can read.

mod capabilities;
mod key_information;
mod resources;

use alloc::vec::Vec;
use core::fmt;

use cardwright_apdu::Aid;
use cardwright_apdu::tlv::{self, Reader, Tag};

pub use capabilities::{CardCapabilities, ProtocolCapability, SignatureSchemes};
pub use key_information::KeyInformation;
pub use resources::CardResources;

/// Tag of the Card Production Life Cycle data.
pub const CPLC: Tag = Tag(0x9F7F);
/// Tag of the card recognition data (GPCS 2.3.1 H.2).
pub const CARD_RECOGNITION_DATA: Tag = Tag(0x66);
/// Tag of the issuer identification number (GPCS 2.3.1 H.1).
pub const IIN: Tag = Tag(0x42);
/// Tag of the card image number (GPCS 2.3.1 H.1).
pub const CIN: Tag = Tag(0x45);
/// Tag of the card capability information (GPCS 2.3.1 H.4).
pub const CARD_CAPABILITIES: Tag = Tag(0x67);
/// Tag of the extended card resources information (TS 102 226 8.2.1.7.2).
pub const CARD_RESOURCES: Tag = Tag(0xFF21);
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
        // Seen in the field: 00 in front of the template.
        let zeros = answer.iter().take_while(|byte| **byte == 0).count();
        let mut level = &answer[zeros..];
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
                .map(|object| {
                    object.value.iter().fold(0usize, |n, byte| n.saturating_mul(256).saturating_add((*byte).into()))
                })
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
        // An answer with 00 in front, and object identifiers of their own making: what can be read, is.
        let prefixed = [&[0x00][..], &whole].concat();
        assert_eq!(CardRecognitionData::parse(&prefixed).protocols, [(2, 0x15)]);
        let odd = CardRecognitionData::parse(&bytes("0066337331" /* 2A811C is not 2A8648 */));
        assert!(odd.version.is_empty() && odd.raw.len() == 5);
        let other = bytes("66117309 06072A811C86FC6B01640406029999".replace(' ', "").as_str());
        assert_eq!(CardRecognitionData::parse(&other).protocols, []);
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
        // A card is told by its serial number, whatever its dates say.
        let mut dates = answer.clone();
        for at in [9, 13, 21, 25, 29, 33, 37] {
            dates[at..at + 2].copy_from_slice(&[0xFE, 0xED]);
        }
        let odd = Cplc::parse(&dates).unwrap();
        assert_eq!((odd.ic_fabrication_date(), odd.ic_serial()), (0xFEED, cplc.ic_serial()));
        assert_eq!(Cplc([0; 42]).identity(), None);
        assert_eq!(Cplc([0xFF; 42]).identity(), None);
    }

    #[test]
    fn file_control_information() {
        let fci = FileControlInformation::parse(&bytes("6F108408A000000151000000A5049F6501FF"));
        assert_eq!((fci.aid, fci.max_command_data), (Some("A000000151000000".parse().unwrap()), Some(255)));
        let fci = FileControlInformation::parse(&bytes("6F118408A000000151000000A5059F65020100"));
        assert_eq!(fci.max_command_data, Some(256));
        // 73 and 65 whose values are no TLV do not hide what stands behind them.
        let fci = FileControlInformation::parse(&bytes("6F168408A000000151000000A50A7302FFFF6501009F6501EF"));
        assert_eq!(fci.aid.map(|aid| aid.as_bytes().len()), Some(8));
        let max = |proprietary: &str| {
            let value = bytes(proprietary);
            FileControlInformation::parse(
                &[&[0x6F, value.len() as u8 + 2, 0xA5, value.len() as u8], &value[..]].concat(),
            )
            .max_command_data
        };
        assert_eq!((max("7302FFFF6501009F6501EF"), max("7302FFFF"), max("")), (Some(0xEF), None, None));
        assert_eq!((max("9F6500"), max("9F650100"), max("9F65020400")), (None, None, Some(1024)));
        assert_eq!(max("9F6509FFFFFFFFFFFFFFFFFF"), Some(usize::MAX));
        // An AID of no length.
        assert_eq!(FileControlInformation::parse(&bytes("6F028400")).aid, None);
        assert_eq!(FileControlInformation::parse(&[]).aid, None);
    }

    proptest! {
        #[test]
        fn parsers_are_total(answer in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = (Cplc::parse(&answer), CardRecognitionData::parse(&answer));
            let _ = (KeyInformation::parse(&answer), FileControlInformation::parse(&answer));
            let _ = (CardCapabilities::parse(&answer), CardResources::parse(&answer));
        }

        #[test]
        fn parsers_are_total_behind_their_tags(value in prop::collection::vec(any::<u8>(), 0..100)) {
            let wrap = |tag: u32| {
                let mut out = Vec::new();
                tlv::push(&mut out, Tag(tag), &value);
                out
            };
            prop_assert!(CardRecognitionData::parse(&wrap(0x66)).raw.ends_with(&value));
            let mut capability = Vec::new();
            tlv::push(&mut capability, Tag(0x67), &wrap(0xA0));
            prop_assert!(CardCapabilities::parse(&capability).raw.ends_with(&value));
            for inner in [wrap(0xC0), value.clone()] {
                let mut keys = Vec::new();
                tlv::push(&mut keys, KEY_INFORMATION, &inner);
                prop_assert!(KeyInformation::parse(&keys).len() <= value.len());
            }
            let _ = (CardResources::parse(&wrap(0xFF21)), FileControlInformation::parse(&wrap(0x6F)));
            prop_assert_eq!(Cplc::parse(&wrap(0x9F7F)).is_some(), value.len() >= 42);
        }
    }
}
