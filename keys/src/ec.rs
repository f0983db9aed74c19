//! Elliptic curves: public keys, key agreement (ECDH) of SCP11, signatures (ECDSA) of certificates and of card content management.

use alloc::vec::Vec;
use core::fmt;

use elliptic_curve::ff::PrimeField;
use elliptic_curve::sec1::ToSec1Point;
use elliptic_curve::{FieldBytes, PublicKey, Scalar, SecretKey, ecdh};
use sha2::{Digest, Sha256, Sha384};
use zeroize::{Zeroize, Zeroizing};

use crate::{KeyError, KeyValue};

/// An elliptic curve over a prime field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EcCurve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// brainpoolP256r1 (RFC 5639).
    BrainpoolP256,
}

/// Runs a body with a type for each curve.
macro_rules! on_curve {
    ($curve:expr, $type:ident => $body:expr) => {
        match $curve {
            EcCurve::P256 => {
                type $type = p256::NistP256;
                $body
            }
            EcCurve::P384 => {
                type $type = p384::NistP384;
                $body
            }
            EcCurve::BrainpoolP256 => {
                type $type = bp256::BrainpoolP256r1;
                $body
            }
        }
    };
}

impl EcCurve {
    /// The curve's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::BrainpoolP256 => "brainpoolP256r1",
        }
    }

    /// Length of a coordinate and of a private key, in bytes.
    #[must_use]
    pub fn field_len(self) -> usize {
        match self {
            Self::P256 | Self::BrainpoolP256 => 32,
            Self::P384 => 48,
        }
    }

    /// The hash of its signatures in card content management (GPCS 2.3.1 table B-3).
    #[must_use]
    pub fn signature_hash(self) -> SignatureHash {
        match self {
            Self::P256 | Self::BrainpoolP256 => SignatureHash::Sha256,
            Self::P384 => SignatureHash::Sha384,
        }
    }

    /// Length of an uncompressed point, in bytes.
    #[must_use]
    pub fn point_len(self) -> usize {
        1 + 2 * self.field_len()
    }
}

impl fmt::Display for EcCurve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A public key: a point of its curve, not the one at infinity.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EcPublicKey {
    curve: EcCurve,
    point: Vec<u8>,
}

impl EcPublicKey {
    /// Takes an uncompressed point, `04 ‖ x ‖ y`.
    ///
    /// # Errors
    /// [`KeyError::PublicKey`] when the bytes are no such point of the curve.
    pub fn new(curve: EcCurve, point: &[u8]) -> Result<Self, KeyError> {
        let wrong = KeyError::PublicKey { curve };
        if point.len() != curve.point_len() || point[0] != 0x04 {
            return Err(wrong);
        }
        on_curve!(curve, C => PublicKey::<C>::from_sec1_bytes(point).map(drop).map_err(|_| wrong)?);
        Ok(Self { curve, point: point.to_vec() })
    }

    /// The curve.
    #[must_use]
    pub fn curve(&self) -> EcCurve {
        self.curve
    }

    /// The uncompressed point.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.point
    }

    /// Verifies an ECDSA signature over a message.
    ///
    /// # Errors
    /// [`KeyError::Signature`] when it is not this key's signature over this message.
    pub fn verify(&self, hash: SignatureHash, message: &[u8], signature: EcdsaSignature<'_>) -> Result<(), KeyError> {
        let digest = match hash {
            SignatureHash::Sha256 => Sha256::digest(message).to_vec(),
            SignatureHash::Sha384 => Sha384::digest(message).to_vec(),
        };
        let wrong = |_| KeyError::Signature;
        on_curve!(self.curve, C => {
            let key = PublicKey::<C>::from_sec1_bytes(&self.point)
                .map_err(|_| KeyError::PublicKey { curve: self.curve })?;
            let signature = match signature {
                EcdsaSignature::Plain(bytes) => ecdsa::Signature::<C>::from_slice(bytes).map_err(wrong)?,
                EcdsaSignature::Der(bytes) => ecdsa::Signature::<C>::from_der(bytes).map_err(wrong)?,
            };
            ecdsa::hazmat::verify_prehashed::<C>(&key.to_projective(), &digest, &signature).map_err(wrong)
        })
    }
}

impl fmt::Debug for EcPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcPublicKey({}, {:02X?})", self.curve, self.point)
    }
}

/// The hash of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureHash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
}

/// An ECDSA signature in one of its two codings.
#[derive(Clone, Copy, Debug)]
pub enum EcdsaSignature<'a> {
    /// `r ‖ s`, each as long as the curve's order (BSI TR-03111 5.2.1).
    Plain(&'a [u8]),
    /// `SEQUENCE { r, s }` in DER (RFC 3279 2.2.3).
    Der(&'a [u8]),
}

/// Whether the bytes are a private key: as long as the order of the curve, from 1 to the order less 1.
pub(crate) fn check_private(curve: EcCurve, key: &[u8]) -> Result<(), KeyError> {
    if key.len() != curve.field_len() {
        return Err(KeyError::Length { actual: key.len() });
    }
    on_curve!(curve, C => SecretKey::<C>::from_slice(key).map(drop).map_err(|_| KeyError::PrivateKey { curve }))
}

/// The private key that a seed gives: the seed as a number, modulo the order of the curve.
///
/// The seed is longer than the order by 64 bits or more, so that no value is noticeably likelier than another (FIPS 186-5
/// A.2.1, with reduction modulo n and 0 refused).
pub(crate) fn private_from_seed(curve: EcCurve, seed: &[u8]) -> Result<KeyValue, KeyError> {
    on_curve!(curve, C => {
        let mut number = Scalar::<C>::from(0_u64);
        for byte in seed {
            number = number * Scalar::<C>::from(256_u64) + Scalar::<C>::from(u64::from(*byte));
        }
        let mut bytes = number.to_repr();
        number.zeroize();
        let key = check_private(curve, &bytes).and_then(|()| KeyValue::new(&bytes));
        bytes.zeroize();
        key
    })
}

/// The public key that belongs to a private one.
pub(crate) fn public_of(curve: EcCurve, key: &KeyValue) -> Result<EcPublicKey, KeyError> {
    on_curve!(curve, C => {
        let key = secret::<C>(curve, key, SecretKey::from_slice)?;
        EcPublicKey::new(curve, key.public_key().to_sec1_point(false).as_bytes())
    })
}

/// ECDSA with the hash of the curve's length (GPCS 2.3.1 table B-3) and the nonce of RFC 6979: plain `r ‖ s`.
pub(crate) fn sign(curve: EcCurve, key: &KeyValue, message: &[u8]) -> Result<Vec<u8>, KeyError> {
    on_curve!(curve, C => {
        let key = secret::<C>(curve, key, SecretKey::from_slice)?;
        let mut scalar = key.to_nonzero_scalar();
        let signed = match curve.signature_hash() {
            SignatureHash::Sha256 => {
                ecdsa::hazmat::sign_prehashed_rfc6979::<C, Sha256>(&scalar, &Sha256::digest(message), &[])
            }
            SignatureHash::Sha384 => {
                ecdsa::hazmat::sign_prehashed_rfc6979::<C, Sha384>(&scalar, &Sha384::digest(message), &[])
            }
        };
        scalar.zeroize();
        Ok(signed.0.to_bytes().to_vec())
    })
}

/// ECDH: the x-coordinate of the common point (BSI TR-03111 4.3).
pub(crate) fn agree(key: &KeyValue, peer: &EcPublicKey) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let curve = peer.curve;
    on_curve!(curve, C => {
        let key = secret::<C>(curve, key, SecretKey::from_slice)?;
        let peer = PublicKey::<C>::from_sec1_bytes(&peer.point).map_err(|_| KeyError::PublicKey { curve })?;
        let mut scalar = key.to_nonzero_scalar();
        let shared = ecdh::diffie_hellman::<C>(scalar, peer.as_affine());
        scalar.zeroize();
        let bytes: &FieldBytes<C> = shared.raw_secret_bytes();
        Ok(Zeroizing::new(bytes.to_vec()))
    })
}

fn secret<C: elliptic_curve::Curve>(
    curve: EcCurve,
    key: &KeyValue,
    read: impl Fn(&[u8]) -> elliptic_curve::Result<SecretKey<C>>,
) -> Result<SecretKey<C>, KeyError> {
    // A shorter key would be padded.
    if key.len() != curve.field_len() {
        return Err(KeyError::Length { actual: key.len() });
    }
    read(key.expose_bytes()).map_err(|_| KeyError::PrivateKey { curve })
}
