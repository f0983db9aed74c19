//! A secure channel session of the issuer security domain, whichever protocol it speaks (GPCS chapter 10).

use cardwright_apdu::{CommandApdu, CommandApduRef, Instruction, ResponseApdu, StatusWord};

use crate::card::{Answer, done};
use crate::config::{C_DECRYPTION, C_MAC, R_ENCRYPTION, R_MAC};
use crate::crypto::same;
use crate::domain::DomainId;
use crate::{scp01, scp02, scp03};

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
    /// The security domain whose keys it is: the selected one, or one above it.
    pub(crate) owner: DomainId,
    /// The key version that the host chose.
    pub(crate) key_version: u8,
    pub(crate) protocol: ProtocolHandshake,
    /// The key that deciphers keys in PUT KEY: session key under SCP02, static Key-DEK under SCP01 and SCP03.
    pub(crate) dek: Dek,
}

pub(crate) enum ProtocolHandshake {
    Scp01(Box<scp01::Handshake>),
    Scp02(Box<scp02::Handshake>),
    Scp03(Box<scp03::Handshake>),
}

/// The key that deciphers sensitive data.
#[derive(Clone)]
pub(crate) enum Dek {
    /// Static Key-DEK of SCP01 or session key of SCP02, triple DES in ECB mode (GPCS D.3.5, E.4.7).
    TripleDes([u8; 16]),
    /// Session key of an implicitly initiated channel, triple DES in CBC mode with a zero ICV (GPCS E.3.1, E.4.7).
    TripleDesCbc([u8; 16]),
    /// Static Key-DEK of SCP03 or session key of SCP11, AES in CBC mode with a zero ICV (Amd D 6.2.8).
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
        // As long as the MAC behind it.
        let cryptogram = &command.data[..command.data.len() / 2];
        let (cryptogram_valid, mut channel) = match self.protocol {
            ProtocolHandshake::Scp01(handshake) => {
                (same(&handshake.host_cryptogram(), cryptogram), Channel::Scp01(Box::new(handshake.channel())))
            }
            ProtocolHandshake::Scp02(handshake) => {
                (same(&handshake.host_cryptogram(), cryptogram), Channel::Scp02(Box::new(handshake.channel())))
            }
            ProtocolHandshake::Scp03(handshake) => {
                (same(&handshake.host_cryptogram(), cryptogram), Channel::Scp03(Box::new(handshake.channel())))
            }
        };
        let mac_valid = channel.unwrap(command).is_some();
        let session = (cryptogram_valid && mac_valid).then(|| {
            channel.set_level(level);
            Session { level, dek: self.dek, channel, is_implicit: false, is_authenticated: true }
        });
        Verdict { mac_valid, cryptogram_valid, session }
    }
}

enum Channel {
    Scp01(Box<scp01::Channel>),
    Scp02(Box<scp02::Channel>),
    Scp03(Box<scp03::Channel>),
}

impl Channel {
    fn set_level(&mut self, level: u8) {
        match self {
            Self::Scp01(channel) => channel.decrypt = level & C_DECRYPTION != 0,
            Self::Scp02(channel) => channel.authenticated(level & C_DECRYPTION != 0, level & R_MAC != 0),
            Self::Scp03(channel) => {
                channel.decrypt = level & C_DECRYPTION != 0;
                channel.r_mac = level & R_MAC != 0;
                channel.r_encrypt = level & R_ENCRYPTION != 0;
            }
        }
    }

    fn unwrap(&mut self, command: &CommandApduRef<'_>) -> Option<CommandApdu> {
        match self {
            Self::Scp01(channel) => channel.unwrap(command),
            Self::Scp02(channel) => channel.unwrap(command),
            Self::Scp03(channel) => channel.unwrap(command),
        }
    }
}

/// An open session: the host is authenticated, commands are checked against the security level.
pub(crate) struct Session {
    /// Current security level: P1 of EXTERNAL AUTHENTICATE, and R-MAC during an R-MAC session.
    pub(crate) level: u8,
    pub(crate) dek: Dek,
    /// The first C-MAC opened the session.
    pub(crate) is_implicit: bool,
    /// The host has proved who it is: under SCP11b it has not.
    pub(crate) is_authenticated: bool,
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

    /// Opens a session with its first C-MAC; gives the command without protection too (GPCS E.1.2.2).
    pub(crate) fn implicit(
        mut channel: scp02::Channel,
        dek: Dek,
        command: &CommandApduRef<'_>,
    ) -> Option<(Self, CommandApdu)> {
        let plain = channel.unwrap(command)?;
        let channel = Channel::Scp02(Box::new(channel));
        Some((Self { level: C_MAC, dek, channel, is_implicit: true, is_authenticated: true }, plain))
    }

    /// A session of SCP11, whose keys were agreed on.
    pub(crate) fn agreed(level: u8, dek: Dek, channel: scp03::Channel, is_authenticated: bool) -> Self {
        let mut channel = Channel::Scp03(Box::new(channel));
        channel.set_level(level);
        Self { level, dek, channel, is_implicit: false, is_authenticated }
    }

    /// BEGIN or END R-MAC SESSION (GPCS E.5.3, E.5.4).
    pub(crate) fn r_mac_session(&mut self, command: &CommandApdu) -> Answer {
        let Channel::Scp02(channel) = &mut self.channel else { return Err(StatusWord::INS_NOT_SUPPORTED) };
        let (p1, p2) = (command.p1(), command.p2());
        if command.instruction() == Instruction::BEGIN_R_MAC_SESSION {
            if !matches!((p1, p2), (0x00 | 0x10, 0x01)) {
                return Err(StatusWord::INCORRECT_P1_P2);
            }
            match command.data() {
                [length @ 0..=24, data @ ..] if usize::from(*length) == data.len() => {}
                _ => return Err(StatusWord::WRONG_DATA),
            }
            channel.begin_r_mac(command, p1 == 0x10).map_err(|_| StatusWord::CONDITIONS_NOT_SATISFIED)?;
            self.level |= R_MAC;
            return done([]);
        }
        if p1 != 0x00 || !matches!(p2, 0x01 | 0x03) {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        if !command.data().is_empty() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let mac = channel.end_r_mac(p2 == 0x03).map_err(|_| StatusWord::CONDITIONS_NOT_SATISFIED)?;
        if p2 == 0x03 {
            self.level &= !R_MAC;
        }
        done(mac)
    }

    /// Whether responses go into an R-MAC of SCP02.
    pub(crate) fn has_response_mac(&self) -> bool {
        matches!(&self.channel, Channel::Scp02(channel) if channel.has_response_mac())
    }

    /// The response to a command with the protection that the security level asks for.
    pub(crate) fn wrap(&mut self, command: &CommandApdu, response: ResponseApdu) -> ResponseApdu {
        match &mut self.channel {
            Channel::Scp01(_) => response,
            Channel::Scp02(channel) => channel.wrap(command, response),
            Channel::Scp03(channel) => channel.wrap(response),
        }
    }

    /// The longest plain response data that fit 256 bytes once protected.
    pub(crate) fn longest_response(&self) -> usize {
        let mac = if let Channel::Scp03(channel) = &self.channel { channel.mac_length } else { 8 };
        match (self.level & R_MAC != 0, self.level & R_ENCRYPTION != 0) {
            (true, true) => 239,
            (true, false) => 256 - mac,
            _ => 256,
        }
    }
}

#[cfg(test)]
mod tests;
