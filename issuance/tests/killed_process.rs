//! A program is killed while it commits: what it was told to be durable is there.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use cardwright_issuance::journal::{Entity, Entry, verify};
use cardwright_issuance::store::{Journal, SqliteStore, Store, Transaction};

const JOURNAL: &str = "CARDWRIGHT_TEST_JOURNAL";

#[test]
fn records_acknowledged_before_a_kill_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut last = 0;
    let mut random = 0x2545_F491u64;
    for round in 1..=10 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let acknowledged = run_and_kill(&path, Duration::from_micros(random >> 33 & 0x1FFFF));
        let store = SqliteStore::open(&path).unwrap();
        let head = store.head().unwrap();
        let records = store.records(0, usize::MAX).unwrap();
        assert_eq!(verify(&records), Ok(head));
        assert_eq!(records.len() as u64, head.seq);
        assert!(head.seq >= acknowledged.max(last), "round {round}: {} of {acknowledged}", head.seq);
        assert!(head.seq.is_multiple_of(3), "round {round}: a transaction of three records is there in part");
        last = head.seq;
    }
    assert!(last > 0);
}

/// Lets a program commit for `time` after its first acknowledgement; gives the last one that came through.
fn run_and_kill(path: &Path, time: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_program_that_is_killed", "--nocapture", "--test-threads=1"])
        .env(JOURNAL, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (started, start) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut last = 0;
        for line in output.lines().map_while(Result::ok) {
            if let Some(seq) = line.strip_prefix("durable ").and_then(|seq| seq.strip_suffix('.')) {
                last = seq.parse().unwrap();
                let _ = started.send(());
            }
        }
        last
    });
    start.recv_timeout(Duration::from_secs(30)).expect("the program commits");
    std::thread::sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// Does nothing unless it is started by the test above.
#[test]
fn the_program_that_is_killed() {
    let Some(path) = std::env::var_os(JOURNAL) else { return };
    let mut store = SqliteStore::open(path).unwrap();
    let mut out = std::io::stdout();
    writeln!(out).unwrap();
    for n in 0u32.. {
        let entity = Entity::new(&format!("card/{}", n % 50)).unwrap();
        let entry = Entry { entity, body: vec![0x5A; 400] };
        let transaction = Transaction::new([entry.clone(), entry.clone(), entry]);
        let durable = store.commit(transaction, n.into()).unwrap();
        writeln!(out, "durable {}.", durable.last_seq()).unwrap();
        out.flush().unwrap();
    }
}
