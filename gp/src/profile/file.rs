use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use super::{CardProfile, CounterRule, LePolicy, ListingFormat, Paging, PrivilegeWidth};
use crate::ChallengePolicy;

/// A text is no file of card profiles.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// What is not TOML, an unknown field, or a value that a field does not take.
    #[error("{what}")]
    Toml {
        /// Where and what, in the words of the reader.
        what: String,
    },
    /// A profile of this name is built in.
    #[error("profile {name:?} is built in: give yours another name")]
    BuiltIn {
        /// The name.
        name: String,
    },
    /// A number that makes no sense.
    #[error("profile {name:?}: {field} is {actual}, {expected}")]
    Value {
        /// The profile.
        name: String,
        /// The field.
        field: &'static str,
        /// What is there.
        actual: u64,
        /// What would do.
        expected: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    profile: BTreeMap<String, Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Counter {
    Every,
    WithData,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Width {
    Shortest,
    One,
    Three,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Listing {
    Tlv,
    Legacy,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Le {
    Standard,
    NotInLoad,
    NeverBehindData,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Pages {
    Standard,
    GetResponse,
    CutOff,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Challenge {
    Ignore,
    Report,
    Require,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    /// A built-in profile that this one begins with.
    like: Option<String>,
    about: Option<String>,
    counter: Option<Counter>,
    enciphers_empty_data: Option<bool>,
    bare_key_components: Option<bool>,
    privileges: Option<Width>,
    le: Option<Le>,
    max_command_data: Option<u64>,
    listing: Option<Listing>,
    paging: Option<Pages>,
    unique_kdd: Option<bool>,
    challenge: Option<Challenge>,
    s16: Option<bool>,
    scp01_i: Option<u8>,
    scp02_i: Option<u8>,
}

impl CardProfile {
    /// Reads profiles from TOML: a table `[profile.NAME]` each, whose fields are those of [`CardProfile`] and `like`, the built-in profile
    /// that it begins with.
    ///
    /// # Errors
    /// [`ProfileError`] names the line, or the profile and its field.
    pub fn read_toml(text: &str) -> Result<Vec<Self>, ProfileError> {
        let file: File = toml::from_str(text).map_err(|error| ProfileError::Toml { what: error.to_string() })?;
        file.profile.into_iter().map(|(name, raw)| of(name, raw)).collect()
    }
}

fn of(name: String, raw: Raw) -> Result<CardProfile, ProfileError> {
    if CardProfile::built_in(&name).is_some() {
        return Err(ProfileError::BuiltIn { name });
    }
    let mut profile = match &raw.like {
        None => CardProfile::standard(),
        Some(like) => CardProfile::built_in(like).ok_or_else(|| ProfileError::Toml {
            what: format!(
                "profile {name:?}: there is no built-in profile {like:?}; there are {}",
                CardProfile::BUILT_IN.join(", ")
            ),
        })?,
    };
    // Room for a protected command with one block of data; 65535 is the longest of all.
    if let Some(actual) = raw.max_command_data {
        let limit = usize::try_from(actual).ok().filter(|limit| (40..=65535).contains(limit));
        profile.max_command_data = Some(limit.ok_or_else(|| ProfileError::Value {
            name: name.clone(),
            field: "max_command_data",
            actual,
            expected: "40 to 65535 will do",
        })?);
    }
    profile.about = raw.about.unwrap_or(profile.about);
    profile.counter = raw.counter.map_or(profile.counter, |counter| match counter {
        Counter::Every => CounterRule::Every,
        Counter::WithData => CounterRule::WithData,
    });
    profile.enciphers_empty_data = raw.enciphers_empty_data.unwrap_or(profile.enciphers_empty_data);
    profile.bare_key_components = raw.bare_key_components.unwrap_or(profile.bare_key_components);
    profile.privileges = raw.privileges.map_or(profile.privileges, |width| match width {
        Width::Shortest => PrivilegeWidth::Shortest,
        Width::One => PrivilegeWidth::One,
        Width::Three => PrivilegeWidth::Three,
    });
    profile.listing = raw.listing.map_or(profile.listing, |listing| match listing {
        Listing::Tlv => ListingFormat::Tlv,
        Listing::Legacy => ListingFormat::Legacy,
    });
    profile.le = raw.le.map_or(profile.le, |le| match le {
        Le::Standard => LePolicy::Standard,
        Le::NotInLoad => LePolicy::NotInLoad,
        Le::NeverBehindData => LePolicy::NeverBehindData,
    });
    profile.paging = raw.paging.map_or(profile.paging, |paging| match paging {
        Pages::Standard => Paging::Standard,
        Pages::GetResponse => Paging::GetResponse,
        Pages::CutOff => Paging::CutOff,
    });
    profile.unique_kdd = raw.unique_kdd.unwrap_or(profile.unique_kdd);
    profile.challenge = raw.challenge.map_or(profile.challenge, |challenge| {
        Some(match challenge {
            Challenge::Ignore => ChallengePolicy::Ignore,
            Challenge::Report => ChallengePolicy::Report,
            Challenge::Require => ChallengePolicy::Require,
        })
    });
    profile.s16 = raw.s16.or(profile.s16);
    profile.scp01_i = raw.scp01_i.or(profile.scp01_i);
    profile.scp02_i = raw.scp02_i.or(profile.scp02_i);
    profile.name = name;
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_says_only_what_is_different() {
        let text = r#"
            [profile.mine]
            about = "a card of ours"
            like = "yubikey"
            counter = "with-data"
            max_command_data = 240
            challenge = "report"
            unique_kdd = true
            s16 = true
            scp02_i = 0x35
            [profile.other]
            like = "open-platform-2.0.1"
            le = "not-in-load"
            paging = "get-response"
            "#;
        let profiles = CardProfile::read_toml(text).unwrap();
        let mine = &profiles[0];
        assert_eq!((mine.name.as_str(), mine.about.as_str()), ("mine", "a card of ours"));
        assert!(mine.enciphers_empty_data && mine.bare_key_components && mine.s16 == Some(true) && mine.unique_kdd);
        assert_eq!((mine.counter, mine.max_command_data), (CounterRule::WithData, Some(240)));
        assert_eq!((mine.challenge, mine.scp02_i), (Some(ChallengePolicy::Report), Some(0x35)));
        assert_eq!((mine.limit(Some(255)), mine.limit(Some(128)), mine.limit(None)), (Some(240), Some(128), Some(240)));
        let other = &profiles[1];
        assert_eq!((other.le, other.paging), (LePolicy::NotInLoad, Paging::GetResponse));
        assert_eq!((other.listing, other.privileges), (ListingFormat::Legacy, PrivilegeWidth::One));
        // What a trace shows of a profile is a profile again.
        for profile in &profiles {
            let shown = profile.to_string();
            let fields = shown.split_once(": ").map_or("", |(_, fields)| fields).replace(", ", "\n");
            let name = &profile.name;
            let again = CardProfile::read_toml(&format!("[profile.{name}]\n{fields}")).unwrap();
            assert_eq!(again[0], CardProfile { about: String::new(), ..profile.clone() }, "{shown}");
        }
        assert_eq!(CardProfile::standard().to_string(), "standard");
    }

    #[test]
    fn a_file_that_is_none_is_refused_with_the_place() {
        for (text, said) in [
            ("[profile.a]\ncounter = \"sometimes\"", "line 2"),
            ("[profile.a]\ncouter = \"every\"", "couter"),
            ("[profiles.a]", "profiles"),
            ("[profile.a]\nmax_command_data = 20", "max_command_data is 20, 40 to 65535"),
            ("[profile.a]\nmax_command_data = -1", "line 2"),
            ("[profile.yubikey]", "is built in"),
            ("[profile.a]\nlike = \"b\"", "there is no built-in profile \"b\"; there are standard"),
            ("[profile.a", "line 1"),
        ] {
            let error = CardProfile::read_toml(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
        assert_eq!(CardProfile::read_toml("").unwrap(), []);
        for name in CardProfile::BUILT_IN {
            assert_eq!(CardProfile::built_in(name).unwrap().name, name);
        }
    }
}
