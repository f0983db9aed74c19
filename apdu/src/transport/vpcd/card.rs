//! The card's side of a virtual reader.

use std::net::{TcpStream, ToSocketAddrs};

use super::link::Link;
use super::{VpcdError, VpcdRequest};
use crate::Transport;

/// A card in a virtual reader: what the reader asks goes to a [`Transport`].
///
/// ```no_run
/// use cardwright_apdu::Transport;
/// use cardwright_apdu::transport::vpcd::{VPCD_PORT, VirtualCard};
///
/// fn insert(card: &mut dyn Transport) -> Result<(), Box<dyn std::error::Error>> {
///     Ok(VirtualCard::connect(("127.0.0.1", VPCD_PORT))?.serve(card)?)
/// }
/// ```
///
/// Dropping it takes the card out.
#[derive(Debug)]
pub struct VirtualCard {
    link: Link,
}

impl VirtualCard {
    /// Puts a card into the reader that listens at this address.
    ///
    /// # Errors
    /// [`VpcdError::Io`] when nobody listens.
    pub fn connect(address: impl ToSocketAddrs) -> Result<Self, VpcdError> {
        Ok(Self { link: Link::new(TcpStream::connect(address)?)? })
    }

    /// Serves the reader until it closes the connection.
    ///
    /// # Errors
    /// [`VpcdError`] when the reader does not keep to the protocol. [`VpcdError::Card`] when the card gave no response:
    /// the connection is then closed, so that for the host the card was taken out.
    pub fn serve(mut self, card: &mut dyn Transport) -> Result<(), VpcdError> {
        let mut atr = card.reset()?;
        let mut response = Vec::new();
        while let Some(message) = self.link.receive(None)? {
            match VpcdRequest::parse(&message)? {
                // Without power nothing of a session stays, as after a reset.
                VpcdRequest::PowerOff | VpcdRequest::PowerOn | VpcdRequest::Reset => atr = card.reset()?,
                VpcdRequest::Atr => self.link.send(&atr)?,
                VpcdRequest::Command(command) => {
                    card.transmit(command, &mut response)?;
                    self.link.send(&response)?;
                }
            }
        }
        Ok(())
    }
}
