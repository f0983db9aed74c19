//! Entries of the GlobalPlatform Registry (GPCS 6.5).

use cardwright_apdu::Aid;
use minicbor::{Decode, Encode};

use crate::application::Installed;

/// Executable load file state LOADED (GPCS table 11-3).
pub(crate) const LOADED: u8 = 0x01;
/// Application state INSTALLED (GPCS table 11-4).
pub(crate) const INSTALLED: u8 = 0x03;
/// Application state SELECTABLE.
pub(crate) const SELECTABLE: u8 = 0x07;
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
}

impl Application {
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
    /// An application.
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
}
