//! The card against the manuals and the published vectors.

use super::*;
use crate::crypto::{des_mac, retail_mac};

mod authentication;
mod files;
mod keys;
mod pins;
mod protection;
mod purse;
mod sm4;
mod torn;

/// Path of the payment application of the sample card, and of what is in it.
const APPLICATION: u16 = 0x3F01;
const SELECT_APPLICATION: &str = "00A4040009A00000000386980701";

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    bytes(text).try_into().unwrap()
}

/// Sends a command in hexadecimal and gives the response the same way.
fn send(card: &mut CpuCard, command: &str) -> String {
    hex::encode_upper(card.process(&bytes(command)))
}

/// Sends commands that have to end with 9000.
#[track_caller]
fn all_ok(card: &mut CpuCard, commands: &[&str]) {
    for command in commands {
        let response = send(card, command);
        assert!(response.ends_with("9000"), "{command}: {response}");
    }
}

/// A card with an MF and a key file of 200 bytes in it, where nothing is protected.
fn card() -> CpuCard {
    card_of(CpuCard::builder())
}

fn card_of(builder: CpuCardBuilder) -> CpuCard {
    let mut card = builder.build();
    all_ok(&mut card, &["80E03F000D38FFFFF0F001FFFFFFFFFFFFFF", "80E00000073F00C801F0FFFF"]);
    card
}

/// The sample card with the application selected.
fn sample() -> CpuCard {
    sample_of(CpuCard::builder())
}

fn sample_of(builder: CpuCardBuilder) -> CpuCard {
    let mut card = builder.sample().unwrap();
    card.reset();
    all_ok(&mut card, &[SELECT_APPLICATION]);
    card
}

/// The same with the PIN verified.
fn verified() -> CpuCard {
    let mut card = sample();
    all_ok(&mut card, &["002000000312345F"]);
    card
}

/// A command with a MAC under a key of 8 or 16 bytes, after GET CHALLENGE; Lc counts the MAC.
fn with_mac(card: &mut CpuCard, key: &[u8], command: &str) -> Vec<u8> {
    let challenge = card.process(&[0x00, 0x84, 0x00, 0x00, 0x04]);
    let mut initial = [0; 8];
    initial[..4].copy_from_slice(&challenge[..4]);
    let mut command = bytes(command);
    let mac = match key.len() {
        8 => des_mac(key.try_into().unwrap(), initial, &command),
        _ => retail_mac(key.try_into().unwrap(), initial, &command),
    };
    command.extend_from_slice(&mac[..4]);
    command
}

#[track_caller]
fn send_with_mac(card: &mut CpuCard, key: &[u8], command: &str) -> String {
    let command = with_mac(card, key, command);
    hex::encode_upper(card.process(&command))
}

#[test]
fn the_issue_script_of_the_special_manual_runs_whole() {
    let mut card = CpuCard::builder().build();
    assert_eq!(send(&mut card, "0084000004"), "6A81", "a card without an MF");
    for line in sample::SCRIPT {
        let command = sample::command(&mut card, line).unwrap();
        let response = hex::encode_upper(card.process(&command));
        assert!(response.ends_with("9000"), "{line}: {response}");
    }
    card.reset();
    // The directory file and the application as the general manual 7.4 shows them.
    let mf = "6F15840E315041592E5359532E4444463031A5038801019000";
    assert_eq!(send(&mut card, "00A40000023F00"), mf);
    assert_eq!(send(&mut card, "00A404000E315041592E5359532E4444463031"), mf);
    assert_eq!(send(&mut card, "00B2010C00"), "61114F09A00000000386980701500450424F439000");
    let fci = "6F2E8409A00000000386980701A5219F0C1E11112222333300060301000619980817000000301998081519981215 55669000";
    assert_eq!(send(&mut card, SELECT_APPLICATION), fci.replace(' ', ""));
    // Deposit and log are behind the PIN, the purse is not.
    assert_eq!(send(&mut card, "805C000104"), "6982");
    assert_eq!(send(&mut card, "805C000204"), "000000009000");
    assert_eq!(send(&mut card, "00B201C400"), "6982");
    all_ok(&mut card, &["002000000312345F"]);
    assert_eq!(send(&mut card, "805C000104"), "000000009000");
    assert_eq!(send(&mut card, "00B201C400"), "6A83");
    // Nothing of it can be made once more.
    assert_eq!(send(&mut card, "80E0001507A8001EF0F0FFFF"), "6A86");
}

#[test]
fn a_card_comes_back_from_its_memory() {
    let mut card = sample();
    let again = CpuCard::restore(&SoftwareCard::memory(&card), CpuCard::VERSION).unwrap();
    assert_eq!(SoftwareCard::memory(&again), SoftwareCard::memory(&card));
    let mut again = again;
    all_ok(&mut again, &[SELECT_APPLICATION]);
    // The next random bytes are the same ones.
    assert_eq!(send(&mut again, "0084000008"), send(&mut card, "0084000008"));
}

#[test]
fn a_memory_that_is_damaged_is_refused_or_answers() {
    let memory = SoftwareCard::memory(&sample());
    for at in (0..memory.len()).step_by(7) {
        for changed in [0x00, 0xFF, memory[at] ^ 1] {
            let mut memory = memory.clone();
            memory[at] = changed;
            if let Some(mut card) = CpuCard::restore(&memory, 1) {
                for command in [
                    "00A40000023F00",
                    "00B2010C00",
                    SELECT_APPLICATION,
                    "00B0950000",
                    "805C000204",
                    "80E0001E07280001F0F0FFFF",
                ] {
                    assert!(send(&mut card, command).len() >= 4);
                }
            }
        }
        assert!(CpuCard::restore(&memory[..at], 1).is_none());
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_break_the_card(commands in proptest::collection::vec(command(), 1..12)) {
        let mut card = verified();
        for command in commands {
            proptest::prop_assert!(card.process(&command).len() >= 2);
        }
    }
}

/// Mostly commands that the card knows, with any data.
fn command() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::*;
    let ins = proptest::sample::select(vec![
        0x0E, 0x18, 0x1E, 0x20, 0x24, 0x50, 0x52, 0x54, 0x58, 0x5A, 0x5C, 0x5E, 0x82, 0x84, 0x88, 0xA4, 0xB0, 0xB2,
        0xD4, 0xD6, 0xDC, 0xE0, 0xE2u8,
    ]);
    let known = (
        proptest::sample::select(vec![0x00, 0x04, 0x80, 0x84u8]),
        ins,
        any::<[u8; 2]>(),
        proptest::collection::vec(any::<u8>(), 0..30),
    )
        .prop_map(|(cla, ins, p, data)| {
            let mut command = vec![cla, ins, p[0] & 0x9F, p[1]];
            if !data.is_empty() {
                command.push(data.len() as u8);
            }
            command.extend_from_slice(&data);
            command
        });
    prop_oneof![8 => known, 1 => proptest::collection::vec(any::<u8>(), 0..300)]
}
