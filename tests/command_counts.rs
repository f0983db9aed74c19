//! How many commands a card gets, and how long they are: the floor that the standard leaves.

mod support;

use std::ops::ControlFlow;

use cardwright::apdu::{CommandApduRef, block_on, tlv};
use cardwright::gp::command::{self, InstallForInstall};
use cardwright::gp::procedure::{self, KeyCandidate, KeyScheme, NewKeys, OpenOptions, Opened, Replaced};
use cardwright::gp::{Error, LoadFile, LoadFileError, SecurityLevel};
use cardwright::issuance::event::Event;
use cardwright::issuance::remote::{IssueError, Outcome};
use cardwright::issuance::store::{Journal, MemoryStore};
use cardwright::keys::{KeyKind, KeyRef, KeySet};
use cardwright_sim::{Fault, Faults, JavaCard, LogEntry, SecureChannelProtocol, SimReader};
use support::{SCP02, SCP03, card, command_names, instance, is_complete, issue, keys, order, package, snapshot};

const CHANNEL: [&str; 3] = ["SELECT", "INITIALIZE UPDATE", "EXTERNAL AUTHENTICATE"];

/// Every level that each protocol has on the software card.
fn levels() -> impl Iterator<Item = (SecureChannelProtocol, SecurityLevel)> {
    let level = |bits| SecurityLevel::new(bits).unwrap();
    let scp02 = [0x00, 0x01, 0x03].map(|bits| (SCP02, level(bits)));
    let scp03 = [0x00, 0x01, 0x03, 0x11, 0x13, 0x33].map(|bits| (SCP03, level(bits)));
    scp02.into_iter().chain(scp03)
}

fn candidates() -> Vec<KeyCandidate> {
    order(1).current_keys
}

fn open(reader: &mut SimReader, level: SecurityLevel) -> Opened {
    block_on(async {
        let fci = procedure::select(reader, None).await.unwrap();
        let options = OpenOptions::new(level);
        procedure::open(reader, &mut keys(), fci.aid.as_ref(), &candidates(), [7; 8], options).await.unwrap()
    })
}

fn load_file(cap_size: usize) -> LoadFile {
    order(cap_size).applications.remove(0).load_file
}

fn load_and_install(
    reader: &mut SimReader,
    level: SecurityLevel,
    file: &LoadFile,
    limit: Option<usize>,
) -> Result<(), Error> {
    let mut opened = open(reader, level);
    let install = InstallForInstall::new(package(), instance(), instance());
    block_on(procedure::load_and_install(reader, &mut opened.channel, None, file, &install, limit, |_, _| {}))
}

/// Longest data of a LOAD command whose protected form has at most `limit` bytes of data: found by protecting commands.
fn longest_block(protocol: SecureChannelProtocol, level: SecurityLevel, limit: usize) -> usize {
    let fits = |length: usize| {
        let mut opened = open(&mut SimReader::new(card(protocol)), level);
        let block = vec![0x5A; length];
        opened.channel.wrap(&command::load(0, false, &block)).is_ok_and(|wrapped| wrapped.nc() <= limit)
    };
    (1..=limit).rev().find(|length| fits(*length)).unwrap()
}

fn loads(log: &[LogEntry]) -> Vec<&LogEntry> {
    log.iter().filter(|entry| entry.command[1] == 0xE8).collect()
}

#[test]
fn listing_a_card_takes_six_commands() {
    for (protocol, level) in levels() {
        let mut reader = SimReader::new(card(protocol));
        let options = OpenOptions::new(level);
        let (_, registry) =
            block_on(procedure::list(&mut reader, &mut keys(), &candidates(), [7; 8], options)).unwrap();
        assert_eq!(registry.entries.len(), 1);
        assert_eq!(reader.commands(), 6, "{protocol:?} {level}");
        let log = reader.take_log();
        assert_eq!(command_names(&log), [&CHANNEL[..], &["GET STATUS"; 3]].concat());
        assert_eq!([log[3].command[2], log[4].command[2], log[5].command[2]], [0x80, 0x40, 0x10]);
    }
}

#[test]
fn loading_and_installing_takes_five_commands_and_one_a_block() {
    for (protocol, level) in levels() {
        for size in [300, 1500] {
            let file = load_file(size);
            let mut reader = SimReader::new(card(protocol));
            load_and_install(&mut reader, level, &file, None).unwrap();
            let blocks = file.as_bytes().len().div_ceil(longest_block(protocol, level, 255));
            assert_eq!(reader.commands(), 5 + blocks as u64, "{protocol:?} {level} {size}");
            let mut expected = CHANNEL.to_vec();
            expected.push("INSTALL [for load]");
            expected.extend(vec!["LOAD"; blocks]);
            expected.push("INSTALL [for install and make selectable]");
            assert_eq!(command_names(&reader.take_log()), expected);
            assert!(reader.card().pboc_application(&instance()).is_some());
        }
    }
}

/// Sets that are added make a card drop its initial keys as well.
#[test]
fn initial_keys_are_neither_replaced_nor_dropped_by_the_way() {
    let initial = JavaCard::builder().protocol(SCP03).key_version(0xFF).build();
    let mut reader = SimReader::new(initial);
    let mut opened = open(&mut reader, SecurityLevel::C_MAC);
    assert_eq!(opened.channel.kvn(), Some(0xFF));
    let set = KeySet::same(KeyRef::new("domain-aes"));
    let refused = NewKeys::in_place_of(opened.kvn, set.clone());
    assert!(matches!(refused, Err(Error::Irreversible { .. })), "{refused:?}");
    let added = NewKeys::added(0x30, set.clone());
    let refused = block_on(procedure::prepare_keys(&mut keys(), &opened.channel, &opened.keys, &added));
    assert!(matches!(refused, Err(Error::Irreversible { .. })), "{refused:?}");
    assert_eq!(reader.commands(), 3, "nothing was sent");
    let meant = NewKeys { replaced: Replaced::Initial, ..added };
    let put = block_on(procedure::prepare_keys(&mut keys(), &opened.channel, &opened.keys, &meant)).unwrap();
    block_on(procedure::put_keys(&mut reader, &mut opened.channel, &put)).unwrap();
    assert!(reader.card().key_set(0xFF).is_none() && reader.card().key_set(0x30).is_some());
}

#[test]
fn replacing_three_keys_takes_four_commands() {
    let new = [
        (SCP02, KeyCandidate::new(KeyRef::new("domain-des"), KeyKind::Tdes, KeyScheme::Emv)),
        (SCP03, KeyCandidate::new(KeyRef::new("domain-aes"), KeyKind::Aes, KeyScheme::Kdf3)),
    ];
    for (protocol, level) in levels() {
        let mut reader = SimReader::new(card(protocol));
        let mut opened = open(&mut reader, level);
        let (_, candidate) = new.iter().find(|(of, _)| *of == protocol).unwrap();
        let set: KeySet = candidate.keys_for(opened.kdd);
        block_on(async {
            let new = NewKeys::in_place_of(opened.kvn, set).unwrap();
            let put = procedure::prepare_keys(&mut keys(), &opened.channel, &opened.keys, &new).await.unwrap();
            procedure::put_keys(&mut reader, &mut opened.channel, &put).await.unwrap();
        });
        assert_eq!(reader.commands(), 4, "{protocol:?} {level}");
        assert_eq!(command_names(&reader.take_log()), [&CHANNEL[..], &["PUT KEY"]].concat());
        let set = reader.card().key_set(1).unwrap();
        assert!(set.keys.iter().all(|key| hex::encode_upper(&key.value) != support::TEST_KEY));
        // The check values were compared off the card; a session with the new keys shows it on the card.
        let options = OpenOptions::new(level);
        let new = std::slice::from_ref(candidate);
        block_on(procedure::open(&mut reader, &mut keys(), None, new, [9; 8], options)).unwrap();
    }
}

#[test]
fn the_load_block_is_the_longest_that_fits() {
    for (protocol, level) in levels() {
        for limit in [255, 254, 200, 128, 100] {
            let longest = longest_block(protocol, level, limit);
            let file = load_file(1200);
            let mut reader = SimReader::new(card(protocol));
            load_and_install(&mut reader, level, &file, Some(limit)).unwrap();
            let log = reader.take_log();
            let loads = loads(&log);
            let plain = |entry: &&LogEntry| CommandApduRef::parse(&entry.plain_command).unwrap().data.len();
            let sent = |entry: &&LogEntry| CommandApduRef::parse(&entry.command).unwrap().data.len();
            let (last, full) = loads.split_last().unwrap();
            assert!(full.len() > 3 && full.iter().all(|entry| plain(entry) == longest), "{protocol:?} {level} {limit}");
            assert!(loads.iter().all(|entry| sent(entry) <= limit), "{protocol:?} {level} {limit}");
            assert!(plain(last) <= longest && last.command[2] == 0x80);
            assert_eq!(loads.len(), file.as_bytes().len().div_ceil(longest));
        }
    }
}

/// The numbers themselves, as the standards' arithmetic gives them.
#[test]
fn the_longest_blocks_are_those_of_the_standards() {
    let longest = |protocol, level| longest_block(protocol, SecurityLevel::new(level).unwrap(), 255);
    assert_eq!([0x00, 0x01, 0x03].map(|level| longest(SCP02, level)), [255, 247, 239]);
    let scp03 = [0x00, 0x01, 0x03, 0x11, 0x13, 0x33].map(|level| longest(SCP03, level));
    assert_eq!(scp03, [255, 247, 239, 247, 239, 239]);
}

#[test]
fn a_limit_of_more_than_255_bytes_counts_as_255() {
    let mut reader = SimReader::new(card(SCP03));
    load_and_install(&mut reader, SecurityLevel::C_MAC, &load_file(1200), Some(256)).unwrap();
    let log = reader.take_log();
    assert_eq!(loads(&log)[0].command[4], 255);
}

#[test]
fn the_main_job_keeps_to_the_limit_in_the_cards_fci() {
    let mut proprietary = Vec::new();
    tlv::push(&mut proprietary, tlv::Tag(0x9F65), &[100]);
    let mut template = Vec::new();
    tlv::push(&mut template, tlv::Tag(0x84), card(SCP03).isd_aid().as_bytes());
    tlv::push(&mut template, tlv::Tag(0xA5), &proprietary);
    let mut fci = Vec::new();
    tlv::push(&mut fci, tlv::Tag(0x6F), &template);
    fci.extend([0x90, 0x00]);
    let faults = Faults::none().at(1, Fault::Respond(fci));
    let (outcome, mut reader) = issue(&order(500), card(SCP03), &mut MemoryStore::new(), faults);
    assert!(is_complete(&outcome), "{outcome:?}");
    let log = reader.take_log();
    let longest = longest_block(SCP03, SecurityLevel::C_DECRYPTION, 100);
    let first = CommandApduRef::parse(&loads(&log)[0].plain_command).unwrap();
    assert_eq!(first.data.len(), longest);
    assert!(loads(&log).iter().all(|entry| entry.command[4] <= 100));
}

#[test]
fn a_load_file_of_more_than_256_blocks_is_refused_before_anything_is_sent() {
    let file = load_file(62_000);
    for limit in [None, Some(64)] {
        let mut reader = SimReader::new(card(SCP03));
        let error = load_and_install(&mut reader, SecurityLevel::C_DECRYPTION, &file, limit).unwrap_err();
        assert!(matches!(error, Error::LoadFile(LoadFileError::TooManyBlocks { limit: 256, .. })), "{error:?}");
        assert!(error.to_string().contains("256"), "{error}");
        assert_eq!(command_names(&reader.take_log()), CHANNEL);
    }
    let too_long = order(62_000);
    let mut store = MemoryStore::new();
    let (outcome, mut reader) = issue(&too_long, card(SCP03), &mut store, Faults::none());
    assert!(matches!(outcome, Err(IssueError::Gp(Error::LoadFile(_)))), "{outcome:?}");
    let bodies: Vec<_> = store.records(0, 100).unwrap().into_iter().map(|record| Event::of(&record).unwrap()).collect();
    assert_eq!(bodies, [Event::KeyAttempt, Event::KeySuccess], "no step was begun");
    let names = command_names(&reader.take_log());
    assert!(!names.iter().any(|name| name.starts_with("INSTALL") || *name == "LOAD"), "{names:?}");
}

#[test]
fn a_load_file_of_256_blocks_is_loaded() {
    let file = load_file(255 * 200);
    assert_eq!(file.number_of_blocks(200), Ok(256));
    let mut reader = SimReader::new(card(SCP03));
    let mut opened = open(&mut reader, SecurityLevel::AUTHENTICATED);
    block_on(procedure::load(&mut reader, &mut opened.channel, None, &file, Some(200), |_, _| {})).unwrap();
    let log = reader.take_log();
    assert_eq!(loads(&log).len(), 256);
    assert_eq!(loads(&log)[255].command[2..4], [0x80, 0xFF]);
}

#[test]
fn a_load_can_be_broken_off_between_two_blocks_and_begins_again_in_the_same_channel() {
    let file = load_file(20 * 200);
    let mut reader = SimReader::new(card(SCP03));
    let mut opened = open(&mut reader, SecurityLevel::C_MAC);
    let break_at = |last| move |done, _| if done == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let mut load = |progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>| {
        let channel = &mut opened.channel;
        let result = block_on(procedure::load_while(&mut reader, channel, None, &file, Some(200), progress)).unwrap();
        (result.is_break(), loads(&reader.take_log()).len())
    };
    assert_eq!(load(&mut break_at(0)), (true, 0));
    assert_eq!(load(&mut break_at(3)), (true, 3));
    let blocks = load(&mut break_at(usize::MAX)).1;
    assert!(blocks > 20);
    let registry = block_on(procedure::read_registry(&mut reader, &mut opened.channel)).unwrap();
    assert!(registry.load_file(&file.aid()).is_some());
}

fn issued(card: JavaCard) -> (JavaCard, u64) {
    let (outcome, reader) = issue(&order(500), card, &mut MemoryStore::new(), Faults::none());
    assert!(matches!(outcome, Ok(Outcome::Complete(_))), "{outcome:?}");
    (reader.card().twin(), reader.commands())
}

#[test]
fn pages_of_any_size_give_the_same_registry() {
    let list = |card: JavaCard, level| {
        let mut reader = SimReader::new(card);
        let candidates = order(1).new_keys;
        let options = OpenOptions::new(level);
        let (_, registry) = block_on(procedure::list(&mut reader, &mut keys(), &candidates, [7; 8], options)).unwrap();
        (registry, reader.commands())
    };
    let build = |page| issued(JavaCard::builder().protocol(SCP03).seed(7).page(page).build()).0;
    for level in [SecurityLevel::C_MAC, SecurityLevel::FULL] {
        let (whole, commands) = list(build(239), level);
        assert_eq!((whole.entries.len(), commands), (3, 6));
        for page in [1, 2, 3, 5, 7, 16, 31, 32, 33] {
            let (registry, commands) = list(build(page), level);
            assert_eq!(registry, whole, "pages of {page} bytes");
            assert!(commands > 6);
        }
    }
}

#[test]
fn a_t0_card_comes_out_the_same() {
    for protocol in [SCP02, SCP03] {
        let (reference, commands) = issued(card(protocol));
        let (t0, more) = issued(JavaCard::builder().protocol(protocol).seed(7).t0(true).build());
        assert_eq!(snapshot(&t0), snapshot(&reference));
        assert!(more > commands, "GET RESPONSE has to be sent");
    }
}
