//! Published values from public sources. Their file is not part of the project: the tests skip where it is absent.

#[path = "support/vectors.rs"]
mod vectors;

use cardwright_keys::{
    Diversification, KeyCheckValue, KeyEncryptionKey, KeyKind, KeyPurpose, KeyRef, KeyRequest, KeyService, KeyValue,
    SoftwareKeys, scp02, scp03,
};
use serde_json::Value;

use vectors::{bytes, published};

fn key(value: &Value) -> KeyValue {
    KeyValue::new(&bytes(value)).unwrap()
}

#[test]
fn diversified_keys() {
    let mut tried = 0;
    for v in published("div-") {
        let (inputs, expected) = (&v["inputs"], &v["expected"]);
        let kdd: [u8; 10] = bytes(&inputs["kdd"]).try_into().unwrap();
        for (name, purpose) in [("enc", KeyPurpose::Enc), ("mac", KeyPurpose::Mac), ("dek", KeyPurpose::Dek)] {
            let scheme = match v["id"].as_str().unwrap() {
                id if id.contains("emv") => Diversification::Emv { kdd, purpose },
                id if id.contains("visa2") => Diversification::Visa2 { kdd, purpose },
                _ => Diversification::Kdf3 { kdd, purpose },
            };
            let derived = scheme.apply(&key(&inputs["master"])).unwrap();
            assert!(derived.is_equal(&key(&expected[name])), "{} {name}", v["id"]);
            tried += 1;
        }
    }
    assert!(tried == 0 || tried >= 18);
}

#[test]
fn key_check_values() {
    for v in published("kcv-") {
        let kind = if v["inputs"]["type"] == "AES" { KeyKind::Aes } else { KeyKind::Tdes };
        let kcv = KeyCheckValue::of(kind, &key(&v["inputs"]["key"])).unwrap();
        assert_eq!(kcv.to_string(), v["expected"]["kcv"].as_str().unwrap(), "{}", v["id"]);
    }
}

#[test]
fn keys_enciphered_for_put_key() {
    for v in published("putkey-enc-scp0") {
        let (inputs, expected) = (&v["inputs"], &v["expected"]);
        let mut keys = SoftwareKeys::new();
        let (kind, under) = match v["id"].as_str().unwrap() {
            "putkey-enc-scp03" => {
                keys.insert("dek", KeyKind::Aes, &bytes(&inputs["dek"])).unwrap();
                (KeyKind::Aes, KeyEncryptionKey::Static(KeyRef::new("dek")))
            }
            "putkey-enc-scp01" => (KeyKind::Tdes, KeyEncryptionKey::Session(key(&inputs["dek"]))),
            _ => {
                let static_key = key(&inputs["key_dek"]);
                let counter = bytes(&inputs["sequence"]).try_into().unwrap();
                let session = scp02::session_keys(&static_key, &static_key, &static_key, counter).unwrap();
                let dek = session.dek.unwrap();
                assert!(dek.is_equal(&key(&expected["session_dek"])));
                (KeyKind::Tdes, KeyEncryptionKey::Session(dek))
            }
        };
        keys.insert("new", kind, &bytes(&inputs["new_key"])).unwrap();
        let wrapped =
            keys.answer(&KeyRequest::Wrap { key: KeyRef::new("new"), under }).unwrap().into_wrapped().unwrap();
        assert_eq!(wrapped.cipher, bytes(&expected["encrypted"]), "{}", v["id"]);
    }
}

#[test]
fn session_keys() {
    for v in published("gppro-session-kcv-scp0") {
        let (inputs, expected) = (&v["inputs"], &v["expected"]);
        let static_key = key(&inputs["key"]);
        let session = match v["id"].as_str().unwrap() {
            "gppro-session-kcv-scp02" => {
                let counter = bytes(&inputs["sequence"]).try_into().unwrap();
                scp02::session_keys(&static_key, &static_key, &static_key, counter).unwrap()
            }
            "gppro-session-kcv-scp03" => {
                scp03::session_keys(&static_key, &static_key, &bytes(&inputs["context"])).unwrap()
            }
            _ => continue,
        };
        assert!(session.enc.is_equal(&key(&expected["s_enc"])));
        assert!(session.mac.is_equal(&key(&expected["s_mac"])));
        assert!(session.rmac.as_ref().unwrap().is_equal(&key(&expected["s_rmac"])));
    }
}
