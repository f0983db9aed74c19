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

/// The file system of a card since its last reset: which directory is selected.
#[derive(Clone, Debug)]
pub struct FileSystem {
    dialect: Dialect,
    /// Directory selected last by a SIM's commands; `None` when that is not known.
    directory: Option<Vec<u16>>,
}

impl FileSystem {
    /// A card that was just reset.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, directory: Some(Vec::new()) }
    }

    /// Selects an application by its AID, which may be a part of it (TS 102 221 8.5.1).
    ///
    /// # Errors
    /// [`SimError::Refused`], [`SimError::Transport`].
    pub async fn select_application(&mut self, card: &mut impl CardPort, aid: &Aid) -> Result<(), SimError> {
        let select = CommandApdu::new(Class::ISO, Instruction::SELECT, 0x04, 0x0C).with_data(aid.as_bytes());
        call(card, select).await.map(drop)
    }

    /// Selects a file.
    ///
    /// # Errors
    /// [`SimError::NoFile`], [`SimError::Refused`], [`SimError::Transport`].
    pub async fn select(&mut self, card: &mut impl CardPort, path: &FilePath) -> Result<(), SimError> {
        match self.dialect {
            Dialect::Gsm => self.select_gsm(card, path).await.map(drop),
            Dialect::Uicc => select_uicc(card, path, false).await.map(drop),
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
            Dialect::Uicc => FileInformation::parse_fcp(&select_uicc(card, path, true).await?)?,
            Dialect::Gsm => {
                let length = self.select_gsm(card, path).await?;
                let command = CommandApdu::new(0xA0, Instruction::GET_RESPONSE, 0, 0).with_ne(length);
                FileInformation::parse_gsm(call(card, command).await?.data())?
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

    /// One SELECT for each directory on the way that is not selected already; the length of what the card has to say of the file.
    async fn select_gsm(&mut self, card: &mut impl CardPort, path: &FilePath) -> Result<Ne, SimError> {
        let (directory, file) = path.split();
        let here = self.directory.take();
        let mut length = Ne::MAX_SHORT;
        for identifier in way(here.as_deref(), directory) {
            length = select_one(card, path, identifier).await?;
        }
        if let Some(file) = file {
            length = select_one(card, path, file).await?;
        }
        // A directory that was selected as the file becomes the current one.
        let is_directory = file.is_some_and(|file| matches!(file >> 8, 0x5F | 0x7F));
        self.directory = Some(if is_directory { path.identifiers().to_vec() } else { directory.to_vec() });
        Ok(length)
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
    let below = here.and_then(|here| directory.strip_prefix(here));
    let beside = here.and_then(|here| here.split_last()).and_then(|(_, parent)| directory.strip_prefix(parent));
    match (below, beside) {
        (Some(below), _) => below.to_vec(),
        (None, Some([sibling])) => [*sibling].to_vec(),
        _ => [&[FilePath::MASTER_FILE], directory].concat(),
    }
}

async fn select_one(card: &mut impl CardPort, path: &FilePath, identifier: u16) -> Result<Ne, SimError> {
    let command = CommandApdu::new(0xA0, Instruction::SELECT, 0, 0).with_data(identifier.to_be_bytes());
    let sw = send(card, command).await?.sw();
    match sw.sw1() {
        0x9F => Ok(if sw.sw2() == 0 { Ne::MAX_SHORT } else { Ne::new(sw.sw2().into()).unwrap_or(Ne::MAX_SHORT) }),
        // Cards that have nothing to say of a file say so in this way.
        0x90 if sw.is_ok() => Ok(Ne::MAX_SHORT),
        _ if matches!(sw, StatusWord(0x9404 | 0x6A82)) => Err(SimError::NoFile { path: path.clone(), sw }),
        _ => Err(SimError::Refused { command: "SELECT", sw }),
    }
}

/// SELECT by path from the master file; with the FCP where it is asked for.
async fn select_uicc(card: &mut impl CardPort, path: &FilePath, describe: bool) -> Result<Vec<u8>, SimError> {
    let data: Vec<u8> = path.identifiers().iter().flat_map(|identifier| identifier.to_be_bytes()).collect();
    let (p2, ne) = if describe { (0x04, Ne::MAX_SHORT) } else { (0x0C, Ne::NONE) };
    let command = CommandApdu::new(Class::ISO, Instruction::SELECT, 0x08, p2).with_data(data).with_ne(ne);
    let response = send(card, command).await?;
    match response.sw() {
        sw if is_done(sw) => Ok(response.into_data()),
        sw @ StatusWord::FILE_NOT_FOUND => Err(SimError::NoFile { path: path.clone(), sw }),
        sw => Err(SimError::Refused { command: "SELECT", sw }),
    }
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
    }
}
