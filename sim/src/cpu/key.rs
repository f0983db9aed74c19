//! A key record of a CPU card.

use std::fmt;

use cardwright_apdu::StatusWord;
use minicbor::{Decode, Encode};

use super::suite::Cipher;

/// Key types (special manual 1.2.3).
pub(super) const INTERNAL: u8 = 0x30;
pub(super) const INTERNAL_DECRYPT: u8 = 0x31;
pub(super) const INTERNAL_MAC: u8 = 0x32;
pub(super) const TAC: u8 = 0x34;
pub(super) const LINE_PROTECTION: u8 = 0x36;
pub(super) const UNBLOCK: u8 = 0x37;
pub(super) const RELOAD: u8 = 0x38;
pub(super) const EXTERNAL_AUTHENTICATION: u8 = 0x39;
pub(super) const PIN: u8 = 0x3A;
pub(super) const OVERDRAFT: u8 = 0x3C;
pub(super) const UNLOAD: u8 = 0x3D;
pub(super) const PURCHASE: u8 = 0x3E;
pub(super) const LOAD: u8 = 0x3F;

/// In a key type: changes need a MAC.
pub(super) const WITH_MAC: u8 = 0x40;
/// In a key type: changes need to be enciphered, with a MAC.
pub(super) const ENCIPHERED: u8 = 0xC0;
/// What takes protection off a key type.
const KIND: u8 = 0x3F;
/// From here on keys are the SM4 twins of those with the identifier less by so much.
pub(super) const TWIN: u8 = 0x40;

/// A key record: `type ‖ use right ‖ change right ‖ (version ‖ algorithm | next state ‖ error counter) ‖ value`.
///
/// `Debug` does not show the value.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct CpuKey {
    #[n(0)]
    identifier: u8,
    #[n(1)]
    key_type: u8,
    #[n(2)]
    use_right: u8,
    #[n(3)]
    change_right: u8,
    /// Version, or next state.
    #[n(4)]
    third: u8,
    /// Algorithm, or error counter: how many tries there are at most (upper digit), how many are left (lower digit).
    #[n(5)]
    fourth: u8,
    #[cbor(n(6), with = "minicbor::bytes")]
    value: Vec<u8>,
}

pub(super) use CpuKey as Key;

impl fmt::Debug for CpuKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuKey({:02X}, {:02X}, {} bytes)", self.key_type, self.identifier, self.value.len())
    }
}

impl CpuKey {
    /// A record as WRITE KEY brings it.
    pub(super) fn parse(identifier: u8, record: &[u8]) -> Result<Self, StatusWord> {
        let [key_type, use_right, change_right, third, fourth, value @ ..] = record else {
            return Err(StatusWord::WRONG_LENGTH);
        };
        let lengths = match key_type & KIND {
            PIN => 2..=8,
            INTERNAL..=INTERNAL_MAC | TAC | LINE_PROTECTION..=EXTERNAL_AUTHENTICATION | OVERDRAFT..=LOAD => 8..=16,
            _ => return Err(StatusWord::WRONG_DATA),
        };
        if !lengths.contains(&value.len()) || (*lengths.end() == 16 && value.len() % 8 != 0) {
            return Err(StatusWord::WRONG_LENGTH);
        }
        if identifier == 0xFF || !matches!(key_type & !KIND, 0 | WITH_MAC | ENCIPHERED) {
            return Err(StatusWord::WRONG_DATA);
        }
        Ok(Self {
            identifier,
            key_type: *key_type,
            use_right: *use_right,
            change_right: *change_right,
            third: *third,
            fourth: *fourth,
            value: value.to_vec(),
        })
    }

    /// The key itself.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The record without the value: type, use right, change right, version and algorithm or next state and error
    /// counter.
    #[must_use]
    pub fn header(&self) -> [u8; 5] {
        [self.key_type, self.use_right, self.change_right, self.third, self.fourth]
    }

    /// How often a key with an error counter may still be tried.
    #[must_use]
    pub fn tries_left(&self) -> u8 {
        self.fourth & 0x0F
    }

    pub(super) fn is(&self, kind: u8, identifier: u8) -> bool {
        self.kind() == kind & KIND && self.identifier == identifier
    }

    pub(super) fn kind(&self) -> u8 {
        self.key_type & KIND
    }

    pub(super) fn protection(&self) -> u8 {
        self.key_type & !KIND
    }

    pub(super) fn use_right(&self) -> u8 {
        self.use_right
    }

    pub(super) fn change_right(&self) -> u8 {
        self.change_right
    }

    pub(super) fn next_state(&self) -> u8 {
        self.third & 0x0F
    }

    pub(super) fn version(&self) -> u8 {
        self.third
    }

    pub(super) fn algorithm(&self) -> u8 {
        self.fourth
    }

    /// Bytes that the record takes in the key file (general manual 4.3).
    pub(super) fn space(&self) -> u64 {
        self.value.len() as u64 + 8
    }

    fn has_counter(&self) -> bool {
        matches!(self.kind(), LINE_PROTECTION..=PIN)
    }

    pub(super) fn is_locked(&self) -> bool {
        self.has_counter() && self.tries_left() == 0
    }

    /// Counts a failed try; gives the number of tries left.
    pub(super) fn count_failure(&mut self) -> u8 {
        let left = self.tries_left().saturating_sub(1);
        self.fourth = self.fourth & 0xF0 | left;
        left
    }

    /// Fewer tries are left than there are at most.
    pub(super) fn has_failures(&self) -> bool {
        self.has_counter() && self.tries_left() != self.fourth >> 4
    }

    pub(super) fn reset_tries(&mut self) {
        if self.has_counter() {
            self.fourth = self.fourth & 0xF0 | self.fourth >> 4;
        }
    }

    pub(super) fn set_value(&mut self, value: &[u8]) {
        self.value = value.to_vec();
    }

    /// The key with its algorithm: the one that the record names, else SM4 for a twin on a card that knows it, else by
    /// length.
    pub(super) fn cipher(&self, sm4: bool) -> Result<Cipher, StatusWord> {
        let algorithm =
            if self.has_counter() { if self.identifier >= TWIN && sm4 { 0x04 } else { 0x00 } } else { self.fourth };
        match (algorithm, self.value.first_chunk::<8>(), self.value.first_chunk::<16>()) {
            (0x04, _, Some(key)) if sm4 => Ok(Cipher::Sm4(*key)),
            (0x04, ..) => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
            // Algorithm 01: a double-length key that is used with single DES.
            (0x01, Some(key), _) | (_, Some(key), None) => Ok(Cipher::Des(*key)),
            (_, _, Some(key)) => Ok(Cipher::TripleDes(*key)),
            _ => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
        }
    }

    /// The key as a TAC key: both halves count, whatever algorithm the record names. A card with the keys of the special manual's
    /// script, whose TAC key has algorithm 01, was recorded so (2017).
    pub(super) fn tac(&self, sm4: bool) -> Result<Cipher, StatusWord> {
        match (self.cipher(sm4)?, self.value.first_chunk()) {
            (Cipher::Des(_), Some(key)) => Ok(Cipher::TripleDes(*key)),
            (cipher, _) => Ok(cipher),
        }
    }

    /// Whether this is the PIN; `FF` at the end of either counts for nothing.
    pub(super) fn is_pin(&self, given: &[u8]) -> bool {
        trimmed(&self.value) == trimmed(given)
    }
}

fn trimmed(pin: &[u8]) -> &[u8] {
    let end = pin.iter().rposition(|byte| *byte != 0xFF).map_or(0, |at| at + 1);
    &pin[..end]
}
