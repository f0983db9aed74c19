//! Status numbers: fixed, in ranges, never reused.

use std::ffi::c_char;

/// How a call ended: `CW_OK`, or one of the numbers below.
///
/// Who is at fault: 1xx the caller, 2xx the way to the card, 3xx the card, 4xx secure channel and keys, 5xx an issuing
/// process, 6xx storage, 9xx this library. A number never changes its meaning; new ones may come, so that a switch needs a
/// default.
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
/// `struct_size` is smaller than any version of the struct was, or so great that it was never set.
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

/// The generator gave no random bytes: the system's, or the one that the caller brought.
pub const CW_NO_RANDOM: cw_status = 113;

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
pub const CW_BAD_SECURITY_LEVEL: cw_status = 407;
/// A certificate of the card is not accepted: `cw_last_error` says which one and why. Nothing of the host was sent.
pub const CW_BAD_CERTIFICATE: cw_status = 408;
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

/// The card was torn out, or the line to it broke: what was under way is not known. Put the same card back and run a new process
/// with the same journal and order: the card is asked then.
pub const CW_INTERRUPTED: cw_status = 501;
/// A step needs a person: `cw_last_error` says which one and why. Run a new process with
/// `CW_ORDER_RELEASE_QUARANTINE` when it may go on.
pub const CW_QUARANTINED: cw_status = 502;
/// Too many failed authentications of this card: nothing was tried. Another attempt may lock it for ever.
pub const CW_LOCKED_OUT: cw_status = 503;
/// Another card than the one that the run began with, or a damaged answer: its keys were left as they are.
pub const CW_OTHER_CARD: cw_status = 504;
/// Card and record do not go together, or the order and one of them; nothing was sent that changes the card.
pub const CW_CONTRADICTION: cw_status = 505;
/// The card has nothing that tells it from others: an issue that is interrupted could not be resumed.
pub const CW_NO_IDENTITY: cw_status = 506;
/// There is nothing of this AID on the card, or in its record.
pub const CW_NOT_FOUND: cw_status = 507;
/// A guard: what is to be deleted is in use. `CW_DELETE_FORCE` overrides some.
pub const CW_GUARDED: cw_status = 508;
/// The card does not list what has to be known, or at the end not what it should hold.
pub const CW_NOT_PROVED: cw_status = 509;
/// There is no open question, or it was answered with something that belongs to another one; or the process has not ended yet.
pub const CW_OUT_OF_TURN: cw_status = 510;
/// The load of a purse has ended without money on the card: it was not allowed, not debited, given up, or reversed.
/// `cw_process_load_report` says which.
pub const CW_NOT_LOADED: cw_status = 511;
/// The keeper of accounts gave no definite answer: it may have booked. Run a new process with the same id later.
pub const CW_ACCOUNT_UNKNOWN: cw_status = 512;

/// Another writer worked on the same card.
pub const CW_STORE_CONFLICT: cw_status = 601;
/// Others kept the store locked; nothing was written.
pub const CW_STORE_BUSY: cw_status = 602;
/// No room; nothing was written.
pub const CW_STORE_FULL: cw_status = 603;
/// The store failed; nothing was written.
pub const CW_STORE_FAILED: cw_status = 604;
/// Whether the records were written is not known: open the journal again and run a new process.
pub const CW_STORE_IN_DOUBT: cw_status = 605;
/// The file cannot be opened: it is not there, is something else, or the system does not let this program at it.
pub const CW_STORE_FILE: cw_status = 606;
/// The journal is damaged or was changed: `cw_last_error` names the place.
pub const CW_STORE_DAMAGED: cw_status = 607;

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
    CW_BAD_APDU CW_BAD_LOAD_FILE CW_CANCELLED CW_OUT_OF_RANGE CW_NO_RANDOM CW_CARD_REMOVED CW_CARD_RESET CW_NO_CARD CW_NO_READER
    CW_NO_SERVICE CW_TIMEOUT CW_CARD_IN_USE CW_LINE_LOST CW_BAD_RESPONSE CW_RESPONSE_TOO_LONG CW_TRANSPORT CW_REFUSED
    CW_CARD_FAULT CW_UNSUPPORTED CW_NOT_OPEN CW_WRONG_KEYS CW_NO_KEYS CW_BAD_PROTECTION CW_CHANNEL_CLOSED
    CW_COMMAND_TOO_LONG CW_BAD_SECURITY_LEVEL CW_BAD_CERTIFICATE CW_KEY_NOT_FOUND CW_KEY_MISFIT CW_KEY_REFUSED CW_KEY_UNAVAILABLE
    CW_KEY_SERVICE CW_INTERRUPTED CW_QUARANTINED CW_LOCKED_OUT CW_OTHER_CARD CW_CONTRADICTION CW_NO_IDENTITY CW_NOT_FOUND
    CW_GUARDED CW_NOT_PROVED CW_OUT_OF_TURN CW_NOT_LOADED CW_ACCOUNT_UNKNOWN CW_STORE_CONFLICT CW_STORE_BUSY CW_STORE_FULL CW_STORE_FAILED CW_STORE_IN_DOUBT
    CW_STORE_FILE CW_STORE_DAMAGED CW_INTERNAL CW_POISONED
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
