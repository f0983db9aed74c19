//! The things that carry bytes to a card, and what can go wrong on the way.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;

use thiserror::Error;
use zeroize::Zeroize;

use crate::exchange::{Exchange, ExchangeAction, ExchangeError, ExchangeLimits};
use crate::{CardPort, CommandApdu, ResponseApdu};

#[cfg(feature = "pcsc")]
pub mod pcsc;
#[cfg(feature = "std")]
mod replay;
#[cfg(any(feature = "pcsc", test))]
mod tpdu;
#[cfg(feature = "std")]
pub mod vpcd;

#[cfg(feature = "std")]
pub use replay::Replay;

/// Whether the card may have got a command whose response is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Not a byte of the command reached the card.
    NotSent,
    /// The card may have executed the command, wholly or in part, or not at all.
    Unknown,
}

/// What went wrong between host and card.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The card was taken out.
    #[error("the card was removed: put it back")]
    CardRemoved,
    /// The card was reset by somebody else.
    #[error("the card was reset by another program")]
    CardReset,
    /// There is no card.
    #[error("there is no card: put one in")]
    NoCard,
    /// The card does not answer the reset.
    #[error("the card does not answer the reset: put it in the right way round, or take another one")]
    Mute,
    /// The reader is gone or not known.
    #[error("the reader is gone: plug it in")]
    NoReader,
    /// The service that owns the readers does not run.
    #[error("the card service does not answer: start it (pcscd)")]
    NoService,
    /// No answer in time.
    #[error("no answer in time: take the card out, put it back, try again")]
    Timeout,
    /// The exchange with the card ended in the middle.
    #[error("the exchange with the card broke off: let card and reader sit tight")]
    BrokenOff,
    /// Somebody else holds the card.
    #[error("another program holds the card: end it, or wait")]
    Busy,
    /// The line to a remote reader broke.
    #[error("the line to the reader was lost")]
    LineLost,
    /// The command cannot be sent, or the card answered what is no response.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// A replayed trace holds another command at this place.
    #[error("line {line} of the trace holds another command")]
    Diverged {
        /// Line of the trace file, from 1.
        line: usize,
    },
    /// What the transport says in its own words.
    #[error("{0}")]
    Other(String),
}

/// A command that brought no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportError {
    /// What went wrong.
    pub kind: TransportErrorKind,
    /// Whether the card may have executed the command.
    pub delivery: Delivery,
}

impl TransportError {
    /// The command did not reach the card.
    #[must_use]
    pub fn not_sent(kind: TransportErrorKind) -> Self {
        Self { kind, delivery: Delivery::NotSent }
    }

    /// The card may have executed the command.
    #[must_use]
    pub fn unknown(kind: TransportErrorKind) -> Self {
        Self { kind, delivery: Delivery::Unknown }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.delivery {
            Delivery::NotSent => write!(f, "{}", self.kind),
            Delivery::Unknown => write!(f, "{} (whether the card executed the command is not known)", self.kind),
        }
    }
}

impl core::error::Error for TransportError {}

/// Carries command bytes to one card and blocks until its response is there.
///
/// A `Transport` is a [`CardPort`]: GET RESPONSE, wrong Le and command chaining are done on the way.
pub trait Transport: Send {
    /// Sends one command and puts the response, with its status word, into `response` (emptied before).
    ///
    /// # Errors
    /// [`TransportError`]; [`Delivery::Unknown`] unless it is certain that the card did not get the command.
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError>;

    /// Resets the card and gives its ATR.
    ///
    /// # Errors
    /// [`TransportError`] when there is no card or it stays mute.
    fn reset(&mut self) -> Result<Vec<u8>, TransportError>;

    /// What card and reader can carry.
    fn limits(&self) -> ExchangeLimits {
        ExchangeLimits::default()
    }

    /// One command with all its GET RESPONSEs.
    ///
    /// # Errors
    /// As [`Transport::transmit`].
    fn exchange(&mut self, command: &CommandApdu) -> Result<ResponseApdu, TransportError> {
        let (mut exchange, mut bytes) =
            Exchange::start(command, self.limits()).map_err(|error| TransportError::not_sent(error.into()))?;
        let mut response = Vec::with_capacity(258);
        let mut has_begun = false;
        loop {
            response.clear();
            let sent = self.transmit(&bytes, &mut response);
            // A plain key command carries a key.
            bytes.zeroize();
            match sent {
                // A part of the command, or all of it before a GET RESPONSE, did reach the card.
                Err(error) if has_begun => return Err(TransportError::unknown(error.kind)),
                sent => sent?,
            }
            has_begun = true;
            match exchange.handle_response(&response) {
                Ok(ExchangeAction::Send(next)) => bytes = next,
                Ok(ExchangeAction::Done(response)) => return Ok(response),
                Err(error) => return Err(TransportError::unknown(error.into())),
            }
        }
    }
}

/// A card in this process: a function from command to response.
pub struct InProcess<F>(F);

impl<F: FnMut(&[u8]) -> Vec<u8> + Send> InProcess<F> {
    /// A transport that calls this function for each command. It has no ATR, and a reset does nothing.
    pub fn new(card: F) -> Self {
        Self(card)
    }
}

impl<F> fmt::Debug for InProcess<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl<F: FnMut(&[u8]) -> Vec<u8> + Send> Transport for InProcess<F> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        *response = (self.0)(command);
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        Ok(Vec::new())
    }
}

impl<T: Transport + ?Sized> Transport for &mut T {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        (**self).transmit(command, response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        (**self).reset()
    }

    fn limits(&self) -> ExchangeLimits {
        (**self).limits()
    }
}

impl<T: Transport + ?Sized> Transport for alloc::boxed::Box<T> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        (**self).transmit(command, response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        (**self).reset()
    }

    fn limits(&self) -> ExchangeLimits {
        (**self).limits()
    }
}

impl<T: Transport> CardPort for T {
    fn transmit(&mut self, command: CommandApdu) -> impl Future<Output = Result<ResponseApdu, TransportError>> + Send {
        core::future::ready(self.exchange(&command))
    }

    fn reset(&mut self) -> impl Future<Output = Result<Vec<u8>, TransportError>> + Send {
        core::future::ready(Transport::reset(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ne, StatusWord};
    use alloc::vec;

    #[test]
    fn a_function_is_a_card() {
        let mut card = InProcess::new(|command: &[u8]| match command[1] {
            0xC0 => vec![7, 0x90, 0x00],
            _ => vec![0x61, 0x01],
        });
        let response = card.exchange(&CommandApdu::new(0x80, 0xCA, 0, 0x66).with_ne(Ne::MAX_SHORT)).unwrap();
        assert_eq!(response, ResponseApdu::new([7], StatusWord::OK));
        assert!(Transport::reset(&mut card).unwrap().is_empty());
        let mut mute = InProcess::new(|_: &[u8]| Vec::new());
        let error = mute.exchange(&CommandApdu::new(0, 0, 0, 0)).unwrap_err();
        assert_eq!(error.delivery, Delivery::Unknown);
    }
    #[test]
    fn a_command_whose_get_response_does_not_reach_the_card_did_reach_it() {
        struct Torn;
        impl Transport for Torn {
            fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
                if command[1] == 0xC0 {
                    return Err(TransportError::not_sent(TransportErrorKind::CardRemoved));
                }
                response.extend([0x61, 0x05]);
                Ok(())
            }

            fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
                Ok(Vec::new())
            }
        }
        let error = Torn.exchange(&CommandApdu::new(0x80, 0xE6, 0, 0)).unwrap_err();
        assert_eq!(error, TransportError::unknown(TransportErrorKind::CardRemoved));
    }
}
