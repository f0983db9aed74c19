use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::milenage::MilenageKey;
use crate::{EcCurve, KeyError};

/// Which algorithm a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// DES with one key of 8 bytes, or triple DES with two keys (16 bytes).
    Tdes,
    /// AES with 16, 24 or 32 bytes.
    Aes,
    /// SM4 with 16 bytes.
    Sm4,
    /// A private key of an elliptic curve, as long as its order.
    Ec(EcCurve),
    /// A secret of MILENAGE, 16 bytes.
    Milenage(MilenageKey),
}

impl KeyKind {
    /// Refuses a length that no key of this kind has.
    pub(crate) fn check_length(self, actual: usize) -> Result<(), KeyError> {
        let fits = match self {
            Self::Tdes => matches!(actual, 8 | 16),
            Self::Aes => matches!(actual, 16 | 24 | 32),
            Self::Sm4 => actual == 16,
            Self::Ec(curve) => actual == curve.field_len(),
            Self::Milenage(_) => actual == 16,
        };
        if fits { Ok(()) } else { Err(KeyError::Length { actual }) }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tdes => f.write_str("DES"),
            Self::Aes => f.write_str("AES"),
            Self::Sm4 => f.write_str("SM4"),
            Self::Ec(curve) => write!(f, "EC {curve}"),
            Self::Milenage(key) => write!(f, "MILENAGE {key}"),
        }
    }
}

/// The bytes of a key. Wiped on drop, compared in constant time, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct KeyValue(Vec<u8>);

impl KeyValue {
    /// Takes a key of 8, 16, 24 or 32 bytes, or a private key of 48.
    ///
    /// # Errors
    /// [`KeyError::Length`] for any other length.
    pub fn new(value: &[u8]) -> Result<Self, KeyError> {
        match value.len() {
            8 | 16 | 24 | 32 | 48 => Ok(Self(value.to_vec())),
            actual => Err(KeyError::Length { actual }),
        }
    }

    /// The bytes. Whoever calls this keeps them secret.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Length, in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a key is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether two keys are equal, in constant time.
    #[must_use]
    pub fn is_equal(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyValue({} bytes)", self.0.len())
    }
}

/// The session keys of a secure channel.
#[derive(Clone, Debug)]
pub struct SessionKeys {
    /// S-ENC: command and response encryption.
    pub enc: KeyValue,
    /// S-MAC: C-MAC.
    pub mac: KeyValue,
    /// S-RMAC: R-MAC; SCP01 has none.
    pub rmac: Option<KeyValue>,
    /// Data encryption session key of SCP02 and SCP11; SCP01 and SCP03 have none (GPCS 2.3.1 D.2, Amd D 6.2.1).
    pub dek: Option<KeyValue>,
}
