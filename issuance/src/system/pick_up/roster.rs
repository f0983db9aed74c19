//! A school's roster: rows of text, whatever file they come from, taken as a whole or refused with what is wrong in each.
//!
//! The first row names the columns, in any order, in English or Chinese: `seq` (序号, may be missing), `province` (省份), `school` (学校),
//! `name` (姓名), `class` (班级), `student no` (学号), `card no` (卡号, may be missing or empty).

use std::collections::HashMap;

use thiserror::Error;

use crate::system::pick_up::application::{Field, StudentFields};

/// Most rows behind the heading.
pub const MAX_ROWS: usize = 100_000;

/// Longest text of a cell, in characters.
pub const MAX_TEXT: usize = 100;

/// How many faults are told before the reading is given up.
pub const MAX_FAULTS: usize = 100;

const HEADINGS: [(Column, &[&str]); 7] = [
    (Column::Sequence, &["seq", "序号"]),
    (Column::Field(Field::Province), &["province", "省份", "省"]),
    (Column::Field(Field::School), &["school", "学校"]),
    (Column::Field(Field::Class), &["class", "班级"]),
    (Column::Field(Field::Name), &["name", "姓名"]),
    (Column::Field(Field::Number), &["student no", "学号"]),
    (Column::CardNumber, &["card no", "卡号"]),
];

/// A column of a roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// A number for the eye; not used.
    Sequence,
    /// A field of the student.
    Field(Field),
    /// The number of the card that the student has.
    CardNumber,
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = HEADINGS.iter().find(|(column, _)| column == self).map_or(&[][..], |(_, names)| names);
        f.write_str(names.first().copied().unwrap_or_default())
    }
}

/// A row of a roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterRow {
    /// Row of the file, from 1: the heading is row 1.
    pub row: usize,
    /// The student.
    pub fields: StudentFields,
    /// Number of the card that the student has.
    pub card_number: Option<String>,
}

/// What is wrong with a cell.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CellFault {
    /// Nothing in it.
    #[error("is empty")]
    Empty,
    /// Too long.
    #[error("has {length} characters; at most {MAX_TEXT} are taken")]
    TooLong {
        /// How many it has.
        length: usize,
    },
    /// A control character.
    #[error("has a control character")]
    Control,
    /// The school has another student of this number.
    #[error("is that of row {row}, too")]
    Twice {
        /// The other row.
        row: usize,
    },
    /// A card's number is hexadecimal.
    #[error("is no card number: hexadecimal digits, two for each byte, 4 to 10 bytes")]
    CardNumber,
}

/// What is wrong with a roster, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RosterFault {
    /// There is no heading.
    #[error("the file is empty: row 1 names the columns")]
    NoHeading,
    /// A column that has to be there is not.
    #[error("row 1: there is no column {column:?}")]
    Missing {
        /// Its name.
        column: String,
    },
    /// A column that is not known, or is named twice.
    #[error("row 1, column {at}: {found:?} is named twice, or no column of a roster")]
    Heading {
        /// Which column, from 1.
        at: usize,
        /// What is there.
        found: String,
    },
    /// A cell.
    #[error("row {row}, column {column}: {fault}")]
    Cell {
        /// Row of the file, from 1.
        row: usize,
        /// Which column.
        column: Column,
        /// What is wrong.
        fault: CellFault,
    },
    /// A row with another number of cells than the heading.
    #[error("row {row}: {found} cells where the heading has {expected}")]
    Cells {
        /// Row of the file, from 1.
        row: usize,
        /// How many.
        found: usize,
        /// How many columns there are.
        expected: usize,
    },
    /// Too many rows.
    #[error("more than {MAX_ROWS} rows: divide the file")]
    TooMany,
}

/// Reads a roster. Rows that are empty throughout are passed over.
///
/// # Errors
/// Everything that is wrong, up to [`MAX_FAULTS`]; then nothing is taken.
pub fn read(rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<RosterRow>, Vec<RosterFault>> {
    let mut rows = rows.into_iter();
    let heading = rows.next().ok_or_else(|| vec![RosterFault::NoHeading])?;
    let columns = columns(&heading).map_err(|fault| vec![fault])?;
    let (mut taken, mut faults) = (Vec::new(), Vec::new());
    let (mut numbers, mut cards) = (HashMap::new(), HashMap::new());
    for (n, cells) in rows.enumerate() {
        let row = n + 2;
        if n >= MAX_ROWS {
            faults.push(RosterFault::TooMany);
            break;
        }
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if cells.len() != columns.len() {
            faults.push(RosterFault::Cells { row, found: cells.len(), expected: columns.len() });
        } else {
            let read = read_row(row, &columns, &cells);
            let mut wrong = read.1;
            let number = (read.0.fields.school.clone(), read.0.fields.number.clone());
            let twice =
                |other: &usize, column| RosterFault::Cell { row, column, fault: CellFault::Twice { row: *other } };
            if let Some(other) = numbers.get(&number) {
                wrong.push(twice(other, Column::Field(Field::Number)));
            }
            if let Some(card) = &read.0.card_number {
                if let Some(other) = cards.get(card) {
                    wrong.push(twice(other, Column::CardNumber));
                }
                cards.entry(card.clone()).or_insert(row);
            }
            numbers.entry(number).or_insert(row);
            taken.push(read.0);
            faults.extend(wrong);
        }
        if faults.len() >= MAX_FAULTS {
            break;
        }
    }
    if faults.is_empty() { Ok(taken) } else { Err(faults) }
}

fn columns(heading: &[String]) -> Result<Vec<Column>, RosterFault> {
    let mut columns = Vec::new();
    for (n, cell) in heading.iter().enumerate() {
        let name = cell.trim().trim_start_matches('\u{FEFF}').to_lowercase();
        let column = HEADINGS.iter().find(|(_, names)| names.contains(&&*name)).map(|(column, _)| *column);
        match column.filter(|column| !columns.contains(column)) {
            Some(column) => columns.push(column),
            None => return Err(RosterFault::Heading { at: n + 1, found: cell.chars().take(MAX_TEXT).collect() }),
        }
    }
    match Field::ALL.map(Column::Field).into_iter().find(|column| !columns.contains(column)) {
        Some(column) => Err(RosterFault::Missing { column: column.to_string() }),
        None => Ok(columns),
    }
}

fn read_row(row: usize, columns: &[Column], cells: &[String]) -> (RosterRow, Vec<RosterFault>) {
    let mut faults = Vec::new();
    let mut cell = |column| {
        let at = columns.iter().position(|other| *other == column);
        let text = at.and_then(|at| cells.get(at)).map_or("", |cell| cell.trim());
        let length = text.chars().count();
        let fault = if text.chars().any(char::is_control) {
            Some(CellFault::Control)
        } else if length > MAX_TEXT {
            Some(CellFault::TooLong { length })
        } else if text.is_empty() && column != Column::CardNumber {
            Some(CellFault::Empty)
        } else if column == Column::CardNumber && !text.is_empty() && !is_card_number(text) {
            Some(CellFault::CardNumber)
        } else {
            None
        };
        faults.extend(fault.map(|fault| RosterFault::Cell { row, column, fault }));
        text.to_owned()
    };
    let fields = StudentFields {
        province: cell(Column::Field(Field::Province)),
        school: cell(Column::Field(Field::School)),
        class: cell(Column::Field(Field::Class)),
        name: cell(Column::Field(Field::Name)),
        number: cell(Column::Field(Field::Number)),
    };
    let card_number = Some(cell(Column::CardNumber).to_uppercase()).filter(|number| !number.is_empty());
    (RosterRow { row, fields, card_number }, faults)
}

fn is_card_number(text: &str) -> bool {
    text.len().is_multiple_of(2) && (8..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(text: &str) -> Vec<Vec<String>> {
        text.lines().map(|line| line.split(',').map(String::from).collect()).collect()
    }

    fn faults(text: &str) -> Vec<String> {
        read(rows(text)).unwrap_err().iter().map(ToString::to_string).collect()
    }

    const HEADING: &str = "province,school,class,name,student no,card no";

    #[test]
    fn columns_are_found_by_name() {
        let expected =
            read(rows(&format!("{HEADING}\n浙江,一中,3-2, 王小明 ,17,0a0b0c0d\n\n,,,,,\n浙江,二中,3-2,李,17,")))
                .unwrap();
        assert_eq!(expected.len(), 2, "empty rows are passed over");
        assert_eq!(expected[0].card_number.as_deref(), Some("0A0B0C0D"));
        assert_eq!((&*expected[0].fields.name, expected[0].row), ("王小明", 2));
        assert_eq!((expected[1].card_number.as_deref(), expected[1].row), (None, 5));
        let chinese = "\u{FEFF}序号,学号,姓名,班级,学校,省份\n1,17,王小明,3-2,一中,浙江";
        assert_eq!(read(rows(chinese)).unwrap()[0].fields, expected[0].fields);
    }

    #[test]
    fn what_is_wrong_is_told_with_row_and_column_and_nothing_is_taken() {
        assert_eq!(faults(""), ["the file is empty: row 1 names the columns"]);
        assert_eq!(faults("province,school,class,name"), ["row 1: there is no column \"student no\""]);
        assert_eq!(faults("province,phone"), ["row 1, column 2: \"phone\" is named twice, or no column of a roster"]);
        assert_eq!(faults("name,name"), ["row 1, column 2: \"name\" is named twice, or no column of a roster"]);
        let long = "x".repeat(MAX_TEXT + 1);
        let text = format!(
            "{HEADING}\na,b,c,,1,\na,b,c,d,1,xyz\na,b,c\na,b,c,{long},3,\na,b,c,d\u{7},4,00000001\na,b,c,d,5,00000001"
        );
        assert_eq!(
            faults(&text),
            [
                "row 2, column name: is empty",
                "row 3, column card no: is no card number: hexadecimal digits, two for each byte, 4 to 10 bytes",
                "row 3, column student no: is that of row 2, too",
                "row 4: 3 cells where the heading has 6",
                "row 5, column name: has 101 characters; at most 100 are taken",
                "row 6, column name: has a control character",
                "row 7, column card no: is that of row 6, too",
            ]
        );
    }

    #[test]
    fn a_hopeless_file_is_given_up() {
        let wrong = vec![vec!["x".to_owned()]; 5_000];
        assert_eq!(read(rows(HEADING).into_iter().chain(wrong)).unwrap_err().len(), MAX_FAULTS);
        let row = |n: usize| ["a", "b", "c", "d", &n.to_string(), ""].map(String::from).to_vec();
        let full = || rows(HEADING).into_iter().chain((0..MAX_ROWS).map(row));
        assert_eq!(read(full()).unwrap().len(), MAX_ROWS);
        assert_eq!(read(full().chain([row(MAX_ROWS)])).unwrap_err(), [RosterFault::TooMany]);
    }

    proptest! {
        #[test]
        fn any_rows_are_answered(
            rows in prop::collection::vec(prop::collection::vec("\\PC{0,4}|name|class", 0..8), 0..6),
            with_heading: bool,
        ) {
            let heading = with_heading.then(|| HEADING.split(',').map(String::from).collect());
            let _ = read(heading.into_iter().chain(rows));
        }
    }
}
