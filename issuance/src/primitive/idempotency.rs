//! Idempotency keys: a request that comes again is answered again, not done again.
//!
//! One machine for each key:
//!
//! | from | event | guard | to |
//! |---|---|---|---|
//! | New | Begun(input) | | InProgress |
//! | InProgress | Answered(answer) | | Answered |
//! | InProgress | NotDone(evidence): proved that nothing came of it | | NotDone |
//! | NotDone | Begun(input) | the same input | InProgress |
//!
//! The same key with the same input gets the stored answer; with another input it is a conflict, in every state. A request that was
//! begun and has no answer stays in progress until somebody can tell what came of it: it is never begun again because time has passed.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::journal::{Entity, EntityError, hex};
use crate::machine::Machine;

/// Where a request stands.
#[derive(Clone, PartialEq, Eq, Default)]
enum State {
    #[default]
    New,
    InProgress {
        since_ms: u64,
    },
    Answered(Vec<u8>),
    NotDone,
}

/// One request under its key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Request {
    input: Option<[u8; 32]>,
    state: State,
}

/// What happens to a request.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum RequestEvent {
    /// It is going to be done.
    #[n(68)]
    Begun {
        /// When, in milliseconds since 1970-01-01 UTC.
        #[n(0)]
        at_ms: u64,
        /// SHA-256 of what is asked for.
        #[cbor(n(1), with = "minicbor::bytes")]
        input: [u8; 32],
    },
    /// It is done: recorded with what it brought about.
    #[n(69)]
    Answered {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// What was answered. Nothing personal or secret: a reference to that, if need be.
        #[n(1)]
        answer: ByteVec,
    },
    /// Nothing came of it.
    #[n(70)]
    NotDone {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// SHA-256 of what shows it.
        #[cbor(n(1), with = "minicbor::bytes")]
        evidence: [u8; 32],
    },
}

impl std::fmt::Debug for RequestEvent {
    /// Shows no answer.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, at_ms) = match self {
            Self::Begun { at_ms, .. } => ("Begun", at_ms),
            Self::Answered { at_ms, .. } => ("Answered", at_ms),
            Self::NotDone { at_ms, .. } => ("NotDone", at_ms),
        };
        f.debug_struct(name).field("at_ms", at_ms).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Request {
    /// Shows no answer.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("state", &self.word()).finish_non_exhaustive()
    }
}

/// What is to be done with a request that came.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission<'a> {
    /// Do it: record this first, with whatever is the first thing to be done.
    Begin(RequestEvent),
    /// Somebody is at it, or nobody knows what came of it.
    InProgress {
        /// Since when, in milliseconds since 1970-01-01 UTC.
        since_ms: u64,
    },
    /// It was done: answer this.
    Stored(&'a [u8]),
}

/// A request that must not be done, or an event that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The key was used for something else.
    #[error("the key was used before with another input: take a new key for a new request")]
    Conflict,
    /// The event does not fit.
    #[error("that cannot follow: the request is {state}")]
    Illegal {
        /// The state in a word.
        state: &'static str,
    },
}

impl Request {
    /// The entity of a key: `request/`, the scope (who asks, of what), and the key's hash.
    ///
    /// # Errors
    /// [`EntityError`] when the scope has bytes that are not printable, or is too long.
    pub fn entity(scope: &str, key: &[u8]) -> Result<Entity, EntityError> {
        Entity::new(&format!("request/{scope}/{}", hex(&Sha256::digest(key)[..16])))
    }

    /// What is to be done with a request of this key.
    ///
    /// # Errors
    /// [`RequestError::Conflict`].
    pub fn admit(&self, input: &[u8], at_ms: u64) -> Result<Admission<'_>, RequestError> {
        let input = Sha256::digest(input).into();
        if self.input.is_some_and(|known| known != input) {
            return Err(RequestError::Conflict);
        }
        Ok(match &self.state {
            State::New | State::NotDone => Admission::Begin(RequestEvent::Begun { at_ms, input }),
            State::InProgress { since_ms } => Admission::InProgress { since_ms: *since_ms },
            State::Answered(answer) => Admission::Stored(answer),
        })
    }

    fn word(&self) -> &'static str {
        match self.state {
            State::New => "new",
            State::InProgress { .. } => "in progress",
            State::Answered(_) => "answered",
            State::NotDone => "not done",
        }
    }
}

impl Machine for Request {
    const NAME: &'static str = "request";
    type Event = RequestEvent;
    type Effect = std::convert::Infallible;
    type Error = RequestError;

    fn apply(self, event: &RequestEvent) -> Result<(Self, Vec<Self::Effect>), RequestError> {
        let next = match (&self.state, event) {
            (_, RequestEvent::Begun { input, .. }) if self.input.is_some_and(|known| known != *input) => {
                return Err(RequestError::Conflict);
            }
            (State::New | State::NotDone, RequestEvent::Begun { at_ms, input }) => {
                Self { input: Some(*input), state: State::InProgress { since_ms: *at_ms } }
            }
            (State::InProgress { .. }, RequestEvent::Answered { answer, .. }) => {
                Self { state: State::Answered(answer.to_vec()), ..self }
            }
            (State::InProgress { .. }, RequestEvent::NotDone { .. }) => Self { state: State::NotDone, ..self },
            _ => return Err(RequestError::Illegal { state: self.word() }),
        };
        Ok((next, Vec::new()))
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::InProgress { .. })
    }
}

#[cfg(test)]
mod tests;
