//! One load, as a pure reducer.
//!
//! | from | event | to |
//! |---|---|---|
//! | | Opened | CardRead |
//! | CardRead | Matched | Matched |
//! | Matched, Initialized | Initialized | Initialized |
//! | CardRead, Matched, Initialized, DebitRequested, DebitUnknown | Closed | Closed |
//! | Initialized | DebitRequested (durable before the debit) | DebitRequested |
//! | DebitRequested | DebitUnknown | DebitUnknown |
//! | DebitRequested, DebitUnknown | Debited | Debited |
//! | Debited | CreditSent (durable before CREDIT), same SN and balance as Initialized | CreditSent |
//! | CreditSent | CreditUnknown | CreditUnknown |
//! | CreditSent, CreditUnknown, Disputed | Loaded | Loaded |
//! | CreditSent, CreditUnknown, Disputed | NotLoaded | NotLoaded |
//! | CreditSent, CreditUnknown | Disputed | Disputed |
//! | NotLoaded | Retried | Debited |
//! | DebitRequested, DebitUnknown, Debited, NotLoaded | ReversalRequested (durable before the reversal) | ReversalPending |
//! | ReversalPending | Reversed | Reversed |
//! | ReversalPending | Disputed (the keeper refuses) | Disputed |
//! | Disputed | Resolved, by the case of this dispute: it happened, or it did not | Loaded or NotLoaded |
//! | Disputed (the keeper refuses) | Resolved: the money was given back in another way | Reversed |
//!
//! So nothing is reversed once a MAC2 was given out, unless the card proves that it is worth nothing; nothing is credited that was
//! not debited; and what is disputed stays so until the card says otherwise, or persons who settle its case ([`crate::quarantine`]).
//!
//! A debit that is reversed before its outcome is known was never followed by a MAC2: the reversal is its cancellation.

use cardwright_cos::purse::{
    Amount, AmountError, Balance, OpenLoad, OpenLoadError, PurseKind, TerminalNumber, TimeError, Transaction,
    TransactionTime,
};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::event::{ClosedBecause, DisputedBecause, LoadedBy, PurseEvent};
use super::id::TransactionId;
use crate::account::{AccountId, BookingId, LabelError};
use crate::journal::{Entity, EntityError};
use crate::quarantine::{Doubt, Finding, Resolution};

/// Where a load stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadState {
    /// Ordered, and the card read.
    CardRead,
    /// The rules allow it.
    Matched,
    /// The card is initialized for it.
    Initialized,
    /// The debit was asked for.
    DebitRequested,
    /// The debit was not answered.
    DebitUnknown,
    /// The account is debited; no MAC2 that is worth anything was given out.
    Debited,
    /// MAC2 was given out.
    CreditSent,
    /// It was given out, and what came of it is known to be unknown.
    CreditUnknown,
    /// The card has proved that it does not have the money.
    NotLoaded,
    /// The account is to get its money back.
    ReversalPending,
    /// Ended: no debit, no load.
    Closed(ClosedBecause),
    /// Ended: debited and loaded.
    Loaded(LoadedBy),
    /// Ended: debited, not loaded, reversed.
    Reversed,
    /// Debited; whether it is loaded cannot be told.
    Disputed(DisputedBecause),
}

/// A load as its records tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Which load of the card it is, from 1.
    pub number: u64,
    /// Its id.
    pub id: TransactionId,
    /// Which purse.
    pub purse: PurseKind,
    /// How much.
    pub amount: Amount,
    /// Who pays.
    pub account: AccountId,
    /// Where it stands.
    pub state: LoadState,
    /// What the card said when it was last initialized.
    pub initialized: Option<(u16, Balance)>,
    /// What was recorded before the last CREDIT FOR LOAD.
    pub credit: Option<OpenLoad>,
    /// How often CREDIT FOR LOAD was sent.
    pub credits: u32,
}

/// A record that cannot follow from those before it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoadRecordError {
    /// The event does not follow.
    #[error("the event does not follow from the state of the load")]
    Illegal,
    /// A load was opened while another one is.
    #[error("another load of this purse is open")]
    AnotherOpen,
    /// An id that was used before.
    #[error("the transaction id was used before")]
    Repeated,
    /// CREDIT FOR LOAD for another state of the purse than the one that was initialized.
    #[error("the credit is not for what the card was initialized with")]
    OtherState,
    /// A settlement of another doubt.
    #[error("the case that was settled is about another doubt")]
    OtherDoubt,
    /// A finding that says nothing of this dispute: a purse is loaded or not, and a reversal that was refused has to be made in another way.
    #[error("the case was settled with {0:?}, which does not end this dispute")]
    Finding(Finding),
    /// A purse that there is not.
    #[error("there is no purse {0:02X}")]
    Purse(u8),
    /// A text that is no id.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// An amount that cannot be.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// A date that cannot be.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// A name that is no entity.
    #[error(transparent)]
    Entity(#[from] EntityError),
    /// A load that could not have been begun.
    #[error(transparent)]
    Load(#[from] OpenLoadError),
}

impl Load {
    /// The load that an `Opened` record begins; `number` says which load of the card it is.
    ///
    /// # Errors
    /// [`LoadRecordError`].
    pub fn open(number: u64, event: &PurseEvent) -> Result<Self, LoadRecordError> {
        let PurseEvent::Opened { id, purse, amount, account } = event else { return Err(LoadRecordError::Illegal) };
        Ok(Self {
            number,
            id: TransactionId::new(id)?,
            purse: match purse {
                1 => PurseKind::Deposit,
                2 => PurseKind::Wallet,
                other => return Err(LoadRecordError::Purse(*other)),
            },
            amount: Amount::new((*amount).into())?,
            account: AccountId::new(account)?,
            state: LoadState::CardRead,
            initialized: None,
            credit: None,
            credits: 0,
        })
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self.state, LoadState::Closed(_) | LoadState::Loaded(_) | LoadState::Reversed)
    }

    /// Idempotency key of the debit: the transaction's id. Serial number and amount would not do: the serial number moves only
    /// when a load succeeds.
    #[must_use]
    pub fn debit_id(&self) -> BookingId {
        self.id.debit()
    }

    /// What its case is about when it is in dispute: `purse` is the entity of its purse.
    #[must_use]
    pub fn doubt(&self, purse: &Entity, why: DisputedBecause) -> Doubt {
        let last_proved = if why == DisputedBecause::ReversalRefused { "not loaded" } else { "debited" };
        Doubt {
            subject: purse.as_str().into(),
            mark: self.mark(why),
            reason: why.reason(),
            card: Some(card_hash(purse)),
            last_proved: Some(last_proved.into()),
            location: None,
            evidence: Vec::new(),
        }
    }

    /// Tells the doubts of one card apart: by load and credit, and its reversal.
    fn mark(&self, why: DisputedBecause) -> u64 {
        self.number << 33 | u64::from(self.credits) << 1 | u64::from(why == DisputedBecause::ReversalRefused)
    }

    fn resolved(&self, why: DisputedBecause, resolution: &Resolution) -> Result<LoadState, LoadRecordError> {
        if resolution.mark() != self.mark(why) {
            return Err(LoadRecordError::OtherDoubt);
        }
        match (why, resolution.finding()) {
            (DisputedBecause::ReversalRefused, Finding::Done) => Ok(LoadState::Reversed),
            (DisputedBecause::ReversalRefused, finding) | (_, finding @ Finding::Spoilt) => {
                Err(LoadRecordError::Finding(finding))
            }
            (_, Finding::Done) => Ok(LoadState::Loaded(LoadedBy::Persons)),
            (_, Finding::NotDone) => Ok(LoadState::NotLoaded),
        }
    }

    /// The load after an event.
    ///
    /// # Errors
    /// [`LoadRecordError`]; the load stays as it was.
    pub fn apply(&self, event: &PurseEvent) -> Result<Self, LoadRecordError> {
        use LoadState::{
            CardRead, Closed, CreditSent, CreditUnknown, DebitRequested, DebitUnknown, Debited, Disputed, Initialized,
            Loaded, Matched, NotLoaded, ReversalPending, Reversed,
        };
        let mut next = self.clone();
        next.state = match (self.state, event) {
            (CardRead, PurseEvent::Matched { .. }) => Matched,
            (CardRead | Matched | Initialized | DebitRequested | DebitUnknown, PurseEvent::Closed { why }) => {
                Closed(*why)
            }
            (Matched | Initialized, PurseEvent::Initialized { serial, balance, .. }) => {
                next.initialized = Some((*serial, Balance(*balance)));
                Initialized
            }
            (Initialized, PurseEvent::DebitRequested) => DebitRequested,
            (DebitRequested, PurseEvent::DebitUnknown) => DebitUnknown,
            (DebitRequested | DebitUnknown, PurseEvent::Debited { .. }) => Debited,
            (Debited, PurseEvent::CreditSent { serial, balance, terminal, time, .. }) => {
                if self.initialized != Some((*serial, Balance(*balance))) {
                    return Err(LoadRecordError::OtherState);
                }
                let transaction = Transaction {
                    transaction_type: self.purse.load_type(),
                    amount: self.amount,
                    terminal: TerminalNumber(*terminal),
                };
                let time = TransactionTime::from_bytes(*time)?;
                next.credit = Some(OpenLoad::new(transaction, time, *serial, Balance(*balance))?);
                next.credits = self.credits.saturating_add(1);
                CreditSent
            }
            (CreditSent, PurseEvent::CreditUnknown { .. }) => CreditUnknown,
            (CreditSent | CreditUnknown, PurseEvent::Loaded { by, .. }) => Loaded(*by),
            (CreditSent | CreditUnknown, PurseEvent::NotLoaded) => NotLoaded,
            (CreditSent | CreditUnknown, PurseEvent::Disputed { why }) => Disputed(*why),
            (Disputed(why), PurseEvent::Loaded { by, .. }) if why != DisputedBecause::ReversalRefused => Loaded(*by),
            (Disputed(why), PurseEvent::NotLoaded) if why != DisputedBecause::ReversalRefused => NotLoaded,
            (Disputed(why), PurseEvent::Resolved { resolution }) => self.resolved(why, resolution)?,
            (NotLoaded, PurseEvent::Retried) => Debited,
            (DebitRequested | DebitUnknown | Debited | NotLoaded, PurseEvent::ReversalRequested) => ReversalPending,
            (ReversalPending, PurseEvent::Reversed { .. }) => Reversed,
            (ReversalPending, PurseEvent::Disputed { why: why @ DisputedBecause::ReversalRefused }) => Disputed(*why),
            _ => return Err(LoadRecordError::Illegal),
        };
        Ok(next)
    }
}

/// What a case knows the card by.
pub(super) fn card_hash(purse: &Entity) -> [u8; 32] {
    Sha256::digest(purse.as_str()).into()
}
