use alloc::vec::Vec;

use cardwright_apdu::tlv::{DataObject, Reader, Tag};
use cardwright_keys::{EcCurve, EcPublicKey, EcdsaSignature, SignatureHash};

use super::certificate::{Signed, Usage};
use super::{CertificateFault, Date};

/// A certificate of GlobalPlatform's format (tag 7F21).
///
/// | tag | what |
/// |---|---|
/// | 93 | serial number |
/// | 42 | identifier of the CA |
/// | 5F20 | identifier of the subject |
/// | 95 | key usage: 82 signing, 0080 key agreement (GPCS 11.1.9) |
/// | 5F25, 5F24 | first day (optional) and last day, YYYYMMDD in BCD |
/// | 53, 73, BF20 | discretionary data, authorizations (optional) |
/// | 7F49 | public key: point (B0), reference of the curve (F0; GPCS table B-2) |
/// | 5F37 | signature over all data objects before it |
///
/// Taken from a recorded certificate, whose signature is coded in DER and whose dates are not in BCD; GPCS B.4.3 wants plain
/// signatures. Both codings are accepted. Dates in another form than BCD cannot be checked, and fail where they have to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpCertificate {
    pub(super) signed: Signed,
    usage: [u8; 2],
    first_day: Option<Vec<u8>>,
    last_day: Vec<u8>,
}

const SERIAL: Tag = Tag(0x93);
const ISSUER: Tag = Tag(0x42);
const SUBJECT: Tag = Tag(0x5F20);
const USAGE: Tag = Tag(0x95);
const FIRST_DAY: Tag = Tag(0x5F25);
const LAST_DAY: Tag = Tag(0x5F24);
const PUBLIC_KEY: Tag = Tag(0x7F49);
const SIGNATURE: Tag = Tag(0x5F37);
const OTHERS: [Tag; 3] = [Tag(0x53), Tag(0x73), Tag(0xBF20)];

impl GpCertificate {
    /// Reads a certificate, which is all of the bytes.
    ///
    /// # Errors
    /// [`CertificateFault`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CertificateFault> {
        let format = |what| CertificateFault::Format { what };
        let mut reader = Reader::new(bytes);
        let outer = match reader.read()? {
            Some(object) if object.tag == Tag(0x7F21) && reader.rest().is_empty() => object,
            _ => return Err(format("the data object 7F21")),
        };
        let mut objects: Vec<DataObject<'_>> = Vec::new();
        let mut inner = outer.children();
        while let Some(object) = inner.read()? {
            let is_known = [SERIAL, ISSUER, SUBJECT, USAGE, FIRST_DAY, LAST_DAY, PUBLIC_KEY, SIGNATURE]
                .iter()
                .chain(&OTHERS)
                .any(|tag| *tag == object.tag);
            if !is_known {
                return Err(CertificateFault::Tag { tag: object.tag });
            }
            if objects.iter().any(|other| other.tag == object.tag) {
                return Err(format("a data object"));
            }
            objects.push(object);
        }
        let find =
            |tag, what| objects.iter().find(|object| object.tag == tag).map(|found| found.value).ok_or(format(what));
        let signature = match objects.last() {
            Some(last) if last.tag == SIGNATURE => *last,
            _ => return Err(format("the signature (5F37), which comes last,")),
        };
        find(SERIAL, "the serial number (93)")?;
        let usage = match *find(USAGE, "the key usage (95)")? {
            // The second byte is 00 where there is none (GPCS 2.3.1 11.1.9).
            [first] => [first, 0],
            [first, second] => [first, second],
            _ => return Err(format("the key usage (95)")),
        };
        let start = bytes.len() - outer.value.len();
        let signed = Signed {
            range: start..signature.offset,
            issuer: find(ISSUER, "the issuer (42)")?.to_vec(),
            subject: find(SUBJECT, "the subject (5F20)")?.to_vec(),
            key: public_key(find(PUBLIC_KEY, "the public key (7F49)")?)?,
            signature: signature.value.to_vec(),
            bytes: bytes.to_vec(),
        };
        let first_day = find(FIRST_DAY, "").ok().map(<[u8]>::to_vec);
        Ok(Self { signed, usage, first_day, last_day: find(LAST_DAY, "the last day (5F24)")?.to_vec() })
    }

    pub(super) fn verify_signature(&self, issuer: &EcPublicKey) -> Result<(), CertificateFault> {
        let (curve, signature) = (issuer.curve(), &self.signed.signature);
        // GPCS 2.3.1 table B-3.
        let hash = if curve.field_len() < 48 { SignatureHash::Sha256 } else { SignatureHash::Sha384 };
        let signature = match signature.len() == 2 * curve.field_len() {
            true => EcdsaSignature::Plain(signature),
            false => EcdsaSignature::Der(signature),
        };
        self.signed.verify(issuer, hash, signature)
    }

    pub(super) fn is_for(&self, usage: Usage) -> bool {
        match usage {
            Usage::Issuer { .. } => self.usage == [0x82, 0x00],
            Usage::KeyAgreement => self.usage == [0x00, 0x80],
        }
    }

    pub(super) fn is_valid_on(&self, date: Date) -> Result<bool, CertificateFault> {
        let first = self.first_day.as_deref().map(day).transpose()?;
        Ok(first.is_none_or(|first| first <= date) && date <= day(&self.last_day)?)
    }
}

/// YYYYMMDD in BCD.
fn day(bytes: &[u8]) -> Result<Date, CertificateFault> {
    let wrong = CertificateFault::Format { what: "a date" };
    let two = |byte: u8| match (byte >> 4, byte & 0x0F) {
        (tens @ 0..=9, ones @ 0..=9) => Ok(10 * tens + ones),
        _ => Err(wrong.clone()),
    };
    let [century, year, month, day] = bytes else { return Err(wrong) };
    let year = u16::from(two(*century)?) * 100 + u16::from(two(*year)?);
    Date::new(year, two(*month)?, two(*day)?).ok_or(wrong)
}

fn public_key(value: &[u8]) -> Result<EcPublicKey, CertificateFault> {
    let wrong = CertificateFault::Format { what: "the public key (7F49)" };
    let mut reader = Reader::new(value);
    let (point, reference) = match (reader.read()?, reader.read()?, reader.rest()) {
        (Some(point), Some(reference), []) if (point.tag, reference.tag) == (Tag(0xB0), Tag(0xF0)) => {
            (point.value, reference.value)
        }
        _ => return Err(wrong),
    };
    let curve = match reference {
        [0x00] => EcCurve::P256,
        [0x01] => EcCurve::P384,
        [0x03] => EcCurve::BrainpoolP256,
        _ => return Err(CertificateFault::Unsupported { what: "the curve" }),
    };
    EcPublicKey::new(curve, point).map_err(|_| wrong)
}
