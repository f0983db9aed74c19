use core::fmt;

use crate::cipher::{Aes, Sm4, Tdes};
use crate::{KeyError, KeyKind, KeyValue};

/// Key check value: the first three bytes of an encrypted constant block. Public.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyCheckValue(pub [u8; 3]);

impl KeyCheckValue {
    /// DES keys encrypt eight bytes 00 (GPCS 2.3.1 B.6), AES keys sixteen bytes 01 (Amd D 7.2.2), and so do MILENAGE's.
    ///
    /// # Errors
    /// [`KeyError::Length`] when the key's length does not fit its kind, [`KeyError::Unsupported`] for a private key of a curve.
    pub fn of(kind: KeyKind, key: &KeyValue) -> Result<Self, KeyError> {
        let value = match kind {
            KeyKind::Tdes => {
                let mut block = [0; 8];
                Tdes::new(key)?.ecb_encrypt(&mut block);
                [block[0], block[1], block[2]]
            }
            KeyKind::Aes | KeyKind::Milenage(_) => {
                let block = Aes::new(key)?.encrypt_block(&[1; 16]);
                [block[0], block[1], block[2]]
            }
            KeyKind::Sm4 => {
                let mut block = [0; 16];
                Sm4::new(key)?.ecb_encrypt(&mut block);
                [block[0], block[1], block[2]]
            }
            KeyKind::Ec(_) => return Err(KeyError::Unsupported),
        };
        Ok(Self(value))
    }
}

impl fmt::Display for KeyCheckValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.0;
        write!(f, "{a:02X}{b:02X}{c:02X}")
    }
}

impl fmt::Debug for KeyCheckValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyCheckValue({self})")
    }
}
