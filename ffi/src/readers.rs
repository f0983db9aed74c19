//! The readers of the machine, through its PC/SC service.

use std::ffi::{c_char, c_void};

use crate::boundary::boundary;
use crate::failure::Failure;
use crate::handle::{self, Exclusive, Object};
use crate::input;
use crate::plain::{self, Out, plain};
use crate::session::{Session, cw_session};
use crate::status::*;

/// `cw_reader_options.share`: others may use the card at the same time.
pub const CW_SHARE_SHARED: u32 = 1;
/// `cw_reader_options.share`: they may not. What 0 stands for.
pub const CW_SHARE_EXCLUSIVE: u32 = 2;

/// `cw_reader_options.protocol`: whichever card and service agree on.
pub const CW_PROTOCOL_ANY: u32 = 0;
/// `cw_reader_options.protocol`: T=0.
pub const CW_PROTOCOL_T0: u32 = 1;
/// `cw_reader_options.protocol`: T=1.
pub const CW_PROTOCOL_T1: u32 = 2;

/// `cw_reader_event.kind`: nothing happened in time.
pub const CW_READER_NOTHING: u32 = 0;
/// `cw_reader_event.kind`: a reader is there.
pub const CW_READER_PLUGGED: u32 = 1;
/// `cw_reader_event.kind`: a reader is gone.
pub const CW_READER_UNPLUGGED: u32 = 2;
/// `cw_reader_event.kind`: a card is in the reader.
pub const CW_READER_CARD_IN: u32 = 3;
/// `cw_reader_event.kind`: the card is out of the reader.
pub const CW_READER_CARD_OUT: u32 = 4;

/// How to connect to a card in a reader.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_reader_options {
    /// Set it to `sizeof(cw_reader_options)`.
    pub struct_size: u32,
    /// 0, or `CW_TRANSPORT_EXTENDED` when card and reader are known to carry extended lengths; not over T=0.
    pub flags: u32,
    /// `CW_SHARE_SHARED` or `CW_SHARE_EXCLUSIVE`.
    pub share: u32,
    /// One of `CW_PROTOCOL_ANY` to `CW_PROTOCOL_T1`.
    pub protocol: u32,
    /// How long to wait for a card, or for another program that holds it, in milliseconds; 0 for not at all.
    pub wait_ms: u32,
    /// How long a command may take, in milliseconds; 0 for 60000.
    pub timeout_ms: u32,
}

/// What happened at a reader.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_reader_event {
    /// Set it to `sizeof(cw_reader_event)`.
    pub struct_size: u32,
    /// One of `CW_READER_NOTHING` to `CW_READER_CARD_OUT`.
    pub kind: u32,
    /// Length of the ATR, in bytes; 0 for a mute card.
    pub atr_len: u32,
    /// ATR of the card that came.
    pub atr: [u8; 36],
    /// Name of the reader: UTF-8, ends with a NUL.
    pub reader: [c_char; 256],
}

plain! {
    cw_reader_options: size_of::<cw_reader_options>();
    cw_reader_event: size_of::<cw_reader_event>();
}

/// Takes the name of one reader, UTF-8, good until the callback returns. 0 goes on, anything else ends the call with `CW_CANCELLED`.
/// Called by the thread that called `cw_reader_list`. It does not throw and does not jump out.
pub type cw_reader_fn = Option<unsafe extern "system" fn(user: *mut c_void, reader: *const c_char) -> i32>;

/// Watches readers come and go, and cards in them. Made by `cw_reader_watcher_new`, ended by `cw_reader_watcher_free`.
pub struct cw_reader_watcher {
    _opaque: [u8; 0],
}

/// Hands out the names of the readers that are plugged in; none is fine.
///
/// All functions for readers end with `CW_UNSUPPORTED` in a library that was built without PC/SC, and with `CW_NO_SERVICE` when the
/// service does not run.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_reader_list(reader: cw_reader_fn, user: *mut c_void) -> cw_status {
    boundary(|| {
        let hand_out = reader.ok_or_else(|| Failure::null("reader"))?;
        for name in service::list()? {
            let name = std::ffi::CString::new(name).unwrap_or_default();
            // SAFETY: a function of the type that the header asks for; the name lives while it runs.
            if unsafe { hand_out(user, name.as_ptr()) } != 0 {
                return Err(Failure::new(CW_CANCELLED, "the callback asked to stop"));
            }
        }
        Ok(())
    })
}

/// Connects to the card in a reader and begins a session with it. `options` may be NULL: exclusive, any protocol, no waiting.
///
/// `reader` is a name that `cw_reader_list` gave. `cw_session_free` resets the card and lets it go.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_new_reader(
    reader: *const c_char,
    options: *const cw_reader_options,
    out: *mut *mut cw_session,
) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: the header asks for a NUL-terminated string.
        let reader = unsafe { input::string(reader, "reader")? };
        let options = match options.is_null() {
            true => None,
            // SAFETY: the header asks for a struct of `struct_size` readable bytes.
            false => Some(unsafe { plain::read(options)? }),
        };
        let session = Session::new(service::connect(&reader, options.as_ref())?);
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { handle::hand_out(session, out) }
    })
}

/// Begins to watch. The readers and cards that are there are told as if they came now.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_reader_watcher_new(out: *mut *mut cw_reader_watcher) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        let watcher = Watcher(Exclusive::new(service::watch()?));
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { handle::hand_out(watcher, out) }
    })
}

/// Waits for the next event, at most `timeout_ms` milliseconds; `CW_READER_NOTHING` when none came.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_reader_watcher_next(
    watcher: *mut cw_reader_watcher,
    timeout_ms: u32,
    out: *mut cw_reader_event,
) -> cw_status {
    boundary(|| {
        handle::with::<Watcher, _>(watcher as usize, |watcher| {
            // SAFETY: the header asks for a struct of `struct_size` writable bytes.
            let out = unsafe { Out::new(out)? };
            out.write(&service::next(watcher.0.get(), timeout_ms)?);
            Ok(())
        })
    })
}

/// Ends a watcher; NULL is fine. One that another thread waits with is not freed: `CW_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_reader_watcher_free(watcher: *mut cw_reader_watcher) -> cw_status {
    boundary(|| handle::remove::<Watcher>(watcher as usize))
}

/// What a `cw_reader_watcher` stands for.
pub(crate) struct Watcher(Exclusive<service::Watching>);

impl Object for Watcher {
    const NAME: &'static str = "cw_reader_watcher";
}

#[cfg(feature = "pcsc")]
mod service {
    use std::time::Duration;

    use cardwright_apdu::transport::pcsc::{Options, PcscCard, Protocol, ReaderEvent, ReaderWatcher, Share, readers};
    use cardwright_apdu::{Transport, TransportError, TransportErrorKind};

    use super::*;
    use crate::transport::CW_TRANSPORT_EXTENDED;

    pub(super) type Watching = ReaderWatcher;

    fn failure(kind: TransportErrorKind) -> Failure {
        TransportError::not_sent(kind).into()
    }

    pub(super) fn list() -> Result<Vec<String>, Failure> {
        readers().map_err(failure)
    }

    pub(super) fn connect(
        reader: &str,
        options: Option<&cw_reader_options>,
    ) -> Result<impl Transport + use<>, Failure> {
        let mut how = Options::default();
        if let Some(options) = options {
            how.share = match options.share {
                CW_SHARE_SHARED => Share::Shared,
                0 | CW_SHARE_EXCLUSIVE => Share::Exclusive,
                other => return Err(Failure::value(format!("share {other} is not known"))),
            };
            how.protocol = match options.protocol {
                CW_PROTOCOL_ANY => Protocol::Any,
                CW_PROTOCOL_T0 => Protocol::T0,
                CW_PROTOCOL_T1 => Protocol::T1,
                other => return Err(Failure::value(format!("protocol {other} is not known"))),
            };
            how.wait = Duration::from_millis(options.wait_ms.into());
            if options.timeout_ms != 0 {
                how.timeout = Duration::from_millis(options.timeout_ms.into());
            }
            how.extended = match options.flags {
                0 => false,
                CW_TRANSPORT_EXTENDED => true,
                flags => return Err(Failure::value(format!("flags {flags:X} of cw_reader_options are not known"))),
            };
        }
        PcscCard::connect(reader, how).map_err(failure)
    }

    pub(super) fn watch() -> Result<Watching, Failure> {
        ReaderWatcher::new().map_err(failure)
    }

    pub(super) fn next(watcher: &mut Watching, timeout_ms: u32) -> Result<cw_reader_event, Failure> {
        let timeout = Duration::from_millis(timeout_ms.into());
        let (kind, name, atr) = match watcher.next_event(Some(timeout)).map_err(failure)? {
            None => (CW_READER_NOTHING, String::new(), Vec::new()),
            Some(ReaderEvent::Plugged { reader }) => (CW_READER_PLUGGED, reader, Vec::new()),
            Some(ReaderEvent::Unplugged { reader }) => (CW_READER_UNPLUGGED, reader, Vec::new()),
            Some(ReaderEvent::CardIn { reader, atr }) => (CW_READER_CARD_IN, reader, atr),
            Some(ReaderEvent::CardOut { reader }) => (CW_READER_CARD_OUT, reader, Vec::new()),
            Some(_) => return Err(Failure::new(CW_INTERNAL, "an event of readers without a number")),
        };
        let mut event =
            cw_reader_event { struct_size: 0, kind, atr_len: atr.len().min(36) as u32, atr: [0; 36], reader: [0; 256] };
        event.atr.iter_mut().zip(&atr).for_each(|(to, byte)| *to = *byte);
        crate::event::put_text(&name, &mut event.reader);
        Ok(event)
    }
}

#[cfg(not(feature = "pcsc"))]
mod service {
    use cardwright_apdu::transport::Replay;

    use super::*;

    /// There is none.
    pub(super) enum Watching {}

    fn without<T>() -> Result<T, Failure> {
        let message = "this library was built without PC/SC: build it with --features pcsc, or bring a cw_transport";
        Err(Failure::new(CW_UNSUPPORTED, message))
    }

    pub(super) fn list() -> Result<Vec<String>, Failure> {
        without()
    }

    pub(super) fn connect(_: &str, _: Option<&cw_reader_options>) -> Result<Replay, Failure> {
        without()
    }

    pub(super) fn watch() -> Result<Watching, Failure> {
        without()
    }

    pub(super) fn next(watcher: &mut Watching, _: u32) -> Result<cw_reader_event, Failure> {
        match *watcher {}
    }
}
