mod keys;

use alloc::vec::Vec;

use cardwright_apdu::CommandApdu;
use cardwright_apdu::tlv;

pub use keys::{KeyGroups, KeyTemplates, RsaCrt};

use crate::{Error, command};

/// How the data of STORE DATA is made up: bits b5 and b4 of P1 (GPCS 2.3.1 table 11-89).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DataStructure {
    /// In a way that only the application knows.
    #[default]
    Own = 0x00,
    /// Data groups: DGI of two bytes, length of one byte or FF and two, value.
    Dgi = 0x08,
    /// BER-TLV objects.
    BerTlv = 0x10,
}

/// Whether the values in the data are enciphered: bits b7 and b6 of P1 (GPCS 2.3.1 table 11-89).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DataEncryption {
    /// They are not, or nothing is said about it.
    #[default]
    None = 0x00,
    /// Some are, as the application knows.
    ApplicationDependent = 0x20,
    /// All are.
    All = 0x60,
}

/// Data for a security domain or an application, to be sent in one or more STORE DATA commands (GPCS 2.3.1 11.11).
#[derive(Clone, Debug)]
pub struct StoreData<'a> {
    /// How the data is made up.
    pub structure: DataStructure,
    /// Whether its values are enciphered.
    pub encryption: DataEncryption,
    /// Whether response data may come back.
    pub response: bool,
    /// The data.
    pub data: &'a [u8],
}

impl<'a> StoreData<'a> {
    /// Data that is not enciphered and brings no response data.
    #[must_use]
    pub fn new(structure: DataStructure, data: &'a [u8]) -> Self {
        Self { structure, encryption: DataEncryption::None, response: false, data }
    }

    /// The commands, with data fields of at most `max_data` bytes.
    ///
    /// A data group or object may go over several commands, but not its tag and length (GPCS 2.3.1 11.11.2.3).
    ///
    /// # Errors
    /// [`Error::Structure`] when the data is not made up as it says; [`Error::TooLong`] for more than 256 commands.
    pub fn commands(&self, max_data: usize) -> Result<Vec<CommandApdu>, Error> {
        let cuts = self.cuts(max_data.max(8))?;
        if cuts.len() > 256 {
            let limit = 256 * max_data;
            return Err(Error::TooLong { command: "STORE DATA", what: "data", actual: self.data.len(), limit });
        }
        let p1 = self.structure as u8 | self.encryption as u8 | u8::from(self.response);
        let (mut begin, last) = (0, cuts.len() - 1);
        let mut commands = Vec::with_capacity(cuts.len());
        for (number, end) in cuts.into_iter().enumerate() {
            commands.push(command::store_data(p1, number as u8, number == last, &self.data[begin..end]));
            begin = end;
        }
        Ok(commands)
    }

    /// Where each command's data ends; at least one.
    fn cuts(&self, max: usize) -> Result<Vec<usize>, Error> {
        let (mut cuts, mut begin) = (Vec::new(), 0);
        let (mut at, total) = (0, self.data.len());
        while at < total {
            let (header, length) = self.header(at)?;
            let end = at + header + length;
            if end > total {
                return Err(Error::Structure { what: "a value that goes on behind the end", offset: at });
            }
            if at + header - begin > max {
                cuts.push(at);
                begin = at;
            }
            while end - begin > max {
                begin += max;
                cuts.push(begin);
            }
            at = end;
        }
        if cuts.last() != Some(&total) {
            cuts.push(total);
        }
        Ok(cuts)
    }

    /// Lengths of tag and length field, and of the value, of what begins here.
    fn header(&self, at: usize) -> Result<(usize, usize), Error> {
        let rest = &self.data[at..];
        let wrong = |what| Error::Structure { what, offset: at };
        match self.structure {
            DataStructure::Own => Ok((0, rest.len())),
            DataStructure::Dgi => match rest {
                [_, _, 0xFF, high, low, ..] => Ok((5, usize::from(u16::from_be_bytes([*high, *low])))),
                [_, _, 0xFF, ..] | [] | [_] | [_, _] => Err(wrong("a data group without a whole length")),
                [_, _, length, ..] => Ok((3, usize::from(*length))),
            },
            DataStructure::BerTlv => {
                let mut reader = tlv::Reader::new(rest);
                match reader.read() {
                    Ok(Some(object)) => Ok((rest.len() - reader.rest().len() - object.value.len(), object.value.len())),
                    _ => Err(wrong("what is no whole BER-TLV object")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn lengths(data: &StoreData<'_>, max: usize) -> Vec<usize> {
        data.commands(max).unwrap().iter().map(|command| command.data().len()).collect()
    }

    #[test]
    fn p1_and_block_numbers_are_those_of_table_11_89() {
        let data = StoreData {
            encryption: DataEncryption::All,
            response: true,
            ..StoreData::new(DataStructure::Dgi, &[0x00, 0x70, 0x03, 1, 2, 3])
        };
        assert_eq!(
            data.commands(239).unwrap()[0].to_bytes().unwrap(),
            [0x80, 0xE2, 0xE9, 0x00, 6, 0x00, 0x70, 0x03, 1, 2, 3, 0]
        );
        let own = StoreData::new(DataStructure::Own, &[7; 20]);
        let headers: Vec<_> =
            own.commands(8).unwrap().iter().map(|command| command.to_bytes().unwrap()[2..5].to_vec()).collect();
        assert_eq!(headers, [[0x00, 0, 8], [0x00, 1, 8], [0x80, 2, 4]]);
        let none = StoreData::new(DataStructure::Own, &[]);
        assert_eq!(none.commands(255).unwrap()[0].to_bytes().unwrap(), [0x80, 0xE2, 0x80, 0x00]);
    }

    #[test]
    fn a_value_goes_over_commands_and_its_length_does_not() {
        let mut dgi = vec![0x01, 0x01, 20];
        dgi.extend([0xAA; 20]);
        dgi.extend([0x01, 0x02, 2, 0xBB, 0xBB]);
        // 8 + 8 + 7 of the first, then the header of the second does not fit.
        assert_eq!(lengths(&StoreData::new(DataStructure::Dgi, &dgi), 8), [8, 8, 7, 5]);
        assert_eq!(lengths(&StoreData::new(DataStructure::Dgi, &dgi), 255), [28]);
        let mut object = vec![0x7F, 0x21, 0x81, 0x90];
        object.extend([0xCC; 0x90]);
        assert_eq!(lengths(&StoreData::new(DataStructure::BerTlv, &object), 100), [100, 48]);
    }

    #[test]
    fn data_that_is_not_made_up_as_it_says_is_refused_with_the_place() {
        for (structure, bytes, expected) in [
            (DataStructure::Dgi, &[0, 1, 0, 0, 2][..], 3),
            (DataStructure::Dgi, &[0, 1, 5, 1], 0),
            (DataStructure::Dgi, &[0, 1, 0xFF, 1], 0),
            (DataStructure::BerTlv, &[0x80, 1, 0, 0x81, 2, 0], 3),
        ] {
            match StoreData::new(structure, bytes).commands(255) {
                Err(Error::Structure { offset, .. }) => assert_eq!(offset, expected),
                other => panic!("{other:?}"),
            }
        }
        let long = vec![0; 256 * 8 + 1];
        let error = StoreData::new(DataStructure::Own, &long).commands(8).unwrap_err();
        assert!(matches!(error, Error::TooLong { limit: 2048, .. }));
    }

    proptest! {
        #[test]
        fn what_is_cut_is_what_was_given(data in proptest::collection::vec(any::<u8>(), 0..2000), max in 8_usize..256) {
            let commands = StoreData::new(DataStructure::Own, &data).commands(max).unwrap();
            prop_assert!(commands.iter().all(|command| command.data().len() <= max));
            let joined: Vec<u8> = commands.iter().flat_map(|command| command.data().to_vec()).collect();
            prop_assert_eq!(joined, data);
        }

        #[test]
        fn any_bytes_are_cut_or_refused(data in proptest::collection::vec(any::<u8>(), 0..600), max in 0_usize..256) {
            for structure in [DataStructure::Dgi, DataStructure::BerTlv] {
                if let Ok(commands) = StoreData::new(structure, &data).commands(max) {
                    let joined: Vec<u8> = commands.iter().flat_map(|command| command.data().to_vec()).collect();
                    prop_assert_eq!(&joined, &data);
                }
            }
        }
    }
}
