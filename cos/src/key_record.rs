use alloc::vec::Vec;

/// How later updates of a key are protected: the high bits of its type (FMCOS 2.0 special manual 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protection {
    /// None.
    Plain = 0x00,
    /// MAC.
    Mac = 0x40,
    /// Enciphered and MAC.
    EncipheredMac = 0xC0,
}

/// What stands in front of a key in its record: type, rights, counter (FMCOS 2.0 special manual 1.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyHeader {
    /// Key of external authentication, type 39; with identifier 00 the card master key.
    ExternalAuthentication {
        /// Security state needed to use it.
        use_right: u8,
        /// Security state needed to change it.
        change_right: u8,
        /// Security state after it was used with success.
        next_state: u8,
        /// Retry counter: high nibble the most, low nibble what remains.
        error_counter: u8,
    },
    /// Key of line protection, type 36; with identifier 00 the maintenance key.
    LineProtection {
        /// Security state needed to use it.
        use_right: u8,
        /// Security state needed to change it.
        change_right: u8,
        /// Retry counter: high nibble the most, low nibble what remains.
        error_counter: u8,
    },
}

impl KeyHeader {
    /// The type without protection bits.
    #[must_use]
    pub fn key_type(&self) -> u8 {
        match self {
            Self::ExternalAuthentication { .. } => 0x39,
            Self::LineProtection { .. } => 0x36,
        }
    }

    /// The five bytes in front of the key.
    #[must_use]
    pub fn to_bytes(&self, protection: Protection) -> [u8; 5] {
        let key_type = self.key_type() | protection as u8;
        match *self {
            Self::ExternalAuthentication { use_right, change_right, next_state, error_counter } => {
                [key_type, use_right, change_right, next_state, error_counter]
            }
            Self::LineProtection { use_right, change_right, error_counter } => {
                [key_type, use_right, change_right, 0xFF, error_counter]
            }
        }
    }
}

/// One key of a card to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyUpdate {
    /// Key identifier: P2.
    pub kid: u8,
    /// The record's header.
    pub header: KeyHeader,
    /// Protection of the present record and of the new one; the type on the card counts with it.
    pub protection: Protection,
}

impl KeyUpdate {
    /// CLA INS P1 P2 of the command: P1 is the type of the key as it lies on the card.
    #[must_use]
    pub fn command_header(&self) -> [u8; 4] {
        crate::command::write_key_header(self.header.key_type() | self.protection as u8, self.kid)
    }

    /// What stands in front of the key in the plain data.
    #[must_use]
    pub fn key_header(&self) -> Vec<u8> {
        self.header.to_bytes(self.protection).to_vec()
    }
}
