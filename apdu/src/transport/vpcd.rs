//! Virtual readers: the protocol between vpcd, the virtual reader of vsmartcard, and a card program.
//!
//! The reader listens and the card connects to it. A message is its length, two bytes big-endian, and so many bytes.
//! From the reader, one byte is a control (00 power off, 01 power on, 02 reset, 04 send the ATR) and anything longer a
//! command; from the card come the ATR and responses. Power and reset are not answered.
//!
//! [`VirtualCard`] is the card's side: it serves any [`Transport`](crate::Transport) to a PC/SC service with vpcd.
//! [`VirtualReader`] is the reader's side: a transport that card programs connect to, without a PC/SC service.

use std::io;

use thiserror::Error;

use crate::TransportError;

mod card;
mod link;
mod reader;

pub use card::VirtualCard;
pub use reader::VirtualReader;

/// The port where vpcd listens for a card in its first slot.
pub const VPCD_PORT: u16 = 35963;

/// The longest message that the length can say, in bytes.
pub const MAX_MESSAGE: usize = 65535;

/// What a reader wants of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VpcdRequest<'a> {
    /// Power off.
    PowerOff,
    /// Power on: a cold reset.
    PowerOn,
    /// A warm reset.
    Reset,
    /// Send the ATR. Also asked to find out whether the card is there: nothing is reset.
    Atr,
    /// Execute this command and send the response.
    Command(&'a [u8]),
}

impl<'a> VpcdRequest<'a> {
    /// Reads what a message asks for.
    ///
    /// # Errors
    /// [`VpcdError::Empty`] and [`VpcdError::Control`].
    pub fn parse(message: &'a [u8]) -> Result<Self, VpcdError> {
        match message {
            [] => Err(VpcdError::Empty),
            [0x00] => Ok(Self::PowerOff),
            [0x01] => Ok(Self::PowerOn),
            [0x02] => Ok(Self::Reset),
            [0x04] => Ok(Self::Atr),
            [code] => Err(VpcdError::Control { code: *code }),
            command => Ok(Self::Command(command)),
        }
    }

    /// The message that asks for it.
    #[must_use]
    pub fn as_message(&self) -> &'a [u8] {
        match self {
            Self::PowerOff => &[0x00],
            Self::PowerOn => &[0x01],
            Self::Reset => &[0x02],
            Self::Atr => &[0x04],
            Self::Command(command) => command,
        }
    }
}

/// Puts the length in front of a message.
///
/// # Errors
/// [`VpcdError::TooLong`].
pub fn encode_message(message: &[u8]) -> Result<Vec<u8>, VpcdError> {
    let length = u16::try_from(message.len()).map_err(|_| VpcdError::TooLong { actual: message.len() })?;
    Ok([&length.to_be_bytes(), message].concat())
}

/// Cuts a stream of bytes into messages.
///
/// It grows with the bytes that came, never with the length that they claim.
#[derive(Clone, Debug, Default)]
pub struct VpcdDecoder {
    buffer: Vec<u8>,
}

impl VpcdDecoder {
    /// Takes bytes of the stream, cut anywhere.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, when all of it is there.
    pub fn poll_message(&mut self) -> Option<Vec<u8>> {
        let (length, rest) = self.buffer.split_first_chunk()?;
        let message = rest.get(..u16::from_be_bytes(*length).into())?.to_vec();
        self.buffer.drain(..2 + message.len());
        Some(message)
    }

    /// Whether no byte waits for the rest of its message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// A peer that does not keep to the protocol, or is gone.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VpcdError {
    /// A message without a byte.
    #[error("the reader sent an empty message: is it vpcd?")]
    Empty,
    /// A control byte that no card knows.
    #[error("the reader sent the control byte {code:02X}, which is not known: is it vpcd?")]
    Control {
        /// The byte.
        code: u8,
    },
    /// The message does not fit into its length.
    #[error("a message of {actual} bytes is too long: at most {MAX_MESSAGE}")]
    TooLong {
        /// Its length, in bytes.
        actual: usize,
    },
    /// The peer went away in the middle of a message.
    #[error("the connection ended in the middle of a message")]
    Truncated,
    /// The peer began a message and did not end it, or did not answer.
    #[error("the other side stays silent in the middle of a conversation")]
    Timeout,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The card that was to be served failed.
    #[error(transparent)]
    Card(#[from] TransportError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_byte_is_a_control_and_more_a_command() {
        for request in [VpcdRequest::PowerOff, VpcdRequest::PowerOn, VpcdRequest::Reset, VpcdRequest::Atr] {
            assert_eq!(VpcdRequest::parse(request.as_message()).unwrap(), request);
        }
        assert!(matches!(VpcdRequest::parse(&[0x03]), Err(VpcdError::Control { code: 3 })));
        assert!(matches!(VpcdRequest::parse(&[]), Err(VpcdError::Empty)));
        assert_eq!(VpcdRequest::parse(&[0, 0xA4]).unwrap(), VpcdRequest::Command(&[0, 0xA4]));
    }

    #[test]
    fn a_message_has_at_most_65535_bytes() {
        assert_eq!(encode_message(&[7; MAX_MESSAGE]).unwrap().len(), 2 + MAX_MESSAGE);
        assert!(matches!(encode_message(&[7; 65536]), Err(VpcdError::TooLong { actual: 65536 })));
    }

    #[test]
    fn a_length_alone_reserves_nothing() {
        let mut decoder = VpcdDecoder::default();
        decoder.handle_bytes(&[0xFF, 0xFF]);
        assert_eq!(decoder.poll_message(), None);
        assert!(decoder.buffer.capacity() < 64 && !decoder.is_empty());
    }

    proptest! {
        #[test]
        fn messages_survive_a_stream_cut_anywhere(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6),
            cut in 1usize..50,
        ) {
            let stream: Vec<u8> = messages.iter().flat_map(|message| encode_message(message).unwrap()).collect();
            let mut decoder = VpcdDecoder::default();
            let mut read = Vec::new();
            for part in stream.chunks(cut) {
                decoder.handle_bytes(part);
                while let Some(message) = decoder.poll_message() {
                    read.push(message);
                }
            }
            prop_assert_eq!(read, messages);
            prop_assert!(decoder.is_empty());
        }

        #[test]
        fn decoding_is_total(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut decoder = VpcdDecoder::default();
            decoder.handle_bytes(&bytes);
            while let Some(message) = decoder.poll_message() {
                let _ = VpcdRequest::parse(&message);
            }
        }
    }
}
