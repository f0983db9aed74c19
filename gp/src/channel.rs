//! Secure channels: typed states from INITIALIZE UPDATE to a channel that protects commands.
//!
//! ```text
//! InitializeUpdate --answer--> CardAnswer --session keys--> Verified --level--> Authenticating --answer--> SecureChannel
//! ```
//!
//! Under SCP11 ([`scp11`]) there are keys to agree on, and a receipt in place of the cryptograms:
//!
//! ```text
//! KeyAgreement --ephemeral key--> Authenticating --answer--> CardKeys --session keys, receipt--> SecureChannel
//! ```
//!
//! Each step consumes the one before. Nothing can be sent to the card before its cryptogram has been verified, and only
//! the last state protects commands. Protocol, `i` and key version come from the card's answer.

mod chain;
mod des;
mod implicit;
mod initiation;
mod level;
mod protocol;
mod response_mac;
mod scp03;
pub mod scp11;

use alloc::vec::Vec;

use cardwright_apdu::{CardPort, Class, CommandApdu, CommandApduRef, ResponseApdu};
use cardwright_keys::KeyKind;

pub use chain::ExtendedLength;
pub use implicit::ImplicitInitiation;
pub use initiation::{Authenticating, CardAnswer, ChallengePolicy, InitializeUpdate, NotVerified, Verified};
pub use level::SecurityLevel;
pub use protocol::{HostChallenge, Protocol};

use crate::error::{ClosedBy, Error};
use crate::profile::ChannelQuirks;
use crate::{CardFault, ChannelError, error::ResponseFault};

/// An open secure channel. One command is outstanding at a time; after a response that does not verify, or a lost one,
/// the channel is closed for good and says so each time.
#[derive(Debug)]
pub struct SecureChannel {
    cipher: Cipher,
    level: SecurityLevel,
    state: State,
    quirks: ChannelQuirks,
    extended: Option<ExtendedLength>,
    kvn: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Outstanding,
    Closed(ClosedBy),
}

#[allow(clippy::large_enum_variant, reason = "one a session, and both are large")]
#[derive(Debug)]
enum Cipher {
    Des(des::Session),
    /// Of a dry run: the lengths, and no protection.
    Plan(Protocol),
    Scp03(scp03::Session),
}

impl SecureChannel {
    pub(crate) fn planned(protocol: Protocol, level: SecurityLevel) -> Result<Self, ChannelError> {
        if !protocol.has_level(level, 0x70) {
            return Err(ChannelError::Level { level: level.bits(), protocol: protocol.name() });
        }
        Ok(Self::new(Cipher::Plan(protocol), level))
    }

    fn new(cipher: Cipher, level: SecurityLevel) -> Self {
        Self { cipher, level, state: State::Ready, quirks: ChannelQuirks::default(), extended: None, kvn: None }
    }

    /// The security level of the session.
    #[must_use]
    pub fn level(&self) -> SecurityLevel {
        self.level
    }

    /// Which protocol the channel speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match &self.cipher {
            Cipher::Des(session) => session.protocol(),
            Cipher::Plan(protocol) => *protocol,
            Cipher::Scp03(session) => session.protocol(),
        }
    }

    /// Version of the key set that the channel was opened with, as the card told it; `None` under SCP11, implicit initiation and in a
    /// dry run.
    #[must_use]
    pub fn kvn(&self) -> Option<u8> {
        self.kvn
    }

    /// The longest command data field that can be protected in a short command, in bytes.
    #[must_use]
    pub fn max_data(&self) -> usize {
        self.protocol().max_data(self.level, 255)
    }

    /// The longest command data field that can be protected so that the protected one has at most `limit` bytes, and 255 in a short
    /// command. No limit is 255, or what extended length fields hold.
    pub(crate) fn longest_data(&self, limit: Option<usize>) -> usize {
        let most = if self.extended.is_some() { chain::LONGEST } else { 255 };
        self.protocol().longest_data(self.level, limit.unwrap_or(most).min(most))
    }

    /// The session DEK, for key data under SCP02 (triple DES) and SCP11 (AES).
    #[must_use]
    pub fn session_dek(&self) -> Option<&cardwright_keys::KeyValue> {
        match &self.cipher {
            Cipher::Des(session) => session.dek(),
            Cipher::Scp03(session) => session.dek(),
            Cipher::Plan(_) => None,
        }
    }

    /// Whether the first C-MAC opened the channel.
    pub(crate) fn is_implicit(&self) -> bool {
        matches!(&self.cipher, Cipher::Des(session) if session.is_implicit())
    }

    /// Protects a command. It has to be sent, and its response handed to [`SecureChannel::unwrap`].
    ///
    /// # Errors
    /// [`ChannelError::TooLong`] leaves the channel as it was; [`ChannelError::Outstanding`] and
    /// [`ChannelError::Closed`] say that no command can be protected now.
    pub fn wrap(&mut self, command: &CommandApdu) -> Result<CommandApdu, ChannelError> {
        self.protect(command, self.longest_data(None))
    }

    /// As [`SecureChannel::wrap`], and DELETE, INSTALL and PUT KEY that do not fit one short command become a chain (GPCS 2.3.1
    /// 11.1.5.1), protected as a whole. The card must answer all but the last with 9000 and nothing else; the response to the last goes
    /// to [`SecureChannel::unwrap`]. A chain that is broken off leaves a channel that has lost count: [`SecureChannel::close`] it.
    ///
    /// # Errors
    /// As [`SecureChannel::wrap`].
    pub fn wrap_chain(&mut self, command: &CommandApdu) -> Result<Vec<CommandApdu>, ChannelError> {
        if self.extended.is_some() || !chain::is_chainable(command.as_ref()) {
            return Ok(alloc::vec![self.wrap(command)?]);
        }
        let limit = self.protocol().longest_data(self.level, chain::LONGEST);
        Ok(chain::split(&self.protect(command, limit)?))
    }

    fn protect(&mut self, command: &CommandApdu, limit: usize) -> Result<CommandApdu, ChannelError> {
        match self.state {
            State::Ready => {}
            State::Outstanding => return Err(ChannelError::Outstanding),
            State::Closed(reason) => return Err(ChannelError::Closed { reason }),
        }
        if command.nc() > limit {
            return Err(ChannelError::TooLong { actual: command.nc(), limit });
        }
        let protected = match &mut self.cipher {
            Cipher::Des(session) => session.wrap(command.as_ref(), self.level),
            _ if !self.level.has_c_mac() => command.clone(),
            Cipher::Plan(protocol) => planned(*protocol, self.level, command.as_ref()),
            Cipher::Scp03(session) => session.wrap(command.as_ref(), self.level, self.quirks),
        };
        self.state = State::Outstanding;
        Ok(if self.carries_response_mac() { protected } else { self.quirks.le.applied(protected) })
    }

    /// Verifies and deciphers the response to the command protected last.
    ///
    /// # Errors
    /// [`ChannelError::Response`] when the response does not verify; the channel is then closed.
    pub fn unwrap(&mut self, response: ResponseApdu) -> Result<ResponseApdu, ChannelError> {
        match self.state {
            State::Outstanding => {}
            State::Ready => return Err(ChannelError::NotOutstanding),
            State::Closed(reason) => return Err(ChannelError::Closed { reason }),
        }
        let plain = match &mut self.cipher {
            Cipher::Des(session) => session.unwrap(response),
            Cipher::Scp03(session) if self.level.has_r_mac() => session.unwrap(response, self.level),
            _ => Ok(response),
        };
        self.state = if plain.is_ok() { State::Ready } else { State::Closed(ClosedBy::Response) };
        plain.map_err(|fault: ResponseFault| ChannelError::Response { fault })
    }

    /// The channel for a card that does otherwise than the standard says.
    #[must_use]
    pub fn with_quirks(mut self, quirks: ChannelQuirks) -> Self {
        self.quirks = quirks;
        self
    }

    fn carries_response_mac(&self) -> bool {
        match &self.cipher {
            Cipher::Des(session) => session.response_mac() == des::ResponseMac::Each,
            _ => self.level.has_r_mac(),
        }
    }

    /// The channel with extended length fields in place of chains, for a card that declares them; the transport has to carry them. LOAD
    /// and STORE DATA then take blocks as long as the card's FCI or profile allows.
    #[must_use]
    pub fn with_extended_length(mut self, extended: ExtendedLength) -> Self {
        self.extended = Some(extended);
        self
    }

    pub(crate) fn quirks(&self) -> ChannelQuirks {
        self.quirks
    }

    /// Whether the channel can protect commands: it was not closed, and lost no response.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed(_))
    }

    /// Closes the channel: the card was reset, or something else was selected.
    pub fn close(&mut self) {
        if !matches!(self.state, State::Closed(_)) {
            self.state = State::Closed(ClosedBy::Left);
        }
    }

    /// Protects a command, carries it to the card, and verifies the response. A status word other than 9000 is no error
    /// here.
    ///
    /// # Errors
    /// [`Error::Card`] when the response does not verify, [`Error::Channel`] and [`Error::Transport`]; the channel is then
    /// closed, unless the command was too long. It is closed as well when the card refuses a command before the last of a chain.
    pub async fn transmit(&mut self, card: &mut impl CardPort, command: &CommandApdu) -> Result<ResponseApdu, Error> {
        let mut chain = self.wrap_chain(command)?;
        // There is always one.
        let Some(last) = chain.pop() else { return Err(ChannelError::NotOutstanding.into()) };
        for part in chain {
            match card.transmit(part).await {
                Ok(response) if response.sw().is_ok() && response.data().is_empty() => {}
                Ok(response) => {
                    self.state = State::Closed(ClosedBy::Chain);
                    if response.sw().is_ok() {
                        let (offset, expected, actual) = (0, "no data before the last command", response.data().len());
                        let fault = CardFault::Length { what: "response in a chain", offset, expected, actual };
                        return Err(Error::card(command.name(), fault));
                    }
                    return Ok(ResponseApdu::status(response.sw()));
                }
                Err(source) => {
                    self.state = State::Closed(ClosedBy::Transport);
                    return Err(Error::Transport { command: command.name(), source });
                }
            }
        }
        match card.transmit(last).await {
            Ok(response) => self.unwrap(response).map_err(|error| match error {
                ChannelError::Response { fault } => Error::card(command.name(), CardFault::Protection(fault)),
                error => error.into(),
            }),
            Err(source) => {
                self.state = State::Closed(ClosedBy::Transport);
                Err(Error::Transport { command: command.name(), source })
            }
        }
    }

    /// As [`SecureChannel::transmit`], and the card must answer 9000.
    ///
    /// # Errors
    /// Also [`Error::Refused`].
    pub async fn call(&mut self, card: &mut impl CardPort, command: &CommandApdu) -> Result<ResponseApdu, Error> {
        let response = self.transmit(card, command).await?;
        if !response.sw().is_ok() {
            return Err(Error::Refused { command: command.name(), sw: response.sw() });
        }
        Ok(response)
    }
}

/// A command as long as its protection makes it.
fn planned(protocol: Protocol, level: SecurityLevel, command: CommandApduRef<'_>) -> CommandApdu {
    let mut data = command.data.to_vec();
    if level.has_c_decryption() && !data.is_empty() {
        // One byte of padding or length at least.
        let block = if protocol.key_kind() == KeyKind::Aes { 16 } else { 8 };
        data.resize((data.len() + 1).next_multiple_of(block), 0);
    }
    data.resize(data.len() + protocol.mac_len(), 0);
    CommandApdu::new(command.cla.secured(), command.ins, command.p1, command.p2).with_data(data).with_ne(command.ne)
}

/// The class byte that a C-MAC covers: secure messaging set, logical channel taken out (GPCS 2.3.1 E.4.4, Amd D 6.2.4).
fn mac_class(class: Class) -> u8 {
    class.0 & 0x80 | 0x04
}
