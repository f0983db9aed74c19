use alloc::vec::Vec;

use cardwright_apdu::{Aid, CardPort, Class, CommandApdu, Instruction, Ne, ResponseApdu, StatusWord};

use super::error::SimError;
use super::file::{FileInformation, FilePath, Structure};
use super::secret::SecretCode;

/// Which commands a card takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// A SIM: class A0 (TS 51.011).
    Gsm,
    /// A UICC: class 00 (TS 102 221).
    Uicc,
}

impl Dialect {
    pub(crate) fn class(self) -> Class {
        match self {
            Self::Gsm => Class(0xA0),
            Self::Uicc => Class::ISO,
        }
    }
}

/// What the ADM key's retry counter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdmState {
    /// The key was verified in this session, or is not needed.
    Verified,
    /// So many tries are left.
    Tries(u8),
    /// No try is left.
    Blocked,
    /// The card does not tell.
    NotTold,
}

/// Most bytes that one READ or UPDATE BINARY carries.
const CHUNK: usize = 255;

/// The file system of a card since its last reset: which directory is selected, and how the card takes SELECT.
#[derive(Clone, Debug)]
pub struct FileSystem {
    dialect: Dialect,
    /// Directory selected last, one file identifier after the other; `None` when that is not known.
    directory: Option<Vec<u16>>,
    /// The application that was selected, which a card that does not know 7FFF is asked for again.
    application: Option<Aid>,
    by_path: ByPath,
    /// Whether SELECT without a description was refused.
    describes_always: bool,
}

/// Whether a UICC takes SELECT by path from the master file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ByPath {
    Untried,
    Taken,
    Refused,
}

impl FileSystem {
    /// A card that was just reset.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            directory: Some(Vec::new()),
            application: None,
            by_path: ByPath::Untried,
            describes_always: false,
        }
    }

    /// Selects an application by its AID, which may be a part of it (TS 102 221 8.5.1).
    ///
    /// # Errors
    /// [`SimError::Refused`], [`SimError::Transport`].
    pub async fn select_application(&mut self, card: &mut impl CardPort, aid: &Aid) -> Result<(), SimError> {
        let select = CommandApdu::new(Class::ISO, Instruction::SELECT, 0x04, 0x0C).with_data(aid.as_bytes());
        let response = self.send_select(card, select).await?;
        if !is_done(response.sw()) {
            return Err(SimError::Refused { command: "SELECT", sw: response.sw() });
        }
        self.application = Some(*aid);
        self.directory = Some([FilePath::APPLICATION].to_vec());
        Ok(())
    }

    /// Selects a file.
    ///
    /// # Errors
    /// [`SimError::NoFile`], [`SimError::Refused`], [`SimError::Transport`].
    pub async fn select(&mut self, card: &mut impl CardPort, path: &FilePath) -> Result<(), SimError> {
        match self.dialect {
            Dialect::Gsm => self.select_gsm(card, path).await.map(drop),
            Dialect::Uicc => self.select_uicc(card, path, false).await.map(drop),
        }
    }

    /// Selects a file and asks what it is.
    ///
    /// # Errors
    /// As [`FileSystem::select`]; [`SimError::Answer`] for one that says nothing of itself, or is another file.
    pub async fn select_and_describe(
        &mut self,
        card: &mut impl CardPort,
        path: &FilePath,
    ) -> Result<FileInformation, SimError> {
        let information = match self.dialect {
            Dialect::Uicc => FileInformation::parse_fcp(&self.select_uicc(card, path, true).await?)?,
            Dialect::Gsm => {
                let description = match self.select_gsm(card, path).await? {
                    Described::Here(description) => description,
                    Described::Waiting(length) => {
                        let command = CommandApdu::new(0xA0, Instruction::GET_RESPONSE, 0, 0).with_ne(length);
                        call(card, command).await?.into_data()
                    }
                };
                FileInformation::parse_gsm(&description)?
            }
        };
        let (_, wanted) = path.split();
        match (information.identifier, wanted) {
            (Some(actual), Some(wanted)) if actual != wanted && wanted != FilePath::APPLICATION => {
                Err(SimError::Answer {
                    command: "SELECT",
                    expected: "the file that was selected",
                    offset: 0,
                    actual: 2,
                })
            }
            _ => Ok(information),
        }
    }

    /// One SELECT for each directory on the way that is not selected already; what the card has to say of the file.
    async fn select_gsm(&mut self, card: &mut impl CardPort, path: &FilePath) -> Result<Described, SimError> {
        let (directory, file) = path.split();
        let here = self.directory.take();
        let mut described = Described::Waiting(Ne::MAX_SHORT);
        for identifier in way(here.as_deref(), directory) {
            described = select_one(card, path, identifier).await?;
        }
        if let Some(file) = file {
            described = select_one(card, path, file).await?;
        }
        self.directory = Some(directory_of(path));
        Ok(described)
    }

    /// SELECT by path from the master file; where the card does not take that, one identifier after the other. With the FCP where it
    /// is asked for.
    async fn select_uicc(
        &mut self,
        card: &mut impl CardPort,
        path: &FilePath,
        describe: bool,
    ) -> Result<Vec<u8>, SimError> {
        if self.by_path == ByPath::Refused {
            return self.select_in_steps(card, path, describe).await;
        }
        let data: Vec<u8> = path.identifiers().iter().flat_map(|identifier| identifier.to_be_bytes()).collect();
        let command = CommandApdu::new(Class::ISO, Instruction::SELECT, 0x08, p2_of(describe)).with_data(data);
        let response = self.send_select(card, command).await?;
        let sw = response.sw();
        let is_absent = sw == StatusWord::FILE_NOT_FOUND;
        // Not every card knows 7FFF in a path, or paths at all; one that took a path before says that the file is not there.
        let is_known =
            self.by_path == ByPath::Taken || is_absent && !(path.is_in_application() && self.application.is_some());
        match sw {
            _ if is_done(sw) => {
                (self.by_path, self.directory) = (ByPath::Taken, Some(directory_of(path)));
                Ok(response.into_data())
            }
            sw if is_absent && is_known => Err(SimError::NoFile { path: path.clone(), sw }),
            _ if !is_known && (is_absent || is_not_known(sw)) => {
                let found = self.select_in_steps(card, path, describe).await;
                if found.is_ok() {
                    self.by_path = ByPath::Refused;
                }
                found
            }
            sw => Err(SimError::Refused { command: "SELECT", sw }),
        }
    }

    /// One SELECT by identifier for each directory on the way that is not selected already (TS 102 221 8.4.1).
    async fn select_in_steps(
        &mut self,
        card: &mut impl CardPort,
        path: &FilePath,
        describe: bool,
    ) -> Result<Vec<u8>, SimError> {
        let (directory, file) = path.split();
        let here = self.directory.take();
        let mut description = Vec::new();
        for identifier in way(here.as_deref(), directory).into_iter().chain(file) {
            let by_identifier = |identifier: u16| {
                CommandApdu::new(Class::ISO, Instruction::SELECT, 0x00, p2_of(describe))
                    .with_data(identifier.to_be_bytes())
            };
            let command = match (identifier, self.application) {
                (FilePath::APPLICATION, Some(aid)) => {
                    CommandApdu::new(Class::ISO, Instruction::SELECT, 0x04, p2_of(describe)).with_data(aid.as_bytes())
                }
                _ => by_identifier(identifier),
            };
            let response = self.send_select(card, command).await?;
            match response.sw() {
                sw if is_done(sw) => description = response.into_data(),
                sw @ StatusWord::FILE_NOT_FOUND => return Err(SimError::NoFile { path: path.clone(), sw }),
                sw => return Err(SimError::Refused { command: "SELECT", sw }),
            }
        }
        self.directory = Some(directory_of(path));
        Ok(description)
    }

    /// SELECT; with a description that nobody asked for, where the card knows no other.
    async fn send_select(&mut self, card: &mut impl CardPort, command: CommandApdu) -> Result<ResponseApdu, SimError> {
        let described = |command: &CommandApdu| {
            CommandApdu::new(command.class().0, command.instruction().0, command.p1(), P2_DESCRIBED)
                .with_data(command.data())
                .with_ne(Ne::MAX_SHORT)
        };
        if command.p2() == P2_DESCRIBED || self.describes_always {
            return send(card, described(&command)).await;
        }
        let response = send(card, command.clone()).await?;
        if !is_not_known(response.sw()) {
            return Ok(response);
        }
        let again = send(card, described(&command)).await?;
        self.describes_always = is_done(again.sw());
        Ok(again)
    }

    /// Reads so many bytes of the selected transparent file.
    ///
    /// # Errors
    /// [`SimError::Refused`], [`SimError::Answer`], [`SimError::Transport`].
    pub async fn read_binary(
        &self,
        card: &mut impl CardPort,
        offset: usize,
        length: usize,
    ) -> Result<Vec<u8>, SimError> {
        let mut content = Vec::with_capacity(length);
        while content.len() < length {
            let part = (length - content.len()).min(CHUNK);
            let [p1, p2] = offset_of(offset + content.len())?;
            let command = CommandApdu::new(self.dialect.class(), Instruction::READ_BINARY, p1, p2);
            let data = read(card, command, part).await?;
            content.extend_from_slice(&data);
        }
        Ok(content)
    }

    /// Overwrites bytes of the selected transparent file.
    ///
    /// # Errors
    /// [`SimError::Refused`], [`SimError::Transport`].
    pub async fn update_binary(&self, card: &mut impl CardPort, offset: usize, content: &[u8]) -> Result<(), SimError> {
        for (n, part) in content.chunks(CHUNK).enumerate() {
            let [p1, p2] = offset_of(offset + n * CHUNK)?;
            let command = CommandApdu::new(self.dialect.class(), Instruction::UPDATE_BINARY, p1, p2);
            call(card, command.with_data(part)).await?;
        }
        Ok(())
    }

    /// Reads a record of the selected file, by its number from 1.
    ///
    /// # Errors
    /// [`SimError::Refused`], [`SimError::Answer`], [`SimError::Transport`].
    pub async fn read_record(&self, card: &mut impl CardPort, number: u8, length: usize) -> Result<Vec<u8>, SimError> {
        read(card, CommandApdu::new(self.dialect.class(), Instruction::READ_RECORD, number, 0x04), length).await
    }

    /// Overwrites a record of the selected file, by its number from 1.
    ///
    /// # Errors
    /// [`SimError::Refused`], [`SimError::Transport`].
    pub async fn update_record(&self, card: &mut impl CardPort, number: u8, content: &[u8]) -> Result<(), SimError> {
        let command = CommandApdu::new(self.dialect.class(), Instruction::UPDATE_RECORD, number, 0x04);
        call(card, command.with_data(content)).await.map(drop)
    }

    /// The length of a record of a linear file, with a check that it has this number of them.
    ///
    /// # Errors
    /// [`SimError::Structure`] for a file without records, or with fewer.
    pub fn record_length(path: &FilePath, information: &FileInformation, number: u8) -> Result<usize, SimError> {
        match information.structure {
            Structure::LinearFixed { record, count } if number > 0 && usize::from(number) <= count => Ok(record),
            _ => Err(SimError::Structure { path: path.clone(), expected: "a linear file with that record" }),
        }
    }

    /// The length of a transparent file.
    ///
    /// # Errors
    /// [`SimError::Structure`] for any other.
    pub fn size(path: &FilePath, information: &FileInformation) -> Result<usize, SimError> {
        match information.structure {
            Structure::Transparent { size } => Ok(size),
            _ => Err(SimError::Structure { path: path.clone(), expected: "a transparent file" }),
        }
    }
}

/// What the retry counter of an ADM key says: VERIFY without data, which consumes no try (TS 102 221 11.1.9.1).
///
/// # Errors
/// [`SimError::Transport`].
pub async fn adm_state(card: &mut impl CardPort, class: Class, reference: u8) -> Result<AdmState, SimError> {
    let sw = send(card, CommandApdu::new(class, Instruction::VERIFY, 0, reference)).await?.sw();
    Ok(match (sw, sw.tries_left()) {
        _ if is_done(sw) => AdmState::Verified,
        (StatusWord::AUTHENTICATION_BLOCKED, _) | (_, Some(0)) | (StatusWord(0x9840), _) => AdmState::Blocked,
        (_, Some(left)) => AdmState::Tries(left),
        _ => AdmState::NotTold,
    })
}

/// VERIFY of an ADM key. A wrong key costs one try, and the last one the card: ask [`adm_state`] first.
///
/// # Errors
/// [`SimError::WrongAdm`], [`SimError::AdmBlocked`]; [`SimError::Refused`], [`SimError::Transport`].
pub async fn verify_adm(
    card: &mut impl CardPort,
    class: Class,
    reference: u8,
    key: &SecretCode,
) -> Result<(), SimError> {
    let command = CommandApdu::new(class, Instruction::VERIFY, 0, reference).with_data(key.expose_bytes());
    let name = command.name();
    let sw = send(card, command).await?.sw();
    match (sw, sw.tries_left()) {
        _ if is_done(sw) => Ok(()),
        (_, Some(left)) => Err(SimError::WrongAdm { tries_left: Some(left) }),
        (StatusWord(0x6300 | 0x9804), _) => Err(SimError::WrongAdm { tries_left: None }),
        (StatusWord(0x6983 | 0x9840), _) => Err(SimError::AdmBlocked),
        _ => Err(SimError::Refused { command: name, sw }),
    }
}

/// The directories to select, from where a SIM is to where the file is: children and siblings of the current one can be selected at
/// once (TS 51.011 6.5).
fn way(here: Option<&[u16]>, directory: &[u16]) -> Vec<u16> {
    let is_application = |directory: &[u16]| directory.first() == Some(&FilePath::APPLICATION);
    match (here.is_some_and(is_application), is_application(directory)) {
        // An application is selected by its name from anywhere, and left by way of the master file.
        (false, true) => return directory.to_vec(),
        (true, false) => return [&[FilePath::MASTER_FILE], directory].concat(),
        _ => {}
    }
    let below = here.and_then(|here| directory.strip_prefix(here));
    let beside = here.and_then(|here| here.split_last()).and_then(|(_, parent)| directory.strip_prefix(parent));
    match (below, beside) {
        (Some(below), _) => below.to_vec(),
        (None, Some([sibling])) => [*sibling].to_vec(),
        _ => [&[FilePath::MASTER_FILE], directory].concat(),
    }
}

/// What a SIM has to say of a file.
enum Described {
    /// It came with the answer to SELECT.
    Here(Vec<u8>),
    /// So many bytes wait for GET RESPONSE.
    Waiting(Ne),
}

async fn select_one(card: &mut impl CardPort, path: &FilePath, identifier: u16) -> Result<Described, SimError> {
    let command = CommandApdu::new(0xA0, Instruction::SELECT, 0, 0).with_data(identifier.to_be_bytes());
    let response = send(card, command).await?;
    let sw = response.sw();
    match sw.sw1() {
        0x9F if sw.sw2() == 0 => Ok(Described::Waiting(Ne::MAX_SHORT)),
        0x9F => Ok(Described::Waiting(Ne::new(sw.sw2().into()).unwrap_or(Ne::MAX_SHORT))),
        // A UICC that takes the class of a SIM may announce with 61XX, and then has said it.
        0x90 if sw.is_ok() && !response.data().is_empty() => Ok(Described::Here(response.into_data())),
        // Cards that have nothing to say of a file say so in this way.
        0x90 if sw.is_ok() => Ok(Described::Waiting(Ne::MAX_SHORT)),
        _ if matches!(sw, StatusWord(0x9404 | 0x6A82)) => Err(SimError::NoFile { path: path.clone(), sw }),
        _ => Err(SimError::Refused { command: "SELECT", sw }),
    }
}

/// P2 of SELECT: file control parameters wanted, or no data (TS 102 221 11.1.1.2).
const P2_DESCRIBED: u8 = 0x04;

fn p2_of(describe: bool) -> u8 {
    if describe { P2_DESCRIBED } else { 0x0C }
}

/// Whether a card does not know these parameters of SELECT, rather than the file.
fn is_not_known(sw: StatusWord) -> bool {
    matches!(sw.0, 0x6700 | 0x6A80 | 0x6A81 | 0x6A86 | 0x6A87 | 0x6B00)
}

/// The directory that is current after a file was selected: one that was selected as the file, else the one that it is in.
fn directory_of(path: &FilePath) -> Vec<u16> {
    let (directory, file) = path.split();
    let is_directory = file.is_some_and(|file| matches!(file >> 8, 0x5F | 0x7F));
    if is_directory { path.identifiers().to_vec() } else { directory.to_vec() }
}

fn offset_of(offset: usize) -> Result<[u8; 2], SimError> {
    // The high bit of P1 would mean a short identifier.
    match u16::try_from(offset) {
        Ok(offset) if offset < 0x8000 => Ok(offset.to_be_bytes()),
        _ => Err(super::field::FieldError::range("offset", "an offset below 32768", offset as u64).into()),
    }
}

async fn read(card: &mut impl CardPort, command: CommandApdu, length: usize) -> Result<Vec<u8>, SimError> {
    let name = command.name();
    let ne = u32::try_from(length).ok().and_then(Ne::new).unwrap_or(Ne::MAX_SHORT);
    let response = call(card, command.with_ne(ne)).await?;
    let actual = response.data().len();
    if actual == length {
        return Ok(response.into_data());
    }
    Err(SimError::Answer { command: name, expected: "as many bytes as were asked for", offset: actual, actual })
}

pub(crate) async fn send(card: &mut impl CardPort, command: CommandApdu) -> Result<ResponseApdu, SimError> {
    let name = command.name();
    card.transmit(command).await.map_err(|source| SimError::Transport { command: name, source })
}

/// Whether a command succeeded. `91XX` says so too, and that the card has a command for the terminal (TS 102 221 10.2.1.1).
fn is_done(sw: StatusWord) -> bool {
    sw.is_ok() || sw.sw1() == 0x91
}

/// A command that has to succeed.
pub(crate) async fn call(card: &mut impl CardPort, command: CommandApdu) -> Result<ResponseApdu, SimError> {
    let name = command.name();
    let response = send(card, command).await?;
    match response.sw() {
        sw if is_done(sw) => Ok(response),
        sw => Err(SimError::Refused { command: name, sw }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_that_are_not_selected_are() {
        let (telecom, gsm) = (&[0x7F10][..], &[0x7F20][..]);
        assert_eq!(way(Some(&[]), gsm), [0x7F20]);
        assert!(way(Some(gsm), gsm).is_empty());
        assert_eq!(way(Some(gsm), telecom), [0x7F10]);
        assert_eq!(way(Some(gsm), &[]), [0x3F00]);
        assert_eq!(way(Some(&[0x7F10, 0x5F3A]), telecom), [0x3F00, 0x7F10]);
        assert_eq!(way(Some(telecom), &[0x7F10, 0x5F3A]), [0x5F3A]);
        assert_eq!(way(None, gsm), [0x3F00, 0x7F20]);
        let application = &[FilePath::APPLICATION][..];
        assert_eq!(way(Some(application), gsm), [0x3F00, 0x7F20]);
        assert_eq!(way(Some(gsm), application), application);
        assert!(way(Some(application), application).is_empty());
    }
}
