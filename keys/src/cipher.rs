//! Block ciphers and MACs over the primitive crates, with the key's length chosen at run time.
//!
//! A value of these types holds an expanded key, wiped on drop; expand once a session. The key lies on the heap, without padding:
//! where a value is moved, as in each step of a conversation, no copy of the key stays behind.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use cipher::array::Array;
use cipher::typenum::Unsigned;
use cipher::{
    Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, InnerIvInit,
    KeyInit,
};
use zeroize::{Zeroize, Zeroizing};

use crate::{KeyError, KeyValue};

/// DES (8-byte key) or two-key triple DES (16-byte key).
pub struct Tdes(TdesKey);

enum TdesKey {
    Single(Box<des::Des>),
    Two { both: Box<des::TdesEde2>, left: Box<des::Des> },
}

impl Tdes {
    /// Expands a key.
    ///
    /// # Errors
    /// [`KeyError::Length`] for other than 8 or 16 bytes.
    pub fn new(key: &KeyValue) -> Result<Self, KeyError> {
        let bytes = key.expose_bytes();
        let wrong = KeyError::Length { actual: bytes.len() };
        let single = |half: &[u8]| des::Des::new_from_slice(half).map(Box::new).map_err(|_| wrong.clone());
        match bytes.len() {
            8 => Ok(Self(TdesKey::Single(single(bytes)?))),
            16 => Ok(Self(TdesKey::Two {
                both: Box::new(des::TdesEde2::new_from_slice(bytes).map_err(|_| wrong.clone())?),
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

    /// ECB in place, backwards; the length is a multiple of 8.
    pub fn ecb_decrypt(&self, data: &mut [u8]) {
        let blocks = blocks::<des::Des>(data);
        match &self.0 {
            TdesKey::Single(des) => des.decrypt_blocks(blocks),
            TdesKey::Two { both, .. } => both.decrypt_blocks(blocks),
        }
    }

    /// CBC in place; the length is a multiple of 8.
    pub fn cbc_encrypt(&self, iv: &[u8; 8], data: &mut [u8]) {
        match &self.0 {
            TdesKey::Single(des) => cbc(&**des, iv, data),
            TdesKey::Two { both, .. } => cbc(&**both, iv, data),
        }
    }

    /// ISO 9797-1 MAC over data whose length is a multiple of 8: algorithm 1 with a single key, algorithm 3 ("retail
    /// MAC": single DES, the last block with triple DES) with two. The data is overwritten.
    pub fn mac(&self, iv: &[u8; 8], data: &mut [u8]) -> [u8; 8] {
        let mut chain = *iv;
        match &self.0 {
            TdesKey::Single(des) => {
                cbc(&**des, iv, data);
                chain = last_block(data).unwrap_or(chain);
            }
            TdesKey::Two { both, left } => {
                let split = data.len().saturating_sub(8);
                let (front, last) = data.split_at_mut(split);
                cbc(&**left, iv, front);
                chain = last_block(front).unwrap_or(chain);
                cbc(&**both, &chain, last);
                chain = last_block(last).unwrap_or(chain);
            }
        }
        data.zeroize();
        chain
    }
}

/// Overwrites what the expansion of a key left on the stack on its way to the heap: it would come there again with the
/// padding of whatever is put there next.
#[inline(never)]
fn wipe_stack() {
    let mut below = [0u8; 4096];
    below.zeroize();
    core::hint::black_box(&below);
}

/// AES with a key of any of its three lengths.
pub struct Aes(AesKey);

enum AesKey {
    Aes128(Box<aes::Aes128>),
    Aes192(Box<aes::Aes192>),
    Aes256(Box<aes::Aes256>),
}

impl Aes {
    /// Expands a key.
    ///
    /// # Errors
    /// [`KeyError::Length`] for other than 16, 24 or 32 bytes.
    pub fn new(key: &KeyValue) -> Result<Self, KeyError> {
        let bytes = key.expose_bytes();
        let wrong = |_| KeyError::Length { actual: bytes.len() };
        let expanded = match bytes.len() {
            16 => AesKey::Aes128(Box::new(aes::Aes128::new_from_slice(bytes).map_err(wrong)?)),
            24 => AesKey::Aes192(Box::new(aes::Aes192::new_from_slice(bytes).map_err(wrong)?)),
            _ => AesKey::Aes256(Box::new(aes::Aes256::new_from_slice(bytes).map_err(wrong)?)),
        };
        wipe_stack();
        Ok(Self(expanded))
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
            AesKey::Aes128(aes) => cbc(&**aes, iv, data),
            AesKey::Aes192(aes) => cbc(&**aes, iv, data),
            AesKey::Aes256(aes) => cbc(&**aes, iv, data),
        }
    }

    /// CBC in place, backwards; the length is a multiple of 16.
    pub fn cbc_decrypt(&self, iv: &[u8; 16], data: &mut [u8]) {
        match &self.0 {
            AesKey::Aes128(aes) => cbc_back(&**aes, iv, data),
            AesKey::Aes192(aes) => cbc_back(&**aes, iv, data),
            AesKey::Aes256(aes) => cbc_back(&**aes, iv, data),
        }
    }
}

/// SM4 (GB/T 32907).
pub struct Sm4(Box<sm4::Sm4>);

impl Sm4 {
    /// Expands a key.
    ///
    /// # Errors
    /// [`KeyError::Length`] for other than 16 bytes.
    pub fn new(key: &KeyValue) -> Result<Self, KeyError> {
        let bytes = key.expose_bytes();
        let wrong = |_| KeyError::Length { actual: bytes.len() };
        Ok(Self(Box::new(sm4::Sm4::new_from_slice(bytes).map_err(wrong)?)))
    }

    /// ECB in place; the length is a multiple of 16.
    pub fn ecb_encrypt(&self, data: &mut [u8]) {
        self.0.encrypt_blocks(blocks::<sm4::Sm4>(data));
    }

    /// ECB in place, backwards; the length is a multiple of 16.
    pub fn ecb_decrypt(&self, data: &mut [u8]) {
        self.0.decrypt_blocks(blocks::<sm4::Sm4>(data));
    }

    /// CBC in place; the length is a multiple of 16.
    pub fn cbc_encrypt(&self, iv: &[u8; 16], data: &mut [u8]) {
        cbc(&*self.0, iv, data);
    }
}

/// CMAC with AES (NIST SP 800-38B), key and subkeys computed once.
///
/// It is CBC with a masked last block, and done so over the `cbc` crate: twice as fast as the streaming `cmac` crate,
/// which checks it in the tests.
pub struct AesCmac {
    aes: Aes,
    whole: Zeroizing<[u8; 16]>,
    padded: Zeroizing<[u8; 16]>,
}

impl AesCmac {
    /// Expands a key.
    ///
    /// # Errors
    /// [`KeyError::Length`] for other than 16, 24 or 32 bytes.
    pub fn new(key: &KeyValue) -> Result<Self, KeyError> {
        let aes = Aes::new(key)?;
        let whole = double(&Zeroizing::new(aes.encrypt_block(&[0; 16])));
        let padded = double(&whole);
        Ok(Self { aes, whole, padded })
    }

    /// The MAC of the concatenation of the parts.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 16] {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let blocks = length.div_ceil(16).max(1) * 16;
        // A short command and its chaining value stay on the stack.
        let mut small = [0; 304];
        let mut large = Vec::new();
        let scratch = match small.get_mut(..blocks) {
            Some(scratch) => scratch,
            None => {
                large.resize(blocks, 0);
                &mut large[..]
            }
        };
        let mut at = 0;
        for part in parts {
            scratch[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let subkey = if length == blocks {
            &self.whole
        } else {
            scratch[length] = 0x80;
            &self.padded
        };
        scratch[blocks - 16..].iter_mut().zip(subkey.iter()).for_each(|(byte, mask)| *byte ^= mask);
        self.aes.cbc_encrypt(&[0; 16], scratch);
        let mut mac = [0; 16];
        mac.copy_from_slice(&scratch[blocks - 16..]);
        scratch.zeroize();
        mac
    }
}

/// Multiplication by x in GF(2^128) (NIST SP 800-38B 6.1).
pub(crate) fn double(block: &[u8; 16]) -> Zeroizing<[u8; 16]> {
    let number = u128::from_be_bytes(*block);
    // The sign spread over the word: all ones when the top bit is set, without a branch on the key.
    let carry = ((number as i128) >> 127) as u128;
    Zeroizing::new((number << 1 ^ carry & 0x87).to_be_bytes())
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

opaque!(Tdes, Aes, Sm4, AesCmac);

#[cfg(test)]
mod tests {
    use super::*;
    use cmac::{Cmac, Mac};

    fn theirs<M: Mac + cmac::KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
        let mut mac = <M as cmac::KeyInit>::new_from_slice(key).unwrap();
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    }

    #[test]
    fn agrees_with_the_cmac_crate_at_every_length_and_key_size() {
        let bytes: Vec<u8> = (0..=255).cycle().take(700).map(|i: u8| i.wrapping_mul(167) ^ 0x5A).collect();
        for length in (0..330).chain([511, 512, 513, 700]) {
            let message = &bytes[..length];
            for (seed, size) in [(0u8, 16usize), (3, 24), (9, 32), (200, 16)] {
                let key: Vec<u8> = (0..size as u8).map(|i| i.wrapping_mul(29).wrapping_add(seed)).collect();
                let expected = match size {
                    16 => theirs::<Cmac<aes::Aes128>>(&key, message),
                    24 => theirs::<Cmac<aes::Aes192>>(&key, message),
                    _ => theirs::<Cmac<aes::Aes256>>(&key, message),
                };
                let cmac = AesCmac::new(&KeyValue::new(&key).unwrap()).unwrap();
                let (front, back) = message.split_at(length / 3);
                assert_eq!(cmac.mac(&[front, back])[..], expected, "{length} bytes, {size}-byte key");
            }
        }
    }
}
