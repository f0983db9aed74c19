//! SIM profiles: how a vendor's blank cards take what no standard describes, as data.
//!
//! How a subscriber's keys, PIN and PUK get into a SIM is each vendor's own. A profile names the ADM key, says which commands the card
//! takes, and for each secret the file or command that writes it. What it has no entry for is refused before anything is sent.
//!
//! ```toml
//! [profile.my-sim]
//! about = "how this was found out"
//! commands = "uicc"
//! adm = { reference = 0x0A, tells_tries = true }
//! keys = [{ file = "7F20/00FF", content = "K" }, { file = "7F20/00F7", content = "01 OPC" }]
//! puk = [{ command = "A0D43B01", content = "PUK" }]
//! proof = "gsm"
//! ```

use alloc::string::String;
use alloc::vec::Vec;

use cardwright_apdu::{Aid, Class, CommandApdu};
use cardwright_keys::milenage::KeyFilePart;

use super::error::SimError;
use super::file::FilePath;
use super::iccid::{Iccid, IccidPlan};
use super::imsi::Imsi;
use super::number::TonNpi;
use super::secret::SecretCode;
use super::session::Dialect;

#[cfg(feature = "std")]
mod file;

#[cfg(feature = "std")]
pub use file::SimProfileError;

/// The ADM key of a kind of card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdmAccess {
    /// Class of VERIFY.
    pub class: Class,
    /// P2 of VERIFY: which key.
    pub reference: u8,
    /// Whether VERIFY without data tells the retry counter. Where it does not, one attempt is made for each card, and then a person
    /// has to look.
    pub tells_tries: bool,
}

/// Which numbers a card of this profile takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// The ICCIDs.
    pub iccid: IccidPlan,
    /// MCC and MNC that an IMSI may begin with; empty for any.
    pub networks: Vec<String>,
    /// Type of a subscriber number that is written without `+`.
    pub national: TonNpi,
}

impl Default for Numbering {
    fn default() -> Self {
        Self { iccid: IccidPlan::e118(), networks: Vec::new(), national: TonNpi::UNKNOWN }
    }
}

/// Where a secret is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Into a transparent file, from this byte on.
    Binary {
        /// The file.
        path: FilePath,
        /// First byte, from 0.
        offset: usize,
    },
    /// Into a record.
    Record {
        /// The file.
        path: FilePath,
        /// Number of the record, from 1.
        number: u8,
    },
    /// By a command of the vendor's.
    Command {
        /// CLA INS P1 P2.
        header: [u8; 4],
    },
}

/// A piece of what is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// K, 16 bytes.
    K,
    /// OP, 16 bytes.
    Op,
    /// OPc, 16 bytes.
    Opc,
    /// PIN, 8 bytes.
    Pin,
    /// PUK, 8 bytes.
    Puk,
    /// The ICCID's file, 10 bytes.
    Iccid,
    /// The IMSI's file, 9 bytes.
    Imsi,
}

/// One command that writes a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretWrite {
    /// Where.
    pub target: Target,
    /// What.
    pub content: Vec<Part>,
}

/// How it is shown that a card has the subscriber's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyProof {
    /// RUN GSM ALGORITHM of a SIM: `A0 88 00 00 10 RAND`. Moves nothing on the card.
    Gsm,
    /// AUTHENTICATE in the GSM context of a USIM: `00 88 00 80 11 10 RAND`. Moves nothing on the card.
    UsimGsm,
    /// AUTHENTICATE with a sequence number that is not fresh, and a check of the AUTS: `00 88 00 81 22 10 RAND 10 AUTN`.
    UsimStale,
}

/// What a kind of blank card needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimProfile {
    /// Its name, which traces and journals show.
    pub name: String,
    /// For people: which cards it is for, and how that was found out.
    pub about: String,
    /// Which commands the card takes.
    pub dialect: Dialect,
    /// AID of the USIM, or its beginning; `None` for cards without.
    pub application: Option<Aid>,
    /// The ADM key; `None` for cards that need none.
    pub adm: Option<AdmAccess>,
    /// Whether the ICCID can be written.
    pub iccid_rewritable: bool,
    /// Which numbers it takes.
    pub numbering: Numbering,
    /// How the PIN is written; empty when that is not known.
    pub pin: Vec<SecretWrite>,
    /// How the PUK is written; empty when that is not known.
    pub puk: Vec<SecretWrite>,
    /// How the subscriber's keys are written; empty when that is not known.
    pub keys: Vec<SecretWrite>,
    /// How they are proved; `None` for cards whose algorithm is none that the key service knows.
    pub proof: Option<KeyProof>,
}

impl SimProfile {
    /// AID of a USIM, without the parts that differ from vendor to vendor (TS 101 220 annex E).
    pub const USIM: &[u8] = &[0xA0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02];

    /// A profile without entries.
    #[must_use]
    pub fn new(name: impl Into<String>, dialect: Dialect) -> Self {
        Self {
            name: name.into(),
            about: String::new(),
            dialect,
            application: None,
            adm: None,
            iccid_rewritable: true,
            numbering: Numbering::default(),
            pin: Vec::new(),
            puk: Vec::new(),
            keys: Vec::new(),
            proof: None,
        }
    }

    /// Refuses what the profile does not know how to write.
    ///
    /// # Errors
    /// [`SimError::NoEntry`].
    pub fn require<'a>(&self, entry: &'a [SecretWrite], what: &'static str) -> Result<&'a [SecretWrite], SimError> {
        if entry.is_empty() { Err(SimError::NoEntry { profile: self.name.clone(), what }) } else { Ok(entry) }
    }
}

/// What a secret's parts are made of, beside the keys.
#[derive(Clone, Debug, Default)]
pub struct SecretValues {
    /// The PIN.
    pub pin: Option<SecretCode>,
    /// The PUK.
    pub puk: Option<SecretCode>,
    /// The ICCID.
    pub iccid: Option<Iccid>,
    /// The IMSI.
    pub imsi: Option<Imsi>,
}

impl SecretWrite {
    /// Whether a key is written with it.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.content.iter().any(|part| matches!(part, Part::K | Part::Op | Part::Opc))
    }

    /// The parts with everything filled in but the keys, for [`cardwright_keys::KeyRequest::KeyFile`].
    ///
    /// # Errors
    /// [`SimError::Missing`] for a value that is not there.
    pub fn key_file_parts(&self, profile: &str, values: &SecretValues) -> Result<Vec<KeyFilePart>, SimError> {
        let missing = |what| SimError::Missing { profile: profile.into(), what };
        self.content
            .iter()
            .map(|part| {
                Ok(KeyFilePart::Bytes(match part {
                    Part::K => return Ok(KeyFilePart::K),
                    Part::Op => return Ok(KeyFilePart::Op),
                    Part::Opc => return Ok(KeyFilePart::Opc),
                    Part::Bytes(bytes) => bytes.clone(),
                    Part::Pin => values.pin.as_ref().ok_or_else(|| missing("PIN"))?.expose_bytes().to_vec(),
                    Part::Puk => values.puk.as_ref().ok_or_else(|| missing("PUK"))?.expose_bytes().to_vec(),
                    Part::Iccid => values.iccid.as_ref().ok_or_else(|| missing("ICCID"))?.to_file().to_vec(),
                    Part::Imsi => values.imsi.as_ref().ok_or_else(|| missing("IMSI"))?.to_file().to_vec(),
                }))
            })
            .collect()
    }
}

/// A command of the vendor's with its data.
pub(crate) fn vendor_command([cla, ins, p1, p2]: [u8; 4], data: &[u8]) -> CommandApdu {
    CommandApdu::new(cla, ins, p1, p2).with_data(data)
}
