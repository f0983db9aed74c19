//! Sealed sessions over TCP: threads and blocking sockets of the standard library.
//!
//! [`RelayServer`] gives a thread to every line and one to every session; [`TerminalClient`] serves one card. Nothing waits
//! without a limit, nothing is kept without one: a line that does not greet in time, is silent for three heartbeats, stops in the
//! middle of a record or does not take what is sent is closed; a record has a greatest length, a small one before keys are agreed
//! on; a session has one question open.

mod card;
mod server;
mod terminal;
mod wire;

use std::time::Duration;

pub use card::SealedCard;
pub use server::{RelayNotice, RelayServer, ServerLimits};
pub use terminal::{TerminalClient, TerminalLimits};
use thiserror::Error;

use crate::channel::ChannelError;
use crate::frame::FrameError;
use crate::handshake::HandshakeError;
use crate::record::{RecordError, Refusal};
use crate::seal::SealError;
use crate::session::SessionError;

/// A line that ended otherwise than by a farewell.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LineError {
    /// The socket.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The other side ended the line.
    #[error("the other side ended the line")]
    Ended,
    /// Bytes that are no record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The greeting.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// A record that is not the other side's next.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A sealed frame that is none.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame that cannot follow.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A session that cannot have this line.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The server refused the terminal.
    #[error(transparent)]
    Refused(Refusal),
    /// The server has as many lines or sessions as it takes.
    #[error("as many {what} as this server takes: {limit}")]
    Full {
        /// Lines or sessions.
        what: &'static str,
        /// How many.
        limit: usize,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// How long a send may take that the other side does not read.
const SEND: Duration = Duration::from_secs(10);
/// How long a record may take from its first byte to its last.
const RECORD: Duration = Duration::from_secs(10);

fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
