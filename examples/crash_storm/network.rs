//! The network between servers and terminals: frames of the relay, lost, doubled, late and out of order.

use cardwright::apdu::{CommandApdu, ResponseApdu, Transport, TransportError, TransportErrorKind};
use cardwright::issuance::Answer;
use cardwright::relay::{Body, Frame, Server, SessionId, Terminal, TerminalAction};

use crate::chance::Chance;
use crate::weather::Hazard;

/// How often a server sends a frame again before it gives the session up.
const MAX_RESENDS: u8 = 3;

/// A frame on its way.
pub(crate) struct Packet {
    pub(crate) terminal: usize,
    pub(crate) frame: Frame,
}

/// All frames on their way.
#[derive(Default)]
pub(crate) struct Network(Vec<Packet>);

impl Network {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn send(&mut self, terminal: usize, frame: Frame, chance: &mut Chance) {
        if chance.strikes(Hazard::FrameLost) {
            return;
        }
        if chance.strikes(Hazard::FrameDoubled) {
            self.0.push(Packet { terminal, frame: frame.clone() });
        }
        self.0.push(Packet { terminal, frame });
    }

    /// Any of the frames: they overtake each other.
    pub(crate) fn deliver(&mut self, chance: &mut Chance) -> Option<Packet> {
        let place = chance.dice.below(self.0.len());
        (place < self.0.len()).then(|| self.0.swap_remove(place))
    }
}

/// A server's end of one session with a terminal.
pub(crate) struct Line {
    id: SessionId,
    server: Server,
    open: Option<Frame>,
    resends: u8,
}

impl Line {
    pub(crate) fn new(id: SessionId) -> Self {
        Self { id, server: Server::new(id), open: None, resends: 0 }
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.open.is_some()
    }

    pub(crate) fn asks_for_reset(&self) -> bool {
        self.open.as_ref().is_some_and(|frame| matches!(frame.body, Body::Reset))
    }

    /// Asks the terminal for the first time.
    pub(crate) fn ask(&mut self, body: Body) -> Option<Frame> {
        self.resends = 0;
        self.open = self.server.ask(body).ok();
        self.open.clone()
    }

    /// The open question once more, as long as there is patience.
    pub(crate) fn ask_again(&mut self) -> Option<Frame> {
        self.resends += 1;
        if self.resends > MAX_RESENDS {
            self.open = None;
        }
        self.open.clone()
    }

    /// Takes a frame from the terminal; the answer to the machine's question, when it is one.
    pub(crate) fn take(&mut self, frame: Frame) -> Option<Answer> {
        let (_, reset) = (self.open.as_ref()?, self.asks_for_reset());
        let body = self.server.handle_frame(frame).ok()??;
        self.open = None;
        Some(answer(body, reset))
    }
}

/// What the machine gets when a terminal does not answer any more.
pub(crate) fn line_lost(reset: bool) -> Answer {
    failed(TransportError::unknown(TransportErrorKind::LineLost), reset)
}

fn failed(error: TransportError, reset: bool) -> Answer {
    if reset { Answer::Atr(Err(error)) } else { Answer::Response(Err(error)) }
}

fn answer(body: Body, reset: bool) -> Answer {
    match body {
        Body::Response(bytes) if !reset => Answer::Response(
            ResponseApdu::parse(&bytes).map_err(|_| TransportError::unknown(TransportErrorKind::BrokenOff)),
        ),
        Body::Atr(atr) if reset => Answer::Atr(Ok(atr)),
        Body::Failed(failure) => failed(failure.into(), reset),
        _ => line_lost(reset),
    }
}

/// The terminal takes a frame; what it answers.
pub(crate) fn at_terminal(terminal: &mut Terminal, frame: Frame, card: &mut impl Transport) -> Option<Frame> {
    let result = match terminal.handle_frame(frame).ok()? {
        TerminalAction::Transmit(command) => match CommandApdu::parse(&command) {
            Ok(command) => card.exchange(&command).map(|response| response.to_bytes()),
            Err(_) => Err(TransportError::not_sent(TransportErrorKind::BrokenOff)),
        },
        TerminalAction::Reset => card.reset(),
        TerminalAction::Send(frame) => return Some(frame),
        TerminalAction::Ignore | TerminalAction::Close => return None,
    };
    terminal.executed(result).ok()
}
