//! Numbers as an operator lists them: one a row, read as a whole or not at all.
//!
//! ```text
//! number,imsi,state
//! 8613800000017,460001234567890,unsold
//! ```
//!
//! The states are `unsold`, `sold` and `active`; only numbers that are unsold, and so not active, are offered. Rows are checked before
//! anything is reserved; a list with a wrong row is refused with every row, column and reason.

use std::collections::BTreeMap;

use thiserror::Error;

/// Greatest length of a list, in bytes.
pub const MAX_LIST: usize = 16 << 20;
/// Faults that are told of one list.
pub const MAX_FAULTS: usize = 100;

const COLUMNS: [&str; 3] = ["number", "imsi", "state"];

/// Whether a number may be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberState {
    /// Nobody has it.
    Unsold,
    /// Somebody bought it.
    Sold,
    /// It is in use.
    Active,
}

/// One row of a list.
#[derive(Clone, PartialEq, Eq)]
pub struct ListedNumber {
    number: String,
    imsi: String,
    state: NumberState,
}

impl ListedNumber {
    /// The subscriber number (MSISDN): 8 to 15 digits.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The IMSI that belongs to it: 15 digits, or 14.
    #[must_use]
    pub fn expose_imsi(&self) -> &str {
        &self.imsi
    }

    /// Whether it may be offered.
    #[must_use]
    pub fn state(&self) -> NumberState {
        self.state
    }
}

impl std::fmt::Debug for ListedNumber {
    /// Without the digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ListedNumber({:?})", self.state)
    }
}

/// A list that is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ListError {
    /// Too long to be one.
    #[error("a list has at most {MAX_LIST} bytes, this one {actual}")]
    TooLong {
        /// Its length, in bytes.
        actual: usize,
    },
    /// Not UTF-8.
    #[error("not text from byte {offset} on")]
    NotText {
        /// Where.
        offset: usize,
    },
    /// The first row does not name the columns.
    #[error("row 1: the columns are number,imsi,state")]
    Header,
    /// Rows that are wrong, at most [`MAX_FAULTS`] of them.
    #[error("{} rows are wrong, the first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Rows(Vec<RowFault>),
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("row {row}, column {column}: {reason}")]
pub struct RowFault {
    /// Row, from 1, the names of the columns included.
    pub row: usize,
    /// Name of the column.
    pub column: &'static str,
    /// Why.
    pub reason: FieldFault,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FieldFault {
    /// The row has no such field, or more than it should.
    #[error("a row has 3 fields, this one {fields}")]
    Count {
        /// Fields there are.
        fields: usize,
    },
    /// Something other than digits.
    #[error("digits only: the character at offset {offset} is none")]
    Digits {
        /// Where, in bytes.
        offset: usize,
    },
    /// Too few or too many.
    #[error("{least} to {most} digits, not {actual}")]
    Length {
        /// Least.
        least: usize,
        /// Most.
        most: usize,
        /// There are.
        actual: usize,
    },
    /// A state that is not known.
    #[error("unsold, sold or active")]
    State,
    /// It stands in an earlier row, too.
    #[error("the same as in row {earlier}")]
    Twice {
        /// That row.
        earlier: usize,
    },
}

/// Reads a list. Lines may end with CR LF; a byte order mark and empty lines at the end are passed over.
///
/// # Errors
/// [`ListError`]; no row counts then.
pub fn read_list(bytes: &[u8]) -> Result<Vec<ListedNumber>, ListError> {
    if bytes.len() > MAX_LIST {
        return Err(ListError::TooLong { actual: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| ListError::NotText { offset: error.valid_up_to() })?;
    let mut rows = text.strip_prefix('\u{FEFF}').unwrap_or(text).trim_end().lines();
    if rows.next().is_none_or(|header| header.split(',').ne(COLUMNS)) {
        return Err(ListError::Header);
    }
    let (mut numbers, mut faults) = (Vec::new(), Vec::new());
    let (mut seen_numbers, mut seen_imsis) = (BTreeMap::new(), BTreeMap::new());
    for (row, line) in (2..).zip(rows) {
        let listed = read_row(line).and_then(|listed| {
            unique(&mut seen_numbers, listed.number.clone(), row).map_err(|reason| ("number", reason))?;
            unique(&mut seen_imsis, listed.imsi.clone(), row).map_err(|reason| ("imsi", reason))?;
            Ok(listed)
        });
        match listed {
            Ok(listed) => numbers.push(listed),
            Err((column, reason)) => faults.push(RowFault { row, column, reason }),
        }
        if faults.len() == MAX_FAULTS {
            break;
        }
    }
    if faults.is_empty() { Ok(numbers) } else { Err(ListError::Rows(faults)) }
}

fn read_row(line: &str) -> Result<ListedNumber, (&'static str, FieldFault)> {
    let fields: Vec<_> = line.split(',').collect();
    let [number, imsi, state] = fields[..] else {
        let column = COLUMNS.get(fields.len()).copied().unwrap_or("state");
        return Err((column, FieldFault::Count { fields: fields.len() }));
    };
    let number = digits(number, 8, 15).map_err(|reason| ("number", reason))?;
    let imsi = digits(imsi, 14, 15).map_err(|reason| ("imsi", reason))?;
    let state = match state {
        "unsold" => NumberState::Unsold,
        "sold" => NumberState::Sold,
        "active" => NumberState::Active,
        _ => return Err(("state", FieldFault::State)),
    };
    Ok(ListedNumber { number, imsi, state })
}

fn digits(field: &str, least: usize, most: usize) -> Result<String, FieldFault> {
    if let Some(offset) = field.bytes().position(|byte| !byte.is_ascii_digit()) {
        return Err(FieldFault::Digits { offset });
    }
    match field.len() {
        actual if (least..=most).contains(&actual) => Ok(field.to_owned()),
        actual => Err(FieldFault::Length { least, most, actual }),
    }
}

fn unique(seen: &mut BTreeMap<String, usize>, id: String, row: usize) -> Result<(), FieldFault> {
    match seen.insert(id, row) {
        None => Ok(()),
        Some(earlier) => Err(FieldFault::Twice { earlier }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIST: &str = "number,imsi,state\n8613800000017,460001234567890,unsold\n8613800000018,460001234567891,sold\n";

    fn faults(rows: &str) -> Vec<String> {
        match read_list(format!("number,imsi,state\n{rows}").as_bytes()) {
            Err(ListError::Rows(faults)) => faults.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_list_is_read_whatever_ends_its_lines() {
        for list in [LIST.to_owned(), LIST.replace('\n', "\r\n"), format!("\u{FEFF}{LIST}\n\n")] {
            let numbers = read_list(list.as_bytes()).unwrap();
            assert_eq!(numbers.len(), 2);
            assert_eq!(numbers[0].number(), "8613800000017");
            assert_eq!(numbers[0].expose_imsi(), "460001234567890");
            assert_eq!((numbers[0].state(), numbers[1].state()), (NumberState::Unsold, NumberState::Sold));
            assert!(!format!("{numbers:?}").contains("46000"));
        }
    }

    #[test]
    fn every_wrong_row_is_told_with_column_and_reason() {
        let rows = "861380000001x,460001234567890,unsold\n\
                    8613800000017,46000,unsold\n\
                    8613800000018,460001234567891,free\n\
                    8613800000019,460001234567892\n\
                    8613800000020,460001234567893,unsold\n\
                    8613800000020,460001234567894,unsold\n\
                    8613800000021,460001234567893,unsold";
        assert_eq!(
            faults(rows),
            [
                "row 2, column number: digits only: the character at offset 12 is none",
                "row 3, column imsi: 14 to 15 digits, not 5",
                "row 4, column state: unsold, sold or active",
                "row 5, column state: a row has 3 fields, this one 2",
                "row 7, column number: the same as in row 6",
                "row 8, column imsi: the same as in row 6",
            ]
        );
        assert_eq!(faults(&"x\n".repeat(500)).len(), MAX_FAULTS);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(read_list(b""), Err(ListError::Header));
        assert_eq!(read_list(b"imsi,number,state\n"), Err(ListError::Header));
        assert_eq!(read_list(b"number,imsi,state\n\xFF"), Err(ListError::NotText { offset: 18 }));
        let long = vec![b'1'; MAX_LIST + 1];
        assert_eq!(read_list(&long), Err(ListError::TooLong { actual: MAX_LIST + 1 }));
    }

    proptest! {
        #[test]
        fn reading_is_total(bytes in prop::collection::vec(any::<u8>(), 0..200), rows in "[0-9a-z,\n]{0,200}") {
            let _ = read_list(&bytes);
            let _ = read_list(format!("number,imsi,state\n{rows}").as_bytes());
        }
    }
}
