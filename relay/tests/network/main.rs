//! Terminals and a server over real sockets, with somebody on the wire between them.

mod wire;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cardwright_apdu::transport::InProcess;
use cardwright_apdu::{Delivery, Transport, TransportError};
use cardwright_relay::{
    ChannelLimits, HandshakeError, Identity, LineError, Record, RecordError, Refusal, RelayNotice, RelayServer, Roster,
    SealedCard, ServerLimits, SessionId, Stay, TerminalClient, TerminalLimits, challenge, hello,
};
use wire::{Act, Wiretap};

const LIMITS: ServerLimits = ServerLimits {
    channel: ChannelLimits { heartbeat_ms: 100, grace_ms: 1_500, command_ms: 5_000 },
    greeting: Duration::from_millis(400),
    lines: 16,
    sessions: 4,
};
const TERMINAL: TerminalLimits = TerminalLimits {
    heartbeat: Duration::from_millis(50),
    greeting: Duration::from_millis(500),
    retry: Duration::from_millis(5),
    give_up: Duration::from_secs(2),
};
const COMMANDS: u8 = 40;

fn kiosk(n: u8) -> Identity {
    Identity::new(&[n; 32])
}

/// A server and what it told.
struct World {
    server: Arc<RelayServer>,
    address: SocketAddr,
    notices: Receiver<RelayNotice>,
}

impl World {
    fn new(serve: impl Fn(SealedCard) + Send + Sync + 'static) -> Self {
        let roster = format!("kiosk-2 {} admitted\nkiosk-3 {} admitted", kiosk(2).public_key(), kiosk(3).public_key());
        let (told, notices) = channel();
        let told = Mutex::new(told);
        let notify = move |notice| {
            let _ = told.lock().unwrap().send(notice);
        };
        let server = Arc::new(RelayServer::new(kiosk(1), Roster::parse(&roster).unwrap(), LIMITS, notify));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let running = Arc::clone(&server);
        std::thread::spawn(move || running.run(&listener, serve).unwrap());
        Self { server, address, notices }
    }

    fn refusal(&self) -> LineError {
        loop {
            match self.notices.recv_timeout(Duration::from_secs(5)).expect("a refusal") {
                RelayNotice::Refused { error, .. } => return error,
                _ => continue,
            }
        }
    }

    fn waits_for_no_lines(&self) {
        let until = Instant::now() + Duration::from_secs(5);
        while self.server.lines() > 0 {
            assert!(Instant::now() < until, "{:?}", self.server);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.stop(self.address);
    }
}

fn client(n: u8) -> TerminalClient {
    TerminalClient::new(kiosk(n), vec![kiosk(1).public_key()], TERMINAL)
}

fn stay() -> Stay {
    Stay { slot: 0, insertion: [7; 8], atr: vec![0x3B, 0x00] }
}

/// A card that counts what it gets, and a text that is in every command and response.
fn card() -> (Arc<Mutex<Vec<u8>>>, impl Transport) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&got);
    let card = InProcess::new(move |command: &[u8]| {
        log.lock().unwrap().push(command[3]);
        [&command[5..], &[0x90, 0x00]].concat()
    });
    (got, card)
}

const SECRET: &[u8] = b"nobody else reads this";

fn command(n: u8) -> Vec<u8> {
    [&[0x80, 0xE2, 0x00, n, SECRET.len() as u8], SECRET].concat()
}

/// Sends all commands; gives what came of each.
fn ask_all(results: Sender<Vec<Result<Vec<u8>, TransportError>>>) -> impl Fn(SealedCard) + Send + Sync {
    let results = Mutex::new(results);
    move |mut card| {
        let ask = |n| {
            let mut response = Vec::new();
            card.transmit(&command(n), &mut response).map(|()| response)
        };
        let all = (0..COMMANDS).map(ask).collect();
        let _ = results.lock().unwrap().send(all);
    }
}

/// Serves a card through a wire; true when every command had its answer, and the card got each exactly once.
fn serve_through(act: impl FnMut(usize, bool, usize) -> Act + Send + 'static) -> Wiretap {
    let (results, result) = channel();
    let world = World::new(ask_all(results));
    let wire = Wiretap::new(world.address, act);
    let (got, mut card) = card();
    client(2).serve(wire.address, &stay(), &mut card, |_| {}).unwrap();
    let answers = result.recv_timeout(Duration::from_secs(5)).unwrap();
    for answer in answers {
        assert_eq!(answer.unwrap(), [SECRET, &[0x90, 0x00]].concat());
    }
    let expected: Vec<u8> = (0..COMMANDS).collect();
    assert_eq!(*got.lock().unwrap(), expected);
    wire
}

#[test]
fn a_line_that_breaks_anywhere_costs_no_command_and_repeats_none() {
    // Every connection ends after some bytes in one of the directions: five or more connections a run.
    for bytes in [470, 555, 640, 733] {
        for to_terminal in [false, true] {
            let wire = serve_through(move |connection, towards, passed| {
                let cut = bytes + 37 * connection;
                if towards == to_terminal && passed >= cut { Act::Cut } else { Act::Pass }
            });
            assert!(wire.connections() > 4, "{} connections", wire.connections());
        }
    }
}

#[test]
fn nothing_on_the_wire_can_be_read_and_what_is_altered_is_not_believed() {
    let wire = serve_through(|_, _, _| Act::Pass);
    let recorded = wire.recorded();
    assert!(recorded.len() > 2 * usize::from(COMMANDS) * SECRET.len());
    assert!(!recorded.windows(5).any(|window| SECRET.windows(5).any(|part| part == window)));
    // A bit is flipped on each of the first lines, in one direction and then in the other.
    let wire = serve_through(|connection, towards, passed| {
        let at = 500 + 37 * connection;
        if connection < 6 && towards == (connection % 2 == 0) && at <= passed && passed < at + 600 {
            Act::Flip
        } else {
            Act::Pass
        }
    });
    assert!(wire.connections() >= 6, "{} connections", wire.connections());
}

#[test]
fn an_unknown_terminal_is_refused_and_an_unknown_server_too() {
    let world = World::new(|_| panic!("a session"));
    let (got, mut card) = card();
    let refused = client(9).serve(world.address, &stay(), &mut card, |_| {}).unwrap_err();
    assert!(matches!(refused, LineError::Handshake(HandshakeError::Refused(Refusal::NotAdmitted))), "{refused}");
    assert!(matches!(world.refusal(), LineError::Handshake(HandshakeError::UnknownTerminal { .. })));

    let other = TerminalClient::new(kiosk(2), vec![kiosk(8).public_key()], TERMINAL);
    let refused = other.serve(world.address, &stay(), &mut card, |_| {}).unwrap_err();
    assert!(matches!(refused, LineError::Handshake(HandshakeError::UnknownServer { .. })), "{refused}");
    assert!(got.lock().unwrap().is_empty());
    world.waits_for_no_lines();
}

#[test]
fn a_terminal_that_dies_leaves_its_command_open_and_begins_anew() {
    let (results, result) = channel();
    let world = World::new(ask_all(results));
    // The card answers the fourth command with the death of its terminal.
    let (dies, mut seen) = (Mutex::new(()), 0);
    let dead = std::thread::scope(|scope| {
        let dying = scope.spawn(|| {
            let mut card = InProcess::new(move |command: &[u8]| {
                seen += 1;
                assert!(seen < 4, "the terminal dies here");
                [&command[5..], &[0x90, 0x00]].concat()
            });
            let _dies = &dies;
            client(2).serve(world.address, &stay(), &mut card, |_| {})
        });
        dying.join()
    });
    assert!(dead.is_err());
    let (got, mut card) = card();
    let begun = Instant::now();
    client(2).serve(world.address, &stay(), &mut card, |_| {}).unwrap();
    assert!(begun.elapsed() < Duration::from_millis(LIMITS.channel.grace_ms), "nobody waits for the dead terminal");
    let first = result.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(first[..3].iter().all(Result::is_ok));
    assert_eq!(first[3].as_ref().unwrap_err().delivery, Delivery::Unknown);
    assert!(first[4..].iter().all(|answer| answer.as_ref().is_err_and(|error| error.delivery == Delivery::NotSent)));
    // The second session is whole.
    assert!(result.recv_timeout(Duration::from_secs(5)).unwrap().iter().all(Result::is_ok));
    assert_eq!(got.lock().unwrap().len(), usize::from(COMMANDS));
}

#[test]
fn another_terminal_cannot_go_on_with_a_session() {
    let (ids, id) = channel::<SessionId>();
    let ids = Mutex::new(ids);
    let world = World::new(move |mut card| {
        ids.lock().unwrap().send(card.session()).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let _ = card.reset();
    });
    let address = world.address;
    let terminal = std::thread::spawn(move || {
        let (_, mut card) = card();
        client(2).serve(address, &stay(), &mut card, |_| {})
    });
    let session = id.recv_timeout(Duration::from_secs(5)).unwrap();
    // Enrolled, with its own key, and the id that it saw on the wire.
    let mut stream = TcpStream::connect(world.address).unwrap();
    let challenge = Record::read(&mut stream, 512).unwrap().unwrap();
    let (hello, awaiting) = hello(&kiosk(3), &challenge, stay(), Some(session), [5; 32]).unwrap();
    stream.write_all(&hello.to_bytes()).unwrap();
    let answer = awaiting.handle_answer(Record::read(&mut stream, 512).unwrap().unwrap(), &[kiosk(1).public_key()]);
    assert_eq!(answer.unwrap_err(), HandshakeError::Refused(Refusal::OtherTerminal));
    assert!(matches!(world.refusal(), LineError::Refused(Refusal::OtherTerminal)));
    // Whose session it is does not notice.
    terminal.join().unwrap().unwrap();
}

#[test]
fn whoever_is_silent_slow_or_too_big_is_closed() {
    let world = World::new(|_| panic!("a session"));
    let is_closed = |mut stream: TcpStream| {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut rest = Vec::new();
        // Reset or end, but not the time-out.
        match stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    };
    // Before keys are agreed on, a record is short.
    let mut stream = TcpStream::connect(world.address).unwrap();
    stream.write_all(&[0, 0, 0x02, 0x01]).unwrap();
    assert!(matches!(world.refusal(), LineError::Record(RecordError::Length { limit: 512, actual: 513 })));
    drop(stream);
    // Says nothing at all; stops inside a record; claims four gigabytes; is no terminal.
    for bytes in [&b""[..], &[0, 0, 1, 0, 2, 0x11], &[0xFF; 64], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect(world.address).unwrap();
        stream.write_all(bytes).unwrap();
        if bytes.len() == 6 {
            // The rest of the record would take ten seconds; nobody waits for that here.
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        }
        is_closed(stream);
    }
    world.waits_for_no_lines();
    // More lines than the server takes: the next is closed at once, and those before are not forgotten.
    let crowd: Vec<_> = (0..LIMITS.lines).map(|_| TcpStream::connect(world.address).unwrap()).collect();
    let before = Instant::now();
    is_closed(TcpStream::connect(world.address).unwrap());
    assert!(before.elapsed() < LIMITS.greeting);
    crowd.into_iter().for_each(is_closed);
    world.waits_for_no_lines();
}

#[test]
fn a_line_that_falls_silent_is_given_up_and_its_session_too() {
    let (results, result) = channel();
    let world = World::new(ask_all(results));
    let wire = Wiretap::new(world.address, |_, _, passed| if passed >= 1_500 { Act::Swallow } else { Act::Pass });
    let (got, mut card) = card();
    let lost = client(2).serve(wire.address, &stay(), &mut card, |_| {});
    // Every line of this wire falls silent; each carries some commands further, or the session ends: both are right.
    if lost.is_ok() {
        assert_eq!(got.lock().unwrap().len(), usize::from(COMMANDS));
    }
    let answers = result.recv_timeout(Duration::from_secs(10)).unwrap();
    let answered = answers.iter().take_while(|answer| answer.is_ok()).count();
    let executed = got.lock().unwrap().len();
    assert!(executed == answered || executed == answered + 1, "{executed} executed, {answered} answered");
    drop(wire);
    world.waits_for_no_lines();
}

#[test]
fn a_greeting_can_be_recorded_but_not_played_again() {
    let (results, result) = channel();
    let world = World::new(ask_all(results));
    let wire = Wiretap::new(world.address, |_, _, _| Act::Pass);
    let (_, mut card) = card();
    client(2).serve(wire.address, &stay(), &mut card, |_| {}).unwrap();
    result.recv().unwrap();
    let (_, mut replayed) = (challenge([0; 32]), TcpStream::connect(world.address).unwrap());
    replayed.write_all(&wire.recorded_to_server()).unwrap();
    assert!(matches!(world.refusal(), LineError::Handshake(HandshakeError::ForgedHello { .. })));
    world.waits_for_no_lines();
    assert_eq!(world.server.sessions(), 0);
}
