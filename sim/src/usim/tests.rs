//! The card as an issuer and a telephone meet it.

use super::*;
use crate::usim::milenage::Milenage;

const K: &str = "465B5CE8B199B49FAA5F0A2EE238A6BC";
const OPC: &str = "CD63CB71954A9F4E48A5994E37A02BAF";
const RAND: &str = "23553CBE9637A89D218AE64DAE47BF35";

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    bytes(text).try_into().unwrap()
}

fn send(card: &mut Usim, command: &str) -> String {
    hex::encode_upper(card.process(&bytes(command)))
}

#[track_caller]
fn all_ok(card: &mut Usim, commands: &[&str]) {
    for command in commands {
        let response = send(card, command);
        assert!(
            response.ends_with("9000") || response.starts_with("9F") || response.starts_with("61"),
            "{command}: {response}"
        );
    }
}

/// A card on T=1, so that responses come in one piece.
fn card(style: UsimStyle) -> Usim {
    Usim::builder().style(style).t0(false).build()
}

/// With the keys of TS 35.208, set 1, and ADF.USIM selected.
fn subscribed() -> Usim {
    let mut card = Usim::builder().milenage(array(K), array(OPC)).t0(false).build();
    all_ok(&mut card, &["00A404040CA0000000871002FFFFFFFF89"]);
    card
}

const VERIFY_ADM: &str = "0020000A083838383838383838";

#[test]
fn a_subscription_is_written_and_read_back() {
    let mut card = card(UsimStyle::Sjs1);
    all_ok(&mut card, &[VERIFY_ADM]);
    for (select, update, read) in [
        ("00A40804022FE2", "00D600000A988812010000010913F8", "00B000000A"),
        ("00A40804047F206F07", "00D6000009082982608200002080", "00B0000009"),
        ("00A40804047F206F78", "00D60000020001", "00B0000002"),
        ("00A40804047F206F46", "00D60000110147534D2D52204348FFFFFFFFFFFFFFFF", "00B0000011"),
        ("00A40804047F206F61", "00D600000522F8608000", "00B0000005"),
    ] {
        all_ok(&mut card, &[select, update]);
        let data = update.replace(' ', "")[10..].to_owned() + "9000";
        assert_eq!(send(&mut card, read), data, "{select}");
    }
    let number = format!("{}0891947172199181F3FFFFFFFFFF", "FF".repeat(20));
    all_ok(&mut card, &["00A40804047F106F40", &format!("00DC010422{number}")]);
    assert_eq!(send(&mut card, "00B2010422"), format!("{number}9000"));
    // The application has the same files.
    all_ok(&mut card, &["00A40404 07A0000000871002", "00A40004026F40"]);
    assert_eq!(send(&mut card, "00B2010400"), format!("{number}9000"));
    assert_eq!(send(&mut card, "00B0870000"), "0829826082000020809000", "by its short identifier");
    assert_eq!(card.transparent(0x3F00, 0x2FE2).unwrap(), bytes("988812010000010913F8"));
}

#[test]
fn the_administrative_code_guards_what_the_issuer_writes() {
    let mut card = card(UsimStyle::Sjs1);
    all_ok(&mut card, &["00A40804047F206F07"]);
    assert_eq!(send(&mut card, "00D6000009082982608200002080"), "6982");
    assert_eq!(send(&mut card, "0020000A"), "63C3");
    assert_eq!(send(&mut card, "0020000A00"), "63C3", "asking counts nothing");
    assert_eq!(send(&mut card, "0020000A081111111111111111"), "63C2");
    assert_eq!(send(&mut card, "00D6000009082982608200002080"), "6982");
    all_ok(&mut card, &[VERIFY_ADM, "00D6000009082982608200002080"]);
    assert_eq!(send(&mut card, "0020000A"), "63C3");
    card.reset();
    all_ok(&mut card, &["00A40804047F206F07"]);
    assert_eq!(send(&mut card, "00D6000009082982608200002080"), "6982", "until the reset");
    for sw in ["63C2", "63C1", "63C0", "6983"] {
        assert_eq!(send(&mut card, "0020000A081111111111111111"), sw);
    }
    assert_eq!(send(&mut card, VERIFY_ADM), "6983");
    assert_eq!(send(&mut card, "0020000A"), "6983");
    assert_eq!(send(&mut card, "0020000B"), "6A88");
    assert_eq!(send(&mut card, "0020000A0411111111"), "6C08");
}

#[test]
fn the_class_of_a_sim() {
    let mut card = card(UsimStyle::Sjs1);
    assert_eq!(send(&mut card, "A0A40000027F20"), "9F16");
    assert_eq!(send(&mut card, "A0C0000016")[8..16], *"7F200200");
    assert_eq!(send(&mut card, "A0A40000026F07"), "9F0F");
    assert_eq!(send(&mut card, "A0C000000F"), "000000096F07040014FF440102000 09000".replace(' ', ""));
    assert_eq!(send(&mut card, "A0C000000F"), "6F00", "fetched once");
    assert_eq!(send(&mut card, "A0B0000009"), "FFFFFFFFFFFFFFFFFF9000");
    assert_eq!(send(&mut card, "A0B000000A"), "6709");
    assert_eq!(send(&mut card, "A0B0000901"), "9402");
    assert_eq!(send(&mut card, "A0D6000009082982608200002080"), "9804");
    assert_eq!(send(&mut card, "A020000A081111111111111111"), "9804");
    assert_eq!(send(&mut card, "A020000A081111111111111111"), "9804");
    assert_eq!(send(&mut card, "A020000A081111111111111111"), "9840");
    assert_eq!(send(&mut card, "A020000A083838383838383838"), "9840");
    assert_eq!(send(&mut card, "A0A40000026FFF"), "9404");
    assert_eq!(send(&mut card, "A0A40000027FFF"), "9404", "no application");
    assert_eq!(send(&mut card, "A0A40000023F00"), "9F16");
    assert_eq!(send(&mut card, "A0B0000001"), "9400");
    assert_eq!(send(&mut card, "A0F2000016").len(), 48);
    all_ok(&mut card, &["A0A40000027F10", "A0A40000026F40"]);
    assert_eq!(send(&mut card, "A0B0000001"), "9408");
    assert!(send(&mut card, "A0B2010422").ends_with("9000"));
    assert_eq!(send(&mut card, "A0B2030422"), "9402");
    // Next and previous.
    all_ok(&mut card, &["A0B2000222", "A0B2000222", "A0B2000322"]);
    assert_eq!(send(&mut card, "A0EE000000"), "6D00");
}

#[test]
fn the_class_of_a_uicc() {
    let mut card = Usim::builder().build();
    let fcp = "621E8202412183022FE28A01058C03039A00800 2000A880110".replace(' ', "");
    let sw = send(&mut card, "00A40804022FE2");
    assert_eq!(sw[..2], *"61");
    let length = &sw[2..];
    let response = send(&mut card, &format!("00C00000{length}"));
    assert_eq!(response[4..], format!("{}9000", &fcp[4..]));
    assert_eq!(send(&mut card, "00B0000000"), "6C0A");
    assert_eq!(send(&mut card, "00B000000A"), format!("{}9000", "FF".repeat(10)));
    for (command, sw) in [
        ("00A40804022FFF", "6A82"),
        ("00A4080C047F206FFF", "6A82"),
        ("00A4040405A000000099", "6A82"),
        ("00A40104022FE2", "6A86"),
        ("00A4080403 2FE200", "6700"),
        ("00B0000B01", "6B00"),
        ("04B0000001", "6E00"),
        ("00EE000000", "6D00"),
        ("00B2010400", "6981"),
    ] {
        assert_eq!(send(&mut card, command), sw, "{command}");
    }
    // A selection that fails changes nothing.
    assert_eq!(send(&mut card, "00B000000A"), format!("{}9000", "FF".repeat(10)));
    // The application by 7FFF at the start of a path.
    assert_eq!(send(&mut card, "00A4080C047FFF6F07"), "6A82");
    all_ok(&mut card, &["00A4040C07A0000000871002", "00A4080C047FFF6F07", "00B0000009"]);
}

#[test]
fn a_pin_is_verified_changed_and_unblocked() {
    let mut card = Usim::builder().pin(*b"1234\xFF\xFF\xFF\xFF", true).t0(false).build();
    all_ok(&mut card, &["00A40804047F206F07"]);
    assert_eq!(send(&mut card, "00B0000009"), "6982");
    all_ok(&mut card, &["002000010831323334FFFFFFFF", "00B0000009"]);
    all_ok(&mut card, &["002400011031323334FFFFFFFF35363738FFFFFFFF"]);
    for sw in ["63C2", "63C1", "63C0", "6983"] {
        assert_eq!(send(&mut card, "002000010831323334FFFFFFFF"), sw);
    }
    assert_eq!(send(&mut card, "00B0000009"), "6982");
    assert_eq!(send(&mut card, "002C0001"), "63CA");
    assert_eq!(send(&mut card, "002C00011031313131313131313131313131FFFFFF"), "63C9");
    all_ok(&mut card, &["002C0001103132333435363738 31323334FFFFFFFF", "00B0000009", "002600010831323334FFFFFFFF"]);
    card.reset();
    all_ok(&mut card, &["00A40804047F206F07", "00B0000009"]);
    all_ok(&mut card, &["002800010831323334FFFFFFFF"]);
    for left in (0..10).rev() {
        let sw = format!("63C{left:X}");
        assert_eq!(send(&mut card, "002C00011031313131313131313131313131FFFFFF"), sw);
    }
    assert_eq!(send(&mut card, "002C000110313233343536373831323334FFFFFFFF"), "6983", "right, and too late");
    assert_eq!(send(&mut card, "002C0001"), "6983");
}

/// `SQN xor AK ‖ AMF ‖ MAC` for the keys of set 1.
fn autn(sqn: &str) -> String {
    let milenage = Milenage::new(&array(K), &array(OPC)).unwrap();
    let (mac, _) = milenage.macs(&array(RAND), &array(sqn), array("B9B9"));
    let ak = milenage.vector(&array(RAND)).ak;
    let concealed: Vec<u8> = bytes(sqn).iter().zip(ak).map(|(sqn, ak)| sqn ^ ak).collect();
    hex::encode_upper([&concealed[..], &bytes("B9B9"), &mac].concat())
}

fn authenticate(card: &mut Usim, autn: &str) -> String {
    send(card, &format!("0088008122 10{RAND}10{autn}00"))
}

#[test]
fn the_published_vector_through_the_card() {
    let mut card = subscribed();
    // Set 1 has SQN FF9BB4D0B607: the AUTN is SQN xor AK, AMF and MAC-A as printed.
    let published = "55F328B43577 B9B9 4A9FFAC354DFAFB3".replace(' ', "");
    assert_eq!(autn("FF9BB4D0B607"), published);
    let expected = "DB08A54211D5E3BA50BF10B40BA9A3C58B2A05BBF0D987B21BF8CB10F769BCD751044604127672711C6D344108EAE4BE823AF9A08B9000";
    assert_eq!(authenticate(&mut card, &published), expected);
    // 2G, in both classes.
    assert_eq!(send(&mut card, &format!("008800801110{RAND}00")), "0446F8416A08EAE4BE823AF9A08B9000");
    all_ok(&mut card, &["A0A40000027F20"]);
    assert_eq!(send(&mut card, &format!("A088000010{RAND}")), "9F0C");
    assert_eq!(send(&mut card, "A0C000000C"), "46F8416AEAE4BE823AF9A08B9000");
}

#[test]
fn authentication_is_behind_the_pin() {
    let pin = *b"1234\xFF\xFF\xFF\xFF";
    let mut card = Usim::builder().milenage(array(K), array(OPC)).pin(pin, true).t0(false).build();
    all_ok(&mut card, &["00A404040CA0000000871002FFFFFFFF89"]);
    assert_eq!(authenticate(&mut card, &autn("000000000401")), "6982");
    all_ok(&mut card, &["A0A40000027F20"]);
    assert_eq!(send(&mut card, &format!("A088000010{RAND}")), "9804");
    all_ok(&mut card, &["002000010831323334FFFFFFFF", "00A404040CA0000000871002FFFFFFFF89"]);
    assert!(authenticate(&mut card, &autn("000000000401")).starts_with("DB"));
}

#[test]
fn old_sequence_numbers_are_answered_with_auts() {
    let mut card = subscribed();
    assert!(authenticate(&mut card, &autn("000000000401")).starts_with("DB"));
    // The same again, and an older one of the same index.
    for sqn in ["000000000401", "0000000003E1"] {
        let response = authenticate(&mut card, &autn(sqn));
        assert_eq!((&response[..4], response.len()), ("DC0E", 36), "{response}");
        // AUTS opens to the highest number accepted.
        let milenage = Milenage::new(&array(K), &array(OPC)).unwrap();
        let resync = milenage.vector(&array(RAND)).ak_resync;
        let highest: Vec<u8> = bytes(&response[4..16]).iter().zip(resync).map(|(byte, ak)| byte ^ ak).collect();
        assert_eq!(highest, bytes("000000000401"));
        let (_, mac_s) = milenage.macs(&array(RAND), &array("000000000401"), [0, 0]);
        assert_eq!(response[16..32], hex::encode_upper(mac_s));
    }
    // An older one of another index is new there.
    assert!(authenticate(&mut card, &autn("0000000003E2")).starts_with("DB"));
    card.reset();
    all_ok(&mut card, &["00A404040CA0000000871002FFFFFFFF89"]);
    assert!(authenticate(&mut card, &autn("000000000401")).starts_with("DC"));
}

#[test]
fn authentication_names_what_is_wrong() {
    let mut card = subscribed();
    let mut wrong = autn("000000000401");
    wrong.replace_range(31..32, if wrong.ends_with('0') { "1" } else { "0" });
    assert_eq!(authenticate(&mut card, &wrong), "9862");
    assert!(authenticate(&mut card, &autn("000000000401")).starts_with("DB"), "a wrong MAC moves no number");
    assert_eq!(send(&mut card, &format!("008800811110{RAND}00")), "6700");
    assert_eq!(send(&mut card, &format!("008800821110{RAND}00")), "6A86");
    all_ok(&mut card, &["00A40004023F00"]);
    assert_eq!(authenticate(&mut card, &autn("000000000801")), "6981");
    assert_eq!(send(&mut card, &format!("A088000010{RAND}")), "9408");
}

#[test]
fn ki_and_opc_by_each_vendor() {
    let mut sjs1 = card(UsimStyle::Sjs1);
    assert_eq!(send(&mut sjs1, "00A4080C047F2000FF"), "9000");
    assert_eq!(send(&mut sjs1, &format!("00D6000010{K}")), "6982");
    all_ok(&mut sjs1, &[VERIFY_ADM, &format!("00D6000010{K}"), "00A4080C047F2000F7", &format!("00D600001101{OPC}")]);
    assert_eq!(send(&mut sjs1, "00B0000000"), "6982", "never read");

    let mut gr1 = card(UsimStyle::Gr1);
    let write = format!("0099000033{K}{OPC}988812010000010913F8082982608200002080");
    assert_eq!(send(&mut gr1, &write), "6982");
    all_ok(&mut gr1, &["0020000A083332323133323332", &write]);
    assert_eq!(gr1.transparent(0x7F20, 0x6F07).unwrap(), bytes("082982608200002080"));
    assert_eq!(gr1.transparent(0x3F00, 0x2FE2).unwrap(), bytes("988812010000010913F8"));
    for card in [&sjs1, &gr1] {
        assert_eq!(card.ki_and_opc(), (array(K), array(OPC)));
    }
    assert_eq!(send(&mut sjs1, &write), "6D00");

    let mut gr2 = Usim::builder().style(UsimStyle::Gr2).milenage([0; 16], array(OPC)).build();
    assert_eq!(send(&mut gr2, "A0D43B01083837363534333231"), "9804");
    all_ok(
        &mut gr2,
        &["A020000B083838383838383838", "A0A40000027F20", "A0A40000020001", &format!("A0D6000013001000{K}")],
    );
    all_ok(&mut gr2, &["A0D43B01083837363534333231", "A0D43A010830303030FFFFFFFF", "A0D43A05084141414141414141"]);
    assert_eq!(gr2.ki_and_opc(), (array(K), array(OPC)));
    assert_eq!(gr2.pin_and_puk(), Some((*b"0000\xFF\xFF\xFF\xFF", *b"87654321")));
    all_ok(&mut gr2, &["A0A40000027F20", &format!("A088000010{RAND}")]);
    assert_eq!(send(&mut gr2, "A0C000000C"), "46F8416AEAE4BE823AF9A08B9000");
}

#[test]
fn a_card_with_a_key_for_each_context() {
    let mut card = card(UsimStyle::Sja2);
    all_ok(&mut card, &[VERIFY_ADM, "00A4080C022FE2"]);
    assert_eq!(send(&mut card, "00D600000A988812010000010913F8"), "6982", "ICCID is the maker's");
    all_ok(&mut card, &["00A4040C07A0000000871002", "00A4080C047FFFAF20", &format!("00D600002114{K}{OPC}")]);
    assert!(authenticate(&mut card, &autn("000000000401")).starts_with("DB08A54211D5E3BA50BF"));
    let gsm = "46F8416A";
    let run = |card: &mut Usim| send(card, &format!("008800801110{RAND}00"))[2..10].to_owned();
    assert_ne!(run(&mut card), gsm);
    all_ok(&mut card, &["00A4080C047FFFAF22", &format!("00D6000120{K}{OPC}")]);
    assert_eq!(run(&mut card), gsm);
    all_ok(&mut card, &["A0A40000027F20", &format!("A088000010{RAND}")]);
    assert_ne!(send(&mut card, "A0C000000C")[..8], *gsm);
    all_ok(
        &mut card,
        &["00A4080C04A5156F20", &format!("00D6000120{K}{OPC}"), "A0A40000027F20", &format!("A088000010{RAND}")],
    );
    assert_eq!(send(&mut card, "A0C000000C")[..8], *gsm);
}

#[test]
fn torn_writes_leave_the_first_bytes() {
    let mut card = card(UsimStyle::Sjs1);
    for written in 0..=9 {
        let mut torn = card.twin();
        all_ok(&mut torn, &[VERIFY_ADM, "00A40804047F206F07"]);
        torn.process_torn(&bytes("00D6000009082982608200002080"), written);
        torn.reset();
        let expected = [&bytes("082982608200002080")[..written], &[0xFF; 9][written..]].concat();
        assert_eq!(torn.transparent(0x7F20, 0x6F07).unwrap(), expected);
    }
    // The right code, torn: the try is counted, and nothing won.
    card.process_torn(&bytes(VERIFY_ADM), 1);
    assert_eq!(card.tries_left(0x0A), Some(2));
    card.reset();
    let mut card = subscribed();
    let command = bytes(&format!("008800812210{RAND}10{}", autn("000000000401")));
    card.process_torn(&command, 0);
    card.reset();
    all_ok(&mut card, &["00A404040CA0000000871002FFFFFFFF89"]);
    assert!(authenticate(&mut card, &autn("000000000401")).starts_with("DB"));
}

#[test]
fn a_card_comes_back_from_its_memory_and_from_no_damaged_one() {
    let mut card = subscribed();
    authenticate(&mut card, &autn("000000000401"));
    let memory = SoftwareCard::memory(&card);
    let again = Usim::restore(&memory, 1).unwrap();
    assert_eq!(SoftwareCard::memory(&again), memory);
    for at in (0..memory.len()).step_by(11) {
        assert!(Usim::restore(&memory[..at], 1).is_none());
        let mut changed = memory.clone();
        changed[at] ^= 0xFF;
        if let Some(mut card) = Usim::restore(&changed, 1) {
            for command in [
                "00A40804047F206F07",
                "00B0000000",
                "A0A40000023F00",
                "0020000A",
                "00A4040C07A0000000871002",
                "A0F2000016",
            ] {
                assert!(send(&mut card, command).len() >= 4);
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_break_the_card(commands in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40), 1..12), ins in proptest::sample::select(vec![0xA4, 0xB0, 0xB2, 0xC0, 0xD4, 0xD6, 0xDC, 0x20, 0x24, 0x2C, 0x88, 0x99u8])) {
        let mut card = subscribed();
        for mut command in commands {
            if command.len() > 4 {
                command[0] = if command[0] & 1 == 0 { 0x00 } else { 0xA0 };
                command[1] = ins;
                command[4] = (command.len() - 5) as u8;
            }
            proptest::prop_assert!(card.process(&command).len() >= 2);
        }
    }
}
