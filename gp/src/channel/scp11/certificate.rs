use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use cardwright_apdu::tlv::{Reader, Tag, TlvError};
use cardwright_keys::{EcPublicKey, EcdsaSignature, SignatureHash};
use thiserror::Error;

use super::{CERTIFICATE_STORE, GpCertificate, X509Certificate};
use crate::Error;

/// Why a certificate is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CertificateFault {
    /// The bytes are no well-formed TLV.
    #[error("expected BER-TLV: {0}")]
    Tlv(#[from] TlvError),
    /// There is no certificate at all.
    #[error("there is none")]
    None,
    /// It is neither of the format 7F21 nor of X.509.
    #[error("neither a certificate 7F21 nor of X.509, but a data object {tag}")]
    Tag {
        /// The tag.
        tag: Tag,
    },
    /// Something is not made up as the format wants.
    #[error("{what} is missing, twice there or malformed")]
    Format {
        /// What.
        what: &'static str,
    },
    /// Something is in it that is not supported here, so that it cannot be judged.
    #[error("{what} is not supported")]
    Unsupported {
        /// What.
        what: &'static str,
    },
    /// The signature is not that of the key above.
    #[error("its signature is not that of the certificate before, or of the CA")]
    Signature,
    /// It names another issuer than the certificate above.
    #[error("its issuer is not the subject of the certificate before")]
    Issuer,
    /// It is not valid on the date.
    #[error("not valid on {date}")]
    NotValid {
        /// The date.
        date: Date,
    },
    /// Its key is for something else.
    #[error("its key is not for {expected}")]
    Usage {
        /// What it would have to be for.
        expected: &'static str,
    },
}

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// A day of the calendar; `None` where month or day do not exist. All months are taken to have 31 days.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        (matches!(month, 1..=12) && matches!(day, 1..=31)).then_some(Self { year, month, day })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// Whether the validity of certificates is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Validity {
    /// They must be valid on this day, in UTC.
    On(Date),
    /// Their dates are not looked at: the caller has no clock, or cards that outlive their certificates.
    NotChecked,
}

/// What a certified key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    /// Signing certificates, with this many of issuers below it.
    Issuer { below: usize },
    /// Key agreement.
    KeyAgreement,
}

/// A certificate of either format.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Certificate {
    /// Of GlobalPlatform's format (tag 7F21).
    Gp(GpCertificate),
    /// Of X.509.
    X509(X509Certificate),
}

impl Certificate {
    /// Reads one certificate, which is all of the bytes.
    ///
    /// # Errors
    /// [`CertificateFault`] when it is none, or one with algorithms that are not supported.
    pub fn parse(bytes: &[u8]) -> Result<Self, CertificateFault> {
        let mut reader = Reader::new(bytes);
        let tag = reader.read()?.ok_or(CertificateFault::None)?.tag;
        if !reader.rest().is_empty() {
            return Err(CertificateFault::Format { what: "the end" });
        }
        match tag {
            Tag(0x7F21) => GpCertificate::parse(bytes).map(Self::Gp),
            Tag(0x30) => X509Certificate::parse(bytes).map(Self::X509),
            tag => Err(CertificateFault::Tag { tag }),
        }
    }

    /// The public key that it certifies.
    #[must_use]
    pub fn public_key(&self) -> &EcPublicKey {
        &self.signed().key
    }

    /// Who signed it: an identifier (tag 42), or a name in DER.
    #[must_use]
    pub fn issuer(&self) -> &[u8] {
        &self.signed().issuer
    }

    /// Whose key it certifies: an identifier (tag 5F20), or a name in DER.
    #[must_use]
    pub fn subject(&self) -> &[u8] {
        &self.signed().subject
    }

    /// The bytes, as they were read.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.signed().bytes
    }

    fn signed(&self) -> &Signed {
        match self {
            Self::Gp(certificate) => &certificate.signed,
            Self::X509(certificate) => &certificate.signed,
        }
    }

    /// Verifies the signature with the issuer's key, and nothing else.
    ///
    /// # Errors
    /// [`CertificateFault::Signature`].
    pub fn verify_signature(&self, issuer: &EcPublicKey) -> Result<(), CertificateFault> {
        match self {
            Self::Gp(certificate) => certificate.verify_signature(issuer),
            Self::X509(certificate) => certificate.verify_signature(issuer),
        }
    }

    fn check_usage(&self, usage: Usage) -> Result<(), CertificateFault> {
        let expected = match usage {
            Usage::Issuer { .. } => "signing certificates",
            Usage::KeyAgreement => "key agreement",
        };
        let is_for = match self {
            Self::Gp(certificate) => certificate.is_for(usage),
            Self::X509(certificate) => certificate.is_for(usage),
        };
        if is_for { Ok(()) } else { Err(CertificateFault::Usage { expected }) }
    }

    fn check_date(&self, date: Date) -> Result<(), CertificateFault> {
        let is_valid = match self {
            Self::Gp(certificate) => certificate.is_valid_on(date)?,
            Self::X509(certificate) => certificate.is_valid_on(date),
        };
        if is_valid { Ok(()) } else { Err(CertificateFault::NotValid { date }) }
    }
}

/// What a certificate of either format has, and where in its bytes the signed part lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) bytes: Vec<u8>,
    pub(super) range: Range<usize>,
    pub(super) issuer: Vec<u8>,
    pub(super) subject: Vec<u8>,
    pub(super) key: EcPublicKey,
    pub(super) signature: Vec<u8>,
}

impl Signed {
    pub(super) fn verify(
        &self,
        issuer: &EcPublicKey,
        hash: SignatureHash,
        signature: EcdsaSignature<'_>,
    ) -> Result<(), CertificateFault> {
        let signed = &self.bytes[self.range.clone()];
        issuer.verify(hash, signed, signature).map_err(|_| CertificateFault::Signature)
    }
}

/// The certificates of a card, from the one that a CA signed to CERT.SD.ECKA. Not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateChain(Vec<Certificate>);

impl CertificateChain {
    /// Reads certificates that stand one after another, or the answer to GET DATA, in whose template (BF21) they do.
    ///
    /// A template with one certificate is what was recorded. That further ones come before CERT.SD.ECKA, and that some cards leave
    /// out the template, is known from descriptions only.
    ///
    /// # Errors
    /// [`Error::Certificate`] when one of them cannot be read, or there is none.
    pub fn parse(answer: &[u8]) -> Result<Self, Error> {
        let fail = |index, fault| Error::Certificate { index, fault };
        let mut outer = Reader::new(answer);
        let certificates = match outer.read().map_err(|error| fail(0, error.into()))? {
            Some(store) if store.tag == CERTIFICATE_STORE => {
                if !outer.rest().is_empty() {
                    return Err(fail(0, CertificateFault::Format { what: "the end" }));
                }
                store.value
            }
            _ => answer,
        };
        let mut rest = Reader::new(certificates);
        let mut chain = Vec::new();
        loop {
            let before = rest.rest();
            let index = chain.len();
            if rest.read().map_err(|error| fail(index, error.into()))?.is_none() {
                break;
            }
            let certificate = &before[..before.len() - rest.rest().len()];
            chain.push(Certificate::parse(certificate).map_err(|fault| fail(index, fault))?);
        }
        if chain.is_empty() {
            return Err(fail(0, CertificateFault::None));
        }
        Ok(Self(chain))
    }

    /// The certificates.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// Verifies signatures, issuers, usages and dates, from the key of the CA down, and gives the card's key.
    ///
    /// Who the card is the caller has to see for itself: any card with a certificate of this CA is accepted. Revocation is not
    /// looked at.
    ///
    /// # Errors
    /// [`Error::Certificate`] with the first certificate that is not accepted.
    pub fn verify(&self, ca: &EcPublicKey, validity: Validity) -> Result<CardKey, Error> {
        let mut issuer: Option<&Certificate> = None;
        for (index, certificate) in self.0.iter().enumerate() {
            let below = self.0.len() - 1 - index;
            let check = || {
                certificate.verify_signature(issuer.map_or(ca, Certificate::public_key))?;
                if issuer.is_some_and(|issuer| issuer.subject() != certificate.issuer()) {
                    return Err(CertificateFault::Issuer);
                }
                certificate.check_usage(match below {
                    0 => Usage::KeyAgreement,
                    below => Usage::Issuer { below: below - 1 },
                })?;
                match validity {
                    Validity::On(date) => certificate.check_date(date),
                    Validity::NotChecked => Ok(()),
                }
            };
            check().map_err(|fault| Error::Certificate { index, fault })?;
            issuer = Some(certificate);
        }
        let card = issuer.ok_or(Error::Certificate { index: 0, fault: CertificateFault::None })?;
        Ok(CardKey(card.public_key().clone()))
    }
}

/// PK.SD.ECKA that the host trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardKey(EcPublicKey);

impl CardKey {
    /// A key that the caller knows to be the card's, from elsewhere than the card.
    #[must_use]
    pub fn known(key: EcPublicKey) -> Self {
        Self(key)
    }

    /// The key.
    #[must_use]
    pub fn public_key(&self) -> &EcPublicKey {
        &self.0
    }
}
