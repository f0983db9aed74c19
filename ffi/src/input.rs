//! C's pointers, lengths and strings as Rust values, and where results go to.

use std::ffi::{CStr, c_char};

use cardwright_apdu::Aid;

use crate::failure::Failure;
use crate::status::CW_BAD_UTF8;

/// The longest string that is taken, in bytes; one without an end is found out there.
const MAX_STRING: usize = 1024;

/// An AID: `length` 5 to 16, or 0 for none.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct cw_aid {
    /// Number of bytes that count.
    pub length: u8,
    /// The bytes; those behind `length` are not looked at, and are zero in results.
    pub bytes: [u8; 16],
}

impl From<Option<Aid>> for cw_aid {
    fn from(aid: Option<Aid>) -> Self {
        let mut out = Self::default();
        if let Some(aid) = aid {
            let bytes = aid.as_bytes();
            out.length = bytes.len() as u8;
            out.bytes[..bytes.len()].copy_from_slice(bytes);
        }
        out
    }
}

impl cw_aid {
    /// The AID, or `None` for length 0.
    pub(crate) fn get(&self, what: &str) -> Result<Option<Aid>, Failure> {
        let length = usize::from(self.length);
        match self.bytes.get(..length) {
            Some([]) => Ok(None),
            Some(bytes) => Aid::new(bytes).map(Some).map_err(|error| Failure::value(format!("{what}: {error}"))),
            None => Err(Failure::value(format!("{what}: an AID has 5 to 16 bytes, not {length}"))),
        }
    }

    /// The AID, which must be there.
    pub(crate) fn require(&self, what: &str) -> Result<Aid, Failure> {
        self.get(what)?.ok_or_else(|| Failure::value(format!("{what} is missing")))
    }
}

/// The AID behind a pointer; NULL and length 0 are none.
///
/// # Safety
/// `pointer` is NULL or points to a readable struct, which may stand anywhere: it has no alignment.
pub(crate) unsafe fn aid(pointer: *const cw_aid, what: &str) -> Result<Option<Aid>, Failure> {
    // SAFETY: the caller vouches for it.
    unsafe { pointer.as_ref() }.map_or(Ok(None), |aid| aid.get(what))
}

/// The AID behind a pointer, which must be there.
///
/// # Safety
/// As for `aid`.
pub(crate) unsafe fn require_aid(pointer: *const cw_aid, what: &str) -> Result<Aid, Failure> {
    // SAFETY: the caller vouches for it.
    unsafe { pointer.as_ref() }.ok_or_else(|| Failure::null(what))?.require(what)
}

/// Bytes of the caller's; NULL is fine for length 0. A length above `limit` is refused before a byte is looked at.
///
/// # Safety
/// `pointer` is NULL or points to `length` bytes that stay as they are for as long as the result is used.
pub(crate) unsafe fn bytes<'a>(
    pointer: *const u8,
    length: usize,
    limit: usize,
    what: &str,
) -> Result<&'a [u8], Failure> {
    if length == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(Failure::null(what));
    }
    if length > limit {
        return Err(Failure::value(format!("{what}: at most {limit} bytes, not {length}")));
    }
    // SAFETY: not NULL, at most `limit` bytes, which is far below `isize::MAX`, and the caller vouches for them.
    Ok(unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// A NUL-terminated UTF-8 string, copied.
///
/// # Safety
/// `pointer` is NULL or points to bytes that are readable up to their first NUL, or 1024 of them.
pub(crate) unsafe fn string(pointer: *const c_char, what: &str) -> Result<String, Failure> {
    if pointer.is_null() {
        return Err(Failure::null(what));
    }
    // SAFETY: the caller vouches for every byte up to the first NUL, and none behind it is read.
    let length = (0..MAX_STRING).find(|i| unsafe { pointer.add(*i).read() } == 0);
    let Some(length) = length else {
        return Err(Failure::value(format!("{what} is longer than {} bytes", MAX_STRING - 1)));
    };
    // SAFETY: `length` bytes and a NUL were read just now.
    let text = unsafe { CStr::from_bytes_with_nul_unchecked(std::slice::from_raw_parts(pointer.cast(), length + 1)) };
    text.to_str().map(ToOwned::to_owned).map_err(|error| {
        let mut failure = Failure::new(CW_BAD_UTF8, format!("{what} is not UTF-8"));
        failure.offset = Some(error.valid_up_to());
        failure
    })
}

/// Checks where one value goes to.
pub(crate) fn out<T>(pointer: *mut T, what: &str) -> Result<(), Failure> {
    match pointer {
        pointer if pointer.is_null() => Err(Failure::null(what)),
        pointer if !pointer.is_aligned() => Err(Failure::value(format!("{what} is not aligned"))),
        _ => Ok(()),
    }
}

/// Checks, before a card is asked, that the longest answer fits; writes how long that is when it does not.
///
/// # Safety
/// `length` is not NULL, is aligned and points to a writable number.
pub(crate) unsafe fn room(longest: usize, capacity: usize, length: *mut usize) -> Result<(), Failure> {
    if capacity < longest {
        // SAFETY: the caller vouches for it.
        unsafe { length.write(longest) };
        return Err(Failure::too_small(longest, capacity));
    }
    Ok(())
}

/// Hands bytes over: all of them and their number, or only the number when they do not fit.
///
/// # Safety
/// `buffer` is NULL or points to `capacity` writable bytes; `length` is NULL or points to a writable number.
pub(crate) unsafe fn hand_over(
    bytes: &[u8],
    buffer: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> Result<(), Failure> {
    out(length, "the length")?;
    if bytes.len() <= capacity && buffer.is_null() && !bytes.is_empty() {
        return Err(Failure::null("the buffer"));
    }
    // SAFETY: checked above, and the caller vouches for it.
    unsafe { length.write(bytes.len()) };
    if bytes.len() > capacity {
        return Err(Failure::too_small(bytes.len(), capacity));
    }
    if !bytes.is_empty() {
        // SAFETY: not NULL, `capacity` writable bytes are no fewer than these; `copy` allows that they overlap.
        unsafe { buffer.copy_from(bytes.as_ptr(), bytes.len()) };
    }
    Ok(())
}
