//! ISO/IEC 7816-4 commands and responses, and conversations with cards.
//!
//! The lowest layer of cardwright: it turns bytes into [`CommandApdu`] and [`ResponseApdu`] and back,
//! names status words, reads BER-TLV within bounds, and carries a command through GET RESPONSE and
//! command chaining ([`Exchange`]). Nothing here does input or output except the [`transport`]s.
//!
//! A conversation that takes more than one command is an `async fn` over a [`CardPort`]; a [`Procedure`]
//! turns it into a value that hands out one command at a time, whoever carries it to the card.
//!
//! ```
//! use cardwright_apdu::{CommandApdu, Ne, ResponseApdu, StatusWord};
//!
//! let select = CommandApdu::new(0x00, 0xA4, 0x04, 0x00)
//!     .with_data([0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00])
//!     .with_ne(Ne::MAX_SHORT);
//! assert_eq!(select.to_bytes()?.len(), 14);
//!
//! let response = ResponseApdu::parse(&[0x6A, 0x82])?;
//! assert_eq!(response.sw(), StatusWord::FILE_NOT_FOUND);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Without the feature `std` (on by default) the crate is `no_std` with `alloc`; the feature adds trace files and virtual
//! readers. The feature `pcsc` adds the readers of the machine.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod aid;
mod byte_count;
mod command;
mod exchange;
mod instruction;
mod on_channel;
mod procedure;
mod response;
mod status;
pub mod tlv;
pub mod trace;
pub mod transport;

pub use aid::{Aid, AidError};
pub use byte_count::ByteCount;
pub use command::{CommandApdu, CommandApduRef, CommandError, LengthForm, Ne};
pub use exchange::{Exchange, ExchangeAction, ExchangeError, ExchangeLimits};
pub use instruction::{Class, Instruction};
pub use on_channel::OnChannel;
#[cfg(feature = "std")]
pub use procedure::block_on;
pub use procedure::{CardPort, Port, Procedure, ProcedureError, Progress};
pub use response::{ResponseApdu, ResponseApduRef, ResponseError};
pub use status::StatusWord;
pub use transport::{Delivery, Transport, TransportError, TransportErrorKind};
