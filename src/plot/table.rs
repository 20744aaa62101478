//! Reading result files row by row: nothing is kept but what a figure needs.

use std::path::Path;

use csv::StringRecord;

use crate::error::{Error, Result};
use crate::files::{line_of_record, read_text};

/// What can be drawn without overflow on any axis.
const LARGEST: f64 = 1e100;
/// Characters of a file that an error quotes.
const QUOTED: usize = 60;

/// A CSV file with a header.
#[derive(Debug)]
pub(super) struct Table {
    name: String,
    text: String,
    header: Vec<String>,
}

impl Table {
    pub(super) fn read(path: &Path) -> Result<Self> {
        Self::parse(path.display().to_string(), read_text(path)?)
    }

    pub(super) fn parse(name: String, text: String) -> Result<Self> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = match reader.headers() {
            Ok(header) => header.iter().map(|column| column.trim().to_owned()).collect::<Vec<_>>(),
            Err(e) => return Err(Error::usage(e.to_string()).at(&name)),
        };
        if header.iter().all(String::is_empty) {
            return Err(Error::usage("is empty: give a CSV file with a header").at(name));
        }
        Ok(Self { name, text, header })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn find(&self, column: &str) -> Option<usize> {
        self.header.iter().position(|name| name == column)
    }

    pub(super) fn column(&self, column: &str) -> Result<usize> {
        self.find(column).ok_or_else(|| {
            let known = quote(&self.header.join(", "), 8 * QUOTED);
            Error::usage(format!("no column {}; its columns are {known}", quote(column, QUOTED)))
                .at(format_args!("{}:1", self.name))
        })
    }

    /// Visits every row until one is refused.
    pub(super) fn for_each(&self, mut visit: impl FnMut(&Row) -> Result<()>) -> Result<()> {
        let mut reader = csv::Reader::from_reader(self.text.as_bytes());
        let mut record = StringRecord::new();
        loop {
            match reader.read_record(&mut record) {
                Ok(true) => visit(&Row { table: self, record: &record })?,
                Ok(false) => return Ok(()),
                Err(e) => {
                    let line = line_of_record(self.text.as_bytes(), e.position());
                    let message = match e.kind() {
                        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                            format!("{len} fields, but the header has {expected_len} columns")
                        }
                        _ => e.to_string(),
                    };
                    return Err(Error::usage(message).at(format_args!("{}:{line}", self.name)));
                }
            }
        }
    }
}

/// One row of a file.
#[derive(Debug)]
pub(super) struct Row<'a> {
    table: &'a Table,
    record: &'a StringRecord,
}

impl Row<'_> {
    pub(super) fn text(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default().trim()
    }

    /// The number of a field, `None` where it is empty.
    pub(super) fn number(&self, column: usize) -> Result<Option<f64>> {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        drawable(text).map(Some).map_err(|reason| self.error(column, &reason))
    }

    /// The number of a field that must not be empty.
    pub(super) fn required(&self, column: usize) -> Result<f64> {
        self.number(column)?.ok_or_else(|| self.error(column, "is empty: give a number"))
    }

    /// `FILE:LINE: column NAME: message`.
    pub(super) fn error(&self, column: usize, message: &str) -> Error {
        let name = self.table.header.get(column).map_or("", String::as_str);
        self.refuse(&format!("column {}: {message}", quote(name, QUOTED)))
    }

    /// `FILE:LINE: message`.
    pub(super) fn refuse(&self, message: &str) -> Error {
        let line = line_of_record(self.table.text.as_bytes(), self.record.position());
        Error::usage(message).at(format_args!("{}:{line}", self.table.name))
    }
}

/// A number that can be drawn, or why it cannot.
pub(super) fn drawable(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.abs() <= LARGEST => Ok(if value.abs() < 1.0 / LARGEST { 0.0 } else { value }),
        Ok(_) => Err(format!("{} cannot be drawn: give a finite number up to {LARGEST:e}", quote(text, QUOTED))),
        Err(_) => Err(format!("{:?} is no number", quote(text, QUOTED))),
    }
}

/// The start of a text that may be of any length.
pub(super) fn quote(text: &str, length: usize) -> String {
    let mut start: String = text.chars().take(length).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Result<Table> {
        Table::parse("file.csv".to_owned(), text.to_owned())
    }

    fn numbers(text: &str) -> Result<Vec<Option<f64>>> {
        let table = table(text)?;
        let (column, mut numbers) = (table.column("b")?, Vec::new());
        table.for_each(|row| {
            numbers.push(row.number(column)?);
            Ok(())
        })?;
        Ok(numbers)
    }

    #[test]
    fn numbers_are_read_by_column() {
        assert_eq!(numbers("a,b\nx, 2.5\ny,\n\nz,-1e3\n").unwrap(), [Some(2.5), None, Some(-1000.0)]);
        assert_eq!(numbers("a,b\nx,1e-300\n").unwrap(), [Some(0.0)]);
        assert_eq!(numbers("b\n").unwrap(), []);
    }

    #[test]
    fn errors_say_where() {
        for (text, message) in [
            ("a,c\n1,2\n", "file.csv:1: no column b; its columns are a, c"),
            ("a,b\n\n1,2\nx,y\n", "file.csv:4: column b: \"y\" is no number"),
            ("a,b\r\n1,inf\r\n", "file.csv:2: column b: inf cannot be drawn"),
            ("a,b\n1,nan\n", "file.csv:2: column b: nan cannot be drawn"),
            ("a,b\n1,1e200\n", "1e200 cannot be drawn"),
            ("a,b\n1,2\n1,2,3\n", "file.csv:3: 3 fields, but the header has 2 columns"),
            ("", "file.csv: is empty"),
        ] {
            let error = numbers(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text:?}: {error}");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        let error = numbers(&format!("a,b\n1,{}\n", "é".repeat(100_000))).unwrap_err().to_string();
        assert!(error.chars().count() < 120, "{error}");
    }
}
