use cryptoki::mechanism::Mechanism;
use cryptoki::object::KeyType;
use zeroize::Zeroizing;

use super::Pkcs11Options;
use super::material::Material;
use super::object::{Role, Shape};
use super::private;
use super::token::Token;
use crate::diversify::KeyPurpose;
use crate::pboc::{MacAlgorithm, MacPadding, MacSuite, PurseKeyUse, PurseMac};
use crate::request::{
    CardData, EncipheredKeyCommand, KeyAnswer, KeyEncryptionKey, KeyRequest, SessionAnswer, WrappedKey,
};
use crate::{KeyError, KeyKind, KeyRef, KeyValue, SessionKeys, ec, load_file, pboc, scp01, scp02, scp03, scp11};

/// Answers one request with what is on the token.
pub(super) fn answer(token: &Token, options: &Pkcs11Options, request: &KeyRequest) -> Result<KeyAnswer, KeyError> {
    let tdes = |key: &KeyRef| Material::of_kind(KeyKind::Tdes, token, options, key, Role::ForCard);
    let aes = |key: &KeyRef| Material::of_kind(KeyKind::Aes, token, options, key, Role::Mac);
    match request {
        KeyRequest::Scp01Session { keys, host_challenge, card_challenge } => {
            let data = scp01::derivation_data(host_challenge, card_challenge);
            let derive = |key: &KeyRef| KeyValue::new(&tdes(key)?.tdes_ecb(&data)?);
            let keys = SessionKeys { enc: derive(&keys.enc)?, mac: derive(&keys.mac)?, rmac: None, dek: None };
            Ok(KeyAnswer::Session(SessionAnswer { keys, card_challenge: None }))
        }
        KeyRequest::Scp02Session { keys, sequence_counter } => {
            let (enc, mac, dek) = (tdes(&keys.enc)?, tdes(&keys.mac)?, tdes(&keys.dek)?);
            let keys = scp02::session_keys_with(*sequence_counter, |purpose, data| {
                let key = match purpose {
                    KeyPurpose::Enc => &enc,
                    KeyPurpose::Mac => &mac,
                    KeyPurpose::Dek => &dek,
                };
                let output = key.tdes_cbc(&[0; 8], &data[..])?;
                data.copy_from_slice(&output);
                Ok(())
            })?;
            Ok(KeyAnswer::Session(SessionAnswer { keys, card_challenge: None }))
        }
        KeyRequest::Scp03Session { keys, context, challenge } => {
            let (enc, mac) = (aes(&keys.enc)?, aes(&keys.mac)?);
            let derive = |key: &Material<'_>, constant, length, context: &[u8]| {
                scp03::derive_with(constant, length, context, |parts| key.cmac(parts))
            };
            let key = |key: &Material<'_>, constant| KeyValue::new(&derive(key, constant, key.length(), context)?);
            let session = SessionKeys {
                enc: key(&enc, scp03::constant::S_ENC)?,
                mac: key(&mac, scp03::constant::S_MAC)?,
                rmac: Some(key(&mac, scp03::constant::S_RMAC)?),
                dek: None,
            };
            let card_challenge = match challenge {
                Some(inputs) => {
                    let context = [&inputs.sequence_counter[..], &inputs.aid].concat();
                    let constant = scp03::constant::CARD_CHALLENGE;
                    Some(derive(&enc, constant, inputs.length.min(16), &context)?.to_vec())
                }
                None => None,
            };
            Ok(KeyAnswer::Session(SessionAnswer { keys: session, card_challenge }))
        }
        KeyRequest::Scp11Ephemeral { curve, seed } => {
            Ok(KeyAnswer::PublicKey(ec::public_of(*curve, &scp11::ephemeral(*curve, seed)?)?))
        }
        KeyRequest::Scp11Session { own_static: Some(key), .. } => {
            let what = format!("key agreement with private keys, which key {:?} is needed for", key.name());
            Err(KeyError::Lacks { what })
        }
        KeyRequest::Scp11Session { own_static: None, seed, card_static, card_ephemeral, shared_info, key_length } => {
            let own = scp11::ephemeral(card_static.curve(), seed)?;
            let answer = scp11::session_keys(&own, &own, card_static, card_ephemeral, shared_info, *key_length)?;
            Ok(KeyAnswer::Scp11(answer))
        }
        KeyRequest::Wrap { key, under } => {
            let key = Material::of(token, options, key, Role::ForCard)?;
            let session = |kind, dek: &KeyValue| Material::in_memory(token, "session DEK", kind, dek.clone());
            let (under, mode) = match under {
                KeyEncryptionKey::Session(dek) => (session(KeyKind::Tdes, dek), Mode::TdesEcb),
                KeyEncryptionKey::SessionCbc(dek) => (session(KeyKind::Tdes, dek), Mode::TdesCbc),
                KeyEncryptionKey::SessionAes(dek) => (session(KeyKind::Aes, dek), Mode::AesCbc),
                KeyEncryptionKey::Static(dek) => {
                    let dek = Material::of(token, options, dek, Role::KeyEncryption)?;
                    let mode = match dek.kind() {
                        KeyKind::Tdes => Mode::TdesEcb,
                        KeyKind::Aes => Mode::AesCbc,
                        KeyKind::Sm4 | KeyKind::Ec(_) | KeyKind::Milenage(_) => return Err(KeyError::Unsupported),
                    };
                    (dek, mode)
                }
            };
            let cipher = wrap(token, &key, &under, mode)?;
            let (kind, length, kcv) = (key.kind(), key.length(), key.check_value()?);
            Ok(KeyAnswer::Wrapped(WrappedKey { kind, length, cipher, kcv }))
        }
        KeyRequest::Cryptogram { key, challenge } => {
            let limit = 8;
            let mut block = [0; 8];
            let place = block.get_mut(..challenge.len()).filter(|place| !place.is_empty());
            place.ok_or(KeyError::DataLength { actual: challenge.len(), limit })?.copy_from_slice(challenge);
            let output = tdes(key)?.tdes_ecb(&block)?;
            Ok(KeyAnswer::Cryptogram(output[..].try_into().map_err(|_| KeyError::WrongAnswer)?))
        }
        KeyRequest::KeyCommand { suite, under, header, key_header, key, iv } => {
            check_suite(*suite)?;
            let (master, new) = (tdes(under)?, tdes(key)?);
            let Err((_, value)) = new.object() else {
                let reason = format!(
                    "key {:?} stays on the token, and the key command of a PBOC card takes a key as data: derive the card's key from it",
                    key.name()
                );
                return Err(KeyError::Refused { reason });
            };
            let plain = Zeroizing::new([key_header, value.expose_bytes()].concat());
            let mut data = master.tdes_ecb(&pboc::plain_block(&plain)?)?.to_vec();
            let lc =
                u8::try_from(data.len() + 4).map_err(|_| KeyError::DataLength { actual: data.len(), limit: 251 })?;
            let mac = master.retail_mac(iv, suite.padding, &[&header[..], &[lc], &data].concat())?;
            data.extend_from_slice(&mac[..4]);
            Ok(KeyAnswer::KeyCommand(EncipheredKeyCommand { data, kcv: new.check_value()? }))
        }
        KeyRequest::Mac { suite, key, iv, data } => {
            check_suite(*suite)?;
            let mac = tdes(key)?.retail_mac(iv, suite.padding, data)?;
            Ok(KeyAnswer::Mac([mac[0], mac[1], mac[2], mac[3]]))
        }
        KeyRequest::Encipher { key, data } => {
            Ok(KeyAnswer::Data(CardData::new(tdes(key)?.tdes_ecb(&pboc::plain_block(data.expose_bytes())?)?.to_vec())))
        }
        KeyRequest::Decipher { .. } => Err(KeyError::Unsupported),
        KeyRequest::CipherLoadFile { key, icv, data } => {
            let key = Material::of(token, options, key, Role::ForCard)?;
            let padded = Zeroizing::new(load_file::padded(key.kind(), icv, data.expose_bytes())?);
            let cipher = match key.kind() {
                KeyKind::Tdes => key.tdes_cbc(&icv[..].try_into().unwrap_or_default(), &padded)?,
                _ => key.aes_cbc(&icv[..].try_into().unwrap_or_default(), &padded)?,
            };
            Ok(KeyAnswer::Data(CardData::new(cipher.to_vec())))
        }
        KeyRequest::PurseMac(mac) => Ok(KeyAnswer::Mac(purse_mac(&tdes(&mac.key)?, mac)?)),
        KeyRequest::VerifyPurseMac { mac, received } => {
            Ok(KeyAnswer::Verified(pboc::is_same_mac(purse_mac(&tdes(&mac.key)?, mac)?, *received)))
        }
        KeyRequest::Signature { key, data } => {
            if key.steps().is_empty()
                && let Some(signature) = private::sign(token, key.name(), data)?
            {
                return Ok(KeyAnswer::Signature(signature));
            }
            let key = Material::of(token, options, key, Role::Mac)?;
            Ok(KeyAnswer::Signature(match key.kind() {
                KeyKind::Tdes => key.retail_mac(&[0; 8], MacPadding::Always, data)?.to_vec(),
                KeyKind::Aes => key.cmac(&[data])?.to_vec(),
                KeyKind::Sm4 | KeyKind::Ec(_) | KeyKind::Milenage(_) => return Err(KeyError::Unsupported),
            }))
        }
        KeyRequest::GsmAuthentication { .. }
        | KeyRequest::UmtsAuthentication { .. }
        | KeyRequest::Resynchronization { .. }
        | KeyRequest::KeyFile { .. } => {
            Err(KeyError::Lacks { what: "MILENAGE: PKCS#11 has no mechanism for it and OPc is no key there".into() })
        }
    }
}

/// PKCS#11 has neither SM4 nor a key that is the exclusive or of another one's halves.
fn check_suite(suite: MacSuite) -> Result<(), KeyError> {
    match suite.algorithm {
        MacAlgorithm::Tdes => Ok(()),
        algorithm => Err(KeyError::Lacks { what: format!("the MAC algorithm {algorithm:?} of native cards") }),
    }
}

/// A session key is computed on the token and used here, as those of secure channels are. A TAC key would have to be taken apart,
/// which a token does not do.
fn purse_mac(key: &Material<'_>, mac: &PurseMac) -> Result<[u8; 4], KeyError> {
    match (key.object(), mac.key_use) {
        (Err((kind, value)), key_use) => key_use.mac(kind, value, &mac.data),
        (Ok(_), PurseKeyUse::Session { input }) => {
            let session = KeyValue::new(&key.tdes_ecb(&input)?)?;
            PurseKeyUse::Whole.mac(KeyKind::Tdes, &session, &mac.data)
        }
        (Ok(_), PurseKeyUse::Whole) => {
            let mac = key.retail_mac(&[0; 8], MacPadding::Always, &mac.data)?;
            Ok([mac[0], mac[1], mac[2], mac[3]])
        }
        (Ok(_), PurseKeyUse::Folded) => {
            let what = format!(
                "a key that is the halves of key {:?} xored: derive the card's TAC key from a master key, and allow derived keys in memory",
                mac.key.name()
            );
            Err(KeyError::Lacks { what })
        }
    }
}

/// How a key is enciphered; CBC with an IV of zeros.
#[derive(Clone, Copy)]
enum Mode {
    TdesEcb,
    TdesCbc,
    AesCbc,
}

/// A key enciphered for PUT KEY: by the token, when it is there.
fn wrap(token: &Token, key: &Material<'_>, under: &Material<'_>, mode: Mode) -> Result<Vec<u8>, KeyError> {
    let block = match mode {
        Mode::TdesEcb | Mode::TdesCbc => 8,
        Mode::AesCbc => 16,
    };
    let length = key.length().next_multiple_of(block);
    let object = match key.object() {
        Ok(object) => object,
        Err((_, value)) => {
            let mut plain = Zeroizing::new(Vec::with_capacity(length));
            plain.extend_from_slice(value.expose_bytes());
            plain.resize(length, 0);
            let cipher = match mode {
                Mode::TdesEcb => under.tdes_ecb(&plain)?,
                Mode::TdesCbc => under.tdes_cbc(&[0; 8], &plain)?,
                Mode::AesCbc => under.aes_cbc(&[0; 16], &plain)?,
            };
            return Ok(cipher.to_vec());
        }
    };
    if object.shape.key_type == KeyType::DES3 {
        let reason =
            format!("key {:?} is a CKK_DES3, and cards take keys of 16 bytes: make it a CKK_DES2", object.shape.name);
        return Err(KeyError::Refused { reason });
    }
    let mechanism = match mode {
        Mode::TdesEcb => Mechanism::Des3Ecb,
        Mode::TdesCbc => Mechanism::Des3Cbc([0; 8]),
        Mode::AesCbc => Mechanism::AesCbc([0; 16]),
    };
    let cipher = match under.object() {
        Ok(under) => token.wrap(&mechanism, under, object)?,
        Err((kind, value)) => {
            let under =
                token.put(Shape::new("key encryption", kind, value.len()), value, &mechanism, Role::KeyEncryption)?;
            token.wrap(&mechanism, &under, object)?
        }
    };
    if cipher.len() == length { Ok(cipher) } else { Err(KeyError::WrongAnswer) }
}
