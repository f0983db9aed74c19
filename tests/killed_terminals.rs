//! Server and terminal are killed (SIGKILL) in turn while cards are issued over the network: in the end every card is complete, holds
//! the keys that it should, and each step was done once.
//!
//! Twenty cards and a dozen kills by default; `CARDWRIGHT_CARDS=200` for as many, which `scripts/check.sh` does.
#![cfg(unix)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cardwright::issuance::event::{Event, StepEvent};
use cardwright::issuance::store::{Journal, SqliteReader};
use cardwright_sim::{CardFile, JavaCard};

const APPLICATIONS: u8 = 2;

/// A program that is ended at the end of the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

fn program(folder: &Path, name: &str, arguments: &[&str]) -> Command {
    let mut program = support::example(name);
    program.current_dir(folder).args(arguments);
    program
}

fn start(mut program: Command) -> Running {
    Running(program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn made(folder: &Path, name: &str, arguments: &[&str], file: &str) {
    let output = program(folder, name, arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(folder.join(file), output.stdout).unwrap();
}

fn cards() -> u32 {
    std::env::var("CARDWRIGHT_CARDS").map_or(20, |text| text.parse().unwrap())
}

/// A folder with the keys of a server and a terminal that know each other.
fn enrolled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), "server", &["--new-identity", "server.key"], "server.pin");
    made(folder.path(), "terminal", &["--new-identity", "kiosk.key", "--name", "kiosk-1"], "terminals.txt");
    folder
}

fn server(folder: &Path, address: &str, more: &[&str]) -> Command {
    let mut server = program(folder, "server", &["--listen", address, "--grace", "1000", "--apps", "2"]);
    server.args(more);
    server
}

fn terminal(folder: &Path, address: &str, cards: u32) -> Command {
    program(folder, "terminal", &["--server", address, "--count", &cards.to_string(), "--slots", "3"])
}

#[test]
fn killed_in_turn_all_cards_end_right() {
    let (folder, cards) = (enrolled(), cards());
    let folder = folder.path();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut running_server = start(server(folder, &address, &[]));
    let mut running_terminal = start(terminal(folder, &address, cards));
    let (mut kills, mut chance) = (0_u64, 0x9E37_79B9_u64);
    let until = Instant::now() + Duration::from_secs(120 + u64::from(cards) * 3);
    // The terminal ends by itself once the last card is done; it is not always allowed to.
    while !running_terminal.has_ended() {
        assert!(Instant::now() < until, "the cards do not come to an end");
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(200 + (chance >> 33) % 400));
        if kills >= u64::from(cards).min(80) {
            continue;
        }
        kills += 1;
        if kills.is_multiple_of(2) {
            drop(running_server);
            running_server = start(server(folder, &address, &[]));
        } else {
            drop(running_terminal);
            running_terminal = start(terminal(folder, &address, cards));
        }
    }
    assert!(running_terminal.0.wait().unwrap().success());
    drop(running_server);
    assert!(kills >= 2, "{kills} kills");
    check(folder, cards);
}

/// What the cards hold, and how often each step was done.
fn check(folder: &Path, cards: u32) {
    let reader = SqliteReader::open(folder.join("server.journal")).unwrap();
    let mut done: BTreeMap<(String, String), u32> = BTreeMap::new();
    assert!(reader.finding().is_none(), "{:?}", reader.finding());
    for record in reader.records(0, usize::MAX).unwrap() {
        if let Event::Step { step, event: StepEvent::Succeeded { .. }, .. } = Event::of(&record).unwrap() {
            *done.entry((record.entity.as_str().to_owned(), step)).or_default() += 1;
        }
    }
    let once = |step: &str| done.iter().filter(|((_, name), times)| name == step && **times == 1).count() as u32;
    for step in ["load", "install", "master-key"] {
        assert_eq!(once(step), cards * u32::from(APPLICATIONS), "{step}: {done:?}");
    }
    let mut serials = std::collections::BTreeSet::new();
    for number in 1..=cards {
        let path = folder.join(format!("cards/done/{number:04}.card"));
        let file = CardFile::<JavaCard>::open(&path).unwrap();
        let card = file.card();
        for application in 1..=APPLICATIONS {
            let aid = support::aid(&format!("A0000003869807010{application}"));
            let application = card.pboc_application(&aid).unwrap();
            assert!(serials.insert((*application.master_key().value(), aid)), "two cards with one key");
            assert_eq!(application.master_key().tries_left(), 3);
        }
        let test_key = hex::decode(support::TEST_KEY).unwrap();
        let has_test_key = card.key_sets().iter().flat_map(|set| &set.keys).any(|key| key.value[..] == test_key);
        assert!(!has_test_key, "card {number} has the key of all blanks");
    }
}

#[test]
fn a_terminal_that_is_not_enrolled_gets_nothing_and_its_owner_is_told() {
    let folder = enrolled();
    let folder = folder.path();
    made(folder, "terminal", &["--new-identity", "other.key", "--name", "kiosk-9"], "ignored.txt");
    let mut serving = server(folder, "127.0.0.1:0", &[]);
    let mut serving = Running(serving.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(serving.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening at ").unwrap();
    let refused = terminal(folder, address, 1).args(["--identity", "other.key"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("does not admit this terminal"), "{words}");
    let mut alarm = String::new();
    BufReader::new(serving.0.stderr.take().unwrap()).read_line(&mut alarm).unwrap();
    assert!(alarm.contains("ALARM") && alarm.contains("is not enrolled"), "{alarm}");

    // A server that the terminal does not know.
    std::fs::write(folder.join("server.pin"), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        .unwrap();
    let refused = terminal(folder, address, 1).output().unwrap();
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(words.contains("is not known here"), "{words}");
    let card = CardFile::<JavaCard>::open(folder.join("cards/0001.card")).unwrap();
    assert_eq!(card.card().registry().len(), JavaCard::builder().seed(1).build().registry().len());
}
