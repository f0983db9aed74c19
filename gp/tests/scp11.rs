//! SCP11 against recorded sessions: every byte that the host sends, and every response that it reads.
//!
//! The recordings lie outside the project; their tests skip where the file is absent.

mod support;

use cardwright_apdu::{CommandApdu, ResponseApdu};
use cardwright_gp::channel::Protocol;
use cardwright_gp::channel::scp11::{
    AesKeyLength, BlockMark, CardKey, Certificate, CertificateChain, HostIdentity, KeyAgreement, KeyReference,
    MacLength, Parameters, Validity, Variant, offer, read_certificate,
};
use cardwright_gp::{CardFault, Error, SecureChannel, SecurityLevel};
use cardwright_keys::scp11::EphemeralSeed;
use cardwright_keys::{EcCurve, EcPublicKey, KeyKind, KeyRef, KeyService, SoftwareKeys};
use p256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use serde_json::Value;

fn recordings() -> Vec<Value> {
    let Some(all) = support::all_published() else { return Vec::new() };
    let found: Vec<_> = all.into_iter().filter(|v| v["id"].as_str().unwrap().starts_with("scp11")).collect();
    assert!(found.len() >= 7);
    found
}

fn id(v: &Value) -> &str {
    v["id"].as_str().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn list(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().map(|list| list.iter().map(bytes).collect()).unwrap_or_default()
}

fn curve(v: &Value) -> EcCurve {
    if v["inputs"]["curve"] == "BP256" { EcCurve::BrainpoolP256 } else { EcCurve::P256 }
}

/// The certificate that the recorded blocks carry.
fn certificate(v: &Value) -> Vec<u8> {
    let blocks = list(&v["inputs"]["pso_commands"]);
    blocks.iter().flat_map(|block| CommandApdu::parse(block).unwrap().data().to_vec()).collect()
}

fn parameters(v: &Value) -> Parameters {
    let host = HostIdentity {
        key: KeyRef::new("SK.OCE"),
        ca: KeyReference { kid: 0x10, kvn: 0x03 },
        chain: vec![certificate(v)],
        blocks: BlockMark::ClassAndP1,
    };
    let (variant, kid) = if id(v).starts_with("scp11c") { (Variant::C(host), 0x15) } else { (Variant::A(host), 0x11) };
    Parameters {
        key_length: match bytes(&v["inputs"]["shared_info"])[2] {
            16 => AesKeyLength::Aes128,
            24 => AesKeyLength::Aes192,
            _ => AesKeyLength::Aes256,
        },
        mac_length: if id(v).ends_with("s16") { MacLength::S16 } else { MacLength::S8 },
        ..Parameters::new(variant, KeyReference { kid, kvn: 0x03 })
    }
}

/// Every bit is flipped in one recording of each curve and variant, and every seventh in the others, which differ in lengths.
fn step(v: &Value) -> usize {
    if id(v).ends_with("p256-aes128-s8") { 1 } else { 7 }
}

/// What a run changes of a recording.
#[derive(Clone)]
struct Run {
    card_key: Vec<u8>,
    answer: Vec<u8>,
    own_static: Vec<u8>,
    ephemeral: Vec<u8>,
}

impl Run {
    fn of(v: &Value) -> Self {
        let inputs = &v["inputs"];
        Self {
            card_key: bytes(&inputs["pk_sd_static"]),
            answer: bytes(&inputs["authenticate_response"]),
            own_static: bytes(&inputs["sk_oce_static"]),
            ephemeral: bytes(&inputs["esk_oce"]),
        }
    }

    /// Runs it up to the open channel; gives the command as well.
    fn open(&self, v: &Value) -> Result<(SecureChannel, CommandApdu), Error> {
        let curve = curve(v);
        let mut keys = SoftwareKeys::new();
        keys.insert("SK.OCE", KeyKind::Ec(curve), &self.own_static)?;
        let mut seed = [0; EphemeralSeed::LEN];
        seed[EphemeralSeed::LEN - 32..].copy_from_slice(&self.ephemeral);
        let card = CardKey::known(EcPublicKey::new(curve, &self.card_key)?);
        let (state, request) = KeyAgreement::new(parameters(v), card, EphemeralSeed::new(seed))?;
        let (state, command) = state.authenticate(&keys.answer(&request)?.into_public_key()?)?;
        let answer = state.handle_response(&ResponseApdu::parse(&self.answer).unwrap())?;
        let session = keys.answer(&answer.key_request())?.into_scp11()?;
        Ok((answer.verify(session)?, command))
    }
}

#[test]
fn every_recorded_session_reproduces() {
    let mut steps = 0;
    for v in recordings() {
        let inputs = &v["inputs"];
        // The recording of SCP11c asks for the certificate of the key of SCP11a.
        for command in list(&inputs["get_data_command"]) {
            let key = KeyReference { kid: 0x11, kvn: 0x03 };
            assert_eq!(read_certificate(key).to_bytes().unwrap(), command, "{}", id(&v));
        }
        let parameters = parameters(&v);
        let offered = offer(parameters.variant.host().unwrap()).unwrap();
        let offered: Vec<_> = offered.iter().map(|command| command.to_bytes().unwrap()).collect();
        assert_eq!(offered, list(&inputs["pso_commands"]), "{}", id(&v));
        let (mut channel, command) = Run::of(&v).open(&v).unwrap();
        assert_eq!(command.to_bytes().unwrap(), bytes(&inputs["authenticate_command"]), "{}", id(&v));
        let s16 = id(&v).ends_with("s16");
        assert_eq!(channel.protocol(), if s16 { Protocol::Scp11S16 } else { Protocol::Scp11 });
        assert_eq!(channel.max_data(), if s16 { 223 } else { 239 });
        assert_eq!(channel.level().bits(), bytes(&inputs["security_level"])[0]);
        assert_eq!(channel.session_dek().unwrap().expose_bytes(), bytes(&v["expected"]["dek"]));
        for step in v["expected"]["steps"].as_array().unwrap() {
            let plain = CommandApdu::parse(&bytes(&step["plain"])).unwrap();
            let wrapped = channel.wrap(&plain).unwrap();
            assert_eq!(wrapped.to_bytes().unwrap(), bytes(&step["wrapped"]), "{}", id(&v));
            let response = ResponseApdu::parse(&bytes(&step["response"])).unwrap();
            assert_eq!(channel.unwrap(response).unwrap().to_bytes(), bytes(&step["response_plain"]), "{}", id(&v));
            steps += 1;
        }
    }
    assert!(steps == 0 || steps >= 7);
}

#[test]
fn every_flipped_bit_of_the_answer_is_refused_and_nothing_is_open() {
    for v in recordings() {
        let run = Run::of(&v);
        for bit in (0..8 * run.answer.len()).step_by(step(&v)) {
            let mut altered = run.clone();
            altered.answer[bit / 8] ^= 1 << (bit % 8);
            let error = altered.open(&v).map(drop).unwrap_err();
            let is_status = bit / 8 >= run.answer.len() - 2;
            let is_receipt = (bit / 8 >= run.answer.len() - 18) && !is_status;
            match error {
                Error::Refused { .. } => assert!(is_status, "{} bit {bit}", id(&v)),
                Error::Card { fault: CardFault::SessionReceipt, .. } => assert!(is_receipt, "{} bit {bit}", id(&v)),
                Error::Card { fault: CardFault::PublicKey { .. }, .. } => {
                    assert!(!is_receipt && !is_status, "{} bit {bit}", id(&v));
                }
                Error::Card {
                    fault: CardFault::Tlv(_) | CardFault::Missing { .. } | CardFault::Length { .. }, ..
                } => {}
                other => panic!("{} bit {bit}: {other}", id(&v)),
            }
        }
    }
}

#[test]
fn an_answer_with_more_or_less_in_it_is_refused() {
    for v in recordings() {
        let run = Run::of(&v);
        let (data, receipt_at) = (&run.answer[..run.answer.len() - 2], run.answer.len() - 20);
        let (key, receipt) = data.split_at(receipt_at);
        let mut other_card = run.clone();
        other_card.own_static[31] ^= 1;
        assert!(matches!(other_card.open(&v), Err(Error::Card { fault: CardFault::SessionReceipt, .. })));
        for (what, answer) in [
            ("nothing", vec![]),
            ("no receipt", key.to_vec()),
            ("no key", receipt.to_vec()),
            ("the other order", [receipt, key].concat()),
            ("one more object", [data, &[0x86, 0x00]].concat()),
            ("a byte more", [data, &[0x00]].concat()),
            ("a short receipt", [key, &[0x86, 0x08], &receipt[2..10]].concat()),
            ("an empty receipt", [key, &[0x86, 0x00]].concat()),
            ("a length in two bytes", [&key[..2], &[0x81], &key[2..], receipt].concat()),
        ] {
            let altered = Run { answer: [&answer[..], &[0x90, 0x00]].concat(), ..run.clone() };
            assert!(matches!(altered.open(&v), Err(Error::Card { .. })), "{}: {what}", id(&v));
        }
    }
}

#[test]
fn flipped_bits_of_any_key_are_refused() {
    for v in recordings() {
        let run = Run::of(&v);
        for bit in (0..8 * run.card_key.len()).step_by(step(&v)) {
            let mut altered = run.clone();
            altered.card_key[bit / 8] ^= 1 << (bit % 8);
            assert!(altered.open(&v).is_err(), "{} bit {bit}", id(&v));
        }
        for bit in (0..256).step_by(13) {
            for which in 0..2 {
                let mut altered = run.clone();
                let key = if which == 0 { &mut altered.own_static } else { &mut altered.ephemeral };
                key[bit / 8] ^= 1 << (bit % 8);
                assert!(altered.open(&v).is_err(), "{} key {which} bit {bit}", id(&v));
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_a_protected_response_closes_the_channel() {
    for v in recordings() {
        let step = &v["expected"]["steps"][0];
        let plain = CommandApdu::parse(&bytes(&step["plain"])).unwrap();
        let response = bytes(&step["response"]);
        for bit in (0..8 * (response.len() - 2)).step_by(11) {
            let (mut channel, _) = Run::of(&v).open(&v).unwrap();
            channel.wrap(&plain).unwrap();
            let mut altered = response.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(channel.unwrap(ResponseApdu::parse(&altered).unwrap()).is_err(), "{} bit {bit}", id(&v));
            assert!(!channel.is_open() && channel.wrap(&plain).is_err());
        }
    }
}

/// The CA's key is not published; what it has signed gives two candidates, and its identifier says which one it is.
fn ca_of(signed: &[u8], signature: &[u8], identifier: &[u8]) -> Option<EcPublicKey> {
    use sha2::Digest as _;
    let signature = Signature::from_der(signature).unwrap();
    let digest = sha2::Sha256::digest(signed);
    [false, true].iter().find_map(|odd| {
        let key = VerifyingKey::recover_from_prehash(&digest, &signature, RecoveryId::new(*odd, false)).ok()?;
        let point = key.to_sec1_point(false).as_bytes().to_vec();
        (sha1::Sha1::digest(&point)[..] == *identifier).then(|| EcPublicKey::new(EcCurve::P256, &point).unwrap())
    })
}

/// The recorded certificates of the host verify with the CA that they name, and no altered one does.
#[test]
fn recorded_certificates_verify_and_altered_ones_do_not() {
    let mut formats = [0, 0];
    for v in recordings() {
        let certificate = certificate(&v);
        let read = Certificate::parse(&certificate).unwrap();
        assert_eq!(read.as_bytes(), certificate);
        let at = |needle: &str| {
            let needle = hex::decode(needle).unwrap();
            certificate.windows(needle.len()).rposition(|window| window == needle).unwrap() + needle.len()
        };
        let ca = match &read {
            Certificate::Gp(_) => {
                formats[0] += 1;
                let signature = at("5F3747");
                ca_of(&certificate[4..signature - 3], &certificate[signature..], read.issuer())
            }
            _ => {
                formats[1] += 1;
                let length = usize::from(u16::from_be_bytes([certificate[6], certificate[7]]));
                let signature = 8 + length + 12 + 3;
                // The authority key identifier.
                let identifier = at("0603551D23041830168014");
                ca_of(&certificate[4..8 + length], &certificate[signature..], &certificate[identifier..identifier + 20])
            }
        };
        let ca = ca.expect("the CA's identifier is the hash of its key");
        let chain = CertificateChain::parse(&certificate).unwrap();
        let card = chain.verify(&ca, Validity::NotChecked).unwrap();
        assert_eq!(card.public_key(), read.public_key());
        for bit in 0..8 * certificate.len() {
            let mut altered = certificate.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let result = CertificateChain::parse(&altered).and_then(|chain| chain.verify(&ca, Validity::NotChecked));
            assert!(matches!(result, Err(Error::Certificate { .. })), "{} bit {bit}", id(&v));
        }
    }
    assert!(formats == [0, 0] || formats[0] >= 1 && formats[1] >= 2, "{formats:?}");
}

#[test]
fn levels_that_cannot_be_agreed_on_are_refused() {
    let key = EcPublicKey::new(EcCurve::P256, &generator()).unwrap();
    for level in [0x00, 0x01, 0x03, 0x10, 0x11, 0x13, 0x33] {
        let parameters = Parameters {
            level: SecurityLevel::new(level).unwrap(),
            ..Parameters::new(Variant::B, KeyReference { kid: 0x13, kvn: 0x01 })
        };
        let seed = EphemeralSeed::new([7; EphemeralSeed::LEN]);
        let state = KeyAgreement::new(parameters, CardKey::known(key.clone()), seed);
        assert_eq!(state.is_ok(), level == 0x11 || level == 0x33, "{level:02X}");
        let Ok((state, request)) = state else { continue };
        let ephemeral = SoftwareKeys::new().answer(&request).unwrap().into_public_key().unwrap();
        let (_, command) = state.authenticate(&ephemeral).unwrap();
        let usage = if level == 0x33 { "3C" } else { "34" };
        let expected = format!("8088011353A60D900211009501{usage}8001888101105F494104");
        assert!(hex::encode_upper(command.to_bytes().unwrap()).starts_with(&expected));
    }
}

/// A point of P-256: its generator.
fn generator() -> Vec<u8> {
    let key = p256::SecretKey::from_slice(&[&[0; 31][..], &[1]].concat()).unwrap();
    p256::ecdsa::VerifyingKey::from(key.public_key()).to_sec1_point(false).as_bytes().to_vec()
}

#[test]
fn a_chain_of_the_host_is_offered_block_by_block() {
    let mut host = HostIdentity {
        key: KeyRef::new("SK.OCE"),
        ca: KeyReference { kid: 0x20, kvn: 0x7F },
        chain: vec![vec![1; 255], vec![2; 256]],
        blocks: BlockMark::ClassAndP1,
    };
    let headers = |host: &HostIdentity| -> Vec<_> {
        let commands = offer(host).unwrap();
        commands.iter().map(|c| (c.class().0, c.p1(), c.p2(), c.nc())).collect()
    };
    assert_eq!(
        headers(&host),
        [(0x80, 0x7F, 0xA0, 255), (0x90, 0xFF, 0x20, 255), (0x80, 0x7F, 0x20, 1)],
        "P2 tells of more certificates, class and P1 of more blocks"
    );
    host.blocks = BlockMark::Class;
    assert_eq!(headers(&host)[1], (0x90, 0x7F, 0x20, 255));
    host.chain.push(Vec::new());
    assert!(offer(&host).is_err());
    host.chain = Vec::new();
    assert!(offer(&host).unwrap().is_empty());
    host.ca.kvn = 0x80;
    assert!(offer(&host).is_err());
}
