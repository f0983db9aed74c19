//! Card profiles: what a kind of card does otherwise than the standard says, as data.
//!
//! The standard's behaviour is the default of every field, so that a profile says only what is different. Profiles in common use are
//! built in ([`CardProfile::BUILT_IN`]); others are read from a TOML file:
//!
//! ```toml
//! [profile.my-card]
//! about = "counts only commands with data, and fails at the longest block"
//! counter = "with-data"
//! max_command_data = 240
//! ```

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use cardwright_apdu::{CommandApdu, Instruction, Ne};

use crate::{ChallengePolicy, Error, Privileges};

#[cfg(feature = "std")]
mod file;

#[cfg(feature = "std")]
pub use file::ProfileError;

/// Which commands the counter of SCP03 counts, from which the ICVs of encryption come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CounterRule {
    /// Every command after EXTERNAL AUTHENTICATE (Amd D 6.2.6).
    #[default]
    Every,
    /// Only commands with data.
    WithData,
}

/// How privileges are coded in INSTALL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PrivilegeWidth {
    /// One byte where the others are empty, else three (GPCS 2.3.1 11.1.2).
    #[default]
    Shortest,
    /// One byte always: privileges that need more are refused before anything is sent.
    One,
    /// Three bytes always.
    Three,
}

/// In which format the registry is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ListingFormat {
    /// TLV (GPCS 2.3.1 table 11-36).
    #[default]
    Tlv,
    /// The format of Open Platform 2.0.1 and GPCS 2.1.1 (P2 = 00).
    Legacy,
}

/// Whether a command with data asks for response data (Le).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LePolicy {
    /// Where the standard's tables have it, behind data too.
    #[default]
    Standard,
    /// Not in LOAD, whose response data says nothing.
    NotInLoad,
    /// Never behind data: over T=0 the response data then comes with GET RESPONSE. Under an R-MAC, which needs an answer with data, it
    /// is there all the same.
    NeverBehindData,
}

impl LePolicy {
    /// The command as this policy has it.
    #[must_use]
    pub fn applied(self, command: CommandApdu) -> CommandApdu {
        let leaves_out = match self {
            Self::Standard => false,
            Self::NotInLoad => command.instruction() == Instruction::LOAD,
            Self::NeverBehindData => true,
        };
        if leaves_out && command.nc() > 0 { command.with_ne(Ne::NONE) } else { command }
    }
}

/// How a listing that does not fit one response goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Paging {
    /// 6310 comes with a page; the next one is asked for with GET STATUS (GPCS 2.3.1 11.4.3).
    #[default]
    Standard,
    /// 6310 comes bare, and the page behind it with GET RESPONSE; not possible under an R-MAC, which a bare 6310 does not carry.
    GetResponse,
    /// 9000 comes with a page that is cut off: its whole entries count, and the part is named as not told.
    CutOff,
}

/// What of a profile a listing follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ListingQuirks {
    /// In which format the registry is asked for.
    pub format: ListingFormat,
    /// How a listing goes on.
    pub paging: Paging,
}

/// What of a profile a secure channel follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ChannelQuirks {
    /// Which commands the counter of SCP03 counts.
    pub counter: CounterRule,
    /// Whether SCP03 pads and enciphers a command's empty data field.
    pub enciphers_empty_data: bool,
    /// Whether keys under an AES Key-DEK come without the length in front of each.
    pub bare_key_components: bool,
    /// Whether commands with data ask for response data.
    pub le: LePolicy,
}

/// What a kind of card does otherwise than the standard says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CardProfile {
    /// Its name, which traces and journals show.
    pub name: String,
    /// For people: which cards it is for, and how that was found out.
    pub about: String,
    /// Which commands the counter of SCP03 counts.
    pub counter: CounterRule,
    /// Whether SCP03 pads and enciphers a command's empty data field.
    pub enciphers_empty_data: bool,
    /// Whether keys under an AES Key-DEK come without the length in front of each (Amd D 7.2 wants it).
    pub bare_key_components: bool,
    /// How privileges are coded.
    pub privileges: PrivilegeWidth,
    /// Whether commands with data ask for response data.
    pub le: LePolicy,
    /// Longest command data field that card and reader take, in bytes; what the FCI says counts too.
    pub max_command_data: Option<usize>,
    /// In which format the registry is asked for.
    pub listing: ListingFormat,
    /// How a listing that does not fit one response goes on.
    pub paging: Paging,
    /// Whether the key diversification data in the answer to INITIALIZE UPDATE tells a card from all others, so that failed
    /// authentications can be counted under it. On most cards it does, on some it is the same for a whole batch.
    pub unique_kdd: bool,
    /// What happens when a card challenge is not the pseudo-random one that `i` promises.
    pub challenge: Option<ChallengePolicy>,
    /// Whether SCP03 works with challenges of 16 bytes, where the card recognition data does not say it.
    pub s16: Option<bool>,
    /// `i` of SCP01, where the card recognition data does not say it.
    pub scp01_i: Option<u8>,
    /// `i` of SCP02, where the card recognition data does not say it.
    pub scp02_i: Option<u8>,
}

impl CardProfile {
    /// Names of the profiles that are built in.
    pub const BUILT_IN: [&str; 5] =
        ["standard", "counts-commands-with-data", "yubikey", "open-platform-2.0.1", "short-blocks"];

    /// The standard's behaviour.
    #[must_use]
    pub fn standard() -> Self {
        Self { name: "standard".into(), ..Self::default() }
    }

    /// A profile that is built in.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        let mut profile = Self { name: name.to_string(), ..Self::default() };
        match name {
            "standard" => {}
            "counts-commands-with-data" => {
                profile.about = "cards whose SCP03 counter passes over commands without data".into();
                profile.counter = CounterRule::WithData;
            }
            "yubikey" => {
                profile.about =
                    "security domain of YubiKeys: empty data is enciphered, keys have no inner length".into();
                profile.enciphers_empty_data = true;
                profile.bare_key_components = true;
            }
            "open-platform-2.0.1" => {
                profile.about =
                    "cards before GlobalPlatform 2.2: SCP01, listings without tags, one byte of privileges".into();
                profile.listing = ListingFormat::Legacy;
                profile.privileges = PrivilegeWidth::One;
                profile.challenge = Some(ChallengePolicy::Ignore);
            }
            "short-blocks" => {
                profile.about = "readers and contactless links that fail at the longest commands".into();
                profile.max_command_data = Some(239);
            }
            _ => return None,
        }
        Some(profile)
    }

    /// What a secure channel to such a card follows.
    #[must_use]
    pub fn channel_quirks(&self) -> ChannelQuirks {
        let Self { counter, enciphers_empty_data, bare_key_components, le, .. } = *self;
        ChannelQuirks { counter, enciphers_empty_data, bare_key_components, le }
    }

    /// What a listing of such a card follows.
    #[must_use]
    pub fn listing_quirks(&self) -> ListingQuirks {
        ListingQuirks { format: self.listing, paging: self.paging }
    }

    /// The longest command data field that counts: the smaller of the profile's and the card's own.
    #[must_use]
    pub fn limit(&self, from_fci: Option<usize>) -> Option<usize> {
        match (self.max_command_data, from_fci) {
            (Some(profile), Some(card)) => Some(profile.min(card)),
            (one, other) => one.or(other),
        }
    }
}

/// The name and what is otherwise than the standard says, in the words of a profile file: for traces and logs.
impl fmt::Display for CardProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standard = Self::default();
        let mut separator = ": ";
        f.write_str(if self.name.is_empty() { "without a name" } else { &self.name })?;
        macro_rules! field {
            ($name:ident, $value:expr) => {
                if self.$name != standard.$name {
                    write!(f, "{separator}{} = {}", stringify!($name), $value)?;
                    separator = ", ";
                }
            };
        }
        let number = |value: Option<usize>| value.unwrap_or_default();
        field!(counter, if self.counter == CounterRule::WithData { "\"with-data\"" } else { "\"every\"" });
        field!(enciphers_empty_data, self.enciphers_empty_data);
        field!(bare_key_components, self.bare_key_components);
        field!(
            privileges,
            match self.privileges {
                PrivilegeWidth::Shortest => "\"shortest\"",
                PrivilegeWidth::One => "\"one\"",
                PrivilegeWidth::Three => "\"three\"",
            }
        );
        field!(
            le,
            match self.le {
                LePolicy::Standard => "\"standard\"",
                LePolicy::NotInLoad => "\"not-in-load\"",
                LePolicy::NeverBehindData => "\"never-behind-data\"",
            }
        );
        field!(max_command_data, number(self.max_command_data));
        field!(listing, if self.listing == ListingFormat::Legacy { "\"legacy\"" } else { "\"tlv\"" });
        field!(
            paging,
            match self.paging {
                Paging::Standard => "\"standard\"",
                Paging::GetResponse => "\"get-response\"",
                Paging::CutOff => "\"cut-off\"",
            }
        );
        field!(unique_kdd, self.unique_kdd);
        field!(
            challenge,
            match self.challenge {
                Some(ChallengePolicy::Require) => "\"require\"",
                Some(ChallengePolicy::Report) => "\"report\"",
                _ => "\"ignore\"",
            }
        );
        field!(s16, self.s16.unwrap_or_default());
        field!(scp01_i, self.scp01_i.unwrap_or_default());
        field!(scp02_i, self.scp02_i.unwrap_or_default());
        let _ = separator;
        Ok(())
    }
}

impl PrivilegeWidth {
    /// Privileges as they are coded in this width. In one byte a card fills up the others with defaults: privileges that are these
    /// defaults, or none, fit ([`Privileges::in_one_byte`]).
    ///
    /// # Errors
    /// [`Error::Unsupported`] when one byte does not hold them.
    pub fn bytes(self, privileges: Privileges) -> Result<Vec<u8>, Error> {
        match self {
            Self::Shortest => Ok(privileges.shortest().to_vec()),
            Self::Three => Ok(privileges.0.to_vec()),
            Self::One if privileges.0[1..] == [0, 0] || privileges.in_one_byte().is_some() => {
                Ok(privileges.0[..1].to_vec())
            }
            Self::One => Err(Error::Unsupported { what: "more than one byte of privileges by this card's profile" }),
        }
    }
}
