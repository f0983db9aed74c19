//! Signed checkpoints: somebody vouches for the chain up to a record.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use minicbor::Encoder;

use super::Head;

/// What is signed begins with this text, so that the signature means nothing elsewhere.
const CONTEXT: &str = "cardwright journal checkpoint";

/// An Ed25519 public key (RFC 8032), by which checkpoints are trusted. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the 32 bytes of a key.
    ///
    /// # Errors
    ///
    /// [`PublicKeyError::NotAKey`] when they are no point of the curve, or one that verifies what nobody signed.
    pub fn new(bytes: [u8; 32]) -> Result<Self, PublicKeyError> {
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(bytes)),
            _ => Err(PublicKeyError::NotAKey),
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        let digits: Option<Vec<u8>> =
            text.bytes().map(|digit| char::from(digit).to_digit(16).map(|n| n as u8)).collect();
        let digits: [u8; 64] =
            digits.and_then(|digits| digits.try_into().ok()).ok_or(PublicKeyError::Text { length: text.len() })?;
        Self::new(std::array::from_fn(|n| digits[2 * n] << 4 | digits[2 * n + 1]))
    }
}

/// Why something is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// Not 64 hexadecimal digits.
    #[error("a public key is 64 hexadecimal digits, not these {length} characters")]
    Text {
        /// Characters given.
        length: usize,
    },
    /// Not a point of the curve, or one of small order.
    #[error("these 32 bytes are no Ed25519 public key")]
    NotAKey,
}

/// Whoever signs checkpoints: an HSM, a service, or [`SoftwareSigner`].
pub trait CheckpointSigner: Send {
    /// The key by which its signatures are verified.
    fn public_key(&self) -> PublicKey;

    /// Signs with Ed25519 (RFC 8032 5.1.6). Called by the thread that writes: while it signs, nothing is committed.
    ///
    /// # Errors
    ///
    /// What its service says. The records stay, and are signed by a later checkpoint.
    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], Box<dyn Error + Send + Sync>>;
}

/// A key in the memory of the program, wiped when it is dropped.
pub struct SoftwareSigner(SigningKey);

impl SoftwareSigner {
    /// Takes the 32 secret bytes of a key; the caller wipes its own copy.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }
}

impl fmt::Debug for SoftwareSigner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SoftwareSigner({})", self.public_key())
    }
}

impl CheckpointSigner for SoftwareSigner {
    fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], Box<dyn Error + Send + Sync>> {
        Ok(Signer::sign(&self.0, message).to_bytes())
    }
}

/// A signature over the chain up to a record: its number and hash, which covers all before.
#[derive(Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The record.
    pub head: Head,
    /// Wall clock of the writer, in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// Whose signature it is said to be.
    pub key: [u8; 32],
    /// The signature.
    pub signature: [u8; 64],
}

impl Checkpoint {
    /// Has the chain signed up to `head`.
    ///
    /// # Errors
    ///
    /// What the signer says.
    pub fn sign(
        head: Head,
        time_ms: u64,
        signer: &mut dyn CheckpointSigner,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let signature = signer.sign(&message(head, time_ms))?;
        let checkpoint = Self { head, time_ms, key: signer.public_key().0, signature };
        // A checkpoint that nobody can verify would shut the journal.
        if checkpoint.is_signed_by(signer.public_key()) {
            Ok(checkpoint)
        } else {
            Err("the signature is not right".into())
        }
    }

    /// Whether it is signed with this key.
    #[must_use]
    pub fn is_signed_by(&self, key: PublicKey) -> bool {
        let verified = |key: VerifyingKey| {
            key.verify_strict(&message(self.head, self.time_ms), &Signature::from_bytes(&self.signature))
        };
        self.key == key.0 && VerifyingKey::from_bytes(&key.0).and_then(verified).is_ok()
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Checkpoint")
            .field("seq", &self.head.seq)
            .field("time_ms", &self.time_ms)
            .finish_non_exhaustive()
    }
}

/// `[context, seq, time_ms, hash]` in the canonical encoding.
fn message(head: Head, time_ms: u64) -> Vec<u8> {
    let mut message = Vec::with_capacity(96);
    // Writing to memory cannot fail.
    let _ = Encoder::new(&mut message)
        .array(4)
        .and_then(|out| out.str(CONTEXT))
        .and_then(|out| out.u64(head.seq))
        .and_then(|out| out.u64(time_ms))
        .and_then(|out| out.bytes(&head.hash))
        .map(drop);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_signed_for_one_head_and_time_by_one_key() {
        let (mut signer, other) = (SoftwareSigner::new(&[7; 32]), SoftwareSigner::new(&[8; 32]));
        let key = signer.public_key();
        let checkpoint = Checkpoint::sign(Head { seq: 5, hash: [9; 32] }, 1000, &mut signer).unwrap();
        assert!(checkpoint.is_signed_by(key) && !checkpoint.is_signed_by(other.public_key()));
        let changes: [fn(&mut Checkpoint); 5] = [
            |c| c.head.seq += 1,
            |c| c.head.hash[0] ^= 1,
            |c| c.time_ms += 1,
            |c| c.signature[63] ^= 1,
            |c| c.key[0] ^= 1,
        ];
        for change in changes {
            let mut changed = checkpoint.clone();
            change(&mut changed);
            assert!(!changed.is_signed_by(key), "{changed:?}");
        }
        let mut passed_off = checkpoint.clone();
        passed_off.key = other.public_key().0;
        assert!(!passed_off.is_signed_by(other.public_key()));
    }

    #[test]
    fn a_signer_that_signs_wrongly_makes_no_checkpoint() {
        struct Broken;
        impl CheckpointSigner for Broken {
            fn public_key(&self) -> PublicKey {
                SoftwareSigner::new(&[7; 32]).public_key()
            }
            fn sign(&mut self, _: &[u8]) -> Result<[u8; 64], Box<dyn Error + Send + Sync>> {
                Ok([0; 64])
            }
        }
        assert!(Checkpoint::sign(Head::GENESIS, 0, &mut Broken).is_err());
    }

    #[test]
    fn a_public_key_is_64_digits_of_a_point_that_is_not_weak() {
        let key = SoftwareSigner::new(&[7; 32]).public_key();
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.to_string().to_uppercase().parse(), Ok(key));
        assert_eq!("12".parse::<PublicKey>(), Err(PublicKeyError::Text { length: 2 }));
        assert_eq!("g".repeat(64).parse::<PublicKey>(), Err(PublicKeyError::Text { length: 64 }));
        // The neutral element verifies anything.
        assert_eq!(format!("01{}", "00".repeat(31)).parse::<PublicKey>(), Err(PublicKeyError::NotAKey));
        assert_eq!(format!("02{}", "00".repeat(31)).parse::<PublicKey>(), Err(PublicKeyError::NotAKey));
    }
}
