//! The issuing program is killed (SIGKILL) again and again while it issues to a card that lives in another process: the
//! next run finishes the card, each application is issued once, and the journal holds together.
//!
//! Five kills by default; `CARDWRIGHT_KILLS=200` for as many, which `scripts/check.sh` does.
#![cfg(unix)]

mod support;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cardwright::apdu::transport::vpcd::VirtualReader;
use cardwright::issuance::audit::{self, Trust};
use cardwright::issuance::event::{Event, StepEvent};
use cardwright::issuance::journal::Entity;
use cardwright::issuance::remote::steps;
use cardwright::issuance::store::{Journal, SqliteReader};

/// Kills while one card is issued.
const KILLS_OF_A_CARD: u32 = 4;
/// The example's application.
const APPLICATION: &str = "/application/A00000038698070101";

/// A program that is ended at the end of the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A card in its own process, which looks for a reader at this port.
fn card(folder: &Path, port: u16) -> Running {
    let mut program = support::example("virtual_card");
    program.current_dir(folder).args(["--seed", "5", "--port", &port.to_string()]);
    Running(program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn issue(folder: &Path, port: u16) -> Command {
    let mut program = support::example("issue");
    program.current_dir(folder).args(["--listen", &port.to_string()]);
    program
}

fn free_port() -> u16 {
    VirtualReader::bind(0).unwrap().local_addr().unwrap().port()
}

fn finished(folder: &Path, port: u16) -> String {
    let Output { status, stdout, stderr } = issue(folder, port).output().unwrap();
    let words = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{status}: {words}");
    words
}

/// What is on the card, as the card says.
fn table(words: &str) -> &str {
    words.split("Now on the card").nth(1).unwrap().split("\n\n").next().unwrap()
}

/// Kills the program after `time`, unless it has ended; gives whether it was killed.
fn run_and_kill(folder: &Path, port: u16, time: Duration) -> bool {
    let mut program = issue(folder, port);
    let mut program = Running(program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    std::thread::sleep(time);
    program.0.kill().unwrap();
    let status = program.0.wait().unwrap();
    assert!(status.signal() == Some(9) || status.success(), "{status}");
    status.signal() == Some(9)
}

/// How often each step of the application succeeded, and the application was completed, as the journal says.
fn counts(journal: &Path) -> BTreeMap<String, usize> {
    let reader = SqliteReader::open(journal).unwrap();
    assert!(reader.finding().is_none(), "{:?}", reader.finding());
    assert_eq!(reader.open_entities("").unwrap(), [] as [Entity; 0], "something is still open");
    let mut counts = BTreeMap::new();
    for record in reader.records(0, usize::MAX).unwrap() {
        let name = match Event::of(&record).unwrap() {
            Event::Step { step, event: StepEvent::Succeeded { .. }, .. } => step,
            Event::Completed { .. } if record.entity.as_str().ends_with(APPLICATION) => "completed".to_owned(),
            Event::Gone => "gone".to_owned(),
            _ => continue,
        };
        *counts.entry(name).or_default() += 1;
    }
    counts
}

#[test]
fn killed_at_any_moment_the_program_issues_each_application_once() {
    let wanted: u32 = std::env::var("CARDWRIGHT_KILLS").map_or(5, |kills| kills.parse().expect("a number"));
    let (killed, random) = (AtomicU32::new(0), AtomicU64::new(0x2545_F491_4F6C_DD1D));
    // What it looks like when nothing is killed, and how long that takes.
    let reference = tempfile::tempdir().unwrap();
    let port = free_port();
    let running = card(reference.path(), port);
    let begun = Instant::now();
    let words = finished(reference.path(), port);
    let whole = begun.elapsed();
    drop(running);
    let once = counts(&reference.path().join("issue.journal"));
    assert_eq!(
        (once.get(steps::LOAD), once.get(steps::INSTALL), once.get("completed")),
        (Some(&1), Some(&1), Some(&1))
    );

    let one_card = || {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let _card = card(folder.path(), port);
        for _ in 0..KILLS_OF_A_CARD {
            if killed.load(Ordering::Relaxed) >= wanted {
                break;
            }
            let number = random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32;
            let time = whole.mul_f64(number as f64 / f64::from(u32::MAX));
            if run_and_kill(folder.path(), port, time) {
                killed.fetch_add(1, Ordering::Relaxed);
            }
        }
        let last = finished(folder.path(), port);
        assert_eq!(table(&last), table(&words), "another card than without a kill");
        let journal = folder.path().join("issue.journal");
        audit::verify(&journal, &Trust::default()).unwrap();
        let counts = counts(&journal);
        for step in [steps::LOAD, steps::INSTALL, steps::DOMAIN_KEYS, steps::MASTER_KEY, "completed", "gone"] {
            assert_eq!(counts.get(step), once.get(step), "{step}: {counts:?}");
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while killed.load(Ordering::Relaxed) < wanted {
                    one_card();
                }
            });
        }
    });
    println!("killed {} times, {whole:?} a card", killed.into_inner());
}
