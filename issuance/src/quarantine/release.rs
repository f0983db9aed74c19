//! Leave to try a quarantined step again: what at least two persons have signed, used once.
//!
//! A step in quarantine is [`Held`]: which one, for the how manieth time, and why. The persons sign a
//! [`Proposal`] of its [`Held::matter`], each with a key of the house's [`Roster`]; the next run is given the signed proposals as a
//! [`Release`]. The release of the step, the proposal, the signatures and that they are used up are one transaction: the journal
//! says who decided, and a second release takes a second decision.
//!
//! A released step is not taken for done or not done: the card is asked, as after a crash.

use minicbor::Encode;
use thiserror::Error;

use super::MIN_PERSONS;
use crate::job::{Job, JobError};
use crate::journal::{Entity, EntityError, hex};
use crate::machine::{Kept, Machine};
use crate::port::{IssuancePort, Notice};
use crate::primitive::approval::{
    Approval, ApprovalError, ApprovalEvent, ApprovalState, Approver, Proposal, Roster, Verdict, matter,
};
use crate::store::Journal;

/// A step in quarantine, as the persons see it who decide about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The job, whose records are the evidence.
    pub job: Entity,
    /// The step.
    pub step: String,
    /// Which quarantine of the job it is, from 1: a decision on one is none on the next.
    pub number: u32,
    /// Why.
    pub reason: String,
    /// Attempts that were begun.
    pub attempts: u32,
    /// The steps of the job that are proved.
    pub proved: Vec<String>,
}

impl Held {
    /// What approvers sign to have it tried again: SHA-256 over CBOR `["release", [job, step, number]]`.
    #[must_use]
    pub fn matter(&self) -> [u8; 32] {
        #[derive(Encode)]
        struct Matter<'a>(#[n(0)] &'a str, #[n(1)] &'a str, #[n(2)] u32);
        matter("release", &Matter(self.job.as_str(), &self.step, self.number))
    }
}

/// A proposal and the signatures under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedProposal {
    /// What was proposed; [`Proposal::what`] is the [`Held::matter`] of a step.
    pub proposal: Proposal,
    /// Who approved it, each over [`Proposal::signed_bytes`] of [`Verdict::Approve`]. None are needed where the journal has them
    /// already.
    pub signatures: Vec<(Approver, [u8; 64])>,
}

impl SignedProposal {
    /// Where the approval is in the journal: `approval/` and the id.
    ///
    /// # Errors
    /// None in practice: the text is printable and short.
    pub fn entity(&self) -> Result<Entity, EntityError> {
        Entity::new(&format!("approval/{}", hex(&self.proposal.id)))
    }
}

/// Leave to try quarantined steps again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Who decides in this house, and how many have to: at least [`MIN_PERSONS`]. It comes from the program's own settings, never
    /// from where the proposals come from.
    pub roster: Roster,
    /// The wall clock, in milliseconds since 1970-01-01 UTC.
    pub at_ms: u64,
    /// What they decided; a step that none of these is about stays in quarantine.
    pub approvals: Vec<SignedProposal>,
}

/// Why a signed proposal releases nothing. The step stays in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The proposal, a signature or the time.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// A roster by which one person could decide.
    #[error("{persons} approved, {MIN_PERSONS} different persons have to")]
    Persons {
        /// How many did.
        persons: usize,
    },
    /// The journal has another proposal under this id.
    #[error("the journal has another proposal under this id")]
    OtherProposal,
}

impl Release {
    /// The approval for a step, and its events that are still to be recorded, up to that it is spent.
    fn events(&self, signed: &SignedProposal, kept: &Approval) -> Result<Vec<ApprovalEvent>, ReleaseError> {
        let at_ms = self.at_ms;
        let mut events = Vec::new();
        match kept.proposal() {
            Some(proposal) if *proposal != signed.proposal => return Err(ReleaseError::OtherProposal),
            Some(_) => {}
            None => events.push(ApprovalEvent::Proposed { at_ms, proposal: signed.proposal.clone() }),
        }
        let mut approval = fold(kept.clone(), &events)?;
        for (approver, signature) in &signed.signatures {
            if approval.state() != ApprovalState::Open || approval.approved().contains(approver) {
                continue;
            }
            let verdict = Verdict::Approve;
            let event = ApprovalEvent::Signed { at_ms, approver: *approver, verdict, signature: *signature };
            approval = approval.apply(&event)?.0;
            events.push(event);
        }
        let grant = approval.grant(&signed.proposal.what, &self.roster, at_ms)?;
        if grant.persons() < MIN_PERSONS {
            return Err(ReleaseError::Persons { persons: grant.persons() });
        }
        events.push(ApprovalEvent::Spent { at_ms });
        Ok(events)
    }
}

fn fold(approval: Approval, events: &[ApprovalEvent]) -> Result<Approval, ApprovalError> {
    events.iter().try_fold(approval, |approval, event| approval.apply(event).map(|(next, _)| next))
}

/// Every quarantined step of the entities whose names begin with `prefix`: what persons have to decide about. The cost is linear in
/// what is open.
///
/// # Errors
/// [`JobError`] of the store, and of a record that does not add up.
pub fn held(journal: &(impl Journal + ?Sized), prefix: &str) -> Result<Vec<Held>, JobError> {
    let mut held = Vec::new();
    for entity in journal.open_entities(prefix)? {
        let records = journal.history(&entity)?;
        held.extend(Job::from_records(entity, &records)?.held());
    }
    Ok(held)
}

/// Releases every quarantined step of a job that was decided about; gives the first that was not.
pub(crate) async fn release(
    port: &mut IssuancePort,
    job: &mut Job,
    release: Option<&Release>,
) -> Result<Option<Held>, JobError> {
    while let Some(held) = job.held() {
        let what = held.matter();
        let decided = release.and_then(|release| {
            let signed = release.approvals.iter().find(|signed| signed.proposal.what == what)?;
            Some((release, signed))
        });
        let Some((release, signed)) = decided else {
            port.tell(Notice::Held(Box::new(held.clone())));
            return Ok(Some(held));
        };
        let refused = |reason| {
            port.tell(Notice::Held(Box::new(held.clone())));
            JobError::Release { entity: held.job.clone(), step: held.step.clone(), reason }
        };
        let entity = signed.entity().map_err(|_| refused(ReleaseError::OtherProposal))?;
        let mut approval = Kept::<Approval>::read(&mut port.clone(), entity).await?;
        let events = release.events(signed, approval.state()).map_err(&refused)?;
        job.release(port, &held.step, &mut approval, &events).await?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
