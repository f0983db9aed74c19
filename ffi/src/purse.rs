//! Loads of electronic purses, as C orders them and is told of them.

use std::ffi::c_char;

use cardwright_apdu::TransportErrorKind;
use cardwright_cos::cpu::Pin;
use cardwright_cos::profile::CardProfile;
use cardwright_cos::purse::{
    Amount, Balance, KeyIdentifiers, ProveSerial, PurseAlgorithm, PurseKeys, PurseKind, PurseProfile, TacKey,
    TerminalNumber, TransactionTime,
};
use cardwright_issuance::account::AccountId;
use cardwright_issuance::purse::{
    self, HolderPin, LoadError, LoadOrder, LoadReport, LoadRules, LoadState, LoadTerminal, TransactionId, Waiting,
};
use cardwright_keys::KeyRef;

use crate::boundary::boundary;
use crate::event::{Finished, put_text};
use crate::failure::Failure;
use crate::input::{self, cw_aid};
use crate::plain::{self, plain};
use crate::process::{Ended, cw_process, hand_out};
use crate::status::*;

/// `cw_purse_load.purse`: electronic deposit (ED); it wants the holder's PIN.
pub const CW_PURSE_DEPOSIT: u32 = 1;
/// `cw_purse_load.purse`: electronic wallet (EP).
pub const CW_PURSE_WALLET: u32 = 2;

/// `cw_purse_terminal.algorithm`: triple DES with two keys.
pub const CW_PURSE_TDES: u32 = 1;
/// `cw_purse_terminal.algorithm`: single DES.
pub const CW_PURSE_DES: u32 = 2;
/// `cw_purse_terminal.algorithm`: SM4.
pub const CW_PURSE_SM4: u32 = 3;

/// `cw_purse_terminal.tac`: the halves of the TAC key, one xored onto the other, are the key.
pub const CW_TAC_FOLDED: u32 = 1;
/// `cw_purse_terminal.tac`: the TAC key is used as it is.
pub const CW_TAC_WHOLE: u32 = 2;

/// `cw_purse_terminal.prove`: GET TRANSACTION PROVE is asked with both serial numbers, the load's own first.
pub const CW_PROVE_BOTH: u32 = 0;
/// `cw_purse_terminal.prove`: with the load's own.
pub const CW_PROVE_OWN: u32 = 1;
/// `cw_purse_terminal.prove`: with the one after it.
pub const CW_PROVE_NEXT: u32 = 2;

/// `cw_purse_terminal.flags`: a card whose application has version 5 is used with its SM4 keys.
pub const CW_PURSE_SM4_BY_VERSION: u32 = 0x01;
/// `cw_purse_terminal.flags`: cards hold the keys as they are; they are not diversified.
pub const CW_PURSE_KEYS_AS_IS: u32 = 0x02;

/// `cw_purse_load_report.state`: the card has no load to resume; nothing was done.
pub const CW_LOADING_NONE: u32 = 0;
/// `cw_purse_load_report.state`: ordered, and the card read.
pub const CW_LOADING_CARD_READ: u32 = 1;
/// `cw_purse_load_report.state`: the rules allow it.
pub const CW_LOADING_MATCHED: u32 = 2;
/// `cw_purse_load_report.state`: the card is initialized for it.
pub const CW_LOADING_INITIALIZED: u32 = 3;
/// `cw_purse_load_report.state`: the debit was asked for.
pub const CW_LOADING_DEBIT_REQUESTED: u32 = 4;
/// `cw_purse_load_report.state`: the debit was not answered.
pub const CW_LOADING_DEBIT_UNKNOWN: u32 = 5;
/// `cw_purse_load_report.state`: the account is debited; no MAC2 that is worth anything was given out.
pub const CW_LOADING_DEBITED: u32 = 6;
/// `cw_purse_load_report.state`: MAC2 was given out.
pub const CW_LOADING_CREDIT_SENT: u32 = 7;
/// `cw_purse_load_report.state`: MAC2 was given out, and what came of it is not known.
pub const CW_LOADING_CREDIT_UNKNOWN: u32 = 8;
/// `cw_purse_load_report.state`: the card has proved that it does not have the money.
pub const CW_LOADING_NOT_LOADED: u32 = 9;
/// `cw_purse_load_report.state`: the account is to get its money back.
pub const CW_LOADING_REVERSAL_PENDING: u32 = 10;
/// `cw_purse_load_report.state`: ended without debit and load. `reason`: 1 the rules, 2 the account was not debited, 3 given up.
pub const CW_LOADING_CLOSED: u32 = 11;
/// `cw_purse_load_report.state`: ended, debited and loaded. `reason`, what shows it: 1 the TAC of CREDIT FOR LOAD, 2 the TAC of GET
/// TRANSACTION PROVE, 3 MAC1 of a later initialization, 4 persons who settled its case.
pub const CW_LOADING_LOADED: u32 = 12;
/// `cw_purse_load_report.state`: ended, debited, not loaded, and reversed.
pub const CW_LOADING_REVERSED: u32 = 13;
/// `cw_purse_load_report.state`: debited; whether it is loaded cannot be told. `reason`: 1 MAC1 is wrong, 2 the proof is of another
/// load, 3 serial number or balance moved on, 4 the card refuses to be initialized, 5 the card did not come back, 6 the keeper of
/// accounts refuses the reversal.
pub const CW_LOADING_DISPUTED: u32 = 14;

/// Where, when and with which keys cards are loaded.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_purse_terminal {
    /// Set it to `sizeof(cw_purse_terminal)`.
    pub struct_size: u32,
    /// 0, or the sum of `CW_PURSE_SM4_BY_VERSION` and `CW_PURSE_KEYS_AS_IS`.
    pub flags: u32,
    /// AID of the application that holds the purse.
    pub application: cw_aid,
    /// Identifier of the load key on the card, type 3F.
    pub load_kid: u8,
    /// Number of the terminal.
    pub number: [u8; 6],
    /// Date and time as the card gets them, in decimal digits: YYYY MM DD hh mm ss.
    pub time: [u8; 7],
    /// Identifier of the holder's PIN.
    pub pin_id: u8,
    /// `CW_PURSE_TDES`, `CW_PURSE_DES` or `CW_PURSE_SM4`.
    pub algorithm: u32,
    /// `CW_TAC_FOLDED`, which is that of FMCOS 2.0, or `CW_TAC_WHOLE`.
    pub tac: u32,
    /// One of `CW_PROVE_BOTH` to `CW_PROVE_NEXT`.
    pub prove: u32,
    /// Version of the rules, for the record.
    pub rules_version: u32,
    /// The most that is loaded at once, in the smallest unit of the currency.
    pub max_amount: u32,
    /// The most that a purse may hold, in the smallest unit of the currency.
    pub max_balance: u32,
    /// The same time, in milliseconds since 1970-01-01 UTC.
    pub now_ms: u64,
    /// Load key (DLK), as the key service names it.
    pub load_key: *const c_char,
    /// TAC key (DTK); NULL for none: a load is proved by MAC1 alone then.
    pub tac_key: *const c_char,
    /// Codes of issuers that the keys are diversified with, 8 bytes each, before the serial number of the card. May be NULL when
    /// the count is 0.
    pub levels: *const u8,
    /// Number of codes, up to 6.
    pub level_count: usize,
    /// The PIN as its holder has just entered it and as the card wants it; NULL where the purse wants none. It is not tried again
    /// after a wrong one, and the last try is never made.
    pub pin: *const u8,
    /// Length of `pin`, in bytes, up to 16.
    pub pin_len: usize,
    /// How the card takes the PIN: name of a profile of native cards that is built in, such as "fmcos-2.0"; NULL without PIN.
    pub pin_profile: *const c_char,
}

/// A load as it is ordered.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_purse_load {
    /// Set it to `sizeof(cw_purse_load)`.
    pub struct_size: u32,
    /// `CW_PURSE_DEPOSIT` or `CW_PURSE_WALLET`.
    pub purse: u32,
    /// Its id, the same in every run, and never that of another load: 1 to 64 bytes of printable ASCII without spaces and `/`. Debit
    /// and reversal are booked under it.
    pub id: *const c_char,
    /// Who pays, as the keeper of accounts names it to you, never a card number: 1 to 64 bytes of printable ASCII without spaces.
    pub account: *const c_char,
    /// How much, in the smallest unit of the currency; not 0.
    pub amount: u32,
    /// Zero.
    pub reserved: u32,
    /// Where, when and with which keys.
    pub terminal: *const cw_purse_terminal,
}

/// How a process left a load. Besides `state` it is zero when there was none.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_purse_load_report {
    /// Set it to `sizeof(cw_purse_load_report)`.
    pub struct_size: u32,
    /// One of `CW_LOADING_NONE` to `CW_LOADING_DISPUTED`.
    pub state: u32,
    /// Why, as the states say; 0 where a state has no reasons.
    pub reason: u32,
    /// `CW_PURSE_DEPOSIT` or `CW_PURSE_WALLET`.
    pub purse: u32,
    /// How much, in the smallest unit of the currency.
    pub amount: u32,
    /// How often CREDIT FOR LOAD was sent.
    pub credits: u32,
    /// 1: the card told serial number and balance under a MAC1 that verifies; 0: it did not come to that.
    pub initialized: u32,
    /// Online transaction serial number before the load.
    pub serial: u32,
    /// Balance before the load.
    pub balance_before: u32,
    /// Balance after it, with `CW_LOADING_LOADED`.
    pub balance_after: u32,
    /// Which load of the card it is, from 1.
    pub number: u64,
    /// Its id, ends with a NUL.
    pub id: [c_char; 68],
    /// Who pays, ends with a NUL.
    pub account: [c_char; 68],
    /// Entity of the case that the process waits for, with `CW_QUARANTINED`; ends with a NUL.
    pub dispute: [c_char; 204],
}

plain! {
    cw_purse_terminal: size_of::<cw_purse_terminal>();
    cw_purse_load: size_of::<cw_purse_load>();
    cw_purse_load_report: size_of::<cw_purse_load_report>();
}

/// The most levels of issuers above a card.
const MAX_LEVELS: usize = 6;
const MAX_PIN: usize = 16;

/// A process that loads the purse of the card in the reader, or finishes the load with this id: an account is debited and the card
/// credited, and neither ever without the other.
///
/// `CW_OK`: the account is debited, and the card has proved that it has the money. `CW_NOT_LOADED`: it has ended, and no money moved
/// or is back. With `CW_INTERRUPTED`, `CW_ACCOUNT_UNKNOWN` and `CW_QUARANTINED` it has not ended: run again with the same id, or end it
/// with `cw_process_give_up_load`. `cw_process_load_report` tells each time where it stands.
///
/// Keys in memory or in a token answer it. Key services of programs, and `CW_ASK_KEYS`, are not asked for MACs of purses yet:
/// `CW_KEY_SERVICE`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_new_load(load: *const cw_purse_load, out: *mut *mut cw_process) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: the header asks for structs of `struct_size` bytes and pointers that are good for their numbers.
        let order = unsafe { order(load)? };
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { hand_out(purse::load(order), |result| ended(result.map(Some)), out) }
    })
}

/// A process that finishes whatever load of the card in the reader was cut off; `CW_OK` and `CW_LOADING_NONE` when there is none. A
/// debit that was never booked is cancelled, not begun again. It ends as that of `cw_process_new_load` does.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_resume_load(
    terminal: *const cw_purse_terminal,
    out: *mut *mut cw_process,
) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: as for `cw_process_new_load`.
        let terminal = unsafe { read_terminal(terminal)? };
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { hand_out(purse::resume(terminal), ended, out) }
    })
}

/// A process that ends the load with this id without its card: what was debited and never credited is reversed; where a MAC2 was given
/// out, it is disputed (`CW_QUARANTINED`), and once persons have settled its case, it ends as they say. It asks no card and no keys.
/// `now_ms`: the time, in milliseconds since 1970-01-01 UTC.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_give_up_load(
    id: *const c_char,
    now_ms: u64,
    out: *mut *mut cw_process,
) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: the header asks for a NUL-terminated string.
        let id = unsafe { transaction_id(id)? };
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { hand_out(purse::give_up(id, now_ms), |result| ended(result.map(Some)), out) }
    })
}

/// # Safety
/// `id` is NULL or a NUL-terminated string.
unsafe fn transaction_id(id: *const c_char) -> Result<TransactionId, Failure> {
    // SAFETY: passed on.
    let id = unsafe { input::string(id, "id")? };
    TransactionId::new(&id).map_err(|error| Failure::value(format!("id: {error}")))
}

/// # Safety
/// The pointers of the order are good for the numbers that go with them, and its strings end.
unsafe fn order(load: *const cw_purse_load) -> Result<LoadOrder, Failure> {
    // SAFETY: passed on.
    let load = unsafe { plain::read(load)? };
    // SAFETY: passed on.
    let (id, account, terminal) =
        unsafe { (transaction_id(load.id)?, input::string(load.account, "account")?, read_terminal(load.terminal)?) };
    let purse = match load.purse {
        CW_PURSE_DEPOSIT => PurseKind::Deposit,
        CW_PURSE_WALLET => PurseKind::Wallet,
        other => return Err(Failure::value(format!("purse {other} is not known"))),
    };
    let account = AccountId::new(&account).map_err(|error| Failure::value(format!("account: {error}")))?;
    Ok(LoadOrder { id, purse, amount: amount(load.amount, "amount")?, account, terminal })
}

fn amount(units: u32, what: &str) -> Result<Amount, Failure> {
    Amount::new(units.into()).map_err(|error| Failure::value(format!("{what}: {error}")))
}

/// # Safety
/// As [`order`].
unsafe fn read_terminal(terminal: *const cw_purse_terminal) -> Result<LoadTerminal, Failure> {
    // SAFETY: passed on.
    let terminal = unsafe { plain::read(terminal)? };
    if terminal.flags & !(CW_PURSE_SM4_BY_VERSION | CW_PURSE_KEYS_AS_IS) != 0 {
        return Err(Failure::value(format!("flags {:X} of cw_purse_terminal are not known", terminal.flags)));
    }
    if terminal.level_count > MAX_LEVELS {
        return Err(Failure::value(format!("levels: at most {MAX_LEVELS}, not {}", terminal.level_count)));
    }
    // SAFETY: passed on.
    let levels = unsafe { input::bytes(terminal.levels, terminal.level_count * 8, MAX_LEVELS * 8, "levels")? };
    let levels = levels.as_chunks::<8>().0.to_vec();
    let is_as_is = terminal.flags & CW_PURSE_KEYS_AS_IS != 0;
    if is_as_is && !levels.is_empty() {
        return Err(Failure::value("levels: keys that are used as they are have none"));
    }
    // SAFETY: passed on.
    let (keys, pin) = unsafe { (keys(&terminal)?, pin(&terminal)?) };
    Ok(LoadTerminal {
        application: terminal.application.require("application")?,
        profile: profile(&terminal)?,
        sm4_by_version: terminal.flags & CW_PURSE_SM4_BY_VERSION != 0,
        keys,
        levels: if is_as_is { None } else { Some(levels) },
        pin,
        number: TerminalNumber(terminal.number),
        rules: LoadRules {
            version: terminal.rules_version,
            max_amount: amount(terminal.max_amount, "max_amount")?,
            max_balance: Balance(terminal.max_balance),
        },
        time: TransactionTime::from_bytes(terminal.time).map_err(|error| Failure::value(format!("time: {error}")))?,
        now_ms: terminal.now_ms,
    })
}

fn profile(terminal: &cw_purse_terminal) -> Result<PurseProfile, Failure> {
    let algorithm = match terminal.algorithm {
        CW_PURSE_TDES => PurseAlgorithm::Tdes,
        CW_PURSE_DES => PurseAlgorithm::Des,
        CW_PURSE_SM4 => PurseAlgorithm::Sm4,
        other => return Err(Failure::value(format!("algorithm {other} is not known"))),
    };
    let tac = match terminal.tac {
        CW_TAC_FOLDED => TacKey::Folded,
        CW_TAC_WHOLE => TacKey::Whole,
        other => return Err(Failure::value(format!("tac {other} is not known"))),
    };
    let prove = match terminal.prove {
        CW_PROVE_BOTH => ProveSerial::Both,
        CW_PROVE_OWN => ProveSerial::Own,
        CW_PROVE_NEXT => ProveSerial::Next,
        other => return Err(Failure::value(format!("prove {other} is not known"))),
    };
    let kids = KeyIdentifiers { load: terminal.load_kid, ..PurseProfile::FMCOS.kids };
    Ok(PurseProfile { algorithm, kids, tac, prove, ..PurseProfile::FMCOS })
}

/// # Safety
/// As [`order`].
unsafe fn keys(terminal: &cw_purse_terminal) -> Result<PurseKeys, Failure> {
    // SAFETY: passed on.
    let key = |name, what: &str| match unsafe { input::string(name, what)? } {
        name if name.is_empty() => Err(Failure::new(CW_KEY_NOT_FOUND, format!("{what} is empty"))),
        name => Ok(KeyRef::new(name)),
    };
    let tac = if terminal.tac_key.is_null() { None } else { Some(key(terminal.tac_key, "tac_key")?) };
    Ok(PurseKeys { load: key(terminal.load_key, "load_key")?, tac })
}

/// # Safety
/// As [`order`].
unsafe fn pin(terminal: &cw_purse_terminal) -> Result<Option<HolderPin>, Failure> {
    // SAFETY: passed on.
    let pin = unsafe { input::bytes(terminal.pin, terminal.pin_len, MAX_PIN, "pin")? };
    if pin.is_empty() {
        return Ok(None);
    }
    // SAFETY: passed on.
    let name = unsafe { input::string(terminal.pin_profile, "pin_profile")? };
    let profile = CardProfile::built_in(&name)
        .ok_or_else(|| Failure::value(format!("pin_profile: no profile of native cards is called {name:?}")))?;
    Ok(Some(HolderPin { profile, id: terminal.pin_id, pin: Pin::new(pin) }))
}

/// How a process left a load; `None` when there was none.
pub(crate) struct LoadEnd(Option<LoadReport>);

fn ended(result: Result<Option<LoadReport>, LoadError>) -> Ended {
    match result {
        Ok(report) => Ended { result: outcome(report.as_ref()), load: Some(LoadEnd(report)) },
        Err(error) => Err(Failure::from(error)).into(),
    }
}

/// Only a card that has the money, or that has nothing to finish, is a success.
fn outcome(report: Option<&LoadReport>) -> Result<Finished, Failure> {
    let Some(LoadReport { load, waiting }) = report else {
        return Ok(Finished { card: String::new(), changed: true, report: None });
    };
    match (waiting, load.state) {
        (Some(Waiting::Card { command, kind }), _) => Err(interrupted(command, kind)),
        (Some(Waiting::Account(error)), _) => {
            let why = error.map_or("the booking is not decided yet".to_owned(), |error| error.to_string());
            Err(Failure::new(CW_ACCOUNT_UNKNOWN, format!("load {}: {why}: run again later", load.id)).doubtful(true))
        }
        (Some(Waiting::Dispute { case, .. }), _) => {
            let message =
                format!("load {} is in dispute, case {case}: show the same card again, or settle it", load.id);
            Err(Failure::new(CW_QUARANTINED, message).doubtful(true))
        }
        (None, LoadState::Loaded(_)) => Ok(Finished { card: String::new(), changed: true, report: None }),
        (None, LoadState::Closed(_) | LoadState::Reversed) => {
            let message =
                format!("load {} has ended; the card did not get the money, and the account keeps it", load.id);
            Err(Failure::new(CW_NOT_LOADED, message))
        }
        _ => Err(Failure::new(CW_INTERNAL, format!("load {} neither ended nor waits", load.id))),
    }
}

pub(crate) fn interrupted(command: &'static str, kind: &TransportErrorKind) -> Failure {
    let message = format!("{command}: {kind}; put the same card back and run again");
    Failure::new(CW_INTERRUPTED, message).of(command).doubtful(true)
}

impl LoadEnd {
    pub(crate) fn in_c(&self) -> cw_purse_load_report {
        let mut out = cw_purse_load_report {
            struct_size: size_of::<cw_purse_load_report>() as u32,
            state: CW_LOADING_NONE,
            reason: 0,
            purse: 0,
            amount: 0,
            credits: 0,
            initialized: 0,
            serial: 0,
            balance_before: 0,
            balance_after: 0,
            number: 0,
            id: [0; 68],
            account: [0; 68],
            dispute: [0; 204],
        };
        let Some(LoadReport { load, waiting }) = &self.0 else { return out };
        (out.state, out.reason) = state(load.state);
        (out.purse, out.amount, out.credits, out.number) =
            (load.purse as u32, load.amount.get(), load.credits, load.number);
        if let Some((serial, balance)) = load.initialized {
            (out.initialized, out.serial, out.balance_before) = (1, serial.into(), balance.0);
        }
        if let (LoadState::Loaded(_), Some(credit)) = (load.state, &load.credit) {
            out.balance_after = credit.new_balance().0;
        }
        put_text(load.id.as_str(), &mut out.id);
        put_text(load.account.as_str(), &mut out.account);
        if let Some(Waiting::Dispute { case, .. }) = waiting {
            put_text(case.as_str(), &mut out.dispute);
        }
        out
    }
}

/// State and reason, by their numbers in C.
fn state(state: LoadState) -> (u32, u32) {
    use LoadState as State;
    match state {
        State::CardRead => (CW_LOADING_CARD_READ, 0),
        State::Matched => (CW_LOADING_MATCHED, 0),
        State::Initialized => (CW_LOADING_INITIALIZED, 0),
        State::DebitRequested => (CW_LOADING_DEBIT_REQUESTED, 0),
        State::DebitUnknown => (CW_LOADING_DEBIT_UNKNOWN, 0),
        State::Debited => (CW_LOADING_DEBITED, 0),
        State::CreditSent => (CW_LOADING_CREDIT_SENT, 0),
        State::CreditUnknown => (CW_LOADING_CREDIT_UNKNOWN, 0),
        State::NotLoaded => (CW_LOADING_NOT_LOADED, 0),
        State::ReversalPending => (CW_LOADING_REVERSAL_PENDING, 0),
        // The reasons count from 0 in records.
        State::Closed(why) => (CW_LOADING_CLOSED, why as u32 + 1),
        State::Loaded(by) => (CW_LOADING_LOADED, by as u32 + 1),
        State::Reversed => (CW_LOADING_REVERSED, 0),
        State::Disputed(why) => (CW_LOADING_DISPUTED, why as u32 + 1),
    }
}

#[cfg(test)]
mod tests;
