//! What is loaded onto which card: rules with a version, which stands in the record of every load that they allowed.
//!
//! | rule | refused with |
//! |---|---|
//! | the amount is 1 to 4294967295, and within the limit of one load | [`RuleError::Negative`], [`RuleError::Amount`] |
//! | the balance after it is within the limit | [`RuleError::Amount`] |
//! | the day's loads and this one are within the limit of a day | [`RuleError::DayLimit`] |
//! | the card is not on the black list | [`RuleError::BlackListed`] |
//! | its online serial number is not below that after its last load | [`RuleError::SerialBehind`] |
//! | nor above it, where all of its loads are ours | [`RuleError::SerialAhead`] |
//! | where it is that number, the balance is not above that after the last load: purchases only lower it | [`RuleError::Balance`] |
//!
//! What the card says is under a MAC1 that verifies. Dates that do not exist are no
//! [`TransactionTime`](cardwright_cos::purse::TransactionTime).

use std::collections::BTreeSet;

use cardwright_cos::purse::{Amount, AmountError};
use thiserror::Error;

use crate::journal::Entity;
use crate::purse::{Load, LoadRules, LoadState, Reading};

/// The rules in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Version, and the limits of one load.
    pub limits: LoadRules,
    /// The most that a purse may be loaded with on one day, in the smallest unit of the currency.
    pub max_a_day: u64,
    /// Cards that are loaded no more, by the entity of their purses.
    pub black_list: BTreeSet<Entity>,
    /// Whether cards are loaded by other systems, too.
    pub others_load: bool,
}

/// What the rules do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RuleError {
    /// A load takes nothing from a card.
    #[error("the amount {units} is below 0")]
    Negative {
        /// The amount.
        units: i128,
    },
    /// Nothing, too much at once, or too much in the purse.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// Too much on one day.
    #[error("{loaded} were loaded today, and {amount} more are over the limit of {limit}")]
    DayLimit {
        /// What was loaded today.
        loaded: u64,
        /// What is asked for.
        amount: u32,
        /// The most on a day.
        limit: u64,
    },
    /// The card is on the black list.
    #[error("the card is on the black list")]
    BlackListed,
    /// The card is an image of itself from before a load.
    #[error("the card's online serial number {serial} is below {least}: it was loaded since")]
    SerialBehind {
        /// The card's.
        serial: u16,
        /// What it is at least.
        least: u16,
    },
    /// Somebody else loaded the card.
    #[error("the card's online serial number {serial} is above {expected}: another system loaded it")]
    SerialAhead {
        /// The card's.
        serial: u16,
        /// What it was after our last load.
        expected: u16,
    },
    /// More than it can hold.
    #[error("the card holds {balance}, more than the {most} after its last load")]
    Balance {
        /// What it holds.
        balance: u32,
        /// The most that it can hold.
        most: u32,
    },
}

/// An amount as a person or another system asks for it.
///
/// # Errors
/// [`RuleError::Negative`], [`RuleError::Amount`] for 0 and for more than a purse can take.
pub fn requested(units: i128) -> Result<Amount, RuleError> {
    if units < 0 {
        return Err(RuleError::Negative { units });
    }
    Ok(Amount::new(u64::try_from(units).unwrap_or(u64::MAX))?)
}

impl Rules {
    /// Whether a load may begin, on a day of the host, YYYY MM DD as the card gets it.
    ///
    /// # Errors
    /// [`RuleError`] names the rule.
    pub fn check(&self, amount: Amount, reading: &Reading<'_>, date: [u8; 4]) -> Result<(), RuleError> {
        self.limits.check(amount, reading.balance)?;
        if self.black_list.contains(reading.card) {
            return Err(RuleError::BlackListed);
        }
        self.check_day(amount, reading, date)?;
        self.check_card(reading)
    }

    fn check_day(&self, amount: Amount, reading: &Reading<'_>, date: [u8; 4]) -> Result<(), RuleError> {
        let is_today = |load: &&Load| load.credit.is_some_and(|credit| credit.time().date() == date);
        let today = loaded(reading).filter(is_today);
        let loaded = today.fold(0u64, |sum, load| sum.saturating_add(load.amount.get().into()));
        let (amount, limit) = (amount.get(), self.max_a_day);
        match loaded.saturating_add(amount.into()) > limit {
            true => Err(RuleError::DayLimit { loaded, amount, limit }),
            false => Ok(()),
        }
    }

    /// Whether the card is as its last load left it, but for purchases.
    fn check_card(&self, reading: &Reading<'_>) -> Result<(), RuleError> {
        let Some(last) = loaded(reading).last().and_then(|load| load.credit) else { return Ok(()) };
        let (serial, least) = (reading.serial, reading.loads.least_serial(reading.purse));
        if serial < least {
            return Err(RuleError::SerialBehind { serial, least });
        }
        if serial > least {
            let ahead = RuleError::SerialAhead { serial, expected: least };
            return if self.others_load { Ok(()) } else { Err(ahead) };
        }
        let (balance, most) = (reading.balance.0, last.new_balance().0);
        if balance > most { Err(RuleError::Balance { balance, most }) } else { Ok(()) }
    }
}

/// The loads that this purse has taken.
fn loaded<'a>(reading: &Reading<'a>) -> impl Iterator<Item = &'a Load> {
    let purse = reading.purse;
    reading.loads.loads().iter().filter(move |load| load.purse == purse && matches!(load.state, LoadState::Loaded(_)))
}

#[cfg(test)]
pub(crate) mod tests {
    use cardwright_cos::purse::{Balance, PurseKind};

    use super::*;
    use crate::machine::Machine;
    use crate::purse::{LoadedBy, PurseEvent, PurseHistory};

    pub(crate) fn rules() -> Rules {
        let limits = LoadRules { version: 3, max_amount: Amount::new(50_000).unwrap(), max_balance: Balance(100_000) };
        Rules { limits, max_a_day: 60_000, black_list: BTreeSet::new(), others_load: false }
    }

    fn card() -> Entity {
        Entity::new("purse/1111-22").unwrap()
    }

    /// Loads of 1000 each on one day, from serial number 4 and balance 100 on; the last one reversed.
    fn history(times: u32) -> PurseHistory {
        let mut history = PurseHistory::default();
        for n in 0..=times {
            let (serial, balance) = (4 + n as u16, 100 + n * 1000);
            let (terminal, random, mac1, mac2) = ([1; 6], [2; 4], [3; 4], [4; 4]);
            let time = [0x20, 0x24, 0x05, 0x06, 0x07, 0x08, 0x09];
            let end = match n == times {
                false => vec![PurseEvent::Loaded { by: LoadedBy::Answer, tac: None }],
                true => vec![
                    PurseEvent::NotLoaded,
                    PurseEvent::ReversalRequested,
                    PurseEvent::Reversed { reference: "R".into() },
                ],
            };
            let (key_version, algorithm) = (1, 0);
            let begin = [
                PurseEvent::Opened { id: format!("T{n}"), purse: 2, amount: 1000, account: "A".into() },
                PurseEvent::Matched { rules: 3 },
                PurseEvent::Initialized { serial, balance, key_version, algorithm, terminal, random, mac1 },
                PurseEvent::DebitRequested,
                PurseEvent::Debited { reference: "B".into() },
                PurseEvent::CreditSent { serial, balance, terminal, time, mac2 },
            ];
            for event in begin.into_iter().chain(end) {
                history = history.apply(&event).unwrap().0;
            }
        }
        history
    }

    fn check(rules: &Rules, amount: u64, (serial, balance): (u16, u32), day: u8) -> Result<(), RuleError> {
        let (card, loads) = (card(), history(2));
        let reading =
            Reading { card: &card, purse: PurseKind::Wallet, balance: Balance(balance), serial, loads: &loads };
        rules.check(Amount::new(amount).unwrap(), &reading, [0x20, 0x24, 0x05, day])
    }

    #[test]
    fn an_amount_is_more_than_nothing_and_fits_the_card() {
        assert_eq!(requested(-1), Err(RuleError::Negative { units: -1 }));
        assert_eq!(requested(0), Err(AmountError::Zero.into()));
        for over in [1 << 32, i128::MAX] {
            assert!(matches!(requested(over), Err(RuleError::Amount(AmountError::OverLimit { .. }))));
        }
        assert_eq!(requested((1 << 32) - 1).unwrap(), Amount::MAX);
    }

    #[test]
    fn limits_of_one_load_and_of_a_day() {
        assert_eq!(check(&rules(), 50_000, (6, 2100), 0x06), Ok(()));
        let over = check(&rules(), 50_001, (6, 2100), 0x06).unwrap_err();
        assert!(matches!(over, RuleError::Amount(AmountError::OverLimit { limit: 50_000, .. })), "{over:?}");
        let day = Rules { max_a_day: 2999, ..rules() };
        let limit = RuleError::DayLimit { loaded: 2000, amount: 1000, limit: 2999 };
        assert_eq!(check(&day, 1000, (6, 2100), 0x06), Err(limit), "the reversed one does not count");
        assert_eq!(check(&day, 999, (6, 2100), 0x06), Ok(()));
        assert_eq!(check(&day, 1000, (6, 2100), 0x07), Ok(()), "another day");
        let full = Rules { limits: LoadRules { max_balance: Balance(3099), ..rules().limits }, ..rules() };
        assert!(matches!(
            check(&full, 1000, (6, 2100), 0x06),
            Err(RuleError::Amount(AmountError::BalanceOverLimit { .. }))
        ));
    }

    #[test]
    fn a_card_is_as_its_last_load_left_it_but_for_purchases() {
        assert_eq!(check(&rules(), 1, (6, 0), 0x06), Ok(()), "all spent");
        assert_eq!(check(&rules(), 1, (6, 2101), 0x06), Err(RuleError::Balance { balance: 2101, most: 2100 }));
        assert_eq!(check(&rules(), 1, (5, 1100), 0x06), Err(RuleError::SerialBehind { serial: 5, least: 6 }));
        let ahead = RuleError::SerialAhead { serial: 7, expected: 6 };
        assert_eq!(check(&rules(), 1, (7, 9000), 0x06), Err(ahead));
        assert_eq!(check(&Rules { others_load: true, ..rules() }, 1, (7, 9000), 0x06), Ok(()));
    }

    #[test]
    fn a_card_on_the_black_list_is_not_loaded() {
        let listed = Rules { black_list: [card()].into(), ..rules() };
        assert_eq!(check(&listed, 1, (6, 2100), 0x06), Err(RuleError::BlackListed));
    }
}
