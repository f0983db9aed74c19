//! Line protection of files, blocking.

use super::*;

const LINE: [u8; 16] = [0x36; 16];

#[test]
fn published_macs_of_update_binary() {
    let mut card = card();
    all_ok(&mut card, &["80D401000D36F0F0FF33FFFFFFFFFFFFFFFF", "80E0000507A80030F0F0FFFF"]);
    card.plan_random(&bytes("88BBE4E3"));
    send(&mut card, "0084000004");
    let data = "000122000001FFFF22000000000000060001201610280000000000010001000000000000000000000000000020501231";
    assert_eq!(send(&mut card, &format!("04D6850034{data}AE8D8774")), "9000");
    assert_eq!(card.binary(&[0x3F00, 5]).unwrap(), bytes(data));

    let mut card = sample();
    card.plan_random(&bytes("A3BBCFC8"));
    send(&mut card, "0084000004");
    let data = "000122000001FFFF01010000220000000000000620160101205012310000";
    assert_eq!(send(&mut card, &format!("04D6950022{data}96E32EF1")), "9000");
    assert_eq!(card.log().last().unwrap().plain_command, bytes(&format!("00D695001E{data}")));
}

#[test]
fn a_protected_file_takes_no_plain_data() {
    let mut card = sample();
    assert_eq!(send(&mut card, "00D69500021122"), "6987");
    assert_eq!(send(&mut card, "04D695000611221122 3344"), "6985", "no challenge");
    assert_eq!(send_with_mac(&mut card, &LINE, "04D69500061122"), "9000");
    assert_eq!(send(&mut card, "00B0950002"), "11229000");
}

#[test]
fn three_wrong_macs_lock_the_application_for_good() {
    let mut card = sample();
    assert_eq!(send_with_mac(&mut card, &[1; 16], "04D69500061122"), "6988");
    assert_eq!(send_with_mac(&mut card, &LINE, "04D69500061122"), "9000");
    for sw in ["6988", "6988", "9303"] {
        assert_eq!(send_with_mac(&mut card, &[1; 16], "04D69500061122"), sw);
    }
    assert!(card.is_locked(&[0x3F00, APPLICATION]));
    assert_eq!(send(&mut card, "00B0950002"), "6A81");
    card.reset();
    assert_eq!(send(&mut card, SELECT_APPLICATION), "6A81");
    assert_eq!(send_with_mac(&mut card, &LINE, "8418000004"), "9303");
}

#[test]
fn a_mac_over_a_replayed_or_moved_command_is_wrong() {
    let mut card = sample();
    let command = with_mac(&mut card, &LINE, "04D69500061122");
    assert_eq!(card.process(&command), [0x90, 0x00]);
    send(&mut card, "0084000004");
    assert_eq!(card.process(&command), [0x69, 0x88], "another challenge");
    let mut moved = with_mac(&mut card, &LINE, "04D69500061122");
    moved[3] = 0x02;
    assert_eq!(card.process(&moved), [0x69, 0x88], "another offset");
}

#[test]
fn enciphered_files_in_both_directions() {
    let mut card = card();
    let key = [0x42; 16];
    all_ok(
        &mut card,
        &[&format!("80D401001536F0F0FF33{}", hex::encode(key)), "80E0000507E80008F0F0FF7F", "80E0000607680008F0F0FFFF"],
    );
    let cipher = suite::Cipher::TripleDes(key);
    let body = format!("04D685000C{}", hex::encode(cipher.encipher(&bytes("01020304050607"))));
    assert_eq!(send_with_mac(&mut card, &key, &body), "9000");
    assert_eq!(card.binary(&[0x3F00, 5]).unwrap(), bytes("01020304050607FF"));
    assert_eq!(send(&mut card, "00B0850000"), "6987", "b8 of the last byte asks for line protection");
    // Example 3 of 7.5: the enciphered number of bytes, here 10 from offset 2 on; the file ends after 6.
    let mut wanted = bytes("1080000000000000");
    cipher.encrypt(&mut wanted);
    let command = with_mac(&mut card, &key, &format!("04B085020C{}", hex::encode(&wanted)));
    let response = card.process(&command);
    assert_eq!((response.len(), &response[12..]), (14, &[0x90, 0x00][..]));
    assert_eq!(cipher.decipher(&response[..8]).unwrap(), bytes("0304050607FF"));
    // Enciphered without a MAC.
    let body = format!("04D6860008{}", hex::encode(cipher.encipher(&bytes("A1A2A3A4A5A6"))));
    assert_eq!(send(&mut card, &body), "9000");
    assert_eq!(card.binary(&[0x3F00, 6]).unwrap()[..6], bytes("A1A2A3A4A5A6"));
    assert_eq!(send(&mut card, &body.replace("04D6860008", "04D6860007")[..24]), "6988");
}

#[test]
fn reading_with_a_mac_gives_one_back() {
    let mut card = sample();
    let mut command = with_mac(&mut card, &LINE, "04B0950004");
    command.push(0x08);
    let challenge = card.log().last().unwrap().response[..4].to_vec();
    let response = card.process(&command);
    let mut initial = [0; 8];
    initial[..4].copy_from_slice(&challenge);
    assert_eq!(response[..8], bytes("1111222233330006"));
    assert_eq!(response[8..], [&retail_mac(&LINE, initial, &response[..8])[..4], &[0x90, 0x00]].concat());
}

#[test]
fn applications_are_blocked_and_unblocked() {
    let mut card = sample();
    assert_eq!(send_with_mac(&mut card, &LINE, "841E000004"), "9000");
    card.reset();
    assert_eq!(send(&mut card, "00A40000023F01"), "6A81");
    for command in ["00B0950002", "805C000204", "002000000312345F"] {
        assert_eq!(send(&mut card, command), "6A81");
    }
    assert_eq!(send_with_mac(&mut card, &LINE, "8418000004"), "9000");
    all_ok(&mut card, &["00B0950002", SELECT_APPLICATION]);
    assert_eq!(send_with_mac(&mut card, &LINE, "841E000104"), "9000");
    assert_eq!(send_with_mac(&mut card, &LINE, "8418000004"), "9303");
}

#[test]
fn three_failed_unblocks_lock_for_good() {
    let mut card = sample();
    assert_eq!(send_with_mac(&mut card, &LINE, "841E000004"), "9000");
    for sw in ["6988", "6988", "9303", "9303"] {
        assert_eq!(send_with_mac(&mut card, &[1; 16], "8418000004"), sw);
    }
}

#[test]
fn a_blocked_card_says_nothing_more() {
    let mut card = sample();
    assert_eq!(send_with_mac(&mut card, &LINE, "8416000004"), "9000");
    card.reset();
    for command in ["00A40000023F00", "0084000004", "80E0001E07280001F0F0FFFF"] {
        assert_eq!(send(&mut card, command), "6A81");
    }
    assert!(card.is_blocked());
}

#[test]
fn macs_without_filling_where_the_card_is_made_so() {
    // CLA to Lc and 3 bytes are one block.
    let command = "04D6850007112233";
    for fill in [true, false] {
        let mut card = card_of(CpuCard::builder().fill_aligned(fill));
        all_ok(&mut card, &["80D401000D36F0F0FF330102030405060708", "80E0000507A80008F0F0FFFF"]);
        card.plan_random(&[0; 4]);
        send(&mut card, "0084000004");
        let filled = des_mac(&array("0102030405060708"), [0; 8], &bytes(command));
        let mut unfilled = bytes(command);
        suite::Cipher::Des(array("0102030405060708")).encrypt(&mut unfilled);
        let mac = if fill { &filled[..4] } else { &unfilled[..4] };
        assert_eq!(send(&mut card, &format!("{command}{}", hex::encode(mac))), "9000");
    }
}
