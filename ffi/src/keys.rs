//! Key services: keys in memory by name, or the program's own.

use std::ffi::c_char;
#[cfg(feature = "pkcs11")]
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "pkcs11")]
use cardwright_keys::pkcs11::Pkcs11Keys;
use cardwright_keys::{
    EcCurve, KeyAnswer, KeyCheckValue, KeyComponent, KeyError, KeyKind, KeyRequest, KeyService, SoftwareKeys, combine,
};

use crate::boundary::boundary;
use crate::failure::Failure;
use crate::handle::{self, Object};
use crate::input;
use crate::key_service::{ProgramKeys, cw_key_service};
use crate::plain::{self, plain};
use crate::status::{CW_BAD_UTF8, cw_status};

/// Key kind: DES with 8 bytes, triple DES with 16.
pub const CW_KEY_TDES: u32 = 1;
/// Key kind: AES with 16, 24 or 32 bytes.
pub const CW_KEY_AES: u32 = 2;

/// Key kind: a private key on NIST P-256, 32 bytes. For SCP11 (`cw_session_open_scp11`) alone.
pub const CW_KEY_EC_P256: u32 = 3;
/// Key kind: a private key on NIST P-384, 48 bytes.
pub const CW_KEY_EC_P384: u32 = 4;
/// Key kind: a private key on brainpoolP256r1, 32 bytes.
pub const CW_KEY_EC_BRAINPOOL_P256: u32 = 5;

/// A key service. `cw_keys_new` makes one that holds keys in the memory of this process, by name: for development, tests and
/// cards with published test keys; key bytes are copied and wiped when freed; whoever has the
/// handle can have them enciphered under a key of its own (`cw_keys_answer`). `cw_keys_new_service` makes one
/// of the program's own callbacks, behind which an HSM stands, and `cw_keys_new_pkcs11` one of a token or HSM. Ended by `cw_keys_free`.
pub struct cw_keys {
    _opaque: [u8; 0],
}

/// What a `cw_keys` stands for.
#[derive(Clone)]
pub(crate) enum Keys {
    Software(SoftwareKeys),
    Program(ProgramKeys),
    #[cfg(feature = "pkcs11")]
    Token(Arc<Mutex<Pkcs11Keys>>),
}

impl Object for Keys {
    const NAME: &'static str = "cw_keys";
}

impl KeyService for Keys {
    fn answer(&mut self, request: &KeyRequest) -> Result<KeyAnswer, KeyError> {
        match self {
            Self::Software(keys) => keys.answer(request),
            Self::Program(keys) => keys.answer(request),
            #[cfg(feature = "pkcs11")]
            Self::Token(keys) => keys.lock().unwrap_or_else(PoisonError::into_inner).answer(request),
        }
    }
}

/// A copy, so that sessions on several threads can share the keys; it is wiped at the end.
pub(crate) fn service(keys: *mut cw_keys) -> Result<Keys, Failure> {
    let keys = handle::view::<Keys, _>(keys as usize, |keys| Ok(keys.clone()))?;
    if let Keys::Program(keys) = &keys {
        keys.check()?;
    }
    Ok(keys)
}

pub(crate) fn kind(kind: u32) -> Result<KeyKind, Failure> {
    match kind {
        CW_KEY_TDES => Ok(KeyKind::Tdes),
        CW_KEY_AES => Ok(KeyKind::Aes),
        CW_KEY_EC_P256 => Ok(KeyKind::Ec(EcCurve::P256)),
        CW_KEY_EC_P384 => Ok(KeyKind::Ec(EcCurve::P384)),
        CW_KEY_EC_BRAINPOOL_P256 => Ok(KeyKind::Ec(EcCurve::BrainpoolP256)),
        other => Err(Failure::value(format!("key kind {other}: CW_KEY_TDES to CW_KEY_EC_BRAINPOOL_P256 are known"))),
    }
}

/// A key service without keys.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_keys_new(out: *mut *mut cw_keys) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { handle::hand_out(Keys::Software(SoftwareKeys::new()), out) }
    })
}

/// A key service of the program's own. The callback and `user` are copied; what `user` points to must live until the handle is
/// freed and the last call that uses it has returned.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_keys_new_service(service: *const cw_key_service, out: *mut *mut cw_keys) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: the header asks for a struct of `struct_size` readable bytes.
        let keys = ProgramKeys::new(&unsafe { plain::read(service)? })?;
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { handle::hand_out(Keys::Program(keys), out) }
    })
}

/// Adds a key, or replaces the one of this name. A length that the kind does not have ends with `CW_KEY_MISFIT`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_keys_add(
    keys: *mut cw_keys,
    name: *const c_char,
    key_kind: u32,
    value: *const u8,
    value_len: usize,
) -> cw_status {
    boundary(|| {
        handle::with::<Keys, _>(keys as usize, |keys| {
            // SAFETY: the header asks for a NUL-terminated string.
            let name = unsafe { input::string(name, "name")? };
            let kind = kind(key_kind)?;
            // SAFETY: the header asks for `value_len` readable bytes.
            let value = unsafe { input::bytes(value, value_len, 48, "value")? };
            Ok(software(keys)?.insert(name, kind, value)?)
        })
    })
}

/// One part of a key, which tells nothing of the key alone.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_key_component {
    /// Set it to `sizeof(cw_key_component)`.
    pub struct_size: u32,
    /// Its check value, computed as for a key.
    pub kcv: [u8; 3],
    /// Zero.
    pub reserved: u8,
    /// The bytes.
    pub value: *const u8,
    /// Number of bytes: those of the key.
    pub value_len: usize,
}

plain! { cw_key_component: size_of::<cw_key_component>(); }

/// Adds a key put together from two or three components (exclusive or). Each component and the key are checked against their check
/// values; one that does not fit is told with its number, and nothing is added: `CW_KEY_MISFIT`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_keys_add_components(
    keys: *mut cw_keys,
    name: *const c_char,
    key_kind: u32,
    components: *const cw_key_component,
    count: usize,
    kcv: *const u8,
) -> cw_status {
    boundary(|| {
        handle::with::<Keys, _>(keys as usize, |keys| {
            // SAFETY: the header asks for a NUL-terminated string.
            let name = unsafe { input::string(name, "name")? };
            let kind = kind(key_kind)?;
            // SAFETY: the header asks for `count` structs of the `struct_size` of the first.
            let structs = unsafe { plain::read_all(components, count, 2..=3, "components")? };
            // SAFETY: the header asks for three readable bytes.
            let kcv = unsafe { input::bytes(kcv, 3, 3, "kcv")? };
            let mut parts = Vec::with_capacity(structs.len());
            for part in &structs {
                // SAFETY: the header asks for `value_len` readable bytes.
                let value = unsafe { input::bytes(part.value, part.value_len, 32, "value")? };
                parts.push(KeyComponent::new(value, KeyCheckValue(part.kcv)));
            }
            let key = combine(kind, &parts, KeyCheckValue([kcv[0], kcv[1], kcv[2]]))?;
            Ok(software(keys)?.insert(name, kind, key.expose_bytes())?)
        })
    })
}

/// Adds the keys of a text, all or none: a line is NAME KIND KEY CHECK-VALUE, such as "issuer AES 4041..4F 504A77"; the kind is DES or
/// AES, `#` begins a remark. A line that does not fit is told by its number: `CW_KEY_MISFIT`. Wipe the text afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_keys_add_text(keys: *mut cw_keys, text: *const u8, length: usize) -> cw_status {
    /// Far more than the keys of an issuer.
    const MAX_TEXT: usize = 1 << 20;
    boundary(|| {
        handle::with::<Keys, _>(keys as usize, |keys| {
            // SAFETY: the header asks for `length` readable bytes.
            let text = unsafe { input::bytes(text, length, MAX_TEXT, "text")? };
            let text = std::str::from_utf8(text).map_err(|_| Failure::new(CW_BAD_UTF8, "text is not UTF-8"))?;
            Ok(software(keys)?.insert_file(text)?)
        })
    })
}

fn software(keys: &mut Keys) -> Result<&mut SoftwareKeys, Failure> {
    match keys {
        Keys::Software(keys) => Ok(keys),
        Keys::Program(_) => Err(Failure::value("keys: the program's own key service takes no keys here")),
        #[cfg(feature = "pkcs11")]
        Keys::Token(_) => Err(Failure::value("keys: a token takes no keys here")),
    }
}

/// Wipes and frees the keys; NULL is fine. Sessions that were opened with them go on.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_keys_free(keys: *mut cw_keys) -> cw_status {
    boundary(|| handle::remove::<Keys>(keys as usize))
}
