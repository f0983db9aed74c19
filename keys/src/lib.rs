//! Keys that stay where they are.
//!
//! A procedure never holds a static key. It names one ([`KeyRef`]) and emits a [`KeyRequest`]: session keys for a secure
//! channel, a key enciphered for a card, a PBOC cryptogram. The request is a value that can be batched, delayed, refused
//! and repeated; a [`KeyService`] answers it: [`SoftwareKeys`] here, an HSM or a callback elsewhere.
//!
//! Under SCP11 the private keys of the off-card entity, static and ephemeral, stay there too.
//!
//! What is computed under a static key lives in this crate; what is computed with session keys lives in `cardwright-gp`.
//!
//! ```
//! use cardwright_keys::{Diversification, KeyKind, KeyRef, KeyRequest, KeyService, SoftwareKeys};
//!
//! let mut keys = SoftwareKeys::new();
//! keys.insert("issuer", KeyKind::Tdes, &[0x11; 16])?;
//! let card_key = KeyRef::new("issuer").diversified(Diversification::Pboc { factor: [0x22; 8] });
//! let answer = keys.answer(&KeyRequest::Cryptogram { key: card_key, challenge: vec![0x33; 8] })?;
//! assert!(answer.into_cryptogram().is_ok());
//! # Ok::<(), cardwright_keys::KeyError>(())
//! ```
//!
//! Without the feature `std` (on by default) the crate is `no_std` with `alloc`.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod cipher;
mod diversify;
mod ec;
mod intake;
mod kcv;
mod load_file;
pub mod milenage;
pub mod pboc;
#[cfg(feature = "pkcs11")]
pub mod pkcs11;
mod reference;
mod request;
pub mod scp01;
pub mod scp02;
pub mod scp03;
pub mod scp11;
mod service;
pub mod signature;
mod software;
mod template;
mod value;

pub use diversify::{Diversification, KeyPurpose};
pub use ec::{EcCurve, EcPublicKey, EcdsaSignature, SignatureHash};
pub use intake::{IntakeError, KeyComponent, combine};
pub use kcv::KeyCheckValue;
pub use reference::{KeyRef, KeySet};
pub use request::{
    CardData, EncipheredKeyCommand, KeyAnswer, KeyEncryptionKey, KeyRequest, PseudoRandomChallenge, SessionAnswer,
    WrappedKey,
};
pub use service::{KeyError, KeyPort, KeyService};
pub use software::SoftwareKeys;
pub use template::{Template, TemplateError};
pub use value::{KeyKind, KeyValue, SessionKeys};
