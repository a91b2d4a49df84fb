//! Delimited text, with a header line or without one: the ground that tables and series stand on.

use std::borrow::Cow;
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
    /// Reads a file with a header, without one, or (None) with one that is refused if it is all numbers or looks like the
    /// rows below; there is a row at least. See [`separator`] for what cuts its lines into cells, and [`rows`] for quotes.
    pub fn read_with(path: &Path, header: Option<bool>) -> Result<Sheet> {
        Self::parse(&read_text(path)?, &plain_name(path), path.display().to_string(), header)?
            .with_a_true_header(header)
    }

    /// Refuses a header that looks like the rows below it, unless it is said to be one.
    pub fn with_a_true_header(self, header: Option<bool>) -> Result<Sheet> {
        match header.is_none() && self.header_is_a_row() {
            false => Ok(self),
            true => Err(Error::data(
                format!("{}, line {}", self.place, self.header_line.unwrap_or(1)),
                format!(
                    "the first line (`{}`) looks like the rows below it: {NO_HEADER}; `data.header = true` if it has names",
                    shorten(&self.header.join("`, `"))
                ),
            )),
        }
    }

    /// A file's text; `name` is the file's plain name, which says how cells are separated, `place` what errors call it.
    pub fn parse(text: &str, name: &str, place: String, header: Option<bool>) -> Result<Sheet> {
        refuse_tsf(text, name, &place)?;
        let (text, separator) = prepared(text, name, header);
        let rows = rows(&text, separator, &place)?;
        let Some(first) = rows.first() else {
            return Err(Error::data(place, "the file is empty: give one with a header line and rows"));
        };
        let numbers = (1..=first.cells.len()).map(|number| number.to_string()).collect();
        let mut sheet = Sheet { header: numbers, rows, place, header_line: None };
        if header == Some(false) {
            sheet.write_points(separator);
            return Ok(sheet);
        }
        if header.is_none() && sheet.rows[0].cells.iter().all(|cell| cell.trim().parse::<f64>().is_ok()) {
            return Err(Error::data(
                format!("{}, line {}", sheet.place, sheet.rows[0].line),
                format!(
                    "the first line holds numbers where the column names belong: {NO_HEADER}; `data.header = true` if these \
                     are the names"
                ),
            ));
        }
        let header = sheet.rows.remove(0);
        sheet.header_line = Some(header.line);
        sheet.header = header.cells.iter().map(|name| name.trim().to_owned()).collect();
        if sheet.rows.is_empty() {
            return Err(Error::data(sheet.place, "there is a header and no row below it: give rows of data"));
        }
        sheet.write_points(separator);
        Ok(sheet)
    }

    /// Writes decimals with a point in the columns that certainly have decimal commas, of a file that is cut by semicolons,
    /// as spreadsheets cut where decimals have commas. Between tabs `1,2` may be a list.
    fn write_points(&mut self, separator: u8) {
        if separator != b';' {
            return;
        }
        let width = self.header.len();
        let commas: Vec<bool> = (0..width).map(|column| has_decimal_commas(&self.rows, column)).collect();
        if !commas.contains(&true) {
            return;
        }
        for row in &mut self.rows {
            let point = |(cell, &comma): (&str, &bool)| {
                let written = if comma { with_point(cell.trim()) } else { None };
                written.unwrap_or_else(|| cell.to_owned())
            };
            row.cells = row.cells.iter().zip(&commas).map(point).collect();
        }
    }

    /// Whether the header has a date above dates, or a number above numbers and no cell that differs from those below. Names
    /// that are numbers are not enough: `date,0,1` above a date and two numbers is a header.
    fn header_is_a_row(&self) -> bool {
        let kind = |(column, name): (usize, &String)| {
            let mut cells = self.rows.iter().map(|row| row.text(column)).filter(|cell| !is_missing(cell));
            let alike = cells.next().is_some_and(|cell| Kind::of(cell) == Kind::of(name));
            let known = name.is_empty() || NAMES.contains(&name.to_lowercase().as_str());
            (alike && !known).then(|| Kind::of(name))
        };
        let kinds: Vec<Option<Kind>> = self.header.iter().enumerate().map(kind).collect();
        let numbers = kinds.contains(&Some(Kind::Number)) && !kinds.contains(&None);
        self.header_line.is_some() && (kinds.contains(&Some(Kind::Date)) || numbers)
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

    /// What a row's cell says which sequence or series the row belongs to.
    pub fn id<'a>(&self, row: &'a Row, column: usize) -> Result<&'a str> {
        match row.text(column).trim() {
            "" => {
                let place = format!("{}, line {}, column `{}`", self.place, row.line, self.header[column]);
                Err(Error::data(place, "the id is empty: fill it in or take the row out"))
            }
            id => Ok(id),
        }
    }

    /// The number in a cell: finite, and no larger than an `f32` can hold.
    pub fn number(&self, row: &Row, column: usize) -> Result<f64> {
        let cell = row.text(column).trim();
        let mut remedy = "fill it in or take the row out";
        let message = match number_of(cell) {
            Ok(value) if value.abs() <= f64::from(f32::MAX) => return Ok(value),
            Ok(value) if value.is_finite() => format!("{value:e} is beyond a 32-bit number"),
            Ok(value) => format!("{value} is not a finite number"),
            Err(_) if cell.is_empty() => "the cell is empty".to_owned(),
            Err(_) if is_missing(cell) => format!("the value is missing (`{cell}`)"),
            Err(_) => {
                remedy = rewriting(cell).unwrap_or(remedy);
                format!("`{}` is not a number", shorten(cell))
            }
        };
        Err(Error::data(
            format!("{}, line {}, column `{}`", self.place, row.line, self.header[column]),
            format!("{message}: {remedy}"),
        ))
    }
}

/// The number that a cell is: of `true` and `false`, 1 and 0.
pub(crate) fn number_of(cell: &str) -> std::result::Result<f64, std::num::ParseFloatError> {
    match cell {
        "true" | "True" | "TRUE" => Ok(1.0),
        "false" | "False" | "FALSE" => Ok(0.0),
        _ => cell.parse(),
    }
}

/// Words that are names of columns wherever they stand first.
const NAMES: [&str; 8] = ["id", "label", "class", "target", "name", "text", "time", "date"];

/// What a cell looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Date,
    Word,
}

impl Kind {
    fn of(cell: &str) -> Kind {
        let cell = cell.trim();
        let day = cell.split([' ', 'T']).next().unwrap_or_default();
        let parts: Vec<&str> = day.split(['-', '/', '.']).collect();
        let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let year = |part: &str| part.len() == 4;
        match &parts[..] {
            _ if cell.parse::<f64>().is_ok() => Kind::Number,
            [first, _, last] if parts.iter().all(digits) && (year(first) || year(last)) => Kind::Date,
            _ => Kind::Word,
        }
    }
}

/// How to write a cell that is meant for a number, if it is.
pub(crate) fn rewriting(cell: &str) -> Option<&'static str> {
    let number = |text: &str| {
        let text = text.trim().replace(',', "");
        text.parse::<f64>().is_ok_and(f64::is_finite)
    };
    let bare = cell.trim_matches(['$', '€', '£', '¥', '₩', '%', ' ', '\u{a0}']);
    if number(&cell.replace('\u{2212}', "-")) && cell.contains('\u{2212}') {
        return Some("write the minus as `-`, the hyphen of ASCII");
    }
    if bare != cell && number(bare) {
        return Some("write the number alone, without a sign of percent or currency");
    }
    (cell.contains(',') && (number(cell) || with_point(cell).is_some()))
        .then_some("write decimals with a point, and thousands without a separator")
}

/// A number with a decimal comma, written with a point: `-1.234,5` is `-1234.5`.
fn with_point(cell: &str) -> Option<String> {
    let (sign, digits) = cell.split_at(usize::from(cell.starts_with(['-', '+'])));
    let (whole, part) = digits.split_once(',')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let groups: Vec<&str> = whole.split('.').collect();
    let grouped = groups.len() == 1 || groups[0].len() <= 3 && groups[1..].iter().all(|g| g.len() == 3);
    let power = part.split_once(['e', 'E']).map_or(part, |(part, _)| part);
    let right = grouped && groups.iter().all(|group| digits(group)) && digits(power);
    let written = format!("{sign}{}.{part}", groups.concat());
    (right && written.parse::<f64>().is_ok()).then_some(written)
}

/// Whether the cells of a column are certainly numbers with a decimal comma: not thousands, such as `1,234`, and not lists,
/// such as `1,2` among cells without a comma.
fn has_decimal_commas(rows: &[Row], column: usize) -> bool {
    let (mut any, mut whole, mut no_thousands, mut no_list) = (false, false, false, false);
    for cell in rows.iter().map(|row| row.text(column).trim()).filter(|cell| !is_missing(cell)) {
        let digits = cell.trim_start_matches(['-', '+']);
        let Some((before, part)) = digits.split_once(',') else {
            if digits.is_empty() || digits.bytes().any(|byte| !byte.is_ascii_digit()) {
                return false;
            }
            whole = true;
            continue;
        };
        if with_point(cell).is_none() {
            return false;
        }
        any = true;
        no_thousands |= part.len() != 3 || before.len() > 3 || before == "0";
        no_list |= digits != cell
            || before.contains('.')
            || part.len() > 2
            || part.len() > 1 && part.starts_with('0');
    }
    any && no_thousands && (!whole || no_list)
}

/// Whether a column is called as those are that count the rows, or has no name.
pub(crate) fn nameless(sheet: &Sheet, column: usize) -> bool {
    let names = ["", "index", "unnamed: 0", "no", "no.", "nr", "row", "rownames", "#"];
    sheet.header_line.is_some() && names.contains(&sheet.header[column].to_lowercase().as_str())
}

/// A column without a name that counts the rows, from 0 or 1; tables below one another count anew.
pub(crate) fn counting(sheet: &Sheet, free: impl Fn(usize) -> bool) -> Option<usize> {
    let counts = |&column: &usize| {
        let cells = sheet.rows.iter().map(|row| row.text(column).trim().parse::<u64>().ok());
        cells.collect::<Option<Vec<_>>>().is_some_and(|cells| {
            cells[0] <= 1 && cells.windows(2).all(|pair| pair[1] == pair[0] + 1 || pair[1] == cells[0])
        })
    };
    let candidates = (0..sheet.header.len()).filter(|&column| free(column) && nameless(sheet, column));
    candidates.into_iter().find(counts)
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
pub(crate) const NO_HEADER: &str = "if the file has no line of names, say so with `data.header = false`, and columns are \
                                    named by their numbers, from 1";

/// What cells may be separated by, the first that fits is taken.
const SEPARATORS: [u8; 4] = *b",;\t|";
/// How many rows are looked at to find out.
const LOOKED_AT: usize = 20;

/// Monash's format, which looks like a table without being one.
fn refuse_tsf(text: &str, name: &str, place: &str) -> Result<()> {
    let mut lines = text.lines().map(|line| line.trim().to_lowercase());
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    let related = first.is_some_and(|line| line.starts_with("@relation"));
    let own = ["@frequency", "@horizon", "@missing", "@equallength"];
    let mut head = lines.take_while(|line| !line.starts_with("@data")).take(100);
    if related && (name.ends_with(".tsf") || head.any(|line| own.iter().any(|key| line.starts_with(key)))) {
        let message = "it is a .tsf file, which is not read: write a table with a row for each time, and a column for the \
                       name of the series";
        return Err(Error::data(place, message));
    }
    Ok(())
}

/// The text with blank lines in place of those before the header that are none of the table, so that lines keep their
/// numbers, and what separates its cells: `sep=;` says it, or the lines themselves; comments begin with `#`.
fn prepared<'a>(text: &'a str, name: &str, header: Option<bool>) -> (Cow<'a, str>, u8) {
    if let Some((said, below)) = declared(text) {
        return (blanked(text, text.len() - below.len()), said);
    }
    let comment = |line: &&str| line.starts_with('#') || line.trim().is_empty();
    let start: usize = text.split_inclusive('\n').take_while(comment).map(str::len).sum();
    let separator = separator(&text[start..], name, header);
    let Some(&width) = widths(&text[start..], separator).first() else {
        return (text.into(), self::separator(text, name, header));
    };
    // A line that is cut as the table is belongs to it, `#id,value` as well as a text that begins with a hash.
    let row = |line: &str| {
        let cells = widths(line, separator).first().copied().unwrap_or_default();
        cells == width || header == Some(false) && cells > 1
    };
    let before = text[..start].split_inclusive('\n').take_while(|line| !row(line));
    (blanked(text, before.map(str::len).sum()), separator)
}

/// What a first line `sep=;`, as spreadsheets write it, says, and the text below it.
fn declared(text: &str) -> Option<(u8, &str)> {
    let (first, below) = text.split_once('\n')?;
    let said = first.trim_matches('"').strip_prefix("sep=")?;
    let separator = SEPARATORS.into_iter().find(|&separator| said.as_bytes() == [separator])?;
    Some((separator, below))
}

/// Whether a table begins with a row of numbers, where names of columns would stand.
pub(crate) fn begins_with_numbers(text: &str, name: &str) -> bool {
    let (text, separator) = prepared(text, name, None);
    let mut reader = reader(&text, separator, separator != b'\t', true);
    let number = |cell: &str| {
        let cell = cell.trim();
        is_missing(cell) || cell.parse::<f64>().is_ok() || separator == b';' && with_point(cell).is_some()
    };
    reader.records().next().is_some_and(|first| first.is_ok_and(|first| first.iter().all(number)))
}

fn blanked(text: &str, start: usize) -> Cow<'_, str> {
    let (before, table) = text.split_at(start);
    match before.trim().is_empty() {
        true => text.into(),
        false => ("\n".repeat(before.matches('\n').count()) + table).into(),
    }
}

/// What separates cells: tabs in `.tsv` and `.tab`, commas in `.csv`, in any other tabs if its first line holds one; but
/// where these do not cut the first lines into as many cells each, what does.
fn separator(text: &str, name: &str, header: Option<bool>) -> u8 {
    let usual = match name.rsplit_once('.') {
        Some((_, "tsv" | "tab")) => b'\t',
        Some((_, "csv")) => b',',
        _ if text.lines().next().is_some_and(|line| line.contains('\t')) => b'\t',
        _ => b',',
    };
    let even = |separator: u8| {
        let widths = widths(text, separator);
        let first = widths.first().copied().unwrap_or_default();
        first > 1 && widths.iter().all(|&width| width == first) && (separator == usual || widths.len() > 1)
    };
    if usual == b',' && even(b';') && decimal_commas(text) {
        return b';';
    }
    // Without a header, lines of one text each may be cut by chance: by what a blank follows, as in prose.
    let prose = |separator: u8| {
        let first = text.lines().next().unwrap_or_default();
        header == Some(false) && first.contains(&format!("{} ", char::from(separator)))
    };
    let mut others = SEPARATORS.into_iter().filter(|&other| other != usual && !prose(other));
    if even(usual) { usual } else { others.find(|&other| even(other)).unwrap_or(usual) }
}

/// Whether there are commas in the first lines, and every one, but for the header's, stands between digits.
fn decimal_commas(text: &str) -> bool {
    let commas = text.lines().take(LOOKED_AT).skip(1).flat_map(|line| {
        let bytes = line.as_bytes();
        let digit = move |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        line.match_indices(',').map(move |(at, _)| at > 0 && digit(at - 1) && digit(at + 1))
    });
    let mut commas = commas.peekable();
    commas.peek().is_some() && commas.all(|between| between)
}

fn reader(text: &str, separator: u8, quoting: bool, flexible: bool) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(separator)
        .quoting(quoting)
        .flexible(flexible)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(text.as_bytes())
}

/// How many cells the first rows have.
fn widths(text: &str, separator: u8) -> Vec<usize> {
    let mut reader = reader(text, separator, separator != b'\t', true);
    reader.records().take(LOOKED_AT).map_while(|record| Some(record.ok()?.len())).collect()
}

/// All rows, the first one too. A quotation mark quotes, but between tabs, where stray ones are frequent, it is a character
/// like any other, unless rows are as wide as the first only where it quotes.
fn rows(text: &str, separator: u8, place: &str) -> Result<Vec<Row>> {
    if separator != b'\t' {
        check_quotes(text, separator, place)?;
        return records(text, separator, true, place);
    }
    let plain = records(text, separator, false, place);
    if plain.is_err() && check_quotes(text, separator, place).is_ok() {
        return records(text, separator, true, place).or(plain);
    }
    plain
}

fn records(text: &str, separator: u8, quoting: bool, place: &str) -> Result<Vec<Row>> {
    let mut reader = reader(text, separator, quoting, false);
    let mut records = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| malformed(place, text, separator, &error))? {
        let line = record.position().map_or(0, |position| start_line(text, position));
        records.push(Row { line, cells: record.clone() });
    }
    Ok(records)
}

/// Refuses what the reader of the `csv` crate takes for a cell: text behind a closing quote, and a quote that is never
/// closed. Both swallow the rows between two stray quotes.
fn check_quotes(text: &str, separator: u8, place: &str) -> Result<()> {
    let ends = [char::from(separator), '\n'];
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first != '"' {
            let end = rest.find(ends).map_or(rest.len(), |at| at + 1);
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
        let behind = rest[end + 1..].split(ends).next().unwrap_or_default();
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

fn malformed(place: &str, text: &str, separator: u8, error: &csv::Error) -> Error {
    let line = error.position().map_or(0, |position| start_line(text, position));
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len: 1, len, .. } if is_title(text, separator) => {
            let title = 1 + text.bytes().take_while(|&byte| byte == b'\n').count();
            format!(
                "line {title} has one cell, the lines below have {len}: take lines before the header out, or quote a cell \
                 that holds a separator"
            )
        }
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let cells = if *len == 1 { "cell" } else { "cells" };
            let remedy = match separator {
                b'\t' => {
                    "between tabs a line is a row, and quotes that do not enclose whole cells throughout the file are \
                     characters: take tabs and line ends out of the cells"
                }
                _ => "quote a cell that holds a separator, and close every quote",
            };
            format!("{len} {cells}, the header has {expected_len}: {remedy}")
        }
        _ => format!("{error}"),
    };
    Error::data(format!("{place}, line {line}"), message)
}

/// Whether the lines below the first have as many cells each, and more than one.
fn is_title(text: &str, separator: u8) -> bool {
    let widths = widths(text, separator);
    let below = widths.get(1..).unwrap_or_default();
    below.first().is_some_and(|&first| first > 1 && below.iter().all(|&width| width == first))
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

    fn cells(name: &str, text: &str) -> Vec<Vec<String>> {
        let sheet = sheet(name, text).unwrap();
        let row = |row: &Row| row.cells.iter().map(str::to_owned).collect();
        [sheet.header.clone()].into_iter().chain(sheet.rows.iter().map(row)).collect()
    }

    #[test]
    fn the_separator_is_found_in_the_lines() {
        let text = "text;label\n\"good; fine, so\";pos\n\"bad\";neg\n";
        for name in ["a.csv", "a.tsv", "a.txt"] {
            let found = cells(name, text);
            assert_eq!(found, [["text", "label"], ["good; fine, so", "pos"], ["bad", "neg"]], "{name}");
        }
        for (separator, name) in [("\t", "a.csv"), (",", "a.tsv"), ("|", "a.csv"), (",", "a.tab")] {
            let found = cells(name, &"a;b\n1;2\n3;4\n".replace(';', separator));
            assert_eq!(found, [["a", "b"], ["1", "2"], ["3", "4"]], "{name}");
        }
        // A line that says so is obeyed, and counted.
        let said = sheet("a.csv", "sep=;\na,x;b,y\n1,5;2,5\n").unwrap();
        assert_eq!((&said.header[..], said.rows[0].line), (&["a,x".to_owned(), "b,y".to_owned()][..], 3));
    }

    #[test]
    fn texts_are_not_cut_by_what_they_hold() {
        assert_eq!(cells("a.csv", "text,label\nso; so,pos\nno; no,neg\n")[1], ["so; so", "pos"]);
        assert_eq!(
            cells("a.tsv", "text\tlabel\nso, so; so\tpos\nno, no; no\tneg\n")[1],
            ["so, so; so", "pos"]
        );
        assert_eq!(cells("a.csv", "text\nso; so\nno; no\n")[1], ["so; so"]);
        let texts = Sheet::parse("so; so\nno; no\n", "a.csv", "a.csv".into(), Some(false)).unwrap();
        assert_eq!(texts.header, ["1"]);
        assert!(
            refusal("a.csv", "text,label\none; two, three,pos\nfour; five,neg\n").contains("line 2: 3 cells")
        );
    }

    #[test]
    fn decimal_commas_are_read_where_they_are_certain() {
        let numbers = |name: &str, text: &str, column| {
            let sheet = sheet(name, text)?;
            sheet.rows.iter().map(|row| sheet.number(row, column)).collect::<Result<Vec<f64>>>()
        };
        let text = "Datum;Wert, kWh;n\n2024-01-01;11,29;1\n2024-01-02;-1.234,5;2\n";
        assert_eq!(numbers("a.csv", text, 1).unwrap(), [11.29, -1234.5]);
        let tabs = numbers("a.tsv", &text.replace(';', "\t"), 1).unwrap_err().to_string();
        assert!(tabs.contains("write decimals with a point"), "{tabs}");
        assert_eq!(numbers("a.txt", "a;b\n0;3\n3,8071;4\n", 0).unwrap(), [0.0, 3.8071]);
        // Thousands or decimals; a list or decimals; two ways in one column.
        for column in ["1,234\n5,678", "3\n1,2", "1.5\n2,5"] {
            let text = format!("a;b\n{};y\n", column.replace('\n', ";x\n"));
            assert_eq!(cells("a.csv", &text)[1][0], text[4..].split_once(';').unwrap().0);
            let message = numbers("a.csv", &text, 0).unwrap_err().to_string();
            assert!(message.contains("is not a number: write decimals with a point"), "{message}");
        }
        assert_eq!(cells("a.tsv", "text\tlabel\nso, so\t1,2\nno\t3\n")[1], ["so, so", "1,2"]);
    }

    #[test]
    fn cells_meant_for_numbers_say_how_to_write_them() {
        for (cell, remedy) in [
            ("\"11,294\"", "write decimals with a point, and thousands without a separator"),
            ("$11.29", "write the number alone"),
            ("11.3%", "write the number alone"),
            ("\u{2212}3.5", "write the minus as `-`"),
            ("so", "fill it in"),
        ] {
            let sheet = sheet("a.csv", &format!("t,v\n1,2\n2,{cell}\n")).unwrap();
            let message = sheet.number(&sheet.rows[1], 1).unwrap_err().to_string();
            let cell = cell.trim_matches('"');
            assert!(
                message.contains(&format!("line 3, column `v`: `{cell}` is not a number: {remedy}")),
                "{message}"
            );
        }
    }

    #[test]
    fn tabs_quote_where_the_whole_file_does() {
        let sheet = sheet("a.tsv", "text\tlabel\n\"a\n\"\"b\"\"\"\tpos\nc\tneg\n").unwrap();
        assert_eq!((sheet.rows[0].text(0), sheet.rows[1].line), ("a\n\"b\"", 4));
        let message = refusal("a.tsv", "text\tlabel\n\"a\nb\" c\tpos\n");
        assert!(
            message.contains("line 2: 1 cell, the header has 2: between tabs a line is a row"),
            "{message}"
        );
    }

    #[test]
    fn lines_before_the_header() {
        let found = sheet("a.csv", "# a comment\n#\n\na,b\n1,2\n").unwrap();
        assert_eq!((found.header_line, found.rows[0].line), (Some(4), 5));
        assert_eq!(cells("a.csv", "#a,b\n1,2\n")[0], ["#a", "b"]);
        assert_eq!(cells("a.csv", "#so\n#no\n")[0], ["#so"]);
        let message = refusal("a.csv", "Weather of 2024\na,b,c\n1,2,3\n");
        assert!(
            message.contains("line 1 has one cell, the lines below have 3: take lines before"),
            "{message}"
        );
    }

    #[test]
    fn monash_files_are_named() {
        let text =
            "# about\n@relation nn5\n@attribute series_name string\n@frequency daily\n@data\nT1:1,2,3\n";
        for name in ["nn5.tsf", "nn5.txt"] {
            assert!(refusal(name, text).contains("it is a .tsf file, which is not read: write a table"));
        }
    }

    #[test]
    fn a_first_row_is_not_taken_for_names() {
        for text in [
            "2023-12-31 23:00,9.5\n2024-01-01 00:00,9.7\n",
            "31.12.2023;x\n01.01.2024;y\n",
            "a,1.5\nb,2.5\n",
            "2023-12-31,9.5,\n2024-01-01,9.7,3\n",
        ] {
            let message = refusal("a.csv", text);
            assert!(
                message.contains("looks like the rows below") && message.contains("data.header = true"),
                "{message}"
            );
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.csv");
            std::fs::write(&path, text).unwrap();
            assert_eq!(Sheet::read_with(&path, Some(false)).unwrap().rows.len(), 2);
            assert_eq!(Sheet::read_with(&path, Some(true)).unwrap().rows.len(), 1);
        }
        // Names that are numbers, beside one that is not.
        for text in ["date,0,1\n2024-01-01,5,6\n", ",0,1\na,5,6\n", "id,0,1\na,5,6\n", "a,2024-01-01\nb,5\n"]
        {
            assert_eq!(sheet("a.csv", text).unwrap().rows.len(), 1);
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
