//! Networks, as cards list them, and what a card of a new subscriber says of the last one it was in.

use alloc::vec::Vec;
use core::fmt;

use super::digits;
use super::field::FieldError;

/// A public land mobile network: MCC and MNC (TS 24.008 10.5.1.13).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Plmn {
    mcc: [u8; 3],
    mnc: [u8; 3],
}

impl Plmn {
    /// Takes MCC and MNC as `228-06` or `334/020`.
    ///
    /// # Errors
    /// [`FieldError`]: three digits, a hyphen or slash, two or three digits.
    pub fn new(text: &str) -> Result<Self, FieldError> {
        let wrong = |offset| FieldError::character("PLMN", "three digits, - or /, two or three digits", offset);
        let mut halves = [0x0F; 7];
        let length = text.chars().count();
        if !matches!(length, 6 | 7) {
            return Err(wrong(length.min(7)));
        }
        for (n, character) in text.chars().enumerate() {
            match (n, character) {
                (3, '-' | '/') => {}
                (3, _) => return Err(wrong(3)),
                _ => halves[n] = digits::decimal(character).ok_or_else(|| wrong(n))?,
            }
        }
        let [a, b, c, _, x, y, z] = halves;
        Ok(Self { mcc: [a, b, c], mnc: [x, y, z] })
    }

    /// The three bytes: `MCC2 MCC1 | MNC3 MCC3 | MNC2 MNC1`.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 3] {
        let Self { mcc: [a, b, c], mnc: [x, y, z] } = self;
        [b << 4 | a, z << 4 | c, y << 4 | x]
    }

    /// Takes the three bytes; `None` where they say "no network", or hold no digits.
    #[must_use]
    pub fn parse(bytes: [u8; 3]) -> Option<Self> {
        let [a, b, c, z, x, y] = halves(bytes);
        let is_digit = |half: u8| half < 10;
        ([a, b, c, x, y].into_iter().all(is_digit) && (is_digit(z) || z == 0x0F))
            .then_some(Self { mcc: [a, b, c], mnc: [x, y, z] })
    }

    /// Length of the MNC, in digits.
    #[must_use]
    pub fn mnc_length(self) -> MncLength {
        if self.mnc[2] == 0x0F { MncLength::Two } else { MncLength::Three }
    }
}

/// The half-bytes, the low one of each first.
fn halves([a, b, c]: [u8; 3]) -> [u8; 6] {
    [a & 0x0F, a >> 4, b & 0x0F, b >> 4, c & 0x0F, c >> 4]
}

impl fmt::Debug for Plmn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.mcc;
        write!(f, "{a}{b}{c}-")?;
        self.mnc.iter().filter(|digit| **digit < 10).try_for_each(|digit| write!(f, "{digit}"))
    }
}

/// How many digits the MNC of an IMSI has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MncLength {
    /// Two.
    Two = 2,
    /// Three.
    Three = 3,
}

/// Access technologies (TS 31.102 4.2.5), as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AccessTechnologies(pub u16);

impl AccessTechnologies {
    /// GSM.
    pub const GSM: Self = Self(0x0080);
    /// UTRAN.
    pub const UTRAN: Self = Self(0x8000);
    /// E-UTRAN.
    pub const E_UTRAN: Self = Self(0x4000);
    /// NG-RAN.
    pub const NG_RAN: Self = Self(0x0800);

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// EF PLMNwAcT, OPLMNwAcT or HPLMNwAcT (TS 31.102 4.2.5, 4.2.53, 4.2.54): networks in order of preference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PlmnList(pub Vec<(Plmn, AccessTechnologies)>);

impl PlmnList {
    /// `(PLMN ‖ access technologies) *` in a file of this length; what is left over says "none". Bytes at the end that are no whole
    /// entry are left as they are.
    ///
    /// # Errors
    /// [`FieldError`] when the file is too short.
    pub fn to_file(&self, length: usize) -> Result<Vec<u8>, FieldError> {
        let length = length / 5 * 5;
        let mut file = Vec::with_capacity(length);
        for (plmn, technologies) in &self.0 {
            file.extend_from_slice(&plmn.to_bytes());
            file.extend_from_slice(&technologies.0.to_be_bytes());
        }
        if file.len() > length {
            return Err(FieldError::length(
                "PLMN list",
                alloc::format!("at most {} networks", length / 5),
                self.0.len(),
            ));
        }
        while file.len() < length {
            file.extend_from_slice(&[0xFF, 0xFF, 0xFF, 0, 0]);
        }
        Ok(file)
    }
}

/// EF ACC (TS 31.102 4.2.15): the access control classes that the subscriber has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AccessClasses(u16);

impl AccessClasses {
    /// Takes classes: 0 to 9 for subscribers, 11 to 15 for services. Class 10, emergency calls, is no card's.
    ///
    /// # Errors
    /// [`FieldError`] for any other.
    pub fn new(classes: &[u8]) -> Result<Self, FieldError> {
        let mut bits = 0;
        for class in classes {
            match class {
                0..=9 | 11..=15 => bits |= 1 << class,
                _ => return Err(FieldError::range("ACC", "a class of 0 to 9 or 11 to 15", (*class).into())),
            }
        }
        Ok(Self(bits))
    }

    /// The content of the file.
    #[must_use]
    pub fn to_file(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }
}

/// EF AD, administrative data (TS 31.102 4.2.18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdministrativeData {
    /// Mode of operation: 00 normal, 80 type approval, and others.
    pub mode: u8,
    /// Additional information.
    pub information: [u8; 2],
    /// Length of the MNC in the IMSI; `None` in files of 3 bytes, as old cards have.
    pub mnc_length: Option<MncLength>,
}

impl AdministrativeData {
    /// Normal operation.
    #[must_use]
    pub fn normal(mnc_length: MncLength) -> Self {
        Self { mode: 0, information: [0, 0], mnc_length: Some(mnc_length) }
    }

    /// The content of the file, 3 or 4 bytes.
    #[must_use]
    pub fn to_file(self) -> Vec<u8> {
        let mut file = [self.mode, self.information[0], self.information[1]].to_vec();
        file.extend(self.mnc_length.map(|length| length as u8));
        file
    }

    /// Takes the content of the file; what follows the fourth byte is of later editions.
    ///
    /// # Errors
    /// [`FieldError`] for fewer than 3 bytes, or a length that no MNC has.
    pub fn parse(file: &[u8]) -> Result<Self, FieldError> {
        let [mode, a, b, rest @ ..] = file else {
            return Err(FieldError::length("AD", "3 bytes or more", file.len()));
        };
        // Only the low half counts.
        let mnc_length = match rest.first().map(|byte| byte & 0x0F) {
            None => None,
            Some(2) => Some(MncLength::Two),
            Some(3) => Some(MncLength::Three),
            Some(_) => return Err(FieldError::coding("AD", "2 or 3, the length of the MNC,", 3)),
        };
        Ok(Self { mode: *mode, information: [*a, *b], mnc_length })
    }
}

/// Files that say where a card was last and with which keys: written back to what a new card has, or a subscriber would begin with
/// another's location and keys (TS 31.102 annex E, TS 51.011 annex D).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LocationFile {
    /// EF LOCI.
    Loci,
    /// EF PSLOCI of a USIM, EF LOCIGPRS of a SIM.
    PsLoci,
    /// EF EPSLOCI.
    EpsLoci,
    /// EF Keys and EF KeysPS of a USIM.
    Keys,
    /// EF Kc and EF KcGPRS of a SIM.
    Kc,
    /// EF FPLMN, forbidden networks.
    ForbiddenPlmns,
}

impl LocationFile {
    /// The content of a new card, in a file of this length, for a home network.
    ///
    /// # Errors
    /// [`FieldError`] when the file is shorter than the standard says. What a card has more stays as it is.
    pub fn initial(self, home: Plmn, length: usize) -> Result<Vec<u8>, FieldError> {
        let plmn = home.to_bytes();
        let none = |count| alloc::vec![0xFF; count];
        let (field, content) = match self {
            // TMSI ‖ LAI ‖ RFU ‖ not updated
            Self::Loci => ("LOCI", [&none(4)[..], &plmn, &[0, 0, 0xFF, 1]].concat()),
            // P-TMSI ‖ its signature ‖ RAI ‖ not updated
            Self::PsLoci => ("PSLOCI", [&none(7)[..], &plmn, &[0, 0, 0xFF, 1]].concat()),
            // GUTI ‖ TAI ‖ not updated
            Self::EpsLoci => ("EPSLOCI", [&none(12)[..], &plmn, &[0, 0, 1]].concat()),
            // KSI none ‖ CK ‖ IK
            Self::Keys => ("Keys", [&[7][..], &none(32)].concat()),
            // Kc ‖ sequence number none
            Self::Kc => ("Kc", [&none(8)[..], &[7]].concat()),
            Self::ForbiddenPlmns => ("FPLMN", none((length / 3 * 3).max(12))),
        };
        if content.len() > length {
            let expected = alloc::format!("a file of {} bytes", content.len());
            return Err(FieldError::length(field, expected, length));
        }
        Ok(content)
    }
}

/// EF LOCI (TS 31.102 4.2.17): where a card was last. `Debug` does not show the TMSI.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocationInformation {
    /// TMSI; FF.. where there is none.
    pub tmsi: [u8; 4],
    /// The network; `None` where there is none.
    pub plmn: Option<Plmn>,
    /// Location area code.
    pub lac: u16,
    /// Status: 0 updated, 1 not updated, others.
    pub status: u8,
}

impl LocationInformation {
    /// Takes the content of the file.
    ///
    /// # Errors
    /// [`FieldError`] for other than 11 bytes.
    pub fn parse(file: &[u8]) -> Result<Self, FieldError> {
        let &[t0, t1, t2, t3, p0, p1, p2, lac0, lac1, _, status] = file else {
            return Err(FieldError::length("LOCI", "11 bytes", file.len()));
        };
        let plmn = Plmn::parse([p0, p1, p2]);
        Ok(Self { tmsi: [t0, t1, t2, t3], plmn, lac: u16::from_be_bytes([lac0, lac1]), status: status & 0x07 })
    }
}

impl fmt::Debug for LocationInformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocationInformation({:?}, status {})", self.plmn, self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    fn plmn(text: &str) -> String {
        hex::encode_upper(Plmn::new(text).unwrap().to_bytes())
    }

    #[test]
    fn networks_have_two_or_three_digits_behind_their_country() {
        assert_eq!(plmn("228/06"), "22F860");
        assert_eq!(plmn("334/020"), "330420");
        assert_eq!(Plmn::new("334-020").unwrap().mnc_length(), MncLength::Three);
        assert_eq!(Plmn::new("460-00").unwrap().mnc_length(), MncLength::Two);
        for wrong in ["", "22806", "2280600", "228-0", "228-0600", "22a-06", "228-é6"] {
            assert!(Plmn::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_is_filled_up_with_none() {
        let list = PlmnList(alloc::vec![(
            Plmn::new("228-06").unwrap(),
            AccessTechnologies::UTRAN.and(AccessTechnologies::E_UTRAN).and(AccessTechnologies::GSM)
        )]);
        assert_eq!(hex::encode_upper(list.to_file(10).unwrap()), "22F860C080FFFFFF0000");
        assert_eq!(list.to_file(9).unwrap().len(), 5);
        assert!(list.to_file(0).is_err() && list.to_file(4).is_err());
    }

    #[test]
    fn classes_are_bits_from_the_right() {
        let file = |classes: &[u8]| hex::encode_upper(AccessClasses::new(classes).unwrap().to_file());
        assert_eq!(file(&[0]), "0001");
        assert_eq!(file(&[15]), "8000");
        assert_eq!(file(&[0, 1, 3, 5, 15]), "802B");
        assert!(AccessClasses::new(&[10]).is_err() && AccessClasses::new(&[16]).is_err());
    }

    #[test]
    fn administrative_data_of_both_editions() {
        let old = AdministrativeData::parse(&[0x00, 0xFF, 0xFF]).unwrap();
        assert_eq!((old.mnc_length, old.to_file()), (None, [0x00, 0xFF, 0xFF].to_vec()));
        let new = AdministrativeData::normal(MncLength::Two);
        assert_eq!(new.to_file(), [0, 0, 0, 2]);
        assert_eq!(AdministrativeData::parse(&[0, 0, 0, 2]), Ok(new));
        assert!(AdministrativeData::parse(&[0, 0, 0, 4]).is_err());
        assert!(AdministrativeData::parse(&[0, 0]).is_err());
    }

    #[test]
    fn a_new_subscriber_has_been_nowhere() {
        let home = Plmn::new("228-06").unwrap();
        let initial = |file: LocationFile, length| file.initial(home, length).map(hex::encode_upper);
        assert_eq!(initial(LocationFile::Loci, 11).unwrap(), "FFFFFFFF22F8600000FF01");
        assert_eq!(initial(LocationFile::PsLoci, 14).unwrap(), "FFFFFFFFFFFFFF22F8600000FF01");
        assert_eq!(initial(LocationFile::EpsLoci, 18).unwrap(), "FF".repeat(12) + "22F860000001");
        assert_eq!(initial(LocationFile::Keys, 33).unwrap(), "07".to_owned() + &"FF".repeat(32));
        assert_eq!(initial(LocationFile::Kc, 9).unwrap(), "FF".repeat(8) + "07");
        assert_eq!(initial(LocationFile::ForbiddenPlmns, 60).unwrap(), "FF".repeat(60));
        assert_eq!(initial(LocationFile::Loci, 12).unwrap(), "FFFFFFFF22F8600000FF01", "what a card has more stays");
        assert_eq!(initial(LocationFile::ForbiddenPlmns, 14).unwrap(), "FF".repeat(12));
        assert!(initial(LocationFile::Loci, 10).is_err() && initial(LocationFile::ForbiddenPlmns, 10).is_err());
    }

    #[test]
    fn a_location_is_read() {
        let loci = LocationInformation::parse(&hex::decode("7802570222F81009780000").unwrap()).unwrap();
        assert_eq!((loci.tmsi, loci.plmn), ([0x78, 0x02, 0x57, 0x02], Some(Plmn::new("228-01").unwrap())));
        assert_eq!((loci.lac, loci.status), (0x0978, 0));
        let home = Plmn::new("228-06").unwrap();
        let fresh = LocationInformation::parse(&LocationFile::Loci.initial(home, 11).unwrap()).unwrap();
        assert_eq!((fresh.tmsi, fresh.plmn, fresh.status), ([0xFF; 4], Some(home), 1));
        assert_eq!(alloc::format!("{loci:?}"), "LocationInformation(Some(228-01), status 0)");
    }

    proptest! {
        #[test]
        fn reading_is_total(file in prop::collection::vec(any::<u8>(), 0..13), text in ".{0,8}", plmn: [u8; 3]) {
            let _ = AdministrativeData::parse(&file);
            let _ = LocationInformation::parse(&file);
            let _ = Plmn::new(&text);
            if let Some(network) = Plmn::parse(plmn) {
                prop_assert_eq!(network.to_bytes(), plmn);
            }
        }
    }
}
