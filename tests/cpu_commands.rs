//! The commands of a native card over a profile, on the software card: two implementations of the manual, written apart from each other,
//! understand each other.

use cardwright::apdu::{CommandApdu, Transport, block_on};
use cardwright::cos::Error;
use cardwright::cos::cpu::{CpuSession, KeyWrite, Pin};
use cardwright::cos::profile::{CardProfile, FileType, KeyUse, Operation, Safeguard};
use cardwright::cos::template::Fields;
use cardwright::keys::{KeyKind, KeyRef, SoftwareKeys};
use cardwright_sim::{AccessRule, CpuCard, SimReader};

const APPLICATION: [u16; 2] = [0x3F00, 0x3F01];

fn keys() -> SoftwareKeys {
    let mut keys = SoftwareKeys::new();
    for (name, byte) in
        [("card-master", 0xFF), ("tac", 0x34), ("line", 0x36), ("unblock", 0x37), ("master", 0x39), ("new", 0x11)]
    {
        keys.insert(name, KeyKind::Tdes, &[byte; 16]).unwrap();
    }
    keys.insert("reload", KeyKind::Tdes, &hex::decode("00112233445566778899AABBCCDDEEFF").unwrap()).unwrap();
    keys.insert("wrong", KeyKind::Tdes, &[0x55; 16]).unwrap();
    keys
}

fn profile() -> CardProfile {
    CardProfile::built_in("fmcos-2.0").unwrap()
}

fn key(name: &str) -> KeyRef {
    KeyRef::new(name)
}

fn issued() -> SimReader<CpuCard> {
    let card = CpuCard::builder().seed(5).access_rule(AccessRule::MfWhere0).sample().unwrap();
    let mut reader = SimReader::new(card);
    Transport::reset(&mut reader).unwrap();
    reader
}

#[test]
fn files_of_every_type_are_made_written_and_read() {
    let profile = profile();
    let mut reader = SimReader::new(CpuCard::builder().seed(5).build());
    let mut session = CpuSession::new(&profile);
    let mut call = |operation, fields: Fields| block_on(session.call(&mut reader, operation, &fields)).unwrap();
    let mf = Fields::new().with("size", [0xFF, 0xFF]).byte("create", 0xF0).byte("erase", 0xF0);
    call(Operation::CreateMf, mf.with("tail", hex::decode("01FFFFFFFFFFFFFF").unwrap()));
    let rights = |fid: u16, kind| {
        let fields =
            Fields::new().with("fid", fid.to_be_bytes()).byte("read", 0xF0).byte("write", 0xF0).byte("keys", 0xFF);
        fields.byte("type", profile.file_type(kind, Safeguard::None).unwrap())
    };
    call(Operation::CreateBinary, rights(5, FileType::Binary).with("size", [0, 8]));
    call(Operation::CreateRecords, rights(6, FileType::Fixed).byte("count", 3).byte("record-length", 4));
    call(Operation::CreateRecords, rights(7, FileType::Cyclic).byte("count", 2).byte("record-length", 4));
    let variable = rights(8, FileType::Variable).with("size", [0, 0x20]);
    call(Operation::CreateBinary, variable);
    let of = |sfi: u8| Fields::new().byte("sfi", sfi);
    call(Operation::UpdateBinary, of(5).byte("offset", 2).with("data", [1, 2, 3]));
    let read = |length: u8| of(5).byte("offset", 1).byte("length", length);
    assert_eq!(call(Operation::ReadBinary, read(4))[1..], [1, 2, 3]);
    call(Operation::AppendRecord, of(6).with("data", [1, 1, 1, 1]));
    call(Operation::AppendRecord, of(6).with("data", [2, 2, 2, 2]));
    call(Operation::UpdateRecord, of(6).byte("record", 1).with("data", [3, 3, 3, 3]));
    let record = |sfi, number: u8, length: u8| of(sfi).byte("record", number).byte("length", length);
    assert_eq!(call(Operation::ReadRecord, record(6, 1, 4)), [3; 4]);
    assert_eq!(call(Operation::ReadRecord, record(6, 2, 4)), [2; 4]);
    for byte in 1..=3 {
        call(Operation::AppendRecord, of(7).with("data", [byte; 4]));
    }
    assert_eq!(call(Operation::ReadRecord, record(7, 1, 4)), [3; 4], "the newest is number 1");
    call(Operation::AppendRecord, of(8).with("data", [0x70, 2, 0xAA, 0xBB]));
    assert_eq!(call(Operation::ReadRecord, record(8, 1, 4)), [0x70, 2, 0xAA, 0xBB]);
    call(Operation::EraseDirectory, Fields::new());
    let gone = block_on(session.call(&mut reader, Operation::ReadBinary, &read(4)));
    assert!(matches!(gone, Err(Error::Refused { .. })), "{gone:?}");
}

#[test]
fn authentication_in_both_directions_and_pins() {
    let profile = profile();
    let (mut reader, mut keys) = (issued(), keys());
    let mut session = CpuSession::new(&profile);
    block_on(async {
        session.authenticate(&mut reader, &mut keys, &key("card-master"), 0).await.unwrap();
        let fci = session.select_name(&mut reader, &hex::decode("A00000000386980701").unwrap()).await.unwrap();
        assert!(cardwright::cos::ApplicationInformation::parse(&fci).is_some());
        session.authenticate(&mut reader, &mut keys, &key("master"), 0).await.unwrap();
        assert!(session.has_key(&mut reader, &mut keys, &key("tac"), 0, [7; 8]).await.unwrap());
        assert!(!session.has_key(&mut reader, &mut keys, &key("wrong"), 0, [7; 8]).await.unwrap());
        let (pin, new) = (Pin::new(&[0x12, 0x34, 0x5F]), Pin::new(&[0x99, 0x88, 0x77]));
        session.verify(&mut reader, 0, &pin).await.unwrap();
        session.change_pin(&mut reader, 0, &pin, &new).await.unwrap();
        assert!(matches!(session.verify(&mut reader, 0, &pin).await, Err(Error::WrongKey { tries_left: Some(2) })));
        session.verify(&mut reader, 0, &new).await.unwrap();
        // Locked by others, and let go on.
        for _ in 0..3 {
            let wrong = CommandApdu::new(0x00, 0x20, 0, 0).with_data([0x11, 0x11, 0x11]);
            reader.exchange(&wrong).unwrap();
        }
        assert!(matches!(session.verify(&mut reader, 0, &new).await, Err(Error::Locked)));
        session.unblock_pin(&mut reader, &mut keys, &key("unblock"), 0, &new).await.unwrap();
        session.verify(&mut reader, 0, &new).await.unwrap();
    });
}

#[test]
fn a_pin_is_reloaded() {
    let profile = profile();
    let mut reader = SimReader::new(CpuCard::builder().seed(5).build());
    for command in [
        "80E03F000D38FFFFF0F001FFFFFFFFFFFFFF",
        "80E00000073F005001F0FFFF",
        "80D401001538F0EFFF3300112233445566778899AABBCCDDEEFF",
        "80D401000D3AF0EF013312345FFFFFFFFFFF",
    ] {
        let command = CommandApdu::parse(&hex::decode(command).unwrap()).unwrap();
        assert!(reader.exchange(&command).unwrap().sw().is_ok());
    }
    let new = Pin::new(&[0x22, 0x33, 0x44]);
    let mut session = CpuSession::new(&profile);
    block_on(session.reload_pin(&mut reader, &mut keys(), &key("reload"), 0, &new)).unwrap();
    block_on(session.verify(&mut reader, 0, &new)).unwrap();
    let refused = block_on(session.reload_pin(&mut reader, &mut keys(), &key("wrong"), 0, &new));
    assert!(matches!(refused, Err(Error::MacRefused { .. })), "{refused:?}");
}

#[test]
fn secure_messaging_in_and_out() {
    let profile = profile();
    let (mut reader, mut keys) = (issued(), keys());
    let mut session = CpuSession::new(&profile);
    block_on(async {
        session.select_file(&mut reader, 0x3F01).await.unwrap();
        let update = CommandApdu::new(0x00, 0xD6, 0x95, 0x00).with_data([0xA1, 0xA2]);
        session.secured(&mut reader, &mut keys, &key("line"), update, Safeguard::Mac).await.unwrap();
        let read = || CommandApdu::new(0x00, 0xB0, 0x95, 0x00);
        let data = session.read_secured(&mut reader, &mut keys, &key("line"), read(), false).await.unwrap();
        assert_eq!((data.len(), &data[..2]), (30, &[0xA1, 0xA2][..]));
        let plain = CommandApdu::new(0x00, 0xD6, 0x95, 0x00).with_data([1]);
        assert_eq!(reader.exchange(&plain).unwrap().sw().0, 0x6987);
    });
}

#[test]
fn an_enciphered_file_is_written_and_read() {
    let profile = profile();
    let mut reader = SimReader::new(CpuCard::builder().seed(5).build());
    // Protected in both directions: b8 of the last byte asks for it when reading.
    for command in [
        "80E03F000D38FFFFF0F001FFFFFFFFFFFFFF",
        "80E00000073F005001F0FFFF",
        "80D401001536F0F0FF3336363636363636363636363636363636",
        "80E0000507E80008F0F0FF7F",
    ] {
        let command = CommandApdu::parse(&hex::decode(command).unwrap()).unwrap();
        assert!(reader.exchange(&command).unwrap().sw().is_ok());
    }
    let mut keys = keys();
    let mut session = CpuSession::new(&profile);
    block_on(async {
        let update = CommandApdu::new(0x00, 0xD6, 0x85, 0x00).with_data([1, 2, 3, 4, 5, 6, 7]);
        session.secured(&mut reader, &mut keys, &key("line"), update, Safeguard::EncipheredMac).await.unwrap();
        let read = CommandApdu::new(0x00, 0xB0, 0x85, 0x02).with_ne(cardwright::apdu::Ne::new(4).unwrap());
        let data = session.read_secured(&mut reader, &mut keys, &key("line"), read, true).await.unwrap();
        assert_eq!(data[..], [3, 4, 5, 6]);
    });
    assert_eq!(reader.card().binary(&[0x3F00, 5]).map(|data| data[..7].to_vec()), Some(vec![1, 2, 3, 4, 5, 6, 7]));
}

#[test]
fn keys_are_added_and_changed_enciphered() {
    let profile = profile();
    let (mut reader, mut keys) = (issued(), keys());
    let mut session = CpuSession::new(&profile);
    block_on(async {
        session.authenticate(&mut reader, &mut keys, &key("card-master"), 0).await.unwrap();
        session.select_file(&mut reader, 0x3F01).await.unwrap();
        session.authenticate(&mut reader, &mut keys, &key("master"), 0).await.unwrap();
        let fields = Fields::new().byte("use", 0xF0).byte("change", 0x02).byte("counter", 0x33);
        let line = KeyWrite {
            key_use: KeyUse::LineProtection,
            id: 0,
            present: Some(Safeguard::None),
            later: Safeguard::None,
            fields: fields.clone(),
            key: key("new"),
        };
        session.write_key(&mut reader, &mut keys, &key("master"), &line).await.unwrap();
        let tac = KeyWrite {
            key_use: KeyUse::Internal,
            id: 5,
            present: None,
            fields: Fields::new().byte("use", 0xF0).byte("change", 0x02).byte("version", 0).byte("algorithm", 0),
            ..line
        };
        session.write_key(&mut reader, &mut keys, &key("master"), &tac).await.unwrap();
    });
    assert_eq!(reader.card().key(&APPLICATION, 0x36, 0).unwrap().value(), [0x11; 16]);
    assert_eq!(reader.card().key(&APPLICATION, 0x30, 5).unwrap().value(), [0x11; 16]);
}

#[test]
fn applications_and_cards_are_blocked() {
    let profile = profile();
    let (mut reader, mut keys) = (issued(), keys());
    let mut session = CpuSession::new(&profile);
    block_on(async {
        session.select_file(&mut reader, 0x3F01).await.unwrap();
        session.block_application(&mut reader, &mut keys, &key("line"), false).await.unwrap();
        let read = Fields::new().byte("sfi", 0x15).byte("offset", 0).byte("length", 2);
        assert!(session.call(&mut reader, Operation::ReadBinary, &read).await.is_err());
        session.unblock_application(&mut reader, &mut keys, &key("line")).await.unwrap();
        session.call(&mut reader, Operation::ReadBinary, &read).await.unwrap();
        session.block_application(&mut reader, &mut keys, &key("line"), true).await.unwrap();
    });
    assert!(reader.card().is_locked(&APPLICATION));
    let mut reader = issued();
    let mut session = CpuSession::new(&profile);
    block_on(async {
        session.select_file(&mut reader, 0x3F01).await.unwrap();
        session.block_card(&mut reader, &mut keys, &key("line")).await.unwrap();
    });
    assert!(reader.card().is_blocked());
}
