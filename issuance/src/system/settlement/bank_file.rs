use minicbor::{Decode, Encode};

use super::csv::{FileError, FileFault, read};
use super::date::BusinessDate;
use crate::account::{AccountId, BookingId, BookingReference};

/// What the bank booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Booked {
    /// Money was taken from an account.
    #[n(0)]
    Debit,
    /// It was given back.
    #[n(1)]
    Reversal,
}

/// A row of the bank's file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BankRow {
    /// Row of the file, from 1: the heading is row 1.
    #[n(0)]
    pub row: u64,
    /// The bank's own number.
    #[n(1)]
    pub reference: String,
    /// Our id of the booking.
    #[n(2)]
    pub booking: String,
    /// What was booked.
    #[n(3)]
    pub booked: Booked,
    /// The account, a token.
    #[n(4)]
    pub account: String,
    /// How much, in the smallest unit of the currency.
    #[n(5)]
    pub amount: u32,
}

const COLUMNS: &[&str] = &["date", "reference", "booking", "kind", "account", "amount"];

/// Reads the bank's file of a day: `date,reference,booking,kind,account,amount`, where `kind` is `D` (debit) or `R` (reversal) and the
/// amount is in the smallest unit of the currency.
///
/// # Errors
/// [`FileError`] names row, column and what is wrong; nothing of the file is used then.
pub fn read_bank_file(bytes: &[u8], date: BusinessDate) -> Result<Vec<BankRow>, FileError> {
    read(bytes, COLUMNS, |row| {
        let of = row.read(0, "a date that exists, YYYY-MM-DD", |text| text.parse::<BusinessDate>().ok())?;
        if of != date {
            return Err(row.wrong(0, FileFault::OtherDay));
        }
        let reference =
            row.read(1, "a number of 1 to 64 printable characters", |text| BookingReference::new(text).ok())?;
        let booking = row.read(2, "an id of 1 to 80 printable characters", |text| BookingId::new(text).ok())?;
        let booked = row.read(3, "D or R", |text| match text {
            "D" => Some(Booked::Debit),
            "R" => Some(Booked::Reversal),
            _ => None,
        })?;
        let account = row.read(4, "a token of 1 to 64 printable characters", |text| AccountId::new(text).ok())?;
        let amount = row.read(5, "an amount from 1 to 4294967295, in digits", amount)?;
        Ok(BankRow {
            row: row.number as u64,
            reference: reference.as_str().into(),
            booking: booking.as_str().into(),
            booked,
            account: account.as_str().into(),
            amount,
        })
    })
}

/// Digits alone: no sign, no space, not 0.
pub(super) fn amount(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten().filter(|amount| *amount > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "date,reference,booking,kind,account,amount\n";

    fn date() -> BusinessDate {
        BusinessDate::new(2024, 5, 6).unwrap()
    }

    #[test]
    fn a_file_is_read_whole() {
        let file = format!("{HEADING}2024-05-06,B1,T1,D,token-7,200\n2024-05-06,B2,T1/reversal,R,token-7,200\n");
        let rows = read_bank_file(file.as_bytes(), date()).unwrap();
        assert_eq!(
            rows.iter().map(|row| (row.row, row.booked)).collect::<Vec<_>>(),
            [(2, Booked::Debit), (3, Booked::Reversal)]
        );
        assert_eq!((rows[1].booking.as_str(), rows[1].amount), ("T1/reversal", 200));
    }

    #[test]
    fn a_bad_field_is_named_by_row_and_column() {
        for (line, column) in [
            ("2024-02-30,B1,T1,D,a,1", "date"),
            ("2024-05-07,B1,T1,D,a,1", "date"),
            ("2024-05-06,,T1,D,a,1", "reference"),
            ("2024-05-06,B1,T 1,D,a,1", "booking"),
            ("2024-05-06,B1,T1,X,a,1", "kind"),
            ("2024-05-06,B1,T1,D,,1", "account"),
            ("2024-05-06,B1,T1,D,a,0", "amount"),
            ("2024-05-06,B1,T1,D,a,-1", "amount"),
            ("2024-05-06,B1,T1,D,a,+1", "amount"),
            ("2024-05-06,B1,T1,D,a,1.50", "amount"),
            ("2024-05-06,B1,T1,D,a,4294967296", "amount"),
        ] {
            let file = format!("{HEADING}2024-05-06,B0,T0,D,a,1\n{line}\n");
            let error = read_bank_file(file.as_bytes(), date()).unwrap_err();
            assert_eq!((error.row, error.column.as_str()), (3, column), "{line}: {error}");
        }
    }
}
