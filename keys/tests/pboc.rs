//! Vectors of PBOC cards: FMCOS 2.0 manuals and public recordings of cards.

use cardwright_keys::pboc::{CardKey, MacAlgorithm, MacPadding, MacSuite};
use cardwright_keys::{CardData, KeyError, KeyKind, KeyRef, KeyRequest, KeyService, KeyValue, SoftwareKeys, pboc};

fn key(text: &str) -> KeyValue {
    KeyValue::new(&hex::decode(text).unwrap()).unwrap()
}

fn block(text: &str) -> [u8; 8] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

#[test]
fn external_authentication() {
    let cases = [
        ("0102030405060708", "BB83BFF300000000", "74B0047DD681D96C"),
        ("FFFFFFFFFFFFFFFF", "53FD1F262EC4E6E2", "A0DBBFC1192FF24A"),
        ("1122334455667788", "0102030405060708", "178F59F8578E0D3F"),
    ];
    for (k, challenge, expected) in cases {
        assert_eq!(pboc::cryptogram(&key(k), &block(challenge)).unwrap(), block(expected));
    }
}

#[test]
fn diversification() {
    let master = key("00112233445566778899AABBCCDDEEFF");
    let card = pboc::diversify(&master, &block("1122334455667788")).unwrap();
    assert!(card.is_equal(&key("496BD7A3513644533100B54E71196528")));
    assert!(pboc::diversify(&key("0102030405060708"), &[0; 8]).is_err());
}

#[test]
fn enciphered_key_blocks() {
    for master in ["FFFFFFFFFFFFFFFF", "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"] {
        let cipher = pboc::encipher(&key(master), &bytes("F9F0F0AAFF1122334455667788")).unwrap();
        assert_eq!(cipher, bytes("7C87BC23140021B3AFEA67E6359DDCFE"));
        let back = pboc::encipher(&key(master), &bytes("39F0F0AAFF1122334455667788")).unwrap();
        assert_eq!(back, bytes("7E65DE142F66CA41AFEA67E6359DDCFE"));
    }
    let psam = key("00112233445566778899AABBCCDDEEFF");
    let cipher = pboc::encipher(&psam, &bytes("22000000112233445566778899AABBCCDDEEFF")).unwrap();
    assert_eq!(cipher, bytes("DCC0BB5793ABFCA2CA8C1624822F6E01A86A0B5CBED191DD"));
    // Aligned data takes no padding.
    assert_eq!(pboc::encipher(&psam, &[0; 23]).unwrap().len(), 24);
    assert!(pboc::encipher(&psam, &[0; 256]).is_err());
}

#[test]
fn command_macs() {
    let all_ff = "FFFFFFFFFFFFFFFF";
    let cases = [
        (all_ff, "4C45BAB900000000", "84D40102147C87BC23140021B3AFEA67E6359DDCFE", "D7C943F6"),
        (all_ff, "EF36481800000000", "84D43901147C87BC23140021B3AFEA67E6359DDCFE", "9095E4E1"),
        (all_ff, "C0B3549C00000000", "84D4F902147E65DE142F66CA41AFEA67E6359DDCFE", "012EF5F5"),
        (
            all_ff,
            "88BBE4E300000000",
            "04D6850034000122000001FFFF22000000000000060001201610280000000000010001000000000000000000000000000020501231",
            "AE8D8774",
        ),
        (
            "36363636363636363636363636363636",
            "A3BBCFC800000000",
            "04D6950022000122000001FFFF01010000220000000000000620160101205012310000",
            "96E32EF1",
        ),
        (
            "00112233445566778899AABBCCDDEEFF",
            "5D72B3FD00000000",
            "84D400001CDCC0BB5793ABFCA2CA8C1624822F6E01A86A0B5CBED191DD",
            "8A9D4ADB",
        ),
    ];
    for (k, iv, data, expected) in cases {
        assert_eq!(hex::encode_upper(pboc::mac(&key(k), &block(iv), &bytes(data)).unwrap()), expected);
        let suite = MacSuite::default();
        assert_eq!(hex::encode_upper(suite.mac(&key(k), &block(iv), &bytes(data)).unwrap()), expected);
    }
    // A 16-byte key computes the retail MAC, not single DES with its left half.
    let single = pboc::mac(
        &key("0011223344556677"),
        &block("5D72B3FD00000000"),
        &bytes("84D400001CDCC0BB5793ABFCA2CA8C1624822F6E01A86A0B5CBED191DD"),
    );
    assert_eq!(hex::encode_upper(single.unwrap()), "6C996864");
}

#[test]
fn write_key_through_the_service() {
    let mut keys = SoftwareKeys::new();
    keys.insert("master", KeyKind::Tdes, &[0xFF; 16]).unwrap();
    keys.insert("new", KeyKind::Tdes, &bytes("1122334455667788")).unwrap();
    let request = KeyRequest::KeyCommand {
        suite: MacSuite::default(),
        under: KeyRef::new("master"),
        header: [0x84, 0xD4, 0x01, 0x02],
        key_header: bytes("F9F0F0AAFF"),
        key: KeyRef::new("new"),
        iv: block("4C45BAB900000000"),
    };
    let command = keys.answer(&request).unwrap().into_key_command().unwrap();
    assert_eq!(hex::encode_upper(command.data), "7C87BC23140021B3AFEA67E6359DDCFED7C943F6");
}

#[test]
fn a_key_of_another_kind_or_name_is_refused() {
    let mut keys = SoftwareKeys::new();
    keys.insert("aes", KeyKind::Aes, &[1; 16]).unwrap();
    let ask = |keys: &mut SoftwareKeys, name: &str| {
        keys.answer(&KeyRequest::Cryptogram { key: KeyRef::new(name), challenge: vec![0; 8] }).unwrap_err().to_string()
    };
    assert_eq!(ask(&mut keys, "aes"), "key \"aes\" is for AES, one for DES is needed here");
    assert_eq!(ask(&mut keys, "none"), "the key service has no key \"none\"");
    assert!(keys.insert("short", KeyKind::Aes, &[1; 8]).is_err());
    assert!(!format!("{keys:?}{:?}", KeyValue::new(&[0xAB; 16])).contains("AB"));
}

#[test]
fn internal_authentication_with_a_mac() {
    let (k, data) = (key("1122334455667788"), bytes("0102030405060708"));
    let mac = |padding| {
        hex::encode_upper(MacSuite { algorithm: MacAlgorithm::Tdes, padding }.mac(&k, &[0; 8], &data).unwrap())
    };
    assert_eq!(mac(MacPadding::Always), "A82A8CEB");
    assert_ne!(mac(MacPadding::WhenUnaligned), "A82A8CEB");
}

#[test]
fn aligned_data_take_no_block_of_padding_where_the_suite_says_so() {
    let k = key("00112233445566778899AABBCCDDEEFF");
    let suite = MacSuite { algorithm: MacAlgorithm::Tdes, padding: MacPadding::WhenUnaligned };
    let mac = |suite: MacSuite, length| suite.mac(&k, &[7; 8], &vec![3; length]).unwrap();
    for length in [1, 7, 9, 15, 17] {
        assert_eq!(mac(suite, length), mac(MacSuite::default(), length));
    }
    for length in [8, 16, 24] {
        assert_ne!(mac(suite, length), mac(MacSuite::default(), length));
    }
    // With one block the suite is triple DES in ECB mode over data and IV.
    let expected = pboc::cryptogram(&k, &[3 ^ 7; 8]).unwrap();
    assert_eq!(mac(suite, 8), expected[..4]);
}

#[test]
fn a_folded_key_is_the_exclusive_or_of_its_halves() {
    let suite = MacSuite::new(MacAlgorithm::FoldedDes);
    let folded = suite.mac(&key("00112233445566778899AABBCCDDEEFF"), &[0; 8], b"pin").unwrap();
    assert_eq!(folded, pboc::mac(&key("8888888888888888"), &[0; 8], b"pin").unwrap());
    assert!(suite.mac(&KeyValue::new(&[0; 24]).unwrap(), &[0; 8], b"pin").is_err());
}

/// GB/T 32907 appendix A; CBC-MACs published at cnblogs, crypto2020/19277894.
#[test]
fn sm4_as_published() {
    use cardwright_keys::cipher::Sm4;

    let text = bytes("0123456789ABCDEFFEDCBA9876543210");
    let sm4 = Sm4::new(&key("0123456789ABCDEFFEDCBA9876543210")).unwrap();
    let mut data = text.clone();
    sm4.ecb_encrypt(&mut data);
    assert_eq!(data, bytes("681EDF34D206965E86B3E94F536E4246"));
    for _ in 1..1_000_000 {
        sm4.ecb_encrypt(&mut data);
    }
    assert_eq!(data, bytes("595298C7C6FD271F0402F804C33D3F66"));
    let mut back = bytes("681EDF34D206965E86B3E94F536E4246");
    sm4.ecb_decrypt(&mut back);
    assert_eq!(back, text);
    for (k, iv, data, mac) in [
        (
            "EEF3C9888129755F2C769DBC459448CE",
            "FBD7B7AB0793F814B28A970F9E859C05",
            "99C9D02D03F2CD394A680DC51B112322",
            "530EDF0605A302F30096AE46BD6316AF",
        ),
        (
            "973270DF92EFF5EC1E170A1566098CB3",
            "2C2A98AF53A684F19DF3C39B721FA27E",
            "AADA15E99FE95171B6F15FD3E427976EB1B595FCA82A23AC00C7AC7CEF9DDED7",
            "CF505945E5C135BC2BB4588D17E404D4",
        ),
    ] {
        let mut data = bytes(data);
        Sm4::new(&key(k)).unwrap().cbc_encrypt(&bytes(iv).try_into().unwrap(), &mut data);
        assert_eq!(data[data.len() - 16..], bytes(mac));
    }
}

/// No public vector of cards exists: these come from an independent model of the rules that three programs in the field agree on.
#[test]
fn sm4_keys_of_cards() {
    use cardwright_keys::Diversification::PbocSm4;

    let master = key("00112233445566778899AABBCCDDEEFF");
    let serial = PbocSm4 { factor: block("1122334455667788") };
    let one = serial.apply(&master).unwrap();
    assert!(one.is_equal(&key("5A9F65876227746D95606233700543A9")));
    let issuer = PbocSm4 { factor: block("A1A2A3A4A1A2A3A4") }.apply(&master).unwrap();
    assert!(serial.apply(&issuer).unwrap().is_equal(&key("6B75876E0BF0A5D1F7E59FD03BD0EFA4")));
    assert!(serial.apply(&key("0102030405060708")).is_err());

    let card = CardKey::new(KeyKind::Sm4, &master).unwrap();
    assert_eq!(card.cryptogram(&bytes("53FD1F262EC4E6E2")).unwrap(), block("6A488B436C269777"));
    let whole = card.cryptogram(&bytes("53FD1F262EC4E6E20000000000000000")).unwrap();
    assert_eq!(whole, block("6A488B436C269777"), "a challenge of 16 bytes, the last 8 zero");
    assert!(card.cryptogram(&[0; 17]).is_err() && card.cryptogram(&[]).is_err());

    let suite = MacSuite::new(MacAlgorithm::Sm4);
    let data: Vec<u8> = bytes("04D6950036").into_iter().chain(0..=0x31).collect();
    assert_eq!(suite.mac(&master, &block("4C45BAB900000000"), &data).unwrap()[..], bytes("6FF3E5A2"));
}

#[test]
fn sm4_write_key_through_the_service() {
    let mut keys = SoftwareKeys::new();
    keys.insert("master", KeyKind::Sm4, &bytes("00112233445566778899AABBCCDDEEFF")).unwrap();
    keys.insert("new", KeyKind::Sm4, &bytes("0123456789ABCDEFFEDCBA9876543210")).unwrap();
    let mut request = KeyRequest::KeyCommand {
        suite: MacSuite::new(MacAlgorithm::Sm4),
        under: KeyRef::new("master"),
        header: [0x84, 0xD4, 0x00, 0x00],
        key_header: bytes("410104010F000FFF"),
        key: KeyRef::new("new"),
        iv: block("4C45BAB900000000"),
    };
    let command = keys.answer(&request).unwrap().into_key_command().unwrap();
    let expected = "35FE3EED4EBAEF26F5C17F4FE7B99047748C4E75AB03CFF223A239B856BF32DA17A3E2EA";
    assert_eq!(hex::encode_upper(command.data), expected);
    if let KeyRequest::KeyCommand { suite, .. } = &mut request {
        *suite = MacSuite::default();
    }
    let error = keys.answer(&request).unwrap_err().to_string();
    assert_eq!(error, "key \"master\" is for SM4, one for DES is needed here");
    let under = cardwright_keys::KeyEncryptionKey::Session(KeyValue::new(&[1; 16]).unwrap());
    assert_eq!(keys.answer(&KeyRequest::Wrap { key: KeyRef::new("new"), under }).unwrap_err(), KeyError::Unsupported);
}

#[test]
fn what_was_enciphered_is_deciphered_and_nothing_else() {
    let mut keys = SoftwareKeys::new();
    keys.insert("des", KeyKind::Tdes, &[0x36; 16]).unwrap();
    keys.insert("sm4", KeyKind::Sm4, &[0x36; 16]).unwrap();
    keys.insert("other", KeyKind::Tdes, &[0x34; 16]).unwrap();
    for name in ["des", "sm4"] {
        for length in [0, 1, 6, 7, 8, 14, 15, 16, 31, 239] {
            let plain: Vec<u8> = (0..length).collect();
            let request = KeyRequest::Encipher { key: KeyRef::new(name), data: CardData::new(plain.clone()) };
            let data = keys.answer(&request).unwrap().into_data().unwrap().expose_bytes().to_vec();
            assert!(data.len() > plain.len() && data.len().is_multiple_of(if name == "des" { 8 } else { 16 }));
            let back = KeyRequest::Decipher { key: KeyRef::new(name), data: data.clone() };
            assert_eq!(keys.answer(&back).unwrap().into_data().unwrap().expose_bytes(), plain);
            let wrong = KeyRequest::Decipher { key: KeyRef::new("other"), data: data.clone() };
            assert!(keys.answer(&wrong).is_err());
            let cut = KeyRequest::Decipher { key: KeyRef::new(name), data: data[1..].to_vec() };
            assert!(keys.answer(&cut).is_err());
        }
    }
    let request = KeyRequest::Encipher { key: KeyRef::new("des"), data: CardData::new(vec![0xAB; 9]) };
    assert!(!format!("{request:?}").contains("171"), "{request:?}");
}
