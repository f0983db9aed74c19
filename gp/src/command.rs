//! The commands of GPCS 2.3.1 chapter 11 as values: `Class::GP`, unprotected; a secure channel protects them.

use alloc::vec::Vec;

use cardwright_apdu::tlv::{self, Tag};
use cardwright_apdu::{Aid, Class, CommandApdu, Instruction, Ne};
use cardwright_keys::{KeyCheckValue, KeyKind, WrappedKey};

use crate::error::{CardFault, Error};
use crate::{LifeCycle, Privileges};

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

/// INSTALL [for load] (GPCS 2.3.1 11.5.2.3.1).
#[derive(Clone, Debug)]
pub struct InstallForLoad<'a> {
    /// AID of the executable load file.
    pub load_file: Aid,
    /// Security domain that it shall belong to; none leaves it to the one that receives the command.
    pub security_domain: Option<Aid>,
    /// Load File Data Block Hash, or empty.
    pub hash: &'a [u8],
    /// Load parameters in TLV, or empty.
    pub parameters: &'a [u8],
    /// Load Token, or empty.
    pub token: &'a [u8],
}

impl<'a> InstallForLoad<'a> {
    /// Without hash, parameters and token.
    #[must_use]
    pub fn new(load_file: Aid, security_domain: Option<Aid>) -> Self {
        Self { load_file, security_domain, hash: &[], parameters: &[], token: &[] }
    }

    /// With the Load File Data Block Hash, computed over exactly what is sent.
    #[must_use]
    pub fn with_hash(mut self, hash: &'a [u8]) -> Self {
        self.hash = hash;
        self
    }

    /// The command.
    ///
    /// # Errors
    /// [`Error::TooLong`] when a field does not fit its length byte.
    pub fn command(&self) -> Result<CommandApdu, Error> {
        let name = "INSTALL [for load]";
        let mut data = Vec::new();
        push_lv(&mut data, self.load_file.as_bytes(), name, "load file AID")?;
        push_lv(&mut data, domain(self.security_domain.as_ref()), name, "security domain AID")?;
        push_lv(&mut data, self.hash, name, "load file data block hash")?;
        push_long_lv(&mut data, self.parameters);
        push_long_lv(&mut data, self.token);
        install(0x02, data)
    }
}

fn domain(aid: Option<&Aid>) -> &[u8] {
    aid.map(Aid::as_bytes).unwrap_or_default()
}

/// INSTALL [for install] and [for install and make selectable] (GPCS 2.3.1 11.5.2.3.2).
#[derive(Clone, Debug)]
pub struct InstallForInstall<'a> {
    /// AID of the executable load file.
    pub load_file: Aid,
    /// AID of the module in it.
    pub module: Aid,
    /// AID that the application gets.
    pub application: Aid,
    /// Privileges of the application.
    pub privileges: Privileges,
    /// What the application itself gets: the value of C9, which is always sent.
    pub application_parameters: &'a [u8],
    /// Further parameters in TLV (EF, CA, EA), or empty.
    pub system_parameters: &'a [u8],
    /// Install Token, or empty.
    pub token: &'a [u8],
}

impl<'a> InstallForInstall<'a> {
    /// Without privileges, parameters and token.
    #[must_use]
    pub fn new(load_file: Aid, module: Aid, application: Aid) -> Self {
        Self {
            load_file,
            module,
            application,
            privileges: Privileges::NONE,
            application_parameters: &[],
            system_parameters: &[],
            token: &[],
        }
    }

    /// With parameters for the application.
    #[must_use]
    pub fn with_parameters(mut self, parameters: &'a [u8]) -> Self {
        self.application_parameters = parameters;
        self
    }

    /// INSTALL [for install and make selectable].
    ///
    /// # Errors
    /// [`Error::TooLong`] when a field does not fit its length byte.
    pub fn and_make_selectable(&self) -> Result<CommandApdu, Error> {
        self.build(0x0C)
    }

    /// INSTALL [for install].
    ///
    /// # Errors
    /// As [`InstallForInstall::and_make_selectable`].
    pub fn command(&self) -> Result<CommandApdu, Error> {
        self.build(0x04)
    }

    fn build(&self, p1: u8) -> Result<CommandApdu, Error> {
        let name = "INSTALL [for install]";
        let mut parameters = Vec::new();
        tlv::push(&mut parameters, Tag(0xC9), self.application_parameters);
        parameters.extend_from_slice(self.system_parameters);
        let mut data = Vec::new();
        push_lv(&mut data, self.load_file.as_bytes(), name, "load file AID")?;
        push_lv(&mut data, self.module.as_bytes(), name, "module AID")?;
        push_lv(&mut data, self.application.as_bytes(), name, "application AID")?;
        push_lv(&mut data, self.privileges.shortest(), name, "privileges")?;
        push_long_lv(&mut data, &parameters);
        push_long_lv(&mut data, self.token);
        install(p1, data)
    }
}

/// INSTALL [for make selectable] (GPCS 2.3.1 11.5.2.3.3).
///
/// # Errors
/// [`Error::TooLong`] cannot happen with an AID and three bytes of privileges.
pub fn install_for_make_selectable(application: &Aid, privileges: Privileges) -> Result<CommandApdu, Error> {
    let name = "INSTALL [for make selectable]";
    let mut data = alloc::vec![0, 0];
    push_lv(&mut data, application.as_bytes(), name, "application AID")?;
    push_lv(&mut data, privileges.shortest(), name, "privileges")?;
    data.extend_from_slice(&[0, 0]);
    install(0x08, data)
}

/// INSTALL [for personalization] (GPCS 2.3.1 11.5.2.3.6): what STORE DATA brings next goes to this application.
#[must_use]
pub fn install_for_personalization(application: &Aid) -> CommandApdu {
    let aid = application.as_bytes();
    let data = [&[0, 0, aid.len() as u8], aid, &[0, 0, 0]].concat();
    CommandApdu::new(Class::GP, Instruction::INSTALL, 0x20, 0).with_data(data).with_ne(Ne::MAX_SHORT)
}

fn install(p1: u8, data: Vec<u8>) -> Result<CommandApdu, Error> {
    if data.len() > 255 {
        return Err(Error::TooLong { command: "INSTALL", what: "data field", actual: data.len(), limit: 255 });
    }
    Ok(CommandApdu::new(Class::GP, Instruction::INSTALL, p1, 0).with_data(data).with_ne(Ne::MAX_SHORT))
}

/// LOAD of one block (GPCS 2.3.1 11.6).
#[must_use]
pub fn load(number: u8, last: bool, block: &[u8]) -> CommandApdu {
    CommandApdu::new(Class::GP, Instruction::LOAD, if last { 0x80 } else { 0x00 }, number)
        .with_data(block)
        .with_ne(Ne::MAX_SHORT)
}

/// DELETE of an application or load file (GPCS 2.3.1 11.2), on request with what depends on a load file.
#[must_use]
pub fn delete(aid: &Aid, and_related: bool) -> CommandApdu {
    let mut data = Vec::with_capacity(18);
    tlv::push(&mut data, Tag(0x4F), aid.as_bytes());
    CommandApdu::new(Class::GP, Instruction::DELETE, 0, if and_related { 0x80 } else { 0x00 })
        .with_data(data)
        .with_ne(Ne::MAX_SHORT)
}

/// DELETE of keys (GPCS 2.3.1 11.2.2.3.2): of one key, or of all with this identifier or version.
#[must_use]
pub fn delete_key(kid: Option<u8>, kvn: Option<u8>) -> CommandApdu {
    let mut data = Vec::with_capacity(6);
    for (tag, value) in [(0xD0, kid), (0xD2, kvn)] {
        if let Some(value) = value {
            tlv::push(&mut data, Tag(tag), &[value]);
        }
    }
    CommandApdu::new(Class::GP, Instruction::DELETE, 0, 0).with_data(data).with_ne(Ne::MAX_SHORT)
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
    CommandApdu::new(Class::GP, Instruction::SET_STATUS, p1, state.0).with_data(domain(aid))
}

/// One STORE DATA command (GPCS 2.3.1 11.11); P1 as its table 11-89 codes it, without the bit of the last block.
#[must_use]
pub fn store_data(p1: u8, number: u8, last: bool, data: &[u8]) -> CommandApdu {
    let p1 = p1 & 0x7F | u8::from(last) << 7;
    // Bit 1 of P1 announces a response that may hold data (GPCS 2.3.1 table 11-89).
    let ne = if p1 & 0x01 != 0 { Ne::MAX_SHORT } else { Ne::NONE };
    CommandApdu::new(Class::GP, Instruction::STORE_DATA, p1, number).with_data(data).with_ne(ne)
}

/// PUT KEY of consecutive keys (GPCS 2.3.1 11.8, Amd D 7.2).
#[derive(Clone, Debug)]
pub struct PutKey {
    /// Version of the key set to replace, or `None` to add one.
    pub replace: Option<u8>,
    /// Version that the keys get, 01 to 7F.
    pub kvn: u8,
    /// Identifier of the first key; the others follow.
    pub first_kid: u8,
    /// The keys, enciphered.
    pub keys: Vec<WrappedKey>,
    /// Whether they are enciphered under an AES key, which puts the key's length in front of each.
    pub under_aes: bool,
}

impl PutKey {
    /// The command.
    ///
    /// # Errors
    /// [`Error::TooLong`] when the keys do not fit one command, [`Error::KeyVersion`] for a version outside 01 to 7F.
    pub fn command(&self) -> Result<CommandApdu, Error> {
        if let Some(kvn) = [Some(self.kvn), self.replace].into_iter().flatten().find(|kvn| !(1..=0x7F).contains(kvn)) {
            return Err(Error::KeyVersion { kvn });
        }
        let mut data = alloc::vec![self.kvn];
        for key in &self.keys {
            data.push(match key.kind {
                KeyKind::Aes => 0x88,
                _ => 0x80,
            });
            // Lengths stay far below 128: 32 bytes of cipher at the most.
            if self.under_aes {
                data.extend_from_slice(&[(key.cipher.len() + 1) as u8, key.length as u8]);
            } else {
                data.push(key.cipher.len() as u8);
            }
            data.extend_from_slice(&key.cipher);
            data.push(3);
            data.extend_from_slice(&key.kcv.0);
        }
        if data.len() > 255 {
            return Err(Error::TooLong { command: "PUT KEY", what: "data field", actual: data.len(), limit: 255 });
        }
        let p2 = self.first_kid & 0x7F | if self.keys.len() > 1 { 0x80 } else { 0 };
        Ok(CommandApdu::new(Class::GP, Instruction::PUT_KEY, self.replace.unwrap_or(0), p2)
            .with_data(data)
            .with_ne(Ne::MAX_SHORT))
    }

    /// Check values of the keys, in order.
    #[must_use]
    pub fn key_check_values(&self) -> Vec<KeyCheckValue> {
        self.keys.iter().map(|key| key.kcv).collect()
    }

    /// Compares the card's answer, `KVN ‖ KCVs`, with what was sent.
    ///
    /// # Errors
    /// [`Error::Card`] when the answer is another; the keys on the card are then not those that were meant.
    pub fn verify(&self, answer: &[u8]) -> Result<(), Error> {
        let wrong = |fault| Error::card("PUT KEY", fault);
        let expected = 1 + 3 * self.keys.len();
        if answer.len() != expected {
            let what = "key version and check values";
            let (expected, actual) = ("one byte and three a key", answer.len());
            return Err(wrong(CardFault::Length { what, offset: 0, expected, actual }));
        }
        if answer[0] != self.kvn {
            let expected = "the version that was sent";
            return Err(wrong(CardFault::Value { what: "key version", offset: 0, expected, actual: answer[0] }));
        }
        for (i, (key, kcv)) in self.keys.iter().zip(answer[1..].chunks_exact(3)).enumerate() {
            if key.kcv.0[..] != *kcv {
                let actual = KeyCheckValue([kcv[0], kcv[1], kcv[2]]);
                let kid = self.first_kid + i as u8;
                return Err(wrong(CardFault::KeyCheckValue { kid, expected: key.kcv, actual }));
            }
        }
        Ok(())
    }
}

fn push_lv(out: &mut Vec<u8>, value: &[u8], command: &'static str, what: &'static str) -> Result<(), Error> {
    let length =
        u8::try_from(value.len()).map_err(|_| Error::TooLong { command, what, actual: value.len(), limit: 255 })?;
    out.push(length);
    out.extend_from_slice(value);
    Ok(())
}

/// Lengths of parameters and tokens are coded as in BER (GPCS 2.3.1 11.5.2.3.1).
fn push_long_lv(out: &mut Vec<u8>, value: &[u8]) {
    tlv::push_length(out, value.len());
    out.extend_from_slice(value);
}
