//! Records that only the other end can read: HPKE from server to terminal (RFC 9180 5.2), and exported keys the other way
//! (RFC 9180 9.8).

use std::fmt;

use aes_gcm::Aes256Gcm as Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use hpke::aead::{AeadCtxR, AeadCtxS, AesGcm256};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::frame::SessionId;
use crate::record::{Content, Sealed};

pub(crate) type Kem = X25519HkdfSha256;
pub(crate) type SenderContext = AeadCtxS<AesGcm256, HkdfSha256, Kem>;
pub(crate) type ReceiverContext = AeadCtxR<AesGcm256, HkdfSha256, Kem>;

/// A sealed record that does not follow, or that its sender did not make. The line cannot be used further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealError {
    /// A record of another session.
    #[error("a sealed record of another session")]
    OtherSession,
    /// A record of another line of this session.
    #[error("a sealed record of line {actual} of the session, this is line {expected}")]
    OtherEpoch {
        /// Number of this line.
        expected: u32,
        /// Number in the record.
        actual: u32,
    },
    /// A record that comes again, too late or too early.
    #[error("sealed record {actual} where {expected} belongs: repeated, lost or out of order")]
    Number {
        /// Number that follows.
        expected: u64,
        /// Number in the record.
        actual: u64,
    },
    /// What is in it was not sealed by the other end of this line, or not as it stands here.
    #[error("sealed record {number} is forged or damaged")]
    Forged {
        /// Its number.
        number: u64,
    },
    /// Something was wrong before.
    #[error("the line had a wrong record before")]
    Broken,
    /// Too many records, or too long a one, for one key.
    #[error("record {number} cannot be sealed under this line's key: open a new line")]
    Exhausted {
        /// Its number.
        number: u64,
    },
}

/// What both ends know of a line, and every seal covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineId {
    pub(crate) session: SessionId,
    pub(crate) epoch: u32,
    pub(crate) insertion: [u8; 8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToTerminal = 1,
    ToServer = 2,
}

impl LineId {
    fn associated_data(&self, direction: Direction, number: u64, content: Content) -> Vec<u8> {
        let content = match content {
            Content::Frame => 0,
            Content::Heartbeat => 1,
        };
        [
            &[direction as u8, content],
            &self.session.0[..],
            &self.epoch.to_be_bytes(),
            &number.to_be_bytes(),
            &self.insertion,
        ]
        .concat()
    }
}

/// The exported direction: AES-256-GCM, the nonce counted as RFC 9180 5.2 does.
pub(crate) struct Exported {
    cipher: Gcm,
    base_nonce: [u8; 12],
}

impl Exported {
    pub(crate) fn new(
        export: impl Fn(&[u8], &mut [u8]) -> Result<(), hpke::HpkeError>,
    ) -> Result<Self, hpke::HpkeError> {
        let (mut key, mut base_nonce) = ([0; 32], [0; 12]);
        export(b"terminal to server key", &mut key)?;
        export(b"terminal to server nonce", &mut base_nonce)?;
        let cipher = Gcm::new(&key.into());
        key.zeroize();
        Ok(Self { cipher, base_nonce })
    }

    fn nonce(&self, number: u64) -> [u8; 12] {
        let mut nonce = self.base_nonce;
        nonce[4..].iter_mut().zip(number.to_be_bytes()).for_each(|(byte, count)| *byte ^= count);
        nonce
    }
}

/// Seals what goes out on a line.
pub struct Sealer {
    line: LineId,
    next: u64,
    keys: SealingKeys,
}

enum SealingKeys {
    Server(Box<SenderContext>),
    Terminal(Box<Exported>),
}

impl Sealer {
    pub(crate) fn of_server(line: LineId, context: SenderContext) -> Self {
        Self { line, next: 0, keys: SealingKeys::Server(Box::new(context)) }
    }

    pub(crate) fn of_terminal(line: LineId, keys: Exported) -> Self {
        Self { line, next: 0, keys: SealingKeys::Terminal(Box::new(keys)) }
    }

    /// The next record.
    ///
    /// # Errors
    /// [`SealError::Exhausted`].
    pub fn seal(&mut self, content: Content, plaintext: &[u8]) -> Result<Sealed, SealError> {
        let number = self.next;
        let exhausted = SealError::Exhausted { number };
        let following = number.checked_add(1).ok_or(exhausted)?;
        let ciphertext = match &mut self.keys {
            SealingKeys::Server(context) => {
                let aad = self.line.associated_data(Direction::ToTerminal, number, content);
                context.seal(plaintext, &aad).map_err(|_| exhausted)?
            }
            SealingKeys::Terminal(keys) => {
                let aad = self.line.associated_data(Direction::ToServer, number, content);
                let payload = Payload { msg: plaintext, aad: &aad };
                keys.cipher.encrypt(&keys.nonce(number).into(), payload).map_err(|_| exhausted)?
            }
        };
        self.next = following;
        Ok(Sealed { content, session: self.line.session, epoch: self.line.epoch, number, ciphertext })
    }
}

/// Opens what comes in on a line.
pub struct Opener {
    line: LineId,
    next: u64,
    broken: bool,
    keys: OpeningKeys,
}

enum OpeningKeys {
    Terminal(Box<ReceiverContext>),
    Server(Box<Exported>),
}

impl Opener {
    pub(crate) fn of_terminal(line: LineId, context: ReceiverContext) -> Self {
        Self { line, next: 0, broken: false, keys: OpeningKeys::Terminal(Box::new(context)) }
    }

    pub(crate) fn of_server(line: LineId, keys: Exported) -> Self {
        Self { line, next: 0, broken: false, keys: OpeningKeys::Server(Box::new(keys)) }
    }

    /// What is in the next record.
    ///
    /// # Errors
    /// [`SealError`]; each one after it is [`SealError::Broken`].
    pub fn open(&mut self, record: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if self.broken {
            return Err(SealError::Broken);
        }
        let opened = self.try_open(record);
        self.broken = opened.is_err();
        opened.map(Zeroizing::new)
    }

    /// As the far end of another card's line would be.
    #[cfg(test)]
    pub(crate) fn other_card(&mut self) {
        self.line.insertion[0] ^= 1;
    }

    fn try_open(&mut self, record: &Sealed) -> Result<Vec<u8>, SealError> {
        if record.session != self.line.session {
            return Err(SealError::OtherSession);
        }
        if record.epoch != self.line.epoch {
            return Err(SealError::OtherEpoch { expected: self.line.epoch, actual: record.epoch });
        }
        let number = record.number;
        if number != self.next {
            return Err(SealError::Number { expected: self.next, actual: number });
        }
        self.next = number.checked_add(1).ok_or(SealError::Exhausted { number })?;
        let opened = match &mut self.keys {
            OpeningKeys::Terminal(context) => {
                let aad = self.line.associated_data(Direction::ToTerminal, number, record.content);
                context.open(&record.ciphertext, &aad).ok()
            }
            OpeningKeys::Server(keys) => {
                let aad = self.line.associated_data(Direction::ToServer, number, record.content);
                let payload = Payload { msg: &record.ciphertext, aad: &aad };
                keys.cipher.decrypt(&keys.nonce(number).into(), payload).ok()
            }
        };
        opened.ok_or(SealError::Forged { number })
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({:?}, {})", self.line, self.next)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener({:?}, {})", self.line, self.next)
    }
}
