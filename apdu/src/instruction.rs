use core::fmt;

/// CLA, the class byte (ISO 7816-4 5.4.1, GPCS 2.3.1 11.1.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u8);

impl Class {
    /// Interindustry, no secure messaging, logical channel 0.
    pub const ISO: Self = Self(0x00);
    /// GlobalPlatform, no secure messaging, logical channel 0.
    pub const GP: Self = Self(0x80);

    const CHAINING: u8 = 0x10;

    /// Logical channel, 0 to 19.
    #[must_use]
    pub const fn channel(self) -> u8 {
        if self.0 & 0x40 == 0 { self.0 & 0x03 } else { 4 + (self.0 & 0x0F) }
    }

    /// The same class on another logical channel, or `None` above channel 19 (GPCS 2.3.1 11.1.4, ISO 7816-4 5.4.1).
    ///
    /// Channels from 4 have the further interindustry coding, in which secure messaging is one bit: of its three ways only
    /// that of GlobalPlatform comes back to channels 0 to 3.
    #[must_use]
    pub const fn on_channel(self, channel: u8) -> Option<Self> {
        let kept = self.0 & 0x90;
        match channel {
            0..=3 if self.0 & 0x40 == 0 => Some(Self(self.0 & 0xFC | channel)),
            0..=3 if self.is_secure() => Some(Self(kept | 0x04 | channel)),
            0..=3 => Some(Self(kept | channel)),
            4..=19 => Some(Self(kept | 0x40 | if self.is_secure() { 0x20 } else { 0 } | (channel - 4))),
            _ => None,
        }
    }

    /// Whether the class says that the command is secured, in the GlobalPlatform or the ISO way.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        if self.0 & 0x40 == 0 { self.0 & 0x0C != 0 } else { self.0 & 0x20 != 0 }
    }

    /// The class with the bit of GlobalPlatform secure messaging set (GPCS 2.3.1 tables 11-11 and 11-12).
    #[must_use]
    pub const fn secured(self) -> Self {
        if self.0 & 0x40 == 0 { Self(self.0 | 0x04) } else { Self(self.0 | 0x20) }
    }

    /// The class of every command of a chain but the last (ISO 7816-4 5.3.3).
    #[must_use]
    pub const fn chained(self) -> Self {
        Self(self.0 | Self::CHAINING)
    }

    /// The class of GET RESPONSE on the same logical channel: no secure messaging, no chaining. Commands of a SIM all have class A0
    /// (TS 51.011 9.2).
    #[must_use]
    pub const fn get_response(self) -> Self {
        if self.0 == 0xA0 {
            return self;
        }
        if self.0 & 0x40 == 0 { Self(self.0 & 0x03) } else { Self(0x40 | self.0 & 0x0F) }
    }
}

impl From<u8> for Class {
    fn from(cla: u8) -> Self {
        Self(cla)
    }
}

impl fmt::Debug for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Class({:02X})", self.0)
    }
}

/// INS, the instruction byte. Codes without a name here are legal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instruction(pub u8);

macro_rules! instructions {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $words:literal;)*) => {
        impl Instruction {
            $($(#[$doc])* pub const $name: Self = Self($code);)*
        }
        const NAMES: &[(u8, &str)] = &[$(($code, $words)),*];
    };
}

instructions! {
    /// ISO 7816-4 VERIFY.
    VERIFY = 0x20, "VERIFY";
    /// PERFORM SECURITY OPERATION.
    PERFORM_SECURITY_OPERATION = 0x2A, "PERFORM SECURITY OPERATION";
    /// END R-MAC SESSION of GlobalPlatform.
    END_R_MAC_SESSION = 0x78, "END R-MAC SESSION";
    /// BEGIN R-MAC SESSION of GlobalPlatform.
    BEGIN_R_MAC_SESSION = 0x7A, "BEGIN R-MAC SESSION";
    /// INITIALIZE UPDATE of GlobalPlatform; PBOC uses the same code for the INITIALIZE commands of a purse.
    INITIALIZE_UPDATE = 0x50, "INITIALIZE UPDATE";
    /// MANAGE CHANNEL.
    MANAGE_CHANNEL = 0x70, "MANAGE CHANNEL";
    /// EXTERNAL AUTHENTICATE.
    EXTERNAL_AUTHENTICATE = 0x82, "EXTERNAL AUTHENTICATE";
    /// GET CHALLENGE.
    GET_CHALLENGE = 0x84, "GET CHALLENGE";
    /// INTERNAL AUTHENTICATE.
    INTERNAL_AUTHENTICATE = 0x88, "INTERNAL AUTHENTICATE";
    /// SELECT.
    SELECT = 0xA4, "SELECT";
    /// READ BINARY.
    READ_BINARY = 0xB0, "READ BINARY";
    /// READ RECORD.
    READ_RECORD = 0xB2, "READ RECORD";
    /// GET RESPONSE.
    GET_RESPONSE = 0xC0, "GET RESPONSE";
    /// GET DATA.
    GET_DATA = 0xCA, "GET DATA";
    /// WRITE KEY of PBOC cards.
    WRITE_KEY = 0xD4, "WRITE KEY";
    /// UPDATE BINARY.
    UPDATE_BINARY = 0xD6, "UPDATE BINARY";
    /// PUT KEY of GlobalPlatform.
    PUT_KEY = 0xD8, "PUT KEY";
    /// UPDATE RECORD.
    UPDATE_RECORD = 0xDC, "UPDATE RECORD";
    /// STORE DATA of GlobalPlatform; APPEND RECORD in ISO 7816-4.
    STORE_DATA = 0xE2, "STORE DATA";
    /// DELETE of GlobalPlatform.
    DELETE = 0xE4, "DELETE";
    /// INSTALL of GlobalPlatform.
    INSTALL = 0xE6, "INSTALL";
    /// LOAD of GlobalPlatform.
    LOAD = 0xE8, "LOAD";
    /// SET STATUS of GlobalPlatform.
    SET_STATUS = 0xF0, "SET STATUS";
    /// GET STATUS of GlobalPlatform.
    GET_STATUS = 0xF2, "GET STATUS";
}

impl Instruction {
    /// The standards' name of the instruction, or "command" where the code has none here.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(code, _)| *code == self.0).map_or("command", |(_, name)| name)
    }
}

impl From<u8> for Instruction {
    fn from(ins: u8) -> Self {
        Self(ins)
    }
}

impl fmt::Debug for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instruction({:02X} {})", self.0, self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_moves_to_every_channel_and_back() {
        for class in [Class(0x00), Class(0x80), Class(0x84), Class(0x90), Class(0x94)] {
            for channel in 0..=19 {
                let moved = class.on_channel(channel).unwrap();
                assert_eq!((moved.channel(), moved.is_secure()), (channel, class.is_secure()), "{class:?} {channel}");
                assert_eq!(moved.on_channel(0), Some(class), "{class:?} {channel}");
            }
            assert_eq!(class.on_channel(20), None);
        }
        // GPCS 2.3.1 tables 11-11 and 11-12.
        assert_eq!((Class::GP.on_channel(3), Class::GP.on_channel(4)), (Some(Class(0x83)), Some(Class(0xC0))));
        assert_eq!(Class(0x84).on_channel(19), Some(Class(0xEF)));
        assert_eq!(Class(0x0C).on_channel(2), Some(Class(0x0E)));
    }

    #[test]
    fn classes_of_logical_channels() {
        assert_eq!(Class(0x80).secured(), Class(0x84));
        assert_eq!(Class(0xC1).secured(), Class(0xE1));
        assert_eq!((Class(0x83).channel(), Class(0xC0).channel(), Class(0xCF).channel()), (3, 4, 19));
        assert_eq!(Class(0x87).get_response(), Class(0x03));
        assert_eq!(Class(0xE5).get_response(), Class(0x45));
        assert_eq!(Class(0xA0).get_response(), Class(0xA0));
        assert!(Class(0x84).is_secure() && Class(0xE0).is_secure() && !Class(0x80).is_secure());
    }
}
