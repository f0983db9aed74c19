//! Writes a report of an issuing journal: one HTML file with its charts and tables, and nothing from elsewhere.

mod chart;
mod day;
mod figures;
mod page;
mod sample;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cardwright::issuance::audit::{self, Trust};
use cardwright::issuance::journal::PublicKey;
use cardwright::issuance::store::{SqliteStore, StoreError};
use clap::Parser;
use thiserror::Error;

use crate::figures::Figures;

/// Writes a report of an issuing journal as one HTML file: cards a day, yield, failures, step times, open cards, purses, and whether the
/// chain of records is whole. The journal is never written to.
#[derive(Debug, Parser)]
#[command(
    name = "report",
    version,
    after_help = "Exit status: 0 written; 1 a file cannot be read or written, or is no journal; 2 wrong usage; 3 the journal is damaged or \
                  was changed; 4 it was written by a newer version.\n\n\
                  To look at one without a journal of your own:\n    report --sample 300 sample.journal -o report.html"
)]
struct Options {
    /// The journal.
    journal: PathBuf,

    /// The report; an older one is replaced.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Stands at the top of the report.
    #[arg(long, default_value = "Issuing report")]
    title: String,

    /// Public key of checkpoints that count (64 hexadecimal digits). Can be given several times.
    #[arg(long, value_name = "PUBLIC-KEY")]
    key: Vec<PublicKey>,

    /// Makes the journal first: so many software cards issued over a month, with cards torn out, refusals and wrong keys.
    #[arg(long, value_name = "CARDS", value_parser = clap::value_parser!(u32).range(1..=5000))]
    sample: Option<u32>,
}

#[derive(Debug, Error)]
enum ReportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    #[error("-o {0} is the journal: name another file")]
    SameFile(PathBuf),
    #[error("{0} is there already: --sample makes a new journal")]
    Exists(PathBuf),
    #[error("record {seq}: {what}")]
    Record { seq: u64, what: String },
    #[error("a chart cannot be drawn: {0}")]
    Chart(String),
    #[error("the sample cannot be made: {0}")]
    Sample(String),
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("report: {error}");
            let (code, next) = match &error {
                ReportError::Store(
                    StoreError::Damaged { .. } | StoreError::Truncated { .. } | StoreError::BrokenChain { .. },
                ) => (3, "no report was written; what can still be read: audit export JOURNAL -o OUT"),
                ReportError::Store(StoreError::NewerSchema { .. }) => {
                    (4, "no report was written: take a newer program")
                }
                _ => (1, "no report was written"),
            };
            eprintln!("        {next}");
            ExitCode::from(code)
        }
    }
}

fn run(options: &Options) -> Result<(), ReportError> {
    let absolute =
        |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.into());
    if absolute(&options.journal) == absolute(&options.output) {
        return Err(ReportError::SameFile(options.output.clone()));
    }
    if let Some(cards) = options.sample {
        if options.journal.exists() {
            return Err(ReportError::Exists(options.journal.clone()));
        }
        sample::make(&options.journal, cards)?;
    }
    let trust = Trust { keys: options.key.clone(), head: None };
    let audit = audit::verify(&options.journal, &trust)?;
    let journal = SqliteStore::open_read_only(&options.journal)?;
    let figures = Figures::read(&journal)?;
    let name = options.journal.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let html = page::write(&options.title, &name, &figures, &audit)?;
    std::fs::write(&options.output, html).map_err(|error| ReportError::File(options.output.clone(), error))?;
    let (records, cards) = (audit.head.seq, figures.cards.len());
    println!("{}: {records} records, {cards} card{}", options.output.display(), if cards == 1 { "" } else { "s" });
    Ok(())
}
