use alloc::string::String;
use core::future::Future;

use thiserror::Error;

use crate::{EcCurve, KeyAnswer, KeyKind, KeyRequest};

/// A key service did not answer, or not with what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The service has no key of this name.
    #[error("the key service has no key {key:?}")]
    NotFound {
        /// Name of the key.
        key: String,
    },
    /// The key is for another algorithm.
    #[error("key {key:?} is for {actual}, one for {expected} is needed here")]
    Kind {
        /// Name of the key.
        key: String,
        /// The kind that the request needs.
        expected: KeyKind,
        /// The kind of the key.
        actual: KeyKind,
    },
    /// No key of this algorithm has this length.
    #[error("no key of this kind has {actual} byte{}", if *actual == 1 { "" } else { "s" })]
    Length {
        /// Length given, in bytes.
        actual: usize,
    },
    /// The bytes are no public key of the curve that is needed here.
    #[error("no public key of {curve}")]
    PublicKey {
        /// The curve.
        curve: EcCurve,
    },
    /// The bytes are no private key of the curve.
    #[error("no private key of {curve}")]
    PrivateKey {
        /// The curve.
        curve: EcCurve,
    },
    /// A signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// Modulus and exponent are no RSA public key.
    #[error("modulus and exponent are no RSA public key")]
    RsaPublicKey,
    /// Deciphered data have neither the length nor the padding that they tell of: another key, or damaged data.
    #[error("the deciphered data have no right padding: another key, or damaged data")]
    Padding,
    /// The data of a request is too long.
    #[error("{actual} bytes of data are more than the {limit} that fit")]
    DataLength {
        /// Length given, in bytes.
        actual: usize,
        /// The most that fits, in bytes.
        limit: usize,
    },
    /// The service refuses: policy, approval, attempts used up.
    #[error("the key service refuses: {reason}")]
    Refused {
        /// Why, in the service's words.
        reason: String,
    },
    /// The service cannot be reached now; the same request may be asked again.
    #[error("the key service does not answer: {reason}")]
    Unavailable {
        /// Why, in the service's words.
        reason: String,
    },
    /// The service cannot do this.
    #[error("the key service cannot do this")]
    Unsupported,
    /// The service lacks something that the request needs: a mechanism, say.
    #[error("the key service lacks {what}")]
    Lacks {
        /// What, and what can be done about it, in the service's words.
        what: String,
    },
    /// The answer does not belong to the request.
    #[error("the key service answered another question")]
    WrongAnswer,
}

/// Answers key requests, and blocks until it has.
pub trait KeyService: Send {
    /// Answers one request. The same request gives the same answer.
    ///
    /// # Errors
    /// [`KeyError`]; after [`KeyError::Unavailable`] the request may be repeated.
    fn answer(&mut self, request: &KeyRequest) -> Result<KeyAnswer, KeyError>;
}

/// The key service's side of a conversation. Every [`KeyService`] is one.
pub trait KeyPort: Send {
    /// Asks for one thing.
    ///
    /// # Errors
    /// As [`KeyService::answer`].
    fn ask_keys(&mut self, request: KeyRequest) -> impl Future<Output = Result<KeyAnswer, KeyError>> + Send;
}

impl<K: KeyService + ?Sized> KeyService for &mut K {
    fn answer(&mut self, request: &KeyRequest) -> Result<KeyAnswer, KeyError> {
        (**self).answer(request)
    }
}

impl<K: KeyService + ?Sized> KeyService for alloc::boxed::Box<K> {
    fn answer(&mut self, request: &KeyRequest) -> Result<KeyAnswer, KeyError> {
        (**self).answer(request)
    }
}

impl<K: KeyService> KeyPort for K {
    fn ask_keys(&mut self, request: KeyRequest) -> impl Future<Output = Result<KeyAnswer, KeyError>> + Send {
        core::future::ready(self.answer(&request))
    }
}
