use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::{Diversification, KeyPurpose};

/// A key by name: what the key service calls it, and how the card's own key is derived from it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyRef {
    name: String,
    steps: Vec<Diversification>,
}

impl KeyRef {
    /// The key with this name, as it is.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), steps: Vec::new() }
    }

    /// The key derived from this one.
    #[must_use]
    pub fn diversified(mut self, step: Diversification) -> Self {
        self.steps.push(step);
        self
    }

    /// What the key service calls the key at the root.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The derivations, from the root key to this one.
    #[must_use]
    pub fn steps(&self) -> &[Diversification] {
        &self.steps
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.steps.iter().try_for_each(|step| {
            f.write_str(match step {
                Diversification::Pboc { .. } => " (PBOC)",
                Diversification::PbocSm4 { .. } => " (PBOC, SM4)",
                Diversification::Emv { .. } => " (EMV)",
                Diversification::Visa2 { .. } => " (VISA2)",
                Diversification::Visa { .. } => " (VISA)",
                Diversification::Template { .. } => " (template)",
                Diversification::Kdf3 { .. } => " (KDF3)",
            })
        })
    }
}

impl fmt::Debug for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRef({self})")
    }
}

/// The three keys of a secure channel key set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeySet {
    /// Key-ENC.
    pub enc: KeyRef,
    /// Key-MAC.
    pub mac: KeyRef,
    /// Key-DEK.
    pub dek: KeyRef,
}

impl KeySet {
    /// One key in all three places, as the test keys of fresh cards are.
    #[must_use]
    pub fn same(key: KeyRef) -> Self {
        Self { enc: key.clone(), mac: key.clone(), dek: key }
    }

    /// Three keys derived from one master key.
    #[must_use]
    pub fn derived(master: &KeyRef, step: impl Fn(KeyPurpose) -> Diversification) -> Self {
        let key = |purpose| master.clone().diversified(step(purpose));
        Self { enc: key(KeyPurpose::Enc), mac: key(KeyPurpose::Mac), dek: key(KeyPurpose::Dek) }
    }

    /// The keys in the order of their identifiers 1 to 3.
    #[must_use]
    pub fn in_order(&self) -> [&KeyRef; 3] {
        [&self.enc, &self.mac, &self.dek]
    }
}
