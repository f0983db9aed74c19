//! Why a call did not succeed, with everything that the last error tells.

use cardwright_apdu::{
    AidError, CommandError, Delivery, ExchangeError, ResponseError, TransportError, TransportErrorKind, tlv::TlvError,
};
use cardwright_gp::load_file::CapError;
use cardwright_gp::{CardFault, ChannelError, Error, LoadFileError};
use cardwright_keys::KeyError;

use crate::status::*;

/// Why a call did not succeed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) status: cw_status,
    pub(crate) message: String,
    pub(crate) sw: u16,
    pub(crate) command: &'static str,
    pub(crate) offset: Option<usize>,
    pub(crate) in_doubt: bool,
}

impl Failure {
    pub(crate) fn new(status: cw_status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), sw: 0, command: "", offset: None, in_doubt: false }
    }

    pub(crate) fn null(what: &str) -> Self {
        Self::new(CW_NULL, format!("{what} is NULL"))
    }

    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self::new(CW_BAD_VALUE, message)
    }

    pub(crate) fn too_small(needed: usize, available: usize) -> Self {
        Self::new(CW_BUFFER_TOO_SMALL, format!("{needed} bytes are needed, the buffer has {available}"))
    }

    fn at(mut self, offset: Option<usize>) -> Self {
        self.offset = offset;
        self
    }

    pub(crate) fn of(mut self, command: &'static str) -> Self {
        self.command = command;
        self
    }

    fn doubtful(mut self, in_doubt: bool) -> Self {
        self.in_doubt = in_doubt;
        self
    }
}

impl From<AidError> for Failure {
    fn from(error: AidError) -> Self {
        Self::new(CW_BAD_VALUE, error.to_string())
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let offset = match error {
            CommandError::Length { offset, .. } => Some(offset),
            CommandError::ZeroLc { .. } => Some(4),
            _ => None,
        };
        Self::new(CW_BAD_APDU, error.to_string()).at(offset)
    }
}

impl From<ResponseError> for Failure {
    fn from(error: ResponseError) -> Self {
        Self::new(CW_BAD_APDU, error.to_string())
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        let status = match &error.kind {
            TransportErrorKind::CardRemoved => CW_CARD_REMOVED,
            TransportErrorKind::CardReset => CW_CARD_RESET,
            TransportErrorKind::NoCard => CW_NO_CARD,
            TransportErrorKind::NoReader => CW_NO_READER,
            TransportErrorKind::NoService => CW_NO_SERVICE,
            TransportErrorKind::Timeout => CW_TIMEOUT,
            TransportErrorKind::Busy => CW_CARD_IN_USE,
            TransportErrorKind::LineLost => CW_LINE_LOST,
            TransportErrorKind::Exchange(ExchangeError::Command(_)) => CW_BAD_APDU,
            // `transport` reports a callback's surplus this way.
            TransportErrorKind::Exchange(ExchangeError::Response(ResponseError::TooLong { .. })) => {
                CW_RESPONSE_TOO_LONG
            }
            TransportErrorKind::Exchange(_) => CW_BAD_RESPONSE,
            _ => CW_TRANSPORT,
        };
        Self::new(status, error.to_string()).doubtful(error.delivery == Delivery::Unknown)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let status = match &error {
            KeyError::NotFound { .. } => CW_KEY_NOT_FOUND,
            KeyError::Kind { .. } | KeyError::Length { .. } => CW_KEY_MISFIT,
            KeyError::Refused { .. } => CW_KEY_REFUSED,
            KeyError::Unavailable { .. } => CW_KEY_UNAVAILABLE,
            _ => CW_KEY_SERVICE,
        };
        Self::new(status, error.to_string())
    }
}

impl From<CapError> for Failure {
    fn from(error: CapError) -> Self {
        let offset = match &error {
            CapError::UnsupportedComponent { offset, .. }
            | CapError::ImageTruncated { offset }
            | CapError::Truncated { offset, .. }
            | CapError::TrailingBytes { offset, .. }
            | CapError::AidLength { offset, .. }
            | CapError::PackageName { offset } => Some(*offset),
            _ => None,
        };
        Self::new(CW_BAD_LOAD_FILE, error.to_string()).at(offset)
    }
}

impl From<LoadFileError> for Failure {
    fn from(error: LoadFileError) -> Self {
        Self::new(CW_BAD_LOAD_FILE, error.to_string())
    }
}

impl From<ChannelError> for Failure {
    fn from(error: ChannelError) -> Self {
        let status = match &error {
            ChannelError::Closed { .. } => CW_CHANNEL_CLOSED,
            ChannelError::TooLong { .. } => CW_COMMAND_TOO_LONG,
            ChannelError::Response { .. } => CW_BAD_PROTECTION,
            ChannelError::Level { .. } => CW_SECURITY_LEVEL,
            ChannelError::Command(_) => CW_BAD_APDU,
            // Commands and responses alternate inside one call.
            _ => CW_INTERNAL,
        };
        let in_doubt = matches!(error, ChannelError::Response { .. });
        Self::new(status, error.to_string()).doubtful(in_doubt)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (message, in_doubt) = (error.to_string(), error.is_in_doubt());
        let (failure, command) = match error {
            Error::Refused { command, sw } => {
                let mut failure = Self::new(CW_REFUSED, "");
                failure.sw = sw.0;
                (failure, command)
            }
            Error::NoDomain { sw } => {
                let mut failure = Self::new(CW_REFUSED, "");
                failure.sw = sw.0;
                (failure, "SELECT")
            }
            Error::Card { command, fault } => {
                let status = if matches!(fault, CardFault::Protection(_)) { CW_BAD_PROTECTION } else { CW_CARD_FAULT };
                (Self::new(status, "").at(offset_of(&fault)), command)
            }
            Error::Transport { command, source } => (source.into(), command),
            Error::TooLong { command, .. } => (Self::new(CW_BAD_VALUE, ""), command),
            Error::WrongKeys { .. } => (Self::new(CW_WRONG_KEYS, ""), "INITIALIZE UPDATE"),
            Error::NoKeys { .. } => (Self::new(CW_NO_KEYS, ""), "INITIALIZE UPDATE"),
            Error::Channel(error) => (error.into(), ""),
            Error::Keys(error) => (error.into(), ""),
            Error::LoadFile(error) => (error.into(), ""),
            Error::KeyVersion { .. } => (Self::new(CW_BAD_VALUE, ""), ""),
            Error::Unsupported { .. } => (Self::new(CW_UNSUPPORTED, ""), ""),
            _ => (Self::new(CW_INTERNAL, ""), ""),
        };
        Self { message, in_doubt, ..failure.of(command) }
    }
}

fn offset_of(fault: &CardFault) -> Option<usize> {
    match fault {
        CardFault::Length { offset, .. } | CardFault::Value { offset, .. } | CardFault::Missing { offset, .. } => {
            Some(*offset)
        }
        CardFault::Tlv(
            TlvError::Truncated { offset }
            | TlvError::Tag { offset }
            | TlvError::Length { offset }
            | TlvError::PastEnd { offset, .. },
        ) => Some(*offset),
        _ => None,
    }
}
