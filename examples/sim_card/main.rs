//! Writes a number to one blank SIM: ICCID, IMSI, number, PUK and keys; reads back what it wrote, and has the card prove its keys. A
//! record of every step finishes with the next run what was interrupted.

mod card;
mod options;
mod order;
#[path = "../shared/mod.rs"]
mod shared;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use cardwright::issuance::store::{Journal, SqliteStore};
use cardwright::issuance::usim::{NumberReport, write_number};
use cardwright::issuance::{Driver, Notice};
use clap::Parser;

use crate::options::Options;
use crate::shared::card::Meter;
use crate::shared::persons::release_all;
use crate::shared::run::{chance, finish, now, random};

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
    let mut order = order::order(options, profile)?;
    let mut keys = order::keys(options)?;
    let mut rng = chance(options.seed)?;
    let meter = Arc::new(Meter::default());
    let mut card = card::open(options, Arc::clone(&meter))?;
    let mut store = SqliteStore::open(&options.journal)?;
    if options.release_quarantine {
        order.release = Some(release_all(&store, now())?);
    }
    let mut driver = Driver {
        card: &mut card,
        keys: &mut keys,
        store: &mut store,
        clock: &mut now,
        random: &mut || random(&mut rng),
        notice: &mut show_notice,
    };
    let code = finish(driver.run(write_number(order))??, |report| show_report(&report));
    println!("{meter}");
    options.tear.report(meter.commands());
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
