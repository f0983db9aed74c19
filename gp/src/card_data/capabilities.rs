use alloc::vec::Vec;

use cardwright_apdu::tlv::{Reader, Tag};

use crate::Privileges;
use crate::load_file::HashAlgorithm;

/// Card capability information (GPCS 2.3.1 H.4): which protocols, privileges and signature schemes a card knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardCapabilities {
    /// Secure channel protocols.
    pub protocols: Vec<ProtocolCapability>,
    /// Privileges that a supplementary security domain can have.
    pub domain_privileges: Option<Privileges>,
    /// Privileges that an application can have.
    pub application_privileges: Option<Privileges>,
    /// Hashes for the Load File Data Block; unknown ones are left out.
    pub hashes: Vec<HashAlgorithm>,
    /// Ciphers for the Load File Data Block, first byte as in table H-8; 0 where it says nothing.
    pub load_file_ciphers: u8,
    /// Schemes of tokens.
    pub tokens: SignatureSchemes,
    /// Schemes of receipts.
    pub receipts: SignatureSchemes,
    /// Schemes of DAP Blocks.
    pub daps: SignatureSchemes,
    /// References of the ECC curves that the card knows.
    pub curves: Vec<u8>,
    /// The answer as it came.
    pub raw: Vec<u8>,
}

/// One secure channel protocol (GPCS 2.3.1 table H-6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtocolCapability {
    /// The protocol: 02, 03, 80, 81.
    pub protocol: u8,
    /// Its `i`s.
    pub options: Vec<u8>,
    /// AES keys of SCP03 (table H-7): bit 1 128, bit 2 192, bit 3 256 bits.
    pub keys: Option<u8>,
}

/// Signature schemes, as the bits of tables H-9 (low byte) and H-10 (high byte) of GPCS 2.3.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SignatureSchemes(pub u16);

impl SignatureSchemes {
    /// RSASSA-PKCS1-v1_5 and SHA-1 under 1024 bits.
    pub const RSA_1024: Self = Self(0x0001);
    /// RSASSA-PSS and SHA-256 under more than 1024 bits.
    pub const RSA_PSS: Self = Self(0x0002);
    /// Single DES plus final triple DES MAC.
    pub const DES: Self = Self(0x0004);
    /// CMAC with AES-128.
    pub const AES_128: Self = Self(0x0008);
    /// CMAC with AES-192.
    pub const AES_192: Self = Self(0x0010);
    /// CMAC with AES-256.
    pub const AES_256: Self = Self(0x0020);
    /// ECDSA, 256 bits and SHA-256.
    pub const ECDSA_256: Self = Self(0x0040);
    /// ECDSA, 384 bits and SHA-384.
    pub const ECDSA_384: Self = Self(0x0080);
    /// ECDSA, 512 bits and SHA-512.
    pub const ECDSA_512: Self = Self(0x0100);
    /// ECDSA, 521 bits and SHA-512.
    pub const ECDSA_521: Self = Self(0x0200);

    /// Whether all of the other are there.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn read(value: &[u8]) -> Self {
        // The second byte may be missing, and further ones may come (GPCS 2.3.1 H.4).
        Self(u16::from_le_bytes(core::array::from_fn(|i| value.get(i).copied().unwrap_or_default())))
    }
}

impl CardCapabilities {
    /// Takes the answer to GET DATA 67, its template in any nesting up to four, or none. What cannot be read is left out; the raw
    /// bytes are kept.
    #[must_use]
    pub fn parse(answer: &[u8]) -> Self {
        let mut data = Self { raw: answer.to_vec(), ..Self::default() };
        let mut level = answer;
        for _ in 0..4 {
            match Reader::new(level).read() {
                Ok(Some(template)) if template.tag == Tag(0x67) => level = template.value,
                _ => break,
            }
        }
        for object in Reader::new(level).map_while(Result::ok) {
            let value = object.value;
            match object.tag.0 {
                0xA0 => data.protocols.extend(protocol(object.children())),
                0x81 => data.domain_privileges = privileges(value),
                0x82 => data.application_privileges = privileges(value),
                0x83 => {
                    let known = |code: &u8| HashAlgorithm::ALL.get(usize::from(*code).checked_sub(1)?).copied();
                    data.hashes = value.iter().filter_map(known).collect();
                }
                0x84 => data.load_file_ciphers = value.first().copied().unwrap_or_default(),
                0x85 => data.tokens = SignatureSchemes::read(value),
                0x86 => data.receipts = SignatureSchemes::read(value),
                0x87 => data.daps = SignatureSchemes::read(value),
                0x88 => data.curves = value.to_vec(),
                _ => {}
            }
        }
        data
    }
}

fn protocol(objects: Reader<'_>) -> Option<ProtocolCapability> {
    let mut found = ProtocolCapability::default();
    let mut named = false;
    for object in objects.map_while(Result::ok) {
        match (object.tag.0, object.value) {
            (0x80, [protocol, ..]) => {
                found.protocol = *protocol;
                named = true;
            }
            (0x81, options) => found.options = options.to_vec(),
            (0x82, [keys, ..]) => found.keys = Some(*keys),
            _ => {}
        }
    }
    named.then_some(found)
}

fn privileges(value: &[u8]) -> Option<Privileges> {
    value.first_chunk().copied().map(Privileges)
}
