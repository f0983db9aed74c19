//! Native card commands in the style of PBOC cards (JR/T 0025; FMCOS 2.0): external authentication and key update.
//!
//! What a kind of card says is a [`profile`], data and no code; [`cpu`] talks to a CPU card over one. SIMs are [`usim`].
//!
//! The commands are values ([`command`]); what is computed under a card's key is asked of the key service (a MAC or a
//! cryptogram goes to the card, a key never leaves), see [`cardwright_keys::pboc`] for the formulas. What takes more than
//! one command is an `async fn` over a card port and a key port.
//!
//! Without the feature `std` (on by default) the crate is `no_std` with `alloc`, and no profiles can be read.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod application;
#[cfg(feature = "std")]
pub mod card_type;
pub mod command;
pub mod cpu;
mod error;
mod key_record;
mod procedure;
pub mod profile;
pub mod purse;
pub mod script;
pub mod template;
pub mod usim;

pub use application::ApplicationInformation;
pub use cardwright_keys::pboc;
pub use error::Error;
pub use key_record::{KeyHeader, KeyUpdate, Protection};
pub use procedure::{
    PreparedKeyUpdate, answer_challenge, authenticate, get_challenge, prepare_key_update, tries_left, update_key,
};
