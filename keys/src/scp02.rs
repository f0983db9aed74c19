//! Derivations of SCP02 under static keys (GPCS 2.3.1 appendix E).

use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::cipher::Tdes;
use crate::{KeyError, KeyPurpose, KeyValue, SessionKeys};

/// Session keys of a secure channel with three secure channel keys (GPCS 2.3.1 E.4.1).
///
/// ```text
/// session key = 3DES-CBC(key, IV 0, constant ‖ sequence counter ‖ 00 * 12)
/// C-MAC 0101 and R-MAC 0102 from Key-MAC, S-ENC 0182 from Key-ENC, DEK 0181 from Key-DEK
/// ```
///
/// # Errors
/// [`KeyError::Length`] when a key is no key of two-key triple DES.
pub fn session_keys(
    enc: &KeyValue,
    mac: &KeyValue,
    dek: &KeyValue,
    sequence_counter: [u8; 2],
) -> Result<SessionKeys, KeyError> {
    session_keys_with(sequence_counter, |purpose, data| {
        let key = match purpose {
            KeyPurpose::Enc => enc,
            KeyPurpose::Mac => mac,
            KeyPurpose::Dek => dek,
        };
        if key.len() != 16 {
            return Err(KeyError::Length { actual: key.len() });
        }
        Tdes::new(key)?.cbc_encrypt(&[0; 8], data);
        Ok(())
    })
}

/// [`session_keys`], with the encryption under a static key done elsewhere: 3DES-CBC in place, IV 0.
pub(crate) fn session_keys_with(
    sequence_counter: [u8; 2],
    mut encrypt: impl FnMut(KeyPurpose, &mut [u8; 16]) -> Result<(), KeyError>,
) -> Result<SessionKeys, KeyError> {
    let mut derive = |purpose, constant: [u8; 2]| {
        let mut data = Zeroizing::new([0; 16]);
        data[..2].copy_from_slice(&constant);
        data[2..4].copy_from_slice(&sequence_counter);
        encrypt(purpose, &mut data)?;
        KeyValue::new(&data[..])
    };
    Ok(SessionKeys {
        enc: derive(KeyPurpose::Enc, [0x01, 0x82])?,
        mac: derive(KeyPurpose::Mac, [0x01, 0x01])?,
        rmac: Some(derive(KeyPurpose::Mac, [0x01, 0x02])?),
        dek: Some(derive(KeyPurpose::Dek, [0x01, 0x81])?),
    })
}

/// Key data for PUT KEY: triple DES in ECB mode under the session DEK (GPCS 2.3.1 E.4.7).
///
/// # Errors
/// [`KeyError::Length`] when the DEK is no DES key or the key's length is no multiple of 8.
pub fn encipher_key(session_dek: &KeyValue, key: &KeyValue) -> Result<Vec<u8>, KeyError> {
    let mut data = Zeroizing::new(key.expose_bytes().to_vec());
    Tdes::new(session_dek)?.ecb_encrypt(&mut data);
    Ok(data.to_vec())
}

/// Key data for PUT KEY in an implicitly initiated session: triple DES in CBC mode under the session DEK, ICV of zeros
/// (GPCS 2.3.1 E.3.1, E.4.7).
///
/// # Errors
/// As [`encipher_key`].
pub fn encipher_key_cbc(session_dek: &KeyValue, key: &KeyValue) -> Result<Vec<u8>, KeyError> {
    let mut data = Zeroizing::new(key.expose_bytes().to_vec());
    Tdes::new(session_dek)?.cbc_encrypt(&[0; 8], &mut data);
    Ok(data.to_vec())
}
