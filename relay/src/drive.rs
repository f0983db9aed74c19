use std::io::{Read, Write};

use cardwright_apdu::{CommandApdu, ResponseApdu, Transport, TransportError, TransportErrorKind};
use thiserror::Error;

use crate::frame::{Body, Frame, FrameError, SessionId};
use crate::session::{Server, SessionError, Terminal, TerminalAction};

/// A session that cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RelayError {
    /// Bytes that are no frame, or a broken stream.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame that cannot follow.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Serves one session at a terminal: commands from `input` go to the card, responses to `output`, until the server closes
/// the session or the stream ends.
///
/// # Errors
/// [`RelayError`]; the card is left as it is.
pub fn run_terminal(mut input: impl Read, mut output: impl Write, card: &mut dyn Transport) -> Result<(), RelayError> {
    let mut terminal = Terminal::new();
    while let Some(frame) = Frame::read(&mut input)? {
        let answer = match terminal.handle_frame(frame)? {
            TerminalAction::Transmit(command) => terminal.executed(transmit(card, &command))?,
            TerminalAction::Reset => terminal.executed(card.reset())?,
            TerminalAction::Send(frame) => frame,
            TerminalAction::Ignore => continue,
            TerminalAction::Close => break,
        };
        send(&mut output, &answer)?;
    }
    Ok(())
}

pub(crate) fn transmit(card: &mut dyn Transport, command: &[u8]) -> Result<Vec<u8>, TransportError> {
    let command = CommandApdu::parse(command)
        .map_err(|error| TransportError::not_sent(TransportErrorKind::Other(error.to_string())))?;
    card.exchange(&command).map(|response| response.to_bytes())
}

fn send(output: &mut impl Write, frame: &Frame) -> Result<(), FrameError> {
    // One write a frame, so that no peer waits for the second half.
    output.write_all(&frame.to_bytes())?;
    Ok(output.flush()?)
}

/// A card at the far end of a session: a [`Transport`] for the server.
#[derive(Debug)]
pub struct RemoteCard<R, W> {
    server: Server,
    input: R,
    output: W,
}

impl<R: Read + Send, W: Write + Send> RemoteCard<R, W> {
    /// Begins a session over a pair of streams.
    pub fn new(session: SessionId, input: R, output: W) -> Self {
        Self { server: Server::new(session), input, output }
    }

    /// Ends the session.
    ///
    /// # Errors
    /// [`RelayError`] when the terminal cannot be told.
    pub fn close(mut self) -> Result<(), RelayError> {
        let frame = self.server.ask(Body::Close)?;
        Ok(send(&mut self.output, &frame)?)
    }

    /// A question whose answer does not come leaves open what the card did.
    fn ask(&mut self, body: Body) -> Result<Body, TransportError> {
        let lost = || TransportError::unknown(TransportErrorKind::LineLost);
        let frame = self.server.ask(body).map_err(|_| TransportError::not_sent(TransportErrorKind::LineLost))?;
        send(&mut self.output, &frame).map_err(|_| lost())?;
        loop {
            let frame = Frame::read(&mut self.input).ok().flatten().ok_or_else(lost)?;
            match self.server.handle_frame(frame).map_err(|_| lost())? {
                Some(Body::Failed(failure)) => return Err(failure.into()),
                Some(answer) => return Ok(answer),
                None => {}
            }
        }
    }
}

impl<R: Read + Send, W: Write + Send> Transport for RemoteCard<R, W> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        match self.ask(Body::Command(command.to_vec()))? {
            Body::Response(bytes) => *response = bytes,
            _ => return Err(TransportError::unknown(TransportErrorKind::LineLost)),
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        match self.ask(Body::Reset)? {
            Body::Atr(atr) => Ok(atr),
            _ => Err(TransportError::unknown(TransportErrorKind::LineLost)),
        }
    }

    /// GET RESPONSE and chaining are the terminal's.
    fn exchange(&mut self, command: &CommandApdu) -> Result<ResponseApdu, TransportError> {
        let bytes = command.to_bytes().map_err(|error| {
            TransportError::not_sent(TransportErrorKind::Exchange(cardwright_apdu::ExchangeError::Command(error)))
        })?;
        let mut response = Vec::new();
        self.transmit(&bytes, &mut response)?;
        ResponseApdu::parse(&response).map_err(|error| {
            TransportError::unknown(TransportErrorKind::Exchange(cardwright_apdu::ExchangeError::Response(error)))
        })
    }
}
