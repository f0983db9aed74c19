use alloc::vec::Vec;
use core::fmt;
use core::ops::BitOr;

/// Privileges of an application (GPCS 2.3.1 tables 11-7 to 11-9); add them with `|`.
///
/// ```
/// use cardwright_gp::Privileges;
///
/// let domain = Privileges::SECURITY_DOMAIN | Privileges::TRUSTED_PATH;
/// assert_eq!(domain, Privileges([0x80, 0x80, 0x00]));
/// assert!(domain.is_security_domain());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Privileges(pub [u8; 3]);

macro_rules! privileges {
    ($($(#[$doc:meta])* $name:ident = $value:expr, $words:literal;)*) => {
        impl Privileges {
            $($(#[$doc])* pub const $name: Self = Self($value);)*
        }
        const NAMES: &[(Privileges, &str)] = &[$((Privileges::$name, $words)),*];
    };
}

privileges! {
    /// The application is a security domain.
    SECURITY_DOMAIN = [0x80, 0x00, 0x00], "Security Domain";
    /// Security domain that verifies the DAP Blocks with its AID.
    DAP_VERIFICATION = [0xC0, 0x00, 0x00], "DAP Verification";
    /// Security domain that manages content with tokens.
    DELEGATED_MANAGEMENT = [0xA0, 0x00, 0x00], "Delegated Management";
    /// May lock the card.
    CARD_LOCK = [0x10, 0x00, 0x00], "Card Lock";
    /// May terminate the card.
    CARD_TERMINATE = [0x08, 0x00, 0x00], "Card Terminate";
    /// Is selected after a reset; one application has it.
    CARD_RESET = [0x04, 0x00, 0x00], "Card Reset";
    /// Manages a cardholder verification method.
    CVM_MANAGEMENT = [0x02, 0x00, 0x00], "CVM Management";
    /// Security domain that verifies a DAP Block of every load file; holds the bits of [`DAP_VERIFICATION`](Self::DAP_VERIFICATION).
    MANDATED_DAP_VERIFICATION = [0xC1, 0x00, 0x00], "Mandated DAP Verification";
    /// May start and end a secure channel for another application.
    TRUSTED_PATH = [0x00, 0x80, 0x00], "Trusted Path";
    /// Security domain that manages content without tokens.
    AUTHORIZED_MANAGEMENT = [0x00, 0x40, 0x00], "Authorized Management";
    /// Security domain that verifies tokens ("Token Management" in table 11-8).
    TOKEN_VERIFICATION = [0x00, 0x20, 0x00], "Token Verification";
    /// May delete whatever is on the card.
    GLOBAL_DELETE = [0x00, 0x10, 0x00], "Global Delete";
    /// May lock any application.
    GLOBAL_LOCK = [0x00, 0x08, 0x00], "Global Lock";
    /// Sees the whole registry.
    GLOBAL_REGISTRY = [0x00, 0x04, 0x00], "Global Registry";
    /// Is the only application that stays selectable on a locked card.
    FINAL_APPLICATION = [0x00, 0x02, 0x00], "Final Application";
    /// Offers services to other applications.
    GLOBAL_SERVICE = [0x00, 0x01, 0x00], "Global Service";
    /// Security domain that makes receipts.
    RECEIPT_GENERATION = [0x00, 0x00, 0x80], "Receipt Generation";
    /// Security domain whose load files are enciphered.
    CIPHERED_LOAD_FILE_DATA_BLOCK = [0x00, 0x00, 0x40], "Ciphered Load File Data Block";
    /// May activate applications on the contactless interface.
    CONTACTLESS_ACTIVATION = [0x00, 0x00, 0x20], "Contactless Activation";
    /// May activate itself on the contactless interface.
    CONTACTLESS_SELF_ACTIVATION = [0x00, 0x00, 0x10], "Contactless Self-Activation";
}

impl Privileges {
    /// None.
    pub const NONE: Self = Self([0; 3]);

    /// Whether it is a security domain.
    #[must_use]
    pub fn is_security_domain(self) -> bool {
        self.contains(Self::SECURITY_DOMAIN)
    }

    /// Whether all bits of the other are set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self | other == self
    }

    /// Names of the privileges, in the order of their numbers. Bits without a name are left out.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let mandated = self.contains(Self::MANDATED_DAP_VERIFICATION);
        NAMES
            .iter()
            .filter(|(privilege, _)| self.contains(*privilege))
            .filter(|(privilege, _)| !(mandated && *privilege == Self::DAP_VERIFICATION))
            .map(|(_, name)| *name)
            .collect()
    }

    /// The same privileges in one byte, where a card that gets one byte fills the others up with just these (GPCS 2.3.1 table
    /// 6-2): of a security domain Trusted Path, of another application none. `None` where something would be lost or gained.
    #[must_use]
    pub fn in_one_byte(self) -> Option<Self> {
        let defaults = if self.is_security_domain() { Self::TRUSTED_PATH.0 } else { Self::NONE.0 };
        (self.0[1..] == defaults[1..]).then_some(Self([self.0[0], 0, 0]))
    }

    /// One byte where the others are zero, as older cards want it, else three.
    pub(crate) fn shortest(&self) -> &[u8] {
        if self.0[1..] == [0, 0] { &self.0[..1] } else { &self.0 }
    }
}

impl BitOr for Privileges {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i] | other.0[i]))
    }
}

impl fmt::Debug for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Privileges({:02X?})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_the_tables_has_one_name() {
        let mut left = [0u8; 3];
        for (privilege, _) in NAMES {
            for (byte, bits) in left.iter_mut().zip(privilege.0) {
                *byte |= bits;
            }
        }
        assert_eq!(left, [0xFF, 0xFF, 0xF0]);
        assert_eq!(NAMES.len(), 20);
        // The issuer security domain of OP_READY (GPCS 2.3.1 6.6.2).
        let issuer = Privileges([0x9E, 0xFE, 0x80]);
        assert_eq!(issuer.names().len(), 13);
        let dap = Privileges::SECURITY_DOMAIN | Privileges::DAP_VERIFICATION;
        assert_eq!(dap.names(), ["Security Domain", "DAP Verification"]);
        assert!(!dap.contains(Privileges::MANDATED_DAP_VERIFICATION));
        let mandated = Privileges::MANDATED_DAP_VERIFICATION.names();
        assert_eq!(mandated, ["Security Domain", "Mandated DAP Verification"]);
        assert_eq!(Privileges([0, 0, 0x0F]).names(), [""; 0]);
    }

    #[test]
    fn one_byte_must_mean_the_same_as_three() {
        let domain = Privileges::DELEGATED_MANAGEMENT;
        assert_eq!((domain | Privileges::TRUSTED_PATH).in_one_byte(), Some(domain));
        // The card would add Trusted Path.
        assert_eq!(domain.in_one_byte(), None);
        assert_eq!(Privileges::CARD_RESET.in_one_byte(), Some(Privileges::CARD_RESET));
        assert_eq!((Privileges::CARD_RESET | Privileges::GLOBAL_SERVICE).in_one_byte(), None);
        assert_eq!((domain | Privileges::TRUSTED_PATH | Privileges::RECEIPT_GENERATION).in_one_byte(), None);
    }
}
