//! SCP11 a, b and c from the off-card entity's side (Amd F): certificates, key agreement, receipt.
//!
//! Taken from recorded sessions; Amendment F itself was not at hand. What no recording shows says so where it stands: SCP11b,
//! chains of more than one certificate, key usage 34, and the host and card group identifiers, which are not supported.
//!
//! | | who proves itself | command | key identifier of the card |
//! |---|---|---|---|
//! | SCP11a | card and host | MUTUAL AUTHENTICATE | 11 |
//! | SCP11b | the card | INTERNAL AUTHENTICATE | 13 |
//! | SCP11c | card and host; the card answers with its static key | MUTUAL AUTHENTICATE | 15 |
//!
//! [`read_certificate`] asks the card for its chain, [`CertificateChain::verify`] gives its key, [`offer`] sends the host's
//! chain, [`KeyAgreement`] begins the rest. What follows is a session of SCP03 whose first MAC chaining value is the receipt.
//! [`procedure::open_scp11`](crate::procedure::open_scp11) does all of it.
//!
//! ```
//! use cardwright_apdu::CardPort;
//! use cardwright_gp::channel::scp11::{KeyReference, Parameters, Validity, Variant};
//! use cardwright_gp::procedure::{CardKeySource, Scp11Options, open_scp11};
//! use cardwright_gp::{Error, SecureChannel};
//! use cardwright_keys::scp11::EphemeralSeed;
//! use cardwright_keys::{EcPublicKey, KeyPort};
//!
//! async fn open(
//!     card: &mut impl CardPort,
//!     keys: &mut impl KeyPort,
//!     ca: EcPublicKey,
//!     random: [u8; EphemeralSeed::LEN],
//! ) -> Result<SecureChannel, Error> {
//!     let options = Scp11Options::new(
//!         Parameters::new(Variant::B, KeyReference { kid: 0x13, kvn: 0x01 }),
//!         CardKeySource::Certificates { ca, validity: Validity::NotChecked, of: None },
//!     );
//!     Ok(open_scp11(card, keys, &options, EphemeralSeed::new(random)).await?.channel)
//! }
//! ```

mod agreement;
mod certificate;
mod gp;
mod offer;
mod x509;

use alloc::vec::Vec;

use cardwright_apdu::tlv::{self, Tag};
use cardwright_apdu::{Class, CommandApdu, Instruction, Ne};
use cardwright_keys::KeyRef;

pub use agreement::{Authenticating, CardKeys, KeyAgreement};
pub use certificate::{CardKey, Certificate, CertificateChain, CertificateFault, Date, Validity};
pub use gp::GpCertificate;
pub use offer::{BlockMark, offer};
pub use x509::X509Certificate;

use super::{Protocol, SecurityLevel};

/// CERT.SD.ECKA: GET DATA of the certificate store.
const CERTIFICATE_STORE: Tag = Tag(0xBF21);

/// A key of the card: its identifier and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyReference {
    /// Key Identifier.
    pub kid: u8,
    /// Key Version Number.
    pub kvn: u8,
}

/// The off-card entity, as the card is to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostIdentity {
    /// SK.OCE.ECKA.
    pub key: KeyRef,
    /// PK.CA-KLOC.ECDSA: the key of the card that verifies the first certificate.
    pub ca: KeyReference,
    /// The certificates, from the one that the CA signed to CERT.OCE.ECKA. None are sent where there are none: a card that has
    /// verified them in this card session.
    pub chain: Vec<Vec<u8>>,
    /// How blocks of a certificate are marked.
    pub blocks: BlockMark,
}

/// Which of the three protocols, and what the host proves itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variant {
    /// SCP11a.
    A(HostIdentity),
    /// SCP11b. The card does not know who talks to it: what it allows then is its own matter.
    B,
    /// SCP11c.
    C(HostIdentity),
}

impl Variant {
    /// The host's identity; SCP11b has none.
    #[must_use]
    pub fn host(&self) -> Option<&HostIdentity> {
        match self {
            Self::A(host) | Self::C(host) => Some(host),
            Self::B => None,
        }
    }

    /// Second byte of the SCP identifier and parameters (tag 90).
    fn parameters(&self) -> u8 {
        match self {
            Self::A(_) => 0x01,
            Self::B => 0x00,
            Self::C(_) => 0x03,
        }
    }

    fn instruction(&self) -> Instruction {
        match self {
            Self::B => Instruction::INTERNAL_AUTHENTICATE,
            Self::A(_) | Self::C(_) => Instruction::EXTERNAL_AUTHENTICATE,
        }
    }

    /// The command's name; MUTUAL AUTHENTICATE has the code of EXTERNAL AUTHENTICATE.
    pub(crate) fn command(&self) -> &'static str {
        match self {
            Self::B => "INTERNAL AUTHENTICATE",
            Self::A(_) | Self::C(_) => "MUTUAL AUTHENTICATE",
        }
    }
}

/// Length of the MACs of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MacLength {
    /// 8 bytes.
    S8,
    /// 16 bytes. The command does not tell the card: it has the one or the other, as its card recognition data says.
    S16,
}

/// Length of the session keys, all of AES.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AesKeyLength {
    /// 16 bytes.
    Aes128 = 16,
    /// 24 bytes.
    Aes192 = 24,
    /// 32 bytes.
    Aes256 = 32,
}

/// What a session is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// SCP11 a, b or c.
    pub variant: Variant,
    /// SK.SD.ECKA of the card.
    pub key: KeyReference,
    /// Security level: [`SecurityLevel::FULL`] (key usage 3C) or [`SecurityLevel::C_MAC_R_MAC`] (34).
    pub level: SecurityLevel,
    /// Length of the session keys.
    pub key_length: AesKeyLength,
    /// Length of the MACs.
    pub mac_length: MacLength,
}

impl Parameters {
    /// All protection, AES-128, MACs of 8 bytes.
    #[must_use]
    pub fn new(variant: Variant, key: KeyReference) -> Self {
        Self { variant, key, level: SecurityLevel::FULL, key_length: AesKeyLength::Aes128, mac_length: MacLength::S8 }
    }

    fn protocol(&self) -> Protocol {
        match self.mac_length {
            MacLength::S8 => Protocol::Scp11,
            MacLength::S16 => Protocol::Scp11S16,
        }
    }
}

/// GET DATA for the certificates of a key of the card; [`CertificateChain::parse`] reads the answer.
#[must_use]
pub fn read_certificate(key: KeyReference) -> CommandApdu {
    let mut reference = Vec::new();
    tlv::push(&mut reference, Tag(0x83), &[key.kid, key.kvn]);
    let mut data = Vec::new();
    tlv::push(&mut data, Tag(0xA6), &reference);
    let [_, _, p1, p2] = CERTIFICATE_STORE.0.to_be_bytes();
    CommandApdu::new(Class::ISO, Instruction::GET_DATA, p1, p2).with_data(data).with_ne(Ne::MAX_SHORT)
}
