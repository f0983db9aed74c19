//! `docs/journal.md` is true.

use std::path::Path;

use cardwright_issuance::journal::{Entity, Entry, Head};
use cardwright_issuance::store::{Journal, SqliteStore, Store, Transaction};
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
fn the_example_has_the_hash_that_the_document_says() {
    let document = document();
    let hash = bytes(&document, "hash:");
    assert_eq!(hex::encode(Sha256::digest(bytes(&document, "hashed:"))), hex::encode(&hash));
    let record = Head::GENESIS.record(1, 1_700_000_000_000, example());
    assert_eq!(hex::encode(record.hash), hex::encode(hash));
}

/// Reads the file with nothing but the document.
#[test]
fn a_stranger_finds_in_the_file_what_the_document_says() {
    let document = document();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let _ = store.commit(Transaction::new([example()]), 1_700_000_000_000).unwrap();
    assert_eq!(store.head().unwrap().seq, 1);
    drop(store);

    let file = std::fs::read(&path).unwrap();
    assert_eq!(file[..16], *b"SQLite format 3\0");
    assert_eq!(file[18..20], [2, 2]);
    assert_eq!(file[60..64], [0, 0, 0, 1]);
    assert_eq!(file[68..72], [0x43, 0x57, 0x4A, 0x4C]);

    let connection = rusqlite::Connection::open(&path).unwrap();
    let mut select = connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").unwrap();
    let definitions: Vec<String> = select.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(definitions.len(), 4);
    for definition in definitions {
        assert!(document.lines().any(|line| line == definition), "{definition}");
    }

    let query = document.lines().find(|line| line.starts_with("SELECT ")).unwrap();
    let row = connection
        .query_row(query, (), |row| {
            let numbers: (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let (entity, body): (String, Vec<u8>) = (row.get(3)?, row.get(4)?);
            let hashes: (Vec<u8>, Vec<u8>) = (row.get(5)?, row.get(6)?);
            Ok((numbers, entity, body, hashes))
        })
        .unwrap();
    let hashes = (vec![0; 32], bytes(&document, "hash:"));
    assert_eq!(row, ((1, 1_700_000_000_000, 1), "card/1".to_owned(), example().body, hashes));
}
