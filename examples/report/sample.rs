//! A journal to look at: software cards issued over a month in simulated time, by the machine of remote issuing, while cards are torn out,
//! refuse, have other keys or too little memory.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use cardwright::apdu::{ExchangeLimits, Transport, TransportError};
use cardwright::gp::load_file::CapFile;
use cardwright::gp::procedure::{KeyCandidate, KeyScheme};
use cardwright::gp::{DescriptorPolicy, LoadFile};
use cardwright::issuance::Driver;
use cardwright::issuance::remote::{self, ApplicationKeys, ApplicationOrder, Order, Outcome};
use cardwright::issuance::store::{SqliteStore, Store};
use cardwright::keys::{KeyKind, KeyRef, SoftwareKeys};
use cardwright_capgen::CapBuilder;
use cardwright_sim::{AesKeyLength, Fault, JavaCard, SecureChannelProtocol, SimReader, StaticKeys};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::ReportError;

/// 2026-03-02, a Monday.
const BEGIN_MS: u64 = 1_772_409_600_000;
const DAY_MS: u64 = 86_400_000;
const DAYS: u64 = 33;
/// How often a card is presented.
const MAX_PRESENTATIONS: u32 = 4;

const PACKAGE: &str = "A0000003869807";
const APPLICATION: &str = "A00000038698070101";

/// Published test keys and vectors.
const KEYS: [(&str, KeyKind, &str); 7] = [
    ("test-aes", KeyKind::Aes, "404142434445464748494A4B4C4D4E4F"),
    ("test-des", KeyKind::Tdes, "404142434445464748494A4B4C4D4E4F"),
    ("domain-aes", KeyKind::Aes, "000102030405060708090A0B0C0D0E0F"),
    ("domain-des", KeyKind::Tdes, "A1A2A3A4A1A2A3A4A1A2A3A4A1A2A3A4"),
    ("application-initial", KeyKind::Tdes, "00112233445566778899AABBCCDDEEFF"),
    ("application-master", KeyKind::Tdes, "11223344556677888877665544332211"),
    ("application-maintenance", KeyKind::Tdes, "FFEEDDCCBBAA99887766554433221100"),
];

/// A card that takes its time: by the length of what goes over the line, and more where it writes.
struct Timed<'a> {
    card: &'a mut SimReader,
    clock: &'a AtomicU64,
    dice: ChaCha20Rng,
}

impl Transport for Timed<'_> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        let writes = matches!(command.get(1), Some(0xE6 | 0xE8 | 0xD8 | 0xD4 | 0xE4));
        let work = if writes { 18 + self.dice.next_u64() % 30 } else { 6 + self.dice.next_u64() % 8 };
        self.clock.fetch_add(work + command.len() as u64 / 10, Ordering::Relaxed);
        Transport::transmit(self.card, command, response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        self.clock.fetch_add(250, Ordering::Relaxed);
        Transport::reset(self.card)
    }

    fn limits(&self) -> ExchangeLimits {
        self.card.limits()
    }
}

/// Makes the journal.
pub(crate) fn make(path: &Path, cards: u32) -> Result<(), ReportError> {
    let mut store = SqliteStore::open(path)?;
    let mut keys = SoftwareKeys::new();
    for (name, kind, value) in KEYS {
        let value = hex::decode(value).map_err(sample)?;
        keys.insert(name, kind, &value).map_err(sample)?;
    }
    let load_file = load_file()?;
    let mut dice = ChaCha20Rng::seed_from_u64(2026);
    // Presentations in the order of time: a card that was torn out comes back hours or days later.
    let mut queue: Vec<(u64, u32, u32)> = (0..cards).map(|card| (arrival(&mut dice), card, 0)).collect();
    let mut readers: Vec<SimReader> = (0..cards).map(|card| SimReader::new(build(card, &mut dice))).collect();
    let bar = indicatif::ProgressBar::new(cards.into());
    queue.sort_unstable();
    while !queue.is_empty() {
        let (time, card, before) = queue.remove(0);
        let reader = &mut readers[card as usize];
        let is_good = present(reader, time, (before, card % 61 == 7), (&mut keys, &mut store), &load_file, &mut dice)?;
        if is_good || before + 1 >= MAX_PRESENTATIONS || dice.next_u64().is_multiple_of(5) {
            bar.inc(1);
            continue;
        }
        let again = time + 3_600_000 + dice.next_u64() % (2 * DAY_MS);
        let at = queue.partition_point(|(other, ..)| *other < again);
        queue.insert(at, (again, card, before + 1));
    }
    bar.finish_and_clear();
    Ok(())
}

/// One presentation of a card; whether it is complete.
fn present(
    reader: &mut SimReader,
    time: u64,
    (before, is_mixed_up): (u32, bool),
    (keys, store): (&mut SoftwareKeys, &mut dyn Store),
    load_file: &LoadFile,
    dice: &mut ChaCha20Rng,
) -> Result<bool, ReportError> {
    if !reader.is_inserted() {
        reader.reinsert();
    }
    if before == 0 || dice.next_u64().is_multiple_of(4) {
        let at = reader.commands() + 1 + dice.next_u64() % 40;
        match dice.next_u64() % 100 {
            0..7 => reader.plan(at, Fault::CutBefore),
            7..14 => reader.plan(at, Fault::CutAfter),
            14..17 => reader.plan(at, Fault::Respond(vec![0x6F, 0x00])),
            17..20 => reader.plan(at, Fault::Respond(vec![0x65, 0x81])),
            20..22 => reader.plan(at, Fault::Respond(vec![0x69, 0x85])),
            _ => {}
        }
    }
    let order = order(load_file, is_mixed_up)?;
    let mut random = ChaCha20Rng::seed_from_u64(dice.next_u64());
    let clock = AtomicU64::new(time);
    let mut transport = Timed { card: reader, clock: &clock, dice: ChaCha20Rng::seed_from_u64(dice.next_u64()) };
    let mut driver = Driver {
        card: &mut transport,
        keys,
        store,
        clock: &mut || clock.fetch_add(2, Ordering::Relaxed),
        random: &mut || random.next_u64().to_be_bytes(),
        notice: &mut |_| {},
    };
    let ended = driver.run(remote::issue(order)).map_err(sample)?;
    Ok(matches!(ended, Ok(Outcome::Complete(_))))
}

/// A time in the opening hours of one of the days; more on some days of the week than on others.
fn arrival(dice: &mut ChaCha20Rng) -> u64 {
    loop {
        let day = dice.next_u64() % DAYS;
        let open = [100, 85, 90, 80, 95, 25, 0][(day % 7) as usize];
        if dice.next_u64() % 100 < open {
            return BEGIN_MS + day * DAY_MS + 7 * 3_600_000 + dice.next_u64() % (10 * 3_600_000);
        }
    }
}

fn build(card: u32, dice: &mut ChaCha20Rng) -> JavaCard {
    let protocol = match card % 3 {
        0 => SecureChannelProtocol::Scp02 { i: 0x55 },
        _ => SecureChannelProtocol::Scp03 { i: 0x70, key_length: AesKeyLength::Aes128 },
    };
    let builder = JavaCard::builder().protocol(protocol).seed(u64::from(card) + 1);
    match dice.next_u64() % 100 {
        // Of another issuer.
        0..2 if !card.is_multiple_of(3) => builder.key_set(1, StaticKeys::Aes128([[7; 16]; 3])).build(),
        // An older chip.
        2..5 => builder.memory(2_000).build(),
        _ => builder.build(),
    }
}

fn load_file() -> Result<LoadFile, ReportError> {
    let package = PACKAGE.parse().map_err(sample)?;
    let application = APPLICATION.parse().map_err(sample)?;
    let archive = CapBuilder::new(package).applet(application).min_data_block_len(4_000).archive().map_err(sample)?;
    CapFile::parse(&archive).map_err(sample)?.to_load_file(DescriptorPolicy::Omit).map_err(sample)
}

/// Where the boxes were mixed up, the application's initial key is not the one that is expected.
fn order(load_file: &LoadFile, is_mixed_up: bool) -> Result<Order, ReportError> {
    let candidate = |name: &str, kind, scheme| KeyCandidate::new(KeyRef::new(name), kind, scheme);
    let keys = ApplicationKeys {
        initial_master: KeyRef::new(if is_mixed_up { "domain-des" } else { "application-initial" }),
        master: KeyRef::new("application-master"),
        maintenance: KeyRef::new("application-maintenance"),
    };
    let application = APPLICATION.parse().map_err(sample)?;
    Ok(Order::new(
        vec![
            candidate("test-aes", KeyKind::Aes, KeyScheme::AsIs),
            candidate("test-des", KeyKind::Tdes, KeyScheme::AsIs),
        ],
        vec![
            candidate("domain-aes", KeyKind::Aes, KeyScheme::Kdf3),
            candidate("domain-des", KeyKind::Tdes, KeyScheme::Emv),
        ],
        vec![ApplicationOrder::new(load_file.clone(), application, keys).with_version(1, 0)],
    ))
}

fn sample(error: impl std::fmt::Display) -> ReportError {
    ReportError::Sample(error.to_string())
}
