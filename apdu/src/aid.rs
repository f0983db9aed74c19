use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// Application identifier: 5 to 16 bytes, RID and PIX (ISO 7816-5, GPCS 2.3.1 table 11-1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aid {
    bytes: [u8; 16],
    len: u8,
}

/// Bytes or text that are no AID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AidError {
    /// An AID has 5 to 16 bytes.
    #[error("an AID has 5 to 16 bytes, this one has {actual}")]
    Length {
        /// Number of bytes given.
        actual: usize,
    },
    /// The text is not hexadecimal.
    #[error("character {offset} of the AID is not hexadecimal")]
    NotHex {
        /// Position in characters from the start.
        offset: usize,
    },
    /// The text has an odd number of digits.
    #[error("the AID has an odd number of hexadecimal digits")]
    OddDigits,
}

impl Aid {
    /// Takes 5 to 16 bytes.
    ///
    /// # Errors
    /// [`AidError::Length`] for any other number of bytes.
    pub const fn new(aid: &[u8]) -> Result<Self, AidError> {
        if aid.len() < 5 || aid.len() > 16 {
            return Err(AidError::Length { actual: aid.len() });
        }
        let mut bytes = [0; 16];
        let mut i = 0;
        while i < aid.len() {
            bytes[i] = aid[i];
            i += 1;
        }
        Ok(Self { bytes, len: aid.len() as u8 })
    }

    /// The AID's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Registered application provider identifier: the first 5 bytes.
    #[must_use]
    pub fn rid(&self) -> &[u8] {
        &self.as_bytes()[..5]
    }

    /// Proprietary application identifier extension: what follows the RID, 0 to 11 bytes.
    #[must_use]
    pub fn pix(&self) -> &[u8] {
        &self.as_bytes()[5..]
    }
}

impl AsRef<[u8]> for Aid {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl TryFrom<&[u8]> for Aid {
    type Error = AidError;

    fn try_from(aid: &[u8]) -> Result<Self, AidError> {
        Self::new(aid)
    }
}

impl fmt::Display for Aid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Aid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aid({self})")
    }
}

impl FromStr for Aid {
    type Err = AidError;

    /// Reads hexadecimal digits, upper or lower case; spaces and colons between bytes are passed over.
    fn from_str(text: &str) -> Result<Self, AidError> {
        let mut bytes = [0u8; 17];
        let mut digits = 0usize;
        for (offset, c) in text.chars().enumerate() {
            if c == ' ' || c == ':' {
                continue;
            }
            let digit = c.to_digit(16).ok_or(AidError::NotHex { offset })? as u8;
            if let Some(byte) = bytes.get_mut(digits / 2) {
                *byte = *byte << 4 | digit;
            }
            digits += 1;
        }
        if digits % 2 == 1 {
            return Err(AidError::OddDigits);
        }
        if digits / 2 > 16 {
            return Err(AidError::Length { actual: digits / 2 });
        }
        Self::new(&bytes[..digits / 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn reads_and_prints_hexadecimal() {
        let aid: Aid = "a0 00 00 01 51 00:00:00".parse().unwrap();
        assert_eq!(aid.to_string(), "A000000151000000");
        assert_eq!(aid.rid(), [0xA0, 0, 0, 1, 0x51]);
        assert_eq!(aid.pix(), [0, 0, 0]);
    }

    #[test]
    fn refuses_what_is_no_aid_and_says_why() {
        assert_eq!("A0000001".parse::<Aid>(), Err(AidError::Length { actual: 4 }));
        assert_eq!("A000000".parse::<Aid>(), Err(AidError::OddDigits));
        assert_eq!("A0000G".parse::<Aid>(), Err(AidError::NotHex { offset: 5 }));
        assert_eq!("00".repeat(17).parse::<Aid>(), Err(AidError::Length { actual: 17 }));
        assert_eq!("00".repeat(9999).parse::<Aid>(), Err(AidError::Length { actual: 9999 }));
    }
}
