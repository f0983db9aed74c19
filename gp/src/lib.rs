//! GlobalPlatform from the host's side: secure channels, card content management, card data.
//!
//! Commands are values ([`command`]), answers are parsed by total functions ([`card_data`], [`registry`]), a secure channel
//! is a chain of typed states ([`channel`]). What takes more than one command is an `async fn` over a card port and a key
//! port ([`procedure`]): it neither knows a reader nor a key. Editions: GPCS 2.3.1, Amendment D 1.1.1; SCP11 is
//! taken from recorded sessions.
//!
//! Without the feature `std` (on by default) the crate is `no_std` with `alloc`; the feature adds reading of CAP archives.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod card_data;
pub mod channel;
pub mod command;
pub mod confirmation;
pub mod cps;
mod error;
pub mod load_file;
pub mod plan;
mod privileges;
pub mod procedure;
pub mod profile;
mod refusal;
pub mod registry;
mod store_data;

pub use channel::{ChallengePolicy, SecureChannel, SecurityLevel};
pub use confirmation::{Confirmation, ReceiptSubject};
pub use error::{CardFault, ChannelError, Error, explain};
pub use load_file::{DescriptorPolicy, LoadFile, LoadFileError};
pub use privileges::Privileges;
pub use profile::CardProfile;
pub use refusal::OpenRefusal;
pub use registry::{LifeCycle, Registry, RegistryEntry};
pub use store_data::{DataEncryption, DataStructure, KeyGroups, KeyTemplates, RsaCrt, StoreData};
