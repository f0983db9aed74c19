//! The completion predicate: a pure function of the records, of what was read back, of key proofs and of the card's identity.

use std::collections::{BTreeMap, BTreeSet};

use cardwright_cos::script::{Action, Probe, Script, StepClass};
use thiserror::Error;

use crate::CardIdentity;
use crate::event::{Event, EventError, StepEvent};
use crate::journal::Record;

/// What was found of a target that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// What has to be there.
    Same,
    /// Something else, or nothing.
    Different,
    /// The card does not let it be read.
    Unreadable,
}

/// What was found of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEvidence {
    /// The card has it.
    Proved,
    /// The card has another one.
    Refuted,
}

/// What a look at the finished card gave, by the names of steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The card at the beginning.
    pub before: CardIdentity,
    /// The card at the end.
    pub after: CardIdentity,
    /// Targets read back.
    pub reads: BTreeMap<String, ReadBack>,
    /// Keys asked for.
    pub keys: BTreeMap<String, KeyEvidence>,
}

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Missing {
    /// A step without success on record.
    #[error("step {step:?} has no success on record")]
    Step {
        /// The step.
        step: String,
    },
    /// A step that was begun before another one was done that has to be done first.
    #[error("step {step:?} was begun before step {before:?} was done")]
    Order {
        /// The step.
        step: String,
        /// What has to come first.
        before: String,
    },
    /// Something that was not read back, or is another.
    #[error("what step {step:?} wrote was read back and is not there")]
    ReadBack {
        /// The step.
        step: String,
    },
    /// A key that was not proved.
    #[error("the card does not prove that it has the key of step {step:?}")]
    Key {
        /// The step.
        step: String,
    },
    /// Another card.
    #[error("this is another card at the end: {actual} instead of {expected}")]
    Card {
        /// At the beginning.
        expected: CardIdentity,
        /// At the end.
        actual: CardIdentity,
    },
    /// A record that is none of ours.
    #[error("record {seq} cannot be read")]
    Record {
        /// Its number.
        seq: u64,
    },
}

/// Whether the job is complete: every step of the script succeeded, in order; everything that can be read was read and is as it has
/// to be; every key that can be proved was; and it is the same card.
///
/// # Errors
/// [`Missing`] says what is missing first.
pub fn is_complete(script: &Script, records: &[Record], evidence: &Evidence) -> Result<(), Missing> {
    if evidence.before != evidence.after {
        let (expected, actual) = (evidence.before.clone(), evidence.after.clone());
        return Err(Missing::Card { expected, actual });
    }
    check_steps(script, records)?;
    for step in &script.steps {
        let name = || step.name.clone();
        if reads_back(script, &step.name).is_some()
            && !matches!(evidence.reads.get(&step.name), Some(ReadBack::Same | ReadBack::Unreadable))
        {
            return Err(Missing::ReadBack { step: name() });
        }
        if step.proof.is_some() && evidence.keys.get(&step.name) != Some(&KeyEvidence::Proved) {
            return Err(Missing::Key { step: name() });
        }
    }
    Ok(())
}

/// The command that reads what a step wrote, where nothing writes the same place later.
pub(super) fn reads_back<'s>(script: &'s Script, name: &str) -> Option<&'s Probe> {
    let mut directory = 0;
    let mut found = None;
    for step in &script.steps {
        if step.class == StepClass::Session && is_select(&step.action) {
            directory += 1;
        }
        let Probe::Read { command, expected, .. } = &step.probe else { continue };
        if step.name == name {
            found = Some((directory, command, expected.len(), &step.probe));
        } else if let Some((place, before, length, _)) = found
            && (directory, before.instruction(), before.p1()) == (place, command.instruction(), command.p1())
            && overlaps(before, length, command, expected.len())
        {
            found = None;
        }
    }
    found.map(|(.., probe)| probe)
}

/// Records of one number are one place; bytes are where their offsets say.
fn overlaps(
    one: &cardwright_apdu::CommandApdu,
    one_length: usize,
    other: &cardwright_apdu::CommandApdu,
    other_length: usize,
) -> bool {
    if one.instruction().0 != 0xB0 {
        return one.p2() == other.p2();
    }
    let (from, other_from) = (usize::from(one.p2()), usize::from(other.p2()));
    from < other_from + other_length && other_from < from + one_length
}

fn is_select(action: &Action) -> bool {
    matches!(action, Action::Apdu(command) if command.instruction().0 == 0xA4)
}

/// Every step succeeded, and none was begun before all that come earlier.
fn check_steps(script: &Script, records: &[Record]) -> Result<(), Missing> {
    let recorded = || script.steps.iter().filter(|step| step.class != StepClass::Session);
    let mut done: BTreeSet<String> = BTreeSet::new();
    for record in records {
        let event = Event::of(record).map_err(|EventError { seq, .. }| Missing::Record { seq })?;
        match event {
            Event::Gone => done.clear(),
            Event::Step { step, event: StepEvent::Succeeded { .. }, .. } => {
                done.insert(step);
            }
            Event::Step { step, event: StepEvent::Begun { .. }, .. } if recorded().any(|one| one.name == step) => {
                let early = recorded().take_while(|one| one.name != step).find(|one| !done.contains(&one.name));
                if let Some(before) = early {
                    return Err(Missing::Order { step, before: before.name.clone() });
                }
            }
            _ => {}
        }
    }
    match recorded().find(|step| !done.contains(&step.name)) {
        Some(step) => Err(Missing::Step { step: step.name.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{IdempotencyClass, Proof};
    use crate::journal::{Entity, Head};
    use crate::step::Intent;
    use cardwright_cos::script::Values;

    fn script() -> Script {
        let mut script = Script::fmcos_sample(&Values::new()).unwrap();
        script.steps.truncate(10);
        script
    }

    fn records(events: &[Event]) -> Vec<Record> {
        let entity = Entity::new("card/1").unwrap();
        let mut head = Head::GENESIS;
        events
            .iter()
            .map(|event| {
                let record = head.record(1, 0, event.entry(&entity));
                head = record.head();
                record
            })
            .collect()
    }

    fn of(step: &str, event: StepEvent) -> Event {
        Event::Step { step: step.into(), attempt: 1, event }
    }

    fn begun() -> StepEvent {
        Intent::new(IdempotencyClass::Compare, [0; 32]).begun()
    }

    fn all(script: &Script) -> Vec<Event> {
        let done = StepEvent::Succeeded { proof: Proof::Answer };
        let recorded = script.steps.iter().filter(|step| step.class != StepClass::Session);
        recorded.flat_map(|step| [of(&step.name, begun()), of(&step.name, done.clone())]).collect()
    }

    fn evidence(script: &Script) -> Evidence {
        let card = CardIdentity::of_native("given", "1").unwrap();
        let reads = script.steps.iter().filter(|step| matches!(step.probe, Probe::Read { .. }));
        let keys = script.steps.iter().filter(|step| step.proof.is_some());
        Evidence {
            before: card.clone(),
            after: card,
            reads: reads.map(|step| (step.name.clone(), ReadBack::Same)).collect(),
            keys: keys.map(|step| (step.name.clone(), KeyEvidence::Proved)).collect(),
        }
    }

    #[test]
    fn everything_together_is_complete_and_each_part_is_needed() {
        let script = script();
        let events = all(&script);
        let good = evidence(&script);
        assert_eq!(is_complete(&script, &records(&events), &good), Ok(()));

        let record = "directory record 1".to_owned();
        for found in [Some(ReadBack::Different), None] {
            let mut other = good.clone();
            match found {
                Some(found) => other.reads.insert(record.clone(), found),
                None => other.reads.remove(&record),
            };
            let missing = is_complete(&script, &records(&events), &other);
            assert_eq!(missing, Err(Missing::ReadBack { step: record.clone() }));
        }
        for found in [Some(KeyEvidence::Refuted), None] {
            let mut other = good.clone();
            match found {
                Some(found) => other.keys.insert("TAC key 00".into(), found),
                None => other.keys.remove("TAC key 00"),
            };
            let missing = is_complete(&script, &records(&events), &other);
            assert_eq!(missing, Err(Missing::Key { step: "TAC key 00".into() }));
        }
        let after = CardIdentity::of_native("given", "2").unwrap();
        let other = Evidence { after, ..good.clone() };
        assert!(matches!(is_complete(&script, &records(&events), &other), Err(Missing::Card { .. })));
        for (n, event) in events.iter().enumerate() {
            if !matches!(event, Event::Step { event: StepEvent::Succeeded { .. }, .. }) {
                continue;
            }
            let mut fewer = events.clone();
            fewer.remove(n);
            assert!(is_complete(&script, &records(&fewer), &good).is_err(), "without success {n}");
        }
    }

    #[test]
    fn steps_out_of_order_or_undone_are_not_complete() {
        let script = script();
        let good = evidence(&script);
        let mut events = all(&script);
        events.swap(1, 2);
        assert!(matches!(is_complete(&script, &records(&events), &good), Err(Missing::Order { .. })));
        let mut undone = all(&script);
        undone.push(Event::Gone);
        assert!(matches!(is_complete(&script, &records(&undone), &good), Err(Missing::Step { .. })));
        undone.extend(all(&script));
        assert_eq!(is_complete(&script, &records(&undone), &good), Ok(()));
    }

    #[test]
    fn what_is_written_over_is_read_back_once() {
        let text = "00D6950002 1111\n00D6950202 2222\n00D6950102 3333\n00A40000023F01\n00D6950002 4444\n";
        let profile = cardwright_cos::profile::CardProfile::built_in("fmcos-2.0").unwrap();
        let script = Script::read_lines("lines", text, &profile).unwrap();
        let read: Vec<_> = script.steps.iter().map(|step| reads_back(&script, &step.name).is_some()).collect();
        assert_eq!(read, [false, false, true, false, true]);
    }
}
