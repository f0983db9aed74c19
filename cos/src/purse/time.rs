use core::fmt;

use thiserror::Error;

/// Date and time of a transaction: 7 bytes of binary coded digits, YYYY MM DD hh mm ss.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionTime([u8; 7]);

/// A date or time that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TimeError {
    /// A byte that is not two decimal digits.
    #[error("byte {offset} of date and time, {value:02X}, is not two decimal digits")]
    Digits {
        /// Offset, in bytes.
        offset: usize,
        /// The byte.
        value: u8,
    },
    /// A number outside the calendar or the clock.
    #[error("there is no {field} {value}")]
    NoSuch {
        /// Year, month, day, hour, minute or second.
        field: &'static str,
        /// The number.
        value: u16,
    },
}

impl TransactionTime {
    /// A date of the Gregorian calendar, years 1 to 9999, and a time of day without leap second.
    ///
    /// # Errors
    /// [`TimeError::NoSuch`].
    pub fn new(year: u16, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> Result<Self, TimeError> {
        let check = |field, value: u16, range: core::ops::RangeInclusive<u16>| match range.contains(&value) {
            true => Ok(()),
            false => Err(TimeError::NoSuch { field, value }),
        };
        check("year", year, 1..=9999)?;
        check("month", month.into(), 1..=12)?;
        check("day", day.into(), 1..=days_in(year, month))?;
        check("hour", hour.into(), 0..=23)?;
        check("minute", minute.into(), 0..=59)?;
        check("second", second.into(), 0..=59)?;
        let century = (year / 100) as u8;
        Ok(Self([century, (year % 100) as u8, month, day, hour, minute, second].map(|two| two / 10 * 16 + two % 10)))
    }

    /// Takes the seven bytes.
    ///
    /// # Errors
    /// [`TimeError`].
    pub fn from_bytes(bytes: [u8; 7]) -> Result<Self, TimeError> {
        let mut numbers = [0; 7];
        for (offset, value) in bytes.into_iter().enumerate() {
            if value >> 4 > 9 || value & 0x0F > 9 {
                return Err(TimeError::Digits { offset, value });
            }
            numbers[offset] = (value >> 4) * 10 + (value & 0x0F);
        }
        let [century, year, month, day, hour, minute, second] = numbers;
        Self::new(u16::from(century) * 100 + u16::from(year), month, day, hour, minute, second)
    }

    /// Date and time.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 7] {
        self.0
    }

    /// YYYY MM DD.
    #[must_use]
    pub fn date(self) -> [u8; 4] {
        let [y1, y2, month, day, ..] = self.0;
        [y1, y2, month, day]
    }
}

fn days_in(year: u16, month: u8) -> u16 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for TransactionTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [y1, y2, month, day, hour, minute, second] = self.0;
        write!(f, "{y1:02X}{y2:02X}-{month:02X}-{day:02X} {hour:02X}:{minute:02X}:{second:02X}")
    }
}

impl fmt::Debug for TransactionTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactionTime({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        let no = |field, value| Err(TimeError::NoSuch { field, value });
        assert_eq!(TransactionTime::new(2023, 2, 29, 0, 0, 0), no("day", 29));
        assert_eq!(TransactionTime::new(1900, 2, 29, 0, 0, 0), no("day", 29));
        assert!(TransactionTime::new(2000, 2, 29, 0, 0, 0).is_ok());
        assert_eq!(TransactionTime::new(2024, 4, 31, 0, 0, 0), no("day", 31));
        assert_eq!(TransactionTime::new(2024, 13, 1, 0, 0, 0), no("month", 13));
        assert_eq!(TransactionTime::new(2024, 0, 1, 0, 0, 0), no("month", 0));
        assert_eq!(TransactionTime::new(2024, 1, 0, 0, 0, 0), no("day", 0));
        assert_eq!(TransactionTime::new(2024, 1, 1, 24, 0, 0), no("hour", 24));
        assert_eq!(TransactionTime::new(2024, 1, 1, 23, 60, 0), no("minute", 60));
        assert_eq!(TransactionTime::new(2024, 1, 1, 23, 59, 60), no("second", 60));
        assert_eq!(TransactionTime::new(0, 1, 1, 0, 0, 0), no("year", 0));
        let digits = TransactionTime::from_bytes([0x20, 0x16, 0x12, 0x1A, 0, 0, 0]);
        assert_eq!(digits, Err(TimeError::Digits { offset: 3, value: 0x1A }));
    }

    #[test]
    fn bytes_are_decimal_digits() {
        let time = TransactionTime::new(2016, 12, 16, 10, 58, 9).unwrap();
        assert_eq!(time.to_bytes(), [0x20, 0x16, 0x12, 0x16, 0x10, 0x58, 0x09]);
        assert_eq!(time.date(), [0x20, 0x16, 0x12, 0x16]);
        assert_eq!(time.to_string(), "2016-12-16 10:58:09");
    }

    proptest! {
        #[test]
        fn reading_is_total_and_gives_back_what_it_took(bytes in any::<[u8; 7]>()) {
            if let Ok(time) = TransactionTime::from_bytes(bytes) {
                prop_assert_eq!(time.to_bytes(), bytes);
            }
        }
    }
}
