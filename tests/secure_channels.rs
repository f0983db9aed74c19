//! Every secure channel protocol, every `i`, every security level: the host's procedures against the software card, which shares
//! no code with them.

mod support;

use cardwright::apdu::{StatusWord, block_on, tlv};
use cardwright::gp::channel::{HostChallenge, ImplicitInitiation, Protocol};
use cardwright::gp::command::{self, InstallForInstall};
use cardwright::gp::procedure::{self, KeyCandidate, KeyScheme, NewKeys, OpenOptions, Opened};
use cardwright::gp::{CardFault, Error, LoadFile, SecureChannel, SecurityLevel};
use cardwright::issuance::store::MemoryStore;
use cardwright::keys::{KeyKind, KeyPort, KeyRef, KeySet};
use cardwright_sim::{AesKeyLength, Fault, Faults, JavaCard, SecureChannelProtocol, SimReader};
use support::{SCP02, SCP03, command_names, instance, is_complete, issue, order, package};

const CHALLENGE: [u8; 16] = [7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const AES_KEYS: [AesKeyLength; 3] = [AesKeyLength::Aes128, AesKeyLength::Aes192, AesKeyLength::Aes256];

/// Test keys of each length, and master keys of new key sets.
fn keys() -> cardwright::keys::SoftwareKeys {
    let mut keys = support::keys();
    let test: Vec<u8> = (0x40..0x60).collect();
    let new: Vec<u8> = (0xA0..0xC0).collect();
    for length in [16, 24, 32] {
        keys.insert(format!("test-aes-{length}"), KeyKind::Aes, &test[..length]).unwrap();
        keys.insert(format!("new-aes-{length}"), KeyKind::Aes, &new[..length]).unwrap();
    }
    keys.insert("new-des", KeyKind::Tdes, &new[..16]).unwrap();
    keys
}

fn load_file() -> LoadFile {
    order(1).applications.remove(0).load_file
}

/// A card of one protocol, and the keys that it has and gets.
struct Setup {
    reader: SimReader,
    protocol: SecureChannelProtocol,
    test: KeyCandidate,
    new: KeyCandidate,
    load_file: LoadFile,
}

impl Setup {
    fn new(protocol: SecureChannelProtocol, load_file: &LoadFile) -> Self {
        let (kind, name, scheme) = match protocol {
            SecureChannelProtocol::Scp03 { key_length, .. } => {
                (KeyKind::Aes, format!("aes-{}", key_length.bytes()), KeyScheme::Kdf3)
            }
            protocol if is_base_key(protocol) => (KeyKind::Tdes, "des".into(), KeyScheme::AsIs),
            _ => (KeyKind::Tdes, "des".into(), KeyScheme::Emv),
        };
        let candidate = |prefix: &str, scheme| KeyCandidate::new(KeyRef::new(format!("{prefix}-{name}")), kind, scheme);
        let (test, new) = (candidate("test", KeyScheme::AsIs), candidate("new", scheme));
        let reader = SimReader::new(JavaCard::builder().protocol(protocol).seed(7).build());
        Self { reader, protocol, test, new, load_file: load_file.clone() }
    }

    async fn open(&mut self, candidate: &KeyCandidate, level: SecurityLevel) -> Result<Opened, Error> {
        let fci = procedure::select(&mut self.reader, None).await?;
        let recognition = procedure::read_card_data(&mut self.reader).await?.recognition.unwrap();
        let i_of = |number| recognition.i_of(number);
        assert_eq!(i_of(self.protocol.identifier()), Some(self.protocol.i()));
        let options = OpenOptions::new(level)
            .with_challenge_policy(cardwright::gp::ChallengePolicy::Require)
            .with_scp01_i(i_of(1))
            .with_scp02_i(i_of(2))
            .with_s16(i_of(3).is_some_and(|i| i & 0x01 != 0));
        let candidates = std::slice::from_ref(candidate);
        procedure::open(&mut self.reader, &mut keys(), fci.aid.as_ref(), candidates, CHALLENGE, options).await
    }

    async fn put_keys(&mut self, channel: &mut SecureChannel, current: &KeySet, kvn: u8, new: KeySet) {
        let mut new = NewKeys::in_place_of(kvn, new).unwrap();
        new.base_key = is_base_key(self.protocol);
        let put = procedure::prepare_keys(&mut keys(), channel, current, &new).await.unwrap();
        procedure::put_keys(&mut self.reader, channel, &put).await.unwrap();
    }

    async fn load_and_install(&mut self, channel: &mut SecureChannel) {
        let install = InstallForInstall::new(package(), instance(), instance());
        procedure::load_and_install(&mut self.reader, channel, None, &self.load_file, &install, None, |_, _| {})
            .await
            .unwrap();
    }

    async fn entries(&mut self, channel: &mut SecureChannel) -> usize {
        procedure::read_registry(&mut self.reader, channel).await.unwrap().entries.len()
    }

    async fn delete(&mut self, channel: &mut SecureChannel) {
        assert!(procedure::delete(&mut self.reader, channel, &package(), true).await.unwrap());
    }
}

fn is_base_key(protocol: SecureChannelProtocol) -> bool {
    matches!(protocol, SecureChannelProtocol::Scp02 { i } if i & 0x01 == 0)
}

/// What a channel is for: list, load and install, new keys, a session with them, new keys again, delete.
async fn everything(setup: &mut Setup, level: SecurityLevel) -> Result<(), Error> {
    let (test, new) = (setup.test.clone(), setup.new.clone());
    let mut opened = setup.open(&test, level).await?;
    assert_eq!(setup.entries(&mut opened.channel).await, 1);
    setup.load_and_install(&mut opened.channel).await;
    let kdd = opened.kdd;
    setup.put_keys(&mut opened.channel, &opened.keys, opened.kvn, new.keys_for(kdd)).await;
    assert_eq!(setup.entries(&mut opened.channel).await, 3, "the session outlives its keys");

    assert!(matches!(setup.open(&test, level).await, Err(Error::WrongKeys { .. })));
    let mut opened = setup.open(&new, level).await?;
    setup.delete(&mut opened.channel).await;
    assert_eq!(setup.entries(&mut opened.channel).await, 1);
    // Now the three keys differ, so that one in the place of another would show.
    setup.put_keys(&mut opened.channel, &opened.keys, opened.kvn, test.keys_for(kdd)).await;
    let mut opened = setup.open(&test, level).await?;
    assert_eq!(setup.entries(&mut opened.channel).await, 1);
    Ok(())
}

fn levels(bits: &[u8]) -> Vec<SecurityLevel> {
    bits.iter().map(|bits| SecurityLevel::new(*bits).unwrap()).collect()
}

/// At these levels everything works, and the host asks the card for no other.
fn at_every_level(protocol: SecureChannelProtocol, expected: &[u8]) {
    let file = load_file();
    for level in levels(&[0x00, 0x01, 0x03, 0x10, 0x11, 0x13, 0x33]) {
        let mut setup = Setup::new(protocol, &file);
        let result = block_on(everything(&mut setup, level));
        match expected.contains(&level.bits()) {
            true => result.unwrap_or_else(|error| panic!("{protocol:?} {level}: {error}")),
            false => assert!(matches!(result, Err(Error::Channel(_))), "{protocol:?} {level}"),
        }
    }
}

#[test]
fn scp01_with_both_i_at_every_level() {
    for i in [0x05, 0x15] {
        at_every_level(SecureChannelProtocol::Scp01 { i }, &[0x00, 0x01, 0x03]);
    }
}

#[test]
fn scp02_with_every_i_of_explicit_initiation_at_every_level() {
    for i in (0x00..0x80).filter(|i| i & 0x04 != 0) {
        let levels: &[u8] = if i & 0x20 != 0 { &[0x00, 0x01, 0x03, 0x10, 0x11, 0x13] } else { &[0x00, 0x01, 0x03] };
        at_every_level(SecureChannelProtocol::Scp02 { i }, levels);
    }
}

#[test]
fn scp03_with_every_i_and_key_length_at_every_level() {
    for key_length in AES_KEYS {
        for i in [0x00, 0x10, 0x20, 0x30, 0x60, 0x70].into_iter().flat_map(|i| [i, i | 0x01]) {
            let levels: &[u8] = match i & 0x60 {
                0x00 => &[0x00, 0x01, 0x03],
                0x20 => &[0x00, 0x01, 0x03, 0x11, 0x13],
                _ => &[0x00, 0x01, 0x03, 0x11, 0x13, 0x33],
            };
            at_every_level(SecureChannelProtocol::Scp03 { i, key_length }, levels);
        }
    }
}

/// R-MAC sessions inside of a channel: with an R-MAC on each response or one at the end.
#[test]
fn scp02_with_r_mac_sessions_in_every_explicit_session() {
    let file = load_file();
    for i in (0x00..0x80).filter(|i| i & 0x24 == 0x24) {
        for (level, each) in levels(&[0x00, 0x01, 0x03]).into_iter().flat_map(|level| [(level, true), (level, false)]) {
            let mut setup = Setup::new(SecureChannelProtocol::Scp02 { i }, &file);
            let test = setup.test.clone();
            block_on(async {
                let mut opened = setup.open(&test, level).await.unwrap();
                assert_eq!(setup.entries(&mut opened.channel).await, 1);
                r_mac_sessions(&mut setup, &mut opened.channel, &opened.keys, each).await.unwrap();
            });
        }
    }
}

async fn r_mac_sessions(setup: &mut Setup, channel: &mut SecureChannel, set: &KeySet, each: bool) -> Result<(), Error> {
    channel.begin_r_mac(&mut setup.reader, &mut keys(), set, b"a challenge", each).await?;
    setup.load_and_install(channel).await;
    channel.end_r_mac(&mut setup.reader, false).await?;
    assert_eq!(setup.entries(channel).await, 3);
    // An error is in the R-MAC too.
    let refused = channel.transmit(&mut setup.reader, &command::get_data(tlv::Tag(0xC2))).await?;
    assert_eq!(refused.sw(), StatusWord::REFERENCED_DATA_NOT_FOUND);
    channel.end_r_mac(&mut setup.reader, true).await?;
    setup.delete(channel).await;
    channel.begin_r_mac(&mut setup.reader, &mut keys(), set, &[], each).await?;
    assert_eq!(setup.entries(channel).await, 1);
    channel.end_r_mac(&mut setup.reader, true).await?;
    assert_eq!(setup.entries(channel).await, 1);
    Ok(())
}

/// A refused BEGIN R-MAC SESSION begins nothing: the next one starts where it would have.
#[test]
fn an_r_mac_session_begins_after_a_refused_one() {
    let mut setup = Setup::new(SecureChannelProtocol::Scp02 { i: 0x35 }, &load_file());
    let test = setup.test.clone();
    block_on(async {
        let mut opened = setup.open(&test, SecurityLevel::AUTHENTICATED).await.unwrap();
        let next = setup.reader.commands() + 1;
        setup.reader.plan(next, Fault::Status(StatusWord::CONDITIONS_NOT_SATISFIED));
        let channel = &mut opened.channel;
        let refused = channel.begin_r_mac(&mut setup.reader, &mut keys(), &opened.keys, b"first", true).await;
        assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
        r_mac_sessions(&mut setup, channel, &opened.keys, true).await.unwrap();
    });
}

/// Reads the sequence counter and opens a channel with the next command.
async fn implicit(setup: &mut Setup, set: &KeySet) -> SecureChannel {
    let fci = procedure::select(&mut setup.reader, None).await.unwrap();
    let answer = procedure::send(&mut setup.reader, command::get_data(tlv::Tag(0xC1))).await.unwrap();
    let counter = tlv::find(answer.data(), tlv::Tag(0xC1)).unwrap().value;
    let aid = fci.aid.unwrap().as_bytes().to_vec();
    let sequence_counter = u16::from_be_bytes(counter.try_into().unwrap());
    let how = ImplicitInitiation { i: setup.protocol.i(), sequence_counter, aid };
    let [before, after] = how.key_requests(set).unwrap();
    let before = keys().ask_keys(before).await.unwrap().into_session().unwrap();
    let after = keys().ask_keys(after).await.unwrap().into_session().unwrap();
    how.open(before, after).unwrap()
}

#[test]
fn scp02_with_every_i_of_implicit_initiation_with_and_without_r_mac_sessions() {
    let file = load_file();
    for i in (0x00..0x80).filter(|i| i & 0x04 == 0) {
        let modes: &[Option<bool>] = if i & 0x20 != 0 { &[None, Some(true), Some(false)] } else { &[None] };
        for r_mac in modes {
            let mut setup = Setup::new(SecureChannelProtocol::Scp02 { i }, &file);
            let (test, new) = (setup.test.keys_for([0; 10]), setup.new.keys_for([0; 10]));
            block_on(async {
                let mut channel = implicit(&mut setup, &test).await;
                if let Some(each) = r_mac {
                    r_mac_sessions(&mut setup, &mut channel, &test, *each).await.unwrap();
                    channel = implicit(&mut setup, &test).await;
                    channel.begin_r_mac(&mut setup.reader, &mut keys(), &test, &[], *each).await.unwrap();
                }
                setup.load_and_install(&mut channel).await;
                setup.put_keys(&mut channel, &test, 1, new.clone()).await;
                assert_eq!(setup.entries(&mut channel).await, 3);
                let mut channel = implicit(&mut setup, &new).await;
                setup.delete(&mut channel).await;
                setup.put_keys(&mut channel, &new, 1, test.clone()).await;
                let mut channel = implicit(&mut setup, &test).await;
                assert_eq!(setup.entries(&mut channel).await, 1);
                // The counter has gone on, so that the same keys open nothing with the old value.
                let card = setup.reader.card();
                assert_eq!(card.key_set(1).unwrap().sequence_counter, 1);
            });
        }
    }
}

fn open_with(reader: &mut SimReader, challenge: impl Into<HostChallenge>, s16: bool) -> Result<Opened, Error> {
    let options = OpenOptions::new(SecurityLevel::C_MAC).with_s16(s16);
    let candidates = order(1).current_keys;
    block_on(procedure::open(reader, &mut keys(), None, &candidates, challenge, options))
}

#[test]
fn the_length_of_the_challenge_is_found_out_with_the_first_refusal() {
    let s16 = SecureChannelProtocol::Scp03 { i: 0x71, key_length: AesKeyLength::Aes128 };
    let short: [u8; 8] = [7; 8];
    // A refused length is tried without Le before (ISO 7816-4 leaves open which length is wrong).
    for (protocol, known, commands) in
        [(s16, true, 2), (s16, false, 4), (SCP03, false, 2), (SCP03, true, 4), (SCP02, false, 2)]
    {
        let mut reader = SimReader::new(support::card(protocol));
        let opened = open_with(&mut reader, CHALLENGE, known).unwrap();
        assert_eq!(reader.commands(), commands, "{protocol:?} {known}");
        assert_eq!(opened.protocol == Protocol::Scp03S16, protocol == s16);
        // The first 8 bytes are those that a card with short challenges gets.
        let last = reader.take_log().iter().rev().nth(1).unwrap().command.clone();
        assert_eq!(last[5..5 + usize::from(last[4])], CHALLENGE[..if protocol == s16 { 16 } else { 8 }]);
    }
    let mut reader = SimReader::new(support::card(s16));
    let refused = open_with(&mut reader, short, false);
    assert!(matches!(refused, Err(Error::Refused { sw: StatusWord::WRONG_LENGTH, .. })), "{refused:?}");
    assert_eq!(reader.commands(), 2);
}

#[test]
fn an_answer_with_another_length_than_the_challenge_is_refused() {
    let s16 = SecureChannelProtocol::Scp03 { i: 0x71, key_length: AesKeyLength::Aes128 };
    let mut other = SimReader::new(support::card(s16));
    open_with(&mut other, CHALLENGE, true).unwrap();
    let answer = other.take_log()[0].response.clone();
    let mut reader = SimReader::new(support::card(SCP03)).with_faults(Faults::none().at(1, Fault::Respond(answer)));
    let error = open_with(&mut reader, [7; 8], false).unwrap_err();
    assert!(
        matches!(error, Error::Card { fault: CardFault::ChallengeLength { sent: 8, answered: 16 }, .. }),
        "{error:?}"
    );
}

#[test]
fn a_card_of_any_protocol_is_issued() {
    let scp03 = |i| SecureChannelProtocol::Scp03 { i, key_length: AesKeyLength::Aes128 };
    for (protocol, level) in [
        (SecureChannelProtocol::Scp01 { i: 0x05 }, 0x03),
        (SecureChannelProtocol::Scp01 { i: 0x15 }, 0x03),
        (SecureChannelProtocol::Scp02 { i: 0x07 }, 0x03),
        (SecureChannelProtocol::Scp02 { i: 0x75 }, 0x13),
        (scp03(0x71), 0x33),
        (scp03(0x31), 0x13),
        (scp03(0x01), 0x03),
    ] {
        let order = cardwright::issuance::remote::Order { level: SecurityLevel::new(level).unwrap(), ..order(500) };
        let (outcome, _) = issue(&order, support::card(protocol), &mut MemoryStore::new(), Faults::none());
        assert!(is_complete(&outcome), "{protocol:?}: {outcome:?}");
    }
}

#[test]
fn a_card_that_does_not_tell_its_16_byte_challenges_is_issued_after_one_refusal_a_session() {
    let s16 = SecureChannelProtocol::Scp03 { i: 0x71, key_length: AesKeyLength::Aes128 };
    let run = |faults| {
        let (outcome, mut reader) = issue(&order(500), support::card(s16), &mut MemoryStore::new(), faults);
        assert!(is_complete(&outcome), "{outcome:?}");
        reader.take_log()
    };
    let told = run(Faults::none());
    let at = told.iter().position(|entry| entry.command[..4] == [0x80, 0xCA, 0x00, 0x66]).unwrap() as u64 + 1;
    let untold = run(Faults::none().at(at, Fault::Status(StatusWord::REFERENCED_DATA_NOT_FOUND)));
    let count = |log: &[_]| command_names(log).iter().filter(|name| **name == "INITIALIZE UPDATE").count();
    // Refused with and without Le.
    assert_eq!(count(&untold), 3 * count(&told));
}
