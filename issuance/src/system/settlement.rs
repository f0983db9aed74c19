//! Daily settlement: what the bank took, what the journal says, and what the cards hold, compared three ways.
//!
//! | stage | what happens | where |
//! |---|---|---|
//! | cut-off | the business day ends at a record of the journal; what is written after it is the next day's | [`Day`], [`cut_off`] |
//! | collecting | the bank's file and the readers' evidence are read, refused whole at the first bad field | [`read_bank_file`], [`read_evidence`] |
//! | | own journal: every load that the day, the bank or the evidence names | [`collect`] |
//! | matching | on bank reference, card and serial number, and amount | [`match_day`] |
//! | exceptions | each has an owner and then a resolution; what is waived, two persons have approved | [`Day`] |
//! | closing | the statement's hash is signed; nothing of a closed day changes, corrections are adjustments of a later one | [`Day`], [`statement`] |
//!
//! | class | the bank | the journal | the card | what follows |
//! |---|---|---|---|---|
//! | matched | debit | debit | evidence with a TAC that verifies | |
//! | matched | debit and reversal, or neither | reversal | | |
//! | bank only | debit or reversal | none | | reverse, or book |
//! | card only | no debit | loaded, or not | evidence | claim |
//! | not in the bank's file | none | debit or reversal | | ask the bank |
//! | amount mismatch | another amount or account | | another amount | ask |
//! | duplicate | twice | | twice | ask |
//! | foreign row | an id that is none of ours | | a card or serial number that we never loaded | ask |
//! | evidence missing | debit | loaded | none | carried until it comes |
//! | wrong TAC | | | the TAC does not verify | ask |
//! | open | debit | in dispute or under way | | carried until it ends |
//! | other day | a row of a debit that was settled before | | | ask |
//!
//! A carried exception takes its rows along: the next day sees them as its own.

mod bank_file;
mod collect;
mod csv;
mod date;
mod day;
mod evidence;
mod matching;
mod statement;
#[cfg(test)]
mod tests;

pub use bank_file::{BankRow, Booked, read_bank_file};
pub use collect::{CollectError, JournalLoad, Wanted, When, collect};
pub use csv::{FileError, FileFault};
pub use date::{BusinessDate, DateError};
pub use day::{
    Day, DayError, DayEvent, DayState, Resolution, SettlementError, Source, adjustment, close, cut_off,
    record_matching, waiver,
};
pub use evidence::{Evidence, read_evidence};
pub use matching::{Class, Exception, Inputs, Matching, Totals, match_day};
pub use statement::statement;
