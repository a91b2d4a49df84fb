//! Delimited text with a header line: the ground that tables and series stand on.

use std::path::Path;

use crate::data::read::{plain_name, read_text};
use crate::error::{Error, Result};

/// A CSV or TSV file in memory, every row as wide as the header.
pub(crate) struct Sheet {
    /// The file's path, for messages.
    pub place: String,
    /// The column names, without white space at their ends.
    pub header: Vec<String>,
    pub rows: Vec<Row>,
}

pub(crate) struct Row {
    /// The line of the file on which the row starts, from 1.
    pub line: u64,
    cells: csv::StringRecord,
}

impl Row {
    pub fn text(&self, column: usize) -> &str {
        self.cells.get(column).unwrap_or_default()
    }
}

impl Sheet {
    /// Reads a file with a header and at least one row. `.tsv` and `.tab` are separated by tabs, `.csv` by commas,
    /// any other by tabs if its first line holds one. Between tabs a quotation mark is a character like any other;
    /// between commas it quotes.
    pub fn read(path: &Path) -> Result<Sheet> {
        let text = read_text(path)?;
        let place = path.display().to_string();
        let tabs = match plain_name(path).rsplit_once('.') {
            Some((_, "tsv" | "tab")) => true,
            Some((_, "csv")) => false,
            _ => text.lines().next().is_some_and(|line| line.contains('\t')),
        };
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .delimiter(if tabs { b'\t' } else { b',' })
            .quoting(!tabs)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(text.as_bytes());
        let mut records = Vec::new();
        let mut record = csv::StringRecord::new();
        loop {
            match reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err(malformed(&place, &text, &error)),
            }
            let line = record.position().map_or(0, |position| start_line(&text, position));
            records.push(Row { line, cells: record.clone() });
        }
        let mut rows = records.into_iter();
        let Some(header) = rows.next() else {
            return Err(Error::data(place, "the file is empty: give one with a header line and rows"));
        };
        let sheet = Sheet {
            header: header.cells.iter().map(|name| name.trim().to_owned()).collect(),
            rows: rows.collect(),
            place,
        };
        let all_numbers = sheet.header.iter().all(|name| name.parse::<f64>().is_ok());
        if all_numbers {
            return Err(Error::data(
                format!("{}, line {}", sheet.place, header.line),
                "the first line holds numbers where the column names belong: put a header line before it",
            ));
        }
        if sheet.rows.is_empty() {
            return Err(Error::data(sheet.place, "there is a header and no row below it: give rows of data"));
        }
        Ok(sheet)
    }

    /// The index of a column; `option` is the setting that names it, for the message.
    pub fn column(&self, name: &str, option: &str) -> Result<usize> {
        let mut found = (0..self.header.len()).filter(|&column| self.header[column] == name.trim());
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(column),
            (Some(_), Some(_)) => Err(Error::data(
                format!("{}, line 1", self.place),
                format!("two columns are called `{name}`: rename one"),
            )),
            (None, _) => {
                let near = nearest(name, &self.header);
                let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                Err(Error::data(
                    format!("{}, line 1", self.place),
                    format!(
                        "no column `{name}` among `{}`{near} ({option} names the column)",
                        self.header.join("`, `")
                    ),
                ))
            }
        }
    }

    /// The number in a cell: finite, and no larger than an `f32` can hold.
    pub fn number(&self, row: &Row, column: usize) -> Result<f64> {
        let cell = row.text(column).trim();
        let message = match cell.parse::<f64>() {
            Ok(value) if value.abs() <= f64::from(f32::MAX) => return Ok(value),
            Ok(value) if value.is_finite() => format!("{value:e} is beyond a 32-bit number"),
            Ok(value) => format!("{value} is not a finite number"),
            Err(_) if cell.is_empty() => "the cell is empty".to_owned(),
            Err(_) if is_missing(cell) => format!("the value is missing (`{cell}`)"),
            Err(_) => format!("`{}` is not a number", shorten(cell)),
        };
        Err(Error::data(
            format!("{}, line {}, column `{}`", self.place, row.line, self.header[column]),
            format!("{message}: fill it in or take the row out"),
        ))
    }
}

/// Whether a cell is one of the usual marks for a value that is not there.
pub(crate) fn is_missing(cell: &str) -> bool {
    let cell = cell.trim();
    cell.is_empty()
        || ["na", "n/a", "#n/a", "#na", "<na>", "nan", "null", "none", "?", "-", "."]
            .iter()
            .any(|mark| cell.eq_ignore_ascii_case(mark))
}

/// The start of a text, for a message.
pub(crate) fn shorten(text: &str) -> String {
    if text.chars().count() <= 40 { text.to_owned() } else { text.chars().take(39).chain(['…']).collect() }
}

/// The candidate closest to `name`, if any is close: at most a third of its letters differ, or case alone.
pub(crate) fn nearest<'a>(name: &str, candidates: &'a [String]) -> Option<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    let close = (wanted.len() / 3).max(1);
    candidates
        .iter()
        .map(|candidate| (edits(&wanted, &candidate.to_lowercase().chars().collect::<Vec<_>>()), candidate))
        .filter(|&(distance, _)| distance <= close)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate.as_str())
}

/// Levenshtein's distance.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// The line on which a record starts: the reader's position lies before the blank lines it passes over.
fn start_line(text: &str, position: &csv::Position) -> u64 {
    let from = usize::try_from(position.byte()).unwrap_or(usize::MAX).min(text.len());
    let blank = text.as_bytes()[from..].iter().take_while(|&&byte| byte == b'\n').count();
    position.line() + blank as u64
}

fn malformed(place: &str, text: &str, error: &csv::Error) -> Error {
    let line = error.position().map_or(0, |position| start_line(text, position));
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let cells = if *len == 1 { "cell" } else { "cells" };
            format!(
                "{len} {cells}, the header has {expected_len}: quote a cell that holds a separator, and close every quote"
            )
        }
        _ => format!("{error}"),
    };
    Error::data(format!("{place}, line {line}"), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(name: &str, text: &str) -> Result<Sheet> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Sheet::read(&path)
    }

    fn refusal(name: &str, text: &str) -> String {
        sheet(name, text).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn lines_are_counted_over_blank_lines_and_quoted_line_ends() {
        let sheet = sheet("a.csv", "\u{feff}a,b\r\n\r\n1,\"x\r\ny\"\r\n\r\n\r\n2,z").unwrap();
        assert_eq!(sheet.header, ["a", "b"]);
        assert_eq!(sheet.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 7]);
        assert_eq!(sheet.rows[0].text(1), "x\ny");
        assert_eq!(sheet.rows[1].text(1), "z");
    }

    #[test]
    fn tabs_do_not_quote() {
        let rows = |name| sheet(name, "id\ttext\n1\t\"so, they\n2\tsay\"\n").unwrap().rows;
        for name in ["a.txt", "a.tsv"] {
            let rows = rows(name);
            assert_eq!((rows.len(), rows[0].text(1), rows[1].text(1)), (2, "\"so, they", "say\""));
        }
    }

    #[test]
    fn ragged_rows_name_their_line() {
        let message = refusal("a.csv", "a,b\n1,2\n\n3\n4,5\n");
        assert!(message.contains("a.csv, line 4: 1 cell, the header has 2"), "{message}");
        let message = refusal("a.csv", "a,b\n1,two, that is\n");
        assert!(message.contains("line 2: 3 cells"), "{message}");
        let message = refusal("a.csv", "a,b\n\"one,2\n3,4\n");
        assert!(message.contains("line 2: 1 cell"), "{message}");
    }

    #[test]
    fn a_header_alone_or_none_at_all() {
        assert!(refusal("a.csv", "a,b\n").contains("a header and no row"));
        assert!(refusal("a.csv", "").contains("empty"));
        assert!(refusal("a.csv", "1,2\n3,4\n").contains("line 1: the first line holds numbers"));
    }

    #[test]
    fn a_missing_column_lists_those_there() {
        let sheet = sheet("a.csv", "Text,labels,x,x\nq,1,2,3\n").unwrap();
        let message = sheet.column("label", "data.label").unwrap_err().to_string();
        assert!(message.contains("no column `label` among `Text`, `labels`, `x`, `x`"), "{message}");
        assert!(message.contains("did you mean `labels`?") && message.contains("data.label"), "{message}");
        assert!(sheet.column("text", "data.text").unwrap_err().to_string().contains("did you mean `Text`?"));
        assert!(!sheet.column("flow", "data.value").unwrap_err().to_string().contains("mean"));
        assert!(sheet.column("x", "data.value").unwrap_err().to_string().contains("two columns"));
        assert_eq!(sheet.column("Text", "data.text").unwrap(), 0);
    }

    #[test]
    fn cells_that_are_no_number() {
        let sheet = sheet("a.csv", "t,v\n1, 2.5 \n2,NaN\n3,\n4,NA\n5,inf\n6,abc\n7,-1e39\n").unwrap();
        assert_eq!(sheet.number(&sheet.rows[0], 1).unwrap(), 2.5);
        for (row, why) in [
            (1, "NaN is not a finite"),
            (2, "empty"),
            (3, "missing"),
            (4, "inf is not"),
            (5, "`abc` is not a"),
            (6, "-1e39 is beyond"),
        ] {
            let message = sheet.number(&sheet.rows[row], 1).unwrap_err().to_string();
            assert!(message.contains(&format!("line {}, column `v`: ", row + 2)), "{message}");
            assert!(message.contains(why), "{message}");
        }
    }

    #[test]
    fn edit_distance() {
        let distance =
            |a: &str, b: &str| edits(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
