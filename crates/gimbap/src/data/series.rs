//! Time series: columns of numbers, windows and targets, a scaler, and the trivial forecasts to beat.
//!
//! Shapes: N rows of F values lie row-major, `[N, F]`. A window at row `i` sees rows `i .. i + window` and is asked
//! for rows `i + window .. i + window + horizon`.

mod find;
mod read;

use serde::{Deserialize, Serialize};

pub use read::{Doubles, Fill, NO_TIME, OBSERVED, SeriesColumns, SeriesTable};

use crate::data::time::{Frequency, Time};
use crate::error::{Error, Result};

/// A multivariate time series in the data's own units. Its columns are, in this order, those to forecast, those known up to
/// the present, and those known ahead ([`Roles`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it is called, if its table holds several.
    pub id: Option<String>,
    /// The time of each row, as written; without a time column the number of the row.
    pub times: Vec<String>,
    /// The same as times, if they could be read; else empty.
    pub clock: Vec<Time>,
    /// The names of the F columns.
    pub names: Vec<String>,
    /// The values `[N, F]`, row-major.
    pub values: Vec<f64>,
    /// Whether all values to forecast stood in the file, for each row.
    pub observed: Vec<bool>,
    /// Which columns are what.
    pub roles: Roles,
    /// What is known of the rows that are still to come, `[rows, known]`.
    pub ahead: Vec<f64>,
}

/// How many columns are what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// To forecast.
    pub values: usize,
    /// Known up to the present.
    pub past: usize,
    /// Known ahead.
    pub known: usize,
}

impl Roles {
    /// F, all columns.
    pub fn features(&self) -> usize {
        self.values + self.past + self.known
    }

    /// The places of the columns that are known ahead.
    pub fn ahead(&self) -> std::ops::Range<usize> {
        self.values + self.past..self.features()
    }
}

impl Series {
    /// N, the number of rows.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// F, the number of columns.
    pub fn features(&self) -> usize {
        self.names.len()
    }

    /// The columns to forecast alone, `[N, values]`.
    pub fn wanted(&self) -> Vec<f64> {
        self.values.chunks_exact(self.features()).flat_map(|row| &row[..self.roles.values]).copied().collect()
    }

    /// The first `rows` rows, and the rest. Windows cut from each part do not straddle the boundary.
    ///
    /// # Panics
    /// If there are fewer than `rows` rows.
    pub fn split_at(&self, rows: usize) -> (Series, Series) {
        let (f, n) = (self.features(), self.len());
        let part = |from: usize, to: usize| Series {
            id: self.id.clone(),
            times: self.times[from..to].to_vec(),
            clock: self.clock.get(from..to).unwrap_or_default().to_vec(),
            names: self.names.clone(),
            values: self.values[from * f..to * f].to_vec(),
            observed: self.observed[from..to].to_vec(),
            roles: self.roles,
            ahead: if to == n { self.ahead.clone() } else { Vec::new() },
        };
        (part(0, rows), part(rows, n))
    }
}

/// How values are brought to a range that a network likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// As they are.
    None,
    /// Mean 0 and standard deviation 1 (divided by N) over the training part.
    #[default]
    Standard,
    /// From 0 to 1 over the training part.
    Minmax,
}

/// `z = (x - offset) / scale`, for each column on its own, as fitted on the training part. It is stored in the model
/// file; reading it back checks it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredScaler")]
pub struct Scaler {
    scaling: Scaling,
    offset: Vec<f64>,
    scale: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredScaler {
    scaling: Scaling,
    offset: Vec<f64>,
    scale: Vec<f64>,
}

impl TryFrom<StoredScaler> for Scaler {
    type Error = Error;

    fn try_from(StoredScaler { scaling, offset, scale }: StoredScaler) -> Result<Self> {
        if offset.len() != scale.len() || offset.is_empty() || scale.contains(&0.0) {
            return Err(Error::data(
                "scaler",
                format!(
                    "{} offsets and {} scales, where there must be as many of each, one or more, and no scale 0",
                    offset.len(),
                    scale.len()
                ),
            ));
        }
        Ok(Scaler { scaling, offset, scale })
    }
}

impl Scaler {
    /// The columns that it scales.
    pub fn features(&self) -> usize {
        self.offset.len()
    }

    /// Fits to `train [N, features]`: give the training part alone, or the test part leaks into the model.
    ///
    /// # Errors
    /// [`Error::Data`] if `train` has no row.
    ///
    /// # Panics
    /// If `train` is not a whole number of rows.
    pub fn fit(scaling: Scaling, train: &[f64], features: usize) -> Result<Self> {
        check_rows(train, features);
        if train.is_empty() {
            return Err(Error::data("training part", "it has no row to fit a scaler to: give more data"));
        }
        let (offset, scale) = (0..features)
            .map(|column| {
                let values = || train.iter().skip(column).step_by(features).copied();
                let n = (train.len() / features) as f64;
                let (offset, scale) = match scaling {
                    Scaling::None => (0.0, 1.0),
                    Scaling::Standard => {
                        let mean = values().sum::<f64>() / n;
                        let variance = values().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
                        (mean, variance.sqrt())
                    }
                    Scaling::Minmax => {
                        let least = values().fold(f64::INFINITY, f64::min);
                        let most = values().fold(f64::NEG_INFINITY, f64::max);
                        (least, most - least)
                    }
                };
                // A constant column's deviation may come out as a rounding error of its mean.
                let constant = scale <= 1e-12 * offset.abs().max(f64::MIN_POSITIVE);
                (offset, if constant { 1.0 } else { scale })
            })
            .unzip();
        Ok(Scaler { scaling, offset, scale })
    }

    /// That of some of the columns.
    pub fn columns(&self, columns: std::ops::Range<usize>) -> Scaler {
        let [offset, scale] = [&self.offset, &self.scale].map(|all| all[columns.clone()].to_vec());
        Scaler { scaling: self.scaling, offset, scale }
    }

    /// Which rule fitted it.
    pub fn scaling(&self) -> Scaling {
        self.scaling
    }

    /// What is subtracted, by column.
    pub fn offset(&self) -> &[f64] {
        &self.offset
    }

    /// What is then divided by, by column: never 0, for a column that does not vary has 1.
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// Data units to network units, in place, `[.., F]`.
    ///
    /// # Panics
    /// If `values` is not a whole number of rows of F.
    pub fn transform(&self, values: &mut [f64]) {
        self.each(values, |x, offset, scale| (x - offset) / scale);
    }

    /// Network units to data units, in place, `[.., F]`.
    ///
    /// # Panics
    /// If `values` is not a whole number of rows of F.
    pub fn inverse(&self, values: &mut [f64]) {
        self.each(values, |z, offset, scale| z * scale + offset);
    }

    fn each(&self, values: &mut [f64], f: impl Fn(f64, f64, f64) -> f64) {
        check_rows(values, self.offset.len());
        for row in values.chunks_exact_mut(self.offset.len().max(1)) {
            for ((x, &offset), &scale) in row.iter_mut().zip(&self.offset).zip(&self.scale) {
                *x = f(*x, offset, scale);
            }
        }
    }
}

/// What a forecaster sees and is asked for, in rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    window: usize,
    horizon: usize,
}

/// What a forecaster reads and is asked for, one sequence for each window of one or several series.
///
/// Where nothing is known ahead, a sequence has the `window` rows seen, `[window, F]`, and one target, the rows behind them,
/// `[horizon * values]`. Where something is, it goes on for `horizon` steps of what is known of them; each of these has a
/// target of its own, `[values]`. Their other columns are 0, and one more column, the last, is 1 there: `[window + horizon,
/// F + 1]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WindowSet {
    /// The first row of each window, and the number of its series.
    pub starts: Vec<(usize, usize)>,
    /// What is read, sequence by sequence.
    pub inputs: Vec<f32>,
    /// What is asked for, `[windows, horizon, values]`.
    pub targets: Vec<f32>,
}

impl Windows {
    /// A window and horizon of at least one row each.
    ///
    /// # Errors
    /// [`Error::Config`] if either is 0.
    pub fn new(window: usize, horizon: usize) -> Result<Self> {
        for (place, rows) in [("data.window", window), ("data.horizon", horizon)] {
            if rows == 0 {
                return Err(Error::config(place, "0 rows: give 1 or more"));
            }
        }
        Ok(Windows { window, horizon })
    }

    /// How many rows a forecaster sees.
    pub fn window(&self) -> usize {
        self.window
    }

    /// How many rows after these it forecasts.
    pub fn horizon(&self) -> usize {
        self.horizon
    }

    /// How many windows fit into `rows` rows.
    pub fn count(&self, rows: usize) -> usize {
        (rows + 1).saturating_sub(self.window + self.horizon)
    }

    /// The steps of a sequence: the rows seen, and where something is known ahead those asked for.
    pub fn steps(&self, roles: &Roles) -> usize {
        self.window + if roles.known > 0 { self.horizon } else { 0 }
    }

    /// The width of a step.
    pub fn width(&self, roles: &Roles) -> usize {
        roles.features() + usize::from(roles.known > 0)
    }

    /// Cuts series, scaled already, into windows, one at each row at which one fits; none straddles two series. A window is
    /// left out if a row that it asks for was not observed and `observed_only`.
    ///
    /// # Errors
    /// [`Error::Data`] if not one window fits.
    pub fn cut(&self, series: &[Series], observed_only: bool) -> Result<WindowSet> {
        let mut set = WindowSet::default();
        for (n, series) in series.iter().enumerate() {
            for start in 0..self.count(series.len()) {
                let asked = start + self.window..start + self.window + self.horizon;
                if observed_only && !series.observed[asked.clone()].iter().all(|&observed| observed) {
                    continue;
                }
                let (f, roles) = (series.features(), &series.roles);
                self.read_within(series, start, &mut set.inputs);
                let wanted = asked.flat_map(|row| &series.values[row * f..][..roles.values]);
                set.targets.extend(wanted.map(|&x| x as f32));
                set.starts.push((n, start));
            }
        }
        if set.starts.is_empty() {
            let rows = series.iter().map(Series::len).max().unwrap_or(0);
            let (all, each) =
                if series.len() > 1 { ("the longest series has ", "") } else { ("its ", " are") };
            return Err(Error::data(
                "series",
                format!(
                    "{all}{rows} rows{each} fewer than one window of {} and a horizon of {}{}: give more rows, or a \
                     smaller data.window or data.horizon",
                    self.window,
                    self.horizon,
                    if observed_only { ", or no window asks for observed values alone" } else { "" }
                ),
            ));
        }
        Ok(set)
    }

    /// As [`read`](Self::read), where the rows asked for are there: what is known of them is what stands in them.
    pub fn read_within(&self, series: &Series, start: usize, inputs: &mut Vec<f32>) {
        let asked = start + self.window..start + self.window + self.horizon;
        let f = series.features();
        let known = asked.flat_map(|row| &series.values[row * f..][series.roles.ahead()]).copied();
        self.read(series, start, known, inputs);
    }

    /// The sequence of the window that begins at row `start` of a series, scaled already; `known` is what is known ahead of
    /// the rows asked for, `[horizon, known]`.
    pub fn read(
        &self,
        series: &Series,
        start: usize,
        known: impl IntoIterator<Item = f64>,
        inputs: &mut Vec<f32>,
    ) {
        let (f, roles) = (series.features(), &series.roles);
        let marked = roles.known > 0;
        for row in series.values[start * f..(start + self.window) * f].chunks_exact(f) {
            inputs.extend(row.iter().map(|&x| x as f32));
            inputs.extend(marked.then_some(0.0));
        }
        if !marked {
            return;
        }
        let mut known = known.into_iter();
        for _ in 0..self.horizon {
            inputs.extend(std::iter::repeat_n(0.0, f - roles.known));
            inputs.extend(known.by_ref().take(roles.known).map(|x| x as f32));
            inputs.push(1.0);
        }
    }

    /// The rows asked for, `[count, horizon, F]`, in the units of `values`: what forecasts are compared with.
    ///
    /// # Panics
    /// If `values` is not a whole number of rows.
    pub fn targets(&self, values: &[f64], features: usize) -> Vec<f64> {
        self.forecast(values, features, |_, target| target)
    }

    /// The forecast that nothing changes: each target is the last row seen. `[count, horizon, F]`, in the units of
    /// `values`.
    ///
    /// # Panics
    /// If `values` is not a whole number of rows.
    pub fn last_value(&self, values: &[f64], features: usize) -> Vec<f64> {
        self.forecast(values, features, |last, _| last)
    }

    /// The forecast that each season is as the one before: a target is the row a whole number of periods earlier, the
    /// latest that has been seen. `[count, horizon, F]`, in the units of `values`. It looks back beyond the window, to
    /// the first row of `values`; where they do not reach back a period, it is the last row seen.
    ///
    /// # Errors
    /// [`Error::Config`] for a period of 0.
    ///
    /// # Panics
    /// If `values` is not a whole number of rows.
    pub fn seasonal_naive(&self, values: &[f64], features: usize, period: usize) -> Result<Vec<f64>> {
        if period == 0 {
            return Err(Error::config("data.period", "a season of 0 rows: give 1 or more"));
        }
        Ok(self.forecast(values, features, |last, target| {
            let periods = (target - last).div_ceil(period);
            target.checked_sub(periods * period).unwrap_or(last)
        }))
    }

    /// For every window and step, the row that `choose(last row seen, row asked for)` names.
    fn forecast(&self, values: &[f64], features: usize, choose: impl Fn(usize, usize) -> usize) -> Vec<f64> {
        let rows = check_rows(values, features);
        let mut forecast = Vec::with_capacity(self.count(rows) * self.horizon * features);
        for start in 0..self.count(rows) {
            let last = start + self.window - 1;
            for target in last + 1..=last + self.horizon {
                let row = choose(last, target);
                forecast.extend_from_slice(&values[row * features..(row + 1) * features]);
            }
        }
        forecast
    }
}

/// That of the seasons that the calendar has for these rows ([`Frequency::seasons`]) whose repetition is the least wrong of
/// the first column of `train [N, features]`, of those that this shows; `None` if it shows none.
///
/// # Panics
/// If `train` is not a whole number of rows.
pub fn season_of_calendar(train: &[f64], features: usize, frequency: &Frequency) -> Option<usize> {
    let n = check_rows(train, features);
    let x: Vec<f64> = train.iter().step_by(features.max(1)).copied().collect();
    let mean = x.iter().sum::<f64>() / n.max(1) as f64;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n.max(1) as f64;
    let error =
        |lag: usize| x.iter().zip(&x[lag..]).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / (n - lag) as f64;
    // The correlation is 1 less half the error's part of the variance.
    let shown = |&(_, error): &(usize, f64)| variance > 0.0 && error < 1.4 * variance;
    let fits = frequency.seasons().into_iter().filter(|lag| 3 * lag <= n);
    let best = fits.map(|lag| (lag, error(lag))).filter(shown).min_by(|a, b| a.1.total_cmp(&b.1));
    best.map(|(lag, _)| lag)
}

/// The length of the season of the first column of `train [N, features]`, if it has a clear one, for want of a
/// configured one: the lag with the highest autocorrelation after that has first fallen below 0, the linear trend
/// taken out, or the shortest peak that is as high but for a fiftieth, as every season repeats at its multiples. `None` if
/// there is no peak or it is below 0.3. Lags up to a third of the rows, 2,000 at most, are looked at.
///
/// # Panics
/// If `train` is not a whole number of rows.
pub fn guess_period(train: &[f64], features: usize) -> Option<usize> {
    let n = check_rows(train, features);
    let mut x: Vec<f64> = train.iter().step_by(features.max(1)).copied().collect();
    let middle = (n as f64 - 1.0) / 2.0;
    let mean = x.iter().sum::<f64>() / n as f64;
    let slope = x.iter().enumerate().map(|(i, x)| (i as f64 - middle) * (x - mean)).sum::<f64>()
        / (0..n).map(|i| (i as f64 - middle).powi(2)).sum::<f64>();
    let energy: f64 = x.iter().map(|x| x * x).sum();
    for (i, x) in x.iter_mut().enumerate() {
        *x -= mean + slope * (i as f64 - middle);
    }
    let product =
        |lag: usize| x.iter().zip(&x[lag..]).map(|(a, b)| a * b).sum::<f64>() / (n - lag).max(1) as f64;
    let variance = product(0);
    // The extra lag at the end shows whether the last one is a peak.
    let correlation: Vec<f64> = (0..(n / 3).min(2000) + 2).take_while(|&lag| lag < n).map(product).collect();
    let below = correlation.iter().position(|&product| product < 0.0)?;
    let at = |lag: usize| correlation[lag];
    let is_peak = |&lag: &usize| at(lag) > at(lag - 1) && at(lag) >= at(lag + 1);
    let peaks = || (below + 1..correlation.len().saturating_sub(1)).filter(is_peak);
    let highest = peaks().map(at).max_by(f64::total_cmp)?;
    // What a straight line leaves is rounding error, which may look periodic.
    let clear = highest > 0.3 * variance && variance * n as f64 > 1e-20 * energy;
    peaks().find(|&lag| at(lag) >= 0.98 * highest).filter(|_| clear)
}

/// The number of rows of `values [N, features]`.
fn check_rows(values: &[f64], features: usize) -> usize {
    assert!(
        features > 0 && values.len().is_multiple_of(features),
        "{} values are no rows of {features}",
        values.len()
    );
    values.len() / features
}

#[cfg(test)]
#[path = "series_tests.rs"]
mod tests;
