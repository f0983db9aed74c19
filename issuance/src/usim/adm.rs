//! VERIFY of the ADM key as a durable step of class X: a wrong one, tried often enough, kills the card.

use cardwright_cos::usim::{AdmState, SimError, adm_state, verify_adm};
use sha2::{Digest, Sha256};

use super::order::NumberOrder;
use super::steps;
use crate::event::{IdempotencyClass, Proof, StepEvent};
use crate::job::Job;
use crate::port::{IssuancePort, Notice};
use crate::remote::Stop;
use crate::step::Intent;

/// With fewer tries left nothing is tried: the next failure would be the last.
const MIN_TRIES: u8 = 2;

/// Verifies the ADM key, unless the card needs none.
///
/// An earlier attempt whose answer was lost is judged by the retry counter: it is lower than before only when the card rejected the key. A
/// key that was rejected is not tried again before a person has looked: it is the wrong key, or the wrong card.
pub(super) async fn authenticate(port: &mut IssuancePort, order: &NumberOrder, job: &mut Job) -> Result<(), Stop> {
    let Some(access) = order.profile.adm else { return Ok(()) };
    let missing = SimError::Missing { profile: order.profile.name.clone(), what: "ADM key" };
    let key = order.adm.as_ref().ok_or(missing)?;
    let before = job.step(steps::ADM);
    let state = match access.tells_tries {
        true => adm_state(port, access.class, access.reference).await?,
        false => AdmState::NotTold,
    };
    let tries = match state {
        AdmState::Tries(left) => Some(left),
        _ => None,
    };
    if before.is_in_doubt() {
        let then = before.intent.as_ref().and_then(|intent| intent.tries_before);
        // After a release attempts are counted anew: the person knows of the earlier ones.
        let rejected = before.attempts > 0 && matches!((then, tries), (Some(then), Some(now)) if now < then);
        job.resolve(port, steps::ADM, if rejected { StepEvent::Failed { sw: None } } else { StepEvent::NotDone })
            .await?;
        if rejected {
            return Err(quarantine(port, job, "the card rejected the ADM key when its answer was lost").await?);
        }
    }
    match state {
        AdmState::Verified => return Ok(()),
        AdmState::Blocked => return Err(quarantine(port, job, "the ADM key is blocked: no try is left").await?),
        AdmState::Tries(left) if left < MIN_TRIES => {
            return Err(quarantine(port, job, "the retry counter of the ADM key is nearly used up").await?);
        }
        AdmState::NotTold if before.attempts > 0 && !before.is_done() => {
            let reason = "one attempt was made on a card that does not tell the retry counter of its ADM key";
            return Err(quarantine(port, job, reason).await?);
        }
        _ => {}
    }
    port.tell(Notice::Stage("verifying the ADM key"));
    let input = Sha256::digest(steps::ADM).into();
    let intent = Intent { tries_before: tries, ..Intent::new(IdempotencyClass::Counter, input) };
    let permit = job.begin(port, steps::ADM, intent).await?;
    let result = verify_adm(port, access.class, access.reference, key).await;
    let outcome = match &result {
        Ok(()) => StepEvent::Succeeded { proof: Proof::Answer },
        Err(SimError::WrongAdm { .. } | SimError::AdmBlocked) => StepEvent::Failed { sw: None },
        Err(error) => super::write::failure_of(error),
    };
    job.settle(port, permit, outcome).await?;
    match result {
        Ok(()) => Ok(()),
        Err(error @ (SimError::WrongAdm { .. } | SimError::AdmBlocked)) => {
            Err(quarantine(port, job, &error.to_string()).await?)
        }
        Err(error) => Err(error.into()),
    }
}

async fn quarantine(port: &mut IssuancePort, job: &mut Job, reason: &str) -> Result<Stop, Stop> {
    job.resolve(port, steps::ADM, StepEvent::Quarantined { reason: reason.into() }).await?;
    Ok(Stop::Quarantined { step: steps::ADM.into(), reason: reason.into() })
}
