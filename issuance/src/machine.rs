//! What every durable machine is: a pure reducer whose events are the records of one entity.
//!
//! | layer | type | knows |
//! |---|---|---|
//! | decides | a [`Machine`] | its state, and which event can follow |
//! | remembers | [`Kept`] | the entity, its state, the number of its last record |
//! | writes | [`Change`] | events of several machines and messages to the outside, in one transaction |
//!
//! A machine never looks at a clock: its events say when, and what a policy decided (until when, how often), so that a later
//! release with another policy still folds the same records to the same state. What its clock said may decide when a record is
//! written; no safety rests on it.
//!
//! A machine is composed of others by holding them in its state and their events in its own, or by keeping each under an entity of
//! its own and changing them together. The numbers of events are given out in `docs/journal.md`, each only once for all machines,
//! so that no record of one is ever taken for another's. A program's own machines count from 4096 on.

use std::error::Error;

use minicbor::{Decode, Decoder, Encode};
use thiserror::Error;

use crate::journal::{Entity, Entry, Record};
use crate::store::StoreError;

mod change;
mod kept;

pub use change::{Change, Changed};
pub use kept::Kept;

/// A pure reducer over the records of one entity. Its default is the state before the first record.
pub trait Machine: Clone + Default + Send {
    /// Its name, for errors.
    const NAME: &'static str;
    /// What happens to it, as records hold it.
    type Event: Encode<()> + for<'b> Decode<'b, ()>;
    /// What is to be done about it once the records are durable. Effects are lost in a crash: the state says all that is still to
    /// be done, and what must reach others is a message of the same [`Change`].
    type Effect: Send;
    /// Why an event cannot follow.
    type Error: Error + Send + Sync + 'static;

    /// The state after an event, and what is to be done about it.
    ///
    /// # Errors
    /// When the event cannot follow from the state.
    fn apply(self, event: &Self::Event) -> Result<(Self, Vec<Self::Effect>), Self::Error>;

    /// Name of the entity whose event this is, where the event itself says it: a record of it under another entity is refused.
    fn belongs_to(_event: &Self::Event) -> Option<String> {
        None
    }

    /// Whether something is under way that a program which starts again has to look at.
    fn is_open(&self) -> bool;
}

/// A record whose body is no event of the machine that reads it. Nothing is ever passed over.
#[derive(Debug, Error)]
#[error("record {seq} of {entity}: {fault}")]
pub struct EventError {
    /// Number of the record.
    pub seq: u64,
    /// Its entity.
    pub entity: Entity,
    /// What is wrong with it.
    pub fault: EventFault,
}

/// What is wrong with the body of a record.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EventFault {
    /// An event of a newer release, or of another machine.
    #[error(
        "{machine} does not know event {event} in this form ({reason}): use a newer release, or see whose record it is"
    )]
    Unknown {
        /// Who reads.
        machine: &'static str,
        /// Number of the event.
        event: u64,
        /// The number inside it that is not known.
        reason: minicbor::decode::Error,
    },
    /// Not the CBOR that an event is made of.
    #[error("no event of {machine}: {reason}")]
    Malformed {
        /// Who reads.
        machine: &'static str,
        /// What the decoder says.
        reason: minicbor::decode::Error,
    },
    /// Bytes or fields that this release would not have written: those of a newer one must not be passed over.
    #[error("{machine} would write this event otherwise from byte {offset} on: use a newer release")]
    NotOurs {
        /// Who reads.
        machine: &'static str,
        /// First byte that differs.
        offset: usize,
    },
}

/// A machine cannot be read or cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MachineError<E: Error + 'static> {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record that is none of this machine's.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A record of another entity, or not in order, in what was given as this entity's history.
    #[error(
        "the history of {entity} has record {seq} of {found} after record {after}: the store does not keep to its contract"
    )]
    Misplaced {
        /// Whose history.
        entity: Entity,
        /// Number of the record before, 0 for none.
        after: u64,
        /// Number of the record.
        seq: u64,
        /// Whose record it is.
        found: Entity,
    },
    /// An event that belongs to another entity.
    #[error("an event of {owner} cannot be one of {entity}")]
    Misdirected {
        /// Whose machine.
        entity: Entity,
        /// Whose event.
        owner: String,
    },
    /// An event that cannot follow.
    #[error("{machine} {entity}: {reason}")]
    Refused {
        /// Which machine.
        machine: &'static str,
        /// Of which entity.
        entity: Entity,
        /// Why.
        reason: E,
    },
    /// What the program holds of the entity is older than the journal, or may be: read it again.
    #[error("{entity} was written by another, or that cannot be told: read it again and decide anew")]
    Stale {
        /// Which entity.
        entity: Entity,
    },
    /// The same entity twice in one change: neither part would see the other's events.
    #[error("{entity} is changed twice in one change: give all its events at once")]
    Twice {
        /// Which entity.
        entity: Entity,
    },
}

/// The journal entry that records an event.
pub(crate) fn entry<E: Encode<()>>(entity: &Entity, event: &E) -> Entry {
    // Writing to memory cannot fail.
    Entry { entity: entity.clone(), body: minicbor::to_vec(event).unwrap_or_default() }
}

/// The event that a record holds.
pub(crate) fn read_event<E>(machine: &'static str, record: &Record) -> Result<E, EventError>
where
    E: Encode<()> + for<'b> Decode<'b, ()>,
{
    decode(machine, &record.body).map_err(|fault| EventError { seq: record.seq, entity: record.entity.clone(), fault })
}

fn decode<E>(machine: &'static str, body: &[u8]) -> Result<E, EventFault>
where
    E: Encode<()> + for<'b> Decode<'b, ()>,
{
    let event: E = minicbor::decode(body).map_err(|reason| match number(body) {
        Ok(event) if reason.is_unknown_variant() => EventFault::Unknown { machine, event, reason },
        _ => EventFault::Malformed { machine, reason },
    })?;
    // The decoder passes over fields that it does not know and takes lengths in any form.
    let ours = minicbor::to_vec(&event).unwrap_or_default();
    match ours == body {
        true => Ok(event),
        false => {
            let offset = ours.iter().zip(body).take_while(|(ours, theirs)| ours == theirs).count();
            Err(EventFault::NotOurs { machine, offset })
        }
    }
}

fn number(body: &[u8]) -> Result<u64, minicbor::decode::Error> {
    let mut decoder = Decoder::new(body);
    decoder.array()?;
    decoder.u64()
}

#[cfg(test)]
pub(crate) mod testing {
    //! What the property tests of all machines share.

    use super::*;
    use crate::journal::Head;
    use crate::store::MemoryStore;

    /// Folds events, leaving out those that are refused; gives those that were taken.
    pub(crate) fn run<M: Machine>(events: impl IntoIterator<Item = M::Event>) -> (M, Vec<M::Event>) {
        let mut taken = Vec::new();
        let mut state = M::default();
        for event in events {
            if let Ok((next, _)) = state.clone().apply(&event) {
                state = next;
                taken.push(event);
            }
        }
        (state, taken)
    }

    /// From each state, told by the events that lead to it: the names of the events that can follow.
    pub(crate) fn followers<'n, M: Machine>(
        states: &[(&'n str, Vec<M::Event>)],
        events: &[(&'n str, M::Event)],
    ) -> Vec<(&'n str, Vec<&'n str>)> {
        let followers = |(state, way): &(&'n str, Vec<M::Event>)| {
            let reached = way.iter().fold(M::default(), |state, event| state.apply(event).expect("a way there").0);
            let can = |(_, event): &&(&'n str, M::Event)| reached.clone().apply(event).is_ok();
            (*state, events.iter().filter(can).map(|(name, _)| *name).collect())
        };
        states.iter().map(followers).collect()
    }

    /// A machine that has these records, in a store.
    pub(crate) fn kept<M: Machine>(store: &mut MemoryStore, name: &str, events: &[M::Event]) -> Kept<M> {
        let mut kept = Kept::load(store, Entity::new(name).unwrap()).unwrap();
        Change::new().apply(&mut kept, events).unwrap().commit(store, 0).unwrap();
        kept
    }

    /// Codes an event and reads it again; every shorter form, and every longer one, is an error.
    pub(crate) fn round_trip<M>(event: &M::Event)
    where
        M: Machine,
        M::Event: PartialEq + std::fmt::Debug,
    {
        let written = entry(&Entity::new("x").unwrap(), event);
        let read = |body: &[u8]| {
            let written = Entry { body: body.to_vec(), ..written.clone() };
            read_event::<M::Event>(M::NAME, &Head::GENESIS.record(1, 0, written))
        };
        assert_eq!(&read(&written.body).unwrap(), event);
        for length in 0..written.body.len() {
            assert!(read(&written.body[..length]).is_err(), "{length} bytes");
        }
        let longer = [&written.body[..], &[0]].concat();
        assert!(matches!(read(&longer), Err(EventError { fault: EventFault::NotOurs { .. }, .. })));
        // One field more, as a newer release might write it.
        let mut wider = written.body.clone();
        assert!(wider[0] == 0x82, "an event is [number, fields]");
        let fields = if wider[1] == 0x18 {
            3
        } else if wider[1] == 0x19 {
            4
        } else {
            2
        };
        assert!((0x80..0x97).contains(&wider[fields]), "fields are a short array");
        wider[fields] += 1;
        wider.push(0x01);
        assert!(read(&wider).is_err(), "a field that is not known is not passed over");
    }

    /// Every number from 0 to 2047 that is none of the machine's is refused by name; gives the machine's numbers.
    pub(crate) fn numbers<M: Machine>() -> Vec<u64> {
        let entity = Entity::new("x").unwrap();
        (0..2048)
            .filter(|number| {
                let body = minicbor::to_vec((*number, [0u8; 0])).unwrap();
                let record = Head::GENESIS.record(1, 0, Entry { entity: entity.clone(), body });
                match read_event::<M::Event>(M::NAME, &record) {
                    Err(EventError { fault: EventFault::Unknown { event, machine, .. }, .. }) => {
                        assert_eq!((event, machine), (*number, M::NAME));
                        false
                    }
                    _ => true,
                }
            })
            .collect()
    }
}
