//! Load Files: what a CAP file holds, and the LOAD blocks that carry it to a card.
//!
//! A [`CapFile`] is read from bytes that nobody vouches for, checked, and turned into a [`LoadFile`]: the Load File Data
//! Block together with the choice whether the Descriptor component is in it. Hash, signature and blocks are all taken
//! from that one value, so a hash over one choice can never go with the blocks of the other.
//!
//! ```no_run
//! use cardwright_gp::load_file::{CapFile, DescriptorPolicy, HashAlgorithm};
//! # fn file() -> Vec<u8> { Vec::new() }
//!
//! let cap = CapFile::parse(&file())?;
//! let load_file = cap.to_load_file(DescriptorPolicy::Omit)?;
//! let hash = load_file.hash(HashAlgorithm::Sha256);
//! assert_eq!(hash.as_bytes().len(), 32);
//! for block in load_file.blocks(239)? {
//!     println!("LOAD P1={:02X} P2={:02X}, {} bytes", block.p1, block.p2, block.data.len());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Limits: CAP files of the compact format (versions 2.1 to 2.3); the extended format of Java Card 3.1 is refused.
//! Load files are sent in clear (`C4`), not as a Ciphered Load File Data Block (`D4`).

#[cfg(feature = "std")]
mod archive;
mod cap;
mod component;
mod component_set;
mod error;
mod hash;
mod items;
mod reader;

use alloc::vec::Vec;

use cardwright_apdu::tlv::{self, Tag};
use cardwright_apdu::{Aid, ByteCount};
use thiserror::Error;

pub use cap::{CapApplet, CapFile, CapFlags, CapFormat, CapImport, CapResource, PackageVersion};
pub use component::Component;
pub use error::{ArchiveFault, CapError};
pub use hash::{HashAlgorithm, LoadFileDataBlockHash};

/// Whether the Descriptor component is part of the Load File Data Block.
///
/// A card without an on-card verifier has no use for it: it makes up 13 to 30 per cent of a file. Debug is never sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DescriptorPolicy {
    /// Leaves it out, as the tools of the field do.
    #[default]
    Omit,
    /// Sends it, as the last component.
    Send,
}

/// A load file that cannot be made or cut as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoadFileError {
    /// The Descriptor component is to be sent, and the CAP file has none.
    #[error("the Descriptor component is to be sent, but the CAP file has none")]
    DescriptorAbsent,
    /// A LOAD block has 1 to 255 bytes (GPCS 11.1.5: short message lengths), or 65535 with extended length.
    #[error("a LOAD block has 1 to 255 bytes, or up to 65535 with extended length, not {actual}")]
    BlockLength {
        /// Block length asked for, in bytes.
        actual: usize,
    },
    /// The Load File Data Block Hash is not that of this load file by any algorithm.
    #[error("the load file data block hash of {} is not that of the load file", ByteCount(*actual))]
    WrongHash {
        /// Its length, in bytes.
        actual: usize,
    },
    /// Block numbers are one byte (GPCS 11.6.2.2).
    #[error(
        "the load file of {length} bytes takes {blocks} LOAD blocks of {}, but a card can be sent at most {limit}",
        ByteCount(*max_block_len)
    )]
    TooManyBlocks {
        /// Length of the load file, in bytes.
        length: usize,
        /// Block length asked for, in bytes.
        max_block_len: usize,
        /// Number of blocks that it would take.
        blocks: usize,
        /// Largest number of blocks.
        limit: usize,
    },
}

/// A Load File (GPCS 11.6.2.3): the Load File Data Block of one Executable Load File, and how it was put together.
#[derive(Clone, PartialEq, Eq)]
pub struct LoadFile {
    aid: Aid,
    descriptor: DescriptorPolicy,
    // The whole Load File: E2 data objects, then C4, or D3 and D4.
    bytes: Vec<u8>,
    // Where C4, or D3 and D4, begin.
    body_offset: usize,
    data_block_offset: usize,
    // The data block in clear, where what is sent is enciphered.
    plain: Option<Vec<u8>>,
}

impl LoadFile {
    /// Largest number of LOAD commands: P2 counts from 00 to FF (GPCS 11.6.2.2).
    pub const MAX_BLOCKS: usize = 256;

    pub(crate) fn new(aid: Aid, descriptor: DescriptorPolicy, data_block: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(data_block.len() + 6);
        tlv::push(&mut bytes, Tag(0xC4), data_block);
        let data_block_offset = bytes.len() - data_block.len();
        Self { aid, descriptor, bytes, body_offset: 0, data_block_offset, plain: None }
    }

    /// AID of the Executable Load File: the package AID.
    #[must_use]
    pub fn aid(&self) -> Aid {
        self.aid
    }

    /// Whether the Descriptor component is in it.
    #[must_use]
    pub fn descriptor_policy(&self) -> DescriptorPolicy {
        self.descriptor
    }

    /// The Load File Data Block, in clear: what a hash or a signature is computed over.
    #[must_use]
    pub fn data_block(&self) -> &[u8] {
        self.plain.as_deref().unwrap_or(&self.bytes[self.data_block_offset..])
    }

    /// The whole Load File, with its tags and lengths: what the LOAD commands carry.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Load File Data Block Hash (GPCS C.2): the digest of [`data_block`](Self::data_block), without tag and length.
    #[must_use]
    pub fn hash(&self, algorithm: HashAlgorithm) -> LoadFileDataBlockHash {
        LoadFileDataBlockHash::digest(algorithm, self.data_block())
    }

    /// Whether there is a DAP Block in front of the Load File Data Block.
    #[must_use]
    pub fn has_dap_blocks(&self) -> bool {
        self.bytes.first() == Some(&0xE2)
    }

    /// Puts a DAP Block (`E2`, GPCS table 11-58) in front of the Load File Data Block, behind those already there.
    ///
    /// `signature` is the Load File Data Block Signature over the bytes of this value's [`hash`](Self::hash), by the scheme of the
    /// key (GPCS C.3, table C-1): where the scheme begins with a hash of its own, as those of RSA and ECC do, it hashes that hash.
    /// [`procedure::sign_load_file`](crate::procedure::sign_load_file) asks a key service for it.
    #[must_use]
    pub fn with_dap_block(mut self, security_domain: Aid, signature: &[u8]) -> Self {
        let mut content = Vec::new();
        tlv::push(&mut content, Tag(0x4F), security_domain.as_bytes());
        tlv::push(&mut content, Tag(0xC3), signature);
        let mut dap_block = Vec::new();
        tlv::push(&mut dap_block, Tag(0xE2), &content);
        self.bytes.splice(self.body_offset..self.body_offset, dap_block.iter().copied());
        self.body_offset += dap_block.len();
        self.data_block_offset += dap_block.len();
        self
    }

    /// Whether the Load File Data Block is sent enciphered.
    #[must_use]
    pub fn is_ciphered(&self) -> bool {
        self.plain.is_some()
    }

    /// Puts the enciphered Load File Data Block (`D4`, with its ICV in `D3` where that is not of zeros; GPCS table 11-58, C.6) in the place
    /// of the one in clear, over which hash and signatures remain. Untested on silicon.
    /// [`procedure::cipher_load_file`](crate::procedure::cipher_load_file) asks a key service for it.
    #[must_use]
    pub(crate) fn with_cipher(mut self, icv: &[u8], cipher: &[u8]) -> Self {
        let plain = self.data_block().to_vec();
        self.bytes.truncate(self.body_offset);
        if !icv.is_empty() {
            tlv::push(&mut self.bytes, Tag(0xD3), icv);
        }
        tlv::push(&mut self.bytes, Tag(0xD4), cipher);
        self.data_block_offset = self.bytes.len() - cipher.len();
        self.plain = Some(plain);
        self
    }

    /// Number of LOAD commands when a block has at most `max_block_len` bytes.
    ///
    /// # Errors
    /// As [`blocks`](Self::blocks).
    pub fn number_of_blocks(&self, max_block_len: usize) -> Result<usize, LoadFileError> {
        if max_block_len == 0 || max_block_len > 0xFFFF {
            return Err(LoadFileError::BlockLength { actual: max_block_len });
        }
        let length = self.bytes.len();
        let blocks = length.div_ceil(max_block_len);
        if blocks > Self::MAX_BLOCKS {
            return Err(LoadFileError::TooManyBlocks { length, max_block_len, blocks, limit: Self::MAX_BLOCKS });
        }
        Ok(blocks)
    }

    /// The LOAD commands: every block but the last has exactly `max_block_len` bytes (plain, before secure messaging).
    ///
    /// # Errors
    /// [`LoadFileError::BlockLength`] and [`LoadFileError::TooManyBlocks`], before there is any block.
    pub fn blocks(&self, max_block_len: usize) -> Result<Blocks<'_>, LoadFileError> {
        self.number_of_blocks(max_block_len)?;
        Ok(Blocks { rest: &self.bytes, max_block_len, next: 0 })
    }
}

impl core::fmt::Debug for LoadFile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "LoadFile({}, {} bytes, Descriptor {:?})", self.aid, self.bytes.len(), self.descriptor)
    }
}

/// What one LOAD command carries (GPCS 11.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadBlock<'a> {
    /// `80` in the last block, else `00` (GPCS table 11-57).
    pub p1: u8,
    /// Block number, from 0.
    pub p2: u8,
    /// Part of the Load File.
    pub data: &'a [u8],
}

/// Iterator over the blocks of a [`LoadFile`], in order.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    rest: &'a [u8],
    max_block_len: usize,
    next: u8,
}

impl<'a> Iterator for Blocks<'a> {
    type Item = LoadBlock<'a>;

    fn next(&mut self) -> Option<LoadBlock<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (data, rest) = self.rest.split_at(self.max_block_len.min(self.rest.len()));
        let block = LoadBlock { p1: if rest.is_empty() { 0x80 } else { 0x00 }, p2: self.next, data };
        self.rest = rest;
        // Wraps behind block FF only, and there is none behind it: `blocks` has counted them.
        self.next = self.next.wrapping_add(1);
        Some(block)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let blocks = self.rest.len().div_ceil(self.max_block_len);
        (blocks, Some(blocks))
    }
}

impl ExactSizeIterator for Blocks<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    fn load_file(data_block_len: usize) -> LoadFile {
        let aid = Aid::new(&[0xA0, 0, 0, 0, 1]).unwrap();
        LoadFile::new(aid, DescriptorPolicy::Omit, &vec![0x5A; data_block_len])
    }

    #[test]
    fn cuts_blocks_of_exactly_the_length_asked_for() {
        let file = load_file(23_435);
        let blocks: Vec<_> = file.blocks(247).unwrap().collect();
        assert_eq!(blocks.len(), 95);
        assert_eq!(file.number_of_blocks(239), Ok(99));
        assert!(blocks[..94].iter().all(|block| block.data.len() == 247 && block.p1 == 0));
        assert_eq!((blocks[94].p1, blocks[94].p2), (0x80, 94));
        assert_eq!(blocks.iter().flat_map(|block| block.data).count(), 23_439);
        assert_eq!(blocks[0].data[..4], [0xC4, 0x82, 0x5B, 0x8B]);
    }

    #[test]
    fn a_file_that_fits_one_block_is_the_last_block() {
        let file = load_file(10);
        let blocks: Vec<_> = file.blocks(255).unwrap().collect();
        assert_eq!(blocks, [LoadBlock { p1: 0x80, p2: 0, data: file.as_bytes() }]);
    }

    #[test]
    fn refuses_a_257th_block_and_names_the_numbers() {
        let full = load_file(256 * 239 - 4);
        let blocks = full.blocks(239).unwrap();
        assert_eq!(blocks.len(), 256);
        assert_eq!(blocks.last().map(|block| (block.p1, block.p2, block.data.len())), Some((0x80, 0xFF, 239)));
        let error = load_file(256 * 239 - 3).blocks(239).unwrap_err();
        assert_eq!(
            error,
            LoadFileError::TooManyBlocks { length: 256 * 239 + 1, max_block_len: 239, blocks: 257, limit: 256 }
        );
        assert!(error.to_string().contains("257") && error.to_string().contains("256"));
    }

    #[test]
    fn refuses_block_lengths_that_no_command_has() {
        for actual in [0, 0x1_0000, usize::MAX] {
            assert_eq!(load_file(10).blocks(actual).unwrap_err(), LoadFileError::BlockLength { actual });
        }
    }

    #[test]
    fn dap_blocks_come_first_and_leave_the_data_block_alone() {
        let plain = load_file(200);
        let (first, second) = (Aid::new(&[1; 5]).unwrap(), Aid::new(&[2; 5]).unwrap());
        let file = plain.clone().with_dap_block(first, &[0xAA; 128]).with_dap_block(second, &[0xBB; 2]);
        assert_eq!(file.data_block(), plain.data_block());
        assert_eq!(file.hash(HashAlgorithm::Sha256), plain.hash(HashAlgorithm::Sha256));
        let objects: Vec<_> = tlv::Reader::new(file.as_bytes()).map(Result::unwrap).collect();
        assert_eq!(objects.iter().map(|object| object.tag.0).collect::<Vec<_>>(), [0xE2, 0xE2, 0xC4]);
        assert_eq!(objects[0].children().find(Tag(0x4F)).unwrap().unwrap().value, [1; 5]);
        assert_eq!(objects[1].children().find(Tag(0xC3)).unwrap().unwrap().value, [0xBB; 2]);
        assert_eq!(objects[2].value, plain.data_block());
    }
}
