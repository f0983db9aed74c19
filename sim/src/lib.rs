//! Software cards with faults.
//!
//! [`JavaCard`] is a Java Card with an issuer security domain, in process: it speaks SCP01, SCP02 or SCP03, loads and installs
//! load files, replaces keys, keeps a registry, and answers what is wrong with the status words of the standard. It is
//! written from the texts of GlobalPlatform Card Specification 2.3.1 (GPCS) and its Amendment D 1.1.1 (Amd D), and
//! shares no code with the crates that talk to cards: when the two understand each other, both have read the standard.
//!
//! [`CpuCard`] is a native card of PBOC with the commands of FMCOS 2.0: files under access rights, keys, secure messaging and
//! the electronic purse.
//!
//! [`BlankChip`] is a chip with a boot loader alone, which takes an operating system in blocks and is a [`CpuCard`] then.
//!
//! [`Usim`] is a USIM and SIM: the files that an issuer writes, administrative codes, Ki and OPc by vendor, AUTHENTICATE with
//! Milenage.
//!
//! [`SimReader`] is a reader with such a card in it, a [`Transport`](cardwright_apdu::Transport) with planned
//! [`Faults`]: the card is pulled out before or after a command, an answer is altered, another card lies in the reader.
//! [`CardFile`] keeps a card's non-volatile memory in a file, so that it outlives the process, however that ends.
//!
//! ```
//! use cardwright_apdu::{CommandApdu, Delivery, Ne, StatusWord, Transport};
//! use cardwright_sim::{Fault, Faults, JavaCard, SecureChannelProtocol, SimReader};
//!
//! let card = JavaCard::builder()
//!     .protocol(SecureChannelProtocol::Scp02 { i: 0x15 })
//!     .seed(42)
//!     .build();
//! let mut reader = SimReader::new(card).with_faults(Faults::none().at(2, Fault::CutAfter));
//!
//! let select = CommandApdu::new(0x00, 0xA4, 0x04, 0x00).with_ne(Ne::MAX_SHORT);
//! assert_eq!(reader.exchange(&select)?.sw(), StatusWord::OK);
//! assert_eq!(reader.exchange(&select).unwrap_err().delivery, Delivery::Unknown);
//!
//! reader.reinsert();
//! assert_eq!(reader.exchange(&select)?.sw(), StatusWord::OK);
//! assert_eq!((reader.commands(), reader.card().executed()), (3, 3));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where things are
//!
//! ```text
//! SimReader (faults) -> CardFile (persistence) -> JavaCard: OPEN (selection, T=0)
//!                                                   |-> security domains: channel -> SCP01 | SCP02 | SCP03
//!                                                   |     INSTALL, LOAD, DELETE, PUT KEY, GET STATUS, SET STATUS, ..
//!                                                   `-> applications: PbocApplication, inert ones
//!                                       -> CpuCard: files and access rights, keys, line protection, purse
//!                                       -> BlankChip: boot loader -> CpuCard
//!                                       -> Usim: files, codes, Milenage
//! ```
//!
//! # Limits
//!
//! No bytecode is run: an instance of a module that [`BUILT_INS`] names has a built-in application, any other answers
//! SELECT alone. Channels share all but selection and sessions. Supplementary security domains, where the card is made with them, speak the same protocol
//! as the issuer's, with keys of their own or, before they have some, of the one above; they are PERSONALIZED once they have them.
//! Tokens are verified, and receipts made, by the issuer's alone; its receipts are made with DES, AES and ECC keys, RSA keys verify only.
//! Key versions 70 (tokens), 71 (receipts), 73 (DAP) and 75 (enciphered load files), identifier 01, are this card's choice, as
//! are most status words of what is refused. INSTALL [for load, install and make selectable], restrictions, implicit selection and services have no effect or are not supported. An R-MAC session ends with the secure channel session that it was begun in. Keys can be read by tests
//! ([`JavaCard::key_sets`]) and lie in the
//! card's file in the clear: put none but test keys into it.
//!
//! A CPU card has the commands of the FMCOS 2.0 manuals but UNBLOCK (80 2C) and those of the construction ministry (PULL,
//! CHARGE), whose bytes the manuals do not give. SELECT of an elementary file answers 9000 without data. What the manuals do not
//! say is settled here and not checked against a real card: what the MAC of a response covers, the status where a
//! challenge is missing (6985), which transactions leave a MAC for GET TRANSACTION PROVE.
//!
//! A USIM has one logical channel, the files that are written when it is issued and no others, access conditions as
//! compact security attributes (and no EF.ARR), no secure messaging and no toolkit; SEARCH RECORD, INCREASE and
//! DEACTIVATE are not supported, nor COMP128 and TUAK. How tries are counted and files torn is not checked against a real one.

mod application;
mod blank;
mod builder;
mod cap;
mod card;
mod chain;
mod channel;
mod config;
mod cplc;
mod cpu;
mod crypto;
mod data;
mod domain;
mod faults;
mod inspect;
mod install;
mod isd;
mod key_groups;
mod keys;
mod memory;
mod pboc;
mod power;
mod put_key;
mod reader;
mod recorder;
mod registry;
mod scp01;
mod scp02;
mod scp03;
mod scp11;
mod signature;
mod software_card;
mod status;
mod store;
mod usim;
mod wire;

pub use application::{BUILT_INS, BuiltIn};
pub use blank::BlankChip;
pub use builder::{CardLifeCycle, JavaCardBuilder, StaticKeys};
pub use card::{JavaCard, LogEntry};
pub use config::{AesKeyLength, SecureChannelProtocol};
pub use cpu::{AccessRule, CpuCard, CpuCardBuilder, CpuKey, OverdraftTac, ProveNumber};
pub use faults::{Fault, Faults};
pub use keys::{Key, KeySet, KeyType};
pub use pboc::{PbocApplication, PbocKey};
pub use reader::{Chip, SimReader};
pub use registry::{EntryKind, RegistryEntry};
pub use scp11::Scp11Keys;
pub use software_card::SoftwareCard;
pub use store::{CardFile, CardFileError};
pub use usim::{Usim, UsimBuilder, UsimStyle};

#[cfg(test)]
mod tests;
