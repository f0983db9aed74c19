use cardwright_apdu::Aid;
use cardwright_cos::{KeyHeader, KeyUpdate, Protection};
use cardwright_gp::procedure::KeyCandidate;
use cardwright_gp::{CardProfile, ChallengePolicy, LoadFile, SecurityLevel};
use cardwright_keys::KeyRef;

use crate::CardIdentity;
use crate::quarantine::Release;

/// What a card is to become.
#[derive(Clone, Debug)]
pub struct Order {
    /// The card that it is for, where something of the order belongs to one card: a number, say. Another one is refused before
    /// anything but what finds out which card it is.
    pub card: Option<CardIdentity>,
    /// AID of the issuer security domain; without one the card's own choice, then those in common use.
    pub domain: Option<Aid>,
    /// Security level of the secure channels.
    pub level: SecurityLevel,
    /// Whether the card challenge is checked.
    pub challenge: ChallengePolicy,
    /// What the cards do otherwise than the standard says; what it says of the challenge comes before `challenge`.
    pub profile: CardProfile,
    /// Key sets of the issuer security domain that the card may have now.
    pub current_keys: Vec<KeyCandidate>,
    /// Key sets that it shall get: the first whose kind fits the protocol counts.
    pub new_keys: Vec<KeyCandidate>,
    /// The applications, each a job of its own.
    pub applications: Vec<ApplicationOrder>,
    /// Try again although the card had too many failed authentications.
    pub override_lockout: bool,
    /// Try quarantined steps again that persons have decided about.
    pub release: Option<Release>,
    /// That the initial keys of a card (version FF) may be replaced, for good.
    pub replace_initial_keys: bool,
}

impl Order {
    /// Whichever card comes, over a secure channel that enciphers commands, with a profile of the standard alone and no leave for
    /// anything that cannot be undone.
    #[must_use]
    pub fn new(
        current_keys: Vec<KeyCandidate>,
        new_keys: Vec<KeyCandidate>,
        applications: Vec<ApplicationOrder>,
    ) -> Self {
        Self {
            card: None,
            domain: None,
            level: SecurityLevel::C_DECRYPTION,
            challenge: ChallengePolicy::Require,
            profile: CardProfile::standard(),
            current_keys,
            new_keys,
            applications,
            override_lockout: false,
            release: None,
            replace_initial_keys: false,
        }
    }
}

/// One application for the card.
#[derive(Clone, Debug)]
pub struct ApplicationOrder {
    /// What to load, if the card lacks it.
    pub load_file: LoadFile,
    /// Version of the load file: major, minor. A card that tells another one is refused.
    pub version: Option<(u8, u8)>,
    /// Module in the load file.
    pub module: Aid,
    /// AID that the application gets.
    pub instance: Aid,
    /// Parameters of the application: the value of C9.
    pub parameters: Vec<u8>,
    /// Master key that the application is born with, before diversification by its serial number.
    pub initial_master_key: KeyRef,
    /// Card master key that it gets, before diversification.
    pub master_key: KeyRef,
    /// Maintenance key that it gets, before diversification.
    pub maintenance_key: KeyRef,
    /// Record of the master key.
    pub master_update: KeyUpdate,
    /// Record of the maintenance key.
    pub maintenance_update: KeyUpdate,
    /// Whether EXTERNAL AUTHENTICATE without data asks for the retry counter (ISO 7816-4 11.5.4).
    pub tells_tries: bool,
}

/// Master keys of an application, before diversification by its serial number.
#[derive(Clone, Debug)]
pub struct ApplicationKeys {
    /// Master key that the application is born with.
    pub initial_master: KeyRef,
    /// Card master key that it gets.
    pub master: KeyRef,
    /// Maintenance key that it gets.
    pub maintenance: KeyRef,
}

impl ApplicationOrder {
    /// An application as PBOC cards have it: installed under the AID of its module, without parameters, with the usual key
    /// records, on cards that tell their retry counter.
    #[must_use]
    pub fn new(load_file: LoadFile, module: Aid, keys: ApplicationKeys) -> Self {
        Self {
            load_file,
            version: None,
            module,
            instance: module,
            parameters: Vec::new(),
            initial_master_key: keys.initial_master,
            master_key: keys.master,
            maintenance_key: keys.maintenance,
            master_update: Self::usual_master_update(),
            maintenance_update: Self::usual_maintenance_update(),
            tells_tries: true,
        }
    }

    /// The same for cards that may have the load file in this version only: major, minor.
    #[must_use]
    pub fn with_version(mut self, major: u8, minor: u8) -> Self {
        self.version = Some((major, minor));
        self
    }

    /// Record of a card master key as PBOC applications have it: type F9, identifier 00, three tries.
    #[must_use]
    pub fn usual_master_update() -> KeyUpdate {
        let header = KeyHeader::ExternalAuthentication {
            use_right: 0xF0,
            change_right: 0xF0,
            next_state: 0xAA,
            error_counter: 0x33,
        };
        KeyUpdate { kid: 0, header, protection: Protection::EncipheredMac }
    }

    /// Record of a maintenance key as PBOC applications have it: type F6, identifier 00, three tries.
    #[must_use]
    pub fn usual_maintenance_update() -> KeyUpdate {
        let header = KeyHeader::LineProtection { use_right: 0xF0, change_right: 0xF0, error_counter: 0x33 };
        KeyUpdate { kid: 0, header, protection: Protection::EncipheredMac }
    }
}
