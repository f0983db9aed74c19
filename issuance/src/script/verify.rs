//! The look at the finished card: reset, read-backs, key proofs, identity; then the predicate.

use std::collections::BTreeMap;

use cardwright_apdu::{CardPort, StatusWord};
use cardwright_cos::Error as CosError;
use cardwright_cos::profile::{Meaning, Operation};
use cardwright_cos::purse::{TerminalNumber, has_purse_key};
use cardwright_cos::script::{Action, KeyProof, Probe, ScriptStep, StepClass};
use sha2::{Digest, Sha256};

use super::predicate::{Evidence, KeyEvidence, ReadBack, is_complete, reads_back};
use super::report::{ScriptReport, ScriptRunError, Stop};
use super::run::{Run, input};
use super::steps;
use crate::event::{Event, IdempotencyClass, Proof, StepEvent};
use crate::port::{IssuancePort, Notice};
use crate::step::Intent;

pub(super) async fn verify(port: &mut IssuancePort, run: &mut Run<'_>) -> Result<ScriptReport, Stop> {
    let script = &run.order.script;
    port.tell(Notice::Stage("reading back, proving keys"));
    if run.job.step(steps::VERIFY).is_in_doubt() {
        run.job.resolve(port, steps::VERIFY, StepEvent::NotDone).await?;
    }
    let was_complete = run.job.state().completed;
    let mut permit = None;
    if !was_complete {
        run.changed = true;
        let mut hash = Sha256::new();
        (0..script.steps.len()).for_each(|n| hash.update(input(script, n)));
        let intent = Intent::new(IdempotencyClass::Overwrite, hash.finalize().into());
        permit = Some(run.job.begin(port, steps::VERIFY, intent).await?);
    }
    let looked = look(port, run).await;
    let found = match looked {
        Ok(found) => found,
        Err(stop) => {
            if let Some(permit) = permit {
                run.job.settle(port, permit, StepEvent::Lost).await?;
            }
            return Err(stop);
        }
    };
    let records = port.history(&run.entity).await?;
    if let Err(missing) = is_complete(script, &records, &found.evidence) {
        let Some(permit) = permit else { return Err(ScriptRunError::Incomplete(missing).into()) };
        let reason = missing.to_string();
        run.job.settle(port, permit, StepEvent::Quarantined { reason: reason.clone() }).await?;
        return Err(Stop::Quarantined { step: steps::VERIFY.into(), reason });
    }
    if let Some(permit) = permit {
        let done = StepEvent::Succeeded { proof: Proof::Answer };
        let _durable = run.job.settle_and(port, permit, done, Event::Completed { life_cycle: None }).await?;
    }
    let Found { evidence, unreadable, unproved } = found;
    let read_back = evidence.reads.values().filter(|read| **read == ReadBack::Same).count();
    Ok(ScriptReport {
        card: run.card.clone(),
        atr: run.atr.clone(),
        steps: run.done(),
        read_back,
        unreadable,
        proved: evidence.keys.into_keys().collect(),
        unproved,
        changed: run.changed,
    })
}

struct Found {
    evidence: Evidence,
    unreadable: Vec<String>,
    unproved: Vec<String>,
}

async fn look(port: &mut IssuancePort, run: &mut Run<'_>) -> Result<Found, Stop> {
    let script = &run.order.script;
    let before = run.card.clone();
    run.reset(port).await?;
    if script.after.as_ref().is_some_and(|after| !after.fits(&run.atr)) {
        return Err(ScriptRunError::WrongCard { expected: "after" }.into());
    }
    let (mut reads, mut keys, mut unproved) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for step in &script.steps {
        if step.class == StepClass::Session {
            run.place(port, step).await?;
        }
        if let Some(Probe::Read { command, expected, .. }) = reads_back(script, &step.name) {
            let name = command.name();
            let response = port.transmit(command.clone()).await;
            let response =
                response.map_err(|source| Stop::of_card(&step.name, CosError::Transport { command: name, source }))?;
            let is_same = response.sw() == StatusWord::OK && response.data() == expected;
            let found = match run.order.profile.meaning(response.sw()) {
                _ if is_same => ReadBack::Same,
                Some(Meaning::NotAllowed) => ReadBack::Unreadable,
                _ => ReadBack::Different,
            };
            reads.insert(step.name.clone(), found);
        }
        match prove(port, run, step).await? {
            Some(found) => drop(keys.insert(step.name.clone(), found)),
            None if brings_a_key(run, step) => unproved.push(step.name.clone()),
            None => {}
        }
    }
    // The card that answered all this is the one that the run began with.
    run.reset(port).await?;
    let unreadable =
        reads.iter().filter(|(_, read)| **read == ReadBack::Unreadable).map(|(name, _)| name.clone()).collect();
    let evidence = Evidence { before, after: run.card.clone(), reads, keys };
    Ok(Found { evidence, unreadable, unproved })
}

/// Asks the card whether it has the key of this step.
async fn prove(port: &mut IssuancePort, run: &mut Run<'_>, step: &ScriptStep) -> Result<Option<KeyEvidence>, Stop> {
    let has_it = match &step.proof {
        None => return Ok(None),
        Some(KeyProof::Internal { id, key }) => {
            let data = port.random().await?;
            let mut keys = port.clone();
            let answer = run.session.has_key(port, &mut keys, key, *id, data).await;
            match answer {
                Ok(has_it) => has_it,
                Err(CosError::Refused { .. }) => false,
                Err(error) => return Err(Stop::of_card(&step.name, error)),
            }
        }
        Some(KeyProof::External { id, key, tries }) => {
            run.prove(port, &format!("{}{}", steps::PROVE, step.name), key, *id, *tries).await?
        }
        Some(KeyProof::Purse { initialization, id, key, pin }) => {
            if let Some((pin_id, pin)) = pin {
                run.present_pin(port, &format!("{}PIN of {}", steps::PROVE, step.name), *pin_id, pin).await?;
            }
            let [.., t1, t2, t3, t4, t5, t6] = port.random().await?;
            let (mut keys, terminal) = (port.clone(), TerminalNumber([t1, t2, t3, t4, t5, t6]));
            match has_purse_key(port, &mut keys, *initialization, (*id, key), terminal).await {
                Ok(has_it) => has_it,
                Err(CosError::Refused { .. }) => false,
                Err(error) => return Err(Stop::of_card(&step.name, error)),
            }
        }
        Some(_) => false,
    };
    Ok(Some(if has_it { KeyEvidence::Proved } else { KeyEvidence::Refuted }))
}

fn brings_a_key(run: &Run<'_>, step: &ScriptStep) -> bool {
    match &step.action {
        Action::WriteKey { .. } => true,
        Action::Apdu(command) => matches!(
            run.order.profile.operation_of(command),
            Some(
                Operation::AddKey | Operation::UpdateKey | Operation::AddKeyEnciphered | Operation::UpdateKeyEnciphered
            )
        ),
        _ => false,
    }
}
