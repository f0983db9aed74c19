//! Records of what was decided and what happened, linked into a chain of hashes.
//!
//! A record belongs to an [`Entity`] (a card, a job, a number) and carries a body that this layer does not look into.
//! Its hash covers its number, time, epoch, entity, body and the hash of the record before it, so nobody can change,
//! take out, insert or move a record without [`verify`] naming the place:
//!
//! ```
//! use cardwright_issuance::journal::{verify, Entity, Entry, Head};
//!
//! let card = Entity::new("card/8900010000000000017")?;
//! let first = Head::GENESIS.record(1, 1_700_000_000_000, Entry { entity: card.clone(), body: vec![0x81, 0x01] });
//! let second = first.head().record(1, 1_700_000_000_250, Entry { entity: card, body: vec![0x81, 0x02] });
//! assert_eq!(verify([&first, &second])?, second.head());
//! assert!(verify([&second]).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A chain says nothing about records missing at its end, nor about one that was made anew: whoever must know that keeps
//! a [`Head`] elsewhere and compares, or has [`Checkpoint`]s signed. The bytes are described in `docs/journal.md`.

use std::fmt;

mod cbor;
mod chain;
mod checkpoint;
mod origin;

pub use cbor::RecordFormatError;
pub use chain::{ChainError, verify, verify_from};
pub use checkpoint::{Checkpoint, CheckpointSigner, PublicKey, PublicKeyError, SoftwareSigner};
pub(crate) use origin::apply_mark;
pub use origin::{Label, LabelError, Mark, Origin};

/// Longest body of a record, in bytes.
pub const MAX_BODY: usize = 1 << 20;

/// As hexadecimal digits, in small letters: in names of entities and in exports.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to memory cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a record belongs to: a card, a job, a number or a voucher. 1 to 200 bytes of printable ASCII (20 to 7E).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity(Box<str>);

impl Entity {
    /// Longest name, in bytes.
    pub const MAX_LENGTH: usize = 200;

    /// Takes a name.
    ///
    /// # Errors
    ///
    /// [`EntityError`] when it is empty, too long, or holds anything but printable ASCII.
    pub fn new(name: &str) -> Result<Self, EntityError> {
        match name.bytes().position(|byte| !(0x20..=0x7E).contains(&byte)) {
            _ if name.is_empty() => Err(EntityError::Empty),
            _ if name.len() > Self::MAX_LENGTH => Err(EntityError::TooLong { length: name.len() }),
            Some(offset) => Err(EntityError::NotPrintable { offset }),
            None => Ok(Self(name.into())),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

/// Why a text cannot name an entity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntityError {
    /// No text.
    #[error("an entity needs a name of at least one byte")]
    Empty,
    /// More than [`Entity::MAX_LENGTH`] bytes.
    #[error("an entity's name has at most {max} bytes, not {length}", max = Entity::MAX_LENGTH)]
    TooLong {
        /// Bytes given.
        length: usize,
    },
    /// A control character or something outside ASCII.
    #[error("an entity's name is printable ASCII; the byte at {offset} is not")]
    NotPrintable {
        /// Offset of the first such byte.
        offset: usize,
    },
}

/// A record to be written.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it belongs to.
    pub entity: Entity,
    /// CBOR made by the machine that owns the entity; opaque here, at most [`MAX_BODY`] bytes.
    pub body: Vec<u8>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Entry").field("entity", &self.entity).field("body_length", &self.body.len()).finish()
    }
}

/// A record as it stands in the journal.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Number in the journal, from 1, without gaps.
    pub seq: u64,
    /// Wall clock of the writer, in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// Run of a program that wrote it: each opening for writing is given the next number, from 1.
    pub epoch: u64,
    /// What it belongs to.
    pub entity: Entity,
    /// What the writer put there.
    pub body: Vec<u8>,
    /// Hash of the record before; 32 zero bytes in the first.
    pub prev_hash: [u8; 32],
    /// SHA-256 over the canonical encoding of everything else.
    pub hash: [u8; 32],
    /// Who had it written, and what it opened or closed; nothing in records of schema 1.
    pub origin: Option<Origin>,
}

impl Record {
    /// This record as the end of a chain.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }

    /// The hash that the content demands; [`Record::hash`] equals it unless one of the two was changed.
    #[must_use]
    pub fn computed_hash(&self) -> [u8; 32] {
        self.hash_as(self.seq)
    }
}

impl fmt::Debug for Record {
    /// Shows no body: it may hold personal data.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Record")
            .field("seq", &self.seq)
            .field("time_ms", &self.time_ms)
            .field("epoch", &self.epoch)
            .field("entity", &self.entity)
            .field("body_length", &self.body.len())
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// The end of a chain: number and hash of its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the last record, 0 when there is none.
    pub seq: u64,
    /// Its hash, 32 zero bytes when there is none.
    pub hash: [u8; 32],
}

impl Head {
    /// The head of an empty journal.
    pub const GENESIS: Self = Self { seq: 0, hash: [0; 32] };

    /// The record that continues the chain here, without an origin, as schema 1 has it.
    #[must_use]
    pub fn record(self, epoch: u64, time_ms: u64, entry: Entry) -> Record {
        self.continued(epoch, time_ms, entry, None)
    }

    /// The record that continues the chain here, with its origin.
    #[must_use]
    pub fn record_from(self, origin: Origin, epoch: u64, time_ms: u64, entry: Entry) -> Record {
        self.continued(epoch, time_ms, entry, Some(origin))
    }

    fn continued(self, epoch: u64, time_ms: u64, entry: Entry, origin: Option<Origin>) -> Record {
        let Entry { entity, body } = entry;
        // A journal that counts one record a nanosecond is full in 584 years.
        let seq = self.seq.saturating_add(1);
        let mut record = Record { seq, time_ms, epoch, entity, body, prev_hash: self.hash, hash: [0; 32], origin };
        record.hash = record.computed_hash();
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_to_200_bytes_of_printable_ascii() {
        assert_eq!(Entity::new(""), Err(EntityError::Empty));
        assert_eq!(Entity::new(&"n".repeat(201)), Err(EntityError::TooLong { length: 201 }));
        assert_eq!(Entity::new("card/\u{e9}"), Err(EntityError::NotPrintable { offset: 5 }));
        assert_eq!(Entity::new("a\nb"), Err(EntityError::NotPrintable { offset: 1 }));
        assert_eq!(Entity::new("a\x7f"), Err(EntityError::NotPrintable { offset: 1 }));
        for name in ["c", " ~", &"n".repeat(200)] {
            assert_eq!(Entity::new(name).map(|entity| entity.to_string()), Ok(name.to_owned()));
        }
    }

    #[test]
    fn no_body_is_shown_by_debug() {
        let entry = Entry { entity: Entity::new("card/1").unwrap(), body: vec![0xA7; 9] };
        let record = Head::GENESIS.record(1, 2, entry.clone());
        for shown in [format!("{entry:?}"), format!("{record:?}")] {
            assert!(shown.contains("body_length: 9") && !shown.contains("167") && !shown.contains("A7"), "{shown}");
        }
    }
}
