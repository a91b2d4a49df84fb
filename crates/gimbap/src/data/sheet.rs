//! Delimited text, with a header line or without one: the ground that tables and series stand on.

use std::path::Path;

use crate::data::read::{plain_name, read_text};
use crate::error::{Error, Result};

/// A CSV or TSV file in memory, every row as wide as the header.
pub(crate) struct Sheet {
    /// The file's path, for messages.
    pub place: String,
    /// The column names, without white space at their ends; the numbers from 1 if the file has none.
    pub header: Vec<String>,
    pub rows: Vec<Row>,
    /// The line of the header, if there is one.
    pub header_line: Option<u64>,
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
    /// Reads a file with a header, without one, or (None) with one that is refused if it is all numbers; there is a row at
    /// least. `.tsv` and `.tab` are separated by tabs, `.csv` by commas, any other by tabs if its first line holds one.
    /// Between tabs a quotation mark is a character like any other; between commas it quotes.
    pub fn read_with(path: &Path, header: Option<bool>) -> Result<Sheet> {
        Self::parse(&read_text(path)?, &plain_name(path), path.display().to_string(), header)
    }

    /// A file's text; `name` is the file's plain name, which says how cells are separated, `place` what errors call it.
    pub fn parse(text: &str, name: &str, place: String, header: Option<bool>) -> Result<Sheet> {
        let tabs = match name.rsplit_once('.') {
            Some((_, "tsv" | "tab")) => true,
            Some((_, "csv")) => false,
            _ => text.lines().next().is_some_and(|line| line.contains('\t')),
        };
        if !tabs {
            check_quotes(text, &place)?;
        }
        let rows = records(text, tabs, &place)?;
        let Some(first) = rows.first() else {
            return Err(Error::data(place, "the file is empty: give one with a header line and rows"));
        };
        let numbers = (1..=first.cells.len()).map(|number| number.to_string()).collect();
        let mut sheet = Sheet { header: numbers, rows, place, header_line: None };
        if header == Some(false) {
            return Ok(sheet);
        }
        if header.is_none() && sheet.rows[0].cells.iter().all(|cell| cell.trim().parse::<f64>().is_ok()) {
            return Err(Error::data(
                format!("{}, line {}", sheet.place, sheet.rows[0].line),
                format!("the first line holds numbers where the column names belong: {NO_HEADER}"),
            ));
        }
        let header = sheet.rows.remove(0);
        sheet.header_line = Some(header.line);
        sheet.header = header.cells.iter().map(|name| name.trim().to_owned()).collect();
        if sheet.rows.is_empty() {
            return Err(Error::data(sheet.place, "there is a header and no row below it: give rows of data"));
        }
        Ok(sheet)
    }

    /// The same with the header as its first row.
    pub fn without_header(mut self) -> Sheet {
        let numbers = (1..=self.header.len()).map(|number| number.to_string()).collect();
        let header = std::mem::replace(&mut self.header, numbers);
        if let Some(line) = self.header_line.take() {
            self.rows.insert(0, Row { line, cells: header.into() });
        }
        self
    }

    /// Whether the header repeats a cell below it, or has a number or a sentence among its names: then it is none.
    pub fn header_looks_like_data(&self) -> bool {
        let data = |(column, name): (usize, &String)| {
            name.parse::<f64>().is_ok()
                || name.split_whitespace().count() > 4
                || !name.is_empty() && self.rows.iter().any(|row| row.text(column).trim() == name)
        };
        self.header_line.is_some() && self.header.iter().enumerate().any(data)
    }

    /// The index of a column, by its name or else its number from 1; `option` is the setting that names it, for the
    /// message.
    pub fn column(&self, name: &str, option: &str) -> Result<usize> {
        let name = name.trim();
        let mut found = (0..self.header.len()).filter(|&column| self.header[column] == name);
        let at = || format!("{}, line {}", self.place, self.header_line.unwrap_or(1));
        match (found.next(), found.next()) {
            (Some(column), None) => return Ok(column),
            (Some(_), Some(_)) => {
                return Err(Error::data(at(), format!("two columns are called `{name}`: rename one")));
            }
            (None, _) => {}
        }
        if let Some(number) = name.parse().ok().filter(|number| (1..=self.header.len()).contains(number)) {
            return Ok(number - 1);
        }
        let message = match self.header_line {
            None => format!(
                "{option} is `{name}`, but without a header a column is a number from 1 to {}",
                self.header.len()
            ),
            Some(_) => {
                let near = nearest(name, &self.header);
                let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                let remedy = match self.header_looks_like_data() {
                    true => format!("; {NO_HEADER}"),
                    false => String::new(),
                };
                format!(
                    "no column `{name}` among `{}`{near} ({option} names the column){remedy}",
                    self.header.join("`, `")
                )
            }
        };
        Err(Error::data(at(), message))
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

/// What to do about a file without a header.
pub(crate) const NO_HEADER: &str = "if the file has no line of names, say so with `data.header = false` and name the \
                                    columns by their numbers, such as `data.label = 1`";

/// All records, the first one too.
fn records(text: &str, tabs: bool, place: &str) -> Result<Vec<Row>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(if tabs { b'\t' } else { b',' })
        .quoting(!tabs)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(text.as_bytes());
    let mut records = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| malformed(place, text, &error))? {
        let line = record.position().map_or(0, |position| start_line(text, position));
        records.push(Row { line, cells: record.clone() });
    }
    Ok(records)
}

/// Refuses what the reader of the `csv` crate takes for a cell: text behind a closing quote, and a quote that is never
/// closed. Both swallow the rows between two stray quotes.
fn check_quotes(text: &str, place: &str) -> Result<()> {
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first != '"' {
            let end = rest.find([',', '\n']).map_or(rest.len(), |at| at + 1);
            line += u64::from(rest[..end].ends_with('\n'));
            rest = &rest[end..];
            continue;
        }
        let wrong = |message: &str| Err(Error::data(format!("{place}, line {line}"), message));
        let Some(end) = closing_quote(rest) else {
            return wrong(
                "a cell begins with a quote that is never closed: close it, or double a quote that is text",
            );
        };
        let behind = rest[end + 1..].split([',', '\n']).next().unwrap_or_default();
        if !behind.trim().is_empty() {
            return wrong(&format!(
                "`{}` follows the closing quote of the cell that begins on this line: quote whole cells, and double a \
                 quote that is text",
                shorten(behind.trim())
            ));
        }
        line += rest[..=end].bytes().filter(|&byte| byte == b'\n').count() as u64;
        let next = end + 1 + behind.len();
        line += u64::from(rest[next..].starts_with('\n'));
        rest = rest.get(next + 1..).unwrap_or_default();
    }
    Ok(())
}

/// Where the quote is that closes the one at the start.
fn closing_quote(cell: &str) -> Option<usize> {
    let bytes = cell.as_bytes();
    let mut at = 1;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == b'"')?;
        match bytes.get(at + 1) {
            Some(b'"') => at += 2,
            _ => return Some(at),
        }
    }
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
        Sheet::read_with(&path, None)
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
    }

    /// Two stray quotes used to swallow the rows between them.
    #[test]
    fn a_stray_quote_swallows_no_rows() {
        let message = refusal("a.csv", "a,b\n\"one,2\n3,4\n");
        assert!(message.contains("line 2: a cell begins with a quote that is never closed"), "{message}");
        let text = "a,b\n1,x\n2,\"open\n3,y\n4,z\n5,close\" here\n6,w\n";
        let message = refusal("a.csv", text);
        assert!(message.contains("line 3: `here` follows the closing quote"), "{message}");
        let good = sheet("a.csv", "a,b\n1,\"x \"\"y\"\"\"\n2,z \"q\"\n\"3\" ,\"\"\n").unwrap();
        assert_eq!(good.rows.iter().map(|row| row.text(1)).collect::<Vec<_>>(), ["x \"y\"", "z \"q\"", ""]);
    }

    #[test]
    fn columns_without_names_have_numbers() {
        let read = |text: &str, header| Sheet::parse(text, "a.csv", "a.csv".into(), header);
        let sheet = read("x,1\ny,2\n", Some(false)).unwrap();
        assert_eq!((sheet.rows.len(), sheet.column("2", "data.value").unwrap()), (2, 1));
        let message = sheet.column("v", "data.value").unwrap_err().to_string();
        assert!(message.contains("data.value is `v`, but without a header a column is a number from 1 to 2"));
        assert_eq!(read("2019,2020\n1,2\n", Some(true)).unwrap().header, ["2019", "2020"]);
        let named = read("b,a\n1,2\n", None).unwrap();
        assert_eq!((named.column("a", "").unwrap(), named.column("1", "").unwrap()), (1, 0));
        let rows = named.without_header().rows;
        assert_eq!((rows.len(), rows[0].line, rows[0].text(1)), (2, 1, "a"));
        let message = read("fine,pos\nbad,neg\nwell,pos\n", None).unwrap().column("label", "data.label");
        assert!(message.unwrap_err().to_string().contains("`data.header = false`"));
    }

    #[test]
    fn a_header_alone_or_none_at_all() {
        assert!(refusal("a.csv", "a,b\n").contains("a header and no row"));
        assert!(refusal("a.csv", "").contains("empty"));
        assert!(refusal("a.csv", "1,2\n3,4\n").contains("line 1: the first line holds numbers"));
        assert!(refusal("a.csv", "1,2\n3,4\n").contains("`data.header = false`"));
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
