//! Issue scripts on the software CPU card, torn at every command, and finished by the next run.

#[path = "cpu_script/answers.rs"]
mod answers;
#[path = "cpu_script/guards.rs"]
mod guards;
#[path = "cpu_script/key_proofs.rs"]
mod key_proofs;
#[path = "../examples/shared/persons.rs"]
mod persons;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cardwright::apdu::{CommandApdu, Transport};
use cardwright::cos::profile::CardProfile;
use cardwright::cos::script::{BootLoader, Script, StepClass, Values};
use cardwright::issuance::quarantine::Release;
use cardwright::issuance::remote::Outcome;
use cardwright::issuance::script::{CardSource, ScriptOrder, ScriptReport, ScriptRunError, run_script};
use cardwright::issuance::store::{MemoryStore, Store};
use cardwright::issuance::{self, Driver};
use cardwright::keys::{KeyKind, SoftwareKeys};
use cardwright_sim::{AccessRule, CpuCard, Fault, Faults, SimReader};

type Run = Result<Outcome<ScriptReport>, ScriptRunError>;

const APPLICATION: [u16; 2] = [0x3F00, 0x3F01];
const PUBLIC: &str = "111122223333000603010006199808170000003019980815199812155566";

/// Two persons decide that whatever is in quarantine is tried again.
fn released(store: &MemoryStore) -> Option<Release> {
    Some(persons::release_all(store, 1_700_000_000_000).unwrap())
}

/// What the manual says an answer to select is, as readers make an answer to reset of it.
fn atr(serial: u8) -> Vec<u8> {
    let mut atr = hex::decode("3B8B80012090001122334455667788").unwrap();
    *atr.last_mut().unwrap() = serial;
    atr.push(atr[1..].iter().fold(0, |check, byte| check ^ byte));
    atr
}

fn blank() -> CpuCard {
    CpuCard::builder().atr(&atr(1)).seed(7).build()
}

fn profile() -> CardProfile {
    CardProfile::built_in("fmcos-2.0").unwrap()
}

fn order(script: Script) -> ScriptOrder {
    ScriptOrder { script, profile: profile(), identity: CardSource::Profile, release: None }
}

fn sample() -> ScriptOrder {
    order(Script::fmcos_sample(&Values::new()).unwrap())
}

/// The script with a step that the card cannot be asked for, which therefore begins anew; or, without, ends in quarantine.
fn script_of(text: &str) -> ScriptOrder {
    order(Script::read_toml(text, &profile(), &Values::new()).unwrap())
}

fn keys() -> SoftwareKeys {
    let mut keys = SoftwareKeys::new();
    for (name, byte) in
        [("card-master", 0xFF), ("tac", 0x34), ("maintenance", 0x36), ("application-master", 0x39), ("new", 0x11)]
    {
        keys.insert(name, KeyKind::Tdes, &[byte; 16]).unwrap();
    }
    keys
}

fn run_with(order: &ScriptOrder, card: &mut dyn Transport, store: &mut dyn Store, keys: &mut SoftwareKeys) -> Run {
    static CLOCK: AtomicU64 = AtomicU64::new(1);
    let mut random = 0_u64;
    let mut driver = Driver {
        card,
        keys,
        store,
        clock: &mut || CLOCK.fetch_add(1, Relaxed),
        random: &mut || {
            random += 1;
            random.to_be_bytes()
        },
        notice: &mut |_| {},
    };
    driver.run(run_script(order.clone())).unwrap()
}

fn run(order: &ScriptOrder, card: &mut dyn Transport, store: &mut dyn Store) -> Run {
    run_with(order, card, store, &mut keys())
}

fn report(run: Run) -> ScriptReport {
    match run {
        Ok(Outcome::Complete(report)) => report,
        other => panic!("{other:?}"),
    }
}

/// Everything that a card holds and a host can want to know.
fn contents(card: &CpuCard) -> Vec<String> {
    let mut lines = Vec::new();
    for path in [&APPLICATION[..1], &APPLICATION] {
        for kind in 0x30..=0x3F {
            for id in 0..4 {
                if let Some(key) = card.key(path, kind, id) {
                    lines.push(format!("{path:?} {:02X?} {id} {}", key.header(), hex::encode(key.value())));
                }
            }
        }
        for file in 1..=0x1F {
            let path = [path, &[file]].concat();
            lines.push(format!(
                "{path:?} {:?} {:?} {:?}",
                card.binary(&path),
                card.records(&path),
                card.balance(&path)
            ));
        }
    }
    lines
}

fn finished() -> (CpuCard, u64) {
    let mut reader = SimReader::new(blank());
    let report = report(run(&sample(), &mut reader, &mut MemoryStore::new()));
    assert!(report.changed);
    assert_eq!((report.steps, report.read_back, report.unreadable.len()), (30, 3, 0));
    assert_eq!(report.proved, ["MF master key", "TAC key 00", "application master key 00"]);
    assert_eq!(report.unproved.len(), 13);
    (reader.card().twin(), reader.commands())
}

#[test]
fn the_script_of_the_manual_makes_the_card_of_the_manual() {
    let (card, _) = finished();
    assert_eq!(contents(&card), contents(&CpuCard::builder().sample().unwrap()));
    assert_eq!(card.binary(&[0x3F00, 0x3F01, 0x15]).map(hex::encode).as_deref(), Some(PUBLIC));
}

#[test]
fn torn_at_any_command_the_next_run_finishes_the_same_card() {
    let (reference, commands) = finished();
    assert!((40..50).contains(&commands), "{commands}");
    for n in 1..=commands {
        for fault in [0, 1, 2] {
            let fault = match fault {
                0 => Fault::CutBefore,
                1 => Fault::CutAfter,
                _ => Fault::CutWriting(1),
            };
            let what = format!("{fault:?} at {n}");
            let mut store = MemoryStore::new();
            let mut reader = SimReader::new(blank()).with_faults(Faults::none().at(n, fault));
            let torn = run(&sample(), &mut reader, &mut store);
            assert!(matches!(torn, Ok(Outcome::Interrupted(_))), "{what}: {torn:?}");
            reader.reinsert();
            let second = run(&sample(), &mut reader, &mut store);
            assert!(matches!(second, Ok(Outcome::Complete(_))), "{what}: {second:?}");
            assert_eq!(contents(reader.card()), contents(&reference), "{what}");
        }
    }
}

#[test]
fn torn_again_and_again_it_ends_complete_or_with_a_reason() {
    let (reference, commands) = finished();
    for first in (1..=commands).step_by(7) {
        for second in (1..=12).step_by(2) {
            let mut store = MemoryStore::new();
            let mut reader = SimReader::new(blank()).with_faults(Faults::none().at(first, Fault::CutAfter));
            let mut tears = 0;
            let last = loop {
                let ended = run(&sample(), &mut reader, &mut store);
                if !matches!(ended, Ok(Outcome::Interrupted(_))) || tears > 9 {
                    break ended;
                }
                tears += 1;
                let at = reader.commands() + second;
                if tears < 3 {
                    reader.plan(at, Fault::CutAfter);
                }
                reader.reinsert();
            };
            match last {
                Ok(Outcome::Complete(_)) => {
                    assert_eq!(contents(reader.card()), contents(&reference), "{first} {second}")
                }
                // A key of external authentication that was tried twice without an answer.
                Ok(Outcome::Quarantined { step, reason }) => {
                    assert!(
                        step.starts_with("prove") && reason.contains("one try"),
                        "{first} {second}: {step} {reason}"
                    );
                }
                other => panic!("{first} {second}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_finished_card_has_nothing_left_to_be_done() {
    let mut store = MemoryStore::new();
    let mut reader = SimReader::new(blank());
    report(run(&sample(), &mut reader, &mut store));
    let written = reader.commands();
    let again = report(run(&sample(), &mut reader, &mut store));
    assert!(!again.changed && again.proved.len() == 3);
    assert!(reader.commands() - written < 20);
    // A card that lost something since is told of, not mended.
    let update = CommandApdu::new(0x00, 0xDC, 0x01, 0x0C).with_data([0x61; 0x13]);
    assert!(reader.exchange(&update).unwrap().sw().is_ok());
    let lost = run(&sample(), &mut reader, &mut store);
    assert!(
        matches!(&lost, Err(ScriptRunError::Incomplete(missing)) if missing.to_string().contains("record 1")),
        "{lost:?}"
    );
}

#[test]
fn another_card_or_one_that_is_not_blank_is_not_touched() {
    let mut store = MemoryStore::new();
    let mut issued = SimReader::new(CpuCard::builder().atr(&atr(2)).sample().unwrap());
    let before = contents(issued.card());
    for _ in 0..2 {
        let ended = run(&sample(), &mut issued, &mut store);
        assert!(
            matches!(&ended, Ok(Outcome::Quarantined { step, reason }) if step == "MF key file" && reason.contains("not by this job")),
            "{ended:?}"
        );
    }
    assert_eq!(contents(issued.card()), before);

    let faults = Faults::none().at(20, Fault::CutAfter);
    let mut reader = SimReader::new(blank()).with_faults(faults);
    assert!(matches!(run(&sample(), &mut reader, &mut store), Ok(Outcome::Interrupted(_))));
    let mut other = SimReader::new(CpuCard::builder().atr(&atr(3)).build());
    assert!(matches!(run(&sample(), &mut other, &mut store), Ok(Outcome::Complete(_))), "a job of its own");
    let nameless = run(&sample(), &mut SimReader::new(CpuCard::builder().build()), &mut store);
    assert!(matches!(nameless, Err(ScriptRunError::NoIdentity)), "{nameless:?}");
    let given = |number: &str| ScriptOrder { identity: CardSource::Given(number.into()), ..sample() };
    let mut reader = SimReader::new(CpuCard::builder().build());
    assert!(matches!(run(&given("a/b"), &mut reader, &mut store), Err(ScriptRunError::BadIdentity)));
    report(run(&given("tray 7".replace(' ', "-").as_str()), &mut reader, &mut store));
}

#[test]
fn a_card_that_is_swapped_is_noticed_at_the_end() {
    let (_, commands) = finished();
    for n in [commands - 1, commands] {
        let other = CpuCard::builder().atr(&atr(9)).sample().unwrap();
        let mut store = MemoryStore::new();
        let mut reader = SimReader::new(blank()).with_faults(Faults::none().at(n, Fault::Swap(Box::new(other))));
        let ended = run(&sample(), &mut reader, &mut store);
        assert!(matches!(ended, Err(ScriptRunError::OtherCard { .. })), "{n}: {ended:?}");
    }
}

#[test]
fn a_wrong_mac_key_stops_the_job_at_the_first_refusal() {
    let mut wrong = keys();
    wrong.insert("maintenance", KeyKind::Tdes, &[0x32; 16]).unwrap();
    let mut store = MemoryStore::new();
    let mut reader = SimReader::new(blank());
    for _ in 0..4 {
        let ended = run_with(&sample(), &mut reader, &mut store, &mut wrong);
        assert!(
            matches!(&ended, Ok(Outcome::Quarantined { reason, .. }) if reason.contains("refused a MAC")),
            "{ended:?}"
        );
    }
    assert_eq!(reader.card().key(&APPLICATION, 0x36, 0).unwrap().tries_left(), 2, "one refusal, not four");
    let release = ScriptOrder { release: released(&store), ..sample() };
    report(run(&release, &mut reader, &mut store));
}

#[test]
fn a_wrong_key_at_the_end_is_quarantined_and_never_tried_to_the_last() {
    let mut wrong = keys();
    wrong.insert("application-master", KeyKind::Tdes, &[0x3A; 16]).unwrap();
    let mut store = MemoryStore::new();
    let mut reader = SimReader::new(blank());
    for round in 0..4 {
        let order = ScriptOrder { release: released(&store).filter(|_| round > 0), ..sample() };
        let ended = run_with(&order, &mut reader, &mut store, &mut wrong);
        assert!(matches!(ended, Ok(Outcome::Quarantined { .. })), "{round}: {ended:?}");
    }
    assert_eq!(reader.card().key(&APPLICATION, 0x39, 0).unwrap().tries_left(), 1, "the last try is not made");
    let mut tac = keys();
    tac.insert("tac", KeyKind::Tdes, &[0x30; 16]).unwrap();
    let mut reader = SimReader::new(CpuCard::builder().atr(&atr(4)).build());
    let ended = run_with(&sample(), &mut reader, &mut store, &mut tac);
    assert!(
        matches!(&ended, Ok(Outcome::Quarantined { step, reason }) if step == "verify" && reason.contains("TAC key 00")),
        "{ended:?}"
    );
}

#[test]
fn a_script_that_changed_since_it_was_begun_is_refused() {
    let mut store = MemoryStore::new();
    let mut reader = SimReader::new(blank()).with_faults(Faults::none().at(30, Fault::CutBefore));
    assert!(matches!(run(&sample(), &mut reader, &mut store), Ok(Outcome::Interrupted(_))));
    reader.reinsert();
    let values = Values::from([("public".to_string(), vec![7; 30])]);
    let other = order(Script::fmcos_sample(&values).unwrap());
    let sent = reader.commands();
    let ended = run(&other, &mut reader, &mut store);
    assert!(
        matches!(&ended, Err(ScriptRunError::ScriptChanged { step }) if step == "file 0015, public data"),
        "{ended:?}"
    );
    assert_eq!(reader.commands(), sent);
}

const RESTARTABLE: &str = r#"
    [script]
    name = "records"
    profile = "fmcos-2.0"
    restart = ["00A40000023F00", "800E0000"]
    [[step]]
    name = "MF"
    apdu = "80E03F000D 38FFFFF0F001FFFFFFFFFFFFFF"
    may-exist = true
    [[step]]
    name = "cyclic file"
    apdu = "80E0001807 2E0304F0F0FFFF"
    [[step]]
    name = "first"
    apdu = "00E200C004 01020304"
    [[step]]
    name = "second, the same"
    apdu = "00E200C004 01020304"
    "#;

#[test]
fn what_cannot_be_told_begins_anew_where_the_script_allows_it() {
    let records = |reader: &SimReader<CpuCard>| reader.card().records(&[0x3F00, 0x18]).map(|records| records.len());
    for (text, restarts) in [(RESTARTABLE.to_owned(), true), (RESTARTABLE.replace("restart = ", "#"), false)] {
        let order = script_of(&text);
        for fault in [Fault::CutBefore, Fault::CutAfter] {
            let mut store = MemoryStore::new();
            // The fourth command appends a record like the one before: reading it tells nothing.
            let mut reader = SimReader::new(blank()).with_faults(Faults::none().at(4, fault));
            assert!(matches!(run(&order, &mut reader, &mut store), Ok(Outcome::Interrupted(_))));
            reader.reinsert();
            let ended = run(&order, &mut reader, &mut store);
            if restarts {
                report(ended);
                assert_eq!(records(&reader), Some(2));
            } else {
                assert!(
                    matches!(&ended, Ok(Outcome::Quarantined { step, .. }) if step == "second, the same"),
                    "{ended:?}"
                );
            }
        }
    }
}

#[test]
fn a_torn_restart_begins_anew_as_well() {
    let order = script_of(RESTARTABLE);
    for n in 1..=12 {
        for executed in [false, true] {
            let mut store = MemoryStore::new();
            let mut reader = SimReader::new(blank()).with_faults(Faults::none().at(4, Fault::CutAfter));
            assert!(matches!(run(&order, &mut reader, &mut store), Ok(Outcome::Interrupted(_))));
            reader.reinsert();
            let at = reader.commands() + n;
            reader.plan(at, if executed { Fault::CutAfter } else { Fault::CutBefore });
            let mut rounds = 0;
            loop {
                match run(&order, &mut reader, &mut store) {
                    Ok(Outcome::Interrupted(_)) if rounds < 4 => reader.reinsert(),
                    ended => break drop(report(ended)),
                }
                rounds += 1;
            }
            let records = reader.card().records(&[0x3F00, 0x18]).map(|records| records.len());
            assert_eq!(records, Some(2), "torn at {n} of the second run");
        }
    }
}

const KEYS: &str = r#"
    [script]
    name = "own keys"
    profile = "fmcos-2.0"
    [[step]]
    name = "authenticate"
    authenticate = { id = 0, key = "card-master" }
    [[step]]
    name = "application"
    apdu = "00A4040009 A00000000386980701"
    [[step]]
    name = "maintenance key"
    write-key = { use = "line-protection", id = 0, key = "new", under = "application-master", present = "none", fields = { use = "F0", change = "02", counter = "33" } }
    [[step]]
    name = "file 0016"
    apdu = "00D6960003 AABBCC"
    mac = "new"
    [[step]]
    name = "master key"
    write-key = { use = "external-authentication", id = 0, key = "new", under = "application-master", present = "none", fields = { use = "F0", change = "02", next = "44", counter = "33" } }
    proof = { external = { id = 0, key = "new", tries = 3 } }
    "#;

#[test]
fn keys_are_replaced_and_a_torn_replacement_is_proved_or_done_again() {
    let order = script_of(KEYS);
    // The change right 02 of the manual's keys is one that the security state of the MF gives.
    let issued = || CpuCard::builder().atr(&atr(5)).access_rule(AccessRule::MfWhere0).sample().unwrap();
    let mut reader = SimReader::new(issued());
    let done = report(run(&order, &mut reader, &mut MemoryStore::new()));
    assert_eq!(
        (done.proved.as_slice(), done.unproved.as_slice()),
        (&["master key".to_string()][..], &["maintenance key".to_string()][..])
    );
    let reference = contents(reader.card());
    assert_eq!(reader.card().key(&APPLICATION, 0x39, 0).unwrap().value(), [0x11; 16]);
    for n in 1..=reader.commands() {
        for fault in [Fault::CutBefore, Fault::CutAfter, Fault::CutWriting(1)] {
            let what = format!("{fault:?} at {n}");
            let mut store = MemoryStore::new();
            let mut reader = SimReader::new(issued()).with_faults(Faults::none().at(n, fault));
            let torn = run(&order, &mut reader, &mut store);
            assert!(matches!(torn, Ok(Outcome::Interrupted(_))), "{what}: {torn:?}");
            reader.reinsert();
            let second = run(&order, &mut reader, &mut store);
            assert!(matches!(second, Ok(Outcome::Complete(_))), "{what}: {second:?}");
            assert_eq!(contents(reader.card()), reference, "{what}");
        }
    }
}

#[test]
fn an_opaque_script_of_an_operator_is_finished_after_a_tear() {
    let lines = "\
        80E03F000D38FFFFF0F001FFFFFFFFFFFFFF | 9000\n\
        80E00000073F005001F0FFFF\n\
        80D401000D36F0F0FF33FFFFFFFFFFFFFFFF | 9000 | 6-18\n\
        80E00001072A0213F000FFFF\n\
        00E200081361114F09A00000000386980701500450424F43\n\
        80E00005072C0100F0F0FFFF\n\
        00A40000020005 | 9000 61xx\n\
        80E00016072800 10F0F0FFFF\n\
        00D696000401020304\n\
        00D696020255 66\n";
    let script = Script::read_lines("operator", lines, &profile()).unwrap();
    assert_eq!(script.steps.iter().filter(|step| step.class == StepClass::Session).count(), 1);
    let order = order(script);
    let mut reader = SimReader::new(blank());
    let done = report(run(&order, &mut reader, &mut MemoryStore::new()));
    assert_eq!(
        (done.steps, done.read_back),
        (9, 2),
        "the four bytes are written over in part, and read back by the two"
    );
    let reference = contents(reader.card());
    for n in 1..=reader.commands() {
        for executed in [false, true] {
            let fault = if executed { Fault::CutAfter } else { Fault::CutBefore };
            let mut store = MemoryStore::new();
            let mut reader = SimReader::new(blank()).with_faults(Faults::none().at(n, fault));
            assert!(matches!(run(&order, &mut reader, &mut store), Ok(Outcome::Interrupted(_))));
            reader.reinsert();
            report(run(&order, &mut reader, &mut store));
            assert_eq!(contents(reader.card()), reference, "{n} {executed}");
        }
    }
}

/// A chip whose boot loader takes blocks; with the image whole and started, it answers its reset as another.
struct BlankChip {
    memory: Vec<u8>,
    started: bool,
    present: bool,
    cut: Option<(u64, bool)>,
    commands: u64,
}

impl BlankChip {
    fn execute(&mut self, command: &[u8]) -> u16 {
        let address = usize::from(u16::from_be_bytes([command[2], command[3]]));
        let data = command.get(5..).unwrap_or_default();
        match command[1] {
            _ if self.started => return 0x6D00,
            0x0E => self.memory.clear(),
            // Blocks come in order, each once: flash is not written over.
            0xD6 if address == self.memory.len() => self.memory.extend_from_slice(data),
            0xD8 => {
                let block = self.memory.get(address..address + usize::from(data[0])).unwrap_or_default();
                let sum = block.iter().fold(0_u16, |sum, byte| sum.wrapping_add((*byte).into()));
                return if sum.to_be_bytes() == data[1..] { 0x9000 } else { 0x6984 };
            }
            0xA0 => self.started = true,
            _ => return 0x6A80,
        }
        0x9000
    }
}

impl Transport for BlankChip {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), cardwright::apdu::TransportError> {
        use cardwright::apdu::{TransportError, TransportErrorKind};
        self.commands += 1;
        let cut = self.cut.filter(|(n, _)| *n == self.commands);
        if !self.present || cut.is_some_and(|(_, executed)| !executed) {
            self.present = false;
            return Err(TransportError::unknown(TransportErrorKind::CardRemoved));
        }
        let sw = self.execute(command);
        if cut.is_some() {
            self.present = false;
            return Err(TransportError::unknown(TransportErrorKind::CardRemoved));
        }
        *response = sw.to_be_bytes().to_vec();
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, cardwright::apdu::TransportError> {
        Ok(if self.started { vec![0x3B, 0x02, 0x20, 0x90] } else { vec![0x3B, 0x02, 0xB0, 0x07] })
    }
}

fn chip_image() -> Vec<u8> {
    (0..100).collect()
}

/// Downloads [`chip_image`] into a [`BlankChip`] and starts it.
fn chip_order() -> ScriptOrder {
    let loader = r#"
        [boot-loader]
        name = "chip"
        block = 16
        checksum = "sum16"
        before = "3B02B0"
        after = "3B022090"
        erase = "F0 0E 00 00"
        write = "F0 D6 {address:2} {data}"
        verify = "F0 D8 {address:2} {length} {checksum:2}"
        start = "F0 A0 00 00"
        "#;
    let script = BootLoader::read_toml(loader).unwrap().script(&chip_image()).unwrap();
    ScriptOrder { identity: CardSource::Given("wafer-1".into()), ..order(script) }
}

#[test]
fn a_torn_download_of_an_operating_system_begins_anew() {
    let (order, image) = (chip_order(), chip_image());
    let chip = |cut| BlankChip { memory: Vec::new(), started: false, present: true, cut, commands: 0 };
    let mut whole = chip(None);
    report(run(&order, &mut whole, &mut MemoryStore::new()));
    assert!(whole.started && whole.memory == image);
    for n in 1..=whole.commands {
        for executed in [false, true] {
            let mut store = MemoryStore::new();
            let mut chip = chip(Some((n, executed)));
            assert!(matches!(run(&order, &mut chip, &mut store), Ok(Outcome::Interrupted(_))));
            chip.present = true;
            report(run(&order, &mut chip, &mut store));
            assert!(chip.started && chip.memory == image, "{n} {executed}");
        }
    }
    // A chip that runs an operating system is not blank.
    let mut store = MemoryStore::new();
    let other = ScriptOrder { identity: CardSource::Given("wafer-2".into()), ..order };
    let refused = run(&other, &mut whole, &mut store);
    assert!(matches!(refused, Err(ScriptRunError::WrongCard { expected: "before" })), "{refused:?}");
}

#[test]
fn no_key_and_no_pin_is_in_the_journal() {
    let mut store = MemoryStore::new();
    report(run(&sample(), &mut SimReader::new(blank()), &mut store));
    for secret in [&[0x36; 8][..], &[0x39; 8], &[0x12, 0x34, 0x5F, 0xFF]] {
        assert!(!store.log().windows(secret.len()).any(|window| window == secret), "{secret:02X?}");
    }
}
