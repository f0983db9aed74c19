//! An account's keeper, in the place of a bank's or an operator's system: its book is a file, a line for each booking.
//!
//! A booking is made once its line is on stable storage, and the same one is not made twice, however often it is asked for.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use cardwright::issuance::account::{
    AccountError, AccountId, AccountPort, AccountRequest, BookingId, BookingReference, BookingStatus,
};

/// Longest book that is read, in bytes.
const LIMIT: u64 = 4 << 20;

/// The keeper, alone with the book while it is open.
pub(crate) struct Keeper {
    file: File,
    bookings: Vec<Booking>,
    /// Why the book could not be written: what stands in it is not known, so that nothing is answered any more.
    pub(crate) fault: Option<io::Error>,
}

/// A line: `ID ACCOUNT AMOUNT` for a debit, `ID ACCOUNT AMOUNT DEBIT` for the reversal of a debit.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Booking {
    id: BookingId,
    account: AccountId,
    amount: u32,
    reverses: Option<BookingId>,
}

impl Keeper {
    /// Opens the book; made when it is not there. A last line that was not written whole is no booking, and goes.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let wrong = |error: io::Error| format!("{name}: {error}");
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(wrong)?;
        file.try_lock().map_err(|error| format!("{name}: {error}"))?;
        let mut bytes = Vec::new();
        (&file).take(LIMIT + 1).read_to_end(&mut bytes).map_err(wrong)?;
        if bytes.len() as u64 > LIMIT {
            return Err(format!("{name}: more than {LIMIT} bytes"));
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        bytes.truncate(whole);
        let text = std::str::from_utf8(&bytes).map_err(|error| format!("{name}: {error}"))?;
        let line = |(n, line)| read(line).ok_or_else(|| format!("{name}: line {}: not a booking", n + 1));
        let bookings = text.lines().enumerate().map(line).collect::<Result<_, _>>()?;
        file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(wrong)?;
        Ok(Self { file, bookings, fault: None })
    }

    fn find(&self, id: &BookingId) -> Option<(usize, &Booking)> {
        self.bookings.iter().enumerate().find(|(_, booking)| booking.id == *id)
    }

    fn is_cancelled(&self, debit: &BookingId) -> bool {
        self.bookings.iter().any(|booking| booking.reverses.as_ref() == Some(debit))
    }

    /// The booking that was made under this id, or that it never can be made.
    fn known(&self, id: &BookingId) -> Option<BookingStatus> {
        match self.find(id) {
            Some((n, _)) => Some(booked(n)),
            None if self.is_cancelled(id) => Some(BookingStatus::Refused),
            None => None,
        }
    }

    fn book(&mut self, booking: Booking) -> Result<BookingStatus, AccountError> {
        if let Some((n, before)) = self.find(&booking.id) {
            return Ok(if *before == booking { booked(n) } else { BookingStatus::Refused });
        }
        let is_allowed = match &booking.reverses {
            None => !self.is_cancelled(&booking.id),
            // A debit that was never seen is cancelled: it is refused when it comes later.
            Some(debit) => {
                let fits = |debit: &Booking| {
                    (&debit.account, debit.amount, &debit.reverses) == (&booking.account, booking.amount, &None)
                };
                *debit != booking.id && !self.is_cancelled(debit) && self.find(debit).is_none_or(|(_, it)| fits(it))
            }
        };
        if !is_allowed {
            return Ok(BookingStatus::Refused);
        }
        if let Err(error) = self.file.write_all(line(&booking).as_bytes()).and_then(|()| self.file.sync_all()) {
            self.fault = Some(error);
            return Err(AccountError::NoAnswer);
        }
        self.bookings.push(booking);
        Ok(booked(self.bookings.len() - 1))
    }
}

impl AccountPort for Keeper {
    fn ask(&mut self, request: &AccountRequest) -> Result<BookingStatus, AccountError> {
        if self.fault.is_some() {
            return Err(AccountError::NoAnswer);
        }
        let (id, account, amount, reverses) = match request.clone() {
            AccountRequest::Query { booking } => return Ok(self.known(&booking).unwrap_or(BookingStatus::NotSeen)),
            AccountRequest::Debit { booking, account, amount } => (booking, account, amount, None),
            AccountRequest::Reverse { booking, debit, account, amount } => (booking, account, amount, Some(debit)),
            _ => return Err(AccountError::NoAnswer),
        };
        self.book(Booking { id, account, amount, reverses })
    }
}

/// What the book says in all.
impl fmt::Display for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let debits = || self.bookings.iter().filter(|booking| booking.reverses.is_none());
        let sum = |bookings: &mut dyn Iterator<Item = &Booking>| -> u64 {
            bookings.map(|booking| u64::from(booking.amount)).sum()
        };
        let taken = sum(&mut debits());
        let given_back = sum(&mut debits().filter(|debit| self.is_cancelled(&debit.id)));
        let times = debits().count();
        write!(f, "debited {taken} in {times} booking{}", if times == 1 { "" } else { "s" })?;
        write!(f, ", given back {given_back}")
    }
}

fn booked(n: usize) -> BookingStatus {
    match BookingReference::new(&format!("line-{}", n + 1)) {
        Ok(reference) => BookingStatus::Booked { reference },
        // Not reached: the text is short and printable.
        Err(_) => BookingStatus::Pending,
    }
}

fn line(Booking { id, account, amount, reverses }: &Booking) -> String {
    match reverses {
        None => format!("{id} {account} {amount}\n"),
        Some(debit) => format!("{id} {account} {amount} {debit}\n"),
    }
}

fn read(line: &str) -> Option<Booking> {
    let words: Vec<_> = line.split(' ').collect();
    let (id, account, amount, reverses) = match words[..] {
        [id, account, amount] => (id, account, amount, None),
        [id, account, amount, debit] => (id, account, amount, Some(BookingId::new(debit).ok()?)),
        _ => return None,
    };
    let (id, account) = (BookingId::new(id).ok()?, AccountId::new(account).ok()?);
    Some(Booking { id, account, amount: amount.parse().ok()?, reverses })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> BookingId {
        BookingId::new(text).unwrap()
    }

    fn debit(text: &str, amount: u32) -> AccountRequest {
        AccountRequest::Debit { booking: id(text), account: AccountId::new("holder").unwrap(), amount }
    }

    fn reversal(text: &str, of: &str, amount: u32) -> AccountRequest {
        let account = AccountId::new("holder").unwrap();
        AccountRequest::Reverse { booking: id(text), debit: id(of), account, amount }
    }

    #[test]
    fn the_same_id_books_once_even_by_another_keeper_of_the_same_book() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book");
        let first = Keeper::open(&path).unwrap().ask(&debit("1", 200)).unwrap();
        for _ in 0..2 {
            let mut keeper = Keeper::open(&path).unwrap();
            assert_eq!(keeper.ask(&debit("1", 200)), Ok(first.clone()));
            assert_eq!(keeper.ask(&AccountRequest::Query { booking: id("1") }), Ok(first.clone()));
            assert_eq!(keeper.ask(&AccountRequest::Query { booking: id("2") }), Ok(BookingStatus::NotSeen));
            assert_eq!(keeper.ask(&debit("1", 201)), Ok(BookingStatus::Refused));
            assert_eq!(keeper.to_string(), "debited 200 in 1 booking, given back 0");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1 holder 200\n");
    }

    #[test]
    fn a_debit_is_given_back_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book");
        let mut keeper = Keeper::open(&path).unwrap();
        keeper.ask(&debit("1", 200)).unwrap();
        for refused in [reversal("1/r", "1", 100), reversal("1", "1", 200)] {
            assert_eq!(keeper.ask(&refused), Ok(BookingStatus::Refused));
        }
        let booked = keeper.ask(&reversal("1/r", "1", 200)).unwrap();
        assert_eq!(keeper.ask(&reversal("1/r", "1", 200)), Ok(booked));
        assert_eq!(keeper.ask(&reversal("other", "1", 200)), Ok(BookingStatus::Refused));
        assert_eq!(keeper.to_string(), "debited 200 in 1 booking, given back 200");
    }

    #[test]
    fn a_debit_that_comes_after_its_reversal_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut keeper = Keeper::open(&folder.path().join("book")).unwrap();
        assert!(matches!(keeper.ask(&reversal("1/r", "1", 200)), Ok(BookingStatus::Booked { .. })));
        assert_eq!(keeper.ask(&AccountRequest::Query { booking: id("1") }), Ok(BookingStatus::Refused));
        assert_eq!(keeper.ask(&debit("1", 200)), Ok(BookingStatus::Refused));
        assert_eq!(keeper.to_string(), "debited 0 in 0 bookings, given back 0");
    }

    #[test]
    fn half_a_line_is_no_booking_and_a_strange_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book");
        std::fs::write(&path, "1 holder 200\n2 holder 30").unwrap();
        let mut keeper = Keeper::open(&path).unwrap();
        keeper.ask(&debit("2", 300)).unwrap();
        assert!(Keeper::open(&path).is_err(), "two keepers of one book");
        drop(keeper);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1 holder 200\n2 holder 300\n");
        for strange in
            ["1 holder\n", "1 holder -1\n", "1  holder 1\n", "\n", "1 holder 1 2 3\n", "1 holder 4294967296\n"]
        {
            std::fs::write(&path, strange).unwrap();
            assert!(Keeper::open(&path).is_err_and(|error| error.contains("line 1")), "{strange:?}");
        }
        std::fs::write(&path, [0xFF, b'\n']).unwrap();
        assert!(Keeper::open(&path).is_err());
    }
}
