//! Which message goes out next: pure bookkeeping over the messages of a journal.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::{Destination, Message, MessageError, MessageEvent, MessageId, PREFIX, Posted};
use crate::journal::{Entity, Record};
use crate::machine::{Change, Kept, MachineError};
use crate::primitive::retry::{RetryPolicy, RetryState};
use crate::store::{Journal, Store, StoreError};

/// How many records are read at a time.
const PAGE: usize = 256;

/// The messages that are not acknowledged yet, by destination and in the order in which they were posted.
#[derive(Debug, Default)]
pub struct Outbox {
    queues: BTreeMap<String, BTreeMap<u64, Kept<Message>>>,
    /// Queue and place by id in digits.
    places: BTreeMap<String, (String, u64)>,
    /// Number of the last record that was looked at.
    seen: u64,
}

/// The outbox cannot be read, or an event is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The journal.
    #[error(transparent)]
    Machine(#[from] MachineError<MessageError>),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No message that is not acknowledged has this id.
    #[error("message {id} is not there, or was acknowledged")]
    NoMessage {
        /// The id.
        id: MessageId,
    },
    /// A message before it has to go first.
    #[error("message {id} is not the next one for its destination")]
    NotNext {
        /// The id.
        id: MessageId,
    },
}

/// A negative answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The receiver's code.
    pub code: u32,
    /// Whether it will never take the message.
    pub permanent: bool,
}

impl Outbox {
    /// An outbox that has read nothing yet, and follows a journal from its first record on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An outbox with the messages that are open in a journal; the cost is linear in their number.
    ///
    /// # Errors
    /// [`OutboxError`] names the record that does not add up.
    pub fn open(journal: &(impl Journal + ?Sized)) -> Result<Self, OutboxError> {
        // What is written between the two questions comes by again in what is followed.
        let mut outbox = Self { seen: journal.head()?.seq, ..Self::default() };
        for entity in journal.open_entities(PREFIX)? {
            for record in journal.history(&entity)? {
                outbox.take(&record)?;
            }
        }
        Ok(outbox)
    }

    /// Takes in what was written since the last call.
    ///
    /// # Errors
    /// [`OutboxError`] names the record that does not add up.
    pub fn follow(&mut self, journal: &(impl Journal + ?Sized)) -> Result<(), OutboxError> {
        loop {
            let records = journal.records(self.seen, PAGE)?;
            for record in &records {
                if record.entity.as_str().starts_with(PREFIX) {
                    self.take(record)?;
                }
                self.seen = record.seq;
            }
            if records.len() < PAGE {
                return Ok(());
            }
        }
    }

    fn take(&mut self, record: &Record) -> Result<(), OutboxError> {
        let place = match self.places.get(key(&record.entity)).cloned() {
            Some(place) => place,
            None => {
                let message = Kept::<Message>::from_records(record.entity.clone(), std::slice::from_ref(record))?;
                let queue = message.state().posted().map_or("", Posted::destination).to_owned();
                let place = (queue, record.seq);
                self.places.insert(key(&record.entity).to_owned(), place.clone());
                self.queues.entry(place.0.clone()).or_default().insert(place.1, message);
                place
            }
        };
        let Some(messages) = self.queues.get_mut(&place.0) else { return Ok(()) };
        let Some(message) = messages.get_mut(&place.1) else { return Ok(()) };
        if record.seq > message.last_seq() {
            message.follow(record)?;
        }
        // Until its last record has passed, what this outbox itself recorded comes by here.
        if message.state().is_acknowledged() && record.seq >= message.last_seq() {
            messages.remove(&place.1);
            self.places.remove(key(&record.entity));
            self.queues.retain(|_, messages| !messages.is_empty());
        }
        Ok(())
    }

    /// The message that may go out to a destination at `at_ms`.
    ///
    /// The first one that is no dead letter nor held back by one; `None` while that one waits for its answer or its time.
    #[must_use]
    pub fn next(&self, destination: &Destination, at_ms: u64) -> Option<&Posted> {
        let messages = self.queues.get(destination.as_str())?;
        let in_flight = messages.values().any(|message| message.state().retry().state() == RetryState::Running);
        let head = self.head(destination).filter(|head| !in_flight && head.retry().is_due(at_ms))?;
        head.posted()
    }

    fn head(&self, destination: &Destination) -> Option<&Message> {
        let mut held_back = BTreeSet::new();
        let mut messages = self.queues.get(destination.as_str())?.values().map(Kept::state);
        messages.find(|message| {
            let source = message.posted().map(Posted::source);
            if message.is_dead() {
                held_back.insert(source);
            }
            !message.is_acknowledged() && !held_back.contains(&source)
        })
    }

    /// When to ask for [`Outbox::next`] and [`Outbox::late`] again, at the latest.
    #[must_use]
    pub fn wakes_at_ms(&self) -> Option<u64> {
        let heads = self.queues.keys().filter_map(|name| self.head(&Destination::new(name).ok()?));
        let in_flight = self.messages().filter(|message| message.retry().state() == RetryState::Running);
        heads.chain(in_flight).filter_map(Message::wakes_at_ms).min()
    }

    fn messages(&self) -> impl Iterator<Item = &Message> {
        self.queues.values().flat_map(BTreeMap::values).map(Kept::state)
    }

    /// The destinations that have messages.
    pub fn destinations(&self) -> impl Iterator<Item = &str> {
        self.queues.keys().map(String::as_str)
    }

    /// The dead letters, for a person.
    pub fn dead_letters(&self) -> impl Iterator<Item = &Posted> {
        self.messages().filter(|message| message.is_dead()).filter_map(Message::posted)
    }

    /// Messages whose answer is late at `at_ms`.
    #[must_use]
    pub fn late(&self, at_ms: u64) -> Vec<MessageId> {
        self.messages().filter(|message| message.is_late(at_ms)).filter_map(Message::posted).map(Posted::id).collect()
    }

    /// Records that a message goes out; only then is it handed out.
    ///
    /// # Errors
    /// [`OutboxError::NotNext`] unless [`Outbox::next`] gave it; the store's.
    pub fn send(
        &mut self,
        store: &mut (impl Store + ?Sized),
        id: MessageId,
        at_ms: u64,
        answer_within_ms: u64,
    ) -> Result<Posted, OutboxError> {
        let (queue, _) = self.place(id).ok_or(OutboxError::NoMessage { id })?;
        let next = Destination::new(queue).ok().and_then(|destination| self.next(&destination, at_ms).cloned());
        let posted = next.filter(|posted| posted.id() == id).ok_or(OutboxError::NotNext { id })?;
        let event = self.message(id)?.send(at_ms, answer_within_ms).ok_or(OutboxError::NotNext { id })?;
        self.record(store, id, event, at_ms)?;
        Ok(posted)
    }

    /// Records that the receiver has a message; an answer that comes again changes nothing.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub fn acknowledge(
        &mut self,
        store: &mut (impl Store + ?Sized),
        id: MessageId,
        at_ms: u64,
    ) -> Result<(), OutboxError> {
        match self.message(id) {
            Ok(message) if !message.is_acknowledged() => {
                self.record(store, id, MessageEvent::Acknowledged { at_ms }, at_ms)
            }
            _ => Ok(()),
        }
    }

    /// Records that the receiver refused a message.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub fn refuse(
        &mut self,
        store: &mut (impl Store + ?Sized),
        id: MessageId,
        refusal: Refusal,
        policy: &RetryPolicy,
        at_ms: u64,
        random: u64,
    ) -> Result<(), OutboxError> {
        let Refusal { code, permanent } = refusal;
        let policy = RetryPolicy { attempts: if permanent { 0 } else { policy.attempts }, ..*policy };
        let next = policy.after(self.message(id)?.retry().attempts(), at_ms, random);
        self.record(store, id, MessageEvent::Refused { at_ms, code, next }, at_ms)
    }

    /// Records that no answer came in time.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub fn time_out(
        &mut self,
        store: &mut (impl Store + ?Sized),
        id: MessageId,
        policy: &RetryPolicy,
        at_ms: u64,
        random: u64,
    ) -> Result<(), OutboxError> {
        let next = policy.after(self.message(id)?.retry().attempts(), at_ms, random);
        self.record(store, id, MessageEvent::TimedOut { at_ms, next }, at_ms)
    }

    /// Records that a person has a dead letter sent again.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub fn replay(
        &mut self,
        store: &mut (impl Store + ?Sized),
        id: MessageId,
        by: &str,
        at_ms: u64,
    ) -> Result<(), OutboxError> {
        self.record(store, id, MessageEvent::Replayed { at_ms, by: by.to_owned() }, at_ms)
    }

    fn record(
        &mut self,
        store: &mut (impl Store + ?Sized),
        id: MessageId,
        event: MessageEvent,
        at_ms: u64,
    ) -> Result<(), OutboxError> {
        let message = self.message_mut(id)?;
        let written = Change::new().apply(message, &[event])?.commit(store, at_ms);
        if let Err(StoreError::Conflict { .. } | StoreError::Superseded { .. }) = written {
            // Another dispatcher was faster: see what it did.
            *message = Kept::load(store, message.entity().clone())?;
        }
        written?;
        Ok(())
    }

    fn place(&self, id: MessageId) -> Option<&(String, u64)> {
        self.places.get(&id.to_string())
    }

    fn message(&self, id: MessageId) -> Result<&Message, OutboxError> {
        let message = self.place(id).and_then(|(queue, first)| self.queues.get(queue)?.get(first));
        message.map(Kept::state).ok_or(OutboxError::NoMessage { id })
    }

    fn message_mut(&mut self, id: MessageId) -> Result<&mut Kept<Message>, OutboxError> {
        let place = self.places.get(&id.to_string());
        let message = place.and_then(|(queue, first)| self.queues.get_mut(queue)?.get_mut(first));
        message.ok_or(OutboxError::NoMessage { id })
    }
}

/// What a message's entity ends with: its id in digits.
fn key(entity: &Entity) -> &str {
    entity.as_str().rsplit('/').next().unwrap_or_default()
}
