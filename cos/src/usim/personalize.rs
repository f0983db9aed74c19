use alloc::vec::Vec;

use cardwright_apdu::CardPort;
use cardwright_keys::milenage::{KeyFile, KeyFilePart, SubscriberKeys};
use cardwright_keys::{KeyPort, KeyRequest};
use zeroize::Zeroizing;

use super::error::SimError;
use super::file::FilePath;
use super::iccid::Iccid;
use super::imsi::Imsi;
use super::network::{AccessClasses, AdministrativeData, LocationFile, Plmn, PlmnList};
use super::number::{Msisdn, SmsParameters};
use super::profile::{SecretValues, SecretWrite, SimProfile, Target, vendor_command};
use super::session::{Dialect, FileSystem, call};
use super::spn::ServiceProviderName;

/// DF.TELECOM (TS 51.011 10.5).
const DF_TELECOM: u16 = 0x7F10;

/// What a subscriber's card says, beside its secrets. Every value is one that its file can hold.
#[derive(Clone, Debug)]
pub struct SubscriberData {
    /// ICCID, where the card gets a new one.
    pub iccid: Option<Iccid>,
    /// IMSI.
    pub imsi: Imsi,
    /// The subscriber's number.
    pub msisdn: Option<Msisdn>,
    /// Where short messages are handed in.
    pub sms_parameters: Option<SmsParameters>,
    /// Access control classes; without, the one that follows from the IMSI.
    pub access_classes: Option<AccessClasses>,
    /// Name of the service provider.
    pub provider: Option<ServiceProviderName>,
    /// Administrative data: the length of the MNC.
    pub administrative_data: Option<AdministrativeData>,
    /// Networks by the user's preference.
    pub user_networks: Option<PlmnList>,
    /// Networks by the operator's preference.
    pub operator_networks: Option<PlmnList>,
    /// The home network, and how it is reached.
    pub home_networks: Option<PlmnList>,
    /// The home network; where it is given, what the card knows of locations and session keys is written back to what a new card has.
    pub reset_for: Option<Plmn>,
}

impl SubscriberData {
    /// An IMSI and nothing else.
    #[must_use]
    pub fn new(imsi: Imsi) -> Self {
        Self {
            iccid: None,
            imsi,
            msisdn: None,
            sms_parameters: None,
            access_classes: None,
            provider: None,
            administrative_data: None,
            user_networks: None,
            operator_networks: None,
            home_networks: None,
            reset_for: None,
        }
    }
}

/// What a file shall hold; some depends on the length that the card gives the file.
#[derive(Clone, Debug)]
pub enum Content {
    /// These bytes, from the first on.
    Bytes(Vec<u8>),
    /// A record with the subscriber's number.
    Msisdn(Msisdn),
    /// A record with the service centre.
    SmsParameters(SmsParameters),
    /// A list of networks.
    Networks(PlmnList),
    /// What a new card has.
    Initial(LocationFile, Plmn),
}

/// One file of a subscriber, to be written and read back.
#[derive(Clone, Debug)]
pub struct FileWrite {
    /// What it is called in the journal.
    pub name: &'static str,
    /// The file.
    pub path: FilePath,
    /// Where it is on cards that do not have it there.
    pub elsewhere: Option<FilePath>,
    /// What it shall hold.
    pub content: Content,
    /// Whether a card without the file is left as it is.
    pub optional: bool,
}

/// A file that is selected, and what it shall hold in its length.
#[derive(Clone, Debug)]
pub struct PreparedWrite {
    path: FilePath,
    record: Option<u8>,
    wanted: Vec<u8>,
}

/// The files to write, in order: the ICCID first, so that the card can be told from others from then on.
///
/// # Errors
/// [`SimError::NoEntry`] for an ICCID on cards that keep theirs; [`SimError::Field`] for what fits no file.
pub fn file_writes(data: &SubscriberData, profile: &SimProfile) -> Result<Vec<FileWrite>, SimError> {
    let home = match (profile.dialect, &profile.application) {
        (Dialect::Uicc, Some(_)) => FilePath::APPLICATION,
        _ => 0x7F20,
    };
    let mut writes = Vec::new();
    let mut add = |name, directory: &[u16], file, content, optional| {
        let path = FilePath::new(&[directory, &[file]].concat());
        writes.push(FileWrite { name, path, elsewhere: None, content, optional });
    };
    if let Some(iccid) = &data.iccid {
        if !profile.iccid_rewritable {
            return Err(SimError::NoEntry { profile: profile.name.clone(), what: "an ICCID, which such cards keep" });
        }
        add("iccid", &[], 0x2FE2, Content::Bytes(iccid.to_file().to_vec()), false);
    }
    add("imsi", &[home], 0x6F07, Content::Bytes(data.imsi.to_file().to_vec()), false);
    let classes = match data.access_classes {
        Some(classes) => classes,
        None => AccessClasses::new(&[data.imsi.access_class()])?,
    };
    add("acc", &[home], 0x6F78, Content::Bytes(classes.to_file().to_vec()), false);
    if let Some(provider) = &data.provider {
        add("spn", &[home], 0x6F46, Content::Bytes(provider.to_file()?), false);
    }
    if let Some(administrative) = &data.administrative_data {
        add("ad", &[home], 0x6FAD, Content::Bytes(administrative.to_file()), false);
    }
    for (name, file, list) in [
        ("plmnwact", 0x6F60, &data.user_networks),
        ("oplmnwact", 0x6F61, &data.operator_networks),
        ("hplmnwact", 0x6F62, &data.home_networks),
    ] {
        if let Some(list) = list {
            add(name, &[home], file, Content::Networks(list.clone()), false);
        }
    }
    if let Some(network) = data.reset_for {
        let usim: &[_] = &[
            ("loci", 0x6F7E, LocationFile::Loci),
            ("psloci", 0x6F73, LocationFile::PsLoci),
            ("epsloci", 0x6FE3, LocationFile::EpsLoci),
            ("keys-cs", 0x6F08, LocationFile::Keys),
            ("keys-ps", 0x6F09, LocationFile::Keys),
            ("fplmn", 0x6F7B, LocationFile::ForbiddenPlmns),
        ];
        let sim: &[_] = &[
            ("loci", 0x6F7E, LocationFile::Loci),
            ("locigprs", 0x6F53, LocationFile::PsLoci),
            ("kc", 0x6F20, LocationFile::Kc),
            ("kcgprs", 0x6F52, LocationFile::Kc),
            ("fplmn", 0x6F7B, LocationFile::ForbiddenPlmns),
        ];
        for (name, file, kind) in if home == FilePath::APPLICATION { usim } else { sim } {
            add(name, &[home], *file, Content::Initial(*kind, network), true);
        }
    }
    let msisdn = data.msisdn.iter().map(|msisdn| ("msisdn", 0x6F40, Content::Msisdn(msisdn.clone())));
    let smsp =
        data.sms_parameters.iter().map(|parameters| ("smsp", 0x6F42, Content::SmsParameters(parameters.clone())));
    for (name, file, content) in msisdn.chain(smsp) {
        let telecom = FilePath::new(&[DF_TELECOM, file]);
        let (path, elsewhere) = match home {
            // A USIM has them itself (TS 31.102 4.2.26, 4.2.27); on cards that are a SIM as well it may be that DF.TELECOM alone does.
            FilePath::APPLICATION => (FilePath::new(&[home, file]), Some(telecom)),
            _ => (telecom, None),
        };
        writes.push(FileWrite { name, path, elsewhere, content, optional: false });
    }
    Ok(writes)
}

impl FileWrite {
    /// Selects the file and sees what it shall hold. `None` for an optional file that the card does not have.
    ///
    /// # Errors
    /// [`SimError::NoFile`], [`SimError::Structure`], [`SimError::Field`] when it does not fit the card's file;
    /// [`SimError::Transport`].
    pub async fn prepare(
        &self,
        card: &mut impl CardPort,
        files: &mut FileSystem,
    ) -> Result<Option<PreparedWrite>, SimError> {
        let first = self.select(card, files, &self.path).await;
        let selected = match (first, &self.elsewhere) {
            (Err(SimError::NoFile { .. }), Some(path)) => self.select(card, files, path).await,
            (first, _) => first,
        };
        match selected {
            Ok(prepared) => Ok(Some(prepared)),
            Err(SimError::NoFile { .. }) if self.optional => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn select(
        &self,
        card: &mut impl CardPort,
        files: &mut FileSystem,
        path: &FilePath,
    ) -> Result<PreparedWrite, SimError> {
        let path = path.clone();
        let record = |wanted| PreparedWrite { path: path.clone(), record: Some(1), wanted };
        let information = files.select_and_describe(card, &path).await?;
        let size = || FileSystem::size(&path, &information);
        let record_length = || FileSystem::record_length(&path, &information, 1);
        Ok(match &self.content {
            Content::Msisdn(msisdn) => record(msisdn.to_record(record_length()?)?),
            Content::SmsParameters(parameters) => record(parameters.to_record(record_length()?)?),
            Content::Networks(list) => {
                PreparedWrite { wanted: list.to_file(size()?)?, record: None, path: path.clone() }
            }
            Content::Initial(kind, network) => {
                PreparedWrite { wanted: kind.initial(*network, size()?)?, record: None, path: path.clone() }
            }
            Content::Bytes(bytes) => {
                let size = size()?;
                if size < bytes.len() {
                    let expected = alloc::format!("a file of {} bytes", bytes.len());
                    return Err(super::field::FieldError::length(self.name, expected, size).into());
                }
                PreparedWrite { wanted: bytes.clone(), record: None, path: path.clone() }
            }
        })
    }
}

impl PreparedWrite {
    /// What the file shall hold. Personal data: not for logs.
    #[must_use]
    pub fn wanted(&self) -> &[u8] {
        &self.wanted
    }

    /// Reads the selected file: whether it holds what it shall.
    ///
    /// # Errors
    /// [`SimError::ReadBack`] when it does not; [`SimError::Refused`], [`SimError::Answer`], [`SimError::Transport`].
    pub async fn check(&self, card: &mut impl CardPort, files: &FileSystem) -> Result<(), SimError> {
        let actual = match self.record {
            Some(number) => files.read_record(card, number, self.wanted.len()).await?,
            None => files.read_binary(card, 0, self.wanted.len()).await?,
        };
        match self.wanted.iter().zip(&actual).position(|(wanted, actual)| wanted != actual) {
            None => Ok(()),
            Some(offset) => Err(SimError::ReadBack { path: self.path.clone(), offset }),
        }
    }

    /// Overwrites the selected file.
    ///
    /// # Errors
    /// [`SimError::Refused`], [`SimError::Transport`].
    pub async fn write(&self, card: &mut impl CardPort, files: &FileSystem) -> Result<(), SimError> {
        match self.record {
            Some(number) => files.update_record(card, number, &self.wanted).await,
            None => files.update_binary(card, 0, &self.wanted).await,
        }
    }
}

impl SecretWrite {
    /// What is written where no key is: a PIN or PUK.
    ///
    /// # Errors
    /// [`SimError::Missing`].
    pub fn plain_content(&self, profile: &str, values: &SecretValues) -> Result<Zeroizing<Vec<u8>>, SimError> {
        let mut content = Zeroizing::new(Vec::with_capacity(255));
        for part in self.key_file_parts(profile, values)? {
            match part {
                KeyFilePart::Bytes(bytes) => content.extend_from_slice(&bytes),
                _ => return Err(SimError::Missing { profile: profile.into(), what: "a key" }),
            }
        }
        Ok(content)
    }

    /// What is written with the subscriber's keys in it, which the key service fills in.
    ///
    /// # Errors
    /// [`SimError::Missing`], [`SimError::Keys`].
    pub async fn key_content(
        &self,
        keys: &mut impl KeyPort,
        subscriber: &SubscriberKeys,
        profile: &str,
        values: &SecretValues,
    ) -> Result<KeyFile, SimError> {
        let parts = self.key_file_parts(profile, values)?;
        Ok(keys.ask_keys(KeyRequest::KeyFile { keys: subscriber.clone(), parts }).await?.into_key_file()?)
    }

    /// Writes a secret: into its file, or by the vendor's command.
    ///
    /// # Errors
    /// [`SimError::NoFile`], [`SimError::Refused`], [`SimError::Transport`].
    pub async fn write(
        &self,
        card: &mut impl CardPort,
        files: &mut FileSystem,
        content: &[u8],
    ) -> Result<(), SimError> {
        match &self.target {
            Target::Binary { path, offset } => {
                files.select(card, path).await?;
                files.update_binary(card, *offset, content).await
            }
            Target::Record { path, number } => {
                let information = files.select_and_describe(card, path).await?;
                let length = FileSystem::record_length(path, &information, *number)?;
                if length != content.len() {
                    let expected = alloc::format!("a record of {} bytes", content.len());
                    return Err(super::field::FieldError::length("record", expected, length).into());
                }
                files.update_record(card, *number, content).await
            }
            Target::Command { header } => call(card, vendor_command(*header, content)).await.map(drop),
        }
    }
}
