use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::cipher::{AesCmac, Tdes};
use crate::{KeyError, KeyKind, KeyValue, Template, pboc};

/// Which of the three keys of a secure channel key set; the number is the Key Identifier (GPCS 2.3.1 E.1.1, Amd D 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    /// Key-ENC.
    Enc = 1,
    /// Key-MAC.
    Mac = 2,
    /// Key-DEK.
    Dek = 3,
}

/// How a card's own key comes from a master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Diversification {
    /// `3DES(MK, F) ‖ 3DES(MK, not F)` (JR/T 0025).
    Pboc {
        /// Last 8 bytes of the application serial number, or an issuer code.
        factor: [u8; 8],
    },
    /// `3DES(MK, X ‖ F0 ‖ k ‖ X ‖ 0F ‖ k)`, X = bytes 4 to 9 of the key diversification data (EMV CPS).
    Emv {
        /// Key diversification data of INITIALIZE UPDATE.
        kdd: [u8; 10],
        /// k.
        purpose: KeyPurpose,
    },
    /// As [`Diversification::Emv`], X = bytes 0, 1 and 4 to 7 of the key diversification data.
    Visa2 {
        /// Key diversification data of INITIALIZE UPDATE.
        kdd: [u8; 10],
        /// k.
        purpose: KeyPurpose,
    },
    /// As [`Diversification::Emv`], X = bytes 0 to 3, 8 and 9 of the key diversification data.
    Visa {
        /// Key diversification data of INITIALIZE UPDATE.
        kdd: [u8; 10],
        /// k.
        purpose: KeyPurpose,
    },
    /// As a template says.
    Template {
        /// What is enciphered or authenticated.
        template: Template,
        /// Kind of the master key and of the derived one.
        kind: KeyKind,
        /// Key diversification data of INITIALIZE UPDATE.
        kdd: [u8; 10],
        /// k.
        purpose: KeyPurpose,
    },
    /// `CMAC(MK, i ‖ 00 00 00 ‖ k ‖ 00 ‖ KDD)`, i = 01, 02 until the key is full.
    Kdf3 {
        /// Key diversification data of INITIALIZE UPDATE.
        kdd: [u8; 10],
        /// k.
        purpose: KeyPurpose,
    },
}

impl Diversification {
    /// The kind of master key that the scheme needs, which is also the kind of the derived key.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        match self {
            Self::Pboc { .. } | Self::Emv { .. } | Self::Visa2 { .. } | Self::Visa { .. } => KeyKind::Tdes,
            Self::Kdf3 { .. } => KeyKind::Aes,
            Self::Template { kind, .. } => *kind,
        }
    }

    /// The derived key.
    ///
    /// # Errors
    /// [`KeyError::Length`] when the master key's length does not fit, [`KeyError::DataLength`] when a template does not fill
    /// the key.
    pub fn apply(&self, master: &KeyValue) -> Result<KeyValue, KeyError> {
        match self {
            Self::Pboc { factor } => pboc::diversify(master, factor),
            Self::Emv { kdd, purpose } => tdes_pair(master, &kdd[4..10], *purpose),
            Self::Visa2 { kdd, purpose } => {
                tdes_pair(master, &[kdd[0], kdd[1], kdd[4], kdd[5], kdd[6], kdd[7]], *purpose)
            }
            Self::Visa { kdd, purpose } => {
                tdes_pair(master, &[kdd[0], kdd[1], kdd[2], kdd[3], kdd[8], kdd[9]], *purpose)
            }
            Self::Kdf3 { kdd, purpose } => {
                aes_blocks(master, |i| [&[i, 0, 0, 0, *purpose as u8, 0], &kdd[..]].concat())
            }
            Self::Template { template, kind: KeyKind::Aes, kdd, purpose } => {
                if master.len() > 16 && !template.counts_blocks() {
                    return Err(KeyError::DataLength { actual: 16, limit: master.len() });
                }
                aes_blocks(master, |i| template.data(kdd, *purpose, i))
            }
            Self::Template { template, kdd, purpose, .. } => {
                let data = template.data(kdd, *purpose, 1);
                match data.len() {
                    16 => tdes_ecb(master, data),
                    actual => Err(KeyError::DataLength { actual, limit: 16 }),
                }
            }
        }
    }
}

/// CMACs one after the other until the key is full.
fn aes_blocks(master: &KeyValue, data: impl Fn(u8) -> Vec<u8>) -> Result<KeyValue, KeyError> {
    let mut key = Zeroizing::new(Vec::with_capacity(32));
    let cmac = AesCmac::new(master)?;
    for i in 1..=master.len().div_ceil(16) as u8 {
        let block = cmac.mac(&[&data(i)]);
        key.extend_from_slice(&*Zeroizing::new(block));
    }
    KeyValue::new(&key[..master.len()])
}

fn tdes_pair(master: &KeyValue, x: &[u8], purpose: KeyPurpose) -> Result<KeyValue, KeyError> {
    let k = purpose as u8;
    tdes_ecb(master, [x, &[0xF0, k], x, &[0x0F, k]].concat())
}

fn tdes_ecb(master: &KeyValue, data: Vec<u8>) -> Result<KeyValue, KeyError> {
    if master.len() != 16 {
        return Err(KeyError::Length { actual: master.len() });
    }
    let mut data = Zeroizing::new(data);
    Tdes::new(master)?.ecb_encrypt(&mut data);
    KeyValue::new(&data)
}
