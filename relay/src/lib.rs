//! Frames between a terminal, which has a card, and a server, which decides what the card gets.
//!
//! Every frame carries a session id and a sequence number. The terminal remembers its last answer: a frame that comes
//! twice is answered from memory and never goes to the card twice. [`Terminal`] and [`Server`] are pure; [`run_terminal`]
//! and [`RemoteCard`] drive them over any pair of byte streams.
//!
//! Sealing of the payload and enrolment of terminals are not here yet: use this over a pipe, not over a network.

mod drive;
mod frame;
mod session;

pub use drive::{RelayError, RemoteCard, run_terminal};
pub use frame::{Body, Failure, Frame, FrameError, MAX_FRAME, SessionId};
pub use session::{Server, SessionError, Terminal, TerminalAction};
