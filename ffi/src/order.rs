//! What a card is to become, as C says it.

use std::ffi::c_char;
use std::mem::offset_of;
use std::sync::Arc;

use cardwright_cos::{KeyHeader, KeyUpdate, Protection};
use cardwright_issuance::remote::{ApplicationKeys, ApplicationOrder, Order};
use cardwright_keys::KeyRef;

use crate::failure::Failure;
use crate::handle;
use crate::input::{self, cw_aid};
use crate::load_file::{Loadable, cw_load_file};
use crate::open::{self, cw_key_candidate};
use crate::plain::{self, plain};
use crate::profile::{self, cw_profile};
use crate::release::{self, cw_release};
use crate::status::CW_KEY_NOT_FOUND;

/// `cw_order.flags`: try again although the card had too many failed authentications. It may lock the card for ever.
pub const CW_ORDER_OVERRIDE_LOCKOUT: u32 = 0x01;
/// `cw_order.flags`: try steps again that wait for persons (`CW_QUARANTINED`) and that `cw_order.release` decides about.
pub const CW_ORDER_RELEASE_QUARANTINE: u32 = 0x02;
/// `cw_order.flags`: the initial keys of a card (version FF) may be replaced. They never come back; without it such a card is refused
/// before anything is changed.
pub const CW_ORDER_REPLACE_INITIAL_KEYS: u32 = 0x04;

/// `cw_application_order.flags`: the card's load file must have this version, major and minor.
pub const CW_APPLICATION_VERSION: u32 = 0x01;
/// `cw_application_order.flags`: the application does not tell its retry counter when EXTERNAL AUTHENTICATE comes without data.
pub const CW_APPLICATION_NO_TRIES: u32 = 0x02;

/// A key record of a PBOC application: what WRITE KEY, enciphered and with MAC, puts in front of the key.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_key_record {
    /// Set it to `sizeof(cw_key_record)`.
    pub struct_size: u32,
    /// Key identifier.
    pub kid: u8,
    /// Right to use it: a security state.
    pub use_right: u8,
    /// Right to change it.
    pub change_right: u8,
    /// Security state after it was used with success; only of master keys.
    pub next_state: u8,
    /// Retry counter: high nibble the most, low nibble what remains.
    pub error_counter: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// One application for the card. Its three keys are triple DES keys of 16 bytes, named as the key service names them; each is
/// diversified by the application's serial number (`CW_SCHEME_PBOC`) before it is used.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_application_order {
    /// Set it to `sizeof(cw_application_order)`.
    pub struct_size: u32,
    /// 0, or the sum of `CW_APPLICATION_` numbers.
    pub flags: u32,
    /// What to load, if the card lacks it.
    pub load_file: *const cw_load_file,
    /// Module in the load file; length 0 for its first applet.
    pub module: cw_aid,
    /// AID that the application gets; length 0 for that of the module.
    pub instance: cw_aid,
    /// Version of the load file, with `CW_APPLICATION_VERSION`: major, minor.
    pub version: [u8; 2],
    /// Zero.
    pub reserved: [u8; 4],
    /// Parameters of the application: the value of C9. May be NULL when the length is 0.
    pub parameters: *const u8,
    /// Length of `parameters`, in bytes.
    pub parameters_len: usize,
    /// Master key that the application is born with.
    pub initial_master_key: *const c_char,
    /// Card master key that it gets.
    pub master_key: *const c_char,
    /// Maintenance key that it gets.
    pub maintenance_key: *const c_char,
    /// Record of the master key; NULL for the usual one of PBOC applications (type F9, identifier 00, three tries).
    pub master_record: *const cw_key_record,
    /// Record of the maintenance key; NULL for the usual one (type F6, identifier 00, three tries).
    pub maintenance_record: *const cw_key_record,
}

/// What a card is to become.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_order {
    /// Set it to `sizeof(cw_order)`.
    pub struct_size: u32,
    /// 0, or the sum of `CW_ORDER_` numbers.
    pub flags: u32,
    /// Security level of the secure channels: one of `CW_SECURITY_AUTHENTICATED` to `CW_SECURITY_FULL`.
    pub security_level: u32,
    /// One of `CW_CHALLENGE_IGNORE` to `CW_CHALLENGE_REQUIRE`.
    pub challenge_policy: u32,
    /// AID of the issuer security domain; length 0 for the card's own choice.
    pub domain: cw_aid,
    /// Zero.
    pub reserved: [u8; 7],
    /// Key sets of the issuer security domain that the card may have now.
    pub current_keys: *const cw_key_candidate,
    /// Number of them, 1 to 64.
    pub current_key_count: usize,
    /// Key sets that it shall get: the first whose kind fits the card's protocol counts. `kvn` is 0 in all of them: the set
    /// replaces that of the card and gets its version, or 01 where that was the initial one (FF), with `CW_ORDER_REPLACE_INITIAL_KEYS`.
    pub new_keys: *const cw_key_candidate,
    /// Number of them, 1 to 64; 0 only for `cw_process_new_delete`.
    pub new_key_count: usize,
    /// The applications, each a job of its own.
    pub applications: *const cw_application_order,
    /// Number of them, up to 64.
    pub application_count: usize,
    /// What the cards do otherwise than the standard says; may be NULL. What it says of the challenge comes before `challenge_policy`.
    pub profile: *const cw_profile,
    /// What persons have decided about quarantined steps, with `CW_ORDER_RELEASE_QUARANTINE`; else NULL.
    pub release: *const cw_release,
}

plain! {
    cw_key_record: size_of::<cw_key_record>();
    cw_application_order: size_of::<cw_application_order>();
    cw_order: offset_of!(cw_order, profile);
}

const MAX_ELEMENTS: usize = 64;
/// A data field of INSTALL has 255 bytes.
const MAX_PARAMETERS: usize = 255;

/// Reads an order; with `issuing` it needs new keys.
///
/// # Safety
/// The pointers of the order are good for the numbers that go with them, and its strings end.
pub(crate) unsafe fn read(order: *const cw_order, issuing: bool) -> Result<Order, Failure> {
    // SAFETY: passed on.
    let order = unsafe { plain::read(order)? };
    const KNOWN: u32 = CW_ORDER_OVERRIDE_LOCKOUT | CW_ORDER_RELEASE_QUARANTINE | CW_ORDER_REPLACE_INITIAL_KEYS;
    if order.flags & !KNOWN != 0 {
        return Err(Failure::value(format!("flags {:X} of cw_order are not known", order.flags)));
    }
    let least = usize::from(issuing);
    // SAFETY: passed on.
    let (current_keys, new_keys, applications) = unsafe {
        (
            open::candidates(order.current_keys, order.current_key_count, 1, "current_keys")?,
            open::candidates(order.new_keys, order.new_key_count, least, "new_keys")?,
            plain::read_all(order.applications, order.application_count, 0..=MAX_ELEMENTS, "applications")?,
        )
    };
    // The card's set is replaced under its own version: a set that must have another one would never be found there.
    if new_keys.iter().any(|candidate| candidate.kvn.is_some()) {
        return Err(Failure::value(
            "new_keys: kvn must be 0, a process replaces the set of the card under its version",
        ));
    }
    let release = match (order.flags & CW_ORDER_RELEASE_QUARANTINE != 0, order.release.is_null()) {
        (false, true) => None,
        // SAFETY: passed on.
        (true, false) => Some(unsafe { release::read(order.release)? }),
        (true, true) => {
            let message = "CW_ORDER_RELEASE_QUARANTINE: two persons decide that, hand in cw_order.release";
            return Err(Failure::value(message));
        }
        (false, false) => return Err(Failure::value("release without CW_ORDER_RELEASE_QUARANTINE")),
    };
    // SAFETY: passed on.
    let applications = applications.iter().map(|one| unsafe { application(one) }).collect::<Result<Vec<_>, _>>()?;
    for (i, one) in applications.iter().enumerate() {
        if applications[..i].iter().any(|other| other.instance == one.instance) {
            return Err(Failure::value(format!("applications: {} is there twice", one.instance)));
        }
    }
    Ok(Order {
        card: None,
        domain: order.domain.get("domain")?,
        level: open::level(order.security_level)?,
        challenge: open::policy(order.challenge_policy)?,
        profile: profile::of(order.profile)?,
        current_keys,
        new_keys,
        applications,
        override_lockout: order.flags & CW_ORDER_OVERRIDE_LOCKOUT != 0,
        release,
        replace_initial_keys: order.flags & CW_ORDER_REPLACE_INITIAL_KEYS != 0,
    })
}

/// # Safety
/// As [`read`].
unsafe fn application(order: &cw_application_order) -> Result<ApplicationOrder, Failure> {
    if order.flags & !(CW_APPLICATION_VERSION | CW_APPLICATION_NO_TRIES) != 0 {
        return Err(Failure::value(format!("flags {:X} of cw_application_order are not known", order.flags)));
    }
    let (file, first) = handle::view::<Loadable, _>(order.load_file as usize, |load_file| {
        Ok((Arc::clone(&load_file.file), load_file.applets.first().copied()))
    })?;
    let first = first.map_or(Ok(None), |aid| aid.get("module"))?;
    let module = match (order.module.get("module")?, first) {
        (Some(module), _) | (None, Some(module)) => module,
        (None, None) => return Err(Failure::value("module: the load file has no applet, it is a library")),
    };
    // SAFETY: passed on.
    let keys = unsafe {
        ApplicationKeys {
            initial_master: key(order.initial_master_key, "initial_master_key")?,
            master: key(order.master_key, "master_key")?,
            maintenance: key(order.maintenance_key, "maintenance_key")?,
        }
    };
    let mut out = ApplicationOrder::new((*file).clone(), module, keys);
    if order.flags & CW_APPLICATION_VERSION != 0 {
        out = out.with_version(order.version[0], order.version[1]);
    }
    if let Some(instance) = order.instance.get("instance")? {
        out.instance = instance;
    }
    // SAFETY: passed on.
    out.parameters =
        unsafe { input::bytes(order.parameters, order.parameters_len, MAX_PARAMETERS, "parameters")?.to_vec() };
    if !order.master_record.is_null() {
        // SAFETY: passed on.
        out.master_update = update(&unsafe { plain::read(order.master_record)? }, true);
    }
    if !order.maintenance_record.is_null() {
        // SAFETY: passed on.
        out.maintenance_update = update(&unsafe { plain::read(order.maintenance_record)? }, false);
    }
    out.tells_tries = order.flags & CW_APPLICATION_NO_TRIES == 0;
    Ok(out)
}

fn update(record: &cw_key_record, is_master: bool) -> KeyUpdate {
    let cw_key_record { kid, use_right, change_right, next_state, error_counter, .. } = *record;
    let header = match is_master {
        true => KeyHeader::ExternalAuthentication { use_right, change_right, next_state, error_counter },
        false => KeyHeader::LineProtection { use_right, change_right, error_counter },
    };
    KeyUpdate { kid, header, protection: Protection::EncipheredMac }
}

/// # Safety
/// `name` is NULL or a NUL-terminated string.
unsafe fn key(name: *const c_char, what: &str) -> Result<KeyRef, Failure> {
    // SAFETY: passed on.
    let name = unsafe { input::string(name, what)? };
    if name.is_empty() {
        return Err(Failure::new(CW_KEY_NOT_FOUND, format!("{what} is empty")));
    }
    Ok(KeyRef::new(name))
}
