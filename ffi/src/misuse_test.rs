//! Random answers to every question: whatever comes back, nothing panics and no status says that the library is wrong.

use std::ffi::{CStr, c_void};
use std::ptr::{null, null_mut};

use cardwright_apdu::Transport;
use cardwright_sim::{AesKeyLength, JavaCard, SecureChannelProtocol, SimReader};

use crate::apdu::cw_command_apdu;
use crate::card_data::{cw_card_data, cw_session_read_card_data};
use crate::content::*;
use crate::event::cw_report;
use crate::exchange::{CW_EXCHANGE_SECURE, cw_session_exchange};
use crate::input::cw_aid;
use crate::key_request::*;
use crate::key_service::cw_keys_answer;
use crate::keys::*;
use crate::last_error;
use crate::list::{cw_registry_entry, cw_session_list};
use crate::load::{cw_install, cw_session_install, cw_session_load};
use crate::load_file::{cw_load_file, cw_load_file_free, cw_load_file_parse};
use crate::open::*;
use crate::order::{CW_APPLICATION_VERSION, CW_ORDER_OVERRIDE_LOCKOUT, cw_application_order, cw_order};
use crate::process::*;
use crate::release::cw_release;
use crate::session::*;
use crate::status::*;
use crate::store::{cw_record, cw_transaction};
use crate::transport::{cw_answer, cw_transport};

/// Sizes fit `uint32_t`.
fn size<T>() -> u32 {
    size_of::<T>() as u32
}

/// A struct with only its size.
pub(crate) fn zero<T: crate::plain::Plain>() -> T {
    // SAFETY: a `Plain` may be all zero, and begins with its size.
    unsafe {
        let mut value = std::mem::zeroed::<T>();
        (&raw mut value).cast::<u32>().write(size::<T>());
        value
    }
}

/// Xorshift: the same numbers for each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.below(256) as u8).collect()
    }

    /// A response that was damaged on the way, or another one.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        match self.below(6) {
            0 => *bytes = self.bytes(300),
            1 => bytes.truncate(self.below(bytes.len() + 1)),
            2 => *bytes = vec![[0x61, 0x6C, 0x67, 0x63, 0x69, 0x90][self.below(6)], self.below(256) as u8],
            3 => bytes.extend(self.bytes(40)),
            _ => {
                for _ in 0..=self.below(3) {
                    let length = bytes.len();
                    if length > 0 {
                        bytes[self.below(length)] ^= 1 << self.below(8);
                    }
                }
            }
        }
    }

    fn seq(&mut self) -> u64 {
        [0, 1, 2, 5, u64::MAX, u64::MAX - 1, i64::MAX as u64][self.below(7)]
    }
}

fn card(seed: u64) -> SimReader {
    let protocol = match seed % 2 {
        0 => SecureChannelProtocol::Scp02 { i: 0x55 },
        _ => SecureChannelProtocol::Scp03 { i: 0x70, key_length: AesKeyLength::Aes128 },
    };
    SimReader::new(JavaCard::builder().protocol(protocol).seed(seed).build())
}

fn test_keys() -> *mut cw_keys {
    let test: [u8; 16] = std::array::from_fn(|i| 0x40 + i as u8);
    let initial: [u8; 16] = std::array::from_fn(|i| i as u8 * 0x11);
    let mut keys = null_mut();
    // SAFETY: pointers to locals that outlive the calls.
    unsafe {
        assert_eq!(cw_keys_new(&raw mut keys), CW_OK);
        for (name, kind, value) in
            [(c"aes", CW_KEY_AES, &test), (c"des", CW_KEY_TDES, &test), (c"initial", CW_KEY_TDES, &initial)]
        {
            assert_eq!(cw_keys_add(keys, name.as_ptr(), kind, value.as_ptr(), 16), CW_OK);
        }
    }
    keys
}

pub(crate) fn load_file() -> *mut cw_load_file {
    let cap = cardwright_capgen::default_payment_cap();
    let mut file = null_mut();
    // SAFETY: pointers to locals that outlive the call.
    assert_eq!(unsafe { cw_load_file_parse(cap.as_ptr(), cap.len(), 0, &raw mut file) }, CW_OK);
    file
}

fn candidate(kind: u32, scheme: u32, name: &'static CStr) -> cw_key_candidate {
    let mut out: cw_key_candidate = zero();
    (out.key_kind, out.scheme, out.key_name) = (kind, scheme, name.as_ptr());
    out
}

pub(crate) fn new_issue(load_file: *mut cw_load_file) -> *mut cw_process {
    let (status, process) = new_issue_with(load_file, CW_ORDER_OVERRIDE_LOCKOUT, null());
    assert_eq!(status, CW_OK);
    process
}

pub(crate) fn new_issue_with(
    load_file: *mut cw_load_file,
    flags: u32,
    release: *const cw_release,
) -> (cw_status, *mut cw_process) {
    let now = [candidate(CW_KEY_AES, CW_SCHEME_AS_IS, c"aes"), candidate(CW_KEY_TDES, CW_SCHEME_AS_IS, c"des")];
    let then = [candidate(CW_KEY_AES, CW_SCHEME_KDF3, c"aes"), candidate(CW_KEY_TDES, CW_SCHEME_EMV, c"des")];
    let mut application: cw_application_order = zero();
    (application.flags, application.load_file, application.version) = (CW_APPLICATION_VERSION, load_file, [1, 0]);
    application.initial_master_key = c"initial".as_ptr();
    application.master_key = c"des".as_ptr();
    application.maintenance_key = c"des".as_ptr();
    let mut order: cw_order = zero();
    (order.flags, order.security_level, order.release) = (flags, CW_SECURITY_C_DECRYPTION, release);
    (order.current_keys, order.current_key_count) = (now.as_ptr(), 2);
    (order.new_keys, order.new_key_count) = (then.as_ptr(), 2);
    (order.applications, order.application_count) = (&raw const application, 1);
    let mut process = null_mut();
    // SAFETY: pointers to locals that outlive the call.
    (unsafe { cw_process_new_issue(&raw const order, &raw mut process) }, process)
}

/// No status of a call is an error of this library.
fn sound(status: cw_status, seed: u64) -> cw_status {
    let is_sound = !matches!(status, CW_INTERNAL | CW_POISONED);
    assert!(is_sound, "seed {seed}: {:?}", last_error::kept());
    status
}

/// A program that drives processes question by question, and errs now and then.
pub(crate) struct Program {
    card: SimReader,
    keys: *mut cw_keys,
    pub(crate) records: Vec<(u64, String, Vec<u8>)>,
    dice: Dice,
    seed: u64,
    /// Errs at one in so many questions; 0 for never.
    errs: usize,
}

impl Program {
    pub(crate) fn new(seed: u64, errs: usize) -> Self {
        let dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        Self { card: card(seed), keys: test_keys(), records: Vec::new(), dice, seed, errs }
    }

    /// The status that the process ends with.
    pub(crate) fn drive(&mut self, process: *mut cw_process) -> cw_status {
        for _ in 0..5000 {
            let mut question: cw_question = zero();
            // SAFETY: a live struct.
            let status = sound(unsafe { cw_process_next(process, &raw mut question) }, self.seed);
            if status != CW_OK || question.kind == CW_ASK_DONE {
                return status;
            }
            if question.kind == CW_ASK_NOTHING {
                // SAFETY: an event has nothing to answer.
                assert_eq!(unsafe { cw_process_answer_bytes(process, [0x90, 0].as_ptr(), 2, 0) }, CW_OUT_OF_TURN);
                continue;
            }
            if self.errs != 0 && self.dice.one_in(self.errs) && self.err(process, &question) == CW_OK {
                continue;
            }
            // SAFETY: the question is the last one of this process.
            let taken = sound(unsafe { self.answer(process, &question) }, self.seed);
            if taken != CW_OK {
                // Only after a lie about numbers: then there is none left that would be right.
                assert!(self.errs != 0 && question.kind == CW_ASK_COMMIT, "{:?}", last_error::kept());
                // SAFETY: as above.
                assert_eq!(unsafe { cw_process_answer_failure(process, CW_STORE_CONFLICT, 0, null()) }, CW_OK);
            }
        }
        panic!("seed {}: the process does not end", self.seed);
    }

    pub(crate) unsafe fn answer(&mut self, process: *mut cw_process, question: &cw_question) -> cw_status {
        // SAFETY: pointers of the open question, and to locals that outlive the calls.
        unsafe {
            match question.kind {
                CW_ASK_TRANSMIT => {
                    let mut response = Vec::new();
                    let command = std::slice::from_raw_parts(question.bytes, question.length);
                    match self.card.transmit(command, &mut response) {
                        Ok(()) => cw_process_answer_bytes(process, response.as_ptr(), response.len(), 0),
                        Err(_) => cw_process_answer_failure(process, CW_CARD_REMOVED, 0, null()),
                    }
                }
                CW_ASK_RESET => {
                    self.card.reinsert();
                    let atr = Transport::reset(&mut self.card).unwrap();
                    cw_process_answer_bytes(process, atr.as_ptr(), atr.len(), 0)
                }
                CW_ASK_KEYS => {
                    let mut answer: cw_key_answer = zero();
                    match cw_keys_answer(self.keys, question.keys, &raw mut answer) {
                        CW_OK => cw_process_answer_keys(process, &raw const answer),
                        status => cw_process_answer_failure(process, status, 0, null()),
                    }
                }
                CW_ASK_HISTORY => {
                    let entity = CStr::from_ptr(question.entity).to_str().unwrap();
                    let mut records: Vec<cw_record> = Vec::new();
                    for (seq, _, body) in self.records.iter().filter(|(_, of, _)| of == entity) {
                        let mut record: cw_record = zero();
                        record.entity = question.entity;
                        (record.seq, record.body, record.body_len) = (*seq, body.as_ptr(), body.len());
                        records.push(record);
                    }
                    cw_process_answer_history(process, records.as_ptr(), records.len())
                }
                CW_ASK_COMMIT => cw_process_answer_committed(process, self.write(&*question.transaction)),
                CW_ASK_RANDOM => cw_process_answer_bytes(process, [self.dice.below(256) as u8; 8].as_ptr(), 8, 0),
                other => panic!("question {other}"),
            }
        }
    }

    unsafe fn write(&mut self, transaction: &cw_transaction) -> u64 {
        let first = self.records.len() as u64 + 1;
        // SAFETY: pointers of the open question.
        unsafe {
            for entry in std::slice::from_raw_parts(transaction.entries, transaction.entry_count) {
                let body = std::slice::from_raw_parts(entry.body, entry.body_len).to_vec();
                let entity = CStr::from_ptr(entry.entity).to_str().unwrap().to_owned();
                self.records.push((self.records.len() as u64 + 1, entity, body));
            }
        }
        first
    }

    /// Something else than the answer; `CW_OK` when it was taken for one.
    fn err(&mut self, process: *mut cw_process, question: &cw_question) -> cw_status {
        let bytes = self.dice.bytes(300);
        // SAFETY: pointers of the open question, and to locals that outlive the calls.
        let status = unsafe {
            match (self.dice.below(4), question.kind) {
                (0, _) => {
                    let status = [0, 201, 206, 208, 211, 411, 412, 413, 414, 415, 601, 602, 603, 604, 605, 607, 12345];
                    let (status, reason) = (status[self.dice.below(status.len())], [c"why".as_ptr(), null()]);
                    let (delivery, reason) = (self.dice.below(3) as u32, reason[self.dice.below(2)]);
                    cw_process_answer_failure(process, status, delivery, reason)
                }
                (1, CW_ASK_TRANSMIT) => {
                    let mut response = Vec::new();
                    let command = std::slice::from_raw_parts(question.bytes, question.length);
                    let _ = self.card.transmit(command, &mut response);
                    self.dice.damage(&mut response);
                    cw_process_answer_bytes(process, response.as_ptr(), response.len(), 0)
                }
                (_, CW_ASK_KEYS) => {
                    let mut answer: cw_key_answer = zero();
                    let _ = cw_keys_answer(self.keys, question.keys, &raw mut answer);
                    let number = [0, 1, 7, 8, 15, 16, 24, 32, 33, 256, 257, u32::MAX][self.dice.below(12)];
                    match self.dice.below(7) {
                        0 => answer.session_key_len = number,
                        1 => answer.output_len = number,
                        2 => answer.key_len = number,
                        3 => answer.key_kind = number,
                        4 => answer.kcv = [0xEE; 3],
                        5 => answer.session_mac = [0; 32],
                        _ => answer.card_challenge = [0; 16],
                    }
                    cw_process_answer_keys(process, &raw const answer)
                }
                (_, CW_ASK_HISTORY) => {
                    let mut records: Vec<cw_record> = Vec::new();
                    for (seq, _, body) in &self.records {
                        let mut record: cw_record = zero();
                        // Also where it is another's.
                        record.entity = question.entity;
                        (record.seq, record.body, record.body_len) = (*seq, body.as_ptr(), body.len());
                        match self.dice.below(20) {
                            0 => record.seq = self.dice.seq(),
                            1 => record.body_len = self.dice.below(body.len() + 1),
                            2 => (record.body, record.body_len) = (bytes.as_ptr(), bytes.len()),
                            3 => continue,
                            _ => {}
                        }
                        records.push(record);
                    }
                    cw_process_answer_history(process, records.as_ptr(), records.len())
                }
                (_, CW_ASK_COMMIT) => {
                    if self.dice.one_in(2) {
                        self.write(&*question.transaction);
                    }
                    cw_process_answer_committed(process, self.dice.seq())
                }
                (2, _) => cw_process_answer_bytes(process, bytes.as_ptr(), bytes.len(), self.dice.below(3) as u32),
                _ => {
                    let answer: cw_key_answer = zero();
                    cw_process_answer_keys(process, &raw const answer)
                }
            }
        };
        sound(status, self.seed)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: a handle of this program.
        unsafe { cw_keys_free(self.keys) };
    }
}

#[test]
fn whatever_is_answered_no_process_panics_and_an_honest_one_ends() {
    let file = load_file();
    let mut ends = std::collections::BTreeMap::new();
    for seed in 0..300 {
        let mut program = Program::new(seed, [4, 15, 60][seed as usize % 3]);
        for _ in 0..3 {
            let process = new_issue(file);
            let status = program.drive(process);
            *ends.entry(status).or_insert(0) += 1;
            let mut report: cw_report = zero();
            // SAFETY: a live handle and struct.
            unsafe {
                assert_eq!(cw_process_report(process, &raw mut report), status);
                assert_eq!(cw_process_free(process), CW_OK);
            }
        }
    }
    assert!(ends.len() > 10 && ends[&CW_OK] > 10, "{ends:?}");
    let mut honest = Program::new(7, 0);
    let process = new_issue(file);
    assert_eq!(honest.drive(process), CW_OK);
    // SAFETY: handles of this test.
    unsafe {
        assert_eq!(cw_process_free(process), CW_OK);
        assert_eq!(cw_load_file_free(file), CW_OK);
    }
}

#[test]
fn what_was_not_asked_is_not_answered() {
    let file = load_file();
    let (process, mut program) = (new_issue(file), Program::new(1, 0));
    let ok = [0x90, 0];
    // SAFETY: handles and locals of this test.
    unsafe {
        assert_eq!(cw_process_answer_bytes(process, ok.as_ptr(), 2, 0), CW_OUT_OF_TURN, "before the first question");
        let mut transmits = 0;
        while transmits < 5 {
            let mut question: cw_question = zero();
            assert_eq!(cw_process_next(process, &raw mut question), CW_OK);
            if question.kind == CW_ASK_NOTHING {
                continue;
            }
            assert_eq!(program.answer(process, &question), CW_OK);
            // The next question may be one of the same kind: an answer that is given twice is not taken for it.
            assert_eq!(cw_process_answer_bytes(process, ok.as_ptr(), 2, 0), CW_OUT_OF_TURN);
            assert_eq!(cw_process_answer_committed(process, 1000), CW_OUT_OF_TURN);
            assert_eq!(cw_process_answer_history(process, null(), 0), CW_OUT_OF_TURN);
            assert_eq!(cw_process_answer_failure(process, CW_TIMEOUT, 0, null()), CW_OUT_OF_TURN);
            let answer: cw_key_answer = zero();
            assert_eq!(cw_process_answer_keys(process, &raw const answer), CW_OUT_OF_TURN);
            transmits += u32::from(question.kind == CW_ASK_TRANSMIT);
        }
        assert_eq!(program.drive(process), CW_OK);
        assert_eq!(cw_process_answer_bytes(process, ok.as_ptr(), 2, 0), CW_OUT_OF_TURN, "after the end");
        assert_eq!(cw_process_free(process), CW_OK);
        assert_eq!(cw_load_file_free(file), CW_OK);
    }
}

#[test]
fn random_key_requests_are_answered_or_refused() {
    let (keys, mut dice) = (test_keys(), Dice(99));
    let mut answered = 0;
    for _ in 0..60_000 {
        let step = cw_key_derivation {
            struct_size: size::<cw_key_derivation>(),
            scheme: dice.below(7) as u32,
            purpose: dice.below(5) as u32,
            factor_len: [8, 10, 0, 16, 17, u32::MAX][dice.below(6)],
            factor: [dice.below(256) as u8; 16],
        };
        let names = [c"aes", c"des", c"nobody", c""];
        let refs: [cw_key_ref; 3] = std::array::from_fn(|_| cw_key_ref {
            struct_size: size::<cw_key_ref>(),
            reserved: 0,
            name: names[dice.below(4)].as_ptr(),
            steps: &raw const step,
            step_count: dice.below(2) * dice.below(2),
        });
        let most = [2, 8, 16, 19, 300][dice.below(5)];
        let data = dice.bytes(most);
        let (dek, challenge) = (dice.bytes(33), dice.bytes(20));
        let mut request: cw_key_request = zero();
        request.operation = dice.below(8) as u32;
        (request.keys, request.key_count) = (refs.as_ptr(), dice.below(4));
        (request.data, request.data_len) = (data.as_ptr(), data.len());
        (request.challenge_data, request.challenge_data_len) = (challenge.as_ptr(), challenge.len());
        request.challenge_len = [0, 8, 16, 32, usize::MAX][dice.below(5)];
        if dice.one_in(2) {
            (request.session_dek, request.session_dek_len) = (dek.as_ptr(), dek.len());
        }
        let mut answer: cw_key_answer = zero();
        // SAFETY: pointers to locals that outlive the call.
        let status = sound(unsafe { cw_keys_answer(keys, &raw const request, &raw mut answer) }, 99);
        answered += u32::from(status == CW_OK);
    }
    assert!(answered > 400, "{answered}");
    // SAFETY: a handle of this test.
    assert_eq!(unsafe { cw_keys_free(keys) }, CW_OK);
}

/// A card whose responses are damaged now and then.
struct Damaged {
    card: SimReader,
    dice: Dice,
    one_in: usize,
}

unsafe extern "system" fn transmit(
    user: *mut c_void,
    command: *const u8,
    length: usize,
    answer: *mut cw_answer,
) -> cw_status {
    let mut response = Vec::new();
    // SAFETY: `user` is of the one session whose call this is; the rest is the library's promise.
    unsafe {
        let damaged = &mut *user.cast::<Damaged>();
        if damaged.card.transmit(std::slice::from_raw_parts(command, length), &mut response).is_err() {
            return CW_CARD_REMOVED;
        }
        if damaged.dice.one_in(damaged.one_in) {
            damaged.dice.damage(&mut response);
        }
        (*answer).bytes.copy_from_nonoverlapping(response.as_ptr(), response.len());
        (*answer).length = response.len();
    }
    CW_OK
}

unsafe extern "system" fn reset(user: *mut c_void, answer: *mut cw_answer) -> cw_status {
    // SAFETY: as above.
    unsafe {
        let damaged = &mut *user.cast::<Damaged>();
        let atr = damaged.dice.bytes(40);
        (*answer).bytes.copy_from_nonoverlapping(atr.as_ptr(), atr.len());
        (*answer).length = atr.len();
    }
    CW_OK
}

unsafe extern "system" fn on_entry(_: *mut c_void, _: *const cw_registry_entry) -> i32 {
    0
}

#[test]
fn whatever_a_card_answers_no_session_panics() {
    let (keys, file) = (test_keys(), load_file());
    let mut ends = std::collections::BTreeMap::new();
    for seed in 0..300_u64 {
        let dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut user = Damaged { card: card(seed), dice, one_in: [3, 10, 40][seed as usize % 3] };
        let mut choice = Dice(seed + 1);
        let mut transport: cw_transport = zero();
        transport.transmit = Some(transmit);
        transport.reset = Some(reset);
        transport.user = (&raw mut user).cast();
        let candidates =
            [candidate(CW_KEY_AES, CW_SCHEME_AS_IS, c"aes"), candidate(CW_KEY_TDES, CW_SCHEME_AS_IS, c"des")];
        let mut options: cw_open_options = zero();
        options.security_level =
            [CW_SECURITY_AUTHENTICATED, CW_SECURITY_C_DECRYPTION, CW_SECURITY_FULL][seed as usize % 3];
        (options.candidates, options.candidate_count) = (candidates.as_ptr(), 2);
        let aid = cw_aid { length: 7, bytes: *b"\xA0\0\0\x03\x86\x98\x07\0\0\0\0\0\0\0\0\0" };
        let mut session = null_mut();
        // SAFETY: handles and locals of this test, which outlive the calls.
        unsafe {
            assert_eq!(cw_session_new(&raw const transport, &raw mut session), CW_OK);
            for _ in 0..30 {
                let (mut out, mut length) = (vec![0; 65538], 0);
                let status = match choice.below(10) {
                    0 => {
                        let mut data: cw_card_data = zero();
                        cw_session_read_card_data(session, null(), &raw mut data)
                    }
                    1 => cw_session_reset(session, out.as_mut_ptr(), out.len(), &raw mut length),
                    2 => cw_session_list(session, Some(on_entry), null_mut(), null_mut()),
                    3 => cw_session_load(session, file, null(), None, null_mut()),
                    4 => {
                        let mut install: cw_install = zero();
                        (install.load_file, install.module, install.application) = (aid, aid, aid);
                        cw_session_install(session, &raw const install)
                    }
                    5 => cw_session_delete(session, &raw const aid, CW_DELETE_RELATED, null_mut()),
                    6 => {
                        let (mut data, bytes) = (zero::<cw_store_data>(), choice.bytes(600));
                        (data.data, data.data_len, data.structure) =
                            (bytes.as_ptr(), bytes.len(), [0, 8, 16][choice.below(3)]);
                        cw_session_store_data(session, &raw const data, out.as_mut_ptr(), out.len(), &raw mut length)
                    }
                    7 => {
                        let (mut command, data) = (zero::<cw_command_apdu>(), choice.bytes(300));
                        (command.cla, command.ins, command.p1) = (choice.below(256) as u8, choice.below(256) as u8, 4);
                        (command.data, command.nc, command.ne) =
                            (data.as_ptr(), data.len(), choice.below(65537) as u32);
                        let flags = CW_EXCHANGE_SECURE * choice.below(2) as u32;
                        cw_session_exchange(
                            session,
                            &raw const command,
                            flags,
                            out.as_mut_ptr(),
                            out.len(),
                            &raw mut length,
                        )
                    }
                    8 => cw_session_put_keys(
                        session,
                        keys,
                        &raw const candidates[choice.below(2)],
                        choice.below(2) as u32,
                    ),
                    _ => cw_session_open(session, keys, &raw const options, null_mut()),
                };
                *ends.entry(sound(status, seed)).or_insert(0) += 1;
            }
            assert_eq!(cw_session_free(session), CW_OK);
        }
    }
    assert!(ends.len() > 8 && ends[&CW_OK] > 500, "{ends:?}");
    // SAFETY: handles of this test.
    unsafe {
        assert_eq!(cw_keys_free(keys), CW_OK);
        assert_eq!(cw_load_file_free(file), CW_OK);
    }
}

#[test]
fn threads_that_use_and_free_the_same_handles_get_statuses_and_nothing_else() {
    let file = load_file();
    for round in 0..40_u64 {
        let (keys, process, mut user) =
            (test_keys(), new_issue(file), Damaged { card: card(1), dice: Dice(1), one_in: 1000 });
        let mut transport: cw_transport = zero();
        transport.transmit = Some(transmit);
        transport.reset = Some(reset);
        transport.user = (&raw mut user).cast();
        let mut session = null_mut();
        // SAFETY: pointers to locals that outlive the threads.
        assert_eq!(unsafe { cw_session_new(&raw const transport, &raw mut session) }, CW_OK);
        let handles = [keys as usize, process as usize, session as usize];
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                scope.spawn(move || {
                    let mut dice = Dice((round * 4 + thread + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
                    for _ in 0..200 {
                        // Any handle for any object.
                        let any = handles[dice.below(3)];
                        let (mut question, candidate) =
                            (zero::<cw_question>(), candidate(CW_KEY_AES, CW_SCHEME_AS_IS, c"aes"));
                        let mut options: cw_open_options = zero();
                        (options.candidates, options.candidate_count) = (&raw const candidate, 1);
                        // SAFETY: pointers to locals that outlive the calls; the pointers of a question are not followed.
                        let status = unsafe {
                            match dice.below(300) {
                                0 => cw_keys_free(any as *mut _),
                                1 => cw_process_free(any as *mut _),
                                2 => cw_session_free(any as *mut _),
                                3..100 => cw_process_next(any as *mut _, &raw mut question),
                                100..180 => cw_process_answer_failure(any as *mut _, CW_TIMEOUT, 0, null()),
                                180..240 => {
                                    cw_session_open(any as *mut _, keys_of(handles), &raw const options, null_mut())
                                }
                                _ => cw_session_close(any as *mut _),
                            }
                        };
                        sound(status, round);
                    }
                });
            }
        });
        // SAFETY: handles of this test, or what is left of them.
        unsafe {
            for status in [cw_keys_free(keys), cw_process_free(process), cw_session_free(session)] {
                assert!(matches!(status, CW_OK | CW_BAD_HANDLE));
            }
        }
    }
    // SAFETY: a handle of this test.
    assert_eq!(unsafe { cw_load_file_free(file) }, CW_OK);
}

fn keys_of(handles: [usize; 3]) -> *mut cw_keys {
    handles[0] as *mut cw_keys
}
