//! When the rows of a series are: numbers, or dates and times of ISO 8601; how far apart they lie, and what comes next.
//!
//! | a cell | is read as |
//! |---|---|
//! | `17`, `0.25` | a number, whatever its unit |
//! | `2024-03-01`, `2024/3/1`, `20240301`, `2024-03` | a day, or the first of a month |
//! | `2024-03-01 09:30`, `2024-03-01T09:30:15.5` | a time as a clock shows it |
//! | `2024-03-01T09:30+09:00`, `..Z` | an instant: those of one column may have different offsets |
//!
//! | `3/14/2024`, `14.3.2024 9:30` | the same with the year last |
//!
//! All cells of a column are of one kind. Whether a day or a month comes first is decided by the whole column: by days
//! above 12, else by the order that makes the rows follow each other evenly. Where both do, the column is refused.

use std::cmp::Ordering;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::error::{Error, Result};

/// One time of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time {
    /// The number; of a date the seconds since 1970-01-01T00:00 (in UTC, if the cell has an offset).
    pub at: f64,
    /// What clock and calendar showed; none of a number.
    pub clock: Option<DateTime>,
}

/// The times of a column, and how they are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    /// Of each row.
    pub times: Vec<Time>,
    /// How those that follow are written.
    pub style: Style,
}

/// How times are written: as the last cell of their column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Style {
    /// As numbers.
    Number,
    /// As dates.
    Date {
        /// What comes first.
        order: Order,
        /// Between year, month and day: `-`, `/`, `.` or nothing.
        between: String,
        /// Whether the day is written; else it is the first of the month.
        day: bool,
        /// How the time of day is written, if it is.
        clock: Option<Clock>,
    },
}

/// What comes first in a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Year, month, day.
    Year,
    /// Month, day, year.
    Month,
    /// Day, month, year.
    Day,
}

/// How a time of day is written behind a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Between day and hour: `T` or a blank.
    between: char,
    /// Whether seconds are shown.
    seconds: bool,
    /// `Z`, `+09:00` or nothing.
    offset: String,
}

impl Times {
    /// Reads the cells of a column.
    ///
    /// # Errors
    /// The index of the first cell that is no time, or of another kind than those before it; 0 where it cannot be told
    /// whether months or days come first.
    pub fn parse<'a>(cells: impl IntoIterator<Item = &'a str>) -> std::result::Result<Times, usize> {
        let cells: Vec<&str> = cells.into_iter().map(str::trim).collect();
        let row = match Times::ordered(&cells, Order::Year) {
            Ok(times) => return Ok(times),
            Err(row) => row,
        };
        match (Times::ordered(&cells, Order::Month), Times::ordered(&cells, Order::Day)) {
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
            (Ok(month), Ok(day)) => match month.evenness().cmp(&day.evenness()) {
                Ordering::Greater => Ok(month),
                Ordering::Less => Ok(day),
                Ordering::Equal => Err(0),
            },
            (Err(a), Err(b)) => Err(row.max(a).max(b)),
        }
    }

    fn ordered(cells: &[&str], order: Order) -> std::result::Result<Times, usize> {
        // Eight digits are days, if all of them can be.
        let eight =
            !cells.is_empty() && cells.iter().all(|cell| is_digits(cell, 8) && date(cell, order).is_some());
        let mut times = Times { times: Vec::with_capacity(cells.len()), style: Style::Number };
        let mut first = None;
        for (row, cell) in cells.iter().enumerate() {
            let found = match cell.parse::<f64>() {
                Ok(at) if !eight => at.is_finite().then_some((Time { at, clock: None }, Style::Number)),
                _ => dated(cell, order),
            };
            let (time, style) = found.ok_or(row)?;
            let kind = style.kind();
            if *first.get_or_insert(kind) != kind {
                return Err(row);
            }
            times.times.push(time);
            times.style = style;
        }
        Ok(times)
    }

    /// How many neighbours are as far apart as most of them.
    fn evenness(&self) -> usize {
        most(self.times.windows(2).map(|pair| (pair[1].at - pair[0].at).abs())).map_or(0, |(_, count)| count)
    }
}

impl Style {
    /// A time as its column would have it.
    pub fn write(&self, time: &Time) -> String {
        let (Some(clock), Style::Date { order, between, day, clock: style }) = (time.clock, self) else {
            return time.at.to_string();
        };
        let date = clock.date();
        let (y, m, d) = (date.year(), date.month(), date.day());
        let date = match order {
            Order::Year if !day => format!("{y:04}{between}{m:02}"),
            Order::Year => format!("{y:04}{between}{m:02}{between}{d:02}"),
            Order::Month => format!("{m:02}{between}{d:02}{between}{y:04}"),
            Order::Day => format!("{d:02}{between}{m:02}{between}{y:04}"),
        };
        let time = clock.time();
        let plain = Clock { between: ' ', seconds: false, offset: String::new() };
        let Clock { between, seconds, offset } = match style {
            Some(style) => style,
            None if time == jiff::civil::Time::midnight() => return date,
            None => &plain,
        };
        let (second, part) = (time.second(), time.subsec_nanosecond());
        let seconds = match part {
            0 if *seconds || second != 0 => format!(":{second:02}"),
            0 => String::new(),
            _ => format!(":{second:02}.{part:09}").trim_end_matches('0').to_owned(),
        };
        format!("{date}{between}{:02}:{:02}{seconds}{offset}", time.hour(), time.minute())
    }

    /// What may not be mixed in a column: numbers, times as clocks show them, instants.
    fn kind(&self) -> u8 {
        match self {
            Style::Number => 0,
            Style::Date { clock: Some(clock), .. } if !clock.offset.is_empty() => 2,
            Style::Date { .. } => 1,
        }
    }
}

fn is_digits(cell: &str, n: usize) -> bool {
    cell.len() == n && cell.bytes().all(|byte| byte.is_ascii_digit())
}

/// A date, and whether it has a day.
fn date(cell: &str, order: Order) -> Option<(Date, bool)> {
    let mut parts: Vec<&str> = match is_digits(cell, 8) {
        true => vec![&cell[..4], &cell[4..6], &cell[6..]],
        false => cell.split(['-', '/', '.']).collect(),
    };
    match (order, &parts[..]) {
        (Order::Year, _) => {}
        (Order::Month, &[month, day, year]) => parts = vec![year, month, day],
        (Order::Day, &[day, month, year]) => parts = vec![year, month, day],
        _ => return None,
    }
    let number = |part: &str| -> Option<i8> {
        (part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let year = parts.first().filter(|year| is_digits(year, 4))?.parse().ok()?;
    let (month, day) = match parts[1..] {
        [month] => (number(month)?, None),
        [month, day] => (number(month)?, Some(number(day)?)),
        _ => return None,
    };
    Some((Date::new(year, month, day.unwrap_or(1)).ok()?, day.is_some()))
}

/// A date, with a time of day or without.
fn dated(cell: &str, order: Order) -> Option<(Time, Style)> {
    let (written, rest) = match cell.find(['T', ' ']) {
        Some(at) => (&cell[..at], Some((char::from(cell.as_bytes()[at]), cell[at + 1..].trim_start()))),
        None => (cell, None),
    };
    let (found, day) = date(written, order)?;
    let between = written.chars().find(|c| !c.is_ascii_digit()).map_or(String::new(), String::from);
    let style = |clock| Style::Date { order, between, day, clock };
    let Some((gap, rest)) = rest else {
        let clock = DateTime::from(found);
        return Some((Time { at: seconds_of(clock)?, clock: Some(clock) }, style(None)));
    };
    let sign = rest.find(['+', '-', 'Z', 'z']).unwrap_or(rest.len());
    let (time, offset) = (rest[..sign].trim_end(), &rest[sign..]);
    let time: jiff::civil::Time = match time.split_once(':') {
        // `9:30`
        Some((hour, _)) if hour.len() == 1 => format!("0{time}").parse().ok()?,
        Some(_) => time.parse().ok()?,
        None => return None,
    };
    let clock = found.to_datetime(time);
    let at = match offset {
        "" => seconds_of(clock)?,
        _ => {
            let instant: Timestamp = format!("{clock}{offset}").parse().ok()?;
            instant.as_nanosecond() as f64 / 1e9
        }
    };
    let seconds = rest[..sign].matches(':').count() > 1;
    let clocks = Clock { between: gap, seconds, offset: offset.to_owned() };
    Some((Time { at, clock: Some(clock) }, style(Some(clocks))))
}

/// Since 1970, as if the clock were that of UTC.
fn seconds_of(clock: DateTime) -> Option<f64> {
    let instant = TimeZone::UTC.to_timestamp(clock).ok()?;
    Some(instant.as_nanosecond() as f64 / 1e9)
}

/// How far one row is from the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Frequency {
    /// So much of the numbers' own unit, or so many seconds.
    Even(f64),
    /// So many months of the calendar.
    Months(i32),
}

/// The units that a frequency may be written in, in seconds.
const UNITS: [(&str, f64); 7] =
    [("ms", 1e-3), ("min", 60.0), ("mo", 0.0), ("s", 1.0), ("h", 3600.0), ("d", 86_400.0), ("w", 604_800.0)];

impl Frequency {
    /// From `15min`, `1h`, `1d`, `1w`, `1mo`, `1y`, or a number of the times' own unit.
    ///
    /// # Errors
    /// [`Error::Config`] for anything else, and for 0 or less.
    pub fn parse(written: &str) -> Result<Self> {
        let refused = || {
            Error::config(
                "data.frequency",
                format!(
                    "`{written}` is no step: write a number above 0 of ms, s, min, h, d, w, mo or y, as in 15min"
                ),
            )
        };
        let written = written.trim();
        let digits = written.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(written.len());
        let (number, unit) = written.split_at(digits);
        if written.is_empty() {
            return Err(refused());
        }
        let number: f64 = if number.is_empty() { 1.0 } else { number.parse().map_err(|_| refused())? };
        let frequency = match unit.trim() {
            "" => Frequency::Even(number),
            "mo" | "y" => {
                let months = number * if unit.trim() == "y" { 12.0 } else { 1.0 };
                if months.fract() != 0.0 || months > 12_000.0 {
                    return Err(refused());
                }
                Frequency::Months(months as i32)
            }
            unit => {
                let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
                Frequency::Even(number * seconds)
            }
        };
        match frequency {
            Frequency::Even(step) if step > 0.0 => Ok(frequency),
            Frequency::Months(months) if months > 0 => Ok(frequency),
            _ => Err(refused()),
        }
    }

    /// The most frequent distance between neighbours, of times in ascending order; the shortest of those that are equally
    /// frequent. Months, where most neighbours are whole months apart, and days differ. None of fewer than two times.
    pub fn of(series: &[&[Time]]) -> Option<Self> {
        let pairs = || series.iter().flat_map(|times| times.windows(2)).map(|pair| (pair[0], pair[1]));
        let (even, even_count) = most(pairs().map(|(a, b)| b.at - a.at).filter(|step| *step > 0.0))?;
        let months = pairs().filter_map(|(a, b)| months_between(&a, &b)).filter(|months| *months > 0);
        match most(months.map(f64::from)) {
            Some((months, count)) if count > even_count => Some(Frequency::Months(months as i32)),
            // Months of 28 days each would be weeks.
            _ => Some(Frequency::Even(even)),
        }
    }

    /// The time `steps` later.
    pub fn after(&self, time: &Time, steps: usize) -> Time {
        let steps = steps as f64;
        match (*self, time.clock) {
            (Frequency::Even(step), None) => Time { at: time.at + steps * step, clock: None },
            (Frequency::Even(step), Some(clock)) => {
                let nanoseconds = (steps * step * 1e9).round();
                let later = clock.checked_add(Span::new().nanoseconds_or_max(nanoseconds)).ok();
                Time { at: time.at + nanoseconds / 1e9, clock: later }
            }
            (Frequency::Months(months), Some(clock)) => {
                let span = Span::new().try_months(i64::from(months) * steps as i64).unwrap_or_default();
                let later = clock.checked_add(span).unwrap_or(clock);
                let shift = seconds_of(later).zip(seconds_of(clock)).map_or(0.0, |(b, a)| b - a);
                Time { at: time.at + shift, clock: Some(later) }
            }
            (Frequency::Months(months), None) => {
                Time { at: time.at + steps * f64::from(months), clock: None }
            }
        }
    }

    /// How many steps lie between two times, `None` if that is no whole number, to a thousandth of a step.
    pub fn steps(&self, from: &Time, to: &Time) -> Option<usize> {
        let steps = match self {
            Frequency::Even(step) => (to.at - from.at) / step,
            Frequency::Months(months) => f64::from(months_between(from, to)?) / f64::from(*months),
        };
        let whole = steps.round();
        ((steps - whole).abs() < 1e-3 && (0.0..1e9).contains(&whole)).then_some(whole as usize)
    }
}

/// Without a loss of what an `i64` of nanoseconds can hold.
trait Nanoseconds {
    fn nanoseconds_or_max(self, nanoseconds: f64) -> Self;
}

impl Nanoseconds for Span {
    fn nanoseconds_or_max(self, nanoseconds: f64) -> Self {
        // Whole seconds apart, for a span holds more of them.
        let (seconds, rest) = ((nanoseconds / 1e9).trunc(), nanoseconds % 1e9);
        self.try_seconds(seconds as i64).and_then(|span| span.try_nanoseconds(rest as i64)).unwrap_or(self)
    }
}

/// Whole months from one clock to another, if day and time of day are the same.
fn months_between(from: &Time, to: &Time) -> Option<i32> {
    let (a, b) = (from.clock?, to.clock?);
    let last = |clock: DateTime| clock.date().day() == clock.date().days_in_month();
    let same_day = a.date().day() == b.date().day() || (last(a) && last(b));
    let months = |clock: DateTime| i32::from(clock.date().year()) * 12 + i32::from(clock.date().month());
    (same_day && a.time() == b.time()).then(|| months(b) - months(a))
}

/// The most frequent of some numbers, and how often it came.
fn most(values: impl Iterator<Item = f64>) -> Option<(f64, usize)> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let equal = |a: &f64, b: &f64| (b - a).abs() <= 1e-6 * a.abs();
    let runs = values.chunk_by(equal).map(|run| (run[0], run.len()));
    runs.reduce(|best, run| if run.1 > best.1 { run } else { best })
}

impl Frequency {
    /// In words: `1 hour`, `15 minutes`; of numbers, which have no unit, the number.
    pub fn in_words(&self, dates: bool) -> String {
        let (n, unit) = match *self {
            Frequency::Months(12) => (1.0, "year"),
            Frequency::Months(months) => (f64::from(months), "month"),
            Frequency::Even(step) if !dates => return step.to_string(),
            Frequency::Even(step) => {
                let units = [("day", 86_400.0), ("hour", 3600.0), ("minute", 60.0)];
                let (unit, seconds) =
                    units.into_iter().find(|(_, unit)| step % unit == 0.0).unwrap_or(("second", 1.0));
                (step / seconds, unit)
            }
        };
        format!("{n} {unit}{}", if n == 1.0 { "" } else { "s" })
    }
}

/// A figure of the calendar, given to a network as the sine and the cosine of its angle, so that its end is near its
/// beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calendar {
    /// The minute of the hour, of 60.
    Minute,
    /// The time of the day, of 24 hours.
    Hour,
    /// The day of the week, of 7, from Monday.
    Weekday,
    /// The day of the month, of as many as it has.
    Day,
    /// The month, of 12.
    Month,
    /// The day of the year, of 365 or 366.
    Yearday,
}

impl Calendar {
    /// Its name, as in a config.
    pub fn name(self) -> &'static str {
        match self {
            Calendar::Minute => "minute",
            Calendar::Hour => "hour",
            Calendar::Weekday => "weekday",
            Calendar::Day => "day",
            Calendar::Month => "month",
            Calendar::Yearday => "yearday",
        }
    }

    /// The sine and the cosine of each figure.
    pub fn angles(calendars: &[Calendar], clock: DateTime) -> impl Iterator<Item = f64> + '_ {
        calendars.iter().flat_map(move |calendar| {
            let (sin, cos) = (calendar.part(clock) * std::f64::consts::TAU).sin_cos();
            [sin, cos]
        })
    }

    /// The part of its circle that has passed, from 0 to below 1: of the hour, say, 0.75 at six in the evening.
    pub fn part(self, clock: DateTime) -> f64 {
        let (date, time) = (clock.date(), clock.time());
        let minute = f64::from(time.minute()) + f64::from(time.second()) / 60.0;
        match self {
            Calendar::Minute => minute / 60.0,
            Calendar::Hour => (f64::from(time.hour()) + minute / 60.0) / 24.0,
            Calendar::Weekday => f64::from(date.weekday().to_monday_zero_offset()) / 7.0,
            Calendar::Day => f64::from(date.day() - 1) / f64::from(date.days_in_month()),
            Calendar::Month => f64::from(date.month() - 1) / 12.0,
            Calendar::Yearday => f64::from(date.day_of_year() - 1) / f64::from(date.days_in_year()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(cells: &[&str]) -> Times {
        Times::parse(cells.iter().copied()).unwrap()
    }

    #[test]
    fn numbers_days_clocks_and_instants() {
        assert_eq!(parse(&["1", "-2.5"]).times[1].at, -2.5);
        let day = 86_400.0;
        for cells in [["1970-01-02", "1970-03-01"], ["1970/1/2", "1970/3/1"], ["19700102", "19700301"]] {
            let times = parse(&cells);
            assert_eq!(times.times.iter().map(|t| t.at).collect::<Vec<_>>(), [day, 59.0 * day], "{cells:?}");
        }
        assert_eq!(parse(&["1970-02", "1970-03"]).times[0].at, 31.0 * day);
        assert_eq!(parse(&["1970-01-01 9:30", "1970-01-01T10:00:01.5"]).times[1].at, 36_001.5);
        // One instant, as three clocks show it; the clock is that of the cell.
        let times = parse(&["1970-01-01T09:00+09:00", "1970-01-01T00:00Z", "1970-01-01 01:00:00+01"]);
        assert!(times.times.iter().all(|time| time.at == 0.0), "{times:?}");
        assert_eq!(times.times[0].clock.unwrap().hour(), 9);
        // Eight digits are numbers, unless all are days.
        assert_eq!(parse(&["20240131", "20240199"]).times[0].at, 20_240_131.0);
        // 29 February is there every four years.
        assert!(Times::parse(["2024-02-29"]).is_ok() && Times::parse(["2023-02-29"]).is_err());
    }

    #[test]
    fn what_is_no_time_or_of_another_kind_is_named() {
        for cell in ["10:30", "day 2", "", "2024-13-01", "2024-01-01T25:00", "nan", "2024-01-01T"] {
            assert_eq!(Times::parse(["2024-01-01", cell]), Err(1), "{cell}");
        }
        assert_eq!(Times::parse(["1", "2", "2024-01-01"]), Err(2));
        assert_eq!(Times::parse(["2024-01-01T00:00Z", "2024-01-01T00:00"]), Err(1));
    }

    #[test]
    fn days_or_months_first_as_the_whole_column_says() {
        let month =
            |cells: &[&str]| Times::parse(cells.iter().copied()).map(|t| t.times[0].clock.unwrap().month());
        assert_eq!(month(&["3/4/2024", "3/14/2024"]), Ok(3));
        assert_eq!(month(&["3.4.2024 0:00", "14.4.2024 0:00"]), Ok(4));
        // 3 to 6 January, or the third of four months.
        assert_eq!(month(&["03/01/2024", "04/01/2024", "05/01/2024", "06/01/2024"]), Ok(1));
        assert_eq!(month(&["01/03/2024 23:50", "01/03/2024 23:55", "01/04/2024 0:00"]), Ok(1));
        // Two days of one month or of two: nobody knows.
        assert_eq!(month(&["03/01/2024", "04/01/2024"]), Err(0));
    }

    #[test]
    fn times_that_follow_are_written_as_the_last_one() {
        for (last, frequency, next) in [
            ("7", "1", "8"),
            ("0.5", "0.25", "0.75"),
            ("2024-02-28", "1d", "2024-02-29"),
            ("2024/12/31", "1d", "2025/01/01"),
            ("20231231", "1d", "20240101"),
            ("12/31/2024 23:55", "5min", "01/01/2025 00:00"),
            ("31.12.2024", "1d", "01.01.2025"),
            ("1960-12", "1mo", "1961-01"),
            ("2024-01-31", "1mo", "2024-02-29"),
            ("2024-12-31 23:00", "1h", "2025-01-01 00:00"),
            ("2024-01-01T09:59:30", "30s", "2024-01-01T10:00:00"),
            ("2024-01-01 00:00", "90s", "2024-01-01 00:01:30"),
            ("2024-01-01T00:00:00.5Z", "500ms", "2024-01-01T00:00:01Z"),
            ("2024-01-01T00:00+09:00", "1w", "2024-01-08T00:00+09:00"),
        ] {
            let times = parse(&[last]);
            let later = Frequency::parse(frequency).unwrap().after(&times.times[0], 1);
            assert_eq!(times.style.write(&later), next);
        }
    }

    #[test]
    fn the_step_is_the_most_frequent_distance() {
        let of = |cells: &[&str]| Frequency::of(&[&parse(cells).times]);
        assert_eq!(of(&["1", "2", "3", "7"]), Some(Frequency::Even(1.0)));
        assert_eq!(
            of(&["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 02:00"]),
            Some(Frequency::Even(3600.0))
        );
        assert_eq!(of(&["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"]), Some(Frequency::Months(1)));
        assert_eq!(of(&["2024-01-31", "2024-02-29", "2024-03-31"]), Some(Frequency::Months(1)));
        assert_eq!(
            of(&["2000-01-01", "2001-01-01", "2002-01-01", "2003-01-01"]),
            Some(Frequency::Months(12))
        );
        assert_eq!(of(&["2024-01-01"]), None);
        // A month of 30 days and one of 31.
        let times = parse(&["2024-03-01", "2024-06-01"]).times;
        assert_eq!(Frequency::Months(1).steps(&times[0], &times[1]), Some(3));
        assert_eq!(Frequency::Even(86_400.0).steps(&times[0], &times[1]), Some(92));
        assert_eq!(Frequency::Even(7.0 * 86_400.0).steps(&times[0], &times[1]), None);
        for wrong in ["", "0", "-1h", "1x", "0.5mo", "h1"] {
            assert!(Frequency::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Frequency::parse("h").unwrap(), Frequency::parse("1h").unwrap());
        let words = |written: &str| Frequency::parse(written).unwrap().in_words(true);
        assert_eq!(
            [words("h"), words("15min"), words("36h"), words("1mo")],
            ["1 hour", "15 minutes", "36 hours", "1 month"]
        );
    }

    #[test]
    fn parts_of_the_calendars_circles() {
        let clock = parse(&["2024-02-29 18:30"]).times[0].clock.unwrap();
        let parts = [
            Calendar::Minute,
            Calendar::Hour,
            Calendar::Weekday,
            Calendar::Day,
            Calendar::Month,
            Calendar::Yearday,
        ]
        .map(|calendar| calendar.part(clock));
        // A Thursday, the last of 29 days, the second month, the 60th of 366 days.
        assert_eq!(parts, [0.5, 18.5 / 24.0, 3.0 / 7.0, 28.0 / 29.0, 1.0 / 12.0, 59.0 / 366.0]);
    }
}
