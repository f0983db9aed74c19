use cardwright_apdu::tlv::{self, Tag};

/// What a PBOC application says of itself: issuer data of its FCI, which is its file 15 (JR/T 0025, EF 0015).
///
/// ```text
/// issuer 8 | application type 1 | version 1 | application serial number 10 | start date 4 | end date 4 | 2
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplicationInformation([u8; 30]);

impl ApplicationInformation {
    /// Takes the answer to SELECT, `6F { A5 { 9F0C } }`; `None` when it holds no such data.
    #[must_use]
    pub fn parse(fci: &[u8]) -> Option<Self> {
        let template = tlv::find(fci, Tag(0x6F))?;
        let proprietary = tlv::find(template.value, Tag(0xA5))?;
        tlv::find(proprietary.value, Tag(0x9F0C))?.value.first_chunk().copied().map(Self)
    }

    /// Issuer identification, 8 bytes.
    #[must_use]
    pub fn issuer(&self) -> &[u8] {
        &self.0[..8]
    }

    /// Application version.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.0[9]
    }

    /// Application serial number, 10 bytes.
    #[must_use]
    pub fn serial_number(&self) -> [u8; 10] {
        let mut serial = [0; 10];
        serial.copy_from_slice(&self.0[10..20]);
        serial
    }

    /// What the application's keys are diversified with: the last 8 bytes of its serial number. `None` when they were left
    /// blank, all 00 or all FF: every card would get the same keys.
    #[must_use]
    pub fn diversification_factor(&self) -> Option<[u8; 8]> {
        let mut factor = [0; 8];
        factor.copy_from_slice(&self.0[12..20]);
        (factor != [0; 8] && factor != [0xFF; 8]).then_some(factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn finds_the_diversification_factor() {
        let mut fci = hex::decode("6F2884059F00000001A51F9F0C1E").unwrap();
        fci[1] = 7 + 2 + 33;
        fci[10] = 33;
        fci.extend(1..=30);
        let information = ApplicationInformation::parse(&fci).unwrap();
        assert_eq!(information.serial_number(), [11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
        assert_eq!(information.diversification_factor(), Some([13, 14, 15, 16, 17, 18, 19, 20]));
        assert_eq!(ApplicationInformation::parse(&fci[..20]), None);
    }

    proptest! {
        #[test]
        fn parsing_is_total(fci in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = ApplicationInformation::parse(&fci);
        }
    }

    #[test]
    fn lengths_of_the_fields_add_up() {
        let bytes: Vec<u8> = (0..30).collect();
        let information = ApplicationInformation(bytes.try_into().unwrap());
        assert_eq!((information.issuer(), information.version()), (&[0, 1, 2, 3, 4, 5, 6, 7][..], 9));
    }
}
