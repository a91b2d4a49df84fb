//! Which column of a table is the time, which are numbers, and which count the rows.

use std::collections::{HashMap, HashSet};

use super::read::{NO_TIME, SeriesColumns};
use crate::data::sheet::{Row, Sheet, counting, is_missing, nameless, number_of, rewriting, shorten};
use crate::data::time::{Style, Times, time_of_day};
use crate::error::{Error, Result};

/// The time column, and what was read in it.
#[derive(Default)]
pub(super) struct When {
    pub column: Option<usize>,
    pub times: Option<Times>,
    /// Columns that make the time together with that one: of the time of day, or of month, day and hour.
    pub beside: Vec<usize>,
    /// What all of them say of each row.
    pub labels: Option<Vec<String>>,
}

/// The time column, and its times if they can be read.
pub(super) fn time_column(
    sheet: &Sheet,
    columns: &SeriesColumns,
    taken: &[usize],
    id: Option<usize>,
    notes: &mut Vec<String>,
) -> Result<When> {
    let name = match columns.time.as_deref() {
        Some(NO_TIME) => return Ok(When::default()),
        Some(name) => name,
        None => return search(sheet, taken, id, notes),
    };
    let column = sheet.column(name, "data.time")?;
    if let Some(when) = of_parts(sheet).filter(|when| when.column == Some(column)) {
        when.tell_parts(sheet, notes);
        return Ok(when);
    }
    let times = parse(sheet, column).map_err(|row| refused(sheet, &no_time(sheet, column, row), ""))?;
    Ok(When { column: Some(column), times: Some(times), ..When::default() })
}

/// Rows whose times cannot be read might stand in any order.
fn refused(sheet: &Sheet, why: &str, apart: &str) -> Error {
    let message = format!(
        "{why}: mend it, take the row out, or keep the order of the file with data.time = \"none\"{apart}"
    );
    Error::data(sheet.place.clone(), message)
}

fn parse(sheet: &Sheet, column: usize) -> std::result::Result<Times, usize> {
    Times::parse(sheet.rows.iter().map(|row| row.text(column)))
}

/// The first column of dates; without one the columns of year, month and so on, or the first of all, if its numbers rise or
/// fall. Numbers further to the right may be anything.
fn search(sheet: &Sheet, taken: &[usize], id: Option<usize>, notes: &mut Vec<String>) -> Result<When> {
    let free: Vec<usize> = (0..sheet.header.len()).filter(|column| !taken.contains(column)).collect();
    let is_dates = |times: &Times| times.style != Style::Number;
    let dates = free.iter().find_map(|&column| Some((column, parse(sheet, column).ok().filter(is_dates)?)));
    let numbers = || {
        let column = *free.first()?;
        let times = parse(sheet, column).ok().filter(|times| one_way(sheet, times, id))?;
        // The only column of numbers is what is to be forecast.
        let value = |other: usize| other != column && is_numeric(sheet, other) && !nameless(sheet, other);
        let left = (0..sheet.header.len()).any(value);
        left.then_some((column, times))
    };
    let of = |(column, times)| When { column: Some(column), times: Some(times), ..When::default() };
    if let Some(when) = dates.map(of).or_else(|| of_parts(sheet)).or_else(|| numbers().map(of)) {
        when.tell_parts(sheet, notes);
        return Ok(when);
    }
    let nearly =
        |&&column: &&usize| 2 * dates_in(sheet, column) > sheet.rows.len() && parse(sheet, column).is_err();
    if let Some(&column) = free.iter().find(nearly) {
        let labels: Vec<&str> = sheet.rows.iter().map(|row| row.text(column).trim()).collect();
        let names = tells_apart(sheet, taken, &labels).filter(|_| id.is_none());
        let wrong = no_time(sheet, column, parse(sheet, column).err().unwrap_or_default());
        let apart = |names| {
            format!("; {} tells the rows of one date apart: name it with data.id", called(sheet, names))
        };
        return Err(refused(sheet, &wrong, &names.map_or(String::new(), apart)));
    }
    let order = "the rows are taken in the order of the file (data.time names one)";
    notes.push(format!("no column of times: {order}"));
    Ok(When::default())
}

/// What columns of the parts of a time are called, and the numbers that may stand in them.
const PARTS: [(&[&str], std::ops::RangeInclusive<u32>); 5] = [
    (&["year", "yyyy"], 1000..=9999),
    (&["month", "mon", "mo", "mm"], 1..=12),
    (&["day", "dd", "mday", "dayofmonth", "day_of_month"], 1..=31),
    (&["hour", "hr", "hours", "hh"], 0..=23),
    (&["minute", "min", "minutes"], 0..=59),
];

/// The time that columns of a year and a month, and perhaps of a day, an hour and a minute, make together.
fn of_parts(sheet: &Sheet) -> Option<When> {
    let column = |(names, allowed): &(&[&str], std::ops::RangeInclusive<u32>)| {
        let named =
            |&column: &usize| names.iter().any(|name| sheet.header[column].eq_ignore_ascii_case(name));
        let number =
            |row: &Row, column: usize| row.text(column).trim().parse().ok().filter(|n| allowed.contains(n));
        let column = (0..sheet.header.len()).find(named)?;
        let numbers: Vec<u32> = sheet.rows.iter().map(|row| number(row, column)).collect::<Option<_>>()?;
        Some((column, numbers))
    };
    let parts: Vec<(usize, Vec<u32>)> = PARTS.iter().map_while(column).collect();
    if parts.len() < 2 {
        return None;
    }
    let written = |row: usize| {
        let part = |n: usize| parts.get(n).map_or(0, |(_, numbers)| numbers[row]);
        let date = format!("{:04}-{:02}", part(0), part(1));
        match parts.len() {
            2 => date,
            3 => format!("{date}-{:02}", part(2)),
            _ => format!("{date}-{:02} {:02}:{:02}", part(2), part(3), part(4)),
        }
    };
    let labels: Vec<String> = (0..sheet.rows.len()).map(written).collect();
    let times = Times::parse(labels.iter().map(String::as_str)).ok()?;
    let mut columns = parts.iter().map(|(column, _)| *column);
    Some(When { column: columns.next(), times: Some(times), beside: columns.collect(), labels: Some(labels) })
}

fn dates_in(sheet: &Sheet, column: usize) -> usize {
    sheet.rows.iter().filter(|row| Times::is_date(row.text(column))).count()
}

/// Why a column cannot be read as times: its cell in this row.
fn no_time(sheet: &Sheet, column: usize, row: usize) -> String {
    let row = &sheet.rows[row];
    let (cell, line, name) = (shorten(row.text(column).trim()), row.line, called(sheet, column));
    let place = format!("column {name}, line {line}");
    if !Times::is_date(row.text(column)) {
        return format!(
            "{place}: `{cell}` is no time, a number or a date such as 2024-01-31 or 2024-01-31 23:50"
        );
    }
    if dates_in(sheet, column) == sheet.rows.len() && Times::parse([row.text(column)]) == Err(0) {
        return format!(
            "{place}: whether `{cell}` has its day or its month first cannot be told: write dates as 2024-01-31"
        );
    }
    format!("{place}: `{cell}` is written in another way than the cells before it: write all alike")
}

/// A column's name, or its number.
pub(super) fn called(sheet: &Sheet, column: usize) -> String {
    match sheet.header[column].as_str() {
        "" => format!("{} (without a name)", column + 1),
        name => format!("`{name}`"),
    }
}

impl When {
    /// Tells which columns make the time together.
    fn tell_parts(&self, sheet: &Sheet, notes: &mut Vec<String>) {
        let (Some(column), Some(labels), Some((last, others))) =
            (self.column, &self.labels, self.beside.split_last())
        else {
            return;
        };
        let first: Vec<String> =
            [&[column], others].concat().iter().map(|&column| called(sheet, column)).collect();
        let (first, last) = (first.join(", "), called(sheet, *last));
        notes.push(format!("the time is {first} and {last} together, as in `{}`", labels[0]));
    }

    /// Dates that come more than once, beside a column of times of day, or one of hours: both together are the time.
    pub fn join_clock(&mut self, sheet: &Sheet, taken: &[usize], id: Option<usize>, notes: &mut Vec<String>) {
        let (Some(column), Some(times)) = (self.column, &self.times) else { return };
        let mut seen = HashSet::new();
        let series = |row: &Row| id.map_or("", |column| row.text(column).trim()).to_owned();
        let mut rows = sheet.rows.iter().zip(&times.times);
        let once = rows.all(|(row, time)| seen.insert((series(row), time.at.to_bits())));
        if once || !matches!(times.style, Style::Date { clock: None, .. }) {
            return;
        }
        for clock in (0..sheet.header.len()).filter(|column| !taken.contains(column)) {
            let of_day = sheet.rows.iter().map(|row| time_of_day(row.text(clock), &sheet.header[clock]));
            let Some(of_day) = of_day.collect::<Option<Vec<String>>>() else { continue };
            let dates = sheet.rows.iter().map(|row| row.text(column).trim());
            let labels: Vec<String> =
                dates.zip(of_day).map(|(date, time)| format!("{date} {time}")).collect();
            if let Ok(times) = Times::parse(labels.iter().map(String::as_str)) {
                (self.times, self.labels, self.beside) = (Some(times), Some(labels), vec![clock]);
                self.tell_parts(sheet, notes);
                return;
            }
        }
    }

    pub fn tell_order(&self, sheet: &Sheet, notes: &mut Vec<String>) {
        let (Some(column), Some(times)) = (self.column, &self.times) else { return };
        if let (true, Some(date)) = (times.guessed, times.times[0].clock) {
            let (name, cell, date) = (called(sheet, column), sheet.rows[0].text(column).trim(), date.date());
            notes.push(format!(
                "column {name}: `{cell}` is read as {date}: so the rows are the most evenly apart"
            ));
        }
    }

    pub fn count_from_1970(&mut self, sheet: &Sheet, notes: &mut Vec<String>) {
        let dates = self.times.as_ref().and_then(Times::since_1970);
        if let (Some(column), Some(times)) = (self.column, dates) {
            let unit = if times.style == (Style::Unix { parts: 1 }) { "seconds" } else { "milliseconds" };
            let name = called(sheet, column);
            notes.push(format!("the calendar takes column {name} for {unit} since 1970, in UTC"));
            self.times = Some(times);
        }
    }
}

/// A column that counts the rows, as `pandas` writes one: neither a time nor a value, if there is anything else.
pub(super) fn index(
    sheet: &Sheet,
    columns: &SeriesColumns,
    taken: &[usize],
    notes: &mut Vec<String>,
) -> Option<usize> {
    let named = columns.time.as_deref().and_then(|name| sheet.column(name, "data.time").ok());
    let all = 0..sheet.header.len();
    let found = counting(sheet, |column| Some(column) != named && !taken.contains(&column))?;
    let other = |other: usize| is_numeric(sheet, other) || Times::is_date(sheet.rows[0].text(other));
    all.clone().find(|&column| column != found && other(column))?;
    notes.push(format!("column {} counts the rows: it is passed over", called(sheet, found)));
    Some(found)
}

/// A column of names that differ wherever two rows have one time.
pub(super) fn tells_apart(sheet: &Sheet, taken: &[usize], labels: &[&str]) -> Option<usize> {
    let once = |count: usize| count == labels.len();
    let differs = |&column: &usize| {
        let names = || sheet.rows.iter().map(|row| row.text(column));
        once(names().zip(labels).collect::<HashSet<_>>().len())
            && 2 * names().collect::<HashSet<_>>().len() <= labels.len()
    };
    let words = |column: &usize| !taken.contains(column) && !is_numeric(sheet, *column);
    let repeat = !once(labels.iter().collect::<HashSet<_>>().len());
    (0..sheet.header.len()).filter(|column| repeat && words(column)).find(differs)
}

/// Whether the numbers of each series rise from row to row, or fall.
fn one_way(sheet: &Sheet, times: &Times, id: Option<usize>) -> bool {
    let mut last: HashMap<&str, (f64, f64)> = HashMap::new();
    sheet.rows.iter().zip(&times.times).all(|(row, time)| {
        let id = id.map_or("", |column| row.text(column));
        let Some((before, way)) = last.get_mut(id) else {
            last.insert(id, (time.at, 0.0));
            return true;
        };
        let step = (time.at - *before).signum();
        let goes_on = time.at != *before && (*way == 0.0 || *way == step);
        (*before, *way) = (time.at, step);
        goes_on
    })
}

/// Whether a column is one of numbers: more cells are than are words; those without a value do not count.
fn is_numeric(sheet: &Sheet, column: usize) -> bool {
    let cells = || sheet.rows.iter().map(|row| row.text(column).trim()).filter(|cell| !is_missing(cell));
    let numbers = cells().filter(|cell| number_of(cell).is_ok()).count();
    2 * numbers > cells().count()
}

/// The first cell of a column that is no number.
fn not_numbers(sheet: &Sheet, column: usize) -> String {
    let word = |row: &&Row| !is_missing(row.text(column)) && row.text(column).trim().parse::<f64>().is_err();
    sheet.rows.iter().find(word).map_or(String::new(), |row| {
        let (name, cell) = (called(sheet, column), shorten(row.text(column).trim()));
        let how = rewriting(row.text(column).trim()).map_or(String::new(), |how| format!(" ({how})"));
        format!(", and column {name} holds `{cell}` on line {}{how}", row.line)
    })
}

/// All columns of numbers that have no part yet; those left out are told.
pub(super) fn others(
    sheet: &Sheet,
    taken: &[usize],
    time: Option<usize>,
    notes: &mut Vec<String>,
) -> Result<Vec<usize>> {
    let free = (0..sheet.header.len()).filter(|column| !taken.contains(column));
    let (numbers, words): (Vec<usize>, Vec<usize>) = free.partition(|&column| is_numeric(sheet, column));
    if numbers.is_empty() {
        let beside =
            time.map_or(String::new(), |column| format!(" beside the time column {}", called(sheet, column)));
        return Err(Error::data(
            format!("{}, line 1", sheet.place),
            format!(
                "no column of numbers{beside} (the columns are `{}`){}: add one, or name the columns with data.time and \
                 data.value",
                sheet.header.join("`, `"),
                words.first().map_or(String::new(), |&column| not_numbers(sheet, column))
            ),
        ));
    }
    if !words.is_empty() {
        let names: Vec<String> = words.iter().map(|&column| called(sheet, column)).collect();
        notes.push(format!("left out, for their cells are not numbers: {}", names.join(", ")));
    }
    Ok(numbers)
}
