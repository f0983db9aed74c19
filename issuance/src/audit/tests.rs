use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::journal::{ChainError, CheckpointSigner, Entity, Entry, Label, SoftwareSigner};
use crate::store::{Journal, Place, SqliteOptions, SqliteStore, Store, Transaction};

const SECRET: [u8; 32] = [7; 32];

fn key() -> PublicKey {
    SoftwareSigner::new(&SECRET).public_key()
}

fn trust() -> Trust {
    Trust { keys: vec![key()], head: None }
}

fn signing() -> SqliteOptions {
    SqliteOptions::new().signer(Box::new(SoftwareSigner::new(&SECRET)), 5, Duration::from_secs(3600))
}

struct Folder(TempDir);

impl Folder {
    /// A closed journal of `count` records with a checkpoint every 5 and at the end.
    fn with_records(count: u8) -> Self {
        let place = Self(TempDir::new().unwrap());
        let mut store = signing().open(place.path()).unwrap();
        write(&mut store, 0, count);
        place
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("issue.journal")
    }

    fn tamper(&self, sql: &str) {
        rusqlite::Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }

    fn verify(&self) -> Result<Report, StoreError> {
        let before = std::fs::read(self.path()).unwrap();
        let verdict = verify(self.path(), &trust());
        assert!(std::fs::read(self.path()).unwrap() == before, "an audit wrote");
        verdict
    }

    fn broken(&self) -> ChainError {
        match self.verify() {
            Err(StoreError::BrokenChain { problem, .. }) => problem,
            other => panic!("{other:?}"),
        }
    }

    fn opened(&self) -> Result<SqliteStore, StoreError> {
        SqliteOptions::new().trust(key()).open(self.path())
    }
}

fn write(store: &mut SqliteStore, from: u8, to: u8) {
    for n in from..to {
        let entity = Entity::new(&format!("card/{}", n % 3)).unwrap();
        let entry = Entry { entity: entity.clone(), body: vec![n; 40] };
        let actor = Label::new("desk \"3\"").unwrap();
        let transaction = Transaction::new([entry]).by(actor);
        let transaction = if n % 2 == 0 { transaction.opening(entity) } else { transaction.closing(entity) };
        let _ = store.commit(transaction, 1000 + u64::from(n)).unwrap();
    }
}

/// Makes the chain anew from a record on, as somebody would who can write the file and knows this document.
fn remake(path: &Path, from: u64) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let records = crate::store::SqliteReader::open(path).unwrap().records(0, 999).unwrap();
    let mut head = Head::GENESIS;
    for mut record in records {
        if record.seq == from {
            record.body[0] ^= 1;
        }
        record.prev_hash = head.hash;
        record.hash = record.computed_hash();
        head = record.head();
        let row = (record.body, record.prev_hash, record.hash, record.seq as i64);
        connection.execute("UPDATE record SET body = ?1, prev_hash = ?2, hash = ?3 WHERE seq = ?4", row).unwrap();
    }
}

#[test]
fn checkpoints_are_made_every_so_many_records_and_when_the_store_is_closed() {
    let place = Folder::with_records(12);
    let report = place.verify().unwrap();
    assert_eq!((report.head.seq, report.trusted_checkpoints, report.signed_up_to), (12, 3, Some(12)));
    let mut store = signing().open(place.path()).unwrap();
    assert_eq!(store.checkpoint(1).unwrap().unwrap().head, report.head, "also without anything new");
    write(&mut store, 12, 13);
    assert_eq!(store.checkpoint(1).unwrap().unwrap().head.seq, 13);
    drop(store);
    assert_eq!(place.verify().unwrap().trusted_checkpoints, 5);
    let unsigned = SqliteOptions::new().open(place.path()).unwrap();
    assert!(matches!(unsigned.checkpoint(1), Err(StoreError::NoSigner)));
}

#[test]
fn a_checkpoint_is_made_when_records_grow_old() {
    let place = Folder(TempDir::new().unwrap());
    let signer = Box::new(SoftwareSigner::new(&SECRET));
    let mut store = SqliteOptions::new().signer(signer, 1000, Duration::from_millis(150)).open(place.path()).unwrap();
    write(&mut store, 0, 1);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while crate::store::checkpoints(&place.path()).unwrap().is_empty() {
        assert!(std::time::Instant::now() < deadline, "no checkpoint");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_chain_made_anew_is_found_by_the_checkpoints() {
    for (from, first, seq) in [(1, 1, 5), (5, 1, 5), (6, 6, 10), (12, 11, 12)] {
        let place = Folder::with_records(12);
        remake(&place.path(), from);
        assert_eq!(place.broken(), ChainError::Remade { first, seq });
        assert!(verify(place.path(), &Trust::default()).is_err(), "checkpoints count by their hash, whoever signed");
        assert!(matches!(place.opened(), Err(StoreError::BrokenChain { .. })));
    }
    // Without its checkpoints the chain is sound in itself; what was kept elsewhere tells.
    let place = Folder::with_records(12);
    let head = place.verify().unwrap().head;
    remake(&place.path(), 3);
    place.tamper("DELETE FROM checkpoint");
    assert_eq!(place.verify().unwrap().signed_up_to, None);
    match verify(place.path(), &Trust { keys: vec![], head: Some(head) }) {
        Err(StoreError::BrokenChain { problem: ChainError::Remade { first: 1, seq: 12 }, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_cut_off_at_the_end_are_found_by_a_checkpoint_or_a_head_kept_elsewhere() {
    let place = Folder::with_records(12);
    let head = place.verify().unwrap().head;
    place.tamper("DELETE FROM record WHERE seq > 8; DELETE FROM open");
    assert!(place.verify().is_err());
    match place.opened() {
        Err(StoreError::BrokenChain { problem, .. }) => assert_eq!(problem, ChainError::Missing { seq: 9 }),
        other => panic!("{other:?}"),
    }
    place.tamper("INSERT INTO open SELECT id FROM entity WHERE name = 'card/0'");
    assert_eq!(place.broken(), ChainError::Missing { seq: 9 });
    place.tamper("DELETE FROM checkpoint");
    assert_eq!(place.verify().unwrap().head.seq, 8, "nothing tells any more");
    match verify(place.path(), &Trust { keys: vec![], head: Some(head) }) {
        Err(StoreError::BrokenChain { problem, .. }) => assert_eq!(problem, ChainError::Missing { seq: 9 }),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_checkpoint_that_names_a_key_and_is_not_signed_with_it_is_refused() {
    let place = Folder::with_records(12);
    place.tamper("UPDATE checkpoint SET signature = zeroblob(64) WHERE seq = 12");
    for refused in [place.verify().map(drop), place.opened().map(drop)] {
        assert!(
            matches!(refused, Err(StoreError::Damaged { place: Place::Checkpoint { seq: 12 }, .. })),
            "{refused:?}"
        );
    }
    // By somebody else's key: it vouches for nothing, and the one before counts.
    let place = Folder::with_records(12);
    place.tamper("UPDATE checkpoint SET key = randomblob(32) WHERE seq = 12");
    let report = place.verify().unwrap();
    assert_eq!((report.trusted_checkpoints, report.other_checkpoints, report.signed_up_to), (2, 1, Some(10)));
    assert!(place.opened().is_ok());
}

#[test]
fn opening_verifies_behind_the_last_checkpoint_and_an_audit_verifies_all() {
    let place = Folder::with_records(12);
    {
        let mut unsigned = SqliteOptions::new().open(place.path()).unwrap();
        write(&mut unsigned, 12, 16);
    }
    let tail = ["UPDATE record SET time_ms = 9 WHERE seq = 12", "UPDATE record SET time_ms = 9 WHERE seq = 14"];
    for (sql, seq) in tail.into_iter().zip([12, 14]) {
        let copy = Folder(TempDir::new().unwrap());
        std::fs::copy(place.path(), copy.path()).unwrap();
        copy.tamper(sql);
        assert_eq!(copy.broken(), ChainError::Changed { seq });
        match copy.opened() {
            Err(StoreError::BrokenChain { problem, .. }) => assert_eq!(problem, ChainError::Changed { seq }),
            other => panic!("{other:?}"),
        }
    }
    place.tamper("UPDATE record SET time_ms = 9 WHERE seq = 3");
    assert_eq!(place.broken(), ChainError::Changed { seq: 3 });
    let store = place.opened().expect("record 3 lies before the checkpoint");
    let history = store.history(&Entity::new("card/2").unwrap());
    assert!(matches!(history, Err(StoreError::BrokenChain { .. })), "and is not given out");
}

/// What docs/journal.md says that opening from a checkpoint does not see.
#[test]
fn a_record_changed_together_with_its_hash_before_the_checkpoint_is_found_by_an_audit_alone() {
    let place = Folder::with_records(12);
    let mut record = SqliteOptions::new().open(place.path()).unwrap().records(2, 1).unwrap().remove(0);
    record.body = b"another".to_vec();
    let (body, hash) = (hex::encode(&record.body), hex::encode(record.computed_hash()));
    place.tamper(&format!("UPDATE record SET body = x'{body}', hash = x'{hash}' WHERE seq = 3"));
    let store = place.opened().expect("record 3 lies before the checkpoint");
    let history = store.history(&record.entity).unwrap();
    assert!(history.iter().any(|found| found.body == record.body), "it is given out");
    drop(store);
    assert_eq!(place.broken(), ChainError::Changed { seq: 3 });
    match SqliteOptions::new().open(place.path()) {
        Err(StoreError::BrokenChain { problem, .. }) => assert_eq!(problem, ChainError::Changed { seq: 3 }),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_listed_as_open_is_compared_with_the_marks() {
    for sql in ["DELETE FROM open", "INSERT INTO open SELECT id FROM entity WHERE name = 'card/0'"] {
        let place = Folder::with_records(11);
        place.tamper(sql);
        assert!(matches!(place.verify(), Err(StoreError::Damaged { place: Place::File, .. })), "{sql}");
    }
}

#[test]
fn records_of_another_program_are_verified_before_they_are_signed() {
    let place = Folder::with_records(2);
    let store = signing().open(place.path()).unwrap();
    let mut other = SqliteOptions::new().open(place.path()).unwrap();
    write(&mut other, 2, 4);
    assert_eq!(store.checkpoint(1).unwrap().unwrap().head.seq, 4);
    write(&mut other, 4, 6);
    place.tamper("UPDATE record SET time_ms = 9 WHERE seq = 5");
    assert!(matches!(store.checkpoint(1), Err(StoreError::BrokenChain { .. })));
}

#[test]
fn a_signer_that_is_away_stops_nothing() {
    struct Away;
    impl CheckpointSigner for Away {
        fn public_key(&self) -> PublicKey {
            key()
        }
        fn sign(&mut self, _: &[u8]) -> Result<[u8; 64], Box<dyn std::error::Error + Send + Sync>> {
            Err("the token was pulled out".into())
        }
    }
    let place = Folder(TempDir::new().unwrap());
    let mut store = SqliteOptions::new().signer(Box::new(Away), 1, Duration::ZERO).open(place.path()).unwrap();
    write(&mut store, 0, 5);
    assert!(matches!(store.checkpoint(1), Err(StoreError::NotSigned { .. })));
    drop(store);
    let report = place.verify().unwrap();
    assert_eq!((report.head.seq, report.signed_up_to), (5, None));
    // A signer that is back covers what it missed.
    let mut store = signing().open(place.path()).unwrap();
    write(&mut store, 5, 6);
    drop(store);
    assert_eq!(place.verify().unwrap().signed_up_to, Some(6));
}

/// Verifies an export by `docs/journal.md` alone: gives the number of records and the last hash.
fn stranger(lines: &[u8]) -> Result<(u64, String), String> {
    fn head(major: u8, n: u64) -> Vec<u8> {
        let bytes = n.to_be_bytes();
        match n {
            0..24 => vec![major << 5 | bytes[7]],
            24..0x100 => vec![major << 5 | 24, bytes[7]],
            0x100..0x1_0000 => [&[major << 5 | 25], &bytes[6..]].concat(),
            0x1_0000..0x1_0000_0000 => [&[major << 5 | 26], &bytes[4..]].concat(),
            _ => [&[major << 5 | 27], &bytes[..]].concat(),
        }
    }
    let uint = |line: &Value, name: &str| head(0, line[name].as_u64().unwrap());
    let text = |line: &Value, name: &str| {
        let text = line[name].as_str().unwrap().as_bytes();
        [head(3, text.len() as u64), text.to_vec()].concat()
    };
    let bytes = |line: &Value, name: &str| {
        let bytes = hex::decode(line[name].as_str().unwrap()).unwrap();
        [head(2, bytes.len() as u64), bytes].concat()
    };
    let (mut count, mut last) = (0, "00".repeat(32));
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_slice(line).unwrap();
        match line["type"].as_str().unwrap() {
            "record" => {
                let plain = line["body"].is_string();
                let common = [uint(&line, "seq"), uint(&line, "time_ms"), uint(&line, "epoch"), text(&line, "entity")];
                let body = bytes(&line, if plain { "body" } else { "body_hash" });
                let mut hashed = [head(4, if plain { 6 } else { 10 }), common.concat(), body].concat();
                hashed.extend(bytes(&line, "prev_hash"));
                if !plain {
                    hashed.extend([text(&line, "actor"), text(&line, "machine")].concat());
                    hashed.extend([uint(&line, "uptime_ms"), uint(&line, "mark")].concat());
                }
                count += 1;
                let hash = hex::encode(Sha256::digest(hashed));
                if line["seq"] != count || line["prev_hash"] != last.as_str() || line["hash"] != hash.as_str() {
                    return Err(format!("record {count}"));
                }
                last = hash;
            }
            "checkpoint" if line["seq"] == count => assert_eq!(line["hash"], last.as_str()),
            "end" => assert!(line["seq"] == count && line["hash"] == last.as_str() && line["problem"].is_null()),
            "begin" => assert_eq!(line["format"], "cardwright-journal"),
            other => panic!("{other}"),
        }
    }
    Ok((count, last))
}

#[test]
fn an_export_is_verified_without_the_library_and_shows_no_body() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schema-1.db");
    let place = Folder(TempDir::new().unwrap());
    std::fs::copy(golden, place.path()).unwrap();
    write(&mut signing().open(place.path()).unwrap(), 0, 12);
    let mut lines = Vec::new();
    let head = export(place.path(), &mut lines).unwrap();
    assert_eq!(stranger(&lines), Ok((20, hex::encode(head.hash))));
    let text = String::from_utf8(lines.clone()).unwrap();
    assert_eq!(text.matches("\"checkpoint\"").count(), 3);
    assert!(!text.contains(&"0b".repeat(40)), "a body is shown");
    let changed = text.replacen("\"time_ms\":1003", "\"time_ms\":1004", 1);
    assert_eq!(stranger(changed.as_bytes()), Err("record 12".into()));
}

#[test]
fn a_broken_journal_is_exported_up_to_the_break_and_the_last_line_says_so() {
    let place = Folder::with_records(12);
    place.tamper("UPDATE record SET time_ms = 9 WHERE seq = 7");
    let mut lines = Vec::new();
    match export(place.path(), &mut lines) {
        Err(ExportError::Broken { exported: 6, problem: ChainError::Changed { seq: 7 } }) => {}
        other => panic!("{other:?}"),
    }
    let text = String::from_utf8(lines).unwrap();
    assert_eq!(text.matches("\"type\":\"record\"").count(), 6);
    assert!(text.lines().last().unwrap().contains("record 7 was changed"), "{text}");

    let place = Folder::with_records(12);
    place.tamper("UPDATE record SET hash = x'00' WHERE seq = 3");
    let mut lines = Vec::new();
    assert!(matches!(export(place.path(), &mut lines), Err(ExportError::Damaged { exported: 2, .. })));
}
