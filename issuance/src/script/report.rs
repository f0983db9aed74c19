use cardwright_apdu::{StatusWord, TransportErrorKind};
use cardwright_cos::Error as CosError;
use thiserror::Error;

use super::predicate::Missing;
use crate::CardIdentity;
use crate::job::JobError;
use crate::journal::EntityError;
use crate::remote::{InterruptedDuring, Outcome};
use crate::store::StoreError;

/// What a run brought about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScriptReport {
    /// The card.
    pub card: CardIdentity,
    /// Its answer to reset at the end.
    pub atr: Vec<u8>,
    /// Steps of the script that are on record.
    pub steps: usize,
    /// What was read back and was as it has to be.
    pub read_back: usize,
    /// What the card does not let anybody read, by step.
    pub unreadable: Vec<String>,
    /// Keys that the card proved to have, by step.
    pub proved: Vec<String>,
    /// Keys that no command can ask for, by step: the card's answer is all there is.
    pub unproved: Vec<String>,
    /// Whether anything had to be done.
    pub changed: bool,
}

/// Why a run ended without an outcome.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScriptRunError {
    /// The card has no identity, so that no job can be resumed with it.
    #[error("the card tells nothing that it could be known by: give its number")]
    NoIdentity,
    /// A number that names no card.
    #[error("a card's number has 1 to 32 printable ASCII characters without /")]
    BadIdentity,
    /// Another card than the one that the run began with.
    #[error("this is another card: {actual} instead of {expected}; put the first one back")]
    OtherCard {
        /// Identity at the beginning.
        expected: String,
        /// Identity now.
        actual: String,
    },
    /// The card is none that the script may begin on, or none that it ends with.
    #[error("the card's answer to reset is not the one of a card {expected} this script")]
    WrongCard {
        /// Before or after.
        expected: &'static str,
    },
    /// The script is for cards of another profile.
    #[error("the script is for profile {expected:?}, the order says {actual:?}")]
    OtherProfile {
        /// What the script says.
        expected: String,
        /// What the order says.
        actual: String,
    },
    /// A step was begun with another command than the script has now, or after another selection; or it was taken out, or put in before
    /// one that was begun. Nothing was sent for it.
    #[error(
        "step {step:?} was begun with other input than the script has now: finish with the script that it was begun with"
    )]
    ScriptChanged {
        /// The step.
        step: String,
    },
    /// The card refused a step, and did not do it.
    #[error("step {step:?}: the card answers {sw}")]
    Refused {
        /// The step.
        step: String,
        /// The card's status.
        sw: StatusWord,
    },
    /// What the predicate misses.
    #[error(transparent)]
    Incomplete(#[from] Missing),
    /// The card.
    #[error("step {step:?}: {source}")]
    Card {
        /// The step.
        step: String,
        /// What happened.
        source: CosError,
    },
    /// The journal.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An identity that cannot be an entity.
    #[error(transparent)]
    Entity(#[from] EntityError),
}

/// Why a stage stops.
pub(super) enum Stop {
    Error(ScriptRunError),
    Interrupted(InterruptedDuring),
    Quarantined {
        step: String,
        reason: String,
    },
    /// What happened cannot be told, and the script can begin anew.
    Restart,
}

impl Stop {
    pub(super) fn into_outcome<T>(self) -> Result<Outcome<T>, ScriptRunError> {
        match self {
            Self::Error(error) => Err(error),
            Self::Interrupted(during) => Ok(Outcome::Interrupted(during)),
            Self::Quarantined { step, reason } => Ok(Outcome::Quarantined { step, reason }),
            Self::Restart => {
                let reason = "the card cannot be put back to where the script begins".into();
                Ok(Outcome::Quarantined { step: super::steps::RESTART.into(), reason })
            }
        }
    }

    /// What an error of the card means in a step.
    pub(super) fn of_card(step: &str, source: CosError) -> Self {
        match source {
            CosError::Transport { command, source } if !is_fault(&source.kind) => {
                Self::Interrupted(InterruptedDuring { command, kind: source.kind })
            }
            source => Self::Error(ScriptRunError::Card { step: step.into(), source }),
        }
    }
}

/// Whether what came back is wrong, rather than missing.
fn is_fault(kind: &TransportErrorKind) -> bool {
    matches!(kind, TransportErrorKind::Exchange(_) | TransportErrorKind::Diverged { .. })
}

impl<E: Into<ScriptRunError>> From<E> for Stop {
    fn from(error: E) -> Self {
        match error.into() {
            ScriptRunError::Job(JobError::AttemptsSpent { step, attempts, .. }) => {
                Self::Quarantined { step, reason: format!("tried {attempts} times") }
            }
            error => Self::Error(error),
        }
    }
}
