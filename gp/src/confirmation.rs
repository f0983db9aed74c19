//! Confirmations of delegated management: what comes back from INSTALL, LOAD and DELETE (GPCS 2.3.1 11.1.6), and what its
//! receipt is computed over (C.5).

use alloc::vec::Vec;

use cardwright_apdu::{Aid, tlv};

use crate::Privileges;
use crate::error::CardFault;

/// Confirmation of a content management command (GPCS 2.3.1 tables 11-13 and 11-14). Untested on silicon.
///
/// It proves nothing before its receipt was verified: [`procedure::verify_receipt`](crate::procedure::verify_receipt), or
/// with a public key over [`receipt_input`](Self::receipt_input).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// Receipt, as long as its key's signature; empty where the card makes none.
    pub receipt: Vec<u8>,
    /// Confirmation counter: one more with each receipt.
    pub counter: u16,
    /// Identification and image number of the security domain that made it, one behind the other.
    pub domain: Vec<u8>,
    /// Token identifier, where the command's token had one.
    pub token_identifier: Vec<u8>,
    /// Digest of the token's data, where the card gives one.
    pub token_digest: Vec<u8>,
    /// Confirmation data as it came, which is what the receipt vouches for.
    data: Vec<u8>,
}

impl Confirmation {
    /// Takes the response data of INSTALL, the last LOAD or DELETE; `None` where the card confirms nothing: `00`, or no data.
    ///
    /// # Errors
    /// [`CardFault`] with the offset in the answer.
    pub fn parse(answer: &[u8]) -> Result<Option<Self>, CardFault> {
        let mut fields = Fields { bytes: answer, offset: 0 };
        if matches!(answer, [] | [0x00]) {
            return Ok(None);
        }
        let confirmation = fields.long("confirmation")?;
        fields.end("bytes behind the confirmation")?;
        let offset = answer.len() - confirmation.len();
        let mut fields = Fields { bytes: answer, offset };
        let receipt = fields.long("receipt")?.to_vec();
        let data = answer[fields.offset..].to_vec();
        let counter = match fields.short("confirmation counter")? {
            [high, low] => u16::from_be_bytes([*high, *low]),
            other => {
                let (what, offset) = ("confirmation counter", fields.offset - other.len());
                return Err(CardFault::Length { what, offset, expected: "2 bytes", actual: other.len() });
            }
        };
        let domain = fields.short("security domain unique data")?.to_vec();
        let token_identifier = fields.optional("token identifier")?;
        let token_digest = fields.optional("token data digest")?;
        fields.end("bytes behind the confirmation data")?;
        Ok(Some(Self { receipt, counter, domain, token_identifier, token_digest, data }))
    }

    /// What the receipt is computed over when this is what the command did (GPCS 2.3.1 tables C-11 to C-16).
    #[must_use]
    pub fn receipt_input(&self, subject: &ReceiptSubject<'_>) -> Vec<u8> {
        let mut input = self.data.clone();
        subject.push(&mut input);
        input
    }
}

/// What a receipt says was done (GPCS 2.3.1 C.5).
#[derive(Clone, Copy, Debug)]
pub enum ReceiptSubject<'a> {
    /// A load file was loaded into a security domain (C.5.1).
    Load {
        /// The load file.
        load_file: Aid,
        /// Security domain that it belongs to.
        security_domain: Aid,
    },
    /// An application was installed or made selectable (C.5.2).
    Install {
        /// Its load file.
        load_file: Aid,
        /// The application.
        application: Aid,
    },
    /// An application or load file went to another security domain (C.5.3).
    Extradition {
        /// Where it was.
        from: Aid,
        /// The application or load file.
        object: Aid,
        /// Where it is.
        to: Aid,
    },
    /// An entry of the registry was changed (C.5.4).
    RegistryUpdate {
        /// Where the application was, when it was extradited as well.
        from: Option<Aid>,
        /// The application; none for the card itself.
        application: Option<Aid>,
        /// Where it is, when it was extradited as well.
        to: Option<Aid>,
        /// Its privileges, when they were changed; three bytes, as the command has them.
        privileges: Option<Privileges>,
        /// Registry update parameters of the command.
        parameters: &'a [u8],
    },
    /// An application or load file was deleted (C.5.5).
    Delete {
        /// The application, or the load file with or without its applications.
        object: Aid,
    },
    /// A load file was loaded, an application of it installed and made selectable (C.5.6).
    LoadInstallAndMakeSelectable {
        /// The load file.
        load_file: Aid,
        /// The application.
        application: Aid,
        /// Security domain that both belong to.
        security_domain: Aid,
    },
}

impl ReceiptSubject<'_> {
    fn push(&self, out: &mut Vec<u8>) {
        let mut field = |value: &[u8]| {
            out.push(value.len() as u8);
            out.extend_from_slice(value);
        };
        let mut aids = |aids: &[&Aid]| aids.iter().for_each(|aid| field(aid.as_bytes()));
        match self {
            Self::Load { load_file, security_domain } => aids(&[load_file, security_domain]),
            Self::Install { load_file, application } => aids(&[load_file, application]),
            Self::Extradition { from, object, to } => aids(&[from, object, to]),
            Self::Delete { object } => aids(&[object]),
            Self::LoadInstallAndMakeSelectable { load_file, application, security_domain } => {
                aids(&[load_file, application, security_domain]);
            }
            Self::RegistryUpdate { from, application, to, privileges, parameters } => {
                for aid in [from, application, to] {
                    field(aid.as_ref().map(Aid::as_bytes).unwrap_or_default());
                }
                field(privileges.as_ref().map_or(&[][..], |privileges| &privileges.0));
                tlv::push_length(out, parameters.len());
                out.extend_from_slice(parameters);
            }
        }
    }
}

struct Fields<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Fields<'a> {
    /// A field with a length of one byte.
    fn short(&mut self, what: &'static str) -> Result<&'a [u8], CardFault> {
        let length = *self.bytes.get(self.offset).ok_or(self.short_of(what, 0))?;
        self.take(what, 1, length.into())
    }

    /// A field with a length of one byte, or 81 and one; 80 alone is 128, as in the commands (GPCS 2.3.1 11.5.2.3.1).
    fn long(&mut self, what: &'static str) -> Result<&'a [u8], CardFault> {
        match self.bytes.get(self.offset..).unwrap_or_default() {
            [0x81, length, ..] => self.take(what, 2, (*length).into()),
            [length @ ..=0x80, ..] => self.take(what, 1, (*length).into()),
            rest => Err(self.short_of(what, rest.len())),
        }
    }

    fn optional(&mut self, what: &'static str) -> Result<Vec<u8>, CardFault> {
        if self.offset == self.bytes.len() { Ok(Vec::new()) } else { self.short(what).map(<[u8]>::to_vec) }
    }

    fn take(&mut self, what: &'static str, header: usize, length: usize) -> Result<&'a [u8], CardFault> {
        let rest = &self.bytes[self.offset + header..];
        let value = rest.get(..length).ok_or(self.short_of(what, rest.len()))?;
        self.offset += header + length;
        Ok(value)
    }

    fn end(&self, what: &'static str) -> Result<(), CardFault> {
        match self.bytes.len() - self.offset {
            0 => Ok(()),
            actual => Err(CardFault::Length { what, offset: self.offset, expected: "none", actual }),
        }
    }

    fn short_of(&self, what: &'static str, actual: usize) -> CardFault {
        CardFault::Length { what, offset: self.offset, expected: "as many bytes as its length says", actual }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Option<Confirmation>, CardFault> {
        Confirmation::parse(&hex::decode(text.replace(' ', "")).unwrap())
    }

    fn aid(text: &str) -> Aid {
        text.parse().unwrap()
    }

    const WHOLE: &str = "15 08 1112131415161718 02 0105 04 42454245 02 9301 00";

    #[test]
    fn reads_receipt_and_confirmation_data() {
        let confirmation = parse(WHOLE).unwrap().unwrap();
        assert_eq!(confirmation.receipt, [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]);
        assert_eq!((confirmation.counter, &confirmation.domain[..]), (0x0105, &[0x42, 0x45, 0x42, 0x45][..]));
        assert_eq!((&confirmation.token_identifier[..], &confirmation.token_digest[..]), (&[0x93, 0x01][..], &[][..]));
        let least = parse("06 00 02 0001 01 AA").unwrap().unwrap();
        assert_eq!((least.receipt.len(), least.counter, least.domain), (0, 1, alloc::vec![0xAA]));
    }

    #[test]
    fn nothing_confirmed_is_no_confirmation() {
        assert_eq!((parse("00"), parse("")), (Ok(None), Ok(None)));
    }

    #[test]
    fn a_receipt_of_128_bytes_comes_with_either_length() {
        let receipt = "AB".repeat(128);
        for length in ["80", "8180"] {
            let body = alloc::format!("{length}{receipt}0200010111");
            let text = alloc::format!("81{:02X}{body}", body.len() / 2);
            assert_eq!(parse(&text).unwrap().unwrap().receipt.len(), 128, "{length}");
        }
    }

    #[test]
    fn names_the_place_of_what_is_wrong() {
        let fault = |text: &str| match parse(text).unwrap_err() {
            CardFault::Length { what, offset, .. } => (what, offset),
            other => panic!("{other:?}"),
        };
        assert_eq!(fault("05 00 02 0001"), ("confirmation", 0));
        assert_eq!(fault("05 00 02 0001 01 AA"), ("bytes behind the confirmation", 6));
        assert_eq!(fault("04 00 01 05 00"), ("confirmation counter", 3));
        assert_eq!(fault("04 00 02 0001"), ("security domain unique data", 5));
        assert_eq!(fault("03 07 02 00"), ("receipt", 1));
        assert_eq!(fault("8200"), ("confirmation", 0));
    }

    /// GPCS 2.3.1 tables C-11 to C-16, field by field.
    #[test]
    fn receipts_are_computed_over_data_and_names() {
        let confirmation = parse(WHOLE).unwrap().unwrap();
        let (file, application, domain) = (aid("A0000000F1"), aid("A0000000F2"), aid("A0000000F3"));
        let data = "020105044245424502930100";
        let input = |subject| hex::encode_upper(confirmation.receipt_input(&subject));
        let names = |rest: &str| [data, rest].concat();
        let load = ReceiptSubject::Load { load_file: file, security_domain: domain };
        assert_eq!(input(load), names("05A0000000F105A0000000F3"));
        let install = ReceiptSubject::Install { load_file: file, application };
        assert_eq!(input(install), names("05A0000000F105A0000000F2"));
        let extradition = ReceiptSubject::Extradition { from: file, object: application, to: domain };
        assert_eq!(input(extradition), names("05A0000000F105A0000000F205A0000000F3"));
        assert_eq!(input(ReceiptSubject::Delete { object: application }), names("05A0000000F2"));
        let combined =
            ReceiptSubject::LoadInstallAndMakeSelectable { load_file: file, application, security_domain: domain };
        assert_eq!(input(combined), names("05A0000000F105A0000000F205A0000000F3"));
        let update = ReceiptSubject::RegistryUpdate {
            from: None,
            application: Some(application),
            to: None,
            privileges: Some(Privileges::CARD_LOCK),
            parameters: &[0xEF, 0x00],
        };
        assert_eq!(input(update), names("0005A0000000F2000310000002EF00"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(answer in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Confirmation::parse(&answer);
        }

        #[test]
        fn any_bytes_with_a_fitting_length_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 1..120)) {
            let answer = [&[body.len() as u8][..], &body].concat();
            if let Ok(Some(confirmation)) = Confirmation::parse(&answer) {
                prop_assert!(body.ends_with(&confirmation.data));
            }
        }
    }
}
