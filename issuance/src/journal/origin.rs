//! Who had a record written, by which machine, and whether it leaves something open.

use std::collections::BTreeMap;
use std::fmt;

use super::{Entity, Record};

/// Name of an actor or of a state machine: up to 100 bytes of printable ASCII (20 to 7E); empty when nobody is named.
///
/// It is exported with the chain, so it is no place for personal data: name an account, a desk or a program.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Box<str>);

impl Label {
    /// Longest name, in bytes.
    pub const MAX_LENGTH: usize = 100;

    /// Takes a name.
    ///
    /// # Errors
    ///
    /// [`LabelError`] when it is too long or holds anything but printable ASCII.
    pub fn new(name: &str) -> Result<Self, LabelError> {
        match name.bytes().position(|byte| !(0x20..=0x7E).contains(&byte)) {
            _ if name.len() > Self::MAX_LENGTH => Err(LabelError::TooLong { length: name.len() }),
            Some(offset) => Err(LabelError::NotPrintable { offset }),
            None => Ok(Self(name.into())),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nobody is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

/// Why a text cannot name an actor or a machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// More than [`Label::MAX_LENGTH`] bytes.
    #[error("a name of an actor or a machine has at most {max} bytes, not {length}", max = Label::MAX_LENGTH)]
    TooLong {
        /// Bytes given.
        length: usize,
    },
    /// A control character or something outside ASCII.
    #[error("a name of an actor or a machine is printable ASCII; the byte at {offset} is not")]
    NotPrintable {
        /// Offset of the first such byte.
        offset: usize,
    },
}

/// Where a record comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Who had it written.
    pub actor: Label,
    /// State machine that decided it.
    pub machine: Label,
    /// Milliseconds since the run (the record's epoch) began, by a clock that never goes back.
    pub uptime_ms: u64,
    /// Whether its entity has something open from here on.
    pub mark: Mark,
}

/// What a record says about its entity: whether the outcome of something is still owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Nothing: as before.
    #[default]
    Unchanged,
    /// Something is open: after a crash this entity has to be looked at.
    Open,
    /// Nothing is open any more.
    Closed,
}

impl Mark {
    /// Its number in a record.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Unchanged => 0,
            Self::Open => 1,
            Self::Closed => 2,
        }
    }

    pub(crate) fn of(number: i64) -> Option<Self> {
        [Self::Unchanged, Self::Open, Self::Closed].into_iter().find(|mark| i64::from(mark.number()) == number)
    }
}

/// What the records of a stretch of the chain, folded in order, say of their entities: open or not.
///
/// A record without an origin says nothing, so its entity counts as open until a mark closes it.
pub(crate) fn apply_mark(marks: &mut BTreeMap<Entity, bool>, record: &Record) {
    let open = match record.origin.as_ref().map(|origin| origin.mark) {
        Some(Mark::Unchanged) => return,
        None | Some(Mark::Open) => true,
        Some(Mark::Closed) => false,
    };
    match marks.get_mut(&record.entity) {
        Some(present) => *present = open,
        None => drop(marks.insert(record.entity.clone(), open)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, Head};
    use super::*;

    #[test]
    fn a_label_is_up_to_100_bytes_of_printable_ascii() {
        assert_eq!(Label::new(&"n".repeat(101)), Err(LabelError::TooLong { length: 101 }));
        assert_eq!(Label::new("desk\n"), Err(LabelError::NotPrintable { offset: 4 }));
        assert_eq!(Label::new("").map(|label| label.is_empty()), Ok(true));
        assert_eq!(Label::new("desk 3").map(|label| label.to_string()), Ok("desk 3".to_owned()));
    }

    #[test]
    fn marks_open_and_close_and_a_record_without_one_leaves_its_entity_open() {
        let entry = || Entry { entity: Entity::new("card/1").unwrap(), body: vec![] };
        let marked = |mark| Head::GENESIS.record_from(Origin { mark, ..Origin::default() }, 1, 1, entry());
        let mut marks = BTreeMap::new();
        let mut after = |record: &Record| {
            apply_mark(&mut marks, record);
            marks.values().filter(|open| **open).count()
        };
        let steps = [Mark::Unchanged, Mark::Open, Mark::Unchanged, Mark::Closed, Mark::Closed].map(marked);
        assert_eq!(steps.each_ref().map(&mut after), [0, 1, 1, 0, 0]);
        assert_eq!(after(&Head::GENESIS.record(1, 1, entry())), 1);
        assert_eq!(after(&marked(Mark::Closed)), 0);
    }
}
