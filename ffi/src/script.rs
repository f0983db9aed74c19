//! Issue scripts of native cards, as C orders them.

use std::ffi::c_char;

use cardwright_cos::profile::CardProfile;
use cardwright_cos::script::{Script, Values};
use cardwright_issuance::remote::Outcome;
use cardwright_issuance::script::{CardSource, ScriptOrder, ScriptReport, ScriptRunError, run_script};

use crate::boundary::boundary;
use crate::event::Finished;
use crate::failure::Failure;
use crate::input;
use crate::plain::{self, plain};
use crate::process::{Ended, completed, cw_process, hand_out};
use crate::release::{self, cw_release};
use crate::status::*;

/// `cw_script.flags`: the text is an operator's ready-made commands, line by line, not TOML.
pub const CW_SCRIPT_LINES: u32 = 0x01;

/// A value that a script has a name for, different from card to card.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_script_value {
    /// Set it to `sizeof(cw_script_value)`.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Its name.
    pub name: *const c_char,
    /// Its bytes.
    pub bytes: *const u8,
    /// Number of bytes: what the script says.
    pub length: usize,
}

/// An issue script, and what kind of card it is for.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_script {
    /// Set it to `sizeof(cw_script)`.
    pub struct_size: u32,
    /// 0, or `CW_SCRIPT_LINES`.
    pub flags: u32,
    /// The card's profile: one that is built in, such as "fmcos-2.0", or a table `[profile.NAME]` of `profiles`.
    pub profile: *const c_char,
    /// More profiles of native cards in TOML, UTF-8; may be NULL when the length is 0.
    pub profiles: *const u8,
    /// Length of `profiles`, in bytes.
    pub profiles_len: usize,
    /// The script, UTF-8; with length 0 that of the FMCOS 2.0 manual.
    pub text: *const u8,
    /// Length of `text`, in bytes.
    pub text_len: usize,
    /// With `CW_SCRIPT_LINES` the script's name, under which the journal has it; not looked at otherwise.
    pub name: *const c_char,
    /// Values that the script wants; may be NULL when the count is 0.
    pub values: *const cw_script_value,
    /// Number of values, up to 256.
    pub value_count: usize,
    /// What the card is known by, as a handler or the print on it says: 1 to 32 printable ASCII characters without `/`. NULL: where the
    /// profile says that cards tell it.
    pub card: *const c_char,
    /// What two persons have decided of a step that waits for them, with `CW_QUARANTINED`; NULL where none does.
    pub release: *const cw_release,
}

plain! {
    cw_script_value: size_of::<cw_script_value>();
    cw_script: size_of::<cw_script>();
}

/// Far more than any script or any number of profiles.
pub(crate) const MAX_TEXT: usize = 1 << 20;
const MAX_VALUES: usize = 256;
const MAX_VALUE: usize = 4096;

/// A process that runs an issue script on the card in the reader, or finishes one that was cut off: each step durable, and complete when
/// everything that can be read was read back and every key that can be proved was.
///
/// A script that another text was begun with ends with `CW_CONTRADICTION`; a card that is not blank, a MAC or a key that the card
/// rejects, and what cannot be told, with `CW_QUARANTINED`. Keys in memory answer it; key services of programs, and `CW_ASK_KEYS`, are
/// asked for what they know: `CW_KEY_SERVICE` for the rest.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_process_new_script(script: *const cw_script, out: *mut *mut cw_process) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: the header asks for structs of `struct_size` bytes and pointers that are good for their numbers.
        let order = unsafe { order(script)? };
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { hand_out(run_script(order), ended, out) }
    })
}

fn ended(result: Result<Outcome<ScriptReport>, ScriptRunError>) -> Ended {
    let finish =
        |report: ScriptReport| Finished { card: report.card.to_string(), changed: report.changed, report: None };
    completed(result).map(finish).into()
}

/// # Safety
/// The pointers of the order are good for the numbers that go with them, and its strings end.
unsafe fn order(script: *const cw_script) -> Result<ScriptOrder, Failure> {
    // SAFETY: passed on.
    let script = unsafe { plain::read(script)? };
    if script.flags & !CW_SCRIPT_LINES != 0 {
        return Err(Failure::value(format!("flags {:X} of cw_script are not known", script.flags)));
    }
    // SAFETY: passed on.
    let (profile, values) = unsafe { (profile(&script)?, values(&script)?) };
    // SAFETY: passed on.
    let text = unsafe { text(script.text, script.text_len, "text")? };
    let wrong = |error: cardwright_cos::script::ScriptError| Failure::value(format!("text: {error}"));
    let read = match (script.flags & CW_SCRIPT_LINES != 0, text) {
        (true, _) if !values.is_empty() => return Err(Failure::value("values: ready-made commands have none")),
        (true, text) => {
            // SAFETY: passed on.
            let name = unsafe { input::string(script.name, "name")? };
            Script::read_lines(&name, text, &profile).map_err(wrong)?
        }
        (false, "") => Script::fmcos_sample(&values).map_err(wrong)?,
        (false, text) => Script::read_toml(text, &profile, &values).map_err(wrong)?,
    };
    let identity = match script.card.is_null() {
        true => CardSource::Profile,
        // SAFETY: passed on.
        false => CardSource::Given(unsafe { input::string(script.card, "card")? }),
    };
    // SAFETY: passed on.
    let release = if script.release.is_null() { None } else { Some(unsafe { release::read(script.release)? }) };
    Ok(ScriptOrder { script: read, profile, identity, release })
}

/// # Safety
/// As [`order`].
unsafe fn profile(script: &cw_script) -> Result<CardProfile, Failure> {
    // SAFETY: passed on.
    let (name, more) =
        unsafe { (input::string(script.profile, "profile")?, text(script.profiles, script.profiles_len, "profiles")?) };
    let own = CardProfile::read_toml(more).map_err(|error| Failure::value(format!("profiles: {error}")))?;
    let found = own.into_iter().find(|profile| profile.name == name).or_else(|| CardProfile::built_in(&name));
    found.ok_or_else(|| Failure::new(CW_NOT_FOUND, format!("profile: no profile of native cards is called {name:?}")))
}

/// # Safety
/// As [`order`].
unsafe fn values(script: &cw_script) -> Result<Values, Failure> {
    // SAFETY: passed on.
    let given = unsafe { plain::read_all(script.values, script.value_count, 0..=MAX_VALUES, "values")? };
    let mut values = Values::new();
    for value in given {
        // SAFETY: passed on.
        let (name, bytes) = unsafe {
            (
                input::string(value.name, "name of a value")?,
                input::bytes(value.bytes, value.length, MAX_VALUE, "value")?,
            )
        };
        if values.insert(name.clone(), bytes.to_vec()).is_some() {
            return Err(Failure::value(format!("values: {name:?} is there twice")));
        }
    }
    Ok(values)
}

/// # Safety
/// `pointer` is NULL or points to `length` bytes that stay as they are for as long as the result is used.
pub(crate) unsafe fn text<'a>(pointer: *const u8, length: usize, what: &str) -> Result<&'a str, Failure> {
    // SAFETY: passed on.
    let bytes = unsafe { input::bytes(pointer, length, MAX_TEXT, what)? };
    std::str::from_utf8(bytes).map_err(|_| Failure::new(CW_BAD_UTF8, format!("{what} is not UTF-8")))
}

#[cfg(test)]
pub(crate) mod tests;
