//! Load files, made of CAP files.

use std::sync::Arc;

use cardwright_gp::load_file::CapFile;
use cardwright_gp::{DescriptorPolicy, LoadFile};

use crate::boundary::boundary;
use crate::failure::Failure;
use crate::handle::{self, Object};
use crate::input::{self, cw_aid};
use crate::plain::{Out, plain};
use crate::status::{CW_OUT_OF_RANGE, cw_status};

/// The Descriptor component is left out, as the tools of the field do.
pub const CW_DESCRIPTOR_OMIT: u32 = 0;
/// The Descriptor component is sent, as the last one.
pub const CW_DESCRIPTOR_SEND: u32 = 1;

/// The longest input that is looked at, in bytes; a CAP file is far shorter.
const MAX_INPUT: usize = 16 << 20;

/// A CAP file, checked and ready to be loaded; never changes. Made by `cw_load_file_parse`, ended by `cw_load_file_free`.
/// Any number of threads may use it at the same time.
pub struct cw_load_file {
    _opaque: [u8; 0],
}

/// What a load file is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_load_file_info {
    /// Set it to `sizeof(cw_load_file_info)`.
    pub struct_size: u32,
    /// Number of applets; `cw_load_file_applet` gives their AIDs.
    pub applet_count: u32,
    /// Length of the whole Load File, in bytes: what the LOAD commands carry.
    pub length: usize,
    /// AID of the Executable Load File: that of the package.
    pub aid: cw_aid,
    /// Version of the package, major.
    pub major: u8,
    /// Version of the package, minor.
    pub minor: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

plain! { cw_load_file_info: size_of::<cw_load_file_info>(); }

/// What a `cw_load_file` stands for.
pub(crate) struct Loadable {
    /// Shared with the load under way, so that the handle is free meanwhile.
    pub(crate) file: Arc<LoadFile>,
    info: cw_load_file_info,
    pub(crate) applets: Vec<cw_aid>,
}

impl Object for Loadable {
    const NAME: &'static str = "cw_load_file";
}

/// Reads a CAP file (an archive, or an image of its components) and makes a load file of it. `bytes` is copied.
///
/// `descriptor` is `CW_DESCRIPTOR_OMIT` or `CW_DESCRIPTOR_SEND`. What is wrong with the file is told by `cw_last_error`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_load_file_parse(
    bytes: *const u8,
    length: usize,
    descriptor: u32,
    out: *mut *mut cw_load_file,
) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        let policy = match descriptor {
            CW_DESCRIPTOR_OMIT => DescriptorPolicy::Omit,
            CW_DESCRIPTOR_SEND => DescriptorPolicy::Send,
            other => return Err(Failure::value(format!("descriptor {other} is not known"))),
        };
        // SAFETY: the header asks for `length` readable bytes.
        let cap = CapFile::parse(unsafe { input::bytes(bytes, length, MAX_INPUT, "bytes")? })?;
        let file = cap.to_load_file(policy)?;
        let applets: Vec<cw_aid> = cap.applets().iter().map(|applet| Some(applet.aid).into()).collect();
        let version = cap.package_version();
        let info = cw_load_file_info {
            struct_size: 0,
            applet_count: applets.len() as u32,
            length: file.as_bytes().len(),
            aid: Some(file.aid()).into(),
            major: version.major,
            minor: version.minor,
            reserved: [0; 5],
        };
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { handle::hand_out(Loadable { file: Arc::new(file), info, applets }, out) }
    })
}

/// Tells what a load file is.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_load_file_describe(
    load_file: *const cw_load_file,
    out: *mut cw_load_file_info,
) -> cw_status {
    boundary(|| {
        // SAFETY: the header asks for a struct of `struct_size` writable bytes.
        let out = unsafe { Out::new(out)? };
        out.write(&handle::view::<Loadable, _>(load_file as usize, |load_file| Ok(load_file.info))?);
        Ok(())
    })
}

/// Gives the AID of one applet, counted from 0: what `cw_install.module` names. `CW_OUT_OF_RANGE` behind the last one.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_load_file_applet(
    load_file: *const cw_load_file,
    index: usize,
    out: *mut cw_aid,
) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        let aid = handle::view::<Loadable, _>(load_file as usize, |load_file| {
            let count = load_file.applets.len();
            let message = || Failure::new(CW_OUT_OF_RANGE, format!("applet {index} of {count}, counted from 0"));
            load_file.applets.get(index).copied().ok_or_else(message)
        })?;
        // SAFETY: not NULL and aligned; the header asks for a writable struct.
        unsafe { out.write(aid) };
        Ok(())
    })
}

/// Frees a load file; NULL is fine. A load under way goes on.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_load_file_free(load_file: *mut cw_load_file) -> cw_status {
    boundary(|| handle::remove::<Loadable>(load_file as usize))
}
