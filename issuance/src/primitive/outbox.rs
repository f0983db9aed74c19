//! The transactional outbox: messages to other systems, each delivered at least once, in order, and taken once.
//!
//! A message is posted by [`Change::post`](crate::machine::Change::post) in the transaction of the change that it tells of. One
//! message is one entity:
//!
//! | from | event | guard | to | effect |
//! |---|---|---|---|---|
//! | (none) | Posted | only with a change of state | Pending | |
//! | Pending, Retry | Sent(attempt), durable before the message goes out | next attempt; not before its time | Sent | wake when the answer is late |
//! | Sent, Retry, DeadLetter | Acknowledged (late as well) | | Acknowledged | |
//! | Sent | Refused (a negative answer), again at | | Retry | wake |
//! | Sent | TimedOut, again at | its time is over | Retry | wake |
//! | Sent | Refused or TimedOut, never again | | DeadLetter | alarm |
//! | DeadLetter | Replayed by a person | keeps its id | Pending, attempts counted anew | |
//!
//! A program that starts again and finds a message Sent waits for its answer until its time is over, then sends it again under the
//! same id; the receiver tells repeats apart ([`Inbox`]).
//!
//! Order: messages to one destination go out in the order of the journal, one at a time. A dead letter holds back the later messages
//! of its own source (the entity whose change posted it) and lets the others pass, so that one message that nobody can
//! take does not stop a destination, and no receiver hears of the second change of a thing before the first ([`Outbox`]).

use std::fmt;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::journal::{Entity, EntityError, Entry};
use crate::machine::{Machine, entry};
use crate::primitive::retry::{Next, Retry, RetryError, RetryState};

mod inbox;
mod queue;

pub use inbox::{Inbox, InboxError, InboxEvent, Reception};
pub use queue::{Outbox, OutboxError, Refusal};

/// A system that takes messages: 1 to 60 bytes of letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination(Box<str>);

impl Destination {
    /// Longest name, in bytes.
    pub const MAX_LENGTH: usize = 60;

    /// Takes a name.
    ///
    /// # Errors
    /// [`PostError::Destination`].
    pub fn new(name: &str) -> Result<Self, PostError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match name.bytes().position(|byte| !legal(byte)) {
            None if (1..=Self::MAX_LENGTH).contains(&name.len()) => Ok(Self(name.into())),
            found => Err(PostError::Destination { offset: found.unwrap_or(name.len().min(Self::MAX_LENGTH)) }),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the entities of its messages begin with.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("{PREFIX}{}/", self.0)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the entities of all messages begin with.
pub const PREFIX: &str = "outbox/";

/// A message is not posted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PostError {
    /// A message tells of a change, and there is none.
    #[error("a message goes with a change of state: apply events first")]
    NothingChanged,
    /// The name of its entity is not legal; none in practice, since a destination is short and printable.
    #[error(transparent)]
    Entity(#[from] EntityError),
    /// More messages than can be numbered.
    #[error("too many messages in one change: split it")]
    TooMany,
    /// Not the name of a destination.
    #[error("a destination has 1 to 60 letters, digits, '-', '_' or '.': see byte {offset}")]
    Destination {
        /// First byte that is wrong or missing.
        offset: usize,
    },
}

/// Identity of a message, the same in every attempt: the first 16 bytes of SHA-256 over the CBOR array
/// `[destination, source, after, index]`.
///
/// No two messages have the same, because only one change can follow a given record of an entity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct MessageId(#[cbor(with = "minicbor::bytes")] [u8; 16]);

impl MessageId {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message as it was posted, and as it travels: its CBOR is what a receiver takes.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Posted {
    #[n(0)]
    destination: String,
    #[n(1)]
    source: String,
    #[n(2)]
    after: u64,
    #[n(3)]
    index: u32,
    #[n(4)]
    body: ByteVec,
}

impl Posted {
    /// Made by a change alone.
    pub(crate) fn new(destination: &Destination, source: &Entity, after: u64, index: u32, body: &[u8]) -> Self {
        let (destination, source) = (destination.as_str().to_owned(), source.as_str().to_owned());
        Self { destination, source, after, index, body: body.to_vec().into() }
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> MessageId {
        // Writing to memory cannot fail.
        let named = minicbor::to_vec((&self.destination, &self.source, self.after, self.index)).unwrap_or_default();
        let mut id = [0; 16];
        id.copy_from_slice(&Sha256::digest(named)[..16]);
        MessageId(id)
    }

    /// Whom it is for.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// Name of the entity of whose change it tells.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its place among the messages of its source: they are sent, and taken, by rising place.
    #[must_use]
    pub fn place(&self) -> (u64, u32) {
        (self.after, self.index)
    }

    /// What it says.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// SHA-256 over its encoding.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(minicbor::to_vec(self).unwrap_or_default()).into()
    }

    /// Name of its entity.
    fn name(&self) -> String {
        format!("{PREFIX}{}/{}", self.destination, self.id())
    }

    pub(crate) fn entity(&self) -> Result<Entity, EntityError> {
        Entity::new(&self.name())
    }

    pub(crate) fn entry(self, entity: &Entity) -> Entry {
        entry(entity, &MessageEvent::Posted(self))
    }
}

impl fmt::Debug for Posted {
    /// Shows no body: it may hold what nobody else is to see.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Posted")
            .field("id", &self.id())
            .field("destination", &self.destination)
            .field("source", &self.source)
            .field("place", &self.place())
            .field("body_length", &self.body.len())
            .finish()
    }
}

/// What happens to a message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MessageEvent {
    /// It is to be sent.
    #[n(48)]
    Posted(#[n(0)] Posted),
    /// It goes out once this is durable.
    #[n(49)]
    Sent {
        /// When, in milliseconds since 1970-01-01 UTC.
        #[n(0)]
        at_ms: u64,
        /// Attempt, from 1.
        #[n(1)]
        attempt: u32,
        /// When the answer is late.
        #[n(2)]
        answer_by_ms: u64,
    },
    /// The receiver has it.
    #[n(50)]
    Acknowledged {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// The receiver does not take it.
    #[n(51)]
    Refused {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The receiver's code.
        #[n(1)]
        code: u32,
        /// What follows.
        #[n(2)]
        next: Next,
    },
    /// No answer came in time.
    #[n(52)]
    TimedOut {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// What follows.
        #[n(1)]
        next: Next,
    },
    /// A person has it sent again, under the same id.
    #[n(53)]
    Replayed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Who, as the program knows persons.
        #[n(1)]
        by: String,
    },
}

/// What is to be done about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageEffect {
    /// Look again at this time.
    Wake {
        /// Milliseconds since 1970-01-01 UTC.
        at_ms: u64,
    },
    /// It became a dead letter: somebody has to look.
    Alarm,
}

/// An event of a message that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// A second posting, or another event before the first.
    #[error("a message is posted once, and first")]
    Posting,
    /// The answer is not late yet.
    #[error("its answer may come until {answer_by_ms} ms, and it is {at_ms} ms")]
    NotLate {
        /// When it is late.
        answer_by_ms: u64,
        /// The time given.
        at_ms: u64,
    },
    /// Attempts.
    #[error(transparent)]
    Retry(#[from] RetryError),
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    posted: Option<Posted>,
    retry: Retry,
    answer_by_ms: u64,
}

impl Message {
    /// What was posted; `None` before the first record.
    #[must_use]
    pub fn posted(&self) -> Option<&Posted> {
        self.posted.as_ref()
    }

    /// Attempts and what is next.
    #[must_use]
    pub fn retry(&self) -> &Retry {
        &self.retry
    }

    /// Whether it waits for a person.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.retry.state() == RetryState::Spent
    }

    /// Whether the receiver has it.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.retry.state() == RetryState::Done
    }

    /// The event of its next attempt, or `None` when it is not due.
    #[must_use]
    pub fn send(&self, at_ms: u64, answer_within_ms: u64) -> Option<MessageEvent> {
        let due = self.posted.is_some() && self.retry.is_due(at_ms);
        let (attempt, answer_by_ms) = (self.retry.attempts().saturating_add(1), at_ms.saturating_add(answer_within_ms));
        due.then_some(MessageEvent::Sent { at_ms, attempt, answer_by_ms })
    }

    /// Whether the answer to the last attempt is late.
    #[must_use]
    pub fn is_late(&self, at_ms: u64) -> bool {
        self.retry.state() == RetryState::Running && at_ms >= self.answer_by_ms
    }

    /// When something is to be done about it again, if time alone decides.
    #[must_use]
    pub fn wakes_at_ms(&self) -> Option<u64> {
        match self.retry.state() {
            RetryState::Running => Some(self.answer_by_ms),
            RetryState::Waiting { not_before_ms } => Some(not_before_ms),
            RetryState::Ready => self.posted.as_ref().map(|_| 0),
            RetryState::Spent | RetryState::Done => None,
        }
    }

    fn failed(self, next: Next) -> Result<(Self, Vec<MessageEffect>), MessageError> {
        let effect = match next {
            Next::Again { not_before_ms } => MessageEffect::Wake { at_ms: not_before_ms },
            Next::Never => MessageEffect::Alarm,
        };
        Ok((Self { retry: self.retry.failed(next)?, ..self }, vec![effect]))
    }
}

impl Machine for Message {
    const NAME: &'static str = "message";
    type Event = MessageEvent;
    type Effect = MessageEffect;
    type Error = MessageError;

    fn apply(mut self, event: &MessageEvent) -> Result<(Self, Vec<MessageEffect>), MessageError> {
        if self.posted.is_some() == matches!(event, MessageEvent::Posted(_)) {
            return Err(MessageError::Posting);
        }
        match event {
            MessageEvent::Posted(posted) => Ok((Self { posted: Some(posted.clone()), ..self }, Vec::new())),
            MessageEvent::Sent { at_ms, attempt, answer_by_ms } => {
                self.retry = self.retry.started(*attempt, *at_ms)?;
                self.answer_by_ms = *answer_by_ms;
                Ok((self, vec![MessageEffect::Wake { at_ms: *answer_by_ms }]))
            }
            MessageEvent::Acknowledged { .. } => Ok((Self { retry: self.retry.succeeded()?, ..self }, Vec::new())),
            MessageEvent::Refused { next, .. } => self.failed(*next),
            MessageEvent::TimedOut { at_ms, next } => {
                let (at_ms, answer_by_ms) = (*at_ms, self.answer_by_ms);
                if self.retry.state() == RetryState::Running && at_ms < answer_by_ms {
                    return Err(MessageError::NotLate { answer_by_ms, at_ms });
                }
                self.failed(*next)
            }
            MessageEvent::Replayed { .. } => Ok((Self { retry: self.retry.granted()?, ..self }, Vec::new())),
        }
    }

    fn belongs_to(event: &MessageEvent) -> Option<String> {
        match event {
            MessageEvent::Posted(posted) => Some(posted.name()),
            _ => None,
        }
    }

    fn is_open(&self) -> bool {
        self.posted.is_some() && !self.is_acknowledged()
    }
}

/// The entity of a message that a program knows by destination and id.
///
/// # Errors
/// None in practice: the text is printable and short.
pub fn entity(destination: &Destination, id: MessageId) -> Result<Entity, EntityError> {
    Entity::new(&format!("{}{id}", destination.prefix()))
}

#[cfg(test)]
mod tests;
