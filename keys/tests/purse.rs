//! Vectors of purses: recordings of cards with published test keys (3DES and DES), and the SM4 rules of transport cards, for which
//! there is no public recording: their values were computed apart from this code.

use cardwright_keys::pboc::{PurseKeyUse, PurseMac, is_same_mac, session_key};
use cardwright_keys::{Diversification, KeyError, KeyKind, KeyRef, KeyRequest, KeyService, KeyValue, SoftwareKeys};

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

fn key(text: &str) -> KeyValue {
    KeyValue::new(&bytes(text)).unwrap()
}

fn input(text: &str) -> [u8; 8] {
    bytes(text).try_into().unwrap()
}

fn session(text: &str) -> PurseKeyUse {
    PurseKeyUse::Session { input: input(text) }
}

fn mac(kind: KeyKind, k: &str, key_use: PurseKeyUse, data: &str) -> String {
    hex::encode_upper(key_use.mac(kind, &key(k), &bytes(data)).unwrap())
}

const TDES: KeyKind = KeyKind::Tdes;
const SM4: KeyKind = KeyKind::Sm4;
const MASTER: &str = "00112233445566778899AABBCCDDEEFF";

#[test]
fn load_of_an_electronic_deposit() {
    let (dlk, ses) = ("11223344556677888877665544332211", "11223344 0000 8000");
    assert!(session_key(TDES, &key(dlk), &input(ses)).unwrap().is_equal(&key("9B1D924E05595603")));
    let mac1 = |tt: &str| mac(TDES, dlk, session(ses), &format!("00000000 00001000 {tt} 001122334455"));
    assert_eq!(mac1("01"), "2988AE5A");
    // The recording's source calls it a wallet; its MAC says otherwise.
    assert_ne!(mac1("02"), "2988AE5A");
    assert_eq!(mac(TDES, dlk, session(ses), "00001000 01 001122334455 20111221214822"), "3A845BF0");
}

#[test]
fn load_with_a_single_des_key() {
    let ses = "06B825D7 0017 8000";
    for dlk in ["3F013F013F013F013F013F013F013F01", "3F013F013F013F01"] {
        assert!(session_key(TDES, &key(dlk), &input(ses)).unwrap().is_equal(&key("6E76E8541E217D9A")));
        assert_eq!(mac(TDES, dlk, session(ses), "0000001A 00000001 02 112233445566"), "684C81CE");
        assert_eq!(mac(TDES, dlk, session(ses), "00000001 02 112233445566 20170310110734"), "9C8A0625");
    }
    let tac = "0000001B 0017 00000001 02 112233445566 20170310110734";
    assert_eq!(mac(TDES, "34343434343434343434343434343434", PurseKeyUse::Folded, tac), "16EAD516");
    // The balance before, or the serial number after, is not what the TAC covers.
    for wrong in [tac.replacen("1B", "1A", 1), tac.replacen("0017", "0018", 1)] {
        assert_ne!(mac(TDES, "34343434343434343434343434343434", PurseKeyUse::Folded, &wrong), "16EAD516");
    }
}

#[test]
fn load_of_an_electronic_wallet() {
    let mac1_data = "00000000 00002000 02 001122334455";
    let first = "E0B84748 0000 8000";
    assert!(session_key(TDES, &key(MASTER), &input(first)).unwrap().is_equal(&key("7C45FBFB5B3A68F5")));
    assert_eq!(mac(TDES, MASTER, session(first), mac1_data), "EA411F90");
    let second = "C903814D 0000 8000";
    assert!(session_key(TDES, &key(MASTER), &input(second)).unwrap().is_equal(&key("11FDF264E8AEEFA3")));
    assert_eq!(mac(TDES, MASTER, session(second), mac1_data), "03976C22");
    assert_eq!(mac(TDES, MASTER, session(second), "00002000 02 001122334455 20161216105800"), "8AFA5718");
    let tac = "00002000 0000 00002000 02 001122334455 20161216105800";
    assert_eq!(mac(TDES, MASTER, PurseKeyUse::Folded, tac), "FA00066D");
    assert_ne!(mac(TDES, MASTER, PurseKeyUse::Whole, tac), "FA00066D");
    assert_eq!(mac(TDES, "8888888888888888", PurseKeyUse::Whole, tac), "FA00066D");
}

#[test]
fn purchase_with_an_electronic_wallet() {
    let ses = "584633C9 0000 0000";
    assert!(session_key(TDES, &key(MASTER), &input(ses)).unwrap().is_equal(&key("C08346DF9F1D457A")));
    assert_eq!(mac(TDES, MASTER, session(ses), "00000001 06 001122334455 20161216134600"), "D45737C5");
    let tac = "00000001 06 001122334455 00000000 20161216134600";
    assert_eq!(mac(TDES, MASTER, PurseKeyUse::Folded, tac), "8AF270DC");
    assert_eq!(mac(TDES, MASTER, session(ses), "00000001"), "66B54A6B");
}

#[test]
fn a_mac_starts_from_zeros() {
    let data = "000010000000000010000200112233445520180620214822";
    assert_eq!(mac(TDES, "0DCAE673EF6DFC0F", PurseKeyUse::Whole, data), "3813AE55");
    // A wallet that is used for teaching starts from 11 eight times: no card that follows JR/T 0025 does.
    let teaching = cardwright_keys::cipher::Tdes::new(&key("0DCAE673EF6DFC0F")).unwrap();
    let mut padded = bytes(&format!("{data}8000000000000000"));
    assert_eq!(hex::encode_upper(teaching.mac(&[0x11; 8], &mut padded)), "9643618645D04025");
}

#[test]
fn sm4_load() {
    let one = Diversification::PbocSm4 { factor: input("1122334455667788") };
    let two = Diversification::PbocSm4 { factor: input("A1A2A3A4A1A2A3A4") };
    let dlk = one.apply(&key(MASTER)).unwrap();
    assert!(dlk.is_equal(&key("5A9F65876227746D95606233700543A9")));
    let levels = one.apply(&two.apply(&key(MASTER)).unwrap()).unwrap();
    assert!(levels.is_equal(&key("6B75876E0BF0A5D1F7E59FD03BD0EFA4")));

    let (dlk, ses) = ("5A9F65876227746D95606233700543A9", "C903814D 0000 8000");
    assert!(session_key(SM4, &key(dlk), &input(ses)).unwrap().is_equal(&key("93E8026766B009C14F1FFCCC74872EC9")));
    assert_eq!(mac(SM4, dlk, session(ses), "00000000 00002000 02 001122334455"), "9BFE0D6A");
    assert_eq!(mac(SM4, dlk, session(ses), "00002000 02 001122334455 20161216105800"), "0FBC6F6F");
    let dtk = one.apply(&key("FFEEDDCCBBAA99887766554433221100")).unwrap();
    assert!(dtk.is_equal(&key("BB2344430C7435247ADCEBBF3FE52F9B")));
    let tac = "00002000 0000 00002000 02 001122334455 20161216105800";
    assert_eq!(mac(SM4, "BB2344430C7435247ADCEBBF3FE52F9B", PurseKeyUse::Whole, tac), "841F86B5");
    let folded = PurseKeyUse::Folded.mac(SM4, &dtk, &bytes(tac));
    assert_eq!(folded.unwrap_err(), KeyError::Unsupported);
}

#[test]
fn the_key_service_computes_and_verifies_by_name() {
    let mut keys = SoftwareKeys::new();
    keys.insert("load", TDES, &bytes(MASTER)).unwrap();
    keys.insert("sm4", SM4, &bytes(MASTER)).unwrap();
    keys.insert("aes", KeyKind::Aes, &bytes(MASTER)).unwrap();
    let data = bytes("00000000 00002000 02 001122334455");
    let ask = |key: KeyRef| PurseMac { key, key_use: session("C903814D 0000 8000"), data: data.clone() };
    let computed = keys.answer(&KeyRequest::PurseMac(ask(KeyRef::new("load")))).unwrap().into_mac().unwrap();
    assert_eq!(computed[..], bytes("03976C22"));
    for (received, expected) in [("03976C22", true), ("03976C23", false), ("83976C22", false), ("00000000", false)] {
        let request =
            KeyRequest::VerifyPurseMac { mac: ask(KeyRef::new("load")), received: bytes(received).try_into().unwrap() };
        assert_eq!(keys.answer(&request).unwrap().into_verified(), Ok(expected), "{received}");
    }
    let card = KeyRef::new("sm4").diversified(Diversification::PbocSm4 { factor: input("1122334455667788") });
    let computed = keys.answer(&KeyRequest::PurseMac(ask(card))).unwrap().into_mac().unwrap();
    assert_eq!(computed[..], bytes("9BFE0D6A"));
    assert_eq!(keys.answer(&KeyRequest::PurseMac(ask(KeyRef::new("aes")))).unwrap_err(), KeyError::Unsupported);
    let wrong = KeyRef::new("load").diversified(Diversification::PbocSm4 { factor: [1; 8] });
    assert!(matches!(keys.answer(&KeyRequest::PurseMac(ask(wrong))), Err(KeyError::Kind { .. })));
}

#[test]
fn macs_are_compared_whole() {
    assert!(is_same_mac([1, 2, 3, 4], [1, 2, 3, 4]));
    for wrong in [[0, 2, 3, 4], [1, 2, 3, 5], [4, 3, 2, 1]] {
        assert!(!is_same_mac([1, 2, 3, 4], wrong));
    }
}
