//! The lease with a fencing token: numbers, lines, cards, vouchers, readers, each held by one at a time.
//!
//! | from | event | guard | to | effect |
//! |---|---|---|---|---|
//! | Available | Reserved(token, holder, until) | token = last token + 1; until is later than now | Reserved | wake |
//! | Reserved, Writing | Renewed(token, until) | token current; before expiry; until not earlier than before | the same | wake |
//! | Reserved | WriteBegun(token, intent, worst case) | token current; what remains is at least the worst case | Writing | |
//! | Writing | Committed(token, proof) | token current | Committed | |
//! | Writing | NotWritten(token, evidence) | token current | Reserved | wake |
//! | Writing | Burnt(token, evidence) | token current | Burnt | |
//! | Reserved | Released(token) | token current | Available | freed |
//! | Reserved | Expired | time is over | Available | freed |
//! | Reserved | Revoked (an authority's, at any time) | | Available | freed |
//! | Writing | Expired, Revoked, Doubted(token) | as above; token current | Quarantined | open a case |
//! | Quarantined | Resolved: it did not happen | from the case of this token | CoolingOff | wake |
//! | Quarantined | Resolved: it happened | from the case of this token | Committed | |
//! | Quarantined | Resolved: it is spoilt | from the case of this token | Burnt | |
//! | CoolingOff | CooledOff | time is over | Available | freed |
//! | Committed | Activated | | Activated | |
//!
//! What begins a write may have happened: from then on neither time nor the holder's silence frees anything, and an
//! answer that comes late is still taken, because nobody else can have been given the token meanwhile. Tokens only rise.
//!
//! The clock is the server's. It decides when a record may be written, and nothing rests on it: a clock that jumps makes leases end
//! early or late, and nobody ever holds what another holds.

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::machine::{Kept, Machine};
use crate::quarantine::{Finding, Resolution};

/// A fencing token: whoever shows an older one than the last that was given is late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Token(u64);

impl Token {
    /// A token as it came from a holder.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What happens to a lease. Times are milliseconds since 1970-01-01 UTC by the server's clock.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LeaseEvent {
    /// Somebody holds it now.
    #[n(32)]
    Reserved {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The holder's token: [`Lease::next_token`].
        #[n(1)]
        token: Token,
        /// Who: an order, a kiosk, a station.
        #[n(2)]
        holder: String,
        /// Until when.
        #[n(3)]
        until_ms: u64,
        /// Keyed hash of the subscriber's data, where there are some ([`crate::sealed`]).
        #[cbor(n(4), with = "minicbor::bytes")]
        subscriber: Option<[u8; 32]>,
    },
    /// The holder goes on.
    #[n(33)]
    Renewed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The holder's.
        #[n(1)]
        token: Token,
        /// Until when.
        #[n(2)]
        until_ms: u64,
    },
    /// Something that cannot be undone is about to happen.
    #[n(34)]
    WriteBegun {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The holder's.
        #[n(1)]
        token: Token,
        /// Hash of what is going to be written.
        #[cbor(n(2), with = "minicbor::bytes")]
        intent: [u8; 32],
        /// How long it takes at worst, in milliseconds.
        #[n(3)]
        worst_case_ms: u64,
    },
    /// It happened, and is proved.
    #[n(35)]
    Committed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The holder's.
        #[n(1)]
        token: Token,
        /// Hash of the proof: transcript, card identity.
        #[cbor(n(2), with = "minicbor::bytes")]
        proof: [u8; 32],
    },
    /// It is proved that nothing was written; the holder may begin again.
    #[n(36)]
    NotWritten {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The holder's.
        #[n(1)]
        token: Token,
        /// Hash of the evidence.
        #[cbor(n(2), with = "minicbor::bytes")]
        evidence: [u8; 32],
    },
    /// It was written to something that failed: nobody can have it again.
    #[n(37)]
    Burnt {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The holder's.
        #[n(1)]
        token: Token,
        /// Hash of the evidence.
        #[cbor(n(2), with = "minicbor::bytes")]
        evidence: [u8; 32],
    },
    /// The holder gives it back.
    #[n(38)]
    Released {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The holder's.
        #[n(1)]
        token: Token,
    },
    /// Its time is over.
    #[n(39)]
    Expired {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// An authority takes it from its holder: a kiosk was suspended, say.
    #[n(40)]
    Revoked {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// The holder cannot tell what came of the write.
    #[n(41)]
    Doubted {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The holder's.
        #[n(1)]
        token: Token,
    },
    /// The case of a quarantined write was decided.
    #[n(42)]
    Resolved {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// From the case: [`crate::quarantine::Case::resolution`].
        #[n(1)]
        resolution: Resolution,
        /// When it is available again, if it did not happen.
        #[n(2)]
        cool_off_until_ms: u64,
    },
    /// The cool-off is over.
    #[n(43)]
    CooledOff {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// What it stands for is in use.
    #[n(44)]
    Activated {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
}

/// What is to be done about a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEffect {
    /// Look again at this time.
    Wake {
        /// Milliseconds since 1970-01-01 UTC.
        at_ms: u64,
    },
    /// Others may have it.
    Freed,
    /// It has to be found out what came of the write: a case, unless the same change opened one.
    OpenCase {
        /// Token of the write.
        token: Token,
    },
}

/// Where a lease stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LeaseState {
    /// Nobody's.
    #[default]
    Available,
    /// Held.
    Reserved(Held),
    /// Held, and what cannot be undone may have happened.
    Writing(Held),
    /// It may have happened and nobody knows: a case decides.
    Quarantined,
    /// It did not happen; not to be had for a while.
    CoolingOff {
        /// Until when.
        until_ms: u64,
    },
    /// It happened.
    Committed,
    /// It happened and is in use.
    Activated,
    /// Written to something that failed.
    Burnt,
}

/// By whom and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who.
    pub holder: String,
    /// Until when, in milliseconds since 1970-01-01 UTC.
    pub until_ms: u64,
}

/// Something that one holder at a time has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    state: LeaseState,
    token: Token,
}

/// An event of a lease that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// It does not fit the state.
    #[error("that cannot follow: the lease is {state}")]
    Illegal {
        /// The state in a word.
        state: &'static str,
    },
    /// Another has been given the lease since, or the token was never given.
    #[error("token {given} is not the current one, {current}: the holder is late and must stop")]
    Fenced {
        /// The token shown.
        given: u64,
        /// The last one given.
        current: u64,
    },
    /// The new token is not the next one.
    #[error("token {given} where {expected} is next")]
    Token {
        /// The token.
        given: u64,
        /// The next one.
        expected: u64,
    },
    /// The lease is over.
    #[error("the lease ended at {until_ms} ms, and it is {at_ms} ms")]
    Over {
        /// When it ended.
        until_ms: u64,
        /// The time given.
        at_ms: u64,
    },
    /// It is not over yet.
    #[error("that is not before {until_ms} ms, and it is {at_ms} ms")]
    Early {
        /// When it ends.
        until_ms: u64,
        /// The time given.
        at_ms: u64,
    },
    /// Not enough time is left for the worst case: renew first.
    #[error("{remaining_ms} ms remain and the write may take {worst_case_ms} ms: renew the lease first")]
    TooShort {
        /// What remains.
        remaining_ms: u64,
        /// What may be needed.
        worst_case_ms: u64,
    },
    /// The resolution is that of another write.
    #[error("the case was about the write with token {found}, not {expected}")]
    OtherCase {
        /// Token of the case.
        found: u64,
        /// Token of the write in question.
        expected: u64,
    },
}

/// Leave to hand out what belongs to the holder alone: key material, an identity. It cannot be copied.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "it lets material be handed out once"]
pub struct Authorization {
    token: Token,
}

impl Authorization {
    /// The token that was current.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }
}

impl Lease {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &LeaseState {
        &self.state
    }

    /// The last token given.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// The token that the next holder gets.
    #[must_use]
    pub fn next_token(&self) -> Token {
        Token(self.token.0.saturating_add(1))
    }

    /// When something is to be done about it, if time alone decides.
    #[must_use]
    pub fn wakes_at_ms(&self) -> Option<u64> {
        match &self.state {
            LeaseState::Reserved(held) | LeaseState::Writing(held) => Some(held.until_ms),
            LeaseState::CoolingOff { until_ms } => Some(*until_ms),
            _ => None,
        }
    }

    /// The event of time alone that is due at `at_ms`.
    #[must_use]
    pub fn due(&self, at_ms: u64) -> Option<LeaseEvent> {
        self.wakes_at_ms().filter(|wakes_at_ms| at_ms >= *wakes_at_ms)?;
        match self.state {
            LeaseState::CoolingOff { .. } => Some(LeaseEvent::CooledOff { at_ms }),
            _ => Some(LeaseEvent::Expired { at_ms }),
        }
    }

    fn current(&self, given: Token) -> Result<(), LeaseError> {
        let (given, current) = (given.0, self.token.0);
        if given == current { Ok(()) } else { Err(LeaseError::Fenced { given, current }) }
    }

    fn in_time(held: &Held, at_ms: u64) -> Result<u64, LeaseError> {
        let remaining = held.until_ms.checked_sub(at_ms).filter(|remaining| *remaining > 0);
        remaining.ok_or(LeaseError::Over { until_ms: held.until_ms, at_ms })
    }

    fn illegal(&self) -> LeaseError {
        let state = match self.state {
            LeaseState::Available => "available",
            LeaseState::Reserved(_) => "reserved",
            LeaseState::Writing(_) => "being written",
            LeaseState::Quarantined => "in quarantine",
            LeaseState::CoolingOff { .. } => "cooling off",
            LeaseState::Committed => "committed",
            LeaseState::Activated => "activated",
            LeaseState::Burnt => "burnt",
        };
        LeaseError::Illegal { state }
    }

    fn resolve(&self, resolution: &Resolution, cool_off_until_ms: u64) -> Result<LeaseState, LeaseError> {
        let (found, expected) = (resolution.mark(), self.token.0);
        if found != expected {
            return Err(LeaseError::OtherCase { found, expected });
        }
        Ok(match resolution.finding() {
            Finding::NotDone => LeaseState::CoolingOff { until_ms: cool_off_until_ms },
            Finding::Done => LeaseState::Committed,
            Finding::Spoilt => LeaseState::Burnt,
        })
    }
}

/// The data generator's guard: what is personal or secret is released for the write that is under way and to its holder alone.
///
/// It asks the durable state: the write must have begun, so that the lease can no longer pass to another by time; the token must
/// be the last one given; the lease must not be over. To be called where the material is made, not at the terminal.
///
/// # Errors
/// [`LeaseError`]; nothing may be handed out then.
pub fn authorize(lease: &Kept<Lease>, token: Token, now_ms: u64) -> Result<Authorization, LeaseError> {
    let lease = lease.state();
    lease.current(token)?;
    match &lease.state {
        LeaseState::Writing(held) => Lease::in_time(held, now_ms).map(|_| Authorization { token }),
        _ => Err(lease.illegal()),
    }
}

impl Machine for Lease {
    const NAME: &'static str = "lease";
    type Event = LeaseEvent;
    type Effect = LeaseEffect;
    type Error = LeaseError;

    fn apply(mut self, event: &LeaseEvent) -> Result<(Self, Vec<LeaseEffect>), LeaseError> {
        use LeaseState::{Activated, Available, Burnt, Committed, CoolingOff, Quarantined, Reserved, Writing};
        let state = match (&self.state, event) {
            (Available, LeaseEvent::Reserved { at_ms, token, holder, until_ms, .. }) => {
                let expected = self.next_token();
                // The last number of all is given to nobody: it would have no successor.
                if *token != expected || expected == self.token {
                    return Err(LeaseError::Token { given: token.0, expected: expected.0 });
                }
                let held = Held { holder: holder.clone(), until_ms: *until_ms };
                Self::in_time(&held, *at_ms)?;
                self.token = *token;
                Reserved(held)
            }
            (Reserved(held) | Writing(held), LeaseEvent::Renewed { at_ms, token, until_ms }) => {
                self.current(*token)?;
                Self::in_time(held, *at_ms)?;
                let renewed = Held { holder: held.holder.clone(), until_ms: held.until_ms.max(*until_ms) };
                if matches!(self.state, Writing(_)) { Writing(renewed) } else { Reserved(renewed) }
            }
            (Reserved(held), LeaseEvent::WriteBegun { at_ms, token, worst_case_ms, .. }) => {
                self.current(*token)?;
                let (remaining_ms, worst_case_ms) = (Self::in_time(held, *at_ms)?, *worst_case_ms);
                if remaining_ms < worst_case_ms {
                    return Err(LeaseError::TooShort { remaining_ms, worst_case_ms });
                }
                Writing(held.clone())
            }
            (Writing(_), LeaseEvent::Committed { token, .. }) => self.current(*token).map(|()| Committed)?,
            (Writing(held), LeaseEvent::NotWritten { token, .. }) => {
                self.current(*token)?;
                Reserved(held.clone())
            }
            (Writing(_), LeaseEvent::Burnt { token, .. }) => self.current(*token).map(|()| Burnt)?,
            (Writing(_), LeaseEvent::Doubted { token, .. }) => self.current(*token).map(|()| Quarantined)?,
            (Reserved(_), LeaseEvent::Released { token, .. }) => self.current(*token).map(|()| Available)?,
            (Reserved(held) | Writing(held), LeaseEvent::Expired { at_ms }) if *at_ms < held.until_ms => {
                return Err(LeaseError::Early { until_ms: held.until_ms, at_ms: *at_ms });
            }
            (Reserved(_), LeaseEvent::Expired { .. } | LeaseEvent::Revoked { .. }) => Available,
            (Writing(_), LeaseEvent::Expired { .. } | LeaseEvent::Revoked { .. }) => Quarantined,
            (Quarantined, LeaseEvent::Resolved { resolution, cool_off_until_ms, .. }) => {
                self.resolve(resolution, *cool_off_until_ms)?
            }
            (CoolingOff { until_ms }, LeaseEvent::CooledOff { at_ms }) if *at_ms < *until_ms => {
                return Err(LeaseError::Early { until_ms: *until_ms, at_ms: *at_ms });
            }
            (CoolingOff { .. }, LeaseEvent::CooledOff { .. }) => Available,
            (Committed, LeaseEvent::Activated { .. }) => Activated,
            _ => return Err(self.illegal()),
        };
        self.state = state;
        let effect = match &self.state {
            Available => Some(LeaseEffect::Freed),
            Quarantined => Some(LeaseEffect::OpenCase { token: self.token }),
            _ => self.wakes_at_ms().map(|at_ms| LeaseEffect::Wake { at_ms }),
        };
        Ok((self, effect.into_iter().collect()))
    }

    fn belongs_to(event: &LeaseEvent) -> Option<String> {
        match event {
            LeaseEvent::Resolved { resolution, .. } => Some(resolution.subject().to_owned()),
            _ => None,
        }
    }

    fn is_open(&self) -> bool {
        use LeaseState::{CoolingOff, Quarantined, Reserved, Writing};
        matches!(self.state, Reserved(_) | Writing(_) | Quarantined | CoolingOff { .. })
    }
}

#[cfg(test)]
mod tests;
