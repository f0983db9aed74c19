use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cardwright_apdu::Transport;

use crate::drive::transmit;
use crate::frame::{Frame, SessionId};
use crate::handshake::{self, HandshakeError, Line};
use crate::identity::{Identity, PublicKey};
use crate::record::{Content, MAX_GREETING, MAX_RECORD, Refusal, Stay};
use crate::session::{Terminal, TerminalAction};
use crate::tcp::wire::{Sending, Wire, prepare, write};
use crate::tcp::{LineError, random};

/// How patient a terminal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalLimits {
    /// Between two heartbeats; a line is given up when the server is silent for three.
    pub heartbeat: Duration,
    /// How long connecting and greeting may take.
    pub greeting: Duration,
    /// Before another try after a lost line; doubled each time, up to ten seconds.
    pub retry: Duration,
    /// How long a terminal tries to come back.
    pub give_up: Duration,
}

impl Default for TerminalLimits {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(5),
            greeting: Duration::from_secs(10),
            retry: Duration::from_millis(100),
            give_up: Duration::from_secs(120),
        }
    }
}

/// Serves cards to the servers that it pins.
#[derive(Debug)]
pub struct TerminalClient {
    identity: Identity,
    servers: Vec<PublicKey>,
    limits: TerminalLimits,
}

impl TerminalClient {
    /// A terminal with this identity, for servers with these.
    #[must_use]
    pub fn new(identity: Identity, servers: Vec<PublicKey>, limits: TerminalLimits) -> Self {
        Self { identity, servers, limits }
    }

    /// Serves one card until the server is done with it. A line that breaks is built anew, and the session goes on where it was;
    /// `notify` hears of it.
    ///
    /// # Errors
    /// [`LineError`]: at once when the server is not the right one or does not admit this terminal, else when a line could not be
    /// had for [`TerminalLimits::give_up`].
    pub fn serve(
        &self,
        address: SocketAddr,
        stay: &Stay,
        card: &mut dyn Transport,
        mut notify: impl FnMut(&LineError),
    ) -> Result<(), LineError> {
        let mut memory = Memory { session: None, terminal: Terminal::new() };
        let (mut retry, mut lost) = (self.limits.retry, Instant::now());
        loop {
            let mut had_line = false;
            let error = match self.line(address, stay, card, &mut memory, &mut had_line) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if had_line {
                (retry, lost) = (self.limits.retry, Instant::now());
            }
            if is_final(&error) || lost.elapsed() > self.limits.give_up {
                return Err(error);
            }
            notify(&error);
            std::thread::sleep(retry);
            retry = (retry * 2).min(Duration::from_secs(10));
        }
    }

    fn line(
        &self,
        address: SocketAddr,
        stay: &Stay,
        card: &mut dyn Transport,
        memory: &mut Memory,
        had_line: &mut bool,
    ) -> Result<(), LineError> {
        let stream = TcpStream::connect_timeout(&address, self.limits.greeting)?;
        prepare(&stream)?;
        let mut wire = Wire::new(&stream);
        let challenge = wire.read(MAX_GREETING, self.limits.greeting)?;
        let (hello, awaiting) = handshake::hello(&self.identity, &challenge, stay.clone(), memory.session, random()?)?;
        write(&stream, &hello)?;
        // The server may have to see to it first that an earlier session of this reader ends.
        let answer = wire.read(MAX_GREETING, self.limits.greeting * 2)?;
        let Line { session, mut opener, sealer, .. } = awaiting.handle_answer(answer, &self.servers)?;
        if memory.session != Some(session) {
            *memory = Memory { session: Some(session), terminal: Terminal::new() };
        }
        *had_line = true;
        let sending = Mutex::new(Sending::new(sealer, stream.try_clone()?));
        std::thread::scope(|scope| {
            let (stop, stopped) = channel::<()>();
            let (sending, heartbeat) = (&sending, self.limits.heartbeat);
            let beat = move || {
                while lock(sending).heartbeat().is_ok() {
                    if stopped.recv_timeout(heartbeat) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                }
            };
            std::thread::Builder::new().name("heartbeat".into()).spawn_scoped(scope, beat)?;
            // Dropped when this ends, however it does: the heart stops then.
            let _stop = stop;
            loop {
                let record = wire.read_sealed(MAX_RECORD, heartbeat * 3)?;
                let opened = opener.open(&record)?;
                if record.content == Content::Heartbeat {
                    continue;
                }
                let answer = match memory.terminal.handle_frame(Frame::parse(&opened)?)? {
                    TerminalAction::Transmit(command) => memory.terminal.executed(transmit(card, &command))?,
                    TerminalAction::Reset => memory.terminal.executed(card.reset())?,
                    TerminalAction::Send(frame) => frame,
                    TerminalAction::Ignore => continue,
                    TerminalAction::Close => return Ok(()),
                };
                lock(sending).send(&answer)?;
            }
        })
    }
}

/// What a terminal knows of a session from one line to the next. It is lost with the program, and the session with it.
struct Memory {
    session: Option<SessionId>,
    terminal: Terminal,
}

fn lock(sending: &Mutex<Sending>) -> MutexGuard<'_, Sending> {
    sending.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether another try would end in the same way.
fn is_final(error: &LineError) -> bool {
    matches!(
        error,
        LineError::Handshake(
            HandshakeError::UnknownServer { .. }
                | HandshakeError::Refused(Refusal::NotAdmitted | Refusal::OtherTerminal | Refusal::Other(_))
        )
    )
}
