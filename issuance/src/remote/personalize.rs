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
use crate::event::{Event, IdempotencyClass, Proof, StepEvent};
use crate::job::Job;
use crate::port::{IssuancePort, Notice};
use crate::step::{Intent, StepState};

/// With fewer tries left nothing is tried: the next failure would be the last.
const MIN_TRIES: u8 = 2;
/// Attempts since the last success, with whatever key and whether they were answered or not, that are risked on a card that does
/// not tell its retry counter. Three tries are usual: one is left then.
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
    for (step, key) in [(steps::MASTER_KEY, &order.master_key), (steps::MAINTENANCE_KEY, &order.maintenance_key)] {
        let step_now = job.step(step);
        let before = step_now.intent.as_ref().and_then(|intent| intent.key.clone()).unwrap_or_default();
        if step_now.is_in_doubt() && before != key.to_string() {
            // With another key in hand the look at the card would cost a try and say nothing.
            return Err(IssueError::OrderChanged { step, before, now: key.to_string() }.into());
        }
    }
    let expected = select(port, order).await?.diversification_factor();
    domain.select(port).await?;
    domain.same_card(port, None).await?;
    let factor = select(port, order).await?.diversification_factor();
    if factor != expected {
        return Err(IssueError::OtherSerialNumber { aid: order.instance }.into());
    }
    let factor = factor.ok_or(IssueError::NoSerialNumber { aid: order.instance })?;
    let own = |key: &KeyRef| key.clone().diversified(Diversification::Pboc { factor });
    let initial = own(&order.initial_master_key);
    let master = own(&order.master_key);
    let maintenance = own(&order.maintenance_key);

    let new_first = is_new_key_likelier(port, order, job).await?;
    if new_first {
        // One master key or the other is on the card. The new one settles everything.
        let verdict = authenticate(port, order, job, steps::AUTHENTICATE_MASTER, &master, Tries::Ask).await?;
        if verdict == Verdict::Accepted {
            return Ok(());
        }
    }
    if authenticate(port, order, job, steps::AUTHENTICATE_INITIAL, &initial, Tries::Ask).await? == Verdict::Rejected {
        // A key command that the card refused may have been executed all the same.
        if !new_first
            && job.step(steps::MASTER_KEY).attempts > 0
            && authenticate(port, order, job, steps::AUTHENTICATE_MASTER, &master, Tries::Ask).await?
                == Verdict::Accepted
        {
            return Ok(());
        }
        let reason = "the application does not have the expected master key";
        return Err(quarantine(port, job, steps::AUTHENTICATE_INITIAL, reason).await?);
    }
    if !job.step(steps::MAINTENANCE_KEY).is_done() {
        if job.step(steps::MAINTENANCE_KEY).is_in_doubt() {
            // This key cannot be proved; writing the same value again is right in either case.
            job.resolve(port, steps::MAINTENANCE_KEY, StepEvent::NotDone).await?;
        }
        let update = Replacement { update: order.maintenance_update, key: &maintenance, name: &order.maintenance_key };
        let (permit, result) = replace(port, job, steps::MAINTENANCE_KEY, &initial, update).await?;
        let outcome = match &result {
            Ok(()) => StepEvent::Succeeded { proof: Proof::Answer },
            Err(error) => failure_of(error),
        };
        job.settle(port, permit, outcome).await?;
        result?;
    }
    let update = Replacement { update: order.master_update, key: &master, name: &order.master_key };
    let (permit, result) = replace(port, job, steps::MASTER_KEY, &initial, update).await?;
    if let Err(error) = result {
        job.settle(port, permit, failure_of(&error)).await?;
        return Err(error.into());
    }
    // 9000 alone proves nothing: the step stays open until the card accepts the new key.
    drop(permit);
    match authenticate(port, order, job, steps::AUTHENTICATE_MASTER, &master, Tries::Full).await? {
        Verdict::Accepted => Ok(()),
        Verdict::Rejected => {
            let reason = "the card said that it took a new master key and does not accept it";
            Err(quarantine(port, job, steps::AUTHENTICATE_MASTER, reason).await?)
        }
    }
}

/// Whether the new master key is tried before the initial one.
///
/// It is when the outcome of its update, or of an attempt with it, is not known: an attempt with another key in between would
/// lower the retry counter that judges it. It is, too, when the update was sent and refused, and the counter is lower than
/// before the last attempt with the initial key: the card has rejected that key since.
async fn is_new_key_likelier(port: &mut IssuancePort, order: &ApplicationOrder, job: &Job) -> Result<bool, Stop> {
    let [update, with_new, with_initial] =
        [steps::MASTER_KEY, steps::AUTHENTICATE_MASTER, steps::AUTHENTICATE_INITIAL].map(|step| job.step(step));
    if update.is_in_doubt() {
        return Ok(true);
    }
    let is_same_key =
        update.intent.and_then(|intent| intent.key).is_some_and(|key| key == order.master_key.to_string());
    if update.attempts == 0 || !is_same_key {
        return Ok(false);
    }
    // After a release the attempts are counted anew, and nothing is known of the last one: the counter decides, where it is told.
    if with_new.is_in_doubt() && (with_new.attempts > 0 || !order.tells_tries) {
        return Ok(true);
    }
    // In doubt, it is judged in the same way when its turn comes, and costs no try.
    if with_initial.state != StepState::Pending || !order.tells_tries {
        return Ok(false);
    }
    let then = with_initial.intent.and_then(|intent| intent.tries_before);
    let now = cardwright_cos::tries_left(port, order.master_update.kid).await?;
    Ok(matches!((then, now), (Some(then), Some(now)) if now < then))
}

/// What is known of the retry counter before an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tries {
    /// Nothing: the card is asked, where it tells.
    Ask,
    /// A success in this very session has set it back.
    Full,
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
    tries: Tries,
) -> Result<Verdict, Stop> {
    let kid = order.master_update.kid;
    let before = job.step(step);
    let asks = tries == Tries::Ask && order.tells_tries;
    let tries = if asks { cardwright_cos::tries_left(port, kid).await? } else { None };
    if before.is_in_doubt() {
        // A person who released the step knows that the counter is lower, and may have put another key in place.
        let is_released = before.attempts == 0;
        let then = before.intent.as_ref().and_then(|intent| intent.tries_before).filter(|_| !is_released);
        let rejected = matches!((then, tries), (Some(then), Some(now)) if now < then);
        let finding = if rejected { StepEvent::Failed { sw: None } } else { StepEvent::NotDone };
        let consequence = if rejected { of_master_key(job, step, Verdict::Rejected) } else { None };
        job.resolve_all(port, [(step, finding)].into_iter().chain(consequence)).await?;
        if rejected {
            return Ok(Verdict::Rejected);
        }
    }
    match tries {
        Some(0) => return Err(quarantine(port, job, step, "the card master key is locked: no try is left").await?),
        Some(left) if left < MIN_TRIES => {
            return Err(quarantine(port, job, step, "the retry counter of the master key is nearly used up").await?);
        }
        None if job.state().tries_risked >= MAX_BLIND_ATTEMPTS => {
            let reason = "attempts without success on a card that does not tell its retry counter: one try may be left";
            return Err(quarantine(port, job, step, reason).await?);
        }
        _ => {}
    }
    // The attempt begins with its answer to the challenge: a card that is gone before has not counted.
    let challenge = cardwright_cos::get_challenge(port, 8).await?;
    let input = Sha256::digest(step).into();
    let intent = Intent { tries_before: tries, ..Intent::new(IdempotencyClass::Counter, input) };
    let permit = job.begin(port, step, intent).await?;
    let mut keys = port.clone();
    let result = cardwright_cos::answer_challenge(port, &mut keys, key, kid, challenge).await;
    let outcome = match &result {
        Ok(()) => StepEvent::Succeeded { proof: Proof::Answer },
        Err(CosError::WrongKey { .. } | CosError::Locked) => StepEvent::Failed { sw: None },
        Err(error) => failure_of(error),
    };
    let consequence = match &result {
        Ok(()) => of_master_key(job, step, Verdict::Accepted),
        Err(CosError::WrongKey { .. }) => of_master_key(job, step, Verdict::Rejected),
        Err(_) => None,
    };
    job.settle_with(port, permit, outcome, consequence).await?;
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

/// What the verdict on a key says of the step *master-key*. It is recorded with the authentication: after a crash between the
/// two the same key would be tried again, and cost a try of the card for nothing.
fn of_master_key(job: &Job, step: &str, verdict: Verdict) -> Option<(&'static str, StepEvent)> {
    let master_key = job.step(steps::MASTER_KEY);
    let finding = match verdict {
        _ if step != steps::AUTHENTICATE_MASTER => return None,
        Verdict::Accepted if !master_key.is_done() => StepEvent::Succeeded { proof: Proof::Probe },
        Verdict::Rejected if master_key.is_in_doubt() => StepEvent::NotDone,
        _ => return None,
    };
    Some((steps::MASTER_KEY, finding))
}

/// A key to be replaced.
struct Replacement<'a> {
    update: KeyUpdate,
    /// The card's own new key.
    key: &'a KeyRef,
    /// The key as the order names it.
    name: &'a KeyRef,
}

/// Begins a key step and sends its command; the caller settles it.
async fn replace(
    port: &mut IssuancePort,
    job: &mut Job,
    step: &'static str,
    master: &KeyRef,
    Replacement { update, key, name }: Replacement<'_>,
) -> Result<(crate::job::Permit, Result<(), CosError>), Stop> {
    let mut keys = port.clone();
    let prepared = cardwright_cos::prepare_key_update(port, &mut keys, master, update, key).await?;
    let mut input = Sha256::new_with_prefix(update.key_header());
    input.update(prepared.kcv.0);
    let intent =
        Intent { key: Some(name.to_string()), ..Intent::new(IdempotencyClass::Compare, input.finalize().into()) };
    let before = job.step(step).intent;
    if step == steps::MASTER_KEY && before.is_some_and(|before| before.input != intent.input) {
        // The card has just accepted its initial key: it never took the one meant before.
        let _durable = job.record(port, &[Event::Gone]).await?;
    }
    let permit = job.begin(port, step, intent).await?;
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
