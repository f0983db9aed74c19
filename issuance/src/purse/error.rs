use thiserror::Error;

use super::id::TransactionId;
use super::load::LoadRecordError;
use crate::journal::EntityError;
use crate::machine::MachineError;
use crate::quarantine::CaseError;
use crate::store::StoreError;

/// Why a load was not begun, or did not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Another load of this card has not ended.
    #[error("load {id} of this card has not ended: resume it first")]
    OpenLoad {
        /// Its id.
        id: TransactionId,
    },
    /// The id was used for a load of another purse, amount or account.
    #[error("load {id} was ordered before with another purse, amount or account")]
    OrderChanged {
        /// The id.
        id: TransactionId,
    },
    /// The id was used for another card.
    #[error("transaction id {id} belongs to another card")]
    UsedElsewhere {
        /// The id.
        id: TransactionId,
    },
    /// Nothing is known of the id.
    #[error("there is no load {id}")]
    NoSuchLoad {
        /// The id.
        id: TransactionId,
    },
    /// The application does not say what its keys are diversified with, or who it is.
    #[error("SELECT: the application gives no serial number: its purse cannot be told from others")]
    NoSerialNumber,
    /// Records that do not add up, or an event that cannot follow.
    #[error(transparent)]
    Machine(#[from] MachineError<LoadRecordError>),
    /// The case of a dispute.
    #[error(transparent)]
    Case(#[from] MachineError<CaseError>),
    /// The card told two states, one after the other.
    #[error(
        "INITIALIZE FOR LOAD: serial number or balance changed between two answers: one of them is an old one, played back"
    )]
    OtherState,
    /// A card is needed, and the run has none.
    #[error("the load cannot go on without its card")]
    NoCard,
    /// GlobalPlatform's SELECT.
    #[error(transparent)]
    Gp(#[from] cardwright_gp::Error),
    /// The card, or the key service.
    #[error(transparent)]
    Cos(#[from] cardwright_cos::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An identity that cannot be an entity.
    #[error(transparent)]
    Entity(#[from] EntityError),
}
