use std::path::PathBuf;

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use thiserror::Error;

use super::TokenName;
use crate::KeyError;

/// The token cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Pkcs11Error {
    /// There is no module at the path, or it cannot be loaded.
    #[error("no PKCS#11 module at {}: {reason}; give the path of the library that came with the token, built for this kind of machine", path.display())]
    ModuleNotFound {
        /// Path of the module.
        path: PathBuf,
        /// Why, in the loader's words.
        reason: String,
    },
    /// The module has no such token.
    #[error("there is no {token}; the module has {}", if found.is_empty() { "none: plug it in, or see to the module's own configuration".into() } else { found.join(", ") })]
    TokenNotFound {
        /// The token that was asked for.
        token: TokenName,
        /// Labels and serial numbers of the tokens that there are.
        found: Vec<String>,
    },
    /// More than one token has this label.
    #[error("there is more than one {token}: name it by its serial number")]
    TokenAmbiguous {
        /// The token that was asked for.
        token: TokenName,
    },
    /// The token refused the PIN. It was tried once, and is not tried again.
    #[error(
        "{token} refused the PIN, which counts: too many wrong ones lock it{}. Ask for the right PIN before the next try",
        if *final_try { " (one try is left)" } else { "" }
    )]
    PinIncorrect {
        /// The token.
        token: TokenName,
        /// The token says that one try is left.
        final_try: bool,
    },
    /// One try is left, and nobody said that it may be used.
    #[error(
        "{token} has one try of its PIN left, and it was not used: make sure that the PIN is right, then allow the final try"
    )]
    PinFinalTry {
        /// The token.
        token: TokenName,
    },
    /// Too many wrong PINs.
    #[error("the PIN of {token} is locked: its security officer can set a new one")]
    PinLocked {
        /// The token.
        token: TokenName,
    },
    /// A call to the module failed.
    #[error("{call} failed: {code}")]
    Call {
        /// Name of the PKCS#11 function.
        call: String,
        /// What it said.
        code: String,
    },
}

impl Pkcs11Error {
    pub(super) fn call(error: &Error) -> Self {
        let (call, code) = in_words(error);
        Self::Call { call, code }
    }

    /// Whether trying again could lock the token.
    pub(super) fn is_about_the_pin(&self) -> bool {
        matches!(self, Self::PinIncorrect { .. } | Self::PinFinalTry { .. } | Self::PinLocked { .. })
    }
}

impl From<Pkcs11Error> for KeyError {
    fn from(error: Pkcs11Error) -> Self {
        let reason = error.to_string();
        match error {
            error if error.is_about_the_pin() => Self::Refused { reason },
            _ => Self::Unavailable { reason },
        }
    }
}

/// What was being done when a call failed.
pub(super) struct Doing<'a> {
    pub(super) mechanism: String,
    /// The key that does it.
    pub(super) with: &'a str,
    /// The key that it is done to.
    pub(super) to: Option<&'a str>,
}

/// The error of a request, and whether the session can go on after it.
pub(super) fn of_request(error: &Error, doing: &Doing<'_>) -> (KeyError, bool) {
    let Doing { mechanism, with, to } = doing;
    let Error::Pkcs11(code, function) = error else {
        let (call, code) = in_words(error);
        let missing = matches!(error, Error::NullFunctionPointer | Error::NotSupported);
        return match missing {
            true => (KeyError::Lacks { what: format!("{mechanism}, which key {with:?} is needed for") }, true),
            false => (KeyError::Unavailable { reason: format!("{call} failed: {code}") }, false),
        };
    };
    // After its beginning an operation stays open when it fails.
    let closed = !matches!(function, Function::Encrypt | Function::Sign);
    let refused = |reason| (KeyError::Refused { reason }, closed);
    match code {
        RvError::MechanismInvalid | RvError::MechanismParamInvalid | RvError::FunctionNotSupported => {
            let what = format!("{mechanism} in C_{function:?}, which key {with:?} is needed for");
            (KeyError::Lacks { what }, closed)
        }
        RvError::KeyFunctionNotPermitted => {
            let attribute = match function {
                Function::SignInit => "CKA_SIGN",
                Function::WrapKey => "CKA_WRAP",
                Function::DeriveKey => "CKA_DERIVE",
                _ => "CKA_ENCRYPT",
            };
            refused(format!("the token does not let key {with:?} do {mechanism}: it needs {attribute}"))
        }
        RvError::KeyUnextractable | RvError::KeyNotWrappable => refused(format!(
            "the token does not let key {:?} be wrapped: a key that goes to a card as it is needs CKA_EXTRACTABLE, or derive the card's key from it",
            to.unwrap_or(with)
        )),
        RvError::KeySizeRange
        | RvError::KeyTypeInconsistent
        | RvError::WrappingKeySizeRange
        | RvError::WrappingKeyTypeInconsistent
        | RvError::TemplateInconsistent
        | RvError::TemplateIncomplete
        | RvError::AttributeValueInvalid
        | RvError::ActionProhibited => {
            refused(format!("C_{function:?} with {mechanism} under key {with:?}{}: {code:?}", about(*to)))
        }
        // Some tokens have no other word for what they cannot wrap or derive; asking again would not help.
        RvError::GeneralError | RvError::FunctionFailed
            if matches!(function, Function::WrapKey | Function::DeriveKey) =>
        {
            let what = format!("{mechanism} in C_{function:?} under key {with:?}{}: {code:?}", about(*to));
            (KeyError::Lacks { what }, false)
        }
        _ => (KeyError::Unavailable { reason: format!("C_{function:?} failed: {code:?}") }, false),
    }
}

fn about(to: Option<&str>) -> String {
    to.map_or(String::new(), |key| format!(" of key {key:?}"))
}

fn in_words(error: &Error) -> (String, String) {
    match error {
        Error::Pkcs11(code, function) => (format!("C_{function:?}"), format!("{code:?}")),
        other => ("the module".into(), other.to_string()),
    }
}
