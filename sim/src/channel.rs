//! A secure channel session of the issuer security domain, whichever protocol it speaks (GPCS chapter 10).

use cardwright_apdu::{CommandApdu, CommandApduRef, ResponseApdu};

use crate::crypto::same;
use crate::{scp02, scp03};

/// C_MAC in a security level (GPCS table E-11, Amd D table 7-3).
const C_MAC: u8 = 0x01;
const C_DECRYPTION: u8 = 0x02;
const R_MAC: u8 = 0x10;
const R_ENCRYPTION: u8 = 0x20;

/// Where the session with the issuer security domain stands.
#[derive(Default)]
pub(crate) enum SecureChannel {
    /// No session, or one that was terminated.
    #[default]
    Closed,
    /// INITIALIZE UPDATE was answered; EXTERNAL AUTHENTICATE is expected.
    Initiated(Handshake),
    /// The host is authenticated.
    Open(Session),
    /// A command failed the verification: all is refused until the session is terminated (GPCS 10.2.3).
    Aborted,
}

/// INITIALIZE UPDATE was answered.
pub(crate) struct Handshake {
    /// The key version that the host chose.
    pub(crate) key_version: u8,
    pub(crate) protocol: ProtocolHandshake,
    /// The key that deciphers keys in PUT KEY: session key under SCP02, static Key-DEK under SCP03.
    pub(crate) dek: Dek,
}

pub(crate) enum ProtocolHandshake {
    Scp02(scp02::Handshake),
    Scp03(Box<scp03::Handshake>),
}

/// The key that deciphers sensitive data.
#[derive(Clone)]
pub(crate) enum Dek {
    /// Session key, triple DES in ECB mode (GPCS E.4.7).
    TripleDes([u8; 16]),
    /// Static Key-DEK, AES in CBC mode with a zero ICV (Amd D 6.2.8).
    Aes(Vec<u8>),
}

/// What EXTERNAL AUTHENTICATE comes to.
pub(crate) struct Verdict {
    /// The C-MAC was right; SCP02 counts the session then, whatever the cryptogram says (GPCS E.1.2).
    pub(crate) mac_valid: bool,
    /// The host cryptogram was right.
    pub(crate) cryptogram_valid: bool,
    /// The open session, when both were.
    pub(crate) session: Option<Session>,
}

impl Handshake {
    /// Verifies host cryptogram and C-MAC of EXTERNAL AUTHENTICATE; `level` must be one that the protocol knows.
    pub(crate) fn authenticate(self, command: &CommandApduRef<'_>, level: u8) -> Verdict {
        let cryptogram = command.data.get(..8).unwrap_or_default();
        let (cryptogram_valid, mut channel) = match self.protocol {
            ProtocolHandshake::Scp02(handshake) => {
                (same(&handshake.host_cryptogram(), cryptogram), Channel::Scp02(handshake.channel()))
            }
            ProtocolHandshake::Scp03(handshake) => {
                (same(&handshake.host_cryptogram(), cryptogram), Channel::Scp03(Box::new(handshake.channel())))
            }
        };
        let mac_valid = channel.unwrap(command).is_some();
        let session = (cryptogram_valid && mac_valid).then(|| {
            channel.set_level(level);
            Session { level, dek: self.dek, channel }
        });
        Verdict { mac_valid, cryptogram_valid, session }
    }
}

enum Channel {
    Scp02(scp02::Channel),
    Scp03(Box<scp03::Channel>),
}

impl Channel {
    fn set_level(&mut self, level: u8) {
        match self {
            Self::Scp02(channel) => channel.decrypt = level & C_DECRYPTION != 0,
            Self::Scp03(channel) => {
                channel.decrypt = level & C_DECRYPTION != 0;
                channel.r_mac = level & R_MAC != 0;
                channel.r_encrypt = level & R_ENCRYPTION != 0;
            }
        }
    }

    fn unwrap(&mut self, command: &CommandApduRef<'_>) -> Option<CommandApdu> {
        match self {
            Self::Scp02(channel) => channel.unwrap(command),
            Self::Scp03(channel) => channel.unwrap(command),
        }
    }
}

/// An open session: the host is authenticated, commands are checked against the security level.
pub(crate) struct Session {
    /// P1 of EXTERNAL AUTHENTICATE.
    pub(crate) level: u8,
    pub(crate) dek: Dek,
    channel: Channel,
}

impl Session {
    /// The command without protection; `None` when its protection does not reach the security level or is wrong.
    ///
    /// At level 00 a command may do without; one that comes with a C-MAC is verified all the same.
    pub(crate) fn unwrap(&mut self, command: &CommandApduRef<'_>) -> Option<CommandApdu> {
        match (self.level & C_MAC != 0, command.cla.0 & 0x0C) {
            (_, 0x04) => self.channel.unwrap(command),
            (false, 0x00) => Some(command.to_owned()),
            _ => None,
        }
    }

    /// The response with the protection that the security level asks for.
    pub(crate) fn wrap(&self, response: ResponseApdu) -> ResponseApdu {
        match &self.channel {
            Channel::Scp02(_) => response,
            Channel::Scp03(channel) => channel.wrap(response),
        }
    }

    /// The longest plain response data that fit 256 bytes once protected.
    pub(crate) fn longest_response(&self) -> usize {
        match (self.level & R_MAC != 0, self.level & R_ENCRYPTION != 0) {
            (true, true) => 239,
            (true, false) => 248,
            _ => 256,
        }
    }
}

#[cfg(test)]
mod tests;
