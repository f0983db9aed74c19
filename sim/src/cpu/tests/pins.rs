//! PINs.

use super::*;

#[test]
fn a_pin_opens_and_locks() {
    let mut card = sample();
    assert_eq!(send(&mut card, "0020000003112233"), "63C2");
    all_ok(&mut card, &["002000000312345F"]);
    assert_eq!(card.security_state(), 1);
    all_ok(&mut card, &["002000000812345FFFFFFFFFFF", "002000000412345FFF"]);
    for sw in ["63C2", "63C1", "63C0", "6983"] {
        assert_eq!(send(&mut card, "0020000003112233"), sw);
    }
    assert_eq!(send(&mut card, "002000000312345F"), "6983");
    assert_eq!(send(&mut card, "002000050312345F"), "9403");
    assert_eq!(send(&mut card, "0020000001 12"), "6700");
}

#[test]
fn a_pin_is_changed_by_its_holder() {
    let mut card = sample();
    assert_eq!(send(&mut card, "805E010007112233FF998877"), "63C2");
    assert_eq!(send(&mut card, "805E01000712345FFF998877"), "9000");
    assert_eq!(send(&mut card, "002000000312345F"), "63C2");
    all_ok(&mut card, &["0020000003998877"]);
    assert_eq!(send(&mut card, "805E010006998877998877"), "6700", "no FF between");
}

#[test]
fn a_pin_is_reloaded_with_a_mac_over_it_alone() {
    // Any reload key but one whose halves are the same: these give a key of nothing but 00.
    let mut card = card();
    let reload = "00112233445566778899AABBCCDDEEFF";
    all_ok(&mut card, &[&format!("80D401001538F0EFFF33{reload}"), "80D401000D3AF0EF013312345FFFFFFFFFFF"]);
    let folded: [u8; 8] = array("8888888888888888");
    let new = "223344556677";
    let mac = hex::encode_upper(&des_mac(&folded, [0; 8], &bytes(new))[..4]);
    for _ in 0..3 {
        send(&mut card, "0020000003112233");
    }
    assert_eq!(send(&mut card, "002000000312345F"), "6983");
    assert_eq!(send(&mut card, &format!("805E00000A{new}11223344")), "9302");
    assert_eq!(send(&mut card, &format!("805E00000A{new}{mac}")), "9000");
    assert_eq!(send(&mut card, &format!("0020000006{new}")), "9000");
    for sw in ["9302", "9302", "9302", "6983"] {
        assert_eq!(send(&mut card, &format!("805E00000A{new}11223344")), sw);
    }
    assert_eq!(send(&mut card, &format!("805E00000A{new}{mac}")), "6983");
}

#[test]
fn a_pin_is_unblocked_with_the_same_value_enciphered() {
    let mut card = sample();
    for _ in 0..3 {
        send(&mut card, "0020000003112233");
    }
    let key = [0x37; 16];
    let cipher = |pin: &str| hex::encode_upper(suite::Cipher::TripleDes(key).encipher(&bytes(pin)));
    assert_eq!(send_with_mac(&mut card, &key, &format!("842400010C{}", cipher("112233"))), "6A80");
    assert_eq!(send(&mut card, "002000000312345F"), "6983");
    assert_eq!(send_with_mac(&mut card, &[0x38; 16], &format!("842400000C{}", cipher("12345F"))), "6988");
    assert_eq!(send_with_mac(&mut card, &key, &format!("842400010C{}", cipher("12345F"))), "9000");
    all_ok(&mut card, &["002000000312345F"]);
    assert_eq!(card.log().last().unwrap().command, bytes("002000000312345F"));
}
