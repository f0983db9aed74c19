use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::digits;
use super::field::FieldError;
use super::text;

/// Type of number and numbering plan in front of a number (TS 24.008 10.5.4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TonNpi(pub u8);

impl TonNpi {
    /// Type unknown, ISDN plan.
    pub const UNKNOWN: Self = Self(0x81);
    /// International, ISDN plan.
    pub const INTERNATIONAL: Self = Self(0x91);
    /// National, ISDN plan.
    pub const NATIONAL: Self = Self(0xA1);
    /// Network specific, ISDN plan.
    pub const NETWORK: Self = Self(0xB1);

    /// One of the four that occur.
    #[must_use]
    pub fn new(byte: u8) -> Option<Self> {
        matches!(byte, 0x81 | 0x91 | 0xA1 | 0xB1).then_some(Self(byte))
    }
}

/// A subscriber's or a service centre's number. `Display` shows its last two digits only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DialNumber {
    ton_npi: TonNpi,
    digits: Vec<u8>,
}

impl DialNumber {
    /// Takes digits, which `+` makes international (E.164: 15 digits at most); without it the number is of the type that the numbering
    /// plan says.
    ///
    /// # Errors
    /// [`FieldError`]: length, characters; `+` in a plan that has other types only.
    pub fn new(field: &'static str, number: &str, national: TonNpi) -> Result<Self, FieldError> {
        let (ton_npi, rest, first) = match number.strip_prefix('+') {
            Some(rest) => (TonNpi::INTERNATIONAL, rest, 1),
            None => (national, number, 0),
        };
        let digits = rest
            .chars()
            .enumerate()
            .map(|(n, c)| digits::decimal(c).ok_or_else(|| FieldError::character(field, "a digit", first + n)))
            .collect::<Result<Vec<u8>, _>>()?;
        let (range, expected) = match ton_npi {
            TonNpi::INTERNATIONAL => (7..=15, "7 to 15 digits"),
            _ => (3..=20, "3 to 20 digits"),
        };
        if !range.contains(&digits.len()) {
            return Err(FieldError::length(field, expected, digits.len()));
        }
        if ton_npi == TonNpi::INTERNATIONAL && digits[0] == 0 {
            return Err(FieldError::character(field, "a country code, which does not begin with 0", first));
        }
        Ok(Self { ton_npi, digits })
    }

    /// `length ‖ TON/NPI ‖ digits`, in 12 bytes; the length counts the bytes behind it that are in use.
    fn to_bytes(&self) -> [u8; 12] {
        let packed = digits::pack(&self.digits);
        let mut bytes = [0xFF; 12];
        bytes[0] = 1 + packed.len() as u8;
        bytes[1] = self.ton_npi.0;
        bytes[2..2 + packed.len()].copy_from_slice(&packed);
        bytes
    }

    /// The number as it is dialled. Whoever calls this keeps it from logs.
    #[must_use]
    pub fn expose_number(&self) -> String {
        let plus = if self.ton_npi == TonNpi::INTERNATIONAL { "+" } else { "" };
        plus.chars().chain(self.digits.iter().map(|digit| char::from(b'0' + digit))).collect()
    }
}

impl fmt::Display for DialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")?;
        let shown = self.digits.len().saturating_sub(2).max(1);
        self.digits.iter().skip(shown).try_for_each(|digit| write!(f, "{digit}"))
    }
}

impl fmt::Debug for DialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DialNumber({self})")
    }
}

/// A record of EF MSISDN (TS 31.102 4.2.26): name, number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Msisdn {
    /// The subscriber's number.
    pub number: DialNumber,
    /// What the phone calls it; may be empty.
    pub name: String,
}

impl Msisdn {
    /// Takes a number without a name; see [`DialNumber::new`].
    ///
    /// # Errors
    /// As [`DialNumber::new`].
    pub fn new(number: &str, national: TonNpi) -> Result<Self, FieldError> {
        Ok(Self { number: DialNumber::new("MSISDN", number, national)?, name: String::new() })
    }

    /// `alpha ‖ length ‖ TON/NPI ‖ digits ‖ CCP ‖ extension`, in a record of this length.
    ///
    /// # Errors
    /// [`FieldError`] when the record has fewer than 14 bytes or the name does not fit.
    pub fn to_record(&self, length: usize) -> Result<Vec<u8>, FieldError> {
        let alpha = length
            .checked_sub(14)
            .ok_or_else(|| FieldError::length("MSISDN", "a record of 14 bytes or more", length))?;
        let mut record = text::encode("MSISDN name", &self.name, alpha)?;
        record.extend_from_slice(&self.number.to_bytes());
        record.extend_from_slice(&[0xFF, 0xFF]);
        Ok(record)
    }
}

/// A record of EF SMSP (TS 31.102 4.2.27) that says where short messages are handed in, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SmsParameters {
    /// TS-SCA, the service centre.
    pub service_center: DialNumber,
    /// TP-PID.
    pub protocol_identifier: u8,
    /// TP-DCS.
    pub data_coding: u8,
    /// TP-VP.
    pub validity: u8,
}

impl SmsParameters {
    /// A service centre, with protocol 00, coding 00 and three days of validity (A9).
    ///
    /// # Errors
    /// As [`DialNumber::new`].
    pub fn new(service_center: &str, national: TonNpi) -> Result<Self, FieldError> {
        let service_center = DialNumber::new("SMSP", service_center, national)?;
        Ok(Self { service_center, protocol_identifier: 0, data_coding: 0, validity: 0xA9 })
    }

    /// `alpha ‖ E1 ‖ TP-DA (none) ‖ TS-SCA ‖ PID ‖ DCS ‖ VP`, in a record of this length.
    ///
    /// # Errors
    /// [`FieldError`] when the record has fewer than 28 bytes.
    pub fn to_record(&self, length: usize) -> Result<Vec<u8>, FieldError> {
        let alpha =
            length.checked_sub(28).ok_or_else(|| FieldError::length("SMSP", "a record of 28 bytes or more", length))?;
        let mut record = alloc::vec![0xFF; alpha];
        // Bits 1 to 5 at 0: what is there of TP-DA, TS-SCA, PID, DCS, VP. Only the first is not.
        record.push(0xE1);
        record.extend_from_slice(&[0xFF; 12]);
        record.extend_from_slice(&self.service_center.to_bytes());
        record.extend_from_slice(&[self.protocol_identifier, self.data_coding, self.validity]);
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(number: &str, national: TonNpi, length: usize) -> String {
        hex::encode_upper(Msisdn::new(number, national).unwrap().to_record(length).unwrap())
    }

    #[test]
    fn a_number_lies_behind_its_length_and_type() {
        let blank = "FF".repeat(20);
        assert_eq!(record("12345", TonNpi::NETWORK, 34), blank.clone() + "04B12143F5FFFFFFFFFFFFFFFFFF");
        assert_eq!(record("123456789", TonNpi::NETWORK, 34), blank + "06B121436587F9FFFFFFFFFFFFFF");
        assert_eq!(record("+4917279119183", TonNpi::UNKNOWN, 14), "0891947172199181F3FFFFFFFFFF");
    }

    #[test]
    fn the_service_center_has_its_indicator() {
        let smsp = SmsParameters::new("+4915790109999", TonNpi::UNKNOWN).unwrap();
        let expected = "FFFFE1".to_owned() + &"FF".repeat(12) + "0891945197109099F9FFFFFF0000A9";
        assert_eq!(hex::encode_upper(smsp.to_record(30).unwrap()), expected);
        assert_eq!(smsp.to_record(27).unwrap_err().field, "SMSP");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for wrong in ["", "12", "+123456", "+1234567890123456", "+0123456789", "12a45", "++123456789", "1 234"] {
            assert!(Msisdn::new(wrong, TonNpi::NATIONAL).is_err(), "{wrong}");
        }
        assert!(Msisdn::new("+4917279119183", TonNpi::UNKNOWN).unwrap().to_record(13).is_err());
        let mut named = Msisdn::new("12345", TonNpi::NATIONAL).unwrap();
        named.name = "mine".into();
        assert!(named.to_record(17).is_err());
        assert_eq!(hex::encode_upper(&named.to_record(19).unwrap()[..5]), "6D696E65FF");
    }

    #[test]
    fn the_subscriber_is_never_printed() {
        let msisdn = Msisdn::new("+4917279119183", TonNpi::UNKNOWN).unwrap();
        assert!(!alloc::format!("{msisdn:?}").contains("9191"));
        assert_eq!(alloc::format!("{}", msisdn.number), "..83");
        assert_eq!(msisdn.number.expose_number(), "+4917279119183");
    }

    proptest! {
        #[test]
        fn every_number_fits_its_record(number in "\\+?[0-9]{0,22}", length in 0usize..60) {
            if let Ok(msisdn) = Msisdn::new(&number, TonNpi::NATIONAL) {
                prop_assert_eq!(msisdn.number.expose_number(), number);
                if let Ok(record) = msisdn.to_record(length) {
                    prop_assert_eq!(record.len(), length);
                }
            }
        }
    }
}
