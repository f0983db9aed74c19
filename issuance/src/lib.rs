//! Issuing that is exactly-once: durable steps, journals, and the machines of issuing processes.
//!
//! Whatever a card cannot undo is a *step*: its intent is on stable storage before the first byte goes out, its outcome
//! after; an outcome that is not known is a state of its own, and the card is asked before anything is repeated
//! ([`step`]). Records are kept in a [`journal`] by a [`store`].
//!
//! What is remembered of a thing is a [`machine`]: a pure reducer over its records. The small ones that every process needs are
//! [`primitive`]; what nobody can tell waits in [`quarantine`]; personal data are [`sealed`] apart.
//!
//! A process is an `async fn` that asks for everything it needs ([`Ask`]): a command carried to the card, a key request
//! answered, records committed, random bytes. [`Driver`] answers from a blocking transport, key service and store; a relay
//! or a C program answers step by step. [`remote`] issues applications on Java cards (remote issuing); [`usim`] writes numbers to
//! SIMs, [`cps`] personalizes payment applications, [`script`] runs an issue script on a native card; [`lockout`] opens a secure
//! channel for whatever else is to be done, and counts failures for the same card. [`system`] composes machines to whole systems.

pub mod account;
pub mod audit;
pub mod cps;
pub mod event;
pub mod job;
pub mod journal;
mod ledger;
pub mod lockout;
pub mod machine;
mod port;
pub mod primitive;
pub mod purse;
pub mod quarantine;
pub mod remote;
pub mod script;
pub mod sealed;
pub mod step;
pub mod store;
pub mod system;
pub mod usim;

mod driver;
mod identity;

pub use driver::{Driver, DriverError};
pub use identity::CardIdentity;
pub use ledger::{Ledger, MAX_KEY_FAILURES, MAX_UNANSWERED};
pub use port::{Answer, Ask, Conversation, IssuancePort, Notice};
