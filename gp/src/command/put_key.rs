//! PUT KEY of symmetric and asymmetric keys (GPCS 2.3.1 11.8, Amd D 7.2).

use alloc::vec::Vec;
use core::fmt;

use cardwright_apdu::{Class, CommandApdu, Instruction, Ne, tlv};
use cardwright_keys::{KeyCheckValue, KeyKind, WrappedKey};

use super::MAX_CHAIN;
use crate::error::{CardFault, Error};

/// PUT KEY of consecutive symmetric keys (GPCS 2.3.1 11.8, Amd D 7.2).
#[derive(Clone, Debug)]
pub struct PutKey {
    /// Version of the key set to replace, or `None` to add one.
    pub replace: Option<u8>,
    /// Version that the keys get, 01 to 7F.
    pub kvn: u8,
    /// Identifier of the first key; the others follow.
    pub first_kid: u8,
    /// The keys, enciphered.
    pub keys: Vec<WrappedKey>,
    /// Whether they are enciphered under an AES key, which puts the key's length in front of each (Amd D 7.2).
    pub under_aes: bool,
}

impl PutKey {
    /// The command.
    ///
    /// # Errors
    /// [`Error::TooLong`] when the keys do not fit one command, [`Error::KeyVersion`] for a version outside 01 to 7F.
    pub fn command(&self) -> Result<CommandApdu, Error> {
        self.fields().command()
    }

    /// Check values of the keys, in order.
    #[must_use]
    pub fn key_check_values(&self) -> Vec<KeyCheckValue> {
        self.keys.iter().map(|key| key.kcv).collect()
    }

    /// Compares the card's answer, `KVN ‖ KCVs`, with what was sent.
    ///
    /// # Errors
    /// [`Error::Card`] when the answer is another; the keys on the card are then not those that were meant.
    pub fn verify(&self, answer: &[u8]) -> Result<(), Error> {
        self.fields().verify(answer)
    }

    fn fields(&self) -> PutKeyFields {
        PutKeyFields {
            replace: self.replace,
            kvn: self.kvn,
            first_kid: self.first_kid,
            keys: self.keys.iter().map(|key| KeyDataField::symmetric(key, self.under_aes)).collect(),
        }
    }
}

/// PUT KEY of consecutive keys of any kind (GPCS 2.3.1 11.8).
///
/// Keys whose fields exceed one command, as RSA keys above 1024 bits do, go in a chain of commands, or with STORE DATA
/// ([`KeyGroups`](crate::KeyGroups)) to a card that takes none.
#[derive(Clone, Debug)]
pub struct PutKeyFields {
    /// Version of the key set to replace, or `None` to add one.
    pub replace: Option<u8>,
    /// Version that the keys get, 01 to 7F.
    pub kvn: u8,
    /// Identifier of the first key, 00 to 7F; the others follow.
    pub first_kid: u8,
    /// The keys.
    pub keys: Vec<KeyDataField>,
}

impl PutKeyFields {
    const NAME: &'static str = "PUT KEY";

    /// The command.
    ///
    /// # Errors
    /// [`Error::TooLong`] when the keys do not fit one command, [`Error::KeyVersion`] for a version outside 01 to 7F.
    pub fn command(&self) -> Result<CommandApdu, Error> {
        if let Some(kvn) = [Some(self.kvn), self.replace].into_iter().flatten().find(|kvn| !(1..=0x7F).contains(kvn)) {
            return Err(Error::KeyVersion { kvn });
        }
        let mut data = alloc::vec![self.kvn];
        for key in &self.keys {
            key.push(&mut data);
        }
        if data.len() > MAX_CHAIN {
            return Err(Error::TooLong {
                command: Self::NAME,
                what: "data field",
                actual: data.len(),
                limit: MAX_CHAIN,
            });
        }
        let p2 = self.first_kid & 0x7F | if self.keys.len() > 1 { 0x80 } else { 0 };
        Ok(CommandApdu::new(Class::GP, Instruction::PUT_KEY, self.replace.unwrap_or(0), p2)
            .with_data(data)
            .with_ne(Ne::MAX_SHORT))
    }

    /// Compares the card's answer, `KVN ‖ KCVs`, with what was sent; keys without a check value add nothing to it.
    ///
    /// # Errors
    /// [`Error::Card`] when the answer is another; the keys on the card are then not those that were meant.
    pub fn verify(&self, answer: &[u8]) -> Result<(), Error> {
        let wrong = |fault| Error::card(Self::NAME, fault);
        let checked = self.keys.iter().enumerate().filter_map(|(i, key)| Some((i, key.check_value?)));
        if answer.len() != 1 + 3 * checked.clone().count() {
            let what = "key version and check values";
            let (expected, actual) = ("one byte and three a key", answer.len());
            return Err(wrong(CardFault::Length { what, offset: 0, expected, actual }));
        }
        if answer[0] != self.kvn {
            let expected = "the version that was sent";
            return Err(wrong(CardFault::Value { what: "key version", offset: 0, expected, actual: answer[0] }));
        }
        for ((i, expected), kcv) in checked.zip(answer[1..].chunks_exact(3)) {
            if expected.0[..] != *kcv {
                let actual = KeyCheckValue([kcv[0], kcv[1], kcv[2]]);
                let kid = self.first_kid.wrapping_add(i as u8);
                return Err(wrong(CardFault::KeyCheckValue { kid, expected, actual }));
            }
        }
        Ok(())
    }
}

/// One key in the data field of PUT KEY (GPCS 2.3.1 11.8.2.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDataField {
    components: Vec<KeyComponent>,
    check_value: Option<KeyCheckValue>,
    key_use: Option<KeyUse>,
}

impl KeyDataField {
    /// A key of these components, in the basic format (table 11-68). RSA and ECC keys have no check value.
    #[must_use]
    pub fn new(components: Vec<KeyComponent>, check_value: Option<KeyCheckValue>) -> Self {
        Self { components, check_value, key_use: None }
    }

    /// A DES or AES key. `with_length` puts the key's length in front of the cipher (table 11-70), as a Key-DEK of AES wants
    /// it (Amd D 7.2).
    #[must_use]
    pub fn symmetric(key: &WrappedKey, with_length: bool) -> Self {
        let kind = match key.kind {
            KeyKind::Aes => KeyComponent::AES,
            _ => KeyComponent::DES,
        };
        let component = if with_length {
            KeyComponent::enciphered_with_length(kind, key.length, &key.cipher)
        } else {
            KeyComponent::enciphered(kind, &key.cipher)
        };
        Self::new(alloc::vec![component], Some(key.kcv))
    }

    /// An RSA public key: modulus, then exponent in the fewest bytes (table 11-75).
    #[must_use]
    pub fn rsa_public(modulus: &[u8], exponent: &[u8]) -> Self {
        let modulus = KeyComponent::public(KeyComponent::RSA_MODULUS, modulus);
        Self::new(alloc::vec![modulus, KeyComponent::public(KeyComponent::RSA_PUBLIC_EXPONENT, exponent)], None)
    }

    /// An RSA private key: modulus in clear and the exponent enciphered (table 11-76). Untested on silicon.
    #[must_use]
    pub fn rsa_private(modulus: &[u8], exponent: KeyComponent) -> Self {
        Self::new(alloc::vec![KeyComponent::public(KeyComponent::RSA_MODULUS, modulus), exponent], None)
    }

    /// An RSA private key by the Chinese remainder theorem: p, q, 1/q mod p, d mod (p-1), d mod (q-1), each enciphered (table 11-77).
    /// Untested on silicon.
    #[must_use]
    pub fn rsa_private_crt(components: [KeyComponent; 5]) -> Self {
        let kinds = Self::new(components.into(), None);
        debug_assert!((KeyComponent::RSA_CRT..).zip(&kinds.components).all(|(kind, component)| component.kind == kind));
        kinds
    }

    /// An ECC public key on a curve that the card knows by this reference (table 11-73).
    ///
    /// # Errors
    /// [`Error::Structure`] for a point that is not uncompressed (11.8.2.3.5).
    pub fn ecc_public(point: &[u8], curve: u8) -> Result<Self, Error> {
        check_point(point)?;
        Ok(Self::ecc(KeyComponent::public(KeyComponent::ECC_PUBLIC, point), curve))
    }

    /// An ECC private key, enciphered, on a curve that the card knows by this reference (table 11-73). Untested on silicon.
    #[must_use]
    pub fn ecc_private(key: KeyComponent, curve: u8) -> Self {
        Self::ecc(key, curve)
    }

    fn ecc(key: KeyComponent, curve: u8) -> Self {
        Self::new(alloc::vec![key, KeyComponent::public(KeyComponent::ECC_PARAMETER_REFERENCE, &[curve])], None)
    }

    /// The same key with usage and access, which takes the extended format (table 11-69). Untested on silicon.
    #[must_use]
    pub fn with_use(mut self, key_use: KeyUse) -> Self {
        self.key_use = Some(key_use);
        self
    }

    /// The field's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.push(&mut out);
        out
    }

    fn push(&self, out: &mut Vec<u8>) {
        for component in &self.components {
            if self.key_use.is_some() {
                out.push(0xFF);
            }
            out.push(component.kind);
            tlv::push_length(out, component.block.len());
            out.extend_from_slice(&component.block);
        }
        match self.check_value {
            Some(kcv) => {
                out.push(3);
                out.extend_from_slice(&kcv.0);
            }
            None => out.push(0),
        }
        if let Some(key_use) = self.key_use {
            let usage = key_use.usage.to_be_bytes();
            // The second byte of the usage qualifier is 00 where only one is there (table 11-18).
            let usage = if usage[1] == 0 { &usage[..1] } else { &usage[..] };
            out.push(usage.len() as u8);
            out.extend_from_slice(usage);
            out.extend_from_slice(&[1, key_use.access]);
        }
    }
}

/// What a key is for, and who may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// Key usage qualifier, first byte high (GPCS 2.3.1 11.1.9): `0x8400` a DAP key.
    pub usage: u16,
    /// Key access (GPCS 2.3.1 11.1.10): 00 security domain and applications, 01 security domain, 02 applications.
    pub access: u8,
}

impl KeyUse {
    /// Token verification.
    pub const TOKEN: Self = Self { usage: 0x8100, access: 0x01 };
    /// Receipt generation.
    pub const RECEIPT: Self = Self { usage: 0x4400, access: 0x01 };
    /// DAP verification.
    pub const DAP: Self = Self { usage: 0x8400, access: 0x01 };
}

/// One component of a key: its type (GPCS 2.3.1 table 11-16) and its block.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyComponent {
    kind: u8,
    block: Vec<u8>,
}

impl KeyComponent {
    /// DES key.
    pub const DES: u8 = 0x80;
    /// AES key.
    pub const AES: u8 = 0x88;
    /// RSA public exponent.
    pub const RSA_PUBLIC_EXPONENT: u8 = 0xA0;
    /// RSA modulus, in clear.
    pub const RSA_MODULUS: u8 = 0xA1;
    /// RSA private exponent.
    pub const RSA_PRIVATE_EXPONENT: u8 = 0xA3;
    /// First of the five Chinese remainder components A4 to A8: p, q, 1/q mod p, d mod (p-1), d mod (q-1).
    pub const RSA_CRT: u8 = 0xA4;
    /// ECC public key, an uncompressed point.
    pub const ECC_PUBLIC: u8 = 0xB0;
    /// ECC private key.
    pub const ECC_PRIVATE: u8 = 0xB1;
    /// First of the ECC field parameters B2 to B7: P, A, B, G, N, k.
    pub const ECC_PARAMETERS: u8 = 0xB2;
    /// ECC key parameter reference.
    pub const ECC_PARAMETER_REFERENCE: u8 = 0xF0;

    /// A component in clear.
    #[must_use]
    pub fn public(kind: u8, value: &[u8]) -> Self {
        Self { kind, block: value.to_vec() }
    }

    /// A component whose length is a multiple of the cipher's block, enciphered (table 11-71).
    #[must_use]
    pub fn enciphered(kind: u8, cipher: &[u8]) -> Self {
        Self { kind, block: cipher.to_vec() }
    }

    /// A component enciphered with padding; `length` is that of the component in clear, in bytes (table 11-70).
    #[must_use]
    pub fn enciphered_with_length(kind: u8, length: usize, cipher: &[u8]) -> Self {
        let mut block = Vec::with_capacity(cipher.len() + 3);
        tlv::push_length(&mut block, length);
        block.extend_from_slice(cipher);
        Self { kind, block }
    }
}

impl fmt::Debug for KeyComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyComponent({:02X}, {} bytes)", self.kind, self.block.len())
    }
}

/// Public points are uncompressed: 04 and two coordinates (GPCS 2.3.1 11.8.2.3.5).
pub(crate) fn check_point(point: &[u8]) -> Result<(), Error> {
    if point.first() != Some(&0x04) || point.len().is_multiple_of(2) {
        return Err(Error::Structure { what: "a point that is not uncompressed", offset: 0 });
    }
    Ok(())
}
