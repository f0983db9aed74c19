//! The application's own keys: authenticate with the master key that it was born with, replace the maintenance key and,
//! last, the master key; the new master key then proves all before it.

use cardwright_cos::{ApplicationInformation, Error as CosError, KeyUpdate};
use cardwright_gp::procedure;
use cardwright_keys::{Diversification, KeyRef};
use sha2::{Digest, Sha256};

use super::domain::{Domain, refusal};
use super::order::ApplicationOrder;
use super::report::{IssueError, Stop};
use super::steps;
use crate::event::{IdempotencyClass, Proof, StepEvent};
use crate::job::{Job, intent};
use crate::port::{IssuancePort, Notice};
use crate::step::Intent;

/// With fewer tries left nothing is tried: the next failure would be the last.
const MIN_TRIES: u8 = 2;
/// Attempts of unknown outcome in a row that are risked on a card that does not tell its retry counter.
const MAX_BLIND_ATTEMPTS: u32 = 2;

/// Selects the application and reads what it says of itself.
async fn select(port: &mut IssuancePort, order: &ApplicationOrder) -> Result<ApplicationInformation, Stop> {
    let fci = procedure::select(port, Some(&order.instance)).await?;
    Ok(ApplicationInformation::parse(&fci.raw).ok_or(IssueError::NoSerialNumber { aid: order.instance })?)
}

/// Gives the application its own keys.
///
/// Its serial number is read before it is made sure that the card is still the one of this job, and again after: the
/// application that is selected then is that card's, and a damaged answer is found before it costs a try.
pub(super) async fn personalize(
    port: &mut IssuancePort,
    domain: &Domain,
    order: &ApplicationOrder,
    job: &mut Job,
) -> Result<(), Stop> {
    port.tell(Notice::Stage("personalizing the application"));
    let expected = select(port, order).await?.diversification_factor();
    procedure::select(port, None).await?;
    domain.same_card(port).await?;
    let factor = select(port, order).await?.diversification_factor();
    if factor != expected {
        return Err(IssueError::OtherSerialNumber { aid: order.instance }.into());
    }
    let own = |key: &KeyRef| key.clone().diversified(Diversification::Pboc { factor });
    let initial = own(&order.initial_master_key);
    let master = own(&order.master_key);
    let maintenance = own(&order.maintenance_key);

    if job.step(steps::MASTER_KEY).is_in_doubt() {
        // One master key or the other is on the card. The new one is tried first: it settles everything.
        match authenticate(port, order, job, steps::AUTHENTICATE_MASTER, &master).await? {
            Verdict::Accepted => {
                return Ok(job.resolve(port, steps::MASTER_KEY, StepEvent::Succeeded { proof: Proof::Probe }).await?);
            }
            Verdict::Rejected => job.resolve(port, steps::MASTER_KEY, StepEvent::NotDone).await?,
        }
    }
    if authenticate(port, order, job, steps::AUTHENTICATE_INITIAL, &initial).await? == Verdict::Rejected {
        // A key command that the card refused may have been executed all the same.
        if job.step(steps::MASTER_KEY).attempts > 0
            && authenticate(port, order, job, steps::AUTHENTICATE_MASTER, &master).await? == Verdict::Accepted
        {
            return Ok(job.resolve(port, steps::MASTER_KEY, StepEvent::Succeeded { proof: Proof::Probe }).await?);
        }
        let reason = "the application does not have the expected master key";
        return Err(quarantine(port, job, steps::AUTHENTICATE_INITIAL, reason).await?);
    }
    if !job.step(steps::MAINTENANCE_KEY).is_done() {
        if job.step(steps::MAINTENANCE_KEY).is_in_doubt() {
            // This key cannot be proved; writing the same value again is right in either case.
            job.resolve(port, steps::MAINTENANCE_KEY, StepEvent::NotDone).await?;
        }
        let (permit, result) =
            replace(port, job, steps::MAINTENANCE_KEY, &initial, order.maintenance_update, &maintenance).await?;
        let outcome = match &result {
            Ok(()) => StepEvent::Succeeded { proof: Proof::Answer },
            Err(error) => failure_of(error),
        };
        job.settle(port, permit, outcome).await?;
        result?;
    }
    let (permit, result) = replace(port, job, steps::MASTER_KEY, &initial, order.master_update, &master).await?;
    if let Err(error) = result {
        job.settle(port, permit, failure_of(&error)).await?;
        return Err(error.into());
    }
    // 9000 alone proves nothing: the step stays open until the card accepts the new key.
    drop(permit);
    match authenticate(port, order, job, steps::AUTHENTICATE_MASTER, &master).await? {
        Verdict::Accepted => {
            Ok(job.resolve(port, steps::MASTER_KEY, StepEvent::Succeeded { proof: Proof::Probe }).await?)
        }
        Verdict::Rejected => {
            let reason = "the card took a new master key and does not accept it";
            Err(quarantine(port, job, steps::MASTER_KEY, reason).await?)
        }
    }
}

/// What the card said of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Rejected,
}

/// EXTERNAL AUTHENTICATE as a durable step of class X.
///
/// An earlier attempt whose answer was lost is judged by the retry counter: it is lower than before only when the card
/// rejected the key, since success sets it back. Nothing is tried with fewer than [`MIN_TRIES`] left.
async fn authenticate(
    port: &mut IssuancePort,
    order: &ApplicationOrder,
    job: &mut Job,
    step: &'static str,
    key: &KeyRef,
) -> Result<Verdict, Stop> {
    let kid = order.master_update.kid;
    let before = job.step(step);
    // While it is not known which master key the card has, every attempt may be the wrong one.
    let in_question = before.is_in_doubt() || job.step(steps::MASTER_KEY).attempts > 0;
    let tries = if in_question && order.tells_tries { cardwright_cos::tries_left(port, kid).await? } else { None };
    if before.is_in_doubt() {
        let then = before.intent.and_then(|intent| intent.tries_before);
        let rejected = matches!((then, tries), (Some(then), Some(now)) if now < then);
        let finding = if rejected { StepEvent::Failed { sw: None } } else { StepEvent::NotDone };
        job.resolve(port, step, finding).await?;
        if rejected {
            return Ok(Verdict::Rejected);
        }
    }
    match tries {
        Some(left) if left < MIN_TRIES => {
            return Err(quarantine(port, job, step, "the retry counter of the master key is nearly used up").await?);
        }
        None if before.is_in_doubt() && before.attempts >= MAX_BLIND_ATTEMPTS => {
            let reason = "attempts of unknown outcome on a card that does not tell its retry counter";
            return Err(quarantine(port, job, step, reason).await?);
        }
        _ => {}
    }
    let input = Sha256::digest(step).into();
    let permit =
        job.begin(port, step, Intent { tries_before: tries, ..intent(IdempotencyClass::Counter, input) }).await?;
    let mut keys = port.clone();
    let result = cardwright_cos::authenticate(port, &mut keys, key, kid).await;
    let outcome = match &result {
        Ok(()) => StepEvent::Succeeded { proof: Proof::Answer },
        Err(CosError::WrongKey { .. } | CosError::Locked) => StepEvent::Failed { sw: None },
        Err(error) => failure_of(error),
    };
    job.settle(port, permit, outcome).await?;
    match result {
        Ok(()) => Ok(Verdict::Accepted),
        Err(CosError::WrongKey { tries_left }) => match tries_left {
            Some(left) if left < MIN_TRIES => {
                Err(quarantine(port, job, step, "the card rejected the master key and has one try left at most")
                    .await?)
            }
            _ => Ok(Verdict::Rejected),
        },
        Err(error) => Err(error.into()),
    }
}

/// Begins a key step and sends its command; the caller settles it.
async fn replace(
    port: &mut IssuancePort,
    job: &mut Job,
    step: &'static str,
    master: &KeyRef,
    update: KeyUpdate,
    key: &KeyRef,
) -> Result<(crate::job::Permit, Result<(), CosError>), Stop> {
    let mut keys = port.clone();
    let prepared = cardwright_cos::prepare_key_update(port, &mut keys, master, update, key).await?;
    let mut input = Sha256::new_with_prefix(update.key_header());
    input.update(prepared.kcv.0);
    let permit = job.begin(port, step, intent(IdempotencyClass::Compare, input.finalize().into())).await?;
    let result = cardwright_cos::update_key(port, prepared).await;
    Ok((permit, result))
}

fn failure_of(error: &CosError) -> StepEvent {
    match error {
        CosError::Refused { sw, .. } => refusal(*sw),
        CosError::Keys(_) => StepEvent::Failed { sw: None },
        _ => StepEvent::Lost,
    }
}

async fn quarantine(port: &mut IssuancePort, job: &mut Job, step: &'static str, reason: &str) -> Result<Stop, Stop> {
    job.resolve(port, step, StepEvent::Quarantined { reason: reason.into() }).await?;
    Ok(Stop::Quarantined { step: step.into(), reason: reason.into() })
}
