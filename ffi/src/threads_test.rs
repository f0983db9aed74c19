//! Sessions on several threads, through the exports.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::thread;

use cardwright_apdu::Transport;
use cardwright_sim::{JavaCard, SimReader};

use crate::input::cw_aid;
use crate::keys::{CW_KEY_AES, cw_keys_add, cw_keys_free, cw_keys_new};
use crate::load::cw_session_load;
use crate::load_file::{cw_load_file_free, cw_load_file_parse};
use crate::open::{CW_SCHEME_AS_IS, CW_SECURITY_FULL, cw_key_candidate, cw_open_options, cw_session_open};
use crate::session::{cw_session_free, cw_session_new};
use crate::status::{CW_OK, CW_TRANSPORT, cw_status};
use crate::transport::{cw_answer, cw_transport};

unsafe extern "system" fn transmit(
    user: *mut c_void,
    command: *const u8,
    length: usize,
    answer: *mut cw_answer,
) -> cw_status {
    let mut response = Vec::new();
    // SAFETY: `user` is the reader of the one session whose call this is; the rest is the library's promise.
    unsafe {
        let reader = &mut *user.cast::<SimReader>();
        if reader.transmit(std::slice::from_raw_parts(command, length), &mut response).is_err() {
            return CW_TRANSPORT;
        }
        (*answer).bytes.copy_from_nonoverlapping(response.as_ptr(), response.len());
        (*answer).length = response.len();
    }
    CW_OK
}

unsafe extern "system" fn reset(_: *mut c_void, _: *mut cw_answer) -> cw_status {
    CW_TRANSPORT
}

fn issue_one(seed: u64, keys: usize, load_file: usize) {
    let mut reader = SimReader::new(JavaCard::builder().seed(seed).build());
    let user = (&raw mut reader).cast();
    let transport = cw_transport {
        struct_size: size_of::<cw_transport>() as u32,
        flags: 0,
        transmit: Some(transmit),
        reset: Some(reset),
        user,
    };
    let candidate = cw_key_candidate {
        struct_size: size_of::<cw_key_candidate>() as u32,
        key_kind: CW_KEY_AES,
        scheme: CW_SCHEME_AS_IS,
        kvn: 0,
        key_name: c"test".as_ptr(),
    };
    let options = cw_open_options {
        struct_size: size_of::<cw_open_options>() as u32,
        security_level: CW_SECURITY_FULL,
        host_challenge: [7; 8],
        candidates: &raw const candidate,
        candidate_count: 1,
        domain: cw_aid::default(),
        kvn: 0,
        scp02_i: 0,
        scp01_i: 0,
        flags: 0,
        challenge_policy: 0,
        profile: std::ptr::null(),
        journal: null_mut(),
    };
    let mut session = null_mut();
    // SAFETY: every pointer is to a local that outlives the calls; the handles are alive.
    unsafe {
        assert_eq!(cw_session_new(&raw const transport, &raw mut session), CW_OK);
        assert_eq!(cw_session_open(session, keys as *mut _, &raw const options, null_mut()), CW_OK);
        let load_file = load_file as *const _;
        assert_eq!(cw_session_load(session, load_file, null_mut(), None, null_mut()), CW_OK);
        assert_eq!(cw_session_free(session), CW_OK);
    }
    assert!(reader.commands() > 24);
}

#[test]
fn sessions_on_several_threads_share_keys_and_load_file() {
    let cap = cardwright_capgen::default_payment_cap();
    let test_key: [u8; 16] = std::array::from_fn(|i| 0x40 + i as u8);
    let (mut keys, mut load_file) = (null_mut(), null_mut());
    // SAFETY: every pointer is to a local that outlives the calls.
    unsafe {
        assert_eq!(cw_keys_new(&raw mut keys), CW_OK);
        assert_eq!(cw_keys_add(keys, c"test".as_ptr(), CW_KEY_AES, test_key.as_ptr(), 16), CW_OK);
        assert_eq!(cw_load_file_parse(cap.as_ptr(), cap.len(), 0, &raw mut load_file), CW_OK);
    }
    let (shared_keys, shared_file) = (keys as usize, load_file as usize);
    let threads: Vec<_> = (0..8)
        .map(|seed| thread::spawn(move || (0..4).for_each(|i| issue_one(4 * seed + i, shared_keys, shared_file))))
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    // SAFETY: handles of this test.
    unsafe {
        assert_eq!(cw_keys_free(keys), CW_OK);
        assert_eq!(cw_load_file_free(load_file), CW_OK);
    }
}
