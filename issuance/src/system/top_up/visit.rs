//! One top-up at a reader: which reader has the card, from its admission to the end of its load.
//!
//! | from | event | to |
//! |---|---|---|
//! | (none), Paused, Admitted (the program was killed) | Admitted(reader, card, lease) | Admitted |
//! | Admitted | Paused(why) | Paused |
//! | Admitted, Paused | Ended(outcome) | Ended |
//!
//! The money is the load's ([`crate::purse`]) under the same transaction id; a card belongs to its id from the first record on.

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::journal::{Entity, EntityError};
use crate::machine::Machine;
use crate::primitive::lease::Token;
use crate::purse::{LoadReport, LoadState, TransactionId, Waiting};

/// What happens to a top-up. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum VisitEvent {
    /// An admitted reader has the card, and the account is the card's.
    #[n(1072)]
    Admitted {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Serial number of the reader.
        #[n(1)]
        reader: String,
        /// Entity of the card's purses.
        #[n(2)]
        card: String,
        /// Lease of the card.
        #[n(3)]
        token: Token,
    },
    /// It goes on later.
    #[n(1073)]
    Paused {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Why.
        #[n(1)]
        why: PausedBecause,
    },
    /// The load has ended.
    #[n(1074)]
    Ended {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// How.
        #[n(1)]
        outcome: EndedWith,
    },
}

/// Why a top-up goes on later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum PausedBecause {
    /// The card is gone.
    #[n(0)]
    Card,
    /// The account's keeper gave no definite answer.
    #[n(1)]
    Account,
    /// The load is in dispute.
    #[n(2)]
    Dispute,
    /// The run ended with an error.
    #[n(3)]
    Error,
}

/// How a top-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum EndedWith {
    /// The card has the money.
    #[n(0)]
    Loaded,
    /// No debit stands.
    #[n(1)]
    Closed,
    /// The account has its money back.
    #[n(2)]
    Reversed,
}

impl VisitEvent {
    /// What a run's report says of it.
    #[must_use]
    pub fn of(report: &LoadReport, at_ms: u64) -> Self {
        let outcome = match report.load.state {
            LoadState::Loaded(_) => EndedWith::Loaded,
            LoadState::Closed(_) => EndedWith::Closed,
            LoadState::Reversed => EndedWith::Reversed,
            _ => {
                let why = match report.waiting {
                    Some(Waiting::Account(_)) => PausedBecause::Account,
                    Some(Waiting::Dispute { .. }) => PausedBecause::Dispute,
                    _ => PausedBecause::Card,
                };
                return Self::Paused { at_ms, why };
            }
        };
        Self::Ended { at_ms, outcome }
    }
}

/// Where a top-up stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VisitState {
    /// Nothing is known of it.
    #[default]
    None,
    /// A reader is at it.
    Admitted,
    /// It goes on later.
    Paused(PausedBecause),
    /// It ended.
    Ended(EndedWith),
}

/// A top-up at a reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visit {
    state: VisitState,
    card: Option<String>,
    reader: Option<String>,
}

/// An event of a top-up that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VisitError {
    /// It does not fit the state.
    #[error("that cannot follow: the top-up is {state:?}")]
    Illegal {
        /// The state.
        state: VisitState,
    },
    /// The id was used for another card.
    #[error("the transaction id belongs to another card")]
    OtherCard,
}

impl Visit {
    /// The entity of a top-up.
    ///
    /// # Errors
    /// None in practice: the id is printable and short.
    pub fn entity(id: &TransactionId) -> Result<Entity, EntityError> {
        Entity::new(&format!("top-up/{id}"))
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> VisitState {
        self.state
    }

    /// Serial number of the reader that was last at it.
    #[must_use]
    pub fn reader(&self) -> Option<&str> {
        self.reader.as_deref()
    }
}

impl Machine for Visit {
    const NAME: &'static str = "top-up";
    type Event = VisitEvent;
    type Effect = std::convert::Infallible;
    type Error = VisitError;

    fn apply(self, event: &VisitEvent) -> Result<(Self, Vec<Self::Effect>), VisitError> {
        use VisitState::{Admitted, Ended, None, Paused};
        let next = match (self.state, event) {
            (None | Admitted | Paused(_), VisitEvent::Admitted { reader, card, .. }) => {
                if self.card.as_ref().is_some_and(|before| before != card) {
                    return Err(VisitError::OtherCard);
                }
                Self { state: Admitted, card: Some(card.clone()), reader: Some(reader.clone()) }
            }
            (Admitted, VisitEvent::Paused { why, .. }) => Self { state: Paused(*why), ..self },
            (Admitted | Paused(_), VisitEvent::Ended { outcome, .. }) => Self { state: Ended(*outcome), ..self },
            (state, _) => return Err(VisitError::Illegal { state }),
        };
        Ok((next, Vec::new()))
    }

    fn is_open(&self) -> bool {
        matches!(self.state, VisitState::Admitted | VisitState::Paused(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::{round_trip, run};

    #[test]
    fn the_table() {
        use VisitState::*;
        let admitted = |card: &str| VisitEvent::Admitted {
            at_ms: 1,
            reader: "R1".into(),
            card: card.into(),
            token: Token::new(1),
        };
        let paused = VisitEvent::Paused { at_ms: 2, why: PausedBecause::Card };
        let ended = VisitEvent::Ended { at_ms: 3, outcome: EndedWith::Loaded };
        let end = Ended(EndedWith::Loaded);
        let wait = Paused(PausedBecause::Card);
        let events = [admitted("purse/1"), paused.clone(), ended.clone(), admitted("purse/2")];
        type Row<'a> = (&'a [VisitEvent], VisitState, [Option<VisitState>; 4]);
        let table: [Row<'_>; 4] = [
            (&[], None, [Some(Admitted), Option::None, Option::None, Some(Admitted)]),
            (&[admitted("purse/1")], Admitted, [Some(Admitted), Some(wait), Some(end), Option::None]),
            (&[admitted("purse/1"), paused], wait, [Some(Admitted), Option::None, Some(end), Option::None]),
            (&[admitted("purse/1"), ended], end, [Option::None; 4]),
        ];
        for (before, state, row) in table {
            let (visit, taken) = run::<Visit>(before.to_vec());
            assert_eq!((visit.state(), taken.len()), (state, before.len()));
            for (event, to) in events.iter().zip(row) {
                round_trip::<Visit>(event);
                let next = visit.clone().apply(event).ok().map(|(next, _)| next.state());
                assert_eq!(next, to, "{state:?} + {event:?}");
            }
        }
    }
}
