use cardwright_apdu::Aid;
use cardwright_gp::CardProfile;

use super::domain::Domain;
use super::report::{IssueError, Outcome, Stop};
use super::steps;
use crate::CardIdentity;
use crate::event::Event;
use crate::job::Job;
use crate::port::{Conversation, IssuancePort};

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

async fn run(port: &mut IssuancePort, application: Aid) -> Result<CardIdentity, Stop> {
    let domain = Domain::meet(port, None, &CardProfile::standard()).await?;
    let identity = domain.facts.identity;
    let mut job = Job::read(port, identity.application_entity(&application)?).await?;
    if !job.step(steps::MASTER_KEY).is_done() {
        return Err(IssueError::NotIssued { aid: application }.into());
    }
    let _durable = job.record(port, &[Event::Used]).await?;
    Ok(identity)
}
