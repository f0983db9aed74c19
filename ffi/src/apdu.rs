//! Commands and responses, coded and read (ISO 7816-4 5.1).

use cardwright_apdu::{CommandApduRef, LengthForm, ResponseApduRef};

use crate::boundary::boundary;
use crate::input;
use crate::plain::{self, Out, plain};
use crate::status::cw_status;

/// Header, Lc, data, Le, in bytes.
const MAX_SHORT_COMMAND: usize = 4 + 1 + 255 + 1;
/// Header, extended Lc, data, extended Le, in bytes.
const MAX_COMMAND: usize = 4 + 3 + 65535 + 2;
/// Data and status word, in bytes.
const MAX_RESPONSE: usize = 65536 + 2;

/// A command APDU.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_command_apdu {
    /// Set it to `sizeof(cw_command_apdu)`.
    pub struct_size: u32,
    /// CLA.
    pub cla: u8,
    /// INS.
    pub ins: u8,
    /// P1.
    pub p1: u8,
    /// P2.
    pub p2: u8,
    /// The command data field; may be NULL when `nc` is 0.
    pub data: *const u8,
    /// Nc, the number of data bytes, 0 to 65535.
    pub nc: usize,
    /// Ne, the greatest number of response data bytes, 0 to 65536; 0 for none, 256 for a short Le of 00.
    pub ne: u32,
    /// 1: extended length fields even where short ones would do; else 0.
    pub extended: u32,
}

/// A response APDU.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_response_apdu {
    /// Set it to `sizeof(cw_response_apdu)`.
    pub struct_size: u32,
    /// SW1-SW2.
    pub sw: u16,
    /// Zero.
    pub reserved: u16,
    /// The response data field; may be NULL when `nr` is 0.
    pub data: *const u8,
    /// Nr, the number of data bytes, 0 to 65536.
    pub nr: usize,
}

plain! {
    cw_command_apdu: size_of::<cw_command_apdu>();
    cw_response_apdu: size_of::<cw_response_apdu>();
}

/// Codes a command. Short length fields where they do, extended ones otherwise or when asked for.
///
/// `*out_len` becomes the length of the coded command; when that is more than `capacity`, the call ends with
/// `CW_BUFFER_TOO_SMALL` and `out` is not written.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_command_apdu_encode(
    command: *const cw_command_apdu,
    out: *mut u8,
    capacity: usize,
    out_len: *mut usize,
) -> cw_status {
    boundary(|| {
        // SAFETY: the header asks for a struct of `struct_size` readable bytes.
        let command = unsafe { plain::read(command)? };
        // SAFETY: the header asks for `nc` readable bytes at `data`.
        let command = unsafe { command.get()? };
        // `out` may overlap `data`, so that the command is coded elsewhere. One that carries a key is wiped here; the caller's
        // copies are the caller's.
        if command.encoded_len() <= MAX_SHORT_COMMAND {
            let mut bytes = zeroize::Zeroizing::new([0; MAX_SHORT_COMMAND]);
            let length = command.encode(&mut *bytes)?;
            // SAFETY: the header asks for `capacity` writable bytes and a writable length.
            return unsafe { input::hand_over(&bytes[..length], out, capacity, out_len) };
        }
        let bytes = zeroize::Zeroizing::new(command.to_bytes()?);
        // SAFETY: as above.
        unsafe { input::hand_over(&bytes, out, capacity, out_len) }
    })
}

/// Reads a command, short or extended. `out->data` points into `bytes`, and is good for as long as these are.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_command_apdu_parse(
    bytes: *const u8,
    length: usize,
    out: *mut cw_command_apdu,
) -> cw_status {
    boundary(|| {
        // SAFETY: the header asks for `length` readable bytes.
        let bytes = unsafe { input::bytes(bytes, length, MAX_COMMAND, "bytes")? };
        // SAFETY: the header asks for a struct of `struct_size` writable bytes.
        let out = unsafe { Out::new(out)? };
        let command = CommandApduRef::parse(bytes)?;
        out.write(&cw_command_apdu {
            struct_size: 0,
            cla: command.cla.0,
            ins: command.ins.0,
            p1: command.p1,
            p2: command.p2,
            data: command.data.as_ptr(),
            nc: command.data.len(),
            ne: command.ne.get(),
            extended: (command.form == LengthForm::Extended).into(),
        });
        Ok(())
    })
}

/// Codes a response: data, then SW1-SW2. Lengths as for `cw_command_apdu_encode`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_response_apdu_encode(
    response: *const cw_response_apdu,
    out: *mut u8,
    capacity: usize,
    out_len: *mut usize,
) -> cw_status {
    boundary(|| {
        // SAFETY: the header asks for a struct of `struct_size` readable bytes.
        let response = unsafe { plain::read(response)? };
        // SAFETY: the header asks for `nr` readable bytes at `data`.
        let data = unsafe { input::bytes(response.data, response.nr, 65536, "data")? };
        let bytes = zeroize::Zeroizing::new([data, &response.sw.to_be_bytes()].concat());
        // SAFETY: the header asks for `capacity` writable bytes and a writable length.
        unsafe { input::hand_over(&bytes, out, capacity, out_len) }
    })
}

/// Reads a response. `out->data` points into `bytes`, and is good for as long as these are.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_response_apdu_parse(
    bytes: *const u8,
    length: usize,
    out: *mut cw_response_apdu,
) -> cw_status {
    boundary(|| {
        // SAFETY: the header asks for `length` readable bytes.
        let bytes = unsafe { input::bytes(bytes, length, MAX_RESPONSE, "bytes")? };
        // SAFETY: the header asks for a struct of `struct_size` writable bytes.
        let out = unsafe { Out::new(out)? };
        let response = ResponseApduRef::parse(bytes)?;
        out.write(&cw_response_apdu {
            struct_size: 0,
            sw: response.sw.0,
            reserved: 0,
            data: response.data.as_ptr(),
            nr: response.data.len(),
        });
        Ok(())
    })
}
