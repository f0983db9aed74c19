//! A disk without room: the step is not begun, the card not touched, and work goes on when there is room.

mod support;

use cardwright::issuance::audit::{self, Trust};
use cardwright::issuance::event::{Event, StepEvent};
use cardwright::issuance::journal::{Entity, Entry};
use cardwright::issuance::remote::steps;
use cardwright::issuance::store::{Journal, MemoryStore, SqliteOptions, SqliteReader, SqliteStore, Store, Transaction};
use cardwright_sim::Faults;
use support::{SCP03, card, is_complete, issue, order, snapshot};

/// The step that this command belongs to, if it is one that cannot be undone.
fn step_of(command: &[u8]) -> Option<&'static str> {
    match (command[1], command[2]) {
        (0xE6, 0x02) | (0xE8, _) => Some(steps::LOAD),
        (0xE6, 0x0C) => Some(steps::INSTALL),
        (0xD4, 0xF6) => Some(steps::MAINTENANCE_KEY),
        (0xD4, 0xF9) => Some(steps::MASTER_KEY),
        (0xD8, _) => Some(steps::DOMAIN_KEYS),
        _ => None,
    }
}

#[test]
fn on_a_full_disk_no_command_goes_out_without_its_intent_and_the_card_is_finished_when_there_is_room() {
    let order = order(500);
    let (_, undisturbed) = issue(&order, card(SCP03), &mut MemoryStore::new(), Faults::none());
    let mut stopped = std::collections::BTreeSet::new();
    // The more there is in the journal's last page, the sooner it is full.
    for filled in (0..3600).step_by(120) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issue.journal");
        let filler = Entry { entity: Entity::new("filler").unwrap(), body: vec![0; filled] };
        let _ = SqliteStore::open(&path).unwrap().commit(Transaction::new([filler]), 1).unwrap();
        // The file keeps the pages that it has.
        let mut store = SqliteOptions::new().max_pages(1).open(&path).unwrap();
        let (outcome, mut reader) = issue(&order, card(SCP03), &mut store, Faults::none());
        drop(store);
        if !is_complete(&outcome) {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains("no room"), "{filled}: {error}");
            let records = SqliteReader::open(&path).unwrap().records(1, usize::MAX).unwrap();
            let begun = |step: &str| {
                records.iter().any(|record| match Event::of(record).unwrap() {
                    Event::Step { step: of, event: StepEvent::Begun { .. }, .. } => of == step,
                    _ => false,
                })
            };
            for entry in reader.take_log() {
                if let Some(step) = step_of(&entry.command) {
                    assert!(begun(step), "{filled}: a command of {step} without an intent");
                }
            }
            stopped.insert(records.len());
        }
        let mut store = SqliteStore::open(&path).unwrap();
        let (outcome, reader) = issue(&order, reader.card().twin(), &mut store, Faults::none());
        assert!(is_complete(&outcome), "{filled}: {outcome:?}");
        assert_eq!(snapshot(reader.card()), snapshot(undisturbed.card()), "{filled}");
        drop(store);
        audit::verify(&path, &Trust::default()).unwrap();
    }
    assert!(stopped.len() > 5, "the disk was full after {stopped:?} records only");
}
