//! Signatures of card content management with private keys of the token (GPCS 2.3.1 table C-1).

use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass};
use sha2::{Digest, Sha256, Sha384};

use super::token::Token;
use crate::KeyError;

/// RSA keys up to this length have scheme 1, longer ones scheme 2; in bytes (GPCS 2.3.1 B.3).
const SCHEME_1: usize = 128;
/// Object identifiers of the curves in DER.
const P256: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22];
const BRAINPOOL_P256: &[u8] = &[0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07];

/// The signature of the private key with this label; `None` when the token has no such key.
///
/// ```text
/// RSA up to 1024 bits   RSASSA-PKCS1-v1_5, SHA-1 (B.3.1.1)
/// RSA above             RSASSA-PSS, SHA-256, salt of 32 bytes (B.3.2.1)
/// ECC                   ECDSA, SHA-256 or SHA-384 by the curve: r ‖ s (B.4.3)
/// ```
pub(super) fn sign(token: &Token, name: &str, data: &[u8]) -> Result<Option<Vec<u8>>, KeyError> {
    let label = Attribute::Label(name.as_bytes().to_vec());
    let found = token.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY), label])?;
    let handle = match found[..] {
        [] => return Ok(None),
        [handle] => handle,
        _ => {
            let reason = format!("{} private keys have the label {name:?}: give each its own", found.len());
            return Err(KeyError::Refused { reason });
        }
    };
    let (mut key_type, mut modulus, mut curve) = (None, 0, Vec::new());
    for attribute in
        token.attributes(handle, &[AttributeType::KeyType, AttributeType::Modulus, AttributeType::EcParams])?
    {
        match attribute {
            Attribute::KeyType(found) => key_type = Some(found),
            Attribute::Modulus(bytes) => modulus = bytes.len(),
            Attribute::EcParams(bytes) => curve = bytes,
            _ => {}
        }
    }
    let signature = match key_type {
        Some(KeyType::RSA) if modulus <= SCHEME_1 => token.sign_with(&Mechanism::Sha1RsaPkcs, handle, name, data)?,
        Some(KeyType::RSA) => {
            let parameters =
                PkcsPssParams { hash_alg: MechanismType::SHA256, mgf: PkcsMgfType::MGF1_SHA256, s_len: 32.into() };
            token.sign_with(&Mechanism::Sha256RsaPkcsPss(parameters), handle, name, data)?
        }
        Some(KeyType::EC) => {
            let digest = match &curve[..] {
                P256 | BRAINPOOL_P256 => Sha256::digest(data).to_vec(),
                P384 => Sha384::digest(data).to_vec(),
                _ => return Err(KeyError::Unsupported),
            };
            token.sign_with(&Mechanism::Ecdsa, handle, name, &digest)?
        }
        _ => return Err(KeyError::Unsupported),
    };
    Ok(Some(signature))
}
