//! Forecasts: windows of series, the rows that follow them, and the trivial forecasts to beat.

mod figures;

use std::collections::BTreeMap;
use std::ops::SubAssign;
use std::path::Path;

use gimbap::data::batch::{BatchSource, Shuffled};
use gimbap::data::dataset::{Dataset, Sequences, Steps, Targets};
use gimbap::data::series::{
    Doubles, Fill, NO_TIME, Roles, Scaler, Series, SeriesColumns, SeriesTable, WindowSet, Windows,
    guess_period, season_of_calendar,
};
use gimbap::data::time::Calendar;
use gimbap::layer::Dense;
use gimbap::loss::RowTargets;
use gimbap::model::{Evaluation, Input, Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Report, TaskDoc, Work, card_of, data_path, hash_of, loss_of_numbers, plain_figures, sequential};
use crate::config::{Config, Data, Held, Names};
use crate::input;
use crate::output::{Failure, Out, Outcome, thousands};

/// What a forecaster keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doc {
    /// The column of the time.
    pub time: Option<String>,
    /// The columns that it forecasts.
    pub values: Vec<String>,
    /// How all columns are scaled.
    pub scaler: Scaler,
    /// Rows seen.
    pub window: usize,
    /// Rows forecast.
    pub horizon: usize,
    /// Rows of a season, for the seasonal-naive forecast.
    pub season: Option<usize>,
    /// Whether the network says how far the next values lie from the last one, and not where.
    #[serde(default)]
    pub change: bool,
    /// The column that tells series apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The columns that are known up to the present.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<String>,
    /// The columns that are known ahead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<String>,
    /// Figures of the calendar, which are known ahead too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calendar: Vec<Calendar>,
    /// How far one row is from the next, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<String>,
    /// What is done about missing rows and cells.
    #[serde(default)]
    pub fill: Fill,
    /// What is done about rows at one time.
    #[serde(default)]
    pub doubles: Doubles,
    /// Whether tables have a line of names, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// How far a row lies from the one before it in the training part, in the mean, for each value: what MASE divides by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub naive: Vec<f64>,
    /// The same of each of several series, by its id: what its own errors are divided by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub naive_by_series: BTreeMap<String, Vec<f64>>,
}

/// A part of the series, cut into windows.
#[derive(Debug)]
struct Part {
    series: Vec<Series>,
    /// The values that came before each of them, `[rows, values]`, for forecasts that look further back than a window.
    before: Vec<Vec<f64>>,
    starts: Vec<(usize, usize)>,
    windows: Dataset<f32>,
}

/// A forecaster's work.
#[derive(Debug)]
pub struct Forecast {
    config: Config,
    doc: Doc,
    train: Part,
    valid: Option<Part>,
    test: Option<Part>,
    card: Vec<(String, String)>,
    notes: Vec<String>,
}

impl Doc {
    fn columns(&self) -> SeriesColumns {
        SeriesColumns {
            time: self.time.clone(),
            id: self.id.clone(),
            values: self.values.clone(),
            past: self.past.clone(),
            known: self.known.clone(),
            calendar: self.calendar.clone(),
            frequency: self.frequency.clone(),
            fill: self.fill,
            doubles: self.doubles,
            header: self.header,
        }
    }

    /// Reads series with this model's columns, of a file or of standard input.
    pub fn read(&self, path: &Path) -> Outcome<SeriesTable> {
        let columns = self.columns();
        let table = match input::is_stdin(path) {
            true => SeriesTable::parse(&input::text(path)?, &input::name(path), &columns),
            false => SeriesTable::read(path, &columns),
        };
        Ok(table.map_err(|error| match error {
            // A remedy of training.
            gimbap::Error::Data { place, message } if message.contains("data.") => {
                let model = "settings are the model's own: mend the file, or train anew with them";
                gimbap::Error::Data { place, message: format!("{message} ({model})") }
            }
            other => other,
        })?)
    }

    /// What is told of series that are too short to be used.
    fn told_short(&self, series: &[Series], rows: usize, what: &str) -> Option<String> {
        let short: Vec<&Series> = series.iter().filter(|series| series.len() < rows).collect();
        let first = short.first().filter(|_| short.len() < series.len())?;
        let named = first.id.as_deref().unwrap_or_default();
        Some(format!(
            "{} of {} series have fewer than {rows} rows{what}: they are passed over (first `{named}`, {} rows)",
            short.len(),
            series.len(),
            first.len()
        ))
    }

    /// The series that can be forecast, and what is told of the others.
    pub fn long_enough<'a>(&self, series: &'a [Series]) -> (Vec<&'a Series>, Option<String>) {
        let told = self.told_short(series, self.window, ", which the model sees before it forecasts");
        let long = series.iter().filter(|series| told.is_none() || series.len() >= self.window);
        (long.collect(), told)
    }

    /// What it sees and is asked for.
    pub fn windows(&self) -> Outcome<Windows> {
        Ok(Windows::new(self.window, self.horizon)?)
    }

    /// The series as the network reads them.
    pub fn scaled(&self, series: &[Series]) -> Vec<Series> {
        let mut scaled = series.to_vec();
        scaled.iter_mut().for_each(|series| self.scaler.transform(&mut series.values));
        scaled
    }

    fn part(&self, series: Vec<Series>, place: &str) -> Outcome<Part> {
        let windows = self.windows()?;
        let set = windows.cut(&self.scaled(&series), self.fill == Fill::Mask).map_err(|e| match e {
            gimbap::Error::Data { message, .. } => gimbap::Error::data(place, message),
            other => other,
        })?;
        let roles = series[0].roles;
        let WindowSet { starts, inputs, mut targets } = set;
        let (steps, width) = (windows.steps(&roles), windows.width(&roles));
        let rows = self.horizon * roles.values;
        for (sequence, targets) in inputs.chunks_exact(steps * width).zip(targets.chunks_exact_mut(rows)) {
            self.aim(&sequence[(self.window - 1) * width..][..roles.values], targets);
        }
        let n = starts.len();
        let inputs = Sequences::features(inputs, width, &vec![steps; n])?;
        let windows = match roles.known {
            0 => Dataset::new(
                inputs,
                Targets::per_sequence(RowTargets::Values { values: targets, width: rows }),
            )?,
            _ => {
                // The steps that are seen have no target.
                let seen = vec![0.0; self.window * roles.values];
                let values =
                    targets.chunks_exact(rows).flat_map(|asked| [&seen[..], asked].concat()).collect();
                let counts = (0..n * steps).map(|step| step % steps >= self.window).collect();
                Dataset::new(inputs, Targets::per_step(RowTargets::Values { values, width: roles.values }))?
                    .mask(counts)?
            }
        };
        let before = vec![Vec::new(); series.len()];
        Ok(Part { series, before, starts, windows })
    }

    /// A part that was held out.
    fn held_part(&self, held: HeldOut, place: &str) -> Outcome<Part> {
        Ok(Part { before: held.before, ..self.part(held.series, place)? })
    }

    /// What the network is to say of the scaled values behind a window: they themselves, or how far they lie from the last
    /// ones seen.
    pub fn aim<T: Copy + SubAssign>(&self, last: &[T], rows: &mut [T]) {
        if self.change {
            rows.chunks_exact_mut(last.len())
                .flatten()
                .zip(last.iter().cycle())
                .for_each(|(x, &last)| *x -= last);
        }
    }

    /// A model's forecasts for sequences of scaled inputs, in the data's units: `[B, horizon, values]`, row-major.
    pub fn forecast(&self, model: &Model, inputs: &Sequences<f32>) -> Outcome<Vec<f64>> {
        let (v, rows) = (self.values.len(), self.horizon * self.values.len());
        let found = model.predict(inputs)?;
        let each = found.len() / inputs.len().max(1);
        // Of a network that goes on through what is known ahead, the last steps.
        let own =
            |sequence: &[f32]| sequence[each - rows..].iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let found = found.as_standard_layout();
        let mut values: Vec<f64> = found.as_slice().unwrap_or(&[]).chunks_exact(each).flat_map(own).collect();
        if let (true, Steps::Features { values: seen, width }) = (self.change, inputs.steps()) {
            let steps = inputs.length(0);
            for (sequence, rows) in seen.chunks_exact(steps * width).zip(values.chunks_exact_mut(rows)) {
                let last = &sequence[(self.window - 1) * width..][..v];
                for row in rows.chunks_exact_mut(v) {
                    row.iter_mut().zip(last).for_each(|(x, &last)| *x += f64::from(last));
                }
            }
        }
        self.scaler.columns(0..v).inverse(&mut values);
        Ok(values)
    }

    /// The forecast behind the last row of a series, `[horizon, values]`, in the data's units.
    pub fn after(
        &self,
        model: &Model,
        table: &SeriesTable,
        series: &Series,
        place: &str,
    ) -> Outcome<Vec<f64>> {
        let of = series.id.as_ref().map_or(String::new(), |id| format!(", series `{id}`"));
        let short = |message: String| Failure::work("data", format!("{place}{of}: {message}"));
        if series.len() < self.window {
            return Err(short(format!(
                "has {} rows; the model sees {} before it forecasts",
                series.len(),
                self.window
            )));
        }
        let mut known = self.known_after(table, series).ok_or_else(|| {
            short(format!(
                "what is known of the {} rows to forecast is not there: put rows behind the last one with `{}` filled in and \
                 `{}` left empty",
                self.horizon,
                self.known.join("`, `"),
                self.values.join("`, `")
            ))
        })?;
        let roles = series.roles;
        if roles.known > 0 {
            self.scaler.columns(roles.ahead()).transform(&mut known);
        }
        let windows = self.windows()?;
        let scaled = self.scaled(std::slice::from_ref(series));
        let mut inputs = Vec::new();
        windows.read(&scaled[0], series.len() - self.window, known, &mut inputs);
        let inputs = Sequences::features(inputs, windows.width(&roles), &[windows.steps(&roles)])?;
        self.forecast(model, &inputs)
    }

    /// What is known of the rows behind the last one: what the file says, and the calendar. None if the file says too little.
    fn known_after(&self, table: &SeriesTable, series: &Series) -> Option<Vec<f64>> {
        let rows = self.horizon * series.roles.known;
        if series.ahead.len() >= rows {
            return Some(series.ahead[..rows].to_vec());
        }
        if !self.known.is_empty() {
            return None;
        }
        let (last, frequency) = (series.clock.last()?, table.frequency?);
        let clocks = (1..=self.horizon).map(|step| frequency.after(last, step).clock);
        clocks
            .map(|clock| Some(Calendar::angles(&self.calendar, clock?).collect::<Vec<_>>()))
            .collect::<Option<Vec<_>>>()
            .map(|all| all.concat())
    }
}

/// The columns that a config names.
fn columns_of(data: &Data) -> SeriesColumns {
    let names = |names: &Option<Names>| names.clone().map(|Names(names)| names).unwrap_or_default();
    SeriesColumns {
        time: data.time.clone(),
        id: data.id.clone(),
        values: names(&data.value),
        past: names(&data.past),
        known: names(&data.known),
        calendar: data.calendar.clone().unwrap_or_default(),
        frequency: data.frequency.clone(),
        fill: data.fill.unwrap_or_default(),
        doubles: data.doubles.unwrap_or_default(),
        header: data.header,
    }
}

/// The mean error of the forecast that the next row is as the last one, for each of the values to forecast.
fn naive_errors(series: &[Series]) -> Vec<f64> {
    let v = series.first().map_or(0, |series| series.roles.values);
    let mut sums = vec![(0.0, 0usize); v];
    for series in series {
        let values = series.wanted();
        for (row, before) in values.chunks_exact(v).skip(1).zip(values.chunks_exact(v)) {
            for ((sum, n), (x, y)) in sums.iter_mut().zip(row.iter().zip(before)) {
                *sum += (x - y).abs();
                *n += 1;
            }
        }
    }
    sums.into_iter().map(|(sum, n)| sum / n.max(1) as f64).collect()
}

/// A part of the series, and the values that came before.
struct HeldOut {
    series: Vec<Series>,
    before: Vec<Vec<f64>>,
}

impl HeldOut {
    /// How many rows before are kept at most: a season that is found out is not longer.
    const BEFORE: usize = 2000;

    /// The last fraction of each series, which is taken away from it.
    fn of(all: &mut Vec<Series>, fraction: f64, season: Option<usize>) -> HeldOut {
        let rows = season.unwrap_or(0).max(Self::BEFORE);
        let parts = all.iter().map(|series| {
            let keep = (series.len() as f64 * (1.0 - fraction)).round() as usize;
            series.split_at(keep.min(series.len()))
        });
        let (head, series): (Vec<Series>, Vec<Series>) = parts.unzip();
        let last = |head: &Series| head.split_at(head.len().saturating_sub(rows)).1.wanted();
        let before = head.iter().map(last).collect();
        *all = head;
        HeldOut { series, before }
    }
}

/// Whether the last value seen tells more of the next ones than their mean does, in the scaled values `[rows, values]` of
/// these series: whether repeating it is less far off.
fn last_tells(series: &[Vec<f64>], v: usize, window: usize, horizon: usize) -> bool {
    let all = || series.iter().flat_map(|values| values.chunks_exact(v));
    let n = all().count().max(1) as f64;
    let mean: Vec<f64> = (0..v).map(|column| all().map(|row| row[column]).sum::<f64>() / n).collect();
    let (mut repeated, mut spread) = (0.0, 0.0);
    for values in series {
        let rows: Vec<&[f64]> = values.chunks_exact(v).collect();
        for end in window..(rows.len() + 1).saturating_sub(horizon) {
            let last = rows[end - 1];
            for row in &rows[end..end + horizon] {
                repeated += row.iter().zip(last).map(|(x, last)| (x - last).powi(2)).sum::<f64>();
                spread += row.iter().zip(&mean).map(|(x, mean)| (x - mean).powi(2)).sum::<f64>();
            }
        }
    }
    repeated <= spread
}

/// All series one below the other.
fn stacked(series: &[Series]) -> Vec<f64> {
    series.iter().flat_map(|series| &series.values).copied().collect()
}

impl Forecast {
    /// Reads the series.
    pub fn open(config: &Config) -> Outcome<Self> {
        let path = data_path(config)?;
        let mut config = config.clone();
        let window = *config.data.window.get_or_insert(24);
        let asked = columns_of(&config.data);
        let table = SeriesTable::read(path, &asked)?;
        let mut notes = table.notes;
        let (mut train, frequency) = (table.series, table.frequency);
        let roles = train[0].roles;
        let rows = train.iter().map(Series::len).max().unwrap_or(0);
        let horizon = config.data.horizon.unwrap_or(1);
        let of_series = |held: Option<Held>| held.and_then(|held| held.of_series(rows, window, horizon));
        let auto = config.data.valid == Some(Held::Auto);
        (config.data.test, config.data.valid) = (of_series(config.data.test), of_series(config.data.valid));
        match &config.data.valid {
            Some(Held::Fraction(part)) if auto => notes.push(format!(
                "held out to choose the best model: the last {:.0} % of the rows of each series (data.valid)",
                100.0 * part
            )),
            None if auto => notes.push(format!(
                "nothing is held out: a third of the {rows} rows has no window of {window} and a horizon of {horizon}"
            )),
            _ => {}
        }
        let data = &config.data;
        let values = train[0].names[..roles.values].to_vec();
        let time = table.time.or_else(|| Some(NO_TIME.to_owned()));
        let columns = SeriesColumns { values: values.clone(), time: time.clone(), ..asked };
        let mut held = |held: &Option<Held>| -> Outcome<Option<HeldOut>> {
            Ok(match held {
                None | Some(Held::Auto) => None,
                Some(Held::Path(path)) => {
                    let series = SeriesTable::read(path, &columns)?.series;
                    Some(HeldOut { before: vec![Vec::new(); series.len()], series })
                }
                Some(Held::Fraction(fraction)) => Some(HeldOut::of(&mut train, *fraction, data.season)),
            })
        };
        let (test, valid) = (held(&data.test)?, held(&data.valid)?);
        let season = data.season.or_else(|| {
            let first = stacked(&train[..1]);
            let dated = frequency.filter(|_| !train[0].clock.iter().any(|time| time.clock.is_none()));
            let calendar = dated.and_then(|step| season_of_calendar(&first, roles.features(), &step));
            calendar.or_else(|| guess_period(&first, roles.features()))
        });
        if let (Some(season), None) = (season, data.season) {
            notes.push(format!("season: {season} rows, for the seasonal naive forecast (data.season)"));
        }
        let scaler = Scaler::fit(data.scaler.unwrap_or_default(), &stacked(&train), roles.features())?;
        if data.change.is_none() {
            let scaled = |series: &Series| {
                let mut values = series.wanted();
                scaler.columns(0..roles.values).transform(&mut values);
                values
            };
            let scaled: Vec<Vec<f64>> = train.iter().map(scaled).collect();
            let change = last_tells(&scaled, roles.values, window, horizon);
            if !change {
                notes.push(
                    "change: false, as the last value seen is further from the next ones than their mean is"
                        .into(),
                );
            }
            config.data.change = Some(change);
        }
        let data = &config.data;
        let SeriesColumns { id, past, known, calendar, frequency, fill, doubles, header, .. } = columns;
        let doc = Doc {
            time,
            values,
            scaler,
            window,
            horizon,
            season,
            change: data.change.unwrap_or(false),
            id,
            past,
            known,
            calendar,
            frequency,
            fill,
            doubles,
            header,
            naive: naive_errors(&train),
            naive_by_series: train
                .iter()
                .filter_map(|series| Some((series.id.clone()?, naive_errors(std::slice::from_ref(series)))))
                .collect(),
        };
        notes.extend(doc.told_short(&train, window + horizon, " of a window and a horizon to train on"));
        let place = |name: &str| format!("{}, {name} part", path.display());
        let train = doc.part(train, &place("training"))?;
        notes.extend(config.settle_sequences(train.windows.len()));
        Ok(Forecast {
            train,
            valid: valid
                .map(|held| {
                    notes.extend(doc.told_short(&held.series, window + horizon, " held out"));
                    doc.held_part(held, &place("validation"))
                })
                .transpose()?,
            test: test.map(|held| doc.held_part(held, &place("test"))).transpose()?,
            card: card_of(path, &hash_of(path)?),
            doc,
            notes,
            config,
        })
    }
}

/// Measures a model on a file.
pub fn evaluate(doc: &Doc, model: &Model, path: &Path) -> Outcome<Report> {
    let mut table = doc.read(path)?;
    table.notes.extend(doc.told_short(&table.series, doc.window + doc.horizon, " of a window and a horizon"));
    let part = doc.part(table.series, &input::name(path))?;
    let (metrics, figures) = figures::compare(doc, model, &part)?;
    let text = table.notes.into_iter().chain([figures]).collect::<Vec<_>>().join("\n");
    Ok(Report { metrics, text, ..Report::default() })
}

impl Work for Forecast {
    fn config(&self) -> &Config {
        &self.config
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn model(&self) -> Outcome<Model> {
        let Roles { values, known, .. } = self.train.series[0].roles;
        let loss = loss_of_numbers(&self.config);
        let width = self.doc.windows()?.width(&self.train.series[0].roles);
        // A step of what is known ahead has an output of its own.
        let outputs = if known > 0 { values } else { self.doc.horizon * values };
        let layers = sequential(&self.config, Input::features(width), Dense::new(outputs))?;
        let metrics = self.config.train.metrics.iter().copied();
        let mut model = layers.compile(self.config.train.optimizer.clone(), loss, metrics)?;
        model.task = TaskDoc::Forecast(self.doc.clone()).to_value()?;
        Ok(model)
    }

    fn train(&self) -> Outcome<Box<dyn BatchSource<f32> + '_>> {
        let train = &self.config.train;
        let seed = train.shuffle.then_some(train.seed);
        Ok(Box::new(Shuffled::new(&self.train.windows, train.batch(), seed, false)?))
    }

    fn valid(&self) -> Outcome<Option<Box<dyn BatchSource<f32> + '_>>> {
        let Some(valid) = &self.valid else { return Ok(None) };
        Ok(Some(Box::new(Shuffled::new(&valid.windows, self.config.train.batch(), None, false)?)))
    }

    fn unit(&self) -> &'static str {
        "windows"
    }

    fn targets_of_unit(&self) -> usize {
        if self.train.series[0].roles.known > 0 { self.doc.horizon } else { 1 }
    }

    fn figures(&self, evaluation: &Evaluation) -> Map<String, Value> {
        plain_figures(evaluation)
    }

    fn report(&self, model: &Model, _: &Out) -> Outcome<Report> {
        let mut report = Report::default();
        for (name, part) in [("validation", &self.valid), ("test", &self.test)] {
            let Some(part) = part else { continue };
            let (metrics, table) = figures::compare(&self.doc, model, part)?;
            let text = format!("{name}, in the data's units\n{table}");
            let doubt = figures::doubt(&metrics);
            report.add_as(name, metrics, &text);
            doubt.filter(|_| name == "validation").into_iter().for_each(|doubt| report.doubt(&doubt));
        }
        Ok(report)
    }

    fn card(&self) -> Vec<(String, String)> {
        let rows = |part: &Part| thousands(part.series.iter().map(Series::len).sum());
        let mut card = self.card.clone();
        card.push(("rows to train on".into(), rows(&self.train)));
        if let Some(valid) = &self.valid {
            card.push(("rows held out".into(), rows(valid)));
        }
        card.push(("columns".into(), self.doc.values.join(", ")));
        let calendar = self.doc.calendar.iter().map(|calendar| calendar.name().to_owned());
        for (name, columns) in [
            ("known up to the present", self.doc.past.clone()),
            ("known ahead", self.doc.known.iter().cloned().chain(calendar).collect()),
        ] {
            if !columns.is_empty() {
                card.push((name.into(), columns.join(", ")));
            }
        }
        card.push(("window, horizon".into(), format!("{}, {}", self.doc.window, self.doc.horizon)));
        card
    }

    fn next(&self, gimbap: &str, model: &str) -> Vec<String> {
        vec![
            format!("{gimbap} predict {model} series.csv --plot forecast.svg"),
            format!("{gimbap} eval {model} later.csv"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_tells_of_a_walk_and_not_of_a_short_wave() {
        let wave = |length: f64| -> Vec<f64> {
            (0..240).map(|i| (f64::from(i) * std::f64::consts::TAU / length).sin()).collect()
        };
        assert!(last_tells(&[wave(400.0)], 1, 24, 12));
        // Half a wave ahead stands the opposite.
        assert!(!last_tells(&[wave(24.0)], 1, 24, 24));
        assert!(last_tells(&[wave(24.0)], 1, 24, 2));
        // Series on levels of their own, each about its own.
        let levels: Vec<Vec<f64>> = [-3.0, 0.0, 3.0]
            .iter()
            .map(|level| wave(24.0).iter().map(|x| level + 0.3 * x).collect())
            .collect();
        assert!(last_tells(&levels, 1, 24, 24));
        let both: Vec<f64> = wave(400.0).iter().zip(wave(24.0)).flat_map(|(a, b)| [*a, 0.1 * b]).collect();
        assert!(last_tells(&[both], 2, 24, 12));
    }
}
