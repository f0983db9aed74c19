//! Frames of the log: length (8 bytes, big-endian), payload, and the first 8 bytes of the payload's SHA-256.
//!
//! The payload is the CBOR array `[epoch, [record, ...]]`: one transaction, or, without records, the begin of a run.

use std::path::PathBuf;

use minicbor::{Decoder, Encoder};
use sha2::{Digest, Sha256};

use crate::journal::{Record, RecordFormatError};
use crate::store::{Place, StoreError};

/// What stands for a file name in errors.
pub(super) const NAME: &str = "store in memory";

const LENGTH: usize = 8;
const CHECKSUM: usize = 8;

/// What a reader gets back from a log.
pub(super) struct Recovered {
    /// Greatest epoch seen.
    pub(super) epoch: u64,
    pub(super) records: Vec<Record>,
    /// Bytes of whole frames; the rest is a torn end.
    pub(super) length: usize,
}

pub(super) fn append(log: &mut Vec<u8>, epoch: u64, records: &[Record]) {
    let mut payload = Vec::new();
    let mut encoder = Encoder::new(&mut payload);
    let _ = encoder.array(2).and_then(|out| out.u64(epoch)).and_then(|out| out.array(records.len() as u64));
    records.iter().for_each(|record| record.encode(&mut payload));
    log.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    log.extend_from_slice(&payload);
    log.extend_from_slice(&checksum(&payload));
}

/// Reads whole frames from the beginning up to the first that is not.
pub(super) fn read(log: &[u8]) -> Result<Recovered, StoreError> {
    let mut recovered = Recovered { epoch: 0, records: Vec::new(), length: 0 };
    let mut rest = log;
    while let Some((payload, after)) = frame(rest) {
        decode(payload, &mut recovered).map_err(|error| damaged(recovered.length, &error.to_string()))?;
        rest = after;
        recovered.length = log.len() - rest.len();
    }
    Ok(recovered)
}

pub(super) fn damaged(offset: usize, finding: &str) -> StoreError {
    let place = Place::Byte { offset: offset as u64 };
    StoreError::Damaged { path: PathBuf::from(NAME), place, finding: finding.to_owned() }
}

fn frame(log: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = log.split_first_chunk::<LENGTH>()?;
    let (payload, rest) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
    let (sum, rest) = rest.split_first_chunk::<CHECKSUM>()?;
    (*sum == checksum(payload)).then_some((payload, rest))
}

fn checksum(payload: &[u8]) -> [u8; CHECKSUM] {
    let digest: [u8; 32] = Sha256::digest(payload).into();
    core::array::from_fn(|n| digest[n])
}

fn decode(payload: &[u8], recovered: &mut Recovered) -> Result<(), RecordFormatError> {
    let mut decoder = Decoder::new(payload);
    if decoder.array()? != Some(2) {
        return Err(RecordFormatError::Items);
    }
    recovered.epoch = recovered.epoch.max(decoder.u64()?);
    let count = decoder.array()?.ok_or(RecordFormatError::Items)?;
    for _ in 0..count {
        recovered.records.push(Record::decode(&mut decoder)?);
    }
    if decoder.position() == payload.len() { Ok(()) } else { Err(RecordFormatError::Items) }
}
