//! MILENAGE through the key service: what it answers, and what it does not give away.

use cardwright_keys::milenage::{KeyFilePart, MilenageKey, OperatorKey, SubscriberKeys};
use cardwright_keys::{KeyError, KeyKind, KeyRef, KeyRequest, KeyService, SoftwareKeys};

/// TS 35.208, test set 1.
const FILE: &str = "
k-1   K   465B5CE8B199B49FAA5F0A2EE238A6BC E4F3EA
op    OP  CDC202D5123E20F62B6D676AC72CB318 6FAE8C
opc-1 OPC CD63CB71954A9F4E48A5994E37A02BAF 8D81F0
other AES 465B5CE8B199B49FAA5F0A2EE238A6BC E4F3EA
";
const RAND: [u8; 16] = 0x2355_3CBE_9637_A89D_218A_E64D_AE47_BF35_u128.to_be_bytes();

fn keys() -> SoftwareKeys {
    let mut keys = SoftwareKeys::new();
    keys.insert_file(FILE).unwrap();
    keys
}

fn by_op() -> SubscriberKeys {
    SubscriberKeys { k: KeyRef::new("k-1"), operator: OperatorKey::Op(KeyRef::new("op")) }
}

fn by_opc() -> SubscriberKeys {
    SubscriberKeys { k: KeyRef::new("k-1"), operator: OperatorKey::Opc(KeyRef::new("opc-1")) }
}

#[test]
fn op_and_opc_give_the_same_answers() {
    for subscriber in [by_op(), by_opc()] {
        let gsm = KeyRequest::GsmAuthentication { keys: subscriber.clone(), rand: RAND };
        let gsm = keys().answer(&gsm).unwrap().into_gsm().unwrap();
        assert_eq!(hex::encode_upper(gsm.sres), "46F8416A");
        let sqn = [0xFF, 0x9B, 0xB4, 0xD0, 0xB6, 0x07];
        let umts = KeyRequest::UmtsAuthentication { keys: subscriber, rand: RAND, sqn, amf: [0xB9, 0xB9] };
        let vector = keys().answer(&umts).unwrap().into_vector().unwrap();
        assert_eq!(hex::encode_upper(vector.xres), "A54211D5E3BA50BF");
    }
}

#[test]
fn a_synchronization_failure_is_judged() {
    let ask = |auts: &str| {
        let auts = hex::decode(auts).unwrap().try_into().unwrap();
        let request = KeyRequest::Resynchronization { keys: by_opc(), rand: RAND, auts };
        keys().answer(&request).unwrap().into_resynchronization().unwrap()
    };
    // SQN 000000001234, computed with another program.
    assert_eq!(ask("451E8BECB60FFB2881324B1E6FA3"), Some([0, 0, 0, 0, 0x12, 0x34]));
    assert_eq!(ask("451E8BECB60FFB2881324B1E6FA2"), None);
}

#[test]
fn a_key_file_is_what_the_card_takes() {
    let parts = vec![KeyFilePart::Bytes(vec![0x14]), KeyFilePart::K, KeyFilePart::Opc];
    for subscriber in [by_op(), by_opc()] {
        let request = KeyRequest::KeyFile { keys: subscriber, parts: parts.clone() };
        let file = keys().answer(&request).unwrap().into_key_file().unwrap();
        assert_eq!(
            hex::encode_upper(file.expose_bytes()),
            "14465B5CE8B199B49FAA5F0A2EE238A6BCCD63CB71954A9F4E48A5994E37A02BAF"
        );
        assert_eq!(format!("{file:?}"), "KeyFile(33 bytes, KCV E4F3EA 8D81F0)");
    }
    let op = |keys| KeyRequest::KeyFile { keys, parts: vec![KeyFilePart::Op] };
    assert!(keys().answer(&op(by_op())).is_ok());
    assert!(matches!(keys().answer(&op(by_opc())), Err(KeyError::Lacks { .. })), "OP is not in OPc");
}

#[test]
fn no_other_key_leaves_the_service_as_a_key_file() {
    let keys_of =
        |k: &str, opc: &str| SubscriberKeys { k: KeyRef::new(k), operator: OperatorKey::Opc(KeyRef::new(opc)) };
    for wrong in [keys_of("other", "opc-1"), keys_of("k-1", "other"), keys_of("k-1", "k-1"), keys_of("k-1", "op")] {
        let request = KeyRequest::KeyFile { keys: wrong, parts: vec![KeyFilePart::K] };
        assert!(matches!(keys().answer(&request), Err(KeyError::Kind { .. })));
    }
    let missing = KeyRequest::GsmAuthentication { keys: keys_of("k-2", "opc-1"), rand: RAND };
    assert!(matches!(keys().answer(&missing), Err(KeyError::NotFound { key }) if key == "k-2"));
}

#[test]
fn a_key_of_milenage_is_neither_wrapped_nor_a_signature_key() {
    let mut keys = keys();
    let key = KeyRef::new("k-1");
    let under = cardwright_keys::KeyEncryptionKey::Static(KeyRef::new("other"));
    assert_eq!(keys.answer(&KeyRequest::Wrap { key: key.clone(), under }).unwrap_err(), KeyError::Unsupported);
    let signature = KeyRequest::Signature { key, data: vec![0; 8] };
    assert_eq!(keys.answer(&signature).unwrap_err(), KeyError::Unsupported);
    let short = keys.insert("short", KeyKind::Milenage(MilenageKey::K), &[1; 24]);
    assert_eq!(short, Err(KeyError::Length { actual: 24 }));
}
