//! Deleting on request: what is guarded, and what a deletion comes to that was cut off.

mod support;

use cardwright::apdu::{Aid, StatusWord, Transport, TransportError};
use cardwright::issuance::remote::{self, DeleteOrder, IssueError, Kind, Order, Outcome, Report};
use cardwright::issuance::store::MemoryStore;
use cardwright_sim::{Fault, Faults, JavaCard, LogEntry, SecureChannelProtocol, SimReader};
use support::{SCP02, SCP03, aid, card, command_names, drive, instance, is_complete, issue, order, package, snapshot};

type Deleted = Result<Outcome<Report>, IssueError>;

fn delete(aid: Aid, force: bool, card: JavaCard, store: &mut MemoryStore, faults: Faults) -> (Deleted, SimReader) {
    let mut reader = SimReader::new(card).with_faults(faults);
    let order = DeleteOrder { aid, force, access: order(300) };
    let outcome = drive(remote::delete(order), &mut reader, store);
    (outcome, reader)
}

/// A card with everything, and its journal.
fn issued(protocol: SecureChannelProtocol) -> (JavaCard, MemoryStore) {
    let mut store = MemoryStore::new();
    let (outcome, reader) = issue(&order(300), card(protocol), &mut store, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    (reader.card().twin(), store)
}

/// A card whose application has not got its keys yet, and its journal.
fn installed() -> (JavaCard, MemoryStore) {
    let (_, mut reader) = issue(&order(300), card(SCP03), &mut MemoryStore::new(), Faults::none());
    let names = command_names(&reader.take_log());
    let write_key = 1 + names.iter().position(|name| *name == "WRITE KEY").unwrap() as u64;
    let mut store = MemoryStore::new();
    let (_, reader) = issue(&order(300), card(SCP03), &mut store, Faults::none().at(write_key, Fault::CutBefore));
    (reader.card().twin(), store)
}

fn deletes(log: &[LogEntry]) -> usize {
    log.iter().filter(|entry| entry.command[1] == 0xE4 && entry.response.ends_with(&[0x90, 0x00])).count()
}

fn is_on(card: &JavaCard, aid: Aid) -> bool {
    card.registry().iter().any(|entry| entry.aid == aid)
}

/// Refused before DELETE, with these words.
fn refused(outcome: &Deleted, mut reader: SimReader, before: &str, words: &[String]) {
    let text = outcome.as_ref().unwrap_err().to_string();
    words.iter().for_each(|word| assert!(text.contains(word), "{word} is not in: {text}"));
    assert!(!command_names(&reader.take_log()).contains(&"DELETE"));
    assert_eq!(snapshot(reader.card()), before);
}

#[test]
fn a_personalized_application_is_deleted_with_force_only() {
    for protocol in [SCP02, SCP03] {
        let (card, mut store) = issued(protocol);
        let before = snapshot(&card);
        let (outcome, reader) = delete(instance(), false, card.twin(), &mut store, Faults::none());
        assert!(matches!(outcome, Err(IssueError::Personalized { aid }) if aid == instance()), "{outcome:?}");
        refused(&outcome, reader, &before, &[instance().to_string()]);
        let (outcome, reader) = delete(instance(), true, card, &mut store, Faults::none());
        let Ok(Outcome::Complete(report)) = outcome else { panic!("{outcome:?}") };
        assert!(report.before.iter().any(|row| row.aid == instance() && row.kind == Kind::Application));
        assert!(!report.after.iter().any(|row| row.aid == instance()));
        assert!(!is_on(reader.card(), instance()) && is_on(reader.card(), package()));
    }
}

#[test]
fn an_application_without_keys_is_deleted_without_force() {
    let (card, mut store) = installed();
    assert!(is_on(&card, instance()));
    let (outcome, reader) = delete(instance(), false, card, &mut store, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    assert!(!is_on(reader.card(), instance()));
}

#[test]
fn a_load_file_with_applications_is_deleted_with_force_only_and_then_with_them() {
    let (card, mut store) = issued(SCP03);
    let before = snapshot(&card);
    let (outcome, reader) = delete(package(), false, card.twin(), &mut store, Faults::none());
    let Err(IssueError::HasDependants { dependants, .. }) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(dependants[..], [instance()]);
    refused(&outcome, reader, &before, &[package().to_string(), instance().to_string()]);
    let (outcome, mut reader) = delete(package(), true, card, &mut store, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    assert_eq!(reader.card().registry().len(), 1);
    assert_eq!(deletes(&reader.take_log()), 1, "one DELETE with all that is related");
}

#[test]
fn a_load_file_without_applications_is_deleted_without_force() {
    let (card, mut store) = installed();
    let (_, reader) = delete(instance(), false, card, &mut store, Faults::none());
    let (outcome, reader) = delete(package(), false, reader.card().twin(), &mut store, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    assert_eq!(reader.card().registry().len(), 1);
}

#[test]
fn the_issuer_security_domain_is_not_deleted_even_with_force() {
    let (card, mut store) = issued(SCP03);
    let (before, domain) = (snapshot(&card), card.isd_aid());
    let (outcome, reader) = delete(domain, true, card, &mut store, Faults::none());
    assert!(matches!(outcome, Err(IssueError::IssuerSecurityDomain { .. })), "{outcome:?}");
    refused(&outcome, reader, &before, &[domain.to_string()]);
}

#[test]
fn what_is_not_on_the_card_is_said_so() {
    let (card, mut store) = issued(SCP03);
    let (before, stranger) = (snapshot(&card), aid("A000000999"));
    let (outcome, reader) = delete(stranger, true, card, &mut store, Faults::none());
    assert!(matches!(outcome, Err(IssueError::NotOnCard { .. })), "{outcome:?}");
    refused(&outcome, reader, &before, &[stranger.to_string()]);
}

/// Deletes and is torn once, deletes again, issues again: the same card as the first time.
fn torn(protocol: SecureChannelProtocol, what: Aid, fault: impl Fn() -> Fault) {
    let (reference, _) = issued(protocol);
    let commands = {
        let (card, mut store) = issued(protocol);
        delete(what, true, card, &mut store, Faults::none()).1.commands()
    };
    for n in 1..=commands {
        let (card, mut store) = issued(protocol);
        let case = format!("{protocol:?} {what} {:?} at {n}", fault());
        let (first, mut reader) = delete(what, true, card, &mut store, Faults::none().at(n, fault()));
        let mut executed = deletes(&reader.take_log());
        let (second, mut reader) = delete(what, true, reader.card().twin(), &mut store, Faults::none());
        executed += deletes(&reader.take_log());
        // A run that was complete leaves nothing to do.
        let Ok(Outcome::Complete(report)) = &second else { panic!("{case}: {first:?}, then {second:?}") };
        assert_eq!(report.changed, !is_complete(&first), "{case}");
        assert_eq!(executed, 1, "{case}: DELETE");
        assert!(!is_on(reader.card(), what), "{case}");
        let (again, reader) = issue(&order(300), reader.card().twin(), &mut store, Faults::none());
        assert!(is_complete(&again), "{case}: {again:?}");
        assert_eq!(snapshot(reader.card()), snapshot(&reference), "{case}: issued again");
    }
}

/// Which command of a run is DELETE, from 1.
fn number_of_delete(what: Aid) -> u64 {
    let (card, mut store) = issued(SCP03);
    let (_, mut reader) = delete(what, true, card, &mut store, Faults::none());
    1 + command_names(&reader.take_log()).iter().position(|name| *name == "DELETE").unwrap() as u64
}

/// A card that does not list these parts of its registry.
struct Unlisted {
    reader: SimReader,
    parts: &'static [u8],
}

impl Transport for Unlisted {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        self.reader.transmit(command, response)?;
        if command[1] == 0xF2 && self.parts.contains(&command[2]) {
            *response = vec![0x6A, 0x86];
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        self.reader.reset()
    }
}

fn delete_unlisted(
    aid: Aid,
    force: bool,
    card: JavaCard,
    store: &mut MemoryStore,
    parts: &'static [u8],
) -> (Deleted, SimReader) {
    let mut card = Unlisted { reader: SimReader::new(card), parts };
    let outcome = drive(remote::delete(DeleteOrder { aid, force, access: order(300) }), &mut card, store);
    (outcome, card.reader)
}

const UNLISTED: [&[u8]; 3] = [&[0x40, 0x10, 0x20], &[0x40], &[0x10, 0x20]];

/// The deletion was lost before it was executed; the card that does not list it has it still.
#[test]
fn a_lost_deletion_is_not_taken_for_done_on_a_card_that_does_not_list() {
    for (what, parts) in [(instance(), UNLISTED[0]), (instance(), UNLISTED[1]), (package(), UNLISTED[2])] {
        let (card, mut store) = issued(SCP03);
        let n = number_of_delete(what);
        let (_, reader) = delete(what, true, card, &mut store, Faults::none().at(n, Fault::CutBefore));
        let (unlisted, mut reader) = delete_unlisted(what, false, reader.card().twin(), &mut store, parts);
        assert!(matches!(unlisted, Err(IssueError::NotListed { .. })), "{what} {parts:02X?}: {unlisted:?}");
        assert!(!command_names(&reader.take_log()).contains(&"DELETE"));
        assert!(is_on(reader.card(), what));
        let (refused, reader) = issue(&order(300), reader.card().twin(), &mut store, Faults::none());
        assert!(matches!(refused, Err(IssueError::OpenDeletion { .. })), "the deletion is still open: {refused:?}");
        let (finished, reader) = delete(what, true, reader.card().twin(), &mut store, Faults::none());
        assert!(is_complete(&finished), "{finished:?}");
        assert!(!is_on(reader.card(), what));
    }
}

#[test]
fn with_force_delete_itself_tells_whether_the_object_is_there() {
    for fault in [Fault::CutBefore, Fault::CutAfter] {
        let (card, mut store) = issued(SCP03);
        let n = number_of_delete(instance());
        let (_, reader) = delete(instance(), true, card, &mut store, Faults::none().at(n, fault));
        let (asked, mut reader) = delete_unlisted(instance(), true, reader.card().twin(), &mut store, UNLISTED[0]);
        assert!(is_complete(&asked), "{asked:?}");
        let names = command_names(&reader.take_log());
        assert_eq!(names.iter().filter(|name| **name == "DELETE").count(), 1);
        assert!(!is_on(reader.card(), instance()));
        let (issued, _) = issue(&order(300), reader.card().twin(), &mut store, Faults::none());
        assert!(is_complete(&issued), "{issued:?}");
    }
}

#[test]
fn without_a_lost_attempt_a_card_that_does_not_list_is_not_called_empty() {
    let stranger = aid("A000000999");
    let (card, mut store) = issued(SCP03);
    for (what, parts) in [(instance(), UNLISTED[0]), (stranger, UNLISTED[1]), (package(), UNLISTED[2])] {
        let (outcome, mut reader) = delete_unlisted(what, false, card.twin(), &mut store, parts);
        assert!(matches!(outcome, Err(IssueError::NotListed { .. })), "{what} {parts:02X?}: {outcome:?}");
        assert!(!command_names(&reader.take_log()).contains(&"DELETE"));
    }
    let (outcome, _) = delete_unlisted(stranger, true, card.twin(), &mut store, UNLISTED[0]);
    assert!(matches!(outcome, Err(IssueError::NotOnCard { aid }) if aid == stranger), "{outcome:?}");
    let domain = card.isd_aid();
    let (outcome, _) = delete_unlisted(domain, true, card.twin(), &mut store, &[0x80, 0x40, 0x10, 0x20]);
    assert!(matches!(outcome, Err(IssueError::IssuerSecurityDomain { .. })), "{outcome:?}");
    // What depends on a load file is the card's to say: without a listing nothing is deleted along with it.
    let (outcome, reader) = delete_unlisted(package(), true, card.twin(), &mut store, UNLISTED[2]);
    assert!(matches!(outcome, Err(IssueError::Gp(_))), "{outcome:?}");
    assert!(is_on(reader.card(), package()) && is_on(reader.card(), instance()));
    let (outcome, reader) = delete_unlisted(instance(), true, card, &mut store, UNLISTED[0]);
    assert!(is_complete(&outcome), "{outcome:?}");
    assert!(!is_on(reader.card(), instance()) && is_on(reader.card(), package()));
}

/// A plain issue does not undo a deletion of which nobody knows yet whether it was executed.
#[test]
fn issuing_is_refused_until_a_torn_deletion_is_finished() {
    for what in [instance(), package()] {
        for fault in [Fault::CutBefore, Fault::CutAfter] {
            let (card, mut store) = issued(SCP03);
            let n = number_of_delete(what);
            let (_, reader) = delete(what, true, card, &mut store, Faults::none().at(n, fault));
            let before = snapshot(reader.card());
            let (refused, mut reader) = issue(&order(300), reader.card().twin(), &mut store, Faults::none());
            assert!(matches!(&refused, Err(IssueError::OpenDeletion { aid }) if *aid == what), "{refused:?}");
            assert!(refused.unwrap_err().to_string().contains(&format!("delete {what} again")));
            assert!(!command_names(&reader.take_log()).contains(&"INITIALIZE UPDATE"));
            assert_eq!(snapshot(reader.card()), before);
            let (finished, reader) = delete(what, true, reader.card().twin(), &mut store, Faults::none());
            assert!(is_complete(&finished), "{finished:?}");
            let (issued, _) = issue(&order(300), reader.card().twin(), &mut store, Faults::none());
            assert!(is_complete(&issued), "{issued:?}");
        }
    }
}

/// Without force the guard ends a deletion that was torn before it was executed, and leaves nothing open.
#[test]
fn a_torn_deletion_that_is_not_wanted_any_more_is_settled_by_its_guard() {
    let (card, mut store) = issued(SCP03);
    let n = number_of_delete(instance());
    let (_, reader) = delete(instance(), true, card, &mut store, Faults::none().at(n, Fault::CutBefore));
    let (guarded, reader) = delete(instance(), false, reader.card().twin(), &mut store, Faults::none());
    assert!(matches!(guarded, Err(IssueError::Personalized { .. })), "{guarded:?}");
    let (outcome, _) = issue(&order(300), reader.card().twin(), &mut store, Faults::none());
    assert!(matches!(&outcome, Ok(Outcome::Complete(report)) if !report.changed), "{outcome:?}");
}

#[test]
fn a_deletion_that_was_finished_is_complete_again_until_something_is_issued() {
    for what in [instance(), package()] {
        let (card, mut store) = issued(SCP03);
        let (first, reader) = delete(what, true, card, &mut store, Faults::none());
        assert!(is_complete(&first), "{first:?}");
        for _ in 0..2 {
            let (again, mut reader) = delete(what, false, reader.card().twin(), &mut store, Faults::none());
            assert!(matches!(&again, Ok(Outcome::Complete(report)) if !report.changed), "{again:?}");
            assert!(!command_names(&reader.take_log()).contains(&"DELETE"));
        }
        let (issued, reader) = issue(&order(300), reader.card().twin(), &mut store, Faults::none());
        assert!(is_complete(&issued), "{issued:?}");
        let (guarded, _) = delete(what, false, reader.card().twin(), &mut store, Faults::none());
        assert!(
            matches!(guarded, Err(IssueError::Personalized { .. } | IssueError::HasDependants { .. })),
            "{guarded:?}"
        );
    }
}

/// What was issued after the deletion and then vanished was not deleted by us.
#[test]
fn a_deletion_before_the_last_issue_does_not_count() {
    let (card, mut store) = issued(SCP03);
    let (_, reader) = delete(instance(), true, card, &mut store, Faults::none());
    let without = reader.card().twin();
    let (issued, _) = issue(&order(300), without.twin(), &mut store, Faults::none());
    assert!(is_complete(&issued), "{issued:?}");
    let (outcome, _) = delete(instance(), true, without, &mut store, Faults::none());
    assert!(matches!(outcome, Err(IssueError::NotOnCard { .. })), "{outcome:?}");
}

#[test]
fn a_deletion_that_is_torn_is_resumed_and_the_card_issued_again() {
    for protocol in [SCP02, SCP03] {
        for what in [instance(), package()] {
            torn(protocol, what, || Fault::CutBefore);
            torn(protocol, what, || Fault::CutAfter);
        }
    }
}

/// 6A88 to DELETE is what a repetition gets; the listing tells whether it is true.
#[test]
fn a_status_word_to_any_command_of_a_deletion_is_survived() {
    for sw in [0x6A88, 0x6985, 0x6F00] {
        torn(SCP03, instance(), || Fault::Status(StatusWord(sw)));
    }
}

#[test]
fn a_card_is_issued_again_after_a_deletion_with_the_same_keys() {
    for protocol in [SCP02, SCP03] {
        for what in [instance(), package()] {
            let (card, mut store) = issued(protocol);
            let before = snapshot(&card);
            let (_, reader) = delete(what, true, card, &mut store, Faults::none());
            let (outcome, reader) = issue(&order(300), reader.card().twin(), &mut store, Faults::none());
            assert!(matches!(&outcome, Ok(Outcome::Complete(report)) if report.changed), "{outcome:?}");
            assert_eq!(snapshot(reader.card()), before);
            let (outcome, reader) = issue(&order(300), reader.card().twin(), &mut store, Faults::none());
            assert!(matches!(&outcome, Ok(Outcome::Complete(report)) if !report.changed), "{outcome:?}");
            assert_eq!(snapshot(reader.card()), before);
        }
    }
}

/// A reader that shows the listing from before the deletion once more, after it.
struct Stale {
    reader: SimReader,
    before: Vec<(u8, Vec<u8>)>,
    is_deleted: bool,
}

impl Transport for Stale {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        self.reader.transmit(command, response)?;
        self.is_deleted |= command[1] == 0xE4;
        match (command[1], self.is_deleted) {
            (0xF2, false) => self.before.push((command[2], response.clone())),
            (0xF2, true) => {
                let (_, listing) = self.before.iter().find(|(part, _)| *part == command[2]).unwrap();
                response.clone_from(listing);
            }
            _ => {}
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        self.reader.reset()
    }
}

#[test]
fn a_9000_to_delete_is_not_believed_while_the_card_lists_what_was_deleted() {
    let (card, mut store) = issued(SCP03);
    let mut stale = Stale { reader: SimReader::new(card), before: Vec::new(), is_deleted: false };
    let deletion = || DeleteOrder { aid: instance(), force: true, access: order(300) };
    let outcome = drive(remote::delete(deletion()), &mut stale, &mut store);
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains("the deletion of A00000038698070101, which the card still lists"), "{text}");
    // What came of it stays open, and nothing is issued before it is told.
    let card = stale.reader.card().twin();
    let (refused, reader) = issue(&order(300), card, &mut store, Faults::none());
    assert!(matches!(refused, Err(IssueError::OpenDeletion { .. })), "{refused:?}");
    let (outcome, mut reader) = delete(instance(), true, reader.card().twin(), &mut store, Faults::none());
    assert!(matches!(outcome, Ok(Outcome::Complete(_))) && !is_on(reader.card(), instance()), "{outcome:?}");
    assert_eq!(deletes(&reader.take_log()), 0, "it was done");
}

#[test]
fn a_deletion_in_quarantine_waits_for_two_persons() {
    let (mut card, mut store) = issued(SCP03);
    let number = number_of_delete(instance());
    for _ in 0..12 {
        let (_, reader) = delete(instance(), true, card, &mut store, Faults::none().at(number, Fault::CutBefore));
        card = reader.card().twin();
    }
    for _ in 0..2 {
        let (outcome, mut reader) = delete(instance(), true, card, &mut store, Faults::none());
        assert!(matches!(outcome, Ok(Outcome::Quarantined { .. })), "{outcome:?}");
        assert_eq!(deletes(&reader.take_log()), 0);
        card = reader.card().twin();
    }
    let access = Order { release: support::released(&store), ..order(300) };
    let mut reader = SimReader::new(card);
    let outcome = drive(remote::delete(DeleteOrder { aid: instance(), force: true, access }), &mut reader, &mut store);
    assert!(matches!(outcome, Ok(Outcome::Complete(_))) && !is_on(reader.card(), instance()), "{outcome:?}");
}

/// What the ledger says decides over money: nil and settled, for this application on this card alone.
#[test]
fn an_application_with_money_goes_only_when_its_ledger_is_settled() {
    let (card, mut store) = issued(SCP03);
    let identity = |card: &JavaCard| {
        let (outcome, _) = issue(&order(300), card.twin(), &mut MemoryStore::new(), Faults::none());
        let Ok(Outcome::Complete(report)) = outcome else { panic!("{outcome:?}") };
        report.card.identity
    };
    let name = identity(&card);
    for (amount, unsettled) in [(1, 0), (0, 1)] {
        let refused = remote::Settled::of(name.clone(), instance(), remote::Balance { amount, unsettled });
        assert!(matches!(refused, Err(IssueError::NotSettled { .. })));
    }
    let settled = |card, aid| remote::Settled::of(card, aid, remote::Balance { amount: 0, unsettled: 0 }).unwrap();
    let mut delete = |settled, card: JavaCard| {
        let mut reader = SimReader::new(card);
        let order = DeleteOrder { aid: instance(), force: false, access: order(300) };
        let outcome = drive(remote::delete_settled(order, settled), &mut reader, &mut store);
        (outcome, reader)
    };
    // The ledger of another application, and of another card.
    let (outcome, reader) = delete(settled(name.clone(), package()), card.twin());
    refused(&outcome, reader, &snapshot(&card), &["is personalized".into()]);
    let other = identity(&JavaCard::builder().protocol(SCP03).seed(99).build());
    assert_ne!(other, name);
    let (outcome, reader) = delete(settled(other, instance()), card.twin());
    refused(&outcome, reader, &snapshot(&card), &["another card".into()]);

    let (outcome, reader) = delete(settled(name, instance()), card.twin());
    assert!(is_complete(&outcome), "{outcome:?}");
    assert!(!is_on(reader.card(), instance()));
}
