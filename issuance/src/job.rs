//! A job: the steps of one entity, folded from its records, and the way new records come to it.

use std::collections::BTreeMap;
use std::convert::Infallible;

use thiserror::Error;

use crate::event::{Event, EventError, IdempotencyClass, Proof, StepEvent};
use crate::journal::{Entity, Record};
use crate::ledger::Ledger;
use crate::machine::{Change, Kept, Machine, MachineError};
use crate::port::{IssuancePort, Notice};
use crate::primitive::approval::{Approval, ApprovalError, ApprovalEvent};
use crate::quarantine::{Held, ReleaseError};
use crate::remote::steps::DELETE;
use crate::step::{Intent, MAX_ATTEMPTS, Step, StepError, StepState};
use crate::store::{Durable, StoreError};

/// Where an entity stands: its steps, its lock-out ledger, what was reported of it. Pure: a fold over events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobState {
    /// Steps by name.
    pub steps: BTreeMap<String, Step>,
    /// Failed authentications.
    pub ledger: Ledger,
    /// Whether all steps were proved and nothing was undone since.
    pub completed: bool,
    /// Whether the last thing that happened to it was that it was deleted.
    pub deleted: bool,
    /// Life cycle state of the application when they were.
    pub life_cycle: Option<u8>,
    /// How many uses were reported.
    pub uses: u64,
    /// Whether reader or card fail at the longest commands.
    pub short_commands: bool,
    /// Attempts of class `X`, of whatever step, since one succeeded or a person released a step: each may have cost a try.
    pub tries_risked: u32,
    /// How often a step was quarantined.
    pub quarantines: u32,
}

impl JobState {
    /// The state after an event.
    ///
    /// # Errors
    /// [`StepError`] when the event cannot follow.
    pub fn apply(mut self, event: &Event) -> Result<Self, StepError> {
        match event {
            Event::Step { step, event, .. } => {
                let next = self.steps.get(step).cloned().unwrap_or_default().apply(event)?;
                match event {
                    StepEvent::Begun { class: IdempotencyClass::Counter, .. } => {
                        self.tries_risked = self.tries_risked.saturating_add(1);
                    }
                    StepEvent::Succeeded { .. } if next.is_authentication() => self.tries_risked = 0,
                    StepEvent::Released => self.tries_risked = 0,
                    StepEvent::Quarantined { .. } => self.quarantines = self.quarantines.saturating_add(1),
                    _ => {}
                }
                self.steps.insert(step.clone(), next);
                self.deleted = false;
            }
            Event::KeyAttempt | Event::KeyAnswered | Event::KeyFailure { .. } | Event::KeySuccess => {
                self.ledger = self.ledger.apply(event);
            }
            Event::Completed { life_cycle } => {
                self.completed = true;
                self.life_cycle = *life_cycle;
            }
            Event::Used => self.uses += 1,
            Event::ShortCommands => self.short_commands = true,
            Event::Gone => {
                let deleted = self.step(DELETE).is_done();
                let Self { ledger, short_commands, quarantines, .. } = self;
                self = Self { ledger, short_commands, quarantines, deleted, ..Self::default() };
            }
        }
        Ok(self)
    }

    /// The step of this name; one that has no record is pending.
    #[must_use]
    pub fn step(&self, name: &str) -> Step {
        self.steps.get(name).cloned().unwrap_or_default()
    }

    /// The first quarantined step and why it is.
    #[must_use]
    pub fn quarantined(&self) -> Option<(&str, &str)> {
        self.steps.iter().find_map(|(name, step)| match &step.state {
            StepState::Quarantined { reason } => Some((name.as_str(), reason.as_str())),
            _ => None,
        })
    }
}

impl Machine for JobState {
    const NAME: &'static str = "job";
    type Event = Event;
    type Effect = Infallible;
    type Error = JobRefusal;

    fn apply(self, event: &Event) -> Result<(Self, Vec<Infallible>), JobRefusal> {
        let step = match event {
            Event::Step { step, .. } => step.as_str(),
            _ => "",
        };
        let state = Self::apply(self, event).map_err(|reason| JobRefusal { step: step.into(), reason })?;
        Ok((state, Vec::new()))
    }

    fn is_open(&self) -> bool {
        let is_open = |step: &Step| step.is_in_doubt() || matches!(step.state, StepState::Quarantined { .. });
        self.steps.values().any(is_open) || self.ledger != Ledger::default()
    }
}

/// An event that cannot follow, of one step of a job.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("step {step}: {reason}")]
pub struct JobRefusal {
    /// Which step.
    pub step: String,
    /// Why.
    pub reason: StepError,
}

/// The journal of an entity does not add up, or cannot be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JobError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record that is none of ours.
    #[error(transparent)]
    Event(#[from] EventError),
    /// An event that cannot follow from the records before it.
    #[error("{entity}, step {step}: {reason}")]
    Step {
        /// Whose step.
        entity: Entity,
        /// Which step.
        step: String,
        /// Why.
        reason: StepError,
    },
    /// The step was tried too often and is now quarantined.
    #[error("{entity}, step {step}: tried {attempts} times, a person has to look")]
    AttemptsSpent {
        /// Whose step.
        entity: Entity,
        /// Which step.
        step: String,
        /// How often.
        attempts: u32,
    },
    /// What was handed in to release the step is not the decision that it takes.
    #[error("{entity}, step {step} stays in quarantine: {reason}")]
    Release {
        /// Whose step.
        entity: Entity,
        /// Which step.
        step: String,
        /// Why.
        reason: ReleaseError,
    },
    /// The approval to release a step, in the journal.
    #[error(transparent)]
    Approval(Box<MachineError<ApprovalError>>),
    /// What was read or asked for is no history, or no change, of this job.
    #[error(transparent)]
    Machine(MachineError<JobRefusal>),
}

impl From<MachineError<JobRefusal>> for JobError {
    fn from(error: MachineError<JobRefusal>) -> Self {
        match error {
            MachineError::Store(error) => Self::Store(error),
            MachineError::Event(error) => Self::Event(error),
            MachineError::Refused { entity, reason: JobRefusal { step, reason }, .. } => {
                Self::Step { entity, step, reason }
            }
            other => Self::Machine(other),
        }
    }
}

impl From<MachineError<ApprovalError>> for JobError {
    fn from(error: MachineError<ApprovalError>) -> Self {
        match error {
            MachineError::Store(error) => Self::Store(error),
            MachineError::Event(error) => Self::Event(error),
            other => Self::Approval(Box::new(other)),
        }
    }
}

/// A job with its place in the journal.
#[derive(Debug)]
pub struct Job {
    kept: Kept<JobState>,
}

/// Leave to send the commands of one attempt: the intent is on stable storage.
#[derive(Debug)]
#[must_use = "an attempt that was begun has an outcome"]
pub struct Permit {
    step: String,
    _intent: Durable,
}

impl Job {
    /// Folds the records of an entity.
    ///
    /// # Errors
    /// [`JobError`] names the record or step that does not add up.
    pub fn from_records(entity: Entity, records: &[Record]) -> Result<Self, JobError> {
        Ok(Self { kept: Kept::from_records(entity, records)? })
    }

    /// Reads an entity's records and folds them.
    ///
    /// # Errors
    /// As [`Job::from_records`].
    pub async fn read(port: &mut IssuancePort, entity: Entity) -> Result<Self, JobError> {
        Ok(Self { kept: Kept::read(port, entity).await? })
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &JobState {
        self.kept.state()
    }

    /// The step of this name.
    #[must_use]
    pub fn step(&self, name: &str) -> Step {
        self.state().step(name)
    }

    /// The first quarantined step, as the persons see it who decide about it.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        let (step, reason) = self.state().quarantined()?;
        let is_done = |(name, step): (&String, &Step)| step.is_done().then(|| name.clone());
        Some(Held {
            job: self.kept.entity().clone(),
            step: step.into(),
            number: self.state().quarantines,
            reason: reason.into(),
            attempts: self.step(step).attempts,
            proved: self.state().steps.iter().filter_map(is_done).collect(),
        })
    }

    /// Records that a step was released and the approval that this uses up, in one transaction.
    pub(crate) async fn release(
        &mut self,
        port: &mut IssuancePort,
        step: &str,
        approval: &mut Kept<Approval>,
        events: &[ApprovalEvent],
    ) -> Result<(), JobError> {
        let released = Event::Step { step: step.into(), attempt: self.step(step).attempts, event: StepEvent::Released };
        let change = Change::new().apply(&mut self.kept, &[released])?;
        let change = change.apply(approval, events)?;
        let _changed = change.commit_through(port).await?;
        port.tell(Notice::Step { step: step.into(), outcome: words(&StepEvent::Released) });
        Ok(())
    }

    /// Records events. They count once they are durable.
    ///
    /// # Errors
    /// [`JobError::Step`] before anything is written; [`JobError::Store`].
    pub async fn record(&mut self, port: &mut IssuancePort, events: &[Event]) -> Result<Durable, JobError> {
        Self::record_all(port, &mut [(self, events)]).await
    }

    /// Records events of several jobs in one transaction.
    ///
    /// # Errors
    /// As [`Job::record`]; nothing is written then.
    pub async fn record_all(port: &mut IssuancePort, jobs: &mut [(&mut Self, &[Event])]) -> Result<Durable, JobError> {
        let mut change = Change::new();
        for (job, events) in jobs.iter_mut() {
            change = change.apply(&mut job.kept, events)?;
        }
        Ok(change.commit_through(port).await?.durable)
    }

    /// Records the intent of an attempt. Only the permit lets its commands be sent.
    ///
    /// # Errors
    /// [`JobError::AttemptsSpent`] after [`MAX_ATTEMPTS`], when the step is quarantined; as [`Job::record`].
    pub async fn begin(&mut self, port: &mut IssuancePort, step: &str, intent: Intent) -> Result<Permit, JobError> {
        let present = self.step(step);
        let attempt = if present.is_done() { 1 } else { present.attempts + 1 };
        if attempt > MAX_ATTEMPTS {
            let reason = format!("tried {MAX_ATTEMPTS} times");
            self.resolve(port, step, StepEvent::Quarantined { reason }).await?;
            let entity = self.kept.entity().clone();
            return Err(JobError::AttemptsSpent { entity, step: step.into(), attempts: attempt - 1 });
        }
        let event = intent.begun();
        let intent = self.record(port, &[Event::Step { step: step.into(), attempt, event }]).await?;
        Ok(Permit { step: step.into(), _intent: intent })
    }

    /// Records the outcome of the attempt that was permitted.
    ///
    /// # Errors
    /// As [`Job::record`].
    pub async fn settle(
        &mut self,
        port: &mut IssuancePort,
        permit: Permit,
        outcome: StepEvent,
    ) -> Result<(), JobError> {
        self.settle_with(port, permit, outcome, None).await
    }

    /// Records the outcome of the attempt that was permitted and what it says of another step, in one transaction.
    ///
    /// # Errors
    /// As [`Job::record`].
    pub async fn settle_with(
        &mut self,
        port: &mut IssuancePort,
        permit: Permit,
        outcome: StepEvent,
        consequence: Option<(&str, StepEvent)>,
    ) -> Result<(), JobError> {
        self.resolve_all(port, [(&*permit.step, outcome)].into_iter().chain(consequence)).await
    }

    /// Records the outcome of the attempt that was permitted, and an event that follows from it, in one transaction.
    ///
    /// # Errors
    /// As [`Job::record`]; nothing is written then.
    pub async fn settle_and(
        &mut self,
        port: &mut IssuancePort,
        permit: Permit,
        outcome: StepEvent,
        then: Event,
    ) -> Result<Durable, JobError> {
        let attempt = self.step(&permit.step).attempts;
        self.record(port, &[Event::Step { step: permit.step, attempt, event: outcome }, then]).await
    }

    /// Records what a look at the card says of a step.
    ///
    /// # Errors
    /// As [`Job::record`].
    pub async fn resolve(&mut self, port: &mut IssuancePort, step: &str, finding: StepEvent) -> Result<(), JobError> {
        self.resolve_all(port, [(step, finding)]).await
    }

    /// Records what one look at the card says of several steps, in one transaction.
    ///
    /// # Errors
    /// As [`Job::record`].
    pub async fn resolve_all<'s>(
        &mut self,
        port: &mut IssuancePort,
        findings: impl IntoIterator<Item = (&'s str, StepEvent)>,
    ) -> Result<(), JobError> {
        let events: Vec<_> = findings
            .into_iter()
            .map(|(step, event)| Event::Step { step: step.into(), attempt: self.step(step).attempts, event })
            .collect();
        let _durable = self.record(port, &events).await?;
        for event in events {
            if let Event::Step { step, event, .. } = event {
                port.tell(Notice::Step { step, outcome: words(&event) });
            }
        }
        if let Some(held) = self.held() {
            port.tell(Notice::Held(Box::new(held)));
        }
        Ok(())
    }
}

/// What came of a step, in words.
fn words(event: &StepEvent) -> &'static str {
    match event {
        StepEvent::Begun { .. } => "begun",
        StepEvent::Succeeded { proof: Proof::Answer } => "done",
        StepEvent::Succeeded { proof: Proof::Probe } => "done, as the card shows",
        StepEvent::Succeeded { proof: Proof::Found } => "there already",
        StepEvent::Succeeded { proof: Proof::Decided } => "done, as persons decided",
        StepEvent::Failed { .. } => "refused by the card",
        StepEvent::Lost => "outcome not known",
        StepEvent::NotDone => "not done, as the card shows: again",
        StepEvent::Quarantined { .. } => "quarantined",
        StepEvent::Released => "released",
    }
}
