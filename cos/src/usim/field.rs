use alloc::string::String;

use thiserror::Error;

/// A value that its field cannot hold. Says which field and why, never the value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {fault}")]
pub struct FieldError {
    /// The field, in the standard's words.
    pub field: &'static str,
    /// What is wrong.
    pub fault: FieldFault,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FieldFault {
    /// Too long, too short, or a length that the numbering plan does not have.
    #[error("{expected} wanted, there are {actual}")]
    Length {
        /// What the field takes.
        expected: String,
        /// Length given, in characters or bytes.
        actual: usize,
    },
    /// A character that does not belong there.
    #[error("{expected} wanted at offset {offset}")]
    Character {
        /// Where, from 0.
        offset: usize,
        /// What the field takes.
        expected: &'static str,
    },
    /// The numbering plan has other numbers.
    #[error("the numbering plan has only those that begin with {expected}")]
    Prefix {
        /// What the plan's numbers begin with.
        expected: String,
    },
    /// The Luhn check digit is wrong (ITU-T E.118 annex B).
    #[error("the check digit is wrong: a digit was mistyped, or two were exchanged")]
    CheckDigit,
    /// A number out of its range.
    #[error("{expected} wanted, not {actual}")]
    Range {
        /// What the field takes.
        expected: &'static str,
        /// What was given.
        actual: u64,
    },
    /// Bytes of a card that are no value of this field.
    #[error("{expected} wanted at offset {offset} of the file")]
    Coding {
        /// Where, from 0, in bytes.
        offset: usize,
        /// What the standard wants there.
        expected: &'static str,
    },
}

impl FieldError {
    pub(crate) fn length(field: &'static str, expected: impl Into<String>, actual: usize) -> Self {
        Self { field, fault: FieldFault::Length { expected: expected.into(), actual } }
    }

    pub(crate) fn character(field: &'static str, expected: &'static str, offset: usize) -> Self {
        Self { field, fault: FieldFault::Character { offset, expected } }
    }

    pub(crate) fn coding(field: &'static str, expected: &'static str, offset: usize) -> Self {
        Self { field, fault: FieldFault::Coding { offset, expected } }
    }

    pub(crate) fn range(field: &'static str, expected: &'static str, actual: u64) -> Self {
        Self { field, fault: FieldFault::Range { expected, actual } }
    }
}
