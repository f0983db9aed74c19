//! Monitoring: how everything stands now, and what has happened since one looked last.
//!
//! | question | asked with | reads |
//! |---|---|---|
//! | who is there, what rings, what is not finished | [`Status::read`] | the entities of readers, presence and alarms, and what is open |
//! | what happened since | [`Subscription::poll`] | the records behind the last one that was told |
//!
//! Both read the journal and write nothing, so that any program with a handle of it can watch, on any machine. A subscription is a number:
//! kept anywhere, it goes on after a restart where it was, and tells each record once, in order.

use thiserror::Error;

use super::admission::{Reader, ReaderError, ReaderEvent, ReaderState};
use super::alarm::{Alarm, AlarmEvent, AlarmStateError};
use super::presence::{Patience, Presence, PresenceError, Standing};
use super::settlement::{DayEvent, DayState};
use super::top_up::{EndedWith, PausedBecause, VisitEvent};
use crate::journal::{Entity, EntityError, Record};
use crate::machine::{EventError, Kept, Machine, MachineError, read_event};
use crate::store::{Journal, StoreError};

/// How many records are read at once.
const PAGE: usize = 1024;

/// A reader as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderStatus {
    /// Serial number.
    pub serial: String,
    /// Whether it may load cards.
    pub state: ReaderState,
    /// Whether it is heard of.
    pub standing: Standing,
    /// When it was, in milliseconds since 1970-01-01 UTC.
    pub last_ms: Option<u64>,
}

/// An interface as it stands: the bank's, the readers' management.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// Whether it is heard of.
    pub standing: Standing,
    /// When it was, in milliseconds since 1970-01-01 UTC.
    pub last_ms: Option<u64>,
}

/// An alarm that rings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ringing {
    /// Its key.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// Since when, in milliseconds since 1970-01-01 UTC.
    pub since_ms: u64,
}

/// How everything stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// All readers that are registered, by serial number.
    pub readers: Vec<ReaderStatus>,
    /// All else that is listened for, by name.
    pub interfaces: Vec<InterfaceStatus>,
    /// What rings.
    pub alarms: Vec<Ringing>,
    /// Ids of the top-ups that have not ended.
    pub top_ups: Vec<String>,
    /// Entities of the cases that are open.
    pub cases: Vec<String>,
    /// Business days that are cut off and not closed.
    pub days: Vec<String>,
    /// Number of the last record that this shows.
    pub seq: u64,
}

/// The journal cannot be watched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Records of a reader.
    #[error(transparent)]
    Reader(#[from] MachineError<ReaderError>),
    /// Records of a presence.
    #[error(transparent)]
    Presence(#[from] MachineError<PresenceError>),
    /// Records of an alarm.
    #[error(transparent)]
    Alarm(#[from] MachineError<AlarmStateError>),
    /// A record that is no event of its machine.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A name that is no entity.
    #[error(transparent)]
    Entity(#[from] EntityError),
}

impl Status {
    /// Reads how everything stands. Interfaces are what is listened for and is no reader.
    ///
    /// # Errors
    /// [`MonitorError`].
    pub fn read(journal: &(impl Journal + ?Sized), patience: Patience, now_ms: u64) -> Result<Self, MonitorError> {
        // First, so that what is written meanwhile is told by a subscription from here on, if not by this.
        let seq = journal.head()?.seq;
        let mut readers = Vec::new();
        for entity in journal.entities("reader/")? {
            let serial = after(&entity, "reader/");
            let state = Kept::<Reader>::load(journal, entity)?.state().state();
            let presence = presence(journal, &serial)?;
            let (standing, last_ms) = (presence.standing(patience, now_ms), presence.last_ms());
            readers.push(ReaderStatus { serial, state, standing, last_ms });
        }
        let mut interfaces = Vec::new();
        for entity in journal.entities("presence/")? {
            let name = after(&entity, "presence/");
            if readers.iter().all(|reader| reader.serial != name) {
                let presence = presence(journal, &name)?;
                let (standing, last_ms) = (presence.standing(patience, now_ms), presence.last_ms());
                interfaces.push(InterfaceStatus { name, standing, last_ms });
            }
        }
        let mut alarms = Vec::new();
        for entity in journal.open_entities("alarm/")? {
            let key = after(&entity, "alarm/");
            if let Some((since_ms, what)) = Kept::<Alarm>::load(journal, entity)?.state().ringing() {
                alarms.push(Ringing { key, what: what.into(), since_ms });
            }
        }
        let open = |prefix: &str| -> Result<Vec<String>, StoreError> {
            Ok(journal.open_entities(prefix)?.iter().map(|entity| after(entity, prefix)).collect())
        };
        let cases = journal.open_entities("case/")?.iter().map(ToString::to_string).collect();
        Ok(Self { readers, interfaces, alarms, top_ups: open("top-up/")?, cases, days: open("settlement/")?, seq })
    }
}

fn presence(journal: &(impl Journal + ?Sized), name: &str) -> Result<Presence, MonitorError> {
    Ok(*Kept::<Presence>::load(journal, Presence::entity(name)?)?.state())
}

fn after(entity: &Entity, prefix: &str) -> String {
    entity.as_str().strip_prefix(prefix).unwrap_or_default().into()
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happening {
    /// A reader changed.
    Reader {
        /// Its serial number.
        serial: String,
        /// What it is now.
        state: ReaderState,
    },
    /// An alarm began.
    AlarmRaised {
        /// Its key.
        key: String,
        /// What is wrong.
        what: String,
    },
    /// An alarm ended.
    AlarmCleared {
        /// Its key.
        key: String,
    },
    /// A reader has a card.
    TopUpAdmitted {
        /// Id of the top-up.
        id: String,
        /// Serial number of the reader.
        reader: String,
    },
    /// A top-up goes on later.
    TopUpPaused {
        /// Id of the top-up.
        id: String,
        /// Why.
        why: PausedBecause,
    },
    /// A top-up ended.
    TopUpEnded {
        /// Id of the top-up.
        id: String,
        /// How.
        outcome: EndedWith,
    },
    /// A business day went on.
    Day {
        /// The day.
        day: String,
        /// What it is now.
        state: DayState,
    },
}

/// What happened, with its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Number of the record.
    pub seq: u64,
    /// When it was written, in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// What happened.
    pub what: Happening,
}

/// Up to which record somebody was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    seq: u64,
}

impl Subscription {
    /// From behind this record on: 0 for everything, [`Status::seq`] for what comes after a status.
    #[must_use]
    pub fn after(seq: u64) -> Self {
        Self { seq }
    }

    /// The last record that was looked at: to be kept where the subscription is to go on from.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// What happened since, in order; up to some thousand records are looked at in one call, and nothing is given when there are none.
    /// Call again while [`Subscription::seq`] rises.
    ///
    /// # Errors
    /// [`MonitorError`]; the subscription stays before the record that is at fault, so that nothing is passed over.
    pub fn poll(&mut self, journal: &(impl Journal + ?Sized)) -> Result<Vec<Told>, MonitorError> {
        let mut told = Vec::new();
        for record in journal.records(self.seq, PAGE)? {
            match happening(&record) {
                Ok(what) => told.extend(what.map(|what| Told { seq: record.seq, time_ms: record.time_ms, what })),
                // What stands before it is given first.
                Err(_) if !told.is_empty() => return Ok(told),
                Err(error) => return Err(error),
            }
            self.seq = record.seq;
        }
        Ok(told)
    }
}

/// What a record tells; `None` when that is nobody's business.
fn happening(record: &Record) -> Result<Option<Happening>, MonitorError> {
    let of = |prefix: &str| record.entity.as_str().strip_prefix(prefix).map(ToOwned::to_owned);
    if let Some(serial) = of("reader/") {
        let state = match read_event::<ReaderEvent>(Reader::NAME, record)? {
            ReaderEvent::Registered { .. } | ReaderEvent::Reinstated { .. } => ReaderState::Registered,
            ReaderEvent::Admitted { .. } => ReaderState::Admitted,
            ReaderEvent::Suspended { .. } => ReaderState::Suspended,
            ReaderEvent::Revoked { .. } => ReaderState::Revoked,
            ReaderEvent::Challenged { .. } | ReaderEvent::Attested { .. } => return Ok(None),
        };
        return Ok(Some(Happening::Reader { serial, state }));
    }
    if let Some(key) = of("alarm/") {
        return Ok(Some(match read_event::<AlarmEvent>(Alarm::NAME, record)? {
            AlarmEvent::Raised { what, .. } => Happening::AlarmRaised { key, what },
            AlarmEvent::Cleared { .. } => Happening::AlarmCleared { key },
        }));
    }
    if let Some(id) = of("top-up/") {
        return Ok(Some(match read_event::<VisitEvent>(super::top_up::Visit::NAME, record)? {
            VisitEvent::Admitted { reader, .. } => Happening::TopUpAdmitted { id, reader },
            VisitEvent::Paused { why, .. } => Happening::TopUpPaused { id, why },
            VisitEvent::Ended { outcome, .. } => Happening::TopUpEnded { id, outcome },
        }));
    }
    let Some(day) = of("settlement/") else { return Ok(None) };
    let state = match read_event::<DayEvent>(super::settlement::Day::NAME, record)? {
        DayEvent::CutOff { .. } => DayState::Collecting,
        DayEvent::Matched { exceptions: 0, .. } => DayState::Balanced,
        DayEvent::Matched { .. } => DayState::Excepted,
        DayEvent::Closed { .. } => DayState::Closed,
        _ => return Ok(None),
    };
    Ok(Some(Happening::Day { day, state }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Entry;
    use crate::machine::Change;
    use crate::machine::testing::kept;
    use crate::primitive::outbox::Destination;
    use crate::store::{MemoryStore, Store, Transaction};
    use crate::system::admission::tests::admission;
    use crate::system::alarm::watch;
    use crate::system::presence::PresenceEvent;

    const HOUR: u64 = 3_600_000;

    /// Two readers, one of which fell silent, and a bank.
    fn store() -> MemoryStore {
        let mut store = MemoryStore::new();
        for (serial, at_ms) in [("R1", HOUR), ("R2", 9 * HOUR)] {
            kept::<Reader>(&mut store, &format!("reader/{serial}"), &admission(serial));
            kept::<Presence>(&mut store, &format!("presence/{serial}"), &[PresenceEvent::Heard { at_ms, boot: 1 }]);
        }
        kept::<Presence>(&mut store, "presence/bank", &[PresenceEvent::Heard { at_ms: 9 * HOUR, boot: 1 }]);
        let to = Destination::new("watch").unwrap();
        watch(&mut store, &to, "reader/R1 stale", Some("no heartbeat"), 9 * HOUR).unwrap();
        store
    }

    #[test]
    fn a_status_says_who_is_there_and_what_rings() {
        let store = store();
        let status = Status::read(&store, Patience::HOURLY, 9 * HOUR).unwrap();
        let readers: Vec<_> = status.readers.iter().map(|it| (it.serial.as_str(), it.state, it.standing)).collect();
        let admitted = ReaderState::Admitted;
        assert_eq!(readers, [("R1", admitted, Standing::Stale), ("R2", admitted, Standing::Online)]);
        let bank = InterfaceStatus { name: "bank".into(), standing: Standing::Online, last_ms: Some(9 * HOUR) };
        assert_eq!(status.interfaces, [bank]);
        let ringing = Ringing { key: "reader/R1 stale".into(), what: "no heartbeat".into(), since_ms: 9 * HOUR };
        assert_eq!(status.alarms, [ringing]);
        assert_eq!(status.seq, store.head().unwrap().seq);
        let later = Status::read(&store, Patience::HOURLY, 19 * HOUR + 1).unwrap();
        assert!(later.readers.iter().all(|reader| reader.standing == Standing::Offline));
    }

    #[test]
    fn a_subscription_tells_each_thing_once_and_goes_on_after_a_restart() {
        let mut store = store();
        let mut all = Subscription::default();
        let told: Vec<_> = all.poll(&store).unwrap().into_iter().map(|told| told.what).collect();
        let reader = |serial: &str, state| Happening::Reader { serial: serial.into(), state };
        let raised = Happening::AlarmRaised { key: "reader/R1 stale".into(), what: "no heartbeat".into() };
        let (registered, admitted) = (ReaderState::Registered, ReaderState::Admitted);
        let expected = [
            reader("R1", registered),
            reader("R1", admitted),
            reader("R2", registered),
            reader("R2", admitted),
            raised,
        ];
        assert_eq!(told, expected);
        assert_eq!(all.poll(&store).unwrap(), []);
        let mut again = Subscription::after(all.seq());
        let to = Destination::new("watch").unwrap();
        watch(&mut store, &to, "reader/R1 stale", None, 10 * HOUR).unwrap();
        let told: Vec<_> = again.poll(&store).unwrap().into_iter().map(|told| told.what).collect();
        assert_eq!(told, [Happening::AlarmCleared { key: "reader/R1 stale".into() }]);
        assert_eq!(again.poll(&store).unwrap(), []);
        // The last record of all is one that is told.
        let mut reader = Kept::<Reader>::load(&store, Entity::new("reader/R1").unwrap()).unwrap();
        let suspended = ReaderEvent::Suspended { at_ms: 10 * HOUR, reason: "cover opened".into() };
        Change::new().apply(&mut reader, &[suspended]).unwrap().commit(&mut store, 10 * HOUR).unwrap();
        let told: Vec<_> = again.poll(&store).unwrap().into_iter().map(|told| told.what).collect();
        assert_eq!(told, [Happening::Reader { serial: "R1".into(), state: ReaderState::Suspended }]);
        assert_eq!(again.poll(&store).unwrap(), []);
    }

    #[test]
    fn a_record_that_nobody_knows_is_not_passed_over() {
        let mut store = store();
        let strange = Entry { entity: Entity::new("alarm/x").unwrap(), body: vec![0x82, 0x18, 0x63, 0x80] };
        let _durable = store.commit(Transaction::new([strange]), 1).unwrap();
        let mut subscription = Subscription::default();
        assert_eq!(subscription.poll(&store).unwrap().len(), 5);
        for _ in 0..2 {
            assert!(matches!(subscription.poll(&store), Err(MonitorError::Event(_))));
        }
    }
}
