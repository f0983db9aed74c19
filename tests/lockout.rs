//! The lock-out ledger of a card counts for every session, not only for the machine that issues.

mod support;

use cardwright::apdu::{Transport, TransportError, TransportErrorKind};
use cardwright::gp::procedure::{KeyCandidate, KeyScheme, OpenOptions};
use cardwright::gp::{CardProfile, SecurityLevel};
use cardwright::issuance::lockout::{self, Counted, GuardedSession, Identify, Insertion, SessionOrder};
use cardwright::issuance::remote::{self, IssueError, Outcome};
use cardwright::issuance::store::{MemoryStore, SqliteStore};
use cardwright::keys::{KeyKind, KeyRef};
use cardwright_sim::{Fault, Faults, JavaCard, JavaCardBuilder, SimReader};
use support::{SCP03, card, command_names, drive, order};

type Ended = Result<Outcome<GuardedSession>, IssueError>;

/// `domain-aes` is not on the card.
fn session(key: &str, insertion: u8) -> SessionOrder {
    let keys = vec![KeyCandidate::new(KeyRef::new(key), KeyKind::Aes, KeyScheme::AsIs)];
    SessionOrder::new(keys, OpenOptions::new(SecurityLevel::C_DECRYPTION), Insertion::new([insertion; 8]))
}

fn wrong(insertion: u8) -> SessionOrder {
    session("domain-aes", insertion)
}

fn is_wrong_keys(ended: &Ended, expected: u32) -> bool {
    matches!(ended, Err(IssueError::WrongKeys { failures, .. }) if *failures == expected)
}

fn is_locked_out(ended: &Ended) -> bool {
    matches!(ended, Err(IssueError::LockedOut { failures: 2, .. }))
}

fn counted(ended: Ended) -> Counted {
    match ended {
        Ok(Outcome::Complete(session)) => session.counted,
        other => panic!("{other:?}"),
    }
}

/// A card that tells neither serial number nor issuer and card image number.
fn blank() -> JavaCardBuilder {
    JavaCard::builder().protocol(SCP03).cplc([0; 42]).seed(7)
}

/// Which command of a session is INITIALIZE UPDATE, from 1.
fn number_of_initialize() -> u64 {
    let mut reader = SimReader::new(card(SCP03));
    drive(lockout::open(session("test-aes", 1)), &mut reader, &mut MemoryStore::new()).unwrap();
    1 + command_names(&reader.take_log()).iter().position(|name| *name == "INITIALIZE UPDATE").unwrap() as u64
}

#[test]
fn a_session_that_only_looks_and_the_issuing_machine_count_together() {
    let mut store = MemoryStore::new();
    let mut reader = SimReader::new(card(SCP03));
    assert!(is_wrong_keys(&drive(lockout::open(wrong(1)), &mut reader, &mut store), 1));
    assert!(is_wrong_keys(&drive(lockout::open(wrong(2)), &mut reader, &mut store), 2));
    reader.take_log();
    // Right keys or not: nobody knows.
    assert!(is_locked_out(&drive(lockout::open(session("test-aes", 3)), &mut reader, &mut store)));
    let issued = drive(remote::issue(order(300)), &mut reader, &mut store);
    assert!(matches!(issued, Err(IssueError::LockedOut { failures: 2, .. })), "{issued:?}");
    let names = command_names(&reader.take_log());
    assert!(!names.contains(&"INITIALIZE UPDATE") && !names.contains(&"EXTERNAL AUTHENTICATE"), "{names:?}");
    let order = SessionOrder { override_lockout: true, ..session("test-aes", 4) };
    let opened = drive(lockout::open(order), &mut reader, &mut store);
    assert!(matches!(counted(opened), Counted::Card(identity) if identity.as_str().starts_with("cplc-")));
    // A success ends the row.
    assert!(is_wrong_keys(&drive(lockout::open(wrong(5)), &mut reader, &mut store), 1));
}

#[test]
fn the_count_outlives_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.journal");
    let mut reader = SimReader::new(card(SCP03));
    for expected in 1..=2 {
        let mut store = SqliteStore::open(&path).unwrap();
        assert!(is_wrong_keys(&drive(lockout::open(wrong(expected as u8)), &mut reader, &mut store), expected));
    }
    let mut store = SqliteStore::open(&path).unwrap();
    assert!(is_locked_out(&drive(lockout::open(wrong(9)), &mut reader, &mut store)));
}

#[test]
fn a_card_without_serial_number_is_counted_by_issuer_and_card_image_number() {
    let mut store = MemoryStore::new();
    let mut reader = SimReader::new(blank().iin([0x12, 0x34]).cin([0x56, 0x78]).build());
    let opened = drive(lockout::open(session("test-aes", 1)), &mut reader, &mut store);
    assert!(matches!(counted(opened), Counted::Card(identity) if identity.as_str() == "iin-1234-cin-5678"));
}

/// A card with a file system besides.
struct WithIccid {
    reader: SimReader,
    iccid: [u8; 10],
}

impl Transport for WithIccid {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        match command {
            [0x00, 0xA4, 0x00, ..] => *response = vec![0x90, 0x00],
            [0x00, 0xB0, ..] => *response = [&self.iccid[..], &[0x90, 0x00]].concat(),
            _ => self.reader.transmit(command, response)?,
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        self.reader.reset()
    }
}

#[test]
fn a_card_with_an_iccid_is_counted_by_it_and_selected_anew() {
    let iccid = [0x98, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54, 0xF6];
    let mut store = MemoryStore::new();
    let mut card = WithIccid { reader: SimReader::new(blank().build()), iccid };
    let opened = drive(lockout::open(session("test-aes", 1)), &mut card, &mut store);
    assert!(matches!(counted(opened), Counted::Card(identity) if identity.as_str() == "iccid-981032547698103254F6"));
    assert!(is_wrong_keys(&drive(lockout::open(wrong(2)), &mut card, &mut store), 1));
    assert!(is_wrong_keys(&drive(lockout::open(wrong(3)), &mut card, &mut store), 2));
    assert!(is_locked_out(&drive(lockout::open(wrong(4)), &mut card, &mut store)));
    // A file that was never written tells nothing.
    let mut card = WithIccid { reader: SimReader::new(blank().build()), iccid: [0xFF; 10] };
    let opened = drive(lockout::open(session("test-aes", 5)), &mut card, &mut store);
    assert!(matches!(counted(opened), Counted::Insertion(_)));
}

#[test]
fn key_diversification_data_counts_where_the_profile_calls_it_unique_and_never_all_zero() {
    let unique = || {
        let mut profile = CardProfile::standard();
        profile.unique_kdd = true;
        profile
    };
    let attempt = |kdd: [u8; 10], order: SessionOrder, store: &mut MemoryStore| {
        let mut reader = SimReader::new(blank().key_diversification(kdd).build());
        let ended = drive(lockout::open(order), &mut reader, store);
        (ended, command_names(&reader.take_log()))
    };
    let with_profile = |order: SessionOrder| SessionOrder { profile: unique(), ..order };
    let mut store = MemoryStore::new();
    for stay in 1..=2 {
        let (ended, _) = attempt([9; 10], with_profile(wrong(stay)), &mut store);
        assert!(is_wrong_keys(&ended, stay.into()), "{ended:?}");
    }
    // Known by then only from the answer to INITIALIZE UPDATE; EXTERNAL AUTHENTICATE must not follow, not even with the right keys.
    let (ended, names) = attempt([9; 10], with_profile(session("test-aes", 3)), &mut store);
    assert!(is_locked_out(&ended), "{ended:?}");
    assert!(names.contains(&"INITIALIZE UPDATE") && !names.contains(&"EXTERNAL AUTHENTICATE"), "{names:?}");
    // Another card, the same without the profile, and one whose data is all zero.
    let (ended, _) = attempt([8; 10], with_profile(session("test-aes", 4)), &mut store);
    assert!(matches!(counted(ended), Counted::Card(identity) if identity.as_str() == "kdd-08080808080808080808"));
    let (ended, _) = attempt([9; 10], session("test-aes", 5), &mut store);
    assert!(matches!(counted(ended), Counted::Insertion(_)));
    let (ended, _) = attempt([0; 10], with_profile(session("test-aes", 6)), &mut store);
    assert!(matches!(counted(ended), Counted::Insertion(_)));
}

#[test]
fn without_an_identity_failures_count_for_one_stay_in_the_reader_and_it_is_said() {
    let mut store = MemoryStore::new();
    let mut reader = SimReader::new(blank().key_diversification([0; 10]).build());
    for failures in 1..=2 {
        let ended = drive(lockout::open(wrong(1)), &mut reader, &mut store);
        assert!(is_wrong_keys(&ended, failures), "{ended:?}");
        assert!(ended.unwrap_err().to_string().contains("since it came into the reader (it tells no identity)"));
    }
    let ended = drive(lockout::open(session("test-aes", 1)), &mut reader, &mut store);
    assert!(is_locked_out(&ended), "{ended:?}");
    let ended = drive(lockout::open(session("test-aes", 2)), &mut reader, &mut store);
    assert!(matches!(counted(ended), Counted::Insertion(_)), "another stay");
}

/// The attempt is on stable storage before INITIALIZE UPDATE: a card that never answers is left alone after eight of them.
#[test]
fn attempts_that_are_never_answered_count_as_well() {
    let mut store = MemoryStore::new();
    let initialize = number_of_initialize();
    for _ in 0..8 {
        let mut reader = SimReader::new(card(SCP03)).with_faults(Faults::none().at(initialize, Fault::CutAfter));
        let ended = drive(lockout::open(session("test-aes", 1)), &mut reader, &mut store);
        match ended {
            Ok(Outcome::Interrupted(during)) => assert_eq!(during.kind, TransportErrorKind::CardRemoved),
            other => panic!("{other:?}"),
        }
    }
    let ended = drive(lockout::open(session("test-aes", 1)), &mut SimReader::new(card(SCP03)), &mut store);
    assert!(matches!(ended, Err(IssueError::LockedOut { failures: 0, unanswered: 8, .. })), "{ended:?}");
}

/// What the card's policy refuses, and keys that it does not have, are no failures; what it counts itself is.
#[test]
fn a_refusal_counts_only_where_the_card_counted() {
    let initialize = number_of_initialize();
    let mut store = MemoryStore::new();
    for (sw, expected) in
        [([0x69, 0x82], 0), ([0x6A, 0x88], 0), ([0x63, 0xC2], 1), ([0x69, 0x82], 1), ([0x63, 0xC1], 2)]
    {
        let faults = Faults::none().at(initialize, Fault::Respond(sw.to_vec()));
        let mut reader = SimReader::new(card(SCP03)).with_faults(faults);
        let ended = drive(lockout::open(session("test-aes", 1)), &mut reader, &mut store);
        assert_eq!(reader.pending_faults(), 0);
        match ended {
            Err(IssueError::WrongKeys { failures, .. }) => assert_eq!((sw[0], failures), (0x63, expected)),
            Err(IssueError::Gp(_)) => assert_ne!(sw[0], 0x63),
            other => panic!("{sw:02X?}: {other:?}"),
        }
    }
    let ended = drive(lockout::open(session("test-aes", 1)), &mut SimReader::new(card(SCP03)), &mut store);
    assert!(is_locked_out(&ended), "{ended:?}");
}

fn short(order: SessionOrder) -> SessionOrder {
    SessionOrder { identify: Identify::AfterFailure, ..order }
}

/// Three commands while no card is known to have failed; a failure is counted for the card that failed, and from then on every
/// card is asked who it is until that one opened.
#[test]
fn a_card_that_was_not_asked_is_asked_when_its_keys_fail() {
    let mut store = MemoryStore::new();
    let mut reader = SimReader::new(card(SCP03));
    drive(lockout::open(short(session("test-aes", 1))), &mut reader, &mut store).unwrap();
    assert_eq!(command_names(&reader.take_log()), ["SELECT", "INITIALIZE UPDATE", "EXTERNAL AUTHENTICATE"]);
    assert!(lockout::is_clear(&store).unwrap());
    match drive(lockout::open(short(wrong(1))), &mut reader, &mut store) {
        Err(IssueError::WrongKeys { counted: Counted::Card(_), failures: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert!(!command_names(&reader.take_log()).contains(&"EXTERNAL AUTHENTICATE"));
    assert!(!lockout::is_clear(&store).unwrap());
    assert!(is_wrong_keys(&drive(lockout::open(wrong(1)), &mut reader, &mut store), 2));
    let locked = drive(lockout::open(session("test-aes", 1)), &mut reader, &mut store);
    assert!(is_locked_out(&locked), "{locked:?}");
    let order = SessionOrder { override_lockout: true, ..session("test-aes", 1) };
    drive(lockout::open(order), &mut reader, &mut store).unwrap();
    assert!(lockout::is_clear(&store).unwrap());
}

/// The card that swallowed an attempt is not known: the next one in the reader is asked who it is, and a success ends the doubt.
#[test]
fn an_attempt_of_an_unasked_card_that_is_torn_makes_the_next_one_be_asked() {
    let mut store = MemoryStore::new();
    let mut reader = SimReader::new(card(SCP03)).with_faults(Faults::none().at(2, Fault::CutAfter));
    let ended = drive(lockout::open(short(session("test-aes", 1))), &mut reader, &mut store);
    assert!(matches!(ended, Ok(Outcome::Interrupted(_))), "{ended:?}");
    assert!(!lockout::is_clear(&store).unwrap());
    let mut reader = SimReader::new(card(SCP03));
    drive(lockout::open(session("test-aes", 1)), &mut reader, &mut store).unwrap();
    assert!(lockout::is_clear(&store).unwrap());
}
