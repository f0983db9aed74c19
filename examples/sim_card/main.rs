//! Writes a number to one blank SIM: ICCID, IMSI, number, PUK and keys; reads back what it wrote, and has the card prove its keys. A
//! record of every step finishes with the next run what was interrupted.

mod card;
mod options;
mod order;

use std::error::Error;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use cardwright::apdu::ByteCount;
use cardwright::issuance::remote::Outcome;
use cardwright::issuance::store::{Journal, SqliteStore};
use cardwright::issuance::usim::{NumberReport, write_number};
use cardwright::issuance::{Driver, Notice};
use clap::Parser;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::options::Options;

const INTERRUPTED: u8 = 3;
const QUARANTINED: u8 = 4;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sim_card: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    // Everything that can be wrong with numbers and files is found before anything is sent.
    options.check_paths()?;
    let profile = options.profile()?;
    let order = order::order(options, profile)?;
    let mut keys = order::keys(options)?;
    let mut rng = match options.seed {
        Some(seed) => ChaCha20Rng::seed_from_u64(seed),
        None => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed)?;
            ChaCha20Rng::from_seed(seed)
        }
    };
    let mut card = card::open(options)?;
    let mut store = SqliteStore::open(&options.journal)?;
    let mut driver = Driver {
        card: &mut card,
        keys: &mut keys,
        store: &mut store,
        clock: &mut now,
        random: &mut || {
            let mut bytes = [0; 8];
            rng.fill_bytes(&mut bytes);
            bytes
        },
        notice: &mut show_notice,
    };
    let outcome = driver.run(write_number(order))??;
    let code = match outcome {
        Outcome::Complete(report) => {
            show_report(&report);
            ExitCode::SUCCESS
        }
        Outcome::Interrupted(during) => {
            println!("\ninterrupted at {}: {}", during.command, during.kind);
            println!(
                "A step that was under way is in the record as not known. Put the same card back and run the same"
            );
            println!("command again: the card will be asked.");
            ExitCode::from(INTERRUPTED)
        }
        Outcome::Quarantined { step, reason } => {
            println!("\nstep {step} waits for a person: {reason}");
            println!("Look at card and record; --release-quarantine lets the step be tried again.");
            ExitCode::from(QUARANTINED)
        }
        other => return Err(format!("the machine ended in a way that is not known here: {other:?}").into()),
    };
    let meter = card.meter;
    println!(
        "{} commands, {} to the card, {} from it",
        meter.commands,
        ByteCount(meter.sent),
        ByteCount(meter.received)
    );
    if options.cut.is_some_and(|n| n > meter.commands) {
        println!("the cut was not reached: there were fewer commands");
    }
    println!("record: {} ({} entries)", options.journal.display(), store.head()?.seq);
    match &options.reader {
        Some(reader) => println!("reader: {reader}"),
        None => println!("card:   {}", options.card_path().display()),
    }
    Ok(code)
}

fn show_notice(notice: Notice) {
    match notice {
        Notice::Stage(stage) => println!("{stage} .."),
        Notice::Step { step, outcome } => println!("  {step}: {outcome}"),
        _ => {}
    }
}

fn show_report(report: &NumberReport) {
    println!("\nSIM {}", report.iccid);
    println!("  answer to reset  {}", hex::encode_upper(&report.atr));
    let written = if report.written.is_empty() { "nothing".into() } else { report.written.join(", ") };
    println!("  written          {written}, read back or proved");
    if !report.absent.is_empty() {
        println!("  not on the card  {}", report.absent.join(", "));
    }
    println!("  keys             {}", if report.proved { "proved by AUTHENTICATE" } else { "not written" });
    let complete = if report.written.is_empty() { "complete before, nothing was left to do" } else { "complete" };
    println!("{complete}");
}

/// Milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}
