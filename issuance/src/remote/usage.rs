use cardwright_apdu::Aid;
use cardwright_gp::CardProfile;

use super::domain::Domain;
use super::report::{ApplicationStatus, IssueError, Outcome, Stop};
use super::steps;
use crate::CardIdentity;
use crate::event::Event;
use crate::job::Job;
use crate::port::{Conversation, IssuancePort};
use crate::store::Journal;

/// Records that an application which was issued to the card in the reader was used; listings then show it as used. No secure
/// channel is opened.
#[must_use]
pub fn record_use(application: Aid) -> Conversation<Result<Outcome<CardIdentity>, IssueError>> {
    Conversation::new(move |mut port| async move {
        match run(&mut port, application).await {
            Ok(identity) => Ok(Outcome::Complete(identity)),
            Err(stop) => stop.into_outcome(),
        }
    })
}

/// The same for a card that is elsewhere: what a shop's or an operator's usage records say of it.
#[must_use]
pub fn report_use(card: CardIdentity, application: Aid) -> Conversation<Result<CardIdentity, IssueError>> {
    Conversation::new(move |mut port| async move {
        match record(&mut port, card, application).await {
            Ok(identity) => Ok(identity),
            Err(stop) => match stop.into_outcome::<CardIdentity>()? {
                Outcome::Complete(identity) => Ok(identity),
                // Nothing goes to a card, so that nothing is interrupted.
                _ => Err(IssueError::NotIssued { aid: application }),
            },
        }
    })
}

/// How far an application is on a card, as the journal knows it; `None` where it never came onto the card, or was deleted.
///
/// A card is not asked. What was begun and is not known counts as not done.
///
/// # Errors
/// [`IssueError::Store`], [`IssueError::Job`].
pub fn recorded_status(
    journal: &(impl Journal + ?Sized),
    card: &CardIdentity,
    application: &Aid,
) -> Result<Option<ApplicationStatus>, IssueError> {
    let entity = card.application_entity(application)?;
    let records = journal.history(&entity)?;
    let job = Job::from_records(entity, &records)?;
    let is_issued = job.step(steps::MASTER_KEY).is_done();
    Ok(match (job.state().deleted, is_issued, job.state().uses) {
        (true, ..) => None,
        (_, true, 1..) => Some(ApplicationStatus::Used),
        (_, true, 0) => Some(ApplicationStatus::Issued),
        (_, false, _) => job.step(steps::INSTALL).is_done().then_some(ApplicationStatus::Installed),
    })
}

async fn run(port: &mut IssuancePort, application: Aid) -> Result<CardIdentity, Stop> {
    let domain = Domain::meet(port, None, &CardProfile::standard()).await?;
    record(port, domain.facts.identity, application).await
}

async fn record(port: &mut IssuancePort, identity: CardIdentity, application: Aid) -> Result<CardIdentity, Stop> {
    let mut job = Job::read(port, identity.application_entity(&application)?).await?;
    if !job.step(steps::MASTER_KEY).is_done() {
        return Err(IssueError::NotIssued { aid: application }.into());
    }
    let _durable = job.record(port, &[Event::Used]).await?;
    Ok(identity)
}
