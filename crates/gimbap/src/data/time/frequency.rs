//! How far one time is from the next.

use jiff::Span;
use jiff::civil::DateTime;

use super::{Time, seconds_of};
use crate::error::{Error, Result};

/// How far one row is from the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Frequency {
    /// So much of the numbers' own unit, or so many seconds.
    Even(f64),
    /// So many months of the calendar.
    Months(i32),
    /// From Monday to Friday, a day each.
    Weekdays,
}

/// The units that a frequency may be written in, in seconds.
const UNITS: [(&str, f64); 7] =
    [("ms", 1e-3), ("min", 60.0), ("mo", 0.0), ("s", 1.0), ("h", 3600.0), ("d", 86_400.0), ("w", 604_800.0)];

impl Frequency {
    /// From `15min`, `1h`, `1d`, `1w`, `1mo`, `1y`, `weekday`, or a number of the times' own unit.
    ///
    /// # Errors
    /// [`Error::Config`] for anything else, and for 0 or less.
    pub fn parse(written: &str) -> Result<Self> {
        let refused = || {
            Error::config(
                "data.frequency",
                format!(
                    "`{written}` is no step: write a number above 0 of ms, s, min, h, d, w, mo or y, as in 15min, or `weekday`"
                ),
            )
        };
        let written = written.trim();
        if written == "weekday" {
            return Ok(Frequency::Weekdays);
        }
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
            Frequency::Weekdays => Ok(frequency),
            _ => Err(refused()),
        }
    }

    /// The most frequent distance between neighbours, of times in ascending order; the shortest of those that are equally
    /// frequent. Months, where most neighbours are whole months apart, and days differ; days from Monday to Friday, where none
    /// is on another and some lie on both sides of a weekend. None of fewer than two times.
    pub fn of(series: &[&[Time]]) -> Option<Self> {
        let pairs = || series.iter().flat_map(|times| times.windows(2)).map(|pair| (pair[0], pair[1]));
        let (even, even_count) = most(pairs().map(|(a, b)| b.at - a.at).filter(|step| *step > 0.0))?;
        let months = pairs().filter_map(|(a, b)| months_between(&a, &b)).filter(|months| *months > 0);
        match most(months.map(f64::from)) {
            Some((months, count)) if count > even_count => Some(Frequency::Months(months as i32)),
            // Months of 28 days each would be weeks.
            _ if even == DAY && works_on_weekdays(series) => Some(Frequency::Weekdays),
            _ => Some(Frequency::Even(even)),
        }
    }

    /// How many steps a day, a week and a year have, as far as these are whole numbers above 1: the seasons of the calendar.
    pub fn seasons(&self) -> Vec<usize> {
        match *self {
            Frequency::Weekdays => vec![5],
            Frequency::Months(months) if months < 12 && 12 % months == 0 => vec![12 / months as usize],
            Frequency::Months(_) => Vec::new(),
            Frequency::Even(step) => {
                let days = [DAY, 7.0 * DAY].map(|cycle| cycle / step);
                let year = if step >= DAY { (365.25 * DAY / step).floor() } else { 0.0 };
                let whole = |steps: &f64| *steps > 1.0 && steps.fract() == 0.0;
                days.into_iter().chain([year]).filter(whole).map(|steps| steps as usize).collect()
            }
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
            (Frequency::Weekdays, clock) => {
                // Five of them are a week; what is left goes over a weekend or not.
                let (weeks, mut rest) = ((steps / 5.0).floor(), steps % 5.0);
                let mut days = 7.0 * weeks;
                let mut day =
                    clock.map_or(1, |clock| i32::from(clock.date().weekday().to_monday_one_offset()));
                while rest > 0.0 {
                    (day, days) = (day % 7 + 1, days + 1.0);
                    rest -= f64::from(u8::from(day < 6));
                }
                Frequency::Even(DAY).after(time, days as usize)
            }
        }
    }

    /// How many steps lie between two times, `None` if that is no whole number, to a thousandth of a step.
    pub fn steps(&self, from: &Time, to: &Time) -> Option<usize> {
        let steps = match self {
            Frequency::Even(step) => (to.at - from.at) / step,
            Frequency::Months(months) => f64::from(months_between(from, to)?) / f64::from(*months),
            Frequency::Weekdays => {
                let days = ((to.at - from.at) / DAY * 1e3).round() / 1e3;
                let first = i64::from(from.clock?.date().weekday().to_monday_zero_offset());
                if days.fract() != 0.0 || !(0.0..1e9).contains(&days) {
                    return None;
                }
                let before = |day: i64| day / 7 * 5 + (day % 7).min(5);
                (before(first + days as i64) - before(first)) as f64
            }
        };
        let whole = steps.round();
        ((steps - whole).abs() < 1e-3 && (0.0..1e9).contains(&whole)).then_some(whole as usize)
    }
}

impl Frequency {
    /// Times with those within a quarter of a step of the grid put on it: that of the clock, or that of the first time. As
    /// they are, if they are whole steps apart.
    pub fn rounded(&self, times: &[Time]) -> Vec<Time> {
        let whole = times.windows(2).all(|pair| self.steps(&pair[0], &pair[1]).is_some());
        let shown = |time: &Time| time.clock.and_then(seconds_of).unwrap_or(time.at);
        let (&Frequency::Even(step), Some(first), false) = (self, times.first().map(shown), whole) else {
            return times.to_vec();
        };
        let off = |start: f64, time: &Time| {
            let since = shown(time) - start;
            // In whole microseconds: seconds since 1970 are no more exact.
            (((since / step).round() * step - since) * 1e6).round() / 1e6
        };
        let near = |start: &f64| times.iter().filter(|time| off(*start, time).abs() <= step / 4.0).count();
        let start = [first, 0.0].into_iter().max_by_key(near).unwrap_or(first);
        let put = |time: &Time| match off(start, time) {
            off if (1e-6 * step..=step / 4.0).contains(&off.abs()) => Frequency::Even(off).after(time, 1),
            _ => *time,
        };
        times.iter().map(put).collect()
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

/// Seconds.
const DAY: f64 = 86_400.0;

/// Whether no time is on a Saturday or a Sunday, and some neighbours lie on both sides of these.
fn works_on_weekdays(series: &[&[Time]]) -> bool {
    let day = |time: &Time| time.clock.map(|clock| clock.date().weekday().to_monday_one_offset());
    let works = |time: &Time| day(time).is_some_and(|day| day < 6);
    let over = |pair: &[Time]| day(&pair[1]) < day(&pair[0]);
    series.iter().all(|times| times.iter().all(works))
        && series.iter().any(|times| times.windows(2).any(over))
}

/// The most frequent of some numbers, and how often it came.
pub(super) fn most(values: impl Iterator<Item = f64>) -> Option<(f64, usize)> {
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
            Frequency::Weekdays => (1.0, "weekday"),
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
