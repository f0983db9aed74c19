//! Compares the money on the cards with the bank's books and with the journal, which is read as its document describes it.

use cardwright::issuance::journal::Record;
use minicbor::Decoder;
use minicbor::decode::Error;

use super::bank::Bank;
use super::card::PurseCard;
use crate::journal_reader::variant;

/// What the journal says last of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No debit stands.
    Closed,
    /// The card has the money.
    Loaded,
    /// The account has its money back.
    Reversed,
    /// The account is debited, and whether the card has the money is not known.
    Disputed,
    /// The card does not have the money, and the bank refused to give it back if it took it.
    Owed,
    /// Under way.
    Open,
}

struct Load {
    id: String,
    amount: i64,
    state: State,
}

/// Everything that is not as it has to be, when nothing is under way any more.
pub(crate) fn check(cards: &[PurseCard], bank: &Bank, records: &[Record]) -> Vec<String> {
    let mut found = Vec::new();
    let (mut held, mut disputed, mut owed, mut debits) = (0, 0, 0, 0);
    for (n, card) in cards.iter().enumerate() {
        let entity = PurseCard::entity(n as u8 + 1);
        let loads = match loads(records, &entity) {
            Ok(loads) => loads,
            Err(error) => {
                found.push(format!("{entity}: {error}"));
                continue;
            }
        };
        let sum = |state| loads.iter().filter(|load| load.state == state).map(|load| load.amount).sum::<i64>();
        let doubts: Vec<i64> =
            loads.iter().filter(|load| load.state == State::Disputed).map(|load| load.amount).collect();
        if !can_make(card.balance() - sum(State::Loaded), &doubts) {
            let states: Vec<_> = loads.iter().map(|load| (load.id.as_str(), load.amount, load.state)).collect();
            found.push(format!("card {n}: it holds {}, the journal says {states:?}", card.balance()));
        }
        for load in &loads {
            let taken = bank.taken(&load.id);
            let is_right = match load.state {
                State::Loaded | State::Disputed => taken == load.amount,
                State::Closed | State::Reversed => taken == 0,
                State::Owed => taken == load.amount || !bank.knows(&load.id),
                State::Open => false,
            };
            if !is_right {
                let Load { id, amount, state } = load;
                found.push(format!("card {n}: load {id} of {amount} is {state:?}, and the bank took {taken}"));
            }
        }
        held += card.balance();
        disputed += sum(State::Disputed);
        owed += loads.iter().filter(|load| load.state == State::Owed).map(|load| bank.taken(&load.id)).sum::<i64>();
        debits += loads.iter().filter(|load| bank.knows(&load.id)).count();
    }
    // On cards = debits - reversals, but for what is in dispute.
    if !(held..=held + disputed).contains(&(bank.total() - owed)) {
        found.push(format!(
            "the cards hold {held}, the bank took {} and owes {owed}, {disputed} is in dispute",
            bank.total()
        ));
    }
    if debits != bank.debits() {
        found.push(format!("the bank has {} debits, the journal knows of {debits}", bank.debits()));
    }
    found
}

/// Whether some of the amounts add up to the rest.
fn can_make(rest: i64, amounts: &[i64]) -> bool {
    rest == 0
        || amounts.split_first().is_some_and(|(first, others)| can_make(rest, others) || can_make(rest - first, others))
}

/// The loads of one purse, in order.
fn loads(records: &[Record], entity: &str) -> Result<Vec<Load>, Error> {
    let mut loads: Vec<Load> = Vec::new();
    for record in records.iter().filter(|record| record.entity.as_str() == entity) {
        let mut decoder = Decoder::new(&record.body);
        let (event, _) = variant(&mut decoder)?;
        if event == 96 {
            let id = decoder.str()?.to_owned();
            decoder.skip()?;
            let amount = decoder.i64()?;
            loads.push(Load { id, amount, state: State::Open });
            continue;
        }
        let load = loads.last_mut().ok_or_else(|| Error::message("a purse begins with a load"))?;
        load.state = match event {
            98 => State::Closed,
            105 => State::Loaded,
            // `why`, 5: the reversal was refused.
            107 if decoder.u8()? == 5 => State::Owed,
            107 => State::Disputed,
            110 => State::Reversed,
            97 | 99..=104 | 106 | 108 | 109 => State::Open,
            111 => {
                // `[resolution]`, an array of mark, finding (0 happened) and a hash.
                decoder.array()?;
                decoder.skip()?;
                if decoder.u8()? == 0 { State::Loaded } else { State::Open }
            }
            _ => return Err(Error::message("an event that is none of a purse")),
        };
    }
    Ok(loads)
}
