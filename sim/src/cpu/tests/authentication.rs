//! GET CHALLENGE, EXTERNAL and INTERNAL AUTHENTICATE.

use super::*;

/// General manual 7.1: key 01, type 39, next state 1.
const EXTERNAL: &str = "80D401010D39F0EF11330102030405060708";

#[test]
fn the_manuals_external_authentication() {
    let mut card = card();
    all_ok(&mut card, &[EXTERNAL]);
    card.plan_random(&bytes("BB83BFF3"));
    assert_eq!(send(&mut card, "0084000004"), "BB83BFF39000");
    assert_eq!(send(&mut card, "008200010874B0047DD681D96C"), "9000");
    assert_eq!(card.security_state(), 1);
}

#[test]
fn a_challenge_of_eight_bytes() {
    let mut card = card();
    all_ok(&mut card, &["80D401000D39F0EF0233FFFFFFFFFFFFFFFF"]);
    card.plan_random(&bytes("53FD1F262EC4E6E2"));
    all_ok(&mut card, &["0084000008", "0082000008A0DBBFC1192FF24A"]);
    assert_eq!(card.security_state(), 2);
}

#[test]
fn a_challenge_is_good_for_the_next_command_only() {
    let mut card = card();
    all_ok(&mut card, &[EXTERNAL]);
    let right = "008200010874B0047DD681D96C";
    assert_eq!(send(&mut card, right), "6985", "without a challenge");
    card.plan_random(&bytes("BB83BFF3"));
    send(&mut card, "0084000004");
    send(&mut card, "00B0850000");
    assert_eq!(send(&mut card, right), "6985", "a command in between");
    card.plan_random(&bytes("BB83BFF3"));
    send(&mut card, "0084000004");
    assert_eq!(send(&mut card, right), "9000");
    assert_eq!(send(&mut card, right), "6985", "once more");
    for command in ["0084000005", "0084000010", "0084000002"] {
        assert_eq!(send(&mut card, command), "6700");
    }
}

#[test]
fn wrong_answers_count_down_to_the_end() {
    let mut card = card();
    all_ok(&mut card, &[EXTERNAL]);
    let wrong = "00820001081122334455667788";
    for sw in ["63C2", "63C1"] {
        send(&mut card, "0084000004");
        assert_eq!(send(&mut card, wrong), sw);
    }
    card.plan_random(&bytes("BB83BFF3"));
    all_ok(&mut card, &["0084000004", "008200010874B0047DD681D96C"]);
    assert_eq!(card.key(&[0x3F00], 0x39, 1).unwrap().tries_left(), 3);
    for sw in ["63C2", "63C1", "63C0", "6983"] {
        send(&mut card, "0084000004");
        assert_eq!(send(&mut card, wrong), sw);
    }
    card.plan_random(&bytes("BB83BFF3"));
    send(&mut card, "0084000004");
    assert_eq!(send(&mut card, "008200010874B0047DD681D96C"), "6983", "right, and too late");
    assert_eq!(send(&mut card, "0082000208 1122334455667788"), "6A88");
    assert_eq!(send(&mut card, "008200010411223344"), "6700");
}

#[test]
fn the_manuals_internal_authentication() {
    let mut card = card();
    let key = "1122334455667788";
    for (identifier, kind) in [(1, "30"), (2, "31"), (3, "32")] {
        all_ok(&mut card, &[&format!("80D4010{identifier}0D{kind}F0EF0598{key}")]);
    }
    assert_eq!(send(&mut card, "00880001080102030405060708"), "178F59F8578E0D3F9000");
    assert_eq!(send(&mut card, "0088010208178F59F8578E0D3F"), "01020304050607089000");
    assert_eq!(send(&mut card, "00880203080102030405060708"), "A82A8CEB9000");
    assert_eq!(send(&mut card, "00880101080102030405060708").len(), 20, "type 30 deciphers where there is no 31");
    assert_eq!(send(&mut card, "00880002080102030405060708"), "6A88");
    assert_eq!(send(&mut card, "00880301080102030405060708"), "6A86");
    assert_eq!(card.security_state(), 0);
    // Data that do not fill a block are filled.
    assert_eq!(send(&mut card, "008800010901020304050607 0809").len(), 36);
}
