//! Card production life cycle data, tag 9F7F: who made the chip, when, and its serial number.

/// The 42 bytes of card production life cycle data.
#[derive(Clone, Copy)]
pub(crate) struct Cplc([u8; 42]);

impl Cplc {
    pub(crate) fn from_bytes(bytes: [u8; 42]) -> Self {
        Self(bytes)
    }

    pub(crate) fn into_bytes(self) -> [u8; 42] {
        self.0
    }

    /// Plausible data for a card that is told apart by its seed.
    pub(crate) fn made_up(seed: u64) -> Self {
        let seed = seed.to_be_bytes();
        let parts: [&[u8]; 18] = [
            &[0x4C, 0x57],             // IC fabricator
            &[0x53, 0x4A],             // IC type
            &[0x4C, 0x57],             // operating system identifier
            &[0x50, 0x12],             // operating system release date, YDDD
            &[0x01, 0x00],             // operating system release level
            &[0x51, 0x23],             // IC fabrication date
            &seed[4..],                // IC serial number
            &seed[2..4],               // IC batch identifier
            &[0x4C, 0x57],             // IC module fabricator
            &[0x51, 0x30],             // IC module packaging date
            &[0x4C, 0x57],             // ICC manufacturer
            &[0x51, 0x37],             // IC embedding date
            &[0x4C, 0x57],             // IC pre-personalizer
            &[0x51, 0x44],             // IC pre-personalization date
            &[0x00, 0x00, 0x00, 0x01], // IC pre-personalization equipment
            &[0x00, 0x00],             // IC personalizer
            &[0x00, 0x00],             // IC personalization date
            &[0x00, 0x00, 0x00, 0x00], // IC personalization equipment
        ];
        let mut bytes = [0; 42];
        for (byte, value) in bytes.iter_mut().zip(parts.concat()) {
            *byte = value;
        }
        Self(bytes)
    }

    /// `0000 ‖ IC batch identifier ‖ IC serial number ‖ IC fabrication date`, which no other card has.
    pub(crate) fn serial_number(&self) -> [u8; 10] {
        let mut number = [0; 10];
        number[2..4].copy_from_slice(&self.0[16..18]);
        number[4..8].copy_from_slice(&self.0[12..16]);
        number[8..].copy_from_slice(&self.0[10..12]);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_come_from_the_seed() {
        let number = Cplc::made_up(0x0000_ABCD_1234_5678).serial_number();
        assert_eq!(number, [0x00, 0x00, 0xAB, 0xCD, 0x12, 0x34, 0x56, 0x78, 0x51, 0x23]);
    }
}
