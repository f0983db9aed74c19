//! Numbers from C: wrong orders, and a SIM written, torn and finished.

use std::ptr::{null, null_mut};

use cardwright_sim::{Fault, Faults, SimReader, Usim, UsimStyle};

use super::*;
use crate::script::tests::{run, zero};

/// Test set 1 of 3GPP TS 35.208.
const KEYS: &str = "k K 465B5CE8B199B49FAA5F0A2EE238A6BC E4F3EA\nop OP CDC202D5123E20F62B6D676AC72CB318 6FAE8C";

fn number() -> cw_number {
    let mut number: cw_number = zero();
    (number.profile, number.imsi, number.adm) =
        (c"sysmousim-sjs1".as_ptr(), c"262011106487504".as_ptr(), b"88888888".as_ptr());
    (number.iccid, number.number) = (c"8988211000001090318".as_ptr(), c"+4917279119183".as_ptr());
    (number.k, number.op, number.home) = (c"k".as_ptr(), c"op".as_ptr(), c"262-01".as_ptr());
    number
}

fn process(number: &cw_number) -> *mut cw_process {
    let mut process = null_mut();
    // SAFETY: a struct of this test, with pointers that are good.
    assert_eq!(unsafe { cw_process_new_number(number, &raw mut process) }, CW_OK);
    process
}

#[test]
fn each_wrong_order_has_its_status() {
    let refused = |change: fn(&mut cw_number), wanted: cw_status, what: &str| {
        let (mut number, mut process) = (number(), null_mut());
        change(&mut number);
        // SAFETY: a struct of this test, with pointers that are good.
        assert_eq!(unsafe { cw_process_new_number(&raw const number, &raw mut process) }, wanted, "{what}");
        assert!(process.is_null(), "{what}");
    };
    refused(|number| number.struct_size -= 1, CW_STRUCT_SIZE, "an older struct than there is");
    refused(|number| number.flags = 1, CW_BAD_VALUE, "flags");
    refused(|number| number.profile = null(), CW_NULL, "no profile");
    refused(|number| number.profile = c"none".as_ptr(), CW_NOT_FOUND, "a profile that there is not");
    refused(|number| number.imsi = null(), CW_NULL, "no IMSI");
    refused(|number| number.imsi = c"26201".as_ptr(), CW_BAD_VALUE, "an IMSI that is none");
    refused(|number| number.iccid = c"8988211000001090317".as_ptr(), CW_BAD_VALUE, "a wrong check digit");
    refused(|number| number.number = c"+49 1".as_ptr(), CW_BAD_VALUE, "a number that is none");
    refused(|number| number.home = c"26201".as_ptr(), CW_BAD_VALUE, "a network that is none");
    refused(|number| number.puk = c"1234".as_ptr(), CW_BAD_VALUE, "a PUK that is none");
    refused(|number| number.opc = c"opc".as_ptr(), CW_BAD_VALUE, "OP and OPc");
    refused(|number| number.op = null(), CW_BAD_VALUE, "K alone");
    refused(|number| number.iccid = c"\xFF".as_ptr(), CW_BAD_UTF8, "no UTF-8");
    refused(|number| number.profiles_len = 1, CW_NULL, "no profiles");
    // SAFETY: the one pointer is refused.
    assert_eq!(unsafe { cw_process_new_number(&number(), null_mut()) }, CW_NULL);
}

#[test]
fn a_sim_is_written_torn_and_finished() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let card = || Usim::builder().style(UsimStyle::Sjs1).build();
    let mut reader = SimReader::new(card()).with_faults(Faults::none().at(15, Fault::CutAfter));
    assert_eq!(run(process(&number()), &mut reader, &journal, KEYS).0, CW_INTERRUPTED);
    reader.reinsert();
    let (status, told) = run(process(&number()), &mut reader, &journal, KEYS);
    assert_eq!((status, told.map(|(_, changed)| changed)), (CW_OK, Some(true)));
    let imsi = [0x08, 0x29, 0x26, 0x10, 0x11, 0x60, 0x84, 0x57, 0x40];
    assert_eq!(reader.card().transparent(0x7FFF, 0x6F07), Some(&imsi[..]));
    assert_eq!(reader.card().ki_and_opc().0, 0x465B_5CE8_B199_B49F_AA5F_0A2E_E238_A6BC_u128.to_be_bytes());
    let (status, told) = run(process(&number()), &mut reader, &journal, KEYS);
    assert_eq!((status, told.map(|(_, changed)| changed)), (CW_OK, Some(false)));
    // The subscriber's second card, a PUK that nobody knows how to write, a wrong ADM key.
    assert_eq!(run(process(&number()), &mut SimReader::new(card()), &journal, KEYS).0, CW_OTHER_CARD);
    let mut puk = number();
    puk.puk = c"12345678".as_ptr();
    let (mut other, fresh) = (SimReader::new(card()), folder.path().join("other"));
    assert_eq!(run(process(&puk), &mut other, &fresh, KEYS).0, CW_UNSUPPORTED);
    assert_eq!(other.commands(), 0);
    let mut wrong = number();
    wrong.adm = b"00000000".as_ptr();
    assert_eq!(run(process(&wrong), &mut other, &fresh, KEYS).0, CW_QUARANTINED);
    assert_eq!(other.card().tries_left(0x0A), Some(2));
}
