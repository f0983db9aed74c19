use core::fmt;

use cardwright_apdu::StatusWord;

use crate::Error;

/// Why a card does not open a secure channel, as far as its status word tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenRefusal {
    /// INITIALIZE UPDATE is not allowed now (6982): says nothing about the keys, and counts nothing.
    Policy,
    /// There is no key set of the version that was asked for (6A88): nothing was counted.
    NoSuchKeys,
    /// The card counts failed authentications and says how many more it allows (63CX).
    Counter {
        /// X: how many.
        left: u8,
    },
    /// No authentication with these keys any more (6983, 6985).
    Blocked,
    /// The selected application is no security domain (6D00, 6E00).
    NoSecurityDomain,
    /// EXTERNAL AUTHENTICATE came, and the card does not accept the host: the card has counted a failure.
    Rejected,
}

impl OpenRefusal {
    /// What this status word says in answer to INITIALIZE UPDATE or EXTERNAL AUTHENTICATE; `None` for other commands and statuses.
    #[must_use]
    pub fn of(command: &str, sw: StatusWord) -> Option<Self> {
        let is_first = match command {
            "INITIALIZE UPDATE" => true,
            "EXTERNAL AUTHENTICATE" => false,
            _ => return None,
        };
        Some(match (is_first, sw.0) {
            (_, 0x63C0..=0x63CF) => Self::Counter { left: sw.sw2() & 0x0F },
            (_, 0x6983 | 0x6985) => Self::Blocked,
            (true, 0x6982) => Self::Policy,
            (true, 0x6A88) => Self::NoSuchKeys,
            (true, 0x6D00 | 0x6E00) => Self::NoSecurityDomain,
            (true, _) => return None,
            (false, _) => Self::Rejected,
        })
    }

    /// Whether the card has counted a failed authentication.
    #[must_use]
    pub fn is_counted(self) -> bool {
        matches!(self, Self::Counter { .. } | Self::Rejected)
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Policy => "the card's policy refuses a session now; this says nothing about the keys",
            Self::NoSuchKeys => "the card has no key set of this version",
            Self::Counter { left: 0 } => "the card counts failed authentications and allows no more",
            Self::Counter { left: 1 } => "the card counts failed authentications and allows one more",
            Self::Counter { .. } => {
                "the card counts failed authentications; the last digit says how many more it allows"
            }
            Self::Blocked => "the card refuses authentication: too many failures, or a key set that is used up",
            Self::NoSecurityDomain => "the selected application is no security domain",
            Self::Rejected => "the card does not accept the host",
        }
    }
}

impl fmt::Display for OpenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl Error {
    /// Why the card did not open a secure channel, where its status word tells.
    #[must_use]
    pub fn open_refusal(&self) -> Option<OpenRefusal> {
        match self {
            Self::Refused { command, sw } => OpenRefusal::of(command, *sw),
            _ => None,
        }
    }

    /// Whether an attempt to open a secure channel that ended so belongs in the lock-out ledger of the card: the keys did not fit, or
    /// the card counted a failure.
    #[must_use]
    pub fn is_failed_authentication(&self) -> bool {
        matches!(self, Self::WrongKeys { .. })
            || matches!(self, Self::Refused { command: "EXTERNAL AUTHENTICATE", .. })
            || self.open_refusal().is_some_and(OpenRefusal::is_counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn refused(command: &'static str, sw: u16) -> Error {
        Error::Refused { command, sw: StatusWord(sw) }
    }

    #[test]
    fn policy_missing_keys_and_counter_are_told_apart() {
        let told = |sw| refused("INITIALIZE UPDATE", sw).to_string();
        assert!(told(0x6982).contains("policy") && told(0x6982).contains("says nothing about the keys"));
        assert!(told(0x6A88).contains("no key set of this version"));
        assert!(told(0x63C2).contains("63C2") && told(0x63C2).contains("how many more"));
        assert!(told(0x63C1).contains("one more") && told(0x63C0).contains("no more"));
        assert!(told(0x6983).contains("too many failures"));
    }

    #[test]
    fn only_what_the_card_counted_is_a_failed_authentication() {
        for (command, sw, counts) in [
            ("INITIALIZE UPDATE", 0x6982, false),
            ("INITIALIZE UPDATE", 0x6A88, false),
            ("INITIALIZE UPDATE", 0x6983, false),
            ("INITIALIZE UPDATE", 0x63C2, true),
            ("EXTERNAL AUTHENTICATE", 0x63C2, true),
            ("EXTERNAL AUTHENTICATE", 0x6300, true),
            ("EXTERNAL AUTHENTICATE", 0x6982, true),
            ("PUT KEY", 0x63C2, false),
        ] {
            assert_eq!(refused(command, sw).is_failed_authentication(), counts, "{command} {sw:04X}");
        }
    }
}
