use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// Terminal number: 6 bytes, written as 12 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TerminalNumber(pub [u8; 6]);

/// A text is no terminal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TerminalError {
    /// Not 12 digits.
    #[error("a terminal number has 12 hexadecimal digits, not {actual}")]
    Length {
        /// Bytes of text given.
        actual: usize,
    },
    /// Something else than a digit.
    #[error("a terminal number has hexadecimal digits only; there is something else at offset {offset}")]
    Digit {
        /// Where, in bytes from the start of the text.
        offset: usize,
    },
}

impl FromStr for TerminalNumber {
    type Err = TerminalError;

    fn from_str(text: &str) -> Result<Self, TerminalError> {
        if text.len() != 12 {
            return Err(TerminalError::Length { actual: text.len() });
        }
        let mut number = [0; 6];
        for (offset, digit) in text.bytes().enumerate() {
            let value = char::from(digit).to_digit(16).ok_or(TerminalError::Digit { offset })?;
            number[offset / 2] = number[offset / 2] << 4 | value as u8;
        }
        Ok(Self(number))
    }
}

impl fmt::Display for TerminalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for TerminalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TerminalNumber({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn twelve_digits_and_nothing_else() {
        let number: TerminalNumber = "0011223344Ff".parse().unwrap();
        assert_eq!((number.0[5], number.to_string().as_str()), (0xFF, "0011223344FF"));
        assert_eq!("00112233445".parse::<TerminalNumber>(), Err(TerminalError::Length { actual: 11 }));
        assert_eq!("00112233445G".parse::<TerminalNumber>(), Err(TerminalError::Digit { offset: 11 }));
        assert_eq!("+0112233445\u{e9}".parse::<TerminalNumber>(), Err(TerminalError::Length { actual: 13 }));
        assert_eq!("+01122334455".parse::<TerminalNumber>(), Err(TerminalError::Digit { offset: 0 }));
    }
}
