//! What a power cut may have left.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::Operation;

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Bytes that a disk writes whole or not at all, at least in part of the runs.
const SECTOR: usize = 512;

/// What becomes of the writes that were not synced when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// None of them reached the disk.
    Nothing,
    /// All of them did.
    Everything,
    /// Each sector of each did or did not, whatever was written before or after it, and one sector was written in part.
    Torn(u64),
}

/// Writes and syncs in order, upon files that were safe.
#[derive(Clone, Debug)]
pub struct Recording {
    before: Files,
    operations: Vec<Operation>,
}

impl Recording {
    pub(crate) fn new(before: Files, operations: Vec<Operation>) -> Self {
        Self { before, operations }
    }

    /// Number of operations: the power may go before the first, between any two, and after the last.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// How many syncs were recorded.
    #[must_use]
    pub fn syncs(&self) -> usize {
        self.operations.iter().filter(|operation| matches!(operation, Operation::Sync { .. })).count()
    }

    /// The last number that was acknowledged in the first `count` operations.
    #[must_use]
    pub fn acknowledged(&self, count: usize) -> u64 {
        let mut acknowledged = self.operations.iter().take(count).filter_map(|operation| match operation {
            Operation::Acknowledged(number) => Some(*number),
            _ => None,
        });
        acknowledged.next_back().unwrap_or(0)
    }

    /// The files as the power leaves them that goes after `count` operations.
    #[must_use]
    pub fn cut(&self, count: usize, left: Left) -> Files {
        let mut disk: BTreeMap<&str, OnDisk> = BTreeMap::new();
        for (name, bytes) in &self.before {
            disk.insert(name, OnDisk { safe: Some(bytes.clone()), pending: Vec::new() });
        }
        for operation in self.operations.iter().take(count) {
            match operation {
                Operation::Write { file, .. } | Operation::Truncate { file, .. } | Operation::Delete { file } => {
                    disk.entry(file).or_default().pending.push(operation);
                }
                Operation::Sync { file } => disk.entry(file).or_default().sync(),
                Operation::Acknowledged(_) => {}
            }
        }
        let mut random = Random(match left {
            Left::Torn(seed) => seed,
            _ => 0,
        });
        let files = disk.into_iter().map(|(name, on_disk)| (name.to_owned(), on_disk.left(left, &mut random)));
        files.filter_map(|(name, bytes)| Some((name, bytes?))).collect()
    }

    /// Writes such files into a folder.
    ///
    /// # Panics
    ///
    /// When the folder takes no files.
    pub fn put(files: &Files, folder: &Path) {
        for (name, bytes) in files {
            fs::write(folder.join(name), bytes).expect("the folder takes files");
        }
    }
}

/// One file: what is safe, and what was done to it since.
#[derive(Default)]
struct OnDisk<'a> {
    /// `None`: there is no such file.
    safe: Option<Vec<u8>>,
    pending: Vec<&'a Operation>,
}

impl OnDisk<'_> {
    fn sync(&mut self) {
        for operation in std::mem::take(&mut self.pending) {
            apply(&mut self.safe, operation);
        }
        // A file that was created and synced is there, empty as it may be.
        self.safe.get_or_insert_default();
    }

    fn left(mut self, left: Left, random: &mut Random) -> Option<Vec<u8>> {
        let pending = std::mem::take(&mut self.pending);
        for operation in pending {
            match (left, operation) {
                (Left::Nothing, _) => {}
                (Left::Everything, _) => apply(&mut self.safe, operation),
                (Left::Torn(_), Operation::Write { offset, bytes, .. }) => {
                    let mut at = 0;
                    while at < bytes.len() {
                        // Sectors lie at multiples of their size in the file.
                        let place = *offset as usize + at;
                        let end = bytes.len().min(at + SECTOR - place % SECTOR);
                        match random.next() % 16 {
                            0..8 => {}
                            8 => write(&mut self.safe, place, &bytes[at..at + random.below(end - at)]),
                            _ => write(&mut self.safe, place, &bytes[at..end]),
                        }
                        at = end;
                    }
                }
                (Left::Torn(_), _) if random.next().is_multiple_of(2) => apply(&mut self.safe, operation),
                (Left::Torn(_), _) => {}
            }
        }
        self.safe
    }
}

fn apply(file: &mut Option<Vec<u8>>, operation: &Operation) {
    match operation {
        Operation::Write { offset, bytes, .. } => write(file, *offset as usize, bytes),
        Operation::Truncate { length, .. } => file.get_or_insert_default().resize(*length as usize, 0),
        Operation::Delete { .. } => *file = None,
        Operation::Sync { .. } | Operation::Acknowledged(_) => {}
    }
}

fn write(file: &mut Option<Vec<u8>>, offset: usize, bytes: &[u8]) {
    let file = file.get_or_insert_default();
    if file.len() < offset + bytes.len() {
        file.resize(offset + bytes.len(), 0);
    }
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
