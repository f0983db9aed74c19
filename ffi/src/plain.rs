//! C's structs: read and written as far as both sides know them.

use std::mem::{MaybeUninit, size_of};

use crate::failure::Failure;
use crate::status::{CW_BAD_VALUE, CW_STRUCT_SIZE};

/// A struct that begins with `uint32_t struct_size`.
///
/// # Safety
/// `repr(C)`, the first field is `struct_size: u32`, and all fields may be zero bytes.
pub(crate) unsafe trait Plain: Copy {
    /// The C type's name.
    const NAME: &'static str;
    /// Size of the struct's first version, in bytes: when the struct grows, the offset of the first new field.
    const MIN_SIZE: usize;
}

macro_rules! plain {
    ($($type:ident: $min:expr;)*) => {
        $(
            // SAFETY: made of integers, arrays of them, raw pointers and nullable functions, which may all be zero; the
            // test below finds `struct_size` at offset 0.
            unsafe impl crate::plain::Plain for $type {
                const NAME: &'static str = stringify!($type);
                const MIN_SIZE: usize = $min;
            }
            const _: () = assert!(std::mem::offset_of!($type, struct_size) == 0 && std::mem::size_of::<$type>() >= $min);
        )*
    };
}
pub(crate) use plain;

/// Far above what a struct of this interface will have, in bytes: what is greater was never set.
const MAX_SIZE: usize = 1 << 16;

/// What the caller's `struct_size` is, at least that of the first version.
///
/// # Safety
/// `pointer` is NULL or points to a readable `uint32_t` and as many further bytes as it says.
unsafe fn known_size<T: Plain>(pointer: *const T) -> Result<usize, Failure> {
    if pointer.is_null() {
        return Err(Failure::null(T::NAME));
    }
    if !pointer.is_aligned() {
        return Err(Failure::new(CW_BAD_VALUE, format!("{} is not aligned", T::NAME)));
    }
    // SAFETY: not NULL, aligned, and the caller vouches for the four bytes.
    let told = unsafe { pointer.cast::<u32>().read() } as usize;
    if told < T::MIN_SIZE {
        let message = format!("struct_size of {} is {told}, at least {} is needed: set it", T::NAME, T::MIN_SIZE);
        return Err(Failure::new(CW_STRUCT_SIZE, message));
    }
    if told > MAX_SIZE {
        let message = format!("struct_size of {} is {told}, more than any struct has: set it", T::NAME);
        return Err(Failure::new(CW_STRUCT_SIZE, message));
    }
    Ok(told.min(size_of::<T>()))
}

/// Copies a caller's struct; what an older caller's does not have is zero.
///
/// # Safety
/// As for [`known_size`].
pub(crate) unsafe fn read<T: Plain>(pointer: *const T) -> Result<T, Failure> {
    // SAFETY: passed on.
    let size = unsafe { known_size(pointer)? };
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: `size` bytes are readable by the contract and fit `T`; zero bytes are a value of `T`, and so is what a
    // caller wrote as one.
    unsafe {
        value.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(pointer.cast(), size);
        Ok(value.assume_init())
    }
}

/// Copies an array of a caller's structs, which lie as far apart as the first one says.
///
/// # Safety
/// `first` is NULL or points to `count` structs, each of the `struct_size` of the first.
pub(crate) unsafe fn read_all<T: Plain>(
    first: *const T,
    count: usize,
    fits: std::ops::RangeInclusive<usize>,
    what: &str,
) -> Result<Vec<T>, Failure> {
    if !fits.contains(&count) {
        return Err(Failure::value(format!("{what}: {} to {} elements, not {count}", fits.start(), fits.end())));
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: there is at least one, or NULL, which is refused.
    unsafe { known_size(first)? };
    // SAFETY: not NULL and aligned, as was checked; its first four bytes are readable.
    let stride = unsafe { first.cast::<u32>().read() } as usize;
    (0..count)
        .map(|i| {
            // The caller vouches for `count` structs that lie `stride` bytes apart.
            let element = first.wrapping_byte_add(i.wrapping_mul(stride));
            // SAFETY: one of those structs.
            let value = unsafe { read(element)? };
            // SAFETY: as above; `read` has checked the pointer.
            if unsafe { element.cast::<u32>().read() } as usize != stride {
                return Err(Failure::value(format!("{what}: element {i} has another struct_size than the first")));
            }
            Ok(value)
        })
        .collect()
}

/// Where a struct goes to, checked before the work begins.
#[derive(Debug)]
pub(crate) struct Out<T> {
    pointer: *mut T,
    size: usize,
}

impl<T: Plain> Out<T> {
    /// # Safety
    /// As for [`known_size`], and the bytes are writable until [`Out::write`].
    pub(crate) unsafe fn new(pointer: *mut T) -> Result<Self, Failure> {
        // SAFETY: passed on.
        Ok(Self { pointer, size: unsafe { known_size(pointer)? } })
    }

    /// Writes as much as the caller's struct takes, and leaves its `struct_size`.
    pub(crate) fn write(self, value: &T) {
        let head = size_of::<u32>();
        // SAFETY: `new` was promised `size` writable bytes, `T` has no fewer, and `size` is at least `MIN_SIZE` > 4.
        unsafe {
            let (from, to) = (std::ptr::from_ref(value).cast::<u8>(), self.pointer.cast::<u8>());
            to.add(head).copy_from(from.add(head), self.size - head);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::CW_NULL;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Grown {
        struct_size: u32,
        first: u32,
        later: u32,
    }
    plain! { Grown: 8; }

    #[test]
    fn an_older_callers_struct_is_read_and_written_as_far_as_it_goes() {
        let mut old = Grown { struct_size: 8, first: 1, later: 77 };
        // SAFETY: a live struct.
        let read = unsafe { read(&raw const old) }.unwrap();
        assert_eq!(read, Grown { struct_size: 8, first: 1, later: 0 });
        // SAFETY: a live struct.
        unsafe { Out::new(&raw mut old) }.unwrap().write(&Grown { struct_size: 0, first: 2, later: 3 });
        assert_eq!(old, Grown { struct_size: 8, first: 2, later: 77 });
    }

    #[test]
    fn wrong_structs_are_refused() {
        let small = Grown { struct_size: 7, first: 1, later: 0 };
        // SAFETY: a live struct, and NULL.
        let statuses = unsafe {
            [read(&raw const small).unwrap_err().status, read::<Grown>(std::ptr::null()).unwrap_err().status]
        };
        assert_eq!(statuses, [CW_STRUCT_SIZE, CW_NULL]);
        let unset = Grown { struct_size: 0xCCCC_CCCC, first: 1, later: 0 };
        // SAFETY: as above; the struct is not read as far as it says.
        assert_eq!(unsafe { read(&raw const unset) }.unwrap_err().status, CW_STRUCT_SIZE);
    }

    #[test]
    fn structs_of_other_releases_are_taken_one_by_one_and_all_of_one_size() {
        // Two of 16 bytes, of a newer caller; the last field is not known here.
        let newer = [16_u32, 1, 2, 99, 16, 3, 4, 99];
        // SAFETY: two live structs.
        let read = unsafe { read_all::<Grown>(newer.as_ptr().cast(), 2, 0..=2, "structs") }.unwrap();
        assert_eq!(read.iter().map(|one| (one.first, one.later)).collect::<Vec<_>>(), [(1, 2), (3, 4)]);
        let mixed = [12_u32, 1, 2, 8, 3, 0];
        // SAFETY: as above.
        let refused = unsafe { read_all::<Grown>(mixed.as_ptr().cast(), 2, 0..=2, "structs") };
        assert_eq!(refused.unwrap_err().status, CW_BAD_VALUE);
    }
}
