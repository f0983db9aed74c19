use alloc::vec::Vec;

use crate::cipher::{Aes, Tdes};
use crate::{KeyError, KeyKind, KeyValue};

/// Padding with 80 00 .., then CBC (GPCS 2.3.1 C.6); no ICV is one of zeros.
pub(crate) fn encipher(kind: KeyKind, key: &KeyValue, icv: &[u8], data: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut out = padded(kind, icv, data)?;
    match kind {
        KeyKind::Tdes => Tdes::new(key)?.cbc_encrypt(&icv.try_into().unwrap_or_default(), &mut out),
        _ => Aes::new(key)?.cbc_encrypt(&icv.try_into().unwrap_or_default(), &mut out),
    }
    Ok(out)
}

/// What is enciphered; the ICV has to fit the cipher.
pub(crate) fn padded(kind: KeyKind, icv: &[u8], data: &[u8]) -> Result<Vec<u8>, KeyError> {
    let block = match kind {
        KeyKind::Tdes => 8,
        KeyKind::Aes => 16,
        _ => return Err(KeyError::Unsupported),
    };
    if !icv.is_empty() && icv.len() != block {
        return Err(KeyError::DataLength { actual: icv.len(), limit: block });
    }
    let mut out = Vec::with_capacity((data.len() + 1).next_multiple_of(block));
    out.extend_from_slice(data);
    out.push(0x80);
    out.resize(out.len().next_multiple_of(block), 0);
    Ok(out)
}
