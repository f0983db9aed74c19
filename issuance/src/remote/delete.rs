use cardwright_apdu::Aid;
use cardwright_gp::SecureChannel;
use cardwright_gp::procedure;
use cardwright_gp::registry::{LifeCycle, Registry};
use sha2::{Digest, Sha256};

use super::domain::{Domain, outcome_of};
use super::order::Order;
use super::report::{ApplicationRow, IssueError, Outcome, Report, Stop};
use super::settled::Settled;
use super::steps;
use crate::event::{Event, IdempotencyClass, Proof, StepEvent};
use crate::job::Job;
use crate::port::{Conversation, IssuancePort, Notice};
use crate::step::Intent;

/// What is to be deleted.
#[derive(Clone, Debug)]
pub struct DeleteOrder {
    /// AID of an application or load file.
    pub aid: Aid,
    /// Delete it although it is personalized, and whatever depends on it too.
    pub force: bool,
    /// How the secure channel is opened; its applications do not count.
    pub access: Order,
}

/// Deletes an application or load file: one durable step of class C, for which `6A88` means that it is done.
///
/// Guards: what depends on the object, and an application that is personalized, only with `force`.
///
/// What is not on the card and was deleted before, as the record knows, ends complete with nothing changed. An attempt
/// whose outcome is not known is settled by the listing first: so a deletion that is not wanted any more ends with its
/// guard, and the card can be issued to again.
///
/// Absence from a listing that the card does not give, or not whole, proves nothing: [`IssueError::NotListed`], and the step stays
/// as it was. With `force` DELETE itself is the question then: it is sent, again where an attempt was lost, for this object alone, and
/// the card's answer settles the step.
#[must_use]
pub fn delete(order: DeleteOrder) -> Conversation<Result<Outcome<Report>, IssueError>> {
    conversation(order, None)
}

/// The same for an application with money, which is personalized, and whose balance is nil and settled: for that application on that card
/// alone, without `force`.
#[must_use]
pub fn delete_settled(order: DeleteOrder, settled: Settled) -> Conversation<Result<Outcome<Report>, IssueError>> {
    let access = Order { card: Some(settled.card().clone()), ..order.access };
    conversation(DeleteOrder { access, ..order }, Some(settled.application()))
}

fn conversation(order: DeleteOrder, settled: Option<Aid>) -> Conversation<Result<Outcome<Report>, IssueError>> {
    Conversation::new(move |mut port| async move {
        match run(&mut port, &order, settled).await {
            Ok(report) => Ok(Outcome::Complete(report)),
            Err(stop) => stop.into_outcome(),
        }
    })
}

async fn run(port: &mut IssuancePort, order: &DeleteOrder, settled: Option<Aid>) -> Result<Report, Stop> {
    let aid = order.aid;
    let mut domain = Domain::meet_for(port, &order.access).await?;
    let mut job = Job::read(port, domain.facts.identity.application_entity(&aid)?).await?;
    if job.state().quarantined().is_some_and(|(step, _)| step == steps::DELETE) {
        Stop::unless_released(port, &mut job, order.access.release.as_ref()).await?;
    }
    let mut session = domain.open(port, &order.access).await?;
    let registry = domain.list(port, &mut session).await?;
    let before = ApplicationRow::all(port, &domain.facts.identity, &registry).await?;
    port.tell(Notice::Applications(before.clone()));

    let mut after = None;
    let there = registry.entries.iter().any(|entry| entry.aid == aid);
    let step = job.step(steps::DELETE);
    let gone = registry.dependants(&aid);
    if (there || order.force) && domain.facts.domain == Some(aid) {
        return Err(IssueError::IssuerSecurityDomain { aid }.into());
    }
    if there {
        if step.is_done() {
            // It came back, or the card only said that it was deleted.
            let _durable = job.record(port, &[Event::Gone]).await?;
        } else if step.is_in_doubt() {
            job.resolve(port, steps::DELETE, StepEvent::NotDone).await?;
        }
        check(&registry, &aid, &gone, order.force, settled == Some(aid))?;
        port.tell(Notice::Stage("deleting"));
        let permit = job.begin(port, steps::DELETE, intent(&aid)).await?;
        let result = procedure::delete(port, &mut session.opened.channel, &aid, !gone.is_empty()).await;
        if !matches!(outcome_of(&result), StepEvent::Succeeded { .. }) {
            job.settle(port, permit, outcome_of(&result)).await?;
            result?;
        } else {
            // 9000 alone proves nothing: the step stays open until the card no longer lists it.
            let listed = domain.list(port, &mut session).await?;
            let is_there = listed.entries.iter().any(|entry| entry.aid == aid);
            let outcome = match is_there {
                true => StepEvent::Lost,
                false => StepEvent::Succeeded { proof: Proof::Answer },
            };
            job.settle(port, permit, outcome).await?;
            if is_there {
                return Err(IssueError::NotProved {
                    what: format!("the deletion of {aid}, which the card still lists"),
                }
                .into());
            }
            after = Some(listed);
        }
    } else if let (Some(what), false) = (untold(&registry), step.is_done()) {
        if !order.force {
            return Err(IssueError::NotListed { what }.into());
        }
        delete_unlisted(port, &mut session.opened.channel, &mut job, &aid).await?;
    } else if step.is_in_doubt() {
        job.resolve(port, steps::DELETE, StepEvent::Succeeded { proof: Proof::Probe }).await?;
    } else if job.state().deleted {
        let (protocol, kvn) = (session.opened.protocol.name(), session.opened.kvn);
        return Ok(Report { card: domain.facts, after: before.clone(), before, protocol, kvn, changed: false });
    } else if !step.is_done() {
        return Err(IssueError::NotOnCard { aid }.into());
    }
    let registry = match after {
        Some(listed) => listed,
        None => domain.list(port, &mut session).await?,
    };
    // What was deleted may be issued anew: its steps begin from nothing. In one transaction, so that a run that is cut off
    // before it finds the deletion done and comes here again.
    let identity = &domain.facts.identity;
    let mut dependants = Vec::with_capacity(gone.len());
    for dependant in gone {
        dependants.push(Job::read(port, identity.application_entity(&dependant)?).await?);
    }
    let mut all: Vec<_> = dependants.iter_mut().map(|job| (job, &[Event::Gone][..])).collect();
    all.push((&mut job, &[Event::Gone]));
    let _durable = Job::record_all(port, &mut all).await?;
    let after = ApplicationRow::all(port, identity, &registry).await?;

    let (protocol, kvn) = (session.opened.protocol.name(), session.opened.kvn);
    Ok(Report { card: domain.facts, before, after, protocol, kvn, changed: true })
}

fn intent(aid: &Aid) -> Intent {
    Intent::new(IdempotencyClass::Compare, Sha256::digest(aid.as_bytes()).into())
}

/// What the card does not list. An AID that is not among its applications may be that of a load file, and the reverse.
fn untold(registry: &Registry) -> Option<&'static str> {
    match (registry.tells_applications(), registry.tells_load_files()) {
        (true, true) => None,
        (false, _) => Some("applications"),
        (_, false) => Some("load files"),
    }
}

/// Deletes what the card does not list. DELETE of what is gone is answered so and changes nothing: where an attempt was lost, it is the
/// look at the card.
async fn delete_unlisted(
    port: &mut IssuancePort,
    channel: &mut SecureChannel,
    job: &mut Job,
    aid: &Aid,
) -> Result<(), Stop> {
    port.tell(Notice::Stage("deleting what the card does not list"));
    if job.step(steps::DELETE).is_in_doubt() {
        let deleted = procedure::delete(port, channel, aid, false).await;
        match outcome_of(&deleted) {
            StepEvent::Succeeded { .. } => {
                job.resolve(port, steps::DELETE, StepEvent::Succeeded { proof: Proof::Probe }).await?;
            }
            StepEvent::Failed { sw } => job.resolve(port, steps::DELETE, StepEvent::Failed { sw }).await?,
            // Still not known.
            _ => {}
        }
        deleted?;
        return Ok(());
    }
    let permit = job.begin(port, steps::DELETE, intent(aid)).await?;
    let deleted = procedure::delete(port, channel, aid, false).await;
    let outcome = match deleted {
        Ok(false) => StepEvent::Failed { sw: None },
        _ => outcome_of(&deleted),
    };
    job.settle(port, permit, outcome).await?;
    if deleted? { Ok(()) } else { Err(IssueError::NotOnCard { aid: *aid }.into()) }
}

fn check(registry: &Registry, aid: &Aid, dependants: &[Aid], force: bool, is_settled: bool) -> Result<(), IssueError> {
    if registry.issuer_security_domain().is_some_and(|domain| domain.aid == *aid) {
        return Err(IssueError::IssuerSecurityDomain { aid: *aid });
    }
    if force {
        return Ok(());
    }
    if !dependants.is_empty() {
        return Err(IssueError::HasDependants { aid: *aid, dependants: dependants.to_vec() });
    }
    let life_cycle = registry.application(aid).and_then(|entry| entry.life_cycle);
    if life_cycle.is_some_and(LifeCycle::is_personalized) && !is_settled {
        return Err(IssueError::Personalized { aid: *aid });
    }
    Ok(())
}
