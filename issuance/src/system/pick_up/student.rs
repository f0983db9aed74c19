//! A student's record: a version for every change, the old ones kept.
//!
//! | from | event | guard | to |
//! |---|---|---|---|
//! | any | Written(version, commitment) | version = last version + 1 | that version |
//! | a version | CardIssued(version, card number) | version = last version + 1 | that version, with the card |
//!
//! The fields are personal data and lie in the sealed store ([`crate::sealed`]); the journal holds a commitment to them. What was there
//! before a change is never overwritten.
//!
//! A card's number is used once, for one voucher:
//!
//! | from | event | guard | to |
//! |---|---|---|---|
//! | free | Used(voucher) | | Used |

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::journal::{Entity, EntityError};
use crate::machine::Machine;

/// What happens to a student's record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum StudentEvent {
    /// It was written anew.
    #[n(1816)]
    Written {
        /// When, in milliseconds since 1970-01-01 UTC.
        #[n(0)]
        at_ms: u64,
        /// Number of this version, the first is 1.
        #[n(1)]
        version: u32,
        /// Commitment to the fields.
        #[cbor(n(2), with = "minicbor::bytes")]
        commitment: [u8; 32],
    },
    /// A card was given out for it.
    #[n(1817)]
    CardIssued {
        /// When, in milliseconds since 1970-01-01 UTC.
        #[n(0)]
        at_ms: u64,
        /// Number of this version.
        #[n(1)]
        version: u32,
        /// The card's number, in hexadecimal.
        #[n(2)]
        card_number: String,
    },
}

/// A student's record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Student {
    version: u32,
    commitment: Option<[u8; 32]>,
    card_number: Option<String>,
}

/// A change of a record that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StudentError {
    /// Another change came first.
    #[error("version {given} where {expected} is next: the record was changed meanwhile")]
    Version {
        /// The version given.
        given: u32,
        /// The next one.
        expected: u32,
    },
    /// There is no record.
    #[error("there is no record of this student")]
    Missing,
}

impl Student {
    /// Number of its version, 0 for none.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The number of the next version.
    #[must_use]
    pub fn next_version(&self) -> u32 {
        self.version.saturating_add(1)
    }

    /// Commitment to the fields of the last version.
    #[must_use]
    pub fn commitment(&self) -> Option<&[u8; 32]> {
        self.commitment.as_ref()
    }

    /// Number of the last card that was given out.
    #[must_use]
    pub fn card_number(&self) -> Option<&str> {
        self.card_number.as_deref()
    }

    fn to(mut self, given: u32) -> Result<Self, StudentError> {
        let expected = self.next_version();
        if given != expected || given == self.version {
            return Err(StudentError::Version { given, expected });
        }
        self.version = given;
        Ok(self)
    }
}

impl Machine for Student {
    const NAME: &'static str = "student";
    type Event = StudentEvent;
    type Effect = std::convert::Infallible;
    type Error = StudentError;

    fn apply(self, event: &StudentEvent) -> Result<(Self, Vec<Self::Effect>), StudentError> {
        let next = match event {
            StudentEvent::Written { version, commitment, .. } => {
                Self { commitment: Some(*commitment), ..self.to(*version)? }
            }
            StudentEvent::CardIssued { .. } if self.version == 0 => return Err(StudentError::Missing),
            StudentEvent::CardIssued { version, card_number, .. } => {
                Self { card_number: Some(card_number.clone()), ..self.to(*version)? }
            }
        };
        Ok((next, Vec::new()))
    }

    fn is_open(&self) -> bool {
        false
    }
}

/// What happens to a card's number.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum CardNumberEvent {
    /// A card of this number was given out.
    #[n(1820)]
    Used {
        /// When, in milliseconds since 1970-01-01 UTC.
        #[n(0)]
        at_ms: u64,
        /// Entity of the voucher.
        #[n(1)]
        voucher: String,
    },
}

/// Whether a card of a number was given out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardNumber(Option<String>);

/// The number was used before: two cards have it, or one is reported twice.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a card of this number was given out for {voucher}")]
pub struct CardNumberUsed {
    /// Entity of the voucher for which it was.
    pub voucher: String,
}

impl CardNumber {
    /// The entity of a number: `card-number/<hexadecimal digits>`.
    ///
    /// # Errors
    /// [`EntityError`] when it is too long or not printable.
    pub fn entity(number: &str) -> Result<Entity, EntityError> {
        Entity::new(&format!("card-number/{number}"))
    }

    /// Entity of the voucher for which a card of this number was given out.
    #[must_use]
    pub fn voucher(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl Machine for CardNumber {
    const NAME: &'static str = "card number";
    type Event = CardNumberEvent;
    type Effect = std::convert::Infallible;
    type Error = CardNumberUsed;

    fn apply(self, event: &CardNumberEvent) -> Result<(Self, Vec<Self::Effect>), CardNumberUsed> {
        let CardNumberEvent::Used { voucher, .. } = event;
        match self.0 {
            Some(voucher) => Err(CardNumberUsed { voucher }),
            None => Ok((Self(Some(voucher.clone())), Vec::new())),
        }
    }

    fn is_open(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::round_trip;

    fn written(version: u32) -> StudentEvent {
        StudentEvent::Written { at_ms: 1, version, commitment: [version as u8; 32] }
    }

    fn issued(version: u32) -> StudentEvent {
        StudentEvent::CardIssued { at_ms: 2, version, card_number: "0A".into() }
    }

    fn fold(events: &[StudentEvent]) -> Result<Student, StudentError> {
        events.iter().try_fold(Student::default(), |student, event| Ok(student.apply(event)?.0))
    }

    #[test]
    fn each_change_is_a_version_and_the_next_one() {
        let student = fold(&[written(1), written(2), issued(3)]).unwrap();
        assert_eq!((student.version(), student.commitment(), student.card_number()), (3, Some(&[2; 32]), Some("0A")));
        assert_eq!(fold(&[issued(1)]).unwrap_err(), StudentError::Missing);
        for wrong in [0, 1, 3] {
            let error = StudentError::Version { given: wrong, expected: 2 };
            assert_eq!(fold(&[written(1), written(wrong)]).unwrap_err(), error);
            assert_eq!(fold(&[written(1), issued(wrong)]).unwrap_err(), error);
        }
    }

    #[test]
    fn a_number_is_used_once() {
        let used = |voucher: &str| CardNumberEvent::Used { at_ms: 1, voucher: voucher.into() };
        let (number, _) = CardNumber::default().apply(&used("voucher/1")).unwrap();
        assert_eq!(number.voucher(), Some("voucher/1"));
        for again in ["voucher/1", "voucher/2"] {
            let error = number.clone().apply(&used(again)).unwrap_err();
            assert_eq!(error, CardNumberUsed { voucher: "voucher/1".into() });
        }
        round_trip::<CardNumber>(&used("voucher/1"));
        round_trip::<Student>(&written(1));
        round_trip::<Student>(&issued(1));
    }
}
