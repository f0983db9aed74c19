//! The last error's whole message: `cw_error` has room for its beginning only, and C# wants UTF-16.

use std::ffi::c_char;

use crate::failure::Failure;
use crate::input;
use crate::last_error::{kept, question};
use crate::status::cw_status;

/// Gives the whole message of the last call of this thread that failed, in UTF-8, with a NUL at its end; an empty one when
/// no call has failed yet. Never changes the last error.
///
/// `*out_len` becomes the message's length in bytes without the NUL; when `capacity` is not at least one more, the call
/// ends with `CW_BUFFER_TOO_SMALL` and `out` is not written: no message is cut.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_last_error_message(
    out: *mut c_char,
    capacity: usize,
    out_len: *mut usize,
) -> cw_status {
    question(|| {
        let message = kept().map(|failure| failure.message).unwrap_or_default();
        // SAFETY: the header asks for `capacity` writable bytes and a writable length.
        unsafe { hand_over(message.as_bytes(), out.cast(), capacity, out_len) }
    })
}

/// Gives the whole message of the last call of this thread that failed, in UTF-16, with a NUL at its end; an empty one when
/// no call has failed yet. Never changes the last error.
///
/// `*out_len` becomes the message's length in units of 16 bits without the NUL, and `capacity` counts such units; when it is
/// not at least one more, the call ends with `CW_BUFFER_TOO_SMALL` and `out` is not written: no message is cut.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_last_error_utf16(out: *mut u16, capacity: usize, out_len: *mut usize) -> cw_status {
    question(|| {
        let message: Vec<_> = kept().iter().flat_map(|failure| failure.message.encode_utf16()).collect();
        // SAFETY: the header asks for `capacity` writable units and a writable length.
        unsafe { hand_over(&message, out, capacity, out_len) }
    })
}

/// Hands a text over with a zero behind it, or only its length when they do not fit.
///
/// # Safety
/// `out` is NULL or points to `capacity` writable units; `out_len` is NULL or points to a writable number.
unsafe fn hand_over<T: Copy + Default>(
    text: &[T],
    out: *mut T,
    capacity: usize,
    out_len: *mut usize,
) -> Result<(), Failure> {
    input::out(out_len, "out_len")?;
    let fits = text.len() < capacity;
    if fits {
        input::out(out, "out")?;
    }
    // SAFETY: checked above, and the caller vouches for it.
    unsafe { out_len.write(text.len()) };
    if !fits {
        return Err(Failure::too_small(text.len() + 1, capacity));
    }
    // SAFETY: not NULL, aligned, and `capacity` writable units are more than the text has.
    unsafe {
        out.copy_from_nonoverlapping(text.as_ptr(), text.len());
        out.add(text.len()).write(T::default());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{ptr, thread};

    use super::*;
    use crate::last_error::keep;
    use crate::status::{CW_BAD_VALUE, CW_BUFFER_TOO_SMALL, CW_NULL, CW_OK};

    const TEXT: &str = "ключ 🗝 é";

    fn message(out: &mut [u8], length: &mut usize) -> cw_status {
        // SAFETY: a live buffer and number.
        unsafe { cw_last_error_message(out.as_mut_ptr().cast(), out.len(), length) }
    }

    fn utf16(out: &mut [u16], length: &mut usize) -> cw_status {
        // SAFETY: a live buffer and number.
        unsafe { cw_last_error_utf16(out.as_mut_ptr(), out.len(), length) }
    }

    #[test]
    fn the_whole_message_ends_with_a_zero_and_is_not_cut() {
        keep(Failure::value(TEXT));
        let units: Vec<u16> = TEXT.encode_utf16().collect();
        for capacity in 0..TEXT.len() + 3 {
            let (mut bytes, mut wide) = (vec![0x77; capacity], vec![0x7777; capacity]);
            let (mut length, mut wide_length) = (usize::MAX, usize::MAX);
            let statuses = [message(&mut bytes, &mut length), utf16(&mut wide, &mut wide_length)];
            assert_eq!((length, wide_length), (TEXT.len(), units.len()), "capacity {capacity}");
            if capacity > TEXT.len() {
                assert_eq!((statuses[0], &bytes[..TEXT.len()], bytes[TEXT.len()]), (CW_OK, TEXT.as_bytes(), 0));
                assert!(bytes[TEXT.len() + 1..].iter().all(|byte| *byte == 0x77));
            } else {
                assert_eq!((statuses[0], bytes), (CW_BUFFER_TOO_SMALL, vec![0x77; capacity]));
            }
            if capacity > units.len() {
                assert_eq!((statuses[1], &wide[..units.len()], wide[units.len()]), (CW_OK, &units[..], 0));
                assert!(wide[units.len() + 1..].iter().all(|unit| *unit == 0x7777));
            } else {
                assert_eq!((statuses[1], wide), (CW_BUFFER_TOO_SMALL, vec![0x7777; capacity]));
            }
        }
    }

    #[test]
    fn questions_asked_wrongly_leave_the_last_error() {
        keep(Failure::value(TEXT));
        let (mut length, mut room) = (0, [0_u16; 100]);
        // SAFETY: NULL is looked for, and an odd address is never written to.
        let statuses = unsafe {
            [
                cw_last_error_message(ptr::null_mut(), 100, &raw mut length),
                cw_last_error_message(room.as_mut_ptr().cast(), 100, ptr::null_mut()),
                cw_last_error_utf16(ptr::null_mut(), 100, &raw mut length),
                cw_last_error_utf16(room.as_mut_ptr(), 100, ptr::null_mut()),
                cw_last_error_utf16(room.as_mut_ptr().byte_add(1), 90, &raw mut length),
                cw_last_error_utf16(ptr::null_mut(), 0, &raw mut length),
            ]
        };
        assert_eq!(statuses, [CW_NULL, CW_NULL, CW_NULL, CW_NULL, CW_BAD_VALUE, CW_BUFFER_TOO_SMALL]);
        assert_eq!(kept().unwrap().message, TEXT);
    }

    #[test]
    fn without_a_failure_the_message_is_empty_and_stays_so() {
        let ask = || {
            let (mut bytes, mut wide, mut length) = ([0x77; 4], [0x7777; 4], 9);
            assert_eq!((message(&mut bytes, &mut length), length, bytes[0]), (CW_OK, 0, 0));
            assert_eq!((utf16(&mut wide, &mut length), length, wide[0]), (CW_OK, 0, 0));
            assert_eq!(message(&mut [], &mut length), CW_BUFFER_TOO_SMALL);
            assert!(kept().is_none());
        };
        thread::spawn(ask).join().unwrap();
    }
}
