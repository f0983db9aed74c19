use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::digits;
use super::field::{FieldError, FieldFault};

const FIELD: &str = "IMSI";

/// IMSI, the number of a subscriber (TS 23.003 2.2): MCC, MNC, MSIN, 15 digits at most. `Display` shows MCC and two digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Imsi(Vec<u8>);

impl Imsi {
    /// Length of the file, in bytes.
    pub const FILE_LENGTH: usize = 9;

    /// Takes 6 to 15 digits. With `networks` (MCC and MNC each), only an IMSI of one of them.
    ///
    /// # Errors
    /// [`FieldError`]: length, characters, another network.
    pub fn new(number: &str, networks: &[String]) -> Result<Self, FieldError> {
        let halves = number
            .chars()
            .enumerate()
            .map(|(offset, c)| digits::decimal(c).ok_or_else(|| FieldError::character(FIELD, "a digit", offset)))
            .collect::<Result<Vec<u8>, _>>()?;
        if !(6..=15).contains(&halves.len()) {
            return Err(FieldError::length(FIELD, "6 to 15 digits", halves.len()));
        }
        if !networks.is_empty() && !networks.iter().any(|network| number.starts_with(network.as_str())) {
            return Err(FieldError { field: FIELD, fault: FieldFault::Prefix { expected: networks.join(" or ") } });
        }
        Ok(Self(halves))
    }

    /// Takes the content of the file; a blank card has none: `Ok(None)`.
    ///
    /// # Errors
    /// [`FieldError`] with the offset that is none of the coding's.
    pub fn parse(file: &[u8]) -> Result<Option<Self>, FieldError> {
        let [length, identity @ ..] = file else { return Err(FieldError::length(FIELD, "9 bytes", 0)) };
        if file.len() != Self::FILE_LENGTH {
            return Err(FieldError::length(FIELD, "9 bytes", file.len()));
        }
        if *length == 0xFF {
            return Ok(None);
        }
        let identity = identity
            .get(..usize::from(*length))
            .filter(|identity| identity.len() >= 4)
            .ok_or(FieldError::coding(FIELD, "a length of 4 to 8", 0))?;
        let mut halves = digits::unfilled(identity)
            .map_err(|offset| FieldError::coding(FIELD, "F only behind the number", 1 + offset))?;
        // Bits 1 to 3: type 1, IMSI; bit 4: an odd number of digits (TS 24.008 10.5.1.4).
        let kind = if halves.is_empty() { 0 } else { halves.remove(0) };
        let parity = if halves.len() % 2 == 1 { 0x09 } else { 0x01 };
        if kind != parity {
            return Err(FieldError::coding(FIELD, "type 1 and the parity of the digits", 1));
        }
        if let Some(letter) = halves.iter().position(|half| *half > 9) {
            return Err(FieldError::coding(FIELD, "digits", 1 + letter.div_ceil(2)));
        }
        if halves.len() < 6 {
            return Err(FieldError::coding(FIELD, "6 to 15 digits", 1));
        }
        Ok(Some(Self(halves)))
    }

    /// The content of the file: length ‖ first digit and parity ‖ the others swapped.
    #[must_use]
    pub fn to_file(&self) -> [u8; Self::FILE_LENGTH] {
        let parity = if self.0.len() % 2 == 1 { 0x09 } else { 0x01 };
        let packed = digits::pack(&[&[parity], &self.0[..]].concat());
        let mut file = [0xFF; Self::FILE_LENGTH];
        file[0] = packed.len() as u8;
        file[1..=packed.len()].copy_from_slice(&packed);
        file
    }

    /// The access control class that follows from it: its last digit (TS 22.011 4.2).
    #[must_use]
    pub fn access_class(&self) -> u8 {
        self.0.last().copied().unwrap_or_default()
    }

    /// The number. Whoever calls this keeps it from logs.
    #[must_use]
    pub fn expose_number(&self) -> String {
        self.0.iter().map(|digit| char::from(b'0' + digit)).collect()
    }
}

impl fmt::Display for Imsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", self.expose_number().get(..5).unwrap_or_default())
    }
}

impl fmt::Debug for Imsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Imsi({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(number: &str) -> String {
        hex::encode_upper(Imsi::new(number, &[]).unwrap().to_file())
    }

    #[test]
    fn the_number_lies_in_the_file_behind_its_parity() {
        assert_eq!(file("228062800000208"), "082982608200002080");
        assert_eq!(file("262011106487504"), "082926101160845740");
        // An even number of digits.
        assert_eq!(file("22806280000020"), "0821826082000020F0");
        assert_eq!(file("228061"), "04218260F1FFFFFFFF");
    }

    #[test]
    fn a_number_of_another_network_or_length_is_refused() {
        let networks = ["46000".into(), "46002".into()];
        assert!(Imsi::new("460021234567890", &networks).is_ok());
        let other = Imsi::new("460011234567890", &networks).unwrap_err();
        assert_eq!(other.fault, FieldFault::Prefix { expected: "46000 or 46002".into() });
        for wrong in ["12345", "1234567890123456", "2280628000002O8", ""] {
            assert!(Imsi::new(wrong, &[]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_damaged_file_is_refused() {
        assert_eq!(Imsi::parse(&[0xFF; 9]), Ok(None));
        for wrong in [
            "092982608200002080",
            "032982608200002080",
            "082182608200002080",
            "0829826082000020A0",
            "08298260F200002080",
            "0829826082000020",
            "",
        ] {
            assert!(Imsi::parse(&hex::decode(wrong).unwrap()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_subscriber_is_never_printed() {
        let imsi = Imsi::new("228062800000208", &[]).unwrap();
        assert_eq!(alloc::format!("{imsi} {imsi:?}"), "22806.. Imsi(22806..)");
        assert_eq!(imsi.access_class(), 8);
    }

    proptest! {
        #[test]
        fn what_is_coded_is_read_back(number in "[0-9]{6,15}") {
            let imsi = Imsi::new(&number, &[]).unwrap();
            prop_assert_eq!(imsi.expose_number(), number);
            prop_assert_eq!(Imsi::parse(&imsi.to_file()), Ok(Some(imsi)));
        }

        #[test]
        fn reading_is_total(file in prop::collection::vec(any::<u8>(), 0..12), length in 0u8..10) {
            let _ = Imsi::parse(&file);
            if let [first, ..] = &mut file.clone()[..] {
                *first = length;
            }
            let mut nine = [length; 9];
            nine[1..].iter_mut().zip(&file).for_each(|(to, from)| *to = *from);
            if let Ok(Some(imsi)) = Imsi::parse(&nine) {
                prop_assert_eq!(&imsi.to_file()[..=usize::from(length)], &nine[..=usize::from(length)]);
            }
        }
    }
}
