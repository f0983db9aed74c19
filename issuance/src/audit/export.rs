//! JSON lines that can be verified without this library; `docs/journal.md` describes them.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::journal::{ChainError, Checkpoint, Head, Record, hex, verify_from};
use crate::store::{self, Journal, SqliteReader, StoreError};

/// Records read at once; bodies have up to a megabyte.
const BATCH: usize = 256;

/// Why an export is not the whole of a sound journal. Its last line says so too, unless the lines cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The journal cannot be read at all.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain is broken; what comes before was exported.
    #[error("exported up to record {exported}: {problem}")]
    Broken {
        /// The last record that was exported.
        exported: u64,
        /// What is wrong.
        problem: ChainError,
    },
    /// The file is damaged; what can be read of the chain's beginning was exported.
    #[error("exported up to record {exported}: {source}")]
    Damaged {
        /// The last record that was exported.
        exported: u64,
        /// What is wrong.
        source: StoreError,
    },
    /// What takes the lines failed.
    #[error("the lines cannot be written")]
    Write(#[from] io::Error),
}

/// Writes every record and every checkpoint, one JSON object a line, and gives the head. Bodies are not written but for
/// their hashes, by which the chain can be verified; records of schema 1, whose hash covers the body itself, are written
/// with it.
///
/// # Errors
///
/// [`ExportError`]; a journal that does not hold together is exported as far as it does.
pub fn export(path: impl AsRef<Path>, out: &mut dyn Write) -> Result<Head, ExportError> {
    let reader = SqliteReader::open(path)?;
    line(out, &Line::Begin { format: "cardwright-journal", version: 1 })?;
    // A file whose checkpoints cannot be read has a finding.
    let mut checkpoints = store::checkpoints(reader.path()).unwrap_or_default().into_iter().peekable();
    let mut head = Head::GENESIS;
    let stopped = loop {
        let records = match reader.records(head.seq, BATCH) {
            Ok(records) if records.is_empty() => break None,
            Ok(records) => records,
            Err(source) => break Some(ExportError::Damaged { exported: head.seq, source }),
        };
        let sound = records.iter().take_while(|record| match verify_from(head, [*record]) {
            Ok(next) => {
                head = next;
                true
            }
            Err(_) => false,
        });
        let sound: Vec<&Record> = sound.collect();
        for record in &sound {
            line(out, &Line::of(record))?;
            while let Some(checkpoint) = checkpoints.next_if(|checkpoint| checkpoint.head.seq <= record.seq) {
                line(out, &Line::of_checkpoint(&checkpoint))?;
            }
        }
        if let Err(problem) = verify_from(head, &records[sound.len()..]) {
            break Some(ExportError::Broken { exported: head.seq, problem });
        }
    };
    let finding = stopped.or_else(|| match reader.into_finding()? {
        StoreError::BrokenChain { problem, .. } => Some(ExportError::Broken { exported: head.seq, problem }),
        source => Some(ExportError::Damaged { exported: head.seq, source }),
    });
    let problem = finding.as_ref().map(ToString::to_string);
    line(out, &Line::End { seq: head.seq, hash: hex(&head.hash), problem })?;
    out.flush()?;
    finding.map_or(Ok(head), Err)
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Begin {
        format: &'static str,
        version: u32,
    },
    Record {
        seq: u64,
        time_ms: u64,
        epoch: u64,
        entity: &'a str,
        /// Of a record without an origin: its hash covers this.
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// Of a record with an origin.
        #[serde(skip_serializing_if = "Option::is_none")]
        body_hash: Option<String>,
        prev_hash: String,
        #[serde(flatten)]
        origin: Option<LineOrigin<'a>>,
        hash: String,
    },
    Checkpoint {
        seq: u64,
        time_ms: u64,
        hash: String,
        key: String,
        signature: String,
    },
    /// Without a problem, the export is whole.
    End {
        seq: u64,
        hash: String,
        problem: Option<String>,
    },
}

#[derive(Serialize)]
struct LineOrigin<'a> {
    actor: &'a str,
    machine: &'a str,
    uptime_ms: u64,
    mark: u8,
}

impl<'a> Line<'a> {
    fn of(record: &'a Record) -> Self {
        let origin = record.origin.as_ref().map(|origin| LineOrigin {
            actor: origin.actor.as_str(),
            machine: origin.machine.as_str(),
            uptime_ms: origin.uptime_ms,
            mark: origin.mark.number(),
        });
        let (body, body_hash) = match origin {
            Some(_) => (None, Some(hex(&Sha256::digest(&record.body)))),
            None => (Some(hex(&record.body)), None),
        };
        Self::Record {
            seq: record.seq,
            time_ms: record.time_ms,
            epoch: record.epoch,
            entity: record.entity.as_str(),
            body,
            body_hash,
            prev_hash: hex(&record.prev_hash),
            origin,
            hash: hex(&record.hash),
        }
    }

    fn of_checkpoint(checkpoint: &Checkpoint) -> Self {
        Self::Checkpoint {
            seq: checkpoint.head.seq,
            time_ms: checkpoint.time_ms,
            hash: hex(&checkpoint.head.hash),
            key: hex(&checkpoint.key),
            signature: hex(&checkpoint.signature),
        }
    }
}

fn line(out: &mut dyn Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
