//! Files of rows: RFC 4180 with a heading, each field checked, refused at the first that is wrong.

use thiserror::Error;

/// Longest file that is read, in bytes.
pub(super) const MAX_FILE: usize = 256 << 20;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("row {row}, column {column}: {fault}")]
pub struct FileError {
    /// Row, from 1: the heading is row 1.
    pub row: usize,
    /// Name of the column, or its number from 1 where it has none.
    pub column: String,
    /// What is wrong.
    pub fault: FileFault,
}

/// What is wrong with a field or a row.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FileFault {
    /// Too many bytes.
    #[error("the file has {actual} bytes, more than {limit}")]
    TooLong {
        /// Bytes given.
        actual: usize,
        /// The most.
        limit: usize,
    },
    /// Not text.
    #[error("not UTF-8 from byte {offset} of the file on")]
    NotText {
        /// First such byte.
        offset: usize,
    },
    /// No rows at all.
    #[error("the file is empty: it begins with its heading")]
    Empty,
    /// Another heading.
    #[error("the heading is not {expected}")]
    Heading {
        /// The name expected there.
        expected: &'static str,
    },
    /// Too few or too many fields.
    #[error("the row has {actual} fields, not {expected}")]
    Fields {
        /// Fields given.
        actual: usize,
        /// Fields expected.
        expected: usize,
    },
    /// A quotation mark where none can be.
    #[error("a quotation mark that does not begin, end or double itself")]
    Quote,
    /// The last row does not end.
    #[error("the last row does not end with a line feed: the file was cut off")]
    CutOff,
    /// A value that the field cannot have.
    #[error("not {expected}")]
    Value {
        /// What it should be.
        expected: &'static str,
    },
    /// A row of another day.
    #[error("the row is of another day than the file is for")]
    OtherDay,
}

/// A row with the names of its columns.
pub(super) struct Row<'a> {
    /// From 1: the heading is row 1.
    pub(super) number: usize,
    columns: &'static [&'static str],
    fields: &'a [String],
}

impl Row<'_> {
    /// A field by the place of its column, read by a function that says what it expects.
    pub(super) fn read<T>(
        &self,
        column: usize,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, FileError> {
        let text = self.fields.get(column).map_or("", String::as_str);
        read(text).ok_or_else(|| self.wrong(column, FileFault::Value { expected }))
    }

    pub(super) fn wrong(&self, column: usize, fault: FileFault) -> FileError {
        FileError { row: self.number, column: self.columns.get(column).copied().unwrap_or_default().into(), fault }
    }
}

/// Reads a file with this heading, row by row.
pub(super) fn read<T>(
    bytes: &[u8],
    columns: &'static [&'static str],
    mut row: impl FnMut(Row<'_>) -> Result<T, FileError>,
) -> Result<Vec<T>, FileError> {
    let whole = |fault| FileError { row: 1, column: "1".into(), fault };
    if bytes.len() > MAX_FILE {
        return Err(whole(FileFault::TooLong { actual: bytes.len(), limit: MAX_FILE }));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| whole(FileFault::NotText { offset: error.valid_up_to() }))?;
    // A byte order mark, as spreadsheets write it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = Rows { text, number: 0 };
    let heading = rows.next_row()?.ok_or_else(|| whole(FileFault::Empty))?;
    for (n, expected) in columns.iter().enumerate() {
        if heading.get(n).map(String::as_str) != Some(*expected) {
            return Err(FileError { row: 1, column: (n + 1).to_string(), fault: FileFault::Heading { expected } });
        }
    }
    count(&heading, columns, 1)?;
    let mut all = Vec::new();
    while let Some(fields) = rows.next_row()? {
        let number = rows.number;
        count(&fields, columns, number)?;
        all.push(row(Row { number, columns, fields: &fields })?);
    }
    Ok(all)
}

fn count(fields: &[String], columns: &[&str], row: usize) -> Result<(), FileError> {
    let (actual, expected) = (fields.len(), columns.len());
    let column = (actual.min(expected) + usize::from(actual > expected)).to_string();
    let fault = FileFault::Fields { actual, expected };
    if actual == expected { Ok(()) } else { Err(FileError { row, column, fault }) }
}

struct Rows<'a> {
    text: &'a str,
    number: usize,
}

impl Rows<'_> {
    fn next_row(&mut self) -> Result<Option<Vec<String>>, FileError> {
        if self.text.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let mut fields = Vec::new();
        loop {
            let wrong = |fault| FileError { row: self.number, column: (fields.len() + 1).to_string(), fault };
            let (field, rest) = match self.text.strip_prefix('"') {
                Some(quoted) => unquote(quoted).ok_or_else(|| wrong(FileFault::Quote))?,
                None => {
                    let end = self.text.find([',', '\n']).ok_or_else(|| wrong(FileFault::CutOff))?;
                    let (field, rest) = self.text.split_at(end);
                    let field = if rest.starts_with('\n') { field.strip_suffix('\r').unwrap_or(field) } else { field };
                    if field.contains('"') {
                        return Err(wrong(FileFault::Quote));
                    }
                    (field.to_owned(), rest)
                }
            };
            let rest = rest.strip_prefix('\r').filter(|rest| rest.starts_with('\n')).unwrap_or(rest);
            if let Some(rest) = rest.strip_prefix('\n') {
                fields.push(field);
                self.text = rest;
                return Ok(Some(fields));
            }
            let fault = if rest.is_empty() { FileFault::CutOff } else { FileFault::Quote };
            let rest = rest.strip_prefix(',').ok_or_else(|| wrong(fault))?;
            fields.push(field);
            self.text = rest;
        }
    }
}

/// What stands up to the closing mark, doubled ones single, and what follows.
fn unquote(mut text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    loop {
        let end = text.find('"')?;
        field.push_str(text.get(..end)?);
        text = text.get(end + 1..)?;
        match text.strip_prefix('"') {
            Some(rest) => {
                field.push('"');
                text = rest;
            }
            None => return Some((field, text)),
        }
    }
}

/// A field as it is written.
pub(super) fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COLUMNS: &[&str] = &["a", "b"];

    fn rows(text: &[u8]) -> Result<Vec<(String, String)>, FileError> {
        read(text, COLUMNS, |row| {
            let field = |column| row.read(column, "text", |text| Some(text.to_owned()));
            Ok((field(0)?, field(1)?))
        })
    }

    fn pair(a: &str, b: &str) -> (String, String) {
        (a.into(), b.into())
    }

    #[test]
    fn rows_with_and_without_quotes() {
        let read = rows("\u{feff}a,b\r\n1,2\n\"x,\"\"y\",\"\"\r\n,\n".as_bytes()).unwrap();
        assert_eq!(read, [pair("1", "2"), pair("x,\"y", ""), pair("", "")]);
        assert_eq!(rows(b"a,b\n").unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let cases: [(&[u8], usize, &str, FileFault); 11] = [
            (b"", 1, "1", FileFault::Empty),
            (b"a,b", 1, "2", FileFault::CutOff),
            (b"a,c\n", 1, "2", FileFault::Heading { expected: "b" }),
            (b"a\n", 1, "2", FileFault::Heading { expected: "b" }),
            (b"a,b,c\n", 1, "3", FileFault::Fields { actual: 3, expected: 2 }),
            (b"a,b\n1\n", 2, "1", FileFault::Fields { actual: 1, expected: 2 }),
            (b"a,b\n1,2\n1,2,3\n", 3, "3", FileFault::Fields { actual: 3, expected: 2 }),
            (b"a,b\n1,2", 2, "2", FileFault::CutOff),
            (b"a,b\n1,x\"y\n", 2, "2", FileFault::Quote),
            (b"a,b\n\"1\"x,2\n", 2, "1", FileFault::Quote),
            (b"a,b\n\xFF,2\n", 1, "1", FileFault::NotText { offset: 4 }),
        ];
        for (text, row, column, fault) in cases {
            let expected = FileError { row, column: column.into(), fault };
            assert_eq!(rows(text).unwrap_err(), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    proptest! {
        #[test]
        fn reading_is_total(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = rows(&[&b"a,b\n"[..], &bytes].concat());
        }

        #[test]
        fn what_is_written_is_read(fields in prop::collection::vec(("[ -~\n\r\u{e9}]{0,6}", "[ -~\n]{0,6}"), 0..6)) {
            let lines: String = fields.iter().map(|(a, b)| format!("{},{}\n", quoted(a), quoted(b))).collect();
            prop_assert_eq!(rows(format!("a,b\n{lines}").as_bytes()).unwrap(), fields);
        }
    }
}
