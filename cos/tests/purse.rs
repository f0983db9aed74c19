//! Purse procedures against recorded cards: the vectors' commands and answers, byte for byte, and answers that lie.

use std::collections::VecDeque;
use std::future::{Future, ready};

use cardwright_apdu::{CardPort, CommandApdu, ResponseApdu, TransportError, TransportErrorKind, block_on};
use cardwright_cos::Error;
use cardwright_cos::purse::{
    self, Amount, Balance, Credit, Dispute, LoadProof, OpenLoad, OverdraftLimit, Purchase, PurseAccess, PurseAlgorithm,
    PurseKeys, PurseKind, PurseProfile, TacCheck, TerminalNumber, Transaction, TransactionTime, TransactionType,
    Verdict,
};
use cardwright_keys::pboc::PurseKeyUse;
use cardwright_keys::{KeyKind, KeyRef, KeyValue, SoftwareKeys};

const MASTER: &str = "00112233445566778899AABBCCDDEEFF";
const INITIALIZE: &str = "805000020B 01 00002000 001122334455 10";
const INITIALIZED: &str = "00000000 0000 01 00 C903814D 03976C22 9000";
const CREDIT: &str = "805200000B 20161216105800 8AFA5718 04";

/// A card that expects these commands, in this order, and gives these answers; none where the line is cut.
struct Recorded(VecDeque<(Vec<u8>, Option<Vec<u8>>)>);

impl Recorded {
    fn new(script: &[(&str, &str)]) -> Self {
        let answer = |text: &str| (text != "cut").then(|| bytes(text));
        Self(script.iter().map(|(command, response)| (bytes(command), answer(response))).collect())
    }
}

impl CardPort for Recorded {
    fn transmit(&mut self, command: CommandApdu) -> impl Future<Output = Result<ResponseApdu, TransportError>> + Send {
        let (expected, answer) = self.0.pop_front().expect("a command more than recorded");
        assert_eq!(hex::encode_upper(&command.to_bytes().unwrap()[..]), hex::encode_upper(expected));
        ready(match answer {
            Some(answer) => Ok(ResponseApdu::parse(&answer).unwrap()),
            None => Err(TransportError::unknown(TransportErrorKind::CardRemoved)),
        })
    }

    fn reset(&mut self) -> impl Future<Output = Result<Vec<u8>, TransportError>> + Send {
        ready(Ok(Vec::new()))
    }
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

fn keys() -> SoftwareKeys {
    let mut keys = SoftwareKeys::new();
    keys.insert("test", KeyKind::Tdes, &bytes(MASTER)).unwrap();
    keys.insert("test-sm4", KeyKind::Sm4, &bytes(MASTER)).unwrap();
    keys
}

fn access() -> PurseAccess {
    let key = KeyRef::new("test");
    PurseAccess {
        purse: PurseKind::Wallet,
        profile: PurseProfile::FMCOS,
        keys: PurseKeys { load: key.clone(), tac: Some(key) },
    }
}

fn terminal() -> TerminalNumber {
    "001122334455".parse().unwrap()
}

fn challenge() -> TerminalNumber {
    "A1B2C3D4E5F6".parse().unwrap()
}

fn amount() -> Amount {
    Amount::new(0x2000).unwrap()
}

fn time() -> TransactionTime {
    TransactionTime::new(2016, 12, 16, 10, 58, 0).unwrap()
}

fn open() -> OpenLoad {
    let transaction =
        Transaction { transaction_type: TransactionType::WALLET_LOAD, amount: amount(), terminal: terminal() };
    OpenLoad::new(transaction, time(), 0, Balance(0)).unwrap()
}

/// The answer of a card that holds this, initialized with the number that nobody foresaw.
fn initialized(balance: u32, serial: u16) -> String {
    let session = PurseKeyUse::Session { input: purse::online_session([7; 4], serial) };
    let transaction = Transaction { terminal: challenge(), ..open().transaction() };
    let key = KeyValue::new(&bytes(MASTER)).unwrap();
    let mac1 = session.mac(KeyKind::Tdes, &key, &transaction.mac1_input(Balance(balance))).unwrap();
    format!("{balance:08X} {serial:04X} 01 00 07070707 {} 9000", hex::encode_upper(mac1))
}

fn resolve(script: &[(&str, &str)]) -> Result<Verdict, Error> {
    let mut card = Recorded::new(script);
    let verdict = block_on(purse::resolve_load(&mut card, &mut keys(), &access(), &open(), challenge()));
    assert!(card.0.is_empty(), "not everything was asked");
    verdict
}

const PROVE: &str = "805A0002 02 0000 08";
const PROVE_NEXT: &str = "805A0002 02 0001 08";
const PROBE: &str = "805000020B 01 00002000 A1B2C3D4E5F6 10";

#[test]
fn a_load_is_that_of_the_recording() {
    let mut card = Recorded::new(&[(INITIALIZE, INITIALIZED), (CREDIT, "FA00066D 9000")]);
    let (access, mut keys) = (access(), keys());
    block_on(async {
        let session = purse::initialize_for_load(&mut card, &mut keys, &access, amount(), terminal()).await.unwrap();
        let credit = purse::prepare_credit(&mut keys, &access, &session, time()).await.unwrap();
        assert_eq!(credit.load, open());
        let receipt = purse::credit_for_load(&mut card, &mut keys, &access, &credit).await.unwrap();
        assert_eq!((receipt.tac[..].to_vec(), receipt.check), (bytes("FA00066D"), TacCheck::Verified));
    });
}

#[test]
fn a_load_with_a_single_des_key_is_that_of_the_recording() {
    let mut keys = SoftwareKeys::new();
    keys.insert("load", KeyKind::Tdes, &bytes("3F013F013F013F01")).unwrap();
    keys.insert("tac", KeyKind::Tdes, &bytes("34343434343434343434343434343434")).unwrap();
    let profile = PurseProfile { algorithm: PurseAlgorithm::Des, ..PurseProfile::FMCOS };
    let access = PurseAccess {
        profile,
        keys: PurseKeys { load: KeyRef::new("load"), tac: Some(KeyRef::new("tac")) },
        ..access()
    };
    let mut card = Recorded::new(&[
        ("805000020B 01 00000001 112233445566 10", "0000001A 0017 01 01 06B825D7 684C81CE 9000"),
        ("805200000B 20170310110734 9C8A0625 04", "16EAD516 9000"),
    ]);
    block_on(async {
        let (amount, terminal) = (Amount::new(1).unwrap(), "112233445566".parse().unwrap());
        let session = purse::initialize_for_load(&mut card, &mut keys, &access, amount, terminal).await.unwrap();
        let time = TransactionTime::new(2017, 3, 10, 11, 7, 34).unwrap();
        let credit = purse::prepare_credit(&mut keys, &access, &session, time).await.unwrap();
        let receipt = purse::credit_for_load(&mut card, &mut keys, &access, &credit).await.unwrap();
        assert_eq!(receipt.check, TacCheck::Verified);
    });
}

#[test]
fn nothing_is_believed_without_mac1() {
    let initialize = |answer: &str| {
        let mut card = Recorded::new(&[(INITIALIZE, answer)]);
        block_on(purse::initialize_for_load(&mut card, &mut keys(), &access(), amount(), terminal())).unwrap_err()
    };
    // Balance, serial number, random number, MAC1: one bit each.
    for lie in [
        "00000001 0000 01 00 C903814D 03976C22 9000",
        "00000000 0001 01 00 C903814D 03976C22 9000",
        "00000000 0000 01 00 C903814C 03976C22 9000",
        "00000000 0000 01 00 C903814D 03976C23 9000",
    ] {
        assert!(matches!(initialize(lie), Error::Mac { what: "MAC1", .. }), "{lie}");
    }
    let other = initialize("00000000 0000 01 04 C903814D 03976C22 9000");
    assert!(matches!(other, Error::Algorithm { expected: 0, actual: 4, .. }));
    assert!(matches!(initialize("00000000 0000 01 00 C903814D 03976C 9000"), Error::Length { actual: 15, .. }));
    assert!(matches!(initialize("9403"), Error::Refused { .. }));
}

#[test]
fn a_credit_with_a_wrong_tac_proves_nothing() {
    let credit = Credit { load: open(), mac2: [0x8A, 0xFA, 0x57, 0x18] };
    let send = |answer: &str, access: &PurseAccess| {
        let mut card = Recorded::new(&[(CREDIT, answer)]);
        block_on(purse::credit_for_load(&mut card, &mut keys(), access, &credit))
    };
    assert_eq!(send("FA00066E 9000", &access()).unwrap().check, TacCheck::Wrong);
    let without = PurseAccess { keys: PurseKeys { tac: None, ..access().keys }, ..access() };
    assert_eq!(send("FA00066D 9000", &without).unwrap().check, TacCheck::NotVerified);
    assert!(matches!(send("FA0006 9000", &access()), Err(Error::Length { .. })));
    assert!(send("cut", &access()).unwrap_err().is_in_doubt());
    assert!(matches!(send("9302", &access()), Err(Error::Refused { .. })));
}

#[test]
fn a_proof_counts_when_its_tac_verifies() {
    let loaded = Verdict::Loaded(LoadProof::Tac);
    assert_eq!(resolve(&[(PROVE, "00000000 FA00066D 9000")]).unwrap(), loaded);
    assert_eq!(resolve(&[(PROVE, "9406"), (PROVE_NEXT, "00000000 FA00066D 9000")]).unwrap(), loaded);
    let not = initialized(0, 0);
    let none = [(PROVE, "9406"), (PROVE_NEXT, "9406"), (PROBE, &not[..])];
    assert_eq!(resolve(&none).unwrap(), Verdict::NotLoaded);
    let wrong = [(PROVE, "00000000 FA00066E 9000"), (PROVE_NEXT, "9406"), (PROBE, &not[..])];
    assert_eq!(resolve(&wrong).unwrap(), Verdict::NotLoaded);
}

#[test]
fn without_a_proof_mac1_decides_or_nothing_does() {
    let end = |answer: &str| resolve(&[(PROVE, "9406"), (PROVE_NEXT, "9406"), (PROBE, answer)]).unwrap();
    assert_eq!(end(&initialized(0x2000, 1)), Verdict::Loaded(LoadProof::Mac1));
    assert_eq!(end(&initialized(0x2000, 2)), Verdict::Disputed(Dispute::MovedOn));
    assert_eq!(end(&initialized(0x1FFF, 1)), Verdict::Disputed(Dispute::MovedOn));
    assert_eq!(end("6985"), Verdict::Disputed(Dispute::Refused));
    // What the card said before the load, played back: its MAC1 is for another terminal number.
    assert_eq!(end(INITIALIZED), Verdict::Disputed(Dispute::Mac1));
    let other = [(PROVE, "00000000 11223344 9000"), (PROVE_NEXT, "9406"), (PROBE, &initialized(0x2000, 1)[..])];
    assert_eq!(resolve(&other).unwrap(), Verdict::Disputed(Dispute::OtherLoad));
}

#[test]
fn a_line_that_breaks_finds_nothing_out() {
    assert!(resolve(&[(PROVE, "cut")]).unwrap_err().is_in_doubt());
    assert!(resolve(&[(PROVE, "9406"), (PROVE_NEXT, "9406"), (PROBE, "cut")]).unwrap_err().is_in_doubt());
    assert!(matches!(resolve(&[(PROVE, "00000000 FA0006 9000")]), Err(Error::Length { actual: 7, .. })));
}

#[test]
fn an_sm4_purse_is_loaded_by_the_rules_of_transport_cards() {
    let factor = bytes("1122334455667788").try_into().unwrap();
    let mut keys = keys();
    keys.insert("tac-sm4", KeyKind::Sm4, &bytes("FFEEDDCCBBAA99887766554433221100")).unwrap();
    let masters = PurseKeys { load: KeyRef::new("test-sm4"), tac: Some(KeyRef::new("tac-sm4")) };
    let profile = PurseProfile::FMCOS.for_card_version(0x50);
    let access = PurseAccess { profile, keys: masters.diversified(profile.algorithm, &[factor]), ..access() };
    let mut card = Recorded::new(&[
        ("805000020B 41 00002000 001122334455 10", "00000000 0000 01 04 C903814D 9BFE0D6A 9000"),
        ("805200000B 20161216105800 0FBC6F6F 04", "841F86B5 9000"),
    ]);
    block_on(async {
        let session = purse::initialize_for_load(&mut card, &mut keys, &access, amount(), terminal()).await.unwrap();
        let credit = purse::prepare_credit(&mut keys, &access, &session, time()).await.unwrap();
        let receipt = purse::credit_for_load(&mut card, &mut keys, &access, &credit).await.unwrap();
        assert_eq!(receipt.check, TacCheck::Verified);
    });
}

#[test]
fn a_purchase_is_that_of_the_recording() {
    let purchase = |transaction_type| Purchase {
        transaction: Transaction { transaction_type, amount: Amount::new(1).unwrap(), terminal: terminal() },
        terminal_serial: 0,
        time: TransactionTime::new(2016, 12, 16, 13, 46, 0).unwrap(),
    };
    let answer = "00002000 0000 000000 01 00 584633C9 9000";
    let run = |debited: &str| {
        let mut card = Recorded::new(&[
            ("805001020B 01 00000001 001122334455 0F", answer),
            ("805401000F 00000000 20161216134600 D45737C5 08", debited),
        ]);
        let (mut keys, key) = (keys(), KeyRef::new("test"));
        block_on(async {
            let purchase = purchase(TransactionType::WALLET_PURCHASE);
            let session = purse::initialize_for_purchase(&mut card, &PurseProfile::FMCOS, purchase).await?;
            let result = purse::debit_for_purchase(&mut card, &mut keys, &key, &session).await?;
            purse::purchase_tac_verifies(&mut keys, &PurseProfile::FMCOS, &key, &purchase, result.tac).await
        })
    };
    assert!(run("8AF270DC 66B54A6B 9000").unwrap());
    assert!(!run("8AF270DD 66B54A6B 9000").unwrap());
    assert!(matches!(run("8AF270DC 66B54A6A 9000"), Err(Error::Mac { what: "MAC2", .. })));

    let begin = |transaction_type, command: &str| {
        let mut card = Recorded::new(&[(command, answer)]);
        block_on(purse::initialize_for_purchase(&mut card, &PurseProfile::FMCOS, purchase(transaction_type))).unwrap();
    };
    begin(TransactionType::DEPOSIT_PURCHASE, "805001010B 01 00000001 001122334455 0F");
    begin(TransactionType::WITHDRAWAL, "805002010B 01 00000001 001122334455 0F");
    begin(TransactionType::COMPOUND_PURCHASE, "805003020B 01 00000001 001122334455 0F");
    let load = purchase(TransactionType::WALLET_LOAD);
    let refused = block_on(purse::initialize_for_purchase(&mut Recorded::new(&[]), &PurseProfile::FMCOS, load));
    assert!(matches!(refused, Err(Error::TransactionType { transaction_type: 2 })));
}

/// MAC of a card with the test key, its random number 7 four times.
fn mac(serial: u16, data: &[u8]) -> String {
    let session = PurseKeyUse::Session { input: purse::online_session([7; 4], serial) };
    let key = KeyValue::new(&bytes(MASTER)).unwrap();
    hex::encode_upper(session.mac(KeyKind::Tdes, &key, data).unwrap())
}

#[test]
fn an_unload_is_proved_by_mac3() {
    let mac1 = mac(5, &bytes("00000064 00000032 03 001122334455"));
    let mac2 = mac(5, &bytes("00000032 03 001122334455 20161216105800"));
    let mac3 = mac(5, &bytes("00000032 0005 00000032 03 001122334455 20161216105800"));
    let run = |balance: &str, mac1: &str, mac3: &str| {
        let initialized = format!("{balance} 0005 01 00 07070707 {mac1} 9000");
        let mut card = Recorded::new(&[
            ("805005010B 01 00000032 001122334455 10", &initialized),
            (&format!("805403000B 20161216105800 {mac2} 04"), &format!("{mac3} 9000")),
        ]);
        let what = (Amount::new(50).unwrap(), terminal(), time());
        block_on(purse::unload(&mut card, &mut keys(), &PurseProfile::FMCOS, &KeyRef::new("test"), what))
    };
    assert_eq!(run("00000064", &mac1, &mac3).unwrap(), Balance(50));
    assert!(matches!(run("00000064", "00000000", &mac3), Err(Error::Mac { what: "MAC1", .. })));
    assert!(matches!(run("00000064", &mac1, "00000000"), Err(Error::Mac { what: "MAC3", .. })));
    let poor = mac(5, &bytes("00000031 00000032 03 001122334455"));
    assert!(matches!(run("00000031", &poor, &mac3), Err(Error::Insufficient { balance: 49, amount: 50 })));
}

#[test]
fn a_new_overdraft_limit_is_proved_by_its_tac() {
    let mac1 = mac(5, &bytes("00000064 00000A 07 001122334455"));
    let mac2 = mac(5, &bytes("000014 07 001122334455 20161216105800"));
    let key = KeyValue::new(&bytes(MASTER)).unwrap();
    let tac = PurseKeyUse::Whole
        .mac(KeyKind::Tdes, &key, &bytes("0000006E 0005 000014 07 001122334455 20161216105800"))
        .unwrap();
    let run = |mac1: &str, tac: &str| {
        let mut card = Recorded::new(&[
            ("8050040107 01 001122334455 13", &format!("00000064 0005 00000A 01 00 07070707 {mac1} 9000")),
            (&format!("805800000E 000014 20161216105800 {mac2} 04"), &format!("{tac} 9000")),
        ]);
        let key = KeyRef::new("test");
        let what = (OverdraftLimit::new(20).unwrap(), terminal(), time());
        let own = (&key, Some(&key));
        block_on(purse::update_overdraft_limit(&mut card, &mut keys(), &PurseProfile::FMCOS, own, what))
    };
    assert_eq!(run(&mac1, &hex::encode(tac)).unwrap().get(), 10);
    assert!(matches!(run("00000000", &hex::encode(tac)), Err(Error::Mac { what: "MAC1", .. })));
    assert!(matches!(run(&mac1, "00000000"), Err(Error::Mac { what: "TAC", .. })));
}

#[test]
fn the_balance_is_read() {
    let mut card = Recorded::new(&[("805C000204", "00002000 9000")]);
    assert_eq!(block_on(purse::balance(&mut card, PurseKind::Wallet)).unwrap(), Balance(0x2000));
}
