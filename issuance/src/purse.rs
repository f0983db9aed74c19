//! Loading an electronic purse (top-up): an account is debited, a card credited, and neither ever without the other.
//!
//! [`Load`] opens with the transition table. The run, each stage a conversation with one card:
//!
//! | stage | what happens | recorded |
//! |---|---|---|
//! | CardRead | SELECT, INITIALIZE FOR LOAD twice, once with a terminal number drawn at random; MAC1 is verified before anything in an answer is believed | |
//! | Matched | the rules: limits, a serial number left | Opened, Matched, Initialized, in one transaction |
//! | DebitRequested | the account is asked for the debit, under the transaction's id | DebitRequested, before |
//! | Debited | | Debited |
//! | CreditSent | MAC2 is computed; CREDIT FOR LOAD | CreditSent, before |
//! | Loaded | the TAC of the answer verifies | Loaded |
//! | CreditUnknown | any other answer, or none: GET TRANSACTION PROVE, then INITIALIZE FOR LOAD ([`cardwright_cos::purse::resolve_load`]) | Loaded, NotLoaded or Disputed |
//! | NotLoaded | again, with the same debit; after three times the debit is reversed | Retried, ReversalRequested |
//! | Reversed | under the transaction's id and `/reversal` | Reversed |
//!
//! A run that was cut off is finished by [`load`] with the same id or by [`resume`] with whatever card comes; without the card by
//! [`give_up`]. A dispute opens a case ([`crate::quarantine`]): the card settles it when it is shown again, or persons do; the next run goes
//! on with that. One load of a card is open at a time.

mod error;
mod event;
mod gate;
mod history;
mod id;
mod load;
mod order;
mod run;
#[cfg(test)]
pub(crate) mod tests;

pub use error::LoadError;
pub use event::{ClosedBecause, DisputedBecause, LoadedBy, PurseEvent};
pub(crate) use gate::Gate;
pub use gate::Reading;
pub(crate) use history::Claim;
pub use history::PurseHistory;
pub use id::TransactionId;
pub use load::{Load, LoadRecordError, LoadState};
pub use order::{HolderPin, LoadOrder, LoadRules, LoadTerminal};
pub(crate) use run::{Card, Decisions, give_up_load, load_card, resume_card};
pub use run::{LoadReport, Waiting, give_up, load, resume};
