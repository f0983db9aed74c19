//! INSTALL for each of its purposes (GPCS 2.3.1 11.5), and what its token is computed over (C.4).

use alloc::vec::Vec;

use cardwright_apdu::tlv::{self, DataObject, Reader, Tag};
use cardwright_apdu::{Aid, Class, CommandApdu, Instruction, Ne};

use crate::Privileges;
use crate::error::Error;
use crate::profile::PrivilegeWidth;

use super::MAX_CHAIN;

/// INSTALL [for load] (GPCS 2.3.1 11.5.2.3.1).
#[derive(Clone, Debug)]
pub struct InstallForLoad<'a> {
    /// AID of the executable load file.
    pub load_file: Aid,
    /// Security domain that it shall belong to; none leaves it to the one that receives the command.
    pub security_domain: Option<Aid>,
    /// Load File Data Block Hash, or empty.
    pub hash: &'a [u8],
    /// Load parameters in TLV (EF, B6), or empty.
    pub parameters: &'a [u8],
    /// Load Token, or empty.
    pub token: &'a [u8],
}

impl<'a> InstallForLoad<'a> {
    const NAME: &'static str = "INSTALL [for load]";

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
    /// [`Error::TooLong`] when a field does not fit its length byte, or all do not fit one command;
    /// [`Error::HashMissing`] for a token without the hash that it vouches for.
    pub fn command(&self) -> Result<CommandApdu, Error> {
        if self.hash.is_empty() && !self.token.is_empty() {
            return Err(Error::HashMissing);
        }
        self.body(0x02, 0x00)?.command(self.token)
    }

    /// What a Load Token is computed over: P1, P2, length and data up to the token (GPCS 2.3.1 C.4.1).
    ///
    /// # Errors
    /// As [`InstallForLoad::command`].
    pub fn token_input(&self) -> Result<Vec<u8>, Error> {
        if self.hash.is_empty() {
            return Err(Error::HashMissing);
        }
        self.body(0x02, 0x00)?.token_input()
    }

    fn body(&self, p1: u8, p2: u8) -> Result<Body, Error> {
        let mut body = Body::new(Self::NAME, p1, p2);
        body.push_aid(Some(&self.load_file));
        body.push_aid(self.security_domain.as_ref());
        // GPCS 2.3.1 table 11-42 ends at 7F; the longest hash has 64 bytes.
        body.push(self.hash, "load file data block hash", 127)?;
        body.push_long(self.parameters);
        Ok(body)
    }
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
    /// Privileges of the application. Of one byte, where that goes out, the card makes those of three: a security domain then has
    /// Trusted Path as well (GPCS 2.3.1 table 6-2).
    pub privileges: Privileges,
    /// How they are coded; see [`CardProfile::privileges`](crate::CardProfile::privileges).
    pub privilege_width: PrivilegeWidth,
    /// What the application itself gets: the value of C9, which is always sent.
    pub application_parameters: &'a [u8],
    /// Further parameters in TLV (EF, EA, B6), or empty.
    pub system_parameters: &'a [u8],
    /// Install Token, or empty.
    pub token: &'a [u8],
    /// That the privilege Mandated DAP Verification is meant: from then on the card loads nothing that the security domain has not signed.
    pub irreversible: bool,
}

impl<'a> InstallForInstall<'a> {
    const NAME: &'static str = "INSTALL [for install]";

    /// Without privileges, parameters and token.
    #[must_use]
    pub fn new(load_file: Aid, module: Aid, application: Aid) -> Self {
        Self {
            load_file,
            module,
            application,
            privileges: Privileges::NONE,
            privilege_width: PrivilegeWidth::Shortest,
            application_parameters: &[],
            system_parameters: &[],
            token: &[],
            irreversible: false,
        }
    }

    /// With privileges coded as this kind of card wants them.
    #[must_use]
    pub fn with_privileges(mut self, privileges: Privileges, width: PrivilegeWidth) -> Self {
        (self.privileges, self.privilege_width) = (privileges, width);
        self
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
    /// [`Error::TooLong`] when all fields do not fit one command; [`Error::Unsupported`] for privileges that the card's width does not
    /// hold; [`Error::Irreversible`] for Mandated DAP Verification that is not [meant](Self::irreversible).
    pub fn and_make_selectable(&self) -> Result<CommandApdu, Error> {
        self.body(0x0C, 0x00)?.command(self.token)
    }

    /// INSTALL [for install].
    ///
    /// # Errors
    /// As [`InstallForInstall::and_make_selectable`].
    pub fn command(&self) -> Result<CommandApdu, Error> {
        self.body(0x04, 0x00)?.command(self.token)
    }

    /// What an Install Token for [`and_make_selectable`](Self::and_make_selectable) is computed over (GPCS 2.3.1 C.4.2).
    ///
    /// # Errors
    /// As [`InstallForInstall::and_make_selectable`].
    pub fn token_input_and_make_selectable(&self) -> Result<Vec<u8>, Error> {
        self.body(0x0C, 0x00)?.token_input()
    }

    /// What an Install Token for [`command`](Self::command) is computed over (GPCS 2.3.1 C.4.2).
    ///
    /// # Errors
    /// As [`InstallForInstall::and_make_selectable`].
    pub fn token_input(&self) -> Result<Vec<u8>, Error> {
        self.body(0x04, 0x00)?.token_input()
    }

    fn body(&self, p1: u8, p2: u8) -> Result<Body, Error> {
        refuse_mandated_dap(self.privileges, self.irreversible)?;
        let mut parameters = Vec::new();
        tlv::push(&mut parameters, Tag(0xC9), self.application_parameters);
        parameters.extend_from_slice(self.system_parameters);
        let mut body = Body::new(Self::NAME, p1, p2);
        body.push_aid(Some(&self.load_file));
        body.push_aid(Some(&self.module));
        body.push_aid(Some(&self.application));
        body.push(&self.privilege_width.bytes(self.privileges)?, "privileges", 3)?;
        body.push_long(&parameters);
        Ok(body)
    }
}

/// INSTALL [for load, install and make selectable]: one command in front of the LOAD commands and one behind them, under one
/// token in the second (GPCS 2.3.1 11.5.2.2, C.4.7). Untested on silicon.
#[derive(Clone, Debug)]
pub struct InstallCombined<'a> {
    /// What is loaded; its token is not used.
    pub load: InstallForLoad<'a>,
    /// What is installed, with the token for both.
    pub install: InstallForInstall<'a>,
}

impl InstallCombined<'_> {
    const P1: u8 = 0x0E;

    /// The command in front of the LOAD commands (P2 = 01).
    ///
    /// # Errors
    /// As [`InstallForLoad::command`].
    pub fn begin(&self) -> Result<CommandApdu, Error> {
        if self.load.hash.is_empty() && !self.install.token.is_empty() {
            return Err(Error::HashMissing);
        }
        self.load.body(Self::P1, 0x01)?.command(&[])
    }

    /// The command behind the last LOAD (P2 = 03).
    ///
    /// # Errors
    /// As [`InstallForInstall::and_make_selectable`].
    pub fn end(&self) -> Result<CommandApdu, Error> {
        self.install.body(Self::P1, 0x03)?.command(self.install.token)
    }

    /// What the token is computed over: both commands, one behind the other (GPCS 2.3.1 table C-10).
    ///
    /// # Errors
    /// As [`InstallCombined::begin`] and [`InstallCombined::end`].
    pub fn token_input(&self) -> Result<Vec<u8>, Error> {
        if self.load.hash.is_empty() {
            return Err(Error::HashMissing);
        }
        let mut input = self.load.body(Self::P1, 0x01)?.token_input()?;
        input.append(&mut self.install.body(Self::P1, 0x03)?.token_input()?);
        Ok(input)
    }
}

/// INSTALL [for make selectable] of an application that is installed (GPCS 2.3.1 11.5.2.3.3).
#[derive(Clone, Debug)]
pub struct InstallForMakeSelectable<'a> {
    /// The application.
    pub application: Aid,
    /// Of these the card heeds Card Reset only.
    pub privileges: Privileges,
    /// Make selectable parameters in TLV (EF with CF, B6), or empty.
    pub parameters: &'a [u8],
    /// Make Selectable Token, or empty.
    pub token: &'a [u8],
}

impl InstallForMakeSelectable<'_> {
    /// The command.
    ///
    /// # Errors
    /// [`Error::TooLong`] when all fields do not fit one command.
    pub fn command(&self) -> Result<CommandApdu, Error> {
        self.body()?.command(self.token)
    }

    /// What a Make Selectable Token is computed over (GPCS 2.3.1 C.4.3).
    ///
    /// # Errors
    /// As [`InstallForMakeSelectable::command`].
    pub fn token_input(&self) -> Result<Vec<u8>, Error> {
        self.body()?.token_input()
    }

    fn body(&self) -> Result<Body, Error> {
        let mut body = Body::new("INSTALL [for make selectable]", 0x08, 0x00);
        body.push_aid(None);
        body.push_aid(None);
        body.push_aid(Some(&self.application));
        body.push(self.privileges.shortest(), "privileges", 3)?;
        body.push_long(self.parameters);
        Ok(body)
    }
}

/// INSTALL [for make selectable] without parameters and token (GPCS 2.3.1 11.5.2.3.3).
///
/// # Errors
/// [`Error::TooLong`] cannot happen with an AID and three bytes of privileges.
pub fn install_for_make_selectable(application: &Aid, privileges: Privileges) -> Result<CommandApdu, Error> {
    InstallForMakeSelectable { application: *application, privileges, parameters: &[], token: &[] }.command()
}

/// INSTALL [for extradition]: gives an application or load file of the selected security domain to another one (GPCS 2.3.1
/// 11.5.2.3.4).
#[derive(Clone, Debug)]
pub struct InstallForExtradition<'a> {
    /// The security domain that it shall belong to.
    pub security_domain: Aid,
    /// The application or executable load file.
    pub object: Aid,
    /// Extradition parameters in TLV (B6), or empty.
    pub parameters: &'a [u8],
    /// Extradition Token, or empty.
    pub token: &'a [u8],
}

impl InstallForExtradition<'_> {
    /// Without parameters and token.
    #[must_use]
    pub fn new(object: Aid, security_domain: Aid) -> Self {
        Self { security_domain, object, parameters: &[], token: &[] }
    }

    /// The command.
    ///
    /// # Errors
    /// [`Error::TooLong`] when all fields do not fit one command.
    pub fn command(&self) -> Result<CommandApdu, Error> {
        self.body().command(self.token)
    }

    /// What an Extradition Token is computed over (GPCS 2.3.1 C.4.4).
    ///
    /// # Errors
    /// As [`InstallForExtradition::command`].
    pub fn token_input(&self) -> Result<Vec<u8>, Error> {
        self.body().token_input()
    }

    fn body(&self) -> Body {
        let mut body = Body::new("INSTALL [for extradition]", 0x10, 0x00);
        body.push_aid(Some(&self.security_domain));
        body.push_aid(None);
        body.push_aid(Some(&self.object));
        body.push_aid(None);
        body.push_long(self.parameters);
        body
    }
}

/// INSTALL [for registry update]: changes privileges, implicit selection or services of an application, or what the card does
/// at all (GPCS 2.3.1 11.5.2.3.5).
///
/// Without an application a restriction (tag D9) concerns the whole card and cannot be undone. Untested on silicon.
#[derive(Clone, Debug, Default)]
pub struct InstallForRegistryUpdate<'a> {
    /// Security domain that the application shall belong to, where it is extradited as well.
    pub security_domain: Option<Aid>,
    /// The application; none for the card itself.
    pub application: Option<Aid>,
    /// All privileges that it shall have, or `None` to leave them. Always three bytes: of one byte the card would fill up the
    /// others with defaults.
    pub privileges: Option<Privileges>,
    /// Registry update parameters in TLV (EF with CF, CB, D9; B6), or empty.
    pub parameters: &'a [u8],
    /// Registry Update Token, or empty.
    pub token: &'a [u8],
    /// That what cannot be undone is meant: the privilege Mandated DAP Verification, a restriction of the whole card.
    pub irreversible: bool,
}

impl InstallForRegistryUpdate<'_> {
    /// The command.
    ///
    /// # Errors
    /// [`Error::TooLong`] when all fields do not fit one command; [`Error::Irreversible`] for what cannot be undone and is not
    /// [meant](Self::irreversible).
    pub fn command(&self) -> Result<CommandApdu, Error> {
        self.body()?.command(self.token)
    }

    /// What a Registry Update Token is computed over (GPCS 2.3.1 C.4.5).
    ///
    /// # Errors
    /// As [`InstallForRegistryUpdate::command`].
    pub fn token_input(&self) -> Result<Vec<u8>, Error> {
        self.body()?.token_input()
    }

    fn body(&self) -> Result<Body, Error> {
        refuse_mandated_dap(self.privileges.unwrap_or(Privileges::NONE), self.irreversible)?;
        if self.application.is_none() && !self.irreversible && restricts(self.parameters) {
            return Err(Error::Irreversible { what: "a restriction of the whole card" });
        }
        let mut body = Body::new("INSTALL [for registry update]", 0x40, 0x00);
        body.push_aid(self.security_domain.as_ref());
        body.push_aid(None);
        body.push_aid(self.application.as_ref());
        body.push(self.privileges.as_ref().map_or(&[][..], |privileges| &privileges.0), "privileges", 3)?;
        body.push_long(self.parameters);
        Ok(body)
    }
}

/// INSTALL [for personalization] (GPCS 2.3.1 11.5.2.3.6): what STORE DATA brings next goes to this application.
#[must_use]
pub fn install_for_personalization(application: &Aid) -> CommandApdu {
    let aid = application.as_bytes();
    let data = [&[0, 0, aid.len() as u8], aid, &[0, 0, 0]].concat();
    CommandApdu::new(Class::GP, Instruction::INSTALL, 0x20, 0).with_data(data).with_ne(Ne::MAX_SHORT)
}

/// All later loads need a signature of the security domain with this privilege (GPCS 2.3.1 9.2.1).
fn refuse_mandated_dap(privileges: Privileges, irreversible: bool) -> Result<(), Error> {
    if privileges.contains(Privileges::MANDATED_DAP_VERIFICATION) && !irreversible {
        return Err(Error::Irreversible { what: "the privilege Mandated DAP Verification" });
    }
    Ok(())
}

/// Whether registry update parameters hold a restriction (EF with D9). What is no TLV is taken for one.
fn restricts(parameters: &[u8]) -> bool {
    let has =
        |template: &[u8]| Reader::new(template).any(|object| !matches!(object, Ok(object) if object.tag != Tag(0xD9)));
    let is_harmless =
        |object: DataObject<'_>| object.tag != Tag(0xD9) && !(object.tag == Tag(0xEF) && has(object.value));
    Reader::new(parameters).any(|object| !object.is_ok_and(is_harmless))
}

/// A content management command up to its token.
pub(super) struct Body {
    pub(super) name: &'static str,
    pub(super) p1: u8,
    pub(super) p2: u8,
    pub(super) data: Vec<u8>,
}

impl Body {
    fn new(name: &'static str, p1: u8, p2: u8) -> Self {
        Self { name, p1, p2, data: Vec::new() }
    }

    fn push_aid(&mut self, aid: Option<&Aid>) {
        let aid = aid.map(Aid::as_bytes).unwrap_or_default();
        self.data.push(aid.len() as u8);
        self.data.extend_from_slice(aid);
    }

    /// A field with a length of one byte.
    fn push(&mut self, value: &[u8], what: &'static str, limit: usize) -> Result<(), Error> {
        if value.len() > limit {
            return Err(Error::TooLong { command: self.name, what, actual: value.len(), limit });
        }
        self.data.push(value.len() as u8);
        self.data.extend_from_slice(value);
        Ok(())
    }

    /// A field with a length as in BER: parameters (GPCS 2.3.1 11.5.2.3.1).
    fn push_long(&mut self, value: &[u8]) {
        tlv::push_length(&mut self.data, value.len());
        self.data.extend_from_slice(value);
    }

    /// `P1 ‖ P2 ‖ length ‖ data`, the length in one byte, or above 255 in three (GPCS 2.3.1 C.4).
    pub(super) fn token_input(&self) -> Result<Vec<u8>, Error> {
        let length = self.data.len();
        let mut input = alloc::vec![self.p1, self.p2];
        match u8::try_from(length) {
            Ok(length) => input.push(length),
            Err(_) => {
                let limit = usize::from(u16::MAX);
                let long = u16::try_from(length).map_err(|_| self.too_long(length, limit))?;
                input.push(0);
                input.extend_from_slice(&long.to_be_bytes());
            }
        }
        input.extend_from_slice(&self.data);
        Ok(input)
    }

    fn command(mut self, token: &[u8]) -> Result<CommandApdu, Error> {
        if token.len() == 128 {
            // Cards before GPCS 2.2 know lengths of one byte only; later ones take both codings of 128 (11.5.2.3.1).
            self.data.push(0x80);
            self.data.extend_from_slice(token);
        } else {
            self.push_long(token);
        }
        self.into_command(Instruction::INSTALL)
    }

    pub(super) fn into_command(self, instruction: Instruction) -> Result<CommandApdu, Error> {
        if self.data.len() > MAX_CHAIN {
            return Err(self.too_long(self.data.len(), MAX_CHAIN));
        }
        Ok(CommandApdu::new(Class::GP, instruction, self.p1, self.p2).with_data(self.data).with_ne(Ne::MAX_SHORT))
    }

    fn too_long(&self, actual: usize, limit: usize) -> Error {
        Error::TooLong { command: self.name, what: "data field", actual, limit }
    }
}
