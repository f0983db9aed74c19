//! A step in quarantine, from C: what waits is told, one signature or a bare flag releases nothing, two do, once.

use std::ffi::CStr;
use std::ptr::{null, null_mut};

use ed25519_dalek::{Signer, SigningKey};

use crate::misuse_test::{Program, load_file, new_issue, new_issue_with, zero};
use crate::order::CW_ORDER_RELEASE_QUARANTINE;
use crate::process::*;
use crate::release::*;
use crate::status::*;

/// The secret keys stand for two persons of three; their numbers are those of no other test.
fn persons() -> [SigningKey; 3] {
    [1, 2, 3].map(|number| SigningKey::from_bytes(&[number; 32]))
}

fn approvers() -> Vec<u8> {
    persons().iter().flat_map(|person| person.verifying_key().to_bytes()).collect()
}

/// Runs a process whose card is torn out at LOAD; gives what it ends with.
fn torn_at_load(program: &mut Program, process: *mut cw_process) -> cw_status {
    loop {
        let mut question: cw_question = zero();
        // SAFETY: live handles and structs, and pointers of the open question.
        unsafe {
            match cw_process_next(process, &raw mut question) {
                CW_OK if question.kind == CW_ASK_NOTHING => continue,
                CW_OK => {}
                status => return status,
            }
            let taken = match question.kind == CW_ASK_TRANSMIT && *question.bytes.add(1) == 0xE8 {
                true => cw_process_answer_failure(process, CW_CARD_REMOVED, 0, null()),
                false => program.answer(process, &question),
            };
            assert_eq!(taken, CW_OK);
        }
    }
}

fn held_of(process: *mut cw_process) -> (cw_status, cw_held) {
    let mut held: cw_held = zero();
    // SAFETY: a live handle and struct.
    (unsafe { cw_process_held(process, &raw mut held) }, held)
}

fn approval(held: &cw_held, signatures: &[cw_signature]) -> cw_approval {
    let mut out: cw_approval = zero();
    (out.id, out.what, out.until_ms, out.purpose) = ([7; 16], held.what, u64::MAX, c"load it again".as_ptr());
    (out.signatures, out.signature_count) = (signatures.as_ptr(), signatures.len());
    out
}

fn release(approvers: &[u8], approval: &cw_approval) -> cw_release {
    let mut out: cw_release = zero();
    (out.required, out.approvers, out.approver_count) = (2, approvers.as_ptr(), approvers.len() / 32);
    (out.approvals, out.approval_count) = (approval, 1);
    out
}

/// What the persons sign, and their signatures.
fn signatures(held: &cw_held, approvers: &[u8], of: &[usize]) -> Vec<cw_signature> {
    let approval = approval(held, &[]);
    let unsigned = release(approvers, &approval);
    let (mut bytes, mut length) = (vec![0; 4096], 0);
    // SAFETY: structs and buffers of this test.
    unsafe {
        assert_eq!(cw_release_signed_bytes(&unsigned, 1, bytes.as_mut_ptr(), 4096, &raw mut length), CW_BAD_VALUE);
        assert_eq!(cw_release_signed_bytes(&unsigned, 0, null_mut(), 0, &raw mut length), CW_BUFFER_TOO_SMALL);
        assert_eq!(cw_release_signed_bytes(&unsigned, 0, bytes.as_mut_ptr(), 4096, &raw mut length), CW_OK);
    }
    let sign = |person: &usize| {
        let key = &persons()[*person];
        let mut out: cw_signature = zero();
        (out.approver, out.signature) = (key.verifying_key().to_bytes(), key.sign(&bytes[..length]).to_bytes());
        out
    };
    of.iter().map(sign).collect()
}

#[test]
fn two_persons_release_a_step_and_nobody_else_does() {
    let (file, mut program) = (load_file(), Program::new(7, 0));
    let free = |process| {
        // SAFETY: a handle of this test.
        assert_eq!(unsafe { cw_process_free(process) }, CW_OK);
    };
    for run in 0..12 {
        let process = new_issue(file);
        assert_eq!(held_of(process).0, CW_OUT_OF_TURN, "not begun");
        assert_eq!(torn_at_load(&mut program, process), CW_INTERRUPTED, "{run}");
        assert_eq!(held_of(process).0, CW_OUT_OF_TURN, "interrupted");
        free(process);
    }
    let mut last = None;
    for _ in 0..2 {
        let process = new_issue(file);
        assert_eq!(torn_at_load(&mut program, process), CW_QUARANTINED);
        let (status, held) = held_of(process);
        assert_eq!((status, held.number, held.attempts), (CW_OK, 1, 12));
        let text = |text: &[std::ffi::c_char]| {
            // SAFETY: each text ends with a NUL.
            unsafe { CStr::from_ptr(text.as_ptr()) }.to_str().unwrap().to_owned()
        };
        assert_eq!((&text(&held.step)[..], &text(&held.reason)[..]), ("load", "tried 12 times"));
        assert!(text(&held.job).starts_with("card/cplc-") && text(&held.job).contains("/application/"));
        free(process);
        last = Some(held);
    }
    let (held, approvers) = (last.unwrap(), approvers());
    let order = |flags, release: *const cw_release| new_issue_with(file, flags, release);
    assert_eq!(order(CW_ORDER_RELEASE_QUARANTINE, null()), (CW_BAD_VALUE, null_mut()), "a bare flag");

    let one = signatures(&held, &approvers, &[1]);
    let mut forged = signatures(&held, &approvers, &[0, 1]);
    forged[1].signature[5] ^= 1;
    let other = cw_held { what: [9; 32], ..held };
    let moved = signatures(&other, &approvers, &[0, 1]);
    let two = signatures(&held, &approvers, &[0, 2]);
    let before = program.records.len();
    for (signatures, why) in [(&one, "one person"), (&forged, "a forged signature"), (&moved, "for something else")] {
        let approval = approval(&held, signatures);
        let release = release(&approvers, &approval);
        assert_eq!(order(0, &raw const release), (CW_BAD_VALUE, null_mut()), "without the flag");
        let (status, process) = order(CW_ORDER_RELEASE_QUARANTINE, &raw const release);
        assert_eq!((status, program.drive(process)), (CW_OK, CW_QUARANTINED), "{why}");
        assert_eq!(held_of(process).0, CW_OK, "{why}");
        assert_eq!(program.records.len(), before, "{why}: nothing is written");
        free(process);
    }
    let approval = approval(&held, &two);
    let release = release(&approvers, &approval);
    let (status, process) = order(CW_ORDER_RELEASE_QUARANTINE, &raw const release);
    assert_eq!((status, program.drive(process)), (CW_OK, CW_OK));
    free(process);
    assert!(program.records.iter().any(|(_, entity, _)| *entity == format!("approval/{}", "07".repeat(16))));
    // SAFETY: a handle of this test.
    assert_eq!(unsafe { crate::load_file::cw_load_file_free(file) }, CW_OK);
}
