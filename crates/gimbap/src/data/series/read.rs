//! From a table to series: which column is what, when the rows are, and what to do where some are missing or come twice.
//!
//! Nothing is put right in silence: what was seen and done stands in [`SeriesTable::notes`].

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::find::{When, called, index, others, tells_apart, time_column};
use super::{Roles, Series};
use crate::data::sheet::{Row, Sheet, is_missing};
use crate::data::time::{Calendar, Frequency, Style, Time, Times};
use crate::error::{Error, Result};

/// What is done about rows that are missing between two others, and about cells without a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// Nothing: the rows on both sides of a gap stand side by side, and a missing cell is an error.
    #[default]
    None,
    /// The last value before it; before the first value, that.
    Last,
    /// On a straight line between its neighbours.
    Linear,
    /// The last value before it, and one more column of inputs, `observed`, that is 0 there and 1 elsewhere. What was not
    /// observed is not asked for.
    Mask,
}

/// What is done about rows of a series at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubles {
    /// They are refused.
    #[default]
    Error,
    /// Their mean is taken.
    Mean,
    /// The first in the file is taken.
    First,
    /// The last in the file is taken.
    Last,
}

/// The columns of a table that holds a series, or several below one another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeriesColumns {
    /// The time column; by default the first of dates, or the first of all, if its numbers rise or fall from row to row.
    /// A column that counts the rows, without a name or called `index`, is passed over. `none`: there is none.
    pub time: Option<String>,
    /// The column that says which series a row belongs to; by default there is one series.
    pub id: Option<String>,
    /// The columns to forecast; by default all columns of numbers that have no other part.
    pub values: Vec<String>,
    /// Columns that are known up to the present.
    pub past: Vec<String>,
    /// Columns that are known ahead: a holiday, a plan, a price.
    pub known: Vec<String>,
    /// Figures of the calendar, known ahead as well: each is a sine and a cosine.
    pub calendar: Vec<Calendar>,
    /// How far one row is from the next, as [`Frequency::parse`] reads it; by default the most frequent distance.
    pub frequency: Option<String>,
    /// What is done about missing rows and cells.
    pub fill: Fill,
    /// What is done about rows at one time.
    pub doubles: Doubles,
    /// Whether the table has a line of names, by default that it has; without one a column is called by its number from 1.
    pub header: Option<bool>,
}

/// `data.time` of a table without a time column.
pub const NO_TIME: &str = "none";
/// The name of the column that [`Fill::Mask`] adds.
pub const OBSERVED: &str = "observed";

/// The series of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesTable {
    /// In the order in which their ids first appear.
    pub series: Vec<Series>,
    /// The name of the time column.
    pub time: Option<String>,
    /// How its times are written, if they could be read.
    pub style: Option<Style>,
    /// How far one row is from the next, if there are times.
    pub frequency: Option<Frequency>,
    /// What was seen and done, a line each.
    pub notes: Vec<String>,
}

/// How many places are named.
const NAMED: usize = 3;

impl SeriesTable {
    /// Reads a CSV or TSV file.
    ///
    /// Rows are taken in the order of their time, newest first or not in order as they may be; without a time column, in the
    /// order of the file. Rows at the end that have no value but all that is known ahead are the future ([`Series::ahead`]).
    ///
    /// # Errors
    /// [`Error::Data`] for a missing column, a ragged row, a cell that is missing or no finite number (with line and
    /// column), rows at one time, no value column, an empty file; [`Error::Config`] for a frequency that is none;
    /// [`Error::Io`] if it cannot be read.
    pub fn read(path: impl AsRef<Path>, columns: &SeriesColumns) -> Result<Self> {
        Self::of(Sheet::read_with(path.as_ref(), columns.header)?, columns)
    }

    /// As [`read`](Self::read), of a table's text; `place` is what errors call it.
    ///
    /// # Errors
    /// As there.
    pub fn parse(text: &str, place: &str, columns: &SeriesColumns) -> Result<Self> {
        let sheet = Sheet::parse(text, "table.csv", place.to_owned(), columns.header)?;
        Self::of(sheet.with_a_true_header(columns.header)?, columns)
    }

    fn of(sheet: Sheet, columns: &SeriesColumns) -> Result<Self> {
        let mut notes = Vec::new();
        let plan = Plan::of(&sheet, columns, &mut notes)?;
        let groups = plan.groups(&sheet)?;
        let frequency = plan.frequency(&groups)?;
        let mut seen = Seen::default();
        let mut series = Vec::with_capacity(groups.len());
        for group in groups {
            let rows = plan.in_order(&sheet, group.rows, &mut seen)?;
            series.push(plan.series(&sheet, group.id, rows, frequency.as_ref(), &mut seen)?);
        }
        plan.tell(&sheet, &series, frequency.as_ref(), &seen, &mut notes);
        let time = plan.time.map(|column| sheet.header[column].clone());
        let style = plan.times.map(|times| times.style);
        Ok(SeriesTable { series, time, style, frequency, notes })
    }
}

/// Which column is what.
struct Plan<'a> {
    columns: &'a SeriesColumns,
    time: Option<usize>,
    /// Of every row of the sheet, where the time column could be read.
    times: Option<Times>,
    /// Of every row, where two columns together make the time.
    labels: Option<Vec<String>>,
    id: Option<usize>,
    /// Columns that have a part, or are passed over.
    taken: Vec<usize>,
    /// The columns of numbers: values, past, known.
    wanted: Vec<usize>,
    roles: Roles,
}

/// The rows of one series.
struct Group {
    id: Option<String>,
    rows: Vec<usize>,
    /// In ascending order.
    times: Vec<Time>,
}

/// What was seen on the way, over all series.
#[derive(Default)]
struct Seen {
    newest_first: usize,
    unordered: Vec<String>,
    doubles: Vec<String>,
    gaps: Vec<String>,
    missing_rows: usize,
    rounded: Vec<String>,
    uneven: Vec<String>,
    missing_cells: Vec<String>,
}

/// Numbers of a row, of which some may be missing.
struct Filled {
    label: String,
    time: Option<Time>,
    values: Vec<Option<f64>>,
}

impl<'a> Plan<'a> {
    fn of(sheet: &Sheet, columns: &'a SeriesColumns, notes: &mut Vec<String>) -> Result<Self> {
        let find = |names: &[String], option: &str| -> Result<Vec<usize>> {
            names.iter().map(|name| sheet.column(name, option)).collect()
        };
        let id = columns.id.as_ref().map(|name| sheet.column(name, "data.id")).transpose()?;
        let values = find(&columns.values, "data.value")?;
        let (past, known) = (find(&columns.past, "data.past")?, find(&columns.known, "data.known")?);
        let mut taken: Vec<usize> = [&values[..], &past, &known].concat();
        taken.extend(id);
        if let Some(twice) = (0..taken.len()).find(|&i| taken[..i].contains(&taken[i])) {
            let message = format!(
                "the column `{}` has two parts: name it once among data.id, data.value, data.past and data.known",
                sheet.header[taken[twice]]
            );
            return Err(Error::data(format!("{}, line 1", sheet.place), message));
        }
        taken.extend(index(sheet, columns, &taken, notes));
        let mut when = time_column(sheet, columns, &taken, id, notes)?;
        let time = when.column;
        taken.extend(time);
        when.join_clock(sheet, &taken, id, notes);
        when.tell_order(sheet, notes);
        if !columns.calendar.is_empty() {
            when.count_from_1970(sheet, notes);
        }
        let When { times, beside, labels, .. } = when;
        taken.extend(beside);
        let values = if values.is_empty() { others(sheet, &taken, time, notes)? } else { values };
        let roles = Roles {
            values: values.len(),
            past: past.len() + usize::from(columns.fill == Fill::Mask),
            known: known.len() + 2 * columns.calendar.len(),
        };
        if !columns.calendar.is_empty() && times.as_ref().is_none_or(|times| times.style == Style::Number) {
            return Err(Error::config(
                "data.calendar",
                format!(
                    "{} has no column of dates: name it with data.time, or leave the calendar out",
                    sheet.place
                ),
            ));
        }
        Ok(Plan { columns, time, times, labels, id, taken, wanted: [values, past, known].concat(), roles })
    }

    /// The time of a row as it is written.
    fn written<'b>(&'b self, sheet: &'b Sheet, row: usize) -> &'b str {
        match &self.labels {
            Some(labels) => &labels[row],
            None => self.time.map_or("", |column| sheet.rows[row].text(column).trim()),
        }
    }

    fn groups(&self, sheet: &Sheet) -> Result<Vec<Group>> {
        let mut groups: Vec<Group> = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (index, row) in sheet.rows.iter().enumerate() {
            let id = self.id.map(|column| sheet.id(row, column)).transpose()?;
            let group = *known.entry(id.unwrap_or_default()).or_insert_with(|| {
                groups.push(Group { id: id.map(str::to_owned), rows: Vec::new(), times: Vec::new() });
                groups.len() - 1
            });
            groups[group].rows.push(index);
        }
        if let Some(times) = &self.times {
            for group in &mut groups {
                group.times = group.rows.iter().map(|&row| times.times[row]).collect();
                group.times.sort_by(|a, b| a.at.total_cmp(&b.at));
            }
        }
        Ok(groups)
    }

    fn frequency(&self, groups: &[Group]) -> Result<Option<Frequency>> {
        if let Some(written) = &self.columns.frequency {
            return Frequency::parse(written).map(Some);
        }
        let times: Vec<&[Time]> = groups.iter().map(|group| group.times.as_slice()).collect();
        Ok(Frequency::of(&times))
    }

    /// The rows of a series in ascending order of time, each time once.
    fn in_order(&self, sheet: &Sheet, mut rows: Vec<usize>, seen: &mut Seen) -> Result<Vec<Vec<usize>>> {
        let Some(Times { times, .. }) = &self.times else {
            return Ok(rows.into_iter().map(|row| vec![row]).collect());
        };
        let falls = |pair: &[usize]| times[pair[1]].at < times[pair[0]].at;
        let rises = |pair: &[usize]| times[pair[1]].at > times[pair[0]].at;
        let first_fall = rows.windows(2).find(|pair| falls(pair));
        if let Some(&[_, fall]) = first_fall {
            if rows.windows(2).any(rises) {
                seen.unordered.push(format!("line {}", sheet.rows[fall].line));
            } else {
                seen.newest_first += 1;
            }
            // Stable: rows at one time stay in the order of the file.
            rows.sort_by(|&a, &b| times[a].at.total_cmp(&times[b].at));
        }
        let mut merged: Vec<Vec<usize>> = Vec::with_capacity(rows.len());
        for row in rows {
            match merged.last_mut() {
                Some(last) if times[last[0]].at == times[row].at => last.push(row),
                _ => merged.push(vec![row]),
            }
        }
        let written = |row: usize| self.written(sheet, row);
        for same in merged.iter().filter(|same| same.len() > 1) {
            let lines = (sheet.rows[same[0]].line, sheet.rows[same[1]].line);
            seen.doubles.push(format!("`{}` on lines {} and {}", written(same[0]), lines.0, lines.1));
        }
        if self.columns.doubles == Doubles::Error && !seen.doubles.is_empty() {
            let labels: Vec<&str> = (0..sheet.rows.len()).map(written).collect();
            let names = tells_apart(sheet, &self.taken, &labels).map(|column| called(sheet, column));
            let several = match (self.id, names) {
                (Some(_), _) => String::new(),
                (_, Some(names)) => format!(
                    "{names} tells the rows of one time apart: name it with data.id if each of its names is a series; if not, "
                ),
                _ => "if the file holds several series, name the column that tells them apart with data.id; if not, ".into(),
            };
            return Err(Error::data(
                sheet.place.clone(),
                format!(
                    "{} more than once (first {}): {several}make one row of them with data.doubles = \"mean\", \
                     \"first\" or \"last\"",
                    times_come(seen.doubles.len()),
                    first(&seen.doubles)
                ),
            ));
        }
        match self.columns.doubles {
            Doubles::First => merged.iter_mut().for_each(|same| same.truncate(1)),
            Doubles::Last => merged.iter_mut().for_each(|same| drop(same.drain(..same.len() - 1))),
            Doubles::Error | Doubles::Mean => {}
        }
        Ok(merged)
    }

    fn series(
        &self,
        sheet: &Sheet,
        id: Option<String>,
        rows: Vec<Vec<usize>>,
        frequency: Option<&Frequency>,
        seen: &mut Seen,
    ) -> Result<Series> {
        let mut filled = Vec::with_capacity(rows.len());
        for same in &rows {
            filled.push(self.row(sheet, same)?);
        }
        let future = self.split_future(&mut filled);
        for (row, same) in filled.iter().zip(&rows) {
            for (value, &column) in row.values.iter().zip(&self.wanted) {
                if value.is_none() {
                    let line = &sheet.rows[same[0]];
                    if self.columns.fill == Fill::None {
                        return Err(self.missing(sheet, line, column));
                    }
                    seen.missing_cells.push(format!("line {}, column `{}`", line.line, sheet.header[column]));
                }
            }
        }
        if let (Some(frequency), Some(times)) = (frequency, &self.times) {
            if self.columns.frequency.is_some() {
                round(&mut filled, frequency, &times.style, seen);
            }
            filled = self.evened(sheet, filled, frequency, seen)?;
        }
        let observed =
            filled.iter().map(|row| row.values[..self.roles.values].iter().all(Option::is_some)).collect();
        let mut columns: Vec<Vec<f64>> = Vec::with_capacity(self.wanted.len());
        for (place, &column) in self.wanted.iter().enumerate() {
            let cells: Vec<Option<f64>> = filled.iter().map(|row| row.values[place]).collect();
            let of = || format!("{}, column `{}`", sheet.place, sheet.header[column]);
            columns.push(fill(&cells, self.columns.fill).ok_or_else(|| {
                Error::data(
                    of(),
                    "it has not one value: leave it out with data.value, or take its series out",
                )
            })?);
        }
        if self.columns.fill == Fill::Mask {
            let mark = |row: &Filled| f64::from(u8::from(row.values.iter().all(Option::is_some)));
            columns.insert(self.ahead(), filled.iter().map(mark).collect());
        }
        let known = |row: &Filled, own: &mut dyn Iterator<Item = f64>| -> Vec<f64> {
            let mut values: Vec<f64> = own.collect();
            if let Some(clock) = row.time.and_then(|time| time.clock) {
                values.extend(Calendar::angles(&self.columns.calendar, clock));
            }
            values
        };
        let mut values = Vec::with_capacity(filled.len() * self.roles.features());
        for (n, row) in filled.iter().enumerate() {
            values.extend(known(row, &mut columns.iter().map(|column| column[n])));
        }
        let ahead = future
            .iter()
            .flat_map(|row| {
                known(row, &mut row.values[self.ahead()..].iter().map(|value| value.unwrap_or_default()))
            })
            .collect();
        Ok(Series {
            id,
            times: filled.iter().map(|row| row.label.clone()).collect(),
            clock: filled.iter().filter_map(|row| row.time).collect(),
            names: self.names(sheet),
            values,
            observed,
            roles: self.roles,
            ahead,
        })
    }

    /// Values, past, known, and the calendar's sines and cosines.
    fn names(&self, sheet: &Sheet) -> Vec<String> {
        let mut names: Vec<String> = self.wanted.iter().map(|&column| sheet.header[column].clone()).collect();
        if self.columns.fill == Fill::Mask {
            names.insert(self.ahead(), OBSERVED.to_owned());
        }
        let calendar =
            self.columns.calendar.iter().flat_map(|c| ["sin", "cos"].map(|f| format!("{}_{f}", c.name())));
        names.extend(calendar);
        names
    }

    /// Where the columns begin, among those wanted, that are known ahead.
    fn ahead(&self) -> usize {
        self.roles.values + self.columns.past.len()
    }

    /// One row of one or several lines at one time: the mean of their numbers.
    fn row(&self, sheet: &Sheet, same: &[usize]) -> Result<Filled> {
        let mut values = Vec::with_capacity(self.wanted.len());
        for &column in &self.wanted {
            let (mut sum, mut n) = (0.0, 0usize);
            for row in same.iter().map(|&row| &sheet.rows[row]) {
                if !is_missing(row.text(column)) {
                    sum += sheet.number(row, column)?;
                    n += 1;
                }
            }
            values.push((n > 0).then(|| sum / n as f64));
        }
        let row = same[0];
        Ok(Filled {
            label: match self.time {
                Some(_) => self.written(sheet, row).to_owned(),
                None => (row + 1).to_string(),
            },
            time: self.times.as_ref().map(|times| times.times[row]),
            values,
        })
    }

    /// Takes off the rows at the end that have no value and all that is known ahead.
    fn split_future(&self, rows: &mut Vec<Filled>) -> Vec<Filled> {
        let (values, known) = (self.roles.values, self.ahead());
        if self.wanted.len() == known {
            return Vec::new();
        }
        let is_future = |row: &Filled| {
            row.values[..values].iter().all(Option::is_none)
                && row.values[known..].iter().all(Option::is_some)
        };
        let end = rows.iter().rposition(|row| !is_future(row)).map_or(0, |last| last + 1);
        rows.split_off(end)
    }

    fn missing(&self, sheet: &Sheet, row: &Row, column: usize) -> Error {
        let cell = row.text(column).trim();
        let shown = if cell.is_empty() {
            "the cell is empty".to_owned()
        } else {
            format!("the value is missing (`{cell}`)")
        };
        Error::data(
            format!("{}, line {}, column `{}`", sheet.place, row.line, sheet.header[column]),
            format!(
                "{shown}: fill it in, or let data.fill do it (last, linear, or mask), or leave the column out with data.value"
            ),
        )
    }

    /// The rows with those between that are missing, if they are to be filled.
    fn evened(
        &self,
        sheet: &Sheet,
        rows: Vec<Filled>,
        frequency: &Frequency,
        seen: &mut Seen,
    ) -> Result<Vec<Filled>> {
        let mut all: Vec<Filled> = Vec::with_capacity(rows.len());
        for row in rows {
            if let (Some(before), Some(time)) = (all.last().and_then(|row: &Filled| row.time), row.time) {
                let label = &row.label;
                match frequency.steps(&before, &time) {
                    Some(1) => {}
                    Some(steps) if steps > 1 => {
                        seen.gaps.push(format!("before `{label}`"));
                        seen.missing_rows += steps - 1;
                        if self.columns.fill != Fill::None {
                            self.check_length(sheet, all.len() + steps, seen)?;
                            all.extend((1..steps).map(|step| self.absent(frequency.after(&before, step))));
                        }
                    }
                    _ => {
                        if self.columns.fill != Fill::None {
                            return Err(self.off_the_grid(sheet, &all[all.len() - 1], &row, frequency));
                        }
                        seen.uneven.push(format!("before `{label}`"));
                    }
                }
            }
            all.push(row);
        }
        Ok(all)
    }

    /// Two rows that are no whole number of steps apart, or none at all.
    fn off_the_grid(&self, sheet: &Sheet, before: &Filled, row: &Filled, frequency: &Frequency) -> Error {
        let step = frequency.in_words(row.time.is_some_and(|time| time.clock.is_some()));
        let (label, before) = (&row.label, &before.label);
        let rounded = match frequency {
            Frequency::Even(_) => ", though times within a quarter of a step are rounded",
            Frequency::Months(_) | Frequency::Weekdays => "",
        };
        let apart = format!("`{label}` is no whole number of steps of {step} behind `{before}`");
        let message = match &self.columns.frequency {
            Some(written) => format!(
                "{apart} (data.frequency is {written}){rounded}, so the rows between cannot be filled: give data.frequency a \
                 step that both are on, or set data.fill = \"none\""
            ),
            None => format!(
                "{apart}, so the rows between cannot be filled: set data.frequency, to whose steps times are rounded, or \
                 data.fill = \"none\""
            ),
        };
        Error::data(sheet.place.clone(), message)
    }

    /// A gap of centuries is a wrong year, not a gap.
    fn check_length(&self, sheet: &Sheet, rows: usize, seen: &Seen) -> Result<()> {
        let most = 100 * sheet.rows.len() + 100_000;
        if rows <= most {
            return Ok(());
        }
        Err(Error::data(
            sheet.place.clone(),
            format!(
                "filling its gaps makes more than {most} rows of {} (the last gap is {}): is a time wrong, or data.frequency?",
                sheet.rows.len(),
                seen.gaps.last().map_or("none", String::as_str)
            ),
        ))
    }

    fn absent(&self, time: Time) -> Filled {
        let label = self.times.as_ref().map_or(String::new(), |times| times.style.write(&time));
        Filled { label, time: Some(time), values: vec![None; self.wanted.len()] }
    }

    fn tell(
        &self,
        sheet: &Sheet,
        series: &[Series],
        frequency: Option<&Frequency>,
        seen: &Seen,
        notes: &mut Vec<String>,
    ) {
        if let (Some(column), Some(times)) = (self.time, &self.times) {
            let dates = times.style != Style::Number;
            let step = frequency.map_or(String::new(), |f| format!(", a step is {}", f.in_words(dates)));
            notes.push(format!("time: {}{step}", called(sheet, column)));
        }
        if let Some(column) = self.id {
            notes.push(format!("{} series, by `{}`", series.len(), sheet.header[column]));
        }
        if seen.newest_first > 0 {
            notes.push("the rows are newest first: they are taken the other way round".to_owned());
        }
        if !seen.unordered.is_empty() {
            notes.push(format!(
                "rows are not in order of time (first {}): they are sorted",
                first(&seen.unordered)
            ));
        }
        if !seen.doubles.is_empty() {
            let how = match self.columns.doubles {
                Doubles::Mean => "their mean is taken",
                Doubles::First => "the first row is taken",
                Doubles::Last | Doubles::Error => "the last row is taken",
            };
            notes.push(format!(
                "{} more than once (first {}): {how}",
                times_come(seen.doubles.len()),
                first(&seen.doubles)
            ));
        }
        if !seen.gaps.is_empty() {
            let what = match self.columns.fill {
                Fill::None => {
                    "the rows on both sides stand side by side (data.fill = \"last\", \"linear\" or \"mask\" puts rows between)"
                }
                Fill::Last => "filled with the last value",
                Fill::Linear => "filled along straight lines",
                Fill::Mask => "filled, and marked in the column `observed`",
            };
            notes.push(format!(
                "{} of {} in all (first {}): {what}",
                counted(seen.gaps.len(), "gap"),
                counted(seen.missing_rows, "row"),
                first(&seen.gaps)
            ));
        }
        if !seen.rounded.is_empty() {
            let (count, first) = (counted(seen.rounded.len(), "time"), first(&seen.rounded));
            notes.push(format!("rounded to the steps of data.frequency: {count} (first {first})"));
        }
        if !seen.uneven.is_empty() {
            notes.push(format!(
                "{} not a whole number of steps from their neighbours (first {}): each row counts as one step",
                if seen.uneven.len() == 1 { "1 row is".into() } else { format!("{} rows are", seen.uneven.len()) },
                first(&seen.uneven)
            ));
        }
        if !seen.missing_cells.is_empty() {
            notes.push(format!(
                "{} without a value (first {}): filled",
                counted(seen.missing_cells.len(), "cell"),
                first(&seen.missing_cells)
            ));
        }
    }
}

/// Rounds times to the grid of a frequency.
fn round(rows: &mut [Filled], frequency: &Frequency, style: &Style, seen: &mut Seen) {
    let times: Vec<Time> = rows.iter().filter_map(|row| row.time).collect();
    for (row, time) in rows.iter_mut().zip(frequency.rounded(&times)) {
        if row.time != Some(time) {
            let label = style.write(&time);
            seen.rounded.push(format!("`{}` to `{label}`", row.label));
            (row.time, row.label) = (Some(time), label);
        }
    }
}

/// A column without holes; `None` if it is nothing but one.
fn fill(cells: &[Option<f64>], how: Fill) -> Option<Vec<f64>> {
    if cells.is_empty() {
        return Some(Vec::new());
    }
    let start = cells.iter().flatten().next()?;
    let mut values = Vec::with_capacity(cells.len());
    let mut last = (0, *start);
    for (n, cell) in cells.iter().enumerate() {
        if let Some(value) = *cell {
            if how == Fill::Linear && values.len() > last.0 + 1 && cells[last.0].is_some() {
                let (from, a) = last;
                for (k, between) in values.iter_mut().enumerate().skip(from + 1) {
                    *between = a + (value - a) * (k - from) as f64 / (n - from) as f64;
                }
            }
            last = (n, value);
        }
        values.push(last.1);
    }
    Some(values)
}

fn counted(n: usize, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

fn times_come(n: usize) -> String {
    if n == 1 { "1 time comes".to_owned() } else { format!("{n} times come") }
}

/// The first of some places.
fn first(places: &[String]) -> String {
    let dots = if places.len() > NAMED { ", .." } else { "" };
    format!("{}{dots}", places[..places.len().min(NAMED)].join(", "))
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
