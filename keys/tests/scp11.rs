//! Keys of SCP11. Published values lie outside the project: their tests skip where the file is absent.

#[path = "support/vectors.rs"]
mod vectors;

use cardwright_keys::scp11::{EphemeralSeed, x963};
use cardwright_keys::{EcCurve, EcPublicKey, KeyError, KeyKind, KeyRef, KeyRequest, KeyService, SoftwareKeys};

use vectors::{bytes, published};

const CURVES: [EcCurve; 3] = [EcCurve::P256, EcCurve::P384, EcCurve::BrainpoolP256];

/// The seed that gives this private key.
fn seed_of(key: &[u8]) -> EphemeralSeed {
    let mut seed = [0; EphemeralSeed::LEN];
    seed[EphemeralSeed::LEN - key.len()..].copy_from_slice(key);
    EphemeralSeed::new(seed)
}

/// The service's public key for a private one.
fn public(curve: EcCurve, key: &[u8]) -> EcPublicKey {
    let request = KeyRequest::Scp11Ephemeral { curve, seed: seed_of(key) };
    SoftwareKeys::new().answer(&request).unwrap().into_public_key().unwrap()
}

#[test]
fn published_x963_outputs() {
    for v in published("x963-") {
        let (inputs, expected) = (&v["inputs"], &v["expected"]);
        let output = x963(&bytes(&inputs["shared_secret"]), &bytes(&inputs["shared_info"]), 48);
        for (at, name) in ["initial_mac_chaining", "s_enc", "s_mac"].iter().enumerate() {
            assert_eq!(output[16 * at..][..16], bytes(&expected[name]), "{} {name}", v["id"]);
        }
    }
}

#[test]
fn published_session_keys() {
    for v in published("scp11") {
        let (inputs, expected) = (&v["inputs"], &v["expected"]);
        let curve = if inputs["curve"] == "BP256" { EcCurve::BrainpoolP256 } else { EcCurve::P256 };
        let point = |name: &str| EcPublicKey::new(curve, &bytes(&inputs[name])).unwrap();
        let session = |own: &[u8], seed: EphemeralSeed| {
            let mut keys = SoftwareKeys::new();
            keys.insert("SK.OCE", KeyKind::Ec(curve), own).unwrap();
            let shared_info = bytes(&inputs["shared_info"]);
            let request = KeyRequest::Scp11Session {
                own_static: Some(KeyRef::new("SK.OCE")),
                seed,
                card_static: point("pk_sd_static"),
                card_ephemeral: point("epk_sd"),
                key_length: usize::from(shared_info[2]),
                shared_info,
            };
            keys.answer(&request).unwrap().into_scp11().unwrap()
        };
        let (own, ephemeral) = (bytes(&inputs["sk_oce_static"]), bytes(&inputs["esk_oce"]));
        let answer = session(&own, seed_of(&ephemeral));
        let keys = &answer.keys;
        for (name, key) in [
            ("receipt_key", &answer.receipt_key),
            ("s_enc", &keys.enc),
            ("s_mac", &keys.mac),
            ("s_rmac", keys.rmac.as_ref().unwrap()),
            ("dek", keys.dek.as_ref().unwrap()),
        ] {
            assert_eq!(key.expose_bytes(), bytes(&expected[name]), "{} {name}", v["id"]);
        }
        for bit in (0..256).step_by(17) {
            let altered = |key: &[u8]| {
                let mut key = key.to_vec();
                key[31 - bit / 8] ^= 1 << (bit % 8);
                key
            };
            assert!(!session(&altered(&own), seed_of(&ephemeral)).receipt_key.is_equal(&answer.receipt_key));
            assert!(!session(&own, seed_of(&altered(&ephemeral))).receipt_key.is_equal(&answer.receipt_key));
        }
    }
}

#[test]
fn both_sides_agree_and_scp11b_needs_no_static_key() {
    for curve in CURVES {
        let host = [&vec![0x11; curve.field_len()][..], &vec![0x22; curve.field_len()]];
        let card = [&vec![0x33; curve.field_len()][..], &vec![0x44; curve.field_len()]];
        let session = |own: &[&[u8]; 2], peer: &[&[u8]; 2], with_static: bool| {
            let mut keys = SoftwareKeys::new();
            keys.insert("own", KeyKind::Ec(curve), own[0]).unwrap();
            let request = KeyRequest::Scp11Session {
                own_static: with_static.then(|| KeyRef::new("own")),
                seed: seed_of(own[1]),
                card_static: public(curve, peer[0]),
                card_ephemeral: public(curve, peer[1]),
                shared_info: vec![0x3C, 0x88, 0x20],
                key_length: 32,
            };
            keys.answer(&request).unwrap().into_scp11().unwrap().receipt_key
        };
        assert!(session(&host, &card, true).is_equal(&session(&card, &host, true)), "{curve}");
        let without = session(&host, &card, false);
        assert!(!without.is_equal(&session(&host, &card, true)), "{curve}");
        assert!(without.is_equal(&session(&[host[1], host[1]], &card, true)), "{curve}: eSK.OCE in place of SK.OCE");
    }
}

#[test]
fn a_seed_is_taken_modulo_the_order() {
    let order = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";
    let mut above = hex::decode(order).unwrap();
    let request = |seed| KeyRequest::Scp11Ephemeral { curve: EcCurve::P256, seed };
    let refused = SoftwareKeys::new().answer(&request(seed_of(&above)));
    assert!(matches!(refused, Err(KeyError::PrivateKey { curve: EcCurve::P256 })), "the order itself is 0");
    above[31] += 5;
    let mut five = [0; 32];
    five[31] = 5;
    assert_eq!(public(EcCurve::P256, &above), public(EcCurve::P256, &five));
    let longest = SoftwareKeys::new().answer(&request(EphemeralSeed::new([0xFF; EphemeralSeed::LEN])));
    assert!(longest.is_ok());
}

#[test]
fn what_is_no_key_of_the_curve_is_refused() {
    for curve in CURVES {
        let mut keys = SoftwareKeys::new();
        for bad in [vec![0; curve.field_len()], vec![0xFF; curve.field_len()]] {
            let error = keys.insert("key", KeyKind::Ec(curve), &bad).unwrap_err();
            assert_eq!(error, KeyError::PrivateKey { curve });
        }
        for length in [0, 16, curve.field_len() - 1, curve.field_len() + 1] {
            let error = keys.insert("key", KeyKind::Ec(curve), &vec![1; length]).unwrap_err();
            assert_eq!(error, KeyError::Length { actual: length });
        }
        let point = public(curve, &vec![0x55; curve.field_len()]);
        let good = point.as_bytes().to_vec();
        assert!(EcPublicKey::new(curve, &good).is_ok());
        for bit in 0..8 * good.len() {
            let mut altered = good.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(EcPublicKey::new(curve, &altered).is_err(), "{curve}, bit {bit}");
        }
        let compressed = [&[0x02 + (good[good.len() - 1] & 1)], &good[1..][..curve.field_len()]].concat();
        for other in [&good[1..], &good[..good.len() - 1], &compressed, &[0], &[]] {
            assert!(EcPublicKey::new(curve, other).is_err());
        }
        let mut infinity = vec![0; curve.point_len()];
        infinity[0] = 0x04;
        assert!(EcPublicKey::new(curve, &infinity).is_err());
    }
}

#[test]
fn keys_of_other_kinds_and_curves_are_refused_where_a_session_names_them() {
    let mut keys = SoftwareKeys::new();
    keys.insert("aes", KeyKind::Aes, &[1; 32]).unwrap();
    keys.insert("brainpool", KeyKind::Ec(EcCurve::BrainpoolP256), &[1; 32]).unwrap();
    let (p256, p384) = (public(EcCurve::P256, &[1; 32]), public(EcCurve::P384, &[1; 48]));
    let mut session = |own: Option<&str>, card_ephemeral: &EcPublicKey, key_length| {
        let request = KeyRequest::Scp11Session {
            own_static: own.map(KeyRef::new),
            seed: seed_of(&[2; 32]),
            card_static: p256.clone(),
            card_ephemeral: card_ephemeral.clone(),
            shared_info: vec![0x3C, 0x88, 0x10],
            key_length,
        };
        keys.answer(&request).map(drop)
    };
    assert!(session(None, &p256, 16).is_ok());
    for own in ["aes", "brainpool"] {
        let error = session(Some(own), &p256, 16).unwrap_err();
        assert!(matches!(error, KeyError::Kind { expected: KeyKind::Ec(EcCurve::P256), .. }), "{error}");
    }
    assert!(matches!(session(Some("none"), &p256, 16), Err(KeyError::NotFound { .. })));
    assert!(matches!(session(None, &p384, 16), Err(KeyError::PublicKey { .. })));
    assert!(matches!(session(None, &p256, 15), Err(KeyError::Length { actual: 15 })));
}

#[test]
fn no_secret_is_printed() {
    let mut keys = SoftwareKeys::new();
    keys.insert("SK.OCE", KeyKind::Ec(EcCurve::P256), &[0xA7; 32]).unwrap();
    let request = KeyRequest::Scp11Session {
        own_static: Some(KeyRef::new("SK.OCE")),
        seed: EphemeralSeed::new([0xA7; EphemeralSeed::LEN]),
        card_static: public(EcCurve::P256, &[1; 32]),
        card_ephemeral: public(EcCurve::P256, &[2; 32]),
        shared_info: vec![0x3C, 0x88, 0x10],
        key_length: 16,
    };
    let answer = keys.answer(&request).unwrap();
    let text = format!("{keys:?} {request:?} {answer:?}");
    for secret in ["A7, A7", "a7a7", "A7A7", "167, 167"] {
        assert!(!text.contains(secret), "{text}");
    }
}
