use std::fmt;
use std::str::FromStr;

use cardwright_cos::purse::{TimeError, TransactionTime};
use thiserror::Error;

use crate::journal::{Entity, EntityError};

/// A business day: a date that exists, written `YYYY-MM-DD`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BusinessDate {
    year: u16,
    month: u8,
    day: u8,
}

/// Why a text is no business day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DateError {
    /// Not of this form.
    #[error("a date is written YYYY-MM-DD, in digits")]
    Form,
    /// A date that does not exist.
    #[error(transparent)]
    Time(#[from] TimeError),
}

impl BusinessDate {
    /// Takes a date.
    ///
    /// # Errors
    /// [`DateError::Time`] when there is no such date.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, DateError> {
        TransactionTime::new(year, month, day, 0, 0, 0)?;
        Ok(Self { year, month, day })
    }

    /// The entity of its settlement.
    ///
    /// # Errors
    /// None in practice: the text is printable and short.
    pub fn entity(self) -> Result<Entity, EntityError> {
        Entity::new(&format!("settlement/{self}"))
    }
}

impl FromStr for BusinessDate {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let is_form = text.len() == 10
            && text.bytes().enumerate().all(|(n, byte)| match n {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !is_form {
            return Err(DateError::Form);
        }
        let number = |at: std::ops::Range<usize>| text.get(at).and_then(|digits| digits.parse::<u16>().ok());
        let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else {
            return Err(DateError::Form);
        };
        let byte = |number| u8::try_from(number).map_err(|_| DateError::Form);
        Self::new(year, byte(month)?, byte(day)?)
    }
}

impl fmt::Display for BusinessDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Debug for BusinessDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BusinessDate({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_exists_and_is_written_one_way() {
        assert_eq!("2024-02-29".parse::<BusinessDate>().unwrap().to_string(), "2024-02-29");
        for wrong in ["2023-02-29", "2024-13-01", "2024-00-10", "2024-01-32"] {
            assert!(matches!(wrong.parse::<BusinessDate>(), Err(DateError::Time(_))), "{wrong}");
        }
        for wrong in ["", "2024-1-1", "2024/01/01", "20240101", "2024-01-011", "2024-0é-1", "+024-01-01"] {
            assert_eq!(wrong.parse::<BusinessDate>(), Err(DateError::Form), "{wrong}");
        }
    }
}
