//! What every store does. A store's tests call [`suite!`] with its factory.

use super::{Journal, Store, StoreError, Transaction};
use crate::journal::{Entity, Entry, Head, Label, MAX_BODY, Mark, verify};

/// Makes stores of one kind.
pub(super) trait Factory: Sized {
    type Store: Store;

    /// An empty store and what it lives in.
    fn create() -> (Self, Self::Store);

    /// The next run of a program on the same store.
    fn reopen(&self, store: Self::Store) -> Self::Store;
}

/// Makes a test of every function below for one kind of store.
macro_rules! suite {
    ($factory:ty) => {
        $crate::store::suite::suite! { $factory:
            records_are_numbered_linked_and_given_in_order
            a_transaction_is_written_whole
            another_record_since_the_last_look_is_a_conflict
            histories_are_kept_apart
            entities_are_found_by_prefix
            reopening_keeps_every_record_and_raises_the_epoch
            what_cannot_be_a_record_is_refused
            a_body_of_any_legal_length_is_kept
            what_was_left_open_is_found_until_it_is_closed
            a_record_says_who_had_it_written
        }
    };
    ($factory:ty: $($name:ident)*) => {
        $(#[test]
        fn $name() {
            $crate::store::suite::$name::<$factory>();
        })*
    };
}
pub(super) use suite;

pub(super) fn entity(name: &str) -> Entity {
    Entity::new(name).unwrap()
}

pub(super) fn entry(name: &str, body: &[u8]) -> Entry {
    Entry { entity: entity(name), body: body.to_vec() }
}

pub(super) fn records_are_numbered_linked_and_given_in_order<F: Factory>() {
    let (_place, mut store) = F::create();
    assert_eq!(store.head().unwrap(), Head::GENESIS);
    for n in 1..=5 {
        let durable = store.commit(Transaction::new([entry("card/1", &[n])]), 1000 + u64::from(n)).unwrap();
        assert_eq!((durable.first_seq(), durable.last_seq()), (n.into(), n.into()));
    }
    let records = store.records(0, 100).unwrap();
    assert_eq!(verify(&records), Ok(store.head().unwrap()));
    assert_eq!(records.iter().map(|record| record.body[0]).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(records.iter().map(|record| record.time_ms).collect::<Vec<_>>(), [1001, 1002, 1003, 1004, 1005]);
    assert_eq!(store.records(2, 2).unwrap(), records[2..4]);
    assert_eq!(store.records(5, 2).unwrap(), []);
    assert_eq!(store.records(u64::MAX, usize::MAX).unwrap(), []);
    assert_eq!(store.records(0, 0).unwrap(), []);
}

pub(super) fn a_transaction_is_written_whole<F: Factory>() {
    let (place, mut store) = F::create();
    let entries = [entry("card/1", &[1]), entry("job/1", &[2]), entry("card/1", &[3])];
    let durable = store.commit(Transaction::new(entries), 7).unwrap();
    assert_eq!((durable.first_seq(), durable.last_seq()), (1, 3));

    let refused = Transaction::new([entry("card/2", &[4]), entry("card/1", &[5])]).expecting(entity("card/1"), 1);
    assert!(store.commit(refused, 8).is_err());
    let too_long = Transaction::new([entry("card/2", &[4]), entry("card/1", &vec![0; MAX_BODY + 1])]);
    assert!(store.commit(too_long, 8).is_err());
    let store = place.reopen(store);
    assert_eq!(store.head().unwrap().seq, 3);
    assert_eq!(store.history(&entity("card/2")).unwrap(), []);
}

pub(super) fn another_record_since_the_last_look_is_a_conflict<F: Factory>() {
    let (_place, mut store) = F::create();
    let one = || entity("card/1");
    let _ = store.commit(Transaction::new([entry("card/1", &[1])]).expecting(one(), 0), 1).unwrap();
    let _ = store.commit(Transaction::new([entry("card/2", &[1])]).expecting(entity("card/2"), 0), 1).unwrap();
    for expected in [0, 2, u64::MAX] {
        match store.commit(Transaction::new([entry("card/1", &[2])]).expecting(one(), expected), 1) {
            Err(StoreError::Conflict { entity, expected: said, actual: 1 }) if entity == one() && said == expected => {}
            other => panic!("{other:?}"),
        }
    }
    let both = Transaction::new([entry("card/1", &[2])]).expecting(one(), 1).expecting(entity("card/2"), 2);
    assert_eq!(store.commit(both, 1).unwrap().last_seq(), 3);
    let stale = Transaction::new([entry("card/2", &[2])]).expecting(entity("card/2"), 2).expecting(one(), 1);
    assert!(matches!(store.commit(stale, 1), Err(StoreError::Conflict { actual: 3, .. })));
    assert_eq!(store.head().unwrap().seq, 3);
}

pub(super) fn histories_are_kept_apart<F: Factory>() {
    let (_place, mut store) = F::create();
    for n in 0..12 {
        let name = ["card/1", "card/10", "job/1"][usize::from(n % 3)];
        let _ = store.commit(Transaction::new([entry(name, &[n])]), 1).unwrap();
    }
    let bodies =
        |name| -> Vec<u8> { store.history(&entity(name)).unwrap().iter().map(|record| record.body[0]).collect() };
    assert_eq!(bodies("card/1"), [0, 3, 6, 9]);
    assert_eq!(bodies("card/10"), [1, 4, 7, 10]);
    assert_eq!(bodies("job/1"), [2, 5, 8, 11]);
    assert!(bodies("card").is_empty());
}

pub(super) fn entities_are_found_by_prefix<F: Factory>() {
    let (_place, mut store) = F::create();
    for name in ["card/2", "card/1", "Card/1", "card~", "job/%_", "card/1"] {
        let _ = store.commit(Transaction::new([entry(name, &[])]), 1).unwrap();
    }
    let names = |prefix| -> Vec<String> { store.entities(prefix).unwrap().iter().map(ToString::to_string).collect() };
    assert_eq!(names("card/"), ["card/1", "card/2"]);
    assert_eq!(names("card"), ["card/1", "card/2", "card~"]);
    assert_eq!(names(""), ["Card/1", "card/1", "card/2", "card~", "job/%_"]);
    assert_eq!(names("job/%_"), ["job/%_"]);
    assert_eq!(names("%"), [""; 0]);
    assert_eq!(names("\u{e9}"), [""; 0]);
}

pub(super) fn reopening_keeps_every_record_and_raises_the_epoch<F: Factory>() {
    let (place, mut store) = F::create();
    let mut written = Vec::new();
    for run in 1..=4 {
        for n in 0..run {
            let _ = store.commit(Transaction::new([entry("card/1", &[run, n])]), u64::from(run)).unwrap();
        }
        written.extend(store.records(written.len() as u64, 100).unwrap());
        assert_eq!(written.last().map(|record| record.epoch), Some(run.into()));
        store = place.reopen(store);
        assert_eq!(store.records(0, 100).unwrap(), written);
        assert_eq!(verify(&written), Ok(store.head().unwrap()));
    }
    // A run that writes nothing counts too.
    store = place.reopen(store);
    let _ = store.commit(Transaction::new([entry("card/1", &[])]), 1).unwrap();
    assert_eq!(store.records(10, 1).unwrap()[0].epoch, 6);
}

pub(super) fn what_cannot_be_a_record_is_refused<F: Factory>() {
    let (_place, mut store) = F::create();
    assert!(matches!(store.commit(Transaction::default(), 1), Err(StoreError::NothingToWrite)));
    let only_looks = Transaction::default().expecting(entity("card/1"), 0);
    assert!(matches!(store.commit(only_looks, 1), Err(StoreError::NothingToWrite)));
    match store.commit(Transaction::new([entry("card/1", &vec![0; MAX_BODY + 1])]), 1) {
        Err(StoreError::BodyTooLong { length, limit: MAX_BODY, .. }) => assert_eq!(length, MAX_BODY + 1),
        other => panic!("{other:?}"),
    }
    let late = store.commit(Transaction::new([entry("card/1", &[])]), 1 << 63);
    assert!(matches!(late, Err(StoreError::TimeOutOfRange { .. })));
    let unmarked = Transaction::new([entry("card/1", &[])]).opening(entity("card/2"));
    match store.commit(unmarked, 1) {
        Err(StoreError::MarkWithoutEntry { entity: named }) => assert_eq!(named, entity("card/2")),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.head().unwrap(), Head::GENESIS);
}

pub(super) fn a_body_of_any_legal_length_is_kept<F: Factory>() {
    let (place, mut store) = F::create();
    for length in [0, 1, 23, 24, 255, 256, 4096, 65535, 65536, MAX_BODY] {
        let body: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        let name = format!("body/{length}");
        let _ = store.commit(Transaction::new([entry(&name, &body)]), (1 << 63) - 1).unwrap();
        assert_eq!(store.history(&entity(&name)).unwrap()[0].body, body);
    }
    let store = place.reopen(store);
    assert_eq!(verify(store.records(0, 100).unwrap()), Ok(store.head().unwrap()));
}

pub(super) fn what_was_left_open_is_found_until_it_is_closed<F: Factory>() {
    let (place, mut store) = F::create();
    let names = |store: &F::Store, prefix| -> Vec<String> {
        store.open_entities(prefix).unwrap().iter().map(ToString::to_string).collect()
    };
    let write = |store: &mut F::Store, transaction: Transaction| drop(store.commit(transaction, 1).unwrap());
    for name in ["card/2", "card/1", "job/1", "card/3"] {
        write(&mut store, Transaction::new([entry(name, &[1]), entry(name, &[2])]).opening(entity(name)));
    }
    write(&mut store, Transaction::new([entry("card/4", &[1])]));
    assert_eq!(names(&store, ""), ["card/1", "card/2", "card/3", "job/1"]);
    store = place.reopen(store);
    assert_eq!(names(&store, "card/"), ["card/1", "card/2", "card/3"]);
    // One transaction closes one and leaves another open; a record without a mark changes nothing.
    let both = [entry("card/1", &[3]), entry("card/2", &[3]), entry("card/3", &[3])];
    write(&mut store, Transaction::new(both).closing(entity("card/1")).opening(entity("card/2")));
    write(&mut store, Transaction::new([entry("card/2", &[4])]));
    assert_eq!(names(&store, "card/"), ["card/2", "card/3"]);
    store = place.reopen(store);
    assert_eq!(names(&store, "card/"), ["card/2", "card/3"]);
    // The last word counts, and what is refused leaves no mark.
    write(&mut store, Transaction::new([entry("card/2", &[5])]).opening(entity("card/2")).closing(entity("card/2")));
    let stale = Transaction::new([entry("card/3", &[5])]).closing(entity("card/3")).expecting(entity("card/3"), 1);
    assert!(store.commit(stale, 1).is_err());
    write(&mut store, Transaction::new([entry("job/1", &[5])]).closing(entity("job/1")));
    assert_eq!(names(&store, ""), ["card/3"]);
}

pub(super) fn a_record_says_who_had_it_written<F: Factory>() {
    let (_place, mut store) = F::create();
    let (actor, machine) = (Label::new("desk-3").unwrap(), Label::new("remote-issuing").unwrap());
    let transaction = Transaction::new([entry("card/1", &[1]), entry("card/2", &[1]), entry("card/1", &[2])]);
    let transaction = transaction.opening(entity("card/1")).by(actor.clone()).of(machine.clone());
    let _ = store.commit(transaction, 5).unwrap();
    let _ = store.commit(Transaction::new([entry("card/1", &[3])]), 4).unwrap();
    let records = store.records(0, 9).unwrap();
    let origins: Vec<_> = records.iter().map(|record| record.origin.clone().unwrap()).collect();
    assert!(origins[..3].iter().all(|origin| origin.actor == actor && origin.machine == machine));
    let marks: Vec<_> = origins.iter().map(|origin| origin.mark).collect();
    assert_eq!(marks, [Mark::Unchanged, Mark::Unchanged, Mark::Open, Mark::Unchanged]);
    assert!(origins[3].actor.is_empty() && origins[3].machine.is_empty());
    assert!(origins.windows(2).all(|pair| pair[0].uptime_ms <= pair[1].uptime_ms), "{origins:?}");
}
