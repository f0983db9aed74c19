use std::ops::Deref;

use cryptoki::error::Error;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::types::Ulong;

use super::token::Token;
use crate::{KeyError, KeyKind};

/// A secret key on the token.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) handle: ObjectHandle,
    pub(super) shape: Shape,
}

/// What kind of key an object is.
#[derive(Clone)]
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) kind: KeyKind,
    /// In bytes.
    pub(super) length: usize,
    pub(super) key_type: KeyType,
}

/// What a session object is for, and no more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Other keys are derived from it.
    Master,
    /// It computes CMACs.
    Mac,
    /// It enciphers keys.
    KeyEncryption,
    /// It goes to a card.
    ForCard,
}

impl Shape {
    /// What a key of the same kind with this length would be.
    pub(super) fn like(&self, length: usize) -> Self {
        Self { length, ..self.clone() }
    }

    /// What a key from memory is to be.
    pub(super) fn new(name: &str, kind: KeyKind, length: usize) -> Self {
        let key_type = match kind {
            KeyKind::Tdes => KeyType::DES2,
            KeyKind::Aes => KeyType::AES,
            // PKCS#11 3.2 has no name for it; such keys stay in memory.
            KeyKind::Sm4 => KeyType::GENERIC_SECRET,
            KeyKind::Ec(_) => KeyType::EC,
            KeyKind::Milenage(_) => KeyType::GENERIC_SECRET,
        };
        Self { name: name.into(), kind, length, key_type }
    }

    /// Attributes of a session object.
    pub(super) fn template(&self, role: Role) -> Vec<Attribute> {
        let mut template = vec![
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(self.key_type),
            Attribute::Token(false),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(role == Role::ForCard),
            Attribute::Sign(matches!(role, Role::Mac | Role::Master)),
            Attribute::Encrypt(role != Role::Mac),
            Attribute::Derive(role == Role::Master),
            Attribute::Wrap(role == Role::KeyEncryption),
            Attribute::Decrypt(false),
            Attribute::Unwrap(false),
        ];
        if self.kind == KeyKind::Aes {
            template.push(Attribute::ValueLen(Ulong::new(self.length as _)));
        }
        template
    }
}

/// A session object that is destroyed when it is dropped.
pub(super) struct Temporary<'t> {
    pub(super) token: &'t Token,
    pub(super) object: Object,
}

impl Deref for Temporary<'_> {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.object
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        self.token.destroy(&self.object);
    }
}

/// The secret key with this label; the outer error is the session's, the inner one the key's.
pub(super) fn find(session: &Session, name: &str) -> Result<Option<Result<Object, KeyError>>, Error> {
    let label = Attribute::Label(name.as_bytes().to_vec());
    let found = session.find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY), label])?;
    let handle = match found[..] {
        [] => return Ok(None),
        [handle] => handle,
        _ => {
            let reason = format!("{} keys have the label {name:?}: give each its own", found.len());
            return Ok(Some(Err(KeyError::Refused { reason })));
        }
    };
    let mut key_type = None;
    let mut value_len = 0;
    for attribute in session.get_attributes(handle, &[AttributeType::KeyType, AttributeType::ValueLen])? {
        match attribute {
            Attribute::KeyType(found) => key_type = Some(found),
            Attribute::ValueLen(length) => value_len = usize::from(length),
            _ => {}
        }
    }
    let object =
        |kind, length, key_type| Ok(Object { handle, shape: Shape { name: name.into(), kind, length, key_type } });
    Ok(Some(match key_type {
        Some(KeyType::AES) => object(KeyKind::Aes, value_len, KeyType::AES),
        // Tokens without CKK_DES2 hold a two-key triple DES key as K1 ‖ K2 ‖ K1.
        Some(key_type @ (KeyType::DES2 | KeyType::DES3)) => object(KeyKind::Tdes, 16, key_type),
        other => {
            let other = other.map_or("no type".into(), |other| other.to_string());
            let reason = format!("key {name:?} is of type {other}: CKK_AES, CKK_DES2 and CKK_DES3 can be used");
            Err(KeyError::Refused { reason })
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_object_is_secret_and_may_do_what_it_is_for() {
        let shape = Shape::new("derived", KeyKind::Aes, 16);
        for (role, may) in [
            (Role::Master, "Sign Encrypt Derive"),
            (Role::Mac, "Sign"),
            (Role::KeyEncryption, "Encrypt Wrap"),
            (Role::ForCard, "Extractable Encrypt"),
        ] {
            let template: Vec<String> = shape.template(role).iter().map(|one| format!("{one:?}")).collect();
            let is_set = |name: &str| template.contains(&format!("{name}(true)"));
            assert!(is_set("Sensitive") && is_set("Private") && template.contains(&"Token(false)".into()));
            let abilities = ["Extractable", "Sign", "Encrypt", "Derive", "Wrap", "Decrypt", "Unwrap"];
            let can: Vec<_> = abilities.into_iter().filter(|name| is_set(name)).collect();
            assert_eq!(can.join(" "), may);
        }
    }
}
