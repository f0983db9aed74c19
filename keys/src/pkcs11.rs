//! Keys in a token or HSM, through its PKCS#11 module (feature `pkcs11`).
//!
//! Static keys are used where they are: the token computes the CMACs and encryptions under them. What the answers hold,
//! session keys above all, is in this process's memory, and whoever may use a static key may compute session keys and derived
//! keys with it: the token protects against taking keys away, not against using them.
//!
//! | request | computed on the token | in memory |
//! |---|---|---|
//! | SCP03 session | CMAC under Key-ENC and Key-MAC | session keys |
//! | SCP01, SCP02 session | 3DES under the static keys | session keys |
//! | key derived from AES-128, from one block | the derived key itself, a session object | the master key's CMAC subkey |
//! | key derived from another AES key (KDF3) | CMAC under the master key | the derived key |
//! | key derived from 3DES (PBOC, EMV, VISA) | 3DES under the master key | the derived key |
//! | key wrapped under AES or 3DES | `C_WrapKey` of a key on the token | |
//! | purse MAC | 3DES under a key as it is | session key, folded TAC key |
//! | PBOC cryptogram, MAC, key command; signature | 3DES under a key as it is | the key that goes to the card |
//! | MILENAGE | nothing: refused as lacking | |
//!
//! A derived key that would be in memory is refused unless [`Pkcs11Options::allow_derived_keys_in_memory`] allows it; it is
//! wiped when the request is answered. `docs/pkcs11.md` tells how to set up a token and which attributes its keys need.
//!
//! ```no_run
//! use cardwright_keys::KeyKind;
//! use cardwright_keys::pkcs11::{KeyUse, Pin, Pkcs11Keys, Pkcs11Options, TokenName};
//!
//! let token = TokenName::Label("issuing".into());
//! let mut keys = Pkcs11Keys::open(Pkcs11Options::new("/usr/lib/softhsm/libsofthsm2.so", token, Pin::new("567890")))?;
//! keys.generate("domain", KeyKind::Aes, 16, KeyUse::Master)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod error;
mod generate;
mod material;
mod object;
mod options;
mod private;
mod token;

use std::fmt;

use crate::{KeyAnswer, KeyCheckValue, KeyError, KeyKind, KeyRequest, KeyService};

pub use error::Pkcs11Error;
pub use generate::KeyUse;
pub use options::{Pin, Pkcs11Options, TokenName};

/// A key service over a PKCS#11 token: one session, one login. A key's name is its `CKA_LABEL`.
///
/// When the session is lost (the token was pulled, the HSM restarted), the request ends with [`KeyError::Unavailable`] and the
/// next one connects again. A PIN that the token refused is not tried again: every further request is refused.
pub struct Pkcs11Keys {
    options: Pkcs11Options,
    token: Option<token::Token>,
    /// Why no further login is tried.
    stopped: Option<Pkcs11Error>,
}

impl Pkcs11Keys {
    /// Loads the module, finds the token and logs in, with one try of the PIN.
    ///
    /// The module stays loaded until the process ends. Logins belong to the process: where it is logged in to the token
    /// already, the PIN is not asked for.
    ///
    /// # Errors
    /// [`Pkcs11Error`].
    pub fn open(options: Pkcs11Options) -> Result<Self, Pkcs11Error> {
        let token = token::Token::connect(&options)?;
        Ok(Self { options, token: Some(token), stopped: None })
    }

    /// Makes a key on the token that nobody knows, with the attributes that its use needs, and gives its check value.
    ///
    /// `length` is in bytes.
    ///
    /// # Errors
    /// [`KeyError::Refused`] when there is a key of this name, which stays as it is; [`KeyError::Length`]; otherwise as
    /// [`KeyService::answer`].
    pub fn generate(
        &mut self,
        name: &str,
        kind: KeyKind,
        length: usize,
        key_use: KeyUse,
    ) -> Result<KeyCheckValue, KeyError> {
        self.with_token(|token, _| generate::generate(token, name, kind, length, key_use))
    }

    /// Runs a request in the session; one that was lost is connected again before.
    fn with_token<T>(
        &mut self,
        request: impl FnOnce(&token::Token, &Pkcs11Options) -> Result<T, KeyError>,
    ) -> Result<T, KeyError> {
        let token = match self.token.take() {
            Some(token) => token,
            None => self.connect()?,
        };
        let answer = request(&token, &self.options);
        // A session that failed may have an operation open or objects left: it is closed, which ends both.
        if !token.is_lost() {
            self.token = Some(token);
        }
        answer
    }

    fn connect(&mut self) -> Result<token::Token, KeyError> {
        if let Some(why) = &self.stopped {
            return Err(why.clone().into());
        }
        token::Token::connect(&self.options).map_err(|error| {
            if error.is_about_the_pin() {
                self.stopped = Some(error.clone());
            }
            error.into()
        })
    }
}

impl KeyService for Pkcs11Keys {
    fn answer(&mut self, request: &KeyRequest) -> Result<KeyAnswer, KeyError> {
        self.with_token(|token, options| answer::answer(token, options, request))
    }
}

impl fmt::Debug for Pkcs11Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11Keys").field("options", &self.options).finish_non_exhaustive()
    }
}
