//! The C ABI of cardwright; `include/cardwright.h` is generated from what is here and is its documentation.
//!
//! ```text
//! export (apdu, keys, session, ..) -> boundary: panics, last error -> handle: table of live handles -> the Rust crates
//! ```
//!
//! An export checks its arguments, copies what it needs, and calls the Rust crates; what it gives back is written at the
//! end, and only on success. C's structs become Rust values in `plain`, C's pointers in `input`, and nowhere else.

#![allow(non_camel_case_types, reason = "types have the names that C sees")]
#![allow(clippy::missing_safety_doc, reason = "the rules for all functions stand once, at the head of the header")]

pub mod account;
pub mod apdu;
mod boundary;
pub mod card;
pub mod card_data;
pub mod content;
mod drive;
pub mod error_text;
pub mod event;
pub mod exchange;
mod failure;
mod guarded;
mod handle;
pub mod input;
pub mod journal;
pub mod key_request;
pub mod key_service;
pub mod keys;
pub mod last_error;
pub mod list;
pub mod load;
pub mod load_file;
#[cfg(test)]
mod misuse_test;
pub mod number;
pub mod open;
pub mod order;
pub mod pkcs11;
#[cfg(test)]
mod pkcs11_test;
mod plain;
pub mod process;
pub mod profile;
pub mod purse;
mod random;
pub mod readers;
pub mod release;
#[cfg(test)]
mod release_test;
pub mod scp11;
#[cfg(test)]
mod scp11_test;
pub mod script;
mod serving;
pub mod session;
pub mod status;
pub mod store;
#[cfg(test)]
mod threads_test;
pub mod transport;
pub mod version;
