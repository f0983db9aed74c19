//! The persons who decide about quarantined steps in examples and tests: three, of whom two have to sign, with published keys. A house has
//! its approvers' public keys in its settings, and their private keys are with them.

use ed25519_dalek::{Signer, SigningKey};

use super::issuance::job::JobError;
use super::issuance::primitive::approval::{Approver, Proposal, Roster, Verdict};
use super::issuance::quarantine::{Held, Release, SignedProposal, held};
use super::issuance::store::Journal;

/// How long a decision is good for, in milliseconds.
const GOOD_FOR_MS: u64 = 600_000;

/// The secret keys of RFC 8032 7.1, tests 1 to 3, in two halves each.
const SECRETS: [[u128; 2]; 3] = [
    [0x9d61_b19d_effd_5a60_ba84_4af4_92ec_2cc4, 0x4449_c569_7b32_6919_703b_ac03_1cae_7f60],
    [0x4ccd_089b_28ff_96da_9db6_c346_ec11_4e0f, 0x5b8a_319f_35ab_a624_da8c_f6ed_4fb8_a6fb],
    [0xc5aa_8df4_3f9f_837b_edb7_442f_31dc_b7b1, 0x66d3_8535_076f_094b_85ce_3a2e_0b44_58f7],
];

fn persons() -> [SigningKey; 3] {
    SECRETS.map(|halves| {
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(&halves[0].to_be_bytes());
        secret[16..].copy_from_slice(&halves[1].to_be_bytes());
        SigningKey::from_bytes(&secret)
    })
}

fn approver(person: &SigningKey) -> Approver {
    Approver::new(person.verifying_key().to_bytes())
}

/// Two of the three decide that every step that is in quarantine is tried again.
pub(crate) fn release_all(journal: &(impl Journal + ?Sized), at_ms: u64) -> Result<Release, JobError> {
    let persons = persons();
    let roster = Roster { required: 2, approvers: persons.iter().map(approver).collect() };
    let sign = |held: Held| {
        let what = held.matter();
        let mut id = [0; 16];
        // A house draws it; here, where runs are repeated, it follows from what is decided.
        id.copy_from_slice(&what[..16]);
        let purpose = format!("try step {} of {} again: {}", held.step, held.job, held.reason);
        let proposal =
            Proposal { id, what, purpose, roster: roster.clone(), until_ms: at_ms.saturating_add(GOOD_FOR_MS) };
        let bytes = proposal.signed_bytes(Verdict::Approve);
        let signatures = persons[..2].iter().map(|person| (approver(person), person.sign(&bytes).to_bytes())).collect();
        SignedProposal { proposal, signatures }
    };
    let approvals = held(journal, "card/")?.into_iter().map(sign).collect();
    Ok(Release { roster: roster.clone(), at_ms, approvals })
}
