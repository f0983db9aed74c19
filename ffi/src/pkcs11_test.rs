//! PKCS#11 through the C ABI.

#[cfg(feature = "pkcs11")]
#[path = "../../keys/tests/support/token.rs"]
mod token;

use std::ffi::CStr;
use std::ptr::{null, null_mut};

use crate::keys::cw_keys;
use crate::pkcs11::{cw_keys_new_pkcs11, cw_pkcs11_options};
use crate::status::*;

fn options(module: &CStr, pin: &CStr) -> cw_pkcs11_options {
    cw_pkcs11_options {
        struct_size: size_of::<cw_pkcs11_options>() as u32,
        flags: 0,
        module: module.as_ptr(),
        token_label: c"cardwright-test".as_ptr(),
        token_serial: null(),
        pin: pin.as_ptr(),
    }
}

fn open(options: &cw_pkcs11_options) -> (cw_status, *mut cw_keys) {
    let mut keys = null_mut();
    // SAFETY: pointers to locals that outlive the call.
    (unsafe { cw_keys_new_pkcs11(options, &raw mut keys) }, keys)
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let good = options(c"/no/such/module.so", c"567890");
    let wrong = [
        (cw_pkcs11_options { flags: 4, ..good }, CW_BAD_VALUE),
        (cw_pkcs11_options { token_serial: c"1".as_ptr(), ..good }, CW_BAD_VALUE),
        (cw_pkcs11_options { token_label: null(), ..good }, CW_BAD_VALUE),
        (cw_pkcs11_options { module: null(), ..good }, CW_NULL),
        (cw_pkcs11_options { pin: null(), ..good }, CW_NULL),
        (cw_pkcs11_options { pin: c"\xFF".as_ptr(), ..good }, CW_BAD_UTF8),
        (cw_pkcs11_options { struct_size: 8, ..good }, CW_STRUCT_SIZE),
    ];
    for (options, status) in wrong {
        assert_eq!(open(&options), (status, null_mut()));
    }
    // SAFETY: NULL is what the call is to find.
    assert_eq!(unsafe { cw_keys_new_pkcs11(&raw const good, null_mut()) }, CW_NULL);
    let without = if cfg!(feature = "pkcs11") { CW_KEY_UNAVAILABLE } else { CW_UNSUPPORTED };
    assert_eq!(open(&good), (without, null_mut()));
}

#[cfg(feature = "pkcs11")]
#[test]
fn a_handle_of_a_token_answers_all_threads() {
    use cardwright_keys::{KeyKind, KeyRef, KeyRequest, KeyService, SoftwareKeys};

    use crate::keys::{CW_KEY_TDES, cw_keys_add, cw_keys_free};

    token::with_token("pkcs11_test::a_handle_of_a_token_answers_all_threads", |token| {
        token.import("des", KeyKind::Tdes, &[0x40; 16], &token::master());
        let mut software = SoftwareKeys::new();
        software.insert("des", KeyKind::Tdes, &[0x40; 16]).unwrap();
        let module = std::ffi::CString::new(token.module.to_str().unwrap()).unwrap();
        let (status, keys) = open(&options(&module, c"567890"));
        assert_eq!(status, CW_OK);
        let services: Vec<_> = (0..4).map(|_| crate::keys::service(keys).unwrap()).collect();
        // SAFETY: pointers to constants; the handle is alive.
        unsafe {
            assert_eq!(cw_keys_add(keys, c"more".as_ptr(), CW_KEY_TDES, [1; 16].as_ptr(), 16), CW_BAD_VALUE);
            assert_eq!(cw_keys_free(keys), CW_OK);
        }
        std::thread::scope(|scope| {
            for (i, mut service) in (0..).zip(services) {
                let mut software = software.clone();
                scope.spawn(move || {
                    for n in 0..50 {
                        let challenge = vec![i, n, 0, 0, 0, 0, 0, 0];
                        let request = KeyRequest::Cryptogram { key: KeyRef::new("des"), challenge };
                        let [theirs, ours] = [service.answer(&request), software.answer(&request)]
                            .map(|answer| answer.unwrap().into_cryptogram().unwrap());
                        assert_eq!(theirs, ours);
                    }
                });
            }
        });
        token.session().logout().unwrap();
        assert_eq!(open(&options(&module, c"000000")), (CW_KEY_REFUSED, null_mut()));
    });
}
