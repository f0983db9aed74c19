//! SIM and USIM: the files of a subscriber and the ways to write them (3GPP TS 51.011, TS 31.102, ETSI TS 102 221).
//!
//! Values are types that hold nothing illegal and know their bytes on the card; they are checked before anything is sent. What identifies a
//! subscriber is masked in `Display` and `Debug`. [`FileSystem`] selects, reads and writes by path in both command classes;
//! [`SimProfile`] says what each vendor does in a way of its own.
//!
//! ```
//! use cardwright_cos::usim::{Imsi, Msisdn, TonNpi};
//!
//! let imsi = Imsi::new("262011106487504", &["26201".into()])?;
//! assert_eq!(imsi.to_file(), [0x08, 0x29, 0x26, 0x10, 0x11, 0x60, 0x84, 0x57, 0x40]);
//! assert_eq!(imsi.to_string(), "26201..");
//! assert!(Msisdn::new("+49 172", TonNpi::UNKNOWN).is_err());
//! # Ok::<(), cardwright_cos::usim::FieldError>(())
//! ```

mod authentication;
mod digits;
mod error;
mod field;
mod file;
mod iccid;
mod imsi;
mod network;
mod number;
mod personalize;
mod profile;
mod secret;
mod session;
mod spn;
mod text;

pub use authentication::{KeyVerdict, prove_keys};
pub use error::SimError;
pub use field::{FieldError, FieldFault};
pub use file::{FileInformation, FilePath, Structure};
pub use iccid::{Iccid, IccidPlan};
pub use imsi::Imsi;
pub use network::{
    AccessClasses, AccessTechnologies, AdministrativeData, LocationFile, LocationInformation, MncLength, Plmn, PlmnList,
};
pub use number::{DialNumber, Msisdn, SmsParameters, TonNpi};
pub use personalize::{Content, FileWrite, PreparedWrite, SubscriberData, file_writes};
#[cfg(feature = "std")]
pub use profile::SimProfileError;
pub use profile::{AdmAccess, KeyProof, Numbering, Part, SecretValues, SecretWrite, SimProfile, Target};
pub use secret::SecretCode;
pub use session::{AdmState, Dialect, FileSystem, adm_state, verify_adm};
pub use spn::ServiceProviderName;
