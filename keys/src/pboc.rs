//! Computations of PBOC cards under card keys: diversification, cryptogram, MAC, enciphered data.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::cipher::Tdes;
use crate::{KeyError, KeyValue};

mod purse;
mod suite;

pub use purse::{PurseKeyUse, PurseMac, is_same_mac, session_key};
pub use suite::{CardKey, MacAlgorithm, MacPadding, MacSuite};

/// Diversified key (JR/T 0025; FMCOS 2.0 manual).
///
/// ```text
/// DK = 3DES(MK, F) ‖ 3DES(MK, not F),  F = last 8 bytes of the application serial number, or an issuer code
/// ```
///
/// # Errors
/// [`KeyError::Length`] when the master key is no key of two-key triple DES.
pub fn diversify(master: &KeyValue, factor: &[u8; 8]) -> Result<KeyValue, KeyError> {
    if master.len() != 16 {
        return Err(KeyError::Length { actual: master.len() });
    }
    let mut data = Zeroizing::new(diversification_data(factor));
    Tdes::new(master)?.ecb_encrypt(&mut data[..]);
    KeyValue::new(&data[..])
}

/// `F ‖ not F`.
pub(crate) fn diversification_data(factor: &[u8; 8]) -> [u8; 16] {
    let mut data = [0; 16];
    for (i, byte) in factor.iter().enumerate() {
        data[i] = *byte;
        data[8 + i] = !byte;
    }
    data
}

/// The host's answer to a challenge: the challenge enciphered with DES or triple DES (FMCOS 2.0 EXTERNAL AUTHENTICATE).
///
/// A challenge of 4 bytes is filled up with zeros on the right.
///
/// # Errors
/// [`KeyError::Length`] when the key is no DES key.
pub fn cryptogram(key: &KeyValue, challenge: &[u8; 8]) -> Result<[u8; 8], KeyError> {
    let mut data = *challenge;
    Tdes::new(key)?.ecb_encrypt(&mut data);
    Ok(data)
}

/// Message authentication code of secure messaging (JR/T 0025, FMCOS 2.0 general manual).
///
/// ```text
/// MAC = first 4 bytes of CBC-MAC(key, IV, data ‖ 80 00 ..)
/// ```
///
/// Padding is always added, a whole block when the data is aligned. A key of 8 bytes computes ISO 9797-1 algorithm 1,
/// one of 16 bytes algorithm 3 (single DES, the last block with triple DES).
///
/// # Errors
/// [`KeyError::Length`] when the key is no DES key.
pub fn mac(key: &KeyValue, iv: &[u8; 8], data: &[u8]) -> Result<[u8; 4], KeyError> {
    let mac = Tdes::new(key)?.mac(iv, &mut mac_input(data));
    Ok([mac[0], mac[1], mac[2], mac[3]])
}

/// `data ‖ 80 00 ..`
pub(crate) fn mac_input(data: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut padded = Zeroizing::new(Vec::with_capacity(data.len() + 8));
    padded.extend_from_slice(data);
    pad(&mut padded);
    padded
}

/// Data field of a command with enciphered data (FMCOS 2.0 general manual).
///
/// ```text
/// cipher = 3DES-ECB(key, LD ‖ data ‖ 80 00 ..),  padding only when LD ‖ data is not aligned
/// ```
///
/// # Errors
/// [`KeyError::Length`] when the key is no DES key, [`KeyError::DataLength`] for more than 255 bytes of data.
pub fn encipher(key: &KeyValue, data: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut block = plain_block(data)?;
    Tdes::new(key)?.ecb_encrypt(&mut block);
    Ok(block.to_vec())
}

/// `LD ‖ data ‖ 80 00 ..` in blocks of 8 bytes.
pub(crate) fn plain_block(data: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    plain_block_of(8, data)
}

/// `LD ‖ data ‖ 80 00 ..`
fn plain_block_of(block_len: usize, data: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let length = u8::try_from(data.len()).map_err(|_| KeyError::DataLength { actual: data.len(), limit: 255 })?;
    let mut block = Zeroizing::new(Vec::with_capacity(data.len() + 1 + block_len));
    block.push(length);
    block.extend_from_slice(data);
    if block.len() % block_len != 0 {
        block.push(0x80);
        let padded = block.len().next_multiple_of(block_len);
        block.resize(padded, 0);
    }
    Ok(block)
}

fn pad(data: &mut Vec<u8>) {
    data.push(0x80);
    data.resize(data.len().next_multiple_of(8), 0);
}
