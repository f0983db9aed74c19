//! Keys in data groups for STORE DATA (GPCS 2.3.1 11.11.4).

use alloc::vec::Vec;
use core::fmt;

use cardwright_apdu::tlv::{self, Tag};
use cardwright_keys::{KeyKind, WrappedKey};

use super::{DataEncryption, DataStructure, StoreData};
use crate::Error;
use crate::command::{KeyComponent, KeyUse, check_point};

/// How DGI 00B9 describes symmetric keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyTemplates {
    /// A whole template B9 for each key (GPCS 2.3.1 table 11-92).
    #[default]
    Each,
    /// What the keys share in one template B7, then a B9 with identifier and check value for each. Host software in the field
    /// sends this; GPCS 2.3.1 does not have it. Untested on silicon.
    Shared,
}

/// The five components of an RSA private key by the Chinese remainder theorem, each enciphered under the key encryption key of the
/// session.
#[derive(Clone, Copy)]
pub struct RsaCrt<'a> {
    /// Length of each in clear, in bytes: half of the modulus, zeros in front.
    pub length: usize,
    /// p.
    pub p: &'a [u8],
    /// q.
    pub q: &'a [u8],
    /// 1/q mod p.
    pub q_inverse: &'a [u8],
    /// d mod (p - 1).
    pub d_p: &'a [u8],
    /// d mod (q - 1).
    pub d_q: &'a [u8],
}

impl fmt::Debug for RsaCrt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaCrt({} bytes each)", self.length)
    }
}

/// Keys for a security domain in the data groups of STORE DATA (GPCS 2.3.1 11.11.4): the way for keys that do not fit one PUT
/// KEY. Untested on silicon.
#[derive(Clone, Debug)]
pub struct KeyGroups(Vec<u8>);

impl KeyGroups {
    /// Symmetric keys with identifiers from `first_kid` on: DGI 00B9, then 8113 for each (tables 11-92 and 11-93). The keys are
    /// enciphered under the key encryption key of the session, as for PUT KEY.
    ///
    /// # Errors
    /// [`Error::KeyVersion`] for a version outside 01 to 7F; [`Error::Structure`] for shared templates of keys that differ in
    /// kind or length.
    pub fn symmetric(
        kvn: u8,
        first_kid: u8,
        key_use: KeyUse,
        keys: &[WrappedKey],
        templates: KeyTemplates,
    ) -> Result<Self, Error> {
        check_version(kvn)?;
        let mut description = Vec::new();
        let kid = |i: usize| first_kid.wrapping_add(i as u8) & 0x7F;
        match (templates, keys) {
            (KeyTemplates::Shared, [first, ..]) => {
                let differs = |key: &WrappedKey| (key.kind, key.length) != (first.kind, first.length);
                if let Some(offset) = keys.iter().position(differs) {
                    return Err(Error::Structure { what: "a key of another kind", offset });
                }
                let mut shared = Vec::new();
                tlv::push(&mut shared, Tag(0x80), &[key_type(first)]);
                tlv::push(&mut shared, Tag(0x81), &key_length(first.length));
                tlv::push(&mut shared, Tag(0x83), &[kvn]);
                tlv::push(&mut shared, Tag(0x96), &[key_use.access]);
                tlv::push(&mut shared, Tag(0x97), &key_use.usage.to_be_bytes());
                tlv::push(&mut description, Tag(0xB7), &shared);
                for (i, key) in keys.iter().enumerate() {
                    let mut template = Vec::new();
                    tlv::push(&mut template, Tag(0x82), &[kid(i)]);
                    tlv::push(&mut template, Tag(0x84), &key.kcv.0);
                    tlv::push(&mut description, Tag(0xB9), &template);
                }
            }
            _ => {
                for (i, key) in keys.iter().enumerate() {
                    let key_type = key_type(key);
                    push_template(&mut description, key_use, key_type, key.length, kid(i), kvn, Some(&key.kcv.0));
                }
            }
        }
        let mut groups = Self(Vec::new());
        groups.push(0x00B9, &description)?;
        for key in keys {
            groups.push(0x8113, &key.cipher)?;
        }
        Ok(groups)
    }

    /// An RSA public key: DGI 00B9, 0010 with the modulus, 0011 with the exponent in the fewest bytes (tables 11-94 and 11-95).
    ///
    /// # Errors
    /// [`Error::KeyVersion`] for a version outside 01 to 7F; [`Error::TooLong`] above 65535 bytes.
    pub fn rsa_public(kvn: u8, kid: u8, key_use: KeyUse, modulus: &[u8], exponent: &[u8]) -> Result<Self, Error> {
        check_version(kvn)?;
        let mut description = Vec::new();
        for (kind, value) in [(KeyComponent::RSA_MODULUS, modulus), (KeyComponent::RSA_PUBLIC_EXPONENT, exponent)] {
            push_template(&mut description, key_use, kind, value.len(), kid, kvn, None);
        }
        let mut groups = Self(Vec::new());
        groups.push(0x00B9, &description)?;
        groups.push(0x0010, modulus)?;
        groups.push(0x0011, exponent)?;
        Ok(groups)
    }

    /// An RSA private key as modulus and exponent: DGI 00B9, 0010 with the modulus in clear, 8112 with the exponent (tables 11-96 and
    /// 11-97). The exponent has the length of the modulus, zeros in front, and comes enciphered under the key encryption key of the
    /// session.
    ///
    /// # Errors
    /// [`Error::KeyVersion`] for a version outside 01 to 7F; [`Error::TooLong`] above 65535 bytes.
    pub fn rsa_private(kvn: u8, kid: u8, key_use: KeyUse, modulus: &[u8], exponent: &[u8]) -> Result<Self, Error> {
        check_version(kvn)?;
        let mut description = Vec::new();
        for kind in [KeyComponent::RSA_MODULUS, KeyComponent::RSA_PRIVATE_EXPONENT] {
            push_template(&mut description, key_use, kind, modulus.len(), kid, kvn, None);
        }
        let mut groups = Self(Vec::new());
        groups.push(0x00B9, &description)?;
        groups.push(0x0010, modulus)?;
        groups.push(0x8112, exponent)?;
        Ok(groups)
    }

    /// An RSA private key by the Chinese remainder theorem: DGI 00B9, then 8121 to 8125 (tables 11-98 and 11-99).
    ///
    /// # Errors
    /// [`Error::KeyVersion`] for a version outside 01 to 7F; [`Error::TooLong`] above 65535 bytes.
    pub fn rsa_private_crt(kvn: u8, kid: u8, key_use: KeyUse, key: &RsaCrt<'_>) -> Result<Self, Error> {
        check_version(kvn)?;
        // The order is not that of PUT KEY, where p comes first.
        let components = [(0xA6, key.q_inverse), (0xA8, key.d_q), (0xA7, key.d_p), (0xA5, key.q), (0xA4, key.p)];
        let mut description = Vec::new();
        for (kind, _) in components {
            push_template(&mut description, key_use, kind, key.length, kid, kvn, None);
        }
        let mut groups = Self(Vec::new());
        groups.push(0x00B9, &description)?;
        for (dgi, (_, cipher)) in (0x8121..).zip(components) {
            groups.push(dgi, cipher)?;
        }
        Ok(groups)
    }

    /// An ECC public key on a curve that the card knows by this reference: DGI 00B9 and 0036 with the uncompressed point (tables
    /// 11-102 and 11-103). The key length in the template counts the whole point, with its first byte.
    ///
    /// # Errors
    /// [`Error::KeyVersion`] for a version outside 01 to 7F; [`Error::Structure`] for a point that is not uncompressed.
    pub fn ecc_public(kvn: u8, kid: u8, key_use: KeyUse, point: &[u8], curve: u8) -> Result<Self, Error> {
        check_point(point)?;
        Self::ecc(kvn, kid, key_use, (KeyComponent::ECC_PUBLIC, point.len()), curve, (0x0036, point))
    }

    /// An ECC private key of `length` bytes, enciphered under the key encryption key of the session: DGI 00B9 and 8137 (tables
    /// 11-104 and 11-105).
    ///
    /// # Errors
    /// [`Error::KeyVersion`] for a version outside 01 to 7F; [`Error::TooLong`] above 65535 bytes.
    pub fn ecc_private(
        kvn: u8,
        kid: u8,
        key_use: KeyUse,
        length: usize,
        cipher: &[u8],
        curve: u8,
    ) -> Result<Self, Error> {
        Self::ecc(kvn, kid, key_use, (KeyComponent::ECC_PRIVATE, length), curve, (0x8137, cipher))
    }

    fn ecc(
        kvn: u8,
        kid: u8,
        key_use: KeyUse,
        (kind, length): (u8, usize),
        curve: u8,
        (dgi, value): (u16, &[u8]),
    ) -> Result<Self, Error> {
        check_version(kvn)?;
        let mut description = Vec::new();
        push_template(&mut description, key_use, kind, length, kid, kvn, None);
        let mut reference = Vec::new();
        tlv::push(&mut reference, Tag(0x80), &[KeyComponent::ECC_PARAMETER_REFERENCE]);
        tlv::push(&mut reference, Tag(0x85), &[curve]);
        tlv::push(&mut description, Tag(0xB9), &reference);
        let mut groups = Self(Vec::new());
        groups.push(0x00B9, &description)?;
        groups.push(dgi, value)?;
        Ok(groups)
    }

    /// The data groups' bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The data for STORE DATA: data groups of which some are enciphered, and no response (GPCS 2.3.1 11.11.4).
    #[must_use]
    pub fn store_data(&self) -> StoreData<'_> {
        StoreData {
            encryption: DataEncryption::ApplicationDependent,
            ..StoreData::new(DataStructure::Dgi, self.as_bytes())
        }
    }

    fn push(&mut self, dgi: u16, value: &[u8]) -> Result<(), Error> {
        self.0.extend_from_slice(&dgi.to_be_bytes());
        match u16::try_from(value.len()) {
            Ok(length @ ..=0xFE) => self.0.push(length as u8),
            Ok(length) => {
                self.0.push(0xFF);
                self.0.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                let (what, limit) = ("a data group", usize::from(u16::MAX));
                return Err(Error::TooLong { command: "STORE DATA", what, actual: value.len(), limit });
            }
        }
        self.0.extend_from_slice(value);
        Ok(())
    }
}

/// Template B9 of one key or key component (GPCS 2.3.1 tables 11-92, 11-94 and 11-102).
fn push_template(
    out: &mut Vec<u8>,
    key_use: KeyUse,
    kind: u8,
    length: usize,
    kid: u8,
    kvn: u8,
    check_value: Option<&[u8]>,
) {
    let mut template = Vec::new();
    let usage = key_use.usage.to_be_bytes();
    tlv::push(&mut template, Tag(0x95), if usage[1] == 0 { &usage[..1] } else { &usage });
    tlv::push(&mut template, Tag(0x96), &[key_use.access]);
    tlv::push(&mut template, Tag(0x80), &[kind]);
    tlv::push(&mut template, Tag(0x81), &key_length(length));
    tlv::push(&mut template, Tag(0x82), &[kid]);
    tlv::push(&mut template, Tag(0x83), &[kvn]);
    if let Some(check_value) = check_value {
        tlv::push(&mut template, Tag(0x84), check_value);
    }
    tlv::push(out, Tag(0xB9), &template);
}

fn key_type(key: &WrappedKey) -> u8 {
    match key.kind {
        KeyKind::Aes => KeyComponent::AES,
        _ => KeyComponent::DES,
    }
}

/// One byte, or two above 255.
fn key_length(length: usize) -> Vec<u8> {
    match u8::try_from(length) {
        Ok(length) => alloc::vec![length],
        Err(_) => u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes().to_vec(),
    }
}

fn check_version(kvn: u8) -> Result<(), Error> {
    if (1..=0x7F).contains(&kvn) { Ok(()) } else { Err(Error::KeyVersion { kvn }) }
}
