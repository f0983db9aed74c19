//! SIM vending: a machine that nobody watches sells numbers, and writes each to a card while the customer waits.
//!
//! | stage | what is decided | by |
//! |---|---|---|
//! | stock | which numbers may be offered | [`read_list`] |
//! | number | one order at a time has it | [`crate::primitive::lease`] |
//! | order | identity, number, money, data, card, hand | [`Order`] |
//! | card | what is on it, step by step | [`crate::usim`], [`crate::script`] |
//! | doubt | what came of a card of which nobody can tell | [`crate::quarantine`] |
//! | the operator hears of it | selected, released, written, activated, given back | [`crate::primitive::outbox`] |
//!
//! [`Desk`] composes them. Each of its changes is one transaction over order, number and messages; what it asks of the outside
//! ([`Outside`]) has an id that is durable before it is asked, so that a program which starts again asks under the same id. The
//! operator's data are asked for with a leave that only the holder of the number's current token gets
//! ([`authorize`](crate::primitive::lease::authorize)): a point that is late gets none.

mod desk;
mod numbers;
mod order;
mod port;

pub use desk::{Desk, DeskError, Next, Terms};
pub use numbers::{FieldFault, ListError, ListedNumber, MAX_FAULTS, MAX_LIST, NumberState, RowFault, read_list};
pub use order::{FailedBecause, MAX_FAILED_CARDS, Order, OrderEffect, OrderError, OrderEvent, OrderState};
pub use port::{CardOutcome, DataAnswer, HandOut, Outside, PaymentStatus, RefundStatus, Report, Unknown};
