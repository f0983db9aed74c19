use cardwright_apdu::Aid;

use super::report::IssueError;
use crate::CardIdentity;

/// What the ledger of an application's money says, outside: a bank, a clearing house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// What is on the card, in the smallest unit of the currency.
    pub amount: u64,
    /// Transactions that are not settled.
    pub unsettled: u32,
}

/// That nobody loses money when an application is deleted from a card: its balance is nil, and all of its transactions are settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    card: CardIdentity,
    application: Aid,
}

impl Settled {
    /// Takes what the ledger says of this application on this card.
    ///
    /// # Errors
    /// [`IssueError::NotSettled`].
    pub fn of(card: CardIdentity, application: Aid, balance: Balance) -> Result<Self, IssueError> {
        match balance {
            Balance { amount: 0, unsettled: 0 } => Ok(Self { card, application }),
            Balance { amount, unsettled } => Err(IssueError::NotSettled { aid: application, amount, unsettled }),
        }
    }

    /// Whose money it was.
    #[must_use]
    pub fn card(&self) -> &CardIdentity {
        &self.card
    }

    /// The application.
    #[must_use]
    pub fn application(&self) -> Aid {
        self.application
    }
}
