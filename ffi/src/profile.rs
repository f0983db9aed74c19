//! Card profiles: what a kind of card does otherwise than the standard says.

use std::ffi::c_char;

use cardwright_gp::CardProfile;

use crate::boundary::boundary;
use crate::failure::Failure;
use crate::handle::{self, Object};
use crate::input;
use crate::status::{CW_BAD_UTF8, CW_BAD_VALUE, CW_NOT_FOUND, cw_status};

/// What a kind of card does otherwise than the standard says: named in `cw_open_options` and `cw_order`, which copy it. Made by
/// `cw_profile_new` or `cw_profile_parse`, ended by `cw_profile_free`.
pub struct cw_profile {
    _opaque: [u8; 0],
}

/// What a `cw_profile` stands for.
pub(crate) struct Profile(CardProfile);

impl Object for Profile {
    const NAME: &'static str = "cw_profile";
}

/// A copy of the profile, or the standard for NULL.
pub(crate) fn of(profile: *const cw_profile) -> Result<CardProfile, Failure> {
    if profile.is_null() {
        return Ok(CardProfile::standard());
    }
    handle::view::<Profile, _>(profile as usize, |profile| Ok(profile.0.clone()))
}

/// A profile that is built in: "standard", "counts-commands-with-data", "yubikey", "open-platform-2.0.1" or "short-blocks"; else
/// `CW_NOT_FOUND`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_profile_new(name: *const c_char, out: *mut *mut cw_profile) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: the header asks for a NUL-terminated string.
        let name = unsafe { input::string(name, "name")? };
        let profile = CardProfile::built_in(&name).ok_or_else(|| {
            let known = CardProfile::BUILT_IN.join(", ");
            Failure::new(CW_NOT_FOUND, format!("no profile {name:?} is built in; there are {known}"))
        })?;
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { handle::hand_out(Profile(profile), out) }
    })
}

/// A profile out of a text in TOML, in which it is the table `[profile.NAME]`:
///
///     [profile.my-card]
///     like = "yubikey"                 # a built-in profile that it begins with
///     about = "how that was found out"
///     counter = "with-data"            # or "every": which commands the counter of SCP03 counts
///     enciphers_empty_data = true      # SCP03
///     bare_key_components = true       # no length in front of keys under an AES Key-DEK
///     privileges = "one"               # bytes of them; or "three", "shortest"
///     le = "not-in-load"               # or "never-behind-data", "standard"
///     max_command_data = 240
///     listing = "legacy"               # or "tlv": the format of GET STATUS
///     paging = "get-response"          # or "cut-off", "standard"
///     unique_kdd = true                # failed authentications are counted by key diversification data
///     challenge = "report"             # or "require", "ignore"
///     s16 = true                       # challenges of 16 bytes
///     scp01_i = 0x15
///     scp02_i = 0x55
///
/// What is not there is as the standard says. A line that is wrong is named: `CW_BAD_VALUE`; `CW_NOT_FOUND` for a text without the
/// table.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_profile_parse(
    text: *const u8,
    length: usize,
    name: *const c_char,
    out: *mut *mut cw_profile,
) -> cw_status {
    /// Far more than the profiles of all cards in use.
    const MAX_TEXT: usize = 1 << 20;
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: the header asks for `length` readable bytes and a NUL-terminated string.
        let (text, name) = unsafe { (input::bytes(text, length, MAX_TEXT, "text")?, input::string(name, "name")?) };
        let text = std::str::from_utf8(text).map_err(|_| Failure::new(CW_BAD_UTF8, "text is not UTF-8"))?;
        let profiles =
            CardProfile::read_toml(text).map_err(|error| Failure::new(CW_BAD_VALUE, format!("text: {error}")))?;
        let profile = profiles.into_iter().find(|profile| profile.name == name);
        let profile =
            profile.ok_or_else(|| Failure::new(CW_NOT_FOUND, format!("text has no table [profile.{name}]")))?;
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { handle::hand_out(Profile(profile), out) }
    })
}

/// Gives a profile in words, its name and what is otherwise than the standard says, without a NUL: what traces show.
/// `CW_BUFFER_TOO_SMALL` with the needed `*text_len` when it does not fit.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_profile_text(
    profile: *const cw_profile,
    text: *mut u8,
    capacity: usize,
    text_len: *mut usize,
) -> cw_status {
    boundary(|| {
        let words = handle::view::<Profile, _>(profile as usize, |profile| Ok(profile.0.to_string()))?;
        // SAFETY: the header asks for `capacity` writable bytes and a writable length.
        unsafe { input::hand_over(words.as_bytes(), text, capacity, text_len) }
    })
}

/// Ends a profile; NULL is fine. What was made with it goes on.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_profile_free(profile: *mut cw_profile) -> cw_status {
    boundary(|| handle::remove::<Profile>(profile as usize))
}
