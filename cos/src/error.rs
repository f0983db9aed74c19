use cardwright_apdu::{ByteCount, Delivery, StatusWord, TransportError};
use cardwright_keys::KeyError;
use thiserror::Error;

use crate::cpu::Counted;
use crate::profile::CommandError;
use crate::purse::OpenLoadError;

/// Why an operation on a native card did not succeed, by who is at fault.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The card does not accept the key: its retry counter is now lower.
    #[error("EXTERNAL AUTHENTICATE: the card rejects the key: {}", match .tries_left {
        Some(0) => "no try is left, the key is locked".into(),
        Some(n) => alloc::format!("{n} tries are left"),
        None => "how many tries are left it does not say".into(),
    })]
    WrongKey {
        /// Further tries, where the card says it.
        tries_left: Option<u8>,
    },
    /// The key is locked: its retry counter is used up.
    #[error("EXTERNAL AUTHENTICATE: the key is locked on the card")]
    Locked,
    /// One more wrong try would lock it for ever: nothing was sent.
    #[error("{of}: one try is left, and one that fails locks it for ever; nothing was sent")]
    LastTry {
        /// What is counted.
        of: Counted,
    },
    /// The card refused a MAC: nothing that has one is sent any more, since a few of these lock the card for ever.
    #[error(
        "{command}: the card refused a MAC; nothing with a MAC is sent any more: check the key first, three such answers lock a card"
    )]
    MacRefused {
        /// The command's name.
        command: &'static str,
    },
    /// The MAC of a response is missing or wrong: its data are not used.
    #[error("{command}: the MAC of the response is missing or wrong")]
    ResponseMac {
        /// The command's name.
        command: &'static str,
    },
    /// The command with its MAC is longer than the card takes.
    #[error("{command}: {} of data with the MAC, the card takes {limit}", ByteCount(*actual))]
    TooLong {
        /// The command's name.
        command: &'static str,
        /// Length of the data field, in bytes.
        actual: usize,
        /// The most, in bytes.
        limit: usize,
    },
    /// The profile has no such command, or its fields do not fit.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The card refused a command.
    #[error("{command}: {sw}")]
    Refused {
        /// The command's name.
        command: &'static str,
        /// The card's status.
        sw: StatusWord,
    },
    /// The card answered something that the standard does not allow.
    #[error("{command}: expected {expected}, the card gave {}", ByteCount(*actual))]
    Length {
        /// The command's name.
        command: &'static str,
        /// What the standard wants.
        expected: &'static str,
        /// Length of the answer, in bytes.
        actual: usize,
    },
    /// A MAC of the card's does not verify: another card, another key, or a damaged answer.
    #[error("{command}: the card's {what} does not verify: nothing that it says is believed")]
    Mac {
        /// The command's name.
        command: &'static str,
        /// MAC1, MAC2, MAC3 or TAC.
        what: &'static str,
    },
    /// The card's key is for another algorithm than the profile says.
    #[error("{command}: the card's key has algorithm {actual:02X}, the profile says {expected:02X}")]
    Algorithm {
        /// The command's name.
        command: &'static str,
        /// The profile's.
        expected: u8,
        /// The card's.
        actual: u8,
    },
    /// A load that must not be begun.
    #[error(transparent)]
    Load(#[from] OpenLoadError),
    /// The purse holds less than is to be taken out of it.
    #[error("the purse holds {balance}, which is less than {amount}")]
    Insufficient {
        /// What it holds.
        balance: u32,
        /// What is to be taken.
        amount: u32,
    },
    /// A transaction type that the procedure does not have.
    #[error("there is no purchase of transaction type {transaction_type:02X}")]
    TransactionType {
        /// TT.
        transaction_type: u8,
    },
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
}

impl Error {
    /// Whether the outcome of the command is not known: the card may have executed it.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Transport { source, .. } if source.delivery == Delivery::Unknown)
    }
}
