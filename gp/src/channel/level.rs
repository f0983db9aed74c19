use core::fmt;

/// Security level of a secure channel session: P1 of EXTERNAL AUTHENTICATE (GPCS 2.3.1 table E-11, Amd D table 7-2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecurityLevel(u8);

impl SecurityLevel {
    /// Authentication only.
    pub const AUTHENTICATED: Self = Self(0x00);
    /// C-MAC.
    pub const C_MAC: Self = Self(0x01);
    /// C-DECRYPTION and C-MAC.
    pub const C_DECRYPTION: Self = Self(0x03);
    /// R-MAC; only SCP02 has it.
    pub const R_MAC: Self = Self(0x10);
    /// C-MAC and R-MAC.
    pub const C_MAC_R_MAC: Self = Self(0x11);
    /// C-DECRYPTION, C-MAC and R-MAC.
    pub const C_DECRYPTION_R_MAC: Self = Self(0x13);
    /// C-DECRYPTION, R-ENCRYPTION, C-MAC and R-MAC.
    pub const FULL: Self = Self(0x33);

    /// Takes the bits that a standard gives a meaning; `None` for any others.
    #[must_use]
    pub fn new(level: u8) -> Option<Self> {
        matches!(level, 0x00 | 0x01 | 0x03 | 0x10 | 0x11 | 0x13 | 0x33).then_some(Self(level))
    }

    /// The bits.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    pub(crate) fn has_c_mac(self) -> bool {
        self.0 & 0x01 != 0
    }

    pub(crate) fn has_c_decryption(self) -> bool {
        self.0 & 0x02 != 0
    }

    pub(crate) fn has_r_mac(self) -> bool {
        self.0 & 0x10 != 0
    }

    pub(crate) fn has_r_encryption(self) -> bool {
        self.0 & 0x20 != 0
    }
}

impl fmt::Display for SecurityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.0)
    }
}

impl fmt::Debug for SecurityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecurityLevel({self})")
    }
}
