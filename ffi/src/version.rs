//! Versions of the library and of its interface.

use std::ffi::c_char;

/// Number of this interface. A program that was built with another number must not use the library: compare it with what
/// `cw_abi_version` returns. Growth that older programs do not notice leaves it.
pub const CW_ABI_VERSION: u32 = 0;

/// Version of the library, such as "0.1.0"; never NULL, never to be freed.
#[unsafe(no_mangle)]
pub extern "system" fn cw_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The `CW_ABI_VERSION` that the library was built with.
#[unsafe(no_mangle)]
pub extern "system" fn cw_abi_version() -> u32 {
    CW_ABI_VERSION
}
