//! What a card is made like.

use minicbor::{Decode, Encode};

use crate::keys::KeyType;
use crate::scp11::Scp11Keys;

/// The secure channel protocol of the issuer security domain and its options `i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[non_exhaustive]
pub enum SecureChannelProtocol {
    /// SCP02.
    #[n(0)]
    Scp02 {
        /// Options: 01 three keys, else one base key; 02 C-MAC on the unmodified command; 04 explicit initiation, else
        /// implicit; 10 ICV encryption; 20 R-MAC; 40 well-known pseudo-random card challenge (GPCS table E-1). Bit 08 has
        /// no effect: the first ICV follows from the initiation (GPCS E.3.2, E.3.3).
        #[cbor(n(0), with = "scp02_i")]
        i: u8,
    },
    /// SCP03.
    #[n(1)]
    Scp03 {
        /// Options: 01 challenges, cryptograms and MACs of 16 bytes, else 8; 10 pseudo-random card challenge, 20 R-MAC, 40
        /// R-ENCRYPTION with R-MAC (Amd D table 5-1).
        #[n(0)]
        i: u8,
        /// Key length of the initial key set.
        #[n(1)]
        key_length: AesKeyLength,
    },
    /// SCP01.
    #[n(2)]
    Scp01 {
        /// Options: 05, or 15 with ICV encryption (GPCS D.1.1).
        #[n(0)]
        i: u8,
    },
}

/// C-MAC in a security level (GPCS table E-11, Amd D table 7-3).
pub(crate) const C_MAC: u8 = 0x01;
pub(crate) const C_DECRYPTION: u8 = 0x02;
pub(crate) const R_MAC: u8 = 0x10;
pub(crate) const R_ENCRYPTION: u8 = 0x20;

impl SecureChannelProtocol {
    /// Protocol identifier: 1, 2 or 3.
    #[must_use]
    pub fn identifier(self) -> u8 {
        match self {
            Self::Scp01 { .. } => 0x01,
            Self::Scp02 { .. } => 0x02,
            Self::Scp03 { .. } => 0x03,
        }
    }

    /// The options byte `i`.
    #[must_use]
    pub fn i(self) -> u8 {
        match self {
            Self::Scp01 { i } | Self::Scp02 { i } | Self::Scp03 { i, .. } => i,
        }
    }

    /// The protocol with the options that it has: other bits are taken out.
    pub(crate) fn normalized(self) -> Self {
        match self {
            Self::Scp01 { i } => Self::Scp01 { i: i & 0x10 | 0x05 },
            Self::Scp02 { i } => Self::Scp02 { i: i & 0x7F },
            Self::Scp03 { i, key_length } => Self::Scp03 { i: i & 0x71, key_length },
        }
    }

    /// The type of the secure channel keys.
    pub(crate) fn key_type(self) -> KeyType {
        match self {
            Self::Scp01 { .. } | Self::Scp02 { .. } => KeyType::Des,
            Self::Scp03 { .. } => KeyType::Aes,
        }
    }

    /// Whether one base key stands for the three secure channel keys (GPCS table E-2).
    pub(crate) fn has_base_key(self) -> bool {
        matches!(self, Self::Scp02 { i } if i & 0x01 == 0)
    }

    /// Whether the first C-MAC opens the channel (GPCS E.1.2.2).
    pub(crate) fn is_implicit(self) -> bool {
        matches!(self, Self::Scp02 { i } if i & 0x04 == 0)
    }

    /// Whether there are BEGIN and END R-MAC SESSION (GPCS E.5.3, E.5.4).
    pub(crate) fn has_r_mac_sessions(self) -> bool {
        matches!(self, Self::Scp02 { i } if i & 0x20 != 0)
    }

    /// Length of challenges, cryptograms and MACs, in bytes.
    pub(crate) fn mac_length(self) -> usize {
        match self {
            Self::Scp03 { i, .. } if i & 0x01 != 0 => 16,
            _ => 8,
        }
    }

    /// Whether EXTERNAL AUTHENTICATE of the protocol with these options takes this security level (GPCS tables D-8 and E-11,
    /// Amd D table 7-3).
    #[must_use]
    pub fn has_level(self, level: u8) -> bool {
        match (self, level) {
            (_, 0x00 | 0x01 | 0x03) => true,
            (Self::Scp02 { i }, 0x10 | 0x11 | 0x13) => i & 0x20 != 0,
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
    #[n(9)]
    pub(crate) scp11: Option<Scp11Keys>,
    /// The most data of a command with extended length fields, where the card takes them.
    #[n(10)]
    pub(crate) extended: Option<u16>,
    /// Number of logical channels, the basic one among them; one where it does not say.
    #[n(11)]
    pub(crate) channels: Option<u8>,
}

/// `i` of SCP02; files of version 1 have a boolean there, which chose between 55 and 15.
mod scp02_i {
    use minicbor::data::Type;
    use minicbor::decode::Error;
    use minicbor::encode::{self, Write};
    use minicbor::{Decoder, Encoder};

    pub(super) fn encode<Ctx, W: Write>(
        i: &u8,
        encoder: &mut Encoder<W>,
        _: &mut Ctx,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.u8(*i)?.ok()
    }

    pub(super) fn decode<Ctx>(decoder: &mut Decoder<'_>, _: &mut Ctx) -> Result<u8, Error> {
        match decoder.datatype()? {
            Type::Bool => decoder.bool().map(|pseudo_random| if pseudo_random { 0x55 } else { 0x15 }),
            _ => decoder.u8(),
        }
    }
}
