//! Personalization of payment applications by EMV CPS: data groups, those with secrets enciphered, in STORE DATA.
//!
//! The card's keys come from a master key KMC and the KEYDATA of its answer to INITIALIZE UPDATE
//! ([`KeyScheme::Emv`](crate::procedure::KeyScheme)); the session is SCP02 with explicit initiation, whose `i` says whether ICVs are
//! enciphered (05 or 15). Secrets travel under the session DEK.
//!
//! ```text
//! data group   = DGI (2 bytes) ‖ length (00 to FE, or FF and 2 bytes) ‖ value
//! DGI 80XX to 8FXX: the value is 3DES-ECB(SKU_DEK, secret)
//! P1 of STORE DATA = 60 for enciphered groups, 00 for others, 80 more in the last command; P2 counts from 00
//! ```
//!
//! A session that was torn is not gone on with: the application begins again with its first STORE DATA.

use alloc::vec::Vec;
use core::fmt;

use cardwright_apdu::{CardPort, CommandApdu};
use cardwright_keys::cipher::Tdes;
use cardwright_keys::{KeyCheckValue, KeyEncryptionKey, KeyKind, KeyPort, KeyRef, KeyRequest, KeyValue};
use thiserror::Error as ThisError;
use zeroize::Zeroizing;

use crate::channel::Protocol;
use crate::{DataEncryption, DataStructure, Error, SecureChannel, StoreData, command};

/// Data grouping identifier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dgi(pub u16);

impl Dgi {
    /// DES keys of the application: three, for cryptogram, MAC and enciphering of scripts.
    pub const DES_KEYS: Self = Self(0x8000);
    /// Check values of [`Dgi::DES_KEYS`].
    pub const DES_KEY_CHECK_VALUES: Self = Self(0x9000);
    /// The offline PIN, as a PIN block.
    pub const OFFLINE_PIN: Self = Self(0x8010);
    /// Tries of the offline PIN.
    pub const PIN_TRY_COUNTER: Self = Self(0x9010);

    /// Whether the value has to be enciphered.
    #[must_use]
    pub fn is_secret(self) -> bool {
        self.0 >> 12 == 8
    }

    /// Short file identifier and number of the record that holds the group, where it is a record that READ RECORD gives back.
    #[must_use]
    pub fn record(self) -> Option<(u8, u8)> {
        let [sfi, record] = self.0.to_be_bytes();
        (matches!(sfi, 1..=10) && record > 0).then_some((sfi, record))
    }
}

impl fmt::Display for Dgi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for Dgi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dgi({self})")
    }
}

/// A data group that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum CpsError {
    /// The group is there already.
    #[error("data group {dgi} is there twice")]
    Twice {
        /// Which.
        dgi: Dgi,
    },
    /// A secret group, and its value would go in plain.
    #[error("data group {dgi} is one of secrets (80XX to 8FXX): its value has to be enciphered")]
    Plain {
        /// Which.
        dgi: Dgi,
    },
    /// Not a secret group, and the card would not decipher it.
    #[error("data group {dgi} is none of secrets (80XX to 8FXX): the card would not decipher it")]
    NotSecret {
        /// Which.
        dgi: Dgi,
    },
    /// A length that cannot be coded, or enciphered.
    #[error("data group {dgi}: {expected} wanted, there are {actual} bytes")]
    Length {
        /// Which.
        dgi: Dgi,
        /// What it takes.
        expected: &'static str,
        /// Its length, in bytes.
        actual: usize,
    },
}

/// What an application is personalized with, in the order in which it goes to the card.
#[derive(Clone, Default)]
pub struct CpsData {
    groups: Vec<(Dgi, Content)>,
}

#[derive(Clone)]
enum Content {
    Plain(Vec<u8>),
    Secret(Zeroizing<Vec<u8>>),
    Keys(Vec<KeyRef>),
    CheckValues(Vec<KeyRef>),
}

impl CpsData {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a group in plain: a record, a parameter.
    ///
    /// # Errors
    /// [`CpsError`].
    pub fn with_plain(self, dgi: Dgi, value: &[u8]) -> Result<Self, CpsError> {
        if dgi.is_secret() {
            return Err(CpsError::Plain { dgi });
        }
        if value.is_empty() || value.len() > 0xFFFF {
            return Err(CpsError::Length { dgi, expected: "1 to 65535 bytes", actual: value.len() });
        }
        self.with(dgi, Content::Plain(value.to_vec()))
    }

    /// The same with a secret that this process holds: a PIN block, a component of an RSA key. It is padded as the application wants it,
    /// to a multiple of 8 bytes.
    ///
    /// # Errors
    /// [`CpsError`].
    pub fn with_secret(self, dgi: Dgi, value: &[u8]) -> Result<Self, CpsError> {
        if !dgi.is_secret() {
            return Err(CpsError::NotSecret { dgi });
        }
        if value.is_empty() || !value.len().is_multiple_of(8) || value.len() > 0xFFF8 {
            return Err(CpsError::Length { dgi, expected: "a multiple of 8 bytes", actual: value.len() });
        }
        self.with(dgi, Content::Secret(Zeroizing::new(value.to_vec())))
    }

    /// The same with DES keys that stay in the key service, and a group with their check values.
    ///
    /// # Errors
    /// [`CpsError`].
    pub fn with_keys(self, dgi: Dgi, check_values: Dgi, keys: Vec<KeyRef>) -> Result<Self, CpsError> {
        if !dgi.is_secret() {
            return Err(CpsError::NotSecret { dgi });
        }
        if check_values.is_secret() {
            return Err(CpsError::Plain { dgi: check_values });
        }
        if keys.is_empty() || keys.len() > 64 {
            return Err(CpsError::Length { dgi, expected: "1 to 64 keys of 16 bytes", actual: keys.len() * 16 });
        }
        self.with(dgi, Content::Keys(keys.clone()))?.with(check_values, Content::CheckValues(keys))
    }

    fn with(mut self, dgi: Dgi, content: Content) -> Result<Self, CpsError> {
        if self.groups.iter().any(|(other, _)| *other == dgi) {
            return Err(CpsError::Twice { dgi });
        }
        self.groups.push((dgi, content));
        Ok(self)
    }

    /// The records that can be read back, with their content.
    pub fn records(&self) -> impl Iterator<Item = (Dgi, &[u8])> {
        self.groups.iter().filter_map(|(dgi, content)| match content {
            Content::Plain(value) if dgi.record().is_some() => Some((*dgi, &value[..])),
            _ => None,
        })
    }
}

impl fmt::Debug for CpsData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.groups.iter().map(|(dgi, _)| dgi)).finish()
    }
}

/// What differs between personalizations by EMV CPS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CpsOptions {
    /// Whether P1 says that the data is made up of groups (GPCS 2.3.1 table 11-89: 08), a bit that EMV CPS does not use.
    pub announces_groups: bool,
    /// Longest command data field that card and reader take, in bytes; `None` for 255.
    pub max_command_data: Option<usize>,
}

/// The commands of a session, with check values of the keys in them.
#[derive(Clone, Debug)]
pub struct CpsCommands {
    /// STORE DATA, in order, not yet protected.
    pub commands: Vec<CommandApdu>,
    /// Check values of the keys, in order.
    pub check_values: Vec<KeyCheckValue>,
}

/// Enciphers the secrets for a session and cuts the groups into commands. They are for this session only.
///
/// # Errors
/// [`Error::Unsupported`] for a session that is none of SCP02; [`Error::TooLong`] for more than 256 commands; [`Error::Keys`].
pub async fn prepare(
    keys: &mut impl KeyPort,
    channel: &SecureChannel,
    data: &CpsData,
    options: CpsOptions,
) -> Result<CpsCommands, Error> {
    let dek = channel.session_dek().filter(|_| channel.protocol() == Protocol::Scp02 && !channel.is_implicit());
    let dek = dek.ok_or(Error::Unsupported { what: "EMV CPS over another secure channel than SCP02" })?;
    let mut check_values = Vec::new();
    let mut runs: Vec<(bool, Vec<u8>)> = Vec::new();
    for (dgi, content) in &data.groups {
        let value = match content {
            Content::Plain(value) => value.clone(),
            Content::Secret(secret) => encipher(dek, secret)?,
            Content::Keys(references) => {
                let mut cipher = Vec::with_capacity(references.len() * 16);
                for key in references {
                    let request = KeyRequest::Wrap { key: key.clone(), under: KeyEncryptionKey::Session(dek.clone()) };
                    let wrapped = keys.ask_keys(request).await?.into_wrapped()?;
                    if wrapped.kind != KeyKind::Tdes || wrapped.cipher.len() != 16 {
                        return Err(Error::Unsupported {
                            what: "a key that is none of two-key triple DES in a data group",
                        });
                    }
                    cipher.extend_from_slice(&wrapped.cipher);
                    check_values.push(wrapped.kcv);
                }
                cipher
            }
            // The group stands right behind that of its keys.
            Content::CheckValues(references) => {
                let first = check_values.len() - references.len();
                check_values[first..].iter().flat_map(|kcv| kcv.0).collect()
            }
        };
        match runs.last_mut() {
            Some((secret, run)) if *secret == dgi.is_secret() => push(run, *dgi, &value),
            _ => {
                let mut run = Vec::new();
                push(&mut run, *dgi, &value);
                runs.push((dgi.is_secret(), run));
            }
        }
    }
    let limit = options.max_command_data.unwrap_or(255);
    let max = channel.protocol().max_data(channel.level(), limit);
    let structure = if options.announces_groups { DataStructure::Dgi as u8 } else { 0 };
    let mut fields = Vec::new();
    for (secret, run) in &runs {
        let p1 = structure | if *secret { DataEncryption::All as u8 } else { DataEncryption::None as u8 };
        let cut = StoreData::new(DataStructure::Dgi, run).commands(max)?;
        fields.extend(cut.into_iter().map(|command| (p1, command)));
    }
    let count = fields.len();
    if count > 256 {
        let actual = runs.iter().map(|(_, run)| run.len()).sum();
        return Err(Error::TooLong { command: "STORE DATA", what: "data", actual, limit: 256 * max });
    }
    let number =
        |(n, (p1, cut)): (usize, (u8, CommandApdu))| command::store_data(p1, n as u8, n + 1 == count, cut.data());
    Ok(CpsCommands { commands: fields.into_iter().enumerate().map(number).collect(), check_values })
}

/// Sends the commands of a session in it. After an error the session is over, and the application has to be personalized from its first
/// STORE DATA on, if it allows that.
///
/// # Errors
/// [`Error::Refused`], [`Error::Channel`], [`Error::Transport`].
pub async fn personalize(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    commands: CpsCommands,
) -> Result<(), Error> {
    for command in &commands.commands {
        channel.call(card, command).await?;
    }
    Ok(())
}

/// `DGI ‖ length ‖ value`.
fn push(run: &mut Vec<u8>, dgi: Dgi, value: &[u8]) {
    run.extend_from_slice(&dgi.0.to_be_bytes());
    match u8::try_from(value.len()) {
        Ok(length) if length < 0xFF => run.push(length),
        _ => {
            run.push(0xFF);
            run.extend_from_slice(&(value.len() as u16).to_be_bytes());
        }
    }
    run.extend_from_slice(value);
}

fn encipher(dek: &KeyValue, secret: &[u8]) -> Result<Vec<u8>, Error> {
    // Enciphered where it lies: what is given back is no secret any more.
    let mut data = Zeroizing::new(secret.to_vec());
    Tdes::new(dek)?.ecb_encrypt(&mut data);
    Ok(data.to_vec())
}
