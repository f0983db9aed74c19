//! EMV CPS against a session that was computed with another program, from the standard's formulas.

use cardwright_apdu::block_on;
use cardwright_apdu::trace::{TraceFile, TracedExchange};
use cardwright_apdu::transport::Replay;
use cardwright_gp::cps::{self, CpsData, CpsError, CpsOptions, Dgi};
use cardwright_gp::procedure::{self, KeyCandidate, KeyScheme, OpenOptions, Opened};
use cardwright_gp::{Error, SecurityLevel};
use cardwright_keys::{KeyKind, KeyRef, SoftwareKeys};

/// KMC 404142..4F, KEYDATA 00010203040506070809, sequence counter 0001; its card keys are a published vector.
const SESSION: [(&str, &str); 7] = [
    ("805000000840A62C37FA6304F800", "0001020304050607080901020001A1A2A3A4A5A62748E17A76F6B5A49000"),
    ("8482010010D4B22E7D96D57E5EDD6DA94413208DCD", "9000"),
    ("84E200001D0101127010000102030405060708090A0B0C0D0E0F66867282B91EF9A6", "9000"),
    (
        "84E260013B8000309A79CBF32FC85B9655E46F7B21E081B230EB1EBAEFB4BD1155DFE22EA7003F1F9EFD87CCBDE8723CB550D3DE9BEE7B7C6AB11450958A45B8",
        "9000",
    ),
    ("84E2000214900009FB0975491510F39C09C7629942E8898E43", "9000"),
    ("84E260031380100839E7860055E43FF2D83F0BCDB4B5CEEE", "9000"),
    ("84E280040D9010020303CA51CA7AA895B301", "9000"),
];
const RECORD: [u8; 18] = [0x70, 0x10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

fn card(exchanges: &[(&str, &str)]) -> Replay {
    let bytes = |digits: &str| hex::decode(digits).unwrap();
    let exchange =
        |(command, response): &(&str, &str)| TracedExchange { command: bytes(command), response: Ok(bytes(response)) };
    Replay::new(TraceFile { atr: Vec::new(), profile: None, exchanges: exchanges.iter().map(exchange).collect() })
}

fn keys() -> SoftwareKeys {
    let mut keys = SoftwareKeys::new();
    for (name, value) in [
        ("kmc", "404142434445464748494A4B4C4D4E4F"),
        ("ac", "00112233445566778899AABBCCDDEEFF"),
        ("mac", "11223344556677888877665544332211"),
        ("enc", "FFEEDDCCBBAA99887766554433221100"),
    ] {
        keys.insert(name, KeyKind::Tdes, &hex::decode(value).unwrap()).unwrap();
    }
    keys.insert("aes", KeyKind::Aes, &[1; 16]).unwrap();
    keys
}

fn open(card: &mut Replay, keys: &mut SoftwareKeys, scheme: KeyScheme) -> Result<Opened, Error> {
    let candidates = [KeyCandidate::new(KeyRef::new("kmc"), KeyKind::Tdes, scheme)];
    let challenge = [0x40, 0xA6, 0x2C, 0x37, 0xFA, 0x63, 0x04, 0xF8];
    let options = OpenOptions::new(SecurityLevel::C_MAC).with_scp02_i(Some(0x05));
    block_on(procedure::open(card, keys, None, &candidates, challenge, options))
}

fn application_keys() -> Vec<KeyRef> {
    ["ac", "mac", "enc"].map(KeyRef::new).into()
}

fn data() -> Result<CpsData, CpsError> {
    CpsData::new()
        .with_plain(Dgi(0x0101), &RECORD)?
        .with_keys(Dgi::DES_KEYS, Dgi::DES_KEY_CHECK_VALUES, application_keys())?
        .with_secret(Dgi::OFFLINE_PIN, &[0x24, 0x12, 0x34, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])?
        .with_plain(Dgi::PIN_TRY_COUNTER, &[3, 3])
}

#[test]
fn an_application_is_personalized_byte_for_byte() {
    let (mut card, mut keys) = (card(&SESSION), keys());
    let mut opened = open(&mut card, &mut keys, KeyScheme::Emv).unwrap();
    let commands = block_on(cps::prepare(&mut keys, &opened.channel, &data().unwrap(), CpsOptions::default())).unwrap();
    let kcvs: Vec<_> = commands.check_values.iter().map(ToString::to_string).collect();
    assert_eq!(kcvs, ["FB0975", "491510", "F39C09"]);
    block_on(cps::personalize(&mut card, &mut opened.channel, commands)).unwrap();
    assert_eq!(card.remaining(), 0);
}

#[test]
fn a_card_with_other_keys_gets_nothing() {
    let (mut card, mut keys) = (card(&SESSION), keys());
    assert!(matches!(open(&mut card, &mut keys, KeyScheme::AsIs), Err(Error::WrongKeys { .. })));
    assert_eq!(card.remaining(), 6);
}

#[test]
fn a_refusal_ends_the_session() {
    let mut refused = SESSION;
    refused[3].1 = "6985";
    let (mut card, mut keys) = (card(&refused), keys());
    let mut opened = open(&mut card, &mut keys, KeyScheme::Emv).unwrap();
    let commands = block_on(cps::prepare(&mut keys, &opened.channel, &data().unwrap(), CpsOptions::default())).unwrap();
    let error = block_on(cps::personalize(&mut card, &mut opened.channel, commands)).unwrap_err();
    assert!(matches!(error, Error::Refused { command: "STORE DATA", .. }), "{error}");
    assert_eq!(card.remaining(), 3);
}

#[test]
fn secrets_go_enciphered_or_not_at_all() {
    let plain = CpsData::new().with_plain(Dgi(0x8201), &[1; 64]).unwrap_err();
    assert_eq!(plain, CpsError::Plain { dgi: Dgi(0x8201) });
    assert_eq!(CpsData::new().with_secret(Dgi(0x0101), &[1; 8]).unwrap_err(), CpsError::NotSecret { dgi: Dgi(0x0101) });
    let keys = |dgi, kcvs| CpsData::new().with_keys(Dgi(dgi), Dgi(kcvs), application_keys());
    assert_eq!(keys(0x9000, 0x9001).unwrap_err(), CpsError::NotSecret { dgi: Dgi(0x9000) });
    assert_eq!(keys(0x8000, 0x8001).unwrap_err(), CpsError::Plain { dgi: Dgi(0x8001) });
    for length in [0, 7, 9] {
        let error = CpsData::new().with_secret(Dgi(0x8201), &vec![1; length]).unwrap_err();
        assert!(matches!(error, CpsError::Length { actual, .. } if actual == length));
    }
    let twice = data().unwrap().with_plain(Dgi(0x0101), &RECORD).unwrap_err();
    assert_eq!(twice.to_string(), "data group 0101 is there twice");
    assert!(!format!("{:?}", data().unwrap()).contains("24"));
    // Neither does a key that is none of triple DES.
    let (mut card, mut service) = (card(&SESSION), self::keys());
    let opened = open(&mut card, &mut service, KeyScheme::Emv).unwrap();
    let aes = CpsData::new().with_keys(Dgi::DES_KEYS, Dgi(0x9000), vec![KeyRef::new("aes")]).unwrap();
    let prepared = block_on(cps::prepare(&mut service, &opened.channel, &aes, CpsOptions::default()));
    assert!(matches!(prepared, Err(Error::Unsupported { .. })));
}

#[test]
fn long_groups_go_over_several_commands() {
    let (mut card, mut service) = (card(&SESSION), keys());
    let opened = open(&mut card, &mut service, KeyScheme::Emv).unwrap();
    let mut commands = |data: &CpsData, options| {
        block_on(cps::prepare(&mut service, &opened.channel, data, options)).unwrap().commands
    };
    let long = CpsData::new().with_plain(Dgi(0x0201), &[7; 254]).unwrap().with_plain(Dgi(0x0202), &[8; 255]).unwrap();
    let long = long.with_secret(Dgi(0x8201), &[9; 248]).unwrap();
    let mut options = CpsOptions::default();
    options.announces_groups = true;
    let commands = commands(&long, options);
    let p1: Vec<_> = commands.iter().map(|command| command.p1()).collect();
    assert_eq!(p1, [0x08, 0x08, 0x08, 0x68, 0xE8]);
    assert_eq!(commands[0].data()[..3], [2, 1, 254]);
    let plain: Vec<u8> = commands[..3].iter().flat_map(|command| command.data().to_vec()).collect();
    assert_eq!(plain[257..262], [2, 2, 0xFF, 0, 255]);
    assert_eq!(plain.len(), 257 + 260);
    assert!(commands.iter().enumerate().all(|(n, command)| command.p2() == n as u8 && command.data().len() <= 247));
}

#[test]
fn records_can_be_read_back_and_others_not() {
    let data = data().unwrap();
    assert_eq!(data.records().collect::<Vec<_>>(), [(Dgi(0x0101), &RECORD[..])]);
    assert_eq!(Dgi(0x0A1E).record(), Some((10, 0x1E)));
    assert_eq!([Dgi(0x0B01).record(), Dgi(0x9101).record(), Dgi(0x0100).record()], [None; 3]);
}
