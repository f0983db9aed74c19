//! Issues smart cards: APDUs, GlobalPlatform, native cards, and issuing processes that are exactly-once.
//!
//! The layers, each a crate of its own; dependencies point left only:
//!
//! ```text
//! apdu, keys <- gp  <- issuance
//!            <- cos <-
//! apdu <- relay
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`apdu`] | ISO 7816-4 codec, status words, BER-TLV, exchange, transports, traces |
//! | [`keys`] | key requests by name, diversification, the software key service |
//! | [`gp`] | secure channels, card content management, card data, CAP files |
//! | [`cos`] | native card commands, PBOC style |
//! | [`issuance`] | durable steps, journals, the machines of issuing |
//! | [`relay`] | frames between a terminal and a server |

pub use cardwright_apdu as apdu;
pub use cardwright_cos as cos;
pub use cardwright_gp as gp;
pub use cardwright_issuance as issuance;
pub use cardwright_keys as keys;
pub use cardwright_relay as relay;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/rust.md")]
struct RustGuide;
