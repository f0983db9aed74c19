//! Approvals, M of N: a decision that several persons have to sign before it counts.
//!
//! | from | event | guard | to | effect |
//! |---|---|---|---|---|
//! | (none) | Proposed(what, M, approvers, until) | M is 1 to N; approvers are distinct Ed25519 keys; until is later than now | Open | wake |
//! | Open | Approved(approver, signature) | in time; one of the approvers, for the first time; the signature is over this proposal | Open; Granted at the Mth | granted |
//! | Open | Rejected(approver, signature) | the same, over the other verdict | Rejected | |
//! | Open, Granted | Expired | time is over | Expired | |
//! | Open, Granted | Withdrawn | | Withdrawn | |
//! | Granted | Spent | in time | Spent | |
//!
//! What is approved is bound by its hash. A signature covers the proposal's random id, so that it is good for one proposal only,
//! and all else that was proposed. Signatures are verified whenever the records are folded: a journal holds no approval that was
//! not given. Whether the approvers are those that the house has appointed is asked when the approval is used ([`Roster`]).

use std::collections::BTreeSet;

use ed25519_dalek::{Signature, VerifyingKey};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::machine::Machine;

/// What every signed text begins with: its kind and version.
const CONTEXT: &str = "cardwright approval 1";

/// Most approvers of one proposal.
pub const MAX_APPROVERS: usize = 64;

/// An approver: an Ed25519 public key (RFC 8032).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Approver(#[cbor(with = "minicbor::bytes")] [u8; 32]);

impl Approver {
    /// Takes a public key.
    #[must_use]
    pub fn new(public_key: [u8; 32]) -> Self {
        Self(public_key)
    }

    /// The key, unless it is none or one for which anybody can sign.
    fn key(&self) -> Option<VerifyingKey> {
        VerifyingKey::from_bytes(&self.0).ok().filter(|key| !key.is_weak())
    }
}

/// Who may approve, and how many have to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Roster {
    /// How many.
    #[n(0)]
    pub required: u8,
    /// Who.
    #[n(1)]
    pub approvers: Vec<Approver>,
}

impl Roster {
    fn check(&self) -> Result<(), ApprovalError> {
        let distinct = self.approvers.iter().collect::<BTreeSet<_>>().len();
        let (required, approvers) = (self.required, self.approvers.len());
        if required == 0 || usize::from(required) > approvers || approvers != distinct || approvers > MAX_APPROVERS {
            return Err(ApprovalError::Roster { required, approvers, distinct });
        }
        match self.approvers.iter().position(|approver| approver.key().is_none()) {
            Some(index) => Err(ApprovalError::Key { index }),
            None => Ok(()),
        }
    }

    fn same(&self, other: &Self) -> bool {
        let of = |roster: &Self| roster.approvers.iter().copied().collect::<BTreeSet<_>>();
        self.required == other.required && of(self) == of(other)
    }
}

/// What is to be approved.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Proposal {
    /// Random; no two proposals have the same.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 16],
    /// SHA-256 of what is approved.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub what: [u8; 32],
    /// What it is, in words for the approvers.
    #[n(2)]
    pub purpose: String,
    /// Who has to approve it.
    #[n(3)]
    pub roster: Roster,
    /// Until when it may be approved and used, in milliseconds since 1970-01-01 UTC.
    #[n(4)]
    pub until_ms: u64,
}

/// What an approver says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Verdict {
    /// Yes.
    #[n(0)]
    Approve,
    /// No, whatever the others say.
    #[n(1)]
    Reject,
}

impl Proposal {
    /// The bytes that an approver signs: CBOR `["cardwright approval 1", verdict, proposal]`.
    #[must_use]
    pub fn signed_bytes(&self, verdict: Verdict) -> Vec<u8> {
        // Writing to memory cannot fail.
        minicbor::to_vec((CONTEXT, verdict, self)).unwrap_or_default()
    }
}

/// What happens to a proposal. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ApprovalEvent {
    /// It was made.
    #[n(60)]
    Proposed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// What it says.
        #[n(1)]
        proposal: Proposal,
    },
    /// An approver signed it.
    #[n(61)]
    Signed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Who.
        #[n(1)]
        approver: Approver,
        /// What.
        #[n(2)]
        verdict: Verdict,
        /// Over [`Proposal::signed_bytes`].
        #[cbor(n(3), with = "minicbor::bytes")]
        signature: [u8; 64],
    },
    /// Its time is over.
    #[n(62)]
    Expired {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// Whoever made it takes it back.
    #[n(63)]
    Withdrawn {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// What it allows was done.
    #[n(64)]
    Spent {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
}

/// What is to be done about a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalEffect {
    /// It expires at this time.
    Wake {
        /// Milliseconds since 1970-01-01 UTC.
        at_ms: u64,
    },
    /// What it allows may be done.
    Granted,
}

/// Where a proposal stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApprovalState {
    /// Nothing was proposed.
    #[default]
    None,
    /// Approvers are to sign.
    Open,
    /// Enough have.
    Granted,
    /// What it allows was done.
    Spent,
    /// One said no.
    Rejected,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Withdrawn,
}

/// A proposal and who has signed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    state: ApprovalState,
    proposal: Option<Proposal>,
    approved: Vec<Approver>,
}

/// An event of an approval that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ApprovalError {
    /// It does not fit the state.
    #[error("that cannot follow: the proposal is {state:?}")]
    Illegal {
        /// The state.
        state: ApprovalState,
    },
    /// A roster that cannot decide.
    #[error("{required} of {approvers} approvers, {distinct} of them distinct, cannot decide")]
    Roster {
        /// How many have to approve.
        required: u8,
        /// How many there are.
        approvers: usize,
        /// How many different ones.
        distinct: usize,
    },
    /// An approver without a usable key.
    #[error("the key of approver {index} (from 0) is no Ed25519 key, or a weak one")]
    Key {
        /// Which.
        index: usize,
    },
    /// Too late, or proposed with a time that is over.
    #[error("the proposal ended at {until_ms} ms, and it is {at_ms} ms")]
    Over {
        /// When it ended.
        until_ms: u64,
        /// The time given.
        at_ms: u64,
    },
    /// Not over yet.
    #[error("the proposal lasts until {until_ms} ms, and it is {at_ms} ms")]
    Early {
        /// When it ends.
        until_ms: u64,
        /// The time given.
        at_ms: u64,
    },
    /// Somebody who is not asked.
    #[error("the signer is none of the proposal's approvers")]
    Stranger,
    /// Somebody who has approved before.
    #[error("this approver has signed before")]
    Again,
    /// The signature is not over this proposal and verdict by this approver.
    #[error("the signature is not that of this approver over this proposal and verdict")]
    Signature,
    /// Other approvers, or fewer, than the house asks for.
    #[error("the proposal asks other approvers, or another number of them, than the roster in force")]
    OtherRoster,
    /// It is for something else.
    #[error("what was approved is not what is to be done")]
    OtherMatter,
}

/// An approval that may be used: for one thing, with the names of those who approved.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Grant {
    #[cbor(n(0), with = "minicbor::bytes")]
    what: [u8; 32],
    #[cbor(n(1), with = "minicbor::bytes")]
    proposal: [u8; 16],
    #[n(2)]
    approvers: Vec<Approver>,
}

impl Grant {
    /// SHA-256 of what is approved.
    #[must_use]
    pub fn what(&self) -> &[u8; 32] {
        &self.what
    }

    /// How many different persons approved.
    #[must_use]
    pub fn persons(&self) -> usize {
        self.approvers.iter().collect::<BTreeSet<_>>().len()
    }
}

impl Approval {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> ApprovalState {
        self.state
    }

    /// What was proposed.
    #[must_use]
    pub fn proposal(&self) -> Option<&Proposal> {
        self.proposal.as_ref()
    }

    /// Who has approved, in order.
    #[must_use]
    pub fn approved(&self) -> &[Approver] {
        &self.approved
    }

    /// Leave to do `what`, if the roster in force has approved it and it is not too late. Record [`ApprovalEvent::Spent`] in the
    /// same change as what is done.
    ///
    /// # Errors
    /// [`ApprovalError`] says what is missing.
    pub fn grant(&self, what: &[u8; 32], roster: &Roster, at_ms: u64) -> Result<Grant, ApprovalError> {
        let proposal = self.in_state(&[ApprovalState::Granted])?;
        in_time(proposal, at_ms)?;
        if !proposal.roster.same(roster) {
            return Err(ApprovalError::OtherRoster);
        }
        if proposal.what != *what {
            return Err(ApprovalError::OtherMatter);
        }
        Ok(Grant { what: *what, proposal: proposal.id, approvers: self.approved.clone() })
    }

    fn in_state(&self, states: &[ApprovalState]) -> Result<&Proposal, ApprovalError> {
        let proposal = self.proposal.as_ref().filter(|_| states.contains(&self.state));
        proposal.ok_or(ApprovalError::Illegal { state: self.state })
    }

    /// Who has signed: approvers sign once.
    fn sign(&self, approver: Approver, verdict: Verdict, signature: &[u8; 64]) -> Result<Self, ApprovalError> {
        let proposal = self.in_state(&[ApprovalState::Open])?;
        if !proposal.roster.approvers.contains(&approver) {
            return Err(ApprovalError::Stranger);
        }
        if self.approved.contains(&approver) {
            return Err(ApprovalError::Again);
        }
        let key = approver.key().ok_or(ApprovalError::Signature)?;
        let signature = Signature::from_bytes(signature);
        key.verify_strict(&proposal.signed_bytes(verdict), &signature).map_err(|_| ApprovalError::Signature)?;
        let mut next = self.clone();
        match verdict {
            Verdict::Reject => next.state = ApprovalState::Rejected,
            Verdict::Approve => {
                next.approved.push(approver);
                if next.approved.len() >= usize::from(proposal.roster.required) {
                    next.state = ApprovalState::Granted;
                }
            }
        }
        Ok(next)
    }
}

fn in_time(proposal: &Proposal, at_ms: u64) -> Result<(), ApprovalError> {
    let until_ms = proposal.until_ms;
    if at_ms < until_ms { Ok(()) } else { Err(ApprovalError::Over { until_ms, at_ms }) }
}

impl Machine for Approval {
    const NAME: &'static str = "approval";
    type Event = ApprovalEvent;
    type Effect = ApprovalEffect;
    type Error = ApprovalError;

    fn apply(self, event: &ApprovalEvent) -> Result<(Self, Vec<ApprovalEffect>), ApprovalError> {
        use ApprovalState::{Expired, Granted, Open, Spent, Withdrawn};
        let state = match event {
            ApprovalEvent::Proposed { at_ms, proposal } => {
                if self.proposal.is_some() {
                    return Err(ApprovalError::Illegal { state: self.state });
                }
                proposal.roster.check()?;
                in_time(proposal, *at_ms)?;
                let effect = ApprovalEffect::Wake { at_ms: proposal.until_ms };
                return Ok((Self { state: Open, proposal: Some(proposal.clone()), ..self }, vec![effect]));
            }
            ApprovalEvent::Signed { at_ms, approver, verdict, signature } => {
                in_time(self.in_state(&[Open])?, *at_ms)?;
                let next = self.sign(*approver, *verdict, signature)?;
                let effects = if next.state == Granted { vec![ApprovalEffect::Granted] } else { Vec::new() };
                return Ok((next, effects));
            }
            ApprovalEvent::Expired { at_ms } => {
                let until_ms = self.in_state(&[Open, Granted])?.until_ms;
                if *at_ms < until_ms {
                    return Err(ApprovalError::Early { until_ms, at_ms: *at_ms });
                }
                Expired
            }
            ApprovalEvent::Withdrawn { .. } => self.in_state(&[Open, Granted]).map(|_| Withdrawn)?,
            ApprovalEvent::Spent { at_ms } => {
                in_time(self.in_state(&[Granted])?, *at_ms)?;
                Spent
            }
        };
        Ok((Self { state, ..self }, Vec::new()))
    }

    fn is_open(&self) -> bool {
        matches!(self.state, ApprovalState::Open | ApprovalState::Granted)
    }
}

/// The hash of something to be approved: SHA-256 over CBOR `[kind, what]`, so that no two kinds of decisions are mistaken for
/// each other.
#[must_use]
pub fn matter<T: Encode<()>>(kind: &str, what: &T) -> [u8; 32] {
    Sha256::digest(minicbor::to_vec((kind, what)).unwrap_or_default()).into()
}

#[cfg(test)]
pub(crate) mod tests;
