#![no_main]

use cardwright::issuance::event::Event;
use cardwright::issuance::job::Job;
use cardwright::issuance::journal::{Entity, Entry, Head, Record};
use cardwright::issuance::machine::{Kept, Machine};
use cardwright::issuance::primitive::approval::Approval;
use cardwright::issuance::primitive::idempotency::Request;
use cardwright::issuance::primitive::lease::Lease;
use cardwright::issuance::primitive::outbox::{Inbox, Message};
use cardwright::issuance::primitive::rate_limit::Window;
use cardwright::issuance::quarantine::Case;
use cardwright::issuance::sealed::Subject;
use libfuzzer_sys::fuzz_target;

// Bodies of journal records: read, folded, never a panic.
fuzz_target!(|bytes: &[u8]| {
    let entity = Entity::new("card/1").expect("printable");
    let mut head = Head::GENESIS;
    let records: Vec<_> = bytes
        .split(|byte| *byte == 0xFF)
        .map(|body| {
            let record = head.record(1, 0, Entry { entity: entity.clone(), body: body.to_vec() });
            head = record.head();
            record
        })
        .collect();
    for record in &records {
        if let Ok(event) = Event::of(record) {
            let again = head.record(1, 0, event.entry(&entity));
            assert_eq!(Event::of(&again).expect("our own event"), event);
        }
    }
    fold::<Lease>(&entity, &records);
    fold::<Message>(&entity, &records);
    fold::<Inbox>(&entity, &records);
    fold::<Approval>(&entity, &records);
    fold::<Request>(&entity, &records);
    fold::<Window>(&entity, &records);
    fold::<Case>(&entity, &records);
    fold::<Subject>(&entity, &records);
    let _ = Job::from_records(entity, &records);
});

fn fold<M: Machine>(entity: &Entity, records: &[Record]) {
    let _ = Kept::<M>::from_records(entity.clone(), records);
}
