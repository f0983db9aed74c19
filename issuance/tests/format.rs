//! `docs/journal.md` is true: a reader that knows nothing but the document reads what the store writes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cardwright_issuance::audit::{self, Trust};
use cardwright_issuance::journal::{
    Checkpoint, CheckpointSigner, Entity, Entry, Head, Label, Mark, Origin, SoftwareSigner,
};
use cardwright_issuance::store::{Journal, SqliteReader, SqliteStore, Store, Transaction};
use rusqlite::types::Value;
use sha2::{Digest, Sha256};

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/journal.md");
    std::fs::read_to_string(path).expect("the document is in the repository")
}

/// The bytes behind a label at the beginning of a line.
fn bytes(document: &str, label: &str) -> Vec<u8> {
    let line = document.lines().find_map(|line| line.strip_prefix(label)).expect("the label is in the document");
    hex::decode(line.trim()).expect("hexadecimal digits")
}

fn example() -> Entry {
    Entry { entity: Entity::new("card/1").unwrap(), body: vec![0x82, 0x01, 0x63, 0x61, 0x62, 0x63] }
}

#[test]
fn the_examples_have_the_hashes_that_the_document_says() {
    let document = document();
    let origin = Origin {
        actor: Label::new("desk-3").unwrap(),
        machine: Label::new("job").unwrap(),
        uptime_ms: 700,
        mark: Mark::Open,
    };
    let records = [
        ("hashed:", "hash:", Head::GENESIS.record(1, 1_700_000_000_000, example())),
        ("hashed-2:", "hash-2:", Head::GENESIS.record_from(origin, 1, 1_700_000_000_000, example())),
    ];
    for (hashed, hash, record) in records {
        let hash = bytes(&document, hash);
        assert_eq!(hex::encode(Sha256::digest(bytes(&document, hashed))), hex::encode(&hash));
        assert_eq!(hex::encode(record.hash), hex::encode(hash));
    }
}

#[test]
fn the_checkpoint_of_the_document_is_signed_as_it_says() {
    let document = document();
    let mut signer = SoftwareSigner::new(&[7; 32]);
    let head = Head { seq: 1, hash: bytes(&document, "hash-2:").try_into().unwrap() };
    let checkpoint = Checkpoint::sign(head, 1_700_000_060_000, &mut signer).unwrap();
    assert_eq!(hex::encode(checkpoint.key), hex::encode(bytes(&document, "key:")));
    assert_eq!(hex::encode(checkpoint.signature), hex::encode(bytes(&document, "signature:")));
    // Ed25519 is deterministic, so these are the bytes that were signed.
    let signature = signer.sign(&bytes(&document, "signed:")).unwrap();
    assert_eq!(hex::encode(signature), hex::encode(checkpoint.signature));
}

/// A CBOR head, RFC 8949 3.
fn head(major: u8, number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    match number {
        0..24 => vec![major << 5 | bytes[7]],
        24..0x100 => vec![major << 5 | 24, bytes[7]],
        0x100..0x1_0000 => [&[major << 5 | 25], &bytes[6..]].concat(),
        0x1_0000..0x1_0000_0000 => [&[major << 5 | 26], &bytes[4..]].concat(),
        _ => [&[major << 5 | 27], &bytes[..]].concat(),
    }
}

fn item(value: &Value) -> Vec<u8> {
    match value {
        Value::Integer(number) => head(0, (*number).try_into().expect("not negative")),
        Value::Blob(bytes) => [head(2, bytes.len() as u64), bytes.clone()].concat(),
        Value::Text(text) => [head(3, text.len() as u64), text.clone().into_bytes()].concat(),
        other => panic!("{other:?}"),
    }
}

/// What the stranger has found.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    records: usize,
    head: Vec<u8>,
    open: BTreeSet<String>,
}

/// Reads and verifies a file of schema 2 by the document alone.
fn stranger(path: &Path) -> Found {
    let document = document();
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut select = connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").unwrap();
    let definitions: Vec<String> = select.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(definitions.len(), 6);
    for definition in definitions {
        assert!(document.lines().any(|line| line == definition), "{definition}");
    }
    let query = document.lines().find(|line| line.starts_with("SELECT ")).unwrap();
    let mut select = connection.prepare(query).unwrap();
    let rows = select.query_map((), |row| (0..11).map(|n| row.get::<_, Value>(n)).collect::<Result<Vec<_>, _>>());
    let mut found = Found { records: 0, head: vec![0; 32], open: BTreeSet::new() };
    for row in rows.unwrap() {
        let row = row.unwrap();
        let Value::Text(entity) = &row[3] else { panic!("{:?}", row[3]) };
        let Value::Blob(body) = &row[4] else { panic!("{:?}", row[4]) };
        let (items, mark) = match &row[10] {
            Value::Null => (row[..6].to_vec(), 1),
            Value::Integer(mark) => {
                let body_hash = Value::Blob(Sha256::digest(body).to_vec());
                ([&row[..4], &[body_hash], &row[5..6], &row[7..]].concat(), *mark)
            }
            other => panic!("{other:?}"),
        };
        found.records += 1;
        assert_eq!(row[0], Value::Integer(found.records as i64));
        assert_eq!(row[5], Value::Blob(found.head));
        let encoded = [head(4, items.len() as u64), items.iter().flat_map(item).collect()].concat();
        found.head = Sha256::digest(encoded).to_vec();
        assert_eq!(row[6], Value::Blob(found.head.clone()), "record {}", found.records);
        match mark {
            0 => true,
            1 => found.open.insert(entity.clone()),
            2 => found.open.remove(entity),
            other => panic!("mark {other}"),
        };
    }
    let mut select = connection.prepare("SELECT name FROM open JOIN entity ON entity.id = open.entity").unwrap();
    let open: BTreeSet<String> = select.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(open, found.open);
    found
}

fn copy_of(golden: &str, folder: &Path) -> PathBuf {
    let path = folder.join(golden);
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(golden), &path).unwrap();
    path
}

#[test]
fn a_stranger_reads_what_the_store_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let card = || Entity::new("card/1").unwrap();
    let (actor, machine) = (Label::new("desk-3").unwrap(), Label::new("job").unwrap());
    let transaction = Transaction::new([example()]).opening(card()).by(actor).of(machine);
    let _ = store.commit(transaction, 1_700_000_000_000).unwrap();
    let other = Entry { entity: Entity::new("card/2").unwrap(), body: vec![7; 300] };
    let _ = store.commit(Transaction::new([other.clone(), example(), other.clone()]).opening(other.entity), 3).unwrap();
    let _ = store.commit(Transaction::new([example()]).closing(card()), 1 << 40).unwrap();
    let head = store.head().unwrap();
    drop(store);

    let file = std::fs::read(&path).unwrap();
    assert_eq!(file[..16], *b"SQLite format 3\0");
    assert_eq!(file[18..20], [2, 2]);
    assert_eq!(file[60..64], [0, 0, 0, 2]);
    assert_eq!(file[68..72], [0x43, 0x57, 0x4A, 0x4C]);
    let open = BTreeSet::from(["card/2".to_owned()]);
    assert_eq!(stranger(&path), Found { records: 5, head: head.hash.to_vec(), open });
}

/// What a release has written stays readable for ever.
#[test]
fn a_file_of_schema_2_from_an_earlier_release_is_read_by_a_stranger_and_by_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = copy_of("schema-2.db", folder.path());
    let found = stranger(&path);
    assert_eq!((found.records, found.open.len()), (9, 1));
    let report = audit::verify(&path, &Trust { keys: vec![SoftwareSigner::new(&[7; 32]).public_key()], head: None });
    assert_eq!(report.unwrap().signed_up_to, Some(9));
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.head().unwrap().hash.to_vec(), found.head);
    let open: Vec<String> = store.open_entities("").unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(open, found.open.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_file_of_schema_1_is_read_as_it_is_and_migrated_when_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = copy_of("schema-1.db", folder.path());
    let before = std::fs::read(&path).unwrap();
    let reader = SqliteReader::open(&path).unwrap();
    assert!(reader.finding().is_none());
    let records = reader.records(0, 99).unwrap();
    assert_eq!((records.len(), reader.open_entities("").unwrap().len()), (8, 3));
    assert!(records.iter().all(|record| record.origin.is_none()));
    assert!(std::fs::read(&path).unwrap() == before, "a reader wrote");

    let mut store = SqliteStore::open(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[60..64], [0, 0, 0, 2]);
    assert_eq!(store.records(0, 99).unwrap(), records);
    assert_eq!(store.epoch(), 3);
    // A reader that was opened before goes on after the migration.
    let card = records[0].entity.clone();
    let _ = store.commit(Transaction::new([Entry { entity: card.clone(), body: vec![] }]).closing(card), 5).unwrap();
    assert_eq!(reader.records(8, 9).unwrap(), store.records(8, 9).unwrap());
    drop(store);
    let found = stranger(&path);
    assert_eq!((found.records, found.open.len()), (9, 2));
    let again = SqliteStore::open(&path).unwrap();
    assert_eq!(again.open_entities("").unwrap().len(), 2);
}

#[test]
fn a_file_of_schema_1_that_another_program_has_open_is_not_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let path = copy_of("schema-1.db", folder.path());
    let other = rusqlite::Connection::open(&path).unwrap();
    other.query_row("SELECT count(*) FROM record", (), |_| Ok(())).unwrap();
    other.busy_timeout(std::time::Duration::ZERO).unwrap();
    let error = SqliteStore::open(&path).expect_err("the file is in use").to_string();
    assert!(error.contains("present schema") && error.contains("try again"), "{error}");
    assert_eq!(other.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap(), 1);
    drop(other);
    assert!(SqliteStore::open(&path).is_ok());
}
