//! The server's end of one session, pure: lines come and go, questions and answers stay in order.
//!
//! | from | event | guard | next | effect |
//! |---|---|---|---|---|
//! | Idle | hello | the handshake admitted the terminal | Opening | |
//! | Opening | heard | | Open | |
//! | Opening, Open, Transacting | hello of the same card | | same, next epoch | the line before is closed |
//! | Open | ask | | Transacting | the question goes out, when the line is confirmed |
//! | Open, Transacting | heard, first on a line | | same | an open question goes out again, under its number |
//! | Transacting | answer | its number | Open | answer |
//! | Transacting | answer: no card any more | its number | Removed | answer |
//! | Open, Transacting | answer | a number that was answered | same | |
//! | Open, Transacting | frame | cannot follow | Lost | failure, the line is closed |
//! | Opening, Open, Transacting | line lost | of this epoch | same, without a line | |
//! | Opening, Open, Transacting | tick | nothing heard for three heartbeats | same, without a line | the line is closed |
//! | Opening, Open, Transacting | tick | without a line for too long | Lost | failure |
//! | Transacting | tick | the card takes too long | Lost | failure, the line is closed |
//! | Opening, Open, Transacting | evict | a newer session in this reader | Evicted | failure, the line is closed |
//! | Open, Removed | close | | Closed | close goes out, the line is closed |
//! | Transacting, Opening | close | | Lost | the line is closed |
//! | Lost, Removed, Evicted, Closed | ask | | same | failure, not sent |
//!
//! A failure says of a question that went out that the card may have executed it. A question is never given another number: the
//! terminal's memory of its last answer is what keeps it from the card a second time, and a terminal without that memory begins
//! another session.

use cardwright_apdu::{TransportError, TransportErrorKind};
use thiserror::Error;

use crate::frame::{Body, Failure, Frame, SessionId};
use crate::session::{Server, SessionError};

/// How long things may take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelLimits {
    /// Between two heartbeats; a line is given up after three.
    pub heartbeat_ms: u64,
    /// How long a session waits for a line.
    pub grace_ms: u64,
    /// How long a card may take for a command.
    pub command_ms: u64,
}

impl Default for ChannelLimits {
    fn default() -> Self {
        Self { heartbeat_ms: 5_000, grace_ms: 30_000, command_ms: 60_000 }
    }
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelState {
    /// No terminal yet.
    Idle,
    /// A terminal said who it is.
    Opening,
    /// The card waits for a question.
    Open,
    /// A question is open.
    Transacting,
    /// Over, as the server wished.
    Closed,
    /// Over: nobody can tell where the card is.
    Lost(Loss),
    /// Over: the card was taken out.
    Removed,
    /// Over: the terminal came back without knowing of this session.
    Evicted,
}

/// Why a session was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Loss {
    /// No line for too long.
    #[error("the terminal did not come back")]
    Line,
    /// The card did not answer.
    #[error("the card took too long")]
    Command,
    /// A frame that cannot follow.
    #[error(transparent)]
    Frame(SessionError),
    /// Closed in the middle of a question.
    #[error("closed in the middle")]
    Unanswered,
}

/// What happens to a session.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChannelEvent {
    /// The handshake of a new line came to its end.
    Hello,
    /// A sealed heartbeat came over the line of this epoch.
    Heard {
        /// Number of the line.
        epoch: u32,
    },
    /// A sealed frame came over the line of this epoch.
    Frame {
        /// Number of the line.
        epoch: u32,
        /// The frame.
        frame: Frame,
    },
    /// The line of this epoch ended.
    LineLost {
        /// Number of the line.
        epoch: u32,
    },
    /// The server wants something of the card.
    Ask(Body),
    /// The server is done with the card.
    Close,
    /// A newer session has this reader.
    Evict,
    /// Time went by.
    Tick,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelEffect {
    /// Seal this frame and send it over the line.
    Send(Frame),
    /// The line takes no more; what was sent on it before may still arrive.
    CloseLine,
    /// The answer to the open question.
    Answer(Body),
    /// There is none.
    Fail(TransportError),
}

/// An event that cannot follow. The session stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// A question while one is open, or before the session is.
    #[error("a question where none can be: the session is {0:?}")]
    Question(ChannelState),
    /// A line for a session that is over.
    #[error("the session is over: {0:?}")]
    Over(ChannelState),
}

/// One session at the server.
#[derive(Debug)]
pub struct Channel {
    limits: ChannelLimits,
    state: ChannelState,
    server: Server,
    epoch: u32,
    line: Option<LineState>,
    /// Since when there is no line.
    without_line_ms: u64,
    question: Option<Question>,
}

#[derive(Debug)]
struct LineState {
    is_confirmed: bool,
    heard_ms: u64,
}

#[derive(Debug)]
struct Question {
    frame: Frame,
    is_sent: bool,
    since_ms: u64,
}

impl Channel {
    /// A session without a terminal.
    #[must_use]
    pub fn new(session: SessionId, limits: ChannelLimits, at_ms: u64) -> Self {
        let server = Server::new(session);
        let state = ChannelState::Idle;
        Self { limits, state, server, epoch: 0, line: None, without_line_ms: at_ms, question: None }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> ChannelState {
        self.state
    }

    /// Number of its line, 0 before the first.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether it can go on.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.state, ChannelState::Opening | ChannelState::Open | ChannelState::Transacting)
    }

    /// Takes an event at a time, in milliseconds on any clock that only goes forward.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn handle(&mut self, event: ChannelEvent, at_ms: u64) -> Result<Vec<ChannelEffect>, ChannelError> {
        match event {
            ChannelEvent::Hello => self.hello(at_ms),
            ChannelEvent::Heard { epoch } => Ok(self.heard(epoch, at_ms)),
            ChannelEvent::Frame { epoch, frame } => Ok(self.frame(epoch, frame, at_ms)),
            ChannelEvent::LineLost { epoch } => {
                if epoch == self.epoch {
                    self.drop_line(at_ms);
                }
                Ok(Vec::new())
            }
            ChannelEvent::Ask(body) => self.ask(body, at_ms),
            ChannelEvent::Close => Ok(self.close()),
            ChannelEvent::Evict if self.is_live() => Ok(self.end(ChannelState::Evicted)),
            ChannelEvent::Tick => Ok(self.tick(at_ms)),
            ChannelEvent::Evict => Ok(Vec::new()),
        }
    }

    fn hello(&mut self, at_ms: u64) -> Result<Vec<ChannelEffect>, ChannelError> {
        if self.state == ChannelState::Idle {
            self.state = ChannelState::Opening;
        } else if !self.is_live() {
            return Err(ChannelError::Over(self.state));
        }
        self.epoch = self.epoch.checked_add(1).ok_or(ChannelError::Over(self.state))?;
        let before = self.line.replace(LineState { is_confirmed: false, heard_ms: at_ms });
        Ok(before.map(|_| ChannelEffect::CloseLine).into_iter().collect())
    }

    fn heard(&mut self, epoch: u32, at_ms: u64) -> Vec<ChannelEffect> {
        let Some(line) = self.line.as_mut().filter(|_| epoch == self.epoch) else { return Vec::new() };
        line.heard_ms = at_ms;
        if std::mem::replace(&mut line.is_confirmed, true) {
            return Vec::new();
        }
        if self.state == ChannelState::Opening {
            self.state = ChannelState::Open;
        }
        // The terminal executes it, or answers from memory: which of the two it cannot be told from here.
        self.question.as_mut().map(Question::send).into_iter().collect()
    }

    fn frame(&mut self, epoch: u32, frame: Frame, at_ms: u64) -> Vec<ChannelEffect> {
        if epoch != self.epoch || !self.is_live() {
            return Vec::new();
        }
        let mut effects = self.heard(epoch, at_ms);
        match self.server.handle_frame(frame) {
            Ok(Some(body)) => {
                self.question = None;
                self.state = if is_removal(&body) { ChannelState::Removed } else { ChannelState::Open };
                effects.push(ChannelEffect::Answer(body));
            }
            Ok(None) => {}
            Err(error) => effects.extend(self.end(ChannelState::Lost(Loss::Frame(error)))),
        }
        effects
    }

    fn ask(&mut self, body: Body, at_ms: u64) -> Result<Vec<ChannelEffect>, ChannelError> {
        match self.state {
            ChannelState::Open => {}
            ChannelState::Removed => return Ok(vec![not_sent(TransportErrorKind::CardRemoved)]),
            ChannelState::Lost(_) | ChannelState::Evicted | ChannelState::Closed => {
                return Ok(vec![not_sent(TransportErrorKind::LineLost)]);
            }
            state => return Err(ChannelError::Question(state)),
        }
        let frame = self.server.ask(body).map_err(|_| ChannelError::Question(self.state))?;
        self.state = ChannelState::Transacting;
        let mut question = Question { frame, is_sent: false, since_ms: at_ms };
        let is_confirmed = self.line.as_ref().is_some_and(|line| line.is_confirmed);
        let effects = if is_confirmed { vec![question.send()] } else { Vec::new() };
        self.question = Some(question);
        Ok(effects)
    }

    fn close(&mut self) -> Vec<ChannelEffect> {
        match self.state {
            ChannelState::Open | ChannelState::Removed => {
                let farewell = self.server.ask(Body::Close).ok().filter(|_| self.line.is_some());
                self.state = ChannelState::Closed;
                farewell.map(ChannelEffect::Send).into_iter().chain(self.close_line()).collect()
            }
            ChannelState::Opening | ChannelState::Transacting => self.end(ChannelState::Lost(Loss::Unanswered)),
            _ => self.close_line().into_iter().collect(),
        }
    }

    fn tick(&mut self, at_ms: u64) -> Vec<ChannelEffect> {
        if !self.is_live() {
            return Vec::new();
        }
        let since = |then: u64| at_ms.saturating_sub(then);
        if self.question.as_ref().is_some_and(|question| since(question.since_ms) > self.limits.command_ms) {
            return self.end(ChannelState::Lost(Loss::Command));
        }
        match &self.line {
            Some(line) if since(line.heard_ms) > self.limits.heartbeat_ms.saturating_mul(3) => {
                self.drop_line(at_ms);
                vec![ChannelEffect::CloseLine]
            }
            None if since(self.without_line_ms) > self.limits.grace_ms => self.end(ChannelState::Lost(Loss::Line)),
            _ => Vec::new(),
        }
    }

    fn drop_line(&mut self, at_ms: u64) {
        if self.line.take().is_some() {
            self.without_line_ms = at_ms;
        }
    }

    fn close_line(&mut self) -> Option<ChannelEffect> {
        self.line.take().map(|_| ChannelEffect::CloseLine)
    }

    fn end(&mut self, state: ChannelState) -> Vec<ChannelEffect> {
        self.state = state;
        let failure = self.question.take().map(|question| match question.is_sent {
            true => ChannelEffect::Fail(TransportError::unknown(TransportErrorKind::LineLost)),
            false => not_sent(TransportErrorKind::LineLost),
        });
        failure.into_iter().chain(self.close_line()).collect()
    }
}

impl Question {
    fn send(&mut self) -> ChannelEffect {
        self.is_sent = true;
        ChannelEffect::Send(self.frame.clone())
    }
}

fn not_sent(kind: TransportErrorKind) -> ChannelEffect {
    ChannelEffect::Fail(TransportError::not_sent(kind))
}

fn is_removal(body: &Body) -> bool {
    let Body::Failed(Failure { code, .. }) = body else { return false };
    *code == Failure::CARD_REMOVED || *code == Failure::NO_CARD
}

#[cfg(test)]
mod tests;
