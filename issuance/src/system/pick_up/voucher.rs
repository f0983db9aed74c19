//! The right to one card, exactly once across all kiosks.
//!
//! | from | event | guard | to | effect |
//! |---|---|---|---|---|
//! | (none) | Minted(student, record version, school, valid until) | | Minted | |
//! | Minted, Distributed, Presented | Replicated(kiosk): its replica has it | | Distributed, the later ones stay | |
//! | Minted, Distributed, Presented | Presented(kiosk) | before its time is over | Presented | |
//! | Presented | Claimed(kiosk, epoch, token, until) | the kiosk where it was presented; token = last token + 1; before its time is over | Claimed | wake |
//! | Claimed, Unknown | Dispensed(token, card number) | token current | Dispensed | |
//! | Claimed, Unknown | NotDispensed(token, evidence): nothing is to be had at the kiosk, and nothing can come any more | token current | Distributed | |
//! | Claimed | Silent: the kiosk's time is over | time is over | Unknown | open a case |
//! | Unknown | Resolved | the case of this token | Dispensed, or Distributed | |
//! | Dispensed | Taken | | Redeemed | |
//! | Dispensed | Retracted(token, evidence): not taken, the kiosk drew it in | token current | Distributed | |
//! | Minted, Distributed, Presented | Revoked, Lapsed | its time is over (Lapsed) | Void | |
//!
//! A claim is the leave to move a card. From then on neither time nor silence frees the voucher; a kiosk that comes back late and
//! says what happened is still believed, because nobody else was given a token meanwhile. It has its own journal for that
//! ([`crate::system::pick_up::kiosk`]); where that is lost, two persons count the stacker.
//!
//! Minted vouchers can be presented: that no kiosk's replica has one yet (a push that was lost) keeps nobody from the card.

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::machine::Machine;
use crate::primitive::lease::Token;
use crate::quarantine::{Finding, Resolution};

/// What happens to a voucher. Times are milliseconds since 1970-01-01 UTC by the authority's clock.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum VoucherEvent {
    /// The application was approved and paid.
    #[n(1800)]
    Minted {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// For whom and until when.
        #[n(1)]
        terms: Terms,
    },
    /// A kiosk's replica has it.
    #[n(1801)]
    Replicated {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Serial number of the kiosk.
        #[n(1)]
        kiosk: String,
    },
    /// Its code was typed.
    #[n(1802)]
    Presented {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Where.
        #[n(1)]
        kiosk: String,
    },
    /// The kiosk may move a card.
    #[n(1803)]
    Claimed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Who, and until when an answer is expected.
        #[n(1)]
        claim: Claim,
    },
    /// The card is at the exit, or was taken.
    #[n(1804)]
    Dispensed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The claim's.
        #[n(1)]
        token: Token,
        /// The card's number, in hexadecimal.
        #[n(2)]
        card_number: String,
    },
    /// Nothing came out and nothing can: no card was moved, or it was captured.
    #[n(1805)]
    NotDispensed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The claim's.
        #[n(1)]
        token: Token,
        /// Hash of what the kiosk recorded.
        #[cbor(n(2), with = "minicbor::bytes")]
        evidence: [u8; 32],
    },
    /// No word of the kiosk in time.
    #[n(1806)]
    Silent {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// Persons decided what came of the claim.
    #[n(1807)]
    Resolved {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// From the case.
        #[n(1)]
        resolution: Resolution,
    },
    /// The card was taken.
    #[n(1808)]
    Taken {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// The card was not taken and lies in the kiosk's bin.
    #[n(1809)]
    Retracted {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The claim's.
        #[n(1)]
        token: Token,
        /// Hash of what the kiosk recorded.
        #[cbor(n(2), with = "minicbor::bytes")]
        evidence: [u8; 32],
    },
    /// Another code takes its place, or the application was withdrawn.
    #[n(1810)]
    Revoked {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// Its time is over.
    #[n(1811)]
    Lapsed {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
}

/// For whom a voucher is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Terms {
    /// Entity of the student's record ([`crate::system::pick_up::student`]).
    #[n(0)]
    pub student: String,
    /// Version of the record that was approved.
    #[n(1)]
    pub version: u32,
    /// School whose kiosks may give the card.
    #[n(2)]
    pub school: String,
    /// Until when it can be presented and claimed.
    #[n(3)]
    pub until_ms: u64,
}

/// A kiosk's leave to move a card.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Claim {
    /// Serial number of the kiosk.
    #[n(0)]
    pub kiosk: String,
    /// Which run of the kiosk's program.
    #[n(1)]
    pub epoch: u64,
    /// Fencing token: [`Voucher::next_token`].
    #[n(2)]
    pub token: Token,
    /// When the kiosk's silence becomes a doubt.
    #[n(3)]
    pub until_ms: u64,
}

/// What is to be done about a voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoucherEffect {
    /// Look again at this time.
    Wake {
        /// Milliseconds since 1970-01-01 UTC.
        at_ms: u64,
    },
    /// Somebody has to find out what came of the claim.
    OpenCase {
        /// Token of the claim.
        token: Token,
    },
}

/// Where a voucher stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VoucherState {
    /// There is none.
    #[default]
    None,
    /// No kiosk's replica has it yet.
    Minted,
    /// Kiosks have it.
    Distributed,
    /// Its code was typed at this kiosk.
    Presented {
        /// Serial number.
        kiosk: String,
    },
    /// A card may be moving.
    Claimed(Claim),
    /// A card may have been given out, and the kiosk does not say.
    Unknown(Claim),
    /// The card is at the kiosk's exit, or was taken.
    Dispensed(Claim),
    /// The student has the card.
    Redeemed,
    /// Revoked, or its time is over.
    Void,
}

/// The right to one card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Voucher {
    terms: Option<Terms>,
    state: VoucherState,
    token: Token,
    card_number: Option<String>,
}

/// An event of a voucher that cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VoucherError {
    /// It does not fit the state.
    #[error("that cannot follow: the voucher is {state}")]
    Illegal {
        /// The state in words.
        state: &'static str,
    },
    /// Another claim was given since, or this one never.
    #[error("token {given} is not the current one, {current}")]
    Fenced {
        /// The token shown.
        given: u64,
        /// The last one given.
        current: u64,
    },
    /// It was presented at another kiosk last.
    #[error("it was presented at kiosk {presented}, not at {claiming}")]
    OtherKiosk {
        /// Where it was presented last.
        presented: String,
        /// Who claims it.
        claiming: String,
    },
    /// Its time is over.
    #[error("it was valid until {until_ms} ms, and it is {at_ms} ms")]
    Over {
        /// Until when.
        until_ms: u64,
        /// The time given.
        at_ms: u64,
    },
    /// Its time is not over.
    #[error("that is not before {until_ms} ms, and it is {at_ms} ms")]
    Early {
        /// When it will be.
        until_ms: u64,
        /// The time given.
        at_ms: u64,
    },
    /// The case was about another claim.
    #[error("the case was about the claim with token {found}, not {expected}")]
    OtherCase {
        /// Token of the case.
        found: u64,
        /// Token of the claim.
        expected: u64,
    },
}

impl Voucher {
    /// For whom it is; `None` before it is minted.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        self.terms.as_ref()
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &VoucherState {
        &self.state
    }

    /// The last token given.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// The token of the next claim.
    #[must_use]
    pub fn next_token(&self) -> Token {
        Token::new(self.token.number().saturating_add(1))
    }

    /// Number of the card that was given for it.
    #[must_use]
    pub fn card_number(&self) -> Option<&str> {
        self.card_number.as_deref()
    }

    /// The event of time alone that is due.
    #[must_use]
    pub fn due(&self, at_ms: u64) -> Option<VoucherEvent> {
        use VoucherState::{Claimed, Distributed, Minted, Presented};
        match (&self.state, &self.terms) {
            (Claimed(claim), _) if at_ms >= claim.until_ms => Some(VoucherEvent::Silent { at_ms }),
            (Minted | Distributed | Presented { .. }, Some(terms)) if at_ms >= terms.until_ms => {
                Some(VoucherEvent::Lapsed { at_ms })
            }
            _ => None,
        }
    }

    fn in_words(&self) -> &'static str {
        match self.state {
            VoucherState::None => "not minted",
            VoucherState::Minted => "minted",
            VoucherState::Distributed => "distributed",
            VoucherState::Presented { .. } => "presented",
            VoucherState::Claimed(_) => "claimed",
            VoucherState::Unknown(_) => "claimed, with an outcome that is not known",
            VoucherState::Dispensed(_) => "dispensed",
            VoucherState::Redeemed => "redeemed",
            VoucherState::Void => "void",
        }
    }

    fn current(&self, given: Token) -> Result<(), VoucherError> {
        let (given, current) = (given.number(), self.token.number());
        if given == current { Ok(()) } else { Err(VoucherError::Fenced { given, current }) }
    }

    fn valid(&self, at_ms: u64) -> Result<(), VoucherError> {
        let until_ms = self.terms.as_ref().map_or(0, |terms| terms.until_ms);
        if at_ms < until_ms { Ok(()) } else { Err(VoucherError::Over { until_ms, at_ms }) }
    }

    fn claim(&self, presented: &str, claim: &Claim, at_ms: u64) -> Result<VoucherState, VoucherError> {
        if presented != claim.kiosk {
            return Err(VoucherError::OtherKiosk { presented: presented.into(), claiming: claim.kiosk.clone() });
        }
        self.valid(at_ms)?;
        let (given, current) = (claim.token, self.token);
        // The last number of all is given to nobody: it would have no successor.
        if given != self.next_token() || given == current {
            return Err(VoucherError::Fenced { given: given.number(), current: current.number() });
        }
        Ok(VoucherState::Claimed(claim.clone()))
    }

    fn resolve(&self, resolution: &Resolution, claim: &Claim) -> Result<VoucherState, VoucherError> {
        let (found, expected) = (resolution.mark(), claim.token.number());
        if found != expected {
            return Err(VoucherError::OtherCase { found, expected });
        }
        Ok(match resolution.finding() {
            Finding::Done => VoucherState::Dispensed(claim.clone()),
            // A card that was spoilt is not the student's either.
            Finding::NotDone | Finding::Spoilt => VoucherState::Distributed,
        })
    }
}

impl Machine for Voucher {
    const NAME: &'static str = "voucher";
    type Event = VoucherEvent;
    type Effect = VoucherEffect;
    type Error = VoucherError;

    fn apply(mut self, event: &VoucherEvent) -> Result<(Self, Vec<VoucherEffect>), VoucherError> {
        use VoucherState::{Claimed, Dispensed, Distributed, Minted, None, Presented, Redeemed, Unknown, Void};
        let state = match (&self.state, event) {
            (None, VoucherEvent::Minted { terms, .. }) => {
                self.terms = Some(terms.clone());
                Minted
            }
            (Minted, VoucherEvent::Replicated { .. }) => Distributed,
            (Distributed | Presented { .. }, VoucherEvent::Replicated { .. }) => self.state.clone(),
            (Minted | Distributed | Presented { .. }, VoucherEvent::Presented { at_ms, kiosk }) => {
                self.valid(*at_ms)?;
                Presented { kiosk: kiosk.clone() }
            }
            (Presented { kiosk }, VoucherEvent::Claimed { at_ms, claim }) => {
                let state = self.claim(kiosk, claim, *at_ms)?;
                self.token = claim.token;
                state
            }
            (Claimed(claim) | Unknown(claim), VoucherEvent::Dispensed { token, card_number, .. }) => {
                self.current(*token)?;
                self.card_number = Some(card_number.clone());
                Dispensed(claim.clone())
            }
            (Claimed(_) | Unknown(_), VoucherEvent::NotDispensed { token, .. }) => {
                self.current(*token).map(|()| Distributed)?
            }
            (Claimed(claim), VoucherEvent::Silent { at_ms }) if *at_ms < claim.until_ms => {
                return Err(VoucherError::Early { until_ms: claim.until_ms, at_ms: *at_ms });
            }
            (Claimed(claim), VoucherEvent::Silent { .. }) => Unknown(claim.clone()),
            (Unknown(claim), VoucherEvent::Resolved { resolution, .. }) => self.resolve(resolution, claim)?,
            (Dispensed(_), VoucherEvent::Taken { .. }) => Redeemed,
            (Dispensed(_), VoucherEvent::Retracted { token, .. }) => {
                self.current(*token)?;
                self.card_number = Option::None;
                Distributed
            }
            (Minted | Distributed | Presented { .. }, VoucherEvent::Revoked { .. }) => Void,
            (Minted | Distributed | Presented { .. }, VoucherEvent::Lapsed { at_ms }) => {
                if self.valid(*at_ms).is_ok() {
                    let until_ms = self.terms.as_ref().map_or(0, |terms| terms.until_ms);
                    return Err(VoucherError::Early { until_ms, at_ms: *at_ms });
                }
                Void
            }
            _ => return Err(VoucherError::Illegal { state: self.in_words() }),
        };
        self.state = state;
        let effect = match &self.state {
            Claimed(claim) => Some(VoucherEffect::Wake { at_ms: claim.until_ms }),
            Unknown(claim) => Some(VoucherEffect::OpenCase { token: claim.token }),
            _ => Option::None,
        };
        Ok((self, effect.into_iter().collect()))
    }

    fn belongs_to(event: &VoucherEvent) -> Option<String> {
        match event {
            VoucherEvent::Resolved { resolution, .. } => Some(resolution.subject().to_owned()),
            _ => None,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.state, VoucherState::Claimed(_) | VoucherState::Unknown(_) | VoucherState::Dispensed(_))
    }
}

#[cfg(test)]
mod tests;
