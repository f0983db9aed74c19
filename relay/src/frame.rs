use std::fmt;
use std::io::{self, Read};

use cardwright_apdu::{Delivery, TransportError, TransportErrorKind};
use thiserror::Error;

/// Greatest length of a frame after its length field, in bytes: an extended command or response with room to spare.
pub const MAX_FRAME: usize = 66_000;

const VERSION: u8 = 1;
const HEADER: usize = 2 + 16 + 8;

/// Names one conversation between a server and a card. Random.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 16]);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(")?;
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
        f.write_str("..)")
    }
}

/// One message.
///
/// ```text
/// length 4 | version 1 | kind 1 | session 16 | sequence 8 | payload
/// ```
/// All numbers are big-endian; the length counts what follows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Session.
    pub session: SessionId,
    /// Sequence number: an answer has that of its question.
    pub seq: u64,
    /// What it says.
    pub body: Body,
}

/// What a frame says.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// Server: a command for the card.
    Command(Vec<u8>),
    /// Server: reset the card.
    Reset,
    /// Server: the conversation is over.
    Close,
    /// Terminal: the card's response, GET RESPONSEs done.
    Response(Vec<u8>),
    /// Terminal: the card's answer to reset.
    Atr(Vec<u8>),
    /// Terminal: no response.
    Failed(Failure),
}

/// Why a terminal has no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether the card may have executed the command.
    pub delivery: Delivery,
    /// What happened, as a number; see [`Failure::from`].
    pub code: u8,
}

/// Bytes that are no frame.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The stream ended inside a frame.
    #[error("the stream ends inside a frame")]
    Truncated,
    /// The length field is too small or too great; nothing of the frame was read.
    #[error("a frame has {HEADER} to {MAX_FRAME} bytes, this one claims {actual}")]
    Length {
        /// Length claimed, in bytes.
        actual: usize,
    },
    /// Another version of the format.
    #[error("frame version {actual}, {VERSION} is known here")]
    Version {
        /// The version.
        actual: u8,
    },
    /// A kind of frame that is not known, or with a payload that it cannot have.
    #[error("frame of kind {kind:02X} with {length} bytes of payload")]
    Kind {
        /// The kind.
        kind: u8,
        /// Length of the payload, in bytes.
        length: usize,
    },
}

impl Frame {
    /// The frame's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let failed;
        let (kind, payload): (u8, &[u8]) = match &self.body {
            Body::Command(command) => (0x01, command),
            Body::Reset => (0x02, &[]),
            Body::Close => (0x03, &[]),
            Body::Response(response) => (0x81, response),
            Body::Atr(atr) => (0x82, atr),
            Body::Failed(failure) => {
                failed = [u8::from(failure.delivery == Delivery::Unknown), failure.code];
                (0x83, &failed)
            }
        };
        let mut bytes = Vec::with_capacity(4 + HEADER + payload.len());
        bytes.extend_from_slice(&((HEADER + payload.len()) as u32).to_be_bytes());
        bytes.extend_from_slice(&[VERSION, kind]);
        bytes.extend_from_slice(&self.session.0);
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    /// Reads one frame; `None` when the stream ends between two.
    ///
    /// # Errors
    /// [`FrameError`]; the stream cannot be used further.
    pub fn read(input: &mut impl Read) -> Result<Option<Self>, FrameError> {
        let mut length = [0; 4];
        if !fill(input, &mut length)? {
            return Ok(None);
        }
        let length = u32::from_be_bytes(length) as usize;
        if !(HEADER..=MAX_FRAME).contains(&length) {
            return Err(FrameError::Length { actual: length });
        }
        let mut bytes = vec![0; length];
        if !fill(input, &mut bytes)? {
            return Err(FrameError::Truncated);
        }
        Self::parse(&bytes).map(Some)
    }

    /// Reads the bytes after a length field.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        let Some((header, payload)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(FrameError::Truncated);
        };
        let [version, kind, rest @ ..] = header;
        if *version != VERSION {
            return Err(FrameError::Version { actual: *version });
        }
        let (mut session, mut seq) = ([0; 16], [0; 8]);
        session.copy_from_slice(&rest[..16]);
        seq.copy_from_slice(&rest[16..]);
        let body = match (kind, payload) {
            (0x01, command) => Body::Command(command.to_vec()),
            (0x02, []) => Body::Reset,
            (0x03, []) => Body::Close,
            (0x81, response) => Body::Response(response.to_vec()),
            (0x82, atr) => Body::Atr(atr.to_vec()),
            (0x83, [0, code]) => Body::Failed(Failure { delivery: Delivery::NotSent, code: *code }),
            (0x83, [1, code]) => Body::Failed(Failure { delivery: Delivery::Unknown, code: *code }),
            (kind, payload) => return Err(FrameError::Kind { kind: *kind, length: payload.len() }),
        };
        Ok(Self { session: SessionId(session), seq: u64::from_be_bytes(seq), body })
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:?}, {}, {:?})", self.session, self.seq, self.body)
    }
}

impl fmt::Debug for Body {
    /// Shows no payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Command(_) => "Command",
            Self::Reset => "Reset",
            Self::Close => "Close",
            Self::Response(_) => "Response",
            Self::Atr(_) => "Atr",
            Self::Failed(_) => "Failed",
        })
    }
}

/// Fills the buffer; `false` when the stream ended before its first byte.
pub(crate) fn fill(input: &mut impl Read, buffer: &mut [u8]) -> Result<bool, FrameError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(FrameError::Truncated),
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

impl Failure {
    pub(crate) const CARD_REMOVED: u8 = 1;
    pub(crate) const NO_CARD: u8 = 3;
}

impl From<&TransportError> for Failure {
    fn from(error: &TransportError) -> Self {
        let code = match error.kind {
            TransportErrorKind::CardRemoved => Self::CARD_REMOVED,
            TransportErrorKind::CardReset => 2,
            TransportErrorKind::NoCard => Self::NO_CARD,
            TransportErrorKind::NoReader => 4,
            TransportErrorKind::NoService => 5,
            TransportErrorKind::Timeout => 6,
            TransportErrorKind::Busy => 7,
            TransportErrorKind::Mute => 8,
            TransportErrorKind::BrokenOff => 9,
            _ => 0,
        };
        Self { delivery: error.delivery, code }
    }
}

impl From<Failure> for TransportError {
    fn from(failure: Failure) -> Self {
        let kind = match failure.code {
            Failure::CARD_REMOVED => TransportErrorKind::CardRemoved,
            2 => TransportErrorKind::CardReset,
            Failure::NO_CARD => TransportErrorKind::NoCard,
            4 => TransportErrorKind::NoReader,
            5 => TransportErrorKind::NoService,
            6 => TransportErrorKind::Timeout,
            7 => TransportErrorKind::Busy,
            8 => TransportErrorKind::Mute,
            9 => TransportErrorKind::BrokenOff,
            _ => TransportErrorKind::Other("the terminal got no response from the card".into()),
        };
        Self { kind, delivery: failure.delivery }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_lengths_are_refused_before_anything_is_allocated() {
        let read = |bytes: &[u8]| Frame::read(&mut &bytes[..]);
        assert!(matches!(read(&[0xFF; 8]), Err(FrameError::Length { .. })));
        assert!(matches!(read(&[0, 0, 0, 5, 1, 2, 3, 4, 5]), Err(FrameError::Length { actual: 5 })));
        assert!(matches!(read(&[0, 0, 1, 0, 1]), Err(FrameError::Truncated)));
        assert!(matches!(read(&[0, 0]), Err(FrameError::Truncated)));
        assert!(matches!(read(&[]), Ok(None)));
    }

    proptest! {
        #[test]
        fn frames_survive_the_stream(session: [u8; 16], seq: u64, payload: Vec<u8>, kind in 0..6) {
            let body = match kind {
                0 => Body::Command(payload),
                1 => Body::Reset,
                2 => Body::Close,
                3 => Body::Response(payload),
                4 => Body::Atr(payload),
                _ => Body::Failed(Failure { delivery: Delivery::Unknown, code: 3 }),
            };
            let frame = Frame { session: SessionId(session), seq, body };
            let bytes = frame.to_bytes();
            let mut stream = &bytes[..];
            prop_assert_eq!(Frame::read(&mut stream).unwrap().unwrap(), frame);
            prop_assert!(stream.is_empty());
        }

        #[test]
        fn reading_is_total(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Frame::read(&mut &bytes[..]);
            let _ = Frame::parse(&bytes);
        }
    }
}
