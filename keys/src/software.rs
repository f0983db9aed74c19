use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use crate::milenage::{
    KeyFile, KeyFilePart, Milenage, MilenageKey, Op, Opc, OperatorKey, SubscriberKey, SubscriberKeys,
};
use crate::pboc::{CardKey, PurseMac};
use crate::request::{
    CardData, EncipheredKeyCommand, KeyAnswer, KeyEncryptionKey, KeyRequest, SessionAnswer, WrappedKey,
};
use crate::{
    KeyCheckValue, KeyError, KeyKind, KeyRef, KeyService, KeyValue, ec, load_file, pboc, scp01, scp02, scp03, scp11,
    signature,
};

/// A key service in this process's memory: for development, tests and cards with published test keys.
#[derive(Clone, Default)]
pub struct SoftwareKeys {
    keys: BTreeMap<String, (KeyKind, KeyValue)>,
}

impl SoftwareKeys {
    /// A service without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key, or replaces the one of this name.
    ///
    /// # Errors
    /// [`KeyError::Length`] when the length does not fit the kind, [`KeyError::PrivateKey`] for a number that is none of the
    /// curve's private keys.
    pub fn insert(&mut self, name: impl Into<String>, kind: KeyKind, value: &[u8]) -> Result<(), KeyError> {
        kind.check_length(value.len())?;
        if let KeyKind::Ec(curve) = kind {
            ec::check_private(curve, value)?;
        }
        self.keys.insert(name.into(), (kind, KeyValue::new(value)?));
        Ok(())
    }

    fn key(&self, reference: &KeyRef) -> Result<(KeyKind, KeyValue), KeyError> {
        let name = || reference.name().to_string();
        let (kind, root) = self.keys.get(reference.name()).ok_or_else(|| KeyError::NotFound { key: name() })?;
        let mut value = root.clone();
        for step in reference.steps() {
            if step.kind() != *kind {
                return Err(KeyError::Kind { key: name(), expected: step.kind(), actual: *kind });
            }
            value = step.apply(&value)?;
        }
        Ok((*kind, value))
    }

    /// A key of a native card: DES or SM4.
    fn card_key(&self, reference: &KeyRef) -> Result<CardKey, KeyError> {
        let (actual, value) = self.key(reference)?;
        match actual {
            KeyKind::Tdes | KeyKind::Sm4 => CardKey::new(actual, &value),
            _ => Err(KeyError::Kind { key: reference.name().to_string(), expected: KeyKind::Tdes, actual }),
        }
    }

    fn purse_mac(&self, mac: &PurseMac) -> Result<[u8; 4], KeyError> {
        let (kind, key) = self.key(&mac.key)?;
        mac.key_use.mac(kind, &key, &mac.data)
    }

    fn key_of(&self, kind: KeyKind, reference: &KeyRef) -> Result<KeyValue, KeyError> {
        match self.key(reference)? {
            (actual, value) if actual == kind => Ok(value),
            (actual, _) => Err(KeyError::Kind { key: reference.name().to_string(), expected: kind, actual }),
        }
    }

    fn subscriber(&self, keys: &SubscriberKeys) -> Result<Subscriber, KeyError> {
        let key = |kind, reference: &KeyRef| self.key_of(KeyKind::Milenage(kind), reference);
        let k = SubscriberKey::of(&key(MilenageKey::K, &keys.k)?)?;
        let (op, opc) = match &keys.operator {
            OperatorKey::Op(reference) => {
                let op = Op::of(&key(MilenageKey::Op, reference)?)?;
                let opc = Opc::derive(&k, &op)?;
                (Some(op), opc)
            }
            OperatorKey::Opc(reference) => (None, Opc::of(&key(MilenageKey::Opc, reference)?)?),
        };
        Ok(Subscriber { k, op, opc })
    }
}

/// The secrets of one subscriber, as far as they are known.
struct Subscriber {
    k: SubscriberKey,
    op: Option<Op>,
    opc: Opc,
}

impl Subscriber {
    fn milenage(&self) -> Result<Milenage, KeyError> {
        Milenage::new(&self.k, &self.opc)
    }

    fn key_file(&self, parts: &[KeyFilePart]) -> Result<KeyFile, KeyError> {
        // Made once in its whole length: growing would leave copies behind.
        let length = parts.iter().map(|part| if let KeyFilePart::Bytes(bytes) = part { bytes.len() } else { 16 }).sum();
        let mut content = Zeroizing::new(Vec::with_capacity(length));
        for part in parts {
            content.extend_from_slice(match part {
                KeyFilePart::Bytes(bytes) => bytes,
                KeyFilePart::K => self.k.expose_bytes(),
                KeyFilePart::Opc => self.opc.expose_bytes(),
                KeyFilePart::Op => match &self.op {
                    Some(op) => op.expose_bytes(),
                    None => return Err(KeyError::Lacks { what: "OP: of this subscriber only OPc is known".into() }),
                },
            });
        }
        let check_value = |bytes: &[u8; 16]| KeyCheckValue::of(KeyKind::Aes, &KeyValue::new(bytes)?);
        let check_values = [check_value(self.k.expose_bytes())?, check_value(self.opc.expose_bytes())?];
        Ok(KeyFile::new(content, check_values))
    }
}

impl fmt::Debug for SoftwareKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}

impl KeyService for SoftwareKeys {
    fn answer(&mut self, request: &KeyRequest) -> Result<KeyAnswer, KeyError> {
        let tdes = |key: &KeyRef| self.key_of(KeyKind::Tdes, key);
        let aes = |key: &KeyRef| self.key_of(KeyKind::Aes, key);
        match request {
            KeyRequest::Scp01Session { keys, host_challenge, card_challenge } => {
                let session =
                    scp01::session_keys(&tdes(&keys.enc)?, &tdes(&keys.mac)?, host_challenge, card_challenge)?;
                Ok(KeyAnswer::Session(SessionAnswer { keys: session, card_challenge: None }))
            }
            KeyRequest::Scp02Session { keys, sequence_counter } => {
                let session =
                    scp02::session_keys(&tdes(&keys.enc)?, &tdes(&keys.mac)?, &tdes(&keys.dek)?, *sequence_counter)?;
                Ok(KeyAnswer::Session(SessionAnswer { keys: session, card_challenge: None }))
            }
            KeyRequest::Scp03Session { keys, context, challenge } => {
                let enc = aes(&keys.enc)?;
                let session = scp03::session_keys(&enc, &aes(&keys.mac)?, context)?;
                let card_challenge = match challenge {
                    Some(inputs) => {
                        let context = [&inputs.sequence_counter[..], &inputs.aid].concat();
                        let constant = scp03::constant::CARD_CHALLENGE;
                        Some(scp03::derive(&enc, constant, inputs.length.min(16), &context)?.to_vec())
                    }
                    None => None,
                };
                Ok(KeyAnswer::Session(SessionAnswer { keys: session, card_challenge }))
            }
            KeyRequest::Scp11Ephemeral { curve, seed } => {
                Ok(KeyAnswer::PublicKey(ec::public_of(*curve, &scp11::ephemeral(*curve, seed)?)?))
            }
            KeyRequest::Scp11Session { own_static, seed, card_static, card_ephemeral, shared_info, key_length } => {
                let curve = card_static.curve();
                let ephemeral = scp11::ephemeral(curve, seed)?;
                let own = match own_static {
                    Some(key) => self.key_of(KeyKind::Ec(curve), key)?,
                    None => ephemeral.clone(),
                };
                let answer =
                    scp11::session_keys(&ephemeral, &own, card_static, card_ephemeral, shared_info, *key_length)?;
                Ok(KeyAnswer::Scp11(answer))
            }
            KeyRequest::Wrap { key, under } => {
                let (kind, value) = self.key(key)?;
                // GPCS has no key type for them.
                if let KeyKind::Sm4 | KeyKind::Milenage(_) = kind {
                    return Err(KeyError::Unsupported);
                }
                // Before anything is enciphered: a private key has no check value here.
                let kcv = KeyCheckValue::of(kind, &value)?;
                let cipher = match under {
                    KeyEncryptionKey::Session(dek) => scp02::encipher_key(dek, &value)?,
                    KeyEncryptionKey::SessionCbc(dek) => scp02::encipher_key_cbc(dek, &value)?,
                    KeyEncryptionKey::SessionAes(dek) => scp03::encipher_key(dek, &value)?,
                    KeyEncryptionKey::Static(dek) => match self.key(dek)? {
                        (KeyKind::Tdes, dek) => scp02::encipher_key(&dek, &value)?,
                        (KeyKind::Aes, dek) => scp03::encipher_key(&dek, &value)?,
                        (KeyKind::Sm4 | KeyKind::Ec(_) | KeyKind::Milenage(_), _) => return Err(KeyError::Unsupported),
                    },
                };
                Ok(KeyAnswer::Wrapped(WrappedKey { kind, length: value.len(), cipher, kcv }))
            }
            KeyRequest::Cryptogram { key, challenge } => {
                Ok(KeyAnswer::Cryptogram(self.card_key(key)?.cryptogram(challenge)?))
            }
            KeyRequest::KeyCommand { suite, under, header, key_header, key, iv } => {
                let master = self.key_of(suite.key_kind(), under)?;
                let (kind, key) = self.key(key)?;
                let plain = zeroize::Zeroizing::new([key_header, key.expose_bytes()].concat());
                let mut data = CardKey::new(suite.key_kind(), &master)?.encipher(&plain)?;
                let lc = u8::try_from(data.len() + 4)
                    .map_err(|_| KeyError::DataLength { actual: data.len(), limit: 251 })?;
                let mac = suite.mac(&master, iv, &[&header[..], &[lc], &data].concat())?;
                data.extend_from_slice(&mac);
                Ok(KeyAnswer::KeyCommand(EncipheredKeyCommand { data, kcv: KeyCheckValue::of(kind, &key)? }))
            }
            KeyRequest::Mac { suite, key, iv, data } => {
                Ok(KeyAnswer::Mac(suite.mac(&self.key_of(suite.key_kind(), key)?, iv, data)?))
            }
            KeyRequest::Encipher { key, data } => {
                Ok(KeyAnswer::Data(CardData::new(self.card_key(key)?.encipher(data.expose_bytes())?)))
            }
            KeyRequest::Decipher { key, data } => {
                let plain = self.card_key(key)?.decipher(data).ok_or(KeyError::Padding)?;
                Ok(KeyAnswer::Data(CardData::new(plain.to_vec())))
            }
            KeyRequest::PurseMac(mac) => Ok(KeyAnswer::Mac(self.purse_mac(mac)?)),
            KeyRequest::VerifyPurseMac { mac, received } => {
                Ok(KeyAnswer::Verified(pboc::is_same_mac(self.purse_mac(mac)?, *received)))
            }
            KeyRequest::CipherLoadFile { key, icv, data } => {
                let (kind, key) = self.key(key)?;
                Ok(KeyAnswer::Data(CardData::new(load_file::encipher(kind, &key, icv, data.expose_bytes())?)))
            }
            KeyRequest::Signature { key, data } => {
                let (kind, key) = self.key(key)?;
                Ok(KeyAnswer::Signature(signature::sign(kind, &key, data)?))
            }
            KeyRequest::GsmAuthentication { keys, rand } => {
                Ok(KeyAnswer::Gsm(self.subscriber(keys)?.milenage()?.triplet(rand)?))
            }
            KeyRequest::UmtsAuthentication { keys, rand, sqn, amf } => {
                Ok(KeyAnswer::Vector(self.subscriber(keys)?.milenage()?.vector(rand, sqn, amf)?))
            }
            KeyRequest::Resynchronization { keys, rand, auts } => {
                Ok(KeyAnswer::Resynchronization(self.subscriber(keys)?.milenage()?.resynchronize(rand, auts)))
            }
            KeyRequest::KeyFile { keys, parts } => Ok(KeyAnswer::KeyFile(self.subscriber(keys)?.key_file(parts)?)),
        }
    }
}
