//! Power that fails while the card writes.

use super::*;

/// A copy of the card in the same session, torn in a command, and reset.
fn torn(card: &CpuCard, prepare: &[&str], command: &str, written: usize) -> CpuCard {
    let mut copy = card.twin();
    all_ok(&mut copy, &[SELECT_APPLICATION]);
    all_ok(&mut copy, prepare);
    copy.process_torn(&bytes(command), written);
    assert!(!send(&mut copy, "00A40000023F00").is_empty(), "it is without power, and does not break");
    copy.reset();
    copy.set_log(true);
    send(&mut copy, SELECT_APPLICATION);
    copy
}

#[test]
fn a_binary_file_is_written_in_part() {
    let mut card = sample();
    let photo = "00D6970004A1A2A3A4";
    all_ok(&mut card, &["00D697000411111111"]);
    for written in 0..=4 {
        let mut after = torn(&card, &[], photo, written);
        let expected = [&bytes("A1A2A3A4")[..written], &[0x11; 4][written..]].concat();
        let sw = if matches!(written, 0 | 4) { "9000" } else { "6281" };
        assert_eq!(send(&mut after, "00B0970004"), hex::encode_upper(expected) + sw, "{written}");
        all_ok(&mut after, &[photo, "00B0970004"]);
    }
}

#[test]
fn a_record_of_a_cyclic_file_spoils_the_oldest_one() {
    let mut card = sample();
    card.reset();
    all_ok(&mut card, &[SELECT_APPLICATION]);
    // A file of one's own: the log belongs to the purse.
    all_ok(&mut card, &["80E0001A072E0202F0F0FFFF", "00E200D4021111", "00E200D4022222"]);
    let mut after = torn(&card, &[], "00E200D4023333", 1);
    assert_eq!(send(&mut after, "00B201D400"), "22226281");
    assert_eq!(send(&mut after, "00B202D400"), "33116281");
    let mut after = torn(&card, &[], "00E200D4023333", 2);
    assert_eq!(send(&mut after, "00B201D400"), "33339000");
}

#[test]
fn keys_are_written_as_a_whole() {
    let card = sample();
    let add = "80D401031530F0F00000EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE";
    for written in 0..3 {
        let after = torn(&card, &[], add, written);
        let key = after.key(&[0x3F00, APPLICATION], 0x30, 3);
        assert_eq!(key.is_some(), written > 0);
        assert!(key.is_none_or(|key| key.value() == [0xEE; 16]));
    }
}

#[test]
fn a_try_is_counted_before_it_is_looked_at() {
    let card = sample();
    let tries = |card: &CpuCard| card.key(&[0x3F00, APPLICATION], 0x3A, 0).unwrap().tries_left();
    let found = [0, 1, 2].map(|written| tries(&torn(&card, &[], "002000000312345F", written)));
    assert_eq!(found, [3, 2, 3], "the right PIN, torn: no try is won, the last one comes back");
}

#[test]
fn a_purse_is_loaded_whole_or_not_at_all() {
    let key: [u8; 16] = array("3F013F013F013F013F013F013F013F01");
    let card = sample();
    for written in 0..40 {
        let mut copy = card.twin();
        all_ok(&mut copy, &[SELECT_APPLICATION]);
        let opened = send(&mut copy, "805000020B010000200000112233445510");
        // Algorithm 01 of the sample's keys: single DES with the left half.
        let session = crate::crypto::encrypt_des(
            key.first_chunk().unwrap(),
            array(&format!("{}{}8000", &opened[16..24], &opened[8..12])),
        );
        let mac2 = des_mac(&session, [0; 8], &bytes("000020000200112233445520161216105800"));
        copy.process_torn(&bytes(&format!("805200000B20161216105800{}", hex::encode(&mac2[..4]))), written);
        copy.reset();
        all_ok(&mut copy, &[SELECT_APPLICATION]);
        let loaded = written > 0;
        let log = copy.records(&[0x3F00, APPLICATION, 0x0018]).unwrap().len();
        assert_eq!(copy.balance(&[0x3F00, APPLICATION, 0x0002]), Some(if loaded { 0x2000 } else { 0 }));
        assert_eq!(log, usize::from(loaded));
        assert_eq!(send(&mut copy, "805A000202000008") == "9406", !loaded);
        assert_eq!(&send(&mut copy, "805000020B010000200000112233445510")[8..12], if loaded { "0001" } else { "0000" });
    }
}

#[test]
fn erasing_goes_file_by_file_and_leaves_the_key_file_to_the_end() {
    let card = sample();
    // State 4 of key 39 is not needed: the application may be erased by anyone.
    let mut whole = torn(&card, &[], "800E000000", 100);
    assert_eq!(send(&mut whole, "00B0950002"), "6A82");
    let mut part = torn(&card, &[], "800E000000", 3);
    assert_eq!(send(&mut part, "805C000204"), "6A82");
    assert_eq!(send(&mut part, "00B0950002"), "11119000");
    all_ok(&mut part, &["002000000312345F", "800E000000"]);
    assert!(part.key(&[0x3F00, APPLICATION], 0x3A, 0).is_none());
}
