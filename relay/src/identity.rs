use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use thiserror::Error;

/// The public half of a terminal's or server's identity: an Ed25519 key (RFC 8032). Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// Why something is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not 64 hexadecimal digits.
    #[error("a key is 64 hexadecimal digits, not these {length} characters")]
    Text {
        /// Characters given.
        length: usize,
    },
    /// Not a point of the curve, or one that verifies what nobody signed.
    #[error("these 32 bytes are no Ed25519 public key")]
    NotAKey,
}

impl PublicKey {
    /// Takes the 32 bytes of a key.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`] also for points of small order.
    pub fn new(bytes: [u8; 32]) -> Result<Self, KeyError> {
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(bytes)),
            _ => Err(KeyError::NotAKey),
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn verifies(&self, purpose: Purpose, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(&purpose.with(message), &Signature::from_bytes(signature)).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits: Option<Vec<u8>> =
            text.bytes().map(|digit| char::from(digit).to_digit(16).map(|n| n as u8)).collect();
        let digits: [u8; 64] =
            digits.and_then(|digits| digits.try_into().ok()).ok_or(KeyError::Text { length: text.len() })?;
        Self::new(std::array::from_fn(|n| digits[2 * n] << 4 | digits[2 * n + 1]))
    }
}

/// A terminal's or server's identity: a signing key in the memory of the program, wiped when it is dropped.
pub struct Identity(SigningKey);

impl Identity {
    /// Takes the 32 secret bytes of a key; the caller wipes its own copy.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// What the other side knows it by.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub(crate) fn sign(&self, purpose: Purpose, message: &[u8]) -> [u8; 64] {
        self.0.sign(&purpose.with(message)).to_bytes()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.public_key())
    }
}

/// What a signature is for: the one of a message means nothing for another.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Hello,
    Welcome,
    Refusal,
}

impl Purpose {
    fn with(self, message: &[u8]) -> Vec<u8> {
        let context: &[u8] = match self {
            Self::Hello => b"cardwright relay 2 hello\0",
            Self::Welcome => b"cardwright relay 2 welcome\0",
            Self::Refusal => b"cardwright relay 2 refusal\0",
        };
        [context, message].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_and_read_and_what_is_none_is_refused() {
        let key = Identity::new(&[7; 32]).public_key();
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!("12".parse::<PublicKey>(), Err(KeyError::Text { length: 2 }));
        assert_eq!(PublicKey::new([0; 32]), Err(KeyError::NotAKey));
        // The point of order one verifies anything.
        let mut one = [0; 32];
        one[0] = 1;
        assert_eq!(PublicKey::new(one), Err(KeyError::NotAKey));
    }

    #[test]
    fn a_signature_counts_for_its_purpose_alone() {
        let identity = Identity::new(&[7; 32]);
        let signature = identity.sign(Purpose::Hello, b"message");
        assert!(identity.public_key().verifies(Purpose::Hello, b"message", &signature));
        assert!(!identity.public_key().verifies(Purpose::Welcome, b"message", &signature));
        assert!(!Identity::new(&[8; 32]).public_key().verifies(Purpose::Hello, b"message", &signature));
        assert_eq!(format!("{identity:?}"), format!("Identity({})", identity.public_key()));
    }
}
