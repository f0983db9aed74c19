//! Cards that answer nonsense: never a panic, an error that names the command, and a card that can be finished.

mod support;

use cardwright::apdu::{ByteCount, StatusWord, block_on, tlv};
use cardwright::gp::procedure::{self, OpenOptions};
use cardwright::gp::{Error, SecurityLevel};
use cardwright::issuance::remote::{IssueError, Outcome};
use cardwright::issuance::store::MemoryStore;
use cardwright_sim::{Fault, Faults, SecureChannelProtocol, SimReader};
use support::{Reference, SCP02, SCP03, card, issue, keys, order};

/// What a run with faults came to, and the one after it without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Quarantined,
    LockedOut,
}

/// Runs with these faults, then without: whatever the card answered, it is finished, or held back for a stated reason.
fn survive(reference: &Reference, faults: Faults, what: &str) -> (Option<String>, End) {
    let mut store = MemoryStore::new();
    let (outcome, reader) = issue(&reference.order, card(reference.protocol), &mut store, faults);
    let last = reader.commands() as usize;
    reference.assert_no_other_key(reader.card(), what);
    let text = match outcome {
        Ok(Outcome::Complete(_)) => None,
        Ok(Outcome::Quarantined { reason, .. }) => Some(reason),
        Ok(other) => panic!("{what}: {other:?}"),
        Err(error) => {
            let text = error.to_string();
            let in_words = matches!(error, IssueError::WrongKeys { .. } | IssueError::OtherCard { .. });
            let named = reference.names.iter().take(last).any(|name| text.contains(name));
            assert!(named || in_words, "{what}: no command is named in: {text}");
            Some(text)
        }
    };
    let (again, reader) = issue(&reference.order, reader.card().twin(), &mut store, Faults::none());
    reference.assert_no_other_key(reader.card(), what);
    let end = match again {
        Ok(Outcome::Complete(_)) => {
            assert_eq!(reference.snapshot, support::snapshot(reader.card()), "{what}, after {text:?}");
            End::Complete
        }
        Ok(Outcome::Quarantined { reason, .. }) if !reason.is_empty() => End::Quarantined,
        Err(IssueError::LockedOut { .. }) => End::LockedOut,
        other => panic!("{what}, after {text:?}: {other:?}"),
    };
    (text, end)
}

fn object(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut object = Vec::new();
    tlv::push(&mut object, tlv::Tag(tag), value);
    object
}

fn ok(data: &[u8]) -> Vec<u8> {
    [data, &[0x90, 0x00]].concat()
}

fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(Vec::new(), |inner, _| object(0xE3, &inner))
}

/// Answers that no command deserves.
fn nonsense() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("nothing", vec![]),
        ("one byte", vec![0x90]),
        ("bare 9000", ok(&[])),
        ("bare 6310", vec![0x63, 0x10]),
        ("bare 6100", vec![0x61, 0x00]),
        ("bare 6C00", vec![0x6C, 0x00]),
        ("TLV past its end", ok(&[0xE3, 0x20, 0x4F, 0x10, 0xA0])),
        ("TLV without a length", ok(&[0xE3])),
        ("TLV of 4 GB", ok(&[0xE3, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x4F])),
        ("TLV of no definite length", ok(&[0xE3, 0x80, 0x4F, 0x00, 0x00, 0x00])),
        ("TLV a thousand deep", ok(&nested(1000))),
        ("registry entries without an AID", ok(&object(0xE3, &object(0x9F70, &[0x07])))),
        ("registry entry with a short AID", ok(&object(0xE3, &object(0x4F, &[1, 2])))),
        ("zeros", ok(&[0; 32])),
        ("FF", ok(&[0xFF; 255])),
        ("64 KB", ok(&vec![0x5A; 65536])),
        ("more than 64 KB", ok(&vec![0x5A; 65537])),
    ]
}

#[test]
fn nonsense_at_any_command_ends_in_words_and_the_card_can_be_finished() {
    for (protocol, level) in [(SCP02, SecurityLevel::C_DECRYPTION), (SCP03, SecurityLevel::FULL)] {
        let reference = Reference::new(protocol, level);
        for n in 1..=reference.names.len() {
            for (name, answer) in nonsense() {
                let what = format!("{protocol:?} {level}: {name} at {n}, {}", reference.names[n - 1]);
                survive(&reference, Faults::none().at(n as u64, Fault::Respond(answer)), &what);
            }
        }
    }
}

#[test]
fn bare_status_words_to_everything_end_in_words() {
    let reference = Reference::new(SCP03, SecurityLevel::C_DECRYPTION);
    for sw in [[0x90, 0x00], [0x63, 0x10], [0x61, 0x00], [0x6C, 0x00], [0x62, 0x83]] {
        for first in 1..=reference.names.len() as u64 {
            // 6310 without end takes as many as the longest registry has pages; once is enough of that.
            let count = if first == reference.places_of("GET STATUS")[0] as u64 { 1100 } else { 60 };
            let faults = (first..first + count).fold(Faults::none(), |all, n| all.at(n, Fault::Respond(sw.to_vec())));
            survive(&reference, faults, &format!("{sw:02X?} from {first} on"));
        }
    }
}

#[test]
fn a_truncated_answer_to_initialize_update_is_named_with_its_place() {
    for protocol in [SCP02, SCP03] {
        let reference = Reference::new(protocol, SecurityLevel::C_DECRYPTION);
        for n in reference.places_of("INITIALIZE UPDATE") {
            let whole = &reference.responses[n - 1];
            let data = &whole[..whole.len() - 2];
            // 29 bytes are a whole answer of a card without a sequence counter, which then does not verify.
            for length in (0..data.len()).filter(|length| *length != 29) {
                let faults = Faults::none().at(n as u64, Fault::Respond(ok(&data[..length])));
                let (text, end) = survive(&reference, faults, &format!("{protocol:?} {length} bytes at {n}"));
                let text = text.unwrap();
                for part in ["INITIALIZE UPDATE", "offset", "expected", &ByteCount(length).to_string()] {
                    assert!(text.contains(part), "{length} bytes: {part} is not in: {text}");
                }
                assert_eq!(end, End::Complete);
            }
        }
    }
}

#[test]
fn a_wrong_cryptogram_stops_before_external_authenticate() {
    for protocol in [SCP02, SCP03] {
        let reference = Reference::new(protocol, SecurityLevel::C_DECRYPTION);
        for n in reference.places_of("INITIALIZE UPDATE") {
            let mut answer = reference.responses[n - 1].clone();
            let cryptogram = if protocol == SCP02 { 20..28 } else { 21..29 };
            answer[cryptogram].fill(0xA5);
            let mut store = MemoryStore::new();
            let faults = Faults::none().at(n as u64, Fault::Respond(answer));
            let (outcome, mut reader) = issue(&reference.order, card(protocol), &mut store, faults);
            assert!(matches!(outcome, Err(IssueError::WrongKeys { failures: 1, .. })), "{outcome:?}");
            assert_eq!(reader.commands(), n as u64, "something was sent after it");
            assert_eq!(support::command_names(&reader.take_log()).last(), Some(&"INITIALIZE UPDATE"));
        }
    }
}

#[test]
fn a_registry_that_is_no_tlv_is_named_with_its_place() {
    let list = |answer: Vec<u8>, level| {
        let mut reader = SimReader::new(card(SCP03)).with_faults(Faults::none().at(4, Fault::Respond(answer)));
        let (options, candidates) = (OpenOptions::new(level), order(1).current_keys);
        block_on(procedure::list(&mut reader, &mut keys(), &candidates, [7; 8], options)).map(drop).unwrap_err()
    };
    for (answer, parts) in [
        (ok(&[0xE3, 0x20, 0x4F, 0x10, 0xA0]), ["GET STATUS", "offset 0", "32 bytes", "3 are left"]),
        (ok(&[0xE3, 0x03, 0x4F, 0x10, 0xA0]), ["GET STATUS", "offset 2", "16 bytes", "1 are left"]),
        (ok(&object(0xE3, &object(0x4F, &[1, 2]))), ["GET STATUS", "offset 2", "expected 5 to 16 bytes", "2 bytes"]),
        (ok(&nested(1000)), ["GET STATUS", "4F", "offset 0", "template"]),
    ] {
        let error = list(answer, SecurityLevel::C_MAC);
        assert!(matches!(error, Error::Card { .. }), "{error:?}");
        let text = error.to_string();
        parts.iter().for_each(|part| assert!(text.contains(part), "{part} is not in: {text}"));
    }
    let text = list(ok(&[0x5A; 40]), SecurityLevel::FULL).to_string();
    for part in ["GET STATUS", "R-MAC", "offset 32", "expected"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let text = list(ok(&[0x5A; 7]), SecurityLevel::FULL).to_string();
    for part in ["GET STATUS", "R-MAC", "expected at least 8 bytes", "7"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn a_registry_without_end_is_left() {
    let faults = (4..2000).fold(Faults::none(), |all, n| all.at(n, Fault::Respond(vec![0x63, 0x10])));
    let mut reader = SimReader::new(card(SCP03)).with_faults(faults);
    let (options, candidates) = (OpenOptions::new(SecurityLevel::C_MAC), order(1).current_keys);
    let error = block_on(procedure::list(&mut reader, &mut keys(), &candidates, [7; 8], options)).unwrap_err();
    assert!(error.to_string().contains("GET STATUS") && error.to_string().contains("without an end"), "{error}");
    assert!(reader.commands() < 1100);
}

/// Bits to flip at one command: all of the first byte and the last four, and every 29th between.
fn bits(response: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let end = 8 * response.len();
    (0..end).filter(move |bit| *bit < 8 || *bit + 32 >= end || bit % 29 == 0)
}

fn flip_at_every_command(protocol: SecureChannelProtocol, level: SecurityLevel) {
    let reference = Reference::new(protocol, level);
    let mut ends = Vec::new();
    for n in 1..=reference.names.len() {
        for bit in bits(&reference.responses[n - 1]) {
            let what = format!("{protocol:?} {level}: bit {bit} of the answer to {n}, {}", reference.names[n - 1]);
            ends.push(survive(&reference, Faults::none().at(n as u64, Fault::FlipBit(bit)), &what).1);
        }
    }
    assert!(ends.iter().filter(|end| **end == End::Complete).count() * 10 > ends.len() * 7, "most cards are finished");
}

#[test]
fn a_flipped_bit_never_makes_a_wrong_card_under_r_encryption() {
    flip_at_every_command(SCP03, SecurityLevel::FULL);
}

#[test]
fn a_flipped_bit_never_makes_a_wrong_card_without_r_mac() {
    flip_at_every_command(SCP02, SecurityLevel::C_DECRYPTION);
}

/// No cryptogram covers key diversification data and key version, and the new keys come from them.
#[test]
fn flipped_key_diversification_data_never_make_keys_in_a_run_that_resumes() {
    let reference = Reference::new(SCP03, SecurityLevel::FULL);
    // The application has its keys, and of the domain's keys nothing is in the journal.
    let second_session = reference.places_of("INITIALIZE UPDATE")[1] as u64;
    for bit in 0..88 {
        for n in [5, 12] {
            let mut store = MemoryStore::new();
            let cut = Faults::none().at(second_session, Fault::CutBefore);
            let (_, reader) = issue(&reference.order, card(SCP03), &mut store, cut);
            let flip = Faults::none().at(n, Fault::FlipBit(bit));
            let (outcome, reader) = issue(&reference.order, reader.card().twin(), &mut store, flip);
            assert!(matches!(outcome, Err(IssueError::OtherKeyData { .. })), "bit {bit} at {n}: {outcome:?}");
            let (outcome, reader) = issue(&reference.order, reader.card().twin(), &mut store, Faults::none());
            assert!(support::is_complete(&outcome), "bit {bit} at {n}: {outcome:?}");
            assert_eq!(support::snapshot(reader.card()), reference.snapshot);
        }
    }
}

#[test]
fn a_flipped_bit_in_a_protected_answer_is_a_wrong_r_mac() {
    let reference = Reference::new(SCP03, SecurityLevel::FULL);
    for name in ["GET STATUS", "INSTALL [for load]", "LOAD", "PUT KEY"] {
        let n = reference.places_of(name)[0];
        for bit in 0..64 {
            let faults = Faults::none().at(n as u64, Fault::FlipBit(bit));
            let (text, end) = survive(&reference, faults, name);
            let text = text.unwrap();
            assert!(text.contains(name) && text.contains("R-MAC"), "{name}: {text}");
            assert_eq!(end, End::Complete, "{name} is looked at, or done again");
        }
    }
}

const STATUS_WORDS: [u16; 17] = [
    0x6400, 0x6581, 0x6700, 0x6982, 0x6983, 0x6985, 0x6A80, 0x6A84, 0x6A86, 0x6A88, 0x6D00, 0x6E00, 0x6F00, 0x63C0,
    0x63C1, 0x9303, 0xFFFF,
];

#[test]
fn any_status_word_at_any_command_names_the_command_and_the_card_can_be_finished() {
    for protocol in [SCP02, SCP03] {
        let reference = Reference::new(protocol, SecurityLevel::C_DECRYPTION);
        for (n, name) in (1..).zip(&reference.names) {
            for sw in STATUS_WORDS {
                let what = format!("{protocol:?}: {sw:04X} to {n}, {name}");
                let (text, _) = survive(&reference, Faults::none().at(n, Fault::Status(StatusWord(sw))), &what);
                // What a card need not know, or tell, is no error; nor is a status that the step expects.
                let expected = ["GET DATA", "GET STATUS"].contains(name)
                    // Another AID, or the card's own choice of key set, is tried.
                    || (text.is_none() && (n == 1 || *name == "INITIALIZE UPDATE"))
                    // The command is sent again without Le, LOAD with shorter blocks too.
                    || (text.is_none() && sw == 0x6700);
                let in_words = *name == "EXTERNAL AUTHENTICATE";
                let named = text.as_ref().is_some_and(|text| text.contains(name));
                assert!(named || expected || in_words, "{what}: {text:?}");
            }
        }
    }
}

/// The card did as it was told and says that it did not.
#[test]
fn a_command_that_was_executed_and_denied_is_not_done_twice() {
    for protocol in [SCP02, SCP03] {
        let reference = Reference::new(protocol, SecurityLevel::C_DECRYPTION);
        for (n, name) in (1..).zip(&reference.names) {
            for sw in STATUS_WORDS {
                let faults = Faults::none().at(n, Fault::Respond(sw.to_be_bytes().to_vec()));
                let what = format!("{protocol:?}: {sw:04X} after {n}, {name}");
                let (_, end) = survive(&reference, faults, &what);
                // These do not say that nothing was changed, so the card is asked.
                assert!(end == End::Complete || !matches!(sw, 0x6581 | 0x6F00), "{what}: {end:?}");
            }
        }
    }
}
