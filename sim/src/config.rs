//! What a card is made like.

use minicbor::{Decode, Encode};

/// The secure channel protocol of the issuer security domain and its options `i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[non_exhaustive]
pub enum SecureChannelProtocol {
    /// SCP02 with three keys and explicit initiation.
    #[n(0)]
    Scp02 {
        /// Whether the card challenge is the well-known pseudo-random one: `i` = 55, else 15 (GPCS table E-1).
        #[n(0)]
        pseudo_random: bool,
    },
    /// SCP03 with 8-byte challenges and MACs.
    #[n(1)]
    Scp03 {
        /// Options: 10 pseudo-random card challenge, 20 R-MAC, 40 R-ENCRYPTION with R-MAC (Amd D table 5-1).
        #[n(0)]
        i: u8,
        /// Key length of the initial key set.
        #[n(1)]
        key_length: AesKeyLength,
    },
}

impl SecureChannelProtocol {
    /// Protocol identifier: 2 or 3.
    #[must_use]
    pub fn identifier(self) -> u8 {
        match self {
            Self::Scp02 { .. } => 0x02,
            Self::Scp03 { .. } => 0x03,
        }
    }

    /// The options byte `i`.
    #[must_use]
    pub fn i(self) -> u8 {
        match self {
            Self::Scp02 { pseudo_random: false } => 0x15,
            Self::Scp02 { pseudo_random: true } => 0x55,
            Self::Scp03 { i, .. } => i,
        }
    }

    /// Whether the protocol with these options has this security level (GPCS table E-11, Amd D table 7-3).
    #[must_use]
    pub fn has_level(self, level: u8) -> bool {
        match (self, level) {
            (_, 0x00 | 0x01 | 0x03) => true,
            (Self::Scp03 { i, .. }, 0x11 | 0x13) => i & 0x20 != 0,
            (Self::Scp03 { i, .. }, 0x33) => i & 0x60 == 0x60,
            _ => false,
        }
    }
}

/// Length of an AES key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum AesKeyLength {
    /// 16 bytes.
    #[n(0)]
    Aes128,
    /// 24 bytes.
    #[n(1)]
    Aes192,
    /// 32 bytes.
    #[n(2)]
    Aes256,
}

impl AesKeyLength {
    /// The length, in bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }
}

/// What does not change in a card's life.
#[derive(Clone, Encode, Decode)]
pub(crate) struct CardConfig {
    #[n(0)]
    pub(crate) protocol: SecureChannelProtocol,
    #[n(1)]
    pub(crate) seed: u64,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) cplc: [u8; 42],
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(crate) key_diversification: [u8; 10],
    /// For load files and applications, in bytes.
    #[n(4)]
    pub(crate) memory: u32,
    /// Longest GET STATUS response data, in bytes.
    #[n(5)]
    pub(crate) page: u16,
    /// Whether the card speaks as over T=0.
    #[n(6)]
    pub(crate) t0: bool,
    /// Failed EXTERNAL AUTHENTICATEs until a key set is blocked.
    #[n(7)]
    pub(crate) max_failures: u8,
    #[cbor(n(8), with = "minicbor::bytes")]
    pub(crate) atr: Vec<u8>,
}
