use cardwright_keys::{Diversification, KeyKind, KeyRef, KeySet, Template};

use crate::channel::CardAnswer;

/// How a card's keys come from what the key service holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyScheme {
    /// The key itself, in all three places of the set.
    AsIs,
    /// EMV CPS, triple DES.
    Emv,
    /// VISA2, triple DES.
    Visa2,
    /// KDF3, AES.
    Kdf3,
    /// VISA, triple DES.
    Visa,
    /// A template.
    Template(Template),
}

/// A key set that a card may hold: data, so that it can be configured and handed across an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCandidate {
    /// The key, or the master key of the scheme.
    pub key: KeyRef,
    /// What the key is for.
    pub kind: KeyKind,
    /// How the card's keys come from it.
    pub scheme: KeyScheme,
    /// The key version that the set has, where that is known.
    pub kvn: Option<u8>,
}

impl KeyCandidate {
    /// A key set of unknown version.
    #[must_use]
    pub fn new(key: KeyRef, kind: KeyKind, scheme: KeyScheme) -> Self {
        Self { key, kind, scheme, kvn: None }
    }

    /// The same with a key version.
    #[must_use]
    pub fn with_kvn(mut self, kvn: u8) -> Self {
        self.kvn = Some(kvn);
        self
    }

    /// The key set for a card with this key diversification data.
    #[must_use]
    pub fn keys_for(&self, kdd: [u8; 10]) -> KeySet {
        let derived = |step: fn([u8; 10], cardwright_keys::KeyPurpose) -> Diversification| {
            KeySet::derived(&self.key, |purpose| step(kdd, purpose))
        };
        match self.scheme {
            KeyScheme::AsIs => KeySet::same(self.key.clone()),
            KeyScheme::Emv => derived(|kdd, purpose| Diversification::Emv { kdd, purpose }),
            KeyScheme::Visa2 => derived(|kdd, purpose| Diversification::Visa2 { kdd, purpose }),
            KeyScheme::Kdf3 => derived(|kdd, purpose| Diversification::Kdf3 { kdd, purpose }),
            KeyScheme::Visa => derived(|kdd, purpose| Diversification::Visa { kdd, purpose }),
            KeyScheme::Template(template) => KeySet::derived(&self.key, |purpose| Diversification::Template {
                template,
                kind: self.kind,
                kdd,
                purpose,
            }),
        }
    }

    /// Whether the set can be the one that the card used: right kind for the protocol, and no other version.
    pub(super) fn fits(&self, answer: &CardAnswer) -> bool {
        self.kind == answer.protocol().key_kind() && self.kvn.is_none_or(|kvn| kvn == answer.kvn())
    }
}
