//! A port to whoever keeps accounts: a bank, a payment provider, an operator's business system.
//!
//! A booking has a [`BookingId`], and the same one books once, however often it is asked for. What came of a booking whose answer was
//! lost is asked by its id; there is never a second id for it.

use std::fmt;

use thiserror::Error;

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident, $max:literal;)*) => {
        $($(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Longest text, in bytes.
            pub const MAX_LENGTH: usize = $max;

            /// Takes a text.
            ///
            /// # Errors
            /// [`LabelError`] when it is empty, too long, or holds anything but printable ASCII without spaces.
            pub fn new(text: &str) -> Result<Self, LabelError> {
                check(text, $max)?;
                Ok(Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        })*
    };
}

labels! {
    /// Idempotency key of a booking: 1 to 80 bytes of printable ASCII.
    BookingId, 80;
    /// An account as its keeper names it to us, a token: never a card number. 1 to 64 bytes of printable ASCII.
    AccountId, 64;
    /// The keeper's own number of a booking. 1 to 64 bytes of printable ASCII.
    BookingReference, 64;
}

impl BookingId {
    /// The same id with a few bytes more, for a booking that belongs to this one.
    pub(crate) fn with_suffix(&self, suffix: &'static str) -> Self {
        Self(format!("{self}{suffix}").into())
    }
}

/// Why a text cannot be an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LabelError {
    /// No text.
    #[error("an id has at least one byte")]
    Empty,
    /// Too long.
    #[error("an id of this kind has at most {limit} bytes, not {actual}")]
    TooLong {
        /// Bytes given.
        actual: usize,
        /// The most, in bytes.
        limit: usize,
    },
    /// A space, a control character, or something outside ASCII.
    #[error("an id is printable ASCII without spaces; the byte at {offset} is not")]
    Character {
        /// Offset of the first such byte.
        offset: usize,
    },
}

pub(crate) fn check(text: &str, limit: usize) -> Result<(), LabelError> {
    match text.bytes().position(|byte| !(0x21..=0x7E).contains(&byte)) {
        _ if text.is_empty() => Err(LabelError::Empty),
        _ if text.len() > limit => Err(LabelError::TooLong { actual: text.len(), limit }),
        Some(offset) => Err(LabelError::Character { offset }),
        None => Ok(()),
    }
}

/// What is asked of an account's keeper.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountRequest {
    /// Take an amount from an account.
    Debit {
        /// Books once.
        booking: BookingId,
        /// From where.
        account: AccountId,
        /// How much, in the smallest unit of the currency.
        amount: u32,
    },
    /// Give back what a debit took. A debit that was never seen is refused when it comes later.
    Reverse {
        /// Books once; another id than the debit's.
        booking: BookingId,
        /// The debit.
        debit: BookingId,
        /// Where to.
        account: AccountId,
        /// How much, in the smallest unit of the currency.
        amount: u32,
    },
    /// What came of a booking.
    Query {
        /// Which.
        booking: BookingId,
    },
}

/// What came of a booking.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BookingStatus {
    /// Booked, now or before.
    Booked {
        /// The keeper's number of it.
        reference: BookingReference,
    },
    /// Refused for good: the same id will never be booked.
    Refused,
    /// Not decided yet: query again later.
    Pending,
    /// Only to a query: the keeper never saw it. It may be under way, so that it is not settled by this.
    NotSeen,
}

/// No definite answer: query later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The keeper did not answer; it may have booked.
    #[error("the account's keeper did not answer")]
    NoAnswer,
    /// Whoever drives the machine has no way to accounts.
    #[error("the driver has no port to accounts")]
    NoPort,
    /// The driver answered another question.
    #[error("the driver did not answer for the account")]
    WrongAnswer,
}

/// An account's keeper, who blocks until there is an answer.
///
/// Same id, same content: same answer, booked once. Same id, other content: [`BookingStatus::Refused`], nothing booked.
pub trait AccountPort: Send {
    /// Asks for one thing.
    ///
    /// # Errors
    /// [`AccountError`]; the outcome is not known then.
    fn ask(&mut self, request: &AccountRequest) -> Result<BookingStatus, AccountError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_printable() {
        assert_eq!(AccountId::new(""), Err(LabelError::Empty));
        assert_eq!(AccountId::new(&"a".repeat(65)), Err(LabelError::TooLong { actual: 65, limit: 64 }));
        assert_eq!(BookingId::new("a b"), Err(LabelError::Character { offset: 1 }));
        assert_eq!(BookingId::new("a\u{e9}"), Err(LabelError::Character { offset: 1 }));
        assert!(BookingId::new(&"a".repeat(80)).is_ok());
    }
}
