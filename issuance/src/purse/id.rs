use std::fmt;

use crate::account::{BookingId, LabelError, check};

/// Id of one load, unique in the system that orders loads; debit and reversal are booked under it. 1 to 64 bytes of printable
/// ASCII without spaces and without `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(BookingId);

impl TransactionId {
    /// Takes an id.
    ///
    /// # Errors
    /// [`LabelError`].
    pub fn new(text: &str) -> Result<Self, LabelError> {
        check(text, 64)?;
        match text.bytes().position(|byte| byte == b'/') {
            Some(offset) => Err(LabelError::Character { offset }),
            None => Ok(Self(BookingId::new(text)?)),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Id of the debit.
    #[must_use]
    pub fn debit(&self) -> BookingId {
        self.0.clone()
    }

    /// Id of the debit's reversal.
    #[must_use]
    pub fn reversal(&self) -> BookingId {
        self.0.with_suffix("/reversal")
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactionId({self})")
    }
}
