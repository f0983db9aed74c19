//! Loading and installing.

use std::ffi::c_void;
use std::mem::offset_of;
use std::ops::ControlFlow;
use std::sync::Arc;

use cardwright_gp::command::InstallForInstall;
use cardwright_gp::{Privileges, procedure};

use crate::boundary::boundary;
use crate::content;
use crate::drive::at_once;
use crate::failure::Failure;
use crate::handle;
use crate::input::{self, cw_aid};
use crate::load_file::{Loadable, cw_load_file};
use crate::plain::{self, plain};
use crate::session::{Session, cw_session};
use crate::status::{CW_CANCELLED, cw_status};

/// Hears how many LOAD blocks of how many are done: first 0, then after each block. 0 goes on; anything else breaks the
/// load off before the next block, and the call ends with `CW_CANCELLED`. Called by the thread that called
/// `cw_session_load`; it does not throw and does not jump out; a call with the same session ends with `CW_REENTRANT`.
pub type cw_progress_fn = Option<unsafe extern "system" fn(user: *mut c_void, done: usize, total: usize) -> i32>;

/// What INSTALL [for install and make selectable] says (GPCS 2.3.1 11.5.2.3.2).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_install {
    /// Set it to `sizeof(cw_install)`.
    pub struct_size: u32,
    /// AID of the executable load file.
    pub load_file: cw_aid,
    /// AID of the module in it.
    pub module: cw_aid,
    /// AID that the application gets.
    pub application: cw_aid,
    /// Privileges of the application.
    pub privileges: [u8; 3],
    /// Zero.
    pub reserved: [u8; 2],
    /// What the application itself gets: the value of C9, which is always sent. May be NULL when the length is 0.
    pub parameters: *const u8,
    /// Length of `parameters`, in bytes.
    pub parameters_len: usize,
    /// Further parameters in TLV (EF, CA, EA). May be NULL when the length is 0.
    pub system_parameters: *const u8,
    /// Length of `system_parameters`, in bytes.
    pub system_parameters_len: usize,
    /// Install Token. May be NULL when the length is 0.
    pub token: *const u8,
    /// Length of `token`, in bytes.
    pub token_len: usize,
    /// 0, or `CW_IRREVERSIBLE`, which the privilege Mandated DAP Verification needs: the card then loads nothing without a signature.
    pub flags: u32,
}

plain! { cw_install: offset_of!(cw_install, flags); }

/// Loads a load file in the open channel: INSTALL [for load], then LOAD in the longest blocks that fit.
///
/// `domain` may be NULL, which leaves the load file to the security domain of the channel. `progress` may be NULL. A load
/// that was broken off is void and begins again; after `CW_CANCELLED` the channel is still open.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_load(
    session: *mut cw_session,
    load_file: *const cw_load_file,
    domain: *const cw_aid,
    progress: cw_progress_fn,
    user: *mut c_void,
) -> cw_status {
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            let file = handle::view::<Loadable, _>(load_file as usize, |load_file| Ok(Arc::clone(&load_file.file)))?;
            // SAFETY: the header asks for NULL or a readable struct.
            let domain = unsafe { input::aid(domain, "domain")? };
            let limit = session.max_command_data;
            let tell = |done, total| match progress {
                // SAFETY: a function of the type that the header asks for.
                Some(progress) if unsafe { progress(user, done, total) } != 0 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            };
            let (card, channel) = session.open_channel()?;
            match at_once(procedure::load_while(card, channel, domain, &file, limit, tell))? {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => {
                    Err(Failure::new(CW_CANCELLED, "the progress callback broke the load off").of("LOAD"))
                }
            }
        })
    })
}

/// INSTALL [for install and make selectable] in the open channel.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_install(session: *mut cw_session, install: *const cw_install) -> cw_status {
    /// A data field of INSTALL has 255 bytes; what does not fit is refused with the field's name.
    const MAX_FIELD: usize = 255;
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            // SAFETY: the header asks for a struct of `struct_size` readable bytes.
            let install = unsafe { plain::read(install)? };
            let (load_file, module) = (install.load_file.require("load_file")?, install.module.require("module")?);
            let application = install.application.require("application")?;
            // SAFETY: the header asks for as many readable bytes as each length says.
            let (parameters, system_parameters, token) = unsafe {
                (
                    input::bytes(install.parameters, install.parameters_len, MAX_FIELD, "parameters")?,
                    input::bytes(
                        install.system_parameters,
                        install.system_parameters_len,
                        MAX_FIELD,
                        "system_parameters",
                    )?,
                    input::bytes(install.token, install.token_len, MAX_FIELD, "token")?,
                )
            };
            let command = InstallForInstall {
                privileges: Privileges(install.privileges),
                privilege_width: session.profile.privileges,
                application_parameters: parameters,
                system_parameters,
                token,
                irreversible: content::irreversible(install.flags, 0)?,
                ..InstallForInstall::new(load_file, module, application)
            };
            let (card, channel) = session.open_channel()?;
            at_once(procedure::install(card, channel, &command))
        })
    })
}
