//! Both ends of a session, pure.
//!
//! Terminal, with `last` the sequence number that it answered last (0 at the beginning):
//!
//! | frame | terminal does |
//! |---|---|
//! | seq = last + 1 | executes it, remembers question and answer |
//! | seq = last, same question | gives the remembered answer again |
//! | seq = last, another question | refuses: the session is broken |
//! | seq < last | passes it over: the server has the answer to a later one |
//! | seq > last + 1 | refuses: something was lost |
//! | another session, or no question | refuses |

use cardwright_apdu::TransportError;
use thiserror::Error;

use crate::frame::{Body, Failure, Frame, SessionId};

/// A frame that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The frame belongs to another session.
    #[error("a frame of another session")]
    OtherSession,
    /// Frames are missing in between.
    #[error("expected frame {expected}, got {actual}")]
    Gap {
        /// Sequence number that would follow.
        expected: u64,
        /// Sequence number of the frame.
        actual: u64,
    },
    /// The same sequence number with another question.
    #[error("frame {seq} came twice with different contents")]
    Changed {
        /// Sequence number.
        seq: u64,
    },
    /// A question where an answer belongs, or the other way about.
    #[error("frame {seq} does not say what its sender may say")]
    Direction {
        /// Sequence number.
        seq: u64,
    },
    /// A frame while the answer to the one before is due.
    #[error("frame {seq} came before the one before it was answered")]
    Unanswered {
        /// Sequence number.
        seq: u64,
    },
}

/// What the terminal does with a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum TerminalAction {
    /// Carry the command to the card, then call [`Terminal::executed`].
    Transmit(Vec<u8>),
    /// Reset the card, then call [`Terminal::executed`].
    Reset,
    /// Send this frame, an answer from memory.
    Send(Frame),
    /// Nothing.
    Ignore,
    /// The session is over.
    Close,
}

/// The terminal's end.
#[derive(Debug)]
pub struct Terminal {
    session: Option<SessionId>,
    last: u64,
    question: Option<Body>,
    answer: Option<Body>,
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

impl Terminal {
    /// A terminal that joins the session of the first frame.
    #[must_use]
    pub fn new() -> Self {
        Self { session: None, last: 0, question: None, answer: None }
    }

    /// Takes a frame from the server.
    ///
    /// # Errors
    /// [`SessionError`]; nothing goes to the card.
    pub fn handle_frame(&mut self, frame: Frame) -> Result<TerminalAction, SessionError> {
        let seq = frame.seq;
        if *self.session.get_or_insert(frame.session) != frame.session {
            return Err(SessionError::OtherSession);
        }
        if matches!(frame.body, Body::Response(_) | Body::Atr(_) | Body::Failed(_)) {
            return Err(SessionError::Direction { seq });
        }
        if seq < self.last {
            return Ok(TerminalAction::Ignore);
        }
        if seq == self.last && self.question.is_some() {
            return match &self.answer {
                _ if self.question.as_ref() != Some(&frame.body) => Err(SessionError::Changed { seq }),
                Some(answer) => Ok(TerminalAction::Send(Frame { body: answer.clone(), ..frame })),
                None => Ok(TerminalAction::Ignore),
            };
        }
        if self.question.is_some() && self.answer.is_none() {
            return Err(SessionError::Unanswered { seq });
        }
        if seq != self.last + 1 {
            return Err(SessionError::Gap { expected: self.last + 1, actual: seq });
        }
        self.last = seq;
        self.answer = None;
        self.question = Some(frame.body.clone());
        Ok(match frame.body {
            Body::Command(command) => TerminalAction::Transmit(command),
            Body::Reset => TerminalAction::Reset,
            _ => TerminalAction::Close,
        })
    }

    /// Takes what came of the last [`TerminalAction::Transmit`] or [`TerminalAction::Reset`]; the frame is the answer.
    ///
    /// # Errors
    /// [`SessionError::Direction`] when nothing was to be executed.
    pub fn executed(&mut self, result: Result<Vec<u8>, TransportError>) -> Result<Frame, SessionError> {
        let direction = SessionError::Direction { seq: self.last };
        let session = self.session.ok_or(direction)?;
        let body = match (result, &self.question, &self.answer) {
            (Ok(response), Some(Body::Command(_)), None) => Body::Response(response),
            (Ok(atr), Some(Body::Reset), None) => Body::Atr(atr),
            (Err(error), Some(_), None) => Body::Failed(Failure::from(&error)),
            _ => return Err(direction),
        };
        self.answer = Some(body.clone());
        Ok(Frame { session, seq: self.last, body })
    }
}

/// The server's end.
#[derive(Debug)]
pub struct Server {
    session: SessionId,
    seq: u64,
    waiting: bool,
}

impl Server {
    /// Begins a session.
    #[must_use]
    pub fn new(session: SessionId) -> Self {
        Self { session, seq: 0, waiting: false }
    }

    /// The frame that asks the next question. The same frame may be sent again until it is answered.
    ///
    /// # Errors
    /// [`SessionError::Unanswered`] while one is open.
    pub fn ask(&mut self, body: Body) -> Result<Frame, SessionError> {
        if self.waiting {
            return Err(SessionError::Unanswered { seq: self.seq + 1 });
        }
        self.seq += 1;
        self.waiting = true;
        Ok(Frame { session: self.session, seq: self.seq, body })
    }

    /// Takes a frame from the terminal; `None` for an answer that was taken before.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn handle_frame(&mut self, frame: Frame) -> Result<Option<Body>, SessionError> {
        let seq = frame.seq;
        if frame.session != self.session {
            return Err(SessionError::OtherSession);
        }
        if matches!(frame.body, Body::Command(_) | Body::Reset | Body::Close) {
            return Err(SessionError::Direction { seq });
        }
        if seq > self.seq {
            return Err(SessionError::Gap { expected: self.seq, actual: seq });
        }
        if seq < self.seq || !self.waiting {
            return Ok(None);
        }
        self.waiting = false;
        Ok(Some(frame.body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cardwright_apdu::TransportErrorKind;

    const SESSION: SessionId = SessionId([7; 16]);

    fn frame(seq: u64, body: Body) -> Frame {
        Frame { session: SESSION, seq, body }
    }

    fn command(n: u8) -> Body {
        Body::Command(vec![0, n, 0, 0])
    }

    #[test]
    fn a_command_that_comes_twice_goes_to_the_card_once() {
        let mut terminal = Terminal::new();
        let action = terminal.handle_frame(frame(1, command(1))).unwrap();
        assert_eq!(action, TerminalAction::Transmit(vec![0, 1, 0, 0]));
        // Still under way: neither executed again nor answered.
        assert_eq!(terminal.handle_frame(frame(1, command(1))), Ok(TerminalAction::Ignore));
        let answer = terminal.executed(Ok(vec![0x90, 0])).unwrap();
        assert_eq!(terminal.handle_frame(frame(1, command(1))), Ok(TerminalAction::Send(answer)));
        assert_eq!(terminal.handle_frame(frame(1, command(2))), Err(SessionError::Changed { seq: 1 }));
        let removed = Err(TransportError::unknown(TransportErrorKind::CardRemoved));
        assert_eq!(terminal.handle_frame(frame(2, Body::Reset)), Ok(TerminalAction::Reset));
        assert!(matches!(terminal.executed(removed).unwrap().body, Body::Failed(Failure { code: 1, .. })));
    }

    #[test]
    fn frames_out_of_order_or_of_others_do_not_reach_the_card() {
        let mut terminal = Terminal::new();
        assert_eq!(terminal.handle_frame(frame(2, command(1))), Err(SessionError::Gap { expected: 1, actual: 2 }));
        let _ = terminal.handle_frame(frame(1, command(1))).unwrap();
        assert_eq!(terminal.handle_frame(frame(2, command(2))), Err(SessionError::Unanswered { seq: 2 }));
        let _ = terminal.executed(Ok(vec![0x90, 0])).unwrap();
        let other = Frame { session: SessionId([8; 16]), ..frame(2, command(2)) };
        assert_eq!(terminal.handle_frame(other), Err(SessionError::OtherSession));
        assert_eq!(terminal.handle_frame(frame(2, Body::Atr(vec![]))), Err(SessionError::Direction { seq: 2 }));
        assert_eq!(terminal.handle_frame(frame(0, command(0))), Ok(TerminalAction::Ignore));
        assert_eq!(terminal.executed(Ok(vec![])), Err(SessionError::Direction { seq: 1 }));
    }

    #[test]
    fn the_server_takes_each_answer_once() {
        let mut server = Server::new(SESSION);
        let asked = server.ask(command(1)).unwrap();
        assert_eq!(server.ask(command(2)), Err(SessionError::Unanswered { seq: 2 }));
        let answer = Frame { body: Body::Response(vec![0x90, 0]), ..asked };
        assert_eq!(server.handle_frame(answer.clone()), Ok(Some(Body::Response(vec![0x90, 0]))));
        assert_eq!(server.handle_frame(answer.clone()), Ok(None));
        assert_eq!(server.handle_frame(Frame { seq: 5, ..answer }), Err(SessionError::Gap { expected: 1, actual: 5 }));
    }
}
