//! A key service whose answers come from C callbacks, and a key service of ours asked by C.

use std::ffi::c_void;

use cardwright_keys::{KeyAnswer, KeyError, KeyRequest, KeyService};

use crate::boundary::boundary;
use crate::failure::Failure;
use crate::key_request::{RequestInC, Wiped, cw_key_answer, cw_key_request, read_request};
use crate::keys::{self, cw_keys};
use crate::plain::{Out, plain};
use crate::serving::Service;
use crate::status::*;

/// Answers one question of the library to the program's key service; blocks until it has.
///
/// Called by the thread that is in a call which uses the handle: by several at the same time when several threads use it. `request`
/// and `answer` are good until the callback returns. It returns `CW_OK`, or `CW_KEY_NOT_FOUND`, `CW_KEY_MISFIT` or
/// `CW_KEY_REFUSED` (policy; both end as `CW_KEY_REFUSED`), `CW_KEY_UNAVAILABLE` (the same request may be asked again), or `CW_KEY_SERVICE` (it cannot do this).
/// The same request must get the same answer. It does not throw and does not jump out; it may call this library, but a call with
/// the session or process that it serves, or with its own `cw_keys`, ends with `CW_REENTRANT`.
pub type cw_key_request_fn = Option<
    unsafe extern "system" fn(
        user: *mut c_void,
        request: *const cw_key_request,
        answer: *mut cw_key_answer,
    ) -> cw_status,
>;

/// The program's own key service: an HSM or a line to one.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_key_service {
    /// Set it to `sizeof(cw_key_service)`.
    pub struct_size: u32,
    /// Zero.
    pub flags: u32,
    /// Answers questions.
    pub answer: cw_key_request_fn,
    /// Handed to the callback, and not looked at otherwise.
    pub user: *mut c_void,
}

plain! { cw_key_service: size_of::<cw_key_service>(); }

/// The callback of a `cw_keys`.
#[derive(Clone, Copy)]
pub(crate) struct ProgramKeys {
    answer: unsafe extern "system" fn(*mut c_void, *const cw_key_request, *mut cw_key_answer) -> cw_status,
    user: *mut c_void,
    service: Service,
}

// SAFETY: `user` is only handed to the callback, and the header tells the caller which threads call it.
unsafe impl Send for ProgramKeys {}
// SAFETY: as above.
unsafe impl Sync for ProgramKeys {}

impl ProgramKeys {
    pub(crate) fn new(service: &cw_key_service) -> Result<Self, Failure> {
        if service.flags != 0 {
            return Err(Failure::value(format!("flags {:X} of cw_key_service are not known", service.flags)));
        }
        let answer = service.answer.ok_or_else(|| Failure::null("answer"))?;
        Ok(Self { answer, user: service.user, service: Service::new() })
    }

    /// Refuses its own callback, which would ask itself.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.service.check("cw_keys")
    }
}

impl KeyService for ProgramKeys {
    fn answer(&mut self, request: &KeyRequest) -> Result<KeyAnswer, KeyError> {
        let question = RequestInC::new(request)?;
        let mut answer = Wiped(cw_key_answer::empty());
        let _under_way = self.service.begin();
        // SAFETY: a function of the type that the header asks for; what it gets lives while it runs.
        let status = unsafe { (self.answer)(self.user, question.request(), &raw mut answer.0) };
        match status {
            CW_OK => answer.0.to(request),
            status => Err(refusal(status, &answer.0.reason(), request)),
        }
    }
}

/// What a status of the program's key service means.
pub(crate) fn refusal(status: cw_status, reason: &str, request: &KeyRequest) -> KeyError {
    let reason = reason.to_owned();
    match status {
        CW_KEY_NOT_FOUND => KeyError::NotFound { key: first_name(request) },
        CW_KEY_REFUSED | CW_KEY_MISFIT => KeyError::Refused { reason },
        CW_KEY_UNAVAILABLE => KeyError::Unavailable { reason },
        _ => KeyError::Unsupported,
    }
}

fn first_name(request: &KeyRequest) -> String {
    let key = match request {
        KeyRequest::Scp01Session { keys, .. }
        | KeyRequest::Scp02Session { keys, .. }
        | KeyRequest::Scp03Session { keys, .. } => &keys.enc,
        KeyRequest::Wrap { key, .. } | KeyRequest::Cryptogram { key, .. } | KeyRequest::Mac { key, .. } => key,
        KeyRequest::KeyCommand { under, .. } => under,
        _ => return String::new(),
    };
    key.to_string()
}

/// Asks a key service one question, as the library itself does: so that a program's own key service can hand on what it does not
/// hold itself. Wipe `out` when it is no longer needed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_keys_answer(
    keys: *mut cw_keys,
    request: *const cw_key_request,
    out: *mut cw_key_answer,
) -> cw_status {
    boundary(|| {
        let mut keys = keys::service(keys)?;
        // SAFETY: the header asks for structs of `struct_size` bytes, with pointers that are good for their lengths.
        let (request, out) = unsafe { (read_request(request)?, Out::new(out)?) };
        let mut answer = Wiped(cw_key_answer::empty());
        answer.0.fill(&keys.answer(&request)?)?;
        out.write(&answer.0);
        Ok(())
    })
}
