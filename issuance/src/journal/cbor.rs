//! The canonical encoding (RFC 8949 4.2.1): shortest heads, definite lengths.

use core::convert::Infallible;

use minicbor::encode::Write;
use minicbor::{Decoder, Encoder};
use sha2::{Digest, Sha256};

use super::{Entity, EntityError, Record};

/// Why bytes are no record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordFormatError {
    /// Not the CBOR that a record is made of.
    #[error("the bytes are not the CBOR array of a record")]
    Cbor(#[from] minicbor::decode::Error),
    /// An array of another length, or without a length.
    #[error("a record is an array of 7 items")]
    Items,
    /// The entity's name is not legal.
    #[error("the record's entity is not legal")]
    Entity(#[from] EntityError),
    /// A hash that has not 32 bytes.
    #[error("a hash has 32 bytes, not {actual}")]
    HashLength {
        /// Bytes found.
        actual: usize,
    },
}

impl Record {
    /// SHA-256 over `[seq, time_ms, epoch, entity, body, prev_hash]`, as if the record had the number `seq`.
    pub(super) fn hash_as(&self, seq: u64) -> [u8; 32] {
        let mut sink = Hashing(Sha256::new());
        let Ok(()) = self.encode_hashed(seq, 6, &mut Encoder::new(&mut sink));
        sink.0.finalize().into()
    }

    /// Appends `[seq, time_ms, epoch, entity, body, prev_hash, hash]`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut encoder = Encoder::new(out);
        let Ok(()) = self.encode_hashed(self.seq, 7, &mut encoder);
        let Ok(_) = encoder.bytes(&self.hash).map_err(never);
    }

    /// Reads one record where `decoder` stands.
    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RecordFormatError> {
        if decoder.array()? != Some(7) {
            return Err(RecordFormatError::Items);
        }
        Ok(Self {
            seq: decoder.u64()?,
            time_ms: decoder.u64()?,
            epoch: decoder.u64()?,
            entity: Entity::new(decoder.str()?)?,
            body: decoder.bytes()?.to_vec(),
            prev_hash: hash(decoder.bytes()?)?,
            hash: hash(decoder.bytes()?)?,
        })
    }

    fn encode_hashed<W>(&self, seq: u64, items: u64, out: &mut Encoder<W>) -> Result<(), Infallible>
    where
        W: Write<Error = Infallible>,
    {
        out.array(items)
            .and_then(|out| out.u64(seq))
            .and_then(|out| out.u64(self.time_ms))
            .and_then(|out| out.u64(self.epoch))
            .and_then(|out| out.str(self.entity.as_str()))
            .and_then(|out| out.bytes(&self.body))
            .and_then(|out| out.bytes(&self.prev_hash))
            .map_or_else(|error| Err(never(error)), |_| Ok(()))
    }
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

    fn record() -> Record {
        let entity = Entity::new("card/1").unwrap();
        Head::GENESIS.record(3, 1_700_000_000_000, Entry { entity, body: vec![1, 2] })
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let mut bytes = Vec::new();
        record().encode(&mut bytes);
        assert_eq!(Record::decode(&mut Decoder::new(&bytes)).unwrap(), record());
        for length in 0..bytes.len() {
            assert!(Record::decode(&mut Decoder::new(&bytes[..length])).is_err(), "{length}");
        }
    }

    #[test]
    fn the_hash_covers_the_encoding_without_itself() {
        let mut bytes = Vec::new();
        record().encode(&mut bytes);
        bytes[0] = 0x86;
        bytes.truncate(bytes.len() - 34);
        assert_eq!(record().hash, <[u8; 32]>::from(Sha256::digest(&bytes)));
    }
}
