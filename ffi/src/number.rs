//! Numbers written to blank SIMs, as C orders them.

use std::ffi::c_char;

use cardwright_cos::usim::{
    FieldError, Iccid, Imsi, Msisdn, Plmn, SecretCode, SimProfile, SmsParameters, SubscriberData,
};
use cardwright_issuance::remote::{IssueError, Outcome};
use cardwright_issuance::usim::{NumberOrder, NumberReport, write_number};
use cardwright_keys::KeyRef;
use cardwright_keys::milenage::{OperatorKey, SubscriberKeys};

use crate::boundary::boundary;
use crate::event::Finished;
use crate::failure::Failure;
use crate::input;
use crate::plain::{self, plain};
use crate::process::{Ended, completed, cw_process, hand_out};
use crate::release::{self, cw_release};
use crate::script::text;
use crate::status::*;

/// What a blank SIM is to become.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_number {
    /// Set it to `sizeof(cw_number)`.
    pub struct_size: u32,
    /// Zero.
    pub flags: u32,
    /// What kind of SIM it is: a profile that is built in, such as "sysmousim-sjs1", or a table `[profile.NAME]` of `profiles`.
    pub profile: *const c_char,
    /// More profiles of SIMs in TOML, UTF-8; may be NULL when the length is 0.
    pub profiles: *const u8,
    /// Length of `profiles`, in bytes.
    pub profiles_len: usize,
    /// ICCID that it gets or, where it keeps its own, has to have; NULL for whichever it has.
    pub iccid: *const c_char,
    /// IMSI.
    pub imsi: *const c_char,
    /// The subscriber's number, with + international; NULL for none.
    pub number: *const c_char,
    /// Short message service centre; NULL for none.
    pub sms_center: *const c_char,
    /// Home network as "262-01": what the card knows of locations is written back to what a new one has. NULL: that stays.
    pub home: *const c_char,
    /// ADM key, 8 bytes; NULL where the profile names none.
    pub adm: *const u8,
    /// PIN that it gets, 4 to 8 digits; NULL for none.
    pub pin: *const c_char,
    /// PUK that it gets, 8 digits; NULL for none.
    pub puk: *const c_char,
    /// K, as the key service names it; NULL for a card that keeps its keys.
    pub k: *const c_char,
    /// OPc, as the key service names it; NULL where `op` is given.
    pub opc: *const c_char,
    /// OP, as the key service names it; NULL where `opc` is given.
    pub op: *const c_char,
    /// What two persons have decided of a step that waits for them, with `CW_QUARANTINED`; NULL where none does.
    pub release: *const cw_release,
}

plain! { cw_number: size_of::<cw_number>(); }

/// A process that writes a subscriber's numbers, codes and keys to the SIM in the reader, or finishes it where it was cut off: each step
/// durable, each file read back, the keys proved by AUTHENTICATE.
///
/// Values that do not fit the profile's numbering plan, and what the profile has no entry for, are refused before anything is sent:
/// `CW_BAD_VALUE`, `CW_UNSUPPORTED`. A rejected ADM key, and one with a single try left, end with `CW_QUARANTINED`. Keys in memory answer
/// it; key services of programs, and `CW_ASK_KEYS`, are not asked for MILENAGE yet: `CW_KEY_SERVICE`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_new_number(number: *const cw_number, out: *mut *mut cw_process) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: the header asks for structs of `struct_size` bytes and pointers that are good for their numbers.
        let order = unsafe { order(number)? };
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { hand_out(write_number(order), ended, out) }
    })
}

fn ended(result: Result<Outcome<NumberReport>, IssueError>) -> Ended {
    let finish = |report: NumberReport| Finished {
        // Whole: it is what the card is found by.
        card: cardwright_issuance::CardIdentity::of_iccid(report.iccid.to_file())
            .map_or_else(String::new, |card| card.to_string()),
        changed: !report.written.is_empty(),
        report: None,
    };
    completed(result).map(finish).into()
}

/// # Safety
/// The pointers of the order are good for the numbers that go with them, and its strings end.
unsafe fn order(number: *const cw_number) -> Result<NumberOrder, Failure> {
    // SAFETY: passed on.
    let order = unsafe { plain::read(number)? };
    if order.flags != 0 {
        return Err(Failure::value(format!("flags {:X} of cw_number are not known", order.flags)));
    }
    let optional = |pointer: *const c_char, what: &str| {
        // SAFETY: passed on.
        if pointer.is_null() { Ok(None) } else { unsafe { input::string(pointer, what) }.map(Some) }
    };
    let fits = |error: FieldError| Failure::value(error.to_string());
    // SAFETY: passed on.
    let profile = unsafe { profile(&order)? };
    let numbering = &profile.numbering;
    // SAFETY: passed on.
    let imsi = unsafe { input::string(order.imsi, "imsi")? };
    let mut data = SubscriberData::new(Imsi::new(&imsi, &numbering.networks).map_err(fits)?);
    let read = |text: Option<String>| text.map(|text| Iccid::new(&text, &numbering.iccid)).transpose();
    data.iccid = read(optional(order.iccid, "iccid")?).map_err(fits)?;
    let number = optional(order.number, "number")?;
    data.msisdn = number.map(|text| Msisdn::new(&text, numbering.national)).transpose().map_err(fits)?;
    let center = optional(order.sms_center, "sms_center")?;
    data.sms_parameters = center.map(|text| SmsParameters::new(&text, numbering.national)).transpose().map_err(fits)?;
    data.reset_for = optional(order.home, "home")?.map(|text| Plmn::new(&text)).transpose().map_err(fits)?;
    let pin = optional(order.pin, "pin")?.map(|text| SecretCode::from_digits("PIN", &text)).transpose();
    let puk = optional(order.puk, "puk")?.map(|text| SecretCode::puk(&text)).transpose();
    let adm = match order.adm.is_null() {
        true => None,
        // SAFETY: passed on; there are 8 bytes.
        false => unsafe { input::bytes(order.adm, 8, 8, "adm")? }.first_chunk().copied().map(SecretCode::from_bytes),
    };
    let keys = keys(optional(order.k, "k")?, optional(order.opc, "opc")?, optional(order.op, "op")?)?;
    let (pin, puk) = (pin.map_err(fits)?, puk.map_err(fits)?);
    // SAFETY: passed on.
    let release = if order.release.is_null() { None } else { Some(unsafe { release::read(order.release)? }) };
    Ok(NumberOrder { adm, pin, puk, keys, release, ..NumberOrder::new(profile, data) })
}

fn keys(k: Option<String>, opc: Option<String>, op: Option<String>) -> Result<Option<SubscriberKeys>, Failure> {
    let operator = match (opc, op) {
        (Some(opc), None) => Some(OperatorKey::Opc(KeyRef::new(opc))),
        (None, Some(op)) => Some(OperatorKey::Op(KeyRef::new(op))),
        (None, None) => None,
        (Some(_), Some(_)) => return Err(Failure::value("opc and op: one of them")),
    };
    match (k, operator) {
        (None, None) => Ok(None),
        (Some(k), Some(operator)) => Ok(Some(SubscriberKeys { k: KeyRef::new(k), operator })),
        _ => Err(Failure::value("k and opc or op: both or none")),
    }
}

/// # Safety
/// As [`order`].
unsafe fn profile(order: &cw_number) -> Result<SimProfile, Failure> {
    // SAFETY: passed on.
    let (name, more) =
        unsafe { (input::string(order.profile, "profile")?, text(order.profiles, order.profiles_len, "profiles")?) };
    let own = SimProfile::read_toml(more).map_err(|error| Failure::value(format!("profiles: {error}")))?;
    match own.into_iter().find(|profile| profile.name == name) {
        Some(profile) => Ok(profile),
        None => SimProfile::built_in(&name).map_err(|error| Failure::new(CW_NOT_FOUND, format!("profile: {error}"))),
    }
}

#[cfg(test)]
mod tests;
