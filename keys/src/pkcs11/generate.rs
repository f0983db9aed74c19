use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, KeyType, ObjectClass};
use cryptoki::types::Ulong;

use super::material::Material;
use super::token::Token;
use crate::{KeyCheckValue, KeyError, KeyKind};

/// What a new key is for, which decides what the token lets it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyUse {
    /// Keys of cards are derived from it. Never extractable.
    Master,
    /// A static key of a secure channel, or a key of a PBOC card, that cards have already or get otherwise. Never extractable.
    Static,
    /// As [`KeyUse::Static`], and it goes to cards as it is: it can be extracted, enciphered under any key that may wrap.
    ForCard,
}

impl KeyUse {
    fn attributes(self, kind: KeyKind) -> Vec<Attribute> {
        vec![
            Attribute::Encrypt(true),
            Attribute::Sign(kind == KeyKind::Aes),
            Attribute::Derive(self == Self::Master && kind == KeyKind::Aes),
            Attribute::Wrap(self != Self::Master),
            Attribute::Extractable(self == Self::ForCard),
            // With these the token would take its own wrapping off.
            Attribute::Decrypt(false),
            Attribute::Unwrap(false),
        ]
    }
}

/// Makes a key on the token that nobody knows.
pub(super) fn generate(
    token: &Token,
    name: &str,
    kind: KeyKind,
    length: usize,
    key_use: KeyUse,
) -> Result<KeyCheckValue, KeyError> {
    if token.find(name)?.is_some() {
        return Err(KeyError::Refused { reason: format!("there is a key {name:?} already, and it stays") });
    }
    let mut template = key_use.attributes(kind);
    template.extend([
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::Label(name.as_bytes().to_vec()),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
    ]);
    let mechanism = match (kind, length) {
        (KeyKind::Aes, 16 | 24 | 32) => {
            template.extend([Attribute::KeyType(KeyType::AES), Attribute::ValueLen(Ulong::new(length as _))]);
            Mechanism::AesKeyGen
        }
        (KeyKind::Tdes, 16) => {
            template.push(Attribute::KeyType(KeyType::DES2));
            Mechanism::Des2KeyGen
        }
        _ => return Err(KeyError::Length { actual: length }),
    };
    token.generate(&mechanism, name, &template)?;
    Material::root(token, name)?.check_value()
}
