//! A dialect that the library does not know, in TOML text alone: the card is told by its answer to reset, issued by a script, torn and
//! finished. The card is the software one behind a translator that knows nothing of the library.

use cardwright::apdu::{Transport, TransportError};
use cardwright::cos::card_type::{CardType, Evidence};
use cardwright::cos::profile::{CardProfile, FileType, KeyUse, Meaning, Operation, Safeguard};
use cardwright::cos::script::{Script, StepClass, Values};
use cardwright::cos::template::Fields;
use cardwright::issuance::Driver;
use cardwright::issuance::remote::Outcome;
use cardwright::issuance::script::{CardSource, ScriptOrder, ScriptReport, ScriptRunError, run_script};
use cardwright::issuance::store::MemoryStore;
use cardwright::keys::{KeyKind, SoftwareKeys};
use cardwright_sim::{CpuCard, Fault, Faults, SimReader};

/// Other instructions, key headers in another order with other types, other status words, a challenge of 4 bytes, and a serial number that
/// is asked for by a command.
const DIALECT: &str = r#"
    [profile.harbour-card]
    like = "fmcos-2.0"
    about = "a card that nobody has written Rust for"
    authentication-challenge = 4
    identity = "command"
    max-data = 200
    [profile.harbour-card.commands]
    read-identity = "80 C9 00 00 -> 04"
    create-mf = "80 C1 3F 00 38 {size:2} {create:1} {erase:1} {tail}"
    create-directory = "80 C1 {fid:2} 38 {size:2} {create:1} {erase:1} {fci:1} FFFF {name}"
    create-binary = "80 C1 {fid:2} {type:1} {size:2} {read:1} {write:1} FF {keys:1}"
    create-records = "80 C1 {fid:2} {type:1} {count:1} {record-length:1} {read:1} {write:1} FF {keys:1}"
    create-purse = "80 C1 {fid:2} {type:1} 0208 {use:1} 00 FF {log:1}"
    create-key-file = "80 C1 {fid:2} {type:1} {size:2} {directory:1} {add:1} FFFF"
    add-key = "80 C2 {id} 00 {data}"
    update-key = "80 C2 {id} 01 {data}"
    [profile.harbour-card.keys]
    tac = { code = 0x74, header = "{use:1} {change:1} {type:1} {version:1} {algorithm:1}" }
    external-authentication = { code = 0x79, header = "{use:1} {change:1} {type:1} {next:1} {counter:1}" }
    [profile.harbour-card.status]
    6A8F = "exists"
    "#;

const CARD_TYPES: &str = r#"
    [[card]]
    name = "harbour card, second edition"
    profile = "harbour-card"
    atr = "3B 05 48 41 52 42 *"
    "#;

const ATR: [u8; 7] = *b"\x3B\x05HARB2";

/// The script of the manual in the dialect's bytes.
fn script_text() -> String {
    let mut text = String::new();
    for line in include_str!("../cos/data/fmcos-sample.toml").lines() {
        let digits = line.strip_prefix("apdu = \"").map(|rest| rest.trim_end_matches('"').replace(' ', ""));
        match digits {
            Some(digits) if digits.starts_with("80E0") => text += &format!("apdu = \"80C1{}\"\n", &digits[4..]),
            Some(digits) if digits.starts_with("80D401") => {
                let (id, length, kind, rights, rest) =
                    (&digits[6..8], &digits[8..10], &digits[10..12], &digits[12..16], &digits[16..]);
                let kind = u8::from_str_radix(kind, 16).unwrap() + 0x40;
                text += &format!("apdu = \"80C2{id}00{length}{rights}{kind:02X}{rest}\"\n");
            }
            _ => text += &(line.replace("profile = \"fmcos-2.0\"", "profile = \"harbour-card\"") + "\n"),
        }
    }
    text
}

/// What makes a card of the dialect of an FMCOS card.
struct Translator {
    reader: SimReader<CpuCard>,
}

impl Transport for Translator {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        let mut command = command.to_vec();
        match command[..] {
            [0x80, 0xC9, ..] => {
                *response = vec![0xDE, 0xAD, 0xBE, 0xEF, 0x90, 0x00];
                return Ok(());
            }
            [0x80, 0xC1, ..] => command[1] = 0xE0,
            [0x80, 0xC2, id, 0x00, _, use_right, change, kind, ..] => {
                command[1..4].copy_from_slice(&[0xD4, 0x01, id]);
                command[5..8].copy_from_slice(&[kind - 0x40, use_right, change]);
            }
            [0x80, 0xE0 | 0xD4, ..] => {
                *response = vec![0x6D, 0x00];
                return Ok(());
            }
            _ => {}
        }
        self.reader.transmit(&command, response)?;
        if response[..] == [0x6A, 0x86] {
            *response = vec![0x6A, 0x8F];
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        self.reader.reset()
    }
}

fn card(faults: Faults<CpuCard>) -> Translator {
    Translator { reader: SimReader::new(CpuCard::builder().atr(&ATR).seed(7).build()).with_faults(faults) }
}

/// What card is this: by its answer to reset, from tables that are text.
fn profile() -> CardProfile {
    let types = CardType::read_toml(CARD_TYPES).unwrap();
    let found = CardType::identify(&types, &Evidence { atr: &ATR, ..Evidence::default() })[0];
    assert_eq!(found.name, "harbour card, second edition");
    let profiles = CardProfile::read_toml(DIALECT).unwrap();
    profiles.into_iter().find(|profile| profile.name == found.profile).unwrap()
}

fn run(card: &mut Translator, store: &mut MemoryStore) -> Result<Outcome<ScriptReport>, ScriptRunError> {
    let profile = profile();
    let script = Script::read_toml(&script_text(), &profile, &Values::new()).unwrap();
    let order = ScriptOrder { script, profile, identity: read_identity(), release: None };
    let mut keys = SoftwareKeys::new();
    for (name, byte) in [("card-master", 0xFF), ("tac", 0x34), ("maintenance", 0x36), ("application-master", 0x39)] {
        keys.insert(name, KeyKind::Tdes, &[byte; 16]).unwrap();
    }
    let mut random = 0_u64;
    let mut driver = Driver {
        card,
        keys: &mut keys,
        store,
        clock: &mut || 1,
        random: &mut || {
            random += 1;
            random.to_be_bytes()
        },
        notice: &mut |_| {},
    };
    driver.run(run_script(order)).unwrap()
}

fn read_identity() -> CardSource {
    CardSource::Command(profile().command(Operation::ReadIdentity, &Fields::new()).unwrap())
}

#[test]
fn a_dialect_is_read_and_says_its_own_bytes() {
    let profile = profile();
    let digits =
        |operation, fields: Fields| hex::encode_upper(profile.command(operation, &fields).unwrap().to_bytes().unwrap());
    let file = profile.file_type(FileType::Binary, Safeguard::Mac).unwrap();
    let fields = Fields::new().with("fid", [0, 0x15]).byte("type", file).with("size", [0, 0x1E]);
    let fields = fields.byte("read", 0xF0).byte("write", 0xF0).byte("keys", 0xFF);
    assert_eq!(digits(Operation::CreateBinary, fields), "80C1001507A8001EF0F0FFFF");
    let header = Fields::new().byte("use", 0xF0).byte("change", 2).byte("version", 0).byte("algorithm", 1);
    let header = profile.key_header(KeyUse::Tac, Safeguard::None, Safeguard::None, header).unwrap();
    assert_eq!(hex::encode_upper(header), "F002740001");
    assert_eq!(profile.meaning(cardwright::apdu::StatusWord(0x6A8F)), Some(Meaning::Exists));
    // What it does not say is as in the profile that it is like.
    assert_eq!(digits(Operation::GetChallenge, Fields::new().byte("length", 4)), "0084000004");
    let script = Script::read_toml(&script_text(), &profile, &Values::new()).unwrap();
    let of = |name: &str| script.steps.iter().find(|step| step.name == name).unwrap().class;
    assert_eq!((of("TAC key 00"), of("file 0017")), (StepClass::Compare, StepClass::Compare));
}

#[test]
fn a_card_of_the_dialect_is_issued_torn_and_finished() {
    let mut whole = card(Faults::none());
    let done = run(&mut whole, &mut MemoryStore::new());
    let Ok(Outcome::Complete(report)) = done else { panic!("{done:?}") };
    assert_eq!(report.card.to_string(), "chip-DEADBEEF");
    assert_eq!((report.read_back, report.proved.len()), (3, 3));
    let manual = CpuCard::builder().sample().unwrap();
    let files = |card: &CpuCard| {
        let of = |path: &[u16]| (card.binary(path).map(<[u8]>::to_vec), card.balance(path));
        (1..=0x18).map(|file| of(&[0x3F00, 0x3F01, file])).collect::<Vec<_>>()
    };
    assert_eq!(files(whole.reader.card()), files(&manual));
    for n in 1..=whole.reader.commands() {
        for fault in [Fault::CutBefore, Fault::CutAfter] {
            let mut store = MemoryStore::new();
            let mut torn = card(Faults::none().at(n, fault));
            assert!(matches!(run(&mut torn, &mut store), Ok(Outcome::Interrupted(_))), "{n}");
            torn.reader.reinsert();
            let second = run(&mut torn, &mut store);
            assert!(matches!(second, Ok(Outcome::Complete(_))), "{n}: {second:?}");
            assert_eq!(files(torn.reader.card()), files(&manual), "{n}");
        }
    }
}

#[test]
fn what_a_table_of_card_types_does_not_know_is_not_known() {
    let types = CardType::read_toml(CARD_TYPES).unwrap();
    let other = Evidence { atr: &[0x3B, 0x05, 0x48, 0x41, 0x52], ..Evidence::default() };
    assert!(CardType::identify(&types, &other).is_empty());
    assert!(CardType::identify(&types, &Evidence::default()).is_empty());
}
