//! The commands of GPCS 2.3.1 chapter 11 as values: `Class::GP`, unprotected; a secure channel protects them.

mod channel;
mod delete;
mod install;
mod parameters;
mod put_key;
mod toolkit;

use alloc::vec::Vec;

use cardwright_apdu::tlv::{self, Tag};
use cardwright_apdu::{Aid, Class, CommandApdu, Instruction, Ne};

pub use channel::{close_channel, open_channel, opened_channel};
pub use delete::{Delete, delete, delete_key};
pub use install::{
    InstallCombined, InstallForExtradition, InstallForInstall, InstallForLoad, InstallForMakeSelectable,
    InstallForRegistryUpdate, install_for_make_selectable, install_for_personalization,
};
pub use parameters::{ImplicitSelection, Restriction, SecurityDomainParameters, SignatureReference, SystemParameters};
pub(crate) use put_key::check_point;
pub use put_key::{KeyComponent, KeyDataField, KeyUse, PutKey, PutKeyFields};
pub use toolkit::{AccessDomain, AccessRule, ToolkitParameters, UiccParameters};

use crate::LifeCycle;

/// The most data of DELETE, INSTALL and PUT KEY, in bytes: above 255 a secure channel makes a chain of commands of it (GPCS 2.3.1
/// 11.1.5.1), as long as the card takes.
const MAX_CHAIN: usize = 0xF000;

/// SELECT by name (GPCS 2.3.1 11.9). No AID selects the issuer security domain of most cards.
#[must_use]
pub fn select(aid: Option<&Aid>) -> CommandApdu {
    let name = aid.map(Aid::as_bytes).unwrap_or_default();
    CommandApdu::new(Class::ISO, Instruction::SELECT, 0x04, 0x00).with_data(name).with_ne(Ne::MAX_SHORT)
}

/// GET DATA of one data object (GPCS 2.3.1 11.3).
#[must_use]
pub fn get_data(tag: Tag) -> CommandApdu {
    let [.., p1, p2] = tag.0.to_be_bytes();
    CommandApdu::new(Class::GP, Instruction::GET_DATA, p1, p2).with_ne(Ne::MAX_SHORT)
}

/// Which part of the registry GET STATUS reads: P1 (GPCS 2.3.1 table 11-33).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The issuer security domain.
    IssuerSecurityDomain = 0x80,
    /// Applications and supplementary security domains.
    Applications = 0x40,
    /// Executable load files.
    LoadFiles = 0x20,
    /// Executable load files with their modules.
    LoadFilesAndModules = 0x10,
}

/// GET STATUS, answer in TLV (GPCS 2.3.1 11.4). No AID asks for all; `next` asks for the page after `6310`.
#[must_use]
pub fn get_status(scope: Scope, aid: Option<&Aid>, next: bool) -> CommandApdu {
    let mut data = Vec::with_capacity(18);
    tlv::push(&mut data, Tag(0x4F), aid.map(Aid::as_bytes).unwrap_or_default());
    CommandApdu::new(Class::GP, Instruction::GET_STATUS, scope as u8, if next { 0x03 } else { 0x02 })
        .with_data(data)
        .with_ne(Ne::MAX_SHORT)
}

/// GET STATUS, answer in the format of GPCS 2.1.1 9.4.3 without tags (P2 bit 2 is 0): the only one that some cards know.
/// [`Registry::extend_legacy`](crate::Registry::extend_legacy) reads it.
#[must_use]
pub fn get_status_legacy(scope: Scope, aid: Option<&Aid>, next: bool) -> CommandApdu {
    let mut data = Vec::with_capacity(18);
    tlv::push(&mut data, Tag(0x4F), aid.map(Aid::as_bytes).unwrap_or_default());
    CommandApdu::new(Class::GP, Instruction::GET_STATUS, scope as u8, u8::from(next))
        .with_data(data)
        .with_ne(Ne::MAX_SHORT)
}

/// LOAD of one block (GPCS 2.3.1 11.6).
#[must_use]
pub fn load(number: u8, last: bool, block: &[u8]) -> CommandApdu {
    CommandApdu::new(Class::GP, Instruction::LOAD, if last { 0x80 } else { 0x00 }, number)
        .with_data(block)
        .with_ne(Ne::MAX_SHORT)
}

/// Whose life cycle state SET STATUS changes: P1 (GPCS 2.3.1 table 11-86).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusTarget {
    /// The card, whose state is that of the issuer security domain.
    Card,
    /// An application or supplementary security domain.
    Application(Aid),
    /// A security domain and all applications that belong to it; only to be locked and unlocked.
    DomainAndApplications(Aid),
}

/// SET STATUS (GPCS 2.3.1 11.10). Of the state of another application or security domain only bit 8 counts: locked or not.
#[must_use]
pub fn set_status(target: StatusTarget, state: LifeCycle) -> CommandApdu {
    let (p1, aid) = match &target {
        StatusTarget::Card => (0x80, None),
        StatusTarget::Application(aid) => (0x40, Some(aid)),
        StatusTarget::DomainAndApplications(aid) => (0x60, Some(aid)),
    };
    CommandApdu::new(Class::GP, Instruction::SET_STATUS, p1, state.0)
        .with_data(aid.map(Aid::as_bytes).unwrap_or_default())
}

/// One STORE DATA command (GPCS 2.3.1 11.11); P1 as its table 11-89 codes it, without the bit of the last block.
#[must_use]
pub fn store_data(p1: u8, number: u8, last: bool, data: &[u8]) -> CommandApdu {
    let p1 = p1 & 0x7F | u8::from(last) << 7;
    // Bit 1 of P1 announces a response that may hold data (GPCS 2.3.1 table 11-89).
    let ne = if p1 & 0x01 != 0 { Ne::MAX_SHORT } else { Ne::NONE };
    CommandApdu::new(Class::GP, Instruction::STORE_DATA, p1, number).with_data(data).with_ne(ne)
}
