//! Small machines that the machines of issuing are composed of.
//!
//! | machine | entity | decides |
//! |---|---|---|
//! | [`lease::Lease`] | one number, line, card, voucher, reader | who holds it, with a fencing token |
//! | [`outbox::Message`], [`outbox::Outbox`] | one message | when it is sent, again, or a dead letter; in which order |
//! | [`outbox::Inbox`] | one source of messages | whether a message was taken before |
//! | [`approval::Approval`] | one proposal | whether enough persons signed |
//! | [`idempotency::Request`] | one key | whether it was asked before, and what was answered |
//! | [`rate_limit::Window`] | one key | whether it is too often |
//! | [`crate::quarantine::Case`] | one doubt | what came of what nobody can tell |
//! | [`crate::sealed::Subject`] | one person | what is kept of them, and that it was erased |
//! | [`crate::job::JobState`] | one card or application | its durable steps |
//!
//! [`retry`] and [`breaker`] are parts without records of their own.
//!
//! How they are composed, here a number that is written to a card. Each change is one transaction: what was decided, and what
//! others have to hear of it, are durable together or not at all.
//!
//! ```
//! use cardwright_issuance::event::{Event, IdempotencyClass, Proof, StepEvent};
//! use cardwright_issuance::job::JobState;
//! use cardwright_issuance::journal::Entity;
//! use cardwright_issuance::machine::{Change, Kept};
//! use cardwright_issuance::primitive::lease::{Lease, LeaseEvent, authorize};
//! use cardwright_issuance::primitive::outbox::{Destination, Outbox};
//! use cardwright_issuance::step::Intent;
//! use cardwright_issuance::store::MemoryStore;
//!
//! let (mut store, mut now) = (MemoryStore::new(), 1_700_000_000_000);
//! let mut number = Kept::<Lease>::load(&store, Entity::new("number/0017")?)?;
//! let mut card = Kept::<JobState>::load(&store, Entity::new("card/0042")?)?;
//! let bss = Destination::new("bss")?;
//!
//! // The order takes the number for ten minutes.
//! let (token, holder) = (number.state().next_token(), "order/7".to_owned());
//! let reserved = LeaseEvent::Reserved { at_ms: now, token, holder, until_ms: now + 600_000, subscriber: None };
//! Change::new().apply(&mut number, &[reserved])?.commit(&mut store, now)?;
//!
//! // One transaction: the step's intent, and that time alone frees the number no more.
//! let write = |event| Event::Step { step: "imsi".into(), attempt: 1, event };
//! let intent = write(Intent::new(IdempotencyClass::Overwrite, [7; 32]).begun());
//! let begun = LeaseEvent::WriteBegun { at_ms: now, token, intent: [7; 32], worst_case_ms: 60_000 };
//! Change::new().apply(&mut number, &[begun])?.apply(&mut card, &[intent])?.commit(&mut store, now)?;
//!
//! // Where the data are made: for the current token only. Then the card is written.
//! let _authorization = authorize(&number, token, now)?;
//!
//! // One transaction: the outcome, the number's end, and the message that tells the operator.
//! now += 5_000;
//! let done = write(StepEvent::Succeeded { proof: Proof::Answer });
//! let committed = LeaseEvent::Committed { at_ms: now, token, proof: [9; 32] };
//! let change = Change::new().apply(&mut card, &[done])?.apply(&mut number, &[committed])?;
//! let changed = change.post(&bss, b"number 0017 is on card 0042")?.commit(&mut store, now)?;
//!
//! // Whoever carries messages: recorded before it goes out, repeated until it is acknowledged.
//! let mut outbox = Outbox::new();
//! outbox.follow(&store)?;
//! let message = outbox.send(&mut store, changed.messages[0], now, 30_000)?;
//! assert_eq!(message.body(), b"number 0017 is on card 0042");
//! outbox.acknowledge(&mut store, message.id(), now + 200)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod approval;
pub mod breaker;
pub mod idempotency;
pub mod lease;
pub mod outbox;
pub mod rate_limit;
pub mod retry;

#[cfg(test)]
mod tests;
