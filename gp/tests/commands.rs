//! Bytes of commands and answers: published values, and the standard's tables.

mod support;

use cardwright_apdu::{Aid, CommandApdu};
use cardwright_gp::card_data::{
    CardCapabilities, CardRecognitionData, CardResources, Cplc, KeyInformation, SignatureSchemes,
};
use cardwright_gp::command::{self, InstallForInstall, InstallForLoad, PutKey, Scope, StatusTarget};
use cardwright_gp::load_file::HashAlgorithm;
use cardwright_gp::{LifeCycle, Privileges, Registry};
use cardwright_keys::{KeyCheckValue, KeyKind, WrappedKey};
use serde_json::Value;

use support::published;

fn hex(command: &CommandApdu) -> String {
    hex::encode_upper(command.to_bytes().unwrap())
}

fn aid(text: &str) -> Aid {
    text.parse().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn delete_commands() {
    if let Some(v) = published("delete-object") {
        assert_eq!(hex(&command::delete(&aid("0102030405"), true)), v["expected"]["apdu"].as_str().unwrap());
    }
    if let Some(v) = published("delete-key") {
        assert_eq!(hex(&command::delete_key(Some(1), Some(2))), v["expected"]["apdu"].as_str().unwrap());
    }
    assert_eq!(hex(&command::delete(&aid("0102030405"), false)), "80E40000074F05010203040500");
    assert_eq!(hex(&command::delete_key(None, Some(0x70))), "80E4000003D2017000");
}

#[test]
fn install_commands() {
    if let Some(v) = published("install-load") {
        let inputs = &v["inputs"];
        let (hash, parameters, token) = (bytes(&inputs["lfdbh"]), bytes(&inputs["params"]), bytes(&inputs["token"]));
        let domain = Some(aid(inputs["second_aid"].as_str().unwrap()));
        let install = InstallForLoad {
            hash: &hash,
            parameters: &parameters,
            token: &token,
            ..InstallForLoad::new(aid(inputs["first_aid"].as_str().unwrap()), domain)
        };
        assert_eq!(hex(&install.command().unwrap()), v["expected"]["apdu"].as_str().unwrap());
    }
    if let Some(v) = published("install-load-keycard") {
        let install = InstallForLoad::new(aid("53746174757357616C6C6574"), Some(aid("A000000151000000")));
        assert_eq!(hex::encode_upper(install.command().unwrap().data()), v["expected"]["data"].as_str().unwrap());
    }
    let module = aid("A00000000101");
    let install = InstallForInstall::new(aid("A000000001"), module, module).with_parameters(&[0xAB]);
    assert_eq!(
        hex(&install.and_make_selectable().unwrap()),
        "80E60C001B05A00000000106A0000000010106A00000000101010003C901AB0000"
    );
    let install = InstallForInstall { privileges: Privileges([0, 0, 0x20]), ..install };
    assert!(hex(&install.command().unwrap()).contains("03000020"));
    let selectable = command::install_for_make_selectable(&module, Privileges::NONE).unwrap();
    assert_eq!(hex(&selectable), "80E608000D000006A000000001010100000000");
    let long = [0; 250];
    let long = InstallForInstall::new(module, module, module).with_parameters(&long).command().unwrap();
    assert!(long.nc() > 255, "a secure channel makes a chain of it");
}

#[test]
fn status_and_data_commands() {
    assert_eq!(
        hex(&command::set_status(StatusTarget::Application(aid("A000000001")), LifeCycle(0x80))),
        "80F0408005A000000001"
    );
    assert_eq!(hex(&command::set_status(StatusTarget::Card, LifeCycle::CARD_LOCKED)), "80F0807F");
    assert_eq!(hex(&command::store_data(0x10, 0, true, &[1, 2])), "80E29000020102");
    // Bit 1 of P1 announces a response with data (GPCS 2.3.1 table 11-89).
    assert_eq!(hex(&command::store_data(0x01, 3, false, &[1])), "80E20103010100");
    assert_eq!(hex(&command::get_status(Scope::Applications, None, true)), "80F24003024F0000");
    assert_eq!(hex(&command::select(None)), "00A4040000");
}

fn wrapped(kind: KeyKind, length: usize, cipher_len: usize) -> WrappedKey {
    WrappedKey { kind, length, cipher: vec![0xEE; cipher_len], kcv: KeyCheckValue([1, 2, 3]) }
}

#[test]
fn put_key_commands() {
    let put = |keys, under_aes| PutKey { replace: Some(0x30), kvn: 0x31, first_kid: 1, keys, under_aes };
    let cipher = |n: usize| "EE".repeat(n);
    let des = put(vec![wrapped(KeyKind::Tdes, 16, 16)], false);
    assert_eq!(hex(&des.command().unwrap()), format!("80D8300117318010{}0301020300", cipher(16)));
    // Under an AES key the length of the key comes first (Amd D 7.2.1); three keys set bit 8 of P2.
    let aes = |length, cipher_len| put(vec![wrapped(KeyKind::Aes, length, cipher_len); 3], true);
    let one = format!("881110{}03010203", cipher(16));
    assert_eq!(hex(&aes(16, 16).command().unwrap()), format!("80D830814631{one}{one}{one}00"));
    assert!(hex(&aes(24, 32).command().unwrap()).contains(&format!("882118{}03010203", cipher(32))));
    assert!(hex(&aes(32, 32).command().unwrap()).contains(&format!("882120{}03010203", cipher(32))));
    // A DES key under an AES key.
    let mixed = put(vec![wrapped(KeyKind::Tdes, 16, 16)], true).command().unwrap();
    assert!(hex(&mixed).contains(&format!("801110{}03010203", cipher(16))));
    for (kvn, replace) in [(0, None), (0x80, None), (1, Some(0xFF)), (1, Some(0))] {
        let keys = vec![wrapped(KeyKind::Aes, 16, 16)];
        assert!(PutKey { replace, kvn, first_kid: 1, keys, under_aes: true }.command().is_err(), "{kvn} {replace:?}");
    }
}

#[test]
fn the_answer_to_put_key_must_show_version_and_check_values() {
    let keys = vec![wrapped(KeyKind::Aes, 16, 16); 2];
    let put = PutKey { replace: None, kvn: 1, first_kid: 1, keys, under_aes: true };
    assert!(put.verify(&[1, 1, 2, 3, 1, 2, 3]).is_ok());
    let error = |answer: &[u8]| put.verify(answer).unwrap_err().to_string();
    assert_eq!(error(&[1, 1, 2, 3, 1, 2, 9]), "PUT KEY: check value of key 2: expected 010203, the card gave 010209");
    assert!(error(&[2, 1, 2, 3, 1, 2, 3]).contains("key version at offset 0"));
    assert!(error(&[]).contains("the card gave 0 bytes"));
}

#[test]
fn published_answers_are_read() {
    if let Some(v) = published("kit-rsa") {
        let keys = KeyInformation::parse(&bytes(&v["inputs"]["data"]));
        assert_eq!(keys.len(), v["expected"]["keys"].as_array().unwrap().len());
        for (key, expected) in keys.iter().zip(v["expected"]["keys"].as_array().unwrap()) {
            assert_eq!(
                (key.kid, key.kvn),
                (expected["id"].as_u64().unwrap() as u8, expected["version"].as_u64().unwrap() as u8)
            );
        }
    }
    if let Some(v) = published("kit-pysim") {
        let keys = KeyInformation::parse(&bytes(&v["inputs"]["data"]));
        let found: Vec<_> = keys.iter().map(|key| (key.kid, key.kvn, key.components.as_slice())).collect();
        assert_eq!(found, [(1, 112, &[(0x80, 16)][..]), (2, 112, &[(0x80, 16)])]);
    }
    if let Some(v) = published("caps-1") {
        let data = bytes(&v["inputs"]["data"]);
        let card = CardCapabilities::parse(&data);
        let protocols: Vec<_> =
            card.protocols.iter().map(|found| (found.protocol, &found.options[..], found.keys)).collect();
        let scp03 = [0x00, 0x10, 0x20, 0x30, 0x60, 0x70];
        assert_eq!(protocols, [(3, &scp03[..], Some(0x07)), (2, &[0x15, 0x55][..], None)]);
        assert_eq!(card.domain_privileges, Some(Privileges([0xFF, 0x9E, 0x00])));
        assert_eq!(card.application_privileges, Some(Privileges([0x1E, 0x16, 0x00])));
        assert_eq!((card.hashes.as_slice(), card.load_file_ciphers), (&[HashAlgorithm::Sha256][..], 0x8F));
        assert!(card.tokens.contains(SignatureSchemes::ECDSA_521) && !card.tokens.contains(SignatureSchemes(0x0400)));
        // A template in a template, as one card gives it.
        let doubled = [&[0x67, data.len() as u8][..], &data].concat();
        assert_eq!(CardCapabilities::parse(&doubled).protocols, card.protocols);
    }
    if let Some(v) = published("ff21-resources") {
        let card = CardResources::parse(&bytes(&v["inputs"]["data"]));
        let number = |name: &str| v["expected"][name].as_u64().map(|number| number as u32);
        assert_eq!(card.applications, number("applications"));
        assert_eq!((card.free_non_volatile, card.free_volatile), (number("free_nv"), number("free_volatile")));
    }
    for (id, version, protocol) in [("crd-1", &[2, 1, 1][..], (2, 0x15)), ("crd-2", &[2, 2], (3, 0x70))] {
        if let Some(v) = published(id) {
            let data = CardRecognitionData::parse(&bytes(&v["inputs"]["data"]));
            assert_eq!((data.version.as_slice(), data.protocols[0]), (version, protocol));
        }
    }
    if let Some(v) = published("cplc-kaoh-2") {
        let cplc = Cplc::parse(&bytes(&v["inputs"]["data"])).unwrap();
        assert_eq!(hex::encode_upper(cplc.ic_serial()), v["expected"]["serial"].as_str().unwrap());
    }
    for id in ["isd-e3-partial", "isd-e3-initialized"] {
        if let Some(v) = published(id) {
            let mut registry = Registry::default();
            registry.extend(Scope::IssuerSecurityDomain, &bytes(&v["inputs"]["data"])).unwrap();
            let entry = registry.issuer_security_domain().unwrap();
            let expected = &v["expected"];
            assert_eq!(entry.aid, aid(expected["aid"].as_str().unwrap()));
            let selected: Vec<_> = entry.implicit_selection.iter().map(|found| format!("{:02X}", found.0)).collect();
            let listed = expected["implicit_selection"].as_array().cloned().unwrap_or_default();
            assert_eq!(selected, listed.iter().map(|byte| byte.as_str().unwrap()).collect::<Vec<_>>());
            let privileges = bytes(&expected["privileges"]);
            assert_eq!(&entry.privileges.0[..privileges.len()], privileges);
            assert_eq!(
                entry.life_cycle.map(|state| format!("{:02X}", state.0)).as_deref(),
                expected["life_cycle"].as_str()
            );
        }
    }
}
