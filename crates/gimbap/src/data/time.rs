//! When the rows of a series are: numbers, or dates and times of ISO 8601; how far apart they lie, and what comes next.
//!
//! | a cell | is read as |
//! |---|---|
//! | `17`, `0.25` | a number, whatever its unit |
//! | `2024-03-01`, `2024/3/1`, `20240301`, `2024-03` | a day, or the first of a month |
//! | `2024-03-01 09:30`, `2024-03-01T09:30:15.5` | a time as a clock shows it |
//! | `2024-03-01T09:30+09:00`, `..Z` | an instant: those of one column may have different offsets |
//! | `3/14/2024`, `14.3.2024 9:30`, `3/14/24` | the same with the year last; of two digits, it is from 1969 to 2068 |
//! | `1991 Jul`, `5-Jan-09`, `Mon, 01 Jan 2024 10:00:00 +0000` | the same with a month's English name |
//! | `1970 Q1`, `2000-W02` | the first day of a quarter, the Monday of an ISO week |
//! | `.. 01:00 AM`, `.. 13:00 UTC` | a clock of twelve hours, an instant |
//!
//! All cells of a column are of one kind. Whether a day or a month comes first is decided by the whole column: by days
//! above 12, else by the order that makes the rows follow each other evenly. Where both do, the column is refused.

mod frequency;

use std::cmp::Reverse;

pub use frequency::Frequency;
use frequency::most;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;

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
    /// Whether day and month could be told apart by nothing but the distances between the rows.
    pub guessed: bool,
}

/// How times are written: as the last cell of their column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Style {
    /// As numbers.
    Number,
    /// As numbers that are so many parts of a second since 1970.
    Unix {
        /// 1, or 1000 for milliseconds.
        parts: u32,
    },
    /// As dates.
    Date {
        /// What stands behind one another.
        date: Vec<Piece>,
        /// How the time of day is written, if it is.
        clock: Option<Clock>,
    },
}

/// A piece of a written date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// With four digits.
    Year,
    /// With two.
    ShortYear,
    /// To which an ISO week belongs.
    WeekYear,
    /// With two digits.
    Month,
    /// In the letters of this one.
    MonthName(String),
    /// With a zero before a single digit, or without.
    Day(bool),
    /// In the letters of this one.
    Weekday(String),
    /// From 1 to 4.
    Quarter,
    /// Of ISO 8601, with two digits.
    Week,
    /// What stands between.
    Text(String),
}

/// What comes first in a date of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Year, month, day.
    Year,
    /// Month, day, year.
    Month,
    /// Day, month, year.
    Day,
    /// The last two digits of the year, month, day.
    ShortYear,
}

/// How a time of day is written behind a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Between day and hour: `T` or a blank.
    between: char,
    /// Whether seconds are shown.
    seconds: bool,
    /// ` AM` or ` PM`, of a clock of twelve hours.
    half: Option<String>,
    /// `Z`, `+09:00`, ` UTC` or nothing.
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
        let orders = [Order::Month, Order::Day, Order::ShortYear];
        let (mut read, mut furthest) = (Vec::new(), row);
        for order in orders {
            match Times::ordered(&cells, order) {
                Ok(times) => read.push((times.evenness(), times)),
                Err(row) => furthest = furthest.max(row),
            }
        }
        let guessed = read.len() > 1;
        read.sort_by_key(|(evenness, _)| Reverse(*evenness));
        match &read[..] {
            [] => Err(furthest),
            [first, second, ..] if first.0 == second.0 => Err(0),
            _ => Ok(Times { guessed, ..read.swap_remove(0).1 }),
        }
    }

    /// Whether a cell alone is a date, whatever comes first in it.
    pub fn is_date(cell: &str) -> bool {
        let orders = [Order::Year, Order::Month, Order::Day, Order::ShortYear];
        orders.into_iter().any(|order| dated(cell.trim(), order).is_some())
    }

    /// Numbers that count the seconds or milliseconds since 1970, from 1973 to 2096, as the dates that they are.
    pub fn since_1970(&self) -> Option<Times> {
        let within = |from: f64, to: f64| self.times.iter().all(|time| (from..=to).contains(&time.at));
        let parts = match self.style {
            Style::Number if within(1e8, 4e9) => 1,
            Style::Number if within(1e11, 4e12) => 1000,
            _ => return None,
        };
        let date = |time: &Time| {
            let at = time.at / f64::from(parts);
            let instant = Timestamp::from_microsecond((at * 1e6).round() as i64).ok()?;
            Some(Time { at, clock: Some(TimeZone::UTC.to_datetime(instant)) })
        };
        let times = self.times.iter().map(date).collect::<Option<_>>()?;
        Some(Times { times, style: Style::Unix { parts }, guessed: false })
    }

    fn ordered(cells: &[&str], order: Order) -> std::result::Result<Times, usize> {
        // Eight digits are days, if all of them can be.
        let eight =
            !cells.is_empty() && cells.iter().all(|cell| is_digits(cell, 8) && dated(cell, order).is_some());
        let mut times =
            Times { times: Vec::with_capacity(cells.len()), style: Style::Number, guessed: false };
        let mut first = None;
        for (row, cell) in cells.iter().enumerate() {
            let found = match cell.parse::<f64>() {
                Ok(at) if !eight => at.is_finite().then_some((Time { at, clock: None }, Style::Number)),
                _ => dated(cell, order),
            };
            let (time, mut style) = found.ok_or(row)?;
            let kind = style.kind();
            if *first.get_or_insert(kind) != kind {
                return Err(row);
            }
            times.times.push(time);
            style.learn(&times.style);
            times.style = style;
        }
        Ok(times)
    }

    /// How many neighbours are as far apart as most of them.
    fn evenness(&self) -> usize {
        most(self.times.windows(2).map(|pair| (pair[1].at - pair[0].at).abs()).filter(|step| *step > 0.0))
            .map_or(0, |(_, count)| count)
    }
}

impl Style {
    /// A time as its column would have it.
    pub fn write(&self, time: &Time) -> String {
        let (date, style, clock) = match (self, time.clock) {
            (Style::Unix { parts }, _) => return (time.at * f64::from(*parts)).to_string(),
            (Style::Date { date, clock }, Some(shown)) => (date, clock, shown),
            _ => return time.at.to_string(),
        };
        let date: String = date.iter().map(|piece| piece.write(clock.date())).collect();
        let time = clock.time();
        let plain = Clock { between: ' ', seconds: false, half: None, offset: String::new() };
        let Clock { between, seconds, half, offset } = match style {
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
        let (hour, half) = match half {
            Some(half) => ((time.hour() + 11) % 12 + 1, meridiem(half, time.hour() >= 12)),
            None => (time.hour(), String::new()),
        };
        format!("{date}{between}{hour:02}:{:02}{seconds}{half}{offset}", time.minute())
    }

    /// What the cells before showed and the last one does not: May is short and in full, the 31st has no zero to leave out.
    fn learn(&mut self, before: &Style) {
        let (Style::Date { date, .. }, Style::Date { date: earlier, .. }) = (self, before) else { return };
        for (piece, earlier) in date.iter_mut().zip(earlier) {
            match (piece, earlier) {
                (Piece::MonthName(name), Piece::MonthName(long))
                    if name.eq_ignore_ascii_case("may") && long.len() > 3 =>
                {
                    name.clone_from(long);
                }
                (Piece::Day(zero), Piece::Day(false)) => *zero = false,
                _ => {}
            }
        }
    }

    /// What may not be mixed in a column: numbers, times as clocks show them, instants.
    fn kind(&self) -> u8 {
        match self {
            Style::Number | Style::Unix { .. } => 0,
            Style::Date { clock: Some(clock), .. } if !clock.offset.is_empty() => 2,
            Style::Date { .. } => 1,
        }
    }
}

fn is_digits(cell: &str, n: usize) -> bool {
    cell.len() == n && cell.bytes().all(|byte| byte.is_ascii_digit())
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Which of some names a word is, in full or its first three letters.
fn named(word: &str, names: &[&str]) -> Option<usize> {
    names.iter().position(|name| name.eq_ignore_ascii_case(word) || name[..3].eq_ignore_ascii_case(word))
}

/// A name as long as another one, in capitals if that is.
fn like(sample: &str, name: &str) -> String {
    let name = if sample.len() == 3 { &name[..3] } else { name };
    match sample {
        _ if sample.chars().all(char::is_uppercase) => name.to_uppercase(),
        _ if sample.chars().all(char::is_lowercase) => name.to_lowercase(),
        _ => name.to_owned(),
    }
}

/// The half of the day, written as another one.
fn meridiem(sample: &str, afternoon: bool) -> String {
    let (half, other) = if afternoon { ('P', 'A') } else { ('A', 'P') };
    sample
        .replace(other, &half.to_string())
        .replace(other.to_ascii_lowercase(), &half.to_ascii_lowercase().to_string())
}

impl Piece {
    fn write(&self, date: Date) -> String {
        match self {
            Piece::Year => format!("{:04}", date.year()),
            Piece::WeekYear => format!("{:04}", date.iso_week_date().year()),
            Piece::ShortYear => format!("{:02}", date.year().rem_euclid(100)),
            Piece::Month => format!("{:02}", date.month()),
            Piece::MonthName(sample) => like(sample, MONTHS[date.month() as usize - 1]),
            Piece::Day(true) => format!("{:02}", date.day()),
            Piece::Day(false) => date.day().to_string(),
            Piece::Weekday(sample) => like(sample, WEEKDAYS[date.weekday().to_monday_zero_offset() as usize]),
            Piece::Quarter => ((date.month() + 2) / 3).to_string(),
            Piece::Week => format!("{:02}", date.iso_week_date().week()),
            Piece::Text(text) => text.clone(),
        }
    }
}

/// Runs of digits, of letters, and of what is neither.
fn runs(cell: &str) -> Vec<&str> {
    let kind = |c: char| (c.is_ascii_digit(), c.is_alphabetic());
    let mut runs = Vec::new();
    let mut start = 0;
    for (at, c) in cell.char_indices().skip(1) {
        if cell[..at].chars().next_back().map(kind) != Some(kind(c)) {
            runs.push(&cell[start..at]);
            start = at;
        }
    }
    runs.push(&cell[start..]);
    runs
}

/// The pieces of a date, each with the digits it stands for.
fn pieces<'a>(cell: &'a str, order: Order) -> Option<Vec<(Piece, &'a str)>> {
    if is_digits(cell, 8) {
        let days = [(Piece::Year, &cell[..4]), (Piece::Month, &cell[4..6]), (Piece::Day(true), &cell[6..])];
        return (order == Order::Year).then(|| days.to_vec());
    }
    let runs = runs(cell);
    let digits = |run: &str| run.bytes().all(|byte| byte.is_ascii_digit());
    let word = |run: &&str| named(run, &MONTHS).is_some() || ["Q", "W"].contains(run);
    let mut parts = expected(&runs, runs.iter().copied().find(word), order)?.into_iter();
    let mut found: Vec<(Piece, &'a str)> = Vec::with_capacity(runs.len());
    for (place, run) in runs.iter().copied().enumerate() {
        let last = place + 1 == runs.len();
        let piece = match run {
            _ if digits(run) => parts.next()?,
            _ if named(run, &MONTHS).is_some() => Piece::MonthName(run.to_owned()),
            _ if place == 0 && named(run, &WEEKDAYS).is_some() => Piece::Weekday(run.to_owned()),
            "Q" | "W" | "년" | "월" | "일" => Piece::Text(run.to_owned()),
            _ if place > 0 && !last && is_between(run) => Piece::Text(run.to_owned()),
            _ => return None,
        };
        found.push((piece, run));
    }
    Some(found)
}

fn is_between(run: &str) -> bool {
    ["", "-", "/", ".", ","].contains(&run.trim())
}

/// What the digits of a date stand for, by their order and by the month, `Q` or `W` among them.
fn expected(runs: &[&str], word: Option<&str>, order: Order) -> Option<Vec<Piece>> {
    let numbers: Vec<&str> =
        runs.iter().copied().filter(|run| run.bytes().all(|byte| byte.is_ascii_digit())).collect();
    let lengths: Vec<usize> = numbers.iter().map(|number| number.len()).collect();
    let year = |n: usize| lengths[n] == 4;
    let day = |n: usize| Piece::Day(lengths[n] > 1);
    use Piece::{Month, Quarter, ShortYear, Week, WeekYear, Year};
    Some(match (order, word, lengths.len()) {
        (Order::Year, Some("Q"), 2) if year(0) => vec![Year, Quarter],
        (Order::Year, Some("Q"), 2) => vec![Quarter, Year],
        (Order::Year, Some("W"), 2) => vec![WeekYear, Week],
        (_, Some("Q" | "W"), _) => return None,
        (Order::Year, Some(_), 1) => vec![Year],
        (Order::Year, Some(_), 2) if year(0) => vec![Year, day(1)],
        (Order::Year, Some(_), 2) if year(1) => vec![day(0), Year],
        (Order::Year, Some(_), 2) => vec![day(0), ShortYear],
        (_, Some(_), _) => return None,
        (Order::Year, None, 2) => vec![Year, Month],
        (Order::Year, None, 3) => vec![Year, Month, Piece::Day(true)],
        (Order::ShortYear, None, 3) => vec![ShortYear, Month, Piece::Day(true)],
        (Order::Month, None, 3) if year(2) => vec![Month, Piece::Day(true), Year],
        (Order::Day, None, 3) if year(2) => vec![Piece::Day(true), Month, Year],
        (Order::Month, None, 3) => vec![Month, Piece::Day(true), ShortYear],
        (Order::Day, None, 3) => vec![Piece::Day(true), Month, ShortYear],
        _ => return None,
    })
}

/// A date without a time of day, and how it is written.
fn date(cell: &str, order: Order) -> Option<(Date, Vec<Piece>)> {
    let found = pieces(cell, order)?;
    let (mut year, mut month, mut day, mut week) = (None, None, 1, None);
    for (piece, run) in &found {
        let number = || -> Option<i8> { (run.len() <= 2).then(|| run.parse().ok())? };
        match piece {
            Piece::Year | Piece::WeekYear => {
                year = Some(is_digits(run, 4).then(|| run.parse::<i16>().ok())??)
            }
            Piece::ShortYear => {
                let short = is_digits(run, 2).then(|| run.parse::<i16>().ok())??;
                year = Some(if short < 69 { 2000 + short } else { 1900 + short });
            }
            Piece::Month => month = Some(number()?),
            Piece::MonthName(name) => month = Some(named(name, &MONTHS)? as i8 + 1),
            Piece::Day(_) => day = number()?,
            Piece::Quarter => month = Some(number().filter(|quarter| (1..=4).contains(quarter))? * 3 - 2),
            Piece::Week => week = Some(number()?),
            Piece::Weekday(_) | Piece::Text(_) => {}
        }
    }
    let date = match week {
        Some(week) => ISOWeekDate::new(year?, week, Weekday::Monday).ok()?.date(),
        None => Date::new(year?, month?, day).ok()?,
    };
    Some((date, found.into_iter().map(|(piece, _)| piece).collect()))
}

/// A date, with a time of day or without.
fn dated(cell: &str, order: Order) -> Option<(Time, Style)> {
    let Some(colon) = cell.find(':') else {
        let (found, date) = date(cell, order)?;
        let clock = DateTime::from(found);
        return Some((
            Time { at: seconds_of(clock)?, clock: Some(clock) },
            Style::Date { date, clock: None },
        ));
    };
    let head = cell[..colon].trim_end_matches(|c: char| c.is_ascii_digit());
    let between = head.chars().next_back().filter(|gap| [' ', 'T'].contains(gap))?;
    let (found, date) = date(head[..head.len() - 1].trim_end(), order)?;
    let (time, half, offset) = clock_parts(&cell[head.len()..])?;
    let clock = found.to_datetime(time);
    let at = match offset.trim() {
        "" | "UTC" | "GMT" => seconds_of(clock)?,
        offset => {
            let instant: Timestamp = format!("{clock}{offset}").parse().ok()?;
            instant.as_nanosecond() as f64 / 1e9
        }
    };
    let seconds = cell[head.len()..].split(['+', '-']).next()?.matches(':').count() > 1;
    let clocks = Clock { between, seconds, half, offset: offset.to_owned() };
    Some((Time { at, clock: Some(clock) }, Style::Date { date, clock: Some(clocks) }))
}

/// A time of day, the half of the day if it is written, and the offset.
fn clock_parts(written: &str) -> Option<(jiff::civil::Time, Option<String>, &str)> {
    let end =
        written.find(|c: char| !(c.is_ascii_digit() || [':', '.'].contains(&c))).unwrap_or(written.len());
    let (time, mut offset) = written.split_at(end);
    let blanks = offset.len() - offset.trim_start().len();
    let half = offset
        .get(..blanks + 2)
        .filter(|half| ["am", "pm"].iter().any(|name| half.trim_start().eq_ignore_ascii_case(name)));
    offset = &offset[half.map_or(0, str::len)..];
    let (hour, rest) = time.split_once(':')?;
    let mut hour: u8 = (hour.len() <= 2).then(|| hour.parse().ok())??;
    if let Some(half) = half {
        let afternoon = half.to_ascii_lowercase().ends_with("pm");
        hour = (1..=12).contains(&hour).then_some(hour % 12 + if afternoon { 12 } else { 0 })?;
    }
    let time = format!("{hour:02}:{rest}").parse().ok()?;
    Some((time, half.map(str::to_owned), offset))
}

/// A cell that is a time of day alone, or in a column of that name an hour.
pub(crate) fn time_of_day(cell: &str, name: &str) -> Option<String> {
    let cell = cell.trim();
    let hour = ["hour", "hr", "hours", "time"].iter().any(|hour| name.eq_ignore_ascii_case(hour));
    match cell.parse::<u8>() {
        Ok(number) if hour && number < 24 => Some(format!("{number:02}:00")),
        _ => clock_parts(cell).filter(|(_, _, offset)| offset.is_empty()).map(|_| cell.to_owned()),
    }
}

/// Since 1970, as if the clock were that of UTC.
fn seconds_of(clock: DateTime) -> Option<f64> {
    let instant = TimeZone::UTC.to_timestamp(clock).ok()?;
    Some(instant.as_nanosecond() as f64 / 1e9)
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
    fn other_ways_to_write_a_date_are_read_and_written_back() {
        for (last, iso, frequency, next) in [
            ("1991 Jul", "1991-07-01", "1mo", "1991 Aug"),
            ("1977-Jan", "1977-01-01", "1mo", "1977-Feb"),
            ("August 1977", "1977-08-01", "1mo", "September 1977"),
            ("Jan-1-1995", "1995-01-01", "1d", "Jan-2-1995"),
            ("Jan 1 2000", "2000-01-01", "1d", "Jan 2 2000"),
            ("5-Jan-09", "2009-01-05", "1d", "6-Jan-09"),
            ("05-JAN-70", "1970-01-05", "1d", "06-JAN-70"),
            ("1970 Q1", "1970-01-01", "3mo", "1970 Q2"),
            ("1970Q4", "1970-10-01", "3mo", "1971Q1"),
            ("2000-W02", "2000-01-10", "1w", "2000-W03"),
            ("2024-W52", "2024-12-23", "1w", "2025-W01"),
            ("01/31/24", "2024-01-31", "1d", "02/01/24"),
            ("2024년 01월 31일", "2024-01-31", "1d", "2024년 02월 01일"),
            ("2024.01.31", "2024-01-31", "1d", "2024.02.01"),
            ("2024-01-01 11:30 PM", "2024-01-01 23:30", "1h", "2024-01-02 12:30 AM"),
            ("1/31/2024 12:05 am", "2024-01-31 00:05", "12h", "01/31/2024 12:05 pm"),
            ("2024-01-01 10:00 UTC", "2024-01-01 10:00Z", "1h", "2024-01-01 11:00 UTC"),
            ("Mon, 01 Jan 2024 10:00:00 +0000", "2024-01-01 10:00Z", "1d", "Tue, 02 Jan 2024 10:00:00 +0000"),
        ] {
            let times = parse(&[last]);
            assert_eq!(times.times[0], parse(&[iso]).times[0], "{last}");
            let later = Frequency::parse(frequency).unwrap().after(&times.times[0], 1);
            assert_eq!(times.style.write(&later), next);
        }
        // May is no short name among long ones.
        let times = parse(&["April 2024", "May 2024"]);
        let later = Frequency::Months(1).after(&times.times[1], 1);
        assert_eq!(times.style.write(&later), "June 2024");
        for wrong in
            ["Jan-09", "Total", "1970 Q5", "2000-W60", "2024-01-01 13:00 PM", "2024--01", "Jan 32 2024"]
        {
            assert!(Times::parse([wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_short_year_needs_an_order_that_is_certain() {
        assert_eq!(Times::parse(["01/02/03", "01/02/04"]), Err(0));
        let days: Vec<String> = (1..=9).map(|day| format!("0{day}/01/24")).collect();
        let times = Times::parse(days.iter().map(String::as_str)).unwrap();
        assert_eq!((times.times[8].clock.unwrap().day(), times.guessed), (9, true));
        assert!(!parse(&["01/31/24", "02/01/24"]).guessed);
    }

    #[test]
    fn numbers_that_count_seconds_or_milliseconds() {
        let seconds = parse(&["1700000000", "1700003600"]).since_1970().unwrap();
        assert_eq!(seconds.times[1].clock.unwrap().to_string(), "2023-11-14T23:13:20");
        let milliseconds = parse(&["1700000000000", "1700003600000"]).since_1970().unwrap();
        assert_eq!(milliseconds.times, seconds.times);
        let later = Frequency::Even(3600.0).after(&milliseconds.times[1], 1);
        assert_eq!(milliseconds.style.write(&later), "1700007200000");
        assert_eq!(parse(&["1", "2"]).since_1970(), None);
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
