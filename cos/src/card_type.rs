//! Card types: which profile a card has, told from its answer to reset, its production data and its versions. The table is data.

use std::string::String;
use std::vec::Vec;

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use crate::profile::line_of;

/// A kind of card and what it is told by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CardType {
    /// What people call it.
    pub name: String,
    /// Name of its profile.
    pub profile: String,
    atr: Option<Pattern>,
    cplc: Option<Pattern>,
    cos: Option<Pattern>,
    application: Option<Pattern>,
}

/// What is known of a card.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// Its answer to reset.
    pub atr: &'a [u8],
    /// Its card production life cycle data (GPCS 2.3.1 H.6, tag 9F7F), without tag and length.
    pub cplc: Option<&'a [u8]>,
    /// Version of its operating system, as it tells it.
    pub cos: Option<&'a [u8]>,
    /// Version of its application: byte 10 of file 0015.
    pub application: Option<u8>,
}

/// Hexadecimal digits, `.` for any digit, `*` at the end for any further bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    digits: Vec<Option<u8>>,
    is_open: bool,
}

/// A text is no table of card types.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CardTypeError {
    /// What is not TOML, or an unknown field.
    #[error("{what}")]
    Toml {
        /// Where and what, in the words of the reader.
        what: String,
    },
    /// A pattern that is none.
    #[error(
        "line {line}: {found:?} is no pattern: pairs of hexadecimal digits, . for any digit, * at the end for anything"
    )]
    Pattern {
        /// Line, from 1.
        line: usize,
        /// What is there.
        found: String,
    },
    /// A kind of card that nothing tells.
    #[error("line {line}: nothing tells {name:?} from other cards: give atr, cplc, cos or application")]
    NoEvidence {
        /// Line, from 1.
        line: usize,
        /// The card.
        name: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    card: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: Spanned<String>,
    profile: String,
    atr: Option<Spanned<String>>,
    cplc: Option<Spanned<String>>,
    cos: Option<Spanned<String>>,
    application: Option<Spanned<String>>,
}

impl CardType {
    /// The table that is built in.
    #[must_use]
    pub fn built_in() -> Vec<Self> {
        Self::read_toml(include_str!("../data/card-types.toml")).unwrap_or_default()
    }

    /// Reads a table from TOML, a table `[[card]]` for each kind of card.
    ///
    /// # Errors
    /// [`CardTypeError`] names the line.
    pub fn read_toml(text: &str) -> Result<Vec<Self>, CardTypeError> {
        let file: File = toml::from_str(text).map_err(|error| CardTypeError::Toml { what: error.to_string() })?;
        let pattern = |raw: &Option<Spanned<String>>| {
            let Some(raw) = raw else { return Ok(None) };
            let wrong = || CardTypeError::Pattern { line: line_of(text, raw), found: raw.get_ref().clone() };
            Pattern::parse(raw.get_ref()).map(Some).ok_or_else(wrong)
        };
        let mut types = Vec::with_capacity(file.card.len());
        for raw in &file.card {
            let card = Self {
                name: raw.name.get_ref().clone(),
                profile: raw.profile.clone(),
                atr: pattern(&raw.atr)?,
                cplc: pattern(&raw.cplc)?,
                cos: pattern(&raw.cos)?,
                application: pattern(&raw.application)?,
            };
            if card.patterns().iter().all(|pattern| pattern.is_none()) {
                return Err(CardTypeError::NoEvidence { line: line_of(text, &raw.name), name: card.name });
            }
            types.push(card);
        }
        Ok(types)
    }

    /// The kinds of card that this one can be, the one that most tells of first.
    #[must_use]
    pub fn identify<'t>(types: &'t [Self], evidence: &Evidence<'_>) -> Vec<&'t Self> {
        let mut found: Vec<_> = types.iter().filter(|card| card.fits(evidence)).collect();
        found.sort_by_key(|card| {
            core::cmp::Reverse(card.patterns().iter().flatten().map(|p| p.weight()).sum::<usize>())
        });
        found
    }

    fn fits(&self, evidence: &Evidence<'_>) -> bool {
        let application = evidence.application.map(|version| [version]);
        let known = [Some(evidence.atr), evidence.cplc, evidence.cos, application.as_ref().map(|version| &version[..])];
        self.patterns().into_iter().zip(known).all(|(pattern, bytes)| match (pattern, bytes) {
            (None, _) => true,
            (Some(pattern), Some(bytes)) => pattern.fits(bytes),
            (Some(_), None) => false,
        })
    }

    fn patterns(&self) -> [Option<&Pattern>; 4] {
        [self.atr.as_ref(), self.cplc.as_ref(), self.cos.as_ref(), self.application.as_ref()]
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let (digits, is_open) = text.strip_suffix('*').map_or((text, false), |digits| (digits, true));
        let digits: Option<Vec<_>> = digits
            .chars()
            .filter(|c| *c != ' ')
            .map(|c| if c == '.' { Some(None) } else { c.to_digit(16).and_then(|d| u8::try_from(d).ok()).map(Some) })
            .collect();
        digits.filter(|digits| digits.len() % 2 == 0 && !digits.is_empty()).map(|digits| Self { digits, is_open })
    }

    fn fits(&self, bytes: &[u8]) -> bool {
        let found: Vec<_> = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]).collect();
        (found.len() == self.digits.len() || (self.is_open && found.len() > self.digits.len()))
            && self.digits.iter().zip(found).all(|(digit, found)| digit.is_none_or(|digit| digit == found))
    }

    fn weight(&self) -> usize {
        self.digits.iter().flatten().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"
        [[card]]
        name = "any FMCOS"
        profile = "fmcos-2.0"
        atr = "3B8B8001209000*"
        [[card]]
        name = "ours"
        profile = "ours"
        atr = "3B8B8001209000 1122............ .."
        [[card]]
        name = "toll card"
        profile = "tianyu-etc-sm4"
        application = "5."
        [[card]]
        name = "by its chip"
        profile = "fmcos-2.0"
        cplc = "4090*"
        cos = "20"
        "#;

    fn names(evidence: &Evidence<'_>) -> Vec<String> {
        let types = CardType::read_toml(TABLE).unwrap();
        CardType::identify(&types, evidence).into_iter().map(|card| card.name.clone()).collect()
    }

    #[test]
    fn the_card_is_what_most_tells_of() {
        let atr = hex::decode("3B8B8001209000112233445566778899").unwrap();
        let evidence = Evidence { atr: &atr, ..Evidence::default() };
        assert_eq!(names(&evidence), ["ours", "any FMCOS"]);
        let other = hex::decode("3B8B80012090001223344556677889AB").unwrap();
        assert_eq!(names(&Evidence { atr: &other, ..evidence }), ["any FMCOS"]);
        assert_eq!(names(&Evidence { application: Some(0x52), ..Evidence::default() }), ["toll card"]);
        assert_eq!(names(&Evidence { application: Some(0x42), ..Evidence::default() }), [""; 0]);
        let cplc = [0x40, 0x90, 0x01];
        assert_eq!(names(&Evidence { cplc: Some(&cplc), ..Evidence::default() }), [""; 0], "half of it is not enough");
        assert_eq!(names(&Evidence { cplc: Some(&cplc), cos: Some(&[0x20]), ..Evidence::default() }), ["by its chip"]);
    }

    #[test]
    fn the_table_that_is_built_in_names_profiles_that_are() {
        let types = CardType::built_in();
        assert!(!types.is_empty());
        for card in &types {
            assert!(crate::profile::CardProfile::built_in(&card.profile).is_some(), "{}", card.name);
        }
        // The answer to select of the contactless interface in the manual, as readers make an ATR of it.
        let atr = hex::decode("3B8B80012090001122334455667788B3").unwrap();
        let found = CardType::identify(&types, &Evidence { atr: &atr, ..Evidence::default() });
        assert_eq!(found[0].profile, "fmcos-2.0");
    }

    #[test]
    fn a_table_that_is_none_is_refused_with_line_and_reason() {
        for (text, said) in [
            ("[[card]]\nname = \"a\"\nprofile = \"b\"\natr = \"3B0\"", "line 4: \"3B0\" is no pattern"),
            ("[[card]]\nname = \"a\"\nprofile = \"b\"\natr = \"3B*8\"", "line 4"),
            ("[[card]]\nname = \"a\"\nprofile = \"b\"", "line 2: nothing tells \"a\""),
            ("[[card]]\nname = \"a\"\nprofile = \"b\"\natrs = \"3B\"", "line 4"),
            ("[[card]]\nname = \"a\"\natr = \"3B\"", "profile"),
        ] {
            let error = CardType::read_toml(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }
}
