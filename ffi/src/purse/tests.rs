//! Wrong orders of loads, and a load that is given up question by question, with answers that are none in between.

use std::ffi::{CStr, CString};
use std::ptr::{null, null_mut};

use cardwright_issuance::journal::Entity;
use cardwright_issuance::store::{Journal, MemoryStore};
use cardwright_issuance::{Driver, account};
use cardwright_keys::{KeyKind, SoftwareKeys};
use cardwright_sim::{CpuCard, SimReader};

use super::*;
use crate::account::*;
use crate::event::cw_report;
use crate::plain::Plain;
use crate::process::*;
use crate::store::cw_record;

/// A struct with only its size.
fn zero<T: Plain>() -> T {
    // SAFETY: a `Plain` may be all zero, and begins with its size.
    unsafe {
        let mut value = std::mem::zeroed::<T>();
        (&raw mut value).cast::<u32>().write(size_of::<T>() as u32);
        value
    }
}

fn terminal() -> cw_purse_terminal {
    let mut terminal: cw_purse_terminal = zero();
    terminal.flags = CW_PURSE_KEYS_AS_IS;
    terminal.application = Some("A00000000386980701".parse().unwrap()).into();
    (terminal.load_kid, terminal.number, terminal.time) = (1, [1; 6], [0x20, 0x24, 0x05, 0x06, 0x07, 0x08, 0x09]);
    (terminal.algorithm, terminal.tac) = (CW_PURSE_DES, CW_TAC_FOLDED);
    (terminal.max_amount, terminal.max_balance) = (1000, 100_000);
    (terminal.load_key, terminal.tac_key) = (c"load".as_ptr(), c"tac".as_ptr());
    terminal
}

fn load(terminal: &cw_purse_terminal) -> cw_purse_load {
    let mut load: cw_purse_load = zero();
    (load.purse, load.amount, load.terminal) = (CW_PURSE_WALLET, 200, terminal);
    (load.id, load.account) = (c"T1".as_ptr(), c"holder".as_ptr());
    load
}

#[test]
fn each_wrong_order_has_its_status() {
    let refused = |load: &cw_purse_load, wanted: cw_status, what: &str| {
        let mut process = null_mut();
        // SAFETY: a struct of this test, with pointers that are good.
        assert_eq!(unsafe { cw_process_new_load(load, &raw mut process) }, wanted, "{what}");
        assert!(process.is_null(), "{what}");
    };
    let good = terminal();
    let with = |change: fn(&mut cw_purse_load)| {
        let mut load = load(&good);
        change(&mut load);
        load
    };
    refused(&with(|load| load.struct_size -= 1), CW_STRUCT_SIZE, "an older struct than there is");
    refused(&with(|load| load.purse = 3), CW_BAD_VALUE, "purse");
    refused(&with(|load| load.amount = 0), CW_BAD_VALUE, "nothing to load");
    refused(&with(|load| load.id = null()), CW_NULL, "no id");
    refused(&with(|load| load.id = c"T/1".as_ptr()), CW_BAD_VALUE, "id of a reversal");
    refused(&with(|load| load.id = c"\xFF".as_ptr()), CW_BAD_UTF8, "id that is no text");
    refused(&with(|load| load.account = c"a b".as_ptr()), CW_BAD_VALUE, "account");
    refused(&with(|load| load.terminal = null()), CW_NULL, "no terminal");
    let with = |change: fn(&mut cw_purse_terminal), wanted: cw_status, what: &str| {
        let mut terminal = terminal();
        change(&mut terminal);
        refused(&load(&terminal), wanted, what);
        let mut process = null_mut();
        // SAFETY: as above.
        assert_eq!(unsafe { cw_process_resume_load(&raw const terminal, &raw mut process) }, wanted, "{what}");
        assert!(process.is_null(), "{what}");
    };
    with(|terminal| terminal.flags = 4, CW_BAD_VALUE, "flags");
    with(|terminal| terminal.application.length = 0, CW_BAD_VALUE, "no application");
    with(|terminal| terminal.algorithm = 0, CW_BAD_VALUE, "algorithm");
    with(|terminal| terminal.tac = 3, CW_BAD_VALUE, "TAC");
    with(|terminal| terminal.prove = 3, CW_BAD_VALUE, "proof");
    with(|terminal| terminal.time[1] = 0x2A, CW_BAD_VALUE, "time");
    with(|terminal| terminal.max_amount = 0, CW_BAD_VALUE, "limit");
    with(|terminal| terminal.load_key = null(), CW_NULL, "no load key");
    with(|terminal| terminal.tac_key = c"".as_ptr(), CW_KEY_NOT_FOUND, "TAC key without a name");
    with(|terminal| terminal.level_count = usize::MAX, CW_BAD_VALUE, "levels");
    with(|terminal| terminal.pin_len = 3, CW_NULL, "no PIN");
    with(
        |terminal| (terminal.pin, terminal.pin_len) = ([1, 2, 3].as_ptr(), 3),
        CW_NULL,
        "PIN without the way that the card takes it",
    );
    // SAFETY: strings of this test.
    unsafe {
        let mut process = null_mut();
        assert_eq!(cw_process_new_load(&load(&good), null_mut()), CW_NULL);
        assert_eq!(cw_process_give_up_load(null(), 0, &raw mut process), CW_NULL);
        assert_eq!(cw_process_give_up_load(c"T 1".as_ptr(), 0, &raw mut process), CW_BAD_VALUE);
        assert_eq!(cw_process_answer_account(null_mut(), &zero::<cw_booking>()), CW_NULL);
        assert_eq!(cw_process_load_report(null_mut(), &mut zero::<cw_purse_load_report>()), CW_NULL);
    }
}

/// The journal of a load whose debit was not answered.
fn begun() -> MemoryStore {
    let mut keys = SoftwareKeys::new();
    let load_key: [u8; 8] = std::array::from_fn(|i| if i % 2 == 0 { 0x3F } else { 0x01 });
    keys.insert("load", KeyKind::Tdes, &load_key).unwrap();
    keys.insert("tac", KeyKind::Tdes, &[0x34; 16]).unwrap();
    let (mut card, mut store) = (SimReader::new(CpuCard::builder().seed(7).sample().unwrap()), MemoryStore::new());
    let mut driver = Driver {
        card: &mut card,
        keys: &mut keys,
        store: &mut store,
        clock: &mut || 1,
        random: &mut || [9; 8],
        notice: &mut |_| {},
    };
    // SAFETY: structs of this test.
    let order = unsafe { order(&load(&terminal())).unwrap() };
    let report = driver.run(purse::load(order)).unwrap().unwrap();
    assert_eq!(report.waiting, Some(Waiting::Account(Some(account::AccountError::NoPort))));
    store
}

#[test]
fn an_account_is_answered_by_what_is_an_answer_alone() {
    let store = begun();
    let (mut process, mut booking) = (null_mut(), zero::<cw_booking>());
    // SAFETY: handles and locals of this test; pointers of the open question.
    unsafe {
        assert_eq!(cw_process_give_up_load(c"T1".as_ptr(), 5, &raw mut process), CW_OK);
        booking.status = CW_BOOKING_PENDING;
        assert_eq!(cw_process_answer_account(process, &raw const booking), CW_OUT_OF_TURN, "before a question");
        let mut question: cw_question = zero();
        loop {
            assert_eq!(cw_process_next(process, &raw mut question), CW_OK);
            if question.kind != CW_ASK_HISTORY {
                break;
            }
            assert_eq!(cw_process_answer_account(process, &raw const booking), CW_OUT_OF_TURN, "for a history");
            let entity = Entity::new(CStr::from_ptr(question.entity).to_str().unwrap()).unwrap();
            let (name, found) = (CString::new(entity.as_str()).unwrap(), store.history(&entity).unwrap());
            let in_c = |record: &cardwright_issuance::journal::Record| {
                let mut out: cw_record = zero();
                (out.entity, out.seq) = (name.as_ptr(), record.seq);
                (out.body, out.body_len) = (record.body.as_ptr(), record.body.len());
                out
            };
            let records: Vec<_> = found.iter().map(in_c).collect();
            assert_eq!(cw_process_answer_history(process, records.as_ptr(), records.len()), CW_OK);
        }
        assert_eq!(question.kind, CW_ASK_ACCOUNT);
        let asked = &*question.account;
        assert_eq!((asked.operation, CStr::from_ptr(asked.booking)), (CW_ACCOUNT_QUERY, c"T1"));
        assert!(asked.account.is_null() && asked.debit.is_null() && asked.amount == 0);
        for status in [0, 5, u32::MAX, CW_BOOKING_BOOKED] {
            booking.status = status;
            assert_eq!(cw_process_answer_account(process, &raw const booking), CW_BAD_VALUE, "{status}");
        }
        assert_eq!(cw_process_answer_bytes(process, [0x90, 0].as_ptr(), 2, 0), CW_OUT_OF_TURN);
        assert_eq!(cw_process_answer_failure(process, CW_NO_CARD, 0, null()), CW_BAD_VALUE);
        let mut report: cw_purse_load_report = zero();
        assert_eq!(cw_process_load_report(process, &raw mut report), CW_OUT_OF_TURN, "before the end");
        booking.status = CW_BOOKING_PENDING;
        assert_eq!(cw_process_answer_account(process, &raw const booking), CW_OK);
        assert_eq!(cw_process_next(process, &raw mut question), CW_ACCOUNT_UNKNOWN);
        assert_eq!(cw_process_load_report(process, &raw mut report), CW_OK);
        assert_eq!((report.state, report.amount, report.serial), (CW_LOADING_DEBIT_UNKNOWN, 200, 0));
        assert_eq!(CStr::from_ptr(report.id.as_ptr()), c"T1");
        assert_eq!(cw_process_report(process, &mut zero::<cw_report>()), CW_OUT_OF_TURN, "of a load");
        assert_eq!(cw_process_free(process), CW_OK);
    }
}
