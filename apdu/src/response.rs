use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

use crate::StatusWord;

/// Bytes that are no response APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// A response ends with SW1-SW2 and so has at least two bytes.
    #[error("a response has at least 2 bytes, this one has {actual}")]
    TooShort {
        /// Number of bytes given.
        actual: usize,
    },
    /// More than 65536 bytes of data and the status word.
    #[error("a response has at most 65538 bytes, this one has {actual}")]
    TooLong {
        /// Number of bytes given.
        actual: usize,
    },
}

/// A response APDU that owns its data (ISO 7816-4 5.1). `Debug` shows the length and the status word only.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseApdu {
    data: Vec<u8>,
    sw: StatusWord,
}

/// A response APDU whose data lies elsewhere; parsing it allocates nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResponseApduRef<'a> {
    /// The response data field; its length is Nr.
    pub data: &'a [u8],
    /// SW1-SW2.
    pub sw: StatusWord,
}

impl<'a> ResponseApduRef<'a> {
    /// Reads a response: data, then SW1-SW2.
    ///
    /// # Errors
    /// [`ResponseError`] when there are fewer than 2 or more than 65538 bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ResponseError> {
        match bytes {
            [data @ .., sw1, sw2] if data.len() <= 65536 => {
                Ok(Self { data, sw: StatusWord(u16::from_be_bytes([*sw1, *sw2])) })
            }
            [_, _, ..] => Err(ResponseError::TooLong { actual: bytes.len() }),
            _ => Err(ResponseError::TooShort { actual: bytes.len() }),
        }
    }

    /// A copy that owns its data.
    #[must_use]
    pub fn to_owned(&self) -> ResponseApdu {
        ResponseApdu { data: self.data.to_vec(), sw: self.sw }
    }
}

impl ResponseApdu {
    /// A response of these parts.
    #[must_use]
    pub fn new(data: impl Into<Vec<u8>>, sw: StatusWord) -> Self {
        Self { data: data.into(), sw }
    }

    /// A response without data.
    #[must_use]
    pub fn status(sw: StatusWord) -> Self {
        Self::new(Vec::new(), sw)
    }

    /// Reads a response; see [`ResponseApduRef::parse`].
    ///
    /// # Errors
    /// As [`ResponseApduRef::parse`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ResponseError> {
        ResponseApduRef::parse(bytes).map(|response| response.to_owned())
    }

    /// The response data field.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The data field, without a copy.
    #[must_use]
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// SW1-SW2.
    #[must_use]
    pub fn sw(&self) -> StatusWord {
        self.sw
    }

    /// The response's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.data.len() + 2);
        bytes.extend_from_slice(&self.data);
        bytes.extend_from_slice(&self.sw.0.to_be_bytes());
        bytes
    }
}

impl fmt::Debug for ResponseApdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseApdu(Nr {}, {})", self.data.len(), self.sw)
    }
}

impl fmt::Debug for ResponseApduRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseApdu(Nr {}, {})", self.data.len(), self.sw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn reads_and_codes() {
        let response = ResponseApdu::parse(&[1, 2, 0x90, 0]).unwrap();
        assert_eq!((response.data(), response.sw()), (&[1, 2][..], StatusWord::OK));
        assert_eq!(response.to_bytes(), [1, 2, 0x90, 0]);
        assert_eq!(ResponseApdu::parse(&[0x90]), Err(ResponseError::TooShort { actual: 1 }));
        assert_eq!(ResponseApdu::parse(&vec![0; 65539]), Err(ResponseError::TooLong { actual: 65539 }));
        assert!(ResponseApdu::parse(&vec![0; 65538]).is_ok());
    }
}
