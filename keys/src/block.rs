//! Block ciphers and MACs over the primitive crates, with the key's length chosen at run time.

use cipher::array::Array;
use cipher::typenum::Unsigned;
use cipher::{Block, BlockCipherEncrypt, BlockModeEncrypt, BlockSizeUser, InnerIvInit, KeyInit};
use cmac::{Cmac, Mac};
use zeroize::Zeroize;

use crate::{KeyError, KeyValue};

#[allow(clippy::large_enum_variant, reason = "lives on the stack for one computation")]
/// DES or two-key triple DES.
pub(crate) enum Tdes {
    Single(des::Des),
    Two { both: des::TdesEde2, left: des::Des },
}

impl Tdes {
    pub(crate) fn new(key: &KeyValue) -> Result<Self, KeyError> {
        let bytes = key.expose_bytes();
        let wrong = KeyError::Length { actual: bytes.len() };
        let single = |half: &[u8]| des::Des::new_from_slice(half).map_err(|_| wrong.clone());
        match bytes.len() {
            8 => Ok(Self::Single(single(bytes)?)),
            16 => Ok(Self::Two {
                both: des::TdesEde2::new_from_slice(bytes).map_err(|_| wrong.clone())?,
                left: single(&bytes[..8])?,
            }),
            _ => Err(wrong),
        }
    }

    /// ECB in place; the length is a multiple of 8.
    pub(crate) fn ecb_encrypt(&self, data: &mut [u8]) {
        let blocks = blocks::<des::Des>(data);
        match self {
            Self::Single(des) => des.encrypt_blocks(blocks),
            Self::Two { both, .. } => both.encrypt_blocks(blocks),
        }
    }

    /// CBC in place; the length is a multiple of 8.
    pub(crate) fn cbc_encrypt(&self, iv: &[u8; 8], data: &mut [u8]) {
        match self {
            Self::Single(des) => cbc(des, iv, data),
            Self::Two { both, .. } => cbc(both, iv, data),
        }
    }

    /// ISO 9797-1 MAC over data whose length is a multiple of 8: algorithm 1 with a single key, algorithm 3 ("retail
    /// MAC": single DES, the last block with triple DES) with two. The data is overwritten.
    pub(crate) fn mac(&self, iv: &[u8; 8], data: &mut [u8]) -> [u8; 8] {
        let mut chain = *iv;
        match self {
            Self::Single(des) => {
                cbc(des, iv, data);
                chain = last_block(data).unwrap_or(chain);
            }
            Self::Two { both, left } => {
                let split = data.len().saturating_sub(8);
                let (front, last) = data.split_at_mut(split);
                cbc(left, iv, front);
                chain = last_block(front).unwrap_or(chain);
                cbc(both, &chain, last);
                chain = last_block(last).unwrap_or(chain);
            }
        }
        data.zeroize();
        chain
    }
}

/// AES with a key of any of its three lengths.
pub(crate) enum Aes {
    Aes128(aes::Aes128Enc),
    Aes192(aes::Aes192Enc),
    Aes256(aes::Aes256Enc),
}

impl Aes {
    pub(crate) fn new(key: &KeyValue) -> Result<Self, KeyError> {
        let bytes = key.expose_bytes();
        let wrong = |_| KeyError::Length { actual: bytes.len() };
        match bytes.len() {
            16 => aes::Aes128Enc::new_from_slice(bytes).map(Self::Aes128).map_err(wrong),
            24 => aes::Aes192Enc::new_from_slice(bytes).map(Self::Aes192).map_err(wrong),
            _ => aes::Aes256Enc::new_from_slice(bytes).map(Self::Aes256).map_err(wrong),
        }
    }

    /// CBC in place; the length is a multiple of 16.
    pub(crate) fn cbc_encrypt(&self, iv: &[u8; 16], data: &mut [u8]) {
        match self {
            Self::Aes128(aes) => cbc(aes, iv, data),
            Self::Aes192(aes) => cbc(aes, iv, data),
            Self::Aes256(aes) => cbc(aes, iv, data),
        }
    }
}

/// CMAC with AES (NIST SP 800-38B) over the concatenation of the parts.
pub(crate) fn aes_cmac(key: &KeyValue, parts: &[&[u8]]) -> Result<[u8; 16], KeyError> {
    fn run<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 16], KeyError> {
        let mut mac = <M as KeyInit>::new_from_slice(key).map_err(|_| KeyError::Length { actual: key.len() })?;
        parts.iter().for_each(|part| mac.update(part));
        let mut out = [0; 16];
        out.copy_from_slice(&mac.finalize().into_bytes());
        Ok(out)
    }
    let bytes = key.expose_bytes();
    match bytes.len() {
        16 => run::<Cmac<aes::Aes128>>(bytes, parts),
        24 => run::<Cmac<aes::Aes192>>(bytes, parts),
        _ => run::<Cmac<aes::Aes256>>(bytes, parts),
    }
}

fn cbc<C: BlockCipherEncrypt, const N: usize>(cipher: &C, iv: &[u8; N], data: &mut [u8]) {
    debug_assert_eq!(C::BlockSize::USIZE, N);
    let Ok(iv) = Block::<C>::try_from(&iv[..]) else { return };
    cbc::Encryptor::inner_iv_init(cipher, &iv).encrypt_blocks(blocks::<C>(data));
}

fn blocks<C: BlockSizeUser>(data: &mut [u8]) -> &mut [Block<C>] {
    let (blocks, rest) = Array::slice_as_chunks_mut(data);
    debug_assert!(rest.is_empty());
    blocks
}

fn last_block(data: &[u8]) -> Option<[u8; 8]> {
    data.last_chunk().copied()
}
