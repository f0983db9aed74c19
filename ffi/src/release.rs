//! Steps in quarantine, and what persons have decided about them.

use std::ffi::c_char;
use std::time::{SystemTime, UNIX_EPOCH};

use cardwright_issuance::primitive::approval::{Approver, Proposal, Roster, Verdict};
use cardwright_issuance::quarantine::{Held, Release, SignedProposal};

use crate::boundary::boundary;
use crate::event::put_text;
use crate::failure::Failure;
use crate::input;
use crate::plain::{self, plain};
use crate::status::cw_status;

/// A step in quarantine, of a process that has ended with `CW_QUARANTINED`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_held {
    /// Set it to `sizeof(cw_held)`.
    pub struct_size: u32,
    /// Which quarantine of the job it is, from 1: a decision on one is none on the next.
    pub number: u32,
    /// Attempts that were begun.
    pub attempts: u32,
    /// Zero.
    pub reserved: u32,
    /// What persons sign to have it tried again: `cw_approval.what`.
    pub what: [u8; 32],
    /// Entity of the job, whose records in the journal are the evidence; ends with a NUL.
    pub job: [c_char; 204],
    /// The step; ends with a NUL.
    pub step: [c_char; 104],
    /// Why it waits; ends with a NUL.
    pub reason: [c_char; 304],
}

/// An approver's signature.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_signature {
    /// Set it to `sizeof(cw_signature)`.
    pub struct_size: u32,
    /// The approver: an Ed25519 public key (RFC 8032).
    pub approver: [u8; 32],
    /// Ed25519 signature over what `cw_release_signed_bytes` gives.
    pub signature: [u8; 64],
}

/// What persons have decided about one step.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_approval {
    /// Set it to `sizeof(cw_approval)`.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Until when it may be used, in milliseconds since 1970-01-01 UTC.
    pub until_ms: u64,
    /// Random; no two proposals have the same.
    pub id: [u8; 16],
    /// `cw_held.what` of the step.
    pub what: [u8; 32],
    /// What it is, in words for the approvers.
    pub purpose: *const c_char,
    /// The signatures under it. May be NULL when the count is 0.
    pub signatures: *const cw_signature,
    /// Number of them, up to 64.
    pub signature_count: usize,
}

/// Leave to try quarantined steps again: at least two different persons have signed for each. Release, signatures and that they
/// are used up are one transaction of the journal; a released step is not taken for done or not done, the card is asked.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_release {
    /// Set it to `sizeof(cw_release)`.
    pub struct_size: u32,
    /// How many persons have to approve, 2 or more.
    pub required: u32,
    /// Who may: Ed25519 public keys of 32 bytes each. They come from the program's own settings, never from where the signatures
    /// come from.
    pub approvers: *const u8,
    /// Number of keys, up to 64.
    pub approver_count: usize,
    /// What they decided. A step that none of these is about stays in quarantine.
    pub approvals: *const cw_approval,
    /// Number of them, up to 64.
    pub approval_count: usize,
}

plain! {
    cw_held: size_of::<cw_held>();
    cw_signature: size_of::<cw_signature>();
    cw_approval: size_of::<cw_approval>();
    cw_release: size_of::<cw_release>();
}

const MAX_ELEMENTS: usize = 64;
const KEY: usize = 32;

impl From<&Held> for cw_held {
    fn from(held: &Held) -> Self {
        let mut out = Self {
            struct_size: size_of::<Self>() as u32,
            number: held.number,
            attempts: held.attempts,
            reserved: 0,
            what: held.matter(),
            job: [0; 204],
            step: [0; 104],
            reason: [0; 304],
        };
        put_text(held.job.as_str(), &mut out.job);
        put_text(&held.step, &mut out.step);
        put_text(&held.reason, &mut out.reason);
        out
    }
}

/// Reads a release.
///
/// # Safety
/// The pointers are good for the numbers that go with them, and the strings end.
pub(crate) unsafe fn read(release: *const cw_release) -> Result<Release, Failure> {
    // SAFETY: passed on.
    let release = unsafe { plain::read(release)? };
    let required = u8::try_from(release.required).map_err(|_| Failure::value("required: 255 persons at most"))?;
    if release.approver_count > MAX_ELEMENTS {
        return Err(Failure::value(format!("approvers: {MAX_ELEMENTS} keys at most, not {}", release.approver_count)));
    }
    let longest = MAX_ELEMENTS * KEY;
    // SAFETY: passed on.
    let keys = unsafe { input::bytes(release.approvers, release.approver_count * KEY, longest, "approvers")? };
    let approvers = keys.as_chunks::<KEY>().0.iter().map(|key| Approver::new(*key)).collect();
    let roster = Roster { required, approvers };
    // SAFETY: passed on.
    let approvals =
        unsafe { plain::read_all(release.approvals, release.approval_count, 0..=MAX_ELEMENTS, "approvals")? };
    // SAFETY: passed on.
    let approvals = approvals.iter().map(|one| unsafe { approval(one, &roster) }).collect::<Result<_, _>>()?;
    let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Ok(Release { roster, at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX), approvals })
}

/// # Safety
/// As [`read`].
unsafe fn approval(approval: &cw_approval, roster: &Roster) -> Result<SignedProposal, Failure> {
    // SAFETY: passed on.
    let (purpose, signatures) = unsafe {
        (
            input::string(approval.purpose, "purpose")?,
            plain::read_all(approval.signatures, approval.signature_count, 0..=MAX_ELEMENTS, "signatures")?,
        )
    };
    let cw_approval { id, what, until_ms, .. } = *approval;
    let proposal = Proposal { id, what, purpose, roster: roster.clone(), until_ms };
    let signatures = signatures.iter().map(|one| (Approver::new(one.approver), one.signature)).collect();
    Ok(SignedProposal { proposal, signatures })
}

/// The bytes that approvers sign with Ed25519 to approve `release.approvals[index]`; signatures need not be there yet.
///
/// `*out_len` becomes their length; when that is more than `capacity`, the call ends with `CW_BUFFER_TOO_SMALL` and writes nothing
/// else.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_release_signed_bytes(
    release: *const cw_release,
    index: usize,
    out: *mut u8,
    capacity: usize,
    out_len: *mut usize,
) -> cw_status {
    boundary(|| {
        // SAFETY: the header asks for structs of `struct_size` bytes and pointers that are good for their numbers.
        let release = unsafe { read(release)? };
        let signed = release.approvals.get(index);
        let signed = signed.ok_or_else(|| Failure::value(format!("index: there is no approval {index}")))?;
        let bytes = signed.proposal.signed_bytes(Verdict::Approve);
        // SAFETY: the header asks for `capacity` writable bytes and a writable length.
        unsafe { input::hand_over(&bytes, out, capacity, out_len) }
    })
}
