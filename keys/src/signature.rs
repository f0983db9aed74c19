//! Signatures of card content management: tokens, receipts and DAP blocks (GPCS 2.3.1 table C-1).

mod public;

use alloc::vec::Vec;

use crate::cipher::{AesCmac, Tdes};
pub use public::{PublicKey, RsaPublicKey};

use crate::{KeyError, KeyKind, KeyValue, ec};

/// The signature over whole data with a token, receipt or DAP key.
///
/// ```text
/// DES (16-byte key)   single DES plus final triple DES MAC over data ‖ 80 00.., IV 0: 8 bytes (B.1.2.2, B.1.3)
/// AES (any length)    CMAC: 16 bytes (B.2.2)
/// ECC                 ECDSA, SHA-256 or SHA-384 by the curve: r ‖ s (B.4.3)
/// ```
///
/// # Errors
/// [`KeyError::Length`] when no signature scheme has keys of this kind and length, [`KeyError::Unsupported`] for an SM4 key
/// and MILENAGE's keys, which sign nothing.
pub fn sign(kind: KeyKind, key: &KeyValue, data: &[u8]) -> Result<Vec<u8>, KeyError> {
    match kind {
        KeyKind::Aes => Ok(AesCmac::new(key)?.mac(&[data]).to_vec()),
        // Single DES is in the standard's MAC, but not among its keys.
        KeyKind::Tdes if key.len() != 16 => Err(KeyError::Length { actual: key.len() }),
        KeyKind::Tdes => {
            let mut padded = data.to_vec();
            padded.push(0x80);
            padded.resize(padded.len().next_multiple_of(8), 0);
            Ok(Tdes::new(key)?.mac(&[0; 8], &mut padded).to_vec())
        }
        KeyKind::Ec(curve) => ec::sign(curve, key, data),
        KeyKind::Sm4 | KeyKind::Milenage(_) => Err(KeyError::Unsupported),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bytes: &[u8]) -> KeyValue {
        KeyValue::new(bytes).unwrap()
    }

    /// ISO 9797-1 algorithm 3 written out block by block.
    fn retail(key: &[u8; 16], data: &[u8]) -> Vec<u8> {
        let ecb = |half: &[u8], mut block: [u8; 8]| {
            Tdes::new(&KeyValue::new(half).unwrap()).unwrap().ecb_encrypt(&mut block);
            block
        };
        let (blocks, _) = data.as_chunks::<8>();
        let (last, front) = blocks.split_last().unwrap();
        let mix = |chain: [u8; 8], block: &[u8; 8]| core::array::from_fn(|i| chain[i] ^ block[i]);
        let chain = front.iter().fold([0; 8], |chain, block| ecb(&key[..8], mix(chain, block)));
        ecb(key, mix(chain, last)).to_vec()
    }

    #[test]
    fn des_pads_always_and_ends_with_triple_des() {
        let bytes: [u8; 16] = core::array::from_fn(|i| 0x40 + i as u8);
        for length in [0, 7, 8, 9, 20] {
            let data = alloc::vec![0x5A; length];
            let mut padded = [&data[..], &[0x80]].concat();
            padded.resize((length / 8 + 1) * 8, 0);
            assert_eq!(sign(KeyKind::Tdes, &key(&bytes), &data).unwrap(), retail(&bytes, &padded), "{length}");
        }
    }

    #[test]
    fn aes_is_cmac_with_its_own_padding() {
        // NIST SP 800-38B, example 1: AES-128, no message.
        let nist = hex::decode("2B7E151628AED2A6ABF7158809CF4F3C").unwrap();
        let mac = sign(KeyKind::Aes, &key(&nist), &[]).unwrap();
        assert_eq!(hex::encode_upper(mac), "BB1D6929E95937287FA37D129B756746");
    }

    #[test]
    fn single_des_is_no_signature_key() {
        assert_eq!(sign(KeyKind::Tdes, &key(&[1; 8]), &[]), Err(KeyError::Length { actual: 8 }));
        assert_eq!(sign(KeyKind::Aes, &key(&[1; 8]), &[]), Err(KeyError::Length { actual: 8 }));
    }
}
