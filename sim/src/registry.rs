//! Entries of the GlobalPlatform Registry (GPCS 6.5).

use cardwright_apdu::Aid;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::application::Installed;
use crate::domain::{self, DomainId};

/// Executable load file state LOADED (GPCS table 11-3).
pub(crate) const LOADED: u8 = 0x01;
/// Application state INSTALLED (GPCS table 11-4).
pub(crate) const INSTALLED: u8 = 0x03;
/// Application state SELECTABLE.
pub(crate) const SELECTABLE: u8 = 0x07;
/// Security domain state PERSONALIZED (GPCS table 11-5).
pub(crate) const DOMAIN_PERSONALIZED: u8 = 0x0F;
/// The bit of an application that is LOCKED.
pub(crate) const LOCKED: u8 = 0x80;

/// Card state OP_READY (GPCS table 11-6).
pub(crate) const OP_READY: u8 = 0x01;
/// Card state INITIALIZED.
pub(crate) const INITIALIZED: u8 = 0x07;
/// Card state SECURED.
pub(crate) const SECURED: u8 = 0x0F;
/// Card state CARD_LOCKED.
pub(crate) const CARD_LOCKED: u8 = 0x7F;
/// Card state TERMINATED.
pub(crate) const TERMINATED: u8 = 0xFF;

/// Privileges of the issuer security domain: Security Domain, Card Lock, Card Terminate, Card Reset, CVM Management;
/// Trusted Path to Final Application; Receipt Generation (GPCS 6.6.2).
pub(crate) const ISD_PRIVILEGES: [u8; 3] = [0x9E, 0xFE, 0x80];
/// Card Reset: the application is selected after a reset (GPCS table 11-7).
pub(crate) const CARD_RESET: u8 = 0x04;

/// Privileges of an application (GPCS tables 11-7 to 11-9).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Privileges(pub(crate) [u8; 3]);

impl Privileges {
    pub(crate) const SECURITY_DOMAIN: Self = Self([0x80, 0, 0]);
    pub(crate) const DAP_VERIFICATION: Self = Self([0xC0, 0, 0]);
    pub(crate) const DELEGATED_MANAGEMENT: Self = Self([0xA0, 0, 0]);
    pub(crate) const MANDATED_DAP_VERIFICATION: Self = Self([0xC1, 0, 0]);
    pub(crate) const AUTHORIZED_MANAGEMENT: Self = Self([0x80, 0x40, 0]);
    pub(crate) const GLOBAL_DELETE: Self = Self([0, 0x10, 0]);
    pub(crate) const GLOBAL_LOCK: Self = Self([0, 0x08, 0]);
    pub(crate) const GLOBAL_REGISTRY: Self = Self([0, 0x04, 0]);
    pub(crate) const CIPHERED_LOAD_FILE: Self = Self([0x80, 0, 0x40]);
    /// What a supplementary security domain of this card may have: Token Verification, Final Application, Global Service and Receipt
    /// Generation are the issuer's.
    const OF_DOMAINS: [u8; 3] = [0xFF, 0xDC, 0x40];
    /// What another application may have: Card Lock, Card Terminate, Card Reset, CVM Management.
    pub(crate) const OF_APPLICATIONS: [u8; 3] = [0x1E, 0, 0];

    /// Whether all of the other are there.
    pub(crate) fn has(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(mine, other)| mine & other == other)
    }

    /// Whether an application may have them together (GPCS 6.6.2).
    pub(crate) fn are_assignable(self, is_domain: bool) -> bool {
        let allowed = if is_domain { Self::OF_DOMAINS } else { Self::OF_APPLICATIONS };
        let known = self.0.iter().zip(allowed).all(|(bits, allowed)| bits & !allowed == 0);
        // Delegated and authorized management exclude each other; mandated DAP verification is DAP verification as well.
        let delegated = self.0[0] & 0x20 != 0;
        let exclusive = !(delegated && self.0[1] & 0x40 != 0);
        let mandated = self.0[0] & 0x01 == 0 || self.0[0] & 0x40 != 0;
        known && exclusive && mandated && self.has(Self::SECURITY_DOMAIN) == is_domain
    }
}

/// An executable load file and its modules.
#[derive(Clone, Encode, Decode)]
pub(crate) struct LoadFile {
    #[cbor(n(0), with = "crate::memory::aid")]
    pub(crate) aid: Aid,
    /// Major, minor version of the package.
    #[n(1)]
    pub(crate) version: [u8; 2],
    #[cbor(n(2), with = "crate::memory::aids")]
    pub(crate) modules: Vec<Aid>,
    /// Packages that this one refers to.
    #[cbor(n(3), with = "crate::memory::aids")]
    pub(crate) imports: Vec<Aid>,
    /// Length of the load file data block, in bytes.
    #[n(4)]
    pub(crate) size: u32,
    /// Security domain that it is associated with; none is the issuer's.
    #[n(5)]
    pub(crate) domain: Option<ByteVec>,
}

impl LoadFile {
    /// The load file of supplementary security domains, which comes with the card.
    pub(crate) fn of_security_domains() -> Self {
        Self {
            aid: domain::LOAD_FILE,
            version: [1, 0],
            modules: vec![domain::MODULE],
            imports: Vec::new(),
            size: 0,
            domain: None,
        }
    }

    pub(crate) fn domain(&self) -> DomainId {
        domain_id(self.domain.as_ref())
    }
}

/// How a [`DomainId`] is kept.
pub(crate) fn kept(domain: DomainId) -> Option<ByteVec> {
    domain.map(|aid| aid.as_bytes().to_vec().into())
}

fn domain_id(kept: Option<&ByteVec>) -> DomainId {
    kept.and_then(|bytes| Aid::new(bytes).ok())
}

/// An installed application.
#[derive(Clone, Encode, Decode)]
pub(crate) struct Application {
    #[cbor(n(0), with = "crate::memory::aid")]
    pub(crate) aid: Aid,
    #[cbor(n(1), with = "crate::memory::aid")]
    pub(crate) load_file: Aid,
    #[cbor(n(2), with = "crate::memory::aid")]
    pub(crate) module: Aid,
    /// Life cycle state; bit 8 is set while it is LOCKED.
    #[n(3)]
    pub(crate) life_cycle: u8,
    #[n(4)]
    pub(crate) privileges: [u8; 3],
    /// Memory that it takes, in bytes.
    #[n(5)]
    pub(crate) size: u32,
    #[n(6)]
    pub(crate) installed: Installed,
    /// Security domain that it is associated with; none is the issuer's.
    #[n(7)]
    pub(crate) domain: Option<ByteVec>,
}

impl Application {
    pub(crate) fn domain(&self) -> DomainId {
        domain_id(self.domain.as_ref())
    }

    /// SELECTABLE or a later state, and not LOCKED.
    pub(crate) fn is_selectable(&self) -> bool {
        self.life_cycle & LOCKED == 0 && self.life_cycle & SELECTABLE == SELECTABLE
    }
}

/// What kind of thing a registry entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryKind {
    /// The issuer security domain; its life cycle state is the card's.
    IssuerSecurityDomain,
    /// An executable load file.
    LoadFile,
    /// An application or a supplementary security domain.
    Application,
}

/// One entry of the registry, as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryEntry {
    /// What it is.
    pub kind: EntryKind,
    /// Its AID.
    pub aid: Aid,
    /// Life cycle state (GPCS tables 11-3, 11-4, 11-6).
    pub life_cycle: u8,
    /// Privileges; zero for a load file.
    pub privileges: [u8; 3],
    /// The application's load file.
    pub load_file: Option<Aid>,
    /// Modules of a load file, or the one that an application was made from.
    pub modules: Vec<Aid>,
    /// Security domain that it is associated with; that of the issuer with itself.
    pub domain: Aid,
}
