//! Derivations of SCP01 under static keys (GPCS 2.3.1 appendix D).

use zeroize::Zeroizing;

use crate::cipher::Tdes;
use crate::{KeyError, KeyValue, SessionKeys};

/// Session keys of a secure channel (GPCS 2.3.1 D.3.1); there is none for data encryption, which the static Key-DEK does.
///
/// ```text
/// session key = 3DES-ECB(key, card challenge 4..8 ‖ host challenge 0..4 ‖ card challenge 0..4 ‖ host challenge 4..8)
/// ```
///
/// # Errors
/// [`KeyError::Length`] when a key is no key of two-key triple DES.
pub fn session_keys(
    enc: &KeyValue,
    mac: &KeyValue,
    host_challenge: &[u8; 8],
    card_challenge: &[u8; 8],
) -> Result<SessionKeys, KeyError> {
    let derive = |key: &KeyValue| {
        if key.len() != 16 {
            return Err(KeyError::Length { actual: key.len() });
        }
        let mut data = Zeroizing::new(derivation_data(host_challenge, card_challenge));
        Tdes::new(key)?.ecb_encrypt(&mut data[..]);
        KeyValue::new(&data[..])
    };
    Ok(SessionKeys { enc: derive(enc)?, mac: derive(mac)?, rmac: None, dek: None })
}

/// What a static key enciphers into a session key.
pub(crate) fn derivation_data(host: &[u8; 8], card: &[u8; 8]) -> [u8; 16] {
    let mut data = [0; 16];
    data[..4].copy_from_slice(&card[4..]);
    data[4..8].copy_from_slice(&host[..4]);
    data[8..12].copy_from_slice(&card[..4]);
    data[12..].copy_from_slice(&host[4..]);
    data
}
