//! Certificate chains of SCP11: which are accepted and which are not.
//!
//! `data/scp11_certificates.json` was made with OpenSSL ("origin" in the file). Certificates of the format 7F21 are signed here.

use cardwright_apdu::tlv::{self, Tag};
use cardwright_gp::Error;
use cardwright_gp::channel::scp11::{CardKey, Certificate, CertificateChain, CertificateFault, Date, Validity};
use cardwright_keys::{EcCurve, EcPublicKey};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};
use proptest::prelude::*;
use sha2::Digest;

struct X509(serde_json::Value);

impl X509 {
    fn new() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/scp11_certificates.json");
        Self(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    }

    fn ca(&self) -> EcPublicKey {
        EcPublicKey::new(EcCurve::P256, &hex::decode(self.0["ca"].as_str().unwrap()).unwrap()).unwrap()
    }

    fn chain(&self, names: &[&str]) -> Vec<u8> {
        let certificate = |name: &&str| hex::decode(self.0["certificates"][name].as_str().expect(name)).unwrap();
        names.iter().flat_map(certificate).collect()
    }

    fn verify(&self, names: &[&str], validity: Validity) -> Result<CardKey, Error> {
        CertificateChain::parse(&self.chain(names))?.verify(&self.ca(), validity)
    }
}

fn on(year: u16, month: u8, day: u8) -> Validity {
    Validity::On(Date::new(year, month, day).unwrap())
}

fn fault(result: Result<CardKey, Error>) -> (usize, CertificateFault) {
    match result {
        Err(Error::Certificate { index, fault }) => (index, fault),
        other => panic!("{other:?}"),
    }
}

#[test]
fn x509_chains_that_are_accepted() {
    let x509 = X509::new();
    for (names, curve) in [
        (&["leaf_root"][..], EcCurve::P256),
        (&["leaf_none"], EcCurve::P256),
        (&["leaf_bp"], EcCurve::BrainpoolP256),
        (&["leaf_384"], EcCurve::P384),
        (&["inter", "leaf"], EcCurve::P256),
        (&["root", "inter", "leaf"], EcCurve::P256),
        (&["inter0", "under_inter0"], EcCurve::P256),
    ] {
        for validity in [Validity::NotChecked, on(2030, 1, 1)] {
            let key = x509.verify(names, validity).unwrap_or_else(|error| panic!("{names:?}: {error}"));
            assert_eq!(key.public_key().curve(), curve, "{names:?}");
            let store = x509.chain(names);
            assert_eq!(CertificateChain::parse(&store).unwrap().certificates().len(), names.len());
            let mut answer = Vec::new();
            tlv::push(&mut answer, Tag(0xBF21), &store);
            assert_eq!(CertificateChain::parse(&answer).unwrap().verify(&x509.ca(), validity).unwrap(), key);
            answer.push(0);
            assert!(CertificateChain::parse(&answer).is_err());
        }
    }
}

#[test]
fn x509_chains_that_are_refused() {
    let x509 = X509::new();
    let signs = CertificateFault::Usage { expected: "signing certificates" };
    let agrees = CertificateFault::Usage { expected: "key agreement" };
    let unsupported = |what| CertificateFault::Unsupported { what };
    for (names, index, expected) in [
        (&["leaf"][..], 0, CertificateFault::Signature),
        (&["leaf_root", "leaf"], 0, signs.clone()),
        (&["inter"], 0, agrees.clone()),
        (&["inter", "inter0", "leaf"], 1, CertificateFault::Signature),
        (&["leaf", "inter"], 0, CertificateFault::Signature),
        (&["renamed", "leaf"], 1, CertificateFault::Issuer),
        (&["nosign", "under_nosign"], 0, signs.clone()),
        (&["notca", "under_notca"], 0, signs.clone()),
        (&["plainca", "under_plainca"], 0, signs.clone()),
        (&["inter0", "below", "under_below"], 0, signs),
        (&["leaf_sign"], 0, agrees),
        (&["leaf_crit"], 0, unsupported("a critical extension")),
        (&["leaf_name"], 0, unsupported("a critical extension")),
        (&["leaf_sha512"], 0, unsupported("the signature algorithm")),
        (&["leaf_521"], 0, unsupported("the curve")),
        (&[], 0, CertificateFault::None),
    ] {
        assert_eq!(fault(x509.verify(names, Validity::NotChecked)), (index, expected), "{names:?}");
    }
}

#[test]
fn x509_dates() {
    let x509 = X509::new();
    for (validity, is_valid) in [
        (on(2026, 11, 21), false),
        (on(2026, 11, 22), true),
        (on(2026, 12, 22), true),
        (on(2026, 12, 23), false),
        (on(2027, 1, 1), false),
        (on(2025, 12, 1), false),
        (Validity::NotChecked, true),
    ] {
        let result = x509.verify(&["leaf_month"], validity);
        assert_eq!(result.is_ok(), is_valid, "{validity:?}");
        if !is_valid {
            assert!(matches!(fault(result), (0, CertificateFault::NotValid { .. })));
        }
    }
    assert!(matches!(fault(x509.verify(&["inter", "leaf"], on(2020, 1, 1))), (0, CertificateFault::NotValid { .. })));
}

#[test]
fn no_flipped_bit_of_an_x509_chain_is_accepted() {
    let x509 = X509::new();
    for names in [&["leaf_bp"][..], &["inter", "leaf"]] {
        let chain = x509.chain(names);
        for bit in 0..8 * chain.len() {
            let mut altered = chain.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let result =
                CertificateChain::parse(&altered).and_then(|chain| chain.verify(&x509.ca(), Validity::NotChecked));
            assert!(matches!(result, Err(Error::Certificate { .. })), "{names:?}, bit {bit}");
        }
    }
}

/// A certificate 7F21 in pieces.
#[derive(Clone)]
struct Gp {
    objects: Vec<(u32, Vec<u8>)>,
    plain: bool,
}

fn signer(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn public(seed: u8) -> EcPublicKey {
    EcPublicKey::new(EcCurve::P256, signer(seed).verifying_key().to_sec1_point(false).as_bytes()).unwrap()
}

impl Gp {
    fn new(issuer: &str, subject: &str, usage: &[u8], key: u8) -> Self {
        let mut public_key = Vec::new();
        tlv::push(&mut public_key, Tag(0xB0), public(key).as_bytes());
        tlv::push(&mut public_key, Tag(0xF0), &[0]);
        let objects = vec![
            (0x93, vec![1, 2, 3]),
            (0x42, issuer.into()),
            (0x5F20, subject.into()),
            (0x95, usage.to_vec()),
            (0x5F25, vec![0x20, 0x26, 0x01, 0x31]),
            (0x5F24, vec![0x20, 0x31, 0x12, 0x01]),
            (0x53, vec![9]),
            (0x7F49, public_key),
        ];
        Self { objects, plain: true }
    }

    fn with(mut self, tag: u32, value: &[u8]) -> Self {
        self.objects.iter_mut().find(|object| object.0 == tag).unwrap().1 = value.to_vec();
        self
    }

    fn without(mut self, tag: u32) -> Self {
        self.objects.retain(|object| object.0 != tag);
        self
    }

    fn signed(&self, key: u8) -> Vec<u8> {
        let mut body = Vec::new();
        self.objects.iter().for_each(|(tag, value)| tlv::push(&mut body, Tag(*tag), value));
        let signature: Signature = signer(key).sign_prehash(&sha2::Sha256::digest(&body)).unwrap();
        let signature = if self.plain { signature.to_bytes().to_vec() } else { signature.to_der().as_bytes().to_vec() };
        tlv::push(&mut body, Tag(0x5F37), &signature);
        let mut out = Vec::new();
        tlv::push(&mut out, Tag(0x7F21), &body);
        out
    }
}

const AGREES: &[u8] = &[0x00, 0x80];

fn verify(certificates: &[Vec<u8>], validity: Validity) -> Result<CardKey, Error> {
    CertificateChain::parse(&certificates.concat())?.verify(&public(1), validity)
}

#[test]
fn gp_chains() {
    let top = Gp::new("CA", "Middle", &[0x82], 2);
    let card = Gp::new("Middle", "Card", AGREES, 3);
    for plain in [true, false] {
        let (top, card) = (Gp { plain, ..top.clone() }.signed(1), Gp { plain, ..card.clone() }.signed(2));
        assert_eq!(*verify(&[top, card], Validity::NotChecked).unwrap().public_key(), public(3));
    }
    let signs = CertificateFault::Usage { expected: "signing certificates" };
    let agrees = CertificateFault::Usage { expected: "key agreement" };
    for (chain, index, expected) in [
        (vec![card.signed(2)], 0, CertificateFault::Signature),
        (vec![top.signed(1)], 0, agrees.clone()),
        (vec![card.clone().with(0x95, &[0x82]).signed(1)], 0, agrees),
        (vec![top.clone().with(0x95, AGREES).signed(1), card.signed(2)], 0, signs.clone()),
        (vec![top.clone().with(0x95, &[0x84]).signed(1), card.signed(2)], 0, signs),
        (vec![top.clone().with(0x5F20, b"Other").signed(1), card.signed(2)], 1, CertificateFault::Issuer),
        (vec![top.signed(1), card.signed(3)], 1, CertificateFault::Signature),
        (
            vec![card.clone().with(0x7F49, &[0xB0, 0]).signed(1)],
            0,
            CertificateFault::Format { what: "the public key (7F49)" },
        ),
    ] {
        assert_eq!(fault(verify(&chain, Validity::NotChecked)), (index, expected));
    }
}

#[test]
fn gp_certificates_have_all_objects_once() {
    let card = Gp::new("CA", "Card", AGREES, 3);
    for tag in [0x93, 0x42, 0x5F20, 0x95, 0x5F24, 0x7F49] {
        assert!(Certificate::parse(&card.clone().without(tag).signed(1)).is_err(), "{tag:X}");
        let mut twice = card.clone();
        twice.objects.push(twice.objects.iter().find(|object| object.0 == tag).unwrap().clone());
        assert!(Certificate::parse(&twice.signed(1)).is_err(), "{tag:X}");
    }
    for tag in [0x5F25, 0x53] {
        assert!(verify(&[card.clone().without(tag).signed(1)], Validity::NotChecked).is_ok(), "{tag:X}");
    }
    let mut unknown = card.clone();
    unknown.objects.push((0x5F4C, vec![1]));
    assert!(Certificate::parse(&unknown.signed(1)).is_err());
    for reference in [&[0x01][..], &[0x02], &[0x03], &[0x80, 0x00], &[]] {
        let mut key = Vec::new();
        tlv::push(&mut key, Tag(0xB0), public(3).as_bytes());
        tlv::push(&mut key, Tag(0xF0), reference);
        assert!(Certificate::parse(&card.clone().with(0x7F49, &key).signed(1)).is_err(), "{reference:02X?}");
    }
}

#[test]
fn gp_dates() {
    let card = Gp::new("CA", "Card", AGREES, 3);
    for (validity, is_valid) in [
        (on(2026, 1, 30), false),
        (on(2026, 1, 31), true),
        (on(2031, 12, 1), true),
        (on(2031, 12, 2), false),
        (Validity::NotChecked, true),
    ] {
        assert_eq!(verify(&[card.signed(1)], validity).is_ok(), is_valid, "{validity:?}");
    }
    let open = card.clone().without(0x5F25);
    assert!(verify(&[open.signed(1)], on(1999, 1, 1)).is_ok());
    for bad in [&[0x14, 0x1C, 0x0C, 0x1F][..], &[0x20, 0x31, 0x13, 0x01], &[0x20, 0x31, 0x12, 0x00], &[0x31], &[]] {
        let card = card.clone().with(0x5F24, bad).signed(1);
        assert!(verify(std::slice::from_ref(&card), Validity::NotChecked).is_ok());
        let refused = fault(verify(&[card], on(2027, 1, 1)));
        assert_eq!(refused, (0, CertificateFault::Format { what: "a date" }), "{bad:02X?}");
    }
}

#[test]
fn no_flipped_bit_of_a_gp_chain_is_accepted() {
    for plain in [true, false] {
        let top = Gp { plain, ..Gp::new("CA", "Middle", &[0x82], 2) }.signed(1);
        let card = Gp { plain, ..Gp::new("Middle", "Card", AGREES, 3) }.signed(2);
        let chain = [top, card].concat();
        for bit in 0..8 * chain.len() {
            let mut altered = chain.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let result = verify(&[altered], Validity::NotChecked);
            assert!(matches!(result, Err(Error::Certificate { .. })), "plain {plain}, bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn bytes_of_any_kind_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = CertificateChain::parse(&bytes);
        let _ = Certificate::parse(&bytes);
    }

    #[test]
    fn a_certificate_with_foreign_bytes_in_it_is_refused(
        at in 0_usize..300, bytes in proptest::collection::vec(any::<u8>(), 0..8), cut in 0_usize..8,
    ) {
        let good = Gp::new("CA", "Card", AGREES, 3).signed(1);
        let at = at.min(good.len());
        let mut altered = good.clone();
        altered.splice(at..(at + cut).min(good.len()), bytes);
        prop_assume!(altered != good);
        prop_assert!(verify(&[altered], Validity::NotChecked).is_err());
    }
}
