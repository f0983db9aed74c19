use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::digits;
use super::field::{FieldError, FieldFault};

const FIELD: &str = "ICCID";

/// Which ICCIDs there are: a numbering plan, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IccidPlan {
    /// What every number begins with.
    pub prefix: String,
    /// Lengths that occur, in characters, the check digit counted.
    pub lengths: Vec<usize>,
    /// Letters that occur beside the digits, of A to F.
    pub letters: String,
    /// Whether the last digit is a Luhn check digit.
    pub check_digit: bool,
}

impl IccidPlan {
    /// ITU-T E.118: 89, digits only, 19 of them at most, the last a check digit.
    #[must_use]
    pub fn e118() -> Self {
        Self { prefix: "89".into(), lengths: [18, 19].into(), letters: String::new(), check_digit: true }
    }

    /// China: 8986, 20 characters; operators put letters between the digits, and the last is no check digit.
    #[must_use]
    pub fn china() -> Self {
        Self { prefix: "8986".into(), lengths: [20].into(), letters: "ABCDEF".into(), check_digit: false }
    }

    fn expected_length(&self) -> String {
        let mut words = String::new();
        for (n, length) in self.lengths.iter().enumerate() {
            words += match n {
                0 => "",
                n if n + 1 == self.lengths.len() => " or ",
                _ => ", ",
            };
            words += &alloc::format!("{length}");
        }
        words + " characters"
    }
}

/// ICCID, the number of a card (ITU-T E.118; TS 102 221 13.2). `Display` shows its ends only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Iccid(Vec<u8>);

impl Iccid {
    /// Length of the file, in bytes.
    pub const FILE_LENGTH: usize = 10;

    /// Takes a number of this plan.
    ///
    /// # Errors
    /// [`FieldError`]: length, characters, prefix, check digit.
    pub fn new(number: &str, plan: &IccidPlan) -> Result<Self, FieldError> {
        let halves = number
            .chars()
            .enumerate()
            .map(|(offset, character)| {
                let letter = plan.letters.contains(character).then(|| character.to_digit(16)).flatten();
                let half = digits::decimal(character).or(letter.map(|half| half as u8));
                let expected = if plan.letters.is_empty() { "a digit" } else { "a digit or one of the plan's letters" };
                half.ok_or_else(|| FieldError::character(FIELD, expected, offset))
            })
            .collect::<Result<Vec<u8>, _>>()?;
        if !plan.lengths.contains(&halves.len()) || halves.len() > 2 * Self::FILE_LENGTH {
            return Err(FieldError::length(FIELD, plan.expected_length(), halves.len()));
        }
        if !number.starts_with(&plan.prefix) {
            return Err(FieldError { field: FIELD, fault: FieldFault::Prefix { expected: plan.prefix.clone() } });
        }
        if plan.check_digit && luhn(&halves) != 0 {
            return Err(FieldError { field: FIELD, fault: FieldFault::CheckDigit });
        }
        if halves.len() < 2 * Self::FILE_LENGTH && halves.last() == Some(&0x0F) {
            // The file could not be told from one of a shorter number.
            return Err(FieldError::character(FIELD, "another character than F", halves.len() - 1));
        }
        Ok(Self(halves))
    }

    /// Takes the content of the file, of whatever plan. A blank card has none: `Ok(None)`.
    ///
    /// # Errors
    /// [`FieldError`]: not 10 bytes, or filling before the end.
    pub fn parse(file: &[u8]) -> Result<Option<Self>, FieldError> {
        if file.len() != Self::FILE_LENGTH {
            return Err(FieldError::length(FIELD, "10 bytes", file.len()));
        }
        if file.iter().all(|byte| *byte == 0xFF) || file.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        match digits::unfilled(file) {
            Ok(halves) => Ok(Some(Self(halves))),
            // Letters of some operators include F.
            Err(_) if digits::unpack(file).last() != Some(0x0F) => Ok(Some(Self(digits::unpack(file).collect()))),
            Err(offset) => Err(FieldError::coding(FIELD, "F only behind the number", offset)),
        }
    }

    /// The content of the file.
    #[must_use]
    pub fn to_file(&self) -> [u8; Self::FILE_LENGTH] {
        let packed = digits::pack(&self.0);
        core::array::from_fn(|i| packed.get(i).copied().unwrap_or(0xFF))
    }

    /// The number. Whoever calls this keeps it from logs.
    #[must_use]
    pub fn expose_number(&self) -> String {
        self.0.iter().filter_map(|half| char::from_digit((*half).into(), 16)).collect::<String>().to_uppercase()
    }
}

impl fmt::Display for Iccid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.expose_number();
        let (front, back) = (number.get(..6).unwrap_or_default(), number.get(number.len().max(10) - 4..));
        write!(f, "{front}..{}", back.unwrap_or_default())
    }
}

impl fmt::Debug for Iccid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Iccid({self})")
    }
}

/// Sum by the rule of Luhn, modulo 10: 0 when the last digit is right.
fn luhn(digits: &[u8]) -> u32 {
    let weighted = digits.iter().rev().enumerate().map(|(n, digit)| {
        let value = u32::from(*digit) * if n % 2 == 0 { 1 } else { 2 };
        value / 10 + value % 10
    });
    weighted.sum::<u32>() % 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn fault(number: &str, plan: &IccidPlan) -> FieldFault {
        Iccid::new(number, plan).unwrap_err().fault
    }

    #[test]
    fn the_number_lies_in_the_file_with_its_digits_swapped() {
        let iccid = Iccid::new("8988211000001090318", &IccidPlan::e118()).unwrap();
        assert_eq!(hex::encode_upper(iccid.to_file()), "988812010000010913F8");
        assert_eq!(Iccid::parse(&iccid.to_file()).unwrap(), Some(iccid));
    }

    #[test]
    fn a_number_outside_its_plan_is_refused_with_the_reason() {
        let e118 = IccidPlan::e118();
        assert_eq!(fault("8988211000001090317", &e118), FieldFault::CheckDigit);
        assert_eq!(fault("8988211000001093018", &e118), FieldFault::CheckDigit, "two digits exchanged");
        assert_eq!(fault("1988211000001090318", &e118), FieldFault::Prefix { expected: "89".into() });
        assert_eq!(fault("89882110000010A0318", &e118), FieldFault::Character { offset: 14, expected: "a digit" });
        assert_eq!(
            fault("89882110000010903180", &e118),
            FieldFault::Length { expected: "18 or 19 characters".into(), actual: 20 }
        );
        let china = IccidPlan::china();
        assert_eq!(
            fault("8986011234567890123", &china),
            FieldFault::Length { expected: "20 characters".into(), actual: 19 }
        );
        assert_eq!(fault("89850112345678901234", &china), FieldFault::Prefix { expected: "8986".into() });
        let none = Iccid::new("8986G112345678901234", &china).unwrap_err();
        assert_eq!(none.to_string(), "ICCID: a digit or one of the plan's letters wanted at offset 4");
    }

    #[test]
    fn numbers_of_chinese_operators_may_have_letters_and_no_check_digit() {
        let iccid = Iccid::new("898600A1234567890123", &IccidPlan::china()).unwrap();
        assert_eq!(hex::encode_upper(iccid.to_file()), "9868001A325476980921"[..].replace("0921", "1032"));
        assert_eq!(iccid.expose_number(), "898600A1234567890123");
        assert_eq!(Iccid::parse(&iccid.to_file()).unwrap(), Some(iccid));
    }

    #[test]
    fn a_blank_card_has_no_number() {
        assert_eq!(Iccid::parse(&[0xFF; 10]), Ok(None));
        assert!(Iccid::parse(&[0x98, 0xF8, 0x12, 1, 1, 1, 1, 1, 1, 0xF1]).is_err());
    }

    #[test]
    fn the_middle_is_never_printed() {
        let iccid = Iccid::new("8988211000001090318", &IccidPlan::e118()).unwrap();
        assert_eq!(alloc::format!("{iccid:?}"), "Iccid(898821..0318)");
    }

    proptest! {
        #[test]
        fn reading_and_taking_are_total(
            file in prop::collection::vec(any::<u8>(), 0..12), number in "[0-9A-Fé]{0,22}",
        ) {
            if let Ok(Some(iccid)) = Iccid::parse(&file) {
                prop_assert_eq!(&iccid.to_file()[..], &file[..]);
                let _ = iccid.to_string();
            }
            for plan in [IccidPlan::e118(), IccidPlan::china()] {
                if let Ok(iccid) = Iccid::new(&number, &plan) {
                    prop_assert_eq!(iccid.expose_number(), number.clone());
                }
            }
        }
    }
}
