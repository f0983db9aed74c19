//! A card in a file: its non-volatile memory, written before each response goes out.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::card::JavaCard;
use crate::software_card::SoftwareCard;

/// First bytes of the file of any card: `CWSIM`, then the kind.
const FAMILY: usize = 5;
/// Magic, version, length of the memory.
const HEADER: usize = 8 + 2 + 4;
/// SHA-256 over all that is in front of it.
const DIGEST: usize = 32;

/// A card whose non-volatile memory is a file.
///
/// After every command that changed the memory the whole file is replaced (written beside it, synchronized, renamed)
/// before the response is given out: a process that dies leaves the card as it was before the command or after it.
/// What a session holds is never stored. While the card is open a file with the suffix `.lock` keeps other processes
/// out.
///
/// Format: `magic (8 bytes) ‖ version (2 bytes) ‖ length (4 bytes) ‖ memory in CBOR ‖ SHA-256 of all before`, numbers
/// big-endian; the magic is `"CWSIM"` and three bytes for the kind of card ([`SoftwareCard::MAGIC`]).
pub struct CardFile<C = JavaCard> {
    path: PathBuf,
    card: C,
    /// The memory as the file has it.
    stored: Vec<u8>,
    /// The memory in the chip is ahead of the file because a write failed.
    poisoned: bool,
    _lock: File,
}

/// A file that is no card, or that cannot be written. The file is left as it is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CardFileError {
    /// There is a file where a new card should be stored.
    #[error("{path} exists: a new card does not replace it")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file does not begin like a card file.
    #[error("{path} is no card file: name another file")]
    NotACard {
        /// The file.
        path: PathBuf,
    },
    /// The file holds a card of another kind.
    #[error("{path} holds another kind of card ({})", actual.escape_ascii())]
    OtherCard {
        /// The file.
        path: PathBuf,
        /// First bytes of the file; see [`SoftwareCard::MAGIC`].
        actual: [u8; 8],
    },
    /// The file was written by a newer version of this crate.
    #[error("{path} has version {actual} of the format, this program knows versions up to {expected}")]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// The newest version known here.
        expected: u16,
        /// The version of the file.
        actual: u16,
    },
    /// The file is cut short or its contents were changed.
    #[error("{path} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Another process has the card open.
    #[error("{path} is open in another process")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The memory could not be written before; the card has to be opened again.
    #[error("{path} could not be written before: open the card again")]
    Poisoned {
        /// The file.
        path: PathBuf,
    },
}

impl<C: SoftwareCard> CardFile<C> {
    /// Stores a new card.
    ///
    /// # Errors
    /// [`CardFileError::Exists`] when there is a file, [`CardFileError::Busy`] or [`CardFileError::Io`].
    pub fn create(path: impl Into<PathBuf>, card: C) -> Result<Self, CardFileError> {
        let path = path.into();
        let lock = lock(&path)?;
        if path.try_exists().map_err(|source| CardFileError::Io { path: path.clone(), source })? {
            return Err(CardFileError::Exists { path });
        }
        let stored = encode(&card);
        write(&path, &stored)?;
        Ok(Self { path, card, stored, poisoned: false, _lock: lock })
    }

    /// Opens a stored card; it is as after a reset.
    ///
    /// # Errors
    /// [`CardFileError::NotACard`], [`CardFileError::OtherCard`], [`CardFileError::NewerVersion`] or
    /// [`CardFileError::Damaged`] by what the file holds; [`CardFileError::Busy`] or [`CardFileError::Io`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, CardFileError> {
        let path = path.into();
        // Nothing is left behind beside a file that is no card.
        load::<C>(&path)?;
        let lock = lock(&path)?;
        let (card, stored) = load(&path)?;
        Ok(Self { path, card, stored, poisoned: false, _lock: lock })
    }

    /// Opens the card when there is a file, else stores the card that `make` makes.
    ///
    /// # Errors
    /// As [`CardFile::open`] and [`CardFile::create`].
    pub fn open_or_create(path: impl Into<PathBuf>, make: impl FnOnce() -> C) -> Result<Self, CardFileError> {
        let path = path.into();
        match path.try_exists() {
            Ok(true) => Self::open(path),
            Ok(false) => Self::create(path, make()),
            Err(source) => Err(CardFileError::Io { path, source }),
        }
    }

    /// Executes a command; the memory is in the file before the response is given out.
    ///
    /// # Errors
    /// [`CardFileError::Io`] when the memory cannot be written, [`CardFileError::Poisoned`] from then on: the file has
    /// the card as it was before the command.
    pub fn process(&mut self, command: &[u8]) -> Result<Vec<u8>, CardFileError> {
        self.execute(|card| card.process(command))
    }

    /// Executes a command that loses power while it writes; see [`SoftwareCard::process_torn`].
    ///
    /// # Errors
    /// As [`CardFile::process`].
    pub fn process_torn(&mut self, command: &[u8], written: usize) -> Result<(), CardFileError> {
        self.execute(|card| card.process_torn(command, written))
    }

    fn execute<T>(&mut self, run: impl FnOnce(&mut C) -> T) -> Result<T, CardFileError> {
        if self.poisoned {
            return Err(CardFileError::Poisoned { path: self.path.clone() });
        }
        let result = run(&mut self.card);
        let memory = encode(&self.card);
        if memory != self.stored {
            self.poisoned = true;
            write(&self.path, &memory)?;
            self.poisoned = false;
            self.stored = memory;
        }
        Ok(result)
    }

    /// Resets the card and gives its ATR; the memory does not change.
    pub fn reset(&mut self) -> Vec<u8> {
        self.card.reset()
    }

    /// The card.
    #[must_use]
    pub fn card(&self) -> &C {
        &self.card
    }

    pub(crate) fn card_mut(&mut self) -> &mut C {
        &mut self.card
    }

    /// Where the card is stored.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl<C: fmt::Debug> fmt::Debug for CardFile<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardFile({}, {:?})", self.path.display(), self.card)
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn lock(path: &Path) -> Result<File, CardFileError> {
    let io = |source| CardFileError::Io { path: path.to_owned(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(beside(path, ".lock")).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CardFileError::Busy { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

fn encode<C: SoftwareCard>(card: &C) -> Vec<u8> {
    let memory = card.memory();
    let length = (memory.len() as u32).to_be_bytes();
    let mut bytes = [&C::MAGIC[..], &C::VERSION.to_be_bytes(), &length, &memory].concat();
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

fn load<C: SoftwareCard>(path: &Path) -> Result<(C, Vec<u8>), CardFileError> {
    let owned = || path.to_owned();
    let bytes = fs::read(path).map_err(|source| CardFileError::Io { path: owned(), source })?;
    if !bytes.starts_with(&C::MAGIC) {
        return Err(match bytes.first_chunk() {
            Some(actual) if actual[..FAMILY] == C::MAGIC[..FAMILY] => {
                CardFileError::OtherCard { path: owned(), actual: *actual }
            }
            _ => CardFileError::NotACard { path: owned() },
        });
    }
    let damaged = || CardFileError::Damaged { path: owned() };
    let version = bytes.get(8..10).ok_or_else(damaged)?;
    let version = u16::from_be_bytes([version[0], version[1]]);
    if version > C::VERSION {
        return Err(CardFileError::NewerVersion { path: owned(), expected: C::VERSION, actual: version });
    }
    let (content, digest) = bytes.split_at_checked(bytes.len().saturating_sub(DIGEST)).ok_or_else(damaged)?;
    let length = content.get(HEADER - 4..HEADER).and_then(|length| length.first_chunk()).ok_or_else(damaged)?;
    let memory = &content[HEADER..];
    if version == 0 || Sha256::digest(content)[..] != *digest || u32::from_be_bytes(*length) as usize != memory.len() {
        return Err(damaged());
    }
    let card = C::restore(memory, version).ok_or_else(damaged)?;
    Ok((card, bytes))
}

/// Replaces the file in one step: other readers, and a crash, see the old or the new one.
fn write(path: &Path, bytes: &[u8]) -> Result<(), CardFileError> {
    let temporary = beside(path, ".tmp");
    let replace = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // The rename lasts once the folder is synchronized; some systems cannot open a folder.
        match path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder }) {
            Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    };
    replace().map_err(|source| CardFileError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AesKeyLength, SecureChannelProtocol};

    type CardFile = super::CardFile<JavaCard>;

    fn selected(card: &mut CardFile) -> Vec<u8> {
        card.process(&[0x00, 0xA4, 0x04, 0x00, 0x00]).unwrap()
    }

    #[test]
    fn a_card_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card");
        let mut card = CardFile::create(&path, JavaCard::builder().seed(7).build()).unwrap();
        let select = selected(&mut card);
        let initialize_update = [0x80, 0x50, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0];
        let first = card.process(&initialize_update).unwrap();
        assert!(matches!(CardFile::open(&path), Err(CardFileError::Busy { .. })));
        drop(card);
        let mut card = CardFile::open(&path).unwrap();
        assert_eq!(selected(&mut card), select);
        let second = card.process(&initialize_update).unwrap();
        assert_eq!((&first[29..32], &second[29..32]), (&[0, 0, 1][..], &[0, 0, 2][..]));
        drop(card);
        assert!(matches!(CardFile::create(&path, JavaCard::builder().build()), Err(CardFileError::Exists { .. })));
        assert!(!beside(&path, ".tmp").exists());
    }

    #[test]
    fn cards_of_version_1_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let scp03 = SecureChannelProtocol::Scp03 { i: 0x70, key_length: AesKeyLength::Aes256 };
        for (name, protocol) in [
            ("scp02", SecureChannelProtocol::Scp02 { i: 0x55 }),
            ("scp02-random", SecureChannelProtocol::Scp02 { i: 0x15 }),
            ("scp03", scp03),
        ] {
            let path = folder.path().join(name);
            let stored = format!("{}/tests/data/version1-{name}.card", env!("CARGO_MANIFEST_DIR"));
            fs::copy(stored, &path).unwrap();
            let mut card = CardFile::open(&path).unwrap();
            assert_eq!(card.card().protocol(), protocol);
            let fresh = JavaCard::builder().protocol(protocol).seed(7).build();
            assert_eq!(card.card().key_sets(), fresh.key_sets());
            let answer = card.process(&[0x80, 0x50, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0]).unwrap();
            assert_eq!(answer, fresh.twin().process(&[0x80, 0x50, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0]));
            drop(card);
            // It is a file of the new version from its first command on.
            assert_eq!(fs::read(&path).unwrap()[8..10], [0, 3]);
            assert_eq!(CardFile::open(&path).unwrap().card().protocol(), protocol);
        }
    }

    #[test]
    fn what_is_no_card_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card");
        drop(CardFile::create(&path, JavaCard::builder().build()).unwrap());
        let whole = fs::read(&path).unwrap();
        let open = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let error = CardFile::open(&path).map(|_| ()).unwrap_err();
            assert_eq!(fs::read(&path).unwrap(), bytes);
            error
        };
        assert!(matches!(open(b"hello"), CardFileError::NotACard { .. }));
        assert!(matches!(open(b""), CardFileError::NotACard { .. }));
        for length in JavaCard::MAGIC.len()..whole.len() {
            assert!(matches!(open(&whole[..length]), CardFileError::Damaged { .. }), "{length} bytes");
        }
        let other = [b"CWSIMCP\0", &whole[8..]].concat();
        assert!(matches!(open(&other), CardFileError::OtherCard { actual: [.., b'C', b'P', 0], .. }));
        let mut newer = whole.clone();
        newer[9] = 4;
        assert!(matches!(open(&newer), CardFileError::NewerVersion { expected: 3, actual: 4, .. }));
        let mut changed = whole.clone();
        changed[40] ^= 1;
        assert!(matches!(open(&changed), CardFileError::Damaged { .. }));
        assert!(matches!(CardFile::open(folder.path().join("absent")), Err(CardFileError::Io { .. })));
    }

    #[test]
    fn a_card_that_cannot_be_written_gives_no_response() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card");
        let mut card = CardFile::create(&path, JavaCard::builder().build()).unwrap();
        let before = fs::read(&path).unwrap();
        // A folder in the place of the temporary file makes every write fail, whoever runs the test.
        fs::create_dir(beside(&path, ".tmp")).unwrap();
        let initialize_update = [0x80, 0x50, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0];
        assert!(matches!(card.process(&initialize_update), Err(CardFileError::Io { .. })));
        assert!(matches!(card.process(&initialize_update), Err(CardFileError::Poisoned { .. })));
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}
