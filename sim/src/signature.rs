//! Signatures of tokens, receipts and DAP Blocks by the type and length of the key (GPCS table C-1).

use p256::ecdsa::signature::{Signer, Verifier};
use rsa::{BoxedUint, Pkcs1v15Sign, Pss, RsaPublicKey};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::crypto::{Aes, retail_mac, same};
use crate::keys::{Key, KeyType, P256, P384, RSA_EXPONENT};

/// RSA keys of this length or less have scheme 1, longer ones scheme 2; in bytes (GPCS B.3).
const SCHEME_1: usize = 128;
/// DigestInfo of SHA-1 up to the digest (PKCS #1 9.2).
const SHA1_INFO: [u8; 15] = [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14];

/// Whether the signature is that of the data.
pub(crate) fn verify(key: &Key, data: &[u8], signature: &[u8]) -> bool {
    match key.key_type {
        KeyType::Des | KeyType::Aes => mac(key, data).is_some_and(|expected| same(&expected, signature)),
        KeyType::RsaPublic => verify_rsa(&key.value, data, signature).unwrap_or(false),
        KeyType::EcPublic(P256) => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&key.value);
            let signature = p256::ecdsa::Signature::from_slice(signature);
            matches!((key, signature), (Ok(key), Ok(signature)) if key.verify(data, &signature).is_ok())
        }
        KeyType::EcPublic(P384) => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(&key.value);
            let signature = p384::ecdsa::Signature::from_slice(signature);
            matches!((key, signature), (Ok(key), Ok(signature)) if key.verify(data, &signature).is_ok())
        }
        KeyType::EcPublic(_) | KeyType::EcPrivate(_) => false,
    }
}

/// A receipt; `None` for a key that signs nothing.
pub(crate) fn sign(key: &Key, data: &[u8]) -> Option<Vec<u8>> {
    match key.key_type {
        KeyType::EcPrivate(P256) => {
            let key = p256::ecdsa::SigningKey::from_slice(&key.value).ok()?;
            let signature: p256::ecdsa::Signature = key.sign(data);
            Some(signature.to_bytes().to_vec())
        }
        KeyType::EcPrivate(P384) => {
            let key = p384::ecdsa::SigningKey::from_slice(&key.value).ok()?;
            let signature: p384::ecdsa::Signature = key.sign(data);
            Some(signature.to_bytes().to_vec())
        }
        _ => mac(key, data),
    }
}

fn mac(key: &Key, data: &[u8]) -> Option<Vec<u8>> {
    match key.key_type {
        KeyType::Des => Some(retail_mac(key.value[..].try_into().ok()?, [0; 8], data).to_vec()),
        KeyType::Aes => Some(Aes::new(&key.value)?.cmac(&[data]).to_vec()),
        _ => None,
    }
}

fn verify_rsa(key: &[u8], data: &[u8], signature: &[u8]) -> Option<bool> {
    let (modulus, exponent) = key.split_at_checked(key.len().checked_sub(RSA_EXPONENT)?)?;
    let length = modulus.len();
    let number = BoxedUint::from_be_slice_vartime;
    let key = RsaPublicKey::new(number(modulus), number(exponent)).ok()?;
    Some(if length <= SCHEME_1 {
        let scheme = Pkcs1v15Sign { hash_len: Some(20), prefix: SHA1_INFO.into() };
        key.verify(scheme, &Sha1::digest(data), signature).is_ok()
    } else {
        key.verify(Pss::<Sha256>::new(), &Sha256::digest(data), signature).is_ok()
    })
}
