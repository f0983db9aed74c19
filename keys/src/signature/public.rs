use alloc::vec::Vec;
use core::fmt;

use rsa::{BoxedUint, Pkcs1v15Sign, Pss};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::{EcPublicKey, EcdsaSignature, KeyError};

/// DigestInfo of SHA-1 up to the digest (PKCS #1 9.2).
const SHA1_INFO: [u8; 15] = [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14];
/// Least and greatest length of a modulus, in bytes; the least has scheme 1 (GPCS 2.3.1 B.3).
const LEAST: usize = 128;
const GREATEST: usize = 512;

/// A public key that signatures of card content management are verified with (GPCS 2.3.1 table C-1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKey {
    /// ECDSA, SHA-256 or SHA-384 by the curve, `r ‖ s` (GPCS 2.3.1 B.4.3).
    Ec(EcPublicKey),
    /// PKCS #1 1.5 with SHA-1 at 1024 bits (GPCS 2.3.1 B.3.1.1), PSS with SHA-256 above (B.3.2.1).
    Rsa(RsaPublicKey),
}

impl PublicKey {
    /// Verifies a signature over whole data.
    ///
    /// # Errors
    /// [`KeyError::Signature`] when it is not this key's signature over these data.
    pub fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        match self {
            Self::Ec(key) => key.verify(key.curve().signature_hash(), data, EcdsaSignature::Plain(signature)),
            Self::Rsa(key) => key.verify(data, signature),
        }
    }
}

/// An RSA public key of 1024 to 4096 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaPublicKey {
    key: rsa::RsaPublicKey,
    length: usize,
}

impl RsaPublicKey {
    /// Takes modulus and exponent, both big-endian.
    ///
    /// # Errors
    /// [`KeyError::Length`] for another length of the modulus, [`KeyError::RsaPublicKey`] for numbers that are no key.
    pub fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let leading = modulus.iter().take_while(|byte| **byte == 0).count();
        let modulus = &modulus[leading..];
        if !(LEAST..=GREATEST).contains(&modulus.len()) {
            return Err(KeyError::Length { actual: modulus.len() });
        }
        if exponent.is_empty() || exponent.len() > 8 {
            return Err(KeyError::RsaPublicKey);
        }
        let number = BoxedUint::from_be_slice_vartime;
        let key = rsa::RsaPublicKey::new(number(modulus), number(exponent)).map_err(|_| KeyError::RsaPublicKey)?;
        Ok(Self { key, length: modulus.len() })
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        let verified = if self.length <= LEAST {
            let prefix: Vec<u8> = SHA1_INFO.to_vec();
            let scheme = Pkcs1v15Sign { hash_len: Some(20), prefix: prefix.into() };
            self.key.verify(scheme, &Sha1::digest(data), signature)
        } else {
            self.key.verify(Pss::<Sha256>::new(), &Sha256::digest(data), signature)
        };
        verified.map_err(|_| KeyError::Signature)
    }
}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPublicKey({} bits)", 8 * self.length)
    }
}
