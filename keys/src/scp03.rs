//! Derivations of SCP03 under static keys (Amd D 1.1.1).

use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::cipher::{Aes, AesCmac};
use crate::{KeyError, KeyValue, SessionKeys};

/// Derivation constants (Amd D table 4-1).
pub mod constant {
    /// Card cryptogram.
    pub const CARD_CRYPTOGRAM: u8 = 0x00;
    /// Host cryptogram.
    pub const HOST_CRYPTOGRAM: u8 = 0x01;
    /// Card challenge.
    pub const CARD_CHALLENGE: u8 = 0x02;
    /// S-ENC.
    pub const S_ENC: u8 = 0x04;
    /// S-MAC.
    pub const S_MAC: u8 = 0x06;
    /// S-RMAC.
    pub const S_RMAC: u8 = 0x07;
}

/// Data derivation scheme (Amd D 4.1.5; NIST SP 800-108 in counter mode with CMAC).
///
/// ```text
/// output = CMAC(key, 00 * 11 ‖ constant ‖ 00 ‖ L ‖ i ‖ context),  i = 01, 02;  L in bits
/// ```
///
/// `length` is in bytes, at most 32.
///
/// # Errors
/// [`KeyError::Length`] when the key is no AES key.
pub fn derive(key: &KeyValue, constant: u8, length: usize, context: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let cmac = AesCmac::new(key)?;
    derive_with(constant, length, context, |parts| Ok(cmac.mac(parts)))
}

/// [`derive`], with the CMAC under the key computed elsewhere.
pub(crate) fn derive_with(
    constant: u8,
    length: usize,
    context: &[u8],
    mut cmac: impl FnMut(&[&[u8]]) -> Result<[u8; 16], KeyError>,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut output = Zeroizing::new(Vec::with_capacity(32));
    let bits = (length as u16 * 8).to_be_bytes();
    for i in 1..=length.min(32).div_ceil(16) as u8 {
        let mut label = [0; 16];
        label[11] = constant;
        label[13..15].copy_from_slice(&bits);
        label[15] = i;
        output.extend_from_slice(&*Zeroizing::new(cmac(&[&label, context])?));
    }
    output.truncate(length);
    Ok(output)
}

/// Session keys of a secure channel (Amd D 6.2.1); `context` is host challenge ‖ card challenge.
///
/// # Errors
/// [`KeyError::Length`] when a key is no AES key.
pub fn session_keys(enc: &KeyValue, mac: &KeyValue, context: &[u8]) -> Result<SessionKeys, KeyError> {
    let key = |key: &KeyValue, constant| KeyValue::new(&derive(key, constant, key.len(), context)?);
    Ok(SessionKeys {
        enc: key(enc, constant::S_ENC)?,
        mac: key(mac, constant::S_MAC)?,
        rmac: Some(key(mac, constant::S_RMAC)?),
        dek: None,
    })
}

/// Key data for PUT KEY: AES-CBC under the static Key-DEK with an IV of zeros, zeros appended to a full block
/// (Amd D 6.2.8 and 7.2.1, which allows any padding).
///
/// # Errors
/// [`KeyError::Length`] when the Key-DEK is no AES key.
pub fn encipher_key(dek: &KeyValue, key: &KeyValue) -> Result<Vec<u8>, KeyError> {
    let mut data = Zeroizing::new(key.expose_bytes().to_vec());
    data.resize(key.len().next_multiple_of(16), 0);
    Aes::new(dek)?.cbc_encrypt(&[0; 16], &mut data);
    Ok(data.to_vec())
}
