//! Self-service top-up: a card holder loads a purse at a reader that nobody watches.
//!
//! | stage | what is decided | by |
//! |---|---|---|
//! | admission | the reader is known, shows what runs on it, and may load this purse with this amount | [`super::admission`] |
//! | card | SELECT; one reader at a time has it, by its application serial number | [`crate::primitive::lease`] |
//! | binding | the account that is to pay is the card's | [`Binding`] |
//! | rules | balance, serial number, limits, black list; MAC1 is verified before | [`Rules`] |
//! | debit, write-back | once each, or neither | [`crate::purse`] |
//! | settlement | every day against the bank's file and the cards' evidence | [`super::settlement`] |
//!
//! Admission, lease and binding are read first, and their last records are conditions of the transactions that begin the load and its debit:
//! a reader that is suspended, or a card that is unbound meanwhile, stops it before any money moves. From the debit on nothing stops a
//! load but its own end. A lease keeps two readers from one card; what keeps the money right is the one load that is open at a time.
//!
//! The answer to a reader is [`Outcome`]: the value was written, it is not written and why, or what it waits for.

mod binding;
mod rules;
mod run;
#[cfg(test)]
mod tests;
mod visit;

pub use binding::{
    Binding, BindingError, BindingEvent, BindingRecordError, BindingState, CODE_MS, Challenge, CodeKey, MAX_TRIES,
    RESEND_MS, try_code, unbind, unlocking,
};
pub use rules::{RuleError, Rules, requested};
pub use run::{NotWritten, Outcome, TopUpError, TopUpOrder, TopUpReport, finish, give_up, lease_entity, top_up};
pub use visit::{EndedWith, PausedBecause, Visit, VisitError, VisitEvent, VisitState};
