use core::fmt;

/// SW1-SW2, the status of a response (ISO 7816-4 5.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusWord(pub u16);

macro_rules! status_words {
    ($($name:ident = $sw:literal, $meaning:literal;)*) => {
        impl StatusWord {
            $(#[doc = $meaning] pub const $name: Self = Self($sw);)*
        }
        const MEANINGS: &[(u16, &str)] = &[$(($sw, $meaning)),*];
    };
}

status_words! {
    OK = 0x9000, "done";
    MORE_DATA = 0x6310, "more data available";
    DATA_MAY_BE_CORRUPTED = 0x6281, "part of the data may be corrupted";
    DEACTIVATED = 0x6283, "selected, but locked or deactivated";
    AUTHENTICATION_FAILED = 0x6300, "authentication failed";
    MEMORY_FAILURE = 0x6581, "memory failure";
    STATE_UNCHANGED = 0x6400, "execution error, nothing was changed";
    WRONG_LENGTH = 0x6700, "wrong length";
    CHANNEL_NOT_SUPPORTED = 0x6881, "logical channel not supported or not active";
    SECURE_MESSAGING_NOT_SUPPORTED = 0x6882, "secure messaging not supported";
    LAST_OF_CHAIN_EXPECTED = 0x6883, "last command of the chain expected";
    CHAINING_NOT_SUPPORTED = 0x6884, "command chaining not supported";
    INVALID_STATE = 0x6901, "not allowed in this state";
    INCOMPATIBLE_FILE = 0x6981, "command does not fit the file";
    SECURITY_NOT_SATISFIED = 0x6982, "security status not satisfied";
    AUTHENTICATION_BLOCKED = 0x6983, "authentication method blocked";
    REFERENCE_DATA_UNUSABLE = 0x6984, "challenge missing or reference data not usable";
    CONDITIONS_NOT_SATISFIED = 0x6985, "conditions of use not satisfied";
    COMMAND_NOT_ALLOWED = 0x6986, "command not allowed";
    SECURE_MESSAGING_MISSING = 0x6987, "secure messaging object missing";
    SECURE_MESSAGING_INCORRECT = 0x6988, "secure messaging object incorrect";
    WRONG_DATA = 0x6A80, "wrong data";
    FUNCTION_NOT_SUPPORTED = 0x6A81, "function not supported or card locked";
    FILE_NOT_FOUND = 0x6A82, "file or application not found";
    RECORD_NOT_FOUND = 0x6A83, "record not found";
    NOT_ENOUGH_MEMORY = 0x6A84, "not enough memory";
    INCORRECT_P1_P2 = 0x6A86, "incorrect P1 P2";
    REFERENCED_DATA_NOT_FOUND = 0x6A88, "referenced data not found";
    WRONG_P1_P2 = 0x6B00, "wrong P1 P2";
    INS_NOT_SUPPORTED = 0x6D00, "instruction not supported";
    CLA_NOT_SUPPORTED = 0x6E00, "class not supported";
    UNKNOWN_ERROR = 0x6F00, "no precise diagnosis";
    ALGORITHM_NOT_SUPPORTED = 0x9484, "algorithm not supported";
    INVALID_KEY_CHECK_VALUE = 0x9485, "invalid key check value";
    MAC_INVALID = 0x9302, "MAC invalid";
    APPLICATION_LOCKED = 0x9303, "application permanently locked";
    AMOUNT_INSUFFICIENT = 0x9401, "amount insufficient";
    KEY_INDEX_NOT_SUPPORTED = 0x9403, "key index not supported";
    MAC_NOT_AVAILABLE = 0x9406, "required MAC not available";
}

impl StatusWord {
    /// SW1.
    #[must_use]
    pub const fn sw1(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// SW2.
    #[must_use]
    pub const fn sw2(self) -> u8 {
        self.0 as u8
    }

    /// `9000`.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 == 0x9000
    }

    /// `62XX` or `63XX`: the command was processed, with a warning (ISO 7816-4 table 5).
    #[must_use]
    pub const fn is_warning(self) -> bool {
        matches!(self.sw1(), 0x62 | 0x63)
    }

    /// X of `63CX`: how many further tries are allowed.
    #[must_use]
    pub const fn tries_left(self) -> Option<u8> {
        if self.0 & 0xFFF0 == 0x63C0 { Some(self.sw2() & 0x0F) } else { None }
    }

    /// The status in words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        if let Some((_, meaning)) = MEANINGS.iter().find(|(sw, _)| *sw == self.0) {
            return meaning;
        }
        match self.sw1() {
            0x61 => "more response data waits",
            0x62 => "warning, nothing was changed",
            0x63 if self.tries_left() == Some(0) => "wrong, no try left",
            0x63 if self.tries_left().is_some() => "wrong, tries are left",
            0x63 => "warning, something was changed",
            0x64 => "execution error, nothing was changed",
            0x65 => "execution error, something was changed",
            0x66 => "security error",
            0x68 => "function of the class byte not supported",
            0x69 => "command not allowed",
            0x6A => "wrong parameters",
            0x6C => "wrong Le",
            // TS 102 221 10.2.1.1.
            0x91 => "done, the card has a command for the terminal",
            _ => "unknown status",
        }
    }
}

impl From<u16> for StatusWord {
    fn from(sw: u16) -> Self {
        Self(sw)
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X} ({})", self.0, self.meaning())
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusWord({:04X})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn says_what_a_status_means() {
        assert_eq!(StatusWord(0x6A88).to_string(), "6A88 (referenced data not found)");
        assert_eq!(StatusWord(0x63C2).tries_left(), Some(2));
        assert_eq!(StatusWord(0x63C0).meaning(), "wrong, no try left");
        assert_eq!(StatusWord(0x6310).tries_left(), None);
        assert_eq!(StatusWord(0x9180).meaning(), "done, the card has a command for the terminal");
        assert_eq!(StatusWord(0x6110).meaning(), "more response data waits");
        assert!(StatusWord(0x6310).is_warning() && !StatusWord::OK.is_warning());
    }
}
