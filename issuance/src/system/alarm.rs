//! Alarms: told once when something begins to be wrong, and once when it ends.
//!
//! | from | event | to | message |
//! |---|---|---|---|
//! | Quiet | Raised(what) | Ringing | raised |
//! | Ringing | Cleared | Quiet | cleared |
//!
//! One alarm is one entity, named by its key (`reader/R1 offline`, say). Whoever watches says how things stand, as often as it likes
//! ([`watch`]); a message goes out with each change and with nothing else. Key and number of the occurrence stand in it, for receivers
//! that count.

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::journal::{Entity, EntityError};
use crate::machine::{Change, Kept, Machine, MachineError};
use crate::primitive::outbox::{Destination, PostError};
use crate::store::{Store, StoreError};

/// What happens to an alarm. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum AlarmEvent {
    /// It begins to be wrong.
    #[n(1048)]
    Raised {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// What, in words without data.
        #[n(1)]
        what: String,
    },
    /// It is right again.
    #[n(1049)]
    Cleared {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
}

/// An alarm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarm {
    ringing: Option<(u64, String)>,
    occurrences: u64,
}

/// What cannot follow: it rings already, or it does not ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the alarm is {}", if *ringing { "ringing already" } else { "quiet" })]
pub struct AlarmStateError {
    /// Whether it rings.
    pub ringing: bool,
}

/// An alarm could not be raised or cleared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AlarmError {
    /// Its records.
    #[error(transparent)]
    Machine(#[from] MachineError<AlarmStateError>),
    /// Its message.
    #[error(transparent)]
    Post(#[from] PostError),
    /// Its name.
    #[error(transparent)]
    Entity(#[from] EntityError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The message about an alarm: CBOR.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AlarmMessage {
    /// Name of the alarm, the same each time: with `occurrence` the key by which receivers tell repeats apart.
    #[n(0)]
    pub key: String,
    /// Which time, from 1.
    #[n(1)]
    pub occurrence: u64,
    /// When, in milliseconds since 1970-01-01 UTC.
    #[n(2)]
    pub at_ms: u64,
    /// What is wrong; nothing when it is right again.
    #[n(3)]
    pub what: Option<String>,
}

impl Alarm {
    /// The entity of an alarm by its key.
    ///
    /// # Errors
    /// [`EntityError`] when the key is not printable or too long.
    pub fn entity(key: &str) -> Result<Entity, EntityError> {
        Entity::new(&format!("alarm/{key}"))
    }

    /// Since when it rings, in milliseconds since 1970-01-01 UTC, and why.
    #[must_use]
    pub fn ringing(&self) -> Option<(u64, &str)> {
        self.ringing.as_ref().map(|(since_ms, what)| (*since_ms, what.as_str()))
    }

    /// How often it rang.
    #[must_use]
    pub fn occurrences(&self) -> u64 {
        self.occurrences
    }
}

impl Machine for Alarm {
    const NAME: &'static str = "alarm";
    type Event = AlarmEvent;
    type Effect = std::convert::Infallible;
    type Error = AlarmStateError;

    fn apply(self, event: &AlarmEvent) -> Result<(Self, Vec<Self::Effect>), AlarmStateError> {
        let ringing = self.ringing.is_some();
        let next = match event {
            AlarmEvent::Raised { at_ms, what } if !ringing => {
                Self { ringing: Some((*at_ms, what.clone())), occurrences: self.occurrences.saturating_add(1) }
            }
            AlarmEvent::Cleared { .. } if ringing => Self { ringing: None, ..self },
            _ => return Err(AlarmStateError { ringing }),
        };
        Ok((next, Vec::new()))
    }

    fn is_open(&self) -> bool {
        self.ringing.is_some()
    }
}

/// Says how a thing stands: `wrong` says what is wrong with it, nothing that it is right. Gives whether that is news, of which a message
/// was posted.
///
/// # Errors
/// [`AlarmError`]; nothing was told then, and the next call tells it.
pub fn watch(
    store: &mut (impl Store + ?Sized),
    to: &Destination,
    key: &str,
    wrong: Option<&str>,
    now_ms: u64,
) -> Result<bool, AlarmError> {
    let mut alarm = Kept::<Alarm>::load(store, Alarm::entity(key)?)?;
    let ringing = alarm.state().ringing().is_some();
    let event = match wrong {
        Some(what) if !ringing => AlarmEvent::Raised { at_ms: now_ms, what: what.into() },
        None if ringing => AlarmEvent::Cleared { at_ms: now_ms },
        _ => return Ok(false),
    };
    let occurrence = alarm.state().occurrences().saturating_add(u64::from(!ringing));
    let message = AlarmMessage { key: key.into(), occurrence, at_ms: now_ms, what: wrong.map(Into::into) };
    // Writing to memory cannot fail.
    let body = minicbor::to_vec(&message).unwrap_or_default();
    Change::new().apply(&mut alarm, &[event])?.post(to, &body)?.commit(store, now_ms)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::round_trip;
    use crate::primitive::outbox::Outbox;
    use crate::store::{Fault, Journal, MemoryFaults, MemoryStore};

    const KEY: &str = "reader/R1 offline";

    fn messages(store: &MemoryStore) -> Vec<AlarmMessage> {
        let to = Destination::new("watch").unwrap();
        let mut outbox = Outbox::open(store).unwrap();
        let mut store = MemoryStore::from_log(store.log().to_vec(), MemoryFaults::none()).unwrap();
        let mut all = Vec::new();
        while let Some(id) = outbox.next(&to, 1000).map(crate::primitive::outbox::Posted::id) {
            let posted = outbox.send(&mut store, id, 1000, 10).unwrap();
            all.push(minicbor::decode(posted.body()).unwrap());
            outbox.acknowledge(&mut store, id, 1001).unwrap();
        }
        all
    }

    #[test]
    fn each_change_is_told_once() {
        let (mut store, to) = (MemoryStore::new(), Destination::new("watch").unwrap());
        let mut news = Vec::new();
        for (wrong, now_ms) in [(None, 1), (Some("silent"), 2), (Some("silent"), 3), (Some("still"), 4), (None, 5)] {
            news.push(watch(&mut store, &to, KEY, wrong, now_ms).unwrap());
        }
        news.push(watch(&mut store, &to, KEY, None, 6).unwrap());
        news.push(watch(&mut store, &to, KEY, Some("again"), 7).unwrap());
        assert_eq!(news, [false, true, false, false, true, false, true]);
        let told: Vec<_> =
            messages(&store).into_iter().map(|it| (it.occurrence, it.at_ms, it.what.unwrap_or_default())).collect();
        assert_eq!(told, [(1, 2, "silent".into()), (1, 5, String::new()), (2, 7, "again".into())]);
        assert_eq!(store.open_entities("alarm/").unwrap(), [Alarm::entity(KEY).unwrap()]);
    }

    #[test]
    fn what_was_not_written_is_told_by_the_next_call() {
        let to = Destination::new("watch").unwrap();
        let mut store = MemoryStore::with_faults(MemoryFaults::none().at(1, Fault::DiskFull));
        watch(&mut store, &to, KEY, Some("silent"), 1).unwrap_err();
        assert!(watch(&mut store, &to, KEY, Some("silent"), 2).unwrap());
        assert_eq!(messages(&store).len(), 1);
    }

    #[test]
    fn an_alarm_neither_rings_twice_nor_clears_when_quiet() {
        let raised = AlarmEvent::Raised { at_ms: 1, what: "silent".into() };
        let cleared = AlarmEvent::Cleared { at_ms: 2 };
        assert_eq!(Alarm::default().apply(&cleared).unwrap_err(), AlarmStateError { ringing: false });
        let ringing = Alarm::default().apply(&raised).unwrap().0;
        assert_eq!(ringing.apply(&raised).unwrap_err(), AlarmStateError { ringing: true });
        round_trip::<Alarm>(&raised);
        round_trip::<Alarm>(&cleared);
    }
}
