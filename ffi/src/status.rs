//! Status numbers: fixed, in ranges, never reused.

use std::ffi::c_char;

/// How a call ended: `CW_OK`, or one of the numbers below.
///
/// Who is at fault: 1xx the caller, 2xx the way to the card, 3xx the card, 4xx secure channel and keys, 5xx an issuing
/// process, 6xx storage, 9xx this library. 5xx and 6xx are not in use yet. A number never changes its meaning; new ones
/// may come, so that a switch needs a default.
pub type cw_status = i32;

/// Done.
pub const CW_OK: cw_status = 0;

/// A pointer that must not be NULL is NULL.
pub const CW_NULL: cw_status = 101;
/// A handle that this library did not give, or of another type, or that was freed.
pub const CW_BAD_HANDLE: cw_status = 102;
/// Another thread is in a call with this handle.
pub const CW_BUSY: cw_status = 103;
/// A callback calls back with the handle whose call it serves.
pub const CW_REENTRANT: cw_status = 104;
/// The buffer is too small; the needed length was written, and nothing else happened.
pub const CW_BUFFER_TOO_SMALL: cw_status = 105;
/// `struct_size` is smaller than any version of the struct was.
pub const CW_STRUCT_SIZE: cw_status = 106;
/// A string is not UTF-8.
pub const CW_BAD_UTF8: cw_status = 107;
/// An argument has a value that it must not have.
pub const CW_BAD_VALUE: cw_status = 108;
/// Bytes that are no command or response APDU, or a command that cannot be coded.
pub const CW_BAD_APDU: cw_status = 109;
/// Bytes that are no CAP file, or one that cannot be loaded.
pub const CW_BAD_LOAD_FILE: cw_status = 110;
/// A callback of the caller asked to stop, and the call stopped.
pub const CW_CANCELLED: cw_status = 111;
/// An index is not below the number of elements.
pub const CW_OUT_OF_RANGE: cw_status = 112;

/// The card was taken out.
pub const CW_CARD_REMOVED: cw_status = 201;
/// The card was reset by somebody else.
pub const CW_CARD_RESET: cw_status = 202;
/// There is no card, or a mute one.
pub const CW_NO_CARD: cw_status = 203;
/// The reader is gone or not known.
pub const CW_NO_READER: cw_status = 204;
/// The service that owns the readers does not run.
pub const CW_NO_SERVICE: cw_status = 205;
/// No answer in time.
pub const CW_TIMEOUT: cw_status = 206;
/// Another program holds the card.
pub const CW_CARD_IN_USE: cw_status = 207;
/// The line to a remote reader broke.
pub const CW_LINE_LOST: cw_status = 208;
/// What came back is no response, or breaks ISO 7816-4 5.3.
pub const CW_BAD_RESPONSE: cw_status = 209;
/// A callback says that it gave more bytes than its buffer takes.
pub const CW_RESPONSE_TOO_LONG: cw_status = 210;
/// Something else went wrong on the way to the card; also any number out of a callback that is not of 201 to 208.
pub const CW_TRANSPORT: cw_status = 211;

/// The card refused a command; `cw_error.sw` is its status word.
pub const CW_REFUSED: cw_status = 301;
/// The card answered something that the standard does not allow.
pub const CW_CARD_FAULT: cw_status = 302;
/// The card needs something that this library does not support.
pub const CW_UNSUPPORTED: cw_status = 303;

/// The session has no open secure channel.
pub const CW_NOT_OPEN: cw_status = 401;
/// None of the key sets fits the card's cryptogram; EXTERNAL AUTHENTICATE was not sent.
pub const CW_WRONG_KEYS: cw_status = 402;
/// None of the key sets is of the card's protocol and key version; nothing was tried.
pub const CW_NO_KEYS: cw_status = 403;
/// The protection of a response is wrong; the channel is closed.
pub const CW_BAD_PROTECTION: cw_status = 404;
/// The secure channel is closed.
pub const CW_CHANNEL_CLOSED: cw_status = 405;
/// The command is too long to be protected.
pub const CW_COMMAND_TOO_LONG: cw_status = 406;
/// The security level is not possible with this protocol or card.
pub const CW_SECURITY_LEVEL: cw_status = 407;
/// There is no key of this name.
pub const CW_KEY_NOT_FOUND: cw_status = 411;
/// The key is for another algorithm, or has a length that its algorithm does not have.
pub const CW_KEY_MISFIT: cw_status = 412;
/// The key service refuses.
pub const CW_KEY_REFUSED: cw_status = 413;
/// The key service does not answer now.
pub const CW_KEY_UNAVAILABLE: cw_status = 414;
/// The key service cannot do this, or answered another question.
pub const CW_KEY_SERVICE: cw_status = 415;

/// An error in this library: please report what `cw_last_error` says. A handle that was in use is poisoned.
pub const CW_INTERNAL: cw_status = 901;
/// An earlier call with this handle ended with `CW_INTERNAL`: it can only be freed.
pub const CW_POISONED: cw_status = 902;

macro_rules! names {
    ($($name:ident)*) => {
        &[$(($name, concat!(stringify!($name), "\0"))),*]
    };
}

const NAMES: &[(cw_status, &str)] = names! {
    CW_OK CW_NULL CW_BAD_HANDLE CW_BUSY CW_REENTRANT CW_BUFFER_TOO_SMALL CW_STRUCT_SIZE CW_BAD_UTF8 CW_BAD_VALUE
    CW_BAD_APDU CW_BAD_LOAD_FILE CW_CANCELLED CW_OUT_OF_RANGE CW_CARD_REMOVED CW_CARD_RESET CW_NO_CARD CW_NO_READER
    CW_NO_SERVICE CW_TIMEOUT CW_CARD_IN_USE CW_LINE_LOST CW_BAD_RESPONSE CW_RESPONSE_TOO_LONG CW_TRANSPORT CW_REFUSED
    CW_CARD_FAULT CW_UNSUPPORTED CW_NOT_OPEN CW_WRONG_KEYS CW_NO_KEYS CW_BAD_PROTECTION CW_CHANNEL_CLOSED
    CW_COMMAND_TOO_LONG CW_SECURITY_LEVEL CW_KEY_NOT_FOUND CW_KEY_MISFIT CW_KEY_REFUSED CW_KEY_UNAVAILABLE
    CW_KEY_SERVICE CW_INTERNAL CW_POISONED
};

/// The name of a status number, such as "CW_BUSY"; "unknown status" for a number that is none. Never NULL, never to be
/// freed.
#[unsafe(no_mangle)]
pub extern "system" fn cw_status_name(status: cw_status) -> *const c_char {
    let name = NAMES.iter().find(|(number, _)| *number == status).map_or("unknown status\0", |(_, name)| name);
    name.as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_named() {
        let mut numbers: Vec<_> = NAMES.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), NAMES.len());
        let declared = include_str!("status.rs").lines().filter(|line| line.starts_with("pub const CW_")).count();
        assert_eq!(declared, NAMES.len());
    }
}
