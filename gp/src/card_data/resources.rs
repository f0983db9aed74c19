use cardwright_apdu::tlv::{self, Tag};

use super::CARD_RESOURCES;

/// Extended card resources information (TS 102 226 8.2.1.7.2): what is left on the card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CardResources {
    /// Number of installed applications.
    pub applications: Option<u32>,
    /// Free non-volatile memory, in bytes.
    pub free_non_volatile: Option<u32>,
    /// Free volatile memory, in bytes.
    pub free_volatile: Option<u32>,
}

impl CardResources {
    /// Takes the answer to GET DATA FF21, with its tag or without; what cannot be read is left out.
    #[must_use]
    pub fn parse(answer: &[u8]) -> Self {
        let level = tlv::find(answer, CARD_RESOURCES).map_or(answer, |object| object.value);
        let number = |tag| {
            let value = tlv::find(level, Tag(tag))?.value;
            // No card has 4 GB; a longer number is no number.
            let fits = !value.is_empty() && value.len() <= 4;
            fits.then(|| value.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
        };
        Self { applications: number(0x81), free_non_volatile: number(0x82), free_volatile: number(0x83) }
    }
}
