//! The block ciphers as the card's parts need them: whole blocks, fixed keys, no failure.

use aes::{Aes128, Aes192, Aes256};
use cipher::array::Array;
use cipher::common::InnerInit;
use cipher::{BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, Iv, KeyInit};
use cmac::{Cmac, Mac};
use des::{Des, TdesEde2};

/// Length of a DES block, in bytes.
pub(crate) const DES_BLOCK: usize = 8;
/// Length of an AES block, in bytes.
pub(crate) const AES_BLOCK: usize = 16;

/// Appends `80`, then `00` up to the next block boundary; a full block when the data ends on one
/// (GPCS B.1.3 and B.2.3).
pub(crate) fn pad(data: &mut Vec<u8>, block: usize) {
    data.push(0x80);
    data.resize(data.len().next_multiple_of(block), 0);
}

/// Takes `80 00..` off again; `None` when the data do not end so.
pub(crate) fn unpad(data: &mut Vec<u8>) -> Option<()> {
    let end = data.iter().rposition(|byte| *byte != 0)?;
    (data[end] == 0x80).then(|| data.truncate(end))
}

/// Whether two MACs are the same; looks at every byte.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// Two-key triple DES.
pub(crate) struct TripleDes(TdesEde2);

impl TripleDes {
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        Self(TdesEde2::new(&Array::from(*key)))
    }

    /// ECB over the whole blocks of `data` (GPCS B.1.1.2).
    pub(crate) fn encrypt_ecb(&self, data: &mut [u8]) {
        self.0.encrypt_blocks(Array::slice_as_chunks_mut(data).0);
    }

    /// The opposite of [`TripleDes::encrypt_ecb`].
    pub(crate) fn decrypt_ecb(&self, data: &mut [u8]) {
        self.0.decrypt_blocks(Array::slice_as_chunks_mut(data).0);
    }

    /// CBC over the whole blocks of `data` (GPCS B.1.1.1).
    pub(crate) fn encrypt_cbc(&self, icv: [u8; 8], data: &mut [u8]) {
        encrypt_cbc(&self.0, Array(icv), data);
    }

    /// The opposite of [`TripleDes::encrypt_cbc`].
    pub(crate) fn decrypt_cbc(&self, icv: [u8; 8], data: &mut [u8]) {
        decrypt_cbc(&self.0, Array(icv), data);
    }

    /// Full triple DES MAC (GPCS B.1.2.1); the data are padded here.
    pub(crate) fn full_mac(&self, icv: [u8; 8], data: &[u8]) -> [u8; 8] {
        let mut data = data.to_vec();
        pad(&mut data, DES_BLOCK);
        self.encrypt_cbc(icv, &mut data);
        last_block(&data)
    }
}

/// Single DES with an 8-byte key.
pub(crate) fn encrypt_des(key: &[u8; 8], block: [u8; 8]) -> [u8; 8] {
    let mut block = Array(block);
    Des::new(&Array::from(*key)).encrypt_block(&mut block);
    block.0
}

/// Single DES MAC in CBC mode, ISO 9797-1 algorithm 1; the data are padded here.
pub(crate) fn des_mac(key: &[u8; 8], icv: [u8; 8], data: &[u8]) -> [u8; 8] {
    let mut data = data.to_vec();
    pad(&mut data, DES_BLOCK);
    encrypt_cbc(&Des::new(&Array::from(*key)), Array(icv), &mut data);
    last_block(&data)
}

/// Single DES plus final triple DES MAC, ISO 9797-1 algorithm 3 (GPCS B.1.2.2); the data are padded here.
pub(crate) fn retail_mac(key: &[u8; 16], icv: [u8; 8], data: &[u8]) -> [u8; 8] {
    let (left, right) = halves(key);
    let mut block = Array(des_mac(&left, icv, data));
    Des::new(&Array::from(right)).decrypt_block(&mut block);
    encrypt_des(&left, block.0)
}

/// The two DES keys of a double-length key.
pub(crate) fn halves(key: &[u8; 16]) -> ([u8; 8], [u8; 8]) {
    let (mut left, mut right) = ([0; 8], [0; 8]);
    left.copy_from_slice(&key[..8]);
    right.copy_from_slice(&key[8..]);
    (left, right)
}

/// AES with a key of 16, 24 or 32 bytes, and the CMAC under it.
pub(crate) enum Aes {
    K128(Aes128),
    K192(Aes192),
    K256(Aes256),
}

macro_rules! with_cipher {
    ($self:expr, $cipher:ident => $body:expr) => {
        match $self {
            Aes::K128($cipher) => $body,
            Aes::K192($cipher) => $body,
            Aes::K256($cipher) => $body,
        }
    };
}

impl Aes {
    /// `None` for a key of another length.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128::new_from_slice(key).ok().map(Self::K128),
            24 => Aes192::new_from_slice(key).ok().map(Self::K192),
            32 => Aes256::new_from_slice(key).ok().map(Self::K256),
            _ => None,
        }
    }

    /// One block.
    pub(crate) fn encrypt_block(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = Array(block);
        with_cipher!(self, cipher => cipher.encrypt_block(&mut block));
        block.0
    }

    /// CBC over the whole blocks of `data` (Amd D 4.1.2).
    pub(crate) fn encrypt_cbc(&self, icv: [u8; 16], data: &mut [u8]) {
        with_cipher!(self, cipher => encrypt_cbc(cipher, Array(icv), data));
    }

    /// The opposite of [`Aes::encrypt_cbc`].
    pub(crate) fn decrypt_cbc(&self, icv: [u8; 16], data: &mut [u8]) {
        with_cipher!(self, cipher => decrypt_cbc(cipher, Array(icv), data));
    }

    /// CMAC over the parts one after the other (Amd D 4.1.3).
    pub(crate) fn cmac(&self, parts: &[&[u8]]) -> [u8; 16] {
        match self {
            Self::K128(cipher) => cmac_of(Cmac::inner_init(cipher.clone()), parts),
            Self::K192(cipher) => cmac_of(Cmac::inner_init(cipher.clone()), parts),
            Self::K256(cipher) => cmac_of(Cmac::inner_init(cipher.clone()), parts),
        }
    }
}

fn cmac_of(mut mac: impl Mac<OutputSize = cipher::consts::U16>, parts: &[&[u8]]) -> [u8; 16] {
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().0
}

fn encrypt_cbc<C: BlockCipherEncrypt>(cipher: &C, icv: Iv<cbc::Encryptor<&C>>, data: &mut [u8]) {
    cbc::Encryptor::inner_iv_init(cipher, &icv).encrypt_blocks(Array::slice_as_chunks_mut(data).0);
}

fn decrypt_cbc<C: BlockCipherDecrypt>(cipher: &C, icv: Iv<cbc::Decryptor<&C>>, data: &mut [u8]) {
    cbc::Decryptor::inner_iv_init(cipher, &icv).decrypt_blocks(Array::slice_as_chunks_mut(data).0);
}

fn last_block(data: &[u8]) -> [u8; 8] {
    data.last_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_always_adds_and_comes_off_again() {
        for length in 0..33 {
            let mut data = vec![0x80; length];
            pad(&mut data, 8);
            assert!(data.len() > length && data.len() % 8 == 0);
            unpad(&mut data).unwrap();
            assert_eq!(data, vec![0x80; length]);
        }
        assert_eq!(unpad(&mut vec![0; 8]), None);
        assert_eq!(unpad(&mut vec![]), None);
        assert_eq!(unpad(&mut vec![0x80, 0x01]), None);
    }

    // RFC 4493, example 2.
    #[test]
    fn cmac_of_one_block() {
        let key = hex::decode("2b7e151628aed2a6abf7158809cf4f3c").unwrap();
        let message = hex::decode("6bc1bee22e409f96e93d7e117393172a").unwrap();
        let mac = Aes::new(&key).unwrap().cmac(&[&message[..3], &message[3..]]);
        assert_eq!(hex::encode(mac), "070a16b46b4d4144f79bdd9dd04a287c");
    }
}
