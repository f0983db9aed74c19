//! Making a card.

use cardwright_apdu::Aid;

use crate::card::JavaCard;
use crate::config::{AesKeyLength, CardConfig, SecureChannelProtocol};
use crate::cplc::Cplc;
use crate::keys::{Key, KeySet, KeyStore, KeyType};
use crate::memory::Memory;
use crate::registry::{CARD_LOCKED, INITIALIZED, LoadFile, OP_READY, SECURED, TERMINATED};
use crate::scp11::Scp11Keys;

/// The default AID of an issuer security domain (GPCS H.1.3).
const ISD_AID: Aid = match Aid::new(&[0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00]) {
    Ok(aid) => aid,
    Err(_) => panic!("8 bytes are an AID"),
};

/// 3B, T=0 and T=1, historical bytes `cardwright`.
const ATR: &[u8] = b"\x3B\x8A\x80\x01cardwright\x3E";

/// Card life cycle states (GPCS table 11-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardLifeCycle {
    /// 01.
    OpReady,
    /// 07.
    Initialized,
    /// 0F.
    Secured,
    /// 7F.
    CardLocked,
    /// FF.
    Terminated,
}

impl CardLifeCycle {
    /// The state's code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::OpReady => OP_READY,
            Self::Initialized => INITIALIZED,
            Self::Secured => SECURED,
            Self::CardLocked => CARD_LOCKED,
            Self::Terminated => TERMINATED,
        }
    }
}

/// Key-ENC, Key-MAC and Key-DEK of one key version.
#[derive(Clone)]
pub enum StaticKeys {
    /// Double-length DES keys, for SCP01 and SCP02.
    Des([[u8; 16]; 3]),
    /// One double-length DES key, for SCP02 with a base key.
    Base([u8; 16]),
    /// AES-128 keys, for SCP03.
    Aes128([[u8; 16]; 3]),
    /// AES-192 keys, for SCP03.
    Aes192([[u8; 24]; 3]),
    /// AES-256 keys, for SCP03.
    Aes256([[u8; 32]; 3]),
}

impl StaticKeys {
    /// The published test keys: 40 41 42 .., as many bytes and as many times as the protocol's keys.
    #[must_use]
    pub fn published(protocol: SecureChannelProtocol) -> Self {
        fn key<const N: usize>() -> [[u8; N]; 3] {
            [std::array::from_fn(|i| 0x40 + i as u8); 3]
        }
        match protocol {
            protocol if protocol.has_base_key() => Self::Base(key()[0]),
            SecureChannelProtocol::Scp01 { .. } | SecureChannelProtocol::Scp02 { .. } => Self::Des(key()),
            SecureChannelProtocol::Scp03 { key_length: AesKeyLength::Aes128, .. } => Self::Aes128(key()),
            SecureChannelProtocol::Scp03 { key_length: AesKeyLength::Aes192, .. } => Self::Aes192(key()),
            SecureChannelProtocol::Scp03 { key_length: AesKeyLength::Aes256, .. } => Self::Aes256(key()),
        }
    }

    fn into_set(self, version: u8) -> KeySet {
        let (key_type, values) = match self {
            Self::Des(keys) => (KeyType::Des, keys.map(Vec::from).to_vec()),
            Self::Base(key) => (KeyType::Des, vec![key.to_vec()]),
            Self::Aes128(keys) => (KeyType::Aes, keys.map(Vec::from).to_vec()),
            Self::Aes192(keys) => (KeyType::Aes, keys.map(Vec::from).to_vec()),
            Self::Aes256(keys) => (KeyType::Aes, keys.map(Vec::from).to_vec()),
        };
        let keys = (1..).zip(values).map(|(id, value)| Key { id, key_type, value, key_use: None }).collect();
        KeySet { version, keys, sequence_counter: 0, failures: 0 }
    }
}

/// Sets how a card is made; the defaults are a card that speaks SCP03 with AES-128 and the published test keys.
#[derive(Clone)]
pub struct JavaCardBuilder {
    protocol: SecureChannelProtocol,
    isd: Aid,
    key_sets: Vec<(u8, StaticKeys)>,
    key_version: u8,
    life_cycle: CardLifeCycle,
    cplc: Option<[u8; 42]>,
    key_diversification: Option<[u8; 10]>,
    iin: Option<Vec<u8>>,
    cin: Option<Vec<u8>>,
    seed: u64,
    memory: u32,
    page: u16,
    t0: bool,
    max_failures: u8,
    atr: Vec<u8>,
    scp11: Option<Scp11Keys>,
    supplementary_domains: bool,
    extended: Option<u16>,
    channels: u8,
}

impl Default for JavaCardBuilder {
    fn default() -> Self {
        Self {
            protocol: SecureChannelProtocol::Scp03 { i: 0x70, key_length: AesKeyLength::Aes128 },
            isd: ISD_AID,
            key_sets: Vec::new(),
            key_version: 0x01,
            life_cycle: CardLifeCycle::OpReady,
            cplc: None,
            key_diversification: None,
            iin: None,
            cin: None,
            seed: 1,
            memory: 128 * 1024,
            page: 239,
            t0: false,
            max_failures: 10,
            atr: ATR.to_vec(),
            scp11: None,
            supplementary_domains: false,
            extended: None,
            channels: 1,
        }
    }
}

impl JavaCardBuilder {
    /// Secure channel protocol and options. Default: SCP03, `i` = 70, AES-128.
    #[must_use]
    pub fn protocol(mut self, protocol: SecureChannelProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// AID of the issuer security domain. Default: A000000151000000.
    #[must_use]
    pub fn isd_aid(mut self, aid: Aid) -> Self {
        self.isd = aid;
        self
    }

    /// Key version number of the published test keys, when no [`key_set`](Self::key_set) is given. Default: 01.
    #[must_use]
    pub fn key_version(mut self, version: u8) -> Self {
        self.key_version = version;
        self
    }

    /// A key set; may be called for several versions. The first one is what version 00 means.
    #[must_use]
    pub fn key_set(mut self, version: u8, keys: StaticKeys) -> Self {
        self.key_sets.retain(|(present, _)| *present != version);
        self.key_sets.push((version, keys));
        self
    }

    /// The card's life cycle state. Default: OP_READY.
    #[must_use]
    pub fn life_cycle(mut self, state: CardLifeCycle) -> Self {
        self.life_cycle = state;
        self
    }

    /// Tells cards apart: seeds the card's random numbers, and is its IC serial number (lower 32 bits) and IC batch
    /// identifier (the 16 bits above) unless [`cplc`](Self::cplc) says otherwise. Default: 1.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Card production life cycle data. Default: made up, from the seed.
    #[must_use]
    pub fn cplc(mut self, cplc: [u8; 42]) -> Self {
        self.cplc = Some(cplc);
        self
    }

    /// Key diversification data. Default: `0000 ‖ IC batch ‖ IC serial ‖ IC fabrication date`.
    #[must_use]
    pub fn key_diversification(mut self, data: [u8; 10]) -> Self {
        self.key_diversification = Some(data);
        self
    }

    /// Issuer identification number, tag 42. Default: absent, to be stored by the issuer.
    #[must_use]
    pub fn iin(mut self, iin: impl Into<Vec<u8>>) -> Self {
        self.iin = Some(iin.into());
        self
    }

    /// Card image number, tag 45. Default: absent, to be stored by the issuer.
    #[must_use]
    pub fn cin(mut self, cin: impl Into<Vec<u8>>) -> Self {
        self.cin = Some(cin.into());
        self
    }

    /// Memory for load files and applications, in bytes. Default: 128 KiB.
    #[must_use]
    pub fn memory(mut self, bytes: u32) -> Self {
        self.memory = bytes;
        self
    }

    /// Longest data field of a GET STATUS response, 1 to 256 bytes; what is longer comes in pages with `6310`, cut
    /// wherever the limit falls. Default: 239, which fits under R-ENCRYPTION.
    #[must_use]
    pub fn page(mut self, bytes: u16) -> Self {
        self.page = bytes.clamp(1, 256);
        self
    }

    /// Whether the card behaves as over T=0: `61xx` and GET RESPONSE, `6Cxx` for a wrong Le. Default: no.
    #[must_use]
    pub fn t0(mut self, t0: bool) -> Self {
        self.t0 = t0;
        self
    }

    /// How many EXTERNAL AUTHENTICATEs in a row may fail until the key set is blocked. Default: 10.
    #[must_use]
    pub fn max_failures(mut self, failures: u8) -> Self {
        self.max_failures = failures.max(1);
        self
    }

    /// Answer to reset. Default: one with the historical bytes "cardwright".
    #[must_use]
    pub fn atr(mut self, atr: impl Into<Vec<u8>>) -> Self {
        self.atr = atr.into();
        self
    }

    /// Keys for SCP11, which the card then speaks besides. Default: none.
    #[must_use]
    pub fn scp11(mut self, keys: Scp11Keys) -> Self {
        self.scp11 = Some(keys);
        self
    }

    /// Whether supplementary security domains can be installed: from the module A000000151535041, which is on the card then. Default: no.
    #[must_use]
    pub fn supplementary_domains(mut self, yes: bool) -> Self {
        self.supplementary_domains = yes;
        self
    }

    /// Takes commands with extended length fields, with data of so many bytes at most, which the FCI of the issuer security domain
    /// then says (9F65). The historical bytes are the [ATR](Self::atr)'s own. Default: short ones only.
    #[must_use]
    pub fn extended_length(mut self, most: u16) -> Self {
        self.extended = Some(most);
        self
    }

    /// Number of logical channels, 1 to 20. Default: 1, the basic one.
    #[must_use]
    pub fn logical_channels(mut self, count: u8) -> Self {
        self.channels = count.clamp(1, 20);
        self
    }

    /// Makes the card, as it is after a reset.
    #[must_use]
    pub fn build(self) -> JavaCard {
        let protocol = self.protocol.normalized();
        let cplc = self.cplc.unwrap_or_else(|| Cplc::made_up(self.seed).into_bytes());
        let key_diversification = self.key_diversification.unwrap_or_else(|| Cplc::from_bytes(cplc).serial_number());
        let config = CardConfig {
            protocol,
            seed: self.seed,
            cplc,
            key_diversification,
            memory: self.memory,
            page: self.page,
            t0: self.t0,
            max_failures: self.max_failures,
            atr: self.atr,
            scp11: self.scp11,
            extended: self.extended,
            channels: Some(self.channels),
        };
        let mut key_sets = self.key_sets;
        if key_sets.is_empty() {
            key_sets.push((self.key_version, StaticKeys::published(protocol)));
        }
        let sets = key_sets.into_iter().map(|(version, keys)| keys.into_set(version)).collect();
        let mut memory = Memory::new(config, self.life_cycle.code(), self.isd, KeyStore { sets });
        for (tag, value) in [(0x42, self.iin), (0x45, self.cin)] {
            if let Some(value) = value {
                memory.data.insert(tag, value.into());
            }
        }
        if self.supplementary_domains {
            memory.load_files.push(LoadFile::of_security_domains());
        }
        JavaCard::from_memory(memory)
    }
}
