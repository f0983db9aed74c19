//! A card, a journal and an order: what the tests of remote issuing share.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test takes what it needs")]

#[path = "../../examples/shared/persons.rs"]
mod persons;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use cardwright::apdu::{Aid, CommandApduRef, Transport};
use cardwright::gp::load_file::CapFile;
use cardwright::gp::procedure::{KeyCandidate, KeyScheme};
use cardwright::gp::{DescriptorPolicy, SecurityLevel};
use cardwright::issuance::quarantine::Release;
use cardwright::issuance::remote::{self, ApplicationKeys, ApplicationOrder, IssueError, Order, Outcome, Report};
use cardwright::issuance::store::{MemoryStore, Store};
use cardwright::issuance::{self, Conversation, Driver};
use cardwright::keys::{KeyKind, KeyRef, KeyService, SoftwareKeys};
use cardwright_capgen::CapBuilder;
use cardwright_sim::{AesKeyLength, Fault, Faults, JavaCard, LogEntry, SecureChannelProtocol, SimReader};

/// Two persons decide that whatever is in quarantine is tried again.
pub fn released(store: &MemoryStore) -> Option<Release> {
    Some(persons::release_all(store, 1_700_000_000_000).unwrap())
}

/// Runs an example, after building it, which `cargo test` does only when it runs all targets.
pub fn example(name: &str) -> Command {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().unwrap().parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--examples", "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        for (name, is_on) in [("pcsc", cfg!(feature = "pcsc")), ("pkcs11", cfg!(feature = "pkcs11"))] {
            if is_on {
                cargo.args(["--features", name]);
            }
        }
        assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
        profile.join("examples")
    });
    Command::new(BUILT.join(name))
}

pub const TEST_KEY: &str = "404142434445464748494A4B4C4D4E4F";

pub const SCP02: SecureChannelProtocol = SecureChannelProtocol::Scp02 { i: 0x55 };
pub const SCP03: SecureChannelProtocol = SecureChannelProtocol::Scp03 { i: 0x70, key_length: AesKeyLength::Aes128 };

pub fn aid(text: &str) -> Aid {
    text.parse().unwrap()
}

pub fn instance() -> Aid {
    aid("A00000038698070101")
}

pub fn package() -> Aid {
    aid("A0000003869807")
}

/// Published test keys under the names that the orders use.
pub fn keys() -> SoftwareKeys {
    let mut keys = SoftwareKeys::new();
    let test = hex::decode(TEST_KEY).unwrap();
    let pboc = hex::decode("00112233445566778899AABBCCDDEEFF").unwrap();
    for (name, kind, value) in [
        ("test-aes", KeyKind::Aes, &test),
        ("test-des", KeyKind::Tdes, &test),
        ("domain-aes", KeyKind::Aes, &hex::decode("000102030405060708090A0B0C0D0E0F").unwrap()),
        ("domain-des", KeyKind::Tdes, &hex::decode("A1A2A3A4A1A2A3A4A1A2A3A4A1A2A3A4").unwrap()),
        ("application-initial", KeyKind::Tdes, &pboc),
        ("application-master", KeyKind::Tdes, &hex::decode("11223344556677888877665544332211").unwrap()),
        ("application-maintenance", KeyKind::Tdes, &hex::decode("FFEEDDCCBBAA99887766554433221100").unwrap()),
    ] {
        keys.insert(name, kind, value).unwrap();
    }
    keys
}

/// An order for a CAP file of about this many bytes.
pub fn order(cap_size: usize) -> Order {
    let archive = CapBuilder::new(package()).applet(instance()).min_data_block_len(cap_size).archive().unwrap();
    let cap = CapFile::parse(&archive).unwrap();
    let candidate = |name: &str, kind, scheme| KeyCandidate::new(KeyRef::new(name), kind, scheme);
    let keys = ApplicationKeys {
        initial_master: KeyRef::new("application-initial"),
        master: KeyRef::new("application-master"),
        maintenance: KeyRef::new("application-maintenance"),
    };
    Order::new(
        vec![
            candidate("test-aes", KeyKind::Aes, KeyScheme::AsIs),
            candidate("test-des", KeyKind::Tdes, KeyScheme::AsIs),
        ],
        vec![
            candidate("domain-aes", KeyKind::Aes, KeyScheme::Kdf3),
            candidate("domain-des", KeyKind::Tdes, KeyScheme::Emv),
        ],
        vec![
            ApplicationOrder::new(cap.to_load_file(DescriptorPolicy::Omit).unwrap(), instance(), keys)
                .with_version(1, 0),
        ],
    )
}

pub fn card(protocol: SecureChannelProtocol) -> JavaCard {
    JavaCard::builder().protocol(protocol).seed(7).build()
}

/// Runs a machine against the card in the reader; time and randomness come from counters.
pub fn drive<T>(
    conversation: Conversation<Result<Outcome<T>, IssueError>>,
    reader: &mut dyn Transport,
    store: &mut dyn Store,
) -> Result<Outcome<T>, IssueError> {
    drive_with(conversation, reader, store, &mut keys())
}

pub fn drive_with<T>(
    conversation: Conversation<Result<Outcome<T>, IssueError>>,
    reader: &mut dyn Transport,
    store: &mut dyn Store,
    keys: &mut dyn KeyService,
) -> Result<Outcome<T>, IssueError> {
    let mut time = 1_700_000_000_000;
    let mut nonce = 0u64;
    Driver {
        card: reader,
        keys,
        store,
        clock: &mut || {
            time += 1;
            time
        },
        random: &mut || {
            nonce += 1;
            nonce.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()
        },
        notice: &mut |_| {},
    }
    .run(conversation)
    .unwrap()
}

/// One run of the order, with faults.
pub fn issue(
    order: &Order,
    card: JavaCard,
    store: &mut dyn Store,
    faults: Faults,
) -> (Result<Outcome<Report>, IssueError>, SimReader) {
    let mut reader = SimReader::new(card).with_faults(faults);
    let outcome = drive(remote::issue(order.clone()), &mut reader, store);
    (outcome, reader)
}

/// The log of an undisturbed run over SCP03.
pub fn clean_log() -> Vec<LogEntry> {
    issue(&order(500), card(SCP03), &mut MemoryStore::new(), Faults::none()).1.take_log()
}

/// Number of the first command of such a run that is so.
pub fn number_of(is_it: impl Fn(&[u8]) -> bool) -> u64 {
    clean_log().iter().position(|entry| is_it(&entry.command)).unwrap() as u64 + 1
}

pub fn is_complete(outcome: &Result<Outcome<Report>, IssueError>) -> bool {
    matches!(outcome, Ok(Outcome::Complete(_)))
}

/// Everything on the card that counts, as text: registry, keys of the domain, keys of the application.
pub fn snapshot(card: &JavaCard) -> String {
    let mut lines: Vec<String> = card.registry().iter().map(|entry| format!("{entry:?}")).collect();
    for set in card.key_sets() {
        for key in &set.keys {
            lines.push(format!("domain key {:02X}/{:02X} {}", set.version, key.id, hex::encode(&key.value)));
        }
    }
    if let Some(application) = card.pboc_application(&instance()) {
        lines.push(format!("master {}", hex::encode(application.master_key().value())));
        lines.push(format!("maintenance {}", hex::encode(application.maintenance_key().value())));
        lines.push(format!("tries {}", application.master_key().tries_left()));
    }
    lines.join("\n")
}

/// Names of the commands that a card got, in order.
pub fn command_names(log: &[LogEntry]) -> Vec<&'static str> {
    log.iter().map(|entry| CommandApduRef::parse(&entry.command).unwrap().name()).collect()
}

/// An undisturbed run of an order, and every value that a key may have on the way.
pub struct Reference {
    pub order: Order,
    pub protocol: SecureChannelProtocol,
    pub snapshot: String,
    /// Names of the commands, in order.
    pub names: Vec<&'static str>,
    /// The card's answers, in order.
    pub responses: Vec<Vec<u8>>,
    keys: BTreeSet<String>,
}

impl Reference {
    pub fn new(protocol: SecureChannelProtocol, level: SecurityLevel) -> Self {
        let order = Order { level, ..order(300) };
        let (outcome, mut reader) = issue(&order, card(protocol), &mut MemoryStore::new(), Faults::none());
        assert!(is_complete(&outcome), "{outcome:?}");
        let log = reader.take_log();
        let mut keys: BTreeSet<_> = key_lines(reader.card()).collect();
        for n in 1..=reader.commands() {
            let faults = Faults::none().at(n, Fault::CutBefore);
            keys.extend(key_lines(issue(&order, card(protocol), &mut MemoryStore::new(), faults).1.card()));
        }
        let (snapshot, names) = (snapshot(reader.card()), command_names(&log));
        let responses = log.into_iter().map(|entry| entry.response).collect();
        Self { order, protocol, snapshot, names, responses, keys }
    }

    /// Where this command is in the run, counted from 1.
    pub fn places_of(&self, name: &str) -> Vec<usize> {
        (1..).zip(&self.names).filter(|(_, found)| **found == name).map(|(n, _)| n).collect()
    }

    /// Every key has the value that it had at first, or the one that it shall get.
    pub fn assert_no_other_key(&self, card: &JavaCard, what: &str) {
        let other: Vec<_> = key_lines(card).filter(|line| !self.keys.contains(line)).collect();
        assert!(other.is_empty(), "{what}: keys of other values: {other:?}");
    }
}

fn key_lines(card: &JavaCard) -> impl Iterator<Item = String> {
    let is_key = |line: &String| ["domain key", "master", "maintenance"].iter().any(|start| line.starts_with(start));
    snapshot(card).lines().map(String::from).filter(is_key).collect::<Vec<_>>().into_iter()
}
