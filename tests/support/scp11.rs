//! A software card that speaks SCP11, and a host that it knows: what the tests of SCP11 share.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test takes what it needs")]

use cardwright::apdu::{block_on, tlv, tlv::Tag};
use cardwright::gp::Error;
use cardwright::gp::channel::scp11::{
    BlockMark, CardKey, Date, HostIdentity, KeyReference, Parameters, Validity, Variant,
};
use cardwright::gp::procedure::{self, CardKeySource, OpenedScp11, Scp11Options};
use cardwright::keys::scp11::EphemeralSeed;
use cardwright::keys::{EcCurve, EcPublicKey, KeyKind, KeyRef, SoftwareKeys};
use cardwright_sim::{JavaCard, Scp11Keys, SimReader};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};
use sha2::Digest;

use crate::support;

/// Private keys of both sides and of the CA above them.
pub const CARD: [u8; 32] = [0x11; 32];
pub const HOST: [u8; 32] = [0x22; 32];
pub const MIDDLE: [u8; 32] = [0x33; 32];
pub const ROOT: [u8; 32] = [0x44; 32];

pub fn point(secret: [u8; 32]) -> Vec<u8> {
    let key = SigningKey::from_slice(&secret).unwrap();
    key.verifying_key().to_sec1_point(false).as_bytes().to_vec()
}

pub fn public(secret: [u8; 32]) -> EcPublicKey {
    EcPublicKey::new(EcCurve::P256, &point(secret)).unwrap()
}

pub fn object(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    tlv::push(&mut out, Tag(tag), value);
    out
}

/// A certificate 7F21.
pub fn certificate(issuer: &str, subject: &str, usage: &[u8], key: [u8; 32], signer: [u8; 32]) -> Vec<u8> {
    let body = [
        object(0x93, &[1]),
        object(0x42, issuer.as_bytes()),
        object(0x5F20, subject.as_bytes()),
        object(0x95, usage),
        object(0x5F24, &[0x20, 0x40, 0x01, 0x01]),
        // As long as to need two blocks.
        object(0x53, &[0; 150]),
        object(0x7F49, &[object(0xB0, &point(key)), object(0xF0, &[0])].concat()),
    ]
    .concat();
    let signer = SigningKey::from_slice(&signer).unwrap();
    let signature: Signature = signer.sign_prehash(&sha2::Sha256::digest(&body)).unwrap();
    object(0x7F21, &[body, object(0x5F37, &signature.to_bytes())].concat())
}

pub const SIGNS: &[u8] = &[0x82];
pub const AGREES: &[u8] = &[0x00, 0x80];

/// From the CA down to this key.
pub fn chain(subject: &str, key: [u8; 32]) -> Vec<Vec<u8>> {
    vec![certificate("Root", "Middle", SIGNS, MIDDLE, ROOT), certificate("Middle", subject, AGREES, key, MIDDLE)]
}

pub fn card(s16: bool) -> SimReader {
    let keys = Scp11Keys::new(CARD, chain("Card", CARD).concat(), &point(ROOT), s16).unwrap();
    SimReader::new(JavaCard::builder().seed(7).scp11(keys).build())
}

pub fn host(chain: Vec<Vec<u8>>) -> HostIdentity {
    let ca = KeyReference { kid: 0x10, kvn: 0x03 };
    HostIdentity { key: KeyRef::new("SK.OCE"), ca, chain, blocks: BlockMark::ClassAndP1 }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    A,
    B,
    C,
}

pub fn options(which: Which) -> Scp11Options {
    let host = host(chain("Host", HOST));
    let (variant, kid) = match which {
        Which::A => (Variant::A(host), 0x11),
        Which::B => (Variant::B, 0x13),
        Which::C => (Variant::C(host), 0x15),
    };
    let validity = Validity::On(Date::new(2026, 11, 22).unwrap());
    Scp11Options::new(
        Parameters::new(variant, KeyReference { kid, kvn: 0x03 }),
        CardKeySource::Certificates { ca: public(ROOT), validity, of: None },
    )
}

/// With this key of the card known.
pub fn known(which: Which, secret: [u8; 32]) -> Scp11Options {
    let mut options = options(which);
    options.card_key = CardKeySource::Known(CardKey::known(public(secret)));
    options
}

pub fn keys() -> SoftwareKeys {
    let mut keys = support::keys();
    keys.insert("SK.OCE", KeyKind::Ec(EcCurve::P256), &HOST).unwrap();
    keys.insert("new-aes", KeyKind::Aes, &[0xA5; 16]).unwrap();
    keys
}

pub fn open(reader: &mut SimReader, options: &Scp11Options) -> Result<OpenedScp11, Error> {
    let seed = EphemeralSeed::new([0x5E; EphemeralSeed::LEN]);
    block_on(procedure::open_scp11(reader, &mut keys(), options, seed))
}
