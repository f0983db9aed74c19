use std::collections::BTreeMap;
use std::fs;
use std::sync::Barrier;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::suite::{Factory, entity, entry, suite};
use super::super::{ForeignFile, Place};
use super::*;
use crate::journal::verify;

struct InFolder(TempDir);

impl InFolder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("a #1 %?journal.db")
    }

    fn open(&self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(self.path())
    }

    /// Every file in the folder with its bytes.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = fs::read_dir(self.0.path()).unwrap().map(|found| found.unwrap().path());
        files.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    /// A closed journal with `count` records of about 300 bytes.
    fn with_records(count: u8) -> Self {
        let place = Self::new();
        let mut store = place.open().unwrap();
        for n in 0..count {
            commit(&mut store, n);
        }
        drop(store);
        place
    }

    /// Changes a journal behind the store's back.
    fn tamper(&self, sql: &str) {
        let connection = Connection::open(self.path()).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    /// Opening for writing is refused and leaves all files as they were.
    fn refused(&self) -> StoreError {
        let before = self.files();
        let error = self.open().expect_err("the file is refused");
        assert!(self.files() == before, "something was written: {error}");
        error
    }
}

impl Factory for InFolder {
    type Store = SqliteStore;

    fn create() -> (Self, SqliteStore) {
        let place = Self::new();
        let store = place.open().unwrap();
        (place, store)
    }

    fn reopen(&self, store: SqliteStore) -> SqliteStore {
        drop(store);
        self.open().unwrap()
    }
}

suite!(InFolder);

fn commit(store: &mut SqliteStore, n: u8) {
    let name = format!("card/{}", n % 7);
    let _ = store.commit(Transaction::new([entry(&name, &[n; 300])]), u64::from(n)).unwrap();
}

#[test]
fn the_header_of_the_file_itself_is_complete_before_anything_is_recorded() {
    let place = InFolder::new();
    let mut store = place.open().unwrap();
    commit(&mut store, 1);
    let header = fs::read(place.path()).unwrap();
    assert_eq!(header[68..72], *b"CWJL");
    assert_eq!(header[60..64], SCHEMA_VERSION.to_be_bytes());
    assert_eq!(header[18..20], [2, 2]);
    drop(store);
    assert_eq!(place.files().len(), 1, "no side file remains after a proper end");
}

#[test]
fn an_empty_file_becomes_a_journal_and_keeps_its_mode() {
    let place = InFolder::new();
    fs::write(place.path(), []).unwrap();
    #[cfg(unix)]
    let mode = {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o600)).unwrap();
        |place: &InFolder| fs::metadata(place.path()).unwrap().permissions().mode() & 0o777
    };
    commit(&mut place.open().unwrap(), 1);
    assert_eq!(place.open().unwrap().head().unwrap().seq, 1);
    #[cfg(unix)]
    assert_eq!(mode(&place), 0o600);
}

#[test]
fn an_empty_file_beside_the_log_of_a_database_is_refused() {
    let place = InFolder::new();
    fs::write(file::beside(&place.path(), "-wal"), [1; 40]).unwrap();
    assert!(matches!(place.refused(), StoreError::Damaged { place: Place::File, .. }));
    fs::write(place.path(), []).unwrap();
    assert!(matches!(place.refused(), StoreError::Damaged { place: Place::File, .. }));
}

#[test]
fn what_was_left_by_a_creation_that_broke_off_does_not_matter() {
    let place = InFolder::new();
    fs::write(place.path(), []).unwrap();
    fs::write(file::beside(&place.path(), "-new"), b"half a database").unwrap();
    commit(&mut place.open().unwrap(), 1);
    assert_eq!(place.files().len(), 1);
}

#[test]
fn places_where_no_file_can_be_are_named() {
    let place = InFolder::new();
    let folder = place.0.path();
    assert!(matches!(SqliteStore::open(folder), Err(StoreError::NotAFile { path }) if path == folder));
    let missing = folder.join("none");
    assert!(matches!(SqliteStore::open(missing.join("j.db")), Err(StoreError::NoFolder { path }) if path == missing));
    fs::write(&missing, b"a file").unwrap();
    assert!(matches!(SqliteStore::open(missing.join("j.db")), Err(StoreError::NoFolder { path }) if path == missing));
    assert!(matches!(SqliteReader::open(folder.join("no.db")), Err(StoreError::NoFile { .. })));
    assert_eq!(place.files().len(), 1);
}

#[cfg(unix)]
#[test]
fn a_file_or_folder_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let place = InFolder::with_records(1);
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(&place.path(), 0o000);
    if fs::File::open(place.path()).is_ok() {
        return; // Modes do not bind the superuser.
    }
    assert!(matches!(place.open(), Err(StoreError::NoPermission { .. })));
    set(&place.path(), 0o600);
    set(place.0.path(), 0o500);
    assert!(matches!(place.open(), Err(StoreError::NoPermission { .. })));
    let inside = place.0.path().join("new.db");
    assert!(matches!(SqliteStore::open(&inside), Err(StoreError::NoPermission { .. })));
    set(place.0.path(), 0o700);
}

#[test]
fn a_file_of_something_else_is_refused() {
    let place = InFolder::new();
    for bytes in [&b"x"[..], b"SQLite format 2\0 and so on", &[0; 8192]] {
        fs::write(place.path(), bytes).unwrap();
        assert!(matches!(place.refused(), StoreError::Foreign { found: ForeignFile::NotSqlite, .. }));
    }
    fs::remove_file(place.path()).unwrap();
    for mode in ["DELETE", "WAL"] {
        place.tamper(&format!("PRAGMA journal_mode={mode}; PRAGMA application_id=7; CREATE TABLE IF NOT EXISTS t (x)"));
        match place.refused() {
            StoreError::Foreign {
                found: ForeignFile::ApplicationId { found: 7, expected: APPLICATION_ID }, ..
            } => {}
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let place = InFolder::with_records(3);
    place.tamper("PRAGMA user_version = 9; ALTER TABLE record ADD COLUMN more TEXT");
    let error = place.refused();
    assert!(matches!(error, StoreError::NewerSchema { found: 9, supported: SCHEMA_VERSION, .. }));
    let text = error.to_string();
    assert!(text.contains("version 9") && text.contains("up to 2") && text.contains("journal.db"), "{text}");
    assert!(matches!(SqliteReader::open(place.path()), Err(StoreError::NewerSchema { .. })));
}

#[test]
fn a_newer_schema_that_is_still_in_the_log_is_refused() {
    let place = InFolder::with_records(1);
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("PRAGMA user_version = 9").unwrap();
    assert!(matches!(place.open(), Err(StoreError::NewerSchema { found: 9, .. })));
}

#[test]
fn a_file_cut_at_any_page_is_refused_and_read_as_far_as_it_goes() {
    let whole = InFolder::with_records(60);
    let bytes = fs::read(whole.path()).unwrap();
    let records = whole.open().unwrap().records(0, 99).unwrap();
    let mut lengths: Vec<usize> = (1..bytes.len() / 4096).map(|page| page * 4096).collect();
    lengths.extend([1, 16, 60, 99, 100, 101, bytes.len() - 1]);
    let mut readable = 0;
    for length in lengths {
        let place = InFolder::new();
        fs::write(place.path(), &bytes[..length]).unwrap();
        match place.refused() {
            StoreError::Truncated { actual, expected, .. } => assert!(actual == length as u64 && expected > actual),
            StoreError::Foreign { found: ForeignFile::NotSqlite, .. } if length < 16 => continue,
            other => panic!("{length}: {other}"),
        }
        let before = place.files();
        let reader = SqliteStore::open_read_only(place.path()).unwrap();
        assert!(matches!(reader.finding(), Some(StoreError::Truncated { .. })));
        if let Ok(found) = reader.records(0, 99) {
            let genuine = found.iter().filter(|record| record.hash == record.computed_hash());
            assert!(genuine.clone().all(|record| records.contains(record)));
            readable += genuine.count();
        }
        assert!(place.files() == before);
    }
    assert!(readable > 0);
}

#[test]
fn a_changed_record_is_named_and_the_others_can_still_be_read() {
    let tampers = [
        ("UPDATE record SET body = zeroblob(300) WHERE seq = 4", ChainError::Changed { seq: 4 }),
        ("UPDATE record SET epoch = 0 WHERE seq = 1", ChainError::Changed { seq: 1 }),
        ("UPDATE record SET entity = 2 WHERE seq = 3", ChainError::Changed { seq: 3 }),
        ("UPDATE entity SET name = 'card/9' WHERE id = 2", ChainError::Changed { seq: 2 }),
        ("DELETE FROM record WHERE seq = 5", ChainError::Missing { seq: 5 }),
        ("DELETE FROM record WHERE seq < 3", ChainError::Missing { seq: 1 }),
        (
            "INSERT INTO record SELECT 0, time_ms, epoch, entity, body, prev_hash, hash, actor, machine, uptime_ms, mark
             FROM record WHERE seq = 1",
            ChainError::Inserted { seq: 0 },
        ),
        (
            "UPDATE record SET seq = 99 WHERE seq = 4; UPDATE record SET seq = 4 WHERE seq = 5;
          UPDATE record SET seq = 5 WHERE seq = 99",
            ChainError::OutOfOrder { seq: 4 },
        ),
    ];
    for (sql, expected) in tampers {
        let place = InFolder::with_records(9);
        place.tamper(sql);
        match place.refused() {
            StoreError::BrokenChain { problem, .. } => assert_eq!(problem, expected, "{sql}"),
            other => panic!("{sql}: {other}"),
        }
        let before = place.files();
        let reader = SqliteStore::open_read_only(place.path()).unwrap();
        assert!(matches!(reader.finding(), Some(StoreError::BrokenChain { problem, .. }) if *problem == expected));
        let records = reader.records(0, 99).unwrap();
        assert!(records.len() >= 7);
        assert!(!reader.history(&entity("card/6")).unwrap().is_empty());
        assert!(place.files() == before);
    }
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_passed_over_by_a_reader() {
    let tampers = [
        "UPDATE record SET hash = x'00' WHERE seq = 4",
        "UPDATE record SET time_ms = -1 WHERE seq = 4",
        "UPDATE record SET entity = 77 WHERE seq = 4",
        "UPDATE entity SET name = '' WHERE id = 4",
    ];
    for sql in tampers {
        let place = InFolder::with_records(9);
        place.tamper(sql);
        match place.refused() {
            StoreError::Damaged { place: Place::Record { seq: 4 }, .. } => {}
            other => panic!("{sql}: {other}"),
        }
        let reader = SqliteReader::open(place.path()).unwrap();
        assert_eq!(reader.records(0, 99).unwrap().len(), 3);
        assert!(reader.records(3, 99).is_err());
        assert_eq!(reader.records(4, 99).unwrap().len(), 5);
        assert_eq!(reader.head().unwrap().seq, 9);
    }
}

#[test]
fn tables_that_are_not_ours_and_runs_that_do_not_fit_are_refused() {
    let tampers = [
        "CREATE TRIGGER t AFTER INSERT ON record BEGIN DELETE FROM record; END",
        "CREATE TABLE zoo (x)",
        "DROP INDEX record_entity",
        "DELETE FROM run",
        "INSERT INTO run VALUES (9223372036854775807)",
        "PRAGMA user_version = 0",
    ];
    for sql in tampers {
        let place = InFolder::with_records(2);
        place.tamper(sql);
        assert!(matches!(place.refused(), StoreError::Damaged { .. }), "{sql}");
    }
}

#[test]
fn a_record_changed_while_the_store_is_open_is_not_given_out() {
    let place = InFolder::with_records(3);
    let store = place.open().unwrap();
    place.tamper("UPDATE record SET body = x'00' WHERE seq = 2");
    match store.records(0, 9) {
        Err(StoreError::BrokenChain { problem, .. }) => assert_eq!(problem, ChainError::Changed { seq: 2 }),
        other => panic!("{other:?}"),
    }
    assert!(matches!(store.history(&entity("card/1")), Err(StoreError::BrokenChain { .. })));
}

#[test]
fn a_full_disk_takes_nothing_and_work_goes_on_when_there_is_room() {
    let place = InFolder::new();
    let mut store = place.open().unwrap();
    commit(&mut store, 1);
    let pages: i64 = store
        .opening
        .writer
        .with(|connection| connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap());
    let limit = |store: &SqliteStore, pages: i64| {
        store.opening.writer.with(move |connection| {
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        });
    };
    limit(&store, pages + 2);
    let big = || Transaction::new([entry("card/1", &[1]), entry("card/9", &[2; 60_000])]);
    match store.commit(big(), 1) {
        Err(error @ StoreError::Full) => assert!(!error.is_in_doubt()),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.head().unwrap().seq, 1);
    assert_eq!(store.entities("card/9").unwrap(), []);
    limit(&store, 100_000);
    assert_eq!(store.commit(big(), 1).unwrap().first_seq(), 2);
    drop(store);
    assert_eq!(place.open().unwrap().head().unwrap().seq, 3);
}

/// SQLite plans a look-up by number anew for each number, unless it is told to keep its plans.
#[test]
fn a_look_up_is_not_planned_anew_for_each_value() {
    let place = InFolder::new();
    let mut store = place.open().unwrap();
    commit(&mut store, 1);
    let planned = |connection: &Connection| {
        let sql = "SELECT seq FROM record WHERE entity = ?1 ORDER BY seq DESC LIMIT 1";
        let mut select = connection.prepare(sql).unwrap();
        for id in 0..20_i64 {
            let _ = select.query_row([id], |row| row.get::<_, i64>(0));
        }
        select.get_status(rusqlite::StatementStatus::RePrepare)
    };
    assert_eq!(store.opening.writer.with(planned), 0);
    assert_eq!(store.read(|connection, _| Ok(planned(connection))).unwrap(), 0);
}

/// Holds the writer while commits gather, so that they are one group.
fn gathered(store: &SqliteStore, transactions: Vec<Transaction>) -> Vec<Result<Durable, StoreError>> {
    let (release, held) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || store.opening.writer.with(move |_| held.recv().unwrap()));
        // The order of what is sent to the writer is the order in which the threads get there.
        std::thread::sleep(Duration::from_millis(50));
        let commit = |transaction| scope.spawn(move || store.clone().commit(transaction, 1));
        let threads: Vec<_> = transactions.into_iter().map(commit).collect();
        std::thread::sleep(Duration::from_millis(200));
        release.send(()).unwrap();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn in_a_group_each_commit_has_its_own_answer() {
    let place = InFolder::new();
    let mut store = place.open().unwrap();
    commit(&mut store, 1);
    let claim = |n| Transaction::new([entry("number/1", &[n])]).expecting(entity("number/1"), 0);
    let mut transactions: Vec<Transaction> = (0..5).map(claim).collect();
    transactions.extend((0..5).map(|n| Transaction::new([entry(&format!("card/x{n}"), &[n]), entry("all", &[n])])));
    let answers = gathered(&store, transactions);
    assert_eq!(answers[..5].iter().filter(|answer| answer.is_ok()).count(), 1, "one gets the number: {answers:?}");
    let lost = answers[..5].iter().filter(|answer| matches!(answer, Err(StoreError::Conflict { expected: 0, .. })));
    assert_eq!(lost.count(), 4);
    for (n, answer) in answers[5..].iter().enumerate() {
        let durable = answer.as_ref().unwrap();
        let records = store.records(durable.first_seq() - 1, 2).unwrap();
        assert_eq!(records[0].entity, entity(&format!("card/x{n}")));
        assert_eq!((records[1].seq, &records[1].body[..]), (durable.last_seq(), &[n as u8][..]));
    }
    assert_eq!(verify(store.records(0, 99).unwrap()), Ok(store.head().unwrap()));
    assert_eq!(store.head().unwrap().seq, 1 + 1 + 10);
}

#[test]
fn what_does_not_fit_keeps_nobody_else_in_its_group_out() {
    let place = InFolder::new();
    let mut store = place.open().unwrap();
    commit(&mut store, 1);
    store.opening.writer.with(|connection| {
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        connection.pragma_update_and_check(None, "max_page_count", pages + 4, |_| Ok(())).unwrap();
    });
    let transactions = (0..8).map(|n| Transaction::new([entry("card/1", &vec![n; if n == 3 { 60_000 } else { 10 }])]));
    let answers = gathered(&store, transactions.collect());
    for (n, answer) in answers.iter().enumerate() {
        match answer {
            Ok(_) => assert_ne!(n, 3),
            Err(error) => assert!(n == 3 && matches!(error, StoreError::Full), "{n}: {error}"),
        }
    }
    assert_eq!(store.head().unwrap().seq, 8);
}

#[test]
fn handles_that_write_at_once_make_one_chain() {
    const EACH: u8 = 40;
    let place = InFolder::new();
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (place, start) = (&place, &start);
            scope.spawn(move || {
                start.wait();
                let mut store = place.open().unwrap();
                for n in 0..EACH {
                    let transaction = Transaction::new([entry(&format!("thread/{thread}"), &[n]), entry("all", &[])]);
                    let durable = store.commit(transaction, 1).unwrap();
                    assert_eq!(durable.last_seq() - durable.first_seq(), 1);
                }
            });
        }
    });
    let store = place.open().unwrap();
    assert_eq!(store.epoch(), 5);
    let records = store.records(0, usize::MAX).unwrap();
    assert_eq!(records.len(), 4 * 2 * usize::from(EACH));
    assert_eq!(verify(&records), Ok(store.head().unwrap()));
    for thread in 0..4 {
        let history = store.history(&entity(&format!("thread/{thread}"))).unwrap();
        assert!(history.iter().map(|record| record.body[0]).eq(0..EACH));
    }
}

#[test]
fn of_two_handles_that_expect_the_same_one_gets_it() {
    let place = InFolder::new();
    let (mut one, mut other) = (place.open().unwrap(), place.open().unwrap());
    let claim = || Transaction::new([entry("number/1", &[1])]).expecting(entity("number/1"), 0);
    let _ = one.commit(claim(), 1).unwrap();
    assert!(matches!(other.commit(claim(), 1), Err(StoreError::Conflict { expected: 0, actual: 1, .. })));
    assert_eq!(other.history(&entity("number/1")).unwrap().len(), 1);
}

#[test]
fn a_reader_sees_what_a_writer_commits_and_leaves_no_file() {
    let place = InFolder::with_records(2);
    let reader = SqliteReader::open(place.path()).unwrap();
    assert!(reader.finding().is_none());
    assert_eq!(reader.head().unwrap().seq, 2);
    assert_eq!(place.files().len(), 1);
    let mut store = place.open().unwrap();
    commit(&mut store, 9);
    assert_eq!(reader.head().unwrap().seq, 3);
    drop(store);
    assert_eq!(reader.records(0, 9).unwrap().len(), 3);
    assert_eq!(reader.entities("card/").unwrap().len(), 3);
    assert_eq!(place.files().len(), 1);
}

/// The files as a crash leaves them: with a write-ahead log that was not brought home, with or without its index.
fn crashed(count: u8, index: bool) -> InFolder {
    let (from, place) = (InFolder::new(), InFolder::new());
    let mut store = from.open().unwrap();
    for n in 0..count {
        commit(&mut store, n);
    }
    for suffix in ["", "-wal"].into_iter().chain(index.then_some("-shm")) {
        fs::copy(file::beside(&from.path(), suffix), file::beside(&place.path(), suffix)).unwrap();
    }
    place
}

#[test]
fn records_in_the_log_of_a_crashed_program_are_there() {
    for index in [true, false] {
        let place = crashed(20, index);
        let before = place.files();
        let reader = SqliteReader::open(place.path()).unwrap();
        assert!(reader.finding().is_none());
        assert_eq!(reader.head().unwrap().seq, 20);
        drop(reader);
        assert_eq!(place.files().len(), before.len());
        assert!(place.files()[&place.path()] == before[&place.path()]);
        let store = place.open().unwrap();
        assert_eq!(store.records(0, 99).unwrap().len(), 20);
    }
}

#[test]
fn a_broken_chain_in_the_log_of_a_crashed_program_is_refused() {
    let from = InFolder::with_records(3);
    let tampering = Connection::open(from.path()).unwrap();
    tampering.execute_batch("UPDATE record SET time_ms = 9 WHERE seq = 2").unwrap();
    let place = InFolder::new();
    for suffix in ["", "-wal"] {
        fs::copy(file::beside(&from.path(), suffix), file::beside(&place.path(), suffix)).unwrap();
    }
    match place.refused() {
        StoreError::BrokenChain { problem, .. } => assert_eq!(problem, ChainError::Changed { seq: 2 }),
        other => panic!("{other}"),
    }
}

#[test]
fn a_rollback_journal_beside_the_file_is_refused() {
    let place = InFolder::with_records(3);
    fs::write(file::beside(&place.path(), "-journal"), [0xD9; 512]).unwrap();
    assert!(matches!(place.refused(), StoreError::Damaged { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Whatever is in the file: it is refused and left alone, or every record is the one that was written.
    #[test]
    fn changed_bytes_are_found_or_do_not_matter(
        flips in prop::collection::vec((0usize..1 << 20, 1u8..), 1..6),
        in_header: bool,
    ) {
        thread_local! {
            static WHOLE: (Vec<u8>, Vec<Record>) = {
                let place = InFolder::with_records(40);
                (fs::read(place.path()).unwrap(), SqliteReader::open(place.path()).unwrap().records(0, 99).unwrap())
            };
        }
        let (mut bytes, records) = WHOLE.with(Clone::clone);
        let range = if in_header { 100 } else { bytes.len() };
        for (place, flip) in flips {
            bytes[place % range] ^= flip;
        }
        let place = InFolder::new();
        fs::write(place.path(), &bytes).unwrap();
        match place.open() {
            Ok(store) => {
                prop_assert_eq!(store.records(0, 99).unwrap(), &records[..]);
                for name in store.entities("").unwrap() {
                    let history = store.history(&name).unwrap();
                    prop_assert!(history.iter().eq(records.iter().filter(|record| record.entity == name)));
                }
            }
            Err(_) => {
                prop_assert_eq!(place.files().len(), 1);
                prop_assert!(place.files()[&place.path()] == bytes);
                if let Ok(reader) = SqliteReader::open(place.path()) {
                    let _ = (reader.records(0, 99), reader.head(), reader.entities(""));
                    let _ = reader.history(&entity("card/1"));
                }
            }
        }
    }
}
