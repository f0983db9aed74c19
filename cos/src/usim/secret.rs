use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::field::FieldError;

/// A key or code of 8 bytes that a card compares: ADM key, PIN, PUK. Wiped on drop, never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SecretCode([u8; 8]);

impl SecretCode {
    /// Takes 4 to 8 digits, filled up with FF: a PIN, a PUK or an ADM key as people write them.
    ///
    /// # Errors
    /// [`FieldError`]: length, characters.
    pub fn from_digits(field: &'static str, digits: &str) -> Result<Self, FieldError> {
        if let Some(offset) = digits.chars().position(|character| !character.is_ascii_digit()) {
            return Err(FieldError::character(field, "a digit", offset));
        }
        if !(4..=8).contains(&digits.len()) {
            return Err(FieldError::length(field, "4 to 8 digits", digits.len()));
        }
        let mut code = [0xFF; 8];
        code[..digits.len()].copy_from_slice(digits.as_bytes());
        Ok(Self(code))
    }

    /// Takes a PUK, which has 8 digits.
    ///
    /// # Errors
    /// [`FieldError`]: length, characters.
    pub fn puk(digits: &str) -> Result<Self, FieldError> {
        match digits.chars().count() {
            8 => Self::from_digits("PUK", digits),
            actual => Err(FieldError::length("PUK", "8 digits", actual)),
        }
    }

    /// Takes 8 bytes, as ADM keys often are.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The bytes. Whoever calls this keeps them secret.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Debug for SecretCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretCode")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_digits_filled_up() {
        let pin = SecretCode::from_digits("PIN", "1234").unwrap();
        assert_eq!(hex::encode_upper(pin.expose_bytes()), "31323334FFFFFFFF");
        assert_eq!(alloc::format!("{pin:?}"), "SecretCode");
        for wrong in ["", "123", "123456789", "12a4", "12３4"] {
            assert!(SecretCode::from_digits("PIN", wrong).is_err(), "{wrong}");
        }
        assert!(SecretCode::puk("1234567").is_err() && SecretCode::puk("12345678").is_ok());
    }
}
