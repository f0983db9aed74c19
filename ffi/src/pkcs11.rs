//! Keys in a token or HSM, through its PKCS#11 module.

use std::ffi::c_char;

use zeroize::Zeroizing;

use crate::boundary::boundary;
use crate::failure::Failure;
use crate::handle;
use crate::input;
use crate::keys::cw_keys;
use crate::plain::{self, plain};
use crate::status::cw_status;

/// `cw_pkcs11_options.flags`: a card's own key, derived on the token, may be in this process's memory while a question is answered:
/// all keys derived from 3DES (PBOC, EMV, VISA), and those derived from AES-192 and AES-256. Without it they are `CW_KEY_REFUSED`.
pub const CW_PKCS11_DERIVED_IN_MEMORY: u32 = 0x01;
/// `cw_pkcs11_options.flags`: the PIN is used although the token says that one more wrong one locks it.
pub const CW_PKCS11_FINAL_TRY: u32 = 0x02;

/// Where a token is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_pkcs11_options {
    /// Set it to `sizeof(cw_pkcs11_options)`.
    pub struct_size: u32,
    /// Sum of `CW_PKCS11_DERIVED_IN_MEMORY`, `CW_PKCS11_FINAL_TRY`.
    pub flags: u32,
    /// Path of the module: the shared library that came with the token.
    pub module: *const c_char,
    /// Label of the token, or NULL where its serial number is given.
    pub token_label: *const c_char,
    /// Serial number of the token, or NULL where its label is given.
    pub token_serial: *const c_char,
    /// The user's PIN. It is copied, to connect again when the session is lost, and wiped when the handle is freed.
    pub pin: *const c_char,
}

plain! {
    cw_pkcs11_options: size_of::<cw_pkcs11_options>();
}

/// A key service over a PKCS#11 token: a key's name is its `CKA_LABEL`, and static keys stay on the token. docs/pkcs11.md tells which
/// attributes they need, and what is in memory.
///
/// The PIN is tried once: one that is refused or locked is `CW_KEY_REFUSED`, and whatever else keeps the token from being used
/// `CW_KEY_UNAVAILABLE`. When the session is lost later, one question ends with `CW_KEY_UNAVAILABLE` and the next one connects again.
/// Threads that use the handle's keys at the same time wait for each other. In a library that was built without PKCS#11 the call ends
/// with `CW_UNSUPPORTED`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_keys_new_pkcs11(
    options: *const cw_pkcs11_options,
    out: *mut *mut cw_keys,
) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: the header asks for a struct of `struct_size` readable bytes.
        let options = unsafe { plain::read(options)? };
        // SAFETY: the header asks for NUL-terminated strings.
        let options = unsafe { Options::copy(&options)? };
        let keys = service::open(&options)?;
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { handle::hand_out(keys, out) }
    })
}

#[cfg_attr(not(feature = "pkcs11"), allow(dead_code, reason = "checked, and then there is no PKCS#11"))]
struct Options {
    flags: u32,
    module: String,
    token: Token,
    pin: Zeroizing<String>,
}

#[cfg_attr(not(feature = "pkcs11"), allow(dead_code, reason = "checked, and then there is no PKCS#11"))]
enum Token {
    Label(String),
    Serial(String),
}

impl Options {
    /// # Safety
    /// The strings are NULL or end with a NUL.
    unsafe fn copy(options: &cw_pkcs11_options) -> Result<Self, Failure> {
        if options.flags & !(CW_PKCS11_DERIVED_IN_MEMORY | CW_PKCS11_FINAL_TRY) != 0 {
            return Err(Failure::value(format!("flags {:X} of cw_pkcs11_options are not known", options.flags)));
        }
        // SAFETY: the caller vouches for the strings.
        unsafe {
            Ok(Self {
                flags: options.flags,
                module: input::string(options.module, "module")?,
                token: match (options.token_label.is_null(), options.token_serial.is_null()) {
                    (false, true) => Token::Label(input::string(options.token_label, "token_label")?),
                    (true, false) => Token::Serial(input::string(options.token_serial, "token_serial")?),
                    _ => return Err(Failure::value("either token_label or token_serial is needed")),
                },
                pin: Zeroizing::new(input::string(options.pin, "pin")?),
            })
        }
    }
}

#[cfg(feature = "pkcs11")]
mod service {
    use std::sync::{Arc, Mutex};

    use cardwright_keys::KeyError;
    use cardwright_keys::pkcs11::{Pin, Pkcs11Keys, Pkcs11Options, TokenName};

    use super::*;
    use crate::keys::Keys;

    pub(super) fn open(options: &Options) -> Result<Keys, Failure> {
        let token = match &options.token {
            Token::Label(label) => TokenName::Label(label.clone()),
            Token::Serial(serial) => TokenName::Serial(serial.clone()),
        };
        let mut how = Pkcs11Options::new(&options.module, token, Pin::new(&options.pin));
        if options.flags & CW_PKCS11_DERIVED_IN_MEMORY != 0 {
            how = how.allow_derived_keys_in_memory();
        }
        if options.flags & CW_PKCS11_FINAL_TRY != 0 {
            how = how.use_final_try();
        }
        let keys = Pkcs11Keys::open(how).map_err(KeyError::from)?;
        Ok(Keys::Token(Arc::new(Mutex::new(keys))))
    }
}

#[cfg(not(feature = "pkcs11"))]
mod service {
    use super::*;
    use crate::keys::Keys;
    use crate::status::CW_UNSUPPORTED;

    pub(super) fn open(_: &Options) -> Result<Keys, Failure> {
        let message =
            "this library was built without PKCS#11: build it with --features pkcs11, or bring a cw_key_service";
        Err(Failure::new(CW_UNSUPPORTED, message))
    }
}
