//! Durable commits of the embedded store beside raw appends, each followed by fdatasync, on the same disk in the same run.
//!
//! Counted are commits that were acknowledged as durable. Disks are noisy, so rounds of each kind take turns and the ratio is
//! the median of the rounds' ratios. A store is measured as it is in service: its write-ahead log has its length, and is written
//! over from the beginning each time it was brought home; while it still grows, a commit costs what a raw append does.

//!
//! Then what opening and recovery cost at two sizes; `CARDWRIGHT_RECORDS` gives another larger one than 10^6.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cardwright::issuance::journal::{CheckpointSigner, Entity, Entry, Label, SoftwareSigner};
use cardwright::issuance::store::{Journal, SqliteOptions, SqliteStore, Store, Transaction};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1500);
/// Bytes of a record's body, and of a raw append.
const BODY: usize = 300;
const SESSIONS: usize = 64;
/// Commits of 100 pages, by which the log is brought home and begun anew.
const FILLING: u64 = 16;
/// Commits of one card: the intent and the outcome of each step.
const COMMITS_OF_A_CARD: u64 = 12;

fn main() {
    // Cargo's test harness asks benchmarks for their list.
    if std::env::args().any(|argument| argument == "--list" || argument == "--test") {
        return;
    }
    // The disk of the build, not a file system in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let kinds: [(&str, &dyn Fn(usize) -> Round); 4] = [
        ("raw append + fdatasync", &|round| raw(&folder.path().join(format!("raw-{round}")))),
        ("one stream", &|round| store(&folder.path().join(format!("one-{round}")), 1, false)),
        ("64 sessions", &|round| store(&folder.path().join(format!("many-{round}")), SESSIONS, false)),
        ("64 sessions, signed", &|round| store(&folder.path().join(format!("signed-{round}")), SESSIONS, true)),
    ];
    let rounds: Vec<Vec<Round>> = (0..ROUNDS).map(|round| kinds.iter().map(|(_, run)| run(round)).collect()).collect();

    println!("journal                  commits/s  to raw      p50 ms    p99 ms");
    for (kind, (name, _)) in kinds.iter().enumerate() {
        let of = |value: &dyn Fn(&[Round]) -> f64| median(rounds.iter().map(|round| value(round)).collect());
        println!(
            "journal {name:22} {:9.0} {:7.2} {:9.3} {:9.3}",
            of(&|round| round[kind].rate),
            of(&|round| round[kind].rate / round[0].rate),
            of(&|round| round[kind].p50_ms),
            of(&|round| round[kind].p99_ms),
        );
    }

    println!("\njournal opened         records   signed ms    whole ms     open entities   found in ms");
    let larger = std::env::var("CARDWRIGHT_RECORDS").map_or(1_000_000, |records| records.parse().expect("a number"));
    for records in [100_000, larger] {
        opening(&folder.path().join(format!("journal-{records}")), records);
    }
}

/// Entities that are open when a journal is opened again.
const OPEN: u64 = 1000;

/// Prints what it costs to open a journal of so many records by its last signed checkpoint, and by verifying all of it.
fn opening(path: &Path, records: u64) {
    const AT_ONCE: u64 = 1000;
    let signer = || Box::new(SoftwareSigner::new(&[7; 32]));
    let mut store =
        SqliteOptions::new().signer(signer(), 1000, Duration::from_secs(3600)).open(path).expect("a journal");
    for first in (0..records).step_by(AT_ONCE as usize) {
        let entry = |n: u64| Entry {
            entity: Entity::new(&format!("card/cplc-{:024x}", n / COMMITS_OF_A_CARD)).expect("a name"),
            body: vec![n as u8; 100],
        };
        let mut transaction = Transaction::new((first..first + AT_ONCE).map(entry).collect::<Vec<_>>());
        if first % (records / 10) == 0 {
            for n in (first..first + AT_ONCE).step_by((10 * AT_ONCE / OPEN) as usize) {
                transaction = transaction.opening(entry(n).entity);
            }
        }
        let _ = store.commit(transaction, 1_700_000_000_000 + first).expect("a commit");
    }
    drop(store);
    let key = CheckpointSigner::public_key(&*signer());
    let timed = |options: &dyn Fn() -> SqliteOptions, times| {
        let once = |_| {
            let begun = Instant::now();
            let store = options().open(path).expect("the journal opens");
            let took = begun.elapsed().as_secs_f64() * 1e3;
            let begun = Instant::now();
            let open = store.open_entities("").expect("the open ones").len();
            (took, open, begun.elapsed().as_secs_f64() * 1e3)
        };
        let all: Vec<_> = (0..times).map(once).collect();
        (median(all.iter().map(|one| one.0).collect()), all[0].1, median(all.iter().map(|one| one.2).collect()))
    };
    let (signed, open, found) = timed(&|| SqliteOptions::new().trust(key), 9);
    let (whole, ..) = timed(&SqliteOptions::new, 1);
    println!("journal opened {records:14} {signed:11.2} {whole:11.1} {open:17} {found:13.3}");
}

struct Round {
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Round {
    fn of(mut latencies: Vec<Duration>, took: Duration) -> Self {
        latencies.sort_unstable();
        let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize].as_secs_f64() * 1e3;
        Self { rate: latencies.len() as f64 / took.as_secs_f64(), p50_ms: at(0.5), p99_ms: at(0.99) }
    }
}

fn raw(path: &Path) -> Round {
    let mut file = OpenOptions::new().create_new(true).append(true).open(path).expect("a file");
    let (begun, mut latencies) = (Instant::now(), Vec::new());
    while begun.elapsed() < ROUND {
        let before = Instant::now();
        file.write_all(&[0x5A; BODY]).and_then(|()| file.sync_data()).expect("an append");
        latencies.push(before.elapsed());
    }
    Round::of(latencies, begun.elapsed())
}

fn store(path: &Path, sessions: usize, signed: bool) -> Round {
    let options = match signed {
        true => SqliteOptions::new().signer(Box::new(SoftwareSigner::new(&[7; 32])), 1000, Duration::from_secs(10)),
        false => SqliteOptions::new(),
    };
    let mut store = options.open(path).expect("a journal");
    for n in 0..FILLING {
        let entry = Entry { entity: Entity::new("filling").expect("a name"), body: vec![0; 100_000] };
        let _ = store.commit(Transaction::new(vec![entry; 4]), n).expect("a commit");
    }
    let (start, stop) = (Barrier::new(sessions + 1), AtomicBool::new(false));
    let (latencies, took) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..sessions)
            .map(|session| {
                let (store, start, stop) = (store.clone(), &start, &stop);
                scope.spawn(move || {
                    start.wait();
                    issue(store, session, stop)
                })
            })
            .collect();
        start.wait();
        let begun = Instant::now();
        std::thread::sleep(ROUND);
        stop.store(true, Ordering::Relaxed);
        let latencies: Vec<Duration> =
            threads.into_iter().flat_map(|thread| thread.join().expect("a session")).collect();
        (latencies, begun.elapsed())
    });
    Round::of(latencies, took)
}

/// Commits as a session does that issues one card after another.
fn issue(mut store: SqliteStore, session: usize, stop: &AtomicBool) -> Vec<Duration> {
    let mut latencies = Vec::new();
    let job = Label::new("job").expect("a label");
    let mut last_seq = 0;
    for n in 0u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (card, step) = (n / COMMITS_OF_A_CARD, n % COMMITS_OF_A_CARD);
        let entity = Entity::new(&format!("card/cplc-{session:08x}{card:016x}")).expect("a name");
        let expected = if step == 0 { 0 } else { last_seq };
        let entry = Entry { entity: entity.clone(), body: vec![0x5A; BODY] };
        let transaction = Transaction::new([entry]).expecting(entity.clone(), expected).of(job.clone());
        let transaction = if step % 2 == 0 { transaction.opening(entity) } else { transaction.closing(entity) };
        let before = Instant::now();
        last_seq = store.commit(transaction, 1_700_000_000_000 + n).expect("a commit").last_seq();
        latencies.push(before.elapsed());
    }
    latencies
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
