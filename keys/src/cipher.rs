//! Block ciphers and MACs over the primitive crates, with the key's length chosen at run time.
//!
//! A value of these types holds an expanded key, wiped on drop; expand once a session.

use core::fmt;

use cipher::array::Array;
use cipher::typenum::Unsigned;
use cipher::{
    Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, InnerIvInit,
    KeyInit,
};
use cmac::{Cmac, Mac};
use zeroize::Zeroize;

use crate::{KeyError, KeyValue};

/// DES (8-byte key) or two-key triple DES (16-byte key).
pub struct Tdes(TdesKey);

#[allow(clippy::large_enum_variant, reason = "triple DES is the rule, single DES the exception")]
enum TdesKey {
    Single(des::Des),
    Two { both: des::TdesEde2, left: des::Des },
}

impl Tdes {
    /// Expands a key.
    ///
    /// # Errors
    /// [`KeyError::Length`] for other than 8 or 16 bytes.
    pub fn new(key: &KeyValue) -> Result<Self, KeyError> {
        let bytes = key.expose_bytes();
        let wrong = KeyError::Length { actual: bytes.len() };
        let single = |half: &[u8]| des::Des::new_from_slice(half).map_err(|_| wrong.clone());
        match bytes.len() {
            8 => Ok(Self(TdesKey::Single(single(bytes)?))),
            16 => Ok(Self(TdesKey::Two {
                both: des::TdesEde2::new_from_slice(bytes).map_err(|_| wrong.clone())?,
                left: single(&bytes[..8])?,
            })),
            _ => Err(wrong),
        }
    }

    /// ECB in place; the length is a multiple of 8.
    pub fn ecb_encrypt(&self, data: &mut [u8]) {
        let blocks = blocks::<des::Des>(data);
        match &self.0 {
            TdesKey::Single(des) => des.encrypt_blocks(blocks),
            TdesKey::Two { both, .. } => both.encrypt_blocks(blocks),
        }
    }

    /// CBC in place; the length is a multiple of 8.
    pub fn cbc_encrypt(&self, iv: &[u8; 8], data: &mut [u8]) {
        match &self.0 {
            TdesKey::Single(des) => cbc(des, iv, data),
            TdesKey::Two { both, .. } => cbc(both, iv, data),
        }
    }

    /// ISO 9797-1 MAC over data whose length is a multiple of 8: algorithm 1 with a single key, algorithm 3 ("retail
    /// MAC": single DES, the last block with triple DES) with two. The data is overwritten.
    pub fn mac(&self, iv: &[u8; 8], data: &mut [u8]) -> [u8; 8] {
        let mut chain = *iv;
        match &self.0 {
            TdesKey::Single(des) => {
                cbc(des, iv, data);
                chain = last_block(data).unwrap_or(chain);
            }
            TdesKey::Two { both, left } => {
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
pub struct Aes(AesKey);

#[allow(clippy::large_enum_variant, reason = "one a session")]
enum AesKey {
    Aes128(aes::Aes128),
    Aes192(aes::Aes192),
    Aes256(aes::Aes256),
}

impl Aes {
    /// Expands a key.
    ///
    /// # Errors
    /// [`KeyError::Length`] for other than 16, 24 or 32 bytes.
    pub fn new(key: &KeyValue) -> Result<Self, KeyError> {
        let bytes = key.expose_bytes();
        let wrong = |_| KeyError::Length { actual: bytes.len() };
        Ok(Self(match bytes.len() {
            16 => AesKey::Aes128(aes::Aes128::new_from_slice(bytes).map_err(wrong)?),
            24 => AesKey::Aes192(aes::Aes192::new_from_slice(bytes).map_err(wrong)?),
            _ => AesKey::Aes256(aes::Aes256::new_from_slice(bytes).map_err(wrong)?),
        }))
    }

    /// One block in ECB mode.
    #[must_use]
    pub fn encrypt_block(&self, block: &[u8; 16]) -> [u8; 16] {
        let mut out = [0; 16];
        self.cbc_encrypt(block, &mut out);
        out
    }

    /// CBC in place; the length is a multiple of 16.
    pub fn cbc_encrypt(&self, iv: &[u8; 16], data: &mut [u8]) {
        match &self.0 {
            AesKey::Aes128(aes) => cbc(aes, iv, data),
            AesKey::Aes192(aes) => cbc(aes, iv, data),
            AesKey::Aes256(aes) => cbc(aes, iv, data),
        }
    }

    /// CBC in place, backwards; the length is a multiple of 16.
    pub fn cbc_decrypt(&self, iv: &[u8; 16], data: &mut [u8]) {
        match &self.0 {
            AesKey::Aes128(aes) => cbc_back(aes, iv, data),
            AesKey::Aes192(aes) => cbc_back(aes, iv, data),
            AesKey::Aes256(aes) => cbc_back(aes, iv, data),
        }
    }
}

/// CMAC with AES (NIST SP 800-38B), the key expanded once.
pub struct AesCmac(CmacKey);

#[allow(clippy::large_enum_variant, reason = "one a session")]
enum CmacKey {
    Aes128(Cmac<aes::Aes128>),
    Aes192(Cmac<aes::Aes192>),
    Aes256(Cmac<aes::Aes256>),
}

impl AesCmac {
    /// Expands a key.
    ///
    /// # Errors
    /// [`KeyError::Length`] for other than 16, 24 or 32 bytes.
    pub fn new(key: &KeyValue) -> Result<Self, KeyError> {
        fn expand<M: KeyInit>(key: &[u8]) -> Result<M, KeyError> {
            M::new_from_slice(key).map_err(|_| KeyError::Length { actual: key.len() })
        }
        let bytes = key.expose_bytes();
        Ok(Self(match bytes.len() {
            16 => CmacKey::Aes128(expand(bytes)?),
            24 => CmacKey::Aes192(expand(bytes)?),
            _ => CmacKey::Aes256(expand(bytes)?),
        }))
    }

    /// The MAC of the concatenation of the parts.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 16] {
        fn run<M: Mac + Clone>(keyed: &M, parts: &[&[u8]]) -> [u8; 16] {
            let mut mac = keyed.clone();
            parts.iter().for_each(|part| mac.update(part));
            let mut out = [0; 16];
            out.copy_from_slice(&mac.finalize().into_bytes());
            out
        }
        match &self.0 {
            CmacKey::Aes128(keyed) => run(keyed, parts),
            CmacKey::Aes192(keyed) => run(keyed, parts),
            CmacKey::Aes256(keyed) => run(keyed, parts),
        }
    }
}

fn cbc<C: BlockCipherEncrypt, const N: usize>(cipher: &C, iv: &[u8; N], data: &mut [u8]) {
    debug_assert_eq!(C::BlockSize::USIZE, N);
    let Ok(iv) = Block::<C>::try_from(&iv[..]) else { return };
    cbc::Encryptor::inner_iv_init(cipher, &iv).encrypt_blocks(blocks::<C>(data));
}

fn cbc_back<C: BlockCipherDecrypt, const N: usize>(cipher: &C, iv: &[u8; N], data: &mut [u8]) {
    let Ok(iv) = Block::<C>::try_from(&iv[..]) else { return };
    cbc::Decryptor::inner_iv_init(cipher, &iv).decrypt_blocks(blocks::<C>(data));
}

fn blocks<C: BlockSizeUser>(data: &mut [u8]) -> &mut [Block<C>] {
    let (blocks, rest) = Array::slice_as_chunks_mut(data);
    debug_assert!(rest.is_empty());
    blocks
}

fn last_block(data: &[u8]) -> Option<[u8; 8]> {
    data.last_chunk().copied()
}

macro_rules! opaque {
    ($($type:ident),*) => {
        $(impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($type))
            }
        })*
    };
}

opaque!(Tdes, Aes, AesCmac);
