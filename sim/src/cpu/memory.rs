//! The non-volatile memory of a CPU card: directories, elementary files, keys.

use cardwright_apdu::StatusWord;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use super::config::Config;
use super::key::Key;
use super::purse::Purse;

/// File identifier of the MF.
pub(super) const MF: u16 = 0x3F00;
/// Bytes that the header of a file takes (general manual 4.2).
pub(super) const HEADER: u64 = 11;
/// How deep directories go: MF, DDF, ADF.
pub(super) const LEVELS: usize = 3;

#[derive(Clone, Encode, Decode)]
pub(super) struct Memory {
    #[n(0)]
    pub(super) config: Config,
    /// How often random bytes were drawn.
    #[n(1)]
    draws: u64,
    /// The MF first; without it the card is blank.
    #[n(2)]
    pub(super) directories: Vec<Directory>,
    /// CARD BLOCK.
    #[n(3)]
    pub(super) blocked: bool,
}

/// MF, DDF or ADF.
#[derive(Clone, Encode, Decode)]
pub(super) struct Directory {
    /// Never given twice while the card lives.
    #[n(0)]
    pub(super) number: u32,
    /// Number of the directory that it is in; its own for the MF.
    #[n(1)]
    pub(super) parent: u32,
    #[n(2)]
    pub(super) identifier: u16,
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(super) name: Vec<u8>,
    #[n(4)]
    pub(super) space: u16,
    #[n(5)]
    pub(super) create: u8,
    #[n(6)]
    pub(super) erase: u8,
    /// `100xxxxx`: SELECT gives file `xxxxx`; else the short identifier of the directory file.
    #[n(7)]
    pub(super) told: u8,
    #[n(8)]
    pub(super) keys: Option<KeyFile>,
    #[n(9)]
    pub(super) files: Vec<File>,
    #[n(10)]
    pub(super) lock: Lock,
}

#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) enum Lock {
    #[n(0)]
    Open,
    #[n(1)]
    Temporary,
    #[n(2)]
    Permanent,
}

#[derive(Clone, Encode, Decode)]
pub(super) struct KeyFile {
    #[n(0)]
    pub(super) identifier: u16,
    #[n(1)]
    pub(super) space: u16,
    #[n(2)]
    pub(super) add: u8,
    #[n(3)]
    pub(super) keys: Vec<Key>,
}

/// An elementary file but the key file.
#[derive(Clone, Encode, Decode)]
pub(super) struct File {
    #[n(0)]
    pub(super) identifier: u16,
    /// Upper two bits of the file type: 80 writing needs a MAC, 40 it needs to be enciphered.
    #[n(1)]
    pub(super) protection: u8,
    /// For a purse: the right to use it.
    #[n(2)]
    pub(super) read: u8,
    #[n(3)]
    pub(super) write: u8,
    /// Last byte of the body of CREATE FILE: which line protection keys; for a purse the short identifier of its log.
    #[n(4)]
    pub(super) last: u8,
    /// The check sum over the contents is right: they were written, and no write was torn.
    #[n(5)]
    pub(super) sound: bool,
    #[n(6)]
    pub(super) content: Content,
}

#[derive(Clone, Encode, Decode)]
pub(super) enum Content {
    #[n(0)]
    Binary(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Records of one length, in the order of their numbers.
    #[n(1)]
    Fixed {
        #[n(0)]
        count: u8,
        #[n(1)]
        length: u8,
        #[n(2)]
        records: Vec<ByteVec>,
    },
    /// Records that are data objects with a tag and a length of one byte each.
    #[n(2)]
    Variable {
        #[n(0)]
        space: u16,
        #[n(1)]
        records: Vec<ByteVec>,
    },
    /// Records of one length, the newest first.
    #[n(3)]
    Cyclic {
        #[n(0)]
        count: u8,
        #[n(1)]
        length: u8,
        #[n(2)]
        records: Vec<ByteVec>,
    },
    #[n(4)]
    Purse(#[n(0)] Purse),
}

impl Content {
    /// Bytes that the body takes (general manual 4.2, special manual 1.3.3).
    fn space(&self) -> u64 {
        match self {
            Self::Binary(data) => data.len() as u64,
            Self::Fixed { count, length, .. } | Self::Cyclic { count, length, .. } => {
                u64::from(*count) * (u64::from(*length) + 1)
            }
            Self::Variable { space, .. } => u64::from(*space),
            Self::Purse(_) => 22,
        }
    }
}

impl File {
    pub(super) fn space(&self) -> u64 {
        HEADER + self.content.space()
    }

    /// The line protection key for reading (`read`) or writing (special manual 1.3.3).
    pub(super) fn line_key(&self, read: bool) -> u8 {
        let bits = if read { self.last >> 2 } else { self.last };
        3 - (bits & 3)
    }
}

impl Directory {
    pub(super) fn file(&self, identifier: u16) -> Result<&File, StatusWord> {
        self.files.iter().find(|file| file.identifier == identifier).ok_or(StatusWord::FILE_NOT_FOUND)
    }

    pub(super) fn file_mut(&mut self, identifier: u16) -> Result<&mut File, StatusWord> {
        self.files.iter_mut().find(|file| file.identifier == identifier).ok_or(StatusWord::FILE_NOT_FOUND)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_none() && self.files.is_empty()
    }

    /// A key by type and identifier.
    pub(super) fn key(&self, kind: u8, identifier: u8) -> Option<&Key> {
        self.keys.as_ref()?.keys.iter().find(|key| key.is(kind, identifier))
    }

    pub(super) fn key_mut(&mut self, kind: u8, identifier: u8) -> Option<&mut Key> {
        self.keys.as_mut()?.keys.iter_mut().find(|key| key.is(kind, identifier))
    }

    /// Bytes taken by the directory and what is in it, but its directories.
    pub(super) fn own_space(&self) -> u64 {
        let keys = self.keys.as_ref().map_or(0, |keys| HEADER + u64::from(keys.space));
        HEADER + self.name.len() as u64 + keys + self.files.iter().map(File::space).sum::<u64>()
    }
}

impl Memory {
    pub(super) fn new(config: Config) -> Self {
        Self { config, draws: 0, directories: Vec::new(), blocked: false }
    }

    /// Random bytes, the same for the same seed and number of draws: `SHA-256(words ‖ seed ‖ draw)`.
    pub(super) fn random(&mut self) -> [u8; 16] {
        self.draws = self.draws.wrapping_add(1);
        let digest = Sha256::new()
            .chain_update(b"CPU card randomness")
            .chain_update(self.config.seed.to_be_bytes())
            .chain_update(self.draws.to_be_bytes())
            .finalize();
        digest.first_chunk().copied().unwrap_or_default()
    }

    /// A directory by number; without, the card has no MF.
    pub(super) fn directory(&self, number: u32) -> Result<&Directory, StatusWord> {
        let found = self.directories.iter().find(|directory| directory.number == number);
        found.ok_or(StatusWord::FUNCTION_NOT_SUPPORTED)
    }

    pub(super) fn directory_mut(&mut self, number: u32) -> Result<&mut Directory, StatusWord> {
        let found = self.directories.iter_mut().find(|directory| directory.number == number);
        found.ok_or(StatusWord::FUNCTION_NOT_SUPPORTED)
    }

    /// Directories that lie in this one, not in one of them.
    pub(super) fn children(&self, number: u32) -> impl Iterator<Item = &Directory> {
        self.directories.iter().filter(move |directory| directory.parent == number && directory.number != number)
    }

    /// How deep a directory lies: 1 for the MF.
    pub(super) fn level(&self, number: u32) -> usize {
        let mut at = number;
        for level in 1..=LEVELS {
            match self.directory(at) {
                Ok(directory) if directory.parent != at => at = directory.parent,
                _ => return level,
            }
        }
        LEVELS + 1
    }

    /// Bytes taken by a directory and all that is below it.
    pub(super) fn taken(&self, number: u32) -> u64 {
        self.below(number).iter().filter_map(|number| self.directory(*number).ok()).map(Directory::own_space).sum()
    }

    /// A directory and all directories below it, from the outer to the inner ones.
    pub(super) fn below(&self, number: u32) -> Vec<u32> {
        let mut found = vec![number];
        for _ in 0..LEVELS {
            for directory in &self.directories {
                if found.contains(&directory.parent) && !found.contains(&directory.number) {
                    found.push(directory.number);
                }
            }
        }
        found
    }

    /// A number that no directory had.
    pub(super) fn next_number(&self) -> u32 {
        self.directories.iter().map(|directory| directory.number).max().map_or(0, |number| number.saturating_add(1))
    }
}
