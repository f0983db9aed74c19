//! A transport whose ends are C callbacks.

use std::ffi::c_void;

use cardwright_apdu::transport::TransportErrorKind as Kind;
use cardwright_apdu::{ExchangeLimits, ResponseError, Transport, TransportError};
use zeroize::Zeroize;

use crate::failure::Failure;
use crate::plain::plain;
use crate::status::*;

/// What `cw_answer.capacity` is: the longest response, in bytes.
pub const CW_ANSWER_CAPACITY: usize = 65538;

/// `cw_transport.flags`: extended length fields pass. Without, longer commands are chained.
pub const CW_TRANSPORT_EXTENDED: u32 = 0x01;

/// `cw_answer.delivery`: the card may have got the command, wholly or in part.
pub const CW_DELIVERY_UNKNOWN: u32 = 0;
/// `cw_answer.delivery`: it is certain that not a byte of the command reached the card.
pub const CW_DELIVERY_NOT_SENT: u32 = 1;

/// Where a callback puts what the card sent.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_answer {
    /// `sizeof(cw_answer)` of the library; a callback uses no field beyond it.
    pub struct_size: u32,
    /// `CW_DELIVERY_UNKNOWN`; a callback that fails sets `CW_DELIVERY_NOT_SENT` when it is certain of that, and only then.
    pub delivery: u32,
    /// Room for the bytes, the library's.
    pub bytes: *mut u8,
    /// Number of bytes that there is room for: `CW_ANSWER_CAPACITY`.
    pub capacity: usize,
    /// 0; the callback sets how many bytes it has written. More than `capacity` ends the call with
    /// `CW_RESPONSE_TOO_LONG`.
    pub length: usize,
}

/// Carries one command to the card and its response, with SW1-SW2, back; blocks until it is there.
///
/// Called by the thread that is in a call with the session, one at a time, and never after that call has returned.
/// `command` and `answer` are good until the callback returns. The callback returns `CW_OK`, or one of `CW_CARD_REMOVED`
/// to `CW_LINE_LOST`, or `CW_TRANSPORT`; it does not throw and does not jump out. It may call this library, but a call
/// with the session that it serves ends with `CW_REENTRANT`. GET RESPONSE, wrong Le and command chaining are done by the
/// library: the bytes go to the card as they are. `command` may hold a key: do not log it.
pub type cw_transmit_fn = Option<
    unsafe extern "system" fn(
        user: *mut c_void,
        command: *const u8,
        command_len: usize,
        answer: *mut cw_answer,
    ) -> cw_status,
>;

/// Resets the card, which closes what was open on it, and gives its ATR, at most 33 bytes. Must not be NULL in a `cw_transport`; called
/// by `cw_session_reset` and at the beginning of each issuing process. All else as for `cw_transmit_fn`.
pub type cw_reset_fn = Option<unsafe extern "system" fn(user: *mut c_void, answer: *mut cw_answer) -> cw_status>;

/// A way to a card: a reader, a line, another library, as callbacks.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_transport {
    /// Set it to `sizeof(cw_transport)`.
    pub struct_size: u32,
    /// 0, or `CW_TRANSPORT_EXTENDED`.
    pub flags: u32,
    /// Carries a command.
    pub transmit: cw_transmit_fn,
    /// Resets the card.
    pub reset: cw_reset_fn,
    /// Handed to the callbacks, and not looked at otherwise. What it points to must live as long as the session.
    pub user: *mut c_void,
}

plain! { cw_transport: size_of::<cw_transport>(); }

/// The callbacks of a session, and the room for an answer.
pub(crate) struct Callbacks {
    transmit: unsafe extern "system" fn(*mut c_void, *const u8, usize, *mut cw_answer) -> cw_status,
    reset: unsafe extern "system" fn(*mut c_void, *mut cw_answer) -> cw_status,
    user: *mut c_void,
    limits: ExchangeLimits,
    room: Vec<u8>,
}

// SAFETY: `user` is only handed to the callbacks, and these are called by the one thread that holds the session's lock;
// the header tells the caller that this can be any thread that uses the session.
unsafe impl Send for Callbacks {}

impl Callbacks {
    pub(crate) fn new(transport: &cw_transport) -> Result<Self, Failure> {
        let limits = match transport.flags {
            0 => ExchangeLimits::default(),
            CW_TRANSPORT_EXTENDED => ExchangeLimits::default().with_extended(),
            flags => return Err(Failure::value(format!("flags {flags:X} of cw_transport are not known"))),
        };
        Ok(Self {
            transmit: transport.transmit.ok_or_else(|| Failure::null("transmit"))?,
            reset: transport.reset.ok_or_else(|| Failure::null("reset"))?,
            user: transport.user,
            limits,
            room: vec![0; CW_ANSWER_CAPACITY],
        })
    }

    fn ask(
        &mut self,
        out: &mut Vec<u8>,
        call: impl FnOnce(*mut c_void, *mut cw_answer) -> cw_status,
    ) -> Result<(), TransportError> {
        let mut answer = cw_answer {
            struct_size: size_of::<cw_answer>() as u32,
            delivery: CW_DELIVERY_UNKNOWN,
            bytes: self.room.as_mut_ptr(),
            capacity: self.room.len(),
            length: 0,
        };
        let status = call(self.user, &raw mut answer);
        out.clear();
        if status != CW_OK || answer.length > self.room.len() {
            // What a callback has written of an answer that does not count.
            self.room.as_mut_slice().zeroize();
        }
        if status != CW_OK {
            let error = kind_of(status);
            return Err(match answer.delivery {
                CW_DELIVERY_NOT_SENT => TransportError::not_sent(error),
                _ => TransportError::unknown(error),
            });
        }
        let Some(bytes) = self.room.get_mut(..answer.length) else {
            // The card has answered, but what it said is lost.
            let error = ResponseError::TooLong { actual: answer.length };
            return Err(TransportError::unknown(Kind::Exchange(error.into())));
        };
        out.extend_from_slice(bytes);
        bytes.zeroize();
        Ok(())
    }
}

impl Transport for Callbacks {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        let transmit = self.transmit;
        // SAFETY: a function of the type that the header asks for; the pointers are good while it runs.
        self.ask(response, |user, answer| unsafe { transmit(user, command.as_ptr(), command.len(), answer) })
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        let reset = self.reset;
        let mut atr = Vec::new();
        // SAFETY: as above.
        self.ask(&mut atr, |user, answer| unsafe { reset(user, answer) })?;
        Ok(atr)
    }

    fn limits(&self) -> ExchangeLimits {
        self.limits
    }
}

pub(crate) fn kind_of(status: cw_status) -> Kind {
    match status {
        CW_CARD_REMOVED => Kind::CardRemoved,
        CW_CARD_RESET => Kind::CardReset,
        CW_NO_CARD => Kind::NoCard,
        CW_NO_READER => Kind::NoReader,
        CW_NO_SERVICE => Kind::NoService,
        CW_TIMEOUT => Kind::Timeout,
        CW_CARD_IN_USE => Kind::Busy,
        CW_LINE_LOST => Kind::LineLost,
        other => Kind::Other(format!("the program's reader says {other}")),
    }
}
