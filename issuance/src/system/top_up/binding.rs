//! Binding of a card to an account, with a code that the account's holder gets on another way.
//!
//! | from | event | guard | to |
//! |---|---|---|---|
//! | Unbound, Expired | Challenged(account, last four, code, until) | | ChallengeSent, no tries yet |
//! | ChallengeSent | Challenged(the same account) | not before the resend time | ChallengeSent, tries counted on |
//! | ChallengeSent | Wrong | in time | ChallengeSent; Locked at the fifth |
//! | ChallengeSent | Right | in time | Verified |
//! | ChallengeSent, Verified | Expired | time is over | Expired |
//! | Verified | Bound(reference, consent) | in time; the bank has confirmed name and number | Bound |
//! | Bound | Unbound | no load of the card is open (checked by [`unbind`]) | Unbound |
//! | Locked | Unlocked | at least two persons approved it | Unbound |
//!
//! The account is a token of the bank's with the last four digits that its holder knows it by, never a card number. Of the code a keyed
//! hash is kept, over the card as well, so that a code is good for one card. Tries are durable before it is said whether one was right.

use cardwright_cos::purse::PurseKind;
use hmac::{Hmac, KeyInit, Mac};
use minicbor::{Decode, Encode};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::account::{AccountId, LabelError};
use crate::journal::{Entity, EntityError};
use crate::machine::{Change, Kept, Machine, MachineError};
use crate::primitive::approval::{Grant, matter};
use crate::purse::{LoadRecordError, PurseHistory};
use crate::quarantine::MIN_PERSONS;
use crate::store::{Store, StoreError};

/// How long a code is good, in milliseconds.
pub const CODE_MS: u64 = 5 * 60_000;
/// How often a code may be tried before the binding is locked.
pub const MAX_TRIES: u8 = 5;
/// When the first code may be sent again, in milliseconds; each next one after twice the time.
pub const RESEND_MS: u64 = 60_000;

/// The key under which hashes of codes are kept, wiped when it is dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct CodeKey([u8; 32]);

impl CodeKey {
    /// Takes 32 secret bytes; the caller wipes its own copy.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// HMAC-SHA256 over CBOR `[card, account, code]`.
    #[must_use]
    pub fn hash(&self, card: &Entity, account: &AccountId, code: &str) -> [u8; 32] {
        // Writing to memory cannot fail, and HMAC takes keys of any length.
        let data = minicbor::to_vec((card.as_str(), account.as_str(), code)).unwrap_or_default();
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return [0; 32] };
        mac.update(&data);
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeKey")
    }
}

/// What happens to a binding. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum BindingEvent {
    /// A code goes to the account's holder.
    #[n(1056)]
    Challenged {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The account, a token.
        #[n(1)]
        account: String,
        /// The last four digits that its holder knows it by.
        #[n(2)]
        last_four: String,
        /// [`CodeKey::hash`] of the code.
        #[cbor(n(3), with = "minicbor::bytes")]
        code: [u8; 32],
    },
    /// Another code was typed.
    #[n(1057)]
    Wrong {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// The code was typed.
    #[n(1058)]
    Right {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// Its time is over.
    #[n(1059)]
    Expired {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// The bank has confirmed the holder.
    #[n(1060)]
    Bound {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The bank's number of its confirmation.
        #[n(1)]
        reference: String,
        /// SHA-256 of the text that the holder agreed to.
        #[cbor(n(2), with = "minicbor::bytes")]
        consent: [u8; 32],
    },
    /// The card is bound no longer.
    #[n(1061)]
    Unbound {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// Persons let it be tried again.
    #[n(1062)]
    Unlocked {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Approval of [`unlocking`].
        #[n(1)]
        grant: Grant,
        /// Name of the card.
        #[n(2)]
        card: String,
    },
}

/// Where a binding stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BindingState {
    /// No account.
    #[default]
    Unbound,
    /// A code is on its way.
    ChallengeSent(Challenge),
    /// The code was typed, and the bank is to confirm the holder.
    Verified(Challenge),
    /// The card's loads are paid from this account.
    Bound {
        /// The account.
        account: AccountId,
        /// Its last four digits.
        last_four: String,
    },
    /// The code came too late.
    Expired,
    /// Too many wrong codes.
    Locked,
}

/// A code that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    account: AccountId,
    last_four: String,
    code: [u8; 32],
    sent: u32,
    tries: u8,
    until_ms: u64,
    again_ms: u64,
}

/// A card and its account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    state: BindingState,
}

/// An event of a binding that cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BindingRecordError {
    /// It does not fit the state.
    #[error("that cannot follow: the card is {state}")]
    Illegal {
        /// The state in words.
        state: &'static str,
    },
    /// Not four digits.
    #[error("the last digits of an account are four digits")]
    LastFour,
    /// Another account than the code was sent for.
    #[error("a code for another account is on its way: let it expire first")]
    OtherAccount,
    /// The next code may be sent later.
    #[error("the next code may be sent at {again_ms} ms, and it is {at_ms} ms")]
    TooSoon {
        /// When it may.
        again_ms: u64,
        /// The time given.
        at_ms: u64,
    },
    /// Too late.
    #[error("the code was good until {until_ms} ms, and it is {at_ms} ms")]
    Over {
        /// When it ended.
        until_ms: u64,
        /// The time given.
        at_ms: u64,
    },
    /// Not over yet.
    #[error("the code is good until {until_ms} ms, and it is {at_ms} ms")]
    Early {
        /// When it ends.
        until_ms: u64,
        /// The time given.
        at_ms: u64,
    },
    /// Not approved by two persons for this card.
    #[error("{persons} persons approved, and two have to approve exactly this")]
    NotApproved {
        /// How many approved it.
        persons: usize,
    },
    /// A text that is no id.
    #[error(transparent)]
    Label(#[from] LabelError),
}

/// What persons approve who unlock the binding of a card.
#[must_use]
pub fn unlocking(card: &str) -> [u8; 32] {
    matter("unlock binding", &card)
}

impl Binding {
    /// The entity of the binding of one purse of a card: `purse` is the entity of the card's purses.
    ///
    /// # Errors
    /// [`EntityError`] when the name is too long.
    pub fn entity(purse: &Entity, kind: PurseKind) -> Result<Entity, EntityError> {
        Entity::new(&format!("binding/{purse}/{}", kind as u8))
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &BindingState {
        &self.state
    }

    /// The account that pays, and nobody else's.
    #[must_use]
    pub fn account(&self) -> Option<&AccountId> {
        match &self.state {
            BindingState::Bound { account, .. } => Some(account),
            _ => None,
        }
    }

    /// Whether the hash of a typed code is that of the code which was sent.
    fn is_code(&self, typed: &[u8; 32]) -> bool {
        matches!(&self.state, BindingState::ChallengeSent(challenge) if bool::from(challenge.code.ct_eq(typed)))
    }

    fn word(&self) -> &'static str {
        match self.state {
            BindingState::Unbound => "unbound",
            BindingState::ChallengeSent(_) => "waiting for its code",
            BindingState::Verified(_) => "waiting for the bank",
            BindingState::Bound { .. } => "bound",
            BindingState::Expired => "unbound, after a code that came too late",
            BindingState::Locked => "locked after too many wrong codes",
        }
    }

    fn challenged(
        &self,
        at_ms: u64,
        (account, last_four): (&str, &str),
        code: [u8; 32],
    ) -> Result<Challenge, BindingRecordError> {
        if last_four.len() != 4 || !last_four.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BindingRecordError::LastFour);
        }
        let account = AccountId::new(account)?;
        let (sent, tries) = match &self.state {
            BindingState::ChallengeSent(before) if before.account != account => {
                return Err(BindingRecordError::OtherAccount);
            }
            BindingState::ChallengeSent(Challenge { again_ms, .. }) if at_ms < *again_ms => {
                return Err(BindingRecordError::TooSoon { again_ms: *again_ms, at_ms });
            }
            BindingState::ChallengeSent(before) => (before.sent.saturating_add(1), before.tries),
            _ => (1, 0),
        };
        let backoff = RESEND_MS.saturating_mul(1 << (sent - 1).min(16));
        let (until_ms, again_ms) = (at_ms.saturating_add(CODE_MS), at_ms.saturating_add(backoff));
        Ok(Challenge { account, last_four: last_four.into(), code, sent, tries, until_ms, again_ms })
    }
}

fn in_time(challenge: &Challenge, at_ms: u64) -> Result<(), BindingRecordError> {
    let until_ms = challenge.until_ms;
    if at_ms < until_ms { Ok(()) } else { Err(BindingRecordError::Over { until_ms, at_ms }) }
}

impl Machine for Binding {
    const NAME: &'static str = "binding";
    type Event = BindingEvent;
    type Effect = std::convert::Infallible;
    type Error = BindingRecordError;

    fn apply(self, event: &BindingEvent) -> Result<(Self, Vec<Self::Effect>), BindingRecordError> {
        use BindingState::{Bound, ChallengeSent, Expired, Locked, Unbound, Verified};
        let state = match (&self.state, event) {
            (Unbound | Expired | ChallengeSent(_), BindingEvent::Challenged { at_ms, account, last_four, code }) => {
                ChallengeSent(self.challenged(*at_ms, (account, last_four), *code)?)
            }
            (ChallengeSent(challenge), BindingEvent::Wrong { at_ms }) => {
                in_time(challenge, *at_ms)?;
                let tries = challenge.tries.saturating_add(1);
                if tries >= MAX_TRIES { Locked } else { ChallengeSent(Challenge { tries, ..challenge.clone() }) }
            }
            (ChallengeSent(challenge), BindingEvent::Right { at_ms }) => {
                in_time(challenge, *at_ms)?;
                Verified(challenge.clone())
            }
            (ChallengeSent(challenge) | Verified(challenge), BindingEvent::Expired { at_ms }) => {
                if in_time(challenge, *at_ms).is_ok() {
                    return Err(BindingRecordError::Early { until_ms: challenge.until_ms, at_ms: *at_ms });
                }
                Expired
            }
            (Verified(challenge), BindingEvent::Bound { at_ms, .. }) => {
                in_time(challenge, *at_ms)?;
                Bound { account: challenge.account.clone(), last_four: challenge.last_four.clone() }
            }
            (Bound { .. }, BindingEvent::Unbound { .. }) => Unbound,
            (Locked, BindingEvent::Unlocked { grant, card, .. }) => {
                let persons = if *grant.what() == unlocking(card) { grant.persons() } else { 0 };
                if persons < MIN_PERSONS {
                    return Err(BindingRecordError::NotApproved { persons });
                }
                Unbound
            }
            _ => return Err(BindingRecordError::Illegal { state: self.word() }),
        };
        Ok((Self { state }, Vec::new()))
    }

    fn belongs_to(event: &BindingEvent) -> Option<String> {
        match event {
            BindingEvent::Unlocked { card, .. } => Some(card.clone()),
            _ => None,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.state, BindingState::ChallengeSent(_) | BindingState::Verified(_))
    }
}

/// A binding could not be changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BindingError {
    /// A load of the card has not ended.
    #[error("a load of the card has not ended: the account is needed for it")]
    OpenLoad,
    /// Its records.
    #[error(transparent)]
    Machine(#[from] MachineError<BindingRecordError>),
    /// The card's loads.
    #[error(transparent)]
    Purse(#[from] MachineError<LoadRecordError>),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether the typed code is the one that was sent. What was tried is durable before this says so; the fifth wrong code locks.
///
/// # Errors
/// [`BindingError`]: no code is open, it is too late, or the store did not take the try. Nothing is known of the code then.
pub fn try_code(
    store: &mut (impl Store + ?Sized),
    binding: &mut Kept<Binding>,
    typed: &[u8; 32],
    now_ms: u64,
) -> Result<bool, BindingError> {
    let is_right = binding.state().is_code(typed);
    let event = if is_right { BindingEvent::Right { at_ms: now_ms } } else { BindingEvent::Wrong { at_ms: now_ms } };
    Change::new().apply(binding, &[event])?.commit(store, now_ms)?;
    Ok(is_right)
}

/// Ends a binding, while no load of the card is open.
///
/// # Errors
/// [`BindingError::OpenLoad`], also when one was begun meanwhile ([`StoreError::Conflict`]); the binding stays.
pub fn unbind(
    store: &mut (impl Store + ?Sized),
    binding: &mut Kept<Binding>,
    loads: &Kept<PurseHistory>,
    now_ms: u64,
) -> Result<(), BindingError> {
    if loads.state().open().is_some() {
        return Err(BindingError::OpenLoad);
    }
    let unbound = BindingEvent::Unbound { at_ms: now_ms };
    Change::new().given(loads)?.apply(binding, &[unbound])?.commit(store, now_ms)?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
