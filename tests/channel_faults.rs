//! Commands and responses of an open channel that are lost, repeated, reordered or altered on the way.
//!
//! A random conversation is held twice with cards that are alike, so that the same keys protect the same bytes. The first time all
//! arrives; the second time one side gets what somebody on the line has changed.
//!
//! # What the host detects
//!
//! A response that differs from the one that the card gave to this command:
//!
//! | | detected |
//! |---|---|
//! | SCP02, R-MAC on each response | at once; a bare error status, as cards send it, at the next response |
//! | SCP02, R-MAC at the end | when the R-MAC is fetched, not before |
//! | SCP03 with R-MAC, SCP11 a, b and c | at once; not a bare error status |
//! | without R-MAC (SCP01; levels 00, 01, 03) | no; that one never comes, yes |
//!
//! A forged bare error status under SCP03 and SCP11 is not detected at all: error responses are not protected (Amd D 6.2.5), and the
//! R-MAC after it covers the commands before, not the responses. Under SCP02 taking the R-MAC from an error response changes
//! nothing that the host reads, and is not detected. An error can thus be invented under SCP03 and SCP11, a success never.
//!
//! # What the card detects
//!
//! With C-MAC: whatever differs from what the host sent, at that command, but for Le, which no MAC covers, and for the logical
//! channel number; all after it is refused as well. Under implicit initiation the first command opens the channel whenever it
//! arrives: what came before it was refused, but ended nothing. Without C-MAC (levels 00 and 10): nothing. That the last command
//! was lost no card can tell.

mod support;

#[path = "support/scp11.rs"]
mod fixture;

use cardwright::apdu::{CommandApdu, Ne, ResponseApdu, Transport, block_on, tlv};
use cardwright::gp::channel::ImplicitInitiation;
use cardwright::gp::channel::scp11::MacLength;
use cardwright::gp::procedure::{self, KeyCandidate, KeyScheme, OpenOptions};
use cardwright::gp::{ChannelError, Error, SecureChannel, SecurityLevel, command};
use cardwright::keys::{KeyKind, KeyPort, KeyRef, KeySet};
use cardwright_sim::{AesKeyLength, Fault, JavaCard, SecureChannelProtocol, SimReader};
use fixture::Which;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use support::keys;

/// How a channel is opened.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Setup {
    protocol: SecureChannelProtocol,
    /// P1 of EXTERNAL AUTHENTICATE; `None` for implicit initiation.
    level: Option<u8>,
    /// BEGIN R-MAC SESSION, with an R-MAC on each response or not.
    r_mac_session: Option<bool>,
    /// SCP11 in the place of the protocol, and whether MACs have 16 bytes.
    scp11: Option<(Which, bool)>,
}

impl Setup {
    const fn new(protocol: SecureChannelProtocol, level: u8) -> Self {
        Self { protocol, level: Some(level), r_mac_session: None, scp11: None }
    }

    const fn with_r_mac_session(self, each: bool) -> Self {
        Self { r_mac_session: Some(each), ..self }
    }

    fn is_scp03(self) -> bool {
        matches!(self.protocol, SecureChannelProtocol::Scp03 { .. })
    }

    /// Under SCP11b the card does not know the host: it executes GET DATA alone.
    fn knows_the_host(self) -> bool {
        !matches!(self.scp11, Some((Which::B, _)))
    }

    fn has_c_mac(self) -> bool {
        self.level.is_none_or(|level| level & 0x01 != 0)
    }
}

const fn scp02(i: u8, level: u8) -> Setup {
    Setup::new(SecureChannelProtocol::Scp02 { i }, level)
}

const fn implicit(i: u8) -> Setup {
    Setup { protocol: SecureChannelProtocol::Scp02 { i }, level: None, r_mac_session: None, scp11: None }
}

const fn scp03(i: u8, level: u8) -> Setup {
    Setup::new(SecureChannelProtocol::Scp03 { i, key_length: AesKeyLength::Aes128 }, level)
}

const fn scp11(which: Which, s16: bool, level: u8) -> Setup {
    Setup { scp11: Some((which, s16)), ..scp03(0x70, level) }
}

/// An R-MAC on each response.
const EACH: [Setup; 19] = [
    scp02(0x35, 0x10),
    scp02(0x75, 0x11),
    scp02(0x77, 0x13),
    scp02(0x24, 0x13),
    scp02(0x65, 0x00).with_r_mac_session(true),
    scp02(0x35, 0x03).with_r_mac_session(true),
    implicit(0x3A).with_r_mac_session(true),
    implicit(0x21).with_r_mac_session(true),
    scp03(0x20, 0x11),
    scp03(0x30, 0x13),
    scp03(0x70, 0x33),
    scp03(0x21, 0x11),
    scp03(0x31, 0x13),
    scp03(0x71, 0x33),
    scp11(Which::A, false, 0x33),
    scp11(Which::A, true, 0x11),
    scp11(Which::B, false, 0x33),
    scp11(Which::C, false, 0x11),
    scp11(Which::C, true, 0x33),
];
/// One R-MAC at the end.
const AT_THE_END: [Setup; 4] = [
    scp02(0x35, 0x00).with_r_mac_session(false),
    scp02(0x75, 0x01).with_r_mac_session(false),
    scp02(0x27, 0x03).with_r_mac_session(false),
    implicit(0x3A).with_r_mac_session(false),
];
/// None.
const WITHOUT: [Setup; 12] = [
    Setup::new(SecureChannelProtocol::Scp01 { i: 0x05 }, 0x00),
    Setup::new(SecureChannelProtocol::Scp01 { i: 0x05 }, 0x01),
    Setup::new(SecureChannelProtocol::Scp01 { i: 0x15 }, 0x03),
    scp02(0x15, 0x01),
    scp02(0x55, 0x03),
    scp02(0x04, 0x01),
    scp02(0x17, 0x03),
    implicit(0x1A),
    scp03(0x00, 0x01),
    scp03(0x10, 0x03),
    scp03(0x01, 0x01),
    scp03(0x11, 0x03),
];

fn all() -> impl Iterator<Item = Setup> {
    EACH.into_iter().chain(AT_THE_END).chain(WITHOUT)
}

/// Opens a channel to a new card; the same setup gives the same keys each time.
fn open(setup: Setup) -> (SimReader, SecureChannel) {
    if let Some((which, s16)) = setup.scp11 {
        let mut reader = fixture::card(s16);
        let mut options = fixture::known(which, fixture::CARD);
        options.parameters.level = SecurityLevel::new(setup.level.unwrap()).unwrap();
        options.parameters.mac_length = if s16 { MacLength::S16 } else { MacLength::S8 };
        let opened = fixture::open(&mut reader, &options).unwrap();
        return (reader, opened.channel);
    }
    let card = JavaCard::builder().protocol(setup.protocol).seed(11).max_failures(255).build();
    let mut reader = SimReader::new(card);
    let (name, kind) = if setup.is_scp03() { ("test-aes", KeyKind::Aes) } else { ("test-des", KeyKind::Tdes) };
    let set = KeySet::same(KeyRef::new(name));
    let channel = block_on(async {
        let fci = procedure::select(&mut reader, None).await?;
        let aid = fci.aid.unwrap();
        let mut channel = match setup.level {
            Some(level) => {
                let i = Some(setup.protocol.i());
                let options = OpenOptions::new(SecurityLevel::new(level).unwrap())
                    .with_scp01_i(i)
                    .with_scp02_i(i)
                    .with_s16(setup.is_scp03() && setup.protocol.i() & 0x01 != 0);
                let candidates = [KeyCandidate::new(KeyRef::new(name), kind, KeyScheme::AsIs)];
                procedure::open(&mut reader, &mut keys(), Some(&aid), &candidates, [7; 16], options).await?.channel
            }
            None => {
                let aid = aid.as_bytes().to_vec();
                let how = ImplicitInitiation { i: setup.protocol.i(), sequence_counter: 0, aid };
                let [before, after] = how.key_requests(&set)?;
                let before = keys().ask_keys(before).await?.into_session()?;
                how.open(before, keys().ask_keys(after).await?.into_session()?)?
            }
        };
        if let Some(each) = setup.r_mac_session {
            channel.begin_r_mac(&mut reader, &mut keys(), &set, b"challenge", each).await?;
        }
        Ok::<_, Error>(channel)
    });
    (reader, channel.unwrap())
}

/// A command that the card answers with data, without, with an error, or with one that it does not know.
fn a_command() -> impl Strategy<Value = CommandApdu> {
    let store = |value: Vec<u8>| {
        let object = [&[0x42, value.len() as u8], &value[..]].concat();
        CommandApdu::new(0x80, 0xE2, 0x90, 0x00).with_data(object)
    };
    prop_oneof![
        select(vec![0x9F7F_u32, 0x66, 0xCF, 0xE0]).prop_map(|tag| command::get_data(tlv::Tag(tag))),
        Just(command::get_data(tlv::Tag(0xC2))),
        Just(CommandApdu::new(0x80, 0xF2, 0x80, 0x02).with_data([0x4F, 0x00]).with_ne(Ne::MAX_SHORT)),
        Just(CommandApdu::new(0x80, 0x12, 0x00, 0x00)),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(store),
    ]
}

fn conversation() -> impl Strategy<Value = Vec<CommandApdu>> {
    let last = command::get_data(tlv::Tag(0x9F7F));
    prop::collection::vec(a_command(), 2..8).prop_map(move |mut commands| {
        // Something with data comes after each fault.
        commands.push(last.clone());
        commands.push(last.clone());
        commands
    })
}

/// What the line does at one place.
#[derive(Clone, Debug)]
enum OnTheLine {
    Lose,
    Repeat,
    Swap,
    /// One from before instead.
    Replay(Index),
    Flip(Index),
    Shorten(Index),
    Lengthen(u8),
    Invent(Vec<u8>),
    Status(u16),
}

fn on_the_line() -> impl Strategy<Value = OnTheLine> {
    prop_oneof![
        Just(OnTheLine::Lose),
        Just(OnTheLine::Repeat),
        Just(OnTheLine::Swap),
        any::<Index>().prop_map(OnTheLine::Replay),
        any::<Index>().prop_map(OnTheLine::Flip),
        any::<Index>().prop_map(OnTheLine::Shorten),
        any::<u8>().prop_map(OnTheLine::Lengthen),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(OnTheLine::Invent),
        select(vec![0x9000, 0x6310, 0x6283, 0x6A88, 0x6982, 0x6F00]).prop_map(OnTheLine::Status),
    ]
}

/// What arrives, each as data and status word; `at` is not one of the last two.
fn line(sent: &[(Vec<u8>, u16)], what: &OnTheLine, at: usize) -> Vec<(Vec<u8>, u16)> {
    let mut line = sent.to_vec();
    match what {
        OnTheLine::Lose => drop(line.remove(at)),
        OnTheLine::Repeat => line.insert(at + 1, sent[at].clone()),
        OnTheLine::Swap => line.swap(at, at + 1),
        OnTheLine::Replay(from) => line[at] = sent[from.index(at + 1)].clone(),
        OnTheLine::Flip(bit) => {
            let (data, sw) = &mut line[at];
            let bit = bit.index(data.len() * 8 + 16);
            match data.get_mut(bit / 8) {
                Some(byte) => *byte ^= 1 << (bit % 8),
                None => *sw ^= 1 << (bit % 16),
            }
        }
        OnTheLine::Shorten(length) => {
            let length = length.index(line[at].0.len() + 1);
            line[at].0.truncate(length);
        }
        OnTheLine::Lengthen(byte) => line[at].0.push(*byte),
        OnTheLine::Invent(data) => line[at].0.clone_from(data),
        OnTheLine::Status(sw) => line[at] = (Vec::new(), *sw),
    }
    // After a lost one the others are one too early.
    line.resize(sent.len(), sent[sent.len() - 1].clone());
    line
}

fn is_error(sw: u16) -> bool {
    sw != 0x9000 && !matches!(sw >> 8, 0x62 | 0x63)
}

/// The responses as the card protected them.
fn responses(setup: Setup, commands: &[CommandApdu]) -> Vec<(Vec<u8>, u16)> {
    let (mut reader, mut channel) = open(setup);
    let exchange = |command| {
        let response = reader.exchange(&channel.wrap(command).unwrap()).unwrap();
        channel.unwrap(response.clone()).unwrap();
        (response.data().to_vec(), response.sw().0)
    };
    commands.iter().map(exchange).collect()
}

fn apdu((data, sw): &(Vec<u8>, u16)) -> ResponseApdu {
    ResponseApdu::new(data.clone(), (*sw).into())
}

/// Nothing goes through a channel that is closed.
fn assert_closed(
    channel: &mut SecureChannel,
    command: &CommandApdu,
    genuine: &(Vec<u8>, u16),
) -> Result<(), TestCaseError> {
    for _ in 0..2 {
        let (wrapped, unwrapped) = (channel.wrap(command), channel.unwrap(apdu(genuine)));
        prop_assert!(matches!(wrapped, Err(ChannelError::Closed { .. })), "{:?}", wrapped);
        prop_assert!(matches!(unwrapped, Err(ChannelError::Closed { .. })), "{:?}", unwrapped);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_an_r_mac_on_each_response_a_changed_one_closes_the_channel(
        setup in select(EACH.to_vec()), commands in conversation(), what in on_the_line(), at in any::<Index>(),
    ) {
        let sent = responses(setup, &commands);
        let arrives = line(&sent, &what, at.index(commands.len() - 2));
        let (_, mut channel) = open(setup);
        // Whether a bare error status was taken for a response that it was not.
        let mut deceived = false;
        for (n, (command, response)) in commands.iter().zip(&arrives).enumerate() {
            channel.wrap(command).unwrap();
            let bare_error = response.0.is_empty() && is_error(response.1);
            let differs = *response != sent[n];
            match channel.unwrap(apdu(response)) {
                Ok(_) if setup.is_scp03() => prop_assert!(!differs || bare_error, "response {n} was taken"),
                Ok(_) => {
                    prop_assert!(!(differs || deceived) || bare_error, "response {n} was taken");
                    deceived |= differs && response.1 != sent[n].1;
                }
                Err(_) => {
                    prop_assert!(differs || deceived, "response {n} was refused");
                    return assert_closed(&mut channel, command, &sent[n]);
                }
            }
        }
        // All taken: nothing differed, or bare error statuses did that no protocol tells from the card's own.
        for (response, genuine) in arrives.iter().zip(&sent).filter(|(response, genuine)| response != genuine) {
            let taken_off = is_error(genuine.1) && response.1 == genuine.1;
            prop_assert!(response.0.is_empty() && is_error(response.1));
            prop_assert!(setup.is_scp03() || taken_off, "{response:02X?} for {genuine:02X?}");
        }
    }

    #[test]
    fn with_one_r_mac_at_the_end_a_changed_response_closes_the_channel_there(
        setup in select(AT_THE_END.to_vec()), commands in conversation(), what in on_the_line(), at in any::<Index>(),
    ) {
        let sent = responses(setup, &commands);
        let at = at.index(commands.len() - 2);
        let arrives = line(&sent, &what, at);
        let (mut reader, mut channel) = open(setup);
        for (n, (command, response)) in commands.iter().zip(&arrives).enumerate() {
            // The card executes all; the host reads what arrives.
            let protected = channel.wrap(command).unwrap();
            reader.exchange(&protected).unwrap();
            if channel.unwrap(apdu(response)).is_err() {
                // An error with data, which no card sends.
                prop_assert!(is_error(response.1) && !response.0.is_empty());
                return assert_closed(&mut channel, command, &sent[n]);
            }
        }
        let result = block_on(channel.end_r_mac(&mut reader, true));
        prop_assert_eq!(result.is_ok(), arrives == sent, "{:?}", result);
        if result.is_err() {
            assert_closed(&mut channel, &commands[0], &sent[0])?;
        }
    }

    /// The channel gives the caller what arrives: only R-MAC would tell.
    #[test]
    fn without_r_mac_a_changed_response_is_taken(
        setup in select(WITHOUT.to_vec()), commands in conversation(), what in on_the_line(), at in any::<Index>(),
    ) {
        let sent = responses(setup, &commands);
        let arrives = line(&sent, &what, at.index(commands.len() - 2));
        let (_, mut channel) = open(setup);
        for (command, response) in commands.iter().zip(&arrives) {
            channel.wrap(command).unwrap();
            prop_assert_eq!(channel.unwrap(apdu(response)).unwrap(), apdu(response));
        }
    }

    #[test]
    fn a_response_that_never_comes_closes_the_channel_at_every_level(
        setup in select(all().collect::<Vec<_>>()), commands in conversation(), at in any::<Index>(),
    ) {
        let (mut reader, mut channel) = open(setup);
        let at = at.index(commands.len());
        reader.plan(reader.commands() + at as u64 + 1, Fault::CutAfter);
        for (n, command) in commands.iter().enumerate().take(at + 1) {
            let result = block_on(channel.transmit(&mut reader, command));
            prop_assert_eq!(result.is_ok(), n < at);
        }
        let closed = channel.wrap(&commands[0]);
        prop_assert!(matches!(closed, Err(ChannelError::Closed { .. })), "{:?}", closed);
    }

    #[test]
    fn with_c_mac_a_changed_command_is_refused_and_so_is_all_after_it(
        setup in select(all().filter(|setup| setup.has_c_mac() && setup.knows_the_host()).collect::<Vec<_>>()),
        commands in conversation(),
        what in on_the_line(),
        header in prop::option::of((2_usize..4, 0_u8..8)),
        at in any::<Index>(),
    ) {
        // The host's side: what it sends does not depend on what it is answered.
        let (mut reader, mut channel) = open(setup);
        let sent: Vec<_> = commands.iter().map(|command| {
            let protected = channel.wrap(command).unwrap();
            channel.unwrap(reader.exchange(&protected).unwrap()).unwrap();
            protected
        }).collect();
        let at = at.index(commands.len() - 2);
        let arrives = change_commands(&sent, &what, header, at);

        let (mut reader, _) = open(setup);
        let opens_with_a_command = setup.level.is_none() && setup.r_mac_session.is_none();
        let (mut next, mut is_alive) = (0, true);
        for (n, command) in arrives.iter().enumerate() {
            let is_next = is_alive && sent.get(next) == Some(command);
            if is_next {
                next += 1;
            } else {
                // Before the first C-MAC of implicit initiation there is no session that could end.
                is_alive = is_alive && next == 0 && opens_with_a_command;
            }
            let sw = reader.exchange(command).unwrap().sw().0;
            prop_assert_eq!(sw != 0x6982, is_next, "{:04X} for command {} of {:?}", sw, n, setup);
        }
    }
}

/// As [`line`], for the data fields of commands; `header` has a bit of P1 or P2 flipped instead.
fn change_commands(sent: &[CommandApdu], what: &OnTheLine, header: Option<(usize, u8)>, at: usize) -> Vec<CommandApdu> {
    let rebuilt = |command: &CommandApdu, p1: u8, p2: u8, data: &[u8]| {
        CommandApdu::new(command.class(), command.instruction(), p1, p2).with_data(data).with_ne(command.ne())
    };
    if let Some((place, bit)) = header {
        let mut line = sent.to_vec();
        let flip = |here: bool| if here { 1 << bit } else { 0 };
        let command = &sent[at];
        let (p1, p2) = (command.p1() ^ flip(place == 2), command.p2() ^ flip(place == 3));
        line[at] = rebuilt(command, p1, p2, command.data());
        return line;
    }
    let data = |data: Vec<u8>| {
        let mut line = sent.to_vec();
        line[at] = rebuilt(&sent[at], sent[at].p1(), sent[at].p2(), &data);
        line
    };
    let bytes = sent[at].data();
    match what {
        OnTheLine::Lose => [&sent[..at], &sent[at + 1..]].concat(),
        OnTheLine::Repeat => [&sent[..=at], &sent[at..]].concat(),
        OnTheLine::Swap => [&sent[..at], &[sent[at + 1].clone(), sent[at].clone()], &sent[at + 2..]].concat(),
        OnTheLine::Replay(from) => {
            let mut line = sent.to_vec();
            line[at] = sent[from.index(at + 1)].clone();
            line
        }
        OnTheLine::Flip(bit) => {
            let (mut bytes, bit) = (bytes.to_vec(), bit.index(bytes.len() * 8));
            bytes[bit / 8] ^= 1 << (bit % 8);
            data(bytes)
        }
        OnTheLine::Shorten(length) => data(bytes[..length.index(bytes.len() + 1)].to_vec()),
        OnTheLine::Lengthen(byte) => data([bytes, &[*byte]].concat()),
        OnTheLine::Invent(bytes) => data(bytes.clone()),
        // No data at all.
        OnTheLine::Status(_) => data(Vec::new()),
    }
}
