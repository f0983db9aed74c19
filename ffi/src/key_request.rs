//! Key requests and their answers as C sees them, in both directions.

use std::ffi::{CString, c_char};

use cardwright_keys::pboc::MacSuite;
use cardwright_keys::{
    Diversification, EncipheredKeyCommand, KeyAnswer, KeyCheckValue, KeyEncryptionKey, KeyError, KeyKind, KeyPurpose,
    KeyRef, KeyRequest, KeySet, KeyValue, PseudoRandomChallenge, SessionAnswer, SessionKeys, WrappedKey,
};
use zeroize::{Zeroize, Zeroizing};

use crate::failure::Failure;
use crate::input;
use crate::keys::{CW_KEY_AES, CW_KEY_TDES};
use crate::open::{CW_SCHEME_EMV, CW_SCHEME_KDF3, CW_SCHEME_PBOC, CW_SCHEME_VISA, CW_SCHEME_VISA2};
use crate::plain::{self, plain};

/// `cw_key_request.operation`: session keys of SCP02 (GPCS 2.3.1 E.4.1).
///
/// `keys`: Key-ENC, Key-MAC, Key-DEK. `data`: the sequence counter, 2 bytes. Answer: `session_enc`, `session_mac`, `session_rmac`,
/// `session_dek`, 16 bytes each.
pub const CW_KEYS_SCP02_SESSION: u32 = 1;
/// `cw_key_request.operation`: session keys of SCP03 (Amendment D 6.2.1).
///
/// `keys`: Key-ENC, Key-MAC, Key-DEK; the last one is not used. `data`: host challenge, then card challenge. Answer: `session_enc`,
/// `session_mac`, `session_rmac`, each as long as the static keys. Where `challenge_len` is not 0, also `card_challenge`, so many
/// bytes derived from Key-ENC with `challenge_data`: sequence counter (3 bytes), then AID (Amendment D 6.2.2.1).
pub const CW_KEYS_SCP03_SESSION: u32 = 2;
/// `cw_key_request.operation`: a key enciphered for PUT KEY.
///
/// `keys`: the key that goes to the card; where `session_dek` is NULL, then the Key-DEK of the card: AES-CBC with an IV of zeros
/// (Amendment D 6.2.8), or of SCP01: triple DES, ECB (GPCS 2.3.1 D.3.5). Otherwise it is enciphered under `session_dek`: triple DES, ECB (GPCS 2.3.1 E.4.7). Answer: `output`,
/// `key_kind`, `key_len`, `kcv`: the first 3 bytes of the key's encryption of 8 bytes 00 (triple DES) or 16 bytes 01 (AES).
pub const CW_KEYS_WRAP: u32 = 3;
/// `cw_key_request.operation`: a challenge enciphered for EXTERNAL AUTHENTICATE of a PBOC card.
///
/// `keys`: the authentication key. `data`: the challenge, 8 bytes. Answer: `output`, 8 bytes: triple DES or DES, ECB.
pub const CW_KEYS_CRYPTOGRAM: u32 = 4;
/// `cw_key_request.operation`: data field of WRITE KEY of a PBOC card, enciphered and with MAC.
///
/// `keys`: the card's present master key, then the key that goes to the card. `data`: what precedes the key in the plain data.
/// Answer: `output`: the plain data behind its length byte, padded with 80 00 .. to blocks of 8 only where it does not fill them,
/// enciphered with ECB, then 4 bytes of MAC over `header`, Lc and the cipher text, with `iv` as the first block; and `kcv` of the
/// key.
pub const CW_KEYS_KEY_COMMAND: u32 = 5;
/// `cw_key_request.operation`: a MAC of PBOC secure messaging.
///
/// `keys`: the MAC key. `data`: header with Lc, and data. `iv`: the first block. Answer: `output`, 4 bytes.
pub const CW_KEYS_MAC: u32 = 6;

/// `cw_key_request.operation`: session keys of SCP01 (GPCS 2.3.1 D.3.1).
///
/// `keys`: Key-ENC, Key-MAC, Key-DEK; the last one is not used. `data`: host challenge, then card challenge, 8 bytes each. Answer:
/// `session_enc`, `session_mac`, 16 bytes each.
pub const CW_KEYS_SCP01_SESSION: u32 = 7;

/// What one operation needs at most, in bytes.
const MAX_DATA: usize = 65536;
const MAX_STEPS: usize = 8;

/// One step of the derivation of a card's own key.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_key_derivation {
    /// `sizeof(cw_key_derivation)`.
    pub struct_size: u32,
    /// `CW_SCHEME_EMV`, `CW_SCHEME_VISA2`, `CW_SCHEME_KDF3`, `CW_SCHEME_VISA` or `CW_SCHEME_PBOC`.
    pub scheme: u32,
    /// Which key of the set comes out: 1 Key-ENC, 2 Key-MAC, 3 Key-DEK; 0 for PBOC.
    pub purpose: u32,
    /// Number of bytes in `factor`: 10 of key diversification data, or 8 for PBOC.
    pub factor_len: u32,
    /// What it is derived with.
    pub factor: [u8; 16],
}

/// A key by name.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_key_ref {
    /// `sizeof(cw_key_ref)`.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// What the key service calls the key at the root.
    pub name: *const c_char,
    /// The derivations, from the root key to the one that is meant.
    pub steps: *const cw_key_derivation,
    /// Number of derivations; 0 for the root key itself.
    pub step_count: usize,
}

/// One question to a key service. The `CW_KEYS_` numbers say what each operation is given and what it answers; fields that an
/// operation does not name are zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_key_request {
    /// `sizeof(cw_key_request)`.
    pub struct_size: u32,
    /// One of `CW_KEYS_SCP02_SESSION` to `CW_KEYS_SCP01_SESSION`. New ones may come: answer those that you do not know with
    /// `CW_KEY_SERVICE`.
    pub operation: u32,
    /// The keys.
    pub keys: *const cw_key_ref,
    /// Number of keys.
    pub key_count: usize,
    /// What the operation is about.
    pub data: *const u8,
    /// Length of `data`, in bytes.
    pub data_len: usize,
    /// What a card challenge is derived with.
    pub challenge_data: *const u8,
    /// Length of `challenge_data`, in bytes.
    pub challenge_data_len: usize,
    /// Length of the card challenge that is asked for, in bytes; 0 for none.
    pub challenge_len: usize,
    /// A session key, secret: do not log it.
    pub session_dek: *const u8,
    /// Length of `session_dek`, in bytes.
    pub session_dek_len: usize,
    /// CLA INS P1 P2.
    pub header: [u8; 4],
    /// Zero.
    pub reserved: [u8; 4],
    /// First block of a MAC.
    pub iv: [u8; 8],
}

/// A key service's answer. It is zero before; the operation says what is to be filled in. It holds keys: the library wipes its
/// own.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cw_key_answer {
    /// `sizeof(cw_key_answer)`; a callback uses no field beyond it.
    pub struct_size: u32,
    /// `CW_KEY_TDES` or `CW_KEY_AES`.
    pub key_kind: u32,
    /// Length of the key that went into `output`, in bytes.
    pub key_len: u32,
    /// Length of each session key, in bytes.
    pub session_key_len: u32,
    /// Length of `card_challenge`, in bytes; 0 where none was asked for.
    pub card_challenge_len: u32,
    /// S-ENC.
    pub session_enc: [u8; 32],
    /// S-MAC.
    pub session_mac: [u8; 32],
    /// S-RMAC.
    pub session_rmac: [u8; 32],
    /// Session DEK of SCP02.
    pub session_dek: [u8; 32],
    /// Card challenge.
    pub card_challenge: [u8; 16],
    /// Key check value.
    pub kcv: [u8; 3],
    /// Zero.
    pub reserved: [u8; 1],
    /// Length of `output`, in bytes.
    pub output_len: u32,
    /// What the operation produces.
    pub output: [u8; 256],
    /// Why the service refuses or cannot be reached, for the error message: UTF-8, at most 127 bytes, ends with a NUL. No secret.
    pub reason: [c_char; 128],
}

plain! {
    cw_key_derivation: size_of::<cw_key_derivation>();
    cw_key_ref: size_of::<cw_key_ref>();
    cw_key_request: size_of::<cw_key_request>();
    cw_key_answer: size_of::<cw_key_answer>();
}

impl cw_key_answer {
    pub(crate) fn empty() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            key_kind: 0,
            key_len: 0,
            session_key_len: 0,
            card_challenge_len: 0,
            session_enc: [0; 32],
            session_mac: [0; 32],
            session_rmac: [0; 32],
            session_dek: [0; 32],
            card_challenge: [0; 16],
            kcv: [0; 3],
            reserved: [0; 1],
            output_len: 0,
            output: [0; 256],
            reason: [0; 128],
        }
    }

    /// The answer to a request.
    pub(crate) fn to(&self, request: &KeyRequest) -> Result<KeyAnswer, KeyError> {
        let kcv = KeyCheckValue(self.kcv);
        let output = || self.output.get(..self.output_len as usize).map(<[u8]>::to_vec).ok_or(KeyError::WrongAnswer);
        let session = |length: usize, rmac: bool, dek: bool| {
            let key = |bytes: &[u8; 32]| KeyValue::new(bytes.get(..length).unwrap_or_default());
            let (enc, mac) = (key(&self.session_enc)?, key(&self.session_mac)?);
            let dek = if dek { Some(key(&self.session_dek)?) } else { None };
            let rmac = if rmac { Some(key(&self.session_rmac)?) } else { None };
            Ok::<_, KeyError>(SessionKeys { enc, mac, rmac, dek })
        };
        match request {
            KeyRequest::Scp01Session { .. } if self.session_key_len == 16 => {
                Ok(KeyAnswer::Session(SessionAnswer { keys: session(16, false, false)?, card_challenge: None }))
            }
            KeyRequest::Scp02Session { .. } if self.session_key_len == 16 => {
                Ok(KeyAnswer::Session(SessionAnswer { keys: session(16, true, true)?, card_challenge: None }))
            }
            KeyRequest::Scp03Session { challenge, .. } if matches!(self.session_key_len, 16 | 24 | 32) => {
                let challenge = match challenge {
                    Some(asked) if self.card_challenge_len as usize != asked.length => {
                        return Err(KeyError::WrongAnswer);
                    }
                    Some(asked) => Some(self.card_challenge[..asked.length.min(16)].to_vec()),
                    None => None,
                };
                let keys = session(self.session_key_len as usize, true, false)?;
                Ok(KeyAnswer::Session(SessionAnswer { keys, card_challenge: challenge }))
            }
            KeyRequest::Wrap { .. } => {
                let kind = match self.key_kind {
                    CW_KEY_TDES => KeyKind::Tdes,
                    CW_KEY_AES => KeyKind::Aes,
                    _ => return Err(KeyError::WrongAnswer),
                };
                let length = self.key_len as usize;
                let fits = match kind {
                    KeyKind::Tdes => length == 16,
                    _ => matches!(length, 16 | 24 | 32),
                };
                let cipher = output()?;
                if !fits || cipher.len() != length.next_multiple_of(if kind == KeyKind::Aes { 16 } else { 8 }) {
                    return Err(KeyError::WrongAnswer);
                }
                Ok(KeyAnswer::Wrapped(WrappedKey { kind, length, cipher, kcv }))
            }
            KeyRequest::Cryptogram { .. } => {
                Ok(KeyAnswer::Cryptogram(output()?.try_into().map_err(|_| KeyError::WrongAnswer)?))
            }
            KeyRequest::KeyCommand { .. } if self.output_len >= 12 && self.output_len % 8 == 4 => {
                Ok(KeyAnswer::KeyCommand(EncipheredKeyCommand { data: output()?, kcv }))
            }
            KeyRequest::Mac { .. } => Ok(KeyAnswer::Mac(output()?.try_into().map_err(|_| KeyError::WrongAnswer)?)),
            _ => Err(KeyError::WrongAnswer),
        }
    }

    /// Puts an answer of ours where it was empty.
    pub(crate) fn fill(&mut self, answer: &KeyAnswer) -> Result<(), KeyError> {
        let out = self;
        match answer {
            KeyAnswer::Session(SessionAnswer { keys, card_challenge }) => {
                out.session_key_len = keys.enc.len() as u32;
                let put = |to: &mut [u8; 32], key: &KeyValue| to[..key.len()].copy_from_slice(key.expose_bytes());
                put(&mut out.session_enc, &keys.enc);
                put(&mut out.session_mac, &keys.mac);
                if let Some(rmac) = &keys.rmac {
                    put(&mut out.session_rmac, rmac);
                }
                if let Some(dek) = &keys.dek {
                    put(&mut out.session_dek, dek);
                }
                let challenge = card_challenge.as_deref().unwrap_or_default();
                out.card_challenge[..challenge.len()].copy_from_slice(challenge);
                out.card_challenge_len = challenge.len() as u32;
            }
            KeyAnswer::Wrapped(wrapped) => {
                out.key_kind = if wrapped.kind == KeyKind::Aes { CW_KEY_AES } else { CW_KEY_TDES };
                out.key_len = wrapped.length as u32;
                out.kcv = wrapped.kcv.0;
                out.put_output(&wrapped.cipher)?;
            }
            KeyAnswer::Cryptogram(cryptogram) => out.put_output(cryptogram)?,
            KeyAnswer::KeyCommand(command) => {
                out.kcv = command.kcv.0;
                out.put_output(&command.data)?;
            }
            KeyAnswer::Mac(mac) => out.put_output(mac)?,
            _ => return Err(KeyError::Unsupported),
        }
        Ok(())
    }

    fn put_output(&mut self, bytes: &[u8]) -> Result<(), KeyError> {
        let limit = self.output.len();
        let actual = bytes.len();
        self.output.get_mut(..actual).ok_or(KeyError::DataLength { actual, limit })?.copy_from_slice(bytes);
        self.output_len = actual as u32;
        Ok(())
    }

    /// The reason, as far as it is text.
    pub(crate) fn reason(&self) -> String {
        let bytes: Vec<u8> = self.reason.iter().map(|c| *c as u8).take_while(|byte| *byte != 0).collect();
        let text = String::from_utf8_lossy(&bytes);
        if text.is_empty() { "it gave no reason".into() } else { text.into_owned() }
    }
}

/// The library's own answer, wiped at the end: it is C's struct, which cannot do that itself.
pub(crate) struct Wiped(pub(crate) cw_key_answer);

impl Drop for Wiped {
    fn drop(&mut self) {
        let answer = &mut self.0;
        for key in [&mut answer.session_enc, &mut answer.session_mac, &mut answer.session_rmac, &mut answer.session_dek]
        {
            key.zeroize();
        }
        answer.output.zeroize();
    }
}

/// A request for C, and what its pointers point to.
pub(crate) struct RequestInC {
    request: cw_key_request,
    _names: Vec<CString>,
    _steps: Vec<Vec<cw_key_derivation>>,
    _refs: Vec<cw_key_ref>,
    _data: Vec<u8>,
    _challenge: Vec<u8>,
    _dek: Zeroizing<Vec<u8>>,
}

// SAFETY: the pointers lead to what the struct itself owns, on the heap and never changed.
unsafe impl Send for RequestInC {}

impl RequestInC {
    pub(crate) fn request(&self) -> &cw_key_request {
        &self.request
    }

    pub(crate) fn new(request: &KeyRequest) -> Result<Self, KeyError> {
        let (mut header, mut iv, mut dek, mut challenge, mut challenge_len) =
            ([0; 4], [0; 8], Zeroizing::new(Vec::new()), Vec::new(), 0);
        let (operation, keys, data): (_, Vec<&KeyRef>, Vec<u8>) = match request {
            KeyRequest::Scp01Session { keys, host_challenge, card_challenge } => {
                (CW_KEYS_SCP01_SESSION, keys.in_order().into(), [*host_challenge, *card_challenge].concat())
            }
            KeyRequest::Scp02Session { keys, sequence_counter } => {
                (CW_KEYS_SCP02_SESSION, keys.in_order().into(), sequence_counter.to_vec())
            }
            KeyRequest::Scp03Session { keys, context, challenge: asked } => {
                if let Some(asked) = asked {
                    challenge = [&asked.sequence_counter[..], &asked.aid].concat();
                    challenge_len = asked.length;
                }
                (CW_KEYS_SCP03_SESSION, keys.in_order().into(), context.clone())
            }
            KeyRequest::Wrap { key, under: KeyEncryptionKey::Session(value) } => {
                dek.extend_from_slice(value.expose_bytes());
                (CW_KEYS_WRAP, vec![key], Vec::new())
            }
            KeyRequest::Wrap { key, under: KeyEncryptionKey::Static(under) } => {
                (CW_KEYS_WRAP, vec![key, under], Vec::new())
            }
            KeyRequest::Cryptogram { key, challenge } if challenge.len() <= 8 => {
                let mut block = challenge.clone();
                block.resize(8, 0);
                (CW_KEYS_CRYPTOGRAM, vec![key], block)
            }
            KeyRequest::KeyCommand { suite, under, header: of, key_header, key, iv: first }
                if *suite == MacSuite::default() =>
            {
                (header, iv) = (*of, *first);
                (CW_KEYS_KEY_COMMAND, vec![under, key], key_header.clone())
            }
            KeyRequest::Mac { suite, key, iv: first, data } if *suite == MacSuite::default() => {
                iv = *first;
                (CW_KEYS_MAC, vec![key], data.clone())
            }
            _ => return Err(KeyError::Unsupported),
        };
        let name = |key: &&KeyRef| CString::new(key.name()).map_err(|_| KeyError::NotFound { key: key.name().into() });
        let names = keys.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        let steps =
            keys.iter().map(|key| key.steps().iter().map(step_in_c).collect()).collect::<Result<Vec<Vec<_>>, _>>()?;
        let refs: Vec<_> = names
            .iter()
            .zip(&steps)
            .map(|(name, steps)| cw_key_ref {
                struct_size: size_of::<cw_key_ref>() as u32,
                reserved: 0,
                name: name.as_ptr(),
                steps: pointer(steps),
                step_count: steps.len(),
            })
            .collect();
        let request = cw_key_request {
            struct_size: size_of::<cw_key_request>() as u32,
            operation,
            keys: pointer(&refs),
            key_count: refs.len(),
            data: pointer(&data),
            data_len: data.len(),
            challenge_data: pointer(&challenge),
            challenge_data_len: challenge.len(),
            challenge_len,
            session_dek: pointer(&dek),
            session_dek_len: dek.len(),
            header,
            reserved: [0; 4],
            iv,
        };
        Ok(Self { request, _names: names, _steps: steps, _refs: refs, _data: data, _challenge: challenge, _dek: dek })
    }
}

/// NULL for nothing.
fn pointer<T>(elements: &[T]) -> *const T {
    if elements.is_empty() { std::ptr::null() } else { elements.as_ptr() }
}

fn step_in_c(step: &Diversification) -> Result<cw_key_derivation, KeyError> {
    let (scheme, purpose, bytes): (_, _, &[u8]) = match step {
        Diversification::Pboc { factor } => (CW_SCHEME_PBOC, 0, factor),
        Diversification::Emv { kdd, purpose } => (CW_SCHEME_EMV, *purpose as u32, kdd),
        Diversification::Visa2 { kdd, purpose } => (CW_SCHEME_VISA2, *purpose as u32, kdd),
        Diversification::Kdf3 { kdd, purpose } => (CW_SCHEME_KDF3, *purpose as u32, kdd),
        Diversification::Visa { kdd, purpose } => (CW_SCHEME_VISA, *purpose as u32, kdd),
        _ => return Err(KeyError::Unsupported),
    };
    let mut factor = [0; 16];
    factor[..bytes.len()].copy_from_slice(bytes);
    let (struct_size, factor_len) = (size_of::<cw_key_derivation>() as u32, bytes.len() as u32);
    Ok(cw_key_derivation { struct_size, scheme, purpose, factor_len, factor })
}

/// Reads a request of C's.
///
/// # Safety
/// The pointers of the request are good for the lengths that go with them, and its strings end.
pub(crate) unsafe fn read_request(request: *const cw_key_request) -> Result<KeyRequest, Failure> {
    // SAFETY: passed on.
    let request = unsafe { plain::read(request)? };
    // SAFETY: passed on.
    let refs = unsafe { plain::read_all(request.keys, request.key_count, 0..=3, "keys")? };
    // SAFETY: passed on.
    let keys = refs.iter().map(|key| unsafe { read_ref(key) }).collect::<Result<Vec<_>, _>>()?;
    // SAFETY: passed on.
    let data = unsafe { input::bytes(request.data, request.data_len, MAX_DATA, "data")? };
    let count = |expected: &str| Failure::value(format!("keys: the operation takes {expected}, not {}", keys.len()));
    let set = || match &keys[..] {
        [enc, mac, dek] => Ok(KeySet { enc: enc.clone(), mac: mac.clone(), dek: dek.clone() }),
        _ => Err(count("3")),
    };
    let one = || match &keys[..] {
        [key] => Ok(key.clone()),
        _ => Err(count("1")),
    };
    let two = || match &keys[..] {
        [first, second] => Ok((first.clone(), second.clone())),
        _ => Err(count("2")),
    };
    Ok(match request.operation {
        CW_KEYS_SCP01_SESSION => {
            let challenges: [u8; 16] = exactly(data, "data")?;
            let half = |from: usize| challenges[from..].first_chunk().copied().unwrap_or_default();
            KeyRequest::Scp01Session { keys: set()?, host_challenge: half(0), card_challenge: half(8) }
        }
        CW_KEYS_SCP02_SESSION => KeyRequest::Scp02Session { keys: set()?, sequence_counter: exactly(data, "data")? },
        CW_KEYS_SCP03_SESSION => {
            let (pointer, length) = (request.challenge_data, request.challenge_data_len);
            // SAFETY: passed on.
            let inputs = unsafe { input::bytes(pointer, length, 3 + 16, "challenge_data")? };
            let challenge = match request.challenge_len {
                0 => None,
                length @ (8 | 16) => {
                    let (counter, aid) =
                        inputs.split_first_chunk().ok_or_else(|| Failure::value("challenge_data is too short"))?;
                    Some(PseudoRandomChallenge { sequence_counter: *counter, aid: aid.to_vec(), length })
                }
                _ => return Err(Failure::value("challenge_len is 0, 8 or 16")),
            };
            KeyRequest::Scp03Session { keys: set()?, context: data.to_vec(), challenge }
        }
        CW_KEYS_WRAP if request.session_dek.is_null() => {
            let (key, under) = two()?;
            KeyRequest::Wrap { key, under: KeyEncryptionKey::Static(under) }
        }
        CW_KEYS_WRAP => {
            // SAFETY: passed on.
            let dek = unsafe { input::bytes(request.session_dek, request.session_dek_len, 32, "session_dek")? };
            KeyRequest::Wrap { key: one()?, under: KeyEncryptionKey::Session(KeyValue::new(dek)?) }
        }
        CW_KEYS_CRYPTOGRAM => KeyRequest::Cryptogram { key: one()?, challenge: exactly::<8>(data, "data")?.to_vec() },
        CW_KEYS_KEY_COMMAND => {
            let (under, key) = two()?;
            KeyRequest::KeyCommand {
                suite: MacSuite::default(),
                under,
                header: request.header,
                key_header: data.to_vec(),
                key,
                iv: request.iv,
            }
        }
        CW_KEYS_MAC => KeyRequest::Mac { suite: MacSuite::default(), key: one()?, iv: request.iv, data: data.to_vec() },
        other => return Err(Failure::value(format!("key operation {other} is not known"))),
    })
}

fn exactly<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N], Failure> {
    bytes.try_into().map_err(|_| Failure::value(format!("{what}: the operation takes {N} bytes, not {}", bytes.len())))
}

/// # Safety
/// As [`read_request`].
unsafe fn read_ref(key: &cw_key_ref) -> Result<KeyRef, Failure> {
    // SAFETY: passed on.
    let mut out = KeyRef::new(unsafe { input::string(key.name, "key name")? });
    // SAFETY: passed on.
    for step in unsafe { plain::read_all(key.steps, key.step_count, 0..=MAX_STEPS, "steps")? } {
        out = out.diversified(read_step(&step)?);
    }
    Ok(out)
}

fn read_step(step: &cw_key_derivation) -> Result<Diversification, Failure> {
    let factor = step.factor.get(..step.factor_len as usize).unwrap_or_default();
    let purpose = || match step.purpose {
        1 => Ok(KeyPurpose::Enc),
        2 => Ok(KeyPurpose::Mac),
        3 => Ok(KeyPurpose::Dek),
        other => Err(Failure::value(format!("key purpose {other} is not known"))),
    };
    Ok(match step.scheme {
        CW_SCHEME_PBOC => Diversification::Pboc { factor: exactly(factor, "factor")? },
        CW_SCHEME_EMV => Diversification::Emv { kdd: exactly(factor, "factor")?, purpose: purpose()? },
        CW_SCHEME_VISA2 => Diversification::Visa2 { kdd: exactly(factor, "factor")?, purpose: purpose()? },
        CW_SCHEME_KDF3 => Diversification::Kdf3 { kdd: exactly(factor, "factor")?, purpose: purpose()? },
        CW_SCHEME_VISA => Diversification::Visa { kdd: exactly(factor, "factor")?, purpose: purpose()? },
        other => return Err(Failure::value(format!("key scheme {other} is not known"))),
    })
}
