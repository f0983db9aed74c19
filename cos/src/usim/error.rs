use cardwright_apdu::{ByteCount, Delivery, StatusWord, TransportError};
use cardwright_keys::KeyError;
use thiserror::Error;

use super::field::FieldError;
use super::file::FilePath;

/// Why an operation on a SIM did not succeed, by who is at fault.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SimError {
    /// A value of the order does not fit its field, or the card's file.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The card has no such file.
    #[error("SELECT {path}: the card has no such file ({sw})")]
    NoFile {
        /// The file.
        path: FilePath,
        /// The card's status.
        sw: StatusWord,
    },
    /// The card refused a command.
    #[error("{command}: {}", words(*sw))]
    Refused {
        /// The command's name.
        command: &'static str,
        /// The card's status.
        sw: StatusWord,
    },
    /// The card answered something that the standard does not allow.
    #[error("{command}: expected {expected} at offset {offset}, the card gave {}", ByteCount(*actual))]
    Answer {
        /// The command's name.
        command: &'static str,
        /// What the standard wants.
        expected: &'static str,
        /// Where, from 0, in bytes.
        offset: usize,
        /// Length of the answer, in bytes.
        actual: usize,
    },
    /// The file is of another structure than what is to be written.
    #[error("{path}: {expected} wanted, the card has another kind of file there")]
    Structure {
        /// The file.
        path: FilePath,
        /// What was wanted.
        expected: &'static str,
    },
    /// What was read back is not what was written.
    #[error("{path}: what is read back differs from what was written, at offset {offset}")]
    ReadBack {
        /// The file.
        path: FilePath,
        /// First byte that differs, from 0.
        offset: usize,
    },
    /// The card did not accept the ADM key: its retry counter is now lower.
    #[error("VERIFY: the card rejects the ADM key: {}", match .tries_left {
        Some(0) => "no try is left, the card cannot be administered any more".into(),
        Some(n) => alloc::format!("{n} tries are left"),
        None => "how many tries are left it does not say".into(),
    })]
    WrongAdm {
        /// Further tries, where the card says it.
        tries_left: Option<u8>,
    },
    /// The ADM key is blocked.
    #[error("VERIFY: the ADM key is blocked on the card")]
    AdmBlocked,
    /// The profile has no entry for what is to be written: how the card takes it is not known.
    #[error("profile {profile:?} has no entry for {what}: how such a card takes it is not known, and nothing was sent")]
    NoEntry {
        /// The profile.
        profile: alloc::string::String,
        /// What was to be written.
        what: &'static str,
    },
    /// The profile's entry wants a value that the order does not have.
    #[error("profile {profile:?} writes {what} as well, and the order has none")]
    Missing {
        /// The profile.
        profile: alloc::string::String,
        /// What is missing.
        what: &'static str,
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

impl SimError {
    /// Whether the outcome of the command is not known: the card may have executed it.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Transport { source, .. } if source.delivery == Delivery::Unknown)
    }
}

/// The status in words; those of a SIM (TS 51.011 9.4) are other than those of ISO 7816-4.
fn words(sw: StatusWord) -> alloc::string::String {
    let meaning = match sw.0 {
        0x9240 => "memory problem",
        0x9400 => "no file is selected",
        0x9402 => "address out of range",
        0x9404 => "file not found",
        0x9408 => "the file does not fit the command",
        0x9802 => "no such secret code",
        0x9804 => "access condition not fulfilled",
        0x9808 => "contradiction with the state of the secret code",
        0x9810 => "contradiction with the state of invalidation",
        0x9840 => "secret code blocked",
        0x9850 => "increase cannot be performed",
        0x9862 => "authentication error, the MAC is not the card's",
        _ => return alloc::format!("{sw}"),
    };
    alloc::format!("{:04X} ({meaning})", sw.0)
}
