//! WRITE KEY.

use super::*;

const MASTER: &str = "80D401001539F0F0AA33FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF";

#[test]
fn published_enciphered_keys() {
    let mut card = card();
    all_ok(&mut card, &[MASTER, "80D401010D39F0F0AA331111111111111111"]);
    // A new key F9 02, key 39 01 made F9, and back.
    for (challenge, command) in [
        ("4C45BAB9", "84D4010214 7C87BC23140021B3AFEA67E6359DDCFE D7C943F6"),
        ("EF364818", "84D4390114 7C87BC23140021B3AFEA67E6359DDCFE 9095E4E1"),
        ("C0B3549C", "84D4F90114 7E65DE142F66CA41AFEA67E6359DDCFE"),
    ] {
        card.plan_random(&bytes(challenge));
        send(&mut card, "0084000004");
        if challenge != "C0B3549C" {
            assert_eq!(send(&mut card, command), "9000", "{command}");
        }
    }
    let key = card.key(&[0x3F00], 0x39, 2).unwrap();
    assert_eq!((key.header(), key.value()), (array("F9F0F0AAFF"), &bytes("1122334455667788")[..]));
    // Key 02 from F9 back to 39, as published.
    card.plan_random(&bytes("C0B3549C"));
    send(&mut card, "0084000004");
    assert_eq!(send(&mut card, "84D4F90214 7E65DE142F66CA41AFEA67E6359DDCFE 012EF5F5"), "9000");
    assert_eq!(card.key(&[0x3F00], 0x39, 2).unwrap().header()[0], 0x39);
    // The log has what was meant.
    assert_eq!(card.log().last().unwrap().plain_command[..7], bytes("80D4F9020D39F0"));
}

#[test]
fn a_mac_of_the_wrong_kind_is_refused() {
    let mut card = card();
    let key = "00112233445566778899AABBCCDDEEFF";
    all_ok(&mut card, &[&format!("80D401001539F0F0AA33{key}"), "80D401000D36F0F0FF331111111111111111"]);
    let cipher = suite::Cipher::TripleDes(array(key)).encipher(&bytes("36F0F0FF332222222222222222"));
    let body = format!("84D4360014{}", hex::encode_upper(cipher));
    // Single DES with the left half alone is what the manual's remark in 5.4 would give.
    assert_eq!(send_with_mac(&mut card, &bytes(key)[..8], &body), "9302");
    assert_eq!(send_with_mac(&mut card, &bytes(key), &body), "9000");
    assert_eq!(card.key(&[0x3F00], 0x36, 0).unwrap().value(), [0x22; 8]);
}

#[test]
fn keys_are_added_and_changed_under_their_rights() {
    let mut card = card();
    all_ok(&mut card, &[MASTER, "80D401000D36F0AAFF33FFFFFFFFFFFFFFFF"]);
    for (command, sw) in [
        ("80D401000D36F0AAFF33FFFFFFFFFFFFFFFF", "6A86"),
        ("80D436000D36F0AAFF33EEEEEEEEEEEEEEEE", "6982"),
        ("80D437000D37F0F0FF33EEEEEEEEEEEEEEEE", "6A88"),
        ("80D43900 0D39F0F0AA33EEEEEEEEEEEEEEEE", "6700"),
        ("80D439001536F0F0AA33FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "6A80"),
        ("80D4010010 39F0F0AA33EEEEEEEEEEEEEEEE EEEEEE", "6700"),
        ("80D401FF0D36F0AAFF33FFFFFFFFFFFFFFFF", "6A80"),
        ("80D401000D3BF0AAFF33FFFFFFFFFFFFFFFF", "6A80"),
        ("80D40100063AF0EF013311", "6700"),
    ] {
        assert_eq!(send(&mut card, command), sw, "{command}");
    }
    // The change right AA of key 36: state A, which the master key gives.
    card.plan_random(&[0; 8]);
    send(&mut card, "0084000008");
    let answer = hex::encode_upper(suite::Cipher::TripleDes([0xFF; 16]).authenticator(&[0; 8]));
    all_ok(&mut card, &[&format!("0082000008{answer}"), "80D436000D36F0AAFF66EEEEEEEEEEEEEEEE"]);
    assert_eq!(card.key(&[0x3F00], 0x36, 0).unwrap().header()[4], 0x66, "example 2 of the special manual");
    // 200 bytes of key file: 24 and 16 are taken.
    for identifier in 1..=6 {
        all_ok(&mut card, &[&format!("80D4010{identifier}1530F0F00000FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF")]);
    }
    assert_eq!(send(&mut card, "80D401071530F0F00000FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"), "6A84");
}

#[test]
fn keys_and_pins_are_used_under_their_rights() {
    let mut card = card();
    all_ok(
        &mut card,
        &[
            "80D401010D3911EF02330102030405060708",
            "80D401010D3011EF01001122334455667788",
            "80D401000D3611F0FF33FFFFFFFFFFFFFFFF",
            "80D401000D3AF0EF013312345FFFFFFFFFFF",
            "80D401010D3A11EF033399999FFFFFFFFFFF",
            "80E0000507A80008F0F0FFFF",
        ],
    );
    let internal = "00880001080102030405060708";
    let update = "04D685000511";
    for (allowed, sw) in [(false, "6982"), (true, "9000")] {
        if allowed {
            all_ok(&mut card, &["002000000312345F"]);
        }
        assert!(send(&mut card, internal).ends_with(sw));
        assert_eq!(send_with_mac(&mut card, &[0xFF; 8], update), sw);
        card.plan_random(&bytes("BB83BFF3"));
        send(&mut card, "0084000004");
        assert_eq!(send(&mut card, "008200010874B0047DD681D96C"), sw);
        if allowed {
            all_ok(&mut card, &["002000000312345F"]);
        }
        assert_eq!(send(&mut card, "002000010399999F"), sw);
    }
}

#[test]
fn a_protected_key_is_not_changed_in_plain() {
    let mut card = card();
    all_ok(&mut card, &[MASTER, "80D401000DF6F0F0FF33FFFFFFFFFFFFFFFF", "80D401000DF7F0F0FF33FFFFFFFFFFFFFFFF"]);
    assert_eq!(send(&mut card, "80D436000D36F0F0FF33EEEEEEEEEEEEEEEE"), "6987");
    all_ok(&mut card, &["80D401010D70F0F00000FFFFFFFFFFFFFFFF"]);
    assert_eq!(send(&mut card, "80D430010D30F0F00000EEEEEEEEEEEEEEEE"), "6987");
    let body = "84D430011130F0F00000EEEEEEEEEEEEEEEE";
    assert_eq!(send_with_mac(&mut card, &[0xFF; 16], body), "9000", "MAC alone, as its type asks");
    assert_eq!(card.key(&[0x3F00], 0x30, 1).unwrap().value(), [0xEE; 8]);
}

#[test]
fn three_wrong_macs_lock_the_master_key() {
    let mut card = card();
    all_ok(&mut card, &[MASTER]);
    let add = "84D4010214 7C87BC23140021B3AFEA67E6359DDCFE 00000000";
    assert_eq!(send(&mut card, add), "6985", "no challenge: nothing is counted");
    for sw in ["9302", "9302", "9302", "6983"] {
        send(&mut card, "0084000004");
        assert_eq!(send(&mut card, add), sw);
    }
}
