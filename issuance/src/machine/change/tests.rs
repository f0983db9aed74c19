use proptest::prelude::*;

use super::*;
use crate::event::{Event, EventFault};
use crate::job::JobState;
use crate::journal::{Entry, Head, Record};
use crate::machine::testing::kept;
use crate::primitive::idempotency::{Request, RequestEvent};
use crate::primitive::lease::{Lease, LeaseEvent, Token};
use crate::primitive::outbox::{Message, MessageEvent, Outbox};
use crate::store::{Fault, Journal, MemoryFaults, MemoryStore};

fn entity(name: &str) -> Entity {
    Entity::new(name).unwrap()
}

fn begun(input: u8) -> RequestEvent {
    RequestEvent::Begun { at_ms: 1, input: [input; 32] }
}

fn reserved(token: u64) -> LeaseEvent {
    LeaseEvent::Reserved { at_ms: 1, token: Token::new(token), holder: "o".into(), until_ms: 9, subscriber: None }
}

fn load<M: Machine>(store: &MemoryStore, name: &str) -> Kept<M> {
    Kept::load(store, entity(name)).unwrap()
}

fn bss() -> Destination {
    Destination::new("bss").unwrap()
}

#[test]
fn several_machines_and_messages_are_written_together() {
    let mut store = MemoryStore::new();
    let (mut number, mut request) = (load::<Lease>(&store, "number/1"), load::<Request>(&store, "request/1"));
    let change = Change::new().apply(&mut number, &[reserved(1)]).unwrap().post(&bss(), b"reserved").unwrap();
    let change = change.apply(&mut request, &[begun(1)]).unwrap().post(&bss(), b"begun").unwrap();
    let changed = change.commit(&mut store, 5).unwrap();
    assert_eq!((changed.durable.first_seq(), changed.durable.last_seq()), (1, 4));
    assert_eq!((number.last_seq(), request.last_seq()), (1, 3));
    assert_eq!(number.state().token(), Token::new(1));
    assert_eq!(number.take_effects().len(), 1);
    assert!(number.take_effects().is_empty());
    assert_ne!(changed.messages[0], changed.messages[1]);

    // What was folded from memory is what the journal says.
    assert_eq!(load::<Lease>(&store, "number/1").state(), number.state());
    let released = LeaseEvent::Released { at_ms: 2, token: Token::new(1) };
    Change::new().apply(&mut number, &[released]).unwrap().commit(&mut store, 6).unwrap();
    assert_eq!(number.last_seq(), 5);
}

#[test]
fn what_is_under_way_is_marked_open_until_it_is_not() {
    let mut store = MemoryStore::new();
    let mut number = load::<Lease>(&store, "number/1");
    let change = Change::new().apply(&mut number, &[reserved(1)]).unwrap().post(&bss(), b"reserved").unwrap();
    let changed = change.commit(&mut store, 5).unwrap();
    let open = |store: &MemoryStore, prefix| store.open_entities(prefix).unwrap();
    assert_eq!(open(&store, "number/"), [entity("number/1")]);
    assert_eq!(open(&store, "").len(), 2, "and the message is to be sent");
    assert_eq!(store.records(0, 1).unwrap()[0].origin.as_ref().unwrap().machine.as_str(), Lease::NAME);
    assert_eq!(changed.messages.len(), 1);
    let released = LeaseEvent::Released { at_ms: 2, token: Token::new(1) };
    Change::new().apply(&mut number, &[released]).unwrap().commit(&mut store, 6).unwrap();
    assert_eq!(!open(&store, "number/").is_empty(), number.state().is_open());
}

#[test]
fn a_stale_writer_is_refused_until_it_has_read_again() {
    let mut store = MemoryStore::new();
    let mut one = load::<Lease>(&store, "number/1");
    let mut other = load::<Lease>(&store, "number/1");
    Change::new().apply(&mut one, &[reserved(1)]).unwrap().commit(&mut store, 1).unwrap();
    let refused = Change::new().apply(&mut other, &[reserved(1)]).unwrap().commit(&mut store, 1);
    assert!(matches!(refused, Err(StoreError::Conflict { expected: 0, actual: 1, .. })));
    assert_eq!(other.state(), &Lease::default());
    let again = Change::new().apply(&mut other, &[reserved(1)]).unwrap_err();
    assert!(matches!(again, MachineError::Stale { .. }), "{again}");

    let mut other = load::<Lease>(&store, "number/1");
    let refused = Change::new().apply(&mut other, &[reserved(2)]).unwrap_err();
    assert!(matches!(refused, MachineError::Refused { machine: "lease", .. }), "{refused}");
}

#[test]
fn what_a_change_only_looked_at_must_not_have_changed_either() {
    let mut store = MemoryStore::new();
    let number = kept::<Lease>(&mut store, "number/1", &[reserved(1)]);
    let mut request = load::<Request>(&store, "request/1");
    let mut elsewhere = load::<Lease>(&store, "number/1");
    let revoked = LeaseEvent::Revoked { at_ms: 2 };
    Change::new().apply(&mut elsewhere, &[revoked]).unwrap().commit(&mut store, 2).unwrap();
    let change = Change::new().given(&number).unwrap().apply(&mut request, &[begun(1)]).unwrap();
    assert!(matches!(change.commit(&mut store, 3), Err(StoreError::Conflict { .. })));
    assert_eq!(store.history(&entity("request/1")).unwrap(), []);
}

#[test]
fn one_entity_has_one_part() {
    let mut store = MemoryStore::new();
    let (mut one, mut same) = (load::<Lease>(&store, "number/1"), load::<Lease>(&store, "number/1"));
    let change = Change::new().apply(&mut one, &[reserved(1)]).unwrap();
    assert!(matches!(change.apply(&mut same, &[reserved(1)]), Err(MachineError::Twice { .. })));
    assert!(matches!(Change::new().commit(&mut store, 1), Err(StoreError::NothingToWrite)));
}

#[test]
fn there_is_no_message_without_a_change() {
    let store = MemoryStore::new();
    assert_eq!(Change::new().post(&bss(), b"x").unwrap_err(), PostError::NothingChanged);
    let mut number = load::<Lease>(&store, "number/1");
    let looked_at = Change::new().apply(&mut number, &[]).unwrap();
    assert_eq!(looked_at.post(&bss(), b"x").unwrap_err(), PostError::NothingChanged);
}

/// What a program that starts again has to look at: no more and no less.
#[test]
fn the_journal_tells_what_is_open() {
    let mut store = MemoryStore::new();
    let open = |store: &MemoryStore| -> Vec<String> {
        store.open_entities("").unwrap().iter().map(ToString::to_string).collect()
    };
    let mut number = load::<Lease>(&store, "number/1");
    let change = Change::new().apply(&mut number, &[reserved(1)]).unwrap().post(&bss(), b"reserved").unwrap();
    let id = change.commit(&mut store, 1).unwrap().messages[0];
    let message = format!("outbox/bss/{id}");
    assert_eq!(open(&store), ["number/1", &message]);
    let mut outbox = Outbox::open(&store).unwrap();
    let _ = outbox.send(&mut store, id, 1, 10).unwrap();
    assert_eq!(open(&store), ["number/1", &message]);
    outbox.acknowledge(&mut store, id, 2).unwrap();
    let released = LeaseEvent::Released { at_ms: 2, token: Token::new(1) };
    let again = [released.clone(), reserved(2), LeaseEvent::Released { at_ms: 2, token: Token::new(2) }];
    Change::new().apply(&mut number, &again).unwrap().commit(&mut store, 2).unwrap();
    assert_eq!(open(&store), [""; 0]);
    assert_eq!(Outbox::open(&store).unwrap().destinations().count(), 0);
}

#[test]
fn a_full_disk_leaves_everything_as_it_was_and_the_change_can_be_made_again() {
    let mut store = MemoryStore::with_faults(MemoryFaults::none().at(1, Fault::DiskFull));
    let mut number = load::<Lease>(&store, "number/1");
    let full = Change::new().apply(&mut number, &[reserved(1)]).unwrap().commit(&mut store, 1);
    assert!(matches!(full, Err(StoreError::Full)));
    assert_eq!(number.take_effects(), []);
    assert_eq!(number.state(), &Lease::default());
    Change::new().apply(&mut number, &[reserved(1)]).unwrap().commit(&mut store, 1).unwrap();
}

#[test]
fn what_was_handed_to_the_store_is_not_known_until_the_answer() {
    let store = MemoryStore::new();
    let mut number = load::<Lease>(&store, "number/1");
    let mut change = Change::new().apply(&mut number, &[reserved(1)]).unwrap();
    let _transaction = change.hand_over();
    drop(change);
    assert!(matches!(Change::new().given(&number), Err(MachineError::Stale { .. })));
}

#[test]
fn records_of_another_machine_or_entity_or_out_of_order_are_refused() {
    let record = |seq: u64, name: &str, body: Vec<u8>| -> Record {
        Head { seq: seq - 1, ..Head::GENESIS }.record(1, 0, Entry { entity: entity(name), body })
    };
    let body = entry(&entity("x"), &reserved(1)).body;
    let read = |records: &[Record]| Kept::<Lease>::from_records(entity("number/1"), records).map(drop);
    assert!(read(&[record(4, "number/1", body.clone())]).is_ok());
    let (first, second) = (record(4, "number/1", body.clone()), record(3, "number/1", body.clone()));
    assert!(matches!(read(&[first, second]), Err(MachineError::Misplaced { after: 4, seq: 3, .. })));
    assert!(matches!(read(&[record(4, "number/2", body.clone())]), Err(MachineError::Misplaced { .. })));

    let job = entry(&entity("x"), &Event::KeySuccess).body;
    let error = read(&[record(4, "number/1", job)]).unwrap_err().to_string();
    assert!(error.starts_with("record 4 of number/1: lease does not know event 2"), "{error}");
    let error = Kept::<JobState>::from_records(entity("card/1"), &[record(4, "card/1", body)]).unwrap_err();
    assert!(
        matches!(&error, MachineError::Event(error) if matches!(error.fault, EventFault::Unknown { event: 32, .. })),
        "{error}"
    );
}

proptest! {
    /// Crashes at any write: the number's record is there exactly when the message is, and what the program believes to be durable
    /// is.
    #[test]
    fn state_and_message_survive_together_or_not_at_all(seed in any::<u64>(), rounds in 1usize..12) {
        let mut store = MemoryStore::with_faults(MemoryFaults::seeded(seed, 2));
        let mut believed = 0;
        for _ in 0..rounds {
            let mut number = load::<Lease>(&store, "number/1");
            prop_assert!(number.state().token().number() >= believed);
            let held = number.state().wakes_at_ms().is_some();
            let token = number.state().token();
            let event = match held {
                true => LeaseEvent::Released { at_ms: 2, token },
                false => reserved(token.number() + 1),
            };
            let change = Change::new().apply(&mut number, &[event]).unwrap().post(&bss(), b"changed").unwrap();
            match change.commit(&mut store, 1) {
                Ok(_) => believed = number.state().token().number(),
                Err(StoreError::Crashed) => {
                    prop_assert!(Change::new().given(&number).is_err());
                    store = store.reopen().unwrap();
                }
                Err(StoreError::Full) => {}
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            }
            let changes = store.history(&entity("number/1")).unwrap();
            let messages = store.entities("outbox/bss/").unwrap();
            prop_assert_eq!(changes.len(), messages.len());
            for (message, pair) in messages.iter().zip(1..) {
                let _: i32 = pair;
                let message = Kept::<Message>::load(&store, message.clone()).unwrap();
                let (after, index) = message.state().posted().unwrap().place();
                // It stands right behind the change that it tells of.
                prop_assert!(changes.iter().any(|change| change.seq + 1 == message.last_seq() && after < change.seq));
                prop_assert_eq!(index, 0);
            }
        }
    }
}

/// A posting that was not made by a change cannot be slipped in as an event.
#[test]
fn a_posting_is_made_by_a_change_alone() {
    let mut store = MemoryStore::new();
    let mut number = load::<Lease>(&store, "number/1");
    let change = Change::new().apply(&mut number, &[reserved(1)]).unwrap().post(&bss(), b"x").unwrap();
    let changed = change.commit(&mut store, 1).unwrap();
    let name = crate::primitive::outbox::entity(&bss(), changed.messages[0]).unwrap();
    let mut message = Kept::<Message>::load(&store, name).unwrap();
    let posted = MessageEvent::Posted(message.state().posted().unwrap().clone());
    assert!(Change::new().apply(&mut message, &[posted]).is_err());
}
