use proptest::prelude::*;

use super::*;
use crate::record::{Content, Sealed};
use crate::roster::Roster;
use crate::seal::SealError;

const SESSION: SessionId = SessionId([5; 16]);
const COMMAND: &[u8] = b"a command with a key in it";

fn server() -> Identity {
    Identity::new(&[1; 32])
}

fn kiosk(n: u8) -> Identity {
    Identity::new(&[n; 32])
}

fn roster() -> Roster {
    let text = format!(
        "kiosk-2 {} admitted\nkiosk-3 {} admitted\nkiosk-4 {} suspended\nkiosk-5 {} revoked",
        kiosk(2).public_key(),
        kiosk(3).public_key(),
        kiosk(4).public_key(),
        kiosk(5).public_key()
    );
    Roster::parse(&text).unwrap()
}

fn stay() -> Stay {
    Stay { slot: 0, insertion: [6; 8], atr: vec![0x3B, 0x00] }
}

/// What goes over the wire up to both ends of a line.
struct Greeting {
    challenge: Record,
    hello: Record,
    welcome: Record,
    server: Line,
    terminal: Line,
}

fn greeting(seed: u8) -> Greeting {
    let (challenge, awaiting) = super::challenge([seed; 32]);
    let (hello, terminal) = super::hello(&kiosk(2), &challenge, stay(), None, [seed ^ 0x55; 32]).unwrap();
    let claim = awaiting.handle_hello(hello.clone(), &server(), &roster()).unwrap();
    assert_eq!((&claim.name[..], &claim.stay, claim.resume), ("kiosk-2", &stay(), None));
    let (welcome, server_line) = claim.welcome(&server(), SESSION, 1, [seed ^ 0xAA; 32]).unwrap();
    let terminal = terminal.handle_answer(welcome.clone(), &[server().public_key()]).unwrap();
    Greeting { challenge, hello, welcome, server: server_line, terminal }
}

#[test]
fn both_ends_read_each_other() {
    let mut line = greeting(1);
    for n in 0..5_u8 {
        let command = line.server.sealer.seal(Content::Frame, &[n; 300]).unwrap();
        assert_eq!(&line.terminal.opener.open(&command).unwrap()[..], [n; 300]);
        let answer = line.terminal.sealer.seal(Content::Heartbeat, &[n]).unwrap();
        assert_eq!(&line.server.opener.open(&answer).unwrap()[..], [n]);
    }
}

#[test]
fn a_terminal_that_is_not_admitted_gets_no_line_and_is_told() {
    for (n, unknown) in [(9, true), (4, false), (5, false)] {
        let (challenge, awaiting) = challenge([1; 32]);
        let (hello, terminal) = hello(&kiosk(n), &challenge, stay(), None, [2; 32]).unwrap();
        let (error, told) = awaiting.handle_hello(hello, &server(), &roster()).unwrap_err();
        assert_eq!(matches!(error, HandshakeError::UnknownTerminal { .. }), unknown, "{error}");
        assert_eq!(matches!(error, HandshakeError::NotAdmitted { .. }), !unknown, "{error}");
        let answer = terminal.handle_answer(told.unwrap(), &[server().public_key()]);
        assert_eq!(answer.unwrap_err(), HandshakeError::Refused(Refusal::NotAdmitted));
    }
}

#[test]
fn a_hello_counts_for_its_challenge_alone() {
    let recorded = greeting(1).hello;
    let (_, awaiting) = challenge([2; 32]);
    let (error, told) = awaiting.handle_hello(recorded, &server(), &roster()).unwrap_err();
    assert_eq!(error, HandshakeError::ForgedHello { name: "kiosk-2".into() });
    assert!(told.is_none());
}

#[test]
fn a_welcome_counts_for_its_hello_alone() {
    let recorded = greeting(1).welcome;
    let challenge = greeting(1).challenge;
    let (_, terminal) = hello(&kiosk(2), &challenge, stay(), None, [9; 32]).unwrap();
    let answer = terminal.handle_answer(recorded, &[server().public_key()]);
    assert_eq!(answer.unwrap_err(), HandshakeError::ForgedAnswer { server: server().public_key() });
}

#[test]
fn who_only_saw_the_public_key_of_the_line_cannot_command() {
    // Somebody in the middle encapsulates a key of his own to the terminal's.
    let attacker = Identity::new(&[66; 32]);
    for pinned_name in [false, true] {
        let (challenge, awaiting) = challenge([1; 32]);
        let (hello, terminal) = hello(&kiosk(2), &challenge, stay(), None, [2; 32]).unwrap();
        let claim = awaiting.handle_hello(hello, &server(), &roster()).unwrap();
        let (welcome, _) = claim.welcome(&attacker, SESSION, 1, [3; 32]).unwrap();
        let Record::Welcome(mut welcome) = welcome else { unreachable!() };
        if pinned_name {
            welcome.server = *server().public_key().as_bytes();
        }
        let answer = terminal.handle_answer(Record::Welcome(welcome), &[server().public_key()]).unwrap_err();
        assert_eq!(matches!(answer, HandshakeError::ForgedAnswer { .. }), pinned_name, "{answer}");
        assert_eq!(matches!(answer, HandshakeError::UnknownServer { .. }), !pinned_name, "{answer}");
    }
}

#[test]
fn a_refusal_needs_the_servers_signature() {
    let (challenge, _) = challenge([1; 32]);
    let (_, terminal) = hello(&kiosk(2), &challenge, stay(), None, [2; 32]).unwrap();
    let server_key = *server().public_key().as_bytes();
    let forged = Refused { server: server_key, reason: Refusal::NotAdmitted, signature: [1; 64] };
    let answer = terminal.handle_answer(Record::Refused(Box::new(forged)), &[server().public_key()]);
    assert_eq!(answer.unwrap_err(), HandshakeError::ForgedAnswer { server: server().public_key() });
}

#[test]
fn a_line_key_that_is_none_is_refused() {
    let (challenge, awaiting) = challenge([1; 32]);
    let (hello, _) = hello(&kiosk(2), &challenge, stay(), None, [2; 32]).unwrap();
    let Record::Hello(mut hello) = hello else { unreachable!() };
    // The point of order one: the shared secret would be known to all.
    hello.ephemeral = [0; 32];
    let Record::Challenge { nonce } = challenge else { unreachable!() };
    hello.signature = kiosk(2).sign(Purpose::Hello, &signed_hello(&nonce, &hello));
    let claim = awaiting.handle_hello(Record::Hello(hello), &server(), &roster()).unwrap();
    assert_eq!(claim.welcome(&server(), SESSION, 1, [3; 32]).unwrap_err(), HandshakeError::NoKey);
}

/// A conversation of four commands and answers, as somebody on the wire sees it.
fn conversation(line: &mut Greeting) -> (Vec<Sealed>, Vec<Sealed>) {
    let commands = (0..4).map(|_| line.server.sealer.seal(Content::Frame, COMMAND).unwrap()).collect();
    let answers = (0..4).map(|_| line.terminal.sealer.seal(Content::Frame, COMMAND).unwrap()).collect();
    (commands, answers)
}

#[test]
fn a_recorded_conversation_shows_no_plaintext() {
    let mut line = greeting(1);
    let (commands, answers) = conversation(&mut line);
    let records = commands.into_iter().chain(answers).map(Record::Sealed);
    let recorded: Vec<u8> = [line.challenge, line.hello, line.welcome]
        .into_iter()
        .chain(records)
        .flat_map(|record| record.to_bytes())
        .collect();
    assert!(recorded.len() > 8 * COMMAND.len());
    assert!(!recorded.windows(6).any(|window| COMMAND.windows(6).any(|part| part == window)));
}

#[test]
fn what_was_sealed_for_a_terminal_is_of_no_use_elsewhere() {
    let (mut line, mut same_server_other_line) = (greeting(1), greeting(2));
    let (commands, answers) = conversation(&mut line);
    // The same session, the same epoch, the same number: another greeting.
    assert_eq!(same_server_other_line.terminal.opener.open(&commands[0]), Err(SealError::Forged { number: 0 }));
    assert_eq!(same_server_other_line.server.opener.open(&answers[0]), Err(SealError::Forged { number: 0 }));
    // Nor back to where it came from.
    assert_eq!(line.server.opener.open(&commands[0]), Err(SealError::Forged { number: 0 }));
    assert_eq!(line.terminal.opener.open(&answers[0]), Err(SealError::Forged { number: 0 }));
}

#[test]
fn what_is_not_in_the_record_is_covered_too() {
    // Both ends agree on all but the card.
    let mut line = greeting(1);
    let command = line.server.sealer.seal(Content::Frame, COMMAND).unwrap();
    let mut other = greeting(1).terminal.opener;
    assert!(other.open(&command).is_ok());
    let mut other = greeting(1).terminal.opener;
    other.other_card();
    assert_eq!(other.open(&command), Err(SealError::Forged { number: 0 }));
}

proptest! {
    /// What a person on the wire can do to a conversation: the receiver takes records up to the first that was touched, and
    /// none after it.
    #[test]
    fn a_recorded_conversation_cannot_be_replayed_altered_or_reordered(
        to_terminal: bool, at in 0_usize..4, act in 0..6, byte: prop::sample::Index, bit in 0_u8..8,
    ) {
        let mut line = greeting(1);
        let (commands, answers) = conversation(&mut line);
        let (mut records, mut opener) = match to_terminal {
            true => (commands, line.terminal.opener),
            false => (answers, line.server.opener),
        };
        let whole = records.clone();
        match act {
            0 => records.insert(at, records[at.saturating_sub(1)].clone()),
            1 => { records.remove(at); }
            2 => records.swap(at, (at + 1) % 4),
            3 => { let n = byte.index(records[at].ciphertext.len()); records[at].ciphertext[n] ^= 1_u8 << bit; }
            4 => records[at].content = Content::Heartbeat,
            _ => records[at].epoch += 1,
        }
        let taken = records.iter().take_while(|record| opener.open(record).is_ok()).count();
        let untouched = records.iter().zip(&whole).take_while(|(now, then)| now == then).count();
        prop_assert_eq!(taken, untouched);
        if taken < records.len() {
            prop_assert_eq!(opener.open(&whole[taken.min(3)]), Err(SealError::Broken));
        }
    }

    /// One bit of a greeting is enough.
    #[test]
    fn an_altered_greeting_leads_to_no_line(hello_or_welcome: bool, byte: prop::sample::Index, bit in 0_u8..8) {
        let flip = |record: &Record| {
            let mut bytes = record.to_bytes()[4..].to_vec();
            let n = 2 + byte.index(bytes.len() - 2);
            bytes[n] ^= 1_u8 << bit;
            Record::parse(&bytes).ok()
        };
        let (challenge, awaiting) = challenge([1; 32]);
        let (hello, terminal) = hello(&kiosk(2), &challenge, stay(), None, [2; 32]).unwrap();
        if hello_or_welcome {
            let claim = flip(&hello).map(|hello| awaiting.handle_hello(hello, &server(), &roster()));
            prop_assert!(!matches!(claim, Some(Ok(_))));
        } else {
            let claim = awaiting.handle_hello(hello, &server(), &roster()).unwrap();
            let (welcome, _) = claim.welcome(&server(), SESSION, 1, [3; 32]).unwrap();
            let line = flip(&welcome).map(|welcome| terminal.handle_answer(welcome, &[server().public_key()]));
            prop_assert!(!matches!(line, Some(Ok(_))));
        }
    }
}
