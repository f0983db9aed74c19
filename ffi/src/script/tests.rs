//! Scripts from C: wrong orders, a card issued, torn and finished; and what the tests of other cards run a process with.

use std::ffi::{CStr, CString, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};

use cardwright_apdu::{Transport, TransportError};
use cardwright_sim::{CpuCard, Fault, Faults, SimReader};

use super::*;
use crate::event::cw_report;
use crate::journal::{cw_journal_free, cw_journal_open};
use crate::keys::{cw_keys_add_text, cw_keys_free, cw_keys_new};
use crate::plain::Plain;
use crate::process::{cw_ports, cw_process_free, cw_process_report, cw_process_run};
use crate::session::{cw_session_free, cw_session_new};
use crate::transport::{cw_answer, cw_transport};

/// A struct with only its size.
pub(crate) fn zero<T: Plain>() -> T {
    // SAFETY: a `Plain` may be all zero, and begins with its size.
    unsafe {
        let mut value = std::mem::zeroed::<T>();
        (&raw mut value).cast::<u32>().write(size_of::<T>() as u32);
        value
    }
}

fn give(out: *mut cw_answer, result: Result<Vec<u8>, TransportError>) -> cw_status {
    let Ok(bytes) = result else { return CW_CARD_REMOVED };
    // SAFETY: the library's answer, whose room is larger than any response.
    unsafe {
        (*out).bytes.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        (*out).length = bytes.len();
    }
    CW_OK
}

unsafe extern "system" fn transmit(
    user: *mut c_void,
    command: *const u8,
    length: usize,
    out: *mut cw_answer,
) -> cw_status {
    let mut response = Vec::new();
    // SAFETY: `user` is the reader of this test, and the command is as long as the library says.
    let result = unsafe {
        let reader = &mut *user.cast::<&mut dyn Transport>();
        reader.transmit(std::slice::from_raw_parts(command, length), &mut response)
    };
    give(out, result.map(|()| response))
}

unsafe extern "system" fn reset(user: *mut c_void, out: *mut cw_answer) -> cw_status {
    // SAFETY: as above.
    give(out, unsafe { (*user.cast::<&mut dyn Transport>()).reset() })
}

/// Runs a process to its end over a card and a journal, as a C program does: its status, and with `CW_OK` what the report says: the card,
/// and whether anything was done.
pub(crate) fn run(
    process: *mut cw_process,
    mut reader: &mut dyn Transport,
    journal: &Path,
    key_file: &str,
) -> (cw_status, Option<(String, bool)>) {
    let mut transport: cw_transport = zero();
    transport.transmit = Some(transmit);
    transport.reset = Some(reset);
    transport.user = (&raw mut reader).cast();
    let path = CString::new(journal.to_str().unwrap()).unwrap();
    let mut ports: cw_ports = zero();
    // SAFETY: handles and locals of this test, which outlive the calls.
    unsafe {
        assert_eq!(cw_session_new(&raw const transport, &raw mut ports.session), CW_OK);
        assert_eq!(cw_keys_new(&raw mut ports.keys), CW_OK);
        assert_eq!(cw_keys_add_text(ports.keys, key_file.as_ptr(), key_file.len()), CW_OK);
        assert_eq!(cw_journal_open(path.as_ptr(), &raw mut ports.journal), CW_OK);
        let status = cw_process_run(process, &raw const ports);
        let mut report: cw_report = zero();
        let told = (cw_process_report(process, &raw mut report) == CW_OK).then(|| {
            let card = CStr::from_ptr(report.card.as_ptr()).to_str().unwrap().to_owned();
            (card, report.changed == 1)
        });
        assert_eq!(told.is_some(), status == CW_OK);
        assert_eq!(cw_process_free(process), CW_OK);
        assert_eq!(cw_session_free(ports.session), CW_OK);
        assert_eq!(cw_keys_free(ports.keys), CW_OK);
        assert_eq!(cw_journal_free(ports.journal), CW_OK);
        (status, told)
    }
}

fn keys() -> String {
    let mut text = String::new();
    for (name, byte) in [("card-master", 0xFF), ("tac", 0x34), ("maintenance", 0x36), ("application-master", 0x39)] {
        let key = cardwright_keys::KeyValue::new(&[byte; 16]).unwrap();
        let kcv = cardwright_keys::KeyCheckValue::of(cardwright_keys::KeyKind::Tdes, &key).unwrap();
        text += &format!("{name} DES {} {kcv}\n", format!("{byte:02X}").repeat(16));
    }
    text
}

fn sample() -> cw_script {
    let mut script: cw_script = zero();
    (script.profile, script.card) = (c"fmcos-2.0".as_ptr(), c"tray-7".as_ptr());
    script
}

fn process(script: &cw_script) -> *mut cw_process {
    let mut process = null_mut();
    // SAFETY: a struct of this test, with pointers that are good.
    assert_eq!(unsafe { cw_process_new_script(script, &raw mut process) }, CW_OK);
    process
}

#[test]
fn each_wrong_order_has_its_status() {
    let refused = |change: fn(&mut cw_script), wanted: cw_status, what: &str| {
        let (mut script, mut process) = (sample(), null_mut());
        change(&mut script);
        // SAFETY: a struct of this test, with pointers that are good.
        assert_eq!(unsafe { cw_process_new_script(&raw const script, &raw mut process) }, wanted, "{what}");
        assert!(process.is_null(), "{what}");
    };
    refused(|script| script.struct_size -= 1, CW_STRUCT_SIZE, "an older struct than there is");
    refused(|script| script.flags = 2, CW_BAD_VALUE, "flags");
    refused(|script| script.profile = null(), CW_NULL, "no profile");
    refused(|script| script.profile = c"none".as_ptr(), CW_NOT_FOUND, "a profile that there is not");
    refused(|script| script.text_len = 5, CW_NULL, "no text");
    refused(|script| (script.text, script.text_len) = (b"\xFF".as_ptr(), 1), CW_BAD_UTF8, "no UTF-8");
    refused(|script| (script.text, script.text_len) = (b"x".as_ptr(), 1), CW_BAD_VALUE, "no TOML");
    refused(|script| script.text_len = usize::MAX, CW_NULL, "far too long, and not there");
    refused(|script| script.value_count = 1, CW_NULL, "no values");
    refused(|script| script.value_count = usize::MAX, CW_BAD_VALUE, "too many values");
    refused(
        |script| (script.flags, script.text, script.text_len) = (CW_SCRIPT_LINES, b"00A4".as_ptr(), 4),
        CW_NULL,
        "commands without a name",
    );
    refused(|script| (script.profiles, script.profiles_len) = (b"x".as_ptr(), 1), CW_BAD_VALUE, "no profiles");
    // SAFETY: the one pointer is refused.
    assert_eq!(unsafe { cw_process_new_script(&sample(), null_mut()) }, CW_NULL);
}

#[test]
fn a_card_is_issued_torn_and_finished() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let faults = Faults::none().at(20, Fault::CutAfter);
    let mut reader = SimReader::new(CpuCard::builder().seed(7).build()).with_faults(faults);
    let public = [7_u8; 30];
    let mut value: cw_script_value = zero();
    (value.name, value.bytes, value.length) = (c"public".as_ptr(), public.as_ptr(), public.len());
    let mut script = sample();
    (script.values, script.value_count) = (&raw const value, 1);
    assert_eq!(run(process(&script), &mut reader, &journal, &keys()).0, CW_INTERRUPTED);
    reader.reinsert();
    let (status, told) = run(process(&script), &mut reader, &journal, &keys());
    assert_eq!((status, told), (CW_OK, Some(("given-tray-7".into(), true))));
    assert_eq!(reader.card().binary(&[0x3F00, 0x3F01, 0x15]), Some(&public[..]));
    let (status, told) = run(process(&script), &mut reader, &journal, &keys());
    assert_eq!((status, told.map(|(_, changed)| changed)), (CW_OK, Some(false)));
    // Another text for the same job, and another card that is not blank.
    assert_eq!(run(process(&sample()), &mut reader, &journal, &keys()).0, CW_CONTRADICTION);
    let mut other = sample();
    other.card = c"tray-8".as_ptr();
    assert_eq!(run(process(&other), &mut reader, &journal, &keys()).0, CW_QUARANTINED);
}

#[test]
fn commands_of_an_operator_are_run_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let text = "80E03F000D38FFFFF0F001FFFFFFFFFFFFFF | 9000\n80E0000507280004F0F0FFFF\n00D685000401020304\n";
    let mut script = sample();
    (script.flags, script.name) = (CW_SCRIPT_LINES, c"operator".as_ptr());
    (script.text, script.text_len) = (text.as_ptr(), text.len());
    let mut reader = SimReader::new(CpuCard::builder().build());
    assert_eq!(run(process(&script), &mut reader, &folder.path().join("journal"), &keys()).0, CW_OK);
    assert_eq!(reader.card().binary(&[0x3F00, 5]), Some(&[1, 2, 3, 4][..]));
}
