//! Guards of remote issuing: each of these runs must not do what it could.

mod support;

use cardwright::apdu::{CommandApdu, Ne, StatusWord, Transport, TransportError, TransportErrorKind};
use cardwright::gp::SecurityLevel;
use cardwright::issuance::remote::{ApplicationStatus, DeleteOrder, IssueError, Order, Outcome, delete, record_use};
use cardwright::issuance::store::MemoryStore;
use cardwright::keys::KeyRef;
use cardwright_sim::{Fault, Faults, JavaCard, LogEntry, SecureChannelProtocol, SimReader};
use support::{SCP03, card, clean_log, drive, instance, is_complete, issue, number_of, order, snapshot};

fn is_master_key(command: &[u8]) -> bool {
    command[..3] == [0x84, 0xD4, 0xF9]
}

fn is_put_key(command: &[u8]) -> bool {
    command[1] == 0xD8
}

/// EXTERNAL AUTHENTICATE to an application, with data.
fn attempts(log: &[LogEntry]) -> usize {
    log.iter().filter(|entry| entry.command[..2] == [0x00, 0x82] && entry.command.len() > 5).count()
}

/// Lets wrong authentications lower the retry counter of the installed application.
fn fail_authentications(card: JavaCard, times: usize) -> JavaCard {
    let mut reader = SimReader::new(card);
    let select = CommandApdu::new(0x00, 0xA4, 0x04, 0x00).with_data(instance().as_bytes()).with_ne(Ne::MAX_SHORT);
    assert!(reader.exchange(&select).unwrap().sw().is_ok());
    for _ in 0..times {
        let challenge = CommandApdu::new(0x00, 0x84, 0, 0).with_ne(Ne::new(8).unwrap());
        assert!(reader.exchange(&challenge).unwrap().sw().is_ok());
        let sw = reader.exchange(&CommandApdu::new(0x00, 0x82, 0, 0).with_data([0; 8])).unwrap().sw();
        assert!(sw.tries_left().is_some() || sw == StatusWord::AUTHENTICATION_BLOCKED, "{sw}");
    }
    reader.card().twin()
}

#[test]
fn the_last_try_of_a_master_key_is_never_used() {
    let first_attempt = number_of(|command| command[..2] == [0x00, 0x82]);
    for (failures, tries) in [(1, 2), (2, 1), (3, 0)] {
        let mut store = MemoryStore::new();
        let cut = Faults::none().at(first_attempt, Fault::CutBefore);
        let (_, reader) = issue(&order(500), card(SCP03), &mut store, cut);
        let now = fail_authentications(reader.card().twin(), failures);
        assert_eq!(now.pboc_application(&instance()).unwrap().master_key().tries_left(), tries);
        let (outcome, mut reader) = issue(&order(500), now, &mut MemoryStore::new(), Faults::none());
        if tries >= 2 {
            assert!(is_complete(&outcome), "{outcome:?}");
            continue;
        }
        assert!(matches!(outcome, Ok(Outcome::Quarantined { .. })), "{tries}: {outcome:?}");
        assert_eq!(attempts(&reader.take_log()), 0);
        assert_eq!(reader.card().pboc_application(&instance()).unwrap().master_key().tries_left(), tries);
    }
}

#[test]
fn a_changed_order_costs_no_try_while_the_master_key_is_in_doubt() {
    let mut store = MemoryStore::new();
    let cut = Faults::none().at(number_of(is_master_key), Fault::CutAfter);
    let (_, reader) = issue(&order(500), card(SCP03), &mut store, cut);
    let mut other = order(500);
    other.applications[0].master_key = KeyRef::new("application-maintenance");
    let (outcome, mut reader) = issue(&other, reader.card().twin(), &mut store, Faults::none());
    assert!(matches!(outcome, Err(IssueError::OrderChanged { step: "master-key", .. })), "{outcome:?}");
    assert_eq!(attempts(&reader.take_log()), 0);
    let (outcome, reader) = issue(&order(500), reader.card().twin(), &mut store, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    assert_eq!(reader.card().pboc_application(&instance()).unwrap().master_key().tries_left(), 3);
}

#[test]
fn a_changed_order_is_not_counted_while_the_domain_keys_are_in_doubt() {
    let mut store = MemoryStore::new();
    let cut = Faults::none().at(number_of(is_put_key), Fault::CutAfter);
    let (_, reader) = issue(&order(500), card(SCP03), &mut store, cut);
    let mut other = order(500);
    other.new_keys[0].key = KeyRef::new("test-aes");
    let mut now = reader.card().twin();
    for _ in 0..4 {
        let (outcome, mut reader) = issue(&other, now, &mut store, Faults::none());
        assert!(matches!(outcome, Err(IssueError::OrderChanged { step: "domain-keys", .. })), "{outcome:?}");
        assert!(!reader.take_log().iter().any(|entry| entry.command[..2] == [0x80, 0x50]));
        now = reader.card().twin();
    }
    assert!(is_complete(&issue(&order(500), now, &mut store, Faults::none()).0));
}

#[test]
fn initial_keys_go_only_when_the_order_says_so() {
    for protocol in [support::SCP02, SCP03] {
        let fresh = || JavaCard::builder().protocol(protocol).key_version(0xFF).seed(7).build();
        let (outcome, mut reader) = issue(&order(500), fresh(), &mut MemoryStore::new(), Faults::none());
        let refused = matches!(outcome, Err(IssueError::Gp(cardwright::gp::Error::Irreversible { .. })));
        assert!(refused, "{outcome:?}");
        // Before anything was changed.
        let changes = |entry: &LogEntry| matches!(entry.command[1], 0xD8 | 0xE2 | 0xE4 | 0xE6 | 0xE8 | 0xF0);
        assert!(!reader.take_log().iter().any(changes));
        let meant = Order { replace_initial_keys: true, ..order(500) };
        let (outcome, reader) = issue(&meant, reader.card().twin(), &mut MemoryStore::new(), Faults::none());
        assert!(is_complete(&outcome), "{outcome:?}");
        assert!(reader.card().key_set(0xFF).is_none() && reader.card().key_set(0x01).is_some());
    }
}

#[test]
fn a_bare_9000_to_put_key_is_settled_by_the_next_session_of_the_same_run() {
    let bare = Faults::none().at(number_of(is_put_key), Fault::Respond(vec![0x90, 0x00]));
    let (outcome, _) = issue(&order(500), card(SCP03), &mut MemoryStore::new(), bare);
    assert!(is_complete(&outcome), "{outcome:?}");
}

#[test]
fn a_released_step_is_tried_again_however_often_it_was_torn() {
    let mut store = MemoryStore::new();
    let load = number_of(|command| command[1] == 0xE8);
    let mut now = card(SCP03);
    for _ in 0..12 {
        let (_, reader) = issue(&order(500), now, &mut store, Faults::none().at(load, Fault::CutBefore));
        now = reader.card().twin();
    }
    let (outcome, reader) = issue(&order(500), now, &mut store, Faults::none());
    assert!(matches!(outcome, Ok(Outcome::Quarantined { .. })), "{outcome:?}");
    let mut released = order(500);
    released.release = support::released(&store);
    assert!(is_complete(&issue(&released, reader.card().twin(), &mut store, Faults::none()).0));
}

#[test]
fn a_card_that_does_not_list_is_not_taken_for_an_empty_one() {
    let listing = |p1: u8| move |command: &[u8]| command[1] == 0xF2 && command[2] == p1;
    for p1 in [0x40, 0x10] {
        let mut store = MemoryStore::new();
        let (done, reader) = issue(&order(500), card(SCP03), &mut store, Faults::none());
        assert!(is_complete(&done));
        let before = snapshot(reader.card());
        let refuse = |faults: Faults, n| faults.at(n, Fault::Respond(vec![0x6A, 0x86]));
        let mut faults = refuse(Faults::none(), number_of(listing(p1)));
        if p1 == 0x10 {
            faults = refuse(faults, number_of(listing(0x10)) + 1);
        }
        let (outcome, mut reader) = issue(&order(500), reader.card().twin(), &mut store, faults);
        let log = reader.take_log();
        assert!(!log.iter().any(|entry| matches!(entry.command[1], 0xE6 | 0xE8)), "{p1:02X}: {outcome:?}");
        assert_eq!(snapshot(reader.card()), before);
        if p1 == 0x40 {
            assert!(matches!(outcome, Err(IssueError::NotListed { what: "applications" })), "{outcome:?}");
        }
    }
}

#[test]
fn an_application_installed_anew_behind_the_record_is_not_called_complete() {
    let mut store = MemoryStore::new();
    let (done, reader) = issue(&order(500), card(SCP03), &mut store, Faults::none());
    assert!(is_complete(&done));
    // Another journal: deleted by force, loaded and installed, torn before it is personalized.
    let mut theirs = MemoryStore::new();
    let mut reader = SimReader::new(reader.card().twin());
    let deletion = DeleteOrder { aid: support::package(), force: true, access: order(500) };
    assert!(drive(delete(deletion), &mut reader, &mut theirs).is_ok());
    let mut reader = SimReader::new(reader.card().twin());
    reader.plan(number_of(|command| command[..2] == [0x00, 0x82]), Fault::CutBefore);
    let _ = drive(cardwright::issuance::remote::issue(order(500)), &mut reader, &mut theirs);
    let (outcome, _) = issue(&order(500), reader.card().twin(), &mut store, Faults::none());
    assert!(matches!(outcome, Err(IssueError::Contradiction { .. })), "{outcome:?}");
}

#[test]
fn a_card_without_serial_number_is_known_by_issuer_and_card_image_number() {
    let blank = || JavaCard::builder().protocol(SCP03).cplc([0; 42]);
    let (outcome, _) = issue(&order(500), blank().build(), &mut MemoryStore::new(), Faults::none());
    assert!(matches!(outcome, Err(IssueError::NoIdentity)), "{outcome:?}");
    let known = blank().iin([0x12, 0x34]).cin([0x56, 0x78]).key_diversification([9; 10]).seed(5).build();
    let mut store = MemoryStore::new();
    let (outcome, _) = issue(&order(500), known, &mut store, Faults::none());
    match outcome {
        Ok(Outcome::Complete(report)) => assert_eq!(report.card.identity.as_str(), "iin-1234-cin-5678"),
        // The application's serial number comes from the same blank data: its keys are not derived.
        Err(IssueError::NoSerialNumber { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_are_not_derived_from_blank_diversification_data() {
    let blank = JavaCard::builder().protocol(SCP03).key_diversification([0; 10]).seed(5).build();
    let (outcome, mut reader) = issue(&order(500), blank, &mut MemoryStore::new(), Faults::none());
    assert!(matches!(outcome, Err(IssueError::NoDiversificationData)), "{outcome:?}");
    assert!(!reader.take_log().iter().any(|entry| is_put_key(&entry.command)));
}

#[test]
fn a_level_that_the_card_does_not_have_is_refused_before_it_can_count() {
    let scp02 = card(SecureChannelProtocol::Scp02 { i: 0x15 });
    let mut order = order(500);
    order.level = SecurityLevel::FULL;
    let (outcome, mut reader) = issue(&order, scp02, &mut MemoryStore::new(), Faults::none());
    assert!(matches!(outcome, Err(IssueError::Level { .. })), "{outcome:?}");
    assert!(!reader.take_log().iter().any(|entry| entry.command[1] == 0x50));
}

#[test]
fn initialize_update_that_is_never_answered_counts_in_the_end() {
    let update = number_of(|command| command[..2] == [0x80, 0x50]);
    let mut store = MemoryStore::new();
    let mut now = card(SCP03);
    for _ in 0..8 {
        let (outcome, reader) = issue(&order(500), now, &mut store, Faults::none().at(update, Fault::CutAfter));
        assert!(matches!(outcome, Ok(Outcome::Interrupted(_))), "{outcome:?}");
        now = reader.card().twin();
    }
    let (outcome, _) = issue(&order(500), now, &mut store, Faults::none());
    assert!(matches!(outcome, Err(IssueError::LockedOut { failures: 0, unanswered: 8, .. })), "{outcome:?}");
}

#[test]
fn use_is_recorded_only_of_what_was_issued() {
    let mut store = MemoryStore::new();
    let mut reader = SimReader::new(card(SCP03));
    let outcome = drive(record_use(instance()), &mut reader, &mut store);
    assert!(matches!(outcome, Err(IssueError::NotIssued { .. })));
    let (_, reader) = issue(&order(500), card(SCP03), &mut store, Faults::none());
    let mut reader = SimReader::new(reader.card().twin());
    assert!(drive(record_use(instance()), &mut reader, &mut store).is_ok());
    let (outcome, _) = issue(&order(500), reader.card().twin(), &mut store, Faults::none());
    let Ok(Outcome::Complete(report)) = outcome else { panic!("{outcome:?}") };
    let row = report.after.iter().find(|row| row.aid == instance()).unwrap();
    assert_eq!(row.status, Some(ApplicationStatus::Used));
}

#[test]
fn a_9000_to_the_master_key_is_not_believed() {
    let mut store = MemoryStore::new();
    let lie = Faults::none().at(number_of(is_master_key), Fault::Status(StatusWord::OK));
    let (outcome, reader) = issue(&order(500), card(SCP03), &mut store, lie);
    assert!(
        matches!(&outcome, Ok(Outcome::Quarantined { reason, .. }) if reason.contains("does not accept")),
        "{outcome:?}"
    );
    let mut released = order(500);
    released.release = support::released(&store);
    let (outcome, mut reader) = issue(&released, reader.card().twin(), &mut store, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    assert_eq!(reader.take_log().iter().filter(|entry| is_master_key(&entry.command)).count(), 1);
}

#[test]
fn a_key_check_value_that_differs_stops_the_job() {
    let mut store = MemoryStore::new();
    // The answer is the key version and three check values of three bytes.
    let flipped = Faults::none().at(number_of(is_put_key), Fault::FlipBit(8));
    let (outcome, reader) = issue(&order(500), card(SCP03), &mut store, flipped);
    assert!(
        matches!(&outcome, Err(error) if error.to_string().contains("PUT KEY: check value of key 1")),
        "{outcome:?}"
    );
    let (outcome, _) = issue(&order(500), reader.card().twin(), &mut store, Faults::none());
    assert!(matches!(outcome, Ok(Outcome::Quarantined { .. })), "{outcome:?}");
}

#[test]
fn another_complete_card_in_the_last_stage_is_not_shown_as_this_one() {
    let other = || JavaCard::builder().protocol(SCP03).seed(99).build();
    let mut store = MemoryStore::new();
    let (done, reader) = issue(&order(500), other(), &mut store, Faults::none());
    assert!(is_complete(&done));
    let log = clean_log();
    let last_select = log.iter().rposition(|entry| entry.command[..2] == [0x00, 0xA4]).unwrap() as u64 + 1;
    for n in last_select..=log.len() as u64 {
        let swap = Faults::none().at(n, Fault::Swap(Box::new(reader.card().twin())));
        let (outcome, _) = issue(&order(500), card(SCP03), &mut MemoryStore::new(), swap);
        assert!(!is_complete(&outcome), "swapped at {n} of {}: {outcome:?}", log.len());
    }
}

/// A reader that fails at 255 bytes of command data: it answers 6700 in the card's place, or nothing.
struct FailsAt255 {
    reader: SimReader,
    dies: bool,
}

impl Transport for FailsAt255 {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        match command.get(4) {
            Some(lc) if *lc > 245 && command.len() > 200 && self.dies => {
                Err(TransportError::unknown(TransportErrorKind::Timeout))
            }
            Some(lc) if *lc > 245 && command.len() > 200 => {
                *response = vec![0x67, 0x00];
                Ok(())
            }
            _ => self.reader.transmit(command, response),
        }
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        self.reader.reset()
    }
}

#[test]
fn a_reader_that_fails_at_255_bytes_gets_shorter_blocks_and_is_remembered() {
    let order = order(2000);
    for dies in [false, true] {
        let mut store = MemoryStore::new();
        let mut reader = FailsAt255 { reader: SimReader::new(card(SCP03)), dies };
        let mut runs = 0;
        loop {
            runs += 1;
            match drive(cardwright::issuance::remote::issue(order.clone()), &mut reader, &mut store) {
                Ok(Outcome::Complete(_)) => break,
                Ok(Outcome::Interrupted(_)) if dies && runs < 6 => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(runs, if dies { 4 } else { 1 });
        // Deleted and issued again: no long block is tried.
        let deletion = DeleteOrder { aid: support::package(), force: true, access: order.clone() };
        assert!(drive(delete(deletion), &mut reader, &mut store).is_ok());
        let before = reader.reader.take_log().len();
        assert!(before > 0);
        assert!(is_complete(&drive(cardwright::issuance::remote::issue(order.clone()), &mut reader, &mut store)));
        assert_eq!(reader.reader.take_log().iter().filter(|entry| entry.command[..2] == [0x80, 0x50]).count(), 2);
    }
}

#[test]
fn an_order_for_one_card_is_refused_by_another_before_anything_is_sent() {
    let (first, _) = issue(&order(300), card(SCP03), &mut MemoryStore::new(), Faults::none());
    let Ok(Outcome::Complete(report)) = first else { panic!("{first:?}") };
    let bound = Order { card: Some(report.card.identity), ..order(300) };
    let other = JavaCard::builder().protocol(SCP03).seed(8).build();
    let (outcome, mut reader) = issue(&bound, other, &mut MemoryStore::new(), Faults::none());
    assert!(matches!(outcome, Err(IssueError::OtherCard { .. })), "{outcome:?}");
    assert!(reader.take_log().iter().all(|entry| matches!(entry.command[1], 0xA4 | 0xCA)));
    let (outcome, _) = issue(&bound, card(SCP03), &mut MemoryStore::new(), Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
}

#[test]
fn a_rejected_master_key_that_a_person_released_is_tried_with_the_key_that_is_there_now() {
    let mut store = MemoryStore::new();
    let mut wrong = order(500);
    wrong.applications[0].initial_master_key = KeyRef::new("application-maintenance");
    let (outcome, mut reader) = issue(&wrong, card(SCP03), &mut store, Faults::none());
    assert!(matches!(outcome, Ok(Outcome::Quarantined { .. })), "{outcome:?}");
    assert_eq!(attempts(&reader.take_log()), 1);
    let mut right = order(500);
    right.release = support::released(&store);
    let (outcome, _) = issue(&right, reader.card().twin(), &mut store, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
}
