//! Conversations with CPU cards, byte for byte as manuals and recordings of cards have them.

use cardwright_apdu::transport::InProcess;
use cardwright_apdu::{CommandApdu, StatusWord, block_on};
use cardwright_cos::Error;
use cardwright_cos::cpu::{Counted, CpuSession, KeyWrite, Pin};
use cardwright_cos::pboc::{MacAlgorithm, MacSuite};
use cardwright_cos::profile::{CardProfile, FileType, KeyUse, Operation, Safeguard};
use cardwright_cos::template::Fields;
use cardwright_keys::{KeyKind, KeyRef, SoftwareKeys};

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

/// A card that answers these commands in this order, and no others.
fn card(exchanges: &[(&str, &str)]) -> InProcess<impl FnMut(&[u8]) -> Vec<u8> + Send + use<>> {
    let mut exchanges: Vec<_> =
        exchanges.iter().map(|(command, response)| (bytes(command), bytes(response))).rev().collect();
    InProcess::new(move |command: &[u8]| {
        let (expected, response) = exchanges.pop().expect("one command more than expected");
        assert_eq!(hex::encode_upper(command), hex::encode_upper(expected));
        response
    })
}

fn keys(of: &[(&str, &str)]) -> SoftwareKeys {
    let mut keys = SoftwareKeys::new();
    for (name, value) in of {
        let (kind, value) = match value.strip_prefix("SM4 ") {
            Some(value) => (KeyKind::Sm4, value),
            None => (KeyKind::Tdes, *value),
        };
        keys.insert(*name, kind, &bytes(value)).unwrap();
    }
    keys
}

fn fmcos() -> CardProfile {
    CardProfile::built_in("fmcos-2.0").unwrap()
}

const FF8: &str = "FFFFFFFFFFFFFFFF";

#[test]
fn external_authentication() {
    let mut keys = keys(&[("a", "0102030405060708"), ("b", FF8), ("c", "SM4 00112233445566778899AABBCCDDEEFF")]);
    for (length, key, id, challenge, cryptogram) in [
        (4, "a", 1, "BB83BFF3", "74B0047DD681D96C"),
        (8, "b", 0, "53FD1F262EC4E6E2", "A0DBBFC1192FF24A"),
        (8, "c", 0x41, "53FD1F262EC4E6E2", "6A488B436C269777"),
    ] {
        let mut profile = fmcos();
        profile.authentication_challenge = length;
        let get = format!("00840000{length:02X}");
        let authenticate = format!("008200{id:02X}08{cryptogram}");
        let mut card = card(&[(&get, &format!("{challenge}9000")), (&authenticate, "9000")]);
        block_on(CpuSession::new(&profile).authenticate(&mut card, &mut keys, &KeyRef::new(key), id)).unwrap();
    }
}

#[test]
fn internal_authentication_proves_a_key() {
    let mut keys = keys(&[("key", "1122334455667788"), ("other", "1122334455667799")]);
    let profile = fmcos();
    for (name, expected) in [("key", true), ("other", false)] {
        let mut card = card(&[("0088000108010203040506070800", "178F59F8578E0D3F9000")]);
        let data = [1, 2, 3, 4, 5, 6, 7, 8];
        let (mut session, key) = (CpuSession::new(&profile), KeyRef::new(name));
        assert_eq!(block_on(session.has_key(&mut card, &mut keys, &key, 1, data)).unwrap(), expected);
    }
}

fn write(
    profile: &CardProfile,
    keys: &mut SoftwareKeys,
    write: &KeyWrite,
    exchanges: &[(&str, &str)],
) -> Result<(), Error> {
    block_on(CpuSession::new(profile).write_key(&mut card(exchanges), keys, &KeyRef::new("master"), write))
}

#[test]
fn keys_are_written_enciphered_and_with_mac() {
    let profile = fmcos();
    let mut keys = keys(&[("master", FF8), ("new", "1122334455667788")]);
    let fields = Fields::new().byte("use", 0xF0).byte("change", 0xF0).byte("next", 0xAA).byte("counter", 0xFF);
    let mut key = KeyWrite {
        key_use: KeyUse::ExternalAuthentication,
        id: 2,
        present: None,
        later: Safeguard::EncipheredMac,
        fields,
        key: KeyRef::new("new"),
    };
    let added = "84D4010214 7C87BC23140021B3AFEA67E6359DDCFE D7C943F6";
    write(&profile, &mut keys, &key, &[("0084000004", "4C45BAB99000"), (added, "9000")]).unwrap();
    // P1 of an update is the type that the key has on the card, the type in the record the one that it gets.
    (key.id, key.present) = (1, Some(Safeguard::None));
    let changed = "84D4390114 7C87BC23140021B3AFEA67E6359DDCFE 9095E4E1";
    write(&profile, &mut keys, &key, &[("0084000004", "EF3648189000"), (changed, "9000")]).unwrap();
    (key.id, key.present, key.later) = (2, Some(Safeguard::EncipheredMac), Safeguard::None);
    let back = "84D4F90214 7E65DE142F66CA41AFEA67E6359DDCFE 012EF5F5";
    write(&profile, &mut keys, &key, &[("0084000004", "C0B3549C9000"), (back, "9000")]).unwrap();
    let error = write(&profile, &mut keys, &key, &[("0084000004", "C0B3549C9000"), (back, "6982")]);
    assert!(
        matches!(error, Err(Error::Refused { command: "update-key-enciphered", sw: StatusWord(0x6982) })),
        "{error:?}"
    );
}

/// The command with its MAC under the key of the test above.
fn with_mac(command: &str, challenge: &str) -> String {
    let key = cardwright_keys::KeyValue::new(&bytes(FF8)).unwrap();
    let iv: [u8; 8] = bytes(&format!("{challenge}00000000")).try_into().unwrap();
    let mac = cardwright_cos::pboc::mac(&key, &iv, &bytes(command)).unwrap();
    format!("{command}{}", hex::encode_upper(mac))
}

#[test]
fn a_key_of_a_psam_has_the_retail_mac() {
    let text = r#"
        [profile.psam]
        like = "fmcos-2.0"
        [profile.psam.commands]
        add-key-enciphered = "84 D4 00 00 {data}"
        [profile.psam.keys]
        load = { code = 0x22, header = "{type:1} {header:2}" }
        "#;
    let profile = &CardProfile::read_toml(text).unwrap()[0];
    let value = "00112233445566778899AABBCCDDEEFF";
    let mut keys = keys(&[("master", value), ("new", value)]);
    let key = KeyWrite {
        key_use: KeyUse::Load,
        id: 0,
        present: None,
        later: Safeguard::None,
        fields: Fields::new().with("header", [0, 0]),
        key: KeyRef::new("new"),
    };
    let command = "84D400001C DCC0BB5793ABFCA2CA8C1624822F6E01A86A0B5CBED191DD 8A9D4ADB";
    write(profile, &mut keys, &key, &[("0084000004", "5D72B3FD9000"), (command, "9000")]).unwrap();
}

#[test]
fn an_sm4_key_of_a_toll_card() {
    let profile = CardProfile::built_in("tianyu-etc-sm4").unwrap();
    let mut keys = keys(&[
        ("master", "SM4 00112233445566778899AABBCCDDEEFF"),
        ("new", "SM4 0123456789ABCDEFFEDCBA9876543210"),
        ("des", "00112233445566778899AABBCCDDEEFF"),
    ]);
    // Header 41 01 04 01 0F 00 0F FF: identifier, version, algorithm, type, use, next, change, counter.
    let fields = Fields::new()
        .byte("version", 0x01)
        .byte("algorithm", 0x04)
        .byte("use", 0x0F)
        .byte("next", 0x00)
        .byte("change", 0x0F)
        .byte("counter", 0xFF);
    let key = KeyWrite {
        key_use: KeyUse::Load,
        id: 0x41,
        present: None,
        later: Safeguard::EncipheredMac,
        fields,
        key: KeyRef::new("new"),
    };
    let command = "84D4000024 35FE3EED4EBAEF26F5C17F4FE7B99047748C4E75AB03CFF223A239B856BF32DA 17A3E2EA";
    let exchanges = [("0084000004", "4C45BAB99000"), (command, "9000")];
    write(&profile, &mut keys, &key, &exchanges).unwrap();
    let under = KeyRef::new("des");
    let mut card = card(&exchanges[..1]);
    let error = block_on(CpuSession::new(&profile).write_key(&mut card, &mut keys, &under, &key)).unwrap_err();
    assert!(matches!(error, Error::Keys(_)), "a DES key is no key of this suite: {error}");
}

#[test]
fn files_are_updated_with_a_mac() {
    let mut keys = keys(&[
        ("ff", FF8),
        ("36", "36363636363636363636363636363636"),
        ("sm4", "SM4 00112233445566778899AABBCCDDEEFF"),
    ]);
    let ef05 = "000122000001FFFF22000000000000060001201610280000000000010001000000000000000000000000000020501231";
    let ef15 = "000122000001FFFF01010000220000000000000620160101205012310000";
    let long: String = (0..=0x31).map(|byte: u8| format!("{byte:02X}")).collect();
    for (suite, key, challenge, sfi, data, lc, mac) in [
        (MacAlgorithm::Tdes, "ff", "88BBE4E3", 0x05, ef05, "34", "AE8D8774"),
        (MacAlgorithm::Tdes, "36", "A3BBCFC8", 0x15, ef15, "22", "96E32EF1"),
        (MacAlgorithm::Sm4, "sm4", "4C45BAB9", 0x15, &long, "36", "6FF3E5A2"),
    ] {
        let mut profile = fmcos();
        profile.mac = MacSuite::new(suite);
        let fields = Fields::new().byte("sfi", sfi).byte("offset", 0).with("data", bytes(data));
        let command = profile.command(Operation::UpdateBinary, &fields).unwrap();
        let update = format!("04D6{:02X}00{lc}{data}{mac}", sfi | 0x80);
        let mut card = card(&[("0084000004", &format!("{challenge}9000")), (&update, "9000")]);
        let mut session = CpuSession::new(&profile);
        block_on(session.secured(&mut card, &mut keys, &KeyRef::new(key), command, Safeguard::Mac)).unwrap();
    }
}

#[test]
fn after_a_mac_was_refused_nothing_secured_is_sent() {
    let profile = fmcos();
    let mut keys = keys(&[("ff", FF8)]);
    let update = || CommandApdu::new(0x00, 0xD6, 0x85, 0x00).with_data([1]);
    for sw in ["6988", "9302", "9303"] {
        let sent = with_mac("04D685000501", "88BBE4E3");
        let mut card = card(&[("0084000004", "88BBE4E39000"), (&sent, sw), ("00B0850001", "019000")]);
        let mut session = CpuSession::new(&profile);
        let key = KeyRef::new("ff");
        for _ in 0..3 {
            let error = block_on(session.secured(&mut card, &mut keys, &key, update(), Safeguard::Mac)).unwrap_err();
            assert!(matches!(error, Error::MacRefused { .. }), "{error}");
        }
        let error = block_on(session.block_card(&mut card, &mut keys, &key)).unwrap_err();
        assert!(matches!(error, Error::MacRefused { .. }));
        let pin = Pin::new(&[0x12, 0x34]);
        assert!(block_on(session.reload_pin(&mut card, &mut keys, &key, 0, &pin)).is_err());
        let fields = Fields::new().byte("sfi", 5).byte("offset", 0).byte("length", 1);
        assert_eq!(block_on(session.call(&mut card, Operation::ReadBinary, &fields)).unwrap(), [1]);
    }
}

#[test]
fn the_last_try_is_never_made() {
    let profile = fmcos();
    let mut keys = keys(&[("key", FF8)]);
    let (key, pin) = (KeyRef::new("key"), Pin::new(&[0x12, 0x34, 0x5F]));
    let mut session = CpuSession::new(&profile);
    let mut wrong = card(&[("002000000312345F", "63C2"), ("002000000312345F", "63C1")]);
    for left in [2, 1] {
        let error = block_on(session.verify(&mut wrong, 0, &pin)).unwrap_err();
        assert!(matches!(error, Error::WrongKey { tries_left } if tries_left == Some(left)));
    }
    let mut none = card(&[]);
    assert!(matches!(block_on(session.verify(&mut none, 0, &pin)), Err(Error::LastTry { of: Counted::Pin(0) })));
    assert!(matches!(block_on(session.change_pin(&mut none, 0, &pin, &pin)), Err(Error::LastTry { .. })));
    session.know_tries(Counted::Key(0), 1);
    assert!(matches!(block_on(session.authenticate(&mut none, &mut keys, &key, 0)), Err(Error::LastTry { .. })));
    session.know_tries(Counted::Key(0), 0);
    assert!(matches!(block_on(session.authenticate(&mut none, &mut keys, &key, 0)), Err(Error::Locked)));
    // A card that tells its counters is asked.
    let mut telling = fmcos();
    telling.tells_tries = true;
    let mut asked = card(&[("00200000", "63C1")]);
    let error = block_on(CpuSession::new(&telling).verify(&mut asked, 0, &pin)).unwrap_err();
    assert!(matches!(error, Error::LastTry { .. }));
    let mut asked = card(&[("00820007", "6983")]);
    let error = block_on(CpuSession::new(&telling).authenticate(&mut asked, &mut keys, &key, 7)).unwrap_err();
    assert!(matches!(error, Error::Locked));
}

#[test]
fn pins_are_changed_reloaded_and_unblocked() {
    let profile = fmcos();
    let reload = "00112233445566778899AABBCCDDEEFF";
    let mut keys = keys(&[("reload", reload), ("unblock", FF8)]);
    let (old, new) = (Pin::new(&[0x12, 0x34]), Pin::new(&[0x22, 0x33, 0x44, 0x55, 0x66, 0x77]));
    let folded = cardwright_keys::KeyValue::new(&[0x88; 8]).unwrap();
    let mac = cardwright_cos::pboc::mac(&folded, &[0; 8], &bytes("223344556677")).unwrap();
    let reloaded = format!("805E00000A223344556677{}", hex::encode(mac));
    let unlock = cardwright_keys::KeyValue::new(&bytes(FF8)).unwrap();
    let block = hex::encode_upper(cardwright_cos::pboc::encipher(&unlock, &bytes("1234")).unwrap());
    let unblocked = with_mac(&format!("842400000C{block}"), "A1A2A3A4");
    let mut card = card(&[
        ("805E010009 1234 FF 223344556677", "9000"),
        (&reloaded, "9000"),
        ("0084000004", "A1A2A3A49000"),
        (&unblocked, "9000"),
    ]);
    let mut session = CpuSession::new(&profile);
    block_on(session.change_pin(&mut card, 0, &old, &new)).unwrap();
    block_on(session.reload_pin(&mut card, &mut keys, &KeyRef::new("reload"), 0, &new)).unwrap();
    block_on(session.unblock_pin(&mut card, &mut keys, &KeyRef::new("unblock"), 0, &old)).unwrap();
}

#[test]
fn what_is_read_with_a_mac_is_checked_and_deciphered() {
    let profile = fmcos();
    let mut keys = keys(&[("key", FF8)]);
    let value = cardwright_keys::KeyValue::new(&bytes(FF8)).unwrap();
    let iv: [u8; 8] = bytes("88BBE4E300000000").try_into().unwrap();
    let read = || CommandApdu::new(0x00, 0xB0, 0x85, 0x00).with_ne(cardwright_apdu::Ne::new(8).unwrap());
    let sent = with_mac("04B0850004", "88BBE4E3") + "00";
    let wanted = cardwright_cos::pboc::cryptogram(&value, &bytes("0880000000000000").try_into().unwrap()).unwrap();
    let sent_enciphered = with_mac(&format!("04B085000C{}", hex::encode_upper(wanted)), "88BBE4E3") + "00";
    let answer = |data: &[u8]| {
        let mac = cardwright_cos::pboc::mac(&value, &iv, data).unwrap();
        hex::encode([data, &mac].concat()) + "9000"
    };
    let plain = bytes("0102030405FFFFFF");
    let cipher = cardwright_cos::pboc::encipher(&value, &plain).unwrap();
    for (response, enciphered, expected) in [
        (answer(&plain), false, Some(plain.clone())),
        (answer(&cipher), true, Some(plain.clone())),
        (answer(&plain), true, None),
        ("0102030405FFFFFF000000009000".into(), false, None),
        ("0102039000".into(), false, None),
        ("9000".into(), false, None),
    ] {
        let sent = if enciphered { &sent_enciphered } else { &sent };
        let mut card = card(&[("0084000004", "88BBE4E39000"), (sent, &response)]);
        let mut session = CpuSession::new(&profile);
        let data = block_on(session.read_secured(&mut card, &mut keys, &KeyRef::new("key"), read(), enciphered));
        assert_eq!(data.ok().map(|data| data.to_vec()), expected, "{response}");
    }
}

#[test]
fn a_challenge_that_is_too_short_or_too_long_is_refused() {
    let profile = fmcos();
    for response in ["9000", "0102039000", "01020304059000"] {
        let mut card = card(&[("0084000004", response)]);
        let error = block_on(CpuSession::new(&profile).challenge(&mut card, 4)).unwrap_err();
        assert!(matches!(error, Error::Length { .. }), "{response}: {error}");
    }
}

#[test]
fn files_of_every_type_are_made_as_the_manual_makes_them() {
    let profile = fmcos();
    let made =
        |operation, fields: Fields| hex::encode_upper(profile.command(operation, &fields).unwrap().to_bytes().unwrap());
    let file = |kind, safeguard| profile.file_type(kind, safeguard).unwrap();
    let mf = Fields::new().with("size", [0xFF, 0xFF]).byte("create", 0xF0).byte("erase", 0xF0);
    assert_eq!(
        made(Operation::CreateMf, mf.with("tail", bytes("01FFFFFFFFFFFFFFFF"))),
        "80E03F000E38FFFFF0F001FFFFFFFFFFFFFFFF"
    );
    let directory = Fields::new()
        .with("fid", [0x3F, 0x01])
        .with("size", [0x03, 0x6F])
        .byte("create", 0xF0)
        .byte("erase", 0xF0)
        .byte("fci", 0x95)
        .with("name", bytes("A00000000386980701"));
    assert_eq!(made(Operation::CreateDirectory, directory), "80E03F011138036FF0F095FFFFA00000000386980701");
    let rights = |fid: u16| {
        Fields::new().with("fid", fid.to_be_bytes()).byte("read", 0xF0).byte("write", 0xF0).byte("keys", 0xFF)
    };
    let binary = rights(0x15).byte("type", file(FileType::Binary, Safeguard::Mac)).with("size", [0, 0x1E]);
    assert_eq!(made(Operation::CreateBinary, binary), "80E0001507A8001EF0F0FFFF");
    let records =
        rights(0x01).byte("type", file(FileType::Fixed, Safeguard::None)).byte("count", 2).byte("record-length", 0x13);
    assert_eq!(made(Operation::CreateRecords, records.byte("write", 0x00)), "80E00001072A0213F000FFFF");
    let cyclic = rights(0x18)
        .byte("type", file(FileType::Cyclic, Safeguard::None))
        .byte("count", 10)
        .byte("record-length", 0x17);
    assert_eq!(
        made(Operation::CreateRecords, cyclic.byte("read", 0xF1).byte("write", 0xEF)),
        "80E00018072E0A17F1EFFFFF"
    );
    let purse = Fields::new().with("fid", [0, 2]).byte("type", file(FileType::Purse, Safeguard::None));
    assert_eq!(made(Operation::CreatePurse, purse.byte("use", 0xF0).byte("log", 0x18)), "80E00002072F0208F000FF18");
    let key_file = Fields::new().with("fid", [0, 0]).byte("type", file(FileType::Key, Safeguard::None));
    let key_file = key_file.with("size", [0x01, 0x8F]).byte("directory", 0x95).byte("add", 0xF0);
    assert_eq!(made(Operation::CreateKeyFile, key_file), "80E00000073F018F95F0FFFF");
    assert_eq!(file(FileType::Binary, Safeguard::EncipheredMac), 0xE8);
    assert_eq!(made(Operation::EraseDirectory, Fields::new()), "800E0000");
}

#[test]
fn keys_of_every_type_have_the_header_of_the_manual() {
    let profile = fmcos();
    let header = |key_use, fields: Fields| {
        let fields = fields.byte("use", 0xF0).byte("change", 0x02);
        hex::encode_upper(profile.key_header(key_use, Safeguard::None, Safeguard::None, fields).unwrap())
    };
    let versioned = || Fields::new().byte("version", 0).byte("algorithm", 1);
    for (key_use, expected) in [
        (KeyUse::Internal, "30F0020001"),
        (KeyUse::Tac, "34F0020001"),
        (KeyUse::Overdraft, "3CF0020001"),
        (KeyUse::Unload, "3DF0020001"),
        (KeyUse::Purchase, "3EF0020001"),
        (KeyUse::Load, "3FF0020001"),
    ] {
        assert_eq!(header(key_use, versioned()), expected);
    }
    let counted = || Fields::new().byte("next", 0x44).byte("counter", 0x33);
    for (key_use, expected) in [
        (KeyUse::ExternalAuthentication, "39F0024433"),
        (KeyUse::LineProtection, "36F002FF33"),
        (KeyUse::UnblockPin, "37F002FF33"),
        (KeyUse::ReloadPin, "38F002FF33"),
        (KeyUse::Pin, "3AF0EF4433"),
    ] {
        assert_eq!(header(key_use, counted()), expected);
    }
    assert!(profile.key_header(KeyUse::CardMaster, Safeguard::None, Safeguard::None, counted()).is_err());
    assert_eq!(
        (profile.key_use(0xF9), profile.key_use(0x7A)),
        (Some(KeyUse::ExternalAuthentication), Some(KeyUse::Pin))
    );
}

#[test]
fn other_dialects_say_it_in_their_own_bytes() {
    let of = |name: &str, operation, fields: Fields| {
        let profile = CardProfile::built_in(name).unwrap();
        hex::encode_upper(profile.command(operation, &fields).unwrap().to_bytes().unwrap())
    };
    let tianyu = "tianyu-etc-3des";
    let file = |fid: u16, kind: u8| Fields::new().with("fid", fid.to_be_bytes()).byte("type", kind);
    let key_file = file(0x2F01, 0x05).byte("add", 0xF0).with("size", [0x10, 0x00]);
    assert_eq!(of(tianyu, Operation::CreateKeyFile, key_file), "80E002000A2F0105F000100000000 0".replace(' ', ""));
    let binary = file(0x15, 0x20).byte("read", 0x0F).byte("write", 0x0F).with("size", [0, 0x32]).byte("keys", 0x41);
    assert_eq!(of(tianyu, Operation::CreateBinary, binary), "80E002000A0015200F0F0032410000");
    let cyclic = file(0x18, 0x04).byte("read", 0x1F).byte("write", 0x10).byte("count", 10).byte("record-length", 0x17);
    assert_eq!(of(tianyu, Operation::CreateRecords, cyclic.byte("keys", 0)), "80E002000A0018041F100A17000000");
    let purse = file(0x02, 0x06).byte("use", 0x00);
    assert_eq!(of(tianyu, Operation::CreatePurse, purse), "80E002000A000206000000260000 00".replace(' ', ""));
    let pin = CardProfile::built_in(tianyu).unwrap();
    let fields = Fields::new().byte("id", 0).byte("version", 0).byte("algorithm", 0);
    let fields = fields.byte("use", 0x0F).byte("next", 0x01).byte("change", 0x0F).byte("counter", 0x33);
    let mut record = pin.key_header(KeyUse::Pin, Safeguard::None, Safeguard::None, fields).unwrap();
    record.extend(b"123456");
    assert_eq!(
        of(tianyu, Operation::AddKey, Fields::new().with("data", record)),
        "80D400000E0000000B0F010F33313233343536"
    );
    let watchdata = Fields::new().with("data", [0; 24]);
    assert!(of("watchdata", Operation::AddKey, watchdata).starts_with("80E8000018"));
    assert_eq!(of("watchdata", Operation::EndCreate, Fields::new().byte("level", 1)), "80E00101");

    let xh = CardProfile::built_in("xh-3des").unwrap();
    let fields = Fields::new().with("header", bytes("01000133A000"));
    let header = xh.key_header(KeyUse::LineProtection, Safeguard::None, Safeguard::EncipheredMac, fields).unwrap();
    assert_eq!(header, bytes("06 01 00 01 33 A0 00"));
    let gd = CardProfile::built_in("gd-3des").unwrap();
    let fields = Fields::new().with("header", [0x01, 0x02]).with("data", [0; 28]);
    let command = gd.command(Operation::UpdateKeyEnciphered, &fields).unwrap().to_bytes().unwrap();
    assert_eq!(command[..5], bytes("84F401021C"));
    let header = gd.key_header(KeyUse::Load, Safeguard::None, Safeguard::EncipheredMac, Fields::new()).unwrap();
    assert_eq!(header, [0xFF]);
}

#[test]
fn keys_of_3des_user_cards_are_replaced_with_a_random_of_8_bytes() {
    let value = "00112233445566778899AABBCCDDEEFF";
    let mut keys = keys(&[("master", value), ("new", value)]);
    for (name, header, length) in [("xh-3des", "01000133A000", 24), ("gd-3des", "0102", 24)] {
        let profile = CardProfile::built_in(name).unwrap();
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let log = seen.clone();
        let mut card = InProcess::new(move |command: &[u8]| {
            log.lock().unwrap().push(command.to_vec());
            if command[1] == 0x84 { bytes("A1A2A3A4A5A6A7A89000") } else { bytes("9000") }
        });
        let key = KeyWrite {
            key_use: KeyUse::LineProtection,
            id: 0,
            present: Some(Safeguard::None),
            later: Safeguard::None,
            fields: Fields::new().with("header", bytes(header)),
            key: KeyRef::new("new"),
        };
        block_on(CpuSession::new(&profile).write_key(&mut card, &mut keys, &KeyRef::new("master"), &key)).unwrap();
        let seen = seen.lock().unwrap();
        assert_eq!(seen[0], bytes("0084000008"));
        // 24 bytes enciphered and the MAC: Lc 1C.
        assert_eq!((seen[1][4], seen[1].len()), (0x1C, 5 + length + 4), "{name}");
        let mac_key = cardwright_keys::KeyValue::new(&bytes(value)).unwrap();
        let mac = cardwright_cos::pboc::mac(&mac_key, &bytes("A1A2A3A4A5A6A7A8").try_into().unwrap(), &seen[1][..29]);
        assert_eq!(seen[1][29..], mac.unwrap(), "{name}: all 8 bytes are the initial value");
    }
}
