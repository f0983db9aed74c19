use cardwright_apdu::{Aid, StatusWord};
use cardwright_gp::command::InstallForInstall;
use cardwright_gp::procedure;
use cardwright_gp::registry::{LifeCycle, Registry, RegistryEntry};
use cardwright_gp::{Error as GpError, Privileges};
use sha2::{Digest, Sha256};

use super::domain::{Domain, Session, outcome_of};
use super::order::{ApplicationOrder, Order};
use super::personalize::personalize;
use super::report::{ApplicationRow, IssueError, Outcome, Report, Stop};
use super::steps;
use crate::event::{Event, IdempotencyClass, Proof, StepEvent};
use crate::job::Job;
use crate::port::{Conversation, IssuancePort, Notice};
use crate::step::Intent;

/// Loads whose end was never seen before shorter commands are tried.
const MAX_LOST_LOADS: u32 = 3;

/// Brings a card to what the order says, from wherever it is; the journal and the card say what is left to do.
///
/// The conversation ends with [`Outcome::Complete`] when every step is proved. Run again with the same journal after
/// [`Outcome::Interrupted`], or after a crash at any point, it goes on with the first step that is not proved.
#[must_use]
pub fn issue(order: Order) -> Conversation<Result<Outcome<Report>, IssueError>> {
    Conversation::new(|mut port| async move {
        match run(&mut port, &order).await {
            Ok(report) => Ok(Outcome::Complete(report)),
            Err(stop) => stop.into_outcome(),
        }
    })
}

async fn run(port: &mut IssuancePort, order: &Order) -> Result<Report, Stop> {
    let mut domain = Domain::meet_for(port, order).await?;
    Stop::unless_released(port, &mut domain.job, order.release.as_ref()).await?;
    let mut jobs = Vec::with_capacity(order.applications.len());
    for application in &order.applications {
        let mut job = Job::read(port, domain.facts.identity.application_entity(&application.instance)?).await?;
        Stop::unless_released(port, &mut job, order.release.as_ref()).await?;
        refuse_open_deletion(&job, application.instance)?;
        let load_file = application.load_file.aid();
        let identity = &domain.facts.identity;
        refuse_open_deletion(&Job::read(port, identity.application_entity(&load_file)?).await?, load_file)?;
        jobs.push(job);
    }

    let mut session = domain.open(port, order).await?;
    Domain::refuse_initial_keys(order, &session)?;
    let registry = domain.list(port, &mut session).await?;
    let before = ApplicationRow::all(port, &domain.facts.identity, &registry).await?;
    port.tell(Notice::Applications(before.clone()));

    let mut changed = false;
    for (application, job) in order.applications.iter().zip(&mut jobs) {
        changed |= content(port, &mut domain, &mut session, &registry, (order, application), job).await?;
    }
    for (application, job) in order.applications.iter().zip(&mut jobs) {
        if needs_personalization(&registry, application, job) {
            session.opened.channel.close();
            personalize(port, &domain, application, job).await?;
            changed = true;
        }
    }

    if !session.has_new_keys {
        session = domain.reopen(port, order, &session).await?;
        if !session.has_new_keys {
            domain.replace_keys(port, order, &mut session).await?;
            changed = true;
        }
    }
    let is_settled = |(application, job): (&ApplicationOrder, &Job)| {
        job.state().completed || is_by_others(&registry, application, job)
    };
    let complete = domain.job.state().completed && order.applications.iter().zip(&jobs).all(is_settled);
    if !changed && complete {
        return Ok(report(&domain, session, before.clone(), before, false));
    }

    port.tell(Notice::Stage("proving what is on the card"));
    domain.select(port).await?;
    let mut session = domain.open(port, order).await?;
    let registry = domain.list(port, &mut session).await?;
    if !session.has_new_keys {
        return Err(IssueError::NotProved { what: "the new key set of the security domain".into() }.into());
    }
    for (application, job) in order.applications.iter().zip(&mut jobs) {
        let aid = application.instance;
        let Some(entry) = registry.application(&aid) else {
            return Err(IssueError::NotProved { what: format!("application {aid}") }.into());
        };
        if job.step(steps::MASTER_KEY).is_done() && !job.state().completed {
            let life_cycle = entry.life_cycle.map(|life_cycle| life_cycle.0);
            let _durable = job.record(port, &[Event::Completed { life_cycle }]).await?;
        }
    }
    if !domain.job.state().completed {
        let _durable = domain.job.record(port, &[Event::Completed { life_cycle: None }]).await?;
    }
    let after = ApplicationRow::all(port, &domain.facts.identity, &registry).await?;
    Ok(report(&domain, session, before, after, changed))
}

fn report(
    domain: &Domain,
    session: Session,
    before: Vec<ApplicationRow>,
    after: Vec<ApplicationRow>,
    changed: bool,
) -> Report {
    let (protocol, kvn) = (session.opened.protocol.name(), session.opened.kvn);
    Report { card: domain.facts.clone(), before, after, protocol, kvn, changed }
}

/// What somebody wanted off the card is not put on it again by the way.
fn refuse_open_deletion(job: &Job, aid: Aid) -> Result<(), IssueError> {
    if job.step(steps::DELETE).is_in_doubt() { Err(IssueError::OpenDeletion { aid }) } else { Ok(()) }
}

/// Loads and installs what the card lacks: two durable steps of class C, whose first look is the listing.
async fn content(
    port: &mut IssuancePort,
    domain: &mut Domain,
    session: &mut Session,
    registry: &Registry,
    (access, order): (&Order, &ApplicationOrder),
    job: &mut Job,
) -> Result<bool, Stop> {
    let load_file = order.load_file.aid();
    let entry = registry.application(&order.instance);
    let installed = entry.is_some();
    if !installed && !registry.tells_applications() {
        return Err(IssueError::NotListed { what: "applications" }.into());
    }
    if !installed && !registry.tells_load_files() {
        return Err(IssueError::NotListed { what: "load files" }.into());
    }
    if let Some(entry) = entry {
        check_installed(entry, order, job)?;
    }
    let on_card = registry.load_file(&load_file);
    if let (Some(expected), Some(actual)) = (order.version, on_card.and_then(|entry| entry.version))
        && expected != actual
    {
        return Err(IssueError::OtherVersion { load_file, expected, actual }.into());
    }
    let mut install = InstallForInstall::new(load_file, order.module, order.instance)
        .with_privileges(Privileges::NONE, access.profile.privileges);
    install.application_parameters = &order.parameters;
    let load_input = Sha256::digest(order.load_file.as_bytes()).into();
    let install_input = Sha256::digest(install.and_make_selectable()?.data()).into();

    let loaded = installed || on_card.is_some();
    let todo = [(steps::LOAD, loaded, load_input), (steps::INSTALL, installed, install_input)];
    let lost = todo.iter().any(|(step, there, _)| job.step(step).is_done() && !there);
    let other = todo.iter().any(|(step, there, input)| {
        let step = job.step(step);
        !step.is_done() && !there && step.intent.is_some_and(|intent| intent.input != *input)
    });
    if lost || other {
        // Deleted by others, or the order was changed while nothing of it was on the card.
        let _durable = job.record(port, &[Event::Gone]).await?;
    }

    if settle_by_listing(port, job, steps::LOAD, loaded).await? {
        port.tell(Notice::Stage("loading the application"));
        if job.step(steps::LOAD).attempts >= MAX_LOST_LOADS {
            domain.step_down(port).await?;
        }
        let mut result = load(port, domain, session, order, job, load_input).await;
        if matches!(
            &result,
            Err(Stop::Error(IssueError::Gp(GpError::Refused { command: "LOAD", sw: StatusWord::WRONG_LENGTH })))
        ) && domain.step_down(port).await?
        {
            // The card or its reader fail at the longest block; the channel has lost count by it.
            *session = domain.reopen(port, access, session).await?;
            result = load(port, domain, session, order, job, load_input).await;
        }
        result?;
    }
    if settle_by_listing(port, job, steps::INSTALL, installed).await? {
        port.tell(Notice::Stage("installing the application"));
        let permit = job.begin(port, steps::INSTALL, Intent::new(IdempotencyClass::Compare, install_input)).await?;
        let result = procedure::install(port, &mut session.opened.channel, &install).await;
        job.settle(port, permit, outcome_of(&result)).await?;
        result?;
    }
    Ok(!installed)
}

/// One attempt of the step *load*. A load file that takes too many blocks is refused before the step is begun.
async fn load(
    port: &mut IssuancePort,
    domain: &Domain,
    session: &mut Session,
    order: &ApplicationOrder,
    job: &mut Job,
    input: [u8; 32],
) -> Result<(), Stop> {
    let channel = &mut session.opened.channel;
    let limit = domain.command_limit();
    let block = channel.protocol().max_data(channel.level(), limit.unwrap_or(255));
    order.load_file.number_of_blocks(block).map_err(GpError::from)?;
    let permit = job.begin(port, steps::LOAD, Intent::new(IdempotencyClass::Compare, input)).await?;
    let listener = port.clone();
    let progress = |done, total| listener.tell(Notice::Loading { done, total });
    let result = procedure::load(port, channel, domain.facts.domain, &order.load_file, limit, progress).await;
    job.settle(port, permit, outcome_of(&result)).await?;
    Ok(result?)
}

/// Makes sure that the application on the card is the one of the order, and in no earlier state than the record.
fn check_installed(entry: &RegistryEntry, order: &ApplicationOrder, job: &Job) -> Result<(), IssueError> {
    let aid = order.instance;
    match entry.load_file {
        Some(actual) if actual != order.load_file.aid() => {
            return Err(IssueError::OtherLoadFile { application: aid, expected: order.load_file.aid(), actual });
        }
        _ => {}
    }
    if let (true, Some(expected), Some(actual)) = (job.state().completed, job.state().life_cycle, entry.life_cycle)
        && LifeCycle(expected).is_personalized()
        && !actual.is_personalized()
    {
        return Err(IssueError::Contradiction { aid, expected, actual: actual.0 });
    }
    if entry.life_cycle.is_some_and(|life_cycle| life_cycle.is_locked()) && !job.step(steps::MASTER_KEY).is_done() {
        return Err(IssueError::Locked { aid });
    }
    Ok(())
}

/// Settles a step by what the listing shows; `true` when it is left to do.
async fn settle_by_listing(
    port: &mut IssuancePort,
    job: &mut Job,
    name: &'static str,
    there: bool,
) -> Result<bool, Stop> {
    let step = job.step(name);
    let finding = match (there, step.is_in_doubt(), step.is_done()) {
        (true, true, _) => Some(StepEvent::Succeeded { proof: Proof::Probe }),
        (true, false, false) => Some(StepEvent::Succeeded { proof: Proof::Found }),
        (false, true, _) => Some(StepEvent::NotDone),
        _ => None,
    };
    if let Some(finding) = finding {
        job.resolve(port, name, finding).await?;
    }
    Ok(!there)
}

/// Whether the application lacks its own keys. One that was personalized by others is left alone.
fn needs_personalization(registry: &Registry, order: &ApplicationOrder, job: &Job) -> bool {
    !job.step(steps::MASTER_KEY).is_done() && !is_by_others(registry, order, job)
}

/// Whether the application was personalized, and not by this job.
fn is_by_others(registry: &Registry, order: &ApplicationOrder, job: &Job) -> bool {
    let on_card = registry.application(&order.instance).and_then(|entry| entry.life_cycle);
    job.step(steps::MASTER_KEY).intent.is_none() && on_card.is_some_and(LifeCycle::is_personalized)
}
