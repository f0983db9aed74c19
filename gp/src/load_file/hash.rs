use alloc::string::String;
use core::fmt::{self, Write as _};

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// Algorithm of a Load File Data Block Hash (GPCS table C-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HashAlgorithm {
    /// 20 bytes; only where the card knows nothing better.
    Sha1,
    /// 32 bytes.
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes.
    Sha512,
}

impl HashAlgorithm {
    /// All, the shortest hash first.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Length of the hash, in bytes.
    #[must_use]
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// Load File Data Block Hash (GPCS C.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LoadFileDataBlockHash {
    algorithm: HashAlgorithm,
    bytes: [u8; 64],
}

impl LoadFileDataBlockHash {
    pub(super) fn digest(algorithm: HashAlgorithm, data_block: &[u8]) -> Self {
        let mut hash = Self { algorithm, bytes: [0; 64] };
        let out = &mut hash.bytes[..algorithm.output_len()];
        match algorithm {
            HashAlgorithm::Sha1 => out.copy_from_slice(&Sha1::digest(data_block)),
            HashAlgorithm::Sha256 => out.copy_from_slice(&Sha256::digest(data_block)),
            HashAlgorithm::Sha384 => out.copy_from_slice(&Sha384::digest(data_block)),
            HashAlgorithm::Sha512 => out.copy_from_slice(&Sha512::digest(data_block)),
        }
        hash
    }

    /// The algorithm; a card tells it from the length.
    #[must_use]
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The hash's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.output_len()]
    }
}

impl AsRef<[u8]> for LoadFileDataBlockHash {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for LoadFileDataBlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.as_bytes().iter().try_for_each(|byte| write!(text, "{byte:02X}"))?;
        f.pad(&text)
    }
}

impl fmt::Debug for LoadFileDataBlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.algorithm)
    }
}
