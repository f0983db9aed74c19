//! What opening a journal and finding what is open in it cost, counted in reads of the file: a disk's speed has no part in it.

use std::path::Path;
use std::time::Duration;

use cardwright_faultdisk::Disk;
use cardwright_issuance::journal::{CheckpointSigner, Entity, Entry, SoftwareSigner};
use cardwright_issuance::store::{Journal, SqliteOptions, Store, Transaction};

/// Records of one card.
const OF_A_CARD: u64 = 10;

fn signer() -> Box<SoftwareSigner> {
    Box::new(SoftwareSigner::new(&[7; 32]))
}

/// A closed and signed journal of so many records, with so many cards left open, spread over it.
fn journal(path: &Path, records: u64, open: u64) {
    const AT_ONCE: u64 = 1000;
    let mut store = SqliteOptions::new().signer(signer(), 500, Duration::from_secs(3600)).open(path).unwrap();
    let name = |n: u64| Entity::new(&format!("card/{:09}", n / OF_A_CARD)).unwrap();
    let every = records / OF_A_CARD / open;
    for first in (0..records).step_by(AT_ONCE as usize) {
        let entries = (first..first + AT_ONCE).map(|n| Entry { entity: name(n), body: vec![n as u8; 60] });
        let cards = (first..first + AT_ONCE).step_by(OF_A_CARD as usize);
        let is_open = |n: &u64| (n / OF_A_CARD).is_multiple_of(every) && n / OF_A_CARD / every < open;
        let transaction = Transaction::new(entries.collect::<Vec<_>>());
        let transaction = cards.filter(is_open).fold(transaction, |transaction, n| transaction.opening(name(n)));
        let _ = store.commit(transaction, first).unwrap();
    }
}

/// Reads that opening takes, by the last signed checkpoint or by all of the chain, and those that finding what is open takes then.
fn reads(disk: &Disk, path: &Path, trusts: bool, open: u64) -> (u64, u64) {
    let options = SqliteOptions::new();
    let options = if trusts { options.trust(signer().public_key()) } else { options };
    let _ = disk.take_reads();
    let store = options.open(path).unwrap();
    let opening = disk.take_reads();
    assert_eq!(store.open_entities("").unwrap().len() as u64, open);
    (opening, disk.take_reads())
}

#[test]
fn opening_by_a_checkpoint_costs_the_same_however_long_the_journal_is() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::under(folder.path());
    let [small, large] = [("small", 2_000), ("large", 40_000)].map(|(name, records)| {
        let path = folder.path().join(name);
        journal(&path, records, 20);
        (reads(&disk, &path, true, 20), reads(&disk, &path, false, 20).0)
    });
    let ((small_opened, small_found), small_whole) = small;
    let ((large_opened, large_found), large_whole) = large;
    // A tree of twenty times as many rows may be one level deeper.
    assert!(large_opened <= small_opened + 4, "{small_opened} reads, then {large_opened}");
    // Each of the 20 may have a page of its own.
    assert!(small_found.max(large_found) <= 2 * 20 + 8, "{small_found} reads, then {large_found}");
    // The measure is able to tell: verifying all of it costs as much more as there is.
    assert!(large_whole > 10 * small_whole && large_whole > 20 * large_opened, "{small_whole}, then {large_whole}");
}

#[test]
fn finding_what_is_open_costs_what_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::under(folder.path());
    let [few, many] = [("few", 50), ("many", 1000)].map(|(name, open)| {
        let path = folder.path().join(name);
        journal(&path, 40_000, open);
        reads(&disk, &path, true, open).1
    });
    assert!(few <= 3 * 50 + 8, "{few} reads for 50 of 4000 cards");
    assert!((few..=3 * 1000 + 8).contains(&many), "{many} reads for 1000 of 4000 cards");
}
