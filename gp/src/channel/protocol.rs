use core::fmt;

use cardwright_keys::KeyKind;

use super::SecurityLevel;

/// Secure channel protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// SCP01 (GPCS 2.3.1 appendix D).
    Scp01,
    /// SCP02 (GPCS 2.3.1 appendix E).
    Scp02,
    /// SCP03 with challenges, cryptograms and MACs of 8 bytes (Amd D).
    Scp03,
    /// SCP03 with challenges, cryptograms and MACs of 16 bytes.
    Scp03S16,
    /// SCP11 a, b or c with MACs of 8 bytes (Amd F).
    Scp11,
    /// SCP11 a, b or c with MACs of 16 bytes.
    Scp11S16,
}

impl Protocol {
    /// The protocol's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scp01 => "SCP01",
            Self::Scp02 => "SCP02",
            Self::Scp03 | Self::Scp03S16 => "SCP03",
            Self::Scp11 | Self::Scp11S16 => "SCP11",
        }
    }

    /// The protocol's number, as INITIALIZE UPDATE and card recognition data give it.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Scp01 => 0x01,
            Self::Scp02 => 0x02,
            Self::Scp03 | Self::Scp03S16 => 0x03,
            Self::Scp11 | Self::Scp11S16 => 0x11,
        }
    }

    /// Which kind of keys the protocol protects commands with; they are static keys too, but under SCP11.
    #[must_use]
    pub fn key_kind(self) -> KeyKind {
        match self {
            Self::Scp01 | Self::Scp02 => KeyKind::Tdes,
            Self::Scp03 | Self::Scp03S16 | Self::Scp11 | Self::Scp11S16 => KeyKind::Aes,
        }
    }

    /// Length of challenges, cryptograms and MACs, in bytes.
    pub(crate) fn mac_len(self) -> usize {
        if matches!(self, Self::Scp03S16 | Self::Scp11S16) { 16 } else { 8 }
    }

    /// The longest command data field that can be protected at this level so that the protected one has at most `limit`
    /// bytes, 255 in a short command.
    ///
    /// With C-MAC alone that is the limit less the MAC; with C-DECRYPTION the longest that still fits with its padding, of
    /// which there is at least one byte, or with the length byte of SCP01.
    #[must_use]
    pub fn max_data(self, level: SecurityLevel, limit: usize) -> usize {
        self.longest_data(level, limit.min(255))
    }

    /// As [`Protocol::max_data`], with limits above 255 for chains and extended commands.
    pub(super) fn longest_data(self, level: SecurityLevel, limit: usize) -> usize {
        if self == Self::Scp01 && level.has_c_decryption() && limit > 256 + self.mac_len() {
            // The length in front of the data is one byte (GPCS 2.3.1 D.3.4).
            return 255;
        }
        let block = if self.key_kind() == KeyKind::Aes { 16 } else { 8 };
        let mac = self.mac_len();
        match (level.has_c_decryption(), level.has_c_mac()) {
            (true, _) => (limit.saturating_sub(mac) / block * block).saturating_sub(1),
            (false, true) => limit.saturating_sub(mac),
            (false, false) => limit,
        }
    }

    /// Whether a session of this protocol can have the level; `i` of SCP02 and SCP03 says whether there is R-MAC (bit 20), of
    /// SCP03 whether responses are enciphered (bits 60) (GPCS 2.3.1 tables E-1 and E-11, Amd D tables 5-1 and 7-2).
    pub(super) fn has_level(self, level: SecurityLevel, i: u8) -> bool {
        let r_mac = i & 0x20 != 0;
        match self {
            Self::Scp01 => !level.has_r_mac(),
            Self::Scp02 => !level.has_r_encryption() && (!level.has_r_mac() || r_mac),
            Self::Scp03 | Self::Scp03S16 => {
                level != SecurityLevel::R_MAC
                    && (!level.has_r_mac() || r_mac)
                    && (!level.has_r_encryption() || i & 0x60 == 0x60)
            }
            // Key usage 34 or 3C is agreed on (GPCS 11.1.9).
            Self::Scp11 | Self::Scp11S16 => matches!(level, SecurityLevel::C_MAC_R_MAC | SecurityLevel::FULL),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The host's challenge: random, 8 bytes, or 16 for SCP03 with 16-byte challenges.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HostChallenge {
    bytes: [u8; 16],
    length: usize,
}

impl HostChallenge {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The first 8 bytes, as all protocols but SCP03 with 16-byte challenges take them.
    #[must_use]
    pub fn short(self) -> Self {
        Self { length: 8, ..self }
    }

    /// Whether there are 16 bytes.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.length == 16
    }
}

impl From<[u8; 8]> for HostChallenge {
    fn from(challenge: [u8; 8]) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&challenge);
        Self { bytes, length: 8 }
    }
}

impl From<[u8; 16]> for HostChallenge {
    fn from(bytes: [u8; 16]) -> Self {
        Self { bytes, length: 16 }
    }
}

impl fmt::Debug for HostChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostChallenge({:02X?})", self.as_bytes())
    }
}
