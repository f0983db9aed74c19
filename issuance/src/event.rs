//! What the bodies of journal records say: CBOR arrays, each variant with its number.
//!
//! Numbers are never reused; a reader that meets an unknown one says so and stops.

use minicbor::{CborLen, Decode, Encode};

use crate::journal::{Entity, Entry, Record};
use crate::machine::{self, Machine};

pub use crate::machine::{EventError, EventFault};

/// Idempotency class of a step: what may be done when its outcome is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum IdempotencyClass {
    /// `I`: overwrites; may be repeated.
    #[n(0)]
    Overwrite,
    /// `C`: compare, then do; the card is looked at first.
    #[n(1)]
    Compare,
    /// `A`: appends; the last record is read back first.
    #[n(2)]
    Append,
    /// `X`: consumes a retry counter; never repeated blindly, never with the last try.
    #[n(3)]
    Counter,
    /// `M`: money; needs a cryptographic proof.
    #[n(4)]
    Money,
}

/// What shows that a step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Proof {
    /// The card's answer to the command, verified as far as the protocol can.
    #[n(0)]
    Answer,
    /// The card was asked afterwards.
    #[n(1)]
    Probe,
    /// The card was found in the wanted state before anything was sent.
    #[n(2)]
    Found,
    /// Persons decided it, where no card could tell.
    #[n(3)]
    Decided,
}

/// What happened to a step.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum StepEvent {
    /// The intent: commands may go out once this is durable.
    #[n(0)]
    Begun {
        /// Idempotency class.
        #[n(0)]
        class: IdempotencyClass,
        /// SHA-256 of what the step is to bring about; the same in every attempt.
        #[cbor(n(1), with = "minicbor::bytes")]
        input: [u8; 32],
        /// Tries that the card said were left before an attempt of class `X`.
        #[n(2)]
        tries_before: Option<u8>,
        /// Key version that a key step gives.
        #[n(3)]
        kvn: Option<u8>,
        /// Name of the key that a key step gives, as the key service knows it.
        #[n(4)]
        key: Option<String>,
    },
    /// Done.
    #[n(1)]
    Succeeded {
        /// What shows it.
        #[n(0)]
        proof: Proof,
    },
    /// Definitely not done.
    #[n(2)]
    Failed {
        /// Status word, where the card gave one.
        #[n(0)]
        sw: Option<u16>,
    },
    /// The outcome is not known.
    #[n(3)]
    Lost,
    /// The card was asked: not done.
    #[n(4)]
    NotDone,
    /// It cannot be told, or must not be tried again: a person decides.
    #[n(5)]
    Quarantined {
        /// Why, in words without data.
        #[n(0)]
        reason: String,
    },
    /// A person let a quarantined step be tried again.
    #[n(6)]
    Released,
}

/// Body of a journal record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum Event {
    /// Something happened to a step.
    #[n(0)]
    Step {
        /// Name of the step.
        #[n(0)]
        step: String,
        /// Attempt, from 1.
        #[n(1)]
        attempt: u32,
        /// What.
        #[n(2)]
        event: StepEvent,
    },
    /// No key set fitted the card's cryptogram, or the card refused the host's.
    #[n(1)]
    KeyFailure {
        /// Key version.
        #[n(0)]
        kvn: u8,
    },
    /// A secure channel was opened: earlier failures no longer count.
    #[n(2)]
    KeySuccess,
    /// All steps of the entity are proved.
    #[n(3)]
    Completed {
        /// Life cycle state of the application then.
        #[n(0)]
        life_cycle: Option<u8>,
    },
    /// What the entity was about is no longer on the card; steps begin anew.
    #[n(4)]
    Gone,
    /// An application was used (a report from elsewhere).
    #[n(5)]
    Used,
    /// A secure channel is about to be asked for: counts until the card has answered.
    #[n(6)]
    KeyAttempt,
    /// The card answered without a word on the keys.
    #[n(7)]
    KeyAnswered,
    /// Reader or card fail at the longest commands: shorter ones from now on.
    #[n(8)]
    ShortCommands,
}

impl Event {
    /// The journal entry that records this event.
    #[must_use]
    pub fn entry(&self, entity: &Entity) -> Entry {
        machine::entry(entity, self)
    }

    /// The event that a record holds.
    ///
    /// # Errors
    /// [`EventError`] names the record.
    pub fn of(record: &Record) -> Result<Self, EventError> {
        machine::read_event(crate::job::JobState::NAME, record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Head;
    use proptest::prelude::*;

    fn record(body: Vec<u8>) -> Record {
        Head::GENESIS.record(1, 0, Entry { entity: Entity::new("card/1").unwrap(), body })
    }

    /// The example of docs/journal.md.
    #[test]
    fn events_are_coded_as_the_document_says() {
        let event = StepEvent::Begun {
            class: IdempotencyClass::Compare,
            input: [0xAB; 32],
            tries_before: None,
            kvn: Some(1),
            key: Some("domain-aes".into()),
        };
        let event = Event::Step { step: "domain-keys".into(), attempt: 1, event };
        let body = event.entry(&Entity::new("card/1").unwrap()).body;
        let document = include_str!("../../docs/journal.md");
        let example = document.lines().find_map(|line| line.strip_prefix("event: ")).unwrap();
        assert_eq!(hex::encode(&body), example);
        assert_eq!(Event::of(&record(body)).unwrap(), event);
    }

    #[test]
    fn an_unknown_event_or_a_tail_is_an_error() {
        for body in [vec![0x82, 0x18, 0x63, 0x80], vec![], vec![0x82, 0x02, 0x80, 0x00], vec![0xFF]] {
            let error = Event::of(&record(body)).unwrap_err();
            assert!(error.to_string().starts_with("record 1 of card/1"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn reading_is_total(body in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Event::of(&record(body));
        }
    }
}
