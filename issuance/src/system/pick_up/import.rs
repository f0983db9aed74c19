//! A transfer of a file: nothing of it is visible before the client has confirmed what the server stored.
//!
//! | from | event | guard | to |
//! |---|---|---|---|
//! | (none), Retry | Staged(hash, length): the copy is stored apart, all frames were right | | Staged |
//! | (none), Retry(n) | Refused: a frame was wrong, or did not come | | Retry(n + 1), Failed at the third |
//! | Staged | Echoed(until) | until is later than now | Echoed |
//! | Echoed | Confirmed(hash, result): what the client sent | equal to the copy's; before its time is over | Committed |
//! | Echoed | Denied: the client's hash is another | | Retry(n + 1), Failed at the third |
//! | Staged, Echoed | Dropped | its time is over (Echoed) | Retry, counted as before |
//!
//! Failures are counted in a row and for one transfer id. The rows become visible in the transaction that confirms them. A transfer that
//! is committed answers a repeated upload of the same bytes from its result, and refuses other bytes.

use std::collections::BTreeMap;
use std::convert::Infallible;

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::journal::{Entity, EntityError, hex};
use crate::machine::Machine;
use crate::system::pick_up::frame::{Frame, TransferId};

/// How many failures in a row end a transfer.
pub const MAX_FAILURES: u8 = 3;

/// Longest file, in bytes.
pub const MAX_FILE: usize = 64 << 20;

impl TransferId {
    /// The transfer's entity: `transfer/<hexadecimal digits>`.
    ///
    /// # Errors
    /// None in practice: the name is short and printable.
    pub fn entity(&self) -> Result<Entity, EntityError> {
        Entity::new(&format!("transfer/{}", hex(&self.0)))
    }
}

/// What happens to a transfer. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ImportEvent {
    /// All of it arrived, and a copy is stored apart.
    #[n(1832)]
    Staged {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// SHA-256 of the file.
        #[cbor(n(1), with = "minicbor::bytes")]
        hash: [u8; 32],
        /// Its length in bytes.
        #[n(2)]
        length: u64,
    },
    /// It did not arrive as it was sent.
    #[n(1833)]
    Refused {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// The copy was sent back.
    #[n(1834)]
    Echoed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Until when the client's word is awaited.
        #[n(1)]
        until_ms: u64,
    },
    /// The client says that this is what it sent.
    #[n(1835)]
    Confirmed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// SHA-256 of what the client sent.
        #[cbor(n(1), with = "minicbor::bytes")]
        hash: [u8; 32],
        /// SHA-256 of the answer: the report by row.
        #[cbor(n(2), with = "minicbor::bytes")]
        report: [u8; 32],
    },
    /// The client says that this is not what it sent.
    #[n(1836)]
    Denied {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// Nobody confirmed it; the copy is gone.
    #[n(1837)]
    Dropped {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
}

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImportState {
    /// Nothing arrived.
    #[default]
    None,
    /// To be sent again.
    Retry,
    /// A copy is stored apart.
    Staged {
        /// SHA-256 of it.
        hash: [u8; 32],
    },
    /// The copy was sent back.
    Echoed {
        /// SHA-256 of it.
        hash: [u8; 32],
        /// Until when the client's word is awaited.
        until_ms: u64,
    },
    /// Its rows are visible.
    Committed {
        /// SHA-256 of the file.
        hash: [u8; 32],
        /// SHA-256 of the report.
        report: [u8; 32],
    },
    /// Failed for good: "upload failed".
    Failed,
}

/// A transfer of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Import {
    state: ImportState,
    failures: u8,
}

/// An event of a transfer that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It does not fit the state.
    #[error("that cannot follow: the transfer is {state}")]
    Illegal {
        /// The state in words.
        state: &'static str,
    },
    /// The client confirms something else.
    #[error("the client confirms another file than the one that is stored")]
    Differs,
    /// The time to confirm is over.
    #[error("it had to be confirmed before {until_ms} ms, and it is {at_ms} ms: send it again")]
    Over {
        /// Until when.
        until_ms: u64,
        /// The time given.
        at_ms: u64,
    },
    /// The time to confirm is not over.
    #[error("it may be confirmed until {until_ms} ms, and it is {at_ms} ms")]
    Early {
        /// Until when.
        until_ms: u64,
        /// The time given.
        at_ms: u64,
    },
}

impl Import {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &ImportState {
        &self.state
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u8 {
        self.failures
    }

    fn failed(&mut self) -> ImportState {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= MAX_FAILURES { ImportState::Failed } else { ImportState::Retry }
    }

    fn in_words(&self) -> &'static str {
        match self.state {
            ImportState::None => "not begun",
            ImportState::Retry => "to be sent again",
            ImportState::Staged { .. } => "staged",
            ImportState::Echoed { .. } => "sent back",
            ImportState::Committed { .. } => "committed",
            ImportState::Failed => "failed",
        }
    }
}

impl Machine for Import {
    const NAME: &'static str = "import";
    type Event = ImportEvent;
    type Effect = Infallible;
    type Error = ImportError;

    fn apply(mut self, event: &ImportEvent) -> Result<(Self, Vec<Infallible>), ImportError> {
        use ImportState::{Committed, Echoed, None, Retry, Staged};
        let state = match (self.state, event) {
            (None | Retry, ImportEvent::Staged { hash, .. }) => Staged { hash: *hash },
            (None | Retry, ImportEvent::Refused { .. }) | (Echoed { .. }, ImportEvent::Denied { .. }) => self.failed(),
            (Staged { hash }, ImportEvent::Echoed { at_ms, until_ms }) => {
                in_time(*until_ms, *at_ms)?;
                Echoed { hash, until_ms: *until_ms }
            }
            (Echoed { hash, until_ms }, ImportEvent::Confirmed { at_ms, hash: sent, report }) => {
                in_time(until_ms, *at_ms)?;
                if !bool::from(hash.ct_eq(sent)) {
                    return Err(ImportError::Differs);
                }
                self.failures = 0;
                Committed { hash, report: *report }
            }
            (Staged { .. }, ImportEvent::Dropped { .. }) => Retry,
            (Echoed { until_ms, .. }, ImportEvent::Dropped { at_ms }) if *at_ms < until_ms => {
                return Err(ImportError::Early { until_ms, at_ms: *at_ms });
            }
            (Echoed { .. }, ImportEvent::Dropped { .. }) => Retry,
            _ => return Err(ImportError::Illegal { state: self.in_words() }),
        };
        self.state = state;
        Ok((self, Vec::new()))
    }

    fn is_open(&self) -> bool {
        matches!(self.state, ImportState::Staged { .. } | ImportState::Echoed { .. })
    }
}

fn in_time(until_ms: u64, at_ms: u64) -> Result<(), ImportError> {
    if at_ms < until_ms { Ok(()) } else { Err(ImportError::Over { until_ms, at_ms }) }
}

/// Puts the frames of one transfer together, in memory of a fixed size. Frames may come in any order and more than once.
#[derive(Debug)]
pub struct Assembly {
    transfer: TransferId,
    parts: u16,
    payloads: BTreeMap<u16, Vec<u8>>,
    length: usize,
}

/// A whole file.
#[derive(Clone, PartialEq, Eq)]
pub struct Assembled {
    /// Its bytes.
    pub file: Vec<u8>,
    /// SHA-256 of them.
    pub hash: [u8; 32],
}

impl std::fmt::Debug for Assembled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Assembled({} bytes)", self.file.len())
    }
}

/// A frame that does not belong to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AssemblyError {
    /// Of another transfer, or of another number of parts.
    #[error("the frame is of another transfer, or says another number of parts")]
    Foreign,
    /// The same part came with other bytes.
    #[error("part {part} came twice, and differs")]
    Differs {
        /// Which.
        part: u16,
    },
    /// More than [`MAX_FILE`] bytes.
    #[error("more than {MAX_FILE} bytes")]
    TooLong,
}

impl Assembly {
    /// Begins with any frame of a transfer.
    ///
    /// # Errors
    /// As [`Assembly::add`].
    pub fn begin(frame: Frame) -> Result<Self, AssemblyError> {
        let (transfer, parts) = (frame.transfer, frame.parts);
        let mut assembly = Self { transfer, parts, payloads: BTreeMap::new(), length: 0 };
        assembly.add(frame)?;
        Ok(assembly)
    }

    /// Takes one frame more.
    ///
    /// # Errors
    /// [`AssemblyError`]; what was taken before stays.
    pub fn add(&mut self, frame: Frame) -> Result<(), AssemblyError> {
        if (frame.transfer, frame.parts) != (self.transfer, self.parts) {
            return Err(AssemblyError::Foreign);
        }
        match self.payloads.get(&frame.part) {
            Some(payload) if *payload == frame.payload => return Ok(()),
            Some(_) => return Err(AssemblyError::Differs { part: frame.part }),
            None => {}
        }
        let length = self.length.saturating_add(frame.payload.len());
        if length > MAX_FILE {
            return Err(AssemblyError::TooLong);
        }
        self.length = length;
        self.payloads.insert(frame.part, frame.payload);
        Ok(())
    }

    /// The parts that have not come.
    pub fn missing(&self) -> impl Iterator<Item = u16> {
        (1..=self.parts).filter(|part| !self.payloads.contains_key(part))
    }

    /// The file, when all parts are there.
    #[must_use]
    pub fn assembled(&self) -> Option<Assembled> {
        if self.payloads.len() != usize::from(self.parts) {
            return None;
        }
        let file: Vec<u8> = self.payloads.values().flatten().copied().collect();
        let hash = Sha256::digest(&file).into();
        Some(Assembled { file, hash })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::machine::testing::round_trip;

    const DENIED: ImportEvent = ImportEvent::Denied { at_ms: 3 };
    const REFUSED: ImportEvent = ImportEvent::Refused { at_ms: 1 };

    fn staged() -> ImportEvent {
        ImportEvent::Staged { at_ms: 1, hash: [1; 32], length: 5 }
    }

    fn echoed(at_ms: u64) -> ImportEvent {
        ImportEvent::Echoed { at_ms, until_ms: 100 }
    }

    fn confirmed(at_ms: u64, hash: u8) -> ImportEvent {
        ImportEvent::Confirmed { at_ms, hash: [hash; 32], report: [9; 32] }
    }

    fn dropped(at_ms: u64) -> ImportEvent {
        ImportEvent::Dropped { at_ms }
    }

    fn fold(events: &[ImportEvent]) -> Result<Import, ImportError> {
        events.iter().try_fold(Import::default(), |import, event| Ok(import.apply(event)?.0))
    }

    /// Every row of the table.
    #[test]
    fn rows() {
        let state = |events: &[ImportEvent]| fold(events).unwrap().state;
        let hash = [1; 32];
        assert_eq!(state(&[staged()]), ImportState::Staged { hash });
        assert_eq!(state(&[REFUSED, staged()]), ImportState::Staged { hash });
        assert_eq!(state(&[staged(), echoed(2)]), ImportState::Echoed { hash, until_ms: 100 });
        let committed = ImportState::Committed { hash, report: [9; 32] };
        assert_eq!(state(&[staged(), echoed(2), confirmed(99, 1)]), committed);
        assert_eq!(state(&[staged(), echoed(2), DENIED]), ImportState::Retry);
        assert_eq!(state(&[staged(), dropped(0)]), ImportState::Retry);
        assert_eq!(state(&[staged(), echoed(2), dropped(100)]), ImportState::Retry);
    }

    #[test]
    fn three_failures_in_a_row_end_it() {
        assert_eq!(fold(&[REFUSED, REFUSED]).unwrap().state, ImportState::Retry);
        assert_eq!(fold(&[REFUSED, REFUSED, REFUSED]).unwrap().state, ImportState::Failed);
        let mixed = [REFUSED, staged(), echoed(2), DENIED, staged(), echoed(2), DENIED];
        assert_eq!(fold(&mixed).unwrap().state, ImportState::Failed);
        // Staging alone does not begin the count anew: the echo may differ each time.
        let error = fold(&[&mixed[..], &[staged()]].concat()).unwrap_err();
        assert_eq!(error, ImportError::Illegal { state: "failed" });
    }

    #[test]
    fn refused() {
        let error = |events: &[ImportEvent]| fold(events).unwrap_err();
        let over = ImportError::Over { until_ms: 100, at_ms: 100 };
        assert_eq!(error(&[staged(), echoed(100)]), over);
        assert_eq!(error(&[staged(), echoed(2), confirmed(100, 1)]), over);
        assert_eq!(error(&[staged(), echoed(2), confirmed(3, 2)]), ImportError::Differs);
        assert_eq!(error(&[staged(), echoed(2), dropped(99)]), ImportError::Early { until_ms: 100, at_ms: 99 });
        let illegal = |state| ImportError::Illegal { state };
        assert_eq!(error(&[confirmed(1, 1)]), illegal("not begun"));
        assert_eq!(error(&[staged(), confirmed(1, 1)]), illegal("staged"));
        assert_eq!(error(&[staged(), staged()]), illegal("staged"));
        assert_eq!(error(&[staged(), echoed(2), confirmed(3, 1), staged()]), illegal("committed"));
        assert_eq!(error(&[staged(), echoed(2), confirmed(3, 1), DENIED]), illegal("committed"));
    }

    #[test]
    fn records_are_read_back() {
        for event in [staged(), REFUSED, echoed(2), confirmed(3, 1), DENIED, dropped(4)] {
            round_trip::<Import>(&event);
        }
    }

    fn frames(file: &[u8], at: usize) -> Vec<Frame> {
        Frame::cut(TransferId([1; 16]), file, at).unwrap()
    }

    #[test]
    fn foreign_and_differing_frames_are_refused() {
        let [first, second, ..] = &frames(b"abcdef", 2)[..] else { panic!() };
        let mut assembly = Assembly::begin(first.clone()).unwrap();
        let foreign = Frame { transfer: TransferId([2; 16]), ..second.clone() };
        assert_eq!(assembly.add(foreign), Err(AssemblyError::Foreign));
        assert_eq!(assembly.add(Frame { parts: 9, ..second.clone() }), Err(AssemblyError::Foreign));
        let other = Frame { payload: b"xx".to_vec(), ..first.clone() };
        assert_eq!(assembly.add(other), Err(AssemblyError::Differs { part: 1 }));
        assert_eq!(assembly.missing().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(assembly.assembled(), None);
    }

    #[test]
    fn memory_is_bounded() {
        let part = |part| Frame { transfer: TransferId([1; 16]), part, parts: 100, payload: vec![0; 1 << 20] };
        let mut assembly = Assembly::begin(part(1)).unwrap();
        for n in 2..=64 {
            assembly.add(part(n)).unwrap();
        }
        assert_eq!(assembly.add(part(65)), Err(AssemblyError::TooLong));
    }

    proptest! {
        /// In any order, with repeats: the file, once all parts are there and not before.
        #[test]
        fn parts_come_in_any_order(file: Vec<u8>, at in 1_usize..20, order: Vec<prop::sample::Index>) {
            let frames = frames(&file, at);
            let mut assembly = Assembly::begin(frames[0].clone()).unwrap();
            for index in &order {
                assembly.add(frames[index.index(frames.len())].clone()).unwrap();
            }
            let complete = assembly.missing().next().is_none();
            prop_assert_eq!(assembly.assembled().is_some(), complete);
            for frame in frames {
                assembly.add(frame).unwrap();
            }
            prop_assert_eq!(assembly.assembled().unwrap().file, file);
        }
    }
}
