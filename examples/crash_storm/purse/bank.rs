//! Whoever keeps the accounts: each booking is booked once, requests and answers get lost, and what was lost arrives late.

use std::collections::BTreeMap;

use cardwright::issuance::account::{AccountError, AccountRequest, BookingReference, BookingStatus};

use crate::chance::Chance;
use crate::weather::Hazard;

/// What the bank has booked under one id.
struct Booking {
    request: AccountRequest,
    status: BookingStatus,
}

#[derive(Default)]
pub(crate) struct Bank {
    bookings: BTreeMap<String, Booking>,
    /// Net amount by debit: what was taken and not given back.
    taken: BTreeMap<String, i64>,
    cancelled: Vec<String>,
    under_way: Vec<AccountRequest>,
}

impl Bank {
    /// What is taken from all accounts.
    pub(crate) fn total(&self) -> i64 {
        self.taken.values().sum()
    }

    /// What is taken under the id of a debit.
    pub(crate) fn taken(&self, debit: &str) -> i64 {
        self.taken.get(debit).copied().unwrap_or(0)
    }

    /// Whether a debit was ever booked under this id.
    pub(crate) fn knows(&self, debit: &str) -> bool {
        self.taken.contains_key(debit)
    }

    /// How many debits were booked, reversed ones too.
    pub(crate) fn debits(&self) -> usize {
        self.taken.len()
    }

    pub(crate) fn ask(&mut self, request: &AccountRequest, chance: &mut Chance) -> Result<BookingStatus, AccountError> {
        if chance.strikes(Hazard::BookingLate) {
            self.under_way.push(request.clone());
            return Err(AccountError::NoAnswer);
        }
        let id = id_of(request);
        if !matches!(request, AccountRequest::Query { .. }) && !self.bookings.contains_key(&id) {
            let status = if chance.strikes(Hazard::BookingPending) {
                self.under_way.push(request.clone());
                Some(BookingStatus::Pending)
            } else {
                chance.strikes(Hazard::BookingRefused).then_some(BookingStatus::Refused)
            };
            if let Some(status) = status {
                self.bookings.insert(id, Booking { request: request.clone(), status });
            }
        }
        let mut status = self.book(request, Time::Asked);
        if chance.strikes(Hazard::BookingDoubled) {
            status = self.book(request, Time::Asked);
        }
        if chance.strikes(Hazard::BookingUnheard) { Err(AccountError::NoAnswer) } else { Ok(status) }
    }

    /// A request that was under way arrives, and nobody waits for its answer any more.
    pub(crate) fn deliver(&mut self, chance: &mut Chance) -> bool {
        let place = chance.dice.below(self.under_way.len());
        if place >= self.under_way.len() {
            return false;
        }
        let request = self.under_way.swap_remove(place);
        self.book(&request, Time::Decided);
        true
    }

    fn book(&mut self, request: &AccountRequest, time: Time) -> BookingStatus {
        let id = id_of(request);
        let before = self.bookings.get(&id);
        if matches!(request, AccountRequest::Query { .. }) {
            return before.map_or(BookingStatus::NotSeen, |booking| booking.status.clone());
        }
        match before {
            Some(before) if before.request != *request => return BookingStatus::Refused,
            Some(before) if before.status != BookingStatus::Pending || time == Time::Asked => {
                return before.status.clone();
            }
            _ => {}
        }
        let status = match request {
            AccountRequest::Debit { .. } if self.cancelled.contains(&id) => BookingStatus::Refused,
            AccountRequest::Debit { amount, .. } => {
                self.taken.insert(id.clone(), (*amount).into());
                self.booked()
            }
            AccountRequest::Reverse { debit, .. } => {
                if let Some(taken) = self.taken.get_mut(debit.as_str()) {
                    *taken = 0;
                }
                self.cancelled.push(debit.to_string());
                self.booked()
            }
            _ => BookingStatus::Refused,
        };
        self.bookings.insert(id, Booking { request: request.clone(), status: status.clone() });
        status
    }

    fn booked(&self) -> BookingStatus {
        let number = format!("B{}", self.bookings.len());
        BookingReference::new(&number).map_or(BookingStatus::Refused, |reference| BookingStatus::Booked { reference })
    }
}

/// When the bank is at a booking that it has not decided yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Time {
    /// Somebody asks: it takes its time.
    Asked,
    /// It decides.
    Decided,
}

fn id_of(request: &AccountRequest) -> String {
    match request {
        AccountRequest::Debit { booking, .. }
        | AccountRequest::Reverse { booking, .. }
        | AccountRequest::Query { booking } => booking.to_string(),
        _ => String::new(),
    }
}
