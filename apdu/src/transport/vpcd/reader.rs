//! The reader's side: card programs connect to it.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use super::link::{Link, Silence};
use super::{MAX_MESSAGE, VpcdError, VpcdRequest};
use crate::{ExchangeLimits, Transport, TransportError, TransportErrorKind};

/// How often a waiting reader looks whether a card has come.
const LOOK: Duration = Duration::from_millis(5);

/// A virtual reader that listens, as vpcd does, for a card program to connect: a [`Transport`] without a PC/SC service.
///
/// ```no_run
/// use std::time::Duration;
/// use cardwright_apdu::transport::vpcd::{VPCD_PORT, VirtualReader};
///
/// let mut reader = VirtualReader::bind(VPCD_PORT)?;
/// let atr = reader.wait_for_card(Duration::from_secs(30))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// One card is in the reader; others that connect wait until it is gone. A card that answers late, or says what it was
/// not asked, is thrown out: what comes after could be the answer to another command.
#[derive(Debug)]
pub struct VirtualReader {
    listener: TcpListener,
    card: Option<Link>,
    timeout: Duration,
    limits: ExchangeLimits,
}

impl VirtualReader {
    /// A reader that programs on this machine reach at this port; 0 takes any free one.
    ///
    /// # Errors
    /// [`io::Error`] when the port is taken.
    pub fn bind(port: u16) -> io::Result<Self> {
        Self::bind_to((Ipv4Addr::LOCALHOST, port))
    }

    /// A reader at an address. Whoever reaches it can be the card, and sees every command.
    ///
    /// # Errors
    /// [`io::Error`] when the address is taken or not one of this machine's.
    pub fn bind_to(address: impl ToSocketAddrs) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let timeout = Duration::from_secs(30);
        Ok(Self { listener, card: None, timeout, limits: ExchangeLimits::default() })
    }

    /// How long the card may take for an answer. Default: 30 seconds.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What the card can carry. Default: short lengths.
    #[must_use]
    pub fn with_limits(mut self, limits: ExchangeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`io::Error`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Waits until a card is in the reader, powers it on and gives its ATR.
    ///
    /// A card that was in the reader before is taken out.
    ///
    /// # Errors
    /// [`TransportErrorKind::NoCard`] when none came in time, and as [`Transport::reset`].
    pub fn wait_for_card(&mut self, timeout: Duration) -> Result<Vec<u8>, TransportErrorKind> {
        let until = Instant::now() + timeout;
        self.card = None;
        loop {
            if self.accept()? {
                return self.power(VpcdRequest::PowerOn);
            }
            if Instant::now() >= until {
                return Err(TransportErrorKind::NoCard);
            }
            thread::sleep(LOOK);
        }
    }

    /// Takes in a card that waits, if there is one.
    fn accept(&mut self) -> Result<bool, TransportErrorKind> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                self.card = Some(Link::new(stream).map_err(kind)?);
                Ok(true)
            }
            Err(error) => match error.kind() {
                // A card that was gone before it was taken in.
                ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted => Ok(false),
                _ => Err(kind(error.into())),
            },
        }
    }

    /// Powers or resets the card and asks for its ATR.
    fn power(&mut self, request: VpcdRequest<'_>) -> Result<Vec<u8>, TransportErrorKind> {
        let until = Instant::now() + self.timeout;
        let mut card = self.card.take().ok_or(TransportErrorKind::NoCard)?;
        card.send(request.as_message()).map_err(kind)?;
        card.send(VpcdRequest::Atr.as_message()).map_err(kind)?;
        let atr = receive(&mut card, until)?;
        // ISO 7816-3 8.1: TS, T0, and at most 31 characters more.
        if !(2..=33).contains(&atr.len()) {
            return Err(TransportErrorKind::Mute);
        }
        self.card = Some(card);
        Ok(atr)
    }
}

impl Transport for VirtualReader {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        response.clear();
        // A single byte would be a control to the card.
        if !(4..=MAX_MESSAGE).contains(&command.len()) {
            let words = format!("a command of {} bytes does not pass a virtual reader", command.len());
            return Err(TransportError::not_sent(TransportErrorKind::Other(words)));
        }
        let mut card = self.card.take().ok_or(TransportError::not_sent(TransportErrorKind::NoCard))?;
        match card.silence() {
            Silence::Kept => {}
            Silence::Gone => return Err(TransportError::not_sent(TransportErrorKind::CardRemoved)),
            Silence::Broken => return Err(TransportError::not_sent(out_of_turn())),
        }
        let until = Instant::now() + self.timeout;
        card.send(command).map_err(kind).map_err(TransportError::unknown)?;
        *response = receive(&mut card, until).map_err(TransportError::unknown)?;
        self.card = Some(card);
        Ok(())
    }

    /// A card that has been put back since the last one was gone is taken in.
    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        if let Some(Silence::Gone | Silence::Broken) = self.card.as_mut().map(Link::silence) {
            self.card = None;
        }
        let fresh = self.card.is_none() && self.accept().map_err(TransportError::not_sent)?;
        self.power(if fresh { VpcdRequest::PowerOn } else { VpcdRequest::Reset }).map_err(TransportError::not_sent)
    }

    fn limits(&self) -> ExchangeLimits {
        self.limits
    }
}

fn receive(card: &mut Link, until: Instant) -> Result<Vec<u8>, TransportErrorKind> {
    let message = card.receive(Some(until)).map_err(kind)?.ok_or(TransportErrorKind::CardRemoved)?;
    match card.silence() {
        Silence::Broken => Err(out_of_turn()),
        Silence::Kept | Silence::Gone => Ok(message),
    }
}

fn out_of_turn() -> TransportErrorKind {
    TransportErrorKind::Other("the card said more than it was asked: is it a card for vpcd? start it again".into())
}

fn kind(error: VpcdError) -> TransportErrorKind {
    match error {
        VpcdError::Timeout => TransportErrorKind::Timeout,
        VpcdError::Truncated => TransportErrorKind::CardRemoved,
        VpcdError::Io(error) => match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                TransportErrorKind::CardRemoved
            }
            ErrorKind::WouldBlock | ErrorKind::TimedOut => TransportErrorKind::Timeout,
            _ => TransportErrorKind::Other(error.to_string()),
        },
        error => TransportErrorKind::Other(error.to_string()),
    }
}
