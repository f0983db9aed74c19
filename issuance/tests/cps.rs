//! EMV CPS as a durable step, against a card whose session was computed with another program, torn at every command.

#[path = "../../examples/shared/persons.rs"]
mod persons;

use std::collections::HashMap;

use cardwright_apdu::{Transport, TransportError, TransportErrorKind};
use cardwright_gp::SecurityLevel;
use cardwright_gp::cps::{CpsData, CpsOptions, Dgi};
use cardwright_gp::procedure::{KeyCandidate, KeyScheme, OpenOptions};
use cardwright_issuance::cps::{CpsOrder, CpsReport, personalize};
use cardwright_issuance::lockout::{Insertion, SessionOrder};
use cardwright_issuance::remote::{IssueError, Outcome};
use cardwright_issuance::store::{Journal, MemoryStore};
use cardwright_issuance::{self as issuance, Driver};
use cardwright_keys::{KeyKind, KeyRef, SoftwareKeys};

/// KMC 404142..4F, KEYDATA 00010203040506070809, sequence counter 0001, host challenge 40A62C37FA6304F8; i = 05, C-MAC.
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
const APPLICATION: [u8; 7] = [0xA0, 0, 0, 0, 3, 0x10, 0x10];

/// An application that takes the commands of the session in order, and any SELECT; it has a record once that was stored.
#[derive(Default)]
struct Card {
    next: usize,
    stored: bool,
    personalized: bool,
    /// Says that it stored what it did not.
    forgets: bool,
    commands: usize,
    cut: Option<(usize, bool)>,
    sessions: usize,
}

impl Card {
    fn answer(&mut self, command: &[u8]) -> Vec<u8> {
        let sw = |sw: u16| sw.to_be_bytes().to_vec();
        match command[1] {
            0xA4 => {
                self.next = 0;
                sw(if command[4..].starts_with(&[2]) { 0x6A82 } else { 0x9000 })
            }
            0xCA => sw(0x6A88),
            0xB2 if self.stored => [&RECORD[..], &[0x90, 0]].concat(),
            0xB2 => sw(0x6A83),
            _ => {
                if command[1] == 0x50 && !self.personalized {
                    self.next = 0;
                    self.sessions += 1;
                }
                let answers: HashMap<Vec<u8>, (usize, Vec<u8>)> = SESSION
                    .iter()
                    .enumerate()
                    .map(|(n, (c, r))| (hex::decode(c).unwrap(), (n, hex::decode(r).unwrap())))
                    .collect();
                match answers.get(command) {
                    Some((n, answer)) if *n == self.next && !self.personalized => {
                        self.next += 1;
                        self.stored |= *n == 2 && !self.forgets;
                        self.personalized = *n == 6;
                        answer.clone()
                    }
                    _ => sw(0x6985),
                }
            }
        }
    }
}

impl Transport for Card {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        self.commands += 1;
        let removed = || Err(TransportError::unknown(TransportErrorKind::CardRemoved));
        match self.cut {
            Some((n, false)) if self.commands >= n => return removed(),
            Some((n, true)) if self.commands > n => return removed(),
            _ => {}
        }
        response.extend(self.answer(command));
        if self.cut == Some((self.commands, true)) { removed() } else { Ok(()) }
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        self.next = 0;
        Ok(vec![0x3B, 0])
    }
}

fn order() -> CpsOrder {
    let candidate = KeyCandidate::new(KeyRef::new("kmc"), KeyKind::Tdes, KeyScheme::Emv);
    let options = OpenOptions::new(SecurityLevel::C_MAC).with_scp02_i(Some(0x05));
    let mut session = SessionOrder::new(vec![candidate], options, Insertion::new([7; 8]));
    session.profile.unique_kdd = true;
    let keys = ["ac", "mac", "enc"].map(KeyRef::new).to_vec();
    let data = CpsData::new()
        .with_plain(Dgi(0x0101), &RECORD)
        .and_then(|data| data.with_keys(Dgi::DES_KEYS, Dgi::DES_KEY_CHECK_VALUES, keys))
        .and_then(|data| data.with_secret(Dgi::OFFLINE_PIN, &[0x24, 0x12, 0x34, 255, 255, 255, 255, 255]))
        .and_then(|data| data.with_plain(Dgi::PIN_TRY_COUNTER, &[3, 3]))
        .unwrap();
    let application = (&APPLICATION[..]).try_into().unwrap();
    let options = CpsOptions::default();
    CpsOrder { application, session, data, options, restartable: true, release: None }
}

fn run(card: &mut Card, store: &mut MemoryStore, order: &CpsOrder) -> Result<Outcome<CpsReport>, IssueError> {
    let mut keys = SoftwareKeys::new();
    for (name, value) in [
        ("kmc", "404142434445464748494A4B4C4D4E4F"),
        ("ac", "00112233445566778899AABBCCDDEEFF"),
        ("mac", "11223344556677888877665544332211"),
        ("enc", "FFEEDDCCBBAA99887766554433221100"),
    ] {
        keys.insert(name, KeyKind::Tdes, &hex::decode(value).unwrap()).unwrap();
    }
    let mut driver = Driver {
        card,
        keys: &mut keys,
        store,
        clock: &mut || 1,
        random: &mut || [0x40, 0xA6, 0x2C, 0x37, 0xFA, 0x63, 0x04, 0xF8],
        notice: &mut |_| {},
    };
    driver.run(personalize(order.clone())).unwrap()
}

fn complete(result: Result<Outcome<CpsReport>, IssueError>) -> CpsReport {
    match result {
        Ok(Outcome::Complete(report)) => report,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_application_is_personalized_and_read_back() {
    let (mut card, mut store) = (Card::default(), MemoryStore::new());
    let report = complete(run(&mut card, &mut store, &order()));
    assert!(report.changed && card.personalized && card.sessions == 1);
    assert_eq!(report.read_back, [Dgi(0x0101)]);
    assert_eq!(report.card.as_str(), "kdd-00010203040506070809");
    let log = store.log();
    assert!(!log.windows(8).any(|window| window == [0x24, 0x12, 0x34, 255, 255, 255, 255, 255]));
}

#[test]
fn a_torn_session_begins_again_from_its_first_command() {
    let mut whole = Card::default();
    complete(run(&mut whole, &mut MemoryStore::new(), &order()));
    // The last STORE DATA, and the two commands that read back, are beyond any doubt of what is stored.
    let last = whole.commands - 2;
    for n in 1..=whole.commands {
        for executed in [false, true] {
            let (mut card, mut store) = (Card { cut: Some((n, executed)), ..Card::default() }, MemoryStore::new());
            let torn = run(&mut card, &mut store, &order());
            assert!(matches!(torn, Ok(Outcome::Interrupted(_))), "{n} {executed}: {torn:?}");
            card.cut = None;
            card.commands = 0;
            let again = run(&mut card, &mut store, &order());
            if n > last || n == last && executed {
                // The application is personalized and opens no session: its keys cannot be told, which is said.
                assert!(again.is_err() && card.personalized, "{n} {executed}: {again:?}");
            } else {
                complete(again);
            }
        }
    }
}

#[test]
fn where_a_session_cannot_begin_again_a_person_decides() {
    let mut order = order();
    order.restartable = false;
    let mut whole = Card::default();
    complete(run(&mut whole, &mut MemoryStore::new(), &order));
    let (mut card, mut store) = (Card { cut: Some((whole.commands - 4, true)), ..Card::default() }, MemoryStore::new());
    assert!(matches!(run(&mut card, &mut store, &order), Ok(Outcome::Interrupted(_))));
    card.cut = None;
    for _ in 0..2 {
        let quarantined = run(&mut card, &mut store, &order);
        assert!(matches!(quarantined, Ok(Outcome::Quarantined { .. })), "{quarantined:?}");
    }
    order.release = Some(persons::release_all(&store, 1).unwrap());
    complete(run(&mut card, &mut store, &order));
}

#[test]
fn a_card_that_forgets_is_found_out_and_another_order_refused() {
    let (mut card, mut store) = (Card { forgets: true, ..Card::default() }, MemoryStore::new());
    assert!(run(&mut card, &mut store, &order()).is_err());
    let mut whole = Card::default();
    complete(run(&mut whole, &mut MemoryStore::new(), &order()));
    let (mut card, mut store) = (Card { cut: Some((whole.commands - 4, true)), ..Card::default() }, MemoryStore::new());
    let torn = run(&mut card, &mut store, &order());
    assert!(matches!(torn, Ok(Outcome::Interrupted(_))), "{torn:?}");
    card.cut = None;
    let mut other = order();
    other.data = CpsData::new().with_plain(Dgi(0x0101), &[1; 18]).unwrap();
    let head = store.head().unwrap();
    assert!(matches!(run(&mut card, &mut store, &other), Err(IssueError::OtherSubscriber { .. })));
    assert!(store.head().unwrap() != head, "the attempt to open a channel was counted");
}
