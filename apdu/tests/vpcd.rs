//! Both sides of a virtual reader over loopback, and peers that do not keep to the protocol.
#![cfg(feature = "std")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cardwright_apdu::transport::vpcd::{VirtualCard, VirtualReader, VpcdError};
use cardwright_apdu::{CommandApdu, Delivery, Ne, StatusWord, Transport, TransportError, TransportErrorKind};

const ATR: [u8; 4] = [0x3B, 0x02, 0x14, 0x50];
const COMMAND: [u8; 5] = [0x00, 0xCA, 0x00, 0x66, 0x00];
const SOON: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(20);

/// Answers every command with its bytes, and is pulled out at one of them.
#[derive(Default)]
struct Echo {
    commands: usize,
    resets: usize,
    pulled_at: Option<usize>,
}

impl Transport for Echo {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        self.commands += 1;
        if self.pulled_at == Some(self.commands) {
            return Err(TransportError::unknown(TransportErrorKind::CardRemoved));
        }
        *response = [command, &[0x90, 0x00]].concat();
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        self.resets += 1;
        Ok(ATR.to_vec())
    }
}

fn serve(address: SocketAddr, mut card: Echo) -> JoinHandle<(Echo, Result<(), VpcdError>)> {
    thread::spawn(move || {
        let served = VirtualCard::connect(address).unwrap().serve(&mut card);
        (card, served)
    })
}

fn reader() -> (VirtualReader, SocketAddr) {
    let reader = VirtualReader::bind(0).unwrap().with_timeout(LONG);
    let address = reader.local_addr().unwrap();
    assert!(address.ip().is_loopback());
    (reader, address)
}

fn transmit(reader: &mut VirtualReader, command: &[u8]) -> Result<Vec<u8>, (TransportErrorKind, Delivery)> {
    let mut response = vec![0xEE];
    reader.transmit(command, &mut response).map(|()| response).map_err(|error| (error.kind, error.delivery))
}

#[test]
fn a_card_is_driven_through_both_sides() {
    let (mut reader, address) = reader();
    let card = serve(address, Echo::default());
    assert_eq!(reader.wait_for_card(LONG).unwrap(), ATR);
    let response = reader.exchange(&CommandApdu::new(0, 0xCA, 0, 0x66).with_ne(Ne::MAX_SHORT)).unwrap();
    assert_eq!((response.data(), response.sw()), (&COMMAND[..], StatusWord::OK));
    let long = vec![7; 65533];
    assert_eq!(transmit(&mut reader, &long).unwrap().len(), 65535);
    assert_eq!(Transport::reset(&mut reader).unwrap(), ATR);
    drop(reader);
    let (card, served) = card.join().unwrap();
    served.unwrap();
    assert_eq!((card.commands, card.resets), (2, 3));
}

#[test]
fn what_cannot_be_a_command_is_not_sent() {
    let (mut reader, address) = reader();
    assert_eq!(transmit(&mut reader, &COMMAND), Err((TransportErrorKind::NoCard, Delivery::NotSent)));
    let card = serve(address, Echo::default());
    reader.wait_for_card(LONG).unwrap();
    for command in [&[0x01][..], &[0, 0xA4, 4], &[0; 65536]] {
        assert_eq!(transmit(&mut reader, command).unwrap_err().1, Delivery::NotSent);
    }
    transmit(&mut reader, &COMMAND).unwrap();
    drop(reader);
    assert_eq!(card.join().unwrap().0.commands, 1);
}

#[test]
fn a_card_pulled_out_at_a_command_leaves_open_whether_it_was_executed() {
    let (mut reader, address) = reader();
    let card = serve(address, Echo { pulled_at: Some(2), ..Echo::default() });
    reader.wait_for_card(LONG).unwrap();
    transmit(&mut reader, &COMMAND).unwrap();
    assert_eq!(transmit(&mut reader, &COMMAND), Err((TransportErrorKind::CardRemoved, Delivery::Unknown)));
    assert!(matches!(card.join().unwrap().1, Err(VpcdError::Card(_))));
    assert_eq!(transmit(&mut reader, &COMMAND), Err((TransportErrorKind::NoCard, Delivery::NotSent)));
    assert_eq!(Transport::reset(&mut reader).unwrap_err().kind, TransportErrorKind::NoCard);

    let again = serve(address, Echo::default());
    let begun = Instant::now();
    while Transport::reset(&mut reader).is_err() {
        assert!(begun.elapsed() < LONG);
        thread::sleep(Duration::from_millis(1));
    }
    transmit(&mut reader, &COMMAND).unwrap();
    drop(reader);
    again.join().unwrap().1.unwrap();
}

#[test]
fn a_card_that_went_between_two_commands_got_no_second_one() {
    let (mut reader, address) = reader();
    let card = thread::spawn(move || {
        let mut peer = TcpStream::connect(address).unwrap();
        peer.write_all(&[0, 4, 0x3B, 0x02, 0x14, 0x50]).unwrap();
        peer.read_exact(&mut [0; 6]).unwrap();
    });
    reader.wait_for_card(LONG).unwrap();
    card.join().unwrap();
    assert_eq!(transmit(&mut reader, &COMMAND), Err((TransportErrorKind::CardRemoved, Delivery::NotSent)));
}

#[test]
fn nobody_comes() {
    let (mut reader, _) = reader();
    assert_eq!(reader.wait_for_card(Duration::from_millis(20)), Err(TransportErrorKind::NoCard));
}

/// A card program that answers the ATR, and the first command with these bytes; then it stays there, silent, or goes.
fn odd_card(address: SocketAddr, answer: &'static [u8], stays: bool) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut peer = TcpStream::connect(address).unwrap();
        peer.read_exact(&mut [0; 6]).unwrap();
        peer.write_all(&[0, 4, 0x3B, 0x02, 0x14, 0x50]).unwrap();
        peer.read_exact(&mut [0; 7]).unwrap();
        peer.write_all(answer).unwrap();
        if stays {
            let _ = peer.read(&mut [0]);
        }
    })
}

#[test]
fn cards_that_answer_with_nonsense_or_nothing_are_thrown_out_in_time() {
    use TransportErrorKind::{CardRemoved, Timeout};
    for (answer, stays, expected) in [
        (&[][..], true, Some(Timeout)),
        (&[], false, Some(CardRemoved)),
        (&[0], false, Some(CardRemoved)),
        (&[0, 2, 0x90], true, Some(Timeout)),
        (&[0, 2, 0x90], false, Some(CardRemoved)),
        (&[0xFF, 0xFF, 0x90, 0x00], true, Some(Timeout)),
        (&[0, 2, 0x90, 0x00, 0, 2, 0x6F, 0x00], true, None),
        (&[0, 2, 0x90, 0x00, 0], true, None),
    ] {
        let (reader, address) = reader();
        let mut reader = reader.with_timeout(SOON);
        let card = odd_card(address, answer, stays);
        reader.wait_for_card(LONG).unwrap();
        let (kind, delivery) = transmit(&mut reader, &COMMAND).unwrap_err();
        assert_eq!(delivery, Delivery::Unknown, "{answer:02X?}");
        match expected {
            Some(expected) => assert_eq!(kind, expected, "{answer:02X?}"),
            None => assert!(kind.to_string().contains("more than it was asked"), "{kind}"),
        }
        assert_eq!(transmit(&mut reader, &COMMAND), Err((TransportErrorKind::NoCard, Delivery::NotSent)));
        card.join().unwrap();
    }
}

#[test]
fn a_card_that_drips_its_answer_does_not_hold_the_reader() {
    let (reader, address) = reader();
    let mut reader = reader.with_timeout(SOON);
    let card = thread::spawn(move || {
        let mut peer = TcpStream::connect(address).unwrap();
        while peer.write_all(&[0xFF]).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let begun = Instant::now();
    assert_eq!(reader.wait_for_card(LONG), Err(TransportErrorKind::Timeout));
    assert!(begun.elapsed() < LONG / 2);
    drop(reader);
    card.join().unwrap();
}

#[test]
fn a_card_without_an_atr_is_mute() {
    for atr in [&[0, 0][..], &[0, 1, 0x3B]] {
        let (mut reader, address) = reader();
        let mut peer = TcpStream::connect(address).unwrap();
        peer.write_all(atr).unwrap();
        assert_eq!(reader.wait_for_card(LONG), Err(TransportErrorKind::Mute));
    }
}

#[test]
fn readers_that_do_not_keep_to_the_protocol_are_left() {
    for (bytes, expected) in [
        (&[0, 0][..], "empty message"),
        (&[0, 1, 0x03], "control byte 03"),
        (&[0, 9, 0x00, 0xA4], "middle of a message"),
        (&[0xFF], "middle of a message"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let card = serve(listener.local_addr().unwrap(), Echo::default());
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(bytes).unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        let (card, served) = card.join().unwrap();
        let words = served.unwrap_err().to_string();
        assert!(words.contains(expected), "{expected}: {words}");
        assert_eq!(card.commands, 0);
    }
}

#[test]
fn asking_for_the_atr_resets_nothing_and_power_resets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let card = serve(listener.local_addr().unwrap(), Echo::default());
    let (mut peer, _) = listener.accept().unwrap();
    // Length and bytes apart, and in pieces, as vpcd writes them.
    for part in [&[0][..], &[1], &[4], &[0, 1], &[1, 0, 1], &[0, 0, 1, 4]] {
        peer.write_all(part).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    let mut atrs = [0; 12];
    peer.read_exact(&mut atrs).unwrap();
    assert_eq!(atrs[..6], [0, 4, 0x3B, 0x02, 0x14, 0x50]);
    drop(peer);
    let (card, served) = card.join().unwrap();
    served.unwrap();
    assert_eq!(card.resets, 3);
}

#[test]
fn a_card_without_a_reader_says_so() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert!(matches!(VirtualCard::connect(("127.0.0.1", port)), Err(VpcdError::Io(_))));
}
