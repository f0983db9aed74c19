use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::ekdf::AesCbcDeriveParams;
use zeroize::Zeroizing;

use super::Pkcs11Options;
use super::object::{Object, Role, Temporary};
use super::token::{Secret, Token};
use crate::cipher::{Aes, AesCmac, Tdes, double};
use crate::diversify::{Input, join};
use crate::pboc::MacPadding;
use crate::{Diversification, KeyCheckValue, KeyError, KeyKind, KeyRef, KeyValue, pboc};

/// A key where it is while a request is answered.
pub(super) struct Material<'t> {
    token: &'t Token,
    name: String,
    place: Place<'t>,
}

pub(super) enum Place<'t> {
    /// On the token, for good.
    Token(Object),
    /// On the token, for this request.
    Session(Temporary<'t>),
    /// In memory, for this request.
    Memory(KeyKind, KeyValue),
}

impl<'t> Material<'t> {
    /// Finds the key and derives what is to be derived.
    pub(super) fn of(
        token: &'t Token,
        options: &Pkcs11Options,
        reference: &KeyRef,
        role: Role,
    ) -> Result<Self, KeyError> {
        let mut key = Self::root(token, reference.name())?;
        for (i, step) in reference.steps().iter().enumerate() {
            key.check_kind(step.kind())?;
            let role = if i + 1 == reference.steps().len() { role } else { Role::Master };
            key.place = key.derive(options, step, role)?;
        }
        Ok(key)
    }

    /// The key with this label.
    pub(super) fn root(token: &'t Token, name: &str) -> Result<Self, KeyError> {
        let root = token.find(name)?.ok_or_else(|| KeyError::NotFound { key: name.into() })?;
        Ok(Self { token, name: name.into(), place: Place::Token(root) })
    }

    /// As [`Material::of`], and the key has to be of this kind.
    pub(super) fn of_kind(
        kind: KeyKind,
        token: &'t Token,
        options: &Pkcs11Options,
        reference: &KeyRef,
        role: Role,
    ) -> Result<Self, KeyError> {
        let key = Self::of(token, options, reference, role)?;
        key.check_kind(kind)?;
        Ok(key)
    }

    /// A key that is no key of the token's.
    pub(super) fn in_memory(token: &'t Token, name: &str, kind: KeyKind, value: KeyValue) -> Self {
        Self { token, name: name.into(), place: Place::Memory(kind, value) }
    }

    pub(super) fn kind(&self) -> KeyKind {
        self.object().map_or_else(|value| value.0, |object| object.shape.kind)
    }

    /// In bytes.
    pub(super) fn length(&self) -> usize {
        self.object().map_or_else(|value| value.1.len(), |object| object.shape.length)
    }

    /// The object on the token, or the value in memory.
    pub(super) fn object(&self) -> Result<&Object, (KeyKind, &KeyValue)> {
        match &self.place {
            Place::Token(object) => Ok(object),
            Place::Session(object) => Ok(object),
            Place::Memory(kind, value) => Err((*kind, value)),
        }
    }

    /// 3DES in ECB mode.
    pub(super) fn tdes_ecb(&self, data: &[u8]) -> Result<Secret, KeyError> {
        self.check_kind(KeyKind::Tdes)?;
        match self.object() {
            Ok(object) => self.token.encrypt(&Mechanism::Des3Ecb, object, data),
            Err((_, value)) => {
                let mut data = Zeroizing::new(data.to_vec());
                Tdes::new(value)?.ecb_encrypt(&mut data);
                Ok(data)
            }
        }
    }

    /// 3DES in CBC mode.
    pub(super) fn tdes_cbc(&self, iv: &[u8; 8], data: &[u8]) -> Result<Secret, KeyError> {
        self.check_kind(KeyKind::Tdes)?;
        match self.object() {
            Ok(object) => self.token.encrypt(&Mechanism::Des3Cbc(*iv), object, data),
            Err((_, value)) => {
                let mut data = Zeroizing::new(data.to_vec());
                Tdes::new(value)?.cbc_encrypt(iv, &mut data);
                Ok(data)
            }
        }
    }

    /// AES in CBC mode.
    pub(super) fn aes_cbc(&self, iv: &[u8; 16], data: &[u8]) -> Result<Secret, KeyError> {
        match self.object() {
            Ok(object) => self.token.encrypt(&Mechanism::AesCbc(*iv), object, data),
            Err((_, value)) => {
                let mut data = Zeroizing::new(data.to_vec());
                Aes::new(value)?.cbc_encrypt(iv, &mut data);
                Ok(data)
            }
        }
    }

    /// CMAC of the concatenation of the parts.
    pub(super) fn cmac(&self, parts: &[&[u8]]) -> Result<[u8; 16], KeyError> {
        match self.object() {
            Ok(object) => {
                let mac = self.token.sign(&Mechanism::AesCMac, object, &parts.concat())?;
                mac[..].try_into().map_err(|_| KeyError::WrongAnswer)
            }
            Err((_, value)) => Ok(AesCmac::new(value)?.mac(parts)),
        }
    }

    /// The MAC of the padded data (ISO 9797-1 algorithm 3).
    ///
    /// PKCS#11 has no such mechanism, and single DES, which it takes, is gone from tokens. Triple DES under a key whose halves are
    /// both the left half of this one is single DES: the token has to hold it as a key of its own.
    pub(super) fn retail_mac(&self, iv: &[u8; 8], padding: MacPadding, data: &[u8]) -> Result<[u8; 8], KeyError> {
        let mut input = match padding {
            MacPadding::WhenUnaligned if !data.is_empty() && data.len().is_multiple_of(8) => {
                Zeroizing::new(data.to_vec())
            }
            _ => pboc::mac_input(data),
        };
        if let Err((_, value)) = self.object() {
            return Ok(Tdes::new(value)?.mac(iv, &mut input));
        }
        let (front, last) = input.split_at(input.len() - 8);
        let mut chain = *iv;
        if !front.is_empty() {
            let name = format!("{}/left", self.name);
            let left = self.token.find(&name)?.ok_or_else(|| KeyError::Lacks {
                what: format!(
                    "single DES for the MAC: give it a key {name:?}, CKK_DES2, the left half of key {:?} twice",
                    self.name
                ),
            })?;
            let left = Self { token: self.token, name, place: Place::Token(left) };
            chain = last_block(&left.tdes_cbc(iv, front)?)?;
        }
        last_block(&self.tdes_cbc(&chain, last)?)
    }

    /// GlobalPlatform's, which is not `CKA_CHECK_VALUE` for AES.
    pub(super) fn check_value(&self) -> Result<KeyCheckValue, KeyError> {
        let object = match self.object() {
            Ok(object) => object,
            Err((kind, value)) => return KeyCheckValue::of(kind, value),
        };
        let block = match object.shape.kind {
            KeyKind::Tdes => self.token.encrypt(&Mechanism::Des3Ecb, object, &[0; 8])?,
            KeyKind::Aes => self.token.encrypt(&Mechanism::AesEcb, object, &[1; 16])?,
            KeyKind::Sm4 | KeyKind::Ec(_) | KeyKind::Milenage(_) => return Err(KeyError::Unsupported),
        };
        Ok(KeyCheckValue([block[0], block[1], block[2]]))
    }

    fn check_kind(&self, expected: KeyKind) -> Result<(), KeyError> {
        match self.kind() {
            actual if actual == expected => Ok(()),
            actual => Err(KeyError::Kind { key: self.name.clone(), expected, actual }),
        }
    }

    fn derive(&self, options: &Pkcs11Options, step: &Diversification, role: Role) -> Result<Place<'t>, KeyError> {
        let master = match self.object() {
            Ok(master) => master,
            Err((kind, value)) => return Ok(Place::Memory(kind, step.apply(value)?)),
        };
        let input = step.input(master.shape.length)?;
        if let Input::Aes(blocks) = &input
            && let ([block], 16) = (&blocks[..], master.shape.length)
            && block.len() <= 16
        {
            return self.derive_on_token(master, block, role);
        }
        if !options.derived_keys_in_memory {
            let reason = format!(
                "the key derived from {:?} would be in this machine's memory, which the options of this service do not allow",
                self.name
            );
            return Err(KeyError::Refused { reason });
        }
        let value = match input {
            Input::Tdes(data) => KeyValue::new(&self.tdes_ecb(&data)?)?,
            // Keys on a token are never of this kind.
            Input::Sm4(_) => return Err(KeyError::Unsupported),
            Input::Aes(blocks) => join(&blocks, master.shape.length, |block| self.cmac(&[block]))?,
        };
        Ok(Place::Memory(self.kind(), value))
    }

    /// A CMAC of one block is `AES(MK, block xor subkey)`, that is AES-CBC with the subkey for an IV; PKCS#11 makes a key of that.
    fn derive_on_token(&self, master: &Object, data: &[u8], role: Role) -> Result<Place<'t>, KeyError> {
        let zeros = self.token.encrypt(&Mechanism::AesEcb, master, &[0; 16])?;
        let zeros = Zeroizing::new(<[u8; 16]>::try_from(&zeros[..]).map_err(|_| KeyError::WrongAnswer)?);
        let mut subkey = double(&zeros);
        let mut block = [0; 16];
        block[..data.len()].copy_from_slice(data);
        if let Some(behind) = block.get_mut(data.len()) {
            *behind = 0x80;
            subkey = double(&subkey);
        }
        let mechanism = Mechanism::AesCbcEncryptData(AesCbcDeriveParams::new(*subkey, &block));
        Ok(Place::Session(self.token.derive(&mechanism, master, 16, role)?))
    }
}

fn last_block(data: &[u8]) -> Result<[u8; 8], KeyError> {
    data.last_chunk().copied().ok_or(KeyError::WrongAnswer)
}
