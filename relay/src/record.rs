use std::fmt;
use std::io::Read;

use thiserror::Error;

use crate::frame::{FrameError, MAX_FRAME, SessionId, fill};

/// Greatest length of a record before keys are agreed on, in bytes after the length field.
pub const MAX_GREETING: usize = 512;
/// Greatest length of any record, in bytes after the length field: a sealed frame.
pub const MAX_RECORD: usize = MAX_FRAME + SEALED_HEADER + TAG + 2;

pub(crate) const TAG: usize = 16;
const VERSION: u8 = 2;
const MIN_RECORD: usize = 3;
const SEALED_HEADER: usize = 1 + 16 + 4 + 8;
const MAX_ATR: usize = 33;

/// One message on a line between terminal and server.
///
/// ```text
/// length 4 | version 1 | kind 1 | fields
/// ```
/// All numbers are big-endian; the length counts what follows it.
#[derive(Clone, PartialEq, Eq)]
pub enum Record {
    /// Server, first: what the hello has to be made for.
    Challenge {
        /// Random.
        nonce: [u8; 32],
    },
    /// Terminal: who it is, and which card it has.
    Hello(Box<Hello>),
    /// Server: who it is, and the key for this line.
    Welcome(Box<Welcome>),
    /// Server: no.
    Refused(Box<Refused>),
    /// Either: what nobody else reads.
    Sealed(Sealed),
}

/// Which card a terminal offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Reader of the terminal, by number.
    pub slot: u8,
    /// This stay of the card in the reader: drawn at random when it came in.
    pub insertion: [u8; 8],
    /// Answer to reset, at most 33 bytes (ISO 7816-3 8.1).
    pub atr: Vec<u8>,
}

/// Who a terminal is, and which card it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Identity of the terminal.
    pub terminal: [u8; 32],
    /// Random.
    pub nonce: [u8; 32],
    /// Public key for this line alone (X25519).
    pub ephemeral: [u8; 32],
    /// The card.
    pub stay: Stay,
    /// The session that it remembers; none after a start.
    pub resume: Option<SessionId>,
    /// The terminal's signature over the server's nonce and all fields above.
    pub signature: [u8; 64],
}

/// Who a server is, and the key for a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Identity of the server.
    pub server: [u8; 32],
    /// The session.
    pub session: SessionId,
    /// Number of this line in the session, from 1.
    pub epoch: u32,
    /// The encapsulated key (RFC 9180 4.1).
    pub encapsulated: [u8; 32],
    /// The server's signature over the greeting so far and all fields above.
    pub signature: [u8; 64],
}

/// A server's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Identity of the server.
    pub server: [u8; 32],
    /// Why.
    pub reason: Refusal,
    /// The server's signature over the greeting so far and all fields above.
    pub signature: [u8; 64],
}

/// Why a server refuses a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It was never enrolled, or may not serve.
    #[error("the server does not admit this terminal: have it enrolled")]
    NotAdmitted,
    /// The server has as much to do as it takes.
    #[error("the server is busy: try again later")]
    Busy,
    /// The session that it wants to go on with is another terminal's.
    #[error("the session belongs to another terminal")]
    OtherTerminal,
    /// A number that is not known here.
    #[error("the server refuses, reason {0:02X}")]
    Other(u8),
}

/// A sealed record.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What it holds.
    pub content: Content,
    /// The session.
    pub session: SessionId,
    /// Number of the line in the session.
    pub epoch: u32,
    /// Number of the record in its direction, from 0.
    pub number: u64,
    /// Ciphertext and tag.
    pub ciphertext: Vec<u8>,
}

/// What a sealed record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A frame.
    Frame,
    /// Nothing: its sender is alive.
    Heartbeat,
}

/// Bytes that are no record.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The stream.
    #[error(transparent)]
    Stream(#[from] FrameError),
    /// The length field is too small or too great; nothing of the record was read.
    #[error("a record has {MIN_RECORD} to {limit} bytes here, this one claims {actual}")]
    Length {
        /// Greatest length taken.
        limit: usize,
        /// Length claimed, in bytes.
        actual: usize,
    },
    /// Another version of the format.
    #[error("record version {actual}, {VERSION} is known here")]
    Version {
        /// The version.
        actual: u8,
    },
    /// A kind of record that is not known.
    #[error("no record has kind {kind:02X}")]
    Kind {
        /// The kind.
        kind: u8,
    },
    /// Fields that a record of its kind cannot have.
    #[error("record of kind {kind:02X}: it cannot be like this from byte {offset} on")]
    Fields {
        /// The kind.
        kind: u8,
        /// Where, in bytes from the version.
        offset: usize,
    },
}

impl Record {
    /// The record's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = match self {
            Self::Challenge { nonce } => [&[0x10], &nonce[..]].concat(),
            Self::Hello(hello) => [&[0x11], &hello.unsigned()[..], &hello.signature].concat(),
            Self::Welcome(welcome) => [&[0x12], &welcome.unsigned()[..], &welcome.signature].concat(),
            Self::Refused(refused) => [&[0x13], &refused.unsigned()[..], &refused.signature].concat(),
            Self::Sealed(sealed) => [&[0x20], &sealed.header()[..], &sealed.ciphertext].concat(),
        };
        let length = (body.len() + 1) as u32;
        [&length.to_be_bytes()[..], &[VERSION], &body].concat()
    }

    /// Reads one record of at most `limit` bytes; `None` when the stream ends between two.
    ///
    /// # Errors
    /// [`RecordError`]; the stream cannot be used further.
    pub fn read(input: &mut impl Read, limit: usize) -> Result<Option<Self>, RecordError> {
        let mut length = [0; 4];
        if !fill(input, &mut length)? {
            return Ok(None);
        }
        let length = u32::from_be_bytes(length) as usize;
        if !(MIN_RECORD..=limit).contains(&length) {
            return Err(RecordError::Length { limit, actual: length });
        }
        let mut bytes = vec![0; length];
        if !fill(input, &mut bytes)? {
            return Err(FrameError::Truncated.into());
        }
        Self::parse(&bytes).map(Some)
    }

    /// Reads the bytes after a length field.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let &[version, kind, ref fields @ ..] = bytes else { return Err(FrameError::Truncated.into()) };
        if version != VERSION {
            return Err(RecordError::Version { actual: version });
        }
        let mut fields = Fields { kind, bytes: fields, offset: 2 };
        let record = match kind {
            0x10 => Self::Challenge { nonce: fields.take()? },
            0x11 => Self::Hello(Box::new(Hello::read(&mut fields)?)),
            0x12 => Self::Welcome(Box::new(Welcome::read(&mut fields)?)),
            0x13 => Self::Refused(Box::new(Refused::read(&mut fields)?)),
            0x20 => return Sealed::read(fields).map(Self::Sealed),
            kind => return Err(RecordError::Kind { kind }),
        };
        if fields.bytes.is_empty() { Ok(record) } else { Err(fields.wrong()) }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Challenge { .. } => "a challenge",
            Self::Hello(_) => "a hello",
            Self::Welcome(_) => "a welcome",
            Self::Refused(_) => "a refusal",
            Self::Sealed(_) => "a sealed record",
        }
    }
}

impl Hello {
    /// What is signed, and what the record holds before the signature.
    pub(crate) fn unsigned(&self) -> Vec<u8> {
        let resume = self.resume.map(|session| session.0);
        let atr = &self.stay.atr[..self.stay.atr.len().min(MAX_ATR)];
        [
            &self.terminal[..],
            &self.nonce,
            &self.ephemeral,
            &[self.stay.slot],
            &self.stay.insertion,
            &[u8::from(resume.is_some())],
            resume.as_ref().map_or(&[][..], |session| session),
            &[atr.len() as u8],
            atr,
        ]
        .concat()
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, RecordError> {
        let (terminal, nonce, ephemeral) = (fields.take()?, fields.take()?, fields.take()?);
        let ([slot], insertion) = (fields.take()?, fields.take()?);
        let resume = match fields.take()? {
            [0] => None,
            [1] => Some(SessionId(fields.take()?)),
            [_] => return Err(fields.wrong()),
        };
        let [length] = fields.take()?;
        if usize::from(length) > MAX_ATR {
            return Err(fields.wrong());
        }
        let atr = fields.some(length.into())?.to_vec();
        let stay = Stay { slot, insertion, atr };
        Ok(Self { terminal, nonce, ephemeral, stay, resume, signature: fields.take()? })
    }
}

impl Welcome {
    pub(crate) fn unsigned(&self) -> Vec<u8> {
        [&self.server[..], &self.session.0, &self.epoch.to_be_bytes(), &self.encapsulated].concat()
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            server: fields.take()?,
            session: SessionId(fields.take()?),
            epoch: u32::from_be_bytes(fields.take()?),
            encapsulated: fields.take()?,
            signature: fields.take()?,
        })
    }
}

impl Refused {
    pub(crate) fn unsigned(&self) -> Vec<u8> {
        let reason = match self.reason {
            Refusal::NotAdmitted => 1,
            Refusal::Busy => 2,
            Refusal::OtherTerminal => 3,
            Refusal::Other(number) => number,
        };
        [&self.server[..], &[reason]].concat()
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, RecordError> {
        let server = fields.take()?;
        let reason = match fields.take()? {
            [1] => Refusal::NotAdmitted,
            [2] => Refusal::Busy,
            [3] => Refusal::OtherTerminal,
            [number] => Refusal::Other(number),
        };
        Ok(Self { server, reason, signature: fields.take()? })
    }
}

impl Sealed {
    fn header(&self) -> Vec<u8> {
        let content = match self.content {
            Content::Frame => 0,
            Content::Heartbeat => 1,
        };
        [&[content], &self.session.0[..], &self.epoch.to_be_bytes(), &self.number.to_be_bytes()].concat()
    }

    fn read(mut fields: Fields<'_>) -> Result<Self, RecordError> {
        let content = match fields.take()? {
            [0] => Content::Frame,
            [1] => Content::Heartbeat,
            [_] => return Err(fields.wrong()),
        };
        let session = SessionId(fields.take()?);
        let (epoch, number) = (u32::from_be_bytes(fields.take()?), u64::from_be_bytes(fields.take()?));
        if fields.bytes.len() < TAG {
            return Err(fields.wrong());
        }
        Ok(Self { content, session, epoch, number, ciphertext: fields.bytes.to_vec() })
    }
}

/// What is left of a record's fields.
struct Fields<'a> {
    kind: u8,
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or_else(|| self.wrong())?;
        (self.bytes, self.offset) = (rest, self.offset + N);
        Ok(*taken)
    }

    fn some(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or_else(|| self.wrong())?;
        (self.bytes, self.offset) = (rest, self.offset + length);
        Ok(taken)
    }

    fn wrong(&self) -> RecordError {
        RecordError::Fields { kind: self.kind, offset: self.offset }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({})", self.name())
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({:?}, {:?}, {}, {})", self.content, self.session, self.epoch, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records() -> Vec<Record> {
        let session = SessionId([3; 16]);
        let stay = Stay { slot: 2, insertion: [9; 8], atr: vec![0x3B, 0x00] };
        let hello = Hello {
            terminal: [1; 32],
            nonce: [2; 32],
            ephemeral: [3; 32],
            stay,
            resume: Some(session),
            signature: [4; 64],
        };
        let sealed = Sealed { content: Content::Heartbeat, session, epoch: 5, number: 6, ciphertext: vec![7; TAG] };
        vec![
            Record::Challenge { nonce: [1; 32] },
            Record::Hello(Box::new(Hello { resume: None, ..hello.clone() })),
            Record::Hello(Box::new(hello)),
            Record::Welcome(Box::new(Welcome {
                server: [1; 32],
                session,
                epoch: 2,
                encapsulated: [5; 32],
                signature: [6; 64],
            })),
            Record::Refused(Box::new(Refused { server: [1; 32], reason: Refusal::Busy, signature: [6; 64] })),
            Record::Sealed(sealed.clone()),
            Record::Sealed(Sealed { content: Content::Frame, ciphertext: vec![8; 300], ..sealed }),
        ]
    }

    #[test]
    fn records_survive_the_stream_and_no_shorter_or_longer_form_is_one() {
        for record in records() {
            let bytes = record.to_bytes();
            assert_eq!(Record::read(&mut &bytes[..], MAX_RECORD).unwrap(), Some(record.clone()));
            let body = &bytes[4..];
            let least = if matches!(record, Record::Sealed(_)) { 2 + SEALED_HEADER + TAG } else { body.len() };
            for length in 0..least {
                assert!(Record::parse(&body[..length]).is_err(), "{record:?}, {length} bytes");
            }
            if !matches!(record, Record::Sealed(_)) {
                assert!(bytes.len() - 4 <= MAX_GREETING);
                assert!(Record::parse(&[body, &[0]].concat()).is_err());
            }
        }
    }

    #[test]
    fn a_giant_record_is_refused_before_anything_is_allocated() {
        let read = |bytes: &[u8], limit| Record::read(&mut &bytes[..], limit);
        assert!(matches!(
            read(&[0xFF; 4], MAX_RECORD),
            Err(RecordError::Length { limit: MAX_RECORD, actual: 0xFFFF_FFFF })
        ));
        // Before keys are agreed on, far less.
        assert!(matches!(read(&[0, 0, 2, 1], MAX_GREETING), Err(RecordError::Length { actual: 513, .. })));
    }

    proptest! {
        #[test]
        fn reading_is_total(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0x0F_u8..0x22) {
            let _ = Record::parse(&bytes);
            if let Ok(record) = Record::parse(&[&[VERSION, kind], &bytes[..]].concat()) {
                prop_assert_eq!(&record.to_bytes()[6..], &bytes[..]);
            }
        }
    }
}
