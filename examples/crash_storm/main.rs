//! Issuing processes in a storm: see `--help`.

mod chance;
mod dice;
mod disk;
mod issue;
mod journal_reader;
mod meddler;
mod memory_disk;
mod network;
mod options;
#[path = "../shared/persons.rs"]
mod persons;
mod purse;
mod report;
mod sabotage;
mod sqlite_disk;
mod summary;
mod terminal;
mod weather;
mod world;

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use cardwright::issuance;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use crate::dice::world_seed;
use crate::options::{Jobs, Options, StoreKind};
use crate::report::WorldReport;
use crate::sabotage::Sabotage;
use crate::summary::Summary;

/// Cards of one world.
const CARDS_IN_A_WORLD: u64 = 5;

fn main() -> ExitCode {
    let options = Options::parse();
    let setting = Setting { issue: issue::Setting::new(), purse: purse::Setting::new() };
    if let Some(seed) = options.replay {
        return replay(&options, &setting, seed);
    }
    let begun = Instant::now();
    let summary = storm(&options, &setting);
    print!("{}", summary.table(begun.elapsed()));
    if summary.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one world and prints every step.
fn replay(options: &Options, setting: &Setting, seed: u64) -> ExitCode {
    let report = run(options, setting, seed, true);
    // A closed pipe is no failure of the world.
    let _ = std::io::stdout().write_all(report.trace.as_bytes());
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs all worlds, on several threads; what comes of them is added up in the order of the worlds.
fn storm(options: &Options, setting: &Setting) -> Summary {
    let worlds = options.cards.div_ceil(CARDS_IN_A_WORLD);
    let threads = options.threads.map_or_else(|| thread::available_parallelism().map_or(1, usize::from), usize::from);
    let bar = ProgressBar::new(worlds * CARDS_IN_A_WORLD).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} cards, {per_sec}, {eta} left")
            .expect("the template is right"),
    );
    let next = AtomicU64::new(0);
    let is_found = AtomicBool::new(false);
    let summary = Mutex::new(Summary::new(options.clone()));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= worlds || is_found.load(Ordering::Relaxed) {
                        break;
                    }
                    let report = run(options, setting, world_seed(options.seed, index), false);
                    bar.inc(CARDS_IN_A_WORLD);
                    // One is enough of what has to be found.
                    if options.sabotage.is_some() && !report.violations.is_empty() {
                        is_found.store(true, Ordering::Relaxed);
                    }
                    summary.lock().unwrap_or_else(PoisonError::into_inner).take(index, report);
                }
            });
        }
    });
    bar.finish_and_clear();
    summary.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What is the same in all worlds of a run.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) store: StoreKind,
}

/// What the worlds of each job share.
struct Setting {
    issue: issue::Setting,
    purse: purse::Setting,
}

/// Runs one world; of all jobs, the seed tells which.
fn run(options: &Options, setting: &Setting, seed: u64, traced: bool) -> WorldReport {
    let cards = CARDS_IN_A_WORLD as usize;
    let setup = Setup { sabotage: options.sabotage, store: options.store };
    match options.job {
        Jobs::Issue => issue::run(&setting.issue, seed, cards, setup, traced),
        Jobs::Purse => purse::run(&setting.purse, seed, cards, setup, traced),
        Jobs::All if seed.is_multiple_of(2) => issue::run(&setting.issue, seed, cards, setup, traced),
        Jobs::All => purse::run(&setting.purse, seed, cards, setup, traced),
    }
}
