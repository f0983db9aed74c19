use std::fmt;
use std::path::PathBuf;

use cryptoki::types::AuthPin;

/// The user's PIN. Wiped on drop, never printed.
#[derive(Clone)]
pub struct Pin(AuthPin);

impl Pin {
    /// Takes a PIN; what `text` lies in is the caller's to wipe.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(AuthPin::from(Box::<str>::from(text)))
    }

    pub(super) fn expose(&self) -> &AuthPin {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin")
    }
}

/// Which token of the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenName {
    /// The token with this label.
    Label(String),
    /// The token with this serial number.
    Serial(String),
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(f, "token {label:?}"),
            Self::Serial(serial) => write!(f, "token with serial number {serial:?}"),
        }
    }
}

/// Where the token is, and what the service may do.
#[derive(Clone, Debug)]
pub struct Pkcs11Options {
    pub(super) module: PathBuf,
    pub(super) token: TokenName,
    pub(super) pin: Pin,
    pub(super) derived_keys_in_memory: bool,
    pub(super) final_try: bool,
}

impl Pkcs11Options {
    /// The token of this module (a shared library, by its path), and the user's PIN.
    #[must_use]
    pub fn new(module: impl Into<PathBuf>, token: TokenName, pin: Pin) -> Self {
        Self { module: module.into(), token, pin, derived_keys_in_memory: false, final_try: false }
    }

    /// Lets a card's own key be in this process's memory while a request is answered, where the token cannot keep it: all keys
    /// derived from 3DES (PBOC, EMV, VISA), and those derived from AES-192 and AES-256 or from more than one block. Master keys stay on the token.
    #[must_use]
    pub fn allow_derived_keys_in_memory(mut self) -> Self {
        self.derived_keys_in_memory = true;
        self
    }

    /// Uses the PIN although the token says that one more wrong one locks it.
    #[must_use]
    pub fn use_final_try(mut self) -> Self {
        self.final_try = true;
        self
    }
}
