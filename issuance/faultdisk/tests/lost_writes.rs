//! The power goes at any point of any write: what the store acknowledged is there, and nothing is there in part.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cardwright_faultdisk::{Disk, Left, Recording};
use cardwright_issuance::audit::{self, Trust};
use cardwright_issuance::journal::{Entity, Entry, SoftwareSigner, verify};
use cardwright_issuance::store::{Journal, SqliteOptions, SqliteStore, Store, StoreError, Transaction};

const TRANSACTIONS: u64 = 18;
const EACH: u64 = 3;

/// A folder in memory where there is one: the recorder knows what a disk would have lost.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("issue.journal")
}

fn body(seq: u64) -> Vec<u8> {
    vec![seq as u8; 50 + (seq as usize * 37) % 900]
}

fn signed() -> SqliteOptions {
    SqliteOptions::new().signer(Box::new(SoftwareSigner::new(&[7; 32])), 25, Duration::from_secs(3600))
}

/// Records a run that commits, brings its log home often, and ends properly.
fn recording(synchronous: &str) -> Recording {
    let folder = folder();
    let disk = Disk::under(folder.path());
    drop(signed().open(path(folder.path())).unwrap());
    disk.record();
    let mut store = signed().open(path(folder.path())).unwrap();
    assert_eq!(disk.pragma("PRAGMA wal_autocheckpoint = 16"), 1);
    assert_eq!(disk.pragma(&format!("PRAGMA synchronous = {synchronous}")), 1);
    for n in 0..TRANSACTIONS {
        let entity = Entity::new(&format!("card/{}", n % 7)).unwrap();
        let entries = (1..=EACH).map(|m| Entry { entity: entity.clone(), body: body(n * EACH + m) });
        let transaction = Transaction::new(entries.collect::<Vec<_>>()).opening(entity);
        let durable = store.commit(transaction, n).unwrap();
        disk.acknowledged(durable.last_seq());
    }
    drop(store);
    disk.recorded()
}

/// What the next run of the program finds wrong, if anything.
fn violation(recording: &Recording, count: usize, left: Left) -> Option<String> {
    let folder = folder();
    Recording::put(&recording.cut(count, left), folder.path());
    let acknowledged = recording.acknowledged(count);
    let store = match signed().open(path(folder.path())) {
        Ok(store) => store,
        Err(error) => return Some(error.to_string()),
    };
    let records = store.records(0, usize::MAX).unwrap();
    let last = records.len() as u64;
    if last < acknowledged {
        return Some(format!("{acknowledged} records were acknowledged, {last} are there"));
    }
    if !last.is_multiple_of(EACH) {
        return Some(format!("{last} records: a transaction is there in part"));
    }
    if let Some(record) = records.iter().find(|record| record.body != body(record.seq)) {
        return Some(format!("record {} is another one", record.seq));
    }
    if verify(&records).ok() != store.head().ok() {
        return Some("the chain is broken".into());
    }
    // The listing of what is open is part of the same transactions.
    let open = store.open_entities("").unwrap().len() as u64;
    if open != (last / EACH).min(7) {
        return Some(format!("{open} entities are open after {last} records"));
    }
    drop(store);
    audit::verify(path(folder.path()), &Trust::default()).err().map(|error| error.to_string())
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_at_any_write() {
    let recording = recording("FULL");
    assert!(recording.syncs() > TRANSACTIONS as usize, "{} syncs", recording.syncs());
    for count in 0..=recording.len() {
        for left in [Left::Nothing, Left::Everything, Left::Torn(count as u64)] {
            if let Some(violation) = violation(&recording, count, left) {
                panic!("after {count} of {} operations, {left:?}: {violation}", recording.len());
            }
        }
    }
}

/// The test above is able to fail: with this setting SQLite does not sync at a commit.
#[test]
fn with_synchronous_normal_acknowledged_records_are_lost() {
    let recording = recording("NORMAL");
    let lost = (0..=recording.len()).step_by(2).filter(|count| {
        violation(&recording, *count, Left::Nothing).is_some_and(|violation| violation.contains("were acknowledged"))
    });
    assert!(lost.count() > 10, "nothing was lost");
}

#[test]
fn a_full_disk_takes_nothing_at_any_point_and_work_goes_on_when_there_is_room() {
    let folder = folder();
    let disk = Disk::under(folder.path());
    let mut store = SqliteStore::open(path(folder.path())).unwrap();
    disk.pragma("PRAGMA wal_autocheckpoint = 24");
    let entry = |n: u64| Entry { entity: Entity::new("card/1").unwrap(), body: body(n) };
    let mut full = 0;
    for n in 1..=120 {
        // The log is about 25 pages long when it is brought home; so the disk is full within and between commits.
        disk.set_quota(Some(4096 * (n % 29)));
        let before = store.head().unwrap();
        match store.commit(Transaction::new([entry(n)]).expecting(entry(n).entity, before.seq), n) {
            Ok(durable) => assert_eq!(durable.last_seq(), before.seq + 1),
            Err(error @ StoreError::Full) => {
                assert!(!error.is_in_doubt());
                assert_eq!(store.head().unwrap(), before);
                full += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!((20..100).contains(&full), "full {full} times of 120");
    disk.set_quota(None);
    let before = store.head().unwrap().seq;
    assert_eq!(store.commit(Transaction::new([entry(1)]), 1).unwrap().last_seq(), before + 1);
    drop(store);
    assert_eq!(audit::verify(path(folder.path()), &Trust::default()).unwrap().head.seq, before + 1);
}

#[test]
fn a_commit_whose_sync_fails_is_in_doubt_and_the_next_opening_tells() {
    let folder = folder();
    let disk = Disk::under(folder.path());
    let mut store = SqliteStore::open(path(folder.path())).unwrap();
    let entry = |n: u64| Entry { entity: Entity::new("card/1").unwrap(), body: body(n) };
    let _ = store.commit(Transaction::new([entry(1)]), 1).unwrap();
    disk.fail_syncs(true);
    let mut other = store.clone();
    match store.commit(Transaction::new([entry(2)]), 2) {
        Err(error) => assert!(error.is_in_doubt(), "{error}"),
        Ok(_) => panic!("it was acknowledged"),
    }
    disk.fail_syncs(false);
    // Nobody decides anything on what may be there or not.
    assert!(matches!(other.commit(Transaction::new([entry(3)]), 3), Err(StoreError::Poisoned)));
    assert!(matches!(store.head(), Err(StoreError::Poisoned)));
    drop((store, other));
    let mut store = SqliteStore::open(path(folder.path())).unwrap();
    let last = store.head().unwrap().seq;
    assert!((1..=2).contains(&last));
    assert_eq!(store.commit(Transaction::new([entry(3)]), 3).unwrap().last_seq(), last + 1);
}

#[test]
fn commits_that_wait_share_a_sync_and_one_that_comes_alone_has_its_own() {
    let folder = folder();
    let disk = Disk::under(folder.path());
    let store = SqliteStore::open(path(folder.path())).unwrap();
    let run = |sessions: u64, each: u64| {
        disk.record();
        std::thread::scope(|scope| {
            for session in 0..sessions {
                let mut store = store.clone();
                scope.spawn(move || {
                    let entry = Entry { entity: Entity::new(&format!("card/{session}")).unwrap(), body: body(session) };
                    for n in 0..each {
                        let _ = store.commit(Transaction::new([entry.clone()]), n).unwrap();
                    }
                });
            }
        });
        disk.recorded().syncs() as u64
    };
    let alone = run(1, 40);
    assert!((40..=44).contains(&alone), "{alone} syncs for 40 commits");
    let together = run(16, 40);
    assert!(together < 16 * 40 / 2, "{together} syncs for {} commits", 16 * 40);
}
