//! Verifies the journal of an issuing program, and exports it so that anybody can verify it.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cardwright::issuance::audit::{self, ExportError, Trust};
use cardwright::issuance::journal::{Head, PublicKey};
use cardwright::issuance::store::StoreError;
use clap::{Parser, Subcommand};

/// Verifies a journal whole, or exports it. The journal is never written to.
#[derive(Debug, Parser)]
#[command(
    name = "audit",
    version,
    after_help = "Exit status: 0 in order; 1 the file cannot be read or is no journal; 2 wrong usage; 3 the journal is damaged, \
                  or was changed: the first record or place that is wrong is named."
)]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Verifies every page, record and checkpoint, and names the first record changed, removed, inserted or moved.
    Verify {
        /// The journal.
        file: PathBuf,
        /// Public key of checkpoints that count (64 hexadecimal digits), known from elsewhere. Can be given several times;
        /// at least one checkpoint has to be signed by one of them.
        #[arg(long, value_name = "PUBLIC-KEY")]
        key: Vec<PublicKey>,
        /// Number and hash of a record as an earlier audit gave them: it has to be there still.
        #[arg(long, value_name = "NUMBER:HASH", value_parser = head)]
        head: Option<Head>,
    },
    /// Writes the journal as JSON lines that are verified without this library: docs/journal.md. A damaged journal is exported
    /// as far as it holds together.
    Export {
        /// The journal.
        file: PathBuf,
        /// Where to; no other file is written over.
        #[arg(short, long, value_name = "OUT")]
        output: PathBuf,
    },
}

const WRONG: u8 = 3;

fn main() -> ExitCode {
    let done = match Options::parse().task {
        Task::Verify { file, key, head } => verify(&file, Trust { keys: key, head }),
        Task::Export { file, output } => export(&file, &output),
    };
    done.unwrap_or_else(|error| {
        eprintln!("audit: {error}");
        ExitCode::FAILURE
    })
}

fn verify(file: &Path, trust: Trust) -> Result<ExitCode, Box<dyn Error>> {
    let report = match audit::verify(file, &trust) {
        Ok(report) => report,
        Err(error) if is_finding(&error) => {
            eprintln!("audit: {error}");
            eprintln!("nothing was written; what can be read: audit export {} -o OUT", file.display());
            return Ok(ExitCode::from(WRONG));
        }
        Err(error) => return Err(error.into()),
    };
    println!("{}: in order, {} records, schema {}", file.display(), report.head.seq, report.schema);
    println!("head: {}:{}", report.head.seq, hex::encode(report.head.hash));
    match report.signed_up_to {
        Some(seq) => println!("signed up to record {seq}; {} checkpoints", report.trusted_checkpoints),
        None if trust.keys.is_empty() => println!("{} checkpoints, no key to verify them by", report.other_checkpoints),
        None => {
            eprintln!("audit: no checkpoint is signed by a key given, {} by others", report.other_checkpoints);
            return Ok(ExitCode::from(WRONG));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn export(file: &Path, output: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let out = File::create_new(output).map_err(|error| format!("{}: {error}", output.display()))?;
    let mut out = BufWriter::new(out);
    let exported = audit::export(file, &mut out);
    match exported {
        Ok(head) => {
            out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
            println!("{}: {} records, head {}:{}", output.display(), head.seq, head.seq, hex::encode(head.hash));
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ (ExportError::Broken { .. } | ExportError::Damaged { .. })) => {
            out.flush()?;
            eprintln!("audit: {error}");
            Ok(ExitCode::from(WRONG))
        }
        Err(error) => {
            drop(out);
            // Nothing is in it.
            let _ = std::fs::remove_file(output);
            Err(error.into())
        }
    }
}

fn is_finding(error: &StoreError) -> bool {
    matches!(error, StoreError::Damaged { .. } | StoreError::Truncated { .. } | StoreError::BrokenChain { .. })
}

fn head(text: &str) -> Result<Head, String> {
    let wrong = || "NUMBER:HASH, as an audit prints it".to_owned();
    let (seq, hash) = text.split_once(':').ok_or_else(wrong)?;
    let hash = hex::decode(hash).ok().and_then(|hash| hash.try_into().ok()).ok_or_else(wrong)?;
    Ok(Head { seq: seq.parse().map_err(|_| wrong())?, hash })
}
