use proptest::prelude::*;

use super::*;
use crate::journal::verify;
use crate::machine::testing::{round_trip, run};
use crate::machine::{Change, Kept};
use crate::store::{Journal, MemoryStore, SqliteStore};

const NAME: &str = "Zhang Wei";
const ID_NUMBER: &str = "110101199003074477";
const NUMBER: &str = "13800138000";

fn subject() -> SubjectId {
    SubjectId::new([7; 16])
}

fn data(text: &str) -> PersonalData {
    PersonalData::new(text.as_bytes().to_vec())
}

fn vault() -> Vault<MemorySealedStore> {
    let mut vault = Vault::new(MemorySealedStore::default(), MasterKey::new([1; 32]));
    vault.enroll(subject(), Zeroizing::new([2; 32])).unwrap();
    vault
}

fn order() -> Entity {
    Entity::new("order/7").unwrap()
}

#[test]
fn what_is_sealed_is_opened_for_its_entity_and_field_alone() {
    let mut vault = vault();
    let commitment = vault.seal(subject(), &order(), "name", &data(NAME), [3; 16]).unwrap();
    let open = |entity: &Entity, field| vault.open(subject(), entity, field, commitment);
    assert_eq!(open(&order(), "name").unwrap().expose_bytes(), NAME.as_bytes());
    assert!(matches!(open(&order(), "id-number"), Err(SealedError::Changed { .. })));
    assert!(matches!(open(&Entity::new("order/8").unwrap(), "name"), Err(SealedError::Changed { .. })));
    let other = Vault::new(vault.store().clone(), MasterKey::new([9; 32]));
    assert!(matches!(other.open(subject(), &order(), "name", commitment), Err(SealedError::Wrapped { .. })));
}

#[test]
fn every_bit_of_what_is_stored_counts() {
    let mut vault = vault();
    let commitment = vault.seal(subject(), &order(), "name", &data(NAME), [3; 16]).unwrap();
    let sealed = vault.store().get(subject(), commitment).unwrap().unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let mut store = vault.store().clone();
        store.put(subject(), commitment, &changed).unwrap();
        let error =
            Vault::new(store, MasterKey::new([1; 32])).open(subject(), &order(), "name", commitment).unwrap_err();
        assert!(matches!(error, SealedError::Changed { .. }));
    }
    for length in 0..sealed.len() {
        let mut store = vault.store().clone();
        store.put(subject(), commitment, &sealed[..length]).unwrap();
        assert!(Vault::new(store, MasterKey::new([1; 32])).open(subject(), &order(), "name", commitment).is_err());
    }
}

/// Sealed data put in the place of others that were sealed for the same entity and field.
#[test]
fn the_commitment_in_the_journal_says_which_data_are_meant() {
    let mut vault = vault();
    let old = vault.seal(subject(), &order(), "number", &data(NUMBER), [3; 16]).unwrap();
    let new = vault.seal(subject(), &order(), "number", &data("13900139000"), [4; 16]).unwrap();
    let mut store = vault.store().clone();
    store.put(subject(), new, &vault.store().get(subject(), old).unwrap().unwrap()).unwrap();
    let swapped = Vault::new(store, MasterKey::new([1; 32]));
    assert!(matches!(swapped.open(subject(), &order(), "number", new), Err(SealedError::Changed { .. })));
}

#[test]
fn commitments_of_two_subjects_to_the_same_data_differ() {
    let mut vault = vault();
    let other = SubjectId::new([8; 16]);
    vault.enroll(other, Zeroizing::new([5; 32])).unwrap();
    let mut seal = |subject, random| vault.seal(subject, &order(), "number", &data(NUMBER), random).unwrap();
    assert_ne!(seal(subject(), [3; 16]), seal(other, [3; 16]));
    assert_eq!(seal(subject(), [3; 16]), seal(subject(), [4; 16]), "within a subject they can be compared");
    assert!(
        matches!(vault.enroll(other, Zeroizing::new([6; 32])), Err(SealedError::Enrolled { .. })),
        "a data key is never replaced"
    );
}

/// `text` in the forms in which it might have slipped into bytes.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let hex = hex::encode(text).into_bytes();
    let mut forms = vec![text.as_bytes().to_vec(), utf16, hex];
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let padded = if text.len() % 2 == 1 { format!("{text}f") } else { text.to_owned() };
        let bcd = hex::decode(padded).unwrap();
        forms.push(bcd.iter().map(|byte| byte.rotate_left(4)).collect());
        forms.push(bcd);
    }
    forms
}

fn holds(bytes: &[u8], form: &[u8]) -> bool {
    bytes.windows(form.len()).any(|window| window == form)
}

#[test]
fn nothing_personal_is_in_the_journal_and_the_chain_verifies_after_erasure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let sealed_path = folder.path().join("sealed.db");
    let mut journal = SqliteStore::open(&path).unwrap();
    let mut vault = Vault::new(SqliteSealedStore::open(&sealed_path).unwrap(), MasterKey::new([1; 32]));
    let mut person = Kept::<Subject>::load(&journal, subject().entity().unwrap()).unwrap();

    vault.enroll(subject(), Zeroizing::new([2; 32])).unwrap();
    let mut events = vec![SubjectEvent::Enrolled { at_ms: 1 }];
    for (field, text) in [("name", NAME), ("id-number", ID_NUMBER), ("number", NUMBER)] {
        let commitment = vault.seal(subject(), &order(), field, &data(text), [3; 16]).unwrap();
        events.push(SubjectEvent::Sealed { at_ms: 2, field: field.into(), commitment });
    }
    Change::new().apply(&mut person, &events).unwrap().commit(&mut journal, 2).unwrap();

    let before = verify(journal.records(0, 100).unwrap()).unwrap();
    let reason = "the customer asked for it".into();
    let begun = SubjectEvent::ErasureBegun { at_ms: 3, reason };
    Change::new().apply(&mut person, &[begun]).unwrap().commit(&mut journal, 3).unwrap();
    assert!(person.state().is_open(), "a run that starts here finishes it");
    let wrapped = vault.store().key(subject()).unwrap().unwrap();
    let commitment = person.state().commitment("name").unwrap();
    let sealed = vault.store().get(subject(), commitment).unwrap().unwrap();
    assert!(holds(&std::fs::read(&sealed_path).unwrap(), &wrapped));
    vault.erase(subject()).unwrap();
    vault.erase(subject()).unwrap();
    let erased = SubjectEvent::Erased { at_ms: 4 };
    Change::new().apply(&mut person, &[erased]).unwrap().commit(&mut journal, 4).unwrap();

    let records = journal.records(0, 100).unwrap();
    let head = verify(&records).unwrap();
    assert_eq!(records[before.seq as usize - 1].head(), before, "what was recorded before still is");
    assert_eq!(journal.head().unwrap(), head);
    let error = vault.open(subject(), &order(), "name", commitment).unwrap_err();
    assert!(matches!(error, SealedError::NoKey { .. }), "{error}");
    drop(journal);
    drop(vault);
    let reopened = Vault::new(SqliteSealedStore::open(&sealed_path).unwrap(), MasterKey::new([1; 32]));
    assert!(reopened.open(subject(), &order(), "name", commitment).is_err());

    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for form in [NAME, ID_NUMBER, NUMBER].into_iter().flat_map(forms) {
            assert!(!holds(&bytes, &form), "in clear");
        }
        assert!(!holds(&bytes, &wrapped) && !holds(&bytes, &sealed), "still there after erasure");
    }
}

#[test]
fn the_sealed_store_refuses_files_that_are_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.db");
    drop(SqliteStore::open(&journal).unwrap());
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "not a database, and long enough to be looked at: ".repeat(40)).unwrap();
    for path in [journal, text] {
        let before = std::fs::read(&path).unwrap();
        let error = SqliteSealedStore::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
    let newer = folder.path().join("sealed.db");
    drop(SqliteSealedStore::open(&newer).unwrap());
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let error = SqliteSealedStore::open(&newer).unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 2, supported: 1, .. }), "{error}");
}

#[test]
fn nothing_secret_is_shown() {
    let shown = format!("{:?} {:?} {:?}", data(NAME), MasterKey::new([0xA5; 32]), vault());
    assert!(!shown.contains("Zhang") && !shown.contains("165") && !shown.contains("90, 104"), "{shown}");
}

proptest! {
    // Each case syncs a file many times.
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// Both stores against each other, and what is erased never comes back.
    #[test]
    fn the_stores_agree(calls in prop::collection::vec((0u8..4, 0u8..3, 0u8..3), 0..24)) {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = MemorySealedStore::default();
        let mut file = SqliteSealedStore::open(&folder.path().join("sealed.db")).unwrap();
        for (call, who, what) in calls {
            let (subject, commitment) = (SubjectId::new([who; 16]), Commitment([what; 32]));
            match call {
                0 => prop_assert_eq!(
                    memory.put_key(subject, &[what]).unwrap(), file.put_key(subject, &[what]).unwrap()
                ),
                1 => {
                    memory.erase(subject).unwrap();
                    file.erase(subject).unwrap();
                }
                _ => {
                    memory.put(subject, commitment, &[call, what]).unwrap();
                    file.put(subject, commitment, &[call, what]).unwrap();
                }
            }
            for (who, what) in (0..3).flat_map(|who| (0..3).map(move |what| (who, what))) {
                let (subject, commitment) = (SubjectId::new([who; 16]), Commitment([what; 32]));
                prop_assert_eq!(memory.key(subject).unwrap(), file.key(subject).unwrap());
                prop_assert_eq!(memory.get(subject, commitment).unwrap(), file.get(subject, commitment).unwrap());
            }
        }
    }

}

proptest! {
    /// Any order of events: sealed only between enrolment and the begin of erasure; nothing follows erasure.
    #[test]
    fn nothing_is_sealed_after_erasure_began(calls in prop::collection::vec(0u8..4, 0..20)) {
        let events = calls.into_iter().map(|call| match call {
            0 => SubjectEvent::Enrolled { at_ms: 1 },
            1 => SubjectEvent::Sealed { at_ms: 1, field: "name".into(), commitment: Commitment([1; 32]) },
            2 => SubjectEvent::ErasureBegun { at_ms: 1, reason: "asked".into() },
            _ => SubjectEvent::Erased { at_ms: 1 },
        });
        let (person, taken) = run::<Subject>(events);
        taken.iter().for_each(round_trip::<Subject>);
        let stage = |event: &SubjectEvent| match event {
            SubjectEvent::Enrolled { .. } => 0,
            SubjectEvent::Sealed { .. } => 1,
            SubjectEvent::ErasureBegun { .. } => 2,
            SubjectEvent::Erased { .. } => 3,
        };
        let stages: Vec<_> = taken.iter().map(stage).collect();
        prop_assert!(stages.is_sorted() && stages.first().is_none_or(|first| *first == 0));
        let once: Vec<_> = stages.iter().filter(|stage| **stage != 1).collect();
        prop_assert!(once.windows(2).all(|two| two[0] < two[1]));
        prop_assert_eq!(person.is_open(), stages.last() == Some(&2));
    }
}

/// A store in memory works the same way for tests of others.
#[test]
fn the_subject_of_a_journal_in_memory() {
    let mut store = MemoryStore::new();
    let mut person = Kept::<Subject>::load(&store, subject().entity().unwrap()).unwrap();
    let refused = Change::new().apply(&mut person, &[SubjectEvent::Erased { at_ms: 1 }]);
    assert!(refused.is_err());
    Change::new().apply(&mut person, &[SubjectEvent::Enrolled { at_ms: 1 }]).unwrap().commit(&mut store, 1).unwrap();
    assert_eq!(person.state().state(), SubjectState::Kept);
}
