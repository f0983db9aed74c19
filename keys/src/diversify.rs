use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::cipher::{AesCmac, Sm4, Tdes};
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
    /// `SM4(MK, F ‖ not F)`: SM4 keys of PBOC 3.0 and transport cards.
    PbocSm4 {
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
            Self::PbocSm4 { .. } => KeyKind::Sm4,
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
        match self.input(master.len())? {
            Input::Tdes(data) => {
                let mut data = Zeroizing::new(data);
                Tdes::new(master)?.ecb_encrypt(&mut data[..]);
                KeyValue::new(&data[..])
            }
            Input::Sm4(data) => {
                let mut data = Zeroizing::new(data);
                Sm4::new(master)?.ecb_encrypt(&mut data[..]);
                KeyValue::new(&data[..])
            }
            Input::Aes(blocks) => {
                let cmac = AesCmac::new(master)?;
                join(&blocks, master.len(), |block| Ok(cmac.mac(&[block])))
            }
        }
    }

    /// What a master key of this length is applied to.
    pub(crate) fn input(&self, length: usize) -> Result<Input, KeyError> {
        let pair = |x: &[u8], purpose: &KeyPurpose| {
            let k = *purpose as u8;
            [x, &[0xF0, k], x, &[0x0F, k]].concat()
        };
        let data = match self {
            Self::Pboc { factor } | Self::PbocSm4 { factor } => pboc::diversification_data(factor).to_vec(),
            Self::Emv { kdd, purpose } => pair(&kdd[4..10], purpose),
            Self::Visa2 { kdd, purpose } => pair(&[kdd[0], kdd[1], kdd[4], kdd[5], kdd[6], kdd[7]], purpose),
            Self::Visa { kdd, purpose } => pair(&[kdd[0], kdd[1], kdd[2], kdd[3], kdd[8], kdd[9]], purpose),
            Self::Kdf3 { kdd, purpose } => {
                return Ok(aes_blocks(length, |i| [&[i, 0, 0, 0, *purpose as u8, 0], &kdd[..]].concat()));
            }
            Self::Template { template, kind: KeyKind::Aes, kdd, purpose } => {
                if length > 16 && !template.counts_blocks() {
                    return Err(KeyError::DataLength { actual: 16, limit: length });
                }
                return Ok(aes_blocks(length, |i| template.data(kdd, *purpose, i)));
            }
            Self::Template { template, kdd, purpose, .. } => template.data(kdd, *purpose, 1),
        };
        let actual = data.len();
        let data = data.try_into().map_err(|_| KeyError::DataLength { actual, limit: 16 })?;
        match (length, self.kind()) {
            (16, KeyKind::Sm4) => Ok(Input::Sm4(data)),
            (16, _) => Ok(Input::Tdes(data)),
            _ => Err(KeyError::Length { actual: length }),
        }
    }
}

/// What a master key is applied to.
pub(crate) enum Input {
    /// 3DES in ECB mode over these two blocks is the key.
    Tdes([u8; 16]),
    /// SM4 in ECB mode over this block is the key.
    Sm4([u8; 16]),
    /// The CMACs over these are the key, as far as it is long.
    Aes(Vec<Vec<u8>>),
}

fn aes_blocks(length: usize, data: impl Fn(u8) -> Vec<u8>) -> Input {
    Input::Aes((1..=length.div_ceil(16) as u8).map(data).collect())
}

/// CMACs, computed elsewhere, one after the other until the key is full.
pub(crate) fn join(
    blocks: &[Vec<u8>],
    length: usize,
    mut cmac: impl FnMut(&[u8]) -> Result<[u8; 16], KeyError>,
) -> Result<KeyValue, KeyError> {
    let mut key = Zeroizing::new(Vec::with_capacity(32));
    for block in blocks {
        key.extend_from_slice(&*Zeroizing::new(cmac(block)?));
    }
    KeyValue::new(key.get(..length).ok_or(KeyError::Length { actual: length })?)
}
