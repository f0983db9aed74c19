//! A bank: it books each id once, late, or unheard; its file says what it booked, and sometimes it says it badly.

use std::collections::{BTreeMap, BTreeSet};

use cardwright::issuance::account::{AccountError, AccountRequest, BookingReference, BookingStatus};

use crate::dice::Dice;

/// What it has too much of when it books another amount.
const TOO_MUCH: u32 = 100;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mishap {
    Late,
    Unheard,
    Doubled,
    OtherAmount,
}

impl Mishap {
    pub(crate) const ALL: [Self; 4] = [Self::Late, Self::Unheard, Self::Doubled, Self::OtherAmount];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Late => "bank: request arrives late",
            Self::Unheard => "bank: answer lost",
            Self::Doubled => "bank: request arrives twice",
            Self::OtherAmount => "bank: books another amount",
        }
    }
}

struct Row {
    reference: String,
    booking: String,
    kind: char,
    account: String,
    amount: u32,
}

#[derive(Default)]
pub(crate) struct Bank {
    pub(crate) faults: bool,
    bookings: BTreeMap<String, (AccountRequest, BookingStatus)>,
    /// What was taken under the id of a debit, and is not given back.
    taken: BTreeMap<String, u32>,
    cancelled: BTreeSet<String>,
    under_way: Vec<AccountRequest>,
    /// What is taken from each account.
    net: BTreeMap<String, i64>,
    pub(crate) debits: i64,
    pub(crate) reversals: i64,
    pub(crate) corrections: i64,
    file: Vec<Row>,
    pub(crate) mishaps: BTreeMap<Mishap, u32>,
}

impl Bank {
    pub(crate) fn new(faults: bool) -> Self {
        Self { faults, ..Self::default() }
    }

    /// What is taken from an account and not given back.
    pub(crate) fn net(&self, account: &str) -> i64 {
        self.net.get(account).copied().unwrap_or(0)
    }

    pub(crate) fn ask(&mut self, request: &AccountRequest, dice: &mut Dice) -> Result<BookingStatus, AccountError> {
        let mishap = (self.faults && dice.percent(8)).then(|| Mishap::ALL[dice.below(4)]);
        let is_debit = matches!(request, AccountRequest::Debit { .. });
        let mishap = mishap.filter(|mishap| is_debit || *mishap != Mishap::OtherAmount);
        if let Some(mishap) = mishap {
            *self.mishaps.entry(mishap).or_default() += 1;
        }
        // Now and then an account has no cover.
        if is_debit && dice.percent(3) && !self.bookings.contains_key(&id_of(request)) {
            self.bookings.insert(id_of(request), (request.clone(), BookingStatus::Refused));
        }
        match mishap {
            Some(Mishap::Late) => {
                self.under_way.push(request.clone());
                return Err(AccountError::NoAnswer);
            }
            Some(Mishap::Doubled) => drop(self.book(request, 0)),
            _ => {}
        }
        let status = self.book(request, if mishap == Some(Mishap::OtherAmount) { TOO_MUCH } else { 0 });
        if mishap == Some(Mishap::Unheard) { Err(AccountError::NoAnswer) } else { Ok(status) }
    }

    /// Requests that were under way arrive; nobody waits for their answers.
    pub(crate) fn deliver(&mut self) {
        for request in std::mem::take(&mut self.under_way) {
            let _nobody_hears = self.book(&request, 0);
        }
    }

    pub(crate) fn book(&mut self, request: &AccountRequest, more: u32) -> BookingStatus {
        let id = id_of(request);
        if let Some((before, status)) = self.bookings.get(&id) {
            let is_same = before == request || matches!(request, AccountRequest::Query { .. });
            return if is_same { status.clone() } else { BookingStatus::Refused };
        }
        let status = match request {
            AccountRequest::Query { .. } => return BookingStatus::NotSeen,
            AccountRequest::Debit { .. } if self.cancelled.contains(&id) => BookingStatus::Refused,
            AccountRequest::Debit { account, amount, .. } => {
                let amount = amount + more;
                self.taken.insert(id.clone(), amount);
                *self.net.entry(account.to_string()).or_default() += i64::from(amount);
                self.debits += i64::from(amount);
                self.row(&id, 'D', account.as_str(), amount)
            }
            AccountRequest::Reverse { debit, account, .. } => {
                self.cancelled.insert(debit.to_string());
                match self.taken.remove(debit.as_str()) {
                    // Nothing was taken, and nothing will be.
                    None => self.booked(),
                    Some(amount) => {
                        *self.net.entry(account.to_string()).or_default() -= i64::from(amount);
                        self.reversals += i64::from(amount);
                        self.row(&id, 'R', account.as_str(), amount)
                    }
                }
            }
            _ => BookingStatus::Refused,
        };
        self.bookings.insert(id, (request.clone(), status.clone()));
        status
    }

    fn booked(&self) -> BookingStatus {
        let reference = BookingReference::new(&format!("B{}", self.bookings.len() + 1));
        reference.map_or(BookingStatus::Refused, |reference| BookingStatus::Booked { reference })
    }

    fn row(&mut self, booking: &str, kind: char, account: &str, amount: u32) -> BookingStatus {
        let (booking, account) = (booking.to_owned(), account.to_owned());
        self.file.push(Row { reference: format!("B{}", self.bookings.len() + 1), booking, kind, account, amount });
        self.booked()
    }

    /// The bank gives back what it booked too much, when it is asked to.
    pub(crate) fn correct(&mut self, booking: &str, amount: u32) {
        if let Some((AccountRequest::Debit { account, .. }, _)) = self.bookings.get(booking)
            && let Some(taken) = self.taken.get_mut(booking)
            && *taken > amount
        {
            let too_much = i64::from(*taken - amount);
            *taken = amount;
            *self.net.entry(account.to_string()).or_default() -= too_much;
            self.corrections += too_much;
        }
    }

    /// The file of a day; with faults a row is missing, one is doubled, and one is somebody else's.
    pub(crate) fn file(&mut self, date: &str, dice: &mut Dice) -> String {
        let mut lines: Vec<String> = std::mem::take(&mut self.file)
            .iter()
            .map(|Row { reference, booking, kind, account, amount }| {
                format!("{date},{reference},{booking},{kind},{account},{amount}\n")
            })
            .collect();
        if self.faults && lines.len() > 10 {
            let place = dice.below(lines.len());
            lines.remove(place);
            let place = dice.below(lines.len());
            lines.push(lines[place].clone());
            lines.push(format!("{date},X{date},OTHER-{date},D,token-of-another,4200\n"));
        }
        format!("date,reference,booking,kind,account,amount\n{}", lines.concat())
    }
}

pub(crate) fn id_of(request: &AccountRequest) -> String {
    match request {
        AccountRequest::Debit { booking, .. }
        | AccountRequest::Reverse { booking, .. }
        | AccountRequest::Query { booking } => booking.to_string(),
        _ => String::new(),
    }
}
