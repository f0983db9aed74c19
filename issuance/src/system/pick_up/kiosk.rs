//! What a kiosk keeps of a claim in its own journal, so that it can say later, after any crash, what came of it.
//!
//! | from | event | guard | to |
//! |---|---|---|---|
//! | (none) | Granted(voucher, token, until) | | Granted |
//! | Granted | MoveBegun, durable before the motor runs | before its time is over | Moving |
//! | Granted | GivenUp: no card was moved, and none will be | | Ended: nothing came out |
//! | Moving | CardRead(number) | | Moving, with the number |
//! | Moving | ExitBegun, durable before the card is pushed out | number read | AtExit, not known |
//! | Moving, AtExit | Captured(evidence): a sensor saw the card in the bin | | Ended: nothing came out, or drawn in |
//! | AtExit | Seen: a sensor saw the card at the exit | | AtExit, seen |
//! | AtExit | Taken: a sensor saw the card leave | | Ended: taken |
//!
//! A card that is inside can always be captured, so everything before ExitBegun has a definite end. Between ExitBegun and a sensor's word
//! a crash leaves what nobody knows: the kiosk says so, and persons look.

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::journal::{Entity, EntityError};
use crate::machine::Machine;
use crate::primitive::lease::Token;

/// What happens to a claim at its kiosk. Times are milliseconds since 1970-01-01 UTC by the kiosk's clock.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum KioskEvent {
    /// The authority allowed it.
    #[n(1840)]
    Granted {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Entity of the voucher.
        #[n(1)]
        voucher: String,
        /// The claim's token.
        #[n(2)]
        token: Token,
        /// After this the kiosk must not begin any more.
        #[n(3)]
        until_ms: u64,
    },
    /// The motor is about to move a card.
    #[n(1841)]
    MoveBegun {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// Nothing was begun, and nothing will be.
    #[n(1842)]
    GivenUp {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// The card's number was read, and its data were written.
    #[n(1843)]
    CardRead {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// In hexadecimal.
        #[n(1)]
        card_number: String,
    },
    /// The card is about to be pushed out.
    #[n(1844)]
    ExitBegun {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// It is at the exit.
    #[n(1845)]
    Seen {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// It was taken.
    #[n(1846)]
    Taken {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// It lies in the bin.
    #[n(1847)]
    Captured {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Hash of the sensors' record.
        #[cbor(n(1), with = "minicbor::bytes")]
        evidence: [u8; 32],
    },
}

/// Where a claim stands at its kiosk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KioskState {
    /// There is none.
    #[default]
    None,
    /// Nothing was moved yet.
    Granted,
    /// A card is inside.
    Moving,
    /// A card was being pushed out.
    AtExit {
        /// Whether a sensor saw it there.
        seen: bool,
    },
    /// Nothing came out.
    NotDispensed,
    /// The card was at the exit and was drawn in.
    Retracted,
    /// The card was taken.
    Taken,
}

/// What a kiosk can say of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Nothing came out and nothing will.
    NotDispensed {
        /// Hash of what the kiosk recorded.
        evidence: [u8; 32],
    },
    /// A card is at the exit.
    Dispensed {
        /// Its number.
        card_number: String,
    },
    /// The card was drawn in again.
    Retracted {
        /// Its number.
        card_number: String,
        /// Hash of what the kiosk recorded.
        evidence: [u8; 32],
    },
    /// The card was taken.
    Taken {
        /// Its number.
        card_number: String,
    },
    /// Somebody has to look.
    Unknown,
}

/// A claim at its kiosk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KioskClaim {
    state: KioskState,
    until_ms: u64,
    card_number: Option<String>,
    evidence: [u8; 32],
}

/// An event of a claim that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KioskError {
    /// It does not fit the state.
    #[error("that cannot follow: {state}")]
    Illegal {
        /// The state in words.
        state: &'static str,
    },
    /// The authority takes the kiosk for silent by now.
    #[error("the claim ended at {until_ms} ms, and it is {at_ms} ms: give it up")]
    Over {
        /// When it ended.
        until_ms: u64,
        /// The time given.
        at_ms: u64,
    },
    /// No card goes out whose number is not known.
    #[error("the card's number was not read")]
    NoNumber,
}

impl KioskClaim {
    /// The entity of a claim: `claim/<token>-<name of the voucher>`.
    ///
    /// # Errors
    /// [`EntityError`] when the voucher's name is too long.
    pub fn entity(voucher: &str, token: Token) -> Result<Entity, EntityError> {
        Entity::new(&format!("claim/{}-{voucher}", token.number()))
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> KioskState {
        self.state
    }

    /// What the kiosk can say of it; `None` while it has to do something first: give the claim up, or capture the card.
    #[must_use]
    pub fn report(&self) -> Option<Report> {
        let card_number = self.card_number.clone().unwrap_or_default();
        Some(match self.state {
            KioskState::None | KioskState::Granted | KioskState::Moving => return None,
            KioskState::NotDispensed => Report::NotDispensed { evidence: self.evidence },
            KioskState::AtExit { seen: true } => Report::Dispensed { card_number },
            KioskState::AtExit { seen: false } => Report::Unknown,
            KioskState::Retracted => Report::Retracted { card_number, evidence: self.evidence },
            KioskState::Taken => Report::Taken { card_number },
        })
    }
}

impl Machine for KioskClaim {
    const NAME: &'static str = "kiosk claim";
    type Event = KioskEvent;
    type Effect = std::convert::Infallible;
    type Error = KioskError;

    fn apply(mut self, event: &KioskEvent) -> Result<(Self, Vec<Self::Effect>), KioskError> {
        use KioskState::{AtExit, Granted, Moving, None, NotDispensed, Retracted, Taken};
        self.state = match (self.state, event) {
            (None, KioskEvent::Granted { until_ms, .. }) => {
                self.until_ms = *until_ms;
                Granted
            }
            (Granted, KioskEvent::MoveBegun { at_ms }) if *at_ms >= self.until_ms => {
                return Err(KioskError::Over { until_ms: self.until_ms, at_ms: *at_ms });
            }
            (Granted, KioskEvent::MoveBegun { .. }) => Moving,
            (Granted, KioskEvent::GivenUp { .. }) => NotDispensed,
            (Moving, KioskEvent::CardRead { card_number, .. }) => {
                self.card_number = Some(card_number.clone());
                Moving
            }
            (Moving, KioskEvent::ExitBegun { .. }) if self.card_number.is_none() => return Err(KioskError::NoNumber),
            (Moving, KioskEvent::ExitBegun { .. }) => AtExit { seen: false },
            (Moving | AtExit { .. }, KioskEvent::Captured { evidence, .. }) => {
                self.evidence = *evidence;
                if matches!(self.state, AtExit { seen: true }) { Retracted } else { NotDispensed }
            }
            (AtExit { .. }, KioskEvent::Seen { .. }) => AtExit { seen: true },
            (AtExit { .. }, KioskEvent::Taken { .. }) => Taken,
            (state, _) => {
                let state = match state {
                    None => "nothing was granted",
                    Granted => "nothing was moved yet",
                    Moving => "a card is inside",
                    AtExit { .. } => "a card is being pushed out",
                    NotDispensed => "the claim ended, nothing came out",
                    Retracted => "the claim ended, the card was drawn in",
                    Taken => "the claim ended, the card was taken",
                };
                return Err(KioskError::Illegal { state });
            }
        };
        Ok((self, Vec::new()))
    }

    fn is_open(&self) -> bool {
        matches!(self.state, KioskState::Granted | KioskState::Moving | KioskState::AtExit { .. })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::machine::testing::{round_trip, run};

    const MOVE: KioskEvent = KioskEvent::MoveBegun { at_ms: 99 };
    const GIVEN_UP: KioskEvent = KioskEvent::GivenUp { at_ms: 1 };
    const EXIT: KioskEvent = KioskEvent::ExitBegun { at_ms: 1 };
    const SEEN: KioskEvent = KioskEvent::Seen { at_ms: 1 };
    const TAKEN: KioskEvent = KioskEvent::Taken { at_ms: 1 };
    const CAPTURED: KioskEvent = KioskEvent::Captured { at_ms: 1, evidence: [4; 32] };

    fn granted() -> KioskEvent {
        KioskEvent::Granted { at_ms: 1, voucher: "voucher/1".into(), token: Token::new(1), until_ms: 100 }
    }

    fn read() -> KioskEvent {
        KioskEvent::CardRead { at_ms: 1, card_number: "0A".into() }
    }

    fn fold(events: &[KioskEvent]) -> Result<KioskClaim, KioskError> {
        events.iter().try_fold(KioskClaim::default(), |claim, event| Ok(claim.apply(event)?.0))
    }

    /// Every row of the table, and what the kiosk says then.
    #[test]
    fn rows() {
        let report = |events: &[KioskEvent]| fold(events).unwrap().report();
        let (card_number, evidence) = ("0A".to_owned(), [4; 32]);
        assert_eq!(report(&[granted()]), None);
        assert_eq!(report(&[granted(), MOVE]), None);
        assert_eq!(report(&[granted(), MOVE, read()]), None);
        assert_eq!(report(&[granted(), GIVEN_UP]), Some(Report::NotDispensed { evidence: [0; 32] }));
        assert_eq!(report(&[granted(), MOVE, CAPTURED]), Some(Report::NotDispensed { evidence }));
        assert_eq!(report(&[granted(), MOVE, read(), EXIT]), Some(Report::Unknown));
        assert_eq!(report(&[granted(), MOVE, read(), EXIT, CAPTURED]), Some(Report::NotDispensed { evidence }));
        let dispensed = Some(Report::Dispensed { card_number: card_number.clone() });
        assert_eq!(report(&[granted(), MOVE, read(), EXIT, SEEN]), dispensed);
        let retracted = Some(Report::Retracted { card_number: card_number.clone(), evidence });
        assert_eq!(report(&[granted(), MOVE, read(), EXIT, SEEN, CAPTURED]), retracted);
        let taken = Some(Report::Taken { card_number });
        assert_eq!(report(&[granted(), MOVE, read(), EXIT, TAKEN]), taken);
        assert_eq!(report(&[granted(), MOVE, read(), EXIT, SEEN, TAKEN]), taken);
    }

    #[test]
    fn refused() {
        let error = |events: &[KioskEvent]| fold(events).unwrap_err();
        let late = KioskEvent::MoveBegun { at_ms: 100 };
        assert_eq!(error(&[granted(), late]), KioskError::Over { until_ms: 100, at_ms: 100 });
        assert_eq!(error(&[granted(), MOVE, EXIT]), KioskError::NoNumber);
        let illegal = |state| KioskError::Illegal { state };
        assert_eq!(error(&[granted(), GIVEN_UP, MOVE]), illegal("the claim ended, nothing came out"));
        assert_eq!(error(&[granted(), MOVE, GIVEN_UP]), illegal("a card is inside"));
        assert_eq!(error(&[granted(), MOVE, read(), EXIT, GIVEN_UP]), illegal("a card is being pushed out"));
        assert_eq!(error(&[granted(), EXIT]), illegal("nothing was moved yet"));
    }

    fn event() -> impl Strategy<Value = KioskEvent> {
        prop::sample::select(vec![granted(), MOVE, read(), GIVEN_UP, EXIT, SEEN, TAKEN, CAPTURED])
    }

    proptest! {
        /// "Nothing came out" is said only where no card was pushed out, or a sensor saw it in the bin.
        #[test]
        fn nothing_came_out_is_never_a_guess(events in prop::collection::vec(event(), 0..20)) {
            let (claim, taken) = run::<KioskClaim>(events);
            if let Some(Report::NotDispensed { .. }) = claim.report() {
                let pushed = taken.contains(&EXIT);
                prop_assert!(!pushed || taken.last() == Some(&CAPTURED));
            }
        }

        #[test]
        fn records_are_read_back(event in event()) {
            round_trip::<KioskClaim>(&event);
        }
    }
}
