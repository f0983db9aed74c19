//! Why a USIM refuses a command, and how its two classes say so.

use cardwright_apdu::StatusWord;

/// Why a command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotFound,
    /// No elementary file is selected.
    NoFile,
    /// The command does not fit the selected file.
    Incompatible,
    Security,
    /// A code was wrong; so many tries are left.
    Wrong(u8),
    Blocked,
    /// There is no such code, or it is not enabled.
    NoCode,
    Length,
    /// The length would have to be this.
    LengthOf(usize),
    Parameters,
    /// Offset or record outside the file.
    Outside,
    Data,
    Instruction,
    Class,
    /// The MAC of AUTHENTICATE is wrong.
    Authentication,
    Memory,
}

impl From<StatusWord> for Refusal {
    /// Power fails in the middle of a write; no host sees this.
    fn from(_: StatusWord) -> Self {
        Self::Memory
    }
}

impl Refusal {
    /// Status word of a UICC (TS 102 221 10.2.1, TS 31.102 7.3).
    pub(super) fn uicc(self) -> StatusWord {
        match self {
            Self::NotFound => StatusWord::FILE_NOT_FOUND,
            Self::NoFile => StatusWord::COMMAND_NOT_ALLOWED,
            Self::Incompatible => StatusWord::INCOMPATIBLE_FILE,
            Self::Security => StatusWord::SECURITY_NOT_SATISFIED,
            Self::Wrong(left) => StatusWord(0x63C0 | u16::from(left)),
            Self::Blocked => StatusWord::AUTHENTICATION_BLOCKED,
            Self::NoCode => StatusWord::REFERENCED_DATA_NOT_FOUND,
            Self::Length => StatusWord::WRONG_LENGTH,
            Self::LengthOf(length) => StatusWord(0x6C00 | length as u16 & 0xFF),
            Self::Parameters => StatusWord::INCORRECT_P1_P2,
            Self::Outside => StatusWord::WRONG_P1_P2,
            Self::Data => StatusWord::WRONG_DATA,
            Self::Instruction => StatusWord::INS_NOT_SUPPORTED,
            Self::Class => StatusWord::CLA_NOT_SUPPORTED,
            Self::Authentication => StatusWord(0x9862),
            Self::Memory => StatusWord::MEMORY_FAILURE,
        }
    }

    /// Status word of a SIM (TS 51.011 9.4).
    pub(super) fn gsm(self) -> StatusWord {
        StatusWord(match self {
            Self::NotFound => 0x9404,
            Self::NoFile => 0x9400,
            Self::Incompatible => 0x9408,
            Self::Wrong(0) | Self::Blocked => 0x9840,
            Self::Security | Self::Wrong(_) => 0x9804,
            Self::NoCode => 0x9802,
            Self::Length => 0x6700,
            Self::LengthOf(length) => 0x6700 | length as u16 & 0xFF,
            Self::Parameters => 0x6B00,
            Self::Outside => 0x9402,
            Self::Data => 0x6F00,
            Self::Instruction => 0x6D00,
            Self::Class => 0x6E00,
            Self::Authentication => 0x9804,
            Self::Memory => 0x9240,
        })
    }
}
