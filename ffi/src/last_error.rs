//! The last error of each thread.

use std::cell::RefCell;
use std::ffi::c_char;

use crate::boundary::boundary;
use crate::failure::Failure;
use crate::plain::{Out, plain};
use crate::status::{CW_OK, cw_status};

thread_local!(static LAST: RefCell<Option<Failure>> = const { RefCell::new(None) });

pub(crate) fn keep(failure: Failure) {
    // A thread that is being torn down asks no more.
    let _ = LAST.try_with(|last| last.replace(Some(failure)));
}

pub(crate) fn kept() -> Option<Failure> {
    LAST.try_with(|last| last.borrow().clone()).ok().flatten()
}

/// What is known about a call that failed. Holds no key, no PIN and no data of a card.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_error {
    /// Set it to `sizeof(cw_error)`.
    pub struct_size: u32,
    /// The status that the call returned; `CW_OK` when no call of this thread has failed yet.
    pub status: cw_status,
    /// SW1-SW2 with which the card refused; 0 where none did.
    pub sw: u16,
    /// 1: the answer to the command is missing or worthless, and the card may have executed it, wholly or in part: find out before
    /// you repeat it. 0: the card did not get it, or answered it as `sw` says.
    pub in_doubt: u8,
    /// Zero.
    pub reserved: [u8; 5],
    /// Where in the input or in the card's answer the fault is, in bytes from its start; -1 where there is no such place.
    pub offset: i64,
    /// Length of the whole message, in bytes without the NUL; greater than 511 when `message` was cut:
    /// `cw_last_error_message` gives all of it.
    pub message_len: u32,
    /// Name of the command in question, such as "INITIALIZE UPDATE", or empty.
    pub command: [c_char; 60],
    /// What happened and what to do, in English; UTF-8, ends with a NUL, cut between two characters.
    pub message: [c_char; 512],
}

plain! { cw_error: size_of::<cw_error>(); }

/// Tells about the last call of this thread that failed. Calls that succeed do not change it, and this one never does.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_last_error(out: *mut cw_error) -> cw_status {
    question(|| {
        // SAFETY: the header asks for a struct of `struct_size` writable bytes.
        let out = unsafe { Out::new(out)? };
        let failure = kept().unwrap_or_else(|| Failure::new(CW_OK, ""));
        let mut error = cw_error {
            struct_size: 0,
            status: failure.status,
            sw: failure.sw,
            in_doubt: failure.in_doubt.into(),
            reserved: [0; 5],
            offset: failure.offset.and_then(|offset| i64::try_from(offset).ok()).unwrap_or(-1),
            message_len: u32::try_from(failure.message.len()).unwrap_or(u32::MAX),
            command: [0; 60],
            message: [0; 512],
        };
        copy_text(failure.command, &mut error.command);
        copy_text(&failure.message, &mut error.message);
        out.write(&error);
        Ok(())
    })
}

/// A boundary for questions about the last error: one asked wrongly does not hide what it was about.
pub(crate) fn question(body: impl FnOnce() -> Result<(), Failure>) -> cw_status {
    let before = kept();
    let status = boundary(body);
    let _ = LAST.try_with(|last| last.replace(before));
    status
}

fn copy_text(text: &str, out: &mut [c_char]) {
    let fits = text.len().min(out.len() - 1);
    let end = (0..=fits).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    for (to, byte) in out.iter_mut().zip(&text.as_bytes()[..end]) {
        *to = *byte as c_char;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        let mut out = [1; 6];
        copy_text("abcdé", &mut out);
        assert_eq!(out[..4], *b"abcd".map(|byte| byte as c_char).as_slice());
        assert_eq!(out[4..], [1, 1]);
    }
}
