//! The receiver's side: what was taken before is told, and done only once.
//!
//! One machine for each destination and source:
//!
//! | from | event | guard | to |
//! |---|---|---|---|
//! | any | Taken(place, hash) | place beyond the last one taken | that place is the last |
//!
//! Since the messages of one source come in order, one place stands for all that were taken before it.

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::Posted;
use crate::journal::{Entity, EntityError, hex};
use crate::machine::Machine;

/// What was taken from one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inbox {
    last: Option<((u64, u32), [u8; 32])>,
}

/// A message was taken.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum InboxEvent {
    /// Recorded in the transaction of what was done about it.
    #[n(56)]
    Taken {
        /// Record of the source after which it was posted.
        #[n(0)]
        after: u64,
        /// Its number among the messages of that change.
        #[n(1)]
        index: u32,
        /// SHA-256 over the message.
        #[cbor(n(2), with = "minicbor::bytes")]
        hash: [u8; 32],
    },
}

/// What a message is to its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reception {
    /// New: do what it says, and record this with it.
    Fresh(InboxEvent),
    /// Taken before: acknowledge it again and do nothing.
    Repeated,
}

/// A message that must not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InboxError {
    /// It was taken before, or a later one was.
    #[error("message {index} after record {after} of its source was taken before")]
    Repeated {
        /// Record of the source.
        after: u64,
        /// Number of the message.
        index: u32,
    },
    /// Another message has the same place: the sender is at fault.
    #[error("message {index} after record {after} of its source says something else than before")]
    Changed {
        /// Record of the source.
        after: u64,
        /// Number of the message.
        index: u32,
    },
}

impl Inbox {
    /// The entity that remembers what came for a destination from one source.
    ///
    /// # Errors
    /// None in practice: the text is printable and short.
    pub fn entity(message: &Posted) -> Result<Entity, EntityError> {
        let named = minicbor::to_vec((&message.destination, &message.source)).unwrap_or_default();
        Entity::new(&format!("inbox/{}", hex(&Sha256::digest(named)[..16])))
    }

    /// Whether a message is new.
    ///
    /// # Errors
    /// [`InboxError::Changed`] when the last one had its place and said something else.
    pub fn receive(&self, message: &Posted) -> Result<Reception, InboxError> {
        let ((after, index), hash) = (message.place(), message.hash());
        match self.last {
            Some((last, known)) if last == (after, index) && known != hash => Err(InboxError::Changed { after, index }),
            Some((last, _)) if (after, index) <= last => Ok(Reception::Repeated),
            _ => Ok(Reception::Fresh(InboxEvent::Taken { after, index, hash })),
        }
    }
}

impl Machine for Inbox {
    const NAME: &'static str = "inbox";
    type Event = InboxEvent;
    type Effect = std::convert::Infallible;
    type Error = InboxError;

    fn apply(self, event: &InboxEvent) -> Result<(Self, Vec<Self::Effect>), InboxError> {
        let InboxEvent::Taken { after, index, hash } = *event;
        match self.last {
            Some((last, _)) if (after, index) <= last => Err(InboxError::Repeated { after, index }),
            _ => Ok((Self { last: Some(((after, index), hash)) }, Vec::new())),
        }
    }

    fn is_open(&self) -> bool {
        false
    }
}
