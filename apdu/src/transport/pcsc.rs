//! Readers of the machine, through its PC/SC service: pcscd, or what Windows and macOS bring along.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use pcsc::{Context, Error, Scope};

use super::{Delivery, TransportError, TransportErrorKind};

mod card;
mod watcher;

pub use card::{Options, PcscCard, PcscTransaction, Protocol, Share};
pub use watcher::{ReaderEvent, ReaderWatcher};

/// The names of the readers that are plugged in.
///
/// # Errors
/// [`TransportErrorKind::NoService`] when the service does not run. No reader is an empty list.
pub fn readers() -> Result<Vec<String>, TransportErrorKind> {
    names(&establish()?)
}

fn establish() -> Result<Context, TransportErrorKind> {
    Context::establish(Scope::User).map_err(kind)
}

fn names(context: &Context) -> Result<Vec<String>, TransportErrorKind> {
    loop {
        match context.list_readers_owned() {
            Ok(names) => return Ok(names.iter().map(|name| name.to_string_lossy().into_owned()).collect()),
            // A reader was plugged in between the question for the length and the question for the names.
            Err(Error::InsufficientBuffer) => {}
            Err(Error::NoReadersAvailable) => return Ok(Vec::new()),
            Err(error) => return Err(kind(error)),
        }
    }
}

/// What the service says, in words with what to do.
fn kind(error: Error) -> TransportErrorKind {
    match error {
        // pcsc-lite says CommError when the service ends under a running program.
        Error::NoService | Error::ServiceStopped | Error::Shutdown | Error::CommError => TransportErrorKind::NoService,
        Error::UnknownReader | Error::ReaderUnavailable | Error::NoReadersAvailable => TransportErrorKind::NoReader,
        Error::NoSmartcard => TransportErrorKind::NoCard,
        Error::RemovedCard => TransportErrorKind::CardRemoved,
        Error::ResetCard => TransportErrorKind::CardReset,
        Error::UnresponsiveCard | Error::UnpoweredCard | Error::InvalidAtr => TransportErrorKind::Mute,
        Error::SharingViolation => TransportErrorKind::Busy,
        Error::Timeout | Error::WaitedTooLong => TransportErrorKind::Timeout,
        Error::NotTransacted => TransportErrorKind::BrokenOff,
        Error::ProtoMismatch => other("the card does not speak this protocol: choose the other one, or any"),
        Error::NoAccess | Error::SecurityViolation => {
            other("the card service does not let this user at the readers: have the right given (polkit)")
        }
        Error::InvalidHandle => other("the card service does not know this connection any more: connect again"),
        error => TransportErrorKind::Other(format!("the card service says: {error}")),
    }
}

fn other(words: &str) -> TransportErrorKind {
    TransportErrorKind::Other(words.to_owned())
}

/// What the service says about a command that was handed to it.
///
/// The two that are checked before the command goes to the reader are certain. All others may come after it was
/// executed: `NotTransacted` too, whatever its name says.
fn transmit_error(error: Error) -> TransportError {
    let delivery = match error {
        Error::SharingViolation | Error::InvalidHandle => Delivery::NotSent,
        _ => Delivery::Unknown,
    };
    TransportError { kind: kind(error), delivery }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn only_what_is_certain_is_not_sent() {
        for error in [Error::SharingViolation, Error::InvalidHandle] {
            assert_eq!(transmit_error(error).delivery, Delivery::NotSent);
        }
        for error in [
            Error::NotTransacted,
            Error::RemovedCard,
            Error::ResetCard,
            Error::ReaderUnavailable,
            Error::InsufficientBuffer,
            Error::NoService,
            Error::CommError,
            Error::UnknownError,
        ] {
            assert_eq!(transmit_error(error).delivery, Delivery::Unknown, "{error:?}");
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        for (error, words) in [
            (Error::NoService, "start it"),
            (Error::UnknownReader, "plug it in"),
            (Error::NoSmartcard, "put one in"),
            (Error::RemovedCard, "put it back"),
            (Error::SharingViolation, "another program"),
            (Error::UnresponsiveCard, "right way round"),
            (Error::NotTransacted, "sit tight"),
            (Error::ProtoMismatch, "choose the other one"),
            (Error::NoMemory, "the card service says"),
        ] {
            assert!(kind(error).to_string().contains(words), "{error:?}: {}", kind(error));
        }
    }
}
