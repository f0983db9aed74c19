use cardwright_apdu::{ByteCount, CommandError, StatusWord, TransportError, tlv};
use cardwright_keys::{KeyCheckValue, KeyError};
use thiserror::Error;

use crate::OpenRefusal;

/// Why a GlobalPlatform operation did not succeed, by who is at fault.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The card refused a command.
    #[error("{command}: {sw}{}", hint(command, *sw))]
    Refused {
        /// The command's name.
        command: &'static str,
        /// The card's status.
        sw: StatusWord,
    },
    /// The card answered something that the standard does not allow.
    #[error("{command}: {fault}")]
    Card {
        /// The command's name.
        command: &'static str,
        /// What is wrong with the answer.
        fault: CardFault,
    },
    /// No candidate key set fits the card's cryptogram. Nothing further was sent: EXTERNAL AUTHENTICATE with wrong keys
    /// brings a card nearer to its lock.
    #[error(
        "the card's cryptogram does not verify with any of {candidates} key sets (key version {kvn:02X}, {protocol}): \
         wrong keys, EXTERNAL AUTHENTICATE was not sent"
    )]
    WrongKeys {
        /// Key version number that the card used.
        kvn: u8,
        /// Secure channel protocol that the card used.
        protocol: &'static str,
        /// How many key sets were tried off the card.
        candidates: usize,
    },
    /// The secure channel cannot be used this way, or not any more.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The command did not get to the card, or its answer not back.
    #[error("{command}: {source}")]
    Transport {
        /// The command's name.
        command: &'static str,
        /// What happened, and whether the card may have executed the command.
        source: TransportError,
    },
    /// The key service did not answer.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A command cannot be built from what was given.
    #[error("{command}: {what} has {actual} bytes, at most {limit} fit")]
    TooLong {
        /// The command's name.
        command: &'static str,
        /// Which part is too long.
        what: &'static str,
        /// Its length, in bytes.
        actual: usize,
        /// The most that fits, in bytes.
        limit: usize,
    },
    /// INSTALL [for load] needs the Load File Data Block Hash where there is a token or a DAP Block, or the data block is enciphered
    /// (GPCS 2.3.1 C.2); nothing was sent.
    #[error("INSTALL [for load]: a token, a DAP Block or an enciphered load file needs the Load File Data Block Hash")]
    HashMissing,
    /// Data is not made up as the caller says; nothing was sent.
    #[error("the data holds {what} at offset {offset}")]
    Structure {
        /// What is wrong.
        what: &'static str,
        /// Where, in bytes from the start of the data.
        offset: usize,
    },
    /// What was asked for cannot be undone, and the caller did not say that it is meant; nothing was sent.
    #[error("{what} cannot be undone: say that it is meant")]
    Irreversible {
        /// What.
        what: &'static str,
    },
    /// The load file cannot be cut into blocks; nothing was sent.
    #[error(transparent)]
    LoadFile(#[from] crate::LoadFileError),
    /// The card refuses a SELECT without an AID, and those with the AIDs of issuer security domains in common use.
    #[error(
        "SELECT: {sw}: no issuer security domain of the card's own choice or with an AID in common use: give its AID"
    )]
    NoDomain {
        /// The card's answer to SELECT without an AID.
        sw: StatusWord,
    },
    /// None of the candidate key sets is of the protocol's kind and the card's key version: nothing was tried.
    #[error("no key set for {protocol} with key version {kvn:02X} was given")]
    NoKeys {
        /// Key version number that the card used.
        kvn: u8,
        /// Secure channel protocol that the card used.
        protocol: &'static str,
    },
    /// A certificate of the card's chain is not accepted; nothing further was sent.
    #[error("certificate {} of the card: {fault}", index + 1)]
    Certificate {
        /// Which one, from 0, in the order of the chain.
        index: usize,
        /// What is wrong.
        fault: crate::channel::scp11::CertificateFault,
    },
    /// PUT KEY knows the key versions 01 to 7F.
    #[error("key version {kvn:02X} cannot be put or replaced: PUT KEY knows 01 to 7F")]
    KeyVersion {
        /// The version.
        kvn: u8,
    },
    /// No supplementary logical channel has this number (GPCS 2.3.1 11.1.4).
    #[error("logical channel {number} cannot be opened or closed: supplementary channels are 1 to 19")]
    LogicalChannel {
        /// The number.
        number: u8,
    },
    /// What was asked for is not supported here.
    #[error("{what} is not supported")]
    Unsupported {
        /// What.
        what: &'static str,
    },
}

impl Error {
    /// Whether the outcome of the command is not known: the card may have executed it.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        match self {
            Self::Transport { source, .. } => source.delivery == cardwright_apdu::Delivery::Unknown,
            // An answer that does not verify proves nothing about what the card did.
            Self::Card { .. } | Self::Channel(ChannelError::Response { .. }) => true,
            _ => false,
        }
    }

    pub(crate) fn card(command: &'static str, fault: CardFault) -> Self {
        Self::Card { command, fault }
    }
}

/// How an answer breaks the standard.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CardFault {
    /// The answer, or a field in it, has another length.
    #[error("{what} at offset {offset}: expected {expected}, the card gave {}", ByteCount(*actual))]
    Length {
        /// Which field.
        what: &'static str,
        /// Where it begins, in bytes from the start of the answer.
        offset: usize,
        /// What the standard wants.
        expected: &'static str,
        /// What there is, in bytes.
        actual: usize,
    },
    /// A byte has a value that it must not have.
    #[error("{what} at offset {offset}: expected {expected}, the card gave {actual:02X}")]
    Value {
        /// Which field.
        what: &'static str,
        /// Where it is, in bytes from the start of the answer.
        offset: usize,
        /// What the standard wants.
        expected: &'static str,
        /// What there is.
        actual: u8,
    },
    /// The challenge is of another length than the card's protocol has.
    #[error(
        "the card speaks with challenges of {answered} bytes, {sent} were sent: its card recognition data should say so; try with \
         {answered}"
    )]
    ChallengeLength {
        /// Length that was sent, in bytes.
        sent: usize,
        /// Length in the answer, in bytes.
        answered: usize,
    },
    /// The card took another key set than the one that was asked for.
    #[error("key version number at offset 10: expected {expected:02X} as asked for, the card gave {actual:02X}")]
    KeyVersion {
        /// Version asked for.
        expected: u8,
        /// Version in the answer.
        actual: u8,
    },
    /// The answer is no well-formed TLV.
    #[error("expected BER-TLV: {0}")]
    Tlv(#[from] tlv::TlvError),
    /// The answer lacks a data object.
    #[error("no data object {tag} in the template at offset {offset}")]
    Missing {
        /// The tag.
        tag: tlv::Tag,
        /// Where the template begins, in bytes from the start of the answer.
        offset: usize,
    },
    /// The card challenge is not the pseudo-random one that card and key set must give.
    #[error("the card challenge is not the pseudo-random one of this key set and security domain")]
    Challenge,
    /// The receipt of SCP11 is not the one of this session: whoever answered does not have the private key of the card's
    /// certificate, or something was altered on the way. No channel is open.
    #[error("the receipt does not verify: the card does not have the key of its certificate; no channel is open")]
    SessionReceipt,
    /// A public key in the answer is no point of the curve.
    #[error("no public key of {curve} at offset {offset}")]
    PublicKey {
        /// The curve.
        curve: cardwright_keys::EcCurve,
        /// Where it begins, in bytes from the start of the answer.
        offset: usize,
    },
    /// The card computed another check value for a key that was sent to it.
    #[error("check value of key {kid}: expected {expected}, the card gave {actual}")]
    KeyCheckValue {
        /// Key identifier.
        kid: u8,
        /// What the key service computed.
        expected: KeyCheckValue,
        /// What the card answered.
        actual: KeyCheckValue,
    },
    /// The receipt is not the one that this key makes for what was done.
    #[error("the receipt is not that of this key for what was done: expected {expected} bytes, the card gave {actual}")]
    Receipt {
        /// Length of the right one, in bytes.
        expected: usize,
        /// Length of the card's, in bytes; 0 where it gave none.
        actual: usize,
    },
    /// The protection of the response is wrong; the secure channel is closed.
    #[error("response protection: {0}; the secure channel is closed")]
    Protection(ResponseFault),
    /// The card sends page after page without an end.
    #[error("more than {limit} bytes or pages without an end")]
    Endless {
        /// The most that is read.
        limit: usize,
    },
}

/// A secure channel cannot be used this way, or not any more.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// A command is under way; its response comes first.
    #[error("the response to the command before is missing")]
    Outstanding,
    /// There is no command whose response this could be.
    #[error("no command waits for a response")]
    NotOutstanding,
    /// The channel is closed, and why.
    #[error("the secure channel is closed: {reason}")]
    Closed {
        /// What closed it.
        reason: ClosedBy,
    },
    /// The command is too long to be protected.
    #[error("a command protected at this level carries at most {limit} bytes of data, not {actual}")]
    TooLong {
        /// Nc, in bytes.
        actual: usize,
        /// The most at this security level, in bytes.
        limit: usize,
    },
    /// The protected response is wrong; the channel is closed.
    #[error("response protection: {fault}; the secure channel is closed")]
    Response {
        /// What is wrong.
        fault: ResponseFault,
    },
    /// This security level does not exist in the protocol, or not on this card.
    #[error("security level {level:02X} is not possible with {protocol} here")]
    Level {
        /// The level.
        level: u8,
        /// The protocol.
        protocol: &'static str,
    },
    /// The protected command cannot be coded.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Why a secure channel is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClosedBy {
    /// A response did not verify.
    #[error("a response did not verify")]
    Response,
    /// The link to the card failed; command counters are lost.
    #[error("the link to the card failed")]
    Transport,
    /// The card refused a command in front of the last of a chain: the MACs have lost count.
    #[error("a chain of commands was broken off")]
    Chain,
    /// The caller closed it, or selected something else.
    #[error("it was left")]
    Left,
}

/// What is wrong with a protected response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResponseFault {
    /// No room for an R-MAC.
    #[error("R-MAC missing, expected at least {expected} bytes, got {actual}")]
    MacMissing {
        /// Length of an R-MAC, in bytes.
        expected: usize,
        /// Length of the response data, in bytes.
        actual: usize,
    },
    /// The R-MAC is wrong.
    #[error("wrong R-MAC at offset {offset}, expected that of this session")]
    Mac {
        /// Where it begins, in bytes from the start of the response data.
        offset: usize,
    },
    /// Data in front of a status word that carries none (Amd D 6.2.5).
    #[error("{actual} unprotected bytes with an error status")]
    Unprotected {
        /// Length of the response data, in bytes.
        actual: usize,
    },
    /// Enciphered data whose length is no multiple of the block.
    #[error("{actual} enciphered bytes are no multiple of 16")]
    CipherLength {
        /// Length of the enciphered data, in bytes.
        actual: usize,
    },
    /// The padding is wrong.
    #[error("wrong padding in enciphered data")]
    Padding,
}

/// What a status word means in answer to this command, where that is more than [`StatusWord::meaning`] says.
#[must_use]
pub fn explain(command: &str, sw: StatusWord) -> Option<&'static str> {
    if let Some(refusal) = OpenRefusal::of(command, sw).filter(|refusal| *refusal != OpenRefusal::Rejected) {
        return Some(refusal.words());
    }
    let sw = sw.0;
    Some(match (command, sw) {
        ("SELECT", 0x6A82) => "no application or security domain of this AID on the card",
        ("SELECT", 0x6283) => "the card is locked: only its security domain answers",
        ("SELECT", 0x6A81 | 0x6999) => "the application is there but cannot be selected: locked or blocked",
        ("SELECT", 0x6982) => "the card refuses to select: it may be locked or terminated",
        ("EXTERNAL AUTHENTICATE", 0x6300) => "the card rejects the host cryptogram: wrong keys",
        ("EXTERNAL AUTHENTICATE", 0x6982 | 0x6988) => "the card rejects the MAC",
        ("PERFORM SECURITY OPERATION", 0x6982 | 0x6A80) => "the card does not accept the host's certificate",
        ("PERFORM SECURITY OPERATION", 0x6A88) => "the card has no CA key of this version and identifier",
        ("MUTUAL AUTHENTICATE" | "INTERNAL AUTHENTICATE", 0x6A88) => {
            "the card has no key of this version and identifier"
        }
        ("MUTUAL AUTHENTICATE", 0x6985 | 0x6982) => "the card has verified no certificate of the host before",
        ("INSTALL [for load]", 0x6985) => "a load file of this AID is there already",
        ("INSTALL [for load]" | "LOAD", 0x6A84) => "not enough memory on the card: delete something first",
        ("INSTALL [for load]", 0x6A80) => "the card does not accept the load parameters, or has the load file already",
        ("LOAD", 0x6985 | 0x6438) => "the load file does not fit the card: an imported package is missing or too old",
        ("LOAD", 0x6A80) => "the card does not accept the load file: format or imports",
        ("LOAD", 0x6A86) => "the card expects another block number",
        ("INSTALL [for install and make selectable]" | "INSTALL [for install]", 0x6985) => {
            "an application of this AID is there already, or the application refused its parameters"
        }
        ("INSTALL [for install and make selectable]" | "INSTALL [for install]", 0x6A80) => {
            "the application refused its parameters, or the AID is in use"
        }
        ("INSTALL [for install and make selectable]" | "INSTALL [for install]", 0x6A88) => {
            "no such load file or module on the card"
        }
        (
            "INSTALL [for load]"
            | "INSTALL [for install]"
            | "INSTALL [for install and make selectable]"
            | "DELETE"
            | "PUT KEY",
            0x6A86,
        ) => "the card does not know P1 or P2; of data above 255 bytes, it does not chain commands, or not so many",
        ("DELETE", 0x6985) => "something on the card depends on it",
        ("DELETE", 0x6A88 | 0x6A82) => "there is nothing of this AID",
        ("PUT KEY", 0x6A80) => "the card does not accept the key data or a check value",
        ("PUT KEY", 0x6A88) => "the card has no key set of the version to be replaced",
        ("PUT KEY", 0x6A84) => "no room for another key set",
        ("SET STATUS", 0x6985 | 0x6A80) => "this change of the life cycle is not possible",
        ("WRITE KEY", 0x6988) => "the card rejects the MAC",
        ("WRITE KEY", 0x6982) => "the card master key was not authenticated",
        (_, 0x6982) => "not allowed without, or in this, secure channel",
        _ => return None,
    })
}

fn hint(command: &str, sw: StatusWord) -> alloc::string::String {
    explain(command, sw).map_or_else(Default::default, |words| alloc::format!(": {words}"))
}
