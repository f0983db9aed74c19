//! Between a terminal, which has a card, and a server, which decides what the card gets.
//!
//! Every frame carries a session id and a sequence number. The terminal remembers its last answer: a frame that comes twice is
//! answered from memory and never goes to the card twice. [`Terminal`] and [`Server`] are pure; [`run_terminal`] and
//! [`RemoteCard`] drive them over any pair of byte streams that nobody else reads or writes: a pipe.
//!
//! Over a network frames travel sealed:
//!
//! | | |
//! |---|---|
//! | [`Identity`], [`PublicKey`] | who a terminal and a server are; the terminal pins the server's key |
//! | [`Roster`], [`Admission`] | which terminals may serve |
//! | [`challenge`], [`hello`], [`Claim`] | the greeting: both sides prove who they are, and agree on keys of this line |
//! | [`Sealer`], [`Opener`] | HPKE (RFC 9180) to the terminal, exported keys to the server; direction, session, line, number and card are covered |
//! | [`Channel`] | the server's end of a session, over lines that come and go |
//! | [`RelayServer`], [`SealedCard`], [`TerminalClient`] | all that over TCP |
//!
//! A card at the far end is a [`Transport`](cardwright_apdu::Transport) like any other:
//!
//! ```
//! use std::net::TcpListener;
//! use std::sync::Arc;
//!
//! use cardwright_apdu::Transport;
//! use cardwright_apdu::transport::InProcess;
//! use cardwright_relay::{Identity, RelayServer, Roster, ServerLimits, Stay, TerminalClient, TerminalLimits};
//!
//! // Keys are random in earnest, and each side gets the other's public one beforehand.
//! let (server_key, terminal_key) = (Identity::new(&[1; 32]), Identity::new(&[2; 32]));
//! let roster = Roster::parse(&format!("kiosk-17 {} admitted", terminal_key.public_key()))?;
//! let pinned = vec![server_key.public_key()];
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let server = Arc::new(RelayServer::new(server_key, roster, ServerLimits::default(), |notice| println!("{notice:?}")));
//! let (answers, answer) = std::sync::mpsc::channel();
//! let serving = Arc::clone(&server);
//! std::thread::spawn(move || {
//!     serving.run(&listener, move |mut card| {
//!         let mut response = Vec::new();
//!         let sent = card.transmit(&[0x00, 0xA4, 0x04, 0x00, 0x00], &mut response);
//!         let _ = answers.send(sent.map(|()| response));
//!     })
//! });
//!
//! let terminal = TerminalClient::new(terminal_key, pinned, TerminalLimits::default());
//! let stay = Stay { slot: 0, insertion: [7; 8], atr: vec![0x3B, 0x00] };
//! terminal.serve(address, &stay, &mut InProcess::new(|_| vec![0x90, 0x00]), |lost| eprintln!("{lost}"))?;
//! assert_eq!(answer.recv()??, [0x90, 0x00]);
//! server.stop(address);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is not hidden: when, how much and by whom something is sent.

mod channel;
mod drive;
mod frame;
mod handshake;
mod identity;
mod record;
mod roster;
mod seal;
mod session;
mod tcp;

pub use channel::{Channel, ChannelEffect, ChannelError, ChannelEvent, ChannelLimits, ChannelState, Loss};
pub use drive::{RelayError, RemoteCard, run_terminal};
pub use frame::{Body, Failure, Frame, FrameError, MAX_FRAME, SessionId};
pub use handshake::{AwaitingHello, AwaitingWelcome, Claim, HandshakeError, Line, challenge, hello};
pub use identity::{Identity, KeyError, PublicKey};
pub use record::{
    Content, Hello, MAX_GREETING, MAX_RECORD, Record, RecordError, Refusal, Refused, Sealed, Stay, Welcome,
};
pub use roster::{Admission, Enrolled, Roster, RosterError, RosterFault, Standing};
pub use seal::{Opener, SealError, Sealer};
pub use session::{Server, SessionError, Terminal, TerminalAction};
pub use tcp::{LineError, RelayNotice, RelayServer, SealedCard, ServerLimits, TerminalClient, TerminalLimits};
