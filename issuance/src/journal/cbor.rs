//! The canonical encoding (RFC 8949 4.2.1): shortest heads, definite lengths.

use core::convert::Infallible;

use minicbor::encode::Write;
use minicbor::{Decoder, Encoder};
use sha2::{Digest, Sha256};

use super::{Entity, EntityError, Label, LabelError, Mark, Origin, Record};

/// Why bytes are no record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordFormatError {
    /// Not the CBOR that a record is made of.
    #[error("the bytes are not the CBOR array of a record")]
    Cbor(#[from] minicbor::decode::Error),
    /// An array of another length, or without a length.
    #[error("a record is an array of 7 or of 11 items")]
    Items,
    /// The entity's name is not legal.
    #[error("the record's entity is not legal")]
    Entity(#[from] EntityError),
    /// The name of an actor or a machine is not legal.
    #[error("the record's actor or machine is not legal")]
    Label(#[from] LabelError),
    /// A mark of an unknown number.
    #[error("{found} is no mark of a record")]
    Mark {
        /// The number.
        found: u8,
    },
    /// A hash that has not 32 bytes.
    #[error("a hash has 32 bytes, not {actual}")]
    HashLength {
        /// Bytes found.
        actual: usize,
    },
}

impl Record {
    /// SHA-256 over the encoding that `docs/journal.md` gives, as if the record had the number `seq`.
    ///
    /// ```text
    /// without origin: [seq, time_ms, epoch, entity, body, prev_hash]
    /// with origin:    [seq, time_ms, epoch, entity, SHA-256(body), prev_hash, actor, machine, uptime_ms, mark]
    /// ```
    pub(super) fn hash_as(&self, seq: u64) -> [u8; 32] {
        let mut sink = Hashing(Sha256::new());
        let mut encoder = Encoder::new(&mut sink);
        let Ok(()) = match &self.origin {
            None => self.encode_common(seq, 6, &self.body, &mut encoder),
            Some(origin) => {
                let body: [u8; 32] = Sha256::digest(&self.body).into();
                self.encode_common(seq, 10, &body, &mut encoder).and_then(|()| encode_origin(origin, &mut encoder))
            }
        };
        sink.0.finalize().into()
    }

    /// Appends `[seq, time_ms, epoch, entity, body, prev_hash, hash]`, and of a record with an origin
    /// `actor, machine, uptime_ms, mark` behind these.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut encoder = Encoder::new(out);
        let items = if self.origin.is_some() { 11 } else { 7 };
        let Ok(()) = self.encode_common(self.seq, items, &self.body, &mut encoder);
        let Ok(_) = encoder.bytes(&self.hash).map_err(never);
        if let Some(origin) = &self.origin {
            let Ok(()) = encode_origin(origin, &mut encoder);
        }
    }

    /// Reads one record where `decoder` stands.
    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RecordFormatError> {
        let items = decoder.array()?;
        let mut record = Self {
            seq: decoder.u64()?,
            time_ms: decoder.u64()?,
            epoch: decoder.u64()?,
            entity: Entity::new(decoder.str()?)?,
            body: decoder.bytes()?.to_vec(),
            prev_hash: hash(decoder.bytes()?)?,
            hash: hash(decoder.bytes()?)?,
            origin: None,
        };
        match items {
            Some(7) => {}
            Some(11) => record.origin = Some(origin(decoder)?),
            _ => return Err(RecordFormatError::Items),
        }
        Ok(record)
    }

    fn encode_common<W>(&self, seq: u64, items: u64, body: &[u8], out: &mut Encoder<W>) -> Result<(), Infallible>
    where
        W: Write<Error = Infallible>,
    {
        out.array(items)
            .and_then(|out| out.u64(seq))
            .and_then(|out| out.u64(self.time_ms))
            .and_then(|out| out.u64(self.epoch))
            .and_then(|out| out.str(self.entity.as_str()))
            .and_then(|out| out.bytes(body))
            .and_then(|out| out.bytes(&self.prev_hash))
            .map_or_else(|error| Err(never(error)), |_| Ok(()))
    }
}

fn encode_origin<W: Write<Error = Infallible>>(origin: &Origin, out: &mut Encoder<W>) -> Result<(), Infallible> {
    out.str(origin.actor.as_str())
        .and_then(|out| out.str(origin.machine.as_str()))
        .and_then(|out| out.u64(origin.uptime_ms))
        .and_then(|out| out.u8(origin.mark.number()))
        .map_or_else(|error| Err(never(error)), |_| Ok(()))
}

fn origin(decoder: &mut Decoder<'_>) -> Result<Origin, RecordFormatError> {
    let (actor, machine) = (Label::new(decoder.str()?)?, Label::new(decoder.str()?)?);
    let (uptime_ms, found) = (decoder.u64()?, decoder.u8()?);
    let mark = Mark::of(found.into()).ok_or(RecordFormatError::Mark { found })?;
    Ok(Origin { actor, machine, uptime_ms, mark })
}

fn hash(bytes: &[u8]) -> Result<[u8; 32], RecordFormatError> {
    bytes.try_into().map_err(|_| RecordFormatError::HashLength { actual: bytes.len() })
}

/// The one error of an encoder whose writer has none is a message of an `Encode` implementation; none is used here.
fn never(_: minicbor::encode::Error<Infallible>) -> Infallible {
    unreachable!("heads, texts and byte strings are written by the encoder itself")
}

struct Hashing(Sha256);

impl Write for Hashing {
    type Error = Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.0.update(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, Head};
    use super::*;

    fn records() -> [Record; 2] {
        let entry = Entry { entity: Entity::new("card/1").unwrap(), body: vec![1, 2] };
        let (actor, machine) = (Label::new("desk-3").unwrap(), Label::new("remote").unwrap());
        let origin = Origin { actor, machine, uptime_ms: 700, mark: Mark::Open };
        let first = Head::GENESIS.record(3, 1_700_000_000_000, entry.clone());
        [first.clone(), first.head().record_from(origin, 3, 1_700_000_000_001, entry)]
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for record in records() {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            assert_eq!(Record::decode(&mut Decoder::new(&bytes)).unwrap(), record);
            for length in 0..bytes.len() {
                assert!(Record::decode(&mut Decoder::new(&bytes[..length])).is_err(), "{length}");
            }
        }
    }

    #[test]
    fn the_hash_covers_everything_but_itself_and_the_body_by_its_own_hash_where_there_is_an_origin() {
        let [plain, with_origin] = records();
        let mut bytes = Vec::new();
        plain.encode(&mut bytes);
        bytes[0] = 0x86;
        bytes.truncate(bytes.len() - 34);
        assert_eq!(plain.hash, <[u8; 32]>::from(Sha256::digest(&bytes)));

        let mut other_body = with_origin.clone();
        other_body.body = Sha256::digest([1, 2]).to_vec();
        bytes.clear();
        other_body.encode(&mut bytes);
        bytes[0] = 0x8A;
        let tail = 7 + 7 + 3 + 1;
        bytes.drain(bytes.len() - tail - 34..bytes.len() - tail);
        assert_eq!(with_origin.hash, <[u8; 32]>::from(Sha256::digest(&bytes)));
    }
}
