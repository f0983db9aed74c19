//! Two persons of the house, who sign what needs two.

use std::error::Error;

use cardwright::issuance::journal::{CheckpointSigner, SoftwareSigner};
use cardwright::issuance::machine::Machine;
use cardwright::issuance::primitive::approval::{Approval, ApprovalEvent, Approver, Grant, Proposal, Roster, Verdict};

pub(crate) struct Persons {
    signers: [SoftwareSigner; 2],
    proposals: u64,
}

impl Persons {
    pub(crate) fn new() -> Self {
        Self { signers: [SoftwareSigner::new(&[0x11; 32]), SoftwareSigner::new(&[0x22; 32])], proposals: 0 }
    }

    /// Both approve it.
    pub(crate) fn grant(&mut self, what: [u8; 32], now_ms: u64) -> Result<Grant, Box<dyn Error>> {
        self.proposals += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.proposals.to_be_bytes());
        let approvers = self.signers.iter().map(|signer| Approver::new(*signer.public_key().as_bytes())).collect();
        let roster = Roster { required: 2, approvers };
        let until_ms = now_ms + 60_000;
        let proposal = Proposal { id, what, purpose: "example".into(), roster: roster.clone(), until_ms };
        let proposed = ApprovalEvent::Proposed { at_ms: now_ms, proposal: proposal.clone() };
        let mut approval = Approval::default().apply(&proposed)?.0;
        for signer in &mut self.signers {
            let approver = Approver::new(*signer.public_key().as_bytes());
            let bytes = proposal.signed_bytes(Verdict::Approve);
            let signature = signer.sign(&bytes).map_err(|error| error.to_string())?;
            let signed = ApprovalEvent::Signed { at_ms: now_ms, approver, verdict: Verdict::Approve, signature };
            approval = approval.apply(&signed)?.0;
        }
        Ok(approval.grant(&what, &roster, now_ms)?)
    }
}
