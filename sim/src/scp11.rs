//! The card's side of SCP11 a, b and c on P-256 (Amd F, as recorded sessions show it), with certificates of the format 7F21.

use cardwright_apdu::tlv::{self, Reader, Tag};
use cardwright_apdu::{CommandApduRef, Instruction, StatusWord};
use minicbor::{Decode, Encode};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::{PublicKey, SecretKey};
use sha2::{Digest, Sha256};

use crate::card::{Answer, JavaCard, done};
use crate::channel::{Dek, SecureChannel, Session};
use crate::crypto::Aes;
use crate::scp03;

/// Key version of all keys of SCP11.
const VERSION: u8 = 0x03;
/// PK.CA-KLOC.ECDSA.
const CA: u8 = 0x10;
const SCP11A: u8 = 0x11;
const SCP11B: u8 = 0x13;
const SCP11C: u8 = 0x15;

/// More blocks of a certificate, or more certificates, follow.
const MORE: u8 = 0x80;
/// The longest certificate that the card takes, in bytes.
const LONGEST: usize = 1024;

/// What a card that speaks SCP11 holds besides: one key pair on P-256, of version 03, for the key identifiers 11, 13 and 15.
#[derive(Clone, Encode, Decode)]
pub struct Scp11Keys {
    #[cbor(n(0), with = "minicbor::bytes")]
    secret: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    certificates: Vec<u8>,
    #[cbor(n(2), with = "minicbor::bytes")]
    ca: Vec<u8>,
    #[n(3)]
    s16: bool,
}

impl Scp11Keys {
    /// SK.SD.ECKA, what GET DATA BF21 gives (the certificates), PK.CA-KLOC.ECDSA (an uncompressed point), and whether MACs have 16
    /// bytes. `None` when a key is none of P-256.
    #[must_use]
    pub fn new(secret: [u8; 32], certificates: impl Into<Vec<u8>>, ca: &[u8], s16: bool) -> Option<Self> {
        SecretKey::from_slice(&secret).ok()?;
        PublicKey::from_sec1_bytes(ca).ok()?;
        Some(Self { secret: secret.to_vec(), certificates: certificates.into(), ca: ca.to_vec(), s16 })
    }
}

/// What the host has presented in this card session.
#[derive(Default)]
pub(crate) struct Presented {
    /// Blocks of a certificate that is not complete.
    blocks: Vec<u8>,
    /// The key of the last certificate that is not the host's own, and its subject.
    issuer: Option<(PublicKey, Vec<u8>)>,
    /// PK.OCE.ECKA.
    host: Option<PublicKey>,
}

impl JavaCard {
    /// A command of SCP11 outside of a session; `None` when it is none of them.
    pub(crate) fn scp11(&mut self, command: &CommandApduRef<'_>) -> Option<Answer> {
        let keys = self.memory.config.scp11.clone()?;
        match (command.cla.0, command.ins) {
            (0x00 | 0x80, Instruction::GET_DATA) if (command.p1, command.p2) == (0xBF, 0x21) => {
                Some(certificates(&keys, command.data))
            }
            (0x80 | 0x90, Instruction::PERFORM_SECURITY_OPERATION) => Some(self.verify_certificate(&keys, command)),
            (0x80, Instruction::EXTERNAL_AUTHENTICATE | Instruction::INTERNAL_AUTHENTICATE) => {
                // Whatever it comes to, what was open before is closed.
                self.session.channel = SecureChannel::Closed;
                Some(self.authenticate(&keys, command))
            }
            _ => None,
        }
    }

    /// PERFORM SECURITY OPERATION [verify certificate].
    fn verify_certificate(&mut self, keys: &Scp11Keys, command: &CommandApduRef<'_>) -> Answer {
        let more_blocks = command.cla.0 == 0x90;
        if more_blocks != (command.p1 & MORE != 0) {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        if (command.p1 & !MORE, command.p2 & !MORE) != (VERSION, CA) {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
        }
        let presented = &mut self.session.presented;
        presented.host = None;
        presented.blocks.extend_from_slice(command.data);
        if presented.blocks.len() > LONGEST {
            presented.blocks.clear();
            return Err(StatusWord::WRONG_LENGTH);
        }
        if more_blocks {
            return done([]);
        }
        let bytes = std::mem::take(&mut presented.blocks);
        let (issuer, name) = match presented.issuer.take() {
            Some((key, subject)) => (key, Some(subject)),
            None => (PublicKey::from_sec1_bytes(&keys.ca).map_err(|_| StatusWord::WRONG_DATA)?, None),
        };
        let certificate = Certificate::read(&bytes).ok_or(StatusWord::WRONG_DATA)?;
        if !certificate.is_signed_by(&issuer) || name.is_some_and(|name| name != certificate.issuer) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        match (command.p2 & MORE != 0, certificate.usage) {
            (true, [0x82]) => presented.issuer = Some((certificate.key, certificate.subject.to_vec())),
            (false, [0x00, 0x80]) => presented.host = Some(certificate.key),
            _ => return Err(StatusWord::SECURITY_NOT_SATISFIED),
        }
        done([])
    }

    /// MUTUAL AUTHENTICATE and INTERNAL AUTHENTICATE.
    fn authenticate(&mut self, keys: &Scp11Keys, command: &CommandApduRef<'_>) -> Answer {
        let mutual = command.ins == Instruction::EXTERNAL_AUTHENTICATE;
        let expected = match (command.p2, mutual) {
            (SCP11A, true) => 0x01,
            (SCP11B, false) => 0x00,
            (SCP11C, true) => 0x03,
            _ => return Err(StatusWord::REFERENCED_DATA_NOT_FOUND),
        };
        if command.p1 != VERSION {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
        }
        let request = Request::read(command.data).ok_or(StatusWord::WRONG_DATA)?;
        if request.parameters != expected {
            return Err(StatusWord::WRONG_DATA);
        }
        let secret = SecretKey::from_slice(&keys.secret).map_err(|_| StatusWord::WRONG_DATA)?;
        let ephemeral = if command.p2 == SCP11C {
            secret.clone()
        } else {
            SecretKey::from_slice(&self.memory.random::<32>()).map_err(|_| StatusWord::CONDITIONS_NOT_SATISFIED)?
        };
        let host = match (mutual, self.session.presented.host) {
            (true, host) => host.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?,
            (false, _) => request.key,
        };
        let shared = |own: &SecretKey, peer: &PublicKey| -> Vec<u8> {
            p256::ecdh::diffie_hellman(own.to_nonzero_scalar(), peer.as_affine()).raw_secret_bytes().to_vec()
        };
        let secrets = [shared(&ephemeral, &request.key), shared(&secret, &host)].concat();
        let length = usize::from(request.key_length);
        let mut material = Vec::new();
        for counter in 1_u32..=6 {
            let hash = Sha256::new().chain_update(&secrets).chain_update(counter.to_be_bytes());
            material.extend_from_slice(&hash.chain_update([request.usage, 0x88, request.key_length]).finalize());
        }
        let mut parts = material.chunks(length);
        let mut next = || parts.next().and_then(Aes::new).ok_or(StatusWord::WRONG_DATA);
        let (receipt, enc, mac, rmac) = (next()?, next()?, next()?, next()?);
        let dek = parts.next().unwrap_or_default().to_vec();

        let mut answer = Vec::new();
        let point = VerifyingKey::from(ephemeral.public_key()).to_sec1_point(false);
        tlv::push(&mut answer, Tag(0x5F49), point.as_bytes());
        let receipt = receipt.cmac(&[command.data, &answer]);
        tlv::push(&mut answer, Tag(0x86), &receipt);
        let channel = scp03::Channel::agreed(enc, mac, rmac, receipt, if keys.s16 { 16 } else { 8 });
        let level = if request.usage == 0x3C { 0x33 } else { 0x11 };
        let session = Session::agreed(level, Dek::Aes(dek), channel, mutual);
        self.session.channel = SecureChannel::Open(session);
        done(answer)
    }
}

/// GET DATA BF21 for one key.
fn certificates(keys: &Scp11Keys, data: &[u8]) -> Answer {
    match data {
        [0xA6, 4, 0x83, 2, SCP11A | SCP11B | SCP11C, VERSION] => {
            let mut answer = Vec::new();
            tlv::push(&mut answer, Tag(0xBF21), &keys.certificates);
            done(answer)
        }
        [0xA6, 4, 0x83, 2, ..] => Err(StatusWord::REFERENCED_DATA_NOT_FOUND),
        _ => Err(StatusWord::WRONG_DATA),
    }
}

/// Data of MUTUAL AUTHENTICATE.
struct Request {
    parameters: u8,
    usage: u8,
    key_length: u8,
    key: PublicKey,
}

impl Request {
    fn read(data: &[u8]) -> Option<Self> {
        // A6 in the one form that the recordings show.
        let (template, rest) = data.split_first_chunk::<15>()?;
        let [0xA6, 0x0D, 0x90, 2, 0x11, parameters, 0x95, 1, usage, 0x80, 1, 0x88, 0x81, 1, key_length] = *template
        else {
            return None;
        };
        let key = rest.strip_prefix(&[0x5F, 0x49, 65])?;
        let is_supported = matches!(usage, 0x34 | 0x3C) && matches!(key_length, 16 | 24 | 32) && key.len() == 65;
        let key = PublicKey::from_sec1_bytes(key).ok()?;
        is_supported.then_some(Self { parameters, usage, key_length, key })
    }
}

/// A certificate 7F21.
struct Certificate<'a> {
    issuer: &'a [u8],
    subject: &'a [u8],
    usage: &'a [u8],
    key: PublicKey,
    signed: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Certificate<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut outer = Reader::new(bytes);
        let whole = outer.read().ok()??;
        if whole.tag != Tag(0x7F21) || !outer.rest().is_empty() {
            return None;
        }
        let find = |tag| tlv::find(whole.value, Tag(tag)).map(|object| object.value);
        let signature = tlv::find(whole.value, Tag(0x5F37))?;
        if signature.offset + 3 + signature.value.len() != whole.value.len() {
            return None;
        }
        let key = find(0x7F49)?.strip_prefix(&[0xB0, 65])?.strip_suffix(&[0xF0, 1, 0])?;
        Some(Self {
            issuer: find(0x42)?,
            subject: find(0x5F20)?,
            usage: find(0x95)?,
            key: PublicKey::from_sec1_bytes(key).ok()?,
            signed: &whole.value[..signature.offset],
            signature: signature.value,
        })
    }

    fn is_signed_by(&self, issuer: &PublicKey) -> bool {
        let Ok(signature) = Signature::from_slice(self.signature) else { return false };
        VerifyingKey::from(issuer).verify_prehash(&Sha256::digest(self.signed), &signature).is_ok()
    }
}
