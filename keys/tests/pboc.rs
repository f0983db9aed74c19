//! Vectors of PBOC cards: FMCOS 2.0 manuals and public recordings of cards.

use cardwright_keys::{KeyKind, KeyRef, KeyRequest, KeyService, KeyValue, SoftwareKeys, pboc};

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
        keys.answer(&KeyRequest::Cryptogram { key: KeyRef::new(name), challenge: [0; 8] }).unwrap_err().to_string()
    };
    assert_eq!(ask(&mut keys, "aes"), "key \"aes\" is for AES, one for DES is needed here");
    assert_eq!(ask(&mut keys, "none"), "the key service has no key \"none\"");
    assert!(keys.insert("short", KeyKind::Aes, &[1; 8]).is_err());
    assert!(!format!("{keys:?}{:?}", KeyValue::new(&[0xAB; 16])).contains("AB"));
}
