//! The card of a session: any transport, and the trace of what goes over it.

use std::ffi::{CString, c_char, c_void};
use std::time::Instant;

use cardwright_apdu::trace::{command_in_words, response_in_words};
use cardwright_apdu::{ExchangeLimits, Transport, TransportError};

use crate::boundary::boundary;
use crate::failure::Failure;
use crate::handle::{self, Exclusive};
use crate::session::{Session, cw_session};
use crate::status::cw_status;

/// `flags` of `cw_session_set_trace`: command and response are handed out whole. They hold keys and data of cards wherever no
/// secure channel protects them; without this flag there are only words, which hold none.
pub const CW_TRACE_BYTES: u32 = 0x01;

/// One command and what came of it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_trace {
    /// `sizeof(cw_trace)` of the library; use no field beyond it.
    pub struct_size: u32,
    /// Time until the response, in microseconds.
    pub micros: u32,
    /// The command in words, such as "80 CA 9F 7F GET DATA, Ne 256"; of its data only what is public. "reset" for a reset; "card
    /// profile .." where one that is not the standard is followed from now on.
    pub command_text: *const c_char,
    /// The response in words, such as "9000 (done), 42 bytes", or why there is none.
    pub response_text: *const c_char,
    /// The command; NULL for a reset, and without `CW_TRACE_BYTES`.
    pub command: *const u8,
    /// Length of the command, in bytes.
    pub command_len: usize,
    /// The response with its status word, or the ATR; NULL when there is none, and without `CW_TRACE_BYTES`.
    pub response: *const u8,
    /// Length of the response, in bytes.
    pub response_len: usize,
}

/// Hears each command after it was answered or failed: command by command as they go over the line, GET RESPONSE and corrected Le
/// too. Called by the thread that is in a call with the session; all pointers are good until it returns. It does not throw and
/// does not jump out; a call with the same session ends with `CW_REENTRANT`.
pub type cw_trace_fn = Option<unsafe extern "system" fn(user: *mut c_void, trace: *const cw_trace)>;

/// Whatever carries commands, and who hears of them.
pub(crate) struct Card {
    transport: Exclusive<Box<dyn Transport>>,
    limits: ExchangeLimits,
    sink: Option<Sink>,
}

struct Sink {
    tell: unsafe extern "system" fn(*mut c_void, *const cw_trace),
    user: *mut c_void,
    bytes: bool,
}

// SAFETY: `user` is only handed to the callback, by the one thread that holds the session's lock.
unsafe impl Send for Sink {}
// SAFETY: a shared reference gives access to nothing that is used.
unsafe impl Sync for Sink {}

impl Card {
    pub(crate) fn new(transport: impl Transport + 'static) -> Self {
        let limits = transport.limits();
        Self { transport: Exclusive::new(Box::new(transport)), limits, sink: None }
    }

    /// Tells something that is no command: the response is empty.
    pub(crate) fn tell_words(&self, words: &str) {
        let Some(sink) = &self.sink else { return };
        let text = CString::new(words).unwrap_or_default();
        let trace = cw_trace {
            struct_size: size_of::<cw_trace>() as u32,
            micros: 0,
            command_text: text.as_ptr(),
            response_text: c"".as_ptr(),
            command: std::ptr::null(),
            command_len: 0,
            response: std::ptr::null(),
            response_len: 0,
        };
        // SAFETY: a function of the type that the header asks for; all that it gets lives while it runs.
        unsafe { (sink.tell)(sink.user, &raw const trace) };
    }

    fn tell(&self, begun: Instant, command: Option<&[u8]>, answer: Result<&[u8], &TransportError>) {
        let Some(sink) = &self.sink else { return };
        let text = |text: String| CString::new(text).unwrap_or_default();
        let command_text = text(command.map_or_else(|| "reset".into(), command_in_words));
        let response_text = text(match (answer, command) {
            (Ok(response), Some(_)) => response_in_words(response),
            (Ok(atr), None) => format!("{} bytes", atr.len()),
            (Err(error), _) => error.to_string(),
        });
        let part = |bytes: Option<&[u8]>| match bytes {
            Some(bytes) if sink.bytes => (bytes.as_ptr(), bytes.len()),
            Some(bytes) => (std::ptr::null(), bytes.len()),
            None => (std::ptr::null(), 0),
        };
        let ((command, command_len), (response, response_len)) = (part(command), part(answer.ok()));
        let trace = cw_trace {
            struct_size: size_of::<cw_trace>() as u32,
            micros: u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX),
            command_text: command_text.as_ptr(),
            response_text: response_text.as_ptr(),
            command,
            command_len,
            response,
            response_len,
        };
        // SAFETY: a function of the type that the header asks for; all that it gets lives while it runs.
        unsafe { (sink.tell)(sink.user, &raw const trace) };
    }
}

impl Transport for Card {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        let begun = Instant::now();
        let result = self.transport.get().transmit(command, response);
        self.tell(begun, Some(command), result.as_ref().map(|()| &response[..]));
        result
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        let begun = Instant::now();
        let result = self.transport.get().reset();
        // The protocol may be another one now.
        self.limits = self.transport.get().limits();
        self.tell(begun, None, result.as_deref());
        result
    }

    fn limits(&self) -> ExchangeLimits {
        self.limits
    }
}

/// Sets who hears of each command of this session; NULL for nobody. `flags` is 0 or `CW_TRACE_BYTES`. What `user` points to must
/// live as long as the session, or until another one is set.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_set_trace(
    session: *mut cw_session,
    trace: cw_trace_fn,
    user: *mut c_void,
    flags: u32,
) -> cw_status {
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            let bytes = match flags {
                0 => false,
                CW_TRACE_BYTES => true,
                flags => return Err(Failure::value(format!("trace flags {flags:X} are not known"))),
            };
            session.card.sink = trace.map(|tell| Sink { tell, user, bytes });
            Ok(())
        })
    })
}
