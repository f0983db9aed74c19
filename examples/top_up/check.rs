//! The checker: what is on the cards against what the bank took, card by card. It looks at nothing else but the disputes that settlement
//! has told of.

use crate::bank::Bank;
use crate::card::Plastic;

/// What was found, and the sums that show it.
pub(crate) struct Checked {
    pub(crate) on_cards: i64,
    pub(crate) taken: i64,
    /// In dispute, and of that not on a card.
    pub(crate) disputed: i64,
    pub(crate) not_on_cards: i64,
    pub(crate) wrong: Vec<String>,
}

/// Compares; `disputes` are account and amount.
pub(crate) fn check(cards: &[Plastic], bank: &Bank, disputes: &[(String, i64)]) -> Checked {
    let mut checked = Checked {
        on_cards: 0,
        taken: bank.debits - bank.reversals - bank.corrections,
        disputed: disputes.iter().map(|(_, amount)| amount).sum(),
        not_on_cards: 0,
        wrong: Vec::new(),
    };
    for card in cards {
        let (balance, taken) = (card.balance(), bank.net(&card.account()));
        let open: Vec<i64> =
            disputes.iter().filter(|(account, _)| *account == card.account()).map(|(_, amount)| *amount).collect();
        checked.on_cards += balance;
        checked.not_on_cards += taken - balance;
        if !can_make(taken - balance, &open) {
            let name = card.account();
            checked.wrong.push(format!("{name}: {balance} on the card, {taken} taken, in dispute {open:?}"));
        }
    }
    if checked.on_cards != checked.taken - checked.not_on_cards {
        checked.wrong.push(format!("the bank's sum is {}, that of its accounts another", checked.taken));
    }
    checked
}

/// Whether some of the amounts add up to the rest.
fn can_make(rest: i64, amounts: &[i64]) -> bool {
    rest == 0
        || amounts.split_first().is_some_and(|(first, others)| can_make(rest, others) || can_make(rest - first, others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_is_a_sum_of_disputes() {
        assert!(can_make(0, &[]) && can_make(300, &[100, 200, 400]) && can_make(0, &[5]));
        assert!(!can_make(50, &[100]) && !can_make(-100, &[100]));
    }
}
