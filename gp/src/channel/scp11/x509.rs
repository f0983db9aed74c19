use core::ops::Range;

use cardwright_apdu::tlv::Reader;
use cardwright_keys::{EcCurve, EcPublicKey, EcdsaSignature, SignatureHash};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Time;
use x509_cert::{Certificate, Version};

use super::certificate::{Signed, Usage};
use super::{CertificateFault, Date};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const BRAINPOOL_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.36.3.3.2.8.1.1.7");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const CERTIFICATE_POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32");

/// A certificate of X.509 (RFC 5280).
///
/// Looked at are names, validity, key usage and basic constraints; certificate policies are taken as they are. Any other critical
/// extension makes it unsupported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct X509Certificate {
    pub(super) signed: Signed,
    first_day: Date,
    last_day: Date,
    usage: Option<KeyUsage>,
    constraints: Option<BasicConstraints>,
    hash: SignatureHash,
}

impl X509Certificate {
    /// Reads a certificate in DER, which is all of the bytes.
    ///
    /// # Errors
    /// [`CertificateFault`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CertificateFault> {
        let malformed = |what| move |_| CertificateFault::Format { what };
        let whole = Certificate::from_der(bytes).map_err(malformed("the certificate"))?;
        let tbs = whole.tbs_certificate();
        // The two are the same (RFC 5280 4.1.1.2); only the inner one is signed.
        if whole.signature_algorithm() != tbs.signature() {
            return Err(CertificateFault::Format { what: "the signature algorithm" });
        }
        let hash = hash(tbs.signature())?;
        let mut usage = None;
        let mut constraints = None;
        let extensions: &[Extension] = tbs.extensions().map_or(&[], |extensions| extensions);
        if !extensions.is_empty() && tbs.version() != Version::V3 {
            return Err(CertificateFault::Format { what: "the version" });
        }
        for (index, extension) in extensions.iter().enumerate() {
            if extensions[..index].iter().any(|other| other.extn_id == extension.extn_id) {
                return Err(CertificateFault::Format { what: "an extension" });
            }
            let value = extension.extn_value.as_bytes();
            match extension.extn_id {
                KEY_USAGE => usage = Some(KeyUsage::from_der(value).map_err(malformed("the key usage"))?),
                BASIC_CONSTRAINTS => {
                    let value = BasicConstraints::from_der(value).map_err(malformed("the basic constraints"))?;
                    constraints = Some(value);
                }
                CERTIFICATE_POLICIES => {}
                _ if extension.critical => {
                    return Err(CertificateFault::Unsupported { what: "a critical extension" });
                }
                _ => {}
            }
        }
        let signature = whole.signature().as_bytes().ok_or(CertificateFault::Format { what: "the signature" })?;
        let signed = Signed {
            range: signed(bytes)?,
            issuer: tbs.issuer().to_der().map_err(malformed("the issuer"))?,
            subject: tbs.subject().to_der().map_err(malformed("the subject"))?,
            key: public_key(tbs.subject_public_key_info())?,
            signature: signature.to_vec(),
            bytes: bytes.to_vec(),
        };
        let (first_day, last_day) = (day(&tbs.validity().not_before)?, day(&tbs.validity().not_after)?);
        Ok(Self { signed, first_day, last_day, usage, constraints, hash })
    }

    pub(super) fn verify_signature(&self, issuer: &EcPublicKey) -> Result<(), CertificateFault> {
        self.signed.verify(issuer, self.hash, EcdsaSignature::Der(&self.signed.signature))
    }

    /// Without a key usage any use is allowed; without basic constraints nobody may issue (RFC 5280 4.2.1.3, 4.2.1.9).
    pub(super) fn is_for(&self, usage: Usage) -> bool {
        match usage {
            Usage::KeyAgreement => self.usage.as_ref().is_none_or(KeyUsage::key_agreement),
            Usage::Issuer { below } => {
                let may_sign = self.usage.as_ref().is_none_or(KeyUsage::key_cert_sign);
                let is_ca = self.constraints.as_ref().is_some_and(|constraints| {
                    constraints.ca && constraints.path_len_constraint.is_none_or(|most| below <= usize::from(most))
                });
                may_sign && is_ca
            }
        }
    }

    pub(super) fn is_valid_on(&self, date: Date) -> bool {
        (self.first_day..=self.last_day).contains(&date)
    }
}

/// Where TBSCertificate lies: the first element of the sequence.
fn signed(bytes: &[u8]) -> Result<Range<usize>, CertificateFault> {
    let malformed = CertificateFault::Format { what: "the certificate" };
    let outer = Reader::new(bytes).read()?.ok_or(malformed.clone())?;
    let mut inner = outer.children();
    let start = bytes.len() - inner.rest().len();
    inner.read()?.ok_or(malformed)?;
    Ok(start..bytes.len() - inner.rest().len())
}

fn hash(algorithm: &AlgorithmIdentifierOwned) -> Result<SignatureHash, CertificateFault> {
    match (algorithm.oid, &algorithm.parameters) {
        (ECDSA_SHA256, None) => Ok(SignatureHash::Sha256),
        (ECDSA_SHA384, None) => Ok(SignatureHash::Sha384),
        _ => Err(CertificateFault::Unsupported { what: "the signature algorithm" }),
    }
}

fn public_key(info: &SubjectPublicKeyInfoOwned) -> Result<EcPublicKey, CertificateFault> {
    let unsupported = CertificateFault::Unsupported { what: "the curve" };
    if info.algorithm.oid != EC_PUBLIC_KEY {
        return Err(CertificateFault::Unsupported { what: "the public key's algorithm" });
    }
    let parameters = info.algorithm.parameters.as_ref().ok_or(unsupported.clone())?;
    let curve = match parameters.decode_as::<ObjectIdentifier>() {
        Ok(P256) => EcCurve::P256,
        Ok(P384) => EcCurve::P384,
        Ok(BRAINPOOL_P256) => EcCurve::BrainpoolP256,
        _ => return Err(unsupported),
    };
    let malformed = CertificateFault::Format { what: "the public key" };
    let point = info.subject_public_key.as_bytes().ok_or(malformed.clone())?;
    EcPublicKey::new(curve, point).map_err(|_| malformed)
}

fn day(time: &Time) -> Result<Date, CertificateFault> {
    let time = time.to_date_time();
    Date::new(time.year(), time.month(), time.day()).ok_or(CertificateFault::Format { what: "a date" })
}
