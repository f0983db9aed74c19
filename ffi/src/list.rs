//! What is on the card.

use std::ffi::c_void;
use std::mem::size_of;

use cardwright_gp::{RegistryEntry, procedure};

use crate::boundary::boundary;
use crate::drive::at_once;
use crate::failure::Failure;
use crate::handle;
use crate::input::{self, cw_aid};
use crate::session::{Session, cw_session};
use crate::status::{CW_CANCELLED, cw_status};

/// Part of the registry: the issuer security domain.
pub const CW_SCOPE_ISD: u32 = 0x80;
/// Part of the registry: applications and supplementary security domains.
pub const CW_SCOPE_APPLICATIONS: u32 = 0x40;
/// Part of the registry: executable load files, of a card that does not tell their modules.
pub const CW_SCOPE_LOAD_FILES: u32 = 0x20;
/// Part of the registry: executable load files with their modules.
pub const CW_SCOPE_LOAD_FILES_AND_MODULES: u32 = 0x10;

/// One entry of the registry (GPCS 2.3.1 11.4.3).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_registry_entry {
    /// `sizeof(cw_registry_entry)` of the library; use no field beyond it.
    pub struct_size: u32,
    /// Which part it was found in: one of `CW_SCOPE_ISD` to `CW_SCOPE_LOAD_FILES_AND_MODULES`.
    pub scope: u32,
    /// Life cycle state, 00 to FF; -1 where the card gives none.
    pub life_cycle: i32,
    /// Version of a load file, major * 256 + minor; -1 where the card gives none.
    pub version: i32,
    /// AID.
    pub aid: cw_aid,
    /// Executable load file of an application; length 0 where the card does not say it.
    pub load_file: cw_aid,
    /// Security domain that it belongs to; length 0 where the card does not say it.
    pub security_domain: cw_aid,
    /// Privileges of an application.
    pub privileges: [u8; 3],
    /// Zero.
    pub reserved: [u8; 2],
    /// Modules of a load file.
    pub modules: *const cw_aid,
    /// Number of modules.
    pub module_count: usize,
}

/// Takes one entry. Called by the thread that called `cw_session_list`, after the whole registry was read; `entry` and
/// what it points to are good until the callback returns. 0 goes on, anything else ends the call with `CW_CANCELLED`. It
/// does not throw and does not jump out; a call with the same session ends with `CW_REENTRANT`.
pub type cw_registry_fn = Option<unsafe extern "system" fn(user: *mut c_void, entry: *const cw_registry_entry) -> i32>;

/// Reads the registry in the open channel, and hands out its entries in the card's order: issuer security domain,
/// applications, load files.
///
/// `untold` may be NULL; it becomes the sum of the `CW_SCOPE_` numbers of the parts that the card does not list. What
/// belongs there may be on the card all the same.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_list(
    session: *mut cw_session,
    entry: cw_registry_fn,
    user: *mut c_void,
    untold: *mut u32,
) -> cw_status {
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            let hand_out = entry.ok_or_else(|| Failure::null("entry"))?;
            if !untold.is_null() {
                input::out(untold, "untold")?;
            }
            let quirks = session.profile.listing_quirks();
            let (card, channel) = session.open_channel()?;
            let registry = at_once(procedure::read_registry_following(card, channel, quirks))?;
            for entry in &registry.entries {
                let modules: Vec<cw_aid> = entry.modules.iter().map(|aid| Some(*aid).into()).collect();
                let entry = in_c(entry, &modules);
                // SAFETY: a function of the type that the header asks for; the entry lives while it runs.
                if unsafe { hand_out(user, &raw const entry) } != 0 {
                    return Err(Failure::new(CW_CANCELLED, "the callback asked to stop"));
                }
            }
            if !untold.is_null() {
                let sum = registry.untold.iter().fold(0, |sum, scope| sum | *scope as u32);
                // SAFETY: not NULL and aligned; the header asks for a writable number.
                unsafe { untold.write(sum) };
            }
            Ok(())
        })
    })
}

fn in_c(entry: &RegistryEntry, modules: &[cw_aid]) -> cw_registry_entry {
    cw_registry_entry {
        struct_size: size_of::<cw_registry_entry>() as u32,
        scope: entry.scope as u32,
        life_cycle: entry.life_cycle.map_or(-1, |state| state.0.into()),
        version: entry.version.map_or(-1, |(major, minor)| i32::from(major) << 8 | i32::from(minor)),
        aid: Some(entry.aid).into(),
        load_file: entry.load_file.into(),
        security_domain: entry.security_domain.into(),
        privileges: entry.privileges.0,
        reserved: [0; 2],
        modules: modules.as_ptr(),
        module_count: modules.len(),
    }
}
