//! The durable step: a pure reducer.
//!
//! | from | event | to |
//! |---|---|---|
//! | Pending | Begun (durable before the first byte) | Open |
//! | Pending | Succeeded (found on the card) | Succeeded |
//! | Pending | Quarantined | Quarantined |
//! | Open | Succeeded (answer, or probe after a restart) | Succeeded |
//! | Open | Failed, NotDone | Pending, one attempt more |
//! | Open | Lost | Unknown |
//! | Open | Quarantined | Quarantined |
//! | Unknown | Succeeded (probe) | Succeeded |
//! | Unknown | NotDone, Failed | Pending, one attempt more |
//! | Unknown | Quarantined | Quarantined |
//! | Succeeded | Begun, class X | Open: an authentication is good for one card session |
//! | Succeeded | Quarantined, class X | Quarantined: there is no try left for another session |
//! | Quarantined | Released | Unknown when it was begun, else Pending; attempts are counted anew |
//!
//! A program that starts again and finds a step Open treats it as Unknown: the crash lies between intent and outcome.

use thiserror::Error;

use crate::event::{IdempotencyClass, Proof, StepEvent};

/// How often a step is tried before a person has to look.
pub const MAX_ATTEMPTS: u32 = 12;

/// Where a step stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Its state.
    pub state: StepState,
    /// Attempts begun.
    pub attempts: u32,
    /// The last intent, if there was one.
    pub intent: Option<Intent>,
}

/// State of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StepState {
    /// Not begun, or known not to be done.
    #[default]
    Pending,
    /// Begun; no outcome recorded.
    Open,
    /// Begun; the outcome is known to be unknown.
    Unknown,
    /// Done.
    Succeeded(Proof),
    /// Waits for a person.
    Quarantined {
        /// Why.
        reason: String,
    },
}

/// What the last intent said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Idempotency class.
    pub class: IdempotencyClass,
    /// Hash of what the step is to bring about.
    pub input: [u8; 32],
    /// Tries left before an attempt of class `X`.
    pub tries_before: Option<u8>,
    /// Key version that a key step gives.
    pub kvn: Option<u8>,
    /// Name of the key that a key step gives.
    pub key: Option<String>,
}

impl Intent {
    /// An intent without particulars.
    #[must_use]
    pub fn new(class: IdempotencyClass, input: [u8; 32]) -> Self {
        Self { class, input, tries_before: None, kvn: None, key: None }
    }

    /// The event that records it.
    #[must_use]
    pub fn begun(self) -> StepEvent {
        let Self { class, input, tries_before, kvn, key } = self;
        StepEvent::Begun { class, input, tries_before, kvn, key }
    }
}

/// An event that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StepError {
    /// The event does not fit the state.
    #[error("the event does not follow from the state of the step")]
    Illegal,
    /// An attempt with another input than before: the same step must not bring about two things.
    #[error("the step was begun before with other input")]
    InputChanged,
}

impl Step {
    /// Whether the outcome of the last attempt is not known.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        matches!(self.state, StepState::Open | StepState::Unknown)
    }

    /// Whether it is done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, StepState::Succeeded(_))
    }

    pub(crate) fn is_authentication(&self) -> bool {
        self.intent.as_ref().is_some_and(|intent| intent.class == IdempotencyClass::Counter)
    }

    /// The step after an event.
    ///
    /// # Errors
    /// [`StepError`]; the step stays as it was.
    pub fn apply(&self, event: &StepEvent) -> Result<Self, StepError> {
        use StepState::{Open, Pending, Quarantined, Succeeded, Unknown};
        let to = |state| Ok(Self { state, ..self.clone() });
        match (&self.state, event) {
            (Succeeded(_), StepEvent::Begun { class, .. }) if *class != IdempotencyClass::Counter => {
                Err(StepError::Illegal)
            }
            (Pending | Succeeded(_), StepEvent::Begun { class, input, tries_before, kvn, key }) => {
                if self.intent.as_ref().is_some_and(|intent| intent.input != *input) {
                    return Err(StepError::InputChanged);
                }
                let (tries_before, kvn, key) = (*tries_before, *kvn, key.clone());
                let intent = Intent { class: *class, input: *input, tries_before, kvn, key };
                let before = if matches!(self.state, Succeeded(_)) { 0 } else { self.attempts };
                Ok(Self { state: Open, attempts: before + 1, intent: Some(intent) })
            }
            (Pending | Open | Unknown, StepEvent::Succeeded { proof }) => to(Succeeded(*proof)),
            (Open | Unknown, StepEvent::Failed { .. } | StepEvent::NotDone) => to(Pending),
            (Open, StepEvent::Lost) => to(Unknown),
            (Pending | Open | Unknown, StepEvent::Quarantined { reason }) => to(Quarantined { reason: reason.clone() }),
            (Succeeded(_), StepEvent::Quarantined { reason }) if self.is_authentication() => {
                to(Quarantined { reason: reason.clone() })
            }
            (Quarantined { .. }, StepEvent::Released) => {
                let state = if self.intent.is_some() { Unknown } else { Pending };
                Ok(Self { state, attempts: 0, intent: self.intent.clone() })
            }
            _ => Err(StepError::Illegal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(input: u8) -> StepEvent {
        Intent::new(IdempotencyClass::Compare, [input; 32]).begun()
    }

    fn run(events: &[StepEvent]) -> Result<Step, StepError> {
        events.iter().try_fold(Step::default(), |step, event| step.apply(event))
    }

    #[test]
    fn a_lost_attempt_is_in_doubt_until_the_card_was_asked() {
        let lost = run(&[begun(1), StepEvent::Lost]).unwrap();
        assert!(lost.is_in_doubt());
        assert_eq!(lost.apply(&begun(1)), Err(StepError::Illegal), "never begun again without a probe");
        let done = lost.apply(&StepEvent::Succeeded { proof: Proof::Probe }).unwrap();
        assert!(done.is_done());
        assert_eq!(lost.apply(&StepEvent::NotDone).unwrap().apply(&begun(1)).unwrap().attempts, 2);
    }

    #[test]
    fn a_step_is_never_begun_with_another_input_or_after_its_end() {
        assert_eq!(run(&[begun(1), StepEvent::NotDone, begun(2)]), Err(StepError::InputChanged));
        assert_eq!(run(&[begun(1), StepEvent::Succeeded { proof: Proof::Answer }, begun(1)]), Err(StepError::Illegal));
        assert_eq!(run(&[begun(1), begun(1)]), Err(StepError::Illegal));
        assert_eq!(run(&[StepEvent::Lost]), Err(StepError::Illegal));
        assert_eq!(run(&[StepEvent::NotDone]), Err(StepError::Illegal));
    }

    #[test]
    fn an_authentication_may_be_done_again_and_counts_from_one() {
        let begun = Intent::new(IdempotencyClass::Counter, [0; 32]).begun();
        let done = StepEvent::Succeeded { proof: Proof::Answer };
        let again = run(&[begun.clone(), StepEvent::NotDone, begun.clone(), done, begun]).unwrap();
        assert_eq!((again.state, again.attempts), (StepState::Open, 1));
    }

    #[test]
    fn an_authentication_that_succeeded_is_quarantined_when_there_is_no_try_for_another() {
        let done = StepEvent::Succeeded { proof: Proof::Answer };
        let held = StepEvent::Quarantined { reason: "one try left".into() };
        let authentication = Intent::new(IdempotencyClass::Counter, [0; 32]).begun();
        let state = run(&[authentication, done.clone(), held.clone()]).unwrap().state;
        assert!(matches!(state, StepState::Quarantined { .. }));
        assert_eq!(run(&[begun(1), done, held]), Err(StepError::Illegal));
    }

    #[test]
    fn quarantine_ends_only_by_release_and_then_asks_the_card() {
        let reason = || StepEvent::Quarantined { reason: "neither key".into() };
        let held = run(&[begun(1), StepEvent::Lost, reason()]).unwrap();
        assert_eq!(held.apply(&begun(1)), Err(StepError::Illegal));
        assert_eq!(held.apply(&StepEvent::Succeeded { proof: Proof::Probe }), Err(StepError::Illegal));
        let released = held.apply(&StepEvent::Released).unwrap();
        assert!(released.is_in_doubt() && released.attempts == 0);
        assert_eq!(run(&[reason(), StepEvent::Released]).unwrap().state, StepState::Pending);
    }
}
