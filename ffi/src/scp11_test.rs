//! SCP11, card profiles and the lock-out ledger of sessions through the C ABI, against the software card.

use std::ffi::{CStr, c_void};
use std::ptr::{null, null_mut};

use cardwright_apdu::Transport;
use cardwright_apdu::tlv::{self, Tag};
use cardwright_sim::{JavaCard, JavaCardBuilder, Scp11Keys, SimReader};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};
use sha2::Digest;

use crate::content::{CW_PUT_KEYS_ADD, cw_session_put_keys};
use crate::journal::*;
use crate::keys::*;
use crate::last_error;
use crate::list::{cw_registry_entry, cw_session_list};
use crate::open::*;
use crate::profile::*;
use crate::scp11::*;
use crate::session::*;
use crate::status::*;
use crate::store::{cw_record, cw_store, cw_take_record_fn, cw_transaction};
use crate::transport::{cw_answer, cw_transport};

const CARD: [u8; 32] = [0x11; 32];
const HOST: [u8; 32] = [0x22; 32];
const ROOT: [u8; 32] = [0x44; 32];

fn size<T>() -> u32 {
    size_of::<T>() as u32
}

fn zero<T: crate::plain::Plain>() -> T {
    // SAFETY: a `Plain` may be all zero, and begins with its size.
    unsafe {
        let mut value = std::mem::zeroed::<T>();
        (&raw mut value).cast::<u32>().write(size::<T>());
        value
    }
}

fn point(secret: [u8; 32]) -> Vec<u8> {
    SigningKey::from_slice(&secret).unwrap().verifying_key().to_sec1_point(false).as_bytes().to_vec()
}

fn object(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    tlv::push(&mut out, Tag(tag), value);
    out
}

/// A certificate 7F21 for key agreement, signed by the CA.
fn certificate(subject: &str, key: [u8; 32]) -> Vec<u8> {
    let body = [
        object(0x93, &[1]),
        object(0x42, b"Root"),
        object(0x5F20, subject.as_bytes()),
        object(0x95, &[0x00, 0x80]),
        object(0x5F24, &[0x20, 0x40, 0x01, 0x01]),
        // As long as to need two blocks.
        object(0x53, &[0; 150]),
        object(0x7F49, &[object(0xB0, &point(key)), object(0xF0, &[0])].concat()),
    ]
    .concat();
    let signature: Signature =
        SigningKey::from_slice(&ROOT).unwrap().sign_prehash(&sha2::Sha256::digest(&body)).unwrap();
    object(0x7F21, &[body, object(0x5F37, &signature.to_bytes())].concat())
}

fn reader(card: JavaCardBuilder, s16: bool) -> SimReader {
    let keys = Scp11Keys::new(CARD, certificate("Card", CARD), &point(ROOT), s16).unwrap();
    SimReader::new(card.seed(7).scp11(keys).build())
}

unsafe extern "system" fn transmit(
    user: *mut c_void,
    command: *const u8,
    length: usize,
    answer: *mut cw_answer,
) -> cw_status {
    // SAFETY: `user` is the reader of this test, which one thread uses.
    let (reader, command) = unsafe { (&mut *user.cast::<SimReader>(), std::slice::from_raw_parts(command, length)) };
    let mut response = Vec::new();
    if reader.transmit(command, &mut response).is_err() {
        return CW_CARD_REMOVED;
    }
    // SAFETY: the answer has room for any response.
    unsafe {
        (*answer).bytes.copy_from(response.as_ptr(), response.len());
        (*answer).length = response.len();
    }
    CW_OK
}

unsafe extern "system" fn reset(_: *mut c_void, _: *mut cw_answer) -> cw_status {
    CW_OK
}

fn session(reader: &mut SimReader) -> *mut cw_session {
    let mut transport: cw_transport = zero();
    transport.transmit = Some(transmit);
    transport.reset = Some(reset);
    transport.user = std::ptr::from_mut(reader).cast();
    let mut session = null_mut();
    // SAFETY: live structs.
    assert_eq!(unsafe { cw_session_new(&raw const transport, &raw mut session) }, CW_OK);
    session
}

fn keys() -> *mut cw_keys {
    let mut keys = null_mut();
    let test: [u8; 16] = std::array::from_fn(|i| 0x40 + i as u8);
    // SAFETY: pointers to locals that outlive the calls.
    unsafe {
        assert_eq!(cw_keys_new(&raw mut keys), CW_OK);
        assert_eq!(cw_keys_add(keys, c"host".as_ptr(), CW_KEY_EC_P256, HOST.as_ptr(), 32), CW_OK);
        assert_eq!(cw_keys_add(keys, c"test".as_ptr(), CW_KEY_AES, test.as_ptr(), 16), CW_OK);
        assert_eq!(cw_keys_add(keys, c"wrong".as_ptr(), CW_KEY_AES, HOST.as_ptr(), 16), CW_OK);
        // No private key of the curve, and none of its length.
        assert_eq!(cw_keys_add(keys, c"none".as_ptr(), CW_KEY_EC_P256, [0xFF; 32].as_ptr(), 32), CW_KEY_MISFIT);
        assert_eq!(cw_keys_add(keys, c"none".as_ptr(), CW_KEY_EC_P384, HOST.as_ptr(), 32), CW_KEY_MISFIT);
    }
    keys
}

fn free(session: *mut cw_session, keys: *mut cw_keys) {
    // SAFETY: handles of this test.
    unsafe { assert_eq!((cw_session_free(session), cw_keys_free(keys)), (CW_OK, CW_OK)) };
}

unsafe extern "system" fn count(user: *mut c_void, _: *const cw_registry_entry) -> i32 {
    // SAFETY: `user` is a number of this test.
    unsafe { *user.cast::<usize>() += 1 };
    0
}

fn entries(session: *mut cw_session) -> Result<usize, cw_status> {
    let mut found = 0_usize;
    // SAFETY: live values.
    match unsafe { cw_session_list(session, Some(count), (&raw mut found).cast(), null_mut()) } {
        CW_OK => Ok(found),
        status => Err(status),
    }
}

/// What the pointers of SCP11 options lead to.
struct Certificates {
    root: Vec<u8>,
    host: Vec<u8>,
    chain: cw_certificate,
}

impl Certificates {
    fn new() -> Box<Self> {
        let mut all = Box::new(Self { root: point(ROOT), host: certificate("Host", HOST), chain: zero() });
        (all.chain.bytes, all.chain.length) = (all.host.as_ptr(), all.host.len());
        all
    }

    fn options(&self, variant: u32) -> cw_scp11_options {
        let mut options: cw_scp11_options = zero();
        (options.variant, options.security_level, options.key_length) = (variant, CW_SECURITY_FULL, 16);
        (options.curve, options.date, options.kvn) = (CW_KEY_EC_P256, 20_261_122, 0x03);
        options.kid = [0, 0x11, 0x13, 0x15][variant as usize];
        (options.ca_key, options.ca_key_len) = (self.root.as_ptr(), self.root.len());
        if variant != CW_SCP11_B {
            (options.ca_kid, options.ca_kvn, options.host_key) = (0x10, 0x03, c"host".as_ptr());
            (options.chain, options.chain_count) = (&raw const self.chain, 1);
        }
        options
    }
}

fn open(session: *mut cw_session, keys: *mut cw_keys, options: &cw_scp11_options) -> cw_status {
    // SAFETY: live structs.
    unsafe { cw_session_open_scp11(session, keys, options) }
}

#[test]
fn all_three_variants_open_and_carry_commands() {
    let certificates = Certificates::new();
    for variant in [CW_SCP11_A, CW_SCP11_B, CW_SCP11_C] {
        for (flags, level) in [(0, CW_SECURITY_FULL), (CW_SCP11_S16, CW_SECURITY_C_MAC_R_MAC)] {
            let mut reader = reader(JavaCard::builder(), flags != 0);
            let (session, keys) = (session(&mut reader), keys());
            let mut options = certificates.options(variant);
            (options.flags, options.security_level) = (flags, level);
            assert_eq!(open(session, keys, &options), CW_OK, "{variant}: {:?}", last_error::kept());
            let mut is_open = 0;
            // SAFETY: a live number.
            assert_eq!((unsafe { cw_session_is_open(session, &raw mut is_open) }, is_open), (CW_OK, 1));
            // The host of SCP11b is nobody to the card.
            let expected = if variant == CW_SCP11_B { Err(CW_REFUSED) } else { Ok(1) };
            assert_eq!(entries(session), expected, "{variant} {level:X}");
            free(session, keys);
        }
    }
}

#[test]
fn keys_are_added_in_a_channel_of_scp11_and_open_the_next_one() {
    let certificates = Certificates::new();
    let mut reader = reader(JavaCard::builder(), false);
    let (session, keys) = (session(&mut reader), keys());
    assert_eq!(open(session, keys, &certificates.options(CW_SCP11_A)), CW_OK);
    let mut new: cw_key_candidate = zero();
    (new.key_kind, new.scheme, new.kvn, new.key_name) = (CW_KEY_AES, CW_SCHEME_AS_IS, 0x20, c"wrong".as_ptr());
    // SAFETY: live structs.
    unsafe {
        assert_eq!(cw_session_put_keys(session, keys, &raw const new, 0), CW_BAD_VALUE, "there is no set to replace");
        assert_eq!(cw_session_put_keys(session, keys, &raw const new, CW_PUT_KEYS_ADD), CW_OK);
    }
    let mut options: cw_open_options = zero();
    (options.security_level, options.kvn) = (CW_SECURITY_FULL, 0x20);
    (options.candidates, options.candidate_count) = (&raw const new, 1);
    // SAFETY: live structs.
    assert_eq!(unsafe { cw_session_open(session, keys, &raw const options, null_mut()) }, CW_OK);
    assert_eq!(entries(session), Ok(1));
    free(session, keys);
}

#[test]
fn cards_and_arguments_that_are_not_right_are_refused() {
    let certificates = Certificates::new();
    let mut reader = reader(JavaCard::builder(), false);
    let (session, keys) = (session(&mut reader), keys());
    let good = certificates.options(CW_SCP11_A);
    let other_root = point(HOST);
    let empty: cw_certificate = zero();
    for (options, expected) in [
        (cw_scp11_options { ca_key: other_root.as_ptr(), ..good }, CW_BAD_CERTIFICATE),
        (cw_scp11_options { date: 20_410_101, ..good }, CW_BAD_CERTIFICATE),
        (cw_scp11_options { date: 20_261_322, ..good }, CW_BAD_VALUE),
        (cw_scp11_options { variant: 4, ..good }, CW_BAD_VALUE),
        (cw_scp11_options { variant: CW_SCP11_B, ..good }, CW_BAD_VALUE),
        (cw_scp11_options { flags: 4, ..good }, CW_BAD_VALUE),
        (cw_scp11_options { key_length: 17, ..good }, CW_BAD_VALUE),
        (cw_scp11_options { curve: CW_KEY_AES, ..good }, CW_BAD_VALUE),
        (cw_scp11_options { curve: CW_KEY_EC_P384, ..good }, CW_KEY_MISFIT),
        (cw_scp11_options { ca_key_len: 64, ..good }, CW_KEY_MISFIT),
        (cw_scp11_options { ca_key: null(), ca_key_len: 0, ..good }, CW_BAD_VALUE),
        (cw_scp11_options { card_key: other_root.as_ptr(), card_key_len: 65, ..good }, CW_BAD_VALUE),
        (cw_scp11_options { host_key: null(), ..good }, CW_NULL),
        (cw_scp11_options { host_key: c"nobody".as_ptr(), ..good }, CW_KEY_NOT_FOUND),
        (cw_scp11_options { host_key: c"test".as_ptr(), ..good }, CW_KEY_MISFIT),
        (cw_scp11_options { chain: null(), chain_count: 1, ..good }, CW_NULL),
        (cw_scp11_options { chain: &raw const empty, ..good }, CW_BAD_VALUE),
        (cw_scp11_options { chain_count: 9, ..good }, CW_BAD_VALUE),
        (cw_scp11_options { security_level: CW_SECURITY_C_MAC, ..good }, CW_BAD_SECURITY_LEVEL),
        (cw_scp11_options { security_level: 0, ..good }, CW_BAD_SECURITY_LEVEL),
    ] {
        assert_eq!(open(session, keys, &options), expected, "{options:?}: {:?}", last_error::kept());
        assert_eq!(entries(session), Err(CW_NOT_OPEN));
    }
    // Known from elsewhere, and another one: the receipt tells.
    let (right, wrong) = (point(CARD), point(HOST));
    for (key, expected) in [(&right, CW_OK), (&wrong, CW_CARD_FAULT)] {
        let known =
            cw_scp11_options { ca_key: null(), ca_key_len: 0, card_key: key.as_ptr(), card_key_len: 65, ..good };
        assert_eq!(open(session, keys, &known), expected, "{:?}", last_error::kept());
    }
    free(session, keys);
}

fn candidate(name: &'static CStr) -> cw_key_candidate {
    let mut candidate: cw_key_candidate = zero();
    (candidate.key_kind, candidate.scheme, candidate.key_name) = (CW_KEY_AES, CW_SCHEME_AS_IS, name.as_ptr());
    candidate
}

fn open_with(
    session: *mut cw_session,
    keys: *mut cw_keys,
    candidate: &cw_key_candidate,
    change: impl FnOnce(&mut cw_open_options),
) -> Result<u32, cw_status> {
    let mut options: cw_open_options = zero();
    options.security_level = CW_SECURITY_C_DECRYPTION;
    (options.candidates, options.candidate_count) = (candidate, 1);
    change(&mut options);
    let mut opened: cw_opened = zero();
    // SAFETY: live structs.
    match unsafe { cw_session_open(session, keys, &raw const options, &raw mut opened) } {
        CW_OK => Ok(opened.counted),
        status => Err(status),
    }
}

/// A journal in memory, as a program's own.
#[derive(Default)]
struct Records(Vec<(u64, std::ffi::CString, Vec<u8>)>);

unsafe extern "system" fn history(
    user: *mut c_void,
    entity: *const std::ffi::c_char,
    take: cw_take_record_fn,
    taker: *mut c_void,
) -> cw_status {
    // SAFETY: `user` is the journal of this test; the entity ends.
    let (records, entity) = unsafe { (&*user.cast::<Records>(), CStr::from_ptr(entity)) };
    for (seq, of, body) in records.0.iter().filter(|(_, of, _)| of.as_c_str() == entity) {
        let mut record: cw_record = zero();
        (record.seq, record.entity) = (*seq, of.as_ptr());
        (record.body, record.body_len) = (body.as_ptr(), body.len());
        // SAFETY: a live record.
        unsafe { take.unwrap()(taker, &raw const record) };
    }
    CW_OK
}

unsafe extern "system" fn commit(
    user: *mut c_void,
    transaction: *const cw_transaction,
    first_seq: *mut u64,
) -> cw_status {
    // SAFETY: `user` is the journal of this test; the transaction is good while this runs.
    unsafe {
        let records = &mut *user.cast::<Records>();
        let transaction = &*transaction;
        *first_seq = records.0.len() as u64 + 1;
        for entry in std::slice::from_raw_parts(transaction.entries, transaction.entry_count) {
            let body = std::slice::from_raw_parts(entry.body, entry.body_len).to_vec();
            records.0.push((records.0.len() as u64 + 1, CStr::from_ptr(entry.entity).into(), body));
        }
    }
    CW_OK
}

fn journal(records: &mut Records) -> *mut cw_journal {
    let mut store: cw_store = zero();
    store.history = Some(history);
    store.commit = Some(commit);
    store.user = std::ptr::from_mut(records).cast();
    let mut journal = null_mut();
    // SAFETY: live structs.
    assert_eq!(unsafe { cw_journal_new_store(&raw const store, &raw mut journal) }, CW_OK);
    journal
}

#[test]
fn sessions_with_a_journal_are_locked_out_after_two_failures() {
    let (right, wrong) = (candidate(c"test"), candidate(c"wrong"));
    for (cplc, counted) in [(None, CW_COUNTED_CARD), (Some([0; 42]), CW_COUNTED_SESSION)] {
        let mut records = Records::default();
        let (journal, keys) = (journal(&mut records), keys());
        let builder = cplc.map_or(JavaCard::builder(), |cplc| JavaCard::builder().cplc(cplc));
        let mut reader = reader(builder, false);
        let first = session(&mut reader);
        let with = |options: &mut cw_open_options| options.journal = journal;
        assert_eq!(open_with(first, keys, &right, with), Ok(counted));
        assert_eq!(open_with(first, keys, &right, |_| {}), Ok(CW_COUNTED_NOT));
        for expected in [CW_WRONG_KEYS, CW_WRONG_KEYS, CW_LOCKED_OUT] {
            assert_eq!(open_with(first, keys, &wrong, with), Err(expected), "{:?}", last_error::kept());
        }
        let overridden = |options: &mut cw_open_options| {
            (options.journal, options.flags) = (journal, CW_OPEN_OVERRIDE_LOCKOUT);
        };
        assert_eq!(open_with(first, keys, &right, with), Err(CW_LOCKED_OUT), "nobody knows that they are right");
        assert_eq!(open_with(first, keys, &right, overridden), Ok(counted));
        for (change, expected) in [
            (
                Box::new(|options: &mut cw_open_options| options.flags = CW_OPEN_OVERRIDE_LOCKOUT)
                    as Box<dyn FnOnce(&mut _)>,
                CW_BAD_VALUE,
            ),
            (
                Box::new(|options: &mut cw_open_options| (options.journal, options.host_challenge) = (journal, [1; 8])),
                CW_BAD_VALUE,
            ),
            (Box::new(|options: &mut cw_open_options| options.journal = first.cast()), CW_BAD_HANDLE),
        ] {
            assert_eq!(open_with(first, keys, &right, change), Err(expected));
        }
        free(first, keys);
        // SAFETY: a handle of this test.
        assert_eq!(unsafe { cw_journal_free(journal) }, CW_OK);
        let of = |prefix: &str| records.0.iter().any(|(_, of, _)| of.to_str().unwrap().starts_with(prefix));
        assert_eq!((of("card/cplc-"), of("insertion/")), (cplc.is_none(), cplc.is_some()));
    }
}

unsafe extern "system" fn note(user: *mut c_void, trace: *const crate::card::cw_trace) {
    // SAFETY: `user` is a list of this test; the text ends.
    unsafe {
        let words = CStr::from_ptr((*trace).command_text).to_str().unwrap();
        (*user.cast::<Vec<String>>()).push(words.into());
    }
}

#[test]
fn a_session_follows_a_profile_and_its_trace_shows_it() {
    let mut reader = reader(JavaCard::builder(), false);
    let (session, keys, right) = (session(&mut reader), keys(), candidate(c"test"));
    let mut words: Vec<String> = Vec::new();
    let text = "[profile.mine]\nlisting = \"legacy\"\nmax_command_data = 100\n";
    let (mut mine, mut none) = (null_mut(), null_mut());
    let parse = |text: &str, name: &CStr, out: *mut *mut cw_profile| {
        // SAFETY: live values.
        unsafe { cw_profile_parse(text.as_ptr(), text.len(), name.as_ptr(), out) }
    };
    assert_eq!(parse(text, c"mine", &raw mut mine), CW_OK);
    assert_eq!(parse(text, c"yours", &raw mut none), CW_NOT_FOUND);
    assert_eq!(parse("[profile.mine]\nlisting = 7", c"mine", &raw mut none), CW_BAD_VALUE);
    let mut length = 0;
    let mut buffer = [0; 64];
    // SAFETY: live values.
    unsafe {
        assert_eq!(cw_profile_new(c"nokia".as_ptr(), &raw mut none), CW_NOT_FOUND);
        assert_eq!(cw_profile_text(mine, buffer.as_mut_ptr(), 8, &raw mut length), CW_BUFFER_TOO_SMALL);
        assert_eq!(cw_profile_text(mine, buffer.as_mut_ptr(), 64, &raw mut length), CW_OK);
        assert_eq!(&buffer[..length], b"mine: max_command_data = 100, listing = \"legacy\"");
        let user = (&raw mut words).cast();
        assert_eq!(crate::card::cw_session_set_trace(session, Some(note), user, 0), CW_OK);
    }
    assert!(none.is_null());
    assert_eq!(open_with(session, keys, &right, |options| options.profile = mine), Ok(CW_COUNTED_NOT));
    assert_eq!(entries(session), Ok(1));
    assert_eq!(words[0], "card profile mine: max_command_data = 100, listing = \"legacy\"");
    assert!(words.last().unwrap().starts_with("84 F2 10 00") || words.last().unwrap().starts_with("84 F2 20 00"));
    words.clear();
    // SAFETY: handles of this test.
    unsafe { assert_eq!((cw_profile_free(mine), cw_profile_free(null_mut())), (CW_OK, CW_OK)) };
    assert_eq!(open_with(session, keys, &right, |options| options.profile = mine), Err(CW_BAD_HANDLE));
    assert_eq!(open_with(session, keys, &right, |_| {}), Ok(CW_COUNTED_NOT));
    assert_eq!(entries(session), Ok(1));
    assert!(words.iter().any(|line| line.starts_with("84 F2 80 02")) && !words[0].contains("profile"), "{words:?}");
    free(session, keys);
}
