//! The electronic purse, with the published vectors.

use super::*;

const PURSE: &[u16] = &[0x3F00, 0x3F01, 0x0002];
const DEPOSIT: &[u16] = &[0x3F00, 0x3F01, 0x0001];

/// A card whose application has a deposit and a purse, these keys of 01, and nothing in its way.
fn with_keys(builder: CpuCardBuilder, load: &str, tac: &str) -> CpuCard {
    let mut card = builder.build();
    all_ok(
        &mut card,
        &[
            "80E03F000D38FFFFF0F001FFFFFFFFFFFFFF",
            "80E03F011138036FF0F095FFFFA00000000386980701",
            SELECT_APPLICATION,
            "80E00000073F018F95F0FFFF",
        ],
    );
    for (kind, identifier, key) in
        [("34", "00", tac), ("3F", "01", load), ("3E", "01", load), ("3D", "01", load), ("3C", "01", load)]
    {
        all_ok(&mut card, &[&format!("80D401{identifier}15{kind}{key}")]);
    }
    all_ok(&mut card, &["80E00018072E0A17F0EFFFFF", "80E00001072F0208F000FF18", "80E00002072F0208F000FF18"]);
    card
}

const ALGORITHM_3DES: &str = "F0F00100";
const PUBLISHED: &str = "00112233445566778899AABBCCDDEEFF";

fn published() -> CpuCard {
    let key = format!("{ALGORITHM_3DES}{PUBLISHED}");
    with_keys(CpuCard::builder(), &key, &key)
}

/// What the host computes, with the crypto of the GlobalPlatform part.
fn des(key: &[u8; 16], input: &str) -> [u8; 8] {
    let mut block = bytes(input);
    crate::crypto::TripleDes::new(key).encrypt_ecb(&mut block);
    block.try_into().unwrap()
}

fn mac(key: &[u8; 8], data: &str) -> String {
    hex::encode_upper(&des_mac(key, [0; 8], &bytes(data))[..4])
}

fn load(card: &mut CpuCard, purse: &str, amount: &str) -> String {
    load_at(card, purse, amount, "20161216105800")
}

/// A whole load of the published card; gives the TAC.
fn load_at(card: &mut CpuCard, purse: &str, amount: &str, when: &str) -> String {
    let opened = send(card, &format!("805000{purse}0B01{amount}00112233445510"));
    assert!(opened.ends_with("9000"), "{opened}");
    let session = des(&array(PUBLISHED), &format!("{}{}8000", &opened[16..24], &opened[8..12]));
    assert_eq!(opened[24..32], mac(&session, &format!("{}{amount}{purse}001122334455", &opened[..8])));
    let mac2 = mac(&session, &format!("{amount}{purse}001122334455{when}"));
    send(card, &format!("805200000B{when}{mac2}04"))
}

#[test]
fn published_load_of_a_deposit() {
    let key = format!("{ALGORITHM_3DES}11223344556677888877665544332211");
    let mut card = with_keys(CpuCard::builder(), &key, &key);
    card.plan_random(&bytes("11223344"));
    let opened = send(&mut card, "805000010B010000100000112233445510");
    assert_eq!(opened, "00000000 0000 01 00 11223344 2988AE5A 9000".replace(' ', ""));
    let done = send(&mut card, "805200000B201112212148223A845BF004");
    assert!(done.ends_with("9000") && done.len() == 12, "{done}");
    assert_eq!(card.balance(DEPOSIT), Some(0x1000));
}

#[test]
fn published_loads_of_a_purse() {
    let mut card = published();
    card.plan_random(&bytes("E0B84748"));
    let opened = send(&mut card, "805000020B010000200000112233445510");
    assert_eq!(opened, "0000000000000100E0B84748EA411F909000");
    card.plan_random(&bytes("C903814D"));
    let opened = send(&mut card, "805000020B010000200000112233445510");
    assert_eq!(opened, "0000000000000100C903814D03976C229000");
    assert_eq!(send(&mut card, "805200000B201612161058008AFA571804"), "FA00066D9000");
    assert_eq!(send(&mut card, "805C000204"), "000020009000");
    assert_eq!(send(&mut card, "00B201C400"), "0000000000000020000200112233445520161216105800 9000".replace(' ', ""));
    assert_eq!(send(&mut card, "805A000202000008"), "00000000FA00066D9000");
}

#[test]
fn published_load_with_single_des() {
    // Keys of algorithm 01: the load key is its left half, the TAC key both; balance 1A and number 0017 came before.
    let mut card = with_keys(
        CpuCard::builder(),
        "F0F002013F013F013F013F013F013F013F013F01",
        "F002000134343434343434343434343434343434",
    );
    let file = card.memory.directory_mut(1).unwrap().file_mut(2).unwrap();
    file.content = memory::Content::Purse(purse_memory(0x1A, 0x17));
    card.plan_random(&bytes("06B825D7"));
    let opened = send(&mut card, "805000020B010000000111223344556610");
    assert_eq!(opened, "0000001A0017020106B825D7684C81CE9000");
    assert_eq!(send(&mut card, "805200000B201703101107349C8A062504"), "16EAD5169000");
}

fn purse_memory(balance: u32, online: u16) -> super::super::purse::Purse {
    super::super::purse::Purse { balance, online, ..Default::default() }
}

#[test]
fn published_purchase() {
    let mut card = published();
    load(&mut card, "02", "00000001");
    card.plan_random(&bytes("584633C9"));
    let opened = send(&mut card, "805001020B01000000010011223344550F");
    assert_eq!(opened, "000000010000000000 0100 584633C9 9000".replace(' ', ""));
    let done = send(&mut card, "805401000F0000000020161216134600D45737C508");
    assert_eq!(done, "8AF270DC66B54A6B9000");
    assert_eq!(card.balance(PURSE), Some(0));
    assert_eq!(send(&mut card, "805A000602000008"), "66B54A6B8AF270DC9000", "MAC2, then TAC");
    assert_eq!(send(&mut card, "805001020B01000000010011223344550F"), "9401");
}

#[test]
fn a_wrong_mac_moves_no_money() {
    let mut card = published();
    send(&mut card, "805000020B010000200000112233445510");
    assert_eq!(send(&mut card, "805200000B201612161058000000000004"), "9302");
    assert_eq!(send(&mut card, "805200000B201612161058000000000004"), "6901", "initialize again");
    assert_eq!(card.balance(PURSE), Some(0));
    assert_eq!(send(&mut card, "805A000202000008"), "9406");
    load(&mut card, "02", "00000100");
    send(&mut card, "805001020B01000000010011223344550F");
    assert_eq!(send(&mut card, "805401000F00000000201612161346000000000008"), "9302");
    assert_eq!(card.balance(PURSE), Some(0x100));
    load(&mut card, "01", "00000100");
    assert!(send(&mut card, "805005010B010000001000112233445510").ends_with("9000"));
    assert_eq!(send(&mut card, "805403000B201612161346000000000004"), "9302");
    assert!(send(&mut card, "80500401070100112233445513").ends_with("9000"));
    assert_eq!(send(&mut card, "805800000E000500201612161346000000000004"), "9302");
    assert_eq!(card.balance(DEPOSIT), Some(0x100));
}

#[test]
fn initialization_and_completion_are_neighbours() {
    let mut card = published();
    let complete = "805200000B201612161058008AFA571804";
    assert_eq!(send(&mut card, complete), "6901");
    for between in ["805C000204", "00A40000023F01"] {
        card.plan_random(&bytes("C903814D"));
        send(&mut card, "805000020B010000200000112233445510");
        send(&mut card, between);
        assert_eq!(send(&mut card, complete), "6901", "{between}");
    }
    card.plan_random(&bytes("C903814D"));
    send(&mut card, "805000020B010000200000112233445510");
    card.reset();
    all_ok(&mut card, &[SELECT_APPLICATION]);
    assert_eq!(send(&mut card, complete), "6901");
    send(&mut card, "805000020B010000200000112233445510");
    assert_eq!(send(&mut card, "805401000F0000000020161216134600D45737C508"), "6901", "another kind");
}

#[test]
fn deposit_withdrawal_unload_and_overdraft() {
    let mut card = published();
    let key: [u8; 16] = array(PUBLISHED);
    let (folded, when) = (array("8888888888888888"), "20161216134600");
    let tac = load(&mut card, "01", "00001000");
    assert_eq!(tac, format!("{}9000", mac(&folded, "00001000000000001000010011223344 5520161216105800")));

    let opened = send(&mut card, "805002010B01000001000011223344550F");
    let session = des(&key, &format!("{}{}0007", &opened[22..30], &opened[8..12]));
    let mac1 = mac(&session, &format!("0000010004001122334455{when}"));
    let expected = mac(&folded, &format!("000001000400112233445500000007{when}")) + &mac(&session, "00000100");
    assert_eq!(send(&mut card, &format!("805401000F00000007{when}{mac1}08")), expected + "9000");

    let opened = send(&mut card, "805005010B010000020000112233445510");
    assert_eq!(opened[..12], *"00000F000001");
    let session = des(&key, &format!("{}{}8000", &opened[16..24], &opened[8..12]));
    assert_eq!(opened[24..32], mac(&session, "00000F000000020003001122334455"));
    let mac2 = mac(&session, &format!("0000020003001122334455{when}"));
    let mac3 = mac(&session, &format!("00000D0000010000020003001122334455{when}"));
    assert_eq!(send(&mut card, &format!("805403000B{when}{mac2}04")), format!("{mac3}9000"));
    assert_eq!(send(&mut card, "805A000302000108"), format!("{mac3}000000009000"));

    let opened = send(&mut card, "805004010701001122334455 13".replace(' ', "").as_str());
    assert_eq!(opened[..18], *"00000D000002000000");
    let session = des(&key, &format!("{}{}8000", &opened[22..30], &opened[8..12]));
    assert_eq!(opened[30..38], mac(&session, "00000D0000000007001122334455"));
    let mac2 = mac(&session, &format!("00050007001122334455{when}"));
    let tac = &retail_mac(&key, [0; 8], &bytes(&format!("0000120000020005000700112233 4455{when}")))[..4];
    assert_eq!(send(&mut card, &format!("805800000E000500{when}{mac2}04")), format!("{}9000", hex::encode_upper(tac)));
    assert_eq!(card.balance(DEPOSIT), Some(0x1200), "the limit can be spent");
    // What the issuer lends is not unloaded.
    assert_eq!(send(&mut card, "805005010B0100000D0100112233445510"), "9401");
    assert_eq!(card.records(&[0x3F00, 0x3F01, 0x0018]).unwrap().len(), 4);
}

#[test]
fn proofs_by_the_number_before_or_after() {
    for (number, found, missed) in [(ProveNumber::Before, "0000", "0001"), (ProveNumber::After, "0001", "0000")] {
        let key = format!("{ALGORITHM_3DES}{PUBLISHED}");
        let mut card = with_keys(CpuCard::builder().prove_number(number), &key, &key);
        let tac = load(&mut card, "02", "00000001");
        assert_eq!(send(&mut card, &format!("805A000202{found}08")), format!("00000000{tac}"));
        assert_eq!(send(&mut card, &format!("805A000202{missed}08")), "9406");
        assert_eq!(send(&mut card, &format!("805A000102{found}08")), "9406", "another type");
        card.reset();
        all_ok(&mut card, &[SELECT_APPLICATION]);
        assert_eq!(send(&mut card, &format!("805A000202{found}08")), format!("00000000{tac}"));
    }
}

#[test]
fn one_counter_for_both_kinds_where_the_card_is_made_so() {
    for (one, expected) in [(false, "0000"), (true, "0001")] {
        let key = format!("{ALGORITHM_3DES}{PUBLISHED}");
        let mut card = with_keys(CpuCard::builder().one_counter(one), &key, &key);
        load(&mut card, "02", "00000001");
        assert_eq!(send(&mut card, "805001020B01000000010011223344550F")[8..12], *expected);
    }
}

#[test]
fn the_pin_of_a_deposit_guards_loads_where_the_card_is_made_so() {
    let open = "805000010B010000200000112233445510";
    assert_eq!(send(&mut sample(), open), "6982");
    assert!(send(&mut verified(), open).ends_with("9000"));
    let mut card = sample_of(CpuCard::builder().pin_for_load(false));
    assert!(send(&mut card, open).ends_with("9000"));
    assert_eq!(send(&mut card, "805C000104"), "6982");
}

#[test]
fn transactions_name_what_is_wrong() {
    let mut card = published();
    for (command, sw) in [
        ("805000020B090000200000112233445510", "9403"),
        ("805000030B010000200000112233445510", "6A86"),
        ("805002020B010000200000112233445510", "6A86"),
        ("805000020A0100002000001122334410", "6700"),
        ("805A000802000008", "6A86"),
        ("805A0002010008", "6700"),
        ("805C000304", "6A86"),
    ] {
        assert_eq!(send(&mut card, command), sw, "{command}");
    }
    let key = format!("11F00100{PUBLISHED}");
    let mut guarded = with_keys(CpuCard::builder(), &key, &key);
    assert_eq!(send(&mut guarded, "805000020B010000200000112233445510"), "6982", "use right of the key");
    load(&mut card, "02", "FFFFFFFF");
    assert_eq!(send(&mut card, "805000020B010000000100112233445510"), "6985", "more than a purse holds");
    all_ok(&mut card, &["00A40000023F00"]);
    assert_eq!(send(&mut card, "805C000204"), "6A82");
}

#[test]
fn a_compound_purchase_writes_its_record_with_the_purse() {
    let mut card = published();
    all_ok(&mut card, &["80E0001A072C0020F0F0FFFF", "00E200D4042C021111"]);
    load(&mut card, "02", "00000100");
    let update = "80DC2CD0042C022222";
    assert_eq!(send(&mut card, update), "6901");
    let opened = send(&mut card, "805003020B01000000010011223344550F");
    all_ok(&mut card, &[update]);
    assert_eq!(card.records(&[0x3F00, 0x3F01, 0x001A]).unwrap(), [bytes("2C021111")]);
    let session = des(&array(PUBLISHED), &format!("{}{}0001", &opened[22..30], &opened[8..12]));
    let mac1 = mac(&session, "000000010900112233445520161216134600");
    all_ok(&mut card, &[&format!("805401000F0000000120161216134600{mac1}08")]);
    assert_eq!(card.records(&[0x3F00, 0x3F01, 0x001A]).unwrap(), [bytes("2C022222")]);
    assert_eq!(card.balance(PURSE), Some(0xFF));
    assert!(send(&mut card, "805A000902000008").ends_with("9000"));
}
