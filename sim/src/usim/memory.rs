//! The non-volatile memory of a USIM: directories, files, secrets.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::config::Config;

pub(super) const MF: u16 = 0x3F00;
pub(super) const TELECOM: u16 = 0x7F10;
pub(super) const GSM: u16 = 0x7F20;
/// The vendor's directory of SJA2.
pub(super) const SYSTEM: u16 = 0xA515;
/// What the current application is called by as a file (TS 102 221 8.4.1).
pub(super) const ADF: u16 = 0x7FFF;

#[derive(Clone, Encode, Decode)]
pub(super) struct Memory {
    #[n(0)]
    pub(super) config: Config,
    #[n(1)]
    pub(super) directories: Vec<Directory>,
    /// Contents of elementary files; several directories may have the same one.
    #[n(2)]
    pub(super) files: Vec<File>,
    #[n(3)]
    pub(super) secrets: Vec<Secret>,
    /// The highest SEQ accepted for each IND (TS 33.102 C.1.1.1, C.2.2).
    #[n(4)]
    pub(super) sequences: Vec<u64>,
}

#[derive(Clone, Encode, Decode)]
pub(super) struct Directory {
    #[n(0)]
    pub(super) identifier: u16,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(super) aid: Vec<u8>,
    #[n(2)]
    pub(super) entries: Vec<Entry>,
}

#[derive(Clone, Copy, Encode, Decode)]
pub(super) struct Entry {
    #[n(0)]
    pub(super) identifier: u16,
    /// Short file identifier; 00 for none.
    #[n(1)]
    pub(super) short: u8,
    /// Place in [`Memory::files`].
    #[n(2)]
    pub(super) file: u32,
}

#[derive(Clone, Encode, Decode)]
pub(super) struct File {
    #[n(0)]
    pub(super) read: Access,
    #[n(1)]
    pub(super) update: Access,
    #[n(2)]
    pub(super) content: Content,
}

#[derive(Clone, Encode, Decode)]
pub(super) enum Content {
    #[n(0)]
    Transparent(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Linear fixed.
    #[n(1)]
    Records(#[n(0)] Vec<ByteVec>),
}

/// Who may do something with a file.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) enum Access {
    #[n(0)]
    Always,
    #[n(1)]
    Pin,
    #[n(2)]
    Adm,
    #[n(3)]
    Never,
}

impl Access {
    /// As half a byte (TS 51.011 9.3).
    pub(super) fn gsm(self) -> u8 {
        match self {
            Self::Always => 0x0,
            Self::Pin => 0x1,
            Self::Adm => 0x4,
            Self::Never => 0xF,
        }
    }
}

/// A PIN or an administrative code.
#[derive(Clone, Encode, Decode)]
pub(super) struct Secret {
    /// P2 of VERIFY.
    #[n(0)]
    pub(super) reference: u8,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(super) value: [u8; 8],
    #[n(2)]
    pub(super) tries: u8,
    #[n(3)]
    pub(super) most_tries: u8,
    #[n(4)]
    pub(super) enabled: bool,
    /// PUK and its tries; an administrative code has none.
    #[n(5)]
    pub(super) unblock: Option<Unblock>,
}

#[derive(Clone, Encode, Decode)]
pub(super) struct Unblock {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) value: [u8; 8],
    #[n(1)]
    pub(super) tries: u8,
}

/// Tries of a PUK (TS 31.101 9.5.2).
pub(super) const PUK_TRIES: u8 = 10;

impl Content {
    /// Size, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Transparent(data) => data.len(),
            Self::Records(records) => records.iter().map(|record| record.len()).sum(),
        }
    }
}

impl Memory {
    pub(super) fn entry(&self, directory: usize, fits: impl Fn(&Entry) -> bool) -> Option<Entry> {
        self.directories.get(directory)?.entries.iter().find(|entry| fits(entry)).copied()
    }

    pub(super) fn file(&self, entry: Entry) -> Option<&File> {
        self.files.get(entry.file as usize)
    }

    pub(super) fn file_mut(&mut self, entry: Entry) -> Option<&mut File> {
        self.files.get_mut(entry.file as usize)
    }

    /// A transparent file by directory and file identifier.
    pub(super) fn transparent(&self, directory: u16, identifier: u16) -> Option<&[u8]> {
        let at = self.directories.iter().position(|found| found.identifier == directory)?;
        match &self.file(self.entry(at, |entry| entry.identifier == identifier)?)?.content {
            Content::Transparent(data) => Some(data),
            Content::Records(_) => None,
        }
    }

    pub(super) fn secret(&self, reference: u8) -> Option<&Secret> {
        self.secrets.iter().find(|secret| secret.reference == reference)
    }

    pub(super) fn secret_mut(&mut self, reference: u8) -> Option<&mut Secret> {
        self.secrets.iter_mut().find(|secret| secret.reference == reference)
    }
}
