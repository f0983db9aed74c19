//! The three-way match: pure, and each row of each source is in it exactly once.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::bank_file::{BankRow, Booked};
use super::collect::{JournalLoad, When, debit_of};
use super::evidence::Evidence;

/// What does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Class {
    /// The bank booked what the journal does not know.
    #[n(0)]
    BankOnly,
    /// The card has what the bank did not debit, or the journal does not know of.
    #[n(1)]
    CardOnly,
    /// The journal has a debit or reversal that is not in the bank's file.
    #[n(2)]
    NotInBankFile,
    /// Amounts or accounts differ.
    #[n(3)]
    AmountMismatch,
    /// A row that comes twice.
    #[n(4)]
    Duplicate,
    /// A row about nothing of ours.
    #[n(5)]
    ForeignRow,
    /// Loaded, and no reader brought the card's evidence.
    #[n(6)]
    EvidenceMissing,
    /// The evidence's TAC does not verify.
    #[n(7)]
    WrongTac,
    /// In dispute or under way.
    #[n(8)]
    Open,
    /// The bank has a row of what was settled on another day.
    #[n(9)]
    OtherDay,
}

impl Class {
    /// The class in words, as the statement has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BankOnly => "bank only",
            Self::CardOnly => "card only",
            Self::NotInBankFile => "not in the bank's file",
            Self::AmountMismatch => "amount mismatch",
            Self::Duplicate => "duplicate",
            Self::ForeignRow => "foreign row",
            Self::EvidenceMissing => "evidence missing",
            Self::WrongTac => "wrong TAC",
            Self::Open => "open",
            Self::OtherDay => "other day",
        }
    }
}

/// Something that does not match, with the rows that show it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Exception {
    /// Number in the day, from 1.
    #[n(0)]
    pub number: u32,
    /// What does not match.
    #[n(1)]
    pub class: Class,
    /// Id of the load, where it is one of ours.
    #[n(2)]
    pub load: Option<String>,
    /// The amount in question: the journal's where there is one.
    #[n(3)]
    pub amount: u32,
    /// The bank's rows.
    #[n(4)]
    pub bank: Vec<BankRow>,
    /// The cards' rows.
    #[n(5)]
    pub evidence: Vec<Evidence>,
}

/// What is matched.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The bank's rows of the day.
    pub bank: &'a [BankRow],
    /// The journal's loads.
    pub journal: &'a [JournalLoad],
    /// The cards' rows of the day, each with whether its TAC verifies.
    pub evidence: &'a [(Evidence, bool)],
    /// Exceptions that were carried from the day before.
    pub carried: &'a [Exception],
}

/// Sums of a day, in the smallest unit of the currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Totals {
    /// Loads that match.
    #[n(0)]
    pub matched: u32,
    /// What the journal debited.
    #[n(1)]
    pub debited: u64,
    /// What it reversed.
    #[n(2)]
    pub reversed: u64,
    /// What cards were loaded with.
    #[n(3)]
    pub loaded: u64,
    /// What the bank's file debits.
    #[n(4)]
    pub bank_debits: u64,
    /// What it gives back.
    #[n(5)]
    pub bank_reversals: u64,
    /// What the evidence shows on cards.
    #[n(6)]
    pub evidence: u64,
}

/// A day, compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// Sums.
    pub totals: Totals,
    /// Ids of the loads that match, in order.
    pub matched: Vec<String>,
    /// What does not, numbered from 1.
    pub exceptions: Vec<Exception>,
}

/// A row, and whether it was carried from the day before.
#[derive(Clone)]
struct Seen<R> {
    row: R,
    is_carried: bool,
}

/// What the sources say of one load.
#[derive(Default)]
struct Sides {
    debit: Option<Seen<BankRow>>,
    reversal: Option<Seen<BankRow>>,
    evidence: Option<Seen<(Evidence, bool)>>,
}

/// Compares a day.
#[must_use]
pub fn match_day(inputs: Inputs<'_>) -> Matching {
    let mut day = Matching { totals: totals(&inputs), ..Matching::default() };
    let by_id: BTreeMap<&str, usize> =
        inputs.journal.iter().enumerate().map(|(n, load)| (load.id.as_str(), n)).collect();
    let mut sides: Vec<Sides> = inputs.journal.iter().map(|_| Sides::default()).collect();
    let (mut references, mut bookings) = (BTreeSet::new(), BTreeSet::new());

    let carried = inputs.carried.iter().flat_map(|exception| &exception.bank).map(|row| (row, true));
    for (row, is_carried) in carried.chain(inputs.bank.iter().map(|row| (row, false))) {
        let is_new = references.insert(row.reference.as_str()) & bookings.insert((row.booked, row.booking.as_str()));
        let of = by_id.get(debit_of(row)).copied();
        let is_ours = of.is_some() && (row.booked == Booked::Debit || row.booking.ends_with("/reversal"));
        let load = of.and_then(|n| inputs.journal.get(n)).map(|load| load.id.clone());
        match of.and_then(|n| sides.get_mut(n)).filter(|_| is_new && is_ours) {
            Some(sides) => {
                let seen = Some(Seen { row: row.clone(), is_carried });
                match row.booked {
                    Booked::Debit => sides.debit = seen,
                    Booked::Reversal => sides.reversal = seen,
                }
            }
            None => {
                let class = if is_new { Class::ForeignRow } else { Class::Duplicate };
                day.except(class, load, row.amount, vec![row.clone()], Vec::new());
            }
        }
    }

    let by_serial: BTreeMap<(&str, u8, u16), usize> = inputs
        .journal
        .iter()
        .enumerate()
        .filter(|(_, load)| load.loaded != When::Never || load.is_open)
        .filter_map(|(n, load)| Some(((load.card.as_str(), load.purse, load.serial?), n)))
        .collect();
    let mut rows = BTreeSet::new();
    // A TAC that did not verify is not carried as one that does.
    let carried = inputs.carried.iter().filter(|exception| exception.class != Class::WrongTac);
    let carried = carried.flat_map(|exception| &exception.evidence).map(|row| (row, true, true));
    for (row, verifies, is_carried) in carried.chain(inputs.evidence.iter().map(|(row, ok)| (row, *ok, false))) {
        let key = (row.card.as_str(), row.purse, row.serial);
        let of = by_serial.get(&key).copied();
        let load = of.and_then(|n| inputs.journal.get(n)).map(|load| load.id.clone());
        let is_new = rows.insert(key);
        match of.and_then(|n| sides.get_mut(n)).filter(|_| is_new && verifies) {
            Some(sides) => sides.evidence = Some(Seen { row: (row.clone(), verifies), is_carried }),
            None => {
                let class = match (verifies, is_new) {
                    (false, _) => Class::WrongTac,
                    (true, false) => Class::Duplicate,
                    (true, true) => Class::ForeignRow,
                };
                day.except(class, load, row.amount, Vec::new(), vec![row.clone()]);
            }
        }
    }

    let awaits_evidence: BTreeSet<&str> = inputs
        .carried
        .iter()
        .filter(|exception| exception.class == Class::EvidenceMissing)
        .filter_map(|exception| exception.load.as_deref())
        .collect();
    for (load, sides) in inputs.journal.iter().zip(sides) {
        match judge(load, &sides, awaits_evidence.contains(load.id.as_str())) {
            Judgement::Matched => {
                day.totals.matched = day.totals.matched.saturating_add(1);
                day.matched.push(load.id.clone());
            }
            Judgement::NothingMoved => {}
            Judgement::Exception(class) => {
                let bank = [sides.debit, sides.reversal].into_iter().flatten().map(|seen| seen.row).collect();
                let evidence = sides.evidence.into_iter().map(|seen| seen.row.0).collect();
                day.except(class, Some(load.id.clone()), load.amount, bank, evidence);
            }
        }
    }
    day
}

impl Matching {
    fn except(&mut self, class: Class, load: Option<String>, amount: u32, bank: Vec<BankRow>, evidence: Vec<Evidence>) {
        let number = u32::try_from(self.exceptions.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.exceptions.push(Exception { number, class, load, amount, bank, evidence });
    }
}

enum Judgement {
    Matched,
    /// Nothing of it is of this day, or no money moved.
    NothingMoved,
    Exception(Class),
}

fn judge(load: &JournalLoad, sides: &Sides, awaits_evidence: bool) -> Judgement {
    let amounts =
        [&sides.debit, &sides.reversal].into_iter().flatten().map(|seen| (seen.row.amount, &seen.row.account));
    let mut other = amounts.filter(|(amount, account)| *amount != load.amount || **account != load.account);
    let other_evidence = sides.evidence.as_ref().is_some_and(|seen| seen.row.0.amount != load.amount);
    if other.next().is_some() || other_evidence {
        return Judgement::Exception(Class::AmountMismatch);
    }
    let found = debit(load, sides).or_else(|| reversal(load, sides)).or_else(|| evidence(load, sides, awaits_evidence));
    if let Some(class) = found {
        return Judgement::Exception(class);
    }
    let is_moved = [load.debited, load.loaded, load.reversed].contains(&When::Today)
        || sides.debit.is_some()
        || sides.evidence.is_some();
    match (load.is_open, is_moved) {
        (true, _) if load.debited != When::Never || sides.debit.is_some() => Judgement::Exception(Class::Open),
        (false, true) if load.debited != When::Never || sides.debit.is_some() => Judgement::Matched,
        _ => Judgement::NothingMoved,
    }
}

fn debit(load: &JournalLoad, sides: &Sides) -> Option<Class> {
    match (load.debited, sides.debit.as_ref().map(|seen| seen.is_carried)) {
        (When::Today, None) if load.loaded != When::Never => Some(Class::CardOnly),
        (When::Today, None) => Some(Class::NotInBankFile),
        (When::Before, Some(false)) => Some(Class::OtherDay),
        (When::Never, None) if load.loaded != When::Never => Some(Class::CardOnly),
        // Its answer was lost: it is asked about, or it was reversed, and the bank says so, too.
        (When::Never, Some(_)) if load.is_open => Some(Class::Open),
        (When::Never, Some(_)) if load.reversed == When::Never || sides.reversal.is_none() => Some(Class::BankOnly),
        _ => None,
    }
}

fn reversal(load: &JournalLoad, sides: &Sides) -> Option<Class> {
    match (load.reversed, sides.reversal.as_ref().map(|seen| seen.is_carried)) {
        // A debit that never was is cancelled, and nothing moves.
        (When::Today, None) if load.debited == When::Never && sides.debit.is_none() => None,
        (When::Today, None) => Some(Class::NotInBankFile),
        (When::Before, Some(false)) => Some(Class::OtherDay),
        (When::Never, Some(_)) if load.is_open => Some(Class::Open),
        (When::Never, Some(_)) => Some(Class::BankOnly),
        // The bank gave back what neither side says was taken.
        (_, Some(_)) if load.debited == When::Never && sides.debit.is_none() => Some(Class::BankOnly),
        _ => None,
    }
}

fn evidence(load: &JournalLoad, sides: &Sides, awaits_evidence: bool) -> Option<Class> {
    match (load.loaded, &sides.evidence) {
        (When::Today, None) => Some(Class::EvidenceMissing),
        (When::Before, None) if awaits_evidence => Some(Class::EvidenceMissing),
        (When::Never, Some(_)) if load.is_open => Some(Class::Open),
        (When::Never, Some(_)) => Some(Class::CardOnly),
        _ => None,
    }
}

fn totals(inputs: &Inputs<'_>) -> Totals {
    let journal = |when: fn(&JournalLoad) -> When| {
        let today = inputs.journal.iter().filter(move |load| when(load) == When::Today);
        today.map(|load| u64::from(load.amount)).sum()
    };
    let bank = |booked: Booked| {
        inputs.bank.iter().filter(move |row| row.booked == booked).map(|row| u64::from(row.amount)).sum()
    };
    Totals {
        matched: 0,
        debited: journal(|load| load.debited),
        reversed: journal(|load| if load.debited == When::Never { When::Never } else { load.reversed }),
        loaded: journal(|load| load.loaded),
        bank_debits: bank(Booked::Debit),
        bank_reversals: bank(Booked::Reversal),
        evidence: inputs.evidence.iter().map(|(row, _)| u64::from(row.amount)).sum(),
    }
}
