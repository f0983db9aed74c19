//! Keys on a SoftHSM token: the answers are those of software keys, and what goes wrong has its name.

#[path = "support/token.rs"]
mod token;

use std::time::{Duration, Instant};

use cardwright_keys::pboc::{MacAlgorithm, MacPadding, MacSuite, PurseKeyUse, PurseMac};
use cardwright_keys::pkcs11::{KeyUse, Pin, Pkcs11Error, Pkcs11Keys, Pkcs11Options, TokenName};
use cardwright_keys::scp11::EphemeralSeed;
use cardwright_keys::signature::{PublicKey, RsaPublicKey};
use cardwright_keys::{
    CardData, Diversification, EcCurve, EcPublicKey, KeyAnswer, KeyEncryptionKey, KeyError, KeyKind, KeyPurpose,
    KeyRef, KeyRequest, KeyService, KeySet, KeyValue, PseudoRandomChallenge, SoftwareKeys,
};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType};
use cryptoki::types::AuthPin;
use token::{LABEL, PIN, TestToken, for_card, master, with_token};

const KDD: [u8; 10] = [0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0x01];

/// Published keys: the test key of GlobalPlatform cards, of SP 800-38B, of PBOC examples.
fn values() -> Vec<(&'static str, KeyKind, Vec<u8>)> {
    let key = |text: &str| hex::decode(text).unwrap();
    vec![
        ("aes-16", KeyKind::Aes, key("404142434445464748494A4B4C4D4E4F")),
        ("aes-24", KeyKind::Aes, key("8E73B0F7DA0E6452C810F32B809079E562F8EAD2522C6B7B")),
        ("aes-32", KeyKind::Aes, key("603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4")),
        ("des", KeyKind::Tdes, key("404142434445464748494A4B4C4D4E4F")),
        ("pboc", KeyKind::Tdes, key("00112233445566778899AABBCCDDEEFF")),
    ]
}

/// The same keys on the token and in memory; `new-…` may be wrapped.
fn both(token: &TestToken) -> (Pkcs11Keys, SoftwareKeys) {
    let mut software = SoftwareKeys::new();
    for (name, kind, value) in values() {
        for (name, attributes) in [(name.to_string(), master()), (format!("new-{name}"), for_card())] {
            token.import(&name, kind, &value, &attributes);
            software.insert(name, kind, &value).unwrap();
        }
        if kind == KeyKind::Tdes {
            let left = [&value[..8], &value[..8]].concat();
            token.import(&format!("{name}/left"), kind, &left, &master());
        }
    }
    (token.keys(), software)
}

/// Everything in an answer.
fn contents(answer: &KeyAnswer) -> String {
    let key = |key: &KeyValue| hex::encode(key.expose_bytes());
    match answer {
        KeyAnswer::Session(session) => {
            let keys = &session.keys;
            let more = [&keys.rmac, &keys.dek].map(|one| one.as_ref().map(key));
            format!("{} {} {more:?} {:?}", key(&keys.enc), key(&keys.mac), session.card_challenge)
        }
        KeyAnswer::Wrapped(wrapped) => format!("{wrapped:?} {}", hex::encode(&wrapped.cipher)),
        KeyAnswer::Data(data) => hex::encode(data.expose_bytes()),
        KeyAnswer::KeyCommand(command) => format!("{command:?} {}", hex::encode(&command.data)),
        other => format!("{other:?}"),
    }
}

fn steps(kind: KeyKind) -> Vec<Diversification> {
    let purposes = [KeyPurpose::Enc, KeyPurpose::Mac, KeyPurpose::Dek];
    let said = |text: &str| {
        let (kdd, purpose) = (KDD, KeyPurpose::Mac);
        Diversification::Template { template: text.parse().unwrap(), kind, kdd, purpose }
    };
    match kind {
        // Of one whole block, of a part of one and of more than one.
        KeyKind::Aes => purposes
            .map(|purpose| Diversification::Kdf3 { kdd: KDD, purpose })
            .into_iter()
            .chain(["i k kdd", "i 00 00 00 k 00 kdd", "i k kdd kdd"].map(said))
            .collect(),
        _ => [Diversification::Pboc { factor: *b"\x12\x34\x56\x78\x9A\xBC\xDE\xF0" }]
            .into_iter()
            .chain(purposes.map(|purpose| Diversification::Emv { kdd: KDD, purpose }))
            .chain(purposes.map(|purpose| Diversification::Visa2 { kdd: KDD, purpose }))
            .chain(purposes.map(|purpose| Diversification::Visa { kdd: KDD, purpose }))
            .chain([said("kdd[4..10] F0 k kdd[4..10] 0F k")])
            .collect(),
    }
}

/// Keys as they are, derived, and derived twice.
fn references(kind: KeyKind) -> Vec<KeyRef> {
    let mut references = Vec::new();
    for (name, _, _) in values().into_iter().filter(|(_, found, _)| *found == kind) {
        references.push(KeyRef::new(name));
        for step in steps(kind) {
            references.push(KeyRef::new(name).diversified(step));
        }
        let twice = KeyRef::new(name).diversified(steps(kind)[0]).diversified(steps(kind)[1]);
        references.push(twice);
    }
    references
}

fn sessions() -> Vec<KeyRequest> {
    let mut requests = Vec::new();
    for key in references(KeyKind::Tdes) {
        let keys = KeySet::same(key);
        let (host_challenge, card_challenge) = ([0x11; 8], *b"\x00\x01\x02\x03\x04\x05\x06\x07");
        requests.push(KeyRequest::Scp01Session { keys: keys.clone(), host_challenge, card_challenge });
        requests.push(KeyRequest::Scp02Session { keys, sequence_counter: [0x00, 0x2A] });
    }
    for key in references(KeyKind::Aes) {
        for length in [8, 16] {
            let challenge =
                PseudoRandomChallenge { sequence_counter: [0, 0, 7], aid: vec![0xA0, 0, 0, 1, 0x51, 0, 0, 0], length };
            for challenge in [None, Some(challenge)] {
                let keys = KeySet::same(key.clone());
                requests.push(KeyRequest::Scp03Session { keys, context: vec![0x5A; 2 * length], challenge });
            }
        }
    }
    requests
}

fn pboc() -> Vec<KeyRequest> {
    let mut requests = Vec::new();
    let iv = *b"\xA1\xA2\xA3\xA4\x00\x00\x00\x00";
    let new = KeyRef::new("des").diversified(Diversification::Pboc { factor: [3; 8] });
    let suites = [MacPadding::Always, MacPadding::WhenUnaligned]
        .map(|padding| MacSuite { algorithm: MacAlgorithm::Tdes, padding });
    for key in references(KeyKind::Tdes) {
        requests.push(KeyRequest::Cryptogram { key: key.clone(), challenge: vec![1, 2, 3, 4, 0, 0, 0, 0] });
        for (suite, length) in
            suites.into_iter().flat_map(|suite| [0, 1, 7, 8, 9, 16, 200].map(|length| (suite, length)))
        {
            requests.push(KeyRequest::Mac { suite, key: key.clone(), iv, data: (0..length).collect() });
            requests.push(KeyRequest::Encipher { key: key.clone(), data: CardData::new((0..length).collect()) });
        }
        let uses = [PurseKeyUse::Session { input: [0x5A; 8] }, PurseKeyUse::Whole, PurseKeyUse::Folded];
        // A token takes no key of its own apart.
        for key_use in uses.into_iter().filter(|key_use| *key_use != PurseKeyUse::Folded || !key.steps().is_empty()) {
            let mac = PurseMac { key: key.clone(), key_use, data: vec![0xC5; 15] };
            requests.push(KeyRequest::VerifyPurseMac { mac: mac.clone(), received: [1, 2, 3, 4] });
            requests.push(KeyRequest::PurseMac(mac));
        }
        for key_header in [vec![], vec![0x39, 0xF0, 0x02, 0x33, 0xFF], vec![9; 15]] {
            let (suite, under, key) = (suites[1], key.clone(), new.clone());
            requests.push(KeyRequest::KeyCommand {
                suite,
                under,
                header: [0x84, 0xD4, 0x01, 0x00],
                key_header,
                key,
                iv,
            });
        }
    }
    requests
}

fn signatures() -> Vec<KeyRequest> {
    let keys = references(KeyKind::Tdes).into_iter().chain(references(KeyKind::Aes));
    let signature = |key: KeyRef| {
        [0, 7, 8, 16, 17, 300].map(|length| KeyRequest::Signature { key: key.clone(), data: vec![0xC5; length] })
    };
    keys.flat_map(signature).collect()
}

fn assert_same(token: &TestToken, requests: &[KeyRequest]) {
    let (mut hardware, mut software) = both(token);
    for request in requests {
        let expected = contents(&software.answer(request).unwrap());
        let answer = hardware.answer(request).unwrap_or_else(|error| panic!("{request:?}: {error}"));
        assert_eq!(contents(&answer), expected, "{request:?}");
    }
    assert_eq!(token.session_objects(), 0, "session objects were left");
}

#[test]
fn sessions_are_those_of_software_keys() {
    with_token("sessions_are_those_of_software_keys", |token| assert_same(token, &sessions()));
}

#[test]
fn pboc_answers_are_those_of_software_keys() {
    with_token("pboc_answers_are_those_of_software_keys", |token| assert_same(token, &pboc()));
}

#[test]
fn signatures_are_those_of_software_keys() {
    with_token("signatures_are_those_of_software_keys", |token| assert_same(token, &signatures()));
}

/// By every scheme of GPCS 2.3.1 table C-1 that has a private key; the key stays on the token.
#[test]
fn private_keys_of_the_token_sign_content_management() {
    with_token("private_keys_of_the_token_sign_content_management", |token| {
        let session = token.session();
        let label = |name: &str| Attribute::Label(name.as_bytes().to_vec());
        let private = |name: &str| {
            [
                label(name),
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Sign(true),
            ]
        };
        let message = b"a load token is computed over this";
        let mut keys = token.keys();
        let mut sign = |name: &str| {
            let request = KeyRequest::Signature { key: KeyRef::new(name), data: message.to_vec() };
            keys.answer(&request).unwrap().into_signature().unwrap()
        };
        for bits in [1024_u64, 2048] {
            let name = format!("rsa-{bits}");
            let public = [
                label(&name),
                Attribute::ModulusBits(bits.into()),
                Attribute::PublicExponent(vec![1, 0, 1]),
                Attribute::Verify(true),
            ];
            let (public, _) =
                session.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private(&name)).unwrap();
            let modulus = session.get_attributes(public, &[AttributeType::Modulus]).unwrap();
            let [Attribute::Modulus(modulus)] = &modulus[..] else { panic!("{modulus:?}") };
            let key = PublicKey::Rsa(RsaPublicKey::new(modulus, &[1, 0, 1]).unwrap());
            let signature = sign(&name);
            assert_eq!(signature.len(), bits as usize / 8);
            key.verify(message, &signature).unwrap();
            assert_eq!(key.verify(b"another", &signature), Err(KeyError::Signature));
        }
        for (curve, oid, length) in [
            (EcCurve::P256, "06082A8648CE3D030107", 64),
            (EcCurve::P384, "06052B81040022", 96),
            (EcCurve::BrainpoolP256, "06092B2403030208010107", 64),
        ] {
            let name = curve.name();
            let public = [label(name), Attribute::EcParams(hex::decode(oid).unwrap()), Attribute::Verify(true)];
            let (public, _) = session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private(name)).unwrap();
            let point = session.get_attributes(public, &[AttributeType::EcPoint]).unwrap();
            let [Attribute::EcPoint(point)] = &point[..] else { panic!("{point:?}") };
            // An OCTET STRING around it.
            let point = &point[point.len() - curve.point_len()..];
            let key = PublicKey::Ec(EcPublicKey::new(curve, point).unwrap());
            let signature = sign(name);
            assert_eq!(signature.len(), length);
            key.verify(message, &signature).unwrap();
            assert_eq!(key.verify(b"another", &signature), Err(KeyError::Signature));
        }
        let missing = KeyRequest::Signature { key: KeyRef::new("nothing"), data: Vec::new() };
        assert_eq!(keys.answer(&missing).unwrap_err(), KeyError::NotFound { key: "nothing".into() });
    });
}

#[test]
fn load_files_are_enciphered_as_by_software_keys() {
    with_token("load_files_are_enciphered_as_by_software_keys", |token| {
        let mut requests = Vec::new();
        for (kind, block) in [(KeyKind::Tdes, 8), (KeyKind::Aes, 16)] {
            for key in references(kind) {
                for (icv, length) in [(0, 0), (block, 1), (block, 16), (0, 5000)] {
                    let (key, icv) = (key.clone(), vec![0x1C; icv]);
                    let data = CardData::new((0..length).map(|i| i as u8).collect());
                    requests.push(KeyRequest::CipherLoadFile { key, icv, data });
                }
            }
        }
        assert_same(token, &requests);
        let (mut keys, _) = (token.keys(), ());
        let data = CardData::new(vec![1]);
        let wrong = KeyRequest::CipherLoadFile { key: KeyRef::new("des"), icv: vec![0; 16], data };
        assert_eq!(keys.answer(&wrong).unwrap_err(), KeyError::DataLength { actual: 16, limit: 8 });
    });
}

#[test]
fn scp11_goes_without_a_static_key_only() {
    with_token("scp11_goes_without_a_static_key_only", |token| {
        let (mut hardware, mut software) = both(token);
        let seed = |byte| EphemeralSeed::new([byte; EphemeralSeed::LEN]);
        let ephemeral = |byte| KeyRequest::Scp11Ephemeral { curve: EcCurve::P256, seed: seed(byte) };
        let mut public = |byte| {
            let [theirs, ours] = [hardware.answer(&ephemeral(byte)), software.answer(&ephemeral(byte))]
                .map(|answer| answer.unwrap().into_public_key().unwrap());
            assert_eq!(theirs.as_bytes(), ours.as_bytes());
            ours
        };
        let (card_static, card_ephemeral) = (public(2), public(3));
        let mut request = KeyRequest::Scp11Session {
            own_static: None,
            seed: seed(1),
            card_static,
            card_ephemeral,
            shared_info: vec![0x3C, 0x88, 0x10],
            key_length: 16,
        };
        let [theirs, ours] =
            [hardware.answer(&request), software.answer(&request)].map(|answer| answer.unwrap().into_scp11().unwrap());
        assert!(theirs.receipt_key.is_equal(&ours.receipt_key));
        assert!(theirs.keys.enc.is_equal(&ours.keys.enc));
        if let KeyRequest::Scp11Session { own_static, .. } = &mut request {
            *own_static = Some(KeyRef::new("host"));
        }
        assert!(matches!(hardware.answer(&request), Err(KeyError::Lacks { .. })));
    });
}

#[test]
fn wrapped_keys_are_those_of_software_keys() {
    with_token("wrapped_keys_are_those_of_software_keys", |token| {
        let mut requests = Vec::new();
        let mut keys = references(KeyKind::Aes);
        keys.retain(|key| !key.steps().is_empty());
        // Not the one of 24 bytes: SoftHSM wraps whole blocks only.
        keys.extend(["new-aes-16", "new-aes-32"].map(KeyRef::new));
        for key in &keys {
            for dek in references(KeyKind::Aes) {
                requests.push(KeyRequest::Wrap { key: key.clone(), under: KeyEncryptionKey::Static(dek) });
            }
        }
        for (key, dek) in keys.iter().zip([16, 24, 32].into_iter().cycle()) {
            let under = KeyEncryptionKey::SessionAes(KeyValue::new(&vec![0x38; dek]).unwrap());
            requests.push(KeyRequest::Wrap { key: key.clone(), under });
        }
        let mut keys = references(KeyKind::Tdes);
        keys.retain(|key| !key.steps().is_empty());
        for key in keys {
            let dek = KeyValue::new(&[0x37; 16]).unwrap();
            requests.push(KeyRequest::Wrap { key: key.clone(), under: KeyEncryptionKey::Session(dek.clone()) });
            requests.push(KeyRequest::Wrap { key: key.clone(), under: KeyEncryptionKey::SessionCbc(dek) });
            for dek in references(KeyKind::Tdes).into_iter().chain(references(KeyKind::Aes)) {
                requests.push(KeyRequest::Wrap { key: key.clone(), under: KeyEncryptionKey::Static(dek) });
            }
        }
        assert_same(token, &requests);
    });
}

#[test]
fn what_softhsm_cannot_do_has_its_name() {
    with_token("what_softhsm_cannot_do_has_its_name", |token| {
        let (mut keys, _) = both(token);
        let wrap = |key: &str, under| KeyRequest::Wrap { key: KeyRef::new(key), under };
        let dek = KeyValue::new(&[0x37; 16]).unwrap();
        let cases = [
            (wrap("new-des", KeyEncryptionKey::Session(dek.clone())), "CKM_DES3_ECB"),
            (wrap("new-des", KeyEncryptionKey::SessionCbc(dek)), "CKM_DES3_CBC"),
            (wrap("new-des", KeyEncryptionKey::Static(KeyRef::new("des"))), "CKM_DES3_ECB"),
            (wrap("new-aes-24", KeyEncryptionKey::Static(KeyRef::new("aes-16"))), "CKM_AES_CBC"),
            (
                KeyRequest::Mac {
                    suite: MacSuite::default(),
                    key: KeyRef::new("new-pboc"),
                    iv: [0; 8],
                    data: vec![1; 8],
                },
                "new-pboc/left",
            ),
            (
                KeyRequest::PurseMac(PurseMac {
                    key: KeyRef::new("new-pboc"),
                    key_use: PurseKeyUse::Folded,
                    data: vec![1; 8],
                }),
                "xored",
            ),
        ];
        for (request, what) in cases {
            let error = keys.answer(&request).unwrap_err();
            assert!(matches!(&error, KeyError::Lacks { what: said } if said.contains(what)), "{request:?}: {error}");
        }
        assert_eq!(token.session_objects(), 0);
    });
}

#[test]
fn a_derived_key_is_in_memory_only_where_it_may_be() {
    with_token("a_derived_key_is_in_memory_only_where_it_may_be", |token| {
        both(token);
        let mut keys = Pkcs11Keys::open(token.options()).unwrap();
        let kdf3 = |purpose| Diversification::Kdf3 { kdd: KDD, purpose };
        let session = |master: &str| KeyRequest::Scp03Session {
            keys: KeySet::derived(&KeyRef::new(master), kdf3),
            context: vec![1; 16],
            challenge: None,
        };
        assert!(keys.answer(&session("aes-16")).is_ok());
        let pboc = KeyRef::new("pboc").diversified(Diversification::Pboc { factor: [1; 8] });
        let cryptogram = KeyRequest::Cryptogram { key: pboc, challenge: vec![2; 8] };
        for request in [session("aes-24"), session("aes-32"), cryptogram] {
            let error = keys.answer(&request).unwrap_err();
            assert!(matches!(&error, KeyError::Refused { reason } if reason.contains("memory")), "{error}");
            assert!(token.keys().answer(&request).is_ok());
        }
    });
}

#[test]
fn what_is_wrong_with_a_key_has_its_name() {
    with_token("what_is_wrong_with_a_key_has_its_name", |token| {
        let (mut keys, _) = both(token);
        let cryptogram = |name: &str| KeyRequest::Cryptogram { key: KeyRef::new(name), challenge: vec![0; 8] };
        let missing = KeyError::NotFound { key: "nothing".into() };
        assert_eq!(keys.answer(&cryptogram("nothing")).unwrap_err(), missing);
        let wrong = KeyError::Kind { key: "aes-16".into(), expected: KeyKind::Tdes, actual: KeyKind::Aes };
        assert_eq!(keys.answer(&cryptogram("aes-16")).unwrap_err(), wrong);
        let pboc = Diversification::Pboc { factor: [1; 8] };
        let derived = KeyRequest::Cryptogram { key: KeyRef::new("aes-16").diversified(pboc), challenge: vec![0; 8] };
        assert_eq!(keys.answer(&derived).unwrap_err(), wrong);

        for _ in 0..2 {
            token.import("twice", KeyKind::Tdes, &[7; 16], &master());
        }
        token.import("idle", KeyKind::Tdes, &[9; 16], &[Attribute::Encrypt(false)]);
        let wrap = |key: &str, dek: &str| KeyRequest::Wrap {
            key: KeyRef::new(key),
            under: KeyEncryptionKey::Static(KeyRef::new(dek)),
        };
        token.import("no-wrap", KeyKind::Aes, &[5; 16], &[Attribute::Wrap(false)]);
        let (suite, under) = (MacSuite::default(), KeyRef::new("pboc"));
        let command = KeyRequest::KeyCommand {
            suite,
            under,
            header: [0; 4],
            key_header: vec![],
            key: KeyRef::new("des"),
            iv: [0; 8],
        };
        let cases = [
            (cryptogram("twice"), "2 keys have the label"),
            (cryptogram("idle"), "CKA_ENCRYPT"),
            (wrap("aes-16", "aes-16"), "CKA_EXTRACTABLE"),
            (wrap("new-aes-16", "no-wrap"), "CKA_WRAP"),
            (command, "derive the card's key"),
        ];
        for (request, what) in cases {
            let error = keys.answer(&request).unwrap_err();
            assert!(matches!(&error, KeyError::Refused { reason } if reason.contains(what)), "{request:?}: {error}");
            assert!(keys.answer(&cryptogram("des")).is_ok(), "the session goes on after {error}");
        }
    });
}

#[test]
fn a_token_that_cannot_be_opened_says_why() {
    with_token("a_token_that_cannot_be_opened_says_why", |token| {
        let open = |module: &std::path::Path, name: TokenName, pin: &str| {
            Pkcs11Keys::open(Pkcs11Options::new(module, name, Pin::new(pin))).map(|_| ()).unwrap_err()
        };
        let nowhere = token.folder.join("no.so");
        let label = TokenName::Label(LABEL.into());
        let error = open(&nowhere, label.clone(), PIN);
        assert!(matches!(&error, Pkcs11Error::ModuleNotFound { path, .. } if *path == nowhere), "{error}");
        let no_module = token.folder.join("softhsm2.conf");
        assert!(matches!(open(&no_module, label.clone(), PIN), Pkcs11Error::ModuleNotFound { .. }));
        let other = TokenName::Label("other".into());
        let error = open(&token.module, other, PIN);
        assert!(matches!(&error, Pkcs11Error::TokenNotFound { found, .. } if found[0].contains(LABEL)), "{error}");
        let error = open(&token.module, TokenName::Serial("0000".into()), PIN);
        assert!(matches!(error, Pkcs11Error::TokenNotFound { .. }), "{error}");

        let info = token.library.get_token_info(token.library.get_slots_with_initialized_token().unwrap()[0]).unwrap();
        let serial = TokenName::Serial(info.serial_number().into());
        Pkcs11Keys::open(Pkcs11Options::new(&token.module, serial, Pin::new(PIN))).unwrap();
        token.session().logout().unwrap();
        let error = open(&token.module, label.clone(), "000000");
        assert_eq!(error, Pkcs11Error::PinIncorrect { token: label, final_try: false });
        assert!(error.to_string().contains("lock"), "{error}");
        Pkcs11Keys::open(token.options()).unwrap();
        assert!(!format!("{:?}", token.keys()).contains(PIN));
    });
}

#[test]
fn after_a_lost_session_the_next_request_connects_again() {
    with_token("after_a_lost_session_the_next_request_connects_again", |token| {
        let (mut keys, mut software) = both(token);
        let request = KeyRequest::Cryptogram { key: KeyRef::new("des"), challenge: vec![8; 8] };
        let expected = contents(&software.answer(&request).unwrap());
        for _ in 0..3 {
            assert_eq!(contents(&keys.answer(&request).unwrap()), expected);
            token.pull();
            let error = keys.answer(&request).unwrap_err();
            assert!(matches!(error, KeyError::Unavailable { .. }), "{error}");
        }
        assert_eq!(contents(&keys.answer(&request).unwrap()), expected);

        // A token that is gone for good is asked for again each time.
        let (tokens, aside) = (token.folder.join("tokens"), token.folder.join("aside"));
        std::fs::rename(&tokens, &aside).unwrap();
        std::fs::create_dir(&tokens).unwrap();
        token.restart();
        for _ in 0..2 {
            assert!(matches!(keys.answer(&request).unwrap_err(), KeyError::Unavailable { .. }));
        }
        std::fs::remove_dir(&tokens).unwrap();
        std::fs::rename(&aside, &tokens).unwrap();
        token.restart();
        assert_eq!(contents(&keys.answer(&request).unwrap()), expected);
    });
}

#[test]
fn a_pin_that_was_refused_is_not_tried_again() {
    with_token("a_pin_that_was_refused_is_not_tried_again", |token| {
        let (mut keys, _) = both(token);
        let request = KeyRequest::Cryptogram { key: KeyRef::new("des"), challenge: vec![8; 8] };
        let (old, new) = (AuthPin::from(PIN), AuthPin::from("999999"));
        token.session().set_pin(&old, &new).unwrap();
        token.pull();
        assert!(matches!(keys.answer(&request).unwrap_err(), KeyError::Unavailable { .. }));
        let refused = |error: &KeyError| matches!(error, KeyError::Refused { reason } if reason.contains("PIN"));
        let error = keys.answer(&request).unwrap_err();
        assert!(refused(&error), "{error}");
        // The PIN would be right again, and is not tried: only a new service does that.
        token.session().login(cryptoki::session::UserType::User, Some(&new)).unwrap();
        token.session().set_pin(&new, &old).unwrap();
        token.session().logout().unwrap();
        let error = keys.answer(&request).unwrap_err();
        assert!(refused(&error), "{error}");
        assert!(token.keys().answer(&request).is_ok());
    });
}

#[test]
fn no_key_is_on_the_disk_in_plain() {
    with_token("no_key_is_on_the_disk_in_plain", |token| {
        both(token);
        assert!(token::lies_in(&token.folder, LABEL.as_bytes()), "the search finds what is there");
        for (name, _, value) in values() {
            assert!(!token::lies_in(&token.folder, &value), "{name}");
        }
    });
}

#[test]
fn a_new_key_is_known_to_nobody_and_never_replaces_another() {
    with_token("a_new_key_is_known_to_nobody_and_never_replaces_another", |token| {
        let mut keys = token.keys();
        let kept = [AttributeType::Sensitive, AttributeType::AlwaysSensitive, AttributeType::NeverExtractable];
        let way_back = [AttributeType::Decrypt, AttributeType::Unwrap];
        let lengths = [(KeyKind::Aes, 16), (KeyKind::Aes, 24), (KeyKind::Aes, 32), (KeyKind::Tdes, 16)];
        for (kind, length) in lengths {
            for key_use in [KeyUse::Master, KeyUse::Static, KeyUse::ForCard] {
                let name = format!("{kind}-{length}-{key_use:?}");
                let kcv = keys.generate(&name, kind, length, key_use).unwrap();
                let key = token.find(&name);
                assert_eq!(token.is_set(key, &kept), [true, true, key_use != KeyUse::ForCard], "{name}");
                assert_eq!(token.is_set(key, &way_back), [false; 2], "{name}");
                assert!(token.session().get_attributes(key, &[AttributeType::Value]).unwrap().is_empty());
                assert!(matches!(keys.generate(&name, kind, length, key_use), Err(KeyError::Refused { .. })));
                if key_use == KeyUse::ForCard && kind == KeyKind::Aes && length != 24 {
                    let under = KeyEncryptionKey::Static(KeyRef::new("AES-16-Static"));
                    let wrap = KeyRequest::Wrap { key: KeyRef::new(&name), under };
                    assert_eq!(keys.answer(&wrap).unwrap().into_wrapped().unwrap().kcv, kcv);
                }
            }
        }
        for (kind, length) in [(KeyKind::Aes, 8), (KeyKind::Tdes, 8), (KeyKind::Tdes, 24)] {
            let wrong = Err(KeyError::Length { actual: length });
            assert_eq!(keys.generate("wrong", kind, length, KeyUse::Static), wrong);
        }
    });
}

/// Not a check: `cargo test --release -p cardwright-keys --features pkcs11 --test pkcs11 speed -- --ignored --nocapture`.
#[test]
#[ignore = "prints numbers"]
fn speed() {
    with_token("speed", |token| {
        let (mut keys, _) = both(token);
        let kdf3 = |purpose| Diversification::Kdf3 { kdd: KDD, purpose };
        let scp03 = |keys| KeyRequest::Scp03Session { keys, context: vec![1; 16], challenge: None };
        let same = |name: &str| KeySet::same(KeyRef::new(name));
        let derived = |name: &str| KeySet::derived(&KeyRef::new(name), kdf3);
        let wrap = |key, dek| KeyRequest::Wrap { key, under: KeyEncryptionKey::Static(KeyRef::new(dek)) };
        let cases = [
            ("SCP03 session, AES-128", scp03(same("aes-16"))),
            ("SCP03 session, AES-256", scp03(same("aes-32"))),
            ("SCP03 session, AES-128 with KDF3", scp03(derived("aes-16"))),
            ("SCP03 session, AES-256 with KDF3", scp03(derived("aes-32"))),
            ("SCP02 session", KeyRequest::Scp02Session { keys: same("des"), sequence_counter: [0, 1] }),
            ("wrap, AES-128", wrap(KeyRef::new("new-aes-16"), "aes-16")),
            ("wrap, AES-128 with KDF3", wrap(derived("aes-16").enc, "aes-16")),
            ("cryptogram", KeyRequest::Cryptogram { key: KeyRef::new("des"), challenge: vec![0; 8] }),
        ];
        for (name, request) in cases {
            let begun = Instant::now();
            let mut count = 0;
            while begun.elapsed() < Duration::from_secs(1) {
                keys.answer(&request).unwrap();
                count += 1;
            }
            println!("{name}: {:.0} in a second", f64::from(count) / begun.elapsed().as_secs_f64());
        }
    });
}
