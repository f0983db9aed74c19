use proptest::prelude::*;

use super::super::suite::{Factory, entity, entry, suite};
use super::*;
use crate::journal::Entry;

struct InMemory;

impl Factory for InMemory {
    type Store = MemoryStore;

    fn create() -> (Self, MemoryStore) {
        (Self, MemoryStore::new())
    }

    fn reopen(&self, store: MemoryStore) -> MemoryStore {
        store.reopen().unwrap()
    }
}

suite!(InMemory);

fn one(n: u8) -> Transaction {
    Transaction::new([entry("card/1", &[n]), entry("card/2", &[n])])
}

#[test]
fn after_a_crash_every_call_answers_that_until_the_store_is_reopened() {
    let mut store = MemoryStore::with_faults(MemoryFaults::none().at(2, Fault::CrashBeforeWrite));
    let _ = store.commit(one(1), 1).unwrap();
    assert!(matches!(store.commit(one(2), 1), Err(StoreError::Crashed)));
    assert!(matches!(store.commit(one(3), 1), Err(error) if error.is_in_doubt()));
    assert!(matches!(store.head(), Err(StoreError::Crashed)));
    assert!(matches!(store.records(0, 1), Err(StoreError::Crashed)));
    assert!(matches!(store.entities(""), Err(StoreError::Crashed)));
    assert!(matches!(store.history(&entity("card/1")), Err(StoreError::Crashed)));
    let mut store = store.reopen().unwrap();
    assert_eq!(store.head().unwrap().seq, 2);
    assert_eq!(store.commit(one(2), 1).unwrap().last_seq(), 4);
    assert_eq!(store.epoch(), 2);
}

#[test]
fn what_was_synced_is_there_though_nobody_was_told() {
    let mut store = MemoryStore::with_faults(MemoryFaults::none().at(1, Fault::CrashAfterSync));
    assert!(matches!(store.commit(one(1), 1), Err(StoreError::Crashed)));
    assert_eq!(store.reopen().unwrap().head().unwrap().seq, 2);
}

#[test]
fn a_full_disk_takes_nothing_and_the_next_commit_goes_on() {
    let mut store = MemoryStore::with_faults(MemoryFaults::none().at(1, Fault::DiskFull));
    match store.commit(one(1), 1) {
        Err(error @ StoreError::Full) => assert!(!error.is_in_doubt()),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.commit(one(1), 1).unwrap().first_seq(), 1);
}

#[test]
fn a_write_that_was_not_synced_is_lost_or_torn_and_never_there_in_part() {
    let mut lengths = std::collections::BTreeSet::new();
    let (mut there, mut gone) = (0, 0);
    for seed in 0..2000 {
        let mut store = MemoryStore::with_faults(MemoryFaults::seeded(seed, 0).at(1, Fault::CrashAfterWrite));
        assert!(store.commit(one(1), 1).is_err());
        lengths.insert(store.log().len());
        match store.reopen().unwrap().head().unwrap().seq {
            0 => gone += 1,
            2 => there += 1,
            seq => panic!("{seq} records of 2"),
        }
    }
    assert!(there > 100 && gone > 100 && lengths.len() > 150, "{there} {gone} {}", lengths.len());
}

#[test]
fn the_same_seed_fails_in_the_same_way() {
    let run = |seed| {
        let mut store = MemoryStore::with_faults(MemoryFaults::seeded(seed, 3));
        for n in 0..50 {
            if matches!(store.commit(one(n), 1), Err(StoreError::Crashed)) {
                store = store.reopen().unwrap();
            }
        }
        store.log().to_vec()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_store_that_does_not_sync_loses_what_it_has_acknowledged() {
    let lost = |sync| {
        (0..100).any(|seed| {
            let mut store = MemoryStore::with_faults(MemoryFaults::seeded(seed, 0).sync(sync));
            let last_seq = (0..5).map(|n| store.commit(one(n), 1).unwrap().last_seq()).last().unwrap();
            // A program that ends without a power cut loses nothing.
            let mut store = store.reopen().unwrap();
            assert_eq!(store.head().unwrap().seq, last_seq);
            store.crash();
            store.reopen().unwrap().head().unwrap().seq < last_seq
        })
    };
    assert!(lost(false));
    assert!(!lost(true));
}

#[test]
fn a_frame_with_a_right_checksum_and_no_records_is_damage_at_its_offset() {
    let mut log = MemoryStore::new().log().to_vec();
    let offset = log.len() as u64;
    let mut other = Vec::new();
    log::append(&mut other, 1, &[]);
    let payload = [0x80];
    log.extend_from_slice(&1u64.to_be_bytes());
    log.extend_from_slice(&payload);
    log.extend_from_slice(&<sha2::Sha256 as sha2::Digest>::digest(payload)[..8]);
    match MemoryStore::from_log(log, MemoryFaults::none()) {
        Err(StoreError::Damaged { place, .. }) => assert_eq!(place, crate::store::Place::Byte { offset }),
        other => panic!("{other:?}"),
    }
}

proptest! {
    /// The promise of a store: what was acknowledged is there and whole; what was not is there whole or not at all.
    #[test]
    fn acknowledged_transactions_survive_and_none_is_there_in_part(
        seed: u64,
        one_in in 1u32..6,
        sizes in prop::collection::vec((1usize..5, 0usize..40), 1..40),
    ) {
        let mut store = MemoryStore::with_faults(MemoryFaults::seeded(seed, one_in));
        let mut acknowledged = Vec::new();
        for (number, &(entries, length)) in sizes.iter().enumerate() {
            let name = format!("transaction/{number}");
            let entries: Vec<Entry> = (0..entries).map(|n| entry(&name, &vec![n as u8; length])).collect();
            match store.commit(Transaction::new(entries), number as u64) {
                Ok(durable) => acknowledged.push((number, durable.first_seq(), durable.last_seq())),
                Err(StoreError::Crashed) => store = store.reopen().unwrap(),
                Err(StoreError::Full) => prop_assert!(store.history(&entity(&name)).unwrap().is_empty()),
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            }
        }
        store.crash();
        let store = store.reopen().unwrap();
        for (number, &(entries, _)) in sizes.iter().enumerate() {
            let history = store.history(&entity(&format!("transaction/{number}"))).unwrap();
            match acknowledged.iter().find(|(acknowledged, ..)| *acknowledged == number) {
                Some(&(_, first, last)) => {
                    let seqs: Vec<u64> = history.iter().map(|record| record.seq).collect();
                    prop_assert_eq!(seqs, (first..=last).collect::<Vec<_>>());
                    prop_assert_eq!(history.len(), entries);
                }
                None => prop_assert!(history.is_empty() || history.len() == entries),
            }
        }
        prop_assert_eq!(verify(store.records(0, usize::MAX).unwrap()).unwrap(), store.head().unwrap());
    }

    #[test]
    fn no_log_makes_a_reader_panic(mut log in prop::collection::vec(any::<u8>(), 0..200), place: usize, flip: u8) {
        let _ = MemoryStore::from_log(log.clone(), MemoryFaults::none());
        let mut store = MemoryStore::new();
        let _ = store.commit(one(1), 1).unwrap();
        log.splice(0..0, store.log().iter().copied());
        let place = place % log.len();
        log[place] ^= flip;
        if let Ok(found) = MemoryStore::from_log(log, MemoryFaults::none()) {
            prop_assert!(store.records(0, 9).unwrap().starts_with(&found.records(0, 9).unwrap()));
        }
    }
}
