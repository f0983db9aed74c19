//! Quarantine: what may have happened, and nobody can tell, waits here until a card or two persons say.
//!
//! One case is one doubt: a subject (a lease, a step, a voucher) and a mark that tells its doubts apart (the fencing token, the attempt).
//!
//! | from | event | guard | to | effect |
//! |---|---|---|---|---|
//! | (none) | Opened(subject, mark, reason, card, last proved step, evidence) | | Open | alarm |
//! | Open | Observed(evidence): it still cannot be told | | Open | |
//! | Open | Probed(card, finding, evidence): the card was shown again and says it | the same card | Settled | settled |
//! | Open | Decided(finding, grant): persons say it | at least two approved exactly this case and finding | Settled | settled |
//!
//! Time settles nothing, and no other event does: an unknown never frees a number, a voucher or a card. What was quarantined goes on
//! with a [`Resolution`], and only a settled case makes one.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::event::{Proof, StepEvent};
use crate::journal::{Entity, EntityError, hex};
use crate::machine::Machine;
use crate::primitive::approval::{Grant, matter};
use crate::step::Step;

mod release;

pub(crate) use release::release;
pub use release::{Held, Release, ReleaseError, SignedProposal, held};

/// How many persons have to decide what no card can tell.
pub const MIN_PERSONS: usize = 2;

/// What came of the thing in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Finding {
    /// It happened.
    #[n(0)]
    Done,
    /// It did not happen, and cannot happen any more.
    #[n(1)]
    NotDone,
    /// It happened in part, or to something that failed: what it used is lost.
    #[n(2)]
    Spoilt,
}

/// Why nobody can tell.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Reason {
    /// No answer came.
    #[n(0)]
    NoAnswer,
    /// The card was taken away.
    #[n(1)]
    CardGone,
    /// Its holder fell silent while it was written.
    #[n(2)]
    HolderSilent,
    /// An authority took it from its holder while it was written.
    #[n(3)]
    Revoked,
    /// The card or a counterpart contradicts what is recorded.
    #[n(4)]
    Contradiction,
    /// The card is there and does not tell.
    #[n(5)]
    NotTold,
    /// It was tried too often.
    #[n(6)]
    AttemptsSpent,
    /// Another, in words without data.
    #[n(7)]
    Other(#[n(0)] String),
}

/// What a case begins with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Doubt {
    /// Name of the entity in doubt, or of one of its steps ([`step_subject`]).
    #[n(0)]
    pub subject: String,
    /// Tells its doubts apart: the fencing token of the write, the attempt of the step.
    #[n(1)]
    pub mark: u64,
    /// Why.
    #[n(2)]
    pub reason: Reason,
    /// SHA-256 of the identity of the card that can tell, if there is one.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub card: Option<[u8; 32]>,
    /// The last step that is proved.
    #[n(4)]
    pub last_proved: Option<String>,
    /// Where the card or the thing lies.
    #[n(5)]
    pub location: Option<String>,
    /// Hashes of what is known: transcripts, answers, sensor records.
    #[n(6)]
    pub evidence: Vec<ByteArray<32>>,
}

/// The subject of a case about a step of a job; its mark is the number of attempts.
#[must_use]
pub fn step_subject(job: &Entity, step: &str) -> String {
    format!("{job} step {step}")
}

impl Doubt {
    /// The entity of its case.
    ///
    /// # Errors
    /// None in practice: the text is printable and short.
    pub fn case_entity(&self) -> Result<Entity, EntityError> {
        Self::case_of(&self.subject, self.mark)
    }

    /// The entity of the case of this doubt of a subject.
    ///
    /// # Errors
    /// As [`Doubt::case_entity`].
    pub fn case_of(subject: &str, mark: u64) -> Result<Entity, EntityError> {
        Entity::new(&case_name(subject, mark))
    }

    /// What approvers sign when they decide this case: the hash of subject, mark and finding.
    #[must_use]
    pub fn matter(&self, finding: Finding) -> [u8; 32] {
        matter("case", &(&self.subject, self.mark, finding))
    }
}

fn case_name(subject: &str, mark: u64) -> String {
    let named = minicbor::to_vec((subject, mark)).unwrap_or_default();
    format!("case/{}", hex(&Sha256::digest(named)[..16]))
}

/// What happens to a case. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum CaseEvent {
    /// A doubt.
    #[n(76)]
    Opened {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// What is known.
        #[n(1)]
        doubt: Doubt,
    },
    /// It was looked at and still cannot be told.
    #[n(77)]
    Observed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Hash of what was seen.
        #[cbor(n(1), with = "minicbor::bytes")]
        evidence: [u8; 32],
    },
    /// The card was shown again, and it proves what happened.
    #[n(78)]
    Probed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// SHA-256 of the identity of the card.
        #[cbor(n(1), with = "minicbor::bytes")]
        card: [u8; 32],
        /// What it proves.
        #[n(2)]
        finding: Finding,
        /// Hash of the proof.
        #[cbor(n(3), with = "minicbor::bytes")]
        evidence: [u8; 32],
    },
    /// Persons decided.
    #[n(79)]
    Decided {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// What.
        #[n(1)]
        finding: Finding,
        /// Their approval of [`Doubt::matter`].
        #[n(2)]
        grant: Grant,
    },
}

/// What is to be done about a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseEffect {
    /// Somebody has to look.
    Alarm,
    /// What was in doubt can go on.
    Settled(Resolution),
}

/// One doubt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    doubt: Option<Doubt>,
    /// Hashes of everything that was seen, in order.
    evidence: Vec<[u8; 32]>,
    finding: Option<(Finding, SettledBy)>,
}

/// What a settled case says of its subject. Nothing else makes one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Resolution {
    #[n(0)]
    mark: u64,
    #[n(1)]
    finding: Finding,
    /// Hash over the evidence.
    #[cbor(n(2), with = "minicbor::bytes")]
    evidence: [u8; 32],
    #[n(3)]
    by: SettledBy,
    #[n(4)]
    subject: String,
}

/// Who could tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum SettledBy {
    /// The card.
    #[n(0)]
    Card,
    /// Persons.
    #[n(1)]
    Persons,
}

impl Resolution {
    /// Whom it is about.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Which doubt of the subject.
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.mark
    }

    /// What came of it.
    #[must_use]
    pub fn finding(&self) -> Finding {
        self.finding
    }

    /// Who could tell.
    #[must_use]
    pub fn settled_by(&self) -> SettledBy {
        self.by
    }

    /// The events with which a quarantined step goes on: done, or to be begun again; none when what it used is spoilt, since the step
    /// stays in quarantine then.
    ///
    /// # Errors
    /// [`CaseError::OtherSubject`] and [`CaseError::OtherAttempt`] when the case was about something else.
    pub fn step_events(&self, job: &Entity, name: &str, step: &Step) -> Result<Vec<StepEvent>, CaseError> {
        if self.subject != step_subject(job, name) {
            return Err(CaseError::OtherSubject);
        }
        if self.mark != u64::from(step.attempts) {
            return Err(CaseError::OtherAttempt { found: self.mark, expected: step.attempts });
        }
        let proof = match self.by {
            SettledBy::Card => Proof::Probe,
            SettledBy::Persons => Proof::Decided,
        };
        Ok(match (self.finding, &step.intent) {
            (Finding::Done, _) => vec![StepEvent::Released, StepEvent::Succeeded { proof }],
            (Finding::NotDone, Some(_)) => vec![StepEvent::Released, StepEvent::NotDone],
            (Finding::NotDone, None) => vec![StepEvent::Released],
            (Finding::Spoilt, _) => Vec::new(),
        })
    }
}

/// An event of a case that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CaseError {
    /// Opened twice, or another event before.
    #[error("a case is opened once, and first")]
    Opening,
    /// Settled already.
    #[error("the case is settled")]
    Settled,
    /// Another card than the one in doubt, or a case without a card: it proves nothing.
    #[error("the card that was shown is not the one of the case")]
    OtherCard,
    /// The approval is for another case or finding.
    #[error("the approval is for another case or finding")]
    OtherMatter,
    /// Too few persons.
    #[error("{persons} approved, {MIN_PERSONS} different persons have to")]
    Persons {
        /// How many did.
        persons: usize,
    },
    /// The case was about another thing.
    #[error("the case was about something else")]
    OtherSubject,
    /// The case was about another attempt of the step.
    #[error("the case was about attempt {found}, not {expected}")]
    OtherAttempt {
        /// Attempt of the case.
        found: u64,
        /// Attempt of the step.
        expected: u32,
    },
}

impl Case {
    /// What it began with; `None` before the first record.
    #[must_use]
    pub fn doubt(&self) -> Option<&Doubt> {
        self.doubt.as_ref()
    }

    /// What came of it, once that is known.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        self.finding.map(|(finding, _)| finding)
    }

    /// Hashes of everything that was seen, in order.
    #[must_use]
    pub fn evidence(&self) -> &[[u8; 32]] {
        &self.evidence
    }

    /// What the subject goes on with; `None` while the case is open.
    #[must_use]
    pub fn resolution(&self) -> Option<Resolution> {
        let Doubt { subject, mark, .. } = self.doubt.as_ref()?;
        let evidence = Sha256::digest(self.evidence.concat()).into();
        let resolution = |(finding, by)| Resolution { mark: *mark, finding, evidence, by, subject: subject.clone() };
        self.finding.map(resolution)
    }

    fn settle(mut self, finding: Finding, by: SettledBy, evidence: [u8; 32]) -> (Self, Vec<CaseEffect>) {
        self.evidence.push(evidence);
        self.finding = Some((finding, by));
        let settled = self.resolution().map(CaseEffect::Settled);
        (self, settled.into_iter().collect())
    }
}

impl Machine for Case {
    const NAME: &'static str = "case";
    type Event = CaseEvent;
    type Effect = CaseEffect;
    type Error = CaseError;

    fn apply(mut self, event: &CaseEvent) -> Result<(Self, Vec<CaseEffect>), CaseError> {
        if let CaseEvent::Opened { doubt, .. } = event {
            if self.doubt.is_some() {
                return Err(CaseError::Opening);
            }
            let evidence = doubt.evidence.iter().map(|hash| **hash).collect();
            return Ok((Self { doubt: Some(doubt.clone()), evidence, ..self }, vec![CaseEffect::Alarm]));
        }
        let doubt = self.doubt.as_ref().ok_or(CaseError::Opening)?;
        if self.finding.is_some() {
            return Err(CaseError::Settled);
        }
        match event {
            CaseEvent::Opened { .. } => Err(CaseError::Opening),
            CaseEvent::Observed { evidence, .. } => {
                self.evidence.push(*evidence);
                Ok((self, Vec::new()))
            }
            CaseEvent::Probed { card, finding, evidence, .. } => match doubt.card == Some(*card) {
                true => Ok(self.settle(*finding, SettledBy::Card, *evidence)),
                false => Err(CaseError::OtherCard),
            },
            CaseEvent::Decided { finding, grant, .. } => {
                let what = doubt.matter(*finding);
                if *grant.what() != what {
                    return Err(CaseError::OtherMatter);
                }
                if grant.persons() < MIN_PERSONS {
                    return Err(CaseError::Persons { persons: grant.persons() });
                }
                Ok(self.settle(*finding, SettledBy::Persons, what))
            }
        }
    }

    fn belongs_to(event: &CaseEvent) -> Option<String> {
        match event {
            CaseEvent::Opened { doubt, .. } => Some(case_name(&doubt.subject, doubt.mark)),
            _ => None,
        }
    }

    fn is_open(&self) -> bool {
        self.doubt.is_some() && self.finding.is_none()
    }
}

#[cfg(test)]
pub(crate) mod tests;
