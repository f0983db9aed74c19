//! A key record of a PBOC application, and what is computed with it.

use std::fmt;

use minicbor::{Decode, Encode};

use crate::crypto::{TripleDes, retail_mac, unpad};

/// A key record: `type ‖ use right ‖ change right ‖ next state ‖ error counter ‖ key`.
///
/// `Debug` does not show the key.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct PbocKey {
    #[n(0)]
    key_type: u8,
    #[n(1)]
    use_right: u8,
    #[n(2)]
    change_right: u8,
    #[n(3)]
    next_state: u8,
    /// Tries: how many there are at most (upper digit), how many are left (lower digit).
    #[n(4)]
    error_counter: u8,
    #[cbor(n(5), with = "minicbor::bytes")]
    value: [u8; 16],
}

impl fmt::Debug for PbocKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PbocKey({:02X}, counter {:02X})", self.key_type, self.error_counter)
    }
}

impl PbocKey {
    pub(super) fn new(key_type: u8, next_state: u8, value: [u8; 16]) -> Self {
        Self { key_type, use_right: 0xF0, change_right: 0xF0, next_state, error_counter: 0x33, value }
    }

    /// The key itself.
    #[must_use]
    pub fn value(&self) -> &[u8; 16] {
        &self.value
    }

    /// The record without the key: type, use right, change right, next state, error counter.
    #[must_use]
    pub fn header(&self) -> [u8; 5] {
        [self.key_type, self.use_right, self.change_right, self.next_state, self.error_counter]
    }

    /// How often the key may still be tried.
    #[must_use]
    pub fn tries_left(&self) -> u8 {
        self.error_counter & 0x0F
    }

    /// Counts a failed try; gives the number of tries left.
    pub(super) fn count_failure(&mut self) -> u8 {
        let left = self.tries_left().saturating_sub(1);
        self.error_counter = self.error_counter & 0xF0 | left;
        left
    }

    pub(super) fn reset_tries(&mut self) {
        self.error_counter = self.error_counter & 0xF0 | self.error_counter >> 4;
    }

    pub(super) fn encrypt(&self, mut block: [u8; 8]) -> [u8; 8] {
        TripleDes::new(&self.value).encrypt_ecb(&mut block);
        block
    }

    /// ISO 9797-1 algorithm 3 with the challenge as initial vector; `80` is always added.
    pub(super) fn mac(&self, challenge: [u8; 8], data: &[u8]) -> [u8; 8] {
        retail_mac(&self.value, challenge, data)
    }

    /// `LD ‖ record ‖ 80 00 ..`, deciphered. `None` when length or padding are wrong.
    pub(super) fn decrypt_record(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let mut plain = cipher.to_vec();
        TripleDes::new(&self.value).decrypt_ecb(&mut plain);
        unpad(&mut plain)?;
        let (length, record) = plain.split_first()?;
        (usize::from(*length) == record.len()).then(|| record.to_vec())
    }

    /// Takes a new record of the same type and length; `None` when it is another.
    pub(super) fn replace(&mut self, record: &[u8]) -> Option<()> {
        let [key_type, use_right, change_right, next_state, error_counter, value @ ..] = record else {
            return None;
        };
        if *key_type != self.key_type {
            return None;
        }
        *self = Self {
            key_type: *key_type,
            use_right: *use_right,
            change_right: *change_right,
            next_state: *next_state,
            error_counter: *error_counter,
            value: value.try_into().ok()?,
        };
        Some(())
    }
}

/// `DK = 3DES(MK, F) ‖ 3DES(MK, not F)`.
pub(super) fn diversify(master: &[u8; 16], factor: [u8; 8]) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&factor);
    key[8..].copy_from_slice(&factor.map(|byte| !byte));
    TripleDes::new(master).encrypt_ecb(&mut key);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn keys_are_diversified_by_the_factor_and_its_complement() {
        let key = diversify(&bytes("00112233445566778899AABBCCDDEEFF"), bytes("1122334455667788"));
        assert_eq!(key, bytes("496BD7A3513644533100B54E71196528"));
    }

    // The record of a PSAM, enciphered and with a MAC under a double-length key.
    #[test]
    fn an_enciphered_record_with_its_mac() {
        let key = PbocKey::new(0xF9, 0, bytes("00112233445566778899AABBCCDDEEFF"));
        let cipher: [u8; 24] = bytes("DCC0BB5793ABFCA2CA8C1624822F6E01A86A0B5CBED191DD");
        let record = key.decrypt_record(&cipher).unwrap();
        assert_eq!(record[..], bytes::<19>("22000000112233445566778899AABBCCDDEEFF"));
        let data = [&bytes::<5>("84D400001C")[..], &cipher].concat();
        assert_eq!(key.mac(bytes("5D72B3FD00000000"), &data)[..4], bytes::<4>("8A9D4ADB"));
    }

    #[test]
    fn tries_count_down_and_come_back() {
        let mut key = PbocKey::new(0xF9, 0, [0; 16]);
        assert_eq!((key.count_failure(), key.count_failure(), key.count_failure(), key.count_failure()), (2, 1, 0, 0));
        key.reset_tries();
        assert_eq!(key.header()[4], 0x33);
    }
}
