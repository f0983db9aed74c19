//! Commands above 255 bytes: chained over every protocol against the software card, which shares no code with the host.

mod support;

use cardwright::apdu::{Delivery, StatusWord, block_on};
use cardwright::gp::channel::ExtendedLength;
use cardwright::gp::command::{Delete, InstallForInstall, KeyDataField, PutKeyFields};
use cardwright::gp::procedure::{self, KeyCandidate, KeyScheme, OpenOptions, Opened};
use cardwright::gp::{ChannelError, Error, SecurityLevel};
use cardwright::keys::{KeyKind, KeyRef};
use cardwright_sim::{AesKeyLength, Fault, Faults, JavaCard, SecureChannelProtocol, SimReader};
use support::{SCP03, instance, keys, order, package};

const S16: SecureChannelProtocol = SecureChannelProtocol::Scp03 { i: 0x71, key_length: AesKeyLength::Aes128 };

/// A card with the payment application's load file, and a channel to it.
fn loaded(protocol: SecureChannelProtocol, level: SecurityLevel, i: u8) -> (SimReader, Opened) {
    let mut reader = SimReader::new(JavaCard::builder().protocol(protocol).seed(7).build());
    let kind = if matches!(protocol, SecureChannelProtocol::Scp03 { .. }) { "test-aes" } else { "test-des" };
    let key_kind = if kind == "test-aes" { KeyKind::Aes } else { KeyKind::Tdes };
    let candidates = [KeyCandidate::new(KeyRef::new(kind), key_kind, KeyScheme::AsIs)];
    let options = OpenOptions::new(level).with_scp01_i(Some(i)).with_scp02_i(Some(i)).with_s16(protocol == S16);
    block_on(procedure::select_domain(&mut reader, None)).unwrap();
    let mut opened = block_on(procedure::open(&mut reader, &mut keys(), None, &candidates, [7; 16], options)).unwrap();
    let file = &order(300).applications[0].load_file;
    block_on(procedure::load(&mut reader, &mut opened.channel, None, file, None, |_, _| {})).unwrap();
    reader.take_log();
    (reader, opened)
}

fn install(parameters: &[u8]) -> InstallForInstall<'_> {
    InstallForInstall::new(package(), instance(), instance()).with_parameters(parameters)
}

fn is_installed(reader: &SimReader) -> bool {
    reader.card().registry().iter().any(|entry| entry.aid == instance())
}

#[test]
fn a_long_install_is_chained_in_every_protocol_and_protected_as_a_whole() {
    let scp02 = |i| SecureChannelProtocol::Scp02 { i };
    let scp01 = |i| SecureChannelProtocol::Scp01 { i };
    let mut cases = vec![];
    for level in [SecurityLevel::AUTHENTICATED, SecurityLevel::C_MAC, SecurityLevel::C_DECRYPTION] {
        cases.extend([(scp01(0x05), 0x05, level), (scp01(0x15), 0x15, level), (scp02(0x15), 0x15, level)]);
        cases.extend([(scp02(0x17), 0x17, level), (SCP03, 0, level), (S16, 0, level)]);
    }
    cases.extend([(SCP03, 0, SecurityLevel::FULL), (S16, 0, SecurityLevel::C_MAC_R_MAC)]);
    cases.push((scp02(0x75), 0x75, SecurityLevel::C_MAC_R_MAC));
    for (protocol, i, level) in cases {
        for length in [180, 203, 204, 211, 212, 219, 220, 400, 900] {
            let case = format!("{protocol:?} {level} {length}");
            let (mut reader, mut opened) = loaded(protocol, level, i);
            let parameters = vec![0x5A; length];
            let result = block_on(procedure::install(&mut reader, &mut opened.channel, &install(&parameters)));
            if matches!(protocol, SecureChannelProtocol::Scp01 { .. })
                && level == SecurityLevel::C_DECRYPTION
                && length > 219
            {
                // One byte of length in front of the data.
                assert!(matches!(result, Err(Error::Channel(ChannelError::TooLong { limit: 255, .. }))), "{case}");
                assert!(opened.channel.is_open() && reader.take_log().is_empty(), "{case}: nothing was sent");
                continue;
            }
            result.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert!(is_installed(&reader), "{case}");
            let log = reader.take_log();
            let (last, parts) = log.split_last().unwrap();
            assert!(parts.iter().all(|part| part.command[2] == 0x8C && part.response == [0x90, 0x00]), "{case}");
            // As few commands as the protected data takes.
            let data: usize = log.iter().map(|entry| usize::from(entry.command[4])).sum();
            assert_eq!((last.command[2], log.len()), (0x0C, data.div_ceil(255)), "{case}");
            assert!(length < 400 || !parts.is_empty(), "{case}");
            // The channel has kept count.
            let registry = block_on(procedure::read_registry(&mut reader, &mut opened.channel)).unwrap();
            assert_eq!(registry.entries.len(), 3, "{case}");
        }
    }
}

#[test]
fn a_card_that_does_not_chain_is_told_and_the_channel_is_closed() {
    let (mut reader, mut opened) = loaded(SCP03, SecurityLevel::FULL, 0);
    reader.plan(reader.commands() + 1, Fault::Status(StatusWord::INCORRECT_P1_P2));
    let error = block_on(procedure::install(&mut reader, &mut opened.channel, &install(&[0x5A; 400]))).unwrap_err();
    assert!(error.to_string().contains("does not chain commands"), "{error}");
    assert!(!error.is_in_doubt() && !opened.channel.is_open() && !is_installed(&reader));
    let sent = reader.commands();
    let again = block_on(procedure::install(&mut reader, &mut opened.channel, &install(&[]))).unwrap_err();
    assert!(again.to_string().contains("broken off"), "{again}");
    assert_eq!(reader.commands(), sent);
}

#[test]
fn a_chain_that_is_torn_or_altered_installs_nothing() {
    for at in 1..=3 {
        let (mut reader, mut opened) = loaded(SCP03, SecurityLevel::C_DECRYPTION, 0);
        reader.plan(reader.commands() + at, Fault::CutBefore);
        let result = block_on(procedure::install(&mut reader, &mut opened.channel, &install(&[0x5A; 600])));
        match result {
            Err(Error::Transport { source, .. }) => assert_eq!(source.delivery, Delivery::Unknown),
            other => panic!("{at}: {other:?}"),
        }
        assert!(!opened.channel.is_open() && !is_installed(&reader));
    }
    // A command between, one that is lost, and one that comes twice.
    for alter in [1, 2, 3] {
        let (mut reader, mut opened) = loaded(SCP03, SecurityLevel::C_MAC, 0);
        let parameters = [0x5A; 600];
        let mut chain = opened.channel.wrap_chain(&install(&parameters).and_make_selectable().unwrap()).unwrap();
        match alter {
            1 => chain.insert(1, cardwright::gp::command::get_data(cardwright::apdu::tlv::Tag(0xE0))),
            2 => drop(chain.remove(1)),
            _ => chain.insert(1, chain[1].clone()),
        }
        let last = chain.len() - 1;
        for (i, command) in chain.into_iter().enumerate() {
            let sw = block_on(procedure::send(&mut reader, command)).unwrap().sw();
            if i == last {
                assert!(!sw.is_ok(), "{alter}");
            }
        }
        assert!(!is_installed(&reader), "{alter}");
    }
}

#[test]
fn data_in_front_of_the_last_response_is_the_cards_fault() {
    let (reader, mut opened) = loaded(SCP03, SecurityLevel::C_MAC, 0);
    let next = reader.commands() + 1;
    let mut reader = reader.with_faults(Faults::none().at(next, Fault::Respond(vec![1, 0x90, 0x00])));
    let error = block_on(procedure::install(&mut reader, &mut opened.channel, &install(&[0x5A; 400]))).unwrap_err();
    assert!(matches!(error, Error::Card { .. }), "{error}");
    assert!(!opened.channel.is_open() && !is_installed(&reader));
}

/// What does not fit one short command, of the keys and signatures of 2048 bits.
#[test]
fn tokens_and_keys_of_2048_bits_become_chains() {
    let (mut reader, mut opened) = loaded(SCP03, SecurityLevel::C_MAC, 0);
    let token = [0xA7; 256];
    let (objects, mut with_token) = ([package()], install(&[]));
    with_token.token = &token;
    let delete = Delete { token: &token, ..Delete::new(&objects, true) };
    let key = KeyDataField::rsa_public(&[0xC5; 256], &[1, 0, 1]);
    let put = PutKeyFields { replace: None, kvn: 0x70, first_kid: 1, keys: vec![key] };
    // The issuer sends no token: 6A80 says that the card has read the whole, and the MAC was right.
    for (command, sw) in [
        (with_token.and_make_selectable().unwrap(), StatusWord::WRONG_DATA),
        (delete.command().unwrap(), StatusWord::WRONG_DATA),
        (put.command().unwrap(), StatusWord::OK),
    ] {
        assert!(command.nc() > 255);
        let response = block_on(opened.channel.transmit(&mut reader, &command)).unwrap();
        assert_eq!(response.sw(), sw, "{}", command.name());
        let log = reader.take_log();
        assert_eq!((log.len(), log[0].command[2] & 0x80, log[1].command[2] & 0x80), (2, 0x80, 0));
    }
    assert!(opened.channel.is_open());
}

/// A card that declares extended length gets the same bytes in one command, and longer blocks.
#[test]
fn extended_length_carries_what_a_chain_would() {
    let extended = ExtendedLength::declared_by(&[0x3B, 0x05, 0x80, 0x73, 0xC8, 0x21, 0x40]).unwrap();
    let command = install(&[0x5A; 400]).and_make_selectable().unwrap();
    let (_, mut short) = loaded(SCP03, SecurityLevel::C_DECRYPTION, 0);
    let (_, long) = loaded(SCP03, SecurityLevel::C_DECRYPTION, 0);
    let mut long = long.channel.with_extended_length(extended);
    let parts = short.channel.wrap_chain(&command).unwrap();
    let whole = long.wrap_chain(&command).unwrap();
    assert_eq!((parts.len(), whole.len()), (2, 1));
    assert!(whole[0].as_ref().is_extended());
    assert_eq!(parts.iter().flat_map(|part| part.data().to_vec()).collect::<Vec<_>>(), whole[0].data());
    // Without it nothing but the three commands grows.
    let (_, mut plain) = loaded(SCP03, SecurityLevel::C_DECRYPTION, 0);
    let load = cardwright::gp::command::load(0, true, &[7; 300]);
    assert!(matches!(plain.channel.wrap_chain(&load), Err(ChannelError::TooLong { limit: 239, .. })));
    let (_, long) = loaded(SCP03, SecurityLevel::C_DECRYPTION, 0);
    assert!(long.channel.with_extended_length(extended).wrap(&load).is_ok());
}
